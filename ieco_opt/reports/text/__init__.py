"""Results as text for people."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.results.answer import Answer, QuestionKind
    from ieco_opt.results.configuration import ConfigurationAnswer
    from ieco_opt.results.explained_alternatives import ExplainedAlternatives
    from ieco_opt.results.plan import FleetPlan


_TEXTS: dict[QuestionKind, str] = {
    "frontier": "frontier",
    "solve": "frontier",
    "plan": "fleet",
    "fleet_frontier": "fleet",
    "explain": "explanation",
    "explain_fleet": "explanation_fleet",
    "compare": "comparison",
    "alternatives": "alternatives",
}
"""The module that writes the answer of each question. By name: to import every kind of answer takes 50 ms."""


def render(answer: Answer, width: int = 100) -> str:
    """Put an answer of any kind into text for a terminal of ``width`` columns."""
    text: str = import_module(f"ieco_opt.reports.text.{_TEXTS[answer.question.kind]}").render(answer, width)
    return text


def render_nodes(plan: FleetPlan, width: int = 100) -> str:
    """Put the nodes of a plan, and what sits on each, into text."""
    from ieco_opt.reports.text import fleet_nodes

    return fleet_nodes.render_nodes(plan, width)


def render_configuration(answer: ConfigurationAnswer, width: int = 100) -> str:
    """Put what becomes of a configuration that was asked about into text."""
    from ieco_opt.reports.text import configuration

    return configuration.render(answer, width)


def render_explained_alternatives(explained: ExplainedAlternatives, width: int = 100) -> str:
    """Put what decides the best of some alternatives, and what the others take more, into text."""
    from ieco_opt.reports.text import explained_alternatives

    return explained_alternatives.render(explained, width)
