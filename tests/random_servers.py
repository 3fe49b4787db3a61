"""Scenarios that lean towards one rule of a server each, so that every row of the table decides some of those drawn.

Rows that need several things at once (a class, a format and a card) would hardly ever be tried by chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from oracle.servers import EAGLE3_CLASSES, MTP_CLASSES, SERVERS
from random_models import mixed_blocks

Mapping = dict[str, Any]
Lean = Callable[[random.Random, Mapping], Mapping]


def leaning(rng: random.Random, mapping: Mapping) -> Mapping:
    """Change a drawn scenario of servers and an own model such that one rule may decide."""
    return rng.choice(LEANS)(rng, mapping)


def _with(mapping: Mapping, *, model: Mapping | None = None, space: Mapping | None = None, **fields: Any) -> Mapping:
    # What the name of a recipe stands for is the rule's own here.
    own = {**mapping["model"], **(model or {}), "published": None, "recipes": None}
    changed = {"model": _filled(own), "design_space": _filled({**mapping["design_space"], **(space or {})})}
    return {**mapping, **fields, **changed}


def _filled(given: Mapping) -> Mapping:
    return {name: value for name, value in given.items() if value is not None}


def _stages(rng: random.Random, *degrees: int, groups: tuple[int, ...] = (1,), most: int = 64) -> Mapping:
    """Degrees of groups, some of them left out, that leave few other choices."""
    chosen = sorted(rng.sample(degrees, min(len(degrees), rng.choice((2, 3)))))
    return {
        "tensor_parallel": chosen,
        "stage_ranks": None,
        "attention_data_parallel": list(groups),
        "pipeline_parallel": rng.choice(([1], [1, 2], [1, 3])),
        "expert_parallel": "auto",
        "max_gpus": most,
    }


def _grouped(heads: int, kv_heads: int) -> Mapping:
    return {"kind": "grouped_query", "query_heads": heads, "kv_heads": kv_heads, "head_width": 128}


def _attention(heads: int, kv_heads: int) -> Mapping:
    return {"attention": _grouped(heads, kv_heads), "blocks": None}


def _wide(rng: random.Random, mapping: Mapping, width: int = 4096) -> Mapping:
    """Draw attention of any kind in a model so wide that more ranks are faster."""
    if rng.random() < 0.25:
        return _attention(16, 4) | {"width": width}
    blocks = mixed_blocks(rng, mapping["model"]["layers"], 16, width)
    return {"blocks": blocks, "attention": None, "width": width}


def _mixture(rng: random.Random, layers: int, width: int, *, experts: int | None = None, shared: int = 0) -> Mapping:
    routed = {"layers": layers, "width": width, "experts": experts or rng.choice((8, 16, 64)), "active": 2}
    beside = [{"layers": layers, "width": shared, "shared": True}] if shared else []
    return {"feed_forward": [routed, *beside]}


def _dense(layers: int, width: int) -> Mapping:
    return {"feed_forward": [{"layers": layers, "width": width}]}


def _one_of(rng: random.Random, *engines: str) -> Any:
    return rng.choice((*engines, *engines, "any"))


# --- one for each row -------------------------------------------------------------------------------------------------


def _weights(rng: random.Random, mapping: Mapping) -> Mapping:
    entry = rng.choice(("int8", "mxfp8", "gptq", "int4_g64", "int4_g32"))
    return _with(mapping, engine=rng.choice(("trtllm", "trtllm", ["trtllm", "vllm"])), weights=[entry, "bf16"]) | {
        "accelerators": ["H100-SXM"]
    }


def _groups(rng: random.Random, mapping: Mapping) -> Mapping:
    layers = mapping["model"]["layers"]
    routed = rng.random() < 0.5
    block = _mixture(rng, layers, 1536) if routed else _dense(layers, 6144)
    classes = ("MixtralForCausalLM", "DeepseekV3ForCausalLM") if routed else ("LlamaForCausalLM", "Qwen3ForCausalLM")
    model = _wide(rng, mapping) | block | {"hf_architecture": rng.choice(classes), "fp8_block": 0}
    space = _stages(rng, 1, 2, 4, groups=(1, 2, 4))
    return _with(mapping, model=model, space=space, engine=_one_of(rng, "vllm", "sglang", "trtllm"))


def _kv_heads(rng: random.Random, mapping: Mapping) -> Mapping:
    # Layers that all degrees divide evenly, and degrees that small limits on power allow: otherwise either would forbid
    # what the KV heads do.
    block = _dense(mapping["model"]["layers"], 24_576)
    model = _attention(24, rng.choice((3, 3, 6))) | block | {"fp8_block": 0, "width": 8192}
    return _with(mapping, model=model, space=_stages(rng, 1, 2, 4), engine=_one_of(rng, "vllm", "sglang", "trtllm"))


def _dense_layers(rng: random.Random, mapping: Mapping) -> Mapping:
    block = _dense(mapping["model"]["layers"], rng.choice((10_001, 10_002, 10_004, 14_336)))
    model = _attention(24, 1) | block | {"fp8_block": 0, "width": 8192}
    return _with(mapping, model=model, space=_stages(rng, 1, 2, 3, 4, 6, 12))


def _shared(rng: random.Random, mapping: Mapping) -> Mapping:
    block = _mixture(rng, mapping["model"]["layers"], 1536, shared=rng.choice((1501, 3002, 6001)))
    model = _wide(rng, mapping) | block | {"hf_architecture": "DeepseekV3ForCausalLM", "fp8_block": 0}
    space = _stages(rng, 1, 2, 4, 8, groups=rng.choice(((1,), (1, 2))))
    return _with(mapping, model=model, space=space, engine=rng.choice(("vllm", "sglang", ["vllm", "sglang"])))


def _routed(rng: random.Random, mapping: Mapping) -> Mapping:
    block = _mixture(rng, mapping["model"]["layers"], rng.choice((1001, 2002, 1100, 1536)))
    model = _wide(rng, mapping) | block | {"fp8_block": 0}
    space = _stages(rng, 2, 4, 8, 16) | {"expert_parallel": rng.choice(([1, 2], [1], [2, 4], "auto"))}
    return _with(mapping, model=model, space=space, engine=rng.choice(("vllm", "sglang", ["vllm", "sglang"])))


def _few_experts(rng: random.Random, mapping: Mapping) -> Mapping:
    # What few ranks read slowly is where more ranks than experts would be faster.
    width, degrees = rng.choice(((1536, (2, 4, 8)), (1536, (2, 4, 8)), (6144, (1, 4, 8)), (12_288, (1, 4, 8))))
    block = _mixture(rng, mapping["model"]["layers"], width, experts=2)
    model = _wide(rng, mapping) | block | {"hf_architecture": "Qwen3MoeForCausalLM", "fp8_block": 0}
    return _with(mapping, model=model, space=_stages(rng, *degrees), engine="vllm")


def _blocks(rng: random.Random, mapping: Mapping) -> Mapping:
    layers = mapping["model"]["layers"]
    odd = 128 * rng.choice((27, 45, 99))
    block = rng.choice((_dense(layers, 2 * odd), _dense(layers, odd), _mixture(rng, layers, 2048, shared=odd)))
    model = _wide(rng, mapping) | block | {"fp8_block": 128, "hf_architecture": rng.choice((None, "Qwen3ForCausalLM"))}
    space = _stages(rng, 1, 2, 4, 8)
    engine = rng.choice(("vllm", "sglang", ["vllm", "sglang"]))
    return _with(mapping, model=model, space=space, engine=engine, weights=["fp8"])


def _whole_dense(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw dense layers before others, of a class for which SGLang may hold them whole, and shared experts."""
    layers = mapping["model"]["layers"]
    width = rng.choice((128 * 27, 128 * 99, 10_002, 6144))
    routed = _mixture(rng, layers - 1, 2048, shared=rng.choice((0, 128 * 9, 1501, 2048)))["feed_forward"]
    classes = ("DeepseekV3ForCausalLM", "BailingMoeV2ForCausalLM", "Glm4MoeForCausalLM")
    model = _wide(rng, mapping) | {"feed_forward": [{"layers": 1, "width": width}, *routed]}
    model |= {"hf_architecture": rng.choice(classes), "fp8_block": 128}
    space = _stages(rng, 1, 2, 4, 8, groups=rng.choice(((1,), (1, 2), (2, 4))))
    engine = rng.choice(("sglang", "sglang", ["vllm", "sglang"]))
    return _with(mapping, model=model, space=space, engine=engine, weights=[rng.choice(("fp8", "bf16"))])


