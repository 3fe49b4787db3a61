#!/usr/bin/env python3
"""What a large fleet can run on, priced here, by two processes and by two workers of Dask, in one run.

    python benchmarks/fleet_on_workers.py --generator PATH/big_fleet.py --sizes 50x8 --engine any

Wall clock and CPU of this process, from the fleet to its columns; the columns of all ways are compared. Processes are
started and have imported the package before the clock is.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from big_fleets import drawn

from ieco_opt.fleet.columns import Column
from ieco_opt.fleet.on_workers import OnWorkers
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.scenario import ResolvedFleet, resolve_fleet
from ieco_opt.scenario.load import load_fleet_mapping

_MAX_SETUPS = 100_000_000
_WORKERS = 2


def columns_of(resolved: ResolvedFleet, executor: Executor | None) -> list[list[Column]]:
    """Columns of every workload, priced here or by an executor."""
    known = None if executor is None else OnWorkers(executor)(resolved, lambda *_: None)
    return build_fleet_space(resolved, known=known).columns()


@contextmanager
def processes() -> Iterator[Executor]:
    """Spawned processes that have imported the package."""
    with ProcessPoolExecutor(_WORKERS, get_context("spawn")) as executor:
        yield _warm(executor)


@contextmanager
def dask() -> Iterator[Executor]:
    """Workers of a cluster on this machine."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=_WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield _warm(client.get_executor())


def _warm(executor: Executor) -> Executor:
    for future in [executor.submit(wait_here, number) for number in range(4 * _WORKERS)]:
        future.result()
    return executor


def wait_here(_: int) -> str:
    """Wait a little in a process that has imported what pricing needs."""
    time.sleep(0.5)
    return build_fleet_space.__name__


def main() -> None:
    """Draw, price in every way and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", default=["50x8"])
    parser.add_argument("--engine", default="any")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("fleet    way        wall s  CPU s here  ratio")
    for size in asked.sizes:
        mapping = drawn(asked.generator, *map(int, size.split("x")), 1, 512)
        for row in mapping["workloads"]:
            row["engine"] = asked.engine
        resolved = resolve_fleet(load_fleet_mapping(mapping, max_setups=_MAX_SETUPS))
        wall, cpu, first = _timed(resolved, None)
        print(f"{size:7}  here      {wall:7.1f}  {cpu:10.1f}   1.00", flush=True)
        for name, way in (("processes", processes), ("dask", dask)):
            if name == "dask" and find_spec("distributed") is None:
                continue
            with way() as executor:
                elapsed, cpu, found = _timed(resolved, executor)
            assert found == first
            print(f"{size:7}  {name:9} {elapsed:7.1f}  {cpu:10.1f}   {elapsed / wall:4.2f}", flush=True)


def _timed(resolved: ResolvedFleet, executor: Executor | None) -> tuple[float, float, list[list[Column]]]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = columns_of(resolved, executor)
    return time.perf_counter() - wall, time.process_time() - cpu, found


if __name__ == "__main__":
    main()
