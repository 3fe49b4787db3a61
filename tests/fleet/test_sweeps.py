"""Frontiers of fleets over plans that are only listed: what is found, covered, reported and kept, without a solver."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.speeds import STEP
from ieco_opt.fleet.sweeps import FleetSweep, sweep
from ieco_opt.solvers.run import Stopped

SEEDS = range(60)


@dataclass(frozen=True)
class Listed:
    """A plan that is nothing but its cost and how good it is."""

    cost: float
    good: float
    gap: float = 0.0

    @property
    def totals(self) -> dict[Quantity, float]:
        """Its cost."""
        return {Quantity.COST: self.cost}


class Plans:
    """The objective of some listed plans, which may stop after so many steps."""

    def __init__(
        self, plans: Iterable[Listed], *, steps: float = float("inf"), incumbent: Listed | None = None
    ) -> None:
        self.plans = list(plans)
        self.steps = steps
        self.incumbent = incumbent
        self.taken = 0
        self.room = 1.0
        """How far above the best plan the limit lies."""

    def _step(self) -> None:
        self.taken += 1
        if self.taken > self.steps:
            raise Stopped("ended", self.incumbent)

    def of(self, plan: Any) -> float:
        """How good a plan is."""
        return float(plan.good)

    def cheapest(self, at_least: float) -> Any:
        """The first of the cheapest that are so good."""
        self._step()
        return min((each for each in self.plans if each.good >= at_least), key=lambda each: each.cost, default=None)

    def limit(self) -> float:
        """The best there is."""
        self._step()
        return self.room * max(each.good for each in self.plans)

    def settled(self, plan: Any) -> Any:
        """The same plan."""
        return plan


def drawn(seed: int) -> list[Listed]:
    """Plans in any order, some of which cost the same or are as good."""
    rng = random.Random(seed)  # noqa: S311 - draws, not secrets
    count = rng.randint(1, 14)
    return [Listed(float(rng.randint(10, 40)), float(rng.randint(10, 40)) / 4.0) for _ in range(count)]


def frontier(plans: Iterable[Listed]) -> list[Listed]:
    """What no other plan dominates, cheapest first, each once."""
    kept: list[Listed] = []
    for plan in sorted(plans, key=lambda each: (each.cost, -each.good)):
        if not kept or plan.good > kept[-1].good:
            kept.append(plan)
    return kept


def swept(plans: Plans, delta: float, told: list[tuple[int, float]] | None = None) -> tuple[FleetSweep, list[Any]]:
    found = sweep(plans, delta, lambda *now: None if told is None else told.append(now))
    return found, list(found.plans)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_no_delta_every_point_is_found_once(seed: int) -> None:
    found, plans = swept(Plans(drawn(seed)), 0.0)
    assert plans == frontier(drawn(seed))
    assert (found.coverage, found.stopped) == (0.0, None)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("delta", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("room", [1.0, 3.0])
def test_every_plan_is_covered_and_what_is_listed_is_on_the_frontier(seed: int, delta: float, room: float) -> None:
    told: list[tuple[int, float]] = []
    offered = Plans(drawn(seed))
    offered.room = room
    found, plans = swept(offered, delta, told)
    near = 1.0 + delta + 1e-9
    for point in drawn(seed):
        assert any(plan.cost <= point.cost * near and plan.good * near >= point.good for plan in plans), point
    assert set(plans) <= set(frontier(drawn(seed)))
    assert plans == sorted(set(plans), key=lambda each: each.cost)
    assert (found.coverage, found.stopped) == (delta, None)
    # The widest gap is looked at first, so that what is open only narrows, and plans are only added.
    widest = [factor for _, factor in told]
    assert widest == sorted(widest, reverse=True)
    assert all(factor > 1.0 for factor in widest)
    assert [count for count, _ in told] == sorted(count for count, _ in told)
    assert not told or told[0][0] == 1


def test_what_the_ends_cover_is_not_looked_at() -> None:
    many = [Listed(100.0 + each, 10.0 + each / 10.0) for each in range(100)]
    steps = []
    for delta in (10.0, 0.5, 0.1, 0.0):
        plans = Plans(many)
        swept(plans, delta)
        steps.append(plans.taken)
    # The first point, its limit, and the next one that is better; then nothing, or more and more.
    assert steps[0] == 3
    assert steps == sorted(steps)
    assert steps[1] < 10 < steps[-1] == 102


def test_gaps_of_plans_add_to_what_is_covered() -> None:
    for gap, expected in ((0.0, 0.25), (STEP, 0.25), (0.01, 1.25 * 1.01 - 1.0)):
        found, _ = swept(Plans([Listed(1.0, 1.0), Listed(2.0, 5.0, gap)]), 0.25)
        assert found.coverage == pytest.approx(expected, rel=1e-12)
    assert swept(Plans([]), 0.25)[0] == FleetSweep([], 0.25, None)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_search_that_ends_keeps_what_it_found(seed: int) -> None:
    whole = Plans(drawn(seed))
    swept(whole, 0.0)
    expected = frontier(drawn(seed))
    for steps in range(whole.taken):
        found, plans = swept(Plans(drawn(seed), steps=steps), 0.0)
        assert (found.stopped, found.coverage) == ("ended", None)
        # All but the last found are as good as their cost allows, and the first is a cheapest.
        assert plans[:-1] == expected[: len(plans[:-1])]
        assert set(plans) <= set(drawn(seed))
        assert (len(plans) > 0) == (steps > 0)
        if plans:
            assert plans[0].cost == expected[0].cost
    known = Listed(99.0, 1.0)
    assert swept(Plans(drawn(seed), steps=0, incumbent=known), 0.0)[1] == [known]
    assert known not in swept(Plans(drawn(seed), steps=1, incumbent=known), 0.0)[1]
