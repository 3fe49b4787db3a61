"""Both frontiers of a comparison as a picture, the gap between them shaded: one panel a heuristic."""

from __future__ import annotations

import html
import io
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.comparison.indicators import Array, Points
from ieco_opt.documents.destinations import kind_of, replace_file
from ieco_opt.reports.figures.frontier import KINDS, check_plot_ending
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.comparison import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ieco_opt.comparison.compare import Comparison, HeuristicResult

_STYLE: dict[str, Any] = {
    "font.size": 8.5,
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
_EXACT, _OWN, _GAP, _CLAIM = "#8a8a8a", "#0072B2", "#E69F00", "#CC5577"
_PANEL_INCHES = (3.4, 2.7)
_DOTS_PER_INCH = 200
_COLUMNS = 4
_MARGIN = 1.15
_TABLE_WIDTH = 120
_MOST_CLAIMS = 40


def plot(comparison: Comparison, path: Path) -> None:
    """Draw cost ($ per million tokens) against speed (tokens/s); equal comparisons, equal bytes.

    Raises
    ------
    ScenarioError
        The ending is unknown, matplotlib is missing, or the file cannot be written.
    """
    check_plot_ending(path)
    from matplotlib import style

    kind, buffer = kind_of(path, KINDS), io.BytesIO()
    drawn, metadata = ("png", {"Software": None}) if kind == "png" else ("svg", {"Date": None, "Creator": None})
    with style.context(_STYLE, after_reset=True), warnings.catch_warnings():
        # Letters of a name that the font lacks show as boxes, which is no reason to fail or to write messages.
        warnings.filterwarnings("ignore", "Glyph")
        figure = _figure(comparison)
        figure.savefig(
            buffer, format=drawn, dpi=_DOTS_PER_INCH, metadata=metadata, bbox_inches="tight", pad_inches=0.08
        )
    content = buffer.getvalue()
    replace_file(path, content if kind != "html" else _page(comparison, content.decode()).encode())


def _page(comparison: Comparison, picture: str) -> str:
    """Put the picture and the table on one page that needs nothing else."""
    name, table = (html.escape(text) for text in (comparison.scenario.name, render(comparison, _TABLE_WIDTH)))
    inline = picture[picture.index("<svg") :]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n"
        "<style>body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em}"
        "svg{width:100%;height:auto}pre{overflow-x:auto;font-size:0.8em}</style>\n"
        f"</head>\n<body>\n{inline}\n<pre>{table}</pre>\n</body>\n</html>\n"
    )


