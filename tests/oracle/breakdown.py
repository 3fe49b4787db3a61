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
from .servers import Asked, as_run, beside, laid_out

TOLERANCE = 1e-9
"""Relative; of GB left over, and of whole tokens, of what they are left from."""


def setup_of(row: Mapping[str, Any], model: Model, accelerator: Accelerator) -> Setup:
    """Setup of the model that the columns of a result say; ``engine`` is empty without a server."""
    setup = Setup(
        stage_ranks=row["tensor_parallel"] * row["attention_data_parallel"],
        layout=row["tensor_layout"],
        pipeline=row["pipeline_parallel"],
        expert=row["expert_parallel"],
        sigma=row["attention_data_parallel"],
        redundant=row["redundant_experts"],
        engine=row["engine"] or "none",
        exchange=row["exchange"] or "",
    )
    precision = Precision(row["weights"], row["kv_cache"])
    return laid_out(Asked(model, accelerator, precision, as_run(model, setup)))


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
    setup = setup_of(row, model, accelerator)
    weights = deployable.held_weights(model, setup, precision, accelerator)
    cache = float(deployable.held_cache(model, setup, precision, batch, full_tokens))
    token_bytes = deployable.logged_bytes_per_token(model, setup, precision)
    draft_weights = draft_cache = 0.0
    if row["draft_tokens"]:
        assert draft is not None
        small = beside(model, draft, setup)
        assert small is not None
        draft_weights = deployable.held_weights(draft, small, precision, accelerator)
        draft_cache = float(deployable.held_cache(draft, small, precision, batch, full_tokens))
        token_bytes += deployable.logged_bytes_per_token(draft, small, precision)
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
