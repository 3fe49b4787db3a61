"""What decides the best deployment of a scenario, or why it has none."""

from ieco_opt.explanation.explainer import explain
from ieco_opt.results.explanation import (
    Change,
    Explanation,
    InfeasibleSubset,
    LimitEffect,
    Loosened,
    RunnerUp,
    TimeShare,
)

__all__ = ["Change", "Explanation", "InfeasibleSubset", "LimitEffect", "Loosened", "RunnerUp", "TimeShare", "explain"]
