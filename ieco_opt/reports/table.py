"""Results for people in a terminal: a table of many deployments, a card of one. Plain text throughout."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ieco_opt.reports import wording
from ieco_opt.reports.card import render_card
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

MOST_ROWS = 30
LEAST_WIDTH = 40

_BETWEEN = "  "
_LEFT_OUT_FIRST = ("memory", "power", "MFU", "bottleneck", "throughput", "draft", "weights")
"""Columns that a narrow terminal does without, in this order."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of text: two lines of head and one cell a row, numbers to the right and words to the left."""

    name: str
    unit: str
    cells: tuple[str, ...]
    words: bool = False

    @property
    def width(self) -> int:
        return max(map(len, (self.name, self.unit, *self.cells)))

    def lines(self) -> list[str]:
        texts = (self.name, self.unit, *self.cells)
        return [text.ljust(self.width) if self.words else text.rjust(self.width) for text in texts]


def render(frontier: Frontier, width: int = 80) -> str:
    """Put a result into text for a terminal of ``width`` columns.

    One answer becomes a card, several deployments a table of at most ``MOST_ROWS`` rows, evenly thinned.
    Where the terminal is narrow, columns that matter less are left out.
    """
    width = max(width, LEAST_WIDTH)
    if frontier.question != "frontier" and len(frontier) == 1:
        return render_card(frontier, width)
    shown = _thinned(frontier.deployments)
    parts = [_wrapped(_title(frontier), width), _wrapped(_foot(frontier, shown), width)]
    if shown:
        columns = _columns(shown, frontier.deployments)
        parts.insert(1, _joined(_fitting(columns, width)))
    return "\n\n".join(parts)


def _wrapped(lines: Iterable[str], width: int) -> str:
    return "\n".join(textwrap.fill(line, width) for line in lines)


def _thinned(deployments: Sequence[Deployment]) -> list[Deployment]:
    """Keep both ends and rows evenly between them."""
    last, most = len(deployments) - 1, MOST_ROWS - 1
    if last <= most:
        return list(deployments)
    return [deployments[round(row * last / most)] for row in range(MOST_ROWS)]


def _title(frontier: Frontier) -> list[str]:
    warning = wording.warning(frontier)
    lines = [f"{frontier.scenario.name}: {wording.subject(frontier)}", wording.claim(frontier)]
    return lines if warning is None else [warning, *lines]


def _joined(columns: Sequence[_Column]) -> str:
    rows = zip(*(column.lines() for column in columns), strict=True)
    return "\n".join(_BETWEEN.join(cells).rstrip() for cells in rows)


def _columns(shown: Sequence[Deployment], every: Sequence[Deployment]) -> list[_Column]:
    """Columns that have something to say: what is the same in every deployment stands in the title."""
    columns = [
        _numbers("speed", "tokens/s", [item.speed_tokens_per_s for item in shown]),
        _numbers("cost", "$/Mtok", [item.cost_usd_per_mtok for item in shown]),
        _Column("GPUs", "", tuple(str(item.gpus) for item in shown)),
    ]
    if _varies(item.accelerator for item in every):
        columns.append(_Column("accelerator", "", tuple(item.accelerator for item in shown), words=True))
    if _varies(item.weights for item in every):
        columns.append(_Column("weights", "", tuple(item.weights or "-" for item in shown), words=True))
    columns.append(_Column("layout", "", tuple(wording.layout(item) for item in shown), words=True))
    columns.append(_Column("batch", "", tuple(f"{item.batch:,}" for item in shown)))
    if any(item.draft_tokens for item in shown):
        columns.append(_Column("draft", "tokens", tuple(str(item.draft_tokens or "-") for item in shown)))
    throughput = tuple(f"{item.throughput_tokens_per_s:,.0f}" for item in shown)
    columns.append(_Column("throughput", "tokens/s", throughput))
    columns.append(_Column("bottleneck", "", tuple(item.bottleneck for item in shown), words=True))
    columns.append(_numbers("MFU", "%", [100.0 * item.mfu for item in shown], significant=2))
    if any(item.power_kw is not None for item in shown):
        columns.append(_numbers("power", "kW", [item.power_kw for item in shown], significant=3))
    columns.append(_numbers("memory", "GB/GPU", [item.memory_per_gpu_gb for item in shown], significant=3))
    if any(item.status != "optimal" for item in shown):
        columns.append(_Column("gap", "", tuple(_gap(item) for item in shown)))
    return columns


def _gap(deployment: Deployment) -> str:
    if deployment.status == "optimal":
        return "proven"
    return wording.percent(deployment.gap) if math.isfinite(deployment.gap) else "open"


def _varies(values: Iterable[object]) -> bool:
    return len(set(values)) > 1


def _numbers(name: str, unit: str, values: Sequence[float | None], significant: int = 4) -> _Column:
    """Numbers with as many decimals as the least of them needs, so that the points line up."""
    known = [abs(value) for value in values if value]
    digits = significant - 1 - math.floor(math.log10(min(known))) if known else 0
    decimals = min(max(digits, 0), significant)
    cells = tuple("-" if value is None else f"{value:.{decimals}f}" for value in values)
    return _Column(name, unit, cells)


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """Leave out columns until the rest fits."""
    for name in _LEFT_OUT_FIRST:
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
