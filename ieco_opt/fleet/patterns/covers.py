"""Covers of a demand: sets of instances of each pool, put together pool by pool within a price."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.pieces import Counts, Floats
from ieco_opt.fleet.patterns.steps import ENOUGH, Need, Steps, TooMany
from ieco_opt.fleet.plan import ROUNDING

_SUMS = 1e-12
"""Shares of a demand that are added up in another order may differ by so much."""

MOST_SETS = 40_000
"""So many sets of one phase are held at a time."""


@dataclass(frozen=True, slots=True)
class Covers:
    """Covers of one phase within a price: for each pool the row of its steps; shape (covers, pools)."""

    steps: tuple[Steps, ...]
    rows: NDArray[np.intp]
    price: Floats

    def at(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Covers:
        """Some of them."""
        return Covers(self.steps, self.rows[kept], self.price[kept])

    def taken(self, cover: int) -> list[Counts]:
        """Pieces of each pool that one of them takes."""
        return [step.taken[row] for step, row in zip(self.steps, self.rows[cover].tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Steps of all pools of a group, one after the other; those of pool p begin at ``starts[p]``.

    ``gain`` is what each covers beyond the one before; of the first one, which is empty, inf.
    """

    steps: tuple[Steps, ...]
    starts: tuple[int, ...]
    pieces: tuple[list[int], ...]
    covered: Floats
    gain: Floats
    running: Counts

    @classmethod
    def of(cls, steps: Sequence[Steps], pieces: Sequence[list[int]]) -> Shelf:
        """Put the steps of the pools together."""
        starts = np.concatenate([[0], np.cumsum([len(each.covered) for each in steps])])
        return cls(
            tuple(steps),
            tuple(starts.tolist()),
            tuple(pieces),
            np.concatenate([each.covered for each in steps]),
            np.concatenate([np.diff(each.covered, prepend=-math.inf) for each in steps]),
            np.concatenate([each.running for each in steps]),
        )

    @property
    def has_one_piece(self) -> bool:
        """Whether each pool has, so that its steps take more and cover more, one after the other."""
        return all(len(each) == 1 for each in self.pieces)

    def at(self, prices: Floats) -> PricedShelf:
        """What the steps cost at prices of the pieces."""
        cost = [each.taken @ prices[mine] for each, mine in zip(self.steps, self.pieces, strict=True)]
        whole = np.concatenate(cost)
        fractions = tuple(map(fractions_of, self.steps, cost))
        return PricedShelf(self, whole, fractions, Rest.of(fractions))


def fractions_of(steps: Steps, cost: Floats) -> tuple[Floats, Floats]:
    """Shares and prices a share of parts of one pool's sets that cost no more than any set, the cheapest first."""
    useful = np.minimum(steps.covered, 1.0)
    if steps.corners is not None:
        price, useful = cost[steps.corners], useful[steps.corners]
        share = np.diff(useful)
        return share, np.diff(price) / share
    some = useful > 0.0
    if not some.any():
        return np.zeros(0), np.zeros(0)
    return useful.max(keepdims=True), (cost[some] / useful[some]).min(keepdims=True)


@dataclass(frozen=True, slots=True)
class PricedShelf:
    """Steps of all pools, what each costs, the fractions of each pool, and what all pools ask at the least."""

    shelf: Shelf
    cost: Floats
    fractions: tuple[tuple[Floats, Floats], ...]
    rest_of_all: Rest

    def rest(self, pools: Iterable[int]) -> Rest:
        """What some of the pools ask at the least for a share of the demand."""
        return Rest.of([self.fractions[at] for at in pools])


