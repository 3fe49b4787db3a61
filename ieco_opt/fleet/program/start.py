"""A plan to start from: whole instances of the linear relaxation, completed greedily."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ieco_opt.fleet.columns import MODES
from ieco_opt.fleet.program.data import Goal, Quantity
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.performance.serving import Phase

_ROUNDING = 1e-6


def starting_counts(
    problem: FleetProblem, relaxed: Sequence[float], minimise: Quantity | Goal
) -> tuple[int, ...] | None:
    """Instances of each column, cheap and within the capacity by GPUs; ``None`` where greed finds none.

    Whole instances of the relaxation, and of nothing at all, are completed with the columns that serve most of what is
    missing for their price; the cheaper of both is returned. Nodes, caps and pairs are left for the solver to check.
    """
    prices = _prices(problem, minimise)
    whole = whole_counts(relaxed)
    candidates = [
        counts
        for base in (whole, [0] * len(relaxed))
        if (counts := _completed(problem, prices, _with_mixes(problem, base, relaxed))) is not None
    ]
    if not candidates:
        return None
    best = min(candidates, key=lambda counts: sum(price * count for price, count in zip(prices, counts, strict=True)))
    return tuple(best)


def whole_counts(relaxed: Sequence[float]) -> tuple[int, ...]:
    """Whole instances of the relaxation."""
    return tuple(math.floor(count + _ROUNDING) for count in relaxed)


def sliced_shares(model: Any, problem: FleetProblem) -> dict[tuple[int, int], Any]:
    """Variables of the program that count slices, by column and class."""
    positions = {name: at for at, name in enumerate(model.columns)}
    shares = {(positions[name], c): variable for (name, c), variable in model.share.items()}
    return {at: share for at, share in shares.items() if problem.workloads[problem.columns[at[0]].workload].is_sliced}


def _with_mixes(problem: FleetProblem, base: Sequence[int], relaxed: Sequence[float]) -> list[int]:
    """Classes of a mix share instances, and greed cannot tell what is missing: round up what the relaxation runs."""
    return [
        min(most, math.ceil(count - _ROUNDING)) if len(problem.workloads[column.workload].requests_per_s) > 1 else floor
        for column, most, count, floor in zip(problem.columns, problem.most, relaxed, base, strict=True)
    ]


def _prices(problem: FleetProblem, minimise: Quantity | Goal) -> list[float]:
    if minimise is Quantity.INSTANCES:
        return [1.0] * len(problem.columns)

    def price(pool: int) -> float:
        data = problem.pools[pool]
        per_gpu: dict[Quantity | Goal, float] = {Quantity.POWER: data.kw_per_gpu, Quantity.GPUS: 1.0}
        # Of a full instance, which is what greed adds.
        drawn = data.idle_kw_per_gpu + data.busy_kw_per_gpu
        per_gpu |= {Quantity.ENERGY: drawn, Quantity.CARBON: data.kg_co2_per_kwh * drawn}
        cost = data.usd_per_gpu_hour + (data.usd_per_kwh * drawn if data.usd_per_kwh else 0.0)
        # A little for every GPU, so that free ones are not wasted either.
        return per_gpu.get(minimise, cost) + 1e-6

    return [price(column.pool) * column.gpus for column in problem.columns]


def _completed(problem: FleetProblem, prices: Sequence[float], base: Sequence[int]) -> list[int] | None:
    counts = list(base)
    left = [pool.capacity_gpus for pool in problem.pools]
    for column, count in zip(problem.columns, counts, strict=True):
        left[column.pool] -= column.gpus * count
    for at in range(len(problem.workloads)):
        if len(problem.workloads[at].requests_per_s) > 1:
            continue
        mode = _cheapest_mode(problem, prices, at, counts, left)
        if mode is None:
            return None
        for added in mode:
            counts[added] += 1
            left[problem.columns[added].pool] -= problem.columns[added].gpus
    return counts


def _cheapest_mode(
    problem: FleetProblem, prices: Sequence[float], workload: int, counts: Sequence[int], left: Sequence[int]
) -> list[int] | None:
    """Columns to add, each as often as needed, in the mode that costs least from here on."""
    best: tuple[float, list[int]] | None = None
    for mode in problem.workloads[workload].modes:
        added: list[int] = []
        free = list(left)
        if not all(_fill(problem, prices, workload, phase, counts, free, added) for phase in MODES[mode]):
            continue
        cost = sum(prices[column] for column in added)
        if best is None or cost < best[0]:
            best = (cost, added)
    return None if best is None else best[1]


def _fill(
    problem: FleetProblem,
    prices: Sequence[float],
    workload: int,
    phase: Phase,
    counts: Sequence[int],
    free: list[int],
    added: list[int],
) -> bool:
    """Add columns until one phase is served; False where the capacity does not allow it."""
    demand = problem.workloads[workload]
    columns = problem.columns_of(workload, phase)
    served = {column: problem.columns[column].requests_per_s[0] / demand.requests_per_s[0] for column in columns}
    missing = 1.0 - sum(served[column] * counts[column] for column in columns)
    replicas = demand.min_instances - sum(counts[column] for column in columns)
    while missing > 0.0 or replicas > 0:
        fitting = [
            column
            for column in columns
            if problem.columns[column].gpus <= free[problem.columns[column].pool]
            and counts[column] + added.count(column) < problem.most[column]
        ]
        if not fitting:
            return False
        wanted = max(missing, 0.0)
        best = min(fitting, key=lambda column: prices[column] / (min(served[column], wanted) or 1e-9))
        added.append(best)
        free[problem.columns[best].pool] -= problem.columns[best].gpus
        missing -= served[best]
        replicas -= 1
    return True
