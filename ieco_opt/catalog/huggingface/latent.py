"""Latent attention (MLA), with the indexer of DeepSeek-V3.2, and the compressed attention of DeepSeek-V4."""

from __future__ import annotations

from ieco_opt.catalog.huggingface.attention import SLIDING, general, layer_kinds
from ieco_opt.catalog.huggingface.keys import Config, Mappings
from ieco_opt.catalog.huggingface.layers import NO_ATTENTION, Attentions

_RATIOS = {SLIDING: 0, "compressed_sparse_attention": 4, "heavily_compressed_attention": 128}
_PICKED_RATIO = 4
"""Ratio of DeepSeek-V4's compression at which an indexer picks entries; a higher one attends to all."""


def latent(config: Config) -> Mappings:
    """One layer of latent attention."""
    mapping: Mappings = {
        "kind": "latent",
        "query_heads": config.count("num_attention_heads"),
        "kv_width": config.count("kv_lora_rank"),
        "query_width": config.count("q_lora_rank") if config.has("q_lora_rank") else None,
        "nope_head_width": config.count("qk_nope_head_dim"),
        "rope_head_width": config.count("qk_rope_head_dim"),
        "value_head_width": config.count("v_head_dim"),
    }
    if config.flag("mla_use_output_gate", False):
        width = config.count("num_attention_heads") * config.count("v_head_dim")
        mapping["extra_params"] = width * config.count("hidden_size")
    return mapping


def latents(config: Config) -> Attentions:
    """Read layers of latent attention, each with an indexer where the configuration has one."""
    attention = latent(config)
    if not config.has("index_topk"):
        return [attention] * config.layers()
    own = {**attention, "indexer": _indexer(config)}
    # Layers that take the picks of a layer before have neither weights nor keys of an indexer.
    shared = {**attention, "indexer": {"top_k": config.count("index_topk"), "heads": 0, "head_width": 0}}
    kinds = config.per_layer("indexer_types") or ["full"] * config.layers()
    return [shared if kind == "shared" else own for kind in kinds]


def _indexer(config: Config) -> Mappings:
    return {
        "top_k": config.count("index_topk"),
        "heads": config.count("index_n_heads"),
        "head_width": config.count("index_head_dim"),
    }


def deepseek_v4(config: Config) -> Attentions:
    """Read layers over a window, and layers whose entries stand for 4 tokens (picked by an indexer) or for 128.

    The 128 newest tokens that compressed layers see beside their entries are left out.
    """
    ratios = config.items("compress_ratios")[: config.layers()] or [
        _RATIOS.get(kind, kind) for kind in layer_kinds(config)
    ]
    known = [ratio for ratio in ratios if type(ratio) is int and ratio in _RATIOS.values()]
    if len(known) != config.layers():
        key = "compress_ratios" if config.has("compress_ratios") else "layer_types"
        config.fault(key, f"found {ratios!r}, expected 0, 4 or 128 for each of {config.layers()} layers"[:300])
        return [NO_ATTENTION] * config.layers()
    return [_compressed(config, ratio) for ratio in known]


def _compressed(config: Config, ratio: int) -> Mappings:
    """Queries and the output are low-rank; the one KV head's key is its value."""
    width, head_width = config.count("hidden_size"), config.count("head_dim")
    heads, query_width = config.count("num_attention_heads"), config.count("q_lora_rank")
    groups, output_width = config.count("o_groups"), config.count("o_lora_rank")
    matrices = [
        [query_width + head_width, width],
        [heads * head_width, query_width],
        [groups * output_width, heads * head_width // groups],
        [width, groups * output_width],
    ]
    mapping = general(config, 1, matrices, head_width)
    # Each word of an entry is part of the key and of the value.
    mapping["flop_per_entry"] = 4.0 * head_width * heads
    if not ratio:
        return mapping | {"window": config.count("sliding_window")}
    # Two streams of entries overlap at the lower ratio; each has a projection and a gate.
    streams = 2 if ratio == _PICKED_RATIO else 1
    matrices.append([2 * streams * head_width, width])
    if ratio == _PICKED_RATIO:
        matrices.append([(2 * streams - 1) * config.count("index_head_dim"), width])
        mapping["indexer"] = {**_indexer(config), "query_width": query_width}
    return mapping | {"compression": ratio}
