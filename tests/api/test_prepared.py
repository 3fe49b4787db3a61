"""Prepared scenarios: whatever changes, the answer is that of a call that knows nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from random_scenarios import numbered

import ieco_opt
from ieco_opt.errors import IecoOptError, ScenarioError
from ieco_opt.fleet.prepared import PreparedFleet
from ieco_opt.pareto.prepared import PreparedDeployment
from ieco_opt.pareto.run import answer
from ieco_opt.verification.verify import verify

CHAT: dict[str, Any] = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM", {"like": "MI300X", "name": "ours"}],
    "workload": {"prompt_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1, 2], "batch": {"max": 256}},
}

FLEET: dict[str, Any] = {
    "pools": [
        {"name": "h100", "accelerator": "H100-SXM", "gpus": 32, "usd_per_gpu_hour": 2.1},
        {"name": "mi300x", "accelerator": "MI300X", "gpus": 16, "usd_per_gpu_hour": 1.6, "rented_by": "gpu"},
    ],
    "workloads": [
        {
            "name": name,
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "requests_per_s": rate,
            "prompt_tokens": 1000,
            "output_tokens": 200,
            "min_speed": speed,
            "design_space": {"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1], "batch": {"max": 256}},
        }
        for name, rate, speed in (("chat", 20, 40), ("code", 8, 90))
    ],
}


def said(ask: Any) -> Any:
    """All that a result or an error says, but for statistics."""
    try:
        result = ask()
    except IecoOptError as error:
        return type(error), str(error)
    return {
        name: getattr(result, name) for name in result.__dataclass_fields__ if name not in ("statistics", "planner")
    }


def drawn(rng: random.Random, front: ieco_opt.Frontier, names: list[str]) -> dict[str, Any]:
    """Limits around a frontier, and prices."""
    speeds = sorted(each.speed_tokens_per_s for each in front)
    costs = sorted(each.cost_usd_per_mtok for each in front)
    changes: dict[str, Any] = {}
    if rng.random() < 0.6:
        changes["min_speed"] = rng.choice((rng.choice(speeds), rng.uniform(0.8 * speeds[0], 1.05 * speeds[-1]), None))
    if rng.random() < 0.6:
        changes["max_cost"] = rng.choice((rng.choice(costs), rng.uniform(0.95 * costs[0], 1.2 * costs[-1]), None))
    if rng.random() < 0.15:
        changes["min_throughput"] = rng.uniform(1.0, max(each.throughput_tokens_per_s for each in front))
    if rng.random() < 0.5:
        changes["prices"] = {name: rng.uniform(0.5, 6.0) for name in names if rng.random() < 0.7}
    return changes


def check(number: int, changes_each: int) -> int:
    """Compare some random changes of one random scenario; returns how many of them have an answer."""
    case, rng = numbered(number)
    scenario = case.scenario()
    try:
        front = ieco_opt.frontier(scenario, delta=0.5)
    except IecoOptError:
        return 0
    prepared, answered = ieco_opt.prepare(scenario), 0
    names = [str(each["name"]) if isinstance(each, dict) else each for each in scenario.accelerators]
    for _ in range(changes_each):
        changes = drawn(rng, front, names)
        asked = prepared.scenario(**changes)
        objective = rng.choice(("fastest", "cheapest", "preferred", "energy"))
        if rng.random() < 0.25:
            found = said(lambda changes=changes: prepared.frontier(delta=0.5, **changes))
            fresh = said(lambda asked=asked: ieco_opt.frontier(asked, delta=0.5))
        else:
            found = said(lambda changes=changes, one=objective: prepared.answer(objective=one, **changes))
            fresh = said(lambda asked=asked, one=objective: answer(asked, objective=one))
        assert found == fresh, (number, changes)
        answered += isinstance(found, dict)
    return answered


def test_answers_are_those_of_a_fresh_call() -> None:
    assert sum(check(number, 4) for number in range(7000, 7010)) >= 15


@pytest.mark.slow
def test_answers_are_those_of_a_fresh_call_on_500_changes() -> None:
    assert sum(check(number, 5) for number in range(7100, 7200)) >= 250


def test_no_solver_is_asked_where_limits_leave_one_batch() -> None:
    prepared = ieco_opt.prepare(ieco_opt.Scenario(**CHAT))
    assert isinstance(prepared, PreparedDeployment)
    fastest = prepared.frontier(delta=0.5)[0]
    limits = {"min_speed": fastest.speed_tokens_per_s, "max_cost": fastest.cost_usd_per_mtok}
    kept, fresh = prepared.frontier(**limits), ieco_opt.frontier(prepared.scenario(**limits))
    assert kept.statistics.solves == 0 < fresh.statistics.solves
    assert said(lambda: kept) == said(lambda: fresh)
    assert [each.bound for each in kept] == [each.speed_tokens_per_s for each in kept]
    assert verify(kept).holds


def test_margins_of_accelerators_that_differ_are_kept_apart() -> None:
    # The faster accelerator is the less sure one: what it dominates at its word may be all that meets a limit.
    scenario = ieco_opt.Scenario(**CHAT, model_error="profile")
    prepared = ieco_opt.prepare(scenario)
    front = ieco_opt.frontier(scenario, delta=0.02)
    for each in front:
        changes: dict[str, Any] = {"min_speed": 1.05 * each.speed_tokens_per_s, "prices": {"ours": 1.1}}
        asked = prepared.scenario(**changes)
        found = said(lambda changes=changes: prepared.answer(objective="cheapest", **changes))
        assert found == said(lambda asked=asked: answer(asked, objective="cheapest")), changes


def test_a_result_names_the_changed_scenario_and_holds() -> None:
    prepared = ieco_opt.prepare(ieco_opt.Scenario(**CHAT))
    assert isinstance(prepared, PreparedDeployment)
    front = prepared.frontier(prices={"ours": 0.9}, min_speed=30.0, max_cost=2.0)
    assert front.scenario.limits.min_speed == 30.0
    assert front.scenario.accelerators[1]["usd_per_gpu_hour"] == 0.9
    assert verify(front).holds
    assert prepared.solve(max_cost=2.0).cost_usd_per_mtok <= 2.0
    # Every change counts from what was prepared.
    assert prepared.frontier().scenario.limits.min_speed is None
    # What a change takes is said, and a margin of its own for each accelerator makes it more.
    assert prepared.rebuilds["max_cost"] == "limits"
    assert prepared.rebuilds["prices"] == "dominance"
    assert prepared.rebuilds["max_throughput"] == "space"
    uneven = ieco_opt.prepare(ieco_opt.Scenario(**CHAT, model_error="profile"))
    tariff = {"like": "H100-SXM", "name": "own", "power": {"usd_per_kwh": 0.2}}
    sited = ieco_opt.prepare(ieco_opt.Scenario(**CHAT | {"accelerators": [tariff]}))
    assert (uneven.rebuilds["min_speed"], sited.rebuilds["prices"]) == ("dominance", "space")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_speed": -1.0}, "limits.min_speed"),
        ({"prices": {"H200-SXM": 1.0}}, "prices: found 'H200-SXM', expected one of H100-SXM, ours"),
        ({"prices": {"ours": "dear"}}, "usd_per_gpu_hour"),
        ({"min_throughput": 9.0, "max_throughput": 3.0}, "at most max_throughput"),
        ({"least_speed": 3.0}, "limits.least_speed: unknown field"),
    ],
)
def test_wrong_changes_are_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ieco_opt.ScenarioError, match=message) as caught:
        ieco_opt.prepare(ieco_opt.Scenario(**CHAT)).solve(**changes)
    assert "\n" not in str(caught.value)


def test_plans_are_those_of_a_fresh_call() -> None:
    rng, prepared = random.Random(3), ieco_opt.prepare(ieco_opt.Fleet(**FLEET))  # noqa: S311 - chance, not secrets
    assert isinstance(prepared, PreparedFleet)
    planned = 0
    for _ in range(6):
        changes: dict[str, Any] = {
            "requests_per_s": {name: rng.uniform(2.0, 90.0) for name in ("chat", "code") if rng.random() < 0.6},
            "prices": {name: rng.uniform(0.8, 4.0) for name in ("h100", "mi300x") if rng.random() < 0.5},
            "capacity": {name: rng.randrange(4, 40) for name in ("h100", "mi300x") if rng.random() < 0.4},
            "limits": rng.choice(({}, {"max_gpus": 24}, {"max_usd_per_hour": 30.0})),
        }
        objective = rng.choice((None, "gpus", "throughput"))
        asked = prepared.fleet(**changes)
        found = said(lambda changes=changes, one=objective: prepared.plan(**changes, objective=one))
        assert found == said(lambda asked=asked, one=objective: ieco_opt.plan(asked, objective=one)), changes
        planned += isinstance(found, dict)
    assert planned >= 3
    result = prepared.plan(requests_per_s={"chat": 31.0})
    assert result.scenario.workloads[0].requests_per_s == 31.0
    assert verify(result).holds
    with pytest.raises(ieco_opt.ScenarioError, match="requests_per_s: found 'mail', expected one of chat, code"):
        prepared.plan(requests_per_s={"mail": 1.0})


def test_what_is_no_scenario_is_named() -> None:
    with pytest.raises(ScenarioError, match="expected a deployment or a fleet for prepare"):
        ieco_opt.prepare("a.yaml")  # type: ignore[call-overload]
