"""What the most loaded GPU holds, and the tokens of cache that a server logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ieco_opt.catalog.types import Accelerator, Model

from . import deployable
from .common import Setup
from .precision import Precision
from .reserve import Reserve

TOLERANCE = 1e-9
"""Relative; of GB left over, and of whole tokens, of what they are left from."""


def setup_of(row: Mapping[str, Any], prefix: str = "") -> Setup:
    """Setup of the model, or (prefix ``draft_``) of the draft, that the columns of a result say."""
    return Setup(
        stage_ranks=row[f"{prefix}tensor_parallel"] * row[f"{prefix}attention_data_parallel"],
        layout=row[f"{prefix}tensor_layout"],
        pipeline=row[f"{prefix}pipeline_parallel"],
        expert=row[f"{prefix}expert_parallel"],
        sigma=row[f"{prefix}attention_data_parallel"],
        redundant=row[f"{prefix}redundant_experts"],
    )


def breakdown(
    row: Mapping[str, Any],
    reserve: Reserve,
    accelerator: Accelerator,
    model: Model,
    draft: Model | None,
    full_tokens: float,
) -> dict[str, float]:
    """Columns of memory of a deployment or instance, whose other columns are given; nan where nothing can be said."""
    precision, batch = Precision(row["weights"], row["kv_cache"]), np.array(float(row["batch"]))
    setup = setup_of(row)
    weights = deployable.held_weights(model, setup, precision, accelerator, reserve.engine)
    cache = float(deployable.held_cache(model, setup, precision, batch, full_tokens))
    token_bytes = deployable.logged_bytes_per_token(model, setup, precision)
    draft_weights = draft_cache = 0.0
    if row["draft_tokens"]:
        assert draft is not None
        beside = setup_of(row, "draft_")
        draft_weights = deployable.held_weights(draft, beside, precision, accelerator, reserve.engine)
        draft_cache = float(deployable.held_cache(draft, beside, precision, batch, full_tokens))
        token_bytes += deployable.logged_bytes_per_token(draft, beside, precision)
    kept, usable = reserve.reserve_bytes(model, accelerator, setup), reserve.usable_bytes(accelerator)
    held = weights + cache + draft_weights + draft_cache + kept
    left = usable - weights - draft_weights - kept
    return {
        "weights_gb": weights / 1e9,
        "cache_gb": cache / 1e9,
        "draft_gb": (draft_weights + draft_cache) / 1e9,
        "reserve_gb": kept / 1e9,
        "free_gb": (usable - held) / 1e9,
        "memory_per_gpu_gb": held / 1e9,
        "memory_limit_gb": usable / 1e9,
        "cache_tokens": math.floor(setup.sigma * left / token_bytes) if token_bytes else math.nan,
    }


def memory_faults(row: Mapping[str, Any], expected: Mapping[str, float]) -> list[str]:
    """Say which columns of memory are not the expected ones."""
    found = []
    for name, value in expected.items():
        stated = row[name]
        # What is left is the difference of large figures, and whole tokens may be rounded either way.
        off = {"free_gb": TOLERANCE * expected["memory_limit_gb"], "cache_tokens": 1.0}.get(name, 0.0)
        if stated is None and math.isnan(value):
            continue
        if stated is None or not math.isclose(stated, value, rel_tol=TOLERANCE, abs_tol=off):
            found.append(f"{name} is {stated}, expected {value}")
    return found
