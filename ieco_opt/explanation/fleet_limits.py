"""The limits of a fleet as changes of its scenario: each can be left out or relaxed, one at a time or together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ieco_opt.fleet.verify import margin_of_row
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import Fleet, ResolvedFleet, ResolvedPool
from ieco_opt.scenario.deployment import BatchRange, DesignSpace
from ieco_opt.scenario.fields import MAX_DEGREE

Value = int | float | str | None


class LimitKind(StrEnum):
    """What can hold a plan back; the value is the field, of a workload, a pool or the fleet."""

    MIN_SPEED = "min_speed"
    FIRST_TOKEN = "max_time_to_first_token_s"  # noqa: S105
    MEMORY = "memory_utilization"
    HEADROOM = "headroom"
    MIN_INSTANCES = "min_instances"
    MAX_INSTANCES = "max_instances"
    BATCH = "design_space.batch.max"
    INSTANCE_GPUS = "design_space.max_gpus"
    CAPACITY = "gpus"
    BILLING = "rented_by"
    POOL_POWER = "pool.max_power_kw"
    COST = "max_usd_per_hour"
    POWER = "max_power_kw"
    GPUS = "max_gpus"
    ENERGY = "max_energy_kw"
    CARBON = "max_carbon_kg_per_hour"
    MODEL_ERROR = "model_error"

    @property
    def is_least(self) -> bool:
        """Whether the limit is relaxed downwards."""
        return self is LimitKind.MIN_SPEED

    @property
    def is_whole(self) -> bool:
        """Whether only integers make sense."""
        return self in (LimitKind.CAPACITY, LimitKind.GPUS)


_UNITS = {
    LimitKind.MIN_SPEED: "tokens/s",
    LimitKind.FIRST_TOKEN: "s",
    LimitKind.MEMORY: "of each GPU's memory",
    LimitKind.HEADROOM: "of the demand",
    LimitKind.MIN_INSTANCES: "instances",
    LimitKind.MAX_INSTANCES: "instances",
    LimitKind.BATCH: "sequences in flight",
    LimitKind.INSTANCE_GPUS: "GPUs of an instance",
    LimitKind.CAPACITY: "GPUs",
    LimitKind.BILLING: "GPUs at a time",
    LimitKind.POOL_POWER: "kW",
    LimitKind.COST: "$/h",
    LimitKind.POWER: "kW",
    LimitKind.GPUS: "GPUs",
    LimitKind.ENERGY: "kW",
    LimitKind.CARBON: "kg/h",
    LimitKind.MODEL_ERROR: "of the time",
}

_OF_WORKLOADS: dict[LimitKind, Value] = {
    LimitKind.MIN_SPEED: None,
    LimitKind.FIRST_TOKEN: None,
    LimitKind.MEMORY: 1.0,
    LimitKind.HEADROOM: 0.0,
    LimitKind.MIN_INSTANCES: 1,
    LimitKind.MAX_INSTANCES: None,
}
"""What each field of a workload is where there is no such limit."""

_OF_ALL = (LimitKind.COST, LimitKind.POWER, LimitKind.GPUS, LimitKind.ENERGY, LimitKind.CARBON)


@dataclass(frozen=True, slots=True)
class FleetLimit:
    """One limit of a fleet.

    Attributes
    ----------
    at
        Position of the workload or the pool; ``None`` for limits on all together.
    name
        The field as files and ``--set`` name it.
    value, free
        What the scenario says, and what stands for no limit.
    """

    kind: LimitKind
    at: int | None
    name: str
    value: Value
    free: Value = None

    @property
    def unit(self) -> str:
        """Unit in words."""
        return _UNITS[self.kind]

    @property
    def has_reach(self) -> bool:
        """Whether a plan says itself how far the limit would have to be relaxed for it: what it comes to."""
        return self.kind in (
            *(LimitKind.MIN_SPEED, LimitKind.FIRST_TOKEN, LimitKind.CAPACITY, LimitKind.POOL_POWER),
            *_OF_ALL,
        )

    def changed(self, fleet: Fleet, value: Value) -> Fleet:
        """The scenario with another value of this limit."""
        if self.kind is LimitKind.MODEL_ERROR:
            return fleet.model_copy(update={"model_error": value})
        if self.kind in _OF_ALL:
            return fleet.model_copy(update={"limits": fleet.limits.model_copy(update={self.kind.value: value})})
        assert self.at is not None
        if self.kind in (LimitKind.CAPACITY, LimitKind.BILLING, LimitKind.POOL_POWER):
            pools = list(fleet.pools)
            pools[self.at] = pools[self.at].model_copy(update={self.kind.value.rpartition(".")[2]: value})
            return fleet.model_copy(update={"pools": tuple(pools)})
        workloads = list(fleet.workloads)
        workload = workloads[self.at]
        if self.kind in _OF_WORKLOADS:
            workload = workload.model_copy(update={self.kind.value: value})
        else:
            space = _with_bound(workload.design_space, self.kind, value)
            workload = workload.model_copy(update={"design_space": space})
        workloads[self.at] = workload
        return fleet.model_copy(update={"workloads": tuple(workloads)})

    def without(self, fleet: Fleet) -> Fleet:
        """The scenario without this limit."""
        return self.changed(fleet, self.free)

    def reached(self, resolved: ResolvedFleet, plan: FleetPlan) -> float | None:
        """What a plan comes to; ``None`` where that is no number or not known."""
        match self.kind:
            case LimitKind.COST:
                return plan.usd_per_hour
            case LimitKind.POWER:
                return plan.power_kw
            case LimitKind.GPUS:
                return float(plan.gpus)
            case LimitKind.ENERGY:
                return plan.energy_kw
            case LimitKind.CARBON:
                return plan.carbon_kg_per_hour
            case LimitKind.MODEL_ERROR | LimitKind.BILLING:
                return None
        assert self.at is not None
        if self.kind in (LimitKind.CAPACITY, LimitKind.POOL_POWER):
            return _reached_of_pool(self.kind, resolved.pools[self.at].name, plan)
        return _reached_of_workload(self, resolved, plan)


def _with_bound(space: DesignSpace, kind: LimitKind, value: Value) -> DesignSpace:
    """A design space with another bound on GPUs or batches."""
    if kind is LimitKind.INSTANCE_GPUS:
        return space.model_copy(update={"max_gpus": value})
    assert isinstance(space.batch, BatchRange)
    return space.model_copy(update={"batch": space.batch.model_copy(update={"max": value})})


def limits_of_fleet(resolved: ResolvedFleet) -> tuple[FleetLimit, ...]:
    """Every limit of a fleet, those of service first.

    Bounds of the design space are limits where the scenario states them.
    """
    fleet = resolved.fleet
    found: list[FleetLimit] = []
    for at, workload in enumerate(fleet.workloads):
        found += _of_workload(at, resolved)
        space = workload.design_space
        stated = space.model_fields_set
        place = f"workloads.{workload.name}"
        if "batch" in stated and isinstance(space.batch, BatchRange) and "max" in space.batch.model_fields_set:
            name = f"{place}.{LimitKind.BATCH}"
            found.append(FleetLimit(LimitKind.BATCH, at, name, space.batch.max, MAX_DEGREE))
        if "max_gpus" in stated and space.max_gpus is not None:
            name = f"{place}.{LimitKind.INSTANCE_GPUS}"
            found.append(FleetLimit(LimitKind.INSTANCE_GPUS, at, name, space.max_gpus, MAX_DEGREE))
    for at, pool in enumerate(resolved.pools):
        place = f"pools.{pool.name}"
        found.append(FleetLimit(LimitKind.CAPACITY, at, f"{place}.gpus", pool.gpus, _plenty(resolved, pool)))
        if pool.by_node:
            found.append(FleetLimit(LimitKind.BILLING, at, f"{place}.rented_by", "node", "gpu"))
        if pool.max_power_kw is not None:
            found.append(FleetLimit(LimitKind.POOL_POWER, at, f"{place}.max_power_kw", pool.max_power_kw))
    for kind in _OF_ALL:
        value = getattr(fleet.limits, kind.value)
        if value is not None:
            found.append(FleetLimit(kind, None, f"limits.{kind}", value))
    if fleet.model_error != 0.0:
        found.append(FleetLimit(LimitKind.MODEL_ERROR, None, "model_error", fleet.model_error, 0.0))
    return tuple(found)


def _of_workload(at: int, resolved: ResolvedFleet) -> Iterator[FleetLimit]:
    workload = resolved.fleet.workloads[at]
    for kind, free in _OF_WORKLOADS.items():
        value = getattr(workload, kind.value)
        # Operating points have their memory in them.
        if value not in (None, free) and not (kind is LimitKind.MEMORY and workload.model is None):
            yield FleetLimit(kind, at, f"workloads.{workload.name}.{kind}", value, free)


def _plenty(resolved: ResolvedFleet, pool: ResolvedPool) -> int:
    """GPUs of a pool beyond which no plan can use another one: what the caps permit, or the most a scenario can say."""
    limits, most = resolved.fleet.limits, math.inf
    if limits.max_gpus is not None:
        most = limits.max_gpus
    for cap in (pool.max_power_kw, limits.max_power_kw):
        if cap is not None and pool.power_w:
            most = min(most, 1000.0 * cap / pool.power_w)
    if limits.max_usd_per_hour is not None and pool.usd_per_gpu_hour > 0.0:
        most = min(most, pool.owned_gpus + limits.max_usd_per_hour / pool.usd_per_gpu_hour)
    whole = MAX_DEGREE // pool.node_size
    if most < MAX_DEGREE:
        # One node beyond, so that nothing hangs on rounding.
        whole = min(whole, math.ceil(most / pool.node_size) + 1)
    return max(pool.gpus, whole * pool.node_size)


def is_plenty(limit: FleetLimit, resolved: ResolvedFleet) -> bool:
    """Whether nothing but the demand bounds how much of a pool could be used if it had no end."""
    if limit.kind is not LimitKind.CAPACITY or limit.at is None:
        return False
    size = resolved.pools[limit.at].node_size
    return limit.free == MAX_DEGREE // size * size


def _reached_of_pool(kind: LimitKind, pool: str, plan: FleetPlan) -> float | None:
    if kind is LimitKind.CAPACITY:
        nodes = {row.node: row.node_gpus for row in plan.nodes if row.pool == pool}
        return float(sum(nodes.values()))
    return next((each.power_kw for each in plan.pools if each.pool == pool), None)


def _reached_of_workload(limit: FleetLimit, resolved: ResolvedFleet, plan: FleetPlan) -> float | None:
    assert limit.at is not None
    asked = resolved.fleet.workloads[limit.at]
    rows = [row for row in plan.instances if row.workload == asked.name]
    match limit.kind:
        case LimitKind.MIN_SPEED:
            speeds = [row.speed_tokens_per_s / margin_of_row(resolved, row) for row in rows if row.speed_tokens_per_s]
            return min(speeds, default=None)
        case LimitKind.FIRST_TOKEN:
            firsts = [
                row.time_to_first_token_s * margin_of_row(resolved, row) for row in rows if row.time_to_first_token_s
            ]
            return max(firsts, default=None)
        case LimitKind.MEMORY:
            used = [row.memory_per_gpu_gb / row.memory_limit_gb for row in rows if row.memory_limit_gb]  # type: ignore[operator]
            return max((asked.memory_utilization * each for each in used), default=None)
        case LimitKind.HEADROOM:
            summary = next(each for each in plan.workloads if each.workload == asked.name)
            return max(0.0, summary.capacity_requests_per_s / summary.requests_per_s - 1.0)
        case LimitKind.MIN_INSTANCES | LimitKind.MAX_INSTANCES:
            phases = {row.phase for row in rows}
            running = [sum(row.instances for row in rows if row.phase == phase) for phase in phases]
            few = limit.kind is LimitKind.MIN_INSTANCES
            return float(min(running) if few else max(running)) if running else None
        case LimitKind.BATCH:
            return float(max((row.batch or 0 for row in rows), default=0))
        case _:
            return float(max((row.gpus for row in rows), default=0))
