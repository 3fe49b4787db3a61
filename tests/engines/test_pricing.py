"""Over how many ranks each server splits weights, and which exchange of experts it does unasked."""

from __future__ import annotations

import numpy as np
import pytest

from ieco_opt.engines.pricing import EXCHANGES, priced
from ieco_opt.engines.store import profile

GRID = {
    "tensor_parallel": np.array([8, 2, 1]),
    "attention_data_parallel": np.array([1, 4, 8]),
    "pipeline_parallel": 1,
    "expert_parallel": np.array([8, 8, 8]),
    "batch": 64,
}


@pytest.mark.parametrize(
    ("engine", "dense", "head"),
    [("vllm", [8, 2, 1], [8, 2, 1]), ("sglang", [8, 8, 8], [8, 8, 8]), ("trtllm", [8, 1, 1], [8, 1, 1])],
)
def test_where_weights_are_split(engine: str, dense: list[int], head: list[int]) -> None:
    found = priced(profile(engine), GRID, 256)
    assert found.dense_over.tolist() == dense
    assert found.shared_over.tolist() == dense
    assert found.head_over.tolist() == head


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_tokens_are_gathered_where_groups_hold_their_own(engine: str) -> None:
    found = priced(profile(engine), GRID, 256)
    assert [EXCHANGES[each] for each in found.exchange] == ["none", "all_gather", "all_gather"]
    assert priced(profile(engine), GRID, 1).exchange.tolist() == [0, 0, 0]
