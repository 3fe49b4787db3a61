"""Labels: what some workloads take of each pool, in few numbers, and what that costs beyond the least (docs/proof.md).

Where whole nodes are paid and the capacity of a pool has no price, only the pieces on its last node tell labels apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import PoolData

_WORD_BITS = 62

_SIGNED_BITS = 63
"""Bits of a number that is not negative."""

ROUNDING = 1e-9
"""Share of the bound by which sums may be off, and of a price for a payment to count as one that repeats."""

Words = list[NDArray[np.int64]]
"""What labels take, in as few numbers as hold it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The pieces of one pool: what 0, 1, ... of them cost beyond their prices and the least of that.

    ``period`` is the number of pieces after which that repeats; 0 where it does not, or where the capacity may bind.
    """

    beyond: Floats
    period: int

    @property
    def radix(self) -> int:
        """Numbers that tell labels apart."""
        return self.period or len(self.beyond)

    def endings(self, budget: float) -> tuple[Counts, Floats]:
        """Pieces left unused up to the end of a period or of the capacity, and what they cost."""
        left = np.arange(self.radix)
        cost = self.beyond[-left % self.period] if self.period else self.beyond[::-1]
        return left[cost <= budget], cost[cost <= budget]


@dataclass(frozen=True, slots=True)
class Digit:
    """Where the pieces of one pool stand in the words of a label: a field with room for one carry."""

    place: Place
    word: int
    shift: int
    bits: int

    @property
    def mask(self) -> int:
        """Bits of the field."""
        return (1 << self.bits) - 1

    def of(self, words: Words) -> NDArray[np.int64]:
        """The pieces."""
        return (words[self.word] >> self.shift) & self.mask


def digits_of(places: Sequence[Place]) -> list[Digit]:
    """Fields one after the other, in as many words of 62 bits as that takes."""
    found, word, shift = [], 0, 0
    for place in places:
        bits = (place.radix - 1).bit_length() + 1
        if shift + bits > _WORD_BITS:
            word, shift = word + 1, 0
        found.append(Digit(place, word, shift, bits))
        shift += bits
    return found


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels after some steps: pieces of each pool, cost, and the label and the row of the step they came from."""

    taken: Words
    cost: Floats
    parent: NDArray[np.int32]
    row: NDArray[np.int32]

    def at(self, kept: NDArray[np.intp] | NDArray[np.bool_]) -> Labels:
        """Some of them."""
        return Labels([each[kept] for each in self.taken], self.cost[kept], self.parent[kept], self.row[kept])


@dataclass(frozen=True, slots=True)
class Step:
    """Ways to go on: pieces of each pool, shape (ways, pools), and cost, the cheapest first.

    ``workload`` is ``None`` where pieces are left unused.
    """

    workload: int | None
    taken: Counts
    cost: Floats
    order: NDArray[np.intp]

    @classmethod
    def of(cls, workload: int | None, taken: Counts, cost: Floats) -> Step:
        """Sort them."""
        order = np.argsort(cost, kind="stable")
        return cls(workload, taken[order], cost[order], order)


def places_of(data: FleetProgramData, pieces: Pieces, prices: Floats) -> list[tuple[Place, float]] | None:
    """Pools and the least of what their pieces cost beyond their prices.

    ``None``: some pool has several pieces, or a node that is not whole and is not paid.
    """
    pools = [data.problem.pools[at] for at in pieces.pool]
    if len(set(pieces.pool)) < len(pieces.pool) or any(pool.by_node and pool.nodes.partial for pool in pools):
        return None
    found = []
    for pool, gpus, price in zip(pools, pieces.gpus, prices, strict=True):
        taken = np.arange(pool.nodes.most(gpus) + 1)
        beyond = _payment(pool, Quantity(data.minimise), taken, gpus) - price * taken
        low = float(beyond.min())
        beyond -= low
        period = pool.nodes.size // gpus if pool.by_node else 1
        repeats = len(beyond) > period and np.ptp(beyond[period:] - beyond[:-period]) <= ROUNDING * price
        steady = repeats and abs(beyond[period] - beyond[0]) <= ROUNDING * price
        found.append((Place(beyond, period if steady else 0), low))
    return found


