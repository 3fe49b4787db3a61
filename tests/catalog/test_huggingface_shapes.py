"""Configurations as makers write them are read as the catalog's entries, or have the weights that makers publish."""

from __future__ import annotations

import pytest
from published_counts import LEAST_SHARE, billions

from ieco_opt.catalog import model, model_to_mapping, total_params
from ieco_opt.catalog.attention import AttentionBlock, GroupedQueryAttention, RecurrentAttention, attention_matrices
from ieco_opt.catalog.huggingface.layers import NO_ATTENTION
from ieco_opt.catalog.huggingface.modules import modules, spelling_in
from ieco_opt.catalog.huggingface.reader import mapping_from_config
from ieco_opt.catalog.mappings import build_model
from ieco_opt.catalog.types import FeedForward, Model

KIMI_LINEAR: dict[str, object] = {
    "architectures": ["KimiLinearForCausalLM"],
    "hidden_size": 2304,
    "num_hidden_layers": 27,
    "num_attention_heads": 32,
    "kv_lora_rank": 512,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "intermediate_size": 9216,
    "moe_intermediate_size": 1024,
    "num_experts": 256,
    "num_experts_per_token": 8,
    "num_shared_experts": 1,
    "vocab_size": 163_840,
}
FULL_OF_KIMI = [4, 8, 12, 16, 20, 24, 27]

# Keys as the public code of each architecture spells them; those that stand at its defaults are left out.
AS_IN_THE_CATALOG: list[tuple[str, dict[str, object]]] = [
    (
        "LongCat-Flash",
        {
            "architectures": ["LongcatFlashForCausalLM"],
            "hidden_size": 6144,
            "num_layers": 28,
            "num_attention_heads": 64,
            "kv_lora_rank": 512,
            "q_lora_rank": 1536,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "ffn_hidden_size": 12_288,
            "expert_ffn_hidden_size": 2048,
            "n_routed_experts": 512,
            "moe_topk": 12,
            "zero_expert_num": 256,
            "vocab_size": 131_072,
        },
    ),
    (
        "Falcon-40B",
        {
            "architectures": ["FalconForCausalLM"],
            "hidden_size": 8192,
            "num_hidden_layers": 60,
            "num_attention_heads": 128,
            "new_decoder_architecture": True,
            "num_kv_heads": 8,
            "vocab_size": 65_024,
        },
    ),
    (
        "Falcon-7B",
        {
            "architectures": ["FalconForCausalLM"],
            "hidden_size": 4544,
            "n_layer": 32,
            "n_head": 71,
            "multi_query": True,
            "vocab_size": 65_024,
        },
    ),
    (
        "ERNIE-4.5-300B-A47B",
        {
            "architectures": ["Ernie4_5_MoeForCausalLM"],
            "hidden_size": 8192,
            "num_hidden_layers": 54,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "intermediate_size": 28_672,
            "moe_intermediate_size": 3584,
            "moe_num_experts": 64,
            "moe_k": 8,
            "moe_layer_start_index": 3,
            "moe_layer_end_index": 53,
            "moe_layer_interval": 1,
            "tie_word_embeddings": False,
            "vocab_size": 103_424,
        },
    ),
    (
        "ERNIE-4.5-21B-A3B",
        {
            "architectures": ["Ernie4_5_MoeForCausalLM"],
            "hidden_size": 2560,
            "num_hidden_layers": 28,
            "num_attention_heads": 20,
            "num_key_value_heads": 4,
            "intermediate_size": 12_288,
            "moe_intermediate_size": 1536,
            "moe_num_experts": 64,
            "moe_k": 6,
            "moe_num_shared_experts": 2,
            "vocab_size": 103_424,
        },
    ),
    (
        "Ling-3.0-Flash",
        {
            "architectures": ["BailingHybridForCausalLM"],
            "hidden_size": 2560,
            "num_hidden_layers": 42,
            "num_attention_heads": 32,
            "head_dim": 128,
            "kv_lora_rank": 512,
            "q_lora_rank": None,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "intermediate_size": 6144,
            "moe_intermediate_size": 768,
            "num_experts": 512,
            "num_experts_per_tok": 8,
            "num_shared_experts": 1,
            "vocab_size": 157_184,
        },
    ),
    (
        "Ling-mini-2.0",
        {
            "architectures": ["BailingMoeV2ForCausalLM"],
            "hidden_size": 2048,
            "num_hidden_layers": 20,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "intermediate_size": 5120,
            "moe_intermediate_size": 512,
            "first_k_dense_replace": 1,
            "num_experts": 256,
            "num_experts_per_tok": 8,
            "num_shared_experts": 1,
            "vocab_size": 157_184,
        },
    ),
    (
        "MiniMax-M1",
        {
            "architectures": ["MiniMaxM1ForCausalLM"],
            "hidden_size": 6144,
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 9216,
            "num_local_experts": 32,
            "num_experts_per_tok": 2,
            "attn_type_list": ([0] * 7 + [1]) * 10,
            "vocab_size": 200_064,
        },
    ),
    (
        "Kimi-Linear-48B-A3B",
        KIMI_LINEAR
        | {
            "linear_attn_config": {
                "full_attn_layers": FULL_OF_KIMI,
                "num_heads": 32,
                "head_dim": 128,
                "short_conv_kernel_size": 4,
            }
        },
    ),
    (
        "Kimi-Linear-48B-A3B",
        KIMI_LINEAR
        | {
            "layer_types": ["full_attention" if at in FULL_OF_KIMI else "linear_attention" for at in range(1, 28)],
            "linear_num_heads": 32,
            "linear_head_dim": 128,
            "linear_conv_kernel_dim": 4,
        },
    ),
    (
        "Granite-4.0-H-Small",
        {
            "architectures": ["GraniteMoeHybridForCausalLM"],
            "hidden_size": 4096,
            "layer_types": ["attention" if at in (5, 15, 25, 35) else "mamba" for at in range(40)],
            "num_hidden_layers": 40,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "intermediate_size": 768,
            "shared_intermediate_size": 1536,
            "num_local_experts": 72,
            "num_experts_per_tok": 10,
            "mamba_n_heads": 128,
            "mamba_d_head": 64,
            "mamba_d_state": 128,
            "tie_word_embeddings": True,
            "vocab_size": 100_352,
        },
    ),
    (
        "Hunyuan-3",
        {
            "architectures": ["HYV3ForCausalLM"],
            "hidden_size": 4096,
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 13_312,
            "moe_intermediate_size": 1536,
            "num_experts": 192,
            "num_experts_per_tok": 8,
            "num_shared_experts": 1,
            "vocab_size": 120_832,
        },
    ),
    (
        "Step-3",
        {
            "architectures": ["Step3TextForCausalLM"],
            "hidden_size": 7168,
            "num_hidden_layers": 61,
            "num_attention_heads": 64,
            "num_attention_groups": 1,
            "head_dim": 256,
            "share_q_dim": 2048,
            "intermediate_size": 18_432,
            "moe_intermediate_size": 5120,
            "moe_num_experts": 48,
            "moe_top_k": 3,
            "share_expert_dim": 5120,
            "moe_layers_enum": ",".join(map(str, range(4, 60))),
            "vocab_size": 128_815,
        },
    ),
    (
        "GLM-4.7-Flash",
        {
            "architectures": ["Glm4MoeLiteForCausalLM"],
            "hidden_size": 2048,
            "num_hidden_layers": 47,
            "num_attention_heads": 20,
            "kv_lora_rank": 512,
            "q_lora_rank": 768,
            "qk_nope_head_dim": 192,
            "qk_rope_head_dim": 64,
            "v_head_dim": 256,
            "intermediate_size": 10_240,
            "moe_intermediate_size": 1536,
            "n_routed_experts": 64,
            "num_experts_per_tok": 4,
            "n_shared_experts": 1,
            "vocab_size": 154_880,
        },
    ),
    (
        "Mistral-Small-4",
        {
            "architectures": ["Mistral4ForCausalLM"],
            "hidden_size": 4096,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "kv_lora_rank": 256,
            "q_lora_rank": 1024,
            "qk_nope_head_dim": 64,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "intermediate_size": 12_288,
            "moe_intermediate_size": 2048,
            "n_routed_experts": 128,
            "num_experts_per_tok": 4,
            "n_shared_experts": 1,
            "vocab_size": 131_072,
        },
    ),
]

