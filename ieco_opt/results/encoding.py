"""From a result to the mapping that its file holds, in file format 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ieco_opt.documents.json_document import json_text
from ieco_opt.results.parallelism import Row

if TYPE_CHECKING:
    from ieco_opt.results.answer import Answer

FORMAT = "ieco_opt result"
FORMAT_VERSION = 2

HEAD = ("question", "scenario", "resolved", "guarantee", "status")
"""Fields of every result that stand before its own."""

TAIL = ("solver", "statistics", "versions", "notes")
"""Fields of every result that stand after its own."""


def to_json(answer: Answer) -> str:
    """Write a result with its scenario, versions and proofs as strict JSON; what is infinite becomes null."""
    return json_text(to_mapping(answer))


def to_mapping(answer: Answer) -> dict[str, Any]:
    """Put a result into a mapping with the top-level keys of file format 2."""
    own = [item.name for item in fields(answer) if item.name not in (*HEAD, *TAIL)]
    values: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION}
    values |= {name: plain(getattr(answer, name)) for name in (*HEAD, *own, *TAIL)}
    values["scenario"] = answer.scenario.to_mapping()
    values["solver"]["options"] = {name: _option(value) for name, value in answer.solver.options.items()}
    return values


def plain(value: Any) -> Any:
    """Put a record, and what it holds at any depth, into mappings and lists; rows become flat."""
    if isinstance(value, Row):
        return {name: plain(entry) for name, entry in value.to_dict().items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, str):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _option(value: float | str) -> float | str:
    # Text, because null would read as an option that was not set.
    return str(value) if isinstance(value, float) and math.isinf(value) else value
