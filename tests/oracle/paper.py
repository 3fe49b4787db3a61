"""One pass, and what fits, by the published equations to the letter."""

from __future__ import annotations

import math

import numpy as np

from ieco_opt.catalog.types import Accelerator, PaperModel

from .common import (
    Array,
    Components,
    Setup,
    activation_words,
    all_to_all_s,
    collective_s,
    peak_flops,
    point_to_point_s,
    reduce_layout,
)


def sparsity(model: PaperModel) -> int:
    """Experts per active expert, rounded down."""
    return model.experts // model.active_experts


def kv_heads(model: PaperModel) -> float:
    """Heads of keys and of values, counted together."""
    return 2 * model.query_heads / model.query_heads_per_kv_head


def attention_matrices(model: PaperModel) -> list[tuple[float, float]]:
    """Shapes of the attention matrices of one layer, as far as their reads go."""
    d, heads = model.width, model.query_heads * model.head_width
    every_head = (model.query_heads + kv_heads(model)) * model.head_width
    if model.mla_kv_width is None or model.mla_query_width is None:
        return [(every_head, d), (d, heads)]
    compressed = model.mla_kv_width + model.mla_query_width
    return [(compressed, d), (every_head, compressed), (d, heads)]


def attention_params(model: PaperModel) -> float:
    """Attention parameters of one layer."""
    d, h, heads = model.width, model.head_width, model.query_heads
    if model.mla_kv_width is None or model.mla_query_width is None:
        return (heads + kv_heads(model)) * h * d + h * heads * d
    c_kv, c_q = model.mla_kv_width, model.mla_query_width
    return 2 * c_kv * d + c_q * d + kv_heads(model) * h * c_kv + heads * h * c_q + h * heads * d


def feed_forward_params(model: PaperModel) -> float:
    """Parameters of all experts of all layers."""
    expert = (model.up + model.down) * model.width * model.feed_forward_width
    return model.layers * model.experts * expert


def total_params(model: PaperModel) -> float:
    """Every parameter, embeddings of input and output included."""
    embeddings = 2 * model.vocabulary * model.width
    return model.layers * attention_params(model) + feed_forward_params(model) + embeddings


def active_params(model: PaperModel) -> float:
    """Parameters that one token touches; the share of the experts is rounded down."""
    embeddings = 2 * model.vocabulary * model.width
    share = feed_forward_params(model) // sparsity(model)
    return model.layers * attention_params(model) + share + embeddings


def cache_bytes_per_token(model: PaperModel) -> float:
    """Bytes of the KV cache of one token over all layers."""
    width = kv_heads(model) * model.head_width if model.mla_kv_width is None else model.mla_kv_width
    return width * model.layers * model.activation_bytes


def cache_flop_per_token(model: PaperModel, context_tokens: float) -> float:
    """FLOP of one token's attention over its context."""
    width = model.head_width if model.mla_kv_width is None else model.mla_kv_width
    return 4 * width * model.query_heads * model.layers * context_tokens


def peak(model: PaperModel, accelerator: Accelerator) -> float:
    """Peak FLOP/s of one GPU at the precision of the model's weights."""
    return peak_flops(accelerator, 8 * model.weight_bytes)


def flop_per_token(model: PaperModel, context_tokens: float) -> float:
    """FLOP of one token for the utilisation."""
    return 2 * active_params(model) + cache_flop_per_token(model, context_tokens)


def feed_forward_ranks(setup: Setup) -> float:
    """Tensor ranks of one expert."""
    return max(1.0, setup.stage_ranks / setup.expert)


def memory_s(
    model: PaperModel, accelerator: Accelerator, setup: Setup, micro_batch: Array, x: Array, context: float
) -> Array:
    """Seconds of moving weights, activations and the cache."""
    w, a, s = model.weight_bytes, model.activation_bytes, sparsity(model)
    d, f = model.width, model.feed_forward_width
    touched = (1 - (1 - 1 / s) ** x) * model.experts
    one_matrix = w * d * f + a * activation_words(d, f, x / s, feed_forward_ranks(setup))
    experts = touched * (model.up + model.down) * one_matrix
    attention = sum(
        w * m * k + a * activation_words(m, k, x, setup.tensor_parallel) for m, k in attention_matrices(model)
    )
    moved = (
        cache_bytes_per_token(model) * context * micro_batch
        + model.layers * (experts + setup.sigma * attention)
        + w * model.vocabulary * d
    )
    return np.asarray(moved / (setup.stage_ranks * accelerator.hbm_bytes_per_s * accelerator.memory_cap))


def arithmetic_s(model: PaperModel, accelerator: Accelerator, setup: Setup, x: Array, context: float) -> Array:
    """Seconds of the arithmetic of a micro-batch of ``x`` tokens on one stage's ranks."""
    experts = 2 * feed_forward_params(model) / sparsity(model)
    rest = 2 * active_params(model) - experts
    per_token = experts + cache_flop_per_token(model, context) + setup.sigma * rest
    rate = peak(model, accelerator) * accelerator.arithmetic_cap
    return x * per_token / (setup.stage_ranks * rate)


