"""Instances of a fleet by plain enumeration: every setup, every integer batch (docs/fleet.md, "Instances")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Model

from . import calibrated, deployable, heads, passes, servers
from .common import Array, Setup
from .deployable import Load
from .enumeration import Mask, OracleScenario, exceeds_context, setups
from .memory import Memory
from .precision import Precision, pairs, precise
from .reserve import Reserve, chunks

Phase = Literal["colocated", "prefill", "decode"]

Part = Literal["latency_s", "busy_s"]

TIME: Part = "latency_s"
BUSY: Part = "busy_s"
"""Parts of the time of a pass: all of it, and that in which the GPUs are busy."""

ROUNDING = 1e-12
"""Limits may be missed by this share, which is rounding: a limit can be the very figure of an instance."""

DEFAULT_BATCHES = np.arange(1, 16385)


@dataclass(frozen=True, slots=True)
class Request:
    """Tokens of the prompt and of the answer of one request."""

    prompt_tokens: float
    output_tokens: float

    @property
    def full_tokens(self) -> float:
        """Tokens in the cache when the answer is complete."""
        return self.prompt_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Speculation:
    """A draft, the chance that one of its tokens is accepted, and the most tokens that a pass verifies.

    With ``accepted_tokens`` the acceptance means nothing, and the most tokens may be None: all that are listed.
    """

    draft: Model
    acceptance: float
    max_draft_tokens: int | None
    accepted_tokens: Mapping[int, float] | None = None

    @property
    def by_width(self) -> dict[int, float]:
        """Tokens that one pass yields on average, for each verify width that may be chosen."""
        return heads.expected_tokens(self.acceptance, self.accepted_tokens, self.max_draft_tokens)

    def expected_tokens(self, draft_tokens: int) -> float:
        """Tokens that one pass yields on average."""
        return self.by_width[draft_tokens]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What instances are wanted for: one model on one pool's accelerator, one size of requests, one design space."""

    model: Model
    accelerator: Accelerator
    weights: tuple[str, ...]
    request: Request
    kv_cache: tuple[str, ...] = ("bf16",)
    prefix_hit: float = 0.0
    tensor_parallel: tuple[int, ...] | None = None
    stage_ranks: tuple[int, ...] | None = None
    pipeline_parallel: tuple[int, ...] = (1, 2, 4, 8, 16)
    expert_parallel: Literal["auto"] | tuple[int, ...] = "auto"
    redundant_experts: Literal["auto"] | tuple[int, ...] = "auto"
    attention_data_parallel: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    tensor_layout: tuple[str, ...] = ("1d",)
    batches: NDArray[np.int64] | None = None
    max_gpus: int = 512
    memory_utilization: float = 0.9
    engine: servers.Engines = "any"
    memory_reserve_gb: Literal["auto"] | float = "auto"
    profile: Any = None
    engine_factors: bool = False
    error: float = 0.0
    min_speed: float | None = None
    max_time_to_first_token_s: float | None = None
    speculation: Speculation | None = None

    @property
    def all_batches(self) -> NDArray[np.int64]:
        """Batches of the design space, ascending."""
        return DEFAULT_BATCHES if self.batches is None else np.unique(self.batches)

    @property
    def precisions(self) -> list[Precision]:
        """Precisions of weights and cache that there are on the accelerator."""
        return list(pairs(self.weights, self.kv_cache, self.accelerator))

    @property
    def calibration(self) -> calibrated.Profile | None:
        """Calibration profile of the accelerator."""
        return calibrated.profile_of(self.profile, self.accelerator)

    @property
    def first_token(self) -> calibrated.FirstToken:
        """What the first token waits for beside its own prompt."""
        return calibrated.first_token_of(self.calibration)

    def launch_factor(self, engine: str) -> float:
        """Factor on launches of a server that runs the model."""
        if not servers.factors_count(self.engine, self.engine_factors):
            return 1.0
        return calibrated.launch_factor(self.calibration, engine, self.model.name)

    def chunks(self, engine: str) -> int:
        """Passes in which a server takes a prompt beside others."""
        return chunks(self.new_tokens, self.accelerator, engine)

    @property
    def reserve(self) -> Reserve:
        """What is not left for weights and cache."""
        return Reserve(self.memory_utilization, self.memory_reserve_gb)

    @property
    def found_tokens(self) -> float:
        """Tokens of a prompt that are in the prefix cache."""
        return self.prefix_hit * self.request.prompt_tokens

    @property
    def new_tokens(self) -> float:
        """Tokens of a prompt that go through the model."""
        return (1 - self.prefix_hit) * self.request.prompt_tokens


