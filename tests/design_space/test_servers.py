"""Setups of several servers: who keeps one that they run alike, who starts it, and where a draft model stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ieco_opt.design_space.building import build_families, distinct
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import design_space_of, family_request
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.design_space.starting import starting
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.scenario import load_scenario_mapping, resolve

Mapping = dict[str, Any]

LLAMA: Mapping = {
    "version": 2,
    "kind": "deployment",
    "model": "Llama-3.1-8B",
    "weights": [{"rest": "bf16"}],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000},
    "design_space": {
        "stage_ranks": [1, 2],
        "attention_data_parallel": [1],
        "pipeline_parallel": [1],
        "batch": {"max": 100_000},
    },
}
MIXTRAL = LLAMA | {"model": "Mixtral-8x7B", "weights": ["fp8"], "accelerators": ["H200-SXM"]}
DEEPSEEK = LLAMA | {"model": "DeepSeek-V2-Lite"}


def degrees(ranks: int, groups: int, stages: int = 1, **others: Any) -> Mapping:
    """A design space of few setups."""
    listed = {"stage_ranks": [ranks], "attention_data_parallel": [groups], "pipeline_parallel": [stages]}
    return listed | {"batch": {"max": 100_000}} | others


def space_of(fields: Mapping, **changes: Any) -> DesignSpace:
    return design_space_of(resolve(load_scenario_mapping(fields | changes)))


def families(fields: Mapping, **changes: Any) -> tuple[list[Family], Counter[str]]:
    """One family of each server, and why setups are none."""
    resolved = resolve(load_scenario_mapping(fields | changes))
    return build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, resolved.precisions[0]))


def kept(found: list[Family]) -> dict[str | None, list[int]]:
    """Ranks of a stage of the setups of each server."""
    return {each.engine: each.setups.degrees.stage_ranks.astype(int).tolist() for each in found}


def test_each_server_has_a_family_in_the_order_of_the_scenario() -> None:
    assert kept(families(LLAMA)[0]) == {"vllm": [1, 2], "sglang": [1, 2], "trtllm": [1, 2]}
    for order in (["vllm", "sglang"], ["sglang", "vllm"]):
        assert list(kept(families(LLAMA, engine=order)[0])) == order
    assert list(kept(families(LLAMA)[0])) == ["vllm", "sglang", "trtllm"]
    assert kept(families(LLAMA, engine="none")[0]) == {None: [1, 2]}


def test_the_server_with_most_room_keeps_a_setup_then_the_first() -> None:
    # Reserves in GB of an H100. On one GPU 13,440 MiB - 8.5 GB = 5.59 of SGLang, 0.97 + 4.33 = 5.30 of the others; on
    # two 5.73, and 6.70 with 1.3 GiB more.
    found = families(LLAMA)[0]
    free = {each.engine: each.setups.free_bytes for each in found}
    assert (free["vllm"] == free["trtllm"]).all()
    assert ((free["sglang"] < free["vllm"]) == [True, False]).all()
    assert kept(distinct(found)) == {"vllm": [1], "sglang": [2], "trtllm": []}
    # In whatever order they are given, the first of equals.
    assert kept(distinct(found[::-1])) == {"trtllm": [1], "sglang": [2], "vllm": []}
    equal = families(LLAMA, memory_reserve_gb=5)[0]
    assert kept(distinct(equal)) == {"vllm": [1, 2], "sglang": [], "trtllm": []}
    assert kept(distinct(found[:1])) == {"vllm": [1, 2]}


def test_a_setup_that_is_run_otherwise_stays_beside() -> None:
    # Two groups of one rank: vLLM and TensorRT-LLM keep all but the experts whole on each, SGLang all but the embedding
    # split over both. The three gather tokens or send them to their experts.
    found = families(DEEPSEEK, design_space=degrees(2, 2, expert_parallel=[2]))[0]
    left = {each.engine: each.setups.degrees.spread for each in distinct(found)}
    said = {engine: [EXCHANGES[at] for at in spread.exchange] for engine, spread in left.items()}
    both = ["all_gather", "all_to_all"]
    assert said == {"vllm": both, "sglang": both, "trtllm": []}
    assert left["vllm"].dense_ranks.tolist() == [1, 1]
    assert left["sglang"].dense_ranks.tolist() == [2, 2]
    assert left["sglang"].shared_ranks.tolist() == [2, 1]
    assert left["sglang"].embedding_ranks.tolist() == [1, 1]


def test_sglang_runs_wide_stages_of_whole_dense_layers_in_one_exchange() -> None:
    # Blocks of 128 of a shared expert 2,048 wide are for 16 ranks, of dense layers 18,432 wide for 16 too.
    wide = DEEPSEEK | {"model": "DeepSeek-R1", "weights": ["fp8"], "accelerators": ["H200-SXM"], "engine": "sglang"}
    speculation = {"mode": "mtp", "acceptance": 0.5, "max_draft_tokens": 2}
    told = {16: (["all_gather", "all_to_all"], [16, 16], [16, 1]), 32: (["all_to_all"], [1], [1])}
    for ranks, (exchanges, dense, shared) in told.items():
        space = degrees(ranks, ranks, expert_parallel=[ranks])
        ((family,), _) = families(wide, design_space=space, speculation=speculation)
        assert family.drafts is not None
        for found in (family.setups.degrees.spread, family.drafts.setups.degrees.spread):
            assert [EXCHANGES[at] for at in found.exchange] == exchanges
            assert found.dense_ranks.tolist() == dense
            assert found.shared_ranks.tolist() == shared
    # Fewer expert ranks than ranks have no all-to-all, and so no whole shared experts.
    ((family,), reasons) = families(wide, design_space=degrees(32, 32, expert_parallel=[16]))
    assert len(family.setups) == 0
    assert reasons == {"SGLang: a rank holds whole FP8 blocks of a shared expert": 1}


def test_a_setup_that_takes_a_draft_model_stays_beside_one_that_does_not() -> None:
    speculation = {"draft_model": "Llama-3.2-1B", "acceptance": 0.5, "max_draft_tokens": 2}
    found = families(LLAMA, speculation=speculation)[0]
    assert all(each.drafts is not None and (each.drafts.of >= 0).all() for each in found)
    assert kept(distinct(found)) == {"vllm": [1], "sglang": [2], "trtllm": []}

    def without(family: Family, rows: list[int]) -> Family:
        assert family.drafts is not None
        assert family.drafts.of is not None
        of = np.where(np.isin(np.arange(2), rows), -1, family.drafts.of)
        return replace(family, drafts=replace(family.drafts, of=of))

    # The one with most room is kept, and of those that take a draft model the one with most room.
    refused = [without(found[0], [0]), without(found[1], [1]), found[2]]
    left = distinct(refused)
    assert kept(left) == {"vllm": [1, 2], "sglang": [2], "trtllm": [1]}
    assert [each.drafts.of.tolist() for each in left if each.drafts is not None and each.drafts.of is not None] == [
        [-1, 1],
        [-1],
        [0],
    ]
    # Where none takes one, one is enough.
    nobody = [without(each, [0, 1]) for each in found]
    assert kept(distinct(nobody)) == {"vllm": [1], "sglang": [2], "trtllm": []}


def test_servers_that_start_a_deployment_are_told_besides_the_one_that_is_priced() -> None:
    space = space_of(LLAMA)
    most = {each.engine: each.setups.batch_max for each in space.offered}
    # SGLang has the least room on one GPU and the most on two.
    (small, large), (tight, wide) = (sorted({int(each[at]) for each in most.values()}) for at in (0, 1))
    for at, batch, expected in (
        (0, small, "sglang,trtllm,vllm"),
        (0, small + 1, "trtllm,vllm"),
        (0, large, "trtllm,vllm"),
        (1, tight, "sglang,trtllm,vllm"),
        (1, tight + 1, "sglang"),
        (1, wide, "sglang"),
        (1, wide + 1, ""),
    ):
        (owner,) = (each for each in space.families if at + 1 in each.setups.degrees.stage_ranks)
        one = owner.alternatives(np.array([0]), 0)
        assert space.family_of(one) is owner
        assert ",".join(space.engines_of(one, [batch])[0]) == expected
    assert {space.family_of(space.alternatives, row).engine for row in range(len(space.alternatives))} <= {
        "sglang",
        "vllm",
    }
    alone = space_of(LLAMA, engine="none")
    assert set(alone.engines_of(alone.alternatives, [1] * len(alone.alternatives))) == {()}


def test_the_exchange_and_the_draft_model_decide_who_starts_a_deployment() -> None:
    # SGLang sends tokens to experts only where a rank has whole ones; here two ranks share each.
    listed = degrees(4, 2, expert_parallel=[2])
    shared = families(DEEPSEEK, design_space=listed)[0]
    whole = families(DEEPSEEK, design_space=degrees(4, 2, expert_parallel=[4]))[0]
    vllm = whole[0]
    assert {EXCHANGES[at] for at in vllm.setups.degrees.spread.exchange} == {"all_gather", "all_to_all"}
    for number in (1, 2):
        row = int(np.flatnonzero(vllm.setups.degrees.spread.exchange == number)[0])
        one = vllm.alternatives(np.array([row]), 0)
        assert starting(whole, one, 8) == ("sglang", "vllm")
        # In another number of experts' ranks it is another deployment.
        assert starting(shared, one, 8) == ()
        # A batch below the least is none.
        assert starting(whole, one, 1) == ()

    # With groups of one rank TensorRT-LLM does, where a token has no more experts than there are ranks of them.
    found = families(DEEPSEEK, design_space=degrees(16, 16, expert_parallel=[8]))[0]
    told = {}
    for row, number in enumerate(found[2].setups.degrees.spread.exchange):
        told[EXCHANGES[number]] = starting(found, found[2].alternatives(np.array([row]), 0), 16)
    assert told == {"all_gather": ("sglang", "trtllm"), "all_to_all": ("trtllm",)}

    speculation = {"draft_model": "Llama-3.2-1B", "acceptance": 0.5, "max_draft_tokens": 2}
    found = families(LLAMA, speculation=speculation)[0]
    drafted, plain = found[1].alternatives(np.array([0]), 2, np.array([0])), found[1].alternatives(np.array([0]), 0)
    assert starting(found, drafted, 1) == starting(found, plain, 1) == ("sglang", "trtllm", "vllm")
    refusing = families(LLAMA)[0]
    assert starting([refusing[0], found[1], refusing[2]], drafted, 1) == ("sglang",)
    assert starting([refusing[0], found[1], refusing[2]], plain, 1) == ("sglang", "trtllm", "vllm")
    # The draft model takes room: the last batch of the plain one is too much beside it.
    last = int(plain.batch_max[0])
    assert "sglang" in starting(found, plain, last)
    assert "sglang" not in starting(found, drafted, last)


@pytest.mark.parametrize(
    ("fields", "listed", "rejected"),
    [
        (LLAMA | {"engine": "vllm"}, degrees(2, 2), "vLLM: this model runs with one attention group"),
        (LLAMA | {"engine": "trtllm"}, degrees(4, 2), "TensorRT-LLM: "),
        (LLAMA | {"engine": "vllm"}, degrees(2, 1, tensor_layout=["2d"]), "no server has two-dimensional tensor"),
        (MIXTRAL | {"engine": "vllm"}, degrees(4, 1, expert_parallel=[2]), "vLLM: "),
        (MIXTRAL | {"engine": "sglang"}, degrees(4, 1, redundant_experts=[8], expert_parallel=[1]), "SGLang: "),
    ],
)
def test_a_rule_that_a_setup_breaks_is_told(fields: Mapping, listed: Mapping, rejected: str) -> None:
    (found,), reasons = families(fields, design_space=listed)
    assert len(found.setups) == 0
    assert sum(reasons.values()) == 1
    (reason,) = reasons
    assert reason.startswith(rejected)
    assert not reason.endswith(": ")
    # The equations alone know no such rule.
    assert len(families(fields | {"engine": "none"}, design_space=listed)[0][0].setups) == 1


def test_rejections_of_all_servers_are_counted() -> None:
    space = space_of(LLAMA, design_space=degrees(2, 2))
    assert not len(space.alternatives)
    assert sorted((reason.split(":")[0], count) for reason, count in space.counts.rejected.items()) == [
        ("SGLang", 1),
        ("TensorRT-LLM", 1),
        ("vLLM", 1),
    ]


# --- draft models -----------------------------------------------------------------------------------------------------


def own_draft(name: str, heads: int, *blocks: Mapping) -> Mapping:
    """A small draft model of two layers, with the words of Llama 3."""
    attention = {"kind": "grouped_query", "query_heads": heads, "kv_heads": heads, "head_width": 64}
    shape = {"name": name, "layers": 2, "width": 512, "vocabulary": 128_256, "tied_embeddings": True}
    return shape | {"attention": attention, "feed_forward": list(blocks) or [{"layers": 2, "width": 1024}]}


def with_draft(fields: Mapping, draft: object, listed: Mapping, **changes: Any) -> Family:
    """The first server's setups with a draft model beside."""
    speculation = {"draft_model": draft, "acceptance": 0.5, "max_draft_tokens": 3}
    return families(fields, speculation=speculation, design_space=listed, **changes)[0][0]


