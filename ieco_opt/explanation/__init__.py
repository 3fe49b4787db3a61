"""What decides the best deployment of a scenario, or why it has none."""

from ieco_opt.explanation.explainer import explain
from ieco_opt.explanation.result import Change, Clash, Explanation, LimitEffect, Loosened, RunnerUp, TimeShare

__all__ = ["Change", "Clash", "Explanation", "LimitEffect", "Loosened", "RunnerUp", "TimeShare", "explain"]
