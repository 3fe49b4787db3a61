"""The choice of one vector a workload with the fewest GPUs or instances, by labels within what plans may cost.

Where the least cost is known, few choices come to it: their labels (docs/proof.md) are told apart by the GPUs that are
allocated and the instances too, and of those that take the same, none stays that another one replaces in all of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.enumeration import Vectors
from ieco_opt.fleet.patterns.labels import (
    ROUNDING,
    Place,
    Words,
    allocated,
    count_in_full,
    digits_of,
    each_way,
    is_new,
    missing,
    packed,
    places_of,
    reduce,
    unused,
)
from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces
from ieco_opt.fleet.patterns.priced import Priced
from ieco_opt.fleet.patterns.steps import TooMany
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import PoolData

_MOST_PAIRS = 3_000_000
"""Labels and vectors that are put together."""

_UNLIKE = 1e-6
"""Share of the bound by which that of the labels may be below it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a choice may come to: of the objective at the prices, of GPUs and of instances; inf: that does not count."""

    cost: float
    gpus: float
    instances: float


@dataclass(frozen=True, slots=True)
class _Step:
    """Ways to go on, the cheapest first: what they take, and what that costs and counts.

    ``workload`` is ``None`` where pieces are left unused.
    """

    workload: int | None
    taken: Counts
    cost: Floats
    gpus: Counts
    instances: Counts
    order: NDArray[np.intp]

    @classmethod
    def of(cls, workload: int | None, taken: Counts, cost: Floats, gpus: Counts, instances: Counts) -> _Step:
        """Sort them."""
        order = np.argsort(cost, kind="stable")
        return cls(workload, taken[order], cost[order], gpus[order], instances[order], order)


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels after some steps: what they take, cost and count, and the label and the row that they came from."""

    taken: Words
    cost: Floats
    gpus: Counts
    instances: Counts
    parent: NDArray[np.intp]
    row: NDArray[np.intp]

    def at(self, kept: NDArray[np.intp] | NDArray[np.bool_]) -> _Labels:
        """Some of them."""
        words = [each[kept] for each in self.taken]
        return _Labels(words, self.cost[kept], self.gpus[kept], self.instances[kept], self.parent[kept], self.row[kept])


@dataclass(slots=True)
class _End:
    """Labels from one end, the steps that were taken with the labels after each, and the least that these count."""

    labels: _Labels
    before: list[tuple[_Step, _Labels]]
    gpus: int = 0
    instances: int = 0

    def trace(self, at: int, rows: list[int]) -> None:
        """Write down which row of each workload's vectors a label came from."""
        for step, labels in reversed(self.before):
            if step.workload is not None:
                rows[step.workload] = int(step.order[labels.row[at]])
            at = int(labels.parent[at])


def fewest_choice(
    data: FleetProgramData,
    pieces: Pieces,
    priced: Priced,
    vectors: Mapping[int, Vectors],
    counted: Quantity,
    limits: Limits,
    ask: Callable[[str], None],
) -> tuple[int, dict[int, int]] | None:
    """The fewest of what is counted within limits, and rows of vectors that have that; ``None``: none keep to them.

    Limits beside these and the capacity of the pools were not looked at.

    Parameters
    ----------
    data
        The program that the prices are of: it minimises what ``limits.cost`` is a limit of.
    vectors
        Of each workload all that may be within the limits.

    Raises
    ------
    TooMany
        There are too many labels, or pools that labels do not tell apart.
    """
    found = places_of(data, pieces, priced.prices)
    base = math.inf if found is None else math.fsum(priced.least) + math.fsum(low for _, low in found)
    scale = max(1.0, abs(base))
    if found is None or base < priced.bound - _UNLIKE * scale:
        # In the second case a limit that labels do not look at has a price.
        raise TooMany
    places = [
        # Of pieces that do not fill a node no number comes to the GPUs of nodes.
        place if _fill(data.problem.pools[pool], gpus) else Place(place.beyond, 0)
        for (place, _), pool, gpus in zip(found, pieces.pool, pieces.gpus, strict=True)
    ]
    # Where the bound is beyond the limit by a rounding, what costs nothing beyond it is within.
    spare = replace(limits, cost=max(0.0, limits.cost - base) + ROUNDING * scale)
    while True:
        search = _Search(data, pieces, places, counted, spare, ask)
        fewest = search.fewest(_steps(pieces, priced, vectors, places))
        if fewest is None:
            return None
        rows = fewest[1]
        taken = np.sum([vectors[at].taken[row] for at, row in rows.items()], axis=0)
        if not count_in_full(places, taken):
            return fewest


