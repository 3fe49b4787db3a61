"""Calibration profiles: constants of the performance model that were fitted to measurements of one generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise
from typing import Annotated

from pydantic import Field, field_validator

from ieco_opt.catalog.schema_fields import Bandwidth, Count, Delay, Name, Positive, Share, Strict, WithSources, fault

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

MOST_KERNELS = 3
"""Most kernels of one number of ranks."""

_MEASURED_AS = {"trtllm": "trt"}
"""What measurements call servers that scenarios call otherwise."""

Factor = Annotated[float, Field(ge=0.1, le=10)]


def kernel_class(weight_format: str) -> int:
    """Number of the kind of kernels that take weights in a format, in the order of ``KERNEL_CLASSES``."""
    return KERNEL_CLASSES.index(_CLASS_OF_FORMAT.get(weight_format, "int4"))


class ByWeights(Strict):
    """A share of a peak for each kind of kernels of ``KERNEL_CLASSES``."""

    bf16: Share
    """Weights in 16 bits."""
    fp8: Share
    """Weights in 8 bits."""
    fp4: Share
    """4-bit floats, with their scales."""
    int4: Share
    """4-bit integers, which compute in 16 bits."""

    @property
    def values(self) -> list[float]:
        """The shares in the order of ``KERNEL_CLASSES``."""
        return [self.bf16, self.fp8, self.fp4, self.int4]


class LayerKernels(Strict):
    """Launch time of kernels that only some layers have, as a share of that of a plain layer."""

    experts: Delay
    """Routing, in layers with routed experts."""
    latent_attention: Delay
    """Projections of latent attention, in layers that have it."""
    quantised_experts: Delay
    """Dynamic quantisation, in every layer of a model whose routed experts compute in 8 bits."""
    weight_only_experts: Delay
    """Unpacking, in layers whose routed experts are in 4 bits and compute in 16."""

    @property
    def values(self) -> list[float]:
        """The shares in the order of the fields."""
        return [self.experts, self.latent_attention, self.quantised_experts, self.weight_only_experts]


class AllReduceKernel(Strict):
    """One kernel of an all-reduce: seconds + bytes of the message / bytes_per_s."""

    ranks: Annotated[int, Field(ge=2, le=1024)]
    """Ranks of one node that take part."""
    seconds: Delay
    """What it takes at least."""
    bytes_per_s: Bandwidth
    """Bytes of the message that it moves in a second."""


class Exchange(Strict):
    """An exchange of experts; a layer has two."""

    seconds: Delay
    """What one takes at least."""
    bandwidth_share: Share
    """Share of the link bandwidth that tokens move at."""


class FirstToken(Strict):
    """What the first token of a colocated request waits for beside its own prompt (docs/fleet.md)."""

    seconds: Delay = 0.040
    """Seconds whatever the prompt: the server's front end, and scheduling."""
    prompts_in_the_way: Delay = 0.065
    """Prompts of others that are in the way, for each sequence in flight of an attention group and micro-batch."""


class BusyPower(Strict):
    """Power of a GPU, as shares of its board power: idle, plus busy x the share of a pass in which it works."""

    idle: Share = 0.26
    """Share that is drawn whatever the GPU does."""
    busy: Share = 0.65
    """Share that is drawn beside it while memory or arithmetic work."""


class Power(BusyPower):
    """Power of a GPU, with what was fitted for single accelerators."""

    accelerators: dict[Name, BusyPower] = Field(default={})
    """Fitted for one accelerator; the others take the shares above."""

    def of(self, accelerator: str) -> BusyPower:
        """Shares of an accelerator by its name."""
        return self.accelerators.get(accelerator, self)


class Measured(Strict):
    """How far the model is off on the measured rows of one model on one accelerator."""

    model: Name
    accelerator: Name
    rows: Count
    median_error: Positive
    """Median of the absolute relative error of a time per output token, cross-validated by configuration."""
    p90_error: Positive
    """Its 90th percentile."""


class FittedOn(Strict):
    """The measurements behind a profile, which are also the range in which it was validated."""

    source: str
    """Where they come from."""
    rows: Count
    """Measured rows of these accelerators."""
    configurations: Count
    """Configurations of models, servers and degrees among them."""
    median_error: Positive
    """Median of the absolute relative error of a time per output token, cross-validated by configuration."""
    p90_error: Positive
    """Its 90th percentile."""
    models: tuple[Name, ...]
    """Models that were measured."""
    weights: tuple[Name, ...]
    """Precisions of weights that were measured."""
    gpus: tuple[Count, Count]
    """Fewest and most GPUs of an instance."""
    batch_per_gpu: tuple[Positive, Positive]
    """Fewest and most sequences in flight for each GPU."""
    context_tokens: tuple[Positive, Positive]
    """Shortest and longest mean context."""
    measured: tuple[Measured, ...] = ()
    """Each model on each accelerator that was measured."""


