"""Random models that no catalog knows, and precisions to serve them in: every kind of layer, and mixtures of kinds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from oracle.precision import FORMATS, PARTS, label

from ieco_opt.catalog.types import Model

Mapping = dict[str, Any]

_COMMON = ("bf16", "fp8", "fp8", "fp4", "fp4", "fp4", "int4", "mxfp4", "mxfp4", "mxfp4", "nvfp4", "fp4")
_FORMATS = tuple(FORMATS)
_DENSE_CLASSES = ("Qwen3ForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM", "Exaone4ForCausalLM")
_ROUTED_CLASSES = (
    *("DeepseekV3ForCausalLM", "DeepseekV3ForCausalLM", "Qwen3MoeForCausalLM", "Qwen3MoeForCausalLM"),
    *(
        "GptOssForCausalLM",
        "MiniMaxM2ForCausalLM",
        "KimiLinearForCausalLM",
        "MixtralForCausalLM",
        "Qwen2MoeForCausalLM",
    ),
)
_SERVERS = ("sglang", "trtllm", "vllm")
_WINDOWS = (None, None, 100, 700, 3000)


def own_model(rng: random.Random, *, most_layers: int = 40) -> Mapping:
    """Draw a small model: odd heads and layers, every kind of block and attention, alone or beside others."""
    layers, heads = rng.randint(3, most_layers), rng.choice((6, 12, 16, 24, 28, 32))
    model: Mapping = {
        "name": "own",
        "layers": layers,
        "width": rng.choice((1024, 2048, 2880, 3584)),
        "vocabulary": rng.choice((1000, 50_000, 150_000)),
        "tied_embeddings": rng.random() < 0.5,
    }
    if rng.random() < 0.3:
        model["recipes"] = {rng.choice(("fp8", "nvfp4", "mxfp4", "mxfp4", "int4")): recipe_mapping(rng)}
    if rng.random() < 0.1:
        model["activation_bytes"] = 1.0
    if rng.random() < 0.1:
        model["published"] = rng.choice((["mxfp4"], ["bf16", "fp8"], ["mxfp4", "bf16"]))
    if rng.random() < 0.35:
        model["attention"] = attention(rng, heads, model["width"])
    else:
        model["blocks"] = mixed_blocks(rng, layers, heads, model["width"])
    model["feed_forward"] = feed_forward(rng, layers)
    return model | known_to_servers(rng, model)


def known_to_servers(rng: random.Random, model: Mapping) -> Mapping:
    """Draw the class by which servers know a model, and the blocks of its FP8 checkpoint, or leave them out."""
    found: Mapping = {}
    if rng.random() < 0.7:
        routed = any(block.get("experts", 1) > 1 for block in model["feed_forward"])
        found["hf_architecture"] = rng.choice(_ROUTED_CLASSES if routed else _DENSE_CLASSES)
    if rng.random() < 0.6:
        found["fp8_block"] = rng.choice((128, 128, 128, 128, 64))
    return found


def mixed_blocks(rng: random.Random, layers: int, heads: int, width: int) -> list[Mapping]:
    """Draw two or three kinds of layers, some kind of attention among them."""
    counts = _split(rng, layers, rng.choice((2, 2, 3)))
    every = [attention(rng, heads, width) for _ in counts]
    every[-1] = rng.choice(
        (_windowed, _windowed, _windowed, _general, _recurrent, _recurrent, _recurrent, _none, attention)
    )(rng, heads, width)
    rng.shuffle(every)
    return [{"layers": count, "attention": one} for count, one in zip(counts, every, strict=True)]


def _split(rng: random.Random, total: int, parts: int) -> list[int]:
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [last - first for first, last in zip([0, *cuts], [*cuts, total], strict=True)]


def attention(rng: random.Random, heads: int, width: int) -> Mapping:
    """Draw the attention of a layer over a cache or a state."""
    kinds = (_grouped_query, _grouped_query, _latent, _latent, _general, _recurrent, _recurrent, _recurrent)
    return rng.choice(kinds)(rng, heads, width)


def _divisor(rng: random.Random, heads: int) -> int:
    return rng.choice([count for count in range(1, heads + 1) if heads % count == 0])


def _with_indexer(rng: random.Random, given: Mapping, chance: float) -> Mapping:
    if rng.random() < chance:
        top_k = rng.choice((16, 128, 1024, 2048))
        given["indexer"] = {"top_k": top_k, "heads": rng.choice((4, 32)), "head_width": rng.choice((64, 128, 512))}
    return given


def _grouped_query(rng: random.Random, heads: int, width: int) -> Mapping:
    given: Mapping = {
        "kind": "grouped_query",
        "query_heads": heads,
        "kv_heads": _divisor(rng, heads),
        "head_width": rng.choice((64, 128)),
        "window": rng.choice(_WINDOWS),
    }
    if rng.random() < 0.4:
        given["value_head_width"] = rng.choice((64, 192))
    if rng.random() < 0.2:
        given["extra_params"] = rng.choice((7, width * heads, width * width + width // 3))
    return _with_indexer(rng, given, 0.15)


def _windowed(rng: random.Random, heads: int, width: int) -> Mapping:
    return _grouped_query(rng, heads, width) | {"window": rng.choice(_WINDOWS[2:])}


def _latent(rng: random.Random, heads: int, width: int) -> Mapping:
    given: Mapping = {
        "kind": "latent",
        "query_heads": heads,
        "kv_width": 512,
        "query_width": rng.choice((None, 768)),
        "nope_head_width": 128,
        "rope_head_width": 64,
        "value_head_width": 128,
    }
    if rng.random() < 0.15:
        given["extra_params"] = width * heads
    return _with_indexer(rng, given, 0.45)


def _general(rng: random.Random, heads: int, width: int) -> Mapping:
    inner = heads * 64
    given: Mapping = {
        "kind": "general",
        "query_heads": heads,
        "kv_heads": _divisor(rng, heads),
        "matrices": rng.choice(
            ([[inner + 1024, width], [width, inner]], [[inner, width], [512, width], [width, inner]])
        ),
        "cache_words": rng.choice((512, 1024, 4096)),
        "flop_per_entry": 4.0 * inner,
        "window": rng.choice(_WINDOWS),
        "compression": rng.choice((1, 2, 4, 4, 16)),
    }
    return _with_indexer(rng, given, 0.5)


def _recurrent(rng: random.Random, heads: int, width: int) -> Mapping:
    heads *= rng.choice((1, 1, 2, 3))
    words = heads * 128 * rng.choice((64, 256, 2048))
    return {
        "kind": "recurrent",
        "heads": heads,
        "input_width": heads * 128 * rng.choice((2, 3)),
        "output_width": heads * 128,
        "state_words": words,
        "state_bytes": words * rng.choice((2, 4)) // rng.choice((1, 1, 40)) + 3 * heads * 128 * 2,
    }


def _none(rng: random.Random, heads: int, width: int) -> Mapping:
    return {"kind": "none"}


def feed_forward(rng: random.Random, layers: int) -> list[Mapping]:
    """Draw feed-forward blocks: dense, none, or routed with or without dense or bare layers and a shared expert.

    3,456 and 1,152 are 27 and 9 blocks of 128, which two ranks cannot split.
    """
    dense = {"width": rng.choice((2000, 3456, 4608, 6144)), "up": rng.choice((1, 2))}
    if rng.random() < 0.35:
        bare = rng.choice((0, 0, layers // 2, layers - 1))
        blocks: list[Mapping] = [{"layers": layers - bare, **dense}]
        return [*blocks, {"layers": bare, "width": 0}] if bare else blocks
    leading = rng.choice((0, 0, 1, 2))
    routed = layers - leading
    experts, active = rng.choice((4, 6, 8, 10, 60)), rng.choice((1, 2, 3, 4))
    blocks = [{"layers": leading, **dense, **rng.choice(({}, {}, {"width": 0}))}] if leading else []
    width = rng.choice((768, 1000, 1400, 1536, 2048, 2880, 3072))
    blocks.append({"layers": routed, "width": width, "experts": experts, "active": active})
    if rng.random() < 0.4:
        blocks.append({"layers": routed, "width": rng.choice((1152, 1500, 1536, 2048)), "shared": True})
    return blocks


# --- precisions -------------------------------------------------------------------------------------------------------


def weights(rng: random.Random, models: Sequence[Model]) -> list[str | Mapping]:
    """Draw entries of ``weights`` that there are checkpoints of for all models."""
    names = [
        name for name in rng.choice((_COMMON, _COMMON, _FORMATS)) if all(_published(each, name) for each in models)
    ]
    blocks = any(each.fp8_block for each in models) and all(_published(each, "fp8") for each in models)
    first = "fp8" if blocks and rng.random() < 0.2 else "fp4" if rng.random() < 0.3 and "fp4" in names else None
    entries: list[str | Mapping] = [] if first is None else [first]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3)) - len(entries)):
        entry = recipe_mapping(rng) if not names or rng.random() < 0.25 else rng.choice(names)
        if label(entry) not in map(label, entries):
            entries.append(entry)
    return entries


def _published(model: Model, name: str) -> bool:
    # FP4 is MXFP4 for a model that comes in it.
    return not model.published or ("mxfp4" if name == "fp4" else name) in model.published


def recipe_mapping(rng: random.Random) -> Mapping:
    """Draw a format for some parts of a model and for the rest."""
    parts = rng.sample(PARTS, rng.randint(1, 3))
    return {part: rng.choice(_FORMATS) for part in parts} | {"rest": rng.choice(("bf16", "bf16", "fp8", "nvfp4"))}


def engine_field(rng: random.Random) -> Mapping:
    """Draw the servers of a scenario: none or any in a quarter each, else one or a list of two."""
    chance = rng.random()
    if chance < 0.25:
        return {"engine": "none"}
    if chance < 0.5:
        return rng.choice(({}, {"engine": "any"}))
    if chance < 0.8:
        one = rng.choice(_SERVERS)
        return {"engine": rng.choice((one, one, [one]))}
    return {"engine": rng.sample(_SERVERS, 2)}


def memory_fields(rng: random.Random) -> Mapping:
    """Draw precisions of the cache and the reserve, of which each may be left out."""
    found: Mapping = {}
    if rng.random() < 0.6:
        found["kv_cache"] = rng.choice((["bf16"], ["fp8"], ["bf16", "fp8"], ["fp8", "bf16"], "fp8", "bf16"))
    if rng.random() < 0.3:
        found["memory_reserve_gb"] = rng.choice(("auto", 0, 0.5, 2.0, 5.5, 12))
    return found
