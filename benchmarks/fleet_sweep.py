"""Many random fleets against the brute force and the simulator of the tests.

    python benchmarks/fleet_sweep.py --count 1000 --seed 10000

Every fleet's optimum, cost and feasibility must be those of tests/oracle, and no plan may violate anything; prints
what does not hold and leaves with status 1 if anything does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from oracle.fleet import simulate
from oracle.fleet_answers import answer
from random_fleets import numbered_asked_fleet

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.scenario import load_fleet_mapping

RELATIVE = 1e-7


def problems(seed: int) -> tuple[bool, list[str]]:
    """Whether a fleet is feasible, and what is wrong with its answer."""
    mapping = numbered_asked_fleet(seed)
    expected = answer(mapping)
    try:
        result = ieco_opt.plan(load_fleet_mapping(mapping))
    except InfeasibleError:
        return False, [] if expected is None else ["called infeasible, which it is not"]
    if expected is None:
        return True, ["planned, although it is infeasible"]
    found = []
    for name, ours, theirs in (
        ("objective", result[0].objective, expected.objective),
        ("cost", result[0].usd_per_hour, expected.usd_per_hour),
    ):
        if abs(ours - theirs) > RELATIVE * max(1.0, abs(theirs)):
            found.append(f"{name}: found {ours:.12g}, expected {theirs:.12g}")
    if result[0].status != "optimal":
        found.append(f"gap of {result[0].gap:.3g}")
    return True, found + simulate(json.loads(result.to_json()))


def main() -> None:
    """Sweep and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start, wrong, feasible = time.perf_counter(), 0, 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        exists, found = problems(seed)
        feasible += exists
        wrong += bool(found)
        for problem in found:
            print(f"fleet {seed}: {problem}", flush=True)
    seconds = time.perf_counter() - start
    print(f"{arguments.count} fleets, {feasible} of them feasible, {wrong} wrong, in {seconds:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
