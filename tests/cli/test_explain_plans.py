"""`ieco-opt explain` of fleets, saved plans, folders and questions: what is taken, what refused, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from explained_fleets import counted

from ieco_opt.cli.main import main

ASKED = ("Llama-3.1-8B", "--gpus", "2xH100", "--isl", "1k", "--osl", "100", "--engine", "vllm", "--tpot", "20ms")


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump(counted().to_mapping()))
    return str(path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def test_a_fleet_in_one_line(fleet: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", fleet, "--brief") == 0
    assert capsys.readouterr().out == "binds: limits.max_power_kw ($10.00/h without it, 33.3 % cheaper)\n"
    assert run("explain", fleet, "--set", "limits.max_power_kw=20", "--brief") == 0
    said = "binds: nothing but the demand; no plan is better without any one limit, nor without all\n"
    assert capsys.readouterr().out == said


def test_a_fleet_a_saved_plan_and_its_folder_say_the_same(
    fleet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    assert run("fleet", fleet, "--out", str(folder / "plan.json"), "--quiet") == 0
    capsys.readouterr()
    found = []
    for what in (fleet, str(folder / "plan.json"), str(folder)):
        assert run("explain", what, "--format", "json", "--quiet") == 0
        values = json.loads(capsys.readouterr().out)
        assert values["question"]["kind"] == "explain_fleet"
        found.append({name: values[name] for name in ("plans", "limits", "runner_ups", "held", "times", "sources")})
    assert found[0] == found[1] == found[2]
    assert run("explain", str(folder), "--out", str(tmp_path / "why.json")) == 0
    assert "What each limit costs" in capsys.readouterr().out
    assert run("verify", str(tmp_path / "why.json")) == 0
    assert "not checked: that the bounds of plans are right" in capsys.readouterr().out


def test_a_question_is_explained_as_it_is_planned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert run("explain", *ASKED, "--brief") == 0
    assert "pools.h100.gpus (no end without it)" in capsys.readouterr().out
    assert run("explain", *ASKED[:-1], "1ms") == 3
    lines = capsys.readouterr().err.split("\n")
    assert lines[0].startswith("NOT POSSIBLE, proven: Llama-3.1-8B")
    assert lines[1].startswith("Change one:  TPOT to ")


def test_an_infeasible_fleet_says_what_it_would_take(fleet: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", fleet, "--set", "limits.max_power_kw=2") == 3
    assert "the limits.max_power_kw raised by 1 kW" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("FLEET", "--configuration", "TP8,B1"), "--configuration: found with a fleet"),
        (("FLEET", "--preference", "2"), "--preference: found with a fleet"),
        (("FLEET", "--objective", "fastest"), "--objective: found fastest with a fleet, expected cost"),
        (("FLEET", "--brief", "--format", "json"), "--brief prints one line"),
        (("FLEET", "--rate", "3"), "--rate: expected with --gpus and the name of a model"),
        (("PLAN", "--set", "limits.max_gpus=3"), "--set: found with a saved plan"),
        (("PLAN", "--objective", "cost"), "--objective: found with a saved plan"),
        (("PLAN", "--configuration", "TP8,B1"), "--configuration: found with a saved plan"),
        ((*ASKED, "--set", "limits.max_gpus=3"), "--set: found with a question with --gpus"),
        ((*ASKED, "--configuration", "TP8,B1"), "--configuration: found with a question with --gpus"),
        (("DEPLOYMENT", "--brief"), "--brief: found with a deployment"),
        (("DEPLOYMENT", "--objective", "cost"), "--objective: found cost with a deployment, expected fastest"),
        (("DEPLOYMENT", "--preference", "2"), "--preference goes with --objective preferred"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(
    arguments: tuple[str, ...], said: str, fleet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "PLAN" in arguments:
        assert run("fleet", fleet, "--out", str(tmp_path / "plan.json"), "--quiet") == 0
    deployment = tmp_path / "small.yaml"
    workload = "workload: {context_tokens: 1000, output_tokens: 200}"
    deployment.write_text(f"version: 2\nkind: deployment\nmodel: Llama-3.1-8B\naccelerators: [H100-SXM]\n{workload}\n")
    places = {"FLEET": fleet, "PLAN": str(tmp_path / "plan.json"), "DEPLOYMENT": str(deployment)}
    assert run("explain", *(places.get(each, each) for each in arguments)) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_results_that_are_no_plan_are_refused(fleet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", fleet, "--out", str(tmp_path / "why.json"), "--quiet") == 0
    assert run("explain", str(tmp_path / "why.json")) == 2
    assert "question.kind: found the result of the question 'explain_fleet'" in capsys.readouterr().err
    for command in ("explain", "verify", "launch", "report"):
        target = ("--out", str(tmp_path / "page.html")) if command == "report" else ()
        assert run(command, str(tmp_path), *target) == 2
        assert "found a folder without plan.json, expected one of `plan --save`" in capsys.readouterr().err
    broken = tmp_path / "plan.json"
    broken.write_text('{"format": "ieco_opt result"')
    assert run("explain", str(tmp_path)) == 2
    assert "plan.json" in capsys.readouterr().err


def test_a_time_limit_ends_with_its_own_status(fleet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fleet", fleet, "--out", str(tmp_path / "plan.json"), "--quiet") == 0
    config = tmp_path / "short.yaml"
    config.write_text("solver: highs\ntotal_time_limit_s: 1.0e-9\n")
    assert run("explain", str(tmp_path), "--solver-config", str(config)) == 4
    assert capsys.readouterr().err == "the search ended (time limit) before the fleet of the plan was priced\n"
