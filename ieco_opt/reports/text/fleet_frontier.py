"""Frontiers of a fleet for people in a terminal: one row a plan."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.table import Column, left_out, shortened, thinned, wrapped
from ieco_opt.reports.text.table_columns import counts, gaps, hourly_costs, numbers, powers, speaking
from ieco_opt.reports.text.titled_table import MOST_NAME, TitledTable, fitted
from ieco_opt.results.plan import FleetPlan, FleetResult


def render_frontier(result: FleetResult, width: int) -> str:
    """Put the plans of a frontier into text of ``width`` columns."""
    shown = thinned(result.plans)
    parts = [wrapped(_head(result), width)]
    if shown:
        parts.append(fitted(plans_table(result, shown), width))
    proof = wording.proof([(plan.status, plan.gap) for plan in result])
    trust = wording.trust([row for plan in result for row in plan.instances])
    lines = [*left_out(len(result), len(shown)), *trust, f"{proof}; {fleet_wording.statistics(result)}"]
    return "\n\n".join([*parts, wrapped(lines, width)])


def _head(result: FleetResult) -> list[str]:
    lines = [f"{result.scenario.name}: {fleet_wording.trade(result)}", fleet_wording.guarantee(result)]
    return [*wording.warning(result), *lines, *wording.margin(result.scenario)]


def plans_table(result: FleetResult, shown: Sequence[FleetPlan]) -> TitledTable:
    """One row a plan, and how many instances each pool holds."""
    factor = numbers("speed", "factor", [plan.speed_factor for plan in shown])
    power = powers([plan.power_kw for plan in shown])
    gpus = counts("GPUs", "", [plan.gpus for plan in shown])
    cost = hourly_costs([plan.usd_per_hour for plan in shown])
    served = numbers(*fleet_wording.served_heading(result), fleet_wording.served_by(result, shown))
    firsts = {"speed": factor, "power": power, "gpus": gpus, "throughput": served}
    first = firsts[fleet_wording.against(result)]
    columns = [first, cost, *(column for column in (gpus, power) if column is not first)]
    if first is not factor and any(plan.speed_factor != 1.0 for plan in shown):
        columns.append(factor)
    if any(plan.status != "optimal" for plan in shown):
        columns.append(gaps([(plan.status, plan.gap) for plan in shown]))
    pools = _instances_by_pool(result, shown)
    # Of many pools, those with the fewest instances are the first to go.
    rare = sorted(pools, key=lambda column: sum(int(cell) for cell in column.cells if cell.isdecimal()))
    heading = "Plans, and the instances of each on each pool" if pools else "Plans"
    return TitledTable(heading, speaking([*columns, *pools]), tuple(column.name for column in rare))


def _instances_by_pool(result: FleetResult, shown: Sequence[FleetPlan]) -> list[Column]:
    columns = []
    for pool in (pool.name for pool in result.scenario.pools):
        instances = [sum(row.instances for row in plan.instances if row.pool == pool) for plan in shown]
        if any(instances):
            name = shortened(pool, MOST_NAME)
            columns.append(Column(name, "inst.", tuple(str(count) if count else "-" for count in instances)))
    return columns
