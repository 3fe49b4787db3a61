"""Why not this configuration: every reason with its source, and losses against frontiers and the oracle."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from oracle import enumerate_deployments
from random_scenarios import numbered

import ieco_opt
from ieco_opt import ConfigurationAnswer, Scenario, ScenarioError
from ieco_opt.engines import profile
from ieco_opt.explanation.asked import asked_of
from ieco_opt.reports.text import render_configuration
from ieco_opt.results.comparison import Obstacle
from ieco_opt.results.configuration import AskedConfiguration, Forbidden, Verdict
from ieco_opt.results.deployment import Deployment

Mapping = dict[str, Any]

EXACT = 1e-9

SPACE: Mapping = {
    "tensor_parallel": [1, 2, 4, 8],
    "attention_data_parallel": [1, 2],
    "pipeline_parallel": [1, 2],
    "batch": {"min": 1, "max": 64},
    "max_gpus": 16,
}
DENSE: Mapping = {
    "model": "Llama-3.1-8B",
    "weights": ["bf16"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": SPACE,
}
EXPERTS: Mapping = {**DENSE, "model": "Qwen3-30B-A3B", "engine": "vllm"}
DRAFTED: Mapping = {
    **DENSE,
    "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 4},
}
PAPER: Mapping = {
    "fidelity": "paper",
    "model": "DeepSeek V3",
    "accelerators": ["H100"],
    "workload": {"context_tokens": 1000},
    "design_space": {"stage_ranks": [16, 32], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 64}},
}


def having(mapping: Mapping, *, space: Mapping | None = None, **fields: Any) -> Mapping:
    return {**mapping, **fields, "design_space": {**mapping["design_space"], **(space or {})}}


_FRONTIERS: dict[str, tuple[Deployment, ...]] = {}


def complete_frontier(mapping: Mapping) -> tuple[Deployment, ...]:
    """All points; of each scenario they are found once."""
    key = json.dumps(mapping)
    if key not in _FRONTIERS:
        _FRONTIERS[key] = tuple(ieco_opt.frontier(Scenario(**mapping), complete=True).deployments)
    return _FRONTIERS[key]


def ask(mapping: Mapping, text: str, **options: Any) -> ConfigurationAnswer:
    return ieco_opt.explain_configuration(Scenario(**mapping), text, **options)


def only(answer: ConfigurationAnswer) -> Verdict:
    (verdict,) = answer.verdicts
    return verdict


def of_server(answer: ConfigurationAnswer, engine: str) -> Verdict:
    (verdict,) = [each for each in answer.verdicts if each.engine == engine]
    return verdict


def reason(verdict: Verdict, field: str | None = None) -> Forbidden:
    (found,) = [each for each in verdict.forbidden if each.field == field]
    return found


def text_of(item: Deployment) -> str:
    held = item.parallelism
    text = f"TP{held.tensor},DP{held.attention_data},PP{held.pipeline},EP{held.expert},R{held.redundant_experts}"
    return f"{text},B{item.batch}" + (f",K{item.draft_tokens}" if item.draft_tokens else "")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("TP8,B64", AskedConfiguration(tensor_parallel=8, batch=64)),
        ("b64 tp8", AskedConfiguration(tensor_parallel=8, batch=64)),
        (
            "Tp8, dP2,\tPP4 EP16,R0,k3,B64",
            AskedConfiguration(
                tensor_parallel=8,
                attention_data_parallel=2,
                pipeline_parallel=4,
                expert_parallel=16,
                redundant_experts=0,
                draft_tokens=3,
                batch=64,
            ),
        ),
    ],
)
def test_parts_come_in_any_order_and_case(text: str, asked: AskedConfiguration) -> None:
    assert asked_of(text) == asked
    assert asked_of(str(asked)) == asked


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found '' without TP and B"),
        ("TP8", "found 'TP8' without B"),
        ("B8,DP2", "found 'B8,DP2' without TP"),
        ("TP8,B1,tp2", "found TP twice"),
        ("TP8,B0", "found 'B0', expected B with an integer from 1 to 1,000,000"),
        ("TP1000001,B1", "found 'TP1000001', expected TP with an integer from 1"),
        ("TP8,B" + "9" * 5000, "expected B with an integer from 1"),
        ("TP8,B1,K1", "found 'K1', expected K with an integer from 2"),
        ("TP8,B1,X2", "found 'X2' in 'TP8,B1,X2'"),
        ("TP-8,B1", "found 'TP-8'"),
        ("TP8;B1", "found 'TP8;B1'"),
        ("TP٨,B1", "found 'TP٨'"),
        ("TP8\x1b[31m,B1", r"found 'TP8\x1b[31m'"),
    ],
)
def test_a_wrong_text_gives_one_line(text: str, found: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        ask(DENSE, text)
    (fault,) = caught.value.faults
    assert found in str(fault)
    assert "expected" in str(fault)
    assert "\n" not in str(fault)
    assert fault.field == "configuration"


def test_a_rule_of_a_server_is_named_with_its_source() -> None:
    answer = ask(DENSE, "TP4,DP2,B8")
    for name in ("vllm", "sglang", "trtllm"):
        refused = reason(of_server(answer, name))
        assert refused.text == f"{profile(name).title}: this model runs with one attention group"
        source = next(each.source for each in profile(name).classes if each.attention_groups == "one")
        if name != "trtllm":
            assert refused.source == source
        assert refused.rule == (
            f"this model runs with one attention group (attention_data_parallel == 1) [{refused.source}]"
        )
        assert refused.here == "attention_data_parallel = 2"
        assert of_server(answer, name).deployment is None
    assert not answer.possible


def test_a_rule_about_heads_says_how_many_there_are() -> None:
    mapping = having(DENSE, model="Qwen2.5-7B", engine="vllm", space={"tensor_parallel": [1, 2, 4, 7, 14]})
    refused = reason(only(ask(mapping, "TP7,B8")))
    rule = next(each for each in profile("vllm").rules if "kv_heads" in each.expression.names)
    assert refused.rule == str(rule)
    assert refused.here is not None
    assert "kv_heads = 4" in refused.here
    assert "tensor_parallel = 7" in refused.here


@pytest.mark.parametrize(
    ("changes", "text", "field", "value", "words"),
    [
        ({}, "TP16,B8", "design_space.tensor_parallel", "1, 2, 4, 8", "16 tensor ranks of an attention group"),
        ({}, "TP8,PP4,B8", "design_space.pipeline_parallel", "1, 2", "4 pipeline stages"),
        ({"max_gpus": 4}, "TP8,B8", "design_space.max_gpus", "4", "8 GPUs, where 4 are the most"),
        ({}, "TP8,B65", "design_space.batch.max", "64", "a batch of 65, where 1 to 64 exist"),
        ({"batch": {"min": 4, "max": 64}}, "TP8,B2", "design_space.batch.min", "4", "a batch of 2"),
        ({"batch": [2, 8]}, "TP8,B4", "design_space.batch", "2, 8", "a batch of 4, which is not listed"),
        ({"batch": [2, 8]}, "TP8,B9", "design_space.batch", "2, 8", "a batch of 9, where 2 to 8 exist"),
        ({}, "TP8,B8,R1", "design_space.redundant_experts", "auto", "1 redundant experts, where 0 are offered"),
        ({}, "TP8,B8,K2", "speculation", "none", "2 draft tokens"),
    ],
)
def test_lists_of_the_scenario_are_named_with_what_they_say(
    changes: Mapping, text: str, field: str, value: str, words: str
) -> None:
    for engine in ("vllm", "none"):
        verdict = only(ask(having(DENSE, engine=engine, space=changes), text))
        forbidden = reason(verdict, field)
        assert forbidden.obstacle is Obstacle.NOT_OFFERED
        assert forbidden.value == value
        assert words in forbidden.text
        assert forbidden.rule is None


def test_lists_of_experts_are_named() -> None:
    mapping = having(EXPERTS, space={"expert_parallel": [8], "redundant_experts": [0, 8]})
    assert only(ask(mapping, "TP8,EP8,B8")).possible
    wrong = only(ask(mapping, "TP8,EP1,R3,B8"))
    assert reason(wrong, "design_space.expert_parallel").text == "1 expert ranks, where 8 are offered"
    assert reason(wrong, "design_space.redundant_experts").text == "3 redundant experts, where 0, 8 are offered"


def test_a_cache_that_the_accelerator_cannot_keep_is_named() -> None:
    answer = ask(having(DENSE, accelerators=["A100-SXM-80GB", "H100-SXM"], kv_cache="fp8", engine="vllm"), "TP8,B8")
    first, second = answer.verdicts
    assert reason(first, "kv_cache").text == "A100-SXM-80GB has no 8-bit arithmetic for a cache in fp8"
    assert second.possible


def test_what_lists_and_limits_forbid_is_priced_nevertheless() -> None:
    free = only(ask(having(DENSE, engine="vllm"), "TP4,B32")).deployment
    assert free is not None
    for changes, field in (
        ({"limits": {"min_speed": 10_000.0}}, "limits.min_speed"),
        ({"limits": {"max_cost": 1e-3}}, "limits.max_cost"),
        ({"limits": {"max_power_kw": 1.0}}, "limits.max_power_kw"),
        ({"space": {"batch": {"min": 1, "max": 16}}}, "design_space.batch.max"),
        ({"space": {"max_gpus": 2}}, "design_space.max_gpus"),
    ):
        verdict = only(ask(having(DENSE, engine="vllm", **changes), "TP4,B32"))
        assert reason(verdict, field).value is not None
        assert verdict.deployment is not None
        assert verdict.deployment.speed_tokens_per_s == free.speed_tokens_per_s
        assert (verdict.cheaper, verdict.faster, verdict.better) == (None, None, None)


def test_the_batches_of_whole_groups_beside_are_named() -> None:
    for engine in ("vllm", "none"):
        forbidden = reason(only(ask(having(EXPERTS, engine=engine), "TP2,DP2,PP2,B10")))
        assert forbidden.text.startswith("a batch of 10, which is no multiple of attention_data_parallel x")
        assert forbidden.rule is not None
        assert "8 or 12 would be" in forbidden.rule
        assert forbidden.source == "docs/performance-model.md"


def test_degrees_that_no_model_has_are_told_apart() -> None:
    mapping = having(DENSE, engine="none", space={"tensor_parallel": [3]})
    assert reason(only(ask(mapping, "TP3,B4"))).rule == "tensor ranks divide the 32 heads [docs/performance-model.md]"
    routed = reason(only(ask(having(EXPERTS, engine="none"), "TP8,EP3,R0,B8")))
    assert routed.rule is not None
    assert "expert ranks divide the 128 experts and their copies" in routed.rule
    assert "expert ranks divide the ranks of a stage" in routed.rule
    dense = reason(only(ask(having(DENSE, engine="none"), "TP8,EP2,B8")))
    assert dense.rule is not None
    assert "a dense model has EP 1" in dense.rule


def test_memory_is_told_by_part() -> None:
    mapping = having(DENSE, model="Llama-3.3-70B", engine="any")
    answer = ask(mapping, "TP2,B8")
    usable = 0.9 * 80.0
    for verdict in answer.verdicts:
        (forbidden,) = verdict.forbidden
        assert forbidden.obstacle is Obstacle.MEMORY
        need = forbidden.memory
        assert need is not None
        assert need.needed_gb == pytest.approx(need.weights_gb + need.cache_gb + need.draft_gb + need.reserve_gb)
        assert need.weights_gb == pytest.approx(70.6, rel=0.01)
        assert need.over_gb == pytest.approx(need.needed_gb - need.limit_gb)
        assert need.over_gb > 0.0
        assert f"over by {need.over_gb:,.1f} GB" in forbidden.text
        assert need.limit_gb == pytest.approx(usable, rel=0.1)
    # What no server starts has no memory that could be told.
    assert all(each.memory is None for each in of_server(ask(mapping, "TP1,DP2,B8"), "vllm").forbidden)


def check_against(verdict: Verdict, frontier: list[Deployment]) -> None:
    """What it loses against a complete frontier."""
    item = verdict.deployment
    assert item is not None
    costs = [
        each.cost_usd_per_mtok for each in frontier if each.speed_tokens_per_s >= item.speed_tokens_per_s * (1 - EXACT)
    ]
    speeds = [
        each.speed_tokens_per_s for each in frontier if each.cost_usd_per_mtok <= item.cost_usd_per_mtok * (1 + EXACT)
    ]
    more, slower = item.cost_usd_per_mtok / min(costs) - 1.0, 1.0 - item.speed_tokens_per_s / max(speeds)
    for better, expected in ((verdict.cheaper, more), (verdict.faster, slower)):
        if expected <= EXACT:
            assert better is None
        else:
            assert better is not None
            assert better.loss == pytest.approx(expected, rel=1e-6)
    if verdict.cheaper is not None:
        assert verdict.cheaper.deployment.cost_usd_per_mtok == pytest.approx(min(costs), rel=EXACT)
    if verdict.faster is not None:
        assert verdict.faster.deployment.speed_tokens_per_s == pytest.approx(max(speeds), rel=EXACT)


@pytest.mark.parametrize("mapping", [DENSE, EXPERTS, DRAFTED, having(DENSE, engine="none"), PAPER])
def test_losses_are_those_against_the_complete_frontier(mapping: Mapping) -> None:
    frontier = complete_frontier(mapping)
    ranks = 32 if mapping is PAPER else 8
    for text in (f"TP{ranks},B8", f"TP{ranks},PP2,B16", f"TP{ranks},B64"):
        answer = ask(mapping, text)
        assert answer.possible, text
        for verdict in answer.possible:
            check_against(verdict, frontier)
            best = answer.best
            assert best is not None
            assert verdict.deployment is not None
            assert best.speed_tokens_per_s == pytest.approx(frontier[0].speed_tokens_per_s, rel=EXACT)
            expected = 1.0 - verdict.deployment.speed_tokens_per_s / best.speed_tokens_per_s
            assert (0.0 if verdict.better is None else verdict.better.loss) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mapping", [DENSE, EXPERTS, DRAFTED, PAPER])
def test_points_of_the_frontier_are_on_it_and_its_ends_are_the_best(mapping: Mapping) -> None:
    frontier = complete_frontier(mapping)
    for item in (frontier[0], frontier[len(frontier) // 2], frontier[-1]):
        answer = ask(mapping, text_of(item))
        found = [each for each in answer.possible if each.on_frontier]
        assert found, text_of(item)
        for verdict in found:
            assert verdict.deployment is not None
            assert verdict.deployment.speed_tokens_per_s == pytest.approx(item.speed_tokens_per_s, rel=EXACT)
            assert verdict.is_best == (item is frontier[0])
    last = ask(mapping, text_of(frontier[-1]), objective="cheapest")
    assert any(each.is_best for each in last.possible)


def test_the_preferred_objective_compares_scores() -> None:
    best = ieco_opt.solve(Scenario(**DENSE), objective="preferred", preference=1.5)
    assert any(each.is_best for each in ask(DENSE, text_of(best), objective="preferred", preference=1.5).possible)
    verdict = of_server(ask(DENSE, "TP8,B8", objective="preferred", preference=1.5), "vllm")
    assert verdict.better is not None
    assert verdict.deployment is not None

    def score(item: Deployment) -> float:
        return item.speed_tokens_per_s**1.5 / item.cost_usd_per_mtok

    assert verdict.better.loss == pytest.approx(1.0 - score(verdict.deployment) / score(best), rel=1e-6)


def test_every_accelerator_precision_and_server_is_told() -> None:
    mapping = having(DENSE, accelerators=["H100-SXM", "MI300X"], weights=["bf16", "fp8"])
    answer = ask(mapping, "TP4,B8")
    places = [(each.accelerator, each.weights, each.engine) for each in answer.verdicts]
    assert places == [
        (accelerator, weights, engine)
        for accelerator in ("H100-SXM", "MI300X")
        for weights in ("bf16", "fp8")
        for engine in ("vllm", "sglang", "trtllm")
    ]
    (refused,) = {
        reason(each).rule for each in answer.verdicts if (each.accelerator, each.engine) == ("MI300X", "trtllm")
    }
    assert refused == "TensorRT-LLM runs on nvidia, not on amd [trtllm.yaml: vendors]"
    text = render_configuration(answer, 80)
    assert "trtllm: MI300X in bf16, fp8" in text
    assert text.count("runs on nvidia") == 1


def test_the_best_expert_degree_is_told_where_none_is_named() -> None:
    mapping = having(EXPERTS, engine="none")
    verdict = only(ask(mapping, "TP8,B32"))
    assert ask(mapping, "TP8,B32").chosen_experts
    named = {degree: only(ask(mapping, f"TP8,EP{degree},B32")) for degree in (1, 2, 4, 8)}
    speeds = {
        degree: each.deployment.speed_tokens_per_s for degree, each in named.items() if each.deployment is not None
    }
    assert len(speeds) == 4
    assert verdict.parallelism.expert == max(speeds, key=lambda degree: speeds[degree])
    assert verdict.deployment is not None
    assert verdict.deployment.speed_tokens_per_s == max(speeds.values())
    # The servers' rule: one rank or all of them.
    refused = reason(only(ask(EXPERTS, "TP8,EP4,B32")))
    assert refused.text == "vLLM: experts are on one expert rank or on all ranks of a stage"
    assert refused.here == "expert_parallel = 4, stage_ranks = 8"


def test_redundant_experts_are_asked_for() -> None:
    mapping = having(EXPERTS, space={"redundant_experts": [0, 8]})
    answer = only(ask(mapping, "TP8,EP8,R8,B32"))
    assert answer.possible
    assert answer.parallelism.redundant_experts == 8
    plain = only(ask(mapping, "TP8,EP8,R0,B32"))
    assert plain.deployment is not None
    assert answer.deployment is not None
    assert plain.deployment.weights_gb != answer.deployment.weights_gb


def test_draft_models() -> None:
    answer = ask(DRAFTED, "TP4,K3,B8")
    for verdict in answer.possible:
        assert verdict.deployment is not None
        assert verdict.deployment.draft_tokens == 3
    assert len(answer.possible) == 3
    refused = reason(of_server(ask(DRAFTED, "TP4,PP2,K3,B8"), "sglang"))
    rule = next(
        each for each in profile("sglang").rules if {"draft_tokens", "pipeline_parallel"} <= each.expression.names
    )
    assert refused.rule == str(rule)
    assert refused.here is not None
    assert "draft_tokens = 3" in refused.here
    assert reason(of_server(ask(DRAFTED, "TP4,K5,B8"), "vllm"), "speculation.max_draft_tokens").value == "4"


def test_fidelity_paper_has_no_servers_and_its_own_rule_of_experts() -> None:
    verdict = only(ask(PAPER, "TP16,B64"))
    assert verdict.engine is None
    assert verdict.weights is None
    assert verdict.possible
    other = 1 if verdict.parallelism.expert > 1 else 16
    forbidden = reason(only(ask(PAPER, f"TP16,EP{other},B64")))
    assert forbidden.rule is not None
    assert f"at this batch the paper takes {verdict.parallelism.expert} expert ranks" in forbidden.rule


def test_without_servers_the_equations_alone_are_asked() -> None:
    verdict = only(ask(having(DENSE, engine="none"), "TP4,DP2,B8"))
    assert verdict.engine is None
    assert verdict.possible
    assert verdict.deployment is not None
    assert verdict.deployment.engines is None


def test_expert_degrees_that_a_dense_scenario_lists_are_nothing_to_it() -> None:
    assert only(ask(having(DENSE, engine="vllm", space={"expert_parallel": [8]}), "TP4,B8")).possible


def test_listed_expert_degrees_that_do_not_go_with_the_ranks_are_named() -> None:
    mapping = having(EXPERTS, engine="none", space={"expert_parallel": [8]})
    forbidden = reason(only(ask(mapping, "TP4,B8")))
    assert forbidden.rule == "expert ranks divide the ranks of a stage [docs/performance-model.md]"


def test_a_scenario_that_nothing_meets_still_says_why() -> None:
    answer = ask(having(DENSE, limits={"min_speed": 1e6}), "TP4,B8")
    assert answer.best is None
    assert {each.field for verdict in answer.verdicts for each in verdict.forbidden} == {"limits.min_speed"}
    assert "no deployment meets the limits" in render_configuration(answer)


@pytest.mark.parametrize("mapping", [DENSE, EXPERTS, DRAFTED, PAPER, having(DENSE, limits={"max_cost": 0.5})])
@pytest.mark.parametrize("text", ["TP8,B8", "TP7,DP3,B10", "TP1,B64"])
def test_texts_fit_the_terminal_and_files_are_strict(mapping: Mapping, text: str) -> None:
    answer = ask(mapping, text)
    for width in (80, 120):
        rendered = render_configuration(answer, width)
        assert max(map(len, rendered.splitlines())) <= width
        for verdict in answer.verdicts:
            for each in verdict.forbidden:
                source = "" if each.source is None else each.source.replace("\n", " ")
                assert "".join(source.split()) in "".join(rendered.split())
    saved = json.loads(answer.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert saved["format"] == "ieco_opt configuration"
    assert saved["asked"]["text"] == str(answer.asked)
    assert [each["engine"] for each in saved["verdicts"]] == [each.engine for each in answer.verdicts]


def test_a_fleet_is_refused() -> None:
    with pytest.raises(ScenarioError, match="expected a deployment for explain_configuration"):
        ieco_opt.explain_configuration(ieco_opt.load_scenario("scenarios/fleet-six-models.yaml"), "TP8,B8")


def random_text(table: Mapping, space: Mapping, rng: random.Random) -> dict[str, int]:
    """A configuration of a scenario, or one beside it."""
    if table["batch"].size and rng.random() < 0.7:
        row = rng.randrange(table["batch"].size)
        names = ("tensor_parallel", "attention_data_parallel", "pipeline_parallel", "batch", "draft_tokens")
        asked = {name: int(table[name][row]) for name in names}
    else:
        asked = {
            "tensor_parallel": rng.choice((1, 2, 4, 8)),
            "attention_data_parallel": rng.choice((1, 2)),
            "pipeline_parallel": rng.choice((1, 2)),
            "batch": rng.choice((1, 4, 8, 12)),
            "draft_tokens": 0,
        }
    if rng.random() < 0.3:
        asked["batch"] = max(1, asked["batch"] + rng.choice((-2, -1, 1, 2, 8)))
    return asked


@pytest.mark.parametrize("block", range(4))
def test_what_exists_and_what_it_loses_are_the_oracles(block: int) -> None:
    for seed in range(3000 + 12 * block, 3012 + 12 * block):
        case, rng = numbered(seed)
        if case.oracle.refused_field() is not None:
            continue
        table = enumerate_deployments(case.oracle)
        asked = random_text(table, case.mapping, rng)
        text = "TP{tensor_parallel},DP{attention_data_parallel},PP{pipeline_parallel},B{batch}".format(**asked)
        text += f",K{asked['draft_tokens']}" if asked["draft_tokens"] else ""
        answer = ask(case.mapping, text)
        same = np.all([table[name] == value for name, value in asked.items()], axis=0)
        for accelerator, weights, cache in {
            (each.accelerator, each.weights, each.kv_cache) for each in answer.verdicts
        }:
            here = same & (table["accelerator"] == accelerator)
            if weights is not None:
                here &= (table["weights"] == weights) & (table["kv_cache"] == cache)
            own = [
                each.deployment
                for each in answer.possible
                if (each.accelerator, each.weights, each.kv_cache) == (accelerator, weights, cache)
            ]
            assert bool(own) == bool(here.any()), f"{text} on {accelerator} in {weights}\n{case.to_yaml()}"
            if own:
                speeds = [each.speed_tokens_per_s for each in own if each is not None]
                assert max(speeds) == pytest.approx(table["speed_tokens_per_s"][here].max(), rel=EXACT)
        for verdict in answer.possible:
            assert verdict.deployment is not None
            speed, cost = verdict.deployment.speed_tokens_per_s, verdict.deployment.cost_usd_per_mtok
            least = table["cost_usd_per_mtok"][table["speed_tokens_per_s"] >= speed * (1 - EXACT)].min()
            lost = 0.0 if verdict.cheaper is None else verdict.cheaper.loss
            assert lost == pytest.approx(cost / least - 1.0, rel=1e-6, abs=1e-8)
            assert math.isfinite(lost)
