"""Solving for one plan of a fleet at a time: programs built, started, solved, and read with their certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ieco_opt.fleet.balanced import balanced
from ieco_opt.fleet.columns import Column
from ieco_opt.fleet.one_pool import decided_in_closed_form, has_closed_form
from ieco_opt.fleet.patterns.pieces import is_simple
from ieco_opt.fleet.patterns.priced import Remembered
from ieco_opt.fleet.plan import ROUNDING, Plan, confirmed, counts_of, decided_plan, judged, slices_of, totals_of
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity, Requirement, read_fleet_decision, values_of
from ieco_opt.fleet.program.load_program import build_load_program
from ieco_opt.fleet.program.loads import PER_KWH
from ieco_opt.fleet.program.plan import build_fleet_program, caps_of
from ieco_opt.fleet.program.start import sliced_shares, starting_counts, whole_counts
from ieco_opt.fleet.space import FleetProblem, FleetSpace
from ieco_opt.results.guarantee import CLOSED
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.run import Run, Stopped
from ieco_opt.solvers.watch import Report

MANY_WORKLOADS = 4
"""Fleets of so many workloads and more are planned by patterns, unless the configuration says otherwise."""

_FAR = 1.0
"""A plan of patterns that leaves a greater gap is no start: it covers little, and the relaxation begins nearer."""


class FleetPlanner:
    """Answers questions about one fleet and counts what they cost.

    ``closed_forms``: asks no solver for programs that have a closed form, which proves as much (docs/proof.md).
    ``bare``: does so too, and solves all others as they are, without their relaxation and a start. That is quicker
    where columns are few; where there are many, the start is what a limit would leave.
    """

    def __init__(
        self,
        space: FleetSpace,
        run: Run,
        *,
        report: Report | None = None,
        bare: bool = False,
        closed_forms: bool = False,
    ) -> None:
        self.space = space
        self.run = run
        self.report = report
        self.bare = bare
        self.closed_forms = closed_forms or bare
        self.size = (0, 0, 0)
        self._completions = run.beside()
        self._relaxations = run.beside(relaxed=True)
        self._columns: dict[tuple[float, bool, frozenset[int] | None], list[list[Column]]] = {}
        self._others: list[FleetPlanner] = []
        self._remembered = Remembered()

    @property
    def solves(self) -> int:
        """Programs solved, without their relaxations and completions."""
        return self.run.solves + sum(other.solves for other in self._others)

    @property
    def solver_seconds(self) -> float:
        """Seconds spent in the solver."""
        mine = sum(run.solver_seconds for run in (self.run, self._relaxations, self._completions))
        return mine + sum(other.solver_seconds for other in self._others)

    def beside(self, run: Run, *, counted: bool = True) -> FleetPlanner:
        """A planner of the same fleet with a run of its own.

        It starts with the columns that this one has; what it solves counts here too, unless it is not ``counted``.
        """
        other = self._alike(self.space, run)
        other._columns = dict(self._columns)
        if counted:
            self._others.append(other)
        return other

    def _alike(self, space: FleetSpace, run: Run) -> FleetPlanner:
        other = FleetPlanner(space, run, bare=self.bare, closed_forms=self.closed_forms)
        other._remembered = self._remembered
        return other

    def at_demand(self, factor: float) -> FleetPlanner:
        """A planner of the same fleet with a multiple of its demands, in the same run; what it solves counts here."""
        other = self._alike(self.space.at_demand(factor), self.run)
        # What is of use beyond the demand does not depend on it.
        other._columns = {key: columns for key, columns in self._columns.items() if key[1]}
        other._relaxations, other._completions, other._others = self._relaxations, self._completions, self._others
        return other

    def problem(
        self,
        speed_factor: float = 1.0,
        *,
        space: FleetSpace | None = None,
        covered: Sequence[float | None] | None = None,
        on: frozenset[int] | None = None,
    ) -> FleetProblem:
        """The numbers at one speed factor, of another capacity if given; columns of the last factor are kept.

        ``covered`` is that of :meth:`FleetSpace.problem`; with it also columns that are of use beyond the demand.
        ``on``: with columns of some pools alone, by position.
        """
        key = (speed_factor, covered is not None, on)
        if key not in self._columns:
            self._columns = {key: self.space.columns(speed_factor, self.run.ask, beyond=covered is not None, on=on)}
        return (space or self.space).problem(self._columns[key], covered)

    def best(
        self,
        minimise: Quantity = Quantity.COST,
        *,
        speed_factor: float = 1.0,
        epsilons: Mapping[Quantity, float] | None = None,
    ) -> Plan | None:
        """Plan with the least of one quantity; ``None``: proven that there is none.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search.
        """
        on = None
        if self.bare and minimise is Quantity.COST:
            plan = self._on_the_cheapest_pool(speed_factor, epsilons or {})
            on = None if plan is None else self.space.within(plan.totals[Quantity.COST])
            if plan is not None and len(on or ()) == 1:
                return plan
        problem = self.problem(speed_factor, on=on)
        if problem.unserved:
            return None
        data = FleetProgramData(problem, minimise, dict(epsilons or {}))
        return self.solve(data, speed_factor)

    def _on_the_cheapest_pool(self, speed_factor: float, epsilons: Mapping[Quantity, float]) -> Plan | None:
        """The cheapest plan that keeps to the pool, of several, whose first node or GPU costs least, in closed form.

        No cheaper plan uses a pool of which a node, or a GPU, costs more than that plan. ``None`` where there is no
        such plan, or no closed form.
        """
        pools = self.space.pools
        if len(pools) == 1:
            return None
        cheapest = min(range(len(pools)), key=lambda at: pools[at].least_usd_per_hour)
        problem = self.problem(speed_factor, on=frozenset({cheapest}))
        data = FleetProgramData(problem, Quantity.COST, dict(epsilons))
        if problem.unserved or not has_closed_form(data):
            return None
        return self._in_closed_form(data, speed_factor)

    def exists(self, problem: FleetProblem, epsilons: Mapping[Quantity, float]) -> bool:
        """Whether any plan meets ``epsilons``.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search before that was known.
        """
        model = build_fleet_program(FleetProgramData(problem, Goal.ANY, dict(epsilons)))
        solution = self._run(model, ())
        if not solution.has_incumbent and solution.outcome is not Outcome.INFEASIBLE:
            raise Stopped(self.run.reason())
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
        return self._relaxed_optimum(FleetProgramData(problem, epsilons=dict(epsilons), relaxed=relaxed))

    def least_with_violation(
        self,
        problem: FleetProblem,
        relaxed: Requirement,
        epsilons: Mapping[Quantity, float],
        minimise: Quantity,
        violation: float,
    ) -> float | None:
        """Least of a quantity with which a plan violates one requirement by no more; ``None``: not found in time."""
        most = violation + ROUNDING * max(1.0, violation)
        data = FleetProgramData(problem, minimise, dict(epsilons), relaxed, most)
        try:
            found = self._relaxed_optimum(data)
        except Stopped:
            return None
        return None if found is None else found[1][minimise]

    def _relaxed_optimum(self, data: FleetProgramData) -> tuple[float, dict[Quantity, float]] | None:
        """Violation and totals of the best plan of a program with a relaxed requirement; ``None``: there is none."""
        model = build_fleet_program(data)
        solution = self._run(model, ())
        if solution.outcome is Outcome.INFEASIBLE:
            return None
        if solution.outcome is not Outcome.OPTIMAL:
            raise Stopped(self.run.reason())
        decision = read_fleet_decision(model, data.problem)
        totals = totals_of(data.problem, decision.instances, decision.nodes, decision.share)
        return decision.violation, totals

    def solve(self, data: FleetProgramData, speed_factor: float, known: Plan | None = None) -> Plan | None:
        """The best plan of one program, started from a known one; ``None``: proven that there is none.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search.
        SolverError
            What the solver says contradicts the plan it found.
        """
        if self.closed_forms and has_closed_form(data):
            return self._in_closed_form(data, speed_factor)
        by_patterns = None
        if self._is_for_patterns(data):
            from ieco_opt.fleet.by_patterns import ByPatterns
            from ieco_opt.fleet.patterns.solve import NoPlan

            runs = (self.run, self._relaxations, self._completions)
            asked = ByPatterns(*runs, self.report, self._remembered)
            try:
                by_patterns = asked.solve(data, speed_factor, known)
            except NoPlan:
                return None
            self.size = (*asked.size, len(data.problem.columns))
        if by_patterns is not None and by_patterns.gap <= self._accepted:
            return by_patterns
        if by_patterns is not None and by_patterns.gap <= _FAR:
            known = by_patterns
        model = build_fleet_program(data)
        self.size = (model.nvariables(), model.nconstraints(), len(data.problem.columns))
        relaxed = self._relaxed(model)
        if relaxed.outcome is Outcome.INFEASIBLE:
            return None
        solution, reason = self._run_from(model, self._start(model, data, known) if relaxed.has_incumbent else [])
        if solution.outcome is Outcome.INFEASIBLE:
            return None
        if not solution.has_incumbent:
            raise Stopped(reason)
        if solution.bound is None or not np.isfinite(solution.bound):
            # Stopped so early that the solver has no bound of its own yet.
            solution = replace(solution, bound=relaxed.bound)
        plan = decided_plan(data, speed_factor, read_fleet_decision(model, data.problem))
        loaded = self.loaded(plan, data.epsilons) if data.problem.decides_loads else balanced(plan, self._completions)
        plan = plan if loaded is None else loaded
        plan = confirmed(plan, solution.objective, solution.bound)
        if by_patterns is not None:
            best = min(plan, by_patterns, key=lambda each: each.value)
            plan = judged(best, best.minimised, max(plan.bound, by_patterns.bound))
        if solution.outcome is Outcome.FEASIBLE and (plan.gap > self._accepted or self.run.interrupt.requested):
            raise Stopped(reason, plan)
        return plan

    @property
    def _accepted(self) -> float:
        """Gap that a plan may be left with."""
        return max(self.run.config.relative_gap, self.run.config.accepted_gap or 0.0, CLOSED)

    def _is_for_patterns(self, data: FleetProgramData) -> bool:
        """Whether a program is first put to patterns."""
        config, workloads = self.run.config, len(data.problem.workloads)
        if config.solver != "highs" or config.fleet_algorithm == "instances":
            return False
        if config.fleet_algorithm == "patterns":
            return True
        return not self.bare and (workloads >= MANY_WORKLOADS or (workloads > 1 and is_simple(data.problem)))

    def _in_closed_form(self, data: FleetProgramData, speed_factor: float) -> Plan | None:
        self.run.ask()
        decision = decided_in_closed_form(data)
        if decision is None:
            return None
        plan = decided_plan(data, speed_factor, decision)
        return judged(plan, plan.minimised, plan.value)

    def loaded(self, plan: Plan, caps: Mapping[Quantity, float]) -> Plan | None:
        """A plan whose instances serve what takes least; ``None`` where they exceed caps whatever they serve.

        That is least of what the plan minimises, where energy has a part in that, or else of what the fleet does.
        """
        problem, nodes = plan.problem, [len(each) for each in plan.placements]
        counts = {at: count for at, count in enumerate(plan.counts) if count}
        fixed = totals_of(problem, plan.counts, nodes, {})
        limits = {quantity: limit for quantity, limit in caps_of(problem).items() if np.isfinite(limit)}
        for quantity, limit in caps.items():
            # What a plan before reached is met but for rounding, and the caps of the scenario exactly.
            limits[quantity] = min(limit * (1.0 + ROUNDING), limits.get(quantity, np.inf))
        left = {each: limit - fixed[each] for each, limit in limits.items()}
        if min(left.values(), default=0.0) < 0.0:
            return None
        room = {each: value for each, value in left.items() if each in PER_KWH}
        minimise = Quantity(plan.minimised) if plan.minimised in PER_KWH else self._loads_for
        model = build_load_program(problem, counts, minimise, room)
        try:
            solution = self._completions.solve(model)
        except Stopped:
            return None
        if not solution.has_incumbent:
            return None
        slices = {at: problem.workloads[problem.columns[at].workload].slices for at in counts}
        share = {
            (at, c): max(0.0, variable.value or 0.0) / (slices[at] or 1) for (at, c), variable in model.share.items()
        }
        return replace(plan, share=share, totals=totals_of(problem, plan.counts, nodes, share))

    @property
    def _loads_for(self) -> Quantity:
        """What loads are to take least of, where a plan minimises nothing that energy has a part in."""
        objective = Quantity(self.space.resolved.fleet.objective)
        priced = any(pool.usd_per_kwh for pool in self.space.pools)
        if objective in (Quantity.ENERGY, Quantity.CARBON):
            return objective
        if priced:
            return Quantity.COST
        return Quantity.ENERGY if np.isfinite(self.space.caps.max_energy_kw) else Quantity.CARBON

    def _relaxed(self, model: Any) -> Solution:
        """Solve the linear relaxation: where it is infeasible so is the program, and its optimum is a bound."""
        if self.bare or self.run.config.solver != "highs":
            return Solution(Outcome.NO_SOLUTION, None, None, 0.0)
        return self._relaxations.solve(model)

    def _start(self, model: Any, data: FleetProgramData, known: Plan | None) -> list[tuple[Any, float]]:
        """A whole solution to start from, of a known plan or of the relaxation that the variables hold.

        Empty where greed finds none.
        """
        relaxed = [variable.value or 0.0 for variable in model.instances.values()]
        counts = None if known is None else counts_of(known, data.problem)
        slices = None if known is None or counts is None else slices_of(known, data.problem)
        if data.least_covered < 1.0:
            counts = counts or whole_counts(relaxed)
        else:
            counts = counts or starting_counts(data.problem, relaxed, data.minimise)
        if counts is None:
            return []
        # HiGHS would complete the instances itself, but then reports bounds of that as if they were the program's.
        held = list(zip(model.instances.values(), counts, strict=True))
        if slices is not None:
            # Slices stay where they are: to place them anew can be as hard as the program.
            held += [(share, slices[at]) for at, share in sliced_shares(model, data.problem).items()]
        for variable, value in held:
            variable.fix(value)
        completed = self._completions.solve(model)
        for variable, _ in held:
            variable.unfix()
        if not completed.has_incumbent:
            return []
        return values_of(model)

    def _run_from(self, model: Any, start: Sequence[tuple[Any, float]]) -> tuple[Solution, str]:
        """Solve a program, and say why it would have ended early.

        Where it is ended before it finds anything, what it starts from is found.
        """
        from pyomo.core import value

        try:
            solution = self._run(model, start, self.report)
            reason = self.run.reason()
        except Stopped as stop:
            if not start:
                raise
            solution, reason = Solution(Outcome.NO_SOLUTION, None, None, 0.0), stop.reason
        if solution.outcome is Outcome.NO_SOLUTION and start:
            for variable, started in start:
                variable.set_value(started, skip_validation=True)
            found = float(value(model.objective))
            solution = Solution(Outcome.FEASIBLE, found, solution.bound, solution.seconds)
        return solution, reason

    def _run(self, model: Any, start: Sequence[tuple[Any, float]], report: Report | None = None) -> Solution:
        """Solve a program; only what is sought itself is reported."""
        return self.run.solve(model, start=start, report=report)
