"""From a plan in numbers to the tables that users see, every figure recomputed by the performance model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ieco_opt.design_space.starting import starting
from ieco_opt.fleet.columns import Column, SetupTable
from ieco_opt.fleet.describe_energy import Loads, Price, known_only, loads_of, sum_of
from ieco_opt.fleet.instances import DecodingSetups, PrefillSetups
from ieco_opt.fleet.plan import Plan, allocated_gpus, column_kw, pool_kw
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.fleet.speeds import with_attained_factor
from ieco_opt.pareto.describe import component_seconds, draft_of, exchange_of, joined_engines, parallelism_of
from ieco_opt.pareto.resident import resident, resident_of
from ieco_opt.pareto.trusted import trusted, trusted_prefill
from ieco_opt.performance.arithmetic import useful_s
from ieco_opt.performance.economics import model_flops_utilization
from ieco_opt.performance.serving import Phase, first_token_of
from ieco_opt.performance.traffic import Traffic, prefill_traffic
from ieco_opt.results.deployment import RESOURCES, bottleneck_of
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, NodeRow, PoolSummary, WorkloadSummary

_OPEN = tuple(
    item.name
    for item in fields(InstanceRow)
    if str(item.type).endswith("| None") and item.name not in ("power_kw", "energy_kw")
)
"""Columns that an operating point leaves open."""


def describe_plan(space: FleetSpace, plan: Plan) -> FleetPlan:
    """Tables of a plan."""
    plan = with_attained_factor(space, plan)
    names = column_labels(space, plan)
    loads = loads_of(plan)
    pools = tuple(_pool(space, plan, at, loads) for at in range(len(space.pools)))
    rows = tuple(_row(space, plan, at, names[at], pools, loads) for at in names)
    power = [pool.power_kw for pool in pools]
    priced = [pool.energy_usd_per_hour for pool in pools if pool.energy_usd_per_hour is not None]
    return FleetPlan(
        speed_factor=plan.speed_factor,
        demand_factor=space.demand_factor,
        usd_per_hour=plan.totals[Quantity.COST],
        power_kw=None if None in power else float(sum(filter(None, power))),
        gpus=int(plan.totals[Quantity.GPUS]),
        objective=plan.value,
        bound=plan.bound,
        gap=plan.gap,
        status=plan.status,
        levels=plan.levels,
        instances=rows,
        nodes=tuple(_nodes(plan, names)),
        workloads=tuple(_workload(plan, at, rows, pools) for at in range(len(plan.problem.workloads))),
        pools=pools,
        next_cheaper=(),
        energy_kw=sum_of(pool.energy_kw for pool in pools),
        energy_usd_per_hour=sum(priced) if priced else None,
        carbon_kg_per_hour=sum_of(pool.carbon_kg_per_hour for pool in pools),
    )


def column_labels(space: FleetSpace, plan: Plan) -> dict[int, str]:
    """A short name for each column in use, unique within workload, phase and pool; in the order of tables."""
    used = [at for at, count in enumerate(plan.counts) if count]
    columns = plan.problem.columns
    used.sort(key=lambda at: (columns[at].workload, columns[at].phase.value, columns[at].gpus, at))
    seen: set[tuple[object, ...]] = set()
    labels = {}
    for at in used:
        column = plan.problem.columns[at]
        base = label = _label(space, column)
        number = 2
        while (column.workload, column.phase, column.pool, label) in seen:
            label, number = f"{base} ({number})", number + 1
        seen.add((column.workload, column.phase, column.pool, label))
        labels[at] = label
    return labels


def unnamed_type(gpus: int) -> str:
    """What instances of an operating point are called that does not say it itself."""
    return f"{gpus} GPU{'s' if gpus > 1 else ''}"


def _label(space: FleetSpace, column: Column) -> str:
    if column.origin.table is None:
        return column.origin.points[0].kind or unnamed_type(column.gpus)
    table = space.candidates[column.workload].tables[column.origin.table]
    class_index = next(c for c, row in enumerate(column.origin.rows) if row >= 0)
    held = parallelism_of(table.setups[class_index].degrees, column.origin.rows[class_index])
    parts = [*table.precision.short(), f"tp{held.tensor}"]
    for letters, degree in (
        ("pp", held.pipeline),
        ("ep", held.expert),
        ("dp", held.attention_data),
    ):
        if degree > 1:
            parts.append(f"{letters}{degree}")
    if held.redundant_experts:
        parts.append(f"r{held.redundant_experts}")
    if held.layout == "2d":
        parts.append("2d")
    draft_tokens = _draft_tokens(table.setups[class_index], column.origin.rows[class_index])
    return "-".join([*parts, *([f"k{draft_tokens}"] if draft_tokens else [])])


def _draft_tokens(setups: DecodingSetups | PrefillSetups, row: int) -> int:
    return int(setups.alternatives.draft_tokens[row]) if isinstance(setups, DecodingSetups) else 0


def _row(
    space: FleetSpace,
    plan: Plan,
    at: int,
    name: str,
    pools: tuple[PoolSummary, ...],
    loads: Loads,
) -> InstanceRow:
    column, count = plan.problem.columns[at], plan.counts[at]
    pool, demand = space.pools[column.pool], plan.problem.workloads[column.workload]
    served, capacity = _served(plan, at)
    figures = _slowest(space, plan, column)
    gpus = column.gpus * count
    here = pools[column.pool]
    return InstanceRow(
        workload=demand.name,
        phase=column.phase.value,
        pool=pool.name,
        instance_type=name,
        instances=count,
        nodes=sum(any(piece.column == at for piece in pieces) for _, pieces in plan.placements[column.pool]),
        usd_per_hour=here.usd_per_hour * gpus / here.used_gpus,
        utilization=served / capacity,
        requests_per_s=served,
        capacity_requests_per_s=capacity,
        gpus=column.gpus,
        accelerator=space.resolved.pools[column.pool].accelerator.name,
        power_kw=None if np.isnan(pool.kw_per_gpu) else pool.kw_per_gpu * column.gpus,
        energy_kw=known_only(column_kw(plan.problem, at, plan.counts, loads)),
        bound=plan.bound,
        gap=plan.gap,
        status=plan.status,
        **figures,
    )


def _served(plan: Plan, at: int) -> tuple[float, float]:
    """Requests/s that all instances of a column serve, and could serve of the same mix if the model is right."""
    column, count = plan.problem.columns[at], plan.counts[at]
    demand, headroom = (
        plan.problem.workloads[column.workload].requests_per_s,
        plan.problem.workloads[column.workload].headroom,
    )
    if len(demand) == 1:
        capacity = column.requests_per_s[0] * count
        if plan.problem.decides_loads:
            return plan.share.get((at, 0), 0.0) * demand[0] / (1.0 + headroom), capacity * column.margin
        served = capacity / plan.capacity(column.workload, column.phase) / (1.0 + headroom)
        return served, capacity * column.margin
    served = sum(plan.share.get((at, c), 0.0) * wanted for c, wanted in enumerate(demand)) / (1.0 + headroom)
    load = plan.load(at) / (1.0 + headroom)
    if load <= 0.0:
        return 0.0, max(column.requests_per_s) * count * column.margin
    return served, served * count / load * column.margin


def _slowest(space: FleetSpace, plan: Plan, column: Column) -> dict[str, Any]:
    """Figures of one full instance, with a mix those of the slowest class it can serve, and the longest first token."""
    classes_served = [c for c, served in enumerate(column.requests_per_s) if served > 0.0]
    if column.origin.table is None:
        return _point_figures(space, column, classes_served)
    table = space.candidates[column.workload].tables[column.origin.table]
    price, found = Price(space.pools[column.pool]), []
    for class_index in classes_served:
        setups, row = table.setups[class_index], column.origin.rows[class_index]
        if isinstance(setups, PrefillSetups):
            received = _slowest_transfer(space, plan, column.workload, class_index)
            found.append(_prefill_figures(column, setups, row, class_index, received, price))
        else:
            found.append(_decoding_figures(column, setups, row, class_index, price))
    slowest = max(found, key=lambda each: each["latency_s"] or each["time_to_first_token_s"])
    firsts = [each["time_to_first_token_s"] for each in found if each["time_to_first_token_s"] is not None]
    return slowest | {
        "time_to_first_token_s": max(firsts, default=None),
        "weights": table.precision.label,
        "kv_cache": table.precision.kv_cache,
        "engine": table.engine,
        "engines": joined_engines(_starting(table, column, classes_served)),
    }


def _starting(table: SetupTable, column: Column, classes_served: list[int]) -> tuple[str, ...]:
    """Servers that start the configuration with the batch of every class that it serves; found once for every plan."""
    batches = tuple(
        (column.origin.rows[c], column.batch[c]) if c in classes_served else (-1, 0) for c in range(len(table.setups))
    )
    if batches not in table.started:
        each = [set(_starting_one(table, c, *batches[c])) for c in classes_served]
        table.started[batches] = tuple(sorted(set.intersection(*each))) if each else ()
    return table.started[batches]


def _starting_one(table: SetupTable, class_index: int, at: int, batch: int) -> Sequence[str]:
    """Servers that start one setup with a batch of one class."""
    setups, row = table.setups[class_index], np.array([at])
    alternative = (
        setups.family.alternatives(row, 0) if isinstance(setups, PrefillSetups) else setups.alternatives.take(row)
    )
    return starting(table.offered[class_index], alternative, batch)


def _point_figures(space: FleetSpace, column: Column, classes_served: list[int]) -> dict[str, Any]:
    points = column.origin.points
    speeds = [point.speed_tokens_per_s for point in points if point.speed_tokens_per_s is not None]
    firsts = [point.time_to_first_token_s for point in points if point.time_to_first_token_s is not None]
    classes = space.candidates[column.workload].classes
    prefill = column.phase is Phase.PREFILL
    tokens = [
        column.requests_per_s[c] * (classes[c].prompt_tokens if prefill else classes[c].output_tokens)
        for c in classes_served
    ]
    price = Price(space.pools[column.pool])
    scarcest = classes_served[tokens.index(min(tokens))]
    of_request = classes[scarcest].prompt_tokens if prefill else classes[scarcest].output_tokens
    return dict.fromkeys(_OPEN) | {
        "speed_tokens_per_s": min(speeds, default=None),
        "latency_s": None if not speeds else 1.0 / min(speeds),
        "time_to_first_token_s": None if column.phase is Phase.DECODE else max(firsts, default=None),
        "throughput_tokens_per_s": min(tokens),
        "cost_usd_per_mtok": price.usd_per_mtok(column.gpus, min(tokens), column.busy_s[scarcest] / of_request),
    }


def _decoding_figures(
    column: Column, setups: DecodingSetups, row: int, class_index: int, price: Price
) -> dict[str, Any]:
    alternative = setups.alternatives.take(np.array([row]))
    batch = np.array([float(column.batch[class_index])])
    latency = float(alternative.latency_s(batch)[0])
    times = component_seconds(alternative, batch)
    throughput, family = float(batch[0]) / latency, setups.family
    first = None
    if column.phase is Phase.COLOCATED:
        first = float(setups.take(np.array([row])).time_to_first_token_s(np.array([latency]), batch)[0])
    useful = family.context.traffic(1.0, family.context.prompts_per_token)
    return {
        "speed_tokens_per_s": 1.0 / latency,
        "latency_s": latency,
        "time_to_first_token_s": first,
        "throughput_tokens_per_s": throughput,
        "cost_usd_per_mtok": price.usd_per_mtok(
            column.gpus, throughput, column.busy_s[class_index] / setups.output_tokens
        ),
        "batch": column.batch[class_index],
        "exchange": exchange_of(family, alternative.degrees),
        "draft_tokens": int(alternative.draft_tokens[0]),
        **draft_of(family, alternative),
        "mfu": _mfu(setups, throughput, useful, column.gpus),
        **resident_of(family, alternative, column.batch[class_index]).columns(),
        **trusted(family, alternative, column.batch[class_index]),
        "parallelism": parallelism_of(alternative.degrees),
        "draft": parallelism_of(alternative.draft_degrees) if int(alternative.draft_tokens[0]) > 0 else None,
        "bottleneck": bottleneck_of(times),
        **times,
    }


def _prefill_figures(
    column: Column, setups: PrefillSetups, row: int, class_index: int, received_s: float, price: Price
) -> dict[str, Any]:
    prompts = np.array([float(column.batch[class_index])])
    time = setups.time.take(np.array([row]))
    first_s = first_token_of(setups.family.accelerator).seconds + float(time.latency_s(prompts)[0])
    parts = time.components(prompts)
    times = {name: float(getattr(parts, name)[0]) for name in RESOURCES}
    tokens = setups.family.context.prompt_tokens
    per_s = column.requests_per_s[class_index] * column.margin
    throughput = per_s * tokens
    degrees = setups.degrees.take(np.array([row]))
    traffic = prefill_traffic(tokens, setups.family.context.prefix_tokens)
    return {
        "speed_tokens_per_s": None,
        "latency_s": None,
        "time_to_first_token_s": first_s + max(float(setups.transfer_s[row]), received_s),
        "throughput_tokens_per_s": throughput,
        "cost_usd_per_mtok": price.usd_per_mtok(column.gpus, throughput, column.busy_s[class_index] / tokens),
        "batch": column.batch[class_index],
        "exchange": exchange_of(setups.family, degrees),
        "draft_tokens": 0,
        "draft_mode": None,
        "draft_model": None,
        "mfu": _mfu(setups, per_s, traffic, column.gpus),
        **resident(setups.family, degrees, column.batch[class_index]).columns(),
        **trusted_prefill(setups.family),
        "parallelism": parallelism_of(degrees),
        "draft": None,
        "bottleneck": bottleneck_of(times),
        **times,
    }


def _slowest_transfer(space: FleetSpace, plan: Plan, workload: int, class_index: int) -> float:
    """Longest time that a decode column of the plan takes to receive the cache of a prompt."""
    found = [0.0]
    for at in plan.problem.columns_of(workload, Phase.DECODE):
        column = plan.problem.columns[at]
        if plan.counts[at] and column.origin.table is not None and column.requests_per_s[class_index] > 0.0:
            setups = space.candidates[workload].tables[column.origin.table].setups[class_index]
            found.append(float(setups.transfer_s[column.origin.rows[class_index]]))
    return max(found)


def _mfu(setups: DecodingSetups | PrefillSetups, per_s: float, traffic: Traffic, gpus: int) -> float:
    """Utilisation where what ``traffic`` says is done ``per_s`` times a second."""
    useful = useful_s(setups.family.shape, setups.family.accelerator, traffic)
    return float(model_flops_utilization(np.array(per_s), useful, np.array(gpus)))


def _nodes(plan: Plan, names: dict[int, str]) -> Iterable[NodeRow]:
    for pool, placement in zip(plan.problem.pools, plan.placements, strict=True):
        for number, (size, pieces) in enumerate(placement):
            for piece in pieces:
                column = plan.problem.columns[piece.column]
                yield NodeRow(
                    pool=pool.name,
                    node=number,
                    node_gpus=size,
                    workload=plan.problem.workloads[column.workload].name,
                    phase=column.phase.value,
                    instance_type=names[piece.column],
                    instance=piece.instance,
                    gpus=piece.gpus,
                )


def _pool(space: FleetSpace, plan: Plan, at: int, loads: Loads) -> PoolSummary:
    pool, resolved = space.pools[at], space.resolved.pools[at]
    used = sum(
        column.gpus * count
        for column, count in zip(plan.problem.columns, plan.counts, strict=True)
        if column.pool == at
    )
    nodes = len(plan.placements[at])
    allocated = allocated_gpus(pool, nodes, used)
    power = pool.kw_per_gpu * allocated
    drawn = np.nan if np.isnan(pool.idle_kw_per_gpu) else pool_kw(plan.problem, at, plan.counts, loads)
    paid = pool.usd_per_kwh * drawn if pool.usd_per_kwh else None
    return PoolSummary(
        pool=pool.name,
        accelerator=resolved.accelerator.name,
        rented_by="node" if pool.by_node else "gpu",
        capacity_gpus=resolved.gpus,
        allocated_gpus=allocated,
        used_gpus=used,
        nodes=nodes,
        usd_per_hour=pool.usd_per_gpu_hour * max(0, allocated - pool.owned_gpus) + (paid or 0.0),
        power_kw=None if np.isnan(power) else power,
        energy_kw=known_only(drawn),
        energy_usd_per_hour=paid,
        carbon_kg_per_hour=known_only(pool.kg_co2_per_kwh * drawn),
    )


def _workload(plan: Plan, at: int, rows: tuple[InstanceRow, ...], pools: tuple[PoolSummary, ...]) -> WorkloadSummary:
    demand = plan.problem.workloads[at]
    mine = [row for row in rows if row.workload == demand.name]
    required = sum(demand.requests_per_s)
    capacity = required * min(plan.capacity(at, phase, nominal=True) for phase in plan.phases(at))
    arriving = required / (1.0 + demand.headroom)
    pool_of = {pool.pool: pool for pool in pools}
    shares = [(pool_of[row.pool], row.gpus * row.instances / pool_of[row.pool].used_gpus) for row in mine]
    unknown = any(pool.power_kw is None for pool, _ in shares)
    return WorkloadSummary(
        workload=demand.name,
        serving="disaggregated" if plan.disaggregated[at] else "colocated",
        instances=sum(row.instances for row in mine),
        requests_per_s=arriving,
        required_requests_per_s=required,
        capacity_requests_per_s=capacity,
        # Capacity that meets the demand but for rounding has no slack.
        slack_requests_per_s=max(0.0, capacity - required),
        utilization=arriving / capacity,
        speed_tokens_per_s=min(_known(row.speed_tokens_per_s for row in mine), default=None),
        time_to_first_token_s=max(_known(row.time_to_first_token_s for row in mine), default=None),
        gpus=sum(row.gpus * row.instances for row in mine),
        usd_per_hour=sum(row.usd_per_hour for row in mine),
        power_kw=None if unknown else sum((pool.power_kw or 0.0) * share for pool, share in shares),
    )


def _known(figures: Iterable[float | None]) -> list[float]:
    return [figure for figure in figures if figure is not None]
