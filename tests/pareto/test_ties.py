"""Deployments that tie, and frontiers with hardly any points."""

from __future__ import annotations

import pytest
from ended_solves import end_after, interrupted, out_of_time
from stored_programs import TINY

import ieco_opt
from ieco_opt import Scenario, api


def equally_fast(first: float, second: float) -> Scenario:
    """The same GPU at two prices that lie so close that neither rules the other's narrow ranges of batches out."""
    gpus = [{"like": "H100-SXM", "name": f"at {price}", "usd_per_gpu_hour": price} for price in (first, second)]
    return Scenario(
        model="Llama-3.1-8B",
        weights=["fp8"],
        accelerators=gpus,
        workload={"context_tokens": 100, "output_tokens": 100},
        design_space={"tensor_parallel": [4], "pipeline_parallel": [1], "batch": {"min": 1000, "max": 1100}},
    )


@pytest.mark.parametrize("prices", [(2.0, 1.9999), (1.9999, 2.0)])
def test_of_equally_fast_deployments_the_cheapest_is_taken(prices: tuple[float, float]) -> None:
    found = ieco_opt.solve(equally_fast(*prices), objective="fastest")
    assert (found.accelerator, found.batch, found.status) == ("at 1.9999", 1000, "optimal")


@pytest.mark.parametrize("prices", [(2.0, 1.9999), (1.9999, 2.0)])
def test_a_search_that_ends_among_equals_has_proven_neither(
    prices: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = api.answer(equally_fast(*prices), objective="fastest")
    for solves in range(whole.statistics.solves):
        for ending in (out_of_time, interrupted):
            with monkeypatch.context() as patch:
                end_after(solves, ending, patch)
                stopped = api.answer(equally_fast(*prices), objective="fastest")
            assert [item.status for item in stopped] == ["feasible"] * len(stopped)
            assert all(item.latency_s == whole[0].latency_s for item in stopped)
            assert len(stopped) == (solves > 0 or ending is out_of_time)


def test_a_frontier_may_be_one_deployment() -> None:
    only = Scenario(**TINY | {"design_space": TINY["design_space"] | {"tensor_parallel": [1], "batch": [4]}})
    expected = ieco_opt.solve(only, objective="fastest")
    for result in (ieco_opt.frontier(only), ieco_opt.frontier(only, points=5), ieco_opt.frontier(only, complete=True)):
        assert (list(result), result.status) == ([expected], "optimal")
    assert [ieco_opt.solve(only, objective=objective).batch for objective in ("cheapest", "preferred")] == [4, 4]


def test_between_a_deployment_and_itself_nothing_is_searched() -> None:
    only = Scenario(**TINY | {"design_space": TINY["design_space"] | {"tensor_parallel": [1], "batch": [4]}})
    told: list[int] = []
    steps = {
        ieco_opt.frontier(only, points=points, progress=lambda found, *_: told.append(found)).statistics.steps
        for points in (2, 50)
    }
    assert len(steps) == 1
    assert told == []


def test_more_caps_than_there_are_points_find_them_all_once() -> None:
    few = Scenario(**TINY | {"design_space": TINY["design_space"] | {"batch": [1, 4, 8]}})
    every = ieco_opt.frontier(few, complete=True)
    assert 2 < len(every) < 10
    assert [each.latency_s for each in ieco_opt.frontier(few, points=400)] == [each.latency_s for each in every]
