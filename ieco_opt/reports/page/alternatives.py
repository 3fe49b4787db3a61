"""Near-optimal alternatives on the page: the table, what is proven of everything else, and commands."""

from __future__ import annotations

from ieco_opt.reports.page.launches import of_points
from ieco_opt.reports.page.markup import Markup, tag
from ieco_opt.reports.page.shown import Section, Shown, badge, section
from ieco_opt.reports.page.tables import listed, table
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.alternatives import columns_of, foot, heading
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.frontier import Frontier


def alternatives_section(key: str, one: Shown[Alternatives]) -> Section:
    """The best answers that differ, each with the share by which it is worse."""
    result = one.answer
    return section(
        key,
        f"Alternatives: {one.name}",
        *(tag("p", each, class_="warning") for each in wording.warning(result)),
        tag("p", heading(result), " ", badge(result.status), class_="subject"),
        table("Near-optimal alternatives", columns_of(result)),
        listed(foot(result)),
        _commands(one),
    )


def _commands(one: Shown[Alternatives]) -> Markup | None:
    """Commands of deployments; those of plans are many, and printed by a command."""
    points = one.answer.as_points()
    if isinstance(points, Frontier):
        return of_points([(one.name, Shown(points, one.file))])
    command = one.command("launch", "--point", "N")
    return None if command is None else tag("p", "Commands that start plan N: ", tag("code", command))
