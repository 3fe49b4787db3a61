"""Frontiers of fleets against the oracle: points that nothing beats, and coverage of everything between them."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from oracle.fleet import simulate, solve
from random_fleets import numbered_fleet

import ieco_opt
from ieco_opt.errors import InfeasibleError, ScenarioError
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

_SEEDS = [range(15), pytest.param(range(15, 60), marks=pytest.mark.slow)]
_RELATIVE = 1e-6
"""Distance at which the sweeps tell plans apart is 1e-7; the oracle is asked a little beyond it."""


def swept(mapping: Mapping, against: str, **arguments: Any) -> FleetResult | None:
    """The frontier; ``None`` where the oracle agrees that there is no plan, or nothing that bounds a speed."""
    try:
        return ieco_opt.fleet_frontier(load_fleet_mapping(mapping), against=against, **arguments)
    except InfeasibleError:
        assert solve(mapping) is None
    except ScenarioError:
        assert against == "speed"
        assert not any(_bounds_a_speed(workload) for workload in mapping["workloads"])
    return None


def _bounds_a_speed(workload: Mapping) -> bool:
    """Whether a common speed factor is bounded by this workload: every instance type has a speed that it must reach."""
    points = workload.get("operating_points", [])
    unknown = any(row.get("phase") != "prefill" and "speed_tokens_per_s" not in row for row in points)
    return workload.get("min_speed") is not None and not unknown


def least_cost(mapping: Mapping, against: str, value: float) -> float:
    """Least cost of a plan at a speed factor, or with at most so much power or GPUs, by brute force."""
    capped = {**copy.deepcopy(mapping), "objective": "cost"}
    if against == "speed":
        answer = solve(capped, speed_factor=value)
    else:
        name = {"power": "max_power_kw", "gpus": "max_gpus"}[against]
        limits = dict(capped.get("limits") or {})
        limits[name] = min(limits.get(name, math.inf), value)
        answer = solve({**capped, "limits": limits})
    return math.inf if answer is None else answer.usd_per_hour


def other_of(result: FleetResult, against: str) -> list[float]:
    """The other objective of each plan."""
    name = {"speed": "speed_factor", "power": "power_kw", "gpus": "gpus"}[against]
    return [float(getattr(plan, name)) for plan in result]


@pytest.mark.parametrize("seeds", _SEEDS, ids=str)
def test_points_and_gaps_of_complete_frontiers(seeds: range) -> None:
    checked = 0
    for seed in seeds:
        mapping = numbered_fleet(seed)
        for against in ("speed", "gpus"):
            result = swept(mapping, against=against, complete=True)
            if result is None:
                continue
            checked += len(result)
            costs, others = [plan.usd_per_hour for plan in result], other_of(result, against)
            assert costs == sorted(costs), (seed, against)
            for position, (cost, other) in enumerate(zip(costs, others, strict=True)):
                # At its own value nothing is cheaper; beyond it, only the next point is as cheap as possible.
                assert least_cost(mapping, against, other) == pytest.approx(cost, rel=_RELATIVE), (seed, against)
                beyond = other * (1.0 + _RELATIVE) if against == "speed" else other - 1.0
                after = costs[position + 1] if position + 1 < len(costs) else math.inf
                assert least_cost(mapping, against, beyond) == pytest.approx(after, rel=_RELATIVE), (seed, against)
            assert simulate(json.loads(result.to_json())) == [], (seed, against)
    assert checked > 20


@pytest.mark.parametrize("seeds", _SEEDS, ids=str)
@pytest.mark.parametrize("against", ["speed", "gpus", "power"])
def test_adaptive_frontiers_cover_to_delta(against: str, seeds: range) -> None:
    delta, checked = 0.1, 0
    for seed in seeds:
        mapping = numbered_fleet(seed)
        result = swept(mapping, against=against, delta=delta)
        if result is None:
            continue
        costs, others = [plan.usd_per_hour for plan in result], other_of(result, against)
        worst, best = others[0], others[-1]
        for step in range(9):
            value = worst * (best * (1.5 if against == "speed" else 0.6) / worst) ** (step / 8)
            cost = least_cost(mapping, against, value)
            if math.isinf(cost):
                continue
            checked += 1
            near = [
                at
                for at in range(len(result))
                if costs[at] <= cost * (1.0 + delta) * (1.0 + _RELATIVE)
                and (
                    others[at] * (1.0 + delta) >= value * (1.0 - _RELATIVE)
                    if against == "speed"
                    else others[at] <= value * (1.0 + delta) * (1.0 + _RELATIVE)
                )
            ]
            assert near, (seed, value, cost)
    # With servers fewer of the drawn fleets are feasible, and have several plans.
    assert checked > 5
