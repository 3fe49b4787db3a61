"""Plans of a fleet for people in a terminal: one plan in four tables, a frontier as one row a plan. Plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ieco_opt.reports.text import wording
from ieco_opt.reports.text.fleet_columns import (
    counted,
    counts,
    figures,
    money,
    powers,
    shares,
    speaking,
    unrepeated,
    words,
)
from ieco_opt.reports.text.frontier import (
    LEAST_WIDTH,
    Column,
    fitting,
    gap_text,
    joined,
    thinned,
    width_of,
    wrapped,
)
from ieco_opt.results.guarantee import Guarantee
from ieco_opt.results.plan import FleetPlan, FleetResult, InstanceRow

UNITS = {"cost": "$/h", "power": "kW", "gpus": "GPUs"}
"""What each objective is counted in."""

_KEY = "speed and TTFT (time to first token): of a full instance; rent: of the pool, shared by GPUs"

_NAMES = ("workload", "pool", "accelerator", "requirement")
"""Columns of names, which may be shortened."""

_FOLDED = ("phase", "pool", "weights")
"""Columns that go into the heading where every row says the same."""

_LEAST_NAME = 8
_MOST_NAME = 16
"""Letters of a name that stay where a terminal is narrow, and those of a pool at the head of a column."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table under a line that says what it is about.

    ``left_out_first`` names columns that a narrow terminal does without, in this order.
    """

    heading: str
    columns: list[Column]
    left_out_first: tuple[str, ...] = ()


def render(result: FleetResult, width: int = 80) -> str:
    """Put a result into text for a terminal of ``width`` columns.

    Where the terminal is narrow, columns that matter less are left out, and then long names are shortened.
    """
    width = max(width, LEAST_WIDTH)
    if result.is_frontier:
        return _frontier(result, width)
    parts = [wrapped(_head(result, plan), width) for plan in result.plans]
    for plan in result.plans:
        tables = (_instances(plan), _workloads(plan), _pools(result, plan), _next_cheaper(result, plan))
        parts += [_fitted(table, width) for table in tables if table.columns]
    return "\n\n".join([*parts, wrapped(_foot(result), width)])


def _fitted(table: _Table, width: int) -> str:
    """Put a table into text, with a line that names the columns for which there was no place."""
    kept = {column.name for column in fitting(_capped(table.columns, width), width, table.left_out_first)}
    columns = [column for column in table.columns if column.name in kept]
    left_out = [column.name for column in table.columns if column.name not in kept]
    lines = [wrapped([table.heading], width), joined(_with_shorter_names(columns, width))]
    if left_out:
        lines.append(wrapped([f"not shown at this width: {', '.join(left_out)}"], width))
    return "\n".join(lines)


def _capped(columns: list[Column], width: int) -> list[Column]:
    """Shorten very long names, which are worth less than other columns."""
    most = max(_MOST_NAME, width // 5)
    return [
        replace(column, cells=tuple(shortened(cell, most) for cell in column.cells))
        if column.name in _NAMES
        else column
        for column in columns
    ]


def _with_shorter_names(columns: list[Column], width: int) -> list[Column]:
    """Shorten the longest names, down to the next longest each time, until the rest fits."""
    while (excess := max(map(width_of, joined(columns).split("\n"))) - width) > 0:
        lengths = {
            at: max(map(width_of, column.cells), default=0)
            for at, column in enumerate(columns)
            if column.name in _NAMES and column.width > max(_LEAST_NAME, len(column.name))
        }
        if not lengths:
            break
        at = max(lengths, key=lambda each: lengths[each])
        next_longest = max((length for other, length in lengths.items() if other != at), default=0)
        most = max(_LEAST_NAME, lengths[at] - excess, min(next_longest, lengths[at] - 1))
        columns = [*columns]
        columns[at] = replace(columns[at], cells=tuple(shortened(cell, most) for cell in columns[at].cells))
    return columns


def shortened(text: str, most: int) -> str:
    """Keep both ends, since names that are alike often differ in the last letters."""
    kept = len(text)
    short = text
    while width_of(short) > most and kept > 1:
        kept = min(kept, most - 1) - 1
        short = text[: kept - kept // 2] + ".." + text[len(text) - kept // 2 :]
    return short


# Heads and feet


def _head(result: FleetResult, plan: FleetPlan) -> list[str]:
    """What the plan comes to, and how good it is."""
    warning = wording.warning(result)
    lines = [
        f"{result.scenario.name}: {totals(plan)}",
        verdict(result, plan),
    ]
    return lines if warning is None else [warning, *lines]


def verdict(result: FleetResult, plan: FleetPlan) -> str:
    """What was asked for, and what is proven of the answer."""
    subject = f"{counted(plan.workloads, 'workload')} on {counted(plan.pools, 'pool')}"
    return f"{_answer(result)} for {subject}; {_proof(result, plan)}"


def totals(plan: FleetPlan) -> str:
    """Rent, GPUs and power of a plan."""
    power = "" if plan.power_kw is None else f", {_plain(plan.power_kw)} kW"
    return f"${plan.usd_per_hour:,.2f}/h, {counted(plan.gpus, 'GPU')}{power}"


def _answer(result: FleetResult) -> str:
    asked = {"cost": "least cost", "power": "least power", "gpus": "fewest GPUs"}[result.question]
    return asked if result.stopped is None else f"{asked} found so far"


def _proof(result: FleetResult, plan: FleetPlan) -> str:
    """What is proven of the one plan."""
    if not math.isfinite(plan.bound):
        return "not proven: no bound was found, a better plan may exist"
    bound = f"bound {_amount(plan.bound, UNITS[result.question])}, gap {wording.percent(plan.gap)}"
    if plan.status == "optimal":
        best = {"cost": "no plan is cheaper", "power": "no plan draws less", "gpus": "no plan rents fewer"}
        return f"proven optimal: {best[result.question]} ({bound})"
    if result.stopped is not None:
        return f"not proven: a plan better by up to {wording.percent(plan.gap)} may exist ({bound})"
    return f"proven to within {wording.percent(plan.gap)} of the optimum ({bound})"


def _amount(value: float, unit: str) -> str:
    return f"${value:,.2f}/h" if unit == "$/h" else f"{_plain(value)} {unit}"


def _plain(value: float, significant: int = 4) -> str:
    """Write a number with the digits that matter and without an exponent."""
    digits = significant - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(digits, 0)}f}".rstrip("0").rstrip(".") if digits > 0 else f"{value:,.0f}"


def _foot(result: FleetResult) -> list[str]:
    rows = [row for plan in result.plans for row in plan.instances]
    lines = [] if result.is_frontier else [*_letters(rows), _KEY]
    statistics = result.statistics
    lines.append(
        f"{counted(statistics.columns, 'instance type')} priced, {statistics.columns_in_program:,} in the program "
        f"({counted(statistics.variables, 'variable')}, {counted(statistics.constraints, 'constraint')}); "
        f"{wording.effort(result)}"
    )
    return lines


def _letters(rows: Sequence[InstanceRow]) -> list[str]:
    """What the letters in the layouts mean, as far as they occur."""
    layouts = " ".join(_layout(row) for row in rows if row.tensor_parallel is not None)
    letters = [f"{name} {word}" for name, word in wording.LAYOUT_WORDS.items() if name in layouts]
    return [f"layout: {', '.join(letters)} parallel degree; degrees of 1 are left out"] if letters else []


# Tables of one plan


def _instances(plan: FleetPlan) -> _Table:
    """What runs where; what is the same in every row stands in the heading."""
    rows = plan.instances
    columns = [
        words("workload", unrepeated(row.workload for row in rows)),
        words("phase", (row.phase for row in rows)),
        words("pool", (row.pool for row in rows)),
        Column("instances", "x GPUs", _products(rows)),
        words("layout", map(_layout, rows)),
        words("weights", (row.weights or "-" for row in rows)),
        counts("batch", "", [row.batch for row in rows]),
        counts("draft", "tokens", [row.draft_tokens or None for row in rows]),
        figures("speed", "tokens/s", [row.speed_tokens_per_s for row in rows]),
        figures("TTFT", "s", [row.time_to_first_token_s for row in rows], significant=3),
        shares("load", [row.utilization for row in rows]),
        money("rent", [row.usd_per_hour for row in rows]),
    ]
    same = [column for column in columns if column.name in _FOLDED and len(set(column.cells)) == 1]
    about = ", ".join(f"{column.name} {column.cells[0]}" for column in same if column.cells[0] != "-")
    heading = f"Instances ({'all: ' if len(rows) > 1 else ''}{about})" if about else "Instances"
    narrow = ("draft", "weights", "TTFT", "batch", "speed", "load", "layout")
    return _Table(heading, [column for column in speaking(columns) if column not in same], narrow)


def _layout(row: InstanceRow) -> str:
    """Degrees of parallelism; an operating point has none, only its name."""
    return shortened(row.instance_type, _MOST_NAME) if row.tensor_parallel is None else wording.layout(row)


def _products(rows: Sequence[InstanceRow]) -> tuple[str, ...]:
    """Instances times GPUs, the signs below each other."""
    wide = max((len(str(row.gpus)) for row in rows), default=0)
    return tuple(f"{row.instances:,} x {str(row.gpus).ljust(wide)}" for row in rows)


def _workloads(plan: FleetPlan) -> _Table:
    rows = plan.workloads
    required: Iterable[float | None] = [row.required_requests_per_s for row in rows]
    if all(row.required_requests_per_s == row.requests_per_s for row in rows):
        required = [None for _ in rows]
    columns = [
        words("workload", (row.workload for row in rows)),
        words("serving", (row.serving for row in rows)),
        *_alike(
            ("demand", [row.requests_per_s for row in rows]),
            ("required", list(required)),
            ("capacity", [row.capacity_requests_per_s for row in rows]),
            ("slack", [row.slack_requests_per_s for row in rows]),
        ),
        shares("load", [row.utilization for row in rows]),
        figures("speed", "tokens/s", [row.speed_tokens_per_s for row in rows]),
        figures("TTFT", "s", [row.time_to_first_token_s for row in rows], significant=3),
        counts("GPUs", "", [row.gpus for row in rows]),
        powers([row.power_kw for row in rows]),
        money("rent", [row.usd_per_hour for row in rows]),
    ]
    narrow = ("TTFT", "speed", "serving", "load", "required", "power", "GPUs")
    return _Table("Workloads (requests/s)", speaking(columns), narrow)


def _alike(*named: tuple[str, Sequence[float | None]]) -> list[Column]:
    """Columns of requests/s with the same decimals, which the least demand or capacity decides."""
    known = [abs(value) for name, values in named for value in values if value and name != "slack"]
    digits = 2 - math.floor(math.log10(min(known))) if known else 0
    decimals = min(max(digits, 0), 4)
    return [
        Column(name, "", tuple("-" if value is None else f"{value:,.{decimals}f}" for value in values))
        for name, values in named
    ]


def _pools(result: FleetResult, plan: FleetPlan) -> _Table:
    rows = plan.pools
    owned = {pool.name: pool.owned_gpus for pool in result.scenario.pools}
    columns = [
        words("pool", (row.pool for row in rows)),
        words("accelerator", (row.accelerator for row in rows)),
        words("rented by", (row.rented_by for row in rows)),
        counts("stock", "GPUs", [row.capacity_gpus for row in rows]),
        counts("owned", "GPUs", [owned.get(row.pool) or None for row in rows]),
        counts("rented", "GPUs", [row.allocated_gpus for row in rows]),
        counts("used", "GPUs", [row.used_gpus for row in rows]),
        counts("nodes", "", [row.nodes for row in rows]),
        powers([row.power_kw for row in rows]),
        money("rent", [row.usd_per_hour for row in rows]),
    ]
    return _Table("Pools", speaking(columns), ("rented by", "accelerator", "owned", "nodes", "power"))


def _next_cheaper(result: FleetResult, plan: FleetPlan) -> _Table:
    """What a better plan would have to violate; where nothing is known there is no table."""
    rows = sorted(plan.next_cheaper, key=lambda row: (row.share is None, row.share or 0.0))
    if not rows:
        return _Table("", [])
    better = {"cost": "cheaper plan", "power": "plan with less power", "gpus": "plan with fewer GPUs"}[result.question]
    unit = UNITS[result.question]
    wide = max(len(row.unit) for row in rows)
    then = [row.objective for row in rows]
    columns = [
        words("requirement", (row.requirement for row in rows)),
        Column("missed by", "", tuple(f"{_plain(row.amount)} {row.unit.ljust(wide)}" for row in rows)),
        Column("relative", "", tuple("-" if row.share is None else wording.percent(row.share) for row in rows)),
        Column("then", unit, tuple(f"{value:,.{0 if unit == 'GPUs' else 2}f}" for value in then)),
    ]
    heading = f"Any {better} that misses just one requirement misses it by at least"
    return _Table(heading, columns, ("relative",))


# Frontiers


def _frontier(result: FleetResult, width: int) -> str:
    shown = thinned(result.plans)
    parts = [wrapped(_frontier_head(result), width)]
    if shown:
        parts.append(_fitted(_plans(result, shown), width))
    lines = _foot(result)
    left_out = len(result) - len(shown)
    if left_out:
        lines.insert(0, f"{left_out} of {len(result)} rows are left out; --out FILE or --format csv has them all")
    parts.append(wrapped([*lines[:-1], f"{_proven(result)}; {lines[-1]}"], width))
    return "\n\n".join(parts)


def _frontier_head(result: FleetResult) -> list[str]:
    warning = wording.warning(result)
    lines = [f"{result.scenario.name}: {trade(result)}", guarantee(result)]
    return lines if warning is None else [warning, *lines]


def trade(result: FleetResult) -> str:
    """What a frontier trades."""
    against = {"speed": "a common factor on all speeds", "cost_power": "power", "cost_gpus": "GPUs"}
    return f"least cost against {against[result.question]}"


def guarantee(result: FleetResult) -> str:
    """What is proven of the plans that a frontier does not list."""
    count = counted(result.plans, "plan")
    these = "it" if len(result) == 1 else "one of these"
    match result.guarantee:
        case Guarantee.COMPLETE:
            return f"{count}, the complete frontier: {these} matches or beats every other feasible plan"
        case Guarantee.COVERED:
            most = wording.percent(result.coverage or 0.0)
            worse = {"speed": "slower", "cost_power": "higher in power", "cost_gpus": "higher in GPUs"}
            covered = f"at most {most} more expensive and {most} {worse[result.question]}"
            return f"{count}; for every feasible plan {these} is {covered}"
        case _:
            return f"{count} found before the search ended; better ones may exist"


def _plans(result: FleetResult, shown: Sequence[FleetPlan]) -> _Table:
    factor = figures("speed", "factor", [plan.speed_factor for plan in shown])
    power = powers([plan.power_kw for plan in shown])
    gpus = counts("GPUs", "", [plan.gpus for plan in shown])
    cost = money("cost", [plan.usd_per_hour for plan in shown])
    first = {"speed": factor, "cost_power": power, "cost_gpus": gpus}[result.question]
    columns = [first, cost, *(column for column in (gpus, power) if column is not first)]
    if any(plan.status != "optimal" for plan in shown):
        columns.append(Column("gap", "", tuple(gap_text(plan.status, plan.gap) for plan in shown)))
    pools = _instances_by_pool(result, shown)
    # Of many pools, those with the fewest instances are the first to go.
    rare = sorted(pools, key=lambda column: sum(int(cell) for cell in column.cells if cell.isdecimal()))
    heading = "Plans, and the instances of each on each pool" if pools else "Plans"
    return _Table(heading, speaking([*columns, *pools]), tuple(column.name for column in rare))


def _instances_by_pool(result: FleetResult, shown: Sequence[FleetPlan]) -> list[Column]:
    columns = []
    for pool in (pool.name for pool in result.scenario.pools):
        counts = [sum(row.instances for row in plan.instances if row.pool == pool) for plan in shown]
        if any(counts):
            name = shortened(pool, _MOST_NAME)
            columns.append(Column(name, "inst.", tuple(str(count) if count else "-" for count in counts)))
    return columns


def _proven(result: FleetResult) -> str:
    """How many plans are proven to be the cheapest of their kind, and how far the others may be from it."""
    total, open_gaps = len(result), [plan.gap for plan in result.plans if plan.status != "optimal"]
    if total == 0:
        return "nothing found"
    proven = f"{total - len(open_gaps)} of {total} proven optimal"
    if not open_gaps:
        return proven
    gap = max(open_gaps)
    return f"{proven}, the others " + (f"within {wording.percent(gap)}" if math.isfinite(gap) else "without a bound")
