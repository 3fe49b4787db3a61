"""Types of the values in our files, for records that are read by their types: strict, and with their ranges."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, AllowInfNan, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from ieco_opt.documents.origin import found
from ieco_opt.errors import printable

_LARGEST_INTEGER = 2**53

Flag = Annotated[bool, Strict()]


def _on_one_line(value: str) -> str:
    if printable(value) != value:
        raise PydanticCustomError(
            "refused", "found {found}, expected text without control characters", {"found": found(value)}
        )
    return value


Text = Annotated[str, Strict(), AfterValidator(_on_one_line)]
"""Text of one line: what steers a terminal is refused."""

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; an integer is one."""

AboveZero = Annotated[Number, Field(gt=0)]
FromZero = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, lt=1)]

Integer = Annotated[int, Strict(), Field(le=_LARGEST_INTEGER)]
Whole = Annotated[Integer, Field(gt=0)]
"""A count of at least one."""

Count = Annotated[Integer, Field(ge=0)]
"""A count that may be zero."""


def _infinite(value: object) -> object:
    return math.inf if value is None else value


def _minus_infinite(value: object) -> object:
    return -math.inf if value is None else value


_OPEN = Annotated[float, Strict(), AllowInfNan(True)]


def _or_null(**limits: float) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "number", **limits}, {"type": "null"}]})


AboveZeroOrInfinite = Annotated[_OPEN, Field(gt=0), BeforeValidator(_infinite), _or_null(exclusiveMinimum=0)]
"""JSON knows no infinity: there null stands for it."""

FromZeroOrInfinite = Annotated[_OPEN, Field(ge=0), BeforeValidator(_infinite), _or_null(minimum=0)]
NumberOrMinusInfinite = Annotated[_OPEN, BeforeValidator(_minus_infinite), _or_null()]


class Record:
    """Base of frozen dataclasses that files hold: fields that a record does not know are refused."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(extra="forbid")
