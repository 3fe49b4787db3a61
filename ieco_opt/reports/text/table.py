"""Tables of plain text: columns side by side that fit a terminal, and lines of words above and below them."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

MOST_ROWS = 30
LEAST_WIDTH = 40

Row = TypeVar("Row")

_BETWEEN = "  "


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

    @property
    def full_name(self) -> str:
        """Its head in one line: a unit that starts with a slash goes on with the name."""
        return self.name + self.unit if self.unit.startswith("/") else self.name

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


def shortened(text: str, most: int) -> str:
    """Keep both ends, since names that are alike often differ in the last letters."""
    kept = len(text)
    short = text
    while width_of(short) > most and kept > 1:
        kept = min(kept, most - 1) - 1
        short = text[: kept - kept // 2] + ".." + text[len(text) - kept // 2 :]
    return short


def wrapped(lines: Iterable[str], width: int, indent: str = "") -> str:
    """Fill lines of text; what goes on after a break is indented, and no break splits a range or a name."""
    return "\n".join(textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False) for line in lines)


def indented(line: str, width: int, by: int = 2) -> str:
    """Fill one line of text, which may be indented; what goes on after a break is indented by more."""
    indent = " " * (len(line) - len(line.lstrip()) + by)
    return textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False)


def thinned(rows: Sequence[Row]) -> list[Row]:
    """Keep both ends and rows evenly between them."""
    last, most = len(rows) - 1, MOST_ROWS - 1
    if last <= most:
        return list(rows)
    return [rows[round(row * last / most)] for row in range(MOST_ROWS)]


def left_out(total: int, shown: int) -> list[str]:
    """Say how many rows a thinned table lacks, and where they are."""
    if total == shown:
        return []
    return [f"{total - shown} of {total} rows are left out; --out FILE or --format csv has them all"]


def joined(columns: Sequence[Column]) -> str:
    """Put columns side by side."""
    rows = zip(*(column.lines() for column in columns), strict=True)
    return "\n".join(_BETWEEN.join(cells).rstrip() for cells in rows)


def fitting(
    columns: list[Column], width: int, left_out_first: Sequence[str], stated: Collection[str] = ()
) -> list[Column]:
    """Leave out columns by name until the rest fits, but none that is ``stated``.

    Where stated columns stay that would have gone, others than those named go for them: the last ones first.
    """
    named = [name for name in left_out_first if name not in stated]
    others = [item.name for item in columns[:0:-1] if item.name not in {*left_out_first, *stated}]
    for name in [*named, *others] if set(stated) & set(left_out_first) else named:
        if sum(item.width + len(_BETWEEN) for item in columns) - len(_BETWEEN) <= width:
            break
        columns = [item for item in columns if item.name != name]
    return columns


def cells_within(
    columns: Sequence[Sequence[str]], width: int | None, left_out_first: Iterable[str]
) -> tuple[list[Sequence[str]], list[str]]:
    """The same of columns that are cells below a head: those kept, and a line on those that are not.

    ``width`` is ``None`` where there is place for all.
    """
    kept = list(columns)
    for name in left_out_first:
        if width is None or sum(max(map(width_of, each)) + len(_BETWEEN) for each in kept) - len(_BETWEEN) <= width:
            break
        kept = [each for each in kept if each[0] != name]
    missing = [each[0] for each in columns if each not in kept]
    return kept, [f"not shown at this width: {', '.join(missing)}"] if missing else []


def not_shown(columns: Iterable[Column], kept: Iterable[Column]) -> list[str]:
    """Say which columns there was no place for; no line where all are kept."""
    names = {column.name for column in kept}
    missing = [column.full_name for column in columns if column.name not in names]
    return [f"not shown at this width: {', '.join(missing)}"] if missing else []
