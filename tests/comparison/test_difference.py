"""What changed between two results: causes and answers, each found where it was put and nowhere else."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from explained_fleets import counted
from saved_results import DRAFTED, EXPERTS, FLEET, KINDS, result

import ieco_opt
from ieco_opt.comparison.differing_frontiers import Point, frontier_difference
from ieco_opt.errors import ScenarioError
from ieco_opt.reports.text.difference import NO_DIFFERENCE, render
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.plan import FleetResult


@pytest.mark.parametrize("kind", [*KINDS, "explained plan"])
def test_a_result_does_not_differ_from_itself(kind: str, tmp_path: Path) -> None:
    answer: Any = explained_plan() if kind == "explained plan" else result(kind)
    answer.to_json(tmp_path / "saved.json")
    found = ieco_opt.diff(answer, tmp_path / "saved.json")
    assert found.same
    assert found.to_dataframe().empty
    assert render(found, 80).endswith(NO_DIFFERENCE)
    assert json.loads(found.to_json())["same"] is True


def test_statistics_and_proofs_are_no_part_of_the_answer() -> None:
    answer = result("preferred")
    assert isinstance(answer, Frontier)
    slower = replace(answer, statistics=replace(answer.statistics, seconds=1e3))
    looser = replace(slower, deployments=(replace(answer[0], bound=answer[0].bound * 1.5, gap=0.5),))
    assert ieco_opt.diff(answer, looser).same


def test_a_dearer_card_is_found_with_what_it_costs() -> None:
    changed = copy.deepcopy(EXPERTS)
    changed["accelerators"][0]["usd_per_gpu_hour"] = 5.0
    before = result("preferred")
    after = ieco_opt.api.answer(ieco_opt.Scenario(**changed), objective="preferred")
    found = ieco_opt.diff(before, after)
    assert [(each.name, each.before, each.after) for each in found.causes["scenario"]] == [
        ("accelerators[0].usd_per_gpu_hour", 2.5, 5.0)
    ]
    assert [name for name, changes in found.causes.items() if changes] == ["scenario"]
    # Twice the price, and so the same choice.
    (cost,) = found.answer
    assert cost.name == "cost_usd_per_mtok"
    assert cost.ratio == pytest.approx(2.0)
    shown = render(found, 80)
    assert "the answer is as fast and 2 times the cost" in shown
    assert "accelerators[0].usd_per_gpu_hour" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_what_is_no_scenario_is_found_where_it_is() -> None:
    before = result("frontier")
    assert isinstance(before, Frontier)
    (name,) = before.resolved.accelerators
    cards = {name: before.resolved.accelerators[name] | {"usd_per_gpu_hour": 9.0}}
    after = replace(
        before,
        resolved=replace(before.resolved, accelerators=cards),
        versions=replace(before.versions, model=before.versions.model + 1),
        solver=replace(before.solver, relative_gap=0.01),
        question=replace(before.question, delta=0.5),
    )
    found = ieco_opt.diff(before, after)
    causes = {cause: [each.name for each in changes] for cause, changes in found.causes.items() if changes}
    assert causes == {
        "catalog": [f"accelerators.{name}.usd_per_gpu_hour"],
        "question": ["delta"],
        "solver": ["relative_gap"],
        "versions": ["model"],
    }
    assert found.same_answer
    assert not found.same
    assert f"the answers: {NO_DIFFERENCE}" in render(found, 80)


def test_plans_differ_by_their_totals_and_instances(tmp_path: Path) -> None:
    changed = copy.deepcopy(FLEET)
    changed["workloads"][0]["requests_per_s"] = 90
    before = result("plan")
    after = ieco_opt.plan(ieco_opt.Fleet(**changed))
    assert isinstance(before, FleetResult)
    folder = tmp_path / "saved"
    folder.mkdir()
    after.to_json(folder / "plan.json")
    found = ieco_opt.diff(before, folder)
    assert [each.name for each in found.causes["scenario"]] == ["workloads[chat].requests_per_s"]
    figures = {each.name: (each.before, each.after) for each in found.answer}
    assert figures["usd_per_hour"] == (before[0].usd_per_hour, after[0].usd_per_hour)
    assert figures["requests_per_s"] == (32, 92)
    more = sum(each.instances_after - each.instances_before for each in found.instances)
    every = [sum(row.instances for row in plan[0].instances) for plan in (before, after)]
    assert more == every[1] - every[0]
    for width in (80, 100):
        shown = render(found, width)
        assert "% more expensive" in shown
        assert max(map(len, shown.splitlines())) <= width


def test_frontiers_are_compared_by_hand() -> None:
    before = [Point(100, 4.0, "TP4"), Point(50, 2.0, "TP2"), Point(20, 1.0, "TP1")]
    after = [Point(80, 3.0, "TP4"), Point(50, 3.0, "TP4"), Point(20, 0.5, "TP8")]
    found = frontier_difference("speed", before, after, 0.0)
    assert [(each.speed, each.cost_before, each.cost_after) for each in found.steps] == [
        (100, 4.0, None),
        (80, 4.0, 3.0),
        (50, 2.0, 3.0),
        (20, 1.0, 0.5),
    ]
    assert found.cost_at_equal_speed is not None
    assert (found.cost_at_equal_speed.least, found.cost_at_equal_speed.greatest) == (0.5, 1.5)
    # At $1 20 and 20, at $2 50 and 20, at $3 50 and 80, at $4 100 and 80.
    assert found.speed_at_equal_cost is not None
    assert (found.speed_at_equal_cost.least, found.speed_at_equal_cost.greatest) == (0.4, 1.6)
    assert (found.came, found.went) == ((("TP8", 1),), (("TP2", 1), ("TP1", 1)))


def test_less_power_is_better() -> None:
    found = frontier_difference("power", [Point(5.0, 10.0), Point(8.0, 6.0)], [Point(6.0, 9.0), Point(8.0, 6.0)], 0.0)
    assert [(each.speed, each.cost_before, each.cost_after) for each in found.steps] == [
        (5.0, 10.0, None),
        (6.0, 10.0, 9.0),
        (8.0, 6.0, 6.0),
    ]


def test_frontiers_say_how_they_lie_and_what_came() -> None:
    changed = copy.deepcopy(DRAFTED)
    changed["workload"]["context_tokens"] = 4000
    after = ieco_opt.frontier(ieco_opt.Scenario(**changed), delta=0.3)
    for found in (ieco_opt.diff(result("frontier"), after), ieco_opt.diff(result("fleet_frontier"), cheaper())):  # type: ignore[arg-type]
        for width in (80, 100):
            shown = render(found, width)
            assert "at equal speed: " in shown or "at equal GPUs: " in shown
            assert "leave open" in shown
            assert max(map(len, shown.splitlines())) <= width


def cheaper() -> FleetResult:
    fleet: dict[str, Any] = copy.deepcopy(FLEET)
    fleet["pools"][1]["usd_per_gpu_hour"] = 1.0
    return ieco_opt.fleet_frontier(ieco_opt.Fleet(**fleet), against="gpus", delta=0.5)


def test_two_results_of_different_sorts_are_refused(tmp_path: Path) -> None:
    for before, after, said in (
        ("plan", "frontier", "after: found a frontier, expected a plan, as the other is"),
        ("explanation", "frontier", "after: found a frontier, expected an explanation, as the other is"),
        ("frontier", "comparison", "after: found a comparison, expected a frontier, as the other is"),
    ):
        with pytest.raises(ScenarioError) as refused:
            ieco_opt.diff(result(before), result(after))
        assert str(refused.value) == said
    with pytest.raises(ScenarioError, match="found a folder without plan"):
        ieco_opt.diff(tmp_path, tmp_path)


def _explained(**limits: float) -> Explanation:
    changed = copy.deepcopy(DRAFTED)
    changed["limits"] |= limits
    return ieco_opt.explain(ieco_opt.Scenario(**changed), objective="cheapest")


def test_explanations_differ_in_what_limits_do_and_who_comes_next() -> None:
    before = result("explanation")
    assert isinstance(before, Explanation)
    after = _explained(max_cost=0.3, min_speed=200.0)
    found = ieco_opt.diff(before, after)
    answer = {each.name: (each.before, each.after) for each in found.answer}
    effects = {effect.limit: effect for effect in after.limits}
    assert not before.limits[[each.limit for each in before.limits].index("limits.min_speed")].binds
    assert effects["limits.min_speed"].binds
    assert answer["limits.min_speed.binds"] == (False, True)
    removed = effects["limits.min_speed"].removed
    assert removed is not None
    assert answer["limits.min_speed.removed_gain"] == (None, removed.gain)
    losses = [value for name, (_, value) in answer.items() if name.endswith(".loss") and value is not None]
    same = {each.loss for each in before.runner_ups} & {each.loss for each in after.runner_ups}
    assert sorted({*losses, *same}) == sorted(each.loss for each in after.runner_ups)
    shown = render(found, 100)
    assert "binds now: limits.min_speed" in shown
    assert f"{100.0 * removed.gain:.3g} %" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_an_explanation_that_has_no_answer_differs_in_that() -> None:
    before, after = result("explanation"), result("infeasible")
    assert isinstance(after, Explanation)
    found = ieco_opt.diff(before, after)
    assert found.causes["question"]
    shown = render(found, 100)
    assert "the first has one that meets its limits, the second none" in shown
    assert after.infeasible_subset is not None
    for each in after.infeasible_subset.members:
        change = next(one for one in found.answer if one.name == f"{each.limit}.needed")
        assert (change.before, change.after) == (None, each.needed)
    assert "the first has none that meets its limits, the second one" in render(ieco_opt.diff(after, before), 100)


@functools.cache
def explained_plan(**limits: float) -> FleetExplanation:
    return ieco_opt.explain(counted(**({"limits": limits} if limits else {})))


def test_explained_plans_differ_as_plans_do_and_in_their_limits() -> None:
    before, after = explained_plan(), explained_plan(max_power_kw=20.0)
    found = ieco_opt.diff(before, after)
    answer = {each.name: (each.before, each.after) for each in found.answer}
    assert answer["limits.max_power_kw.binds"] == (True, False)
    assert answer["usd_per_hour"] == (before.plan.usd_per_hour, after.plan.usd_per_hour)
    assert {(each.pool, each.instances_before, each.instances_after) for each in found.instances} == {
        *((row.pool, row.instances, 10 if row.pool == "hungry" else 0) for row in before.plan.instances)
    }
    shown = render(found, 90)
    assert "binds no longer: limits.max_power_kw" in shown
    assert "two explanations of plans" in shown


def test_comparisons_differ_in_what_heuristics_find() -> None:
    before = result("comparison")
    assert isinstance(before, Comparison)
    first = before.heuristics[0]
    changed = replace(first, share_found=0.125, proposals=first.proposals[:1])
    after = replace(before, heuristics=(changed,), budget=replace(before.budget, seed=7))
    found = ieco_opt.diff(before, after)
    assert [(each.name, each.before, each.after) for each in found.causes["question"]] == [("budget.seed", 0, 7)]
    assert [(each.name, each.share_found_before, each.share_found_after) for each in found.heuristics] == [
        (first.name, first.share_found, 0.125),
        (before.heuristics[1].name, before.heuristics[1].share_found, None),
    ]
    answer = {each.name: (each.before, each.after) for each in found.answer}
    assert answer[f"heuristics.{first.name}.share_of_frontier_found"] == (first.share_found, 0.125)
    assert answer[f"heuristics.{first.name}.proposals"] == (len(first.proposals), 1)
    assert f"the exact frontiers: {NO_DIFFERENCE}" in render(found, 100)
    assert "12.5 %" in render(found, 100)
    assert max(map(len, render(found, 60).splitlines())) <= 60
