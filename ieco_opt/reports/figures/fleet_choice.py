"""Which plan of a frontier is chosen, and what it runs, in the words of a picture."""

from __future__ import annotations

from ieco_opt.reports.figures import glyphs
from ieco_opt.reports.figures.marks import filled
from ieco_opt.reports.text import fleet_wording
from ieco_opt.reports.text.table import shortened
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult

_MOST_WORKLOADS, _MOST_LETTERS = 3, 20


def cheapest(result: FleetResult) -> FleetPlan | None:
    """The cheapest plan of a frontier that serves what was asked for; ``None`` where no demand was."""
    plans = list(result.plans)
    if fleet_wording.against(result) == "throughput":
        if any(workload.requests_per_s is None for workload in result.scenario.workloads):
            return None
        plans = [plan for plan in plans if plan.demand_factor >= 1.0]
    return min(plans, key=lambda plan: plan.usd_per_hour, default=None)


def words(result: FleetResult, plan: FleetPlan) -> list[str]:
    """What a plan runs and what it comes to, in lines."""
    names = [workload.name for workload in result.scenario.workloads]
    lines = []
    for name in names[:_MOST_WORKLOADS]:
        parts = [_copies(result, row) for row in plan.instances if row.workload == name]
        if len(names) > 1 and parts:
            parts[0] = f"{shortened(glyphs.readable(name), _MOST_LETTERS)}: {parts[0]}"
        lines += filled(parts) if parts else []
    if len(names) > _MOST_WORKLOADS:
        lines.append(f"and {len(names) - _MOST_WORKLOADS} more workloads")
    return [*lines, fleet_wording.totals(result, plan)]


def _copies(result: FleetResult, row: InstanceRow) -> str:
    """Instances of one type, and where and for what they run."""
    where = f" on {shortened(glyphs.readable(row.pool), _MOST_LETTERS)}" if len(result.scenario.pools) > 1 else ""
    phase = "" if row.phase == "colocated" else f" {row.phase}"
    return f"{row.instances:,} x {row.layout}{where}{phase}"
