"""The oracle's kinds of layers, precisions and reserves against sums, integrals, one another, and figures by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import OracleScenario, Setup, deployable, enumerate_deployments, evaluate, serving
from oracle.breakdown import breakdown, memory_faults
from oracle.deployable import Load
from oracle.enumeration import redundant_experts, setups
from oracle.kinds import Kind, kind_of
from oracle.precision import Precision, UnpublishedError, label, listed, pairs, recipe, stored_share
from oracle.references import A100, H100
from oracle.reserve import GIB, MIB, Reserve
from oracle.serving import Request, Service
from random_models import own_model
from small_chip import CHIP, DENSE

from ieco_opt import catalog
from ieco_opt.catalog.attention import (
    Attention,
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    Indexer,
    LatentAttention,
    NoAttention,
    RecurrentAttention,
)
from ieco_opt.catalog.types import FeedForward, Model

GROUPED = GroupedQueryAttention(query_heads=4, kv_heads=2, head_width=2)
STATE = RecurrentAttention(heads=4, input_width=24, output_width=8, state_words=32, state_bytes=100)
EXPERTS = replace(DENSE, feed_forward=(FeedForward(layers=5, width=16, experts=6, active=2),))
ONE = Setup(1, "1d", 1, 1, 1)


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - test data


def of_layers(*layers: tuple[int, Attention], **changes: Any) -> Model:
    """Give the small model those layers."""
    return replace(DENSE, blocks=tuple(AttentionBlock(*each) for each in layers), **changes)


def alike(attention: Attention) -> Model:
    return of_layers((5, attention))


def own_models(count: int) -> Iterator[tuple[random.Random, Model]]:
    for seed in range(count):
        rng = chance(seed)
        model = catalog.model_from_mapping(own_model(rng))
        assert isinstance(model, Model)
        yield rng, replace(model, recipes={}, published=())


def odd_setup(rng: random.Random, model: Model) -> Setup:
    """Draw a setup without a care for the rules of the design space."""
    sigma, tensor = rng.choice((1, 2, 3)), rng.choice((1, 2, 4))
    return Setup(sigma * tensor, rng.choice(("1d", "2d")), rng.choice((1, 2, min(3, model.layers))), 1, sigma)


# --- positions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [1, 7, 40, 99, 100, 1000, math.inf])
@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 100), (30, 50), (6, 8), (99, 101)])
def test_means_are_those_of_the_sums_over_positions(first: int, last: int, cap: float) -> None:
    # Between two positions the context grows evenly; where cap is a position, trapezia are exact.
    steps = [(min(p, cap) + min(p + 1, cap)) / 2 for p in range(first, last)]
    kind = Kind(cap=cap)
    assert kind.attended(first, last) == pytest.approx(sum(steps), rel=1e-12)
    assert kind.mean_attended(first, last) == pytest.approx(sum(steps) / len(steps), rel=1e-12)


def test_areas_are_integrals() -> None:
    rng = chance(1)
    for _ in range(50):
        first, cap = rng.uniform(0, 100), rng.uniform(0, 150)
        last = first + rng.uniform(0.1, 100)
        edges = np.linspace(first, last, 200_001)
        middles = (edges[:-1] + edges[1:]) / 2
        integral = float(np.minimum(middles, cap).mean()) * (last - first)
        assert Kind(cap=cap).attended(first, last) == pytest.approx(integral, rel=1e-7)


def test_a_context_that_does_not_grow_and_a_whole_prompt() -> None:
    assert Kind(cap=10).mean_attended(25, 25) == 10
    assert Kind(cap=10).mean_attended(4, 4) == 4
    assert Kind(cap=10).attended(0, 30) == 30 * 10 - 10 * 10 / 2
    # Tokens from 6 to 30 attend to what a whole prompt does less what its first six tokens do.
    assert Kind(cap=10).attended(6, 30) == Kind(cap=10).attended(0, 30) - 6 * 6 / 2


# --- kinds that are others --------------------------------------------------------------------------------------------


def figures(model: Model, setup: Setup, load: Load, precision: str | Precision = "bf16") -> list[float]:
    """Times of a pass, memory and what is sent, of the small chip."""
    batch = np.array(6.0)
    parts = deployable.evaluate(model, CHIP, setup, precision, batch, load)
    held = deployable.resident_bytes(model, setup, precision, batch, load.last, CHIP)
    times = (parts.kernel_s, parts.network_s, parts.memory_s, parts.arithmetic_s)
    return [*map(float, times), float(held), deployable.prompt_bytes(model, precision, load.last)]


LOAD = Load(3.0, 50, 80, 1.0, 0.5, 40.0, 10.0)


def test_a_window_beyond_the_context_is_none() -> None:
    for window, same in ((80, True), (79, False)):
        windowed = alike(replace(GROUPED, window=window))
        assert (figures(windowed, ONE, LOAD) == figures(DENSE, ONE, LOAD)) == same


def test_an_indexer_that_picks_everything_adds_its_keys_and_heads_alone() -> None:
    indexer = Indexer(top_k=80, heads=3, head_width=16)
    full, sparse = kind_of(GROUPED, 8), kind_of(replace(GROUPED, indexer=indexer), 8)
    assert sparse.matrices == (*full.matrices, (3 * 16, 8), (16 + 3, 8))
    assert replace(sparse, matrices=full.matrices, cap=math.inf, key_bytes=0, index_flop=0) == full
    assert (sparse.cap, sparse.key_bytes, sparse.index_flop) == (80, 16 * 132 / 128, 2 * 3 * 16)
    setup, model = Setup(2, "1d", 1, 1, 1), alike(replace(GROUPED, indexer=indexer))
    keys, matrices = 16 * 132 / 128, 5 * (48 + 19) * 8
    more = deployable.resident_bytes(model, setup, "bf16", np.array(6.0), 80)
    less = deployable.resident_bytes(DENSE, setup, "bf16", np.array(6.0), 80)
    # Every rank has all keys and half of the weights.
    assert float(more - less) == pytest.approx(2 * matrices / 2 + 5 * keys * 80 * 6)
    assert deployable.prompt_bytes(model, "fp8", 40) - deployable.prompt_bytes(DENSE, "fp8", 40) == 5 * keys * 40
    read = deployable.read_bytes(sparse, setup, 2, LOAD) - deployable.read_bytes(full, setup, 2, LOAD)
    assert read == pytest.approx(keys * 2 * (65 + 0.5 * 10))
    flop = float(deployable.cache_flop(model, LOAD)) - float(deployable.cache_flop(DENSE, LOAD))
    assert flop == pytest.approx(5 * 96 * (65 + 0.5 * (40 * 40 - 10 * 10) / 2))


def test_an_indexer_that_picks_less_attends_and_reads_less_but_keeps_all() -> None:
    some, every = (kind_of(replace(GROUPED, indexer=Indexer(k, 1, 8)), 8) for k in (20, 1000))
    assert some.sequence_bytes(80, 2) == every.sequence_bytes(80, 2)
    assert deployable.read_bytes(every, ONE, 2, LOAD) - deployable.read_bytes(some, ONE, 2, LOAD) == 16 / 2 * 2 * 45
    # Where a window is shorter, it decides what is attended to; without one, the picked entries do.
    both = kind_of(replace(GROUPED, window=15, indexer=Indexer(20, 1, 8)), 8)
    assert (both.cap, both.window) == (15, 15)


def test_shared_entries() -> None:
    given = GeneralAttention(
        query_heads=4, kv_heads=2, matrices=((16, 8), (8, 8)), cache_words=16, flop_per_entry=32, compression=4
    )
    kind = kind_of(replace(given, indexer=Indexer(top_k=5, heads=2, head_width=8)), 8)
    assert (kind.words, kind.flop, kind.cap) == (4, 8, 20)
    assert (kind.key_bytes, kind.index_flop) == (8 * 132 / 128 / 4, 8)
    # Told by its matrices, grouped-query attention is what it was.
    plain = GeneralAttention(query_heads=4, kv_heads=2, matrices=((16, 8), (8, 8)), cache_words=8, flop_per_entry=32)
    assert kind_of(plain, 8) == kind_of(GROUPED, 8)
    assert figures(alike(plain), Setup(4, "2d", 2, 1, 2), LOAD) == figures(DENSE, Setup(4, "2d", 2, 1, 2), LOAD)


def test_values_and_other_weights() -> None:
    kind = kind_of(replace(GROUPED, value_head_width=5, extra_params=21), 8)
    assert kind.matrices == ((4 * 2 + 2 * 7, 8), (8, 20), (3, 8))
    assert (kind.words, kind.flop, kind.wide_words) == (14, 2 * 4 * 7, 22)
    assert kind_of(replace(GROUPED, extra_params=1), 8).matrices[-1] == (1, 8)
    latent = LatentAttention(4, 5, 6, 3, 2, 4, indexer=Indexer(9, 2, 8), extra_params=16)
    assert kind_of(latent, 8).matrices[-3:] == ((2, 8), (16, 6), (10, 8))
    assert kind_of(replace(latent, query_width=None), 8).matrices[-2:] == ((16, 8), (10, 8))


def test_a_state_does_not_grow() -> None:
    model = alike(STATE)
    near, far = Load(1.0, 0, 0, 1.0), Load(1.0, 10**6, 10**6, 1.0)
    assert figures(model, ONE, near)[:4] == figures(model, ONE, far)[:4]
    held = [float(deployable.held_cache(model, Setup(2, "1d", 1, 1, 1), "bf16", np.array(3.0), n)) for n in (0, 10**6)]
    assert held == [3 * 5 * 100 / 2] * 2
    # Read and written once whatever a pass brings; each token updates every word three times.
    kind = kind_of(STATE, 8)
    assert deployable.read_bytes(kind, Setup(4, "1d", 1, 1, 1), 2, replace(LOAD, carried=9.0)) == 200
    assert float(deployable.cache_flop(model, replace(LOAD, carried=9.0))) == 5 * 9 * 6 * 32
    assert deployable.prompt_bytes(model, "fp8", 10**6) == 500
    assert kind.matrices == ((24, 8), (8, 8))


def test_layers_without_attention_and_without_blocks() -> None:
    setup, load = Setup(2, "1d", 1, 1, 1), Load(1.0, 50, 50, 1.0)
    bare = of_layers((2, GROUPED), (3, NoAttention()), feed_forward=(FeedForward(1, 16), FeedForward(4, 0)))
    parts, full = (deployable.evaluate(model, CHIP, setup, "bf16", np.array(4.0), load) for model in (bare, DENSE))
    assert float(parts.kernel_s) == float(full.kernel_s)
    assert float(parts.attention_allreduce_s) == pytest.approx(2 / 5 * float(full.attention_allreduce_s))
    assert float(parts.feed_forward_allreduce_s) == pytest.approx(1 / 5 * float(full.feed_forward_allreduce_s))
    held = 2 * (2 * 192 + 384 + 160) / 2 + 2 * 80
    assert deployable.held_weights(bare, setup, "bf16") == pytest.approx(held)


def test_equal_kinds_are_one_kind() -> None:
    for rng, model in own_models(40):
        attention = model.blocks[0].attention
        whole = replace(model, blocks=(AttentionBlock(model.layers, attention),))
        first = rng.randint(1, model.layers - 1)
        parted = replace(
            model, blocks=(AttentionBlock(first, attention), AttentionBlock(model.layers - first, attention))
        )
        setup = odd_setup(rng, model)
        one, two = figures(whole, setup, LOAD), figures(parted, setup, LOAD)
        assert one[:4] == pytest.approx(two[:4], rel=1e-12)
        # In a stage, each kind is rounded up by itself.
        assert one[4] <= two[4] * (1 + 1e-12)
        if setup.pipeline == 1:
            assert one[4] == pytest.approx(two[4], rel=1e-12)


def test_kinds_take_turns_in_stages() -> None:
    model = of_layers((3, GROUPED), (2, STATE))
    taken = {
        pipeline: [layers for layers, _ in deployable.stage_kinds(model, Setup(1, "1d", pipeline, 1, 1))]
        for pipeline in (1, 2, 3, 5)
    }
    assert taken == {1: [3, 2], 2: [2, 2], 3: [2, 1], 5: [1, 1]}


def test_every_head_and_state_is_whole_on_a_rank() -> None:
    model = of_layers((2, GROUPED), (2, replace(STATE, heads=6)), (1, NoAttention()))
    space = OracleScenario(
        fidelity="deployable", model=model, accelerators=(CHIP,), batches=np.array([4]), stage_ranks=(1, 2, 3, 4, 6)
    )
    assert {setup.stage_ranks for setup, _ in setups(space, model)} == {1, 2}


def test_memory_is_affine_in_the_batch() -> None:
    for rng, model in own_models(40):
        setup = replace(odd_setup(rng, model), sigma=1)
        held = [
            float(deployable.resident_bytes(model, setup, Precision("fp8", "fp8"), np.array(b), 3000))
            for b in (2.0, 5.0, 8.0)
        ]
        assert held[2] - held[1] == pytest.approx(held[1] - held[0], rel=1e-9)


# --- precisions -------------------------------------------------------------------------------------------------------


def test_one_format_is_one_precision() -> None:
    for rng, model in own_models(40):
        setup = odd_setup(rng, model)
        assert figures(model, setup, LOAD, "rest=bf16") == figures(model, setup, LOAD, "bf16")
        every = ",".join(f"{part}=bf16" for part in recipe(model, "bf16", None))
        assert figures(model, setup, LOAD, every) == figures(model, setup, LOAD, "bf16")
        # As the model has so many weights, all of one width, with norms and routers beside them.
        norms = deployable.norm_params(model, model.layers, deployable.routed_layers(model))
        weights = 8.03 / 8 * (catalog.total_params(model) + norms)
        assert deployable.held_weights(model, ONE, "rest=int8") == pytest.approx(weights, rel=1e-12)
        seconds = deployable.matrix_s(model, H100, "rest=fp8") + deployable.ends_s(model, H100, "rest=fp8")
        embedding = model.vocabulary * model.width if model.tied_embeddings else 0
        assert seconds == pytest.approx(2 * (catalog.active_params(model) + embedding) / 2e15, rel=1e-12)


def test_a_part_changes_what_it_is_and_nothing_else() -> None:
    base = deployable.held_weights(EXPERTS, ONE, "rest=bf16")
    counts = {
        "experts": 5 * 6 * 384,
        "attention": 5 * 192,
        "embedding": 80,
        "head": 80,
        "norms": 5 * (16 + 6 * 8),
        "shared_experts": 0,
        "feed_forward": 0,
    }
    for part, params in counts.items():
        saved = base - deployable.held_weights(EXPERTS, ONE, f"{part}=nvfp4,rest=bf16")
        assert saved == pytest.approx(params * (16 - 4.5) / 8)
    # Tied, or on several stages, the wider of both ends counts once.
    tied = replace(EXPERTS, tied_embeddings=True)
    assert deployable.held_weights(tied, ONE, "head=fp8,rest=bf16") == deployable.held_weights(tied, ONE, "rest=bf16")


def test_names_stand_for_recipes() -> None:
    quantised = ("experts", "shared_experts", "feed_forward", "attention")

    def of(model: Model, name: str, accelerator: Any = H100) -> set[str]:
        """Parts that are not in 16 bits."""
        return {part for part, form in recipe(model, name, accelerator).items() if form != "bf16"}

    for name in ("fp8", "int4", "awq", "nvfp4", "mxfp8", "int8"):
        assert of(EXPERTS, name) == of(DENSE, name) == set(quantised)
    assert of(EXPERTS, "mxfp4") == {"experts"}
    assert of(DENSE, "mxfp4") == set(quantised)
    assert set(recipe(DENSE, "fp16", H100).values()) == {"fp16"}
    amd = replace(H100, vendor="amd")
    assert recipe(DENSE, "fp4", H100)["attention"] == "nvfp4"
    assert recipe(DENSE, "fp4", amd)["attention"] == "mxfp4"
    assert recipe(replace(DENSE, published=("bf16", "mxfp4")), "fp4", H100)["attention"] == "mxfp4"
    own = replace(DENSE, recipes={"nvfp4": {"feed_forward": "nvfp4", "rest": "fp8"}})
    assert recipe(own, "fp4", H100)["attention"] == recipe(own, "nvfp4", H100)["norms"] == "fp8"
    with pytest.raises(UnpublishedError):
        recipe(replace(DENSE, published=("bf16",)), "fp8", H100)
    assert recipe(replace(DENSE, published=("bf16",)), "rest=fp8", H100)["head"] == "fp8"


def test_experts_of_mxfp4_are_stored_in_multiples() -> None:
    assert stored_share("mxfp4", 2880) == 3072 / 2880
    assert stored_share("mxfp4", 512) == stored_share("nvfp4", 2880) == 1
    width_16 = deployable.held_weights(EXPERTS, ONE, "experts=mxfp4,rest=bf16")
    width_256 = deployable.held_weights(
        replace(EXPERTS, feed_forward=(replace(EXPERTS.feed_forward[0], width=256),)), ONE, "experts=mxfp4,rest=bf16"
    )
    assert width_16 == width_256


def test_every_pair_that_the_accelerator_has() -> None:
    assert listed(None, "bf16") == ("bf16",)
    assert listed("fp8", "bf16") == ("fp8",)
    entries = listed([{"rest": "bf16", "experts": "mxfp4"}, "fp8"], "")
    assert entries == ("experts=mxfp4,rest=bf16", "fp8")
    assert label("int4") == "int4"
    assert len(list(pairs(entries, ("bf16", "fp8"), H100))) == 4
    only_16_bits = replace(A100, flops_8bit=None)
    assert list(pairs(entries, ("bf16", "fp8"), only_16_bits)) == [Precision(each) for each in entries]


def test_the_cache_of_8_bits_halves_words_and_nothing_else() -> None:
    indexed = alike(replace(GROUPED, indexer=Indexer(1000, 1, 8)))
    for model, keys, states in ((DENSE, 0, 0), (indexed, 5 * 8 * 132 / 128 * 40, 0), (alike(STATE), 0, 500)):
        wide, narrow = (deployable.prompt_bytes(model, Precision("bf16", cache), 40) for cache in ("bf16", "fp8"))
        assert narrow - keys - states == pytest.approx((wide - keys - states) / 2)
    wide, narrow = (figures(DENSE, ONE, LOAD, Precision("bf16", cache)) for cache in ("bf16", "fp8"))
    assert (wide[0], wide[1], wide[3]) == (narrow[0], narrow[1], narrow[3])
    assert wide[2] - narrow[2] == pytest.approx(6 * 5 * 8 * (65 + 0.5 * 10) / (0.8 * 1e5))


# --- experts ----------------------------------------------------------------------------------------------------------


def test_redundant_experts_of_a_degree() -> None:
    assert redundant_experts("auto", 256, 144) == [32]
    assert redundant_experts("auto", 256, 64) == [0]
    assert redundant_experts((32, 0, 8, 176), 256, 144) == [32, 176]


def space(**changes: Any) -> OracleScenario:
    given: dict[str, Any] = {
        "fidelity": "deployable",
        "model": EXPERTS,
        "accelerators": (replace(CHIP, hbm_bytes=1e6),),
        "weights": ("bf16",),
        "batches": np.arange(1, 9),
        "stage_ranks": (1, 2, 4, 8),
        "engine": "none",
    }
    return OracleScenario(**given | changes)


def test_no_redundant_experts_are_none() -> None:
    none, few = space(redundant_experts=(0,)), space()
    # Six experts over four ranks take two more; eight ranks are more than there are heads.
    assert {(s.stage_ranks, s.expert, s.redundant) for s, _ in setups(few, EXPERTS)} - {
        (s.stage_ranks, s.expert, s.redundant) for s, _ in setups(none, EXPERTS)
    } == {(4, 4, 2)}
    assert all(6 % setup.expert == 0 for setup, _ in setups(none, EXPERTS))
    every = space(redundant_experts=(0, 2))
    assert {s.redundant for s, _ in setups(every, EXPERTS)} == {0, 2}
    assert {s.redundant for s, _ in setups(every, DENSE)} == {0}
    table, without = enumerate_deployments(every), enumerate_deployments(none)
    kept = table["redundant_experts"] == 0
    assert table["latency_s"][kept].tolist() == without["latency_s"].tolist()


def test_redundant_experts_are_held_and_touched() -> None:
    plain, more = (Setup(4, "1d", 1, 4, 1, redundant) for redundant in (0, 2))
    assert deployable.held_weights(EXPERTS, more, "bf16") - deployable.held_weights(EXPERTS, plain, "bf16") == (
        pytest.approx(2 * 5 * 2 * 384 / 4)
    )
    # As if the model had eight experts, but for the router and the arithmetic, which do not know the copies.
    eight = replace(EXPERTS, feed_forward=(replace(EXPERTS.feed_forward[0], experts=8),))
    load = Load(1.0, 8, 8, 1.0)
    copies, of_eight = (
        deployable.evaluate(model, CHIP, setup, "bf16", np.array(3.0), load)
        for model, setup in ((EXPERTS, more), (eight, plain))
    )
    routers = 4 * 2 * 5 * 2 * 8 / (4 * 0.8 * 1e5)
    assert float(of_eight.memory_s - copies.memory_s) == pytest.approx(routers)
    assert copies.arithmetic_s == of_eight.arithmetic_s
    assert copies.network_s == of_eight.network_s


# --- what fits --------------------------------------------------------------------------------------------------------


def test_copies_of_attention_groups_by_hand() -> None:
    deepseek, llama = catalog.model("DeepSeek-V3"), catalog.model("Llama-3.1-8B")
    assert isinstance(deepseek, Model)
    assert isinstance(llama, Model)
    card = catalog.accelerator("H200-SXM")
    setup = Setup(stage_ranks=8, layout="1d", pipeline=1, expert=8, sigma=8)

    def more(engine: str, model: Model = deepseek, at: Setup = setup) -> float:
        plain = deployable.held_weights(model, at, "fp8", card)
        run = replace(at, engine=engine, exchange="all_gather")
        return deployable.held_weights(model, run, "fp8", card) - plain

    # 58 shared experts and 3 dense layers of three matrices in 8.03 bits, and two embeddings in 16 bits.
    layers = 7168 * 3 * (58 * 2048 + 3 * 18_432) * 8.03 / 8
    end = 129_280 * 7168 * 2
    assert layers + 2 * end == pytest.approx(7.4642e9, rel=1e-5)
    for engine in ("vllm", "trtllm"):
        assert more(engine) == pytest.approx((layers + 2 * end) * 7 / 8, rel=1e-9)
    assert more("sglang") == pytest.approx(end * 7 / 8, rel=1e-9)
    # Of two groups of four ranks, each rank holds a quarter and not an eighth.
    assert more("vllm", at=replace(setup, sigma=2)) == pytest.approx((layers + 2 * end) / 8, rel=1e-9)
    assert more("vllm", at=replace(setup, sigma=1)) == 0
    # The heavier stage of two has 31 layers that route, each with its shared expert, and one of the embeddings.
    two = replace(setup, pipeline=2)
    assert more("vllm", at=two) == pytest.approx((7168 * 3 * 31 * 2048 * 8.03 / 8 + end) * 7 / 8, rel=1e-9)
    # Of tied embeddings there is one matrix, of which SGLang has a copy in each group.
    tied = replace(deepseek, tied_embeddings=True)
    assert more("vllm", tied) == pytest.approx((layers + end) * 7 / 8, rel=1e-9)
    assert more("sglang", tied) == pytest.approx(end * 7 / 8, rel=1e-9)
    # SGLang has each shared expert whole on every rank where tokens are sent to their experts.
    shared = 7168 * 3 * 58 * 2048 * 8.03 / 8
    sent = replace(setup, engine="sglang", exchange="all_to_all")
    gathered = replace(sent, exchange="all_gather")
    held = [deployable.held_weights(deepseek, each, "fp8", card) for each in (sent, gathered)]
    assert held[0] - held[1] == pytest.approx(shared * 7 / 8, rel=1e-9)
    alone = replace(setup, sigma=1)
    assert [more(engine, llama, alone) for engine in ("vllm", "trtllm", "sglang")] == [0, 0, 0]


def test_a_dense_layer_may_be_heavier_than_one_that_routes_where_each_group_has_a_copy() -> None:
    # Six experts of width 16 over four ranks are 1,152 bytes a layer; a dense layer of width 40 is 1,920, or 480.
    dense = FeedForward(layers=2, width=40)
    mixed = replace(EXPERTS, feed_forward=(replace(EXPERTS.feed_forward[0], layers=3), dense))
    setup = Setup(4, "1d", 3, 2, 4)
    held = {
        engine: deployable.held_weights(mixed, replace(setup, engine=engine, exchange="all_gather"), "bf16", CHIP)
        for engine in ("none", "vllm", "sglang")
    }
    assert held["vllm"] - held["none"] == pytest.approx(2 * (1920 - 1152) + 160 * 3 / 4)
    assert held["sglang"] - held["none"] == pytest.approx(160 * 3 / 4)


@pytest.mark.parametrize(("engine", "copies"), [("none", 0), ("trtllm", 3 * (320 + 5 * 768) / 4), ("vllm", 0)])
def test_each_model_has_the_copies_of_its_engine(engine: str, copies: float) -> None:
    # One more byte than both hold at a batch of 4, or one less. The draft has dense layers, of which each group has a
    # copy, as of both ends; the vLLM of this case has one group.
    sigma = 1 if engine == "vllm" else 4
    setup, batch = Setup(4, "1d", 1, 4, sigma), np.array(4.0)
    small = replace(setup, expert=1)
    both = float(deployable.resident_bytes(EXPERTS, replace(setup, redundant=2), "bf16", batch, 30, CHIP))
    both += float(deployable.resident_bytes(DENSE, small, "bf16", batch, 30, CHIP))
    both += copies + (0 if engine != "trtllm" else 320 * 3 / 4)
    card = replace(CHIP, vendor="nvidia")
    degrees: dict[str, Any] = {"stage_ranks": (4,), "attention_data_parallel": (sigma,), "expert_parallel": (4,)}
    degrees |= {"engine": engine, "memory_reserve_gb": 0.0, "batches": np.array([4])}
    drafted = space(**degrees, context_tokens=20, output_tokens=10)
    assert {(s.expert, s.redundant) for s, _ in setups(drafted, EXPERTS)} == {(4, 2)}
    # Two more experts let four ranks divide them; the draft has none.
    drafted = replace(drafted, draft_model=DENSE, max_draft_tokens=2)
    for spare in (1, -1):
        tight = replace(card, hbm_bytes=(both + spare) / 0.9)
        table = enumerate_deployments(replace(drafted, accelerators=(tight,)))
        assert (2 in table["draft_tokens"]) == (spare > 0), spare
        service = Service(
            model=EXPERTS,
            accelerator=tight,
            weights=("bf16",),
            request=Request(20, 10),
            stage_ranks=(4,),
            pipeline_parallel=(1,),
            attention_data_parallel=(sigma,),
            expert_parallel=(4,),
            batches=np.array([4]),
            engine=engine,
            memory_reserve_gb=0.0,
            speculation=serving.Speculation(DENSE, 0.5, 2),
        )
        found = serving.instances(service, "colocated")
        assert any(one.decoding.draft_tokens for one in found) == (spare > 0)
        if spare > 0:
            row = {"weights": "bf16", "kv_cache": "bf16", "batch": 4, "draft_tokens": 2, "redundant_experts": 2}
            row |= {"tensor_parallel": 4 // sigma, "tensor_layout": "1d", "pipeline_parallel": 1, "expert_parallel": 4}
            row |= {"attention_data_parallel": sigma, "engine": engine, "exchange": found[0].setup.exchange}
            memory = breakdown(row, service.reserve, tight, EXPERTS, DENSE, 30)
            assert memory["memory_per_gpu_gb"] * 1e9 == pytest.approx(both)


def test_reserves_by_hand() -> None:
    llama, setup, two = catalog.model("Llama-3.1-8B"), ONE, Setup(2, "1d", 1, 1, 1)
    assert isinstance(llama, Model)
    card = replace(H100, hbm_bytes=85e9)
    vllm, sglang = Reserve(), Reserve(memory_reserve_gb=3.5)
    setup, two = replace(setup, engine="vllm"), replace(two, engine="vllm")
    alone = 0.9 * GIB + 33 * 128_256 * 1024
    assert vllm.reserve_bytes(llama, card, setup) == pytest.approx(alone)
    assert vllm.reserve_bytes(llama, card, two) == pytest.approx(alone + 1.3 * GIB)
    few = 0.9 * GIB + 33 * 128_256 * 256
    assert vllm.reserve_bytes(llama, replace(card, name="A100-SXM-80GB"), setup) == pytest.approx(few)
    assert vllm.reserve_bytes(llama, replace(card, hbm_bytes=69 * GIB), setup) == pytest.approx(few)
    assert vllm.reserve_bytes(llama, replace(card, name="A100", hbm_bytes=160 * GIB), setup) == pytest.approx(alone)
    assert vllm.reserve_bytes(EXPERTS, card, setup) == pytest.approx(1.9 * GIB + 33 * 10 * 1024)
    of_trtllm = vllm.reserve_bytes(llama, card, replace(two, engine="trtllm"))
    assert of_trtllm == vllm.reserve_bytes(llama, card, two)
    assert vllm.reserve_bytes(llama, card, replace(two, engine="none")) == 0
    assert sglang.reserve_bytes(llama, card, replace(two, engine="sglang")) == 3.5e9


@pytest.mark.parametrize(
    ("gib", "setup", "needed_mib"),
    [
        (19, ONE, 512 + 1.5 * 2048 + 128 + 2 * 8),
        (24, Setup(4, "1d", 2, 1, 1), 512 + 1.5 * 4096 + 128 * 8 + 2 * 160),
        (48, Setup(2, "1d", 1, 1, 2), 512 + 1.5 * 4096 + 128 * 2 + 2 * 32 + 3 * 32),
        (79, Setup(2, "1d", 1, 1, 1), 512 + 1.5 * 8192 + 128 * 2 + 2 * 256),
        (79, Setup(8, "1d", 1, 1, 8), 512 + 1.5 * 8192 + 128 * 8 + 2 * 512 + 4.5 * 512),
        (180, ONE, 512 + 1.5 * 16_384 + 128 + 2 * 512),
    ],
)
def test_reserves_of_sglang_by_hand(gib: float, setup: Setup, needed_mib: float) -> None:
    card = replace(H100, hbm_bytes=gib * GIB)
    run = replace(setup, engine="sglang")
    found = [Reserve(share).reserve_bytes(DENSE, card, run) for share in (1.0, 0.95, 0.5)]
    assert found == [needed_mib * MIB, pytest.approx(needed_mib * MIB - 0.05 * gib * GIB), 0]


def test_the_reserve_is_kept_free_once() -> None:
    model_bytes = float(deployable.resident_bytes(DENSE, ONE, "bf16", np.array(4.0), 30))
    exact: dict[str, Any] = {"model": DENSE, "context_tokens": 20, "output_tokens": 10, "stage_ranks": (1,)}
    exact |= {"engine": "none", "memory_reserve_gb": 5e-6}
    for spare, most in ((1e-6, 4), (-1e-6, 3)):
        card = replace(CHIP, hbm_bytes=(model_bytes + 5000 + spare) / 0.9)
        assert enumerate_deployments(space(**exact, accelerators=(card,)))["batch"].max() == most
    drafted = exact | {"draft_model": DENSE, "max_draft_tokens": 2}
    card = replace(CHIP, hbm_bytes=(2 * model_bytes + 5000 + 1e-6) / 0.9)
    table = enumerate_deployments(space(**drafted, accelerators=(card,)))
    assert table["batch"][table["draft_tokens"] == 2].max() == 4


def test_the_breakdown_by_hand() -> None:
    degrees = {"tensor_parallel": 1, "tensor_layout": "1d", "pipeline_parallel": 1, "expert_parallel": 1}
    degrees |= {"attention_data_parallel": 2, "redundant_experts": 0}
    row = {"weights": "bf16", "kv_cache": "bf16", "batch": 6, "draft_tokens": 0, "engine": "", "exchange": ""} | degrees
    reserve, card = Reserve(0.5, memory_reserve_gb=5e-6), replace(CHIP, hbm_bytes=60_000)
    # Two groups, each with all attention weights and half of the rest, and three of six sequences in one.
    weights = 2 * (5 * 192 + (5 * 384 + 160) / 2 + 80)
    expected = {
        "weights_gb": weights,
        "cache_gb": 3 * 30 * 80,
        "draft_gb": 0.0,
        "reserve_gb": 5000.0,
        "free_gb": 30_000 - weights - 3 * 30 * 80 - 5000,
        "memory_per_gpu_gb": weights + 3 * 30 * 80 + 5000,
        "memory_limit_gb": 30_000.0,
    }
    found = breakdown(row, reserve, card, DENSE, None, 30)
    assert {name: found[name] * 1e9 for name in expected} == pytest.approx(expected)
    assert found["cache_tokens"] == (30_000 - weights - 5000) * 2 // 80
    assert memory_faults(found, found) == []
    drafted = row | {"draft_tokens": 2}
    both = breakdown(drafted, reserve, card, DENSE, DENSE, 30)
    assert both["draft_gb"] * 1e9 == pytest.approx(weights + 3 * 30 * 80)
    assert both["cache_tokens"] == (30_000 - 2 * weights - 5000) * 2 // 160
    assert [fault.split()[0] for fault in memory_faults(both, found)] == [
        *("draft_gb", "free_gb", "memory_per_gpu_gb", "cache_tokens")
    ]
    bare = breakdown(row, reserve, card, alike(STATE), None, 30)
    assert math.isnan(bare["cache_tokens"])
    assert memory_faults(bare | {"cache_tokens": None}, bare) == []


def test_windows_and_states_are_no_part_of_logged_tokens() -> None:
    windowed = of_layers((2, replace(GROUPED, window=10)), (2, GROUPED), (1, STATE))
    assert deployable.logged_bytes_per_token(windowed, ONE, "bf16") == 4 * 16
    assert deployable.held_per_sequence(windowed, ONE, "bf16", 100) == 16 * (2 * 10 + 2 * 100) + 100


def test_a_sequence_longer_than_the_model_was_made_for() -> None:
    model = replace(DENSE, max_context_tokens=30)
    fields: dict[str, Any] = {"model": model, "context_tokens": 20}
    assert enumerate_deployments(space(**fields, output_tokens=10))["batch"].size
    assert not enumerate_deployments(space(**fields, output_tokens=11))["batch"].size


# --- prefixes ---------------------------------------------------------------------------------------------------------


def wanted(hit: float, prompt: float = 10, **changes: Any) -> Service:
    """Say what instances have to do of whose prompts that share is found."""
    given: dict[str, Any] = {
        "model": DENSE,
        "accelerator": CHIP,
        "weights": ("bf16",),
        "request": Request(prompt, 20),
        "engine": "none",
        "prefix_hit": hit,
    }
    return Service(**given | changes)


def test_a_prompt_of_which_nothing_is_found_takes_the_plain_pass() -> None:
    for phase, load in {
        "prefill": Load(10.0, 0, 0, 0.0, 1.0, 10.0),
        "colocated": Load(1.5, 10, 30, 1.0, 1 / 20, 10.0),
        "decode": Load(1.0, 10, 30, 1.0),
    }.items():
        parts = deployable.evaluate(DENSE, CHIP, ONE, "bf16", np.array(1.0), load)
        assert serving.price(wanted(0.0), phase, "bf16", ONE, 1).latency_s == float(parts.latency_s)
    # Half a prompt token with each generated one, which attends to five of its own prompt on average.
    flop = float(deployable.cache_flop(DENSE, Load(1.5, 10, 30, 1.0, 1 / 20, 10.0)))
    assert flop == pytest.approx(5 * 32 * (20 + 10 / 20 * 10 / 2))


def test_a_prefix_by_hand() -> None:
    counting = replace(CHIP, hbm_bytes_per_s=1e12)
    one = serving.price(wanted(0.4, accelerator=counting), "prefill", "bf16", ONE, 1)
    # Six tokens go through; they attend to 4 to 10 positions; half a rate of 1e6.
    flop = 6 * (5 * 2 * 576 + 4 * 80) + 5 * 32 * (10 * 10 - 4 * 4) / 2
    assert one.latency_s == pytest.approx(20e-6 + flop / 0.5e6, rel=1e-12)
    assert one.pass_s == pytest.approx(0.04 + one.latency_s, rel=1e-12)
    # What is sent and what is resident are the whole prompt.
    assert one.transfer_s == serving.price(wanted(0.0), "prefill", "bf16", ONE, 1).transfer_s
    weights = deployable.held_weights(DENSE, ONE, "bf16")
    at = np.array([1.0])
    for hit in (0.0, 0.9):
        most = (weights + 80 * 10) / CHIP.hbm_bytes
        for share, fits in ((most * 1.000001, True), (most * 0.999999, False)):
            service = wanted(hit, memory_utilization=share)
            assert serving.fits(service, "prefill", Precision("bf16"), ONE, serving.Decoding(), at).tolist() == [fits]
    # Decoding alone knows no prompts.
    assert serving.price(wanted(0.9), "decode", "bf16", ONE, 4) == serving.price(wanted(0.0), "decode", "bf16", ONE, 4)


def test_what_is_found_is_read_as_far_as_a_layer_attends_to_it() -> None:
    windowed = alike(replace(GROUPED, window=3, indexer=Indexer(1000, 1, 8)))
    slow = replace(CHIP, flops_16bit=1e12)
    for hit, entries, keys in ((0.2, 2, 2), (0.5, 3, 5)):
        with_it = serving.price(wanted(hit, model=windowed, accelerator=slow), "prefill", "bf16", ONE, 1)
        plain = Load((1 - hit) * 10, 0, 0, 0.0, 1.0, 10.0)
        parts = deployable.evaluate(windowed, slow, ONE, "bf16", np.array(1.0), plain)
        read = 5 * (16 * entries + 8 * 132 / 128 * keys) / 8e4
        assert with_it.latency_s == pytest.approx(float(parts.latency_s) + read, rel=1e-12)
    # With every generated token comes a twentieth of a prompt, and of what is found of it.
    half = serving.passing(wanted(0.5), 1.25, 1.0, 1 / 20)
    whole = replace(half, found=0.0)
    kind = kind_of(GROUPED, 8)
    assert deployable.read_bytes(kind, ONE, 2, half) - deployable.read_bytes(kind, ONE, 2, whole) == 16 * 5 / 20


def test_a_draft_finds_as_much() -> None:
    speculation = serving.Speculation(DENSE, 0.5, 2)
    decoding = serving.Decoding(ONE, 2, 1.5)
    service = wanted(0.4, speculation=speculation)
    load = Load(1 + 0.075 * 6, 10, 30, 1.0, 0.075, 10.0, 4.0)
    parts = deployable.evaluate(DENSE, CHIP, ONE, "bf16", np.array(4.0), load)
    assert serving.draft_s(service, Precision("bf16"), decoding, np.array(4.0)) == pytest.approx(float(parts.latency_s))


def test_evaluation_reads_from_the_context_to_its_end() -> None:
    windowed = alike(replace(GROUPED, window=12))
    grown, at_mean = (
        evaluate(windowed, CHIP, ONE, batch=4, context_tokens=first, output_tokens=more, weights="bf16")
        for first, more in ((8, 8), (12, 0))
    )
    # From 8 to 12 the cache grows to the window, then it stays: 11 on average, not 12.
    assert float(at_mean.memory_s - grown.memory_s) == pytest.approx(5 * 16 * 1 * 4 / 8e4)
