"""All vectors of pieces that a workload can take of the pools within a price, none of which another one replaces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.columns import CacheForm, Column, cache_forms
from ieco_opt.fleet.patterns.covers import MOST_SETS, Covers, Shelf, combined
from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces
from ieco_opt.fleet.patterns.steps import (
    ENOUGH,
    Budget,
    Need,
    Steps,
    TooMany,
    least_rows,
    steps_by_size,
    steps_of_sets,
)
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.performance.serving import Phase

_MOST_STEPS = 1_000
"""So many sets of one pool, where each is compared with each."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of one workload.

    Attributes
    ----------
    taken
        Pieces; shape (vectors, pieces).
    counts
        Instances of each column of the problem that take them, by position, of each vector.
    disaggregated
        Whether each is of that mode.
    """

    taken: Counts
    counts: tuple[dict[int, int], ...]
    disaggregated: tuple[bool, ...]

    def at(self, kept: NDArray[np.bool_]) -> Vectors:
        """Some of them."""
        which = np.flatnonzero(kept).tolist()
        return Vectors(
            self.taken[kept], tuple(self.counts[at] for at in which), tuple(self.disaggregated[at] for at in which)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of one phase that may be used together, by pool."""

    columns: tuple[int, ...]
    by_pool: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Cheapest:
    """Covers of one phase, and what none is below: the least price, unless there are too many covers to find it."""

    bound: float
    covers: Covers


