"""What the command line says: the option that is wrong, names as they can be read, and one line for each fault."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ieco_opt.cli import main
from ieco_opt.cli.exit_status import ExitStatus

DEPLOYMENT = """\
version: 2
kind: deployment
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {tensor_parallel: [1, 2], attention_data_parallel: [1, 2], pipeline_parallel: [1], batch: {max: 64}}
"""
FLEET = """\
version: 2
kind: fleet
pools: [{name: h100, accelerator: H100-SXM, gpus: 16}]
workloads:
  - name: chat v1.2
    model: Llama-3.1-8B
    weights: [fp8]
    requests_per_s: 1
    prompt_tokens: 1000
    output_tokens: 100
    min_speed: 20
    serving: [colocated]
    design_space: {tensor_parallel: [1], attention_data_parallel: [1], pipeline_parallel: [1], batch: {max: 8}}
"""
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 4,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dep.yaml").write_text(DEPLOYMENT, encoding="utf-8")
    Path("fleet.yaml").write_text(FLEET, encoding="utf-8")


def call(*arguments: str) -> int:
    """Run the command line in this process; returns its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("frontier dep.yaml --delta 0", "--delta: found 0.0, expected a number above 0"),
        ("frontier dep.yaml --points 1", "--points: found 1, expected at least 2"),
        ("solve dep.yaml --objective preferred --preference -1", "--preference: found -1.0, expected a number from 0"),
        ("explain dep.yaml --objective preferred --preference nan", "--preference: found nan, expected a number"),
        ("solve dep.yaml --solver-config nope", "--solver-config: found 'nope', expected one of cbc, exact, fast"),
        ("fleet fleet.yaml --solver-config nope", "--solver-config: found 'nope', expected one of "),
        ("fleet fleet.yaml --frontier power --delta 0 --format json", "--delta: found 0.0, expected a number above 0"),
        ("compare dep.yaml --heuristic nope", "--heuristic: found 'nope', expected one of paper-grid, "),
        ("compare dep.yaml --budget 0", "--budget: found 0, expected at least 1"),
        ("compare dep.yaml --seed -1", "--seed: found -1, expected an integer from 0 on"),
        ("compare dep.yaml --resolution 1", "--resolution: found 1, expected at least 2"),
        ("catalog show ''", "NAME|FILE: found '', expected the name of a model or accelerator of the real collection"),
    ],
)
def test_faults_of_arguments_name_the_option(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*[part.strip("'") for part in command.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {option}")


@pytest.mark.parametrize(
    "name", ["workloads[0]", "workloads.0", "workloads[chat v1.2]", "workloads.chat", "pools.h100", "pools[h100]"]
)
def test_entries_of_lists_are_named_in_every_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("fleet.yaml").write_text(FLEET.replace("chat v1.2", "chat") if name.endswith("chat") else FLEET)
    field = "gpus" if "pools" in name else "min_instances"
    assert call("fleet", "fleet.yaml", "--set", f"{name}.{field}=0") == 2
    (line,) = capsys.readouterr().err.splitlines()
    place = "pools[0].gpus" if "pools" in name else "workloads[0].min_instances"
    assert line == f"error: --set: {place}: found 0, expected an integer from 1 to 1,000,000"


def test_an_entry_that_is_not_there_is_told_from_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("workloads.nope", "workloads[7]"):
        assert call("fleet", "fleet.yaml", "--set", f"{name}.min_speed=1") == 2
    said = "in a list of 1, expected a position below 1 or a name (chat v1.2)"
    assert capsys.readouterr().err.splitlines() == [
        f"error: --set: workloads.nope: found no entry 'nope' {said}",
        f"error: --set: workloads.7: found no entry '7' {said}",
    ]
    assert call("solve", "dep.yaml", "--set", "workload[0") == 2
    said = "expected FIELD=VALUE, such as limits.min_speed=30 or workloads[0].headroom=0.2"
    assert capsys.readouterr().err == f"error: --set: found 'workload[0', {said}\n"


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


@pytest.mark.parametrize(("command", "text"), [("solve", DEPLOYMENT), ("fleet", FLEET)])
def test_a_scenario_may_be_piped_in(
    command: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"name: 中文\n{text}"
    Path("same.yaml").write_text(text, encoding="utf-8")
    assert call(command, "same.yaml", "--format", "csv") == 0
    expected = capsys.readouterr().out
    piped(monkeypatch, text.encode())
    assert call(command, "-", "--format", "csv") == 0
    assert capsys.readouterr() == (expected, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (DEPLOYMENT.replace("fp8", "fp9").encode(), ":4: weights[0]: found 'fp9', expected a precision"),
        (b"", ": found an empty file, expected a scenario"),
        (b"kind: \xff\n", ":1: found byte 0xff, expected text in UTF-8"),
        (b"x" * 1_000_001, ": found a larger file, expected at most 1,000,000 bytes"),
    ],
)
def test_faults_of_what_is_piped_in_say_so(
    content: bytes, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, content)
    assert call("solve", "-") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: standard input{said}")


def test_a_standard_input_that_cannot_be_read_is_said() -> None:
    command = [sys.executable, "-m", "ieco_opt", "solve", "-"]
    with Path("written").open("w", encoding="utf-8") as only_written:
        done = subprocess.run(command, stdin=only_written, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: standard input: cannot be read (Bad file descriptor)\n")


def test_the_standard_input_is_read_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("fleet", "-", "-") == 2
    assert "the standard input (-) can be read once only" in capsys.readouterr().err


COMMANDS = ("solve", "frontier", "explain", "compare", "export")


@pytest.mark.parametrize("command", [*COMMANDS, "fleet"])
def test_every_command_can_refuse_files_and_too_much(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, model = ("fleet.yaml", "workloads[0].model") if command == "fleet" else ("dep.yaml", "model")
    line = [command, scenario, *(["--out", "x.lp"] if command == "export" else [])]
    for arguments in ([*line, "--no-files"], ["--no-files", *line[1:]]):
        assert call(command, *arguments[1:], "--set", f"{model}=x.yaml", "--no-files") == 2
        said = capsys.readouterr().err
        assert (
            said
            == f"error: --set: {model}: found 'x.yaml', expected no name of a file: this scenario may not name any\n"
        )
    more = ["--set", "workloads[0].weights=[fp8, bf16]"] if command == "fleet" else []
    assert call(*line, *more, "--max-setups", "1") == 2
    (said,) = capsys.readouterr().err.splitlines()
    lists = "engine 3 x weights 2" if command == "fleet" else "engine 3 x tensor_parallel 2 x attention_data_parallel 2"
    assert f"configurations to price ({lists})" in said
    assert call(*line, "--max-setups", "0") == 2


def test_verify_can_refuse_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("solve", "dep.yaml", "--quiet", "--out", "out.json") == 0
    assert call("verify", "out.json", "--max-setups", "11") == 2
    assert "found lists for 12 configurations to price" in capsys.readouterr().err
    assert call("verify", "out.json", "--max-setups", "12") == 0


def test_the_catalog_shows_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.json").write_text(json.dumps(CONFIG))
    assert call("catalog", "show", "config.json") == 0
    shown = capsys.readouterr().out
    assert "total_params" in shown
    model = {
        "name": "mine",
        "layers": 2,
        "width": 64,
        "vocabulary": 100,
        "tied_embeddings": True,
        "attention": {"kind": "grouped_query", "query_heads": 4, "kv_heads": 2, "head_width": 16},
        "feed_forward": [{"layers": 2, "width": 128}],
        "notes": "one\ntwo\x1b[31m",
    }
    Path("mine.yaml").write_text(yaml.safe_dump(model))
    assert call("catalog", "show", "mine.yaml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "mine"]
    assert lines[-1].split() == ["notes", "one\\ntwo\\x1b[31m"]
    Path("mine.yaml").write_text(yaml.safe_dump(model | {"layer": 2}))
    assert call("catalog", "show", "mine.yaml") == 2
    assert capsys.readouterr().err == "error: mine.yaml:9: layer: unknown field, expected perhaps layers\n"
    assert call("catalog", "show", "none.yaml") == 2


NASTY = "a\x1b[31m\x07\u2028\u202e"
SHOWN = r"a\x1b[31m\x07\u2028\u202e"


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", f"{NASTY}.yaml"),
        ("fleet", f"{NASTY}.yaml"),
        ("verify", f"{NASTY}.json"),
        ("evaluate", f"{NASTY}.csv"),
        ("migrate", f"{NASTY}.yaml"),
        ("catalog", "show", f"{NASTY}.json"),
        ("solve", "dep.yaml", "--out", f"{NASTY}/x.csv"),
        ("solve", "dep.yaml", "--solver-config", f"{NASTY}.yaml"),
        ("solve", "dep.yaml", NASTY),
        (NASTY,),
    ],
    ids=str,
)
def test_control_characters_of_names_are_escaped(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    said = capsys.readouterr().err
    assert SHOWN in said
    assert not any(letter in said for letter in NASTY[1:] if not letter.isprintable())


def test_control_characters_of_files_written_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", "dep.yaml", "--out", f"{NASTY}.lp") == 0
    Path(f"{NASTY}.yaml").write_text(DEPLOYMENT)
    assert call("migrate", f"{NASTY}.yaml") == 0
    assert call("migrate", f"{NASTY}.yaml", "--out", "x.yaml") == 0
    said = capsys.readouterr().err
    assert said.count(SHOWN) == 3
    assert "\x1b" not in said


def test_names_that_are_quoted_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 5000
    for arguments in (
        ("catalog", "show", long),
        ("solve", "dep.yaml", "--set", f"model={'y' * 190}"),
        ("solve", "dep.yaml", "--set", f"{long}=1"),
        ("solve", "dep.yaml", "--set", long),
        ("solve", "dep.yaml", "--set", f"{long}=["),
        ("solve", "dep.yaml", "--set", f"name=*{long}"),
        ("solve", "dep.yaml", "--set", f"accelerators[{long}]=1"),
        ("solve", "dep.yaml", "--set", f"name.{long}=1"),
        ("fleet", "fleet.yaml", "--set", f"workloads.{long}.x=1"),
        ("solve", "dep.yaml", "--solver-config", long),
        ("compare", "dep.yaml", "--heuristic", "nope"),
    ):
        assert call(*arguments) == 2
        assert all(len(line) < 400 for line in capsys.readouterr().err.splitlines()), arguments


def test_characters_that_a_terminal_does_not_know_are_escaped() -> None:
    Path("中文.json").write_text(json.dumps(CONFIG))
    command = [sys.executable, "-m", "ieco_opt", "catalog", "show", "中文.json"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split() == ["name", r"\u4e2d\u6587"]


def test_tables_that_are_printed_hold_no_formulas_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = "Llama-3.1-8B,H100-SXM,1d,8,1,1,16,1000,1,fp8"
    names = "model,accelerator,tensor_layout,gpus,pipeline_parallel,attention_data_parallel,batch,context_tokens"
    Path("points.csv").write_text(f"{names},tokens_per_pass,weights,=note,change\n{row},=1+1\x1b,-5\n")
    assert call("evaluate", "points.csv") == 0
    header, cells = capsys.readouterr().out.splitlines()
    assert ",'=note,change," in header
    assert ",'=1+1\x1b,-5," in cells
    assert call("evaluate", "points.csv", "--format", "table") == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["verify", "launch", "explain", "solve"])
def test_a_name_too_long_for_a_file_is_wrong_input(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "X" * 3000 + ".json"])
    assert ended.value.code == ExitStatus.WRONG_INPUT
    said = capsys.readouterr().err
    assert "File name too long" in said or "expected" in said
    assert "output" not in said
