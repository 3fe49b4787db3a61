"""Feed-forward blocks, layer by layer: dense, routed experts and shared experts."""

from __future__ import annotations

from collections.abc import Callable

from ieco_opt.catalog.huggingface.keys import Config, Mappings
from ieco_opt.catalog.huggingface.layers import NO_FEED_FORWARD, FeedForwards, sparse_layers
from ieco_opt.catalog.huggingface.recurrent import nemotron_kinds

EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "num_routed_experts")
ACTIVE = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "moe_topk",
    "moe_top_k",
    "moe_k",
    "top_k_experts",
    "experts_per_token",
)
EXPERT_WIDTH = ("moe_intermediate_size", "expert_ffn_hidden_size")
SHARED = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
SHARED_WIDTH = ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim")
DENSE_WIDTH = ("intermediate_size", "ffn_hidden_size")

_GATED, _PLAIN = 3, 2
"""Matrices of a gated and of a plain block."""


def dense(config: Config) -> FeedForwards:
    """Gated blocks in every layer."""
    return [({"width": config.count(*DENSE_WIDTH)},)] * config.layers()


def plain_dense(config: Config) -> FeedForwards:
    """Blocks of one matrix up and one down in every layer."""
    return [({"width": config.count(*DENSE_WIDTH), "up": 1, "down": 1},)] * config.layers()


def falcon(config: Config) -> FeedForwards:
    """Plain blocks, four times as wide as the model where no key says."""
    width = config.count("ffn_hidden_size", default=4 * config.count("hidden_size", default=1))
    return [({"width": width, "up": 1, "down": 1},)] * config.layers()


def all_routed(config: Config) -> FeedForwards:
    """Routed experts in every layer, whose width is `intermediate_size`."""
    return [(_routed(config, config.count(*DENSE_WIDTH)),)] * config.layers()


def with_shared_width(config: Config) -> FeedForwards:
    """Routed experts beside a block of `shared_intermediate_size`, which may stand alone (Granite)."""
    shared = config.count("shared_intermediate_size", default=0, least=0)
    if not config.count("num_local_experts", default=0, least=0):
        return [({"width": shared or config.count(*DENSE_WIDTH)},)] * config.layers()
    routed = _routed(config, config.count(*DENSE_WIDTH))
    return [(routed, {"width": shared, "shared": True}) if shared else (routed,)] * config.layers()


def qwen(config: Config) -> FeedForwards:
    """Routed experts in every `decoder_sparse_step`-th layer that `mlp_only_layers` does not list."""
    step = config.count("decoder_sparse_step", default=1)
    listed = config.items("mlp_only_layers")
    routed = [(layer + 1) % step == 0 and layer not in listed for layer in range(config.layers())]
    return _mixture(config, routed, config.count("shared_expert_intermediate_size", default=0, least=0))


def leading_dense(default_first: int | None = None) -> Callable[[Config], FeedForwards]:
    """Dense layers first, then routed experts beside shared ones as wide as they (DeepSeek and its kin)."""

    def read(config: Config) -> FeedForwards:
        return _mixture(config, sparse_layers(config, default_first), _shared_width(config))

    return read


def _shared_width(config: Config) -> int:
    experts = config.count(*SHARED, default=0, least=0)
    if any(config.has(key) for key in SHARED_WIDTH):
        return config.count(*SHARED_WIDTH, least=0) * max(1, experts)
    return experts * config.count(*EXPERT_WIDTH) if experts else 0


def step(config: Config) -> FeedForwards:
    """Layers with experts as `moe_layers_enum` lists them; all of those have one shared expert (Step)."""
    return _mixture(config, sparse_layers(config, 3), config.count("share_expert_dim", "share_expert_dims"))


def minimax_m3(config: Config) -> FeedForwards:
    """Dense layers have a width of their own (MiniMax-M3)."""
    shared = config.count("shared_intermediate_size", default=0, least=0)
    expert_keys = ("moe_intermediate_size", "intermediate_size")
    return _mixture(config, sparse_layers(config), shared, expert_keys, ("dense_intermediate_size",))


def llama4(config: Config) -> FeedForwards:
    """Layers with experts are listed, or come at a step (Llama 4)."""
    listed = {str(layer) for layer in config.items("moe_layers")}
    step = config.count("interleave_moe_layer_step", default=1)
    routed = [str(layer) in listed if listed else (layer + 1) % step == 0 for layer in range(config.layers())]
    width = config.count("intermediate_size")
    return _mixture(config, routed, width, ("intermediate_size",), ("intermediate_size_mlp",))


def ernie(config: Config) -> FeedForwards:
    """Experts from a first to a last layer at an interval (Ernie 4.5)."""
    layers = config.layers()
    first, step = (config.count(key, default=1, least=0) for key in ("moe_layer_start_index", "moe_layer_interval"))
    last = config.count("moe_layer_end_index", default=-1, least=-1)
    last = layers - 1 if last < 0 else last
    routed = [first <= layer <= last and (layer + 1) % max(1, step) == 0 for layer in range(layers)]
    return _mixture(config, routed, _shared_width(config))


def hunyuan(config: Config) -> FeedForwards:
    """Routed and shared experts of the same width after the layers that are skipped (HunYuan V1)."""
    skipped = config.count("moe_layer_num_skipped", default=0, least=0)
    widths = (*EXPERT_WIDTH, "intermediate_size")
    shared = config.count(*SHARED, default=1, least=0) * config.count(*widths)
    return _mixture(config, [layer >= skipped for layer in range(config.layers())], shared, widths)


