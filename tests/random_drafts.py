"""Random fields ``speculation``: draft models, MTP layers and EAGLE-3 heads, and how many tokens are accepted."""

from __future__ import annotations

import random
from typing import Any

from oracle.servers import EAGLE3_CLASSES, MTP_CLASSES
from random_models import attention

Mapping = dict[str, Any]

_WITH_MTP_LAYERS = (
    *("DeepSeek-V3", "Qwen3-Next-80B-A3B", "GLM-4.5-Air", "GLM-4.7-Flash", "MiMo-7B", "MiMo-7B", "Qwen3.5-27B"),
    *("Qwen3.5-35B-A3B", "Ling-mini-2.0", "MiniMax-M2", "DeepSeek-V4-Flash", "Nemotron-3.5-Lightning-30B-A3B"),
)
_MEASURED = ("deepseek-r1-mtp", "deepseek-v3-mtp", "qwen3.5-397b", "kimi-k2.5-thinking")


def draft_model(rng: random.Random, draft: str | Mapping) -> Mapping:
    """Draw how a draft model is used, in the only way that fidelity ``paper`` knows."""
    acceptance = rng.choice((0.1, 0.5, 0.8, 0.95, 1.0))
    return {"draft_model": draft, "acceptance": acceptance, "max_draft_tokens": rng.randint(2, 6)}


def speculating(rng: random.Random, model: str | Mapping, draft: str | Mapping, *, keeping: bool) -> Mapping:
    """Draw what drafts for a model, with the model, which may become one that has such drafts.

    ``draft`` is taken where it is to be a draft model. A model whose layers are not ``keeping`` tokens has no heads.
    """
    mode = rng.choice(("draft_model", "draft_model", "mtp", "mtp", "eagle3", "eagle3"))
    if mode == "mtp" and (not keeping or rng.random() < 0.35):
        return {"model": rng.choice(_WITH_MTP_LAYERS), "speculation": {"mode": mode, **accepted(rng)}}
    if mode == "draft_model" or not keeping:
        given = rng.choice(({}, {"mode": "draft_model"}))
        return {"model": model, "speculation": {**given, "draft_model": draft, **accepted(rng)}}
    own = dict(model) if isinstance(model, dict) else {"like": model}
    if isinstance(model, dict) and rng.random() < 0.6:
        classes = (MTP_CLASSES if mode == "mtp" else EAGLE3_CLASSES)[rng.choice(("vllm", "sglang", "trtllm"))]
        own["hf_architecture"] = rng.choice(sorted(classes))
    if mode == "mtp":
        own["mtp_layers"] = rng.choice((1, 1, 1, 1, 3))
        return {"model": own, "speculation": {"mode": mode, **accepted(rng)}}
    head = rng.choice(({}, {"draft_model": "owner/head"}, {"draft_model": _given_head(rng)}))
    return {"model": own if "hf_architecture" in own else model, "speculation": {"mode": mode, **head, **accepted(rng)}}


def accepted(rng: random.Random) -> Mapping:
    """Draw a chance of acceptance, or tokens by drafts with some numbers left out, or a measured set."""
    chance = rng.random()
    if chance < 0.4:
        return {"acceptance": rng.choice((0.1, 0.5, 0.8, 0.95, 1.0)), "max_draft_tokens": rng.randint(2, 6)}
    if chance < 0.55:
        return {"accepted_tokens": rng.choice(_MEASURED), **rng.choice(({}, {"max_draft_tokens": rng.randint(3, 6)}))}
    drafts = sorted(rng.sample(range(1, 8), rng.randint(1, 4)))
    share, tokens, listed = rng.choice((0.3, 0.6, 0.9, 1.0)), 1.0, {}
    for each in drafts:
        tokens = max(tokens, round(1 + share * each * rng.uniform(0.7, 1.0), 2))
        listed[each] = min(tokens, each + 1.0)
    most = {"max_draft_tokens": rng.randint(drafts[0] + 1, 9)} if rng.random() < 0.3 else {}
    return {"accepted_tokens": listed, **most}


def _given_head(rng: random.Random) -> Mapping:
    """Draw an EAGLE-3 head as a scenario describes it, of one layer or two, in any vocabulary."""
    layers, heads, width = rng.choice((1, 1, 2)), rng.choice((12, 16, 24, 32)), rng.choice((1024, 2048, 3584))
    kind = attention(rng, heads, width)
    while kind["kind"] not in ("grouped_query", "latent"):
        kind = attention(rng, heads, width)
    return {
        "name": "own head",
        "layers": layers,
        "width": width,
        "vocabulary": rng.choice((1000, 32_000, 60_000)),
        "tied_embeddings": rng.random() < 0.3,
        "attention": kind,
        "feed_forward": [{"layers": layers, "width": rng.choice((2000, 6144, 14_336))}],
    }
