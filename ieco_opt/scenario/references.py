"""From the names, files and mappings of a scenario to what the catalog holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator, Fidelity, Model, PaperModel
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.origin import Location, Origin, found
from ieco_opt.scenario.schema import Scenario, Speculation

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

    def inlined(reference: str | dict[str, object], location: Location) -> str | dict[str, object]:
        if not isinstance(reference, str) or not reference.lower().endswith(FILE_ENDINGS):
            return reference
        try:
            return catalog.model_to_mapping(model_of(reference, location, scenario.fidelity, scenario.origin))
        except ScenarioError as error:
            faults.extend(error.faults)
            return reference

    changes: dict[str, str | dict[str, object] | Speculation] = {"model": inlined(scenario.model, ("model",))}
    if scenario.speculation is not None:
        draft = inlined(scenario.speculation.draft_model, ("speculation", "draft_model"))
        changes["speculation"] = scenario.speculation.model_copy(update={"draft_model": draft})
    if faults:
        raise ScenarioError(faults)
    return scenario.model_copy(update=changes)


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
