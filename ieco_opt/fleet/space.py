"""The numbers that the program of a fleet decides over, at one speed factor."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ieco_opt.catalog.types import Fidelity, SitePower
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.fleet.caps import Caps
from ieco_opt.fleet.columns import MODES, Candidates, Column, conflicts, possible_modes
from ieco_opt.fleet.placement import Nodes
from ieco_opt.fleet.pricing import build_candidates, columns_at, fastest_speed
from ieco_opt.fleet.tables import price_tables
from ieco_opt.performance.energy import watts
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import ResolvedFleet, ResolvedPool, ResolvedWorkload

_ROUNDED = 1.0 + 1e-6
"""More than what a plan exceeds a cap by for the sake of a solver's tolerances."""


@dataclass(frozen=True, slots=True)
class PoolData:
    """A pool in numbers; ``kw_per_gpu`` is NaN where the power is unknown, ``max_power_kw`` inf where none is set.

    ``idle_kw_per_gpu`` and ``busy_kw_per_gpu`` are drawn at the site, with what cooling and supply take.
    ``usd_per_kwh`` is 0 where energy has no price, ``kg_co2_per_kwh`` NaN where it is unknown.
    """

    name: str
    nodes: Nodes
    by_node: bool
    usd_per_gpu_hour: float
    kw_per_gpu: float
    max_power_kw: float
    owned_gpus: int
    idle_kw_per_gpu: float
    busy_kw_per_gpu: float
    usd_per_kwh: float
    kg_co2_per_kwh: float

    @property
    def capacity_gpus(self) -> int:
        """GPUs that there are."""
        return self.nodes.whole * self.nodes.size + self.nodes.partial

    @property
    def least_usd_per_hour(self) -> float:
        """What the first instance costs at the least: a node, or a GPU; nothing where some are owned."""
        return 0.0 if self.owned_gpus else self.usd_per_gpu_hour * (self.nodes.size if self.by_node else 1)


@dataclass(frozen=True, slots=True)
class Demand:
    """A workload in numbers: requests/s of each class with ``headroom`` in them, replicas, modes and slices.

    ``arriving`` are the requests/s of each class that are there, whatever multiple of the demand has to be covered.
    """

    name: str
    requests_per_s: tuple[float, ...]
    arriving: tuple[float, ...]
    headroom: float
    min_instances: int
    max_instances: int | None
    modes: tuple[str, ...]
    slices: int | None

    @property
    def is_sliced(self) -> bool:
        """Whether classes share instances by whole slices."""
        return self.slices is not None and len(self.requests_per_s) > 1

    def times(self, multiple: float) -> Demand:
        """The same workload with a multiple of its requests."""
        return replace(self, requests_per_s=tuple(multiple * each for each in self.requests_per_s))


