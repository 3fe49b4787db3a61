"""The oracle's heads by hand: what they are made of, hold and read, which servers run them, and what a round yields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import Setup, deployable, heads, servers
from oracle.deployable import Load
from oracle.kinds import kind_of
from oracle.precision import recipe

from ieco_opt import catalog
from ieco_opt.catalog.attention import (
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    Indexer,
    LatentAttention,
    RecurrentAttention,
)
from ieco_opt.catalog.types import FeedForward, Model

GROUPED = GroupedQueryAttention(
    query_heads=8, kv_heads=2, head_width=10, value_head_width=6, window=7, indexer=Indexer(3, 2, 5), extra_params=100
)
STATE = RecurrentAttention(heads=8, input_width=100, output_width=80, state_words=5, state_bytes=10)
ROUTED = FeedForward(layers=3, width=30, experts=6, active=2)
SHARED = FeedForward(layers=3, width=20, shared=True)
MODEL = Model(
    name="small",
    layers=4,
    width=100,
    vocabulary=50_000,
    tied_embeddings=False,
    blocks=(AttentionBlock(3, GROUPED), AttentionBlock(1, STATE)),
    feed_forward=(FeedForward(layers=1, width=70), ROUTED, SHARED),
    max_context_tokens=99,
    hf_architecture="DeepseekV3ForCausalLM",
    mtp_layers=1,
)
DENSE = replace(MODEL, feed_forward=(FeedForward(2, 70), FeedForward(1, 60, up=1), FeedForward(1, 0)))
H100 = catalog.accelerator("H100-SXM")
SETUP = Setup(stage_ranks=4, layout="1d", pipeline=1, expert=4, sigma=2, redundant=2, engine="vllm")


def test_an_mtp_layer_has_the_last_block_with_a_cache_and_the_experts() -> None:
    head = heads.mtp(MODEL)
    assert (head.layers, head.width, head.vocabulary, head.max_context_tokens) == (1, 100, 50_000, 99)
    assert head.blocks == (AttentionBlock(1, GROUPED),)
    assert head.feed_forward == (replace(ROUTED, layers=1), replace(SHARED, layers=1))
    assert (head.words_read, head.words_held) == (20_000, 20_000)


def test_an_mtp_layer_of_a_dense_model_has_its_last_block_that_is_one() -> None:
    assert heads.mtp(DENSE).feed_forward == (FeedForward(1, 60, up=1),)


def test_an_eagle3_head_takes_embedding_and_state() -> None:
    head = heads.eagle3(MODEL)
    twice = (8 * 10 + 2 * 16) * 100
    assert head.blocks[0].attention == replace(GROUPED, window=None, indexer=None, extra_params=twice)
    assert head.feed_forward == (FeedForward(layers=1, width=70, up=2, down=1),)
    assert (head.vocabulary, head.words_read, head.words_held) == (32_000, 0, 30_000)
    assert heads.eagle3(replace(MODEL, vocabulary=900)).vocabulary == 900
    assert heads.eagle3(replace(MODEL, feed_forward=(ROUTED, SHARED))).feed_forward[0].width == 400


@pytest.mark.parametrize(("queries", "rows"), [(30, 30 + 20 + 4), (None, 8 * (6 + 4) + 20 + 4)])
def test_projections_of_latent_attention_take_twice_as_much(queries: int | None, rows: int) -> None:
    latent = LatentAttention(8, 20, queries, 6, 4, 5, indexer=Indexer(3, 2, 5), extra_params=9)
    found = heads.eagle3(replace(MODEL, blocks=(AttentionBlock(4, latent),))).blocks[0].attention
    assert found == replace(latent, indexer=None, extra_params=rows * 100)
    assert kind_of(found, 100).params == kind_of(replace(latent, indexer=None, extra_params=0), 100).params + rows * 100


def test_general_attention_becomes_grouped() -> None:
    general = GeneralAttention(8, 2, ((100, 100), (100, 80)), cache_words=7, flop_per_entry=3, window=5, compression=4)
    found = heads.eagle3(replace(MODEL, blocks=(AttentionBlock(4, general),))).blocks[0].attention
    assert found == GroupedQueryAttention(8, 2, 128, extra_params=(8 * 128 + 2 * 256) * 100)


def test_formats_of_heads() -> None:
    assert set(recipe(heads.mtp(MODEL), "fp8", H100).values()) == {"fp8", "bf16"}
    assert set(recipe(heads.mtp(MODEL), "nvfp4", H100).values()) == {"bf16"}
    assert recipe(heads.mtp(MODEL), "experts=nvfp4,rest=int4", H100)["head"] == "int4"
    assert recipe(heads.mtp(MODEL), "mxfp4", H100)["experts"] == "mxfp4"
    for head in (heads.eagle3(MODEL), heads.given_eagle3(MODEL, DENSE)):
        assert set(recipe(head, "fp8", H100).values()) == {"bf16"}


def _attention_params(head: Model) -> float:
    return kind_of(head.blocks[0].attention, head.width).params


def test_what_heads_hold() -> None:
    head = heads.mtp(MODEL)
    # Six experts and two copies over four ranks; a shared expert over the two ranks of a group.
    feed_forward = 8 * 3 * 100 * 30 / 4 + 3 * 100 * 20 / 2
    norms = 2 * 100 + 6 * 100 + 2 * 100**2
    expected = 2 * (_attention_params(head) / 2 + feed_forward + norms)
    assert deployable.held_weights(head, SETUP, "bf16", H100) == pytest.approx(expected)
    head = heads.eagle3(MODEL)
    expected = 2 * (_attention_params(head) / 2 + 3 * 100 * 70 / 2 + 2 * 100 + 3 * 100**2 + 32_000 * 100 / 2)
    assert deployable.held_weights(head, SETUP, "fp8", H100) == pytest.approx(expected)
    one = replace(DENSE, tied_embeddings=True)
    less = deployable.held_weights(one, SETUP, "bf16", H100)
    assert deployable.held_weights(heads.given_eagle3(MODEL, one), SETUP, "bf16", H100) == pytest.approx(less)


def _read_s(model: Any, weights: str) -> float:
    return float(deployable.memory_s(model, H100, SETUP, weights, np.array(8.0), Load(1.0, 10, 10, 1.0)))


@pytest.mark.parametrize(("weights", "word"), [("bf16", 2.0), ("norms=fp8,rest=bf16", 8.03 / 8)])
def test_joinings_are_read_by_every_rank(weights: str, word: float) -> None:
    head, bandwidth = heads.mtp(MODEL), H100.hbm_bytes_per_s * H100.memory_cap
    read = _read_s(head, weights) - _read_s(replace(head, words_read=0), weights)
    assert read == pytest.approx(word * 2 * 100**2 / bandwidth)
    verifying = heads.verifying(MODEL, heads.eagle3(MODEL))
    assert _read_s(verifying, weights) - _read_s(MODEL, weights) == pytest.approx(word * 3 * 100**2 / bandwidth)
    for draft in (head, DENSE, heads.given_eagle3(MODEL, DENSE)):
        assert heads.verifying(MODEL, draft) is MODEL


def test_where_a_head_stands() -> None:
    assert servers.beside(MODEL, heads.mtp(MODEL), SETUP) == SETUP
    assert servers.beside(MODEL, heads.eagle3(MODEL), SETUP) == replace(SETUP, expert=1, redundant=0, exchange="")
    assert servers.beside(MODEL, heads.mtp(MODEL), replace(SETUP, pipeline=2)) is None


@pytest.mark.parametrize(
    ("engine", "architecture", "mtp", "eagle3"),
    [
        ("vllm", "MiMoV2FlashForCausalLM", True, False),
        ("sglang", "MiMoV2FlashForCausalLM", False, False),
        ("trtllm", "DeepseekV32ForCausalLM", True, False),
        ("trtllm", "Qwen3MoeForCausalLM", False, True),
        ("sglang", "Glm4MoeForCausalLM", True, True),
        ("vllm", "Glm4MoeForCausalLM", True, False),
        ("none", None, True, True),
        ("vllm", None, False, False),
    ],
)
def test_classes_that_have_heads(engine: str, architecture: str | None, mtp: bool, eagle3: bool) -> None:
    model = replace(MODEL, hf_architecture=architecture)
    setup = replace(SETUP, engine=engine, sigma=1)
    assert servers.accepts_draft(engine, model, heads.mtp(model), setup) == mtp
    assert servers.accepts_draft(engine, model, heads.eagle3(model), setup) == eagle3


def test_what_servers_ask_of_heads_beside_their_class() -> None:
    assert not servers.accepts_draft("sglang", MODEL, heads.eagle3(MODEL), SETUP)
    assert servers.accepts_draft("sglang", MODEL, heads.mtp(MODEL), SETUP)
    three = replace(MODEL, mtp_layers=3)
    found = [servers.accepts_draft(each, three, heads.mtp(three), SETUP) for each in servers.SERVERS]
    assert found == [False, False, True]


def test_tokens_of_a_round() -> None:
    assert heads.expected_tokens(0.5, None, 3) == {2: 1.5, 3: 1.75}
    assert heads.expected_tokens(1, None, 3) == {2: 2.0, 3: 3.0}
    assert heads.expected_tokens(0.0, {1: 1.7, 3: 2.5}, None) == {2: 1.7, 4: 2.5}
    assert heads.expected_tokens(0.0, {1: 1.7, 3: 2.5}, 3) == {2: 1.7}
    assert heads.accepted_tokens("deepseek-v3-mtp") == {2: 2.18, 3: 2.44}
    assert heads.accepted_tokens({"4": 2}) == {4: 2.0}
