"""The setups of one accelerator, precision and server, of the model and of its draft, with their pass times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, DraftMode, Head, Model, PaperModel
from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.setups import Integers, Setups, fitting
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.energy import Measure, kg_per_joule, usd_rates, watts
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.reserve import ServerMemory
from ieco_opt.performance.rules import is_deployable
from ieco_opt.performance.servers import Server
from ieco_opt.performance.serving import PromptTimes, prompt_chunks
from ieco_opt.performance.speculation import Yield
from ieco_opt.performance.times import PassTime, idle_pass
from ieco_opt.performance.traffic import Traffic, decode_traffic, prefill_traffic, repeated
from ieco_opt.performance.validated import Validated


@dataclass(frozen=True, slots=True)
class Speculation:
    """A draft and what its proposals yield."""

    draft: Model | PaperModel
    tokens: Yield

    @property
    def mode(self) -> DraftMode:
        """What the draft is."""
        return self.draft.mode if isinstance(self.draft, Head) else "draft_model"


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """Tokens in the cache: when an answer starts, and when it ends, where they are at their most.

    Where prompts of ``prompt_tokens`` are absorbed on the side, of which ``prefix_tokens`` were found in the prefix
    cache, each generated token brings ``prompts_per_token`` of them through the model, and
    ``draft_prompts_per_token`` through its draft.
    """

    cached_from: float
    cached_to: float
    prompt_tokens: float = 0.0
    prefix_tokens: float = 0.0
    prompts_per_token: float = 0.0
    draft_prompts_per_token: float = 0.0

    @classmethod
    def of_requests(
        cls, prompt_tokens: int, output_tokens: int, prefix_hit: float, *, colocated: bool = True
    ) -> DecodeContext:
        """That of requests whose prompts share the passes (``colocated``), or are read elsewhere but by the draft."""
        return cls(
            cached_from=float(prompt_tokens),
            cached_to=float(prompt_tokens + output_tokens),
            prompt_tokens=float(prompt_tokens),
            prefix_tokens=prefix_hit * prompt_tokens,
            prompts_per_token=1.0 / output_tokens if colocated else 0.0,
            draft_prompts_per_token=1.0 / output_tokens,
        )

    @property
    def reads_prompts(self) -> bool:
        """Whether prompts share the passes."""
        return self.prompts_per_token > 0.0

    @property
    def output_tokens(self) -> float:
        """Tokens of an answer."""
        return self.cached_to - self.cached_from

    @property
    def useful(self) -> Traffic:
        """What a generated token brings to a pass, with its share of a prompt where prompts are priced."""
        return self.traffic(1.0, self.prompts_per_token)

    def traffic(self, tokens: float, prompts: float) -> Traffic:
        """What a sequence brings to a pass: ``tokens`` of its answer, and ``prompts`` of others."""
        decoding = decode_traffic(tokens, self.cached_from, self.cached_to)
        return decoding.with_prompts(prompts, self.prompt_tokens, self.prefix_tokens)


@dataclass(frozen=True, slots=True)
class Drafts:
    """The draft model's setups on the accelerator, at the precision of the model.

    ``of`` is the one that goes with each setup of the model, on its ranks, and -1 where none does; ``None`` in fidelity
    ``paper``, where any on as many GPUs may.
    """

    shape: Architecture
    setups: Setups
    time: PassTime
    of: Rows | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Setups that differ in degrees only.

    ``accelerator`` has the calibration of the server. ``validated`` is what is known of the error of its times,
    ``None`` in fidelity ``paper``. ``accelerator_index`` is a position in the scenario's list, ``precision_index`` one
    among its pairs of weights and cache, ``engine_index`` one among its engines (0 where it has none). Limits hold for
    ``margin`` times latency and cost; a ``pessimistic`` family is priced with them as its latency and cost.
    """

    accelerator: Accelerator
    accelerator_index: int
    precision: Precision | None
    precision_index: int
    shape: Architecture
    setups: Setups
    drafts: Drafts | None
    context: DecodeContext
    speculation: Speculation | None
    memory: ServerMemory
    server: Server | None = None
    engine_index: int = 0
    validated: Validated | None = None
    margin: float = 1.0
    pessimistic: bool = False
    measure: Measure = Measure.COST

    @property
    def engine(self) -> str | None:
        """Name of the server; ``None`` for the equations alone."""
        return None if self.server is None else self.server.profile.name

    @property
    def usable_bytes(self) -> float:
        """What a server may fill of one GPU's memory."""
        return self.memory.usable_bytes(self.accelerator)

    @property
    def draft_range(self) -> tuple[int, ...]:
        """Tokens that a pass may verify, to choose from besides none."""
        return self.speculation.tokens.widths if self.speculation else ()

    def model_pass(self, rows: Rows, draft_tokens: int) -> PassTime:
        """Pass times of the model that decodes, or verifies ``draft_tokens`` of each sequence."""
        return self.timed(rows, self._verifying(draft_tokens), drafting=draft_tokens > 0)

    def _verifying(self, draft_tokens: int) -> Traffic:
        """What a pass of the model takes that decodes, or verifies ``draft_tokens`` of each sequence."""
        prompts = self.context.prompts_per_token / self.factor(draft_tokens)
        return self.context.traffic(float(max(1, draft_tokens)), prompts)

    def timed(self, rows: Rows, traffic: Traffic, *, drafting: bool = False) -> PassTime:
        """Pass times of the model under any traffic; ``drafting``: of one that a draft follows."""
        shape = self.shape.fusing(self.drafts.shape) if drafting and self.drafts is not None else self.shape
        return self._pass(shape, self.setups.degrees.take(rows), traffic)

    def draft_timed(self, rows: Rows, traffic: Traffic) -> PassTime:
        """Pass times of the draft in its own setups under any traffic."""
        assert self.drafts is not None
        return self._pass(self.drafts.shape, self.drafts.setups.degrees.take(rows), traffic)

    def proposals(self, draft_tokens: int) -> int:
        """Passes of the draft model for one that verifies ``draft_tokens``: the last of them is the model's own.

        The paper charges one more (docs/performance-model.md, speculation).
        """
        return draft_tokens - 1 if draft_tokens and is_deployable(self.shape) else draft_tokens

    def draft_pass(self, rows: Rows, draft_tokens: int) -> PassTime:
        """Pass times of the draft model, which proposes one token of each sequence."""
        assert self.drafts is not None
        if self.context.draft_prompts_per_token == 0.0:
            return self.drafts.time.take(rows)
        return self.draft_timed(rows, self._proposing(draft_tokens))

    def _proposing(self, draft_tokens: int) -> Traffic:
        """What a pass of the draft takes, of those before one that verifies ``draft_tokens``."""
        prompts = self.context.draft_prompts_per_token / self.factor(draft_tokens) / self.proposals(draft_tokens)
        return self.context.traffic(1.0, prompts)

    @property
    def chunks(self) -> int:
        """Passes in which the server takes a prompt."""
        new_tokens = self.context.prompt_tokens - self.context.prefix_tokens
        return prompt_chunks(self.memory.engine, self.accelerator, new_tokens)

    @property
    def chunk(self) -> Traffic:
        """What one of these passes takes."""
        return prefill_traffic(self.context.prompt_tokens, self.context.prefix_tokens, self.chunks)

    def prompt_times(self, setups: Rows, draft_tokens: int, drafts: Rows | None = None) -> PromptTimes:
        """What the time to first token of setups is made of, beside drafts or plain."""
        if not self.context.reads_prompts:
            return PromptTimes.none(len(setups))
        degrees, per_pass = self.setups.degrees.take(setups), 1.0 / self.factor(draft_tokens)
        prompt_s = self._prompt_s(setups, drafts)
        return PromptTimes.of(self.accelerator, degrees, prompt_s, per_pass, self.context.output_tokens)

    def _prompt_s(self, setups: Rows, drafts: Rows | None) -> Array:
        """Seconds of the passes that a prompt alone takes: one, or a chunk, for each attention group and stage."""
        chunks, traffic = self.chunks, self.chunk
        groups = self.setups.degrees.groups[setups]
        seconds = self.timed(setups, traffic, drafting=drafts is not None).latency_s(groups)
        if drafts is not None:
            assert self.drafts is not None
            seconds = seconds + self.draft_timed(drafts, traffic).latency_s(self.drafts.setups.degrees.groups[drafts])
        return np.asarray(chunks * seconds)

    def _pass(self, shape: Architecture, degrees: Degrees, traffic: Traffic) -> PassTime:
        return pass_time(shape, self.accelerator, degrees, traffic)

    def usd_per_s(self, rows: Rows) -> Array:
        """Rent of setups, with energy that has a price while they idle; NaN where the accelerator has no price."""
        return usd_rates(self.accelerator, self.shape.fidelity, self.setups.degrees.gpus[rows])[0]

    def factor(self, draft_tokens: int) -> float:
        """Passes for one token when ``draft_tokens`` are verified at once; 1 without speculation."""
        return 1.0 if self.speculation is None else self.speculation.tokens.passes_per_token(draft_tokens)

    def pairs(self) -> Iterator[tuple[Rows, Rows]]:
        """Rows of setups and of the draft setups that can stand beside them, pair by pair in lists of equal length."""
        if self.drafts is None:
            return
        if self.drafts.of is not None:
            rows = np.flatnonzero(self.drafts.of >= 0)
            yield rows, self.drafts.of[rows]
            return
        for setups, drafts in self.same_gpus():
            yield np.repeat(setups, len(drafts)), np.tile(drafts, len(setups))

    def same_gpus(self) -> list[tuple[Rows, Rows]]:
        """Rows of model and draft setups that use equally many GPUs, any of which goes with any (``paper``)."""
        if self.drafts is None:
            return []
        model, draft = self.setups.degrees.gpus, self.drafts.setups.degrees.gpus
        return [(np.flatnonzero(model == gpus), np.flatnonzero(draft == gpus)) for gpus in np.intersect1d(model, draft)]

    def beside(self, setup: int) -> Rows:
        """Draft setups that can stand beside one setup."""
        if self.drafts is None:
            return np.zeros(0, dtype=np.intp)
        if self.drafts.of is not None:
            own = self.drafts.of[[setup]]
            return own[own >= 0]
        return np.flatnonzero(self.drafts.setups.degrees.gpus == self.setups.degrees.gpus[setup])

    def pair_fits(self, setups: Rows, drafts: Rows, batch: Array) -> NDArray[np.bool_]:
        """Where a draft setup can run beside a model setup at ``batch``; the arguments broadcast."""
        assert self.drafts is not None
        draft, model = self.drafts.setups, self.setups
        fits = (batch >= draft.batch_min[drafts]) & (batch <= draft.batch_max[drafts])
        if is_deployable(self.shape):
            sequences = batch / model.degrees.attention_data_parallel[setups]
            used = sequences * model.cache_bytes[setups] + sequences * draft.cache_bytes[drafts]
            fits = fits & (used <= model.free_bytes[setups] + draft.free_bytes[drafts] - self.usable_bytes)
        return np.broadcast_to(fits, np.broadcast_shapes(setups.shape, drafts.shape, batch.shape))

    def at_utilization(self, share: float) -> Family:
        """The same family where a server may fill that share of a GPU's memory (``deployable``)."""
        server, drafts = replace(self.memory, utilization=share), self.drafts
        if drafts is not None:
            # The reserve is counted once, beside the model.
            beside = fitting(drafts.setups, replace(server, reserve_bytes=0.0), drafts.shape, self.accelerator)
            drafts = replace(drafts, setups=beside)
        setups = fitting(self.setups, server, self.shape, self.accelerator)
        return replace(self, memory=server, setups=setups, drafts=drafts)

    def fastest_drafts(self, setups: Rows, drafts: Rows, batch: Array) -> Rows:
        """Draft setup that is the fastest to fit beside each setup at each batch, -1 where none fits.

        Shape (setups, batches) for setups and batches of one dimension each.
        """
        assert self.drafts is not None
        spread = np.broadcast_to(batch, (len(drafts), len(batch)))
        latency = self.drafts.time.take(drafts).latency_s(spread)
        fits = self.pair_fits(setups[:, None, None], drafts[:, None], batch)
        best = np.where(fits, latency, np.inf).argmin(axis=1)
        return np.where(fits.any(axis=1), drafts[best], -1)

    def alternatives(self, setups: Rows, draft_tokens: int, drafts: Rows | None = None) -> Alternatives:
        """Each setup with its entry of ``drafts``, or plain where ``draft_tokens`` is 0."""
        model, prompts = self.model_pass(setups, draft_tokens), self.prompt_times(setups, draft_tokens, drafts)
        tokens = np.full(len(setups), draft_tokens)
        if drafts is None:
            return self._alternatives(setups, tokens, model, prompts)
        return self._alternatives(setups, tokens, model, prompts, drafts, self.draft_pass(drafts, draft_tokens))

    def speculating(self, setups: Rows, drafts: Rows) -> Alternatives:
        """Each setup with its entry of ``drafts``, for every number of tokens of ``draft_range`` in turn.

        They are priced together: on short arrays calls, not arithmetic, take the time.
        """
        assert self.drafts is not None
        widths, count = self.draft_range, len(setups)
        every, counts = np.tile(np.arange(count), len(widths)), [count] * len(widths)
        model = self.timed(setups[every], repeated([*map(self._verifying, widths)], counts), drafting=True)
        draft = self.drafts.time.take(drafts[every])
        if self.context.draft_prompts_per_token != 0.0:
            draft = self.draft_timed(drafts[every], repeated([*map(self._proposing, widths)], counts))
        prompts = PromptTimes.none(len(every))
        if self.context.reads_prompts:
            degrees, per_pass = self.setups.degrees.take(setups[every]), 1.0 / np.array([*map(self.factor, widths)])
            prompt_s, per_pass = self._prompt_s(setups, drafts)[every], np.repeat(per_pass, count)
            prompts = PromptTimes.of(self.accelerator, degrees, prompt_s, per_pass, self.context.output_tokens)
        return self._alternatives(setups[every], np.repeat(widths, count), model, prompts, drafts[every], draft)

    def plain(self, model: PassTime, prompts: PromptTimes) -> Alternatives:
        """Every setup without a draft, where its passes are known."""
        every = np.arange(len(self.setups))
        return self._alternatives(every, np.zeros_like(every), model, prompts)

    def _alternatives(
        self,
        setups: Rows,
        draft_tokens: Integers,
        model: PassTime,
        prompts: PromptTimes,
        drafts: Rows | None = None,
        draft: PassTime | None = None,
    ) -> Alternatives:
        count = len(setups)
        degrees = draft_degrees = self.setups.degrees.take(setups)
        low, high = self.batch_bounds(setups, drafts)
        if draft is None:
            draft = idle_pass(model if self.drafts is None else self.drafts.time, count)
        if drafts is not None:
            assert self.drafts is not None
            draft_degrees = self.drafts.setups.degrees.take(drafts)
        widths, of = np.unique(draft_tokens, return_inverse=True)
        factor = np.array([self.factor(width) for width in widths.tolist()])[of]
        proposals = np.array([self.proposals(width) for width in widths.tolist()])[of]
        margin, within = (1.0, self.margin) if self.pessimistic else (self.margin, 1.0)
        power, carbon = self.accelerator.power_w, kg_per_joule(self.accelerator)
        usd_per_s, usd_per_busy_s = usd_rates(self.accelerator, self.shape.fidelity, degrees.gpus)
        idle_w, busy_w = watts(self.accelerator, self.shape.fidelity, degrees.gpus)
        return Alternatives(
            accelerator=np.full(count, self.accelerator_index),
            precision=np.full(count, self.precision_index),
            engine=np.full(count, self.engine_index),
            degrees=degrees,
            draft_tokens=draft_tokens,
            draft_degrees=draft_degrees,
            model=model,
            model_share=within * factor,
            draft=draft,
            draft_share=within * (factor * proposals),
            prompts=prompts.slower(within),
            batch_step=self.setups.batch_step[setups],
            batch_min=low,
            batch_max=high,
            usd_per_s=usd_per_s,
            usd_per_busy_s=usd_per_busy_s,
            # Watts first: 3 x 1.1 kW would exceed a limit of 3.3 kW by rounding.
            power_kw=degrees.gpus * (np.nan if power is None else power) / 1000.0,
            margin=np.full(count, margin),
            margin_within=np.full(count, within),
            idle_w=idle_w,
            busy_w=busy_w,
            kg_per_joule=np.full(count, np.nan if carbon is None else carbon),
            measure=self.measure,
        )

    def batch_bounds(self, setups: Rows, drafts: Rows | None = None) -> tuple[Integers, Integers]:
        """Least and largest batch of each setup, beside its entry of ``drafts`` if given, whatever a pass takes."""
        low, high = self.setups.batch_min[setups], self.setups.batch_max[setups]
        if drafts is None:
            return low, high
        assert self.drafts is not None
        low = np.maximum(low, self.drafts.setups.batch_min[drafts])
        return low, self._largest_pair_batch(setups, drafts, low, high)

    def _largest_pair_batch(self, setups: Rows, drafts: Rows, low: Integers, high: Integers) -> Integers:
        """Largest batch at which each pair fits, below ``low`` if there is none; bisection, since memory only grows."""
        step = self.setups.batch_step[setups]
        holds, fails = low // step - 1, high // step + 1
        while (fails - holds > 1).any():
            middle = (holds + fails) // 2
            fits = self.pair_fits(setups, drafts, (middle * step).astype(float)) | (middle * step < low)
            open_ = fails - holds > 1
            holds = np.where(open_ & fits, middle, holds)
            fails = np.where(open_ & ~fits, middle, fails)
        return holds * step