# Models that the catalog has not: the published number of weights, the keys.
AS_PUBLISHED: list[tuple[str, dict[str, object]]] = [
    (
        "1.17",  # LFM2-1.2B
        {
            "architectures": ["Lfm2ForCausalLM"],
            "hidden_size": 2048,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "full_attn_idxs": [2, 5, 8, 10, 12, 14],
            "block_ff_dim": 12_288,
            "block_ffn_dim_multiplier": 1.0,
            "block_multiple_of": 256,
            "vocab_size": 65_536,
        },
    ),
    (
        "9.78",  # Bamba-9B
        {
            "architectures": ["BambaForCausalLM"],
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "attn_layer_indices": [9, 18, 27],
            "mamba_n_heads": 128,
            "mamba_d_head": 64,
            "mamba_d_state": 128,
            "vocab_size": 128_256,
        },
    ),
]

SMALL: dict[str, object] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "num_hidden_layers": 8,
    "vocab_size": 32_000,
}


def real(name: str) -> Model:
    found = model(name)
    assert isinstance(found, Model)
    return found


@pytest.mark.parametrize(("name", "config"), AS_IN_THE_CATALOG)
def test_a_configuration_is_read_as_the_entry_of_the_catalog(name: str, config: dict[str, object]) -> None:
    item, known = build_model(mapping_from_config(config, name)), real(name)
    assert set(item.blocks) == set(known.blocks)
    assert set(item.feed_forward) == set(known.feed_forward)
    assert (item.layers, item.width, item.vocabulary) == (known.layers, known.width, known.vocabulary)
    assert item.tied_embeddings == known.tied_embeddings


