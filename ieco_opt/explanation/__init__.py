"""What decides the best deployment of a scenario, or why it has none."""

from ieco_opt.explanation.configuration import explain_configuration
from ieco_opt.explanation.explainer import explain

__all__ = ["explain", "explain_configuration"]
