"""Cost against speed as a picture: .png, .svg, or a page of .html that holds the picture and the table."""

from __future__ import annotations

import html
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt.documents.destinations import check_folder, kind_of, replace_file, require_library
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.frontier import render
from ieco_opt.reports.text.grouping import groups_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("png", "svg", "html")
"""Kinds of pictures, which are also their endings."""

_STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.axisbelow": True,
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    # Without it the names inside an SVG file are random.
    "svg.hashsalt": "ieco_opt",
}
_INCHES = (7.2, 4.2)
_DOTS_PER_INCH = 200
_MARKERS = "osD^vPX*<>"
# Okabe and Ito's colours, with a wine red in the place of their yellow, which a white page swallows.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#882255", "#000000")
_OPEN: dict[str, Any] = {"facecolor": "#f6e3d3", "edgecolor": "#d9a57f", "linewidth": 0.6, "hatch": "////"}
_LEAST_RATIO = 4.0
_SPEED_MARGIN = 1.25
TABLE_WIDTH = 120


def check_plot_ending(path: Path) -> None:
    """Refuse a file that a plot could not be written to.

    Raises
    ------
    ScenarioError
        The ending is unknown, matplotlib is missing, or there is no such folder.
    """
    kind_of(path, KINDS)
    require_library("matplotlib", path)
    check_folder(path)


def plot(frontier: Frontier, path: Path) -> None:
    """Draw the cost ($ per million tokens) of a result against its speed (tokens/s); equal results, equal bytes.

    Parameters
    ----------
    path
        File whose ending is one of ``KINDS``.

    Raises
    ------
    ScenarioError
        The ending is unknown, matplotlib is missing, or the file cannot be written.
    """
    write_figure(path, lambda: _figure(frontier), frontier.scenario.name, lambda: render(frontier, TABLE_WIDTH))


def write_figure(path: Path, figure: Callable[[], Figure], name: str, table: Callable[[], str]) -> None:
    """Draw a figure in our style into a file; a page of .html also has its name and a table, both as text.

    Raises
    ------
    ScenarioError
        As of :func:`plot`.
    """
    check_plot_ending(path)
    kind = kind_of(path, KINDS)
    with _own_style():
        drawn = figure()
        if kind == "png":
            content = _saved(drawn, "png", {"Software": None})
        else:
            content = _saved(drawn, "svg", {"Date": None, "Creator": None})
    replace_file(path, content if kind != "html" else _page(name, table(), content.decode()).encode())


@contextmanager
def _own_style() -> Iterator[None]:
    """Draw alike whatever style is set up elsewhere, which is put back afterwards."""
    from matplotlib import style

    with style.context(_STYLE, after_reset=True):
        yield


def _saved(figure: Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Letters of a name that the font lacks show as boxes, which is no reason to fail or to write messages.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(buffer, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata, bbox_inches="tight", pad_inches=0.1)
    return buffer.getvalue()


def _figure(frontier: Frontier) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES)
    axes = figure.add_axes((0.09, 0.12, 0.66, 0.70))
    _scales(axes, frontier)
    _open_regions(axes, frontier)
    _staircase(axes, frontier)
    _points(figure, axes, frontier)
    warning = wording.warning(frontier)
    lines = [*([] if warning is None else [warning]), wording.subject(frontier), wording.guarantee(frontier)]
    title(axes, frontier.scenario.name, lines)
    return figure


def _scales(axes: Axes, frontier: Frontier) -> None:
    """Limits, ticks and names of the axes; they hold every point and every finite corner of what is open."""
    from matplotlib import ticker

    boxes, points = frontier.open_regions, frontier.deployments
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
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(cost_ticks(high / low))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("speed of one request (tokens/s)")
    axes.set_ylabel("cost ($ per million tokens)", parse_math=False)
    axes.grid(color="0.92", linewidth=0.6)


def _is_drawn(limit: float) -> bool:
    """Whether a limit of an open region has a place on both axes."""
    return 0.0 < limit < math.inf


def cost_ticks(ratio: float) -> Any:
    """Round numbers, few enough to be read."""
    from matplotlib import ticker

    if ratio < 8.0:
        return ticker.LogLocator(subs=tuple(range(1, 10)), numticks=30)
    return ticker.LogLocator(subs=(1.0, 2.0, 5.0) if ratio < 1e4 else (1.0,), numticks=30)


def _open_regions(axes: Axes, frontier: Frontier) -> None:
    """Shade where a stopped search may have missed something."""
    from matplotlib.patches import Rectangle

    most_speed, (least_cost, most_cost) = axes.get_xlim()[1], axes.get_ylim()
    for box in frontier.open_regions:
        left = 1.0 / box.latency_hi_s
        right = min(1.0 / box.latency_lo_s, most_speed) if box.latency_lo_s > 0.0 else most_speed
        bottom, top = max(box.cost_lo, least_cost), min(box.cost_hi, most_cost)
        axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, zorder=1, **_OPEN))


