"""Time of a pass with the constants of a calibration profile (docs/performance-model.md, calibrated).

``Terms`` holds what does not depend on fitted constants: times at the peak rates of the hardware, and how often things
happen. ``Constants`` holds what is fitted. ``combined`` puts both together, so that pricing and fitting share one
formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.calibration import KERNEL_CLASSES, Calibration, kernel_class
from ieco_opt.catalog.precision import FORMATS
from ieco_opt.catalog.types import Accelerator
from ieco_opt.engines.spread import ALL_TO_ALL
from ieco_opt.performance.architecture import Architecture, peak_flops
from ieco_opt.performance.collectives import PROTOCOLS, Array
from ieco_opt.performance.degrees import Degrees, pace_of
from ieco_opt.performance.measured_collectives import all_reduce_lines, full_rate_s_per_byte
from ieco_opt.performance.network import Collective, network
from ieco_opt.performance.reads import attention_weights, block_traffic, cache_reads
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import Traffic

_CLASSES = len(KERNEL_CLASSES)
_FP8, _FP4, _INT4 = (KERNEL_CLASSES.index(name) for name in ("fp8", "fp4", "int4"))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a pass of each setup does, at the peak rates of the hardware; the last axis of kinds is ``KERNEL_CLASSES``.

    Attributes
    ----------
    layers
        Layers, times the pace of the stages, shape (setups,).
    kernel_layers
        Those of them with kernels of their own, in the order of ``LayerKernels``, shape (setups, 4).
    linear_read_s, expert_read_s
        Reading the weights outside routed experts, and all of them, shapes (setups, kinds), (setups, blocks, kinds).
    expert_log_idle
        As in ``PassTime``, shape (setups, blocks).
    decode_s, cache_read_s, attention_s
        Arithmetic of weights of what one sequence brings, shape (setups, kinds); its reads and arithmetic over the
        cache, shape (setups,).
    prompt_s, prompt_attention_s, prompt_reduce_s, prompt_transfer_s, prompt_exchange_s
        Arithmetic, attention, all-reduces, transfers and exchanges of the prompts that one sequence brings.
    network_latency_s, network_slope_s
        All-reduces and transfers, shape (setups, collectives, protocols).
    reducing
        Which of these are all-reduces, shape (setups, collectives).
    exchanges, exchange_slope_s
        How often tokens are exchanged, and what links take for those of a sequence, shape (setups, blocks).
    to_all, quantised
        Whether each exchange is ``all_to_all``, and whether its tokens are quantised on their way, shape (setups,).
    network_part
        Component of each collective, exchanges last.
    """

    layers: Array
    kernel_layers: Array
    linear_read_s: Array
    expert_read_s: Array
    expert_log_idle: Array
    decode_s: Array
    cache_read_s: Array
    attention_s: Array
    prompt_s: Array
    prompt_attention_s: Array
    prompt_reduce_s: Array
    prompt_transfer_s: Array
    prompt_exchange_s: Array
    network_latency_s: Array
    network_slope_s: Array
    reducing: NDArray[np.bool_]
    exchanges: Array
    exchange_slope_s: Array
    to_all: NDArray[np.bool_]
    quantised: NDArray[np.bool_]
    network_part: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constants:
    """Fitted constants, each for all setups (a scalar, or one for each kind) or with a first axis over setups."""

    step_s: Array
    layer_s: Array
    layer_kernels: Array
    linear_share: Array
    expert_share: Array
    cache_share: Array
    decode_share: Array
    attention_share: Array
    prefill_share: Array
    prefill_attention_share: Array
    exchange_s: Array
    exchange_share: Array
    all_reduce_share: Array
    quantised_exchange: Array

    @classmethod
    def of(cls, calibration: Calibration, layer_factor: Array | float = 1.0) -> Constants:
        """Those of a profile; ``layer_factor`` is that of a server on launches."""
        exchanges = (calibration.all_gather, calibration.all_to_all)
        return cls(
            step_s=np.array(calibration.step_s),
            layer_s=np.asarray(calibration.layer_s * layer_factor),
            layer_kernels=np.array(calibration.layer_kernels.values),
            linear_share=np.array(calibration.linear_share.values),
            expert_share=np.array(calibration.expert_share.values),
            cache_share=np.array(calibration.cache_share),
            decode_share=np.array(calibration.decode_share.values),
            attention_share=np.array(calibration.attention_share),
            prefill_share=np.array(calibration.prefill_share.values),
            prefill_attention_share=np.array(calibration.prefill_attention_share),
            exchange_s=np.array([each.seconds for each in exchanges]),
            exchange_share=np.array([each.bandwidth_share for each in exchanges]),
            all_reduce_share=np.array(calibration.all_reduce_share),
            quantised_exchange=np.array(calibration.quantised_exchange),
        )


