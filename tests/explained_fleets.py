"""Fleets whose plans are explained: one that can be counted by hand, and one that the performance model prices."""

from __future__ import annotations

from typing import Any

from ieco_opt import Fleet
from ieco_opt.scenario import load_fleet_mapping

HUNGRY = {"name": "hungry", "usd_per_gpu_hour": 1.0, "power_w": 1000.0}
FRUGAL = {"name": "frugal", "usd_per_gpu_hour": 2.0, "power_w": 300.0}
ALIKE = {"accelerator": "L40S", "gpus": 16, "node_size": 4, "rented_by": "gpu"}


def counted(**changes: Any) -> Fleet:
    """Ten instances of one GPU serve 100 requests/s, on a pool that is cheap or on one that draws little."""
    points = [
        {"pool": pool, "gpus": 1, "throughput_requests_per_s": 10.0, "speed_tokens_per_s": speed, "kind": pool}
        for pool, speed in (("hungry", 50.0), ("frugal", 40.0))
    ]
    workload = {
        "name": "chat",
        "requests_per_s": 100.0,
        "prompt_tokens": 100,
        "output_tokens": 100,
        "min_speed": 30.0,
        "operating_points": points,
    }
    whole = {
        "version": 2,
        "kind": "fleet",
        "pools": [HUNGRY | ALIKE, FRUGAL | ALIKE],
        "workloads": [workload],
        "limits": {"max_power_kw": 6.5},
    }
    return load_fleet_mapping(whole | changes)


PRICED: dict[str, Any] = {
    "version": 2,
    "kind": "fleet",
    "name": "priced",
    "pools": [
        {"name": "h100", "accelerator": "H100-SXM", "gpus": 16, "usd_per_gpu_hour": 2.0},
        {"name": "l40s", "accelerator": "L40S", "gpus": 12, "usd_per_gpu_hour": 0.8, "rented_by": "gpu"},
    ],
    "workloads": [
        {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "weights": ["bf16", "fp8"],
            "engine": ["vllm", "sglang", "trtllm"],
            "requests_per_s": 30,
            "prompt_tokens": 1000,
            "output_tokens": 200,
            "min_speed": 60,
            "max_time_to_first_token_s": 0.3,
            "headroom": 0.1,
            "design_space": {
                "tensor_parallel": [1, 2, 4],
                "attention_data_parallel": [1],
                "pipeline_parallel": [1],
                "batch": {"max": 24},
            },
        }
    ],
    "limits": {"max_usd_per_hour": 40, "max_gpus": 24},
}


def priced(**changes: Any) -> Fleet:
    workload = PRICED["workloads"][0] | changes
    return load_fleet_mapping(PRICED | {"workloads": [workload]})
