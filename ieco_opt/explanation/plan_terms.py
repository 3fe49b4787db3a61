"""What a plan takes of what its objective counts, by the terms of the time of its instances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ieco_opt.catalog.types import Fidelity
from ieco_opt.explanation.fleet_times import token_times
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.performance.energy import watts
from ieco_opt.results.fleet_explanation import TokenTime
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, PoolSummary

POINT, SPARE, UNUSED = "operating point", "spare capacity", "unused GPUs"
"""What is no term of a time: instances of unknown times, what they could serve besides, and GPUs of no instance."""

_ROUNDED = 1e-9
_UNITS = {"cost": "$/h", "power": "kW", "gpus": "GPUs", "energy": "kW", "carbon": "kg CO2/h"}
_AT_REST = ("launch overhead", "network")
"""Terms in which neither memory nor arithmetic work."""

_ELSEWHERE = ("front end", "cache transfer")
"""Terms of a first token in which the instance takes the next prompt already."""


def terms_of_plan(space: FleetSpace, plan: FleetPlan, objective: str) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """Amounts by term, of the one quantity (and its unit) that the objective counts; nothing where it is not known.

    What GPUs take is spread over the time of their instances, as far as these are busy; what is left is spare capacity.
    Where as much as possible is served, it is GPUs over what is served, of all that the pools have.
    """
    quantity, total, of_rows = _of_rows(space, plan, objective)
    if total is None or any(each is None for each in of_rows):
        return {}
    times, _ = token_times(space, plan)
    amounts: dict[str, float] = {}
    for row, taken in zip(plan.instances, of_rows, strict=True):
        weights = _weights(space, row, times, objective)
        for term, weight in weights.items():
            amounts[term] = amounts.get(term, 0.0) + (taken or 0.0) * weight / sum(weights.values())
    left = total - sum(amounts.values())
    if left > _ROUNDED * total:
        amounts[UNUSED] = left
    return {quantity: amounts}


def _of_rows(
    space: FleetSpace, plan: FleetPlan, objective: str
) -> tuple[tuple[str, str], float | None, list[float | None]]:
    """What is counted, with its unit; all of it; and what the instances of each row take, without unused GPUs."""
    rows, pools = plan.instances, {pool.pool: pool for pool in plan.pools}
    gpus = [float(row.gpus * row.instances) for row in rows]
    counted = (objective, _UNITS.get(objective, ""))
    match objective:
        case "cost":
            return counted, plan.usd_per_hour, [row.usd_per_hour * _used(pools[row.pool]) for row in rows]
        case "gpus":
            return counted, float(plan.gpus), list(gpus)
        case "power":
            of_each = [None if row.power_kw is None else row.power_kw * row.instances for row in rows]
            return counted, plan.power_kw, of_each
        case "energy":
            return counted, plan.energy_kw, [row.energy_kw for row in rows]
        case "carbon":
            return counted, plan.carbon_kg_per_hour, [_carbon(pools[row.pool], row) for row in rows]
        case _:
            workloads = space.resolved.fleet.workloads
            alone = len(workloads) == 1
            served = plan.demand_factor * (workloads[0].demand if alone else 1.0)
            unit = "GPU s per request" if alone else "GPUs per multiple of the demand"
            return (
                ("GPU time", unit),
                sum(pool.capacity_gpus for pool in plan.pools) / served,
                [each / served for each in gpus],
            )


def _used(pool: PoolSummary) -> float:
    """Share of the GPUs of a pool that are paid for which instances use; the cost of a row is for all of them."""
    return pool.used_gpus / max(pool.used_gpus, pool.allocated_gpus)


def _carbon(pool: PoolSummary, row: InstanceRow) -> float | None:
    if pool.carbon_kg_per_hour is None or not pool.energy_kw or row.energy_kw is None:
        return None
    return pool.carbon_kg_per_hour * row.energy_kw / pool.energy_kw


def _weights(space: FleetSpace, row: InstanceRow, times: tuple[TokenTime, ...], objective: str) -> dict[str, float]:
    """Shares of the terms, and of spare capacity, in what a row takes, but for a common factor."""
    idle, busy = _powers(space, row) if objective in ("energy", "carbon") else (1.0, 0.0)
    key = (row.workload, row.phase, row.pool, row.instance_type)
    mine = [each for each in times if (each.workload, each.phase, each.pool, each.instance_type) == key]
    parts = [each for each in mine if not each.hidden and each.term not in _ELSEWHERE]
    whole = sum(each.seconds for each in parts)
    shares = {each.term: each.seconds / whole for each in parts} if whole else {POINT: 1.0}
    loaded = min(1.0, row.utilization)
    weights = {term: loaded * share * (idle if term in _AT_REST else idle + busy) for term, share in shares.items()}
    return weights | ({SPARE: (1.0 - loaded) * idle} if loaded < 1.0 else {})


def _powers(space: FleetSpace, row: InstanceRow) -> tuple[float, float]:
    """Power that a board draws always, and beside it while it works."""
    pool = next(each for each in space.resolved.pools if each.name == row.pool)
    idle, busy = watts(pool.accelerator, Fidelity.DEPLOYABLE, np.array(1.0))
    return float(idle), float(busy)
