"""Which part of a checkpoint is in which format: `quantization_config` of a Hugging Face configuration."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ieco_opt.catalog.huggingface.keys import Config
from ieco_opt.catalog.huggingface.modules import HEAD_NAMES, Module
from ieco_opt.catalog.precision import FORMATS, REST
from ieco_opt.documents.origin import found, shortened

_LONGEST_PATTERN = 300
_LARGEST_BLOCK = 4096

_MAIN_PARTS = ("experts", "feed_forward", "attention", "shared_experts")
"""Parts whose format names a checkpoint's precision: the first of them that is quantised."""

_GROUPED_INTS = {128: "int4", 64: "int4_g64", 32: "int4_g32"}
_MODELOPT = {
    "FP8": "fp8",
    "FP8_PB_WO": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "NVFP4": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "W4A16_NVFP4": "nvfp4",
    "W4A8_NVFP4_FP8": "nvfp4",
    "MXFP4": "mxfp4",
    "W4A8_MXFP4_FP8": "mxfp4",
    "MXFP8": "mxfp8",
    "W4A16_AWQ": "int4",
    "W4A8_AWQ": "int4",
    "INT8_SQ": "int8",
    "W8A8_SQ_PER_CHANNEL": "int8",
}

Format = Callable[[tuple[str, ...]], str | None]
"""Format of the matrix that has one of these names; `None` where it is not quantised."""


@dataclass(frozen=True, slots=True)
class _Names:
    """A list of modules: names, parts of names, patterns with `*`, and regular expressions after `re:`.

    ``plain`` holds names as a tree of their segments; `None` in it marks where a name ends.
    """

    plain: Mapping[str | None, object]
    pattern: re.Pattern[str] | None

    def covers(self, names: Iterable[str]) -> bool:
        """Whether the list names one of these modules, or a module around it."""
        return any(self._covers(name) for name in names)

    def _covers(self, name: str) -> bool:
        if self.pattern is not None and self.pattern.match(name):
            return True
        segments = name.split(".") if self.plain else []
        return any(_starts_with(self.plain, segments[first:]) for first in range(len(segments)))


def _starts_with(tree: Mapping[str | None, object], segments: list[str]) -> bool:
    for segment in segments:
        inner = tree.get(segment)
        if not isinstance(inner, Mapping):
            return False
        if None in inner:
            return True
        tree = inner
    return False


def recipe_fields(config: Config, document: Config, modules_of: Callable[[str], Iterable[Module]]) -> dict[str, object]:
    """Give `checkpoint` and `recipes` of the checkpoint that a configuration belongs to.

    Without a `quantization_config`, the type of the weights says which of the 16-bit formats it is.

    Parameters
    ----------
    config, document
        Keys of the language model, and of the whole configuration.
    modules_of
        Gives the matrices of the model under the names that a text mentions.
    """
    wide = {"float16": "fp16", "half": "fp16"}.get(_weight_type(config, document), "bf16")
    holder = document if document.has("quantization_config") else config
    if not holder.has("quantization_config"):
        return {"checkpoint": wide if _weight_type(config, document) else None}
    given = holder.inner("quantization_config")
    format_of = _method(given, config)
    if format_of is None:
        return {}
    parts: dict[str, list[tuple[str, int]]] = {}
    for module in modules_of(_mentioned(given.values)):
        parts.setdefault(module.part, []).append((format_of(module.names) or wide, module.weights))
    formats = {part: _nearest(weighted) for part, weighted in parts.items()}
    name = next((formats[part] for part in _MAIN_PARTS if formats.get(part, wide) != wide), wide)
    head = _explicit_head(given)
    recipe = {part: each for part, each in formats.items() if each != wide} | ({"head": head} if head else {})
    return {"checkpoint": name, "recipes": {name: {**recipe, REST: wide}}} if recipe else {"checkpoint": wide}


def fp8_block(document: Mapping[str, object]) -> int:
    """Width of the blocks of weights that share a scale in FP8; 0 where none are told."""
    given = document.get("quantization_config")
    sizes = given.get("weight_block_size") if isinstance(given, Mapping) else None
    widest = max(sizes) if isinstance(sizes, list) and sizes and all(type(each) is int for each in sizes) else 0
    return widest if 0 < widest <= _LARGEST_BLOCK else 0


def _mentioned(given: object) -> str:
    """All text of a configuration."""
    if isinstance(given, Mapping):
        return "\n".join(_mentioned(each) for pair in given.items() for each in pair)
    if isinstance(given, list):
        return "\n".join(map(_mentioned, given))
    return given if isinstance(given, str) else ""


