"""Alternatives: a setup on a server, how far it speculates and in which draft setup; the batch is left to choose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.economics import cost_usd_per_mtok
from ieco_opt.performance.rows import take_rows
from ieco_opt.performance.times import PassTime

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Everything decided but the batch; every array has shape (alternatives,).

    ``latency(B) = model_share * model(B) + draft_share * draft(B)``, where ``model`` is the pass that
    verifies ``draft_tokens`` tokens (0: plain decoding) and the draft of a plain alternative has share 0.
    ``accelerator`` and ``engine`` index the scenario's lists and ``precision`` its pairs of weights and cache.
    ``batch_min`` and ``batch_max`` bound the batches that exist and fit in memory, all of them multiples of
    ``batch_step``: groups and micro-batches are whole. Limits hold for ``margin`` times the latency and the cost;
    ``margin_within`` is the factor that both have in them already, 1 but where they are those of the pessimistic end.
    """

    accelerator: Rows
    precision: Rows
    engine: Rows
    degrees: Degrees
    draft_tokens: Integers
    draft_degrees: Degrees
    model: PassTime
    model_share: Array
    draft: PassTime
    draft_share: Array
    batch_step: Integers
    batch_min: Integers
    batch_max: Integers
    usd_per_s: Array
    power_kw: Array
    margin: Array
    margin_within: Array

    def __len__(self) -> int:
        return len(self.batch_min)

    @property
    def gpus(self) -> Array:
        """GPUs of each alternative."""
        return self.degrees.gpus

    def latency_s(self, batch: Array) -> Array:
        """Seconds per generated token at ``batch`` of shape (alternatives, ...)."""
        trailing = (1,) * (batch.ndim - 1)
        latency = self.model_share.reshape(-1, *trailing) * self.model.latency_s(batch)
        speculates = np.flatnonzero(self.draft_share)
        if len(speculates):
            share = self.draft_share[speculates].reshape(-1, *trailing)
            latency[speculates] += share * self.draft.take(speculates).latency_s(batch[speculates])
        return latency

    def cost_usd_per_mtok(self, latency_s: Array, batch: Array) -> Array:
        """Cost of a million tokens at ``batch`` whose latency is known."""
        return cost_usd_per_mtok(self.usd_per_s.reshape((-1,) + (1,) * (batch.ndim - 1)), latency_s, batch)

    def at_limits(self, values: Array) -> Array:
        """Latencies or costs, of shape (alternatives, ...), as limits are to hold for them."""
        return values * self.margin.reshape((-1,) + (1,) * (values.ndim - 1))

    def nominal(self, values: Array) -> Array:
        """Latencies or costs, of shape (alternatives, ...), as the model gives them."""
        return values / self.margin_within.reshape((-1,) + (1,) * (values.ndim - 1))

    def take(self, rows: Rows) -> Alternatives:
        """Keep the given alternatives, in the given order."""
        return take_rows(self, rows)
