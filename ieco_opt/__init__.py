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
    from ieco_opt.api import frontier, solve
    from ieco_opt.comparison.compare import compare
    from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
    from ieco_opt.evaluation import evaluate
    from ieco_opt.explanation import explain
    from ieco_opt.fleet_verification import verify_fleet
    from ieco_opt.planning import fleet_frontier, plan
    from ieco_opt.results.deployment import Deployment
    from ieco_opt.results.fleet import FleetResult
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.scenario import Fleet, Scenario, load_fleet, load_scenario
    from ieco_opt.solvers.config import SolverConfig, load_solver_config
    from ieco_opt.verification import verify

_HOMES = {
    "frontier": "ieco_opt.api",
    "solve": "ieco_opt.api",
    "compare": "ieco_opt.comparison.compare",
    "evaluate": "ieco_opt.evaluation",
    "explain": "ieco_opt.explanation",
    "verify": "ieco_opt.verification",
    "verify_fleet": "ieco_opt.fleet_verification",
    "plan": "ieco_opt.planning",
    "fleet_frontier": "ieco_opt.planning",
    "InfeasibleError": "ieco_opt.errors",
    "ScenarioError": "ieco_opt.errors",
    "SolverError": "ieco_opt.errors",
    "Deployment": "ieco_opt.results.deployment",
    "Frontier": "ieco_opt.results.frontier",
    "Scenario": "ieco_opt.scenario",
    "load_scenario": "ieco_opt.scenario",
    "Fleet": "ieco_opt.scenario",
    "FleetResult": "ieco_opt.results.fleet",
    "load_fleet": "ieco_opt.scenario",
    "SolverConfig": "ieco_opt.solvers.config",
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
