"""Results of performance model 1, which knew neither precisions of the cache nor what memory is made of.

Columns that such a file lacks are filled in with what was the case, or with nothing where it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODEL_VERSION = 1
"""Number of the performance model of these files, and of every file of format 1, which did not say it."""

_UNKNOWN = ("cache_tokens", "weights_gb", "cache_gb", "draft_gb", "reserve_gb", "free_gb")


def is_of_model_1(values: Mapping[str, Any]) -> bool:
    """Whether a result says that performance model 1 is behind it."""
    versions = values.get("versions")
    number = versions.get("model") if isinstance(versions, Mapping) else None
    return number == MODEL_VERSION and not isinstance(number, bool)


def completed(value: Any) -> Any:
    """The same result, or part of it, with the columns that its rows of configurations lack."""
    if isinstance(value, list):
        return [completed(each) for each in value]
    if not isinstance(value, dict):
        return value
    row = {name: completed(each) for name, each in value.items()}
    for prefix in ("", "draft_"):
        if f"{prefix}tensor_parallel" in row:
            row.setdefault(f"{prefix}redundant_experts", None if row[f"{prefix}tensor_parallel"] is None else 0)
    if "tensor_parallel" in row and "weights" in row:
        row.setdefault("kv_cache", None if row["weights"] is None else "bf16")
    if "memory_per_gpu_gb" in row:
        row = dict.fromkeys(_UNKNOWN) | row
    return row
