"""From the names, files and mappings that a scenario gives to what the catalog holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ieco_opt import catalog
from ieco_opt.catalog.one_kind import ONE_KIND, asks_for_several
from ieco_opt.catalog.types import Accelerator, Fidelity, Model, PaperModel
from ieco_opt.documents.origin import Location, Origin, found
from ieco_opt.errors import Fault, ScenarioError

T = TypeVar("T")


def is_file(reference: str | Mapping[str, object]) -> bool:
    """Whether a model or an accelerator is named as a file, by its ending."""
    return isinstance(reference, str) and catalog.is_file_name(reference)


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
    find = _finder(origin, "models", catalog.model_from_mapping, catalog.model)
    if isinstance(reference, Mapping):
        return _placed(lambda: catalog.model_from_mapping(reference, collection, find), location, origin)
    if is_file(reference):
        return _in_file(catalog.model_from_file, reference, location, collection, origin)
    return _named(find, reference, location, collection, origin)


def accelerator_of(
    reference: str | Mapping[str, object], location: Location, fidelity: Fidelity, origin: Origin
) -> Accelerator:
    """Find an accelerator by name, or read it from a file or a mapping.

    Raises
    ------
    ScenarioError
        With faults at ``location`` of the scenario, or in the accelerator's file.
    """
    collection = collection_of(fidelity)
    find = _finder(origin, "accelerators", catalog.accelerator_from_mapping, catalog.accelerator)
    if isinstance(reference, Mapping):
        return _placed(lambda: catalog.accelerator_from_mapping(reference, collection, find), location, origin)
    if is_file(reference):
        return _in_file(catalog.accelerator_from_file, reference, location, collection, origin)
    if asks_for_several(reference, lambda name: find(name, collection)):
        raise ScenarioError([origin.fault(location, f"found {found(reference)}, expected {ONE_KIND}")])
    return _named(find, reference, location, collection, origin)


def _finder(
    origin: Origin,
    what: str,
    build: Callable[[Mapping[str, object], catalog.Collection], T],
    find: Callable[[str, catalog.Collection], T],
) -> Callable[[str, catalog.Collection], T]:
    """Look names up where a saved result kept what they stood for, and otherwise in the catalog."""
    known = origin.known.get(what, {})

    def found_by_name(name: str, collection: catalog.Collection) -> T:
        return build(known[name], collection) if name in known else find(name, collection)

    return found_by_name


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


def _in_file(
    read: Callable[[Path, catalog.Collection], T],
    name: str,
    location: Location,
    collection: catalog.Collection,
    origin: Origin,
) -> T:
    path = origin.path_of(name, location, "a file")
    try:
        return read(path, collection)
    except ScenarioError as error:
        raise ScenarioError(
            [Fault(fault.file or str(path), fault.line, fault.field, fault.message) for fault in error.faults]
        ) from None
