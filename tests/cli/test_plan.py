"""`ieco-opt plan`: the screen, the folder, the scenario that asks the same, and what is not possible."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import ieco_opt
from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main

LENGTHS = ("--isl", "1k", "--osl", "200")
ASKED = ("plan", "Llama-3.1-8B", "--gpus", "8xH100", *LENGTHS, "--tpot", "20ms", "--weights", "fp8", "--engine", "vllm")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 100 columns, wherever tests run."""
    monkeypatch.setenv("COLUMNS", "100")


def status_of(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return int(ended.value.code or 0)


def test_the_screen_says_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*ASKED) == ExitStatus.DONE
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0] == ("Llama-3.1-8B fp8 on 8 x H100-SXM: prompt 1,000, output 200, TPOT <= 20 ms, with vllm")
    for part in ("BEST", "PROOF", "TRUST", "CHANGE ONE THING", "OTHER LAYOUTS", "OTHER GPUs", "LAUNCH", "NEXT"):
        assert part in shown
    assert "optimal in the model: no plan serves more" in shown
    assert "\x1b" not in shown
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 40


def test_the_figures_are_those_of_the_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert status_of(*ASKED, "--brief", "--out", tmp_path / "plan.json", "--format", "table") == ExitStatus.DONE
    shown = capsys.readouterr().out
    plan = ieco_opt.load_result(tmp_path / "plan.json")[0]  # type: ignore[index]
    summary = plan.workloads[0]
    served = summary.requests_per_s
    assert float(re.search(r"([\d.]+) requests/s", shown)[1]) == pytest.approx(served, rel=1e-3)  # type: ignore[index]
    per_gpu = float(re.search(r"([\d,]+) tokens/s/GPU", shown)[1].replace(",", ""))  # type: ignore[index]
    assert per_gpu == pytest.approx(200 * served / plan.gpus, rel=1e-2)
    dollars = float(re.search(r"\$([\d.]+) per M output", shown)[1])  # type: ignore[index]
    assert dollars == pytest.approx(plan.usd_per_hour / 3600 / (200 * served) * 1e6, rel=1e-2)
    assert f"${plan.usd_per_hour:,.2f}/h" in shown
    assert "CHANGE ONE THING" not in shown


def test_other_answers_are_what_asking_them_gives(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*ASKED) == ExitStatus.DONE
    shown = capsys.readouterr().out
    changed = float(re.search(r"TPOT 13 ms +([\d.,]+)", shown)[1].replace(",", ""))  # type: ignore[index]
    others = {
        name: float(re.search(rf"8 x {name} +([\d.,]+)", shown)[1].replace(",", ""))  # type: ignore[index]
        for name in ("H200", "B200", "MI300X")
    }
    asked = {"isl": 1000, "osl": 200, "weights": "fp8", "engine": "vllm"}
    faster = ieco_opt.plan(model="Llama-3.1-8B", gpus="8xH100", tpot="13ms", **asked)  # type: ignore[arg-type]
    assert changed == pytest.approx(faster[0].demand_factor, rel=1e-3)
    # Each accelerator is priced with the profile of its own generation.
    for name, other in others.items():
        elsewhere = ieco_opt.plan(model="Llama-3.1-8B", gpus=f"8x{name}", tpot="20ms", **asked)  # type: ignore[arg-type]
        assert other == pytest.approx(elsewhere[0].demand_factor, rel=1e-3)


def test_a_folder_holds_all_of_it_and_other_commands_take_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "the plan"
    assert status_of(*ASKED, "--save", folder) == ExitStatus.DONE
    captured = capsys.readouterr()
    names = {"plan.json", "plan.yaml", "answer.txt", "frontier.csv", "frontier.png", "run.sh", "bench.sh", "k8s.yaml"}
    assert {path.name for path in folder.iterdir()} == names | {"README.txt"}
    assert f"saved in {folder}" in captured.err
    assert {line.split()[0] for line in (folder / "README.txt").read_text().splitlines()} == names
    assert (folder / "answer.txt").read_text().splitlines()[0] == captured.out.splitlines()[0]
    assert status_of("verify", folder, "--quiet") == ExitStatus.DONE
    assert status_of("launch", folder, "--format", "line") == ExitStatus.DONE
    launched = capsys.readouterr().out
    assert " vllm serve meta-llama/Llama-3.1-8B " in launched.splitlines()[0]
    assert status_of("fleet", folder / "plan.yaml", "--format", "json") == ExitStatus.DONE
    again = json.loads(capsys.readouterr().out)
    assert again["plans"] == json.loads((folder / "plan.json").read_text())["plans"]
    hosts = set(re.findall(r"^(h100-\d+)\)$", (folder / "run.sh").read_text(), re.MULTILINE))
    assert hosts == {"h100-0"}
    servers = sum(row["instances"] for row in again["plans"][0]["instances"])
    assert (folder / "run.sh").read_text().count("vllm serve") == servers
    assert (folder / "bench.sh").read_text().count("vllm bench serve") == servers