def _staircase(axes: Axes, frontier: Frontier) -> None:
    """The least known cost at every speed: between two neighbours that of the faster one."""
    if frontier.question != "frontier" or len(frontier) == 0:
        return
    rising = sorted(frontier.deployments, key=lambda item: item.speed_tokens_per_s)
    speeds = [0.0, *(item.speed_tokens_per_s for item in rising)]
    costs = [rising[0].cost_usd_per_mtok, *(item.cost_usd_per_mtok for item in rising)]
    axes.step(speeds, costs, where="pre", color="0.6", linewidth=0.9, zorder=2)


def _points(figure: Figure, axes: Axes, frontier: Frontier) -> None:
    """Draw what was found: colour says layout, shape what else varies, hollow that it is not proven."""
    groups, markers = groups_of(frontier.deployments), _markers(frontier)
    for group, colour in zip(groups, COLOURS, strict=False):
        for item in group.members:
            marker, proven = markers[_kind(item, frontier)], item.status == "optimal"
            point(axes, item.speed_tokens_per_s, item.cost_usd_per_mtok, marker, colour, proven=proven)
    layouts = [legend_key("o", colour, group.label) for group, colour in zip(groups, COLOURS, strict=False)]
    others = [legend_key(marker, "0.4", kind) for kind, marker in markers.items() if len(markers) > 1]
    if any(item.status != "optimal" for item in frontier.deployments):
        others.append(legend_key("o", "0.4", "not proven", fill="white"))
    _legends(figure, axes, layouts, others, open_regions=bool(frontier.open_regions))


def point(axes: Axes, x: float, y: float, marker: str, colour: str, *, proven: bool) -> None:
    """Draw one point, hollow where it is not proven."""
    axes.plot(
        [x],
        [y],
        marker=marker,
        markersize=5.5,
        markerfacecolor=colour if proven else "white",
        markeredgecolor="white" if proven else colour,
        markeredgewidth=0.5 if proven else 1.2,
        zorder=3,
    )


def _markers(frontier: Frontier) -> dict[str, str]:
    kinds = sorted({_kind(item, frontier) for item in frontier.deployments})
    return {kind: _MARKERS[index % len(_MARKERS)] for index, kind in enumerate(kinds)}


def _kind(item: Deployment, frontier: Frontier) -> str:
    """Accelerator and precision, as far as the deployments differ in them."""
    parts = []
    if len({other.accelerator for other in frontier.deployments}) > 1:
        parts.append(item.accelerator)
    if len({other.weights for other in frontier.deployments}) > 1:
        parts.append(item.weights or "no precision")
    return ", ".join(parts)


def legend_key(marker: str, colour: str, label: str, fill: str | None = None) -> Artist:
    """Build an entry of a legend: a marker without a line."""
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        linestyle="",
        marker=marker,
        markersize=6.0,
        markerfacecolor=fill or colour,
        markeredgecolor=colour,
        label=label,
    )


def _legends(figure: Figure, axes: Axes, layouts: list[Artist], others: list[Artist], *, open_regions: bool) -> None:
    """Put the legends beside the plot, where they cover nothing."""
    from matplotlib.patches import Patch

    if open_regions:
        others = [*others, Patch(label="left open", **_OPEN)]
    style: dict[str, Any] = {
        "bbox_transform": axes.transAxes,
        "frameon": False,
        "fontsize": 8,
        "title_fontsize": 8,
        "alignment": "left",
        "borderaxespad": 0.0,
        "handlelength": 1.4,
    }
    # Of the figure, not of the axes, which keep one legend only.
    if layouts:
        figure.legend(handles=layouts, title="layout", loc="upper left", bbox_to_anchor=(1.03, 1.0), **style)
    if others:
        figure.legend(handles=others, loc="lower left", bbox_to_anchor=(1.03, 0.0), **style)


def title(axes: Axes, name: str, lines: Sequence[str]) -> None:
    """Write a name above the axes, and lines in small letters below it."""
    # Names may hold dollar signs, which matplotlib would read as formulas.
    axes.set_title(
        name,
        loc="left",
        fontsize=10.5,
        fontweight="bold",
        pad=8.0 + 11.0 * len(lines),
        parse_math=False,
    )
    axes.text(
        0.0,
        1.025,
        "\n".join(lines),
        transform=axes.transAxes,
        fontsize=8,
        color="0.35",
        verticalalignment="bottom",
        linespacing=1.35,
        parse_math=False,
    )


def _page(name: str, table: str, picture: str) -> str:
    """Put the picture and the table on one page that needs nothing else."""
    name, table = html.escape(name), html.escape(table)
    inline = picture[picture.index("<svg") :]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n"
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "svg{width:100%;height:auto}pre{overflow-x:auto;font-size:0.8em}</style>\n"
        f"</head>\n<body>\n{inline}\n<pre>{table}</pre>\n</body>\n</html>\n"
    )
