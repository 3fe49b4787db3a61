"""Columns that the tables of a fleet are made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from ieco_opt.reports.text.frontier import Column, numbers


def words(name: str, cells: Iterable[str]) -> Column:
    """A column of words."""
    return Column(name, "", tuple(cells), words=True)


def unrepeated(cells: Iterable[str]) -> Iterable[str]:
    """Say a name once where it stands in several rows in a row."""
    for _, group in itertools.groupby(cells):
        first, *others = group
        yield first
        yield from ("" for _ in others)


def counts(name: str, unit: str, values: Sequence[int | None]) -> Column:
    """A column of whole numbers."""
    return Column(name, unit, tuple("-" if value is None else f"{value:,}" for value in values))


def figures(name: str, unit: str, values: Sequence[float | None], significant: int = 4) -> Column:
    """A column of numbers with the digits that matter."""
    return numbers(name, unit, values, significant)


def shares(name: str, values: Sequence[float]) -> Column:
    """A column of percentages."""
    return Column(name, "%", tuple(f"{100.0 * value:.1f}" for value in values))


def powers(values: Sequence[float | None]) -> Column:
    """A column of kW."""
    return Column("power", "kW", tuple("-" if value is None else f"{value:,.1f}" for value in values))


def money(name: str, values: Sequence[float]) -> Column:
    """A column of $/h."""
    return Column(name, "$/h", tuple(f"{value:,.2f}" for value in values))


def speaking(columns: Iterable[Column]) -> list[Column]:
    """Leave out columns in which nothing is known."""
    return [column for column in columns if not column.cells or set(column.cells) - {"-", ""}]


def counted(what: int | Sequence[object], noun: str) -> str:
    """A number and what it counts, in the plural where it is not one."""
    count = what if isinstance(what, int) else len(what)
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
