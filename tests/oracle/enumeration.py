"""Every feasible deployment of a scenario, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Model, PaperModel

from . import calibrated, deployable, energy, heads, paper, passes, servers
from .common import Array, Setup
from .deployable import Load
from .energy import Supply
from .memory import Memory
from .passes import Pass
from .physics import evaluate
from .precision import Precision, pairs
from .reserve import Reserve, chunks

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
    prompts: bool = False
    """Whether prompts of as many tokens as the context are priced too, ``prompt_tokens`` of scenario files."""
    prefix_hit: float = 0.0
    requests_per_s: float | None = None
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
    max_energy_j_per_token: float | None = None
    max_carbon_kg_per_mtok: float | None = None
    max_time_to_first_token_s: float | None = None
    max_end_to_end_s: float | None = None
    model_error: float | Literal["profile"] = 0.0
    memory_utilization: float = 0.9
    engine: servers.Engines = "any"
    memory_reserve_gb: Literal["auto"] | float = "auto"
    profile: Any = None
    engine_factors: bool = False
    powers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Field ``power`` of accelerators by their names."""

    @property
    def full_tokens(self) -> float:
        """Tokens of a sequence when it is longest."""
        return self.context_tokens + self.output_tokens

    @property
    def found_tokens(self) -> float:
        """Tokens of a prompt that are in the prefix cache."""
        return self.prefix_hit * self.context_tokens

    @property
    def new_tokens(self) -> float:
        """Tokens of a prompt that go through the model."""
        return (1 - self.prefix_hit) * self.context_tokens

    @property
    def sizes(self) -> tuple[float, float]:
        """Tokens of a prompt that go through the model, and of its answer."""
        return self.new_tokens, self.output_tokens

    def pass_of_model(self, verified: int, expected: float) -> Pass:
        """Pass of the model that verifies so many tokens, of which so many are expected."""
        return passes.of_model(verified, expected, *self.sizes) if self.prompts else Pass(verified, verified)

    def passes_of_draft(self) -> list[Pass]:
        """Passes of the draft, one for each verify width where prompts come beside; otherwise all are one."""
        widths = self.expected_tokens.items()
        every = [passes.of_draft(width - 1, expected, *self.sizes) for width, expected in widths if self.prompts]
        return every or [Pass(1, 1)]

    def load(self, carried: Sequence[Pass]) -> Load:
        """Load of passes while an answer is generated, one row each."""
        columns = (np.array(column, dtype=float)[:, np.newaxis] for column in zip(*carried, strict=True))
        tokens, generated, prompts = columns
        span = self.context_tokens, self.full_tokens
        return Load(tokens, *span, generated, prompts, self.context_tokens, self.found_tokens)

    def chunks(self, accelerator: Accelerator, engine: str) -> int:
        """Passes in which a server takes a prompt."""
        return chunks(self.new_tokens, accelerator, engine)

    def pace(self, accelerator: Accelerator, engine: str) -> tuple[float, int]:
        """Say what else than its ranks decides how quickly a server runs a setup, as far as it matters."""
        late = self.max_time_to_first_token_s is not None or self.max_end_to_end_s is not None
        return self.launch_factor(accelerator, engine), self.chunks(accelerator, engine) if late else 0

    @property
    def reserve(self) -> Reserve:
        """What is not left for weights and cache."""
        return Reserve(self.memory_utilization, self.memory_reserve_gb)

    def profile_of(self, accelerator: Accelerator) -> calibrated.Profile | None:
        """Calibration profile of an accelerator."""
        return None if self.fidelity == "paper" else calibrated.profile_of(self.profile, accelerator)

    def error_of(self, accelerator: Accelerator) -> float:
        """How much too optimistic the limits take the model to be on an accelerator."""
        return calibrated.error_of(self.model_error, self.profile, accelerator)

    def supply_of(self, accelerator: Accelerator) -> Supply:
        """Say what the energy of an accelerator follows from."""
        return energy.supply(self.profile_of(accelerator), accelerator.name, self.powers.get(accelerator.name))

    def launch_factor(self, accelerator: Accelerator, engine: str) -> float:
        """Factor on launches of a server that runs the model on an accelerator."""
        if not servers.factors_count(self.engine, self.engine_factors):
            return 1.0
        return calibrated.launch_factor(self.profile_of(accelerator), engine, self.model.name)

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
            return "workload.prompt_tokens" if self.prompts else "workload.context_tokens"
        if self.without_server():
            return f"accelerators[{self.accelerators.index(self.without_server()[0])}]"
        any_pair = any(_precisions(self, accelerator) for accelerator in self.accelerators)
        return None if any_pair else "kv_cache"


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model in one setup: latency and its busy part (gamma x batch), memory and existence at each batch.

    In deployable fidelity memory is that of the fullest GPU, apart from the reserve; in the paper's, of all.
    """

    setup: Setup
    exists: Mask
    latency_s: Array
    busy_s: Array
    resident_bytes: Array
    reserve_bytes: float = 0.0


@dataclass(slots=True)
class Pricing:
    """Prices of models on one accelerator in one precision, each worked out once for all servers that run it alike."""

    scenario: OracleScenario
    accelerator: Accelerator
    precision: Precision
    known: dict[tuple[object, ...], tuple[Array, Array, Array]] = field(default_factory=dict)
    prompt_passes: dict[tuple[object, ...], float] = field(default_factory=dict)

    def host(self, model: Model | PaperModel, setup: Setup, exists: Mask, carried: Sequence[Pass]) -> Hosted:
        """Price a model in a setup."""
        factor = self.scenario.launch_factor(self.accelerator, setup.engine)
        alike = (model, replace(setup, engine="none"), servers.sharers(setup), factor, tuple(carried))
        if alike not in self.known:
            self.known[alike] = self._priced(model, setup, carried, factor)
        reserve = 0.0
        if isinstance(model, Model):
            reserve = self.scenario.reserve.reserve_bytes(model, self.accelerator, setup)
        return Hosted(setup, exists, *self.known[alike], reserve)

    def prompt_s(self, hosted: Sequence[tuple[Model, Setup]], engine: str) -> float:
        """Seconds of the passes of models that bring a prompt to each group and stage, and generate nothing."""
        return sum(self._prompt_s(model, setup, engine) for model, setup in hosted)

    def _prompt_s(self, model: Model, setup: Setup, engine: str) -> float:
        scenario = self.scenario
        factor = scenario.launch_factor(self.accelerator, setup.engine)
        pieces = scenario.chunks(self.accelerator, engine)
        alike = (model, replace(setup, engine="none"), servers.sharers(setup), factor, pieces)
        if alike not in self.prompt_passes:
            batch = np.array([float(setup.sigma * setup.pipeline)])
            sizes = scenario.context_tokens, scenario.found_tokens
            load = Load(scenario.new_tokens / pieces, 0.0, 0.0, 0.0, 1 / pieces, *sizes)
            at = (model, self.accelerator, setup, self.precision, batch, load)
            passed = calibrated.evaluate(*at, scenario.profile_of(self.accelerator), factor)
            self.prompt_passes[alike] = pieces * float(passed.latency_s[0])
        return self.prompt_passes[alike]

    def _priced(
        self, model: Model | PaperModel, setup: Setup, carried: Sequence[Pass], factor: float
    ) -> tuple[Array, Array, Array]:
        """Latency, its busy part and resident bytes at each batch."""
        scenario, batch = self.scenario, self.scenario.batches.astype(float)
        load = scenario.load(carried)
        if isinstance(model, PaperModel):
            context, tokens = scenario.context_tokens, load.carried
            passed = evaluate(
                model, self.accelerator, setup, batch=batch, context_tokens=context, tokens_per_pass=tokens
            )
            held = paper.resident_bytes(model, batch / setup.pipeline, context)
            return passed.latency_s, passed.busy_s, held
        profile = scenario.profile_of(self.accelerator)
        passed = calibrated.evaluate(model, self.accelerator, setup, self.precision, batch, load, profile, factor)
        at = (self.precision, batch, scenario.full_tokens, self.accelerator)
        return passed.latency_s, passed.busy_s, deployable.resident_bytes(model, setup, *at)


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
    busy_s: Array
    first_token_s: Array


@dataclass(frozen=True, slots=True)
class Decoded:
    """One way of decoding in a setup, at each batch; no draft tokens without speculation.

    Latency is infinite where no draft fits. ``prompt_s`` is what the passes of a prompt take, or nan.
    """

    draft_tokens: int
    expected: float
    latency_s: Array
    busy_s: Array
    prompt_s: float


def enumerate_deployments(scenario: OracleScenario) -> Deployments:
    """List every feasible deployment, one array per column (SI units, $ and kW as named)."""
    return within_limits(scenario, _priced_table(scenario))


_LAST = Memory(4)


def _priced_table(scenario: OracleScenario) -> Deployments:
    """List every deployment that fits: they are the same whatever limits there are."""
    heeded = replace(scenario, **dict.fromkeys((*LEAST, *MOST)), model_error=0.0)
    asked = repr(replace(heeded, batches=scenario.batches[:0])), scenario.batches.tobytes()
    return _LAST.recall(asked, lambda: _every_deployment(heeded))


def _every_deployment(scenario: OracleScenario) -> Deployments:
    groups = [
        group
        for accelerator in scenario.accelerators
        for precision in _precisions(scenario, accelerator)
        if not scenario.too_long() and not scenario.without_server()
        for group in _groups(scenario, accelerator, precision)
    ]
    table = _columns(scenario, groups)
    for column in table.values():
        column.flags.writeable = False
    return table


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
            main = pricing.host(scenario.model, setup, exists, [scenario.pass_of_model(1, 1.0)])
            fits = main.exists & _fits(scenario, accelerator, main)
            for one in _decodings(pricing, main):
                kept = fits & np.isfinite(one.latency_s)
                batch, draft = scenario.batches[kept], scenario.draft_columns if one.draft_tokens else ("", "")
                first = _first_token_s(scenario, accelerator, setup, one, batch, one.latency_s[kept])
                figures = (token_s, batch, one.latency_s[kept], one.busy_s[kept], first)
                yield Group(accelerator, precision, main.setup, one.draft_tokens, draft, *figures)


def _first_token_s(
    scenario: OracleScenario,
    accelerator: Accelerator,
    setup: Setup,
    one: Decoded,
    batch: NDArray[np.int64],
    latency_s: Array,
) -> Array:
    """Seconds to the first token, nan where no prompts are priced."""
    waits = calibrated.first_token_of(scenario.profile_of(accelerator))
    return waits.after_s(one.prompt_s, batch / (setup.sigma * setup.pipeline), one.expected * latency_s)


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
    one, span = scenario.pass_of_model(1, 1.0), (scenario.context_tokens, scenario.full_tokens)
    load = Load(one.carried, *span, one.generated, one.prompts, scenario.context_tokens, scenario.found_tokens)
    return deployable.token_s(model, accelerator, precision, load)


def _decodings(pricing: Pricing, main: Hosted) -> Iterator[Decoded]:
    """Decode without speculation, and with every verify width."""
    scenario = pricing.scenario
    yield Decoded(0, 1.0, main.latency_s[0], main.busy_s[0], _prompt_s(pricing, scenario.model, main))
    drafts = list(_drafts(pricing, main))
    draft_s = [
        np.where(draft.exists & _fits(scenario, pricing.accelerator, main, draft), draft.latency_s, np.inf)
        for draft in drafts
    ]
    if not draft_s:
        return
    widths = scenario.expected_tokens
    shape = len(widths), scenario.batches.size
    # Only the paper leaves a choice: the fastest.
    fastest = np.broadcast_to(np.min(draft_s, axis=0), shape)
    busy = np.broadcast_to(np.choose(np.argmin(draft_s, axis=0), [draft.busy_s for draft in drafts]), shape)
    verifier = heads.verifying(scenario.model, scenario.draft_model)
    carried = [scenario.pass_of_model(width, expected) for width, expected in widths.items()]
    verifying = pricing.host(verifier, main.setup, main.exists, carried)
    prompt_s = _prompt_s(pricing, verifier, main, *drafts)
    for row, (gamma, expected) in enumerate(widths.items()):
        proposals = gamma if scenario.fidelity == "paper" else gamma - 1
        latency = speculative_s(verifying.latency_s[row], fastest[row], proposals, expected)
        busy_s = speculative_s(verifying.busy_s[row], busy[row], proposals, expected)
        yield Decoded(gamma, expected, latency, busy_s, prompt_s)


def _prompt_s(pricing: Pricing, model: Model | PaperModel, main: Hosted, *drafts: Hosted) -> float:
    """Seconds of the passes of a prompt through the model and what drafts; nan where no prompts are priced."""
    scenario = pricing.scenario
    if not scenario.prompts:
        return math.nan
    assert isinstance(model, Model)
    hosted = [(model, main.setup), *((scenario.draft_model, draft.setup) for draft in drafts)]
    return pricing.prompt_s(hosted, main.setup.engine)  # type: ignore[arg-type]


def _drafts(pricing: Pricing, main: Hosted) -> Iterator[Hosted]:
    """Where the draft may stand: on the model's tensor ranks, or in the paper anywhere on as many GPUs."""
    scenario, draft = pricing.scenario, pricing.scenario.draft_model
    if draft is None:
        return
    if isinstance(draft, PaperModel):
        for setup, exists in setups(scenario, draft):
            if setup.gpus == main.setup.gpus:
                yield pricing.host(draft, setup, exists, scenario.passes_of_draft())
        return
    assert isinstance(scenario.model, Model)
    small = servers.beside(scenario.model, draft, main.setup)
    if small is not None:
        yield pricing.host(draft, small, main.exists, scenario.passes_of_draft())