def _weight_type(config: Config, document: Config) -> str:
    for holder in (document, config):
        for key in ("torch_dtype", "dtype"):
            if holder.has(key):
                return holder.text(key).removeprefix("torch.")
    return ""


def _nearest(weighted: list[tuple[str, int]]) -> str:
    """Of the formats in a part, the one whose bits are nearest to its mean, in ratio; the wider of two."""
    total = sum(weights for _, weights in weighted)
    mean = sum(FORMATS[name].bits * weights for name, weights in weighted) / total

    def distance(name: str) -> tuple[float, float]:
        return abs(math.log(FORMATS[name].bits / mean)), -FORMATS[name].bits

    return min({name for name, _ in weighted}, key=distance)


def _method(given: Config, config: Config) -> Format | None:
    """What a configuration says of each matrix; `None`, with a fault noted, where it is of no known kind."""
    name = given.text("quant_method") or ("modelopt" if given.has("quant_algo") else "")
    if given.has("quant_algo") and name in {"modelopt", "fp8", "modelopt_fp4", "modelopt_mixed"}:
        return _modelopt(given, config)
    reader = _METHODS.get(name)
    if reader is None:
        given.fault("quant_method", f"found {found(name or None)}, expected one of {shortened(sorted(_METHODS))}")
        return None
    return reader(given, config)


def _fp8(given: Config, config: Config) -> Format:
    """Matrices of layers in 8 bits but for those listed; experts may be in 4 (DeepSeek-V4)."""
    kept = _listed(given, "modules_to_not_convert", "ignored_layers")
    narrow = "fp4" in {config.get("expert_dtype"), given.get("expert_dtype")}

    def format_of(names: tuple[str, ...]) -> str | None:
        if kept.covers(names):
            return None
        return "mxfp4" if narrow and any(".experts" in name for name in names) else "fp8"

    return format_of


def _mxfp4(given: Config, config: Config) -> Format:
    """Experts alone."""
    del given, config
    return lambda names: "mxfp4" if any(".experts" in name for name in names) else None


def _awq(given: Config, config: Config) -> Format:
    del config
    kept = _listed(given, "modules_to_not_convert")
    own = _integer(given, given.count("bits", "w_bit", default=4), "awq")
    return lambda names: None if kept.covers(names) else own


def _gptq(given: Config, config: Config) -> Format:
    """Matrices of layers but for those that `dynamic` takes out with a minus sign."""
    del config
    negative = [f"re:{rule[2:]}" for rule in given.inner("dynamic").values if str(rule).startswith("-:")]
    kept = _names([*negative, *map(str, given.items("modules_to_not_convert"))])
    own = _integer(given, given.count("bits", default=4), "gptq")
    return lambda names: None if kept.covers(names) else own


def _integer(given: Config, bits: int, own: str) -> str:
    group = given.count("group_size", "q_group_size", default=128, least=-1)
    if bits == 8:
        return "int8"
    format_of = {**_GROUPED_INTS, 128: own, -1: own}
    if bits == 4 and group in format_of:
        return format_of[group]
    given.fault("bits", f"found {bits} bits in groups of {group}, expected 8, or 4 in groups of 128, 64 or 32")
    return own


def _modelopt(given: Config, config: Config) -> Format | None:
    del config
    algorithm = given.text("quant_algo")
    if algorithm == "MIXED_PRECISION":
        # What stays as it was before some modules were converted (DeepSeek-V4): `ignore` is of the conversion.
        base = _fp8(given, Config({})) if given.text("quant_method") == "fp8" else None
        return _by_module(given, base)
    kept = _listed(given, "ignore", "exclude_modules", "modules_to_not_convert")
    own = _MODELOPT.get(algorithm)
    if own is None:
        given.fault("quant_algo", f"found {found(algorithm)}, expected one of {shortened(sorted(_MODELOPT))}")
        return None
    return lambda names: None if kept.covers(names) else own


def _by_module(given: Config, base: Format | None) -> Format | None:
    """Formats under `quantized_layers`, module by module; others are as in `base`."""
    named: dict[str, str] = {}
    for module, rule in given.inner("quantized_layers").values.items():
        algorithm = rule.get("quant_algo") if isinstance(rule, Mapping) else None
        if algorithm not in _MODELOPT:
            given.fault("quantized_layers", f"found {found(algorithm)}, expected one of {shortened(sorted(_MODELOPT))}")
            return None
        named[module] = _MODELOPT[str(algorithm)]

    def format_of(names: tuple[str, ...]) -> str | None:
        for name in names:
            segments = name.split(".")
            for end in range(len(segments), 0, -1):
                own = named.get(".".join(segments[:end]))
                if own is not None:
                    return own
        return None if base is None else base(names)

    return format_of


