"""What a mapping must hold to describe the attention of a layer."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, ValidationInfo, field_validator

from ieco_opt.catalog.attention import (
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    Indexer,
    LatentAttention,
    NoAttention,
    RecurrentAttention,
)
from ieco_opt.catalog.schema_fields import Count, CountOrZero, Positive, Strict, fault


class IndexerInput(Strict):
    """What picks the cached entries that a token attends to."""

    top_k: Count
    """Entries that are picked."""
    heads: CountOrZero
    """Heads of the indexer; 0: the layer takes the picks of a layer before it."""
    head_width: CountOrZero
    """Width of a head of the indexer, and of its key; 0 without heads."""
    query_width: Count | None = None
    """Width that the queries are made of; null: that of the layer's compressed queries, else the model's."""

    @field_validator("head_width")
    @classmethod
    def _with_heads(cls, width: int, info: ValidationInfo) -> int:
        heads = info.data.get("heads")
        if heads is not None and (heads == 0) != (width == 0):
            raise fault(f"found {width} beside heads = {heads}, expected 0 for both or for neither")
        return width

    def build(self) -> Indexer:
        """Make the catalog's type of it."""
        return Indexer(**self.model_dump())


def _divisor_of_query_heads(kv_heads: int, info: ValidationInfo) -> int:
    query_heads = info.data.get("query_heads")
    if query_heads is not None and query_heads % kv_heads:
        raise fault(f"found {kv_heads}, expected a divisor of query_heads ({query_heads})")
    return kv_heads


KvHeads = Annotated[Count, AfterValidator(_divisor_of_query_heads)]


def _built(indexer: IndexerInput | None) -> Indexer | None:
    return None if indexer is None else indexer.build()


class GroupedQueryInput(Strict):
    """Multi-head, grouped-query or multi-query attention."""

    kind: Literal["grouped_query"]
    """Which attention it is."""
    query_heads: Count
    """Query heads."""
    kv_heads: KvHeads
    """KV heads, keys and values not counted apart."""
    head_width: Count
    """Width of a head."""
    value_head_width: Count | None = None
    """Width of a head's values; null: as its keys."""
    window: Count | None = None
    """Tokens that the cache keeps and a token attends to; null: all."""
    indexer: IndexerInput | None = None
    """What picks the entries that a token attends to; null: it attends to all."""
    extra_params: CountOrZero = 0
    """Other attention weights of the layer, such as a gate on the output."""

    def build(self) -> GroupedQueryAttention:
        """Make the catalog's type of it."""
        given = self.model_dump(exclude={"kind", "indexer"})
        return GroupedQueryAttention(**given, indexer=_built(self.indexer))


class LatentInput(Strict):
    """Multi-head latent attention (MLA)."""

    kind: Literal["latent"]
    """Which attention it is."""
    query_heads: Count
    """Query heads."""
    kv_width: Count
    """Width of the compressed keys and values."""
    query_width: Count | None = None
    """Width of the compressed queries; null without query compression."""
    nope_head_width: Count
    """Width of a head without rotary position."""
    rope_head_width: Count
    """Width of a head with rotary position."""
    value_head_width: Count
    """Width of a head's values."""
    indexer: IndexerInput | None = None
    """What picks the entries that a token attends to; null: it attends to all."""
    extra_params: CountOrZero = 0
    """Other attention weights of the layer."""

    def build(self) -> LatentAttention:
        """Make the catalog's type of it."""
        given = self.model_dump(exclude={"kind", "indexer"})
        return LatentAttention(**given, indexer=_built(self.indexer))


MatrixInput: TypeAlias = Annotated[tuple[Count, Count], Field(strict=False)]


class GeneralInput(Strict):
    """Attention over a cache, told by its matrices and what an entry of its cache takes."""

    kind: Literal["general"]
    """Which attention it is."""
    query_heads: Count
    """Query heads."""
    kv_heads: KvHeads
    """Heads that the cache can be split over."""
    matrices: Annotated[tuple[MatrixInput, ...], Field(strict=False, min_length=1, max_length=64)]
    """Rows and columns of each weight matrix of a layer; the first makes queries, keys and values."""
    cache_words: Count
    """Words of one entry of the cache."""
    flop_per_entry: Positive
    """FLOP of one token against one entry."""
    window: Count | None = None
    """Tokens that the cache keeps and a token attends to; null: all."""
    compression: Count = 1
    """Tokens that share one entry."""
    indexer: IndexerInput | None = None
    """What picks the entries that a token attends to; null: it attends to all."""

    def build(self) -> GeneralAttention:
        """Make the catalog's type of it."""
        given = self.model_dump(exclude={"kind", "indexer"})
        return GeneralAttention(**given, indexer=_built(self.indexer))


class RecurrentInput(Strict):
    """A state of fixed size for each sequence: linear attention, delta rules, state-space layers."""

    kind: Literal["recurrent"]
    """Which attention it is."""
    heads: Count
    """Heads that the state is split over."""
    input_width: Count
    """Rows of all projections into the layer together."""
    output_width: Count
    """Columns of the projection out of the layer."""
    state_words: Count
    """Words of the recurrent state of one sequence and layer."""
    state_bytes: Count
    """Bytes of the state of one sequence and layer, convolution included."""

    def build(self) -> RecurrentAttention:
        """Make the catalog's type of it."""
        return RecurrentAttention(**self.model_dump(exclude={"kind"}))


class NoAttentionInput(Strict):
    """Layers that have a feed-forward block alone."""

    kind: Literal["none"]
    """Which attention it is."""

    def build(self) -> NoAttention:
        """Make the catalog's type of it."""
        return NoAttention()


AttentionInput = Annotated[
    GroupedQueryInput | LatentInput | GeneralInput | RecurrentInput | NoAttentionInput, Discriminator("kind")
]

KINDS: dict[str, type[Strict]] = {
    "grouped_query": GroupedQueryInput,
    "latent": LatentInput,
    "general": GeneralInput,
    "recurrent": RecurrentInput,
    "none": NoAttentionInput,
}
"""Schema of each kind of attention, by the name under `kind`."""

KIND_OF: dict[type[object], str] = {
    GroupedQueryAttention: "grouped_query",
    LatentAttention: "latent",
    GeneralAttention: "general",
    RecurrentAttention: "recurrent",
    NoAttention: "none",
}
"""Name of each kind of attention, by the catalog's type."""


class AttentionBlockInput(Strict):
    """Layers of a model that have the same attention."""

    layers: Count
    """Layers that have this attention."""
    attention: AttentionInput
    """The attention of each."""

    def build(self) -> AttentionBlock:
        """Make the catalog's type of it."""
        return AttentionBlock(self.layers, self.attention.build())
