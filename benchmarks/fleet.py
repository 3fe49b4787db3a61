"""How long fleets take: six workloads on four pools, twenty on six, a mix of requests in buckets, and growth.

    python benchmarks/fleet.py

Prints, for each instance, the instance types priced and left, CPU seconds of the whole plan and the share of solving in
them (relaxation, start and search together), the plan's cost and its gap; all in one process after a warm-up, the
quicker of two runs each.
Instances are fixed: prices are those of the catalog, demands are drawn with fixed seeds.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

import ieco_opt
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import load_fleet_mapping

RUNS = 2
SIX_MODELS = ("Llama-3.3-70B", "DeepSeek-V3", "Llama-3.1-8B", "Mistral-Large-2", "Mixtral-8x22B", "Llama-3.1-405B")
MORE_MODELS = ("Qwen3-32B", "gpt-oss-120b", "Qwen3-235B-A22B", "Qwen2.5-72B")
FOUR_POOLS = ("H100-SXM", "H200-SXM", "A100-SXM-80GB", "H20-96GB")
MORE_POOLS = ("MI300X", "B200-SXM")
# Requests/s and least speed that make the models comparable in GPUs.
SCALE = {
    "Llama-3.3-70B": (300, 30),
    "DeepSeek-V3": (150, 20),
    "Llama-3.1-8B": (1500, 70),
    "Mistral-Large-2": (80, 22),
    "Mixtral-8x22B": (250, 35),
    "Llama-3.1-405B": (30, 16),
    "Qwen3-32B": (300, 35),
    "gpt-oss-120b": (400, 50),
    "Qwen3-235B-A22B": (150, 25),
    "Qwen2.5-72B": (200, 28),
}

Mapping = dict[str, Any]


def fleet(workloads: int, pools: int, seed: int = 1) -> Mapping:
    """Workloads with sizes, rates and services drawn at random, on pools large enough to choose from."""
    draw = random.Random(seed)  # noqa: S311 - numbers to measure with
    models = (*SIX_MODELS, *MORE_MODELS)
    accelerators = (*FOUR_POOLS, *MORE_POOLS)[:pools]
    return {
        "kind": "fleet",
        "name": f"{workloads} workloads on {pools} pool" + "s" * (pools > 1),
        "pools": [{"name": name, "accelerator": name, "gpus": 512 * workloads // pools} for name in accelerators],
        "workloads": [_workload(number, models[number % len(models)], draw) for number in range(workloads)],
    }


def _workload(number: int, model: str, draw: random.Random) -> Mapping:
    requests, speed = SCALE[model]
    return {
        "name": f"{model} {number}",
        "model": model,
        "weights": ["fp8"],
        "requests_per_s": round(requests * draw.uniform(0.4, 1.6), 2),
        "prompt_tokens": draw.choice([500, 1000, 2000, 4000, 8000]),
        "output_tokens": draw.choice([200, 400, 800]),
        "min_speed": round(speed * draw.uniform(0.6, 1.2), 1),
        "max_time_to_first_token_s": draw.choice([3, 6, 12]),
        "headroom": 0.1,
    }


def buckets(sizes: int, pools: int, slices: int | None) -> Mapping:
    """One model, sizes x sizes classes of requests that share instances of one GPU; after Melange, arXiv 2404.14527."""
    draw = random.Random(7)  # noqa: S311 - numbers to measure with

    def ladder(most: int) -> list[int]:
        return [int(25 * (most / 25) ** (step / (sizes - 1))) for step in range(sizes)]

    mix = [
        {
            "name": f"{prompt}/{output}",
            "share": draw.expovariate(1) + 0.01,
            "prompt_tokens": prompt,
            "output_tokens": output,
        }
        for prompt in ladder(8000)
        for output in ladder(2000)
    ]
    names = ("L4", "A10G", "A100-SXM-80GB", "H100-SXM", "L40S", "H200-SXM", "H20-96GB", "MI300X")[:pools]
    workload: Mapping = {
        "name": "chat",
        "model": "Llama-2-7B",
        "weights": ["fp16"],
        "requests_per_s": 50,
        "request_mix": mix,
        "min_speed": 8,
        "serving": ["colocated"],
        "design_space": {"stage_ranks": [1], "pipeline_parallel": [1]},
    }
    if slices is not None:
        workload["slices"] = slices
    return {
        "kind": "fleet",
        "name": f"{sizes * sizes} classes on {pools} accelerators, "
        + (f"{slices} slices" if slices else "split at will"),
        "pools": [{"name": name, "accelerator": name, "gpus": 512, "rented_by": "gpu"} for name in names],
        "workloads": [workload],
    }


def measured(mapping: Mapping, gap: float) -> tuple[float, FleetResult]:
    """CPU seconds of the quickest of some runs, and its plan."""
    config = replace(ieco_opt.load_solver_config("fleet"), relative_gap=gap, accepted_gap=None)
    loaded = load_fleet_mapping(mapping)
    runs = []
    for _ in range(RUNS):
        start = time.process_time()
        result = ieco_opt.plan(loaded, solver_config=config)
        runs.append((time.process_time() - start, result))
    return min(runs, key=lambda run: run[0])


def show(mapping: Mapping, gap: float) -> None:
    """Print one line."""
    cpu_s, result = measured(mapping, gap)
    plan, took = result[0], result.statistics
    print(
        f"{mapping['name']:36} {gap:8.1%} {took.columns:7,} {took.columns_in_program:6,} {took.variables:6,} "
        f"{cpu_s:9.2f} {took.solver_seconds / took.seconds:9.0%} "
        f"{plan.usd_per_hour:11,.2f} {plan.gap:9.4%}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    ieco_opt.plan(load_fleet_mapping(fleet(1, 1)))
    print(
        f"{'instance':36} {'asked':>8} {'priced':>7} {'left':>6} {'vars':>6} {'CPU s':>9} {'solving':>9} "
        f"{'$/h':>11} {'gap':>9}"
    )
    for seed in (1, 2, 3):
        show(fleet(6, 4, seed), 0.001)
    show(fleet(6, 4), 0.0)
    for seed in (1, 2, 3):
        show(fleet(20, 6, seed), 0.001)
    show(buckets(10, 4, 8), 0.0)
    show(buckets(20, 8, None), 0.0)
    for workloads, pools in ((2, 2), (4, 2), (8, 2), (16, 2), (8, 1), (8, 4), (8, 6), (32, 6)):
        show(fleet(workloads, pools), 0.001)


if __name__ == "__main__":
    main()
