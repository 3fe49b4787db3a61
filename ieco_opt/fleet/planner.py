"""Solving for one plan of a fleet at a time: programs built, started, solved, and read with their certificates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ieco_opt.errors import SolverError
from ieco_opt.fleet.columns import MODES, Column
from ieco_opt.fleet.placement import Arc, Piece, fillings, place
from ieco_opt.fleet.program.balance import build_balance_program, read_shares
from ieco_opt.fleet.program.data import (
    FleetDecision,
    FleetProgramData,
    Quantity,
    Requirement,
    read_fleet_decision,
    values_of,
)
from ieco_opt.fleet.program.plan import build_fleet_program
from ieco_opt.fleet.program.start import starting_counts
from ieco_opt.fleet.space import FleetProblem, FleetSpace, PoolData
from ieco_opt.performance.serving import Phase
from ieco_opt.results.guarantee import CLOSED, Status
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.run import Run, Stopped
from ieco_opt.solvers.watch import Report

ROUNDING = 1e-9
"""Relative slack of a demand that is met but for rounding; the solver's tolerance on rows scaled to 1."""

_MISMATCH = 1e-5


@dataclass(frozen=True, slots=True)
class Plan:
    """Instances of each column on nodes, with what is proven.

    Attributes
    ----------
    counts
        Instances of each column of ``problem``, by position.
    share
        Share of each class that a column serves, for workloads with a mix.
    placements
        For each pool its nodes in use: size and pieces.
    totals
        Recomputed from the placements.
    bound, gap
        Proven: no plan has less of ``minimised``; and how far this one is above it, relatively.
    """

    problem: FleetProblem
    speed_factor: float
    counts: tuple[int, ...]
    disaggregated: tuple[bool, ...]
    share: dict[tuple[int, int], float]
    placements: tuple[tuple[tuple[int, tuple[Piece, ...]], ...], ...]
    totals: dict[Quantity, float]
    minimised: Quantity
    bound: float
    gap: float

    @property
    def value(self) -> float:
        """What was minimised."""
        return self.totals[self.minimised]

    @property
    def status(self) -> Status:
        """Optimal where the gap is closed."""
        return Status.OPTIMAL if self.gap <= CLOSED else Status.FEASIBLE

    def capacity(self, workload: int, phase: Phase) -> float:
        """Share of the demand that the instances of one phase can serve (with a mix: of every class alike)."""
        columns = self.problem.columns_of(workload, phase)
        demand = self.problem.workloads[workload].requests_per_s
        if len(demand) == 1:
            return (
                sum(self.problem.columns[column].requests_per_s[0] * self.counts[column] for column in columns)
                / demand[0]
            )
        loads = [self.load(column) / self.counts[column] for column in columns if self.counts[column]]
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


