"""Fleets by patterns against the program of instances: the same optimum, and bounds that hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from random_fleets import numbered_fleet, numbered_larger_fleet

from ieco_opt.fleet.patterns.solve import PatternSearch, covers
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import FleetProblem, build_fleet_space
from ieco_opt.scenario import resolve_fleet
from ieco_opt.scenario.load import load_fleet_mapping
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.run import Run

Mapping = dict[str, Any]

RELATIVE = 1e-7
"""As of tests/exactness/test_fleet_against_oracle.py."""

_PER_GROUP = 20

_CONFIG = replace(load_solver_config("fleet"), accepted_gap=None)


def problem_of(mapping: Mapping) -> FleetProblem:
    """The numbers of a fleet at its own speeds."""
    space = build_fleet_space(resolve_fleet(load_fleet_mapping(mapping)))
    return space.problem(space.columns())


def value_of(data: FleetProgramData, algorithm: str) -> float | None:
    """The optimum that one algorithm proves; ``None``: there is no plan."""
    run = Run(replace(_CONFIG, fleet_algorithm=algorithm))
    plan = FleetPlanner(None, run).solve(data, 1.0)  # type: ignore[arg-type]
    return None if plan is None else plan.value


def agrees(data: FleetProgramData) -> bool:
    """Whether patterns found a plan of their own; what they say must agree with the program of instances."""
    expected = value_of(data, "instances")
    run = Run(_CONFIG)
    found = PatternSearch(data, 1.0, run, run.beside(relaxed=True), run.beside()).search()
    if expected is None:
        assert found is None
        return False
    assert value_of(data, "patterns") == pytest.approx(expected, rel=RELATIVE, abs=1e-9)
    if found is None:
        return False
    assert found.bound <= expected + RELATIVE * max(1.0, abs(expected))
    assert found.plan.value >= expected - RELATIVE * max(1.0, abs(expected))
    return True


@pytest.mark.parametrize("group", [0, *(pytest.param(group, marks=pytest.mark.slow) for group in range(1, 20))])
def test_patterns_and_instances_agree_on_small_fleets(group: int) -> None:
    found = 0
    for number in range(group * _PER_GROUP, (group + 1) * _PER_GROUP):
        mapping = numbered_fleet(number)
        problem = problem_of(mapping)
        data = FleetProgramData(problem, Quantity(mapping["objective"]))
        if not problem.unserved and covers(data):
            found += agrees(data)
    assert found >= 3


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(each, marks=pytest.mark.slow) for each in range(2, 60))])
def test_patterns_and_instances_agree_on_larger_fleets(number: int) -> None:
    problem = problem_of(numbered_larger_fleet(number))
    data = FleetProgramData(problem, Quantity.COST)
    if not problem.unserved and covers(data):
        agrees(data)
