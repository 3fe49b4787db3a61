"""Every feasible deployment of a scenario, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Model, PaperModel

from . import deployable, paper
from .common import Array, Setup
from .physics import evaluate

Mask = NDArray[np.bool_]
Deployments = dict[str, NDArray[Any]]

DEFAULT_STAGE_RANKS = (1, 2, 4, 8, 16, 32, 64)
"""Ranks of a stage where a design space names neither them nor the tensor-parallel degree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleScenario:
    """A deployment scenario as plain data; the names are those of scenario files, and None is what a file leaves out.

    ``every_draft`` also lists the deployments whose draft runs in a slower setup than it could, which matter
    only below a demand cap; otherwise the draft takes its fastest feasible setup at each batch.
    """

    fidelity: Literal["paper", "deployable"]
    model: Model | PaperModel
    accelerators: tuple[Accelerator, ...]
    batches: NDArray[np.int64]
    weights: tuple[str, ...] = ()
    context_tokens: float = 1000
    output_tokens: float = 1000
    tensor_parallel: tuple[int, ...] | None = None
    stage_ranks: tuple[int, ...] | None = None
    tensor_layout: tuple[str, ...] = ("1d",)
    pipeline_parallel: tuple[int, ...] = (1,)
    expert_parallel: Literal["auto"] | tuple[int, ...] = "auto"
    attention_data_parallel: tuple[int, ...] = (1,)
    max_gpus: int = 512
    draft_model: Model | PaperModel | None = None
    acceptance: float = 0.8
    max_draft_tokens: int = 5
    every_draft: bool = False
    min_speed: float | None = None
    max_cost: float | None = None
    max_throughput: float | None = None
    min_throughput: float | None = None
    max_power_kw: float | None = None
    memory_utilization: float = 0.9

    @property
    def pass_context(self) -> float:
        """Tokens in the cache during a pass."""
        grown = 0.0 if self.fidelity == "paper" else self.output_tokens / 2
        return self.context_tokens + grown


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model in one setup: latency (gamma x batch), memory and existence at each batch."""

    setup: Setup
    exists: Mask
    latency_s: Array
    resident_bytes: Array


@dataclass(frozen=True, slots=True)
class Group:
    """Deployments that differ in nothing but the batch."""

    accelerator: Accelerator
    weights: str
    setup: Setup
    draft_tokens: int
    peak_flops: float
    flop_per_token: float
    batch: NDArray[np.int64]
    latency_s: Array


def enumerate_deployments(scenario: OracleScenario) -> Deployments:
    """List every feasible deployment, one array per column (SI units, $ and kW as named)."""
    groups = [
        group
        for accelerator in scenario.accelerators
        for weights in scenario.weights or ("",)
        for group in _groups(scenario, accelerator, weights)
    ]
    return _within_limits(scenario, _columns(groups))


def setups(scenario: OracleScenario, model: Model | PaperModel) -> Iterator[tuple[Setup, Mask]]:
    """Every setup of the design space that suits the model, and the batches at which it exists."""
    for ranks, sigma in _stages(scenario):
        if isinstance(model, Model) and model.attention.query_heads % (ranks // sigma) != 0:
            continue
        for pipeline in sorted(set(scenario.pipeline_parallel)):
            if ranks * pipeline > scenario.max_gpus:
                continue
            if isinstance(model, Model) and pipeline > model.layers:
                continue
            for expert, exists in _expert_degrees(scenario, model, ranks, pipeline):
                for layout in sorted(set(scenario.tensor_layout)):
                    full = exists & (scenario.batches >= pipeline)
                    yield Setup(ranks, layout, pipeline, expert, sigma), full


def _stages(scenario: OracleScenario) -> list[tuple[int, int]]:
    """Ranks of a stage with the attention groups that they are split into: both lists restrict where both are given."""
    groups, degrees, allowed = scenario.attention_data_parallel, scenario.tensor_parallel, scenario.stage_ranks
    if degrees is not None:
        every = {(degree * sigma, sigma) for sigma in groups for degree in degrees}
        return sorted(stage for stage in every if allowed is None or stage[0] in allowed)
    listed = DEFAULT_STAGE_RANKS if allowed is None else allowed
    return sorted({(ranks, sigma) for sigma in groups for ranks in listed if ranks % sigma == 0})


def _expert_degrees(
    scenario: OracleScenario, model: Model | PaperModel, ranks: int, pipeline: int
) -> list[tuple[int, Mask]]:
    always = np.ones(scenario.batches.shape, dtype=bool)
    listed = scenario.expert_parallel
    if isinstance(model, PaperModel):
        if model.experts == 1:
            return [(1, always)]
        if listed == "auto":
            starved = scenario.batches / pipeline < 2 * paper.sparsity(model)
            spread = min(ranks, model.experts)
            return [(1, always)] if spread == 1 else [(1, starved), (spread, ~starved)]
        return [(q, always) for q in sorted(set(listed)) if ranks % q == 0 and q <= model.experts]
    routed = [block.experts for block in model.feed_forward if block.experts > 1]
    if not routed:
        return [(1, always)]
    wanted = range(1, ranks + 1) if listed == "auto" else sorted(set(listed))
    return [(q, always) for q in wanted if all(n % q == 0 for n in (ranks, *routed))]


def _host(
    scenario: OracleScenario,
    model: Model | PaperModel,
    accelerator: Accelerator,
    weights: str,
    tokens_per_pass: Sequence[int],
) -> list[Hosted]:
    batch = scenario.batches.astype(float)
    hosted = []
    for setup, exists in setups(scenario, model):
        components = evaluate(
            model,
            accelerator,
            setup,
            batch=batch,
            context_tokens=scenario.pass_context,
            tokens_per_pass=np.array(tokens_per_pass)[:, np.newaxis],
            weights=weights,
        )
        resident = _resident_bytes(scenario, model, setup, weights, batch)
        hosted.append(Hosted(setup, exists, components.latency_s, resident))
    return hosted


def _resident_bytes(
    scenario: OracleScenario, model: Model | PaperModel, setup: Setup, weights: str, batch: Array
) -> Array:
    """Bytes over all GPUs in paper fidelity, on the fullest GPU in deployable."""
    if isinstance(model, PaperModel):
        return paper.resident_bytes(model, batch / setup.pipeline, scenario.context_tokens)
    full = scenario.context_tokens + scenario.output_tokens
    return deployable.resident_bytes(model, setup, weights, batch, full)


def _fits(scenario: OracleScenario, accelerator: Accelerator, hosted: Hosted) -> Mask:
    if scenario.fidelity == "paper":
        return hosted.setup.gpus * accelerator.hbm_bytes >= hosted.resident_bytes
    return hosted.resident_bytes <= scenario.memory_utilization * accelerator.hbm_bytes


def _fits_beside(scenario: OracleScenario, accelerator: Accelerator, main: Hosted, draft: Hosted) -> Mask:
    if scenario.fidelity == "paper":
        return _fits(scenario, accelerator, draft)
    together = main.resident_bytes + draft.resident_bytes
    return together <= scenario.memory_utilization * accelerator.hbm_bytes


def _groups(scenario: OracleScenario, accelerator: Accelerator, weights: str) -> Iterator[Group]:
    lengths = [1]
    drafts: list[Hosted] = []
    if scenario.draft_model is not None:
        lengths += range(2, scenario.max_draft_tokens + 1)
        drafts = _host(scenario, scenario.draft_model, accelerator, weights, [1])
    peak, flop = _peak_and_flop(scenario, accelerator, weights)
    for main in _host(scenario, scenario.model, accelerator, weights, lengths):
        fits = main.exists & _fits(scenario, accelerator, main)
        for draft_tokens, latency in _decodings(scenario, accelerator, main, drafts, lengths):
            kept = fits & np.isfinite(latency)
            yield Group(
                accelerator,
                weights,
                main.setup,
                draft_tokens,
                peak,
                flop,
                scenario.batches[kept],
                latency[kept],
            )


def _peak_and_flop(scenario: OracleScenario, accelerator: Accelerator, weights: str) -> tuple[float, float]:
    model, context = scenario.model, scenario.pass_context
    if isinstance(model, PaperModel):
        return paper.peak(model, accelerator), paper.flop_per_token(model, context)
    return deployable.peak(accelerator, weights), deployable.flop_per_token(model, context)


def _decodings(
    scenario: OracleScenario,
    accelerator: Accelerator,
    main: Hosted,
    drafts: list[Hosted],
    lengths: list[int],
) -> Iterator[tuple[int, Array]]:
    """Draft tokens (0 without speculation) and latency at each batch, infinite where no draft fits."""
    yield 0, main.latency_s[0]
    draft_s = [
        np.where(draft.exists & _fits_beside(scenario, accelerator, main, draft), draft.latency_s[0], np.inf)
        for draft in drafts
        if draft.setup.gpus == main.setup.gpus
    ]
    if draft_s and not scenario.every_draft:
        draft_s = [np.min(draft_s, axis=0)]
    for row, gamma in enumerate(lengths[1:], start=1):
        yield from ((gamma, speculative_s(main.latency_s[row], one, gamma, scenario.acceptance)) for one in draft_s)


def speculative_s(main_s: Array, draft_s: Array, gamma: int, acceptance: float) -> Array:
    """Seconds per accepted token when one pass verifies ``gamma`` tokens of the draft."""
    expected = float(gamma) if acceptance == 1 else (1 - acceptance**gamma) / (1 - acceptance)
    return (main_s + gamma * draft_s) / expected


def _columns(groups: list[Group]) -> Deployments:
    counts = [group.batch.size for group in groups]

    def repeat(values: Sequence[object], dtype: type) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype=dtype), counts)

    batch = np.concatenate([np.empty(0, dtype=np.int64), *(group.batch for group in groups)])
    latency = np.concatenate([np.empty(0), *(group.latency_s for group in groups)])
    gpus = np.repeat(np.array([g.setup.gpus for g in groups], dtype=int), counts)
    dollars = np.repeat(np.array([_price(g.accelerator) for g in groups], dtype=float), counts)
    watts = np.repeat(np.array([g.accelerator.power_w for g in groups], dtype=float), counts)
    flop = np.repeat(np.array([g.flop_per_token / g.peak_flops for g in groups], dtype=float), counts)
    return {
        "accelerator": repeat([g.accelerator.name for g in groups], str),
        "weights": repeat([g.weights for g in groups], str),
        "tensor_parallel": repeat([g.setup.tensor_parallel for g in groups], int),
        "tensor_layout": repeat([g.setup.layout for g in groups], str),
        "pipeline_parallel": repeat([g.setup.pipeline for g in groups], int),
        "expert_parallel": repeat([g.setup.expert for g in groups], int),
        "expert_tensor_parallel": repeat([g.setup.expert_tensor_parallel for g in groups], float),
        "attention_data_parallel": repeat([g.setup.sigma for g in groups], int),
        "stage_ranks": repeat([g.setup.stage_ranks for g in groups], int),
        "batch": batch,
        "draft_tokens": repeat([g.draft_tokens for g in groups], int),
        "gpus": gpus,
        "latency_s": latency,
        "speed_tokens_per_s": 1 / latency,
        "cost_usd_per_mtok": 1e6 * gpus * dollars / 3600 * latency / batch,
        "throughput_tokens_per_s": batch / latency,
        "mfu": batch / latency * flop / gpus,
        "power_kw": gpus * watts / 1000,
    }


def _price(accelerator: Accelerator) -> float:
    if accelerator.usd_per_gpu_hour is None:
        message = f"{accelerator.name} has no price; the oracle needs one"
        raise ValueError(message)
    return accelerator.usd_per_gpu_hour


def _within_limits(scenario: OracleScenario, table: Deployments) -> Deployments:
    """Drop what breaks a limit; a power that nobody knows meets no power limit."""
    kept = np.ones(table["latency_s"].shape, dtype=bool)
    lower = {"speed_tokens_per_s": scenario.min_speed, "throughput_tokens_per_s": scenario.min_throughput}
    upper = {
        "cost_usd_per_mtok": scenario.max_cost,
        "throughput_tokens_per_s": scenario.max_throughput,
        "power_kw": scenario.max_power_kw,
    }
    for column, limit in lower.items():
        if limit is not None:
            kept &= table[column] >= limit
    for column, limit in upper.items():
        if limit is not None:
            kept &= table[column] <= limit
    return {column: values[kept] for column, values in table.items()}
