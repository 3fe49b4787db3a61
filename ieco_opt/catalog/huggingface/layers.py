"""Layers told one by one become rows of a model: as many layers as are alike, in the order in which they first come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ieco_opt.catalog.huggingface.keys import Config, Mappings

Item = TypeVar("Item")

Attentions = list[Mappings]
"""The attention of each layer, as `blocks` of docs/catalog.md describes it."""

FeedForwards = list[tuple[Mappings, ...]]
"""The feed-forward blocks of each layer: one, or routed experts and a shared one."""

NO_ATTENTION: Mappings = {"kind": "none"}
NO_FEED_FORWARD: tuple[Mappings, ...] = ({"width": 0},)


def attention_fields(attentions: Attentions) -> Mappings:
    """Give `attention` where all layers have the same, else `blocks`."""
    rows = _counted(attentions)
    if len(rows) == 1:
        return {"attention": rows[0][0]}
    return {"blocks": [{"layers": layers, "attention": attention} for attention, layers in rows]}


def feed_forward_rows(blocks: FeedForwards) -> list[Mappings]:
    """Give the rows of `feed_forward`."""
    return [{"layers": layers, **block} for block, layers in _counted(block for kinds in blocks for block in kinds)]


def sparse_layers(config: Config, default_first: int | None = None) -> list[bool]:
    """Tell for each layer whether it has routed experts; `default_first` layers have none where no key says."""
    layers = config.layers()
    kinds = config.per_layer("mlp_layer_types")
    if kinds:
        return [kind != "dense" for kind in kinds]
    listed = config.get("moe_layers_enum")
    if listed is not None:
        named = listed.split(",") if isinstance(listed, str) else config.items("moe_layers_enum")
        chosen = {str(layer).strip() for layer in named}
        return [str(layer) in chosen for layer in range(layers)]
    if isinstance(config.get("moe_layer_freq"), list):
        return [bool(every) for every in config.per_layer("moe_layer_freq")]
    first = config.count("first_k_dense_replace", default=default_first, least=0)
    step = config.count("moe_layer_freq", default=1)
    return [layer >= first and layer % step == 0 for layer in range(layers)]


def _counted(items: Iterable[Item]) -> list[tuple[Item, int]]:
    """Distinct items with their number, in the order in which they first come."""
    counts: dict[str, tuple[Item, int]] = {}
    for item in items:
        first, number = counts.get(repr(item), (item, 0))
        counts[repr(item)] = (first, number + 1)
    return list(counts.values())