def attention_allreduce_s(model: PaperModel, accelerator: Accelerator, setup: Setup, x: Array) -> Array:
    """Seconds of the attention all-reduces of all layers."""
    ranks = setup.tensor_parallel
    r, n = reduce_layout(accelerator, setup.layout, ranks)
    words = [float(model.width)]
    if setup.layout == "2d":
        every_head = (model.query_heads + kv_heads(model)) * model.head_width
        words = [model.width * r / ranks, every_head * r / ranks]
    return model.layers * _allreduces_s(model, accelerator, r, n, words, x)


def feed_forward_allreduce_s(model: PaperModel, accelerator: Accelerator, setup: Setup, x: Array) -> Array:
    """Seconds of the feed-forward all-reduces of all layers."""
    r, n = reduce_layout(accelerator, setup.layout, feed_forward_ranks(setup))
    parallel = setup.stage_ranks / r
    words = [model.active_experts * model.down * model.width / parallel]
    if setup.layout == "2d":
        words.append(model.active_experts * model.up * model.feed_forward_width / parallel)
    return model.layers * _allreduces_s(model, accelerator, r, n, words, x)


def _allreduces_s(
    model: PaperModel, accelerator: Accelerator, r: float, n: float, words: list[float], x: Array
) -> Array:
    a = model.activation_bytes
    return np.asarray(sum(collective_s(accelerator, r, n, k * x * a, all_reduce=True) for k in words))


def expert_all_to_all_s(model: PaperModel, accelerator: Accelerator, setup: Setup, x: Array) -> Array:
    """Seconds of sending tokens to their experts and back, over all layers."""
    if model.experts == 1:
        return np.zeros_like(x)
    ranks = min(model.active_experts, setup.expert)
    size = model.width * x * ranks * model.activation_bytes / setup.stage_ranks
    return 2 * model.layers * all_to_all_s(accelerator, ranks, size)


def evaluate(
    model: PaperModel,
    accelerator: Accelerator,
    setup: Setup,
    batch: Array,
    context_tokens: float,
    tokens_per_pass: Array,
) -> Components:
    """Time one pass of one micro-batch; ``batch`` and ``tokens_per_pass`` broadcast."""
    micro_batch = batch / setup.pipeline
    x = micro_batch * tokens_per_pass
    transfer = point_to_point_s(accelerator, model.width * x * model.activation_bytes / setup.stage_ranks)
    return Components(
        kernel_s=np.full_like(x, 4 * model.layers * accelerator.kernel_launch_s),
        attention_allreduce_s=attention_allreduce_s(model, accelerator, setup, x),
        feed_forward_allreduce_s=feed_forward_allreduce_s(model, accelerator, setup, x),
        expert_all_to_all_s=expert_all_to_all_s(model, accelerator, setup, x),
        pipeline_transfer_s=(setup.pipeline - 1) * transfer,
        memory_s=memory_s(model, accelerator, setup, micro_batch, x, context_tokens),
        arithmetic_s=arithmetic_s(model, accelerator, setup, x, context_tokens),
    )


def resident_bytes(model: PaperModel, micro_batch: Array, context_tokens: float) -> Array:
    """Bytes of the weights and of the cache of one micro-batch, over all GPUs.

    The published rule, and the reference figures with it, leaves the other micro-batches out.
    """
    return cache_bytes_per_token(model) * context_tokens * micro_batch + model.weight_bytes * total_params(model)


def section_2_2_s(
    model: PaperModel, accelerator: Accelerator, gpus: float, batch: float, context_tokens: float
) -> float:
    """Latency of section 2.2 of the paper (seconds; infinite where the model does not fit)."""
    if gpus * accelerator.hbm_bytes < resident_bytes(model, np.array(batch), context_tokens):
        return math.inf
    reduce_s = 2e-6 * max(math.sqrt(gpus) - 1, 0) + 6e-6
    per_layer = 2 if model.parallel_attention else 4
    beta = accelerator.hbm_bytes_per_s * accelerator.memory_cap
    rate = peak(model, accelerator) * accelerator.arithmetic_cap
    total = total_params(model)
    compute_s = max(model.weight_bytes * total / (gpus * beta), 2 * total * batch / (gpus * rate))
    return model.layers * per_layer * reduce_s + compute_s


def section_3_5_s(
    model: PaperModel, accelerator: Accelerator, gpus: float, batch: float, context_tokens: float
) -> float:
    """Latency of section 3.5 of the paper (seconds; infinite where the model does not fit)."""
    x = np.array(float(batch))
    if gpus * accelerator.hbm_bytes < resident_bytes(model, x, context_tokens):
        return math.inf
    setup = Setup(stage_ranks=gpus, layout="2d", pipeline=1, expert=1, sigma=1)
    flop = flop_per_token(model, context_tokens)
    arithmetic = batch * flop / (gpus * peak(model, accelerator) * accelerator.arithmetic_cap)
    memory = float(memory_s(model, accelerator, setup, x, x, context_tokens))
    network = attention_allreduce_s(model, accelerator, setup, x)
    network = network + feed_forward_allreduce_s(model, accelerator, setup, x)
    return 4 * model.layers * accelerator.kernel_launch_s + float(network) + max(memory, arithmetic)
