"""A sweep as a table for people, and how far it is in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.text.table import LEAST_WIDTH, Column, fitting, indented, joined, left_out, not_shown, thinned
from ieco_opt.reports.text.table_columns import counts, gaps, numbers, speaking, speeds, words
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.writing import table_rows
from ieco_opt.sweeping.answering import PointStatus

if TYPE_CHECKING:
    import pandas as pd

_LEFT_OUT_FIRST = (
    *("power", "throughput", "bottleneck", "nodes", "instances", "TTFT", "weights", "engine", "requests", "batch"),
    *("accelerator", "layout", "GPUs"),
)
"""Columns that a narrow terminal does without, in this order."""

_MOST_REASONS = 8

_SECONDS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def render(table: pd.DataFrame, width: int = 100, *, fleet: bool) -> str:
    """Put the table of a sweep into text for a terminal of ``width`` columns: at most ``MOST_ROWS`` points."""
    width = max(width, LEAST_WIDTH)
    rows = [{"point": number, **row} for number, row in enumerate(table_rows(table), start=1)]
    shown = thinned(rows)
    fields = list(table.columns[: list(table.columns).index("status")])
    columns = [counts("point", "", [row["point"] for row in shown]), *_set(fields, shown, rows)]
    columns += speaking((_totals if fleet else _deployments)(shown, rows))
    kept = fitting(columns, width, _LEFT_OUT_FIRST)
    foot = [*left_out(len(rows), len(shown)), *not_shown(columns, kept), *_reasons(rows)]
    return "\n\n".join(part for part in (joined(kept), "\n".join(indented(line, width) for line in foot)) if part)


def progress_line(done: int, points: int, statuses: Mapping[str, int], left_s: float | None = None) -> str:
    """How far a sweep is; ``left_s`` are the seconds that the other points may take, where that is known."""
    others = {name: number for name, number in statuses.items() if name not in ("optimal", "feasible")}
    without = f" ({counted(others)})" if others else ""
    left = f", about {duration(left_s)} left" if done < points and left_s is not None else ""
    return f"{done:,} of {points:,} points done{without}{left}"


def counted(statuses: Mapping[str, int]) -> str:
    """How many points there are of each status, in the order of the statuses."""
    return ", ".join(f"{statuses[each]:,} {each}" for each in PointStatus if statuses.get(each))


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    for unit_s, unit in _SECONDS:
        if seconds >= 1.5 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{max(seconds, 1.0):.0f} s"


def _set(fields: Sequence[str], shown: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """What was set, under the last part of the name of each field where that says which it is."""
    last = [field.rpartition(".")[2] for field in fields]
    columns = []
    for field, short in zip(fields, last, strict=True):
        name = short if last.count(short) == 1 else field
        cells = tuple(_cell(row[field]) for row in shown)
        of_words = any(isinstance(row[field], str) for row in rows)
        columns.append(Column(name, "", cells, words=of_words))
    return columns


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _deployments(shown: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    columns = [
        speeds([row["speed_tokens_per_s"] for row in shown]),
        numbers("cost", "$/Mtok", [row["cost_usd_per_mtok"] for row in shown]),
        counts("GPUs", "", [row["gpus"] for row in shown]),
    ]
    columns += [
        words(head, (row[name] or "-" for row in shown))
        for name, head in (("accelerator", "accelerator"), ("weights", "weights"), ("engine", "engine"))
        if len({row[name] for row in rows if row[name] is not None}) > 1
    ]
    columns.append(words("layout", map(_layout, shown)))
    columns.append(counts("batch", "", [row["batch"] for row in shown]))
    columns.append(_throughput(shown))
    if "time_to_first_token_s" in rows[0]:
        columns.append(numbers("TTFT", "s", [row["time_to_first_token_s"] for row in shown], significant=3))
    columns.append(words("bottleneck", (row["bottleneck"] or "-" for row in shown)))
    return [*columns, *_status(shown, rows)]


def _totals(shown: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    cost = tuple("-" if row["usd_per_hour"] is None else f"{row['usd_per_hour']:,.2f}" for row in shown)
    columns = [
        Column("cost", "$/h", cost),
        counts("GPUs", "", [row["gpus"] for row in shown]),
        numbers("power", "kW", [row["power_kw"] for row in shown], significant=3),
        numbers("requests", "/s", [row["requests_per_s"] for row in shown], significant=3),
        _throughput(shown),
        counts("instances", "", [row["instances"] for row in shown]),
        counts("nodes", "", [row["nodes"] for row in shown]),
        speeds([row["slowest_speed_tokens_per_s"] for row in shown]),
        numbers("TTFT", "s", [row["longest_time_to_first_token_s"] for row in shown], significant=3),
    ]
    return [*columns, *_status(shown, rows)]


def _status(shown: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """What is proven of each point, or why there is nothing; no column where all are proven."""
    if all(row["status"] == PointStatus.OPTIMAL for row in rows):
        return []
    proven = gaps([(row["status"], float("inf") if row["gap"] is None else row["gap"]) for row in shown]).cells
    found = (PointStatus.OPTIMAL, PointStatus.FEASIBLE)
    cells = (gap if row["status"] in found else row["status"] for gap, row in zip(proven, shown, strict=True))
    return [words("status", cells)]


def _throughput(shown: Sequence[Mapping[str, Any]]) -> Column:
    values = [row["throughput_tokens_per_s"] for row in shown]
    return Column("throughput", "tokens/s", tuple("-" if value is None else f"{value:,.0f}" for value in values))


def _layout(row: Mapping[str, Any]) -> str:
    if row["tensor_parallel"] is None:
        return "-"
    held = Parallelism(
        tensor=row["tensor_parallel"],
        attention_data=row["attention_data_parallel"],
        pipeline=row["pipeline_parallel"],
        expert=row["expert_parallel"],
        layout=row["tensor_layout"],
        redundant_experts=row["redundant_experts"],
    )
    return held.short()


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why points have no answer, or none that is proven; the same reason once."""
    points: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row["reason"] is not None:
            points.setdefault((row["status"], row["reason"]), []).append(row["point"])
    lines = [f"{status}: {_named(of)}: {reason}" for (status, reason), of in points.items()]
    more = len(lines) - _MOST_REASONS
    return [*lines[:_MOST_REASONS], f"and {more} other reasons (column reason)"] if more > 1 else lines


def _named(points: Sequence[int]) -> str:
    if len(points) == 1:
        return f"point {points[0]:,}"
    listed = ", ".join(f"{each:,}" for each in points[:5])
    return f"points {listed}" + (f" and {len(points) - 5:,} more" if len(points) > 5 else "")
