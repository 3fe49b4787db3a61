"""Commands that a limit or a signal ends: status 4, what was found in the file, and progress on a terminal before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from places import SCENARIOS
from stopping import Ends, end_runs_after

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main
from ieco_opt.reports.text.progress import Shown
from ieco_opt.solvers.run import Run, Stopped

BUDGET = SCENARIOS / "mixtral-8x22b-budget.yaml"
FLEET = SCENARIOS / "fleet-chat-and-code.yaml"
ONE_SERVER = ("--set", "workloads.chat.engine=vllm", "--set", "workloads.code.engine=vllm")
SMALL = ("--set", "design_space.batch.max=32", "--set", "speculation=null")
NARROW = ("--heuristic", "random", "--heuristic", "paper-grid", "--resolution", "6", "--budget", "60", "--delta", "0.5")

COMMANDS: dict[str, tuple[str, ...]] = {
    "solve": ("solve", str(BUDGET), "--objective", "preferred", *SMALL),
    "frontier": ("frontier", str(BUDGET), "--delta", "0.5", *SMALL),
    "compare": ("compare", str(BUDGET), *NARROW, *SMALL),
    "explain": ("explain", str(BUDGET), *SMALL),
    "export": ("export", str(BUDGET), "--objective", "cheapest", *SMALL),
    "fleet": ("fleet", str(FLEET), *ONE_SERVER),
    "fleet frontier": ("fleet", str(FLEET), "--frontier", "gpus", "--delta", "1", *ONE_SERVER),
    "export of a fleet": ("export", str(FLEET), *ONE_SERVER),
}


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def interrupted_after(asked: float, monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Let Ctrl-C come while the question after so many is asked."""
    ends, honest = Ends(), Run.seconds_left

    def seconds_left(run: Run) -> float | None:
        ends()
        if ends.asked == asked + 1:
            signal.raise_signal(signal.SIGINT)
        return honest(run)

    monkeypatch.setattr(Run, "seconds_left", seconds_left)
    return ends


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("end", [end_runs_after, interrupted_after], ids=["limit", "Ctrl-C"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_with_4_and_writes_what_it_found(
    name: str,
    end: Callable[[float, pytest.MonkeyPatch], Ends],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / ("out.lp" if name.startswith("export") else "out.json")
    with monkeypatch.context() as patch:
        ends = end_runs_after(float("inf"), patch)
        assert status_of(*COMMANDS[name], "--out", str(out)) == ExitStatus.DONE
    assert ends.asked > 0
    written = 0
    for after in sorted({0, 1, ends.asked // 2, ends.asked - 1}):
        out.unlink(missing_ok=True)
        capsys.readouterr()
        with monkeypatch.context() as patch:
            end(after, patch)
            assert status_of(*COMMANDS[name], "--out", str(out)) == ExitStatus.STOPPED
        said = capsys.readouterr().err
        if not out.exists():
            assert "the search ended (" in said.splitlines()[-1] or "before it found" in said
            continue
        written += 1
        saved = json.loads(out.read_text("utf-8"))
        stops = [saved["guarantee"]["stopped"], *(each["stopped"] for each in saved.get("heuristics", []))]
        assert any(stops)
        assert "stopped early (" in said
    assert written > 0 or name.startswith("export")


def test_a_frontier_of_plans_that_is_ended_at_once_keeps_the_plan_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ieco_opt.fleet.sweeps import Faster

    def ended(*_: Any) -> Any:
        raise Stopped("time limit")

    monkeypatch.setattr(Faster, "cheapest", ended)
    out = tmp_path / "out.json"
    asked = ("fleet", str(FLEET), *ONE_SERVER, "--frontier", "speed", "--out", str(out))
    assert status_of(*asked) == ExitStatus.STOPPED
    saved = json.loads(out.read_text("utf-8"))
    assert (saved["question"]["kind"], saved["guarantee"]["kind"], len(saved["plans"])) == (
        "fleet_frontier",
        "partial",
        1,
    )


def test_a_plan_and_its_frontier_have_one_limit_and_one_price_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ieco_opt.fleet import asked as fleet_run

    deadlines: list[float | None] = []
    priced: list[object] = []
    honest_running, honest_space = fleet_run.running, fleet_run.build_fleet_space

    @contextmanager
    def running(*given: Any, **named: Any) -> Iterator[Run]:
        with honest_running(*given, **named) as run:
            deadlines.append(run.deadline)
            yield run

    def space(resolved: Any, *more: Any) -> Any:
        priced.append(resolved)
        return honest_space(resolved, *more)

    monkeypatch.setattr(fleet_run, "running", running)
    monkeypatch.setattr(fleet_run, "build_fleet_space", space)
    config = tmp_path / "limit.yaml"
    config.write_text("solver: highs\ntotal_time_limit_s: 1000\n")
    asked = (*COMMANDS["fleet frontier"], "--solver-config", str(config), "--quiet")
    assert status_of(*asked) == ExitStatus.DONE
    assert len(priced) == 1
    assert len(deadlines) == 2
    assert deadlines[0] is not None
    assert deadlines[0] == deadlines[1]


@pytest.mark.parametrize("command", ["solve", "frontier", "explain", "compare", "fleet"])
def test_a_wrong_scenario_is_said_before_the_solver_is_loaded(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    code = (
        "import sys\n"
        "from ieco_opt.cli.main import main\n"
        "try:\n"
        f"    main([{command!r}, {str(missing)!r}])\n"
        "except SystemExit as ended:\n"
        "    print(ended.code, *({'pyomo', 'highspy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
    assert done.stderr.startswith(f"error: {missing}: ")


def test_progress_says_what_is_done_but_not_too_often() -> None:
    lines: list[str] = []
    times = iter([0.0, 0.0, 0.05, 0.2, 0.25, 12.0])
    shown = Shown(lines.append, clock=lambda: next(times))
    for what in ("pricing", "more", "cutting", "dominated", "running the heuristic random"):
        shown.doing(what)
    shown.found(3, 2, 1.25)
    shown.found(4, 0, 1.0)
    assert lines == [
        "pricing ... 0 s",
        "cutting ... 0 s",
        "running the heuristic random ... 12 s",
        "3 points found, 2 gaps left, the widest 25 %",
        "4 points found, no gap left",
    ]
    silent = Shown(None)
    silent.doing("pricing")
    silent.found(1, 0, 1.0)


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("explain", ("enumerating the configurations of H100-SXM ...",)),
        ("frontier", ("enumerating the configurations of H100-SXM ...", "points proven, no gap left")),
        ("compare", ("running the heuristic random ...", "running the heuristic paper-grid ...")),
        (
            "fleet",
            ("pricing: workload 1 of 2 ...", " instance types priced ...", "choosing instances: workload 1 of 2 ..."),
        ),
    ],
)
def test_a_terminal_shows_pricing_and_heuristics(
    name: str, seen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ieco_opt.reports.text import progress

    monkeypatch.setattr(progress, "REFRESHED_S", 0.0)
    import pty
    import threading

    ours, theirs = pty.openpty()
    text: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                text.append(part)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "200")
        assert status_of(*COMMANDS[name]) == ExitStatus.DONE
    reader.join(timeout=10)
    shown = b"".join(text).decode("utf-8", "replace")
    for line in seen:
        assert line in shown