@dataclass(frozen=True, slots=True)
class Decoding:
    """Plain decoding (no draft setup, 0 draft tokens, 1 token a pass), or one way of speculating.

    ``draft_tokens`` is the verify width, of which the draft proposes all but one.
    """

    draft_setup: Setup | None = None
    draft_tokens: int = 0
    expected: float = 1.0

    @property
    def verified(self) -> int:
        """Generated tokens that one pass of the model carries for a sequence."""
        return max(1, self.draft_tokens)

    @property
    def proposed(self) -> int:
        """Passes of the draft before each pass of the model."""
        return max(0, self.draft_tokens - 1)


@dataclass(frozen=True, slots=True)
class Instance:
    """One kind of instance at one batch.

    Time to first token is ``pass_s``, for prefill plus the longer of its own ``transfer_s`` and that of the decode
    instance (whose ``pass_s`` is 0). All figures are those of the model, whatever error it is planned with.
    """

    phase: Phase
    precision: Precision
    setup: Setup
    decoding: Decoding
    batch: int
    latency_s: float
    capacity_requests_per_s: float
    pass_s: float
    transfer_s: float

    @property
    def weights(self) -> str:
        """Entry of ``weights``."""
        return self.precision.weights

    @property
    def kv_cache(self) -> str:
        """Entry of ``kv_cache``."""
        return self.precision.kv_cache

    @property
    def gpus(self) -> int:
        """GPUs of the instance."""
        return int(self.setup.gpus)

    @property
    def speed_tokens_per_s(self) -> float | None:
        """Tokens per second that one request sees; none while its prompt is read."""
        return None if self.phase == "prefill" else 1 / self.latency_s

    @property
    def key(self) -> tuple[object, ...]:
        """What makes the kind, the batch apart."""
        return self.phase, self.precision, self.setup, self.decoding


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one setup at each batch."""

    latency_s: Array
    capacity: Array
    pass_s: Array
    transfer_s: float


def passing(
    service: Service, carried: float, generated: float, prompts: float, span: tuple[float, float] | None = None
) -> Load:
    """Give the load of a pass; the cache is read while an answer grows, or over ``span``."""
    request = service.request
    first, last = (request.prompt_tokens, request.full_tokens) if span is None else span
    return Load(carried, first, last, generated, prompts, request.prompt_tokens, service.found_tokens)


def pass_s(
    service: Service, model: Model, setup: Setup, precision: Precision, batch: Array, load: Load, part: Part = TIME
) -> Array:
    """Seconds of a pass of the service's model or of its draft."""
    factor = service.launch_factor(setup.engine)
    at = (model, service.accelerator, setup, precision, batch, load)
    seconds: Array = getattr(calibrated.evaluate(*at, service.calibration, factor), part)
    return seconds


def model_s(
    service: Service,
    phase: Phase,
    precision: Precision,
    setup: Setup,
    decoding: Decoding,
    batch: Array,
    part: Part = TIME,
) -> Array:
    """Seconds of one pass of the model itself in a phase."""
    if phase == "prefill":
        load = passing(service, service.new_tokens, 0.0, 1.0, (0.0, 0.0))
    elif phase == "decode":
        load = passing(service, decoding.verified, decoding.verified, 0.0)
    else:
        sizes = service.new_tokens, service.request.output_tokens
        load = passing(service, *passes.of_model(decoding.verified, decoding.expected, *sizes))
    return pass_s(service, carrying(service, decoding), setup, precision, batch, load, part)


def carrying(service: Service, decoding: Decoding) -> Model:
    """Give the model as it is priced where it may have a draft beside it."""
    drafts = service.speculation is not None and decoding.draft_tokens
    model: Model = heads.verifying(service.model, service.speculation.draft) if drafts else service.model
    return model


def draft_s(service: Service, precision: Precision, decoding: Decoding, batch: Array, part: Part = TIME) -> Array:
    """Seconds of one pass of the draft, which absorbs the prompt wherever the model did."""
    speculation, setup = service.speculation, decoding.draft_setup
    assert speculation is not None
    assert setup is not None
    sizes = service.new_tokens, service.request.output_tokens
    load = passing(service, *passes.of_draft(decoding.proposed, decoding.expected, *sizes))
    return pass_s(service, speculation.draft, setup, precision, batch, load, part)


