"""Explanations on the page: what decides the best deployment, or which limits no deployment meets together."""

from __future__ import annotations

from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.explanation.bounds import Limit
from ieco_opt.reports.page.deployments import (
    MEMORY,
    MEMORY_CAPTION,
    MEMORY_TITLE,
    TIMES,
    TIMES_CAPTION,
    TIMES_TITLE,
    part_bars,
    told,
)
from ieco_opt.reports.page.markup import Markup, cells, joined, tag
from ieco_opt.reports.page.points import facts_of
from ieco_opt.reports.page.shown import WORDS_WIDTH, Section, Shown, badge, in_words, section
from ieco_opt.reports.page.tables import pairs, table_of
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.explanation import outward, render, value_of_limit
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation, InfeasibleSubset


def explanation_section(key: str, one: Shown[Explanation]) -> Section:
    """What decides the best deployment and what comes next, or which limits no deployment meets together."""
    _check(one)
    explanation, chosen = one.answer, one.answer.chosen
    asked = wording.answer(explanation)
    title = f"What decides {asked}: {one.name}" if chosen else f"Why none is feasible: {one.name}"
    return section(
        key,
        title,
        tag("p", badge(explanation.status)),
        *(tag("p", each, class_="warning") for each in wording.warning(explanation)),
        None if chosen is None else _chosen(key, chosen),
        _limits(explanation),
        _runner_ups(explanation),
        None if explanation.infeasible_subset is None else _members(explanation.infeasible_subset),
        in_words(render(explanation, WORDS_WIDTH)),
    )


def _check(one: Shown[Explanation]) -> None:
    """Refuse limits that there are not, since a file may come from anybody.

    Raises
    ------
    ScenarioError
        There is one.
    """
    subset = one.answer.infeasible_subset
    named = [("limits", each.limit) for each in one.answer.limits]
    if subset is not None:
        named += [("infeasible_subset.members", each.limit) for each in subset.members]
        named += [("infeasible_subset.together", each.limit) for each in subset.together]
    known = [str(each) for each in Limit]
    wrong = [(field, name) for field, name in named if name not in known]
    if wrong:
        field, name = wrong[0]
        message = f"found {found(name)}, expected one of {', '.join(known)}"
        raise ScenarioError.single(message, field=field, file=one.file)


def _chosen(key: str, chosen: Deployment) -> Markup:
    facts = [(name, cells[0]) for name, cells in facts_of([told(chosen)]).items()]
    best = [("best", chosen)]
    about = "Bar of launch overhead, network, memory and compute", "Bar of the memory of the most loaded GPU"
    return joined(
        tag("div", pairs(facts), class_="facts"),
        part_bars(f"{key}-times", best, TIMES, TIMES_TITLE, caption=TIMES_CAPTION, about=about[0]),
        part_bars(f"{key}-memory", best, MEMORY, MEMORY_TITLE, caption=MEMORY_CAPTION, about=about[1]),
    )


def _limits(explanation: Explanation) -> Markup:
    rows = [
        cells(
            "td",
            [
                each.limit,
                f"{value_of_limit(each.value)} {each.unit}",
                tag("span", "binds", class_="badge open") if each.binds else "does not bind",
                "-" if each.relaxed is None else wording.worth(each.relaxed.deployment),
                "-" if each.removed is None else wording.worth(each.removed.deployment),
            ],
        )
        for each in explanation.limits
    ]
    heads = ["limit", "value", "state", "relaxed by a step", "removed"]
    return table_of("Limits, each changed alone", heads, [1, 2, 3, 4, 5], rows) if rows else Markup()


def _runner_ups(explanation: Explanation) -> Markup:
    rows = [
        cells(
            "td",
            [
                f"{each.deployment.speed_tokens_per_s:.4g}",
                f"{each.deployment.cost_usd_per_mtok:.4g}",
                wording.percent(each.loss),
                wording.configuration(each.deployment),
            ],
        )
        for each in explanation.runner_ups
    ]
    heads = ["tokens/s/user", "$/Mtok", "loses", "configuration"]
    return table_of("Runner-up configurations", heads, [4], rows) if rows else Markup()


def _members(subset: InfeasibleSubset) -> Markup:
    """The limits that no deployment meets together, and what would do."""
    rows = [
        cells(
            "td",
            [
                each.limit,
                f"{value_of_limit(each.value)} {each.unit}",
                "none alone is enough"
                if each.needed is None
                else f"{outward(Limit(each.limit), each.needed)} {each.unit}",
                "-" if each.deployment is None else wording.worth(each.deployment),
            ],
        )
        for each in subset.members
    ]
    heads = ["limit", "value", "minimal relaxation", "then"]
    caption = "Limits that no deployment meets together: without any one of them some would"
    return table_of(caption, heads, [1, 2, 3, 4], rows) if rows else Markup()
