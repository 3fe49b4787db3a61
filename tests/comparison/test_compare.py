"""Comparisons: what counts as deployable, what the indicators are taken of, and what users see."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner
from oracle import Setup, deployable
from random_scenarios import random_case

from ieco_opt import InfeasibleError, Scenario, ScenarioError, catalog, frontier, verify
from ieco_opt.catalog.types import Model
from ieco_opt.cli.compare import command
from ieco_opt.comparison import compare
from ieco_opt.comparison.deployability import judge
from ieco_opt.comparison.ways import UNKNOWN
from ieco_opt.engines.spread import EXCHANGES, ExchangeKind
from ieco_opt.heuristics import NO_SERVER, Budget, Proposals
from ieco_opt.heuristics.interface import absent_degrees
from ieco_opt.heuristics.registry import chosen
from ieco_opt.performance.degrees import Degrees
from ieco_opt.reports.text.comparison import render
from ieco_opt.results.comparison import Comparison, HeuristicResult, Obstacle
from ieco_opt.results.guarantee import Guarantee, GuaranteeKind, Status
from ieco_opt.results.reading import from_json
from ieco_opt.results.writing import write as write_file
from ieco_opt.scenario import ResolvedScenario, resolve

COLUMNS = (
    "heuristic",
    "proposals",
    "deployable",
    "nondominated",
    "cost_regret_min",
    "cost_regret_median",
    "cost_regret_worst",
    "cost_regret_worst_at_speed_tokens_per_s",
    "cost_regret_worst_at_cost_usd_per_mtok",
    "speed_regret_min",
    "speed_regret_median",
    "speed_regret_worst",
    "speed_regret_worst_at_speed_tokens_per_s",
    "speed_regret_worst_at_cost_usd_per_mtok",
    "share_of_frontier_found",
    "hypervolume_ratio",
    "additive_epsilon",
    "igd_plus",
    "fractional",
    "not_offered",
    "memory_exceeded",
    "limit_missed",
    "memory_excess_worst",
    "beats_frontier",
    "evaluations",
    "ended_early",
    "seconds",
)
"""Columns of a heuristic, in files that people script against."""

PROPOSAL_COLUMNS = {
    "heuristic",
    "claimed_speed_tokens_per_s",
    "claimed_cost_usd_per_mtok",
    "deployable",
    "nondominated",
    "speed_tokens_per_s",
    "cost_usd_per_mtok",
    "gpus",
    "accelerator",
    "weights",
    "kv_cache",
    "tensor_parallel",
    "attention_data_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "redundant_experts",
    "stage_ranks",
    "tensor_layout",
    "engine",
    "exchange",
    "batch",
    "draft_tokens",
    "draft_tensor_parallel",
    "draft_attention_data_parallel",
    "draft_pipeline_parallel",
    "draft_expert_parallel",
    "draft_redundant_experts",
    "draft_stage_ranks",
    "reasons",
}

FIELDS: dict[str, Any] = {
    "name": "small",
    "model": "Llama-3.3-70B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 2000, "output_tokens": 500},
    "design_space": {
        "stage_ranks": [2, 4, 8],
        "pipeline_parallel": [1, 2],
        "attention_data_parallel": [1, 2],
        "batch": {"min": 1, "max": 24},
        "max_gpus": 8,
    },
}


def scenario(**changes: Any) -> Scenario:
    return Scenario(**(FIELDS | changes))


def proposals(*rows: tuple[float, float, float, float], tokens: int = 0, evaluations: int = 1) -> Proposals:
    """1-D proposals of (ranks of a stage, stages, attention groups, batch) that claim a second and a dollar."""
    ranks, stages, groups, batch = np.array(rows, dtype=float).T
    count = len(batch)
    first = np.zeros(count, dtype=np.intp)
    return Proposals(
        accelerator=first,
        precision=first,
        engine=np.full(count, NO_SERVER),
        degrees=Degrees.plain(ranks, stages, np.ones(count), groups, np.zeros(count, dtype=bool), np.zeros(count)),
        batch=batch,
        draft_tokens=np.full(count, tokens),
        draft_degrees=absent_degrees(count),
        latency_s=np.ones(count),
        cost_usd_per_mtok=np.ones(count),
        evaluations=evaluations,
    )


class Fixed:
    """A heuristic that proposes what it is told to."""

    name = "fixed"

    def __init__(self, found: Proposals) -> None:
        self.found = found

    def propose(self, scenario: ResolvedScenario, budget: Budget) -> Proposals:  # noqa: ARG002
        """Propose that."""
        return self.found


def reasons_of(wanted: Scenario, *row: float, tokens: int = 0) -> list[tuple[Obstacle, str]]:
    verdicts = judge(resolve(wanted), proposals((row[0], row[1], row[2], row[3]), tokens=tokens))
    return [(item.obstacle, item.text) for item in verdicts.reasons[0]]


def test_fractions_are_named_with_their_amounts() -> None:
    found = reasons_of(scenario(), 4.1085, 2, 1, 10.5)
    assert (Obstacle.FRACTIONAL, "8.22 GPUs") in found
    assert (Obstacle.FRACTIONAL, "4.11 ranks of a stage") in found
    assert (Obstacle.FRACTIONAL, "a batch of 10.50") in found


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((6, 1, 1, 1), "6 ranks of a stage, where 2, 4, 8 are offered"),
        ((8, 2, 1, 4), "16 GPUs, where 8 are the most"),
        ((4, 1, 1, 25), "a batch of 25, where 1 to 24 exist"),
        ((4, 2, 1, 1), "a batch of 1, which is no multiple of attention_data_parallel x pipeline_parallel = 2"),
        ((4, 1, 4, 1), "4 attention groups, where 1, 2 are offered"),
    ],
)
def test_what_is_not_in_the_design_space_is_named(row: tuple[float, ...], text: str) -> None:
    assert (Obstacle.NOT_OFFERED, text) in reasons_of(scenario(), *row)


@pytest.mark.parametrize("engine", ["any", "none"])
def test_degrees_that_the_model_cannot_have(engine: str) -> None:
    wanted = scenario(engine=engine, design_space={"stage_ranks": [3], "attention_data_parallel": [1]})
    assert reasons_of(wanted, 3, 1, 1, 1) == [
        (Obstacle.NOT_OFFERED, "degrees that the model cannot have (heads, experts or layers do not divide)")
    ]


@pytest.mark.parametrize("engine", ["any", "none"])
def test_a_batch_of_no_whole_groups_is_refused(engine: str) -> None:
    wanted = scenario(engine=engine, model="Qwen3-32B", design_space={"batch": {"min": 1, "max": 24}})
    text = "a batch of 6, which is no multiple of attention_data_parallel x pipeline_parallel = 4"
    assert reasons_of(wanted, 4, 2, 2, 6) == [(Obstacle.NOT_OFFERED, text)]
    assert reasons_of(wanted, 4, 2, 2, 8) == []
    listed = scenario(engine=engine, model="Qwen3-32B", design_space={"batch": [6, 8]})
    assert reasons_of(listed, 4, 2, 2, 6) == [(Obstacle.NOT_OFFERED, text)]
    assert reasons_of(listed, 4, 2, 2, 4) == [(Obstacle.NOT_OFFERED, "a batch of 4, where 6 to 8 exist")]


def test_fidelity_paper_needs_a_sequence_a_stage_but_no_whole_groups() -> None:
    fields = {"fidelity": "paper", "model": "Llama 3 70B 8-bit", "accelerators": ["H100"], "weights": []}
    wanted = scenario(**fields, design_space={"batch": {"min": 1, "max": 24}})
    assert (Obstacle.NOT_OFFERED, "a batch of 1, where 2 to 24 exist") in reasons_of(wanted, 4, 2, 1, 1)
    assert reasons_of(wanted, 4, 2, 1, 3) == []


ONE_GROUP = "this model runs with one attention group"


def test_degrees_that_no_server_starts_say_the_rule_of_each() -> None:
    expected = {
        "vllm": [f"vLLM: {ONE_GROUP}"],
        "any": [f"vLLM: {ONE_GROUP}", f"SGLang: {ONE_GROUP}", f"TensorRT-LLM: {ONE_GROUP}"],
        "none": [],
    }
    for engine, texts in expected.items():
        found = reasons_of(scenario(engine=engine), 4, 1, 2, 8)
        assert found == [(Obstacle.NOT_OFFERED, text) for text in texts]
    # One server that starts them is enough: SGLang has attention groups for this class of dense models, vLLM has not.
    text = f"vLLM: {ONE_GROUP}"
    assert reasons_of(scenario(model="Qwen3-32B", engine="vllm"), 4, 1, 2, 8) == [(Obstacle.NOT_OFFERED, text)]
    assert reasons_of(scenario(model="Qwen3-32B"), 4, 1, 2, 8) == []


def test_the_layout_that_no_server_has_is_said_once() -> None:
    bare = proposals((4, 1, 1, 8))
    flat = replace(bare, degrees=replace(bare.degrees, two_dimensional=np.array([True])))
    texts = {"any": "no server has two-dimensional tensor parallelism", "none": "the layout 2d, which is not offered"}
    for engine, text in texts.items():
        assert [reason.text for reason in judge(resolve(scenario(engine=engine)), flat).reasons[0]] == [text]
    # Of a single rank it is no layout of its own.
    one = scenario(model="Llama-3.2-1B", weights=["bf16"], design_space={"stage_ranks": [1]})
    bare = proposals((1, 1, 1, 8))
    flat = replace(bare, degrees=replace(bare.degrees, two_dimensional=np.array([True])))
    assert judge(resolve(one), flat).reasons == ((),)


def test_the_equations_alone_name_no_server() -> None:
    """With ``engine: none`` heads, experts and layers are all the rules, whatever servers start."""
    wanted = resolve(scenario(engine="none"))
    found = judge(wanted, proposals((4, 1, 2, 8), (8, 1, 1, 8)))
    assert found.reasons == ((), ())
    assert found.engine.tolist() == [NO_SERVER, NO_SERVER]
    named = judge(wanted, replace(proposals((4, 1, 2, 8)), engine=np.array([0])))
    assert [reason.text for reason in named.reasons[0]] == ["a server that is not listed"]


EXPERTS: dict[str, Any] = {
    "model": "gpt-oss-120b",
    "weights": ["mxfp4"],
    "design_space": {
        "stage_ranks": [4, 8],
        "pipeline_parallel": [1],
        "attention_data_parallel": [1, 4],
        "batch": {"min": 1, "max": 64},
        "max_gpus": 8,
    },
}
"""Models whose experts servers exchange differently."""


def spread_over(
    found: Proposals, experts: float, engine: int = NO_SERVER, exchange: ExchangeKind = "none"
) -> Proposals:
    """The same proposals with another expert degree, on a server with an exchange."""
    count = len(found)
    spread = replace(found.degrees.spread, exchange=np.full(count, EXCHANGES.index(exchange)))
    degrees = replace(found.degrees, expert_parallel=np.full(count, experts), spread=spread)
    return replace(found, degrees=degrees, engine=np.full(count, engine))


def test_a_proposal_without_a_server_is_judged_by_the_cheapest_way() -> None:
    wanted = resolve(scenario(**EXPERTS))
    bare = proposals((8, 1, 4, 16))
    ways = {
        (engine, exchange): judge(wanted, spread_over(bare, 8.0, engine, exchange))
        for engine in range(len(wanted.engines))
        for exchange in EXCHANGES
    }
    fits = {way: float(found.latency_s[0]) for way, found in ways.items() if not found.reasons[0]}
    assert len(set(fits.values())) > 1
    best = judge(wanted, spread_over(bare, 8.0))
    assert best.latency_s[0] == min(fits.values())
    assert fits[int(best.engine[0]), EXCHANGES[int(best.exchange[0])]] == best.latency_s[0]
    # An exchange that a server does not have is said.
    texts = {way: [reason.text for reason in found.reasons[0]] for way, found in ways.items() if found.reasons[0]}
    vllm = [each.name for each in wanted.engines].index("vllm")
    assert texts[vllm, "none"] == ["vLLM: no exchange none in these degrees"]


def test_a_cap_on_throughput_takes_the_way_that_meets_it() -> None:
    """The slower exchange may be what keeps a batch within the demand."""
    bare = spread_over(proposals((8, 1, 4, 16)), 8.0)
    free = resolve(scenario(**EXPERTS))
    fast = judge(free, bare)
    capped = resolve(scenario(**EXPERTS, limits={"max_throughput": 16.0 / float(fast.latency_s[0]) * (1.0 - 1e-9)}))
    slow = judge(capped, bare)
    assert slow.reasons == ((),)
    assert slow.latency_s[0] > fast.latency_s[0]
    assert (slow.engine[0], slow.exchange[0]) != (fast.engine[0], fast.exchange[0])


@pytest.mark.parametrize("speculates", [False, True])
def test_records_of_proposals_say_server_and_exchange_and_are_verified(speculates: bool) -> None:
    fields: dict[str, Any] = EXPERTS
    if speculates:
        fields = {"speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3}}
    heuristics = [*chosen(["rule-of-thumb", "paper-grid"], 16), Fixed(proposals((4, 1, 1, 3), (8, 1, 4, 16)))]
    result = compare(scenario(**fields), heuristics, delta=0.5)
    assert verify(result).problems == []
    assert from_json(result.to_json()) == result
    rows = [each for heuristic in result.heuristics for each in heuristic.proposals]
    assert all(each.engine in ("vllm", "sglang", "trtllm") for each in rows if each.deployable)
    assert {each.exchange is None for each in rows if each.deployable} == {speculates}
    thumb = result.heuristics[0]
    wrong = replace(thumb, proposals=tuple(replace(each, exchange="all_gather") for each in thumb.proposals))
    problems = " ".join(verify(replace(result, heuristics=(wrong, *result.heuristics[1:]))).problems)
    assert "heuristics[0].proposals[0]" in problems


@pytest.mark.parametrize("fields", [{}, EXPERTS, EXPERTS | {"engine": "none"}], ids=["dense", "servers", "none"])
def test_the_degrees_of_the_exact_frontier_are_worth_what_it_says_without_naming_a_server(fields: Any) -> None:
    exact = frontier(scenario(**fields), complete=True)
    held = [(item.parallelism, item.batch) for item in exact]
    found = proposals(*((at.stage_ranks, at.pipeline, at.attention_data, batch) for at, batch in held))
    experts, copies = (np.array([getattr(at, n) for at, _ in held], float) for n in ("expert", "redundant_experts"))
    found = replace(found, degrees=replace(found.degrees, expert_parallel=experts, redundant_experts=copies))
    resolved = resolve(scenario(**fields))
    verdicts = judge(resolved, found)
    assert not any(verdicts.reasons)
    assert verdicts.latency_s == pytest.approx([item.latency_s for item in exact], rel=1e-12)
    assert [None if at == NO_SERVER else resolved.engines[at].name for at in verdicts.engine] == [
        item.engine for item in exact
    ]
    assert [None if at == UNKNOWN else EXCHANGES[at] for at in verdicts.exchange] == [item.exchange for item in exact]


@pytest.mark.parametrize("share", [1.0, 1.0 - 1e-6])
def test_memory_may_be_exactly_full(share: float) -> None:
    model = catalog.model("Llama-3.3-70B")
    assert isinstance(model, Model)
    used = float(deployable.resident_bytes(model, Setup(2, "1d", 1, 1, 1), "fp8", np.array(24.0), 2500))
    hbm = catalog.accelerator("H100-SXM").hbm_bytes
    # A number of gigabytes that is a power of two loses nothing on its way to bytes and back.
    kept = scenario(memory_reserve_gb=4, memory_utilization=share * (used + 4e9) / hbm)
    found = reasons_of(kept, 2, 1, 1, 24)
    assert [obstacle for obstacle, _ in found] == ([] if share == 1.0 else [Obstacle.MEMORY])


@pytest.mark.parametrize(
    ("name", "better"),
    [("min_speed", 1), ("max_cost", -1), ("min_throughput", 1), ("max_throughput", -1), ("max_power_kw", -1)],
)
def test_a_limit_may_be_met_exactly(name: str, better: int) -> None:
    found = judge(resolve(scenario()), proposals((4, 1, 1, 8)))
    latency, cost = float(found.latency_s[0]), float(found.cost_usd_per_mtok[0])
    figures = {"min_speed": 1 / latency, "max_cost": cost, "max_power_kw": 2.8}
    figure = figures.get(name, 8 / latency)
    assert reasons_of(scenario(limits={name: figure}), 4, 1, 1, 8) == []
    ((obstacle, _),) = reasons_of(scenario(limits={name: figure * (1 + better * 1e-9)}), 4, 1, 1, 8)
    assert obstacle is Obstacle.LIMIT


def test_memory_says_by_how_much_it_is_over() -> None:
    # Llama 3.3 70B in fp8 over 2 GPUs, 24 sequences of 2,500 tokens of 80 layers x 8 heads x 128 x 2 x 2 bytes: the
    # cache alone is 24 x 2500 x 327,680 / 2 bytes, the weights half of 70.55e9 x 8.03 / 8, and 5e9 are the server's.
    fields = {"weights": [{"rest": "fp8"}], "memory_reserve_gb": 5}
    used = 24 * 2500 * 327_680 / 2 / 1e9 + 70_553_706_496 * 8.03 / 8 / 2 / 1e9 + 5
    assert used < 0.9 * 85
    over = used - 0.5 * 85
    found = reasons_of(scenario(memory_utilization=0.5, **fields), 2, 1, 1, 24)
    ((obstacle, text),) = found
    assert obstacle is Obstacle.MEMORY
    amount, percent = float(text.split()[3]), float(text.split("(")[1].split()[0])
    assert amount == pytest.approx(over, abs=0.1)
    assert percent == pytest.approx(100 * over / 42.5, rel=0.01)
    assert reasons_of(scenario(**fields), 2, 1, 1, 24) == []


def test_copies_of_experts_are_part_of_a_proposal() -> None:
    space = {"stage_ranks": [8], "expert_parallel": [8], "redundant_experts": [0, 8], "pipeline_parallel": [1]}
    wanted = resolve(scenario(model="Mixtral-8x7B", design_space=space | {"attention_data_parallel": [1]}))
    plain = proposals((8, 1, 1, 8))
    wide = replace(plain, degrees=replace(plain.degrees, expert_parallel=np.array([8.0])))
    latency = []
    for copies in (0.0, 8.0, 16.0):
        given = replace(wide, degrees=replace(wide.degrees, redundant_experts=np.array([copies])))
        latency.append(float(judge(wanted, given).latency_s[0]))
    # Twice the experts are read where few tokens reach most of them; 16 copies are not offered.
    assert latency[0] < latency[1]
    assert np.isnan(latency[2])


def test_memory_of_fidelity_paper_is_an_average_for_one_micro_batch() -> None:
    fields = {"fidelity": "paper", "model": "Llama 3 70B 8-bit", "accelerators": ["H100"], "weights": []}
    wanted = scenario(**fields, workload={"context_tokens": 100_000}, design_space={})
    ((obstacle, text),) = reasons_of(wanted, 2, 1, 1, 16)
    assert obstacle is Obstacle.MEMORY
    assert text.endswith("on average")
    assert reasons_of(wanted, 2, 4, 1, 16) == []


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"min_speed": 1e4}, "min_speed"),
        ({"max_cost": 1e-3}, "max_cost"),
        ({"max_throughput": 1.0}, "max_throughput"),
        ({"min_throughput": 1e9}, "min_throughput"),
        ({"max_power_kw": 1.0}, "max_power_kw"),
    ],
)
def test_limits_that_are_missed_are_named(limits: dict[str, float], name: str) -> None:
    ((obstacle, text),) = reasons_of(scenario(limits=limits), 4, 1, 1, 8)
    assert obstacle is Obstacle.LIMIT
    assert f"misses limits.{name} = {limits[name]:g}" in text


def test_an_unknown_draft_setup_becomes_the_fastest_that_fits() -> None:
    wanted = scenario(speculation={"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 4})
    found = judge(resolve(wanted), proposals((4, 1, 1, 8), tokens=3))
    plain = judge(resolve(wanted), proposals((4, 1, 1, 8)))
    assert found.reasons == ((),)
    assert found.latency_s[0] < plain.latency_s[0]
    assert reasons_of(wanted, 4, 1, 1, 8, tokens=7) == [(Obstacle.NOT_OFFERED, "7 draft tokens, which are not offered")]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    heuristics = [*chosen(["coarse-grid", "paper-grid"], 16), Fixed(proposals((4, 1, 1, 3), (4.5, 1, 1, 3)))]
    return compare(scenario(), heuristics, budget=Budget(evaluations=200), complete=True)


def test_regrets_are_measured_against_the_exact_frontier(comparison: Comparison) -> None:
    fixed = comparison.heuristics[2]
    exact = frontier(scenario(), complete=True)
    ((speed, cost),) = fixed.points()
    cheapest = exact.cheapest(min_speed=speed).cost_usd_per_mtok
    fastest = exact.fastest(max_cost=cost).speed_tokens_per_s
    assert fixed.cost_regret.least == fixed.cost_regret.median == fixed.cost_regret.worst
    assert fixed.cost_regret.worst == pytest.approx(cost / cheapest - 1)
    assert fixed.speed_regret.worst == pytest.approx(fastest / speed - 1)
    assert (fixed.cost_regret.worst_speed, fixed.cost_regret.worst_cost) == (speed, cost)
    assert fixed.count(Obstacle.FRACTIONAL) == 1
    assert fixed.beats_frontier == 0


def test_nothing_deployable_has_no_regret_and_no_hypervolume() -> None:
    (result,) = compare(scenario(), [Fixed(proposals((4.5, 1, 1, 3)))], delta=0.5).heuristics
    assert len(result.proposals) == 1
    assert result.points() == []
    assert result.deployable() == []
    assert result.cost_regret.worst is None
    assert result.hypervolume_ratio == 0.0
    assert result.additive_epsilon is None


def test_a_claim_is_not_believed(comparison: Comparison) -> None:
    launchable, fractional = comparison.heuristics[2].proposals
    assert launchable.deployable
    assert launchable.claimed_speed_tokens_per_s == 1.0
    assert launchable.claimed_cost_usd_per_mtok == 1.0
    assert launchable.speed_tokens_per_s not in (None, 1.0)
    assert launchable.cost_usd_per_mtok not in (None, 1.0)
    assert not fractional.deployable
    assert fractional.speed_tokens_per_s is fractional.cost_usd_per_mtok is None


def test_an_exact_heuristic_finds_everything() -> None:
    exact = frontier(scenario(), complete=True)
    held = [(item.parallelism, item.batch) for item in exact]
    rows = [(setup.stage_ranks, setup.pipeline, setup.attention_data, batch) for setup, batch in held]
    (result,) = compare(scenario(), [Fixed(proposals(*rows))], complete=True).heuristics
    assert result.share_found == 1.0
    assert result.hypervolume_ratio == pytest.approx(1.0)
    assert result.cost_regret.worst == result.speed_regret.worst == pytest.approx(0.0, abs=1e-9)
    assert result.additive_epsilon == result.igd_plus == pytest.approx(0.0, abs=1e-9)


def test_tables_hold_every_column(comparison: Comparison) -> None:
    table = comparison.to_dataframe()
    assert tuple(table.columns) == COLUMNS
    assert table["heuristic"].tolist() == ["coarse-grid", "paper-grid", "fixed"]
    assert table["deployable"].tolist()[2] == 1
    rows = comparison.proposals_dataframe()
    assert {*rows.columns} == PROPOSAL_COLUMNS
    assert len(rows.columns) == len(PROPOSAL_COLUMNS)
    assert rows.columns[0] == "heuristic"
    assert len(rows) == table["proposals"].sum()
    refused = rows[rows["heuristic"] == "fixed"].iloc[1]
    assert not refused["deployable"]
    assert "4.50 GPUs" in refused["reasons"]
    assert refused["claimed_speed_tokens_per_s"] == 1.0


def test_json_is_strict_and_holds_the_scenario(comparison: Comparison, tmp_path: Path) -> None:
    text = comparison.to_json(tmp_path / "comparison.json")
    assert (tmp_path / "comparison.json").read_text(encoding="utf-8") == text
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"found {name}"))
    assert (content["format"], content["question"]["kind"]) == ("ieco_opt result", "compare")
    assert Scenario(**content["scenario"]).name == "small"
    assert content["guarantee"]["kind"] == "complete"
    assert len(content["deployments"]) == len(comparison.deployments) > 1
    assert [len(item["proposals"]) for item in content["heuristics"]] == [
        len(result.proposals) for result in comparison.heuristics
    ]
    assert from_json(text) == comparison


def test_seconds_of_other_heuristics_are_refused(comparison: Comparison) -> None:
    content = json.loads(comparison.to_json())
    del content["statistics"]["heuristic_seconds"][0]
    with pytest.raises(ScenarioError, match=r"statistics\.heuristic_seconds: found 2 entries, expected 3"):
        from_json(json.dumps(content))


def test_the_table_fits_and_says_what_cannot_be_launched(comparison: Comparison) -> None:
    text = render(comparison, 100)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    head = next(line for line in lines if line.startswith("heuristic"))
    fixed = next(line for line in lines if line.startswith("fixed "))
    assert fixed[: head.index("cost regret")].split()[1] == "1/2"
    assert "fixed: 1 of 2 cannot be launched: 1 not whole (such as 4.50 GPUs)." in text.replace("\n  ", " ")


def test_the_table_warns_of_a_frontier_that_is_beaten(comparison: Comparison) -> None:
    dominated = replace(comparison.heuristics[2], beats_frontier=1)
    timed = replace(comparison.statistics, heuristic_seconds=comparison.statistics.heuristic_seconds[2:])
    assert "WARNING: proposals of fixed dominate the exact frontier (1 of them)" in render(
        replace(comparison, heuristics=(dominated,), statistics=timed)
    )


def test_files_of_every_kind_hold_the_table(comparison: Comparison, tmp_path: Path) -> None:
    import pandas as pd

    for name, read in (("table.csv", pd.read_csv), ("table.parquet", pd.read_parquet)):
        write_file(comparison, tmp_path / name)
        pd.testing.assert_frame_equal(
            read(tmp_path / name), comparison.to_dataframe(), check_dtype=False, check_exact=False, rtol=1e-15
        )


def above_100(comparison: Comparison, coverage: float) -> Comparison:
    """The same against a frontier that covers what it does not list."""
    heuristics = tuple(replace(each, hypervolume_ratio=1.004) for each in comparison.heuristics)
    guarantee = Guarantee(GuaranteeKind.COVERED, coverage=coverage)
    return replace(comparison, heuristics=heuristics, guarantee=guarantee)


def refused_only(comparison: Comparison) -> HeuristicResult:
    """The published grid, without those of its proposals that can be launched."""
    grid = comparison.heuristics[1]
    return replace(grid, proposals=tuple(each for each in grid.proposals if not each.deployable))


def told_in(figure: Any) -> str:
    return " ".join(text.get_text().replace("\n", " ") for axes in figure.axes for text in axes.texts)


def test_a_hypervolume_above_100_percent_is_explained_in_table_and_picture(comparison: Comparison) -> None:
    why = "it lists a point within 1 % of every deployment, not every one"
    above = above_100(comparison, 0.01)
    for text in (render(above, 100), told_in(above.plot())):
        flat = " ".join(text.split())
        assert "A hypervolume above 100 % (coarse-grid, paper-grid, fixed) contradicts no proof" in flat
        assert why in flat
    for text in (render(comparison, 100), told_in(comparison.plot())):
        assert "above 100 %" not in " ".join(text.split())


def test_a_comparison_with_one_point_to_find_is_drawn_as_bars(comparison: Comparison) -> None:
    best = replace(comparison.deployments[0], status=Status.FEASIBLE, gap=0.02)
    some = refused_only(comparison), comparison.heuristics[2]
    assert [len(each.points()) for each in some] == [0, 1]
    timed = replace(comparison.statistics, heuristic_seconds=(0.1, 0.2))
    figure: Any = replace(comparison, deployments=(best,), heuristics=some, statistics=timed).plot()
    times, costs = figure.axes
    assert [label.get_text() for label in times.get_yticklabels()] == ["exact frontier", "paper-grid", "fixed"]
    ((speed, cost),) = some[1].points()
    assert [bar.get_width() for bar in times.patches] == pytest.approx([1e3 / best.speed_tokens_per_s, 1e3 / speed])
    assert [bar.get_width() for bar in costs.patches] == pytest.approx([best.cost_usd_per_mtok, cost])
    # The exact answer is not proven: hollow.
    assert [bar.get_facecolor()[:3] == (1.0, 1.0, 1.0) for bar in times.patches] == [True, False]
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not [1 for at, one in enumerate(boxes) for two in boxes[:at] if one.overlaps(two)]


def test_points_that_are_not_proven_are_drawn_so(comparison: Comparison) -> None:
    some = tuple(
        replace(each, status=Status.FEASIBLE) if at < 2 else each for at, each in enumerate(comparison.deployments)
    )
    figure: Any = replace(comparison, deployments=some).plot()
    expected = [(each.speed_tokens_per_s, each.cost_usd_per_mtok) for each in some[:2]]
    for axes in figure.axes:
        (hollow,) = (line for line in axes.lines if line.get_marker() == "s")
        assert list(zip(hollow.get_xdata(), hollow.get_ydata(), strict=True)) == expected
        assert hollow.get_markerfacecolor() == "white"
    assert "exact frontier, not proven" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert "exact frontier, not proven" not in [
        text.get_text() for text in cast("Any", comparison.plot()).legends[0].get_texts()
    ]


def test_claims_of_what_cannot_be_launched_are_within_the_axes(comparison: Comparison) -> None:
    """The published grid reaches further than the exact frontier, but not out of the picture."""
    grid = refused_only(comparison)
    assert grid.proposals
    dear = tuple(
        replace(each, claimed_cost_usd_per_mtok=4.0 * each.claimed_cost_usd_per_mtok) for each in grid.proposals
    )
    timed = replace(comparison.statistics, heuristic_seconds=(0.1,))
    figure: Any = replace(comparison, heuristics=(replace(grid, proposals=dear),), statistics=timed).plot()
    (axes,) = figure.axes
    (low, high), (least, most) = axes.get_xlim(), axes.get_ylim()
    for each in dear:
        assert low < each.claimed_speed_tokens_per_s < high
        assert least < each.claimed_cost_usd_per_mtok < most


def test_nothing_is_missed_where_a_heuristic_lies_below_a_frontier_that_is_not_complete(comparison: Comparison) -> None:
    """Between two points of a frontier that only covers the others."""
    exact = comparison.deployments[::40]
    figure: Any = replace(comparison, deployments=exact).plot()
    (shade,) = figure.axes[0].collections
    points = shade.get_paths()[0].vertices
    exact_at = [(each.speed_tokens_per_s, each.cost_usd_per_mtok) for each in exact]
    for speed, cost in points:
        least = min((price for fast, price in exact_at if fast >= speed * (1.0 - 1e-12)), default=None)
        assert least is None or cost >= least * (1.0 - 1e-9)


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_pictures_are_drawn_alike_every_time(comparison: Comparison, tmp_path: Path, ending: str) -> None:
    first, second = tmp_path / f"first.{ending}", tmp_path / f"second.{ending}"
    comparison.plot(first)
    comparison.plot(second)
    assert first.read_bytes() == second.read_bytes()
    if ending != "png":
        text = first.read_text(encoding="utf-8")
        assert "<!-- paper-grid -->" in text
        assert "exact frontier" in text


def write(folder: Path, **changes: Any) -> str:
    path = folder / "small.yaml"
    path.write_text(json.dumps({"kind": "deployment"} | FIELDS | changes), encoding="utf-8")
    return str(path)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command, arguments, standalone_mode=False)


def test_command_prints_csv_and_saves_json(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    options = [
        "--heuristic",
        "random",
        "--heuristic",
        "rule-of-thumb",
        "--budget",
        "50",
        "--format",
        "csv",
        "--delta",
        "0.2",
    ]
    result = run(write(tmp_path), *options, "--out", str(out), "--seed", "3", "--quiet")
    assert result.exception is None
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["heuristic"] for row in rows] == ["random", "rule-of-thumb"]
    assert rows[0]["evaluations"] == "50"
    assert json.loads(out.read_text(encoding="utf-8"))["budget"] == {"evaluations": 50, "seconds": None, "seed": 3}


def test_command_is_quiet_when_it_saves(tmp_path: Path) -> None:
    out = tmp_path / "result.csv"
    assert (
        run(write(tmp_path), "--heuristic", "coarse-grid", "--delta", "0.2", "--out", str(out), "--quiet").stdout == ""
    )
    assert out.read_text(encoding="utf-8").startswith("heuristic,proposals,")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--heuristic", "magic"], "found 'magic'"),
        (["--budget", "0"], "budget.evaluations"),
        (["--resolution", "1"], "resolution: found 1"),
        (["--delta", "-1"], "delta"),
        (["--out", "result.txt"], r"expected one of \.csv, \.json, \.parquet"),
        (["--plot", "result.pdf"], r"expected one of \.png, \.svg, \.html"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: list[str], message: str) -> None:
    result = run(write(tmp_path), *options)
    assert isinstance(result.exception, ScenarioError)
    assert result.exc_info is not None
    with pytest.raises(ScenarioError, match=message):
        raise result.exception


def test_an_infeasible_scenario_is_proven_so(tmp_path: Path) -> None:
    result = run(write(tmp_path, limits={"min_speed": 1e6}), "--heuristic", "random")
    assert isinstance(result.exception, InfeasibleError)


def check_that_nothing_beats_the_frontier(seed: int) -> None:
    """Draw one scenario and let every heuristic try to beat its complete frontier."""
    case = random_case(random.Random(seed))  # noqa: S311
    budget = Budget(evaluations=400, seed=seed)
    try:
        comparison = compare(case.scenario(), chosen((), resolution=12), budget=budget, complete=True)
    except InfeasibleError:
        return
    for result in comparison.heuristics:
        where = f"seed {seed}, {result.name}: {case.mapping}"
        assert result.beats_frontier == 0, where
        for regret in (result.cost_regret.least, result.speed_regret.least):
            assert regret is None or regret >= -1e-9, where


@pytest.mark.parametrize("seed", range(6))
def test_no_heuristic_beats_the_exact_frontier(seed: int) -> None:
    check_that_nothing_beats_the_frontier(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 200))
def test_no_heuristic_beats_the_exact_frontier_of_many(seed: int) -> None:
    check_that_nothing_beats_the_frontier(seed)


def test_an_incomplete_frontier_never_gives_negative_regrets() -> None:
    results = compare(scenario(), ["random", "nsga2"], budget=Budget(evaluations=500), delta=0.5).heuristics
    exact = compare(scenario(), ["random", "nsga2"], budget=Budget(evaluations=500), complete=True).heuristics
    for covered, complete in zip(results, exact, strict=True):
        for name in ("cost_regret", "speed_regret"):
            understated, true = getattr(covered, name), getattr(complete, name)
            assert 0.0 <= understated.least <= understated.worst <= true.worst + 1e-9
        assert covered.beats_frontier == complete.beats_frontier == 0