class Calibration(WithSources):
    """Constants of one generation of accelerators (docs/performance-model.md, calibrated)."""

    name: Name
    """What to call it: generation and date."""
    accelerators: tuple[Name, ...] = ()
    """Accelerators of the catalog that it is taken for where a scenario does not say."""
    like: tuple[Name, ...] = ()
    """Accelerators without measurements that are taken to be alike."""
    step_s: Delay
    """Seconds of a pass that are spent whatever the model."""
    layer_s: Delay
    """Seconds of launches in a plain layer."""
    layer_kernels: LayerKernels
    """Further launches, as shares of `layer_s`."""
    engines: dict[str, Factor] = Field(default={})
    """Factors on `layer_s` by the name that measurements call a server."""
    pairs: dict[str, dict[str, Factor]] = Field(default={})
    """Further factors by server and model."""
    linear_share: ByWeights
    """Share of the memory bandwidth at which weights outside routed experts are read."""
    expert_share: ByWeights
    """Share of the memory bandwidth at which routed experts are read."""
    cache_share: Share
    """Share of the memory bandwidth at which the cache is read."""
    decode_share: ByWeights
    """Share of the peak arithmetic of weights in decoding."""
    attention_share: Share
    """Share of the 16-bit arithmetic of attention in decoding."""
    prefill_share: ByWeights
    """Share of the peak arithmetic of weights in prompts."""
    prefill_attention_share: Share
    """Share of the 16-bit arithmetic of attention in prompts."""
    all_reduce: tuple[AllReduceKernel, ...] = ()
    """Kernels of so many ranks in one node, of which the quickest counts; none: the published protocols."""
    all_reduce_share: Share = 1.0
    """Share of the bandwidth of a kernel alone, or of a protocol, at which servers move the bytes of all-reduces."""
    all_gather: Exchange
    """Tokens of all groups to every rank, and shares of the results back."""
    all_to_all: Exchange
    """Tokens to the ranks of their experts, and results back."""
    quantised_exchange: Factor = 1.0
    """Factor on exchanges of experts that compute in 8 bits: tokens are quantised on their way."""
    first_token: FirstToken = FirstToken()
    """Time to first token where prompts share the passes of decoding."""
    power: Power = Power()
    """Power of a GPU in decoding."""
    fitted_on: FittedOn | None = None
    """Measurements; null: none, the constants are assumed."""

    @field_validator("all_reduce")
    @classmethod
    def _never_quicker_with_more_ranks(cls, kernels: tuple[AllReduceKernel, ...]) -> tuple[AllReduceKernel, ...]:
        table = by_ranks(kernels)
        for ranks, listed in table.items():
            if len(listed) > MOST_KERNELS:
                raise fault(f"found {len(listed)} kernels of {ranks} ranks, expected at most {MOST_KERNELS}")
        for fewer, more in pairwise(table):
            for kernel in table[more]:
                if not any(_no_quicker(kernel, other) for other in table[fewer]):
                    raise fault(
                        f"found a kernel of {more} ranks ({kernel.seconds:g} s, {kernel.bytes_per_s:g} bytes/s) that is"
                        f" quicker than those of {fewer} ranks, expected none that is quicker with more ranks"
                    )
        return kernels

    def layer_factor(self, engine: str | None, model: str) -> float:
        """Factor on ``layer_s`` of a server, as measurements call it, and a model; 1 where it is not known."""
        if engine is None:
            return 1.0
        return self.engines.get(engine, 1.0) * self.pairs.get(engine, {}).get(model, 1.0)

    def on_server(self, engine: str, model: str) -> Calibration:
        """The same constants with the factor of a server, as scenarios call it, on launches of a model."""
        called = _MEASURED_AS.get(engine, engine)
        names = (called, f"dynamo-{called}")
        known = next((name for name in names if name in self.engines or name in self.pairs), None)
        return self.model_copy(update={"layer_s": self.layer_s * self.layer_factor(known, model)})


PARTS: Mapping[str, type[Strict]] = {
    "layer_kernels": LayerKernels,
    **dict.fromkeys(("linear_share", "expert_share", "decode_share", "prefill_share"), ByWeights),
    "all_reduce": AllReduceKernel,
    **dict.fromkeys(("all_gather", "all_to_all"), Exchange),
    "first_token": FirstToken,
    "power": Power,
    "fitted_on": FittedOn,
}
"""What stands in the fields of a profile that are mappings, or lists of them."""


def by_ranks(kernels: Iterable[AllReduceKernel]) -> dict[int, list[AllReduceKernel]]:
    """Kernels by their number of ranks, fewest first, the one that starts quickest (then the widest) first."""
    ordered = sorted(kernels, key=lambda each: (each.ranks, each.seconds, -each.bytes_per_s))
    return {ranks: list(each) for ranks, each in groupby(ordered, key=lambda kernel: kernel.ranks)}


def calibration_from_mapping(mapping: Mapping[str, object]) -> Calibration:
    """Make a profile of a mapping.

    Raises
    ------
    pydantic.ValidationError
        With every fault found.
    """
    return Calibration.model_validate(_frozen(mapping))


def _frozen(value: object) -> object:
    """Lists of YAML and JSON as the tuples that strict fields take."""
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return {name: _frozen(each) for name, each in value.items()} if isinstance(value, Mapping) else value


def _no_quicker(kernel: AllReduceKernel, other: AllReduceKernel) -> bool:
    return kernel.seconds >= other.seconds and kernel.bytes_per_s <= other.bytes_per_s
