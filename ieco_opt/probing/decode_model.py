"""A decode step of layers with random 16-bit weights, in plain operations of torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ieco_opt.catalog.attention import GroupedQueryAttention, LatentAttention
from ieco_opt.catalog.types import FeedForward, Model
from ieco_opt.probing.decode_shapes import LayerKind

if TYPE_CHECKING:
    from ieco_opt.probing.devices import Machine

Part = Callable[[Any], Any]
"""From what goes into a part of a layer, one row a sequence, to what comes out."""

_SPREAD = 0.02


class Weights:
    """Makes random tensors on a device."""

    def __init__(self, machine: Machine) -> None:
        self.torch = machine.torch
        self.place = machine.place

    def of(self, *shape: int) -> Any:
        """Weights, or a cache, of a shape."""
        made = self.torch.empty(*shape, dtype=self.torch.bfloat16, device=self.place)
        return made.normal_(std=_SPREAD)

    def ones(self, width: int) -> Any:
        """The gain of a norm."""
        return self.torch.ones(width, dtype=self.torch.bfloat16, device=self.place)


class Layers:
    """Some layers of one kind, whose weights stay while batch and context change."""

    def __init__(self, weights: Weights, model: Model, kind: LayerKind, layers: int) -> None:
        self.weights = weights
        self.kind = kind
        self.made = [
            (
                _attention_weights(weights, kind.attention, model.width),
                [_block(weights, each, model.width) for each in kind.feed_forward],
                [weights.ones(model.width) for _ in range(2)],
            )
            for _ in range(layers)
        ]

    def parts(self, batch: int, context: int) -> list[Part]:
        """The layers with a cache of their own for each."""
        return [self._layer(*each, batch, self.kind.cached(context)) for each in self.made]

    def _layer(self, attention: Any, blocks: list[Part], norms: list[Any], batch: int, cached: int) -> Part:
        torch = self.weights.torch
        attend = _attention(self.weights, self.kind.attention, attention, batch, cached)

        def layer(state: Any) -> Any:
            state = state + attend(_normed(torch, state, norms[0]))
            given = _normed(torch, state, norms[1])
            for block in blocks:
                state = state + block(given)
            return state

        return layer


def step_of(weights: Weights, model: Model, head: Any, layers: list[Part], batch: int) -> Callable[[], Any]:
    """A step of a batch: input embedding, layers, norm, output matrix, and the likeliest token.

    ``head`` is the output matrix, which is the input's here: one row a token of the vocabulary.
    """
    torch = weights.torch
    tokens = torch.arange(batch, device=weights.place) % model.vocabulary
    norm = weights.ones(model.width)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step() -> Any:
        state = head[tokens]
        for layer in layers:
            state = layer(state)
        return (_normed(torch, state, norm) @ head.t()).argmax(dim=-1)

    made: Callable[[], Any] = step
    return made


def _normed(torch: Any, state: Any, gain: Any) -> Any:
    return torch.nn.functional.rms_norm(state, gain.shape, gain)


def _turned(torch: Any, heads: Any) -> Any:
    """Rotary position, with all angles alike: only the time counts."""
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    return torch.cat([0.6 * first - 0.8 * second, 0.8 * first + 0.6 * second], dim=-1)


def _attention_weights(weights: Weights, attention: GroupedQueryAttention | LatentAttention, width: int) -> Any:
    heads = attention.query_heads
    if isinstance(attention, GroupedQueryAttention):
        values = attention.value_head_width or attention.head_width
        into = (heads + attention.kv_heads) * attention.head_width + attention.kv_heads * values
        return weights.of(width, into), weights.of(heads * values, width)
    queries = heads * (attention.nope_head_width + attention.rope_head_width)
    # With compression two matrices one after the other, else one.
    widths = (width, queries) if attention.query_width is None else (width, attention.query_width, queries)
    return (
        [weights.of(*each) for each in pairwise(widths)],
        weights.of(width, attention.kv_width + attention.rope_head_width),
        weights.of(heads, attention.nope_head_width, attention.kv_width),
        weights.of(heads, attention.kv_width, attention.value_head_width),
        weights.of(heads * attention.value_head_width, width),
    )


def _attention(
    weights: Weights, attention: GroupedQueryAttention | LatentAttention, made: Any, batch: int, cached: int
) -> Part:
    if isinstance(attention, GroupedQueryAttention):
        return _grouped_query(weights, attention, made, batch, cached)
    return _latent(weights, attention, made, batch, cached)


def _grouped_query(weights: Weights, attention: GroupedQueryAttention, made: Any, batch: int, cached: int) -> Part:
    torch, (into, out) = weights.torch, made
    heads, groups, wide = attention.query_heads, attention.kv_heads, attention.head_width
    values = attention.value_head_width or wide
    keys_kept, values_kept = weights.of(batch, groups, cached, wide), weights.of(batch, groups, cached, values)

    def attend(given: Any) -> Any:
        queries, keys, fresh = (given @ into).split([heads * wide, groups * wide, groups * values], dim=-1)
        keys_kept[:, :, -1] = _turned(torch, keys.view(batch, groups, wide))
        values_kept[:, :, -1] = fresh.view(batch, groups, values)
        # Heads that share keys stand where tokens usually do: so nothing is copied for each of them.
        asked = _turned(torch, queries.view(batch, groups, heads // groups, wide))
        found = torch.nn.functional.scaled_dot_product_attention(asked, keys_kept, values_kept)
        return found.reshape(batch, heads * values) @ out

    return attend


def _latent(weights: Weights, attention: LatentAttention, made: Any, batch: int, cached: int) -> Part:
    torch, (into_queries, into_latent, into_keys, into_values, out) = weights.torch, made
    heads, plain, turned = attention.query_heads, attention.nope_head_width, attention.rope_head_width
    kept = weights.of(batch, 1, cached, attention.kv_width + turned)
    scale = float(plain + turned) ** -0.5

    def attend(given: Any) -> Any:
        kept[:, 0, -1] = given @ into_latent
        for each in into_queries:
            given = given @ each
        queries = given.view(batch, heads, plain + turned)
        # Queries are brought to the latent vectors, not these to keys of every head.
        latent = torch.einsum("bhn,hnc->bhc", queries[..., :plain], into_keys)
        asked = torch.cat([latent, _turned(torch, queries[..., plain:])], dim=-1).unsqueeze(1)
        found = torch.nn.functional.scaled_dot_product_attention(
            asked, kept, kept[..., : attention.kv_width], scale=scale
        )
        values = torch.einsum("bhc,hcv->bhv", found.squeeze(1), into_values)
        return values.reshape(batch, heads * attention.value_head_width) @ out

    return attend


def _block(weights: Weights, block: FeedForward, width: int) -> Part:
    torch = weights.torch

    def activated(inner: Any) -> Any:
        if block.up == 1:
            return torch.nn.functional.relu(inner)
        gate, up = inner.chunk(2, dim=-1)
        return torch.nn.functional.silu(gate) * up

    if block.experts > 1:
        return _routed(weights, block, width, activated)
    into, out = weights.of(width, block.up * block.width), weights.of(block.down * block.width, width)
    return lambda given: activated(given @ into) @ out


def _routed(weights: Weights, block: FeedForward, width: int, activated: Part) -> Part:
    """Routed experts: tokens in order of their experts, and one product over the groups of them."""
    torch = weights.torch
    grouped = getattr(torch.nn.functional, "grouped_mm", None) or getattr(torch, "_grouped_mm", None)
    router = weights.of(width, block.experts)
    into = weights.of(block.experts, width, block.up * block.width)
    out = weights.of(block.experts, block.down * block.width, width)
    numbers = torch.arange(block.experts, device=weights.place)

    def products(tokens: Any, experts: Any) -> Any:
        if grouped is None:
            # Not captured: how many tokens an expert has decides what is launched.
            parts = [tokens[experts == each] for each in range(block.experts)]
            used = [(each, part) for each, part in enumerate(parts) if len(part)]
            return torch.cat([activated(part @ into[each]) @ out[each] for each, part in used])
        ends = (experts[:, None] == numbers).sum(dim=0).cumsum(dim=0).to(torch.int32)
        return grouped(activated(grouped(tokens, into, offs=ends)), out, offs=ends)

    def routed(given: Any) -> Any:
        scores, chosen = (given @ router).topk(block.active, dim=-1)
        experts, order = chosen.flatten().sort()
        rows = order // block.active
        shares = scores.softmax(dim=-1).flatten()[order]
        found = products(given[rows], experts) * shares[:, None]
        return torch.zeros_like(given).index_add(0, rows, found)

    return routed
