"""Checking what a plan says in sum, of its pools, its workloads, its rows' shares and what is proven of it.

All of it follows from the nodes, the rows and the scenario by sums and ratios: any difference but rounding is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from sys import float_info

import numpy as np

from ieco_opt.fleet.verify import allocated_gpus, margin_of_row, pool_energy, states_energy, usd_per_hour
from ieco_opt.performance.economics import TOKENS_PER_MTOK, usd_per_second
from ieco_opt.results.agreement import EXACT, differences, exceeds, same, shown
from ieco_opt.results.answer import Question
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, NodeRow, PoolSummary, WorkloadSummary
from ieco_opt.scenario import ResolvedFleet, ResolvedPool, ResolvedWorkload

_MINIMISED = {
    "cost": "usd_per_hour",
    "power": "power_kw",
    "gpus": "gpus",
    "energy": "energy_kw",
    "carbon": "carbon_kg_per_hour",
    "throughput": "demand_factor",
}


def summary_problems(resolved: ResolvedFleet, question: Question, plan: FleetPlan) -> Iterator[str]:
    """Every figure of a plan's sums that is not what its rows and nodes come to."""
    yield from _proof(question, plan)
    yield from _order(resolved, plan)
    pools = {pool.name: pool for pool in resolved.pools}
    for pool_summary in plan.pools:
        pool = pools.get(pool_summary.pool)
        if pool is not None:
            yield from _different(f"pool {pool.name}", pool_summary, _pool(resolved, pool, plan))
    used = {pool_summary.pool: pool_summary for pool_summary in plan.pools}
    for row in plan.instances:
        if row.pool in used and row.pool in pools:
            name = f"workload {row.workload}: {row.phase} {row.instance_type}"
            yield from _different(name, row, _row(pools[row.pool], used[row.pool], plan, row))
            utilization = _ratio(row.requests_per_s, row.capacity_requests_per_s)
            if not same(row.utilization, utilization):
                of_what = f"requests_per_s over capacity_requests_per_s is {shown(utilization)}"
                yield f"{name}: utilization: found {shown(row.utilization)}, {of_what}"
    workloads = {workload.workload.name: workload for workload in resolved.workloads}
    for summary in plan.workloads:
        workload = workloads.get(summary.workload)
        if workload is not None:
            name = f"workload {summary.workload}"
            yield from _different(name, summary, _workload(workload, used, plan, summary))
            yield from (f"{name}: {problem}" for problem in _slack(summary))
    listed = [("pools", [each.pool for each in plan.pools], list(pools))]
    listed += [("workloads", [each.workload for each in plan.workloads], list(workloads))]
    for table, names, expected in listed:
        if names != expected:
            yield f"{table}: found {', '.join(names) or 'nothing'}, expected {', '.join(expected)}"


