"""Small fleets by brute force, and a simulator that checks the plans of any fleet (docs/fleet.md).

Scenarios are plain mappings, as in a YAML file of version 2, with operating points as lists of mappings; results are
parsed JSON files of format 2.

The search counts instances of each kind. Four arguments keep it small, and no others:

* An instance more never lowers cost, power or GPUs, so plans from which one could be taken away are left out.
* Of two kinds of one workload, phase, pool and size, one that is nowhere better can be replaced by the other.
* Cost, power, GPUs and whether instances fit on nodes depend only on how many whole nodes and how many remainders of
  each size a plan has in each pool (its *footprint*); a footprint that is nowhere smaller than another is not needed.
* Plans of more GPUs than there are in stock do not fit, and a plan rents at least the GPUs of its instances, so plans
  that even then break a cap or are no better than one already found are skipped.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator, Model

from . import calibrated, cards, energy, heads, servers, serving
from .breakdown import breakdown, memory_faults, setup_of
from .common import Setup
from .energy import Supply
from .precision import Precision
from .precision import listed as listed_entries
from .serving import Decoding, Instance, Phase, Request, Service, Speculation
from .started import named, started

Scenario = Mapping[str, Any]
Row = Mapping[str, Any]

TOLERANCE = 1e-9
"""Relative: sums of floating-point numbers that differ by less are equal."""

PROVEN = 1e-6
"""Relative gap below which a plan may be called optimal."""

MOST_STEPS = 20_000
"""Steps of counting through one phase of a workload beyond which a fleet is not small."""

MOST_PLANS = 500_000
"""Combinations of ways to serve beyond which a fleet is not small."""

MOST_COMPARED = 5_000
"""Footprints beyond which it takes longer to find the smallest than to go on with all."""

FORMAT, FORMAT_VERSION, SCENARIO_VERSION = "ieco_opt result", 2, 2

OBJECTIVES = ("cost", "power", "gpus", "energy", "carbon", "throughput")
AGAINST = ("speed", "power", "gpus", "throughput")

Runs = tuple[str, str, tuple[str, str] | None]
"""Engine, precision of the cache, and the accelerators between which such caches go (None: any)."""

PHASES: dict[str, tuple[Phase, ...]] = {"colocated": ("colocated",), "disaggregated": ("prefill", "decode")}


class TooLargeError(Exception):
    """The fleet has more plans than can be counted through."""


def at_most(value: float, limit: float | None) -> bool:
    """Whether a value keeps a limit, rounding aside."""
    return limit is None or value <= limit + TOLERANCE * max(abs(limit), abs(value))


def same(one: float, other: float, tolerance: float = TOLERANCE) -> bool:
    """Whether two figures agree, rounding aside."""
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-12)


# --- scenarios --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pool:
    """GPUs of one kind that can be rented; the accelerator has the node size of the pool."""

    name: str
    accelerator: Accelerator
    gpus: int
    usd_per_gpu_hour: float
    by_node: bool
    power_w: float | None
    max_power_kw: float | None
    owned_gpus: int
    supply: Supply = field(default_factory=Supply)

    @property
    def node_size(self) -> int:
        """GPUs of one node."""
        return self.accelerator.node_size

    @property
    def whole_nodes(self) -> int:
        """Nodes with all their GPUs."""
        return self.gpus // self.node_size

    @property
    def partial_node(self) -> int:
        """GPUs of the node that is left over, which only a pool rented by the GPU can use."""
        return 0 if self.by_node else self.gpus % self.node_size

    @property
    def usable_gpus(self) -> int:
        """GPUs on nodes that can be used."""
        return self.whole_nodes * self.node_size + self.partial_node

    def usd_per_hour(self, rented: float) -> float:
        """Rent of that many GPUs."""
        return self.usd_per_gpu_hour * max(0, rented - self.owned_gpus)

    def power_kw(self, rented: float) -> float | None:
        """Power of that many GPUs, if known."""
        return None if self.power_w is None else self.power_w * rented / 1000

    def idle_kw(self, gpus: float) -> float:
        """Power that the site draws for instances of that many GPUs, whatever they serve; nan if unknown."""
        return self.supply.pue * gpus * (self.power_w or math.nan) * self.supply.idle / 1000

    def busy_kw(self, gpus: float, busy_s: float) -> float:
        """Power of a request a second that keeps that many GPUs busy so long (kW of the site); nan if unknown."""
        return self.supply.pue * gpus * (self.power_w or math.nan) * self.supply.busy * busy_s / 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of instance: what it serves of each class of requests, and its parts of the time to first token.

    ``pass_s`` is all of that time but the transfer. These are the figures of the model; ``error`` is how much too
    optimistic they are taken to be where they have to suffice, which those of operating points are not.
    ``runs`` are the engine, the precision of the cache and the accelerators that it can go to of a priced kind, which
    all kinds of a disaggregated workload have in common; an operating point goes with any.
    """

    workload: str
    phase: Phase
    pool: int
    gpus: int
    capacity: tuple[float, ...]
    pass_s: tuple[float, ...]
    transfer_s: tuple[float, ...]
    label: str = ""
    rows: tuple[Row, ...] = field(default=(), compare=False)
    runs: Runs | None = None
    error: float = 0.0
    busy_s: tuple[float, ...] = ()
    """Seconds for which a request of each class keeps the instance busy; empty where energy does not matter."""
    speeds: tuple[float | None, ...] = field(default=(), compare=False)
    """Tokens/s that requests of each class see; None where they are not served, see none, or nobody says."""

    @property
    def sure_capacity(self) -> tuple[float, ...]:
        """Capacity that has to suffice."""
        return tuple(capacity / (1 + self.error) for capacity in self.capacity)

    @property
    def sure_times(self) -> tuple[float, ...]:
        """Parts of the time to first token that have to be in time."""
        return tuple(seconds * (1 + self.error) for seconds in self.pass_s + self.transfer_s)

    def pairs_with(self, other: Kind, cap: float | None) -> bool:
        """Whether this prefill kind may stand beside a decode kind: each class that both serve starts in time.

        The time to first token of an operating point has the transfer in it, whatever decodes.
        """
        return all(
            not (mine and theirs)
            or at_most((1 + self.error) * (passed + max(leaving, 0.0 if self.rows else entering)), cap)
            for mine, theirs, passed, leaving, entering in zip(
                self.capacity, other.capacity, self.pass_s, self.transfer_s, other.transfer_s, strict=True
            )
        )


@dataclass(frozen=True, slots=True)
class Workload:
    """What has to be served."""

    name: str
    mapping: Scenario
    classes: dict[str, Request]
    requests_per_s: tuple[float, ...]
    headroom: float
    slices: int | None
    min_instances: int
    max_instances: int | None
    modes: tuple[str, ...]
    pools: tuple[int, ...]
    min_speed: float | None
    max_time_to_first_token_s: float | None

    @property
    def required(self) -> tuple[float, ...]:
        """Requests per second of each class that must be possible."""
        return tuple(rate * (1 + self.headroom) for rate in self.requests_per_s)


@dataclass(frozen=True, slots=True)
class Case:
    """A fleet scenario, read."""

    pools: tuple[Pool, ...]
    workloads: tuple[Workload, ...]
    max_usd_per_hour: float | None
    max_power_kw: float | None
    max_gpus: int | None
    objective: str
    profile: Any = None
    model_error: Any = None
    max_energy_kw: float | None = None
    max_carbon_kg_per_hour: float | None = None

    @property
    def energy_matters(self) -> bool:
        """Whether the loads of instances are decided with the plan (docs/fleet.md, "Energy")."""
        priced = any(not math.isnan(pool.supply.usd_per_kwh) for pool in self.pools)
        limited = self.max_energy_kw is not None or self.max_carbon_kg_per_hour is not None
        return priced or limited or self.objective in ("energy", "carbon")


def read(mapping: Scenario, speed_factor: float = 1.0, demand_factor: float = 1.0) -> Case:
    """Read a scenario; every least speed and every demand is multiplied by its factor."""
    if _given(mapping, "version", SCENARIO_VERSION) != SCENARIO_VERSION:
        message = f"scenario of version {mapping['version']}; the oracle reads {SCENARIO_VERSION}"
        raise ValueError(message)
    pools = tuple(_pool(entry, mapping.get("profile")) for entry in mapping["pools"])
    limits = mapping.get("limits") or {}
    return Case(
        pools=pools,
        workloads=tuple(_workload(entry, pools, speed_factor, demand_factor) for entry in mapping["workloads"]),
        max_usd_per_hour=limits.get("max_usd_per_hour"),
        max_power_kw=limits.get("max_power_kw"),
        max_gpus=limits.get("max_gpus"),
        objective=mapping.get("objective") or "cost",
        profile=mapping.get("profile"),
        model_error=mapping.get("model_error"),
        max_energy_kw=limits.get("max_energy_kw"),
        max_carbon_kg_per_hour=limits.get("max_carbon_kg_per_hour"),
    )


