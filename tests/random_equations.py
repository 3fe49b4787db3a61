"""Scenarios of the equations alone that lean towards one rule of a model, which chance alone seldom lets decide."""

from __future__ import annotations

import random
from typing import Any

Mapping = dict[str, Any]

_TOO_SHORT = ("max_context_tokens",)
"""What no longer holds of a model whose requests become longer."""


def leaning_model(rng: random.Random, mapping: Mapping) -> Mapping:
    """Change a drawn scenario without servers and with an own model such that one rule may decide."""
    return rng.choice((_whole_layers, _whole_layers, _whole_layers, _four_bits, _four_bits, _means))(rng, mapping)


def _whole_layers(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw stages that cannot have as many layers with a cache each, which is what such layers are read for."""
    layers, width = rng.choice((5, 7, 9)), 4096
    with_cache = rng.choice((1, 2, 3))
    cached = {"kind": "grouped_query", "query_heads": 32, "kv_heads": 32, "head_width": 128}
    others = rng.choice(({"kind": "none"}, cached | {"window": 100}))
    blocks = [{"layers": with_cache, "attention": cached}, {"layers": layers - with_cache, "attention": others}]
    feed_forward = [{"layers": layers, "width": 8192}]
    model = mapping["model"] | {"layers": layers, "width": width, "blocks": blocks, "feed_forward": feed_forward}
    for name in ("attention", *_TOO_SHORT):
        model.pop(name, None)
    space = mapping["design_space"] | {"pipeline_parallel": rng.choice(([2], [2], [2, 3]))}
    return mapping | {"model": model, "design_space": space, "workload": mapping["workload"] | {"context_tokens": 8000}}


def _four_bits(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw an accelerator, or a model, whose own four bits are not NVFP4."""
    model = {name: value for name, value in mapping["model"].items() if name not in ("published", "recipes")}
    return mapping | {"model": model, "weights": ["fp4"], "accelerators": [rng.choice(("MI300X", "MI355X"))]}


def _means(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw a window that fills up while a reply is written."""
    attention = {"kind": "grouped_query", "query_heads": 16, "kv_heads": 16, "head_width": 128, "window": 3000}
    model = mapping["model"] | {"attention": attention}
    for name in ("blocks", *_TOO_SHORT):
        model.pop(name, None)
    tokens = {"context_tokens": rng.choice((300, 1000)), "output_tokens": 6000}
    return mapping | {"model": model, "workload": mapping["workload"] | tokens}
