"""Frontiers of a fleet: least cost against power, GPUs or a common speed factor.

The argument is that of one deployment: a step finds the cheapest plan that is at least so good in the other objective,
then the best in that objective among the plans as cheap; what lies between two points is bounded by both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from ieco_opt.fleet.levels import best_of_equals, faster_within
from ieco_opt.fleet.plan import ROUNDING, Plan
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.speeds import STEP
from ieco_opt.fleet.throughput import Multiples
from ieco_opt.solvers.run import Stopped

Progress = Callable[[int, float], None]
"""Called after each point with the number found and the widest factor that is still open."""


class Other(Protocol):
    """The objective that cost is traded against; greater is better."""

    def of(self, plan: Plan) -> float:
        """How good a plan is."""

    def cheapest(self, at_least: float) -> Plan | None:
        """Cheapest plan that is at least so good, made as good as its instances can be; ``None``: proven none."""

    def limit(self) -> float:
        """No plan is better than this."""

    def settled(self, plan: Plan) -> Plan:
        """Of the plans as good in both objectives, the one that further criteria choose."""


@dataclass(frozen=True, slots=True)
class LessOf:
    """Power or GPUs: good is what is little, so that goodness is one over the quantity."""

    planner: FleetPlanner
    quantity: Quantity

    def of(self, plan: Plan) -> float:
        """One over kW or GPUs."""
        return 1.0 / plan.totals[self.quantity]

    def cheapest(self, at_least: float) -> Plan | None:
        """Cheapest plan under a cap."""
        caps = {} if at_least <= 0.0 else {self.quantity: 1.0 / at_least}
        return self.planner.best(epsilons=caps)

    def limit(self) -> float:
        """One over the least quantity that is possible."""
        least = self.planner.best(self.quantity)
        return 0.0 if least is None else 1.0 / max(least.bound, 1e-12)

    def settled(self, plan: Plan) -> Plan:
        """Of the plans as cheap with as little power or as few GPUs, the one that the criteria choose."""
        return best_of_equals(self.planner, plan, self.quantity)


@dataclass(frozen=True, slots=True)
class Faster:
    """A common factor on every workload's least speed, up to that of the fastest setups."""

    planner: FleetPlanner
    fastest: float

    def of(self, plan: Plan) -> float:
        """The factor."""
        return plan.speed_factor

    def cheapest(self, at_least: float) -> Plan | None:
        """Cheapest plan at a factor, run as fast as its instances can while they still serve the demand."""
        plan = self.planner.best(speed_factor=max(at_least, 1.0))
        return None if plan is None else faster_within(self.planner, plan, self.fastest, {})

    def limit(self) -> float:
        """The factor of the fastest setups."""
        return self.fastest

    def settled(self, plan: Plan) -> Plan:
        """Of the plans as cheap and as fast, the one that the criteria beyond speed choose."""
        return best_of_equals(self.planner, plan, faster=False)


@dataclass(frozen=True, slots=True)
class More:
    """A common factor on all demands: the greatest that a plan serves, from ``least`` on."""

    multiples: Multiples
    least: float

    def of(self, plan: Plan) -> float:
        """The factor."""
        return plan.covered()

    def cheapest(self, at_least: float) -> Plan | None:
        """Cheapest plan at a factor, and of those as cheap one that serves the most."""
        if self.multiples.room <= 0.0:
            return None
        plan = self.multiples.cheapest(max(at_least, self.least))
        if plan is None:
            return None
        most, _ = self.multiples.greatest(plan.totals[Quantity.COST] * (1.0 + ROUNDING))
        if most is None or most.covered() <= plan.covered():
            return plan
        return replace(most, minimised=plan.minimised, bound=plan.bound, gap=plan.gap)

    def limit(self) -> float:
        """No plan serves a greater factor."""
        return self.multiples.greatest()[1]

    def settled(self, plan: Plan) -> Plan:
        """Of the plans that cost and serve as much, the one that the criteria beyond them choose."""
        return self.multiples.chosen(plan)


