"""`ieco-opt sweep` and `ieco-opt diff`: what is printed, how they end, and what an interrupt leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from places import ROOT
from swept import FIELD, SMALL

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main
from ieco_opt.reports.text.sweep import duration, progress_line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.yaml").write_text(json.dumps(SMALL), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0)


def sweep(*arguments: str) -> int:
    return status_of("sweep", "small.yaml", *arguments, "--processes", "1")


def test_the_table_and_the_files_say_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    over = ("--over", f"{FIELD}=1k,-1", "--over", "limits.min_speed=1,100k")
    assert sweep(*over, "--out", "sweep.json") == ExitStatus.DONE
    shown, said = capsys.readouterr()
    assert "infeasible: point 2: none of 2 configurations meets the limits" in shown
    assert f"wrong: points 3, 4: {FIELD}: found -1, expected an integer" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert said.splitlines() == ["4 points: 1 optimal, 1 infeasible, 2 wrong"]
    saved = json.loads((folder / "sweep.json").read_text("utf-8"))
    assert saved["scenario"]["model"] == SMALL["model"]
    assert [row["status"] for row in saved["rows"]] == ["optimal", "infeasible", "wrong", "wrong"]
    assert sweep(*over, "--out", "sweep.json", "--format", "csv") == ExitStatus.DONE
    shown, said = capsys.readouterr()
    assert said.splitlines()[0] == "note: 4 of 4 points were done before (sweep.json.journal), none is left"
    assert len(shown.splitlines()) == 5


@pytest.mark.parametrize(
    ("over", "status"),
    [
        (f"{FIELD}=-1,-2", ExitStatus.WRONG_INPUT),
        ("limits.min_speed=100k", ExitStatus.INFEASIBLE),
        ("limits.min_speed=100k,-1", ExitStatus.DONE),
    ],
)
def test_exit_statuses(folder: Path, over: str, status: ExitStatus) -> None:
    assert sweep("--over", over, "--quiet") == status


def test_a_limit_of_time_ends_with_its_status(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "short.yaml").write_text("solver: highs\ntotal_time_limit_s: 1.0e-9\n", encoding="utf-8")
    assert sweep("--over", f"{FIELD}=1k", "--solver-config", "short.yaml") == ExitStatus.STOPPED
    assert "stopped: point 1: the search ended (time limit)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected either --over or --rows"),
        (("--over", "a b=1"), "error: --over: found 'a b=1', expected FIELD=VALUE,VALUE"),
        (("--over", f"{FIELD}=1k", "--objective", "gpus"), "error: --objective: found 'gpus', expected one of fastest"),
        (("--over", f"{FIELD}=1k", "--out", "sweep.xlsx"), "error: sweep.xlsx: found the ending '.xlsx'"),
        (("--over", f"{FIELD}=1k", "--set", "weights"), "error: --set: found 'weights', expected FIELD=VALUE"),
        (("--rows", "none.csv"), "error: none.csv: cannot be read"),
    ],
)
def test_wrong_commands_are_refused_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert sweep(*arguments) == ExitStatus.WRONG_INPUT
    assert said in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_keeps_what_is_done_and_the_same_command_does_the_rest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contexts = [1000 + each for each in range(16)]
    words = ["sweep", "small.yaml", "--over", f"{FIELD}={','.join(map(str, contexts))}", "--out", "sweep.csv"]
    command = [sys.executable, "-m", "ieco_opt", *words, "--processes", "2"]
    journal = folder / "sweep.csv.journal"
    # A group of its own, which gets the signal as that of a terminal does.
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 2):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == ExitStatus.STOPPED, said
    assert said.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert "Traceback" not in said
    assert "leaked" not in said
    table = pd.read_csv("sweep.csv")
    done = int((table["status"] == "optimal").sum())
    assert done >= 2
    assert set(table["status"]) == {"optimal", "pending"}
    assert status_of(*words, "--processes", "1") == ExitStatus.DONE
    assert f"note: {done} of 16 points were done before" in capsys.readouterr().err
    assert set(pd.read_csv("sweep.csv")["status"]) == {"optimal"}
    assert pd.read_csv("sweep.csv")[FIELD].tolist() == contexts


def test_progress_is_said_in_words() -> None:
    statuses = {"optimal": 30, "infeasible": 2, "wrong": 5}
    assert progress_line(37, 500, statuses, 840.0) == "37 of 500 points done (2 infeasible, 5 wrong), about 14 min left"
    assert progress_line(500, 500, {"optimal": 500}, 0.0) == "500 of 500 points done"
    assert [duration(each) for each in (0.2, 59.0, 100.0, 6000.0, 2e5)] == ["1 s", "59 s", "2 min", "2 h", "2 d"]


def test_diff_says_why_and_what(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, changes in (("a", ()), ("b", ("--set", f"{FIELD}=2000"))):
        assert status_of("solve", "small.yaml", *changes, "--out", f"{name}.json", "--quiet") == ExitStatus.DONE
    assert status_of("diff", "a.json", "a.json") == ExitStatus.DONE
    assert capsys.readouterr().out == "a.json -> a.json: two deployments of small: no difference\n"
    assert status_of("diff", "a.json", "b.json") == ExitStatus.DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:5] == [
        "why: fields of the scenario",
        "                           before  after",
        "  workload.context_tokens   1,000  2,000  +100.0 %",
    ]
    assert status_of("diff", "a.json", "b.json", "--format", "json") == ExitStatus.DONE
    saved = json.loads(capsys.readouterr().out)
    assert saved["causes"]["scenario"] == [{"name": FIELD, "before": 1000, "after": 2000}]
    assert status_of("diff", "a.json", "missing.json") == ExitStatus.WRONG_INPUT
