"""Numbers of weights of a model, and what one token leaves in its cache."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ieco_opt.catalog.attention import Attention, attention_matrices, cache_words, compression_of, indexer_of
from ieco_opt.catalog.types import Model, PaperModel


def total_params(model: Model | PaperModel) -> int:
    """Count every weight of the model.

    Matrices of attention, feed-forward blocks and embeddings are counted (tied embeddings once); routers,
    norms, biases and multi-token-prediction layers are not. Models of the paper count two embeddings, as the
    paper does.

    Returns
    -------
    int
        Number of weights.
    """
    if isinstance(model, PaperModel):
        return _paper_outside_experts(model) + _paper_feed_forward(model)
    return _outside_feed_forward(model) + sum(
        block.layers * block.experts * (block.up + block.down) * model.width * block.width
        for block in model.feed_forward
    )


def active_params(model: Model | PaperModel) -> int:
    """Count the weights that one token passes through, embeddings included as in `total_params`.

    Returns
    -------
    int
        Number of weights. For models of the paper, the share of active experts is rounded as in the paper.
    """
    if isinstance(model, PaperModel):
        sparsity = model.experts // model.active_experts
        return _paper_outside_experts(model) + _paper_feed_forward(model) // sparsity
    return _outside_feed_forward(model) + sum(
        block.layers * block.active * (block.up + block.down) * model.width * block.width
        for block in model.feed_forward
    )


CACHE_BYTES: Mapping[str, float] = MappingProxyType({"bf16": 2.0, "fp8": 1.0})
"""Bytes of one word of the cache for each precision that a scenario may name."""

_INDEX_WORD_BYTES = 132 / 128
"""Bytes of one word of an indexer's key: 8 bits, and a 32-bit scale for 128 of them (DeepSeek-V3.2's reference)."""


def cache_bytes_per_token(model: Model | PaperModel, kv_cache: str = "bf16") -> float:
    """Bytes that one token takes in the cache of all layers, one copy, as if every layer kept every token.

    States of recurrent layers do not grow with the tokens and are not counted.

    Returns
    -------
    float
        Bytes per token.
    """
    if isinstance(model, PaperModel):
        words = model.mla_kv_width or _paper_kv_heads(model) * model.head_width
        return words * model.layers * model.activation_bytes
    word_bytes = CACHE_BYTES[kv_cache]
    return sum(
        block.layers * (cache_words(block.attention) * word_bytes + index_bytes_per_token(block.attention))
        for block in model.blocks
    )


def index_bytes_per_token(attention: Attention) -> float:
    """Bytes of the indexer's key of one token in one layer, one copy; 0 without an indexer."""
    indexer = indexer_of(attention)
    return 0.0 if indexer is None else indexer.head_width * _INDEX_WORD_BYTES / compression_of(attention)


def _outside_feed_forward(model: Model) -> int:
    attention = sum(
        block.layers * sum(matrix.params for matrix in attention_matrices(block.attention, model.width))
        for block in model.blocks
    )
    return attention + model.vocabulary * model.width * (1 if model.tied_embeddings else 2)


def _paper_kv_heads(model: PaperModel) -> int:
    return 2 * model.query_heads // model.query_heads_per_kv_head


def _paper_outside_experts(model: PaperModel) -> int:
    heads, head, width = model.query_heads, model.head_width, model.width
    kv_words = _paper_kv_heads(model) * head
    if model.mla_kv_width is None or model.mla_query_width is None:
        attention = (heads * head + kv_words) * width
    else:
        attention = (
            (2 * model.mla_kv_width + model.mla_query_width) * width
            + kv_words * model.mla_kv_width
            + heads * head * model.mla_query_width
        )
    attention += heads * head * width
    return model.layers * attention + 2 * model.vocabulary * width


def _paper_feed_forward(model: PaperModel) -> int:
    per_expert = (model.up + model.down) * model.width * model.feed_forward_width
    return model.layers * model.experts * per_expert
