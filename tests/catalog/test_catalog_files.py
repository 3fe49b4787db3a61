"""Models from files: YAML, JSON and Hugging Face configurations."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from places import ROOT

from ieco_opt.catalog import (
    Collection,
    accelerator_from_mapping,
    model,
    model_from_file,
    model_from_mapping,
    model_to_mapping,
    total_params,
)
from ieco_opt.catalog.store import find
from ieco_opt.catalog.types import Accelerator, FeedForward, Model
from ieco_opt.errors import ScenarioError

PAPER = Collection.PAPER

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

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
DEEPSEEK = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "num_hidden_layers": 61,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
}
CONFIGS: dict[str, dict[str, object]] = {
    "Llama-3.1-70B": LLAMA,
    "DeepSeek-V3": DEEPSEEK,
    "DeepSeek-V2-Lite": DEEPSEEK
    | {
        "architectures": ["DeepseekV2ForCausalLM"],
        "hidden_size": 2048,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_experts_per_tok": 6,
        "first_k_dense_replace": 1,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "q_lora_rank": None,
        "vocab_size": 102400,
    },
    "Mistral-7B": LLAMA
    | {
        "architectures": ["MistralForCausalLM"],
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "vocab_size": 32768,
        "sliding_window": None,
    },
    "Mixtral-8x7B": {
        "architectures": ["MixtralForCausalLM"],
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "vocab_size": 32000,
    },
    "Qwen3-0.6B": {
        "architectures": ["Qwen3ForCausalLM"],
        "head_dim": 128,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_attention_heads": 16,
        "num_hidden_layers": 28,
        "num_key_value_heads": 8,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "sliding_window": 4096,
    },
    "Qwen3-30B-A3B": {
        "architectures": ["Qwen3MoeForCausalLM"],
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "head_dim": 128,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_attention_heads": 32,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 48,
        "num_key_value_heads": 4,
        "vocab_size": 151936,
    },
    "gpt-oss-20b": {
        "architectures": ["GptOssForCausalLM"],
        "experts_per_token": 4,
        "head_dim": 64,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "layer_types": ["sliding_attention", "full_attention"] * 12,
        "num_attention_heads": 64,
        "num_hidden_layers": 24,
        "num_key_value_heads": 8,
        "num_local_experts": 32,
        "sliding_window": 128,
        "vocab_size": 201088,
    },
    "Gemma-2-9B": {
        "architectures": ["Gemma2ForCausalLM"],
        "head_dim": 256,
        "hidden_size": 3584,
        "intermediate_size": 14336,
        "num_attention_heads": 16,
        "num_hidden_layers": 42,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
        "vocab_size": 256000,
    },
    "Gemma-3-12B": {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "text_config": {
            "head_dim": 256,
            "hidden_size": 3840,
            "intermediate_size": 15360,
            "num_attention_heads": 16,
            "num_hidden_layers": 48,
            "num_key_value_heads": 8,
            "sliding_window": 1024,
            "vocab_size": 262144,
        },
    },
    "Falcon-40B": {
        "architectures": ["FalconForCausalLM"],
        "hidden_size": 8192,
        "multi_query": True,
        "new_decoder_architecture": True,
        "num_attention_heads": 128,
        "num_hidden_layers": 60,
        "num_kv_heads": 8,
        "vocab_size": 65024,
    },
    "Falcon-7B": {
        "architectures": ["FalconForCausalLM"],
        "hidden_size": 4544,
        "n_head": 71,
        "n_layer": 32,
        "vocab_size": 65024,
    },
    "Llama-4-Maverick": {
        "architectures": ["Llama4ForConditionalGeneration"],
        "text_config": {
            "attention_chunk_size": 8192,
            "head_dim": 128,
            "hidden_size": 5120,
            "interleave_moe_layer_step": 2,
            "intermediate_size": 8192,
            "intermediate_size_mlp": 16384,
            "num_attention_heads": 40,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 48,
            "num_key_value_heads": 8,
            "num_local_experts": 128,
            "vocab_size": 202048,
        },
    },
    "GLM-4.5-Air": {
        "architectures": ["Glm4MoeForCausalLM"],
        "first_k_dense_replace": 1,
        "head_dim": 128,
        "hidden_size": 4096,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "n_routed_experts": 128,
        "n_shared_experts": 1,
        "num_attention_heads": 96,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 46,
        "num_key_value_heads": 8,
        "vocab_size": 151552,
    },
    "MiniMax-M2.5": {
        "architectures": ["MiniMaxM2ForCausalLM"],
        "attn_type_list": [1] * 62,
        "head_dim": 128,
        "hidden_size": 3072,
        "intermediate_size": 1536,
        "num_attention_heads": 48,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 62,
        "num_key_value_heads": 8,
        "num_local_experts": 256,
        "vocab_size": 200064,
    },
}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_huggingface_config_gives_the_catalog_model(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    item = model_from_file(write(folder / "config.json", CONFIGS[name]))
    expected = model(name)
    assert isinstance(expected, Model)
    assert isinstance(item, Model)
    assert item.name == name
    for field in ("layers", "width", "vocabulary", "tied_embeddings", "blocks", "feed_forward"):
        assert getattr(item, field) == getattr(expected, field), field
    assert "config.json" in item.sources["layers"]


def test_qwen2_moe_has_a_shared_expert_and_may_have_dense_layers(tmp_path: Path) -> None:
    config = CONFIGS["Qwen3-30B-A3B"] | {
        "architectures": ["Qwen2MoeForCausalLM"],
        "shared_expert_intermediate_size": 5632,
        "mlp_only_layers": [0, 1],
    }
    item = model_from_file(write(tmp_path / "mine.json", config))
    assert isinstance(item, Model)
    assert item.name == "mine"
    assert item.feed_forward == (
        FeedForward(2, 6144),
        FeedForward(46, 768, experts=128, active=8),
        FeedForward(46, 5632, shared=True),
    )


def test_model_type_stands_in_for_architectures(tmp_path: Path) -> None:
    config = {key: value for key, value in LLAMA.items() if key != "architectures"}
    item = model_from_file(write(tmp_path / "x.json", config))
    assert total_params(item) == total_params(model("Llama-3.1-70B"))


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"architectures": ["FalconH1ForCausalLM"]}, "architectures", "side by side"),
        ({"architectures": ["Gemma3nForCausalLM"]}, "architectures", "embeddings of each layer"),
        ({"architectures": ["MambaForCausalLM"]}, "architectures", "no attention at all"),
        ({"architectures": ["BertModel"]}, "architectures", "LlamaForCausalLM"),
        ({"architectures": ["BertModel"]}, "architectures", "described by its layers in YAML, as `blocks`"),
        ({"architectures": [], "model_type": None}, "architectures", "nothing"),
        ({"layer_types": ["linear_attention"] * 80}, "layer_types", "linear_attention"),
        ({"layer_types": ["full_attention"]}, "layer_types", "one for each of 80 layers"),
        ({"layer_types": "full"}, "layer_types", "a list"),
        ({"attn_type_list": [0, 1]}, "attn_type_list", "in this architecture"),
        ({"index_topk": 2048}, "index_topk", "in this architecture"),
        ({"num_experts": 64}, "num_experts", "in this architecture"),
        ({"linear_attn_config": {"num_heads": 32}}, "linear_attn_config", "in this architecture"),
        ({"hidden_size": None}, "hidden_size", "missing"),
        ({"hidden_size": "8192"}, "hidden_size", "whole number"),
        ({"hidden_size": 8191}, "head_dim", "no multiple"),
        ({"num_hidden_layers": 10**8}, "num_hidden_layers", "100000"),
        ({"vocab_size": True}, "vocab_size", "whole number"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings", "true or false"),
        ({"num_key_value_heads": 7}, "attention.kv_heads", "divisor"),
    ],
)
def test_huggingface_faults(change: dict[str, object], field: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", LLAMA | change)
    with pytest.raises(ScenarioError) as error:
        model_from_file(path)
    (fault,) = error.value.faults
    assert (fault.file, fault.field) == (str(path), field)
    assert words in fault.message
    assert "expected" in fault.message


def test_missing_keys_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        model_from_file(write(tmp_path / "config.json", {"architectures": ["DeepseekV3ForCausalLM"]}))
    found = [fault.field for fault in error.value.faults]
    assert {"num_hidden_layers", "hidden_size", "kv_lora_rank", "n_routed_experts"} <= set(found)
    assert len(found) == len(set(found))


def test_wrapped_config_names_the_key_inside(tmp_path: Path) -> None:
    config = copy.deepcopy(CONFIGS["Gemma-3-12B"])
    del config["text_config"]["hidden_size"]  # type: ignore[attr-defined]
    with pytest.raises(ScenarioError) as error:
        model_from_file(write(tmp_path / "config.json", config))
    assert [fault.field for fault in error.value.faults] == ["text_config.hidden_size"]


def test_huggingface_config_is_no_paper_model(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="paper collection"):
        model_from_file(write(tmp_path / "config.json", LLAMA), PAPER)


YAML_MODEL = """\
layers: 4
width: 256
vocabulary: 1000
tied_embeddings: true
attention: {kind: grouped_query, query_heads: 8, kv_heads: 2, head_width: 32}
feed_forward:
  - {layers: 1, width: 512}
  - {layers: 3, width: 64, experts: 16, active: 2}
  - {layers: 3, width: 64, shared: true}
