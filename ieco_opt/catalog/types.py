"""What the catalog holds: accelerators, models of the real collection and models of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, get_args

from ieco_opt.catalog.attention import AttentionBlock

if TYPE_CHECKING:
    from ieco_opt.catalog.calibration import Calibration


class Fidelity(StrEnum):
    """Which reading of the performance model is meant; each has its own collection of models."""

    DEPLOYABLE = "deployable"
    PAPER = "paper"


class Topology(StrEnum):
    """How accelerators are wired, which decides the cost of a collective."""

    SWITCHED = "switched"
    TORUS = "torus"


@dataclass(frozen=True, slots=True)
class SitePower:
    """What energy costs where accelerators stand, and the carbon dioxide of it; ``None`` where it is not said.

    ``pue`` is the power of the whole site over that of its boards.
    """

    usd_per_kwh: float | None = None
    pue: float = 1.0
    kg_co2_per_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One kind of GPU or TPU, per device.

    Bandwidths of the two networks are all-reduce bandwidths (half of the unidirectional link bandwidth).
    ``flops_8bit`` and ``flops_4bit`` are ``None`` where the hardware has no arithmetic of that width.
    ``hbm_bytes`` is what CUDA, HIP or the like gives a process (the ``total_memory`` of torch).
    ``calibration`` is the profile that it is priced with; ``None``: the published constants. ``like`` is the entry that
    a user's description starts from, and ``like_hardware`` whether it has that entry's hardware.
    ``power`` says what energy costs where it stands; ``None`` where a scenario does not.
    ``usd_per_gpu_hour``, ``power_w`` and ``idle_power_w`` are ``None`` where no figure is known, ``vendor`` and
    ``generation``, by which servers choose kernels, where a user did not say it.
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
    generation: str | None = None
    power: SitePower | None = None
    calibration: Calibration | None = field(default=None, hash=False)
    like: str | None = field(default=None, compare=False)
    like_hardware: bool = field(default=False, compare=False)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A feed-forward block that ``layers`` layers of a model share.

    ``up`` and ``down`` count matrices going up and down: (2, 1) for gated blocks, (1, 1) for plain ones.
    A dense layer and a shared expert have ``experts = active = 1``; ``shared`` marks the latter, which sits in
    the same layers as the routed experts. A ``width`` of 0 stands for layers that have no feed-forward block.
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

    Attributes
    ----------
    blocks
        Layers by their attention; the numbers of layers add up to ``layers``.
    feed_forward
        Layers by their feed-forward block: dense layers, routed experts and shared experts each apart.
    max_context_tokens
        Tokens of a prompt and its answer that the model was made for; ``None`` where unknown.
    recipes
        Formats by part of the precisions in which its checkpoints are not the usual ones, by name.
    published
        Precisions that there are checkpoints of; empty: any.
    checkpoint
        Precision of the checkpoint that the entry names, taken where a scenario names none.
    hf_architecture
        Class by which servers know the model, as in its ``config.json``; ``None`` where unknown.
    fp8_block
        Width of the blocks that share a scale in its FP8 checkpoints; 0 for a scale for each channel or tensor.
    mtp_layers
        Layers of its checkpoints that predict several tokens; 0 where none is known.
    """

    name: str
    layers: int
    width: int
    vocabulary: int
    tied_embeddings: bool
    blocks: tuple[AttentionBlock, ...]
    feed_forward: tuple[FeedForward, ...]
    activation_bytes: float = 2.0
    max_context_tokens: int | None = None
    recipes: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    published: tuple[str, ...] = ()
    checkpoint: str | None = None
    hf_architecture: str | None = None
    fp8_block: int = 0
    mtp_layers: int = 0
    notes: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


DraftMode = Literal["draft_model", "mtp", "eagle3"]
"""What proposes tokens: a model of its own, a multi-token-prediction layer of the model, or an EAGLE-3 head for it."""

DRAFT_MODES: tuple[DraftMode, ...] = get_args(DraftMode)


@dataclass(frozen=True, slots=True)
class Head(Model):
    """A draft of one layer that sits on a model, as a model with the rows of its own output for a vocabulary.

    Attributes
    ----------
    mode
        ``mtp`` or ``eagle3``.
    joining_params
        Weights that every rank holds whole and every pass of the head reads: they join embedding and state.
    fusing_params
        The same, but read once a round, by the pass of the model that verifies: they join states of several layers.
    borrowed
        Parts that are the model's own and take no memory.
    """

    mode: DraftMode = "mtp"
    joining_params: int = 0
    fusing_params: int = 0
    borrowed: tuple[str, ...] = ()


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
