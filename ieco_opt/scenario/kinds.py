"""What is said where a scenario is not of the kind that is expected."""

from __future__ import annotations

from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.fleet import Fleet


def other_kind(scenario: object, expected: str) -> ScenarioError:
    """The error of a deployment where a fleet is expected, of a fleet where a deployment is, or of neither."""
    given = "a deployment" if isinstance(scenario, Scenario) else found(scenario)
    given = "a fleet" if isinstance(scenario, Fleet) else given
    return ScenarioError.single(f"found {given}, expected {expected}", field="kind")
