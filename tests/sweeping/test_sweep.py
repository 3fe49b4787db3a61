"""Sweeps: their rows are what single questions give, whatever becomes of the processes that answer them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from places import ROOT
from saved_results import FLEET
from swept import FIELD, SMALL

import ieco_opt
from ieco_opt.errors import ScenarioError, SolverError
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.sweeping import workers
from ieco_opt.sweeping.answering import Asked, Row
from ieco_opt.sweeping.keeping import journal_of
from ieco_opt.sweeping.workers import OwnProcesses, Task, Workers

OVER: dict[str, list[object]] = {FIELD: [1000, 2000, -1], "limits.min_speed": [1, 100_000]}


@pytest.fixture(scope="module")
def small() -> ieco_opt.Scenario:
    return ieco_opt.Scenario(**SMALL)


@pytest.fixture(scope="module")
def table(small: ieco_opt.Scenario) -> pd.DataFrame:
    return ieco_opt.sweep(small, OVER, processes=1)


def test_each_row_is_what_the_single_question_gives(small: ieco_opt.Scenario, table: pd.DataFrame) -> None:
    assert table["status"].tolist() == ["optimal", "infeasible", "optimal", "infeasible", "wrong", "wrong"]
    assert list(table.columns[:4]) == [FIELD, "limits.min_speed", "status", "reason"]
    for row, tokens in ((0, 1000), (2, 2000)):
        changed = {"workload": {"context_tokens": tokens, "output_tokens": 200}, "limits": {"min_speed": 1}}
        alone = ieco_opt.solve(ieco_opt.Scenario(**SMALL | changed))
        expected = {name: value for name, value in alone.to_dict().items() if value is not None}
        assert {name: table.loc[row, name] for name in expected} == expected
    assert table.loc[4, "reason"] == f"{FIELD}: found -1, expected an integer from 0 to 100,000,000"
    assert "limits.min_speed = 100000 tokens/s alone excludes every deployment" in table.loc[1, "reason"]
    assert table["gpus"].dtype == "Int64"
    assert table[FIELD].dtype == "Int64"


def test_a_fleet_has_the_totals_of_its_plan() -> None:
    fleet = ieco_opt.Fleet(**FLEET)
    field = "workloads.chat.requests_per_s"
    found = ieco_opt.sweep(fleet, rows=[{field: 30}, {field: 1e9}, {}], processes=1)
    plan = ieco_opt.plan(fleet)[0]
    assert found["status"].tolist() == ["optimal", "infeasible", "optimal"]
    for row in (0, 2):
        for name in ("usd_per_hour", "gpus", "power_kw", "objective", "bound", "gap"):
            assert found.loc[row, name] == getattr(plan, name)
        assert found.loc[row, "requests_per_s"] == sum(each.requests_per_s for each in plan.workloads)
        assert found.loc[row, "throughput_tokens_per_s"] == pytest.approx(30 * 200 + 2 * 100)
    assert found[field].isna().tolist() == [False, False, True]


def test_a_field_named_like_a_column_of_the_answer_has_a_name_of_its_own(small: ieco_opt.Scenario) -> None:
    found = ieco_opt.sweep(small, {"weights": [["fp8"], ["bf16"]]}, processes=1)
    assert found["set.weights"].tolist() == ["[fp8]", "[bf16]"]
    assert found["weights"].tolist() == ["fp8", "bf16"]


def test_a_limit_of_time_is_a_status(small: ieco_opt.Scenario) -> None:
    found = ieco_opt.sweep(small, {FIELD: [1000]}, solver_config=SolverConfig(total_time_limit_s=1e-9), processes=1)
    assert found["status"].tolist() == ["stopped"]
    assert found.loc[0, "reason"] == "the search ended (time limit) before it found a deployment"


# What is kept


def counted_answers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Scenarios that are answered from now on."""
    answered, asked = workers.answered, list[object]()

    def counting(scenario: Any, how: Asked) -> Row:
        asked.append(scenario)
        return answered(scenario, how)

    monkeypatch.setattr(workers, "answered", counting)
    return asked


