"""Columns that a narrow terminal keeps: those of the limits that a scenario states."""

from __future__ import annotations

from collections.abc import Mapping

from ieco_opt.reports.text.table_columns import SPEED
from ieco_opt.scenario import Fleet, Scenario

_COLUMNS: Mapping[str, str] = {
    "min_speed": SPEED,
    "max_cost": "cost",
    "min_throughput": "throughput",
    "max_throughput": "throughput",
    "max_power_kw": "power",
    "max_energy_j_per_token": "energy",
    "max_carbon_kg_per_mtok": "CO2",
    "max_time_to_first_token_s": "TTFT",
    "max_usd_per_hour": "cost",
    "max_gpus": "GPUs",
}
"""Columns of tables by the limits that bound what stands in them."""


def stated(scenario: Scenario | Fleet) -> frozenset[str]:
    """Names of the columns of all limits that a scenario states, for itself or for a workload or a pool of it."""
    parts = [scenario.limits, *((*scenario.workloads, *scenario.pools) if isinstance(scenario, Fleet) else ())]
    given = {name for part in parts for name in type(part).model_fields if getattr(part, name) is not None}
    return frozenset(column for limit, column in _COLUMNS.items() if limit in given)
