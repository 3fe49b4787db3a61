"""Predicted against measured times as text for people in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ieco_opt.calibration.ranking import APART
from ieco_opt.calibration.validation import Validation
from ieco_opt.reports.text.table import Column, fitting, joined, not_shown, shortened, wrapped
from ieco_opt.reports.text.table_columns import unrepeated, words
from ieco_opt.reports.text.wording import counted

_SHOWN = ("accelerator", "model", "weights", "engine")
"""Summaries in the table, in this order; JSON has them all."""

_LEFT_OUT_FIRST = ("within", "bias")
"""Columns that a narrow terminal does without, in this order."""

_MOST_NAME = 20
_LEAST_WIDTH = 60
_MOST_REASONS = 5


def render(validation: Validation, width: int = 100) -> str:
    """Put errors, ranks and regret into text for a terminal of ``width`` columns."""
    width = max(width, _LEAST_WIDTH)
    columns = _columns(validation)
    kept = fitting(columns, width, _LEFT_OUT_FIRST)
    lines = [*not_shown(columns, kept), *_choices(validation), *_in_range(validation), *left_out(validation)]
    parts = [wrapped(heading(validation), width)]
    if kept[0].cells:
        parts.append(joined(kept))
    return "\n\n".join([*parts, wrapped(lines, width, indent="  ")])


def heading(validation: Validation) -> list[str]:
    """What was compared, and with which constants."""
    profiles = validation.table["profile"]
    used = [f"{name} ({counted(int(rows), 'row')})" for name, rows in profiles[profiles != ""].value_counts().items()]
    lines = [f"{validation.file}: predicted against measured time per output token"]
    return [*lines, f"profile {validation.profile}: {', '.join(used)}"] if used else lines


def _columns(validation: Validation) -> list[Column]:
    rows: list[tuple[str, str, dict[str, Any]]] = [("all", "", row) for row in _records(validation.overall)]
    for name in _SHOWN:
        rows += [(name, str(row[name]), row) for row in _records(validation.summaries[name])]
    found = [row for _, _, row in rows]
    return [
        words("by", unrepeated(by for by, _, _ in rows)),
        words("", (shortened(value, _MOST_NAME) for _, value, _ in rows)),
        Column("rows", "", tuple(f"{row['rows']:,}" for row in found)),
        _percentages("median", "error %", found, "median_error"),
        _percentages("90th", "error %", found, "p90_error"),
        _percentages("bias", "%", found, "bias", sign="+"),
        _percentages("within", "expected %", found, "within_expected"),
    ]


def _records(table: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = table.to_dict("records")
    return records


def _percentages(name: str, unit: str, rows: list[dict[str, Any]], column: str, sign: str = "") -> Column:
    return Column(name, unit, tuple(f"{100.0 * row[column]:{sign}.1f}" for row in rows))


def _choices(validation: Validation) -> Iterator[str]:
    """Pairs and regret, in a sentence each."""
    ranking, regret = validation.ranking, validation.regret
    if ranking.rightly is not None:
        pairs = counted(ranking.pairs, "pair")
        yield (
            f"Ranked rightly: {100.0 * ranking.rightly:.1f} % of {pairs} of rows of one model that differ by more "
            f"than {100.0 * APART:.0f} %."
        )
    if regret.median is not None and regret.p90 is not None:
        yield (
            f"Decision regret: median {100.0 * regret.median:.1f} %, 90th percentile {100.0 * regret.p90:.1f} %, for "
            f"{counted(regret.asked, 'speed')} asked for in {counted(regret.groups, 'group')}; {_shares(validation)}."
        )


def _shares(validation: Validation) -> str:
    regret = validation.regret
    unanswered, slower = 100.0 * (regret.unanswered or 0.0), 100.0 * (regret.slower or 0.0)
    return (
        f"no row is predicted to reach {unanswered:.1f} % of them, and {slower:.1f} % of the picks are slower than "
        "asked by more than their expected error"
    )


def _in_range(validation: Validation) -> Iterator[str]:
    known = validation.table["left_out"] == ""
    if known.any():
        inside = int(validation.table["in_range"].sum())
        yield f"In the range that their profile was fitted on: {inside:,} of {counted(int(known.sum()), 'row')}."


def left_out(validation: Validation) -> list[str]:
    """How many rows have no prediction, and why."""
    reasons = validation.left_out
    if not reasons:
        return []
    listed = [f"{rows:,}: {reason}" for reason, rows in [*reasons.items()][:_MOST_REASONS]]
    further = len(reasons) - len(listed)
    more = [f"... and {counted(further, 'further reason')}"] if further else []
    return [f"Left out: {counted(sum(reasons.values()), 'row')}.", *(f"  {line}" for line in [*listed, *more])]
