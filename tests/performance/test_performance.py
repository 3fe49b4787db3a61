"""The performance model: theory of scaling, reference rows, monotony in the batch, and memory by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import Setup, deployable
from oracle.servers import Asked, exchanges
from places import DATA

import ieco_opt
from ieco_opt import Deployment, Scenario, catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, Fidelity, Model, PaperModel
from ieco_opt.engines.pricing import spread
from ieco_opt.engines.spread import EXCHANGES, Spread
from ieco_opt.engines.store import profile
from ieco_opt.performance import memory
from ieco_opt.performance.architecture import architecture
from ieco_opt.performance.closed_forms import section_2_2
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.evaluate import SETUP_COLUMNS
from ieco_opt.performance.network import NETWORK_PARTS
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import decode_traffic

SAMPLE = DATA / "setup_points_sample.csv"
COMPUTED = ("kernel_s", *NETWORK_PARTS, "memory_s", "arithmetic_s", "latency_s")

# Memory for any model on one device, so that the best number of devices is never cut off by what fits.
ROOMY = replace(catalog.accelerator("H100", Collection.PAPER), hbm_bytes=1e18)


def dense(layers: int, width: int, ratio: int) -> PaperModel:
    """Make a dense model whose parameters grow with layers * width^2 and nothing else."""
    return replace(
        catalog.model("GPT-3", Collection.PAPER),
        layers=layers,
        width=width,
        feed_forward_width=ratio * width,
        query_heads=width // 128,
        head_width=128,
        vocabulary=0,
    )


def least_latency_s(model: PaperModel, accelerator: Accelerator) -> float:
    """Least latency of section 2.2 over real-valued N at B = 1 (seconds)."""
    gpus = np.geomspace(1.0, 1e6, 20_001)
    ones = np.ones_like(gpus)
    return float(section_2_2(model, accelerator, gpus, ones, 0.0 * ones).min())


def parts_of_the_minimum(model: PaperModel, accelerator: Accelerator) -> tuple[float, float]:
    """Part of the least latency that follows the power law, and the constant one (seconds).

    f(N) = a sqrt(N) + 2 a + M / N, with a = 4 L 2e-6 s (four all-reduces a layer, each 2e-6 (sqrt(N) - 1) + 6e-6)
    and M the seconds that one device needs to read the weights. f' = 0 at N = (2 M / a)^(2/3), where f = 3/2 a^(2/3)
    (2 M)^(1/3) + 2 a.
    """
    reduce_s = 4 * model.layers * 2e-6
    read_s = model.weight_bytes * catalog.total_params(model) / (accelerator.hbm_bytes_per_s * accelerator.memory_cap)
    assume(2 * read_s / reduce_s >= 1.0)
    return 1.5 * reduce_s ** (2 / 3) * (2 * read_s) ** (1 / 3), 2 * reduce_s


models = st.builds(
    dense,
    layers=st.integers(8, 128),
    width=st.integers(8, 128).map(lambda heads: 128 * heads),
    ratio=st.integers(2, 6),
)


@given(model=models, factor=st.integers(2, 4))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_latency_grows_about_as_the_square_root_of_size(model: PaperModel, factor: int) -> None:
    # Layers and width both grow by k, parameters by k^3. In the minimum 3/2 a^(2/3) (2 M)^(1/3) + 2 a, a grows by k and
    # M by k^3, so the first part has the exponent (2/3 + 1) / 3 = 5/9 in parameters, and the constant part 1/3. Their
    # mixture lies between, at 0.53 where N is 100 and above 1/2 wherever N is beyond 16: "about the square root".
    larger = dense(factor * model.layers, factor * model.width, model.feed_forward_width // model.width)
    law, constant = parts_of_the_minimum(model, ROOMY)
    latency = least_latency_s(model, ROOMY)
    assert latency == pytest.approx(law + constant, rel=1e-6)
    exponent = math.log(least_latency_s(larger, ROOMY) / latency) / math.log(factor**3)
    starts_at = (5 / 9 * law + 1 / 3 * constant) / (law + constant)
    assert starts_at - 1e-6 <= exponent <= 5 / 9
    if law > 3 * constant:
        assert exponent == pytest.approx(0.5, abs=0.06)


@given(model=models, factor=st.floats(1.5, 8.0))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_latency_falls_about_as_the_cube_root_of_bandwidth(model: PaperModel, factor: float) -> None:
    # M falls by k and a stays: 3/2 a^(2/3) (2 M)^(1/3) falls by k^(1/3), and 2 a does not fall. The exponent is -1/3
    # times the share of the first part, which is largest before the bandwidth grows and least after it.
    faster = replace(ROOMY, hbm_bytes_per_s=factor * ROOMY.hbm_bytes_per_s)
    before = parts_of_the_minimum(model, ROOMY)
    after = parts_of_the_minimum(model, faster)
    ratio = least_latency_s(model, faster) / least_latency_s(model, ROOMY)
    exponent = math.log(ratio) / math.log(factor)
    most, least = (law / (law + constant) / 3 for law, constant in (before, after))
    assert -most - 1e-6 <= exponent <= -least + 1e-6


def test_reference_rows() -> None:
    expected = pd.read_csv(SAMPLE)
    found = ieco_opt.evaluate(expected[list(SETUP_COLUMNS)], Fidelity.PAPER)
    assert len(expected) >= 40
    for column in COMPUTED:
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-9, atol=0.0, err_msg=column)
    for column in ("expert_parallel", "tensor_parallel_feed_forward", "tensor_parallel_attention", "feasible"):
        assert found[column].tolist() == expected[column].tolist(), column


def test_evaluated_degrees_are_told_as_servers_count_them() -> None:
    sample = pd.read_csv(SAMPLE)
    points = sample[list(SETUP_COLUMNS)].assign(tensor_parallel=-1)
    found = ieco_opt.evaluate(points, Fidelity.PAPER)
    assert found["tensor_parallel"].tolist() == sample["tensor_parallel_attention"].tolist()
    assert found["expert_tensor_parallel"].tolist() == sample["tensor_parallel_feed_forward"].tolist()
    assert found["stage_ranks"].tolist() == (sample["gpus"] / sample["pipeline_parallel"]).tolist()
    assert (found["tensor_parallel"] * found["attention_data_parallel"]).tolist() == found["stage_ranks"].tolist()
    assert (found["attention_data_parallel"] > 1).any()


MODELS = (
    *((name, None) for name in ("Llama 3 70B", "GPT-4", "DeepSeek V3", "PaLM 540B")),
    *((name, Precision("bf16", "bf16")) for name in ("Llama-3.1-8B", "Llama-2-7B", "Qwen2.5-7B")),
    *((name, Precision("int4", "bf16")) for name in ("DeepSeek-V3", "Llama-4-Scout", "DeepSeek-V2-Lite")),
    ("gpt-oss-120b", Precision("mxfp4", "bf16")),
    # An indexer, and states of recurrent layers.
    *((name, Precision("fp8", "fp8")) for name in ("DeepSeek-V3.2", "Qwen3-Next-80B-A3B", "Kimi-Linear-48B-A3B")),
)


@st.composite
def setups(draw: st.DrawFn) -> PassTime:
    """Draw the pass of one setup of any model."""
    name, precision = draw(st.sampled_from(MODELS))
    collection = Collection.PAPER if precision is None else Collection.REAL
    accelerators = ("H100", "A100", "TPU v4") if precision is None else ("H100-SXM", "GB200-NVL72", "TPU-v5e")
    accelerator = catalog.accelerator(draw(st.sampled_from(accelerators)), collection)
    shape = architecture(catalog.model(name, collection), precision, accelerator)
    sigma, attention_ranks = draw(st.sampled_from((1, 2, 4))), draw(st.sampled_from((1, 2, 3, 8, 16)))
    tensor = sigma * attention_ranks
    experts = draw(st.sampled_from([degree for degree in range(1, shape.experts + 1) if tensor % degree == 0]))
    stages, two_dimensional = draw(st.integers(1, 9)), draw(st.booleans())
    copies = 0 if precision is None else draw(st.sampled_from((0, 1, 8)))
    degrees = Degrees.plain(
        *(np.array([float(degree)]) for degree in (tensor, stages, experts, sigma)),
        np.array([two_dimensional]),
        np.array([float(copies)]),
    )
    if precision is not None:
        # Layouts of servers: weights over all ranks of a stage, over those of a group, or whole on each; any exchange.
        ranks = [np.array([float(draw(st.sampled_from((tensor, attention_ranks, 1))))]) for _ in range(4)]
        degrees = replace(degrees, spread=Spread(*ranks, np.array([draw(st.integers(0, len(EXCHANGES) - 1))])))
    context = float(draw(st.sampled_from((0, 1000, 100_000))))
    answer = 0.0 if precision is None else float(draw(st.sampled_from((0, 200, 5000))))
    traffic = decode_traffic(float(draw(st.integers(1, 6))), context, context + answer)
    return pass_time(shape, accelerator, degrees, traffic)


@given(time=setups())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_latency_rises_and_cost_falls_with_the_batch(time: PassTime) -> None:
    assume(bool(time.experts_are_concave().all()))
    batch = np.unique(np.concatenate([np.arange(1, 600), np.geomspace(600, 200_000, 400).astype(int)])).astype(float)
    latency = time.latency_s(batch[None, :])[0]
    assert (np.diff(latency) >= -1e-12 * latency[1:]).all()
    per_sequence = latency / batch
    assert (np.diff(per_sequence) <= 1e-12 * per_sequence[1:]).all()


DENSE = {
    "name": "hand dense",
    "layers": 5,
    "width": 1024,
    "vocabulary": 1000,
    "tied_embeddings": False,
    "attention": {"kind": "grouped_query", "query_heads": 8, "kv_heads": 2, "head_width": 128},
    "feed_forward": [{"layers": 5, "width": 2048}],
}
EXPERTS = {
    "name": "hand experts",
    "layers": 4,
    "width": 2048,
    "vocabulary": 3000,
    "tied_embeddings": True,
    "attention": {
        "kind": "latent",
        "query_heads": 8,
        "kv_width": 512,
        "nope_head_width": 128,
        "rope_head_width": 64,
        "value_head_width": 128,
    },
    "feed_forward": [
        {"layers": 1, "width": 4096},
        {"layers": 3, "width": 1024, "experts": 8, "active": 2},
        {"layers": 3, "width": 1536, "shared": True},
    ],
}


def only_deployment(
    model: dict[str, object], weights: str | dict[str, str], space: dict[str, object], **fields: object
) -> Deployment:
    """Solve a scenario with one setup and one batch."""
    scenario = Scenario(
        model=model,
        weights=[weights],
        accelerators=["H100-SXM"],
        workload={"context_tokens": 100, "output_tokens": 50},
        design_space={key: [degree] for key, degree in space.items()},
        **fields,
    )
    return ieco_opt.solve(scenario, objective="fastest")


BREAKDOWN = ("weights_gb", "cache_gb", "draft_gb", "reserve_gb")


def assert_adds_up(found: Deployment) -> None:
    """What a GPU holds is the sum of its parts, and with what is left all that may be used."""
    parts = [getattr(found, name) for name in BREAKDOWN]
    assert sum(parts) == pytest.approx(found.memory_per_gpu_gb, rel=1e-12)
    assert sum(parts) + (found.free_gb or 0.0) == pytest.approx(found.memory_limit_gb, rel=1e-12)


def test_memory_of_a_dense_model_by_hand() -> None:
    # Two stages of three and two layers; two attention groups of four ranks, each with its own copy.
    space = {"stage_ranks": 8, "pipeline_parallel": 2, "attention_data_parallel": 2, "batch": 8}
    attention = 3 * ((8 + 2 * 2) * 128 * 1024 + 1024 * 8 * 128) / 4
    feed_forward = 3 * 3 * 1024 * 2048 / 8
    assert attention + feed_forward == 4_325_376
    # 8.03 bits a weight; embeddings and norms have 16. A stage holds the first or the last of two embeddings, and
    # every rank two norms of each layer.
    weights = 4_325_376 * 8.03 / 8 + 2 * 1000 * 1024 / 8 + 2 * 3 * 2 * 1024
    # Two heads on four ranks: each rank holds one. Four of eight sequences are in one group.
    cache = 3 * (2 * 1 * 128 * 2) * (100 + 50) * 4
    assert weights + cache == pytest.approx(5_531_484.16)
    found = only_deployment(DENSE, "fp8", space, engine="none")
    assert found.memory_per_gpu_gb == pytest.approx(5_531_484.16e-9, rel=1e-12)
    assert found.memory_limit_gb == pytest.approx(0.9 * 85)
    assert (found.weights_gb, found.cache_gb) == (pytest.approx(weights / 1e9), pytest.approx(cache / 1e9))
    assert (found.draft_gb, found.reserve_gb) == (0.0, 0.0)
    assert_adds_up(found)
    # Both groups, and 3 x 512 bytes for each token on a rank.
    assert found.cache_tokens == math.floor(2 * (0.9 * 85e9 - weights) / (3 * 2 * 128 * 2))

    eight_bit = only_deployment(DENSE, "fp8", space, engine="none", kv_cache=["fp8"])
    assert eight_bit.cache_gb == pytest.approx(cache / 2e9)
    assert eight_bit.weights_gb == found.weights_gb
    recipe = {"attention": "fp8", "embedding": "fp8", "norms": "fp16", "rest": "int4"}
    mixed = only_deployment(DENSE, recipe, space, engine="none")
    # The head's 4.16 bits are fewer than the embedding's 8.03.
    weights = (attention + 1000 * 1024 / 8) * 8.03 / 8 + feed_forward * 4.16 / 8 + 2 * 3 * 2 * 1024
    assert mixed.weights_gb == pytest.approx(weights / 1e9, rel=1e-12)
    assert mixed.weights == "attention=fp8,embedding=fp8,norms=fp16,rest=int4"


# A model that SGLang runs with attention groups.
GROUPED = DENSE | {"hf_architecture": "Qwen3ForCausalLM"}
VLLM_RESERVE = 2.2 * 2**30 + 33 * 1000 * 1024


@pytest.mark.parametrize(
    ("groups", "fields", "reserve", "engine"),
    [
        # 0.9 GiB, 33 bytes for each of 1,000 words and 1,024 sequences, and 1.3 GiB between GPUs. Of the three servers,
        # which run it alike, two have that much room, and SGLang less.
        (1, {}, VLLM_RESERVE, "vllm"),
        (1, {"engine": ["trtllm", "sglang", "vllm"]}, VLLM_RESERVE, "trtllm"),
        (1, {"engine": "vllm"}, VLLM_RESERVE, "vllm"),
        (1, {"engine": ["vllm", "sglang"]}, VLLM_RESERVE, "vllm"),
        # 512 + 1.5 x 8,192 + 128 x 16 + 2 x 512 MiB, of which the 10 % left free are a part.
        (1, {"engine": "sglang"}, (512 + 12_288 + 2048 + 1024) * 2**20 - 0.1 * 85e9, "sglang"),
        # 4.5 x 512 MiB more for groups.
        (2, {"engine": "sglang"}, (512 + 12_288 + 2048 + 1024 + 2304) * 2**20 - 0.1 * 85e9, "sglang"),
        (2, {}, (512 + 12_288 + 2048 + 1024 + 2304) * 2**20 - 0.1 * 85e9, "sglang"),
        (1, {"engine": "sglang", "memory_reserve_gb": 5}, 5e9, "sglang"),
        (1, {"engine": "none"}, 0.0, None),
        (1, {"memory_reserve_gb": 0}, 0.0, "vllm"),
    ],
    ids=str,
)
def test_the_reserve_by_hand(groups: int, fields: dict[str, object], reserve: float, engine: str | None) -> None:
    space = {"stage_ranks": 8, "pipeline_parallel": 2, "attention_data_parallel": groups, "batch": 8}
    found, bare = (only_deployment(GROUPED, "fp8", space, **each) for each in (fields, {"engine": "none"}))
    assert found.engine == engine
    assert found.reserve_gb == pytest.approx(reserve / 1e9, rel=1e-12)
    # SGLang splits the embedding over the four ranks of a group and not over the eight of a stage.
    copies = 2 * 1000 * 1024 * (1 / 4 - 1 / 8) if groups == 2 else 0.0
    assert found.memory_per_gpu_gb == pytest.approx(bare.memory_per_gpu_gb + (reserve + copies) / 1e9, rel=1e-12)
    assert_adds_up(found)


def test_memory_of_experts_and_their_draft_by_hand() -> None:
    space = {"stage_ranks": 4, "pipeline_parallel": 1, "attention_data_parallel": 1, "batch": 7}
    # Without query compression: queries with the compressed cache, its expansion, and the output.
    latent = (8 * (128 + 64) + 512 + 64) * 2048 + 8 * (128 + 128) * 512 + 2048 * 8 * 128
    blocks = 3 * 2048 * 4096 + 3 * (8 * 3 * 2048 * 1024 + 3 * 2048 * 1536)
    weights = 2 * (4 * latent + blocks + 3000 * 2048) / 4  # tied embeddings are held once
    weights += 2 * (4 * 2 * 2048 + 3 * 8 * 2048)  # two norms of four layers, routers of three
    cache = 4 * (512 + 64) * 2 * (100 + 50) * 7  # the one compressed head is whole on each of the four ranks
    assert weights + cache == 125_219_840
    plain = only_deployment(EXPERTS, "bf16", space | {"expert_parallel": 4}, engine="none")
    assert plain.memory_per_gpu_gb == pytest.approx(125_219_840e-9, rel=1e-12)
    assert_adds_up(plain)
    # A copy of one expert for each of the four ranks.
    copied = only_deployment(EXPERTS, "bf16", space | {"expert_parallel": 4, "redundant_experts": 4}, engine="none")
    assert copied.parallelism.redundant_experts == 4
    assert copied.memory_per_gpu_gb == pytest.approx((125_219_840 + 3 * 2 * 3 * 2048 * 1024) / 1e9, rel=1e-12)

    # Its draft on the same four ranks: both embeddings of the same words, its norms, and one of two heads on each rank.
    draft = 2 * (5 * (12 * 128 * 1024 + 1024 * 1024) + 5 * 3 * 1024 * 2048 + 2 * 3000 * 1024) / 4
    draft += 2 * 5 * 2 * 1024
    draft += 5 * (2 * 1 * 128 * 2) * 150 * 7
    speculation = {"draft_model": DENSE | {"vocabulary": 3000}, "acceptance": 1.0, "max_draft_tokens": 6}
    large = EXPERTS | {"layers": 40, "feed_forward": [{"layers": 40, "width": 1024, "experts": 8, "active": 2}]}
    both = only_deployment(large, "bf16", space | {"expert_parallel": 4}, speculation=speculation)
    weights = 2 * (40 * latent + 40 * 8 * 3 * 2048 * 1024 + 3000 * 2048) / 4
    weights += 2 * (40 * 2 * 2048 + 40 * 8 * 2048)
    # The model's vocabulary, GPUs and experts; the draft reserves nothing of its own.
    reserve = 3.2 * 2**30 + 33 * 3000 * 1024
    assert both.draft_tokens == 6
    assert both.memory_per_gpu_gb == pytest.approx((weights + 10 * cache + draft + reserve) * 1e-9, rel=1e-12)
    assert both.draft_gb == pytest.approx(draft * 1e-9, rel=1e-12)
    assert both.reserve_gb == pytest.approx(reserve * 1e-9, rel=1e-12)
    assert_adds_up(both)
    # A token takes the cache of both.
    draft_weights = draft - 5 * (2 * 1 * 128 * 2) * 150 * 7
    left = 0.9 * 85e9 - weights - draft_weights - reserve
    assert both.cache_tokens == math.floor(left / (40 * (512 + 64) * 2 + 5 * 2 * 128 * 2))


@pytest.mark.parametrize(("utilization", "reserve_gb", "most"), [(0.5, 0.0, 1102), (0.25, 0.0, 216), (0.5, 2.0, 1018)])
def test_largest_batch_by_hand(utilization: float, reserve_gb: float, most: int) -> None:
    # 8.03e9 weights on one GPU of 85 GB, two norms of 4,096 in each of 32 layers among them, and 2 x 8 x 128 x 2 B of
    # cache a layer and token, 32 layers, 183 tokens.
    weights = 2 * (8_029_995_008 + 32 * 2 * 4096)
    each = 32 * (2 * 8 * 128 * 2) * 183
    assert most == math.floor((utilization * 85e9 - reserve_gb * 1e9 - weights) / each)
    scenario = Scenario(
        model="Llama-3.1-8B",
        weights=["bf16"],
        accelerators=["H100-SXM"],
        workload={"context_tokens": 100, "output_tokens": 83},
        design_space={"stage_ranks": [1], "pipeline_parallel": [1], "attention_data_parallel": [1]},
        memory_utilization=utilization,
        memory_reserve_gb=reserve_gb,
    )
    assert ieco_opt.solve(scenario, objective="cheapest").batch == most


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "none"])
@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_heaviest_stage_where_few_layers_have_a_shared_expert(stages: int, engine: str) -> None:
    blocks = [
        {"layers": 2, "width": 4096},
        {"layers": 10, "width": 1024, "experts": 8, "active": 2},
        {"layers": 4, "width": 2048, "shared": True},
    ]
    attention = {"kind": "grouped_query", "query_heads": 16, "kv_heads": 4, "head_width": 64}
    own = {"name": "own", "layers": 12, "width": 1024, "vocabulary": 1000, "attention": attention}
    one, accelerator = np.ones(1), catalog.accelerator("H100-SXM")
    for copies, groups, tied in itertools.product((0, 8), (1, 4), (False, True)):
        model = catalog.model_from_mapping({**own, "tied_embeddings": tied, "feed_forward": blocks}, Collection.REAL)
        assert isinstance(model, Model)
        shape = architecture(model, Precision("fp8", "bf16"), accelerator)
        asked = Asked(model, accelerator, Precision("fp8", "bf16"), Setup(4, "1d", stages, 4, groups, copies))
        for exchange in exchanges(asked, engine):
            setup = Setup(4, "1d", stages, 4, groups, copies, engine, exchange)
            degrees = Degrees.plain(
                4.0 * one, stages * one, 4.0 * one, groups * one, np.zeros(1, dtype=bool), copies * one
            )
            if engine != "none":
                number = np.array([EXCHANGES.index(exchange)])
                degrees = replace(degrees, spread=spread_of(engine, degrees, number))
            held = memory.weight_bytes_per_gpu(shape, degrees)
            assert held == pytest.approx([deployable.held_weights(model, setup, "fp8", accelerator)])


def spread_of(engine: str, degrees: Degrees, exchange: Any, experts: int = 8) -> Spread:
    """How a server lays a model with experts over the ranks of a stage."""
    columns = {
        name: getattr(degrees, name)
        for name in ("tensor_parallel", "attention_data_parallel", "pipeline_parallel", "expert_parallel")
    }
    return spread(profile(engine), columns | {"batch": degrees.groups}, experts, exchange)
