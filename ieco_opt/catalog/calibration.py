"""Calibration profiles: constants of the performance model that were fitted to measurements of one generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

KERNEL_CLASSES = ("bf16", "fp8", "fp4", "int4")
"""Kinds of kernels by the weights that they take: 16 bits, 8 bits, 4-bit floats, 4-bit integers (weight-only)."""

_CLASS_OF_FORMAT = {
    "bf16": "bf16",
    "fp16": "bf16",
    "fp8": "fp8",
    "int8": "fp8",
    "mxfp8": "fp8",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
}

EXCHANGE_KINDS = ("all_gather", "all_to_all")
"""Exchanges of experts that move tokens before the experts and results after them."""


def kernel_class(weight_format: str) -> int:
    """Number of the kind of kernels that take weights in a format, in the order of ``KERNEL_CLASSES``."""
    return KERNEL_CLASSES.index(_CLASS_OF_FORMAT.get(weight_format, "int4"))


@dataclass(frozen=True, slots=True)
class ByWeights:
    """A share of a peak for each kind of kernels of ``KERNEL_CLASSES``."""

    bf16: float
    fp8: float
    fp4: float
    int4: float

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter([getattr(self, item.name) for item in fields(self)])


@dataclass(frozen=True, slots=True)
class LayerKernels:
    """Launch time of kernels that only some layers have, as a share of that of a plain layer.

    Attributes
    ----------
    experts
        Routing: layers with routed experts.
    latent_attention
        Layers with latent attention.
    quantised_experts
        Dynamic quantisation: every layer of a model whose routed experts are in 8 bits.
    weight_only_experts
        Layers with routed experts in 4 bits which compute in 16.
    """

    experts: float
    latent_attention: float
    quantised_experts: float
    weight_only_experts: float


@dataclass(frozen=True, slots=True)
class AllReduceLine:
    """An all-reduce kernel: seconds that it takes at least, and bytes of the message that it moves in a second."""

    seconds: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange of experts: seconds of one, and the share of the link bandwidth that it moves tokens at."""

    seconds: float
    bandwidth_share: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Constants of one generation of accelerators (docs/performance-model.md, calibrated).

    Attributes
    ----------
    step_s, layer_s
        Seconds of a pass and of a plain layer that are spent whatever the batch.
    engines
        Factors on ``layer_s`` by the name that measurements call a server.
    linear_share, expert_share, cache_share
        Shares of the peak memory bandwidth at which weights outside and in routed experts and the cache are read.
    decode_share, attention_share, prefill_share, prefill_attention_share
        Shares of the peak arithmetic of weights and of attention (of its 16-bit rate) of generated tokens and prompts.
    all_reduce
        Kernels by the number of ranks in one node; the quickest counts. Empty: the published protocols.
    error
        Median and 90th percentile of the relative error of a time per output token, by cross-validation.
    """

    name: str
    accelerators: tuple[str, ...]
    step_s: float
    layer_s: float
    layer_kernels: LayerKernels
    linear_share: ByWeights
    expert_share: ByWeights
    cache_share: float
    decode_share: ByWeights
    attention_share: float
    prefill_share: ByWeights
    prefill_attention_share: float
    all_reduce: Mapping[int, tuple[AllReduceLine, ...]]
    all_gather: Exchange
    all_to_all: Exchange
    engines: Mapping[str, float] = field(default_factory=dict)
    error: tuple[float, float] = (0.3, 0.5)
