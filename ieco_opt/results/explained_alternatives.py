"""Alternatives explained: what decides the best of them, and what each other one takes more, by term of the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ieco_opt.documents.types import FromZeroOrInfinite, Number, Record, Text, Whole
from ieco_opt.results.alternatives import Alternative, Combination
from ieco_opt.results.encoding import plain, to_mapping
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.json_record import JsonRecord

FORMAT = "ieco_opt explained alternatives"


@dataclass(frozen=True, slots=True)
class TermAmount(Record):
    """What one term of the time takes of a quantity, and how much more than in the first alternative."""

    term: Text
    amount: Number
    more: Number


@dataclass(frozen=True, slots=True)
class Taken(Record):
    """What an alternative takes of one quantity, by the terms of its time, which add up to it.

    Attributes
    ----------
    quantity, unit
        ``latency``, ``cost``, ``energy`` or ``carbon`` of a token; of plans ``cost``, ``power``, ``gpus``, ``energy``
        or ``carbon`` in all, and ``GPU time`` of what is served where as much as possible is.
    amount, more
        All of it, and how much more than the first alternative takes.
    terms
        Those of :class:`~ieco_opt.results.fleet_explanation.TokenTime` that are not hidden. Of plans also
        ``operating point`` (whose time is not known by parts), ``spare capacity`` of instances, and ``unused GPUs``.
    """

    quantity: Text
    unit: Text
    amount: Number
    more: Number
    terms: tuple[TermAmount, ...]

    @property
    def mostly(self) -> TermAmount | None:
        """The term that takes the most more than in the first alternative; ``None`` where none takes more."""
        most = max(self.terms, key=lambda each: each.more, default=None)
        return None if most is None or most.more <= 0.0 else most


@dataclass(frozen=True, slots=True)
class ExplainedAlternative(Record):
    """One alternative of the list, the first one too.

    Attributes
    ----------
    excess, objective, combinations
        As of the alternative.
    taken
        What it takes of what the objective counts: of ``preferred`` latency and cost, of others one quantity; nothing
        where a figure is not known.
    """

    rank: Whole
    excess: FromZeroOrInfinite
    objective: Number
    combinations: tuple[Combination, ...]
    taken: tuple[Taken, ...]

    @classmethod
    def of(
        cls,
        rank: int,
        alternative: Alternative,
        amounts: Mapping[tuple[str, str], Mapping[str, float]],
        first: Mapping[tuple[str, str], Mapping[str, float]],
    ) -> ExplainedAlternative:
        """Set the amounts of each quantity (and unit), by term, against those of the first alternative."""
        return cls(
            rank,
            alternative.excess,
            alternative.objective,
            alternative.combinations,
            tuple(
                _taken(*quantity, by_term, first[quantity])
                for quantity, by_term in amounts.items()
                if quantity in first
            ),
        )


def _taken(quantity: str, unit: str, here: Mapping[str, float], first: Mapping[str, float]) -> Taken:
    names = dict.fromkeys((*here, *first))
    terms = tuple(TermAmount(name, here.get(name, 0.0), here.get(name, 0.0) - first.get(name, 0.0)) for name in names)
    amount = sum(here.values())
    return Taken(quantity, unit, amount, amount - sum(first.values()), terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAlternatives(JsonRecord, Record):
    """Why the best of some alternatives is the best, and why the others cost more.

    Attributes
    ----------
    best
        What decides the best deployment, or the first plan.
    alternatives
        All of the list, the first one first.
    seconds
        Wall time of it all.
    """

    best: Explanation | FleetExplanation
    alternatives: tuple[ExplainedAlternative, ...]
    seconds: float

    @property
    def stopped(self) -> str | None:
        """Why the search ended before all was examined, if it did."""
        return self.best.stopped

    def to_dict(self) -> dict[str, Any]:
        """Everything, as the JSON file holds it."""
        values: dict[str, Any] = {"format": FORMAT} | plain(self)
        return values | {"best": to_mapping(self.best)}

    def __repr__(self) -> str:
        return f"{self.best.scenario.name}: {len(self.alternatives)} alternatives explained"
