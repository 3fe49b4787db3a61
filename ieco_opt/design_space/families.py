"""The setups of one accelerator and one precision, of the model and of its draft, with their pass times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.setups import (
    DegreeChoices,
    Integers,
    SetupRequest,
    Setups,
    enumerate_setups,
)
from ieco_opt.performance.architecture import Architecture, architecture, peak_flops
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.economics import speculation_factor, usd_per_second
from ieco_opt.performance.pass_time import Degrees, PassTime, idle_pass, pass_time
from ieco_opt.performance.rules import is_deployable
from ieco_opt.performance.serving import Traffic, decode_traffic

TINY_EXPERTS = "shards of experts so small that their activations outweigh their weights"
"""Such setups (fewer than about 250 weights a shard) are outside what the proofs cover."""


@dataclass(frozen=True, slots=True)
class Speculation:
    """A draft model and how often its proposals are accepted."""

    draft: Model | PaperModel
    acceptance: float
    max_draft_tokens: int


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """Tokens in the cache: on average while decoding, and at their most.

    Where prompts of ``prompt_tokens`` are absorbed on the side, each generated token brings
    ``prompt_tokens_per_token`` of them through the model, and ``draft_prompt_tokens_per_token`` through its draft.
    """

    average_tokens: float
    resident_tokens: float
    prompt_tokens: float = 0.0
    prompt_tokens_per_token: float = 0.0
    draft_prompt_tokens_per_token: float = 0.0


@dataclass(frozen=True, slots=True)
class Drafts:
    """The draft model's own setups on the accelerator, at the precision of the model."""

    shape: Architecture
    setups: Setups
    time: PassTime


@dataclass(frozen=True, slots=True)
class Family:
    """Setups that differ in degrees only.

    ``accelerator_index`` and ``weights_index`` are positions in the scenario's lists (0 where it has none);
    ``usable_bytes`` is what a server may fill of one GPU's memory.
    """

    accelerator: Accelerator
    accelerator_index: int
    weights: str | None
    weights_index: int
    shape: Architecture
    setups: Setups
    drafts: Drafts | None
    context: DecodeContext
    speculation: Speculation | None
    usable_bytes: float

    @property
    def draft_range(self) -> range:
        """Numbers of draft tokens to choose from, besides none."""
        return range(2, self.speculation.max_draft_tokens + 1) if self.speculation else range(0)

    def model_pass(self, rows: Rows, draft_tokens: int) -> PassTime:
        """Pass times of the model that decodes, or verifies ``draft_tokens`` of each sequence."""
        arriving = self.context.prompt_tokens_per_token / self.factor(draft_tokens)
        traffic = decode_traffic(float(max(1, draft_tokens)), self.context.average_tokens)
        traffic = traffic.with_prompt(arriving, self.context.prompt_tokens)
        return self.timed(rows, traffic)

    def timed(self, rows: Rows, traffic: Traffic) -> PassTime:
        """Pass times of the model under any traffic."""
        return self._pass(self.shape, self.setups.degrees.take(rows), traffic)

    def draft_pass(self, rows: Rows, draft_tokens: int) -> PassTime:
        """Pass times of the draft model, which proposes one of ``draft_tokens`` of each sequence."""
        assert self.drafts is not None
        if self.context.draft_prompt_tokens_per_token == 0.0:
            return self.drafts.time.take(rows)
        arriving = self.context.draft_prompt_tokens_per_token / self.factor(draft_tokens) / draft_tokens
        traffic = decode_traffic(1.0, self.context.average_tokens).with_prompt(arriving, self.context.prompt_tokens)
        return self._pass(self.drafts.shape, self.drafts.setups.degrees.take(rows), traffic)

    def _pass(self, shape: Architecture, degrees: Degrees, traffic: Traffic) -> PassTime:
        return pass_time(
            shape,
            self.accelerator,
            peak_flops(self.accelerator, shape.weight_bytes, self.weights),
            degrees,
            context_tokens=traffic.cached_tokens,
            tokens_per_pass=traffic.tokens,
            attended_tokens=traffic.attended_tokens,
        )

    def usd_per_s(self, rows: Rows) -> Array:
        """Rent of setups; NaN where the accelerator has no price."""
        price = self.accelerator.usd_per_gpu_hour
        return usd_per_second(self.setups.degrees.gpus[rows], np.array(np.nan if price is None else price))

    def factor(self, draft_tokens: int) -> float:
        """Passes for one token when ``draft_tokens`` are proposed; 1 without speculation."""
        if self.speculation is None or draft_tokens == 0:
            return 1.0
        return float(speculation_factor(np.array(float(draft_tokens)), self.speculation.acceptance))

    def pair_fits(self, setups: Rows, drafts: Rows, batch: Array) -> NDArray[np.bool_]:
        """Where a draft setup can run beside a model setup at ``batch``; the arguments broadcast."""
        assert self.drafts is not None
        draft, model = self.drafts.setups, self.setups
        fits = (batch >= draft.batch_min[drafts]) & (batch <= draft.batch_max[drafts])
        if is_deployable(self.shape):
            used = (
                np.ceil(batch / model.degrees.attention_data_parallel[setups]) * model.cache_bytes[setups]
                + np.ceil(batch / draft.degrees.attention_data_parallel[drafts]) * draft.cache_bytes[drafts]
            )
            fits = fits & (used <= model.free_bytes[setups] + draft.free_bytes[drafts] - self.usable_bytes)
        return np.broadcast_to(fits, np.broadcast_shapes(setups.shape, drafts.shape, batch.shape))

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
        count = len(setups)
        model = self.model_pass(setups, draft_tokens)
        low, high = self.setups.batch_min[setups], self.setups.batch_max[setups]
        factor = self.factor(draft_tokens)
        if drafts is None:
            like = model if self.drafts is None else self.drafts.time
            draft, draft_degrees = idle_pass(like, count), self.setups.degrees.take(setups)
        else:
            assert self.drafts is not None
            draft = self.draft_pass(drafts, draft_tokens)
            draft_degrees = self.drafts.setups.degrees.take(drafts)
            low = np.maximum(low, self.drafts.setups.batch_min[drafts])
            high = self._largest_pair_batch(setups, drafts, low, high)
        degrees = self.setups.degrees.take(setups)
        power = self.accelerator.power_w
        return Alternatives(
            accelerator=np.full(count, self.accelerator_index),
            weights=np.full(count, self.weights_index),
            degrees=degrees,
            draft_tokens=np.full(count, draft_tokens),
            draft_degrees=draft_degrees,
            model=model,
            model_share=np.full(count, factor),
            draft=draft,
            draft_share=np.full(count, factor * draft_tokens),
            batch_min=low,
            batch_max=high,
            usd_per_s=self.usd_per_s(setups),
            # Watts first: 3 x 1.1 kW would exceed a limit of 3.3 kW by rounding.
            power_kw=degrees.gpus * (np.nan if power is None else power) / 1000.0,
        )

    def _largest_pair_batch(self, setups: Rows, drafts: Rows, low: Integers, high: Integers) -> Integers:
        """Largest batch at which each pair fits, low - 1 if there is none; bisection, since memory only grows."""
        holds, fails = low - 1, high + 1
        while (fails - holds > 1).any():
            middle = (holds + fails) // 2
            fits = self.pair_fits(setups, drafts, middle.astype(float)) | (middle < low)
            open_ = fails - holds > 1
            holds = np.where(open_ & fits, middle, holds)
            fails = np.where(open_ & ~fits, middle, fails)
        return holds


