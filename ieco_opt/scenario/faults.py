"""From Pydantic's errors to the faults of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from ieco_opt.documents.near import near
from ieco_opt.documents.origin import Location, Origin, dotted, found, shortened
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.fields import is_tag
from ieco_opt.scenario.other_words import as_written, beside

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic_core import ErrorDetails
else:
    ModelMetaclass = type(BaseModel)

_OWN_WORDS = {"refused", "length"}


class RaisesScenarioError(ModelMetaclass):
    """Metaclass that lets constructors called by users raise ``ScenarioError``.

    Overriding ``__init__`` would not do: Pydantic calls it for nested fields too, and the faults of those
    would then end the validation of all others.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Construct an instance from keyword arguments."""
        try:
            return super().__call__(*args, **kwargs)
        except ValidationError as error:
            raise ScenarioError(faults_of(error, self, Origin())) from None


def faults_of(error: ValidationError, schema: type, origin: Origin) -> list[Fault]:
    """Word every error that Pydantic collected while validating ``schema``, once."""
    faults = (_fault(details, schema, origin) for details in error.errors(include_url=False))
    return list(dict.fromkeys(faults))


def _fault(details: ErrorDetails, schema: type, origin: Origin) -> Fault:
    location = tuple(key for key in details["loc"] if not is_tag(key))
    kind, value = details["type"], details["input"]
    if kind in _OWN_WORDS:
        message = details["msg"]
    elif kind == "missing":
        message = "found nothing, expected this field"
    elif kind == "extra_forbidden":
        here = _schema_at(schema, location[:-1])
        twice = beside(location, value, here.model_fields if here else ())
        message = twice or f"unknown field, {_meant(schema, location)}"
    elif kind in {"model_type", "model_attributes_type", "dict_type"}:
        message = f"found {found(value)}, expected a mapping of fields"
    else:
        message = f"found {found(value)}, {details['msg'][:1].lower()}{details['msg'][1:]}"
    return origin.fault(as_written(location, origin.lines), message)


def _meant(schema: type, location: Location) -> str:
    """Name the field that was probably meant: a like one beside it, or one of that name elsewhere."""
    unknown = str(location[-1])
    here = _schema_at(schema, location[:-1])
    beside = list(here.model_fields) if here else []
    close = near(unknown, beside)
    elsewhere = [name for name in _dotted_fields(schema) if name.split(".")[-1] == unknown]
    if close or elsewhere:
        meant = dotted((*location[:-1], close)) if close else elsewhere[0]
        return f"expected perhaps {meant}"
    return f"expected one of {shortened(beside)}"


def _schema_at(schema: type, location: Location) -> type[BaseModel] | None:
    """Find the class that describes a field."""
    at: type | None = schema
    for key in location:
        if isinstance(key, int):
            continue
        fields = at.model_fields if at is not None and issubclass(at, BaseModel) else {}
        at = next(_models_in(fields[key].annotation), None) if key in fields else None
    return at if at is not None and issubclass(at, BaseModel) else None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _dotted_fields(schema: type, prefix: str = "") -> Iterator[str]:
    if not issubclass(schema, BaseModel):
        return
    for name, info in schema.model_fields.items():
        yield prefix + name
        for nested in _models_in(info.annotation):
            yield from _dotted_fields(nested, f"{prefix}{name}.")
