"""Small scenarios as mappings, and the same with one field changed."""

from __future__ import annotations

import json
from typing import Any

from ieco_opt.scenario import Scenario

DEPLOYMENT: dict[str, Any] = {
    "version": 2,
    "kind": "deployment",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1], "batch": {"max": 64}, "max_gpus": 2},
}
FLEET: dict[str, Any] = {
    "version": 2,
    "kind": "fleet",
    "pools": [{"name": "p", "accelerator": "H100-SXM", "gpus": 16}],
    "workloads": [
        {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "requests_per_s": 1,
            "prompt_tokens": 1000,
            "output_tokens": 100,
        }
    ],
}


def with_field(base: dict[str, Any], place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed = json.loads(json.dumps(base))
    at: Any = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


def workload(**changes: object) -> dict[str, Any]:
    return with_field(FLEET, ("workloads", 0), FLEET["workloads"][0] | changes)


def small_scenario(**fields: Any) -> Scenario:
    """Llama-3.1-8B on one or two H100s, in a few layouts."""
    given: dict[str, Any] = {
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM"],
        "workload": {"context_tokens": 1000, "output_tokens": 1000},
        "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1], "attention_data_parallel": [1]},
    }
    return Scenario(**(given | fields))
