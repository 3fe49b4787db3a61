"""One pass, and what fits, with the corrections of deployable fidelity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ieco_opt.catalog.types import Accelerator, FeedForward, Model

from .common import (
    Array,
    Components,
    Setup,
    Wires,
    activation_words,
    reduce_layout,
)
from .heads import Joined, Sitting
from .kinds import Kind, kind_of
from .precision import Precision, precise, rate, recipe, stored_share, weight_bytes
from .servers import sharers


@dataclass(frozen=True, slots=True)
class Load:
    """What one pass does for each sequence.

    It carries ``carried`` tokens, reads the cache once over the positions from ``first`` to ``last``, computes
    attention of ``generated`` tokens there and of ``prompts`` whole prompts, of which the positions before ``found``
    are in the prefix cache.
    """

    carried: Array | float
    first: float
    last: float
    generated: Array | float
    prompts: Array | float = 0.0
    prompt_tokens: float = 0.0
    found: float = 0.0


def kinds(model: Model) -> list[tuple[int, Kind]]:
    """Layers of each kind of attention, and the kind."""
    return [(block.layers, kind_of(block.attention, model.width)) for block in model.blocks]


def has_attention(kind: Kind) -> bool:
    """Whether a layer has anything but a feed-forward block."""
    return bool(kind.matrices)


def routed_layers(model: Model) -> int:
    """Layers with routed experts."""
    return sum(block.layers for block in model.feed_forward if block.experts > 1)


def part_of(block: FeedForward) -> str:
    """Name of the part of a recipe that a feed-forward block is."""
    if block.shared:
        return "shared_experts"
    return "experts" if block.experts > 1 else "feed_forward"


def norm_params(model: Model, layers: float, routed: float) -> float:
    """Weights of norms and routers."""
    experts = max(block.experts for block in model.feed_forward)
    return 2 * model.width * layers + (model.width * experts * routed if routed else 0.0)


def read_norm_params(model: Model) -> float:
    """Weights of norms, routers and joinings that every rank of a stage reads in a pass."""
    joined = model.words_read if isinstance(model, Joined) else 0
    return norm_params(model, model.layers, routed_layers(model)) + joined


def kv_share(kind: Kind, setup: Setup) -> float:
    """Share of the cache of one sequence and layer that every rank of its group holds."""
    return math.ceil(kind.kv_heads / setup.tensor_parallel) / kind.kv_heads


def pace(model: Model, setup: Setup) -> float:
    """How much the fullest stage exceeds an even share of the layers."""
    return setup.pipeline * math.ceil(model.layers / setup.pipeline) / model.layers


# --- arithmetic -------------------------------------------------------------------------------------------------------


def matrix_s(model: Model, accelerator: Accelerator, precision: str | Precision) -> float:
    """Seconds of one token's matrices in all layers on one GPU at its peak."""
    parts = recipe(model, precise(precision).weights, accelerator)
    attention = sum(layers * kind.params for layers, kind in kinds(model))
    seconds = 2 * attention / rate(accelerator, parts["attention"])
    for block in model.feed_forward:
        params = block.layers * block.active * (block.up + block.down) * model.width * block.width
        seconds += 2 * params / rate(accelerator, parts[part_of(block)])
    return seconds


def ends_s(model: Model, accelerator: Accelerator, precision: str | Precision) -> float:
    """Seconds of one token's embedding and unembedding on one GPU at its peak."""
    parts = recipe(model, precise(precision).weights, accelerator)
    flop = 2 * model.vocabulary * model.width
    return flop / rate(accelerator, parts["embedding"]) + flop / rate(accelerator, parts["head"])


