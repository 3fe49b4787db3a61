"""A plan in numbers: instances of each column on nodes, what they come to, and what is proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import ge, le

import numpy as np

from ieco_opt.errors import SolverError
from ieco_opt.fleet.columns import MODES, Column
from ieco_opt.fleet.placement import Arc, Piece, fillings, place
from ieco_opt.fleet.program.data import FleetDecision, FleetProgramData, Goal, Quantity
from ieco_opt.fleet.program.loads import idle_kw, served_kw
from ieco_opt.fleet.space import FleetProblem, PoolData
from ieco_opt.performance.serving import Phase
from ieco_opt.results.guarantee import CLOSED, Status
from ieco_opt.results.plan import Level

ROUNDING = 1e-9
"""Relative slack of a demand that is met but for rounding; the solver's tolerance on rows scaled to 1."""

MISMATCH = 1e-5
"""Relative difference between what the solver says and what a plan comes to that is no rounding."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Instances of each column on nodes, with what is proven.

    Attributes
    ----------
    counts
        Instances of each column of ``problem``, by position.
    share
        Share of each class that a column serves, for workloads with a mix, and where loads are decided.
    placements
        For each pool its nodes in use: size and pieces.
    totals
        Recomputed from the placements.
    bound, gap
        Proven: no plan has less of ``minimised``; and how far this one is above it, relatively.
    levels
        What chose this plan among equally good ones.
    """

    problem: FleetProblem
    speed_factor: float
    counts: tuple[int, ...]
    disaggregated: tuple[bool, ...]
    share: dict[tuple[int, int], float]
    placements: tuple[tuple[tuple[int, tuple[Piece, ...]], ...], ...]
    totals: dict[Quantity, float]
    minimised: Quantity | Goal
    bound: float
    gap: float
    levels: tuple[Level, ...] = ()

    @property
    def value(self) -> float:
        """What was minimised; of slack its negative, since more is better, and without workloads with slices."""
        if self.minimised is Goal.SLACK:
            workloads = enumerate(self.problem.workloads)
            whole = [at for at, each in workloads if not each.is_sliced and self.problem.has_slack(at)]
            return -min(map(self._covered, whole), default=1.0)
        return 0.0 if self.minimised is Goal.ANY else self.totals[Quantity(self.minimised)]

    def covered(self) -> float:
        """Greatest multiple of all demands that the capacity covers, of the workloads whose slack is a criterion."""
        counted = [at for at in range(len(self.problem.workloads)) if self.problem.has_slack(at)]
        return min(map(self._covered, counted), default=1.0)

    def _covered(self, workload: int) -> float:
        return min(self.capacity(workload, phase) for phase in self.phases(workload))

    @property
    def status(self) -> Status:
        """Optimal where the gap is closed."""
        return Status.OPTIMAL if self.gap <= CLOSED else Status.FEASIBLE

    def capacity(self, workload: int, phase: Phase, *, nominal: bool = False) -> float:
        """Share of the demand that the instances of one phase can serve (with a mix: of every class alike).

        ``nominal``: if the model is right, and not with the error that is planned with.
        """
        columns = self.problem.columns_of(workload, phase)
        demand = self.problem.workloads[workload].requests_per_s
        margin = {column: self.problem.columns[column].margin if nominal else 1.0 for column in columns}
        if len(demand) == 1:
            served = {column: self.problem.columns[column].requests_per_s[0] * margin[column] for column in columns}
            return sum(served[column] * self.counts[column] for column in columns) / demand[0]
        loads = [
            self.load(column) / (self.counts[column] * margin[column]) for column in columns if self.counts[column]
        ]
        return 1.0 / max(loads) if loads and max(loads) > 0.0 else 0.0

    def serves(self, workload: int, phase: Phase) -> bool:
        """Whether the instances of one phase serve the demand."""
        return self.capacity(workload, phase) >= 1.0 - ROUNDING

    def load(self, column: int) -> float:
        """Instances that a column needs for its shares of the classes, with headroom."""
        served = self.problem.columns[column].requests_per_s
        demand = self.problem.workloads[self.problem.columns[column].workload].requests_per_s
        shares = [self.share.get((column, c), 0.0) for c in range(len(demand))]
        return sum(
            share * wanted / capacity if capacity > 0.0 else np.inf
            for share, wanted, capacity in zip(shares, demand, served, strict=True)
            if share > 0.0
        )

    def phases(self, workload: int) -> tuple[Phase, ...]:
        """Phases of the mode that a workload runs in."""
        return MODES["disaggregated" if self.disaggregated[workload] else "colocated"]


