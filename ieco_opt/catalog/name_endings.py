"""Endings of repository names that say how a checkpoint is stored: which precision, or why it cannot be taken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Ending:
    """What an ending sets: a precision of ``catalog.precision``, or the reason why there is none (`{!r}`: itself)."""

    weights: str | None = None
    refused: str = ""


_GROUP = r"(?:-g128|-128g|-gs128)?"

_PRECISIONS: tuple[tuple[str, str], ...] = (
    (r"bf16|bfloat16|(?:qat-)?q4[.-]0-unquantized|(?:qat-)?int4-unquantized", "bf16"),
    (r"fp16|float16|f16", "fp16"),
    (r"(?:fp8|float8)(?:-(?:dynamic|block|static|per-?tensor|pertensor|ptpc|e4m3|e4m3fn|w8a8|kv|v\d))*", "fp8"),
    (r"w8a8-fp8|w-fp8-a-fp8(?:-kv-fp8)?", "fp8"),
    (r"(?:quantized\.)?(?:w8a8|w8a16)|int8(?:-w8a\d+)?|(?:gptq|awq)-(?:int8|8bit|w8a16)|gptq-8bit", "int8"),
    (r"mxfp8", "mxfp8"),
    (r"nvfp4(?:a16|-w4a4|-w4a16)?(?:-v\d)?", "nvfp4"),
    (r"mxfp4(?:-preview|-asq|-v\d)*|w-?mxfp4(?:-a-?(?:mxfp4|fp8|bf16))?(?:-kv-?fp8)?", "mxfp4"),
    (r"fp4(?:-v\d)?", "fp4"),
    (rf"(?:quantized\.)?w4a16{_GROUP}|(?:autoround-)?int4(?:-w4a16)?{_GROUP}(?:-autoround)?", "int4"),
    (rf"awq(?:-(?:int4|4bit|w4a16|marlin))?{_GROUP}", "awq"),
    (rf"gptq(?:-(?:int4|4bit|w4a16|marlin))*{_GROUP}", "gptq"),
    (r"(?:w4a16|int4|awq|gptq-int4|gptq-4bit)-(?:g64|64g|gs64)", "int4_g64"),
    (r"(?:w4a16|int4|awq|gptq-int4|gptq-4bit)-(?:g32|32g|gs32)", "int4_g32"),
)

_NO_PRECISION = "whose format {!r} is none of the precisions here"
_ANOTHER_PROGRAM = "whose {!r} is a format for other programs than vLLM, SGLang and TensorRT-LLM"
_DRAFT = "whose {!r} is a draft head, not a model that answers by itself"

_REFUSALS: tuple[tuple[str, str], ...] = (
    (
        r"(?:qat-)?(?:(?:ud-)?i?q\d(?:[.-][a-z\d]+)*-)?gguf|(?:ud-)?i?q[2-8](?:-(?:k|0|1)(?:-(?:s|m|l|xl|xs|xxs))?|\.[01])",
        "a checkpoint in {!r} (llama.cpp), whose bits differ from tensor to tensor and file to file",
    ),
    (r"(?:unsloth-)?bnb(?:-\dbit)?|nf4", "whose {!r} is bitsandbytes' format, quantised anew at loading"),
    (r"mlx(?:-[\w.]+)*", "whose {!r} is a format for Apple's chips"),
    (r"onnx(?:-[\w.]+)*|openvino(?:-[\w.]+)*|(?:int\d-)?ov|coreml|tflite|litert|paddle", _ANOTHER_PROGRAM),
    (
        r"exl[23](?:-[\w.]+)*|\d(?:\.\d+)?bpw(?:-\w+)*|aqlm(?:-[\w.]+)*|hqq(?:-[\w.]+)*|quip\w*|vptq(?:-[\w.]+)*",
        _NO_PRECISION,
    ),
    (
        r"w4a8(?:-?\w+)?|w4afp8|int[23]|[2-8]-?bits?|int4-int8mix|gptq-int4-int8mix|int4-mixed(?:-autoround)?",
        _NO_PRECISION,
    ),
    (
        r"(?:quantized\.)?(?:sparse-?)?2of4(?:-[\w.]+)*|pruned[\d.]+(?:-[\w.]+)*",
        "whose {!r} says that weights are left out",
    ),
    (r"speculator(?:[.-]\w+)*|eagle-?\d?(?:[.-]\w+)*|medusa|(?:mtp-)?draft|assistant|dflash", _DRAFT),
    (r"lora|qlora|adapter", "whose {!r} is an adapter, not a model"),
)

_OF_OWNER = {"mlx-community": Ending(refused="whose owner {!r} keeps formats for Apple's chips")}
_FP4_OF = {"nvidia": "nvfp4", "amd": "mxfp4"}
"""What the ending FP4 stands for in the repositories of those who make the chips."""


@dataclass(frozen=True, slots=True)
class Endings:
    """Endings as one owner of repositories writes them."""

    owner: str
    patterns: Sequence[tuple[re.Pattern[str], Ending]]

    def at_end(self, name: str) -> tuple[int, Ending] | None:
        """The longest ending of a name in lower case, and where the hyphen before it stands."""
        matches = [(match.start(), ending) for pattern, ending in self.patterns if (match := pattern.search(name))]
        return min(matches, key=lambda each: each[0], default=None)

    def of_owner(self) -> tuple[tuple[str, Ending], ...]:
        """What the owner's name alone says."""
        return ((self.owner, _OF_OWNER[self.owner]),) if self.owner in _OF_OWNER else ()


@cache
def _patterns(fp4: str) -> tuple[tuple[re.Pattern[str], Ending], ...]:
    precisions = [(pattern, Ending(fp4 if weights == "fp4" else weights)) for pattern, weights in _PRECISIONS]
    refusals = [(pattern, Ending(refused=reason)) for pattern, reason in _REFUSALS]
    return tuple((re.compile(rf"-(?:{pattern})$"), ending) for pattern, ending in (*refusals, *precisions))


def endings(owner: str) -> Endings:
    """Endings as an owner, in lower case, writes them."""
    return Endings(owner, _patterns(_FP4_OF.get(owner, "fp4")))
