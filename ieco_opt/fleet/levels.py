"""Which of equally good plans: criteria in a fixed order (docs/fleet.md), each decided and proven in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ieco_opt.fleet.plan import ROUNDING, Plan, judged
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.fleet.speeds import STEP, as_fast_as_possible, with_attained_factor
from ieco_opt.results.guarantee import CLOSED, Status
from ieco_opt.results.plan import Level
from ieco_opt.solvers.run import INTERRUPTED, Stopped

_ULPS = 1e-12
"""Speeds are one over latencies: so much below a factor is that factor, written another way."""

_BEYOND = 2.0
"""So many times the greatest factor that is known: what runs there has no instance of known speed."""

_LAST = 0.25
"""Share of the patience with all criteria that the last of them may take."""


def best_of_equals(
    planner: FleetPlanner, plan: Plan, other: Quantity | None = None, *, faster: bool = True, slack: bool = True
) -> Plan:
    """The plan that the criteria choose among those that are as good as one, with its levels.

    Parameters
    ----------
    plan
        The best in its objective (and in ``other``).
    faster
        Whether the speed factor is a criterion; where it is not, the factor of the plan is kept.
    slack
        Whether the slack is a criterion; it is none where the plan serves as much as it can.

    Raises
    ------
    Stopped
        A limit or an interrupt ended the run; the incumbent is the best plan until then, with its levels.
    """
    config = planner.run.config
    limit_s = None if config.accepted_gap is None else config.patience_s
    search = _Levels(planner.beside(planner.run.beside(limit_s=limit_s)), plan, other, faster, slack, limit_s)
    try:
        search.run()
    except Stopped as stop:
        # Where only the patience with these criteria is at an end, the search of the objective was not cut short.
        reason = stop.reason if stop.reason == INTERRUPTED else planner.run.ended()
        if reason is not None:
            raise Stopped(reason, search.settled()) from stop
    return search.settled()


def faster_within(planner: FleetPlanner, plan: Plan, fastest: float, caps: Mapping[Quantity, float]) -> Plan:
    """The instances of a plan as fast as they can be within caps, and where energy matters at no more cost."""
    if not plan.problem.decides_loads:
        return as_fast_as_possible(planner.space, plan, fastest)
    held = {Quantity.COST: plan.totals[Quantity.COST]} if plan.minimised is Quantity.COST else {}
    return as_fast_as_possible(planner.space, plan, fastest, lambda each: planner.loaded(each, {**held, **caps}))


@dataclass(slots=True)
class _Levels:
    """The search down the criteria.

    ``limit_s`` is the patience with all of them; ``None``: as long as it takes.

    ``plan`` is the best so far, ``bounds`` what is proven by criterion, and ``factor`` what all instances must meet.
    ``highest`` is a bound on known factors, 0 where there are none.
    """

    planner: FleetPlanner
    plan: Plan
    other: Quantity | None
    faster: bool
    slack: bool
    limit_s: float | None = None
    objective: Quantity = field(init=False)
    bound: float = field(init=False)
    caps: dict[Quantity, float] = field(init=False)
    factor: float = field(init=False)
    highest: float = field(init=False)
    bounds: dict[str, float] = field(default_factory=dict)
    unbounded: bool = False
    _with_slack: dict[tuple[float, float], FleetProblem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objective, self.bound = Quantity(self.plan.minimised), self.plan.bound
        kept = {self.objective} if self.other is None else {self.objective, self.other}
        self.caps = {quantity: self.plan.totals[quantity] for quantity in kept}
        self.factor = self.plan.speed_factor * (1.0 if self.faster else 1.0 - _ULPS)
        self.highest = self.planner.space.max_known_factor()

    def run(self) -> None:
        """Decide the criteria in turn."""
        for decide in self._criteria().values():
            decide()

    def settled(self) -> Plan:
        """The best plan so far, with what is proven of it."""
        self.plan = with_attained_factor(self.planner.space, judged(self.plan, self.objective, self.bound))
        return replace(self.plan, levels=tuple(self._level(name) for name in self._criteria()))

    def _criteria(self) -> dict[str, Callable[[], None]]:
        criteria: dict[str, Callable[[], None]] = {}
        if Quantity.COST not in (self.objective, self.other):
            criteria["cost"] = self._decide_cost
        if self.faster and not self.unbounded and self.highest > 0.0:
            criteria["speed_factor"] = self._decide_speed_factor
        if self.slack and any(map(self.plan.problem.has_slack, range(len(self.plan.problem.workloads)))):
            criteria["slack"] = self._decide_slack
        if Quantity.GPUS not in (self.objective, self.other):
            criteria["gpus"] = self._decide_gpus
        criteria["instances"] = self._decide_instances
        return criteria

    def _level(self, criterion: str) -> Level:
        value = self._value(criterion)
        bound = self.bounds.get(criterion)
        if bound is None:
            return Level(criterion=criterion, value=value, bound=None, status=Status.FEASIBLE)  # type: ignore[arg-type]
        most = criterion in ("speed_factor", "slack")
        bound = max(bound, value) if most else min(bound, value)
        scale = 1.0 + value if criterion == "slack" else max(value, ROUNDING)
        status = Status.OPTIMAL if abs(bound - value) <= CLOSED * scale else Status.FEASIBLE
        return Level(criterion=criterion, value=value, bound=bound, status=status)  # type: ignore[arg-type]

    def _value(self, criterion: str) -> float:
        if criterion == "speed_factor":
            return self.plan.speed_factor
        if criterion == "slack":
            # Capacity that meets the demand but for rounding has no slack.
            return max(0.0, self.plan.covered() - 1.0)
        return self.plan.totals[Quantity(criterion)]

    def _decide_cost(self) -> None:
        """Least cost among the plans with as little of the objective."""
        self._minimise(Quantity.COST, self._problem(self.factor))

    def _decide_speed_factor(self) -> None:
        """Look just above the factor of a plan, and if there is a plan, also in the middle of what is open."""
        space = self.planner.space
        limit = space.max_speed_factor()
        if math.isinf(limit) and self._at_factor(_BEYOND * self.highest) is not None:
            self.unbounded = True
            return
        self.highest = min(self.highest, limit)
        self.bounds["speed_factor"] = self.highest
        self._adopt_faster(self.plan)
        above, high = True, self.highest
        while (next_factor := self.plan.speed_factor * (1.0 + STEP)) < high:
            factor = next_factor if above else math.sqrt(self.plan.speed_factor * high)
            found = self._at_factor(factor)
            if found is None:
                high = factor
            else:
                self._adopt_faster(found)
            if space.is_steady:
                self.bounds["speed_factor"] = high
            above = not above

    def _problem(self, factor: float, covered: Sequence[float | None] | None = None) -> FleetProblem:
        """The numbers at a factor, without columns of pools that the cap on the cost leaves no instance of."""
        cost, space = self.caps.get(Quantity.COST, math.inf), self.planner.space
        on = space.within(cost)
        return self.planner.problem(factor, covered=covered, on=None if len(on) == len(space.pools) else on)

    def _at_factor(self, factor: float) -> Plan | None:
        """Any plan at a speed factor that is as good by all before; ``None``: proven none."""
        problem = self._problem(factor)
        if problem.unserved:
            return None
        return self.planner.solve(FleetProgramData(problem, Goal.ANY, self.caps), factor)

    def _adopt_faster(self, plan: Plan) -> None:
        fast = faster_within(self.planner, plan, self.highest, self.caps)
        self.plan = with_attained_factor(self.planner.space, fast)
        # So that the plan's own columns are among those at this factor.
        self.factor = self.plan.speed_factor * (1.0 - _ULPS)

    def _decide_slack(self) -> None:
        """Greatest multiple of all demands that is covered.

        The multiple is linear but for workloads with slices. Those must cover a little more than the plan so far, until
        no plan found covers more.
        """
        problem = self.plan.problem
        counted = [problem.has_slack(at) for at in range(len(problem.workloads))]
        sliced = [each.is_sliced for each, counts in zip(problem.workloads, counted, strict=True) if counts]
        while True:
            before = self.plan.covered()
            enough = before * (1.0 + STEP)
            asked = [(enough if each.is_sliced else None) for each in problem.workloads]
            covered = [each if counts else 1.0 for each, counts in zip(asked, counted, strict=True)]
            problem = self._problem(self.factor, covered)
            found = self._solve("slack", FleetProgramData(problem, Goal.SLACK, self.caps))
            if found is None:
                if any(sliced):
                    self.bounds["slack"] = enough - 1.0
                return
            self._adopt_if_better(found, Goal.SLACK)
            if not all(sliced):
                # What covers more than enough has the slices that were required, and then the others cover no more.
                self.bounds["slack"] = max(-found.bound, enough if any(sliced) else 0.0) - 1.0
            if not any(sliced) or self.plan.covered() <= before:
                return

    def _decide_gpus(self) -> None:
        """Fewest allocated GPUs among the plans with as much slack."""
        self._minimise(Quantity.GPUS, self._as_much_slack())

    def _decide_instances(self) -> None:
        """Fewest instances among those; hard to prove and of little worth, so in a share of the patience."""
        if self.limit_s is not None:
            self.planner = self.planner.beside(self.planner.run.beside(limit_s=_LAST * self.limit_s))
        self._minimise(Quantity.INSTANCES, self._as_much_slack())

    def _as_much_slack(self) -> FleetProblem:
        """What covers as much as the plan but for a step: nearer to its tolerances HiGHS says that nothing does.

        The same one for the last criteria, so that what was found for one of them serves the other.
        """
        asked = self.factor, self.plan.covered() * (1.0 - STEP)
        if asked not in self._with_slack:
            counted = map(self.plan.problem.has_slack, range(len(self.plan.problem.workloads)))
            self._with_slack = {asked: self._problem(self.factor, [asked[1] if each else 1.0 for each in counted])}
        return self._with_slack[asked]

    def _minimise(self, quantity: Quantity, problem: FleetProblem) -> None:
        found = self._solve(quantity.value, FleetProgramData(problem, quantity, self.caps))
        if found is not None:
            self.bounds[quantity.value] = found.bound
            self._adopt_if_better(found, quantity)
            self.caps = {**self.caps, quantity: self.plan.totals[quantity]}

    def _solve(self, criterion: str, data: FleetProgramData) -> Plan | None:
        """The best by one criterion; where a limit ends that, what was found is kept with its bound."""
        try:
            return self.planner.solve(data, self.factor, self.plan)
        except Stopped as stop:
            if stop.incumbent is not None:
                self._adopt_if_better(stop.incumbent, data.minimise)
                bound = stop.incumbent.bound
                # Of slices the multiple says nothing.
                sliced = data.minimise is Goal.SLACK and any(each.is_sliced for each in data.problem.workloads)
                if math.isfinite(bound) and not sliced:
                    self.bounds[criterion] = -bound - 1.0 if data.minimise is Goal.SLACK else bound
            raise

    def _adopt_if_better(self, plan: Plan, minimised: Quantity | Goal) -> None:
        """Take a plan over, its demands as they are asked for, unless the one before is better."""
        asked = replace(plan, problem=replace(plan.problem, workloads=self.plan.problem.workloads))
        if minimised is Goal.SLACK:
            better = asked.covered() >= self.plan.covered()
        else:
            value, before = asked.totals[Quantity(minimised)], self.plan.totals[Quantity(minimised)]
            # A step below as much slack may be below the demand.
            better = value < before and asked.covered() >= 1.0 - ROUNDING
        if better:
            self.plan = asked
