"""Where the energy of a fleet decides anything, and where its carbon has to be known."""

from __future__ import annotations

from typing import get_args

from ieco_opt.defaults import EnergyObjective
from ieco_opt.scenario.fleet import Fleet


def energy_asked(fleet: Fleet) -> bool:
    """Whether the objective or a limit is about energy or carbon."""
    limits = fleet.limits
    capped = limits.max_energy_kw is not None or limits.max_carbon_kg_per_hour is not None
    return capped or fleet.objective in get_args(EnergyObjective)


def carbon_matters(fleet: Fleet) -> bool:
    """Whether the objective or a limit is about carbon."""
    return fleet.limits.max_carbon_kg_per_hour is not None or fleet.objective == "carbon"
