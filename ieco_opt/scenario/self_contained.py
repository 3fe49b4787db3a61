"""Scenarios that need no other file: what they name as files is read and put in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from ieco_opt import catalog
from ieco_opt.catalog.types import Fidelity
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.engines import Engine, profile_values
from ieco_opt.scenario.engines import is_file as is_engine_file
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import Fleet, FleetWorkload
from ieco_opt.scenario.operating_points import read_operating_points
from ieco_opt.scenario.references import accelerator_of, is_file, model_of
from ieco_opt.scenario.speculation import Speculation

Kind = TypeVar("Kind", Scenario, Fleet)


def self_contained(scenario: Scenario) -> Scenario:
    """Put mappings in the place of the models, accelerators and engine profiles that the scenario names as files.

    Raises
    ------
    ScenarioError
        Where a file is missing or wrong.
    """
    faults: list[Fault] = []
    inlined = _Inliner(scenario.fidelity, scenario.origin, faults)
    changes: dict[str, object] = {"model": inlined.model(scenario.model, ("model",))}
    if any(map(is_file, scenario.accelerators)):
        listed = enumerate(scenario.accelerators)
        changes["accelerators"] = tuple(inlined.accelerator(each, ("accelerators", at)) for at, each in listed)
    if scenario.speculation is not None:
        changes["speculation"] = inlined.speculation(scenario.speculation, ())
    if any(map(is_engine_file, scenario.engine)):
        changes["engine"] = inlined.engines(scenario.engine, ("engine",))
    if faults:
        raise ScenarioError(faults)
    copied = scenario.model_copy(update=changes)
    return copied if scenario.engine == copied.engine else _again(copied, scenario.origin)


def self_contained_fleet(fleet: Fleet) -> Fleet:
    """Put mappings in the place of models, accelerators, engine profiles and operating points that are named as files.

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
    pools = tuple(
        pool.model_copy(update={"accelerator": inlined.accelerator(pool.accelerator, ("pools", at, "accelerator"))})
        for at, pool in enumerate(fleet.pools)
    )
    if faults:
        raise ScenarioError(faults)
    if workloads == fleet.workloads and pools == fleet.pools:
        return fleet
    return _again(fleet.model_copy(update={"workloads": workloads, "pools": pools}), fleet.origin)


def _again(scenario: Kind, origin: Origin) -> Kind:
    """Check names in what was just read, and names of it, like those that stood in the scenario."""
    schema = type(scenario)
    try:
        return schema.model_validate(scenario.model_dump(exclude_unset=True), context=origin)
    except ValidationError as error:
        raise ScenarioError(faults_of(error, schema, origin)) from None


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

    def accelerator(self, reference: str | dict[str, object], location: Location) -> str | dict[str, object]:
        if not is_file(reference):
            return reference
        try:
            return catalog.accelerator_to_mapping(accelerator_of(reference, location, self.fidelity, self.origin))
        except ScenarioError as error:
            self.faults.extend(error.faults)
            return reference

    def engines(self, engines: tuple[Engine, ...], location: Location) -> tuple[Engine, ...]:
        return tuple(self._engine(each, (*location, at)) for at, each in enumerate(engines))

    def _engine(self, engine: Engine, location: Location) -> Engine:
        if not isinstance(engine, str) or not is_engine_file(engine):
            return engine
        try:
            return profile_values(engine, location, self.origin)
        except ScenarioError as error:
            self.faults.extend(error.faults)
            return engine

    def speculation(self, speculation: Speculation, location: Location) -> Speculation:
        changes: dict[str, object] = {}
        if speculation.looked_up is not None:
            changes["draft_model"] = self.model(speculation.looked_up, (*location, "speculation", "draft_model"))
        if isinstance(speculation.accepted_tokens, str):
            changes["accepted_tokens"] = speculation.measured
        return speculation.model_copy(update=changes)

    def workload(self, workload: FleetWorkload, location: Location) -> FleetWorkload:
        changes: dict[str, object] = {}
        if workload.model is not None:
            changes["model"] = self.model(workload.model, (*location, "model"))
        if workload.speculation is not None:
            changes["speculation"] = self.speculation(workload.speculation, location)
        if any(map(is_engine_file, workload.engine)):
            changes["engine"] = self.engines(workload.engine, (*location, "engine"))
        if isinstance(workload.operating_points, str):
            try:
                changes["operating_points"] = read_operating_points(
                    workload.operating_points, (*location, "operating_points"), self.origin
                )
            except ScenarioError as error:
                self.faults.extend(error.faults)
        return workload.model_copy(update=changes)
