"""The command line: exit statuses, streams, files, interrupts."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from malformed_scenarios import MALFORMED, Malformed
from places import DATA, SCENARIOS
from processes import interrupted

from ieco_opt.cli import main

SMALL = """
version: 2
kind: deployment
model: Llama-3.1-8B
weights: [bf16, fp8]
accelerators: [H100-SXM]
workload: {context_tokens: 1000, output_tokens: 200}
design_space:
  stage_ranks: [1, 2, 4]
  pipeline_parallel: [1]
  attention_data_parallel: [1]
  batch: {min: 1, max: 64}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def call(*arguments: str | Path) -> int:
    """Run the command line in this process; returns its exit status."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


def test_frontier_prints_a_table_and_writes_every_kind_of_file(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for ending in ("json", "csv", "parquet"):
        assert call("frontier", small, "--out", tmp_path / f"out.{ending}", "--plot", tmp_path / "out.svg") == 0
    out, err = capfd.readouterr()
    assert "tokens/s" in out
    assert "HiGHS" in out
    assert "Running HiGHS" not in out + err
    assert err == ""
    csv, parquet = pd.read_csv(tmp_path / "out.csv"), pd.read_parquet(tmp_path / "out.parquet")
    result = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert len(csv) == len(parquet) == len(result["deployments"]) > 3
    assert csv["cost_usd_per_mtok"].tolist() == [row["cost_usd_per_mtok"] for row in result["deployments"]]
    assert result["versions"]["highspy"]
    assert result["scenario"]["model"] == "Llama-3.1-8B"
    assert "<svg" in (tmp_path / "out.svg").read_text("utf-8")
    assert call("verify", tmp_path / "out.json") == 0


@pytest.mark.parametrize(
    "options", [("--delta", "0.2"), ("--points", "5"), ("--complete",)], ids=["adaptive", "sampled", "complete"]
)
def test_kinds_of_frontier(small: Path, options: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert call("frontier", small, "--format", "json", *options) == 0
    result = json.loads(capfd.readouterr().out)
    guarantees = {"--delta": ("covered", 0.2), "--points": ("sampled", None), "--complete": ("complete", 0.0)}
    assert (result["guarantee"]["kind"], result["guarantee"]["coverage"]) == guarantees[options[0]]
    asked = {"--delta": (0.2, None), "--points": (None, 5), "--complete": (0.0, None)}
    assert (result["question"]["delta"], result["question"]["points"]) == asked[options[0]]


def test_quiet_with_out_is_silent(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("solve", small, "--quiet", "--out", tmp_path / "out.csv") == 0
    assert capfd.readouterr() == ("", "")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 1


def test_solve_objectives_agree_with_the_frontier(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("frontier", small, "--complete", "--format", "csv") == 0
    table = pd.read_csv(io.StringIO(capfd.readouterr().out))
    best = {}
    for objective in ("fastest", "cheapest", "preferred"):
        assert call("solve", small, "--objective", objective, "--format", "csv") == 0
        best[objective] = pd.read_csv(io.StringIO(capfd.readouterr().out)).iloc[0]
    assert best["fastest"]["speed_tokens_per_s"] == table["speed_tokens_per_s"].max()
    assert best["cheapest"]["cost_usd_per_mtok"] == table["cost_usd_per_mtok"].min()
    value = table["speed_tokens_per_s"] ** 3 / table["cost_usd_per_mtok"]
    row = best["preferred"]
    assert row["speed_tokens_per_s"] ** 3 / row["cost_usd_per_mtok"] == pytest.approx(value.max(), rel=1e-9)


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.id)
def test_malformed_scenarios_exit_with_2(case: Malformed, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    assert call("frontier", path) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert all(line.startswith("error: ") for line in err.splitlines())
    assert case.field in err


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ("limits.min_speed=1e9", 3, "min_speed"),
        ("limits.max_cost=1e-6", 3, "max_cost"),
        ("limits.max_power_kw=1e-3", 3, "max_power_kw"),
        ("memory_utilization=0.01", 3, "memory"),
        ("design_space.stage_ranks=[3]", 3, "heads"),
        ("design_space.max_gpus=0", 2, "max_gpus"),
        ("limits.min_sped=1", 2, "min_speed"),
        ("no-equals-sign", 2, "no-equals-sign"),
        ("accelerators=[H10O]", 2, "H10O"),
        ("kind=fleet", 2, "kind"),
    ],
)
def test_overrides_exit_with_2_or_a_proof(
    small: Path, change: str, status: int, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("solve", small, "--set", change) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert word in err
    assert ("proven infeasible" in err) == (status == 3)


@pytest.mark.parametrize(
    "arguments",
    [
        ("frontier", "missing.yaml"),
        ("frontier", "."),
        ("frontier", "SMALL", "--out", "result.xlsx"),
        ("frontier", "SMALL", "--plot", "result.gif"),
        ("frontier", "SMALL", "--delta", "0"),
        ("frontier", "SMALL", "--delta", "nan"),
        ("frontier", "SMALL", "--delta", "0.1", "--complete"),
        ("frontier", "SMALL", "--points", "1"),
        ("frontier", "SMALL", "--solver-config", "quick"),
        ("frontier", "SMALL", "--solver-config", "missing.yaml"),
        ("solve", "SMALL", "--objective", "best"),
        ("solve", "SMALL", "--preference", "2"),
        ("solve", "SMALL", "--objective", "preferred", "--preference", "-1"),
        ("export", "SMALL", "--out", "program.txt"),
        ("export", "SMALL", "--out", "missing/program.lp"),
        ("evaluate", "missing.csv"),
        ("verify", "missing.json"),
        ("verify", "SMALL"),
        ("catalog", "show", "GPU-9000"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_use_exits_with_2(
    arguments: tuple[str, ...], small: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.parent)
    assert call(*(str(small) if argument == "SMALL" else argument for argument in arguments)) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("model,accelerator\nGPT-4,H100\n", "tensor_layout"),
        ("", "header"),
        ("model;accelerator\n", "accelerator"),
        (None, "points.csv:2: found byte 0xff, expected text in UTF-8"),
        ("model,batch,model\nGPT-4,1,GPT-4\n", "points.csv:1: model: found the column 2 times"),
        ("model,batch\nGPT-4,1,1\nGPT-4,1,1\n", "points.csv:3: column 3: found 3 cells, expected at most 2"),
    ],
    ids=["missing columns", "empty", "wrong separator", "bytes", "repeated column", "long rows"],
)
def test_evaluate_refuses_broken_tables(
    tmp_path: Path, text: str | None, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(b"model\n\xff\xfe\n" if text is None else text.encode())
    assert call("evaluate", path, "--fidelity", "paper") == 2
    err = capfd.readouterr().err
    assert word in err
    assert all(line.startswith("error: ") for line in err.splitlines())


def test_evaluate_names_the_line_of_a_wrong_cell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sample = pd.read_csv(DATA / "setup_points_sample.csv").iloc[:3, :9].astype(object)
    sample.loc[1, "batch"] = "many"
    path = tmp_path / "points.csv"
    sample.to_csv(path, index=False)
    assert call("evaluate", path, "--fidelity", "paper") == 2
    assert f"{path}:3: batch: found 'many'" in capfd.readouterr().err


def test_time_limit_keeps_what_was_found(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hurried.yaml"
    config.write_text("solver: highs\ntotal_time_limit_s: 1.0e-6\noptions: {presolve_mode: 2}\n", encoding="utf-8")
    out = tmp_path / "out.json"
    assert call("frontier", small, "--solver-config", config, "--out", out, "--format", "json") == 4
    result = json.loads(out.read_text("utf-8"))
    assert result["status"] == "stopped"
    assert result["guarantee"]["kind"] == "partial"
    assert result["guarantee"]["open_regions"]
    assert "stopped early" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt_keeps_what_was_found(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    big = SCENARIOS / "paper-deepseek-v3.yaml"
    asked = ("frontier", big, "--complete", "--quiet", "--out", out)
    status, stdout, stderr = interrupted(*asked, after_cpu_s=4.0)
    assert status == 4, stderr
    assert "Traceback" not in stdout + stderr
    result = json.loads(out.read_text("utf-8"))
    assert result["status"] == "stopped"
    assert result["guarantee"]["kind"] == "partial"
    assert result["guarantee"]["stopped"] == "interrupted"
    assert result["deployments"]
    assert result["guarantee"]["open_regions"]


def test_verify_finds_a_tampered_result(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.json"
    assert call("frontier", small, "--quiet", "--out", path) == 0
    result = json.loads(path.read_text("utf-8"))
    faster = json.loads(json.dumps(result))
    faster["deployments"][0]["latency_s"] *= 0.99
    path.write_text(json.dumps(faster), encoding="utf-8")
    assert call("verify", path) == 1
    assert "latency_s" in capfd.readouterr().err
    # A deployment that exists but is dominated: the second fastest, said to be alone.
    weak = json.loads(json.dumps(result))
    batch = weak["deployments"][0]["batch"]
    weak["deployments"] = [{**weak["deployments"][0], "batch": batch + 1}]
    path.write_text(json.dumps(weak), encoding="utf-8")
    assert call("verify", path) == 1
    # A file that says what cannot be is no result at all.
    path.write_text(json.dumps(result | {"status": "fine"}), encoding="utf-8")
    capfd.readouterr()
    assert call("verify", path) == 2
    assert "status: found 'fine', expected one of" in capfd.readouterr().err


def test_export_is_read_by_highs_and_has_the_same_optimum(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import highspy

    assert call("solve", small, "--objective", "fastest", "--format", "json") == 0
    latency = json.loads(capfd.readouterr().out)["deployments"][0]["latency_s"]
    for ending in ("lp", "mps"):
        path = tmp_path / f"program.{ending}"
        assert call("export", small, "--out", path, "--quiet") == 0
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
        highs.run()
        assert highs.getInfo().objective_function_value == pytest.approx(latency * 1e6, rel=1e-6)


def test_schema_and_catalog(capfd: pytest.CaptureFixture[str]) -> None:
    assert call("schema") == 0
    assert "design_space" in json.loads(capfd.readouterr().out)["properties"]
    assert call("catalog", "list", "--format", "json") == 0
    listed = json.loads(capfd.readouterr().out)
    assert {"Llama-3.3-70B", "DeepSeek-V3"} <= {row["name"] for row in listed["models"]}
    cells = [cell for rows in listed.values() for row in rows for cell in row.values()]
    assert not [cell for cell in cells if isinstance(cell, list | dict)]
    assert call("catalog", "show", "H100") == 0
    assert "989" in capfd.readouterr().out


def test_every_shipped_scenario_loads() -> None:
    from ieco_opt import Fleet, load_scenario
    from ieco_opt.scenario import resolve, resolve_fleet

    files = sorted(SCENARIOS.glob("*.yaml"))
    assert len(files) >= 10
    for file in files:
        scenario = load_scenario(file)
        assert isinstance(scenario, Fleet) == file.stem.startswith("fleet-")
        if isinstance(scenario, Fleet):
            assert f"fleet-{scenario.name}" == file.stem
            resolve_fleet(scenario)
        else:
            assert scenario.name == file.stem
            resolve(scenario)


@pytest.mark.parametrize(
    ("limits", "objective", "reason"),
    [
        ("{min_speed: 20}", "cheapest", "limits.min_speed is given"),
        ("{min_speed: 20, max_cost: 50}", "cheapest", "limits.min_speed is given"),
        ("{max_cost: 50}", "fastest", "limits.max_cost is given"),
        ("{}", "preferred", "neither limits.min_speed nor limits.max_cost is given"),
    ],
)
def test_limits_say_what_is_best_where_nobody_does(
    limits: str, objective: str, reason: str, small: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("solve", small, "--set", f"limits={limits}", "--format", "json") == 0
    usual = json.loads(capfd.readouterr().out)
    assert usual["question"]["objective"] == objective
    assert usual["notes"][-1] == f"objective {objective}, since {reason}"
    assert call("solve", small, "--set", f"limits={limits}", "--objective", objective, "--format", "json") == 0
    asked = json.loads(capfd.readouterr().out)
    assert asked["deployments"] == usual["deployments"]
    assert not any(note.startswith("objective") for note in asked["notes"])
    assert call("solve", small, "--set", f"limits={limits}") == 0
    out, err = capfd.readouterr()
    assert f"objective {objective}, since {reason} (no --objective)" in " ".join(out.split())
    assert "objective" not in err


def test_the_first_line_says_where_decoding_alone_is_priced(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = ("--set", "workload={prompt_tokens: 500, output_tokens: 50}")
    for command in (("solve",), ("frontier", "--points", "2")):
        for more, alone in (((), True), (whole, False)):
            assert call(command[0], small, *command[1:], *more) == 0
            out, _ = capfd.readouterr()
            assert out.startswith("decoding alone is priced (context_tokens); what prompts add is not known") is alone
            assert ("TTFT" in out) is not alone
