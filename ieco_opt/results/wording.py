"""Errors of Pydantic in the words of this package: what was found, what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ieco_opt.documents.near import near
from ieco_opt.documents.origin import found, shortened

_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "text", tuple: "a list"}
_EXPECTED = {
    "int_type": _TYPES[int],
    "int_from_float": _TYPES[int],
    "float_type": _TYPES[float],
    "finite_number": "a finite number",
    "bool_type": _TYPES[bool],
    "string_type": _TYPES[str],
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "dataclass_exact_type": "a mapping",
    "tuple_type": _TYPES[tuple],
}
_RANGES = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "a number from {} on"),
    "less_than": ("lt", "a number below {}"),
    "less_than_equal": ("le", "a number up to {}"),
}


def expected_of(details: Mapping[str, Any], hint: Any, known: Sequence[str]) -> str:
    """One line for an error of Pydantic.

    Parameters
    ----------
    hint
        Type of the field.
    known
        Fields that there are, where one is unknown.
    """
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "refused":
        message: str = details["msg"]
        return message
    if kind in ("missing", "missing_argument"):
        return f"the field is missing, expected {words_of(hint)}"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        close = near(str(details["loc"][-1]), known)
        return (
            f"unknown field, expected perhaps {close}"
            if close
            else f"unknown field, expected one of {shortened(known)}"
        )
    if kind in _RANGES:
        name, words = _RANGES[kind]
        expected = words.format(f"{context[name]:.16g}")
    elif kind in ("literal_error", "enum"):
        expected = "one of " + context["expected"].replace("'", "").replace(" or ", ", ")
    else:
        expected = _EXPECTED.get(kind, details["msg"][:1].lower() + details["msg"][1:])
    return f"found {found(value)}, expected {expected}{_or_null(hint)}"


def words_of(hint: Any) -> str:
    """What values of a type are called."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [words_of(each) for each in get_args(hint) if each is not NoneType]
        return " or ".join(dict.fromkeys(kinds)) + _or_null(hint)
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    kind = get_origin(hint) or hint
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(each.value) for each in kind)
    return _TYPES.get(kind, "a mapping")


def _or_null(hint: Any) -> str:
    return " or null" if NoneType in get_args(hint) else ""
