"""Kinds of attention that a layer may have: their sizes, their weight matrices, and what they leave in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


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
class Indexer:
    """Picks the ``top_k`` cached entries that a token attends to, by ``heads`` small heads over keys of its own.

    Attributes
    ----------
    heads, head_width
        Both 0 where a layer takes the picks of a layer before it: no weights, no keys.
    query_width
        Width that the queries of its heads are made of; ``None``: the compressed queries' in latent attention,
        else the model's.
    """

    top_k: int
    heads: int
    head_width: int
    query_width: int | None = None


@dataclass(frozen=True, slots=True)
class GroupedQueryAttention:
    """Multi-head, grouped-query or multi-query attention of one layer.

    Attributes
    ----------
    value_head_width
        Width of a head's values; ``None``: as its keys.
    window
        Tokens that the cache keeps and a token attends to; ``None``: all.
    extra_params
        Other attention weights of the layer, such as a gate on the output.
    """

    query_heads: int
    kv_heads: int
    head_width: int
    value_head_width: int | None = None
    window: int | None = None
    indexer: Indexer | None = None
    extra_params: int = 0


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (MLA) of one layer; ``query_width`` is ``None`` without query compression."""

    query_heads: int
    kv_width: int
    query_width: int | None
    nope_head_width: int
    rope_head_width: int
    value_head_width: int
    indexer: Indexer | None = None
    extra_params: int = 0


@dataclass(frozen=True, slots=True)
class GeneralAttention:
    """Attention over a cache, told by its matrices and what an entry of its cache takes.

    Attributes
    ----------
    matrices
        Rows and columns of each weight matrix.
    cache_words
        Words of one entry of the cache, of all KV heads.
    flop_per_entry
        FLOP of one token against one entry.
    compression
        Tokens that share one entry.
    """

    query_heads: int
    kv_heads: int
    matrices: tuple[tuple[int, int], ...]
    cache_words: int
    flop_per_entry: float
    window: int | None = None
    compression: int = 1
    indexer: Indexer | None = None


@dataclass(frozen=True, slots=True)
class RecurrentAttention:
    """A state of fixed size for each sequence: linear attention, delta rules and state-space layers.

    Attributes
    ----------
    heads
        Heads that the state is split over.
    input_width, output_width
        Rows of all projections into the layer together, and columns of the projection out of it.
    state_words
        Words of the recurrent state of one sequence; a token updates and reads each.
    state_bytes
        Bytes of one sequence's state, convolution included.
    """

    heads: int
    input_width: int
    output_width: int
    state_words: int
    state_bytes: int


@dataclass(frozen=True, slots=True)
class NoAttention:
    """A layer that has a feed-forward block alone."""


Attention: TypeAlias = GroupedQueryAttention | LatentAttention | GeneralAttention | RecurrentAttention | NoAttention


@dataclass(frozen=True, slots=True)
class AttentionBlock:
    """``layers`` layers of a model with the same attention."""

    layers: int
    attention: Attention


def attention_matrices(attention: Attention, width: int) -> tuple[Matrix, ...]:
    """Weight matrices of one layer's attention in a model of ``width``, the indexer's included."""
    if isinstance(attention, GroupedQueryAttention):
        return _grouped_query(attention, width)
    if isinstance(attention, LatentAttention):
        return _latent(attention, width)
    if isinstance(attention, GeneralAttention):
        listed = tuple(Matrix(rows, columns) for rows, columns in attention.matrices)
        return listed + _indexer(attention.indexer, width, width)
    if isinstance(attention, RecurrentAttention):
        return Matrix(attention.input_width, width), Matrix(width, attention.output_width)
    return ()


def indexer_of(attention: Attention) -> Indexer | None:
    """What picks the entries that a token attends to, if anything does."""
    return getattr(attention, "indexer", None)


def window_of(attention: Attention) -> int | None:
    """Tokens that the cache keeps, if it drops any."""
    return getattr(attention, "window", None)


def compression_of(attention: Attention) -> int:
    """Tokens that share one entry of the cache."""
    return attention.compression if isinstance(attention, GeneralAttention) else 1


def cache_words(attention: Attention) -> float:
    """Words that one token leaves in the cache of one layer, one copy, without an indexer's key."""
    if isinstance(attention, GroupedQueryAttention):
        values = attention.value_head_width or attention.head_width
        return attention.kv_heads * (attention.head_width + values)
    if isinstance(attention, LatentAttention):
        return attention.kv_width + attention.rope_head_width
    if isinstance(attention, GeneralAttention):
        return attention.cache_words / attention.compression
    return 0.0


def _grouped_query(attention: GroupedQueryAttention, width: int) -> tuple[Matrix, ...]:
    values = attention.value_head_width or attention.head_width
    projected = attention.query_heads * attention.head_width + attention.kv_heads * (attention.head_width + values)
    return (
        Matrix(projected, width),
        Matrix(width, attention.query_heads * values),
        *_extra(attention.extra_params, width),
        *_indexer(attention.indexer, width, width),
    )


def _latent(attention: LatentAttention, width: int) -> tuple[Matrix, ...]:
    heads = attention.query_heads
    queries = heads * (attention.nope_head_width + attention.rope_head_width)
    values = heads * (attention.nope_head_width + attention.value_head_width)
    cached = attention.kv_width + attention.rope_head_width
    if attention.query_width is None:
        into: tuple[Matrix, ...] = (Matrix(queries + cached, width),)
    else:
        into = (Matrix(attention.query_width + cached, width), Matrix(queries, attention.query_width))
    return (
        *into,
        Matrix(values, attention.kv_width),
        Matrix(width, heads * attention.value_head_width),
        *_extra(attention.extra_params, width),
        *_indexer(attention.indexer, width, attention.query_width or width),
    )


def _extra(params: int, width: int) -> tuple[Matrix, ...]:
    return (Matrix(max(1, round(params / width)), width),) if params else ()


def _indexer(indexer: Indexer | None, width: int, query_width: int) -> tuple[Matrix, ...]:
    """Queries of the indexer's heads, its one key, and the weight of each head."""
    if indexer is None or not indexer.heads:
        return ()
    return (
        Matrix(indexer.heads * indexer.head_width, indexer.query_width or query_width),
        Matrix(indexer.head_width + indexer.heads, width),
    )