def prompt_pass_s(service: Service, precision: Precision, setup: Setup, decoding: Decoding) -> float:
    """Seconds of the passes that carry a prompt for each group and stage of a colocated instance, and nothing else."""
    pieces = service.chunks(setup.engine)
    load = passing(service, service.new_tokens / pieces, 0.0, 1 / pieces, (0.0, 0.0))
    batch = np.array([setup.sigma * setup.pipeline])
    seconds = pass_s(service, carrying(service, decoding), setup, precision, batch, load)
    if decoding.draft_setup is not None:
        assert service.speculation is not None
        seconds = seconds + pass_s(service, service.speculation.draft, decoding.draft_setup, precision, batch, load)
    return pieces * float(seconds[0])


def transfer_s(service: Service, precision: Precision, gpus: float) -> float:
    """Seconds in which the cache of a prompt enters or leaves an instance."""
    cache = deployable.prompt_bytes(service.model, precision, service.request.prompt_tokens)
    return cache / (gpus * service.accelerator.inter_node_bytes_per_s)


def figures(
    service: Service,
    phase: Phase,
    precision: Precision,
    setup: Setup,
    decoding: Decoding,
    latency: Array,
    batch: Array,
) -> Figures:
    """Capacity and time to first token from the latency: of a pass for prefill, else of a generated token."""
    output = service.request.output_tokens
    transfer = 0.0 if phase == "colocated" else transfer_s(service, precision, setup.gpus)
    if phase == "prefill":
        capacity = np.minimum(batch / latency, 1 / transfer)
        return Figures(latency, capacity, service.first_token.seconds + latency, transfer)
    capacity = batch / (latency * output)
    if phase == "decode":
        return Figures(latency, np.minimum(capacity, 1 / transfer), np.zeros_like(latency), transfer)
    first = first_token_s(service, precision, setup, decoding, latency, batch)
    return Figures(latency, capacity, first, transfer)


def first_token_s(
    service: Service, precision: Precision, setup: Setup, decoding: Decoding, latency: Array, batch: Array
) -> Array:
    """Seconds from the arrival of a prompt to its first token, on an instance that decodes too."""
    prompt = prompt_pass_s(service, precision, setup, decoding)
    sequences = batch / (setup.sigma * setup.pipeline)
    return service.first_token.after_s(prompt, sequences, decoding.expected * latency)


def resident_tokens(service: Service, phase: Phase) -> float:
    """Tokens of one sequence in the cache when it is longest."""
    output = 0.0 if phase == "prefill" else service.request.output_tokens
    return service.request.prompt_tokens + output


def fits(service: Service, phase: Phase, precision: Precision, setup: Setup, decoding: Decoding, batch: Array) -> Mask:
    """Whether the most loaded GPU holds the model, and the draft beside it, at each batch."""
    accelerator = service.accelerator
    where = resident_tokens(service, phase), accelerator
    held = deployable.resident_bytes(service.model, setup, precision, batch, *where)
    if decoding.draft_setup is not None:
        assert service.speculation is not None
        draft = service.speculation.draft
        held = held + deployable.resident_bytes(draft, decoding.draft_setup, precision, batch, *where)
    held = held + service.reserve.reserve_bytes(service.model, accelerator, setup)
    return np.asarray(held <= service.reserve.usable_bytes(accelerator))


def meets(service: Service, phase: Phase, known: Figures) -> Mask:
    """Whether speed and time to first token are good enough; for prefill with the least transfer there can be.

    Both hold where the model is so much too optimistic as it is planned with.
    """
    met = np.ones(known.latency_s.shape, dtype=bool)
    worse = 1 + service.error
    if service.min_speed is not None and phase != "prefill":
        met &= 1 / known.latency_s / worse >= service.min_speed * (1 - ROUNDING)
    if service.max_time_to_first_token_s is not None:
        # A decode instance whose own transfer takes longer than the cap fits no prefill instance.
        first = (known.pass_s + known.transfer_s) * worse
        met &= first <= service.max_time_to_first_token_s * (1 + ROUNDING)
    return met


