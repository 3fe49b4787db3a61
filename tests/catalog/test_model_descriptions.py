"""Layers told by `blocks` and formats told by `recipes`: what is taken, and what is refused in which words."""

from __future__ import annotations

import pytest

from ieco_opt.catalog import model, model_from_mapping
from ieco_opt.catalog.attention import AttentionBlock, GroupedQueryAttention, NoAttention
from ieco_opt.catalog.types import Model
from ieco_opt.errors import ScenarioError

FULL = {"kind": "grouped_query", "query_heads": 8, "kv_heads": 2, "head_width": 32}
SLIDING = {**FULL, "window": 128}
NONE = {"kind": "none"}
PLAIN: dict[str, object] = {
    "name": "Mine",
    "layers": 4,
    "width": 256,
    "vocabulary": 1000,
    "tied_embeddings": True,
    "feed_forward": [{"layers": 4, "width": 512}],
}


def block(layers: int, attention: dict[str, object]) -> dict[str, object]:
    return {"layers": layers, "attention": attention}


def read(**fields: object) -> Model:
    found = model_from_mapping(PLAIN | fields)
    assert isinstance(found, Model)
    return found


def test_layers_of_several_attentions() -> None:
    item = read(blocks=[block(3, SLIDING), block(1, NONE)])
    sliding = GroupedQueryAttention(8, 2, 32, window=128)
    assert item.blocks == (AttentionBlock(3, sliding), AttentionBlock(1, NoAttention()))
    many = {"layers": 64, "feed_forward": [{"layers": 1, "width": 512}] * 64}
    assert len(read(**many, blocks=[block(1, FULL)] * 64).blocks) == 64


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, "blocks", "found neither attention nor blocks, expected one of them"),
        ({"attention": FULL, "blocks": [block(4, FULL)]}, "blocks", "found both attention and blocks, expected one"),
        ({"blocks": []}, "blocks", "found 0 blocks, expected 1 to 64"),
        ({"layers": 65, "blocks": [block(1, FULL)] * 65}, "blocks", "found 65 blocks, expected 1 to 64"),
        ({"blocks": [block(3, FULL)]}, "blocks", "found blocks of 3 layers, expected 4 layers"),
        ({"blocks": [block(4, FULL), block(1, NONE)]}, "blocks", "found blocks of 5 layers, expected 4 layers"),
        ({"blocks": [block(4, NONE)]}, "blocks", "found no attention in any layer, expected one kind of it at least"),
        ({"blocks": [block(4, {**FULL, "kv_heads": 3})]}, "blocks[0].attention.kv_heads", "a divisor of query_heads"),
        ({"blocks": [block(4, {"kind": "linear"})]}, "blocks[0].attention", "expected `kind` to be one of"),
        ({"blocks": [{"attention": FULL}]}, "blocks[0].layers", "missing, expected: Layers that have this attention"),
        (
            {"attention": FULL, "feed_forward": [{"layers": 1, "width": 8}] * 65},
            "feed_forward",
            "found 65 blocks, expected at most 64",
        ),
        (
            {"attention": FULL, "recipes": {"fp8": {"experts": "fp8"}}},
            "recipes",
            "found no format of shared_experts, feed_forward, attention, embedding, head, norms in fp8, expected one, "
            "or rest",
        ),
        ({"attention": FULL, "recipes": {"fp9": {"rest": "bf16"}}}, "recipes.fp9", "found 'fp9', expected one of"),
        (
            {"attention": FULL, "recipes": {"fp8": {"heads": "fp8", "rest": "bf16"}}},
            "recipes.fp8.heads",
            "found 'heads', expected one of experts, shared_experts, ",
        ),
        ({"attention": FULL, "recipes": {"fp8": {"rest": "fp9"}}}, "recipes.fp8.rest", "found 'fp9', expected one of"),
        ({"attention": FULL, "published": ["fp9"]}, "published[0]", "found 'fp9', expected one of bf16, "),
        ({"attention": FULL, "checkpoint": "fp4"}, "checkpoint", "found 'fp4', expected one of bf16, "),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(fields: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(**fields)
    faults = {fault.field: fault.message for fault in error.value.faults}
    assert words in faults[field]


def test_a_recipe_may_name_every_part_and_leave_the_rest_unsaid() -> None:
    parts = ("experts", "shared_experts", "feed_forward", "attention", "embedding", "head", "norms")
    recipe = dict.fromkeys(parts, "bf16") | {"feed_forward": "fp8"}
    assert read(attention=FULL, recipes={"fp8": recipe}).recipes == {"fp8": recipe}


def test_attention_told_beside_an_entry_stands_for_all_of_its_layers() -> None:
    known = model("Gemma-3-27B")
    assert isinstance(known, Model)
    item = model_from_mapping({"like": "Gemma-3-27B", "attention": FULL})
    assert isinstance(item, Model)
    assert item.blocks == (AttentionBlock(62, GroupedQueryAttention(8, 2, 32)),)
    assert item.feed_forward == known.feed_forward
    layered = model_from_mapping({"like": "Llama-3.3-70B", "blocks": [block(40, FULL), block(40, SLIDING)]})
    assert isinstance(layered, Model)
    assert [each.layers for each in layered.blocks] == [40, 40]
