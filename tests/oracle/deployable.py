"""One pass, and what fits, with the corrections of deployable fidelity."""

from __future__ import annotations

import math

import numpy as np

from ieco_opt.catalog.types import (
    WEIGHT_BYTES,
    WEIGHT_ONLY,
    Accelerator,
    FeedForward,
    GroupedQueryAttention,
    Model,
)

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


def attention_matrices(model: Model) -> list[tuple[int, int]]:
    """Shapes of the attention matrices of one layer."""
    d, att = model.width, model.attention
    if isinstance(att, GroupedQueryAttention):
        return [
            ((att.query_heads + 2 * att.kv_heads) * att.head_width, d),
            (d, att.query_heads * att.head_width),
        ]
    heads, rope = att.query_heads, att.rope_head_width
    queries = heads * (att.nope_head_width + rope)
    keys_values = heads * (att.nope_head_width + att.value_head_width)
    output = (d, heads * att.value_head_width)
    if att.query_width is None:
        return [(queries + att.kv_width + rope, d), (keys_values, att.kv_width), output]
    down = att.query_width + att.kv_width + rope
    return [(down, d), (queries, att.query_width), (keys_values, att.kv_width), output]


def attention_params(model: Model) -> int:
    """Attention weights of one layer."""
    return sum(m * k for m, k in attention_matrices(model))


def every_head_words(model: Model) -> int:
    """Words of the queries, keys and values of one token and layer."""
    att = model.attention
    if isinstance(att, GroupedQueryAttention):
        return (att.query_heads + 2 * att.kv_heads) * att.head_width
    return att.query_heads * (2 * att.nope_head_width + att.rope_head_width + att.value_head_width)


def kv_heads(model: Model) -> int:
    """Heads that a rank must hold whole; the latent cache is one of them."""
    att = model.attention
    return att.kv_heads if isinstance(att, GroupedQueryAttention) else 1


def cache_bytes_per_layer(model: Model) -> float:
    """Bytes of one token's cache in one layer, each head counted once."""
    att = model.attention
    if isinstance(att, GroupedQueryAttention):
        return 2 * att.kv_heads * att.head_width * model.activation_bytes
    return (att.kv_width + att.rope_head_width) * model.activation_bytes


def cache_flop_per_layer(model: Model, context_tokens: float) -> float:
    """FLOP of one token's attention over its context in one layer."""
    att = model.attention
    if isinstance(att, GroupedQueryAttention):
        return 4 * att.head_width * att.query_heads * context_tokens
    return 2 * att.query_heads * (2 * att.kv_width + att.rope_head_width) * context_tokens


def rank_share(model: Model, setup: Setup) -> float:
    """Share of the cache of one sequence and layer that every rank of its group holds."""
    heads = kv_heads(model)
    return math.ceil(heads / setup.tensor_parallel) / heads


def pace(model: Model, setup: Setup) -> float:
    """How much the fullest stage exceeds an even share of the layers."""
    return setup.pipeline * math.ceil(model.layers / setup.pipeline) / model.layers


def peak(accelerator: Accelerator, weights: str) -> float:
    """Peak FLOP/s of one GPU at the precision that the arithmetic really uses."""
    bits = 16 if weights in WEIGHT_ONLY else 8 * WEIGHT_BYTES[weights]
    return peak_flops(accelerator, bits)


def layer_flop(model: Model, context_tokens: float) -> float:
    """FLOP of one token over all layers."""
    experts = sum(
        2 * block.layers * block.active * (block.up + block.down) * model.width * block.width
        for block in model.feed_forward
    )
    attention = cache_flop_per_layer(model, context_tokens) + 2 * attention_params(model)
    return experts + model.layers * attention


def flop_per_token(model: Model, context_tokens: float) -> float:
    """FLOP of one token for the utilisation."""
    return layer_flop(model, context_tokens) + 4 * model.vocabulary * model.width


def arithmetic_s(model: Model, accelerator: Accelerator, setup: Setup, weights: str, x: Array, context: float) -> Array:
    """Seconds of the arithmetic of a micro-batch of ``x`` tokens on the ranks of a stage."""
    per_token = pace(model, setup) * layer_flop(model, context) + 4 * model.vocabulary * model.width
    rate = peak(accelerator, weights) * accelerator.arithmetic_cap
    return x * per_token / (setup.stage_ranks * rate)


def expert_ranks(block: FeedForward, setup: Setup) -> float:
    """Tensor ranks of one expert; blocks without routing are never expert parallel."""
    return setup.stage_ranks / setup.expert if block.experts > 1 else setup.stage_ranks


def block_bytes(model: Model, block: FeedForward, setup: Setup, weights: str, x: Array) -> Array:
    """Bytes that one layer's feed-forward block moves on all ranks of its stage."""
    d, f = model.width, block.width
    s = block.experts / block.active
    touched = (1 - (1 - 1 / s) ** x) * block.experts
    activations = model.activation_bytes * activation_words(d, f, x / s, expert_ranks(block, setup))
    return np.asarray(touched * (block.up + block.down) * (WEIGHT_BYTES[weights] * d * f + activations))


def attention_bytes(model: Model, setup: Setup, weights: str, x: Array) -> Array:
    """Bytes that one layer's attention moves on all ranks of its stage, the cache apart."""
    ranks = setup.tensor_parallel
    copies = setup.sigma * WEIGHT_BYTES[weights] * attention_params(model)
    words = sum(activation_words(m, k, x, ranks) for m, k in attention_matrices(model))
    return np.asarray(copies + model.activation_bytes * words)


