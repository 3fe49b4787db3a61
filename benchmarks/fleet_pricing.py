#!/usr/bin/env python3
"""CPU seconds and peak memory of pricing fleets: what each workload can run on, then the columns at factor 1.

    python benchmarks/fleet_pricing.py --generator PATH/big_fleet.py --sizes 100x8 200x12 --engine vllm \
        --scenarios scenarios/fleet-six-models.yaml

Each fleet in a process of its own, without its imports and the reading of the scenario.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from big_fleets import drawn

from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.scenario import Fleet, load_scenario, resolve_fleet
from ieco_opt.scenario.load import load_fleet_mapping

_MAX_SETUPS = 100_000_000


def _measured(name: str, fleet: Fleet) -> str:
    """One row of the table."""
    resolved = resolve_fleet(fleet)
    begun = time.process_time()
    space = build_fleet_space(resolved)
    priced = time.process_time()
    columns = space.columns()
    read = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{name:24} {priced - begun:9.2f} {read - priced:11.2f} {memory:6.0f} {sum(map(len, columns)):8}"


def of_file(path: Path) -> str:
    """The row of a scenario."""
    fleet = load_scenario(path)
    assert isinstance(fleet, Fleet)
    return _measured(path.stem, fleet)


def of_size(generator: Path, size: str, engine: str) -> str:
    """The row of a fleet that is drawn."""
    workloads, pools = map(int, size.split("x"))
    mapping = drawn(generator, workloads, pools, 1, 512)
    for row in mapping["workloads"]:
        row["engine"] = engine
    return _measured(f"{size} {engine}", load_fleet_mapping(mapping, max_setups=_MAX_SETUPS))


def main() -> None:
    """Price each fleet and print one line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path)
    parser.add_argument("--sizes", nargs="+", default=[])
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--scenarios", nargs="+", type=Path, default=[])
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("fleet                     prices s   columns s     MB  columns")
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as executor:
        for size in asked.sizes:
            print(executor.submit(of_size, asked.generator, size, asked.engine).result(), flush=True)
        for path in asked.scenarios:
            print(executor.submit(of_file, path).result(), flush=True)


if __name__ == "__main__":
    main()
