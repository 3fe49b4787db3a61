"""What planning with the error costs, in explanations, in words, and for configurations that are asked about."""

from __future__ import annotations

from typing import Any

import pytest

import ieco_opt
from ieco_opt import Scenario
from ieco_opt.errors import InfeasibleError
from ieco_opt.heuristics.registry import chosen
from ieco_opt.reports.text import render
from ieco_opt.scenario import Limits

Fields = dict[str, Any]

DENSE: Fields = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "profile": "paper-constants",
    "accelerators": ["H100-SXM", "L40S"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1], "batch": {"max": 128}},
}


def scenario(error: float | str, **limits: float) -> Scenario:
    return Scenario(**DENSE, model_error=error, limits=limits)


def test_the_margin_costs_the_difference_to_the_same_question_without_it() -> None:
    asked = scenario(0.25, min_speed=120)
    found = ieco_opt.explain(asked, objective="cheapest")
    free = ieco_opt.solve(scenario(0, min_speed=120), objective="cheapest")
    assert found.chosen is not None
    assert found.margin is not None
    assert found.chosen.speed_tokens_per_s >= 1.25 * 120
    assert found.chosen.batch == ieco_opt.solve(scenario(0, min_speed=150), objective="cheapest").batch
    assert found.margin.deployment is not None
    assert found.margin.deployment.batch == free.batch > found.chosen.batch
    assert found.margin.gain == pytest.approx(1.0 - free.cost_usd_per_mtok / found.chosen.cost_usd_per_mtok)
    line = " ".join(render(found, 200).splitlines()[1].split())
    start = "limits hold if the model is 25 % too optimistic; without that margin: "
    assert line.startswith(f"{start}{free.speed_tokens_per_s:.4g} output tokens/s/user")
    assert line.endswith(" cheaper)")


def test_a_margin_that_costs_nothing_is_said_to() -> None:
    found = ieco_opt.explain(scenario(0.25, min_speed=1))
    assert found.margin is not None
    assert found.margin.gain == 0.0
    assert found.margin.deployment == found.chosen
    assert "25 % too optimistic; that costs nothing" in render(found, 200)


def test_without_an_error_there_is_no_margin() -> None:
    found = ieco_opt.explain(scenario(0, min_speed=1))
    assert found.margin is None
    assert "optimistic" not in render(found, 200)


def test_what_an_infeasible_scenario_needs_holds_with_the_error() -> None:
    fastest = ieco_opt.solve(scenario(0), objective="fastest").speed_tokens_per_s
    asked = scenario(0.25, min_speed=0.9 * fastest)
    found = ieco_opt.explain(asked)
    assert found.infeasible_subset is not None
    (member,) = found.infeasible_subset.members
    assert member.needed == pytest.approx(fastest / 1.25)
    assert ieco_opt.solve(
        scenario(0.25, min_speed=member.needed), objective="fastest"
    ).speed_tokens_per_s == pytest.approx(fastest)
    assert found.margin is not None
    assert found.margin.gain is None
    assert found.margin.deployment is not None
    assert found.margin.deployment.speed_tokens_per_s == fastest
    assert "25 % too optimistic; without that margin: " in render(found, 200)
    hopeless = ieco_opt.explain(scenario(0.25, min_speed=2 * fastest))
    assert hopeless.margin is not None
    assert hopeless.margin.deployment is None
    assert "without that margin no deployment meets the limits either" in render(hopeless, 200)


def test_a_needed_cost_and_throughput_hold_with_the_error() -> None:
    cheapest = ieco_opt.solve(scenario(0), objective="cheapest")
    dear = ieco_opt.explain(scenario(0.25, max_cost=cheapest.cost_usd_per_mtok))
    assert dear.infeasible_subset is not None
    assert dear.infeasible_subset.members[0].needed == pytest.approx(1.25 * cheapest.cost_usd_per_mtok)
    most = ieco_opt.explain(scenario(0, min_throughput=1e9)).infeasible_subset
    held = ieco_opt.explain(scenario(0.25, min_throughput=1e9)).infeasible_subset
    assert most is not None
    assert held is not None
    assert most.members[0].needed is not None
    assert held.members[0].needed == pytest.approx(most.members[0].needed / 1.25)


def test_a_cap_on_throughput_and_power_know_no_error() -> None:
    for limit in ({"max_throughput": 5000.0}, {"max_power_kw": 0.7}):
        answers = [ieco_opt.solve(scenario(error, **limit), objective="cheapest") for error in (0, 0.5)]
        assert answers[0] == answers[1]


def test_an_infeasible_scenario_says_with_what_error() -> None:
    fastest = ieco_opt.solve(scenario(0), objective="fastest").speed_tokens_per_s
    with pytest.raises(InfeasibleError, match="limits hold if the model is 25 % too optimistic"):
        ieco_opt.solve(scenario(0.25, min_speed=0.9 * fastest), objective="fastest")


def test_a_configuration_that_misses_a_limit_only_with_the_error_is_told() -> None:
    one = Scenario(**DENSE | {"accelerators": ["H100-SXM"]})
    (priced,) = ieco_opt.explain_configuration(one, "TP1,B32").verdicts[:1]
    assert priced.deployment is not None
    speed, cost = priced.deployment.speed_tokens_per_s, priced.deployment.cost_usd_per_mtok
    for limits, text in (
        ({"min_speed": 0.9 * speed}, f"{speed / 1.25:.4g} tokens/s with an error of 25 % misses limits.min_speed"),
        ({"max_cost": 1.1 * cost}, f"{1.25 * cost:.4g} $ per million tokens with an error of 25 % misses"),
    ):
        asked = one.model_copy(update={"limits": Limits(**limits), "model_error": 0.25})
        verdict = ieco_opt.explain_configuration(asked, "TP1,B32").verdicts[0]
        assert [each.text.startswith(text) for each in verdict.forbidden] == [True]
        possible = asked.model_copy(update={"model_error": 0.05})
        assert ieco_opt.explain_configuration(possible, "TP1,B32").verdicts[0].possible


@pytest.mark.parametrize("name", ["paper-grid", "coarse-grid", "rule-of-thumb"])
def test_heuristics_propose_and_are_judged_with_the_error(name: str) -> None:
    compared = ieco_opt.compare(scenario(0.25, min_speed=100), chosen([name], resolution=24))
    assert ieco_opt.verify(compared).holds
    proposals = compared.heuristics[0].proposals
    assert proposals
    assert min(each.claimed_speed_tokens_per_s for each in proposals) >= 125.0 * (1.0 - 1e-9)
    served = [each.speed_tokens_per_s for each in proposals if each.speed_tokens_per_s is not None]
    assert all(speed >= 125.0 * (1.0 - 1e-9) for speed in served)
    assert "limits hold if the model is 25 % too optimistic" in render(compared, 200)
