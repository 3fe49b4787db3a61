"""A calibration as text: the error before and after, and the constants that moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ieco_opt.errors import printable
from ieco_opt.reports.text.table import Column, wrapped
from ieco_opt.reports.text.titled_table import TitledTable, fitted

if TYPE_CHECKING:
    from ieco_opt.calibration.calibrate import Calibrated

_MOVED = 0.01
"""Share of its value by which a constant has to differ to be listed."""


def render_calibration(calibrated: Calibrated, width: int) -> str:
    """Render a calibration for a terminal of so many columns."""
    heading = (
        f"{calibrated.profile.name}: {calibrated.base.name} fitted to {len(calibrated.rows)} rows of "
        f"{', '.join(calibrated.profile.accelerators)}"
    )
    parts = [
        wrapped([printable(heading)], width),
        fitted(_errors(calibrated), width),
        fitted(_moved(calibrated), width),
    ]
    return "\n\n".join(parts)


def spread_words(row: Mapping[Any, Any]) -> str:
    """Median and 90th percentile of the error of one prediction."""
    return f"median {row['median']:.1%}, nine in ten within {row['p90']:.1%}"


def _errors(calibrated: Calibrated) -> TitledTable:
    rows = calibrated.errors.to_dict("records")
    return TitledTable(
        f"relative error of the time per output token (cross-validated: the {calibrated.kept_together}s "
        "that are predicted are not fitted)",
        [
            Column("constants", "", tuple(str(row["prediction"]) for row in rows), words=True),
            Column("rows", "", tuple(f"{row['rows']:,}" for row in rows)),
            Column("median", "%", tuple(f"{100.0 * row['median']:.1f}" for row in rows)),
            Column("90th percentile", "%", tuple(f"{100.0 * row['p90']:.1f}" for row in rows)),
            Column("bias", "%", tuple(f"{100.0 * row['bias']:+.1f}" for row in rows)),
        ],
    )


def _moved(calibrated: Calibrated) -> TitledTable:
    every = calibrated.constants.to_dict("records")
    rows = [row for row in every if abs(row["fitted"] / row["base"] - 1.0) > _MOVED]
    return TitledTable(
        f"constants that moved by more than {_MOVED:.0%} ({len(rows)} of {len(every)}; standard error: times or over)",
        [
            Column("constant", "", tuple(printable(str(row["name"])) for row in rows), words=True),
            Column("base", "", tuple(f"{row['base']:.3g}" for row in rows)),
            Column("fitted", "", tuple(f"{row['fitted']:.3g}" for row in rows)),
            Column("standard error", "", tuple(f"{row['standard_error_factor']:.2f}" for row in rows)),
            Column("identified", "", tuple("yes" if row["identified"] else "no" for row in rows), words=True),
        ],
    )
