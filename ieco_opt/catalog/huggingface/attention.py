"""Attention with a cache, layer by layer: grouped-query, latent, sparse and compressed, with windows where they are."""

from __future__ import annotations

from collections.abc import Callable

from ieco_opt.catalog.huggingface.keys import Config, Mappings, number
from ieco_opt.catalog.huggingface.layers import Attentions

FULL, SLIDING, CHUNKED, LINEAR = "full_attention", "sliding_attention", "chunked_attention", "linear_attention"
_SAME_AS = {"attention": FULL, "global_attention": FULL, "mamba": LINEAR, "conv": LINEAR}


def layer_kinds(config: Config) -> list[str]:
    """What `layer_types` or `layers_block_type` calls the attention of each layer, under one spelling."""
    key = "layer_types" if config.has("layer_types") else "layers_block_type"
    return [_SAME_AS.get(str(kind), str(kind)) for kind in config.per_layer(key)]


def windows(config: Config, default_pattern: str = "") -> list[int | None]:
    """Tokens that the cache of each layer keeps, `None` for all.

    `layer_types` says which layers slide; else `sliding_window_pattern`, a number whose multiples are full, or one
    letter a layer in turn; else `default_pattern` of such letters, L for a window and G for all.
    """
    kinds = layer_kinds(config)
    if not kinds:
        slides = _slides(config, default_pattern)
        return [_window(config) if each else None for each in slides]
    unknown = sorted(set(kinds) - {FULL, SLIDING, CHUNKED})
    if unknown:
        config.fault("layer_types", f"found {', '.join(unknown)}, expected only {FULL}, {SLIDING}, {CHUNKED}")
    sizes = {SLIDING: "sliding_window", CHUNKED: "attention_chunk_size"}
    width = {kind: config.count(key) for kind, key in sizes.items() if kind in kinds}
    return [width.get(kind) for kind in kinds]


def _slides(config: Config, default_pattern: str) -> list[bool]:
    layers = config.layers()
    pattern = config.get("sliding_window_pattern")
    if isinstance(pattern, str) and pattern:
        default_pattern = pattern
    elif pattern is not None:
        every = config.count("sliding_window_pattern")
        default_pattern = "L" * (every - 1) + "G"
    if not default_pattern or _window(config) is None:
        return [False] * layers
    return [default_pattern[layer % len(default_pattern)] == "L" for layer in range(layers)]


def _window(config: Config) -> int | None:
    return config.count("sliding_window") if config.has("sliding_window") else None


def grouped_query(
    config: Config, *, heads: int | None = None, kv_heads: int | None = None, head_width: int | None = None
) -> Mappings:
    """One layer of grouped-query attention, KV heads and head width following from the query heads by default."""
    heads = config.count("num_attention_heads") if heads is None else heads
    if kv_heads is None:
        kv_heads = config.count("num_key_value_heads", "num_attention_groups", default=heads)
    if head_width is None:
        head_width = config.count("head_dim", "attention_head_dim", default=even_head_width(config, heads))
    return {"kind": "grouped_query", "query_heads": heads, "kv_heads": kv_heads, "head_width": head_width}


def even_head_width(config: Config, heads: int) -> int:
    """The width of the model over its heads."""
    width = config.count("hidden_size", default=heads)
    if width % heads == 0:
        return width // heads
    if not (config.has("head_dim") or config.faulty("hidden_size")):
        found = f"missing, and hidden_size ({width}) is no multiple of {heads} heads"
        config.fault("head_dim", f"{found}; expected a whole number")
    return 1


def windowed(attention: Mappings, window: int | None) -> Mappings:
    """The same attention over the last `window` tokens."""
    return attention if window is None else {**attention, "window": window}


def sliding(default_pattern: str = "") -> Callable[[Config], Attentions]:
    """Layers that are alike up to windows, which stand where :func:`windows` looks for them."""

    def read(config: Config) -> Attentions:
        attention = grouped_query(config)
        return [windowed(attention, window) for window in windows(config, default_pattern)]

    return read


plain = sliding()
"""Layers that are alike up to windows that the configuration tells layer by layer."""


def sliding_above(config: Config) -> Attentions:
    """Read layers of which, with `use_sliding_window`, those from `max_window_layers` on slide."""
    attention = grouped_query(config)
    if config.flag("use_sliding_window", False) and not config.has("layer_types"):
        first = config.count("max_window_layers", default=0, least=0)
        window = config.count("sliding_window")
        return [windowed(attention, window if layer >= first else None) for layer in range(config.layers())]
    if not config.flag("use_sliding_window", True):
        return [attention] * config.layers()
    return plain(config)


def output_gate(config: Config, attention: Mappings) -> int:
    """Weights of a gate as wide as the output of grouped-query attention."""
    return number(attention, "query_heads") * number(attention, "head_width") * config.count("hidden_size")


def gated(config: Config) -> Attentions:
    """Read layers whose output is multiplied by a gate as wide as it."""
    attention = grouped_query(config)
    attention["extra_params"] = output_gate(config, attention)
    pattern = "L" * (config.count("global_attn_every_n_layers", default=1) - 1) + "G"
    return [windowed(attention, window) for window in windows(config, pattern)]


