"""Multiples of all demands: the greatest that a fleet serves, and the cheapest plans that serve one (docs/fleet.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from ieco_opt.fleet.levels import best_of_equals
from ieco_opt.fleet.plan import ROUNDING, Plan
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.program.plan import room
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.fleet.speeds import STEP
from ieco_opt.results.guarantee import CLOSED, Status
from ieco_opt.results.plan import Level
from ieco_opt.solvers.run import Stopped
from ieco_opt.solvers.watch import Report

_LITTLE = 1e-6
"""Share of what there is room for that counts as nothing."""


class Multiples:
    """Questions about multiples of the demands of one fleet.

    Plans are in terms of these demands, so that ``plan.covered()`` is the multiple that they serve.
    """

    def __init__(self, planner: FleetPlanner) -> None:
        self.planner = planner

    @cached_property
    def room(self) -> float:
        """No plan serves a greater multiple: each workload alone on all there is; 0: one cannot be served at all."""
        problem = self._problem(self.planner)
        return 0.0 if problem.unserved else room(problem)

    @property
    def least(self) -> float:
        """A multiple so small that a plan that serves none as great serves nothing."""
        return _LITTLE * self.room

    @property
    def are_linear(self) -> bool:
        """Whether capacity is linear in the instances: shares of slices are whole."""
        return not any(demand.is_sliced for demand in self.planner.space.demands)

    def program(self, usd_per_hour: float = math.inf) -> FleetProgramData:
        """The greatest share of what there is room for, within an hourly cost; classes in slices are split at will."""
        return self._program(self.planner.at_demand(self.room), usd_per_hour)

    def _program(self, planner: FleetPlanner, usd_per_hour: float) -> FleetProgramData:
        problem = self._problem(planner)
        whole = tuple(replace(workload, slices=None) for workload in problem.workloads)
        caps = {Quantity.COST: usd_per_hour} if math.isfinite(usd_per_hour) else {}
        return FleetProgramData(replace(problem, workloads=whole), Goal.SLACK, caps, least_covered=0.0)

    def greatest(self, usd_per_hour: float = math.inf) -> tuple[Plan | None, float]:
        """The plan that serves the greatest multiple within an hourly cost, and a bound on the multiple.

        With slices the bound holds, and there is no plan.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search.
        """
        if self.room <= 0.0:
            return None, 0.0
        planner = self.planner.at_demand(self.room)
        planner.report = self._report()
        try:
            found = self._solved(planner, self._program(planner, usd_per_hour))
        except Stopped as stop:
            raise Stopped(stop.reason, self._served(stop.incumbent)) from stop
        if found is None:
            return None, 0.0
        return self._served(found), -found.bound * self.room

    def _report(self) -> Report | None:
        """Report multiples of the demands of the fleet instead of minus shares of the room."""
        told = self.planner.report
        if told is None:
            return None
        return lambda incumbent, bound, seconds: told(-incumbent * self.room, -bound * self.room, seconds)

    def any(self, multiple: float) -> Plan | None:
        """Any plan that serves a multiple; ``None``: proven none.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search.
        """
        return self._serving(multiple, Goal.ANY)

    def cheapest(self, multiple: float, known: Plan | None = None) -> Plan | None:
        """The cheapest plan that serves a multiple, started from a known one; ``None``: proven none.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search; the incumbent is the cheapest so far.
        """
        return self._serving(multiple, Quantity.COST, known)

    def chosen(self, plan: Plan) -> Plan:
        """Of the plans that cost and serve as much as one, that which the further criteria choose.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search; the incumbent is the best so far.
        """
        planner = self.planner.at_demand(plan.covered() * (1.0 - ROUNDING))
        demanded = replace(plan, problem=replace(plan.problem, workloads=planner.space.demands_of(plan.problem)))
        with self._in_terms_of_the_fleet():
            return self._asked(best_of_equals(planner, demanded, slack=False))

    def _serving(self, multiple: float, minimise: Quantity | Goal, known: Plan | None = None) -> Plan | None:
        """The best plan that serves a multiple; ``None``: proven none."""
        planner = self.planner.at_demand(multiple)
        # Where no solver has to look at them, columns of use beyond the demand do as well, and are there.
        problem = planner.problem(covered=[1.0] * len(planner.space.candidates) if planner.bare else None)
        if problem.unserved:
            return None
        with self._in_terms_of_the_fleet():
            found = self._solved(planner, FleetProgramData(problem, minimise), known)
        return None if found is None else self._asked(found)

    def _solved(self, planner: FleetPlanner, data: FleetProgramData, known: Plan | None = None) -> Plan | None:
        try:
            return planner.solve(data, 1.0, known)
        finally:
            self.planner.size = planner.size

    @contextmanager
    def _in_terms_of_the_fleet(self) -> Iterator[None]:
        """Where a search is stopped, its incumbent is a plan in terms of the demands of the fleet too."""
        try:
            yield
        except Stopped as stop:
            raise Stopped(stop.reason, None if stop.incumbent is None else self._asked(stop.incumbent)) from stop

    def _problem(self, planner: FleetPlanner) -> FleetProblem:
        """As much of every column as there is room for."""
        return planner.problem(covered=[None] * len(planner.space.candidates))

    def _asked(self, plan: Plan) -> Plan:
        """A plan in terms of the demands of the fleet, whatever multiple of them it was found for."""
        return replace(plan, problem=replace(plan.problem, workloads=self.planner.space.demands_of(plan.problem)))

    def _served(self, plan: Plan | None) -> Plan | None:
        """A plan of the greatest multiple, if it serves anything and its shares need not be slices."""
        if plan is None or not self.are_linear or plan.covered() <= _LITTLE:
            return None
        return self._asked(plan)


@dataclass(slots=True)
class MostServed:
    """The search for the greatest multiple of all demands, and what it found so far.

    Attributes
    ----------
    plan
        ``None``: nothing was found, and where the search was not stopped it is proven that nothing can be served.
    bound
        Proven: no plan serves a greater multiple.
    stopped
        Why the search ended early.
    """

    multiples: Multiples
    plan: Plan | None = None
    bound: float = math.inf
    stopped: str | None = None

    def run(self) -> MostServed:
        """Find the multiple, then the cheapest plan that serves it, and of those the one that criteria choose."""
        try:
            self._find()
            if self.plan is not None:
                self._choose(self.plan)
        except Stopped as stop:
            self.stopped = stop.reason
            if self.plan is None:
                self.plan, self.bound = stop.incumbent, min(self.bound, self.multiples.room)
        return self

    def _find(self) -> None:
        self.plan, self.bound = self.multiples.greatest()
        if not self.multiples.are_linear:
            self._bisect()

    def _bisect(self) -> None:
        """Look just above the multiple of a plan, and if there is a plan, also in the middle of what is open."""
        low, above = self.multiples.least, True
        while low * (1.0 + STEP) < self.bound:
            multiple = low * (1.0 + STEP) if above else math.sqrt(low * self.bound)
            found = self.multiples.any(multiple)
            if found is None:
                self.bound = multiple
            else:
                self.plan, low = found, found.covered()
            above = not above

    def _choose(self, plan: Plan) -> None:
        try:
            cheapest = self._cheapest(plan)
        except Stopped as stop:
            self.plan = stop.incumbent if stop.incumbent is not None and _serves(stop.incumbent, plan) else plan
            raise
        cost = _level_of_cost(cheapest)
        self.plan = replace(cheapest, levels=(cost,))
        try:
            self.plan = _after(cost, self.multiples.chosen(cheapest))
        except Stopped as stop:
            self.plan = self.plan if stop.incumbent is None else _after(cost, stop.incumbent)
            raise

    def _cheapest(self, plan: Plan) -> Plan:
        """The cheapest plan that serves as much as one.

        It is asked to serve a step less, if that is no cheaper: nearer to its tolerances HiGHS may overlook plans.
        """
        found = self.multiples.cheapest(plan.covered() * (1.0 - STEP), plan)
        if found is None or not _serves(found, plan):
            found = self.multiples.cheapest(plan.covered() * (1.0 - ROUNDING), plan)
        return plan if found is None else found


def _serves(found: Plan, plan: Plan) -> bool:
    """Whether a plan serves as much as another one, but for rounding."""
    return found.covered() >= plan.covered() * (1.0 - ROUNDING)


def _after(cost: Level, plan: Plan) -> Plan:
    return replace(plan, levels=(cost, *plan.levels))


def _level_of_cost(plan: Plan) -> Level:
    """Cost as a criterion, of the cheapest plan."""
    value = plan.totals[Quantity.COST]
    status = Status.OPTIMAL if value - plan.bound <= CLOSED * max(value, ROUNDING) else Status.FEASIBLE
    return Level(criterion="cost", value=value, bound=plan.bound if math.isfinite(plan.bound) else None, status=status)
