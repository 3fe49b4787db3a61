"""Setups that can serve one class of requests in one phase, priced once; what they can serve at any required speed.

At a required speed the best batch of a setup is the largest one that meets it, since throughput rises with the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.bisection import last_true
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.rows import stack_rows
from ieco_opt.performance.serving import Phase, first_token_of, transfer_s
from ieco_opt.performance.times import PassTime, lift
from ieco_opt.performance.traffic import prefill_traffic


@dataclass(frozen=True, slots=True)
class Service:
    """What a request must see: arrays are never slower than these (inf: no limit).

    ``max_latency_s`` bounds seconds per generated token.
    """

    max_latency_s: float
    max_time_to_first_token_s: float


@dataclass(frozen=True, slots=True)
class Capacities:
    """What each setup can do for one class of requests; arrays of shape (setups,).

    ``batch`` and ``requests_per_s`` are 0 where the setup cannot serve the class. ``first_token_s`` is the time
    to first token of a prefill instance but for the transfer, and ``transfer_s`` the move of one prompt's cache; both
    are 0 where the phase has none. ``busy_s`` are seconds in which memory or arithmetic work for one request.
    """

    batch: Integers
    requests_per_s: Array
    busy_s: Array
    first_token_s: Array
    transfer_s: Array


@dataclass(frozen=True, slots=True)
class DecodingSetups:
    """Setups that generate tokens, with prefill beside (``colocated``) or elsewhere (``decode``).

    Attributes
    ----------
    family
        Where the alternatives come from, for describing them.
    tokens_per_pass
        Tokens that one pass yields for a sequence, shape (setups,); 1 without speculation.
    """

    phase: Phase
    family: Family
    alternatives: Alternatives
    tokens_per_pass: Array
    output_tokens: float
    transfer_s: Array
    batches: tuple[int, ...] | None

    @property
    def degrees(self) -> Degrees:
        """Degrees of the model in each setup."""
        return self.alternatives.degrees

    @property
    def prompt_s(self) -> Array:
        """Colocated: seconds of the passes that a prompt alone takes, shape (setups,); else NaN."""
        return self.alternatives.prompts.prompt_s

    def take(self, rows: Rows) -> DecodingSetups:
        """Keep the given setups, in the given order."""
        return replace(
            self,
            alternatives=self.alternatives.take(rows),
            tokens_per_pass=self.tokens_per_pass[rows],
            transfer_s=self.transfer_s[rows],
        )

    def least_latency_s(self) -> Array:
        """Latency of each setup at its least batch, which no larger batch is below."""
        return self.alternatives.latency_s(self.alternatives.batch_min.astype(float))

    def keys(self) -> Integers:
        """Everything decided but the batch, one row a setup, so that setups of several classes can be matched."""
        rows, draft = self.alternatives, _degree_columns(self.alternatives.draft_degrees)
        spoken = (rows.draft_tokens > 0)[:, None]
        return np.hstack([_degree_columns(rows.degrees), rows.draft_tokens[:, None], np.where(spoken, draft, 0)])

    def capacities(self, service: Service) -> Capacities:
        """Largest batch of each setup that meets the service, and what it serves."""
        rows = self.alternatives
        alive = np.flatnonzero(self._meets(service, rows.batch_min.astype(float)))
        part = self.take(alive)
        low, high, step = part.alternatives.batch_min, part.alternatives.batch_max, part.alternatives.batch_step
        most = self._listed(last_true(lambda batch: part._meets(service, batch), low, high, step), step)
        batch = np.zeros(len(rows), dtype=np.int64)
        batch[alive] = np.where(most >= low, most, 0)
        return self.at(batch)

    def at(self, batch: Integers) -> Capacities:
        """What each setup serves at a batch of its own; 0 stands for none."""
        sequences = np.maximum(batch, 1).astype(float)
        served = sequences / (self.alternatives.latency_s(sequences) * self.output_tokens)
        if self.phase is Phase.DECODE:
            served = np.minimum(served, 1.0 / self.transfer_s)
        return Capacities(
            batch=batch,
            requests_per_s=np.where(batch > 0, served, 0.0),
            busy_s=self.output_tokens * self.alternatives.busy_s(sequences) / sequences,
            first_token_s=np.zeros(len(batch)),
            transfer_s=self.transfer_s,
        )

    def time_to_first_token_s(self, latency_s: Array, batch: Array) -> Array:
        """Time to first token where prompts share the passes; it rises with the batch."""
        return self.alternatives.time_to_first_token_s(latency_s, batch)

    def _meets(self, service: Service, batch: Array) -> NDArray[np.bool_]:
        """Where a batch meets the service; once it does not, no larger one does."""
        latency = self.alternatives.latency_s(batch)
        first = lift(self.transfer_s, batch)
        if self.phase is Phase.COLOCATED:
            first = self.time_to_first_token_s(latency, batch)
        return (latency <= service.max_latency_s) & (first <= service.max_time_to_first_token_s)

    def _listed(self, batch: Integers, step: Integers) -> Integers:
        """Largest listed batch up to each one that is a multiple of its step, 0 if there is none."""
        if self.batches is None:
            return batch
        listed = np.array(self.batches, dtype=np.int64)
        good = (listed <= batch[:, None]) & (listed % step[:, None] == 0)
        return np.asarray(np.where(good, listed, 0).max(axis=1))


@dataclass(frozen=True, slots=True)
class PrefillSetups:
    """Setups that only prefill: one prompt in each pipeline stage."""

    family: Family
    time: PassTime
    transfer_s: Array

    @property
    def degrees(self) -> Degrees:
        """Degrees of the model in each setup."""
        return self.family.setups.degrees

    @property
    def prompts(self) -> Integers:
        """Prompts in flight: P."""
        return self.degrees.pipeline_parallel.astype(np.int64)

    def take(self, rows: Rows) -> PrefillSetups:
        """Keep the given setups, in the given order."""
        family = replace(self.family, setups=self.family.setups.take(rows))
        return replace(self, family=family, time=self.time.take(rows), transfer_s=self.transfer_s[rows])

    def keys(self) -> Integers:
        """Everything decided, one row a setup; as wide as the keys of decoding setups."""
        columns = _degree_columns(self.degrees)
        return np.hstack([columns, np.zeros((len(columns), columns.shape[1] + 1), dtype=np.int64)])

    def capacities(self, service: Service) -> Capacities:
        """Prompts per second of each setup whose first token is in time."""
        pass_s = self.time.latency_s(self.prompts.astype(float))
        first = first_token_of(self.family.accelerator).seconds + pass_s
        good = first + self.transfer_s <= service.max_time_to_first_token_s
        served = np.minimum(self.prompts / pass_s, 1.0 / self.transfer_s)
        return Capacities(
            batch=np.where(good, self.prompts, 0),
            requests_per_s=np.where(good, served, 0.0),
            busy_s=self.time.busy_s(self.prompts.astype(float)) / self.prompts,
            first_token_s=first,
            transfer_s=self.transfer_s,
        )


PhaseSetups = DecodingSetups | PrefillSetups


def decoding_setups(
    family: Family, phase: Phase, output_tokens: float, batches: tuple[int, ...] | None, ask: Ask = go_on
) -> DecodingSetups:
    """Price the setups of one family for one class of requests, plain and with every draft setup."""
    every = np.arange(len(family.setups))
    spaces = [family.alternatives(every, 0)]
    for draft_tokens in family.draft_range:
        for setups, drafts in family.pairs():
            ask()
            pairs = family.alternatives(setups, draft_tokens, drafts)
            spaces.append(pairs.take(np.flatnonzero(pairs.batch_min <= pairs.batch_max)))
    alternatives = stack_rows(spaces)
    moved = np.zeros(len(alternatives))
    if phase is not Phase.COLOCATED:
        moved = transfer_s(family.shape, family.accelerator, alternatives.gpus, family.context.prompt_tokens)
    return DecodingSetups(
        phase=phase,
        family=family,
        alternatives=alternatives,
        tokens_per_pass=1.0 / alternatives.model_share,
        output_tokens=output_tokens,
        transfer_s=moved,
        batches=batches,
    )


def prefill_setups(family: Family) -> PrefillSetups:
    """Price the setups of one family that prefill its prompts and do nothing else."""
    setups = family.setups
    # No prompt is split among attention groups, and every stage must hold one.
    whole = (setups.degrees.attention_data_parallel == 1.0) & (setups.batch_max >= setups.degrees.pipeline_parallel)
    family = replace(family, setups=setups.take(np.flatnonzero(whole)))
    prompt_tokens, found = family.context.prompt_tokens, family.context.prefix_tokens
    return PrefillSetups(
        family=family,
        time=family.timed(np.arange(len(family.setups)), prefill_traffic(prompt_tokens, found)),
        transfer_s=transfer_s(family.shape, family.accelerator, family.setups.degrees.gpus, prompt_tokens),
    )


def _degree_columns(degrees: Degrees) -> Integers:
    columns = [
        degrees.stage_ranks,
        degrees.pipeline_parallel,
        degrees.expert_parallel,
        degrees.attention_data_parallel,
        degrees.redundant_experts,
        degrees.spread.exchange,
    ]
    return np.stack([column.astype(np.int64) for column in (*columns, degrees.two_dimensional)], axis=1)