"""


def test_model_from_yaml_and_from_json(tmp_path: Path) -> None:
    path = tmp_path / "Mine.yaml"
    path.write_text(YAML_MODEL, encoding="utf-8")
    assert model_from_file(path) == model_from_mapping(MIXTURE)
    assert model_from_file(write(tmp_path / "model.json", MIXTURE)) == model_from_mapping(MIXTURE)
    paper = model("GPT-3.5", PAPER)
    assert model_from_file(write(tmp_path / "p.json", model_to_mapping(paper)), PAPER) == paper


def test_yaml_faults_carry_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(YAML_MODEL.replace("active: 2", "active: 20") + "colour: red\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        model_from_file(path)
    places = {(fault.file, fault.line, fault.field) for fault in error.value.faults}
    assert places == {(str(path), 8, "feed_forward[1].active"), (str(path), 10, "colour")}


def test_json_faults_carry_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    blocks = [{"layers": 1, "width": 512}, {"layers": 3, "width": 64, "experts": 16, "active": 20}]
    path.write_text(json.dumps(MIXTURE | {"feed_forward": blocks, "colour": "red"}, indent=1), encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        model_from_file(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    wanted = {"feed_forward[1].active": '"active": 20', "colour": '"colour"'}
    found = {fault.field: fault for fault in error.value.faults}
    assert {str(path)} == {fault.file for fault in found.values()}
    assert {
        name: lines[(found[name].line or 0) - 1].strip(" ,")[: len(text)] for name, text in wanted.items()
    } == wanted
    config = write(tmp_path / "config.json", LLAMA | {"hidden_size": "8192"})
    config.write_text(config.read_text(encoding="utf-8").replace(", ", ",\n"), encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        model_from_file(config)
    assert [(fault.line, fault.field) for fault in error.value.faults] == [(3, "hidden_size")]


def test_numbers_of_model_files_follow_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "Mine.yaml"
    path.write_text(YAML_MODEL.replace("1000", "1e3"), encoding="utf-8")
    assert model_from_file(path) == model_from_mapping(MIXTURE)
    path.write_text(YAML_MODEL.replace("true", "yes", 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match="tied_embeddings: found 'yes', expected true or false"):
        model_from_file(path)


def test_fields_given_twice_are_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(YAML_MODEL + "layers: 5\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        model_from_file(path)
    (fault,) = error.value.faults
    assert (fault.line, fault.field) == (10, "layers")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer.json", b'{"version": "1.0"}', "config.json"),
        ("list.json", b"[1, 2]", "expected a mapping"),
        ("broken.json", b'{"architectures":\n[', "broken.json:2: found no valid JSON"),
        ("deep.json", b"[" * 100_000, "found no readable JSON"),
        ("broken.yaml", b"layers: [1,\n", "broken.yaml:2: not valid YAML"),
        ("tagged.yaml", b"!!python/object/apply:os.getcwd []\n", "tagged.yaml:1: found the tag"),
        ("empty.yaml", b"", "expected a mapping"),
        ("loop.yaml", b"layers: &a [*a]\n", "loop.yaml:1: layers: found more than 30 levels"),
        ("binary.yaml", b"a: 1\n\xff\xfe\x00\x80", "binary.yaml:2: found byte 0xff, expected text in UTF-8"),
        ("twice.json", b'{"layers": 1,\n"layers": 2}', "twice.json:2: layers: found twice"),
        ("nan.json", b'{"layers":\nNaN}', "nan.json:2: found NaN"),
        ("large.yaml", b"a" * 4_000_001, "bytes"),
    ],
)
def test_files_that_are_no_model(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=words) as error:
        model_from_file(path)
    assert {fault.file for fault in error.value.faults} == {str(path)}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        model_from_file(tmp_path / "nowhere.yaml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        model_from_file(tmp_path)


def test_examples_of_the_documentation_load(tmp_path: Path) -> None:
    page = ROOT / "docs" / "catalog.md"
    examples = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    path = tmp_path / "example.yaml"
    names: list[str] = []
    for example in examples:
        for document in yaml.safe_load_all(example):
            if document.keys() == {"attention"}:
                assert model_from_mapping(MIXTURE | document)
            elif "flops_16bit" in document or is_card(document.get("like")):
                names.append(accelerator_from_mapping(document).name)
            else:
                path.write_text(example, encoding="utf-8")
                names.append(model_from_file(path, PAPER if "weight_bytes" in document else Collection.REAL).name)
    assert names == [
        "L40S-own-host",
        "My-Mixture-13B",
        "My-Hybrid-9B",
        "Llama-3.3-70B-long",
        "Mine 8-bit",
        "H100-reserved",
        "My-Accelerator",
    ]


def is_card(name: str | None) -> bool:
    """Whether `like` names an accelerator."""
    return name is not None and isinstance(find(name), Accelerator)