class FleetPlanner:
    """Answers questions about one fleet and counts what they cost."""

    def __init__(
        self,
        space: FleetSpace,
        run: Run,
        *,
        report: Report | None = None,
    ) -> None:
        self.space = space
        self.run = run
        self.report = report
        self.size = (0, 0, 0)
        self._completions = run.beside()
        self._relaxations = run.beside(relaxed=True)
        self._columns: dict[float, list[list[Column]]] = {}

    @property
    def solver_seconds(self) -> float:
        """Seconds spent in the solver."""
        return sum(run.solver_seconds for run in (self.run, self._relaxations, self._completions))

    def problem(self, speed_factor: float = 1.0, space: FleetSpace | None = None) -> FleetProblem:
        """The numbers at one speed factor, of another capacity if given; columns of the last factor are kept."""
        if speed_factor not in self._columns:
            self._columns = {speed_factor: self.space.columns(speed_factor)}
        return (space or self.space).problem(self._columns[speed_factor])

    def best(
        self,
        minimise: Quantity = Quantity.COST,
        *,
        speed_factor: float = 1.0,
        epsilons: Mapping[Quantity, float] | None = None,
    ) -> Plan | None:
        """Plan with the least of one quantity, and the cheapest of those; ``None``: proven that there is none.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search.
        """
        problem = self.problem(speed_factor)
        if problem.unserved:
            return None
        data = FleetProgramData(problem, minimise, dict(epsilons or {}))
        first = self._solve(data, speed_factor)
        if first is None or minimise is Quantity.COST:
            return first
        capped = replace(data, minimise=Quantity.COST, epsilons={**data.epsilons, minimise: first.value})
        try:
            second = self._solve(capped, speed_factor)
        except Stopped as stop:
            raise Stopped(stop.reason, self._judged(stop.incumbent or first, minimise, first.bound)) from stop
        return first if second is None else self._judged(second, minimise, first.bound)

    def exists(self, problem: FleetProblem, epsilons: Mapping[Quantity, float]) -> bool:
        """Whether any plan meets ``epsilons``.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search before that was known.
        """
        model = build_fleet_program(FleetProgramData(problem, epsilons=dict(epsilons)))
        solution = self._run(model, ())
        if not solution.has_incumbent and solution.outcome is not Outcome.INFEASIBLE:
            raise Stopped("a time limit ended the solver")
        return solution.has_incumbent

    def least_violation(
        self, problem: FleetProblem, relaxed: Requirement, epsilons: Mapping[Quantity, float]
    ) -> tuple[float, dict[Quantity, float]] | None:
        """Least violation of one requirement, and what the plan with it comes to; ``None``: no violation is enough.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search before the least was proven.
        """
        model = build_fleet_program(FleetProgramData(problem, epsilons=dict(epsilons), relaxed=relaxed))
        solution = self._run(model, ())
        if solution.outcome is Outcome.INFEASIBLE:
            return None
        if solution.outcome is not Outcome.OPTIMAL:
            raise Stopped("a time limit ended the solver")
        decision = read_fleet_decision(model, problem)
        return decision.violation, _totals(problem, decision.instances, list(decision.nodes))

    def _judged(self, plan: Plan, minimised: Quantity, bound: float) -> Plan:
        value = plan.totals[minimised]
        return replace(plan, minimised=minimised, bound=min(bound, value), gap=_gap(value, bound))

    def _solve(self, data: FleetProgramData, speed_factor: float) -> Plan | None:
        model = build_fleet_program(data)
        self.size = (model.nvariables(), model.nconstraints(), len(data.problem.columns))
        relaxed = self._relaxed(model)
        if relaxed.outcome is Outcome.INFEASIBLE:
            return None
        solution = self._run(model, self._start(model, data) if relaxed.has_incumbent else [])
        if solution.outcome is Outcome.INFEASIBLE:
            return None
        reason = self.run.reason("a time limit ended the solver")
        if not solution.has_incumbent:
            raise Stopped(reason)
        if solution.bound is None or not np.isfinite(solution.bound):
            # Stopped so early that the solver has no bound of its own yet.
            solution = replace(solution, bound=relaxed.objective)
        plan = self._balanced(_plan(data, speed_factor, read_fleet_decision(model, data.problem), solution))
        accepted = max(self.run.config.relative_gap, self.run.config.accepted_gap or 0.0, CLOSED)
        if solution.outcome is Outcome.FEASIBLE and (plan.gap > accepted or self.run.interrupt.requested):
            raise Stopped(reason, plan)
        return plan

    def _balanced(self, plan: Plan) -> Plan:
        """Spread the classes of each mix evenly over the instances that run."""
        share: dict[tuple[int, int], float] = {}
        for at, demand in enumerate(plan.problem.workloads):
            for phase in plan.phases(at) if len(demand.requests_per_s) > 1 else ():
                columns = [column for column in plan.problem.columns_of(at, phase) if plan.counts[column]]
                model = build_balance_program(plan.problem, columns, [plan.counts[column] for column in columns])
                try:
                    solution = self._completions.solve(model)
                except Stopped:
                    # The shares of the program itself serve everything too; the plan must not be lost over them.
                    return plan
                if solution.has_incumbent:
                    share |= read_shares(model, demand.slices)
        return replace(plan, share=plan.share | share)

    def _relaxed(self, model: Any) -> Solution:
        """Solve the linear relaxation: where it is infeasible so is the program, and its optimum is a bound."""
        if self.run.config.solver != "highs":
            return Solution(Outcome.NO_SOLUTION, None, None, 0.0)
        return self._relaxations.solve(model)

    def _start(self, model: Any, data: FleetProgramData) -> list[tuple[Any, float]]:
        """A whole solution to start from, of the relaxation that the variables hold; empty where greed finds none."""
        relaxed = [variable.value or 0.0 for variable in model.instances.values()]
        counts = starting_counts(data.problem, relaxed, data.minimise)
        if counts is None:
            return []
        # HiGHS would complete the instances itself, but then reports bounds of that as if they were the program's.
        for variable, count in zip(model.instances.values(), counts, strict=True):
            variable.fix(count)
        completed = self._completions.solve(model)
        for variable in model.instances.values():
            variable.unfix()
        if not completed.has_incumbent:
            return []
        return values_of(model)

    def _run(self, model: Any, start: Sequence[tuple[Any, float]]) -> Solution:
        return self.run.solve(model, start=start, report=self.report)


def _plan(data: FleetProgramData, speed_factor: float, decision: FleetDecision, solution: Solution) -> Plan:
    problem = data.problem
    counts = _needed(problem, decision)
    placements = tuple(_placed(problem, at, counts, decision) for at in range(len(problem.pools)))
    totals = _totals(problem, counts, [len(nodes) for nodes in placements])
    value, found = totals[data.minimise], solution.objective or 0.0
    if value > found + _MISMATCH * max(1.0, abs(found)):
        raise SolverError(f"the solver says {found:.9g} for a plan that comes to {value:.9g}")
    bound = -np.inf if solution.bound is None else min(solution.bound, value)
    return Plan(
        problem=problem,
        speed_factor=speed_factor,
        counts=counts,
        disaggregated=decision.disaggregated,
        share=decision.share,
        placements=placements,
        totals=totals,
        minimised=data.minimise,
        bound=bound,
        gap=_gap(value, bound),
    )


def _gap(value: float, bound: float) -> float:
    return 0.0 if value <= bound else (value - bound) / abs(value) if value else float(value - bound)


def _needed(problem: FleetProblem, decision: FleetDecision) -> tuple[int, ...]:
    """Instances without those that nobody needs, which cost nothing where GPUs are free."""
    counts = list(decision.instances)
    for at, workload in enumerate(problem.workloads):
        chosen = MODES["disaggregated" if decision.disaggregated[at] else "colocated"]
        for phase in Phase:
            columns = problem.columns_of(at, phase)
            if phase not in chosen:
                for column in columns:
                    counts[column] = 0
            elif len(workload.requests_per_s) == 1:
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


def _totals(problem: FleetProblem, counts: tuple[int, ...], nodes: list[int]) -> dict[Quantity, float]:
    totals = dict.fromkeys(Quantity, 0.0)
    for at, pool in enumerate(problem.pools):
        gpus = sum(
            column.gpus * count for column, count in zip(problem.columns, counts, strict=True) if column.pool == at
        )
        allocated = allocated_gpus(pool, nodes[at], gpus)
        totals[Quantity.COST] += pool.usd_per_gpu_hour * max(0, allocated - pool.owned_gpus)
        totals[Quantity.GPUS] += allocated
        # Power that is unknown matters only where GPUs are allocated.
        totals[Quantity.POWER] += pool.kw_per_gpu * allocated if allocated else 0.0
    return totals
