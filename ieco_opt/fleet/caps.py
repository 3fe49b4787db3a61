"""Caps on what all pools of a fleet together allocate and draw."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps on what all pools together allocate and draw; inf where there is none."""

    max_usd_per_hour: float = math.inf
    max_power_kw: float = math.inf
    max_gpus: float = math.inf
    max_energy_kw: float = math.inf
    max_carbon_kg_per_hour: float = math.inf
