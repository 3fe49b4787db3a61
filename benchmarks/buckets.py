"""Requests in buckets on accelerators of which none is best for all: our planner beside programs written by hand.

    python benchmarks/buckets.py [--side 10] [--pools 4] [--slices 8] [--seeds 1 2 3] [--limit 120]

One model serves side x side classes of requests (those of `benchmarks/fleet.py`) from tables that depend on the class,
drawn with a seed: cheap accelerators are worth most where requests are short, expensive ones where they are long, and
the cheap ones do not hold the longest. Each class is split into slices, and a slice goes to one accelerator; the least
hourly cost is sought. The same tables are given to

* ours: a fleet of operating points, from the mapping to the plan; "all": with the criteria among equal plans too;
* integers: HiGHS, how many slices of each class each accelerator takes;
* binaries: HiGHS, each slice by itself, as Melange does (arXiv 2404.14527);
* CBC: both once more, by PuLP, where it is installed.

Every answer is asserted to be the same, and of more than one accelerator. Prints CPU seconds, building included, and
their ratios to ours, in one run and one thread; of what --limit (wall-clock seconds) ends, a "+" says that it is more.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
from fleet import Mapping, buckets
from numpy.typing import NDArray

import ieco_opt
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet
from ieco_opt.solvers.run import Run

USD_PER_HOUR = {
    "L4": 0.70,
    "A10G": 1.01,
    "L40S": 1.50,
    "H20-96GB": 2.50,
    "A100-SXM-80GB": 3.67,
    "MI300X": 6.00,
    "H100-SXM": 7.516,
    "H200-SXM": 9.00,
}
TOKENS_PER_S_AND_USD = 1500.0
"""What an accelerator does for a dollar an hour where it is worth most, prompt and output together."""

CONFIG = replace(ieco_opt.load_solver_config("fleet"), relative_gap=0.0, accepted_gap=None)
MOST = 512


@dataclass(frozen=True, slots=True)
class Tables:
    """What a program by hand is given: dollars of an instance, instances that all of a class takes (inf: none can)."""

    usd_per_hour: NDArray[np.float64]
    load: NDArray[np.float64]
    slices: int

    def parts(self, *, apart: bool) -> list[tuple[int, int]]:
        """Class and slices of what is assigned at a time: slice by slice, or all slices of a class."""
        classes = range(self.load.shape[1])
        return [(c, 1) for c in classes for _ in range(self.slices)] if apart else [(c, self.slices) for c in classes]

    def places(self, c: int) -> list[int]:
        """Accelerators that serve a class."""
        return [int(at) for at in np.flatnonzero(np.isfinite(self.load[:, c]))]


@dataclass(frozen=True, slots=True)
class Answer:
    """The least hourly cost that was found, whether it is proven, and the instances of each accelerator."""

    usd_per_hour: float
    proven: bool
    instances: tuple[int, ...]


def drawn(side: int, pools: int, slices: int, seed: int) -> Mapping:
    """A fleet of one workload whose operating points depend on the class."""
    mapping = buckets(side, pools, slices)
    (workload,) = mapping["workloads"]
    for field in ("model", "weights", "min_speed", "serving", "design_space"):
        del workload[field]
    mix, draw = workload["request_mix"], random.Random(seed)  # noqa: S311 - numbers to measure with
    tokens = [each["prompt_tokens"] + each["output_tokens"] for each in mix]
    sizes = np.log(np.array(tokens) / min(tokens)) / math.log(max(tokens) / min(tokens))
    workload["operating_points"] = []
    mapping["pools"].sort(key=lambda pool: USD_PER_HOUR[pool["name"]])
    for number, pool in enumerate(mapping["pools"]):
        name, best = pool["name"], number / (pools - 1)
        pool["usd_per_gpu_hour"] = USD_PER_HOUR[name]
        for each, size, count in zip(mix, sizes, tokens, strict=True):
            worth = math.exp(-2.0 * (size - best) ** 2) * draw.lognormvariate(0.0, 0.2)
            if size <= 0.75 + 0.5 * best:
                served = TOKENS_PER_S_AND_USD * USD_PER_HOUR[name] * worth / count
                point = {"pool": name, "gpus": 1, "kind": name, "request_class": each["name"]}
                workload["operating_points"].append(point | {"throughput_requests_per_s": served})
    return mapping


def tables(mapping: Mapping) -> Tables:
    """The numbers of a fleet, without any of our code."""
    (workload,) = mapping["workloads"]
    names, classes = [pool["name"] for pool in mapping["pools"]], [each["name"] for each in workload["request_mix"]]
    shares = np.array([each["share"] for each in workload["request_mix"]])
    load = np.full((len(names), len(classes)), np.inf)
    for point in workload["operating_points"]:
        c = classes.index(point["request_class"])
        wanted = workload["requests_per_s"] * shares[c] / shares.sum()
        load[names.index(point["pool"]), c] = wanted / point["throughput_requests_per_s"]
    prices = np.array([pool["usd_per_gpu_hour"] for pool in mapping["pools"]])
    return Tables(prices, load, workload["slices"])


def ours(mapping: Mapping) -> Answer:
    space = build_fleet_space(resolve_fleet(load_fleet_mapping(mapping)))
    problem = space.problem(space.columns())
    plan = FleetPlanner(space, Run(CONFIG)).solve(FleetProgramData(problem, Quantity.COST), 1.0)
    assert plan is not None
    counts = {problem.columns[at].pool: count for at, count in enumerate(plan.counts)}
    return Answer(plan.value, plan.gap <= 1e-9, tuple(counts.get(at, 0) for at in range(len(space.pools))))


def ours_with_criteria(mapping: Mapping) -> Answer:
    plan = ieco_opt.plan(load_fleet_mapping(mapping), solver_config=CONFIG)[0]
    running = {row.pool: row.instances for row in plan.instances}
    return Answer(plan.usd_per_hour, plan.gap <= 1e-9, tuple(running.get(pool["name"], 0) for pool in mapping["pools"]))


def by_highs(given: Tables, limit_s: float, *, apart: bool) -> Answer:
    solver = highspy.Highs()
    # By default, presolve of 1.16.0 takes longer on such programs.
    options = {"output_flag": False, "threads": 1, "mip_rel_gap": 0.0, "presolve_mode": 2, "time_limit": limit_s}
    for name, value in options.items():
        solver.setOptionValue(name, value)
    instances = [solver.addIntegral(0, MOST, obj=price) for price in given.usd_per_hour.tolist()]
    loads: list[list[Any]] = [[] for _ in instances]
    for c, slices in given.parts(apart=apart):
        taken = {at: solver.addIntegral(0, slices) for at in given.places(c)}
        solver.addConstr(solver.qsum(taken.values()) == slices)
        for at, variable in taken.items():
            loads[at].append(given.load[at, c] / given.slices * variable)
    for count, load in zip(instances, loads, strict=True):
        solver.addConstr(solver.qsum(load) <= count)
    solver.run()
    proven = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Answer(solver.getObjectiveValue(), proven, tuple(round(solver.val(each)) for each in instances))


def by_cbc(given: Tables, limit_s: float, *, apart: bool) -> Answer:
    import pulp

    program = pulp.LpProblem("buckets", pulp.LpMinimize)
    prices = given.usd_per_hour.tolist()
    instances = [pulp.LpVariable(f"n{at}", 0, MOST, pulp.LpInteger) for at in range(len(prices))]
    program += pulp.lpSum(price * count for price, count in zip(prices, instances, strict=True))
    loads: list[list[Any]] = [[] for _ in instances]
    for number, (c, slices) in enumerate(given.parts(apart=apart)):
        taken = {at: pulp.LpVariable(f"x{at}_{number}", 0, slices, pulp.LpInteger) for at in given.places(c)}
        program += pulp.lpSum(taken.values()) == slices
        for at, variable in taken.items():
            loads[at].append(float(given.load[at, c]) / given.slices * variable)
    for count, load in zip(instances, loads, strict=True):
        program += pulp.lpSum(load) <= count
    program.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=0.0, threads=1, timeLimit=limit_s))
    proven = program.sol_status == pulp.LpSolutionOptimal
    found = program.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    cost = pulp.value(program.objective) if found else math.inf
    return Answer(cost, proven, tuple(round(each.value() or 0.0) for each in instances))


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it waited for, such as CBC."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def measured(ask: Callable[[], Answer]) -> tuple[Answer, float]:
    began = cpu_seconds()
    return ask(), cpu_seconds() - began


def contestants(mapping: Mapping, limit_s: float) -> dict[str, Callable[[], Answer]]:
    """What is asked, by name, ours first."""
    given = tables(mapping)
    found: dict[str, Callable[[], Answer]] = {
        "ours": lambda: ours(mapping),
        "all": lambda: ours_with_criteria(mapping),
        "integers": lambda: by_highs(given, limit_s, apart=False),
        "binaries": lambda: by_highs(given, limit_s, apart=True),
    }
    try:
        import pulp  # noqa: F401 - only whether it is there
    except ImportError:
        return found
    return found | {
        "CBC, integers": lambda: by_cbc(given, limit_s, apart=False),
        "CBC, binaries": lambda: by_cbc(given, limit_s, apart=True),
    }


def main() -> None:
    """Ask all, compare what they say, and print one line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10, help="side x side classes of requests")
    parser.add_argument("--pools", type=int, default=4, choices=range(2, 9), help="accelerators")
    parser.add_argument("--slices", type=int, default=8, help="of each class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--limit", type=float, default=120.0, help="seconds of each program by hand")
    asked = parser.parse_args()
    ours(drawn(2, 2, 2, 0))
    for seed in asked.seeds:
        mapping = drawn(asked.side, asked.pools, asked.slices, seed)
        spent: dict[str, float] = {}
        for name, ask in contestants(mapping, asked.limit).items():
            answer, spent[name] = measured(ask)
            if name == "ours":
                best = answer
                assert best.proven, "our plan is not proven"
                assert sum(map(bool, best.instances)) > 1, "one accelerator serves all"
                running = ", ".join(
                    f"{n} {pool['name']}" for n, pool in zip(best.instances, mapping["pools"], strict=True) if n
                )
                print(f"seed {seed}: ${best.usd_per_hour:.3f} an hour for {running}")
            worse = answer.usd_per_hour / best.usd_per_hour - 1.0
            assert abs(worse) < 1e-6 if answer.proven else worse > -1e-6, f"{name}: {answer}"
            more = " " if answer.proven else "+"
            print(
                f"  {name:14} {spent[name]:8.2f}{more} s of CPU  {spent[name] / spent['ours']:7.2f}{more}", flush=True
            )
        if len(spent) == 4:
            print("  PuLP is not installed, so CBC was not asked")


if __name__ == "__main__":
    main()
