"""What charts and the details beside them are made of: curves, their points, and what is said of each point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ieco_opt.reports.page.markup import Markup, data

Item = TypeVar("Item")

Value = float | int | str | None

Columns = Mapping[str, Sequence[Value]]

Cells = Sequence[str | None]
"""What is said of each point; ``None`` where nothing is."""

_DIGITS = 4
_EXACT = {"x": 6, "c": 6, "g": 6}
"""Significant digits of what is drawn, more than a screen shows; those that axes are chosen for have more."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points that belong together.

    Attributes
    ----------
    label
        Name for people.
    joined
        Whether a line joins its points.
    dashed
        Whether that line is broken, as of what is not the main thing.
    command
        What prints the command of a point, before its number; ``None`` where nothing does.
    large
        Whether its points stand out: the one that was chosen.
    """

    label: str
    joined: bool = True
    dashed: bool = False
    command: str | None = None
    large: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """Parts of a whole, drawn as one bar of each point.

    Attributes
    ----------
    title
        What is divided, with its unit.
    parts
        Columns of the points by the names of their parts, and the colour of each (a property of the style sheet).
    of
        Column of the whole; ``None``: the sum of the parts.
    """

    title: str
    parts: Mapping[str, tuple[str, str]]
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """All points of the charts of one section.

    Attributes
    ----------
    id
        Of the block that holds them.
    curves
        ``columns["s"]`` counts among them.
    columns
        Values by short names, one a point; ``s`` is the curve, ``n`` the number of the point in it, ``p`` whether it
        is proven (1 or 0), ``b`` the bar that it is a part of.
    facts
        What is said of each point, by names.
    bars
        Bars beside the facts.
    colours
        Of the curves; by default one after the other of the style sheet.
    lead
        Names of the facts that stand before the bars.
    """

    id: str
    curves: Sequence[Curve]
    columns: Columns
    facts: Mapping[str, Cells]
    bars: Sequence[Bar] = field(default_factory=tuple)
    colours: Sequence[str] = field(default_factory=tuple)
    lead: Sequence[str] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.columns["s"])

    def of(self, curve: int) -> list[int]:
        """Where the points of a curve are."""
        return [at for at, each in enumerate(self.columns["s"]) if each == curve]

    def block(self) -> Markup:
        """The points for the page's script."""
        values = {
            "curves": [
                {"label": each.label, "joined": each.joined, "dashed": each.dashed, "command": each.command}
                for each in self.curves
            ],
            "columns": {
                name: [_short(value, _EXACT.get(name, _DIGITS)) for value in column]
                for name, column in self.columns.items()
            },
            "facts": [{"name": name} | _packed(cells) for name, cells in self.facts.items()],
            "lead": list(self.lead),
            "bars": [{"title": bar.title, "parts": dict(bar.parts), "of": bar.of} for bar in self.bars],
        }
        return data(values, id=self.id)


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Both ends of some items and others evenly between them, at most so many (two or more)."""
    if len(items) <= most:
        return list(items)
    places = sorted({round(at * (len(items) - 1) / (most - 1)) for at in range(most)})
    return [items[at] for at in places]


def facts_of(told: Sequence[Sequence[tuple[str, str]]]) -> dict[str, list[str | None]]:
    """What is said of each point, by names; what is said twice under one name stands together."""
    found: list[dict[str, str]] = []
    for pairs in told:
        row: dict[str, str] = {}
        for name, text in pairs:
            row[name] = f"{row[name]}; {text}" if name in row else text
        found.append(row)
    names = dict.fromkeys(name for row in found for name in row)
    return {name: [row.get(name) for row in found] for name in names}


def _short(value: Value, digits: int) -> Any:
    """A number with the digits that are drawn; nothing in the place of what has no place on an axis."""
    if value is None or isinstance(value, int | str):
        return value
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _common_start(texts: Sequence[str]) -> str:
    """The longest text that all begin with: that of the first and the last in their order."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in same)


def _packed(cells: Cells) -> dict[str, object]:
    """Texts without what all of them begin and end with; each that comes again is kept once."""
    known = [cell for cell in cells if cell is not None]
    before = _common_start(known)
    after = _common_start([cell[len(before) :][::-1] for cell in known])[::-1]
    middles = [None if cell is None else cell[len(before) : len(cell) - len(after)] for cell in cells]
    different = list(dict.fromkeys(each for each in middles if each is not None))
    packed: dict[str, object] = {"before": before, "after": after}
    if len(different) * 2 > len(known):
        return packed | {"cells": middles}
    places = {text: at for at, text in enumerate(different)}
    return packed | {"words": different, "at": [None if each is None else places[each] for each in middles]}
