"""What a scenario names, in full: kept with every answer, so that a changed catalog changes no saved one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ieco_opt import catalog
from ieco_opt.catalog.types import Fidelity
from ieco_opt.documents.origin import Location, undotted
from ieco_opt.documents.types import Record, Text
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.fleet import Fleet
from ieco_opt.scenario.references import accelerator_of, collection_of, model_of

Reference = str | dict[str, object]


@dataclass(frozen=True, slots=True)
class Resolved(Record):
    """Fields of models and accelerators, as in docs/catalog.md, by the names that the scenario uses for them.

    What a scenario describes itself as a mapping stands in the scenario and not here.
    """

    models: dict[Text, dict[Text, Any]]
    accelerators: dict[Text, dict[Text, Any]]

    def known(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What :class:`Origin` looks names up in."""
        return {"models": self.models, "accelerators": self.accelerators}


def resolved_names(scenario: Scenario | Fleet) -> Resolved:
    """Look up every name of a scenario that needs no file beside it.

    Raises
    ------
    ScenarioError
        A name is unknown.
    """
    fidelity = _fidelity(scenario)
    models, accelerators = _all_references(scenario)
    return Resolved(
        models={
            name: catalog.model_to_mapping(model_of(name, place, fidelity, scenario.origin))
            for name, place in _names(models)
        },
        accelerators={
            name: catalog.accelerator_to_mapping(accelerator_of(name, place, fidelity, scenario.origin))
            for name, place in _names(accelerators)
        },
    )


def contradictions(scenario: Scenario | Fleet, resolved: Resolved) -> Iterator[tuple[Location, str]]:
    """What is wrong with facts that were kept beside a scenario: place, and what was found and is expected."""
    collection = collection_of(_fidelity(scenario))
    for what, references in zip(("models", "accelerators"), _all_references(scenario), strict=True):
        named, kept = {name for name, _ in _names(references)}, resolved.known()[what]
        for name in sorted(named ^ kept.keys()):
            missing = name in named
            message = "the field is missing" if missing else "unknown field, expected names that the scenario uses"
            yield (what, name), message
        for name in sorted(named & kept.keys()):
            build = catalog.model_from_mapping if what == "models" else catalog.accelerator_from_mapping
            try:
                build(kept[name], collection)
            except ScenarioError as error:
                for fault in error.faults:
                    yield (what, name, *undotted(fault.field)), fault.message


References = list[tuple[Reference | None, Location]]


def _fidelity(scenario: Scenario | Fleet) -> Fidelity:
    return scenario.fidelity if isinstance(scenario, Scenario) else Fidelity.DEPLOYABLE


def _all_references(scenario: Scenario | Fleet) -> tuple[References, References]:
    return _references(scenario) if isinstance(scenario, Scenario) else _references_of_fleet(scenario)


def _references(scenario: Scenario) -> tuple[References, References]:
    models: References = [(scenario.model, ("model",))]
    if scenario.speculation is not None:
        models.append((scenario.speculation.looked_up, ("speculation", "draft_model")))
    return models, [(each, ("accelerators", at)) for at, each in enumerate(scenario.accelerators)]


def _references_of_fleet(fleet: Fleet) -> tuple[References, References]:
    models: References = []
    accelerators: References = [(pool.accelerator, ("pools", at, "accelerator")) for at, pool in enumerate(fleet.pools)]
    own = {pool.accelerator.get("name") for pool in fleet.pools if isinstance(pool.accelerator, dict)}
    for at, workload in enumerate(fleet.workloads):
        place: Location = ("workloads", at)
        models.append((workload.model, (*place, "model")))
        if workload.speculation is not None:
            models.append((workload.speculation.looked_up, (*place, "speculation", "draft_model")))
        points = workload.operating_points if isinstance(workload.operating_points, tuple) else ()
        accelerators += [
            (point.accelerator, (*place, "operating_points", row, "accelerator"))
            for row, point in enumerate(points)
            if point.accelerator not in own
        ]
    return models, accelerators


def _names(references: References) -> Iterator[tuple[str, Location]]:
    """Each name once, also where a mapping starts from it."""
    seen: set[str] = set()
    for reference, place in references:
        like = reference.get("like") if isinstance(reference, dict) else None
        name, at = (like, (*place, "like")) if like is not None else (reference, place)
        if isinstance(name, str) and name not in seen:
            seen.add(name)
            yield name, at
