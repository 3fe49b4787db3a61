"""Latencies of setups on a ladder of batches, priced once: between which rungs the best batch lies at any speed.

The latency never falls with the batch, and what is served never falls either (docs/proof.md). So the rungs bound both
for every batch between them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array

_RATIO = 2.0**0.5
"""Of one rung to the next, in steps of the batch: closer rungs bound better and take more room."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs of some setups, so many ``steps`` above the least batch, shape (rungs,), and no higher than the largest.

    ``least``, ``most`` and ``step`` are those of the batches, shape (setups,); ``latency_s`` has shape (setups, rungs).
    Setups with fewer batches stand on their largest one on all rungs that are left.
    """

    least: Integers
    most: Integers
    step: Integers
    steps: Integers
    latency_s: Array

    @property
    def batch(self) -> Integers:
        """Batches of the rungs, shape (setups, rungs)."""
        return _on_rungs(self.least, self.most, self.step, self.steps)

    def batch_of(self, rows: Rows, rungs: Integers) -> Integers:
        """The batches of some setups, each on a rung of its own."""
        return np.minimum(self.least[rows] + self.step[rows] * self.steps[rungs], self.most[rows])

    def ends(self, rows: Rows, rungs: Integers) -> tuple[Integers, Integers]:
        """First and last batch from a rung of each of some setups to before the next; of the last rung it alone."""
        low = self.batch_of(rows, rungs)
        above = self.batch_of(rows, np.minimum(rungs + 1, len(self.steps) - 1))
        return low, np.maximum(low, above - self.step[rows])

    def highest(self, meets: NDArray[np.bool_]) -> Integers:
        """The last rung up to which every rung ``meets`` something, -1 where the first does not; shape (setups,)."""
        return np.asarray(np.logical_and.accumulate(meets, axis=1).sum(axis=1) - 1)


def build_ladder(alternatives: Alternatives) -> Ladder:
    """Price setups on their rungs."""
    least, most, step = alternatives.batch_min, alternatives.batch_max, alternatives.batch_step
    steps = np.array(_steps(int(((most - least) // step).max(initial=0))), dtype=np.int64)
    batch = _on_rungs(least, most, step, steps)
    return Ladder(least, most, step, steps, alternatives.latency_s(batch.astype(float)))


def _on_rungs(least: Integers, most: Integers, step: Integers, steps: Integers) -> Integers:
    return np.asarray(np.minimum(least[:, None] + step[:, None] * steps, most[:, None]))


@cache
def _steps(most: int) -> tuple[int, ...]:
    """Steps above the least batch, from none to ``most``."""
    rungs = [0]
    while rungs[-1] < most:
        rungs.append(min(most, max(rungs[-1] + 1, int(rungs[-1] * _RATIO))))
    return tuple(rungs)


@dataclass(frozen=True, slots=True)
class Batches:
    """Every batch of one setup between two, rising, and what it is like; arrays of shape (batches,).

    ``first_token_s`` is NaN where a limit on it does not depend on the batch.
    """

    batch: Integers
    latency_s: Array
    first_token_s: Array
    requests_per_s: Array
    busy_s: Array

    def first(self, count: int) -> Batches:
        """The first ``count`` of them, without what they were priced beside."""
        return Batches(*(getattr(self, item.name)[:count].copy() for item in fields(self)))
