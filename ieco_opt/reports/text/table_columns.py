"""Columns that tables are made of: names, counts, and numbers with the digits that matter."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from ieco_opt.engines.spread import ExchangeKind
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.table import Column

SPEED = "tokens/s"
"""Name of the column of speeds; its unit goes on with it."""


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


def numbers(name: str, unit: str, values: Sequence[float | None], significant: int = 4) -> Column:
    """Numbers with as many decimals as the least of them needs, so that the points line up."""
    known = [abs(value) for value in values if value]
    digits = significant - 1 - math.floor(math.log10(min(known))) if known else 0
    decimals = min(max(digits, 0), significant)
    cells = tuple("-" if value is None else f"{value:.{decimals}f}" for value in values)
    return Column(name, unit, cells)


def speeds(values: Sequence[float | None]) -> Column:
    """A column of output tokens/s/user."""
    return numbers(SPEED, "/user", values)


def shares(name: str, values: Sequence[float]) -> Column:
    """A column of percentages."""
    return Column(name, "%", tuple(f"{100.0 * value:.1f}" for value in values))


def powers(values: Sequence[float | None]) -> Column:
    """A column of kW."""
    return Column("power", "kW", tuple("-" if value is None else f"{value:,.1f}" for value in values))


def hourly_costs(values: Sequence[float]) -> Column:
    """A column of $/h."""
    return Column("cost", "$/h", tuple(f"{value:,.2f}" for value in values))


def exchanges(kinds: Sequence[ExchangeKind | None]) -> list[Column]:
    """A column of what brings tokens to their experts; no column where every rank has every token."""
    cells = ["-" if kind in (None, "none") else wording.EXCHANGE_WORDS[kind] for kind in kinds]
    return [words("exchange", cells)] if set(cells) - {"-"} else []


def verify_widths(widths: Sequence[int | None]) -> list[Column]:
    """A column of the tokens that one pass verifies; no column without speculation."""
    return [counts("verify", "tokens", [width or None for width in widths])] if any(widths) else []


def gaps(proven: Sequence[tuple[str, float]]) -> Column:
    """A column of what is proven of each row, from its status and gap."""
    return Column("gap", "", tuple(_gap(status, gap) for status, gap in proven))


def _gap(status: str, gap: float) -> str:
    if status == "optimal":
        return "proven"
    return wording.percent(gap) if math.isfinite(gap) else "open"


def speaking(columns: Iterable[Column]) -> list[Column]:
    """Leave out columns in which nothing is known."""
    return [column for column in columns if not column.cells or set(column.cells) - {"-", ""}]
