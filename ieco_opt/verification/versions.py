"""Whether a result was made with the performance model and the rules of servers that this version has."""

from __future__ import annotations

from collections.abc import Iterator

from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.answer import Answer
from ieco_opt.scenario import Fleet, ResolvedFleet, ResolvedScenario, Scenario
from ieco_opt.solvers.versions import engine_versions, profiles_asked

_NO_ENGINE = {"engine": ("none",)}


def is_of_this_model(result: Answer) -> bool:
    """Whether the figures of a result are those of the performance model that is here."""
    return result.versions.model == MODEL_VERSION


def of_the_model(result: Answer) -> Iterator[str]:
    """Say that a result is of another performance model, if it is."""
    if not is_of_this_model(result):
        yield (
            f"versions.model: found {result.versions.model}, this version has the performance model "
            f"{MODEL_VERSION}; figures of the model were not checked"
        )


def of_the_engines(result: Answer, resolved: ResolvedScenario | ResolvedFleet) -> Iterator[str]:
    """Servers that a result was priced for, where they are not those of its scenario, or of other versions."""
    found, expected = result.versions.engines, engine_versions(resolved)
    if found.keys() != expected.keys():
        asked = ", ".join(expected) or "none"
        yield f"versions.engines: found {', '.join(found) or 'none'}, expected {asked}, which the scenario asks"
    titles = {each.name: each.title for each in profiles_asked(resolved)}
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name]:
            yield (
                f"versions.engines.{name}: found {found[name]}, this version has the rules and prices of "
                f"{titles[name]} {expected[name]}: the figures were made with others, and are checked with these"
            )


def without_engines(scenario: Scenario) -> Scenario:
    """The scenario of a result whose figures are not checked, so that no server need know its accelerators."""
    return scenario.model_copy(update=_NO_ENGINE)


def fleet_without_engines(fleet: Fleet) -> Fleet:
    """Like :func:`without_engines`."""
    workloads = tuple(each.model_copy(update=_NO_ENGINE) for each in fleet.workloads)
    return fleet.model_copy(update={"workloads": workloads})