def _given(mapping: Scenario, name: str, default: Any) -> Any:
    value = mapping.get(name)
    return default if value is None else value


def _model(reference: Any) -> Model:
    found = catalog.model(reference) if isinstance(reference, str) else catalog.model_from_mapping(reference)
    assert isinstance(found, Model)
    return found


def _pool(mapping: Scenario, profile: Any) -> Pool:
    known, card = cards.read(mapping["accelerator"]), mapping["accelerator"]
    tariff = mapping.get("power") or (None if isinstance(card, str) else card.get("power"))
    price = _given(mapping, "usd_per_gpu_hour", known.usd_per_gpu_hour)
    if price is None:
        message = f"pool {mapping['name']} has no price"
        raise ValueError(message)
    return Pool(
        name=mapping["name"],
        accelerator=replace(known, node_size=_given(mapping, "node_size", known.node_size)),
        gpus=mapping["gpus"],
        usd_per_gpu_hour=price,
        by_node=_given(mapping, "rented_by", "node") == "node",
        power_w=_given(mapping, "power_w", known.power_w),
        max_power_kw=mapping.get("max_power_kw"),
        owned_gpus=_given(mapping, "owned_gpus", 0),
        supply=energy.supply(calibrated.profile_of(profile, known), known.name, tariff),
    )


def _workload(mapping: Scenario, pools: Sequence[Pool], speed_factor: float, demand_factor: float) -> Workload:
    mix = mapping.get("request_mix") or [{"name": "", "share": 1, **_sizes(mapping)}]
    shares = [entry["share"] for entry in mix]
    speed = mapping.get("min_speed")
    allowed = _given(mapping, "pools", [pool.name for pool in pools])
    # Where it is left out, the most is wanted that can be served.
    demand = _given(mapping, "requests_per_s", 1.0) * demand_factor
    return Workload(
        name=mapping["name"],
        mapping=mapping,
        classes={_class_name(entry): Request(entry["prompt_tokens"], entry["output_tokens"]) for entry in mix},
        requests_per_s=tuple(demand * share / sum(shares) for share in shares),
        headroom=_given(mapping, "headroom", 0.0),
        slices=mapping.get("slices"),
        min_instances=_given(mapping, "min_instances", 1),
        max_instances=mapping.get("max_instances"),
        modes=tuple(_given(mapping, "serving", PHASES)),
        pools=tuple(index for index, pool in enumerate(pools) if pool.name in allowed),
        min_speed=None if speed is None else speed * speed_factor,
        max_time_to_first_token_s=mapping.get("max_time_to_first_token_s"),
    )


def _sizes(mapping: Scenario) -> dict[str, Any]:
    return {name: mapping[name] for name in ("prompt_tokens", "output_tokens")}


def _class_name(entry: Scenario) -> str:
    return str(_given(entry, "name", f"{entry['prompt_tokens']}/{entry['output_tokens']}"))


# --- kinds of instances -----------------------------------------------------------------------------------------------


def kinds(case: Case, workload: Workload) -> list[Kind]:
    """List every kind of instance of the phases that a workload may use: operating points and priced setups."""
    phases = [phase for mode in PHASES if mode in workload.modes for phase in PHASES[mode]]
    listed = [kind for kind in listed_kinds(case, workload) if kind.phase in phases]
    return listed + [
        kind for phase in phases for pool in workload.pools for kind in priced_kinds(case, workload, phase, pool)
    ]


def listed_kinds(case: Case, workload: Workload) -> list[Kind]:
    """List the kinds of the operating points, on every pool they can run on."""
    groups: dict[tuple[Phase, int, int, str], list[Row]] = defaultdict(list)
    for number, row in enumerate(workload.mapping.get("operating_points") or ()):
        for pool in workload.pools:
            if _runs_on(row, case.pools[pool]) and _good_enough(row, workload):
                # With classes, rows of one name are one kind; without, every row is a kind.
                name = str(row["kind"] if mixed(workload) else number)
                groups[_phase(row), pool, row["gpus"], name].append(row)
    found = []
    for (phase, pool, gpus, name), rows in groups.items():
        by_class = {str(_given(row, "request_class", "")): row for row in rows}
        capacity = [
            _throughput(by_class[label], request) if label in by_class else 0.0
            for label, request in workload.classes.items()
        ]
        first = [_first_token(by_class.get(label, {})) for label in workload.classes]
        if any(capacity):
            zeros = (0.0,) * len(capacity)
            # An operating point is busy while it serves.
            busy = tuple(1 / each if each else 0.0 for each in capacity) if case.energy_matters else ()
            speeds = tuple(
                _filled(by_class.get(label, {}), "speed_tokens_per_s", "speed") for label in workload.classes
            )
            place = (workload.name, phase, pool, gpus)
            more: Any = {"busy_s": busy, "speeds": speeds}
            found.append(Kind(*place, tuple(capacity), tuple(first), zeros, name, tuple(rows), **more))
    return found


def mixed(workload: Workload) -> bool:
    """Whether a workload has classes of requests."""
    return workload.mapping.get("request_mix") is not None


def _phase(row: Row) -> Phase:
    return cast(Phase, _filled(row, "phase") or "colocated")


def _filled(row: Row, *names: str) -> Any:
    """Return the first cell of these names that is not empty."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _runs_on(row: Row, pool: Pool) -> bool:
    if _filled(row, "pool") is not None:
        return bool(row["pool"] == pool.name)
    try:
        return catalog.accelerator(row["accelerator"]).name == pool.accelerator.name
    except ValueError:
        return bool(row["accelerator"] == pool.accelerator.name)


def _good_enough(row: Row, workload: Workload) -> bool:
    speed = _filled(row, "speed_tokens_per_s", "speed")
    if None not in (speed, workload.min_speed) and not at_most(workload.min_speed or 0.0, speed):
        return False
    return at_most(_first_token(row), workload.max_time_to_first_token_s)


def _first_token(row: Row) -> float:
    return float(_filled(row, "time_to_first_token_s", "time_to_first_token") or 0.0)


def _throughput(row: Row, request: Request) -> float:
    """Requests per second of an operating point."""
    requests = _filled(row, "throughput_requests_per_s")
    if requests is not None:
        return float(requests)
    return float(_filled(row, "throughput_tokens_per_s", "throughput")) / request.output_tokens


def service(case: Case, workload: Workload, pool: int, request: Request) -> Service:
    """Say what instances of a workload with a model have to do on a pool, for one size of requests."""
    mapping = workload.mapping
    space = dict(mapping.get("design_space") or {})
    batches = space.pop("batch", None)
    listed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list | tuple) else value for name, value in space.items()
    }
    return Service(
        model=_model(mapping["model"]),
        accelerator=case.pools[pool].accelerator,
        weights=listed_entries(mapping["weights"], ""),
        kv_cache=listed_entries(mapping.get("kv_cache"), "bf16"),
        prefix_hit=_given(mapping, "prefix_hit", 0.0),
        engine=_given(mapping, "engine", "any"),
        memory_reserve_gb=_given(mapping, "memory_reserve_gb", "auto"),
        profile=case.profile,
        engine_factors=bool(mapping.get("engine_factors")),
        error=calibrated.error_of(case.model_error, case.profile, case.pools[pool].accelerator),
        request=request,
        batches=_batches(batches),
        memory_utilization=_given(mapping, "memory_utilization", 0.9),
        min_speed=workload.min_speed,
        max_time_to_first_token_s=workload.max_time_to_first_token_s,
        speculation=_speculation(mapping.get("speculation"), _model(mapping["model"])),
        **{name: value for name, value in listed.items() if value is not None},
    )


def _batches(given: Any) -> NDArray[np.int64] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        return np.arange(given.get("min", 1), given.get("max", 16384) + 1)
    return np.array(given)


def _speculation(given: Scenario | None, model: Model) -> Speculation | None:
    if given is None:
        return None
    draft, accepted = heads.read_draft(given, model, _model), heads.accepted_tokens(given.get("accepted_tokens"))
    return Speculation(draft, _given(given, "acceptance", 0.0), given.get("max_draft_tokens"), accepted)


def priced_kinds(case: Case, workload: Workload, phase: Phase, pool: int) -> list[Kind]:
    """Price the setups of a workload's model on a pool; in a mix each class has its own best batch."""
    if workload.mapping.get("model") is None:
        return []
    services = [service(case, workload, pool, request) for request in workload.classes.values()]
    by_class = [{one.key: one for one in serving.instances(each, phase)} for each in services]
    error = calibrated.error_of(case.model_error, case.profile, case.pools[pool].accelerator)
    found = []
    for key in dict.fromkeys(key for one in by_class for key in one):
        members = [one.get(key) for one in by_class]
        gpus = next(member.gpus for member in members if member)
        found.append(
            Kind(
                workload=workload.name,
                phase=phase,
                pool=pool,
                gpus=gpus,
                capacity=tuple(member.capacity_requests_per_s if member else 0.0 for member in members),
                pass_s=tuple(member.pass_s if member else 0.0 for member in members),
                transfer_s=tuple(member.transfer_s if member else 0.0 for member in members),
                label=f"{key[1:]}",
                runs=_runs(next(member for member in members if member), case.pools[pool].accelerator),
                error=error,
                busy_s=_busy_s(services, members) if case.energy_matters else (),
                speeds=tuple(member.speed_tokens_per_s if member else None for member in members),
            )
        )
    return found


