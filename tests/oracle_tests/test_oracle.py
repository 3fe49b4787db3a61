"""The oracle against the reference figures, and against examples small enough to work by hand."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from oracle import (
    OracleScenario,
    Setup,
    best,
    calibrated,
    coverage,
    covers,
    deployable,
    enumerate_deployments,
    evaluate,
    paper,
    pareto,
)
from oracle.common import collective_s, peak_flops
from oracle.energy import supply
from oracle.enumeration import setups, speculative_s
from oracle.kinds import kind_of
from oracle.precision import rate
from oracle.references import ACCELERATORS, H100, MODELS
from places import DATA
from random_scenarios import numbered
from small_chip import CHIP, DENSE

from ieco_opt import catalog
from ieco_opt.catalog.attention import Attention, AttentionBlock, GroupedQueryAttention, LatentAttention
from ieco_opt.catalog.types import FeedForward, Model, PaperModel, Topology

Mapping = dict[str, Any]

SAMPLE = DATA / "setup_points_sample.csv"
PARTS = (
    "kernel_s",
    "attention_allreduce_s",
    "feed_forward_allreduce_s",
    "expert_all_to_all_s",
    "pipeline_transfer_s",
    "memory_s",
    "arithmetic_s",
    "latency_s",
)
EXPERTS = replace(
    DENSE,
    name="experts",
    feed_forward=(
        FeedForward(layers=1, width=20),
        FeedForward(layers=4, width=6, experts=8, active=3),
        FeedForward(layers=4, width=5, shared=True),
    ),
)
LATENT_ATTENTION = LatentAttention(
    query_heads=4, kv_width=5, query_width=6, nope_head_width=3, rope_head_width=2, value_head_width=4
)
EIGHT = 8.03 / 8
"""Bytes of a weight of 8 bits with its scale."""
INT4 = 4.16 / 8


def alike(attention: Attention, **changes: Any) -> Model:
    """Give the small model that attention in all layers."""
    model = replace(DENSE, **changes)
    return replace(model, blocks=(AttentionBlock(model.layers, attention),))


LATENT = alike(LATENT_ATTENTION, name="latent")


def sample() -> list[dict[str, str]]:
    with SAMPLE.open(newline="") as file:
        return list(csv.DictReader(file))


def sampled_setup(row: dict[str, str]) -> Setup:
    """Build the setup of a row from its inputs alone."""
    model = MODELS[row["model"]]
    ranks = int(row["gpus"]) / int(row["pipeline_parallel"])
    starved = int(row["batch"]) / int(row["pipeline_parallel"]) < 2 * paper.sparsity(model)
    expert = 1 if starved else min(ranks, model.experts)
    return Setup(
        ranks,
        row["tensor_layout"],
        int(row["pipeline_parallel"]),
        expert,
        int(row["attention_data_parallel"]),
    )


@pytest.mark.parametrize("row", sample(), ids=lambda row: f"{row['model']}-{row['gpus']}-{row['batch']}")
def test_reference_setup(row: dict[str, str]) -> None:
    model, accelerator, setup = MODELS[row["model"]], ACCELERATORS[row["accelerator"]], sampled_setup(row)
    assert setup.expert == float(row["expert_parallel"])
    assert setup.tensor_parallel == float(row["tensor_parallel_attention"])
    assert setup.expert_tensor_parallel == float(row["tensor_parallel_feed_forward"])
    assert paper.feed_forward_ranks(setup) == setup.expert_tensor_parallel
    parts = evaluate(
        model,
        accelerator,
        setup,
        batch=int(row["batch"]),
        context_tokens=int(row["context_tokens"]),
        tokens_per_pass=int(row["tokens_per_pass"]),
    )
    for part in PARTS:
        assert float(getattr(parts, part)) == pytest.approx(float(row[part]), rel=1e-9, abs=0), part
    micro_batch = np.array(int(row["batch"]) / setup.pipeline)
    resident = paper.resident_bytes(model, micro_batch, int(row["context_tokens"]))
    assert (setup.gpus * accelerator.hbm_bytes >= resident) == (row["feasible"] == "true")


@pytest.mark.parametrize(
    ("section", "model", "accelerator", "gpus", "batch", "context", "latency_s"),
    [
        ("2.2", "DeepSeek V3", "A100", 64, 77, 1000, 0.0115782362453),
        ("3.5", "DeepSeek V3", "A100", 64, 77, 1000, 0.0196290788921),
        ("2.2", "GPT-4", "A100", 256, 797, 10000, 0.0621045159631),
        ("3.5", "GPT-4", "A100", 512, 11, 10000, 0.0250459648964),
        ("2.2", "Llama 3 70B 8-bit", "H100", 1024, 10, 10000, 0.0217878379055),
        ("3.5", "DeepSeek V3", "H100", 1024, 289, 1000, 0.0157747049408),
        ("2.2", "DeepSeek V3", "A100", 1, 1060, 10000, math.inf),
        ("3.5", "Llama 3 70B", "H100", 1, 3, 0, math.inf),
    ],
)
def test_closed_form(
    section: str, model: str, accelerator: str, gpus: int, batch: int, context: int, latency_s: float
) -> None:
    closed_form = {"2.2": paper.section_2_2_s, "3.5": paper.section_3_5_s}[section]
    found = closed_form(MODELS[model], ACCELERATORS[accelerator], gpus, batch, context)
    assert found == pytest.approx(latency_s, rel=1e-9, abs=0)


def cheapest(kinds: int, hops: float, doublings: float, seconds: float) -> float:
    """Cheapest protocol, where ``seconds`` is the bandwidth term before the factor."""
    return min(
        kinds * (0.6e-6 * hops + 5e-6 * doublings) + 6.8e-6 + seconds / 0.5,
        kinds * (1.25e-6 * hops + 8.5e-6 * doublings) + 14e-6 + seconds / 0.95,
        kinds * (28e-6 * hops + 28e-6 * doublings) + seconds,
    )


def test_collectives_by_hand() -> None:
    size = np.array(1000.0)
    # Four ranks on two nodes: inside (4 - 2) X / (4 x 1e6), between (2 - 1) X / (4 x 1e5).
    expected = cheapest(2, 4 / 2 - 1, 1, 1000 / 4e5)
    assert float(collective_s(CHIP, 4, 2, size, all_reduce=True)) == pytest.approx(expected)
    expected = cheapest(1, 4 / 2 - 1, 1, 1000 / 4e5 / 2)
    assert float(collective_s(CHIP, 4, 2, size, all_reduce=False)) == pytest.approx(expected)
    torus = replace(CHIP, topology=Topology.TORUS, node_size=1, intra_node_bytes_per_s=math.inf)
    expected = 2 * 3e-6 + 3 * 1000 / (4 * 1e5)
    assert float(collective_s(torus, 4, 4, size, all_reduce=True)) == pytest.approx(expected)
    assert float(collective_s(CHIP, 1, 1, size, all_reduce=True)) == 0


def test_peak_rate_falls_back_to_16_bits() -> None:
    assert [peak_flops(CHIP, bits) for bits in (16, 8, 4)] == [1e6, 2e6, 1e6]
    assert rate(H100, "nvfp4") == 2e15
    assert rate(H100, "int4") == 1e15


def test_dense_model_on_two_stages_by_hand() -> None:
    # Five layers on two stages of two ranks: the fuller stage holds three layers and sets the pace.
    setup, batch = Setup(stage_ranks=2, layout="1d", pipeline=2, expert=1, sigma=1), np.array(7.0)
    attention, feed_forward = (4 + 2 * 2) * 2 * 8 + 8 * (4 * 2), 3 * 8 * 16
    cache = 2 * 2 * 2 * 2
    # Norms are on every rank: two of width 8 for each layer.
    norms = 2 * 2 * 8
    resident = 2 * (3 * attention + 3 * feed_forward + 10 * 8) / 2 + 3 * norms + 3 * cache * 10 * 7 * 0.5
    assert resident == 3584
    assert float(deployable.resident_bytes(DENSE, setup, "bf16", batch, 10)) == pytest.approx(resident)

    parts = evaluate(DENSE, CHIP, setup, batch=7, context_tokens=8, weights="bf16")
    pace, x, root = 2 * 3 / 5, 3.5, math.sqrt(2)
    qkv = 2 * 16 * 8 + 2 * x * (2 * 8 + 1 * 16)
    out = 2 * 8 * 8 + 2 * x * (root * 8 + root * 8)
    blocks = 3 * (2 * 8 * 16 + 2 * x * (1 * 16 + 2 * 8))
    moved = pace * 5 * (cache * 8 * x + qkv + out + blocks + 2 * norms) + 2 * 10 * 8
    assert float(parts.memory_s) == pytest.approx(2 * moved / (4 * 0.8 * 1e5))
    per_layer = 2 * feed_forward + 2 * attention + 4 * 2 * 4 * 8
    flop = 7 * (pace * 5 * per_layer + 4 * 10 * 8)
    assert float(parts.arithmetic_s) == pytest.approx(flop / (4 * 0.5 * 1e6))
    assert float(parts.kernel_s) == pytest.approx(pace * 4 * 5 * 1e-6)
    reduce_s = pace * 5 * cheapest(2, 1, 0, 8 * x * 2 / (2 * 1e6))
    assert float(parts.attention_allreduce_s) == pytest.approx(reduce_s)
    assert float(parts.feed_forward_allreduce_s) == pytest.approx(reduce_s)
    transfer = cheapest(1, 0, 1, (8 * x * 2 / 2) / (2 * 1e5) / 2)
    assert float(parts.pipeline_transfer_s) == pytest.approx(transfer)


def test_two_dimensional_words_by_hand() -> None:
    # Four ranks on two nodes, two a side; two groups of attention of two ranks each, on one node.
    setup = Setup(stage_ranks=4, layout="2d", pipeline=1, expert=1, sigma=2)
    parts = evaluate(DENSE, CHIP, setup, batch=6, context_tokens=8, weights="bf16")
    r, n = 2, math.sqrt(2)
    slowest = max((r - n) / (r * 1e6), (n - 1) / (r * 1e5))
    blocks = sum(cheapest(2, r / n - 1, 0.5, words / 2 * 6 * 2 * slowest) for words in (8, 2 * 16))
    assert float(parts.feed_forward_allreduce_s) == pytest.approx(5 * blocks)
    side = math.sqrt(2)
    inside = (side - 1) / (side * 1e6)
    attention = sum(cheapest(2, side - 1, 0, words / side * (6 / 2) * 2 * inside) for words in (8, 16))
    assert float(parts.attention_allreduce_s) == pytest.approx(5 * attention)


@pytest.mark.parametrize(
    ("sigma", "share", "replication", "sequences"), [(1, 1 / 2, 4, 8), (2, 1 / 2, 2, 4), (4, 1 / 2, 1, 2)]
)
def test_replicated_heads_by_hand(sigma: int, share: float, replication: int, sequences: int) -> None:
    # Two KV heads on 8 / sigma ranks: each rank holds one head, half of a sequence's cache.
    model = alike(GroupedQueryAttention(query_heads=8, kv_heads=2, head_width=1))
    setup = Setup(stage_ranks=8, layout="1d", pipeline=1, expert=1, sigma=sigma)
    attention, cache = (8 + 4) * 1 * 8 + 8 * 8, 2 * 2 * 1 * 2
    in_16_bits = 2 * 2 * 10 * 8 / 8 + 2 * 5 * 2 * 8
    weights = EIGHT * (5 * attention * sigma / 8 + 5 * 3 * 8 * 16 / 8) + in_16_bits
    resident = weights + 5 * cache * 20 * sequences * share
    assert float(deployable.resident_bytes(model, setup, "fp8", np.array(8.0), 20)) == pytest.approx(resident)
    long, short = (
        float(evaluate(model, CHIP, setup, batch=8, context_tokens=s, weights="fp8").memory_s) for s in (30, 0)
    )
    assert long - short == pytest.approx(5 * cache * 30 * 8 * replication / (8 * 0.8 * 1e5))


def test_latent_attention_by_hand() -> None:
    shapes = [(6 + 5 + 2, 8), (4 * (3 + 2), 6), (4 * (3 + 4), 5), (8, 4 * 4)]
    assert kind_of(LATENT_ATTENTION, 8).matrices == tuple(shapes)
    setup = Setup(stage_ranks=4, layout="2d", pipeline=1, expert=1, sigma=1)
    params, cache = 13 * 8 + 20 * 6 + 28 * 5 + 8 * 16, (5 + 2) * 2
    # Every rank holds the one compressed head whole.
    resident = 2 * (5 * params + 5 * 3 * 8 * 16 + 2 * 10 * 8) / 4 + 5 * 2 * 2 * 8 + 5 * cache * 20 * 3
    assert float(deployable.resident_bytes(LATENT, setup, "bf16", np.array(3.0), 20)) == resident
    near, far = (evaluate(LATENT, CHIP, setup, batch=3, context_tokens=s, weights="bf16") for s in (0, 10))
    read = 5 * cache * 10 * 3 * 4 / (4 * 0.8 * 1e5)
    assert float(far.memory_s - near.memory_s) == pytest.approx(read)
    flop = 3 * 5 * 2 * 4 * (2 * 5 + 2) * 10
    assert float(far.arithmetic_s - near.arithmetic_s) == pytest.approx(flop / (4 * 0.5 * 1e6))
    assert kind_of(LATENT_ATTENTION, 8).wide_words == 4 * (3 + 2) + 4 * (3 + 4)
    plain = kind_of(replace(LATENT_ATTENTION, query_width=None), 8)
    assert plain.matrices == ((4 * 5 + 5 + 2, 8), (4 * (3 + 4), 5), (8, 4 * 4))


@pytest.mark.parametrize(("pipeline", "feed_forward"), [(1, 4 * 1272 + 480), (2, 3 * 1272), (3, 2 * 1272), (5, 1272)])
def test_heaviest_stage_by_hand(pipeline: int, feed_forward: int) -> None:
    # Eight experts of width 6 and a shared one of width 5, against one dense layer of width 20.
    assert (3 * 8 * (8 * 6 + 5), 3 * 8 * 20) == (1272, 480)
    setup = Setup(stage_ranks=4, layout="1d", pipeline=pipeline, expert=2, sigma=1)
    stage, embeddings = math.ceil(5 / pipeline), 80 * (2 if pipeline == 1 else 1)
    # A router for eight experts in each of the four layers that route.
    norms = 2 * (2 * 8 * stage + 8 * 8 * min(stage, 4))
    weights = (INT4 * (stage * 192 + feed_forward) + 2 * embeddings) / 4 + norms
    cache = stage * 16 * 20 * 7 / 2
    found = deployable.resident_bytes(EXPERTS, setup, "int4", np.array(7.0), 20)
    assert float(found) == pytest.approx(weights + cache)


def test_experts_by_hand() -> None:
    setup = Setup(stage_ranks=4, layout="1d", pipeline=2, expert=2, sigma=1)
    parts = evaluate(EXPERTS, CHIP, setup, batch=4, context_tokens=0, weights="int4")
    pace, x, touched = 1.2, 2, 8 * (1 - (5 / 8) ** 2)
    t1 = math.sqrt(8 * 2 / 6)
    routed = touched * 3 * (INT4 * 8 * 6 + 2 * (x * 3 / 8) * (t1 * 6 + 2 / t1 * 8))
    t1 = math.sqrt(8 * 4 / 20)
    first = 3 * (INT4 * 8 * 20 + 2 * x * (t1 * 20 + 4 / t1 * 8))
    t1 = math.sqrt(8 * 4 / 5)
    shared = 3 * (INT4 * 8 * 5 + 2 * x * (t1 * 5 + 4 / t1 * 8))
    t1 = math.sqrt(16 * 4 / 8)
    attention = INT4 * 192 + 2 * x * (t1 * 8 + 4 / t1 * 16 + 2 * 8 + 2 * 8)
    norms = 4 * 2 * (5 * 2 * 8 + 4 * 8 * 8)
    moved = pace * (4 * (routed + shared) + first + 5 * attention + norms) + 2 * 10 * 8
    assert float(parts.memory_s) == pytest.approx(moved / (4 * 0.8 * 1e5))
    flop = pace * 2 * (4 * (3 * 3 * 8 * 6 + 3 * 8 * 5) + 3 * 8 * 20 + 5 * 192) + 4 * 10 * 8
    assert float(parts.arithmetic_s) == pytest.approx(2 * flop / (4 * 0.5 * 1e6))
    # An expert is split over two ranks of one node, the other blocks over all four on two nodes.
    expert = cheapest(2, 1, 0, (3 * 8 / 2) * x * 2 / (2 * 1e6))
    whole = cheapest(2, 1, 1, 8 * x * 2 / (4 * 1e5))
    assert float(parts.feed_forward_allreduce_s) == pytest.approx(pace * (4 * (expert + whole) + whole))
    exchange = cheapest(1, 1, 0, (8 * x * 2 * 2 / 4) / (2 * 1e6) / 2)
    assert float(parts.expert_all_to_all_s) == pytest.approx(pace * 2 * 4 * exchange)


SCENARIO = OracleScenario(
    fidelity="deployable",
    model=EXPERTS,
    accelerators=(CHIP,),
    weights=("bf16", "fp8"),
    batches=np.arange(1, 9),
    context_tokens=20,
    output_tokens=10,
    stage_ranks=(1, 2, 4, 8),
    pipeline_parallel=(1, 2),
    attention_data_parallel=(1, 2),
    max_gpus=8,
    engine="none",
)


def test_design_space_by_hand() -> None:
    # Ranks and groups: 1, then 2 and 4 with both, and 8 with two groups only (four heads);
    # Q divides the ranks and is at most 8, so 1, 2, 3 and 4 choices; two stages only up to 4 ranks.
    assert len(list(setups(SCENARIO, EXPERTS))) == (1 + 2 * 2 + 2 * 3 + 4) + (1 + 2 * 2 + 2 * 3)
    listed = replace(SCENARIO, expert_parallel=(2, 3))
    assert {setup.expert for setup, _ in setups(listed, EXPERTS)} == {2}
    assert {setup.expert for setup, _ in setups(listed, DENSE)} == {1}
    gpt_4 = replace(SCENARIO, fidelity="paper", model=MODELS["GPT-4"], batches=np.array([15, 16, 31, 32]))
    found = {(s.pipeline, s.expert, *np.flatnonzero(m)) for s, m in setups(gpt_4, gpt_4.model) if s.stage_ranks == 4}
    assert found == {(1, 1, 0), (1, 4, 1, 2, 3), (2, 1, 0, 1, 2), (2, 4, 3)}


def degrees(model: Model | PaperModel, **lists: Any) -> set[tuple[int, int, int]]:
    """TP, DP and PP of every setup that a design space gives a model."""
    fidelity: Literal["paper", "deployable"] = "paper" if isinstance(model, PaperModel) else "deployable"
    space = replace(SCENARIO, fidelity=fidelity, model=model, stage_ranks=None)
    return {(int(s.tensor_parallel), int(s.sigma), int(s.pipeline)) for s, _ in setups(replace(space, **lists), model)}


def test_tensor_parallel_and_stage_ranks_both_restrict() -> None:
    lists: Mapping = {
        "tensor_parallel": (1, 2, 3),
        "stage_ranks": (2, 4, 6, 8),
        "attention_data_parallel": (1, 2, 3, 4),
    }
    # Degree 1 needs 2 or 4 groups, 2 may have any number; 12 and 16 GPUs are more than there may be.
    one_stage = {(1, 2, 1), (1, 4, 1), (2, 1, 1), (2, 2, 1), (2, 3, 1), (2, 4, 1)}
    two_stages = {(1, 2, 2), (1, 4, 2), (2, 1, 2), (2, 2, 2)}
    assert degrees(DENSE, **lists) == one_stage | two_stages
    # Three divides no four heads, which the paper does not mind: two groups make a stage of 6.
    assert degrees(MODELS["Llama 3 8B"], **lists) == one_stage | two_stages | {(3, 2, 1)}
    assert degrees(DENSE, **lists | {"stage_ranks": (5, 7)}) == set()


def test_tensor_parallel_alone_goes_with_every_number_of_groups() -> None:
    lists: Mapping = {"tensor_parallel": (1, 2), "attention_data_parallel": (1, 3), "max_gpus": 6}
    expected = {(1, 1, 1), (1, 3, 1), (2, 1, 1), (2, 3, 1), (1, 1, 2), (1, 3, 2), (2, 1, 2)}
    assert degrees(DENSE, **lists) == expected
    assert degrees(MODELS["Llama 3 8B"], **lists) == expected
    # Beyond 64 ranks, and no power of two: only the GPUs set an end.
    lists |= {"tensor_parallel": (4,), "attention_data_parallel": (5, 32, 64), "max_gpus": 160}
    assert degrees(DENSE, **lists) == {(4, 5, 1), (4, 5, 2), (4, 32, 1)}


def test_stage_ranks_alone_leave_every_degree_that_divides_them() -> None:
    lists: Mapping = {"stage_ranks": (6, 12), "attention_data_parallel": (1, 2, 3, 4, 5), "max_gpus": 12}
    # 6 in four groups and both in five would not be whole; 6, 3 and 12 do not divide the four heads.
    assert degrees(DENSE, **lists) == {(2, 3, 1), (2, 3, 2), (4, 3, 1)}
    of_six, of_twelve = {(6, 1), (3, 2), (2, 3)}, {(12, 1), (6, 2), (4, 3), (3, 4)}
    every = {(*stage, 1) for stage in of_six | of_twelve} | {(*stage, 2) for stage in of_six}
    assert degrees(MODELS["Llama 3 8B"], **lists) == every


def test_neither_list_gives_powers_of_two() -> None:
    lists: Mapping = {"attention_data_parallel": (1, 2, 3), "pipeline_parallel": (1,)}
    four_heads = {(1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 2, 1), (4, 1, 1), (4, 2, 1)}
    assert degrees(DENSE, **lists) == four_heads
    every = {(2**k, 1, 1) for k in range(7)} | {(2**k, 2, 1) for k in range(6)}
    assert degrees(MODELS["Llama 3 8B"], **lists, max_gpus=512) == every
    # The same configurations as where the default is written out.
    assert degrees(DENSE, **lists, stage_ranks=(1, 2, 4, 8, 16, 32, 64)) == four_heads


def test_columns_of_degrees() -> None:
    lists: Mapping = {
        "tensor_parallel": (2,),
        "stage_ranks": None,
        "attention_data_parallel": (2,),
        "pipeline_parallel": (2,),
    }
    space = replace(SCENARIO, **lists, expert_parallel=(1, 2, 4), weights=("fp8",), batches=np.array([6, 8, 9]))
    table = enumerate_deployments(space)
    names = ("tensor_parallel", "attention_data_parallel", "stage_ranks", "expert_parallel", "expert_tensor_parallel")
    rows = list(zip(*(table[name].tolist() for name in names), table["gpus"].tolist(), strict=True))
    assert rows == [(2, 2, 4, 1, 4, 8), (2, 2, 4, 2, 2, 8), (2, 2, 4, 4, 1, 8)]
    setup = Setup(stage_ranks=4, layout="1d", pipeline=2, expert=2, sigma=2)
    parts = evaluate(EXPERTS, CHIP, setup, batch=8, context_tokens=25, weights="fp8")
    assert set(table["batch"]) == {8}
    assert table["latency_s"][1] == pytest.approx(float(parts.latency_s), rel=1e-12)


def test_an_expert_may_have_half_a_rank_more_in_the_paper() -> None:
    # Sixteen experts over 24 ranks: one and a half each, in three groups of eight for attention; two stages hold GPT-4.
    gpt_4: Mapping = {"model": MODELS["GPT-4"], "fidelity": "paper", "weights": (), "accelerators": (H100,)}
    lists: Mapping = {"tensor_parallel": (8,), "stage_ranks": (24,), "attention_data_parallel": (1, 3), "max_gpus": 64}
    table = enumerate_deployments(replace(SCENARIO, **gpt_4, **lists, pipeline_parallel=(2,), batches=np.array([64])))
    degrees_of = ("tensor_parallel", "attention_data_parallel", "expert_parallel", "expert_tensor_parallel", "gpus")
    assert [table[name].tolist() for name in degrees_of] == [[8], [3], [16], [1.5], [48]]


def test_economics_and_limits() -> None:
    table = enumerate_deployments(SCENARIO)
    assert set(table["weights"]) == {"bf16", "fp8"}
    row = {column: values[17].item() for column, values in table.items()}
    assert row["speed_tokens_per_s"] * row["latency_s"] == pytest.approx(1)
    cost = row["gpus"] * 3.6 / 3600 / (row["batch"] / row["latency_s"]) * 1e6
    assert row["cost_usd_per_mtok"] == pytest.approx(cost)
    assert row["power_kw"] == pytest.approx(0.1 * row["gpus"])
    speeds = table["speed_tokens_per_s"]
    limited = enumerate_deployments(
        replace(SCENARIO, min_speed=float(np.median(speeds)), max_power_kw=0.45, max_throughput=400.0)
    )
    kept = (speeds >= np.median(speeds)) & (table["gpus"] <= 4) & (table["throughput_tokens_per_s"] <= 400)
    assert 0 < np.count_nonzero(kept) == limited["batch"].size < speeds.size
    nothing = enumerate_deployments(replace(SCENARIO, max_cost=0.0))
    assert best(nothing, "fastest") is None
    assert pareto(nothing)["batch"].size == 0


def test_energy_by_hand() -> None:
    power = {"usd_per_kwh": 0.36, "pue": 1.2, "kg_co2_per_kwh": 3.6}
    scenario = replace(SCENARIO, weights=("bf16",), powers={"chip": power})
    plain, table = enumerate_deployments(replace(scenario, powers={})), enumerate_deployments(scenario)
    for row in range(0, table["batch"].size, 7):
        names = ("stage_ranks", "tensor_layout", "pipeline_parallel", "expert_parallel", "attention_data_parallel")
        setup = Setup(*(table[name][row].item() for name in names))
        parts = evaluate(
            EXPERTS, CHIP, setup, batch=table["batch"][row], context_tokens=20, output_tokens=10, weights="bf16"
        )
        # 100 W a GPU, of which 26 are drawn always and 65 while memory or arithmetic are busy.
        busy = max(float(parts.memory_s), float(parts.arithmetic_s))
        joules = table["gpus"][row] * (26 * float(parts.latency_s) + 65 * busy) / table["batch"][row]
        assert table["energy_j_per_token"][row] == pytest.approx(joules, rel=1e-12)
        assert plain["energy_j_per_token"][row] == pytest.approx(joules, rel=1e-12)
        assert table["energy_usd_per_mtok"][row] == pytest.approx(joules * 1.2 * 0.1, rel=1e-12)
        assert table["carbon_kg_per_mtok"][row] == pytest.approx(joules * 1.2, rel=1e-12)
        more = table["cost_usd_per_mtok"][row] - plain["cost_usd_per_mtok"][row]
        assert more == pytest.approx(table["energy_usd_per_mtok"][row])
    assert np.isnan([plain["energy_usd_per_mtok"], plain["carbon_kg_per_mtok"]]).all()
    half = float(np.median(table["energy_j_per_token"]))
    least = replace(scenario, max_energy_j_per_token=half)
    assert enumerate_deployments(least)["batch"].size == np.count_nonzero(table["energy_j_per_token"] <= half)
    clean = replace(scenario, max_carbon_kg_per_mtok=half * 1.2 * 1.0000001)
    assert enumerate_deployments(clean)["batch"].size == np.count_nonzero(table["energy_j_per_token"] <= half)
    # What nobody knows meets no limit; what a kilowatt-hour costs without its carbon, and the other way round.
    assert not enumerate_deployments(replace(least, accelerators=(replace(CHIP, power_w=None),)))["batch"].size
    assert not enumerate_deployments(replace(clean, powers={"chip": {"usd_per_kwh": 1.0}}))["batch"].size
    only_carbon = enumerate_deployments(replace(scenario, powers={"chip": {"kg_co2_per_kwh": 3.6}}))
    assert only_carbon["carbon_kg_per_mtok"] == pytest.approx(table["carbon_kg_per_mtok"] / 1.2)
    assert only_carbon["cost_usd_per_mtok"].tolist() == plain["cost_usd_per_mtok"].tolist()
    gpt_4: Mapping = {"model": MODELS["GPT-4"], "fidelity": "paper", "weights": (), "stage_ranks": (64,)}
    known = replace(SCENARIO, **gpt_4, accelerators=(replace(H100, power_w=700.0),), max_gpus=64)
    assert np.isnan(enumerate_deployments(known)["energy_j_per_token"]).all()


def test_energy_of_a_draft_is_put_together_as_its_time_is() -> None:
    scenario = replace(
        SCENARIO, model=DENSE, weights=("bf16",), stage_ranks=(1,), attention_data_parallel=(1,), batches=np.array([4])
    )
    drafting = replace(scenario, draft_model=replace(DENSE, name="draft"), max_draft_tokens=3, pipeline_parallel=(1,))
    table = enumerate_deployments(drafting)
    row = table["draft_tokens"].tolist().index(3)
    at: Mapping = {"batch": 4, "context_tokens": 25, "weights": "bf16"}
    one = Setup(1, "1d", 1, 1, 1)
    verifying, proposing = (evaluate(DENSE, CHIP, one, **at, tokens_per_pass=tokens) for tokens in (3, 1))

    def busy(parts: Any) -> float:
        return max(float(parts.memory_s), float(parts.arithmetic_s))

    joules = 100 * (0.26 * table["latency_s"][row] + 0.65 * (busy(verifying) + 2 * busy(proposing)) / 2.44) / 4
    assert table["energy_j_per_token"][row] == pytest.approx(joules, rel=1e-12)


def test_power_of_a_profile() -> None:
    idle_alone = {"power": {"idle": 0.5}}
    profile = {"power": {"idle": 0.1, "busy": 0.8, "accelerators": {"chip": {"idle": 0.3, "busy": 0.4}}}}
    shares = [
        (found.idle, found.busy)
        for found in (
            supply(None, "chip", None),
            supply({}, "chip", {"pue": 1.5}),
            supply(idle_alone, "chip", None),
            supply(profile, "chip", None),
            supply(profile, "other", None),
        )
    ]
    assert shares == [(0.26, 0.65), (0.26, 0.65), (0.5, 0.65), (0.3, 0.4), (0.1, 0.8)]


def test_limits_hold_with_the_error() -> None:
    table = enumerate_deployments(SCENARIO)
    power = {"chip": {"kg_co2_per_kwh": 1.0}}
    nominal = {
        "min_speed": table["speed_tokens_per_s"],
        "min_throughput": table["throughput_tokens_per_s"],
        "max_cost": table["cost_usd_per_mtok"],
        "max_energy_j_per_token": table["energy_j_per_token"],
        "max_carbon_kg_per_mtok": enumerate_deployments(replace(SCENARIO, powers=power))["carbon_kg_per_mtok"],
        "max_throughput": table["throughput_tokens_per_s"],
        "max_power_kw": table["power_kw"],
    }
    for name, figures in nominal.items():
        limit = float(np.median(figures)) * 1.000001
        worse = {"min": 1 / 1.5, "max": 1.5}[name[:3]] if name not in ("max_throughput", "max_power_kw") else 1.0
        kept = figures * worse >= limit if name.startswith("min") else figures * worse <= limit
        limited = replace(SCENARIO, model_error=0.5, powers=power, **{name: limit})
        found = enumerate_deployments(limited)
        assert found["batch"].size == np.count_nonzero(kept), name
        assert set(found["latency_s"].tolist()) <= set(table["latency_s"].tolist()), name
    # Each accelerator has an error of its own.
    profile = {"name": "own", "accelerators": ["chip"], "fitted_on": {"p90_error": 0.5}}
    two = (CHIP, replace(CHIP, name="other"))
    scenario = replace(SCENARIO, model_error="profile", profile=profile, accelerators=two)
    assert [scenario.error_of(each) for each in two] == [0.5, 0.3]


def test_launches_of_a_server_have_its_factor_where_it_is_asked_for() -> None:
    hopper = catalog.accelerator("H100-SXM")
    model = catalog.model("Llama-3.1-8B")
    lists: Mapping = {"stage_ranks": (1,), "pipeline_parallel": (1,), "attention_data_parallel": (1,)}
    given: Mapping = {"accelerators": (hopper,), "weights": ("fp8",), "batches": np.array([8]), **lists}
    scenario = replace(SCENARIO, model=model, **given, engine="any")

    def latencies(**changes: Any) -> dict[str, float]:
        table = enumerate_deployments(replace(scenario, **changes))
        return dict(zip(table["engine"].tolist(), table["latency_s"].tolist(), strict=True))

    generic, own = latencies(), latencies(engine_factors=True)
    assert len(set(generic.values())) == 1
    profile: Any = calibrated.profile_of("auto", hopper)
    for name, called in (("vllm", "vllm"), ("sglang", "dynamo-sglang"), ("trtllm", "trt")):
        expected = (profile["engines"][called] - 1) * 32 * profile["layer_s"]
        assert own[name] - generic[name] == pytest.approx(expected, abs=1e-12)
        assert latencies(engine=name) == {name: own[name]}
    assert latencies(engine=["vllm", "sglang"]) == {name: generic[name] for name in ("vllm", "sglang")}
    assert latencies(engine="none") == {"": generic["vllm"]}
    one = dict.fromkeys(("vllm", "trtllm"), latencies(profile="paper-constants")["vllm"])
    assert latencies(profile="paper-constants", engine=["vllm", "trtllm"], engine_factors=True) == one


def test_speculation_by_hand() -> None:
    """A draft on the tensor ranks of the model, whose speed and memory are those of the same degrees."""
    one_head = GroupedQueryAttention(query_heads=4, kv_heads=1, head_width=2)
    draft = alike(one_head, layers=2, feed_forward=(FeedForward(layers=2, width=16),))
    scenario = replace(
        SCENARIO,
        model=DENSE,
        weights=("bf16",),
        stage_ranks=(1, 2),
        attention_data_parallel=(1, 2),
        batches=np.array([4]),
        max_gpus=2,
        draft_model=draft,
        max_draft_tokens=3,
    )

    def seconds(model: Model, setup: Setup, tokens: int) -> float:
        parts = evaluate(model, CHIP, setup, batch=4, context_tokens=25, tokens_per_pass=tokens, weights="bf16")
        return float(parts.latency_s)

    def held(model: Model, setup: Setup) -> float:
        return float(deployable.resident_bytes(model, setup, "bf16", np.array(4.0), 30))

    table = enumerate_deployments(scenario)
    drafted = table["draft_tokens"] == 3
    # Two stages of one rank hold the model, but no draft.
    assert set(table["pipeline_parallel"]) == {1, 2}
    assert set(table["pipeline_parallel"][drafted]) == {1}
    columns = (table[name][drafted].tolist() for name in ("stage_ranks", "attention_data_parallel"))
    places = list(zip(*columns, strict=True))
    assert sorted(places) == [(1, 1), (2, 1), (2, 2)]
    for (ranks, sigma), latency in zip(places, table["latency_s"][drafted], strict=True):
        setup = Setup(ranks, "1d", 1, 1, sigma)
        expected = (seconds(DENSE, setup, 3) + 2 * seconds(draft, setup, 1)) / (1 + 0.8 + 0.64)
        assert latency == pytest.approx(expected)
    both = held(DENSE, Setup(2, "1d", 1, 1, 2)) + held(draft, Setup(2, "1d", 1, 1, 2))
    for spare in (1.0, -1.0):
        tight = enumerate_deployments(replace(scenario, memory_utilization=(both + spare) / CHIP.hbm_bytes))
        in_groups = (tight["attention_data_parallel"] == 2) & (tight["draft_tokens"] == 3)
        assert in_groups.any() == (spare > 0)
    assert float(speculative_s(np.array(5.0), np.array(1.0), 3, 4.0)) == pytest.approx(8 / 4)


def test_the_paper_charges_every_proposal_and_lets_the_draft_stand_anywhere() -> None:
    case: Mapping = {"fidelity": "paper", "model": MODELS["Llama 3 8B"], "weights": (), "accelerators": (H100,)}
    case |= {"draft_model": MODELS["Llama 3 8B"], "max_draft_tokens": 2, "stage_ranks": (2,), "batches": np.array([4])}
    table = enumerate_deployments(replace(SCENARIO, **case, pipeline_parallel=(1,), attention_data_parallel=(1, 2)))
    plain = table["latency_s"][table["draft_tokens"] == 0]
    passes = [
        float(evaluate(MODELS["Llama 3 8B"], H100, s, batch=4, context_tokens=20, tokens_per_pass=2).latency_s)
        for s in (Setup(2, "1d", 1, 1, 1), Setup(2, "1d", 1, 1, 2))
    ]
    # Each setup of the model takes the faster of both of the draft.
    expected = [(one + 2 * plain.min()) / 1.8 for one in passes]
    assert table["latency_s"][table["draft_tokens"] == 2].tolist() == pytest.approx(expected)


def test_frontier_by_hand() -> None:
    table = {
        "speed_tokens_per_s": np.array([1.0, 2.0, 2.0, 3.0, 2.5, 3.0]),
        "cost_usd_per_mtok": np.array([1.0, 2.0, 2.0, 5.0, 6.0, 4.0]),
    }
    front = pareto(table)
    assert front["speed_tokens_per_s"].tolist() == [1, 2, 3]
    assert front["cost_usd_per_mtok"].tolist() == [1, 2, 4]
    coarse = {"speed_tokens_per_s": [1.0, 3.0], "cost_usd_per_mtok": [1.0, 4.0]}
    # The middle point is covered from the fast end at twice its cost, or from the slow end at half its speed.
    assert coverage(coarse, front) == pytest.approx(1)
    assert covers(coarse, front, 1.0)
    assert not covers(coarse, front, 0.99)
    assert best(table, "fastest") == {"speed_tokens_per_s": 3.0, "cost_usd_per_mtok": 4.0}
    assert best(table, "cheapest") == {"speed_tokens_per_s": 1.0, "cost_usd_per_mtok": 1.0}
    assert best(table, "preferred", 0.5) == {"speed_tokens_per_s": 1.0, "cost_usd_per_mtok": 1.0}
    assert best(table, "preferred", 3) == {"speed_tokens_per_s": 3.0, "cost_usd_per_mtok": 4.0}


def test_random_scenarios_draw_every_way_to_list_the_ranks() -> None:
    cases = [numbered(number)[0] for number in range(160)]
    spaces = [case.mapping["design_space"] for case in cases]
    ways = [("tensor_parallel" in space, "stage_ranks" in space) for space in spaces]
    assert min(ways.count((degrees, ranks)) for degrees in (False, True) for ranks in (False, True)) >= 4
    for case, space in zip(cases, spaces, strict=True):
        for name in ("tensor_parallel", "stage_ranks"):
            assert getattr(case.oracle, name) == (tuple(space[name]) if name in space else None)
    # Where both are given, the second list leaves out some of what the first allows, but seldom all.
    both = [case.oracle for case, way in zip(cases, ways, strict=True) if all(way)]
    left = [len(list(setups(case, case.model))) for case in both]
    free = [len(list(setups(replace(case, stage_ranks=None), case.model))) for case in both]
    assert sum(0 < some < every for some, every in zip(left, free, strict=True)) >= len(both) / 3
