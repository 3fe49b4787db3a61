"""Every feasible deployment of a scenario, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Model, PaperModel

from . import calibrated, deployable, heads, paper, servers
from .common import Array, Setup
from .physics import evaluate
from .precision import Precision, pairs
from .reserve import Reserve

Mask = NDArray[np.bool_]
Deployments = dict[str, NDArray[Any]]

DEFAULT_STAGE_RANKS = (1, 2, 4, 8, 16, 32, 64)
"""Ranks of a stage where a design space names neither them nor the tensor-parallel degree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleScenario:
    """A deployment scenario as plain data, with the names of scenario files; None is what a file leaves out."""

    fidelity: Literal["paper", "deployable"]
    model: Model | PaperModel
    accelerators: tuple[Accelerator, ...]
    batches: NDArray[np.int64]
    weights: tuple[str, ...] = ()
    kv_cache: tuple[str, ...] = ("bf16",)
    context_tokens: float = 1000
    output_tokens: float = 1000
    tensor_parallel: tuple[int, ...] | None = None
    stage_ranks: tuple[int, ...] | None = None
    tensor_layout: tuple[str, ...] = ("1d",)
    pipeline_parallel: tuple[int, ...] = (1,)
    expert_parallel: Literal["auto"] | tuple[int, ...] = "auto"
    redundant_experts: Literal["auto"] | tuple[int, ...] = "auto"
    attention_data_parallel: tuple[int, ...] = (1,)
    max_gpus: int = 512
    draft_model: Model | PaperModel | None = None
    acceptance: float = 0.8
    max_draft_tokens: int | None = 5
    accepted_tokens: Mapping[int, float] | None = None
    head_repository: str | None = None
    min_speed: float | None = None
    max_cost: float | None = None
    max_throughput: float | None = None
    min_throughput: float | None = None
    max_power_kw: float | None = None
    memory_utilization: float = 0.9
    engine: servers.Engines = "any"
    memory_reserve_gb: Literal["auto"] | float = "auto"
    profile: Any = None

    @property
    def full_tokens(self) -> float:
        """Tokens of a sequence when it is longest."""
        return self.context_tokens + self.output_tokens

    @property
    def reserve(self) -> Reserve:
        """What is not left for weights and cache."""
        return Reserve(self.memory_utilization, self.memory_reserve_gb)

    @property
    def expected_tokens(self) -> dict[int, float]:
        """Tokens that a round yields for each verify width; empty without a draft."""
        if self.draft_model is None:
            return {}
        return heads.expected_tokens(self.acceptance, self.accepted_tokens, self.max_draft_tokens)

    @property
    def draft_columns(self) -> tuple[str, str]:
        """Columns ``draft_mode`` and ``draft_model`` of a deployment that drafts."""
        mode, draft = heads.mode_of(self.draft_model), self.draft_model
        assert draft is not None
        return mode, self.head_repository or (draft.name if heads.is_named(draft) else "")

    def too_long(self) -> bool:
        """Whether the model or its draft was not made for so many tokens."""
        both = (self.model, self.draft_model)
        return any(isinstance(model, Model) and exceeds_context(model, self.full_tokens) for model in both)

    def without_server(self) -> list[Accelerator]:
        """Accelerators that none of the engines runs on."""
        if self.fidelity == "paper":
            return []
        engines = servers.of_scenario(self.engine)
        return [each for each in self.accelerators if not any(servers.runs_on(engine, each) for engine in engines)]

    def refused_field(self) -> str | None:
        """Name the field for which no configuration exists, whatever the design space and the memory."""
        if self.too_long():
            return "workload.context_tokens"
        if self.without_server():
            return f"accelerators[{self.accelerators.index(self.without_server()[0])}]"
        any_pair = any(_precisions(self, accelerator) for accelerator in self.accelerators)
        return None if any_pair else "kv_cache"


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model in one setup: latency (gamma x batch), memory and existence at each batch.

    In deployable fidelity memory is that of the fullest GPU, apart from the reserve; in the paper's, of all.
    """

    setup: Setup
    exists: Mask
    latency_s: Array
    resident_bytes: Array
    reserve_bytes: float = 0.0


@dataclass(slots=True)
class Pricing:
    """Prices of models on one accelerator in one precision, each worked out once for all servers that run it alike."""

    scenario: OracleScenario
    accelerator: Accelerator
    precision: Precision
    known: dict[tuple[object, ...], tuple[Array, Array]] = field(default_factory=dict)

    def host(self, model: Model | PaperModel, setup: Setup, exists: Mask, tokens_per_pass: Sequence[int]) -> Hosted:
        """Price a model in a setup."""
        alike = (model, replace(setup, engine="none"), servers.sharers(setup), tuple(tokens_per_pass))
        if alike not in self.known:
            self.known[alike] = self._priced(model, setup, tokens_per_pass)
        reserve = 0.0
        if isinstance(model, Model):
            reserve = self.scenario.reserve.reserve_bytes(model, self.accelerator, setup)
        return Hosted(setup, exists, *self.known[alike], reserve)

    def _priced(self, model: Model | PaperModel, setup: Setup, tokens_per_pass: Sequence[int]) -> tuple[Array, Array]:
        """Latency and resident bytes at each batch."""
        scenario, batch = self.scenario, self.scenario.batches.astype(float)
        latency = evaluate(
            model,
            self.accelerator,
            setup,
            batch=batch,
            context_tokens=scenario.context_tokens,
            output_tokens=scenario.output_tokens,
            tokens_per_pass=np.array(tokens_per_pass)[:, np.newaxis],
            weights=self.precision,
            profile=calibrated.profile_of(scenario.profile, self.accelerator),
        ).latency_s
        if isinstance(model, PaperModel):
            return latency, paper.resident_bytes(model, batch / setup.pipeline, scenario.context_tokens)
        at = (self.precision, batch, scenario.full_tokens, self.accelerator)
        return latency, deployable.resident_bytes(model, setup, *at)


@dataclass(frozen=True, slots=True)
class Group:
    """Deployments that differ in nothing but the batch."""

    accelerator: Accelerator
    precision: Precision
    setup: Setup
    draft_tokens: int
    draft: tuple[str, str]
    token_s: float
    batch: NDArray[np.int64]
    latency_s: Array


def enumerate_deployments(scenario: OracleScenario) -> Deployments:
    """List every feasible deployment, one array per column (SI units, $ and kW as named)."""
    groups = [
        group
        for accelerator in scenario.accelerators
        for precision in _precisions(scenario, accelerator)
        if not scenario.too_long() and not scenario.without_server()
        for group in _groups(scenario, accelerator, precision)
    ]
    return _within_limits(scenario, _columns(groups))


def exceeds_context(model: Model, tokens: float) -> bool:
    """Whether a sequence of so many tokens is longer than the model was made for."""
    return model.max_context_tokens is not None and tokens > model.max_context_tokens


def _precisions(scenario: OracleScenario, accelerator: Accelerator) -> list[Precision]:
    if scenario.fidelity == "paper":
        return [Precision("", "")]
    return list(pairs(scenario.weights, scenario.kv_cache, accelerator))


def setups(scenario: OracleScenario, model: Model | PaperModel) -> Iterator[tuple[Setup, Mask]]:
    """Every setup of the design space that suits the model, whoever runs it, and the batches at which it exists."""
    for ranks, sigma in _stages(scenario):
        if isinstance(model, Model) and not _divides_heads(model, ranks // sigma):
            continue
        for pipeline in sorted(set(scenario.pipeline_parallel)):
            if ranks * pipeline > scenario.max_gpus:
                continue
            if isinstance(model, Model) and pipeline > model.layers:
                continue
            for expert, redundant, exists in _expert_degrees(scenario, model, ranks, pipeline):
                for layout in sorted(set(scenario.tensor_layout)):
                    full = exists & _whole_groups(scenario, model, sigma, pipeline)
                    yield Setup(ranks, layout, pipeline, expert, sigma, redundant), full


def _whole_groups(scenario: OracleScenario, model: Model | PaperModel, sigma: int, pipeline: int) -> Mask:
    """Batches of whole sequences for every group and micro-batch; the paper only wants a sequence for each stage."""
    if isinstance(model, PaperModel):
        return np.asarray(scenario.batches >= pipeline)
    return np.asarray(scenario.batches % (sigma * pipeline) == 0)


def _divides_heads(model: Model, degree: int) -> bool:
    return all(kind.heads % degree == 0 for _, kind in deployable.kinds(model))


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
) -> list[tuple[int, int, Mask]]:
    """Expert-parallel degrees, redundant experts, and the batches at which they exist."""
    always = np.ones(scenario.batches.shape, dtype=bool)
    listed = scenario.expert_parallel
    if isinstance(model, PaperModel):
        if model.experts == 1:
            return [(1, 0, always)]
        if listed == "auto":
            starved = scenario.batches / pipeline < 2 * paper.sparsity(model)
            spread = min(ranks, model.experts)
            return [(1, 0, always)] if spread == 1 else [(1, 0, starved), (spread, 0, ~starved)]
        return [(q, 0, always) for q in sorted(set(listed)) if ranks % q == 0 and q <= model.experts]
    experts = max(block.experts for block in model.feed_forward)
    if experts == 1:
        return [(1, 0, always)]
    wanted = range(1, ranks + 1) if listed == "auto" else sorted(set(listed))
    return [
        (q, r, always)
        for q in wanted
        if ranks % q == 0 and q <= experts
        for r in redundant_experts(scenario.redundant_experts, experts, q)
    ]


def redundant_experts(listed: Literal["auto"] | Sequence[int], experts: int, degree: int) -> list[int]:
    """Numbers of redundant experts with which the degree divides all of them."""
    if listed == "auto":
        return [-experts % degree]
    return [r for r in sorted(set(listed)) if (experts + r) % degree == 0]


def _fits(scenario: OracleScenario, accelerator: Accelerator, main: Hosted, draft: Hosted | None = None) -> Mask:
    """Whether the model fits, beside a draft in deployable fidelity; in the paper's each has to fit alone."""
    if scenario.fidelity == "paper":
        return main.setup.gpus * accelerator.hbm_bytes >= (draft or main).resident_bytes
    held = main.resident_bytes + (0.0 if draft is None else draft.resident_bytes)
    return held + main.reserve_bytes <= scenario.reserve.usable_bytes(accelerator)