def _busy_s(services: Sequence[Service], members: Sequence[Instance | None]) -> tuple[float, ...]:
    """Seconds for which a request of each class keeps the instances busy."""
    return tuple(
        serving.busy_request_s(wanted, member) if member else 0.0
        for wanted, member in zip(services, members, strict=True)
    )


def _runs(instance: Instance, accelerator: Accelerator) -> Runs:
    engine = instance.setup.engine
    return engine, instance.kv_cache, servers.caches_stay(engine, accelerator)


def undominated(listed: Sequence[Kind]) -> list[Kind]:
    """Leave out kinds that another of the same workload, phase, pool and size is nowhere worse than.

    Of two modes, only the colocated one lets kinds of any engine, cache and generation stand together.
    """
    kept: list[Kind] = []
    for kind in sorted(listed, key=_figures, reverse=True):
        if not any(_replaces(other, kind) for other in kept):
            kept.append(kind)
    return kept


def _figures(kind: Kind) -> tuple[tuple[float, ...], ...]:
    """Order kinds so that what could replace a kind comes before it."""
    times = tuple(-passed for passed in kind.sure_times)
    return kind.sure_capacity, times, tuple(-busy for busy in kind.busy_s)


def _replaces(one: Kind, other: Kind) -> bool:
    if (one.phase, one.pool, one.gpus) != (other.phase, other.pool, other.gpus):
        return False
    if one.phase != "colocated" and one.runs not in (None, other.runs):
        return False
    # A class that only the better kind serves could bring a pair that starts too late, so classes have to be the same.
    if [value > 0 for value in one.capacity] != [value > 0 for value in other.capacity]:
        return False
    if any(mine > theirs for mine, theirs in zip(one.busy_s, other.busy_s, strict=True)):
        return False
    times = zip(one.sure_times, other.sure_times, strict=True)
    more = all(a >= b for a, b in zip(one.sure_capacity, other.sure_capacity, strict=True))
    return more and all(a <= b for a, b in times)


# --- demand -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Need:
    """What the instances of one phase must do: every row of ``covers`` times the counts at least 1.

    With slices, ``loads`` holds for each class the instances of each kind that one slice keeps busy.
    """

    covers: NDArray[np.float64]
    loads: tuple[tuple[float, ...], ...]
    slices: int | None
    min_instances: int
    max_instances: int | None

    def met_by(self, counts: Sequence[int]) -> bool:
        """Whether that many instances of each kind suffice."""
        if sum(counts) < self.min_instances or not (self.covers @ np.array(counts) >= 1 - TOLERANCE).all():
            return False
        return self.slices is None or slices_fit(self.loads, self.slices, counts)


def need(workload: Workload, listed: Sequence[Kind], *, nominal: bool = False) -> Need:
    """Write down what one phase of a workload must do with these kinds, by the figures of the model or by sure ones."""
    chosen = [kind.capacity if nominal else kind.sure_capacity for kind in listed]
    capacities = np.array(chosen, dtype=float).reshape(len(listed), -1)
    slices = workload.slices
    with np.errstate(divide="ignore"):
        loads = np.array(workload.required)[:, np.newaxis] / (slices or 1) / capacities.T
    return Need(
        covers=cover_rows(capacities, workload.required),
        loads=tuple(tuple(row) for row in loads.tolist()),
        slices=slices,
        min_instances=workload.min_instances,
        max_instances=workload.max_instances,
    )


def cover_rows(capacities: NDArray[np.float64], demands: Sequence[float]) -> NDArray[np.float64]:
    """Rows whose product with the counts must reach 1 for classes that are split at will.

    By the duality of linear programs, counts x serve demands d exactly if, whatever a request of each class is worth
    (y >= 0),

        sum over kinds of x_k max_c y_c R_kc  >=  sum over classes of y_c d_c.

    Both sides are linear between the hyperplanes y_a R_ka = y_b R_kb and y_c = 0, so it is enough to look at the
    directions in which such hyperplanes meet: there a tree of equations, each of some kind, links all classes of worth.
    """
    rows = set()
    for values in _class_values(capacities):
        worth = float(np.dot(values, demands))
        if worth > 0:
            rows.add(tuple(np.max(capacities * values, axis=1) / worth))
    return np.array(sorted(rows), dtype=float).reshape(len(rows), len(capacities))


