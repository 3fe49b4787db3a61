"""What a mapping (from YAML, JSON or Python) must hold to describe a model or an accelerator."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ieco_opt.catalog.types import FeedForward, GroupedQueryAttention, LatentAttention, Topology
from ieco_opt.documents.origin import found, shortened

_EXPONENT = re.compile(r"\d+(\.\d*)?[eE][+-]?\d+")

# Far beyond any hardware, and small enough that no product of three of them leaves the range of a float.
_LARGEST_COUNT = 10**9
_LARGEST_NUMBER = 1e30
_MOST_BLOCKS = 64


def _read_exponent(value: object) -> object:
    """Read `1e12` as the number it is meant to be: readers of YAML 1.1 want a dot and a sign, and give text."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value.strip()):
        return float(value)
    return value


def _read_infinity(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in {"inf", ".inf"}:
        return float("inf")
    return _read_exponent(value)


def _fault(message: str) -> PydanticCustomError:
    # Braces of the message would be taken for a template.
    return PydanticCustomError("ieco_opt", "{text}", {"text": message})


def _below_infinity(value: float) -> float:
    if _LARGEST_NUMBER < value < float("inf"):
        raise _fault(f"found {value}, expected at most {_LARGEST_NUMBER:g}, or inf")
    return value


Count = Annotated[int, Field(gt=0, le=_LARGEST_COUNT)]
CountOrZero = Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]
Positive = Annotated[float, BeforeValidator(_read_exponent), Field(gt=0, le=_LARGEST_NUMBER)]
# Bounds far beyond any hardware, within which times and costs stay numbers that a solver can tell apart.
Arithmetic = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e9, le=_LARGEST_NUMBER)]
Bandwidth = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e6, le=_LARGEST_NUMBER)]
Price = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e-6, le=1e6)]
Delay = Annotated[float, BeforeValidator(_read_exponent), Field(ge=0, le=10)]
Share = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e-3, le=1)]
Rate = Annotated[
    float, AllowInfNan(True), Field(ge=1e6), AfterValidator(_below_infinity), BeforeValidator(_read_infinity)
]


def _lower_case(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _on_one_line(value: str) -> str:
    if not value.isprintable():
        raise _fault(f"found {found(value)}, expected printable characters on one line")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_on_one_line)]