def _groups(scenario: OracleScenario, accelerator: Accelerator, precision: Precision) -> Iterator[Group]:
    token_s = _token_s(scenario, accelerator, precision)
    pricing = Pricing(scenario, accelerator, precision)
    for degrees, exists in setups(scenario, scenario.model):
        for setup in _ways(scenario, accelerator, precision, degrees):
            main = pricing.host(scenario.model, setup, exists, [1])
            fits = main.exists & _fits(scenario, accelerator, main)
            for draft_tokens, latency in _decodings(pricing, main):
                kept = fits & np.isfinite(latency)
                batch, draft = scenario.batches[kept], scenario.draft_columns if draft_tokens else ("", "")
                yield Group(accelerator, precision, main.setup, draft_tokens, draft, token_s, batch, latency[kept])


def _ways(scenario: OracleScenario, accelerator: Accelerator, precision: Precision, degrees: Setup) -> list[Setup]:
    """Ways to run the degrees; the paper knows no servers."""
    if isinstance(scenario.model, PaperModel):
        return [replace(degrees, exchange="")]
    return servers.run_as(scenario.model, accelerator, precision, degrees, scenario.engine)


def _token_s(scenario: OracleScenario, accelerator: Accelerator, precision: Precision) -> float:
    """Seconds that one token computes on one GPU at its peak."""
    model = scenario.model
    if isinstance(model, PaperModel):
        return paper.flop_per_token(model, scenario.context_tokens) / paper.peak(model, accelerator)
    return deployable.token_s(model, accelerator, precision, scenario.context_tokens, scenario.full_tokens)


