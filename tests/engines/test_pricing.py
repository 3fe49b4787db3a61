"""Over how many ranks each server splits weights, and which exchanges of experts it has."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.catalog.types import Model
from ieco_opt.engines.acceptance import exchanges
from ieco_opt.engines.columns import DENSE
from ieco_opt.engines.facts import EngineFacts, facts_of
from ieco_opt.engines.pricing import spread, usual_exchange
from ieco_opt.engines.spread import ALL_TO_ALL, EXCHANGES
from ieco_opt.engines.store import profile

GRID = {
    "tensor_parallel": np.array([8, 2, 1]),
    "attention_data_parallel": np.array([1, 4, 8]),
    "pipeline_parallel": 1,
    "expert_parallel": np.array([8, 8, 8]),
    "batch": 64,
}


@pytest.mark.parametrize(
    ("engine", "dense", "embedding", "head"),
    [
        ("vllm", [8, 2, 1], [8, 2, 1], [8, 2, 1]),
        ("sglang", [8, 8, 8], [8, 2, 1], [8, 8, 8]),
        ("trtllm", [8, 1, 1], [8, 1, 1], [8, 1, 1]),
    ],
)
def test_where_weights_are_split(engine: str, dense: list[int], embedding: list[int], head: list[int]) -> None:
    found = spread(profile(engine), GRID, 256, usual_exchange(profile(engine), GRID, 256))
    assert found.dense_ranks.tolist() == dense
    assert found.shared_ranks.tolist() == dense
    assert found.embedding_ranks.tolist() == embedding
    assert found.head_ranks.tolist() == head


def test_sglang_keeps_shared_experts_whole_where_tokens_go_to_their_experts() -> None:
    asked = np.full(3, ALL_TO_ALL)
    assert spread(profile("sglang"), GRID, 256, asked).shared_ranks.tolist() == [1, 1, 1]
    assert spread(profile("sglang"), GRID, 256, asked).dense_ranks.tolist() == [8, 8, 8]
    assert spread(profile("vllm"), GRID, 256, asked).shared_ranks.tolist() == [8, 2, 1]


WIDE = GRID | {"tensor_parallel": 1, "attention_data_parallel": np.array([1, 16, 32, 48]), "expert_parallel": 1}
# 18,432 = 144 blocks of 128: 16 and 48 divide the blocks, 32 divides the width.
SPLIT = [("DeepSeek-R1", "fp8", [1, 16, 1, 48]), ("DeepSeek-R1", "bf16", [1, 16, 32, 48])]
# 10,944 = 342 x 32 of a class with whole dense layers; no dense layers; a class without whole ones.
SPLIT += [("GLM-4.5-Air", "bf16", [1, 16, 32, 48]), ("GLM-4.5-Air", "fp8", [1, 16, 32, 48])]
SPLIT += [("Qwen3-30B-A3B", "fp8", [1, 16, 32, 48]), ("Llama-4-Maverick", "bf16", [1, 16, 32, 48])]


@pytest.mark.parametrize(("model", "weights", "ranks"), SPLIT)
def test_sglang_keeps_dense_layers_whole_that_it_cannot_split(model: str, weights: str, ranks: list[int]) -> None:
    found = spread(profile("sglang"), WIDE, 256, np.zeros(4, dtype=np.int64), facts(model, weights))
    assert found.dense_ranks.tolist() == ranks
    # Of a draft model of its own the widths are not asked about.
    own = spread(profile("sglang"), WIDE, 256, np.zeros(4, dtype=np.int64))
    assert own.dense_ranks.tolist() == [1, 16, 32, 48]


def test_one_flag_is_for_dense_layers_of_all_widths() -> None:
    of = facts("DeepSeek-R1", "bf16")
    two = dataclasses.replace(of, tables={**of.tables, DENSE: ((18_432.0,), (1600.0,))})
    found = spread(profile("sglang"), WIDE, 256, np.zeros(4, dtype=np.int64), two)
    assert found.dense_ranks.tolist() == [1, 16, 32, 1]


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_tokens_are_gathered_where_groups_hold_their_own(engine: str) -> None:
    found = usual_exchange(profile(engine), GRID, 256)
    assert [EXCHANGES[each] for each in found] == ["none", "all_gather", "all_gather"]
    assert usual_exchange(profile(engine), GRID, 1).tolist() == [0, 0, 0]


GATHER, BOTH = ["all_gather"], ["all_gather", "all_to_all"]
OFFERED: list[tuple[str, int, list[list[str]]]] = [
    ("vllm", 8, [["none"], BOTH, BOTH]),
    ("vllm", 1, [["none"], GATHER, GATHER]),
    ("sglang", 8, [["none", "all_to_all"], BOTH, BOTH]),
    ("sglang", 4, [["none"], GATHER, GATHER]),
    ("trtllm", 8, [["none"], BOTH, BOTH]),
    ("trtllm", 4, [["none"], GATHER, GATHER]),
    ("trtllm", 1, [["none"], GATHER, GATHER]),
]


@pytest.mark.parametrize(("engine", "expert_parallel", "expected"), OFFERED)
def test_exchanges_that_a_server_has(engine: str, expert_parallel: int, expected: list[list[str]]) -> None:
    columns = GRID | {"expert_parallel": expert_parallel}
    assert named(exchanges(profile(engine), facts("Qwen3-30B-A3B", "bf16"), columns)) == expected
    assert named(exchanges(profile(engine), facts("Llama-3.1-8B", "bf16"), GRID)) == [["none"]] * 3


def facts(name: str, weights: str, accelerator: str = "H100-SXM") -> EngineFacts:
    model = catalog.model(name)
    assert isinstance(model, Model)
    return facts_of(model, weights, catalog.accelerator(accelerator))


def named(offered: NDArray[np.bool_]) -> list[list[str]]:
    return [[EXCHANGES[at] for at in np.flatnonzero(row)] for row in offered]


# Who sends tokens to their experts with two groups of four ranks, each of which has whole experts.
SENT: list[tuple[str, str, str, set[str]]] = [
    ("DeepSeek-V3", "fp8", "H200-SXM", {"vllm", "sglang", "trtllm"}),
    ("DeepSeek-V3", "nvfp4", "B200-SXM", {"vllm", "trtllm"}),
    ("DeepSeek-V3", "fp8", "MI300X", {"vllm", "trtllm"}),
    ("Qwen3-30B-A3B", "int4", "H100-SXM", {"vllm"}),
    ("Mixtral-8x7B", "bf16", "H100-SXM", {"vllm", "trtllm"}),
    ("gpt-oss-120b", "mxfp4", "H100-SXM", {"vllm"}),
    ("gpt-oss-120b", "bf16", "H100-SXM", {"vllm"}),
]


@pytest.mark.parametrize(("model", "weights", "accelerator", "expected"), SENT)
def test_kernels_of_an_all_to_all_are_for_some_models_and_formats(
    model: str, weights: str, accelerator: str, expected: set[str]
) -> None:
    of = facts(model, weights, accelerator)
    degrees = {"tensor_parallel": 4, "attention_data_parallel": 2, "expert_parallel": 8}
    columns = GRID | {name: np.array([degree]) for name, degree in degrees.items()}
    found = {engine: named(exchanges(profile(engine), of, columns))[0] for engine in ("vllm", "sglang", "trtllm")}
    assert {engine for engine, kinds in found.items() if "all_to_all" in kinds} == expected
    assert all(kinds[0] == "all_gather" for kinds in found.values())
