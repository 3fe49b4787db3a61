"""What Hugging Face configurations say of layers, contexts and precisions, family by family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ieco_opt.catalog import cache_bytes_per_token, model, model_from_file, total_params
from ieco_opt.catalog.attention import (
    AttentionBlock,
    GeneralAttention,
    GroupedQueryAttention,
    Indexer,
    LatentAttention,
    NoAttention,
    RecurrentAttention,
)
from ieco_opt.catalog.huggingface.reader import mapping_from_config
from ieco_opt.catalog.mappings import build_model
from ieco_opt.catalog.types import FeedForward, Model
from ieco_opt.errors import ScenarioError

LLAMA: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "num_hidden_layers": 4,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "max_position_embeddings": 8192,
}
MIXTURE: dict[str, object] = {
    **LLAMA,
    "architectures": ["Glm4MoeForCausalLM"],
    "head_dim": 64,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 512,
    "n_routed_experts": 16,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
}
FULL = GroupedQueryAttention(16, 4, 64)


def read(config: dict[str, object], **changes: object) -> Model:
    return build_model(mapping_from_config(config | changes, "Mine"))


def refused(config: dict[str, object], **changes: object) -> list[tuple[str, str]]:
    with pytest.raises(ScenarioError) as error:
        read(config, **changes)
    return [(fault.field, fault.message) for fault in error.value.faults]


def windows(item: Model) -> list[tuple[int, int | None]]:
    return [(block.layers, getattr(block.attention, "window", None)) for block in item.blocks]


# Windows


@pytest.mark.parametrize(
    ("architecture", "keys", "expected"),
    [
        ("MistralForCausalLM", {"sliding_window": 4096}, [(4, 4096)]),
        ("MistralForCausalLM", {"sliding_window": None}, [(4, None)]),
        ("Phi3ForCausalLM", {"sliding_window": 2047}, [(4, 2047)]),
        ("LlamaForCausalLM", {"sliding_window": 4096}, [(4, None)]),
        ("Qwen2ForCausalLM", {"sliding_window": 4096, "use_sliding_window": False}, [(4, None)]),
        (
            "Qwen2ForCausalLM",
            {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 3},
            [(3, None), (1, 4096)],
        ),
        (
            "Qwen3ForCausalLM",
            {"sliding_window": 4096, "layer_types": ["full_attention"] * 3 + ["sliding_attention"]},
            [(3, None), (1, 4096)],
        ),
        ("Gemma2ForCausalLM", {"sliding_window": 4096}, [(2, 4096), (2, None)]),
        ("Gemma3ForCausalLM", {"sliding_window": 512, "num_hidden_layers": 12}, [(10, 512), (2, None)]),
        ("Gemma3ForCausalLM", {"sliding_window": 512, "sliding_window_pattern": 2}, [(2, 512), (2, None)]),
        ("Cohere2ForCausalLM", {"sliding_window": 4096}, [(3, 4096), (1, None)]),
        ("Olmo3ForCausalLM", {"sliding_window": 4096}, [(3, 4096), (1, None)]),
        ("Exaone4ForCausalLM", {"sliding_window": 4096, "sliding_window_pattern": "LG"}, [(2, 4096), (2, None)]),
        ("Exaone4ForCausalLM", {"sliding_window": None, "sliding_window_pattern": None}, [(4, None)]),
        (
            "LlamaForCausalLM",
            {"sliding_window": 128, "layer_types": ["full_attention"] + ["sliding_attention"] * 3},
            [(1, None), (3, 128)],
        ),
        (
            "LlamaForCausalLM",
            {"attention_chunk_size": 64, "layer_types": ["chunked_attention", "full_attention"] * 2},
            [(2, 64), (2, None)],
        ),
    ],
)
def test_windows_stand_in_their_own_blocks(
    architecture: str, keys: dict[str, object], expected: list[tuple[int, int | None]]
) -> None:
    assert windows(read(LLAMA, architectures=[architecture], **keys)) == expected


def test_layers_of_prediction_heads_are_dropped() -> None:
    kinds = ["full_attention", "sliding_attention"] * 3
    assert windows(read(LLAMA, sliding_window=128, layer_types=kinds)) == [(2, None), (2, 128)]


# Kinds of layers


def test_gates_and_narrow_values_count() -> None:
    mimo = {
        **MIXTURE,
        "architectures": ["MiMoV2FlashForCausalLM"],
        "v_head_dim": 32,
        "swa_num_key_value_heads": 8,
        "sliding_window": 128,
        "hybrid_layer_pattern": [0, 1, 1, 1],
        "moe_layer_freq": [0, 1, 1, 1],
    }
    item = read(mimo, first_k_dense_replace=None)
    assert item.blocks == (
        AttentionBlock(1, GroupedQueryAttention(16, 4, 64, value_head_width=32)),
        AttentionBlock(3, GroupedQueryAttention(16, 8, 64, value_head_width=32, window=128)),
    )
    assert [block.layers for block in item.feed_forward] == [1, 3, 3]
    everywhere = read(mimo, first_k_dense_replace=None, hybrid_layer_pattern=None)
    assert everywhere.blocks == (AttentionBlock(4, GroupedQueryAttention(16, 4, 64, value_head_width=32)),)
    gated = read(MIXTURE, architectures=["AfmoeForCausalLM"], num_dense_layers=1, global_attn_every_n_layers=4)
    assert gated.blocks == (AttentionBlock(4, GroupedQueryAttention(16, 4, 64, extra_params=1024 * 1024)),)


def test_full_layers_of_gemma_4_keep_keys_and_values_of_one_matrix() -> None:
    gemma: dict[str, object] = {
        **LLAMA,
        "architectures": ["Gemma4ForCausalLM"],
        "global_head_dim": 128,
        "head_dim": 64,
        "num_global_key_value_heads": 2,
        "sliding_window": 256,
        "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
    }
    assert read(gemma).blocks[1].attention == GroupedQueryAttention(16, 2, 128)
    full = read(gemma, attention_k_eq_v=True).blocks[1].attention
    assert isinstance(full, GeneralAttention)
    assert full.matrices == ((18 * 128, 1024), (1024, 16 * 128))
    assert (full.cache_words, full.kv_heads, full.flop_per_entry) == (2 * 2 * 128, 2, 4 * 16 * 128)
    shared = {"global_head_dim": 64, "sliding_window": 256, "num_kv_shared_layers": 2}
    faults = refused(LLAMA, architectures=["Gemma4ForCausalLM"], **shared)
    assert [field for field, _ in faults] == ["num_kv_shared_layers"]


def test_factorised_queries_of_step_3() -> None:
    item = read(
        MIXTURE,
        architectures=["Step3TextForCausalLM"],
        num_attention_groups=1,
        share_q_dim=256,
        share_expert_dim=512,
        moe_layers_enum="1,3",
    )
    (block,) = item.blocks
    assert isinstance(block.attention, GeneralAttention)
    assert block.attention.matrices == ((256 + 128, 1024), (1024, 256), (1024, 1024))
    assert [(each.layers, each.experts, each.shared) for each in item.feed_forward] == [
        (2, 1, False),
        (2, 16, False),
        (2, 1, True),
    ]


def test_sliding_layers_of_step_have_heads_of_their_own_number() -> None:
    kinds = ["full_attention"] + ["sliding_attention"] * 3
    step: dict[str, object] = {
        **MIXTURE,
        "architectures": ["Step3p5ForCausalLM"],
        "sliding_window": 128,
        "layer_types": kinds,
        "share_expert_dim": 512,
    }
    full = AttentionBlock(1, GroupedQueryAttention(16, 4, 64, extra_params=16 * 1024))
    for keys in ({"attention_other_setting": {"num_attention_heads": 32}}, {"num_sliding_attention_heads": 32}):
        sliding = GroupedQueryAttention(32, 4, 64, window=128, extra_params=32 * 1024)
        assert read(step, **keys).blocks == (full, AttentionBlock(3, sliding))


def test_keys_that_say_nothing_change_nothing() -> None:
    silent = {"use_cla": False, "num_experts": 1, "attn_type_list": [1] * 4, "compress_ratios": [], "index_topk": None}
    assert read(LLAMA, **silent).blocks == (AttentionBlock(4, FULL),)
    assert refused(LLAMA, use_cla=True) == [("use_cla", "found true, expected none in this architecture")]


def test_pruned_layers_are_read_one_by_one() -> None:
    blocks = [
        {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": 5.25}},
        {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.0}},
        {"attention": {"replace_with_linear": True}, "ffn": {"no_op": True}},
        {"attention": {"n_heads_in_group": 8}, "ffn": {"replace_with_linear": True}},
    ]
    for architecture in ("DeciLMForCausalLM", "LlamaForCausalLM"):
        item = read(LLAMA, architectures=[architecture], block_configs=blocks, num_key_value_heads=None)
        assert [block.attention for block in item.blocks] == [
            GroupedQueryAttention(16, 4, 64),
            NoAttention(),
            RecurrentAttention(1024, 512, 512, 1, 1),
            GroupedQueryAttention(16, 2, 64),
        ]
        assert item.feed_forward == (
            FeedForward(1, 3584),
            FeedForward(1, 768),
            FeedForward(1, 0),
            FeedForward(1, 512, up=1, down=1),
        )
        linear = total_params(item) - total_params(read(LLAMA, block_configs=[*blocks[:2], *blocks[1:2], blocks[3]]))
        assert linear == 1024 * 1024 - 3 * 1024 * 768
    faults = refused(LLAMA, block_configs=[*blocks[:3], {"attention": {"sparsify": [1]}, "ffn": {}}])
    assert [field for field, _ in faults] == ["block_configs[3].attention.sparsify", "block_configs[3].ffn.ffn_mult"]
    assert refused(LLAMA, block_configs=[1, *blocks[1:]])[0][0] == "block_configs[0]"


def test_hybrids_with_states() -> None:
    granite = read(
        LLAMA,
        architectures=["GraniteMoeHybridForCausalLM"],
        layer_types=["mamba", "mamba", "attention", "mamba"],
        mamba_n_heads=32,
        mamba_d_state=128,
        mamba_d_head="auto",
        num_local_experts=0,
        shared_intermediate_size=2048,
    )
    assert granite.blocks == (
        AttentionBlock(3, RecurrentAttention(32, 2048 + 2304 + 32, 2048, 2048 * 128, 4 * 2048 * 128 + 2 * 3 * 2304)),
        AttentionBlock(1, FULL),
    )
    assert granite.feed_forward == (FeedForward(4, 2048),)
    lfm = read(LLAMA, architectures=["Lfm2ForCausalLM"], full_attn_idxs=[2], block_auto_adjust_ff_dim=False)
    assert lfm.blocks[0] == AttentionBlock(3, RecurrentAttention(1024, 3072, 1024, 3072, 6144))
    jamba = read(
        MIXTURE,
        architectures=["JambaForCausalLM"],
        attn_layer_period=4,
        attn_layer_offset=1,
        expert_layer_period=2,
        expert_layer_offset=1,
    )
    # Projections in and out of 2 x 1024, and those of a step of rank 64 and of two states of 16, as rows of 1024.
    rows = 2 * 2048 + 2048 * (2 * 64 + 2 * 16) // 1024
    mamba = RecurrentAttention(2048, rows, 2048, 2048 * 16, 4 * 2048 * 16 + 2 * 3 * 2048)
    assert jamba.blocks == (AttentionBlock(3, mamba), AttentionBlock(1, FULL))
    assert [(block.layers, block.experts) for block in jamba.feed_forward] == [(2, 1), (2, 16)]
    faults = refused(LLAMA, architectures=["NemotronHForCausalLM"], hybrid_override_pattern="M*X-")
    assert faults[0][0] == "hybrid_override_pattern"
    assert "found X" in faults[0][1]


def test_a_state_takes_the_bytes_that_the_configuration_says() -> None:
    keys = {
        "architectures": ["Qwen3_5ForCausalLM"],
        "linear_num_key_heads": 4,
        "linear_num_value_heads": 8,
        "linear_key_head_dim": 32,
        "linear_value_head_dim": 32,
    }
    wide, narrow = (read(LLAMA, **keys, mamba_ssm_dtype=kind).blocks[0].attention for kind in ("float32", "bfloat16"))
    assert isinstance(wide, RecurrentAttention)
    assert isinstance(narrow, RecurrentAttention)
    assert wide.state_bytes - narrow.state_bytes == 2 * 8 * 32 * 32


def test_latent_layers_may_share_an_indexer_and_experts_may_be_narrow() -> None:
    latent = {
        **MIXTURE,
        "architectures": ["GlmMoeDsaForCausalLM"],
        "kv_lora_rank": 64,
        "q_lora_rank": 128,
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": 16,
        "v_head_dim": 32,
        "index_topk": 256,
        "index_n_heads": 4,
        "index_head_dim": 32,
        "indexer_types": ["full", "shared", "shared", "full"],
    }
    own, shared = read(latent).blocks
    assert isinstance(own.attention, LatentAttention)
    assert isinstance(shared.attention, LatentAttention)
    assert (own.layers, own.attention.indexer) == (2, Indexer(256, 4, 32))
    assert (shared.layers, shared.attention.indexer) == (2, Indexer(256, 0, 0))
    narrow = read(
        MIXTURE,
        architectures=["NemotronHForCausalLM"],
        hybrid_override_pattern="E*E*",
        moe_latent_size=256,
        moe_shared_expert_intermediate_size=1024,
    )
    assert narrow.feed_forward == (
        FeedForward(2, 128, up=1, down=1, experts=16, active=2),
        FeedForward(2, 1024 + 256, up=1, down=1, shared=True),
        FeedForward(2, 0),
    )


def test_a_layer_of_longcat_counts_as_two() -> None:
    item = model("LongCat-Flash")
    assert isinstance(item, Model)
    assert [block.layers for block in item.blocks] == [56]
    assert item.feed_forward[0].active == 8


@pytest.mark.parametrize(
    ("config", "changes", "field", "words"),
    [
        (LLAMA, {"quantization_config": "fp8"}, "quantization_config", "found 'fp8', expected a mapping"),
        (MIXTURE, {"quantization_config": {"quant_method": 8}}, "quantization_config.quant_method", "expected text"),
        (
            LLAMA,
            {"block_configs": [{"attention": {}, "ffn": {"ffn_mult": -1.0}}] * 4},
            "block_configs[0].ffn.ffn_mult",
            "found -1.0, expected a number above 0",
        ),
        (
            LLAMA,
            {"block_configs": [{"attention": {}, "ffn": {"sparsify": [1], "intermediate_size": 8}}] * 4},
            "block_configs[0].ffn.sparsify",
            "weights left out",
        ),
        (
            MIXTURE,
            {"architectures": ["MiniMaxM3ForCausalLM"], "sparse_attention_config": {"sparse_attention_freq": [1, 1]}},
            "sparse_attention_config.sparse_attention_freq",
            "found 2 entries, expected one for each layer",
        ),
        (
            LLAMA,
            {"architectures": ["DeepseekV4ForCausalLM"], "compress_ratios": [0, 4, 5, 128]},
            "compress_ratios",
            "found [0, 4, 5, 128], expected 0, 4 or 128 for each of 4 layers",
        ),
        (
            LLAMA,
            {"architectures": ["DeepseekV4ForCausalLM"], "layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
            "layer_types",
            "expected 0, 4 or 128 for each of 4 layers",
        ),
        (
            LLAMA,
            {"architectures": ["MiniMaxM1ForCausalLM"], "num_local_experts": 8, "num_experts_per_tok": 2},
            "attn_type_list",
            "missing, expected a list",
        ),
        (LLAMA, {"architectures": ["Mllama"]}, "architectures", "found 'Mllama', which has cross-attention"),
    ],
)
def test_wrong_keys_are_named(config: dict[str, object], changes: dict[str, object], field: str, words: str) -> None:
    faults = dict(reversed(refused(config, **changes)))
    assert words in faults[field]


def test_layers_without_an_indexer_and_blocks_with_numbers_of_their_own() -> None:
    off = {"architectures": ["MiniMaxM3ForCausalLM"], "sparse_attention_config": {"use_sparse_attention": False}}
    assert read(MIXTURE, **off, dense_intermediate_size=4096).blocks == (AttentionBlock(4, FULL),)
    own = {"attention": {"num_key_value_heads": 2, "window_length": 64}, "ffn": {"intermediate_size": 512}}
    item = read(LLAMA, block_configs=[own] * 4)
    assert item.blocks == (AttentionBlock(4, GroupedQueryAttention(16, 2, 64, window=64)),)
    assert item.feed_forward == (FeedForward(4, 512),)


# Defaults, names and wrappers


def test_keys_of_gemma_3_that_stand_at_their_defaults_may_be_left_out() -> None:
    text = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
    config: dict[str, object] = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": text}
    item, known = read(config), model("Gemma-3-4B")
    assert isinstance(known, Model)
    assert (item.blocks, item.max_context_tokens, item.tied_embeddings) == (known.blocks, 131_072, True)
    assert item.vocabulary == 262_208


def test_language_models_inside_others_are_read() -> None:
    inner = {key: value for key, value in LLAMA.items() if key != "architectures"}
    for architecture, extra in (
        ("Mistral3ForConditionalGeneration", {"model_type": "mistral"}),
        ("Qwen2_5_VLForConditionalGeneration", {"model_type": "qwen2_5_vl_text"}),
        ("LlavaForConditionalGeneration", {"model_type": "llama"}),
        ("InternVLForConditionalGeneration", {"model_type": "qwen3"}),
    ):
        item = read({"architectures": [architecture], "text_config": inner | extra, "vision_config": {}})
        assert item.blocks == (AttentionBlock(4, FULL),)
        assert "without the encoders" in item.notes
    chat = read({"architectures": ["InternVLChatModel"], "llm_config": inner | {"architectures": ["Qwen2ForCausalLM"]}})
    assert chat.blocks == (AttentionBlock(4, FULL),)
    assert read(LLAMA, architectures=["Qwen2_5_VLForConditionalGeneration"]).blocks == (AttentionBlock(4, FULL),)
    faults = refused({"architectures": ["InternVLForConditionalGeneration"], "text_config": {"model_type": "mamba"}})
    assert faults[0][0] == "architectures"


def test_names_of_transformers_5() -> None:
    old = read(MIXTURE)
    renamed = {key: value for key, value in MIXTURE.items() if key not in {"n_routed_experts", "first_k_dense_replace"}}
    new = read(renamed, num_local_experts=16, mlp_layer_types=["dense"] + ["sparse"] * 3, dtype="bfloat16")
    assert new.feed_forward == old.feed_forward
    assert new.checkpoint == "bf16"


def test_lists_of_one_number_for_each_layer_are_numbers() -> None:
    hunyuan = {
        **LLAMA,
        "architectures": ["HunYuanMoEV1ForCausalLM"],
        "num_experts": 8,
        "moe_topk": [2] * 4,
        "num_shared_expert": [1] * 4,
        "moe_intermediate_size": [512] * 4,
    }
    assert read(hunyuan).feed_forward == (
        FeedForward(4, 512, experts=8, active=2),
        FeedForward(4, 512, shared=True),
    )
    assert refused(hunyuan, moe_topk=[2, 2, 4, 4])[0][0] == "moe_topk"


@pytest.mark.parametrize(
    ("rope", "tokens"),
    [
        (None, 8192),
        ({"rope_type": "default", "rope_theta": 1e6}, 8192),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}, 16_384),
        ({"type": "yarn", "factor": 4.0}, 32_768),
        ({"type": "linear", "factor": 2.0}, 16_384),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}, 8192),
        ({"type": "longrope", "factor": 32.0}, 8192),
        ({"full_attention": {"rope_type": "yarn", "factor": 2.0}, "sliding_attention": {}}, 16_384),
    ],
)
def test_scaled_positions_lengthen_the_context_where_servers_say_so(rope: object, tokens: int) -> None:
    assert read(LLAMA, rope_scaling=rope).max_context_tokens == tokens
    assert read(LLAMA, rope_parameters=rope).max_context_tokens == tokens


def test_heads_that_draft() -> None:
    head = read(LLAMA, architectures=["LlamaForCausalLMEagle3"], num_hidden_layers=1, draft_vocab_size=8000)
    attention = 1024 * 64 * (16 + 2 * 4) * 2 + 1024 * 1024
    joining = 3 * 1024 * 1024
    assert total_params(head) == attention + joining + 3 * 1024 * 4096 + 8000 * 1024
    assert head.tied_embeddings
    assert "drafts tokens" in head.notes
    inner = {key: value for key, value in LLAMA.items() if key not in {"architectures", "num_hidden_layers"}}
    speculator = read(
        {"architectures": ["Eagle3Speculator"], "draft_vocab_size": 8000, "transformer_layer_config": inner}
    )
    assert speculator.blocks == head.blocks
    assert total_params(speculator) == total_params(head)
    predicted = read(MIXTURE, architectures=["Glm4MoeForCausalLMNextN"], num_nextn_predict_layers=1)
    assert (predicted.layers, [block.experts for block in predicted.feed_forward]) == (1, [16, 1])
    single = read(MIXTURE, num_hidden_layers=1, first_k_dense_replace=0, tie_word_embeddings=True)
    assert total_params(predicted) - total_params(single) == 2 * 1024 * 1024
    assert cache_bytes_per_token(predicted) == cache_bytes_per_token(single)
    hybrid = {
        "linear_num_key_heads": 4,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
    }
    kinds = ["linear_attention"] * 3 + ["full_attention"]
    following = read(LLAMA, architectures=["Qwen3_5MTP"], mtp_num_hidden_layers=1, layer_types=kinds, **hybrid)
    (block,) = following.blocks
    gate, joining = 1024 * 1024, 2 * 1024 * 1024
    assert block == AttentionBlock(1, GroupedQueryAttention(16, 4, 64, extra_params=gate + joining))


# Precisions


def quantised(**given: object) -> tuple[str | None, dict[str, str]]:
    item = read(MIXTURE, quantization_config=given)
    assert item.checkpoint is not None
    return item.checkpoint, dict(item.recipes[item.checkpoint])


ALL = ("attention", "feed_forward", "experts", "shared_experts")
FLOAT_4 = {"num_bits": 4, "type": "float", "group_size": 16}


@pytest.mark.parametrize(
    ("given", "checkpoint", "recipe"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", dict.fromkeys(ALL, "fp8")),
        (
            {"quant_method": "fp8", "modules_to_not_convert": ["gate", "lm_head", "self_attn"]},
            "fp8",
            dict.fromkeys(ALL[1:], "fp8"),
        ),
        (
            {
                "quant_method": "fbgemm_fp8",
                "modules_to_not_convert": [f"model.layers.{at}.self_attn" for at in range(4)],
            },
            "fp8",
            dict.fromkeys(ALL[1:], "fp8"),
        ),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, "mxfp4", {"experts": "mxfp4"}),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq", dict.fromkeys(ALL, "awq")),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, "int4_g64", dict.fromkeys(ALL, "int4_g64")),
        (
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"-:.*self_attn.*": {}}},
            "gptq",
            dict.fromkeys(ALL[1:], "gptq"),
        ),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "int8", dict.fromkeys(ALL, "int8")),
        ({"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}, "nvfp4", dict.fromkeys(ALL, "nvfp4")),
        (
            {
                "quant_method": "modelopt",
                "quant_algo": "NVFP4",
                "ignore": ["*self_attn*", "model.layers.0*", "model.layers.*.mlp.shared_experts*"],
            },
            "nvfp4",
            {"experts": "nvfp4"},
        ),
        (
            {
                "quant_method": "modelopt",
                "quant_algo": "MIXED_PRECISION",
                "quantized_layers": {
                    "lm_head": {"quant_algo": "NVFP4"},
                    **{f"model.layers.{at}.mlp.experts": {"quant_algo": "W4A16_NVFP4"} for at in range(4)},
                    **{
                        f"model.layers.{at}.self_attn.{x}_proj": {"quant_algo": "FP8"}
                        for at in range(4)
                        for x in "qkvo"
                    },
                },
            },
            "nvfp4",
            {"experts": "nvfp4", "attention": "fp8", "head": "nvfp4"},
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32}}
                },
                "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|down)_proj.*"],
            },
            "int4_g32",
            {"experts": "int4_g32"},
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float"}},
                    "group_1": {"targets": ["re:.*experts.*"], "weights": FLOAT_4},
                },
                "ignore": ["lm_head"],
            },
            "nvfp4",
            {"attention": "fp8", "feed_forward": "fp8", "experts": "nvfp4", "shared_experts": "nvfp4"},
        ),
        (
            {
                "quant_method": "quark",
                "global_quant_config": {"weight": {"dtype": "fp4"}},
                "layer_quant_config": {"*self_attn*": {"weight": {"dtype": "fp8_e4m3"}}},
                "exclude": ["lm_head"],
            },
            "mxfp4",
            {**dict.fromkeys(ALL, "mxfp4"), "attention": "fp8"},
        ),
        ({"quant_method": "fp8", "expert_dtype": "fp4"}, "mxfp4", {**dict.fromkeys(ALL, "fp8"), "experts": "mxfp4"}),
    ],
)
def test_what_is_quantised_becomes_the_recipe(
    given: dict[str, object], checkpoint: str, recipe: dict[str, str]
) -> None:
    assert quantised(**given) == (checkpoint, {**recipe, "rest": "bf16"})


def test_a_part_in_two_formats_is_in_the_nearest_to_its_mean() -> None:
    # Of four layers, one keeps its attention: (3 x 4.5 + 16) / 4 = 7.4 bits, 1.6 times 4.5, and 16 is 2.2 times that.
    kept = {"quant_algo": "NVFP4", "ignore": ["model.layers.2.self_attn*"]}
    assert quantised(**kept)[1]["attention"] == "nvfp4"
    # Two keep it: 10.25 bits, 2.3 times 4.5, and 16 is 1.6 times that.
    half = {"quant_algo": "NVFP4", "ignore": [f"model.layers.{at}.self_attn*" for at in range(2)]}
    assert "attention" not in quantised(**half)[1]


def test_names_of_layers_are_those_that_the_configuration_uses() -> None:
    item = read(
        LLAMA,
        architectures=["NemotronHForCausalLM"],
        hybrid_override_pattern="M-*-",
        mamba_num_heads=16,
        mamba_head_dim=64,
        n_groups=1,
        ssm_state_size=64,
        quantization_config={
            "quant_algo": "FP8",
            "exclude_modules": ["backbone.layers.1.mixer*", "backbone.layers.3.mixer*", "lm_head"],
        },
    )
    assert item.recipes == {"fp8": {"attention": "fp8", "rest": "bf16"}}
    gemma = read(
        MIXTURE,
        architectures=["Gemma4ForCausalLM"],
        enable_moe_block=True,
        num_experts=16,
        top_k_experts=2,
        quantization_config={
            "quant_algo": "NVFP4",
            "ignore": [f"model.language_model.layers.{at}.mlp*" for at in range(4)],
        },
    )
    assert gemma.recipes["nvfp4"] == {"attention": "nvfp4", "experts": "nvfp4", "rest": "bf16"}


@pytest.mark.parametrize(
    ("dtype", "checkpoint"), [("bfloat16", "bf16"), ("float16", "fp16"), ("torch.float16", "fp16")]
)
def test_the_type_of_the_weights_is_the_precision_where_nothing_is_quantised(dtype: str, checkpoint: str) -> None:
    item = read(LLAMA, torch_dtype=dtype)
    assert (item.checkpoint, item.recipes) == (checkpoint, {})
    assert read(LLAMA).checkpoint is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"quant_method": "bitsandbytes"}, "quantization_config.quant_method"),
        ({}, "quantization_config.quant_method"),
        ({"quant_method": "awq", "bits": 3}, "quantization_config.bits"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 48}, "quantization_config.bits"),
        ({"quant_algo": "W2A2"}, "quantization_config.quant_algo"),
        ({"quant_algo": "NVFP4", "ignore": "lm_head"}, "quantization_config.ignore"),
        (
            {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"model.layers.0": {"quant_algo": "W2"}}},
            "quantization_config.quantized_layers",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 2}}}},
            "quantization_config.config_groups.group_0.weights.num_bits",
        ),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "int2"}}},
            "quantization_config.global_quant_config.weight.dtype",
        ),
    ],
)
def test_unknown_precisions_are_refused(given: dict[str, object], field: str) -> None:
    assert [each for each, _ in refused(MIXTURE, quantization_config=given)] == [field]


def test_patterns_that_are_none_are_left_out() -> None:
    given = {"quant_method": "compressed-tensors", "ignore": ["re:(", "re:" + "a" * 400]}
    groups = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float"}}}
    assert quantised(**given, config_groups=groups)[0] == "fp8"


def test_a_file_beside_the_configuration_may_say_what_is_quantised(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(MIXTURE | {"time_step_limit": [0.0, float("inf")]}), encoding="utf-8")
    plain = model_from_file(path)
    assert isinstance(plain, Model)
    assert plain.recipes == {}
    beside = tmp_path / "hf_quant_config.json"
    given = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    beside.write_text(json.dumps(given), encoding="utf-8")
    item = model_from_file(path)
    assert isinstance(item, Model)
    assert item.recipes == {"fp8": {**dict.fromkeys(ALL, "fp8"), "rest": "bf16"}}
    beside.write_text("[", encoding="utf-8")
    with pytest.raises(ScenarioError, match="no valid JSON"):
        model_from_file(path)
