"""Alternatives: a setup on a server, how far it speculates and in which draft setup; the batch is left to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

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


class Priced(NamedTuple):
    """What is asked most of some alternatives, as functions of batches of shape (alternatives, ...).

    Attributes
    ----------
    latency_s
        Seconds per generated token.
    measured_with
        What a token takes beside time, of latencies that are known and their batches.
    """

    latency_s: Callable[[Array], Array]
    measured_with: Callable[[Array, Array], Array]

    def measured(self, batch: Array) -> Array:
        """What a token takes beside time."""
        return self.measured_with(self.latency_s(batch), batch)


class Passes(NamedTuple):
    """Passes of some alternatives: of the model, and of the draft where they speculate."""

    model: PassTime
    model_share: Array
    speculates: Rows
    draft: PassTime
    draft_share: Array

    def together(self, seconds: Callable[[PassTime, Array], Iterable[Array]], batch: Array) -> list[Array]:
        """Each kind of seconds of the passes of model and draft, each pass times its share."""
        share = lift(self.model_share, batch)
        totals = [share * each for each in seconds(self.model, batch)]
        if len(self.speculates):
            drafted = batch[self.speculates]
            share = lift(self.draft_share, drafted)
            for total, drafting in zip(totals, seconds(self.draft, drafted), strict=True):
                total[self.speculates] += share * drafting
        return totals

    def latency_s(self, batch: Array) -> Array:
        """Seconds per generated token."""
        (latency_s,) = self.together(lambda part, some: (part.latency_s(some),), batch)
        return latency_s

    def memory_s(self, batch: Array) -> Array:
        """Seconds of memory traffic per generated token."""
        (memory_s,) = self.together(lambda part, some: (part.memory_s(some),), batch)
        return memory_s

    def busy_s(self, batch: Array) -> Array:
        """Seconds per generated token in which memory or arithmetic work, put together as the latency is."""
        (busy_s,) = self.together(lambda part, some: (part.busy_s(some),), batch)
        return busy_s


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
        return self.passes().latency_s(batch)

    def latencies(self) -> Callable[[Array], Array]:
        """The same as a function, for a search that asks for many batches in turn."""
        return self.passes().latency_s

    def busy_s(self, batch: Array) -> Array:
        """Seconds per generated token in which memory or arithmetic work, put together as the latency is."""
        return self.passes().busy_s(batch)

    def latency_and_busy_s(self, batch: Array) -> tuple[Array, Array]:
        """Both of the above."""
        latency_s, busy_s = self.passes().together(PassTime.latency_and_busy_s, batch)
        return latency_s, busy_s

    def priced(self, rows: Rows) -> Priced:
        """Latency and measure of the given alternatives alone: a search asks for few batches of few, again and again.

        So the other columns are not taken, nor the passes once for each batch.
        """
        if self.measure is not Measure.COST or self.usd_per_busy_s.any():
            part = self.take(rows)
            return Priced(part.passes().latency_s, part.measured)
        usd_per_s = self.usd_per_s[rows]
        return Priced(
            self.passes(rows).latency_s,
            lambda latency_s, batch: cost_usd_per_mtok(lift(usd_per_s, batch), latency_s, batch),
        )

    def passes(self, rows: Rows | None = None) -> Passes:
        """Passes of all alternatives, or of some."""
        if rows is None:
            speculates = taken = self.draft_share.nonzero()[0]
            model, model_share = self.model, self.model_share
        else:
            model, model_share = self.model.take(rows), self.model_share[rows]
            speculates = self.draft_share[rows].nonzero()[0]
            taken = rows[speculates]
        # Where nothing speculates nothing looks at the draft.
        draft = self.draft.take(taken) if len(taken) else self.draft
        return Passes(model, model_share, speculates, draft, self.draft_share[taken])

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
