"""Type of the field that says which servers a scenario asks: names, and engine profiles of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic.config import JsonDict

from ieco_opt.documents.origin import Location
from ieco_opt.scenario import fields
from ieco_opt.scenario.engines import ALONE, ANY, PREFERENCE, Engine, name_in

MOST_PROFILES = 8
"""Most engine profiles of one list: each multiplies the work, which the bound on configurations does not count."""

_WORDS = (ANY, ALONE, *PREFERENCE)

_NAMES: JsonDict = {"anyOf": [{"enum": list(_WORDS)}, {"pattern": r"/|\.([yY][aA]?[mM][lL]|[jJ][sS][oO][nN])$"}]}
"""JSON Schema of the names that there are, and of files."""


def _known(value: str) -> str:
    """Refuse what is neither a name nor a file."""
    from ieco_opt.engines.store import is_profile_file

    if value not in _WORDS and not is_profile_file(value):
        raise ValueError
    return value


def _each_once(value: tuple[Engine, ...]) -> tuple[Engine, ...]:
    """Refuse entries that repeat an earlier one, and a second profile of one engine."""
    fields.unique(tuple(each if isinstance(each, str) else f"[{at}]" for at, each in enumerate(value)))
    first = dict[str, int]()
    for at, each in enumerate(value):
        name = name_in(each)
        if name is not None and first.setdefault(name, at) != at:
            raise fields.refused_at([((at, "engine"), name, "one profile of each engine")])
    return value


def _few(value: tuple[Engine, ...]) -> tuple[Engine, ...]:
    own = sum(each not in _WORDS for each in value)
    if own > MOST_PROFILES:
        raise fields.refused_at([((), value, f"at most {MOST_PROFILES} engine profiles in it")])
    return value


def _together(value: tuple[Engine, ...]) -> tuple[Engine, ...]:
    """Refuse servers beside a word that stands for all of the package, or for none."""
    wrong: list[tuple[Location, object, str]] = []
    for at, each in enumerate(value):
        if each == ALONE and len(value) > 1:
            wrong.append(((at,), each, "it alone"))
        if each == ANY and any(other in _WORDS for other in value if other != ANY):
            wrong.append(((at,), each, "it alone, or with engine profiles of your own"))
    if wrong:
        raise fields.refused_at(wrong)
    return value


EngineEntry = Annotated[
    Annotated[
        fields.Name,
        Field(json_schema_extra=_NAMES),
        AfterValidator(_known),
        fields.expecting(
            f"{', '.join(map(repr, _WORDS))}, or an engine profile: a file (.yaml, .yml, .json, or with a slash) or a "
            "mapping"
        ),
        Tag("<name>"),
    ]
    | Annotated[fields.Inline, Tag("<mapping>")],
    Discriminator(fields.kind_of_reference),
]
Engines = Annotated[
    tuple[EngineEntry, ...],
    Field(json_schema_extra=fields.one_or_list),
    AfterValidator(_each_once),
    AfterValidator(_few),
    AfterValidator(_together),
    fields.listed(
        "servers ('vllm', 'sglang', 'trtllm'), or 'any' or 'none', or engine profiles (files or mappings)",
        fields.entry_as_list,
    ),
]
