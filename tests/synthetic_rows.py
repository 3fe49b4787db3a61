"""Profiles, and measured rows that the model made with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ieco_opt.calibration.measurements import measurements_of
from ieco_opt.calibration.pricing import group_rows, predicted
from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping

MAPPING: dict[str, Any] = {
    "name": "base",
    "accelerators": ["H100-SXM", "H200-SXM"],
    "step_s": 1e-4,
    "layer_s": 5e-5,
    "layer_kernels": {
        "experts": 0.3,
        "latent_attention": 0.8,
        "quantised_experts": 0.7,
        "weight_only_experts": 0.5,
    },
    "linear_share": {"bf16": 0.75, "fp8": 0.85, "fp4": 0.6, "int4": 0.6},
    "expert_share": {"bf16": 0.75, "fp8": 0.85, "fp4": 0.8, "int4": 0.5},
    "cache_share": 0.6,
    "decode_share": {"bf16": 0.5, "fp8": 0.5, "fp4": 0.4, "int4": 0.4},
    "attention_share": 0.5,
    "prefill_share": {"bf16": 0.5, "fp8": 0.5, "fp4": 0.4, "int4": 0.4},
    "prefill_attention_share": 0.2,
    "all_gather": {"seconds": 4.5e-5, "bandwidth_share": 0.4},
    "all_to_all": {"seconds": 4.5e-5, "bandwidth_share": 0.4},
    "all_reduce": [{"ranks": 8, "seconds": 3e-6, "bytes_per_s": 1e11}],
}


def profile(**changes: object) -> Calibration:
    """The base profile with other constants; parts of lists as ``linear_share__fp8``."""
    mapping = {name: dict(value) if isinstance(value, dict) else value for name, value in MAPPING.items()}
    for name, value in changes.items():
        field, _, entry = name.partition("__")
        if entry:
            mapping[field][entry] = value
        else:
            mapping[field] = value
    return calibration_from_mapping(mapping)


def rows(
    truth: Calibration,
    *,
    models: tuple[str, ...] = ("Llama-3.1-70B",),
    degrees: tuple[int, ...] = (1, 2, 4, 8),
    noise: float = 0.0,
) -> pd.DataFrame:
    """Rows as a profile predicts them, with a relative error of fixed seed."""
    table = pd.DataFrame(
        [
            {
                "model": model,
                "weights": "fp8",
                "accelerator": "H200-SXM",
                "engine": "vllm-0.9",
                "gpus_per_instance": gpus,
                "tensor_parallel": gpus,
                "disaggregated": 1,
                "prompt_tokens": prompt,
                "output_tokens": 500,
                "batch": batch,
                "time_per_output_token_s": 1.0,
            }
            for model in models
            for gpus in degrees
            for prompt in (500, 7000, 30000)
            for batch in (1, 4, 16, 64, 128)
        ]
    )
    measurements = measurements_of(table)
    times = predicted(group_rows(measurements), len(table), lambda _: truth)
    error = np.random.default_rng(1).normal(0.0, noise, len(table)) if noise else np.zeros(len(table))
    return table.assign(time_per_output_token_s=times * np.exp(error))