def _routed_blocks(rng: random.Random, mapping: Mapping) -> Mapping:
    block = _mixture(rng, mapping["model"]["layers"], 128 * rng.choice((11, 27, 27, 54)), experts=8)
    model = _wide(rng, mapping) | block | {"fp8_block": 128}
    space = _stages(rng, 1, 2, 4, 8) | {"expert_parallel": [1]}
    engine = rng.choice(("vllm", "sglang", ["vllm", "sglang"]))
    return _with(mapping, model=model, space=space, engine=engine, weights=["fp8"])


def _mxfp4(rng: random.Random, mapping: Mapping) -> Mapping:
    model = (
        _attention(16, 4) | _mixture(rng, mapping["model"]["layers"], 2880) | {"hf_architecture": "GptOssForCausalLM"}
    )
    given: Mapping = {"weights": [rng.choice(("mxfp4", "mxfp4", "fp4"))]}
    space = _stages(rng, 1, 2, 4, groups=rng.choice(((1, 2, 4), (2, 4)))) | {
        "expert_parallel": rng.choice(("auto", [2, 4]))
    }
    card = rng.choice((("MI300X", "vllm"), ("H100-SXM", "sglang"), ("H200-SXM", "sglang")))
    return _with(mapping, model=model, space=space, engine=card[1], accelerators=[card[0]], **given)


