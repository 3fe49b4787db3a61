"""What is marked on a frontier: the choice among its points, and its knee."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ieco_opt.defaults import DEFAULT_PREFERENCE
from ieco_opt.reports.text import wording
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import Scenario
from ieco_opt.scenario.objective import usual_objective

_ROUNDING = 1e-9
_LEAST_BULGE = 0.05
"""How far the knee must lie from the straight line, in the unit square, to be a bend that is worth a mark."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A deployment that is chosen among those of a picture, and by what."""

    item: Deployment
    by: str


def choice(frontiers: Sequence[Frontier]) -> Choice | None:
    """The best of all points by what their scenario asks for: what ``solve`` would look for without an objective."""
    items = [item for frontier in frontiers for item in frontier if frontier.question.kind == "frontier"]
    if not items or any(_asks(frontier.scenario) != _asks(frontiers[0].scenario) for frontier in frontiers):
        return None
    objective, _ = usual_objective(frontiers[0].scenario)
    if objective == "cheapest":
        best = min(items, key=lambda item: (item.cost_usd_per_mtok, -item.speed_tokens_per_s))
    elif objective == "fastest":
        best = max(items, key=lambda item: (item.speed_tokens_per_s, -item.cost_usd_per_mtok))
    else:
        best = max(items, key=_preference)
    power = f" (greatest speed^{DEFAULT_PREFERENCE:g} / cost)" if objective == "preferred" else ""
    return Choice(best, f"{objective}{power}")


def _asks(scenario: Scenario) -> tuple[object, object]:
    return scenario.limits.min_speed, scenario.limits.max_cost


def _preference(item: Deployment) -> float:
    return DEFAULT_PREFERENCE * math.log(item.speed_tokens_per_s) - math.log(item.cost_usd_per_mtok)


def words(chosen: Choice, worth: str) -> str:
    """What is chosen, by what, and what it is worth upright, in lines."""
    item = chosen.item
    configuration = wording.configuration(item).split(", ")
    speed = f"{item.speed_tokens_per_s:.4g} tokens/s/user, {worth}"
    return "\n".join([f"choice: {chosen.by}", *filled(configuration), speed])


def filled(parts: Sequence[str], letters: int = 44) -> list[str]:
    """Parts in lines of about as many letters as the others have."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 2 > letters:
            lines[-1] += ","
            lines.append(part)
        else:
            lines[-1] += f", {part}"
    return lines


def knee(
    points: Sequence[tuple[float, float]], *, more_is_better: bool, logarithmic: bool, less_across: bool = False
) -> int | None:
    """Which point is the knee: the one farthest from the straight line between both ends, on its better side.

    Both axes count as they are drawn, from the worse end (0) to the better one (1), after Das, On characterizing the
    'knee' of the Pareto curve based on normal-boundary intersection, Structural Optimization 18 (1999).

    Parameters
    ----------
    points
        Pairs of what is drawn across, of which more is better, and of what is drawn upright; in any order.
    more_is_better
        Whether more is better upright, too.
    logarithmic
        Whether the upright axis is.
    less_across
        Whether less is better across.

    Returns
    -------
    int or None
        Its place; ``None`` where there are fewer than three points, where they do not trade one for the other, or
        where nothing bends.
    """
    if len(points) < 3 or (logarithmic and min(up for _, up in points) <= 0.0):
        return None
    across = _shares([x for x, _ in points], more=not less_across)
    upright = _shares([math.log(y) if logarithmic else y for _, y in points], more=more_is_better)
    order = sorted(range(len(points)), key=lambda at: (across[at], -upright[at]))
    if any(upright[after] > upright[before] + _ROUNDING for before, after in pairwise(order)):
        return None
    bulges = [one + other - 1.0 for one, other in zip(across, upright, strict=True)]
    best = max(range(len(points)), key=lambda at: bulges[at])
    return best if bulges[best] / math.sqrt(2.0) >= _LEAST_BULGE else None


def _shares(values: Sequence[float], *, more: bool) -> list[float]:
    """Where values lie between the worst (0) and the best (1)."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    shares = [(value - low) / span for value in values]
    return shares if more else [1.0 - share for share in shares]
