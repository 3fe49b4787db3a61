"""Alternatives against plain enumeration: of deployments the best of each combination, of fleets every way to give up.

A plan that lacks something of each earlier plan has given up one combination of each: it is a plan of the fleet in
which those workloads may not use those pools. So the best of what is left is the best over all choices of what to give
up, each answered by the brute force that shares no code with the package.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from oracle import enumerate_deployments
from oracle.enumeration import Deployments
from oracle.fleet_answers import answer
from random_fleets import numbered_fleet
from random_scenarios import numbered

import ieco_opt
from ieco_opt import Alternatives
from ieco_opt.errors import InfeasibleError
from ieco_opt.pareto.alternatives import excess_of
from ieco_opt.scenario import load_fleet_mapping

TOLERANCE = 1e-6
SCENARIOS, FLEETS = 40, 12
LAYOUT = (
    *("tensor_parallel", "attention_data_parallel", "pipeline_parallel", "expert_parallel", "stage_ranks"),
    "tensor_layout",
)
COLUMNS: dict[str, tuple[str, ...]] = {"accelerator": ("accelerator",), "engine": ("engine",), "layout": LAYOUT}
DIFFERS: tuple[tuple[Any, ...], ...] = (
    ("accelerator", "layout"),
    ("layout",),
    ("engine",),
    ("accelerator", "engine", "layout"),
)


def values(table: Deployments, objective: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What is to be least; of ``preferred`` 1 / (speed^2 / cost)."""
    speed, cost = table["speed_tokens_per_s"], table["cost_usd_per_mtok"]
    return {"fastest": 1.0 / speed, "cheapest": cost, "preferred": cost / speed**2}[objective]


def best_of_each(table: Deployments, objective: str, columns: tuple[str, ...]) -> dict[tuple[Any, ...], float]:
    """The least of each combination."""
    found: dict[tuple[Any, ...], float] = {}
    rows = zip(*(table[name].tolist() for name in columns), strict=True)
    for key, value in zip(rows, values(table, objective).tolist(), strict=True):
        found[key] = min(value, found.get(key, np.inf))
    return found


def check(result: Alternatives, expected: dict[tuple[Any, ...], float], columns: tuple[str, ...]) -> None:
    """The list is the enumeration's, in its order, and ends where the enumeration says."""
    least = min(expected.values())
    excess = sorted(value / least - 1.0 for value in expected.values())
    near = [each for each in excess if each <= result.within]
    asked = len(near) if result.count is None else min(len(near), result.count)
    assert [each.excess for each in result.found] == pytest.approx(excess[: len(result)], abs=TOLERANCE)
    # What lies on the edge may be on either side of it, by rounding.
    if all(abs(each - result.within) > TOLERANCE for each in excess):
        assert len(result) == asked
    keys = []
    for each in result.found:
        row = each.answer.to_dict()  # type: ignore[union-attr]
        keys.append(tuple("" if row[name] is None else row[name] for name in columns))
        assert expected[keys[-1]] / least - 1.0 == pytest.approx(each.excess, abs=TOLERANCE)
        assert each.status == "optimal"
    assert len(set(keys)) == len(keys)
    if result.ended == "exhausted":
        assert len(expected) == len(result)
    if result.ended == "beyond":
        assert result.next_one is not None
        assert result.next_one.excess == pytest.approx(excess[len(result)], abs=TOLERANCE)
    assert result.complete == (result.ended in ("exhausted", "beyond"))


def test_alternatives_of_deployments_are_those_of_the_enumeration() -> None:
    ends = set()
    for number in range(SCENARIOS):
        case, rng = numbered(number)
        table = enumerate_deployments(case.oracle)
        objective, differ = rng.choice(("fastest", "cheapest", "preferred")), rng.choice(DIFFERS)
        asked: dict[str, Any] = {"within": rng.choice((0.0, 0.1, 1.0)), "count": rng.choice((None, 3))}
        columns = tuple(name for part in differ for name in COLUMNS[part])
        try:
            result = ieco_opt.alternatives(case.scenario(), objective=objective, preference=2.0, differ=differ, **asked)
        except InfeasibleError:
            assert table["batch"].size == 0, number
            continue
        check(result, best_of_each(table, objective, columns), columns)
        ends.add(result.ended)
    assert ends == {"exhausted", "beyond", "count"}