def memory_s(
    model: Model,
    accelerator: Accelerator,
    setup: Setup,
    weights: str,
    micro_batch: Array,
    x: Array,
    context: float,
) -> Array:
    """Seconds of moving weights, activations and the cache."""
    replication = setup.tensor_parallel * rank_share(model, setup)
    cache = model.layers * cache_bytes_per_layer(model) * context * micro_batch * replication
    attention = model.layers * attention_bytes(model, setup, weights, x)
    experts = sum(b.layers * block_bytes(model, b, setup, weights, x) for b in model.feed_forward)
    unembedding = WEIGHT_BYTES[weights] * model.vocabulary * model.width
    moved = pace(model, setup) * (cache + attention + experts) + unembedding
    return np.asarray(moved / (setup.stage_ranks * accelerator.hbm_bytes_per_s * accelerator.memory_cap))


def attention_allreduce_s(model: Model, accelerator: Accelerator, setup: Setup, x: Array) -> Array:
    """Seconds of the attention all-reduces of all layers, each over one group's sequences."""
    ranks = setup.tensor_parallel
    r, n = reduce_layout(accelerator, setup.layout, ranks)
    words = [float(model.width)]
    if setup.layout == "2d":
        words = [model.width * r / ranks, every_head_words(model) * r / ranks]
    return model.layers * _allreduces_s(model, accelerator, r, n, words, x / setup.sigma)


def feed_forward_allreduce_s(model: Model, accelerator: Accelerator, setup: Setup, x: Array) -> Array:
    """Seconds of the feed-forward all-reduces of all layers, each block its own."""
    seconds = np.zeros_like(x)
    for block in model.feed_forward:
        r, n = reduce_layout(accelerator, setup.layout, expert_ranks(block, setup))
        parallel = setup.stage_ranks / r
        words = [block.active * block.down * model.width / parallel]
        if setup.layout == "2d":
            words.append(block.active * block.up * block.width / parallel)
        seconds = seconds + block.layers * _allreduces_s(model, accelerator, r, n, words, x)
    return seconds


def _allreduces_s(model: Model, accelerator: Accelerator, r: float, n: float, words: list[float], x: Array) -> Array:
    a = model.activation_bytes
    return np.asarray(sum(collective_s(accelerator, r, n, k * x * a, all_reduce=True) for k in words))


def expert_all_to_all_s(model: Model, accelerator: Accelerator, setup: Setup, x: Array) -> Array:
    """Seconds of sending tokens to their experts and back, over the layers that route."""
    seconds = np.zeros_like(x)
    for block in model.feed_forward:
        if block.experts > 1:
            ranks = min(block.active, setup.expert)
            size = model.width * x * ranks * model.activation_bytes / setup.stage_ranks
            seconds = seconds + 2 * block.layers * all_to_all_s(accelerator, ranks, size)
    return seconds


def evaluate(
    model: Model,
    accelerator: Accelerator,
    setup: Setup,
    weights: str,
    batch: Array,
    context_tokens: float,
    tokens_per_pass: Array,
) -> Components:
    """Time one pass of one micro-batch; ``batch`` and ``tokens_per_pass`` broadcast."""
    micro_batch = batch / setup.pipeline
    x = micro_batch * tokens_per_pass
    slow = pace(model, setup)
    transfer = point_to_point_s(accelerator, model.width * x * model.activation_bytes / setup.stage_ranks)
    return Components(
        kernel_s=np.full_like(x, slow * 4 * model.layers * accelerator.kernel_launch_s),
        attention_allreduce_s=slow * attention_allreduce_s(model, accelerator, setup, x),
        feed_forward_allreduce_s=slow * feed_forward_allreduce_s(model, accelerator, setup, x),
        expert_all_to_all_s=slow * expert_all_to_all_s(model, accelerator, setup, x),
        pipeline_transfer_s=(setup.pipeline - 1) * transfer,
        memory_s=memory_s(model, accelerator, setup, weights, micro_batch, x, context_tokens),
        arithmetic_s=arithmetic_s(model, accelerator, setup, weights, x, context_tokens),
    )


def layer_kinds(model: Model) -> list[tuple[int, int]]:
    """Feed-forward parameters of a layer and the number of such layers, the heaviest kind first.

    Shared experts belong to every layer that routes.
    """

    def params(block: FeedForward) -> int:
        return block.experts * (block.up + block.down) * model.width * block.width

    shared = sum(params(block) for block in model.feed_forward if block.shared)
    kinds = [
        (params(block) + (shared if block.experts > 1 else 0), block.layers)
        for block in model.feed_forward
        if not block.shared
    ]
    return sorted(kinds, reverse=True)


def heaviest_feed_forward_params(model: Model, layers: int) -> int:
    """Feed-forward parameters of the heaviest choice of that many layers."""
    total, left = 0, layers
    for params, count in layer_kinds(model):
        taken = min(left, count)
        total += taken * params
        left -= taken
    return total


def resident_bytes(model: Model, setup: Setup, weights: str, batch: Array, full_tokens: float) -> Array:
    """Bytes that the most loaded GPU holds when every sequence has reached its full length."""
    stage = math.ceil(model.layers / setup.pipeline)
    both_ends = setup.pipeline == 1 and not model.tied_embeddings
    embedding = model.vocabulary * model.width * (2 if both_ends else 1)
    attention = stage * attention_params(model) / setup.tensor_parallel
    experts = heaviest_feed_forward_params(model, stage) / setup.stage_ranks
    held = WEIGHT_BYTES[weights] * (attention + experts + embedding / setup.stage_ranks)
    per_sequence = stage * cache_bytes_per_layer(model) * full_tokens * rank_share(model, setup)
    return np.asarray(held + per_sequence * np.ceil(batch / setup.sigma))
