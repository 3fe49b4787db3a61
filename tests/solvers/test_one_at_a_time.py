"""Calls from several threads, in a process that has solved nothing yet, give the answers of one thread."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from places import TESTS
from saved_results import DRAFTED, FLEET

import ieco_opt
from ieco_opt import api

SCRIPT = """
import json, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import ieco_opt
from saved_results import DRAFTED, FLEET

failed, folder = [], Path(sys.argv[2])

def work(number):
    try:
        scenario, fleet = ieco_opt.Scenario(**DRAFTED), ieco_opt.Fleet(**FLEET)
        config = ieco_opt.load_solver_config("exact")
        front = ieco_opt.frontier(scenario, delta=0.5, solver_config=config)
        best, plan = ieco_opt.solve(scenario, objective="fastest"), ieco_opt.plan(fleet)
        ieco_opt.export(scenario, folder / f"{number}.lp")
        ieco_opt.export(fleet, folder / f"{number}.mps")
        ieco_opt.explain(scenario)
        ieco_opt.compare(scenario, ["rule-of-thumb"])
        said = [len(front), best.speed_tokens_per_s, plan[0].usd_per_hour, ieco_opt.verify(front).holds]
        (folder / f"{number}.json").write_text(json.dumps(said))
    except BaseException as error:
        failed.append(repr(error))

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
(folder / "failed").write_text(json.dumps(failed))
"""


def test_calls_from_several_threads_wait_for_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(TESTS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "failed").read_text()) == []
    for ending in ("json", "lp", "mps"):
        written = {(tmp_path / f"{number}.{ending}").read_text() for number in range(4)}
        assert len(written) == 1, ending
        assert len(written.pop()) > 20


CALLS: dict[str, tuple[str, Callable[[], object]]] = {
    "frontier": ("ieco_opt.pareto.run.frontier", lambda: ieco_opt.frontier(ieco_opt.Scenario(**DRAFTED))),
    "solve": ("ieco_opt.pareto.run.solve", lambda: ieco_opt.solve(ieco_opt.Scenario(**DRAFTED), objective="fastest")),
    "answer": ("ieco_opt.pareto.run.answer", lambda: api.answer(ieco_opt.Scenario(**DRAFTED), objective="fastest")),
    "export": ("ieco_opt.pareto.run.export", lambda: ieco_opt.export(ieco_opt.Scenario(**DRAFTED), "x.lp")),
    "plan": ("ieco_opt.fleet.run.plan", lambda: ieco_opt.plan(ieco_opt.Fleet(**FLEET))),
    "fleet_frontier": ("ieco_opt.fleet.run.fleet_frontier", lambda: ieco_opt.fleet_frontier(ieco_opt.Fleet(**FLEET))),
    "explain": ("ieco_opt.explanation.explain", lambda: ieco_opt.explain(ieco_opt.Scenario(**DRAFTED))),
    "compare": ("ieco_opt.comparison.compare", lambda: ieco_opt.compare(ieco_opt.Scenario(**DRAFTED))),
    "plot": ("ieco_opt.reports.figures.overlay", lambda: ieco_opt.plot([])),
}


def test_no_two_calls_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    def counted(*_: object, **__: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1

    for place, _ in CALLS.values():
        monkeypatch.setattr(place, counted)
    threads = [threading.Thread(target=call) for _, call in CALLS.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_call_may_come_from_within_another() -> None:
    from ieco_opt.solvers.one_at_a_time import one_at_a_time

    assert one_at_a_time(lambda: one_at_a_time(lambda: 7)())() == 7