def _class_values(capacities: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Values of a request of each class at which a cover row is needed (and some more, which do no harm)."""
    classes = capacities.shape[1]
    pending = [{first: 1.0} for first in range(classes)]
    while pending:
        known = pending.pop()
        values = np.zeros(classes)
        values[list(known)] = list(known.values())
        yield values
        for old, new, kind in itertools.product(known, range(classes), capacities):
            if new not in known and kind[old] > 0 and kind[new] > 0:
                pending.append(known | {new: known[old] * kind[old] / kind[new]})


def slices_fit(loads: Sequence[Sequence[float]], slices: int, counts: Sequence[int]) -> bool:
    """Whether all slices of all classes can be handed out so that no kind has more than its instances can do."""

    def hand_out(number: int, room: tuple[float, ...]) -> bool:
        if number == len(loads):
            return True
        for share in _compositions(slices, len(room)):
            left = [
                free - given * load if given else free
                for free, given, load in zip(room, share, loads[number], strict=True)
            ]
            if min(left, default=-1.0) >= -TOLERANCE and hand_out(number + 1, tuple(left)):
                return True
        return False

    return hand_out(0, tuple(float(count) for count in counts))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 0:
        return
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def minimal_counts(case: Case, listed: Sequence[Kind], wanted: Need) -> list[tuple[int, ...]]:
    """Counts of each kind that suffice, fit the stock by their GPUs, and of which none can be taken away."""
    found = []
    steps = itertools.count()

    def extend(counts: list[int], free: list[int]) -> bool:
        """Add kinds one after the other; return whether the counts so far were enough already."""
        if next(steps) > MOST_STEPS:
            raise TooLargeError
        padded = counts + [0] * (len(listed) - len(counts))
        if wanted.met_by(padded):
            if _is_minimal(padded, wanted):
                found.append(tuple(padded))
            return True
        if len(counts) < len(listed) and _can_still_cover(listed, wanted, counts, free):
            kind = listed[len(counts)]
            for count in range(_most(kind, wanted, counts, free) + 1):
                left = free.copy()
                left[kind.pool] -= count * kind.gpus
                if extend([*counts, count], left):
                    break
        return False

    extend([], [pool.usable_gpus for pool in case.pools])
    return [counts for counts in found if wanted.max_instances is None or sum(counts) <= wanted.max_instances]


def _most(kind: Kind, wanted: Need, counts: Sequence[int], free: Sequence[int]) -> int:
    stock = free[kind.pool] // kind.gpus
    return stock if wanted.max_instances is None else min(stock, wanted.max_instances - sum(counts))


def _can_still_cover(listed: Sequence[Kind], wanted: Need, counts: Sequence[int], free: Sequence[int]) -> bool:
    most = [_most(kind, wanted, counts, free) for kind in listed[len(counts) :]]
    return bool((wanted.covers @ np.array([*counts, *most]) >= 1 - TOLERANCE).all())


def _is_minimal(counts: list[int], wanted: Need) -> bool:
    for index, count in enumerate(counts):
        if count and wanted.met_by([*counts[:index], count - 1, *counts[index + 1 :]]):
            return False
    return True


# --- nodes ------------------------------------------------------------------------------------------------------------

Counts = tuple[tuple[int, int], ...]
"""Remainders as (GPUs, how many), the largest first."""


@lru_cache(maxsize=200_000)
def fewest_nodes(node_size: int, remainders: Counts) -> int:
    """Fewest nodes that hold all remainders: exact, the node of the largest remainder being filled in every way."""
    left = tuple((size, number) for size, number in remainders if number)
    if not left:
        return 0
    (largest, number), others = left[0], left[1:]
    return 1 + min(
        fewest_nodes(node_size, _without(((largest, number - 1), *others), taken))
        for taken in _fillings(((largest, number - 1), *others), node_size - largest)
    )


def _fillings(remainders: Counts, room: int) -> Iterator[tuple[int, ...]]:
    """Every choice of remainders that fits into the room."""
    if not remainders:
        yield ()
        return
    (size, number), others = remainders[0], remainders[1:]
    for taken in range(min(number, room // size) + 1):
        for rest in _fillings(others, room - taken * size):
            yield (taken, *rest)


def _without(remainders: Counts, taken: Sequence[int]) -> Counts:
    return tuple((size, number - less) for (size, number), less in zip(remainders, taken, strict=True))


def rented_gpus(pool: Pool, whole: int, remainders: Counts) -> int | None:
    """GPUs of a pool that have to be rented for a footprint, or None if it does not fit on the nodes."""
    if pool.by_node:
        nodes = whole + fewest_nodes(pool.node_size, remainders)
        return nodes * pool.node_size if nodes <= pool.whole_nodes else None
    used = whole * pool.node_size + sum(size * number for size, number in remainders)
    for taken in _fillings(remainders, pool.partial_node):
        if whole + fewest_nodes(pool.node_size, _without(remainders, taken)) <= pool.whole_nodes:
            return used
    return None


# --- search -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OracleAnswer:
    """The optimal objective, with the cost, power and GPUs of a plan that has it.

    ``usd_per_hour`` is the least among the optima; power (None where unknown) and GPUs are those of some such plan.
    ``instances`` counts that plan's instances by workload, phase, pool, GPUs and label of the kind.
    """

    objective: float
    usd_per_hour: float
    power_kw: float | None
    gpus: int
    instances: dict[tuple[str, str, str, int, str], int]


@dataclass(frozen=True, slots=True)
class Options:
    """Ways to serve: one footprint a row, and the counts of each kind that lead to it."""

    footprints: NDArray[np.int64]
    counts: NDArray[np.int64]

    def distinct(self) -> Options:
        """Keep one way for each footprint."""
        _, first = np.unique(self.footprints, axis=0, return_index=True)
        return Options(self.footprints[first], self.counts[first])

    def smallest(self) -> Options:
        """Keep the ways whose footprint is nowhere larger than another's."""
        distinct = self.distinct()
        if len(distinct.footprints) > MOST_COMPARED:
            return distinct
        # A footprint can only be larger than those with a smaller sum, which therefore come first.
        order = np.argsort(distinct.footprints.sum(axis=1), kind="stable")
        kept: list[int] = []
        table = np.empty_like(distinct.footprints)
        for index in order:
            footprint = distinct.footprints[index]
            if not np.any(np.all(table[: len(kept)] <= footprint, axis=1)):
                table[len(kept)] = footprint
                kept.append(int(index))
        return Options(distinct.footprints[kept], distinct.counts[kept])


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of footprints mean: a pool, and a remainder in GPUs (0: whole nodes)."""

    entries: tuple[tuple[int, int], ...]
    gpus: NDArray[np.int64]

    @classmethod
    def of(cls, case: Case, listed: Iterable[Kind]) -> Columns:
        """Make the columns that these kinds need."""
        sizes = {(kind.pool, kind.gpus % case.pools[kind.pool].node_size) for kind in listed}
        entries = sorted(sizes | {(pool, 0) for pool in range(len(case.pools))})
        return cls(tuple(entries), np.array([size or case.pools[pool].node_size for pool, size in entries]))

    def footprints(self, case: Case, listed: Sequence[Kind], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Footprint of each row of counts."""
        per_kind = np.zeros((len(listed), len(self.entries)), dtype=np.int64)
        for row, kind in enumerate(listed):
            whole, remainder = divmod(kind.gpus, case.pools[kind.pool].node_size)
            per_kind[row, self.entries.index((kind.pool, 0))] += whole
            if remainder:
                per_kind[row, self.entries.index((kind.pool, remainder))] += 1
        return np.asarray(counts @ per_kind, dtype=np.int64)

    def in_stock(self, case: Case, footprints: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether there are enough GPUs for each footprint, wherever they are."""
        stock = np.array([pool.usable_gpus for pool in case.pools])
        return np.asarray(np.all(self.used(case, footprints) <= stock, axis=1))

    def used(self, case: Case, footprints: NDArray[np.int64]) -> NDArray[np.int64]:
        """GPUs of the instances in each pool for each footprint."""
        owners = np.array([pool for pool, _ in self.entries])
        belongs = owners[:, np.newaxis] == np.arange(len(case.pools))
        return np.asarray(footprints @ (belongs * self.gpus[:, np.newaxis]))

    def of_pool(self, footprint: Sequence[int], pool: int) -> tuple[int, Counts]:
        """Whole nodes and remainders of a footprint in one pool."""
        mine = {size: int(footprint[column]) for column, (owner, size) in enumerate(self.entries) if owner == pool}
        whole = mine.pop(0)
        return whole, tuple((size, mine[size]) for size in sorted(mine, reverse=True) if mine[size])


def solve(mapping: Scenario, speed_factor: float = 1.0) -> OracleAnswer | None:
    """Find the optimum of a small fleet by counting through it; None if nothing meets the requirements.

    The objective ``frontier`` is read as least cost at the given speed factor.
    """
    case = read(mapping, speed_factor)
    per_workload = [undominated(kinds(case, workload)) for workload in case.workloads]
    every = [kind for listed in per_workload for kind in listed]
    columns = Columns.of(case, every)
    ways = [
        _ways(case, workload, listed, columns).smallest()
        for workload, listed in zip(case.workloads, per_workload, strict=True)
    ]
    combined = ways[0]
    for number, options in enumerate(ways[1:], start=2):
        combined = _combined(case, columns, combined, options)
        if number < len(ways):
            combined = combined.smallest()
    return _best(case, columns, every, combined)


def _ways(case: Case, workload: Workload, listed: Sequence[Kind], columns: Columns) -> Options:
    """All ways to serve one workload, in either mode."""
    ways = []
    for mode in PHASES:
        if mode in workload.modes:
            counts = _mode_counts(case, workload, listed, PHASES[mode])
            footprints = columns.footprints(case, listed, counts)
            kept = columns.in_stock(case, footprints)
            ways.append(Options(footprints[kept], counts[kept]))
    return Options(np.concatenate([way.footprints for way in ways]), np.concatenate([way.counts for way in ways]))


def _mode_counts(
    case: Case, workload: Workload, listed: Sequence[Kind], phases: tuple[Phase, ...]
) -> NDArray[np.int64]:
    """Counts of all kinds of a workload for each way to serve it in one mode."""
    tables = [_counts_alike(case, workload, listed, phases, alike) for alike in alike_kinds(listed, phases)]
    return np.concatenate(tables)


def alike_kinds(listed: Sequence[Kind], phases: tuple[Phase, ...]) -> list[list[int]]:
    """Kinds of these phases that may stand beside one another: all, or those that run alike."""
    mine = [index for index, kind in enumerate(listed) if kind.phase in phases]
    families = {listed[index].runs for index in mine} - {None}
    if len(phases) == 1 or len(families) < 2:
        return [mine]
    return [[index for index in mine if listed[index].runs in (None, family)] for family in sorted(families, key=str)]


def _counts_alike(
    case: Case, workload: Workload, listed: Sequence[Kind], phases: tuple[Phase, ...], alike: Sequence[int]
) -> NDArray[np.int64]:
    """Counts of all kinds for each way to serve a workload with some of them."""
    tables = []
    for phase in phases:
        mine = [index for index in alike if listed[index].phase == phase]
        chosen = [listed[index] for index in mine]
        # Without kinds nothing is served: demand is positive.
        found = minimal_counts(case, chosen, need(workload, chosen)) if chosen else []
        table = np.zeros((len(found), len(listed)), dtype=np.int64)
        table[:, mine] = np.array(found, dtype=np.int64).reshape(len(found), len(mine))
        tables.append(table)
    if len(tables) == 1:
        return tables[0]
    prefill, decode = tables
    _check_size(prefill, decode)
    too_late = _late_pairs(listed, workload.max_time_to_first_token_s)
    conflict = (prefill > 0).astype(int) @ too_late @ (decode > 0).astype(int).T
    rows, others = np.nonzero(conflict == 0)
    return np.asarray(prefill[rows] + decode[others])


def _check_size(one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
    if len(one) * len(other) > MOST_PLANS:
        raise TooLargeError


def _late_pairs(listed: Sequence[Kind], cap: float | None) -> NDArray[np.int64]:
    late = np.zeros((len(listed), len(listed)), dtype=np.int64)
    for row, one in enumerate(listed):
        for column, other in enumerate(listed):
            if (one.phase, other.phase) == ("prefill", "decode"):
                late[row, column] = not one.pairs_with(other, cap)
    return late


def _combined(case: Case, columns: Columns, one: Options, other: Options) -> Options:
    """Every way of one beside every way of the other, as far as the stock goes."""
    _check_size(one.footprints, other.footprints)
    rows, others = (index.ravel() for index in np.indices((len(one.footprints), len(other.footprints))))
    footprints = one.footprints[rows] + other.footprints[others]
    kept = columns.in_stock(case, footprints)
    rows, others = rows[kept], others[kept]
    return Options(footprints[kept], np.concatenate([one.counts[rows], other.counts[others]], axis=1))


@dataclass(frozen=True, slots=True)
class Totals:
    """Cost, power and GPUs of what is rented."""

    usd_per_hour: float
    power_kw: float | None
    gpus: int

    def of(self, objective: str) -> float:
        """Give the figure that is minimised."""
        if objective == "power":
            assert self.power_kw is not None
            return self.power_kw
        return self.gpus if objective == "gpus" else self.usd_per_hour


def totals(case: Case, rented: Sequence[int]) -> Totals:
    """Add up cost, power and GPUs of what is rented in each pool."""
    cost = math.fsum(pool.usd_per_hour(gpus) for pool, gpus in zip(case.pools, rented, strict=True))
    powers = [pool.power_kw(gpus) for pool, gpus in zip(case.pools, rented, strict=True)]
    known = [power for power in powers if power is not None]
    return Totals(cost, math.fsum(known) if len(known) == len(powers) else None, sum(rented))


def broken_limits(case: Case, rented: Sequence[int]) -> list[str]:
    """Say which caps on rented GPUs are broken."""
    sums, found = totals(case, rented), []
    if not at_most(sums.usd_per_hour, case.max_usd_per_hour):
        found.append(f"{sums.usd_per_hour} $/h are more than {case.max_usd_per_hour}")
    if not at_most(sums.gpus, case.max_gpus):
        found.append(f"{sums.gpus} GPUs are more than {case.max_gpus}")
    if not _power_kept(sums.power_kw, case.max_power_kw):
        found.append(f"{sums.power_kw} kW are more than {case.max_power_kw}")
    for pool, gpus in zip(case.pools, rented, strict=True):
        if gpus and not _power_kept(pool.power_kw(gpus), pool.max_power_kw):
            found.append(f"{pool.power_kw(gpus)} kW of pool {pool.name} are more than {pool.max_power_kw}")
    return found


def _power_kept(power_kw: float | None, cap: float | None) -> bool:
    """A power that nobody knows keeps no cap."""
    return cap is None or (power_kw is not None and at_most(power_kw, cap))


def _best(case: Case, columns: Columns, every: Sequence[Kind], options: Options) -> OracleAnswer | None:
    at_least = _least_rented(case, columns.used(case, options.footprints))
    least_cost, least_value = _values(case, "cost", at_least), _values(case, case.objective, at_least)
    best: tuple[float, float, Totals, int] | None = None
    for index in np.lexsort((least_cost, least_value)).tolist():
        if best is not None and not _better(least_value[index], least_cost[index], best[0], best[1]):
            continue
        if broken_limits(case, at_least[index].tolist()):
            continue
        footprint = options.footprints[index].tolist()
        rented = [rented_gpus(pool, *columns.of_pool(footprint, number)) for number, pool in enumerate(case.pools)]
        if None in rented or broken_limits(case, cast(list[int], rented)):
            continue
        sums = totals(case, cast(list[int], rented))
        value = sums.of(case.objective)
        if best is None or _better(value, sums.usd_per_hour, best[0], best[1]):
            best = (value, sums.usd_per_hour, sums, index)
    if best is None:
        return None
    counts: dict[tuple[str, str, str, int, str], int] = defaultdict(int)
    for kind, count in zip(every, options.counts[best[3]].tolist(), strict=True):
        if count:
            counts[kind.workload, kind.phase, case.pools[kind.pool].name, kind.gpus, kind.label] += count
    return OracleAnswer(best[0], best[1], best[2].power_kw, best[2].gpus, dict(counts))


def _least_rented(case: Case, used: NDArray[np.int64]) -> NDArray[np.int64]:
    """GPUs of each pool that are rented at the least for instances of so many GPUs."""
    units = np.array([pool.node_size if pool.by_node else 1 for pool in case.pools])
    return np.asarray(-(-used // units) * units)


def _values(case: Case, objective: str, rented: NDArray[np.int64]) -> NDArray[np.float64]:
    """Objective of each row of rented GPUs."""
    if objective == "gpus":
        return np.asarray(rented.sum(axis=1), dtype=float)
    if objective == "power":
        return np.asarray(rented @ np.array([pool.power_w or 0.0 for pool in case.pools]) / 1000)
    owned = np.array([pool.owned_gpus for pool in case.pools])
    prices = np.array([pool.usd_per_gpu_hour for pool in case.pools])
    return np.asarray(np.maximum(0, rented - owned) @ prices)


def _better(value: float, cost: float, best_value: float, best_cost: float) -> bool:
    """Whether a plan is better; sums that differ by rounding alone are a tie, which the cost decides."""
    if same(value, best_value):
        return cost < best_cost and not same(cost, best_cost)
    return value < best_value


# --- simulator --------------------------------------------------------------------------------------------------------


def simulate(result: Mapping[str, Any]) -> list[str]:
    """Check every plan of a fleet result (its parsed JSON) against the scenario inside; list what is wrong in words."""
    if (result["format"], result["format_version"]) != (FORMAT, FORMAT_VERSION):
        return [f"{result['format']} {result['format_version']}, expected {FORMAT} {FORMAT_VERSION}"]
    minimised = _minimised(result["question"])
    if minimised is None:
        return [f"no question of fleets: {result['question']}"]
    found = [
        f"plan {number}: {fault}"
        for number, plan in enumerate(result["plans"])
        for fault in _Plan(result["scenario"], plan, minimised).faults()
    ]
    costs = [plan["usd_per_hour"] for plan in result["plans"]]
    if any(not at_most(one, other) for one, other in itertools.pairwise(costs)):
        found.append(f"plans are not sorted by cost: {costs}")
    return found


def _minimised(question: Mapping[str, Any]) -> str | None:
    """What plans that answer a question minimise: those of a frontier cost the least at what they are set against."""
    if question["kind"] == "plan" and question["objective"] in OBJECTIVES:
        return str(question["objective"])
    return "cost" if question["kind"] == "fleet_frontier" and question["against"] in AGAINST else None


def _differ(what: str, stated: float | None, expected: float | None, tolerance: float = TOLERANCE) -> list[str]:
    """Say so if a stated figure is not the expected one."""
    if stated is None or expected is None:
        return [] if stated is expected else [f"{what} is {stated}, expected {expected}"]
    return [] if same(stated, expected, tolerance) else [f"{what} is {stated!r}, expected {expected!r}"]


def _known(rows: Sequence[Row], column: str) -> list[float]:
    """Cells of a column that state a figure."""
    return [row[column] for row in rows if row[column] is not None]


def _row_name(row: Row) -> str:
    return f"{row['workload']}/{row['phase']}/{row['pool']}/{row['instance_type']}"


class _Plan:
    """One plan beside the scenario, read afresh."""

    def __init__(self, scenario: Scenario, plan: Mapping[str, Any], minimised: str) -> None:
        self.case = read(scenario, plan["speed_factor"], plan.get("demand_factor") or 1.0)
        self.plan = plan
        self.minimised = minimised
        self.rows: list[Row] = plan["instances"]
        self.pools = {pool.name: index for index, pool in enumerate(self.case.pools)}
        self.workloads = {workload.name: workload for workload in self.case.workloads}
        # What each row is, by its name; rows that nothing explains have none.
        self.kinds: dict[str, Kind] = {}

    def faults(self) -> list[str]:
        """List everything that is wrong with the plan."""
        unknown = [
            f"{_row_name(row)}: no such workload or pool"
            for row in self.rows
            if row["workload"] not in self.workloads or row["pool"] not in self.pools
        ]
        if unknown:
            return unknown
        found = self._rows() + self._nodes()
        for workload in self.case.workloads:
            found += self._workload(workload)
        return found + self._first_tokens() + self._pools() + self._totals()

    # Rows

    def _rows(self) -> list[str]:
        names = [_row_name(row) for row in self.rows]
        found = [f"{name} is listed twice" for name in set(names) if names.count(name) > 1]
        for name, row in zip(names, self.rows, strict=True):
            workload = self.workloads[row["workload"]]
            if self.pools[row["pool"]] not in workload.pools:
                found.append(f"{name}: the workload may not use this pool")
            if row["instances"] < 1:
                found.append(f"{name}: {row['instances']} instances")
            kind, faults = self._explained(workload, row)
            if kind is not None:
                self.kinds[name] = kind
                faults += self._row_figures(row, kind, mixed(workload))
            found += [f"{name}: {fault}" for fault in faults]
        return found

    def _row_figures(self, row: Row, kind: Kind, in_mix: bool) -> list[str]:
        accelerator = self.case.pools[kind.pool].accelerator.name
        found = _differ("gpus", row["gpus"], kind.gpus)
        if row["accelerator"] != accelerator:
            found.append(f"accelerator is {row['accelerator']}, expected {accelerator}")
        if not in_mix:
            found += _differ("capacity", row["capacity_requests_per_s"], row["instances"] * kind.capacity[0])
        elif row["phase"] != "prefill":
            found += _differ("speed", row["speed_tokens_per_s"], _slowest(kind))
        if not at_most(row["requests_per_s"], row["capacity_requests_per_s"]):
            found.append(f"serves {row['requests_per_s']} of a capacity of {row['capacity_requests_per_s']}")
        share = row["requests_per_s"] / row["capacity_requests_per_s"]
        if not in_mix:
            found += self._row_energy(row, kind)
        return found + _differ("utilization", row["utilization"], share, PROVEN)

    def _row_energy(self, row: Row, kind: Kind) -> list[str]:
        """Check what the instances of a row draw at the load that it states, and that load where energy matters."""
        pool = self.case.pools[kind.pool]
        if "energy_kw" not in row or not kind.busy_s or pool.power_w is None:
            return []
        busy = pool.busy_kw(kind.gpus, kind.busy_s[0]) * row["requests_per_s"]
        found = _differ("energy", row["energy_kw"], row["instances"] * pool.idle_kw(kind.gpus) + busy)
        headroom = self.workloads[row["workload"]].headroom
        most = row["instances"] * kind.sure_capacity[0] / (1 + headroom)
        if self.case.energy_matters and not same(row["requests_per_s"], min(row["requests_per_s"], most), PROVEN):
            found.append(f"serves {row['requests_per_s']}, of {most} with its headroom")
        return found

    def _explained(self, workload: Workload, row: Row) -> tuple[Kind | None, list[str]]:
        """Find the kind of a row, among the operating points or by pricing its degrees."""
        if row["weights"] is None or workload.mapping.get("model") is None:
            return self._listed(workload, row)
        kind, faults = self._priced_in_mix(workload, row) if mixed(workload) else self._priced(workload, row)
        pool = self.case.pools[self.pools[row["pool"]]]
        return kind, faults + _degree_faults(row, _model(workload.mapping["model"]), pool.accelerator)

    def _listed(self, workload: Workload, row: Row) -> tuple[Kind | None, list[str]]:
        place = (row["phase"], self.pools[row["pool"]], row["gpus"])
        for kind in listed_kinds(self.case, workload):
            if (kind.phase, kind.pool, kind.gpus) != place:
                continue
            if mixed(workload):
                if kind.label == row["instance_type"]:
                    return kind, []
            elif self._is_point(row, kind):
                return kind, []
        return None, ["no operating point that is good enough has these figures"]

    def _is_point(self, row: Row, kind: Kind) -> bool:
        (point,) = kind.rows
        speed = _filled(point, "speed_tokens_per_s", "speed")
        capacity = _differ("", row["capacity_requests_per_s"], row["instances"] * kind.capacity[0])
        wrong_speed = [] if row["phase"] == "prefill" else _differ("", row["speed_tokens_per_s"], speed)
        return not capacity and not wrong_speed

    def _instance(self, workload: Workload, row: Row, request: Request) -> tuple[Service, Instance]:
        """Price a row at its batch for one size of requests."""
        wanted = service(self.case, workload, self.pools[row["pool"]], request)
        phase = cast(Phase, row["phase"])
        setup = setup_of(row, wanted.model, wanted.accelerator)
        return wanted, serving.price(wanted, phase, _precision(row), setup, row["batch"], _decoding(wanted, row, setup))

    def _priced(self, workload: Workload, row: Row) -> tuple[Kind | None, list[str]]:
        (request,) = workload.classes.values()
        wanted, one = self._instance(workload, row, request)
        found = _figure_faults(row, wanted, one)
        if _has_no_place_for_draft(one):
            return None, found
        parts = (one.capacity_requests_per_s,), (one.pass_s,), (one.transfer_s,)
        place = (workload.name, one.phase, self.pools[row["pool"]], one.gpus)
        busy = (serving.busy_request_s(wanted, one),)
        return Kind(*place, *parts, runs=_runs(one, wanted.accelerator), error=wanted.error, busy_s=busy), found

    def _priced_in_mix(self, workload: Workload, row: Row) -> tuple[Kind | None, list[str]]:
        """Find a row's kind among all; the figures that it states are those of the class whose tokens are slowest.

        Of prefill no class has tokens: any will do.
        """
        priced = [self._instance(workload, row, request) for request in workload.classes.values()]
        first = priced[0][1]
        for kind in priced_kinds(self.case, workload, first.phase, self.pools[row["pool"]]):
            if kind.label == f"{first.key[1:]}":
                slowest = _slowest(kind)
                faults = [
                    _figure_faults(row, wanted, one)
                    + _differ("capacity at this batch", one.capacity_requests_per_s, capacity)
                    for capacity, speed, (wanted, one) in zip(kind.capacity, kind.speeds, priced, strict=True)
                    if capacity and (slowest is None or same(speed or 0.0, slowest))
                ]
                return kind, min(faults, key=len)
        return None, ["serves no class well enough, or does not fit"]

    # Nodes

    def _nodes(self) -> list[str]:
        found = []
        held: dict[tuple[str, str, str, str, int], list[Row]] = defaultdict(list)
        on_node: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for part in self.plan["nodes"]:
            held[part["workload"], part["phase"], part["pool"], part["instance_type"], part["instance"]].append(part)
            on_node[part["pool"], part["node"]].append(part)
        for row in self.rows:
            touched: set[int] = set()
            for number in range(row["instances"]):
                key = (row["workload"], row["phase"], row["pool"], row["instance_type"], number)
                parts = held.pop(key, [])
                touched |= {part["node"] for part in parts}
                found += [f"{_row_name(row)} {number}: {fault}" for fault in self._placing(row, parts)]
            found += _differ(f"{_row_name(row)}: nodes", row["nodes"], len(touched))
        found += [f"nodes list {key}, which is no instance" for key in held]
        for (name, node), parts in on_node.items():
            found += [f"node {node} of {name}: {fault}" for fault in self._contents(name, node, parts)]
        return found + self._stock(on_node)

    def _placing(self, row: Row, parts: Sequence[Row]) -> list[str]:
        """One instance takes whole nodes, and its remainder lies together on one more."""
        size = self.case.pools[self.pools[row["pool"]]].node_size
        whole, remainder = divmod(row["gpus"], size)
        expected = sorted([size] * whole + [remainder] * (remainder > 0))
        placed = sorted(part["gpus"] for part in parts)
        found = [] if placed == expected else [f"lies in parts of {placed} GPUs, expected {expected}"]
        if len({part["node"] for part in parts}) != len(parts):
            found.append("has two parts on one node")
        return found

    def _contents(self, name: str, node: int, parts: Sequence[Row]) -> list[str]:
        if name not in self.pools:
            return ["no such pool"]
        pool = self.case.pools[self.pools[name]]
        sizes = {part["node_gpus"] for part in parts}
        found = []
        if len(sizes) != 1 or not sizes <= {pool.node_size, pool.partial_node} - {0}:
            found.append(f"node_gpus are {sorted(sizes)}")
        used = sum(part["gpus"] for part in parts)
        if used > min(sizes):
            found.append(f"{used} GPUs on a node of {min(sizes)}")
        if not 0 <= node < pool.whole_nodes + (pool.partial_node > 0):
            found.append("there is no such node")
        return found

    def _stock(self, on_node: Mapping[tuple[str, int], Sequence[Row]]) -> list[str]:
        found = []
        for pool in self.case.pools:
            sizes = [parts[0]["node_gpus"] for (name, _), parts in on_node.items() if name == pool.name]
            if sizes.count(pool.node_size) > pool.whole_nodes:
                found.append(f"{sizes.count(pool.node_size)} nodes of {pool.name}, of {pool.whole_nodes}")
            if pool.partial_node and sizes.count(pool.partial_node) > 1:
                found.append(f"several partial nodes of {pool.name}")
        return found

    # Workloads

    def _workload(self, workload: Workload) -> list[str]:
        summaries = [entry for entry in self.plan["workloads"] if entry["workload"] == workload.name]
        if len(summaries) != 1:
            return [f"{workload.name} has {len(summaries)} summaries"]
        (summary,), mode = summaries, summaries[0]["serving"]
        if mode not in workload.modes:
            return [f"{workload.name}: serving {mode} is not allowed"]
        rows = [row for row in self.rows if row["workload"] == workload.name]
        found = [f"{row['phase']} instances in mode {mode}" for row in rows if row["phase"] not in PHASES[mode]]
        capacity = math.inf
        for phase in PHASES[mode]:
            mine = [row for row in rows if row["phase"] == phase]
            found += [f"{phase}: {fault}" for fault in self._phase(workload, mine)]
            capacity = min(capacity, self._capacity(workload, mine))
        runs = {kind.runs for row in rows if (kind := self.kinds.get(_row_name(row)))} - {None}
        if mode == "disaggregated" and len(runs) > 1:
            found.append(f"instances exchange a cache but run as {sorted(runs, key=str)}")
        found += self._summary(workload, summary, rows, capacity)
        return [f"{workload.name}: {fault}" for fault in found]

    def _phase(self, workload: Workload, rows: Sequence[Row]) -> list[str]:
        """Check demand and replicas of one phase."""
        count = sum(row["instances"] for row in rows)
        found = []
        if count < workload.min_instances or (workload.max_instances is not None and count > workload.max_instances):
            found.append(f"{count} instances, of {workload.min_instances} to {workload.max_instances}")
        found += _differ("served requests/s", sum(row["requests_per_s"] for row in rows), sum(workload.requests_per_s))
        explained = [row for row in rows if _row_name(row) in self.kinds]
        wanted = need(workload, [self.kinds[_row_name(row)] for row in explained]) if explained else None
        if wanted is None or not replace(wanted, min_instances=0).met_by([row["instances"] for row in explained]):
            found.append(f"cannot serve {workload.required}")
        return found

    def _capacity(self, workload: Workload, rows: Sequence[Row]) -> float:
        """Requests per second of the same mix that the instances of a phase can serve, split at will."""
        explained = [row for row in rows if _row_name(row) in self.kinds]
        if not explained:
            return 0.0
        wanted = need(workload, [self.kinds[_row_name(row)] for row in explained], nominal=True)
        factor = float(np.min(wanted.covers @ np.array([row["instances"] for row in explained])))
        return factor * sum(workload.required)

    def _summary(self, workload: Workload, summary: Row, rows: Sequence[Row], capacity: float) -> list[str]:
        shares = [row["gpus"] * row["instances"] / self._used(row["pool"]) for row in rows]
        powers = [self._power(row["pool"]) for row in rows]
        power = (
            None if None in powers else math.fsum(p * s for p, s in zip(powers, shares, strict=True) if p is not None)
        )
        cost = math.fsum(self._rent(row["pool"]) * share for row, share in zip(rows, shares, strict=True))
        found = _differ("instances", summary["instances"], sum(row["instances"] for row in rows))
        found += _differ("requests/s", summary["requests_per_s"], sum(workload.requests_per_s))
        found += _differ("required requests/s", summary["required_requests_per_s"], sum(workload.required))
        if mixed(workload) and self.case.energy_matters:
            # A mix is spread for its energy, with which less may be served than with the best spread.
            if not at_most(summary["capacity_requests_per_s"], capacity):
                found.append(f"capacity is {summary['capacity_requests_per_s']}, of {capacity} at most")
        elif workload.slices is None:
            found += _differ("capacity", summary["capacity_requests_per_s"], capacity)
        slack = summary["capacity_requests_per_s"] - summary["required_requests_per_s"]
        if not math.isclose(summary["slack_requests_per_s"], slack, abs_tol=TOLERANCE * (1 + capacity)):
            found.append(f"slack is {summary['slack_requests_per_s']}, expected {slack}")
        if not 0 <= summary["utilization"] <= 1 + TOLERANCE:
            found.append(f"utilization is {summary['utilization']}")
        found += _differ("gpus", summary["gpus"], sum(row["gpus"] * row["instances"] for row in rows))
        found += _differ("usd_per_hour", summary["usd_per_hour"], cost) + _differ(
            "power_kw", summary["power_kw"], power
        )
        speed, first = summary["speed_tokens_per_s"], summary["time_to_first_token_s"]
        found += _differ("speed", speed, min(_known(rows, "speed_tokens_per_s"), default=None))
        found += _differ("time to first token", first, max(_known(rows, "time_to_first_token_s"), default=None))
        if None not in (speed, workload.min_speed) and not at_most(workload.min_speed or 0.0, speed):
            found.append(f"speed {speed} is below {workload.min_speed}")
        if first is not None and not at_most(first, workload.max_time_to_first_token_s):
            found.append(f"time to first token {first} is beyond {workload.max_time_to_first_token_s}")
        return found

    def _first_tokens(self) -> list[str]:
        """Check the times to first token that rows state, and every pair of prefill and decode kinds."""
        found = []
        for row in self.rows:
            kind, workload = self.kinds.get(_row_name(row)), self.workloads[row["workload"]]
            if kind is None:
                continue
            partners = [self.kinds[name] for name in self._partners(row)]
            found += [
                f"{_row_name(row)}: first token too late with {partner}"
                for partner in partners
                if not kind.pairs_with(partner, workload.max_time_to_first_token_s)
            ]
            expected = None if row["phase"] == "decode" else _stated_first_token(kind, partners)
            found += _differ(f"{_row_name(row)}: time to first token", row["time_to_first_token_s"], expected)
        return found

    def _partners(self, row: Row) -> list[str]:
        """Names of the decode rows beside a prefill row."""
        if row["phase"] != "prefill":
            return []
        names = [
            _row_name(other)
            for other in self.rows
            if (other["workload"], other["phase"]) == (row["workload"], "decode")
        ]
        return [name for name in names if name in self.kinds]

    # Pools and totals

    def _used(self, pool: str) -> int:
        return sum(row["gpus"] * row["instances"] for row in self.rows if row["pool"] == pool)

    def _nodes_in_use(self, pool: str) -> int:
        return len({part["node"] for part in self.plan["nodes"] if part["pool"] == pool})

    def _rented(self, name: str) -> int:
        pool = self.case.pools[self.pools[name]]
        return self._nodes_in_use(name) * pool.node_size if pool.by_node else self._used(name)

    def _rent(self, name: str) -> float:
        """What a pool costs an hour, with its energy where that has a price."""
        rent = self.case.pools[self.pools[name]].usd_per_hour(self._rented(name))
        return rent + (self._for_energy(name, "usd_per_kwh") or 0.0)

    def _energy_kw(self, pool: str) -> float | None:
        """What the rows of a pool state that they draw together."""
        drawn = [row.get("energy_kw") for row in self.rows if row["pool"] == pool]
        return None if None in drawn else math.fsum(drawn)

    def _for_energy(self, pool: str, per_kwh: str) -> float | None:
        """What the energy of a pool costs or emits an hour; None if that is not known."""
        drawn, factor = self._energy_kw(pool), getattr(self.case.pools[self.pools[pool]].supply, per_kwh)
        return None if drawn is None or math.isnan(factor) else drawn * factor

    def _power(self, name: str) -> float | None:
        return self.case.pools[self.pools[name]].power_kw(self._rented(name))

    def _pools(self) -> list[str]:
        found = []
        summaries = {summary["pool"]: summary for summary in self.plan["pools"]}
        if len(summaries) != len(self.plan["pools"]) or not set(summaries) <= set(self.pools):
            found.append(f"pools are {[summary['pool'] for summary in self.plan['pools']]}")
        for row in self.rows:
            share = row["gpus"] * row["instances"] / self._used(row["pool"])
            found += _differ(f"{_row_name(row)}: usd_per_hour", row["usd_per_hour"], self._rent(row["pool"]) * share)
        for pool in self.case.pools:
            summary = summaries.get(pool.name)
            if summary is not None:
                found += [f"pool {pool.name}: {fault}" for fault in self._pool(pool, summary)]
            elif self._used(pool.name):
                found.append(f"pool {pool.name} has no summary")
        return found

    def _pool(self, pool: Pool, summary: Row) -> list[str]:
        rule = "node" if pool.by_node else "gpu"
        found = [] if summary["rented_by"] == rule else [f"rented by {summary['rented_by']}, expected {rule}"]
        if summary["accelerator"] != pool.accelerator.name:
            found.append(f"accelerator is {summary['accelerator']}, expected {pool.accelerator.name}")
        found += _differ("stock", summary["capacity_gpus"], pool.gpus)
        found += _differ("rented GPUs", summary["allocated_gpus"], self._rented(pool.name))
        found += _differ("used GPUs", summary["used_gpus"], self._used(pool.name))
        found += _differ("nodes", summary["nodes"], self._nodes_in_use(pool.name))
        found += _differ("usd_per_hour", summary["usd_per_hour"], self._rent(pool.name))
        if "energy_kw" in summary:
            found += _differ("energy_kw", summary["energy_kw"], self._energy_kw(pool.name))
            for name, per_kwh in (("energy_usd_per_hour", "usd_per_kwh"), ("carbon_kg_per_hour", "kg_co2_per_kwh")):
                found += _differ(name, summary[name], self._for_energy(pool.name, per_kwh))
        return found + _differ("power_kw", summary["power_kw"], self._power(pool.name))

    def _totals(self) -> list[str]:
        rented = [self._rented(pool.name) for pool in self.case.pools]
        sums = totals(self.case, rented)
        found = broken_limits(self.case, rented)
        cost = math.fsum(self._rent(pool.name) for pool in self.case.pools)
        found += _differ("usd_per_hour", self.plan["usd_per_hour"], cost)
        found += self._energy_limits(cost)
        if self.plan["power_kw"] is not None or sums.power_kw is not None:
            found += _differ("power_kw", self.plan["power_kw"], sums.power_kw)
        found += _differ("gpus", self.plan["gpus"], sums.gpus)
        named = {"cost": cost, "throughput": self.plan.get("demand_factor")} | {
            name: self.plan.get(column) for name, column in (("energy", "energy_kw"), ("carbon", "carbon_kg_per_hour"))
        }
        expected = named[self.minimised] if self.minimised in named else sums.of(self.minimised)
        found += _differ("objective", self.plan["objective"], expected)
        return found + self._proof()

    def _energy_limits(self, cost: float) -> list[str]:
        """Check the energy and the carbon of the plan, and the caps that they and the cost with them have."""
        if "energy_kw" not in self.plan:
            return []
        drawn = [self._energy_kw(pool.name) for pool in self.case.pools]
        found = []
        if None not in drawn:
            found += _differ("energy_kw", self.plan["energy_kw"], math.fsum(each or 0.0 for each in drawn))
        for name, value, cap in (
            ("$/h", cost, self.case.max_usd_per_hour),
            ("kW of energy", self.plan["energy_kw"], self.case.max_energy_kw),
            ("kg/h", self.plan["carbon_kg_per_hour"], self.case.max_carbon_kg_per_hour),
        ):
            if cap is not None and (value is None or value > cap * (1 + 1e-7)):
                found.append(f"{value} {name} are more than {cap}")
        return found

    def _proof(self) -> list[str]:
        objective, bound, gap, status = (self.plan[name] for name in ("objective", "bound", "gap", "status"))
        found = []
        # The greatest factor is bounded from above, everything else from below.
        ends = (objective, bound) if self.minimised == "throughput" else (bound, objective)
        if bound is not None and not at_most(*ends):
            found.append(f"bound {bound} is on the wrong side of the objective {objective}")
        if gap is not None and gap < 0:
            found.append(f"gap is {gap}")
        if status == "optimal" and (bound is None or not same(bound, objective, 2 * PROVEN)):
            found.append(f"called optimal with bound {bound} and objective {objective}")
        if status not in ("optimal", "feasible"):
            found.append(f"status is {status}")
        return found + [
            f"{_row_name(row)}: another proof than the plan's"
            for row in self.rows
            if (row["bound"], row["gap"], row["status"]) != (bound, gap, status)
        ]


def _precision(row: Row) -> Precision:
    return Precision(row["weights"], row["kv_cache"])


def _degree_faults(row: Row, model: Model, accelerator: Accelerator) -> list[str]:
    """Check the degrees that follow from others."""
    setup = setup_of(row, model, accelerator)
    found = _differ("stage_ranks", row["stage_ranks"], setup.stage_ranks)
    return found + _differ("expert_tensor_parallel", row["expert_tensor_parallel"], setup.expert_tensor_parallel)


def _decoding(wanted: Service, row: Row, setup: Setup) -> Decoding:
    if not row["draft_tokens"]:
        return Decoding()
    assert wanted.speculation is not None
    tokens = row["draft_tokens"]
    small = servers.beside(wanted.model, wanted.speculation.draft, setup)
    return Decoding(small, tokens, wanted.speculation.by_width.get(tokens, math.nan))


def _engine_faults(wanted: Service, one: Instance, row: Row) -> list[str]:
    """Check who starts a row, and that the first of those that run it alike with the most room names it."""
    draft = wanted.speculation.draft if wanted.speculation and one.decoding.draft_tokens else None
    tokens = serving.resident_tokens(wanted, one.phase)
    at = (wanted.accelerator, one.precision, one.setup, one.batch, tokens)
    starting = started(wanted.model, draft, *at, wanted.reserve, wanted.engine, _pace_of(wanted))
    every = [each for each in starting if serving.serves_phase(wanted.model, each.setup, one.phase, draft)]
    names = ",".join(sorted(each.engine for each in every))
    found = [] if (row["engines"] or "") == names else [f"engines are {row['engines']}, expected {names}"]
    if one.phase != "colocated" or one.setup.engine not in names.split(","):
        # The instances of a disaggregated workload have one engine, which need not have the most room for each.
        return found
    name = named(every, one.setup.engine)
    return found if name == one.setup.engine else [*found, f"engine is {one.setup.engine}, expected {name}"]


def _pace_of(wanted: Service) -> Callable[[str], object]:
    """Say what else decides how quickly a server runs the same."""

    def pace(engine: str) -> tuple[float, int]:
        # In how many chunks a prompt goes through matters only to a cap.
        return wanted.launch_factor(engine), wanted.chunks(engine) if wanted.max_time_to_first_token_s else 0

    return pace


def _slowest(kind: Kind) -> float | None:
    """Tokens per second of the class of requests whose tokens are slowest; None if nobody says."""
    return min((speed for speed in kind.speeds if speed is not None), default=None)


def _has_no_place_for_draft(one: Instance) -> bool:
    return one.decoding.draft_tokens > 0 and one.decoding.draft_setup is None


def _figure_faults(row: Row, wanted: Service, one: Instance) -> list[str]:
    """Check what a row states of a full instance that serves one size of requests."""
    found = serving.faults(wanted, one)
    if one.phase != "prefill":
        found += _differ("latency", row["latency_s"], one.latency_s)
        found += _differ("speed", row["speed_tokens_per_s"], one.speed_tokens_per_s)
    found += _throughput_faults(row, one, wanted.request)
    if _has_no_place_for_draft(one):
        return [*found, "the draft cannot stand on the model's tensor ranks"]
    tokens, draft = serving.resident_tokens(wanted, one.phase), wanted.speculation and wanted.speculation.draft
    found += _engine_faults(wanted, one, row)
    mode = heads.mode_of(draft) if draft is not None and one.decoding.draft_tokens else None
    found += [] if row.get("draft_mode") == mode else [f"draft_mode is {row.get('draft_mode')}, expected {mode}"]
    return found + memory_faults(row, breakdown(row, wanted.reserve, wanted.accelerator, wanted.model, draft, tokens))


def _throughput_faults(row: Row, one: Instance, request: Request) -> list[str]:
    """Tokens per second of an instance alone, or as far as its network lets requests through."""
    stated = row["throughput_tokens_per_s"]
    tokens = request.prompt_tokens if one.phase == "prefill" else request.output_tokens
    alone = one.batch * (request.prompt_tokens if one.phase == "prefill" else 1) / one.latency_s
    if same(stated, one.capacity_requests_per_s * tokens) or same(stated, alone):
        return []
    return [f"throughput is {stated}, expected {alone}"]


def _stated_first_token(kind: Kind, partners: Sequence[Kind]) -> float | None:
    """Time to first token of a row: the longest of the classes that it serves, each with its slowest transfer.

    None for operating points that do not say. Each class has its own best batch, so the class whose tokens are slowest
    may start before another.
    """
    if kind.rows and all(_filled(row, "time_to_first_token_s", "time_to_first_token") is None for row in kind.rows):
        return None
    entering = [one.transfer_s for one in partners if not kind.rows]
    slowest = [max(parts) for parts in zip(kind.transfer_s, *entering, strict=True)]
    return max(
        passed + transfer
        for served, passed, transfer in zip(kind.capacity, kind.pass_s, slowest, strict=True)
        if served
    )
