"""Nothing is lost and nothing ends in a traceback, whatever the disk, the terminal or the code does."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import SCENARIOS

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main
from ieco_opt.errors import ScenarioError

BUDGET = SCENARIOS / "mixtral-8x22b-budget.yaml"
LARGE = SCENARIOS / "gpt-oss-120b.yaml"
COMMAND = (sys.executable, "-m", "ieco_opt")


def run(*arguments: str, rest: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = " ".join([*COMMAND, *arguments]) + " " + rest
    return subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False, env=env)


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("arguments", [("catalog", "list"), ("catalog", "list", "--format", "json")])
def test_a_full_device_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, rest="> /dev/full")
    assert done.returncode == ExitStatus.INTERNAL_ERROR
    assert done.stderr == "error: the output cannot be written (No space left on device)\n"


def test_a_reader_that_has_gone_is_no_fault() -> None:
    done = run("catalog", "list", rest='| head -1; exit "${PIPESTATUS[0]}"')
    assert (done.returncode, done.stderr) == (ExitStatus.DONE, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", [("catalog", "list"), ("solve", str(BUDGET))], ids=lambda each: each[0])
def test_a_closed_output_is_no_fault(arguments: tuple[str, ...], closed: str) -> None:
    done = run(*arguments, rest=closed)
    assert (done.returncode, done.stderr) == (ExitStatus.DONE, "")


@pytest.mark.parametrize("place", ["/proc/x.json", "dangling.json"])
def test_a_target_that_takes_no_file_is_refused_before_solving(place: str, tmp_path: Path) -> None:
    (tmp_path / "dangling.json").symlink_to(tmp_path / "nowhere" / "x.json")
    began = time.process_time()
    assert status_of("solve", str(LARGE), "--out", str(tmp_path / place)) == ExitStatus.WRONG_INPUT
    assert time.process_time() - began < 2.0
    assert not list(tmp_path.glob(".ieco-opt-*"))


def test_a_file_that_cannot_be_written_after_all_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise ScenarioError.single("cannot be written (No space left on device)", file="x.json")

    monkeypatch.setattr("ieco_opt.results.writing.replace_file", full)
    out = tmp_path / "x.json"
    assert status_of("solve", str(BUDGET), "--quiet", "--out", str(out)) == ExitStatus.INTERNAL_ERROR
    said = capsys.readouterr()
    assert "the fastest deployment" in said.out
    assert said.err == "error: x.json: cannot be written (No space left on device)\n"
    assert not out.exists()


@pytest.mark.parametrize(("command", "name", "shown"), [("report", "x.html", "the fastest"), ("export", "x.lp", "")])
def test_what_a_full_device_does_not_take_is_no_wrong_input(
    command: str, name: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, saved = tmp_path / name, tmp_path / "saved.json"
    out.symlink_to("/dev/full")
    assert status_of("solve", str(BUDGET), "--quiet", "--out", str(saved)) == ExitStatus.DONE
    source = saved if command == "report" else BUDGET
    assert status_of(command, str(source), "--quiet", "--out", str(out)) == ExitStatus.INTERNAL_ERROR
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {out}: cannot be written (No space left on device)")
    assert len(said.err.splitlines()) == 1
    assert shown in said.out


def test_a_program_is_written_completely_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import resource

    out = tmp_path / "x.lp"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        status = status_of("export", str(BUDGET), "--quiet", "--out", str(out))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == ExitStatus.INTERNAL_ERROR
    assert capsys.readouterr().err.startswith(f"error: {out}: cannot be written (File too large)")
    assert [*tmp_path.iterdir()] == []


def test_an_unforeseen_error_is_one_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of this test\nwith a second line")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("ieco_opt.pareto.run.answer", broken)
    assert status_of("solve", str(BUDGET)) == ExitStatus.INTERNAL_ERROR
    (kept,) = tmp_path.glob("ieco-opt-*.txt")
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"error: an internal fault (ZeroDivisionError: of this test); please report it with the file {kept}, "
        "which says where"
    )
    text = kept.read_text()
    assert "raise ZeroDivisionError" in text
    assert "highspy 1.16.0" in text


def test_a_backend_that_does_not_exist_draws_all_the_same(tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    arguments = ("solve", str(BUDGET), "--quiet", "--plot", str(picture))
    done = run(*arguments, env={**os.environ, "MPLBACKEND": "nope"})
    assert (done.returncode, done.stderr) == (ExitStatus.DONE, "")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_sigterm_stops_a_search_like_ctrl_c(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = ("frontier", str(LARGE), "--complete", "--quiet", "--out", str(out))
    with subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True) as process:
        time.sleep(4.0)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said.count("Traceback")) == (ExitStatus.STOPPED, 0)


def test_sigterm_before_a_search_is_no_traceback() -> None:
    with subprocess.Popen([*COMMAND, "frontier", str(LARGE)], stderr=subprocess.PIPE, text=True) as process:
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    # Libraries that are being imported may swallow the signal, and then everything is done; never is there a traceback.
    assert process.returncode in (ExitStatus.STOPPED, ExitStatus.DONE, -signal.SIGINT, -signal.SIGTERM, 130)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",H100-SXM,1d,8,1,1,1,1000,1,fp8", "2: model: found an empty cell, expected a name of the catalog"),
        ("Llama-3.1-8B,,1d,8,1,1,1,1000,1,fp8", "2: accelerator: found an empty cell, expected a name of the catalog"),
    ],
)
def test_empty_cells_are_named(row: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = tmp_path / "points.csv"
    names = "model,accelerator,tensor_layout,gpus,pipeline_parallel,attention_data_parallel,batch,context_tokens"
    points.write_text(f"{names},tokens_per_pass,weights\n{row}\n")
    assert status_of("evaluate", str(points)) == ExitStatus.WRONG_INPUT
    assert capsys.readouterr().err == f"error: {points}:{said}\n"


def test_numbers_that_overflow_are_infinite_without_a_word(tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    names = "model,accelerator,tensor_layout,gpus,pipeline_parallel,attention_data_parallel,batch,context_tokens"
    points.write_text(f"{names},tokens_per_pass,weights\nLlama-3.1-8B,H100-SXM,1d,8,1,1,1e308,1e308,1,fp8\n")
    done = run("evaluate", str(points))
    assert (done.returncode, done.stderr) == (ExitStatus.DONE, "")
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert (row["cache_gb"], row["free_gb"], row["engines"], row["feasible"]) == ("inf", "-inf", "", "False")


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", str(LARGE), "--resolution", "8", "--budget", "50"),
        ("fleet", str(SCENARIOS / "fleet-six-models.yaml"), "--frontier", "speed"),
        ("frontier", str(LARGE)),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_limit_before_anything_is_found_is_status_4(arguments: tuple[str, ...], tmp_path: Path) -> None:
    limit = tmp_path / "limit.yaml"
    limit.write_text("solver: highs\ntotal_time_limit_s: 0.001\n")
    done = run(*arguments, "--solver-config", str(limit))
    assert done.returncode == ExitStatus.STOPPED
    assert "Traceback" not in done.stderr
    assert "time limit" in done.stderr