@dataclass(frozen=True, slots=True)
class FamilyRequest:
    """What the families of one scenario have in common."""

    model: Model | PaperModel
    choices: DegreeChoices
    batch_min: int
    batch_max: int
    context: DecodeContext
    memory_utilization: float
    speculation: Speculation | None


def build_family(
    request: FamilyRequest,
    accelerator: tuple[int, Accelerator],
    weights: tuple[int, str | None],
) -> tuple[Family, Counter[str]]:
    """Enumerate the setups of one accelerator and precision, each given with its position in the scenario."""

    def listed(shape: Architecture) -> tuple[Setups, Counter[str]]:
        return enumerate_setups(
            SetupRequest(
                architecture=shape,
                accelerator=accelerator[1],
                choices=request.choices,
                batch_min=request.batch_min,
                batch_max=request.batch_max,
                context_tokens=request.context.average_tokens,
                resident_tokens=request.context.resident_tokens,
                memory_utilization=request.memory_utilization,
            )
        )

    def priced(shape: Architecture) -> tuple[Setups, PassTime, Counter[str]]:
        """Setups whose experts follow the model's assumptions, with their pass times."""
        setups, reasons = listed(shape)
        flops = peak_flops(accelerator[1], shape.weight_bytes, weights[1])
        average = request.context.average_tokens
        time = pass_time(shape, accelerator[1], flops, setups.degrees, context_tokens=average)
        good = time.experts_are_concave()
        if not good.all():
            reasons[TINY_EXPERTS] += int((~good).sum())
        return setups.take(np.flatnonzero(good)), time.take(np.flatnonzero(good)), reasons

    shape = architecture(request.model, weights[1])
    setups, _, reasons = priced(shape)
    drafts = None
    if request.speculation is not None:
        draft_shape = architecture(request.speculation.draft, weights[1])
        draft_setups, draft_time, _ = priced(draft_shape)
        drafts = Drafts(draft_shape, draft_setups, draft_time)
    family = Family(
        accelerator=accelerator[1],
        accelerator_index=accelerator[0],
        weights=weights[1],
        weights_index=weights[0],
        shape=shape,
        setups=setups,
        drafts=drafts,
        context=request.context,
        speculation=request.speculation,
        usable_bytes=request.memory_utilization * accelerator[1].hbm_bytes,
    )
    return family, reasons