def beside(family: Family) -> list[tuple[int, int, int, int] | None]:
    """TP, DP, PP and EP of the draft model beside each setup; None where it has none."""
    drafts = family.drafts
    assert drafts is not None
    assert drafts.of is not None
    held = drafts.setups.degrees
    assert not held.redundant_experts.any()
    columns = (held.tensor_parallel, held.attention_data_parallel, held.pipeline_parallel, held.expert_parallel)
    rows = [tuple(int(column[at]) for column in columns) for at in range(len(drafts.setups))]
    return [None if at < 0 else rows[at] for at in drafts.of]  # type: ignore[misc]


def test_a_draft_model_stands_on_the_tensor_ranks_of_a_model_of_one_stage() -> None:
    listed = {"stage_ranks": [2, 4, 8], "attention_data_parallel": [1, 2], "pipeline_parallel": [1, 2]}
    family = with_draft(LLAMA, "Llama-3.2-1B", listed, engine="none")
    held = family.setups.degrees
    columns = (held.tensor_parallel, held.attention_data_parallel, held.pipeline_parallel)
    expected = [
        (int(tensor), int(groups), 1, 1) if stages == 1 else None
        for tensor, groups, stages in zip(*columns, strict=True)
    ]
    assert beside(family) == expected
    assert None in expected
    assert (4, 2, 1, 1) in expected


