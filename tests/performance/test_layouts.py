"""How servers lay a model over the ranks of a stage: copies of weights, and the exchange of experts, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_chip import CHIP

import ieco_opt
from ieco_opt import catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Model
from ieco_opt.engines.spread import ALL_GATHER, ALL_TO_ALL, NONE, Spread
from ieco_opt.performance import memory
from ieco_opt.performance.architecture import Architecture, architecture
from ieco_opt.performance.arithmetic import useful_s
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import decode_traffic

# One layer in two is dense. 192 attention weights a layer, 384 of the dense one, 24 x 4 of each of 4 experts, 192 of
# the shared one; 80 of the head.
EXPERTS: dict[str, Any] = {
    "name": "two layers",
    "layers": 2,
    "width": 8,
    "vocabulary": 10,
    "tied_embeddings": False,
    "attention": {"kind": "grouped_query", "query_heads": 4, "kv_heads": 4, "head_width": 2},
    "feed_forward": [
        {"layers": 1, "width": 16},
        {"layers": 1, "width": 4, "experts": 4, "active": 2},
        {"layers": 1, "width": 8, "shared": True},
    ],
}


def shape_of(mapping: dict[str, Any]) -> Architecture:
    model = catalog.model_from_mapping(mapping, Collection.REAL)
    assert isinstance(model, Model)
    return architecture(model, Precision("bf16", "bf16"), CHIP)


def degrees(ranks: int, groups: int, experts: int, exchange: int, **copies: int) -> Degrees:
    """One setup of one stage; each argument of ``copies`` is how many ranks share one."""
    one = np.ones(1)
    plain = Degrees.plain(ranks * one, one, experts * one, groups * one, np.zeros(1, dtype=bool), 0 * one)
    shared = {f"{name}_ranks": float(number) * one for name, number in copies.items()}
    return replace(plain, spread=replace(plain.spread, exchange=np.array([exchange]), **shared))


def timed(found: Degrees, shape: Architecture) -> PassTime:
    """One token of each sequence, with nothing in the cache."""
    return pass_time(shape, CHIP, found, decode_traffic(1.0, 0.0, 0.0))


def fixed_bytes(found: Degrees, shape: Architecture) -> float:
    """What a pass reads on all ranks of the stage, whatever the batch."""
    seconds = float(timed(found, shape).memory_fixed_s[0])
    return seconds * float(found.stage_ranks[0]) * CHIP.hbm_bytes_per_s * CHIP.memory_cap


@pytest.mark.parametrize(
    ("copies", "more"),
    [
        ({"dense": 4}, 0),
        # Two groups of two ranks: a copy for each.
        ({"dense": 2}, 384),
        ({"shared": 2}, 192),
        ({"head": 2}, 80),
        ({"dense": 2, "shared": 2, "head": 2}, 384 + 192 + 80),
        # Whole on each of four ranks.
        ({"dense": 1}, 3 * 384),
        ({"shared": 1}, 3 * 192),
        ({"head": 1}, 3 * 80),
        # The embedding is looked up and not read.
        ({"embedding": 1}, 0),
    ],
    ids=str,
)
def test_each_copy_of_weights_is_read_once_a_pass(copies: dict[str, int], more: int) -> None:
    shape = shape_of(EXPERTS)
    # Attention in both groups; norms of two layers and a router on each rank; the experts are not always read.
    norms = 4 * (2 * 2 * 8 + 8 * 4)
    once = 2 * (2 * 2 * 256 + 384 + 192 + 80 + norms)
    assert fixed_bytes(degrees(4, 2, 4, ALL_GATHER), shape) == pytest.approx(once)
    assert fixed_bytes(degrees(4, 2, 4, ALL_GATHER, **copies), shape) == pytest.approx(once + 2 * more)


@pytest.mark.parametrize(
    ("copies", "more"),
    [
        ({"dense": 2}, 384 * (1 / 2 - 1 / 4)),
        ({"shared": 1}, 192 * (1 - 1 / 4)),
        ({"embedding": 2}, 80 * (1 / 2 - 1 / 4)),
        ({"head": 1}, 80 * (1 - 1 / 4)),
    ],
    ids=str,
)
def test_each_copy_of_weights_takes_memory(copies: dict[str, int], more: float) -> None:
    shape = shape_of(EXPERTS)
    held = [memory.weight_bytes_per_gpu(shape, degrees(4, 2, 4, ALL_GATHER, **each))[0] for each in ({}, copies)]
    # Two layers of attention in a group of two ranks; dense layer, shared and routed experts and both ends over four.
    norms = 2 * 2 * 8 + 8 * 4
    assert held[0] == pytest.approx(2 * (2 * 256 / 2 + (384 + 192 + 4 * 96 + 2 * 80) / 4 + norms))
    assert held[1] - held[0] == pytest.approx(2 * more)


def test_activations_move_once_whatever_the_copies() -> None:
    # The tokens of a stage are divided among the copies: 3 matrices of 8 x 16, 2 bytes a word, whole on each rank.
    shape = shape_of(EXPERTS | {"feed_forward": [{"layers": 2, "width": 16}]})
    slopes = {ranks: timed(degrees(4, 1, 1, NONE, dense=ranks), shape).memory_slope_s[0] for ranks in (1, 4)}
    per_word = 2 / (4 * CHIP.hbm_bytes_per_s * CHIP.memory_cap)
    # Whole: 8 + 16 words of a matrix. On four ranks, sqrt(8 x 4 / 16) of them side by side: 16 sqrt(2) + 32 / sqrt(2).
    split = 16 * 2**0.5 + 8 * 4 / 2**0.5
    assert slopes[4] - slopes[1] == pytest.approx(2 * 3 * (split - 24) * per_word)


def collectives(found: Degrees, shape: Architecture) -> dict[str, list[tuple[float, float]]]:
    """Latency and seconds a sequence of the first protocol, of each collective that takes any time, by component."""
    time = timed(found, shape)
    told: dict[str, list[tuple[float, float]]] = {}
    for at, part in enumerate(time.network_part):
        latency, slope = float(time.network_latency_s[0, at, 0]), float(time.network_slope_s[0, at, 0])
        if latency:
            told.setdefault(part, []).append((latency, slope))
    return told


def lines(*each: tuple[float, float]) -> list[Any]:
    return [pytest.approx(line, rel=1e-12) for line in each]


def all_reduce(ranks: int, nodes: int, words: float) -> tuple[float, float]:
    """Latency and seconds a sequence of the LL protocol: 0.6 us a rank of a node, 5 us a doubling of nodes, 6.8 us."""
    latency, seconds = _one_way(ranks, nodes, 2 * words)
    return 2 * (latency - 6.8e-6) + 6.8e-6, seconds


def _one_way(ranks: int, nodes: int, words: float) -> tuple[float, float]:
    inside, between = (
        (ranks - nodes) / ranks / CHIP.intra_node_bytes_per_s,
        (nodes - 1) / ranks / CHIP.inter_node_bytes_per_s,
    )
    latency = 0.6e-6 * (ranks / nodes - 1) + 5e-6 * np.log2(nodes) + 6.8e-6
    return float(latency), 0.5 * max(inside, between) * 2 * words / 0.5


@pytest.mark.parametrize("shared", [True, False])
def test_what_moves_where_every_rank_has_every_token(*, shared: bool) -> None:
    # Four ranks are two nodes. One all-reduce of 8 words after the dense layer, one after the experts, in which the
    # shared expert is; nothing is sent to experts.
    blocks = EXPERTS["feed_forward"] if shared else EXPERTS["feed_forward"][:2]
    shape = shape_of(EXPERTS | {"feed_forward": blocks})
    told = collectives(degrees(4, 1, 4, NONE), shape)
    assert set(told) == {"attention_allreduce_s", "feed_forward_allreduce_s"}
    assert told["feed_forward_allreduce_s"] == lines(all_reduce(4, 2, 8), all_reduce(4, 2, 8))
    assert sum(latency for latency, _ in told["attention_allreduce_s"]) == pytest.approx(2 * all_reduce(4, 2, 8)[0])


def test_what_each_matrix_down_gives_is_reduced() -> None:
    shape = shape_of(EXPERTS | {"feed_forward": [{"layers": 1, "width": 16, "down": 2}, {"layers": 1, "width": 16}]})
    told = collectives(degrees(4, 1, 1, NONE), shape)
    assert told["feed_forward_allreduce_s"] == lines(all_reduce(4, 2, 2 * 8), all_reduce(4, 2, 8))


def test_what_moves_where_groups_gather_the_tokens_of_all() -> None:
    # Two groups of two ranks, a node each. The dense layer is reduced over the ranks of a copy, the experts' results
    # over those of a group, 8 / 2 words a token of the stage; two groups gather 8 words, and 8 come back.
    shape = shape_of(EXPERTS)
    told = collectives(degrees(4, 2, 4, ALL_GATHER, dense=2, shared=2), shape)
    assert told["feed_forward_allreduce_s"] == lines(all_reduce(2, 1, 8 / 2), all_reduce(2, 1, 8 / 2))
    latency, seconds = _one_way(2, 2, 8)
    assert told["expert_all_to_all_s"] == lines((2 * latency, 2 * seconds))
    # Also where two ranks share an expert: the results of a group are reduced once.
    shared = collectives(degrees(4, 2, 2, ALL_GATHER, dense=2, shared=2), shape)
    assert shared["feed_forward_allreduce_s"] == told["feed_forward_allreduce_s"]
    # Four groups of one rank: a rank of the two nodes each, and nothing to reduce.
    told = collectives(degrees(4, 4, 4, ALL_GATHER, dense=1, shared=1), shape)
    assert set(told) == {"expert_all_to_all_s"}
    latency, seconds = _one_way(4, 2, 8)
    assert told["expert_all_to_all_s"] == lines((2 * latency, 2 * seconds))


def test_what_moves_where_tokens_go_to_their_experts() -> None:
    # Two of four experts: each token is on two ranks, 8 x 2 / 4 words, on one node, there and back. The shared expert
    # is reduced by itself, unless each rank has all of it; an expert of one rank is not.
    shape = shape_of(EXPERTS)
    told = collectives(degrees(4, 2, 4, ALL_TO_ALL, dense=2, shared=2), shape)
    latency, seconds = _one_way(2, 1, 8 * 2 / 4)
    assert told["expert_all_to_all_s"] == lines((2 * latency, 2 * seconds))
    assert told["feed_forward_allreduce_s"] == lines(all_reduce(2, 1, 8 / 2), all_reduce(2, 1, 8 / 2))
    whole = collectives(degrees(4, 2, 4, ALL_TO_ALL, dense=2, shared=1), shape)
    assert whole["feed_forward_allreduce_s"] == lines(all_reduce(2, 1, 8 / 2))
    # Two ranks share an expert: 2 x 8 words of two active ones, over the two pairs.
    pairs = collectives(degrees(4, 2, 2, ALL_TO_ALL, dense=1, shared=1), shape)
    assert pairs["feed_forward_allreduce_s"] == lines(all_reduce(2, 1, 2 * 8 / 2))


def test_the_equations_alone_have_one_copy_and_send_tokens_to_their_experts() -> None:
    ranks = np.array([8.0, 4.0])
    spread = Spread.over_all(ranks)
    for each in (spread.dense_ranks, spread.shared_ranks, spread.embedding_ranks, spread.head_ranks):
        assert each.tolist() == [8.0, 4.0]
    assert spread.exchange.tolist() == [ALL_TO_ALL, ALL_TO_ALL]


def test_vllm_reads_the_dense_weights_of_deepseek_once_in_each_group() -> None:
    row = {"model": "DeepSeek-V3", "accelerator": "H200-SXM", "weights": "fp8", "tensor_layout": "1d", "gpus": 16}
    row |= {"pipeline_parallel": 1, "attention_data_parallel": 4, "batch": 64, "context_tokens": 1000}
    row |= {"tokens_per_pass": 1, "expert_parallel": 16, "exchange": "all_to_all"}
    found = ieco_opt.evaluate(
        pd.DataFrame([row | {"engine": each} for each in ("vllm", "none")]), profile="paper-constants"
    )
    assert found["feasible"].tolist() == [True, True]
    # 3 dense layers of 3 x 7168 x 18432 weights and 58 shared experts of 3 x 7168 x 2048 in 8.03 bits, and the head of
    # 129,280 x 7168 in 16, read by four groups and not by one. Their activations move by another rectangle: little.
    weights = 3 * 7168 * (3 * 18_432 + 58 * 2048) * 8.03 / 8 + 129_280 * 7168 * 2
    seconds = 3 * weights / (16 * 4.8e12 * 0.75)
    assert found["memory_s"][0] - found["memory_s"][1] == pytest.approx(seconds, rel=0.05)
    per_gpu = (weights + 129_280 * 7168 * 2) * (1 / 4 - 1 / 16)
    assert found["weights_gb"][0] - found["weights_gb"][1] == pytest.approx(per_gpu / 1e9, rel=1e-9)


def test_sglang_reads_whole_dense_layers_of_deepseek_on_each_of_32_ranks() -> None:
    row = {"model": "DeepSeek-R1", "accelerator": "H200-SXM", "weights": "fp8", "tensor_layout": "1d", "gpus": 32}
    row |= {"pipeline_parallel": 1, "attention_data_parallel": 32, "batch": 64, "context_tokens": 1000}
    row |= {"tokens_per_pass": 1, "expert_parallel": 32}
    ways = [("sglang", "all_to_all"), ("none", None), ("sglang", "all_gather"), ("sglang", None)]
    found = ieco_opt.evaluate(
        pd.DataFrame([row | {"engine": engine, "exchange": exchange} for engine, exchange in ways]),
        profile="paper-constants",
    )
    assert found["feasible"].tolist() == [True, True, False, False]
    # 3 dense layers and 58 shared experts as above, each read by 32 ranks where one copy is split over them.
    weights = 3 * 7168 * (3 * 18_432 + 58 * 2048) * 8.03 / 8
    seconds = 31 * weights / (32 * 4.8e12 * 0.75)
    assert found["memory_s"][0] - found["memory_s"][1] == pytest.approx(seconds, rel=0.05)
    per_gpu = (weights + 129_280 * 7168 * 2) * (1 - 1 / 32)
    assert found["weights_gb"][0] - found["weights_gb"][1] == pytest.approx(per_gpu / 1e9, rel=1e-9)
    # All-reduces are of one rank: what is left is the exchange.
    assert found["feed_forward_allreduce_s"][0] == 0.0


def test_useful_arithmetic_is_that_of_a_pass_without_the_cap() -> None:
    shape, traffic = shape_of(EXPERTS), decode_traffic(3.0, 100.0, 200.0)
    found = degrees(4, 1, 1, 0)
    one = pass_time(shape, CHIP, found, traffic).components(np.ones(1)).arithmetic_s
    assert useful_s(shape, CHIP, traffic) == pytest.approx(one * 4 * CHIP.arithmetic_cap, rel=1e-12)
