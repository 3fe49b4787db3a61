"""A comparison with one point to find: the time of a token and the cost of each answer as bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import glyphs, style
from ieco_opt.reports.figures.comparison import MEANING, caption, lines_of
from ieco_opt.reports.text.table import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ieco_opt.results.comparison import Comparison

_LEFT, _BOTTOM, _WIDE, _BETWEEN, _ROW_INCHES = 1.5, 0.5, 2.2, 0.95, 0.3
_BAR = 0.62
_ROOM = 1.3
"""How much longer than the longest bar the axes are, so that the figure at its end is inside them."""

_MOST_LETTERS = 22
_LETTERS = 140
_EXACT, _OWN = "#8a8a8a", style.COLOURS[0]


@dataclass(frozen=True, slots=True)
class _Row:
    """One answer: its speed (output tokens/s/user) and cost ($ per million output tokens), ``None`` without one."""

    name: str
    point: tuple[float, float] | None
    said: str
    proven: bool = True


def is_drawn_as_bars(comparison: Comparison) -> bool:
    """Whether the exact frontier is one point and no heuristic found more."""
    return len(comparison.deployments) == 1 and all(len(each.points()) <= 1 for each in comparison.heuristics)


@style.styled
def draw(comparison: Comparison) -> Figure:
    """Draw the time per output token (ms) and the cost of the exact answer and of each heuristic's."""
    from ieco_opt.reports.figures.picture import Picture

    rows = _rows(comparison)
    high = _ROW_INCHES * len(rows)
    figure = Picture(figsize=(_LEFT + 2.0 * _WIDE + _BETWEEN + 2.4, _BOTTOM + high + 1.0))
    times = style.panel(figure, _LEFT, _BOTTOM, _WIDE, high)
    costs = style.panel(figure, _LEFT + _WIDE + _BETWEEN - 0.6, _BOTTOM, _WIDE, high)
    _bars(times, rows, lambda point: 1e3 / point[0])
    _bars(costs, rows, lambda point: point[1])
    times.set_xlabel("time per output token (ms)")
    costs.set_xlabel(style.COST, parse_math=False)
    times.set_yticks(range(len(rows)), [shortened(glyphs.readable(row.name), _MOST_LETTERS) for row in rows])
    costs.set_yticks([])
    for at, row in enumerate(rows):
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
        costs.annotate(row.said, (1.03, at), fontsize=style.SMALL, color="0.35", **place)
    lines = [*lines_of(comparison), MEANING]
    style.title(times, comparison.scenario.name, lines, outdent=_LEFT * 72.0 - 22.0, letters=_LETTERS)
    return figure


def _rows(comparison: Comparison) -> list[_Row]:
    best = comparison.deployments[0]
    proven = best.status == "optimal"
    said = "proven optimal" if proven else "not proven"
    exact = _Row("exact frontier", (best.speed_tokens_per_s, best.cost_usd_per_mtok), said, proven)
    found = [_Row(each.name, next(iter(each.points()), None), caption(each)) for each in comparison.heuristics]
    return [exact, *found]


def _bars(axes: Axes, rows: list[_Row], length: Callable[[tuple[float, float]], float]) -> None:
    """Draw a bar for each answer, with its figure at the end; hollow where it is not proven."""
    lengths = [None if row.point is None else length(row.point) for row in rows]
    for at, (row, value) in enumerate(zip(rows, lengths, strict=True)):
        if value is None:
            axes.text(0.0, at, " none", va="center", fontsize=style.SMALL, color="0.35")
            continue
        colour = _EXACT if at == 0 else _OWN
        look: dict[str, Any] = {"facecolor": colour if row.proven else "white", "edgecolor": colour}
        axes.barh(at, value, height=_BAR, linewidth=1.0, **look)
        axes.text(value, at, f" {value:.4g}", va="center", fontsize=style.SMALL, color="0.35")
    axes.set_xlim(0.0, _ROOM * max(value for value in lengths if value is not None))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0.0, labelcolor="black")
    style.plain_numbers(axes.xaxis)
