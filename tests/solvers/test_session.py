"""What a session makes of answers that contradict themselves."""

from __future__ import annotations

import itertools

import highspy
import pytest
from places import DATA

import ieco_opt
from ieco_opt.errors import SolverError
from ieco_opt.solvers import session
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.session import SolverSession


def test_an_objective_that_is_not_that_of_the_solution_is_asked_for_again() -> None:
    # Caps of exactly 6 GPUs and 4.2 kW: presolve solves it alone, and with a start HiGHS says 5 $/h for 6.
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml")
    result = ieco_opt.plan(fleet)
    plan = result[0]
    assert (plan.usd_per_hour, plan.bound, plan.gpus, plan.status) == (6.0, 6.0, 6, "optimal")
    assert ieco_opt.verify(result).problems == []


def test_the_second_answer_is_asked_for_without_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, starts = SolverSession._run_highs, list[tuple[object, int]]()

    def noted(session: SolverSession, model: object, limit: object, start: object, report: object) -> object:
        starts.append((model, len(start)))  # type: ignore[arg-type]
        return honest(session, model, limit, start, report)  # type: ignore[arg-type]

    monkeypatch.setattr(SolverSession, "_run_highs", noted)
    ieco_opt.plan(ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml"))
    pairs = itertools.pairwise(starts)
    assert any(one is other and before > 0 and after == 0 for (one, before), (other, after) in pairs)


def test_a_process_that_ran_highs_with_more_threads_solves_as_well(capfd: pytest.CaptureFixture[str]) -> None:
    highspy.Highs.resetGlobalScheduler(True)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 2)
    solver.addIntegral(0, 1)
    solver.run()
    try:
        result = ieco_opt.plan(ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml"))
    finally:
        highspy.Highs.resetGlobalScheduler(True)
    assert (result[0].usd_per_hour, result[0].status) == (6.0, "optimal")
    assert capfd.readouterr() == ("", "")


def test_an_optimum_that_highs_takes_back_is_asked_for_again_without_presolve(monkeypatch: pytest.MonkeyPatch) -> None:
    # A row is missed by 1e-9 and its rounding, where 1e-9 is the tolerance: HiGHS 1.16.0 then says "solve error".
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "at_the_tolerance.yaml")
    result = ieco_opt.plan(fleet)
    assert result[0].status == "optimal"
    assert ieco_opt.verify(result).problems == []
    monkeypatch.setattr(session.HighsProgram, "leave_out_presolve", lambda _: None)
    with pytest.raises(SolverError, match="the solver ended with 'kSolveError'"):
        ieco_opt.plan(fleet)


def test_that_a_program_is_infeasible_is_asked_again_with_the_usual_presolve(monkeypatch: pytest.MonkeyPatch) -> None:
    # Slices that take 2e-7 of an instance more than two: HiGHS 1.16.0 says that no plan serves them, though three do.
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "said_infeasible.yaml")
    result = ieco_opt.plan(fleet)
    assert (result[0].demand_factor, result[0].status) == (pytest.approx(1.4), "optimal")
    monkeypatch.setattr(SolverSession, "_doubts_infeasible", lambda _: False)
    assert ieco_opt.plan(fleet)[0].demand_factor == pytest.approx(14 / 15)


@pytest.mark.parametrize(
    ("config", "relaxed", "doubts"), [("fleet", False, True), ("fleet", True, False), ("exact", False, False)]
)
def test_other_answers_are_not_doubted(config: str, relaxed: bool, doubts: bool) -> None:
    session = SolverSession(solver_config_of(config), relaxed=relaxed)
    assert session._doubts_infeasible() is doubts
