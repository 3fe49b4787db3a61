"""What a solver says of a program is checked before anything is called proven."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
from saved_results import DRAFTED, EXPERTS, FLEET

import ieco_opt
from ieco_opt import Scenario, SolverConfig, SolverError, api
from ieco_opt.results.answer import AnswerStatus
from ieco_opt.scenario import load_fleet_mapping
from ieco_opt.solvers import session as sessions
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.session import SolverSession

GAPPED = SolverConfig(relative_gap=0.3, fleet_algorithm="instances")
"""Patterns ask the solver little, and take its word for nothing that labels prove."""

Said = tuple[Outcome, float | None, float | None]
DENSE, MIXTURE, MANY = Scenario(**DRAFTED), Scenario(**EXPERTS), load_fleet_mapping({"kind": "fleet", **FLEET})


def says(change: Callable[[Said], Said], monkeypatch: pytest.MonkeyPatch, *, relaxed: bool = False) -> None:
    """Let HiGHS say something else of every program; of linear relaxations only where that is asked for."""
    honest = SolverSession._run_highs

    def run(session: SolverSession, *given: Any) -> Said:
        said = honest(session, *given)
        return said if session.relaxed and not relaxed else change(said)

    monkeypatch.setattr(SolverSession, "_run_highs", run)


def with_a_gap(said: Said) -> Said:
    """The configuration's gap was reached, and the search ended there: a fifth of the value may be missing."""
    outcome, objective, bound = said
    return outcome, objective, None if bound is None or objective is None else objective - 0.2 * abs(objective)


@pytest.mark.parametrize("scenario", [DENSE, MIXTURE], ids=["dense", "experts"])
def test_a_bound_is_the_solves_and_not_the_value(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ieco_opt.solve(scenario, objective="fastest")
    says(with_a_gap, monkeypatch)
    answer = api.answer(scenario, solver_config=SolverConfig(relative_gap=0.3), objective="fastest")
    (found,) = answer
    assert found.latency_s == pytest.approx(whole.latency_s)
    assert found.bound == pytest.approx(whole.speed_tokens_per_s / 0.8, rel=1e-5)
    assert found.gap == pytest.approx(0.25, rel=1e-5)
    assert (found.status, answer.status) == ("feasible", AnswerStatus.FEASIBLE)


def test_a_frontier_with_gaps_covers_less(monkeypatch: pytest.MonkeyPatch) -> None:
    says(with_a_gap, monkeypatch)
    front = ieco_opt.frontier(DENSE, delta=0.1, solver_config=SolverConfig(relative_gap=0.3))
    assert front.coverage == 0.3
    assert front.status is AnswerStatus.FEASIBLE
    assert {each.status for each in front} == {"feasible"}


@pytest.mark.parametrize("objective", ["cost", "power", "gpus"])
def test_a_plans_bound_is_the_solves_and_not_the_value(
    objective: Literal["cost", "power", "gpus"], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ieco_opt.plan(MANY, objective=objective)
    says(with_a_gap, monkeypatch)
    result = ieco_opt.plan(MANY, objective=objective, solver_config=GAPPED)
    assert result[0].objective == pytest.approx(whole[0].objective)
    assert result[0].bound == pytest.approx(0.8 * whole[0].objective)
    assert result[0].gap == pytest.approx(0.2)
    assert (result[0].status, result.status) == ("feasible", AnswerStatus.FEASIBLE)


@pytest.mark.parametrize("against", ["speed", "gpus"])
def test_coverage_of_plans_includes_the_gaps_of_the_solves(
    against: Literal["speed", "gpus"], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ieco_opt.fleet_frontier(MANY, against=against, delta=0.5).coverage == 0.5
    says(with_a_gap, monkeypatch)
    front = ieco_opt.fleet_frontier(MANY, against=against, delta=0.5, solver_config=GAPPED)
    # At most 0.2 of the value is missing below each plan, on top of what lies between the plans.
    assert front.coverage == pytest.approx(1.5 * 1.2 - 1.0)
    assert front.status is AnswerStatus.FEASIBLE


ASKED: dict[str, Callable[[], object]] = {
    "dense": lambda: ieco_opt.solve(DENSE, objective="fastest"),
    "experts": lambda: ieco_opt.solve(MIXTURE, objective="fastest"),
    "plan": lambda: ieco_opt.plan(MANY),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_bound_above_the_solution_proves_nothing(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    says(lambda said: replace_bound(said, 1.001), monkeypatch, relaxed=False)
    with pytest.raises(SolverError, match="bound"):
        ASKED[asked]()


def replace_bound(said: Said, factor: float) -> Said:
    """A bound that is so many times the objective."""
    outcome, objective, bound = said
    return outcome, objective, bound if objective is None else factor * objective


@pytest.mark.parametrize(
    ("asked", "factor"),
    [("dense", 1 - 1e-4), ("dense", 1 + 1e-4), ("experts", 1 + 1e-4), ("plan", 1 - 1e-4)],
)
def test_a_solution_that_is_off_by_a_ten_thousandth_is_refused(
    asked: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = SolverSession.solve

    def solve(session: SolverSession, *given: Any, **named: Any) -> Solution:
        solution = honest(session, *given, **named)
        if session.relaxed or solution.objective is None:
            return solution
        return replace(solution, objective=factor * solution.objective)

    monkeypatch.setattr(SolverSession, "solve", solve)
    with pytest.raises(SolverError, match=r"the result is refused|the solver says"):
        ASKED[asked]()


@pytest.mark.parametrize("prices", [(2.0, 1.99999), (1.99999, 2.0)])
@pytest.mark.parametrize("preference", [0.0, 0.5, 3.0])
def test_of_nearly_equal_scores_the_greater_is_preferred(prices: tuple[float, float], preference: float) -> None:
    gpus = [{"like": "H100-SXM", "name": f"at {price}", "usd_per_gpu_hour": price} for price in prices]
    scenario = Scenario(**{**DRAFTED, "accelerators": gpus})
    assert ieco_opt.solve(scenario, objective="preferred", preference=preference).accelerator == "at 1.99999"


@pytest.mark.parametrize(
    ("configured", "left", "given"), [(5.0, 3.0, 3.0), (3.0, 5.0, 3.0), (5.0, None, 5.0), (None, 3.0, 3.0), (None,) * 3]
)
@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_the_smaller_of_two_time_limits_counts(
    solver: str, configured: float | None, left: float | None, given: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def run(_: SolverSession, model: Any, deadline: float, *rest: Any) -> Said:
        asked.append(deadline)
        return Outcome.NO_SOLUTION, None, None

    for name in ("_run_highs", "_run_other"):
        monkeypatch.setattr(SolverSession, name, run)
    monkeypatch.setattr(sessions.time, "perf_counter", lambda: 100.0)
    SolverSession(SolverConfig(solver=solver, time_limit_s=configured)).solve(object(), left)
    assert asked == [math.inf if given is None else 100.0 + given]
