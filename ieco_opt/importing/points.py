"""Operating points: from rows of tables, each fault with its line, and back to a table that a fleet reads."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ieco_opt.catalog import accelerator
from ieco_opt.documents.csv_table import csv_text, parse
from ieco_opt.documents.origin import cut, found, shortened
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.fleet import OperatingPoint

MOST_FAULTS = 20
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, which says what is wrong with its cells."""

    file: str
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """A cell, which must not be empty."""
        cell = self.cells.get(column, "").strip()
        if not cell:
            raise self.fault(column, "found nothing, expected a value")
        return cell

    def number(self, column: str) -> float:
        """A cell that holds a number of at least 0."""
        cell = self.text(column)
        try:
            value = float(cell)
        except ValueError:
            value = -1.0
        if not 0.0 <= value < 1e15:
            raise self.fault(column, f"found {found(cell)}, expected a number of at least 0")
        return value

    def above_zero(self, column: str) -> float:
        """A cell that holds a number above 0."""
        value = self.number(column)
        if value < _LEAST:
            raise self.fault(column, f"found {found(self.text(column))}, expected a number above 0")
        return value

    def whole(self, column: str, default: int | None = None) -> int:
        """A cell that holds a whole number from 1 on; ``default`` where the table has no such column."""
        if default is not None and column not in self.cells:
            return default
        value = self.number(column)
        if value != int(value) or value < 1:
            raise self.fault(column, f"found {found(self.text(column))}, expected a whole number from 1 on")
        return int(value)

    def accelerator(self, column: str) -> str:
        """The name that the catalog has for what a cell names."""
        name = self.text(column)
        try:
            return accelerator(name).name
        except ScenarioError as error:
            raise self.fault(column, error.faults[0].message) from None

    def fault(self, column: str, message: str) -> ScenarioError:
        """An error that names the file, the line and the column."""
        return ScenarioError([Fault(self.file, self.line, cut(column), message)])

    def point(self, **values: object) -> OperatingPoint:
        """An operating point of this row; nine decimals of a product are as many as anybody measures."""
        given = {name: round(value, 9) if isinstance(value, float) else value for name, value in values.items()}
        try:
            return OperatingPoint(**given)
        except ScenarioError as error:
            faults = [Fault(self.file, self.line, each.field, each.message) for each in error.faults]
            raise ScenarioError(faults) from None


def rows_of(path: pathlib.Path) -> tuple[tuple[str, ...], list[Row]]:
    """Header and rows of a CSV file."""
    table = parse(read_text(path), str(path))
    return table.header, [Row(str(path), line, cells) for cells, line in zip(table.rows, table.lines, strict=True)]


def require(header: Sequence[str], columns: Iterable[str], file: str) -> None:
    """Refuse a table that lacks columns, each with what the table has instead."""
    missing = [column for column in columns if column not in header]
    if missing:
        message = f"found no such column among {shortened(header) or 'none'}"
        raise ScenarioError([Fault(file, 1, column, message) for column in missing[:MOST_FAULTS]])


def distinct(points: Iterable[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """Each point once, and each under a name of its own: what several rows call alike is numbered."""
    seen: dict[OperatingPoint, None] = dict.fromkeys(points)
    names: dict[str | None, int] = {}
    named = []
    for point in seen:
        names[point.kind] = number = names.get(point.kind, 0) + 1
        named.append(point if number == 1 else point.model_copy(update={"kind": f"{point.kind} #{number}"}))
    return tuple(named)


def points_csv(points: Sequence[OperatingPoint]) -> str:
    """Operating points as the table that ``operating_points`` of a workload reads."""
    columns = [
        name for name in OperatingPoint.model_fields if any(getattr(point, name) is not None for point in points)
    ]
    return csv_text(columns, [[_cell(getattr(point, name)) for name in columns] for point in points])


def _cell(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
