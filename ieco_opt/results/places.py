"""Places of fields: where Pydantic finds a fault in records, where that is in a file, and what the types say of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from ieco_opt.documents.origin import Location
from ieco_opt.results.parallelism import DERIVED, PREFIXES, Parallelism, Row


@dataclass(frozen=True, slots=True)
class Place:
    """A field of a record.

    Attributes
    ----------
    location
        In the file, where a parallelism is flat.
    hint
        Type of the field; ``None`` where the record has no such field.
    known
        Fields that the record has in a file.
    """

    location: Location
    hint: Any
    known: tuple[str, ...]


def place_of(kind: type[Any], location: Location) -> Place:
    """Follow a location of Pydantic through the types of a record."""
    place: list[str | int] = []
    hint: Any = kind
    record: type[Any] | None = None
    prefix = ""
    for at, key in enumerate(location):
        record = _record_in(hint)
        if key in PREFIXES and record is not None and issubclass(record, Row) and at + 1 < len(location):
            prefix = PREFIXES[str(key)]
        else:
            place.append(prefix + key if isinstance(key, str) else key)
            prefix = ""
        hint = _inner(hint, record, key)
    return Place(tuple(place), hint, () if record is None else _columns(record))


def _columns(record: type[Any]) -> tuple[str, ...]:
    return record.columns() if issubclass(record, Row) else tuple(item.name for item in fields(record))


def _alone(hint: Any) -> Any:
    """Type of what is not null."""
    others = [each for each in get_args(hint) if each is not type(None)]
    return others[0] if len(others) == 1 and get_origin(hint) is not tuple else hint


def _record_in(hint: Any) -> type[Any] | None:
    alone = _alone(hint)
    return alone if isinstance(alone, type) and is_dataclass(alone) else None


def _inner(hint: Any, record: type[Any] | None, key: str | int) -> Any:
    """Type of a field of a record, of the entries of a list, or of the values of a mapping."""
    if record is not None:
        return _hints(record).get(str(key))
    arguments = get_args(hint)
    return {tuple: arguments[:1], dict: arguments[1:]}.get(get_origin(hint), (None,))[0]


def _hints(record: type[Any]) -> dict[str, Any]:
    """Types of the fields by their names in a file."""
    annotated, hints = get_type_hints(record, include_extras=True), get_type_hints(record)
    named = {_name_in_file(name, annotated[name]): hint for name, hint in hints.items()}
    return named | dict.fromkeys(DERIVED, int | None) if record is Parallelism else named


def _name_in_file(name: str, annotated: Any) -> str:
    aliases = (getattr(each, "alias", None) for each in getattr(annotated, "__metadata__", ()))
    return next((alias for alias in aliases if alias), name)
