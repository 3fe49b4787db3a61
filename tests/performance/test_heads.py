"""What a head costs: the formulas of docs/performance-model.md (speculation), written once more by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ieco_opt.design_space.building import build_families
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request
from ieco_opt.performance.economics import speculation_factor
from ieco_opt.performance.speculation import Yield, yield_of
from ieco_opt.scenario import load_scenario_mapping, resolve

TENSOR = 4


def _family(model: str = "DeepSeek-R1", weights: str = "fp8", **speculation: Any) -> Family:
    scenario = load_scenario_mapping(
        {
            "kind": "deployment",
            "version": 2,
            "model": model,
            "weights": [weights],
            "accelerators": ["B200"],
            "engine": "none",
            "profile": "paper-constants",
            "workload": {"context_tokens": 1000},
            "design_space": {
                "tensor_parallel": [TENSOR],
                "attention_data_parallel": [2],
                "pipeline_parallel": [1],
                "expert_parallel": [8] if model == "DeepSeek-R1" else [1],
                "batch": {"min": 1, "max": 4096},
            },
            "speculation": {"acceptance": 0.8, "max_draft_tokens": 4} | speculation,
        }
    )
    resolved = resolve(scenario)  # type: ignore[arg-type]
    (family,), _ = build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, resolved.precisions[0]))
    assert len(family.setups) == 1
    return family


@pytest.mark.parametrize(
    ("weights", "expert_bytes", "linear_bytes"), [("fp8", 8.03 / 8, 8.03 / 8), ("nvfp4", 2.0, 2.0)]
)
def test_memory_of_an_mtp_layer(weights: str, expert_bytes: float, linear_bytes: float) -> None:
    """Attention over TP, experts over T, and whole on every GPU the joining, norms and the router; no embeddings."""
    family = _family(mode="mtp", weights=weights)
    assert family.drafts is not None
    d, ranks = 7168, 8
    attention = (1536 + 512 + 64) * d + 128 * (128 + 64) * 1536 + 128 * (128 + 128) * 512 + d * 128 * 128
    expert = 3 * d * 2048
    whole = 2.0 * (2 * d + d * 256 + 2 * d * d)
    held = attention * linear_bytes / TENSOR + 256 * expert * expert_bytes / ranks + expert * linear_bytes / ranks
    free = family.usable_bytes - family.drafts.setups.free_bytes[0]
    assert free == pytest.approx(held + whole, rel=1e-12)
    assert family.drafts.setups.cache_bytes[0] == pytest.approx(1000 * (512 + 64) * 2.0)


def test_memory_of_an_eagle3_head() -> None:
    family = _family("Llama-3.3-70B", mode="eagle3")
    assert family.drafts is not None
    d, ranks = 8192, 8
    attention = 2 * (64 + 16) * 128 * d + d * d
    split = 2.0 * (attention / TENSOR + 3 * d * 28672 / ranks + 32_000 * d / ranks)
    whole = 2.0 * (2 * d + 3 * d * d)
    free = family.usable_bytes - family.drafts.setups.free_bytes[0]
    assert free == pytest.approx(split + whole, rel=1e-12)


def test_the_joining_of_an_mtp_layer_is_read_by_every_rank_in_every_pass_of_it() -> None:
    family = _family(mode="mtp")
    assert family.drafts is not None
    card, shape, d = family.accelerator, family.drafts.shape, 7168
    # A pass reads on each of the 8 ranks: weights that are not experts, the joining, and the head of the model.
    attention = sum(kind.params for kind in shape.attention) * 8.03 / 8 * 2
    shared = 3 * d * 2048 * 8.03 / 8
    whole = 8 * 2.0 * (2 * d + d * 256 + 2 * d * d)
    head = 2.0 * 129280 * d
    seconds = (attention + shared + whole + head) / (8 * card.hbm_bytes_per_s * card.memory_cap)
    assert family.drafts.time.memory_fixed_s[0] == pytest.approx(seconds, rel=1e-12)


def test_the_joining_of_an_eagle3_head_is_read_by_the_pass_that_verifies() -> None:
    family = _family("Llama-3.3-70B", mode="eagle3")
    rows, card = np.array([0]), family.accelerator
    assert family.drafts is not None
    plain, verifying = family.model_pass(rows, 0), family.model_pass(rows, 3)
    seconds = 2.0 * 3 * 8192 * 8192 / (card.hbm_bytes_per_s * card.memory_cap)
    assert verifying.memory_fixed_s[0] - plain.memory_fixed_s[0] == pytest.approx(seconds, rel=1e-9)
    assert family.drafts.shape.joining_params == 0


@pytest.mark.parametrize(
    ("model", "mode"), [("DeepSeek-R1", "mtp"), ("DeepSeek-R1", "eagle3"), ("Llama-3.3-70B", "eagle3")]
)
@pytest.mark.parametrize("width", [2, 4])
def test_both_facts_of_the_proof_hold_with_a_head(model: str, mode: str, width: int) -> None:
    family = _family(model, mode=mode)
    rows = np.array([0])
    alternative = family.alternatives(rows, width, family.beside(0))
    batch = np.arange(2.0, 1024.0, 2.0)[None, :]
    latency = alternative.latency_s(batch)
    assert (np.diff(latency[0]) >= 0.0).all()
    assert (np.diff(latency[0] / batch[0]) <= 0.0).all()


def test_the_latency_is_a_round_over_its_tokens() -> None:
    family = _family(mode="mtp", acceptance=None, accepted_tokens={1: 1.7, 3: 2.5}, max_draft_tokens=None)
    rows, batch = np.array([0]), np.array([[16.0]])
    assert family.draft_range == (2, 4)
    assert family.drafts is not None
    of_round = family.model_pass(rows, 4).latency_s(batch) + 3 * family.drafts.time.latency_s(batch)
    latency = family.alternatives(rows, 4, family.beside(0)).latency_s(batch)
    assert latency == pytest.approx(of_round / 2.5, rel=1e-12)


def test_yields() -> None:
    assert yield_of(0.5, None, 3).widths == (2, 3)
    assert yield_of(0.5, None, 3).passes_per_token(3) == pytest.approx(1 / 1.75)
    assert yield_of(1.0, None, 3).passes_per_token(3) == pytest.approx(1 / 3)
    assert yield_of(None, {3: 2.0, 1: 1.5}, None) == Yield(4, accepted_tokens=((1, 1.5), (3, 2.0)))
    assert yield_of(None, {3: 2.0, 1: 1.5}, 3).widths == (2,)
    assert yield_of(None, {1: 1.5}, None).passes_per_token(0) == 1.0


@pytest.mark.parametrize(
    ("acceptance", "passes"), [(0.5, [1.0, 1.0, 1 / 1.5, 1 / 1.75]), (1.0, [1.0, 1.0, 1 / 2, 1 / 3])]
)
def test_a_pass_that_verifies_one_token_or_none_is_a_pass_for_one(acceptance: float, passes: list[float]) -> None:
    found = speculation_factor(np.array([0.0, 1.0, 2.0, 3.0]), acceptance)
    assert found.tolist() == pytest.approx(passes, rel=1e-12)