def _fill(pool: PoolData, gpus: int) -> bool:
    """Whether pieces fill the nodes of a pool, where whole nodes are allocated."""
    return not pool.by_node or pool.nodes.size % gpus == 0


def _steps(pieces: Pieces, priced: Priced, vectors: Mapping[int, Vectors], places: Sequence[Place]) -> list[_Step]:
    """What each workload may take: GPUs of pools with periods are those of the pieces, of others come at the end."""
    size = np.array([gpus if place.period else 0 for place, gpus in zip(places, pieces.gpus, strict=True)])
    steps = []
    for at, each in vectors.items():
        # What is below the least by rounding costs nothing.
        cost = np.maximum(0.0, each.taken @ priced.prices - priced.least[at])
        steps.append(_Step.of(at, each.taken, cost, each.taken @ size, each.counts.sum(axis=1)))
    return steps


@dataclass(slots=True)
class _Search:
    """Labels from both ends of the workloads; what is left unused of the pools comes last."""

    data: FleetProgramData
    pieces: Pieces
    places: Sequence[Place]
    counted: Quantity
    limits: Limits
    ask: Callable[[str], None]
    _pairs: int = 0

    def fewest(self, steps: Sequence[_Step]) -> tuple[int, dict[int, int]] | None:
        """The fewest, and rows of the steps that have them; ``None``: none are within the limits."""
        if not all(len(step.cost) for step in steps):
            return None
        order = sorted(steps, key=lambda each: len(each.cost))
        steps = [*order, *(self._ending_of(at) for at in range(len(self.places)))]
        ends = (_End(self._nothing(), []), _End(self._nothing(), []))
        rest = sum(int(step.gpus.min()) for step in steps), sum(int(step.instances.min()) for step in steps)
        for step in steps:
            end = min(ends, key=lambda each: len(each.labels.cost))
            end.gpus, end.instances = end.gpus + int(step.gpus.min()), end.instances + int(step.instances.min())
            end.labels = self._grown(end.labels, step, rest[0] - end.gpus, rest[1] - end.instances)
            end.before.append((step, end.labels))
            if not len(end.labels.cost):
                return None
        pair = self._matched(ends[0].labels, ends[1].labels)
        if pair is None:
            return None
        rows = [0] * len(order)
        for end, at in zip(ends, pair, strict=True):
            end.trace(at, rows)
        of_ends = [
            (each.labels.gpus if self.counted is Quantity.GPUS else each.labels.instances)[at]
            for each, at in zip(ends, pair, strict=True)
        ]
        return int(sum(of_ends)), dict(enumerate(rows))

    def _ending_of(self, at: int) -> _Step:
        """Pieces of a pool left unused, up to the end of a period or of its capacity."""
        place, gpus = self.places[at], self.pieces.gpus[at]
        taken, cost = unused(self.places, at, self.limits.cost)
        left = taken[:, at]
        pool = self.data.problem.pools[self.pieces.pool[at]]
        counted = gpus * left if place.period else allocated(pool, len(place.beyond) - 1 - left, gpus)
        return _Step.of(None, taken, cost, counted.astype(np.int64), np.zeros(len(left), dtype=np.int64))

    def _nothing(self) -> _Labels:
        none = np.zeros(1, dtype=np.int64)
        words = packed(self.places, np.zeros((1, len(self.places)), dtype=np.int64))
        return _Labels(words, np.zeros(1), none, none, none, none)

    def _grown(self, labels: _Labels, step: _Step, gpus: int, instances: int) -> _Labels:
        """Each label with each way to go on within the limits, where other steps count so many at the least."""
        self.ask("choosing what workloads take of the pools")
        radix = [place.radix if not place.period else np.iinfo(np.int64).max for place in self.places]
        usable = np.flatnonzero((step.taken < radix).all(axis=1))
        ways = np.searchsorted(step.cost[usable], self.limits.cost - labels.cost, side="right")
        self._pairs += int(ways.sum())
        if self._pairs > _MOST_PAIRS:
            raise TooMany
        parent, way = each_way(ways)
        row = usable[way]
        sums = labels.gpus[parent] + step.gpus[row], labels.instances[parent] + step.instances[row]
        kept = (sums[0] + gpus <= self.limits.gpus) & (sums[1] + instances <= self.limits.instances)
        parent, row, sums = parent[kept], row[kept], (sums[0][kept], sums[1][kept])
        ahead = packed(self.places, step.taken)
        taken = [mine[parent] + more[row] for mine, more in zip(labels.taken, ahead, strict=True)]
        reduce(self.places, taken)
        grown = _Labels(taken, labels.cost[parent] + step.cost[row], *sums, parent, row)
        fits = [digit.of(taken) < digit.place.radix for digit in digits_of(self.places)]
        return self._not_replaced(grown.at(np.logical_and.reduce(fits)))

    def _not_replaced(self, labels: _Labels) -> _Labels:
        """Labels without those that another one replaces, which takes the same and is as good in all that counts.

        Where both numbers count, some stay of which both are greater.
        """
        gpus = self.counted is Quantity.GPUS or math.isfinite(self.limits.gpus)
        instances = self.counted is Quantity.INSTANCES or math.isfinite(self.limits.instances)
        if not instances:
            return labels.at(_lowest(labels.taken, labels.cost, labels.gpus))
        if not gpus:
            return labels.at(_lowest(labels.taken, labels.cost, labels.instances))
        labels = labels.at(_lowest([*labels.taken, labels.instances], labels.cost, labels.gpus))
        return labels.at(_lowest([*labels.taken, labels.gpus], labels.cost, labels.instances))

    def _matched(self, one: _Labels, other: _Labels) -> tuple[int, int] | None:
        """The pair with the fewest of labels that together end a period or the capacity of each pool."""
        words = [np.concatenate(each) for each in zip(one.taken, missing(self.places, other.taken), strict=True)]
        order = np.lexsort(words)
        kind = np.empty(len(order), dtype=np.int64)
        kind[order] = np.cumsum(is_new([word[order] for word in words])) - 1
        mine, theirs = kind[: len(one.cost)], kind[len(one.cost) :]
        second = np.argsort(theirs, kind="stable")
        begin, end = (np.searchsorted(theirs[second], mine, side=side) for side in ("left", "right"))
        ways = end - begin
        if int(ways.sum()) > _MOST_PAIRS:
            raise TooMany
        first, way = each_way(ways)
        last = second[begin[first] + way]
        cost, gpus = one.cost[first] + other.cost[last], one.gpus[first] + other.gpus[last]
        instances = one.instances[first] + other.instances[last]
        limits = self.limits
        within = (cost <= limits.cost) & (gpus <= limits.gpus) & (instances <= limits.instances)
        if not within.any():
            return None
        number = np.where(within, gpus if self.counted is Quantity.GPUS else instances, np.iinfo(np.int64).max)
        best = int(np.lexsort((cost, number))[0])
        return int(first[best]), int(last[best])


def _lowest(keys: Words, cost: Floats, number: Counts) -> NDArray[np.intp]:
    """Of entries with equal keys those that have fewer than all that cost no more."""
    order = np.lexsort((number, cost, *keys))
    kind = np.cumsum(is_new([key[order] for key in keys])) - 1
    # Numbers of each kind are below those of the kinds before, so that their least is the least of that kind.
    below = number[order] - kind * (int(number.max(initial=0)) + 1)
    before = np.concatenate([[np.iinfo(np.int64).max], np.minimum.accumulate(below)[:-1]])
    return order[below < before]
