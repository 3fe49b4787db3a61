"""Results for people in a terminal: a table of many deployments, a card of one. Plain text throughout."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ieco_opt.reports.text import wording
from ieco_opt.reports.text.deployment import render_card
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

MOST_ROWS = 30
LEAST_WIDTH = 40

Row = TypeVar("Row")

_BETWEEN = "  "
_LEFT_OUT_FIRST = ("memory", "power", "MFU", "bottleneck", "throughput", "draft", "weights")
"""Columns that a narrow terminal does without, in this order."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of text: two lines of head and one cell a row, numbers to the right and words to the left."""

    name: str
    unit: str
    cells: tuple[str, ...]
    words: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal that it takes."""
        return max(map(width_of, (self.name, self.unit, *self.cells)))

    def lines(self) -> list[str]:
        """Head and cells, each as wide as the widest."""
        width = self.width
        padded = ((" " * (width - width_of(text)), text) for text in (self.name, self.unit, *self.cells))
        return [text + space if self.words else space + text for space, text in padded]


def width_of(text: str) -> int:
    """Columns of the terminal that a text takes; letters of some scripts take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def render(frontier: Frontier, width: int = 80) -> str:
    """Put a result into text for a terminal of ``width`` columns.

    One answer becomes a card, several deployments a table of at most ``MOST_ROWS`` rows, evenly thinned.
    Where the terminal is narrow, columns that matter less are left out.
    """
    width = max(width, LEAST_WIDTH)
    if frontier.question != "frontier" and len(frontier) == 1:
        return render_card(frontier, width)
    shown = thinned(frontier.deployments)
    parts = [wrapped(_title(frontier), width), wrapped(_foot(frontier, shown), width)]
    if shown:
        columns = _columns(shown, frontier.deployments)
        parts.insert(1, joined(fitting(columns, width, _LEFT_OUT_FIRST)))
    return "\n\n".join(parts)


def wrapped(lines: Iterable[str], width: int, indent: str = "") -> str:
    """Fill lines of text; what goes on after a break is indented, and no break splits a range or a name."""
    return "\n".join(textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False) for line in lines)


def thinned(rows: Sequence[Row]) -> list[Row]:
    """Keep both ends and rows evenly between them."""
    last, most = len(rows) - 1, MOST_ROWS - 1
    if last <= most:
        return list(rows)
    return [rows[round(row * last / most)] for row in range(MOST_ROWS)]


def _title(frontier: Frontier) -> list[str]:
    warning = wording.warning(frontier)
    lines = [f"{frontier.scenario.name}: {wording.subject(frontier)}", wording.guarantee(frontier)]
    return lines if warning is None else [warning, *lines]


def joined(columns: Sequence[Column]) -> str:
    """Put columns side by side."""
    rows = zip(*(column.lines() for column in columns), strict=True)
    return "\n".join(_BETWEEN.join(cells).rstrip() for cells in rows)


def _columns(shown: Sequence[Deployment], every: Sequence[Deployment]) -> list[Column]:
    """Columns that have something to say: what is the same in every deployment stands in the title."""
    columns = [
        numbers("speed", "tokens/s", [item.speed_tokens_per_s for item in shown]),
        numbers("cost", "$/Mtok", [item.cost_usd_per_mtok for item in shown]),
        Column("GPUs", "", tuple(str(item.gpus) for item in shown)),
    ]
    if _varies(item.accelerator for item in every):
        columns.append(Column("accelerator", "", tuple(item.accelerator for item in shown), words=True))
    if _varies(item.weights for item in every):
        columns.append(Column("weights", "", tuple(item.weights or "-" for item in shown), words=True))
    columns.append(Column("layout", "", tuple(wording.layout(item) for item in shown), words=True))
    columns.append(Column("batch", "", tuple(f"{item.batch:,}" for item in shown)))
    if any(item.draft_tokens for item in shown):
        columns.append(Column("draft", "tokens", tuple(str(item.draft_tokens or "-") for item in shown)))
    throughput = tuple(f"{item.throughput_tokens_per_s:,.0f}" for item in shown)
    columns.append(Column("throughput", "tokens/s", throughput))
    columns.append(Column("bottleneck", "", tuple(item.bottleneck for item in shown), words=True))
    columns.append(numbers("MFU", "%", [100.0 * item.mfu for item in shown], significant=2))
    if any(item.power_kw is not None for item in shown):
        columns.append(numbers("power", "kW", [item.power_kw for item in shown], significant=3))
    columns.append(numbers("memory", "GB/GPU", [item.memory_per_gpu_gb for item in shown], significant=3))
    if any(item.status != "optimal" for item in shown):
        columns.append(Column("gap", "", tuple(gap_text(item.status, item.gap) for item in shown)))
    return columns


def gap_text(status: str, gap: float) -> str:
    """What is proven of one row, in a word."""
    if status == "optimal":
        return "proven"
    return wording.percent(gap) if math.isfinite(gap) else "open"


def _varies(values: Iterable[object]) -> bool:
    return len(set(values)) > 1


def numbers(name: str, unit: str, values: Sequence[float | None], significant: int = 4) -> Column:
    """Numbers with as many decimals as the least of them needs, so that the points line up."""
    known = [abs(value) for value in values if value]
    digits = significant - 1 - math.floor(math.log10(min(known))) if known else 0
    decimals = min(max(digits, 0), significant)
    cells = tuple("-" if value is None else f"{value:.{decimals}f}" for value in values)
    return Column(name, unit, cells)


def fitting(columns: list[Column], width: int, left_out_first: Iterable[str]) -> list[Column]:
    """Leave out columns by name until the rest fits."""
    for name in left_out_first:
        if sum(item.width + len(_BETWEEN) for item in columns) - len(_BETWEEN) <= width:
            break
        columns = [item for item in columns if item.name != name]
    return columns


def _foot(frontier: Frontier, shown: Sequence[Deployment]) -> list[str]:
    lines = []
    left_out = len(frontier) - len(shown)
    if left_out:
        lines.append(f"{left_out} of {len(frontier)} rows are left out; --out FILE or --format csv has them all")
    letters = {name: word for name, word in wording.LAYOUT_WORDS.items() if _uses(name, shown)}
    if letters:
        meaning = ", ".join(f"{name} {word}" for name, word in letters.items())
        lines.append(f"layout: {meaning} parallel degree; degrees of 1 are left out")
    if frontier.open_regions:
        count = len(frontier.open_regions)
        lines.append(f"{count} region{'s' if count > 1 else ''} of speed and cost left open (see --plot or --out)")
    lines.append(f"{wording.proof(frontier)}; {wording.effort(frontier)}")
    return lines


def _uses(letters: str, shown: Sequence[Deployment]) -> bool:
    return any(letters in wording.layout(item) for item in shown)
