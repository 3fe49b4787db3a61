"""Heads that draft, made of models of the catalog, and measured sets of accepted tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ieco_opt import catalog
from ieco_opt.catalog.acceptance import acceptance_names, acceptance_set
from ieco_opt.catalog.attention import GroupedQueryAttention, LatentAttention
from ieco_opt.catalog.heads import eagle3_head, mtp_head
from ieco_opt.catalog.huggingface.reader import mapping_from_config
from ieco_opt.catalog.parameters import total_params
from ieco_opt.catalog.types import Model
from ieco_opt.errors import ScenarioError


def _model(name: str) -> Model:
    found = catalog.model(name)
    assert isinstance(found, Model)
    return found


def test_an_mtp_layer_is_one_layer_of_the_last_type_with_the_embeddings_of_the_model() -> None:
    model = _model("DeepSeek-R1")
    head = mtp_head(model)
    assert (head.layers, head.vocabulary, head.mode, head.borrowed) == (1, 129280, "mtp", ("embedding", "head"))
    assert head.blocks[0].attention == model.blocks[-1].attention
    assert [(block.width, block.experts, block.shared) for block in head.feed_forward] == [
        (2048, 256, False),
        (2048, 1, True),
    ]
    assert head.joining_params == 2 * 7168 * 7168
    assert head.fusing_params == 0
    # DeepSeek's report counts 11.5e9 weights of the module of DeepSeek-V3 beside its shared embeddings.
    own = total_params(head) - 2 * 129280 * 7168 + head.joining_params
    assert own == pytest.approx(11.5e9, rel=0.02)


def test_an_mtp_layer_of_a_dense_model_takes_the_last_block_that_is_one() -> None:
    model = replace(_model("Llama-3.1-8B"), mtp_layers=1)
    (block,) = model.feed_forward
    mixed = replace(model, feed_forward=(replace(block, layers=31), replace(block, layers=1, width=0)))
    assert [each.width for each in mtp_head(mixed).feed_forward] == [block.width]


def test_an_mtp_layer_of_a_mixed_model_has_attention_with_a_cache() -> None:
    head = mtp_head(_model("Qwen3-Next-80B-A3B"))
    assert isinstance(head.blocks[0].attention, GroupedQueryAttention)


def test_an_eagle3_head_takes_an_embedding_beside_a_state_and_has_a_head_of_its_own() -> None:
    head = eagle3_head(_model("Llama-3.3-70B"), "owner/head")
    attention = head.blocks[0].attention
    assert isinstance(attention, GroupedQueryAttention)
    assert attention.extra_params == (64 + 2 * 8) * 128 * 8192
    assert (head.name, head.vocabulary, head.borrowed) == ("owner/head", 32_000, ("embedding",))
    assert head.fusing_params == 3 * 8192 * 8192
    assert [block.width for block in head.feed_forward] == [28672]


def test_an_eagle3_head_of_latent_attention_keeps_it() -> None:
    attention = eagle3_head(_model("DeepSeek-V3.2"), "").blocks[0].attention
    assert isinstance(attention, LatentAttention)
    assert attention.indexer is None
    assert attention.extra_params == (1536 + 512 + 64) * 7168


def test_a_wholly_routed_model_has_an_eagle3_head_four_times_as_wide() -> None:
    head = eagle3_head(_model("Qwen3-235B-A22B"), "")
    assert [block.width for block in head.feed_forward] == [4 * 4096]


def test_an_eagle3_head_is_what_its_config_json_describes() -> None:
    """The published head for Llama 3.1 8B, as its own file says it, against the one that is made of the model."""
    config = {
        "architectures": ["LlamaForCausalLMEagle3"],
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_hidden_layers": 1,
        "vocab_size": 128256,
        "draft_vocab_size": 32000,
        "max_position_embeddings": 2048,
    }
    read = catalog.model_from_mapping(mapping_from_config(config, "head"), catalog.Collection.REAL)
    assert isinstance(read, Model)
    made = eagle3_head(_model("Llama-3.1-8B"), "owner/head")
    # The file's attention holds what joins states; both embeddings of the one that is made count here.
    assert total_params(read) == total_params(made) + made.fusing_params - 32_000 * 4096


@pytest.mark.parametrize("name", ["Llama-3.3-70B", "Kimi-K2.5", "gpt-oss-120b"])
def test_models_without_mtp_layers_are_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match=f"no multi-token-prediction layer of {name} is known"):
        mtp_head(_model(name))


@pytest.mark.parametrize(
    ("key", "count"), [("num_nextn_predict_layers", 1), ("num_mtp_modules", 3), ("num_nextn_predict_layers", 0)]
)
def test_mtp_layers_are_read_from_a_config_json(key: str, count: int) -> None:
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "vocab_size": 1000,
        key: count,
    }
    assert mapping_from_config(config, "own")["mtp_layers"] == count


@pytest.mark.parametrize("name", acceptance_names())
def test_measured_sets_say_what_can_be(name: str) -> None:
    held = acceptance_set(name)
    assert catalog.model(held.model).name == held.model
    tokens = list(held.accepted_tokens.values())
    assert tokens == sorted(tokens)
    assert all(1.0 <= each <= drafts + 1 for drafts, each in held.accepted_tokens.items())
    assert held.source
    if held.mode == "mtp":
        mtp_head(_model(held.model))
    else:
        eagle3_head(_model(held.model), "")


def test_an_unknown_set_names_the_list() -> None:
    with pytest.raises(ScenarioError, match="catalog list acceptance"):
        acceptance_set("deepseek-r1")
