"""Profiles of engines and of calibration, and measured sets of accepted drafts, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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


def render_calibrations(table: pd.DataFrame) -> str:
    """Render what ``catalog.profiles.to_dataframe`` returns."""
    return _rendered(table, _CALIBRATIONS)


def render_engines(table: pd.DataFrame) -> str:
    """Render what ``engines.describe.to_dataframe`` returns."""
    return _rendered(table, _HEADS)


def render_acceptance(table: pd.DataFrame) -> str:
    """Render what ``catalog.acceptance.to_dataframe`` returns."""
    return _rendered(table, _ACCEPTANCE)


def _rendered(table: pd.DataFrame, heads: Mapping[str, str]) -> str:
    rows = [list(heads.values()), *([str(row[name]) for name in heads] for row in table.to_dict("records"))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