def phase_setups(service: Service, phase: Phase, precision: Precision) -> Iterator[tuple[Setup, Array, Mask]]:
    """Every setup of the model in a phase, as servers run it, with its batches and whether it exists at each."""
    if too_long(service):
        return
    prefill = phase == "prefill"
    sigmas = (1,) if prefill else service.attention_data_parallel
    # A prefill instance holds a prompt in each stage, whatever batches are allowed for decoding.
    batches = np.arange(1, max(service.pipeline_parallel) + 1) if prefill else service.all_batches
    space = OracleScenario(
        fidelity="deployable",
        model=service.model,
        accelerators=(service.accelerator,),
        batches=batches,
        tensor_parallel=service.tensor_parallel,
        stage_ranks=service.stage_ranks,
        tensor_layout=service.tensor_layout,
        pipeline_parallel=service.pipeline_parallel,
        expert_parallel=service.expert_parallel,
        redundant_experts=service.redundant_experts,
        attention_data_parallel=sigmas,
        max_gpus=service.max_gpus,
    )
    for degrees, exists in setups(space, service.model):
        full = exists & (batches == degrees.pipeline) if prefill else exists
        for setup in servers.run_as(service.model, service.accelerator, precision, degrees, service.engine):
            if serves_phase(service.model, setup, phase, None):
                yield setup, batches.astype(float), full


def exchanges_cache(model: Model, setup: Setup, phase: Phase) -> bool:
    """Whether the setup's server can send or receive the cache of the model's layers, where it has to."""
    return phase == "colocated" or servers.caches_apart(model, setup)


def runs_phase(setup: Setup, phase: Phase) -> bool:
    """Whether the setup's server, which runs it as such, has so many stages for that phase."""
    return phase == "colocated" or servers.staged_apart(setup, phase)


def sends_heads(model: Model, setup: Setup, phase: Phase) -> bool:
    """Whether the setup's server can send the cache of so many tensor ranks, where it has to."""
    return phase != "prefill" or servers.prefills_apart(model, setup)


def takes_draft(setup: Setup, phase: Phase) -> bool:
    """Whether the setup's server has a draft beside the model in that phase, if all else allows it."""
    return phase == "colocated" or (phase == "decode" and servers.drafts_apart(setup))


def takes_this_draft(setup: Setup, phase: Phase, draft: Model) -> bool:
    """Whether the setup's server has that draft, which may be a head, beside the model in that phase."""
    return takes_draft(setup, phase) and (phase == "colocated" or servers.draft_sits_apart(setup, draft))


def serves_phase(model: Model, setup: Setup, phase: Phase, draft: Model | None) -> bool:
    """Whether the setup's server has it for that phase, with a draft or without."""
    exchanged = exchanges_cache(model, setup, phase) and sends_heads(model, setup, phase)
    return exchanged and runs_phase(setup, phase) and (draft is None or takes_this_draft(setup, phase, draft))


def too_long(service: Service) -> bool:
    """Whether the model or its draft was not made for so many tokens."""
    drafts = () if service.speculation is None else (service.speculation.draft,)
    return any(exceeds_context(model, service.request.full_tokens) for model in (service.model, *drafts))


def decodings(service: Service, phase: Phase, setup: Setup) -> Iterator[Decoding]:
    """Plain decoding, and every number of tokens that a draft on the model's tensor ranks may help to verify."""
    yield Decoding()
    if service.speculation is None or not takes_this_draft(setup, phase, service.speculation.draft):
        return
    small = servers.beside(service.model, service.speculation.draft, setup)
    if small is not None:
        for tokens, expected in service.speculation.by_width.items():
            yield Decoding(small, tokens, expected)


def generation_s(
    service: Service,
    phase: Phase,
    precision: Precision,
    setup: Setup,
    decoding: Decoding,
    batch: Array,
    part: Part = TIME,
) -> Array:
    """Seconds per generated token, all of them or those in which the GPUs are busy; for prefill, of the pass."""
    main = model_s(service, phase, precision, setup, decoding, batch, part)
    if decoding.draft_setup is None:
        return main
    drafting = decoding.proposed * draft_s(service, precision, decoding, batch, part)
    return np.asarray((main + drafting) / decoding.expected)


def busy_request_s(service: Service, one: Instance) -> float:
    """Seconds for which an instance at its batch is busy with one request (docs/fleet.md, "Energy")."""
    at = one.precision, one.setup, one.decoding, np.array([float(one.batch)])
    busy = float(generation_s(service, one.phase, *at, BUSY)[0])
    if one.phase == "prefill":
        return busy / float(one.setup.pipeline)
    return service.request.output_tokens * busy / one.batch


