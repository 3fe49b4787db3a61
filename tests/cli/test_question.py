"""`solve` and `frontier` of a model on some GPUs, without a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ieco_opt import api
from ieco_opt.cli.main import main
from ieco_opt.scenario import load_scenario_mapping
from ieco_opt.scenario.one_line import deployment_mapping

ASKED = ("Llama-3.1-8B", "--gpus", "8xH100", "--isl", "1k", "--osl", "200", "--weights", "fp8", "--engine", "vllm")


def status_of(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return int(ended.value.code or 0)


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert status_of(*arguments, "--format", "json") == 0
    return json.loads(capsys.readouterr().out)


def test_solve_answers_what_the_scenario_does(capsys: pytest.CaptureFixture[str]) -> None:
    found = answered(capsys, "solve", *ASKED, "--tpot", "10ms")
    asked = {"gpus": "8xH100", "isl": 1000, "osl": 200, "weights": "fp8", "engine": "vllm", "tpot": "10ms"}
    same = api.answer(load_scenario_mapping(deployment_mapping("Llama-3.1-8B", asked)))  # type: ignore[arg-type]
    assert found["question"]["objective"] == "cheapest"
    assert found["deployments"] == json.loads(same.to_json())["deployments"]
    assert found["deployments"][0]["speed_tokens_per_s"] >= 100.0
    assert found["deployments"][0]["gpus"] <= 8


def test_a_frontier_prices_prompts_on_each_kind_at_its_price(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("frontier", "Llama-3.1-8B", "--gpus", "4xH100@2,4xH200", "--prompt", "1k", "--output", "200")
    found = answered(capsys, *words, "--weights", "fp8", "--delta", "0.5", "--ttft", "1s")
    rows = found["deployments"]
    assert {row["accelerator"] for row in rows} <= {"H100-SXM", "H200-SXM"}
    assert all(row["gpus"] <= 4 and row["time_to_first_token_s"] <= 1.0 for row in rows)
    for row in rows:
        price = 2.0 if row["accelerator"] == "H100-SXM" else 1.6
        assert row["usd_per_hour"] == pytest.approx(price * row["gpus"])


def test_a_file_is_a_scenario_and_takes_no_question(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("kind: deployment\n")
    assert status_of("solve", path, "--isl", "4k") == 2
    assert "--isl: expected with --gpus and the name of a model" in capsys.readouterr().err
    assert status_of("solve", tmp_path / "none.yaml") == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_name_that_is_no_file_is_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("frontier", "Llama-3.1-8B") == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in said] == ["--gpus", "--isl", "--osl"]


def test_one_number_of_gpus_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("solve", *ASKED, "--gpus", "16xH200") == 2
    assert "--gpus: found 8 and 16, expected as many of each kind" in capsys.readouterr().err
