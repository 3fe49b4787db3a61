"""Profiles of engines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_HEADS = {"name": "engine", "versions": "versions", "version_read": "read", "vendors": "vendors", "rules": "rules"}


def render_engines(table: pd.DataFrame) -> str:
    """Render what ``engines.describe.to_dataframe`` returns."""
    rows = [list(_HEADS.values()), *([str(row[name]) for name in _HEADS] for row in table.to_dict("records"))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
