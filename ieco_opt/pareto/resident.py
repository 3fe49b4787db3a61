"""What one GPU of a deployment holds: weights, cache, draft, reserve, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.performance import memory, rules
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.degrees import Degrees


@dataclass(frozen=True, slots=True)
class Resident:
    """Bytes on the most loaded GPU; averages over all GPUs in fidelity ``paper``, for one micro-batch.

    ``draft`` is weights and cache of the draft model; ``cache_tokens`` what servers log, ``None`` in ``paper``.
    """

    weights: float
    cache: float
    draft: float
    reserve: float
    usable: float
    cache_tokens: int | None

    @property
    def used(self) -> float:
        """All that is taken."""
        return self.weights + self.cache + self.draft + self.reserve

    def columns(self) -> dict[str, Any]:
        """Columns of tables, in 1e9 bytes."""
        return {
            "memory_per_gpu_gb": self.used / 1e9,
            "memory_limit_gb": self.usable / 1e9,
            "cache_tokens": self.cache_tokens,
            "weights_gb": self.weights / 1e9,
            "cache_gb": self.cache / 1e9,
            "draft_gb": self.draft / 1e9,
            "reserve_gb": self.reserve / 1e9,
            "free_gb": (self.usable - self.used) / 1e9,
        }


Holding = Callable[[float], Resident]
"""What a deployment holds at a batch."""


def resident_of(family: Family, alternative: Alternatives, batch: float) -> Resident:
    """What a deployment of one alternative holds at a batch."""
    return holding_of(family, alternative)(batch)


def resident(family: Family, degrees: Degrees, batch: float, draft: Degrees | None = None) -> Resident:
    """What setups of one row hold at a batch, with or without a draft model beside."""
    return holding(family, degrees, draft)(batch)


def holding_of(family: Family, alternative: Alternatives) -> Holding:
    """What deployments of one alternative hold, by the batch."""
    draft = alternative.draft_degrees if int(alternative.draft_tokens[0]) > 0 else None
    return holding(family, alternative.degrees, draft)


def holding(family: Family, degrees: Degrees, draft: Degrees | None = None) -> Holding:
    """What setups of one row hold, with or without a draft model beside: only the cache depends on the batch."""
    shape = family.shape
    if not rules.is_deployable(shape):
        return lambda batch: _average(family, degrees, batch)
    weights = float(memory.weight_bytes_per_gpu(shape, degrees)[0])
    reserve = float(family.memory.reserve(shape, family.accelerator, degrees)[0])
    cache = _cache(family, shape, degrees)
    per_token = float(memory.cache_bytes_per_token(shape, degrees)[0])
    draft_weights, draft_cache = 0.0, _cache(family, None, degrees)
    if draft is not None:
        assert family.drafts is not None
        draft_weights = float(memory.weight_bytes_per_gpu(family.drafts.shape, draft)[0])
        draft_cache = _cache(family, family.drafts.shape, draft)
        per_token += float(memory.cache_bytes_per_token(family.drafts.shape, draft)[0])
    left = family.usable_bytes - weights - draft_weights - reserve
    room = memory.cache_tokens(degrees, np.array([left]), np.array([per_token]))[0]
    return lambda batch: Resident(
        weights=weights,
        cache=cache(batch),
        draft=draft_weights + draft_cache(batch),
        reserve=reserve,
        usable=family.usable_bytes,
        cache_tokens=None if np.isnan(room) else int(room),
    )


def _cache(family: Family, shape: Architecture | None, degrees: Degrees) -> Callable[[float], float]:
    """Cache of the sequences of one attention group at their full length, by the batch; without a model none."""
    if shape is None:
        return lambda _batch: 0.0
    per_sequence = memory.cache_bytes_per_sequence(shape, degrees, family.context.cached_to)
    return lambda batch: float((memory.sequences_per_gpu(degrees, np.array([float(batch)])) * per_sequence)[0])


def _average(family: Family, degrees: Degrees, batch: float) -> Resident:
    """Weights and the cache of one micro-batch on an average GPU (``paper``)."""
    shape, gpus = family.shape, float(degrees.gpus[0])
    cache = float(shape.resident_bytes(family.context.cached_to)) * batch / float(degrees.pipeline_parallel[0])
    weights = shape.weights_bytes() / gpus
    return Resident(weights, cache / gpus, 0.0, 0.0, family.accelerator.hbm_bytes, None)
