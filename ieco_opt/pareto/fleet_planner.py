"""Solving for one plan of a fleet at a time: programs built, started, solved, and read with their certificates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ieco_opt.design_space.fleet import FleetProblem, FleetSpace, PoolData
from ieco_opt.design_space.kinds import MODES, Kind
from ieco_opt.design_space.packing import Arc, Piece, fillings, place
from ieco_opt.errors import SolverError
from ieco_opt.pareto.points import Status
from ieco_opt.performance.serving import Phase
from ieco_opt.programs.fleet import build_fleet_program
from ieco_opt.programs.fleet_balance import build_balance_program, read_shares
from ieco_opt.programs.fleet_data import (
    FleetDecision,
    FleetProgramData,
    Quantity,
    Requirement,
    read_fleet_decision,
    values_of,
)
from ieco_opt.programs.fleet_start import starting_counts
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.session import SolverSession
from ieco_opt.solvers.watch import Report

CLOSED = 1e-6
"""Relative gap that counts as closed."""

ROUNDING = 1e-9
"""Relative slack of a demand that is met but for rounding; the solver's tolerance on rows scaled to 1."""

_MISMATCH = 1e-5


@dataclass(frozen=True, slots=True)
class Plan:
    """Instances of each kind on nodes, with what is proven.

    Attributes
    ----------
    counts
        Instances of each kind of ``problem``, by position.
    share
        Share of each class that a kind serves, for workloads with a mix.
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
        kinds = self.problem.kinds_of(workload, phase)
        demand = self.problem.workloads[workload].requests_per_s
        if len(demand) == 1:
            return sum(self.problem.kinds[kind].requests_per_s[0] * self.counts[kind] for kind in kinds) / demand[0]
        loads = [self.load(kind) / self.counts[kind] for kind in kinds if self.counts[kind]]
        return 1.0 / max(loads) if loads and max(loads) > 0.0 else 0.0

    def serves(self, workload: int, phase: Phase) -> bool:
        """Whether the instances of one phase serve the demand."""
        return self.capacity(workload, phase) >= 1.0 - ROUNDING

    def load(self, kind: int) -> float:
        """Instances that a kind needs for its shares of the classes, with headroom."""
        served = self.problem.kinds[kind].requests_per_s
        demand = self.problem.workloads[self.problem.kinds[kind].workload].requests_per_s
        shares = [self.share.get((kind, c), 0.0) for c in range(len(demand))]
        return sum(
            share * wanted / capacity if capacity > 0.0 else np.inf
            for share, wanted, capacity in zip(shares, demand, served, strict=True)
            if share > 0.0
        )

    def phases(self, workload: int) -> tuple[Phase, ...]:
        """Phases of the mode that a workload runs in."""
        return MODES["disaggregated" if self.disaggregated[workload] else "colocated"]


class FleetStopped(Exception):  # noqa: N818 - no error: a limit or Ctrl-C ended the search
    """A limit or an interrupt ended a solve; ``plan`` is what it had found until then."""

    def __init__(self, reason: str, plan: Plan | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.plan = plan


class FleetPlanner:
    """Answers questions about one fleet and counts what they cost."""

    def __init__(
        self,
        space: FleetSpace,
        session: SolverSession,
        *,
        deadline: float | None = None,
        report: Report | None = None,
    ) -> None:
        self.space = space
        self.session = session
        self.deadline = deadline
        self.report = report
        self.size = (0, 0, 0)
        options = {**session.config.options, "solve_relaxation": True}
        self._completions = SolverSession(session.config, session.interrupt)
        self._relaxations = SolverSession(replace(session.config, options=options), session.interrupt)
        self._kinds: dict[float, list[list[Kind]]] = {}

    @property
    def solver_seconds(self) -> float:
        """Seconds spent in the solver."""
        return self.session.seconds + self._relaxations.seconds + self._completions.seconds

    def problem(self, speed_factor: float = 1.0, space: FleetSpace | None = None) -> FleetProblem:
        """The numbers at one speed factor, of another stock if that is given; kinds of the last factor are kept."""
        if speed_factor not in self._kinds:
            self._kinds = {speed_factor: self.space.kinds(speed_factor)}
        return (space or self.space).problem(self._kinds[speed_factor])

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
        FleetStopped
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
        except FleetStopped as stop:
            raise FleetStopped(stop.reason, self._judged(stop.plan or first, minimise, first.bound)) from stop
        return first if second is None else self._judged(second, minimise, first.bound)

    def exists(self, problem: FleetProblem, epsilons: Mapping[Quantity, float]) -> bool:
        """Whether any plan meets ``epsilons``.

        Raises
        ------
        FleetStopped
            A limit or an interrupt ended the search before that was known.
        """
        model = build_fleet_program(FleetProgramData(problem, epsilons=dict(epsilons)))
        solution = self._run(model, ())
        if not solution.has_incumbent and solution.outcome is not Outcome.INFEASIBLE:
            raise FleetStopped("a time limit ended the solver")
        return solution.has_incumbent

    def least_violation(
        self, problem: FleetProblem, relaxed: Requirement, epsilons: Mapping[Quantity, float]
    ) -> tuple[float, dict[Quantity, float]] | None:
        """Least violation of one requirement, and what the plan with it comes to; ``None``: no violation is enough.

        Raises
        ------
        FleetStopped
            A limit or an interrupt ended the search before the least was proven.
        """
        model = build_fleet_program(FleetProgramData(problem, epsilons=dict(epsilons), relaxed=relaxed))
        solution = self._run(model, ())
        if solution.outcome is Outcome.INFEASIBLE:
            return None
        if solution.outcome is not Outcome.OPTIMAL:
            raise FleetStopped("a time limit ended the solver")
        decision = read_fleet_decision(model, problem)
        return decision.violation, _totals(problem, decision.instances, list(decision.nodes))

    def _judged(self, plan: Plan, minimised: Quantity, bound: float) -> Plan:
        value = plan.totals[minimised]
        return replace(plan, minimised=minimised, bound=min(bound, value), gap=_gap(value, bound))

    def _solve(self, data: FleetProgramData, speed_factor: float) -> Plan | None:
        model = build_fleet_program(data)
        self.size = (model.nvariables(), model.nconstraints(), len(data.problem.kinds))
        relaxed = self._relaxed(model)
        if relaxed.outcome is Outcome.INFEASIBLE:
            return None
        solution = self._run(model, self._start(model, data) if relaxed.has_incumbent else [])
        if solution.outcome is Outcome.INFEASIBLE:
            return None
        reason = "Ctrl-C" if self.session.interrupt.requested else "a time limit ended the solver"
        if not solution.has_incumbent:
            raise FleetStopped(reason)
        if solution.bound is None or not np.isfinite(solution.bound):
            # Stopped so early that the solver has no bound of its own yet.
            solution = replace(solution, bound=relaxed.objective)
        plan = self._balanced(_plan(data, speed_factor, read_fleet_decision(model, data.problem), solution))
        accepted = max(self.session.config.relative_gap, self.session.config.accepted_gap or 0.0, CLOSED)
        if solution.outcome is Outcome.FEASIBLE and (plan.gap > accepted or self.session.interrupt.requested):
            raise FleetStopped(reason, plan)
        return plan

    def _balanced(self, plan: Plan) -> Plan:
        """Spread the classes of each mix evenly over the instances that run."""
        share: dict[tuple[int, int], float] = {}
        for at, demand in enumerate(plan.problem.workloads):
            for phase in plan.phases(at) if len(demand.requests_per_s) > 1 else ():
                kinds = [kind for kind in plan.problem.kinds_of(at, phase) if plan.counts[kind]]
                model = build_balance_program(plan.problem, kinds, [plan.counts[kind] for kind in kinds])
                if self._completions.solve(model, self._time_left()).has_incumbent:
                    share |= read_shares(model, demand.slices)
        return replace(plan, share=plan.share | share)

    def _relaxed(self, model: Any) -> Solution:
        """Solve the linear relaxation: where it is infeasible so is the program, and its optimum is a bound."""
        if self.session.config.solver != "highs":
            return Solution(Outcome.NO_SOLUTION, None, None, 0.0)
        return self._relaxations.solve(model, self._time_left())

    def _start(self, model: Any, data: FleetProgramData) -> list[tuple[Any, float]]:
        """A whole solution to start from, of the relaxation that the variables hold; empty where greed finds none."""
        relaxed = [variable.value or 0.0 for variable in model.instances.values()]
        counts = starting_counts(data.problem, relaxed, data.minimise)
        if counts is None:
            return []
        # HiGHS would complete the instances itself, but then reports bounds of that as if they were the program's.
        for variable, count in zip(model.instances.values(), counts, strict=True):
            variable.fix(count)
        completed = self._completions.solve(model, self._time_left())
        for variable in model.instances.values():
            variable.unfix()
        if not completed.has_incumbent:
            return []
        return values_of(model)

    def _run(self, model: Any, start: Sequence[tuple[Any, float]]) -> Solution:
        if self.session.interrupt.requested:
            raise FleetStopped("Ctrl-C")
        return self.session.solve(model, self._time_left(), start=start, report=self.report)

    def _time_left(self) -> float | None:
        if self.deadline is None:
            return None
        left = self.deadline - time.perf_counter()
        if left <= 0.0:
            raise FleetStopped("the total time limit")
        return left


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
            kinds = problem.kinds_of(at, phase)
            if phase not in chosen:
                for kind in kinds:
                    counts[kind] = 0
            elif len(workload.requests_per_s) == 1:
                _drop_surplus(problem, at, kinds, counts)
    return tuple(counts)


def _drop_surplus(problem: FleetProblem, workload: int, kinds: list[int], counts: list[int]) -> None:
    demand = problem.workloads[workload]
    served = {kind: problem.kinds[kind].requests_per_s[0] / demand.requests_per_s[0] for kind in kinds}
    capacity = sum(served[kind] * counts[kind] for kind in kinds)
    running = sum(counts[kind] for kind in kinds)
    for kind in sorted(kinds, key=lambda each: -problem.kinds[each].gpus):
        while counts[kind] and running > demand.min_instances and capacity - served[kind] >= 1.0 + ROUNDING:
            counts[kind] -= 1
            running -= 1
            capacity -= served[kind]


def _placed(
    problem: FleetProblem, pool: int, counts: tuple[int, ...], decision: FleetDecision
) -> tuple[tuple[int, tuple[Piece, ...]], ...]:
    nodes = problem.pools[pool].nodes
    here = [at for at, kind in enumerate(problem.kinds) if kind.pool == pool and counts[at]]
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
    gpus = {at: problem.kinds[at].gpus for at in here}
    used = place(gpus, {at: counts[at] for at in here}, nodes, contents)
    return tuple((size, tuple(pieces)) for size, pieces in used)


def rented_gpus(pool: PoolData, nodes: int, gpus: int) -> int:
    """GPUs to pay for: whole nodes, or those of the instances."""
    return pool.nodes.size * nodes if pool.by_node else gpus


def _totals(problem: FleetProblem, counts: tuple[int, ...], nodes: list[int]) -> dict[Quantity, float]:
    totals = dict.fromkeys(Quantity, 0.0)
    for at, pool in enumerate(problem.pools):
        gpus = sum(kind.gpus * count for kind, count in zip(problem.kinds, counts, strict=True) if kind.pool == at)
        rented = rented_gpus(pool, nodes[at], gpus)
        totals[Quantity.COST] += pool.usd_per_gpu_hour * max(0, rented - pool.owned_gpus)
        totals[Quantity.GPUS] += rented
        # Power that is unknown matters only where GPUs are rented.
        totals[Quantity.POWER] += pool.kw_per_gpu * rented if rented else 0.0
    return totals
