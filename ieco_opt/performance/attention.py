"""What attention reads, keeps and computes over the tokens of a sequence, for every kind of layer.

A layer keeps an entry for each token (grouped-query, latent), for the last ``window`` of them, for ``compression`` of
them together, or a state of fixed size; an indexer lets a token attend to the best entries alone. All of it is a
function of the lengths, so every term stays affine in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ieco_opt.catalog.attention import (
    Attention,
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    LatentAttention,
    Matrix,
    NoAttention,
    RecurrentAttention,
    attention_matrices,
    cache_words,
    compression_of,
    indexer_of,
    window_of,
)
from ieco_opt.catalog.parameters import index_bytes_per_token
from ieco_opt.performance.collectives import Array

STATE_FLOP_PER_WORD = 6.0
"""A token decays, updates and reads each word of a recurrent state: a multiplication and an addition each."""


@dataclass(frozen=True, slots=True)
class AttentionLayers:
    """``layers`` layers of one kind, as the equations see them; bytes and FLOP are of one layer.

    Attributes
    ----------
    outputs
        Words that leave the first projections, all-reduced in the 2-D layout.
    heads
        Heads that tensor ranks divide.
    kv_heads
        Heads that the cache can be split over; ranks beyond them hold copies.
    entry_bytes
        Bytes of the cache that one token takes, one copy.
    index_bytes
        Bytes of the indexer's keys that one token takes; every rank holds and reads all of them.
    state_bytes
        Bytes of one sequence's state, split over the ranks.
    kept_tokens, attended_tokens
        Tokens that the cache keeps and that one token attends to, at most.
    attended_flop, index_flop
        FLOP of one token against one token that it attends to, and against one that the indexer looks at.
    state_flop
        FLOP of one token on the state.
    prompt_attended_flop
        FLOP of one token of a prompt against one before it: heads of latent attention are expanded there.
    latent
        Whether keys and values are projected up from a latent entry, which takes kernels of its own.
    """

    layers: int
    matrices: tuple[Matrix, ...]
    outputs: int
    heads: int
    kv_heads: int
    entry_bytes: float
    index_bytes: float
    state_bytes: float
    kept_tokens: float
    attended_tokens: float
    attended_flop: float
    index_flop: float
    state_flop: float
    prompt_attended_flop: float
    latent: bool = False

    @property
    def params(self) -> int:
        """Attention weights of one layer."""
        return sum(matrix.params for matrix in self.matrices)

    def head_share(self, ranks: Array) -> Array:
        """Share of the cache's entries that one of ``ranks`` holds: whole KV heads, so copies beyond their number."""
        return np.ceil(self.kv_heads / ranks) / self.kv_heads

    def resident_bytes(self, tokens: float | Array, share: Array | float = 1.0, ranks: Array | float = 1.0) -> Array:
        """Bytes of one sequence of ``tokens`` on one rank of ``ranks``, which holds a ``share`` of the entries."""
        kept = self.entry_bytes * np.minimum(tokens, self.kept_tokens) * share
        return np.asarray(kept + self.index_bytes * tokens + self.state_bytes / ranks)

    def read_entries_bytes(self, start: float | Array, end: float | Array) -> Array:
        """Bytes of the entries that one token reads, on average over positions from ``start`` to ``end``, one copy."""
        return self.entry_bytes * mean_capped(start, end, self.attended_tokens)

    def flop_per_token(self, start: float | Array, end: float | Array) -> Array:
        """FLOP of one token over the cache and the state, on average over its positions."""
        attended = self.attended_flop * mean_capped(start, end, self.attended_tokens)
        return attended + self.index_flop * mean_capped(start, end, np.inf) + self.state_flop

    def prompt_flop(self, start: float | Array, end: float | Array, *, expanded: bool = False) -> Array:
        """FLOP of the tokens of a prompt at positions ``start`` to ``end``, each attending to those before it.

        ``expanded``: with the heads of latent attention written out, as servers do it for prompts.
        """
        attended = capped_sum(end, self.attended_tokens) - capped_sum(start, self.attended_tokens)
        looked_at = capped_sum(end, np.inf) - capped_sum(start, np.inf)
        return np.asarray(
            (self.prompt_attended_flop if expanded else self.attended_flop) * attended
            + self.index_flop * looked_at
            + self.state_flop * (np.asarray(end) - np.asarray(start))
        )


