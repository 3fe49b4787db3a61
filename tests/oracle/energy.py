"""Energy of a token, what it costs and emits, by docs/performance-model.md, "Energy"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .calibrated import Profile
from .common import Array

IDLE, BUSY = 0.26, 0.65
"""Shares of the board power that are drawn always, and beside it while the GPUs are busy, where no profile says."""

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Supply:
    """Shares of the board power of an accelerator, and what a kilowatt-hour costs and emits (nan: not given)."""

    idle: float = IDLE
    busy: float = BUSY
    usd_per_kwh: float = np.nan
    kg_co2_per_kwh: float = np.nan
    pue: float = 1.0


def supply(profile: Profile | None, accelerator: str, tariff: Mapping[str, Any] | None) -> Supply:
    """Find the shares of an accelerator in its profile, and read the mapping ``power`` of a scenario's accelerator."""
    power = (profile or {}).get("power") or {}
    shares = (power.get("accelerators") or {}).get(accelerator, power)
    fields = {"idle": shares.get("idle"), "busy": shares.get("busy"), **(tariff or {})}
    return Supply(**{name: float(value) for name, value in fields.items() if value is not None})


def joules_per_token(watts: Array, idle: Array, busy: Array, latency_s: Array, busy_s: Array, batch: Array) -> Array:
    """Energy of a token on GPUs of so many watts together, of which the busy share counts while they are busy."""
    return np.asarray(watts * (idle * latency_s + busy * busy_s) / batch)


def per_mtok(joules: Array, pue: Array, per_kwh: Array) -> Array:
    """What a million tokens cost or emit, at so much for a kilowatt-hour."""
    return np.asarray(1e6 * joules * pue * per_kwh / JOULES_PER_KWH)
