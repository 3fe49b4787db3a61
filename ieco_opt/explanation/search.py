"""The best deployment of a pool under any bounds, and how far each quantity can reach.

Nothing is rounded or sampled: on a range of batches nothing is faster than at its lower end nor cheaper than at its
upper end, so the ends of the ranges decide `fastest` and `cheapest`, and bound `preferred` until one batch is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from ieco_opt.defaults import EnergyObjective
from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.dominance import STRICT, Cells, split
from ieco_opt.design_space.setups import Integers
from ieco_opt.explanation.bounds import Bounds, Limit
from ieco_opt.explanation.pool import Pool
from ieco_opt.pareto.sweeps import preference
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure

_LARGEST = 700.0
"""Difference of two logarithms beyond which the share between them is written as about 1e304."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is best: ``fastest``, ``cheapest``, ``energy``, ``carbon``, or ``preferred`` with its exponent."""

    objective: str
    exponent: float

    @property
    def measure(self) -> Measure:
        """What is to be little beside the latency."""
        return Measure(self.objective) if self.objective in get_args(EnergyObjective) else Measure.COST

    @property
    def takes_least(self) -> bool:
        """Whether the best is what takes the least of the pool's measure: cost, energy or carbon."""
        return self.objective == "cheapest" or self.measure is not Measure.COST

    def advantage(self, pick: Pick, other: Pick) -> float:
        """By how much one deployment is better than another, as a share: faster, cheaper, or of a greater score."""
        if self.objective == "fastest":
            return other.latency_s / pick.latency_s - 1.0
        if self.takes_least:
            return 1.0 - pick.cost / other.cost
        # With a large exponent a small difference of speeds is more than a number, or a file, can hold.
        return float(np.expm1(min(self.score(pick) - self.score(other), _LARGEST)))

    def score(self, pick: Pick) -> float:
        """Logarithm of speed**exponent / cost."""
        return preference(pick.latency_s, pick.cost, self.exponent)

    def beats(self, pick: Pick, other: Pick) -> bool:
        """Whether one deployment is better by more than rounding; the other objective breaks ties."""
        if self.objective == "preferred":
            return self.score(pick) > self.score(other) + (1.0 - STRICT)
        first, second = (pick.latency_s, pick.cost), (other.latency_s, other.cost)
        if self.takes_least:
            first, second = first[::-1], second[::-1]
        return first[0] < second[0] * STRICT or (first[0] * STRICT <= second[0] and first[1] < second[1] * STRICT)


@dataclass(frozen=True, slots=True)
class Pick:
    """A deployment: a row of the pool and a batch, with its seconds per token and $ per million tokens.

    ``cost`` is in the measure of the pool: where that is energy or carbon, J per token or kg per million tokens.
    """

    row: int
    batch: int
    latency_s: float
    cost: float


def priced(pool: Pool, pick: Pick) -> Pick:
    """The same deployment, with what a token of it takes of the pool's measure."""
    batch, row = np.array([pick.batch]), np.array([pick.row])
    latency, taken = pool.at(Cells(row, batch, batch, np.ones_like(batch)), batch)
    return replace(pick, latency_s=float(latency[0]), cost=float(taken[0]))


def best(pool: Pool, bounds: Bounds, goal: Goal, rows: Rows | None = None) -> Pick | None:
    """Best deployment that meets all bounds, among the given rows; ``None`` if there is none."""
    if goal.objective == "preferred":
        return _preferred(pool, pool.ranges(bounds, rows), bounds, goal.exponent)
    fastest = goal.objective == "fastest"
    first = _end(pool, pool.ranges(bounds, rows), fastest=fastest)
    if first is None:
        return None
    # Among those equal in the objective, the best in the other one.
    as_good = tied(bounds, first, fastest=fastest)
    second = _end(pool, pool.ranges(as_good, rows), fastest=not fastest)
    return second or first


def tied(bounds: Bounds, pick: Pick, *, fastest: bool) -> Bounds:
    """Bounds that leave what is as fast as a deployment, or takes as little of the pool's measure."""
    if fastest:
        return replace(bounds, least_speed=max(bounds.least_speed, STRICT / pick.latency_s))
    return replace(bounds, most_taken=min(bounds.most_taken, pick.cost / STRICT))


def _end(pool: Pool, cells: Cells, *, fastest: bool) -> Pick | None:
    """Fastest or cheapest end of some ranges."""
    if not len(cells):
        return None
    batch = cells.lo if fastest else cells.hi
    latency, cost = pool.at(cells, batch)
    least = int(np.argmin(latency if fastest else cost))
    return Pick(int(cells.row[least]), int(batch[least]), float(latency[least]), float(cost[least]))


