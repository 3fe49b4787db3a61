"""Layers with a state of fixed size: delta rules, lightning attention, state-space layers and short convolutions.

Sizes follow the public code of Transformers 5.24 (modules named at each function). States are kept in 32 bits, as
that code and the servers do by default, unless the configuration names another type; convolutions in 16 bits.
"""

from __future__ import annotations

from ieco_opt.catalog.huggingface.attention import FULL, LINEAR, grouped_query, layer_kinds, output_gate
from ieco_opt.catalog.huggingface.keys import Config, Mappings, number
from ieco_opt.catalog.huggingface.latent import latent
from ieco_opt.catalog.huggingface.layers import NO_ATTENTION, Attentions

_STATE_TYPES = ("mamba_ssm_dtype", "mamba_ssm_cache_dtype")
_CONVOLUTION_BYTES = 2


def qwen3_next(config: Config) -> Attentions:
    """Gated delta nets, and gated full attention in every fourth layer (Qwen3NextGatedDeltaNet)."""
    full = grouped_query(config)
    if config.flag("attn_output_gate", True):
        full["extra_params"] = output_gate(config, full)
    return _hybrid(config, full, _gated_delta_net(config), config.count("full_attention_interval", default=4))


def olmo_hybrid(config: Config) -> Attentions:
    """Gated delta nets and plain full attention (OlmoHybridGatedDeltaNet)."""
    return _hybrid(config, grouped_query(config), _gated_delta_net(config), 4)


def kimi_linear(config: Config) -> Attentions:
    """Kimi delta attention, and latent attention in the layers listed, counted from 1 (KimiLinearDeltaAttention)."""
    inner = config.inner("linear_attn_config")
    if not config.has("linear_attn_config"):
        # Transformers 5 spells it flat.
        inner = config
    listed = _listed(config, inner.items("full_attn_layers"), first=1)
    kinds = layer_kinds(config) or listed
    heads = inner.count("num_heads", "linear_num_heads")
    head_width = inner.count("linear_head_dim" if inner is config else "head_dim")
    kernel = inner.count("short_conv_kernel_size", "linear_conv_kernel_dim", default=4)
    linear = _kimi_delta(config, heads, head_width, kernel, inner.flag("use_full_rank_gate", False))
    full = latent(config)
    return _by_kind(config, kinds, full, linear)


def bailing_hybrid(config: Config) -> Attentions:
    """Kimi delta attention with gates of full rank, and latent attention with a gate for each head (BailingHybrid)."""
    heads, width = config.count("num_attention_heads"), config.count("hidden_size")
    projected = heads * config.count("head_dim")
    # Queries, keys, values, forget gate and output gate, and a rate for each head.
    linear = _state(
        config,
        heads=heads,
        rows=5 * projected + heads,
        output=projected,
        words=projected * config.count("head_dim"),
        convolved=3 * projected,
        kernel=config.count("short_conv_kernel_size", default=4),
    )
    full = latent(config) | {"extra_params": heads * width}
    return _hybrid(config, full, linear, config.count("layer_group_size", default=6))


def bailing_linear(config: Config) -> Attentions:
    """Lightning attention, and latent or grouped-query attention last in each group (Ling and Ring 2.5)."""
    full = latent(config) if config.has("kv_lora_rank") else grouped_query(config)
    return _hybrid(config, full, _lightning(config), config.count("layer_group_size"))


def minimax(config: Config) -> Attentions:
    """Lightning attention, and softmax attention where `attn_type_list` has 1 (MiniMaxLightningAttention)."""
    kinds = layer_kinds(config) or [FULL if kind == 1 else LINEAR for kind in config.per_layer("attn_type_list")]
    full, linear = grouped_query(config), _lightning(config)
    if not kinds:
        config.fault("attn_type_list", "missing, expected a list with 1 for each layer of softmax attention, else 0")
    return _by_kind(config, kinds, full, linear) or [full] * config.layers()


def mamba_hybrid(config: Config) -> Attentions:
    """State-space layers and full attention, each with a feed-forward block (Bamba, Granite 4)."""
    listed = _listed(config, config.items("attn_layer_indices"))
    full, linear = grouped_query(config), _granite_mamba(config)
    return _by_kind(config, layer_kinds(config) or listed, full, linear)


def nemotron_h(config: Config) -> Attentions:
    """State-space layers (M), attention (*), and layers that are a feed-forward block alone (NemotronHMamba2Mixer)."""
    kinds = nemotron_kinds(config)
    readers = {
        "attention": lambda: grouped_query(config),
        "mamba": lambda: _mamba2(
            config,
            heads=config.count("mamba_num_heads"),
            head_width=config.count("mamba_head_dim"),
            groups=config.count("n_groups", "mamba_n_groups"),
            state=config.count("ssm_state_size"),
            kernel=config.count("conv_kernel", "mamba_d_conv", default=4),
        ),
    }
    known = {kind: readers[kind]() for kind in readers if kind in kinds}
    return [known.get(kind, NO_ATTENTION) for kind in kinds]


def nemotron_kinds(config: Config) -> list[str]:
    """Each layer of a Nemotron-H: mamba, attention, mlp or moe."""
    letters = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
    spelled = {FULL: "attention", LINEAR: "mamba"}
    pattern = config.text("hybrid_override_pattern")
    if pattern:
        kinds = [letters.get(letter, letter) for letter in pattern]
        key = "hybrid_override_pattern"
    else:
        key = "layers_block_type" if config.has("layers_block_type") else "layer_types"
        kinds = [spelled.get(str(kind), str(kind)) for kind in config.items(key)]
    unknown = sorted(set(kinds) - set(letters.values()))
    if unknown or not kinds:
        given = f"found {', '.join(unknown)}" if unknown else "missing"
        config.fault(key, f"{given}, expected mamba (M), attention (*), mlp (-) or moe (E) for each layer")
    return kinds or ["mlp"]


