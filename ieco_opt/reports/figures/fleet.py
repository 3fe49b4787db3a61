"""Plans of a fleet as pictures: pools filled by workloads, or the frontier of cost against something else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures.frontier import COLOURS, TABLE_WIDTH, cost_ticks, legend_key, point, title, write_figure
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.fleet import guarantee, render, shortened, totals, trade, verdict
from ieco_opt.reports.text.frontier import width_of
from ieco_opt.results.plan import FleetPlan, FleetResult, PoolSummary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PHASES = {"colocated": "", "prefill": "/////", "decode": "..."}
"""Hatching of each phase."""

_AXES_INCHES = 5.2
_POOL_INCHES = 0.62
_MARGIN_INCHES = 0.55
_ENTRY_INCHES = 0.185
_BAR = 0.56
_LETTER_POINTS = 4.4
"""Width of a letter in bars, rather too wide."""

# Black hides hatching; those that follow differ from the others as well as sixteen colours can.
_MANY_COLOURS = (*COLOURS[:-1], "#332288", "#999933", "#AA4499", "#661100", "#44AA99", "#6699CC", "#117733", "#4D4D4D")
_IDLE: dict[str, Any] = {"facecolor": "#d0d0d0", "edgecolor": "white"}
_UNRENTED: dict[str, Any] = {"facecolor": "#f3f3f3", "edgecolor": "#dddddd"}
_MOST_UNRENTED = 3.0
"""The axis ends where the fullest pool has been rented so many times; beyond it there is only stock."""

_MOST_LETTERS = 30
_FRONTIER_INCHES = (7.2, 4.2)
_LARGEST_LINEAR = 8.0


def plot(result: FleetResult, path: Path) -> None:
    """Draw a plan, or the frontier; equal results, equal bytes.

    Parameters
    ----------
    path
        File whose ending is one of ``ieco_opt.reports.figures.frontier.KINDS``.

    Raises
    ------
    ScenarioError
        The ending is unknown, matplotlib is missing, or the file cannot be written.
    """
    write_figure(path, lambda: _figure(result), result.scenario.name, lambda: render(result, TABLE_WIDTH))


def _figure(result: FleetResult) -> Figure:
    return _frontier_figure(result) if result.is_frontier else _plan_figure(result, result.plans[0])


# One plan


@dataclass(frozen=True, slots=True)
class _Part:
    """GPUs of one pool that run one phase of one workload."""

    workload: str
    phase: str
    gpus: int


def _plan_figure(result: FleetResult, plan: FleetPlan) -> Figure:
    from matplotlib.figure import Figure

    high = _POOL_INCHES * len(plan.pools)
    inches = (_AXES_INCHES + 2.0, high + 2.0 * _MARGIN_INCHES)
    figure = Figure(figsize=inches)
    axes = figure.add_axes(
        (0.3 / inches[0], _MARGIN_INCHES / inches[1], _AXES_INCHES / inches[0], high / inches[1]),
    )
    names = [workload.name for workload in result.scenario.workloads]
    colours = {name: _MANY_COLOURS[at % len(_MANY_COLOURS)] for at, name in enumerate(names)}
    end = _scales(axes, plan)
    for at, pool in enumerate(plan.pools):
        _bar(axes, at, pool, _parts(plan, pool, names), colours, end)
    _colours_and_phases(figure, axes, plan, colours)
    warning = wording.warning(result)
    lines = [*([] if warning is None else [warning]), totals(plan), verdict(result, plan)]
    title(axes, result.scenario.name, lines)
    return figure


def _scales(axes: Axes, plan: FleetPlan) -> float:
    """Set the axes up; returns where the one of GPUs ends, which a stock may go beyond."""
    from matplotlib import ticker

    stock = max((max(pool.capacity_gpus, pool.allocated_gpus) for pool in plan.pools), default=1)
    rented = max((pool.allocated_gpus for pool in plan.pools), default=0)
    end = min(float(stock), _MOST_UNRENTED * rented) if rented else float(stock)
    axes.set_xlim(0.0, end)
    axes.set_ylim(len(plan.pools) - 0.5 + _BAR / 2.0, -0.5 - 0.06)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=8, integer=True))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("GPUs")
    return end


def _parts(plan: FleetPlan, pool: PoolSummary, names: list[str]) -> list[_Part]:
    """What runs on a pool, in the order of the scenario."""
    gpus: dict[tuple[str, str], int] = {}
    for row in plan.instances:
        if row.pool == pool.pool:
            key = row.workload, row.phase
            gpus[key] = gpus.get(key, 0) + row.instances * row.gpus
    return [_Part(name, phase, gpus[name, phase]) for name in names for phase in PHASES if (name, phase) in gpus]


def _bar(axes: Axes, at: int, pool: PoolSummary, parts: list[_Part], colours: dict[str, str], end: float) -> None:
    """One pool: what works, what is rented and idle, what is not rented; above it a line in words."""
    bottom = at + 0.5 - _BAR
    common: dict[str, Any] = {"height": _BAR, "align": "edge", "linewidth": 0.6}
    axes.barh(bottom, pool.capacity_gpus, **common, **_UNRENTED)
    axes.barh(bottom, pool.allocated_gpus, **common, **_IDLE)
    left = 0
    for part in parts:
        colour = colours[part.workload]
        axes.barh(bottom, part.gpus, left=left, color=colour, edgecolor="white", hatch=PHASES[part.phase], **common)
        _name_in_bar(axes, left, bottom, part, colour, end)
        left += part.gpus
    if pool.capacity_gpus > end:
        axes.text(
            end,
            bottom + _BAR / 2.0,
            f"{pool.capacity_gpus:,} in stock  \u2192 ",
            ha="right",
            va="center",
            fontsize=7,
            color="0.45",
        )
    caption = f"{shortened(pool.pool, _MOST_LETTERS)} ({shortened(pool.accelerator, _MOST_LETTERS)}): {_caption(pool)}"
    axes.text(0.0, bottom - 0.07, caption, ha="left", va="bottom", fontsize=8, parse_math=False)


def _caption(pool: PoolSummary) -> str:
    if not pool.allocated_gpus:
        return f"none of {pool.capacity_gpus:,} GPUs rented"
    idle = pool.allocated_gpus - pool.used_gpus
    rented = f"{pool.allocated_gpus:,} of {pool.capacity_gpus:,} GPUs rented" + (f", {idle:,} idle" if idle else "")
    return f"{rented}, ${pool.usd_per_hour:,.2f}/h"


def _name_in_bar(axes: Axes, left: float, bottom: float, part: _Part, colour: str, end: float) -> None:
    """Say what a part is, if there is room for it; the legend says it in any case."""
    room = part.gpus / end * _AXES_INCHES * 72.0 - 6.0
    texts = (f"{part.workload} {part.gpus:,}", f"{shortened(part.workload, 12)} {part.gpus:,}", f"{part.gpus:,}")
    fitting = [text for text in texts if width_of(text) * _LETTER_POINTS <= room]
    if fitting:
        axes.text(
            left + part.gpus / 2.0,
            bottom + _BAR / 2.0,
            fitting[0],
            ha="center",
            va="center",
            fontsize=7,
            color="white" if _is_dark(colour) else "black",
            # Letters on hatching cannot be read.
            bbox={"facecolor": colour, "linewidth": 0.0, "boxstyle": "square,pad=0.15"},
            parse_math=False,
        )


def _is_dark(colour: str) -> bool:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140.0


def _colours_and_phases(figure: Figure, axes: Axes, plan: FleetPlan, colours: dict[str, str]) -> None:
    """Put colours and hatching beside the bars, all in one legend, which cannot overlap itself."""
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Patch(facecolor=colour, label=shortened(name, _MOST_LETTERS)) for name, colour in colours.items()
    ]
    used = {row.phase for row in plan.instances}
    if len(used) > 1:
        handles.append(_space())
        handles += [
            Patch(facecolor="0.45", edgecolor="white", hatch=PHASES[phase], label=phase)
            for phase in PHASES
            if phase in used
        ]
    handles.append(_space())
    if any(pool.allocated_gpus > pool.used_gpus for pool in plan.pools):
        handles.append(Patch(label="rented, idle", **_IDLE))
    if any(pool.capacity_gpus > pool.allocated_gpus for pool in plan.pools):
        handles.append(Patch(label="not rented", **_UNRENTED))
    _legend(figure, axes, handles)


def _legend(figure: Figure, axes: Axes, handles: list[Artist]) -> None:
    """Put a legend where it covers nothing: to the right of the axes, or below them where it is far longer."""
    high = float(axes.get_position().height * figure.get_figheight())
    style: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}
    if _ENTRY_INCHES * len(handles) > high + 2.0 * _MARGIN_INCHES:
        handles = [handle for handle in handles if str(handle.get_label()).strip()]
        letters = max(width_of(str(handle.get_label())) for handle in handles)
        columns = max(1, int(_AXES_INCHES * 72.0 / (letters * _LETTER_POINTS * 8 / 7 + 30.0)))
        style = {"loc": "upper left", "bbox_to_anchor": (0.0, -_MARGIN_INCHES / high), "ncols": columns}
    figure.legend(
        handles=handles,
        bbox_transform=axes.transAxes,
        frameon=False,
        fontsize=8,
        alignment="left",
        borderaxespad=0.0,
        handlelength=1.6,
        handleheight=1.1,
        **style,
    )


def _space() -> Artist:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", label=" ")


# Frontiers


def _frontier_figure(result: FleetResult) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_FRONTIER_INCHES)
    axes = figure.add_axes((0.1, 0.12, 0.86, 0.70))
    _frontier_scales(axes, result)
    _staircase(axes, result)
    _points(figure, axes, result)
    warning = wording.warning(result)
    title(axes, result.scenario.name, [*([] if warning is None else [warning]), trade(result), guarantee(result)])
    return figure


def _other(result: FleetResult, plan: FleetPlan) -> float:
    """What a frontier trades cost against; power that is unknown lies at zero."""
    if result.question == "speed":
        return plan.speed_factor
    return float(plan.gpus) if result.question == "cost_gpus" else plan.power_kw or 0.0


def _frontier_scales(axes: Axes, result: FleetResult) -> None:
    """Limits, ticks and names of the axes, which hold every point."""
    from matplotlib import ticker

    costs = [plan.usd_per_hour for plan in result.plans] or [0.0, 1.0]
    others = [_other(result, plan) for plan in result.plans] or [1.0, 2.0]
    left, right = _widened(others)
    # Factors begin at 1.
    axes.set_xlim(1.0 - 0.02 * (right - 1.0) if result.question == "speed" else left, right)
    low, high = min(costs), max(costs)
    if low > 0.0 and high / low > _LARGEST_LINEAR:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        axes.yaxis.set_major_locator(cost_ticks(high / low))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_ylim(*_widened(costs))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    names = {"speed": "common factor on every least speed", "cost_power": "power (kW)", "cost_gpus": "rented GPUs"}
    axes.set_xlabel(names[result.question])
    axes.set_ylabel("cost ($/h)", parse_math=False)
    axes.grid(color="0.92", linewidth=0.6)


def _widened(values: list[float]) -> tuple[float, float]:
    """Range of some values with room around them."""
    low, high = min(values), max(values)
    room = 0.07 * (high - low) or 0.2 * high or 1.0
    return max(low - room, 0.0), high + room


def _staircase(axes: Axes, result: FleetResult) -> None:
    """The least known cost of what is at least so good: of the faster neighbour, or of that with less power."""
    if not result.plans:
        return
    rising = sorted((_other(result, plan), plan.usd_per_hour) for plan in result.plans)
    others, costs = [other for other, _ in rising], [cost for _, cost in rising]
    left, right = axes.get_xlim()
    style: dict[str, Any] = {"color": "0.6", "linewidth": 0.9, "zorder": 2}
    if result.question == "speed":
        axes.step([left, *others], [costs[0], *costs], where="pre", **style)
    else:
        axes.step([*others, right], [*costs, costs[-1]], where="post", **style)


def _points(figure: Figure, axes: Axes, result: FleetResult) -> None:
    """Draw each plan, hollow where it is not proven."""
    for plan in result.plans:
        point(axes, _other(result, plan), plan.usd_per_hour, "o", COLOURS[0], proven=plan.status == "optimal")
    if any(plan.status != "optimal" for plan in result.plans):
        keys: list[Artist] = [
            legend_key("o", COLOURS[0], "proven optimal"),
            legend_key("o", COLOURS[0], "not proven", fill="white"),
        ]
        _legend(figure, axes, keys)
