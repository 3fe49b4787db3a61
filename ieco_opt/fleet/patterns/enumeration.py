"""All vectors of pieces that a workload can take of the pools within a price, none of which another one replaces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.counted import steps_of_counted
from ieco_opt.fleet.patterns.covers import Covers, PricedShelf, Rest, Shelf, combined, fractions_of
from ieco_opt.fleet.patterns.groups import Group, choices_of
from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces
from ieco_opt.fleet.patterns.steps import (
    ENOUGH,
    Budget,
    Need,
    Steps,
    TooMany,
    beyond,
    least_rows,
    steps_by_size,
    steps_of_sets,
)
from ieco_opt.fleet.space import FleetProblem

_FURTHER = 3.0
"""Steps are listed so many times further beyond the cheapest cover than they are asked for."""

_MOST_PAIRED = 50_000
"""So many covers of both phases together are compared with each other."""

_MOST_COUNTED = 64
"""Up to so many instances of a pool are counted for all prices at once."""

_BEYOND_RATE = 1.05
"""The cheapest cover is looked for at first within so many times the price that none is below."""

_FARTHER = 3.0
"""Where there is none, it is looked for within so many times as much beyond that price."""

_MOST_STEPS = 1_000
"""So many sets of one pool, where each is compared with each."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of one workload.

    Attributes
    ----------
    columns
        Positions of the workload's columns in the problem.
    taken
        Pieces; shape (vectors, pieces).
    counts
        Instances of each column that take them; shape (vectors, columns).
    disaggregated
        Whether each is of that mode; shape (vectors,).
    """

    columns: tuple[int, ...]
    taken: Counts
    counts: Counts
    disaggregated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.taken)

    def at(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Vectors:
        """Some of them."""
        return Vectors(self.columns, self.taken[kept], self.counts[kept], self.disaggregated[kept])

    def instances(self, vector: int) -> dict[int, int]:
        """Instances of the columns that one of them uses, by position in the problem."""
        used = np.flatnonzero(self.counts[vector])
        return {self.columns[at]: int(self.counts[vector, at]) for at in used.tolist()}


@dataclass(frozen=True, slots=True)
class _Cheapest:
    """Covers of one phase, and what none is below: the least price, unless there are too many covers to find it."""

    bound: float
    covers: Covers


@dataclass(slots=True)
class Enumeration:
    """Vectors of one workload at any prices; what does not depend on prices is kept.

    With ``most_in_all`` a vector has as many instances at the most, and only one that has as few replaces another; what
    the cheapest covers cost at the least is then asked of ``any_number``, which does not count them. ``need`` is what
    each phase must come to beside the demand.
    """

    problem: FleetProblem
    pieces: Pieces
    workload: int
    most_in_all: int | None = None
    any_number: Enumeration | None = None
    choices: list[tuple[bool, list[Group]]] = field(init=False)
    need: Need = field(init=False)
    _of_pool: list[list[int]] = field(init=False)
    _is_plain: list[bool] = field(init=False)
    _columns: tuple[int, ...] = ()
    _shelves: dict[tuple[int, ...], Shelf] = field(default_factory=dict)
    _priced: dict[tuple[int, ...], PricedShelf] = field(default_factory=dict)
    _limited: dict[tuple[int, ...], tuple[float, PricedShelf]] = field(default_factory=dict)
    _copies_of: dict[tuple[int, ...], Floats] = field(default_factory=dict)
    _plain_steps: dict[tuple[int, tuple[int, ...]], Steps] = field(default_factory=dict)
    _asked_at: bytes = b""
    _cheapest_of: dict[tuple[int, ...], _Cheapest | None] = field(default_factory=dict)
    _per_share: dict[tuple[int, ...], Floats] = field(default_factory=dict)
    _were_cheapest: dict[tuple[int, ...], Counts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.choices = choices_of(self.problem, self.workload)
        demand = self.problem.workloads[self.workload]
        limits = [each for each in (demand.max_instances, self.most_in_all) if each is not None]
        self.need = Need(demand.min_instances, min(limits, default=None))
        self._of_pool = [self.pieces.of_pool(pool) for pool in range(len(self.problem.pools))]
        counted = self.need.least if self.need.most is None else self.need.most
        self._is_plain = [len(mine) == 1 and counted <= _MOST_COUNTED for mine in self._of_pool]
        self._columns = tuple(sorted({at for _, groups in self.choices for group in groups for at in group.columns}))

    def least(self, prices: Floats) -> tuple[float, Vectors]:
        """What no vector is below, and a vector: the cheapest one has that price, unless there are too many covers.

        Raises
        ------
        TooMany
            No vector was found among so many.
        """
        bound, best, found = math.inf, math.inf, None
        rates = [self._rate_of_columns_of(groups, prices) for _, groups in self.choices]
        for at in np.argsort(rates, kind="stable").tolist():
            if rates[at] > best:
                break
            disaggregated, groups = self.choices[at]
            if sum(self._rate(group, prices) for group in groups) > beyond(best, best):
                continue
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
        return bound, self._vectors([] if found is None else [found])

    def within(self, prices: Floats, limit: float) -> Vectors:
        """All vectors whose price is at most ``limit``, but for those that another one replaces.

        Raises
        ------
        TooMany
            There are more than can be told apart.
        """
        self._ask_at(prices)
        parts = []
        for disaggregated, groups in self.choices:
            if self._rate_of_columns_of(groups, prices) > beyond(limit, limit):
                continue
            found = [(self.any_number or self)._cheapest(group, prices) for group in groups]
            if any(each is None for each in found):
                continue
            cheapest = [each.bound for each in found if each is not None]
            spare = limit - sum(cheapest)
            if not spare >= 0.0:
                continue
            covers = [self._covers(group, prices, price + spare) for group, price in zip(groups, cheapest, strict=True)]
            if len(covers) > 1:
                covers = [self._not_replaced(each) for each in covers]
            parts.append((disaggregated, _paired(covers, limit)))
        return self._vectors(parts)

    def _cheapest(self, group: Group, prices: Floats) -> _Cheapest | None:
        """The cheapest cover of one phase; ``None`` where there is none."""
        self._ask_at(prices)
        if group.columns not in self._cheapest_of:
            self._cheapest_of[group.columns] = self._found_cheapest(group, prices)
        return self._cheapest_of[group.columns]

    def _ask_at(self, prices: Floats) -> None:
        """Forget what depends on other prices."""
        if self._asked_at != (asked := prices.tobytes()):
            self._asked_at = asked
            self._cheapest_of.clear()
            self._priced.clear()
            self._limited.clear()

    def _found_cheapest(self, group: Group, prices: Floats) -> _Cheapest | None:
        """Within the price of the covers that were the cheapest at other prices, or the limit rises from the rate.

        Where there are too many covers, what none is below is the bound.
        """
        most, rate = self._enough_for_any(group, prices), self._rate(group, prices)
        if not math.isfinite(rate):
            return None
        before = self._were_cheapest.get(group.columns)
        limit = min(most, _BEYOND_RATE * rate if before is None else float((before @ prices).min()))
        while True:
            try:
                covers = self._covers(group, prices, limit, cheapest=True)
            except TooMany:
                covers = self._covers(group, prices, most, cheapest=True, beam=True)
                if not len(covers.price):
                    raise
                return _Cheapest(rate, covers)
            if len(covers.price):
                cheapest = int(covers.price.argmin())
                self._keep_cheapest(group, covers.taken(cheapest))
                return _Cheapest(float(covers.price[cheapest]), covers)
            if limit >= most:
                return None
            limit = min(most, rate + _FARTHER * (limit - rate)) if limit > rate else most

    def _keep_cheapest(self, group: Group, taken: Sequence[Counts]) -> None:
        """Keep what a cover takes: at other prices the cheapest cover costs no more."""
        row = np.zeros((1, len(self.pieces.gpus)), dtype=np.int64)
        for (pool, _), mine in zip(group.by_pool, taken, strict=True):
            row[0, self._of_pool[pool]] = mine
        before = self._were_cheapest.get(group.columns)
        if before is None or not (before == row).all(axis=1).any():
            self._were_cheapest[group.columns] = row if before is None else np.concatenate([before, row])

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
        limit = beyond(limit, limit)
        shelf = self._shelf(group, prices, limit)
        within = shelf.cost + shelf.rest_of_all.at(1.0 - shelf.shelf.covered) <= limit
        return combined(shelf, within, limit, self.need, cheapest=cheapest, beam=beam)

    def _not_replaced(self, covers: Covers) -> Covers:
        """Covers of one phase without those that another one replaces, whatever the other phase takes."""
        if not self.need.is_counted and all(step.taken.shape[1] == 1 for step in covers.steps):
            # Then there are none.
            return covers
        sets = list(zip(covers.steps, covers.rows.T, strict=True))
        criteria = [step.taken[rows] for step, rows in sets]
        if self.most_in_all is not None:
            criteria.append(sum(step.running[rows] for step, rows in sets)[:, None])
        return covers.at(least_rows(np.concatenate(criteria, axis=1)))

    def _rate(self, group: Group, prices: Floats) -> float:
        """No cover costs less: of parts of sets, and of pools with several pieces of their best column; inf: none."""
        if self._has_plain_steps(group):
            return float(self._shelf(group, prices, math.inf).rest_of_all.at(np.ones(1))[0])
        parts = [self._parts_of(*each, prices) for each in group.by_pool]
        return float(Rest.of(parts).at(np.ones(1))[0])

    def _parts_of(self, pool: int, columns: tuple[int, ...], prices: Floats) -> tuple[Floats, Floats]:
        """Shares of the demand that sets of one pool cover in parts, and what each costs a share at the least."""
        mine = self._of_pool[pool]
        if self._is_plain[pool]:
            steps = self._steps(pool, columns, prices, math.inf, 0.0)
            return fractions_of(steps, steps.taken @ prices[mine])
        return np.ones(1), np.array([self._rate_of_columns(Group(columns, ((pool, columns),)), prices)])

    def _rate_of_columns_of(self, groups: Sequence[Group], prices: Floats) -> float:
        """No covers of all phases cost less, at the rate of the best column of each: quick to ask of many choices."""
        return sum(self._rate_of_columns(group, prices) for group in groups)

    def _rate_of_columns(self, group: Group, prices: Floats) -> float:
        if group.columns not in self._per_share:
            shares = np.minimum(1.0, [self._share(at) for at in group.columns])
            self._per_share[group.columns] = self.pieces.of_column[list(group.columns)] / shares[:, None]
        return float(np.min(self._per_share[group.columns] @ prices, initial=math.inf))

    def _shelf(self, group: Group, prices: Floats, limit: float) -> PricedShelf:
        """Steps of all pools of a group, kept as long as the prices: all, or at the least those within a limit."""
        if group.columns in self._priced:
            return self._priced[group.columns]
        if not self._has_plain_steps(group):
            known = self._limited.get(group.columns)
            if known is None or known[0] < limit:
                known = self._limited[group.columns] = self._steps_beyond(group, prices, limit)
            return known[1]
        if group.columns not in self._shelves:
            self._shelves[group.columns] = self._steps_of(group, prices, limit, 0.0)
        self._priced[group.columns] = self._shelves[group.columns].at(prices)
        return self._priced[group.columns]

    def _steps_beyond(self, group: Group, prices: Floats, limit: float) -> tuple[float, PricedShelf]:
        """Steps within a limit, or a wider one where the cheapest cover is known: listings ask for more and more."""
        rate, cheapest = self._rate_of_columns(group, prices), self._cheapest_of.get(group.columns)
        if cheapest is not None:
            wider = limit + _FURTHER * (limit - cheapest.bound)
            try:
                return wider, self._steps_of(group, prices, wider, rate).at(prices)
            except TooMany:
                pass
        return limit, self._steps_of(group, prices, limit, rate).at(prices)

    def _steps_of(self, group: Group, prices: Floats, limit: float, rate: float) -> Shelf:
        return Shelf.of(
            [self._steps(*each, prices, limit, rate) for each in group.by_pool],
            [self._of_pool[pool] for pool, _ in group.by_pool],
        )

    def _has_plain_steps(self, group: Group) -> bool:
        """Whether the steps of a group are listed for any price: no pool has several pieces, few are counted."""
        return self.any_number is None and all(self._is_plain[pool] for pool, _ in group.by_pool)

    def _steps(self, pool: int, columns: tuple[int, ...], prices: Floats, limit: float, rate: float) -> Steps:
        mine = self._of_pool[pool]
        taken = self.pieces.of_column[np.ix_(columns, mine)]
        share = np.array([self._share(at) for at in columns])
        if self._is_plain[pool]:
            most = self.problem.pools[pool].capacity_gpus // self.pieces.gpus[mine[0]]
            if self.any_number is not None:
                affordable = limit // prices[mine[0]] if prices[mine[0]] > 0.0 else math.inf
                return steps_of_counted(columns, share, taken[:, 0], int(min(most, affordable)), self.need)
            if (pool, columns) not in self._plain_steps:
                if self.need.is_counted:
                    steps = steps_of_counted(columns, share, taken[:, 0], most, self.need)
                else:
                    steps = steps_by_size(columns, share, taken[:, 0], most)
                self._plain_steps[pool, columns] = steps
            return self._plain_steps[pool, columns]
        budget = Budget(prices[mine], limit, rate, _MOST_STEPS)
        most_of = [self.problem.most[at] for at in columns]
        return steps_of_sets(columns, share, taken, most_of, self.need, budget)

    def _vectors(self, parts: Sequence[tuple[bool, _Pairs]]) -> Vectors:
        """Vectors of covers of each choice, without those that another one replaces."""
        made = [self._made(*part) for part in parts]
        found = Vectors(
            self._columns,
            np.concatenate([np.zeros((0, len(self.pieces.gpus)), dtype=np.int64), *(each.taken for each in made)]),
            np.concatenate([np.zeros((0, len(self._columns)), dtype=np.int64), *(each.counts for each in made)]),
            np.concatenate([np.zeros(0, dtype=bool), *(each.disaggregated for each in made)]),
        )
        steps = [step for _, pairs in parts for covers, _ in pairs for step in covers.steps]
        of_one_phase = len(parts) == 1 and len(parts[0][1]) == 1
        if of_one_phase and not self.need.is_counted and all(step.taken.shape[1] == 1 for step in steps):
            # Covers of one phase are different, and where each pool has one piece none does with fewer.
            return found
        if self.most_in_all is None:
            return found.at(least_rows(found.taken))
        running = found.counts.sum(axis=1)
        found = found.at(running <= self.most_in_all)
        return found.at(least_rows(np.column_stack([found.taken, found.counts.sum(axis=1)])))

    def _made(self, disaggregated: bool, pairs: _Pairs) -> Vectors:
        """Vectors of covers of each phase, as they are paired."""
        number = len(pairs[0][1])
        counts = np.zeros((number, len(self._columns)), dtype=np.int64)
        for covers, rows in pairs:
            for at, step in enumerate(covers.steps):
                counts[:, np.searchsorted(self._columns, step.columns)] = step.counts[covers.rows[rows, at]]
        taken = counts @ self.pieces.of_column[list(self._columns)]
        return Vectors(self._columns, taken, counts, np.full(number, disaggregated))


_Pairs = list[tuple[Covers, NDArray[np.intp]]]


def _paired(covers: Sequence[Covers], limit: float) -> _Pairs:
    """Covers of each phase put together within a price: of each phase which cover."""
    if len(covers) == 1:
        return [(covers[0], np.arange(len(covers[0].price)))]
    first, second = covers
    if len(first.price) * len(second.price) > 100 * _MOST_PAIRED:
        raise TooMany
    one, other = np.nonzero(first.price[:, None] + second.price[None] <= beyond(limit, limit))
    if len(one) > _MOST_PAIRED:
        raise TooMany
    return [(first, one), (second, other)]
