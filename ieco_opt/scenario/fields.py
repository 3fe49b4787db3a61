"""Types of the fields of a scenario: what each accepts, and how a refusal is worded."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.config import JsonDict
from pydantic_core import InitErrorDetails, PydanticCustomError

from ieco_opt.catalog import precision
from ieco_opt.catalog.one_kind import ONE_KIND
from ieco_opt.catalog.precision import FORMATS, PARTS, PRECISIONS, REST, label, parts_left_out
from ieco_opt.documents.origin import Location, found, plain_scalar
from ieco_opt.scenario import lists
from ieco_opt.scenario.lists import as_integers, as_texts, says_integers
from ieco_opt.scenario.version import FORMER_VERSION, VERSION

MAX_DEGREE = 1_000_000
MAX_ENTRIES = 4096
MAX_TOKENS = 100_000_000
_LEAST_LIMIT = 1e-9
_MAX_DEPTH = 12
_MAX_INLINE_VALUES = 10_000
_MAX_TEXT = 200

T = TypeVar("T")


def refusal(value: object, expected: str) -> PydanticCustomError:
    """Word what was found and what is expected."""
    return PydanticCustomError(
        "refused", "found {found}, expected {expected}", {"found": found(value), "expected": expected}
    )


def refused_at(faults: Iterable[tuple[Location, object, str]]) -> ValidationError:
    """Refuse several fields: location below the validated value, what is there, what is expected."""
    details = [
        InitErrorDetails(type=refusal(value, expected), loc=location, input=value)
        for location, value, expected in faults
    ]
    return ValidationError.from_exception_data("scenario", details)


def expecting(expected: str) -> WrapValidator:
    """Word every refusal of a field as what was found and ``expected``; scalars of NumPy count as numbers."""

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        plain = plain_scalar(value)
        plain = int(plain) if not isinstance(plain, int) and isinstance(plain, numbers.Integral) else plain
        try:
            return handler(plain)
        except (ValidationError, OverflowError):
            raise refusal(value, expected) from None

    return WrapValidator(validate)


def listed(expected: str, read: Callable[[object], object] = lambda value: value) -> BeforeValidator:
    """Accept lists, and what ``read`` makes one of; nothing that merely could be one."""

    def as_tuple(value: object) -> tuple[object, ...]:
        value = read(value)
        if not isinstance(value, list | tuple | range):
            raise refusal(value, f"a list of {expected}")
        if not 1 <= len(value) <= MAX_ENTRIES:
            message = "found a list of {length} entries, expected 1 to {most} {expected}"
            raise PydanticCustomError(
                "length", message, {"length": len(value), "most": MAX_ENTRIES, "expected": expected}
            )
        return tuple(value)

    return BeforeValidator(as_tuple)


def unique(value: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse entries that repeat an earlier one."""
    seen: set[T] = set()
    again = []
    for index, entry in enumerate(value):
        if entry in seen:
            again.append(((index,), entry, "each entry once"))
        seen.add(entry)
    if again:
        raise refused_at(again)
    return value


def _sorted(value: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(value))


def _one_line(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError
    return value


def _no_trace(value: float) -> float:
    """Refuse what is above 0 but too little to divide by."""
    if 0.0 < value < _LEAST_LIMIT:
        raise ValueError
    return value


def _plain(value: object, location: Location, budget: list[int]) -> object:
    """Copy a value that came from YAML or JSON, refusing what neither can hold."""
    budget[0] -= 1
    if len(location) > _MAX_DEPTH or budget[0] < 0:
        raise refused_at([((), {}, f"at most {_MAX_DEPTH} levels and {_MAX_INLINE_VALUES} values")])
    if isinstance(value, Mapping):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise refused_at([(location, key, "text as the name of a field") for key in wrong])
        return {key: _plain(entry, (*location, key), budget) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, (*location, index), budget) for index, entry in enumerate(value)]
    if isinstance(value, float) and math.isinf(value):
        # JSON has no infinity; the catalog reads this text as one (a torus has no network inside a node).
        return "inf" if value > 0 else "-inf"
    if isinstance(value, float) and math.isnan(value):
        raise refused_at([(location, value, "a number")])
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise refused_at([(location, value, "text, a number, true, false, a list or a mapping")])


def _plain_mapping(value: object) -> object:
    return _plain(value, (), [_MAX_INLINE_VALUES])


def kind_of_reference(value: object) -> str:
    """Tell mappings from names; what is neither counts as a name, whose refusal names both."""
    return "<mapping>" if isinstance(value, Mapping) else "<name>"


def entry_as_list(value: object) -> object:
    """Take names and files with commas between them, and one mapping, for a list."""
    return [value] if kind_of_reference(value) == "<mapping>" else as_texts(value)


