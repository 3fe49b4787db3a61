"""Fleets by patterns against the program of instances: the same optimum, and bounds that hold."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_fleets import numbered_fleet, numbered_larger_fleet

from ieco_opt.fleet.by_patterns import ByPatterns
from ieco_opt.fleet.patterns import branches, choice, fewest, fewest_choice, labels, solve
from ieco_opt.fleet.patterns import covers as covers_of
from ieco_opt.fleet.patterns import prices as priced
from ieco_opt.fleet.patterns.branches import Branch, Branches, Settled
from ieco_opt.fleet.patterns.counted import steps_of_counted
from ieco_opt.fleet.patterns.enumeration import Enumeration
from ieco_opt.fleet.patterns.fewest import FewestSearch
from ieco_opt.fleet.patterns.pieces import pieces_of
from ieco_opt.fleet.patterns.priced import Remembered
from ieco_opt.fleet.patterns.prices import plain_prices, pools_bound, priced_program
from ieco_opt.fleet.patterns.solve import Found, NoPlan, PatternSearch, _Masters, covers
from ieco_opt.fleet.patterns.steps import Budget, Need, Steps, steps_of_sets
from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.planner import MANY_WORKLOADS, FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.space import FleetProblem, build_fleet_space
from ieco_opt.scenario import resolve_fleet
from ieco_opt.scenario.load import load_fleet_mapping
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.run import Run, Stopped

Mapping = dict[str, Any]

RELATIVE = 1e-7
"""As of tests/exactness/test_fleet_against_oracle.py."""

_PER_GROUP = 10

_CONFIG = replace(load_solver_config("fleet"), accepted_gap=None)


def problem_of(mapping: Mapping) -> FleetProblem:
    """The numbers of a fleet at its own speeds."""
    space = build_fleet_space(resolve_fleet(load_fleet_mapping(mapping)))
    return space.problem(space.columns())


def roomy_problem_of(mapping: Mapping) -> FleetProblem:
    """The same with as many instances as there is room for, also of columns that are of use beyond the demand alone."""
    space = build_fleet_space(resolve_fleet(load_fleet_mapping(mapping)))
    return space.problem(space.columns(beyond=True), covered=[None] * len(mapping["workloads"]))


def answers(data: FleetProgramData, algorithm: str, known: Plan | None = None) -> Plan | None:
    """The plan that one algorithm proves."""
    run = Run(replace(_CONFIG, fleet_algorithm=algorithm))
    return FleetPlanner(None, run).solve(data, 1.0, known)  # type: ignore[arg-type]


def value_of(data: FleetProgramData, algorithm: str) -> float | None:
    """The optimum that one algorithm proves; ``None``: there is no plan."""
    plan = answers(data, algorithm)
    return None if plan is None else plan.value


def searched(data: FleetProgramData) -> Any:
    """What patterns alone find."""
    run = Run(_CONFIG)
    return PatternSearch(data, 1.0, run, run.beside(relaxed=True), run.beside()).search()


def agrees(data: FleetProgramData) -> bool:
    """Whether patterns found a plan of their own; what they say must agree with the program of instances."""
    expected = value_of(data, "instances")
    found = searched(data)
    if expected is None:
        assert found is None
        return False
    assert value_of(data, "patterns") == pytest.approx(expected, rel=RELATIVE, abs=1e-9)
    if found is None:
        return False
    assert found.bound <= expected + RELATIVE * max(1.0, abs(expected))
    assert found.plan.value >= expected - RELATIVE * max(1.0, abs(expected))
    return True


@pytest.mark.parametrize("group", [0, *(pytest.param(group, marks=pytest.mark.slow) for group in range(1, 40))])
def test_patterns_and_instances_agree_on_small_fleets(group: int) -> None:
    found = 0
    for number in range(group * _PER_GROUP, (group + 1) * _PER_GROUP):
        mapping = numbered_fleet(number)
        problem = problem_of(mapping)
        data = FleetProgramData(problem, Quantity(mapping["objective"]))
        if not problem.unserved and covers(data):
            found += agrees(data)
    assert found >= 1


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(each, marks=pytest.mark.slow) for each in range(2, 60))])
def test_patterns_and_instances_agree_on_larger_fleets(number: int) -> None:
    problem = problem_of(numbered_larger_fleet(number))
    data = FleetProgramData(problem, Quantity.COST)
    if not problem.unserved and covers(data):
        agrees(data)


def many_workloads(seed: int, count: int, gpus: int = 400, **of_pool: object) -> FleetProblem:
    """The numbers of so many workloads."""
    return problem_of(mapping_of_many(seed, count, gpus, **of_pool))


def mapping_of_many(seed: int, count: int, gpus: int = 400, **of_pool: object) -> Mapping:
    """Workloads of operating points on three pools of nodes of 8, each with sizes that do not grow alike."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    cards = (("H100-SXM", 2.0), ("H200-SXM", 2.6), ("MI300X", 1.9))
    pools = [
        {
            "name": card,
            "accelerator": card,
            "gpus": gpus,
            "node_size": 8,
            "rented_by": "node",
            "usd_per_gpu_hour": price,
            **of_pool,
        }
        for card, price in cards
    ]
    workloads = []
    for number in range(count):
        points = [{"pool": "H100-SXM", "gpus": 8, "throughput_requests_per_s": 10.0}]
        for pool, _ in cards:
            rate = rng.uniform(1.0, 3.0)
            points += [
                {"pool": pool, "gpus": size, "throughput_requests_per_s": rate * size ** rng.uniform(0.8, 1.15)}
                for size in (1, 2, 4, 8)
                if rng.random() < 0.7
            ]
        row = {"name": f"w{number}", "prompt_tokens": 100, "output_tokens": 100, "operating_points": points}
        workloads.append(row | {"requests_per_s": rng.uniform(5.0, 60.0)})
    return {"kind": "fleet", "name": "many", "pools": pools, "workloads": workloads, "objective": "cost"}