def _compressed(given: Config, config: Config) -> Format | None:
    """The groups of compressed-tensors, each with its targets; `Linear` stands for all that no other group names."""
    del config
    kept = _listed(given, "ignore")
    groups: list[tuple[_Names | None, str]] = []
    given_groups = given.inner("config_groups")
    for name in given_groups.values:
        group = given_groups.inner(str(name))
        own = _scheme(group.inner("weights"))
        if own is None:
            return None
        targets = [str(target) for target in group.items("targets")]
        groups.append((None if "Linear" in targets or not targets else _names(targets), own))
    groups.sort(key=lambda group: group[0] is None)

    def format_of(names: tuple[str, ...]) -> str | None:
        if kept.covers(names):
            return None
        return next((own for targets, own in groups if targets is None or targets.covers(names)), None)

    return format_of


def _scheme(weights: Config) -> str | None:
    bits, group = weights.count("num_bits"), weights.count("group_size", default=-1, least=-1)
    kind = weights.text("type")
    known = {("float", 8): "mxfp8" if group == 32 else "fp8", ("int", 8): "int8"}
    known[("float", 4)] = "mxfp4" if group == 32 else "nvfp4"
    known[("int", 4)] = _GROUPED_INTS.get(group, "int4")
    own = known.get((kind, bits))
    if own is None and not weights.faulty("num_bits"):
        weights.fault("num_bits", f"found {bits} ({found(kind)}), expected 8 or 4 bits, int or float")
    return own


def _quark(given: Config, config: Config) -> Format | None:
    """Quark of AMD: one format for all layers but those listed, or others by pattern."""
    del config
    kept = _listed(given, "exclude")
    own = _quark_scheme(given.inner("global_quant_config"))
    others = given.inner("layer_quant_config")
    rules = [(_names([str(name)]), _quark_scheme(others.inner(str(name)))) for name in others.values]

    def format_of(names: tuple[str, ...]) -> str | None:
        if kept.covers(names):
            return None
        return next((rule for targets, rule in rules if targets.covers(names)), own)

    return format_of


def _quark_scheme(given: Config) -> str | None:
    weights = given.inner("weight")
    kind = weights.text("dtype")
    known = {"fp8_e4m3": "fp8", "fp4": "mxfp4", "int8": "int8", "int4": "int4", "mx": "mxfp4"}
    if kind and kind not in known:
        weights.fault("dtype", f"found {found(kind)}, expected one of {', '.join(known)}")
    return known.get(kind)


_METHODS: Mapping[str, Callable[[Config, Config], Format | None]] = {
    "auto-round": _gptq,
    "awq": _awq,
    "compressed-tensors": _compressed,
    "fbgemm_fp8": _fp8,
    "fp8": _fp8,
    "gptq": _gptq,
    "modelopt": _modelopt,
    "mxfp4": _mxfp4,
    "quark": _quark,
}


def _explicit_head(given: Config) -> str | None:
    """The head's format where a configuration names the head; methods that cover all layers leave it alone."""
    layers = given.get("quantized_layers")
    rules = [layers.get(name) for name in HEAD_NAMES] if isinstance(layers, Mapping) else []
    rule = next((each for each in rules if isinstance(each, Mapping)), None)
    return None if rule is None else _MODELOPT.get(str(rule.get("quant_algo")))


def _listed(given: Config, *keys: str) -> _Names:
    return _names([str(item) for key in keys for item in given.items(key)])


def _names(items: list[str]) -> _Names:
    tree: dict[str | None, Any] = {}
    patterns: list[str] = []
    for item in items:
        if item.startswith("re:"):
            patterns.append(f"(?:{item[3:]})")
        elif "*" in item:
            patterns.append(fnmatch.translate(item if item.endswith("*") else f"{item}*"))
        else:
            inner = tree
            for segment in item.split("."):
                inner = inner.setdefault(segment, {})
            inner[None] = {}
    valid = [pattern for pattern in patterns if len(pattern) <= _LONGEST_PATTERN and _compiles(pattern)]
    return _Names(tree, re.compile("|".join(valid)) if valid else None)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
