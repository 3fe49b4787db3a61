"""Memory on the most loaded GPU: weights, and the cache of sequences; and the memory rule of the paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.attention import AttentionLayers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.reserve import ServerMemory


def paper_holds(
    architecture: Architecture,
    accelerator: Accelerator,
    degrees: Degrees,
    batch: Array,
    context_tokens: float | Array,
) -> NDArray[np.bool_]:
    """The paper's memory rule: N M >= cache S b + weights, for one micro-batch."""
    needed = (
        architecture.resident_bytes(context_tokens) * batch / degrees.pipeline_parallel + architecture.weights_bytes()
    )
    holds: NDArray[np.bool_] = degrees.gpus * accelerator.hbm_bytes >= needed
    return holds


def weight_bytes_per_gpu(architecture: Architecture, degrees: Degrees) -> Array:
    """Weights on the most loaded GPU, in bytes (``deployable``).

    The largest stage has ceil(L / P) layers: of each kind of attention its share, rounded up, and of feed-forward
    blocks the heaviest. Attention weights are held by each of the sigma groups, experts are split over all ranks of
    the stage, dense layers, shared experts and embeddings over those of ``degrees.spread``, norms and routers stand on
    every rank.
    """
    stage_layers = np.ceil(architecture.layers / degrees.pipeline_parallel)
    attention = np.zeros_like(stage_layers)
    for kind in architecture.attention:
        attention = attention + _layers_of_stage(architecture, kind, degrees) * kind.params
    routed = np.minimum(stage_layers, architecture.routed_layers)
    return np.asarray(
        attention * architecture.bytes_of("attention") / degrees.tensor_parallel
        + _heaviest_layers(architecture, degrees, stage_layers)
        + _embedding_bytes(architecture, degrees)
        + architecture.norm_bytes(stage_layers, routed)
        + architecture.fusing_bytes
    )


def _layers_of_stage(architecture: Architecture, kind: AttentionLayers, degrees: Degrees) -> Array:
    """Layers of one kind that the most loaded stage holds: kinds take turns, so it has its share, rounded up."""
    stage_layers = np.ceil(architecture.layers / degrees.pipeline_parallel)
    return np.asarray(np.minimum(kind.layers, np.ceil(stage_layers * kind.layers / architecture.layers)))


def _embedding_bytes(architecture: Architecture, degrees: Degrees) -> Array:
    """Both embeddings on a GPU where one stage has them, or the larger one; tied embeddings are one."""
    embedding = architecture.embedding_bytes("embedding") / degrees.spread.embedding_ranks
    head = architecture.embedding_bytes("head") / degrees.spread.head_ranks
    both = (degrees.pipeline_parallel == 1.0) & (not architecture.tied_embeddings)
    return np.where(both, embedding + head, np.maximum(embedding, head))


def _heaviest_layers(architecture: Architecture, degrees: Degrees, stage_layers: Array) -> Array:
    """Bytes on a GPU of the feed-forward weights of the ``stage_layers`` heaviest layers of the model."""
    routed = [block for block in architecture.blocks if block.part != "feed_forward"]
    kinds: list[tuple[int, Array]] = [
        (block.layers, block.params_per_expert * architecture.bytes_of(block.part) / degrees.spread.dense_ranks)
        for block in architecture.blocks
        if block not in routed
    ]
    if routed:
        weights = np.zeros_like(stage_layers)
        for block in routed:
            stored = block.params_per_expert * block.stored * architecture.bytes_of(block.part)
            if block.experts > 1:
                weights = weights + (block.experts + degrees.redundant_experts) * stored / degrees.stage_ranks
            else:
                weights = weights + stored / degrees.spread.shared_ranks
        kinds.append((max(block.layers for block in routed), weights))
    return _fill(stage_layers, kinds)


def _fill(stage_layers: Array, kinds: list[tuple[int, Array]]) -> Array:
    """Weights of ``stage_layers`` layers taken from the heaviest kind on; which is heaviest may differ by setup."""
    if not kinds:
        return np.zeros_like(stage_layers)
    if len(kinds) == 1:
        ((count, weights),) = kinds
        return np.asarray(np.clip(stage_layers, 0.0, count) * weights)
    each = np.stack([weights for _, weights in kinds], axis=1)
    layers = np.broadcast_to([float(count) for count, _ in kinds], each.shape)
    order = np.argsort(-each, axis=1, kind="stable")
    each, layers = np.take_along_axis(each, order, axis=1), np.take_along_axis(layers, order, axis=1)
    before = np.cumsum(layers, axis=1) - layers
    taken = np.clip(stage_layers[:, None] - before, 0.0, layers)
    return np.asarray((taken * each).sum(axis=1))


def free_bytes(server: ServerMemory, architecture: Architecture, accelerator: Accelerator, degrees: Degrees) -> Array:
    """Bytes that the server's reserve and the weights leave on the most loaded GPU (``deployable``)."""
    usable = server.usable_bytes(accelerator) - server.reserve(architecture, accelerator, degrees)
    return np.asarray(usable - weight_bytes_per_gpu(architecture, degrees))


def cache_bytes_per_sequence(architecture: Architecture, degrees: Degrees, tokens: float | Array) -> Array:
    """Cache and state of one sequence of ``tokens`` on the most loaded GPU, in bytes (``deployable``)."""
    ranks = degrees.tensor_parallel
    total = np.zeros_like(ranks)
    for kind in architecture.attention:
        held = kind.resident_bytes(tokens, kind.head_share(ranks), ranks)
        total = total + _layers_of_stage(architecture, kind, degrees) * held
    return total


def cache_bytes_per_token(architecture: Architecture, degrees: Degrees) -> Array:
    """Bytes that one token takes on the most loaded GPU if every layer keeps it, which is what servers log by."""
    ranks = degrees.tensor_parallel
    total = np.zeros_like(ranks)
    for kind in architecture.attention:
        entry = kind.entry_bytes * kind.head_share(ranks) + kind.index_bytes
        total = total + _layers_of_stage(architecture, kind, degrees) * entry
    return total


def cache_tokens(degrees: Degrees, free_bytes: Array, bytes_per_token: Array) -> Array:
    """Tokens of all attention groups that ``free_bytes`` of each GPU hold; NaN where a token takes nothing."""
    room = np.maximum(0.0, degrees.attention_data_parallel * free_bytes)
    return np.floor(room / np.where(bytes_per_token > 0.0, bytes_per_token, np.nan))


def sequences_per_gpu(degrees: Degrees, batch: Array) -> Array:
    """Sequences whose cache the most loaded GPU holds: those of one attention group."""
    lifted = degrees.attention_data_parallel.reshape((-1,) + (1,) * (batch.ndim - 1))
    return np.ceil(batch / lifted)
