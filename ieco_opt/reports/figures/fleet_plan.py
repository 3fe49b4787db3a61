"""One plan of a fleet as a picture: pools filled by workloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import glyphs, style
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
_CAPTION_INCHES, _BAR_INCHES, _ROW_INCHES, _GAP_INCHES = 0.21, 0.31, 0.15, 0.1
"""Heights of what a pool takes: its caption, its bar, a row of labels below the bar, and what is left below these."""

_MARGIN_INCHES = 0.55
_ENTRY_INCHES = 0.185
_SWATCH_POINTS, _BETWEEN_POINTS = 12.0, 6.0

_IDLE: dict[str, Any] = {"facecolor": "#d0d0d0", "edgecolor": "white"}
_FREE: dict[str, Any] = {"facecolor": "#f3f3f3", "edgecolor": "#dddddd"}
_MOST_FREE = 3.0
"""The axis ends where the fullest pool has been allocated so many times; beyond it there is only free capacity."""

_MOST_LETTERS = 30
_LETTERS_IN_BAR, _LETTERS_BELOW = 12, 20


@dataclass(frozen=True, slots=True)
class _Part:
    """GPUs of one pool that run one phase of one workload; ``sizes`` are instances by the GPUs of each."""

    workload: str
    phase: str
    sizes: dict[int, int]

    @property
    def gpus(self) -> int:
        """GPUs of all its instances."""
        return sum(instances * gpus for gpus, instances in self.sizes.items())

    @property
    def product(self) -> str:
        """Instances times GPUs, the largest instances first."""
        return " + ".join(f"{self.sizes[gpus]:,} x {gpus:,}" for gpus in sorted(self.sizes, reverse=True))


@dataclass(frozen=True, slots=True)
class _Below:
    """A part whose bar is too short for words: what it is called below the bar, at which row and point."""

    part: _Part
    text: str
    row: int
    left: float


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One pool as it is drawn: its parts, those that are named below the bar, and where it begins, in inches."""

    pool: PoolSummary
    parts: list[_Part]
    below: list[_Below]
    top: float

    @property
    def inches(self) -> float:
        """What it takes from top to bottom."""
        rows = max((each.row + 1 for each in self.below), default=0)
        return _CAPTION_INCHES + _BAR_INCHES + rows * _ROW_INCHES + _GAP_INCHES


@style.styled
def draw(result: FleetResult) -> Figure:
    """Draw the GPUs of each pool, filled by workloads and phases; of a frontier its one plan."""
    from ieco_opt.reports.figures.picture import Picture

    plan = result[0]
    names = [workload.name for workload in result.scenario.workloads]
    colours = {name: style.MANY_COLOURS[at % len(style.MANY_COLOURS)] for at, name in enumerate(names)}
    owned = {pool.name: pool.owned_gpus for pool in result.scenario.pools}
    end = _end(plan)
    pools = _placed(plan, names, end)
    high = sum(each.inches for each in pools)
    figure = Picture(figsize=(_AXES_INCHES + 2.0, high + 2.0 * _MARGIN_INCHES))
    axes = style.panel(figure, 0.3, _MARGIN_INCHES, _AXES_INCHES, high)
    _scales(axes, end, high)
    for each in pools:
        _bars(axes, each, colours, end)
        _words_below(axes, each, colours, end)
        caption = _caption(each.pool, owned.get(each.pool.pool, 0))
        bottom = each.top + _CAPTION_INCHES - 0.03
        axes.text(0.0, bottom, caption, va="bottom", fontsize=style.SMALL, parse_math=False)
    _colours_and_phases(figure, axes, plan, colours)
    style.title(axes, result.scenario.name, _lines(result, plan))
    return figure


def _lines(result: FleetResult, plan: FleetPlan) -> list[str]:
    """What the plan comes to, and what is proven of it."""
    head = [*wording.warning(result), fleet_wording.totals(result, plan)]
    if not result.is_frontier:
        return [*head, fleet_wording.verdict(result, plan), *fleet_wording.choice(result, plan)]
    proof = wording.proof_of_one(plan.status, plan.gap)
    return [*head, f"{fleet_wording.trade(result)}; {proof}", fleet_wording.guarantee(result)]


def _end(plan: FleetPlan) -> float:
    """Where the axis of GPUs ends, which a capacity may go beyond."""
    capacity = max((max(pool.capacity_gpus, pool.allocated_gpus) for pool in plan.pools), default=1)
    allocated = max((pool.allocated_gpus for pool in plan.pools), default=0)
    return min(float(capacity), _MOST_FREE * allocated) if allocated else float(capacity)


def _placed(plan: FleetPlan, names: list[str], end: float) -> list[_Drawn]:
    """All pools, one below the other."""
    top, pools = 0.0, []
    for pool in plan.pools:
        parts = _parts(plan, pool, names)
        narrow = [part for part in parts if not _words_in_bar(part, end)]
        pools.append(_Drawn(pool, parts, _listed(narrow), top))
        top += pools[-1].inches
    return pools


