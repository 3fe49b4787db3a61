"""The library: what programs call, what they get, and what they may rely on."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from places import ROOT
from promised_columns import PROMISED

import ieco_opt
from ieco_opt import catalog, errors
from ieco_opt.results.answer import Question
from ieco_opt.results.guarantee import AnswerStatus
from ieco_opt.scenario.solver_config import SolverConfig


def small(**fields: object) -> ieco_opt.Scenario:
    """Llama 3.1 8B on one to four GPUs."""
    values: dict[str, object] = {
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM", "L40S"],
        "workload": {"context_tokens": 1000, "output_tokens": 200},
        "design_space": {
            "stage_ranks": [1, 2, 4],
            "pipeline_parallel": [1, 2],
            "attention_data_parallel": [1],
            "batch": {"min": 1, "max": 48},
        },
    }
    return ieco_opt.Scenario(**(values | fields))


def test_frontier_is_a_table_with_the_promised_columns() -> None:
    front = ieco_opt.frontier(small(), complete=True)
    table = front.to_dataframe()
    assert tuple(table.columns[: len(PROMISED)]) == PROMISED
    assert len(table) == len(front) > 10
    assert (np.diff(table["speed_tokens_per_s"]) < 0).all()
    assert (np.diff(table["cost_usd_per_mtok"]) < 0).all()
    assert set(table["status"]) == {"optimal"}
    assert (table["gap"] <= 1e-6).all()
    assert (table["bound"] >= table["speed_tokens_per_s"]).all()
    assert (table["memory_per_gpu_gb"] <= table["memory_limit_gb"]).all()
    ranks = table["tensor_parallel"] * table["attention_data_parallel"]
    assert (ranks * table["pipeline_parallel"] == table["gpus"]).all()
    assert (table["expert_parallel"] * table["expert_tensor_parallel"] == ranks).all()
    assert (table["stage_ranks"] == ranks).all()
    rent = table["accelerator"].map({"H100-SXM": 1.3, "L40S": 0.9})
    known = table["accelerator"] == "H100-SXM"
    expected = 1e6 * table["gpus"] * rent / 3600 * table["latency_s"] / table["batch"]
    assert np.allclose(table["cost_usd_per_mtok"][known], expected[known], rtol=1e-12)


def test_lookups_on_a_frontier_agree_with_solving_anew() -> None:
    front = ieco_opt.frontier(small(), complete=True)
    speed = front[len(front) // 2].speed_tokens_per_s
    again = ieco_opt.solve(small(limits={"min_speed": speed}), objective="cheapest")
    assert front.cheapest(min_speed=speed).cost_usd_per_mtok == again.cost_usd_per_mtok
    cost = front[len(front) // 3].cost_usd_per_mtok
    again = ieco_opt.solve(small(limits={"max_cost": cost}), objective="fastest")
    assert front.fastest(max_cost=cost).latency_s == again.latency_s
    with pytest.raises(ieco_opt.InfeasibleError):
        front.cheapest(min_speed=1e9)


@pytest.mark.parametrize("solver", ["exact", "fast"])
def test_adaptive_covers_the_complete_frontier(solver: str) -> None:
    complete = ieco_opt.frontier(small(), complete=True)
    adaptive = ieco_opt.frontier(small(), delta=0.2, solver_config=solver)
    assert len(adaptive) < len(complete)
    for one in complete:
        assert any(
            other.cost_usd_per_mtok <= one.cost_usd_per_mtok * (1.2 + 1e-9)
            and other.latency_s <= one.latency_s * (1.2 + 1e-9)
            for other in adaptive
        )


def test_a_smaller_frontier_is_contained_in_a_larger_one() -> None:
    complete = {(item.latency_s, item.cost_usd_per_mtok) for item in ieco_opt.frontier(small(), complete=True)}
    for part in (ieco_opt.frontier(small(), delta=0.1), ieco_opt.frontier(small(), points=7)):
        assert {(item.latency_s, item.cost_usd_per_mtok) for item in part} <= complete


def test_answers_say_what_was_asked_and_what_is_proven() -> None:
    covered, sampled = ieco_opt.frontier(small(), delta=0.2), ieco_opt.frontier(small(), points=7)
    complete = ieco_opt.frontier(small(), complete=True)
    assert (covered.question, covered.coverage) == (Question("frontier", delta=0.2), 0.2)
    assert (sampled.question, sampled.coverage) == (Question("frontier", points=7), None)
    assert (complete.question, complete.coverage) == (Question("frontier", delta=0.0), 0.0)
    assert [each.guarantee.kind for each in (covered, sampled, complete)] == ["covered", "sampled", "complete"]
    assert {each.status for each in (covered, sampled, complete)} == {AnswerStatus.OPTIMAL}
    assert {(each.stopped, each.open_regions) for each in (covered, sampled, complete)} == {(None, ())}
    assert complete.resolved.models.keys() == {"Llama-3.1-8B"}
    assert complete.resolved.accelerators.keys() == {"H100-SXM", "L40S"}


def test_json_round_trip_verifies(tmp_path: Path) -> None:
    front = ieco_opt.frontier(small(), delta=0.1)
    front.to_json(tmp_path / "front.json")
    report = ieco_opt.verify(tmp_path / "front.json")
    assert report.holds
    assert ieco_opt.load_result(tmp_path / "front.json") == front
    assert report.deployments == len(front)
    assert report.configurations > 10


def test_results_can_be_pickled() -> None:
    front = ieco_opt.frontier(small(), delta=0.5)
    assert pickle.loads(pickle.dumps(front)) == front  # noqa: S301 - our own bytes


def test_threads_do_not_deadlock() -> None:
    speeds: list[float] = []
    threads = [
        threading.Thread(target=lambda: speeds.append(ieco_opt.solve(small(), objective="fastest").speed_tokens_per_s))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(speeds) == 4
    assert len(set(speeds)) == 1


def test_errors_are_one_family() -> None:
    for name in ("ScenarioError", "InfeasibleError", "SolverError"):
        assert issubclass(getattr(ieco_opt, name), errors.IecoOptError)
    with pytest.raises(ieco_opt.ScenarioError, match="objective"):
        ieco_opt.solve(small(), objective="best")  # type: ignore[arg-type]
    with pytest.raises(ieco_opt.ScenarioError, match="delta"):
        ieco_opt.frontier(small(), delta=0.0)
    with pytest.raises(ieco_opt.InfeasibleError, match="min_speed"):
        ieco_opt.solve(small(limits={"min_speed": 1e7}), objective="fastest")
    with pytest.raises(ieco_opt.SolverError, match="not installed"):
        ieco_opt.solve(small(), solver_config=SolverConfig(solver="no-such-solver"), objective="fastest")
    with pytest.raises(ieco_opt.SolverError, match="time limit"):
        ieco_opt.solve(small(), solver_config=SolverConfig(total_time_limit_s=1e-9), objective="fastest")


def test_options_that_highs_would_ignore_are_refused() -> None:
    with pytest.raises(ieco_opt.ScenarioError, match="mip_rel_gapp"):
        ieco_opt.solve(small(), solver_config=SolverConfig(options={"mip_rel_gapp": 0.5}), objective="fastest")


def test_a_limit_out_of_reach_is_proven_quickly_with_a_draft_model() -> None:
    """Nothing admissible means nothing to prune by, so the limits themselves must prune."""
    speculation = {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 5}
    with pytest.raises(ieco_opt.InfeasibleError, match="min_speed"):
        ieco_opt.solve(small(speculation=speculation, limits={"min_speed": 1e5}), objective="fastest")


def test_a_price_falls_through_to_the_choice() -> None:
    """The same GPU under a lower price wins every point; the more expensive twin is never listed."""
    twin = {"like": "H100-SXM", "name": "cheap-H100", "usd_per_gpu_hour": 0.5}
    front = ieco_opt.frontier(small(accelerators=["H100-SXM", twin]), complete=True)
    assert {item.accelerator for item in front} == {"cheap-H100"}


def test_memory_reserve_bounds_the_batch() -> None:
    generous = ieco_opt.solve(small(memory_utilization=1.0), objective="cheapest")
    tight = ieco_opt.solve(small(memory_utilization=0.15), objective="cheapest")
    assert tight.memory_per_gpu_gb <= tight.memory_limit_gb
    assert tight.cost_usd_per_mtok > generous.cost_usd_per_mtok


def test_the_planning_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "planning_loop.py")], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 12
    assert all("per million tokens" in line for line in lines)


def test_results_hold_the_files_that_a_scenario_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = catalog.model_to_mapping(catalog.model("Llama-3.1-8B"))
    (tmp_path / "mine.yaml").write_text(json.dumps(model))
    (tmp_path / "points.csv").write_text("accelerator,gpus,throughput_tokens_per_s\nH100-SXM,1,2000\n")
    front = ieco_opt.frontier(small(model="mine.yaml"), points=2)
    explanation = ieco_opt.explain(small(model="mine.yaml"))
    sizes = {"requests_per_s": 1, "prompt_tokens": 100, "output_tokens": 100}
    fleet = ieco_opt.Fleet(
        pools=[{"name": "mine", "accelerator": "H100-SXM", "gpus": 8}],
        workloads=[{"name": "chat", "operating_points": "points.csv", **sizes}],
    )
    plan = ieco_opt.plan(fleet)
    (tmp_path / "mine.yaml").unlink()
    (tmp_path / "points.csv").unlink()
    assert front.scenario.to_mapping()["model"] == model
    assert explanation.scenario.to_mapping()["model"] == model
    assert plan.scenario.to_mapping()["workloads"][0]["operating_points"][0]["gpus"] == 1
    assert "objective" not in plan.scenario.to_mapping()


def test_the_version_is_that_of_results() -> None:
    assert ieco_opt.__version__ == ieco_opt.show_versions()["ieco_opt"]
