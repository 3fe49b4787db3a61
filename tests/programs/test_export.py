"""Programs of scenarios of both kinds, written for other solvers: same optimum, named rows, refused places."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import highspy
import numpy as np
import pytest
from places import SCENARIOS
from saved_results import DRAFTED
from stored_programs import TINY

import ieco_opt
from ieco_opt import InfeasibleError, Scenario, ScenarioError, SolverConfig
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.segments import build_segments
from ieco_opt.programs.naming import segment_names
from ieco_opt.scenario import resolve

SMALL = Scenario(**TINY)
SETUP = r"tp(\d)_dp(\d)_pp(\d)_ep1_1d"
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
    assert optimum(path) == pytest.approx(1e6 * ieco_opt.solve(SMALL, objective="fastest").latency_s, rel=1e-6)
    assert exported.constraints > 0
    assert "one_segment" in path.read_text()


def test_less_than_the_least_cost_is_impossible(tmp_path: Path) -> None:
    path = tmp_path / "cheapest.lp"
    ieco_opt.export(SMALL, path, objective="cheapest")
    assert optimum(path) == pytest.approx(0.0, abs=1e-9)


PAPER = {
    "fidelity": "paper",
    "model": "Llama 3 70B",
    "accelerators": ["H100"],
    "workload": {"context_tokens": 1000},
    "design_space": {"stage_ranks": [2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 64}},
    "speculation": {"draft_model": "Llama 3 8B", "acceptance": 0.7, "max_draft_tokens": 3},
}


@pytest.mark.parametrize(
    ("scenario", "begins", "apart"),
    [
        (DRAFTED, "H100_SXM_fp8_(?:sglang|trtllm|vllm)", False),
        (DRAFTED | {"engine": "none"}, "H100_SXM_fp8", False),
        (PAPER, "H100", True),
    ],
    ids=["servers", "equations", "paper"],
)
def test_names_say_the_setups_of_the_model_and_of_its_draft(
    scenario: dict[str, Any], begins: str, *, apart: bool
) -> None:
    space = design_space_of(resolve(Scenario(**scenario)))
    segments = build_segments(space)
    held = segments.alternatives
    drafted = differing = 0
    for at, name in enumerate(segment_names(space, segments)):
        found = re.fullmatch(rf"{begins}_{SETUP}(?:_k(\d)_{SETUP})?_b(\d+)_(\d+)", name)
        assert found is not None, name
        setups = [
            (
                str(int(degrees.tensor_parallel[at])),
                str(int(degrees.attention_data_parallel[at])),
                str(int(degrees.pipeline_parallel[at])),
            )
            for degrees in (held.degrees, held.draft_degrees)
        ]
        tokens = int(held.draft_tokens[at])
        assert found.groups()[:3] == setups[0]
        assert found.groups()[3:7] == ((str(tokens), *setups[1]) if tokens else (None,) * 4)
        assert found.groups()[7:] == (str(segments.lo[at]), str(segments.hi[at]))
        drafted += bool(tokens)
        differing += bool(tokens) and setups[0] != setups[1]
    assert drafted > 0
    # Only in the paper a draft model has a setup of its own.
    assert (differing > 0) == apart


def test_names_say_the_server_and_its_exchange_of_experts() -> None:
    groups = {"stage_ranks": [2], "attention_data_parallel": [2], "expert_parallel": [2], "pipeline_parallel": [1]}
    fields = {"model": "DeepSeek-V2-Lite", "weights": ["fp8"], "accelerators": ["H100-SXM"]}
    fields |= {"workload": {"context_tokens": 1000}, "design_space": groups | {"batch": [2]}}
    for engine, begins in (("vllm", "vllm_"), ("none", "")):
        space = design_space_of(resolve(Scenario(**fields, engine=engine)))
        cells = Cells(np.arange(1), np.array([2]), np.array([2]), np.array([2]))
        names = set()
        for row in range(len(space.families[0].setups)):
            one = replace(space, alternatives=space.families[0].alternatives(np.array([row]), 0), cells=cells)
            names |= set(segment_names(one, build_segments(one)))
        exchanges = ("_all_gather", "_all_to_all") if begins else ("",)
        assert names == {f"H100_SXM_fp8_{begins}tp1_dp2_pp1_ep2_1d{each}_b2_2" for each in exchanges}


def test_a_fleet_says_its_own_objective(tmp_path: Path) -> None:
    path = tmp_path / "fleet.lp"
    for objective in ("cost", "gpus"):
        fleet = ieco_opt.load_scenario(FLEET, [f"objective={objective}"])
        exported = ieco_opt.export(fleet, path)
        plan = ieco_opt.plan(fleet, solver_config=SolverConfig(fleet_algorithm="instances"))
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
