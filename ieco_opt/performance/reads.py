"""Bytes that a pass reads: weights, activations, and the caches of its sequences."""

from __future__ import annotations

import numpy as np

from ieco_opt.catalog.attention import Matrix
from ieco_opt.catalog.types import Fidelity
from ieco_opt.performance.architecture import Architecture, Block
from ieco_opt.performance.attention import AttentionLayers, mean_capped
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees, block_ranks
from ieco_opt.performance.traffic import Traffic


def kv_head_replication(architecture: Architecture, kind: AttentionLayers, degrees: Degrees) -> Array:
    """Copies of the cache that the ranks of one attention group hold together, at least 1."""
    if architecture.fidelity is Fidelity.PAPER:
        return np.ones_like(degrees.stage_ranks)
    return degrees.tensor_parallel * kind.head_share(degrees.tensor_parallel)


def _activation_words(matrix: Matrix, ranks: Array) -> Array:
    """Words that one token moves through a matrix split over ``ranks`` in the best rectangle."""
    rows = np.clip(np.sqrt(matrix.rows * ranks / matrix.columns), 1.0, ranks)
    return np.asarray(rows * matrix.columns + ranks / rows * matrix.rows)


def attention_weights(architecture: Architecture, degrees: Degrees) -> tuple[Array, Array]:
    """Bytes of attention weights that a pass reads, in every group, and of activations for each of its tokens."""
    sigma, zero = degrees.attention_data_parallel, np.zeros_like(degrees.stage_ranks)
    repeated = sigma if architecture.fidelity is Fidelity.PAPER else np.ones_like(sigma)
    fixed, per_token = zero, zero
    for kind in architecture.attention:
        words = sum((_activation_words(matrix, degrees.tensor_parallel) for matrix in kind.matrices), zero)
        fixed = fixed + kind.layers * sigma * architecture.bytes_of("attention") * kind.params
        per_token = per_token + kind.layers * repeated * architecture.activation_bytes * words
    return fixed, per_token


def block_traffic(architecture: Architecture, block: Block, degrees: Degrees) -> tuple[Array, Array, Array]:
    """Bytes of all weights of a block and of activations for each token; experts over those a token passes.

    Ranks that hold a copy of their own read it; the tokens of a stage are divided among the copies.
    """
    ranks = block_ranks(block, degrees)
    copies = 1.0 if block.experts > 1 else degrees.stage_ranks / ranks
    # Copies of experts are experts to the memory, and a token still passes as many.
    experts = block.experts + (degrees.redundant_experts if block.experts > 1 else 0.0 * degrees.stage_ranks)
    sparsity = block.sparsity * (experts / block.experts)
    scale = block.layers * experts * (block.up + block.down)
    matrix = Matrix(architecture.width, block.width)
    weights = copies * scale * architecture.bytes_of(block.part) * block.stored * matrix.params
    activations = scale * architecture.activation_bytes * _activation_words(matrix, ranks) / sparsity
    return weights, activations, sparsity


def cache_reads(architecture: Architecture, degrees: Degrees, traffic: Traffic) -> Array:
    """Bytes of cache and states that one sequence's tokens of a pass move, all ranks of its group together.

    A pass reads the cache once, however many tokens it verifies; a prompt reads what it found in the prefix cache.
    States are read and written.
    """
    start, end, found = traffic.cached_from, traffic.cached_to, traffic.prefix_tokens
    total = np.zeros_like(degrees.stage_ranks)
    for kind in architecture.attention:
        entries = kind.read_entries_bytes(start, end)
        entries = entries + traffic.prompts * kind.entry_bytes * np.minimum(found, kind.attended_tokens)
        keys = kind.index_bytes * (mean_capped(start, end, np.inf) + traffic.prompts * found)
        copied = entries * kv_head_replication(architecture, kind, degrees)
        total = total + kind.layers * (copied + keys * degrees.tensor_parallel + 2.0 * kind.state_bytes)
    return total
