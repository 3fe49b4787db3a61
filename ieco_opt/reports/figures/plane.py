"""The plane that frontiers of deployments are drawn in: its scales, lines, and what lies between and beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import style
from ieco_opt.reports.figures.upright import Upright
from ieco_opt.reports.figures.wishes import Wish
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Key = Artist | tuple[Artist, ...]

Corner = tuple[float, float]

_INCHES = (7.2, 4.6)
_LEFT, _BOTTOM, _HIGH = 0.65, 0.5, 3.35
WIDE, WIDER = 4.75, 5.9
"""Inches of the axes with legends beside them, and with none but short names."""

_OPEN: dict[str, Any] = {"facecolor": "#f6e3d3", "edgecolor": "#d9a57f", "linewidth": 0.6, "hatch": "////"}
_MOST_KEYS = 14
_LEAST_RATIO = 4.0
_SPEED_MARGIN = 1.25
_WISH_MARGIN = 3.0
"""A wish farther than this factor from every point is not on the axis."""


def empty(wide: float = WIDE) -> tuple[Figure, Axes]:
    """A figure and its axes, so many inches wide."""
    from ieco_opt.reports.figures.picture import Picture

    figure = Picture(figsize=_INCHES)
    return figure, style.panel(figure, _LEFT, _BOTTOM, wide, _HIGH)


def place(item: Deployment, up: Upright) -> Corner:
    """Where a deployment is."""
    return item.speed_tokens_per_s, up.of(item)


def scales(axes: Axes, frontiers: Sequence[Frontier], up: Upright, wishes: Sequence[Wish]) -> None:
    """Limits, ticks and names of the axes; they hold every point, finite corners of what is open, and near wishes."""
    boxes = [box for frontier in frontiers for box in frontier.open_regions]
    points = [place(item, up) for frontier in frontiers for item in frontier]
    speeds = [speed for speed, _ in points]
    # A stopped search may leave regions open up to speeds that would squeeze the points into a corner.
    most = _SPEED_MARGIN * max(speeds, default=math.inf)
    speeds += [
        min(1.0 / latency, most)
        for box in boxes
        for latency in (box.latency_lo_s, box.latency_hi_s)
        if _is_drawn(latency)
    ]
    values = [value for _, value in points]
    if up.from_cost is not None:
        values += [up.from_cost(cost) for box in boxes for cost in (box.cost_lo, box.cost_hi) if _is_drawn(cost)]
    speeds += near([wish.value for wish in wishes if wish.across], speeds)
    values += near([wish.value for wish in wishes if not wish.across], values)
    low, high = (min(values) / 1.3, max(values) * 1.3) if values else (0.1, 10.0)
    widening = max(1.0, math.sqrt(_LEAST_RATIO * low / high))
    axes.set_xlim(0.0, 1.06 * max(speeds, default=100.0))
    style.logarithmic(axes.yaxis, low / widening, high * widening, up.title)
    style.plain_numbers(axes.xaxis)
    axes.set_xlabel(style.SPEED)
    style.grid(axes)


def near(wishes: Sequence[float], values: Sequence[float]) -> list[float]:
    """Wishes that are not far from all values, of which the axis is still about the values."""
    if not values:
        return list(wishes)
    low, high = min(values) / _WISH_MARGIN, max(values) * _WISH_MARGIN
    return [wish for wish in wishes if low <= wish <= high]


def _is_drawn(limit: float) -> bool:
    """Whether a limit of an open region has a place on both axes."""
    return 0.0 < limit < math.inf


def open_regions(axes: Axes, frontier: Frontier, up: Upright) -> None:
    """Shade where a stopped search may have missed something; over the whole height where no cost can be shown."""
    from matplotlib.patches import Rectangle

    most_speed, (least, most) = axes.get_xlim()[1], axes.get_ylim()
    for box in frontier.open_regions:
        left = 1.0 / box.latency_hi_s
        right = min(1.0 / box.latency_lo_s, most_speed) if box.latency_lo_s > 0.0 else most_speed
        ends = [least, most]
        if up.from_cost is not None:
            ends = sorted(up.from_cost(cost) for cost in (box.cost_lo, box.cost_hi))
        bottom, top = max(ends[0], least), min(ends[1], most)
        axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, zorder=1, **_OPEN))


def curve(frontier: Frontier, up: Upright) -> list[tuple[Deployment, list[Corner]]]:
    """The staircase of a frontier in pieces: what is attained from the speed before on, down to each deployment.

    Between two neighbours it is that of the faster one. It begins where slower ones are not asked for.
    """
    if frontier.question.kind != "frontier":
        return []
    rising = sorted(frontier.deployments, key=lambda item: item.speed_tokens_per_s)
    before: Corner | None = None
    pieces = []
    for item in rising:
        speed, value = place(item, up)
        start = min(frontier.scenario.limits.min_speed or 0.0, speed) if before is None else before[0]
        corners = [(start, value), (speed, value)]
        pieces.append((item, corners if before is None else [before, *corners]))
        before = speed, value
    return pieces


def corners_of(frontier: Frontier, up: Upright) -> list[Corner]:
    """Every corner of the staircase, from slow to fast."""
    every = [corner for _, corners in curve(frontier, up) for corner in corners]
    return every[:1] + [after for before, after in pairwise(every) if after != before]


def staircase(axes: Axes, frontier: Frontier, up: Upright, colours: dict[int, str], **look: Any) -> None:
    """Draw the staircase, each piece in the colour of its deployment (by ``id``)."""
    from matplotlib.collections import LineCollection

    pieces = curve(frontier, up)
    if pieces:
        shown = [colours[id(item)] for item, _ in pieces]
        axes.add_collection(
            LineCollection([corners for _, corners in pieces], colors=shown, zorder=2, **({"linewidths": 1.4} | look)),
            autolim=False,
        )


def proof_keys(frontiers: Sequence[Frontier]) -> list[Artist]:
    """What hollow points and shaded regions mean, where there are any."""
    from matplotlib.patches import Patch

    keys: list[Artist] = []
    if any(item.status != "optimal" for frontier in frontiers for item in frontier):
        keys.append(style.legend_key("o", "0.4", "not proven", fill="white"))
    if any(frontier.open_regions for frontier in frontiers):
        keys.append(Patch(label="left open", **_OPEN))
    return keys


def legends(
    figure: Figure, axes: Axes, above: Sequence[Key], below: Sequence[Key], *, heading: str | None = None
) -> None:
    """Put the legends beside the plot, where they cover nothing: two of them, or one where these would meet."""
    common: dict[str, Any] = {
        "bbox_transform": axes.transAxes,
        "frameon": False,
        "fontsize": style.SMALL,
        "title_fontsize": style.SMALL,
        "alignment": "left",
        "borderaxespad": 0.0,
        "handlelength": 1.6,
    }
    if len(above) + len(below) > _MOST_KEYS:
        above, below = [*above, style.space(), *below] if below else above, []
    # Of the figure, not of the axes, which keep one legend only.
    for keys, title, loc, height in ((above, heading, "upper left", 1.0), (below, None, "lower left", 0.0)):
        if keys:
            labels = list(map(style.label_of, keys))
            figure.legend(list(keys), labels, title=title, loc=loc, bbox_to_anchor=(1.03, height), **common)  # type: ignore[call-overload]
