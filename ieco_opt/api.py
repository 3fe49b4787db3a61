"""What programs call: the only facade. Everything else is imported when it is needed."""

from __future__ import annotations

from ieco_opt.comparison.compare import compare
from ieco_opt.explanation import explain
from ieco_opt.fleet.run import fleet_frontier, plan
from ieco_opt.fleet.verify import verify_fleet
from ieco_opt.pareto.run import DEFAULT_DELTA, DEFAULT_PREFERENCE, ObjectiveName, answer, export, frontier, solve
from ieco_opt.performance.evaluate import evaluate
from ieco_opt.verification.deployments import verify

__all__ = [
    "DEFAULT_DELTA",
    "DEFAULT_PREFERENCE",
    "ObjectiveName",
    "answer",
    "compare",
    "evaluate",
    "explain",
    "export",
    "fleet_frontier",
    "frontier",
    "plan",
    "solve",
    "verify",
    "verify_fleet",
]
