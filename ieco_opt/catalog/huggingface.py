"""Read the architecture of a model from the `config.json` of its Hugging Face repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ieco_opt.documents.origin import found, shortened
from ieco_opt.errors import Fault, ScenarioError

Mappings: TypeAlias = dict[str, object]

_LARGEST_COUNT = 10**9
# Layers are walked one by one.
_MOST_LAYERS = 100_000
_FULL_CAUSES = ("Sliding-window", "Chunked-attention")
_KNOWN_LAYER_TYPES = frozenset({"full_attention", "sliding_attention", "chunked_attention"})

# Attention that the equations cannot price; the reason is shown to the user.
_REFUSED = {
    "DeepseekV32": "sparse attention",
    "DeepseekV4": "compressed sparse attention",
    "GlmMoeDsa": "sparse attention",
    "MiniMaxM3": "block-sparse attention",
    "MiniMaxText01": "lightning attention in most layers",
    "MiniMaxM1": "lightning attention in most layers",
    "MiniMaxFor": "lightning attention in most layers",
    "KimiLinear": "linear attention in most layers",
    "KimiK3": "linear attention in most layers",
    "Qwen3Next": "linear attention in most layers",
    "Qwen3_5": "linear attention in most layers",
    "Jamba": "state-space layers",
    "Mamba": "state-space layers",
    "Bamba": "state-space layers",
    "Zamba": "state-space layers",
    "FalconH1": "state-space layers",
    "FalconMamba": "state-space layers",
    "NemotronH": "state-space layers",
    "GraniteMoeHybrid": "state-space layers",
}


@dataclass(slots=True)
class _Config:
    """Keys of a configuration, with the faults met while reading them."""

    values: Mapping[str, object]
    prefix: str = ""
    faults: list[Fault] = field(default_factory=list)

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def layers(self) -> int:
        return self.count("num_hidden_layers", "n_layer", most=_MOST_LAYERS)

    def count(self, *keys: str, default: int | None = None, least: int = 1, most: int = _LARGEST_COUNT) -> int:
        """Read a whole number under the first key that is there; `least` where none or a wrong one is."""
        for key in keys:
            if self.has(key):
                return self._checked_count(key, least, most)
        if default is None:
            self.fault(keys[0], f"missing, expected a whole number of at least {least}")
            return least
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(key, f"found {found(value)}, expected true or false")
            return default
        return value

    def items(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(key, f"found {found(value)}, expected a list")
            return []
        return value

    def fault(self, key: str, message: str) -> None:
        self.faults.append(Fault(file=None, line=None, field=f"{self.prefix}{key}", message=message))

    def faulty(self, key: str) -> bool:
        return any(fault.field == f"{self.prefix}{key}" for fault in self.faults)

    def _checked_count(self, key: str, least: int, most: int) -> int:
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(key, f"found {found(value)}, expected a whole number from {least} to {most}")
            return least
        return value


@dataclass(frozen=True, slots=True)
class _Family:
    """How the architectures of one family spell things, and what they leave to their defaults."""

    blocks: Callable[[_Config], list[Mappings]]
    attention: Callable[[_Config], Mappings]
    tied_by_default: bool = False


def is_huggingface_config(document: object) -> bool:
    """Tell whether a parsed document looks like a Hugging Face `config.json`."""
    return isinstance(document, Mapping) and ("architectures" in document or "model_type" in document)


def mapping_from_config(document: Mapping[str, object], name: str) -> Mappings:
    """Turn a Hugging Face configuration into the mapping that `model_from_mapping` reads.

    Parameters
    ----------
    document
        The parsed `config.json`.
    name
        What to call the model.

    Raises
    ------
    ScenarioError
        Where the architecture is unknown or has attention that the performance model cannot price, or where
        keys are missing or wrong; `field` is the key.
    """
    family = _family(document)
    config = _text_config(document)
    _refuse_by_keys(config)
    layers = config.layers()
    mapping: Mappings = {
        "name": name,
        "layers": layers,
        "width": config.count("hidden_size"),
        "vocabulary": config.count("vocab_size"),
        "tied_embeddings": config.flag("tie_word_embeddings", family.tied_by_default),
        "attention": family.attention(config),
        "feed_forward": family.blocks(config),
        "notes": _notes(config),
    }
    if config.faults:
        # Several parts of the mapping read the same key.
        raise ScenarioError(list(dict.fromkeys(config.faults)))
    return mapping


def _family(document: Mapping[str, object]) -> _Family:
    architecture = _architecture(document)
    for prefix, reason in _REFUSED.items():
        if architecture.startswith(prefix):
            raise ScenarioError.single(
                f"found {found(architecture)}, which has {reason}; expected full or sliding-window attention",
                field="architectures",
            )
    family = FAMILIES.get(architecture)
    if family is None:
        raise ScenarioError.single(
            f"found {found(architecture or None)}, expected one of {shortened(FAMILIES)}", field="architectures"
        )
    return family


def _architecture(document: Mapping[str, object]) -> str:
    named = document.get("architectures")
    if isinstance(named, list) and named and isinstance(named[0], str):
        return named[0]
    return _BY_MODEL_TYPE.get(str(document.get("model_type")), str(document.get("model_type") or ""))


def _text_config(document: Mapping[str, object]) -> _Config:
    inner = document.get("text_config")
    if not isinstance(inner, Mapping):
        return _Config(document)
    outer = {key: document[key] for key in ("tie_word_embeddings",) if key in document}
    return _Config({**outer, **inner}, prefix="text_config.")


def _refuse_by_keys(config: _Config) -> None:
    if config.has("index_topk"):
        config.fault("index_topk", "found a sparse-attention indexer, expected full attention")
    if 0 in config.items("attn_type_list"):
        config.fault("attn_type_list", "found linear attention (0), expected full attention (1) in every layer")
    unknown = {str(kind) for kind in config.items("layer_types")} - _KNOWN_LAYER_TYPES
    if unknown:
        config.fault(
            "layer_types",
            f"found {shortened(sorted(unknown))}, expected only {', '.join(sorted(_KNOWN_LAYER_TYPES))}",
        )


def _notes(config: _Config) -> str:
    layer_types = config.items("layer_types")
    slides = "sliding_attention" in layer_types or (
        config.has("sliding_window") and config.flag("use_sliding_window", True) and not layer_types
    )
    cuts = "chunked_attention" in layer_types or config.has("attention_chunk_size")
    return " ".join(
        f"{cause} layers count as full attention, which overstates cache reads."
        for cause, found in zip(_FULL_CAUSES, (slides, cuts), strict=True)
        if found
    )


def _grouped_query(config: _Config, kv_heads: int | None = None, head_width: int | None = None) -> Mappings:
    heads = config.count("num_attention_heads")
    return {
        "kind": "grouped_query",
        "query_heads": heads,
        "kv_heads": config.count("num_key_value_heads") if kv_heads is None else kv_heads,
        "head_width": config.count("head_dim") if head_width is None else head_width,
    }


def _llama_attention(config: _Config) -> Mappings:
    """Read attention whose KV heads and head width follow from the query heads where they are left out."""
    heads = config.count("num_attention_heads")
    return _grouped_query(
        config,
        kv_heads=config.count("num_key_value_heads", default=heads),
        head_width=config.count("head_dim", default=_even_head_width(config, heads)),
    )


def _even_head_width(config: _Config, heads: int) -> int:
    width = config.count("hidden_size", default=heads)
    if width % heads == 0:
        return width // heads
    if not (config.has("head_dim") or config.faulty("hidden_size")):
        found = f"missing, and hidden_size ({width}) is no multiple of {heads} heads"
        config.fault("head_dim", f"{found}; expected a whole number")
    return 1


def _latent(config: _Config) -> Mappings:
    return {
        "kind": "latent",
        "query_heads": config.count("num_attention_heads"),
        "kv_width": config.count("kv_lora_rank"),
        "query_width": config.count("q_lora_rank") if config.has("q_lora_rank") else None,
        "nope_head_width": config.count("qk_nope_head_dim"),
        "rope_head_width": config.count("qk_rope_head_dim"),
        "value_head_width": config.count("v_head_dim"),
    }


def _falcon_attention(config: _Config) -> Mappings:
    heads = config.count("num_attention_heads", "n_head")
    if config.flag("new_decoder_architecture", False):
        kv_heads = config.count("num_kv_heads", "n_head_kv", default=heads)
    else:
        kv_heads = 1 if config.flag("multi_query", True) else heads
    return {
        "kind": "grouped_query",
        "query_heads": heads,
        "kv_heads": kv_heads,
        "head_width": _even_head_width(config, heads),
    }


def _dense(config: _Config) -> list[Mappings]:
    return [{"layers": config.layers(), "width": config.count("intermediate_size")}]


def _falcon_blocks(config: _Config) -> list[Mappings]:
    width = config.count("ffn_hidden_size", default=4 * config.count("hidden_size", default=1))
    return [{"layers": config.layers(), "width": width, "up": 1, "down": 1}]


def _all_routed(config: _Config) -> list[Mappings]:
    return [
        {
            "layers": config.layers(),
            "width": config.count("intermediate_size"),
            "experts": config.count("num_local_experts"),
            "active": config.count("num_experts_per_tok", "experts_per_token"),
        }
    ]


def _qwen_blocks(config: _Config) -> list[Mappings]:
    layers, step = config.layers(), config.count("decoder_sparse_step", default=1)
    dense_layers = config.items("mlp_only_layers")
    routed = sum((layer + 1) % step == 0 and layer not in dense_layers for layer in range(layers))
    shared = config.count("shared_expert_intermediate_size", default=0, least=0)
    return _mixture(config, layers, routed, config.count("num_experts"), shared)


def _deepseek_blocks(config: _Config) -> list[Mappings]:
    layers = config.layers()
    first = config.count("first_k_dense_replace", least=0)
    step = config.count("moe_layer_freq", default=1)
    routed = sum(layer >= first and layer % step == 0 for layer in range(layers))
    shared = config.count("n_shared_experts", default=0, least=0) * config.count("moe_intermediate_size")
    return _mixture(config, layers, routed, config.count("n_routed_experts"), shared)


def _llama4_blocks(config: _Config) -> list[Mappings]:
    layers, width = config.layers(), config.count("intermediate_size")
    listed = len(config.items("moe_layers"))
    routed = listed or layers // config.count("interleave_moe_layer_step")
    experts = config.count("num_local_experts")
    keys = {"expert_key": "intermediate_size", "dense_key": "intermediate_size_mlp"}
    return _mixture(config, layers, routed, experts, width, **keys)


def _mixture(
    config: _Config,
    layers: int,
    routed: int,
    experts: int,
    shared_width: int,
    *,
    expert_key: str = "moe_intermediate_size",
    dense_key: str = "intermediate_size",
) -> list[Mappings]:
    blocks: list[Mappings] = []
    if routed < layers:
        blocks.append({"layers": layers - routed, "width": config.count(dense_key)})
    if routed:
        active = config.count("num_experts_per_tok")
        width = config.count(expert_key)
        blocks.append({"layers": routed, "width": width, "experts": experts, "active": active})
        if shared_width:
            blocks.append({"layers": routed, "width": shared_width, "shared": True})
    return blocks


_LLAMA = _Family(_dense, _llama_attention)
_GEMMA = _Family(_dense, _grouped_query, tied_by_default=True)
_DEEPSEEK = _Family(_deepseek_blocks, _latent)
_LLAMA4 = _Family(_llama4_blocks, _llama_attention)

FAMILIES: Mapping[str, _Family] = {
    "LlamaForCausalLM": _LLAMA,
    "MistralForCausalLM": _LLAMA,
    "MixtralForCausalLM": _Family(_all_routed, _llama_attention),
    "Qwen2ForCausalLM": _LLAMA,
    "Qwen2MoeForCausalLM": _Family(_qwen_blocks, _llama_attention),
    "Qwen3ForCausalLM": _Family(_dense, _grouped_query),
    "Qwen3MoeForCausalLM": _Family(_qwen_blocks, _grouped_query),
    "DeepseekV2ForCausalLM": _DEEPSEEK,
    "DeepseekV3ForCausalLM": _DEEPSEEK,
    "KimiK25ForConditionalGeneration": _DEEPSEEK,
    "GptOssForCausalLM": _Family(_all_routed, _grouped_query),
    "Gemma2ForCausalLM": _GEMMA,
    "Gemma3ForCausalLM": _GEMMA,
    "Gemma3ForConditionalGeneration": _GEMMA,
    "FalconForCausalLM": _Family(_falcon_blocks, _falcon_attention, tied_by_default=True),
    "Llama4ForCausalLM": _LLAMA4,
    "Llama4ForConditionalGeneration": _LLAMA4,
    "Glm4MoeForCausalLM": _Family(_deepseek_blocks, _grouped_query),
    "MiniMaxM2ForCausalLM": _Family(_all_routed, _grouped_query),
}
"""Architectures that can be read, by the name that `architectures` lists first."""

_BY_MODEL_TYPE = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "falcon": "FalconForCausalLM",
    "llama4": "Llama4ForConditionalGeneration",
    "llama4_text": "Llama4ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "minimax_m2": "MiniMaxM2ForCausalLM",
}
