"""Fleets against the independent oracle: optima, feasibility, every constraint of every plan; and planning together."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from oracle.fleet import TooLargeError, simulate, solve
from oracle.fleet_answers import answer
from random_fleets import numbered_asked_fleet, numbered_fleet, numbered_larger_fleet
from random_profiles import random_profile

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

# Rows are scaled to 1 and solved to 1e-9; objectives are recomputed from the rounded plan.
RELATIVE = 1e-7

_PER_GROUP = 10


def planned(mapping: Mapping, **arguments: Any) -> FleetResult | None:
    """The library's answer; ``None`` where it proves that there is none."""
    try:
        return ieco_opt.plan(load_fleet_mapping(mapping), **arguments)
    except InfeasibleError:
        return None


def least_cost(mapping: Mapping) -> float:
    """Least cost in $/h; inf where there is no plan."""
    result = planned({**mapping, "objective": "cost"})
    return float("inf") if result is None else result[0].usd_per_hour


def as_written(result: FleetResult) -> Mapping:
    """The parsed JSON of a result."""
    parsed: Mapping = json.loads(result.to_json())
    return parsed


@pytest.mark.parametrize("group", [*range(5), *(pytest.param(group, marks=pytest.mark.slow) for group in range(5, 30))])
def test_the_optimum_is_that_of_the_brute_force(group: int) -> None:
    for seed in range(group * _PER_GROUP, (group + 1) * _PER_GROUP):
        mapping = numbered_asked_fleet(seed)
        expected, found = answer(mapping), planned(mapping)
        assert (expected is None) == (found is None), seed
        if expected is None or found is None:
            continue
        plan = found[0]
        assert plan.objective == pytest.approx(expected.objective, rel=RELATIVE), seed
        assert plan.usd_per_hour == pytest.approx(expected.usd_per_hour, rel=RELATIVE), seed
        assert plan.status == "optimal", seed
        assert (plan.bound - plan.objective) * (-1 if mapping["objective"] == "throughput" else 1) <= 0, seed
        assert simulate(as_written(found)) == [], seed
        assert ieco_opt.verify(found).problems == [], seed


@pytest.mark.usefixtures("cbc")
@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 60), marks=pytest.mark.slow)], ids=str)
def test_the_optimum_with_a_calibration_profile_is_that_of_the_brute_force(seeds: range) -> None:
    different = 0
    for seed in seeds:
        plain = numbered_fleet(seed)
        profile = random_profile(random.Random(seed))  # noqa: S311 - chance, not secrets
        mapping = {**plain, "profile": profile}
        try:
            expected = solve(mapping)
        except TooLargeError:
            continue
        found = planned(mapping)
        assert (expected is None) == (found is None), seed
        before = solve(plain)
        if expected is None or found is None:
            different += before is not None
            continue
        assert found[0].objective == pytest.approx(expected.objective, rel=RELATIVE), seed
        assert simulate(as_written(found)) == [], seed
        different += before is None or before.objective != expected.objective
    assert different >= 2


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 20))])
def test_larger_optima_are_those_of_another_solver(seed: int) -> None:
    mapping = numbered_larger_fleet(seed)
    config = ieco_opt.SolverConfig(name="cbc", solver="cbc", time_limit_s=60.0)
    ours, theirs = planned(mapping), planned(mapping, solver_config=config)
    assert (ours is None) == (theirs is None)
    if ours is None or theirs is None:
        return
    if theirs.stopped is None:
        assert ours[0].objective == pytest.approx(theirs[0].objective, rel=1e-6)
    else:
        # What a solver had found when its time was up is a plan, and no plan is better than a proven one.
        assert ours[0].objective <= theirs[0].objective * (1.0 + 1e-6)
    assert simulate(as_written(ours)) == []


def _apart(mapping: Mapping) -> tuple[Mapping, Mapping, Mapping]:
    """Two fleets that share pools with stock for both, and the fleet of all their workloads."""
    one = copy.deepcopy(mapping)
    one.pop("limits", None)
    for pool in one["pools"]:
        pool.pop("max_power_kw", None)
        # Each alone may use half of what both have together; owned GPUs are halved alike.
        pool["owned_gpus"] = pool.get("owned_gpus", 0) // 8 * 8
        pool["gpus"] = max(pool["gpus"] // 8 * 8, 8, pool["owned_gpus"])
        pool["node_size"] = 8
    other = copy.deepcopy(one)
    together = copy.deepcopy(one)
    for pool in together["pools"]:
        pool["gpus"] *= 2
        pool["owned_gpus"] *= 2
    for workload in other["workloads"]:
        workload["name"] += "-too"
        workload["requests_per_s"] *= 1.3
    together["workloads"] += copy.deepcopy(other["workloads"])
    return one, other, together


@pytest.mark.parametrize("wanted", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_planning_together_never_costs_more_than_apart(wanted: int) -> None:
    compared = 0
    for seed in range(1200, 1400):
        one, other, together = _apart(numbered_fleet(seed))
        apart = least_cost(one) + least_cost(other)
        if apart == float("inf"):
            continue
        compared += 1
        assert least_cost(together) <= apart * (1.0 + RELATIVE), seed
        if compared == wanted:
            break
    assert compared == wanted
