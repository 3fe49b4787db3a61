"""Both frontiers of a comparison as a picture, what was missed shaded between them: one panel a heuristic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.comparison.indicators import Points
from ieco_opt.reports.figures import style
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.comparison import above_the_exact

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ieco_opt.results.comparison import Comparison, HeuristicResult

    Array = NDArray[np.float64]

_Range = tuple[float, float]

_EXACT, _OWN, _MISSED, _REFUSED = "#8a8a8a", style.COLOURS[0], style.COLOURS[1], "#CC5577"
_PANEL_INCHES, _ONE_PANEL_INCHES = (2.95, 2.2), (5.4, 3.4)
_ACROSS, _UP = 0.45, 0.75
"""Inches between panels, for their titles."""

_LEFT, _BOTTOM = 0.65, 0.85
_COLUMNS = 4
_MARGIN = 1.15
_MOST_REFUSED = 40
_NEAR = 10.0
"""Claims are in the picture up to this factor beyond the exact frontier."""

MEANING = (
    "cost regret: how much more expensive than the exact frontier at the same speed; "
    "HV: hypervolume, in shares of the exact frontier's"
)


@style.styled
def draw(comparison: Comparison) -> Figure:
    """Draw cost ($ per million output tokens) against speed (output tokens/s/user) for each heuristic."""
    from ieco_opt.reports.figures.picture import Picture

    count = max(1, len(comparison.heuristics))
    columns = min(count, _COLUMNS if count > 6 else 3)
    rows = math.ceil(count / columns)
    width, height = _PANEL_INCHES if count > 1 else _ONE_PANEL_INCHES
    size = _LEFT + columns * (width + _ACROSS), _BOTTOM + rows * (height + _UP)
    figure = Picture(figsize=size)
    exact, limits = _exact(comparison), _limits(comparison)
    for at, result in enumerate(comparison.heuristics):
        row, column = divmod(at, columns)
        place = _LEFT + column * (width + _ACROSS), _BOTTOM + (rows - 1 - row) * (height + _UP)
        axes = style.panel(figure, *place, width, height)
        _scales(axes, limits, names=(at + columns >= count, column == 0))
        _curves(axes, exact, result, limits)
        _unproven(axes, comparison)
        style.title(axes, result.name, [caption(result)], lift=4.0, letters=int(19.0 * width))
        if at == 0:
            letters = int(15.5 * (columns * (width + _ACROSS)))
            lines = [*lines_of(comparison), MEANING, *above_the_exact(comparison)]
            style.title(axes, comparison.scenario.name, lines, lift=42.0, letters=letters)
    _legend(figure, comparison)
    return figure


def lines_of(comparison: Comparison) -> list[str]:
    """What is compared, and what is proven of the exact frontier."""
    exact = f"exact frontier: {wording.guarantee(comparison)}"
    return [*wording.warning(comparison), wording.subject(comparison), exact]


def _exact(comparison: Comparison) -> Points:
    return Points(
        np.array([item.speed_tokens_per_s for item in comparison.deployments]),
        np.array([item.cost_usd_per_mtok for item in comparison.deployments]),
    )


def _own(result: HeuristicResult) -> Points:
    points = np.array(result.points()).reshape(-1, 2)
    return Points(points[:, 0], points[:, 1])


def _limits(comparison: Comparison) -> tuple[_Range, _Range]:
    """Ranges of both axes: the exact frontier, what can be launched, and claims not far from it, with some room."""
    exact = _exact(comparison)
    claims = [_near(_claims(result), exact) for result in comparison.heuristics]
    points = [exact, *(_own(result) for result in comparison.heuristics), *claims]
    speed = np.concatenate([item.speed for item in points])
    cost = np.concatenate([item.cost for item in points])
    return (
        (float(speed.min()) / _MARGIN, float(speed.max()) * _MARGIN),
        (float(cost.min()) / _MARGIN, float(cost.max()) * _MARGIN),
    )


def _scales(axes: Axes, limits: tuple[_Range, _Range], *, names: tuple[bool, bool]) -> None:
    """Set the axes up, alike in all panels; only the outer ones have names and numbers."""
    named = style.SPEED if names[0] else "", style.COST if names[1] else ""
    for axis, (low, high), name in zip((axes.xaxis, axes.yaxis), limits, named, strict=True):
        style.logarithmic(axis, low, high, name)
        axis.label.set_fontsize(style.SMALL)
    axes.tick_params(labelbottom=names[0], labelleft=names[1])
    style.grid(axes)


def _curves(axes: Axes, exact: Points, result: HeuristicResult, limits: tuple[_Range, _Range]) -> None:
    """Both frontiers, what lies between them, and hollow points for proposals that cannot be launched."""
    points = _own(result)
    if len(points):
        _missed(axes, exact, points, limits)
    _refused(axes, result)
    axes.step(*_steps(exact, limits), where="pre", color=_EXACT, linewidth=2.6, zorder=4)
    if len(points):
        axes.step(*_steps(points, limits), where="pre", color=_OWN, linewidth=0.9, zorder=5)
        axes.plot(points.speed, points.cost, ".", color=_OWN, markersize=2.6, zorder=6)


def caption(result: HeuristicResult) -> str:
    """What a heuristic misses, in a line."""
    if not result.points():
        return f"none of {wording.counted(result.proposals, 'proposal')} can be launched"
    hypervolume = f"HV {100 * result.hypervolume_ratio:.1f} %"
    median, worst = result.cost_regret.median, result.cost_regret.worst
    if median is None or worst is None:
        return hypervolume
    return f"cost regret: median {_percent(median)}, worst {_percent(worst)}; {hypervolume}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %" if share < 1.0 else f"{100.0 * share:,.0f} %"


def _steps(points: Points, limits: tuple[_Range, _Range]) -> tuple[Array, Array]:
    """Corners of the least cost at every speed, from the left edge up to the fastest point and then out of sight."""
    order = np.argsort(points.speed)
    speed, cost = points.speed[order], points.cost[order]
    return (
        np.concatenate([[limits[0][0]], speed, [speed[-1]]]),
        np.concatenate([[cost[0]], cost, [limits[1][1] * 10.0]]),
    )


def _missed(axes: Axes, exact: Points, own: Points, limits: tuple[_Range, _Range]) -> None:
    """Shade what can be had but was not found: above the exact staircase and below the heuristic's."""
    edges = np.unique(np.concatenate([[limits[0][0]], exact.speed, own.speed]))
    edges = edges[edges <= exact.speed.max()]
    top = limits[1][1] * 10.0
    least, reached = (_least_cost(points, edges, top) for points in (exact, own))
    # Where a heuristic lies between the points of an exact frontier that is not complete, nothing is missed.
    axes.fill_between(
        edges, least, np.maximum(least, reached), step="pre", color=_MISSED, alpha=0.35, linewidth=0.0, zorder=2
    )