def combined(terms: Terms, constants: Constants) -> PassTime:
    """Coefficients of the pass time of each setup."""
    kernels = terms.layers + (terms.kernel_layers * constants.layer_kernels).sum(axis=-1)
    rows = len(terms.layers)
    kind = np.where(terms.to_all, 1, 0)
    quantising = np.where(terms.quantised, constants.quantised_exchange, 1.0)
    exchange_s = quantising * _of_kind(constants.exchange_s, kind)
    exchange_share = _of_kind(constants.exchange_share, kind) / quantising
    slowing = np.where(terms.reducing, 1.0 / constants.all_reduce_share[..., None], 1.0)
    latency, slope = terms.network_latency_s, terms.network_slope_s * slowing[:, :, None]
    exchange_latency = terms.exchanges * exchange_s[:, None]
    exchange_slope = terms.exchange_slope_s / exchange_share[:, None]
    protocols = len(PROTOCOLS)
    expert_share = np.asarray(constants.expert_share)
    if expert_share.ndim > 1:
        expert_share = expert_share[:, None, :]
    attention = np.maximum(terms.cache_read_s / constants.cache_share, terms.attention_s / constants.attention_share)
    prompts = (terms.prompt_s / constants.prefill_share).sum(axis=-1)
    prompts = prompts + terms.prompt_attention_s / constants.prefill_attention_share
    prompts = prompts + terms.prompt_reduce_s / constants.all_reduce_share + terms.prompt_transfer_s
    prompts = prompts + terms.prompt_exchange_s / exchange_share
    return PassTime(
        kernel_s=constants.step_s + constants.layer_s * kernels,
        network_latency_s=np.concatenate([latency, _on_all(exchange_latency, protocols)], axis=1),
        network_slope_s=np.concatenate([slope, _on_all(exchange_slope, protocols)], axis=1),
        network_part=terms.network_part,
        memory_fixed_s=(terms.linear_read_s / constants.linear_share).sum(axis=-1),
        memory_slope_s=np.zeros(rows),
        expert_fixed_s=(terms.expert_read_s / expert_share).sum(axis=-1),
        expert_slope_s=np.zeros(terms.expert_log_idle.shape),
        expert_log_idle=terms.expert_log_idle,
        arithmetic_slope_s=(terms.decode_s / constants.decode_share).sum(axis=-1),
        attention_slope_s=attention,
        prompt_slope_s=prompts,
    )


def calibrated_pass(
    architecture: Architecture,
    accelerator: Accelerator,
    calibration: Calibration,
    degrees: Degrees,
    traffic: Traffic,
) -> PassTime:
    """Coefficients of the pass time of each setup with the constants of a profile."""
    terms = terms_of(architecture, accelerator, calibration, degrees, traffic)
    return combined(terms, Constants.of(calibration))


def terms_of(
    architecture: Architecture,
    accelerator: Accelerator,
    calibration: Calibration,
    degrees: Degrees,
    traffic: Traffic,
) -> Terms:
    """What a pass of each setup does; of the profile only the measured all-reduces count."""
    stages, pace = degrees.pipeline_parallel, pace_of(architecture, degrees)
    per_byte = stages / (degrees.gpus * accelerator.hbm_bytes_per_s)
    experts_s, log_idle = _expert_reads(architecture, degrees, traffic, pace * per_byte)
    decode, embeddings = _flop_s(architecture, accelerator)
    one_gpu = 1.0 / degrees.gpus
    generated, arriving = np.asarray(traffic.generated), np.asarray(traffic.tokens - traffic.generated)
    each_token = (pace * one_gpu)[:, None] * decode + one_gpu[:, None] * embeddings
    attended = generated * architecture.attended_flop_per_token(traffic.cached_from, traffic.cached_to)
    prompt_attended = sum(
        traffic.prompts * kind.layers * kind.prompt_flop(traffic.prefix_tokens, traffic.prompt_tokens, expanded=True)
        for kind in architecture.attention
    )
    in_16_bits = pace * one_gpu / accelerator.flops_16bit
    cache = pace * cache_reads(architecture, degrees, traffic) / stages
    zeros = np.zeros_like(stages)
    collectives = network(architecture, accelerator, degrees)
    return Terms(
        layers=architecture.layers * pace,
        kernel_layers=pace[:, None] * _kernel_layers(architecture, accelerator),
        linear_read_s=per_byte[:, None] * _linear_reads(architecture, degrees, pace),
        expert_read_s=experts_s,
        expert_log_idle=log_idle,
        decode_s=_column(generated, zeros) * each_token,
        cache_read_s=per_byte * cache,
        attention_s=in_16_bits * attended,
        prompt_s=_column(arriving, zeros) * each_token,
        prompt_attention_s=in_16_bits * prompt_attended,
        **_network(accelerator, calibration, degrees, traffic, collectives),
        to_all=degrees.spread.exchange == ALL_TO_ALL,
        quantised=np.full(len(zeros), computes_experts_in_8_bits(architecture, accelerator)),
        # Exchanges last, as ``combined`` puts them.
        network_part=tuple(each.part for each in sorted(collectives, key=lambda each: each.kind == "exchange")),
    )


