"""All feasible deployments of a scenario, searched without a solver for one that contradicts an answer.

Nothing is sampled, and nothing was dropped for being dominated: on the batches of one configuration speed never rises
and cost never falls, so the two ends of each range say whether any deployment is at least so fast and so cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.dominance import Cells, joined
from ieco_opt.explanation.bounds import Bounds, bounds_of
from ieco_opt.explanation.pool import Pool, build_pool
from ieco_opt.pareto.describe import names_of, parallelism_of
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure
from ieco_opt.scenario import ResolvedScenario


@dataclass(frozen=True, slots=True)
class Everything:
    """The configurations of a scenario on the batches that meet its limits, with the best that each can do.

    ``parts`` are short ranges of batches; ``speed`` and ``cost``, of shape (parts,), are the greatest speed (tokens/s)
    and the least cost ($ per million tokens, or what else the pool measures) of each.
    """

    pool: Pool
    bounds: Bounds
    parts: Cells
    speed: Array
    cost: Array
    _asked: dict[tuple[float, float], Found | None] = field(default_factory=dict)

    @classmethod
    def of(cls, resolved: ResolvedScenario, *, pessimistic: bool = False) -> Everything:
        """Price every configuration of a scenario, as the model says or at the pessimistic end of a band."""
        pool = build_pool(resolved, pessimistic=pessimistic)
        bounds = bounds_of(resolved, max(pool.gpu_counts(), default=0))
        parts = _short(pool.ranges(bounds))
        speed, cost = 1.0 / pool.at(parts, parts.lo)[0], pool.at(parts, parts.hi)[1]
        return cls(pool, bounds, parts, speed, cost)

    def measuring(self, measure: Measure) -> Everything:
        """The same deployments, with what a token of them takes of another measure for their cost."""
        if measure is self.pool.measure:
            return self
        pool = self.pool.measuring(measure)
        return replace(self, pool=pool, cost=pool.at(self.parts, self.parts.hi)[1], _asked={})

    def where(self, kept: NDArray[np.bool_]) -> Everything:
        """Those of some parts, shape (parts,), alone."""
        return replace(self, parts=self.parts.where(kept), speed=self.speed[kept], cost=self.cost[kept], _asked={})

    def __len__(self) -> int:
        return len(self.pool.alternatives)

    def fastest(self, *, speed: float = 0.0, cost: float = np.inf) -> Found | None:
        """The fastest deployment that is at least so fast and at most so expensive; ``None``: there is none."""
        if (speed, cost) not in self._asked:
            self._asked[speed, cost] = self._fastest(speed, cost)
        return self._asked[speed, cost]

    def _fastest(self, speed: float, cost: float) -> Found | None:
        possible = (self.speed >= speed) & (self.cost <= cost)
        if not possible.any():
            return None
        tight = replace(self.bounds, least_speed=speed, most_taken=cost)
        left = self.pool.ranges(tight, np.unique(self.parts.row[possible]))
        if not len(left):
            return None
        latency, dollars = self.pool.at(left, left.lo)
        at = int(np.argmin(latency))
        return Found(self.pool, int(left.row[at]), int(left.lo[at]), 1.0 / float(latency[at]), float(dollars[at]))


def _short(ranges: Cells) -> Cells:
    """Cut ranges of batches so that none ends at more than twice its start: the bounds of short ones are close."""
    done: list[Cells] = []
    while len(ranges):
        end = np.minimum(ranges.hi, 2 * ranges.lo)
        done.append(replace(ranges, hi=end))
        ranges = replace(ranges, lo=end + ranges.step).where(end < ranges.hi)
    return joined(done) if done else ranges


@dataclass(frozen=True, slots=True)
class Found:
    """A deployment of a pool: its configuration, batch, speed (tokens/s) and cost ($ per million tokens).

    The cost is in the measure of the pool.
    """

    pool: Pool
    row: int
    batch: int
    speed: float
    cost: float

    def __str__(self) -> str:
        alternatives = self.pool.alternatives
        family = self.pool.families[int(self.pool.family[self.row])]
        draft = int(alternatives.draft_tokens[self.row])
        weights, kv_cache = names_of(family.precision)
        parts = [family.accelerator.name, weights, None if kv_cache in (None, "bf16") else f"cache {kv_cache}"]
        parts.append(parallelism_of(alternatives.degrees, self.row).short())
        parts += [f"batch {self.batch}", f"{draft} draft tokens" if draft else None]
        measure = alternatives.measure
        cheap = f"${self.cost:.9g} per million tokens"
        taken = cheap if measure is Measure.COST else f"{self.cost:.9g} {measure.unit}"
        return f"{', '.join(filter(None, parts))} ({self.speed:.9g} tokens/s at {taken})"