def _least_cost(points: Points, speeds: Array, otherwise: float) -> Array:
    as_fast = points.speed[None, :] >= speeds[:, None] * (1.0 - 1e-12)
    return np.asarray(np.where(as_fast, points.cost[None, :], otherwise).min(axis=1, initial=otherwise))


def _claims(result: HeuristicResult) -> Points:
    """What a heuristic says of its proposals that cannot be launched."""
    refused = [each for each in result.proposals if not each.deployable]
    return Points(
        np.array([each.claimed_speed_tokens_per_s for each in refused]),
        np.array([each.claimed_cost_usd_per_mtok for each in refused]),
    )


def _near(claims: Points, exact: Points) -> Points:
    """Those claims that the axes make room for: wild ones would squeeze all else into a corner."""
    near = np.ones(len(claims), dtype=bool)
    for claimed, known in ((claims.speed, exact.speed), (claims.cost, exact.cost)):
        near &= (claimed >= known.min() / _NEAR) & (claimed <= known.max() * _NEAR)
    return claims.take(np.flatnonzero(near))


def _refused(axes: Axes, result: HeuristicResult) -> None:
    """Hollow points for what was proposed and cannot be launched."""
    claims = _claims(result)
    thinned = max(1, len(claims) // _MOST_REFUSED)
    axes.plot(claims.speed, claims.cost, markersize=3.4, zorder=5, markevery=thinned, **_HOLLOW)


def _unproven(axes: Axes, comparison: Comparison) -> None:
    """Hollow squares on the exact frontier for its points that are not proven."""
    some = [item for item in comparison.deployments if item.status != "optimal"]
    places = [item.speed_tokens_per_s for item in some], [item.cost_usd_per_mtok for item in some]
    axes.plot(*places, markersize=4.2, zorder=7, **_NOT_PROVEN)


_HOLLOW: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markerfacecolor": "none",
    "markeredgecolor": _REFUSED,
    "markeredgewidth": 0.6,
}


_NOT_PROVEN: dict[str, Any] = {
    "linestyle": "",
    "marker": "s",
    "markerfacecolor": "white",
    "markeredgecolor": "0.25",
    "markeredgewidth": 0.9,
}


def _legend(figure: Figure, comparison: Comparison) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=_EXACT, linewidth=2.6, label="exact frontier"),
        Line2D([], [], color=_OWN, linewidth=0.9, marker=".", label="heuristic, what can be launched"),
        Patch(facecolor=_MISSED, alpha=0.35, label="missed"),
        Line2D([], [], markersize=4, label="proposed, cannot be launched", **_HOLLOW),
    ]
    if any(item.status != "optimal" for item in comparison.deployments):
        handles.insert(1, Line2D([], [], markersize=4, label="exact frontier, not proven", **_NOT_PROVEN))
    across, up = figure.get_size_inches()
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(_LEFT / across, 0.05 / up),
        borderaxespad=0.0,
        ncols=len(handles) if across > 1.6 * len(handles) else 2,
        frameon=False,
        fontsize=style.SMALL,
    )
