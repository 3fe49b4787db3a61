"""What commands say of a file that does not say its version: once, on standard error, and nothing with --quiet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ieco_opt.cli import main

UNSAID = """
kind: deployment
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {tensor_parallel: [1, 2], pipeline_parallel: [1], max_gpus: 4, batch: {max: 8}}
"""
FLEET = """
kind: fleet
pools: [{name: h100, accelerator: H100-SXM, gpus: 16}]
workloads:
  - {name: chat, model: Llama-3.1-8B, weights: [fp8], requests_per_s: 1, prompt_tokens: 1000, output_tokens: 100,
     min_speed: 20, serving: [colocated], design_space: {tensor_parallel: [1], pipeline_parallel: [1], batch: {max: 8}}}
"""
NOTE = "design_space.tensor_parallel: read as TP"

COMMANDS = {
    "solve": ("solve",),
    "frontier": ("frontier", "--points", "2"),
    "explain": ("explain",),
    "compare": ("compare", "--heuristic", "rule-of-thumb"),
    "export": ("export", "--out", "program.lp"),
    "export a fleet": ("export", "--out", "program.lp"),
    "fleet": ("fleet",),
    "frontier of a fleet": ("fleet", "--frontier", "speed", "--delta", "1"),
}


def call(*arguments: str | Path) -> int:
    """Run the command line in this process; returns its exit status."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_once_what_the_numbers_mean(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    text = FLEET if "fleet" in name else UNSAID
    file, (command, *options) = Path("case.yaml"), COMMANDS[name]
    file.write_text(text, encoding="utf-8")
    assert call(command, file, *options) == 0
    out, err = capfd.readouterr()
    assert err.count(NOTE) == 1
    assert err.startswith("note: ")
    assert NOTE not in out
    assert call(command, file, *options, "--quiet") == 0
    assert "note: " not in capfd.readouterr().err
    file.write_text("version: 2" + text, encoding="utf-8")
    assert call(command, file, *options) == 0
    assert "note: " not in capfd.readouterr().err


@pytest.mark.parametrize(("text", "command"), [(UNSAID, "solve"), (UNSAID, "frontier"), (FLEET, "fleet")])
def test_results_carry_the_note_once(text: str, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("case.yaml").write_text(text, encoding="utf-8")
    asked = ("--objective", "fastest") if command == "solve" else ()
    assert call(command, "case.yaml", *asked, "--out", "out.json", "--format", "json") == 0
    out, err = capfd.readouterr()
    for result in (out, Path("out.json").read_text("utf-8")):
        (note,) = json.loads(result)["notes"]
        assert NOTE in note
    assert err.count(NOTE) == 1
    # What is saved says its version: reading it again needs no note.
    assert call("verify", "out.json") == 0
    assert capfd.readouterr().err == ""


def test_the_note_comes_also_where_nothing_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    Path("case.yaml").write_text(UNSAID, encoding="utf-8")
    assert call("solve", "case.yaml", "--set", "limits.min_speed=1e9") == 3
    assert capfd.readouterr().err.count(NOTE) == 1
    assert call("solve", "case.yaml", "--set", "version=1") == 2
    assert capfd.readouterr().err.startswith("error: --set: version: found 1, expected 2 (`ieco-opt migrate FILE`")