@dataclass(slots=True)
class FleetSweep:
    """Plans of a frontier, cheapest first, and what proves that none is missing.

    ``coverage`` is the delta that the plans really cover to, the gaps of the solves included.
    """

    plans: list[Plan] = field(default_factory=list)
    coverage: float | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class _Gap:
    """What lies between two points: ``after`` is the cheapest plan beyond ``low``; ``high_cost`` is inf at the end."""

    low: float
    after: Plan
    high: float
    high_cost: float


def sweep(other: Other, delta: float, progress: Progress) -> FleetSweep:
    """Find plans such that for every feasible plan one of them is at most 1 + delta more expensive and 1 + delta worse.

    With delta 0, every point of the frontier.
    """
    found = FleetSweep()
    try:
        _run(other, delta, found, progress)
        gaps = max((plan.gap for plan in found.plans), default=0.0)
        found.coverage = (1.0 + delta) * (1.0 + gaps) - 1.0 if gaps > STEP else delta
    except Stopped as stop:
        found.stopped = stop.reason
        if stop.incumbent is not None and not found.plans:
            found.plans.append(stop.incumbent)
    found.plans.sort(key=lambda plan: (plan.totals[Quantity.COST], -other.of(plan)))
    return found


def _run(other: Other, delta: float, found: FleetSweep, progress: Progress) -> None:
    first = other.cheapest(0.0)
    if first is None:
        return
    with _kept_if_stopped(found, first):
        limit = other.limit()
    open_gaps = [gap for gap in [_settle(other, found, first, limit, math.inf)] if gap is not None]
    while open_gaps:
        gap = max(open_gaps, key=lambda each: each.high / each.low)
        open_gaps.remove(gap)
        progress(len(found.plans), gap.high / gap.low)
        open_gaps += _split(other, delta, found, gap)


@contextmanager
def _kept_if_stopped(found: FleetSweep, plan: Plan) -> Iterator[None]:
    """Keep a plan where the search ends before it is known to be as good as its cost allows."""
    try:
        yield
    except Stopped:
        found.plans.append(plan)
        raise


def _settle(other: Other, found: FleetSweep, plan: Plan, high: float, high_cost: float) -> _Gap | None:
    """Make a plan as good as its cost allows and keep it; what is left open above it, or ``None``."""
    while True:
        with _kept_if_stopped(found, plan):
            after = other.cheapest(other.of(plan) * (1.0 + STEP))
        if after is None or after.totals[Quantity.COST] > plan.totals[Quantity.COST] * (1.0 + STEP):
            break
        plan = after
    with _kept_if_stopped(found, plan):
        found.plans.append(other.settled(plan))
    if after is None or other.of(plan) * (1.0 + STEP) >= high:
        return None
    return _Gap(other.of(plan), after, high, high_cost)


def _split(other: Other, delta: float, found: FleetSweep, gap: _Gap) -> list[_Gap]:
    """Look in the middle of what is open; nothing is left of a gap that its ends cover."""
    if gap.high <= gap.low * (1.0 + delta) or gap.high_cost <= gap.after.totals[Quantity.COST] * (1.0 + delta):
        return []
    middle = math.sqrt(gap.low * gap.high)
    if delta == 0.0 or other.of(gap.after) >= middle:
        # Nothing is cheaper between the low end and the plan after it, which is the next point.
        above = _settle(other, found, gap.after, gap.high, gap.high_cost)
        return [] if above is None else [above]
    plan = other.cheapest(middle)
    if plan is None:
        return [replace(gap, high=middle, high_cost=math.inf)]
    cost = plan.totals[Quantity.COST]
    if cost >= gap.high_cost * (1.0 - STEP):
        return [replace(gap, high=middle)]
    above = _settle(other, found, plan, gap.high, gap.high_cost)
    return [each for each in (replace(gap, high=middle, high_cost=cost), above) if each is not None]
