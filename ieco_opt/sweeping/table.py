"""The rows of a sweep as one table with typed columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ieco_opt.results.deployment import Deployment
from ieco_opt.results.tables import answers_to_dataframe
from ieco_opt.results.totals import FleetTotals
from ieco_opt.sweeping.answering import PointStatus, Row, without_answer
from ieco_opt.sweeping.points import Point, shown

if TYPE_CHECKING:
    import pandas as pd

NOT_REACHED = "the sweep ended before it was answered"


def table_of(points: Sequence[Point], rows: Mapping[int, Row], *, fleet: bool) -> pd.DataFrame:
    """One row a point, in their order: what was set, status and reason, and the columns of the answer.

    A field that is named like a column of the answer is named ``set.weights`` and the like.

    Parameters
    ----------
    rows
        By the position of the point; a point without one is pending.
    """
    import pandas as pd

    pending = without_answer(PointStatus.PENDING, NOT_REACHED)
    answers = [rows.get(number, pending) for number in range(len(points))]
    frame = answers_to_dataframe(FleetTotals if fleet else Deployment, answers)
    status = pd.Series([row["status"] for row in answers], dtype="string")
    reason = pd.Series([row["reason"] for row in answers], dtype="string")
    own = {"status": status, "reason": reason}
    columns = {_column(name, {*frame.columns, *own}): _series(name, points) for name in fields_of(points)}
    return pd.DataFrame(columns | own | {name: frame[name] for name in frame.columns if name not in own})


def fields_of(points: Sequence[Point]) -> list[str]:
    """Every field that some point sets, in the order in which they come."""
    return list(dict.fromkeys(name for point in points for name in point))


def _column(field: str, taken: set[str]) -> str:
    return f"set.{field}" if field in taken else field


def _series(field: str, points: Sequence[Point]) -> pd.Series:
    import pandas as pd

    cells = [shown(point[field]) if field in point else None for point in points]
    sorts = {type(cell) for cell in cells if cell is not None}
    dtype = {frozenset({int}): "Int64", frozenset({bool}): "boolean"}.get(frozenset(sorts))
    if sorts and sorts <= {int, float}:
        dtype = dtype or "float64"
    if dtype is None:
        cells, dtype = [None if cell is None else _text(cell) for cell in cells], "string"
    return pd.Series(cells, dtype=dtype)


def _text(cell: object) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
