"""The page as a whole: its head, its parts, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ieco_opt.errors import ScenarioError
from ieco_opt.reports.page import assets
from ieco_opt.reports.page.alternatives import alternatives_section
from ieco_opt.reports.page.comparisons import comparison_section
from ieco_opt.reports.page.explanations import explanation_section
from ieco_opt.reports.page.fleet_explanations import fleet_explanation_section
from ieco_opt.reports.page.fleet_frontiers import fleet_frontier_section
from ieco_opt.reports.page.frontiers import frontier_section
from ieco_opt.reports.page.markup import Markup, Part, cells, code, joined, tag
from ieco_opt.reports.page.not_possible import NotPossible, not_possible_section
from ieco_opt.reports.page.plans import plan_section
from ieco_opt.reports.page.shown import Section, Shown, badge
from ieco_opt.reports.page.tables import table_of
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.explanation_fleet import one_line
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.answer import Answer
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.summary import summary
from ieco_opt.results.variations import Variations

_MOST_NAMES = 3
"""Scenarios that the title of a page names."""


def document(
    shown: Sequence[Shown[Answer]], variations: Variations | None, not_possible: Sequence[NotPossible] = ()
) -> str:
    """The page of some results, and of fleets that no plan serves.

    Raises
    ------
    ScenarioError
        There is none.
    """
    if not shown and not not_possible:
        raise ScenarioError.single("found no result, expected at least one", field="results")
    none = [not_possible_section(f"not-possible-{number}", each) for number, each in enumerate(not_possible, 1)]
    sections = [*_sections(shown, variations), *none]
    charts = any("<figure" in each.content for each in sections)
    title = _title([*(one.name for one in shown), *(each.fleet.name for each in not_possible)])
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "header",
            tag("h1", title),
            tag("div", tag("button", "Theme: system", type="button", id="theme"), class_="scripted tools"),
        ),
        _links(sections),
        tag("main", _overview(shown), *(each.content for each in sections), id="content"),
        _footer(shown, charts=charts),
        assets.script_elements(charts=charts),
    )
    return joined(Markup("<!DOCTYPE html>\n"), tag("html", _head(title, charts=charts), body, lang="en")) + "\n"


def _head(title: str, *, charts: bool) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        # Before anything that it is about.
        tag("meta", http_equiv="Content-Security-Policy", content=assets.policy(charts=charts)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        code(assets.style(), "style"),
    )


def _title(of: Sequence[str]) -> str:
    names = list(dict.fromkeys(of))
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1} more"
    return ", ".join(names)


def _sections(shown: Sequence[Shown[Answer]], variations: Variations | None) -> list[Section]:
    """Frontiers together, everything else one after the other, in the order in which it was given."""
    frontiers: list[Shown[Frontier]] = _of(shown, Frontier)
    parts = [frontier_section(frontiers)] if frontiers else []
    for number, one in enumerate(shown, 1):
        match one.answer:
            case FleetResult() if one.answer.is_frontier:
                parts.append(fleet_frontier_section(f"plans-{number}", Shown(one.answer, one.file)))
            case FleetResult():
                parts.append(plan_section(f"plan-{number}", Shown(one.answer, one.file), variations))
            case Comparison():
                parts.append(comparison_section(f"compared-{number}", Shown(one.answer, one.file)))
            case Explanation():
                parts.append(explanation_section(f"explained-{number}", Shown(one.answer, one.file)))
            case FleetExplanation():
                parts.append(fleet_explanation_section(f"explained-{number}", Shown(one.answer, one.file)))
            case Alternatives():
                parts.append(alternatives_section(f"alternatives-{number}", Shown(one.answer, one.file)))
    return parts


def _links(sections: Sequence[Section]) -> Markup:
    """Links to the parts of a long page."""
    if len(sections) < 2:
        return Markup()
    items = [tag("li", tag("a", each.title, href=f"#{each.key}")) for each in sections]
    return tag("nav", tag("ul", *items), aria_label="Parts of the page")


def _of(shown: Sequence[Shown[Answer]], kind: type[Any]) -> list[Shown[Any]]:
    return [Shown(one.answer, one.file) for one in shown if isinstance(one.answer, kind)]


def _overview(shown: Sequence[Shown[Answer]]) -> Markup:
    """What is on the page, where there are several results."""
    if len(shown) < 2:
        return Markup()
    rows = [
        cells(
            "td", [one.name, summary(one.answer)[0].partition(": ")[2], badge(one.answer.status), _extent(one.answer)]
        )
        for one in shown
    ]
    return tag(
        "section",
        tag("h2", "Results on this page", id="overview"),
        table_of("Results on this page", ["scenario", "question", "proof", "answer"], [1, 2, 3, 4], rows, hidden=True),
        aria_labelledby="overview",
    )


def _extent(answer: Answer) -> str:
    """How many points there are, or what the one is worth."""
    if isinstance(answer, FleetResult):
        plans = wording.counted(len(answer), "plan")
        return (
            plans
            if answer.is_frontier
            else f"${answer[0].usd_per_hour:,.2f}/h, {wording.counted(answer[0].gpus, 'GPU')}"
        )
    if isinstance(answer, FleetExplanation):
        return one_line(answer)
    if isinstance(answer, Alternatives):
        return wording.counted(len(answer), "plan" if answer.of_fleet else "deployment")
    found: Any = answer
    if len(found.deployments) == 1:
        return wording.worth(found.deployments[0])
    return wording.counted(len(found.deployments), "deployment")


def _footer(shown: Sequence[Shown[Answer]], *, charts: bool) -> Markup:
    """What made the results, how to check them, and whose software is in the page."""
    made = dict.fromkeys(
        f"ieco_opt {one.answer.versions.ieco_opt}, performance model {one.answer.versions.model}, Pyomo "
        f"{one.answer.versions.pyomo}, {wording.solver(one.answer)}"
        for one in shown
    )
    checks = [command for one in shown if (command := one.command("verify")) is not None]
    told: list[Part] = [tag("p", f"Computed with {each}.") for each in made]
    if checks:
        told.append(tag("p", "Check without the solver: ", *(joined(tag("code", each), " ") for each in checks)))
    notice = assets.notice() if charts else None
    return tag("footer", *told, notice) if told else Markup()
