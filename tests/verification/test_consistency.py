"""What is checked of answers without the performance model: each rule by itself, on both sides of its edge."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import pytest
from edited_results import RESULTS

from ieco_opt import catalog
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, GuaranteeKind
from ieco_opt.verification.consistency import against_each_other, dominates, of_the_answer, own_contradictions

LITTLE, MUCH = 5e-10, 2e-9
"""Less and more than what two figures may differ by."""


@cache
def covered() -> Frontier:
    answer = RESULTS["covered"]()
    assert isinstance(answer, Frontier)
    return answer


@cache
def one() -> Deployment:
    return covered()[1]


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (GuaranteeKind.SINGLE, {1}),
        (GuaranteeKind.NONE, {0}),
        (GuaranteeKind.PARTIAL, {0, 1, 2, 3}),
        (GuaranteeKind.COVERED, {1, 2, 3}),
        (GuaranteeKind.COMPLETE, {1, 2, 3}),
        (GuaranteeKind.SAMPLED, {1, 2, 3}),
    ],
)
def test_as_many_points_as_go_with_the_guarantee(kind: GuaranteeKind, allowed: set[int]) -> None:
    coverage = 0.3 if kind in (GuaranteeKind.COVERED, GuaranteeKind.COMPLETE) else None
    stopped = "interrupted" if kind is GuaranteeKind.PARTIAL else None
    guarantee = dataclasses.replace(covered().guarantee, kind=kind, coverage=coverage, stopped=stopped)
    answer = dataclasses.replace(covered(), guarantee=guarantee)
    for count in range(4):
        told = [problem for problem in of_the_answer(answer, [one()] * count) if problem.startswith("deployments: ")]
        if count in allowed:
            assert told == []
        elif count:
            assert told == [f"deployments: found {count}, expected at most {max(allowed)} with the guarantee {kind}"]
        else:
            assert told == [f"deployments: found none, expected at least one with the guarantee {kind}"]


def test_the_status_follows_from_the_points_and_the_guarantee() -> None:
    told = list(of_the_answer(dataclasses.replace(covered(), status=AnswerStatus.FEASIBLE), covered().deployments))
    assert told == ["status: found feasible, its deployments and its guarantee make it optimal"]


def contradictions(**changes: Any) -> list[str]:
    price = one().cost_usd_per_mtok * one().throughput_tokens_per_s * 3600e-6 / one().gpus
    card = dataclasses.replace(catalog.accelerator("H100-SXM"), usd_per_gpu_hour=price)
    return list(own_contradictions(dataclasses.replace(one(), **changes), {one().accelerator: card}))


def test_a_deployment_as_it_is_does_not_contradict_itself() -> None:
    assert contradictions() == []
    # Without a price its cost follows from nothing.
    assert list(own_contradictions(one(), {})) == []


@pytest.mark.parametrize("name", ["speed_tokens_per_s", "throughput_tokens_per_s", "cost_usd_per_mtok", "gap", "bound"])
def test_a_figure_that_does_not_follow_from_the_others_is_named(name: str) -> None:
    value = getattr(one(), name)
    unit = max(abs(value), 1.0) if name == "gap" else value
    assert contradictions(**{name: value + 1e-16 * unit}) == []
    for other in (value - MUCH * unit, value + MUCH * unit):
        told = contradictions(**{name: other})
        # A bound is compared with the gap that follows from it.
        assert any(problem.startswith("gap: " if name == "bound" else f"{name}: ") for problem in told), told


@pytest.mark.parametrize("name", ["bound", "cost_cap"])
def test_bound_and_cap_may_be_what_they_bound(name: str) -> None:
    value = {"bound": one().speed_tokens_per_s, "cost_cap": one().cost_usd_per_mtok}[name]
    assert contradictions(**{name: value, "gap": 0.0}) == []
    assert contradictions(cost_cap=None) == []
    below = contradictions(**{name: value * (1.0 - MUCH)})
    assert any(problem.startswith(f"{name}: found ") and ", below the " in problem for problem in below)
    assert not any("below the" in problem for problem in contradictions(**{name: value * (1.0 - LITTLE)}))


def test_gpus_are_the_product_of_the_degrees() -> None:
    told = contradictions(gpus=one().gpus + 1)
    assert f"gpus: found {one().gpus + 1}, the other figures give {one().gpus}" in told


@pytest.mark.parametrize(
    ("latency", "cost", "expected"),
    [
        (1.0, 1.0, False),
        (1.0, 1.0 - MUCH, True),
        (1.0 - MUCH, 1.0, True),
        (1.0, 1.0 - LITTLE, False),
        (1.0 - LITTLE, 1.0, False),
        (0.9, 0.9, True),
        (1.0 + LITTLE, 0.5, True),
        (0.5, 1.0 + LITTLE, True),
        (1.0 + MUCH, 0.5, False),
        (0.5, 1.0 + MUCH, False),
        (1.0 + MUCH, 1.0 + MUCH, False),
    ],
)
def test_what_dominates_is_no_worse_and_in_one_better_by_more_than_rounding(
    latency: float, cost: float, expected: bool
) -> None:
    assert dominates(one().latency_s * latency, one().cost_usd_per_mtok * cost, one()) is expected


def test_points_go_from_fast_to_slow_and_none_dominates_another() -> None:
    points = covered().deployments
    assert list(against_each_other(points)) == []
    assert list(against_each_other(points[:1])) == []
    assert list(against_each_other((points[1], points[0], *points[2:]))) == [
        "deployments[1]: is not slower than the one before it"
    ]
    assert list(against_each_other((points[0], points[0]))) == ["deployments[1]: is not slower than the one before it"]
    worse = dataclasses.replace(points[0], latency_s=points[0].latency_s * 1.01)
    assert list(against_each_other((points[0], worse))) == [
        "deployments[1]: is dominated by another deployment of the result"
    ]
