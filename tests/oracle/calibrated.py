"""One pass with a calibration profile, by docs/performance-model.md, "With a calibration profile"."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import ieco_opt
from ieco_opt.catalog.types import Accelerator, FeedForward, Model, Topology

from . import cards, deployable
from .common import Array, Components, Setup, Wires, protocol_lines, quickest_s
from .deployable import Load
from .kinds import Kind
from .precision import Precision, precise, rate, recipe, weight_bytes
from .servers import sharers

Profile = Mapping[str, Any]
"""A profile as a file holds it; what it may leave out may be missing."""

PROFILES = Path(ieco_opt.__file__).parent / "catalog" / "data" / "profiles"

KINDS = {
    "bf16": ("bf16", "fp16"),
    "fp8": ("fp8", "int8", "mxfp8"),
    "fp4": ("nvfp4", "mxfp4"),
    "int4": ("int4", "awq", "gptq", "int4_g64", "int4_g32"),
}


# --- profiles ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _shipped() -> tuple[Profile, ...]:
    return tuple(yaml.safe_load(each.read_text()) for each in sorted(PROFILES.glob("*.yaml")))


def profile_of(given: Any, accelerator: Accelerator) -> Profile | None:
    """Find what the field ``profile`` of a scenario means on an accelerator; None: the constants of the paper.

    One profile counts for all accelerators; of several each for those that it names. What a scenario leaves out, which
    is None here, is ``auto``.
    """
    if isinstance(given, list | tuple):
        if len(given) == 1:
            return profile_of(given[0], accelerator)
        read = [profile_of(each, accelerator) for each in given]
        return _naming([each for each in read if each is not None], accelerator)
    if given == "paper-constants":
        return None
    if isinstance(given, Mapping):
        return given
    if given in (None, "auto"):
        return _naming(_shipped(), accelerator)
    if str(given).lower().endswith((".yaml", ".yml")):
        read: Profile = yaml.safe_load(Path(given).read_text())
        return read
    return next(each for each in _shipped() if each["name"] == given)


def _naming(every: Sequence[Profile], accelerator: Accelerator) -> Profile | None:
    """First of some profiles that was fitted on an accelerator or is taken for it, or else for what it starts from."""
    for name, field in itertools.product(cards.names(accelerator), ("accelerators", "like")):
        for profile in every:
            if name in profile.get(field, ()):
                return profile
    return None


UNCALIBRATED = 0.3
"""Expected error where no measurements are behind the constants."""


def expected_error(profile: Profile | None, accelerator: Accelerator) -> float:
    """90th percentile with which the profile of an accelerator was cross-validated, if it was fitted on it."""
    if profile is None or not set(cards.measured_names(accelerator)) & set(profile.get("accelerators", ())):
        return UNCALIBRATED
    return float((profile.get("fitted_on") or {}).get("p90_error", UNCALIBRATED))


def error_of(model_error: Any, given: Any, accelerator: Accelerator) -> float:
    """How much too optimistic the limits of a scenario take the model to be, by its field ``profile``."""
    if model_error == "profile":
        return expected_error(profile_of(given, accelerator), accelerator)
    return float(model_error or 0.0)


@dataclass(frozen=True, slots=True)
class FirstToken:
    """What the first token waits for beside its own prompt: seconds, and prompts of others for each sequence."""

    seconds: float = 0.040
    prompts_in_the_way: float = 0.065

    def after_s(self, prompt_s: float, sequences: Array, generation_s: Array) -> Array:
        """Seconds to the first token: the pass of the prompt, which others delay, and that of the token itself.

        ``sequences`` are those of one attention group in a micro-batch.
        """
        return np.asarray(self.seconds + prompt_s * (1 + self.prompts_in_the_way * sequences) + generation_s)


def first_token_of(profile: Profile | None) -> FirstToken:
    """Constants of the time to first token."""
    return FirstToken(**((profile or {}).get("first_token") or {}))


NAMES_OF_SERVERS = {
    "vllm": ("vllm", "dynamo-vllm"),
    "sglang": ("sglang", "dynamo-sglang"),
    "trtllm": ("trt", "dynamo-trt"),
}
"""What profiles call a server, first choice first."""


def launch_factor(profile: Profile | None, engine: str, model: str) -> float:
    """Factor of a server on launches, with that of the model on it."""
    if profile is None or engine not in NAMES_OF_SERVERS:
        return 1.0
    engines, pairs = profile.get("engines") or {}, profile.get("pairs") or {}
    for name in NAMES_OF_SERVERS[engine]:
        if name in engines or name in pairs:
            return float(engines.get(name, 1.0)) * float((pairs.get(name) or {}).get(model, 1.0))
    return 1.0


def kind_of_weights(form: str) -> str:
    """Kind of a weight, by its format."""
    return next(kind for kind, forms in KINDS.items() if form in forms)


def _share(profile: Profile, field: str, form: str) -> float:
    """Share of a kind of weights."""
    return float(profile[field][kind_of_weights(form)])


# --- network ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measured(Wires):
    """Collectives with a profile; ``at_best`` counts bytes alone, at the bandwidth of the best line.

    ``quantised``: tokens are quantised on their way to the experts.
    """

    profile: Profile
    quantised: bool = False
    at_best: bool = False

    def all_reduce_s(self, ranks: float, nodes: float, size_bytes: Array) -> Array:
        """One all-reduce."""
        if ranks <= 1:
            return np.zeros_like(size_bytes)
        return self._quickest_s(all_reduce_lines(self.accelerator, self.profile, ranks, nodes), size_bytes)

    def all_gather_s(self, ranks: float, nodes: float, size_bytes: Array) -> Array:
        """One exchange of experts, where every rank gets the tokens of all groups."""
        return self._exchange_s("all_gather", ranks, nodes, size_bytes)

    def all_to_all_s(self, ranks: float, nodes: float, size_bytes: Array) -> Array:
        """One exchange of experts, where tokens go to the ranks of theirs."""
        return self._exchange_s("all_to_all", ranks, nodes, size_bytes)

    def _exchange_s(self, exchange: str, ranks: float, nodes: float, size_bytes: Array) -> Array:
        if ranks <= 1:
            return np.zeros_like(size_bytes)
        inside = nodes * (ranks / nodes - 1) / (ranks * self.accelerator.intra_node_bytes_per_s)
        between = (nodes - 1) / (ranks * self.accelerator.inter_node_bytes_per_s)
        given = self.profile[exchange]
        per_byte = max(inside, between) / 2 / float(given["bandwidth_share"])
        times = float(self.profile.get("quantised_exchange", 1.0)) if self.quantised else 1.0
        return self._quickest_s([(times * float(given["seconds"]), times * per_byte)], size_bytes)

    def transfer_s(self, size_bytes: Array) -> Array:
        """One transfer between two pipeline stages, by the published protocols."""
        return self._quickest_s(protocol_lines(self.accelerator, 2, 2, all_reduce=False), size_bytes)

    def _quickest_s(self, lines: list[tuple[float, float]], size_bytes: Array) -> Array:
        if self.at_best:
            return np.asarray(min(per_byte for _, per_byte in lines) * size_bytes)
        return quickest_s(lines, size_bytes)


def all_reduce_lines(
    accelerator: Accelerator, profile: Profile, ranks: float, nodes: float
) -> list[tuple[float, float]]:
    """Seconds, and seconds for each byte of the message, of the ways to do an all-reduce of two ranks or more.

    Bytes move at a share of the bandwidth that a kernel or protocol reaches alone.
    """
    share = float(profile.get("all_reduce_share", 1.0))
    return [(seconds, per_byte / share) for seconds, per_byte in _lines_alone(accelerator, profile, ranks, nodes)]


def _lines_alone(accelerator: Accelerator, profile: Profile, ranks: float, nodes: float) -> list[tuple[float, float]]:
    """Lines of an all-reduce where nothing else runs: of the measured kernels, or of the published protocols."""
    kernels = [
        (int(each["ranks"]), float(each["seconds"]), 1 / float(each["bytes_per_s"]))
        for each in profile.get("all_reduce", ())
    ]
    if not kernels:
        return protocol_lines(accelerator, ranks, nodes, all_reduce=True)
    measured = sorted({count for count, _, _ in kernels})
    enough = [count for count in measured if count >= ranks]
    taken = enough[0] if enough and nodes <= 1 else measured[-1]
    lines = sorted((seconds, per_byte) for count, seconds, per_byte in kernels if count == taken)
    if enough and nodes <= 1:
        return lines
    full = ranks if nodes <= 1 else nodes * accelerator.node_size
    protocols = protocol_lines(accelerator, full, nodes, all_reduce=True)
    if accelerator.topology is Topology.TORUS:
        protocols = protocols * 3
    padded = [lines[0]] * (3 - len(lines)) + lines
    return [
        (max(start, at_least), max(per_byte, slowest))
        for (start, per_byte), (at_least, slowest) in zip(sorted(protocols), padded, strict=True)
    ]


# --- a pass -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """What all terms of a pass depend on."""

    model: Model
    accelerator: Accelerator
    setup: Setup
    precision: Precision
    load: Load
    profile: Profile

    @property
    def parts(self) -> dict[str, str]:
        """Format of every part."""
        return recipe(self.model, self.precision.weights, self.accelerator)

    @property
    def pace(self) -> float:
        """How much the fullest stage exceeds an even share of the layers."""
        return deployable.pace(self.model, self.setup)

    @property
    def arriving(self) -> Array | float:
        """Tokens of prompts that arrive for each sequence and pass, e (I - I_0)."""
        return self.load.prompts * (self.load.prompt_tokens - self.load.found)

    @property
    def bandwidth(self) -> float:
        """Bytes a second of the memory of a stage, N beta / P."""
        return self.setup.stage_ranks * self.accelerator.hbm_bytes_per_s

    @property
    def routed(self) -> int:
        """Layers with routed experts."""
        return deployable.routed_layers(self.model)

    @property
    def quantised(self) -> bool:
        """Whether tokens are quantised to 8 bits for the routed experts of this model."""
        eight = kind_of_weights(self.parts["experts"]) == "fp8" and self.accelerator.flops_8bit is not None
        return self.routed > 0 and eight

    def wires(self, *, at_best: bool = False) -> Measured:
        """Collectives of the pass."""
        return Measured(self.accelerator, self.profile, self.quantised, at_best)


def _kernel_s(case: Case, factor: float) -> float:
    """K: seconds of launches."""
    extra, model, accelerator = case.profile["layer_kernels"], case.model, case.accelerator
    kind = kind_of_weights(case.parts["experts"])
    layers = float(model.layers)
    layers += float(extra["experts"]) * case.routed
    layers += float(extra["latent_attention"]) * sum(count for count, each in deployable.kinds(model) if each.latent)
    if case.quantised:
        layers += float(extra["quantised_experts"]) * model.layers
    if kind == "int4" or (kind == "fp4" and accelerator.flops_4bit is None):
        layers += float(extra["weight_only_experts"]) * case.routed
    return float(case.profile["step_s"]) + float(case.profile["layer_s"]) * factor * case.pace * layers


def _read_s(case: Case, part: str, params: float) -> float:
    """Seconds of reading so many weights of a part on the ranks of a stage."""
    form = case.parts[part]
    return params * weight_bytes(form) / (case.bandwidth * _share(case.profile, "linear_share", form))


def _fixed_read_s(case: Case) -> float:
    """R: seconds of reading all weights but routed experts."""
    model, setup, copies = case.model, case.setup, sharers(case.setup)
    attention = sum(layers * kind.params for layers, kind in deployable.kinds(model))
    in_layers = _read_s(case, "attention", setup.sigma * attention)
    for block in model.feed_forward:
        if block.experts == 1 and block.width:
            params = block.layers * (block.up + block.down) * model.width * block.width
            shared = setup.stage_ranks / deployable.block_ranks(block, setup)
            in_layers += _read_s(case, deployable.part_of(block), shared * params)
    in_layers += _read_s(case, "norms", setup.stage_ranks * deployable.read_norm_params(model))
    head = setup.stage_ranks / copies.head * model.vocabulary * model.width
    return case.pace * in_layers + _read_s(case, "head", head)


def _expert_read_s(case: Case, block: FeedForward, micro_batch: Array) -> Array:
    """U X: seconds of reading the experts of a block that are touched."""
    experts = deployable.held_experts(block, case.setup)
    params = block.layers * experts * (block.up + block.down) * case.model.width * block.width
    share = _share(case.profile, "expert_share", case.parts["experts"])
    everything = case.pace * params * deployable.stored_bytes(block, case.parts) / (case.bandwidth * share)
    tokens = case.load.generated if np.any(np.asarray(case.load.generated) > 0) else case.arriving
    touched = 1 - (1 - block.active / experts) ** (tokens * micro_batch)
    return np.asarray(touched * everything)


def _token_s(case: Case, field: str) -> float:
    """Seconds of one token's matrices on one GPU at the shares of the peak in a field."""
    model, parts = case.model, case.parts

    def seconds(part: str, params: float) -> float:
        peak = rate(case.accelerator, parts[part])
        return 2 * params / (peak * _share(case.profile, field, parts[part]))

    in_layers = seconds("attention", sum(layers * kind.params for layers, kind in deployable.kinds(model)))
    for block in model.feed_forward:
        params = block.layers * block.active * (block.up + block.down) * model.width * block.width
        in_layers += seconds(deployable.part_of(block), params)
    ends = model.vocabulary * model.width
    return case.pace * in_layers + seconds("embedding", ends) + seconds("head", ends)


