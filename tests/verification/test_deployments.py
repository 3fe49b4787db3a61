"""Deployments that break one rule: `verify` names it, and nothing else; those that just keep it hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from saved_results import DRAFTED, result

import ieco_opt
from ieco_opt.pareto import run
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import CLOSED, AnswerStatus, Between, Box, Guarantee, GuaranteeKind, Status, neighbours
from ieco_opt.verification.consistency import of_the_gap
from ieco_opt.verification.verify import Scene, check

TOGETHER = "accelerator, weights, kv_cache: found H100-SXM, fp8 and bf16"
LIMITS = ("min_speed", "max_cost", "max_throughput", "min_throughput", "max_power_kw")


@cache
def fastest() -> Frontier:
    return run.answer(scenario(), objective="fastest")


@cache
def fastest_of_two() -> Frontier:
    """The fastest deployment of at least two sequences."""
    return run.answer(scenario(design_space={"batch": {"min": 2, "max": 64}}), objective="fastest")


@cache
def front() -> Frontier:
    return ieco_opt.frontier(scenario(), delta=0.1)


def scenario(**changes: Any) -> ieco_opt.Scenario:
    space = DRAFTED["design_space"] | {"stage_ranks": [2, 4], "max_gpus": 4} | changes.pop("design_space", {})
    published = {"profile": "paper-constants"}
    return ieco_opt.Scenario(**DRAFTED | published | {"design_space": space, "limits": {}} | changes)


def problems(answer: Frontier) -> list[str]:
    return ieco_opt.verify(answer).problems


def with_points(answer: Frontier, points: tuple[Deployment, ...]) -> Frontier:
    """Other points, with what is said of their neighbours and of all of them put right."""
    guarantee = neighbours(answer.guarantee, [(each.latency_s, each.cost_usd_per_mtok) for each in points])
    return dataclasses.replace(answer, deployments=points, guarantee=guarantee)


def reached(name: str) -> float:
    """What the fastest deployment comes to in a limit."""
    one = fastest()[0]
    assert one.power_kw is not None
    return {
        "min_speed": one.speed_tokens_per_s,
        "max_cost": one.cost_usd_per_mtok,
        "max_throughput": one.throughput_tokens_per_s,
        "min_throughput": one.throughput_tokens_per_s,
        "max_power_kw": one.power_kw,
    }[name]


@pytest.mark.parametrize("name", LIMITS)
def test_a_deployment_exactly_at_a_limit_verifies(name: str) -> None:
    assert problems(dataclasses.replace(fastest(), scenario=scenario(limits={name: reached(name)}))) == []


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_is_missed_is_all_that_is_named(name: str) -> None:
    value = reached(name) * (1.0 + 1e-6 if name.startswith("min") else 1.0 - 1e-6)
    (problem,) = problems(dataclasses.replace(fastest(), scenario=scenario(limits={name: value})))
    assert problem.startswith("deployments[0]: limits: ")
    assert problem.endswith(f" misses limits.{name} = {value:g}")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weights": ["bf16"]}, f"{TOGETHER}, which the scenario does not list together"),
        ({"accelerators": ["L40S"]}, f"{TOGETHER}, which the scenario does not list together"),
        ({"kv_cache": ["fp8"]}, f"{TOGETHER}, which the scenario does not list together"),
        ({"design_space": {"stage_ranks": [2]}}, "tensor_parallel, attention_data_parallel, pipeline_parallel, "),
        ({"design_space": {"batch": {"min": 3, "max": 64}}}, "batch: found 2, expected 3 to 64"),
        ({"design_space": {"batch": [1, 4]}}, "batch: found 2, expected one of 1, 4"),
        ({"speculation": None}, "draft_tokens: found 3 with a draft model, which is not part of the scenario's"),
        ({"memory_utilization": 0.02}, "tensor_parallel, attention_data_parallel, pipeline_parallel, "),
        ({"memory_reserve_gb": 76}, "tensor_parallel, attention_data_parallel, pipeline_parallel, "),
    ],
    ids=str,
)
def test_a_configuration_that_does_not_exist_is_all_that_is_named(changes: dict[str, Any], expected: str) -> None:
    assert fastest_of_two()[0].draft_tokens == 3
    assert fastest_of_two()[0].batch == 2
    values = {name: value for name, value in changes.items() if value is not None}
    other = scenario(**values)
    if "speculation" in changes:
        other = other.model_copy(update={"speculation": None})
    (problem,) = problems(dataclasses.replace(fastest_of_two(), scenario=other))
    assert problem.startswith(f"deployments[0]: {expected}")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"draft": None}, "3 with no draft model"),
        ({"draft_tokens": 4}, "4 with a draft model"),
        ({"draft_tokens": 0}, "0 with a draft model"),
    ],
    ids=str,
)
def test_a_speculation_that_is_not_listed_is_all_that_is_named(changes: dict[str, Any], found: str) -> None:
    one = dataclasses.replace(fastest()[0], **changes)
    assert problems(with_points(fastest(), (one,))) == [
        f"deployments[0]: draft_tokens: found {found}, which is not part of the scenario's design space"
    ]


@cache
def grouped() -> Frontier:
    """The cheapest deployment of experts over two attention groups, in vLLM or SGLang."""
    space = {"tensor_parallel": [1], "attention_data_parallel": [2], "expert_parallel": [2], "pipeline_parallel": [1]}
    given = DRAFTED | {"model": "gpt-oss-20b", "weights": ["mxfp4"], "engine": ["vllm", "sglang"], "limits": {}}
    del given["speculation"]
    return run.answer(
        ieco_opt.Scenario(**given | {"design_space": space | {"batch": {"max": 64}}}), objective="cheapest"
    )


def test_deployments_say_server_exchange_and_draft_model() -> None:
    one, drafted = grouped()[0], fastest()[0]
    assert problems(grouped()) == problems(fastest()) == []
    assert (one.parallelism.attention_data, one.batch % 2) == (2, 0)
    assert one.engine in {"vllm", "sglang"}
    assert one.engine in str(one.engines).split(",")
    assert one.exchange in {"all_gather", "all_to_all"}
    assert (one.draft_mode, one.draft_model) == (None, None)
    assert drafted.engines == "sglang,trtllm,vllm"
    assert (drafted.exchange, drafted.draft_mode, drafted.draft_model) == (None, "draft_model", "Llama-3.2-1B")


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        (grouped, {"engine": "trtllm"}, "engine: found trtllm, expected "),
        (grouped, {"engine": None}, "engine: found null, expected "),
        (grouped, {"engines": "trtllm"}, "engines: found trtllm, the performance model gives "),
        (grouped, {"engines": None}, "engines: found null, the performance model gives "),
        (fastest, {"engines": "sglang,vllm"}, "engines: found sglang,vllm, the performance model gives sglang,trtllm,"),
        (grouped, {"exchange": "none"}, "exchange: found none, which the server does not do in TP1 DP2 EP2"),
        (grouped, {"exchange": None}, "exchange: found null, which the server does not do in TP1 DP2 EP2"),
        (fastest, {"exchange": "all_gather"}, "exchange: found all_gather, which the server does not do in TP4"),
        (
            fastest,
            {"draft_model": "Llama-3.2-3B"},
            "draft_model: found Llama-3.2-3B, the performance model gives Llama",
        ),
        (fastest, {"draft_mode": None}, "draft_mode: found null, the performance model gives draft_model"),
    ],
)
def test_who_runs_a_deployment_and_how_is_all_that_is_named(
    answer: Callable[[], Frontier], changes: dict[str, Any], expected: str
) -> None:
    (problem,) = problems(with_points(answer(), (dataclasses.replace(answer()[0], **changes),)))
    assert problem.startswith(f"deployments[0]: {expected}")


def test_a_batch_of_groups_that_are_not_whole_is_told() -> None:
    one = grouped()[0]
    odd = one.batch - 1
    changed = dataclasses.replace(one, batch=odd, throughput_tokens_per_s=odd / one.latency_s)
    assert problems(with_points(grouped(), (changed,)))[-1] == (
        f"deployments[0]: batch: found {odd}, expected a multiple of 2: groups and micro-batches are whole"
    )


@pytest.mark.parametrize("unsure", [False, True])
@pytest.mark.parametrize(
    ("status", "gap", "problem"),
    [
        (Status.OPTIMAL, 0.0, None),
        (Status.OPTIMAL, CLOSED, None),
        (Status.OPTIMAL, 2.0 * CLOSED, "status: found optimal with a gap of 2e-06, expected at most 1e-06"),
        (Status.FEASIBLE, 2.0 * CLOSED, None),
        (Status.FEASIBLE, CLOSED, "status: found feasible with a gap of 1e-06, expected optimal"),
    ],
)
def test_a_status_is_that_of_the_gap_unless_the_search_is_unsure(
    status: Status, gap: float, problem: str | None, unsure: bool
) -> None:
    one = dataclasses.replace(fastest()[0], status=status, gap=gap)
    told = [] if problem is None or (unsure and status is Status.FEASIBLE) else [problem]
    assert list(of_the_gap(one, unsure=unsure)) == told


def test_another_reserve_is_seen_where_it_counts() -> None:
    found = problems(dataclasses.replace(fastest(), scenario=scenario(memory_reserve_gb=9)))
    named = [problem.removeprefix("deployments[0]: ").partition(":")[0] for problem in found]
    assert named == ["memory_per_gpu_gb", "cache_tokens", "reserve_gb", "free_gb"]
    assert found[2].endswith("the performance model gives 9")


def test_another_deployment_than_the_best_is_told_so() -> None:
    (problem,) = problems(dataclasses.replace(fastest(), deployments=(front()[1],)))
    assert problem.startswith("question.objective: the deployment is not the one that is fastest, which is H100-SXM, ")


def test_a_dominated_deployment_is_told_what_dominates_it() -> None:
    cheapest = run.answer(scenario(), objective="cheapest")
    alone = run.answer(scenario().model_copy(update={"speculation": None}), objective="cheapest")
    found = problems(dataclasses.replace(cheapest, deployments=alone.deployments))
    assert found
    assert all("there is" in each or "is dominated by" in each or "which is" in each for each in found)
    assert any(each.startswith("deployments[0]: is dominated by H100-SXM, fp8, ") for each in found)


def test_every_point_that_coverage_needs_is_missed() -> None:
    points = ieco_opt.frontier(scenario(design_space={"batch": {"min": 1, "max": 6}}), complete=True)
    scene = Scene.of(points)
    assert len(points) == 9
    for at in range(len(points)):
        left = with_points(points, (*points.deployments[:at], *points.deployments[at + 1 :]))
        assert any(problem.startswith("guarantee.coverage: ") for problem in check(left, scene).problems), at


def test_coverage_is_searched_for_what_is_not_covered() -> None:
    wide = ieco_opt.frontier(scenario(), delta=0.5)
    assert len(wide) < len(front())
    claimed = dataclasses.replace(
        wide,
        question=dataclasses.replace(wide.question, delta=0.01),
        guarantee=dataclasses.replace(wide.guarantee, coverage=0.01),
    )
    found = problems(with_points(claimed, wide.deployments))
    assert found
    assert all("guarantee.coverage: " in problem and "is not covered to 0.01" in problem for problem in found)


def test_what_a_stopped_search_left_open_is_not_asked_for() -> None:
    nothing = Guarantee(GuaranteeKind.PARTIAL, None, "interrupted", (Box(0.0, float("inf"), 0.0, float("inf")),), ())
    stopped = dataclasses.replace(front(), deployments=(), guarantee=nothing, status=AnswerStatus.STOPPED)
    assert problems(stopped) == []
    closed = dataclasses.replace(stopped, guarantee=dataclasses.replace(nothing, open_regions=()))
    (problem,) = problems(closed)
    assert problem.startswith("guarantee.open_regions: H100-SXM, fp8, ")


@pytest.mark.parametrize(("delta", "holds"), [(0.0, False), (10.0, True)])
def test_a_stopped_search_covers_as_closely_as_was_asked_where_nothing_is_open(delta: float, holds: bool) -> None:
    points = ieco_opt.frontier(scenario(design_space={"batch": {"min": 1, "max": 6}}), complete=True)
    stopped = dataclasses.replace(
        points,
        question=dataclasses.replace(points.question, delta=delta),
        guarantee=Guarantee(GuaranteeKind.PARTIAL, None, "interrupted", ()),
        status=AnswerStatus.STOPPED,
    )
    assert problems(with_points(stopped, points.deployments)) == []
    # The point in the middle is within a factor of its neighbours.
    found = problems(with_points(stopped, (*points.deployments[:4], *points.deployments[5:])))
    if holds:
        assert found == []
    else:
        (problem,) = found
        assert problem.startswith("guarantee.open_regions: ")
        assert problem.endswith(" is not covered to 0 (between deployments[3] and [4])")


def test_between_neighbours_it_says_what_is_known() -> None:
    points = [(1.0, 10.0), (1.04, 5.0), (2.0, 4.9), (4.0, 2.0)]
    covered = neighbours(Guarantee(GuaranteeKind.COVERED, 0.05), points)
    assert covered.between == (Between.CLOSE, Between.CLOSE, Between.PROVEN)
    assert neighbours(Guarantee(GuaranteeKind.SAMPLED), points).between == (Between.OPEN,) * 3
    assert neighbours(Guarantee(GuaranteeKind.COMPLETE, 0.0), [(0.0, 1.0), (0.0, 1.0)]).between == (Between.CLOSE,)
    assert neighbours(Guarantee(GuaranteeKind.COMPLETE, 0.0), [(0.0, 2.0), (1.0, 1.0)]).between == (Between.PROVEN,)


def test_a_file_that_does_not_say_what_lies_between_is_told_so() -> None:
    unsaid = dataclasses.replace(front(), guarantee=dataclasses.replace(front().guarantee, between=None))
    report = ieco_opt.verify(unsaid)
    assert report.holds
    assert any("guarantee.between is null" in words for words in report.unchecked)


def test_shipped_kinds_say_what_they_do_not_check() -> None:
    assert any("confirmed" in words for words in ieco_opt.verify(result("explanation")).unchecked)
    assert any("what they claim" in words for words in ieco_opt.verify(result("comparison")).unchecked)
    assert any("only a solver" in words for words in ieco_opt.verify(result("plan")).unchecked)


@pytest.mark.parametrize(
    ("limit", "column"),
    [("max_energy_j_per_token", "energy_j_per_token"), ("max_carbon_kg_per_mtok", "carbon_kg_per_mtok")],
)
def test_a_limit_on_energy_that_only_holds_without_the_error_is_missed(limit: str, column: str) -> None:
    sited = [{"like": "H100-SXM", "power": {"kg_co2_per_kwh": 0.4}}]
    found = run.answer(scenario(accelerators=sited), objective="fastest")
    taken = getattr(found[0], column)
    for error, most, missed in ((0.0, taken, False), (0.5, 1.5 * taken, False), (0.5, 1.49 * taken, True)):
        asked = scenario(accelerators=sited, model_error=error, limits={limit: most})
        told = [each for each in problems(dataclasses.replace(found, scenario=asked)) if "misses" in each]
        expected = [f"deployments[0]: limits: {1.5 * taken:.9g} misses limits.{limit} = {most:g}"] if missed else []
        assert told == expected
