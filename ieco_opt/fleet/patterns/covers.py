"""Covers of a demand: sets of instances of each pool, put together pool by pool within a price."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.pieces import Counts, Floats
from ieco_opt.fleet.patterns.steps import ENOUGH, Need, Steps, TooMany

MOST_SETS = 20_000
"""So many sets of one phase are held at a time."""


@dataclass(frozen=True, slots=True)
class Covers:
    """Covers of one phase within a price: for each pool the row of its steps; shape (covers, pools)."""

    steps: tuple[Steps, ...]
    rows: NDArray[np.intp]
    price: Floats


@dataclass(frozen=True, slots=True)
class Shelf:
    """Steps of all pools of a group, one after the other; those of pool p begin at ``starts[p]``."""

    steps: tuple[Steps, ...]
    starts: tuple[int, ...]
    pieces: tuple[list[int], ...]
    covered: Floats
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
            np.concatenate([each.running for each in steps]),
        )

    def cost(self, prices: Floats) -> Floats:
        """What each of them costs."""
        return np.concatenate([each.taken @ prices[mine] for each, mine in zip(self.steps, self.pieces, strict=True)])

    def rate(self, cost: Floats) -> float:
        """Least price of a whole demand at the rate of one of them; inf where none serves anything."""
        useful = np.minimum(self.covered, 1.0)
        return float(np.min(cost[useful > 0.0] / useful[useful > 0.0], initial=math.inf))


def combined(
    shelf: Shelf,
    cost: Floats,
    within: NDArray[np.bool_],
    limit: float,
    rate: float,
    need: Need,
    *,
    cheapest: bool,
) -> Covers:
    """Sets of each pool put together, pool by pool, as far as the rest at the best rate is within the limit."""
    kept = [first + np.flatnonzero(within[first:end]) for first, end in itertools.pairwise(shelf.starts)]
    # The pool with most sets comes last, where only the smallest that completes a set is of use.
    order = [at for at in sorted(range(len(kept)), key=lambda at: len(kept[at])) if len(kept[at]) > 1]
    rows = np.zeros((1, len(kept)), dtype=np.intp)
    price, covered, running = np.zeros(1), np.zeros(1), np.zeros(1, dtype=np.int64)
    for at in order:
        mine = kept[at]
        if at == order[-1] and len(shelf.pieces[at]) == 1 and not need.is_counted:
            first = np.searchsorted(shelf.covered[mine], ENOUGH - covered)
            which = np.flatnonzero(first < len(mine))
            taken = mine[first[which]]
        else:
            if len(price) * len(mine) > 50 * MOST_SETS:
                raise TooMany
            left = rate * np.maximum(0.0, 1.0 - (covered[:, None] + shelf.covered[mine][None]))
            which, chosen = np.nonzero(price[:, None] + cost[mine][None] + left <= limit)
            taken = mine[chosen]
        rows = rows[which]
        rows[:, at] = taken - shelf.starts[at]
        price, covered = price[which] + cost[taken], covered[which] + shelf.covered[taken]
        running = running[which] + shelf.running[taken]
        if cheapest and not need.is_counted:
            best = _front(price, covered)
            rows, price, covered, running = rows[best], price[best], covered[best], running[best]
        if len(price) > MOST_SETS:
            raise TooMany
    whole = (covered >= ENOUGH) & (price <= limit) & (running >= need.least)
    if need.most is not None:
        whole &= running <= need.most
    return Covers(shelf.steps, rows[whole], price[whole])


def _front(price: Floats, covered: Floats) -> NDArray[np.intp]:
    """Sets that cover more than all that cost no more."""
    useful = np.minimum(covered, 1.0)
    order = np.lexsort((-useful, price))
    before = np.concatenate([[-1.0], np.maximum.accumulate(useful[order])[:-1]])
    return order[useful[order] > before]
