"""The same scenario with other limits, prices, demands or capacities, checked like one that was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ieco_opt.documents.origin import found, shortened
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.deployment import Limits, Scenario
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import Fleet

Kind = TypeVar("Kind", Scenario, Fleet)

_OF_NO_OTHER_FIELD = frozenset({"min_speed", "max_cost"})
"""Limits of which no rule of a scenario says anything beside another field: they are checked by themselves."""


def scenario_with(
    scenario: Scenario,
    names: tuple[str, ...],
    limits: Mapping[str, float | None],
    prices: Mapping[str, float],
) -> Scenario:
    """A scenario with some limits, of which ``None`` takes one away, and some prices of a GPU-hour.

    Parameters
    ----------
    scenario
        One that its own mapping gives (:func:`as_mapped`).
    names
        Names of the accelerators, in the order of the scenario.

    Raises
    ------
    ScenarioError
        A name is none of the scenario, or a value is wrong, as of a scenario that says it itself.
    """
    if not prices and limits.keys() <= _OF_NO_OTHER_FIELD:
        try:
            said = scenario.limits.model_dump(mode="json", exclude_unset=True)
            changed = Limits.model_validate(_changed(said, limits), context=scenario.origin)
        except ValidationError:
            # The whole scenario says where in it the fault is.
            pass
        else:
            return scenario.model_copy(update={"limits": changed}) if limits else scenario
    values = scenario.to_mapping()
    _limit(values, limits)
    for name, price in prices.items():
        at = _position(names, name, "prices")
        said = values["accelerators"][at]
        mapping = {"like": said} if isinstance(said, str) else dict(said)
        values["accelerators"][at] = {**mapping, "usd_per_gpu_hour": price}
    return _checked(scenario, values)


def as_mapped(scenario: Scenario) -> Scenario:
    """The scenario that its own mapping gives, which says its version."""
    return _checked(scenario, scenario.to_mapping())


def fleet_with(
    fleet: Fleet,
    requests_per_s: Mapping[str, float],
    prices: Mapping[str, float],
    capacity: Mapping[str, int],
    limits: Mapping[str, float | None],
) -> Fleet:
    """A fleet with some demands by workload, prices of a GPU-hour and GPUs by pool, and caps.

    Raises
    ------
    ScenarioError
        A name is none of the fleet, or a value is wrong, as of a fleet that says it itself.
    """
    values = fleet.to_mapping()
    _limit(values, limits)
    workloads, pools = tuple(each.name for each in fleet.workloads), tuple(each.name for each in fleet.pools)
    for name, demand in requests_per_s.items():
        values["workloads"][_position(workloads, name, "requests_per_s")]["requests_per_s"] = demand
    for name, price in prices.items():
        values["pools"][_position(pools, name, "prices")]["usd_per_gpu_hour"] = price
    for name, gpus in capacity.items():
        values["pools"][_position(pools, name, "capacity")]["gpus"] = gpus
    return _checked(fleet, values)


def _limit(values: dict[str, Any], limits: Mapping[str, float | None]) -> None:
    if limits:
        values["limits"] = _changed(values.get("limits", {}), limits)


def _changed(said: Mapping[str, Any], limits: Mapping[str, float | None]) -> dict[str, Any]:
    return {name: value for name, value in {**said, **limits}.items() if value is not None or name not in limits}


def _position(names: tuple[str, ...], name: str, field: str) -> int:
    if name not in names:
        raise ScenarioError.single(f"found {found(name)}, expected one of {shortened(names)}", field=field)
    return names.index(name)


def _checked(scenario: Kind, values: dict[str, Any]) -> Kind:
    try:
        return type(scenario).model_validate(values, context=scenario.origin)
    except ValidationError as error:
        raise ScenarioError(faults_of(error, type(scenario), scenario.origin)) from None
