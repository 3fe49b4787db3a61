"""Fleets that are priced by the workers of an executor: the same plans, whatever becomes of the workers."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, SCENARIOS

import ieco_opt
from ieco_opt.design_space.asking import go_on
from ieco_opt.engines.store import profile
from ieco_opt.errors import ScenarioError, SearchStoppedError
from ieco_opt.fleet.on_workers import OnWorkers
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import Fleet, resolve_fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.run import Run

FLEET = SCENARIOS / "fleet-chat-and-code.yaml"

PIECES = 4
"""Two workloads on two accelerators each."""


class Unwilling(Executor):
    """Works here, but for some pieces: those it loses, cancels, or does not take."""

    def __init__(self, fate: Callable[[int], str]) -> None:
        self.fate = fate
        self.given: list[Future[Any]] = []

    @property
    def taken(self) -> int:
        """Pieces that it was asked to take."""
        return len(self.given)

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Take a piece, each with its fate."""
        future: Future[Any] = Future()
        self.given.append(future)
        match self.fate(self.taken):
            case "refused":
                raise RuntimeError("cannot schedule new futures after shutdown")
            case "lost":
                future.set_exception(OSError("the worker is gone"))
            case "cancelled":
                future.cancel()
            case "done":
                sent = pickle.loads(pickle.dumps((fn, arguments, options)))  # noqa: S301
                future.set_result(pickle.loads(pickle.dumps(sent[0](*sent[1], **sent[2]))))  # noqa: S301
        return future


def told(result: FleetResult) -> dict[str, Any]:
    """Everything that a result says but what it took."""
    found: dict[str, Any] = json.loads(result.to_json())
    del found["statistics"]
    return found


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return told(ieco_opt.plan(ieco_opt.load_scenario(FLEET)))


@pytest.mark.parametrize("fate", ["done", "lost", "cancelled", "refused", "each"])
def test_plans_are_the_same_whatever_becomes_of_the_workers(fate: str, here: dict[str, Any]) -> None:
    fates = ("done", "lost", "cancelled", "refused")
    executor = Unwilling(lambda number: fates[number % 4] if fate == "each" else fate)
    assert told(ieco_opt.plan(ieco_opt.load_scenario(FLEET), executor=executor)) == here
    assert executor.taken == PIECES


def test_frontiers_are_the_same() -> None:
    fleet = ieco_opt.load_scenario(FLEET)
    alone = ieco_opt.fleet_frontier(fleet, against="gpus")
    assert told(ieco_opt.fleet_frontier(fleet, against="gpus", executor=Unwilling(lambda _: "done"))) == told(alone)


def test_what_workers_read_off_is_not_read_off_again() -> None:
    fleet = ieco_opt.load_scenario(FLEET)
    assert isinstance(fleet, Fleet)
    resolved = resolve_fleet(fleet)
    known = OnWorkers(Unwilling(lambda _: "done"))(resolved, go_on)
    read = [table.columns.keys() for candidate in known.values() for table in candidate.tables]
    assert all(len(keys) == 1 for keys in read)
    space = build_fleet_space(resolved, known=known)
    assert space.columns() == build_fleet_space(resolved).columns()
    assert all(len(keys) == 1 for keys in read)


def test_a_search_that_is_stopped_takes_back_what_is_in_flight() -> None:
    executor = Unwilling(lambda _: "never begun")
    with pytest.raises(SearchStoppedError, match="before it found a plan"):
        ieco_opt.plan(ieco_opt.load_scenario(FLEET), executor=executor, within=Run(SolverConfig(), limit_s=0.0))
    assert executor.taken == PIECES
    assert all(future.cancelled() for future in executor.given)


def test_profiles_of_the_package_are_pickled_by_name() -> None:
    shipped = profile("vllm")
    assert pickle.loads(pickle.dumps(shipped)) is shipped  # noqa: S301
    assert len(pickle.dumps(shipped)) < 300


def test_profiles_of_another_release_are_refused() -> None:
    pickled = pickle.dumps(profile("vllm"), 0)
    (digest,) = re.findall(rb"[0-9a-f]{64}", pickled)
    with pytest.raises(ScenarioError, match="another release's profile of vllm"):
        pickle.loads(pickled.replace(digest, bytes(reversed(digest))))  # noqa: S301


def test_profiles_of_ones_own_are_pickled_whole() -> None:
    shipped = profile("vllm")
    own = dataclasses.replace(shipped, port=shipped.port + 1)
    assert pickle.loads(pickle.dumps(own)) == own  # noqa: S301


def _kill_once(mark: str) -> None:
    """End the process that this runs in, if it is the first to."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_loses_nothing(tmp_path: Path, here: dict[str, Any]) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        executor.submit(_kill_once, str(tmp_path / "mark"))
        assert told(ieco_opt.plan(ieco_opt.load_scenario(FLEET), executor=executor)) == here


DASK = """
import os, sys, threading, time
from dask.distributed import Client, LocalCluster
import ieco_opt

killed = []

def kill_the_first_that_works(scheduler, processes):
    while not killed:
        busy = [address for address, worker in list(scheduler.workers.items()) if worker.processing]
        for address in busy[:1]:
            os.kill(processes[address], 9)
            killed.append(address)
        time.sleep(0.002)

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        processes = client.run(os.getpid)
        threading.Thread(target=kill_the_first_that_works, args=(cluster.scheduler, processes), daemon=True).start()
        result = ieco_opt.plan(ieco_opt.load_scenario(sys.argv[1]), executor=client.get_executor())
    assert killed
    with open(sys.argv[2], "w") as out:
        out.write(result.to_json())
"""


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra dask")
def test_a_killed_worker_of_dask_loses_nothing(tmp_path: Path, here: dict[str, Any]) -> None:
    script = tmp_path / "plan_on_dask.py"
    script.write_text(DASK, encoding="utf-8")
    # In a process of its own: here nothing may open a socket.
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(script), str(FLEET), "plan.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    del found["statistics"]
    assert found == here


@pytest.mark.parametrize("ask", [ieco_opt.plan, ieco_opt.fleet_frontier])
def test_what_is_no_executor_is_named(ask: Callable[..., FleetResult]) -> None:
    fleet = ieco_opt.load_scenario(SCENARIOS / "fleet-operating-points.yaml")
    with pytest.raises(ScenarioError, match="executor: found 3, expected an executor"):
        ask(fleet, executor=3)
