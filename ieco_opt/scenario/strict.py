"""The base of all parts of a scenario."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from ieco_opt.catalog.field_docstrings import describe_fields
from ieco_opt.scenario.faults import RaisesScenarioError
from ieco_opt.scenario.other_words import add_limits_to_schema, add_to_schema, for_all_workloads, in_our_words


class Strict(BaseModel, metaclass=RaisesScenarioError):
    """Base of all parts of a scenario; constructors raise ``ScenarioError`` and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, values: object) -> object:
        return in_our_words(values, cls.model_fields)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe fields as their docstrings do, and the aliases too."""
        schema = handler(core_schema)
        described = handler.resolve_ref_schema(schema)
        describe_fields(described, cls)
        add_to_schema(described, cls.model_fields)
        return schema


class LimitsForAll(Strict):
    """Base of limits that may say something for all workloads, which :class:`SaysForAll` puts into each."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe that too."""
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        add_limits_to_schema(handler.resolve_ref_schema(schema))
        return schema


class SaysForAll(Strict):
    """Base of scenarios whose limits may say something for all workloads."""

    @model_validator(mode="before")
    @classmethod
    def _for_all_workloads(cls, values: object) -> object:
        return for_all_workloads(values)
