"""Memory on the most loaded GPU: weights, and the cache of sequences; and the memory rule of the paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.pass_time import Degrees


def paper_holds(
    architecture: Architecture,
    accelerator: Accelerator,
    degrees: Degrees,
    batch: Array,
    context_tokens: float | Array,
) -> NDArray[np.bool_]:
    """The paper's memory rule: N M >= cache S b + weights, for one micro-batch."""
    needed = (
        architecture.cache_bytes_per_token * context_tokens * batch / degrees.pipeline_parallel
        + architecture.weight_bytes * architecture.total_params
    )
    holds: NDArray[np.bool_] = degrees.gpus * accelerator.hbm_bytes >= needed
    return holds


def weight_bytes_per_gpu(architecture: Architecture, degrees: Degrees) -> Array:
    """Weights on the most loaded GPU, in bytes (``deployable``).

    The largest stage has ceil(L / P) layers, counted from the heaviest kind on; attention weights are held
    by each of the sigma groups, experts and dense layers are split over all ranks of the stage.
    """
    stage_layers = np.ceil(architecture.layers / degrees.pipeline_parallel)
    attention = stage_layers * architecture.attention_params_per_layer / degrees.tensor_parallel
    feed_forward = _heaviest_layers(architecture, stage_layers) / degrees.stage_ranks
    copies = np.where((degrees.pipeline_parallel == 1.0) & (not architecture.tied_embeddings), 2.0, 1.0)
    embeddings = copies * architecture.vocabulary * architecture.width / degrees.stage_ranks
    return architecture.weight_bytes * (attention + feed_forward + embeddings)


def _heaviest_layers(architecture: Architecture, stage_layers: Array) -> Array:
    """Feed-forward weights of the ``stage_layers`` heaviest layers of the model."""
    expert_kind = [block for block in architecture.blocks if block.experts > 1 or block.shared]
    kinds = [
        (block.layers, block.experts * block.params_per_expert)
        for block in architecture.blocks
        if block not in expert_kind
    ]
    if expert_kind:
        params = sum(block.experts * block.params_per_expert for block in expert_kind)
        kinds.append((max(block.layers for block in expert_kind), params))
    left, total = stage_layers, np.zeros_like(stage_layers)
    for layers, params in sorted(kinds, key=lambda kind: -kind[1]):
        taken = np.minimum(left, layers)
        total, left = total + taken * params, left - taken
    return total


def cache_bytes_per_sequence(architecture: Architecture, degrees: Degrees, tokens: float | Array) -> Array:
    """Cache of one sequence of ``tokens`` on the most loaded GPU, in bytes (``deployable``)."""
    stage_layers = np.ceil(architecture.layers / degrees.pipeline_parallel)
    heads = np.ceil(architecture.kv_heads / degrees.tensor_parallel) / architecture.kv_heads
    return architecture.cache_bytes_per_token / architecture.layers * stage_layers * tokens * heads


def sequences_per_gpu(degrees: Degrees, batch: Array) -> Array:
    """Sequences whose cache the most loaded GPU holds: those of one attention group."""
    lifted = degrees.attention_data_parallel.reshape((-1,) + (1,) * (batch.ndim - 1))
    return np.ceil(batch / lifted)