@pytest.mark.parametrize(("published", "config"), AS_PUBLISHED)
def test_a_configuration_has_the_published_count(published: str, config: dict[str, object]) -> None:
    total, half = billions(published)
    item = build_model(mapping_from_config(config, "Mine"))
    assert total_params(item) / 1e9 == pytest.approx(total, rel=LEAST_SHARE, abs=half)
    listed = config.get("full_attn_idxs") or config["attn_layer_indices"]
    assert isinstance(listed, list)
    full = [block.layers for block in item.blocks if isinstance(block.attention, GroupedQueryAttention)]
    assert full == [len(listed)]


def test_lightning_attention_comes_in_groups() -> None:
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 512}
    config = {**SMALL, "architectures": ["BailingMoeLinearV2ForCausalLM"], "layer_group_size": 4, **experts}
    item = build_model(mapping_from_config(config, "Mine"))
    # Queries, keys, values and a gate; a state of 64 x 64 for each of 16 heads, in 32 bits.
    lightning = RecurrentAttention(16, 4 * 1024, 1024, 16 * 64 * 64, 4 * 16 * 64 * 64)
    assert item.blocks == (AttentionBlock(6, lightning), AttentionBlock(2, GroupedQueryAttention(16, 4, 64)))
    assert item.feed_forward == (FeedForward(8, 512, experts=8, active=2),)


def test_every_fourth_layer_of_an_olmo_hybrid_is_full() -> None:
    linear = {"linear_num_key_heads": 4, "linear_num_value_heads": 8, "linear_key_head_dim": 32}
    config = {**SMALL, "architectures": ["OlmoHybridForCausalLM"], **linear, "linear_value_head_dim": 64}
    net, full = build_model(mapping_from_config(config, "Mine")).blocks
    keys, values = 4 * 32, 8 * 64
    state_bytes = 4 * 8 * 32 * 64 + 2 * 3 * (2 * keys + values)
    delta = RecurrentAttention(4, 2 * keys + 2 * values + 2 * 8, values, 8 * 32 * 64, state_bytes)
    assert net == AttentionBlock(6, delta)
    assert full == AttentionBlock(2, GroupedQueryAttention(16, 4, 64))


@pytest.mark.parametrize(
    "name", ["Llama-3.3-70B", "MiMo-V2-Flash", "DeepSeek-V3", "DeepSeek-V2-Lite", "MiniMax-M1", "Step-3"]
)
def test_matrices_that_have_names_are_all_of_a_models_weights(name: str) -> None:
    item = real(name)
    mapping = model_to_mapping(item)
    rows = mapping.get("blocks") or [{"layers": item.layers, "attention": mapping["attention"]}]
    blocks = mapping["feed_forward"]
    assert isinstance(rows, list)
    assert isinstance(blocks, list)
    attentions = [row["attention"] for row in rows for _ in range(row["layers"])]
    feed_forwards = [({**block, "experts": 0} if block["experts"] == 1 else block,) for block in blocks]
    named = [
        *modules(item.width, attentions, [()] * len(attentions), spelling_in("", beside=False)),
        *modules(item.width, [NO_ATTENTION] * len(blocks), feed_forwards, spelling_in("", beside=False)),
    ]
    weights: dict[str, int] = {}
    for module in named:
        weights[module.part] = weights.get(module.part, 0) + module.weights
    assert weights.pop("attention") == sum(
        block.layers * sum(matrix.params for matrix in attention_matrices(block.attention, item.width))
        for block in item.blocks
    )
    expected: dict[str, int] = {}
    for block in item.feed_forward:
        part = "experts" if block.experts > 1 else "shared_experts" if block.shared else "feed_forward"
        own = block.experts * (block.up + block.down) * block.width * item.width
        expected[part] = expected.get(part, 0) + own
    assert weights == expected


def test_the_share_of_each_latent_matrix_decides_the_precision_of_attention() -> None:
    config = {
        "architectures": ["DeepseekV3ForCausalLM"],
        "hidden_size": 7168,
        "num_hidden_layers": 2,
        "first_k_dense_replace": 1,
        "num_attention_heads": 128,
        "kv_lora_rank": 512,
        "q_lora_rank": 1536,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "intermediate_size": 18_432,
        "moe_intermediate_size": 2048,
        "n_routed_experts": 256,
        "num_experts_per_tok": 8,
        "n_shared_experts": 1,
        "vocab_size": 129_280,
    }

    def attention(*kept: str) -> str | None:
        ignored = [f"model.layers.{at}.self_attn.{name}" for at in range(2) for name in kept]
        given = {"quant_algo": "NVFP4", "ignore": ignored}
        item = build_model(mapping_from_config({**config, "quantization_config": given}, "Mine"))
        return item.recipes["nvfp4"].get("attention")

    # The output projection has 117 of 187 million weights: (117 x 4.5 + 70 x 16) / 187 = 8.8 bits, nearer to 16.
    assert attention("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj") is None
    # With the 17 million of kv_b_proj: 7.8 bits, nearer to 4.5.
    assert attention("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa") == "nvfp4"
