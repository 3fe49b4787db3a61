"""Scenario files: reading, checking, and looking up what they name."""

from ieco_opt.catalog.types import Fidelity
from ieco_opt.scenario.load import load_scenario, load_scenario_mapping
from ieco_opt.scenario.resolve import ResolvedScenario, resolve
from ieco_opt.scenario.schema import (
    BatchRange,
    DesignSpace,
    Limits,
    ResolvedDesignSpace,
    Scenario,
    Speculation,
    Workload,
    json_schema,
)

__all__ = [
    "BatchRange",
    "DesignSpace",
    "Fidelity",
    "Limits",
    "ResolvedDesignSpace",
    "ResolvedScenario",
    "Scenario",
    "Speculation",
    "Workload",
    "json_schema",
    "load_scenario",
    "load_scenario_mapping",
    "resolve",
]
