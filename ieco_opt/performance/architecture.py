"""What one forward pass touches: the sizes that the latency equations need, for either fidelity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

import numpy as np

from ieco_opt.catalog.attention import Matrix
from ieco_opt.catalog.parameters import CACHE_BYTES, active_params, cache_bytes_per_token, total_params
from ieco_opt.catalog.precision import Precision, Recipe, WeightFormat, recipe
from ieco_opt.catalog.types import Accelerator, FeedForward, Fidelity, Head, Model, PaperModel
from ieco_opt.performance.attention import AttentionLayers, attention_layers
from ieco_opt.performance.collectives import Array


@dataclass(frozen=True, slots=True)
class Block:
    """A feed-forward block; ``sparsity`` is the share of experts that one token skips, as E / A.

    ``part`` is what recipes call it, ``stored`` the weights that kernels keep for one: at least its own.
    """

    layers: int
    width: int
    up: int
    down: int
    experts: int
    active: int
    sparsity: float
    part: str
    params_per_expert: int
    stored: float = 1.0

    @property
    def flop_per_token(self) -> float:
        """FLOP of one token in all layers of the block (feed-forward term of the arithmetic)."""
        return 2 * self.layers * self.experts * self.params_per_expert / self.sparsity


class PartFlop(NamedTuple):
    """FLOP of one token in a part of the model, and the width that the part computes in."""

    flop: float
    arithmetic_bits: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """One model at one precision of weights and cache, as the equations see it.

    Attributes
    ----------
    recipe
        Formats of the parts in ``deployable``; ``None`` in ``paper``, where ``weight_bytes`` says all.
    weight_bytes
        Bytes of a weight in ``paper``.
    attention
        Layers by their attention.
    rest_flop_per_token
        Projections and embeddings of one token in ``paper``.
    joining_params
        Weights that every rank holds whole and reads in every pass, besides norms and routers: what joins states.
    fusing_params
        The same, but read by others (docs/performance-model.md, heads).
    borrowed
        Embeddings that stand in memory as another model's.
    """

    name: str
    fidelity: Fidelity
    layers: int
    width: int
    vocabulary: int
    tied_embeddings: bool
    recipe: Recipe | None
    weight_bytes: float
    activation_bytes: float
    attention: tuple[AttentionLayers, ...]
    total_params: int
    blocks: tuple[Block, ...]
    rest_flop_per_token: float = 0.0
    joining_params: int = 0
    fusing_params: int = 0
    borrowed: tuple[str, ...] = ()

    @property
    def experts(self) -> int:
        """Experts of the routed block, 1 for a dense model."""
        return max((block.experts for block in self.blocks), default=1)

    @property
    def routed_layers(self) -> int:
        """Layers that have routed experts."""
        return sum(block.layers for block in self.blocks if block.experts > 1)

    @property
    def attention_layers(self) -> int:
        """Layers that have attention of any kind."""
        return sum(kind.layers for kind in self.attention if kind.matrices)

    @property
    def embedding_params(self) -> int:
        """Weights of one embedding."""
        return self.vocabulary * self.width

    def bytes_of(self, part: str) -> float:
        """Bytes of one weight of a part, scales included."""
        return self.weight_bytes if self.recipe is None else self.recipe.bytes_of(part)

    def norm_bytes(self, layers: float | Array, routed_layers: float | Array) -> Array:
        """Bytes of the norms of ``layers``, of the routers of ``routed_layers`` and of what joins states."""
        params = 2.0 * np.asarray(layers) * self.width + np.asarray(routed_layers) * self.width * self.experts
        return np.asarray((params + self.joining_params) * self.bytes_of("norms"))

    @property
    def fusing_bytes(self) -> float:
        """Bytes on every rank of the weights that join states once a round."""
        return self.fusing_params * self.bytes_of("norms")

    def fusing(self, head: Architecture) -> Architecture:
        """The same model in a pass that verifies for a head: it joins states for it, if the head needs that."""
        return replace(self, joining_params=head.fusing_params) if head.fusing_params else self

    def embedding_bytes(self, part: str) -> float:
        """Bytes in memory of one copy of an embedding, ``embedding`` or ``head``."""
        return 0.0 if part in self.borrowed else self.embedding_params * self.bytes_of(part)

    @property
    def feed_forward_flop_per_token(self) -> float:
        """FLOP of one token in every feed-forward block."""
        return sum(block.flop_per_token for block in self.blocks)

    @property
    def projection_flop_per_token(self) -> float:
        """FLOP of one token in the attention weights of all layers."""
        return sum(2.0 * kind.layers * kind.params for kind in self.attention)

    def attended_flop_per_token(self, start: float | Array, end: float | Array) -> Array:
        """FLOP of one token over the caches and states of all layers, on average over its positions."""
        return np.asarray(sum(kind.layers * kind.flop_per_token(start, end) for kind in self.attention))

    def resident_bytes(self, tokens: float | Array) -> Array:
        """Cache of one sequence of ``tokens`` in all layers, one copy, in bytes."""
        return np.asarray(sum(kind.layers * kind.resident_bytes(tokens) for kind in self.attention))

    def weights_bytes(self) -> float:
        """Weights of the whole model, one copy, in bytes."""
        if self.recipe is None:
            return self.weight_bytes * self.total_params
        attention = sum(kind.layers * kind.params for kind in self.attention) * self.bytes_of("attention")
        feed_forward = sum(
            block.layers * block.experts * block.params_per_expert * block.stored * self.bytes_of(block.part)
            for block in self.blocks
        )
        embedding = 0.0 if self.tied_embeddings else self.embedding_bytes("embedding")
        whole = float(self.norm_bytes(self.layers, self.routed_layers)) + self.fusing_bytes
        return attention + feed_forward + self.embedding_bytes("head") + embedding + whole

    def layer_flop(self) -> list[PartFlop]:
        """FLOP of one token in the weights of all layers, by part."""
        parts = [(block.part, block.flop_per_token) for block in self.blocks]
        parts.append(("attention", self.projection_flop_per_token))
        return [PartFlop(flop, self._format(part).arithmetic_bits) for part, flop in parts]

    def embedding_flop(self) -> list[PartFlop]:
        """FLOP of one token in both embeddings."""
        flop = 2.0 * self.embedding_params
        return [PartFlop(flop, self._format(part).arithmetic_bits) for part in ("embedding", "head")]

    def _format(self, part: str) -> WeightFormat:
        assert self.recipe is not None
        return self.recipe.format_of(part)


def seconds(parts: Iterable[PartFlop], accelerator: Accelerator) -> float:
    """Seconds of the FLOP of ``parts`` on one GPU at its peak rates."""
    return sum(each.flop / peak_flops(accelerator, each.arithmetic_bits) for each in parts)


def peak_flops(accelerator: Accelerator, bits: int) -> float:
    """Peak FLOP/s at a width, without the utilisation cap; hardware without that width computes in 16 bits."""
    native = {8: accelerator.flops_8bit, 4: accelerator.flops_4bit}.get(bits)
    return accelerator.flops_16bit if native is None else native


def paper_peak_flops(accelerator: Accelerator, weight_bytes: float) -> float:
    """Peak FLOP/s at the width of the paper's weights."""
    return peak_flops(accelerator, {1.0: 8, 0.5: 4}.get(weight_bytes, 16))


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
    block = Block(
        layers=model.layers,
        width=model.feed_forward_width,
        up=model.up,
        down=model.down,
        experts=model.experts,
        active=model.active_experts,
        sparsity=float(sparsity),
        part="experts",
        params_per_expert=(model.up + model.down) * width * model.feed_forward_width,
    )
    attention = AttentionLayers(
        layers=model.layers,
        matrices=matrices,
        outputs=outputs,
        heads=heads,
        kv_heads=kv_heads // 2,
        entry_bytes=cache_bytes_per_token(model) / model.layers,
        index_bytes=0.0,
        state_bytes=0.0,
        kept_tokens=np.inf,
        attended_tokens=np.inf,
        attended_flop=4.0 * attended_words * heads,
        index_flop=0.0,
        state_flop=0.0,
        prompt_attended_flop=4.0 * attended_words * heads,
    )
    return Architecture(
        name=model.name,
        fidelity=Fidelity.PAPER,
        layers=model.layers,
        width=width,
        vocabulary=model.vocabulary,
        tied_embeddings=False,
        recipe=None,
        weight_bytes=model.weight_bytes,
        activation_bytes=model.activation_bytes,
        attention=(attention,),
        total_params=total_params(model),
        blocks=(block,),
        rest_flop_per_token=2 * active_params(model) - block.flop_per_token,
    )