def capped_sum(tokens: float | Array, cap: float) -> Array:
    """Sum over positions up to ``tokens`` of min(position, cap): T^2 / 2 up to the cap, cap T - cap^2 / 2 beyond."""
    length = np.asarray(tokens, dtype=float)
    if np.isinf(cap):
        return np.asarray(length**2 / 2.0)
    return np.where(length <= cap, length**2 / 2.0, cap * length - cap**2 / 2.0)


def mean_capped(start: float | Array, end: float | Array, cap: float) -> Array:
    """Mean of min(position, cap) over positions from ``start`` to ``end``."""
    first, last = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    if np.isinf(cap):
        return np.asarray((first + last) / 2.0)
    span = last - first
    mean = (capped_sum(last, cap) - capped_sum(first, cap)) / np.where(span > 0.0, span, 1.0)
    return np.where(span > 0.0, mean, np.minimum(first, cap))


def attention_layers(block: AttentionBlock, width: int, word_bytes: float) -> AttentionLayers:
    """Read the layers of a model of ``width`` that share one attention, with ``word_bytes`` for a word of the cache."""
    attention = block.attention
    indexer, window = indexer_of(attention), window_of(attention)
    compression = compression_of(attention)
    kept = np.inf if window is None else float(window)
    matrices = attention_matrices(attention, width)
    outputs, heads, kv_heads, flop = _sizes(attention, matrices)
    recurrent = attention if isinstance(attention, RecurrentAttention) else None
    return AttentionLayers(
        layers=block.layers,
        matrices=matrices,
        outputs=outputs,
        heads=heads,
        kv_heads=kv_heads,
        entry_bytes=cache_words(attention) * word_bytes,
        index_bytes=index_bytes_per_token(attention),
        state_bytes=0.0 if recurrent is None else float(recurrent.state_bytes),
        kept_tokens=kept,
        attended_tokens=kept if indexer is None else min(kept, float(indexer.top_k * compression)),
        attended_flop=flop / compression,
        index_flop=0.0 if indexer is None else 2.0 * indexer.heads * indexer.head_width / compression,
        state_flop=0.0 if recurrent is None else STATE_FLOP_PER_WORD * recurrent.state_words,
        prompt_attended_flop=_expanded_flop(attention, flop) / compression,
        latent=isinstance(attention, LatentAttention),
    )


def _sizes(attention: Attention, matrices: tuple[Matrix, ...]) -> tuple[int, int, int, float]:
    """Words of the 2-D layout, heads that ranks divide, KV heads, and FLOP of one token against one entry."""
    match attention:
        case GroupedQueryAttention(query_heads=heads, kv_heads=kv_heads, head_width=keys):
            values = attention.value_head_width or keys
            return matrices[0].rows, heads, kv_heads, 2.0 * heads * (keys + values)
        case LatentAttention(query_heads=heads, kv_width=latent, nope_head_width=nope, rope_head_width=rope):
            outputs = heads * (nope + rope) + heads * (nope + attention.value_head_width)
            return outputs, heads, 1, 2.0 * heads * (2 * latent + rope)
        case GeneralAttention():
            return matrices[0].rows, attention.query_heads, attention.kv_heads, attention.flop_per_entry
        case RecurrentAttention():
            return attention.input_width, attention.heads, attention.heads, 0.0
        case NoAttention():
            return 0, 0, 1, 0.0


def _expanded_flop(attention: Attention, absorbed: float) -> float:
    """FLOP of one token against one entry where the heads of latent attention are written out."""
    if isinstance(attention, LatentAttention):
        widths = attention.nope_head_width + attention.rope_head_width + attention.value_head_width
        return 2.0 * attention.query_heads * widths
    return absorbed