def test_the_scenario_is_written(tmp_path: Path) -> None:
    path = tmp_path / "question.yaml"
    assert status_of(*ASKED, "--brief", "--quiet", "--write", path, "--out", tmp_path / "plan.json") == ExitStatus.DONE
    written = yaml.safe_load(path.read_text())
    assert written["objective"] == "throughput"
    assert written["workloads"][0]["min_speed"] == pytest.approx(50.0)
    found = ieco_opt.plan(ieco_opt.load_scenario(path))
    assert found.plans == ieco_opt.load_result(tmp_path / "plan.json").plans  # type: ignore[attr-defined]


def test_with_a_rate_it_is_about_what_that_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*ASKED, "--rate", "60/min", "--min", "gpus") == ExitStatus.DONE
    shown = capsys.readouterr().out
    assert "1 requests/s" in shown.splitlines()[0]
    assert "no plan allocates fewer" in shown
    assert re.search(r"CHANGE ONE THING +GPUs", shown)


def test_options_are_named_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("plan", "Llama-3.1-8B", "--gpus", "H100", "--min", "cost", "--tpot", "x") == ExitStatus.WRONG_INPUT
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["--gpus", "--isl", "--osl", "--tpot", "--min"]


@pytest.mark.parametrize(
    ("wish", "way"),
    [
        (("--tpot", "1ms"), r"TPOT to ([\d.]+) ms"),
        (("--ttft", "1ms"), r"TTFT to ([\d.]+) s"),
        (("--rate", "1000000"), r"([\d.]+) requests/s"),
        (("--budget", "0.1/h"), r"\$([\d.]+)/h"),
    ],
)
def test_what_is_not_possible_says_what_would_be(
    wish: tuple[str, str], way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("plan", "Llama-3.1-8B", "--gpus", "8xH100", *LENGTHS, "--weights", "fp8", "--engine", "vllm", "--brief")
    assert status_of(*asked, *wish) == ExitStatus.INFEASIBLE
    captured = capsys.readouterr()
    assert captured.out == ""
    first, change, why = captured.err.splitlines()
    assert first.startswith("NOT POSSIBLE, proven: Llama-3.1-8B fp8 on 8 x H100-SXM: prompt 1,000, output 200")
    assert why.startswith("Why:")
    value = re.search(way, change)
    assert value is not None
    unit = {"--tpot": "ms", "--ttft": "s", "--rate": "", "--budget": "/h"}[wish[0]]
    # What it says is enough, and a little less is not.
    assert status_of(*asked, wish[0], f"{value[1]}{unit}") == ExitStatus.DONE
    worse = 1.02 if wish[0] == "--rate" else 0.98
    assert status_of(*asked, wish[0], f"{float(value[1]) * worse:.5f}{unit}") == ExitStatus.INFEASIBLE


def test_more_gpus_are_a_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("plan", "Llama-3.1-70B", *LENGTHS, "--weights", "bf16", "--engine", "vllm", "--brief")
    assert status_of(*asked, "--gpus", "1xH100") == ExitStatus.INFEASIBLE
    change = capsys.readouterr().err.splitlines()[1]
    assert change == "Change one:  4 GPUs    or awq weights" or "4 GPUs" in change
    assert status_of(*asked, "--gpus", "4xH100") == ExitStatus.DONE
    assert status_of(*asked, "--gpus", "2xH100") == ExitStatus.INFEASIBLE


def test_a_folder_that_cannot_be_made_keeps_the_answer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert status_of(*ASKED, "--brief", "--save", tmp_path / "file" / "plan") == ExitStatus.INTERNAL_ERROR
    captured = capsys.readouterr()
    assert "BEST" in captured.out
    assert "cannot be made" in captured.err
