"""Checking plans of a fleet with arithmetic alone: no program, no solver, no dominance, no performance model.

Everything is read from the tables that users get: what sits on each node, what each row serves, what is paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ieco_opt.defaults import Against
from ieco_opt.fleet.columns import MODES, CacheForm, cache_form
from ieco_opt.performance.serving import Phase
from ieco_opt.results.agreement import EXACT, exceeds, same, shown
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, NodeRow
from ieco_opt.scenario import ResolvedFleet, ResolvedPool, ResolvedWorkload
from ieco_opt.scenario.margin import margin_of, with_error

MET = 2.0 * EXACT
"""Relative slack of a demand that is met: the planner's own for rounding, and that of recomputing the figures."""


def plan_problems(resolved: ResolvedFleet, plan: FleetPlan) -> list[str]:
    """What is wrong with nodes, capacity, replicas, demand, service, hourly cost and power of one plan."""
    problems = [*_totals(resolved, plan)]
    for pool in resolved.pools:
        problems += [f"pool {pool.name}: {problem}" for problem in _pool_problems(pool, plan)]
    for workload in resolved.workloads:
        name = workload.workload.name
        problems += [f"workload {name}: {problem}" for problem in _workload_problems(resolved, workload, plan)]
    return problems


def margin_of_row(resolved: ResolvedFleet, row: InstanceRow) -> float:
    """1 + e of the instances of a row; operating points are taken as they are."""
    hardware = [pool.accelerator for pool in resolved.pools if pool.name == row.pool]
    return 1.0 if row.parallelism is None or not hardware else margin_of(resolved.fleet.model_error, hardware[0])


def objectives_of(plan: FleetPlan, against: Against) -> tuple[float, float]:
    """Cost and the other objective of a plan of a frontier, both the less the better."""
    other = {
        "speed": 1.0 / plan.speed_factor,
        "power": plan.power_kw or 0.0,
        "gpus": float(plan.gpus),
        "throughput": 1.0 / plan.demand_factor,
    }
    return plan.usd_per_hour, other[against]


def allocated_gpus(pool: ResolvedPool, plan: FleetPlan) -> int:
    """GPUs of a pool that are paid for: whole nodes in use, or those of the instances."""
    here = [row for row in plan.nodes if row.pool == pool.name]
    return pool.node_size * len({row.node for row in here}) if pool.by_node else sum(row.gpus for row in here)


def usd_per_hour(pool: ResolvedPool, plan: FleetPlan) -> float:
    """Hourly cost of a pool, of which owned GPUs cost nothing, with the price of its energy where it has one."""
    rent = pool.usd_per_gpu_hour * max(0, allocated_gpus(pool, plan) - pool.owned_gpus)
    return rent + (pool_energy(pool, plan)["energy_usd_per_hour"] or 0.0)


def pool_energy(pool: ResolvedPool, plan: FleetPlan) -> dict[str, float | None]:
    """Energy of a pool, its price and carbon, by what its rows draw; ``None`` where that is unknown."""
    site = pool.accelerator.power
    drawn = [row.energy_kw for row in plan.instances if row.pool == pool.name]
    stated = [each for each in drawn if each is not None]
    kilowatts = None if pool.power_w is None or len(stated) < len(drawn) else sum(stated)

    def times(rate: float | None) -> float | None:
        return None if rate is None or kilowatts is None else rate * kilowatts

    return {
        "energy_kw": kilowatts,
        "energy_usd_per_hour": times(None if site is None else site.usd_per_kwh),
        "carbon_kg_per_hour": times(None if site is None else site.kg_co2_per_kwh),
    }


def plan_energy(pools: Sequence[ResolvedPool], plan: FleetPlan) -> dict[str, float | None]:
    """The same of all pools: energy and carbon where those of each are known, and what is paid for energy."""
    of_pools = [pool_energy(pool, plan) for pool in pools]
    found: dict[str, float | None] = {}
    for name in ("energy_kw", "energy_usd_per_hour", "carbon_kg_per_hour"):
        known = [each for of in of_pools if (each := of[name]) is not None]
        whole = bool(known) if name == "energy_usd_per_hour" else len(known) == len(pools)
        found[name] = sum(known) if whole else None
    return found


