"""Heads that draft tokens for another model: EAGLE heads and heads of multi-token prediction.

A head sits on its target's last states. It takes their width and reads its target's embedding, so no embedding
is counted apart from the matrix of its output.
"""

from __future__ import annotations

from collections.abc import Mapping

from ieco_opt.catalog.huggingface.keys import Config, number
from ieco_opt.catalog.huggingface.layers import Attentions

_EAGLE3_STATES = 3
"""States of the target, of three of its layers, that an EAGLE-3 head joins into one."""

EAGLE3: Mapping[str, str] = {
    "LlamaForCausalLMEagle3": "LlamaForCausalLM",
    "Eagle3LlamaForCausalLM": "LlamaForCausalLM",
    "Eagle3Qwen3ForCausalLM": "Qwen3ForCausalLM",
    "Eagle3Qwen2ForCausalLM": "Qwen2ForCausalLM",
    "Eagle3DraftModel": "LlamaForCausalLM",
    "Eagle3Speculator": "LlamaForCausalLM",
}
"""EAGLE-3 heads, and the architecture of their one layer."""

JOINED: Mapping[str, str] = {
    "LlamaForCausalLMEagle": "LlamaForCausalLM",
    "EagleLlamaForCausalLM": "LlamaForCausalLM",
    "Qwen2ForCausalLMEagle": "Qwen2ForCausalLM",
    "DeepseekV3ForCausalLMNextN": "DeepseekV3ForCausalLM",
    "DeepSeekMTPModel": "DeepseekV3ForCausalLM",
    "Glm4MoeForCausalLMNextN": "Glm4MoeForCausalLM",
    "Glm4MoeMTPModel": "Glm4MoeForCausalLM",
    "MiMoMTPModel": "MiMoForCausalLM",
    "Qwen3NextMTP": "Qwen3NextForCausalLM",
    "Qwen3_5MTP": "Qwen3_5ForCausalLM",
    "Qwen3_5MoeMTP": "Qwen3_5MoeForCausalLM",
}
"""Heads that join an embedding and a state of the target, and the architecture of their layers."""


_LAYER_COUNTS = ("num_nextn_predict_layers", "mtp_num_hidden_layers")
_MTP_COUNTS = (*_LAYER_COUNTS, "num_mtp_modules", "mtp_num_layers")
_MOST_MTP_LAYERS = 100
_OF_THE_TARGET = ("mlp_layer_types", "moe_layer_freq", "indexer_types", "max_window_layers")


def head_keys(architecture: str, keys: Mapping[str, object]) -> dict[str, object]:
    """Keys of a head: those of its own, or those of its target with as many layers as predict.

    A head of multi-token prediction has full attention, and experts where its target has them.
    """
    if architecture in EAGLE3:
        return {"num_hidden_layers": 1, **keys}
    layers = next((keys[key] for key in _LAYER_COUNTS if keys.get(key)), 1)
    kinds = {"layer_types": ["full_attention"] * layers} if isinstance(layers, int) and 0 < layers < 100 else {}
    left = {key: value for key, value in keys.items() if key not in _OF_THE_TARGET}
    return left | kinds | {"num_hidden_layers": layers, "first_k_dense_replace": 0}


def eagle3(config: Config, attentions: Attentions) -> Attentions:
    """Add to the first layer what joins three states, and projections that take an embedding beside a state."""
    width, target = config.count("hidden_size"), config.count("target_hidden_size", "hidden_size")
    first, *others = attentions
    heads, kv_heads, head_width = (number(first, key) for key in ("query_heads", "kv_heads", "head_width"))
    projections = (heads + 2 * kv_heads) * head_width * width
    return [{**first, "extra_params": projections + _EAGLE3_STATES * target * width}, *others]


def joined(config: Config, attentions: Attentions) -> Attentions:
    """Add to the first layer the matrix that joins an embedding and a state."""
    first, *others = attentions
    added = 2 * config.count("hidden_size") ** 2 + number(first, "extra_params")
    return [{**first, "extra_params": added}, *others]


def mtp_layers(config: Config) -> int:
    """Layers of a model's checkpoint that predict several tokens; servers leave them out unless they are asked."""
    counts = [config.get(key) for key in _MTP_COUNTS]
    known = [count for count in counts if isinstance(count, int) and 0 < count <= _MOST_MTP_LAYERS]
    return int(known[0]) if known else 0