Vendor = Annotated[Name, BeforeValidator(_lower_case)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class _WithSources(_Strict):
    sources: dict[str, str] = {}
    """Where values come from, by field."""

    @field_validator("sources")
    @classmethod
    def _name_fields(cls, sources: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(sources) - set(cls.model_fields))
        if unknown:
            raise _fault(f"found {shortened(unknown)}, expected names of fields")
        return sources


class AcceleratorInput(_WithSources):
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
    vendor: Vendor | None = None
    """Who makes it, such as nvidia or amd; null where unknown."""

    @field_validator("idle_power_w")
    @classmethod
    def _within_power(cls, idle: float | None, info: ValidationInfo) -> float | None:
        power = info.data.get("power_w")
        if idle is not None and power is not None and idle > power:
            raise _fault(f"found {idle:g}, expected at most power_w ({power:g})")
        return idle


class GroupedQueryInput(_Strict):
    """Multi-head, grouped-query or multi-query attention."""

    kind: Literal["grouped_query"]
    """Which attention it is."""
    query_heads: Count
    """Query heads."""
    kv_heads: Count
    """KV heads, keys and values not counted apart."""
    head_width: Count
    """Width of a head."""

    @field_validator("kv_heads")
    @classmethod
    def _divide_heads(cls, kv_heads: int, info: ValidationInfo) -> int:
        query_heads = info.data.get("query_heads")
        if query_heads is not None and query_heads % kv_heads:
            raise _fault(f"found {kv_heads}, expected a divisor of query_heads ({query_heads})")
        return kv_heads

    def build(self) -> GroupedQueryAttention:
        """Make the catalog's type of it."""
        return GroupedQueryAttention(self.query_heads, self.kv_heads, self.head_width)


class LatentInput(_Strict):
    """Multi-head latent attention (MLA)."""

    kind: Literal["latent"]
    """Which attention it is."""
    query_heads: Count
    """Query heads."""
    kv_width: Count
    """Width of the compressed keys and values."""
    query_width: Count | None = None
    """Width of the compressed queries; null without query compression."""
    nope_head_width: Count
    """Width of a head without rotary position."""
    rope_head_width: Count
    """Width of a head with rotary position."""
    value_head_width: Count
    """Width of a head's values."""

    def build(self) -> LatentAttention:
        """Make the catalog's type of it."""
        return LatentAttention(**self.model_dump(exclude={"kind"}))


class FeedForwardInput(_Strict):
    """Feed-forward blocks that some layers share."""

    layers: Count
    """Layers that have this block."""
    width: Count
    """Width, of one expert where there are several."""
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
            raise _fault(f"found {active}, expected at most experts ({experts})")
        return active

    @field_validator("shared")
    @classmethod
    def _one_shared_expert(cls, shared: bool, info: ValidationInfo) -> bool:
        experts = info.data.get("experts")
        if shared and experts is not None and experts > 1:
            raise _fault(
                f"found true beside experts = {experts}, expected one shared block whose width is the total "
                "of all shared experts"
            )
        return shared

    def build(self) -> FeedForward:
        """Make the catalog's type of it."""
        return FeedForward(**self.model_dump())


class ModelInput(_WithSources):
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
    attention: Annotated[GroupedQueryInput | LatentInput, Discriminator("kind")]
    """Attention of every layer."""
    feed_forward: Annotated[tuple[FeedForwardInput, ...], Field(strict=False)]
    """Feed-forward blocks: dense layers, routed experts and shared experts each apart."""
    activation_bytes: Positive = 2.0
    """Bytes of an activation and of a cache entry."""
    notes: str = ""
    """Anything a reader should know."""

    @field_validator("feed_forward")
    @classmethod
    def _cover_layers(cls, blocks: tuple[FeedForwardInput, ...], info: ValidationInfo) -> tuple[FeedForwardInput, ...]:
        if len(blocks) > _MOST_BLOCKS:
            raise _fault(f"found {len(blocks)} blocks, expected at most {_MOST_BLOCKS}")
        covered = sum(block.layers for block in blocks if not block.shared)
        layers = info.data.get("layers")
        if layers is not None and covered != layers:
            raise _fault(f"found blocks of {covered} layers (shared ones aside), expected {layers} layers")
        kinds = sum(block.experts > 1 for block in blocks)
        if kinds > 1:
            # The expert degree must divide one number of experts, and the heaviest layer must be one kind.
            raise _fault(f"found {kinds} blocks of routed experts, expected at most one")
        routed = sum(block.layers for block in blocks if block.experts > 1)
        shared = max((block.layers for block in blocks if block.shared), default=0)
        if shared > routed:
            raise _fault(f"found a shared block of {shared} layers, expected at most {routed}, as routed ones")
        return blocks


class PaperModelInput(_WithSources):
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
            raise _fault(f"found {active}, expected at most experts ({experts})")
        return active

    @field_validator("query_heads_per_kv_head")
    @classmethod
    def _divide_heads(cls, per_kv_head: int, info: ValidationInfo) -> int:
        query_heads = info.data.get("query_heads")
        if query_heads is not None and query_heads % per_kv_head:
            raise _fault(f"found {per_kv_head}, expected a divisor of query_heads ({query_heads})")
        return per_kv_head

    @field_validator("mla_query_width")
    @classmethod
    def _both_or_neither(cls, query_width: int | None, info: ValidationInfo) -> int | None:
        if "mla_kv_width" in info.data and (query_width is None) != (info.data["mla_kv_width"] is None):
            raise _fault("found only one of mla_kv_width and mla_query_width, expected both or neither")
        return query_width
