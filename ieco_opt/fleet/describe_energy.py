"""What the instances of a plan serve, the energy that takes, and what energy adds to costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.space import PoolData
from ieco_opt.performance.economics import TOKENS_PER_MTOK, usd_per_second
from ieco_opt.performance.energy import JOULES_PER_KWH

Loads = dict[tuple[int, int], float]
"""Share of each class of its workload that each column in use serves."""


def sum_of(figures: Iterable[float | None]) -> float | None:
    """Sum of figures; ``None`` where any is not known."""
    listed = list(figures)
    return None if None in listed else float(sum(each for each in listed if each is not None))


def loads_of(plan: Plan) -> Loads:
    """Share of each class of its workload that each column serves; where energy does not matter alike loaded."""
    loads = dict(plan.share)
    for at, column in enumerate(plan.problem.columns):
        if plan.counts[at] and len(column.requests_per_s) == 1 and not plan.problem.decides_loads:
            demand = plan.problem.workloads[column.workload]
            capacity = plan.capacity(column.workload, column.phase) * demand.requests_per_s[0]
            loads[at, 0] = column.requests_per_s[0] * plan.counts[at] / capacity
    return loads


@dataclass(frozen=True, slots=True)
class Price:
    """What GPUs and energy of a pool cost."""

    pool: PoolData

    def usd_per_mtok(self, gpus: int, tokens_per_s: float, busy_s: float) -> float:
        """Cost of a million tokens of a full instance that is busy for some seconds with each."""
        rent = usd_per_second(np.array(float(gpus)), np.array(self.pool.usd_per_gpu_hour))
        cost = float(TOKENS_PER_MTOK * rent / tokens_per_s)
        if not self.pool.usd_per_kwh:
            return cost
        joules = 1000.0 * gpus * (self.pool.idle_kw_per_gpu / tokens_per_s + self.pool.busy_kw_per_gpu * busy_s)
        return cost + TOKENS_PER_MTOK * joules * self.pool.usd_per_kwh / JOULES_PER_KWH


def known_only(figure: float) -> float | None:
    """A figure, ``None`` where it is not known."""
    return None if np.isnan(figure) else float(figure)
