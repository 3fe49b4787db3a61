"""Layers told one by one under `block_configs`: models pruned by a search (DeciLM, Nemotron)."""

from __future__ import annotations

from collections.abc import Mapping

from ieco_opt.catalog.huggingface.attention import grouped_query, windowed
from ieco_opt.catalog.huggingface.keys import Config, Mappings
from ieco_opt.catalog.huggingface.layers import NO_ATTENTION, NO_FEED_FORWARD, Attentions, FeedForwards
from ieco_opt.documents.origin import found

_MULTIPLE = 256
"""Widths are rounded up to a multiple of this."""


def attentions(config: Config) -> Attentions:
    """Read the attention of each block; one without any is left out of the layer."""
    return [_attention(config, block.inner("attention")) for block in _blocks(config)]


def feed_forwards(config: Config) -> FeedForwards:
    """Read the feed-forward block of each block."""
    return [_feed_forward(config, block.inner("ffn")) for block in _blocks(config)]


def _blocks(config: Config) -> list[Config]:
    blocks: list[Config] = []
    for layer, given in enumerate(config.per_layer("block_configs")):
        key = f"block_configs[{layer}]"
        if not isinstance(given, Mapping):
            config.fault(key, f"found {found(given)}, expected a mapping")
        values = given if isinstance(given, Mapping) else {}
        blocks.append(Config(values, f"{config.prefix}{key}.", faults=config.faults))
    return blocks


def _attention(config: Config, given: Config) -> Mappings:
    if given.flag("no_op", False):
        return NO_ATTENTION
    if given.has("sparsify"):
        given.fault("sparsify", "found weights left out one by one, expected null")
    if given.flag("replace_with_linear", False):
        return _linear_attention(config.count("hidden_size"))
    heads = config.count("num_attention_heads")
    if given.has("num_key_value_heads"):
        kv_heads = given.count("num_key_value_heads")
    else:
        kv_heads = max(1, heads // given.count("n_heads_in_group", default=1))
    window = given.count("window_length") if given.has("window_length") else None
    return windowed(grouped_query(config, kv_heads=kv_heads), window)


def _linear_attention(width: int) -> Mappings:
    """One square matrix in place of attention: half of it goes in, half of it out, and next to no state is kept."""
    return {
        "kind": "recurrent",
        "heads": width,
        "input_width": width - width // 2,
        "output_width": width // 2,
        "state_words": 1,
        "state_bytes": 1,
    }


def _feed_forward(config: Config, given: Config) -> tuple[Mappings, ...]:
    if given.flag("no_op", False):
        return NO_FEED_FORWARD
    if given.has("sparsify"):
        given.fault("sparsify", "found weights left out one by one, expected null")
    width = config.count("hidden_size")
    if given.flag("replace_with_linear", False):
        # One square matrix, half of it up and half of it down.
        return ({"width": max(1, width // 2), "up": 1, "down": 1},)
    if given.has("intermediate_size"):
        return ({"width": given.count("intermediate_size")},)
    if not given.has("ffn_mult"):
        given.fault("ffn_mult", "missing, expected a number, or intermediate_size, or no_op")
        return NO_FEED_FORWARD
    exact = int(2 * given.ratio("ffn_mult") * width / 3)
    return ({"width": -(-exact // _MULTIPLE) * _MULTIPLE},)
