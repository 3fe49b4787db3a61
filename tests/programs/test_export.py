"""Programs of scenarios of both kinds, written for other solvers: same optimum, named rows, refused places."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import highspy
import pytest
from places import SCENARIOS
from stored_programs import TINY

import ieco_opt
from ieco_opt import InfeasibleError, Scenario, ScenarioError

SMALL = Scenario(**TINY)
FLEET = SCENARIOS / "fleet-operating-points.yaml"


def optimum(path: Path) -> float:
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(path))
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(solver.getInfo().objective_function_value)


@pytest.mark.parametrize("ending", ["lp", "mps"])
def test_the_fastest_deployment_is_the_optimum(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"program.{ending}"
    exported = ieco_opt.export(SMALL, path)
    assert optimum(path) == pytest.approx(1e6 * ieco_opt.solve(SMALL).latency_s, rel=1e-6)
    assert exported.constraints > 0
    assert "one_segment" in path.read_text()


def test_less_than_the_least_cost_is_impossible(tmp_path: Path) -> None:
    path = tmp_path / "cheapest.lp"
    ieco_opt.export(SMALL, path, objective="cheapest")
    assert optimum(path) == pytest.approx(0.0, abs=1e-9)


def test_a_fleet_says_its_own_objective(tmp_path: Path) -> None:
    path = tmp_path / "fleet.lp"
    for objective in ("cost", "gpus"):
        fleet = ieco_opt.load_scenario(FLEET, [f"objective={objective}"])
        exported = ieco_opt.export(fleet, path)
        plan = ieco_opt.plan(fleet)
        assert optimum(path) == pytest.approx(plan[0].objective)
        assert exported.variables == plan.statistics.variables
    with pytest.raises(ScenarioError, match="objective is for deployments"):
        ieco_opt.export(fleet, path, objective="fastest")


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario(**TINY | {"limits": {"min_speed": 1e9}}), "min_speed"),
        (ieco_opt.load_scenario(FLEET, ["workloads.measured.min_speed=1e9"]), "measured cannot be served"),
    ],
)
def test_what_is_infeasible_has_no_program(scenario: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "program.lp"
    with pytest.raises(InfeasibleError, match=message):
        ieco_opt.export(scenario, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("program.txt", "expected one of .lp, .mps"), ("missing/program.lp", "cannot be written")],
)
@pytest.mark.parametrize("objective", ["fastest", "cheapest"])
def test_places_that_no_program_can_be_written_to(
    objective: Literal["fastest", "cheapest"], name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError, match=message):
        ieco_opt.export(SMALL, tmp_path / name, objective=objective)
