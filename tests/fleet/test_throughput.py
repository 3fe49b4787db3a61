"""The most that pools serve, by hand: two types of operating points, several workloads, slices, caps, and frontiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ended_solves import Ending, empty_handed, end_after, interrupted, out_of_time

import ieco_opt
from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
from ieco_opt.reports.text import render
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.shown import ShownAnswer
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

ENDINGS = pytest.mark.parametrize("ending", [out_of_time, empty_handed, interrupted], ids=lambda each: each.__name__)

POOL = {"name": "h100", "accelerator": "H100-SXM", "gpus": 7, "usd_per_gpu_hour": 2.0, "rented_by": "gpu"}


def point(gpus: int, requests_per_s: float, **more: Any) -> Mapping:
    return {"accelerator": "H100-SXM", "gpus": gpus, "throughput_requests_per_s": requests_per_s} | more


def workload(name: str = "chat", **more: Any) -> Mapping:
    base = {"name": name, "prompt_tokens": 10, "output_tokens": 10, "serving": ["colocated"]}
    return base | {"operating_points": [point(2, 3.0), point(4, 7.0)]} | more


def fleet(*workloads: Mapping, objective: str = "throughput", **more: Any) -> Mapping:
    return {"kind": "fleet", "pools": [POOL], "workloads": list(workloads), "objective": objective} | more


def most(mapping: Mapping) -> FleetPlan:
    found = ieco_opt.plan(load_fleet_mapping(mapping))
    assert not ieco_opt.verify(found).problems
    return found[0]


def test_one_workload_without_a_rate_is_served_as_often_as_possible() -> None:
    # 4 + 2 GPUs of 7 serve 7 + 3 requests/s; three times 2 GPUs would serve 9.
    plan = most(fleet(workload()))
    assert plan.demand_factor == pytest.approx(10.0, rel=1e-12)
    assert (plan.objective, plan.status, plan.gpus, plan.usd_per_hour) == (plan.demand_factor, "optimal", 6, 12.0)
    assert plan.workloads[0].requests_per_s == plan.demand_factor
    assert plan.workloads[0].utilization == pytest.approx(1.0)


def test_what_is_served_leaves_the_headroom() -> None:
    assert most(fleet(workload(headroom=0.25))).demand_factor == pytest.approx(8.0)


def test_a_rate_makes_it_a_factor() -> None:
    plan = most(fleet(workload(requests_per_s=4.0)))
    assert plan.demand_factor == pytest.approx(2.5)
    assert plan.workloads[0].requests_per_s == pytest.approx(10.0)


def test_the_factor_is_common_to_all_workloads() -> None:
    # Of 7 GPUs: chat 4 (7/s of 2) and code 2 (3/s of 1) serve 3 times; chat 2 and code 4 only 1.5 times.
    plan = most(fleet(workload(requests_per_s=2.0), workload("code", requests_per_s=1.0)))
    assert plan.demand_factor == pytest.approx(3.0)


def test_a_budget_bounds_it() -> None:
    plan = most(fleet(workload(), limits={"max_usd_per_hour": 8.0}))
    assert (plan.demand_factor, plan.usd_per_hour) == (pytest.approx(7.0), 8.0)


def test_of_the_plans_that_serve_as_much_the_cheapest() -> None:
    # With one replica at the most, 4 GPUs serve 7, and 5 as much.
    plan = most(fleet(workload(max_instances=1, operating_points=[point(5, 7.0), point(4, 7.0)])))
    assert (plan.demand_factor, plan.usd_per_hour) == (pytest.approx(7.0), 8.0)
    assert [level.criterion for level in plan.levels] == ["cost", "gpus", "instances"]


def test_slices_stay_whole() -> None:
    mix = [
        {"name": "a", "share": 1.0, "prompt_tokens": 10, "output_tokens": 10},
        {"name": "b", "share": 1.0, "prompt_tokens": 20, "output_tokens": 10},
    ]
    rows = [
        point(2, 4.0, request_class="a", kind="small"),
        point(2, 4.0, request_class="b", kind="small"),
        point(5, 11.0, request_class="a", kind="large"),
        point(5, 11.0, request_class="b", kind="large"),
    ]
    sized = {"request_mix": mix, "operating_points": rows, "prompt_tokens": None, "output_tokens": None}
    # 2 and 5 GPUs serve 4 + 11 where classes split at will. A whole class is half of all requests: on both types the
    # small one bounds the factor to 8, and three small ones serve 12.
    split = most(fleet(workload(requests_per_s=1.0, **sized)))
    assert split.demand_factor == pytest.approx(15.0)
    sliced = most(fleet(workload(requests_per_s=1.0, slices=1, **sized)))
    assert sliced.demand_factor == pytest.approx(12.0, rel=1e-6)


def test_a_workload_that_no_instance_serves_makes_it_infeasible() -> None:
    slow = workload(min_speed=50.0, operating_points=[point(2, 3.0, speed_tokens_per_s=20.0)])
    with pytest.raises(InfeasibleError, match=r"chat cannot be served.*min_speed 50 \(19.99 tokens/s could be met"):
        ieco_opt.plan(load_fleet_mapping(fleet(slow)))


def test_caps_that_leave_no_instance_make_it_infeasible() -> None:
    with pytest.raises(InfeasibleError, match="max_gpus raised by 1 GPU"):
        ieco_opt.plan(load_fleet_mapping(fleet(workload(), limits={"max_gpus": 1})))


@pytest.mark.parametrize("slices", [None, 2])
def test_caps_that_leave_no_instance_for_a_mix_make_it_infeasible(slices: int | None) -> None:
    mix = [{"name": name, "share": 1.0, "prompt_tokens": 10, "output_tokens": 10} for name in ("a", "b")]
    rows = [point(2, 4.0, request_class=name, kind="k") for name in ("a", "b")]
    sized = {"request_mix": mix, "operating_points": rows, "prompt_tokens": None, "output_tokens": None}
    asked = workload(requests_per_s=1.0, slices=slices, **sized)
    assert most(fleet(asked, limits={"max_usd_per_hour": 4.0})).demand_factor == pytest.approx(4.0)
    with pytest.raises(InfeasibleError, match="max_usd_per_hour raised by 2"):
        ieco_opt.plan(load_fleet_mapping(fleet(asked, limits={"max_usd_per_hour": 2.0})))


@pytest.mark.parametrize("objective", ["cost", "frontier"])
def test_without_a_rate_another_objective_is_refused(objective: str) -> None:
    with pytest.raises(ScenarioError, match=r"requests_per_s.*the objective throughput"):
        load_fleet_mapping(fleet(workload(), objective=objective))
    kept = load_fleet_mapping(fleet(workload()))
    with pytest.raises(ScenarioError, match=r"requests_per_s: missing, expected .* the objective throughput"):
        ieco_opt.plan(kept, objective="cost")


def test_several_workloads_need_their_rates() -> None:
    with pytest.raises(ScenarioError, match=r"workloads\[1\].requests_per_s"):
        load_fleet_mapping(fleet(workload(requests_per_s=1.0), workload("code")))


def test_relaxations_are_of_less_and_not_of_more() -> None:
    given = load_fleet_mapping(fleet(workload()))
    with pytest.raises(ScenarioError, match="expected cost, power or gpus with relaxations"):
        ieco_opt.plan(given, relaxations=True)
    with pytest.raises(ScenarioError, match="expected cost, power or gpus with relaxations"):
        ieco_opt.plan(given).relaxations()


def frontier(mapping: Mapping) -> FleetResult:
    found = ieco_opt.fleet_frontier(load_fleet_mapping(mapping), against="throughput", complete=True)
    assert not ieco_opt.verify(found).problems
    return found


def test_a_frontier_lists_what_each_cost_can_serve() -> None:
    points = [(plan.usd_per_hour, plan.demand_factor) for plan in frontier(fleet(workload()))]
    assert points == [(4.0, pytest.approx(3.0)), (8.0, pytest.approx(7.0)), (12.0, pytest.approx(10.0))]


def test_a_frontier_begins_at_the_demand_that_is_given() -> None:
    given = fleet(workload(requests_per_s=5.0), objective="cost")
    points = [(plan.usd_per_hour, plan.demand_factor) for plan in frontier(given)]
    assert points == [(8.0, pytest.approx(1.4)), (12.0, pytest.approx(2.0))]


def test_the_frontier_ends_at_the_most() -> None:
    given = fleet(workload(requests_per_s=1.0), workload("code", requests_per_s=2.0), objective="cost")
    assert frontier(given)[-1].demand_factor == pytest.approx(most(given | {"objective": "throughput"}).demand_factor)


def test_owned_gpus_serve_as_much_as_they_can_for_nothing() -> None:
    owned = fleet(workload()) | {"pools": [POOL | {"owned_gpus": 7}]}
    points = [(plan.usd_per_hour, plan.demand_factor) for plan in frontier(owned)]
    assert points == [(0.0, pytest.approx(10.0))]


def test_a_saved_plan_is_read_again_and_a_changed_factor_is_noticed(tmp_path: Path) -> None:
    found: ShownAnswer = ieco_opt.plan(load_fleet_mapping(fleet(workload())))
    found.to_json(tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text()
    assert not ieco_opt.verify(ieco_opt.load_result(tmp_path / "plan.json")).problems
    factor = found[0].demand_factor  # type: ignore[index]
    (tmp_path / "plan.json").write_text(text.replace(f'"demand_factor": {factor}', f'"demand_factor": {0.5 * factor}'))
    assert ieco_opt.verify(tmp_path / "plan.json").problems


def test_the_text_says_how_many_requests() -> None:
    text = render(ieco_opt.plan(load_fleet_mapping(fleet(workload()))), 120)
    assert "10 requests/s, $12.00/h, 6 GPUs" in text
    assert "most requests/s for 1 workload on 1 pool; proven optimal: no plan serves more (bound 10 requests/s" in text
    several = fleet(workload(requests_per_s=2.0), workload("code", requests_per_s=1.0))
    assert "3 times the demand, $12.00/h" in render(ieco_opt.plan(load_fleet_mapping(several)))


@ENDINGS
@pytest.mark.parametrize("slices", [None, 2])
@pytest.mark.parametrize("solves", range(0, 14, 2))
def test_what_a_limit_ends_serves_what_it_says_and_no_more_than_its_bound(
    ending: Ending, slices: int | None, solves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = [{"name": name, "share": 1.0, "prompt_tokens": 10, "output_tokens": 10} for name in ("a", "b")]
    rows = [point(2, 4.0, request_class=name, kind="k") for name in ("a", "b")]
    rows += [point(4, 9.0, request_class=name, kind="l") for name in ("a", "b")]
    sized = {"request_mix": mix, "operating_points": rows, "prompt_tokens": None, "output_tokens": None}
    asked = load_fleet_mapping(
        fleet(workload(requests_per_s=1.0, slices=slices, **sized), workload(requests_per_s=1.0, name="b"))
    )
    best = ieco_opt.plan(asked)[0].demand_factor
    end_after(solves, ending, monkeypatch)
    try:
        found = ieco_opt.plan(asked)
    except SolverError:
        return  # It ended before there was any plan.
    assert not ieco_opt.verify(found).problems
    assert found[0].demand_factor <= best * (1.0 + 1e-9)
    assert found[0].bound >= best * (1.0 - 1e-9)
    if found.stopped is None:
        assert found[0].demand_factor == pytest.approx(best)
