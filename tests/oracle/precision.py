"""Formats of weights, which part of a model is in which, and bytes of a word of the cache."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ieco_opt.catalog.types import Accelerator, Model

from .common import peak_flops
from .heads import Sitting

PARTS = ("experts", "shared_experts", "feed_forward", "attention", "embedding", "head", "norms")

FORMATS: dict[str, tuple[float, int]] = {
    # bits of a weight with its scales; bits of the arithmetic
    "bf16": (16, 16),
    "fp16": (16, 16),
    "fp8": (8.03, 8),
    "int8": (8.03, 8),
    "mxfp8": (8.25, 8),
    "nvfp4": (4.5, 4),
    "mxfp4": (4.25, 4),
    "int4": (4.16, 16),
    "awq": (4.16, 16),
    "gptq": (4.16, 16),
    "int4_g64": (4.31, 16),
    "int4_g32": (4.5, 16),
}

PADDED = {"mxfp4": 256}
"""Widths of experts are stored in multiples of this."""

WORD_BYTES = {"bf16": 2.0, "fp8": 1.0}
"""Bytes of a word of the cache."""


class UnpublishedError(ValueError):
    """No checkpoint of the model has this precision."""


@dataclass(frozen=True, slots=True)
class Precision:
    """An entry of ``weights``, a mapping as one line, and one of ``kv_cache``."""

    weights: str
    kv_cache: str = "bf16"

    @property
    def word_bytes(self) -> float:
        """Bytes of a word of the cache."""
        return WORD_BYTES[self.kv_cache]


def precise(given: str | Precision) -> Precision:
    """Take a bare entry of ``weights`` to have a cache in 16 bits."""
    return given if isinstance(given, Precision) else Precision(given)


def label(entry: str | Mapping[str, str]) -> str:
    """Write an entry of ``weights`` as the column of results holds it."""
    if isinstance(entry, str):
        return entry
    return ",".join(f"{part}={entry[part]}" for part in (*PARTS, "rest") if part in entry)


def listed(given: Any, default: str) -> tuple[str, ...]:
    """Read a field that is a list, one entry, or left out."""
    if given is None:
        return (default,)
    return tuple(label(entry) for entry in (given if isinstance(given, list | tuple) else [given]))


def pairs(weights: Sequence[str], kv_cache: Sequence[str], accelerator: Accelerator) -> Iterator[Precision]:
    """Every precision that there is on an accelerator."""
    for entry, cache in itertools.product(weights, kv_cache):
        if cache != "fp8" or accelerator.flops_8bit is not None:
            yield Precision(entry, cache)


def recipe(model: Model, weights: str, accelerator: Accelerator | None) -> dict[str, str]:
    """Format of every part of a model; the accelerator matters to ``fp4`` alone."""
    if isinstance(model, Sitting):
        return _recipe_of_head(model, weights, accelerator)
    if "=" in weights:
        given = dict(each.split("=") for each in weights.split(","))
        return {part: given[part] if part in given else given["rest"] for part in PARTS}
    name = weights
    if name == "fp4":
        comes_in_it = "mxfp4" in model.recipes or "mxfp4" in model.published
        amd = accelerator is not None and accelerator.vendor == "amd"
        name = "mxfp4" if comes_in_it or amd else "nvfp4"
    if model.published and name not in model.published:
        message = f"no checkpoint of {model.name} is in {weights}"
        raise UnpublishedError(message)
    if name in model.recipes:
        own = model.recipes[name]
        return {part: own.get(part) or own["rest"] for part in PARTS}
    if name in ("bf16", "fp16"):
        return dict.fromkeys(PARTS, name)
    routed = any(block.experts > 1 for block in model.feed_forward)
    quantised = PARTS[:1] if name == "mxfp4" and routed else PARTS[:4]
    return dict.fromkeys(PARTS, "bf16") | dict.fromkeys(quantised, name)


def _recipe_of_head(head: Sitting, weights: str, accelerator: Accelerator | None) -> dict[str, str]:
    """Format of every part of a head: 16 bits, or for an MTP layer the model's, but 16 bits for NVFP4."""
    if head.mode == "eagle3":
        return dict.fromkeys(PARTS, "bf16")
    assert head.sits_on is not None
    parts = recipe(head.sits_on, weights, accelerator)
    return {part: "bf16" if form == "nvfp4" else form for part, form in parts.items()}


def weight_bytes(form: str) -> float:
    """Bytes of one weight."""
    return FORMATS[form][0] / 8


def stored_share(form: str, width: int) -> float:
    """Width of an expert as it is stored, over its width."""
    step = PADDED.get(form, 1)
    return -(-width // step) * step / width


def rate(accelerator: Accelerator, form: str) -> float:
    """Peak FLOP/s of one GPU on weights of a format, without the cap."""
    return peak_flops(accelerator, FORMATS[form][1])
