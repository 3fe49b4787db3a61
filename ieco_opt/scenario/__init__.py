"""Scenario files: reading, checking, and looking up what they name."""

from ieco_opt.catalog.types import Fidelity
from ieco_opt.scenario.deployment import (
    BatchRange,
    DesignSpace,
    Limits,
    ResolvedDesignSpace,
    Scenario,
)
from ieco_opt.scenario.fleet import Fleet, FleetWorkload, OperatingPoint, RequestClass
from ieco_opt.scenario.fleet_limits import FleetLimits
from ieco_opt.scenario.json_schema import json_schema
from ieco_opt.scenario.load import load_deployment, load_fleet, load_fleet_mapping, load_scenario, load_scenario_mapping
from ieco_opt.scenario.pool import Pool
from ieco_opt.scenario.resolve import ResolvedScenario, resolve
from ieco_opt.scenario.resolve_fleet import ResolvedFleet, ResolvedPool, ResolvedWorkload, resolve_fleet
from ieco_opt.scenario.speculation import Speculation
from ieco_opt.scenario.workload import Workload

__all__ = [
    "BatchRange",
    "DesignSpace",
    "Fidelity",
    "Fleet",
    "FleetLimits",
    "FleetWorkload",
    "Limits",
    "OperatingPoint",
    "Pool",
    "RequestClass",
    "ResolvedDesignSpace",
    "ResolvedFleet",
    "ResolvedPool",
    "ResolvedScenario",
    "ResolvedWorkload",
    "Scenario",
    "Speculation",
    "Workload",
    "json_schema",
    "load_deployment",
    "load_fleet",
    "load_fleet_mapping",
    "load_scenario",
    "load_scenario_mapping",
    "resolve",
    "resolve_fleet",
]
