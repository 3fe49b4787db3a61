"""`ieco-opt plan`: the screen, the folder, the scenario that asks the same, and what is not possible."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

import ieco_opt
from ieco_opt.catalog.profiles import calibrations
from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.errors import SearchStoppedError

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


@pytest.mark.parametrize(("own", "others"), [("8xH100", ("MI300X", "B200")), ("4xA10", ("H200", "MI300X"))])
def test_other_accelerators_have_their_own_calibration_and_nodes(
    own: str, others: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Four A10 are a node, four of the others are half of one; A10 have no profile, the others have."""
    assert status_of("plan", "Llama-3.1-8B", "--gpus", own, *LENGTHS, "--engine", "vllm") == ExitStatus.DONE
    shown, count = capsys.readouterr().out, own.split("x")[0]
    for name in others:
        said = re.search(rf"{count} x {name} +([\d.,]+)", shown)
        assert said is not None
        anew = ieco_opt.plan(model="Llama-3.1-8B", gpus=f"{count}x{name}", isl=1000, osl=200, engine="vllm")
        assert float(said[1].replace(",", "")) == pytest.approx(anew[0].demand_factor, rel=1e-3)


def test_a_folder_holds_all_of_it_and_other_commands_take_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "the plan"
    assert status_of(*ASKED, "--save", folder) == ExitStatus.DONE
    captured = capsys.readouterr()
    names = {"report.html", "plan.json", "plan.yaml", "answer.txt", "frontier.csv", "run.sh", "bench.sh", "k8s.yaml"}
    names |= {"frontier.png", "plan.png"}
    assert {path.name for path in folder.iterdir()} == names | {"README.txt"}
    assert f"saved in {folder}" in captured.err
    assert {line.split()[0] for line in (folder / "README.txt").read_text().splitlines()} == names
    assert (folder / "answer.txt").read_text().splitlines()[0] == captured.out.splitlines()[0]
    assert status_of("verify", folder, "--quiet") == ExitStatus.DONE
    assert status_of("launch", folder, "--format", "line") == ExitStatus.DONE
    launched = capsys.readouterr().out
    assert " vllm serve nvidia/Llama-3.1-8B-Instruct-FP8 " in launched.splitlines()[0]
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


def test_a_profile_of_ones_own_is_found_from_wherever_the_scenario_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("elsewhere").mkdir()
    (hopper,) = (each for each in calibrations() if each.name == "hopper-2026-07")
    own = hopper.model_copy(update={"name": "mine", "layer_s": 2.0 * hopper.layer_s})
    Path("mine.yaml").write_text(yaml_text(own.model_dump(mode="json", exclude_defaults=True)))
    asked = (*ASKED, "--brief", "--quiet", "--profile", "mine.yaml", "--write", "elsewhere/asked.yaml")
    assert status_of(*asked, "--out", "plan.json") == ExitStatus.DONE
    saved = ieco_opt.load_result("plan.json")
    assert {row.profile for row in saved.plans[0].instances} == {"mine"}  # type: ignore[attr-defined]
    assert ieco_opt.plan(ieco_opt.load_scenario("elsewhere/asked.yaml")).plans == saved.plans  # type: ignore[attr-defined]
    solve = ("solve", "Llama-3.1-8B", "--gpus", "1xH100", "--isl", "1k", "--osl", "100", "--quiet")
    assert status_of(*solve, "--profile", "mine.yaml", "--out", "one.json") == ExitStatus.DONE
    assert ieco_opt.load_result("one.json").deployments[0].profile == "mine"  # type: ignore[attr-defined]
    assert status_of(*ASKED, "--profile", "nobodys") == ExitStatus.WRONG_INPUT


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
    wish: tuple[str, str], way: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
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


