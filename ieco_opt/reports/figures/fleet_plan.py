"""One plan of a fleet as a picture: pools filled by workloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import style
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.table import shortened, width_of
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

_IDLE: dict[str, Any] = {"facecolor": "#d0d0d0", "edgecolor": "white"}
_FREE: dict[str, Any] = {"facecolor": "#f3f3f3", "edgecolor": "#dddddd"}
_MOST_FREE = 3.0
"""The axis ends where the fullest pool has been allocated so many times; beyond it there is only free capacity."""

_MOST_LETTERS = 30


@dataclass(frozen=True, slots=True)
class _Part:
    """GPUs of one pool that run one phase of one workload."""

    workload: str
    phase: str
    gpus: int


@style.styled
def draw(result: FleetResult) -> Figure:
    """Draw the GPUs of each pool, filled by workloads and phases."""
    from ieco_opt.reports.figures.picture import Picture

    plan = result[0]
    high = _POOL_INCHES * len(plan.pools)
    figure = Picture(figsize=(_AXES_INCHES + 2.0, high + 2.0 * _MARGIN_INCHES))
    axes = style.panel(figure, 0.3, _MARGIN_INCHES, _AXES_INCHES, high)
    names = [workload.name for workload in result.scenario.workloads]
    colours = {name: style.MANY_COLOURS[at % len(style.MANY_COLOURS)] for at, name in enumerate(names)}
    owned = {pool.name: pool.owned_gpus for pool in result.scenario.pools}
    end = _scales(axes, plan)
    for at, pool in enumerate(plan.pools):
        _bar(axes, at, pool, _parts(plan, pool, names), colours, end)
        caption = _caption(pool, owned.get(pool.pool, 0))
        axes.text(0.0, at + 0.5 - _BAR - 0.07, caption, va="bottom", fontsize=style.SMALL, parse_math=False)
    _colours_and_phases(figure, axes, plan, colours)
    warning = wording.warning(result)
    lines = [
        *([] if warning is None else [warning]),
        fleet_wording.totals(plan),
        fleet_wording.verdict(result, plan),
    ]
    style.title(axes, result.scenario.name, lines)
    return figure


def _scales(axes: Axes, plan: FleetPlan) -> float:
    """Set the axes up; returns where the one of GPUs ends, which a capacity may go beyond."""
    from matplotlib import ticker

    capacity = max((max(pool.capacity_gpus, pool.allocated_gpus) for pool in plan.pools), default=1)
    allocated = max((pool.allocated_gpus for pool in plan.pools), default=0)
    end = min(float(capacity), _MOST_FREE * allocated) if allocated else float(capacity)
    axes.set_xlim(0.0, end)
    axes.set_ylim(len(plan.pools) - 0.5 + _BAR / 2.0, -0.5 - 0.06)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=8, integer=True))
    style.plain_numbers(axes.xaxis)
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
    """One pool: what works, what is allocated and idle, what is free."""
    bottom = at + 0.5 - _BAR
    common: dict[str, Any] = {"height": _BAR, "align": "edge", "linewidth": 0.6}
    axes.barh(bottom, pool.capacity_gpus, **common, **_FREE)
    axes.barh(bottom, pool.allocated_gpus, **common, **_IDLE)
    left = 0
    for part in parts:
        colour = colours[part.workload]
        axes.barh(bottom, part.gpus, left=left, color=colour, edgecolor="white", hatch=PHASES[part.phase], **common)
        _name_in_bar(axes, left, bottom, part, colour, end)
        left += part.gpus
    if pool.capacity_gpus > end:
        text = f"capacity {pool.capacity_gpus:,}  \u2192 "
        middle = bottom + _BAR / 2.0
        axes.text(end, middle, text, ha="right", va="center", fontsize=style.SMALLEST, color="0.45")


def _caption(pool: PoolSummary, owned: int) -> str:
    """Say in a line how full a pool is, and what it costs."""
    name = f"{shortened(pool.pool, _MOST_LETTERS)} ({shortened(pool.accelerator, _MOST_LETTERS)})"
    if not pool.allocated_gpus:
        return f"{name}: none of {pool.capacity_gpus:,} GPUs allocated"
    idle = pool.allocated_gpus - pool.used_gpus
    parts = [f"{pool.allocated_gpus:,} of {pool.capacity_gpus:,} GPUs allocated"]
    parts += [f"{min(owned, pool.allocated_gpus):,} of them owned"] * bool(owned) + [f"{idle:,} idle"] * bool(idle)
    return f"{name}: {', '.join(parts)}, ${pool.usd_per_hour:,.2f}/h"


def _name_in_bar(axes: Axes, left: float, bottom: float, part: _Part, colour: str, end: float) -> None:
    """Say what a part is, if there is room for it; the legend says it in any case."""
    room = part.gpus / end * _AXES_INCHES * 72.0 - 6.0
    texts = (f"{part.workload} {part.gpus:,}", f"{shortened(part.workload, 12)} {part.gpus:,}", f"{part.gpus:,}")
    fitting = [text for text in texts if width_of(text) * style.LETTER_POINTS <= room]
    if fitting:
        axes.text(
            left + part.gpus / 2.0,
            bottom + _BAR / 2.0,
            fitting[0],
            ha="center",
            va="center",
            fontsize=style.SMALLEST,
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
        handles.append(style.space())
        handles += [
            Patch(facecolor="0.45", edgecolor="white", hatch=PHASES[phase], label=phase)
            for phase in PHASES
            if phase in used
        ]
    handles.append(style.space())
    if any(pool.allocated_gpus > pool.used_gpus for pool in plan.pools):
        handles.append(Patch(label="allocated, idle", **_IDLE))
    if any(pool.capacity_gpus > pool.allocated_gpus for pool in plan.pools):
        handles.append(Patch(label="not allocated", **_FREE))
    _legend(figure, axes, handles)


def _legend(figure: Figure, axes: Axes, handles: list[Artist]) -> None:
    """Put a legend where it covers nothing: to the right of the axes, or below them where it is far longer."""
    high = float(axes.get_position().height * figure.get_figheight())
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}
    if _ENTRY_INCHES * len(handles) > high + 2.0 * _MARGIN_INCHES:
        handles = [handle for handle in handles if str(handle.get_label()).strip()]
        letters = max(width_of(str(handle.get_label())) for handle in handles)
        width = letters * style.LETTER_POINTS * style.SMALL / style.SMALLEST + 30.0
        columns = max(1, int(_AXES_INCHES * 72.0 / width))
        place = {"loc": "upper left", "bbox_to_anchor": (0.0, -_MARGIN_INCHES / high), "ncols": columns}
    figure.legend(
        handles=handles,
        bbox_transform=axes.transAxes,
        frameon=False,
        fontsize=style.SMALL,
        alignment="left",
        borderaxespad=0.0,
        handlelength=1.6,
        handleheight=1.1,
        **place,
    )
