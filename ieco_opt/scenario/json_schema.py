"""The JSON Schema of scenario files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.fleet import Fleet

KINDS: Mapping[str, type[Scenario] | type[Fleet]] = {"deployment": Scenario, "fleet": Fleet}
"""Kinds of scenarios by name."""


def json_schema(kind: str = "deployment") -> dict[str, Any]:
    """Return the JSON Schema of scenario files of one kind (a key of ``KINDS``)."""
    schema = KINDS[kind].model_json_schema()
    # Files say their kind, so that kinds can be told apart; only Python code may leave it out.
    schema["required"] = ["kind", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
