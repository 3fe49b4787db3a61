"""What a mapping (from YAML, JSON or Python) must hold to describe a model or an accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ieco_opt.catalog.precision import FORMATS, PARTS, REST, parts_left_out
from ieco_opt.catalog.schema_attention import AttentionBlockInput, AttentionInput
from ieco_opt.catalog.schema_fields import (
    Arithmetic,
    Bandwidth,
    Count,
    CountOrZero,
    Delay,
    Effectiveness,
    EnergyRate,
    LowerCaseName,
    Name,
    Positive,
    Price,
    Rate,
    Share,
    Strict,
    WithSources,
    fault,
)
from ieco_opt.catalog.types import FeedForward, Topology
from ieco_opt.documents.origin import found

MOST_BLOCKS = 64
"""Rows that a model may have, of attention and of feed-forward blocks each."""


class SitePowerInput(Strict):
    """Energy where accelerators stand."""

    usd_per_kwh: EnergyRate | None = None
    """Price of energy, $ per kWh; null: cost is that of the accelerators alone."""
    pue: Effectiveness = 1.0
    """Power usage effectiveness: power of the site over that of its boards."""
    kg_co2_per_kwh: EnergyRate | None = None
    """Carbon dioxide of the energy, kg per kWh; null where unknown."""


class AcceleratorInput(WithSources):
    """An accelerator, per device, in SI units."""

    name: Name
    """What to call it."""
    flops_16bit: Arithmetic
    """Dense peak of 16-bit arithmetic, FLOP/s."""
    flops_8bit: Arithmetic | None = None
    """Dense peak of 8-bit floating-point arithmetic, FLOP/s; null where there is none."""
    flops_4bit: Arithmetic | None = None
    """Dense peak of 4-bit floating-point arithmetic, FLOP/s; null where there is none."""
    hbm_bytes_per_s: Bandwidth
    """Memory bandwidth, bytes/s."""
    hbm_bytes: Positive
    """Memory that a process may use, bytes: the `total_memory` of torch, less than the marketed figure."""
    intra_node_bytes_per_s: Rate
    """All-reduce bandwidth inside a node (half of the unidirectional one), bytes/s; may be inf."""
    inter_node_bytes_per_s: Bandwidth
    """All-reduce bandwidth between nodes (half of the unidirectional one), bytes/s."""
    node_size: Count
    """Devices of one scale-up domain, or of one host of PCIe cards."""
    usd_per_gpu_hour: Price | None = None
    """Price, $ per device and hour; null where unknown."""
    kernel_launch_s: Delay
    """Latency of a kernel launch, seconds."""
    arithmetic_cap: Share
    """Share of the peak arithmetic that is reached at best."""
    memory_cap: Share
    """Share of the memory bandwidth that is reached at best."""
    topology: Literal["switched", "torus"] = Topology.SWITCHED.value
    """How devices are wired."""
    power_w: Positive | None = None
    """Board power, watts; null where unknown."""
    idle_power_w: Positive | None = None
    """Power of a device that does nothing, watts; null where unknown."""
    vendor: LowerCaseName | None = None
    """Who makes it, such as nvidia or amd; null where unknown."""
    generation: LowerCaseName | None = None
    """Generation of its arithmetic, such as hopper, by which servers choose kernels; null: known by its name alone."""
    power: SitePowerInput | None = None
    """What energy costs where it stands: `usd_per_kwh`, `pue`, `kg_co2_per_kwh`; null: energy is not priced."""

    @field_validator("idle_power_w")
    @classmethod
    def _within_power(cls, idle: float | None, info: ValidationInfo) -> float | None:
        power = info.data.get("power_w")
        if idle is not None and power is not None and idle > power:
            raise fault(f"found {idle:g}, expected at most power_w ({power:g})")
        return idle


class FeedForwardInput(Strict):
    """Feed-forward blocks that some layers share."""

    layers: Count
    """Layers that have this block."""
    width: CountOrZero
    """Width, of one expert where there are several; 0: these layers have no feed-forward block."""
    up: Count = 2
    """Matrices going up."""
    down: Count = 1
    """Matrices going down."""
    experts: Count = 1
    """Routed experts; 1 for a dense block."""
    active: Count = 1
    """Experts that one token passes through."""
    shared: bool = False
    """Whether it is a shared expert, beside the routed ones of the same layers."""

    @field_validator("active")
    @classmethod
    def _within_experts(cls, active: int, info: ValidationInfo) -> int:
        experts = info.data.get("experts")
        if experts is not None and active > experts:
            raise fault(f"found {active}, expected at most experts ({experts})")
        return active

    @field_validator("shared")
    @classmethod
    def _one_shared_expert(cls, shared: bool, info: ValidationInfo) -> bool:
        experts = info.data.get("experts")
        if shared and experts is not None and experts > 1:
            raise fault(
                f"found true beside experts = {experts}, expected one shared block whose width is the total "
                "of all shared experts"
            )
        return shared

    def build(self) -> FeedForward:
        """Make the catalog's type of it."""
        return FeedForward(**self.model_dump())