def _order(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """Instances go by workload, phase and size, nodes by pool and number."""
    workloads = {each.workload.name: at for at, each in enumerate(resolved.workloads)}
    pools = {pool.name: at for at, pool in enumerate(resolved.pools)}
    of_instances = [(workloads.get(row.workload, -1), row.phase, row.gpus) for row in plan.instances]
    if of_instances != sorted(of_instances):
        yield "instances: are not in the order of workloads, phases and gpus"
    of_nodes = [(pools.get(row.pool, -1), row.node) for row in plan.nodes]
    if of_nodes != sorted(of_nodes):
        yield "nodes: are not in the order of pools and nodes"


def _different(name: str, record: object, expected: Mapping[str, object]) -> Iterator[str]:
    found = {field: getattr(record, field) for field in expected}
    yield from (f"{name}: {each}" for each in differences(found, expected))


def _proof(question: Question, plan: FleetPlan) -> Iterator[str]:
    value, bound = plan.objective, plan.bound
    minimised = getattr(plan, _MINIMISED[question.objective or "cost"])
    if not same(value, minimised):
        yield f"objective: found {shown(value)}, the plan comes to {shown(minimised)}"
    # Of throughput more is better.
    most = question.objective == "throughput"
    if exceeds(value, bound) if most else exceeds(bound, value):
        yield f"bound: found {bound:.9g}, {'below' if most else 'above'} the objective {value:.9g}"
    above = bound - value if most else value - bound
    gap = 0.0 if above <= 0.0 else above / abs(value) if value else above
    if not same(plan.gap, gap, near_zero=True):
        yield f"gap: found {shown(plan.gap)}, bound and objective give {shown(gap)}"


def _pool(resolved: ResolvedFleet, pool: ResolvedPool, plan: FleetPlan) -> dict[str, object]:
    here = [row for row in plan.nodes if row.pool == pool.name]
    allocated = allocated_gpus(pool, plan)
    return {
        "accelerator": pool.accelerator.name,
        "rented_by": "node" if pool.by_node else "gpu",
        "capacity_gpus": pool.gpus,
        "allocated_gpus": allocated,
        "used_gpus": sum(row.gpus for row in here),
        "nodes": len({row.node for row in here}),
        "usd_per_hour": usd_per_hour(pool, plan),
        "power_kw": None if pool.power_w is None else pool.power_w * allocated / 1000.0,
        **(pool_energy(pool, plan) if states_energy(resolved, plan) else {}),
    }


def _row(pool: ResolvedPool, summary: PoolSummary, plan: FleetPlan, row: InstanceRow) -> dict[str, object]:
    rent = float(usd_per_second(np.array(float(row.gpus)), np.array(pool.usd_per_gpu_hour)))
    # With a price of energy the performance model says what a token costs.
    cost = {"cost_usd_per_mtok": TOKENS_PER_MTOK * rent / row.throughput_tokens_per_s}
    return {
        **(cost if pool.usd_per_kwh is None else {}),
        "accelerator": pool.accelerator.name,
        "nodes": len({node.node for node in plan.nodes if _holds(node, row)}),
        "usd_per_hour": summary.usd_per_hour * row.gpus * row.instances / max(1, summary.used_gpus),
        "power_kw": None if pool.power_w is None else pool.power_w * row.gpus / 1000.0,
        "bound": plan.bound,
        "gap": plan.gap,
        "status": plan.status,
        "latency_s": None if row.speed_tokens_per_s is None else 1.0 / row.speed_tokens_per_s,
    }


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
    required = asked.demand * (1.0 + asked.headroom)
    speeds = [row.speed_tokens_per_s for row in rows if row.speed_tokens_per_s is not None]
    firsts = [row.time_to_first_token_s for row in rows if row.time_to_first_token_s is not None]
    drawn = [(pools[row.pool], row.gpus * row.instances) for row in rows if row.pool in pools]
    unknown = any(pool.power_kw is None for pool, _ in drawn)
    return {
        "serving": "colocated" if phases == {"colocated"} else "disaggregated",
        "instances": sum(row.instances for row in rows),
        "requests_per_s": asked.demand,
        "required_requests_per_s": required,
        "capacity_requests_per_s": _capacity(workload, rows),
        "utilization": _ratio(asked.demand, summary.capacity_requests_per_s),
        "speed_tokens_per_s": min(speeds, default=None),
        "time_to_first_token_s": max(firsts, default=None),
        "gpus": sum(row.gpus * row.instances for row in rows),
        "usd_per_hour": sum(row.usd_per_hour for row in rows),
        "power_kw": None
        if unknown
        else sum((pool.power_kw or 0.0) * gpus / max(1, pool.used_gpus) for pool, gpus in drawn),
    }


def covered(resolved: ResolvedFleet, workload: ResolvedWorkload, plan: FleetPlan) -> float:
    """Multiple of what is required of a workload that its instances serve with the error of the model."""
    asked = workload.workload
    rows = [row for row in plan.instances if row.workload == asked.name]
    capacity = _capacity(workload, rows, [margin_of_row(resolved, row) for row in rows])
    return capacity / (asked.demand * (1.0 + asked.headroom))


def _capacity(workload: ResolvedWorkload, rows: Sequence[InstanceRow], margins: Sequence[float] | None = None) -> float:
    """What the scarcest phase could serve of the same mix, if times are those of the model or longer by margins."""
    asked, pairs = workload.workload, list(zip(rows, margins or [1.0] * len(rows), strict=True))
    if len(asked.classes) == 1:
        phases = {row.phase for row in rows}
        sums = (
            sum(row.capacity_requests_per_s / margin for row, margin in pairs if row.phase == phase) for phase in phases
        )
        return min(sums, default=0.0)
    # Every class alike can grow until the first of the instances is busy.
    room = [
        row.capacity_requests_per_s / margin / row.requests_per_s for row, margin in pairs if row.requests_per_s > 0.0
    ]
    return asked.demand * min(room, default=0.0)


def _slack(summary: WorkloadSummary) -> Iterator[str]:
    """Capacity beyond what is required: a difference, whose rounding is that of the two."""
    required, found = summary.required_requests_per_s, summary.slack_requests_per_s
    expected = max(0.0, summary.capacity_requests_per_s - required)
    if abs(found - expected) > 4.0 * float_info.epsilon * required + EXACT * expected:
        yield f"slack_requests_per_s: found {found:.12g}, expected {expected:.12g}"
