"""Frontiers of deployments as pictures: cost against speed, of one result or of several in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import style
from ieco_opt.reports.text import several, wording
from ieco_opt.reports.text.grouping import groups_of
from ieco_opt.reports.text.table import shortened
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = (7.2, 4.2)
_PANEL = (0.65, 0.5, 4.75, 2.95)
_OPEN: dict[str, Any] = {"facecolor": "#f6e3d3", "edgecolor": "#d9a57f", "linewidth": 0.6, "hatch": "////"}
_BAND: dict[str, Any] = {"facecolor": "#dfe9f3", "edgecolor": "none", "zorder": 1}
_PESSIMISTIC: dict[str, Any] = {"color": "0.35", "linestyle": (0, (4, 2)), "linewidth": 1.1}
_MOST_KEYS = 14
_MOST_LETTERS = 36
_LEAST_RATIO = 4.0
_SPEED_MARGIN = 1.25


@style.styled
def draw(frontier: Frontier) -> Figure:
    """Draw the cost ($ per million output tokens) of a result against its speed (output tokens/s/user)."""
    figure, axes = _empty()
    end = frontier.pessimistic_end()
    _scales(axes, [frontier, *([] if end is None else [end])])
    _open_regions(axes, frontier)
    if end is not None:
        _band(axes, frontier, end)
    _staircase(axes, frontier, style.STEPS)
    _points(figure, axes, frontier)
    lines = [*wording.warning(frontier), wording.subject(frontier), wording.guarantee(frontier)]
    style.title(axes, frontier.scenario.name, lines)
    return figure


@style.styled
def draw_overlay(frontiers: Sequence[Frontier]) -> Figure:
    """Draw several results in one picture, each in a colour and with a marker of its own."""
    figure, axes = _empty()
    _scales(axes, frontiers)
    keys: list[Artist] = []
    for at, (frontier, label) in enumerate(zip(frontiers, several.labels(frontiers), strict=True)):
        colour = style.MANY_COLOURS[at % len(style.MANY_COLOURS)]
        marker = style.MARKERS[at % len(style.MARKERS)]
        _open_regions(axes, frontier)
        _staircase(axes, frontier, style.STEPS | {"color": colour, "linewidth": 1.2, "alpha": 0.6})
        for item in frontier:
            proven = item.status == "optimal"
            place = item.speed_tokens_per_s, item.cost_usd_per_mtok
            style.point(axes, *place, marker, colour, proven=proven, size=4.2)
        keys.append(style.legend_key(marker, colour, shortened(label, _MOST_LETTERS)))
    _legends(figure, axes, keys, _proof_keys(frontiers))
    style.title(axes, *several.heading(frontiers))
    return figure


def _empty() -> tuple[Figure, Axes]:
    from ieco_opt.reports.figures.picture import Picture

    figure = Picture(figsize=_INCHES)
    return figure, style.panel(figure, *_PANEL)


def _scales(axes: Axes, frontiers: Sequence[Frontier]) -> None:
    """Limits, ticks and names of the axes; they hold every point and every finite corner of what is open."""
    boxes = [box for frontier in frontiers for box in frontier.open_regions]
    points = [item for frontier in frontiers for item in frontier]
    speeds = [item.speed_tokens_per_s for item in points]
    # A stopped search may leave regions open up to speeds that would squeeze the points into a corner.
    most = _SPEED_MARGIN * max(speeds, default=math.inf)
    speeds += [
        min(1.0 / latency, most)
        for box in boxes
        for latency in (box.latency_lo_s, box.latency_hi_s)
        if _is_drawn(latency)
    ]
    costs = [item.cost_usd_per_mtok for item in points]
    costs += [cost for box in boxes for cost in (box.cost_lo, box.cost_hi) if _is_drawn(cost)]
    low, high = (min(costs) / 1.3, max(costs) * 1.3) if costs else (0.1, 10.0)
    widening = max(1.0, math.sqrt(_LEAST_RATIO * low / high))
    low, high = low / widening, high * widening
    axes.set_xlim(0.0, 1.06 * max(speeds, default=100.0))
    style.logarithmic(axes.yaxis, low, high, style.COST)
    style.plain_numbers(axes.xaxis)
    axes.set_xlabel(style.SPEED)
    style.grid(axes)


def _is_drawn(limit: float) -> bool:
    """Whether a limit of an open region has a place on both axes."""
    return 0.0 < limit < math.inf


def _open_regions(axes: Axes, frontier: Frontier) -> None:
    """Shade where a stopped search may have missed something."""
    from matplotlib.patches import Rectangle

    most_speed, (least_cost, most_cost) = axes.get_xlim()[1], axes.get_ylim()
    for box in frontier.open_regions:
        left = 1.0 / box.latency_hi_s
        right = min(1.0 / box.latency_lo_s, most_speed) if box.latency_lo_s > 0.0 else most_speed
        bottom, top = max(box.cost_lo, least_cost), min(box.cost_hi, most_cost)
        axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, zorder=1, **_OPEN))


def _staircase(axes: Axes, frontier: Frontier, steps: dict[str, Any]) -> None:
    """The least known cost at every speed: between two neighbours that of the faster one."""
    if frontier.question.kind == "frontier" and len(frontier):
        axes.step(*_least_costs(frontier), where="pre", **steps)


def _least_costs(frontier: Frontier) -> tuple[list[float], list[float]]:
    """Speeds from 0 on, and the least cost at each and down to the one before it."""
    rising = sorted(frontier.deployments, key=lambda item: item.speed_tokens_per_s)
    speeds = [0.0, *(item.speed_tokens_per_s for item in rising)]
    return speeds, [rising[0].cost_usd_per_mtok, *(item.cost_usd_per_mtok for item in rising)]


def _band(axes: Axes, frontier: Frontier, end: Frontier) -> None:
    """Shade what lies between the two ends of a band, and draw the line of the pessimistic one."""
    if not len(frontier) or not len(end):
        return
    nominal, pessimistic = (_corners(*_least_costs(each)) for each in (frontier, end))
    around = [*nominal, *reversed(pessimistic)]
    axes.fill([speed for speed, _ in around], [cost for _, cost in around], **_BAND)
    _staircase(axes, end, style.STEPS | _PESSIMISTIC)


def _corners(speeds: list[float], costs: list[float]) -> list[tuple[float, float]]:
    """Every corner of a staircase, from slow to fast."""
    corners = [(speeds[0], costs[0])]
    for (before, _), (speed, cost) in pairwise(zip(speeds, costs, strict=True)):
        corners += [(before, cost), (speed, cost)]
    return corners


def _points(figure: Figure, axes: Axes, frontier: Frontier) -> None:
    """Draw what was found: colour says layout, shape what else varies or else the layout, hollow that it is not proven.

    Printed in grey, layouts are told apart by their shapes.
    """
    groups, markers = groups_of(frontier.deployments), _markers(frontier)
    for group, colour, marker in zip(groups, style.COLOURS, style.MARKERS, strict=False):
        for item in group.members:
            shape, proven = markers[_variant(item, frontier)] or marker, item.status == "optimal"
            style.point(axes, item.speed_tokens_per_s, item.cost_usd_per_mtok, shape, colour, proven=proven)
    layouts = [
        style.legend_key("o" if len(markers) > 1 else marker, colour, group.label)
        for group, colour, marker in zip(groups, style.COLOURS, style.MARKERS, strict=False)
    ]
    others = [style.legend_key(marker, "0.4", variant) for variant, marker in markers.items() if len(markers) > 1]
    below = [*others, *_proof_keys([frontier]), *_band_keys(frontier)]
    _legends(figure, axes, layouts, below, heading="layout")


def _markers(frontier: Frontier) -> dict[str, str]:
    """The shape of each variant; none where there is only one, which leaves the shapes to the layouts."""
    variants = sorted({_variant(item, frontier) for item in frontier.deployments})
    if len(variants) == 1:
        return {variants[0]: ""}
    return {variant: style.MARKERS[index % len(style.MARKERS)] for index, variant in enumerate(variants)}


def _variant(item: Deployment, frontier: Frontier) -> str:
    """Accelerator, precisions and engine, as far as the deployments differ in them."""
    parts = []
    if len({other.accelerator for other in frontier.deployments}) > 1:
        parts.append(item.accelerator)
    if len({other.weights for other in frontier.deployments}) > 1:
        parts.append(item.weights or "no precision")
    if len({other.kv_cache for other in frontier.deployments}) > 1:
        parts.append(f"cache {item.kv_cache}")
    if len({other.engine for other in frontier.deployments}) > 1:
        parts.append(item.engine or "no engine")
    return ", ".join(parts)


def _proof_keys(frontiers: Sequence[Frontier]) -> list[Artist]:
    """What hollow points and shaded regions mean, where there are any."""
    from matplotlib.patches import Patch

    keys: list[Artist] = []
    if any(item.status != "optimal" for frontier in frontiers for item in frontier):
        keys.append(style.legend_key("o", "0.4", "not proven", fill="white"))
    if any(frontier.open_regions for frontier in frontiers):
        keys.append(Patch(label="left open", **_OPEN))
    return keys


def _band_keys(frontier: Frontier) -> list[Artist]:
    """What the shaded band and its line mean, where there is one."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if frontier.pessimistic is None or not frontier.pessimistic.deployments:
        return []
    return [Line2D([], [], **_PESSIMISTIC, label="pessimistic end"), Patch(label="band of the error", **_BAND)]


def _legends(
    figure: Figure, axes: Axes, above: list[Artist], below: list[Artist], *, heading: str | None = None
) -> None:
    """Put the legends beside the plot, where they cover nothing: two of them, or one where these would meet."""
    common: dict[str, Any] = {
        "bbox_transform": axes.transAxes,
        "frameon": False,
        "fontsize": style.SMALL,
        "title_fontsize": style.SMALL,
        "alignment": "left",
        "borderaxespad": 0.0,
        "handlelength": 1.4,
    }
    if len(above) + len(below) > _MOST_KEYS:
        above, below = [*above, style.space(), *below] if below else above, []
    # Of the figure, not of the axes, which keep one legend only.
    if above:
        figure.legend(handles=above, title=heading, loc="upper left", bbox_to_anchor=(1.03, 1.0), **common)
    if below:
        figure.legend(handles=below, loc="lower left", bbox_to_anchor=(1.03, 0.0), **common)
