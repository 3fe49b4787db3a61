"""The catalog: figures, names, mappings, files, tables."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable, Mapping, Sequence

import pytest

from ieco_opt.catalog import (
    Collection,
    accelerator,
    accelerator_from_mapping,
    accelerator_names,
    accelerator_to_mapping,
    active_params,
    cache_bytes_per_token,
    describe,
    memory_fields,
    model,
    model_from_mapping,
    model_names,
    model_to_mapping,
    to_dataframe,
    total_params,
)
from ieco_opt.catalog.attention import (
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    Indexer,
    LatentAttention,
    NoAttention,
    RecurrentAttention,
)
from ieco_opt.catalog.store import aliases
from ieco_opt.catalog.types import Accelerator, FeedForward, Model, PaperModel, Topology
from ieco_opt.documents.packaged import packaged_row, packaged_row_texts, packaged_rows
from ieco_opt.errors import ScenarioError

REAL, PAPER = Collection.REAL, Collection.PAPER

# Name: total and active weights (billions, routers included), cache bytes per token at 16 bits.
REAL_FIGURES = {
    "DeepSeek-V3": (671.03, 37.55, 70272),
    "DeepSeek-R1": (671.03, 37.55, 70272),
    "Kimi-K2": (1026.41, 32.86, 70272),
    "Kimi-K2.5": (1026.41, 32.86, 70272),
    "gpt-oss-120b": (116.79, 5.71, 73728),
    "gpt-oss-20b": (20.91, 4.19, 49152),
    "Qwen3-235B-A22B": (235.09, 22.19, 192512),
    "Qwen3-30B-A3B": (30.53, 3.35, 98304),
    "Qwen3-32B": (32.76, 32.76, 262144),
    "Qwen3-8B": (8.19, 8.19, 147456),
    "Qwen3-1.7B": (1.72, 1.72, 114688),
    "Qwen3-0.6B": (0.6, 0.6, 114688),
    "Qwen3-Coder-480B-A35B": (480.15, 35.47, 253952),
    "Mixtral-8x7B": (46.7, 12.88, 131072),
    "Mixtral-8x22B": (140.62, 39.15, 229376),
    "Llama-3.1-405B": (405.85, 405.85, 516096),
    "Llama-3.1-70B": (70.55, 70.55, 327680),
    "Llama-3.1-8B": (8.03, 8.03, 131072),
    "Llama-4-Maverick": (400.71, 17.18, 196608),
    "Llama-4-Scout": (107.77, 17.17, 196608),
    "MiniMax-M2.5": (228.69, 11.03, 253952),
    "Llama-2-7B": (6.74, 6.74, 524288),
    "Llama-2-13B": (13.02, 13.02, 819200),
    "Llama-2-70B": (68.98, 68.98, 327680),
    "Llama-3-8B": (8.03, 8.03, 131072),
    "Llama-3-70B": (70.55, 70.55, 327680),
    "Llama-3.3-70B": (70.55, 70.55, 327680),
    "Llama-3.2-1B": (1.24, 1.24, 32768),
    "Llama-3.2-3B": (3.21, 3.21, 114688),
    "Mistral-7B": (7.25, 7.25, 131072),
    "Mistral-Large-2": (122.61, 122.61, 360448),
    "Qwen2.5-7B": (7.62, 7.62, 57344),
    "Qwen2.5-14B": (14.77, 14.77, 196608),
    "Qwen2.5-32B": (32.76, 32.76, 262144),
    "Qwen2.5-72B": (72.7, 72.7, 327680),
    "Qwen3-14B": (14.76, 14.76, 163840),
    "Qwen3-4B": (4.02, 4.02, 147456),
    "Gemma-2-2B": (2.61, 2.61, 106496),
    "Gemma-2-9B": (9.24, 9.24, 344064),
    "Gemma-2-27B": (27.23, 27.23, 376832),
    "Gemma-3-4B": (3.88, 3.88, 139264),
    "Gemma-3-12B": (11.77, 11.77, 393216),
    "Gemma-3-27B": (27.01, 27.01, 507904),
    "Falcon-7B": (6.92, 6.92, 8192),
    "Falcon-40B": (41.3, 41.3, 122880),
    "Falcon-180B": (178.55, 178.55, 163840),
    "GLM-4.5": (352.8, 33.63, 376832),
    "GLM-4.5-Air": (106.85, 13.42, 188416),
    "DeepSeek-V2": (235.74, 21.38, 69120),
    "DeepSeek-V2-Lite": (15.71, 2.66, 31104),
    "Command-R-Plus": (103.81, 103.81, 262144),
    "BLOOM-176B": (176.23, 176.23, 4014080),
}

# Name: total weights, active weights, cache bytes per token.
PAPER_FIGURES = {
    "GPT-4": (1796850057216, 274821021696, 92160.0),
    "GPT-3.5": (23144693760, 12273057792, 18432.0),
    "GPT-3": (175181291520, 175181291520, 4718592.0),
    "PaLM 540B": (545072873472, 545072873472, 120832.0),
    "PaLM 8B": (9680453632, 9680453632, 32768.0),
    "Falcon 180B": (178453479424, 178453479424, 20480.0),
    "GPT-J 6B": (6048849920, 6048849920, 458752.0),
    "Mixtral 8x22B": (140617187328, 39148584960, 229376.0),
    "Mixtral 8x22B MQA": (140000624640, 38532022272, 28672.0),
    "Mixtral 8x7B": (46701477888, 12878610432, 131072.0),
    "Mistral Large 2": (122607894528, 122607894528, 360448.0),
    "Llama 3 8B": (8029995008, 8029995008, 131072.0),
    "Llama 3 8B MQA": (7795113984, 7795113984, 16384.0),
    "Llama 3 70B": (70552387584, 70552387584, 327680.0),
    "Llama 3 70B MQA": (69377982464, 69377982464, 40960.0),
    "Llama 3 70B 8-bit": (70552387584, 70552387584, 327680.0),
    "Llama 3 70B 4-bit": (70552387584, 70552387584, 327680.0),
    "Llama 3 405B": (410077102080, 410077102080, 1032192.0),
    "Llama 3 405B 8-bit": (410077102080, 410077102080, 1032192.0),
    "DeepSeek V3": (666070679552, 35515793408, 59392.0),
}

MIXTURE: dict[str, object] = {
    "name": "Mine",
    "layers": 4,
    "width": 256,
    "vocabulary": 1000,
    "tied_embeddings": True,
    "attention": {"kind": "grouped_query", "query_heads": 8, "kv_heads": 2, "head_width": 32},
    "feed_forward": [
        {"layers": 1, "width": 512},
        {"layers": 3, "width": 64, "experts": 16, "active": 2},
        {"layers": 3, "width": 64, "shared": True},
    ],
}

CARD: dict[str, object] = {
    "name": "Card",
    "flops_16bit": 1e15,
    "hbm_bytes_per_s": 3e12,
    "hbm_bytes": 8e10,
    "intra_node_bytes_per_s": 2e11,
    "inter_node_bytes_per_s": 2.5e10,
    "node_size": 8,
    "kernel_launch_s": 4e-6,
    "arithmetic_cap": 0.7,
    "memory_cap": 0.75,
}


def real(name: str) -> Model:
    found = model(name)
    assert isinstance(found, Model)
    return found


def real_from(mapping: Mapping[str, object]) -> Model:
    found = model_from_mapping(mapping)
    assert isinstance(found, Model)
    return found


def changed(base: dict[str, object], **fields: object) -> dict[str, object]:
    return copy.deepcopy(base) | fields


def fault_fields(error: pytest.ExceptionInfo[ScenarioError]) -> list[str]:
    return [fault.field for fault in error.value.faults]


# Figures


@pytest.mark.parametrize("name", REAL_FIGURES)
def test_real_model_reproduces_published_sizes(name: str) -> None:
    item = real(name)
    total, active, cache = REAL_FIGURES[name]
    # The reference figures count the routers, which the catalog leaves out, and are rounded to 10 million;
    # Qwen3-14B is off by 8 million, its vocabulary being that of its siblings here.
    routers = sum(block.layers * block.experts * item.width for block in item.feed_forward if block.experts > 1)
    assert total_params(item) + routers == pytest.approx(total * 1e9, rel=6e-4, abs=5.1e6)
    assert active_params(item) + routers == pytest.approx(active * 1e9, rel=6e-4, abs=5.1e6)
    assert total_params(item) == pytest.approx(total * 1e9, rel=5e-3, abs=5.1e6)
    assert cache_bytes_per_token(item) == cache


@pytest.mark.parametrize("name", PAPER_FIGURES)
def test_paper_model_reproduces_the_paper_exactly(name: str) -> None:
    item = model(name, PAPER)
    assert (total_params(item), active_params(item), cache_bytes_per_token(item)) == PAPER_FIGURES[name]


def test_paper_collection_holds_exactly_its_names() -> None:
    assert set(model_names(PAPER)) == set(PAPER_FIGURES)
    known = {"H100", "H800", "H20", "H200", "A100", "V100", "TPU v4", "Groq LPU"}
    assert set(accelerator_names(PAPER)) == known


def test_paper_constants() -> None:
    v3 = model("DeepSeek V3", PAPER)
    assert isinstance(v3, PaperModel)
    assert (v3.layers, v3.experts, v3.active_experts, v3.mla_kv_width, v3.mla_query_width) == (
        58,
        256,
        9,
        512,
        1536,
    )
    palm = model("PaLM 540B", PAPER)
    assert isinstance(palm, PaperModel)
    assert palm.parallel_attention
    assert palm.mla_kv_width is None
    h20 = accelerator("H20", PAPER)
    assert (h20.usd_per_gpu_hour, h20.arithmetic_cap, h20.flops_4bit) == (1.18125, 1.0, 2.96e14)
    tpu = accelerator("TPU v4", PAPER)
    assert tpu.topology is Topology.TORUS
    assert math.isinf(tpu.intra_node_bytes_per_s)
    assert (tpu.flops_4bit, tpu.node_size) == (None, 1)


def test_llama_4_maverick_alternates_dense_and_routed_layers() -> None:
    assert real("Llama-4-Maverick").feed_forward == (
        FeedForward(24, 16384),
        FeedForward(24, 8192, experts=128, active=1),
        FeedForward(24, 8192, shared=True),
    )
    assert len(real("Llama-4-Scout").feed_forward) == 2


def test_feed_forward_blocks_of_special_models() -> None:
    assert real("DeepSeek-V2").feed_forward[2] == FeedForward(59, 3072, shared=True)
    assert real("Falcon-40B").feed_forward == (FeedForward(60, 32768, up=1, down=1),)
    assert real("BLOOM-176B").feed_forward[0].up == 1
    lite = real("DeepSeek-V2-Lite").blocks[0].attention
    assert isinstance(lite, LatentAttention)
    assert lite.query_width is None


def windows(name: str) -> list[tuple[int, int | None]]:
    """Layers by the tokens that their cache keeps."""
    return [(block.layers, getattr(block.attention, "window", None)) for block in real(name).blocks]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-oss-120b", [(18, 128), (18, None)]),
        ("Gemma-2-9B", [(21, 4096), (21, None)]),
        ("Gemma-3-27B", [(52, 1024), (10, None)]),
        ("Llama-4-Scout", [(36, 8192), (12, None)]),
        ("Command-A", [(48, 4096), (16, None)]),
        ("EXAONE-4.0-32B", [(48, 4096), (16, None)]),
        ("OLMo-3-32B", [(48, 4096), (16, None)]),
        ("MiMo-V2-Flash", [(9, None), (39, 128)]),
        ("Mistral-Small-3.1", [(40, None)]),
        ("DeepSeek-V4-Flash", [(2, 128), (21, None), (20, None)]),
    ],
)
def test_windowed_layers_are_blocks_of_their_own(name: str, expected: list[tuple[int, int | None]]) -> None:
    assert windows(name) == expected


def test_layers_without_a_cache_that_grows() -> None:
    # Sizes of the public code of Transformers: Qwen3NextGatedDeltaNet, KimiLinearDeltaAttention, NemotronHMamba2Mixer.
    assert real("Qwen3-Next-80B-A3B").blocks[0] == AttentionBlock(
        36, RecurrentAttention(16, 12_352, 4096, 32 * 128 * 128, 4 * 32 * 128 * 128 + 2 * 3 * 8192)
    )
    kimi = real("Kimi-Linear-48B-A3B")
    assert [block.layers for block in kimi.blocks] == [20, 7]
    delta = kimi.blocks[0].attention
    assert isinstance(delta, RecurrentAttention)
    assert (delta.state_words, delta.output_width) == (32 * 128 * 128, 4096)
    mamba, none, full = (block.attention for block in real("Nemotron-3-Nano-30B-A3B").blocks)
    assert mamba == RecurrentAttention(64, 10_304, 4096, 64 * 64 * 128, 4 * 64 * 64 * 128 + 2 * 3 * 6144)
    assert isinstance(none, NoAttention)
    assert full == GroupedQueryAttention(32, 2, 128)
    lightning = real("MiniMax-M1").blocks[0]
    assert lightning == AttentionBlock(70, RecurrentAttention(64, 32_768, 8192, 64 * 128 * 128, 4 * 64 * 128 * 128))


def test_sparse_and_compressed_layers() -> None:
    v32 = real("DeepSeek-V3.2").blocks[0].attention
    assert isinstance(v32, LatentAttention)
    assert v32.indexer == Indexer(top_k=2048, heads=64, head_width=128)
    own, shared = (block.attention for block in real("GLM-5.2").blocks)
    assert isinstance(own, LatentAttention)
    assert isinstance(shared, LatentAttention)
    assert own.indexer == Indexer(2048, 32, 128)
    assert shared.indexer == Indexer(2048, 0, 0)
    sliding, picked, dense = (block.attention for block in real("DeepSeek-V4-Flash").blocks)
    for attention, compression, indexer in (
        (sliding, 1, None),
        (picked, 4, Indexer(512, 64, 128, query_width=1024)),
        (dense, 128, None),
    ):
        assert isinstance(attention, GeneralAttention)
        assert (attention.compression, attention.indexer) == (compression, indexer)
        assert attention.cache_words == 512
        assert attention.flop_per_entry == 4 * 512 * 64


def test_recipes_of_checkpoints() -> None:
    assert real("gpt-oss-120b").published == ("mxfp4", "bf16")
    assert real("gpt-oss-120b").recipes["mxfp4"] == {"experts": "mxfp4", "rest": "bf16"}
    assert "attention" not in real("Llama-3.1-405B").recipes["fp8"]
    assert "attention" not in real("DeepSeek-R1").recipes["nvfp4"]
    assert real("Kimi-K2-Thinking").recipes["int4_g32"] == {"experts": "int4_g32", "rest": "bf16"}
    native = {
        name: real(name).checkpoint for name in ("DeepSeek-V3", "gpt-oss-20b", "Kimi-K2", "Kimi-K2.5", "MiniMax-M2")
    }
    assert native == {
        "DeepSeek-V3": "fp8",
        "gpt-oss-20b": "mxfp4",
        "Kimi-K2": "fp8",
        "Kimi-K2.5": "int4_g32",
        "MiniMax-M2": "fp8",
    }
    assert real("Llama-3.3-70B").checkpoint is None


def test_every_model_has_a_longest_context() -> None:
    longest = {name: real(name).max_context_tokens for name in model_names()}
    assert all(longest.values())
    known = {"gpt-oss-120b": 131_072, "DeepSeek-V3": 163_840, "Qwen3-8B": 40_960, "Kimi-K2-Thinking": 262_144}
    assert {name: longest[name] for name in known} == known


def test_an_indexer_has_both_sizes_or_neither() -> None:
    attention = {"kind": "grouped_query", "query_heads": 8, "kv_heads": 2, "head_width": 32}
    shared = {**attention, "indexer": {"top_k": 64, "heads": 0, "head_width": 0}}
    plain = real_from(MIXTURE)
    assert total_params(real_from(changed(MIXTURE, attention=shared))) == total_params(plain)
    assert cache_bytes_per_token(real_from(changed(MIXTURE, attention=shared))) == cache_bytes_per_token(plain)
    own = {**attention, "indexer": {"top_k": 64, "heads": 4, "head_width": 16, "query_width": 128}}
    counted = total_params(real_from(changed(MIXTURE, attention=own))) - total_params(plain)
    assert counted == 4 * (4 * 16 * 128 + (16 + 4) * 256)
    with pytest.raises(ScenarioError, match="0 for both or for neither"):
        real_from(changed(MIXTURE, attention={**attention, "indexer": {"top_k": 64, "heads": 4, "head_width": 0}}))


@pytest.mark.parametrize(
    ("name", "unidirectional_gb_per_s"),
    [
        ("A100-SXM-80GB", (300, 25)),
        ("H100-SXM", (450, 50)),
        ("H800-SXM", (200, 50)),
        ("H20-96GB", (450, 25)),
        ("B300-SXM", (900, 100)),
        ("MI300X", (448, 50)),
        ("Gaudi3-OAM", (525, 75)),
    ],
)
def test_all_reduce_bandwidth_is_half_of_the_link(name: str, unidirectional_gb_per_s: tuple[int, int]) -> None:
    item = accelerator(name)
    expected = tuple(rate * 1e9 / 2 for rate in unidirectional_gb_per_s)
    assert (item.intra_node_bytes_per_s, item.inter_node_bytes_per_s) == expected


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("A100-SXM-80GB", (3.12e14, None, None)),
        ("H100-SXM", (9.89e14, 1.979e15, None)),
        ("GB200-NVL72", (2.5e15, 5e15, 1e16)),
        ("MI355X", (2.516e15, 5.033e15, 1.0066e16)),
        ("TPU-v6e", (9.18e14, None, None)),
    ],
)
def test_peak_rates_are_dense_floating_point(name: str, rates: tuple[float | None, ...]) -> None:
    item = accelerator(name)
    assert (item.flops_16bit, item.flops_8bit, item.flops_4bit) == rates


def test_scale_up_domains_prices_and_power() -> None:
    sizes = {name: accelerator(name).node_size for name in ("H100", "GB200", "L4", "A10G", "TPU-v5p")}
    assert sizes == {"H100": 8, "GB200": 72, "L4": 8, "A10G": 4, "TPU-v5p": 1}
    prices = {name: accelerator(name).usd_per_gpu_hour for name in ("H100", "H200", "H800", "H20", "A100", "B300")}
    assert prices == {"H100": 1.30, "H200": 1.60, "H800": 2.00, "H20": 1.18125, "A100": 1.30, "B300": 3.48}
    assert accelerator("H100").power_w == 700
    assert accelerator("TPU-v5e").power_w is None


def test_caps_are_those_of_the_paper_where_it_has_the_gpu() -> None:
    for name, own in {
        "H100": "H100",
        "H200": "H200",
        "H20": "H20",
        "A100": "A100",
        "TPU-v4": "TPU v4",
    }.items():
        item, paper = accelerator(name), accelerator(own, PAPER)
        assert (item.arithmetic_cap, item.memory_cap) == (paper.arithmetic_cap, paper.memory_cap)
    assert (accelerator("MI300X").arithmetic_cap, accelerator("MI300X").memory_cap) == (0.7, 0.75)


# Sources


@pytest.mark.parametrize("collection", Collection)
def test_every_value_has_a_source(collection: Collection) -> None:
    items: list[Accelerator | Model | PaperModel] = [
        *(accelerator(name, collection) for name in accelerator_names(collection)),
        *(model(name, collection) for name in model_names(collection)),
    ]
    for item in items:
        fields = set(type(item).__dataclass_fields__) - {
            *("name", "notes", "sources", "vendor", "generation"),
            *("calibration", "like", "like_hardware", "power"),
        }
        assert set(item.sources) == fields, item.name
        assert all(source.strip() for source in item.sources.values()), item.name


def test_figures_from_memory_are_flagged() -> None:
    assert "usd_per_gpu_hour" in memory_fields(accelerator("A10G"))
    assert "usd_per_gpu_hour" in memory_fields(accelerator("TPU-v4"))
    assert memory_fields(accelerator("H100")) == ()
    assert memory_fields(model("Llama-3.3-70B")) == ("tied_embeddings",)
    assert memory_fields(model("DeepSeek-V4-Pro")) == ()
    assert "layers" in memory_fields(model("Command-R-Plus"))


# Names


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("llama-3.3-70b", "Llama-3.3-70B"),
        ("Llama-3.3-70B-Instruct", "Llama-3.3-70B"),
        ("meta-llama/Llama-3.3-70B-Instruct", "Llama-3.3-70B"),
        ("Meta-Llama-3.1-8B", "Llama-3.1-8B"),
        ("Mistral-Large-Instruct-2407", "Mistral-Large-2"),
        ("mixtral 8x7b", "Mixtral-8x7B"),
        ("deepseek-ai/DeepSeek-R1", "DeepSeek-R1"),
    ],
)
def test_model_aliases(spelling: str, canonical: str) -> None:
    assert model(spelling).name == canonical


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("H100", "H100-SXM"),
        ("h100 sxm", "H100-SXM"),
        ("A100", "A100-SXM-80GB"),
        ("GB300", "GB300-NVL72"),
        ("H20", "H20-96GB"),
        ("Gaudi3", "Gaudi3-OAM"),
        ("tpu_v5e", "TPU-v5e"),
    ],
)
def test_accelerator_aliases(spelling: str, canonical: str) -> None:
    assert accelerator(spelling).name == canonical


def test_aliases_lead_to_one_entry_only() -> None:
    for name in model_names():
        assert model(name).name == name
    for name in accelerator_names():
        assert accelerator(name).name == name


def test_unknown_names_list_close_ones_and_the_collection() -> None:
    with pytest.raises(ScenarioError) as error:
        model("Lama-3.3-70B")
    (fault,) = error.value.faults
    assert fault.field == ""
    assert "'Lama-3.3-70B'" in fault.message
    assert "Llama-3.3-70B" in fault.message
    assert "real collection" in fault.message
    with pytest.raises(ScenarioError, match="an accelerator of the paper collection"):
        accelerator("B200", PAPER)
    with pytest.raises(ScenarioError, match="format '8-bit' is none of the precisions"):
        model("Llama 3 70B 8-bit")


# Mappings


@pytest.mark.parametrize("collection", Collection)
def test_everything_round_trips_through_json(collection: Collection) -> None:
    for name in model_names(collection):
        item = model(name, collection)
        text = json.dumps(model_to_mapping(item), allow_nan=False)
        again = model_from_mapping(json.loads(text), collection)
        assert again == item
        assert again.sources == item.sources
        assert pickle.loads(pickle.dumps(item)) == item  # noqa: S301
    for name in accelerator_names(collection):
        card = accelerator(name, collection)
        text = json.dumps(accelerator_to_mapping(card), allow_nan=False)
        card_again = accelerator_from_mapping(json.loads(text), collection)
        assert card_again == card
        assert card_again.sources == card.sources


def test_model_from_mapping_fills_in_defaults() -> None:
    item = real_from(MIXTURE)
    assert item.blocks == (AttentionBlock(4, GroupedQueryAttention(8, 2, 32)),)
    assert item.feed_forward[1] == FeedForward(3, 64, up=2, down=1, experts=16, active=2)
    attention = 4 * 256 * 32 * (2 * 8 + 2 * 2)
    assert total_params(item) == attention + 256_000 + 3 * 256 * (512 + 3 * 64 * 16 + 3 * 64)
    assert active_params(item) == attention + 256_000 + 3 * 256 * (512 + 3 * 64 * 2 + 3 * 64)
    assert item.sources["layers"] == "user"


def test_accelerator_like_another() -> None:
    card = accelerator_from_mapping({"like": "H100", "usd_per_gpu_hour": 2.5, "node_size": 4})
    base = accelerator("H100")
    assert (card.name, card.usd_per_gpu_hour, card.node_size) == ("H100-SXM", 2.5, 4)
    assert card.hbm_bytes == base.hbm_bytes
    assert card.sources["usd_per_gpu_hour"] == "user"
    assert card.sources["hbm_bytes"] == base.sources["hbm_bytes"]
    assert accelerator_from_mapping({"like": "V100"}, PAPER) == accelerator("V100", PAPER)


def test_numbers_that_yaml_reads_as_text() -> None:
    card = accelerator_from_mapping(changed(CARD, flops_8bit="2e15", intra_node_bytes_per_s="inf", power_w="7E2"))
    assert (card.flops_8bit, card.power_w) == (2e15, 700.0)
    assert math.isinf(card.intra_node_bytes_per_s)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flops_16bit", 0),
        ("flops_16bit", True),
        ("flops_16bit", "fast"),
        ("flops_8bit", -1.0),
        ("hbm_bytes", math.inf),
        ("hbm_bytes", math.nan),
        ("hbm_bytes", 1e31),
        ("intra_node_bytes_per_s", math.nan),
        ("intra_node_bytes_per_s", 1e31),
        ("inter_node_bytes_per_s", "inf"),
        ("node_size", 8.0),
        ("node_size", True),
        ("node_size", 0),
        ("kernel_launch_s", -1e-6),
        ("kernel_launch_s", 11),
        ("usd_per_gpu_hour", 1e7),
        ("usd_per_gpu_hour", 1e-7),
        ("hbm_bytes_per_s", 9e5),
        ("inter_node_bytes_per_s", 9e5),
        ("intra_node_bytes_per_s", 9e5),
        ("flops_8bit", 9e8),
        ("memory_cap", 9e-4),
        ("name", "a\x1b[31mb"),
        ("arithmetic_cap", 1.01),
        ("memory_cap", 0.0),
        ("topology", "ring"),
        ("usd_per_gpu_hour", "2.1"),
        ("name", ""),
        ("flops_32bit", 1e12),
        ("sources", {"colour": "red"}),
        ("like", 3),
        ("like", "H1000"),
    ],
)
def test_accelerator_faults(field: str, value: object) -> None:
    with pytest.raises(ScenarioError) as error:
        accelerator_from_mapping(changed(CARD, **{field: value}))
    assert fault_fields(error) == [field]
    assert "expected" in error.value.faults[0].message


def test_all_faults_are_collected() -> None:
    with pytest.raises(ScenarioError) as error:
        accelerator_from_mapping({"name": "x", "node_size": -1, "hbm_bytes": "much", "speed": 3})
    found = fault_fields(error)
    assert {"node_size", "hbm_bytes", "speed", "flops_16bit", "memory_cap"} <= set(found)
    assert len(found) == len(set(found))


BLOCK = {"layers": 4, "width": 64}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"layers": 0}, "layers"),
        ({"layers": True}, "layers"),
        ({"width": 256.0}, "width"),
        ({"width": 10**12}, "width"),
        ({"tied_embeddings": "yes"}, "tied_embeddings"),
        ({"activation_bytes": 0}, "activation_bytes"),
        ({"attention": 3}, "attention"),
        ({"attention": {"query_heads": 8}}, "attention"),
        ({"attention": {"kind": "linear"}}, "attention"),
        (
            {"attention": {"kind": "grouped_query", "query_heads": 8, "kv_heads": 3, "head_width": 32}},
            "attention.kv_heads",
        ),
        ({"feed_forward": []}, "feed_forward"),
        ({"feed_forward": [BLOCK] * 65}, "feed_forward"),
        ({"feed_forward": [{"layers": 3, "width": 64}]}, "feed_forward"),
        ({"feed_forward": [BLOCK, {"layers": 1, "width": 64, "shared": True}]}, "feed_forward"),
        ({"feed_forward": [{**BLOCK, "experts": 4, "active": 5}]}, "feed_forward[0].active"),
        ({"feed_forward": [{**BLOCK, "experts": 4, "shared": True}]}, "feed_forward[0].shared"),
        ({"feed_forward": [BLOCK, {"layers": 1}]}, "feed_forward[1].width"),
        ({"feed_forward": [{**BLOCK, "colour": "red"}]}, "feed_forward[0].colour"),
        ({"hidden_size": 4}, "hidden_size"),
    ],
)
def test_model_faults(change: dict[str, object], field: str) -> None:
    with pytest.raises(ScenarioError) as error:
        model_from_mapping(changed(MIXTURE, **change))
    assert fault_fields(error) == [field]
    assert "expected" in error.value.faults[0].message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"active_experts": 3}, "active_experts"),
        ({"query_heads_per_kv_head": 7}, "query_heads_per_kv_head"),
        ({"mla_kv_width": 512}, "mla_query_width"),
        ({"vocabulary": -1}, "vocabulary"),
        ({"weight_bytes": 0}, "weight_bytes"),
    ],
)
def test_paper_model_faults(change: dict[str, object], field: str) -> None:
    mapping = model_to_mapping(model("Llama 3 8B", PAPER))
    with pytest.raises(ScenarioError) as error:
        model_from_mapping(mapping | change, PAPER)
    assert fault_fields(error) == [field]


def test_a_mapping_is_expected() -> None:
    with pytest.raises(ScenarioError, match="expected a mapping"):
        model_from_mapping([1, 2])  # type: ignore[arg-type]


# Tables


@pytest.mark.parametrize("collection", Collection)
def test_dataframes(collection: Collection) -> None:
    models, cards = to_dataframe("models", collection), to_dataframe("accelerators", collection)
    assert tuple(models["name"]) == model_names(collection)
    assert tuple(cards["name"]) == accelerator_names(collection)
    assert {"total_params", "active_params", "cache_bytes_per_token", "memory_fields"} <= set(models)
    assert {"flops_16bit_per_s", "hbm_bytes", "usd_per_gpu_hour", "memory_fields"} <= set(cards)
    # Cells are text and numbers, which tables and JSON can hold.
    assert not any(isinstance(cell, list | dict) for frame in (models, cards) for cell in frame.to_numpy().flat)
    first = model(models["name"].iloc[0], collection)
    assert models["total_params"].iloc[0] == total_params(first)


def test_widths_that_some_models_lack_stay_whole() -> None:
    assert str(to_dataframe("models", PAPER)["mla_kv_width"].dtype) == "Int64"
    assert str(to_dataframe("models")["max_context_tokens"].dtype) == "Int64"


def test_describe_gives_values_units_and_sources() -> None:
    rows = {row.field: row for row in describe("h100")}
    assert rows["name"].value == "H100-SXM"
    assert rows["hbm_bytes_per_s"][1:3] == (3.35e12, "bytes/s")
    assert "InferenceX" in rows["hbm_bytes_per_s"].source
    shown = {row.field: row.value for row in describe("DeepSeek-V3")}
    latent = "61 layers, latent, query heads 128, kv width 512, query width 1536"
    assert str(shown["attention_0"]).startswith(latent)
    assert shown["feed_forward_1"] == "58 layers, 8 of 256 experts, width 2048, 2 up + 1 down"
    assert shown["cache_bytes_per_token"] == 70272
    assert describe("Llama 3 8B", PAPER)
    with pytest.raises(ScenarioError, match="a model or accelerator"):
        describe("H1000")


def test_two_kinds_of_routed_experts_are_refused() -> None:
    mapping = model_to_mapping(model("Mixtral-8x7B"))
    half = {"layers": 16, "width": 1024, "experts": 8, "active": 2}
    mapping["feed_forward"] = [half, {**half, "experts": 12, "active": 3}]
    with pytest.raises(ScenarioError, match="routed experts, expected at most one"):
        model_from_mapping(mapping)


@pytest.mark.parametrize(
    ("file_name", "names"), [("models.yaml", model_names), ("accelerators.yaml", accelerator_names)]
)
def test_a_row_read_by_itself_is_the_row_of_the_whole_file(file_name: str, names: Callable[[], Sequence[str]]) -> None:
    rows = packaged_rows("ieco_opt.catalog", file_name)
    assert [packaged_row(text) for text in packaged_row_texts("ieco_opt.catalog", file_name)] == rows
    assert list(names()) == [row["name"] for row in rows]
    assert [list(aliases(row["name"])) for row in rows] == [row.get("aliases", []) for row in rows]
