"""Results as files and as the text of files: CSV, JSON and Parquet."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ieco_opt.documents.destinations import check_folder, kind_of, replace_file, require_library
from ieco_opt.documents.json_document import json_text
from ieco_opt.errors import ScenarioError
from ieco_opt.results.encoding import to_json

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t")

KINDS = ("csv", "json", "parquet")
"""Kinds of files, which are also their endings."""


class HasTables(Protocol):
    """A result that can be written."""

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""

    def tables_beside(self) -> dict[str, pd.DataFrame]:
        """Tables in files beside the main one, by what their names end with."""


def check_ending(path: Path, *beside: str) -> None:
    """Refuse a file that a result could not be written to, or whose tables ``beside`` could not.

    Raises
    ------
    ScenarioError
        The ending is unknown, its library is missing, or there is no such folder.
    """
    kind = kind_of(path, KINDS)
    if kind == "parquet":
        require_library("pyarrow", path)
    check_folder(path)
    for name in beside if kind != "json" else ():
        check_folder(path_beside(path, name))


def path_beside(path: Path, name: str) -> Path:
    """File of a table beside the main one: ``plan.nodes.csv`` beside ``plan.csv``."""
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def write(result: Any, path: Path, kind: str | None = None) -> None:
    """Write a result: everything to one JSON file, or its tables; each file completely or not at all.

    Parameters
    ----------
    kind
        One of ``KINDS``; by default what the ending says.

    Raises
    ------
    ScenarioError
        The kind is unknown, its library is missing, or a file cannot be written.
    """
    chosen = kind or kind_of(path, KINDS)
    if chosen == "json":
        replace_file(path, to_json(result).encode())
        return
    write_table(result.main_table(), path, chosen)
    if path.is_file():
        # Beside a device or a pipe there is no place.
        for name, table in result.tables_beside().items():
            write_table(table, path_beside(path, name), chosen)


def write_table(table: pd.DataFrame, path: Path, kind: str | None = None) -> None:
    """Write any table to a file, completely or not at all; parameters and errors as of :func:`write`."""
    chosen = kind or kind_of(path, KINDS)
    if chosen == "csv":
        content = csv_text(table).encode()
    elif chosen == "json":
        content = table_to_json(table).encode()
    elif chosen == "parquet":
        require_library("pyarrow", path)
        buffer = io.BytesIO()
        table.to_parquet(buffer, engine="pyarrow", index=False)
        content = buffer.getvalue()
    else:
        message = f"found {chosen!r}, expected one of {', '.join(KINDS)}"
        raise ScenarioError.single(message, file=str(path), field="kind")
    replace_file(path, content)


def to_csv_text(result: HasTables) -> str:
    """Write the main table of a result as CSV."""
    return csv_text(result.main_table())


def csv_text(table: pd.DataFrame) -> str:
    """Write a table as CSV, with every digit of every number.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, which spreadsheets need. Carriage
    returns are escaped, since pandas does not quote them.
    """
    import pandas as pd

    written = table.rename(columns=_no_formula)
    for position, kind in enumerate(written.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            written.isetitem(position, written.iloc[:, position].map(_no_formula, na_action="ignore").array)
    return written.to_csv(index=False, lineterminator="\n")


def _no_formula(value: object) -> object:
    """Text that starts like a formula and is no number, with an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r", r"\r")
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def table_to_json(table: pd.DataFrame) -> str:
    """Write a table as a JSON list with one mapping a row; what is missing or infinite is null."""
    return json_text(table_rows(table))


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping a row, with ``None`` for what is missing or infinite."""
    import pandas as pd

    return [
        {str(name): None if pd.isna(value) else _finite(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
