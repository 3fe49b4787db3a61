"""Tables as frozen dataclasses of columns: keeping rows and stacking tables, whatever the columns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Table = TypeVar("Table", bound=DataclassInstance)
else:
    Table = TypeVar("Table")


def take_rows(table: Table, rows: NDArray[np.intp]) -> Table:
    """Keep the given rows of every column, in the given order; columns that are no arrays stay."""
    return replace(table, **{item.name: _taken(getattr(table, item.name), rows) for item in fields(table)})


def stack_rows(tables: Sequence[Table]) -> Table:
    """Put tables of the same columns together, in order; columns that are no arrays are those of the first."""
    first = tables[0]
    return replace(
        first, **{item.name: _stacked([getattr(table, item.name) for table in tables]) for item in fields(first)}
    )


def _taken(column: Any, rows: NDArray[np.intp]) -> Any:
    if isinstance(column, np.ndarray):
        return column[rows]
    return take_rows(column, rows) if is_dataclass(column) and not isinstance(column, type) else column


def _stacked(columns: list[Any]) -> Any:
    first = columns[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(columns)
    return stack_rows(columns) if is_dataclass(first) else first
