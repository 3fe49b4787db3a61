"""Tables under a line that says what they are about, which shorten names where a terminal is narrow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ieco_opt.reports.text.table import Column, fitting, joined, not_shown, shortened, width_of, wrapped

MOST_NAME = 16
"""Letters of a name that stay where a terminal is narrow, and those of a pool at the head of a column."""

_NAMES = ("workload", "pool", "accelerator", "requirement")
"""Columns of names, which may be shortened."""

_LEAST_NAME = 8


@dataclass(frozen=True, slots=True)
class TitledTable:
    """A table under a line that says what it is about.

    ``left_out_first`` names columns that a narrow terminal does without, in this order, and ``stated`` those that it
    keeps.
    """

    heading: str
    columns: list[Column]
    left_out_first: tuple[str, ...] = ()
    stated: frozenset[str] = frozenset()


def fitted(table: TitledTable, width: int) -> str:
    """Put a table into text, with a line that names the columns for which there was no place."""
    capped = _capped(table.columns, width)
    kept = {column.name for column in fitting(capped, width, table.left_out_first, table.stated)}
    columns = [column for column in table.columns if column.name in kept]
    lines = [wrapped([table.heading], width), joined(_with_shorter_names(columns, width))]
    return "\n".join(lines + [wrapped([line], width) for line in not_shown(table.columns, columns)])


def _capped(columns: list[Column], width: int) -> list[Column]:
    """Shorten very long names, which are worth less than other columns."""
    most = max(MOST_NAME, width // 5)
    return [
        replace(column, cells=tuple(shortened(cell, most) for cell in column.cells))
        if column.name in _NAMES
        else column
        for column in columns
    ]


def _with_shorter_names(columns: list[Column], width: int) -> list[Column]:
    """Shorten the longest names, down to the next longest each time, until the rest fits."""
    while (excess := max(map(width_of, joined(columns).split("\n"))) - width) > 0:
        lengths = {
            at: max(map(width_of, column.cells), default=0)
            for at, column in enumerate(columns)
            if column.name in _NAMES and column.width > max(_LEAST_NAME, len(column.name))
        }
        if not lengths:
            break
        at = max(lengths, key=lambda each: lengths[each])
        next_longest = max((length for other, length in lengths.items() if other != at), default=0)
        most = max(_LEAST_NAME, lengths[at] - excess, min(next_longest, lengths[at] - 1))
        columns = [*columns]
        columns[at] = replace(columns[at], cells=tuple(shortened(cell, most) for cell in columns[at].cells))
    return columns
