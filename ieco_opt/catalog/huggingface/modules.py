"""Names that checkpoints give to the matrices of each part of a model, and how many weights each has."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ieco_opt.catalog.huggingface.keys import Mappings, number
from ieco_opt.catalog.huggingface.layers import Attentions, FeedForwards

HEAD_NAMES = ("lm_head", "head", "language_model.lm_head")
"""What checkpoints call the matrix of the output."""

_LAYER_NAMES = (
    "model.layers.{}",
    "model.language_model.layers.{}",
    "language_model.model.layers.{}",
    "backbone.layers.{}",
    "layers.{}",
)
_ATTENTION_NAMES = ("self_attn", "attn", "attention", "mixer", "linear_attn", "mamba")
_BLOCK_NAMES = ("mlp", "feed_forward", "mixer", "ffn", "block_sparse_moe", "moe")
_SHARED_NAMES = ("shared_experts", "shared_expert", "share_expert", "shared_mlp")
_UP_NAMES, _DOWN_NAMES = ("gate_proj", "up_proj", "w1", "w3"), ("down_proj", "w2")


@dataclass(frozen=True, slots=True)
class Module:
    """A matrix of one layer: its part, the names it may have, and its number of weights."""

    part: str
    names: tuple[str, ...]
    weights: int


@dataclass(frozen=True, slots=True)
class Spelling:
    """Names that may stand around a matrix; ``beside`` tells that a layer has `mlp` and `experts` side by side."""

    layers: tuple[str, ...]
    attention: tuple[str, ...]
    blocks: tuple[str, ...]
    shared: tuple[str, ...]
    beside: bool

    def around(self, part: str) -> tuple[str, ...]:
        """Names around the matrices of a part, inside a layer."""
        if part == "attention":
            return self.attention
        if part == "feed_forward" or (self.beside and part == "shared_experts"):
            return self.blocks
        if part == "experts":
            return ("experts.0",) if self.beside else tuple(f"{block}.experts.0" for block in self.blocks)
        return _joined(self.blocks, self.shared)


def spelling_in(text: str, beside: bool) -> Spelling:
    """Give the names that a text mentions, or the usual ones where it mentions none of a kind."""

    def mentioned(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in text) or names[:1]

    layers = tuple(name for name in _LAYER_NAMES if name[:-2] in text)
    if not re.search(r"(?:^|\W)layers\.", text.replace("model.layers.", ""), flags=re.MULTILINE):
        layers = tuple(name for name in layers if name != _LAYER_NAMES[-1])
    return Spelling(
        layers or _LAYER_NAMES[:1],
        mentioned(_ATTENTION_NAMES),
        mentioned(_BLOCK_NAMES),
        mentioned(_SHARED_NAMES),
        beside,
    )


def modules(width: int, attentions: Attentions, feed_forwards: FeedForwards, spelling: Spelling) -> Iterator[Module]:
    """Go through the matrices of all layers; the experts of a layer are one, as are matrices that share their fate."""
    for layer, (attention, blocks) in enumerate(zip(attentions, feed_forwards, strict=True)):
        bases = tuple(name.format(layer) for name in spelling.layers)
        for inner, weights in _attention_matrices(attention, width):
            yield Module("attention", _joined(bases, spelling.around("attention"), inner), weights)
        for block in blocks:
            part = (
                "experts" if number(block, "experts") else "shared_experts" if block.get("shared") else "feed_forward"
            )
            weights = max(number(block, "experts"), 1) * number(block, "width") * width
            for names, key, usual in ((_UP_NAMES, "up", 2), (_DOWN_NAMES, "down", 1)):
                matrices = number(block, key) or usual
                if weights:
                    yield Module(part, _joined(bases, spelling.around(part), names), weights * matrices)


def _joined(*pieces: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(".".join(each) for each in itertools.product(*pieces))


def _attention_matrices(attention: Mappings, width: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Names inside a layer's attention, with numbers of weights, of each matrix that may be told apart."""
    kind = attention["kind"]
    heads = number(attention, "query_heads")
    if kind == "grouped_query":
        head = number(attention, "head_width")
        values = number(attention, "value_head_width") or head
        kv_heads = number(attention, "kv_heads")
        yield ("q_proj", "qkv_proj", "wq"), heads * head * width + number(attention, "extra_params")
        yield ("k_proj", "qkv_proj", "wk"), kv_heads * head * width
        yield ("v_proj", "qkv_proj", "wv"), kv_heads * values * width
        yield ("o_proj", "wo"), heads * values * width
    elif kind == "latent":
        nope, rope, values = (number(attention, f"{name}_head_width") for name in ("nope", "rope", "value"))
        kv_width, query_width = number(attention, "kv_width"), number(attention, "query_width")
        if query_width:
            yield ("q_a_proj", "fused_qkv_a_proj", "wq_a"), query_width * width
        yield ("q_b_proj", "q_proj", "wq_b"), heads * (nope + rope) * (query_width or width)
        yield ("kv_a_proj_with_mqa", "fused_qkv_a_proj", "wkv_a"), (kv_width + rope) * width
        yield ("kv_b_proj", "wkv_b"), heads * (nope + values) * kv_width
        yield ("o_proj", "wo"), heads * values * width
    elif kind == "recurrent":
        into = ("in_proj", "in_proj_qkv", "in_proj_qkvz", "qkv_proj", "q_proj")
        yield into, number(attention, "input_width") * width
        yield ("out_proj", "o_proj"), number(attention, "output_width") * width
    elif kind == "general":
        matrices = attention["matrices"]
        total = sum(rows * columns for rows, columns in matrices) if isinstance(matrices, list) else 0
        yield ("q_proj", "o_proj", "wq_a", "wo_a"), total
