"""Rows of results as pandas tables with typed columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from ieco_opt.results.parallelism import COLUMNS, PREFIXES, Row

if TYPE_CHECKING:
    import pandas as pd


def rows_to_dataframe(kind: type[Row], rows: Sequence[Row]) -> pd.DataFrame:
    """Put rows into a table with the columns of their kind.

    Returns
    -------
    pandas.DataFrame
        Typed as the record says and whatever the rows: integers stay integers, a missing integer or text is
        ``<NA>``, and a missing number is ``NaN``. Columns that no row has are left out.
    """
    written = [row.to_dict() for row in rows]
    absent = set(kind.optional()).difference(*written)
    dtypes = {name: dtype for name, dtype in _dtypes_of_rows(kind).items() if name not in absent}
    return _table(dtypes, written)


def answers_to_dataframe(kind: type[Row], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The same of mappings by column, of which some have no values: every column may hold what is missing."""
    absent = set(kind.optional()).difference(*rows)
    dtypes = {name: _NULLABLE.get(dtype, dtype) for name, dtype in _dtypes_of_rows(kind).items() if name not in absent}
    return _table(dtypes, rows)


def scalars_to_dataframe(kind: type, records: Sequence[Any]) -> pd.DataFrame:
    """Put the fields of records that are no tables themselves into a table; typed like :func:`rows_to_dataframe`."""
    dtypes = {name: dtype for name, hint in get_type_hints(kind).items() if (dtype := _dtype(hint)) is not None}
    return _table(dtypes, [{name: getattr(record, name) for name in dtypes} for record in records])


_NULLABLE = {"int64": "Int64", "bool": "boolean"}


def _table(dtypes: dict[str, str], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=of) for name, of in dtypes.items()})


def _dtypes_of_rows(kind: type[Row]) -> dict[str, str]:
    hints, dtypes = get_type_hints(kind), dict[str, str]()
    for item in fields(kind):  # type: ignore[arg-type]
        if item.name not in PREFIXES:
            dtypes[item.name] = _dtype(hints[item.name]) or "object"
            continue
        always = type(None) not in get_args(hints[item.name])
        for column in COLUMNS:
            whole = "int64" if always and column != "expert_tensor_parallel" else "Int64"
            dtypes[PREFIXES[item.name] + column] = "string" if column == "tensor_layout" else whole
    return dtypes


def _dtype(hint: object) -> str | None:
    """Type of a column that holds values of a type; ``None`` where no column can."""
    arguments = get_args(hint)
    optional = type(None) in arguments
    inner = next(each for each in arguments if each is not type(None)) if optional else hint
    if get_args(inner) and isinstance(get_args(inner)[0], str):
        return "string"
    if not isinstance(inner, type):
        return None
    if issubclass(inner, bool):
        return "boolean" if optional else "bool"
    for base, dtype in ((str, "string"), (int, "Int64" if optional else "int64"), (float, "float64")):
        if issubclass(inner, base):
            return dtype
    return None
