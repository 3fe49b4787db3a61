"""Explanations of plans on the page: what binds, what comes next, and where the time of a token goes."""

from __future__ import annotations

from ieco_opt.reports.page.markup import tag
from ieco_opt.reports.page.shown import WORDS_WIDTH, Section, Shown, badge, in_words, section
from ieco_opt.reports.page.tables import listed, named_in_full, table
from ieco_opt.reports.text import fleet_wording
from ieco_opt.reports.text.explanation_fleet import (
    choices_that_are_none,
    held_table,
    idle_limits,
    limits_table,
    one_line,
    render,
    runner_ups_table,
)
from ieco_opt.results.fleet_explanation import FleetExplanation


def fleet_explanation_section(key: str, one: Shown[FleetExplanation]) -> Section:
    """What decides a plan: the terminal's tables, and all of it in words."""
    explanation = one.answer
    result = explanation.as_result()
    limits, held, others = limits_table(explanation), held_table(explanation), runner_ups_table(explanation)
    idle = idle_limits(explanation)
    single = choices_that_are_none(explanation)
    return section(
        key,
        f"What decides the plan: {one.name}",
        tag("p", badge(explanation.status)),
        tag("p", fleet_wording.totals(result, explanation.plan), "; ", fleet_wording.verdict(result, explanation.plan)),
        tag("p", one_line(explanation), class_="proven"),
        table(limits.heading, limits.columns),
        tag("p", "Do not bind, proven: without any one of them no plan is better") if idle else None,
        listed(idle),
        table(held.heading, named_in_full(held.columns, [row.workload for row in explanation.plan.instances])),
        table(others.heading, named_in_full(others.columns, [each.workload for each in explanation.runner_ups])),
        tag("p", single) if single else None,
        in_words(render(explanation, WORDS_WIDTH)),
    )
