"""The most that a fleet serves against the least cost of serving it: no program may know more than the other."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from places import DATA
from random_fleets import numbered_fleet, numbered_larger_fleet

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

# The planner's own: a multiple counts as greater from 1e-7 on, and a demand is met within 2e-9.
_APART = 1e-6

_AT_ONCE, _GROUPS, _ALL = 10, 4, 20


def _at_demand(fleet: Mapping, factor: float) -> Mapping:
    """The fleet with a multiple of its demands."""
    workloads = [each | {"requests_per_s": factor * each["requests_per_s"]} for each in fleet["workloads"]]
    return fleet | {"workloads": workloads, "objective": "cost"}


def _least_cost(fleet: Mapping, factor: float) -> float | None:
    try:
        return ieco_opt.plan(load_fleet_mapping(_at_demand(fleet, factor)))[0].usd_per_hour
    except InfeasibleError:
        return None


def _most(fleet: Mapping) -> FleetResult | None:
    try:
        return ieco_opt.plan(load_fleet_mapping(fleet), objective="throughput")
    except InfeasibleError:
        return None


def _faults(fleet: Mapping) -> list[str]:
    """Where the greatest factor is none by the least cost: nothing serves more, and it costs what it must."""
    found = _most(fleet)
    if found is None:
        # Demands of next to nothing take one instance, whatever they are.
        return [] if _least_cost(fleet, 1e-6) is None else ["nothing is served though something can be"]
    (plan,), faults = found.plans, []
    if found.status != "optimal":
        faults.append(f"the factor is {found.status}")
    if _least_cost(fleet, plan.demand_factor * (1.0 + _APART)) is not None:
        faults.append(f"more than {plan.demand_factor} times the demand is served")
    least = _least_cost(fleet, plan.demand_factor * (1.0 - 1e-8))
    if least != pytest.approx(plan.usd_per_hour, rel=_APART):
        faults.append(f"{plan.demand_factor} times the demand is served for {least}, not {plan.usd_per_hour}")
    return faults


def _check(seeds: range, draw: Any) -> None:
    faults = {seed: found for seed in seeds if (found := _faults(draw(seed)))}
    assert not faults


@pytest.mark.parametrize("group", range(_GROUPS))
def test_no_plan_serves_more_and_none_that_serves_as_much_is_cheaper(group: int) -> None:
    _check(range(70_000 + group * _AT_ONCE, 70_000 + (group + 1) * _AT_ONCE), numbered_fleet)


def test_slices_that_take_a_little_more_than_whole_instances_are_served() -> None:
    # At 0.9333334 times the demand two instances lack 2e-7 of one, which HiGHS alone calls infeasible.
    _check(range(70_114, 70_115), numbered_fleet)


def test_where_nothing_is_served_instances_need_not_serve_every_class() -> None:
    # On the way the greatest multiple within some caps is 0, with instances that serve one class of two.
    _check(range(70_167, 70_168), numbered_fleet)


def test_what_serves_as_much_for_less_is_found_though_highs_overlooks_it() -> None:
    # Asked for 1e-9 less than the greatest multiple, HiGHS 1.16.0 calls $19.08/h the least; $16.57/h serves all of it.
    assert not _faults(yaml.safe_load((DATA / "fleets" / "served_for_less.yaml").read_text("utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("group", range(_GROUPS, _ALL))
def test_no_plan_of_many_fleets_serves_more(group: int) -> None:
    _check(range(70_000 + group * _AT_ONCE, 70_000 + (group + 1) * _AT_ONCE), numbered_fleet)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(71_000, 71_010))
def test_no_plan_of_a_larger_fleet_serves_more(seed: int) -> None:
    _check(range(seed, seed + 1), numbered_larger_fleet)