def cache_flop(model: Model, load: Load) -> Array:
    """FLOP of attention over the cache, and on states, of one sequence in all layers."""
    total = np.zeros(np.shape(load.carried))
    for layers, kind in kinds(model):
        everything = Kind()
        own = load.generated * kind.mean_attended(load.first, load.last) * kind.flop
        own = own + load.generated * everything.mean_attended(load.first, load.last) * kind.index_flop
        prompt = kind.flop * kind.attended(load.found, load.prompt_tokens)
        prompt += kind.index_flop * everything.attended(load.found, load.prompt_tokens)
        total = total + layers * (own + load.prompts * prompt + load.carried * kind.state_flop)
    return np.asarray(total)


def arithmetic_s(
    model: Model, accelerator: Accelerator, setup: Setup, precision: str | Precision, micro_batch: Array, load: Load
) -> Array:
    """Seconds of the arithmetic of a micro-batch on the ranks of a stage."""
    in_layers = (
        load.carried * matrix_s(model, accelerator, precision) + cache_flop(model, load) / accelerator.flops_16bit
    )
    per_sequence = pace(model, setup) * in_layers + load.carried * ends_s(model, accelerator, precision)
    return np.asarray(micro_batch * per_sequence / (setup.stage_ranks * accelerator.arithmetic_cap))


def token_s(model: Model, accelerator: Accelerator, precision: str | Precision, load: Load) -> float:
    """Seconds that one token computes on one GPU at its peak rates, with the prompts that come with it."""
    over_cache = float(cache_flop(model, load)) / accelerator.flops_16bit
    matrices = matrix_s(model, accelerator, precision) + ends_s(model, accelerator, precision)
    return float(load.carried) * matrices + over_cache


# --- memory -----------------------------------------------------------------------------------------------------------


def block_ranks(block: FeedForward, setup: Setup) -> float:
    """Ranks of a stage that share one copy of a block: of each expert, of dense layers and of shared experts."""
    if block.experts > 1:
        return setup.expert_tensor_parallel
    copies = sharers(setup)
    return copies.shared if block.shared else copies.dense


def held_experts(block: FeedForward, setup: Setup) -> int:
    """Experts of a layer with the redundant ones."""
    return block.experts + (setup.redundant if block.experts > 1 else 0)


def stored_bytes(block: FeedForward, parts: dict[str, str]) -> float:
    """Bytes of a weight of a block, padding of experts included."""
    form = parts[part_of(block)]
    return weight_bytes(form) * (stored_share(form, block.width) if block.experts > 1 else 1.0)


def block_bytes(model: Model, block: FeedForward, setup: Setup, parts: dict[str, str], x: Array) -> Array:
    """Bytes that one layer's feed-forward block moves on all ranks of its stage."""
    if not block.width:
        return np.zeros_like(x)
    d, f, ranks = model.width, block.width, block_ranks(block, setup)
    if block.experts == 1:
        copies = setup.stage_ranks / ranks * stored_bytes(block, parts) * d * f
        once = model.activation_bytes * activation_words(d, f, x, ranks)
        return np.asarray((block.up + block.down) * (copies + once))
    experts = held_experts(block, setup)
    s = experts / block.active
    touched = (1 - (1 - 1 / s) ** x) * experts
    activations = model.activation_bytes * activation_words(d, f, x / s, ranks)
    return np.asarray(touched * (block.up + block.down) * (stored_bytes(block, parts) * d * f + activations))


def attention_bytes(model: Model, kind: Kind, setup: Setup, parts: dict[str, str], x: Array) -> Array:
    """Bytes that one layer's attention moves on all ranks of its stage, the cache apart."""
    ranks = setup.tensor_parallel
    copies = setup.sigma * weight_bytes(parts["attention"]) * kind.params
    words = sum((activation_words(m, k, x, ranks) for m, k in kind.matrices), np.zeros_like(x))
    return np.asarray(copies + model.activation_bytes * words)


