"""What is left to take of each pool, and what that costs at the least: labels that cannot pay it are of no use.

One pool at a time, a choice of one way to go on at each step is a small dynamic program, which knows nothing of the
other pools. So whatever completes a label costs no less than it says of any one pool (docs/proof.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.labels import Digit, Labels, Place, Step
from ieco_opt.fleet.patterns.pieces import Counts, Floats

Others = list[tuple[Digit, Floats]]
"""What other steps cost at the least where they complete labels, by the number in the field of each place."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """The least that some steps cost where they take ``first``, ``first`` + 1, ... pieces of a pool; inf: they cannot.

    Where pieces have a period, ``first`` is 0 and there is one entry for each piece of it.
    """

    first: int
    cost: Floats

    @classmethod
    def of_nothing(cls, place: Place) -> _Sums:
        """No step takes no pieces."""
        cost = np.full(place.period or 1, np.inf)
        cost[0] = 0.0
        return cls(0, cost)

    def and_one_more(self, place: Place, taken: Counts, cost: Floats, budget: float) -> _Sums:
        """One step more, whose ways take so many pieces, no two the same; as far as sums are within a budget."""
        if place.period:
            before = (np.arange(place.period) - taken[:, None]) % place.period
            return _Sums(0, (self.cost[before] + cost[:, None]).min(axis=0))
        first = self.first + int(taken[0])
        last = min(self.first + len(self.cost) + int(taken[-1]), len(place.beyond))
        before = np.arange(first, last) - self.first - taken[:, None]
        possible = (before >= 0) & (before < len(self.cost))
        sums = np.where(possible, self.cost[np.where(possible, before, 0)], np.inf) + cost[:, None]
        least = sums.min(axis=0)
        within = np.flatnonzero(least <= budget)
        if not len(within):
            return _Sums(0, np.full(1, np.inf))
        return _Sums(first + int(within[0]), least[within[0] : within[-1] + 1])

    def left_over(self, digit: Digit) -> Floats:
        """The same by what was taken before, which these steps complete: for each number in the field of a label."""
        found, period = np.full(1 << digit.bits, np.inf), digit.place.period
        if period:
            found[-np.arange(period) % period] = self.cost
        else:
            last = digit.place.radix - 1 - self.first
            found[last - np.arange(len(self.cost))] = self.cost
        return found


@dataclass(frozen=True, slots=True)
class Rests:
    """For each place, the least that the first steps of a sequence cost, and the last ones, by what they take of it."""

    _first: Sequence[Sequence[_Sums]]
    _last: Sequence[Sequence[_Sums]]

    @classmethod
    def of(cls, places: Sequence[Place], steps: Sequence[Step], budget: float) -> Rests:
        """Add up the steps of a sequence, as far as each is within a budget, from both of its ends."""
        first, last = [], []
        for at, place in enumerate(places):
            ways = [_cheapest_ways(place, step.taken[:, at], step.cost, budget) for step in steps]
            first.append(_sums(place, ways, budget))
            last.append(_sums(place, ways[::-1], budget))
        return cls(first, last)

    def of_others(self, taken: int, digits: Sequence[Digit], *, last: bool) -> Others:
        """What completes labels of the so many first, or last, steps; pools that tell most apart come first."""
        found = []
        for at, digit in enumerate(digits):
            sums = (self._first if last else self._last)[at]
            found.append((digit, sums[len(sums) - 1 - taken].left_over(digit)))
        return sorted(found, key=lambda each: each[0].place.period > 0)


def within_budget(labels: Labels, others: Others, budget: float) -> NDArray[np.intp]:
    """Labels that other steps can complete within a budget, as far as one pool at a time tells."""
    left = np.flatnonzero(labels.cost <= budget)
    for digit, rest in others:
        left = left[labels.cost[left] + rest[digit.of([word[left] for word in labels.taken])] <= budget]
    return left


def promising(labels: Labels, others: Others, few: int) -> Labels:
    """A few labels: those that are completed for the least, as far as one pool at a time tells."""
    if len(labels.cost) <= few:
        return labels
    rest = np.max([each[digit.of(labels.taken)] for digit, each in others], axis=0)
    return labels.at(np.argpartition(labels.cost + rest, few)[:few])


def _cheapest_ways(place: Place, taken: Counts, cost: Floats, budget: float) -> tuple[Counts, Floats]:
    """Pieces of a place that a step can take, rising, and the least cost of each; costs of the step rise."""
    number = int(np.searchsorted(cost, budget, side="right"))
    pieces = taken[:number] % place.period if place.period else taken[:number]
    found, cheapest = np.unique(pieces, return_index=True)
    return found, cost[cheapest]


def _sums(place: Place, ways: Sequence[tuple[Counts, Floats]], budget: float) -> list[_Sums]:
    """What 0, 1, ... of the first steps cost."""
    found = [_Sums.of_nothing(place)]
    for taken, cost in ways:
        found.append(found[-1].and_one_more(place, taken, cost, budget))
    return found
