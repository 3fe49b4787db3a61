"""Lists that are written shorter: one entry for a list of it, and text with commas for its parts."""

from __future__ import annotations

import numbers
import re

from pydantic.config import JsonDict, JsonValue

from ieco_opt.documents.origin import plain_scalar

_WHOLE_NUMBERS = re.compile(r"\s*[-+]?[0-9]{1,15}\s*(,\s*[-+]?[0-9]{1,15}\s*)*")


def as_texts(value: object) -> object:
    """Take text for the list of what stands between its commas, and anything else as it is.

    For example, ``H100,H200`` is ``["H100", "H200"]`` and ``bf16`` is ``["bf16"]``.
    """
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def says_integers(value: object) -> bool:
    """Whether a value is text of whole numbers with commas between them, such as ``1,2,4``."""
    return isinstance(value, str) and _WHOLE_NUMBERS.fullmatch(value) is not None


def as_integers(value: object) -> object:
    """Take a whole number for a list of it, and text such as ``1,2,4`` for its numbers; anything else as it is."""
    plain = plain_scalar(value)
    if not isinstance(plain, bool) and isinstance(plain, numbers.Integral):
        return [plain]
    if isinstance(plain, str) and says_integers(plain):
        return [int(part) for part in plain.split(",")]
    return value


def one_or_texts(schema: JsonDict) -> None:
    """Describe a list as :func:`as_texts` reads it: a text may stand for it, a mapping may not."""
    entry = schema["items"]
    assert isinstance(entry, dict)
    kinds = entry.get("oneOf", [entry])
    assert isinstance(kinds, list)
    _or_shorter(schema, *(kind for kind in kinds if isinstance(kind, dict) and kind["type"] == "string"), _PARTS)


def one_or_list(schema: JsonDict) -> None:
    """Describe a list whose only entry may stand for it, and text for the entries between its commas."""
    _or_shorter(schema, schema["items"], _PARTS)


def one_or_integers(schema: JsonDict) -> None:
    """Describe a list of whole numbers as :func:`as_integers` reads it."""
    numbers_only: JsonDict = {"type": "string", "pattern": f"^{_WHOLE_NUMBERS.pattern}$"}
    _or_shorter(schema, schema["items"], numbers_only)


_PARTS: JsonDict = {"type": "string", "pattern": ","}


def _or_shorter(schema: JsonDict, *shorter: JsonValue) -> None:
    """Put what may stand for a list beside its own description."""
    names = ("type", "items", "minItems", "maxItems", "uniqueItems")
    whole: JsonDict = {name: schema.pop(name) for name in names if name in schema}
    schema["anyOf"] = [whole, *shorter]
