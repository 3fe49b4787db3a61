"""Types of the fields that say which servers a scenario asks: names, and a profile of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, WrapValidator
from pydantic.config import JsonDict
from pydantic.functional_validators import ModelWrapValidatorHandler

from ieco_opt.scenario import fields
from ieco_opt.scenario.engines import ALONE, ANY, PREFERENCE, name_in

ProfileReference = Annotated[
    Annotated[fields.Name, fields.expecting("a profile of a server, as a file or a mapping"), Tag("<name>")]
    | Annotated[fields.Inline, Tag("<mapping>")],
    Discriminator(fields.kind_of_reference),
]

_WORDS = (ANY, ALONE, *PREFERENCE)

_EITHER: JsonDict = {"anyOf": [{"enum": list(_WORDS)}, {"items": {"enum": list(_WORDS)}, "type": "array"}]}

WITHOUT_PROFILE: JsonDict = {
    "if": {"properties": {"profile": {"type": "null"}}},
    "then": {"properties": {"engine": _EITHER}},
}
"""JSON Schema of the names that there are where a scenario or a workload brings no profile."""


def _known(value: object, handler: ModelWrapValidatorHandler[str], info: ValidationInfo) -> str:
    """Refuse names that neither the package nor the scenario's own profile has.

    A profile that is a file is not read yet, and one that is wrong has no name: then any text may be right.
    """
    profile = info.data.get("profile", "")
    own = name_in(profile)
    known = (*_WORDS, *(() if own is None or own in _WORDS else (own,)))
    open_ended = profile is not None and own is None
    if isinstance(value, str) and (value in known or open_ended):
        return handler(value)
    *others, last = map(repr, known)
    raise fields.refusal(value, f"{', '.join(others)} or {last}")


def _alone(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse servers beside a word that stands for all of them, or for none."""
    wrong = [((at,), each, "it alone") for at, each in enumerate(value) if each in (ANY, ALONE) and len(value) > 1]
    if wrong:
        raise fields.refused_at(wrong)
    return value


def _with_profile(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Refuse servers that leave out the one whose profile the scenario brings."""
    profile = info.data.get("profile")
    own = name_in(profile)
    if profile is not None and value == (ALONE,):
        raise fields.refusal(ALONE, "a server, since there is a profile of one")
    if own is not None and ANY not in value and own not in value:
        raise fields.refusal(", ".join(value), f"{own!r} among them, the engine of the profile")
    return value


EngineName = Annotated[str, WrapValidator(_known)]
Engines = Annotated[
    tuple[EngineName, ...],
    Field(json_schema_extra=fields.one_or_list),
    AfterValidator(fields.unique),
    AfterValidator(_alone),
    AfterValidator(_with_profile),
    fields.listed("servers ('vllm', 'sglang', 'trtllm'), or 'any' or 'none' alone"),
    BeforeValidator(fields.scalar_as_list),
]
