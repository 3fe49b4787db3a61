"""What is on a page: results, and how commands name their files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from ieco_opt.errors import printable
from ieco_opt.reports.page.markup import Markup, Part, tag
from ieco_opt.results.answer import Answer
from ieco_opt.results.guarantee import AnswerStatus

Kind = TypeVar("Kind", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True)
class Shown(Generic[Kind]):
    """One result; ``file`` is where it is saved, ``None`` where it is not."""

    answer: Kind
    file: str | None = None

    @property
    def name(self) -> str:
        """Name of its scenario."""
        return self.answer.scenario.name

    def command(self, *words: str) -> str | None:
        """A command about the saved file; ``None`` where there is none."""
        if self.file is None:
            return None
        # What begins with a dash is no option.
        file = f"./{self.file}" if self.file.startswith("-") else self.file
        return " ".join(["ieco-opt", words[0], shlex.quote(printable(file)), *words[1:]])


_BADGES = {
    AnswerStatus.OPTIMAL: ("good", "proven"),
    AnswerStatus.FEASIBLE: ("open", "gap left"),
    AnswerStatus.INFEASIBLE: ("bad", "proven: none exists"),
    AnswerStatus.STOPPED: ("open", "stopped, not proven"),
}


def badge(status: AnswerStatus) -> Markup:
    """What is proven of a result, in a word or two."""
    look, words = _BADGES[status]
    return tag("span", words, class_=f"badge {look}")


class Section(NamedTuple):
    """A part of the page with a heading."""

    key: str
    title: str
    content: Markup


def section(key: str, title: str, *parts: Part) -> Section:
    """Make a part of the page, which links can lead to."""
    head = tag("h2", title, id=f"{key}-head")
    return Section(key, title, tag("section", head, *parts, id=key, aria_labelledby=f"{key}-head"))
