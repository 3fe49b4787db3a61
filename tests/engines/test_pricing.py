"""Over how many ranks each server splits weights, and which exchanges of experts it has."""

from __future__ import annotations

import numpy as np
import pytest

from ieco_opt.engines.pricing import exchanges, spread, usual_exchange
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
    ("trtllm", 4, [["none"], BOTH, BOTH]),
    ("trtllm", 1, [["none"], GATHER, GATHER]),
]


@pytest.mark.parametrize(("engine", "expert_parallel", "expected"), OFFERED)
def test_exchanges_that_a_server_has(engine: str, expert_parallel: int, expected: list[list[str]]) -> None:
    offered = exchanges(profile(engine), GRID | {"expert_parallel": expert_parallel}, 256)
    assert [[EXCHANGES[at] for at in np.flatnonzero(row)] for row in offered] == expected
    assert exchanges(profile(engine), GRID, 1).tolist() == [[True, False, False]] * 3
