"""What a check looks at and counts, and whole results that answer another question than theirs."""

from __future__ import annotations

import dataclasses

import pytest
from edited_results import RESULTS
from places import SCENARIOS
from saved_results import KINDS, result

import ieco_opt
from ieco_opt.pareto import run
from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.plan import FleetResult
from ieco_opt.verification.report import Verification


def counts(report: Verification) -> tuple[int, ...]:
    return (
        *(report.deployments, report.configurations, report.heuristics),
        *(report.plans, report.rows, report.nodes),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_counts_what_it_looked_at(kind: str) -> None:
    answer = result(kind)
    found = counts(ieco_opt.verify(answer))
    if isinstance(answer, FleetResult):
        rows = sum(len(plan.instances) for plan in answer.plans)
        nodes = sum(len({(row.pool, row.node) for row in plan.nodes}) for plan in answer.plans)
        assert found == (0, 0, 0, len(answer.plans), rows, nodes)
    elif isinstance(answer, Alternatives):
        deployments = 0 if answer.of_fleet else len(answer.every)
        assert (found[0], found[3]) == (deployments, len(answer.every) - deployments)
        assert ieco_opt.verify(answer).alternatives == len(answer)
        assert max(found[1], found[5]) > 0
    else:
        assert isinstance(answer, Frontier | Explanation | Comparison)
        heuristics = len(answer.heuristics) if isinstance(answer, Comparison) else 0
        assert found[:1] + found[2:] == (len(answer.deployments), heuristics, 0, 0, 0)
        assert found[1] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_of_another_model_only_what_does_not_depend_on_it_is_checked(kind: str) -> None:
    answer = result(kind)
    older = dataclasses.replace(answer, versions=dataclasses.replace(answer.versions, model=MODEL_VERSION + 1))
    report = ieco_opt.verify(older)
    (problem,) = report.problems
    assert problem == (
        f"versions.model: found {MODEL_VERSION + 1}, this version has the performance model {MODEL_VERSION}; "
        "figures of the model were not checked"
    )
    assert report.configurations == 0
    assert counts(report)[3:] == counts(ieco_opt.verify(answer))[3:]


def explained(kind: str) -> Explanation:
    answer = RESULTS[kind]()
    assert isinstance(answer, Explanation)
    return answer


def test_an_explanation_of_another_deployment_than_the_best_is_told_so() -> None:
    answer = explained("explained")
    other = run.answer(answer.scenario, objective="fastest")
    assert other[0].latency_s < answer.deployments[0].latency_s
    problems = ieco_opt.verify(dataclasses.replace(answer, deployments=other.deployments)).problems
    best = answer.deployments[0]
    assert problems == [
        "question.objective: the deployment is not the one that is cheapest: there is a deployment of "
        f"{best.speed_tokens_per_s:.9g} tokens/s at ${best.cost_usd_per_mtok:.9g} per million tokens"
    ]


def test_an_explanation_calls_infeasible_just_what_is() -> None:
    feasible, infeasible = explained("explained"), explained("infeasible")
    problems = ieco_opt.verify(dataclasses.replace(infeasible, scenario=feasible.scenario)).problems
    best = run.answer(feasible.scenario, objective="fastest")[0]
    assert problems == [
        "infeasible_subset: the scenario is feasible: there is a deployment of "
        f"{best.speed_tokens_per_s:.9g} tokens/s at ${best.cost_usd_per_mtok:.9g} per million tokens"
    ]
    meets = ieco_opt.verify(dataclasses.replace(feasible, scenario=infeasible.scenario)).problems
    assert any(" misses limits.min_speed = 900" in problem for problem in meets)


def test_what_starts_an_explained_deployment_is_what_fits_at_its_utilization() -> None:
    """At 0.9 of the memory only SGLang holds this batch; of all of it every server does."""
    changed = ["limits.min_speed=40", "profile=hopper-2026-07"]
    scenario = ieco_opt.load_scenario(SCENARIOS / "llama-3.3-70b-h100.yaml", changed)
    explanation = ieco_opt.explain(scenario, objective="cheapest")
    assert explanation.chosen is not None
    assert explanation.chosen.engines == explanation.chosen.engine
    assert ieco_opt.verify(explanation).problems == []