def llama4(config: Config) -> Attentions:
    """Read layers of which every fourth is full, and the others see their chunk."""
    if config.has("layer_types"):
        return plain(config)
    attention = grouped_query(config)
    interval = config.count("no_rope_layer_interval", default=4)
    rotary = config.per_layer("no_rope_layers") or [(layer + 1) % interval for layer in range(config.layers())]
    chunk = config.count("attention_chunk_size", default=8192)
    return [windowed(attention, chunk if each else None) for each in rotary]


def mimo_v2(config: Config) -> Attentions:
    """Read layers that slide have KV heads of their own number, and values are narrower than keys."""
    full = grouped_query(config) | {"value_head_width": config.count("v_head_dim")}
    slides = config.per_layer("hybrid_layer_pattern") or [kind == SLIDING for kind in layer_kinds(config)]
    sliding = {
        "kind": "grouped_query",
        "query_heads": config.count("swa_num_attention_heads", "num_attention_heads"),
        "kv_heads": config.count("swa_num_key_value_heads", "num_key_value_heads"),
        "head_width": config.count("swa_head_dim", "head_dim"),
        "value_head_width": config.count("swa_v_head_dim", "v_head_dim"),
        "window": config.count("sliding_window", "sliding_window_size"),
    }
    return [sliding if each else full for each in slides] or [full] * config.layers()


def step3p5(config: Config) -> Attentions:
    """Read layers with a gate for each head, whose heads are of another number where they slide."""
    width = config.count("hidden_size")
    other = config.inner("attention_other_setting")
    key = "num_sliding_attention_heads" if config.has("num_sliding_attention_heads") else "num_attention_heads"
    sliding_heads = other.count("num_attention_heads", default=config.count(key))

    def of(heads: int, window: int | None) -> Mappings:
        return windowed(grouped_query(config, heads=heads) | {"extra_params": heads * width}, window)

    heads = config.count("num_attention_heads")
    return [of(heads if window is None else sliding_heads, window) for window in windows(config)]


def gemma4(config: Config) -> Attentions:
    """Read full layers with heads of their own width and number, whose values may be their keys."""
    for key in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if config.count(key, default=0, least=0):
            config.fault(
                key, f"found {config.get(key)}, expected 0: embeddings of each layer and shared caches are unknown"
            )
    width, heads = config.count("hidden_size"), config.count("num_attention_heads")
    sliding = grouped_query(config)
    kv_heads = config.count("num_global_key_value_heads", "num_key_value_heads")
    head_width = config.count("global_head_dim", "head_dim")
    full = grouped_query(config, kv_heads=kv_heads, head_width=head_width)
    if config.flag("attention_k_eq_v", False):
        rows = (heads + kv_heads) * head_width
        full = general(config, kv_heads, [[rows, width], [width, heads * head_width]], 2 * kv_heads * head_width)
        full["flop_per_entry"] = 4.0 * heads * head_width
    return [full if window is None else windowed(sliding, window) for window in windows(config)]


def general(config: Config, kv_heads: int, matrices: list[list[int]], cache_words: int) -> Mappings:
    """Attention told by its matrices; each word of the cache is used once for keys or values of one head."""
    heads = config.count("num_attention_heads")
    return {
        "kind": "general",
        "query_heads": heads,
        "kv_heads": kv_heads,
        "matrices": matrices,
        "cache_words": cache_words,
        "flop_per_entry": 2.0 * cache_words * heads / kv_heads,
    }


def step3(config: Config) -> Attentions:
    """Read multi-matrix factorised attention: narrow shared queries, widened to each head, and one KV head."""
    width, head_width = config.count("hidden_size"), config.count("head_dim")
    heads, shared = config.count("num_attention_heads"), config.count("share_q_dim")
    matrices = [[shared + 2 * head_width, width], [heads * head_width, shared], [width, heads * head_width]]
    return [general(config, 1, matrices, 2 * head_width)] * config.layers()


def falcon(config: Config) -> Attentions:
    """Read the old and the new layers of Falcon."""
    heads = config.count("num_attention_heads", "n_head")
    if config.flag("new_decoder_architecture", False):
        kv_heads = config.count("num_kv_heads", "n_head_kv", default=heads)
    else:
        kv_heads = 1 if config.flag("multi_query", True) else heads
    width = even_head_width(config, heads)
    return [grouped_query(config, heads=heads, kv_heads=kv_heads, head_width=width)] * config.layers()


def block_sparse(config: Config) -> Attentions:
    """Read layers of which some attend to the blocks of the cache that an indexer picks (MiniMax-M3)."""
    full = grouped_query(config)
    sparse = config.inner("sparse_attention_config")
    if not sparse.flag("use_sparse_attention", True):
        return [full] * config.layers()
    frequency = sparse.items("sparse_attention_freq") or [0] * config.layers()
    if len(frequency) < config.layers():
        sparse.fault("sparse_attention_freq", f"found {len(frequency)} entries, expected one for each layer")
    picked = {
        **full,
        "indexer": {
            "top_k": sparse.count("sparse_topk_blocks") * sparse.count("sparse_block_size"),
            "heads": sparse.count("sparse_num_index_heads"),
            "head_width": sparse.count("sparse_index_dim"),
        },
    }
    return [picked if each else full for each in frequency[: config.layers()]]
