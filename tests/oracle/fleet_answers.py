"""The optimum of a small fleet, whatever is asked."""

from __future__ import annotations

from . import fleet, fleet_energy, fleet_most
from .fleet import OracleAnswer, Scenario


def answer(mapping: Scenario) -> OracleAnswer | None:
    """Find the optimum of a small fleet; None if nothing meets the requirements."""
    case = fleet.read(mapping)
    if case.objective == "throughput":
        return fleet_most.most(mapping)
    return fleet_energy.least(mapping) if case.energy_matters else fleet.solve(mapping)
