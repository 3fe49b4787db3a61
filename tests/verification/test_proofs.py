"""What is proven of deployments: each claim just true holds, and just false is told with what contradicts it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from saved_results import DRAFTED

import ieco_opt
from ieco_opt.pareto import run
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, Box, Guarantee, GuaranteeKind, Status
from ieco_opt.scenario import resolve
from ieco_opt.verification.everything import Everything
from ieco_opt.verification.frontiers import of_the_guarantee, of_the_proof

LITTLE, MUCH = 5e-10, 3e-9
"""Less and more than what two figures may differ by."""

SPACE = DRAFTED["design_space"] | {"stage_ranks": [2, 4], "max_gpus": 4, "batch": {"min": 1, "max": 6}}
SCENARIO = ieco_opt.Scenario(**DRAFTED | {"design_space": SPACE, "limits": {}})


@cache
def every() -> Frontier:
    """All eight points."""
    return ieco_opt.frontier(SCENARIO, complete=True)


@cache
def everything() -> Everything:
    return Everything.of(resolve(SCENARIO))


def proof(points: Sequence[Deployment]) -> list[str]:
    return list(of_the_proof(points, everything()))


def guaranteed(points: Sequence[Deployment], guarantee: Guarantee, **question: Any) -> list[str]:
    asked = dataclasses.replace(every().question, **question)
    answer = dataclasses.replace(every(), deployments=tuple(points), guarantee=guarantee, question=asked)
    return list(of_the_guarantee(answer, everything()))


def test_the_frontier_itself_is_proven() -> None:
    assert proof(every().deployments) == []
    assert guaranteed(every().deployments, every().guarantee) == []


def test_a_bound_is_one_for_all_that_is_no_more_expensive_than_the_cap() -> None:
    fast, slow = every()[0], every()[3]

    def told(**changes: Any) -> list[str]:
        return proof([dataclasses.replace(slow, status=Status.FEASIBLE, **changes)])

    speed = slow.speed_tokens_per_s
    assert told(bound=speed, cost_cap=None) == told(bound=speed * (1.0 - LITTLE), cost_cap=None) == []
    (problem,) = told(bound=speed * (1.0 - MUCH), cost_cap=None)
    assert problem.startswith(f"deployments[0]: bound: found {speed * (1.0 - MUCH):.12g}, but there is H100-SXM, fp8, ")
    # A cap that admits the fastest makes the bound of the slower one wrong, a cap just below does not.
    assert told(bound=speed, cost_cap=every()[2].cost_usd_per_mtok * (1.0 - MUCH)) == []
    assert len(told(bound=speed, cost_cap=fast.cost_usd_per_mtok)) == 1
    assert told(bound=np.inf, cost_cap=fast.cost_usd_per_mtok) == []


@pytest.mark.parametrize("at", range(9))
def test_what_is_called_optimal_is_dominated_by_nothing(at: int) -> None:
    point = every()[at]
    for name, worse in (("speed_tokens_per_s", 1.0 - MUCH), ("cost_usd_per_mtok", 1.0 + MUCH)):
        changed = dataclasses.replace(point, **{name: getattr(point, name) * worse})
        (problem,) = proof([changed])
        assert problem.startswith("deployments[0]: is dominated by H100-SXM, fp8, ")
        assert proof([dataclasses.replace(changed, status=Status.FEASIBLE)]) == []
        nearly = dataclasses.replace(point, **{name: getattr(point, name) * (1.0 + (worse - 1.0) * LITTLE / MUCH)})
        assert proof([nearly]) == []


@pytest.mark.parametrize("at", range(9))
def test_what_is_found_is_named_in_full(at: int) -> None:
    point = every()[at]
    found = everything().fastest(
        speed=point.speed_tokens_per_s * (1.0 - LITTLE), cost=point.cost_usd_per_mtok * (1.0 + LITTLE)
    )
    draft = f", {point.draft_tokens} draft tokens" if point.draft_tokens else ""
    assert str(found) == (
        f"H100-SXM, fp8, {point.parallelism.short()}, batch {point.batch}{draft} "
        f"({point.speed_tokens_per_s:.9g} tokens/s at ${point.cost_usd_per_mtok:.9g} per million tokens)"
    )
    assert {bool(each.draft_tokens) for each in every()} == {True}
    alone = Everything.of(resolve(SCENARIO.model_copy(update={"speculation": None}))).fastest()
    assert "draft" not in str(alone)


@pytest.mark.parametrize(("gap", "told"), [(0.099, []), (0.1, []), (0.11, ["deployments[0]: gap: found 0.11"])])
def test_a_gap_is_no_wider_than_the_coverage(gap: float, told: list[str]) -> None:
    points = [dataclasses.replace(every()[0], gap=gap), *every().deployments[1:]]
    found = guaranteed(points, Guarantee(GuaranteeKind.COVERED, 0.1), delta=0.1)
    assert [problem.split(", ")[0] for problem in found] == told


@pytest.mark.parametrize(
    ("kind", "coverage", "delta", "expected"),
    [
        (GuaranteeKind.COVERED, 0.1, 0.1, []),
        (GuaranteeKind.COMPLETE, 0.0, 0.0, []),
        (GuaranteeKind.COMPLETE, 0.1, 0.1, ["guarantee.kind: found complete, expected covered"]),
        (GuaranteeKind.COVERED, 0.0, 0.0, ["guarantee.kind: found covered, expected complete"]),
        (GuaranteeKind.COVERED, 0.2, 0.1, ["guarantee.coverage: found 0.2, expected 0.1"]),
        (GuaranteeKind.COVERED, 0.05, 0.1, ["guarantee.coverage: found 0.05, expected 0.1"]),
    ],
)
def test_the_guarantee_is_what_was_asked(
    kind: GuaranteeKind, coverage: float, delta: float, expected: list[str]
) -> None:
    found = guaranteed(every().deployments, Guarantee(kind, coverage), delta=delta)
    assert [problem.removesuffix(" as question.delta asks for") for problem in found] == expected


def test_the_coverage_is_no_closer_than_the_gap_of_the_solver() -> None:
    answer = dataclasses.replace(
        every(),
        question=dataclasses.replace(every().question, delta=0.01),
        guarantee=Guarantee(GuaranteeKind.COVERED, 0.02),
        solver=dataclasses.replace(every().solver, relative_gap=0.02),
    )
    assert list(of_the_guarantee(answer, everything())) == []


@pytest.mark.parametrize("at", range(1, 8))
def test_a_point_is_covered_up_to_how_close_the_nearer_neighbour_is(at: int) -> None:
    before, gone, after = every()[at - 1 : at + 2]
    # The one before is more expensive, the one after is slower.
    needed = min(before.cost_usd_per_mtok / gone.cost_usd_per_mtok, after.latency_s / gone.latency_s) - 1.0
    left = (*every().deployments[:at], *every().deployments[at + 1 :])
    for delta, covered in ((needed * (1.0 + 1e-6), True), (needed * (1.0 - 1e-6), False)):
        found = guaranteed(left, Guarantee(GuaranteeKind.COVERED, delta), delta=delta)
        if covered:
            assert found == []
        else:
            (problem,) = found
            assert problem.startswith("guarantee.coverage: H100-SXM, fp8, ")
            assert problem.endswith(f" is not covered to {delta:g} (between deployments[{at - 1}] and [{at}])")


@pytest.mark.parametrize("at", [0, 8])
def test_beyond_the_ends_nothing_is_missing(at: int) -> None:
    left = (*every().deployments[:at], *every().deployments[at + 1 :])
    (problem,) = guaranteed(left, Guarantee(GuaranteeKind.COMPLETE, 0.0), delta=0.0)
    assert problem.startswith("guarantee.coverage: H100-SXM, fp8, ")
    assert problem.endswith(" is not covered to 0 (beyond the ends)")


def around(point: Deployment, share: float) -> Box:
    """A box whose edges are so close to a point; a negative share leaves it out."""
    wider, latency, cost = 1.0 + share, point.latency_s, point.cost_usd_per_mtok
    return Box(latency / wider, latency * wider, cost / wider, cost * wider)


@pytest.mark.parametrize("at", range(9))
def test_what_a_stopped_search_lacks_lies_where_it_left_off(at: int) -> None:
    left, gone = (*every().deployments[:at], *every().deployments[at + 1 :]), every()[at]

    def told(*boxes: Box) -> list[str]:
        return guaranteed(left, Guarantee(GuaranteeKind.PARTIAL, None, "interrupted", boxes), delta=0.0)

    assert told(around(gone, 0.0)) == told(around(gone, 0.01)) == []
    for boxes in ((), (around(gone, -1e-6),), (around(left[at - 1], 1e-6),)):
        (problem,) = told(*boxes)
        assert problem.startswith("guarantee.open_regions: H100-SXM, fp8, ")
        assert " is not covered to 0 (" in problem
    whole = around(gone, 0.0)
    for name, outside in (("latency_lo_s", 1e-6), ("latency_hi_s", -1e-6), ("cost_lo", 1e-6), ("cost_hi", -1e-6)):
        assert len(told(dataclasses.replace(whole, **{name: getattr(whole, name) * (1.0 + outside)}))) == 1
        inside = dataclasses.replace(whole, **{name: getattr(whole, name) * (1.0 + outside * LITTLE / 1e-6)})
        assert told(inside) == []


@pytest.mark.parametrize("objective", ["fastest", "cheapest", "preferred"])
def test_the_one_deployment_is_the_best(objective: Any) -> None:
    answer = run.answer(SCENARIO, objective=objective, preference=1.0)
    best = answer[0]
    others = [each for each in every() if each.latency_s != best.latency_s]
    assert len(others) == 8

    def told(point: Deployment) -> list[str]:
        return list(of_the_guarantee(dataclasses.replace(answer, deployments=(point,)), everything()))

    assert told(best) == []
    for other in others:
        (problem,) = told(other)
        assert problem.startswith(f"question.objective: the deployment is not the one that is {objective}, which is ")
        assert told(dataclasses.replace(other, status=Status.FEASIBLE)) == []
    for share, wrong in ((LITTLE, False), (MUCH, True)):
        nearly = dataclasses.replace(
            best,
            speed_tokens_per_s=best.speed_tokens_per_s / (1.0 + share * (objective != "cheapest")),
            cost_usd_per_mtok=best.cost_usd_per_mtok * (1.0 + share * (objective == "cheapest")),
        )
        assert bool(told(nearly)) == wrong
    stopped = dataclasses.replace(
        answer,
        deployments=(others[0],),
        guarantee=Guarantee(GuaranteeKind.PARTIAL, None, "interrupted", ()),
        status=AnswerStatus.STOPPED,
    )
    assert list(of_the_guarantee(stopped, everything())) == []


@pytest.mark.parametrize("points", [2, 3, 5])
def test_a_sample_is_just_the_fastest_under_its_caps(points: int) -> None:
    answer = ieco_opt.frontier(SCENARIO, points=points)

    def told(listed: Sequence[Deployment]) -> list[str]:
        return list(of_the_guarantee(dataclasses.replace(answer, deployments=tuple(listed)), everything()))

    assert told(answer.deployments) == []
    for at in range(1, len(answer) - 1):
        (problem,) = told((*answer.deployments[:at], *answer.deployments[at + 1 :]))
        assert problem.startswith("deployments: H100-SXM, fp8, ")
        assert problem.endswith(f" is missing, the fastest under one of the {points} caps")
    sampled = {each.latency_s for each in answer}
    for other in every():
        if other.latency_s not in sampled:
            listed = sorted((*answer.deployments, other), key=lambda each: each.latency_s)
            at = listed.index(other)
            assert told(listed) == [
                f"deployments[{at}]: is the fastest under none of the {points} caps of question.points"
            ]
    (problem, *_) = told(answer.deployments[:-1])
    assert problem.startswith(f"deployments[{len(answer) - 2}]: is not the cheapest, which H100-SXM, fp8, ")
    assert any(" is missing, " in problem for problem in told(answer.deployments[1:]))
