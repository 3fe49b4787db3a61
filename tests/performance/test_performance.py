"""The performance model: theory of scaling, reference rows, monotony in the batch, and memory by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import Setup, deployable
from places import DATA

import ieco_opt
from ieco_opt import Deployment, Scenario, catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.types import Accelerator, Fidelity, Model, PaperModel
from ieco_opt.performance import memory
from ieco_opt.performance.architecture import architecture, peak_flops
from ieco_opt.performance.closed_forms import section_2_2
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.evaluate import SETUP_COLUMNS
from ieco_opt.performance.network import NETWORK_PARTS
from ieco_opt.performance.pass_time import PassTime, pass_time

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
    *((name, "bf16") for name in ("Llama-3.1-8B", "Llama-2-7B", "Qwen2.5-7B")),
    *((name, "int4") for name in ("DeepSeek-V3", "gpt-oss-120b", "Llama-4-Scout", "DeepSeek-V2-Lite")),
)


@st.composite
def setups(draw: st.DrawFn) -> PassTime:
    """Draw the pass of one setup of any model."""
    name, weights = draw(st.sampled_from(MODELS))
    collection = Collection.PAPER if weights is None else Collection.REAL
    accelerators = ("H100", "A100", "TPU v4") if weights is None else ("H100-SXM", "GB200-NVL72", "TPU-v5e")
    accelerator = catalog.accelerator(draw(st.sampled_from(accelerators)), collection)
    shape = architecture(catalog.model(name, collection), weights)
    sigma, attention_ranks = draw(st.sampled_from((1, 2, 4))), draw(st.sampled_from((1, 2, 3, 8, 16)))
    tensor = sigma * attention_ranks
    experts = draw(st.sampled_from([degree for degree in range(1, shape.experts + 1) if tensor % degree == 0]))
    stages, two_dimensional = draw(st.integers(1, 9)), draw(st.booleans())
    return pass_time(
        shape,
        accelerator,
        peak_flops(accelerator, shape.weight_bytes, weights),
        Degrees(
            *(np.array([float(degree)]) for degree in (tensor, stages, experts, sigma)), np.array([two_dimensional])
        ),
        context_tokens=float(draw(st.sampled_from((0, 1000, 100_000)))),
        tokens_per_pass=float(draw(st.integers(1, 6))),
    )


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


def only_deployment(model: dict[str, object], weights: str, space: dict[str, object], **fields: object) -> Deployment:
    """Solve a scenario with one setup and one batch."""
    scenario = Scenario(
        model=model,
        weights=[weights],
        accelerators=["H100-SXM"],
        workload={"context_tokens": 100, "output_tokens": 50},
        design_space={key: [degree] for key, degree in space.items()},
        **fields,
    )
    return ieco_opt.solve(scenario)


def test_memory_of_a_dense_model_by_hand() -> None:
    # Two stages of three and two layers; two attention groups of four ranks, each with its own copy.
    space = {"stage_ranks": 8, "pipeline_parallel": 2, "attention_data_parallel": 2, "batch": 7}
    attention = 3 * ((8 + 2 * 2) * 128 * 1024 + 1024 * 8 * 128) / 4
    feed_forward = 3 * 3 * 1024 * 2048 / 8
    embedding = 1000 * 1024 / 8  # a stage holds the first or the last of two embeddings
    # Two heads on four ranks: each rank holds one. Four of seven sequences are in one group.
    cache = 3 * (2 * 1 * 128 * 2) * (100 + 50) * 4
    assert attention + feed_forward + embedding + cache == 5_374_976
    found = only_deployment(DENSE, "fp8", space)
    assert found.memory_per_gpu_gb == pytest.approx(5_374_976e-9, rel=1e-12)
    assert found.memory_limit_gb == pytest.approx(0.9 * 85)


def test_memory_of_experts_and_their_draft_by_hand() -> None:
    space = {"stage_ranks": 4, "pipeline_parallel": 1, "attention_data_parallel": 1, "batch": 7}
    # Without query compression: queries with the compressed cache, its expansion, and the output.
    latent = (8 * (128 + 64) + 512 + 64) * 2048 + 8 * (128 + 128) * 512 + 2048 * 8 * 128
    blocks = 3 * 2048 * 4096 + 3 * (8 * 3 * 2048 * 1024 + 3 * 2048 * 1536)
    weights = 2 * (4 * latent + blocks + 3000 * 2048) / 4  # tied embeddings are held once
    cache = 4 * (512 + 64) * 2 * (100 + 50) * 7  # the one compressed head is whole on each of the four ranks
    assert weights + cache == 125_088_768
    plain = only_deployment(EXPERTS, "bf16", space | {"expert_parallel": 4})
    assert plain.memory_per_gpu_gb == pytest.approx(125_088_768e-9, rel=1e-12)

    # Its draft on one stage of four ranks: both embeddings, and one of two heads on each rank.
    draft = 2 * (5 * (12 * 128 * 1024 + 1024 * 1024) + 5 * 3 * 1024 * 2048 + 2 * 1000 * 1024) / 4
    draft += 5 * (2 * 1 * 128 * 2) * 150 * 7
    speculation = {"draft_model": DENSE | {"layers": 5}, "acceptance": 1.0, "max_draft_tokens": 6}
    large = EXPERTS | {"layers": 40, "feed_forward": [{"layers": 40, "width": 1024, "experts": 8, "active": 2}]}
    both = only_deployment(large, "bf16", space | {"expert_parallel": 4}, speculation=speculation)
    weights = 2 * (40 * latent + 40 * 8 * 3 * 2048 * 1024 + 3000 * 2048) / 4
    assert both.draft_tokens == 6
    assert both.memory_per_gpu_gb == pytest.approx((weights + 10 * cache + draft) * 1e-9, rel=1e-12)


@pytest.mark.parametrize(("utilization", "most"), [(0.5, 1102), (0.25, 216)])
def test_largest_batch_by_hand(utilization: float, most: int) -> None:
    # 8.03e9 weights on one GPU of 85 GB, and 2 x 8 x 128 x 2 B of cache a layer and token, 32 layers, 183 tokens.
    weights = 2 * 8_029_995_008
    each = 32 * (2 * 8 * 128 * 2) * 183
    assert most == math.floor((utilization * 85e9 - weights) / each)
    scenario = Scenario(
        model="Llama-3.1-8B",
        weights=["bf16"],
        accelerators=["H100-SXM"],
        workload={"context_tokens": 100, "output_tokens": 83},
        design_space={"stage_ranks": [1], "pipeline_parallel": [1], "attention_data_parallel": [1]},
        memory_utilization=utilization,
    )
    assert ieco_opt.solve(scenario, objective="cheapest").batch == most


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_the_heaviest_stage_where_few_layers_have_a_shared_expert(stages: int) -> None:
    blocks = [
        {"layers": 2, "width": 4096},
        {"layers": 10, "width": 1024, "experts": 8, "active": 2},
        {"layers": 4, "width": 2048, "shared": True},
    ]
    attention = {"kind": "grouped_query", "query_heads": 16, "kv_heads": 4, "head_width": 64}
    own = {"name": "own", "layers": 12, "width": 1024, "vocabulary": 1000, "tied_embeddings": True}
    model = catalog.model_from_mapping({**own, "attention": attention, "feed_forward": blocks}, Collection.REAL)
    assert isinstance(model, Model)
    one = np.ones(1)
    degrees = Degrees(4.0 * one, stages * one, one, one, np.zeros(1, dtype=bool))
    held = memory.weight_bytes_per_gpu(architecture(model, "fp8"), degrees)
    expected = deployable.resident_bytes(model, Setup(4, "1d", stages, 1, 1), "fp8", np.array(0.0), 0)
    assert held == pytest.approx([float(expected)])
