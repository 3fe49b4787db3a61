"""A fleet with its names looked up, its defaults filled in and its parts checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, Fidelity, Head, Model, PaperModel, SitePower
from ieco_opt.documents.origin import Location
from ieco_opt.engines.profile import Profile
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario import bounds
from ieco_opt.scenario.calibrations import calibrated
from ieco_opt.scenario.deployment import ResolvedDesignSpace
from ieco_opt.scenario.drafts import draft_of
from ieco_opt.scenario.engines import profiles_of, unserved, with_profiles
from ieco_opt.scenario.fleet import Fleet, FleetWorkload, OperatingPoint
from ieco_opt.scenario.fleet_energy import carbon_matters, energy_asked
from ieco_opt.scenario.pool import Pool
from ieco_opt.scenario.precisions import Served, complaints, precisions, weights_of
from ieco_opt.scenario.references import accelerator_of, model_of
from ieco_opt.scenario.self_contained import self_contained_fleet

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ResolvedPool:
    """A pool with its accelerator, whose node size, prices and power are those of the pool.

    ``power_w`` is ``None`` where it is unknown and nothing depends on it.
    """

    name: str
    accelerator: Accelerator
    gpus: int
    node_size: int
    by_node: bool
    usd_per_gpu_hour: float
    power_w: float | None
    max_power_kw: float | None
    owned_gpus: int

    @property
    def usd_per_kwh(self) -> float | None:
        """Price of energy at the site of the pool; ``None`` where it has none."""
        return None if self.accelerator.power is None else self.accelerator.power.usd_per_kwh

    @property
    def hardware(self) -> Accelerator:
        """The accelerator without prices and power, which no setup depends on: pools alike in it are priced once."""
        return replace(self.accelerator, usd_per_gpu_hour=None, power_w=None, power=None)


@dataclass(frozen=True, slots=True)
class ResolvedWorkload:
    """A workload with its models; ``points`` are operating points, each with the pools it suits (by position).

    ``engines`` are the servers to choose from, in order of preference; empty for the equations alone. ``model_error``
    is that of the fleet.
    """

    workload: FleetWorkload
    model: Model | PaperModel | None
    draft: Model | PaperModel | None
    design_space: ResolvedDesignSpace
    precisions: tuple[Precision, ...]
    engines: tuple[Profile, ...]
    pools: tuple[int, ...]
    points: tuple[tuple[OperatingPoint, tuple[int, ...]], ...]
    model_error: float | Literal["profile"] = 0.0

    def at_demand(self, factor: float) -> ResolvedWorkload:
        """The same workload with a multiple of its demand."""
        requests_per_s = factor * self.workload.demand
        return replace(self, workload=self.workload.model_copy(update={"requests_per_s": requests_per_s}))


@dataclass(frozen=True, slots=True)
class ResolvedFleet:
    """All that pricing a fleet needs to know; ``fleet`` is self-contained: files that it named are read."""

    fleet: Fleet
    pools: tuple[ResolvedPool, ...]
    workloads: tuple[ResolvedWorkload, ...]

    def at_demand(self, factor: float) -> ResolvedFleet:
        """The same fleet whose workloads have a multiple of their demands."""
        if factor == 1.0:
            return self
        return replace(self, workloads=tuple(each.at_demand(factor) for each in self.workloads))

    def energy_matters(self, objective: str | None = None) -> bool:
        """Whether energy decides anything: it has a price or a limit, or an objective (the fleet's) is about it."""
        asked = self.fleet if objective is None else self.fleet.model_copy(update={"objective": objective})
        return energy_asked(asked) or any(pool.usd_per_kwh is not None for pool in self.pools)


def resolve_fleet(fleet: Fleet) -> ResolvedFleet:
    """Look up what a fleet names and check its parts against each other.

    Raises
    ------
    ScenarioError
        With every unknown name, wrong mapping, and missing price or power; or with the lists that ask for more
        configurations than the fleet may.
    """
    faults: list[Fault] = []
    fleet = _collected(partial(self_contained_fleet, fleet), faults) or fleet
    pools = [_collected(partial(_pool, fleet, at), faults) for at in range(len(fleet.pools))]
    fleet, pools = _calibrated(fleet, pools, faults)
    workloads = [_collected(partial(_workload, fleet, at, pools), faults) for at in range(len(fleet.workloads))]
    if faults:
        # A wrong model file is met twice: once to put it into the fleet, once as the workload's model.
        raise ScenarioError(list(dict.fromkeys(faults)))
    resolved = ResolvedFleet(
        fleet=fleet,
        pools=tuple(pool for pool in pools if pool is not None),
        workloads=tuple(workload for workload in workloads if workload is not None),
    )
    bounds.check(fleet.origin, _factors(resolved))
    return resolved


def _calibrated(
    fleet: Fleet, pools: list[ResolvedPool | None], faults: list[Fault]
) -> tuple[Fleet, list[ResolvedPool | None]]:
    """Pools whose accelerators have their calibration, and the fleet with its profiles as mappings."""
    hardware = [None if pool is None else pool.accelerator for pool in pools]
    try:
        found, held = calibrated(hardware, fleet.profile, fleet.origin)
    except ScenarioError as error:
        faults.extend(error.faults)
        return fleet, pools
    priced = [
        pool if pool is None or each is None else replace(pool, accelerator=each)
        for pool, each in zip(pools, found, strict=True)
    ]
    return fleet if held == fleet.profile else fleet.model_copy(update={"profile": held}), priced


def _factors(resolved: ResolvedFleet) -> Iterator[tuple[Location, bounds.Factors]]:
    """Lists of each workload that multiply, where it has a model to price."""
    for at, workload in enumerate(resolved.workloads):
        if workload.model is not None:
            hardware = len({resolved.pools[pool].hardware for pool in workload.pools})
            space, engines = workload.design_space, len(workload.engines)
            yield ("workloads", at), bounds.factors_of_workload(workload.workload, space, hardware, engines)


def _collected(read: Callable[[], T], faults: list[Fault]) -> T | None:
    """What ``read`` returns, or ``None`` with its faults kept."""
    try:
        return read()
    except ScenarioError as error:
        faults.extend(error.faults)
        return None


def _pool(fleet: Fleet, index: int) -> ResolvedPool:
    pool, location = fleet.pools[index], ("pools", index)
    accelerator = accelerator_of(pool.accelerator, (*location, "accelerator"), Fidelity.DEPLOYABLE, fleet.origin)
    price = accelerator.usd_per_gpu_hour if pool.usd_per_gpu_hour is None else pool.usd_per_gpu_hour
    power = accelerator.power_w if pool.power_w is None else pool.power_w
    faults = []
    if price is None:
        message = f"no price is known for {accelerator.name!r}, expected a number"
        faults.append(fleet.origin.fault((*location, "usd_per_gpu_hour"), message))
    site = accelerator.power if pool.power is None else SitePower(**pool.power.model_dump())
    if power is None and (_power_matters(fleet, pool) or site is not None):
        message = f"no power is known for {accelerator.name!r}, expected a number in watts"
        faults.append(fleet.origin.fault((*location, "power_w"), message))
    if carbon_matters(fleet) and (site is None or site.kg_co2_per_kwh is None):
        message = f"no carbon is known for pool {pool.name!r}, expected kg_co2_per_kwh"
        faults.append(fleet.origin.fault((*location, "power"), message))
    if faults or price is None:
        raise ScenarioError(faults)
    node_size = pool.node_size or accelerator.node_size
    return ResolvedPool(
        name=pool.name,
        accelerator=replace(accelerator, node_size=node_size, usd_per_gpu_hour=price, power_w=power, power=site),
        gpus=pool.gpus,
        node_size=node_size,
        by_node=pool.rented_by == "node",
        usd_per_gpu_hour=price,
        power_w=power,
        max_power_kw=pool.max_power_kw,
        owned_gpus=pool.owned_gpus,
    )


def _power_matters(fleet: Fleet, pool: Pool) -> bool:
    capped = pool.max_power_kw is not None or fleet.limits.max_power_kw is not None
    return capped or fleet.objective == "power" or energy_asked(fleet)


def _workload(fleet: Fleet, index: int, pools: list[ResolvedPool | None]) -> ResolvedWorkload:
    workload, location = fleet.workloads[index], ("workloads", index)
    faults: list[Fault] = [
        fleet.origin.fault((*location, "requests_per_s"), f"missing, expected {expected}")
        for at, expected in fleet.without_rate()
        if at == index
    ]

    def looked_up(reference: str | dict[str, object], *at: str) -> Model | PaperModel | None:
        place: Location = (*location, *at)
        return _collected(lambda: model_of(reference, place, Fidelity.DEPLOYABLE, fleet.origin), faults)

    model = None if workload.model is None else looked_up(workload.model, "model")
    draft, speculation = None, workload.speculation
    if speculation is not None:
        at: Location = (*location, "speculation")
        draft = _collected(lambda: draft_of(speculation, model, at, Fidelity.DEPLOYABLE, fleet.origin), faults)
    allowed = tuple(at for at, pool in enumerate(fleet.pools) if workload.pools is None or pool.name in workload.pools)
    points = _points(fleet, index, pools, allowed, faults)
    served = [Served(model, ("model",), workload.model)] if isinstance(model, Model) else []
    if speculation is not None and isinstance(draft, Model) and not isinstance(draft, Head):
        served.append(Served(draft, ("speculation", "draft_model"), speculation.draft_model))
    engines = (
        _collected(
            lambda: profiles_of(with_profiles(workload.engine, (*location, "engine"), fleet.origin)),
            faults,
        )
        or ()
    )
    if isinstance(model, Model):
        hardware = [pool.accelerator for at in allowed if (pool := pools[at]) is not None]
        faults += [
            fleet.origin.fault((*location, *place), message)
            for place, message in complaints(workload.weights, workload.kv_cache, served, hardware, _requests(workload))
        ]
        faults += _without_server(fleet, location, hardware, engines)
    if faults:
        raise ScenarioError(faults)
    return ResolvedWorkload(
        workload=workload,
        model=model,
        draft=draft,
        design_space=workload.design_space.resolved(Fidelity.DEPLOYABLE),
        precisions=precisions(weights_of(workload.weights, model), workload.kv_cache)
        if isinstance(model, Model)
        else (),
        engines=engines,
        pools=allowed,
        points=points,
        model_error=fleet.model_error,
    )


def _without_server(
    fleet: Fleet, location: Location, hardware: Sequence[Accelerator], engines: Sequence[Profile]
) -> list[Fault]:
    """Refuse a workload that no pool of its own can serve, since no server runs there."""
    wrong = dict(unserved(engines, hardware))
    if not wrong or len(wrong) < len(hardware):
        return []
    return [fleet.origin.fault((*location, "engine"), message) for message in dict.fromkeys(wrong.values())]


def _requests(workload: FleetWorkload) -> Iterator[tuple[Location, int]]:
    """Tokens of the requests of each class, with the field that says them."""
    for at, each in enumerate(workload.classes):
        place: Location = ("prompt_tokens",) if workload.request_mix is None else ("request_mix", at)
        yield place, each.prompt_tokens + each.output_tokens


def _points(
    fleet: Fleet, index: int, pools: list[ResolvedPool | None], allowed: tuple[int, ...], faults: list[Fault]
) -> tuple[tuple[OperatingPoint, tuple[int, ...]], ...]:
    """Operating points with the pools they suit; a pool that itself is wrong suits none."""
    listed = fleet.workloads[index].operating_points
    found = []
    for row, point in enumerate(listed if isinstance(listed, tuple) else ()):
        if point.pool is not None:
            suits = [at for at in allowed if fleet.pools[at].name == point.pool]
        else:
            name = _accelerator_name(fleet, ("workloads", index, "operating_points", row), point, pools, faults)
            suits = [at for at in allowed if (pool := pools[at]) is not None and pool.accelerator.name == name]
        found.append((point, tuple(suits)))
    return tuple(found)


def _accelerator_name(
    fleet: Fleet,
    location: Location,
    point: OperatingPoint,
    pools: list[ResolvedPool | None],
    faults: list[Fault],
) -> str | None:
    """Canonical name of the accelerator of a point: one of the pools' own, or of the catalog."""
    assert point.accelerator is not None
    if any(pool is not None and pool.accelerator.name == point.accelerator for pool in pools):
        return point.accelerator
    try:
        place: Location = (*location, "accelerator")
        return accelerator_of(point.accelerator, place, Fidelity.DEPLOYABLE, fleet.origin).name
    except ScenarioError as error:
        faults.extend(error.faults)
        return None