def _tiles(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw experts, beside shared ones or dense layers, of which some shares are no whole tiles of 128."""
    layers = mapping["model"]["layers"]
    block = _mixture(rng, layers, rng.choice((640, 768, 1536, 2560)), shared=rng.choice((0, 768, 1536)))
    model = _wide(rng, mapping) | block | {"hf_architecture": "DeepseekV3ForCausalLM", "fp8_block": 0}
    space = _stages(rng, 2, 4, 8, groups=rng.choice(((1,), (1, 2)))) | {"expert_parallel": rng.choice(("auto", [1, 2]))}
    entry = rng.choice(("int4", "awq", "gptq", "nvfp4"))
    return _with(mapping, model=model, space=space, engine=_one_of(rng, "vllm", "sglang"), weights=[entry])


def _dense_in_mxfp4(rng: random.Random, mapping: Mapping) -> Mapping:
    model = _attention(24, 4) | _dense(mapping["model"]["layers"], 12_288) | {"fp8_block": 0}
    card, engine = rng.choice(
        (("H100-SXM", "sglang"), ("B200-SXM", ["sglang"]), ("MI300X", ["vllm", "sglang"]), ("MI355X", "any"))
    )
    entries = rng.choice((["mxfp4"], ["mxfp4", "bf16"], ["mxfp4", "fp8"]))
    space = _stages(rng, 1, 2, 4)
    return _with(mapping, model=model, space=space, engine=engine, accelerators=[card], weights=entries)


def _copies(rng: random.Random, mapping: Mapping) -> Mapping:
    classes = ("GptOssForCausalLM", "MiniMaxM2ForCausalLM", "HYV3ForCausalLM", "DeepseekV3ForCausalLM")
    block = _mixture(rng, mapping["model"]["layers"], 1536, experts=rng.choice((3, 6, 10)))
    model = _wide(rng, mapping) | block | {"hf_architecture": rng.choice(classes), "fp8_block": 0}
    space = _stages(rng, 1, 4, 8, groups=(1, 4)) | {"redundant_experts": rng.choice(("auto", [2], [0, 2], [2, 6]))}
    entry = rng.choice(("awq", "gptq", "bf16", "fp8"))
    return _with(mapping, model=model, space=space, engine="vllm", weights=[entry])


def _machines(rng: random.Random, mapping: Mapping) -> Mapping:
    model = _attention(24, rng.choice((1, 24))) | {"fp8_block": 0}
    space = _stages(rng, 1, 2, 3, 4, 6, 12, groups=rng.choice(((1,), (1, 2, 3), (2, 4)))) | {
        "pipeline_parallel": [1, 2, 3]
    }
    card = {"like": "H100-SXM", "name": "small nodes", "node_size": rng.choice((2, 3, 4))}
    return _with(mapping, model=model, space=space, accelerators=[card])


def _drafts(rng: random.Random, mapping: Mapping) -> Mapping:
    layers = mapping["model"]["layers"]
    model = _attention(24, 4) | {"fp8_block": 0, "vocabulary": 50_000} | _mixture(rng, layers, 6144, experts=8)
    model |= {"hf_architecture": "DeepseekV3ForCausalLM"}
    draft = {
        **{name: model[name] for name in ("attention", "vocabulary")},
        "name": "own draft",
        "layers": 2,
        "width": 1024,
        "tied_embeddings": True,
        "attention": _grouped(24, rng.choice((1, 3, 3, 3))),
        "vocabulary": rng.choice((50_000, 50_000, 1000)),
        "feed_forward": [{"layers": 2, "width": 3072}],
    }
    speculation = {"draft_model": draft, "acceptance": rng.choice((0.8, 0.95)), "max_draft_tokens": rng.randint(2, 5)}
    engine = "sglang" if rng.random() < 0.4 else mapping.get("engine", "any")
    space = _stages(rng, 1, 2, 4, groups=rng.choice(((1,), (1, 2), (2, 4)))) | {
        "pipeline_parallel": rng.choice(([1], [1, 2]))
    }
    return _with(mapping, model=model, space=space, engine=engine, speculation=speculation, weights=["bf16"])


def _heads(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw an MTP layer or an EAGLE-3 head, of a class that some server has such drafts for or of another one."""
    mode = rng.choice(("mtp", "eagle3"))
    layers, engine = mapping["model"]["layers"], rng.choice(SERVERS)
    classes = (MTP_CLASSES if mode == "mtp" else EAGLE3_CLASSES)[rng.choice(SERVERS)]
    other = rng.choice(("MixtralForCausalLM", "LongcatFlashForCausalLM"))
    block = _mixture(rng, layers, 3072, experts=8) if rng.random() < 0.7 else _dense(layers, 12_288)
    model = _attention(24, rng.choice((1, 3, 4))) | block | {"fp8_block": 0, "vocabulary": 50_000}
    model |= {"hf_architecture": rng.choice((rng.choice(sorted(classes)), other)), "mtp_layers": rng.choice((1, 1, 3))}
    space = _stages(rng, 1, 2, 4, groups=rng.choice(((1,), (1, 2), (2, 4)))) | {
        "pipeline_parallel": rng.choice(([1], [1, 2]))
    }
    drafts = {"mode": mode, "accepted_tokens": {1: 1.8, rng.choice((2, 3)): 2.4}}
    return _with(mapping, model=model, space=space, engine=engine, speculation=drafts, weights=["bf16"])


LEANS: tuple[Lean, ...] = (
    *(
        _weights,
        _weights,
        _weights,
        _groups,
        _kv_heads,
        _dense_layers,
        _dense_layers,
        _shared,
        _shared,
        _whole_dense,
        _whole_dense,
        _routed,
        _few_experts,
        _few_experts,
        _few_experts,
        _few_experts,
    ),
    *(
        _blocks,
        _blocks,
        _routed_blocks,
        _routed_blocks,
        _routed_blocks,
        _mxfp4,
        _mxfp4,
        _dense_in_mxfp4,
        _tiles,
        _tiles,
        _copies,
        _machines,
        _mxfp4,
        _drafts,
        _drafts,
        _drafts,
        _heads,
        _heads,
        _heads,
        _heads,
    ),
)
