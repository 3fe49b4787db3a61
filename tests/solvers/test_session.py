"""What a session makes of answers that contradict themselves."""

from __future__ import annotations

import highspy
import pytest
from places import DATA

import ieco_opt


def test_an_objective_that_is_not_that_of_the_solution_is_asked_for_again() -> None:
    # Caps of exactly 6 GPUs and 4.2 kW: presolve solves it alone, and with a start HiGHS says 5 $/h for 6.
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml")
    result = ieco_opt.plan(fleet)
    plan = result[0]
    assert (plan.usd_per_hour, plan.bound, plan.gpus, plan.status) == (6.0, 6.0, 6, "optimal")
    assert ieco_opt.verify(result).problems == []


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