def test_tensor_ranks_divide_the_heads_of_the_draft_model() -> None:
    listed = {"stage_ranks": [1, 2, 4, 8], "attention_data_parallel": [1, 2], "pipeline_parallel": [1]}
    family = with_draft(LLAMA, own_draft("six heads", 6), listed, engine="none")
    assert {each[0] for each in beside(family) if each is not None} == {1, 2}
    ranks = family.setups.degrees.tensor_parallel
    assert [each is not None for each in beside(family)] == (6 % ranks == 0).tolist()


@pytest.mark.parametrize(("experts", "spread"), [(8, {1, 2, 4, 8}), (4, {1, 2, 4}), (6, {1, 2}), (1, {1, 2, 4, 8})])
def test_experts_of_a_draft_model_are_spread_as_those_of_the_model(experts: int, spread: set[int]) -> None:
    blocks = [{"layers": 2, "width": 1024, "experts": experts, "active": 2}] if experts > 1 else []
    listed = degrees(8, 1, expert_parallel=[1, 2, 4, 8], redundant_experts=[0, 8])
    family = with_draft(MIXTRAL, own_draft("drafts", 8, *blocks), listed, engine="none")
    of_model = family.setups.degrees.expert_parallel.astype(int).tolist()
    assert set(of_model) == {1, 2, 4, 8}
    expected = [(8, 1, 1, ranks if experts > 1 else 1) if ranks in spread else None for ranks in of_model]
    assert beside(family) == expected