@dataclass(frozen=True, slots=True)
class Rest:
    """No sets cover a share of the demand for less than this: of fractions of sets, the cheapest first."""

    covered: Floats
    price: Floats

    @classmethod
    def of(cls, fractions: Sequence[tuple[Floats, Floats]]) -> Rest:
        """Put the fractions of several pools in order."""
        share = np.concatenate([np.zeros(0), *(each for each, _ in fractions)])
        rate = np.concatenate([np.zeros(0), *(each for _, each in fractions)])
        order = np.argsort(rate)
        covered, price = np.cumsum(share[order]), np.cumsum(share[order] * rate[order])
        return cls(np.concatenate([[0.0], covered]), np.concatenate([[0.0], price]))

    @property
    def first_rate(self) -> float:
        """Price a share of the cheapest fraction; 0 where there is none."""
        return float(self.price[1] / self.covered[1]) if len(self.price) > 1 and self.covered[1] > 0.0 else 0.0

    def at(self, share: Floats) -> Floats:
        """The least price of each share; inf where all sets together do not cover it."""
        # What covers the whole demand may miss it by a rounding.
        return np.interp(share - ROUNDING, self.covered, self.price, right=math.inf)


def combined(
    priced: PricedShelf,
    within: NDArray[np.bool_],
    limit: float,
    need: Need,
    *,
    cheapest: bool,
    beam: bool = False,
) -> Covers:
    """Sets of each pool put together, pool by pool, as far as what the rest asks at the least is within the limit.

    Where instances are not counted nothing is added to what covers the demand, and where each pool has one piece, none
    of what is found covers it without its last step on some pool. With a ``beam`` those that promise least go on where
    there are too many, so others may be missing.
    """
    shelf, cost = priced.shelf, priced.cost
    kept = [first + np.flatnonzero(within[first:end]) for first, end in itertools.pairwise(shelf.starts)]
    # The pool with most sets comes last, where only the smallest that completes a set is of use.
    order = [at for at in sorted(range(len(kept)), key=lambda at: len(kept[at])) if len(kept[at]) > 1]
    rows = np.zeros((1, len(kept)), dtype=np.intp)
    price, covered, running = np.zeros(1), np.zeros(1), np.zeros(1, dtype=np.int64)
    for position, at in enumerate(order):
        mine = kept[at]
        if at == order[-1] and len(shelf.pieces[at]) == 1 and not need.is_counted:
            first = np.searchsorted(shelf.covered[mine], ENOUGH - covered)
            which = np.flatnonzero(first < len(mine))
            taken = mine[first[which]]
        else:
            if len(price) * len(mine) > 50 * MOST_SETS:
                if not beam:
                    raise TooMany
                asked = price + priced.rest(order[position:]).at(1.0 - covered)
                few = np.argsort(asked)[: 50 * MOST_SETS // len(mine)]
                rows, price, covered, running = rows[few], price[few], covered[few], running[few]
            rest, spare = priced.rest(order[position + 1 :]), limit - price
            left = 1.0 - (covered[:, None] + shelf.covered[mine][None])
            # The rate of the first fraction is quick to ask of all, and the least of the rest of those that it leaves.
            which, chosen = np.nonzero(cost[mine][None] + rest.first_rate * np.maximum(0.0, left) <= spare[:, None])
            close = cost[mine[chosen]] + rest.at(left[which, chosen]) <= spare[which]
            if not need.is_counted:
                close &= (covered[which] < ENOUGH) | (mine[chosen] == shelf.starts[at])
            which, chosen = which[close], chosen[close]
            taken = mine[chosen]
        rows = rows[which]
        rows[:, at] = taken - shelf.starts[at]
        price, covered = price[which] + cost[taken], covered[which] + shelf.covered[taken]
        running = running[which] + shelf.running[taken]
        if cheapest and not need.is_counted:
            best = _front(price, covered)
            rows, price, covered, running = rows[best], price[best], covered[best], running[best]
        if len(price) > MOST_SETS and not beam:
            raise TooMany
    whole = (covered >= ENOUGH) & (price <= limit) & (running >= need.least)
    if need.most is not None:
        whole &= running <= need.most
    if shelf.has_one_piece and not need.is_counted:
        for at, start in enumerate(shelf.starts[:-1]):
            whole &= covered - shelf.gain[start + rows[:, at]] < ENOUGH + _SUMS
    return Covers(shelf.steps, rows[whole], price[whole])


def _front(price: Floats, covered: Floats) -> NDArray[np.intp]:
    """Sets that cover more than all that cost no more."""
    useful = np.minimum(covered, 1.0)
    order = np.lexsort((-useful, price))
    before = np.concatenate([[-1.0], np.maximum.accumulate(useful[order])[:-1]])
    return order[useful[order] > before]
