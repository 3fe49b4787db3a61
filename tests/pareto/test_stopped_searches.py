"""Searches that a limit, Ctrl-C or a contradiction ends: what is called proven is, and what is open is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ended_solves import Ending, empty_handed, end_after, interrupted, out_of_time
from stopping import end_runs_after

import ieco_opt
from ieco_opt import Frontier, Scenario, SolverError, api
from ieco_opt.results.statistics import Counts, SearchStatistics
from ieco_opt.solvers.outcome import Outcome, Solution

SMALL = Scenario(
    model="Mixtral-8x7B",
    weights=["fp8"],
    accelerators=["H100-SXM", "L40S"],
    workload={"context_tokens": 2000, "output_tokens": 500},
    design_space={"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 60}},
)
DELTA = 0.1
CLOSE = 1e-9

QUESTIONS: dict[str, Callable[[], Frontier]] = {
    "covered": lambda: ieco_opt.frontier(SMALL, delta=DELTA),
    "sampled": lambda: ieco_opt.frontier(SMALL, points=6),
    "fastest": lambda: api.answer(SMALL, objective="fastest"),
    "cheapest": lambda: api.answer(SMALL, objective="cheapest"),
    "preferred": lambda: api.answer(SMALL, objective="preferred"),
}

Point = tuple[float, float]


def _no_better(value: Callable[[Point], float], point: Point, listed: Point) -> bool:
    return value(listed) <= value(point) + CLOSE


BETTER: dict[str, Callable[[Point], float]] = {
    "fastest": lambda point: point[0],
    "cheapest": lambda point: point[1],
    "preferred": lambda point: 3.0 * math.log(point[0]) + math.log(point[1]),
}
"""Latency and cost as one number, of which less is better."""

NEAR = 1.0 + DELTA + CLOSE
SETTLED: dict[str, Callable[[Point, Point], bool]] = {
    "covered": lambda point, listed: listed[0] <= point[0] * NEAR and listed[1] <= point[1] * NEAR,
    **{name: partial(_no_better, value) for name, value in BETTER.items()},
}
"""Whether a listed deployment makes another one need no search; a sample says nothing of what it does not list."""


@pytest.fixture(scope="module")
def every_point() -> set[Point]:
    return {(item.latency_s, item.cost_usd_per_mtok) for item in ieco_opt.frontier(SMALL, complete=True)}


@pytest.fixture(scope="module")
def solves_of() -> dict[str, int]:
    return {name: ask().statistics.solves for name, ask in QUESTIONS.items()}


@pytest.mark.parametrize("ending", [out_of_time, empty_handed, interrupted], ids=lambda ending: ending.__name__)
@pytest.mark.parametrize("question", QUESTIONS)
def test_wherever_a_search_ends_it_says_what_is_proven(
    question: str,
    ending: Ending,
    every_point: set[Point],
    solves_of: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first solves one by one, then some on the way to the last.
    for solves in sorted({0, 1, 2, 3, 5, 8, solves_of[question] // 2, solves_of[question] - 1}):
        if solves >= solves_of[question]:
            continue
        with monkeypatch.context() as patch:
            end_after(solves, ending, patch)
            result = QUESTIONS[question]()
        assert (result.status, result.guarantee.kind, result.coverage) == ("stopped", "partial", None)
        assert "interrupted" in result.stopped if ending is interrupted else "limit" in result.stopped
        for item in result:
            assert item.status in ("optimal", "feasible")
            if item.status == "optimal":
                assert (item.latency_s, item.cost_usd_per_mtok) in every_point
        settled = SETTLED.get(question)
        if question in BETTER:
            # It cannot be known yet that nothing is better than the one deployment asked for.
            assert [item.status for item in result] in ([], ["feasible"])
        if settled is not None:
            for point in every_point:
                assert is_open(point, result) or any(
                    settled(point, (item.latency_s, item.cost_usd_per_mtok)) for item in result
                )


@pytest.mark.parametrize("ending", [out_of_time, empty_handed, interrupted], ids=lambda ending: ending.__name__)
def test_what_a_stopped_sample_lacks_is_open_and_no_more_than_lies_between_its_ends(
    ending: Ending, solves_of: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = QUESTIONS["sampled"]()
    within_ends = 0
    for solves in range(solves_of["sampled"]):
        with monkeypatch.context() as patch:
            end_after(solves, ending, patch)
            result = QUESTIONS["sampled"]()
        listed = [item.latency_s for item in result]
        for item in whole:
            assert item.latency_s in listed or is_open((item.latency_s, item.cost_usd_per_mtok), result)
        (region,) = result.open_regions
        proven = {item.latency_s for item in result if item.status == "optimal"}
        if {whole[0].latency_s, whole[-1].latency_s} <= proven:
            within_ends += 1
            assert region.latency_hi_s <= whole[-1].latency_s
            assert region.cost_hi <= whole[0].cost_usd_per_mtok
            # The caps up to that of the fastest point beyond the first were looked at.
            beyond = [item for item in result if item.latency_s in proven - {whole[0].latency_s}]
            assert max(item.cost_usd_per_mtok for item in beyond) <= region.cost_lo * (1 + CLOSE)
        else:
            assert (region.latency_hi_s, region.cost_hi) == (math.inf, math.inf)
    assert within_ends > 0


def is_open(point: Point, result: Frontier) -> bool:
    """Whether a deployment lies where the search says that it has not looked."""
    return any(
        region.latency_lo_s * (1 - CLOSE) <= point[0] <= region.latency_hi_s * (1 + CLOSE)
        and region.cost_lo * (1 - CLOSE) <= point[1] <= region.cost_hi * (1 + CLOSE)
        for region in result.open_regions
    )


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_search_that_ends_while_pricing_has_counted_nothing(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    end_runs_after(0, monkeypatch)
    result = QUESTIONS[question]()
    assert (result.status, len(result)) == ("stopped", 0)
    assert [(region.latency_lo_s, region.latency_hi_s) for region in result.open_regions] == [(0.0, math.inf)]
    took = result.statistics
    assert took == SearchStatistics(Counts(0, 0, 0, {}), 0, 0, 0, 0.0, took.seconds, ())
    assert took.seconds > 0.0


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (lambda _: Solution(Outcome.INFEASIBLE, None, None, 0.0), "calls infeasible what"),
        (lambda solution: replace(solution, objective=solution.objective * 1.001), "the solver reports"),
        (lambda solution: replace(solution, objective=solution.objective * 0.999), "the solver reports"),
    ],
)
@pytest.mark.parametrize("objective", ["fastest", "cheapest"])
def test_a_solver_that_contradicts_the_performance_model_is_refused(
    objective: Any, ending: Ending, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = SMALL.model_copy(update={"model": "Llama-3.1-8B"})
    end_after(0, ending, monkeypatch)
    with pytest.raises(SolverError, match=message):
        ieco_opt.solve(dense, objective=objective)
