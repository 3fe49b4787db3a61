"""TP, DP and the ranks of a stage: which configurations a design space lists, and who is told what its numbers mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ieco_opt
from ieco_opt.catalog.precision import Precision
from ieco_opt.design_space.building import build_families
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import design_space_of, family_request
from ieco_opt.design_space.segments import build_segments
from ieco_opt.heuristics import Budget, get
from ieco_opt.programs.naming import segment_names
from ieco_opt.scenario import (
    DesignSpace,
    Fidelity,
    Fleet,
    Scenario,
    load_fleet_mapping,
    load_scenario_mapping,
    resolve,
)

Mapping = dict[str, Any]


def scenario(space: Mapping, **changes: Any) -> Scenario:
    """A scenario of the equations alone, with batches of which the most groups, 32, have one sequence each, or two."""
    fields: Mapping = {
        "version": 2,
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM"],
        "engine": "none",
        "workload": {"context_tokens": 1000},
        "design_space": {"pipeline_parallel": [1], "batch": {"max": 64}} | space,
    }
    return Scenario(**{name: value for name, value in (fields | changes).items() if value is not None})


def family(space: Mapping, **changes: Any) -> Family:
    resolved = resolve(scenario(space, **changes))
    families, _ = build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, Precision("fp8", "bf16")))
    (found,) = families
    return found


def pairs(space: Mapping, **changes: Any) -> list[tuple[int, int]]:
    """TP and DP of every setup, in order."""
    degrees = family(space, **changes).setups.degrees
    return [(int(tp), int(dp)) for tp, dp in zip(degrees.tensor_parallel, degrees.attention_data_parallel, strict=True)]


# The examples of docs/scenario.md, and what else the rules say.
LISTED: list[tuple[Mapping, list[tuple[int, int]]]] = [
    ({"tensor_parallel": [4, 8], "attention_data_parallel": [1, 2]}, [(4, 1), (8, 1), (4, 2), (8, 2)]),
    ({"stage_ranks": [8], "attention_data_parallel": [1, 2]}, [(8, 1), (4, 2)]),
    (
        {"tensor_parallel": [4, 8], "attention_data_parallel": [1, 2], "stage_ranks": [8]},
        [(8, 1), (4, 2)],
    ),
    ({"tensor_parallel": [4], "max_gpus": 16}, [(4, 1), (4, 2), (4, 4)]),
    ({"tensor_parallel": [2], "stage_ranks": [3, 5]}, []),
    ({"tensor_parallel": [1, 2], "stage_ranks": [4, 32, 64]}, [(2, 2), (1, 4), (2, 16), (1, 32), (2, 32)]),
    ({"stage_ranks": [8, 2], "attention_data_parallel": [2]}, [(1, 2), (4, 2)]),
    ({"tensor_parallel": [16], "max_gpus": 8}, []),
    ({"max_gpus": 4}, [(1, 1), (2, 1), (1, 2), (4, 1), (2, 2), (1, 4)]),
]


@pytest.mark.parametrize(("space", "expected"), LISTED)
def test_both_lists_restrict(space: Mapping, expected: list[tuple[int, int]]) -> None:
    assert pairs(space) == expected


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(("space", "expected"), LISTED)
def test_servers_keep_one_group_of_a_dense_model(space: Mapping, expected: list[tuple[int, int]], engine: str) -> None:
    # Up to eight ranks, and without blocks of FP8, no other rule is about Llama.
    assert pairs(space, engine=engine) == [(tp, dp) for tp, dp in expected if dp == 1]


def test_tensor_parallel_need_be_no_power_of_two() -> None:
    # The third example of the documentation, with a model whose 24 heads three ranks can share.
    space = {"stage_ranks": [6], "attention_data_parallel": [1, 2, 4]}
    assert pairs(space, model="Llama-3.2-3B") == [(6, 1), (3, 2)]


def test_stages_multiply_the_gpus() -> None:
    space = {"tensor_parallel": [2], "attention_data_parallel": [2], "pipeline_parallel": [1, 2]}
    degrees = family(space).setups.degrees
    assert degrees.gpus.tolist() == [4.0, 8.0]
    assert degrees.stage_ranks.tolist() == [4.0, 4.0]


def test_the_experts_are_spread_over_the_whole_stage() -> None:
    space = {"tensor_parallel": [2], "attention_data_parallel": [4]}
    degrees = family(space, model="Mixtral-8x7B").setups.degrees
    assert sorted(degrees.expert_parallel.tolist()) == [1.0, 2.0, 4.0, 8.0]
    assert (degrees.expert_parallel * degrees.expert_tensor_parallel == 8.0).all()


def test_paper_fidelity_follows_the_same_rules() -> None:
    paper = {"fidelity": "paper", "model": "Llama 3 8B", "weights": None, "accelerators": ["H100"], "engine": None}
    for space, expected in LISTED:
        given = scenario(space | {"tensor_layout": ["1d"]}, **paper)
        resolved = resolve(given)
        (built,), _ = build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, None))
        degrees = built.setups.degrees
        assert list(zip(degrees.tensor_parallel, degrees.attention_data_parallel, strict=True)) == expected


@pytest.mark.parametrize("fidelity", Fidelity)
def test_defaults_restrict_the_stage_only_where_nothing_is_given(fidelity: Fidelity) -> None:
    powers = (1, 2, 4, 8, 16, 32, 64)
    for given, expected in (
        ({}, (None, powers)),
        ({"tensor_parallel": [3]}, ((3,), None)),
        ({"stage_ranks": [3]}, (None, (3,))),
        ({"tensor_parallel": [1], "stage_ranks": [3]}, ((1,), (3,))),
    ):
        space = DesignSpace(**given).resolved(fidelity)
        assert (space.tensor_parallel, space.stage_ranks) == expected


def test_possible_stage_ranks() -> None:
    def possible(**given: Any) -> tuple[int, ...]:
        return DesignSpace(**given).resolved(Fidelity.DEPLOYABLE).possible_stage_ranks()

    assert possible() == (1, 2, 4, 8, 16, 32, 64)
    assert possible(stage_ranks=[9, 3], max_gpus=4) == (3, 9)
    assert possible(tensor_parallel=[3, 2], attention_data_parallel=[1, 2, 3], max_gpus=6) == (2, 3, 4, 6)
    assert possible(tensor_parallel=[8], max_gpus=4) == ()


def test_what_is_rejected_is_counted_in_the_words_of_the_scenario() -> None:
    space = {"tensor_parallel": [1, 2], "stage_ranks": [2, 3, 4, 64], "attention_data_parallel": [1, 2], "max_gpus": 8}
    rejected = design_space_of(resolve(scenario(space))).counts.rejected
    assert rejected["more than max_gpus = 8"] == 2
    assert rejected["attention_data_parallel does not divide stage_ranks"] == 1
    assert rejected["stage_ranks / attention_data_parallel is no listed tensor_parallel"] == 2
    space = {"stage_ranks": [3], "expert_parallel": [2], "attention_data_parallel": [1]}
    rejected = design_space_of(resolve(scenario(space, model="Mixtral-8x7B"))).counts.rejected
    assert list(rejected) == ["no listed expert_parallel divides stage_ranks, and the experts with those redundant"]


def test_equal_sets_give_equal_answers_whichever_list_says_them() -> None:
    fields: Mapping = {"speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3}}
    by_stage = {"stage_ranks": [1, 2, 4, 8], "max_gpus": 8}
    by_group = {"tensor_parallel": [1, 2, 4, 8], "max_gpus": 8}
    first, second = (ieco_opt.frontier(scenario(space, **fields)) for space in (by_stage, by_group))
    assert first.deployments == second.deployments
    assert len(first) > 3
    budget = Budget(evaluations=300)
    for name in ("coordinate-descent", "rounded-grid", "rule-of-thumb"):
        heuristic = get(name)
        if name == "rounded-grid":
            heuristic = replace(heuristic, resolution=20)
        one, other = (heuristic.propose(resolve(scenario(space, **fields)), budget) for space in (by_stage, by_group))
        assert len(one)
        np.testing.assert_array_equal(one.latency_s, other.latency_s)
        np.testing.assert_array_equal(one.degrees.tensor_parallel, other.degrees.tensor_parallel)


@pytest.mark.parametrize("name", ["coordinate-descent", "rounded-grid", "rule-of-thumb", "coarse-grid", "random"])
@pytest.mark.parametrize(("space", "expected"), LISTED)
def test_heuristics_propose_what_is_listed(space: Mapping, expected: list[tuple[int, int]], name: str) -> None:
    heuristic = get(name)
    if name == "rounded-grid":
        heuristic = replace(heuristic, resolution=12)
    degrees = heuristic.propose(resolve(scenario(space)), Budget(evaluations=60)).degrees
    found = set(zip(degrees.tensor_parallel, degrees.attention_data_parallel, strict=True))
    assert found <= set(expected)
    assert bool(found) == bool(expected)


def test_names_in_programs_say_tp_and_dp_and_are_unique() -> None:
    # All cells of all setups, also of those that others beat.
    space = design_space_of(resolve(scenario({"stage_ranks": [8], "pipeline_parallel": [1, 2]}, model="Mixtral-8x7B")))
    every = space.families[0].alternatives(np.arange(len(space.families[0].setups)), 0)
    cells = Cells(np.arange(len(every)), every.batch_min, every.batch_max, every.batch_step)
    names = segment_names(space, build_segments(replace(space, alternatives=every, cells=cells)))
    assert len(set(names)) == len(names) >= len(every) == 2 * 4 * 4
    assert any(name.startswith("H100_SXM_fp8_tp2_dp4_pp1_ep8_1d_b") for name in names)


TOLD: list[tuple[Mapping, bool]] = [
    ({"tensor_parallel": [8]}, True),
    ({"tensor_parallel": [8], "attention_data_parallel": [1, 2]}, True),
    ({"tensor_parallel": [8], "attention_data_parallel": [2]}, True),
    ({"tensor_parallel": [8], "attention_data_parallel": [1]}, False),
    ({"tensor_parallel": [8], "stage_ranks": [8]}, False),
    ({"stage_ranks": [8]}, False),
    ({}, False),
]


@pytest.mark.parametrize(("space", "told"), TOLD)
def test_files_without_a_version_are_told_what_changed(space: Mapping, told: bool) -> None:
    unsaid = scenario(space, version=None)
    assert len(unsaid.notes()) == told
    assert scenario(space).notes() == ()
    if told:
        (note,) = unsaid.notes()
        assert note.startswith("design_space.tensor_parallel: read as TP")
        assert "`version: 2`" in note
        assert "`ieco-opt migrate FILE`" in note
    # Without a version the numbers mean the same as with it, and what is saved says so.
    assert unsaid == scenario(space)
    assert load_scenario_mapping(unsaid.to_mapping()).notes() == ()
    assert unsaid.to_mapping()["version"] == 2


def test_fidelity_paper_is_told_too() -> None:
    fields = {"fidelity": "paper", "model": "Llama 3 8B", "weights": None, "accelerators": ["H100"], "engine": None}
    space = {"tensor_parallel": [8]}
    notes = scenario(space, version=None, memory_utilization=0.5, **fields).notes()
    assert [note.split(":")[0] for note in notes] == [
        "design_space.tensor_parallel",
        "memory_utilization has no effect in fidelity paper",
    ]


def fleet(**fields: Any) -> Fleet:
    spaces: list[Mapping] = [{"tensor_parallel": [8]}, {}, {"tensor_parallel": [2], "attention_data_parallel": [4]}]
    requests = {"requests_per_s": 1, "prompt_tokens": 100, "output_tokens": 10, "model": "Llama-3.1-8B"}
    return load_fleet_mapping(
        {
            **fields,
            "kind": "fleet",
            "pools": [{"name": "h100", "accelerator": "H100-SXM", "gpus": 64}],
            "workloads": [
                {"name": f"w{at}", "weights": ["fp8"], **requests, "design_space": space}
                for at, space in enumerate(spaces)
            ],
        }
    )


def test_fleets_are_told_once_for_all_workloads() -> None:
    (note,) = fleet().notes()
    names = "workloads[0].design_space.tensor_parallel, workloads[2].design_space.tensor_parallel"
    assert note.startswith(f"{names}: read as TP")
    assert fleet(version=2).notes() == ()
    assert fleet() == fleet(version=2)
    assert fleet().to_mapping()["version"] == 2
    assert load_fleet_mapping(fleet().to_mapping()).notes() == ()
