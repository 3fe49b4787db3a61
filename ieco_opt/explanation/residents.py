"""What alternatives keep on their most loaded GPU, at any share of the memory that a server may fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.families import Family
from ieco_opt.performance import memory
from ieco_opt.performance.collectives import Array


@dataclass(frozen=True, slots=True)
class Residents:
    """What each alternative keeps on its most loaded GPU; arrays of shape (alternatives,), bytes.

    The ``draft_`` columns are zero in plain alternatives. ``reserve`` is that of a utilisation of 1, of which what a
    smaller one leaves free is part where it ``counts_whole_memory``.
    """

    reserve: Array
    counts_whole_memory: NDArray[np.bool_]
    weights: Array
    cache: Array
    groups: Array
    draft_weights: Array
    draft_cache: Array
    draft_groups: Array
    hbm: Array
    speculates: NDArray[np.bool_]

    def caches(self, batch: Array, rows: Rows) -> Array:
        """Bytes of cache at a batch."""
        model = np.ceil(batch / self.groups[rows]) * self.cache[rows]
        return model + np.ceil(batch / self.draft_groups[rows]) * self.draft_cache[rows]

    def fits(self, batch: Array, rows: Rows, utilization: float) -> NDArray[np.bool_]:
        """Whether a batch fits, rounded exactly like the design space rounds it."""
        usable = utilization * self.hbm[rows]
        beyond = np.maximum(0.0, self.reserve[rows] - (1.0 - utilization) * self.hbm[rows])
        free = usable - np.where(self.counts_whole_memory[rows], beyond, self.reserve[rows]) - self.weights[rows]
        beside = free + (usable - self.draft_weights[rows]) - usable
        return self.caches(batch, rows) <= np.where(self.speculates[rows], beside, free)

    def needed(self, batch: Array, rows: Rows) -> Array:
        """Share of the memory that a batch takes."""
        inside = np.where(self.counts_whole_memory[rows], 0.0, self.reserve[rows])
        taken = inside + self.weights[rows] + self.draft_weights[rows] + self.caches(batch, rows)
        return taken / self.hbm[rows]


def residents_of(family: Family, setups: Rows, drafts: Rows) -> Residents:
    """Those of setups of one family, each with its draft setup, or plain (-1)."""
    degrees, count = family.setups.degrees.take(setups), len(setups)
    draft_weights, draft_cache, draft_groups = np.zeros(count), np.zeros(count), np.ones(count)
    speculates = drafts >= 0
    if family.drafts is not None and speculates.any():
        draft_degrees = family.drafts.setups.degrees.take(drafts)
        draft_weights = memory.weight_bytes_per_gpu(family.drafts.shape, draft_degrees)
        draft_cache = family.drafts.setups.cache_bytes[drafts]
        draft_groups = draft_degrees.attention_data_parallel
    return Residents(
        reserve=family.memory.reserve(family.shape, family.accelerator, degrees),
        counts_whole_memory=np.full(count, family.memory.counts_whole_memory),
        weights=memory.weight_bytes_per_gpu(family.shape, degrees),
        cache=family.setups.cache_bytes[setups],
        groups=degrees.attention_data_parallel,
        draft_weights=draft_weights,
        draft_cache=draft_cache,
        draft_groups=draft_groups,
        hbm=np.full(count, family.accelerator.hbm_bytes),
        speculates=speculates,
    )
