"""Programs of which HiGHS 1.16.0 says what is not so with two options that it is therefore never told together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from places import DATA, SCENARIOS

import ieco_opt
from ieco_opt.errors import SolverError
from ieco_opt.fleet.asked import running_question
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.throughput import Multiples
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers import session
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.highs import without_contradicting
from ieco_opt.solvers.session import SolverSession

FLEET = load_solver_config("fleet")
SEARCH = {"mip_heuristic_effort": 0.3, "mip_heuristic_run_shifting": True, "mip_pscost_minreliable": 4}
BOTH = replace(FLEET, options={**FLEET.options, **SEARCH, "presolve_mode": 2}, fleet_algorithm="instances")
"""What the configuration ``fleet`` once was."""


@contextmanager
def allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[SolverConfig]:
    """A configuration with both options, which HiGHS is told for once."""
    with monkeypatch.context() as patched:
        patched.setattr(session, "without_contradicting", lambda options: options)
        yield BOTH


def test_highs_is_not_told_both() -> None:
    assert "presolve_mode" not in FLEET.options
    assert without_contradicting(BOTH.options) == FLEET.options | SEARCH
    assert without_contradicting({"presolve_mode": 2}) == {"presolve_mode": 2}


@pytest.mark.parametrize("config", [BOTH, "exact", "fast"])
def test_configurations_for_deployments_plan_fleets_too(config: SolverConfig | str) -> None:
    result = ieco_opt.plan(ieco_opt.load_scenario(DATA / "fleets" / "said_infeasible.yaml"), solver_config=config)
    assert result[0].demand_factor == pytest.approx(1.4)


def test_a_fleet_that_has_a_plan_is_not_called_infeasible(monkeypatch: pytest.MonkeyPatch) -> None:
    # Slices that take 2e-7 of an instance more than two: HiGHS says that no plan serves them, though three do.
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "said_infeasible.yaml")
    result = ieco_opt.plan(fleet)
    assert (result[0].demand_factor, result[0].status) == (pytest.approx(1.4), "optimal")
    with allowed(monkeypatch) as both:
        assert ieco_opt.plan(fleet, solver_config=both)[0].demand_factor == pytest.approx(14 / 15)


def test_a_plan_that_is_not_optimal_is_not_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # With the times of version 4 of the model, and caches that go from one pool to the other, as they did then.
    profiles = f"profile=[{DATA / 'profiles' / 'hopper-of-model-4.yaml'},cdna3-2026-07]"
    alike = "pools[1].accelerator={like: L40S, generation: hopper}"
    shipped = ieco_opt.load_scenario(SCENARIOS / "fleet-operating-points.yaml", [profiles, alike])
    assert cheapest(shipped, FLEET) == (pytest.approx(156.76), pytest.approx(156.76), "optimal")
    # With a GPU that nobody needs, of 0.86 $/h.
    wrong = pytest.raises(SolverError, match=r"a bound of 157\.62 for a plan that comes to 156\.76")
    with allowed(monkeypatch) as both, wrong:
        cheapest(shipped, both)


def test_an_objective_that_is_not_that_of_the_solution_is_asked_for_again_without_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Caps of exactly 6 GPUs and 4.2 kW: presolve solves it alone, and with a start HiGHS says 5 $/h for 6.
    honest, starts = SolverSession._run_highs, list[tuple[object, int]]()

    def noted(session: SolverSession, model: object, limit: object, start: object, report: object) -> object:
        starts.append((model, len(start)))  # type: ignore[arg-type]
        return honest(session, model, limit, start, report)  # type: ignore[arg-type]

    monkeypatch.setattr(SolverSession, "_run_highs", noted)
    with allowed(monkeypatch) as both:
        plan = ieco_opt.plan(ieco_opt.load_scenario(DATA / "fleets" / "exact_caps.yaml"), solver_config=both)[0]
    assert (plan.usd_per_hour, plan.bound, plan.status) == (6.0, 6.0, "optimal")
    pairs = itertools.pairwise(starts)
    assert any(one is other and before > 0 and after == 0 for (one, before), (other, after) in pairs)


def test_an_optimum_that_highs_takes_back_is_asked_for_again_without_presolve(monkeypatch: pytest.MonkeyPatch) -> None:
    # A row is missed by 1e-9 and its rounding, where 1e-9 is the tolerance: HiGHS 1.16.0 then says "solve error".
    fleet = ieco_opt.load_scenario(DATA / "fleets" / "at_the_tolerance.yaml")
    assert ieco_opt.plan(fleet)[0].status == "optimal"
    with allowed(monkeypatch) as both:
        result = ieco_opt.plan(fleet, solver_config=both)
        assert result[0].status == "optimal"
        assert ieco_opt.verify(result).problems == []
        monkeypatch.setattr(session.HighsProgram, "leave_out_presolve", lambda _: None)
        with pytest.raises(SolverError, match="the solver ended with 'kSolveError'"):
            ieco_opt.plan(fleet, solver_config=both)


def cheapest(fleet: ieco_opt.Fleet, config: SolverConfig) -> tuple[float, float, str]:
    """Cost, bound and status of the cheapest plan for about 3.3 times the demand."""
    with running_question(fleet, "cost", config) as asked:
        plan = Multiples(asked.planner).cheapest(3.304500080958518)
        assert plan is not None
        return plan.totals[Quantity.COST], plan.bound, plan.status
