#!/usr/bin/env python3
"""Large fleets by patterns and by the program of instances, in one run: CPU, wall, gap and memory of each.

    python benchmarks/big_fleets.py --generator PATH/big_fleet.py --sizes 50x8 100x8 --seeds 1

The generator has a function ``fleet(workloads, pools, seed)`` that returns a scenario as a mapping. Pricing is not
measured: it is the same for both. Criteria that choose among equals are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.scenario import resolve_fleet
from ieco_opt.scenario.load import load_fleet_mapping
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.run import Run, Stopped

_MAX_SETUPS = 10_000_000


def drawn(generator: Path, workloads: int, pools: int, seed: int, stock: int) -> dict[str, Any]:
    """One fleet of a generator, priced by the equations alone, in precisions that checkpoints have."""
    spec = importlib.util.spec_from_file_location("generator", generator)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    mapping: dict[str, Any] = module.fleet(workloads, pools, seed, stock=stock)
    for row in mapping["workloads"]:
        row["engine"] = "none"
        if row["model"] == "gpt-oss-120b":
            row["weights"] = ["mxfp4"]
    return mapping


def main() -> None:
    """Draw, solve and print one line for each fleet and algorithm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", default=["20x6", "50x8"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--stock", type=int, default=512)
    parser.add_argument("--algorithms", nargs="+", default=["patterns", "instances"])
    asked = parser.parse_args()
    print("fleet       seed  algorithm   CPU s  wall s     cost $/h    bound $/h   gap %    MB")
    for size in asked.sizes:
        workloads, pools = map(int, size.split("x"))
        for seed in asked.seeds:
            mapping = drawn(asked.generator, workloads, pools, seed, asked.stock)
            fleet = load_fleet_mapping(mapping, max_setups=_MAX_SETUPS)
            space = build_fleet_space(resolve_fleet(fleet))
            data = FleetProgramData(space.problem(space.columns()), Quantity.COST)
            for algorithm in asked.algorithms:
                config = replace(load_solver_config("fleet"), fleet_algorithm=algorithm)
                cpu, wall = time.process_time(), time.perf_counter()
                try:
                    plan = FleetPlanner(space, Run(config)).solve(data, 1.0)
                except Stopped as stop:
                    plan = stop.incumbent
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                said = "no plan" if plan is None else f"{plan.value:12.2f} {plan.bound:12.2f} {100 * plan.gap:7.4f}"
                print(f"{size:10}  {seed:4}  {algorithm:9}  {cpu:6.1f}  {wall:6.1f} {said} {memory:5.0f}", flush=True)


if __name__ == "__main__":
    main()
