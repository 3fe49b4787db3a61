"""What decides the best deployment of a scenario, or why it has none; and what decides the plan of a fleet."""

from ieco_opt.explanation.configuration import explain_configuration
from ieco_opt.explanation.explainer import explain
from ieco_opt.explanation.fleet_explainer import explain_fleet, explain_plan

__all__ = ["explain", "explain_configuration", "explain_fleet", "explain_plan"]
