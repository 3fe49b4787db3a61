"""Checking plans of a fleet with the performance model and arithmetic alone: no program, no solver, no dominance.

Everything is read from the tables that users get: what sits on each node, what each row serves, what is paid.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ieco_opt.fleet.columns import MODES, Candidates
from ieco_opt.fleet.instances import DecodingSetups
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.fleet.verify_summaries import summary_problems
from ieco_opt.performance.serving import Phase
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.plan import FleetPlan, FleetResult, InstanceRow
from ieco_opt.scenario import ResolvedFleet, ResolvedPool, ResolvedWorkload, resolve_fleet

TOLERANCE = 1e-6
"""Relative difference between a figure of a plan and the same figure computed again, or between a total and its cap."""


@dataclass(slots=True)
class PlanCheck:
    """What was looked at, and one line for each thing that is wrong."""

    plans: int = 0
    rows: int = 0
    nodes: int = 0
    problems: list[str] = field(default_factory=list)


def check_plans(result: FleetResult) -> PlanCheck:
    """Check every plan but for the figures of the performance model: nodes, limits, demand, service, sums, proof."""
    resolved = resolve_fleet(result.scenario)
    report = PlanCheck()
    for index, plan in enumerate(result.plans):
        report.plans += 1
        report.rows += len(plan.instances)
        report.nodes += len({(row.pool, row.node) for row in plan.nodes})
        found = [*plan_problems(resolved, plan), *summary_problems(resolved, result.question, plan)]
        report.problems += [f"plans[{index}]: {problem}" for problem in found]
    return report


def check_prices(result: FleetResult) -> list[str]:
    """Rows of every plan that the performance model, or the table of operating points, does not confirm."""
    resolved = resolve_fleet(result.scenario)
    return [
        f"plans[{index}]: {problem}"
        for index, plan in enumerate(result.plans)
        for problem in _mispriced(resolved, plan)
    ]


def plan_problems(resolved: ResolvedFleet, plan: FleetPlan) -> list[str]:
    """What is wrong with nodes, capacity, replicas, demand, service, hourly cost and power of one plan."""
    problems = [*_totals(resolved, plan)]
    for pool in resolved.pools:
        problems += [f"pool {pool.name}: {problem}" for problem in _pool_problems(pool, plan)]
    for workload in resolved.workloads:
        name = workload.workload.name
        problems += [f"workload {name}: {problem}" for problem in _workload_problems(workload, plan)]
    return problems


def _more(found: float, allowed: float) -> bool:
    return found > allowed * (1.0 + TOLERANCE)


def _differs(found: float, expected: float) -> bool:
    return not abs(found - expected) <= TOLERANCE * max(abs(expected), 1e-300)


def _allocated(pool: ResolvedPool, plan: FleetPlan) -> int:
    here = [row for row in plan.nodes if row.pool == pool.name]
    return pool.node_size * len({row.node for row in here}) if pool.by_node else sum(row.gpus for row in here)


def _usd_per_hour(pool: ResolvedPool, plan: FleetPlan) -> float:
    return pool.usd_per_gpu_hour * max(0, _allocated(pool, plan) - pool.owned_gpus)


def _totals(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    limits = resolved.fleet.limits
    cost = sum(_usd_per_hour(pool, plan) for pool in resolved.pools)
    gpus = sum(_allocated(pool, plan) for pool in resolved.pools)
    if _differs(plan.usd_per_hour, cost):
        yield f"usd_per_hour: found {plan.usd_per_hour:.9g}, its nodes cost {cost:.9g}"
    if plan.gpus != gpus:
        yield f"gpus: found {plan.gpus}, its nodes hold {gpus}"
    power = [pool.power_w for pool in resolved.pools if _allocated(pool, plan)]
    if plan.power_kw is not None and None not in power:
        drawn = sum((pool.power_w or 0.0) * _allocated(pool, plan) for pool in resolved.pools) / 1000.0
        if _differs(plan.power_kw, drawn):
            yield f"power_kw: found {plan.power_kw:.9g}, its nodes draw {drawn:.9g}"
        if limits.max_power_kw is not None and _more(drawn, limits.max_power_kw):
            yield f"power: {drawn:.6g} kW, more than max_power_kw {limits.max_power_kw:g}"
    if limits.max_usd_per_hour is not None and _more(cost, limits.max_usd_per_hour):
        yield f"cost: {cost:.6g} $/h, more than max_usd_per_hour {limits.max_usd_per_hour:g}"
    if limits.max_gpus is not None and gpus > limits.max_gpus:
        yield f"gpus: {gpus}, more than max_gpus {limits.max_gpus}"
    if _more(plan.bound, plan.objective):
        yield f"bound: found {plan.bound:.9g}, above the objective {plan.objective:.9g}"


def _pool_problems(pool: ResolvedPool, plan: FleetPlan) -> Iterator[str]:
    nodes: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    pieces: dict[tuple[str, str, str, int], list[int]] = {}
    for row in plan.nodes:
        if row.pool == pool.name:
            nodes.setdefault(row.node, []).append(row.gpus)
            sizes[row.node] = row.node_gpus
            pieces.setdefault((row.workload, row.phase, row.instance_type, row.instance), []).append(row.gpus)
    whole, left = divmod(pool.gpus, pool.node_size)
    partial = 0 if pool.by_node else left
    for node, gpus in nodes.items():
        if sum(gpus) > sizes[node]:
            yield f"node {node}: holds {sum(gpus)} GPUs of {sizes[node]}"
    used = Counter(sizes.values())
    if used[pool.node_size] > whole or any(
        count > (size == partial) for size, count in used.items() if size != pool.node_size
    ):
        there = f"{whole} of {pool.node_size} GPUs and {partial} left over"
        yield f"capacity: {dict(used)} nodes by size in use, of {there}"
    placed = Counter(key[:3] for key in pieces)
    for column in plan.instances:
        if column.pool == pool.name:
            yield from _unplaced(column, pool, placed, pieces)
    if pool.max_power_kw is not None and _more(
        (pool.power_w or 0.0) * _allocated(pool, plan) / 1000.0, pool.max_power_kw
    ):
        yield f"power: more than max_power_kw {pool.max_power_kw:g}"


def _unplaced(
    row: InstanceRow,
    pool: ResolvedPool,
    placed: Counter[tuple[str, str, str]],
    pieces: dict[tuple[str, str, str, int], list[int]],
) -> Iterator[str]:
    """Instances that are not on nodes as they should be: whole nodes, and the rest on one more."""
    name = f"{row.workload} {row.phase} {row.instance_type}"
    if placed[row.workload, row.phase, row.instance_type] != row.instances:
        yield f"{name}: {row.instances} instances, {placed[row.workload, row.phase, row.instance_type]} on nodes"
    whole, rest = divmod(row.gpus, pool.node_size)
    expected = sorted([pool.node_size] * whole + [rest] * bool(rest))
    for key, gpus in pieces.items():
        if key[:3] == (row.workload, row.phase, row.instance_type) and sorted(gpus) != expected:
            yield f"{name}: instance {key[3]} lies on nodes as {sorted(gpus)}, expected {expected}"


def _workload_problems(workload: ResolvedWorkload, plan: FleetPlan) -> Iterator[str]:
    asked = workload.workload
    rows = [row for row in plan.instances if row.workload == asked.name]
    phases = {row.phase for row in rows}
    modes = [mode for mode in asked.serving if {phase.value for phase in MODES[mode]} == phases]
    if not modes:
        yield f"runs {', '.join(sorted(phases)) or 'nothing'}, which is no mode of {', '.join(asked.serving)}"
        return
    for phase in sorted(phases):
        here = [row for row in rows if row.phase == phase]
        running = sum(row.instances for row in here)
        if running < asked.min_instances or running > (asked.max_instances or running):
            yield f"{phase}: {running} instances, of {asked.min_instances} to {asked.max_instances or 'any number'}"
        served = sum(row.requests_per_s for row in here)
        if _differs(served, asked.requests_per_s):
            yield f"{phase}: serves {served:.9g} requests/s of {asked.requests_per_s:g}"
        for row in here:
            if _more(row.requests_per_s * (1.0 + asked.headroom), row.capacity_requests_per_s):
                found = f"serves {row.requests_per_s:.9g} of {row.capacity_requests_per_s:.9g}"
                yield f"{phase} {row.instance_type}: {found}"
            yield from _late(row, workload)


def _late(row: InstanceRow, workload: ResolvedWorkload) -> Iterator[str]:
    asked = workload.workload
    if asked.pools is not None and row.pool not in asked.pools:
        yield f"{row.phase} {row.instance_type}: runs on {row.pool}, which it must not"
    speed, first = row.speed_tokens_per_s, row.time_to_first_token_s
    if asked.min_speed is not None and speed is not None and _more(asked.min_speed, speed):
        yield f"{row.phase} {row.instance_type}: {speed:.6g} tokens/s, below min_speed {asked.min_speed:g}"
    longest = asked.max_time_to_first_token_s
    if longest is not None and first is not None and _more(first, longest):
        yield f"{row.phase} {row.instance_type}: first token after {first:.6g} s, later than {longest:g} s"


def _mispriced(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """Rows whose capacity or speed the performance model does not confirm (operating points: the table)."""
    for workload in resolved.workloads:
        if len(workload.workload.classes) > 1:
            # A row of a mix states figures of one class only.
            continue
        for row in plan.instances:
            if row.workload == workload.workload.name:
                problem = _wrong_figures(workload, resolved, row)
                if problem is not None:
                    yield f"workload {row.workload}: {row.phase} {row.instance_type}: {problem}"


def _wrong_figures(workload: ResolvedWorkload, resolved: ResolvedFleet, row: InstanceRow) -> str | None:
    if row.instances < 1:
        return "runs no instance"
    each = row.capacity_requests_per_s / row.instances
    if row.parallelism is None:
        return None if _listed(workload, resolved, row, each) else "no operating point of the scenario is like it"
    if row.weights not in workload.workload.weights:
        return f"its weights are {row.weights}, expected one of {', '.join(workload.workload.weights)}"
    candidate = _candidate_of(workload, resolved, row)
    for table in candidate.tables:
        setups = table.setups[0]
        keys = setups.keys()
        for at in np.flatnonzero((keys == _key(row, keys.shape[1])).all(axis=1)):
            if isinstance(setups, DecodingSetups):
                low, high = setups.alternatives.batch_min[at], setups.alternatives.batch_max[at]
                if not low <= (row.batch or 0) <= high:
                    return f"batch {row.batch} does not fit in memory, which holds {low} to {high}"
                capacities = setups.take(np.array([at])).at(np.array([row.batch or 0]))
                served = float(capacities.requests_per_s[0])
            else:
                served = float(setups.capacities(candidate.service()).requests_per_s[at])
            if _differs(each, served):
                return f"serves {each:.9g} requests/s, the performance model says {served:.9g}"
            return None
    return "is no configuration of the workload that fits in memory"


def _listed(workload: ResolvedWorkload, resolved: ResolvedFleet, row: InstanceRow, each: float) -> bool:
    output = workload.workload.classes[0].output_tokens
    pools = {pool.name: at for at, pool in enumerate(resolved.pools)}
    for point, suits in workload.points:
        tokens = point.throughput_tokens_per_s
        served = point.throughput_requests_per_s if tokens is None else tokens / output
        alike = point.gpus == row.gpus and point.phase == row.phase and pools[row.pool] in suits
        if alike and served is not None and math.isclose(served, each, rel_tol=TOLERANCE):
            return True
    return False


def _key(row: InstanceRow, width: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    def degrees(held: Parallelism | None) -> list[int]:
        if held is None:
            return [0] * 5
        return [held.stage_ranks, held.pipeline, held.expert, held.attention_data, int(held.layout == "2d")]

    key = [*degrees(row.parallelism), row.draft_tokens or 0, *degrees(row.draft)]
    assert len(key) == width
    return np.array(key, dtype=np.int64)


def _candidate_of(workload: ResolvedWorkload, resolved: ResolvedFleet, row: InstanceRow) -> Candidates:
    """What the workload could run in the phase, precision and pool of a row."""
    phase = Phase(row.phase)
    mode = next(mode for mode, phases in MODES.items() if phase in phases)
    narrowed = workload.workload.model_copy(update={"serving": (mode,), "weights": (row.weights,)})
    pool = next(at for at, pool in enumerate(resolved.pools) if pool.name == row.pool)
    only = ResolvedWorkload(narrowed, workload.model, workload.draft, workload.design_space, (pool,), ())
    candidate = build_candidates(only, resolved.pools)
    tables = tuple(table for table in candidate.tables if table.phase is phase)
    return Candidates(only, tables, (), candidate.rejected)
