"""A small scenario, and sweeps of it: in this process, and killed in processes of their own."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, Any] = {
    "version": 2,
    "kind": "deployment",
    "name": "small",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "engine": "none",
    "profile": "paper-constants",
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {
        "tensor_parallel": [1, 2],
        "attention_data_parallel": [1],
        "pipeline_parallel": [1],
        "batch": [1, 16],
    },
}

FIELD = "workload.context_tokens"
