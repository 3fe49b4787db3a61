"""Tables as frozen dataclasses of columns: keeping rows and stacking tables, whatever the columns are."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Table = TypeVar("Table", bound=DataclassInstance)
else:
    Table = TypeVar("Table")


def take_rows(table: Table, rows: NDArray[np.intp]) -> Table:
    """Keep the given rows of every column, in the given order; columns that are no arrays stay."""
    kind = type(table)
    # A search takes rows thousands of times: arrays, which most columns are, are told by their type and taken here.
    return kind(
        *[column[rows] if type(column) is np.ndarray else _taken(column, rows) for column in _columns_of(kind)(table)]
    )


def split_rows(table: Table, counts: Sequence[int]) -> list[Table]:
    """Tables of so many rows each, in order: views of one that has as many together."""
    ends = np.cumsum(counts).tolist()
    # Of slices NumPy makes views; they are taken like rows that are numbered.
    parts: list[Any] = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    return [take_rows(table, part) for part in parts]


def stack_rows(tables: Sequence[Table]) -> Table:
    """Put tables of the same columns together, in order; columns that are no arrays are those of the first."""
    kind = type(tables[0])
    return kind(**{name: _stacked([getattr(table, name) for table in tables]) for name in _names(kind)})


def row_numbers(table: DataclassInstance, *, leaving_out: Container[str] = ()) -> NDArray[np.intp]:
    """A number for each row, the same for rows that are the same to the last bit in every column but some."""
    columns = [each for each in _columns(table, leaving_out) if each.size]
    values = np.ascontiguousarray(np.hstack([each.reshape(len(each), -1).astype(float) for each in columns]))
    # As bytes NaN equals NaN.
    as_bytes = values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1])))
    numbers: NDArray[np.intp] = np.unique(as_bytes.reshape(-1), return_inverse=True)[1]
    return numbers


def _columns(table: DataclassInstance, leaving_out: Container[str]) -> Iterator[NDArray[Any]]:
    for name in _names(type(table)):
        column = getattr(table, name)
        if name in leaving_out:
            continue
        if isinstance(column, np.ndarray):
            yield column
        elif _is_table(type(column)):  # type: ignore[arg-type]
            yield from _columns(column, ())


def distinct(values: NDArray[Number], axis: int | None = None) -> NDArray[Number]:
    """The different values, or those along an axis, rising.

    ``np.unique`` without counts imports NumPy's masked arrays to ask for them.
    """
    different: NDArray[Number] = np.unique(values, return_counts=True, axis=axis)[0]
    return different


@cache
def _names(kind: Hashable) -> tuple[str, ...]:
    """Columns of a table, looked up once: rows are taken thousands of times in a search."""
    return tuple(item.name for item in fields(kind))  # type: ignore[arg-type]


@cache
def _columns_of(kind: Hashable) -> Callable[[Any], tuple[Any, ...]]:
    """Columns of a table, in the order in which they make another one."""
    names = _names(kind)
    return attrgetter(*names) if len(names) > 1 else lambda table: (getattr(table, names[0]),)


@cache
def _is_table(kind: Hashable) -> bool:
    return is_dataclass(kind)


def _taken(column: Any, rows: NDArray[np.intp]) -> Any:
    if isinstance(column, np.ndarray):
        return column[rows]
    return take_rows(column, rows) if _is_table(type(column)) else column  # type: ignore[arg-type]


def _stacked(columns: list[Any]) -> Any:
    first = columns[0]
    if isinstance(first, np.ndarray):
        if _is_one_value(columns):
            value = next(each.flat[0] for each in columns if each.size)
            return np.broadcast_to(value, (sum(map(len, columns)), *first.shape[1:]))
        return np.concatenate(columns)
    return stack_rows(columns) if _is_table(type(first)) else first  # type: ignore[arg-type]


def _is_one_value(columns: list[NDArray[Any]]) -> bool:
    """Whether one value in memory stands for each of several columns, the same for all, as zero does for no draft."""
    filled = [each for each in columns if each.size]
    return not any(any(each.strides) for each in filled) and len({each.flat[0] for each in filled}) == 1