def _network(
    accelerator: Accelerator,
    calibration: Calibration,
    degrees: Degrees,
    traffic: Traffic,
    collectives: Sequence[Collective],
) -> dict[str, Any]:
    """Fields of ``Terms`` that are about collectives."""
    exchanges = [each for each in collectives if each.kind == "exchange"]
    others = [each for each in collectives if each.kind != "exchange"]
    generated, arriving = np.asarray(traffic.generated), np.asarray(traffic.tokens - traffic.generated)
    zeros = np.zeros_like(degrees.stage_ranks)
    prompt_reduce, prompt_transfer, prompt_exchange = zeros, zeros, zeros
    latencies, slopes, often, exchange_slopes = [], [], [], []
    known: dict[bytes, tuple[Array, Array]] = {}
    for each in others:
        latency, slope = _lines(accelerator, calibration, each, known)
        latencies.append(latency)
        slopes.append(slope * each.moved_bytes(generated)[:, None])
        moving = slope.min(axis=1) * each.moved_bytes(arriving)
        if each.kind == "all_reduce":
            prompt_reduce = prompt_reduce + moving
        else:
            prompt_transfer = prompt_transfer + moving
    for each in exchanges:
        per_byte = each.times * full_rate_s_per_byte(accelerator, each.ranks, each.nodes)
        often.append(np.where(each.ranks > 1.0, each.times, 0.0))
        exchange_slopes.append(per_byte * each.moved_bytes(generated))
        prompt_exchange = prompt_exchange + per_byte * each.moved_bytes(arriving)
    shape = (len(zeros), 0)
    return {
        "prompt_reduce_s": prompt_reduce,
        "prompt_transfer_s": prompt_transfer,
        "prompt_exchange_s": prompt_exchange,
        "network_latency_s": np.stack(latencies, axis=1),
        "network_slope_s": np.stack(slopes, axis=1),
        "reducing": np.tile([each.kind == "all_reduce" for each in others], (len(zeros), 1)),
        "exchanges": np.stack(often, axis=1) if often else np.zeros(shape),
        "exchange_slope_s": np.stack(exchange_slopes, axis=1) if exchange_slopes else np.zeros(shape),
    }


def _lines(
    accelerator: Accelerator, calibration: Calibration, each: Collective, known: dict[bytes, tuple[Array, Array]]
) -> tuple[Array, Array]:
    """Seconds, and seconds per byte of a token, of each protocol of one collective, times how often it happens.

    ``known`` are those of one message by the ranks: most all-reduces of a pass are among the same ones.
    """
    if each.kind == "all_reduce" and calibration.all_reduce:
        among = each.ranks.tobytes() + each.nodes.tobytes()
        if among not in known:
            known[among] = all_reduce_lines(accelerator, calibration.all_reduce, each.ranks, each.nodes)
        latency, per_byte = known[among]
        return each.times[:, None] * latency, each.times[:, None] * per_byte
    return each.published_per_byte(accelerator)


def _kernel_layers(architecture: Architecture, accelerator: Accelerator) -> Array:
    """Layers that have kernels of their own, in the order of ``LayerKernels``."""
    routed = architecture.routed_layers
    latent = sum(kind.layers for kind in architecture.attention if kind.latent)
    native = _class_of(architecture, "experts") if routed else None
    in_8_bits = computes_experts_in_8_bits(architecture, accelerator)
    in_4_bits = native == _INT4 or (native == _FP4 and accelerator.flops_4bit is None)
    return np.array(
        [routed, latent, architecture.layers if in_8_bits else 0, routed if in_4_bits else 0],
        dtype=float,
    )