def counts_of(plan: Plan, problem: FleetProblem) -> tuple[int, ...] | None:
    """Instances of the columns of another problem that a plan comes to; ``None`` where it has no such columns.

    Others of the same size that serve no less stand in for columns that are missing. Instances beyond those that can be
    of use there are left out.
    """
    counts = [0] * len(problem.columns)
    for at, column in _running_in(plan, problem).items():
        if column is None:
            return None
        counts[column] = min(counts[column] + plan.counts[at], problem.most[column])
    return tuple(counts)


def slices_of(plan: Plan, problem: FleetProblem) -> Counter[tuple[int, int]]:
    """Slices of each class, by column of another problem and class, that a plan puts there."""
    found: Counter[tuple[int, int]] = Counter()
    columns = _running_in(plan, problem)
    for (at, c), part in plan.share.items():
        slices = plan.problem.workloads[plan.problem.columns[at].workload].slices
        if slices is not None and (column := columns.get(at)) is not None:
            found[column, c] += round(part * slices)
    return found


def _running_in(plan: Plan, problem: FleetProblem) -> dict[int, int | None]:
    """Positions, in another problem, of the columns that run in a plan; ``None``: there is no such column."""
    positions = {column: at for at, column in enumerate(problem.columns)}
    return {
        at: positions[column] if column in positions else _in_place_of(column, problem)
        for at, (column, count) in enumerate(zip(plan.problem.columns, plan.counts, strict=True))
        if count
    }


def _in_place_of(column: Column, problem: FleetProblem) -> int | None:
    """Position of a column of a problem that can stand in for one that it lacks."""
    alike = column.pool, column.gpus, column.cache_form
    for at in problem.columns_of(column.workload, column.phase):
        other = problem.columns[at]
        if (
            (other.pool, other.gpus, other.cache_form) == alike
            and all(map(ge, other.requests_per_s, column.requests_per_s))
            and all(map(ge, other.room_s, column.room_s))
            and all(map(le, other.transfer_s, column.transfer_s))
        ):
            return at
    return None


def decided_plan(data: FleetProgramData, speed_factor: float, decision: FleetDecision) -> Plan:
    """A plan as decided; nothing is said of its proof."""
    problem = data.problem
    counts = _needed(problem, decision, keep_surplus=data.minimise is Goal.SLACK or problem.decides_loads)
    running = {at: part for at, part in decision.share.items() if counts[at[0]]}
    share = _whole_shares(problem, running if problem.decides_loads else decision.share)
    placements = tuple(_placed(problem, at, counts, decision) for at in range(len(problem.pools)))
    return Plan(
        problem=problem,
        speed_factor=speed_factor,
        counts=counts,
        disaggregated=decision.disaggregated,
        share=share,
        placements=placements,
        totals=totals_of(problem, counts, [len(nodes) for nodes in placements], share),
        minimised=data.minimise,
        bound=-np.inf,
        gap=np.inf,
    )


def confirmed(plan: Plan, objective: float | None, bound: float | None) -> Plan:
    """A plan with the solver's bound, where what the solver says agrees with what the plan comes to."""
    value, found = plan.value, objective or 0.0
    if value > found + MISMATCH * max(1.0, abs(found)):
        raise SolverError(f"the solver says {found:.9g} for a plan that comes to {value:.9g}")
    return judged(plan, plan.minimised, -np.inf if bound is None else bound)


def judged(plan: Plan, minimised: Quantity | Goal, bound: float) -> Plan:
    """A plan with the bound that was proven of one quantity or goal.

    Raises
    ------
    SolverError
        The bound is above what the plan comes to by more than rounding: one of both is wrong.
    """
    measured = replace(plan, minimised=minimised)
    value = measured.value
    if bound > value + MISMATCH * max(1.0, abs(value)):
        raise SolverError(f"the solver proves a bound of {bound:.9g} for a plan that comes to {value:.9g}")
    return replace(measured, bound=min(bound, value), gap=_gap(value, bound))


