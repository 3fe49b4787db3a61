"""`ieco-opt explain --configuration`: what is printed, what is written, which exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ieco_opt.cli.main import main
from ieco_opt.documents import destinations
from ieco_opt.errors import ScenarioError

SCENARIO = """
version: 2
kind: deployment
name: small
model: Llama-3.1-8B
weights: [bf16]
accelerators: [H100-SXM]
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {tensor_parallel: [1, 2, 4], attention_data_parallel: [1], batch: {min: 1, max: 64}}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return str(path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["explain", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def test_a_rule_is_printed_with_its_source(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scenario, "--configuration", "tp4 dp2 b8") == 0
    written = capsys.readouterr()
    assert written.err == ""
    assert written.out.startswith("small: why not TP4,DP2,B8? (8 GPUs)\n")
    assert "2 attention groups, where 1 are offered (design_space.attention_data_parallel)" in written.out
    assert "(attention_data_parallel == 1) [vllm" in " ".join(written.out.split())


def test_a_loss_is_printed_in_percent(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scenario, "--configuration", "TP4,B8", "--objective", "cheapest") == 0
    text = capsys.readouterr().out
    assert "% more expensive than the cheapest of all" in text
    assert "vllm/sglang/trtllm" in text
    assert run(scenario, "--configuration", "TP4,B1") == 0
    assert "the fastest deployment: none is better" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "TP4", "TP4,B8,Z3", "TP4,B8,B8", "TP0,B1", "TP4;B8"])
def test_a_wrong_text_is_one_line_and_2(scenario: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scenario, "--configuration", text) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("error: --configuration: found ")
    assert ", expected " in written.err
    assert written.err.count("\n") == 1


def test_json_goes_to_the_screen_and_to_a_file(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why.json"
    arguments = (scenario, "--configuration", "TP4,B8")
    assert run(*arguments, "--format", "json", "--out", str(out)) == 0
    shown, kept = json.loads(capsys.readouterr().out), json.loads(out.read_text())
    assert shown == kept
    assert kept["asked"]["text"] == "TP4,B8"
    assert {each["engine"] for each in kept["verdicts"]} == {"vllm", "sglang", "trtllm"}
    assert run(*arguments, "--out", str(out), "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written_is_said_and_the_text_is_shown(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(scenario, "--configuration", "TP4,B8", "--out", str(tmp_path / "why.csv")) == 2
    assert "why.csv" in capsys.readouterr().err

    def full(path: Path, _content: bytes) -> None:
        raise ScenarioError.single("no space left", file=str(path))

    monkeypatch.setattr(destinations, "replace_file", full)
    assert run(scenario, "--configuration", "TP4,B8", "--out", str(tmp_path / "why.json"), "--quiet") == 1
    written = capsys.readouterr()
    assert "why not TP4,B8?" in written.out
    assert "why.json: no space left" in written.err


def test_what_is_saved_is_no_result(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "why.json"
    assert run(scenario, "--configuration", "TP4,B8", "--out", str(out), "--quiet") == 0
    with pytest.raises(SystemExit) as left:
        main(["verify", str(out)])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