def _named_among(names: Iterable[str]) -> AfterValidator:
    known = tuple(names)

    def check(value: str) -> str:
        if value not in known:
            raise fault(f"found {found(value)}, expected one of {', '.join(known)}")
        return value

    return AfterValidator(check)


Precision = Annotated[str, _named_among(FORMATS), Field(json_schema_extra={"enum": list(FORMATS)})]
PartOrRest = Annotated[str, _named_among((*PARTS, REST))]


class ModelInput(WithSources):
    """A model of the real collection."""

    name: Name
    """What to call it."""
    layers: Count
    """Number of layers."""
    width: Count
    """Width of the residual stream."""
    vocabulary: Count
    """Tokens of the vocabulary."""
    tied_embeddings: bool
    """Whether input and output embeddings are the same matrix."""
    attention: AttentionInput | None = None
    """Attention of every layer, where all are alike."""
    blocks: Annotated[tuple[AttentionBlockInput, ...] | None, Field(strict=False, validate_default=True)] = None
    """Layers by their attention, where they are not all alike."""
    feed_forward: Annotated[tuple[FeedForwardInput, ...], Field(strict=False)]
    """Feed-forward blocks: dense layers, routed experts and shared experts each apart."""
    activation_bytes: Positive = 2.0
    """Bytes of an activation."""
    max_context_tokens: Count | None = None
    """Tokens of a prompt and its answer that the model was made for; null where unknown."""
    recipes: dict[Precision, dict[PartOrRest, Precision]] = Field(default={})
    """Formats by part of the precisions in which its checkpoints are not the usual ones."""
    published: Annotated[tuple[Precision, ...], Field(strict=False)] = ()
    """Precisions that there are checkpoints of; left out: any."""
    checkpoint: Precision | None = None
    """Precision that is taken where a scenario names none."""
    hf_architecture: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")] | None = None
    """Class by which servers know the model, as in its config.json; null where unknown."""
    fp8_block: Annotated[int, Field(ge=0, le=4096)] = 0
    """Width of the blocks that share a scale in its FP8 checkpoints; 0: a scale for each channel or tensor."""
    mtp_layers: Annotated[int, Field(ge=0, le=100)] = 0
    """Layers of its checkpoints that predict several tokens; 0: none is known."""
    notes: str = ""
    """Anything a reader should know."""

    @field_validator("blocks")
    @classmethod
    def _cover_attention(
        cls, blocks: tuple[AttentionBlockInput, ...] | None, info: ValidationInfo
    ) -> tuple[AttentionBlockInput, ...] | None:
        if "attention" not in info.data:
            return blocks
        layers, attention = info.data.get("layers"), info.data["attention"]
        if (blocks is None) == (attention is None):
            given = "neither attention nor blocks" if blocks is None else "both attention and blocks"
            raise fault(f"found {given}, expected one of them")
        if blocks is None:
            return None
        if not 1 <= len(blocks) <= MOST_BLOCKS:
            raise fault(f"found {len(blocks)} blocks, expected 1 to {MOST_BLOCKS}")
        covered = sum(block.layers for block in blocks)
        if layers is not None and covered != layers:
            raise fault(f"found blocks of {covered} layers, expected {layers} layers")
        if all(block.attention.kind == "none" for block in blocks):
            raise fault("found no attention in any layer, expected one kind of it at least")
        return blocks

    @field_validator("recipes")
    @classmethod
    def _complete(cls, recipes: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name, parts in recipes.items():
            missing = parts_left_out(parts)
            if missing:
                raise fault(f"found no format of {', '.join(missing)} in {name}, expected one, or {REST}")
        return recipes

    @field_validator("feed_forward")
    @classmethod
    def _cover_layers(cls, blocks: tuple[FeedForwardInput, ...], info: ValidationInfo) -> tuple[FeedForwardInput, ...]:
        if len(blocks) > MOST_BLOCKS:
            raise fault(f"found {len(blocks)} blocks, expected at most {MOST_BLOCKS}")
        covered = sum(block.layers for block in blocks if not block.shared)
        layers = info.data.get("layers")
        if layers is not None and covered != layers:
            raise fault(f"found blocks of {covered} layers (shared ones aside), expected {layers} layers")
        kinds = sum(block.experts > 1 for block in blocks)
        if kinds > 1:
            # The expert degree must divide one number of experts, and the heaviest layer must be one kind.
            raise fault(f"found {kinds} blocks of routed experts, expected at most one")
        routed = sum(block.layers for block in blocks if block.experts > 1)
        shared = max((block.layers for block in blocks if block.shared), default=0)
        if shared > routed:
            raise fault(f"found a shared block of {shared} layers, expected at most {routed}, as routed ones")
        return blocks


class PaperModelInput(WithSources):
    """A model with the constants of arXiv 2506.04645."""

    name: Name
    """What to call it, precision included."""
    layers: Count
    """Number of layers."""
    width: Count
    """Width of the residual stream."""
    feed_forward_width: Count
    """Feed-forward width, of one expert where there are several."""
    up: Count
    """Matrices going up."""
    down: Count
    """Matrices going down."""
    experts: Count
    """Experts; 1 for a dense model."""
    active_experts: Count
    """Experts that one token passes through."""
    query_heads: Count
    """Query heads."""
    query_heads_per_kv_head: Count
    """Query heads that share one KV head."""
    head_width: Count
    """Width of a head."""
    vocabulary: CountOrZero
    """Tokens of the vocabulary; 0 leaves embeddings out."""
    weight_bytes: Positive
    """Bytes of a weight."""
    activation_bytes: Positive
    """Bytes of an activation and of a cache entry."""
    mla_kv_width: Count | None = None
    """Width of compressed keys and values; null without latent attention."""
    mla_query_width: Annotated[Count | None, Field(validate_default=True)] = None
    """Width of compressed queries; null without latent attention."""
    parallel_attention: bool = False
    """Whether attention and feed-forward run side by side."""

    @field_validator("active_experts")
    @classmethod
    def _within_experts(cls, active: int, info: ValidationInfo) -> int:
        experts = info.data.get("experts")
        if experts is not None and active > experts:
            raise fault(f"found {active}, expected at most experts ({experts})")
        return active

    @field_validator("query_heads_per_kv_head")
    @classmethod
    def _divide_heads(cls, per_kv_head: int, info: ValidationInfo) -> int:
        query_heads = info.data.get("query_heads")
        if query_heads is not None and query_heads % per_kv_head:
            raise fault(f"found {per_kv_head}, expected a divisor of query_heads ({query_heads})")
        return per_kv_head

    @field_validator("mla_query_width")
    @classmethod
    def _both_or_neither(cls, query_width: int | None, info: ValidationInfo) -> int | None:
        if "mla_kv_width" in info.data and (query_width is None) != (info.data["mla_kv_width"] is None):
            raise fault("found only one of mla_kv_width and mla_query_width, expected both or neither")
        return query_width
