"""From the names, files and mappings of a scenario to what the catalog holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator, Fidelity, Model, PaperModel
from ieco_opt.documents.origin import Location, Origin, found
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.deployment import Scenario, Speculation
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import Fleet, FleetWorkload
from ieco_opt.scenario.operating_points import read_operating_points

FILE_ENDINGS = (".yaml", ".yml", ".json")

T = TypeVar("T")


def collection_of(fidelity: Fidelity) -> catalog.Collection:
    """Return the collection that the names of a scenario belong to."""
    return catalog.Collection.PAPER if fidelity is Fidelity.PAPER else catalog.Collection.REAL


def model_of(
    reference: str | Mapping[str, object], location: Location, fidelity: Fidelity, origin: Origin
) -> Model | PaperModel:
    """Find a model by name, or read it from a file or a mapping.

    Raises
    ------
    ScenarioError
        With faults at ``location`` of the scenario, or in the model's file.
    """
    collection = collection_of(fidelity)
    if isinstance(reference, Mapping):
        return _placed(lambda: catalog.model_from_mapping(reference, collection), location, origin)
    if reference.lower().endswith(FILE_ENDINGS):
        return _model_in_file(reference, location, collection, origin)
    return _named(catalog.model, reference, location, collection, origin)


def accelerator_of(
    reference: str | Mapping[str, object], location: Location, fidelity: Fidelity, origin: Origin
) -> Accelerator:
    """Find an accelerator by name, or read it from a mapping.

    Raises
    ------
    ScenarioError
        With faults at ``location`` of the scenario.
    """
    collection = collection_of(fidelity)
    if isinstance(reference, Mapping):
        return _placed(lambda: catalog.accelerator_from_mapping(reference, collection), location, origin)
    return _named(catalog.accelerator, reference, location, collection, origin)


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
        if not isinstance(reference, str) or not reference.lower().endswith(FILE_ENDINGS):
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


def _placed(read: Callable[[], T], location: Location, origin: Origin) -> T:
    try:
        return read()
    except ScenarioError as error:
        raise ScenarioError(origin.placed(location, error.faults)) from None


def _named(
    find: Callable[[str, catalog.Collection], T],
    name: str,
    location: Location,
    collection: catalog.Collection,
    origin: Origin,
) -> T:
    """Find by name; a name of the other collection is told apart from an unknown one."""
    try:
        return find(name, collection)
    except ScenarioError as error:
        faults = origin.placed(location, error.faults)
    other, fidelity = (
        (catalog.Collection.PAPER, Fidelity.PAPER)
        if collection is catalog.Collection.REAL
        else (catalog.Collection.REAL, Fidelity.DEPLOYABLE)
    )
    try:
        find(name, other)
    except ScenarioError:
        raise ScenarioError(faults) from None
    message = (
        f"found {found(name)} in the {other} collection, which fidelity {fidelity} uses; "
        f"expected a name of the {collection} collection"
    )
    raise ScenarioError([origin.fault(location, message)])


def _model_in_file(name: str, location: Location, collection: catalog.Collection, origin: Origin) -> Model | PaperModel:
    path = origin.folder / name
    if not path.is_file():
        message = f"found {found(name)}, expected a file that exists in {origin.folder}"
        raise ScenarioError([origin.fault(location, message)])
    try:
        return catalog.model_from_file(path, collection)
    except ScenarioError as error:
        raise ScenarioError(
            [Fault(fault.file or str(path), fault.line, fault.field, fault.message) for fault in error.faults]
        ) from None
