"""What a token takes beside time: energy and carbon, and what the energy costs (docs/performance-model.md, energy)."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from ieco_opt.catalog.calibration import BusyPower
from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.economics import TOKENS_PER_MTOK, usd_per_second

JOULES_PER_KWH = 3.6e6

_ASSUMED = BusyPower()
"""Shares of the board power of an accelerator without a calibration profile."""


class Measure(StrEnum):
    """What a token takes, beside the time that it takes; of each the least may be asked for."""

    COST = "cost"
    ENERGY = "energy"
    CARBON = "carbon"

    @property
    def limit(self) -> str:
        """Limit of a scenario on it."""
        return _LIMITS[self]

    @property
    def unit(self) -> str:
        """Its unit in words."""
        return _UNITS[self]


_LIMITS = {
    Measure.COST: "max_cost",
    Measure.ENERGY: "max_energy_j_per_token",
    Measure.CARBON: "max_carbon_kg_per_mtok",
}
_UNITS = {
    Measure.COST: "$ per million tokens",
    Measure.ENERGY: "J per token",
    Measure.CARBON: "kg CO2 per million tokens",
}


def watts(accelerator: Accelerator, fidelity: Fidelity, gpus: Array) -> tuple[Array, Array]:
    """Power that setups draw all the time, and beside it while memory or arithmetic work.

    NaN where the board power is not known, and in fidelity ``paper``.
    """
    profile = accelerator.calibration
    shares = _ASSUMED if profile is None else profile.power.of(accelerator.name)
    known = accelerator.power_w if fidelity is Fidelity.DEPLOYABLE else None
    board = gpus * (np.nan if known is None else known)
    return board * shares.idle, board * shares.busy


def usd_per_joule(accelerator: Accelerator) -> float | None:
    """Price of a joule at the board, with what cooling and supply take beside; ``None`` where none is given."""
    site = accelerator.power
    return None if site is None or site.usd_per_kwh is None else site.pue * site.usd_per_kwh / JOULES_PER_KWH


def kg_per_joule(accelerator: Accelerator) -> float | None:
    """Carbon dioxide of a joule at the board, likewise; ``None`` where none is given."""
    site = accelerator.power
    return None if site is None or site.kg_co2_per_kwh is None else site.pue * site.kg_co2_per_kwh / JOULES_PER_KWH


def usd_rates(accelerator: Accelerator, fidelity: Fidelity, gpus: Array) -> tuple[Array, Array]:
    """What setups cost in $/s all the time, and beside it while they are busy.

    The first is the rent alone, and the second 0, where energy has no price. NaN where the accelerator has no price.
    """
    hourly, joule = accelerator.usd_per_gpu_hour, usd_per_joule(accelerator)
    rent = usd_per_second(gpus, np.array(np.nan if hourly is None else hourly))
    if joule is None:
        return rent, np.zeros_like(rent)
    idle_w, busy_w = watts(accelerator, fidelity, gpus)
    return rent + joule * idle_w, joule * busy_w


def per_token(rate: Array, busy_rate: Array, latency_s: Array, busy_s: Array, batch: Array) -> Array:
    """What is drawn or paid at two rates, for each token: of a pass latency and busy time, over its batch."""
    return (rate * latency_s + busy_rate * busy_s) / batch


def carbon_kg_per_mtok(accelerator: Accelerator, joules_per_token: Array) -> Array:
    """Carbon dioxide of a million tokens of so much energy each; NaN where none is given."""
    kilograms = kg_per_joule(accelerator)
    return TOKENS_PER_MTOK * joules_per_token * (np.nan if kilograms is None else kilograms)


def per_mtok(joules_per_token: float, per_joule: float | None) -> float | None:
    """What energy comes to for a million tokens, at so much for a joule; ``None`` where either is not known."""
    if per_joule is None or np.isnan(joules_per_token):
        return None
    return TOKENS_PER_MTOK * joules_per_token * per_joule
