"""What servers know a model by: its class, and the blocks of its FP8 checkpoints."""

from __future__ import annotations

import pytest

from ieco_opt import catalog
from ieco_opt.catalog.families import family_of
from ieco_opt.catalog.huggingface.reader import mapping_from_config
from ieco_opt.catalog.types import Model
from ieco_opt.documents import yaml_document
from ieco_opt.documents.packaged import packaged_text


def model(name: str) -> Model:
    found = catalog.model(name)
    assert isinstance(found, Model)
    return found


@pytest.mark.parametrize(
    ("name", "architecture", "block"),
    [
        ("DeepSeek-V3", "DeepseekV3ForCausalLM", 128),
        ("deepseek-ai/DeepSeek-V3", "DeepseekV3ForCausalLM", 128),
        ("Qwen3-32B", "Qwen3ForCausalLM", 128),
        ("Qwen3-235B-A22B", "Qwen3MoeForCausalLM", 128),
        ("Llama-3.3-70B", "LlamaForCausalLM", 0),
        ("gpt-oss-120b", "GptOssForCausalLM", 0),
    ],
)
def test_entries_say_their_class_and_blocks(name: str, architecture: str, block: int) -> None:
    assert (model(name).hf_architecture, model(name).fp8_block) == (architecture, block)
    assert model(name).sources["hf_architecture"] == family_of(model(name).name).source


def test_every_model_of_the_catalog_has_a_family() -> None:
    unknown = [name for name in catalog.model_names() if model(name).hf_architecture is None]
    assert unknown == []


def test_a_model_that_is_like_another_keeps_its_class_under_a_new_name() -> None:
    own = catalog.model_from_mapping({"like": "Qwen3-32B", "name": "mine", "vocabulary": 1000})
    assert isinstance(own, Model)
    assert (own.hf_architecture, own.fp8_block) == ("Qwen3ForCausalLM", 128)
    other = catalog.model_from_mapping({"like": "Qwen3-32B", "name": "mine", "hf_architecture": "LlamaForCausalLM"})
    assert isinstance(other, Model)
    assert (other.hf_architecture, other.fp8_block) == ("LlamaForCausalLM", 128)


def test_a_mapping_reads_back() -> None:
    assert catalog.model_from_mapping(catalog.model_to_mapping(model("DeepSeek-V3"))) == model("DeepSeek-V3")


def test_the_longest_beginning_decides() -> None:
    assert family_of("Qwen3-30B-A3B").architecture == "Qwen3MoeForCausalLM"
    assert family_of("Qwen3-8B").architecture == "Qwen3ForCausalLM"
    assert family_of("something-else") == family_of("")


def test_the_data_file_is_read_alike_by_both_parsers() -> None:
    text = packaged_text("ieco_opt.catalog", "families.yaml")
    assert yaml_document.parse(text, "families.yaml").values == yaml_document.parse_trusted(text)


CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 1000,
}


@pytest.mark.parametrize(
    ("sizes", "block"), [([128, 128], 128), ([1, 128], 128), (None, 0), ([], 0), (["a"], 0), ([True], 0)]
)
def test_a_configuration_says_its_class_and_blocks(sizes: object, block: int) -> None:
    config = CONFIG | {"quantization_config": {"quant_method": "fp8", "weight_block_size": sizes}}
    mapping = mapping_from_config(config, "mine")
    assert (mapping["hf_architecture"], mapping["fp8_block"]) == ("Qwen3ForCausalLM", block)
    by_type = {name: value for name, value in CONFIG.items() if name != "architectures"} | {"model_type": "qwen3"}
    assert mapping_from_config(by_type, "mine")["hf_architecture"] == "Qwen3ForCausalLM"
