"""Reading tables of operating points: the user's own benchmarks, or figures of another tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from ieco_opt.documents.csv_table import parse
from ieco_opt.documents.origin import Location, Origin, shortened
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario import fields
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import OperatingPoint

SHORT_NAMES: Mapping[str, str] = {
    "throughput": "throughput_tokens_per_s",
    "speed": "speed_tokens_per_s",
    "time_to_first_token": "time_to_first_token_s",
}
"""Columns that may also go by a shorter name."""

_TEXT = frozenset({"accelerator", "pool", "phase", "request_class", "kind"})
_INTEGERS = frozenset({"gpus"})
_MOST_FAULTS = 20


def read_operating_points(name: str, location: Location, origin: Origin) -> tuple[OperatingPoint, ...]:
    """Read a CSV file whose columns are the fields of :class:`OperatingPoint`; other columns are ignored.

    Raises
    ------
    ScenarioError
        The file is missing or no table, or with the faults of its rows.
    """
    path = origin.path_of(name, location, "a CSV file")
    table = parse(read_text(path), str(path))
    _check_header(table.header, str(path))
    if not 1 <= len(table.rows) <= fields.MAX_ENTRIES:
        message = f"found {len(table.rows)} rows, expected 1 to {fields.MAX_ENTRIES}"
        raise ScenarioError([Fault(str(path), None, "", message)])
    return _points([_values(row) for row in table.rows], str(path), table.lines)


def _check_header(header: Sequence[str], file: str) -> None:
    known = [SHORT_NAMES.get(name, name) for name in header]
    faults = [
        Fault(file, 1, short, f"found {name} too, expected one of the two")
        for short, name in SHORT_NAMES.items()
        if known.count(name) > 1
    ]
    for alternatives in (
        ("accelerator", "pool"),
        ("gpus",),
        ("throughput_tokens_per_s", "throughput_requests_per_s"),
    ):
        if not set(alternatives) & set(known):
            message = f"found no such column among {shortened(header) or 'none'}, expected {' or '.join(alternatives)}"
            faults.append(Fault(file, 1, alternatives[0], message))
    if faults:
        raise ScenarioError(faults)


def _values(row: Mapping[str, str]) -> dict[str, object]:
    """Cells of the columns that are known, with numbers read; empty cells are left out."""
    values: dict[str, object] = {}
    for column, cell in row.items():
        name = SHORT_NAMES.get(column, column)
        if name in OperatingPoint.model_fields and cell.strip():
            values[name] = _cell(name, cell.strip())
    return values


def _cell(name: str, text: str) -> object:
    if name in _TEXT:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if name in _INTEGERS and number.is_integer() else number


def _points(rows: list[dict[str, object]], file: str, row_lines: Sequence[int]) -> tuple[OperatingPoint, ...]:
    try:
        return TypeAdapter(tuple[OperatingPoint, ...]).validate_python(tuple(rows))
    except ValidationError as error:
        lines: dict[Location, int | None] = {(index,): line for index, line in enumerate(row_lines)}
        faults = faults_of(error, OperatingPoint, Origin(file, lines=lines))
        raise ScenarioError([_in_columns(fault) for fault in faults[:_MOST_FAULTS]]) from None


def _in_columns(fault: Fault) -> Fault:
    """Name the column alone: the line already says which row."""
    return Fault(fault.file, fault.line, fault.field.split("].", 1)[-1].strip("[]"), fault.message)