def allocated(pool: PoolData, taken: Counts, gpus: int) -> Floats:
    """GPUs of a pool that pieces of so many allocate: whole nodes, where these are taken."""
    nodes = np.ceil(taken / (pool.nodes.size // gpus))
    return pool.nodes.size * nodes if pool.by_node else gpus * taken.astype(float)


def _payment(pool: PoolData, minimise: Quantity, taken: Counts, gpus: int) -> Floats:
    """What pieces of a pool add to the objective."""
    number = allocated(pool, taken, gpus)
    if minimise is Quantity.COST:
        return np.asarray(pool.usd_per_gpu_hour * np.maximum(0.0, number - pool.owned_gpus))
    return number if minimise is Quantity.GPUS else np.asarray(pool.kw_per_gpu * number)


def packed(places: Sequence[Place], taken: Counts) -> Words:
    """What labels take, shape (labels, pools), in words: a whole period of pieces is none."""
    digits = digits_of(places)
    words = [np.zeros(len(taken), dtype=np.int64) for _ in range(digits[-1].word + 1)]
    for at, digit in enumerate(digits):
        number = taken[:, at] % digit.place.period if digit.place.period else taken[:, at]
        words[digit.word] |= number << digit.shift
    return words


def reduce(places: Sequence[Place], taken: Words) -> None:
    """Take periods off sums, in place."""
    for digit in digits_of(places):
        period = digit.place.period
        if period & (period - 1):
            taken[digit.word] -= np.where(digit.of(taken) >= period, period << digit.shift, 0)
        elif period:
            taken[digit.word] &= ~(period << digit.shift)


def missing(places: Sequence[Place], taken: Words) -> Words:
    """What labels leave up to the end of a period or of the capacity of each pool."""
    words = [np.zeros(len(taken[0]), dtype=np.int64) for _ in taken]
    for digit in digits_of(places):
        period, number = digit.place.period, digit.of(taken)
        words[digit.word] |= ((period - number) % period if period else digit.place.radix - 1 - number) << digit.shift
    return words


def unused(places: Sequence[Place], at: int, budget: float) -> tuple[Counts, Floats]:
    """Pieces of one pool left unused, up to the end of a period or of its capacity, shape (ways, pools), and cost."""
    left, cost = places[at].endings(budget)
    taken = np.zeros((len(left), len(places)), dtype=np.int64)
    taken[:, at] = left
    return taken, cost


def count_in_full(places: list[Place], taken: Counts) -> bool:
    """Whether pieces taken of each pool are more than some of them hold; all pieces of these count from now on.

    Periods know nothing of the capacity.
    """
    full = [at for at, place in enumerate(places) if taken[at] >= len(place.beyond)]
    for at in full:
        places[at] = Place(places[at].beyond, 0)
    return bool(full)


def each_way(ways: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All ways to go on, where each entry has so many: the entry of each, and the how manieth of it that is."""
    entry = np.repeat(np.arange(len(ways)), ways)
    return entry, np.arange(len(entry)) - np.repeat(np.cumsum(ways) - ways, ways)


def joined(parts: Sequence[Labels]) -> Labels:
    """Labels of several parts; the cheapest of equal ones."""
    if len(parts) == 1:
        return parts[0]
    words = [np.concatenate(each) for each in zip(*(part.taken for part in parts), strict=True)]
    cost, parent, row = (np.concatenate([getattr(part, name) for part in parts]) for name in ("cost", "parent", "row"))
    return cheapest_of_equal(Labels(words, cost, parent, row))


def cheapest_of_equal(labels: Labels) -> Labels:
    """The cheapest label of each kind."""
    if not len(labels.cost):
        return labels
    order, words = _sorted(labels.taken)
    new = is_new(words)
    kind, cost = np.cumsum(new) - 1, labels.cost[order]
    least = np.minimum.reduceat(cost, np.flatnonzero(new))
    cheapest = np.flatnonzero(cost == least[kind])
    return labels.at(order[cheapest[np.concatenate([[True], np.diff(kind[cheapest]) > 0])]])


def _sorted(words: Words) -> tuple[NDArray[np.intp], Words]:
    """Order of labels by what they take, and their words in it."""
    bits = len(words[0]).bit_length()
    if len(words) == 1 and not int(words[0].max()) >> (_SIGNED_BITS - bits):
        # To sort numbers that carry their position is several times faster than to sort positions.
        both = np.sort(words[0] << bits | np.arange(len(words[0])))
        return both & ((1 << bits) - 1), [both >> bits]
    order = np.lexsort(words) if len(words) > 1 else np.argsort(words[0])
    return order, [word[order] for word in words]


def is_new(keys: Words) -> NDArray[np.bool_]:
    """Of sorted entries those that differ from the one before."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return new