def test_what_is_missing_is_answered_and_nothing_else(
    small: ieco_opt.Scenario, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sweep.csv"
    ieco_opt.sweep(small, OVER, out=out, processes=1)
    whole, lines = out.read_bytes(), journal_of(out).read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + len(table)
    # Killed while the fourth point was written.
    journal_of(out).write_bytes(b"".join(lines[:4]) + lines[4][:20])
    out.unlink()
    asked = counted_answers(monkeypatch)
    again = ieco_opt.sweep(small, OVER, out=out, processes=1)
    done = {json.loads(line)["point"] for line in lines[1:4]}
    assert len(asked) == len({0, 1, 2, 3} - done)
    assert out.read_bytes() == whole
    pd.testing.assert_frame_equal(again, table)
    asked.clear()
    assert ieco_opt.sweep(small, OVER, out=out, processes=1)["status"].tolist() == table["status"].tolist()
    assert asked == []


def test_another_sweep_to_the_same_file_is_refused_with_what_changed(small: ieco_opt.Scenario, tmp_path: Path) -> None:
    out, over = tmp_path / "sweep.csv", {"limits.min_speed": [100_000]}
    ieco_opt.sweep(small, over, out=out, processes=1)
    other = ieco_opt.Scenario(**SMALL | {"weights": ["bf16"]})
    for scenario, values, objective, said in (
        (other, over, None, "the scenario changed since this sweep began"),
        (small, {"limits.min_speed": [2e5]}, None, "the values of the fields changed"),
        (small, over, "cheapest", "the objective or the solver configuration changed"),
    ):
        with pytest.raises(ScenarioError, match=said):
            ieco_opt.sweep(scenario, values, out=out, objective=objective, processes=1)  # type: ignore[arg-type]
    started_anew = ieco_opt.sweep(other, over, out=out, restart=True, processes=1)
    assert started_anew["status"].tolist() == ["infeasible"]
    journal_of(out).write_text('{"format": "something else"}\n', encoding="utf-8")
    with pytest.raises(ScenarioError, match="found no ieco_opt sweep"):
        ieco_opt.sweep(small, over, out=out, processes=1)


def test_a_changed_file_of_the_scenario_is_noticed(tmp_path: Path) -> None:
    chip, scenario, out = tmp_path / "chip.yaml", tmp_path / "small.yaml", tmp_path / "sweep.csv"
    chip.write_text("like: H100-SXM\nname: mine\nusd_per_gpu_hour: 2\n", encoding="utf-8")
    scenario.write_text(json.dumps(SMALL | {"accelerators": ["chip.yaml"]}), encoding="utf-8")
    over = {"limits.min_speed": [100_000]}
    ieco_opt.sweep(scenario, over, out=out, processes=1)
    assert len(ieco_opt.sweep(scenario, over, out=out, processes=1)) == 1
    chip.write_text("like: H100-SXM\nname: mine\nusd_per_gpu_hour: 3\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="a file that the scenario names, or the catalog, changed"):
        ieco_opt.sweep(scenario, over, out=out, processes=1)


# Executors and the futures that they lose


class Scripted(Executor):
    """Answers at once, but for points that a function says an error for, by number of the call."""

    def __init__(self, error: Callable[[Any, int], BaseException | None]) -> None:
        self.error = error
        self.calls = 0

    def submit(self, _: Callable[..., Any], /, *arguments: Any, **_options: Any) -> Future[Any]:
        """Count a call, and answer it or not."""
        self.calls += 1
        future: Future[Any] = Future()
        scenario = pickle.loads(arguments[0])[0]  # noqa: S301
        wrong = self.error(scenario, self.calls)
        if isinstance(wrong, CancelledError):
            future.cancel()
            future.set_running_or_notify_cancel()
        elif wrong is not None:
            future.set_exception(wrong)
        else:
            future.set_result({"status": "infeasible", "reason": "none"})
        return future


def test_a_lost_future_is_asked_again_and_at_last_a_row(small: ieco_opt.Scenario, tmp_path: Path) -> None:
    once = {2, 3}
    executor = Scripted(
        lambda scenario, call: (
            CancelledError()
            if call in once
            else ConnectionError("gone")
            if scenario.workload.context_tokens == 1003
            else None
        )
    )
    out = tmp_path / "sweep.csv"
    over = {FIELD: [1000 + each for each in range(6)]}
    found = ieco_opt.sweep(small, over, out=out, executor=executor, in_flight=2)
    assert found["status"].tolist() == ["infeasible"] * 3 + ["lost"] + ["infeasible"] * 2
    assert found.loc[3, "reason"] == "lost 3 times, lastly: ConnectionError: gone"
    assert executor.calls == 6 + len(once) + 2
    # A later run asks again for what was lost, and for nothing else.
    later = Scripted(lambda *_: None)
    assert ieco_opt.sweep(small, over, out=out, executor=later)["status"].tolist() == ["infeasible"] * 6
    assert later.calls == 1


def test_an_executor_that_broke_keeps_what_is_done(small: ieco_opt.Scenario) -> None:
    class Breaking(Scripted):
        def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
            if self.calls == 3:
                raise BrokenExecutor("a process in the pool was terminated abruptly")
            return super().submit(fn, *arguments, **options)

    found = ieco_opt.sweep(small, {FIELD: range(1000, 1006)}, executor=Breaking(lambda *_: None), in_flight=1)
    assert found["status"].tolist() == ["infeasible"] * 3 + ["lost"] * 3
    assert "the executor takes no more points (BrokenExecutor" in found.loc[5, "reason"]


class Fragile(OwnProcesses):
    """A pool that breaks with all that is in flight whenever a deadly point is; the one before it is slow at first."""

    def __init__(self, deadly: set[int], starts: bool = True) -> None:
        self.deadly, self.starts, self.renewed = deadly, starts, 0
        self.slow = {number - 1 for number in deadly}
        self.renew()

    def renew(self) -> None:
        """Begin anew with nothing in flight."""
        self.renewed += 1
        self.flying: list[Future[Any]] = []
        self.began: Future[Any] = Future()
        if self.starts:
            self.began.set_result(1)
        else:
            self.began.set_exception(BrokenExecutor())

    def submit(self, _: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Answer, wait or break."""
        future: Future[Any] = Future()
        self.flying.append(future)
        number = pickle.loads(arguments[0])[0]  # noqa: S301
        if number in self.deadly:
            for each in self.flying:
                if not each.done():
                    each.set_exception(BrokenExecutor("terminated abruptly"))
        elif number in self.slow:
            self.slow.remove(number)
        else:
            future.set_result({"status": "optimal", "reason": None})
        return future


def test_the_point_that_kills_is_found_and_its_neighbours_are_answered() -> None:
    pool = Fragile({4, 9})
    tasks = (Task(number, number, "") for number in range(12))  # type: ignore[arg-type]
    found = dict(_numbers(Workers(pool, Asked(SolverConfig()), 3, lambda: False), tasks))
    assert {number for number, status in found.items() if status == "lost"} == {4, 9}
    assert len(found) == 12
    assert pool.renewed >= 7


def _numbers(given: Workers, tasks: Any) -> list[tuple[int, str]]:
    return [(task.number, row["status"]) for task, row in given.answers(tasks)]


def test_processes_that_never_start_are_an_error_and_not_a_table_of_losses() -> None:
    tasks = iter([Task(0, 0, "")])  # type: ignore[arg-type]
    given = Workers(Fragile({0}, starts=False), Asked(SolverConfig()), 3, lambda: False)
    with pytest.raises(SolverError, match="if __name__ == '__main__'"):
        list(given.answers(tasks))


def children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text("utf-8").split()
    return [int(each) for each in listed]


@pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs the proc of Linux")
def test_a_killed_worker_loses_nothing(small: ieco_opt.Scenario, table: pd.DataFrame, tmp_path: Path) -> None:
    before, killed = set(children()), list[int]()

    def kill(done: int, points: int, statuses: Mapping[str, int]) -> None:
        workers_now = [each for each in children() if each not in before and is_worker(each)]
        if not killed and workers_now:
            killed.append(workers_now[0])
            os.kill(workers_now[0], signal.SIGKILL)

    found = ieco_opt.sweep(small, OVER, processes=2, progress=kill)
    assert killed
    pd.testing.assert_frame_equal(found, table)


def is_worker(process: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()


DASK = """
import os, sys
from dask.distributed import Client, LocalCluster
import ieco_opt

if __name__ == "__main__":
    killed = []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        def kill(done, points, statuses):
            if not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], 9)
        ieco_opt.sweep(sys.argv[1], {FIELD: VALUES}, out=sys.argv[2], executor=client.get_executor(), progress=kill)
    assert killed
"""


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra dask")
def test_a_killed_worker_of_dask_loses_nothing(tmp_path: Path) -> None:
    values = [1000, 1100, 1200, 1300, 1400, 1500]
    (tmp_path / "small.yaml").write_text(json.dumps(SMALL), encoding="utf-8")
    script = tmp_path / "sweep_on_dask.py"
    script.write_text(DASK.replace("FIELD", repr(FIELD)).replace("VALUES", repr(values)), encoding="utf-8")
    # In a process of its own: here nothing may open a socket.
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(script), "small.yaml", "dask.csv"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ieco_opt.sweep(tmp_path / "small.yaml", {FIELD: values}, out=tmp_path / "here.csv", processes=1)
    assert (tmp_path / "dask.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_what_is_no_executor_is_named(small: ieco_opt.Scenario) -> None:
    with pytest.raises(ScenarioError, match="executor: found 3, expected an executor"):
        ieco_opt.sweep(small, {"limits.min_speed": [10]}, executor=3)  # type: ignore[arg-type]