def speculative_s(main_s: Array, draft_s: Array, proposals: int, expected: float) -> Array:
    """Seconds per accepted token when one pass verifies what that many passes of the draft proposed."""
    return (main_s + proposals * draft_s) / expected


def _columns(scenario: OracleScenario, groups: list[Group]) -> Deployments:
    counts = [group.batch.size for group in groups]

    def repeat(values: Sequence[object], dtype: type) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype=dtype), counts)

    def given(name: str) -> Array:
        return repeat([getattr(supplies[g.accelerator.name], name) for g in groups], float)

    batch = np.concatenate([np.empty(0, dtype=np.int64), *(group.batch for group in groups)])
    latency = np.concatenate([np.empty(0), *(group.latency_s for group in groups)])
    gpus = np.repeat(np.array([g.setup.gpus for g in groups], dtype=int), counts)
    dollars = np.repeat(np.array([_price(g.accelerator) for g in groups], dtype=float), counts)
    watts = np.repeat(np.array([g.accelerator.power_w for g in groups], dtype=float), counts)
    token_s = np.repeat(np.array([g.token_s for g in groups], dtype=float), counts)
    busy_s = np.concatenate([np.empty(0), *(group.busy_s for group in groups)])
    supplies = {each.name: scenario.supply_of(each) for each in scenario.accelerators}
    joules = energy.joules_per_token(gpus * watts, given("idle"), given("busy"), latency, busy_s, batch)
    if scenario.fidelity == "paper":
        joules = np.full_like(joules, np.nan)
    for_energy = energy.per_mtok(joules, given("pue"), given("usd_per_kwh"))
    cost = 1e6 * gpus * dollars / 3600 * latency / batch + np.nan_to_num(for_energy)
    first = np.concatenate([np.empty(0), *(group.first_token_s for group in groups)])
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
        "cost_usd_per_mtok": cost,
        "throughput_tokens_per_s": batch / latency,
        "mfu": batch / latency * token_s / gpus,
        "power_kw": gpus * watts / 1000,
        "energy_j_per_token": joules,
        "energy_usd_per_mtok": for_energy,
        "carbon_kg_per_mtok": energy.per_mtok(joules, given("pue"), given("kg_co2_per_kwh")),
        **_of_prompts(scenario, first, latency, cost, batch),
    }


