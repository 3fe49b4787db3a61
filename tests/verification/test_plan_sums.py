"""Sums of plans and of their frontiers at small numbers: one GPU, no cost, few requests, equal plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from edited_results import LISTED, MIX, POOLS, RESULTS

import ieco_opt
from ieco_opt.results.guarantee import CLOSED
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import load_fleet_mapping

BY_GPU = POOLS[1] | {"owned_gpus": 0}


def planned(workload: dict[str, Any], pool: dict[str, Any]) -> FleetResult:
    return ieco_opt.plan(load_fleet_mapping({"kind": "fleet", "pools": [pool], "workloads": [workload]}))


def problems(result: FleetResult) -> list[str]:
    return [problem.removeprefix("plans[0]: ") for problem in ieco_opt.verify(result).problems]


def test_one_instance_on_one_gpu_pays_for_that_gpu() -> None:
    result = planned(LISTED | {"requests_per_s": 0.5}, BY_GPU)
    assert (result[0].gpus, result[0].usd_per_hour) == (1, 1.0)
    assert problems(result) == []
    (row,) = result[0].instances
    half = replace(result[0], instances=(replace(row, usd_per_hour=0.5),))
    assert any("usd_per_hour: found 0.5, expected 1" in problem for problem in problems(replace(result, plans=(half,))))


def test_a_mix_of_less_than_a_request_per_second_has_its_capacity() -> None:
    points = [
        {"pool": "l40s", "gpus": 1, "kind": "all", "request_class": each["name"], "throughput_requests_per_s": requests}
        for each, requests in zip(MIX, (0.9, 1.5), strict=True)
    ]
    workload = {
        "name": "mixed",
        "requests_per_s": 0.6,
        "request_mix": MIX,
        "serving": ["colocated"],
        "operating_points": points,
    }
    result = planned(workload, BY_GPU)
    # Two of three requests are short: 0.4 / 0.9 + 0.2 / 1.5 of the time of one instance.
    assert result[0].workloads[0].capacity_requests_per_s == pytest.approx(0.6 / (0.4 / 0.9 + 0.2 / 1.5))
    assert problems(result) == []


@pytest.mark.parametrize(("bound", "gap", "told"), [(0.0, 0.0, False), (-1.0, 1.0, True), (-1.0, 0.0, True)])
def test_the_gap_of_a_plan_that_costs_nothing_is_a_difference(bound: float, gap: float, told: bool) -> None:
    result = planned(LISTED, POOLS[1] | {"owned_gpus": 11})
    assert result[0].objective == 0.0
    rows = tuple(replace(row, bound=bound, gap=gap) for row in result[0].instances)
    found = problems(replace(result, plans=(replace(result[0], bound=bound, gap=gap, instances=rows),)))
    assert any(problem.startswith("status: found optimal with a gap") for problem in found) == (gap > 0.0)
    assert any(problem.startswith("gap: found ") for problem in found) == (told and gap == 0.0)


@pytest.mark.parametrize(("share", "wrong"), [(8e-10, False), (-8e-10, False), (4e-9, True), (-4e-9, True)])
def test_the_speed_factor_is_what_is_attained_but_for_rounding(share: float, wrong: bool) -> None:
    result = planned(LISTED | {"requests_per_s": 0.5, "min_speed": 10}, BY_GPU)
    assert result[0].speed_factor == 3.0
    plan = replace(result[0], speed_factor=3.0 * (1.0 + share))
    found = problems(replace(result, plans=(plan,)))
    assert any(problem.startswith("speed_factor: ") for problem in found) == wrong


def frontier(kind: str) -> FleetResult:
    result = RESULTS[kind]()
    assert isinstance(result, FleetResult)
    return result


def test_equal_plans_are_neither_more_expensive_nor_better() -> None:
    result = frontier("plans by GPUs")
    found = ieco_opt.verify(replace(result, plans=(result[0], result[0]))).problems
    assert "plans[1]: usd_per_hour: is not more expensive than the plan before it" in found
    assert "plans[1]: is not better in gpus than the plan before it" in found


@pytest.mark.parametrize(("gap", "covered"), [(0.0, 0.05), (0.01, 1.05 * 1.01 - 1.0)])
def test_coverage_has_the_gaps_of_plans_in_it(gap: float, covered: float) -> None:
    result = frontier("plans by GPUs")
    plans = (*result.plans[:-1], replace(result.plans[-1], gap=gap))

    def told(coverage: float) -> bool:
        guarantee = replace(result.guarantee, coverage=coverage)
        found = ieco_opt.verify(replace(result, plans=plans, guarantee=guarantee)).problems
        return any(problem.startswith("guarantee.coverage: ") for problem in found)

    assert not told(covered)
    assert told(covered + 1e-6)
    assert told(covered - 1e-6)


def slack_of(plan: FleetPlan) -> float:
    (level,) = [each for each in plan.levels if each.criterion == "slack"]
    return level.value


def test_the_slack_of_a_plan_is_that_of_its_scarcest_workload() -> None:
    result = planned(LISTED | {"requests_per_s": 0.5}, BY_GPU)
    assert slack_of(result[0]) == pytest.approx(0.6 / 0.5 - 1.0)
    levels = tuple(replace(each, value=each.value + 1e-6) for each in result[0].levels)
    found = problems(replace(result, plans=(replace(result[0], levels=levels),)))
    assert any(": value: found 0.200001" in problem for problem in found)


@pytest.mark.parametrize("criterion", ["slack", "gpus", "instances"])
@pytest.mark.parametrize(("share", "closed"), [(0.0, True), (0.9, True), (1.5, False)])
def test_a_criterion_is_optimal_up_to_where_its_bound_is_close(criterion: str, share: float, closed: bool) -> None:
    result = planned(LISTED | {"requests_per_s": 0.5}, BY_GPU)
    levels = []
    for level in result[0].levels:
        if level.criterion == criterion:
            # Slack is a share of what there is beyond the demand: 1 + slack is what is compared.
            apart = share * CLOSED * (1.0 + level.value if criterion == "slack" else -level.value)
            levels.append(replace(level, bound=level.value + apart))
        else:
            levels.append(level)
    found = problems(replace(result, plans=(replace(result[0], levels=tuple(levels)),)))
    told = [problem for problem in found if "status: found optimal with a value of " in problem]
    assert len(told) == (not closed), found


@pytest.mark.parametrize("speeds", [(30.0, 40.0), (30.0, None), (None, None)])
def test_a_criterion_is_missed_where_every_instance_has_a_speed(speeds: tuple[float | None, ...]) -> None:
    points = [
        {"pool": "l40s", "gpus": gpus, "throughput_requests_per_s": 2 * gpus}
        | ({"speed_tokens_per_s": speed} if speed else {})
        for gpus, speed in zip((1, 2), speeds, strict=True)
    ]
    result = planned(LISTED | {"requests_per_s": 2, "min_speed": 20, "operating_points": points}, BY_GPU)
    assert problems(result) == []
    without = tuple(level for level in result[0].levels if level.criterion != "speed_factor")
    edited = replace(result, plans=(replace(result[0], levels=without),))
    told = any(problem.startswith("levels: criterion: found") for problem in problems(edited))
    assert told == (None not in speeds)
    assert any("instances of unknown speed" in each for each in ieco_opt.verify(edited).unchecked) == (not told)
