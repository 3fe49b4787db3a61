"""Results as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.results.answer import Answer
    from ieco_opt.results.configuration import ConfigurationAnswer
    from ieco_opt.results.plan import FleetPlan


def render(answer: Answer, width: int = 100) -> str:
    """Put an answer of any kind into text for a terminal of ``width`` columns."""
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.comparison import Comparison
    from ieco_opt.results.explanation import Explanation
    from ieco_opt.results.fleet_explanation import FleetExplanation
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult

    match answer:
        case Frontier():
            from ieco_opt.reports.text import frontier

            return frontier.render(answer, width)
        case FleetResult():
            from ieco_opt.reports.text import fleet

            return fleet.render(answer, width)
        case Explanation():
            from ieco_opt.reports.text import explanation

            return explanation.render(answer, width)
        case FleetExplanation():
            from ieco_opt.reports.text import explanation_fleet

            return explanation_fleet.render(answer, width)
        case Comparison():
            from ieco_opt.reports.text import comparison

            return comparison.render(answer, width)
        case Alternatives():
            from ieco_opt.reports.text import alternatives

            return alternatives.render(answer, width)
    raise TypeError(f"no text for a {type(answer).__name__}")


def render_nodes(plan: FleetPlan, width: int = 100) -> str:
    """Put the nodes of a plan, and what sits on each, into text."""
    from ieco_opt.reports.text import fleet_nodes

    return fleet_nodes.render_nodes(plan, width)


def render_configuration(answer: ConfigurationAnswer, width: int = 100) -> str:
    """Put what becomes of a configuration that was asked about into text."""
    from ieco_opt.reports.text import configuration

    return configuration.render(answer, width)
