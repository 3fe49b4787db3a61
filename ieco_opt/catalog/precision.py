"""Precisions of weights: what each format takes and how it computes, and which part of a model is in which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError

PARTS = ("experts", "shared_experts", "feed_forward", "attention", "embedding", "head", "norms")
"""Parts of a model that have a format of their own; norms are those and the routers of experts."""

REST = "rest"
"""In a recipe: every part that it does not name."""


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How a weight is stored.

    Attributes
    ----------
    bits
        Bits of one weight, its share of the scales included.
    arithmetic_bits
        Width of the arithmetic that takes it as it is; hardware without that width computes in 16 bits.
    padded_width
        Kernels store widths of experts in multiples of this.
    """

    bits: float
    arithmetic_bits: int
    padded_width: int = 1


FORMATS: Mapping[str, WeightFormat] = MappingProxyType(
    {
        "bf16": WeightFormat(16.0, 16),
        "fp16": WeightFormat(16.0, 16),
        "fp8": WeightFormat(8.03, 8),
        "int8": WeightFormat(8.03, 8),
        "mxfp8": WeightFormat(8.25, 8),
        "nvfp4": WeightFormat(4.5, 4),
        "mxfp4": WeightFormat(4.25, 4, padded_width=256),
        "int4": WeightFormat(4.16, 16),
        "awq": WeightFormat(4.16, 16),
        "gptq": WeightFormat(4.16, 16),
        "int4_g64": WeightFormat(4.31, 16),
        "int4_g32": WeightFormat(4.5, 16),
    }
)
"""Formats by name: groups of 128 weights share a 16-bit scale and a 4-bit zero in int4, awq and gptq."""

KvCache = Literal["bf16", "fp8"]

KV_CACHES: tuple[KvCache, ...] = get_args(KvCache)
"""Precisions of the cache."""

FP4 = "fp4"
"""MXFP4 where the model comes in it or the accelerator is AMD's, else NVFP4."""

PRECISIONS = (*FORMATS, FP4)
"""Names that a scenario may list: each stands for the usual recipe of its model."""

_QUANTISED = ("experts", "shared_experts", "feed_forward", "attention")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The format of each part of a model, in the order of ``PARTS``; ``label`` is what a scenario calls it."""

    label: str
    formats: tuple[str, ...]

    def name_of(self, part: str) -> str:
        """Name of the format of a part."""
        return self.formats[PARTS.index(part)]

    def format_of(self, part: str) -> WeightFormat:
        """Format of a part."""
        return FORMATS[self.name_of(part)]

    def bytes_of(self, part: str) -> float:
        """Bytes of one weight of a part, scales included."""
        return self.format_of(part).bits / 8.0

    def short(self) -> str:
        """The recipe as a mapping on one line, such as ``experts=mxfp4,rest=bf16``."""
        return written(_shortest(self.formats))


@dataclass(frozen=True, slots=True)
class Precision:
    """What a scenario says of weights (a name, or formats by part) and cache, for one choice of the solver."""

    weights: str | Mapping[str, str]
    kv_cache: KvCache

    @property
    def label(self) -> str:
        """The weights as tables call them."""
        return label(self.weights)

    def short(self) -> list[str]:
        """Parts of a short name: the weights, and the cache where it is not in 16 bits."""
        return [self.label, *([] if self.kv_cache == "bf16" else [f"kv-{self.kv_cache}"])]


def takes_cache(accelerator: Accelerator, kv_cache: str) -> bool:
    """Whether an accelerator can keep its cache in a precision: 8 bits need arithmetic of that width."""
    return kv_cache != "fp8" or accelerator.flops_8bit is not None


def label(weights: str | Mapping[str, str]) -> str:
    """Name of an entry of ``weights``, or its mapping on one line."""
    return weights if isinstance(weights, str) else written(weights)


def written(mapping: Mapping[str, str]) -> str:
    """Write a recipe's mapping as the column ``weights`` holds it."""
    return ",".join(f"{part}={mapping[part]}" for part in (*PARTS, REST) if part in mapping)


def parts_left_out(mapping: Mapping[str, str]) -> list[str]:
    """Parts that formats by part name neither themselves nor with ``rest``."""
    return [] if REST in mapping else [part for part in PARTS if part not in mapping]


def parsed(text: str) -> str | dict[str, str]:
    """Read what ``label`` writes.

    Raises
    ------
    ScenarioError
        Where it is neither a name of ``PRECISIONS`` nor formats by part.
    """
    if text in PRECISIONS:
        return text
    pairs = [entry.partition("=") for entry in text.split(",")]
    mapping = {part: each for part, _, each in pairs}
    if len(mapping) < len(pairs) or not all(
        part in (*PARTS, REST) and each in FORMATS for part, each in mapping.items()
    ):
        expected = f"one of {', '.join(PRECISIONS)}, or formats by part as experts=mxfp4,rest=bf16"
        raise ScenarioError.single(f"found {found(text)}, expected {expected}")
    _completed(mapping)
    return mapping


def recipe(model: Model, weights: str | Mapping[str, str], accelerator: Accelerator) -> Recipe:
    """Say which part of a model is in which format on an accelerator.

    Parameters
    ----------
    weights
        A name of ``PRECISIONS``, or formats by part, of which ``rest`` stands for those not named.

    Raises
    ------
    ScenarioError
        Where a mapping leaves parts out, or no checkpoint of the model has this precision.
    """
    if not isinstance(weights, str):
        return Recipe(written(weights), _completed(weights))
    name = _fp4_of(model, accelerator) if weights == FP4 else weights
    if model.published and name not in model.published:
        raise ScenarioError.single(
            f"found {weights!r}, which no checkpoint of {model.name} has, expected {_nearest_first(model, name)}"
        )
    return Recipe(weights, _completed(model.recipes.get(name) or _usual(model, name)))


def _fp4_of(model: Model, accelerator: Accelerator) -> str:
    own = "mxfp4" in model.recipes or "mxfp4" in model.published
    return "mxfp4" if own or accelerator.vendor == "amd" else "nvfp4"


def _usual(model: Model, name: str) -> Mapping[str, str]:
    """Linear layers are quantised; MXFP4 covers experts alone where there are any (vLLM's and SGLang's method)."""
    if FORMATS[name].bits == 16.0:
        return {REST: name}
    experts_only = name == "mxfp4" and any(block.experts > 1 for block in model.feed_forward)
    return dict.fromkeys(("experts",) if experts_only else _QUANTISED, name) | {REST: "bf16"}


def _completed(mapping: Mapping[str, str]) -> tuple[str, ...]:
    missing = parts_left_out(mapping)
    if missing:
        raise ScenarioError.single(f"found no format of {', '.join(missing)}, expected one of each part, or {REST}")
    return tuple(mapping.get(part) or mapping[REST] for part in PARTS)


def _nearest_first(model: Model, name: str) -> str:
    wanted = FORMATS[name].bits

    def described() -> Iterator[str]:
        for known in sorted(model.published, key=lambda each: abs(FORMATS[each].bits - wanted)):
            yield f"{known} ({written(_shortest(_completed(model.recipes.get(known) or _usual(model, known))))})"

    return " or ".join(described())


def _shortest(formats: Iterable[str]) -> dict[str, str]:
    """The mapping that names fewest parts."""
    listed = dict(zip(PARTS, formats, strict=True))
    common = listed["norms"]
    return {part: each for part, each in listed.items() if each != common} | {REST: common}