def is_placed(plan: Plan) -> bool:
    """Whether the nodes of a plan hold its instances, each on its own pool."""
    held: Counter[int] = Counter()
    for pool, placement in enumerate(plan.placements):
        for _, pieces in placement:
            assert all(plan.problem.columns[piece.column].pool == pool for piece in pieces)
            held.update({piece.column: 0 for piece in pieces})
            for piece in pieces:
                held[piece.column] += piece.gpus
    counts = enumerate(plan.counts)
    return held == Counter({at: count * plan.problem.columns[at].gpus for at, count in counts if count})


def agrees_after_the_cheapest(mapping: Mapping, cap: float) -> bool:
    """What is asked after the cheapest plan, at so many times its cost; whether patterns said anything."""
    problem, roomy = problem_of(mapping), roomy_problem_of(mapping)
    cheapest = answers(FleetProgramData(problem, Quantity.COST), "instances")
    if cheapest is None:
        return False
    within = {Quantity.COST: cap * cheapest.value}
    sought = FleetProgramData(roomy, Goal.SLACK, within)
    expected, found = answers(sought, "instances"), answers(sought, "patterns", cheapest)
    assert expected is not None
    assert found is not None
    assert found.covered() == pytest.approx(expected.covered(), rel=2e-7)
    assert found.totals[Quantity.COST] <= within[Quantity.COST] * (1.0 + RELATIVE)
    assert is_placed(found)
    least = FleetProgramData(problem, Quantity.GPUS, within)
    assert answers(least, "patterns", cheapest).value == answers(least, "instances").value  # type: ignore[union-attr]
    for goal, is_any in ((within, True), ({Quantity.COST: 0.9999 * cheapest.value}, cheapest.value == 0.0)):
        anything = FleetProgramData(problem, Goal.ANY, goal)
        assert (answers(anything, "patterns") is not None) is is_any
        assert (answers(anything, "instances") is not None) is is_any
    return by_patterns().solve(sought, 1.0, cheapest) is not None


def by_patterns() -> ByPatterns:
    """Patterns without a planner."""
    runs = (Run(_CONFIG).beside(relaxed=each) for each in (False, True, False))
    return ByPatterns(*runs)


@pytest.mark.parametrize("goal", [Goal.SLACK, Goal.ANY, Quantity.GPUS])
def test_of_what_patterns_do_not_cover_they_say_nothing_with_a_known_plan_either(goal: Goal | Quantity) -> None:
    problems = (problem_of(numbered_fleet(number)) for number in range(20))
    mixed = next(each for each in problems if not each.unserved and not covers(FleetProgramData(each, Quantity.COST)))
    known = answers(FleetProgramData(mixed, Quantity.COST), "instances")
    assert known is not None
    assert by_patterns().solve(FleetProgramData(mixed, goal), 1.0, known) is None


@pytest.mark.parametrize("group", [0, *(pytest.param(group, marks=pytest.mark.slow) for group in range(1, 20))])
def test_what_is_asked_after_the_cheapest_plan_is_the_same(group: int) -> None:
    found = 0
    for number in range(group * _PER_GROUP, (group + 1) * _PER_GROUP):
        mapping = numbered_fleet(number)
        problem = problem_of(mapping)
        if not problem.unserved and covers(FleetProgramData(problem, Quantity.COST)):
            found += agrees_after_the_cheapest(mapping, 1.0 if number % 2 else 1.1)
    assert found >= 1


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_what_is_asked_after_the_cheapest_plan_of_many_workloads_is_the_same(seed: int) -> None:
    assert agrees_after_the_cheapest(mapping_of_many(seed, 4), 1.0)