def _preferred(pool: Pool, cells: Cells, bounds: Bounds, exponent: float) -> Pick | None:
    """Greatest speed**exponent / cost, by splitting ranges until none can hold a better one."""
    found: Pick | None = None
    if bounds.batches is not None:
        cells = _one_by_one(np.array(bounds.batches), cells)
    while len(cells):
        ends = [(batch, *pool.at(cells, batch)) for batch in (cells.lo, cells.hi)]
        for batch, latency, cost in ends:
            score = _score(latency, cost, exponent)
            most = int(np.argmax(score))
            if found is None or score[most] > preference(found.latency_s, found.cost, exponent):
                found = Pick(int(cells.row[most]), int(batch[most]), float(latency[most]), float(cost[most]))
        assert found is not None
        bound = _score(ends[0][1], ends[1][2], exponent)
        inside = cells.hi - cells.lo > cells.step
        left = cells.where(inside & (bound > preference(found.latency_s, found.cost, exponent)))
        cells = split(replace(left, lo=left.lo + left.step, hi=left.hi - left.step))
    return found


def _score(latency_s: Array, cost: Array, exponent: float) -> Array:
    return -exponent * np.log(latency_s) - np.log(cost)


def _one_by_one(listed: Integers, cells: Cells) -> Cells:
    """Make a range of every listed batch."""
    inside = (listed >= cells.lo[:, None]) & (listed <= cells.hi[:, None]) & (listed % cells.step[:, None] == 0)
    cell, batch = np.nonzero(inside)
    return Cells(cells.row[cell], listed[batch], listed[batch], cells.step[cell])


def reach(pool: Pool, bounds: Bounds, limit: Limit) -> float | int | None:
    """Least strict value of a limit that some deployment meets together with all the other bounds.

    For `design_space.batch`, a list, the batch nearest to one of the list that would do if it were added.
    ``None`` if no value does.
    """
    others = bounds.without([limit])
    if limit is Limit.MAX_THROUGHPUT:
        return _least_throughput(pool, others)
    cells = pool.ranges(others)
    if not len(cells):
        return None
    if limit is Limit.BATCHES:
        return _nearest(np.array(bounds.batches), cells)
    value = _loosest(pool, cells, limit)
    return int(value) if limit.is_whole else float(value)


def _loosest(pool: Pool, cells: Cells, limit: Limit) -> float:
    part, lo, hi = cells.row, cells.lo.astype(float), cells.hi.astype(float)
    match limit:
        case Limit.MIN_SPEED:
            return float(np.max(1.0 / pool.at_limits(lo, part)[0]))
        case Limit.MAX_COST | Limit.MAX_ENERGY | Limit.MAX_CARBON:
            return float(np.min(pool.measuring(limit.measure).at_limits(hi, part)[1]))
        case Limit.MAX_TO_FIRST | Limit.MAX_END_TO_END:
            return float(np.min(pool.waits_s(lo, part)[limit is Limit.MAX_END_TO_END]))
        case Limit.MIN_THROUGHPUT:
            return float(np.max(hi / pool.at_limits(hi, part)[0]))
        case Limit.MAX_THROUGHPUT:
            return float(np.min(lo / pool.nominal_latency_s(lo, part)))
        case Limit.MAX_POWER:
            return float(np.min(pool.alternatives.power_kw[part]))
        case Limit.MAX_GPUS:
            return float(np.min(pool.alternatives.gpus[part]))
        case Limit.MEMORY:
            assert pool.residents is not None
            return float(np.min(pool.residents.needed(lo, part)))
        case Limit.BATCH_MAX:
            return float(np.min(cells.lo))
        case Limit.BATCH_MIN:
            return float(np.max(cells.hi))
        case Limit.BATCHES:
            raise AssertionError("a list of batches has no loosest value")


def _least_throughput(pool: Pool, others: Bounds) -> float | None:
    """Least throughput, where a draft model must run in its fastest setup.

    Only under a cap do slower drafts count for nothing (``Pool.ranges``), so a cap is doubled until some deployment
    meets it, starting from the least that any draft would give; the least throughput lies below.
    """
    cells = pool.ranges(others)
    if not len(cells):
        return None
    cap = _loosest(pool, cells, Limit.MAX_THROUGHPUT)
    while not len(cells := pool.ranges(replace(others, max_throughput=cap))):
        cap *= 2.0
    return _loosest(pool, cells, Limit.MAX_THROUGHPUT)


def _nearest(listed: Integers, cells: Cells) -> int:
    """Batch of some range that is the nearest to one of the list."""
    step = cells.step[:, None]
    inside = np.clip((listed + step // 2) // step * step, cells.lo[:, None], cells.hi[:, None])
    away = np.abs(inside - listed)
    return int(inside.ravel()[np.argmin(away)])