def longcat(config: Config) -> FeedForwards:
    """Two dense blocks a layer, beside one of which experts run, some of which do nothing (LongCat).

    A layer counts as two, each with its attention, and the experts that do nothing take their share of the picks.
    """
    dense_width = config.count(*DENSE_WIDTH)
    experts, idle = config.count(*EXPERTS), config.count("zero_expert_num", default=0, least=0)
    active = max(1, round(config.count(*ACTIVE) * experts / (experts + idle)))
    routed: Mappings = {"width": config.count(*EXPERT_WIDTH), "experts": experts, "active": active}
    first: tuple[Mappings, ...] = (routed, {"width": dense_width, "shared": True})
    return [first, ({"width": dense_width},)] * (config.layers() // 2)


def gemma4(config: Config) -> FeedForwards:
    """A dense block in every layer, and routed experts beside it in mixtures (Gemma 4)."""
    width = config.count(*DENSE_WIDTH)
    if not config.flag("enable_moe_block", False):
        return [({"width": width},)] * config.layers()
    return [(_routed(config, config.count(*EXPERT_WIDTH)), {"width": width, "shared": True})] * config.layers()


def jamba(config: Config) -> FeedForwards:
    """Experts once a period, as wide as the dense blocks (Jamba)."""
    period, offset = config.count("expert_layer_period"), config.count("expert_layer_offset", default=0, least=0)
    routed = [layer % period == offset and config.count(*EXPERTS) > 1 for layer in range(config.layers())]
    return _mixture(config, routed, 0, ("intermediate_size",))


def lfm2(config: Config) -> FeedForwards:
    """Gated blocks whose width is two thirds of what the key says, rounded up, unless told otherwise (LFM2)."""
    width = config.count("block_ff_dim", "intermediate_size")
    if config.flag("block_auto_adjust_ff_dim", True):
        multiple = config.count("block_multiple_of", default=256)
        scaled = int(2 * width / 3)
        if config.has("block_ffn_dim_multiplier"):
            scaled = int(config.ratio("block_ffn_dim_multiplier") * scaled)
        width = -(-scaled // multiple) * multiple
    return [({"width": width},)] * config.layers()


def lfm2_moe(config: Config) -> FeedForwards:
    """Dense layers first, then routed experts (LFM2 mixtures)."""
    first = config.count("num_dense_layers", default=0, least=0)
    return _mixture(config, [layer >= first for layer in range(config.layers())], 0)


def afmoe(config: Config) -> FeedForwards:
    """Dense layers first, then routed and shared experts (Trinity)."""
    first = config.count("num_dense_layers", default=1, least=0)
    return _mixture(config, [layer >= first for layer in range(config.layers())], _shared_width(config))


def nemotron_h(config: Config) -> FeedForwards:
    """Layers that are a plain block or plain experts alone, the latter in a narrower space in some (Nemotron-H)."""
    kinds = nemotron_kinds(config)
    plain: Mappings = {"up": 1, "down": 1}
    known: dict[str, tuple[Mappings, ...]] = {}
    if "mlp" in kinds:
        known["mlp"] = ({"width": config.count(*DENSE_WIDTH), **plain},)
    if "moe" in kinds:
        width, shared = config.count(*EXPERT_WIDTH), _shared_width(config)
        known["moe"] = narrow_experts(config, "moe_latent_size", width, shared, plain)
    return [known.get(kind, NO_FEED_FORWARD) for kind in kinds]


def kimi_linear(config: Config) -> FeedForwards:
    """As DeepSeek's, with experts in a narrower space in some (Kimi-K3)."""
    first: tuple[Mappings, ...] = ({"width": config.count(*DENSE_WIDTH)},)
    experts = narrow_experts(
        config, "routed_expert_hidden_size", config.count(*EXPERT_WIDTH), _shared_width(config), {}
    )
    return [experts if routed else first for routed in sparse_layers(config, 1)]


def narrow_experts(config: Config, key: str, width: int, shared: int, matrices: Mappings) -> tuple[Mappings, ...]:
    """Routed experts whose input is brought to the width under `key` and back, where the key is there.

    Rows of a model count matrices between its own width and that of a block. Narrower experts therefore get the
    width at which they have as many weights, and the two matrices around them, which every token passes, widen the
    shared expert. Weights and arithmetic stay as they are.
    """
    if not config.has(key):
        routed = _routed(config, width) | matrices
        return (routed, {"width": shared, "shared": True, **matrices}) if shared else (routed,)
    narrow, wide = config.count(key), config.count("hidden_size")
    routed = _routed(config, max(1, round(width * narrow / wide))) | matrices
    around = round(2 * narrow / (_PLAIN if matrices else _GATED))
    return routed, {"width": shared + around, "shared": True, **matrices}


def _mixture(
    config: Config,
    routed: list[bool],
    shared_width: int,
    expert_keys: tuple[str, ...] = EXPERT_WIDTH,
    dense_keys: tuple[str, ...] = DENSE_WIDTH,
) -> FeedForwards:
    first: tuple[Mappings, ...] = ()
    experts: tuple[Mappings, ...] = ()
    if not all(routed):
        first = ({"width": config.count(*dense_keys)},)
    if any(routed):
        experts = (_routed(config, config.count(*expert_keys)),)
        if shared_width:
            experts = (*experts, {"width": shared_width, "shared": True})
    return [experts if each else first for each in routed]


def _routed(config: Config, width: int) -> Mappings:
    return {"width": width, "experts": config.count(*EXPERTS), "active": config.count(*ACTIVE)}
