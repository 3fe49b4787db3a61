"""Speed against cost: the frontier, how well points cover it, and the best single deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .common import Array
from .enumeration import Deployments

SPEED, COST = "speed_tokens_per_s", "cost_usd_per_mtok"


def _objectives(table: Mapping[str, ArrayLike]) -> tuple[Array, Array]:
    return np.asarray(table[SPEED], dtype=float), np.asarray(table[COST], dtype=float)


def _take(deployments: Deployments, rows: NDArray[np.int64]) -> Deployments:
    return {column: values[rows] for column, values in deployments.items()}


def pareto(deployments: Deployments, tolerance: float = 1e-12) -> Deployments:
    """Non-dominated deployments, cheapest first.

    Objectives within ``tolerance`` (relative) count as equal, so that two ways of rounding one number do not
    make two points; one of the equals is kept.
    """
    speed, cost = _objectives(deployments)
    order = np.lexsort((-speed, cost))
    ahead = np.concatenate([[0.0], np.maximum.accumulate(speed[order])[:-1]]) if order.size else speed
    kept: list[int] = []
    for row in order[speed[order] > ahead * (1 + tolerance)]:
        if kept and cost[row] <= cost[kept[-1]] * (1 + tolerance):
            kept.pop()
        kept.append(int(row))
    return _take(deployments, np.array(kept, dtype=np.int64))


def coverage(points: Mapping[str, ArrayLike], frontier: Mapping[str, ArrayLike]) -> float:
    """Return the least delta at which the points cover the frontier; infinite where there are no points."""
    speed, cost = _objectives(points)
    target_speed, target_cost = _objectives(frontier)
    if not target_speed.size:
        return 0.0
    if not speed.size:
        return float("inf")
    worst = 0.0
    for wanted_speed, wanted_cost in zip(target_speed, target_cost, strict=True):
        excess = np.maximum(cost / wanted_cost, wanted_speed / speed) - 1
        worst = max(worst, float(np.min(excess)))
    return worst


def covers(
    points: Mapping[str, ArrayLike], frontier: Mapping[str, ArrayLike], delta: float, slack: float = 1e-9
) -> bool:
    """Tell whether every frontier deployment has a point at most 1 + delta dearer and 1 + delta slower.

    The arguments need the columns of speed and cost only; ``slack`` forgives rounding.
    """
    return coverage(points, frontier) <= delta + slack


def best(
    deployments: Deployments,
    objective: Literal["fastest", "cheapest", "preferred"],
    preference: float = 3.0,
) -> dict[str, object] | None:
    """Return the best deployment as one row, ``None`` where there is none.

    The other objective breaks ties of ``fastest`` and ``cheapest``; ``preferred`` maximises
    speed^preference / cost.
    """
    speed, cost = _objectives(deployments)
    if not speed.size:
        return None
    if objective == "fastest":
        row = np.lexsort((cost, -speed))[0]
    elif objective == "cheapest":
        row = np.lexsort((-speed, cost))[0]
    else:
        row = np.argmax(preference * np.log(speed) - np.log(cost))
    return {column: values[row].item() for column, values in deployments.items()}