def without(mapping: dict[str, Any], given_up: frozenset[tuple[str, str]]) -> dict[str, Any] | None:
    """A fleet whose workloads may not use some pools; ``None`` where one has none left."""
    names = [pool["name"] for pool in mapping["pools"]]
    workloads = []
    for workload in mapping["workloads"]:
        left = [name for name in workload.get("pools", names) if (workload["name"], name) not in given_up]
        if not left:
            return None
        workloads.append(workload | {"pools": left})
    return mapping | {"workloads": workloads}


def small_fleet(number: int) -> dict[str, Any]:
    """One or two workloads with operating points on three pools, with room to give up some."""
    rng = random.Random(number)  # noqa: S311 - chance, not secrets
    cards = ("H100-SXM", "A100-SXM-80GB", "L40S")
    pools = [
        {
            "name": card[:4],
            "accelerator": card,
            "gpus": rng.choice((8, 12)),
            "usd_per_gpu_hour": rng.choice((1.0, 1.5, 2.0)),
            "node_size": 4,
            "rented_by": rng.choice(("gpu", "node")),
        }
        for card in cards
    ]
    points = [
        {"accelerator": card, "gpus": gpus, "throughput_tokens_per_s": float(gpus * rng.randint(80, 160))}
        for card in cards
        for gpus in rng.sample((1, 2, 4), 2)
    ]
    workloads = [
        {
            "name": name,
            "requests_per_s": rng.uniform(2.0, 5.0),
            "prompt_tokens": 1000,
            "output_tokens": 100,
            "serving": ["colocated"],
            "operating_points": points,
        }
        for name in ("one", "two")[: rng.randint(1, 2)]
    ]
    return {"version": 2, "kind": "fleet", "name": "small", "pools": pools, "workloads": workloads}


def test_alternatives_of_fleets_are_the_best_over_all_that_can_be_given_up() -> None:
    several = 0
    for number in range(FLEETS):
        mapping = small_fleet(number)
        known: dict[frozenset[tuple[str, str]], float] = {}

        def least(given_up: frozenset[tuple[str, str]], mapping: dict[str, Any] = mapping, known: Any = known) -> float:
            if given_up not in known:
                fleet = without(mapping, given_up)
                found = None if fleet is None else answer(fleet)
                known[given_up] = float("inf") if found is None else found.objective
            return known[given_up]

        if not np.isfinite(least(frozenset())):
            continue
        result = ieco_opt.alternatives(load_fleet_mapping(mapping), within=10.0, count=4, differ=("pool",))
        before: list[list[tuple[str, str]]] = []
        for each in (*result.found, *filter(None, [result.next_one])):
            expected = min(least(frozenset(choice)) for choice in itertools.product(*before))
            assert each.objective == pytest.approx(expected, rel=1e-7), number
            before.append([(str(one.workload), str(one.pool)) for one in each.combinations])
            used = {(row.workload, row.pool) for row in each.answer.instances}  # type: ignore[union-attr]
            assert set(before[-1]) <= used, number
        if result.ended == "exhausted":
            assert not np.isfinite(min(least(frozenset(choice)) for choice in itertools.product(*before))), number
        several += len(result) > 2
    assert several == FLEETS


def test_a_fleet_that_is_told_apart_by_layout_costs_what_the_fleet_does() -> None:
    """Columns that other layouts dominate are kept, and change no optimum."""
    for number in range(100, 106):
        fleet = load_fleet_mapping({**numbered_fleet(number), "objective": "cost"})
        try:
            optimum = ieco_opt.plan(fleet)[0].objective
        except InfeasibleError:
            continue
        result = ieco_opt.alternatives(fleet, count=2, within=1.0, differ=("layout", "engine", "accelerator", "pool"))
        assert result[0].objective == pytest.approx(optimum, rel=1e-7), number
        lists = [set(each.combinations) for each in result.found]
        assert all(lists[0] - other for other in lists[1:]), number


def test_nothing_is_worse_than_a_fleet_that_serves_nothing() -> None:
    assert [excess_of("throughput", value, best) for value, best in ((4.0, 0.0), (3.0, 4.0), (4.0, 4.0))] == [
        0,
        0.25,
        0,
    ]
