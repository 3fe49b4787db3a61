"""Type of the field that says which calibration profiles a scenario is priced with."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag

from ieco_opt.documents.origin import Location
from ieco_opt.scenario import fields
from ieco_opt.scenario.calibrations import AUTOMATIC, PUBLISHED, Profile

MOST_PROFILES = 64
"""Most profiles of one scenario: accelerators may have one each."""


def _together(value: tuple[Profile, ...]) -> tuple[Profile, ...]:
    """Refuse words where they say nothing: what they stand for is all, or what no other entry names."""
    last = len(value) - 1
    wrong: list[tuple[Location, object, str]] = []
    for at, each in enumerate(value):
        if each == AUTOMATIC and last > 0:
            wrong.append(((at,), each, "it alone"))
        if each == PUBLISHED and at < last:
            wrong.append(((at,), each, "it last"))
    if len(value) > MOST_PROFILES:
        wrong.append(((), value, f"at most {MOST_PROFILES} profiles"))
    if wrong:
        raise fields.refused_at(wrong)
    return value


def _is_calibration(value: dict[str, object]) -> dict[str, object]:
    """Refuse what is no calibration profile, with every fault where it stands."""
    from ieco_opt.catalog.calibration import calibration_from_mapping

    calibration_from_mapping(value)
    return value


ProfileEntry = Annotated[
    Annotated[
        fields.Name,
        fields.expecting(f"{AUTOMATIC!r}, {PUBLISHED!r}, or a calibration profile: a name, a file or a mapping"),
        Tag("<name>"),
    ]
    | Annotated[fields.Inline, AfterValidator(_is_calibration), Tag("<mapping>")],
    Discriminator(fields.kind_of_reference),
]
Profiles = Annotated[
    tuple[ProfileEntry, ...],
    Field(json_schema_extra=fields.one_or_list),
    AfterValidator(_together),
    fields.listed(
        f"calibration profiles (names, files or mappings), or {AUTOMATIC!r} or {PUBLISHED!r}", fields.entry_as_list
    ),
]
EngineFactors = Annotated[bool, fields.expecting("true or false")]

NO_FACTORS = "engine_factors has no effect with the published constants, which know no engine"
"""Note where each engine is to take its own launches, and no profile has any."""


def without_factors(profiles: tuple[Profile, ...], *, asked: bool) -> tuple[str, ...]:
    """Say so where a scenario asks for factors of engines and the published constants."""
    return (NO_FACTORS,) if asked and profiles == (PUBLISHED,) else ()