@pytest.mark.parametrize("need", [Need(2, None), Need(5, None), Need(1, 3), Need(3, 6)])
@pytest.mark.parametrize("seed", range(5))
def test_counted_sets_are_those_that_growing_one_by_one_gives(need: Need, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, share = rng.integers(1, 5, 4) * rng.integers(1, 3), rng.uniform(0.05, 0.4, 4)
    grown = steps_of_sets(
        range(4), share, size[:, None], [9] * 4, need, Budget(np.ones(1), float(3 * size.max()), 0.0, 10**6)
    )
    made = steps_of_counted(range(4), share, size, int(3 * size.max()), need)
    assert criteria_of(made, need) == criteria_of(grown, need)
    assert made.corners is not None
    # Parts of the sets at the corners cover any share for as little as any set.
    useful = np.minimum(made.covered, 1.0)
    hull = np.interp(useful, useful[made.corners], made.taken[made.corners, 0])
    assert (hull <= made.taken[:, 0] + 1e-9).all()


def criteria_of(steps: Steps, need: Need) -> set[tuple[int, float, int]]:
    """What counts of each set: pieces, share covered, and instances up to those that are needed, or all of them."""
    running = np.minimum(steps.running, need.least) if need.most is None else steps.running
    covered = np.minimum(steps.covered, 1.0).round(9)
    return set(zip(steps.taken[:, 0].tolist(), covered.tolist(), running.tolist(), strict=True))


def test_the_least_price_is_that_of_the_cheapest_choice_of_columns() -> None:
    rng, compared = np.random.default_rng(0), 0
    for number in range(40):
        problem = problem_of(numbered_fleet(number))
        if problem.unserved or not covers(FleetProgramData(problem, Quantity.COST)):
            continue
        pieces = pieces_of(problem)
        for at in range(len(problem.workloads)):
            choices = Enumeration(problem, pieces, at).choices
            for prices in rng.uniform(0.1, 5.0, (5, len(pieces.gpus))) * pieces.gpus if len(choices) > 1 else ():
                alone = [Enumeration(problem, pieces, at) for _ in choices]
                for each, one in zip(alone, choices, strict=True):
                    each.choices = [one]
                least = min(each.least(prices)[0] for each in alone)
                found, vectors = Enumeration(problem, pieces, at).least(prices)
                assert found == pytest.approx(least, rel=1e-12)
                assert vectors.taken[0] @ prices == pytest.approx(least, rel=1e-12)
                compared += 1
    assert compared >= 20


def fewest_agree(mapping: Mapping, cap: float) -> bool:
    """Whether patterns prove the fewest instances at so many times the least cost; if so, as many as instances do."""
    problem, roomy = problem_of(mapping), roomy_problem_of(mapping)
    if problem.unserved or not covers(FleetProgramData(problem, Quantity.COST)):
        return False
    cheapest = answers(FleetProgramData(problem, Quantity.COST), "instances")
    if cheapest is None:
        return False
    caps = {Quantity.COST: cap * cheapest.value, Quantity.GPUS: cheapest.totals[Quantity.GPUS]}
    data = FleetProgramData(roomy, Quantity.INSTANCES, caps)
    found = by_patterns().solve(data, 1.0, cheapest)
    if found is None:
        return False
    expected = answers(data, "instances", cheapest)
    assert expected is not None
    assert expected.gap == pytest.approx(0.0, abs=1e-9)
    assert found.totals[Quantity.INSTANCES] == found.bound == expected.totals[Quantity.INSTANCES]
    assert found.covered() >= 1.0 - 1e-7
    assert all(found.totals[each] <= limit * (1.0 + RELATIVE) for each, limit in caps.items())
    assert is_placed(found)
    return True


@pytest.mark.parametrize("group", [0, *(pytest.param(group, marks=pytest.mark.slow) for group in range(1, 20))])
def test_the_fewest_instances_within_caps_are_the_same(group: int) -> None:
    numbers = range(group * _PER_GROUP, (group + 1) * _PER_GROUP)
    assert sum(fewest_agree(numbered_fleet(number), 1.0 if number % 2 else 1.1) for number in numbers) >= 1


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_the_fewest_instances_of_many_workloads_are_the_same(seed: int) -> None:
    assert fewest_agree(mapping_of_many(seed, 4), 1.0)


@pytest.mark.parametrize(("cap", "rented_by"), [(1.0, "gpu"), (1.0, "node"), (1.3, "node")])
def test_the_fewest_instances_are_the_same_where_gpus_cost_alike(cap: float, rented_by: str) -> None:
    # Bounds of equal prices are sharp, and what costs no more has many forms, of which some have few instances.
    found = [
        fewest_agree(mapping_of_many(seed, 2 + seed % 2, gpus=64, usd_per_gpu_hour=2.0, rented_by=rented_by), cap)
        for seed in range(10)
    ]
    assert sum(found) >= 8


@pytest.mark.parametrize("counted", [Quantity.GPUS, Quantity.INSTANCES])
def test_a_choice_that_comes_to_another_number_proves_nothing(
    counted: Quantity, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = mapping_of_many(0, 4)
    mapping["pools"][0]["usd_per_gpu_hour"] = 0.5
    cheapest = answers(FleetProgramData(problem_of(mapping), Quantity.COST), "instances")
    assert cheapest is not None
    data = FleetProgramData(roomy_problem_of(mapping), counted, {Quantity.COST: 1.5 * cheapest.value})
    whole = by_patterns().solve(data, 1.0, cheapest)
    assert whole is not None
    choose = fewest_choice.fewest_choice

    def one_too_few(*asked: Any) -> Any:
        found = choose(*asked)
        return None if found is None else (found[0] - 1, found[1])

    monkeypatch.setattr(fewest, "fewest_choice", one_too_few)
    found = by_patterns().solve(data, 1.0, cheapest)
    assert found is not None
    assert found.bound == found.value == whole.value < cheapest.totals[counted]


def test_another_cap_on_the_same_fleet_is_another_question() -> None:
    mapping, run = mapping_of_many(1, 3, gpus=64), Run(_CONFIG).beside(relaxed=True)
    mapping["pools"][0]["usd_per_gpu_hour"] = 0.5
    problem = problem_of(mapping)
    remembered, free = Remembered(), FleetProgramData(problem, Quantity.COST)
    before = priced_program(free, 1.0, run, remembered)
    assert before is not None
    again = priced_program(free, 1.0, run, remembered)
    assert again is not None
    assert again[2] is before[2]
    plan = answers(free, "instances")
    assert plan is not None
    capped = replace(free, epsilons={Quantity.GPUS: 0.9 * plan.totals[Quantity.GPUS]})
    found, alone = priced_program(capped, 1.0, run, remembered), priced_program(capped, 1.0, run, Remembered())
    assert found is not None
    assert alone is not None
    assert found[2].bound == pytest.approx(alone[2].bound, rel=1e-5)
    assert found[2].bound > before[2].bound * 1.001
    gpus = FleetProgramData(problem, Quantity.GPUS)
    other, by_itself = (priced_program(gpus, 1.0, run, each) for each in (remembered, Remembered()))
    assert other is not None
    assert by_itself is not None
    assert other[2].bound == pytest.approx(by_itself[2].bound, rel=1e-5)


def branched(data: FleetProgramData, most: float, enough: float | None = None) -> Found | None:
    """What the branches by what the largest workload takes say of plans with no more than ``most``."""
    run = Run(_CONFIG)
    search = PatternSearch(data, 1.0, run, run.beside(relaxed=True), run.beside())
    asked = priced_program(data, 1.0, search.relaxations, Remembered())
    assert asked is not None
    masters = _Masters(search, *asked, enough)
    return masters._best_of_branches(None, asked[2].bound, most)


@pytest.fixture
def every_branch(monkeypatch: pytest.MonkeyPatch) -> list[Branch]:
    """Whatever workload takes most counts as large; all branches that are open."""
    found: list[Branch] = []
    opened = Branches.open

    def listed(self: Branches) -> Iterator[Branch]:
        for branch in opened(self):
            assert len(branch.prices.known) == len(branch.workloads)
            found.append(branch)
            yield branch

    monkeypatch.setattr(branches, "_LARGE", 0.0)
    monkeypatch.setattr(branches, "_FEW", 10_000)
    monkeypatch.setattr(fewest, "_SOON_SOLVED", 0)
    monkeypatch.setattr(Branches, "open", listed)
    return found


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 40))])
def test_branches_by_what_a_workload_takes_have_the_best_plan(seed: int, every_branch: list[Branch]) -> None:
    problem = many_workloads(seed, 3, gpus=16 + 8 * (seed % 6))
    data = FleetProgramData(problem, Quantity.COST)
    expected = value_of(data, "instances")
    if expected is None:
        pytest.skip("nothing fits")
    found = branched(data, 1.05 * expected)
    assert found is not None
    assert found.plan.value == pytest.approx(expected, rel=RELATIVE)
    assert found.bound == pytest.approx(expected, rel=RELATIVE)
    assert every_branch
    exactly = branched(data, expected * (1.0 + RELATIVE))
    assert exactly is not None
    assert exactly.plan.value == pytest.approx(expected, rel=RELATIVE)
    beyond = branched(data, 0.999 * expected)
    if beyond is not None:
        # A branch that may have had such a plan has this one; of what the others have nothing more is known.
        asked = priced_program(data, 1.0, Run(_CONFIG).beside(relaxed=True), Remembered())
        assert beyond.plan.value >= expected * (1.0 - RELATIVE)
        assert beyond.bound >= 0.999 * expected * (1.0 - RELATIVE)
        assert beyond.bound <= max(asked[2].bound, 0.999 * expected) * (1.0 + RELATIVE)  # type: ignore[index]
    with pytest.raises(NoPlan):
        branched(data, 0.999 * expected, 0.999 * expected)
    enough = branched(data, 1.01 * expected, 1.01 * expected)
    assert enough is not None
    assert enough.plan.value <= 1.01 * expected
    assert enough.bound <= expected * (1.0 + RELATIVE)


