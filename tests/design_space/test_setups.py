"""Which setups a design space lists and what their memory leaves free: experts, their copies, and the reserve."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from ieco_opt import catalog
from ieco_opt.catalog.precision import Precision
from ieco_opt.design_space.building import build_families
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import design_space_of, family_request
from ieco_opt.design_space.segments import build_segments
from ieco_opt.design_space.setups import largest
from ieco_opt.pareto.describe import parallelism_of
from ieco_opt.programs.naming import segment_names
from ieco_opt.scenario import load_scenario_mapping, resolve

Mapping = dict[str, Any]

GIB = 2.0**30
LLAMA: Mapping = {
    "version": 2,
    "kind": "deployment",
    "model": "Llama-3.1-8B",
    "weights": [{"rest": "bf16"}],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000},
    "design_space": {"stage_ranks": [1, 2], "attention_data_parallel": [1], "pipeline_parallel": [1]},
}
MIXTRAL = LLAMA | {"model": "Mixtral-8x7B", "engine": "none"}


def family(fields: Mapping, **changes: Any) -> Family:
    """Setups of the first accelerator, precision and server."""
    resolved = resolve(load_scenario_mapping(fields | changes))
    return build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, resolved.precisions[0]))[0][0]


def experts(space: Mapping, **changes: Any) -> list[tuple[int, int]]:
    """Expert-parallel degree and copies of every setup, in order, on cards that hold anything."""
    large = {"like": "H200-SXM", "name": "large", "hbm_bytes": 1e14}
    listed = {"attention_data_parallel": [1], "pipeline_parallel": [1]} | space
    degrees = family(MIXTRAL, accelerators=[large], design_space=listed, **changes).setups.degrees
    pairs = zip(degrees.expert_parallel, degrees.redundant_experts, strict=True)
    return [(int(degree), int(copies)) for degree, copies in pairs]


# Mixtral has 8 experts and 32 heads. Copies are the least that the degree divides, or those listed that it divides.
LISTED: list[tuple[Mapping, list[tuple[int, int]]]] = [
    ({"stage_ranks": [8]}, [(1, 0), (2, 0), (4, 0), (8, 0)]),
    ({"stage_ranks": [6], "attention_data_parallel": [3]}, [(1, 0), (2, 0), (3, 1), (6, 4)]),
    ({"stage_ranks": [6], "attention_data_parallel": [3], "redundant_experts": [0]}, [(1, 0), (2, 0)]),
    ({"stage_ranks": [6], "attention_data_parallel": [3], "redundant_experts": [1]}, [(1, 1), (3, 1)]),
    (
        {"stage_ranks": [6], "attention_data_parallel": [3], "redundant_experts": [10, 4]},
        [(1, 4), (1, 10), (2, 4), (2, 10), (3, 4), (3, 10), (6, 4), (6, 10)],
    ),
    ({"stage_ranks": [6], "attention_data_parallel": [3], "expert_parallel": [6, 5, 3]}, [(3, 1), (6, 4)]),
    ({"stage_ranks": [8], "expert_parallel": [8], "redundant_experts": [0, 4, 8]}, [(8, 0), (8, 8)]),
    ({"stage_ranks": [8], "expert_parallel": [8], "redundant_experts": [4]}, []),
    # There are no more ranks of experts than experts.
    ({"stage_ranks": [16], "expert_parallel": [16]}, []),
]


@pytest.mark.parametrize(("space", "expected"), LISTED)
def test_experts_and_copies(space: Mapping, expected: list[tuple[int, int]]) -> None:
    assert experts(space) == expected


def test_a_dense_model_has_no_copies() -> None:
    assert experts({"stage_ranks": [6], "attention_data_parallel": [3]}, model="Llama-3.1-8B") == [(1, 0)]
    assert experts({"stage_ranks": [8], "redundant_experts": [4]}, model="Llama-3.1-8B") == [(1, 0)]


def test_what_no_copies_complete_is_told() -> None:
    space = {"stage_ranks": [8], "attention_data_parallel": [1], "pipeline_parallel": [1], "expert_parallel": [8]}
    resolved = resolve(load_scenario_mapping(MIXTRAL | {"design_space": space | {"redundant_experts": [4]}}))
    rejected = build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, resolved.precisions[0]))[1]
    assert dict(rejected) == {"no listed expert_parallel divides stage_ranks, and the experts with those redundant": 1}


def test_72_ranks_hold_256_experts_and_32_copies() -> None:
    # As DeepSeek serves its model: 72 ranks of 4 experts each, 256 of them different.
    space = {"stage_ranks": [72], "attention_data_parallel": [72], "pipeline_parallel": [1], "expert_parallel": [72]}
    scenario = MIXTRAL | {"model": "DeepSeek-V3", "weights": ["fp8"], "accelerators": ["GB200-NVL72"]}
    space_of = design_space_of(resolve(load_scenario_mapping(scenario | {"design_space": space})))
    (setups,) = [each.setups for each in space_of.families]
    held = parallelism_of(setups.degrees)
    assert (len(setups), held.tensor, held.attention_data, held.expert, held.redundant_experts) == (1, 1, 72, 72, 32)
    assert held.short() == "TP1 DP72 EP72+32"
    names = segment_names(space_of, build_segments(space_of))
    assert names
    assert all(name.startswith("GB200_NVL72_fp8_tp1_dp72_pp1_ep72r32_1d_b") for name in names)
    # 4 of 58 layers' experts of 3 matrices of 7168 x 2048 weights on each rank: 256 / 72 would be 3.56 of them.
    copies = 32 / 72 * 58 * 3 * 7168 * 2048 * 8.03 / 8
    uneven = family(scenario, design_space=space | {"expert_parallel": [1], "redundant_experts": [0]}).setups
    assert uneven.free_bytes[0] - setups.free_bytes[0] == pytest.approx(copies, rel=1e-9)


def test_an_mtp_head_has_copies_of_its_experts_and_a_draft_model_of_none() -> None:
    # Experts of the head lie beside those of the model, copies too; servers have no copies for another model's.
    space = {"stage_ranks": [8], "attention_data_parallel": [8], "pipeline_parallel": [1], "expert_parallel": [8]}
    scenario = MIXTRAL | {"model": "DeepSeek-V3", "weights": ["fp8"], "accelerators": ["B300"]}
    held = {}
    for name, draft in {"mtp": {"mode": "mtp"}, "model": {"draft_model": "Mixtral-8x7B"}}.items():
        found = family(
            scenario,
            design_space=space | {"redundant_experts": [0, 8]},
            speculation=draft | {"acceptance": 0.8, "max_draft_tokens": 2},
        )
        assert found.drafts is not None
        assert found.setups.degrees.redundant_experts.tolist() == [0.0, 8.0]
        held[name] = found.drafts.setups.degrees.redundant_experts.tolist(), found.drafts.setups.free_bytes
    assert held["mtp"][0] == [0.0, 8.0]
    assert held["model"][0] == [0.0, 0.0]
    # One expert more of 3 matrices of 7168 x 2048 weights on each rank, in the one layer of the head.
    none, copies = held["mtp"][1]
    assert none - copies == pytest.approx(3 * 7168 * 2048 * 8.03 / 8, rel=1e-6)


def free_bytes(fields: Mapping, **changes: Any) -> list[float]:
    return family(fields, **changes).setups.free_bytes.tolist()


def free_without_reserve(ranks: int) -> float:
    """0.9 x HBM of an H100 less the weights of Llama-3.1-8B in 16 bits on one of the GPUs."""
    attention = (32 * 128 + 2 * 8 * 128) * 4096 + 4096 * 32 * 128
    layers = 32 * (attention + 3 * 4096 * 14336)
    norms = 32 * 2 * 4096
    return 0.9 * catalog.accelerator("H100-SXM").hbm_bytes - 2 * ((layers + 2 * 128256 * 4096) / ranks + norms)


# Sequences that the sampler is warmed up with: 1,024 on an H100.
SAMPLER = 33 * 1024 * 128256
RESERVES: list[tuple[Mapping, float, float]] = [
    ({"engine": "none"}, 0.0, 0.0),
    ({"engine": "vllm"}, 0.9 * GIB + SAMPLER, 2.2 * GIB + SAMPLER),
    ({"engine": "trtllm"}, 0.9 * GIB + SAMPLER, 2.2 * GIB + SAMPLER),
    ({"engine": "vllm", "memory_reserve_gb": 7.5}, 7.5e9, 7.5e9),
    ({"engine": "sglang", "memory_reserve_gb": 7.5}, 7.5e9, 7.5e9),
    ({"engine": "trtllm", "memory_reserve_gb": 0}, 0.0, 0.0),
    # 512 + 1.5 x 8192 + 128 N + 2 x 256 MiB, of which 0.1 x 85e9 bytes are left free anyway.
    ({"engine": "sglang"}, 13440 * 2.0**20 - 8.5e9, 13568 * 2.0**20 - 8.5e9),
]


@pytest.mark.parametrize(("changes", "one", "two"), RESERVES)
def test_the_reserve_is_not_free(changes: Mapping, one: float, two: float) -> None:
    h100 = {"like": "H100-SXM", "name": "H100-SXM", "hbm_bytes": 85e9}
    built = family(LLAMA, accelerators=[h100], **changes)
    found = built.setups
    reserve = built.memory.reserve(built.shape, built.accelerator, found.degrees)
    assert reserve.tolist() == pytest.approx([one, two], rel=1e-12)
    beyond = 0.9 * (85e9 - catalog.accelerator("H100-SXM").hbm_bytes)
    expected = [free_without_reserve(ranks) + beyond - kept for ranks, kept in ((1, one), (2, two))]
    assert found.free_bytes.tolist() == pytest.approx(expected, rel=1e-12)


def test_the_reserve_leaves_room_for_fewer_sequences() -> None:
    # A sequence of 1000 tokens takes 32 layers x 2 x 8 heads x 128 words of 2 bytes.
    listed = LLAMA["design_space"] | {"batch": {"max": 100_000}}
    for reserve in (0.0, 10.0):
        setups = family(LLAMA, memory_reserve_gb=reserve, design_space=listed).setups
        cache = 1000 * 32 * 2 * 8 * 128 * 2
        assert setups.batch_max[0] == (free_without_reserve(1) - reserve * 1e9) // cache
        halved = family(LLAMA, memory_reserve_gb=reserve, kv_cache="fp8", design_space=listed).setups
        assert halved.batch_max[0] == (free_without_reserve(1) - reserve * 1e9) // (cache / 2)


def test_the_reserve_is_counted_once_where_a_draft_runs_beside() -> None:
    speculation = {"draft_model": "Llama-3.1-8B", "acceptance": 0.5, "max_draft_tokens": 2}
    built = family(LLAMA, memory_reserve_gb=10, speculation=speculation)
    assert built.drafts is not None
    assert built.drafts.setups.free_bytes - built.setups.free_bytes == pytest.approx(1e10)
    assert built.drafts.setups.free_bytes.tolist() == pytest.approx(list(map(free_without_reserve, (1, 2))), rel=1e-12)


@pytest.mark.parametrize("engine", ["any", "none"])
def test_a_cache_in_fp8_is_dropped_where_the_card_does_not_compute_in_8_bits(engine: str) -> None:
    both = LLAMA | {"accelerators": ["A100-SXM-80GB", "H100-SXM"], "kv_cache": ["bf16", "fp8"], "engine": engine}
    space = design_space_of(resolve(load_scenario_mapping(both)))
    engines = ("sglang", "trtllm", "vllm") if engine == "any" else (None,)
    sizes = {
        (each.accelerator.name, each.precision.kv_cache, each.engine): len(each.setups)
        for each in space.offered
        if isinstance(each.precision, Precision)
    }
    assert sizes == {
        (card, cache, each): 0 if (card, cache) == ("A100-SXM-80GB", "fp8") else 2
        for card in ("A100-SXM-80GB", "H100-SXM")
        for cache in ("bf16", "fp8")
        for each in engines
    }
    assert space.counts.rejected["A100-SXM-80GB has no 8-bit arithmetic for a cache in fp8"] == 2
    rows = zip(space.alternatives.accelerator, space.alternatives.precision, strict=True)
    assert {(int(card), int(pair)) for card, pair in rows} <= {(0, 0), (1, 0), (1, 1)}
    names = segment_names(space, build_segments(space))
    own = (
        rf"H100_SXM_rest_bf16_kv_fp8_({'|'.join(engines)})_tp1" if engine == "any" else "H100_SXM_rest_bf16_kv_fp8_tp1"
    )
    assert any(re.match(own, name) for name in names)


@pytest.mark.parametrize(
    ("layouts", "expected"),
    [
        # One rank has no layout: it is listed once, and as the flat one where that is listed.
        (["1d", "2d"], [(1, False), (2, False), (2, True), (4, False), (4, True)]),
        (["1d"], [(1, False), (2, False), (4, False)]),
        (["2d"], [(1, True), (2, True), (4, True)]),
    ],
)
def test_one_rank_is_listed_once_whatever_the_layouts(layouts: list[str], expected: list[tuple[int, bool]]) -> None:
    listed = LLAMA["design_space"] | {"stage_ranks": [1, 2, 4], "tensor_layout": layouts}
    degrees = family(LLAMA, engine="none", design_space=listed).setups.degrees
    found = zip(degrees.stage_ranks.tolist(), degrees.two_dimensional.tolist(), strict=True)
    assert sorted(found) == expected


MOST_COUNTED = 2**52 + 1
"""More sequences than any deployment holds."""


@pytest.mark.parametrize(
    ("room", "each", "expected"),
    [
        (10.0, 3.0, 3),
        (9.0, 3.0, 3),
        (2.0, 3.0, 0),
        (0.0, 3.0, 0),
        (-1.0, 3.0, 0),
        # What takes no room fits in none, but not in less.
        (0.0, 0.0, MOST_COUNTED),
        (1.0, 0.0, MOST_COUNTED),
        (-1.0, 0.0, 0),
        (1e20, 1.0, MOST_COUNTED),
    ],
)
def test_the_largest_count_that_there_is_room_for(room: float, each: float, expected: int) -> None:
    found = largest(lambda count: count * each <= room, np.array([room]), np.array([each]))
    assert found.tolist() == [expected]


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_quotient_that_rounds_across_an_integer_is_put_right(off: int) -> None:
    found = largest(lambda count: count <= 7 + off, np.array([7.0]), np.array([1.0]))
    assert found.tolist() == [7 + off]


def test_the_papers_experts_are_spread_from_two_tokens_each_on() -> None:
    listed = {
        "stage_ranks": [1, 2, 4],
        "pipeline_parallel": [4],
        "tensor_layout": ["1d"],
        "batch": {"min": 1, "max": 300},
    }
    paper = {"fidelity": "paper", "model": "Mixtral 8x22B", "accelerators": ["H100"], "design_space": listed}
    resolved = resolve(load_scenario_mapping({"kind": "deployment", "workload": {"context_tokens": 1000}} | paper))
    card = (0, resolved.accelerators[0])
    setups = build_families(family_request(resolved), card, (0, None))[0][0].setups
    found = {
        (ranks, experts, least, most)
        for ranks, experts, least, most in zip(
            setups.degrees.stage_ranks.tolist(),
            setups.degrees.expert_parallel.tolist(),
            setups.batch_min.tolist(),
            setups.batch_max.tolist(),
            strict=True,
        )
    }
    # Two of eight experts: 2 x 4 sequences in each of four micro-batches, of which there are no more than sequences.
    assert {(2, 1, 4, 31), (2, 2, 32, 300), (4, 1, 4, 31), (4, 4, 32, 300)} <= found
