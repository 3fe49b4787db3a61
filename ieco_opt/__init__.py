"""Certified-optimal deployments of large language models: speed against cost per token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "Alternatives",
    "Comparison",
    "ConfigurationAnswer",
    "Deployment",
    "Explanation",
    "Fleet",
    "FleetResult",
    "Frontier",
    "InfeasibleError",
    "Scenario",
    "ScenarioError",
    "SolverConfig",
    "SolverError",
    "alternatives",
    "calibrate",
    "compare",
    "diff",
    "errors",
    "evaluate",
    "explain",
    "explain_configuration",
    "export",
    "fleet_frontier",
    "frontier",
    "load_result",
    "load_scenario",
    "load_solver_config",
    "plan",
    "plot",
    "prepare",
    "report",
    "show_versions",
    "solve",
    "sweep",
    "validate",
    "verify",
]

if TYPE_CHECKING:
    from ieco_opt import errors
    from ieco_opt.api import (
        compare,
        evaluate,
        explain,
        explain_configuration,
        export,
        fleet_frontier,
        frontier,
        load_result,
        load_scenario,
        plan,
        plot,
        show_versions,
        solve,
        verify,
    )
    from ieco_opt.calibration.facade import calibrate, validate
    from ieco_opt.comparison.difference import diff
    from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
    from ieco_opt.fleet.near_optimal import alternatives
    from ieco_opt.fleet.prepared import prepare
    from ieco_opt.reports.page import report
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.comparison import Comparison
    from ieco_opt.results.configuration import ConfigurationAnswer
    from ieco_opt.results.deployment import Deployment
    from ieco_opt.results.explanation import Explanation
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.scenario import Fleet, Scenario
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.solvers.config import load_solver_config
    from ieco_opt.sweeping.run import sweep

    __version__: str

_HOMES = {
    **dict.fromkeys(("InfeasibleError", "ScenarioError", "SolverError"), "ieco_opt.errors"),
    **dict.fromkeys(("Fleet", "Scenario"), "ieco_opt.scenario"),
    **dict.fromkeys(("calibrate", "validate"), "ieco_opt.calibration.facade"),
    "Alternatives": "ieco_opt.results.alternatives",
    "alternatives": "ieco_opt.fleet.near_optimal",
    "prepare": "ieco_opt.fleet.prepared",
    "diff": "ieco_opt.comparison.difference",
    "sweep": "ieco_opt.sweeping.run",
    "Comparison": "ieco_opt.results.comparison",
    "ConfigurationAnswer": "ieco_opt.results.configuration",
    "Deployment": "ieco_opt.results.deployment",
    "Explanation": "ieco_opt.results.explanation",
    "FleetResult": "ieco_opt.results.plan",
    "Frontier": "ieco_opt.results.frontier",
    "SolverConfig": "ieco_opt.scenario.solver_config",
    "report": "ieco_opt.reports.page",
    "load_solver_config": "ieco_opt.solvers.config",
}
"""Modules of the public names that are not in the facade."""

_RENAMED = {"load_fleet": "load_scenario", "verify_fleet": "verify"}
"""Names of version 0.1, which live until 0.4."""


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import ieco_opt` costs nothing."""
    from importlib import import_module

    if name in _RENAMED:
        import warnings

        new = _RENAMED[name]
        warnings.warn(f"ieco_opt.{name} is now ieco_opt.{new}", FutureWarning, stacklevel=2)
        name = new
    if name == "errors":
        return import_module("ieco_opt.errors")
    if name == "__version__":
        from importlib import metadata

        return metadata.version("ieco_opt")
    if name not in __all__:
        raise AttributeError(f"module 'ieco_opt' has no attribute '{name}'")
    return getattr(import_module(_HOMES.get(name, "ieco_opt.api")), name)


def __dir__() -> list[str]:
    """The public names, and nothing else."""
    return list(__all__)