@dataclass(frozen=True, slots=True)
class FleetProblem:
    """Everything a program decides over.

    Attributes
    ----------
    most
        Instances of each column that can ever be useful and fit.
    late_pairs
        Positions of a prefill and a decode column that must not be used together.
    decides_loads
        Whether the requests that each column serves are decided too, since energy matters.
    excluded
        Plans that are not to come again: of each the groups of columns that it uses, of which one must be given up.
    """

    pools: tuple[PoolData, ...]
    workloads: tuple[Demand, ...]
    columns: tuple[Column, ...]
    most: tuple[int, ...]
    late_pairs: tuple[tuple[int, int], ...]
    caps: Caps
    decides_loads: bool = False
    excluded: tuple[tuple[tuple[int, ...], ...], ...] = ()
    _positions: dict[tuple[int, Phase], list[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        positions: dict[tuple[int, Phase], list[int]] = {}
        for at, column in enumerate(self.columns):
            positions.setdefault((column.workload, column.phase), []).append(at)
        object.__setattr__(self, "_positions", positions)

    def has_slack(self, workload: int) -> bool:
        """Whether the slack of a workload is a criterion; a mix whose loads are decided is spread for its energy."""
        return not self.decides_loads or len(self.workloads[workload].requests_per_s) == 1

    @property
    def unserved(self) -> tuple[int, ...]:
        """Workloads that no columns can serve in any mode, whatever the capacity."""
        return tuple(at for at, workload in enumerate(self.workloads) if not workload.modes)

    def columns_of(self, workload: int, phase: Phase) -> list[int]:
        """Positions of the columns of a workload in one phase."""
        return list(self._positions.get((workload, phase), ()))


@dataclass(frozen=True, slots=True)
class FleetSpace:
    """A fleet priced once; :meth:`columns` reads off what meets the service at a speed factor.

    ``demand_factor`` is what the demands that the scenario says are multiplied by; ``kept`` says which columns there
    are, where not all of them. Columns that differ in ``apart`` never replace each other, and ``excluded`` holds what
    earlier plans use, in its terms: no plan uses all of one entry.
    """

    resolved: ResolvedFleet
    candidates: tuple[Candidates, ...]
    pools: tuple[PoolData, ...]
    caps: Caps
    decides_loads: bool = False
    demand_factor: float = 1.0
    kept: Callable[[Column], bool] | None = None
    apart: Callable[[Column], Hashable] | None = None
    excluded: tuple[frozenset[Hashable], ...] = ()

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What has to be served of each workload."""
        return tuple(map(_demand, self.candidates))

    def demands_of(self, problem: FleetProblem) -> tuple[Demand, ...]:
        """Workloads of a problem of this fleet, with the demands as they are here."""
        return tuple(
            replace(workload, requests_per_s=asked.requests_per_s, arriving=asked.arriving, slices=asked.slices)
            for workload, asked in zip(problem.workloads, self.demands, strict=True)
        )

    def at_demand(self, factor: float) -> FleetSpace:
        """The same fleet with a multiple of the demands that the scenario says."""
        resolved = self.resolved.at_demand(factor / self.demand_factor)
        candidates = tuple(map(_asked_of, self.candidates, resolved.workloads))
        return replace(self, resolved=resolved, candidates=candidates, demand_factor=factor)

    def asking(self, changes: Mapping[str, object]) -> FleetSpace:
        """The same fleet, of whose only workload something else is asked that changes no price."""
        (workload,), (candidate,) = self.resolved.workloads, self.candidates
        asked = replace(workload, workload=workload.workload.model_copy(update=dict(changes)))
        return replace(
            self,
            resolved=replace(self.resolved, workloads=(asked,)),
            candidates=(replace(candidate, workload=asked),),
        )

    def keeping(self, kept: Callable[[Column], bool]) -> FleetSpace:
        """The same fleet with some of its columns alone."""
        return replace(self, kept=kept)

    def with_gpus(self, pool: int, gpus: int) -> FleetSpace:
        """The same fleet with another number of GPUs in one pool."""
        resolved, pools = list(self.resolved.pools), list(self.pools)
        resolved[pool] = replace(resolved[pool], gpus=gpus)
        pools[pool] = _pool_data(resolved[pool])
        return replace(self, resolved=replace(self.resolved, pools=tuple(resolved)), pools=tuple(pools))

    def columns(
        self, speed_factor: float = 1.0, ask: Ask = go_on, *, beyond: bool = False, on: Container[int] | None = None
    ) -> list[list[Column]]:
        """Columns of each workload that meet its service at a factor on its least speed, whatever the capacity.

        ``beyond``: keep those that a plan with more capacity than the demand, or with fewer instances, could use.
        ``on``: of some pools alone, by position.
        """
        found = []
        for at, candidate in enumerate(self.candidates):
            ask(f"choosing instances: workload {at + 1} of {len(self.candidates)}")
            pools, frugal = self.resolved.pools, self.decides_loads
            found.append(
                columns_at(
                    candidate,
                    at,
                    pools,
                    speed_factor,
                    ask,
                    beyond=beyond,
                    frugal=frugal,
                    kept=self.kept,
                    apart=self.apart,
                    on=on,
                )
            )
        return found

    def within(self, usd_per_hour: float) -> frozenset[int]:
        """Pools, by position, that a plan which costs no more can use: a node of them, or a GPU, costs no more."""
        return frozenset(at for at, pool in enumerate(self.pools) if pool.least_usd_per_hour <= usd_per_hour * _ROUNDED)

    def problem(
        self, columns_of: Sequence[Sequence[Column]], covered: Sequence[float | None] | None = None
    ) -> FleetProblem:
        """Everything a program decides over, of the columns of each workload.

        Parameters
        ----------
        covered
            Multiple of its demand that the capacity of each workload must cover, 1 by default; ``None`` for as much as
            there is room for, with the demand itself required.
        """
        multiples = covered or [1.0] * len(self.candidates)
        demands = tuple(
            demand if multiple is None else demand.times(multiple)
            for demand, multiple in zip(self.demands, multiples, strict=True)
        )
        columns: list[Column] = []
        most: list[int] = []
        for demand, multiple, mine in zip(demands, multiples, columns_of, strict=True):
            for column in mine:
                useful = self.pools[column.pool].nodes.most(column.gpus)
                if multiple is not None:
                    useful = min(useful, useful_instances(column, demand))
                elif demand.max_instances is not None:
                    useful = min(useful, demand.max_instances)
                if useful >= 1:
                    columns.append(column)
                    most.append(useful)
        of_workload = [[column for column in columns if column.workload == at] for at in range(len(demands))]
        workloads = tuple(
            replace(demand, modes=possible_modes(demand.modes, len(demand.requests_per_s), mine))
            for demand, mine in zip(demands, of_workload, strict=True)
        )
        phases = [{phase for mode in workload.modes for phase in MODES[mode]} for workload in workloads]
        usable = [at for at, column in enumerate(columns) if column.phase in phases[column.workload]]
        columns, most = [columns[at] for at in usable], [most[at] for at in usable]
        return FleetProblem(
            pools=self.pools,
            workloads=workloads,
            columns=tuple(columns),
            most=tuple(most),
            late_pairs=tuple(conflicts(columns)),
            caps=self.caps,
            decides_loads=self.decides_loads,
            excluded=self._excluded_of(columns),
        )

    def _excluded_of(self, columns: Sequence[Column]) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Positions of the columns of each earlier plan, by group; a plan of which a group is missing cannot come."""
        if self.apart is None or not self.excluded:
            return ()
        groups: dict[Hashable, list[int]] = {}
        for at, column in enumerate(columns):
            groups.setdefault(self.apart(column), []).append(at)
        present = [used for used in self.excluded if used <= groups.keys()]
        return tuple(tuple(tuple(at) for each, at in groups.items() if each in used) for used in present)

    def with_nodes(self, pool: int, whole: int) -> FleetSpace:
        """The same fleet with another number of whole nodes in one pool."""
        pools = list(self.pools)
        pools[pool] = replace(pools[pool], nodes=replace(pools[pool].nodes, whole=whole))
        return replace(self, pools=tuple(pools))

    def max_speed_factor(self) -> float:
        """No plan meets a greater factor on all least speeds; inf where speeds are unknown or not asked for."""
        return min(self._factors(unknown=math.inf), default=math.inf)

    def max_known_factor(self) -> float:
        """No plan whose factor is known attains a greater one; 0 where no speed is asked for and known."""
        return max(self._factors(unknown=0.0), default=0.0)

    def _factors(self, unknown: float) -> list[float]:
        """Greatest speed over least speed of each workload that has one; speeds that nobody states are ``unknown``."""
        return [
            fastest_speed(candidate, unknown) / candidate.workload.workload.min_speed
            for candidate in self.candidates
            if candidate.workload.workload.min_speed is not None
        ]

    @property
    def is_steady(self) -> bool:
        """Whether plans for a greater speed factor are plans for every smaller one.

        Not so where classes of a mix must be in time on pairs of instances: an instance too slow for a class at the
        greater factor need not be in time for it.
        """
        return not any(
            len(candidate.classes) > 1
            and "disaggregated" in candidate.workload.workload.serving
            and candidate.workload.workload.max_time_to_first_token_s is not None
            for candidate in self.candidates
        )

    @property
    def priced(self) -> int:
        """Setups priced, over all workloads, accelerators, precisions, phases and classes."""
        tables = sum(len(setups) for candidate in self.candidates for table in candidate.tables for setups in table.key)
        return tables + sum(len(candidate.points) for candidate in self.candidates)


def build_fleet_space(
    resolved: ResolvedFleet, ask: Ask = go_on, known: Mapping[int, Candidates] | None = None
) -> FleetSpace:
    """Price what every workload could run on; of some (by position) it is ``known`` already."""
    limits = resolved.fleet.limits
    known = known or {}
    tables = price_tables(resolved, known, ask)
    candidates = [
        known[at] if at in known else build_candidates(workload, resolved.pools, ask, tables)
        for at, workload in enumerate(resolved.workloads)
    ]
    return FleetSpace(
        resolved=resolved,
        candidates=tuple(candidates),
        pools=tuple(_pool_data(pool) for pool in resolved.pools),
        caps=Caps(
            max_usd_per_hour=_or_inf(limits.max_usd_per_hour),
            max_power_kw=_or_inf(limits.max_power_kw),
            max_gpus=_or_inf(limits.max_gpus),
            max_energy_kw=_or_inf(limits.max_energy_kw),
            max_carbon_kg_per_hour=_or_inf(limits.max_carbon_kg_per_hour),
        ),
        decides_loads=resolved.energy_matters(),
    )


def useful_instances(column: Column, demand: Demand) -> int:
    """Instances beyond which another one serves nothing more."""
    loads = [
        wanted / served
        for wanted, served in zip(demand.requests_per_s, column.requests_per_s, strict=True)
        if served > 0.0
    ]
    # The relative slack keeps a rounding of the quotient from cutting off the last instance.
    needed = max(demand.min_instances, math.ceil(sum(loads) * (1.0 + 1e-9)))
    return needed if demand.max_instances is None else min(needed, demand.max_instances)


def _asked_of(candidate: Candidates, workload: ResolvedWorkload) -> Candidates:
    return replace(candidate, workload=workload)


def _demand(candidate: Candidates) -> Demand:
    workload = candidate.workload.workload
    return Demand(
        name=workload.name,
        requests_per_s=candidate.demand(),
        arriving=tuple(each / (1.0 + workload.headroom) for each in candidate.demand()),
        headroom=workload.headroom,
        min_instances=workload.min_instances,
        max_instances=workload.max_instances,
        modes=workload.serving,
        slices=workload.slices,
    )


def _pool_data(pool: ResolvedPool) -> PoolData:
    whole, left = divmod(pool.gpus, pool.node_size)
    idle_w, busy_w = watts(pool.accelerator, Fidelity.DEPLOYABLE, np.array(1.0))
    site = pool.accelerator.power or SitePower()
    return PoolData(
        name=pool.name,
        nodes=Nodes(pool.node_size, whole, 0 if pool.by_node else left),
        by_node=pool.by_node,
        usd_per_gpu_hour=pool.usd_per_gpu_hour,
        kw_per_gpu=np.nan if pool.power_w is None else pool.power_w / 1000.0,
        max_power_kw=_or_inf(pool.max_power_kw),
        owned_gpus=pool.owned_gpus,
        idle_kw_per_gpu=site.pue * float(idle_w) / 1000.0,
        busy_kw_per_gpu=site.pue * float(busy_w) / 1000.0,
        usd_per_kwh=pool.usd_per_kwh or 0.0,
        kg_co2_per_kwh=np.nan if site.kg_co2_per_kwh is None else site.kg_co2_per_kwh,
    )


def _or_inf(limit: float | None) -> float:
    return math.inf if limit is None else float(limit)