def _attention_s(case: Case) -> Array:
    """A: seconds of one sequence's attention, where the generated tokens attend to the cache."""
    load, setup, profile = case.load, case.setup, case.profile
    word_bytes, everything = case.precision.word_bytes, Kind()
    reads = flop = 0.0
    for layers, kind in deployable.kinds(case.model):
        reads += layers * deployable.read_bytes(kind, setup, word_bytes, load)
        flop += layers * kind.mean_attended(load.first, load.last) * kind.flop
        flop += layers * everything.mean_attended(load.first, load.last) * kind.index_flop
        flop += layers * kind.state_flop
    moving = reads / (case.accelerator.hbm_bytes_per_s * float(profile["cache_share"]))
    computing = load.generated * flop / (case.accelerator.flops_16bit * float(profile["attention_share"]))
    return np.asarray(case.pace * np.maximum(moving, computing) / setup.gpus)


def _prompt_s(case: Case) -> Array:
    """C: seconds of the prompts that arrive for one sequence."""
    load, setup, everything = case.load, case.setup, Kind()
    pairs = 0.0
    for layers, kind in deployable.kinds(case.model):
        own = kind.prompt_flop * kind.attended(load.found, load.prompt_tokens)
        own += kind.index_flop * everything.attended(load.found, load.prompt_tokens)
        own += kind.state_flop * (load.prompt_tokens - load.found)
        pairs += layers * own
    seconds = case.arriving * _token_s(case, "prefill_share")
    rate_16 = case.accelerator.flops_16bit * float(case.profile["prefill_attention_share"])
    seconds += case.pace * load.prompts * pairs / rate_16
    x = np.asarray(case.arriving / setup.pipeline)
    moved = deployable.network_s(case.model, case.wires(at_best=True), setup, x)
    return np.asarray(seconds / setup.gpus + sum(moved.values()))


def evaluate(
    model: Model,
    accelerator: Accelerator,
    setup: Setup,
    precision: str | Precision,
    batch: Array,
    load: Load,
    profile: Profile | None,
    factor: float = 1.0,
) -> Components:
    """Time one pass of one micro-batch; ``factor`` is that of a server on launches, where one is asked for."""
    if profile is None:
        return deployable.evaluate(model, accelerator, setup, precision, batch, load)
    case = Case(model, accelerator, setup, precise(precision), load, profile)
    micro_batch = batch / setup.pipeline
    x = np.asarray(micro_batch * load.generated)
    memory = np.full_like(x, _fixed_read_s(case))
    for block in model.feed_forward:
        if block.experts > 1:
            memory = memory + _expert_read_s(case, block, micro_batch)
    return Components(
        kernel_s=np.full_like(x, _kernel_s(case, factor)),
        **deployable.network_s(model, case.wires(), setup, x),
        memory_s=memory,
        arithmetic_s=np.asarray(load.generated * batch * _token_s(case, "decode_share") / setup.gpus),
        attention_s=np.asarray(_attention_s(case) * batch),
        prompt_s=np.asarray(_prompt_s(case) * batch),
    )