@pytest.mark.parametrize("labels_go", ["nowhere", "on branches"])
@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 12), marks=pytest.mark.slow)], ids=str)
def test_the_fewest_instances_of_branches_are_the_same(
    seeds: range, labels_go: str, every_branch: list[Branch], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, listed = FewestSearch._by_labels, FewestSearch._vectors

    def on_branches(self: FewestSearch, pieces: Any, workloads: Any, prices: Any) -> Any:
        branch = any(isinstance(each, Settled) for each in workloads)
        return listed(self, pieces, workloads, prices) if branch else None

    if labels_go == "nowhere":
        monkeypatch.setattr(fewest_choice, "_MOST_PAIRS", 0)
    else:
        monkeypatch.setattr(FewestSearch, "_vectors", on_branches)
    chosen: list[bool] = []

    def counted(self: FewestSearch, *asked: Any) -> Any:
        plan = found(self, *asked)
        chosen.append(plan is not None)
        return plan

    monkeypatch.setattr(FewestSearch, "_by_labels", counted)
    for seed in seeds:
        assert fewest_agree(mapping_of_many(seed, 4, gpus=48), 1.02), seed
    assert every_branch
    assert any(chosen) == (labels_go == "on branches")


@pytest.mark.parametrize("counted", [Quantity.GPUS, Quantity.INSTANCES])
@pytest.mark.parametrize("gpus", [16, 48, 400])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_labels_choose_the_fewest_of_all_choices(seed: int, gpus: int, counted: Quantity) -> None:
    mapping = mapping_of_many(seed, 3, gpus=gpus, owned_gpus=8 * (seed % 2))
    # Where the cheapest take more GPUs, fewest of one do not go with fewest of the other.
    mapping["pools"][0]["usd_per_gpu_hour"] = 2.0 if seed % 2 else 0.7
    problem = problem_of(mapping)
    data = FleetProgramData(problem, Quantity.COST)
    asked = priced_program(data, 1.0, Run(_CONFIG).beside(relaxed=True), Remembered())
    cheapest = answers(data, "instances")
    if asked is None or cheapest is None:
        pytest.skip("nothing fits")
    pieces, workloads, prices = asked
    most = 1.05 * cheapest.value
    vectors = {
        at: each.within(prices.prices, least + most - prices.bound)
        for at, (each, least) in enumerate(zip(workloads, prices.least, strict=True))
    }
    choices = [
        (rows, came_to)
        for rows, came_to in every_choice(problem, pieces, vectors)
        if came_to[0] <= most * (1.0 + 1e-12)
    ]
    by_number = 1 if counted is Quantity.GPUS else 2
    # With a cap on the other one that some choice of the fewest does not keep to.
    fewest_of_all = min(came_to[by_number] for _, came_to in choices)
    caps = sorted({came_to[3 - by_number] for _, came_to in choices})
    for cap in (math.inf, *caps[:: max(1, len(caps) // 8)]):
        kept = [came_to[by_number] for _, came_to in choices if came_to[3 - by_number] <= cap]
        limits = (cap, math.inf) if counted is Quantity.INSTANCES else (math.inf, cap)
        found = fewest_choice.fewest_choice(
            data, pieces, prices, vectors, counted, fewest_choice.Limits(most, *limits), lambda _: None
        )
        assert found is not None
        number, rows = found
        assert number == min(kept)
        assert next(came_to for each, came_to in choices if each == rows)[by_number] == min(kept) >= fewest_of_all
        fewer = min(kept) - 1
        below = (cap, fewer) if counted is Quantity.INSTANCES else (fewer, cap)
        limits_below = fewest_choice.Limits(most, *below)
        assert fewest_choice.fewest_choice(data, pieces, prices, vectors, counted, limits_below, lambda _: None) is None


def test_labels_keep_to_a_limit_that_is_the_bound_but_for_a_rounding() -> None:
    problem = many_workloads(0, 3, rented_by="gpu")
    data = FleetProgramData(problem, Quantity.COST)
    asked, cheapest = (
        priced_program(data, 1.0, Run(_CONFIG).beside(relaxed=True), Remembered()),
        answers(data, "patterns"),
    )
    assert asked is not None
    assert cheapest is not None
    pieces, workloads, prices = asked
    assert prices.bound == pytest.approx(cheapest.value, rel=1e-12)
    vectors = {at: each.within(prices.prices, prices.least[at] * (1.0 + 1e-9)) for at, each in enumerate(workloads)}
    limits = fewest_choice.Limits(prices.bound * (1.0 - 2e-9), math.inf, math.inf)
    found = fewest_choice.fewest_choice(data, pieces, prices, vectors, Quantity.GPUS, limits, lambda _: None)
    assert found is not None
    assert found[0] <= cheapest.totals[Quantity.GPUS]


@pytest.mark.parametrize(
    ("counted", "gpus", "instances", "kept"),
    [
        (Quantity.GPUS, math.inf, math.inf, {0, 1, 4}),
        (Quantity.INSTANCES, math.inf, math.inf, {0, 3, 4}),
        # With a cap on GPUs what has fewer of them stays, though it costs more and has no fewer instances.
        (Quantity.INSTANCES, 9.0, math.inf, {0, 1, 3, 4}),
        (Quantity.GPUS, math.inf, 9.0, {0, 1, 3, 4}),
    ],
)
def test_labels_that_count_in_no_limit_are_left_out(
    counted: Quantity, gpus: float, instances: float, kept: set[int]
) -> None:
    cost, of_gpus = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([5, 3, 5, 6, 7])
    of_instances, place = np.array([4, 4, 5, 2, 9]), np.arange(5)
    # The last one takes something else.
    found = fewest_choice._Labels([np.array([1, 1, 1, 1, 2])], cost, of_gpus, of_instances, place, place)
    problem = many_workloads(0, 2)
    data = FleetProgramData(problem, Quantity.COST)
    limits = fewest_choice.Limits(10.0, gpus, instances)
    search = fewest_choice._Search(data, pieces_of(problem), [], counted, limits, lambda _: None)
    assert set(search._not_replaced(found).row.tolist()) == kept


@pytest.mark.parametrize("seed", range(4))
def test_labels_count_the_gpus_of_nodes_that_instances_do_not_fill(seed: int) -> None:
    mapping = mapping_of_many(seed, 4)
    for workload in mapping["workloads"]:
        for point in workload["operating_points"]:
            point["gpus"] = 3
    roomy = roomy_problem_of(mapping)
    data = FleetProgramData(problem_of(mapping), Quantity.COST)
    asked = priced_program(data, 1.0, Run(_CONFIG).beside(relaxed=True), Remembered())
    cheapest = answers(data, "instances")
    assert asked is not None
    assert asked[0].gpus == (3, 3, 3)
    assert cheapest is not None
    most = 1.2 * cheapest.value
    expected = answers(FleetProgramData(roomy, Quantity.GPUS, {Quantity.COST: most}), "instances", cheapest)
    assert expected is not None
    pieces, workloads, prices = asked
    vectors = {
        at: each.within(prices.prices, least + most - prices.bound)
        for at, (each, least) in enumerate(zip(workloads, prices.least, strict=True))
    }
    limits = fewest_choice.Limits(most, math.inf, math.inf)
    found = fewest_choice.fewest_choice(data, pieces, prices, vectors, Quantity.GPUS, limits, lambda _: None)
    assert found is not None
    assert found[0] == expected.value
    assert expected.bound == pytest.approx(expected.value, rel=RELATIVE)


def every_choice(
    problem: FleetProblem, pieces: Any, vectors: dict[int, Any]
) -> Iterator[tuple[dict[int, int], tuple[float, int, int]]]:
    """All choices that the pools hold, with their cost, GPUs and instances; of pools rented by nodes of 8."""
    for rows in itertools.product(*(range(len(each)) for each in vectors.values())):
        taken = sum(each.taken[row] for each, row in zip(vectors.values(), rows, strict=True)) * pieces.gpus
        pools = [problem.pools[at] for at in pieces.pool]
        nodes = [8 * math.ceil(mine / 8) for mine in taken.tolist()]
        if all(mine <= pool.capacity_gpus for mine, pool in zip(nodes, pools, strict=True)):
            paid = zip(pools, nodes, strict=True)
            cost = sum(pool.usd_per_gpu_hour * max(0, mine - pool.owned_gpus) for pool, mine in paid)
            running = sum(int(each.counts[row].sum()) for each, row in zip(vectors.values(), rows, strict=True))
            yield dict(enumerate(rows)), (cost, sum(nodes), running)


def test_what_few_instances_proved_is_kept_where_more_are_too_many_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = roomy_problem_of(mapping_of_many(0, 4))
    cheapest = answers(FleetProgramData(problem, Quantity.COST), "instances")
    assert cheapest is not None
    data = FleetProgramData(problem, Quantity.INSTANCES, {Quantity.COST: 1.02 * cheapest.value})
    whole = by_patterns().solve(data, 1.0, cheapest)
    assert whole is not None
    least, with_at_most = [], FewestSearch._with_at_most

    def first_alone(self: FewestSearch, *asked: Any) -> Any:
        least.append(self._at_most)
        return with_at_most(self, *asked) if len(least) == 1 else None

    monkeypatch.setattr(FewestSearch, "_with_at_most", first_alone)
    monkeypatch.setattr(FewestSearch, "_stages", lambda self: iter([int(whole.value) - 1, int(self._known) - 1]))
    part = by_patterns().solve(data, 1.0, cheapest)
    assert part is not None
    assert len(least) == 2
    assert part.bound == whole.value <= part.value


@pytest.mark.parametrize("bound", [None, -math.inf, math.inf])
def test_fewest_instances_of_a_solver_that_was_ended_at_once_are_those_of_the_known_plan(
    bound: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = roomy_problem_of(mapping_of_many(0, 4))
    cheapest = answers(FleetProgramData(problem, Quantity.COST), "instances")
    assert cheapest is not None
    run, ended = Run(_CONFIG), Solution(Outcome.NO_SOLUTION, None, bound, 0.0)
    monkeypatch.setattr(run, "solve", lambda *_, **__: ended)
    data = FleetProgramData(problem, Quantity.COST)
    search = FewestSearch(
        data, 1.02 * cheapest.value, Quantity.INSTANCES, 1.0, cheapest, run, Run(_CONFIG).beside(relaxed=True)
    )
    found = search.search()
    assert found is not None
    assert found.stopped
    assert found.plan.counts == cheapest.counts
    assert found.bound == -math.inf


def test_the_next_question_begins_at_the_prices_of_the_one_before() -> None:
    problem = many_workloads(1, 4, gpus=32)
    data, run, remembered = FleetProgramData(problem, Quantity.COST), Run(_CONFIG).beside(relaxed=True), Remembered()
    before = priced_program(data, 1.0, run, remembered)
    assert before is not None
    solved = run.solves
    demands = tuple(demand.times(1.0 + 1e-9) for demand in problem.workloads)
    slightly_more = replace(data, problem=replace(problem, workloads=demands))
    after = priced_program(slightly_more, 1.0, run, remembered)
    assert after is not None
    assert after[2].bound == pytest.approx(before[2].bound, rel=1e-5)
    # Not even those of the pools alone: each comes to what it does by itself.
    assert run.solves == solved


@pytest.mark.parametrize("minimise", [Quantity.COST, Quantity.POWER, Quantity.GPUS])
@pytest.mark.parametrize("seed", range(6))
def test_pools_apart_come_to_their_linear_program(
    seed: int, minimise: Quantity, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    of_pool: dict[str, Any] = {"owned_gpus": 8 * (seed % 3), "rented_by": "node" if seed % 2 else "gpu"}
    problem, run = many_workloads(seed, 2, gpus=24, **of_pool), Run(_CONFIG).beside(relaxed=True)
    pieces, apart, closed = pieces_of(problem), priced._bound_of_pools_apart, 0
    plain = plain_prices(problem, pieces, minimise)
    for _ in range(20):
        at = plain * rng.choice([0.0, 0.5, 1.0, 1.5], len(plain)) * rng.choice([1.0, rng.uniform(0.9, 1.1)])
        caps = {other: rng.uniform(5.0, 60.0) for other in {Quantity.COST, Quantity.GPUS} - {minimise}}
        data = FleetProgramData(problem, minimise, {} if rng.random() < 0.5 else caps)
        found = apart(data, pieces, at)
        with monkeypatch.context() as patch:
            patch.setattr(priced, "_bound_of_pools_apart", lambda *_: None)
            linear = pools_bound(data, pieces, at, run)
        if found is None:
            assert data.epsilons
        else:
            closed += 1
            assert found == pytest.approx(linear, rel=1e-9, abs=1e-9)
    assert closed >= 5


def test_fewest_instances_keep_the_plan_that_is_known_where_none_has_fewer() -> None:
    problem = many_workloads(0, 4)
    cheapest = answers(FleetProgramData(problem, Quantity.COST), "instances")
    assert cheapest is not None
    data = FleetProgramData(problem, Quantity.INSTANCES, {Quantity.COST: 1.2 * cheapest.value})
    best = answers(data, "instances", cheapest)
    again = by_patterns().solve(data, 1.0, best)
    assert again is not None
    assert again.counts == best.counts  # type: ignore[union-attr]
    assert again.bound == again.value


def test_the_greatest_multiple_is_found_without_a_plan_to_start_from() -> None:
    sought = FleetProgramData(roomy_problem_of(mapping_of_many(0, 4, gpus=24)), Goal.SLACK, least_covered=0.0)
    expected, found = answers(sought, "instances"), answers(sought, "patterns")
    assert found is not None
    assert found.covered() == pytest.approx(expected.covered(), rel=2e-7)  # type: ignore[union-attr]
    assert -found.bound <= found.covered() * (1.0 + 2e-7)


def test_a_search_for_slack_that_is_stopped_keeps_the_plan_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, asked = many_workloads(0, 4), []
    cheapest = answers(FleetProgramData(problem, Quantity.COST), "instances")
    search = PatternSearch.search

    def stopping(self: PatternSearch, enough: float | None = None) -> Any:
        asked.append(enough)
        if len(asked) > 2:
            raise Stopped("interrupted")
        return search(self, enough)

    monkeypatch.setattr(PatternSearch, "search", stopping)
    with pytest.raises(Stopped) as stop:
        answers(FleetProgramData(problem, Goal.SLACK, {Quantity.COST: 1.5 * cheapest.value}), "patterns", cheapest)  # type: ignore[union-attr]
    kept = stop.value.incumbent
    assert kept.covered() >= cheapest.covered()  # type: ignore[union-attr]
    assert -kept.bound >= kept.covered()


@functools.cache
def least_cost(seed: int) -> float:
    """The optimum of five workloads by instances."""
    least = value_of(FleetProgramData(many_workloads(seed, 5), Quantity.COST), "instances")
    assert least is not None
    return least


@pytest.mark.parametrize("seed", range(4))
def test_a_first_master_of_too_few_vectors_is_followed_by_one_of_enough(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    masters: list[int] = []
    build = solve.build_master_program

    def counted(master: Any) -> Any:
        masters.append(sum(len(each.counts) for each in master.vectors.values()))
        return build(master)

    monkeypatch.setattr(choice, "_MOST_PAIRS", -1)
    monkeypatch.setattr(solve, "build_master_program", counted)
    monkeypatch.setattr(solve, "_FIRST", (1, 1))
    assert agrees(FleetProgramData(many_workloads(seed, 5), Quantity.COST))
    assert masters[0] < masters[1]
    found = searched(FleetProgramData(many_workloads(seed, 5), Quantity.COST))
    assert found.bound == pytest.approx(found.plan.value, rel=RELATIVE)


@pytest.mark.parametrize("vectors", [1, 20, 60, 120])
def test_a_bound_holds_however_few_vectors_there_are(vectors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_MOST_PAIRS", -1)
    monkeypatch.setattr(solve, "_FIRST", (vectors, 1))
    monkeypatch.setattr(solve, "_MOST", vectors)
    left = 0
    for seed in range(4):
        found, least = searched(FleetProgramData(many_workloads(seed, 5), Quantity.COST)), least_cost(seed)
        assert found.bound <= least * (1.0 + RELATIVE), seed
        left += found.bound < least * (1.0 - RELATIVE)
    assert left >= 1


@pytest.mark.parametrize(
    ("count", "node_size", "by_patterns"),
    # Beside an instance of 8 GPUs a node of 12 has room for a rest.
    [(1, 8, False), (2, 8, True), (MANY_WORKLOADS - 1, 12, False), (MANY_WORKLOADS, 12, True)],
)
def test_many_workloads_and_few_on_simple_pools_are_planned_by_patterns(
    count: int, node_size: int, by_patterns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    search = PatternSearch.search
    monkeypatch.setattr(PatternSearch, "search", lambda self, *most: searched.append(1) or search(self, *most))
    data = FleetProgramData(many_workloads(0, count, node_size=node_size), Quantity.COST)
    plan = FleetPlanner(None, Run(load_solver_config("fleet"))).solve(data, 1.0)  # type: ignore[arg-type]
    assert plan is not None
    assert plan.gap <= 1e-3
    assert bool(searched) is by_patterns


def test_patterns_and_instances_agree_where_stock_binds() -> None:
    assert agrees(FleetProgramData(many_workloads(0, 5, gpus=24), Quantity.COST))


@pytest.fixture
def no_masters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels have to answer: a master over more than one vector a workload is a failure."""
    build = solve.build_master_program

    def only_chosen(master: Any) -> Any:
        assert all(len(each.counts) == 1 for each in master.vectors.values())
        return build(master)

    monkeypatch.setattr(solve, "build_master_program", only_chosen)


OF_POOLS: dict[str, Mapping] = {
    "whole nodes": {},
    "nodes of a size that is no power of two": {"node_size": 24},
    "GPUs": {"rented_by": "gpu"},
    "GPUs beside owned ones": {"rented_by": "gpu", "owned_gpus": 13},
    "stock that binds": {"gpus": 24},
}


@pytest.mark.usefixtures("no_masters")
@pytest.mark.parametrize("minimise", [Quantity.COST, Quantity.GPUS, Quantity.POWER])
@pytest.mark.parametrize("of_pool", OF_POOLS.values(), ids=OF_POOLS)
def test_labels_prove_the_best_choice_of_vectors(of_pool: Mapping, minimise: Quantity) -> None:
    data = FleetProgramData(many_workloads(0, 4, **of_pool), minimise)
    found, least = searched(data), value_of(data, "instances")
    assert found.plan.value == pytest.approx(least, rel=RELATIVE)
    assert found.bound == pytest.approx(least, rel=RELATIVE)


def test_a_budget_with_too_many_labels_is_followed_by_one_halfway(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs: list[int] = []
    within = choice._Search.within_budget

    def counted(self: Any, *given: Any) -> Any:
        found = within(self, *given)
        pairs.append(self.pairs)
        return found

    monkeypatch.setattr(choice._Search, "within_budget", counted)
    proven = 0
    for seed in range(6):
        data = FleetProgramData(many_workloads(seed, 5), Quantity.COST)
        least, most = searched(data).plan.value, pairs[-1]
        pairs.clear()
        with monkeypatch.context() as patched:
            # One pair less than the last budget came to is too many.
            patched.setattr(choice, "_MOST_PAIRS", most - 1)
            patched.setattr(solve._Masters, "solved", lambda *_: None)
            again = searched(data)
        assert again.bound <= least * (1.0 + RELATIVE)
        proven += again.bound == pytest.approx(least, rel=RELATIVE) and max(pairs) < most
    assert proven >= 1


@pytest.mark.usefixtures("no_masters")
@pytest.mark.parametrize("few", [(1, 1), (30, 80), (10_000, 1_000_000)])
@pytest.mark.parametrize("gpus", [24, 400])
def test_a_good_plan_of_few_labels_ends_the_search_no_earlier(
    few: tuple[int, int], gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = FleetProgramData(many_workloads(0, 5, gpus=gpus), Quantity.COST)
    expected, good = searched(data).plan.value, []
    look = choice._good
    monkeypatch.setattr(choice, "_MANY_PAIRS", 0)
    monkeypatch.setattr(choice, "_FEW_LABELS", few[0])
    monkeypatch.setattr(choice, "_FEW_PAIRS", few[1])
    monkeypatch.setattr(choice, "_good", lambda *given: good.append(look(*given)) or good[-1])
    found = searched(data)
    assert good
    assert found.plan.value == pytest.approx(expected, rel=RELATIVE)
    assert found.bound == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.usefixtures("no_masters")
@pytest.mark.parametrize(
    ("module", "limit", "value"),
    [(labels, "_WORD_BITS", 9), (choice, "_PAIRS_AT_ONCE", 3), (choice, "_WIDER", ((1e9, 1.1),))],
)
@pytest.mark.parametrize("gpus", [24, 400])
def test_labels_do_not_depend_on_how_they_are_held(
    module: Any, limit: str, value: Any, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = FleetProgramData(many_workloads(0, 5, gpus=gpus), Quantity.COST)
    expected = searched(data).plan.value
    monkeypatch.setattr(module, limit, value)
    assert searched(data).plan.value == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.parametrize("stopped", ["best_choice", "_Masters.solved"])
def test_a_search_that_is_stopped_keeps_a_plan(stopped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise Stopped("interrupted")

    monkeypatch.setattr(choice, "_MOST_PAIRS", -1)
    monkeypatch.setattr(f"{solve.__name__}.{stopped}", stop)
    found = searched(FleetProgramData(many_workloads(0, 5), Quantity.COST))
    assert found.stopped
    assert found.bound <= least_cost(0) * (1.0 + RELATIVE)
    assert found.plan.value >= least_cost(0) * (1.0 - RELATIVE)


@pytest.mark.usefixtures("no_masters")
@pytest.mark.parametrize("rented_by", ["node", "gpu"])
def test_nodes_that_instances_do_not_fill_hold_fewer_of_them(rented_by: str) -> None:
    pool = {"name": "a", "accelerator": "H100-SXM", "gpus": 62, "node_size": 6, "rented_by": rented_by}
    rows = [
        {
            "name": f"w{number}",
            "prompt_tokens": 100,
            "output_tokens": 100,
            "requests_per_s": rate,
            "operating_points": [{"pool": "a", "gpus": 4, "throughput_requests_per_s": 10.0}],
        }
        for number, rate in enumerate((25.0, 12.0))
    ]
    mapping = {"kind": "fleet", "name": "rests", "pools": [pool | {"usd_per_gpu_hour": 2.0}], "workloads": rows}
    if rented_by == "node":
        pool["gpus"] = mapping["pools"][0]["gpus"] = 60
    data = FleetProgramData(problem_of(mapping), Quantity.COST)
    found = searched(data)
    # Five instances, each on a node of its own.
    assert found.plan.value == pytest.approx(5 * (6 if rented_by == "node" else 4) * 2.0)
    assert found.bound == pytest.approx(found.plan.value, rel=RELATIVE)
    assert value_of(data, "instances") == pytest.approx(found.plan.value, rel=RELATIVE)


def test_a_node_that_is_not_whole_is_left_to_masters() -> None:
    assert agrees(FleetProgramData(many_workloads(1, 4, gpus=397), Quantity.COST))


def test_owned_gpus_count_in_full() -> None:
    assert agrees(FleetProgramData(many_workloads(0, 4, owned_gpus=20), Quantity.COST))


@pytest.mark.parametrize("most", [2, 4, 100])
def test_what_labels_prove_holds_where_they_are_too_many(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    proven = []
    best_choice = solve.best_choice

    def noted(*given: Any) -> Any:
        proven.append(best_choice(*given))
        return proven[-1]

    monkeypatch.setattr(solve, "best_choice", noted)
    monkeypatch.setattr(choice, "_MOST_LABELS", most)
    monkeypatch.setattr(choice, "_PAIRS_AT_ONCE", 7)
    for seed in range(4):
        found = searched(FleetProgramData(many_workloads(seed, 5), Quantity.COST))
        assert found.bound <= least_cost(seed) * (1.0 + RELATIVE)
        assert found.plan.value >= least_cost(seed) * (1.0 - RELATIVE)
    assert any(each is None or each.vectors is None for each in proven) or most == 100
    assert any(each is not None for each in proven)


@pytest.mark.parametrize("seed", range(3))
def test_a_choice_beyond_a_cap_is_no_plan(seed: int) -> None:
    problem = many_workloads(seed, 4)
    free = searched(FleetProgramData(problem, Quantity.COST)).plan
    capped = replace(problem, caps=replace(problem.caps, max_power_kw=free.totals[Quantity.POWER] - 0.1))
    found, least = searched(data := FleetProgramData(capped, Quantity.COST)), value_of(data, "instances")
    assert least is not None
    assert least > free.value * (1.0 + RELATIVE)
    assert found is None or found.bound <= least * (1.0 + RELATIVE)
    assert value_of(data, "patterns") == pytest.approx(least, rel=RELATIVE)


def test_patterns_say_nothing_of_a_fleet_that_is_too_small() -> None:
    data = FleetProgramData(many_workloads(0, 5, gpus=8), Quantity.COST)
    assert searched(data) is None
    assert value_of(data, "patterns") is None


@pytest.mark.parametrize(
    ("module", "limit", "most"), [(solve, "_LISTED", 1), (covers_of, "MOST_SETS", 1), (covers_of, "MOST_SETS", 4)]
)
@pytest.mark.parametrize("gpus", [24, 400])
def test_bounds_hold_where_there_are_too_many_vectors_to_list(
    module: Any, limit: str, most: int, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = FleetProgramData(many_workloads(0, 5, gpus=gpus), Quantity.COST)
    least = value_of(data, "instances")
    assert least is not None
    monkeypatch.setattr(module, limit, most)
    found = searched(data)
    if found is not None:
        assert found.bound <= least * (1.0 + RELATIVE)
        assert found.plan.value >= least * (1.0 - RELATIVE)
    assert found is not None or gpus == 24
    assert value_of(data, "patterns") == pytest.approx(least, rel=RELATIVE)


def test_instances_go_on_where_patterns_leave_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    data = FleetProgramData(many_workloads(0, 5), Quantity.COST)
    found = searched(data)
    monkeypatch.setattr(PatternSearch, "search", lambda *_: replace(found, bound=0.9 * found.bound))
    run = Run(replace(_CONFIG, fleet_algorithm="patterns"))
    plan = FleetPlanner(None, run).solve(data, 1.0)  # type: ignore[arg-type]
    assert plan is not None
    assert plan.value == pytest.approx(found.plan.value, rel=RELATIVE)
    assert plan.status == "optimal"
