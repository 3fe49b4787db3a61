"""The best choice of one vector a workload, by a dynamic program over labels (docs/proof.md).

Labels within a budget are kept; of those that take the same, the cheapest. The budget grows until some choice is within
it, which then is the best one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.asking import Ask
from ieco_opt.fleet.patterns.enumeration import Vectors
from ieco_opt.fleet.patterns.labels import (
    ROUNDING,
    Labels,
    Place,
    Step,
    Words,
    cheapest_of_equal,
    count_in_full,
    digits_of,
    each_way,
    is_new,
    joined,
    missing,
    packed,
    places_of,
    reduce,
    unused,
)
from ieco_opt.fleet.patterns.pieces import Floats, Pieces
from ieco_opt.fleet.patterns.priced import Priced
from ieco_opt.fleet.patterns.rests import Others, Rests, promising, within_budget
from ieco_opt.fleet.patterns.steps import TooMany
from ieco_opt.fleet.program.data import FleetProgramData
from ieco_opt.performance.rows import distinct

_FIRST_BUDGET = 1e-6
"""Share of the bound that plans may cost beyond it at first."""

_WIDER = ((3, 10.0), (40, 3.0), (2_000, 2.0), (20_000, 1.4), (math.inf, 1.2))
"""Each budget is so many times the one before where that one put at most so many pairs a workload together."""

_OF_MOST = 0.1
"""Share of what is enough that budgets begin with."""

_MANY_PAIRS = 1_000
"""With so many of them a good plan is looked for, which says how far the budget has to go."""

_NARROW = 1.1
"""Times a budget that is refuted: where one that is too wide is no wider than that, none in between is tried."""

_AT_ONCE = 1.5
"""Times a budget that is tried next where that is enough."""

_BEYOND = (1.2, 2.0)
"""Times a budget that is not enough: what a good plan may cost beyond the bound."""

_LISTED_FIRST = 1e-5
"""Share of the bound within which vectors are listed at first."""

_PAIRS_AT_ONCE = 1_000_000
"""Labels and vectors that are put together at a time."""

_MOST_PAIRS = 100_000_000
"""Labels and vectors that are put together for one budget."""

_MOST_LABELS = 1_000_000
"""Labels at once."""

_FEW_LABELS = 20_000
"""Labels at once where others are left out."""

_FEW_PAIRS = 10_000_000
"""Labels and vectors that are put together then, in all steps."""

_GLANCE = 0.1
"""Share of both before a budget that may find the best plan."""

_HALVINGS = 12
"""Of the budget of a step, where about the cheapest sums are looked for."""

Within = Callable[[float], Sequence[Vectors]]
"""Vectors of each workload that cost at most so much beyond the least of it; raises :class:`TooMany`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What labels found: no plan has less than ``bound``, and vectors of a good plan, by workload, where there are any.

    The plan has the bound, and so is the best, where nothing was left out. Limits beside the capacity of the pools were
    not looked at.
    """

    bound: float
    vectors: tuple[tuple[Vectors, int], ...] | None


def best_choice(
    data: FleetProgramData,
    pieces: Pieces,
    priced: Priced,
    within: Within,
    ask: Ask,
    most: float = math.inf,
    pairs: float = math.inf,
) -> Choice | None:
    """The vectors of the best plan, or as much as is proven where there are too many labels; ``None``: nothing is.

    Parameters
    ----------
    priced
        Prices of the pieces, and of each workload the least price of its vectors.
    most
        Plans that have more are of no use: a bound above that is enough.
    pairs
        Labels and vectors that may be put together for one budget, where these are fewer than what there is time for.
    """
    places = places_of(data, pieces, priced.prices)
    if places is None:
        return None
    base = math.fsum(priced.least) + math.fsum(low for _, low in places)
    scale = max(1.0, abs(base))
    if base < priced.bound - _LISTED_FIRST * scale:
        # A limit that labels do not look at has a price.
        return None
    search = _Search([place for place, _ in places], ROUNDING * scale, ask, min(pairs, _MOST_PAIRS))
    listing = _Listing(within, priced.prices, priced.least, _LISTED_FIRST * scale)
    refuted, proven = 0.0, base - search.rounding
    budget, widest = _budgets(scale, most - base + 2.0 * search.rounding)
    enough: float | None = None
    too_much = math.inf
    while refuted < widest and proven <= most:
        if budget >= too_much:
            if not refuted or too_much <= _NARROW * refuted:
                break
            # Few labels tell little of how many there are so much further.
            budget = math.sqrt(refuted * too_much)
        try:
            found = search.within_budget(listing.steps(budget), budget)
        except TooMany:
            too_much = budget
            continue
        if found is not None:
            cost, rows = found
            return Choice(base + cost - search.rounding, tuple(zip(listing.vectors, rows, strict=True)))
        refuted, proven, taken = budget, base + budget - search.rounding, search.pairs
        if enough is None and taken > _MANY_PAIRS:
            good = _good(search, listing, [_BEYOND[-1] * budget], _GLANCE)
            enough = None if good is None else good[0] + search.rounding
        budget = min(widest, _next_budget(budget, taken / len(listing.vectors), enough or math.inf))
    if proven > most:
        return Choice(proven, None)
    # Where there are branches to go on with, less of what is sought is lost if it is not found.
    share = 1.0 if math.isinf(pairs) else _GLANCE
    good = _good(search, listing, [min(enough or math.inf, times * budget) for times in _BEYOND], share)
    return Choice(proven, None if good is None else good[1])


def _budgets(scale: float, of_use: float) -> tuple[float, float]:
    """The first budget and the widest one, where none beyond what is ``of_use`` is asked for."""
    widest = min(scale, of_use)
    return max(_FIRST_BUDGET * scale, 0.0 if math.isinf(of_use) else _OF_MOST * widest), widest


def _good(
    search: _Search, listing: _Listing, budgets: Sequence[float], share: float = 1.0
) -> tuple[float, tuple[tuple[Vectors, int], ...]] | None:
    """What a good plan costs beyond the bound, and its vectors, of a share of few labels within some budget."""
    for budget in budgets if listing.vectors else ():
        found = search.within_budget(listing.steps(listing.slack), budget, share)
        if found is not None:
            return found[0], tuple(zip(listing.vectors, found[1], strict=True))
    return None


def _next_budget(budget: float, pairs: float, enough: float) -> float:
    """A wider budget after one that took so many pairs a workload; at once what is ``enough``, where that is near."""
    times = next(times for most, times in _WIDER if pairs <= most)
    return enough if budget < enough <= max(_AT_ONCE, times) * budget else times * budget


@dataclass(slots=True)
class _Listing:
    """Vectors of each workload, listed within ``first`` at the least."""

    within: Within
    prices: Floats
    least: Sequence[float]
    first: float
    vectors: Sequence[Vectors] = ()
    slack: float = -math.inf
    _steps: Sequence[Step] = ()

    def steps(self, budget: float) -> Sequence[Step]:
        """All vectors within the budget, and perhaps others."""
        if budget > self.slack:
            self._take(max(budget, self.first))
        return self._steps

    def _take(self, slack: float) -> None:
        self.vectors, self.slack = self.within(slack), slack
        self._steps = [
            # What is below the least by rounding costs nothing.
            Step.of(at, each.taken, np.maximum(0.0, each.taken @ self.prices - least))
            for at, (each, least) in enumerate(zip(self.vectors, self.least, strict=True))
        ]


@dataclass(slots=True)
class _End:
    """Labels from one end, and of those before which label and which row of a step each came from."""

    labels: Labels
    _before: list[tuple[Step, NDArray[np.int32], NDArray[np.int32]]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many were taken."""
        return len(self._before)

    def grow(self, step: Step, labels: Labels) -> None:
        """Take one more step."""
        self.labels = labels
        self._before.append((step, labels.parent, labels.row))

    def trace(self, at: int, rows: list[int]) -> None:
        """Write down which row of each workload's step a label came from."""
        for step, parent, row in reversed(self._before):
            if step.workload is not None:
                rows[step.workload] = int(row[at])
            at = int(parent[at])


