"""Random calibration profiles: every field within its bounds, most of them where measurements would lie."""

from __future__ import annotations

import math
import random
from typing import Any

Mapping = dict[str, Any]

KINDS = ("bf16", "fp8", "fp4", "int4")
MOST_RANKS = 1024
LEFT_OUT = 0.3
"""Chance of an optional constant of collectives to be left out."""

SERVERS = ("vllm", "sglang", "trt", "dynamo-vllm", "dynamo-sglang", "dynamo-trt", "atom")
CARDS = ("H100-SXM", "H200-SXM", "A100-SXM-80GB", "B200-SXM", "MI300X", "L40S")
MODELS = ("own", "Llama-3.1-8B", "Qwen3-8B", "gpt-oss-20b", "DeepSeek-V2-Lite", "Qwen3-30B-A3B", "MiMo-7B")


def random_profile(rng: random.Random) -> Mapping:
    """Draw a profile; a fifth has no kernels of all-reduces, and in a third optional parts are left out."""
    return pass_profile(rng) | {
        name: draw(rng)
        for name, draw in {
            "first_token": first_token,
            "power": power,
            "engines": engines,
            "pairs": pairs,
            "accelerators": cards,
            "fitted_on": fitted_on,
        }.items()
        if rng.random() < 0.7
    }


def cards(rng: random.Random) -> list[str]:
    """Draw the accelerators that a profile was fitted on, also with as little memory as scenarios give them."""
    chosen = rng.sample(CARDS, rng.randint(1, 5))
    return [*chosen, *(f"tight {name}" for name in chosen)]


def first_token(rng: random.Random) -> Mapping:
    """Draw what the first token waits for beside its own prompt; either may be left out."""
    found = {
        "seconds": delay(rng, 1e-3, 0.3, most=10.0),
        "prompts_in_the_way": delay(rng, 1e-3, 0.5, most=10.0),
    }
    return {name: value for name, value in found.items() if rng.random() < 0.8}


def power(rng: random.Random) -> Mapping:
    """Draw shares of the board power, some for single accelerators."""
    found: Mapping = watts(rng)
    if rng.random() < 0.5:
        found["accelerators"] = {name: watts(rng) for name in rng.sample(CARDS, rng.randint(1, 4))}
    return found


def watts(rng: random.Random) -> Mapping:
    """Draw the shares that are drawn always, and by GPUs that are busy."""
    return {"idle": between(rng, 0.05, 0.6), "busy": between(rng, 0.1, 1.0)}


def engines(rng: random.Random) -> dict[str, float]:
    """Draw factors of some servers on launches."""
    return {name: between(rng, 0.2, 5.0) for name in rng.sample(SERVERS, rng.randint(1, len(SERVERS)))}


def pairs(rng: random.Random) -> dict[str, dict[str, float]]:
    """Draw further factors of some servers for some models."""
    return {
        server: {model: between(rng, 0.3, 3.0) for model in rng.sample(MODELS, rng.randint(1, len(MODELS)))}
        for server in rng.sample(SERVERS, rng.randint(1, 4))
    }


def fitted_on(rng: random.Random) -> Mapping:
    """Draw what a profile was fitted on, of which nothing counts but the error."""
    error = between(rng, 0.02, 0.8)
    return {
        "source": "chance",
        "rows": 20,
        "configurations": 4,
        "median_error": error / 3,
        "p90_error": error,
        "models": ["Llama-3.1-8B"],
        "weights": ["fp8"],
        "gpus": [1, 8],
        "batch_per_gpu": [1.0, 64.0],
        "context_tokens": [1000.0, 8000.0],
    }


def pass_profile(rng: random.Random) -> Mapping:
    """Draw the constants that the time of a pass follows from, where no server is named; two may be left out."""
    found: Mapping = {
        "name": "drawn",
        "step_s": delay(rng, 1e-5, 1e-2, most=10.0),
        "layer_s": delay(rng, 1e-6, 1e-4, most=10.0),
        "layer_kernels": {
            name: delay(rng, 0.01, 2.0, most=10.0)
            for name in ("experts", "latent_attention", "quantised_experts", "weight_only_experts")
        },
        "linear_share": shares(rng),
        "expert_share": shares(rng),
        "cache_share": share(rng),
        "decode_share": shares(rng),
        "attention_share": share(rng),
        "prefill_share": shares(rng),
        "prefill_attention_share": share(rng),
        "all_reduce": [] if rng.random() < 0.2 else kernels(rng),
        "all_gather": {"seconds": start(rng), "bandwidth_share": share(rng)},
        "all_to_all": {"seconds": start(rng), "bandwidth_share": share(rng)},
    }
    if rng.random() >= LEFT_OUT:
        found["all_reduce_share"] = share(rng)
    if rng.random() >= LEFT_OUT:
        found["quantised_exchange"] = between(rng, 0.3, 3.0)
    return found


def between(rng: random.Random, least: float, most: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(least), math.log(most)))


def delay(rng: random.Random, usual: float, largest: float, *, most: float) -> float:
    """Draw a delay or a factor: none, the most there may be, or in between."""
    chance = rng.random()
    if chance < 0.1:
        return 0.0
    return most if chance < 0.13 else between(rng, usual, largest)


def start(rng: random.Random) -> float:
    """Draw what a collective takes at least (seconds)."""
    return 0.1 if rng.random() < 0.03 else between(rng, 1e-7, 1e-4)


def share(rng: random.Random) -> float:
    """Draw a share of a peak."""
    return rng.choice((1e-3, 1.0)) if rng.random() < 0.1 else between(rng, 0.01, 1.0)


def shares(rng: random.Random) -> dict[str, float]:
    """Draw a share for each kind of weights."""
    return {kind: share(rng) for kind in KINDS}


def kernels(rng: random.Random) -> list[Mapping]:
    """Draw one to three kernels for each of some numbers of ranks; with more ranks none is quicker."""
    counts = sorted(rng.sample((2, 3, 4, 6, 8, 16, 32, 72, MOST_RANKS), rng.choice((1, 2, 3, 3, 4))))
    found: list[Mapping] = []
    before: list[Mapping] = []
    for ranks in counts:
        now = []
        for _ in range(rng.choice((1, 2, 3))):
            if before:
                like = rng.choice(before)
                seconds = like["seconds"] * rng.choice((1.0, rng.uniform(1.0, 3.0)))
                bytes_per_s = like["bytes_per_s"] / rng.choice((1.0, rng.uniform(1.0, 3.0)))
            else:
                seconds, bytes_per_s = start(rng), between(rng, 1e9, 2e12)
            now.append({"ranks": ranks, "seconds": seconds, "bytes_per_s": max(1e6, bytes_per_s)})
        found += now
        before = now
    rng.shuffle(found)
    return found
