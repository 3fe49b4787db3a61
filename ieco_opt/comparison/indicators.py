"""How far a set of points lies from a frontier, in speed (tokens/s, more is better) and cost ($, less is better).

Indicators that compare sets use the coordinates of :func:`normalised`: minus the logarithm of the speed and the
logarithm of the cost, both divided by the frontier's range. Logarithms make ten per cent count alike at both ends of a
frontier that spans orders of magnitude, as it does in regrets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

SAME = 1e-9
"""Relative difference up to which two speeds or costs are the same; one model priced both."""

REFERENCE = (1.1, 1.1)
"""Reference point of the hypervolume: a tenth of the frontier's range beyond its slowest and its dearest point."""


@dataclass(frozen=True, slots=True)
class Points:
    """Speeds and costs of some deployments, shape (points,) each."""

    speed: Array
    cost: Array

    def __len__(self) -> int:
        return len(self.speed)

    def nondominated(self) -> Indices:
        """Positions of the points that no other dominates, fastest first; of equals the first."""
        order = np.lexsort((self.cost, -self.speed))
        cost = self.cost[order]
        best_before = np.concatenate([[np.inf], np.minimum.accumulate(cost)])[:-1]
        return np.asarray(order[cost < best_before])

    def joined(self, others: Points) -> Points:
        """Add points."""
        return Points(np.concatenate([self.speed, others.speed]), np.concatenate([self.cost, others.cost]))

    def take(self, rows: Indices) -> Points:
        """Keep the given points, in the given order."""
        return Points(self.speed[rows], self.cost[rows])


def cost_regret(points: Points, frontier: Points) -> Array:
    """By which share each point is more expensive than the cheapest of the frontier that is as fast; NaN where none is.

    Negative values mean that the point is cheaper than all of the frontier that is as fast.
    """
    as_fast = frontier.speed >= points.speed[:, None] * (1.0 - SAME)
    cheapest = np.where(as_fast, frontier.cost, np.inf).min(axis=1, initial=np.inf)
    return np.where(np.isfinite(cheapest), points.cost / cheapest - 1.0, np.nan)


def speed_regret(points: Points, frontier: Points) -> Array:
    """By which share the fastest of the frontier that is as cheap is faster than each point; NaN where none is."""
    as_cheap = frontier.cost <= points.cost[:, None] * (1.0 + SAME)
    fastest = np.where(as_cheap, frontier.speed, 0.0).max(axis=1, initial=0.0)
    return np.where(fastest > 0.0, fastest / points.speed - 1.0, np.nan)


def share_found(points: Points, frontier: Points) -> float:
    """Share of the frontier's points that are among ``points``."""
    if not len(points) or not len(frontier):
        return 0.0
    same = (np.abs(points.speed / frontier.speed[:, None] - 1.0) <= SAME) & (
        np.abs(points.cost / frontier.cost[:, None] - 1.0) <= SAME
    )
    return float(same.any(axis=1).mean())


def beating(points: Points, frontier: Points, slack: float = SAME) -> Indices:
    """Positions of points for which the frontier has none that is as fast and as cheap, to a factor 1 + slack.

    With ``slack`` the frontier's coverage, any such point would contradict its proof.
    """
    covered = (frontier.speed * (1.0 + slack) >= points.speed[:, None]) & (
        frontier.cost <= points.cost[:, None] * (1.0 + slack)
    )
    return np.flatnonzero(~covered.any(axis=1))


def normalised(points: Points, frontier: Points) -> Array:
    """Coordinates to be minimised, shape (points, 2): the frontier spans 0 to 1 in each.

    A frontier whose points all have one speed or one cost is measured in logarithms as they are.
    """
    best = np.array([-np.log(frontier.speed.max()), np.log(frontier.cost.min())])
    worst = np.array([-np.log(frontier.speed.min()), np.log(frontier.cost.max())])
    span = np.where(worst > best, worst - best, 1.0)
    coordinates = np.column_stack([-np.log(points.speed), np.log(points.cost)])
    return np.asarray((coordinates - best) / span)


def hypervolume(coordinates: Array, reference: tuple[float, float] = REFERENCE) -> float:
    """Area between some points and a reference point that both objectives should stay below."""
    inside = coordinates[(coordinates < np.array(reference)).all(axis=1)]
    area, ceiling = 0.0, reference[1]
    for first, second in inside[np.lexsort((inside[:, 1], inside[:, 0]))]:
        if second < ceiling:
            area += (reference[0] - first) * (ceiling - second)
            ceiling = second
    return float(area)


def hypervolume_ratio(points: Points, frontier: Points) -> float:
    """Hypervolume of some points over that of the frontier; 1 is perfect, 0 is nothing."""
    whole = hypervolume(normalised(frontier, frontier))
    return hypervolume(normalised(points, frontier)) / whole


def additive_epsilon(points: Points, frontier: Points) -> float:
    """Least shift of all points in normalised coordinates after which they cover the frontier; inf for no points."""
    if not len(points):
        return float("inf")
    shifts = normalised(points, frontier)[:, None, :] - normalised(frontier, frontier)[None, :, :]
    return float(shifts.max(axis=2).min(axis=0).max())


def igd_plus(points: Points, frontier: Points) -> float:
    """Mean distance from the frontier's points to the nearest of some points, counting only what is worse.

    In normalised coordinates; inf for no points.
    """
    if not len(points):
        return float("inf")
    worse = normalised(points, frontier)[:, None, :] - normalised(frontier, frontier)[None, :, :]
    distance = np.sqrt((np.maximum(worse, 0.0) ** 2).sum(axis=2))
    return float(distance.min(axis=0).mean())
