"""Deployments as a pandas table with typed columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_type_hints

from ieco_opt.results.deployment import ALL_COLUMNS, Deployment

if TYPE_CHECKING:
    import pandas as pd

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
    import pandas as pd

    hints = get_type_hints(Deployment)
    return pd.DataFrame(
        {
            name: pd.Series([getattr(item, name) for item in deployments], dtype=_DTYPES[hints[name]])
            for name in ALL_COLUMNS
        }
    )
