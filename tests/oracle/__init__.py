"""An independent judge of the solver: every deployment of a small scenario, by plain enumeration.

It is written from the design documents alone and shares nothing with the library but the catalog's data
classes, so that a mistake would have to be made twice to go unnoticed.
"""

from .enumeration import OracleScenario, enumerate_deployments
from .frontier import best, coverage, covers, pareto
from .physics import Components, Setup, evaluate
from .started import attaining, named, started, starting

__all__ = [
    "Components",
    "OracleScenario",
    "Setup",
    "attaining",
    "best",
    "coverage",
    "covers",
    "enumerate_deployments",
    "evaluate",
    "named",
    "pareto",
    "started",
    "starting",
]