def _refuse_several(value: object) -> object:
    if isinstance(value, list | tuple):
        raise refusal(value, ONE_KIND)
    return value


def _kind_of_expert_parallel(value: object) -> str:
    return "<auto>" if isinstance(value, str) and not says_integers(value) else "<list>"


def kind_of_batches(value: object) -> str:
    """Tell lists of batches from ranges; what is neither counts as a list, whose refusal names both."""
    return "<range>" if isinstance(value, Mapping | BaseModel) else "<list>"


def is_tag(key: str | int) -> bool:
    """Whether part of a Pydantic location is the branch of a union and not a field of the input."""
    return isinstance(key, str) and key in {"<mapping>", "<name>", "<auto>", "<list>", "<range>", "<number>"}


def _kind_of_reserve(value: object) -> str:
    return "<auto>" if isinstance(value, str) else "<number>"


def _kind_of_error(value: object) -> str:
    return "<name>" if isinstance(value, str) else "<number>"


def _or_left_out(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """Take nothing, and a list of nothing, for a field that is left out."""
    empty = value is None or (isinstance(value, list | tuple) and not value)
    return () if empty else handler(value)


def _formats_by_part(value: object) -> dict[str, str]:
    """Check formats by part: known parts, known formats, and none left out."""
    assert isinstance(value, Mapping)
    faults: list[tuple[Location, object, str]] = []
    for part, each in value.items():
        if part not in (*PARTS, REST):
            raise refused_at([((str(part),), part, f"parts of a model ({', '.join((*PARTS, REST))})")])
        if not isinstance(each, str) or each not in FORMATS:
            faults.append(((part,), each, f"a format ({', '.join(FORMATS)})"))
    missing = parts_left_out(value)
    if missing:
        faults.append(((REST,), None, f"the format of what is not named ({', '.join(missing)})"))
    if faults:
        raise refused_at(faults)
    return {str(part): str(each) for part, each in value.items()}


def _each_weights_once(value: tuple[str | dict[str, str], ...]) -> tuple[str | dict[str, str], ...]:
    unique(tuple(label(entry) for entry in value))
    return value


def choice(options: Iterable[str]) -> Callable[[str], str]:
    """Check text against the names there are."""
    known = tuple(options)

    def check(value: str) -> str:
        if value not in known:
            raise ValueError
        return value

    return check


def _described(*, least: int = 1, once: bool = True, shorter: Callable[[JsonDict], None]) -> Callable[[JsonDict], None]:
    """Add to the schema of a list its lengths, and what may stand for it."""

    def describe(schema: JsonDict) -> None:
        schema.update({"minItems": least, "maxItems": MAX_ENTRIES} | ({"uniqueItems": True} if once else {}))
        shorter(schema)

    return describe


one_or_list = _described(shorter=lists.one_or_list)
"""Schema of a list of different entries, the only one of which may stand for it."""

_PRECISIONS = ", ".join(PRECISIONS)

Version = Annotated[
    Literal[2], expecting(f"{VERSION} (`ieco-opt migrate FILE` converts a file of version {FORMER_VERSION})")
]
Title = Annotated[
    str,
    Field(min_length=1, max_length=_MAX_TEXT),
    AfterValidator(_one_line),
    expecting(f"text of 1 to {_MAX_TEXT} printable characters on one line"),
]
Name = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT), AfterValidator(_one_line)]
Inline = Annotated[dict[str, object], BeforeValidator(_plain_mapping)]
ModelReference = Annotated[
    Annotated[Name, expecting("a name of the catalog, a file or a mapping"), Tag("<name>")]
    | Annotated[Inline, Tag("<mapping>")],
    Discriminator(kind_of_reference),
]
AcceleratorReference = Annotated[
    Annotated[
        Name, expecting("a name of the catalog, a file or a mapping"), BeforeValidator(_refuse_several), Tag("<name>")
    ]
    | Annotated[Inline, Tag("<mapping>")],
    Discriminator(kind_of_reference),
]
Accelerators = Annotated[
    tuple[AcceleratorReference, ...],
    Field(json_schema_extra=_described(once=False, shorter=lists.one_or_texts)),
    listed("accelerators", as_texts),
]

