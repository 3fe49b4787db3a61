"""Types and words that the schemas of the catalog share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from ieco_opt.catalog.field_docstrings import describe_fields
from ieco_opt.documents.origin import found, shortened

_EXPONENT = re.compile(r"\d+(\.\d*)?[eE][+-]?\d+")

# Far beyond any hardware, and small enough that no product of three of them leaves the range of a float.
_LARGEST_COUNT = 10**9
_LARGEST_NUMBER = 1e30


def _read_exponent(value: object) -> object:
    """Read `1e12` as the number it is meant to be: readers of YAML 1.1 want a dot and a sign, and give text."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value.strip()):
        return float(value)
    return value


def _read_infinity(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in {"inf", ".inf"}:
        return float("inf")
    return _read_exponent(value)


def fault(message: str) -> PydanticCustomError:
    """Word a refusal in full."""
    # Braces of the message would be taken for a template.
    return PydanticCustomError("ieco_opt", "{text}", {"text": message})


def _below_infinity(value: float) -> float:
    if _LARGEST_NUMBER < value < float("inf"):
        raise fault(f"found {value}, expected at most {_LARGEST_NUMBER:g}, or inf")
    return value


Count = Annotated[int, Field(gt=0, le=_LARGEST_COUNT)]
CountOrZero = Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]
Positive = Annotated[float, BeforeValidator(_read_exponent), Field(gt=0, le=_LARGEST_NUMBER)]
# Bounds far beyond any hardware, within which times and costs stay numbers that a solver can tell apart.
Arithmetic = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e9, le=_LARGEST_NUMBER)]
Bandwidth = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e6, le=_LARGEST_NUMBER)]
Price = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e-6, le=1e6)]
# Above 0, so that of two deployments one always takes less.
EnergyRate = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e-6, le=1000)]
Effectiveness = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1, le=10)]
Delay = Annotated[float, BeforeValidator(_read_exponent), Field(ge=0, le=10)]
Share = Annotated[float, BeforeValidator(_read_exponent), Field(ge=1e-3, le=1)]
Rate = Annotated[
    float, AllowInfNan(True), Field(ge=1e6), AfterValidator(_below_infinity), BeforeValidator(_read_infinity)
]


def _on_one_line(value: str) -> str:
    if not value.isprintable():
        raise fault(f"found {found(value)}, expected printable characters on one line")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_on_one_line)]


def _lower_case(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


LowerCaseName = Annotated[Name, BeforeValidator(_lower_case)]


class Strict(BaseModel):
    """A mapping without unknown fields, whose values are of the types asked for."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe fields as their docstrings do."""
        schema = handler(core_schema)
        describe_fields(handler.resolve_ref_schema(schema), cls)
        return schema


class WithSources(Strict):
    """A mapping that may say where its values come from."""

    sources: dict[str, str] = {}
    """Where values come from, by field."""

    @field_validator("sources")
    @classmethod
    def _name_fields(cls, sources: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(sources) - set(cls.model_fields))
        if unknown:
            raise fault(f"found {shortened(unknown)}, expected names of fields")
        return sources
