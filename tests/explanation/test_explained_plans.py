"""What decides a plan: by hand where that can be counted, and else by solving the changed scenario itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from explained_fleets import ALIKE, FRUGAL, HUNGRY, PRICED, counted, priced

import ieco_opt
from ieco_opt import Fleet
from ieco_opt.errors import InfeasibleError, ScenarioError
from ieco_opt.explanation.alternatives import explain_alternatives
from ieco_opt.explanation.fleet_explainer import explain_fleet, explain_plan
from ieco_opt.explanation.fleet_limits import FleetLimit, limits_of_fleet
from ieco_opt.reports.text import render
from ieco_opt.reports.text.explanation_fleet import one_line
from ieco_opt.results.fleet_explanation import FleetExplanation, FleetLimitEffect
from ieco_opt.results.reading import load_result
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet

EXACT = 1e-9


@pytest.fixture(scope="module")
def of_priced() -> FleetExplanation:
    return explain_fleet(priced())


def effect_of(explanation: FleetExplanation, limit: str) -> FleetLimitEffect:
    return next(each for each in explanation.limits if each.limit == limit)


def test_power_that_binds_costs_what_can_be_counted() -> None:
    # With 6.5 kW five instances can be hungry: 5 + 5 x 0.3 kW, and $5 + $10. Without, all ten are, for $10.
    explanation = explain_fleet(counted())
    assert explanation.plan.usd_per_hour == pytest.approx(15.0, rel=EXACT)
    power = effect_of(explanation, "limits.max_power_kw")
    assert power.binds
    assert power.reached == pytest.approx(6.5, rel=EXACT)
    assert power.removed is not None
    assert power.removed.plan.usd_per_hour == pytest.approx(10.0, rel=EXACT)
    assert power.removed.gain == pytest.approx(1.0 / 3.0, rel=EXACT)
    # The next one that is hungry draws 0.7 kW more and costs $1 less.
    assert power.least is not None
    assert power.least.value == pytest.approx(7.2, rel=EXACT)
    assert power.least.plan.usd_per_hour == pytest.approx(14.0, rel=EXACT)
    assert explanation.binding == ("limits.max_power_kw",)
    speed = effect_of(explanation, "workloads.chat.min_speed")
    assert (speed.binds, speed.reached, speed.removed, speed.least) == (False, 40.0, None, None)
    assert one_line(explanation) == "binds: limits.max_power_kw ($10.00/h without it, 33.3 % cheaper)"


def test_limits_that_bind_only_together_are_found() -> None:
    # All on the cheap pool costs $10 and draws 10 kW: one limit of 6.5 kW for the pool and one for all say no alike.
    pools = [HUNGRY | ALIKE | {"max_power_kw": 5.0}, FRUGAL | ALIKE]
    explanation = explain_fleet(counted(pools=pools))
    assert explanation.plan.usd_per_hour == pytest.approx(15.0, rel=EXACT)
    assert explanation.binding == ()
    assert explanation.binding_together == ("pools.hungry.max_power_kw", "limits.max_power_kw")
    together = "pools.hungry.max_power_kw, limits.max_power_kw"
    assert one_line(explanation) == f"binds: no limit alone, but together {together}"
    assert ieco_opt.verify(explanation).problems == []


def test_capacity_that_binds_is_relaxed_by_what_a_better_plan_uses() -> None:
    pools = [HUNGRY | ALIKE | {"gpus": 4}, FRUGAL | ALIKE]
    explanation = explain_fleet(counted(pools=pools, limits={}))
    # Four are hungry; one more takes a fifth GPU.
    capacity = effect_of(explanation, "pools.hungry.gpus")
    assert explanation.plan.usd_per_hour == pytest.approx(16.0, rel=EXACT)
    assert capacity.binds
    assert capacity.removed is not None
    assert capacity.removed.plan.usd_per_hour == pytest.approx(10.0, rel=EXACT)
    assert capacity.least is not None
    assert (capacity.least.value, capacity.least.plan.usd_per_hour) == (5.0, pytest.approx(15.0, rel=EXACT))


def test_most_requests_have_no_end_without_a_capacity_unless_a_cap_ends_them() -> None:
    pools = [HUNGRY | ALIKE | {"gpus": 4}]
    points = [{"pool": "hungry", "gpus": 1, "throughput_requests_per_s": 10.0}]
    workload = {"name": "chat", "prompt_tokens": 100, "output_tokens": 100, "operating_points": points}
    asked = {"pools": pools, "workloads": [workload], "objective": "throughput"}
    endless = explain_fleet(counted(**asked, limits={}))
    capacity = effect_of(endless, "pools.hungry.gpus")
    assert (capacity.binds, capacity.removed) == (True, None)
    assert capacity.least is not None
    assert (capacity.least.value, capacity.least.gain) == (5.0, pytest.approx(0.25, rel=EXACT))
    assert ieco_opt.verify(endless).problems == []
    # A budget of $6 an hour pays for six.
    paid = explain_fleet(counted(**asked, limits={"max_usd_per_hour": 6.0}))
    capacity = effect_of(paid, "pools.hungry.gpus")
    assert capacity.removed is not None
    assert capacity.removed.gain == pytest.approx(0.5, rel=EXACT)
    assert effect_of(paid, "limits.max_usd_per_hour").binds is False
    assert ieco_opt.verify(paid).problems == []


def without(limit: FleetLimit, mapping: dict[str, Any]) -> Fleet:
    """The scenario as somebody would write it who does not want the limit."""
    whole = dict(mapping)
    where, _, field = limit.name.rpartition(".")
    if where.startswith("workloads"):
        workload = dict(whole["workloads"][0])
        if field == "max":
            workload["design_space"] = {k: v for k, v in workload["design_space"].items() if k != "batch"}
        elif field == "memory_utilization":
            workload[field] = 1.0
        else:
            workload.pop(field)
        whole["workloads"] = [workload]
    elif where.startswith("pools"):
        pools = [dict(pool) for pool in whole["pools"]]
        assert limit.at is not None
        pools[limit.at] |= {"gpus": 4096} if field == "gpus" else {"rented_by": "gpu"}
        whole["pools"] = pools
    else:
        whole["limits"] = {name: value for name, value in whole["limits"].items() if name != field}
    return load_fleet_mapping(whole)


def test_a_limit_left_out_is_the_scenario_without_it(of_priced: FleetExplanation) -> None:
    limits = limits_of_fleet(resolve_fleet(priced()))
    assert [each.limit for each in of_priced.limits] == [limit.name for limit in limits]
    binding = 0
    for limit, effect in zip(limits, of_priced.limits, strict=True):
        apart = ieco_opt.plan(without(limit, PRICED))
        found = of_priced.plan if effect.removed is None else effect.removed.plan
        assert found.usd_per_hour == pytest.approx(apart[0].usd_per_hour, rel=EXACT), limit.name
        assert effect.binds is (apart[0].usd_per_hour < of_priced.plan.usd_per_hour * (1.0 - 1e-6)), limit.name
        binding += bool(effect.binds)
    assert binding >= 3


def test_the_least_relaxation_is_enough_and_less_is_not(of_priced: FleetExplanation) -> None:
    effect = effect_of(of_priced, "workloads.chat.min_speed")
    assert effect.least is not None
    assert effect.least.value is not None
    better = ieco_opt.plan(priced(min_speed=effect.least.value))[0].usd_per_hour
    assert better == pytest.approx(effect.least.plan.usd_per_hour, rel=EXACT)
    assert better < of_priced.plan.usd_per_hour
    closer = effect.least.value + 0.01 * (60.0 - effect.least.value)
    assert ieco_opt.plan(priced(min_speed=closer))[0].usd_per_hour == pytest.approx(of_priced.plan.usd_per_hour)


def test_a_runner_up_is_the_plan_of_the_scenario_without_the_choice(of_priced: FleetExplanation) -> None:
    base, tried = of_priced.plan.usd_per_hour, set()
    for each in of_priced.runner_ups:
        workload = PRICED["workloads"][0]
        changes: dict[str, Any] = {}
        match each.choice:
            case "accelerator":
                changes["pools"] = [p["name"] for p in PRICED["pools"] if p["accelerator"] in each.others]
            case "layout":
                if "prefill" in each.without:
                    continue
                only = [each.without] == [f"TP{degree}" for degree in (1, 2, 4) if f"TP{degree}" == each.without]
                assert only
                left = [degree for degree in (1, 2, 4) if f"TP{degree}" != each.without]
                # Prefill keeps its layouts, which lists of degrees cannot say; colocated it is the same.
                if of_priced.plan.workloads[0].serving == "disaggregated":
                    continue
                changes = {"design_space": workload["design_space"] | {"tensor_parallel": left}}
            case _:
                field = each.choice
                changes[field] = list(each.others)
        try:
            apart: float | None = ieco_opt.plan(priced(**changes))[0].usd_per_hour
        except InfeasibleError:
            apart = None
        tried.add(each.choice)
        if each.plan is None:
            assert apart is None
            continue
        assert apart is not None
        assert each.loss is not None
        if each.choice == "layout":
            assert each.plan.usd_per_hour <= apart * (1.0 + EXACT)
        else:
            assert each.plan.usd_per_hour == pytest.approx(apart, rel=EXACT), each
        assert each.loss == pytest.approx(each.plan.usd_per_hour / base - 1.0, abs=1e-12)
    assert tried >= {"serving", "accelerator", "weights", "engine"}


def test_a_layout_is_excluded_before_anything_is_dropped_for_it() -> None:
    """Other layouts of as many GPUs, which the excluded one dominates, must come back."""
    wide = {"design_space": {"tensor_parallel": [1, 2], "attention_data_parallel": [1, 2], "pipeline_parallel": [1]}}
    fleet = priced(**wide, serving=["colocated"], weights=["fp8"], pools=["h100"], min_speed=150)
    explanation = explain_fleet(fleet)
    (runner,) = [each for each in explanation.runner_ups if each.choice == "layout"]
    assert runner.without == "TP2"
    assert runner.plan is not None
    lists = {"TP1": ([1], [1]), "TP1 DP2": ([1], [2]), "TP2 DP2": ([2], [2])}
    least = []
    for tensor, groups in lists.values():
        space = {"tensor_parallel": tensor, "attention_data_parallel": groups, "pipeline_parallel": [1]}
        try:
            changed = wide | {"design_space": space}
            alone = priced(**changed, serving=["colocated"], weights=["fp8"], pools=["h100"], min_speed=150)
            least.append(ieco_opt.plan(alone)[0].usd_per_hour)
        except InfeasibleError:
            continue
    assert least
    # A mix of layouts may be better still, but none of one alone is.
    assert runner.plan.usd_per_hour <= min(least) * (1.0 + EXACT)
    assert all(str(row.parallelism.short()) != "TP2" for row in runner.plan.instances if row.parallelism)


def test_the_time_of_a_token_adds_up_and_says_where_its_figures_come_from(of_priced: FleetExplanation) -> None:
    for row in of_priced.plan.instances:
        key = (row.workload, row.phase, row.pool, row.instance_type)
        mine = [t for t in of_priced.times if (t.workload, t.phase, t.pool, t.instance_type) == key]
        total = row.latency_s or row.time_to_first_token_s
        assert total is not None
        assert sum(part.seconds for part in mine if not part.hidden) == pytest.approx(total, rel=1e-9)
        assert {part.term for part in mine} >= {"launch overhead", "weights"}
        assert all(part.sources for part in mine)
    by_figure = {(each.of, each.figure): each for each in of_priced.sources}
    accelerators = {row.accelerator for row in of_priced.plan.instances}
    for name in accelerators:
        said = ieco_opt.catalog.accelerator(name).sources["hbm_bytes_per_s"]
        assert by_figure[name, "hbm_bytes_per_s"].source == said


@pytest.mark.parametrize(
    ("weights", "groups", "expected"),
    [
        ("fp8", 4, {"all_to_all", "quantised_exchange", "all_reduce_share"}),
        ("bf16", 4, {"all_to_all", "all_reduce_share"}),
        ("fp8", 1, {"all_reduce_share"}),
    ],
)
def test_constants_of_exchanges_are_figures_of_plans_that_exchange(
    weights: str, groups: int, expected: set[str]
) -> None:
    space = {"stage_ranks": [4], "attention_data_parallel": [groups], "expert_parallel": [4], "pipeline_parallel": [1]}
    asked = {"model": "Qwen3-30B-A3B", "weights": [weights], "engine": "sglang", "design_space": space}
    load = {"requests_per_s": 5, "prompt_tokens": 500, "output_tokens": 100, "serving": ["colocated"]}
    pool = {"name": "p", "accelerator": "H100-SXM", "gpus": 16, "rented_by": "gpu"}
    mapping = {"kind": "fleet", "name": "moe", "pools": [pool], "workloads": [{"name": "w", **asked, **load}]}
    figures = {each.figure for each in ieco_opt.explain(load_fleet_mapping(mapping)).sources}
    assert figures & {"all_gather", "all_to_all", "quantised_exchange", "all_reduce_share"} == expected


def test_the_next_batch_breaks_what_it_is_said_to_break(of_priced: FleetExplanation) -> None:
    for row, held in zip(of_priced.plan.instances, of_priced.held, strict=True):
        if row.phase == "prefill":
            assert held.next_batch is None
            continue
        assert row.batch is not None
        assert held.next_batch is not None
        assert held.next_batch > row.batch
        assert held.tpot_share == pytest.approx(60.0 / (row.speed_tokens_per_s or 0.0), rel=EXACT)
        if row.batch == 24:
            assert "design_space.batch" in held.held_by


def test_a_stored_plan_is_explained_as_it_stands(tmp_path: Path, of_priced: FleetExplanation) -> None:
    plan = ieco_opt.plan(priced())
    plan.to_json(tmp_path / "plan.json")
    stored = load_result(tmp_path / "plan.json")
    explanation = ieco_opt.explain(stored)  # type: ignore[call-overload]
    assert explanation.plan == plan[0]
    for name in ("limits", "runner_ups", "held", "times", "sources"):
        assert getattr(explanation, name) == getattr(of_priced, name), name


def test_a_plan_that_does_not_hold_is_refused() -> None:
    from dataclasses import replace

    plan = ieco_opt.plan(counted())
    wrong = replace(plan, plans=(replace(plan[0], usd_per_hour=1.0),))
    with pytest.raises(ScenarioError, match="usd_per_hour: found 1, its nodes cost 15"):
        explain_plan(wrong)
    with pytest.raises(ScenarioError, match="found a frontier"):
        explain_plan(ieco_opt.fleet_frontier(counted(limits={}), against="gpus"))
    old = replace(plan, versions=replace(plan.versions, model=1))
    with pytest.raises(ScenarioError, match=r"versions\.model: found 1"):
        explain_plan(old)


def test_what_makes_no_sense_for_a_fleet_is_refused_by_name() -> None:
    with pytest.raises(ScenarioError, match="preference: is for deployments"):
        ieco_opt.explain(counted(), preference=2.0)
    with pytest.raises(ScenarioError, match="objective: found 'fastest'"):
        ieco_opt.explain(counted(), objective="fastest")
    with pytest.raises(ScenarioError, match="objective: is that of the plan"):
        ieco_opt.explain(ieco_opt.plan(counted()), objective="cost")
    with pytest.raises(ScenarioError, match="scenario: found"):
        ieco_opt.explain("x")  # type: ignore[call-overload]


def test_a_fleet_that_cannot_be_served_says_what_it_would_take() -> None:
    with pytest.raises(InfeasibleError, match=r"max_power_kw raised by 1 kW"):
        explain_fleet(counted(limits={"max_power_kw": 2.0}))


def test_an_explanation_is_read_back_and_verified(tmp_path: Path, of_priced: FleetExplanation) -> None:
    of_priced.to_json(tmp_path / "why.json")
    read = load_result(tmp_path / "why.json")
    assert read == of_priced
    report = ieco_opt.verify(read)
    assert report.problems == []
    assert report.plans > 5
    assert any("bounds" in each for each in report.unchecked)
    assert len(of_priced.to_dataframe()) == len(of_priced.plan.instances)
    assert "what decides least cost" in repr(of_priced)
    text = render(of_priced, 100)
    assert max(map(len, text.split("\n"))) <= 100
    for words in ("binds: ", "What each limit costs", "What holds the instances", "Runner-ups", "source: m measured"):
        assert words in text


def test_why_another_plan_costs_more_is_counted_by_what_it_pays_for() -> None:
    # 9.5 of ten instances of one GPU are busy. By the node of 4 two GPUs of 12 belong to none; the other pool is billed
    # by the GPU, at three times the price and with less power.
    pools = [HUNGRY | ALIKE | {"rented_by": "node"}, FRUGAL | ALIKE | {"usd_per_gpu_hour": 3.0}]
    workload = counted().to_mapping()["workloads"][0] | {"requests_per_s": 95.0}
    fleet = counted(pools=pools, workloads=[workload], limits={})
    explained = ieco_opt.explain(ieco_opt.alternatives(fleet, within=2.0, differ=("pool",)))
    assert [str(each.combinations[0]) for each in explained.alternatives] == ["chat: hungry", "chat: frugal"]
    first, second = ({term.term: term for term in each.taken[0].terms} for each in explained.alternatives)
    amounts = [{name: term.amount for name, term in terms.items()} for terms in (first, second)]
    names = ("operating point", "spare capacity", "unused GPUs")
    assert amounts[0] == pytest.approx(dict(zip(names, (9.5, 0.5, 2.0), strict=True)), rel=EXACT)
    assert amounts[1] == pytest.approx(dict(zip(names, (28.5, 1.5, 0.0), strict=True)), rel=EXACT)
    taken = explained.alternatives[1].taken[0]
    assert (taken.quantity, taken.unit, taken.amount, taken.more) == ("cost", "$/h", pytest.approx(30.0), 18.0)
    assert (second["unused GPUs"].more, second["spare capacity"].more) == (pytest.approx(-2.0), pytest.approx(1.0))
    assert taken.mostly == second["operating point"]
    assert explained.best.limits == explain_fleet(fleet).limits


@pytest.mark.parametrize("objective", ["power", "energy", "throughput"])
def test_terms_of_plans_add_up_to_what_they_take(objective: Any) -> None:
    fleet = priced(min_speed=20, design_space={"tensor_parallel": [1, 2], "pipeline_parallel": [1], "batch": [8]})
    listed = ieco_opt.alternatives(fleet, within=9.0, count=2, differ=("layout",), objective=objective)
    explained = explain_alternatives(listed, binding_only=True)
    for each, found in zip(explained.alternatives, listed.found, strict=True):
        (taken,) = each.taken
        # Where as much as possible is served, all GPUs of the pools are behind each request.
        wanted = found.objective if objective != "throughput" else 28.0 / (30.0 * found.objective)
        assert taken.amount == pytest.approx(wanted, rel=EXACT)
        assert {"launch overhead", "weights", "cache", "prompts"} <= {term.term for term in taken.terms}
        assert all(term.amount >= 0.0 for term in taken.terms)
    assert len(listed) == 2
