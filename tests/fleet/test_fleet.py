"""Fleets from Python and from the command line: answers, files, exit statuses, searches that are stopped."""

from __future__ import annotations

import io
import json
import pickle
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from oracle.fleet import simulate, solve
from places import SCENARIOS
from processes import called, interrupted
from random_fleets import numbered_fleet, numbered_larger_fleet

import ieco_opt
from ieco_opt.errors import InfeasibleError, ScenarioError, SearchStoppedError
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program import packing as fleet_packing
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.results.deployment import Deployment
from ieco_opt.scenario import Fleet, load_fleet_mapping, resolve_fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.interrupt import Interrupt
from ieco_opt.solvers.run import Run, Stopped

Mapping = dict[str, Any]

CHAT_AND_CODE = SCENARIOS / "fleet-chat-and-code.yaml"


def hard_fleet(workloads: int = 12) -> Fleet:
    """A fleet that takes HiGHS seconds to close."""
    draw = random.Random(3)  # noqa: S311 - test data
    points = [
        {"pool": f"p{pool}", "gpus": gpus, "throughput_requests_per_s": gpus**1.1 * draw.uniform(0.8, 1.2)}
        for pool in range(4)
        for gpus in (1, 2, 3, 4, 6, 8, 12, 16)
    ]

    def varied(point: Mapping) -> Mapping:
        return {**point, "throughput_requests_per_s": point["throughput_requests_per_s"] * draw.uniform(0.9, 1.1)}

    return load_fleet_mapping(
        {
            "kind": "fleet",
            "pools": [
                {"name": f"p{at}", "accelerator": "H100", "gpus": 16 * workloads, "usd_per_gpu_hour": 1.0 + 0.013 * at}
                for at in range(4)
            ],
            "workloads": [
                {
                    "name": f"w{at}",
                    "prompt_tokens": 1,
                    "output_tokens": 1,
                    "requests_per_s": draw.uniform(20, 70),
                    "serving": ["colocated"],
                    "operating_points": [varied(point) for point in points],
                }
                for at in range(workloads)
            ],
        }
    )


def planner(fleet: Fleet, config: SolverConfig, **arguments: Any) -> FleetPlanner:
    interrupt = arguments.pop("interrupt", None)
    return FleetPlanner(build_fleet_space(resolve_fleet(fleet)), Run(config, interrupt), **arguments)


