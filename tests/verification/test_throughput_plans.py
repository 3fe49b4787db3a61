"""Plans of the most requests, edited so that all sums agree, and yet the plan is not what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import ieco_opt
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import load_fleet_mapping

# Nobody states the power of these, so that no energy follows from what instances serve.
POOL = {"name": "tpu", "accelerator": "TPU-v5e", "gpus": 7, "usd_per_gpu_hour": 2.0, "rented_by": "gpu"}


def workload(name: str, **more: Any) -> dict[str, Any]:
    points = [
        {"accelerator": "TPU-v5e", "gpus": gpus, "throughput_requests_per_s": requests}
        for gpus, requests in ((2, 3.0), (4, 7.0))
    ]
    base = {"name": name, "prompt_tokens": 10, "output_tokens": 10, "serving": ["colocated"]}
    return base | {"operating_points": points} | more


FLEETS = {
    "one workload": [workload("chat")],
    "with headroom": [workload("chat", headroom=0.25)],
    "with rates": [workload("chat", requests_per_s=2.0), workload("code", requests_per_s=1.0)],
}
"""By hand: 4 + 2 of 7 GPUs serve 7 + 3 requests/s; a quarter less is 8; chat on 4 and code on 2 serve 3 times."""
SERVED = {"one workload": 10.0, "with headroom": 8.0, "with rates": 3.0}


def fleet(workloads: Sequence[dict[str, Any]], objective: str = "throughput") -> ieco_opt.Fleet:
    return load_fleet_mapping({"kind": "fleet", "pools": [POOL], "workloads": list(workloads), "objective": objective})


def serving(plan: FleetPlan, share: float, objective: float | None = None, bound: float | None = None) -> FleetPlan:
    """A plan that says a share of what it serves, with everything that its sums make of that."""
    factor = share * plan.demand_factor
    objective = share * plan.objective if objective is None else objective
    bound = share * plan.bound if bound is None else bound
    instances = tuple(
        replace(
            row,
            requests_per_s=share * row.requests_per_s,
            utilization=share * row.requests_per_s / row.capacity_requests_per_s,
            bound=bound,
        )
        for row in plan.instances
    )
    workloads = tuple(
        replace(
            each,
            requests_per_s=share * each.requests_per_s,
            required_requests_per_s=share * each.required_requests_per_s,
            slack_requests_per_s=max(0.0, each.capacity_requests_per_s - share * each.required_requests_per_s),
            utilization=share * each.requests_per_s / each.capacity_requests_per_s,
        )
        for each in plan.workloads
    )
    return replace(
        plan, demand_factor=factor, objective=objective, bound=bound, instances=instances, workloads=workloads
    )


def problems(result: FleetResult, *plans: FleetPlan) -> list[str]:
    return ieco_opt.verify(replace(result, plans=plans)).problems


@pytest.mark.parametrize("name", FLEETS)
@pytest.mark.parametrize("share", [0.5, 0.999999])
def test_a_plan_that_says_less_than_its_instances_serve_is_found(name: str, share: float) -> None:
    result = ieco_opt.plan(fleet(FLEETS[name]))
    assert result[0].demand_factor == pytest.approx(SERVED[name])
    assert problems(result, serving(result[0], 1.0)) == []
    (found,) = problems(result, serving(result[0], share))
    said, served = (format(each, ".9g") for each in (share * SERVED[name], SERVED[name]))
    assert found == f"plans[0]: demand_factor: found {said}, its instances serve {served}"


def test_a_plan_of_a_frontier_that_says_less_is_found() -> None:
    result = ieco_opt.fleet_frontier(fleet(FLEETS["one workload"]), against="throughput", complete=True)
    assert [plan.demand_factor for plan in result] == pytest.approx([3.0, 7.0, 10.0])
    assert problems(result, *result.plans) == []
    last = result[-1]
    # Its cost, which is the objective, and the bound on that stay as they are.
    less = serving(last, 0.9, last.objective, last.bound)
    assert problems(result, *result.plans[:-1], less) == ["plans[2]: demand_factor: found 9, its instances serve 10"]


def bounded(plan: FleetPlan, bound: float) -> FleetPlan:
    """A plan whose rows and sums all say one bound, without a gap."""
    return replace(plan, bound=bound, instances=tuple(replace(row, bound=bound) for row in plan.instances))


@pytest.mark.parametrize("name", FLEETS)
@pytest.mark.parametrize("share", [0.5, 0.999999])
def test_no_plan_serves_more_than_is_proven_possible(name: str, share: float) -> None:
    result = ieco_opt.plan(fleet(FLEETS[name]))
    assert problems(result, bounded(result[0], result[0].objective)) == []
    bound, served = (format(each * SERVED[name], ".9g") for each in (share, 1.0))
    assert problems(result, bounded(result[0], share * result[0].objective)) == [
        f"plans[0]: bound: found {bound}, below the objective {served}"
    ]


def test_of_cost_the_bound_is_not_above_the_objective() -> None:
    result = ieco_opt.plan(fleet([workload("chat", requests_per_s=8.0)], objective="cost"))
    assert result[0].objective == 12.0
    assert problems(result, bounded(result[0], 12.0 * 1.000001)) == [
        "plans[0]: bound: found 12.000012, above the objective 12"
    ]