def test_a_server_says_where_a_draft_model_stands_and_how() -> None:
    # All three want the same words; SGLang has no draft model beside attention groups.
    other = own_draft("other words", 8) | {"vocabulary": 1000}
    for engine in ("sglang", "trtllm", "vllm"):
        assert beside(with_draft(LLAMA, own_draft("same words", 8), degrees(2, 1), engine=engine)) == [(2, 1, 1, 1)]
        assert beside(with_draft(LLAMA, other, degrees(2, 1), engine=engine)) == [None]
    assert beside(with_draft(LLAMA, other, degrees(2, 1), engine="none")) == [(2, 1, 1, 1)]
    small = own_draft("small", 8) | {"vocabulary": 102_400}
    groups = degrees(2, 2, expert_parallel=[2])
    assert set(beside(with_draft(DEEPSEEK, small, groups, engine="sglang"))) == {None}
    for engine, ranks in (("vllm", 1.0), ("none", 2.0)):
        drafts = with_draft(DEEPSEEK, small, groups, engine=engine).drafts
        assert drafts is not None
        # A dense draft model is whole on each rank of a group of one, and over the stage for the equations alone.
        assert set(drafts.setups.degrees.spread.dense_ranks.tolist()) == {ranks}
        assert set(drafts.setups.degrees.spread.head_ranks.tolist()) == {ranks}


