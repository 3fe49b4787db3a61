"""Profiles of engines and of calibration, and measured sets of accepted drafts, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ieco_opt.reports.text.table import LEAST_WIDTH, cells_within, wrapped

if TYPE_CHECKING:
    import pandas as pd

_ACCEPTANCE = {"name": "set", "model": "model", "mode": "mode", "accepted_tokens": "tokens a pass, by drafts"}
_HEADS = {"name": "engine", "versions": "versions", "version_read": "read", "vendors": "vendors", "rules": "rules"}


_CALIBRATIONS = {
    "name": "profile",
    "accelerators": "fitted on",
    "rows": "rows",
    "median_error": "median error",
    "p90_error": "90th percentile",
}
_LEFT_OUT_FIRST = ("read", "rows", "median error", "mode", "fitted on", "model")
"""Columns that a narrow terminal does without, in this order."""


def render_calibrations(table: pd.DataFrame, width: int | None = None) -> str:
    """Render what ``catalog.profiles.to_dataframe`` returns."""
    return _rendered(table, _CALIBRATIONS, width)


def render_engines(table: pd.DataFrame, width: int | None = None) -> str:
    """Render what ``engines.describe.to_dataframe`` returns."""
    return _rendered(table, _HEADS, width)


def render_acceptance(table: pd.DataFrame, width: int | None = None) -> str:
    """Render what ``catalog.acceptance.to_dataframe`` returns."""
    return _rendered(table, _ACCEPTANCE, width)


def _rendered(table: pd.DataFrame, heads: Mapping[str, str], width: int | None) -> str:
    records = table.to_dict("records")
    cells = [[head, *(str(row[name]) for row in records)] for name, head in heads.items()]
    kept, missing = cells_within(cells, width, _LEFT_OUT_FIRST)
    widths = [max(map(len, column)) for column in kept]
    lines = [
        "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip()
        for row in zip(*kept, strict=True)
    ]
    return "\n".join([*lines, *(["", wrapped(missing, width or LEAST_WIDTH)] if missing else [])])
