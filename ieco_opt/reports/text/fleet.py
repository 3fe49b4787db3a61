"""Plans of a fleet for people in a terminal: one plan in four tables, a frontier as one row a plan. Plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.fleet_frontier import render_frontier
from ieco_opt.reports.text.stated import stated
from ieco_opt.reports.text.table import LEAST_WIDTH, Column, shortened, wrapped
from ieco_opt.reports.text.table_columns import (
    SPEED,
    counts,
    exchanges,
    hourly_costs,
    numbers,
    powers,
    shares,
    speaking,
    speeds,
    unrepeated,
    verify_widths,
    words,
)
from ieco_opt.reports.text.titled_table import MOST_NAME, TitledTable, fitted
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult

_KEY = "tokens/s/user (output), TTFT (time to first token, +-60 %): of a full instance; cost: of the pool, by GPUs"

_ENERGY = "power: of the boards; energy: power drawn on average at these loads, with what cooling and supply take"

_FOLDED = ("phase", "pool", "weights", "cache", "engine")
"""Columns that go into the heading where every row says the same."""


def render(result: FleetResult, width: int = 80) -> str:
    """Put a result into text for a terminal of ``width`` columns.

    Where the terminal is narrow, columns that matter less are left out, and then long names are shortened.
    """
    width = max(width, LEAST_WIDTH)
    if result.is_frontier:
        return render_frontier(result, width)
    kept = stated(result.scenario)
    parts = [wrapped(_head(result, plan), width) for plan in result.plans]
    for plan in result.plans:
        tables = (
            instances_table(result, plan, kept),
            workloads_table(plan, kept),
            pools_table(result, plan, kept),
            next_cheaper_table(result, plan),
        )
        parts += [fitted(table, width) for table in tables if table.columns]
    return "\n\n".join([*parts, wrapped(_foot(result), width)])


def _head(result: FleetResult, plan: FleetPlan) -> list[str]:
    """What the plan comes to, and how good it is."""
    lines = [
        f"{result.scenario.name}: {fleet_wording.totals(result, plan)}",
        fleet_wording.verdict(result, plan),
        *fleet_wording.choice(result, plan),
        *fleet_wording.energy(result, plan),
        *wording.margin(result.scenario),
    ]
    return [*wording.warning(result), *lines]


def _foot(result: FleetResult) -> list[str]:
    rows = [row for plan in result.plans for row in plan.instances]
    layouts = [_layout(row) for row in rows if row.parallelism is not None]
    unexamined = [row.requirement for plan in result.plans for row in plan.next_cheaper if row.amount is None]
    missing = [f"what a better plan would miss was not examined in time of: {', '.join(unexamined)}"]
    about = [*wording.letters_in(layouts), *wording.trust(rows)]
    energy = [_ENERGY] if fleet_wording.energy_matters(result) else []
    return [*(missing if unexamined else []), *about, _KEY, *energy, fleet_wording.statistics(result)]


def instances_table(result: FleetResult, plan: FleetPlan, kept: frozenset[str]) -> TitledTable:
    """What runs where; what is the same in every row stands in the heading."""
    rows = plan.instances
    columns = [
        words("workload", unrepeated(row.workload for row in rows)),
        words("phase", (row.phase for row in rows)),
        words("pool", (row.pool for row in rows)),
        Column("instances", "x GPUs", _products(rows)),
        words("engine", (row.engine or "-" for row in rows)),
        words("layout", map(_layout, rows)),
        *exchanges([row.exchange for row in rows]),
        words("weights", (row.weights or "-" for row in rows)),
        *_caches(rows),
        counts("batch", "", [row.batch for row in rows]),
        *verify_widths([row.draft_tokens for row in rows]),
        speeds([row.speed_tokens_per_s for row in rows]),
        numbers("TTFT", "s", [row.time_to_first_token_s for row in rows], significant=3),
        shares("load", [row.utilization for row in rows]),
        *_energies(result, [row.energy_kw for row in rows]),
        hourly_costs([row.usd_per_hour for row in rows]),
    ]
    same = [column for column in columns if column.name in _FOLDED and len(set(column.cells)) == 1]
    about = ", ".join(f"{column.name} {column.cells[0]}" for column in same if column.cells[0] != "-")
    heading = f"Instances ({'all: ' if len(rows) > 1 else ''}{about})" if about else "Instances"
    narrow = ("exchange", "verify", "weights", "TTFT", "batch", SPEED, "load", "energy", "engine", "layout")
    return TitledTable(heading, [column for column in speaking(columns) if column not in same], narrow, kept)


def _caches(rows: Sequence[InstanceRow]) -> list[Column]:
    """Precision of the cache, where any is not in 16 bits."""
    some = any(row.kv_cache == "fp8" for row in rows)
    return [words("cache", (row.kv_cache or "-" for row in rows))] if some else []


def _layout(row: InstanceRow) -> str:
    """Degrees of parallelism; an operating point has none, only its name."""
    return shortened(row.instance_type, MOST_NAME) if row.parallelism is None else row.parallelism.short()


def _products(rows: Sequence[InstanceRow]) -> tuple[str, ...]:
    """Instances times GPUs, the signs below each other."""
    wide = max((len(str(row.gpus)) for row in rows), default=0)
    return tuple(f"{row.instances:,} x {str(row.gpus).ljust(wide)}" for row in rows)


def workloads_table(plan: FleetPlan, kept: frozenset[str]) -> TitledTable:
    """What each workload asks for and gets."""
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
        speeds([row.speed_tokens_per_s for row in rows]),
        numbers("TTFT", "s", [row.time_to_first_token_s for row in rows], significant=3),
        counts("GPUs", "", [row.gpus for row in rows]),
        powers([row.power_kw for row in rows]),
        hourly_costs([row.usd_per_hour for row in rows]),
    ]
    narrow = ("TTFT", SPEED, "serving", "load", "required", "power", "GPUs")
    return TitledTable("Workloads (requests/s)", speaking(columns), narrow, kept)


def _alike(*named: tuple[str, Sequence[float | None]]) -> list[Column]:
    """Columns of requests/s with the same decimals, which the least demand or capacity decides."""
    known = [abs(value) for name, values in named for value in values if value and name != "slack"]
    digits = 2 - math.floor(math.log10(min(known))) if known else 0
    decimals = min(max(digits, 0), 4)
    return [
        Column(name, "", tuple("-" if value is None else f"{value:,.{decimals}f}" for value in values))
        for name, values in named
    ]


def pools_table(result: FleetResult, plan: FleetPlan, kept: frozenset[str]) -> TitledTable:
    """What each pool has, and what of it is allocated and used."""
    rows = plan.pools
    owned = {pool.name: pool.owned_gpus for pool in result.scenario.pools}
    columns = [
        words("pool", (row.pool for row in rows)),
        words("accelerator", (row.accelerator for row in rows)),
        words("billing", (f"per {'GPU' if row.rented_by == 'gpu' else row.rented_by}" for row in rows)),
        counts("capacity", "GPUs", [row.capacity_gpus for row in rows]),
        counts("owned", "GPUs", [owned.get(row.pool) or None for row in rows]),
        counts("allocated", "GPUs", [row.allocated_gpus for row in rows]),
        counts("used", "GPUs", [row.used_gpus for row in rows]),
        counts("nodes", "", [row.nodes for row in rows]),
        powers([row.power_kw for row in rows]),
        *_energies(result, [row.energy_kw for row in rows]),
        hourly_costs([row.usd_per_hour for row in rows]),
    ]
    narrow = ("billing", "accelerator", "owned", "nodes", "power", "energy")
    return TitledTable("Pools", speaking(columns), narrow, kept)


def _energies(result: FleetResult, kilowatts: Sequence[float | None]) -> list[Column]:
    """Power that is drawn on average, where energy matters."""
    return [numbers("energy", "kW", kilowatts)] if fleet_wording.energy_matters(result) else []


def next_cheaper_table(result: FleetResult, plan: FleetPlan) -> TitledTable:
    """What a better plan would have to violate; where nothing is known there is no table."""
    rows = [(row, row.amount, row.objective) for row in plan.next_cheaper if row.amount is not None]
    rows.sort(key=lambda each: (each[0].share is None, each[0].share or 0.0))
    if not rows:
        return TitledTable("", [])
    better = {
        "cost": "cheaper plan",
        "power": "plan with less power",
        "gpus": "plan with fewer GPUs",
        "energy": "plan with less energy",
        "carbon": "plan with less carbon",
    }[fleet_wording.objective(result)]
    unit = fleet_wording.unit(result)
    wide, decimals = max(len(row.unit) for row, _, _ in rows), 0 if unit == "GPUs" else 2
    shares_missed = ("-" if row.share is None else wording.percent(row.share) for row, _, _ in rows)
    columns = [
        words("requirement", (row.requirement for row, _, _ in rows)),
        Column(
            "missed by", "", tuple(f"{fleet_wording.plain(amount)} {row.unit.ljust(wide)}" for row, amount, _ in rows)
        ),
        Column("relative", "", tuple(shares_missed)),
        Column("then", unit, tuple("-" if then is None else f"{then:,.{decimals}f}" for _, _, then in rows)),
    ]
    heading = f"Any {better} that misses just one requirement misses it by at least"
    return TitledTable(heading, columns, ("relative",))
