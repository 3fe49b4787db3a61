"""What decides the best deployment of a scenario, or why it has none; and what decides the plan of a fleet."""

from ieco_opt.explanation.explainer import explain

__all__ = ["explain"]
