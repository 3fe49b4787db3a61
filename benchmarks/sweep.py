"""How much faster a sweep is with two processes than with one, and what a kill in its middle costs.

    python benchmarks/sweep.py
    python benchmarks/sweep.py --dask --any-batch

Runs a sweep of 500 scenarios three times, each in a command of its own: in one process, in two, and in two with the
whole command killed (SIGKILL) once half of the points are kept, and started again. With --dask the two processes are
the workers of a LocalCluster of Dask, and one more sweep loses one of its workers (SIGKILL) in its middle. Prints wall
and CPU seconds of each and the ratios, how many points the second half took, and compares the tables, which are the
same to the byte. The machine should have two idle cores, or the ratio of wall seconds says nothing.

A point takes some hundredths of a second of CPU, and Dask costs half as much again. With --any-batch a point chooses
among all batches and not among three, which takes several times as long.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 0.6
"""Ratio of wall seconds, two processes to one, up to which the second is worth having."""

GONE_S = 30.0
"""Seconds within which the workers of a killed sweep have to be gone."""

SCENARIO = """\
version: 2
kind: deployment
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
engine: vllm
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {tensor_parallel: [1, 2, 4, 8], pipeline_parallel: [1]BATCHES}
"""
FEW_BATCHES = ", batch: [1, 8, 64]"
ACCELERATORS = ("H100", "H200")


def contexts(points: int) -> list[int]:
    """Half as many as there are points."""
    return [1000 + 10 * number for number in range(points // len(ACCELERATORS))]


def command(points: int, processes: int, out: str) -> list[str]:
    """The sweep as it is typed."""
    accelerators = ",".join(f"[{each}]" for each in ACCELERATORS)
    over = ["--over", f"workload.context_tokens={','.join(map(str, contexts(points)))}"]
    over += ["--over", f"accelerators={accelerators}"]
    words = ["sweep", "scenario.yaml", *over, "--processes", str(processes), "--out", out, "--quiet"]
    return [sys.executable, "-m", "ieco_opt", *words]


def dask_command(points: int, out: str, *, lose_a_worker: bool = False) -> list[str]:
    """The same through Dask: this file again."""
    words = [sys.executable, str(Path(__file__).resolve()), "--points", str(points), "--through-dask", out]
    return [*words, "--lose-a-worker"] if lose_a_worker else words


class Counted(Executor):
    """Another executor, and how many points it was given."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.given = 0

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Give a point to the other."""
        self.given += 1
        return self._executor.submit(fn, *arguments, **options)


def through_dask(points: int, out: str, *, lose_a_worker: bool) -> None:
    """Sweep over two worker processes of Dask, and print how many points they were given and how many were lost."""
    from dask.distributed import Client, LocalCluster

    import ieco_opt

    killed: list[int] = []
    over = {"workload.context_tokens": contexts(points), "accelerators": [[each] for each in ACCELERATORS]}
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):

        def look(done: int, _: int, __: Mapping[str, int]) -> None:
            if lose_a_worker and done >= points // 2 and not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        executor = Counted(client.get_executor())
        table = ieco_opt.sweep("scenario.yaml", over, out=out, executor=executor, progress=look)
    counts = {"given": executor.given, "killed": len(killed), "lost": int((table["status"] == "lost").sum())}
    print(json.dumps(counts | {"rows": len(table)}))


@dataclass(frozen=True)
class Run:
    """A command that succeeded: wall seconds, CPU seconds of its processes that ended with it, and what it printed."""

    wall_s: float
    cpu_s: float
    output: str

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} s, {self.cpu_s:.1f} of CPU"


def run(words: list[str], folder: Path) -> Run:
    """Do a command that has to succeed."""
    began, before = time.perf_counter(), cpu_of_children()
    done = subprocess.run(words, cwd=folder, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    return Run(time.perf_counter() - began, cpu_of_children() - before, done.stdout)


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one and its children waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def killed_in_the_middle(words: list[str], folder: Path, journal: Path, points: int) -> tuple[float, int, int]:
    """Kill a command once half of its points are kept: wall seconds, how many were, and processes that outlive it."""
    # It comes with Dask.
    import psutil

    began = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, env=environment())
    while process.poll() is None and kept(journal) < points // 2:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    seconds = time.perf_counter() - began
    _, left = psutil.wait_procs(children, timeout=GONE_S)
    return seconds, kept(journal), len(left)


def kept(journal: Path) -> int:
    """Points that a journal holds."""
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def environment() -> dict[str, str]:
    """That of this process, with this checkout."""
    # Python's tracker of semaphores would say that a killed process left some.
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore:resource_tracker"}


def measure(points: int, folder: Path, *, dask: bool) -> bool:
    """Do all sweeps and print; whether everything is as it is asked for."""
    one = run(command(points, 1, "one.csv"), folder)
    print(f"{points} points in one process: {one} ({one.cpu_s / points:.3f} a point)", flush=True)
    two = run(dask_command(points, "two.csv") if dask else command(points, 2, "two.csv"), folder)
    ratio = two.wall_s / one.wall_s
    print(
        f"in two {'workers of Dask' if dask else 'processes'}: {two}; wall {ratio:.2f} of that (asked: {ENOUGH})",
        flush=True,
    )
    names, right = ["one", "two", "cut"], [ratio <= ENOUGH]
    if dask:
        names.append("lost")
        less = run(dask_command(points, "lost.csv", lose_a_worker=True), folder)
        counts = json.loads(less.output)
        right.append(counts["killed"] == 1 and counts["lost"] == 0)
        print(f"one of two workers killed with half of the points done: {less}; {counts}", flush=True)
    words = dask_command(points, "cut.csv") if dask else command(points, 2, "cut.csv")
    until, done, left = killed_in_the_middle(words, folder, folder / "cut.csv.journal", points)
    print(f"all killed after {until:.1f} s with {done} points kept; {left} processes left", flush=True)
    rest = run(words, folder)
    given = f"; {json.loads(rest.output)['given']} points were given to workers" if dask else ""
    print(f"the same command did the other {points - done} in {rest}{given}")
    right.append(left == 0 and (not dask or json.loads(rest.output)["given"] == points - done))
    right.append(len({(folder / f"{each}.csv").read_bytes() for each in names}) == 1)
    print(f"the {len(names)} tables are the same to the byte" if right[-1] else "THE TABLES DIFFER")
    return all(right)


def main() -> None:
    """Measure, compare and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--points", type=int, default=500, help="points of the sweep (an even number)")
    arguments.add_argument(
        "--dask", action="store_true", help="with the workers of Dask (pip install 'ieco_opt[dask]')"
    )
    arguments.add_argument("--any-batch", action="store_true", help="points that take several times as long")
    # What --dask starts.
    arguments.add_argument("--through-dask", metavar="FILE", help=argparse.SUPPRESS)
    arguments.add_argument("--lose-a-worker", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.through_dask:
        through_dask(given.points, given.through_dask, lose_a_worker=given.lose_a_worker)
        return
    with tempfile.TemporaryDirectory() as name:
        scenario = SCENARIO.replace("BATCHES", "" if given.any_batch else FEW_BATCHES)
        Path(name, "scenario.yaml").write_text(scenario, encoding="utf-8")
        sys.exit(0 if measure(given.points, Path(name), dask=given.dask) else 1)


if __name__ == "__main__":
    main()
