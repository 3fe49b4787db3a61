"""Certified-optimal deployments of large language models: speed against cost per token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "Deployment",
    "Fleet",
    "FleetResult",
    "Frontier",
    "InfeasibleError",
    "Scenario",
    "ScenarioError",
    "SolverConfig",
    "SolverError",
    "compare",
    "errors",
    "evaluate",
    "explain",
    "fleet_frontier",
    "frontier",
    "load_fleet",
    "load_scenario",
    "load_solver_config",
    "plan",
    "solve",
    "verify",
    "verify_fleet",
]

if TYPE_CHECKING:
    from ieco_opt import errors
    from ieco_opt.api import (
        compare,
        evaluate,
        explain,
        fleet_frontier,
        frontier,
        plan,
        solve,
        verify,
        verify_fleet,
    )
    from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
    from ieco_opt.results.deployment import Deployment
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.scenario import Fleet, Scenario, load_fleet, load_scenario
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.solvers.config import load_solver_config

_HOMES = {
    **dict.fromkeys(
        (
            "compare",
            "evaluate",
            "explain",
            "fleet_frontier",
            "frontier",
            "plan",
            "solve",
            "verify",
            "verify_fleet",
        ),
        "ieco_opt.api",
    ),
    **dict.fromkeys(("InfeasibleError", "ScenarioError", "SolverError"), "ieco_opt.errors"),
    **dict.fromkeys(("Fleet", "Scenario", "load_fleet", "load_scenario"), "ieco_opt.scenario"),
    "Deployment": "ieco_opt.results.deployment",
    "FleetResult": "ieco_opt.results.plan",
    "Frontier": "ieco_opt.results.frontier",
    "SolverConfig": "ieco_opt.scenario.solver_config",
    "load_solver_config": "ieco_opt.solvers.config",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import ieco_opt` costs nothing."""
    from importlib import import_module

    if name == "errors":
        return import_module("ieco_opt.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'ieco_opt' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
