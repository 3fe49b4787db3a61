"""The points of a sweep: which fields each sets to what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt.documents import csv_table
from ieco_opt.documents.origin import found, plain_scalar
from ieco_opt.documents.text_file import read_text
from ieco_opt.documents.yaml_document import parse
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.overrides import is_field
from ieco_opt.scenario.quantities import thousands

if TYPE_CHECKING:
    import pandas as pd

Point = dict[str, object]
"""Values by field; a field that is not named keeps the value of the scenario."""

MOST_POINTS = 1_000_000
MOST_BYTES = 100_000_000

_CLOSES = {"[": "]", "{": "}"}


def grid(over: Mapping[str, Iterable[object]]) -> list[Point]:
    """Every combination of some values of each field; the last field changes fastest.

    Raises
    ------
    ScenarioError
        A name is no field, a field has no value, or there are more than ``MOST_POINTS`` combinations.
    """
    values = {name: _listed(name, each) for name, each in over.items()}
    _check_fields(values, "over")
    if not values:
        raise ScenarioError.single("found no field, expected at least one with its values", field="over")
    points = math.prod(map(len, values.values()))
    if points > MOST_POINTS:
        raise ScenarioError.single(f"found {points:,} combinations, expected at most {MOST_POINTS:,}", field="over")
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


def from_rows(rows: pd.DataFrame | Sequence[Mapping[str, object]]) -> list[Point]:
    """One point a row; text is read as on the command line, and an empty cell keeps what the scenario says.

    Raises
    ------
    ScenarioError
        There is no row, or a name is no field.
    """
    records: Sequence[Mapping[str, object]] = (
        rows.to_dict(orient="records") if hasattr(rows, "to_dict") else rows  # type: ignore[assignment]
    )
    _check_fields(dict.fromkeys(str(name) for record in records for name in record), "rows")
    points = [
        {str(name): _read(str(name), value, "rows") for name, value in record.items() if not _is_missing(value)}
        for record in records
    ]
    if not points:
        raise ScenarioError.single("found no row, expected one a point", field="rows")
    return points


def from_file(path: Path) -> list[Point]:
    """The same of a CSV file whose columns are fields.

    Raises
    ------
    ScenarioError
        The file cannot be read or is no such table; the fault names the line.
    """
    table = csv_table.parse(read_text(path, expected="a CSV file", most_bytes=MOST_BYTES), str(path))
    wrong = [
        Fault(str(path), 1, "", f"found the column {found(name)}, expected a field such as workload.context_tokens")
        for name in table.header
        if not is_field(name)
    ]
    if not table.rows:
        wrong.append(Fault(str(path), None, "", "found no row below the header, expected one a point"))
    if wrong:
        raise ScenarioError(wrong)
    points = []
    for line, cells in zip(table.lines, table.rows, strict=True):
        try:
            points.append({name: read_value(text, name) for name, text in cells.items() if text.strip()})
        except ScenarioError as error:
            raise ScenarioError([Fault(str(path), line, each.field, each.message) for each in error.faults]) from None
    return points


def from_texts(texts: Sequence[str]) -> list[Point]:
    """The grid of texts such as ``workload.context_tokens=1k,8k``; commas in brackets separate no values.

    Raises
    ------
    ScenarioError
        A text is none such, or names a field for the second time.
    """
    over: dict[str, list[object]] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not (sign and is_field(name)):
            expected = "FIELD=VALUE,VALUE, such as workload.context_tokens=1k,8k"
            raise ScenarioError.single(f"found {found(text)}, expected {expected}", field="over")
        if name in over:
            raise ScenarioError.single(f"found {name} twice, expected all its values in one list", field="over")
        over[name] = [read_value(each, name) for each in split(values)]
    return grid(over)


def split(text: str) -> list[str]:
    """Parts of a text between its commas, but for those in brackets or in quotes."""
    parts, closing, quote = [""], list[str](), ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _CLOSES:
            closing.append(_CLOSES[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            parts.append("")
            continue
        parts[-1] += letter
    return [part.strip() for part in parts]


def read_value(text: str, name: str) -> object:
    """A value in YAML; text such as ``4k`` is a number, also inside a list.

    Raises
    ------
    ScenarioError
        The text is empty or no YAML.
    """
    if not text.strip():
        raise ScenarioError.single("found nothing, expected a value", field=name)
    try:
        document = parse(text, None, name)
    except ScenarioError as error:
        raise ScenarioError([Fault(None, None, name, each.message) for each in error.faults]) from None
    if document.faults:
        raise ScenarioError([Fault(None, None, name, message) for _, _, message in document.faults])
    return _with_numbers(document.values)


def shown(value: object) -> object:
    """A value as a cell of a table: numbers and text as they are, lists and mappings as they are typed."""
    match value:
        case list() | tuple():
            return f"[{', '.join(str(shown(each)) for each in value)}]"
        case Mapping():
            return f"{{{', '.join(f'{name}: {shown(each)}' for name, each in value.items())}}}"
        case _:
            return value


def _with_numbers(value: object) -> object:
    match value:
        case str():
            number = thousands(value)
            return value if number is None else number
        case list():
            return [_with_numbers(each) for each in value]
        case dict():
            return {name: _with_numbers(each) for name, each in value.items()}
        case _:
            return value


def _listed(name: str, values: Iterable[object]) -> list[object]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ScenarioError.single(f"found {found(values)} for {name}, expected a list of values", field="over")
    listed = [_plain(each) for each in values]
    if not listed:
        raise ScenarioError.single(f"found no value for {name}, expected at least one", field="over")
    return listed


def _check_fields(names: Iterable[str], argument: str) -> None:
    for name in names:
        if not is_field(name):
            expected = "a field such as workload.context_tokens"
            raise ScenarioError.single(f"found {found(name)}, expected {expected}", field=argument)


def _read(name: str, value: object, argument: str) -> object:
    if not isinstance(value, str):
        return _plain(value)
    try:
        return read_value(value, name)
    except ScenarioError as error:
        raise ScenarioError.single(f"{name}: {error.faults[0].message}", field=argument) from None


def _plain(value: object) -> object:
    """Values of NumPy and tuples as Python's own."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return plain_scalar(value)


def _is_missing(value: Any) -> bool:
    import pandas as pd

    if isinstance(value, str):
        return not value.strip()
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
