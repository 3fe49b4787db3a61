"""Plans told apart by what one large workload takes of the pools, where there are few such vectors (docs/proof.md).

What a model on many nodes leaves of the pools decides much of what the others can take, so that prices prove little of
all plans together, and much more of those with one vector of that workload.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.enumeration import Vectors
from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces
from ieco_opt.fleet.patterns.priced import Priced
from ieco_opt.fleet.patterns.prices import Known, Pricing, Takes
from ieco_opt.fleet.patterns.steps import TooMany
from ieco_opt.fleet.program.data import FleetProgramData
from ieco_opt.solvers.run import Run

_LARGE = 0.2
"""A workload is large that makes up so much of the least prices of all."""

_FEW = 64
"""So many vectors of it at the most are told apart."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A workload of which it is settled what it takes: of its ``vectors``, which all take that, any will do."""

    vectors: Vectors

    def least(self, prices: Floats) -> tuple[float, Vectors]:
        """Its price, and the first of them."""
        return float(self.vectors.taken[0] @ prices), self.vectors.at(np.array([0]))

    def within(self, prices: Floats, limit: float) -> Vectors:  # noqa: ARG002 - one of them it takes in any case
        """All of them."""
        return self.vectors


@dataclass(frozen=True, slots=True)
class Branch:
    """Plans in which the large workload takes some vector: all workloads, of which that is settled, and prices."""

    workloads: Sequence[Takes]
    prices: Priced


def large_workload(workloads: Sequence[Takes], prices: Priced, most: float) -> tuple[int, Vectors] | None:
    """The workload that makes up most of the least prices, with its vectors in plans of ``most``, if these are few."""
    at = max(range(len(workloads)), key=lambda each: prices.least[each])
    small = prices.least[at] < _LARGE * math.fsum(prices.least)
    if len(workloads) == 1 or small or isinstance(workloads[at], Settled):
        return None
    try:
        vectors = workloads[at].within(prices.prices, prices.least[at] + most - prices.bound)
    except TooMany:
        return None
    return (at, vectors) if len(vectors) <= _FEW else None


@dataclass(slots=True)
class Branches:
    """The branches of a program by the vectors of a large workload, given by position; those of least bound first.

    Plans have no more than ``most``, which may fall meanwhile.

    ``prices`` are those of all plans. What they, and those of other branches, prove of a branch is known at once: its
    vector costs more at them than the least one.
    """

    data: FleetProgramData
    pieces: Pieces
    workloads: Sequence[Takes]
    prices: Priced
    large: tuple[int, Vectors]
    run: Run
    most: float
    _points: list[Priced] = field(default_factory=list)
    _known: list[Known] = field(default_factory=list)

    def open(self) -> Iterator[Branch]:
        """Branches that may have such plans.

        Raises
        ------
        Stopped, TooMany
            A limit or an interrupt ended it; some workload has too many covers at prices of a branch.
        """
        self._points = [self.prices]
        self._known = [Known(vectors) for vectors in self.prices.known]
        groups = [self.large[1].at(rows) for rows in rows_of_equal(self.large[1].taken)]
        for group in sorted(groups, key=lambda each: self._best_known(each).bound):
            if (branch := self._branch(group)) is not None:
                yield branch

    def _best_known(self, group: Vectors) -> Priced:
        """Of the prices so far those that prove most of a branch, and what they prove."""
        found = []
        for each in self._points:
            price = float(group.taken[0] @ each.prices)
            least = (*each.least[: self.large[0]], price, *each.least[self.large[0] + 1 :])
            found.append(Priced(each.prices, least, each.bound + price - each.least[self.large[0]]))
        return max(found, key=lambda each: each.bound)

    def _branch(self, group: Vectors) -> Branch | None:
        """A branch with its best prices; ``None``: it has no plan with so little."""
        known = self._best_known(group)
        if known.bound > self.most:
            return None
        workloads: list[Takes] = list(self.workloads)
        workloads[self.large[0]] = Settled(group)
        seeds = [Known(group.at(np.array([0]))) if at == self.large[0] else each for at, each in enumerate(self._known)]
        pricing = Pricing(self.data, self.pieces, workloads, self.run, seeds, [known])
        best = pricing.best(most=self.most)
        if best is None:
            # No plan that is known serves all; what prices prove holds all the same.
            best = max(pricing.points, key=lambda each: each.bound)
            best = replace(best, known=tuple(each.vectors() for each in seeds))
        self._points += pricing.points[1:]
        return None if best.bound > self.most else Branch(workloads, best)


def rows_of_equal(taken: Counts) -> list[NDArray[np.intp]]:
    """Positions of the rows that are equal, by row."""
    _, which = np.unique(taken, axis=0, return_inverse=True)
    return [np.flatnonzero(which == at) for at in range(int(which.max(initial=-1)) + 1)]