def jamba(config: Config) -> Attentions:
    """State-space layers of the first kind, and full attention once a period (JambaMambaMixer)."""
    period, offset = config.count("attn_layer_period"), config.count("attn_layer_offset", default=0, least=0)
    width = config.count("hidden_size")
    inner = config.count("mamba_expand", default=2) * width
    state, rank = config.count("mamba_d_state", default=16), config.count("mamba_dt_rank", default=-(-width // 16))
    linear = _state(
        config,
        heads=inner,
        rows=2 * inner + _rows(inner * (2 * rank + 2 * state), width),
        output=inner,
        words=inner * state,
        convolved=inner,
        kernel=config.count("mamba_d_conv", default=4),
    )
    full = grouped_query(config)
    return [full if layer % period == offset else linear for layer in range(config.layers())]


def lfm2(config: Config) -> Attentions:
    """Gated short convolutions, whose state is their last inputs, and full attention (Lfm2ShortConv)."""
    width, kernel = config.count("hidden_size"), config.count("conv_L_cache", default=3)
    listed = _listed(config, config.items("full_attn_idxs"))
    full = grouped_query(config)
    linear: Mappings = {
        "kind": "recurrent",
        "heads": width,
        "input_width": 3 * width,
        "output_width": width,
        "state_words": kernel * width,
        "state_bytes": kernel * width * _CONVOLUTION_BYTES,
    }
    return _by_kind(config, layer_kinds(config) or listed, full, linear)


def _listed(config: Config, listed: list[object], first: int = 0) -> list[str]:
    """Kinds of the layers, of which those listed are full; the first layer has the number `first`."""
    names = {str(layer) for layer in listed}
    return [FULL if str(layer + first) in names else LINEAR for layer in range(config.layers())]


def _hybrid(config: Config, full: Mappings, linear: Mappings, interval: int) -> Attentions:
    kinds = layer_kinds(config) or [LINEAR if (layer + 1) % interval else FULL for layer in range(config.layers())]
    return _by_kind(config, kinds, full, linear)


def _by_kind(config: Config, kinds: list[str], full: Mappings, linear: Mappings) -> Attentions:
    unknown = sorted(set(kinds) - {FULL, LINEAR})
    if unknown:
        config.fault("layer_types", f"found {', '.join(unknown)}, expected only {FULL}, {LINEAR}")
    return [full if kind == FULL else linear for kind in kinds]


def _gated_delta_net(config: Config) -> Mappings:
    key_heads, value_heads = config.count("linear_num_key_heads"), config.count("linear_num_value_heads")
    key_width, value_width = config.count("linear_key_head_dim"), config.count("linear_value_head_dim")
    keys, values = key_heads * key_width, value_heads * value_width
    return _state(
        config,
        heads=key_heads,
        # Queries, keys, values and the output's gate, and two rates for each value head.
        rows=2 * keys + 2 * values + 2 * value_heads,
        output=values,
        words=value_heads * key_width * value_width,
        convolved=2 * keys + values,
        kernel=config.count("linear_conv_kernel_dim", default=4),
    )


def _kimi_delta(config: Config, heads: int, head_width: int, kernel: int, full_rank: bool) -> Mappings:
    projected = heads * head_width
    low_rank = head_width + _rows(head_width * projected, config.count("hidden_size"))
    return _state(
        config,
        heads=heads,
        # Queries, keys, values, a rate for each head, and two gates, of low rank as a rule.
        rows=3 * projected + heads + low_rank + (projected if full_rank else low_rank),
        output=projected,
        words=projected * head_width,
        convolved=3 * projected,
        kernel=kernel,
    )


def _lightning(config: Config) -> Mappings:
    heads = config.count("num_attention_heads")
    head_width = number(grouped_query(config), "head_width")
    projected = heads * head_width
    return _state(
        config, heads=heads, rows=4 * projected, output=projected, words=projected * head_width, convolved=0, kernel=1
    )


def _granite_mamba(config: Config) -> Mappings:
    heads = config.count("mamba_n_heads")
    inner = config.count("mamba_expand", default=2) * config.count("hidden_size")
    given = config.get("mamba_d_head")
    head_width = inner // heads if given in (None, "auto") else config.count("mamba_d_head")
    return _mamba2(
        config,
        heads=heads,
        head_width=head_width,
        groups=config.count("mamba_n_groups", default=1),
        state=config.count("mamba_d_state"),
        kernel=config.count("mamba_d_conv", default=4),
    )


def _mamba2(config: Config, *, heads: int, head_width: int, groups: int, state: int, kernel: int) -> Mappings:
    inner = heads * head_width
    convolved = inner + 2 * groups * state
    return _state(
        config,
        heads=heads,
        rows=inner + convolved + heads,
        output=inner,
        words=inner * state,
        convolved=convolved,
        kernel=kernel,
    )


def _state(config: Config, *, heads: int, rows: int, output: int, words: int, convolved: int, kernel: int) -> Mappings:
    """A recurrent layer; a causal convolution keeps its last inputs, one fewer than it is wide."""
    named = next((config.text(key) for key in _STATE_TYPES if config.has(key)), "float32")
    word_bytes = 2 if named in {"bfloat16", "float16"} else 4
    return {
        "kind": "recurrent",
        "heads": heads,
        "input_width": rows,
        "output_width": output,
        "state_words": words,
        "state_bytes": words * word_bytes + convolved * (kernel - 1) * _CONVOLUTION_BYTES,
    }


def _rows(params: int, width: int) -> int:
    """Rows of the model's width that hold as many weights as matrices of other sizes do."""
    return round(params / width)
