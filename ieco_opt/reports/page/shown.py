"""What is on a page: results, and how commands name their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ieco_opt.engines.server import slug
from ieco_opt.reports.page.markup import Markup, Part, joined, lines, tag
from ieco_opt.reports.text import wording
from ieco_opt.results.answer import Answer
from ieco_opt.results.guarantee import AnswerStatus
from ieco_opt.results.launching import LaunchOptions
from ieco_opt.results.saved_folder import RESULT

WORDS_WIDTH = 110
"""Columns of what the terminal says, on the page."""

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
        return wording.command_on(self.file, *words)

    def launch_options(self, *, first_only: bool = False) -> LaunchOptions:
        """Where the files lie that its commands name: beside it, as `plan --save` and `launch` write them."""
        if self.file is None:
            return LaunchOptions(first_only=first_only)
        file = Path(self.file).absolute()
        folder, name = (file, RESULT) if file.is_dir() else (file.parent, file.name)
        return LaunchOptions(folder, slug(Path(name).stem), first_only=first_only)


_BADGES = {
    AnswerStatus.OPTIMAL: ("good", "proven"),
    AnswerStatus.FEASIBLE: ("open", "gap left"),
    AnswerStatus.INFEASIBLE: ("bad", "proven: none exists"),
    AnswerStatus.STOPPED: ("open", "stopped early"),
}


def badge(status: AnswerStatus) -> Markup:
    """What is proven of a result, in a word or two."""
    look, words = _BADGES[status]
    return tag("span", words, class_=f"badge {look}")


def in_words(text: str) -> Markup:
    """A heading, and what the terminal says."""
    label = "The explanation in words"
    pre = tag("pre", lines(text), class_="words", tabindex=0, aria_label=label)
    return joined(tag("h3", "In words"), pre)


class Section(NamedTuple):
    """A part of the page with a heading."""

    key: str
    title: str
    content: Markup


def section(key: str, title: str, *parts: Part) -> Section:
    """Make a part of the page, which links can lead to."""
    head = tag("h2", title, id=f"{key}-head")
    return Section(key, title, tag("section", head, *parts, id=key, aria_labelledby=f"{key}-head"))
