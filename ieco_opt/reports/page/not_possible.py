"""A fleet that no plan serves on the page: what is asked, why that is not possible, and what would do."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.reports.page.markup import Part, tag
from ieco_opt.reports.page.shown import Section, badge, section
from ieco_opt.reports.page.tables import listed
from ieco_opt.reports.text.screen import asks_one_question, question
from ieco_opt.results.guarantee import AnswerStatus
from ieco_opt.scenario import Fleet


@dataclass(frozen=True, slots=True)
class NotPossible:
    """A fleet that is proven infeasible.

    Attributes
    ----------
    why
        Which requirement fails and how far it can be met, sentence by sentence.
    ways
        Single changes with which a plan exists, as `ieco-opt plan` prints them; none where nobody looked.
    """

    fleet: Fleet
    why: tuple[str, ...]
    ways: tuple[str, ...] = ()


def not_possible_section(key: str, one: NotPossible) -> Section:
    """What fails, then what to change."""
    fleet = one.fleet
    changes: list[Part] = [tag("h3", "Change one"), listed(one.ways)] if one.ways else []
    return section(
        key,
        f"Not possible: {fleet.name}",
        tag("p", _asked(fleet), " ", badge(AnswerStatus.INFEASIBLE), class_="subject"),
        tag("h3", "Why"),
        listed(one.why),
        *changes,
    )


def _asked(fleet: Fleet) -> str:
    """The question of one workload in a line; of others their names and pools."""
    if asks_one_question(fleet):
        return question(fleet)
    pools = ", ".join(f"{pool.gpus} GPUs of {pool.name}" for pool in fleet.pools)
    return f"{', '.join(each.name for each in fleet.workloads)} on {pools}"