def read_bytes(kind: Kind, setup: Setup, word_bytes: float, load: Load) -> float:
    """Bytes of one sequence's cache that one layer reads on all ranks of its group, states written too."""
    everything = Kind()
    entries = kind.mean_attended(load.first, load.last) + load.prompts * min(load.found, kind.cap)
    seen = everything.mean_attended(load.first, load.last) + load.prompts * load.found
    replication = setup.tensor_parallel * kv_share(kind, setup)
    return (
        entries * kind.words * word_bytes * replication
        + seen * kind.key_bytes * setup.tensor_parallel
        + 2 * kind.state_bytes
    )


def memory_s(
    model: Model,
    accelerator: Accelerator,
    setup: Setup,
    precision: str | Precision,
    micro_batch: Array,
    load: Load,
) -> Array:
    """Seconds of moving weights, activations and the cache."""
    precision = precise(precision)
    parts = recipe(model, precision.weights, accelerator)
    x = micro_batch * load.carried
    moved = np.zeros_like(x)
    for layers, kind in kinds(model):
        moved = moved + layers * read_bytes(kind, setup, precision.word_bytes, load) * micro_batch
        moved = moved + layers * attention_bytes(model, kind, setup, parts, x)
    for block in model.feed_forward:
        moved = moved + block.layers * block_bytes(model, block, setup, parts, x)
    norms = weight_bytes(parts["norms"]) * read_norm_params(model)
    moved = pace(model, setup) * (moved + setup.stage_ranks * norms)
    copies = setup.stage_ranks / sharers(setup).head
    moved = moved + copies * weight_bytes(parts["head"]) * model.vocabulary * model.width
    return np.asarray(moved / (setup.stage_ranks * accelerator.hbm_bytes_per_s * accelerator.memory_cap))


# --- network ----------------------------------------------------------------------------------------------------------


def attention_allreduce_s(model: Model, wires: Wires, setup: Setup, x: Array) -> Array:
    """Seconds of the attention all-reduces of all layers, each over one group's sequences."""
    ranks = setup.tensor_parallel
    r, n = reduce_layout(wires.accelerator, setup.layout, ranks)
    seconds = np.zeros_like(x)
    for layers, kind in kinds(model):
        words = [float(model.width)]
        if setup.layout == "2d":
            words = [model.width * r / ranks, kind.wide_words * r / ranks]
        if has_attention(kind):
            seconds = seconds + layers * _allreduces_s(model, wires, r, n, words, x / setup.sigma)
    return seconds


def feed_forward_allreduce_s(model: Model, wires: Wires, setup: Setup, x: Array) -> Array:
    """Seconds of the feed-forward all-reduces of all layers, each block its own."""
    seconds = np.zeros_like(x)
    for block in model.feed_forward:
        if not block.width:
            continue
        if block.experts > 1 and setup.exchange != "all_to_all":
            seconds = seconds + block.layers * _gathered_allreduce_s(model, wires, setup, x)
        elif not block.shared or setup.exchange == "all_to_all":
            # Results of shared experts are otherwise added before those of the routed ones are reduced.
            seconds = seconds + block.layers * _block_allreduce_s(model, block, wires, setup, x)
    return seconds


def _block_allreduce_s(model: Model, block: FeedForward, wires: Wires, setup: Setup, x: Array) -> Array:
    """Seconds of the all-reduces of one layer's block over the ranks that share a copy of it."""
    r, n = reduce_layout(wires.accelerator, setup.layout, block_ranks(block, setup))
    parallel = setup.stage_ranks / r
    words = [block.active * block.down * model.width / parallel]
    if setup.layout == "2d":
        words.append(block.active * block.up * block.width / parallel)
    return _allreduces_s(model, wires, r, n, words, x)


def _gathered_allreduce_s(model: Model, wires: Wires, setup: Setup, x: Array) -> Array:
    """Seconds of the all-reduce of one layer's experts where every rank of a group has the tokens of all."""
    ranks = setup.tensor_parallel
    return _allreduces_s(model, wires, ranks, _nodes(wires.accelerator, ranks), [model.width / setup.sigma], x)