def _scales(axes: Axes, end: float, high: float) -> None:
    """Set the axes up: GPUs to the right, inches downwards."""
    axes.set_xlim(0.0, end)
    axes.set_ylim(high, 0.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    style.whole_numbers(axes.xaxis)
    axes.set_xlabel("GPUs")


def _parts(plan: FleetPlan, pool: PoolSummary, names: list[str]) -> list[_Part]:
    """What runs on a pool, in the order of the scenario."""
    sizes: dict[tuple[str, str], dict[int, int]] = {}
    for row in plan.instances:
        if row.pool == pool.pool:
            of_part = sizes.setdefault((row.workload, row.phase), {})
            of_part[row.gpus] = of_part.get(row.gpus, 0) + row.instances
    return [_Part(name, phase, sizes[name, phase]) for name in names for phase in PHASES if (name, phase) in sizes]


def _bars(axes: Axes, drawn: _Drawn, colours: dict[str, str], end: float) -> None:
    """One pool: what works, what is allocated and idle, what is free."""
    pool, top = drawn.pool, drawn.top + _CAPTION_INCHES
    common: dict[str, Any] = {"height": _BAR_INCHES, "align": "edge", "linewidth": 0.6}
    axes.barh(top, pool.capacity_gpus, **common, **_FREE)
    axes.barh(top, pool.allocated_gpus, **common, **_IDLE)
    left = 0
    for part in drawn.parts:
        colour = colours[part.workload]
        axes.barh(top, part.gpus, left=left, color=colour, edgecolor="white", hatch=PHASES[part.phase], **common)
        words = _words_in_bar(part, end)
        if words:
            _name_in_bar(axes, left + part.gpus / 2.0, top + _BAR_INCHES / 2.0, words, colour)
        left += part.gpus
    if pool.capacity_gpus > end:
        text = f"capacity {pool.capacity_gpus:,}  \u2192 "
        middle = top + _BAR_INCHES / 2.0
        axes.text(end, middle, text, ha="right", va="center", fontsize=style.SMALLEST, color="0.45")


def _caption(pool: PoolSummary, owned: int) -> str:
    """Say in a line how full a pool is, and what it costs."""
    names = (shortened(glyphs.readable(name), _MOST_LETTERS) for name in (pool.pool, pool.accelerator))
    name = "{} ({})".format(*names)
    if not pool.allocated_gpus:
        return f"{name}: none of {pool.capacity_gpus:,} GPUs allocated"
    idle = pool.allocated_gpus - pool.used_gpus
    parts = [f"{pool.allocated_gpus:,} of {pool.capacity_gpus:,} GPUs allocated"]
    parts += [f"{min(owned, pool.allocated_gpus):,} of them owned"] * bool(owned) + [f"{idle:,} idle"] * bool(idle)
    return f"{name}: {', '.join(parts)}, ${pool.usd_per_hour:,.2f}/h"


def _words_in_bar(part: _Part, end: float) -> str:
    """What a part is, in as many letters as its bar has room for; no letter where that is too few."""
    room = part.gpus / end * _AXES_INCHES * 72.0 - 6.0
    name = glyphs.readable(part.workload)
    texts = (f"{name} {part.product}", f"{shortened(name, _LETTERS_IN_BAR)} {part.product}")
    return next((text for text in texts if width_of(text) * style.LETTER_POINTS <= room), "")


def _listed(parts: list[_Part]) -> list[_Below]:
    """Put names of parts below the bar, in the order of the bars, in as many columns as there is room for."""
    texts = []
    for part in parts:
        phase = "" if part.phase == "colocated" else f" ({part.phase})"
        texts.append(f"{shortened(glyphs.readable(part.workload), _LETTERS_BELOW)} {part.product}{phase}")
    widest = max(map(width_of, texts), default=0) * style.LETTER_POINTS + _SWATCH_POINTS + _BETWEEN_POINTS
    columns = max(1, int(_AXES_INCHES * 72.0 / widest))
    return [
        _Below(part, text, at // columns, at % columns * widest)
        for at, (part, text) in enumerate(zip(parts, texts, strict=True))
    ]


def _words_below(axes: Axes, drawn: _Drawn, colours: dict[str, str], end: float) -> None:
    """Say below a bar what the parts are that are too narrow for words, each beside a swatch of its colour."""
    from matplotlib.patches import Rectangle

    gpus_a_point = end / (_AXES_INCHES * 72.0)
    for each in drawn.below:
        middle = drawn.top + _CAPTION_INCHES + _BAR_INCHES + (each.row + 0.55) * _ROW_INCHES
        left, width = each.left * gpus_a_point, (_SWATCH_POINTS - 3.0) * gpus_a_point
        swatch = Rectangle((left, middle - 0.04), width, 0.08, facecolor=colours[each.part.workload], linewidth=0.0)
        axes.add_patch(swatch)
        axes.text(
            (each.left + _SWATCH_POINTS) * gpus_a_point,
            middle,
            each.text,
            va="center",
            fontsize=style.SMALLEST,
            parse_math=False,
        )


def _name_in_bar(axes: Axes, x: float, y: float, words: str, colour: str) -> None:
    axes.text(
        x,
        y,
        words,
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
        Patch(facecolor=colour, label=shortened(glyphs.readable(name), _MOST_LETTERS))
        for name, colour in colours.items()
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