def _whole_shares(problem: FleetProblem, share: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """Shares of each class that come to 1 in each phase; a program may cover more of a class than all of it.

    Slices stay whole.
    """
    covered: Counter[tuple[int, Phase, int]] = Counter()

    def at(column: int, c: int) -> tuple[int, Phase, int]:
        return problem.columns[column].workload, problem.columns[column].phase, c

    for (column, c), part in share.items():
        covered[at(column, c)] += part  # type: ignore[assignment]
    return {
        (column, c): part if problem.workloads[at(column, c)[0]].is_sliced else part / (covered[at(column, c)] or 1.0)
        for (column, c), part in share.items()
    }


def _gap(value: float, bound: float) -> float:
    return 0.0 if value <= bound else (value - bound) / abs(value) if value else float(value - bound)


def _needed(problem: FleetProblem, decision: FleetDecision, *, keep_surplus: bool) -> tuple[int, ...]:
    """Instances without those that nobody needs, which cost nothing where GPUs are free."""
    counts = list(decision.instances)
    for at, workload in enumerate(problem.workloads):
        chosen = MODES["disaggregated" if decision.disaggregated[at] else "colocated"]
        for phase in Phase:
            columns = problem.columns_of(at, phase)
            if phase not in chosen:
                for column in columns:
                    counts[column] = 0
            elif len(workload.requests_per_s) == 1 and not keep_surplus:
                _drop_surplus(problem, at, columns, counts)
    return tuple(counts)


def _drop_surplus(problem: FleetProblem, workload: int, columns: list[int], counts: list[int]) -> None:
    demand = problem.workloads[workload]
    served = {column: problem.columns[column].requests_per_s[0] / demand.requests_per_s[0] for column in columns}
    capacity = sum(served[column] * counts[column] for column in columns)
    running = sum(counts[column] for column in columns)
    for column in sorted(columns, key=lambda each: -problem.columns[each].gpus):
        while counts[column] and running > demand.min_instances and capacity - served[column] >= 1.0 + ROUNDING:
            counts[column] -= 1
            running -= 1
            capacity -= served[column]


def _placed(
    problem: FleetProblem, pool: int, counts: tuple[int, ...], decision: FleetDecision
) -> tuple[tuple[int, tuple[Piece, ...]], ...]:
    nodes = problem.pools[pool].nodes
    here = [at for at, column in enumerate(problem.columns) if column.pool == pool and counts[at]]
    decided = [(name, flow) for (at, name), flow in decision.flows.items() if at == pool]
    contents: list[tuple[int, Counter[int]]] | None = None
    if decided:
        sizes = {"whole": nodes.size, "partial": nodes.partial}
        contents = [
            (sizes[name], filling)
            for name, flow in decided
            for filling in fillings({Arc(*arc): count for arc, count in flow.items()})
        ]
    if problem.pools[pool].by_node:
        nodes = replace(nodes, whole=decision.nodes[pool])
    gpus = {at: problem.columns[at].gpus for at in here}
    used = place(gpus, {at: counts[at] for at in here}, nodes, contents)
    return tuple((size, tuple(pieces)) for size, pieces in used)


def allocated_gpus(pool: PoolData, nodes: int, gpus: int) -> int:
    """GPUs to pay for: whole nodes, or those of the instances."""
    return pool.nodes.size * nodes if pool.by_node else gpus


def totals_of(
    problem: FleetProblem, counts: Sequence[int], nodes: Sequence[int], share: Mapping[tuple[int, int], float]
) -> dict[Quantity, float]:
    """Cost in $/h, power in kW, allocated GPUs and instances, of instances by column and nodes by pool.

    Where loads are decided also energy in kW and carbon in kg/h, and the price of energy in the cost.
    """
    totals = dict.fromkeys(Quantity, 0.0)
    totals[Quantity.INSTANCES] = float(sum(counts))
    for at, pool in enumerate(problem.pools):
        gpus = sum(
            column.gpus * count for column, count in zip(problem.columns, counts, strict=True) if column.pool == at
        )
        allocated = allocated_gpus(pool, nodes[at], gpus)
        totals[Quantity.COST] += pool.usd_per_gpu_hour * max(0, allocated - pool.owned_gpus)
        totals[Quantity.GPUS] += allocated
        # Power that is unknown matters only where GPUs are allocated.
        totals[Quantity.POWER] += pool.kw_per_gpu * allocated if allocated else 0.0
        if problem.decides_loads and gpus:
            drawn = pool_kw(problem, at, counts, share)
            totals[Quantity.ENERGY] += drawn
            totals[Quantity.CARBON] += pool.kg_co2_per_kwh * drawn
            totals[Quantity.COST] += pool.usd_per_kwh * drawn if pool.usd_per_kwh else 0.0
    return totals


def pool_kw(problem: FleetProblem, pool: int, counts: Sequence[int], share: Mapping[tuple[int, int], float]) -> float:
    """Mean power that a pool draws: instances that are there, and the shares of requests that they serve."""
    mine = [at for at, column in enumerate(problem.columns) if column.pool == pool and counts[at]]
    return sum(column_kw(problem, at, counts, share) for at in mine)


def column_kw(
    problem: FleetProblem, column: int, counts: Sequence[int], share: Mapping[tuple[int, int], float]
) -> float:
    """Mean power that the instances of one column draw."""
    classes = range(len(problem.columns[column].requests_per_s))
    served = sum(served_kw(problem, column, c) * share.get((column, c), 0.0) for c in classes)
    return idle_kw(problem, column) * counts[column] + served