@dataclass(slots=True)
class _Search:
    """Labels from both ends of the workloads; what is left unused of the pools comes last."""

    places: list[Place]
    rounding: float
    ask: Ask
    most_pairs: float
    pairs: int = 0
    """Labels and vectors that were put together for the last budget."""

    def within_budget(
        self, steps: Sequence[Step], budget: float, few: float | None = None
    ) -> tuple[float, list[int]] | None:
        """The least that a choice costs beyond the bound, at most ``budget``, and its rows; ``None``: there is none.

        Of those labels alone that promise least, a share ``few`` of few of them at once, where that is given.
        """
        while True:
            found = self._cheapest(steps, budget, few)
            if found is None:
                return None
            cost, rows = found
            taken = np.sum([step.taken[row] for step, row in zip(steps, rows, strict=True)], axis=0)
            if not count_in_full(self.places, taken):
                return cost, [int(step.order[row]) for step, row in zip(steps, rows, strict=True)]

    def _cheapest(self, steps: Sequence[Step], budget: float, few: float | None) -> tuple[float, list[int]] | None:
        self.pairs = 0
        most = math.inf if few is None else few * _FEW_PAIRS / (len(steps) + len(self.places))
        sequence, budget = self._sequence(steps, budget), budget + self.rounding
        if not all(len(step.cost) and step.cost[0] <= budget for step in sequence):
            return None
        rests, digits = Rests.of(self.places, sequence, budget), digits_of(self.places)
        ends = (_End(self._nothing()), _End(self._nothing()))
        for _ in sequence:
            at = int(len(ends[1].labels.cost) < len(ends[0].labels.cost))
            smaller = ends[at]
            step = sequence[-1 - smaller.steps if at else smaller.steps]
            others = rests.of_others(smaller.steps + 1, digits, last=at > 0)
            grown = self._grown(smaller.labels, step, budget, most, others)
            smaller.grow(step, grown if few is None else promising(grown, others, math.ceil(few * _FEW_LABELS)))
            if not len(smaller.labels.cost):
                return None
        one, other = (end.labels for end in ends)
        pair = self._matched(one, other, budget)
        if pair is None:
            return None
        rows = [0] * len(steps)
        for end, at in zip(ends, pair, strict=True):
            end.trace(at, rows)
        return float(one.cost[pair[0]] + other.cost[pair[1]]), rows

    def _sequence(self, steps: Sequence[Step], budget: float) -> list[Step]:
        """Workloads with most vectors at both ends, where few labels meet them; what is left unused in the middle."""
        order = sorted(steps, key=lambda each: int(np.searchsorted(each.cost, budget)), reverse=True)
        endings = [Step.of(None, *unused(self.places, at, budget + self.rounding)) for at in range(len(self.places))]
        return [*order[::2], *endings, *order[1::2][::-1]]

    def _nothing(self) -> Labels:
        none = np.zeros(1, dtype=np.int32)
        return Labels(packed(self.places, np.zeros((1, len(self.places)), dtype=np.int64)), np.zeros(1), none, none)

    def _grown(self, labels: Labels, step: Step, budget: float, most: float, others: Others) -> Labels:
        """Each label with each way to go on, as far as the budget goes, ``most`` in all; the cheapest of equal ones.

        ``others``: what other steps must cost at the least, by what labels have of one pool.
        """
        possible = (step.taken < [place.radix for place in self.places]) | self._periodic
        usable = np.flatnonzero(possible.all(axis=1))
        ways = _ways(labels.cost, step.cost[usable], budget, most)
        number = int(ways.sum())
        self.pairs += number
        if most == math.inf and self.pairs > self.most_pairs:
            raise TooMany
        if not number:
            return labels.at(np.zeros(0, dtype=np.intp))
        ends = np.cumsum(ways)
        cuts = distinct(np.searchsorted(ends, np.arange(0, ends[-1], _PAIRS_AT_ONCE)))
        ahead = packed(self.places, step.taken[usable])
        parts: list[Labels] = []
        for first, last in itertools.pairwise([*cuts.tolist(), len(ways)]):
            self.ask("choosing what workloads take of the pools")
            part = self._part(labels, ahead, step.cost[usable], ways[first:last], first)
            parts.append(cheapest_of_equal(part.at(within_budget(part, others, budget))))
            if most == math.inf and sum(len(part.cost) for part in parts) > _MOST_LABELS:
                parts = [joined(parts)]
                if len(parts[0].cost) > _MOST_LABELS:
                    raise TooMany
        found = joined(parts)
        return replace(found, row=usable[found.row].astype(np.int32))

    def _part(self, labels: Labels, ahead: Words, cost_ahead: Floats, ways: NDArray[np.intp], first: int) -> Labels:
        """As many ways to go on as ``ways`` says of each label from the ``first`` on."""
        entry, way = each_way(ways)
        parent, row = (entry + first).astype(np.int32), way.astype(np.int32)
        taken = [mine[parent] + more[row] for mine, more in zip(labels.taken, ahead, strict=True)]
        reduce(self.places, taken)
        return Labels(taken, labels.cost[parent] + cost_ahead[row], parent, row)

    @property
    def _periodic(self) -> NDArray[np.bool_]:
        return np.array([place.period > 0 for place in self.places])

    def _matched(self, one: Labels, other: Labels, budget: float) -> tuple[int, int] | None:
        """The cheapest pair of labels that together end a period or the capacity of each pool."""
        keys = [np.concatenate(pair) for pair in zip(one.taken, missing(self.places, other.taken), strict=True)]
        order = np.lexsort(keys) if len(keys) > 1 else np.argsort(keys[0], kind="stable")
        # Labels of one end are different, so a pair is two entries that follow each other, the first end's first.
        second = np.flatnonzero(~is_new([key[order] for key in keys]))
        if not len(second):
            return None
        first, last = order[second - 1], order[second] - len(one.cost)
        cost = one.cost[first] + other.cost[last]
        at = int(cost.argmin())
        return (int(first[at]), int(last[at])) if cost[at] <= budget else None


def _ways(cost: Floats, ahead: Floats, budget: float, most: float) -> NDArray[np.intp]:
    """To how many of the rising costs ``ahead`` each cost can be added; of ``most`` in all about the cheapest sums."""
    ways = np.searchsorted(ahead, budget - cost, side="right")
    if ways.sum() <= most:
        return ways
    enough, too_much = 0.0, budget
    for _ in range(_HALVINGS):
        middle = 0.5 * (enough + too_much)
        if np.searchsorted(ahead, middle - cost, side="right").sum() <= most:
            enough = middle
        else:
            too_much = middle
    return np.searchsorted(ahead, enough - cost, side="right")
