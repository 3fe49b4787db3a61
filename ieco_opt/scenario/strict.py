"""The base of all parts of a scenario."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ieco_opt.scenario.faults import RaisesScenarioError


class Strict(BaseModel, metaclass=RaisesScenarioError):
    """Base of all parts of a scenario; constructors raise ``ScenarioError`` and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
