"""Deployments, and any other rows, as pandas tables with typed columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, get_type_hints

from ieco_opt.results.deployment import ALL_COLUMNS, Deployment

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")

_DTYPES: dict[object, str] = {
    float: "float64",
    float | None: "float64",
    int: "int64",
    int | None: "Int64",
    str: "string",
    str | None: "string",
}


def to_dataframe(deployments: Sequence[Deployment]) -> pd.DataFrame:
    """Put deployments into a table, one row each.

    Returns
    -------
    pandas.DataFrame
        Columns as in ``ALL_COLUMNS``, of the same types whatever the rows: integers stay integers, a missing
        integer or text is ``<NA>``, and a missing number is ``NaN``.
    """
    return typed_table(Deployment, deployments, ALL_COLUMNS)


def typed_table(kind: type[Row], rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Put fields of some dataclass into a table, one row each, typed as the dataclass says and whatever the rows."""
    import pandas as pd

    hints = get_type_hints(kind)
    return pd.DataFrame(
        {name: pd.Series([getattr(item, name) for item in rows], dtype=_DTYPES[hints[name]]) for name in columns}
    )
