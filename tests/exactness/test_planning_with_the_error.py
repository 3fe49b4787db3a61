"""Limits that hold with the error of the model, against scaled limits and against plain enumeration; bands likewise."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import OracleScenario, enumerate_deployments, pareto
from oracle.enumeration import Deployments
from random_fleets import numbered_fleet
from random_profiles import random_profile
from random_scenarios import Case, numbered

import ieco_opt
from ieco_opt import Frontier, Scenario
from ieco_opt.errors import InfeasibleError
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import load_fleet_mapping

Fields = dict[str, Any]
Points = list[tuple[float, float]]

EXACT = 1e-9
ERRORS = (0.0, 0.05, 0.15, 0.6, 2.0)
UNFITTED = 0.3
SCALED = {
    **dict.fromkeys(("min_speed", "min_throughput"), True),
    **dict.fromkeys(("max_cost", "max_energy_j_per_token", "max_carbon_kg_per_mtok"), False),
}
"""Limits that the error moves, and whether upwards."""


FITTED: Fields = {
    "source": "drawn",
    "rows": 9,
    "configurations": 3,
    "median_error": 0.01,
    "models": ["any"],
    "weights": ["fp8"],
    "gpus": [1, 8],
    "batch_per_gpu": [1.0, 9.0],
    "context_tokens": [1.0, 9.0],
}
"""Measurements behind a profile, but for their 90th percentile."""


def draws(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - test data


def front(mapping: Fields, *, band: bool = False) -> Frontier | None:
    """The whole frontier; ``None`` where nothing is feasible."""
    try:
        return ieco_opt.frontier(Scenario(**mapping), complete=True, band=band)
    except InfeasibleError:
        return None


def points(found: Frontier | None) -> Points:
    return [] if found is None else [(each.speed_tokens_per_s, each.cost_usd_per_mtok) for each in found]


def same(one: Points, other: Points) -> bool:
    return len(one) == len(other) and np.allclose(one, other, rtol=EXACT, atol=0.0)


@functools.cache
def drawn(seed: int) -> Fields | None:
    """The deployment of a seed without an error of its own, where it has limits and one may be planned with."""
    mapping = {name: value for name, value in numbered(seed)[0].mapping.items() if name != "model_error"}
    return None if mapping.get("fidelity") == "paper" or not mapping.get("limits") else mapping


# --- one error for all ------------------------------------------------------------------------------------------------

SEEDS = [range(6000, 6045), pytest.param(range(6045, 6300), marks=pytest.mark.slow)]


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_an_error_that_all_share_is_limits_that_are_scaled(seeds: range) -> None:
    compared = found_some = 0
    for seed in seeds:
        mapping = drawn(seed)
        if mapping is None:
            continue
        error = draws(seed).choice(ERRORS[1:])
        limits = dict(mapping["limits"])
        for name, up in SCALED.items():
            if name in limits:
                limits[name] *= (1.0 + error) if up else 1.0 / (1.0 + error)
        if limits.get("min_throughput", 0.0) > limits.get("max_throughput", np.inf):
            # Such limits are refused, and the error leaves nothing of them.
            assert front(mapping | {"model_error": error}) is None, seed
            continue
        held, scaled = front(mapping | {"model_error": error}), front(mapping | {"limits": limits})
        assert same(points(held), points(scaled)), seed
        compared += 1
        found_some += bool(points(held))
    assert compared > 0.2 * len(seeds)
    assert found_some > 0.1 * len(seeds)


@pytest.mark.parametrize("seeds", [range(6300, 6340)], ids=str)
def test_a_greater_error_leaves_no_more(seeds: range) -> None:
    narrower = 0
    for seed in seeds:
        mapping = drawn(seed)
        if mapping is None:
            continue
        less, more = sorted(draws(seed).sample(ERRORS, 2))
        wide, narrow = (points(front(mapping | {"model_error": error})) for error in (less, more))
        for speed, cost in narrow:
            assert any(s >= speed * (1.0 - EXACT) and c <= cost * (1.0 + EXACT) for s, c in wide), seed
        narrower += not same(wide, narrow)
    assert narrower > 5


@pytest.mark.parametrize("seeds", [range(6340, 6380)], ids=str)
def test_the_pessimistic_end_is_the_scaled_frontier_where_all_share_an_error(seeds: range) -> None:
    compared = 0
    for seed in seeds:
        mapping = drawn(seed)
        if mapping is None:
            continue
        error = draws(seed).choice(ERRORS[1:])
        found = front(mapping | {"model_error": error}, band=True)
        if found is None:
            continue
        end = found.pessimistic_end()
        assert end is not None
        assert same([(speed / (1 + error), cost * (1 + error)) for speed, cost in points(found)], points(end)), seed
        compared += 1
    assert compared > 2


# --- an error for each accelerator ------------------------------------------------------------------------------------


def calibrated_case(seed: int) -> tuple[Case, dict[str, float]] | None:
    """A deployment whose profile was fitted on its first accelerator alone, and the error of each."""
    rng = draws(seed)
    profile, error = random_profile(rng), rng.choice((0.02, 0.1, 0.9))
    case, _ = numbered(seed, profile=profile)
    if "profile" not in case.mapping:
        return None
    names = [each.name for each in case.oracle.accelerators]
    fitted = FITTED | {"p90_error": error}
    case.mapping["profile"] = case.mapping["profile"] | {"accelerators": names[:1], "fitted_on": fitted}
    return case, dict.fromkeys(names, UNFITTED) | {names[0]: error}


def feasible(oracle: OracleScenario, errors: Mapping[str, float]) -> tuple[Deployments, np.ndarray[Any, Any]]:
    """Every deployment that meets the limits with the errors, by plain enumeration, and the margin of each."""
    free: dict[str, None] = dict.fromkeys(SCALED)
    table = enumerate_deployments(replace(oracle, **free))
    margin = np.array([1.0 + errors[name] for name in table["accelerator"]])
    kept = np.ones(len(margin), dtype=bool)
    if oracle.min_speed is not None:
        kept &= table["speed_tokens_per_s"] / margin >= oracle.min_speed
    if oracle.min_throughput is not None:
        kept &= table["throughput_tokens_per_s"] / margin >= oracle.min_throughput
    if oracle.max_cost is not None:
        kept &= table["cost_usd_per_mtok"] * margin <= oracle.max_cost
    for column in ("energy_j_per_token", "carbon_kg_per_mtok"):
        most = getattr(oracle, f"max_{column}")
        if most is not None:
            kept &= table[column] * margin <= most
    return {name: values[kept] for name, values in table.items()}, margin[kept]


def nondominated(table: Deployments) -> Points:
    """Speed and cost of what nothing dominates, fastest first."""
    best = pareto(table)
    return sorted(zip(best["speed_tokens_per_s"].tolist(), best["cost_usd_per_mtok"].tolist(), strict=True))[::-1]


SOME_CASES = [range(6400, 6415), pytest.param(range(6415, 6700), marks=pytest.mark.slow)]


@pytest.mark.parametrize("seeds", SOME_CASES, ids=str)
def test_errors_of_accelerators_and_bands_agree_with_enumeration(seeds: range) -> None:
    several = bands = 0
    for seed in seeds:
        drawn_case = calibrated_case(seed)
        if drawn_case is None:
            continue
        case, errors = drawn_case
        for planned, held in (("profile", errors), (0.0, dict.fromkeys(errors, 0.0))):
            found = front(case.mapping | {"model_error": planned}, band=True)
            table, margin = feasible(case.oracle, held)
            assert same(points(found), nondominated(table)), (seed, planned)
            if found is None:
                continue
            assert found.pessimistic is not None
            assert found.pessimistic.errors == pytest.approx(errors)
            # Without an error to plan with, the band is that of the profile.
            table, margin = feasible(case.oracle, errors)
            worse = table | {
                "speed_tokens_per_s": table["speed_tokens_per_s"] / margin,
                "cost_usd_per_mtok": table["cost_usd_per_mtok"] * margin,
            }
            assert same(points(found.pessimistic_end()), nondominated(worse)), (seed, planned)
            bands += bool(found.pessimistic.deployments)
            several += len({each.accelerator for each in found.pessimistic.deployments}) > 1
    assert bands > 0.4 * len(seeds)
    assert several > 0.03 * len(seeds)


def test_a_margin_can_turn_a_choice_of_accelerators_round() -> None:
    # Of two cards that differ in nothing but the price, the dearer one was measured.
    def card(name: str, price: float) -> Fields:
        return {"like": "H100-SXM", "name": name, "usd_per_gpu_hour": price}

    known = ieco_opt.catalog.accelerator("H100-SXM")
    mapping: Fields = {
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "accelerators": [card("measured", 1.1 * known.usd_per_gpu_hour), card("unknown", known.usd_per_gpu_hour)],
        "workload": {"context_tokens": 1000, "output_tokens": 100},
        "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1], "batch": {"max": 64}},
        "profile": random_profile(draws(1)) | {"accelerators": ["measured"], "fitted_on": FITTED | {"p90_error": 0.02}},
    }
    found = front(mapping, band=True)
    assert found is not None
    assert {each.accelerator for each in found} == {"unknown"}
    end = found.pessimistic_end()
    assert end is not None
    assert {each.accelerator for each in end} == {"measured"}


# --- fleets -----------------------------------------------------------------------------------------------------------


def planned(mapping: Fields) -> FleetPlan | None:
    """The optimum; ``None`` where there is no plan."""
    try:
        return ieco_opt.plan(load_fleet_mapping(mapping))[0]
    except InfeasibleError:
        return None


def fleets(seeds: range, *, priced: bool) -> Iterator[tuple[int, Fields]]:
    """Fleets without an error of their own whose workloads are all priced, or all listed as operating points."""
    for seed in seeds:
        mapping = {name: value for name, value in numbered_fleet(seed).items() if name != "model_error"}
        listed = [bool(each.get("operating_points")) for each in mapping["workloads"]]
        models = ["model" in each for each in mapping["workloads"]]
        if (priced and not any(listed)) or (not priced and not any(models)):
            yield seed, mapping


def scaled(mapping: Fields, margin: float) -> Fields:
    """The fleet that asks a model without an error for what the error may take away."""
    changed = copy.deepcopy(mapping)
    for workload in changed["workloads"]:
        workload["requests_per_s"] *= margin
        if workload.get("min_speed") is not None:
            workload["min_speed"] *= margin
        if workload.get("max_time_to_first_token_s") is not None:
            workload["max_time_to_first_token_s"] /= margin
    return changed


FLEETS = [range(6000, 6050), pytest.param(range(6050, 6600), marks=pytest.mark.slow)]


@pytest.mark.parametrize("seeds", FLEETS, ids=str)
def test_a_fleet_with_an_error_is_one_that_asks_for_more(seeds: range) -> None:
    found_some = different = 0
    for seed, mapping in fleets(seeds, priced=True):
        error = draws(seed).choice(ERRORS[1:4])
        held, asked = planned(mapping | {"model_error": error}), planned(scaled(mapping, 1.0 + error))
        assert (held is None) == (asked is None), seed
        free = planned(mapping)
        if held is None or asked is None:
            continue
        assert free is not None, seed
        assert free.objective <= held.objective * (1.0 + 1e-7), seed
        assert held.objective == pytest.approx(asked.objective, rel=1e-7), seed
        assert [(each.criterion, each.status) for each in held.levels] == [
            (each.criterion, each.status) for each in asked.levels
        ], seed
        values = [[each.value for each in plan.levels] for plan in (held, asked)]
        assert values[0] == pytest.approx(values[1], rel=1e-6, abs=1e-6), seed
        found_some += 1
        different += [each.value for each in free.levels] != values[0]
    assert found_some > 0.05 * len(seeds)
    assert different > 0.05 * len(seeds)


def test_operating_points_are_taken_as_they_are() -> None:
    compared = 0
    for seed, mapping in fleets(range(6000, 6030), priced=False):
        held, free = planned(mapping | {"model_error": 0.6}), planned(mapping)
        assert (held is None) == (free is None), seed
        if held is not None and free is not None:
            assert held.objective == free.objective
            assert held.instances == free.instances
            compared += 1
    assert compared > 10


def test_rows_of_a_plan_are_nominal_and_hold_with_the_error() -> None:
    for seed, mapping in fleets(range(6000, 6060), priced=True):
        plan = planned(mapping | {"model_error": 0.15})
        if plan is None:
            continue
        asked = {each["name"]: each for each in mapping["workloads"]}
        for row in plan.instances:
            least = asked[row.workload].get("min_speed")
            if least is not None and row.speed_tokens_per_s is not None:
                assert row.speed_tokens_per_s >= 1.15 * least * (1.0 - EXACT), seed
            headroom = 1.0 + asked[row.workload].get("headroom", 0.0)
            assert 1.15 * headroom * row.requests_per_s <= row.capacity_requests_per_s * (1.0 + 1e-6), seed
            if row.phase != "prefill" and row.batch is not None and row.speed_tokens_per_s is not None:
                assert row.throughput_tokens_per_s == pytest.approx(row.batch * row.speed_tokens_per_s), seed