@pytest.mark.parametrize(("groups", "exchange"), [(1, "none"), (2, "all_gather")])
def test_experts_of_a_draft_model_beside_a_dense_model_are_reached_as_the_server_usually_does(
    groups: int, exchange: str
) -> None:
    # The dense model has no exchange that the draft model could share.
    blocks = [{"layers": 2, "width": 1024, "experts": 4, "active": 2}]
    draft = own_draft("few experts", 8, *blocks) | {"vocabulary": 151_936}
    drafts = with_draft(LLAMA | {"model": "Qwen3-8B"}, draft, degrees(2, groups), engine="trtllm").drafts
    assert drafts is not None
    assert [EXCHANGES[at] for at in drafts.setups.degrees.spread.exchange] == [exchange]


def test_the_draft_model_is_charged_one_pass_less_than_tokens_are_verified() -> None:
    # Half of the proposals are accepted: 3 tokens verified give 1 + 1/2 + 1/4.
    family = with_draft(LLAMA, "Llama-3.2-1B", degrees(1, 1), engine="none")
    one = family.alternatives(np.array([0]), 3, np.array([0]))
    assert one.model_share.tolist() == pytest.approx([1 / 1.75])
    assert one.draft_share.tolist() == pytest.approx([2 / 1.75])
    paper = LLAMA | {"fidelity": "paper", "model": "Llama 3 70B", "accelerators": ["H100"]}
    paper = {name: value for name, value in paper.items() if name != "weights"}
    speculation = {"draft_model": "Llama 3 8B", "acceptance": 0.5, "max_draft_tokens": 3}
    resolved = resolve(load_scenario_mapping(paper | {"speculation": speculation, "design_space": degrees(8, 1)}))
    (found,), _ = build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, None))
    charged = found.alternatives(np.array([0]), 3, np.array([0]))
    assert charged.draft_share.tolist() == pytest.approx([3 / 1.75])
