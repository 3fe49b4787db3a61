"""A configuration as people write it: `TP8,DP2,PP1,B64`."""

from __future__ import annotations

import re

from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.results.configuration import AskedConfiguration
from ieco_opt.scenario.fields import MAX_DEGREE

_FIELDS = {
    "TP": "tensor_parallel",
    "DP": "attention_data_parallel",
    "PP": "pipeline_parallel",
    "EP": "expert_parallel",
    "R": "redundant_experts",
    "K": "draft_tokens",
    "B": "batch",
}
_LEAST = {"R": 0, "K": 2}
_NEEDED = ("TP", "B")
_FORM = "the form TP8,DP2,PP1,EP16,R0,K4,B64, of which TP and B are needed"
_PART = re.compile(r"([a-z]+)([0-9]+)", re.ASCII | re.IGNORECASE)
_BETWEEN = re.compile(r"[,\s]+")
_MOST_DIGITS = len(str(MAX_DEGREE))


def asked_of(text: str) -> AskedConfiguration:
    """Read what somebody asks about; parts are separated by commas or blanks, in any order.

    Raises
    ------
    ScenarioError
        With the first thing that is wrong.
    """
    values: dict[str, int] = {}
    for part in filter(None, _BETWEEN.split(text)):
        match = _PART.fullmatch(part)
        name = match[1].upper() if match else ""
        if match is None or name not in _FIELDS:
            raise _wrong(f"found {found(part)} in {found(text)}")
        if name in values:
            raise _wrong(f"found {name} twice in {found(text)}")
        least = _LEAST.get(name, 1)
        value = int(match[2]) if len(match[2]) <= _MOST_DIGITS else MAX_DEGREE + 1
        if not least <= value <= MAX_DEGREE:
            message = f"found {found(part)}, expected {name} with an integer from {least} to {MAX_DEGREE:,}"
            raise ScenarioError.single(message, field="configuration")
        values[name] = value
    missing = [name for name in _NEEDED if name not in values]
    if missing:
        raise _wrong(f"found {found(text)} without {' and '.join(missing)}")
    return AskedConfiguration(**{_FIELDS[name]: value for name, value in values.items()})


def _wrong(message: str) -> ScenarioError:
    return ScenarioError.single(f"{message}, expected {_FORM}", field="configuration")