def price(
    service: Service,
    phase: Phase,
    given: str | Precision,
    setup: Setup,
    batch: int,
    decoding: Decoding | None = None,
) -> Instance:
    """Price one instance at one batch, whether or not it exists, fits and is fast enough."""
    decoding, precision = decoding or Decoding(), precise(given)
    return _instance(phase, _priced_at(service, phase, precision, setup, decoding, np.array([float(batch)])), 0)


def faults(service: Service, instance: Instance) -> list[str]:
    """Say which rules an instance breaks: of the design space, memory, speed and time to first token."""
    phase, decoding, found = instance.phase, instance.decoding, []
    at = np.array([float(instance.batch)])
    if instance.precision not in service.precisions:
        found.append(f"{instance.precision} is not listed, or not on this accelerator")
    if not _exists(service, phase, instance):
        found.append(f"{instance.setup} does not exist at batch {instance.batch}, or no server starts it")
    if decoding.draft_setup is not None:
        assert service.speculation is not None
        if not takes_this_draft(instance.setup, phase, service.speculation.draft):
            found.append(f"{instance.setup.engine} has no draft in {phase}, or not this one")
        if decoding.draft_setup != servers.beside(service.model, service.speculation.draft, instance.setup):
            found.append(f"draft {decoding.draft_setup} is not on the model's tensor ranks")
        if decoding.draft_tokens not in service.speculation.by_width:
            found.append(f"{decoding.draft_tokens} draft tokens are not allowed")
    if not fits(service, phase, instance.precision, instance.setup, decoding, at).all():
        found.append("does not fit in memory")
    setup = instance.setup
    known = figures(service, phase, instance.precision, setup, decoding, np.array([instance.latency_s]), at)
    if not meets(service, phase, known).all():
        found.append("is too slow, or its first token too late")
    return found


def instances(service: Service, phase: Phase) -> list[Instance]:
    """List each setup, with each way of decoding, at the largest batch that meets everything."""
    found = []
    for one in priced(service, phase):
        met = meets(service, phase, one.known)
        if met.any():
            found.append(_instance(phase, one, int(np.flatnonzero(met)[-1])))
    return found


@dataclass(frozen=True, slots=True)
class Priced:
    """One setup with one way of decoding at every batch that exists and fits, however slow it is."""

    precision: Precision
    setup: Setup
    decoding: Decoding
    batch: Array
    known: Figures


MOST_BATCHES = 1024
"""Prices of so few batches are kept."""

_KEPT = Memory(256)


def priced(service: Service, phase: Phase) -> Iterable[Priced]:
    """Price every setup of a phase: they are the same whatever has to be met."""
    if len(service.all_batches) > MOST_BATCHES:
        return _priced(service, phase)
    heeded = replace(service, min_speed=None, max_time_to_first_token_s=None, error=0.0)
    asked = repr(replace(heeded, batches=None)), service.all_batches.tobytes(), phase
    return _KEPT.recall(asked, lambda: list(_priced(heeded, phase)))


def _priced(service: Service, phase: Phase) -> Iterator[Priced]:
    for precision in service.precisions:
        for setup, batch, exists in phase_setups(service, phase, precision):
            for decoding in decodings(service, phase, setup):
                usable = exists & fits(service, phase, precision, setup, decoding, batch)
                if usable.any():
                    yield _priced_at(service, phase, precision, setup, decoding, batch[usable])


def _priced_at(
    service: Service, phase: Phase, precision: Precision, setup: Setup, decoding: Decoding, batch: Array
) -> Priced:
    latency = generation_s(service, phase, precision, setup, decoding, batch)
    known = figures(service, phase, precision, setup, decoding, latency, batch)
    return Priced(precision, setup, decoding, batch, known)


def _instance(phase: Phase, one: Priced, index: int) -> Instance:
    return Instance(
        phase=phase,
        precision=one.precision,
        setup=one.setup,
        decoding=one.decoding,
        batch=int(one.batch[index]),
        latency_s=float(one.known.latency_s[index]),
        capacity_requests_per_s=float(one.known.capacity[index]),
        pass_s=float(one.known.pass_s[index]),
        transfer_s=one.known.transfer_s,
    )


def _exists(service: Service, phase: Phase, instance: Instance) -> bool:
    return any(
        instance.setup == setup and bool((exists & (batches == instance.batch)).any())
        for setup, batches, exists in phase_setups(service, phase, instance.precision)
    )
