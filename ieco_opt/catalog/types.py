"""What the catalog holds: accelerators, models of the real collection and models of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Fidelity(StrEnum):
    """Which reading of the performance model is meant; each has its own collection of models."""

    DEPLOYABLE = "deployable"
    PAPER = "paper"


class Topology(StrEnum):
    """How accelerators are wired, which decides the cost of a collective."""

    SWITCHED = "switched"
    TORUS = "torus"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One kind of GPU or TPU, per device.

    Bandwidths of the two networks are all-reduce bandwidths (half of the unidirectional link bandwidth).
    ``flops_8bit`` and ``flops_4bit`` are ``None`` where the hardware has no arithmetic of that width.
    ``hbm_bytes`` is what CUDA, HIP or the like gives a process (the ``total_memory`` of torch).
    ``usd_per_gpu_hour``, ``power_w`` and ``idle_power_w`` are ``None`` where no figure is known, ``vendor`` where
    a user did not say it.
    """

    name: str
    flops_16bit: float
    flops_8bit: float | None
    flops_4bit: float | None
    hbm_bytes_per_s: float
    hbm_bytes: float
    intra_node_bytes_per_s: float
    inter_node_bytes_per_s: float
    node_size: int
    usd_per_gpu_hour: float | None
    kernel_launch_s: float
    arithmetic_cap: float
    memory_cap: float
    topology: Topology = Topology.SWITCHED
    power_w: float | None = None
    idle_power_w: float | None = None
    vendor: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class GroupedQueryAttention:
    """Multi-head, grouped-query or multi-query attention of one layer."""

    query_heads: int
    kv_heads: int
    head_width: int


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (MLA) of one layer; ``query_width`` is ``None`` without query compression."""

    query_heads: int
    kv_width: int
    query_width: int | None
    nope_head_width: int
    rope_head_width: int
    value_head_width: int


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A feed-forward block that ``layers`` layers of a model share.

    ``up`` and ``down`` count matrices going up and down: (2, 1) for gated blocks, (1, 1) for plain ones.
    A dense layer and a shared expert have ``experts = active = 1``; ``shared`` marks the latter, which sits in
    the same layers as the routed experts.
    """

    layers: int
    width: int
    up: int = 2
    down: int = 1
    experts: int = 1
    active: int = 1
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the real collection, whose weight precision is chosen by the scenario.

    ``feed_forward`` lists its blocks: dense layers, routed experts and shared experts each apart.
    """

    name: str
    layers: int
    width: int
    vocabulary: int
    tied_embeddings: bool
    attention: GroupedQueryAttention | LatentAttention
    feed_forward: tuple[FeedForward, ...]
    activation_bytes: float = 2.0
    notes: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class PaperModel:
    """A model with the constants of arXiv 2506.04645, used by fidelity ``paper`` only."""

    name: str
    layers: int
    width: int
    feed_forward_width: int
    up: int
    down: int
    experts: int
    active_experts: int
    query_heads: int
    query_heads_per_kv_head: int
    head_width: int
    vocabulary: int
    weight_bytes: float
    activation_bytes: float
    mla_kv_width: int | None
    mla_query_width: int | None
    parallel_attention: bool
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


WEIGHT_BYTES: Mapping[str, float] = MappingProxyType(
    {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5, "int4": 0.5}
)
"""Bytes of one weight for each precision a scenario may name."""

WEIGHT_ONLY = frozenset({"int4"})
"""Precisions that are always expanded to 16 bits before the arithmetic."""
