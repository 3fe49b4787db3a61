"""Searches for plans that a limit or Ctrl-C ends, wherever it does: plans hold, and what is called proven is."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from ended_solves import Ending, empty_handed, end_after, interrupted, out_of_time

import ieco_opt
from ieco_opt import SolverError
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import Fleet, load_fleet_mapping, resolve_fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.run import Run, Stopped

Mapping = dict[str, Any]

CLOSE = 1e-6
ENDINGS = pytest.mark.parametrize("ending", [out_of_time, empty_handed, interrupted], ids=lambda each: each.__name__)


def fleet() -> Fleet:
    """A workload that the model prices, and a mix with operating points on two pools."""
    mix = [
        {"name": "short", "share": 2, "prompt_tokens": 100, "output_tokens": 100},
        {"name": "long", "share": 1, "prompt_tokens": 4000, "output_tokens": 100},
    ]
    served = {("p", "short"): 9, ("p", "long"): 2, ("q", "short"): 2, ("q", "long"): 3}
    points = [
        {
            "pool": pool,
            "gpus": 2,
            "kind": pool,
            "request_class": request_class,
            "throughput_requests_per_s": requests,
            "speed_tokens_per_s": 90,
        }
        for (pool, request_class), requests in served.items()
    ]
    chat = {
        "name": "chat",
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "requests_per_s": 50,
        "prompt_tokens": 1000,
        "output_tokens": 200,
        "min_speed": 30,
        "design_space": {"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1], "batch": {"min": 1, "max": 200}},
    }
    mixed = {
        "name": "mixed",
        "requests_per_s": 12,
        "request_mix": mix,
        "operating_points": points,
        "serving": ["colocated"],
        "min_speed": 30,
    }
    pools = [
        {"name": "p", "accelerator": "H100-SXM", "gpus": 32, "node_size": 8, "usd_per_gpu_hour": 2},
        {"name": "q", "accelerator": "L40S", "gpus": 30, "node_size": 4, "usd_per_gpu_hour": 0.8, "rented_by": "gpu"},
    ]
    return load_fleet_mapping({"kind": "fleet", "pools": pools, "workloads": [chat, mixed]})


FLEET = fleet()
FIRST_PLAN = 2
"""Solves until there is a plan: its relaxation and a start; the program may find a better one."""

NOTHING = "before it found a plan"


ALL = 1000
"""More solves than any of these searches takes."""


@pytest.fixture(scope="module")
def best() -> dict[str, FleetPlan]:
    return {objective: ieco_opt.plan(FLEET, objective=objective)[0] for objective in ("cost", "power", "gpus")}


def assert_levels_hold(found: FleetPlan, best: FleetPlan) -> None:
    """Bounds of criteria are ones, as long as the criteria before are as good as they can be."""
    for level, at_best in zip(found.levels, best.levels, strict=True):
        most = level.criterion in ("speed_factor", "slack")
        if level.bound is not None:
            assert (level.bound >= at_best.value - CLOSE) if most else (level.bound <= at_best.value + CLOSE), level
        if level.value != pytest.approx(at_best.value, rel=CLOSE, abs=CLOSE):
            assert level.status == "feasible"
            assert (level.value < at_best.value) == most
            break


@ENDINGS
@pytest.mark.parametrize("objective", ["cost", "power", "gpus"])
def test_wherever_planning_ends_the_plan_holds_and_its_bound_is_one(
    objective: Any, ending: Ending, best: dict[str, FleetPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    least = best[objective].objective
    for solves in (*range(9), 12, 15, 20, 25, 30, ALL):
        with monkeypatch.context() as patch:
            end_after(solves, ending, patch)
            if solves < FIRST_PLAN and ending is not out_of_time:
                with pytest.raises(SolverError, match=NOTHING):
                    ieco_opt.plan(FLEET, objective=objective)
                continue
            result = ieco_opt.plan(FLEET, objective=objective)
        found = result[0]
        assert ieco_opt.verify(result).problems == []
        assert found.bound <= least * (1 + CLOSE)
        assert found.objective >= least * (1 - CLOSE)
        if found.status == "optimal":
            assert found.objective == pytest.approx(least, rel=CLOSE)
            if found.levels:
                assert_levels_hold(found, best[objective])
        if result.stopped:
            assert (result.status, result.guarantee.kind, found.next_cheaper) == ("stopped", "partial", ())
            assert result.stopped == "interrupted" if ending is interrupted else "limit" in result.stopped
        else:
            assert found.status == "optimal"
    assert not result.stopped


def goodness(plan: FleetPlan, against: str) -> float:
    """What cost is traded against; greater is better."""
    return {"speed": plan.speed_factor, "power": -(plan.power_kw or 0.0), "gpus": -float(plan.gpus)}[against]


@pytest.fixture(scope="module")
def every_plan() -> dict[str, list[FleetPlan]]:
    return {
        against: list(ieco_opt.fleet_frontier(FLEET, against=against, complete=True))
        for against in ("speed", "power", "gpus")
    }


@ENDINGS
@pytest.mark.parametrize("against", ["speed", "power", "gpus"])
def test_wherever_a_frontier_ends_its_plans_hold_and_none_is_cheaper(
    against: Any, ending: Ending, every_plan: dict[str, list[FleetPlan]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = 0
    for solves in (0, 1, 2, 3, 4, 6, 8, 9, 10, 11, 15, 20):
        with monkeypatch.context() as patch:
            end_after(solves, ending, patch)
            if solves < FIRST_PLAN and ending is not out_of_time:
                with pytest.raises(SolverError, match=NOTHING):
                    ieco_opt.fleet_frontier(FLEET, against=against)
                continue
            result = ieco_opt.fleet_frontier(FLEET, against=against, complete=True)
        assert ieco_opt.verify(result).problems == []
        if result.stopped:
            stops += 1
            assert (result.status, result.guarantee.kind, result.coverage) == ("stopped", "partial", None)
        if solves > FIRST_PLAN:
            assert result[0].usd_per_hour == pytest.approx(every_plan[against][0].usd_per_hour, rel=CLOSE)
        for found in result:
            good = goodness(found, against)
            cheapest = min(
                each.usd_per_hour for each in every_plan[against] if goodness(each, against) >= good - CLOSE * abs(good)
            )
            assert found.usd_per_hour >= cheapest * (1 - CLOSE)
            if found.status == "optimal":
                assert found.usd_per_hour == pytest.approx(cheapest, rel=CLOSE)
    assert stops > 0


@pytest.mark.parametrize("objective", ["cost", "power"])
@pytest.mark.parametrize("against", ["speed", "power", "gpus"])
def test_a_plan_that_was_known_is_a_point_of_the_frontier_that_found_none(
    against: Any, objective: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ieco_opt.plan(FLEET, objective=objective)
    end_after(0, empty_handed, monkeypatch)
    result = ieco_opt.fleet_frontier(FLEET, against=against, known=known)
    assert (result.status, len(result)) == ("stopped", 1)
    assert result[0].objective == result[0].usd_per_hour == known[0].usd_per_hour
    assert (result[0].status == "optimal") == (objective == "cost")
    assert ieco_opt.verify(result).problems == []


@pytest.mark.parametrize(
    ("most_usd_per_hour", "ending", "expected"),
    [
        (math.inf, None, True),
        (0.0, None, False),
        (math.inf, out_of_time, True),
        (math.inf, empty_handed, Stopped),
        (0.0, out_of_time, Stopped),
        (math.inf, interrupted, Stopped),
    ],
)
def test_whether_any_plan_exists_is_known_or_the_search_says_that_it_ended(
    most_usd_per_hour: float, ending: Ending | None, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = FleetPlanner(build_fleet_space(resolve_fleet(FLEET)), Run(SolverConfig()))
    epsilons = {Quantity.COST: most_usd_per_hour} if math.isfinite(most_usd_per_hour) else {}
    if ending is not None:
        end_after(0, ending, monkeypatch)
    if expected is Stopped:
        with pytest.raises(Stopped):
            planner.exists(planner.problem(), epsilons)
    else:
        assert planner.exists(planner.problem(), epsilons) is expected


@pytest.mark.parametrize("whole", [True, False])
def test_a_relaxation_bounds_a_plan_if_it_was_solved_to_the_end(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unbounded(solution: Solution) -> Solution:
        return replace(solution, outcome=Outcome.FEASIBLE, bound=None)

    end_after(1 if whole else 0, unbounded, monkeypatch)
    planner = FleetPlanner(build_fleet_space(resolve_fleet(FLEET)), Run(load_solver_config("fleet")))
    with pytest.raises(Stopped) as stopped:
        planner.best(Quantity.COST)
    plan = stopped.value.incumbent
    assert plan.bound > 0.0 if whole else plan.bound == -math.inf
    assert plan.bound <= plan.totals[Quantity.COST]