LONG = "fleet-six-models"
"""The shipped fleet that takes half a minute to its proof."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[pytest.mark.slow] if path.stem == LONG else [])
        for path in sorted(SCENARIOS.glob("fleet-*.yaml"))
    ],
)
def test_the_shipped_fleets_are_solved_and_hold(name: str) -> None:
    result = ieco_opt.plan(ieco_opt.load_scenario(SCENARIOS / f"{name}.yaml"))
    assert result[0].status == "optimal"
    assert ieco_opt.verify(result).problems == []
    assert simulate(json.loads(result.to_json())) == []


ENERGY = {"energy_j_per_token", "energy_usd_per_mtok", "carbon_kg_per_mtok"}


def test_a_plan_as_tables() -> None:
    result = ieco_opt.plan(ieco_opt.load_scenario(CHAT_AND_CODE))
    instances = result.to_dataframe()
    extra = {"workload", "phase", "pool", "instance_type", "instances", "nodes", "usd_per_hour", "utilization"}
    # A deployment has for itself the cap that proved it, which only a frontier of deployments sets, and its energy.
    of_deployments = {*Deployment.columns()} - {*Deployment.optional()}
    assert {*of_deployments, *extra, "time_to_first_token_s"} - {"cost_cap"} - ENERGY <= set(instances.columns)
    assert instances["usd_per_hour"].sum() == pytest.approx(result[0].usd_per_hour)
    nodes = result.to_dataframe("nodes")
    assert nodes["gpus"].sum() == (instances["gpus"] * instances["instances"]).sum()
    assert set(result.to_dataframe("workloads")["workload"]) == {"chat", "code"}
    assert set(result.to_dataframe("pools")["pool"]) == {"h100", "mi300x"}


@pytest.mark.parametrize("seeds", [range(14), pytest.param(range(14, 60), marks=pytest.mark.slow)], ids=str)
def test_what_a_cheaper_plan_would_violate_is_the_least_that_helps(seeds: range) -> None:
    checked = 0
    for seed in seeds:
        mapping = {**numbered_fleet(seed), "objective": "cost"}
        try:
            result = ieco_opt.plan(load_fleet_mapping(mapping), relaxations=True)
        except InfeasibleError:
            continue
        cost = result[0].usd_per_hour
        for give in result[0].next_cheaper:
            assert give.objective is not None
            assert give.objective < cost
            if not give.requirement.startswith("demand of ") or give.share is None or give.share > 0.999:
                continue
            if any(
                "slices" in each and f"demand of {each['name']}" == give.requirement for each in mapping["workloads"]
            ):
                # Slices are whole: what is missed of them is no share of every slice.
                continue
            # Just what is given up leaves the cost that is stated.
            relaxed = json.loads(json.dumps(mapping))
            for workload in relaxed["workloads"]:
                if f"demand of {workload['name']}" == give.requirement:
                    workload["requests_per_s"] *= 1.0 - give.share * (1.0 + 1e-7)
            then = solve(relaxed)
            assert then is not None
            assert then.usd_per_hour == pytest.approx(give.objective, rel=1e-7), (seed, give)
            for share, cheaper in ((give.share * 1.001 + 1e-6, True), (give.share * 0.999 - 1e-6, False)):
                relaxed = json.loads(json.dumps(mapping))
                for workload in relaxed["workloads"]:
                    if f"demand of {workload['name']}" == give.requirement:
                        workload["requests_per_s"] *= 1.0 - share
                answer = solve(relaxed)
                assert answer is not None
                assert (answer.usd_per_hour < cost * (1.0 - 1e-7)) == cheaper, (seed, give)
                checked += 1
    assert checked > 20


def test_an_infeasible_fleet_says_what_it_would_take() -> None:
    published = "profile=paper-constants"
    fleet = ieco_opt.load_scenario(CHAT_AND_CODE, [published, "limits.max_usd_per_hour=30"])
    with pytest.raises(InfeasibleError, match=r"limits\.max_usd_per_hour raised by 26 \$/h"):
        ieco_opt.plan(fleet)
    # And that is what it takes.
    enough = ieco_opt.load_scenario(CHAT_AND_CODE, [published, "limits.max_usd_per_hour=56"])
    assert ieco_opt.plan(enough)[0].usd_per_hour == 56.0


def test_a_workload_that_no_setup_serves_is_named_with_the_best_there_is() -> None:
    fleet = ieco_opt.load_scenario(CHAT_AND_CODE, ["workloads.chat.min_speed=3000"])
    with pytest.raises(InfeasibleError, match=r"chat cannot be served: .*min_speed 3000 \(([\d.]+) tokens/s") as caught:
        ieco_opt.plan(fleet)
    speed = float(str(caught.value).split("min_speed 3000 (")[1].split()[0])
    for share, message in ((0.995, "it would take"), (1.005, "chat cannot be served")):
        with pytest.raises(InfeasibleError, match=message):
            ieco_opt.plan(ieco_opt.load_scenario(CHAT_AND_CODE, [f"workloads.chat.min_speed={speed * share}"]))


@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(12, 80), marks=pytest.mark.slow)], ids=str)
def test_both_ways_to_pack_give_the_same_optimum(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    def optima() -> list[float]:
        found: list[float] = []
        for seed in seeds:
            try:
                found.append(ieco_opt.plan(load_fleet_mapping(numbered_fleet(seed)))[0].objective)
            except InfeasibleError:
                found.append(float("inf"))
        return found

    by_rows = optima()
    monkeypatch.setattr(fleet_packing, "is_chain", lambda rests: not rests)
    assert optima() == pytest.approx(by_rows, rel=1e-8)


def test_plans_are_found_without_a_start_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fleets = [load_fleet_mapping(numbered_larger_fleet(seed)) for seed in (0, 1, 2, 3)]
    config = load_solver_config("fleet")
    with_start = [planner(fleet, config).best() for fleet in fleets]
    monkeypatch.setattr(FleetPlanner, "_start", lambda *_: [])
    for fleet, found in zip(fleets, with_start, strict=True):
        other = planner(fleet, config).best()
        assert (other is None) == (found is None)
        if other is not None and found is not None:
            assert other.value == pytest.approx(found.value, rel=1e-9)


def test_incumbent_bound_and_gap_are_reported_while_the_solver_runs() -> None:
    seen: list[tuple[float, float, float]] = []
    config = replace(load_solver_config("fleet"), relative_gap=0.02, accepted_gap=None)
    found = planner(hard_fleet(), config, report=lambda *each: seen.append(each)).best()
    assert found is not None
    incumbents = [incumbent for incumbent, _, _ in seen]
    assert incumbents == sorted(incumbents, reverse=True)
    assert incumbents[-1] == pytest.approx(found.value, rel=1e-6)
    assert found.gap <= 0.02
    assert all(bound <= found.value * (1.0 + 1e-6) for _, bound, _ in seen)


def test_an_interrupt_keeps_incumbent_and_bound() -> None:
    interrupt = Interrupt()
    asked = planner(
        hard_fleet(),
        replace(load_solver_config("fleet"), accepted_gap=None),
        interrupt=interrupt,
        report=lambda incumbent, bound, _: interrupt.request() if incumbent - bound < 0.1 * incumbent else None,
    )
    with pytest.raises(Stopped, match="interrupted") as caught:
        asked.best()
    plan = caught.value.incumbent
    assert plan is not None
    assert 0.0 < plan.bound < plan.value
    assert plan.status == "feasible"


def test_a_limit_that_counts_nodes_is_not_called_one_of_time() -> None:
    config = replace(load_solver_config("fleet"), patience_s=None, options={"mip_max_nodes": 0})
    with pytest.raises(SearchStoppedError, match=r"\(a limit ended the solver\)"):
        ieco_opt.plan(hard_fleet(30), solver_config=config)


def test_a_gap_is_accepted_after_patience() -> None:
    config = replace(load_solver_config("fleet"), accepted_gap=0.2, patience_s=0.01)
    found = planner(hard_fleet(), config).best()
    assert found is not None
    assert 0.0 < found.gap <= 0.2
    assert found.bound < found.value


def test_a_time_limit_gives_a_marked_plan(tmp_path: Path) -> None:
    scenario, config, out = tmp_path / "hard.yaml", tmp_path / "short.yaml", tmp_path / "plan.json"
    scenario.write_text(json.dumps(hard_fleet(30).to_mapping()))
    config.write_text("solver: highs\ntime_limit_s: 0.5\n")
    done = called("fleet", scenario, "--solver-config", config, "--out", out)
    assert done.returncode == 4, done.stderr
    assert "stopped early" in done.stderr
    saved = json.loads(out.read_text())
    assert saved["status"] == "stopped"
    assert saved["guarantee"]["kind"] == "partial"
    assert saved["guarantee"]["stopped"] == "a time limit ended the solver"
    assert saved["plans"][0]["status"] == "feasible"
    assert saved["plans"][0]["bound"] < saved["plans"][0]["objective"]
    # Each solve keeps to its own limit, to within 2 s or 10 %.
    took = saved["statistics"]
    assert took["solver_seconds"] <= took["solves"] * (0.5 * 1.1) + 2.0
    assert simulate(saved) == []


def test_ctrl_c_gives_what_was_found(tmp_path: Path) -> None:
    scenario, config = tmp_path / "hard.yaml", tmp_path / "long.yaml"
    scenario.write_text(json.dumps(hard_fleet(40).to_mapping()))
    config.write_text("solver: highs\nrelative_gap: 0.0\n")
    asked = ("fleet", scenario, "--solver-config", config, "--format", "json")
    status, text, messages = interrupted(*asked, after_cpu_s=8.0)
    assert status == 4, messages
    assert "Traceback" not in messages
    saved = json.loads(text)
    assert (saved["status"], saved["guarantee"]["stopped"]) == ("stopped", "interrupted")
    assert simulate(saved) == []


PUBLISHED = ("--set", "profile=paper-constants")


def test_the_command_line_prints_and_saves(tmp_path: Path) -> None:
    out = tmp_path / "plan.csv"
    done = called("fleet", CHAT_AND_CODE, "--out", out, "--nodes", "--plot", tmp_path / "plan.svg", *PUBLISHED)
    assert done.returncode == 0, done.stderr
    assert "$56.00/h" in done.stdout
    assert "proven optimal" in done.stdout
    assert set(pd.read_csv(out)["workload"]) == {"chat", "code"}
    assert pd.read_csv(tmp_path / "plan.nodes.csv")["gpus"].sum() == 40
    assert (tmp_path / "plan.svg").stat().st_size > 1000


def test_several_scenarios_and_formats() -> None:
    points = SCENARIOS / "fleet-operating-points.yaml"
    done = called("fleet", CHAT_AND_CODE, points)
    assert done.returncode == 0
    assert "chat-and-code" in done.stdout
    assert "operating-points" in done.stdout
    assert called("fleet", CHAT_AND_CODE, points, "--out", "x.json").returncode == 2
    csv = called("fleet", points, "--format", "csv", "--quiet")
    instances = ieco_opt.plan(ieco_opt.load_scenario(points))[0].instances
    assert {row.workload for row in instances} == {"measured", "modelled"}
    assert list(pd.read_csv(io.StringIO(csv.stdout))["workload"]) == [row.workload for row in instances]


def test_verify_catches_what_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    ieco_opt.plan(ieco_opt.load_scenario(CHAT_AND_CODE)).to_json(path)
    assert called("verify", path).returncode == 0
    for change in ("instances", "gpus", "batch", "requests_per_s", "usd_per_hour"):
        saved = json.loads(path.read_text())
        target = saved["plans"][0] if change == "usd_per_hour" else saved["plans"][0]["instances"][0]
        target[change] += 1
        changed = tmp_path / f"{change}.json"
        changed.write_text(json.dumps(saved))
        done = called("verify", changed)
        assert done.returncode == 1, change
        assert done.stderr.startswith(f"error: {changed}: plans[0]"), change
        assert "Traceback" not in done.stderr
    saved = json.loads(path.read_text())
    del saved["plans"][0]["nodes"][0]
    (tmp_path / "nodes.json").write_text(json.dumps(saved))
    assert called("verify", tmp_path / "nodes.json").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["fleet", "no.yaml"], 2, "no.yaml: cannot be read"),
        (["fleet", SCENARIOS / "gpt-oss-120b.yaml"], 2, "expected 'fleet'"),
        (["solve", CHAT_AND_CODE], 2, "for `ieco-opt fleet`"),
        (["fleet", CHAT_AND_CODE, "--set", "workloads.chat.min_speed=3000"], 3, "chat cannot be served"),
        (["fleet", CHAT_AND_CODE, "--delta", "0.1"], 2, "go with --frontier"),
        (["fleet", CHAT_AND_CODE, "--out", "x.xls"], 2, "expected one of .csv, .json, .parquet"),
        (
            [
                "fleet",
                SCENARIOS / "fleet-operating-points.yaml",
                "--set",
                "workloads.0.min_speed=~",
                "--set",
                "workloads.1.min_speed=~",
                "--frontier",
                "speed",
            ],
            2,
            "min_speed",
        ),
        (["export", CHAT_AND_CODE, "--objective", "fastest", "--out", "x.lp"], 2, "for deployments"),
    ],
)
def test_wrong_use_is_one_clear_line(arguments: list[object], status: int, expected: str) -> None:
    done = called(*arguments)
    assert done.returncode == status
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_the_exported_program_has_the_optimum(tmp_path: Path) -> None:
    import highspy

    path = tmp_path / "fleet.lp"
    assert called("export", CHAT_AND_CODE, "--out", path, *PUBLISHED).returncode == 0
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(path))
    solver.run()
    assert solver.getInfo().objective_function_value == pytest.approx(56.0)


def test_results_can_be_pickled_and_threads_can_plan() -> None:
    fleet = ieco_opt.load_scenario(SCENARIOS / "fleet-operating-points.yaml")
    result = ieco_opt.plan(fleet)
    assert pickle.loads(pickle.dumps(result)).plans == result.plans  # noqa: S301 - our own bytes
    found: list[float] = []

    def work() -> None:
        found.append(ieco_opt.plan(fleet)[0].objective)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [result[0].objective] * 3


def test_arguments_are_checked() -> None:
    fleet = load_fleet_mapping(numbered_fleet(0))
    with pytest.raises(ScenarioError, match="expected one of cost, power, gpus"):
        ieco_opt.plan(fleet, objective="speed")  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match="expected a number above 0"):
        ieco_opt.fleet_frontier(fleet, delta=0.0)
    with pytest.raises(ScenarioError, match="expected one of speed, power, gpus"):
        ieco_opt.fleet_frontier(fleet, against="cost")  # type: ignore[arg-type]