def _totals(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    limits, pools = resolved.fleet.limits, resolved.pools
    cost = sum(usd_per_hour(pool, plan) for pool in pools)
    gpus = sum(allocated_gpus(pool, plan) for pool in pools)
    drawn = sum((pool.power_w or 0.0) * allocated_gpus(pool, plan) for pool in pools) / 1000.0
    known = all(pool.power_w is not None for pool in pools)
    for name, expected, what in (
        ("usd_per_hour", cost, "cost"),
        ("gpus", gpus, "hold"),
        ("power_kw", drawn if known else None, "draw"),
        *((name, value, "take") for name, value in _stated_energy(resolved, plan).items()),
    ):
        found = getattr(plan, name)
        if not same(found, expected):
            yield f"{name}: found {shown(found)}, its nodes {what} {shown(expected)}"
    unknown = any(pool.power_w is None and allocated_gpus(pool, plan) for pool in pools)
    if limits.max_power_kw is not None and not unknown and exceeds(drawn, limits.max_power_kw):
        yield f"power: {drawn:.6g} kW, more than max_power_kw {limits.max_power_kw:g}"
    if limits.max_usd_per_hour is not None and exceeds(cost, limits.max_usd_per_hour):
        yield f"cost: {cost:.6g} $/h, more than max_usd_per_hour {limits.max_usd_per_hour:g}"
    yield from _exceeded_energy(resolved, plan)
    if limits.max_gpus is not None and gpus > limits.max_gpus:
        yield f"gpus: {gpus}, more than max_gpus {limits.max_gpus}"


def _stated_energy(resolved: ResolvedFleet, plan: FleetPlan) -> dict[str, float | None]:
    return plan_energy(resolved.pools, plan) if states_energy(resolved, plan) else {}


def states_energy(resolved: ResolvedFleet, plan: FleetPlan) -> bool:
    """Whether sums of a plan must state energy: it matters, or any part says something of it.

    Otherwise it is of a version that did not price it. Where the performance model is the same, that asks every row.
    """
    parts = [plan, *plan.pools, *plan.instances]
    names = ("energy_kw", "energy_usd_per_hour", "carbon_kg_per_hour")
    stated = any(getattr(part, name, None) is not None for part in parts for name in names)
    return stated or resolved.energy_matters()


def _exceeded_energy(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    limits, taken = resolved.fleet.limits, plan_energy(resolved.pools, plan)
    for what, name, most, unit in (
        ("energy_kw", "max_energy_kw", limits.max_energy_kw, "kW"),
        ("carbon_kg_per_hour", "max_carbon_kg_per_hour", limits.max_carbon_kg_per_hour, "kg/h"),
    ):
        found = taken[what]
        if most is not None and (found is None or exceeds(found, most)):
            yield f"{what}: {shown(found)} {unit}, more than {name} {most:g}"


def _pool_problems(pool: ResolvedPool, plan: FleetPlan) -> Iterator[str]:
    here = [row for row in plan.nodes if row.pool == pool.name]
    sizes = {row.node: row.node_gpus for row in here}
    for node, size in sizes.items():
        said = {row.node_gpus for row in here if row.node == node}
        held = sum(row.gpus for row in here if row.node == node)
        if len(said) > 1:
            yield f"node {node}: node_gpus: found {', '.join(map(str, sorted(said)))} for one node"
        elif held > size:
            yield f"node {node}: holds {held} GPUs of {size}"
    if sorted(sizes) != list(range(len(sizes))):
        yield f"node: found {', '.join(map(str, sorted(sizes)))}, expected to count from 0"
    whole, left = divmod(pool.gpus, pool.node_size)
    partial = 0 if pool.by_node else left
    used = Counter(sizes.values())
    if used[pool.node_size] > whole or any(
        count > (size == partial) for size, count in used.items() if size != pool.node_size
    ):
        there = f"{whole} of {pool.node_size} GPUs and {partial} left over"
        yield f"capacity: {dict(used)} nodes by size in use, of {there}"
    yield from _placement(pool, plan, here)
    drawn = (pool.power_w or 0.0) * allocated_gpus(pool, plan) / 1000.0
    if pool.max_power_kw is not None and exceeds(drawn, pool.max_power_kw):
        yield f"power: {drawn:.6g} kW, more than max_power_kw {pool.max_power_kw:g}"


def _placement(pool: ResolvedPool, plan: FleetPlan, here: Sequence[NodeRow]) -> Iterator[str]:
    """Instances that are not on nodes as they should be: whole nodes, and the rest on one more."""
    pieces: dict[tuple[str, str, str], dict[int, list[int]]] = {}
    for node in here:
        key = (node.workload, node.phase, node.instance_type)
        pieces.setdefault(key, {}).setdefault(node.instance, []).append(node.gpus)
    for row in plan.instances:
        if row.pool != pool.name:
            continue
        name = f"{row.workload} {row.phase} {row.instance_type}"
        placed = pieces.pop((row.workload, row.phase, row.instance_type), {})
        if len(placed) != row.instances:
            yield f"{name}: {row.instances} instances, {len(placed)} on nodes"
        elif sorted(placed) != list(range(row.instances)):
            yield f"{name}: instance: found {', '.join(map(str, sorted(placed)))}, expected to count from 0"
        whole, rest = divmod(row.gpus, pool.node_size)
        for instance, gpus in placed.items():
            # A file may say any number of GPUs; a list of that length is only made where there is one.
            alike = len(gpus) == whole + bool(rest)
            if not alike or sorted(gpus) != sorted([pool.node_size] * whole + [rest] * bool(rest)):
                parts = [*[f"{whole} x {pool.node_size}"] * bool(whole), *[f"1 x {rest}"] * bool(rest)]
                expected = " and ".join(parts)
                yield f"{name}: instance {instance} lies on nodes as {sorted(gpus)}, expected {expected} GPUs"
    for unknown in pieces:
        yield f"{' '.join(unknown)}: on nodes, but no row of instances"


def _workload_problems(resolved: ResolvedFleet, workload: ResolvedWorkload, plan: FleetPlan) -> Iterator[str]:
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
        if abs(served - asked.demand) > MET * asked.demand:
            yield f"{phase}: requests_per_s: serves {served:.9g} of {asked.demand:g}"
        for row in here:
            capacity, margin = row.capacity_requests_per_s, margin_of_row(resolved, row)
            if margin * row.requests_per_s * (1.0 + asked.headroom) > capacity * (1.0 + MET):
                found = f"serves {row.requests_per_s:.9g} of {capacity:.9g}{with_error(margin)}"
                yield f"{phase} {row.instance_type}: {found}"
            yield from _late(row, workload, margin)
    forms = set(_cache_forms(resolved, workload, rows))
    if len(forms) > 1:
        found = " and ".join(
            f"{engine or 'no server'} with a cache in {cache}{' on ' * bool(place)}{place}"
            for engine, cache, place in sorted(forms, key=str)
        )
        yield f"engine, kv_cache: found {found}, expected one of each where caches move"


def _cache_forms(
    resolved: ResolvedFleet, workload: ResolvedWorkload, rows: Sequence[InstanceRow]
) -> Iterator[CacheForm]:
    """Caches that the instances of the performance model send or receive."""
    engines = {each.name: each for each in workload.engines}
    accelerators = {pool.name: pool.accelerator for pool in resolved.pools}
    for row in rows:
        moves = row.phase != Phase.COLOCATED.value and row.parallelism is not None
        if moves and row.pool in accelerators:
            yield cache_form(engines.get(row.engine or ""), row.kv_cache or "", accelerators[row.pool])


def _late(row: InstanceRow, workload: ResolvedWorkload, margin: float) -> Iterator[str]:
    asked = workload.workload
    if asked.pools is not None and row.pool not in asked.pools:
        yield f"{row.phase} {row.instance_type}: runs on {row.pool}, which it must not"
    speed, first, error = row.speed_tokens_per_s, row.time_to_first_token_s, with_error(margin)
    if asked.min_speed is not None and speed is not None and exceeds(margin * asked.min_speed, speed):
        yield f"{row.phase} {row.instance_type}: {speed:.6g} tokens/s, below min_speed {asked.min_speed:g}{error}"
    longest = asked.max_time_to_first_token_s
    if longest is not None and first is not None and exceeds(margin * first, longest):
        yield f"{row.phase} {row.instance_type}: first token after {first:.6g} s, later than {longest:g} s{error}"