@dataclass(slots=True)
class Enumeration:
    """Vectors of one workload at any prices; what does not depend on prices is kept."""

    problem: FleetProblem
    pieces: Pieces
    workload: int
    choices: list[tuple[bool, list[Group]]] = field(init=False)
    _shelves: dict[tuple[int, ...], Shelf] = field(default_factory=dict)
    _copies_of: dict[tuple[int, ...], Floats] = field(default_factory=dict)
    _plain_steps: dict[tuple[int, tuple[int, ...]], Steps] = field(default_factory=dict)
    _cheapest_at: bytes = b""
    _cheapest_of: dict[tuple[int, ...], _Cheapest | None] = field(default_factory=dict)
    _times_rate: dict[tuple[int, ...], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.choices = list(_choices(self.problem, self.workload))

    @property
    def need(self) -> Need:
        """What each phase must come to beside the demand."""
        demand = self.problem.workloads[self.workload]
        return Need(demand.min_instances, demand.max_instances)

    def least(self, prices: Floats) -> tuple[float, Vectors]:
        """What no vector is below, and a vector: the cheapest one has that price, unless there are too many covers.

        Raises
        ------
        TooMany
            No vector was found among so many.
        """
        bound, best, found = math.inf, math.inf, None
        for disaggregated, groups in self.choices:
            cheapest = [self._cheapest(group, prices) for group in groups]
            known = [each for each in cheapest if each is not None]
            if len(known) < len(groups):
                continue
            bound = min(bound, sum(each.bound for each in known))
            covers = [each.covers for each in known]
            price = sum(float(each.price.min()) for each in covers)
            if price < best:
                best = price
                found = disaggregated, [(each, np.array([int(each.price.argmin())])) for each in covers]
        return bound, _vectors(self.pieces, [] if found is None else [found])

    def within(self, prices: Floats, limit: float) -> Vectors:
        """All vectors whose price is at most ``limit``, but for those that another one replaces.

        Raises
        ------
        TooMany
            There are more than can be told apart.
        """
        parts = []
        for disaggregated, groups in self.choices:
            found = [self._cheapest(group, prices) for group in groups]
            if any(each is None for each in found):
                continue
            cheapest = [each.bound for each in found if each is not None]
            spare = limit - sum(cheapest)
            if not spare >= 0.0:
                continue
            covers = [self._covers(group, prices, price + spare) for group, price in zip(groups, cheapest, strict=True)]
            parts.append((disaggregated, _paired(covers, limit)))
        return _vectors(self.pieces, parts)

    def _cheapest(self, group: Group, prices: Floats) -> _Cheapest | None:
        """The cheapest cover of one phase; ``None`` where there is none."""
        if self._cheapest_at != (known := prices.tobytes()):
            self._cheapest_at = known
            self._cheapest_of.clear()
        if group.columns not in self._cheapest_of:
            self._cheapest_of[group.columns] = self._found_cheapest(group, prices)
        return self._cheapest_of[group.columns]

    def _found_cheapest(self, group: Group, prices: Floats) -> _Cheapest | None:
        """The limit rises from what no cover is below, or from where the cheapest was at the prices before.

        Where there are too many covers, what none is below is the bound.
        """
        most, rate = self._enough_for_any(group, prices), self._rate(group, prices)
        if not math.isfinite(rate):
            return None
        limit = min(most, self._times_rate.get(group.columns, 1.01) * rate)
        while True:
            try:
                covers = self._covers(group, prices, limit, cheapest=True)
            except TooMany:
                covers = self._covers(group, prices, most, cheapest=True, beam=True)
                if not len(covers.price):
                    raise
                return _Cheapest(rate, covers)
            if len(covers.price):
                least = float(covers.price.min())
                self._times_rate[group.columns] = 1.001 * least / rate if rate else 1.01
                return _Cheapest(least, covers)
            if limit >= most:
                return None
            limit = min(most, 1.5 * limit - 0.5 * rate) if limit > rate else most

    def _enough_for_any(self, group: Group, prices: Floats) -> float:
        """Price that the cheapest cover does not exceed: of copies of one column, or of all that can be of use."""
        price = self.pieces.of_column[list(group.columns)] @ prices
        copies = self._copies(group)
        fits = np.isfinite(copies)
        if fits.any():
            return float((price[fits] * copies[fits]).min())
        return float(price @ [self.problem.most[at] for at in group.columns])

    def _copies(self, group: Group) -> Floats:
        """Copies of each column that make a cover; inf where they do not fit."""
        if group.columns not in self._copies_of:
            need, copies = self.need, []
            for at in group.columns:
                count = max(need.least, math.ceil(ENOUGH / self._share(at)))
                fits = count <= self.problem.most[at] and (need.most is None or count <= need.most)
                copies.append(float(count) if fits else math.inf)
            self._copies_of[group.columns] = np.array(copies)
        return self._copies_of[group.columns]

    def _share(self, column: int) -> float:
        return self.problem.columns[column].requests_per_s[0] / self.problem.workloads[self.workload].requests_per_s[0]

    def _covers(
        self, group: Group, prices: Floats, limit: float, *, cheapest: bool = False, beam: bool = False
    ) -> Covers:
        """Covers of one phase within a price, or of these the cheapest alone."""
        limit += 1e-9 * max(1.0, abs(limit))
        shelf = self._shelf(group, prices, limit)
        cost = shelf.cost(prices)
        rest = shelf.rest(cost, range(len(shelf.steps)))
        within = cost + rest.at(1.0 - shelf.covered) <= limit
        return combined(shelf, cost, within, limit, self.need, cheapest=cheapest, beam=beam)

    def _rate(self, group: Group, prices: Floats) -> float:
        """No cover costs less: of parts of sets, or at the rate of the best column; inf where nothing covers."""
        if self._is_plain(group):
            shelf = self._shelf(group, prices, math.inf)
            return float(shelf.rest(shelf.cost(prices), range(len(shelf.steps))).at(np.ones(1))[0])
        return self._rate_of_columns(group, prices)

    def _rate_of_columns(self, group: Group, prices: Floats) -> float:
        shares = np.minimum(1.0, [self._share(at) for at in group.columns])
        return float(np.min(self.pieces.of_column[list(group.columns)] @ prices / shares))

    def _shelf(self, group: Group, prices: Floats, limit: float) -> Shelf:
        """Steps of all pools of a group."""
        if group.columns in self._shelves:
            return self._shelves[group.columns]
        rate = 0.0
        if not self._is_plain(group):
            rate = self._rate_of_columns(group, prices)
        shelf = Shelf.of(
            [self._steps(*each, prices, limit, rate) for each in group.by_pool],
            [self.pieces.of_pool(pool) for pool, _ in group.by_pool],
        )
        if self._is_plain(group):
            self._shelves[group.columns] = shelf
        return shelf

    def _is_plain(self, group: Group) -> bool:
        """Whether the steps of a group are the same at any price: no pool has several pieces, nothing is counted."""
        return not self.need.is_counted and all(len(self.pieces.of_pool(pool)) == 1 for pool, _ in group.by_pool)

    def _steps(self, pool: int, columns: tuple[int, ...], prices: Floats, limit: float, rate: float) -> Steps:
        mine = self.pieces.of_pool(pool)
        taken = self.pieces.of_column[np.ix_(columns, mine)]
        share = np.array([self._share(at) for at in columns])
        if len(mine) == 1 and not self.need.is_counted:
            if (pool, columns) not in self._plain_steps:
                most = self.problem.pools[pool].capacity_gpus // self.pieces.gpus[mine[0]]
                self._plain_steps[pool, columns] = steps_by_size(columns, share, taken[:, 0], most)
            return self._plain_steps[pool, columns]
        budget = Budget(prices[mine], limit, rate, _MOST_STEPS)
        most_of = [self.problem.most[at] for at in columns]
        return steps_of_sets(columns, share, taken, most_of, self.need, budget)


def _choices(problem: FleetProblem, workload: int) -> list[tuple[bool, list[Group]]]:
    """Columns of each phase that may be used together, and whether that is prefill apart from decode.

    Apart, all exchange caches in one form, and no transfer takes longer than the least room that a prefill column has.
    """
    columns, found = problem.columns, []
    modes = problem.workloads[workload].modes
    if "colocated" in modes:
        found.append((False, [_group(problem, problem.columns_of(workload, Phase.COLOCATED))]))
    if "disaggregated" not in modes:
        return found
    prefill, decode = (problem.columns_of(workload, phase) for phase in (Phase.PREFILL, Phase.DECODE))
    forms: list[CacheForm | None] = [*cache_forms(columns[at] for at in (*prefill, *decode))] or [None]
    seen = set()
    for form in forms:
        senders, receivers = ([at for at in phase if _may(columns[at], form)] for phase in (prefill, decode))
        late = any(columns[j].transfer_s > columns[i].room_s for i in senders for j in receivers)
        for room in sorted({columns[at].room_s for at in senders}) if late else [(-math.inf,)]:
            sides = (
                tuple(at for at in senders if columns[at].room_s >= room),
                tuple(at for at in receivers if not late or columns[at].transfer_s <= room),
            )
            if all(sides) and sides not in seen:
                seen.add(sides)
                found.append((True, [_group(problem, each) for each in sides]))
    return found


def _may(column: Column, form: CacheForm | None) -> bool:
    return column.cache_form in (None, form)


def _group(problem: FleetProblem, columns: Sequence[int]) -> Group:
    pools = sorted({problem.columns[at].pool for at in columns})
    return Group(
        tuple(columns), tuple((pool, tuple(at for at in columns if problem.columns[at].pool == pool)) for pool in pools)
    )


_Pairs = list[tuple[Covers, NDArray[np.intp]]]


def _paired(covers: Sequence[Covers], limit: float) -> _Pairs:
    """Covers of each phase put together within a price: of each phase which cover."""
    if len(covers) == 1:
        return [(covers[0], np.arange(len(covers[0].price)))]
    first, second = covers
    if len(first.price) * len(second.price) > 50 * MOST_SETS:
        raise TooMany
    one, other = np.nonzero(first.price[:, None] + second.price[None] <= limit + 1e-9 * max(1.0, abs(limit)))
    if len(one) > MOST_SETS:
        raise TooMany
    return [(first, one), (second, other)]


def _vectors(pieces: Pieces, parts: Sequence[tuple[bool, _Pairs]]) -> Vectors:
    """Vectors of covers of each choice, without those that another one replaces."""
    taken = [np.sum([_taken(pieces, *each) for each in pairs], axis=0) for _, pairs in parts]
    if not taken:
        return Vectors(np.zeros((0, len(pieces.gpus)), dtype=np.int64), (), ())
    together = np.concatenate(taken)
    choice = np.repeat(np.arange(len(parts)), [len(each) for each in taken])
    within = np.concatenate([np.arange(len(each)) for each in taken])
    kept = least_rows(together.astype(float))
    counts, apart = [], []
    for at in kept:
        disaggregated, pairs = parts[choice[at]]
        found: dict[int, int] = {}
        for covers, rows in pairs:
            for step, row in zip(covers.steps, covers.rows[rows[within[at]]], strict=True):
                found |= {
                    column: int(count) for column, count in zip(step.columns, step.counts[row], strict=True) if count
                }
        counts.append(found)
        apart.append(disaggregated)
    return Vectors(together[kept], tuple(counts), tuple(apart))


def _taken(pieces: Pieces, covers: Covers, rows: NDArray[np.intp]) -> Counts:
    """Pieces of all pools that some covers take."""
    found = np.zeros((len(rows), len(pieces.gpus)), dtype=np.int64)
    for at, step in enumerate(covers.steps):
        counts = step.counts[covers.rows[rows, at]]
        found += counts @ pieces.of_column[list(step.columns)]
    return found