def _decodings(pricing: Pricing, main: Hosted) -> Iterator[tuple[int, Array]]:
    """Draft tokens (0 without speculation) and latency at each batch, infinite where no draft fits."""
    scenario = pricing.scenario
    yield 0, main.latency_s[0]
    draft_s = [
        np.where(draft.exists & _fits(scenario, pricing.accelerator, main, draft), draft.latency_s[0], np.inf)
        for draft in _drafts(pricing, main)
    ]
    if not draft_s:
        return
    # Only the paper leaves a choice: the fastest.
    fastest = np.min(draft_s, axis=0)
    widths = scenario.expected_tokens
    verifier = heads.verifying(scenario.model, scenario.draft_model)
    verifying = pricing.host(verifier, main.setup, main.exists, list(widths))
    for row, (gamma, expected) in enumerate(widths.items()):
        proposals = gamma if scenario.fidelity == "paper" else gamma - 1
        yield gamma, speculative_s(verifying.latency_s[row], fastest, proposals, expected)


def _drafts(pricing: Pricing, main: Hosted) -> Iterator[Hosted]:
    """Where the draft may stand: on the model's tensor ranks, or in the paper anywhere on as many GPUs."""
    scenario, draft = pricing.scenario, pricing.scenario.draft_model
    if draft is None:
        return
    if isinstance(draft, PaperModel):
        for setup, exists in setups(scenario, draft):
            if setup.gpus == main.setup.gpus:
                yield pricing.host(draft, setup, exists, [1])
        return
    assert isinstance(scenario.model, Model)
    small = servers.beside(scenario.model, draft, main.setup)
    if small is not None:
        yield pricing.host(draft, small, main.exists, [1])


