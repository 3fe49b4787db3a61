"""Setups that can serve one class of requests in one phase, priced once; what they can serve at any required speed.

At a required speed the best batch of a setup is the largest one that meets it, since throughput rises with the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.bisection import last_true
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.setups import Integers
from ieco_opt.fleet.ladders import Batches, Ladder, build_ladder
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.rows import stack_rows
from ieco_opt.performance.serving import Phase
from ieco_opt.performance.times import PassTime, lift


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
class Bounds:
    """Requests/s of each setup at its best batch, at the ``least`` and at the ``most``; arrays of shape (setups,).

    Both are 0 where the setup cannot serve the class.
    """

    least: Array
    most: Array


@dataclass(slots=True)
class _Priced:
    """What is known of some setups: rungs, the last of them that meet a service, and batches up to one, by row."""

    ladder: Ladder | None = None
    meeting: tuple[Service, Integers] | None = None
    upto: dict[int, Batches] = field(default_factory=dict)


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
    _priced: _Priced = field(default_factory=_Priced, compare=False, repr=False)

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
            _priced=_Priced(),
        )

    @property
    def ladder(self) -> Ladder:
        """Every setup on its rungs, priced when first asked for."""
        if self._priced.ladder is None:
            self._priced.ladder = build_ladder(self.alternatives)
        return self._priced.ladder

    def least_latency_s(self) -> Array:
        """Latency of each setup at its least batch, which no larger batch is below."""
        return self.alternatives.latency_s(self.alternatives.batch_min.astype(float))

    def keys(self) -> Integers:
        """Everything decided but the batch, one row a setup, so that setups of several classes can be matched."""
        rows = self.alternatives
        degrees, spoken = _degree_columns(rows.degrees), (rows.draft_tokens > 0)[:, None]
        draft = np.where(spoken, _degree_columns(rows.draft_degrees), 0) if spoken.any() else np.zeros_like(degrees)
        return np.hstack([degrees, rows.draft_tokens[:, None], draft])

    def capacities(self, service: Service) -> Capacities:
        """Largest batch of each setup that meets the service, and what it serves."""
        rows = self.alternatives
        least = rows.batch_min.astype(float)
        alive = np.flatnonzero(self._in_service(service, rows.latency_s(least), least))
        part = self.take(alive)
        low, high = part.alternatives.batch_min, part.alternatives.batch_max
        most = self._listed(part.last_meeting(service, low, high), part.alternatives.batch_step)
        batch = np.zeros(len(rows), dtype=np.int64)
        batch[alive] = np.where(most >= low, most, 0)
        return self.at(batch)

    def bounds(self, service: Service) -> Bounds:
        """What the best batch of each setup serves at the least and at the most, by the rungs below and above it."""
        ladder, rung = self.ladder, self._rungs(service)
        every = np.arange(len(rung))

        def served(at: Integers) -> Array:
            sequences = ladder.batch_of(every, at).astype(float)
            return np.where(rung >= 0, self._served(sequences, ladder.latency_s[every, at]), 0.0)

        least, most = served(np.maximum(rung, 0)), served(np.minimum(rung + 1, len(ladder.steps) - 1))
        if self.batches is not None:
            # A rung is not always one of the batches listed.
            least = np.zeros_like(least)
        return Bounds(least, most)

    def capacities_of(self, service: Service, rows: Rows) -> Capacities:
        """The capacities of some setups that can serve the class: the best batch is between two rungs."""
        part = self.take(rows)
        if self.batches is not None:
            return part.capacities(service)
        low, high = self.ladder.ends(rows, self._rungs(service)[rows])
        return part.at(part.last_meeting(service, low, high))

    def last_meeting(self, service: Service, low: Integers, high: Integers) -> Integers:
        """Largest batch of each setup, from ``low``, which meets the service, to ``high``, that does."""
        latency_s = self.alternatives.latencies()
        return last_true(
            lambda batch: self._in_service(service, latency_s(batch), batch), low, high, self.alternatives.batch_step
        )

    def batches_upto(self, row: int, most: int) -> Batches:
        """Every batch of one setup up to ``most``, which is one of them."""
        known = self._priced.upto.get(row)
        if known is None or known.batch[-1] < most:
            low, step = int(self.alternatives.batch_min[row]), int(self.alternatives.batch_step[row])
            batch = np.arange(low, most + 1, step)
            if self.batches is not None:
                batch = np.intersect1d(batch, np.array(self.batches, dtype=np.int64))
            known = Batches(*(each[0] for each in self._listing(np.array([row]), batch[None, :])))
            self._priced.upto[row] = known
        return known if known.batch[-1] == most else known.first(int(np.searchsorted(known.batch, most)) + 1)

    def _rungs(self, service: Service) -> Integers:
        """The last rung of each setup that meets the service, -1 where none does."""
        known = self._priced.meeting
        if known is None or known[0] != service:
            ladder = self.ladder
            known = service, ladder.highest(self._in_service(service, ladder.latency_s, ladder.batch))
            self._priced.meeting = known
        return known[1]

    def _listing(self, rows: Rows, batch: Integers) -> tuple[Integers, Array, Array, Array, Array]:
        """What :class:`Batches` holds of some setups at batches of their own, each of shape (rows, batches)."""
        part, sequences = self.take(rows), batch.astype(float)
        latency, busy = part.alternatives.latency_and_busy_s(sequences)
        first = np.full_like(latency, np.nan)
        if self.phase is Phase.COLOCATED:
            first = part.time_to_first_token_s(latency, sequences)
        return batch, latency, first, part._served(sequences, latency), self.output_tokens * busy / sequences

    def at(self, batch: Integers) -> Capacities:
        """What each setup serves at a batch of its own; 0 stands for none."""
        sequences = np.maximum(batch, 1).astype(float)
        served = self._served(sequences, self.alternatives.latency_s(sequences))
        return Capacities(
            batch=batch,
            requests_per_s=np.where(batch > 0, served, 0.0),
            busy_s=self._busy(sequences),
            first_token_s=np.zeros(len(batch)),
            transfer_s=self.transfer_s,
        )

    def _served(self, batch: Array, latency_s: Array) -> Array:
        """Requests/s at a batch of shape (setups, ...) whose latency is known."""
        served = batch / (latency_s * self.output_tokens)
        return np.minimum(served, 1.0 / lift(self.transfer_s, batch)) if self.phase is Phase.DECODE else served

    def _busy(self, batch: Array) -> Array:
        """Busy seconds of a request at a batch of shape (setups, ...)."""
        return self.output_tokens * self.alternatives.busy_s(batch) / batch

    def time_to_first_token_s(self, latency_s: Array, batch: Array) -> Array:
        """Time to first token where prompts share the passes; it rises with the batch."""
        return self.alternatives.time_to_first_token_s(latency_s, batch)

    def _in_service(self, service: Service, latency_s: Array, batch: Array | Integers) -> NDArray[np.bool_]:
        """Where a batch whose latency is known meets the service."""
        quick = latency_s <= service.max_latency_s
        if np.isinf(service.max_time_to_first_token_s):
            return quick
        first = lift(self.transfer_s, latency_s)
        if self.phase is Phase.COLOCATED:
            first = self.time_to_first_token_s(latency_s, batch.astype(float))
        return quick & (first <= service.max_time_to_first_token_s)

    def _listed(self, batch: Integers, step: Integers) -> Integers:
        """Largest listed batch up to each one that is a multiple of its step, 0 if there is none."""
        if self.batches is None:
            return batch
        listed = np.array(self.batches, dtype=np.int64)
        good = (listed <= batch[:, None]) & (listed % step[:, None] == 0)
        return np.asarray(np.where(good, listed, 0).max(axis=1))


@dataclass(frozen=True, slots=True)
class PrefillSetups:
    """Setups that only prefill: one prompt in each pipeline stage.

    ``front_s`` are seconds before the pass of a prompt, ``transfer_s`` those of the move of its cache.
    """

    family: Family
    time: PassTime
    front_s: Array
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
        return replace(
            self,
            family=family,
            time=self.time.take(rows),
            front_s=self.front_s[rows],
            transfer_s=self.transfer_s[rows],
        )

    def bounds(self, service: Service) -> Bounds:
        """What each setup serves; there is one batch."""
        served = self.capacities(service).requests_per_s
        return Bounds(served, served)

    def capacities_of(self, service: Service, rows: Rows) -> Capacities:
        """The capacities of some setups."""
        return self.take(rows).capacities(service)

    def keys(self) -> Integers:
        """Everything decided, one row a setup; as wide as the keys of decoding setups."""
        columns = _degree_columns(self.degrees)
        return np.hstack([columns, np.zeros((len(columns), columns.shape[1] + 1), dtype=np.int64)])

    def capacities(self, service: Service) -> Capacities:
        """Prompts per second of each setup whose first token is in time."""
        pass_s = self.time.latency_s(self.prompts.astype(float))
        first = self.front_s + pass_s
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


def stacked(setups: Sequence[PhaseSetups]) -> PhaseSetups:
    """Setups of several tables, for one class of requests in one phase, as one; the family is that of the first."""
    first = setups[0]
    if isinstance(first, PrefillSetups):
        of_prefill = [each for each in setups if isinstance(each, PrefillSetups)]
        return PrefillSetups(
            family=replace(first.family, setups=stack_rows([each.family.setups for each in of_prefill])),
            time=stack_rows([each.time for each in of_prefill]),
            front_s=np.concatenate([each.front_s for each in of_prefill]),
            transfer_s=np.concatenate([each.transfer_s for each in of_prefill]),
        )
    decoding = [each for each in setups if isinstance(each, DecodingSetups)]
    return replace(
        first,
        alternatives=stack_rows([each.alternatives for each in decoding]),
        tokens_per_pass=np.concatenate([each.tokens_per_pass for each in decoding]),
        transfer_s=np.concatenate([each.transfer_s for each in decoding]),
        _priced=_Priced(),
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
