"""Models whose tokens pass all experts: copies leave some of them idle."""

from __future__ import annotations

from typing import Any

import pytest

import ieco_opt
from ieco_opt import Scenario

FIELDS: dict[str, Any] = {
    "model": {
        "name": "own",
        "layers": 4,
        "width": 512,
        "vocabulary": 1000,
        "tied_embeddings": True,
        "attention": {"kind": "grouped_query", "query_heads": 8, "kv_heads": 8, "head_width": 64},
        "feed_forward": [{"layers": 4, "width": 1000, "experts": 4, "active": 4}],
    },
    "weights": ["bf16"],
    # Servers have copies of experts only where experts are spread.
    "engine": "none",
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000},
}
ONE = {"stage_ranks": [4], "attention_data_parallel": [1], "pipeline_parallel": [1], "expert_parallel": [1]}


def memory_s(copies: int, batch: int) -> float:
    space = ONE | {"redundant_experts": [copies], "batch": [batch]}
    return ieco_opt.solve(Scenario(**FIELDS, design_space=space), objective="fastest").memory_s


def test_copies_of_experts_that_every_token_passes() -> None:
    # One token touches 4 of the 4 + r experts, whatever r; two tokens 1 - (1 - 4 / 8)^2 of 8, which is 6, where r is 4.
    expert_s = 4 * 3 * 512 * 1000 * 2 / (4 * 0.75 * 3.35e12)
    # Activations are less than a fiftieth of that.
    assert memory_s(4, 1) == pytest.approx(memory_s(0, 1), abs=0.02 * expert_s)
    assert memory_s(4, 2) - memory_s(0, 2) == pytest.approx(2 * expert_s, abs=0.05 * expert_s)