def speculative_s(main_s: Array, draft_s: Array, proposals: int, expected: float) -> Array:
    """Seconds per accepted token when one pass verifies what that many passes of the draft proposed."""
    return (main_s + proposals * draft_s) / expected


def _columns(groups: list[Group]) -> Deployments:
    counts = [group.batch.size for group in groups]

    def repeat(values: Sequence[object], dtype: type) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype=dtype), counts)

    batch = np.concatenate([np.empty(0, dtype=np.int64), *(group.batch for group in groups)])
    latency = np.concatenate([np.empty(0), *(group.latency_s for group in groups)])
    gpus = np.repeat(np.array([g.setup.gpus for g in groups], dtype=int), counts)
    dollars = np.repeat(np.array([_price(g.accelerator) for g in groups], dtype=float), counts)
    watts = np.repeat(np.array([g.accelerator.power_w for g in groups], dtype=float), counts)
    busy = np.repeat(np.array([g.token_s for g in groups], dtype=float), counts)
    return {
        "accelerator": repeat([g.accelerator.name for g in groups], str),
        "weights": repeat([g.precision.weights for g in groups], str),
        "kv_cache": repeat([g.precision.kv_cache for g in groups], str),
        "engine": repeat(["" if g.setup.engine == "none" else g.setup.engine for g in groups], str),
        "exchange": repeat([g.setup.exchange for g in groups], str),
        "tensor_parallel": repeat([g.setup.tensor_parallel for g in groups], int),
        "tensor_layout": repeat([g.setup.layout for g in groups], str),
        "pipeline_parallel": repeat([g.setup.pipeline for g in groups], int),
        "expert_parallel": repeat([g.setup.expert for g in groups], int),
        "expert_tensor_parallel": repeat([g.setup.expert_tensor_parallel for g in groups], float),
        "redundant_experts": repeat([g.setup.redundant for g in groups], int),
        "attention_data_parallel": repeat([g.setup.sigma for g in groups], int),
        "stage_ranks": repeat([g.setup.stage_ranks for g in groups], int),
        "batch": batch,
        "draft_tokens": repeat([g.draft_tokens for g in groups], int),
        "draft_mode": repeat([g.draft[0] for g in groups], str),
        "draft_model": repeat([g.draft[1] for g in groups], str),
        "gpus": gpus,
        "latency_s": latency,
        "speed_tokens_per_s": 1 / latency,
        "cost_usd_per_mtok": 1e6 * gpus * dollars / 3600 * latency / batch,
        "throughput_tokens_per_s": batch / latency,
        "mfu": batch / latency * busy / gpus,
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
