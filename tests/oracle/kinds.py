"""Kinds of attention of a layer: weights, what they keep of a token, and what a token attends to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from ieco_opt.catalog.attention import (
    Attention,
    GeneralAttention,
    GroupedQueryAttention,
    Indexer,
    LatentAttention,
    NoAttention,
    RecurrentAttention,
)

KEY_WORD_BYTES = 132 / 128
"""Bytes of a word of an indexer's key."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One layer's attention in plain figures.

    ``heads`` have to be split evenly over the ranks of a group; ``kv_heads`` may be copied. ``words`` are those that a
    token leaves in the cache, ``window`` what the cache keeps and ``cap`` what a token attends to, in tokens.
    ``key_bytes`` and ``index_flop`` are those of an indexer for each token that it looks at. ``expanded_flop`` is what
    a pair of tokens of a prompt takes where a calibrated server expands the heads of latent attention.
    """

    matrices: tuple[tuple[int, int], ...] = ()
    heads: int = 0
    kv_heads: int = 1
    wide_words: int = 0
    words: float = 0.0
    window: float = math.inf
    cap: float = math.inf
    flop: float = 0.0
    key_bytes: float = 0.0
    index_flop: float = 0.0
    state_bytes: float = 0.0
    state_flop: float = 0.0
    expanded_flop: float | None = None

    @property
    def latent(self) -> bool:
        """Whether keys and values are compressed into one head."""
        return self.expanded_flop is not None

    @property
    def prompt_flop(self) -> float:
        """FLOP of a pair of tokens of a prompt with a calibration profile."""
        return self.flop if self.expanded_flop is None else self.expanded_flop

    @property
    def params(self) -> int:
        """Weights of the layer's attention."""
        return sum(m * k for m, k in self.matrices)

    def kept(self, tokens: float) -> float:
        """Tokens of so many that the cache keeps."""
        return min(tokens, self.window)

    def attended(self, first: float, last: float) -> float:
        """Entries that the tokens from one position to another attend to, together."""
        return _area(last, self.cap) - _area(first, self.cap)

    def mean_attended(self, first: float, last: float) -> float:
        """Entries that a token attends to on average while the context grows."""
        if last <= first:
            return min(first, self.cap)
        return self.attended(first, last) / (last - first)

    def sequence_bytes(
        self, tokens: float, word_bytes: float, *, share: float = 1.0, state_share: float = 1.0
    ) -> float:
        """Bytes of a sequence in one layer: one copy, or what a rank holds of it."""
        return (
            self.words * word_bytes * self.kept(tokens) * share
            + self.key_bytes * tokens
            + self.state_bytes * state_share
        )


def _area(position: float, cap: float) -> float:
    """Entries that all tokens before a position attend to."""
    inside = min(position, cap)
    return inside * inside / 2 + (cap * (position - inside) if position > inside else 0.0)


@lru_cache(maxsize=1024)
def kind_of(attention: Attention, width: int) -> Kind:
    """Put the figures of an attention together, in a model of that width."""
    if isinstance(attention, GroupedQueryAttention):
        return _grouped_query(attention, width)
    if isinstance(attention, LatentAttention):
        return _latent(attention, width)
    if isinstance(attention, GeneralAttention):
        return _general(attention, width)
    if isinstance(attention, RecurrentAttention):
        return Kind(
            matrices=((attention.input_width, width), (width, attention.output_width)),
            heads=attention.heads,
            wide_words=attention.input_width,
            state_bytes=attention.state_bytes,
            state_flop=6 * attention.state_words,
        )
    assert isinstance(attention, NoAttention)
    return Kind()


def _grouped_query(given: GroupedQueryAttention, width: int) -> Kind:
    values = given.head_width if given.value_head_width is None else given.value_head_width
    both = given.head_width + values
    wide = given.query_heads * given.head_width + given.kv_heads * both
    return Kind(
        matrices=(
            (wide, width),
            (width, given.query_heads * values),
            *_extra(given.extra_params, width),
            *_index_matrices(given.indexer, width, width),
        ),
        heads=given.query_heads,
        kv_heads=given.kv_heads,
        wide_words=wide,
        words=given.kv_heads * both,
        window=given.window or math.inf,
        cap=_cap(given.window, given.indexer, 1),
        flop=2 * given.query_heads * both,
        key_bytes=_key_bytes(given.indexer, 1),
        index_flop=_index_flop(given.indexer, 1),
    )


def _latent(given: LatentAttention, width: int) -> Kind:
    heads, rope, latent = given.query_heads, given.rope_head_width, given.kv_width
    queries, keys_values = (
        heads * (given.nope_head_width + rope),
        heads * (given.nope_head_width + given.value_head_width),
    )
    if given.query_width is None:
        first: tuple[tuple[int, int], ...] = ((queries + latent + rope, width),)
    else:
        first = ((given.query_width + latent + rope, width), (queries, given.query_width))
    return Kind(
        matrices=(
            *first,
            (keys_values, latent),
            (width, heads * given.value_head_width),
            *_extra(given.extra_params, width),
            *_index_matrices(given.indexer, width, given.query_width or width),
        ),
        heads=heads,
        wide_words=queries + keys_values,
        words=latent + rope,
        cap=_cap(None, given.indexer, 1),
        flop=2 * heads * (2 * latent + rope),
        expanded_flop=2 * heads * (given.nope_head_width + rope + given.value_head_width),
        key_bytes=_key_bytes(given.indexer, 1),
        index_flop=_index_flop(given.indexer, 1),
    )


def _general(given: GeneralAttention, width: int) -> Kind:
    entry = given.compression
    return Kind(
        matrices=(*given.matrices, *_index_matrices(given.indexer, width, width)),
        heads=given.query_heads,
        kv_heads=given.kv_heads,
        wide_words=given.matrices[0][0],
        words=given.cache_words / entry,
        window=given.window or math.inf,
        cap=_cap(given.window, given.indexer, entry),
        flop=given.flop_per_entry / entry,
        key_bytes=_key_bytes(given.indexer, entry),
        index_flop=_index_flop(given.indexer, entry),
    )


def _extra(params: int, width: int) -> tuple[tuple[int, int], ...]:
    return ((max(1, round(params / width)), width),) if params else ()


def _index_matrices(given: Indexer | None, width: int, query_width: int) -> tuple[tuple[int, int], ...]:
    if given is None:
        return ()
    return (given.heads * given.head_width, given.query_width or query_width), (given.head_width + given.heads, width)


def _cap(window: int | None, given: Indexer | None, entry: int) -> float:
    return min(window or math.inf, math.inf if given is None else given.top_k * entry)


def _key_bytes(given: Indexer | None, entry: int) -> float:
    return 0.0 if given is None else given.head_width * KEY_WORD_BYTES / entry


def _index_flop(given: Indexer | None, entry: int) -> float:
    return 0.0 if given is None else 2 * given.heads * given.head_width / entry
