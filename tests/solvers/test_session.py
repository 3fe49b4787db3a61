"""What a session makes of answers that contradict themselves."""

from __future__ import annotations

import pytest
from places import DATA

import ieco_opt
from ieco_opt.solvers.session import SolverSession


def test_an_objective_that_is_not_that_of_the_solution_is_asked_for_again() -> None:
    # Caps of exactly 6 GPUs and 4.2 kW: presolve solves it alone, and with a start HiGHS says 5 $/h for 6.
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml")
    result = ieco_opt.plan(fleet)
    plan = result[0]
    assert (plan.usd_per_hour, plan.bound, plan.gpus, plan.status) == (6.0, 6.0, 6, "optimal")
    assert ieco_opt.verify(result).problems == []


def test_the_second_answer_is_asked_for_without_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, starts = SolverSession._run_highs, []

    def noted(session: SolverSession, model: object, limit: object, start: object, report: object) -> object:
        starts.append(len(start))  # type: ignore[arg-type]
        return honest(session, model, limit, start, report)  # type: ignore[arg-type]

    monkeypatch.setattr(SolverSession, "_run_highs", noted)
    ieco_opt.plan(ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml"))
    assert starts[-2] > 0
    assert starts[-1] == 0
