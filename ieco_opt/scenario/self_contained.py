"""Scenarios that need no other file: what they name as files is read and put in its place."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from ieco_opt import catalog
from ieco_opt.catalog.types import Fidelity
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.deployment import Scenario, Speculation
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import Fleet, FleetWorkload
from ieco_opt.scenario.operating_points import read_operating_points
from ieco_opt.scenario.references import is_file, model_of


def self_contained(scenario: Scenario) -> Scenario:
    """Put mappings in the place of models that the scenario names as files.

    Raises
    ------
    ScenarioError
        Where a file is missing or wrong.
    """
    faults: list[Fault] = []
    inlined = _Inliner(scenario.fidelity, scenario.origin, faults)
    changes: dict[str, str | dict[str, object] | Speculation] = {"model": inlined.model(scenario.model, ("model",))}
    if scenario.speculation is not None:
        changes["speculation"] = inlined.speculation(scenario.speculation, ())
    if faults:
        raise ScenarioError(faults)
    return scenario.model_copy(update=changes)


def self_contained_fleet(fleet: Fleet) -> Fleet:
    """Put mappings in the place of models and operating points that the fleet names as files.

    Raises
    ------
    ScenarioError
        Where a file is missing or wrong.
    """
    faults: list[Fault] = []
    inlined = _Inliner(Fidelity.DEPLOYABLE, fleet.origin, faults)
    workloads = tuple(
        inlined.workload(workload, ("workloads", index)) for index, workload in enumerate(fleet.workloads)
    )
    if faults:
        raise ScenarioError(faults)
    if workloads == fleet.workloads:
        return fleet
    # Names in tables that were just read are checked like those that stood in the scenario.
    values = fleet.model_dump(exclude_unset=True) | {
        "workloads": [each.model_dump(exclude_unset=True) for each in workloads]
    }
    try:
        return Fleet.model_validate(values, context=fleet.origin)
    except ValidationError as error:
        raise ScenarioError(faults_of(error, Fleet, fleet.origin)) from None


@dataclass(frozen=True, slots=True)
class _Inliner:
    """Reads what parts of a scenario name as files, and collects the faults."""

    fidelity: Fidelity
    origin: Origin
    faults: list[Fault]

    def model(self, reference: str | dict[str, object], location: Location) -> str | dict[str, object]:
        if not is_file(reference):
            return reference
        try:
            return catalog.model_to_mapping(model_of(reference, location, self.fidelity, self.origin))
        except ScenarioError as error:
            self.faults.extend(error.faults)
            return reference

    def speculation(self, speculation: Speculation, location: Location) -> Speculation:
        draft = self.model(speculation.draft_model, (*location, "speculation", "draft_model"))
        return speculation.model_copy(update={"draft_model": draft})

    def workload(self, workload: FleetWorkload, location: Location) -> FleetWorkload:
        changes: dict[str, object] = {}
        if workload.model is not None:
            changes["model"] = self.model(workload.model, (*location, "model"))
        if workload.speculation is not None:
            changes["speculation"] = self.speculation(workload.speculation, location)
        if isinstance(workload.operating_points, str):
            try:
                changes["operating_points"] = read_operating_points(
                    workload.operating_points, (*location, "operating_points"), self.origin
                )
            except ScenarioError as error:
                self.faults.extend(error.faults)
        return workload.model_copy(update=changes)
