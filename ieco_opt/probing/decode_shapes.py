"""Layers of a model as `probe --decode` measures them, how many fit, and what they say of the whole model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ieco_opt.catalog.attention import GroupedQueryAttention, LatentAttention
from ieco_opt.catalog.types import FeedForward, Model
from ieco_opt.errors import ScenarioError

BYTES = 2
"""Bytes of a weight and of a word of the cache: 16 bits."""

ENGINE = "probe"
"""The column ``engine`` of the rows: no server, plain operations of torch."""

WEIGHTS = "bf16"

Attends = GroupedQueryAttention | LatentAttention


@dataclass(frozen=True, slots=True)
class LayerKind:
    """Layers that are alike: their attention, and their feed-forward blocks side by side."""

    attention: Attends
    feed_forward: tuple[FeedForward, ...]
    layers: int

    def weight_bytes(self, width: int) -> int:
        """Bytes of the weights of one layer."""
        blocks = sum(_block_params(each, width) for each in self.feed_forward)
        return BYTES * (_attention_params(self.attention, width) + blocks)

    def cached(self, context: int) -> int:
        """Tokens that the cache keeps of a context."""
        window = self.attention.window if isinstance(self.attention, GroupedQueryAttention) else None
        return context if window is None else min(window, context)

    def cache_bytes(self, batch: int, context: int) -> int:
        """Bytes of the cache of one layer."""
        return BYTES * batch * self.cached(context) * _cache_words(self.attention)


def layer_kinds(model: Model) -> list[LayerKind]:
    """Kinds of layers with how often each occurs.

    Raises
    ------
    ScenarioError
        The model has layers of other kinds than attention over a cache of keys and values, or of latent vectors.
    """
    attentions = [block.attention for block in model.blocks for _ in range(block.layers)]
    blocks = [(each,) for each in model.feed_forward if not each.shared for _ in range(each.layers)]
    shared = next((each for each in model.feed_forward if each.shared), None)
    with_shared = 0 if shared is None else shared.layers
    counted: Counter[tuple[Attends, tuple[FeedForward, ...]]] = Counter()
    for attention, (block,) in zip(attentions, blocks, strict=True):
        if not isinstance(attention, Attends) or attention.indexer is not None:
            message = (
                f"found {model.name} with layers of another kind than attention over all of a cache,"
                " expected grouped-query or latent attention in every layer"
            )
            raise ScenarioError.single(message, field="decode")
        beside = (block,)
        if shared is not None and block.experts > 1 and with_shared > 0:
            with_shared -= 1
            beside = (block, shared)  # type: ignore[assignment]
        counted[attention, tuple(_single(each) for each in beside if each.width > 0)] += 1
    return [LayerKind(attention, beside, layers) for (attention, beside), layers in counted.items()]


def fitting_layers(
    model: Model, kind: LayerKind, free_bytes: float, requests: Sequence[tuple[int, int]], most: int | None
) -> int:
    """How many layers of a kind fit beside the output matrix, with any of some caches (batch, context); 0: none."""
    left = free_bytes - head_bytes(model)
    each = kind.weight_bytes(model.width) + max(kind.cache_bytes(*request) for request in requests)
    return max(0, min(kind.layers, int(left // each), *(() if most is None else (most,))))


def fits(model: Model, kinds: Sequence[LayerKind], free_bytes: float, batch: int, context: int) -> bool:
    """Whether one layer of each kind fits with the cache of a batch and a context."""
    return all(fitting_layers(model, kind, free_bytes, [(batch, context)], 1) for kind in kinds)


def head_bytes(model: Model) -> int:
    """Bytes of the output matrix, which is the input's here."""
    return BYTES * model.vocabulary * model.width


def whole_step_s(head_s: float, stacks: Sequence[tuple[int, int, float]]) -> float:
    """Seconds of a step of all layers.

    Parameters
    ----------
    head_s
        Seconds of a step without layers.
    stacks
        Of each kind of layers: how many the model has, how many were measured together, and seconds of that step.
    """
    return head_s + sum(layers * max(seconds - head_s, 0.0) / measured for layers, measured, seconds in stacks)


def row_of(
    model: Model, accelerator: str, batch: int, context: int, seconds: float, measured: Mapping[LayerKind, int]
) -> dict[str, object]:
    """One row with the columns of docs/calibration.md, and two more that say how many layers were measured."""
    taken = sum(measured.values())
    scaled = any(kind.layers > count for kind, count in measured.items())
    return {
        "model": model.name,
        "weights": WEIGHTS,
        "kv_cache": WEIGHTS,
        "accelerator": accelerator,
        "engine": ENGINE,
        "gpus_per_instance": 1,
        "tensor_parallel": 1,
        "prompt_tokens": context,
        "output_tokens": 1,
        "batch": batch,
        "time_per_output_token_s": seconds,
        "disaggregated": 1,
        "config": f"{ENGINE} {model.name} {accelerator}",
        "layers": model.layers,
        "layers_measured": taken,
        "note": f"{taken} of {model.layers} layers measured, the time of the others scaled" if scaled else "",
    }


def _single(block: FeedForward) -> FeedForward:
    """A block without the number of its layers: blocks that are alike are one kind."""
    return FeedForward(
        layers=1,
        width=block.width,
        up=block.up,
        down=block.down,
        experts=block.experts,
        active=block.active,
        shared=block.shared,
    )


def _attention_params(attention: Attends, width: int) -> int:
    heads = attention.query_heads
    if isinstance(attention, GroupedQueryAttention):
        values = attention.value_head_width or attention.head_width
        return width * (heads * (attention.head_width + values) + attention.kv_heads * (attention.head_width + values))
    queries = heads * (attention.nope_head_width + attention.rope_head_width)
    into = width * queries if attention.query_width is None else attention.query_width * (width + queries)
    latent = width * (attention.kv_width + attention.rope_head_width)
    expanded = heads * attention.kv_width * (attention.nope_head_width + attention.value_head_width)
    return into + latent + expanded + heads * attention.value_head_width * width


def _cache_words(attention: Attends) -> int:
    if isinstance(attention, GroupedQueryAttention):
        return attention.kv_heads * (attention.head_width + (attention.value_head_width or attention.head_width))
    return attention.kv_width + attention.rope_head_width


def _block_params(block: FeedForward, width: int) -> int:
    router = width * block.experts if block.experts > 1 else 0
    return block.experts * (block.up + block.down) * width * block.width + router
