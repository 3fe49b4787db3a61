"""Checking what a plan says in sum, of its pools, its workloads, its rows' shares and what is proven of it.

All of it follows from the nodes, the rows and the scenario by sums and ratios: any difference but rounding is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ieco_opt.results.answer import Question
from ieco_opt.results.guarantee import Status
from ieco_opt.results.plan import FleetPlan, InstanceRow, NodeRow, PoolSummary, WorkloadSummary
from ieco_opt.scenario import ResolvedFleet, ResolvedPool, ResolvedWorkload

EXACT = 1e-9
"""Relative difference between a figure and the same sum or ratio taken in another order."""
CLOSED = 1e-6
"""Relative gap up to which a plan may be called optimal."""
_MINIMISED = {"cost": "usd_per_hour", "power": "power_kw", "gpus": "gpus"}


def summary_problems(resolved: ResolvedFleet, question: Question, plan: FleetPlan) -> Iterator[str]:
    """Every figure of a plan's sums that is not what its rows and nodes come to."""
    yield from _different("plan", plan, _proof(question, plan))
    pools = {pool.name: pool for pool in resolved.pools}
    for pool_summary in plan.pools:
        pool = pools.get(pool_summary.pool)
        if pool is not None:
            yield from _different(f"pool {pool.name}", pool_summary, _pool(pool, plan))
    used = {pool_summary.pool: pool_summary for pool_summary in plan.pools}
    for row in plan.instances:
        if row.pool in used and row.pool in pools:
            name = f"workload {row.workload}: {row.phase} {row.instance_type}"
            yield from _different(name, row, _row(pools[row.pool], used[row.pool], plan, row))
    workloads = {workload.workload.name: workload for workload in resolved.workloads}
    for summary in plan.workloads:
        workload = workloads.get(summary.workload)
        if workload is not None:
            yield from _different(f"workload {summary.workload}", summary, _workload(workload, used, plan, summary))
    listed = [("pools", [each.pool for each in plan.pools], list(pools))]
    listed += [("workloads", [each.workload for each in plan.workloads], list(workloads))]
    for table, names, expected in listed:
        if names != expected:
            yield f"{table}: found {', '.join(names) or 'nothing'}, expected {', '.join(expected)}"


def _different(name: str, record: object, expected: Mapping[str, object]) -> Iterator[str]:
    for field, wanted in expected.items():
        found = getattr(record, field)
        if isinstance(found, float | int) and isinstance(wanted, float | int):
            same = math.isclose(found, wanted, rel_tol=EXACT, abs_tol=EXACT * (field in _DIFFERENCES))
        else:
            same = found == wanted
        if not same:
            yield f"{name}: {field}: found {_shown(found)}, expected {_shown(wanted)}"


_DIFFERENCES = ("gap", "slack_requests_per_s")
"""Figures near zero that are differences of greater ones, so that rounding is no share of them."""


def _shown(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _proof(question: Question, plan: FleetPlan) -> dict[str, object]:
    found: dict[str, object] = {}
    minimised = getattr(plan, _MINIMISED[question.objective or "cost"])
    if minimised is not None:
        found["objective"] = minimised
    value, bound = plan.objective, plan.bound
    found["gap"] = 0.0 if value <= bound else (value - bound) / abs(value) if value else value - bound
    found["status"] = Status.OPTIMAL if plan.gap <= CLOSED else Status.FEASIBLE
    return found


def _pool(pool: ResolvedPool, plan: FleetPlan) -> dict[str, object]:
    here = [row for row in plan.nodes if row.pool == pool.name]
    nodes, used = len({row.node for row in here}), sum(row.gpus for row in here)
    allocated = pool.node_size * nodes if pool.by_node else used
    return {
        "accelerator": pool.accelerator.name,
        "rented_by": "node" if pool.by_node else "gpu",
        "capacity_gpus": pool.gpus,
        "allocated_gpus": allocated,
        "used_gpus": used,
        "nodes": nodes,
        "usd_per_hour": pool.usd_per_gpu_hour * max(0, allocated - pool.owned_gpus),
        "power_kw": None if pool.power_w is None else pool.power_w * allocated / 1000.0,
    }


def _row(pool: ResolvedPool, summary: PoolSummary, plan: FleetPlan, row: InstanceRow) -> dict[str, object]:
    expected: dict[str, object] = {
        "accelerator": pool.accelerator.name,
        "nodes": len({node.node for node in plan.nodes if _holds(node, row)}),
        "usd_per_hour": summary.usd_per_hour * row.gpus * row.instances / max(1, summary.used_gpus),
        "utilization": _ratio(row.requests_per_s, row.capacity_requests_per_s),
        "power_kw": None if pool.power_w is None else pool.power_w * row.gpus / 1000.0,
        "bound": plan.bound,
        "gap": plan.gap,
        "status": plan.status,
    }
    if row.speed_tokens_per_s is not None and row.latency_s is not None:
        expected["latency_s"] = 1.0 / row.speed_tokens_per_s
    if row.throughput_tokens_per_s:
        usd_per_s = row.gpus * pool.usd_per_gpu_hour / 3600.0
        expected["cost_usd_per_mtok"] = 1e6 * usd_per_s / row.throughput_tokens_per_s
    return expected


def _holds(node: NodeRow, row: InstanceRow) -> bool:
    return (node.workload, node.phase, node.pool, node.instance_type) == (
        row.workload,
        row.phase,
        row.pool,
        row.instance_type,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.inf


def _workload(
    workload: ResolvedWorkload, pools: Mapping[str, PoolSummary], plan: FleetPlan, summary: WorkloadSummary
) -> dict[str, object]:
    asked = workload.workload
    rows = [row for row in plan.instances if row.workload == asked.name]
    phases = {row.phase for row in rows}
    required = asked.requests_per_s * (1.0 + asked.headroom)
    speeds = [row.speed_tokens_per_s for row in rows if row.speed_tokens_per_s is not None]
    firsts = [row.time_to_first_token_s for row in rows if row.time_to_first_token_s is not None]
    capacity = summary.capacity_requests_per_s
    if len(asked.classes) == 1 and phases:
        capacity = min(sum(row.capacity_requests_per_s for row in rows if row.phase == phase) for phase in phases)
    drawn = [(pools[row.pool], row.gpus * row.instances) for row in rows if row.pool in pools]
    unknown = any(pool.power_kw is None for pool, _ in drawn)
    return {
        "serving": "colocated" if phases == {"colocated"} else "disaggregated",
        "instances": sum(row.instances for row in rows),
        "requests_per_s": asked.requests_per_s,
        "required_requests_per_s": required,
        "capacity_requests_per_s": capacity,
        "slack_requests_per_s": max(0.0, summary.capacity_requests_per_s - required),
        "utilization": _ratio(asked.requests_per_s, summary.capacity_requests_per_s),
        "speed_tokens_per_s": min(speeds, default=None),
        "time_to_first_token_s": max(firsts, default=None),
        "gpus": sum(row.gpus * row.instances for row in rows),
        "usd_per_hour": sum(row.usd_per_hour for row in rows),
        "power_kw": None
        if unknown
        else sum((pool.power_kw or 0.0) * gpus / max(1, pool.used_gpus) for pool, gpus in drawn),
    }
