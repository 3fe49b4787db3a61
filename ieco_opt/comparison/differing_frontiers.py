"""How two frontiers lie to each other: what is paid at equal speed, and how fast it is at equal cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from ieco_opt.results.difference import FrontierDifference, Range, Step

_LESS_IS_BETTER = frozenset({"power", "gpus"})


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a frontier; a greater ``speed`` is better, whatever is meant by it, and a smaller cost."""

    speed: float
    cost: float
    layout: str | None = None


def frontier_difference(
    axis: str, before: Sequence[Point], after: Sequence[Point], delta: float | None
) -> FrontierDifference:
    """Compare two frontiers at every point of either; see :class:`FrontierDifference`."""
    sign = -1.0 if axis in _LESS_IS_BETTER else 1.0
    sides = [[replace(each, speed=sign * each.speed) for each in points] for points in (before, after)]
    speeds = sorted({each.speed for points in sides for each in points}, reverse=True)
    costs = {each.cost for points in sides for each in points}
    steps = tuple(_step(sign, speed, *sides) for speed in speeds)
    came, went = _layouts(after, before), _layouts(before, after)
    return FrontierDifference(
        axis=axis,
        cost_at_equal_speed=_range((step.cost_before, step.cost_after) for step in steps),
        speed_at_equal_cost=_range(_speeds_at(sign, cost, *sides) for cost in costs),
        delta=delta,
        steps=steps,
        came=came,
        went=went,
    )


def _step(sign: float, speed: float, before: Sequence[Point], after: Sequence[Point]) -> Step:
    one, other = _cheapest(before, speed), _cheapest(after, speed)
    return Step(
        speed=sign * speed,
        cost_before=None if one is None else one.cost,
        cost_after=None if other is None else other.cost,
        layout_before=None if one is None else one.layout,
        layout_after=None if other is None else other.layout,
    )


def _cheapest(points: Iterable[Point], speed: float) -> Point | None:
    """The cheapest point that is as fast; of equal ones the fastest."""
    return min(
        (each for each in points if each.speed >= speed), key=lambda each: (each.cost, -each.speed), default=None
    )


def _speeds_at(
    sign: float, cost: float, before: Sequence[Point], after: Sequence[Point]
) -> tuple[float | None, float | None]:
    """The best that each reaches at a cost."""
    best = [max((each.speed for each in points if each.cost <= cost), default=None) for points in (before, after)]
    one, other = (None if each is None else sign * each for each in best)
    return one, other


def _range(pairs: Iterable[tuple[float | None, float | None]]) -> Range | None:
    ratios = [after / before for before, after in pairs if before is not None and after is not None and before > 0.0]
    return Range(min(ratios), median(ratios), max(ratios)) if ratios else None


def _layouts(of: Sequence[Point], others: Sequence[Point]) -> tuple[tuple[str, int], ...]:
    """Layouts of some points that others lack, the most frequent first."""
    known = {each.layout for each in others}
    found = Counter(each.layout for each in of if each.layout is not None and each.layout not in known)
    return tuple(found.most_common())