def _of_prompts(
    scenario: OracleScenario, first_s: Array, latency_s: Array, cost: Array, batch: NDArray[np.int64]
) -> Deployments:
    """Columns of deployments that price prompts, all nan of others."""
    output = scenario.output_tokens if scenario.prompts else math.nan
    return {
        "time_to_first_token_s": first_s,
        "end_to_end_s": first_s + (output - 1) * latency_s,
        "requests_per_s": batch / latency_s / output,
        "cost_usd_per_mtok_total": cost * output / (scenario.context_tokens + output),
        "usd_per_request": cost * output / 1e6,
        "usd_per_hour": cost * batch / latency_s * 3600 / 1e6 * (output / output),
    }


def _price(accelerator: Accelerator) -> float:
    if accelerator.usd_per_gpu_hour is None:
        message = f"{accelerator.name} has no price; the oracle needs one"
        raise ValueError(message)
    return accelerator.usd_per_gpu_hour


LEAST, MOST = (
    {
        "min_speed": "speed_tokens_per_s",
        "min_throughput": "throughput_tokens_per_s",
        "requests_per_s": "requests_per_s",
    },
    {
        "max_cost": "cost_usd_per_mtok",
        "max_throughput": "throughput_tokens_per_s",
        "max_power_kw": "power_kw",
        "max_energy_j_per_token": "energy_j_per_token",
        "max_carbon_kg_per_mtok": "carbon_kg_per_mtok",
        "max_time_to_first_token_s": "time_to_first_token_s",
        "max_end_to_end_s": "end_to_end_s",
    },
)
"""Columns that limits are on, by their names."""

SURE = ("max_throughput", "max_power_kw")
"""Limits that hold for figures as they are, whatever error the model has."""


def limited_figures(scenario: OracleScenario, table: Deployments) -> dict[str, Array]:
    """Figures of every deployment that limits hold for, with the error that the scenario plans with."""
    errors = {each.name: scenario.error_of(each) for each in scenario.accelerators}
    worse = np.array([1 + errors[name] for name in table["accelerator"].tolist()], dtype=float)
    found = {name: table[column] / worse for name, column in LEAST.items()}
    return found | {name: table[column] * (1.0 if name in SURE else worse) for name, column in MOST.items()}


def within_limits(scenario: OracleScenario, table: Deployments) -> Deployments:
    """Drop what breaks a limit; a figure that nobody knows meets none."""
    kept = np.ones(table["latency_s"].shape, dtype=bool)
    for name, figures in limited_figures(scenario, table).items():
        limit = getattr(scenario, name)
        if limit is not None:
            kept &= figures >= limit if name in LEAST else figures <= limit
    return {column: values[kept] for column, values in table.items()}
