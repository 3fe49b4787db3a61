"""Explained alternatives for people in a terminal: what decides the best, and what the others take more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from ieco_opt.reports.text import explanation, explanation_fleet
from ieco_opt.reports.text.explanation_times import TERMS
from ieco_opt.reports.text.table import Column, shortened
from ieco_opt.reports.text.table_columns import words
from ieco_opt.reports.text.titled_table import TitledTable, fitted
from ieco_opt.reports.text.wording import percent
from ieco_opt.results.explained_alternatives import ExplainedAlternative, ExplainedAlternatives, Taken, TermAmount
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import Term

LEAST_WIDTH = 60

_LEAST_USED = 20
"""Letters of what an alternative uses that there is no place for less than."""

_HEADS: dict[str, tuple[str, str]] = {
    **{term: TERMS[term] for term in get_args(Term)},
    "operating point": ("operating", "point"),
    "spare capacity": ("spare", ""),
    "unused GPUs": ("unused", "GPUs"),
}
"""Heads of the columns, in their order."""

_WHY = {
    "latency": "are slower: the time per output token",
    "cost": "cost more: the cost",
    "power": "take more: the power",
    "gpus": "take more: the GPUs",
    "energy": "take more: the energy",
    "carbon": "emit more: the carbon",
    "GPU time": "serve less: the time of all GPUs",
}
_DIGITS = 3
_MOST_DECIMALS = 6
_NOTHING = 1e-9
"""Share of all of a quantity below which a difference is rounding."""


def render(explained: ExplainedAlternatives, width: int = 100) -> str:
    """Put explained alternatives into text for a terminal of ``width`` columns."""
    width, best = max(width, LEAST_WIDTH), explained.best
    if isinstance(best, Explanation):
        return "\n\n".join([explanation.render(best, width), *_why(explained, width)])
    return "\n\n".join([explanation_fleet.render(best, width), *_why(explained, width)])


def _why(explained: ExplainedAlternatives, width: int) -> list[str]:
    listed = explained.alternatives
    if len(listed) == 1:
        return ["The list has no other alternative."]
    if not listed[0].taken:
        return ["What the others take more is not known by terms."]
    tables = (fitted(difference_table(listed, at, width), width) for at in range(len(listed[0].taken)))
    return ["\n".join(line for line in table.split("\n") if line) for table in tables]


def difference_table(listed: Sequence[ExplainedAlternative], at: int, width: int) -> TitledTable:
    """One quantity of every alternative by its terms: of the first all of it, of the others how much more.

    What alternatives use is cut to what is left of a width.
    """
    taken = [each.taken[at] for each in listed]
    unit = "ms" if taken[0].quantity == "latency" else taken[0].unit
    amounts = _Amounts(taken)
    found = [name for name in _HEADS if any(term.term == name for each in taken for term in each.terms)]
    columns = [
        Column("#", "", tuple(str(each.rank) for each in listed)),
        Column("worse by", "", tuple("best" if each.rank == 1 else f"+{percent(each.excess)}" for each in listed)),
        Column("in all", "", tuple(amounts.cell(each, each) for each in taken)),
        *(Column(*_HEADS[name], tuple(amounts.of_term(each, name) for each in taken)) for name in found),
        words("mostly", (amounts.mostly(each) for each in taken)),
    ]
    left = max(_LEAST_USED, width - sum(column.width + 2 for column in columns))
    columns.append(words("uses", (shortened("; ".join(map(str, each.combinations)), left) for each in listed)))
    what = f"{_WHY[taken[0].quantity]} by its terms, in {unit}"
    return TitledTable(f"Why the others {what} (1: all of it; the others: how much more)", columns, ("uses", "mostly"))


class _Amounts:
    """Amounts of one quantity with so many decimals that the least difference in all is told."""

    def __init__(self, taken: Sequence[Taken]) -> None:
        self._first = taken[0]
        self._scale = 1000.0 if self._first.quantity == "latency" else 1.0
        apart = [self._scale * abs(each.more) for each in taken if not self._is_nothing(each.more)]
        least = min(apart, default=self._scale * self._first.amount) or 1.0
        self._decimals = min(max(_DIGITS - 1 - math.floor(math.log10(least)), 0), _MOST_DECIMALS)

    def cell(self, taken: Taken, of: Taken | TermAmount) -> str:
        """What the first alternative takes, or how much more another one does."""
        if taken is self._first:
            return f"{self._scale * of.amount:,.{self._decimals}f}"
        shown = f"{self._scale * of.more:+,.{self._decimals}f}"
        # What is nothing at these decimals has no sign.
        return shown if shown.strip("+-0.") else "0"

    def of_term(self, taken: Taken, name: str) -> str:
        """The same of one term."""
        term = next((each for each in taken.terms if each.term == name), None)
        return "-" if term is None else self.cell(taken, term)

    def mostly(self, taken: Taken) -> str:
        """The term that takes the most more."""
        most = taken.mostly
        return "-" if taken is self._first or most is None or self._is_nothing(most.more) else most.term

    def _is_nothing(self, more: float) -> bool:
        return abs(more) <= _NOTHING * self._first.amount
