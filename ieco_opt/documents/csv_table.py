"""Tables in CSV: each column named once, no row longer than the header, and the line of every row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ieco_opt.documents.origin import cut
from ieco_opt.errors import Fault, ScenarioError

_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a table, as text.

    Attributes
    ----------
    header
        Names of the columns, without spaces around them.
    rows
        Cells by column; a row that ends early lacks its last columns. Empty lines are no rows.
    lines
        Line on which each row begins, counted from 1.
    """

    header: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]


def parse(text: str, file: str) -> Table:
    """Parse CSV with a header.

    Raises
    ------
    ScenarioError
        Where the text is no CSV or empty, names a column twice or has rows with more cells than columns.
    """
    (_, header), *rows = _rows(text, file)
    cells = tuple(dict(zip(header, row, strict=False)) for _, row in rows)
    return Table(tuple(header), cells, tuple(line for line, _ in rows))


def check(text: str, file: str) -> None:
    """Refuse what :func:`parse` refuses, for tables that another library reads; errors as there."""
    for _ in _rows(text, file):
        pass


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table that :func:`parse` reads."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()


def _rows(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Header and rows, each with the line it begins on; faults of rows are raised after the last."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    faults: list[Fault] = []
    line = 1
    try:
        for row in reader:
            if row and header is None:
                header = [name.strip() for name in row]
                _check_names(header, file, line)
                yield line, header
            elif row:
                faults += _beyond(row, header or [], file, line)
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ScenarioError.single(f"no valid CSV ({error})", file=file, line=reader.line_num) from None
    if header is None:
        raise ScenarioError.single("found an empty file, expected a table with a header", file=file)
    if faults:
        raise ScenarioError(faults[:_MOST_FAULTS])


def _check_names(header: list[str], file: str, line: int) -> None:
    """Refuse columns of one name; columns without any are what spreadsheets leave behind."""
    repeated = dict.fromkeys(name for name in header if name and header.count(name) > 1)
    faults = [
        Fault(file, line, cut(name), f"found the column {header.count(name)} times, expected once") for name in repeated
    ]
    if faults:
        raise ScenarioError(faults[:_MOST_FAULTS])


def _beyond(row: list[str], header: list[str], file: str, line: int) -> list[Fault]:
    if len(row) <= len(header):
        return []
    message = f"found {len(row)} cells, expected at most {len(header)}, as in the header"
    return [Fault(file, line, f"column {len(header) + 1}", message)]
