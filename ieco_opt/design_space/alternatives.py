"""Alternatives: a setup on a server, how far it speculates and in which draft setup; the batch is left to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.economics import TOKENS_PER_MTOK, cost_usd_per_mtok
from ieco_opt.performance.energy import Measure, per_token
from ieco_opt.performance.rows import take_rows
from ieco_opt.performance.serving import PromptTimes
from ieco_opt.performance.times import PassTime, lift

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Everything decided but the batch; every array has shape (alternatives,).

    ``latency(B) = model_share * model(B) + draft_share * draft(B)``, where ``model`` is the pass that
    verifies ``draft_tokens`` tokens (0: plain decoding) and the draft of a plain alternative has share 0.
    ``accelerator`` and ``engine`` index the scenario's lists and ``precision`` its pairs of weights and cache.
    ``batch_min`` and ``batch_max`` bound the batches that exist and fit in memory, all of them multiples of
    ``batch_step``: groups and micro-batches are whole. Limits hold for ``margin`` times the latency and what a token
    takes; ``margin_within`` is the factor that both have in them already, 1 but where they are those of the pessimistic
    end. ``usd_per_s`` is paid all the time and ``usd_per_busy_s`` (0 unless energy has a price) beside it while memory
    or arithmetic work; ``idle_w`` and ``busy_w`` are drawn alike (NaN where unknown). ``measure`` is what a token is to
    take little of, beside time. ``prompts`` has what the time to first token is made of, NaN where decoding alone is
    priced.
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
    prompts: PromptTimes
    batch_step: Integers
    batch_min: Integers
    batch_max: Integers
    usd_per_s: Array
    usd_per_busy_s: Array
    power_kw: Array
    margin: Array
    margin_within: Array
    idle_w: Array
    busy_w: Array
    kg_per_joule: Array
    measure: Measure = Measure.COST

    def __len__(self) -> int:
        return len(self.batch_min)

    @property
    def gpus(self) -> Array:
        """GPUs of each alternative."""
        return self.degrees.gpus

    def latency_s(self, batch: Array) -> Array:
        """Seconds per generated token at ``batch`` of shape (alternatives, ...)."""
        (latency_s,) = self._together(lambda part, some: (part.latency_s(some),), batch)
        return latency_s

    def busy_s(self, batch: Array) -> Array:
        """Seconds per generated token in which memory or arithmetic work, put together as the latency is."""
        (busy_s,) = self._together(lambda part, some: (part.busy_s(some),), batch)
        return busy_s

    def latency_and_busy_s(self, batch: Array) -> tuple[Array, Array]:
        """Both of the above."""
        latency_s, busy_s = self._together(PassTime.latency_and_busy_s, batch)
        return latency_s, busy_s

    def _together(self, seconds: Callable[[PassTime, Array], Iterable[Array]], batch: Array) -> list[Array]:
        """Each kind of seconds of the passes of model and draft, each pass times its share."""
        share = lift(self.model_share, batch)
        totals = [share * each for each in seconds(self.model, batch)]
        speculates = np.flatnonzero(self.draft_share)
        if len(speculates):
            drafted = batch[speculates]
            share = lift(self.draft_share[speculates], drafted)
            for total, drafting in zip(totals, seconds(self.draft.take(speculates), drafted), strict=True):
                total[speculates] += share * drafting
        return totals

    def time_to_first_token_s(self, latency_s: Array, batch: Array) -> Array:
        """Seconds to the first token at ``batch`` whose latency is known; NaN where decoding alone is priced."""
        return self.prompts.time_to_first_token_s(latency_s, batch)

    def end_to_end_s(self, latency_s: Array, batch: Array) -> Array:
        """Seconds to the last token of an answer, likewise."""
        return self.prompts.end_to_end_s(latency_s, batch)

    def cost_usd_per_mtok(self, latency_s: Array, batch: Array) -> Array:
        """Cost of a million tokens at ``batch`` whose latency is known."""
        cost = cost_usd_per_mtok(lift(self.usd_per_s, batch), latency_s, batch)
        if self.usd_per_busy_s.any():
            cost = cost + cost_usd_per_mtok(lift(self.usd_per_busy_s, batch), self.busy_s(batch), batch)
        return cost

    def energy_j_per_token(self, latency_s: Array, batch: Array) -> Array:
        """Energy of a token at ``batch`` whose latency is known; NaN where the board power is not."""
        return per_token(lift(self.idle_w, batch), lift(self.busy_w, batch), latency_s, self.busy_s(batch), batch)

    def carbon_kg_per_mtok(self, latency_s: Array, batch: Array) -> Array:
        """Carbon dioxide of a million tokens at ``batch`` whose latency is known; NaN where it is not."""
        return TOKENS_PER_MTOK * lift(self.kg_per_joule, batch) * self.energy_j_per_token(latency_s, batch)

    def measured(self, latency_s: Array, batch: Array) -> Array:
        """What a token takes beside time, by ``measure``, at ``batch`` whose latency is known."""
        match self.measure:
            case Measure.COST:
                return self.cost_usd_per_mtok(latency_s, batch)
            case Measure.ENERGY:
                return self.energy_j_per_token(latency_s, batch)
            case Measure.CARBON:
                return self.carbon_kg_per_mtok(latency_s, batch)

    def rates(self, measure: Measure) -> tuple[Array, Array]:
        """What a second takes, and a busy second beside it: $, J or kg."""
        match measure:
            case Measure.COST:
                return self.usd_per_s, self.usd_per_busy_s
            case Measure.ENERGY:
                return self.idle_w, self.busy_w
            case Measure.CARBON:
                return self.kg_per_joule * self.idle_w, self.kg_per_joule * self.busy_w

    def at_limits(self, values: Array) -> Array:
        """Latencies or costs, of shape (alternatives, ...), as limits are to hold for them."""
        return values * lift(self.margin, values)

    def nominal(self, values: Array) -> Array:
        """Latencies or costs, of shape (alternatives, ...), as the model gives them."""
        return values / lift(self.margin_within, values)

    def take(self, rows: Rows) -> Alternatives:
        """Keep the given alternatives, in the given order."""
        return take_rows(self, rows)
