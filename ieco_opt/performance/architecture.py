"""What one forward pass touches: the sizes that the latency equations need, for either fidelity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.parameters import active_params, cache_bytes_per_token, total_params
from ieco_opt.catalog.types import (
    WEIGHT_BYTES,
    WEIGHT_ONLY,
    Accelerator,
    FeedForward,
    Fidelity,
    LatentAttention,
    Model,
    PaperModel,
)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight matrix of ``rows`` x ``columns``."""

    rows: int
    columns: int

    @property
    def params(self) -> int:
        """Number of weights."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Block:
    """A feed-forward block; ``sparsity`` is the share of experts that one token skips, as E / A."""

    layers: int
    width: int
    up: int
    down: int
    experts: int
    active: int
    sparsity: float
    shared: bool
    params_per_expert: int

    @property
    def flop_per_token(self) -> float:
        """FLOP of one token in all layers of the block (feed-forward term of the arithmetic)."""
        return 2 * self.layers * self.experts * self.params_per_expert / self.sparsity


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model at one weight precision, as the equations see it.

    Attributes
    ----------
    attention_matrices
        Weight matrices of one attention layer.
    attention_outputs
        Words that leave the first projections, all-reduced in the 2-D layout.
    kv_heads
        Heads that the cache can be split over; ranks beyond them hold copies (``deployable`` only).
    cache_bytes_per_token
        Keys and values of one token in all layers, one copy.
    cache_flop_per_token
        FLOP of one token against one token of context, in all layers.
    rest_flop_per_token
        Projections and embeddings of one token; ``embedding_flop_per_token`` is the part of the embeddings.
    """

    name: str
    fidelity: Fidelity
    layers: int
    width: int
    vocabulary: int
    tied_embeddings: bool
    weight_bytes: float
    activation_bytes: float
    query_heads: int
    kv_heads: int
    attention_matrices: tuple[Matrix, ...]
    attention_outputs: int
    cache_bytes_per_token: float
    cache_flop_per_token: float
    rest_flop_per_token: float
    embedding_flop_per_token: float
    total_params: int
    blocks: tuple[Block, ...]

    @property
    def experts(self) -> int:
        """Experts of the routed block, 1 for a dense model."""
        return max(block.experts for block in self.blocks)

    @property
    def feed_forward_flop_per_token(self) -> float:
        """FLOP of one token in every feed-forward block."""
        return sum(block.flop_per_token for block in self.blocks)

    @property
    def attention_params_per_layer(self) -> int:
        """Attention weights of one layer."""
        return sum(matrix.params for matrix in self.attention_matrices)

    def flop_per_token(self, context_tokens: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """FLOP of one token with ``context_tokens`` in the cache, for the utilisation."""
        return self.feed_forward_flop_per_token + self.rest_flop_per_token + self.cache_flop_per_token * context_tokens


def paper_architecture(model: PaperModel) -> Architecture:
    """Read a model of the paper collection to the letter of arXiv 2506.04645."""
    width, heads, head = model.width, model.query_heads, model.head_width
    kv_heads = 2 * heads // model.query_heads_per_kv_head
    outputs = (heads + kv_heads) * head
    matrices: tuple[Matrix, ...]
    if model.mla_kv_width is None or model.mla_query_width is None:
        matrices = (Matrix(outputs, width), Matrix(width, heads * head))
        attended_words = head
    else:
        kv_width, query_width = model.mla_kv_width, model.mla_query_width
        compressed = kv_width + query_width
        matrices = (Matrix(compressed, width), Matrix(outputs, compressed), Matrix(width, heads * head))
        attended_words = kv_width
    sparsity = model.experts // model.active_experts
    expert_params = (model.up + model.down) * width * model.feed_forward_width
    block = Block(
        layers=model.layers,
        width=model.feed_forward_width,
        up=model.up,
        down=model.down,
        experts=model.experts,
        active=model.active_experts,
        sparsity=float(sparsity),
        shared=False,
        params_per_expert=expert_params,
    )
    return Architecture(
        name=model.name,
        fidelity=Fidelity.PAPER,
        layers=model.layers,
        width=width,
        vocabulary=model.vocabulary,
        tied_embeddings=False,
        weight_bytes=model.weight_bytes,
        activation_bytes=model.activation_bytes,
        query_heads=heads,
        kv_heads=kv_heads // 2,
        attention_matrices=matrices,
        attention_outputs=outputs,
        cache_bytes_per_token=cache_bytes_per_token(model),
        cache_flop_per_token=4.0 * attended_words * heads * model.layers,
        rest_flop_per_token=2 * active_params(model) - block.flop_per_token,
        embedding_flop_per_token=4.0 * model.vocabulary * width,
        total_params=total_params(model),
        blocks=(block,),
    )


def deployable_architecture(model: Model, weights: str) -> Architecture:
    """Read a model of the real collection at precision ``weights`` (a key of ``WEIGHT_BYTES``)."""
    attention = model.attention
    width, heads = model.width, attention.query_heads
    matrices: tuple[Matrix, ...]
    if isinstance(attention, LatentAttention):
        queries = heads * (attention.nope_head_width + attention.rope_head_width)
        values = heads * (attention.nope_head_width + attention.value_head_width)
        cached_words = attention.kv_width + attention.rope_head_width
        expand, output = Matrix(values, attention.kv_width), Matrix(width, heads * attention.value_head_width)
        if attention.query_width is None:
            matrices = (Matrix(queries + cached_words, width), expand, output)
        else:
            compress = Matrix(attention.query_width + cached_words, width)
            matrices = (compress, Matrix(queries, attention.query_width), expand, output)
        outputs, kv_heads = queries + values, 1
        cache_flop = 2.0 * heads * (attention.kv_width + cached_words)
    else:
        outputs = (heads + 2 * attention.kv_heads) * attention.head_width
        matrices = (Matrix(outputs, width), Matrix(width, heads * attention.head_width))
        kv_heads = attention.kv_heads
        cache_flop = 4.0 * attention.head_width * heads
    attention_params = sum(matrix.params for matrix in matrices)
    blocks = tuple(_deployable_block(block, width) for block in model.feed_forward)
    embedding_params = model.vocabulary * width
    return Architecture(
        name=model.name,
        fidelity=Fidelity.DEPLOYABLE,
        layers=model.layers,
        width=width,
        vocabulary=model.vocabulary,
        tied_embeddings=model.tied_embeddings,
        weight_bytes=WEIGHT_BYTES[weights],
        activation_bytes=model.activation_bytes,
        query_heads=heads,
        kv_heads=kv_heads,
        attention_matrices=matrices,
        attention_outputs=outputs,
        cache_bytes_per_token=cache_bytes_per_token(model),
        cache_flop_per_token=cache_flop * model.layers,
        rest_flop_per_token=2.0 * model.layers * attention_params + 4.0 * embedding_params,
        embedding_flop_per_token=4.0 * embedding_params,
        total_params=total_params(model),
        blocks=blocks,
    )


def _deployable_block(block: FeedForward, width: int) -> Block:
    return Block(
        layers=block.layers,
        width=block.width,
        up=block.up,
        down=block.down,
        experts=block.experts,
        active=block.active,
        sparsity=block.experts / block.active,
        shared=block.shared,
        params_per_expert=(block.up + block.down) * width * block.width,
    )


def architecture(model: Model | PaperModel, weights: str | None = None) -> Architecture:
    """Read ``model`` in the fidelity its collection belongs to; ``weights`` is needed for real models."""
    if isinstance(model, PaperModel):
        return paper_architecture(model)
    if weights is None:
        raise ValueError(f"{model.name}: a precision is needed for a model of the real collection")
    return deployable_architecture(model, weights)


def peak_flops(accelerator: Accelerator, weight_bytes: float, weights: str | None = None) -> float:
    """Peak FLOP/s at the width of the weights, without the utilisation cap.

    Widths that the hardware cannot compute in, and weight-only formats, run at the 16-bit rate.
    """
    if weights in WEIGHT_ONLY:
        return accelerator.flops_16bit
    native = {1.0: accelerator.flops_8bit, 0.5: accelerator.flops_4bit}.get(weight_bytes)
    return accelerator.flops_16bit if native is None else native