def _figure(comparison: Comparison) -> Figure:
    from matplotlib.figure import Figure

    count = max(1, len(comparison.results))
    columns = min(count, _COLUMNS if count > 6 else 3)
    rows = math.ceil(count / columns)
    width, height = _PANEL_INCHES if count > 1 else (6.4, 4.2)
    figure = Figure(figsize=(width * columns, height * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    limits = _limits(comparison)
    for axes, result in zip(panels, comparison.results, strict=False):
        _panel(axes, comparison.exact_points(), result, limits)
    for axes in panels[len(comparison.results) :]:
        axes.set_visible(False)
    for index, axes in enumerate(panels[:count]):
        if index + columns >= count:
            axes.set_xlabel("speed of one request (tokens/s)")
            axes.tick_params(labelbottom=True)
        if index % columns == 0:
            axes.set_ylabel("cost ($ per million tokens)", parse_math=False)
    _title_and_legend(figure, comparison)
    return figure


def _limits(comparison: Comparison) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of both axes: the exact frontier and all that can be launched, with some room."""
    points = [comparison.exact_points(), *(result.points for result in comparison.results)]
    speed = np.concatenate([item.speed for item in points])
    cost = np.concatenate([item.cost for item in points])
    return (
        (float(speed.min()) / _MARGIN, float(speed.max()) * _MARGIN),
        (float(cost.min()) / _MARGIN, float(cost.max()) * _MARGIN),
    )


def _panel(
    axes: Axes, exact: Points, result: HeuristicResult, limits: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    from matplotlib import ticker

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    for axis, (low, high) in zip((axes.xaxis, axes.yaxis), limits, strict=True):
        subs = (1.0, 2.0, 5.0) if high / low < 3e3 else (1.0,)
        axis.set_major_locator(ticker.LogLocator(subs=subs, numticks=12))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(ticker.NullLocator())
    axes.grid(color="0.93", linewidth=0.6)
    if len(result.points):
        _gap(axes, exact, result.points, limits)
    _claims(axes, result)
    axes.step(*_steps(exact, limits), where="pre", color=_EXACT, linewidth=2.6, zorder=4)
    if len(result.points):
        axes.step(*_steps(result.points, limits), where="pre", color=_OWN, linewidth=0.9, zorder=5)
        axes.plot(result.points.speed, result.points.cost, ".", color=_OWN, markersize=2.6, zorder=6)
    axes.set_title(result.name, loc="left", fontsize=9.5, fontweight="bold", pad=16)
    axes.text(0.0, 1.025, _caption(result), transform=axes.transAxes, fontsize=7.5, color="0.35", parse_math=False)


def _caption(result: HeuristicResult) -> str:
    if not len(result.points):
        return f"none of {len(result.proposals)} proposals can be launched"
    hypervolume = f"HV {100 * result.hypervolume_ratio:.1f} %"
    median, worst = result.cost_regret.median, result.cost_regret.worst
    if median is None or worst is None:
        return hypervolume
    return f"more expensive: median {100 * median:.1f} %, worst {100 * worst:.3g} %; {hypervolume}"


def _steps(points: Points, limits: tuple[tuple[float, float], tuple[float, float]]) -> tuple[Array, Array]:
    """Corners of the least cost at every speed, from the left edge up to the fastest point and then out of sight."""
    order = np.argsort(points.speed)
    speed, cost = points.speed[order], points.cost[order]
    return (
        np.concatenate([[limits[0][0]], speed, [speed[-1]]]),
        np.concatenate([[cost[0]], cost, [limits[1][1] * 10.0]]),
    )


def _gap(axes: Axes, exact: Points, own: Points, limits: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Shade what can be had but was not found: above the exact staircase and below the heuristic's."""
    edges = np.unique(np.concatenate([[limits[0][0]], exact.speed, own.speed]))
    edges = edges[edges <= exact.speed.max()]
    top = limits[1][1] * 10.0
    reached = _least_cost(own, edges, top)
    axes.fill_between(
        edges, _least_cost(exact, edges, top), reached, step="pre", color=_GAP, alpha=0.35, linewidth=0.0, zorder=2
    )


def _least_cost(points: Points, speeds: Array, otherwise: float) -> Array:
    as_fast = points.speed[None, :] >= speeds[:, None] * (1.0 - 1e-12)
    return np.asarray(np.where(as_fast, points.cost[None, :], otherwise).min(axis=1, initial=otherwise))


def _claims(axes: Axes, result: HeuristicResult) -> None:
    """Hollow points for what was claimed and cannot be launched."""
    refused = np.array([bool(reasons) for reasons in result.verdicts.reasons], dtype=bool)
    claimed = 1.0 / result.proposals.latency_s[refused], result.proposals.cost_usd_per_mtok[refused]
    style: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": _CLAIM, "markeredgewidth": 0.6}
    thinned = max(1, len(claimed[0]) // _MOST_CLAIMS)
    axes.plot(*claimed, "o", markersize=3.4, zorder=5, markevery=thinned, **style)


def _title_and_legend(figure: Figure, comparison: Comparison) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    frontier = comparison.frontier
    heading = f"{frontier.scenario.name}: {wording.subject(frontier)}"
    figure.suptitle(heading, x=0.01, ha="left", fontsize=10, fontweight="bold", parse_math=False)
    handles = [
        Line2D([], [], color=_EXACT, linewidth=2.6, label="exact frontier (proven)"),
        Line2D([], [], color=_OWN, linewidth=0.9, marker=".", label="heuristic, what can be launched"),
        Patch(facecolor=_GAP, alpha=0.35, label="gap"),
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            markersize=4,
            markerfacecolor="none",
            markeredgecolor=_CLAIM,
            label="claimed, cannot be launched",
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