def _nodes(accelerator: Accelerator, ranks: float) -> int:
    return math.ceil(ranks / accelerator.node_size)


def _allreduces_s(model: Model, wires: Wires, r: float, n: float, words: list[float], x: Array) -> Array:
    a = model.activation_bytes
    return np.asarray(sum(wires.all_reduce_s(r, n, k * x * a) for k in words))


def expert_all_to_all_s(model: Model, wires: Wires, setup: Setup, x: Array) -> Array:
    """Seconds of bringing tokens to their experts and back, over the layers that route."""
    seconds = np.zeros_like(x)
    for block in model.feed_forward:
        if block.experts > 1 and setup.exchange != "none":
            seconds = seconds + 2 * block.layers * _one_way_s(model, block, wires, setup, x)
    return seconds


def _one_way_s(model: Model, block: FeedForward, wires: Wires, setup: Setup, x: Array) -> Array:
    """Seconds of bringing tokens to the experts of one layer, or their results back."""
    if setup.exchange == "all_gather":
        nodes = min(setup.sigma, _nodes(wires.accelerator, setup.stage_ranks))
        size = model.width * x * model.activation_bytes
        return wires.all_gather_s(setup.sigma, nodes, size)
    assert setup.exchange == "all_to_all"
    ranks = min(block.active, setup.expert)
    size = model.width * x * ranks * model.activation_bytes / setup.stage_ranks
    return wires.all_to_all_s(ranks, _nodes(wires.accelerator, ranks), size)


def network_s(model: Model, wires: Wires, setup: Setup, x: Array) -> dict[str, Array]:
    """Seconds of every collective and transfer of a micro-batch of ``x`` tokens, by component."""
    slow = pace(model, setup)
    transfer = wires.transfer_s(model.width * x * model.activation_bytes / setup.stage_ranks)
    return {
        "attention_allreduce_s": slow * attention_allreduce_s(model, wires, setup, x),
        "feed_forward_allreduce_s": slow * feed_forward_allreduce_s(model, wires, setup, x),
        "expert_all_to_all_s": slow * expert_all_to_all_s(model, wires, setup, x),
        "pipeline_transfer_s": (setup.pipeline - 1) * transfer,
    }


def evaluate(
    model: Model,
    accelerator: Accelerator,
    setup: Setup,
    precision: str | Precision,
    batch: Array,
    load: Load,
) -> Components:
    """Time one pass of one micro-batch; ``batch`` and the tokens that the load carries broadcast."""
    micro_batch = batch / setup.pipeline
    x = micro_batch * load.carried
    slow = pace(model, setup)
    return Components(
        kernel_s=np.full_like(x, slow * 4 * model.layers * accelerator.kernel_launch_s),
        **network_s(model, Wires(accelerator), setup, x),
        memory_s=memory_s(model, accelerator, setup, precision, micro_batch, load),
        arithmetic_s=arithmetic_s(model, accelerator, setup, precision, micro_batch, load),
    )


# --- what fits --------------------------------------------------------------------------------------------------------


def layer_kinds(model: Model, setup: Setup, parts: dict[str, str]) -> list[tuple[float, int]]:
    """Feed-forward bytes of a layer on a GPU and the number of such layers, the heaviest kind first.

    Shared experts belong to every layer that routes.
    """

    def held(block: FeedForward) -> float:
        params = held_experts(block, setup) * (block.up + block.down) * model.width * block.width
        ranks = setup.stage_ranks if block.experts > 1 else block_ranks(block, setup)
        return params * stored_bytes(block, parts) / ranks if params else 0.0

    shared = sum(held(block) for block in model.feed_forward if block.shared)
    found = [
        (held(block) + (shared if block.experts > 1 else 0.0), block.layers)
        for block in model.feed_forward
        if not block.shared
    ]
    return sorted(found, reverse=True)


