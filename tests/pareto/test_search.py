"""How a search goes about it: what it splits next, what it reports meanwhile, and what it has counted at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from saved_results import DRAFTED

import ieco_opt
from ieco_opt import Frontier, Scenario, api
from ieco_opt.pareto import sweeps
from ieco_opt.pareto.prober import Prober
from ieco_opt.pareto.sweeps import Sweep, preference
from ieco_opt.results.guarantee import Box
from ieco_opt.solvers.outcome import Solution
from ieco_opt.solvers.session import SolverSession

SCENARIO = Scenario(**DRAFTED)
EXPONENT = 0.5
Told = list[tuple[int, int, float]]

SEARCHES: dict[str, Callable[..., Frontier]] = {
    "covered": lambda **told: ieco_opt.frontier(SCENARIO, delta=0.05, **told),
    "complete": lambda **told: ieco_opt.frontier(SCENARIO, complete=True, **told),
    "sampled": lambda **told: ieco_opt.frontier(SCENARIO, points=9, **told),
    "fastest": lambda **_: api.answer(SCENARIO, objective="fastest"),
    "cheapest": lambda **_: api.answer(SCENARIO, objective="cheapest"),
    "preferred": lambda **_: api.answer(SCENARIO, objective="preferred"),
}


def area(box: Box) -> float:
    """Size of a box on logarithmic axes."""
    return math.log(box.latency_hi_s / box.latency_lo_s) * math.log(box.cost_hi / box.cost_lo)


def promise(box: Box) -> float:
    """What no deployment of a box exceeds, as a logarithm of what is preferred."""
    return preference(box.latency_lo_s, box.cost_lo, EXPONENT)


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Box, list[Box]]]:
    """Each box that is split, with what is left of it."""
    honest, seen = sweeps.split, []

    def split(prober: Prober, box: Box, sweep: Sweep) -> Iterator[Box]:
        left = list(honest(prober, box, sweep))
        seen.append((box, left))
        return iter(left)

    monkeypatch.setattr(sweeps, "split", split)
    return seen


def test_the_largest_box_is_split_first(boxes: list[tuple[Box, list[Box]]]) -> None:
    ieco_opt.frontier(SCENARIO, delta=0.02)
    assert len(boxes) > 10
    split = {box for box, _ in boxes}
    for at, (box, _) in enumerate(boxes):
        known = {left for _, parts in boxes[:at] for left in parts} - {done for done, _ in boxes[:at]}
        assert all(area(other) <= area(box) * (1 + 1e-9) for other in known & split)


def test_the_box_that_promises_most_is_split_first(boxes: list[tuple[Box, list[Box]]]) -> None:
    found = api.answer(SCENARIO, objective="preferred", preference=EXPONENT)[0]
    assert len(boxes) > 3
    promises = [promise(box) for box, _ in boxes]
    # What is left of a box promises no more than the whole, so that promises only fall, down to what was found.
    assert promises == sorted(promises, reverse=True)
    assert promises[-1] > preference(found.latency_s, found.cost_usd_per_mtok, EXPONENT)


@pytest.mark.parametrize("name", ["covered", "complete"])
def test_progress_ends_with_every_point_and_nothing_open(name: str) -> None:
    told: Told = []
    found = SEARCHES[name](progress=lambda *now: told.append(now))
    assert len(told) > 5
    assert told[-1] == (pytest.approx(len(found), abs=3), 0, 1.0)
    assert told[-1][0] >= len(found)
    assert [points for points, _, _ in told] == sorted(points for points, _, _ in told)
    for _, left, widest in told[:-1]:
        assert (left > 0) == (widest > 1.0)


def test_progress_of_a_sample_counts_the_caps_that_are_left() -> None:
    told: Told = []
    found = ieco_opt.frontier(SCENARIO, points=9, progress=lambda *now: told.append(now))
    assert [(left, widest) for _, left, widest in told] == [(left, 1.0) for left in range(6, -1, -1)]
    assert [points for points, _, _ in told] == sorted(points for points, _, _ in told)
    assert told[-1][0] >= len(found)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_counts_what_it_did(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = SolverSession.solve
    steps: list[float] = []
    solutions: list[Solution] = []

    def fastest(prober: Prober, **asked: Any) -> Any:
        steps.append(0.0)
        return honest_step(prober, **asked)

    def solve(session: SolverSession, model: Any, time_limit_s: float | None = None, **given: Any) -> Solution:
        solutions.append(honest(session, model, time_limit_s, **given))
        return solutions[-1]

    honest_step = Prober.fastest
    monkeypatch.setattr(Prober, "fastest", fastest)
    monkeypatch.setattr(SolverSession, "solve", solve)
    took = SEARCHES[name]().statistics
    # The cheapest deployment takes a step of its own, and one for the fastest of that cost.
    assert took.steps == len(steps) + (name != "fastest")
    assert took.solves == len(solutions) > 0
    assert len(took.step_seconds) == took.steps
    assert 0.0 < sum(took.step_seconds) <= took.seconds
    assert all(seconds >= 0.0 for seconds in took.step_seconds)
    assert took.solver_seconds == pytest.approx(sum(solution.seconds for solution in solutions))
    assert 0.0 < took.solver_seconds < took.seconds


def test_steps_that_bounds_settle_are_counted() -> None:
    scenario = SCENARIO.model_copy(update={"limits": SCENARIO.limits.model_copy(update={"min_speed": None})})
    took = api.answer(scenario, objective="fastest").statistics
    # The fastest is found by one solve, and that none as fast is cheaper by bounds or by a second one.
    assert (took.steps, took.solves + took.closed_by_bounds) == (1, 2)
