"""The oracle's servers against figures by hand: rules, copies, exchanges of experts, and who names a configuration."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import OracleScenario, Setup, cards, deployable, enumerate_deployments, heads, named, servers, starting
from oracle.deployable import Load
from oracle.precision import Precision
from oracle.servers import Asked, Sharers, beside, broken_rules, exchanges, sharers
from oracle.started import attaining
from small_chip import CHIP, DENSE

from ieco_opt import catalog
from ieco_opt.catalog.attention import (
    Attention,
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    LatentAttention,
    NoAttention,
    RecurrentAttention,
)
from ieco_opt.catalog.types import Accelerator, FeedForward, Model

CARD = replace(CHIP, vendor="nvidia", node_size=8)
AMD = replace(CARD, vendor="amd", flops_4bit=4e6)
EIGHT_HEADS = (AttentionBlock(5, GroupedQueryAttention(query_heads=8, kv_heads=8, head_width=2)),)
MIXTURE = replace(
    DENSE,
    name="mixture",
    blocks=EIGHT_HEADS,
    feed_forward=(
        FeedForward(layers=5, width=512, experts=8, active=2),
        FeedForward(layers=5, width=256, shared=True),
    ),
)
BLOCKY = replace(MIXTURE, name="blocky", hf_architecture="DeepseekV3ForCausalLM", fp8_block=128)
"""Known by the beginning of its name: DeepseekV3ForCausalLM with blocks of 128."""


LEADING = replace(
    BLOCKY,
    name="leading",
    feed_forward=(
        FeedForward(layers=2, width=384),
        FeedForward(layers=3, width=512, experts=8, active=2),
        FeedForward(layers=3, width=256, shared=True),
    ),
)
"""Two dense layers of three blocks before the others, which SGLang may hold whole."""


LINEAR, EXPERTS = "blocks and tiles, dense and shared", "blocks and tiles, routed experts"


def broken(
    engine: str,
    model: Model,
    setup: Setup,
    weights: str = "bf16",
    card: Accelerator = CARD,
    exchange: str = "all_gather",
) -> list[str]:
    return broken_rules(engine, Asked(model, card, Precision(weights), replace(setup, exchange=exchange)))


def at(ranks: int, groups: int = 1, expert: int = 1, pipeline: int = 1, redundant: int = 0) -> Setup:
    return Setup(ranks, "1d", pipeline, expert, groups, redundant)


def test_engines_of_a_scenario() -> None:
    assert servers.of_scenario("none") == ("none",)
    assert servers.of_scenario("any") == ("vllm", "sglang", "trtllm")
    assert servers.of_scenario(["sglang", "vllm"]) == ("sglang", "vllm")
    assert servers.of_scenario("vllm") == servers.of_scenario(["vllm"]) == ("vllm",)
    assert servers.of_scenario(["any"]) == servers.SERVERS


def test_classes_and_blocks_are_those_of_the_longest_family() -> None:
    known = {name: catalog.model(name) for name in ("Qwen3-8B", "Qwen3-30B-A3B", "DeepSeek-V3", "Llama-3.1-8B")}
    models = {name: model for name, model in known.items() if isinstance(model, Model)}
    assert {name: servers.architecture(model) for name, model in models.items()} == {
        "Qwen3-8B": "Qwen3ForCausalLM",
        "Qwen3-30B-A3B": "Qwen3MoeForCausalLM",
        "DeepSeek-V3": "DeepseekV3ForCausalLM",
        "Llama-3.1-8B": "LlamaForCausalLM",
    }
    assert [servers.fp8_block(models[name]) for name in ("DeepSeek-V3", "Llama-3.1-8B")] == [128, 0]
    assert servers.architecture(DENSE) is None


def test_machines_of_an_instance() -> None:
    sizes = {"GB200-NVL72": 4, "H100-SXM": 8, "H100-NVL": 8, "MI210": 8}
    assert {name: servers.machine_gpus(catalog.accelerator(name)) for name in sizes} == sizes


@pytest.mark.parametrize(
    ("engine", "model", "setup", "weights", "rows"),
    [
        ("vllm", DENSE, at(2, 2), "bf16", ["attention groups"]),
        ("vllm", MIXTURE, at(4, 2), "bf16", []),
        ("sglang", MIXTURE, at(4, 2), "bf16", ["attention groups"]),
        ("sglang", BLOCKY, at(4, 2), "bf16", []),
        ("trtllm", MIXTURE, at(4, 2), "bf16", ["attention groups"]),
        ("trtllm", MIXTURE, at(4, 4), "bf16", []),
        ("trtllm", DENSE, at(2, 2), "bf16", ["attention groups"]),
        ("trtllm", DENSE, at(2), "gptq", ["weights"]),
        ("vllm", DENSE, at(2), "gptq", []),
        # Two KV heads on three ranks; 16 columns in three parts.
        ("vllm", DENSE, at(3), "bf16", ["KV heads", "dense layers"]),
        ("vllm", MIXTURE, at(4, 1, 2), "bf16", ["routed experts"]),
        ("sglang", MIXTURE, at(4, 1, 2), "bf16", []),
        ("vllm", BLOCKY, at(8), "fp8", [LINEAR, EXPERTS]),
        ("vllm", BLOCKY, at(8, 1, 8), "fp8", [LINEAR]),
        ("vllm", BLOCKY, at(8, 8, 8), "fp8", []),
        ("vllm", BLOCKY, at(8, 1, 1), "bf16", []),
        ("sglang", BLOCKY, at(8, 8, 8), "fp8", [LINEAR]),
        (
            "sglang",
            BLOCKY,
            at(8, 1, 1),
            "fp8",
            [LINEAR, EXPERTS],
        ),
        ("sglang", BLOCKY, at(2, 1, 1), "fp8", []),
        (
            "trtllm",
            BLOCKY,
            at(8, 1, 1),
            "fp8",
            [LINEAR, EXPERTS],
        ),
        ("trtllm", BLOCKY, at(8, 8, 8), "fp8", []),
        ("vllm", MIXTURE, at(4, 1, 1, 1, 2), "bf16", ["redundant experts"]),
        ("vllm", MIXTURE, at(4, 1, 4, 1, 4), "bf16", []),
        ("vllm", MIXTURE, at(2, 1, 2, 1, 2), "awq", ["redundant experts"]),
        ("sglang", MIXTURE, at(2, 1, 2, 1, 2), "awq", []),
        # Experts of 512 columns and a shared one of 256 in tiles of 128: of NVFP4 that of experts alone counts.
        ("vllm", MIXTURE, at(4, 1, 4), "awq", [LINEAR]),
        ("sglang", MIXTURE, at(4, 1, 4), "gptq", [LINEAR]),
        ("vllm", MIXTURE, at(8), "nvfp4", [EXPERTS]),
        ("vllm", MIXTURE, at(8, 1, 8), "nvfp4", []),
        ("sglang", MIXTURE, at(8, 1, 2), "nvfp4", []),
        ("sglang", MIXTURE, at(8), "nvfp4", [EXPERTS]),
        ("trtllm", MIXTURE, at(8), "nvfp4", []),
        # 12 GPUs on two machines.
        ("vllm", MIXTURE, at(4, 1, 4, 3), "bf16", []),
        ("sglang", MIXTURE, at(4, 1, 4, 3), "bf16", ["several machines"]),
        ("sglang", MIXTURE, at(8, 1, 8, 2), "bf16", []),
        # 10 GPUs in five stages, and 24 in three groups, on three machines.
        ("trtllm", MIXTURE, at(2, 1, 2, 9), "bf16", []),
        ("vllm", MIXTURE, at(24, 2, 8, 1), "bf16", ["KV heads", "routed experts", "several machines"]),
    ],
)
def test_rules_by_hand(engine: str, model: Model, setup: Setup, weights: str, rows: list[str]) -> None:
    found = [row for row in broken(engine, model, setup, weights) if row != "shared experts"]
    assert found == [row for row in rows if row != "shared experts"]


def test_rules_of_classes_and_formats() -> None:
    gpt_oss, qwen = (
        replace(MIXTURE, hf_architecture="GptOssForCausalLM"),
        replace(MIXTURE, hf_architecture="Qwen3MoeForCausalLM"),
    )
    assert broken("sglang", gpt_oss, at(4, 1, 4), "mxfp4") == ["mxfp4 and nvfp4"]
    assert broken("sglang", gpt_oss, at(4, 1, 4), "mxfp4", replace(CARD, flops_4bit=4e6)) == []
    assert broken("sglang", gpt_oss, at(4), "mxfp4") == []
    assert broken("vllm", gpt_oss, at(4, 2, 4), "mxfp4", AMD) == ["mxfp4 and nvfp4"]
    assert broken("vllm", gpt_oss, at(4, 2, 4), "mxfp4") == []
    assert broken("trtllm", gpt_oss, at(4), "mxfp4", AMD) == ["accelerators"]
    few = replace(qwen, feed_forward=(FeedForward(layers=5, width=512, experts=4, active=2),))
    assert broken("vllm", few, at(8)) == ["more ranks than experts"]
    assert broken("vllm", replace(few, hf_architecture=None), at(8)) == []
    assert broken("vllm", MIXTURE, replace(at(4), layout="2d")) == ["layout"]
    # A width that no rank can share needs no sharing in MXFP4.
    odd = replace(gpt_oss, feed_forward=(FeedForward(layers=5, width=514, experts=8, active=2),))
    assert [broken("vllm", odd, at(4), weights) for weights in ("mxfp4", "bf16")] == [[], ["routed experts"]]


@pytest.mark.parametrize(
    ("engine", "vendor", "four_bits", "starts"),
    [
        *[("vllm", "nvidia", False, True), ("vllm", "nvidia", True, True)],
        *[("vllm", "amd", False, False), ("vllm", "amd", True, True)],
        *[("sglang", "nvidia", False, False), ("sglang", "nvidia", True, False)],
        *[("sglang", "amd", False, False), ("sglang", "amd", True, True)],
        *[("trtllm", "nvidia", False, True), ("trtllm", "nvidia", True, True)],
    ],
)
def test_mxfp4_of_models_without_routed_experts(engine: str, vendor: str, four_bits: bool, starts: bool) -> None:
    card = replace(CARD, vendor=vendor, flops_4bit=4e6 if four_bits else None)
    expected = [] if starts else ["mxfp4 without routed experts"]
    for weights in ("mxfp4", "feed_forward=mxfp4,rest=bf16"):
        assert broken(engine, DENSE, at(2), weights, card) == expected
    # The format is that of the feed-forward blocks, and the rule is about this one alone.
    for weights in ("attention=mxfp4,rest=bf16", "bf16", "fp8", "int4"):
        assert broken(engine, DENSE, at(2), weights, card) == []
    assert broken(engine, MIXTURE, at(4), "mxfp4", card) == []


def test_stages_of_instances_apart() -> None:
    def stages(phase: str, engine: str) -> list[int]:
        return [each for each in (1, 2, 4) if servers.staged_apart(replace(at(2, 1, 1, each), engine=engine), phase)]

    every, one = [1, 2, 4], [1]
    engines = ("vllm", "sglang", "trtllm", "none")
    assert [stages("decode", engine) for engine in engines] == [one, one, every, every]
    assert [stages("prefill", engine) for engine in engines] == [one, every, every, every]


def grouped(kv_heads: int) -> GroupedQueryAttention:
    return GroupedQueryAttention(query_heads=8, kv_heads=kv_heads, head_width=2)


LATENT = LatentAttention(8, None, 4, 2, 2, 2)
RECURRENT = RecurrentAttention(8, 32, 16, 64, 128)
GENERAL = GeneralAttention(query_heads=8, kv_heads=4, matrices=((16, 8),), cache_words=4, flop_per_entry=8)


@pytest.mark.parametrize(
    ("attentions", "alike"),
    [
        *[((grouped(2),), True), ((grouped(2), grouped(2)), True), ((grouped(8), grouped(2)), False)],
        # Every kind that has KV heads counts, on all its layers, and no other; nor does a window.
        *[((GENERAL, grouped(4)), True), ((GENERAL, grouped(8)), False), ((grouped(4), GENERAL, grouped(1)), False)],
        *[((LATENT,), True), ((RECURRENT,), True), ((NoAttention(),), True), ((LATENT, RECURRENT), True)],
        *[((RECURRENT, grouped(2)), True), ((LATENT, grouped(4), GENERAL), True), ((grouped(4), NoAttention()), True)],
        *[((grouped(2), LATENT, grouped(4)), False), ((grouped(2), replace(grouped(2), window=4)), True)],
    ],
)
def test_kv_heads_of_instances_apart(attentions: tuple[Attention, ...], alike: bool) -> None:
    model = replace(DENSE, blocks=tuple(AttentionBlock(1, each) for each in attentions))

    def degrees(engine: str) -> list[int]:
        return [each for each in (1, 2, 4, 8) if servers.caches_apart(model, replace(at(each), engine=engine))]

    # No degree makes up for it.
    assert degrees("trtllm") == ([1, 2, 4, 8] if alike else [])
    assert [degrees(engine) for engine in ("vllm", "sglang", "none")] == [[1, 2, 4, 8]] * 3


@pytest.mark.parametrize(
    ("attentions", "most"),
    [
        *[((grouped(1),), 1), ((grouped(2),), 2), ((grouped(4),), 4), ((grouped(8),), 8), ((GENERAL,), 4)],
        # Every kind that has KV heads counts, and no other.
        *[((grouped(8), grouped(2)), 2), ((GENERAL, grouped(8)), 4), ((grouped(8), GENERAL, grouped(1)), 1)],
        *[((LATENT,), 8), ((RECURRENT,), 8), ((NoAttention(),), 8), ((LATENT, RECURRENT), 8)],
        *[((RECURRENT, grouped(2)), 2), ((grouped(4), NoAttention()), 4), ((LATENT, GENERAL), 4)],
    ],
)
def test_ranks_of_prefill_instances_apart(attentions: tuple[Attention, ...], most: int) -> None:
    model = replace(DENSE, blocks=tuple(AttentionBlock(1, each) for each in attentions))

    def degrees(engine: str) -> list[int]:
        return [each for each in (1, 2, 4, 8) if servers.prefills_apart(model, replace(at(each), engine=engine))]

    assert degrees("vllm") == [each for each in (1, 2, 4, 8) if each <= most]
    assert [degrees(engine) for engine in ("sglang", "trtllm", "none")] == [[1, 2, 4, 8]] * 3
    # It is the ranks of a group that count.
    assert servers.prefills_apart(model, replace(at(8, 8), engine="vllm"))


def test_drafts_of_decode_instances_apart() -> None:
    taken = [servers.drafts_apart(replace(at(2), engine=engine)) for engine in (*servers.SERVERS, "none")]
    assert taken == [False, True, True, True]
    # TensorRT-LLM takes a model of its own there, but no head.
    sitting = {
        draft: [
            servers.draft_sits_apart(replace(at(2), engine=engine), model) for engine in ("sglang", "trtllm", "none")
        ]
        for draft, model in (("model", DENSE), ("mtp", heads.mtp(DENSE)), ("eagle3", heads.eagle3(DENSE)))
    }
    assert sitting == {"model": [True] * 3, "mtp": [True, False, True], "eagle3": [True, False, True]}
    assert not servers.draft_sits_apart(replace(at(2), engine="trtllm"), heads.given_eagle3(DENSE, DENSE))


def test_between_which_accelerators_caches_go() -> None:
    def goes(engine: str, *pair: tuple[str, str | None]) -> bool:
        cards = [replace(CARD, name=name, generation=generation) for name, generation in pair]
        return len({servers.caches_stay(engine, card) for card in cards}) == 1

    for engine, held in (("vllm", True), ("sglang", True), ("trtllm", False), ("none", False)):
        assert goes(engine, ("a", "hopper"), ("a", "hopper"))
        assert goes(engine, ("a", "hopper"), ("b", "hopper"))
        assert goes(engine, ("a", None), ("a", None))
        assert goes(engine, ("a", "hopper"), ("b", "blackwell")) != held
        # One name in two generations is two, and what nobody knows is one with its like alone.
        assert goes(engine, ("a", "hopper"), ("a", "blackwell")) != held
        assert goes(engine, ("a", None), ("b", None)) != held
        assert goes(engine, ("a", None), ("a", "hopper")) != held
        assert goes(engine, ("hopper", None), ("b", "hopper")) != held


def test_generations_of_the_catalog() -> None:
    def of(reference: str | dict[str, Any]) -> str | None:
        return cards.read(reference).generation

    named_in_docs = {
        **dict.fromkeys(("B200-SXM", "B300-SXM", "GB200-NVL72", "GB300-NVL72"), "blackwell"),
        **dict.fromkeys(("RTX-5090", "RTX-PRO-6000-Blackwell-Server", "DGX-Spark"), "blackwell-rtx"),
        "H100-SXM": "hopper",
        "MI300X": "cdna3",
        "MI355X": "cdna4",
        "TPU-v5e": None,
        "Gaudi3-OAM": None,
    }
    assert {name: of(name) for name in named_in_docs} == named_in_docs
    # A description has the generation of what it starts from, unless it says another or that it has none.
    assert of({"like": "H100-SXM", "name": "mine", "hbm_bytes": 1e10}) == "hopper"
    assert of({"like": "H100-SXM", "name": "mine", "generation": "rubin"}) == "rubin"
    assert of({"like": "H100-SXM", "name": "mine", "generation": None}) is None


def test_rules_of_an_exchange() -> None:
    blocks, odd = (
        LINEAR,
        (*BLOCKY.feed_forward[:1], FeedForward(layers=5, width=250, shared=True)),
    )
    uneven = replace(BLOCKY, feed_forward=odd)
    for model, weights, row in ((BLOCKY, "fp8", blocks), (uneven, "bf16", "shared experts")):
        for engine in ("vllm", "sglang"):
            assert broken(engine, model, at(8, 1, 8), weights) == [row]
        found = [broken(engine, model, at(8, 1, 8), weights, exchange="all_to_all") for engine in ("vllm", "sglang")]
        assert found == [[row], []]
    # A configuration that keeps a rule in one exchange alone exists in that one alone.
    for ranks, exchanged in ((2, ["all_gather", "all_to_all"]), (8, ["all_to_all"])):
        ways = servers.run_as(BLOCKY, CARD, Precision("fp8"), at(ranks, ranks, ranks), ["sglang"])
        assert [each.exchange for each in ways] == exchanged


def test_dense_layers_that_sglang_holds_whole() -> None:
    def whole(model: Model, ranks: int, weights: str = "fp8", engine: str = "sglang") -> bool:
        setup = replace(at(ranks, 1, ranks), engine=engine)
        return servers.laid_out(Asked(model, CARD, Precision(weights), setup)).dense_whole

    assert [whole(LEADING, ranks) for ranks in (1, 2, 3, 4, 6)] == [False, True, False, True, True]
    assert [whole(LEADING, ranks, "bf16") for ranks in (2, 4, 5, 6)] == [False, False, True, False]
    assert not whole(LEADING, 2, engine="vllm")
    # One flag is for dense layers of all widths, and not for shared experts, nor for models without dense layers.
    both = replace(LEADING, feed_forward=(FeedForward(layers=2, width=768), *LEADING.feed_forward))
    assert [whole(both, ranks) for ranks in (2, 3, 6)] == [True, False, True]
    assert not whole(BLOCKY, 8)
    # 384 columns of NVFP4 are three tiles.
    assert [whole(LEADING, ranks, "nvfp4") for ranks in (1, 2, 3)] == [False, True, False]
    other = replace(LEADING, hf_architecture="Qwen3MoeForCausalLM")
    assert not whole(other, 2)
    for model, rows in ((LEADING, []), (other, [LINEAR])):
        assert broken("sglang", model, at(2), "fp8") == rows
    for model, rows in ((LEADING, []), (other, ["dense layers"])):
        assert broken("sglang", model, at(5, 1, 5), exchange="all_to_all") == ["KV heads", *rows]


def test_whole_dense_layers_by_hand() -> None:
    split = replace(at(2, 1, 2), engine="sglang", exchange="none")
    whole, _ = servers.run_as(LEADING, CARD, Precision("fp8"), at(2, 1, 2), "sglang")
    assert whole == replace(split, dense_whole=True)
    assert sharers(whole) == Sharers(1, 2, 2, 2)
    load, batch = Load(1.0, 0, 0, 1.0), np.array(6.0)
    one, other = (deployable.evaluate(LEADING, CARD, each, "fp8", batch, load) for each in (whole, split))
    # Two layers of three matrices of 384 x 8, once more, and less activations than in two parts.
    weights = 2 * 3 * 384 * 8 * 8.03 / 8

    def words(ranks: int) -> float:
        t1 = min(max(math.sqrt(8 * ranks / 384), 1.0), ranks)
        return t1 * 384 + ranks / t1 * 8

    moved = weights + 2 * 3 * 2 * 6 * (words(1) - words(2))
    assert float(one.memory_s - other.memory_s) == pytest.approx(moved / (2 * 0.8 * 1e5), rel=1e-9)
    reduced = 2 * cheapest(2, 1, 0, 8 * 6 * 2 / (2 * 1e6))
    lost = other.feed_forward_allreduce_s - one.feed_forward_allreduce_s
    assert float(lost) == pytest.approx(reduced, rel=1e-9)
    held = [deployable.held_weights(LEADING, each, "fp8", CARD) for each in (whole, split)]
    assert held[0] - held[1] == pytest.approx(weights / 2)


def test_drafts_beside_whole_dense_layers() -> None:
    main = replace(at(2, 1, 2), engine="sglang", exchange="none", dense_whole=True)
    model = replace(LEADING, mtp_layers=1, vocabulary=100)
    placed = [beside(model, draft, main) for draft in (heads.mtp(model), heads.eagle3(model), replace(model, name="d"))]
    assert [None if each is None else each.dense_whole for each in placed] == [True, False, False]


def test_copies_by_the_table() -> None:
    for engine, exchange, expected in (
        ("vllm", "all_gather", (4, 4, 4, 4)),
        ("sglang", "all_gather", (8, 8, 4, 8)),
        ("sglang", "all_to_all", (8, 1, 4, 8)),
        ("trtllm", "all_gather", (1, 1, 1, 1)),
        ("none", "all_to_all", (8, 8, 8, 8)),
    ):
        assert sharers(replace(at(8, 2, 8), engine=engine, exchange=exchange)) == Sharers(*expected)
    assert sharers(replace(at(8), engine="trtllm", exchange="none")) == Sharers(8, 8, 8, 8)


def test_exchanges_by_the_table() -> None:
    def of(
        engine: str, *degrees: int, model: Model = BLOCKY, weights: str = "fp8", card: Accelerator = CARD
    ) -> list[str]:
        return exchanges(Asked(model, card, Precision(weights), at(*degrees)), engine)

    both = ["all_gather", "all_to_all"]
    assert [of(engine, 4, 1, 4) for engine in servers.SERVERS] == [["none"], ["none", "all_to_all"], ["none"]]
    assert [of(engine, 4, 2, 4) for engine in servers.SERVERS] == [both] * 3
    assert [of(engine, 4, 2, 2) for engine in ("sglang", "trtllm")] == [["all_gather"], both]
    # SGLang: known classes, NVIDIA, and formats that DeepGEMM has.
    assert of("sglang", 4, 2, 4, weights="bf16") == both
    assert of("sglang", 4, 2, 4, weights="nvfp4") == ["all_gather"]
    assert of("sglang", 4, 2, 4, model=MIXTURE, weights="bf16") == ["all_gather"]
    assert of("sglang", 4, 2, 4, model=replace(BLOCKY, fp8_block=0)) == ["all_gather"]
    assert of("sglang", 4, 2, 4, card=AMD) == ["all_gather"]
    # TensorRT-LLM: not more experts of a token than ranks of experts, no biases, and formats that its backend has.
    many = replace(MIXTURE, feed_forward=(FeedForward(layers=5, width=512, experts=8, active=4),))
    assert [of("trtllm", 4, 2, q, model=many) for q in (2, 4)] == [["all_gather"], both]
    assert of("trtllm", 4, 2, 4, weights="mxfp4") == ["all_gather"]
    assert of("trtllm", 4, 2, 4, model=replace(MIXTURE, hf_architecture="GptOssForCausalLM")) == ["all_gather"]
    # vLLM: no wider than its kernels.
    assert of("vllm", 4, 2, 4, model=replace(MIXTURE, width=8193)) == ["all_gather"]
    assert [of(engine, 4, 2, 1) for engine in servers.SERVERS] == [["all_gather"]] * 3
    assert of("none", 1, 1, 1) == ["all_to_all"]
    assert of("sglang", 4, model=DENSE) == [""]


def cheapest(kinds: int, hops: float, doublings: float, seconds: float) -> float:
    """Cheapest protocol, where ``seconds`` is the bandwidth term before the factor."""
    return min(
        kinds * (0.6e-6 * hops + 5e-6 * doublings) + 6.8e-6 + seconds / 0.5,
        kinds * (1.25e-6 * hops + 8.5e-6 * doublings) + 14e-6 + seconds / 0.95,
        kinds * (28e-6 * hops + 28e-6 * doublings) + seconds,
    )


def network(setup: Setup, batch: int) -> tuple[float, float]:
    """Seconds of the all-reduces of feed-forward blocks and of what brings tokens to experts, on nodes of two."""
    parts = deployable.evaluate(MIXTURE, CHIP, setup, "bf16", np.array(float(batch)), Load(1.0, 0, 0, 1.0))
    return float(parts.feed_forward_allreduce_s), float(parts.expert_all_to_all_s)


def test_collectives_of_each_exchange_by_hand() -> None:
    x = 6
    # Four ranks on two nodes; no second all-reduce of shared experts.
    every = 5 * cheapest(2, 1, 1, 8 * x * 2 / (4 * 1e5))
    assert network(replace(at(4, 1, 4), engine="vllm", exchange="none"), x) == pytest.approx((every, 0))
    # Two groups of two: one rank of each on two nodes gathers all tokens; inside, each reduces its half.
    gathered = 2 * 5 * cheapest(1, 0, 1, 8 * x * 2 / (2 * 1e5) / 2)
    inside = 5 * cheapest(2, 1, 0, 8 / 2 * x * 2 / (2 * 1e6))
    at_two = replace(at(4, 2, 4), engine="vllm", exchange="all_gather")
    assert network(at_two, x) == pytest.approx((inside, gathered))
    # Each token to two experts; shared experts are reduced in their group, in SGLang on each rank alone.
    sent = 2 * 5 * cheapest(1, 1, 0, (8 * x * 2 * 2 / 4) / (2 * 1e6) / 2)
    shared = 5 * cheapest(2, 1, 0, (8 / 2) * x * 2 / (2 * 1e6))
    to_all = replace(at_two, exchange="all_to_all")
    assert network(to_all, x) == pytest.approx((shared, sent))
    assert network(replace(to_all, engine="sglang"), x) == pytest.approx((0, sent))


def test_memory_of_copies_by_hand() -> None:
    load, batch = Load(1.0, 0, 0, 1.0), np.array(6.0)
    run = {engine: replace(at(4, 2, 4), engine=engine, exchange="all_gather") for engine in ("none", "vllm", "trtllm")}
    run["none"] = replace(run["none"], exchange="all_to_all")
    seconds = {
        engine: float(deployable.evaluate(MIXTURE, CARD, setup, "bf16", batch, load).memory_s)
        for engine, setup in run.items()
    }

    def moved(ranks: int) -> float:
        t1 = min(max(math.sqrt(8 * ranks / 256), 1.0), ranks)
        shared = 3 * (4 / ranks * 2 * 8 * 256 + 2 * 6 * (t1 * 256 + ranks / t1 * 8))
        return 5 * shared + 4 / ranks * 2 * 80

    for engine, ranks in (("vllm", 2), ("trtllm", 1)):
        more = (moved(ranks) - moved(4)) / (4 * 0.8 * 1e5)
        assert seconds[engine] - seconds["none"] == pytest.approx(more, rel=1e-9)


def test_where_a_draft_stands() -> None:
    draft = replace(MIXTURE, name="draft")
    main = replace(at(4, 2, 4), engine="vllm", exchange="all_to_all")
    assert beside(MIXTURE, draft, main) == main
    assert beside(MIXTURE, replace(DENSE, blocks=EIGHT_HEADS), main) == replace(main, expert=1, exchange="")
    assert beside(MIXTURE, draft, replace(main, pipeline=2)) is None
    assert beside(MIXTURE, draft, replace(main, engine="sglang")) is None
    assert beside(MIXTURE, replace(draft, vocabulary=11), main) is None
    assert beside(MIXTURE, replace(draft, vocabulary=11), replace(main, engine="none")) is not None
    six = (FeedForward(layers=5, width=512, experts=6, active=2),)
    assert beside(MIXTURE, replace(draft, feed_forward=six), main) is None
    three = (AttentionBlock(5, GroupedQueryAttention(query_heads=6, kv_heads=3, head_width=2)),)
    assert beside(MIXTURE, replace(draft, blocks=three), main) is None
    assert beside(MIXTURE, replace(draft, blocks=three), replace(main, engine="none")) is not None
    # A model without experts leaves a draft with some what the groups need.
    alone = replace(at(4), engine="vllm", exchange="")
    placed = beside(replace(DENSE, blocks=EIGHT_HEADS), draft, alone)
    assert placed == replace(alone, exchange="none")


def scenario(**changes: Any) -> OracleScenario:
    given: dict[str, Any] = {
        "fidelity": "deployable",
        "model": MIXTURE,
        "accelerators": (replace(CARD, hbm_bytes=1e9),),
        "weights": ("bf16",),
        "batches": np.array([4, 6, 8]),
        "stage_ranks": (4,),
        "attention_data_parallel": (1, 2, 4),
        "memory_reserve_gb": 0.0,
        "engine": "any",
    }
    return OracleScenario(**given | changes)


def test_every_server_and_exchange_is_listed() -> None:
    table = enumerate_deployments(scenario(expert_parallel=(4,)))
    names = ("attention_data_parallel", "engine", "exchange")
    found = set(zip(*(table[name].tolist() for name in names), strict=True))
    assert found == {
        *((1, engine, "none") for engine in servers.SERVERS),
        *((2, "vllm", exchange) for exchange in ("all_gather", "all_to_all")),
        *((4, engine, exchange) for engine in ("trtllm", "vllm") for exchange in ("all_gather", "all_to_all")),
    }
    assert set(table["batch"][table["attention_data_parallel"] == 4]) == {4, 8}
    alone = enumerate_deployments(scenario(expert_parallel=(4,), engine="none"))
    assert set(zip(alone["engine"].tolist(), alone["exchange"].tolist(), strict=True)) == {("", "all_to_all")}


def test_who_starts_and_who_names_a_point() -> None:
    case = scenario(expert_parallel=(4,))
    table = enumerate_deployments(case)
    rows = [{name: values[index].item() for name, values in table.items()} for index in range(table["batch"].size)]
    together = next(row for row in rows if row["attention_data_parallel"] == 1 and row["exchange"] == "none")
    assert attaining(table, together) == {(engine, "none") for engine in servers.SERVERS}
    every = starting(case, together)
    assert [each.engine for each in every] == ["vllm", "sglang", "trtllm"]
    assert named(every, "sglang") == "vllm"
    # With reserves of their own, TensorRT-LLM and vLLM need more than SGLang or less; the roomier names it.
    roomy = replace(case, memory_reserve_gb="auto", accelerators=(replace(CARD, hbm_bytes=8e10),))
    assert named(starting(roomy, together), "sglang") == "vllm"
    apart = next(row for row in rows if row["attention_data_parallel"] == 2)
    assert [each.engine for each in starting(case, apart)] == ["vllm"]


def test_a_card_that_no_server_runs_on() -> None:
    tpu = catalog.accelerator("TPU-v5e")
    first = "accelerators[0]"
    for engine, card, field in (("any", tpu, first), ("trtllm", AMD, first), ("none", tpu, None)):
        case = scenario(engine=engine, accelerators=(card,))
        assert case.refused_field() == field
        assert enumerate_deployments(case)["batch"].size == 0 or field is None