def heaviest_feed_forward_bytes(model: Model, setup: Setup, parts: dict[str, str], layers: int) -> float:
    """Feed-forward bytes on a GPU of the heaviest choice of that many layers."""
    total, left = 0.0, layers
    for held, count in layer_kinds(model, setup, parts):
        taken = min(left, count)
        total += taken * held
        left -= taken
    return total


def stage_kinds(model: Model, setup: Setup) -> Iterator[tuple[int, Kind]]:
    """Layers of each kind of attention in the largest stage; kinds take turns."""
    stage = math.ceil(model.layers / setup.pipeline)
    for layers, kind in kinds(model):
        yield min(layers, -(-stage * layers // model.layers)), kind


def held_weights(
    model: Model, setup: Setup, precision: str | Precision, accelerator: Accelerator | None = None
) -> float:
    """Bytes of weights of the most loaded GPU where the setup's engine runs the model."""
    parts = recipe(model, precise(precision).weights, accelerator)
    stage = math.ceil(model.layers / setup.pipeline)
    attention = sum(layers * kind.params for layers, kind in stage_kinds(model, setup)) / setup.tensor_parallel
    experts = heaviest_feed_forward_bytes(model, setup, parts, stage)
    norms = norm_params(model, stage, min(stage, routed_layers(model)))
    norms += model.words_held if isinstance(model, Joined) else 0
    held = weight_bytes(parts["attention"]) * attention + experts + weight_bytes(parts["norms"]) * norms
    return held + model.vocabulary * model.width * _held_ends(model, setup, parts)


def _held_ends(model: Model, setup: Setup, parts: dict[str, str]) -> float:
    """Bytes on a GPU of one weight of the embedding and of the output."""
    ranks = sharers(setup)
    embedding, output = weight_bytes(parts["embedding"]) / ranks.embedding, weight_bytes(parts["head"]) / ranks.head
    if isinstance(model, Sitting):
        return output if model.holds_output else 0.0
    both = setup.pipeline == 1 and not model.tied_embeddings
    return embedding + output if both else max(embedding, output)


def held_per_sequence(model: Model, setup: Setup, precision: str | Precision, tokens: float) -> float:
    """Bytes of the cache of one sequence on the most loaded GPU."""
    word_bytes = precise(precision).word_bytes
    return sum(
        layers
        * kind.sequence_bytes(tokens, word_bytes, share=kv_share(kind, setup), state_share=1 / setup.tensor_parallel)
        for layers, kind in stage_kinds(model, setup)
    )


def held_cache(model: Model, setup: Setup, precision: str | Precision, batch: Array, full_tokens: float) -> Array:
    """Bytes of the cache of the most loaded GPU when every sequence has reached its full length."""
    return np.asarray(held_per_sequence(model, setup, precision, full_tokens) * batch / setup.sigma)


def resident_bytes(
    model: Model,
    setup: Setup,
    precision: str | Precision,
    batch: Array,
    full_tokens: float,
    accelerator: Accelerator | None = None,
) -> Array:
    """Bytes of weights and cache that the most loaded GPU holds when every sequence has reached its full length."""
    weights = held_weights(model, setup, precision, accelerator)
    return np.asarray(weights + held_cache(model, setup, precision, batch, full_tokens))


def logged_bytes_per_token(model: Model, setup: Setup, precision: str | Precision) -> float:
    """Bytes that one token takes on a rank where every layer keeps every token."""
    word_bytes = precise(precision).word_bytes
    return sum(
        layers * (kind.words * word_bytes * kv_share(kind, setup) + kind.key_bytes)
        for layers, kind in stage_kinds(model, setup)
    )


def prompt_bytes(model: Model, precision: str | Precision, tokens: float) -> float:
    """Bytes of the cache of a sequence in all layers, in one copy."""
    word_bytes = precise(precision).word_bytes
    return sum(layers * kind.sequence_bytes(tokens, word_bytes) for layers, kind in kinds(model))
