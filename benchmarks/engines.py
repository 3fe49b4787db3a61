"""What it costs that servers start what is planned: each shipped scenario by its equations alone and on each server.

    python benchmarks/engines.py [--delta 0.02] [NAME ...]

For frontiers: the greatest speed, and the median over speeds that both reach of the cost over that of the equations
alone. For plans: the hourly cost. Times are CPU seconds of one run, pricing and solving together, as ratios to the
equations alone. A server that does not run on the accelerators of a scenario has no row.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

import ieco_opt
from ieco_opt.errors import ScenarioError
from ieco_opt.results.frontier import Frontier

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("none", "any", "vllm", "sglang", "trtllm")
POINTS = "fleet-operating-points"
"""A fleet of figures of another tool, which no server changes."""

SPEEDS = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, by the names of their files")
    parser.add_argument("--delta", type=float, default=0.02)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the quickest counts")
    given = parser.parse_args()
    print(f"{'scenario':30} {'engine':8} {'points':>6} {'fastest':>9} {'cost':>8} {'CPU':>6}")
    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        if path.stem == POINTS or (given.names and path.stem not in given.names):
            continue
        scenario = ieco_opt.load_scenario(path)
        if getattr(scenario, "fidelity", "deployable") != "deployable":
            continue
        fleet = not isinstance(scenario, ieco_opt.Scenario)
        (of_fleet if fleet else of_deployment)(path, given.delta, given.repeat)
    return 0


def of_deployment(path: Path, delta: float, repeat: int) -> None:
    alone: Frontier | None = None
    base = 0.0
    for engine in ENGINES:
        try:
            scenario = ieco_opt.load_scenario(path, [f"engine={engine}"])
            front, seconds = quickest(lambda: ieco_opt.frontier(scenario, delta=delta), repeat)  # noqa: B023
        except ScenarioError:
            continue
        if alone is None:
            alone, base = front, seconds
        fastest = max(each.speed_tokens_per_s for each in front)
        ratio = f"{median_ratio(front, alone):8.3f}"
        print(f"{path.stem:30} {engine:8} {len(front):6} {fastest:9.1f} {ratio} {seconds / base:6.2f}", flush=True)


def of_fleet(path: Path, _: float, repeat: int) -> None:
    base = cost = 0.0
    for engine in ENGINES:
        scenario = ieco_opt.load_scenario(path)
        count = len(scenario.workloads)
        try:
            scenario = ieco_opt.load_scenario(path, [f"workloads[{at}].engine={engine}" for at in range(count)])
            plan, seconds = quickest(lambda: ieco_opt.plan(scenario), repeat)  # noqa: B023
        except ScenarioError:
            continue
        hourly = plan[0].usd_per_hour
        if not base:
            base, cost = seconds, hourly
        print(f"{path.stem:30} {engine:8} {'':6} {'':9} {hourly / cost:8.3f} {seconds / base:6.2f}", flush=True)


def quickest(run, repeat):  # type: ignore[no-untyped-def]
    """What ``run`` gives, and the least CPU seconds that it took."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        answer = run()
        best = min(best, time.process_time() - start)
    return answer, best


def median_ratio(front: Frontier, alone: Frontier) -> float:
    """Median over speeds that both reach of the least cost on one frontier over that on the other."""
    least = max(min(each.speed_tokens_per_s for each in each_front) for each_front in (front, alone))
    most = min(max(each.speed_tokens_per_s for each in each_front) for each_front in (front, alone))
    speeds = np.geomspace(least, most * (1.0 - 1e-9), SPEEDS)
    return statistics.median(cheapest_at(front, speed) / cheapest_at(alone, speed) for speed in speeds)


def cheapest_at(front: Frontier, speed: float) -> float:
    return min(each.cost_usd_per_mtok for each in front if each.speed_tokens_per_s >= speed)


if __name__ == "__main__":
    raise SystemExit(main())
