"""Heads that draft tokens for a model, made of the model: an MTP layer of its own, and an EAGLE-3 head.

What each part is, and where the servers' code has it, is in docs/performance-model.md (speculation).
"""

from __future__ import annotations

from dataclasses import replace

from ieco_opt.catalog.attention import (
    Attention,
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    LatentAttention,
)
from ieco_opt.catalog.types import FeedForward, Head, Model
from ieco_opt.errors import ScenarioError

EAGLE3_VOCABULARY = 32_000
"""Most tokens of the output of an EAGLE-3 head: ``draft_vocab_size`` of the published ones for Llama 3."""

_EAGLE3_STATES = 3
_EAGLE3_HEAD_WIDTH = 128
_DENSE_WIDTHS = 4

Cached = GroupedQueryAttention | LatentAttention | GeneralAttention


def mtp_head(model: Model) -> Head:
    """One multi-token-prediction layer of a model, which shares its embedding and head.

    Raises
    ------
    ScenarioError
        The model has no such layer, as far as it is known.
    """
    if not model.mtp_layers:
        found = f"found mtp, but no multi-token-prediction layer of {model.name} is known"
        expected = "expected draft_model or eagle3 (of a model that has one: {like: NAME, mtp_layers: 1})"
        raise ScenarioError.single(f"{found}, {expected}")
    routed = [block for block in model.feed_forward if block.experts > 1 or block.shared]
    dense = [block for block in model.feed_forward if block not in routed and block.width > 0]
    blocks = routed if any(block.experts > 1 for block in routed) else dense[-1:]
    return _head(
        model,
        mode="mtp",
        name=model.name,
        attention=_cached_attention(model),
        feed_forward=tuple(replace(block, layers=1) for block in blocks),
        joining_params=2 * model.width**2,
        borrowed=("embedding", "head"),
    )


def eagle3_head(model: Model, name: str) -> Head:
    """An EAGLE-3 head for a model: a dense layer that takes an embedding beside a state, and a head of its own.

    Raises
    ------
    ScenarioError
        The model has no attention with a cache.
    """
    dense = max((block.width for block in model.feed_forward if block.experts == 1 and not block.shared), default=0)
    return _head(
        model,
        mode="eagle3",
        name=name,
        attention=_taking_both(_cached_attention(model), model.width),
        feed_forward=(FeedForward(layers=1, width=dense or _DENSE_WIDTHS * model.width),),
        vocabulary=min(model.vocabulary, EAGLE3_VOCABULARY),
        fusing_params=_EAGLE3_STATES * model.width**2,
        borrowed=("embedding",),
        recipes={},
        published=(),
    )


def eagle3_head_read(checkpoint: Model, model: Model) -> Head:
    """An EAGLE-3 head for a model that a file or a mapping describes; what joins states is in its attention there."""
    return _head(checkpoint, mode="eagle3", feed_forward=checkpoint.feed_forward, borrowed=("embedding",), of=model)


def _head(model: Model, *, of: Model | None = None, attention: Attention | None = None, **changes: object) -> Head:
    """The head with the fields of a model but for the changes."""
    blocks = model.blocks if attention is None else (AttentionBlock(1, attention),)
    fields = {name: getattr(model, name) for name in Model.__dataclass_fields__}
    fields |= {"layers": sum(block.layers for block in blocks), "blocks": blocks}
    fields |= {"max_context_tokens": (of or model).max_context_tokens, "mtp_layers": 0}
    return Head(**(fields | changes))


def _cached_attention(model: Model) -> Cached:
    """Attention of the last kind that has a cache."""
    for block in reversed(model.blocks):
        if isinstance(block.attention, Cached):
            return block.attention
    raise ScenarioError.single(f"found no attention with a cache in {model.name}, expected one for a head that drafts")


def _taking_both(attention: Cached, width: int) -> Attention:
    """The attention with projections that take an embedding beside a state, without windows and indexers."""
    if isinstance(attention, LatentAttention):
        kind = attention
        queries = kind.query_width or kind.query_heads * (kind.nope_head_width + kind.rope_head_width)
        return replace(kind, indexer=None, extra_params=(queries + kind.kv_width + kind.rope_head_width) * width)
    if isinstance(attention, GeneralAttention):
        attention = GroupedQueryAttention(attention.query_heads, attention.kv_heads, _EAGLE3_HEAD_WIDTH)
    keys, values = attention.head_width, attention.value_head_width or attention.head_width
    rows = attention.query_heads * keys + attention.kv_heads * (keys + values)
    return replace(attention, window=None, indexer=None, extra_params=rows * width)