def test_a_refusal_keeps_to_the_width(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("plan", "Llama-3.1-70B", *LENGTHS, "--weights", "bf16", "--engine", "vllm", "--gpus", "1xH100")
    told = []
    for columns in ("70", "1000"):
        monkeypatch.setenv("COLUMNS", columns)
        assert status_of(*asked) == ExitStatus.INFEASIBLE
        told.append(capsys.readouterr().err)
    narrow, wide = told
    assert max(map(len, narrow.splitlines())) <= 70
    assert len(wide.splitlines()) == 3
    assert narrow.split() == wide.split()


def test_a_folder_that_cannot_be_written_is_noticed_before_anything_is_solved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ieco_opt.cli.plan._planned", lambda *_, **__: pytest.fail("solved first"))
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "below"
    assert status_of(*ASKED, "--save", folder) == ExitStatus.WRONG_INPUT
    assert f"{folder}: cannot be made ({tmp_path / 'file'} is no folder)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_more_gpus_are_a_way_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    asked = ("plan", "Llama-3.1-70B", *LENGTHS, "--weights", "bf16", "--engine", "vllm", "--brief")
    assert status_of(*asked, "--gpus", "1xH100") == ExitStatus.INFEASIBLE
    change = capsys.readouterr().err.splitlines()[1]
    assert change.startswith("Change one:  ")
    assert "4 GPUs" in change
    assert status_of(*asked, "--gpus", "4xH100") == ExitStatus.DONE
    assert status_of(*asked, "--gpus", "2xH100") == ExitStatus.INFEASIBLE


def test_a_folder_that_can_no_longer_be_made_keeps_the_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ieco_opt.documents.destinations.check_new_folder", lambda _: None)
    (tmp_path / "file").write_text("")
    assert status_of(*ASKED, "--brief", "--save", tmp_path / "file" / "plan") == ExitStatus.INTERNAL_ERROR
    captured = capsys.readouterr()
    assert "BEST" in captured.out
    assert "cannot be made" in captured.err


def test_weights_that_no_checkpoint_has_are_said_wherever_a_command_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ("plan", "Llama-3.1-8B", "--gpus", "8xH100", *LENGTHS, "--weights", "awq", "--engine", "vllm", "--brief")
    assert status_of(*asked, "--save", tmp_path / "plan") == ExitStatus.DONE
    captured = capsys.readouterr()
    said = "no repository of Llama-3.1-8B in awq is known"
    assert "vllm serve meta-llama/Llama-3.1-8B" in captured.out
    assert said in " ".join(captured.out.split())
    assert "`ieco-opt launch --partial`" in " ".join(captured.out.split())
    assert said in captured.err
    assert "not written" not in captured.err
    assert said in (tmp_path / "plan" / "run.sh").read_text()


TRT = ("plan", "Llama-3.1-8B", "--gpus", "8xH100", *LENGTHS, "--weights", "fp8", "--engine", "trtllm", "--brief")


@pytest.mark.parametrize("name", ["plan", "a b", "$(touch x)", "it's"])
def test_the_script_runs_wherever_its_folder_is_copied(name: str, tmp_path: Path) -> None:
    assert status_of(*TRT, "--quiet", "--save", tmp_path / "before") == ExitStatus.DONE
    # The page of the folder names the files in it, as those that its commands need.
    named = re.findall(r"--extra_llm_api_options (\S+\.yaml)", (tmp_path / "before" / "report.html").read_text())
    assert named
    assert all(Path(each).is_file() for each in named)
    (tmp_path / "before").rename(tmp_path / name)
    server = tmp_path / "bin" / "trtllm-serve"
    server.parent.mkdir()
    # Says which options there are and which of them exist.
    server.write_text('#!/bin/sh\ntest -f "$3" && echo "$2 found" || echo "$2 $3 missing"\n')
    server.chmod(0o755)
    environment = os.environ | {"PATH": f"{server.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / name / "run.sh"), "h100-0"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.splitlines()) == {"--extra_llm_api_options found"}
    assert not list(tmp_path.glob("**/x"))


def test_a_file_that_only_a_folder_would_hold_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*TRT) == ExitStatus.DONE
    shown = " ".join(capsys.readouterr().out.split())
    named = re.search(r"--extra_llm_api_options \\? ?(\S+)", shown)
    assert named is not None
    assert f"--save DIR writes {Path(named[1]).name}" in shown


@pytest.mark.parametrize("width", [50, 80, 140])
def test_no_line_is_wider_than_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert status_of(*ASKED, "--ttft", "1s") == ExitStatus.DONE
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    command = re.search(r"^LAUNCH +((?:.*\\\n)*.*)", shown, re.MULTILINE)
    assert command is not None
    assert "nvidia/Llama-3.1-8B-Instruct-FP8" in shlex.split(command[1].replace("\\\n", ""))


def test_what_stands_beside_a_plan_takes_no_longer_than_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ieco_opt.fleet.one_workload._BESIDE_S", 1e-6)
    assert status_of(*ASKED) == ExitStatus.DONE
    shown = capsys.readouterr().out
    assert "optimal in the model" in shown
    assert "not all was looked at" in shown


def test_faults_of_what_nobody_wrote_are_about_options(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("plan", "Llama-3.1-8B", *LENGTHS)
    for wrong, said in {
        ("--gpus", "8xL20"): "--gpus: no price is known for 'L20', expected a number, such as 8xCARD@1.50",
        ("--gpus", "8xTPU-v6e"): "--engine: found 'TPU-v6e'",
        ("--gpus", "8xH100", "--weights", "nope"): "--weights: ",
        ("--gpus", "8xH100", "--isl", "10m"): "--isl: ",
        ("--gpus", "8xH100@1e9"): "--gpus: ",
    }.items():
        assert status_of(*asked, *wrong) == ExitStatus.WRONG_INPUT
        error = capsys.readouterr().err
        assert error.startswith(f"error: {said}"), error
        assert "[0]" not in error


def test_what_an_earlier_plan_left_in_a_folder_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert status_of(*ASKED, "--quiet", "--save", tmp_path) == ExitStatus.DONE
    assert (tmp_path / "frontier.csv").exists()
    assert status_of(*ASKED, "--quiet", "--brief", "--save", tmp_path) == ExitStatus.DONE
    assert not (tmp_path / "frontier.csv").exists()
    # Nor has the plan alone a curve to draw.
    assert not (tmp_path / "frontier.png").exists()
    assert (tmp_path / "plan.png").exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["-dash", "new\nline"])
def test_what_comes_next_can_be_typed(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(*ASKED, "--brief", f"--save={name}") == ExitStatus.DONE
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("NEXT ")
    assert " -dash" not in last


@pytest.mark.parametrize(
    ("what", "wish", "status", "said"),
    [
        ("variations", (), ExitStatus.DONE, "BEST"),
        ("ways_out", ("--tpot", "1ms"), ExitStatus.INFEASIBLE, "NOT POSSIBLE, proven"),
    ],
)
def test_an_interrupt_of_what_comes_after_loses_no_answer(
    what: str,
    wish: tuple[str, ...],
    status: ExitStatus,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object) -> None:
        raise SearchStoppedError("the search ended (interrupted) before it found a plan")

    monkeypatch.setattr(f"ieco_opt.fleet.one_workload.{what}", stopped)
    assert status_of(*ASKED, *wish) == status
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
