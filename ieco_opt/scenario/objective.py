"""What is best of a scenario where nobody says: it follows from the limits that are given."""

from __future__ import annotations

from ieco_opt.defaults import ObjectiveName
from ieco_opt.scenario.deployment import Scenario

_NOTE = "objective "


def usual_objective(scenario: Scenario) -> tuple[ObjectiveName, str]:
    """Objective of a scenario, and a note that says which it is and why."""
    found: tuple[ObjectiveName, str] = ("preferred", "neither limits.min_speed nor limits.max_cost is given")
    if scenario.limits.min_speed is not None:
        found = ("cheapest", "limits.min_speed is given")
    elif scenario.limits.max_cost is not None:
        found = ("fastest", "limits.max_cost is given")
    return found[0], f"{_NOTE}{found[0]}, since {found[1]}"


def says_objective(note: str) -> bool:
    """Whether a note is one that :func:`usual_objective` gave."""
    return note.startswith(_NOTE)
