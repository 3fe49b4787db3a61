"""Questions that make no sense are refused by argument; scenarios without a deployment with what excludes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from stored_programs import TINY

import ieco_opt
from ieco_opt import InfeasibleError, Scenario, ScenarioError, SolverError
from ieco_opt.scenario.solver_config import SolverConfig

SMALL = Scenario(**TINY)


@pytest.mark.parametrize(
    ("ask", "arguments", "field", "expected"),
    [
        (ieco_opt.frontier, {"delta": 0.0}, "delta", "a number above 0"),
        (ieco_opt.frontier, {"delta": -0.1}, "delta", "a number above 0"),
        (ieco_opt.frontier, {"delta": math.nan}, "delta", "a number above 0"),
        (ieco_opt.frontier, {"delta": math.inf}, "delta", "a number above 0"),
        (ieco_opt.frontier, {"points": 1}, "points", "at least 2"),
        (ieco_opt.frontier, {"points": 5, "complete": True}, "points", "either points or complete"),
        (ieco_opt.solve, {"objective": "best"}, "objective", "fastest, cheapest, preferred"),
        (ieco_opt.solve, {"objective": "preferred", "preference": -1.0}, "preference", "a number from 0 on"),
        (ieco_opt.solve, {"objective": "preferred", "preference": math.nan}, "preference", "a number from 0 on"),
    ],
)
def test_arguments_are_named(ask: Callable[..., object], arguments: dict[str, Any], field: str, expected: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        ask(SMALL, **arguments)
    assert [fault.field for fault in refused.value.faults] == [field]
    assert expected in str(refused.value)


QUESTIONS: dict[str, Callable[[Scenario], object]] = {
    "frontier": ieco_opt.frontier,
    "sampled": lambda scenario: ieco_opt.frontier(scenario, points=5),
    **{
        objective: lambda scenario, objective=objective: ieco_opt.solve(scenario, objective=objective)
        for objective in ("fastest", "cheapest", "preferred")
    },
}
FASTEST = ieco_opt.solve(SMALL, objective="fastest").speed_tokens_per_s


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"limits": {"min_speed": 1.01 * FASTEST}}, "limits.min_speed = .* alone excludes every deployment"),
        (
            {"limits": {"min_speed": 0.99 * FASTEST, "min_throughput": 5 * FASTEST}},
            "each limit can be met alone, but not all of them together",
        ),
        ({"memory_utilization": 1e-4}, "no configuration of the design space exists"),
    ],
    ids=["one limit", "both limits", "memory"],
)
def test_it_is_proven_that_there_is_no_deployment(
    changes: dict[str, Any], expected: str, ask: Callable[[Scenario], object]
) -> None:
    with pytest.raises(InfeasibleError, match=f"^proven infeasible: .*{expected}"):
        ask(Scenario(**TINY | changes))


@pytest.mark.parametrize("objective", ["fastest", "cheapest", "preferred"])
def test_without_time_there_is_no_deployment_to_return(objective: Any) -> None:
    with pytest.raises(SolverError, match=r"the search ended \(time limit\) before it found a deployment"):
        ieco_opt.solve(SMALL, objective=objective, solver_config=SolverConfig(total_time_limit_s=1e-9))