Precision = Annotated[
    str,
    Field(json_schema_extra={"enum": list(PRECISIONS)}),
    AfterValidator(choice(PRECISIONS)),
    expecting(f"a precision ({_PRECISIONS}), or a mapping of formats by part"),
]
WeightRecipe = Annotated[dict[str, str], BeforeValidator(_formats_by_part)]
Weights = Annotated[
    Annotated[Precision, Tag("<name>")] | Annotated[WeightRecipe, Tag("<mapping>")], Discriminator(kind_of_reference)
]
Precisions = Annotated[
    tuple[Weights, ...],
    Field(json_schema_extra=_described(least=0, shorter=lists.one_or_texts)),
    AfterValidator(_each_weights_once),
    listed(f"precisions ({_PRECISIONS}), or mappings of formats by part", as_texts),
    WrapValidator(_or_left_out),
]
KvCache = Annotated[precision.KvCache, expecting("'bf16' or 'fp8'")]
KvCaches = Annotated[
    tuple[KvCache, ...],
    Field(json_schema_extra=one_or_list),
    AfterValidator(unique),
    listed("precisions ('bf16', 'fp8')", as_texts),
]
Gigabytes = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False), expecting("'auto', or a number from 0 to 1e6")]
Reserve = Annotated[
    Annotated[Literal["auto"], expecting("'auto', or a number from 0 to 1e6"), Tag("<auto>")]
    | Annotated[Gigabytes, Tag("<number>")],
    Discriminator(_kind_of_reserve),
]
_ERRORS = "a number from 0 to 2, or 'profile'"
ModelError = Annotated[
    Annotated[Literal["profile"], expecting(_ERRORS), Tag("<name>")]
    | Annotated[float, Field(ge=0, le=2, allow_inf_nan=False), expecting(_ERRORS), Tag("<number>")],
    Discriminator(_kind_of_error),
]

TokensOfRequest = Annotated[int, Field(ge=1, le=MAX_TOKENS), expecting(f"an integer from 1 to {MAX_TOKENS:,}")]
Count = Annotated[int, Field(ge=0, le=MAX_DEGREE), expecting(f"an integer from 0 to {MAX_DEGREE:,}")]
Price = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False), expecting("a number from 0 to 1e6")]
EnergyRate = Annotated[float, Field(ge=1e-6, le=1000, allow_inf_nan=False), expecting("a number from 1e-6 to 1000")]
Effectiveness = Annotated[float, Field(ge=1, le=10, allow_inf_nan=False), expecting("a number from 1 to 10")]
Headroom = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False), expecting("a number from 0 to 100")]
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS), expecting(f"an integer from 0 to {MAX_TOKENS:,}")]
Degree = Annotated[int, Field(ge=1, le=MAX_DEGREE), expecting(f"an integer from 1 to {MAX_DEGREE:,}")]
DraftTokens = Annotated[int, Field(ge=2, le=64), expecting("an integer from 2 to 64")]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), expecting("a number above 0 and up to 1")]
PrefixHit = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), expecting("a number from 0 on and below 1")]
Limit = Annotated[
    float,
    Field(ge=_LEAST_LIMIT, le=1e12, allow_inf_nan=False),
    expecting("a positive number from 1e-9 to 1e12"),
]
Budget = Annotated[
    float,
    Field(ge=0, le=1e12, allow_inf_nan=False),
    AfterValidator(_no_trace),
    expecting("0, or a number from 1e-9 to 1e12"),
]
Degrees = Annotated[
    tuple[Degree, ...],
    Field(json_schema_extra=_described(shorter=lists.one_or_integers)),
    AfterValidator(unique),
    AfterValidator(_sorted),
    listed("integers", as_integers),
]
Counts = Annotated[
    tuple[Count, ...],
    Field(json_schema_extra=_described(shorter=lists.one_or_integers)),
    AfterValidator(unique),
    AfterValidator(_sorted),
    listed("integers", as_integers),
]
Layout = Annotated[Literal["1d", "2d"], expecting("'1d' or '2d'")]
Layouts = Annotated[
    tuple[Layout, ...],
    Field(json_schema_extra=one_or_list),
    AfterValidator(unique),
    listed("layouts ('1d', '2d')", as_texts),
]
Serving = Annotated[Literal["colocated", "disaggregated"], expecting("'colocated' or 'disaggregated'")]
Modes = Annotated[
    tuple[Serving, ...], Field(json_schema_extra=one_or_list), AfterValidator(unique), listed("modes", as_texts)
]
PoolNames = Annotated[
    tuple[Title, ...], Field(json_schema_extra=one_or_list), AfterValidator(unique), listed("pools", as_texts)
]
Auto = Annotated[Literal["auto"], expecting("'auto' or a list of integers")]
RedundantExperts = Annotated[
    Annotated[Auto, Tag("<auto>")] | Annotated[Counts, listed("integers, or 'auto'", as_integers), Tag("<list>")],
    Discriminator(_kind_of_expert_parallel),
]
ExpertDegrees = Annotated[
    Annotated[Auto, Tag("<auto>")] | Annotated[Degrees, listed("integers, or 'auto'", as_integers), Tag("<list>")],
    Discriminator(_kind_of_expert_parallel),
]
BatchList = Annotated[Degrees, listed("integers, or a mapping of min and max", as_integers)]
