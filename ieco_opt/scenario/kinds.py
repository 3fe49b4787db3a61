"""The two kinds of scenarios, told apart where one of them is expected."""

from __future__ import annotations

from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.fleet import Fleet


def expected_deployment(scenario: object, asked: str) -> Scenario:
    """Refuse what is no deployment.

    Raises
    ------
    ScenarioError
        It is a fleet, or neither.
    """
    if not isinstance(scenario, Scenario):
        raise _other_kind(scenario, f"a deployment for {asked} (plan and fleet_frontier take fleets)")
    return scenario


def expected_fleet(fleet: object, asked: str) -> Fleet:
    """Refuse what is no fleet.

    Raises
    ------
    ScenarioError
        It is a deployment, or neither.
    """
    if not isinstance(fleet, Fleet):
        raise _other_kind(fleet, f"a fleet for {asked} (solve and frontier take deployments)")
    return fleet


def _other_kind(scenario: object, expected: str) -> ScenarioError:
    given = "a deployment" if isinstance(scenario, Scenario) else found(scenario)
    given = "a fleet" if isinstance(scenario, Fleet) else given
    return ScenarioError.single(f"found {given}, expected {expected}", field="kind")
