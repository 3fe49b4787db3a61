"""Errors of Pydantic in the words of this package: what was found, what is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ieco_opt.documents.origin import found

_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "dataclass_exact_type": "a mapping",
    "tuple_type": "a list",
}
_RANGES = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "a number from {} on"),
    "less_than": ("lt", "a number below {}"),
    "less_than_equal": ("le", "a number up to {}"),
}


def expected_of(details: Mapping[str, Any], known: Callable[[], Iterable[str]]) -> str:
    """One line for an error of Pydantic; ``known`` names the fields that there are where one is unknown."""
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "refused":
        message: str = details["msg"]
        return message
    if kind in ("missing", "missing_argument"):
        return "the field is missing"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return "unknown field, expected one of " + ", ".join(known())
    if kind in _RANGES:
        name, words = _RANGES[kind]
        return f"found {found(value)}, expected {words.format(f'{context[name]:g}')}"
    if kind in ("literal_error", "enum"):
        return f"found {found(value)}, expected one of {_choices(context['expected'])}"
    expected = _EXPECTED.get(kind, details["msg"][:1].lower() + details["msg"][1:])
    return f"found {found(value)}, expected {expected}"


def _choices(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")