def architecture(model: Model | PaperModel, precision: Precision | None, accelerator: Accelerator) -> Architecture:
    """Read ``model`` in the fidelity its collection belongs to; models of the real one need a precision."""
    if isinstance(model, PaperModel):
        return paper_architecture(model)
    if precision is None:
        raise ValueError(f"{model.name}: a precision is needed for a model of the real collection")
    return deployable_architecture(model, _recipe(model, precision.weights, accelerator), precision.kv_cache)


def _recipe(model: Model, weights: str | Mapping[str, str], accelerator: Accelerator) -> Recipe:
    """Formats of the parts; checkpoints of EAGLE-3 heads are in 16 bits, and so are MTP layers of those in NVFP4."""
    if isinstance(model, Head) and model.mode == "eagle3":
        return recipe(model, "bf16", accelerator)
    usual = recipe(model, weights, accelerator)
    if not isinstance(model, Head):
        return usual
    return replace(usual, formats=tuple("bf16" if each == "nvfp4" else each for each in usual.formats))


def deployable_architecture(model: Model, recipe: Recipe, kv_cache: str) -> Architecture:
    """Read a model of the real collection with its weights in ``recipe`` and its cache in ``kv_cache``."""
    word_bytes = CACHE_BYTES[kv_cache]
    return Architecture(
        name=model.name,
        fidelity=Fidelity.DEPLOYABLE,
        layers=model.layers,
        width=model.width,
        vocabulary=model.vocabulary,
        tied_embeddings=model.tied_embeddings,
        recipe=recipe,
        weight_bytes=np.nan,
        activation_bytes=model.activation_bytes,
        attention=tuple(attention_layers(block, model.width, word_bytes) for block in model.blocks),
        total_params=total_params(model),
        blocks=tuple(_deployable_block(block, model.width, recipe) for block in model.feed_forward if block.width > 0),
        joining_params=model.joining_params if isinstance(model, Head) else 0,
        fusing_params=model.fusing_params if isinstance(model, Head) else 0,
        borrowed=model.borrowed if isinstance(model, Head) else (),
    )


def _deployable_block(block: FeedForward, width: int, recipe: Recipe) -> Block:
    part = "experts" if block.experts > 1 else "shared_experts" if block.shared else "feed_forward"
    padded = recipe.format_of(part).padded_width if part == "experts" else 1
    return Block(
        layers=block.layers,
        width=block.width,
        up=block.up,
        down=block.down,
        experts=block.experts,
        active=block.active,
        sparsity=block.experts / block.active,
        part=part,
        params_per_expert=(block.up + block.down) * width * block.width,
        stored=padded * ceil(block.width / padded) / block.width,
    )