def computes_experts_in_8_bits(architecture: Architecture, accelerator: Accelerator) -> bool:
    """Whether routed experts compute in 8 bits."""
    routed = architecture.routed_layers > 0
    return routed and _class_of(architecture, "experts") == _FP8 and accelerator.flops_8bit is not None


def _linear_reads(architecture: Architecture, degrees: Degrees, pace: Array) -> Array:
    """Bytes of weights outside routed experts that a stage reads, by kind of kernels."""
    found = np.zeros((len(pace), _CLASSES))
    attention, _ = attention_weights(architecture, degrees)
    found[:, _class_of(architecture, "attention")] += pace * attention
    for block in architecture.blocks:
        if block.experts == 1:
            weights, _, _ = block_traffic(architecture, block, degrees)
            found[:, _class_of(architecture, block.part)] += pace * weights
    norms = degrees.stage_ranks * architecture.norm_bytes(architecture.layers, architecture.routed_layers)
    found[:, _class_of(architecture, "norms")] += pace * norms
    heads = degrees.stage_ranks / degrees.spread.head_ranks
    found[:, _class_of(architecture, "head")] += heads * architecture.bytes_of("head") * architecture.embedding_params
    return found


def _expert_reads(
    architecture: Architecture, degrees: Degrees, traffic: Traffic, seconds_per_byte: Array
) -> tuple[Array, Array]:
    """Seconds of reading all routed experts, and the logarithm of the share that one sequence leaves idle.

    Prompts beside generated tokens touch no more experts than these do; without them their own tokens count.
    """
    touching = np.where(np.asarray(traffic.generated) > 0.0, traffic.generated, traffic.tokens)
    reads, idle = [], []
    for block in architecture.blocks:
        if block.experts > 1:
            weights, _, sparsity = block_traffic(architecture, block, degrees)
            of_kind = np.zeros((len(weights), _CLASSES))
            of_kind[:, _class_of(architecture, block.part)] = seconds_per_byte * weights
            reads.append(of_kind)
            # With copies some experts are idle also where a token passes all; without, none is: -inf.
            with np.errstate(divide="ignore"):
                idle.append(np.log1p(-1.0 / sparsity) * touching / degrees.pipeline_parallel)
    setups = len(degrees.stage_ranks)
    if not reads:
        return np.zeros((setups, 0, _CLASSES)), np.zeros((setups, 0))
    return np.stack(reads, axis=1), np.stack(idle, axis=1)


def _flop_s(architecture: Architecture, accelerator: Accelerator) -> tuple[Array, Array]:
    """Seconds of one token on one GPU at its peak rates in layers and in embeddings, by kind of kernels."""
    layers, embeddings = np.zeros(_CLASSES), np.zeros(_CLASSES)
    for block in architecture.blocks:
        rate = peak_flops(accelerator, _bits(architecture, block.part))
        layers[_class_of(architecture, block.part)] += block.flop_per_token / rate
    rate = peak_flops(accelerator, _bits(architecture, "attention"))
    layers[_class_of(architecture, "attention")] += architecture.projection_flop_per_token / rate
    for part in ("embedding", "head"):
        rate = peak_flops(accelerator, _bits(architecture, part))
        embeddings[_class_of(architecture, part)] += 2.0 * architecture.embedding_params / rate
    return layers, embeddings


def _class_of(architecture: Architecture, part: str) -> int:
    assert architecture.recipe is not None
    return kernel_class(architecture.recipe.name_of(part))


def _bits(architecture: Architecture, part: str) -> int:
    assert architecture.recipe is not None
    return FORMATS[architecture.recipe.name_of(part)].arithmetic_bits


def _of_kind(values: Array, kind: NDArray[np.int64]) -> Array:
    """The value of each setup's exchange; ``values`` has its last axis over the kinds."""
    return values[kind] if values.ndim == 1 else np.take_along_axis(values, kind[:, None], axis=1)[:, 0]


def _on_all(values: Array, protocols: int) -> Array:
    return np.repeat(values[:, :, None], protocols, axis=2)


def _column(values: Array, like: Array) -> Array:
    return np.asarray(np.broadcast_to(values, like.shape))[:, None]
