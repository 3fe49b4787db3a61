"""What one phase of a workload can be served from one pool: pieces taken against demand covered, the best of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.pieces import Counts, Floats
from ieco_opt.fleet.plan import ROUNDING

_WORD_BITS = 62

_ROWS_AT_ONCE = 64
"""Rows that are compared with all others at a time."""

_MANY_ROWS = 2_048
"""From so many rows on, what replaces them is found by sets of rows."""

_IN_A_SET = 1_024
"""Rows of a set, and rows that are compared with them at a time."""

_WORD = 64

ENOUGH = 1.0 - ROUNDING / 2
"""Share of a demand that meets it but for rounding."""


def beyond(slack: float, bound: float) -> float:
    """A little more than a slack, so that no vector is missing by a rounding."""
    return slack + 1e-9 * max(1.0, abs(bound))


class TooMany(Exception):  # noqa: N818 - no error: the workload is left to the program of instances
    """There are more vectors than a program can choose among."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a phase must come to: as many instances as ``least`` to ``most`` (``None``: any), and its demand."""

    least: int
    most: int | None

    @property
    def is_counted(self) -> bool:
        """Whether the number of instances matters beside what they cover."""
        return self.least > 1 or self.most is not None


@dataclass(frozen=True, slots=True)
class Steps:
    """Sets of instances on one pool of which none takes as little and covers as much as another; the first is empty.

    Attributes
    ----------
    columns
        Positions of the columns.
    counts
        Instances of each; shape (sets, columns).
    taken
        Pieces of the pool that they take; shape (sets, pieces).
    covered
        Share of the demand that they serve.
    running
        Number of instances.
    corners
        Rows of which any share of the demand is covered by parts for no more pieces than by any set, in order of
        their pieces; of pools with one piece, ``None`` of others.
    """

    columns: tuple[int, ...]
    counts: Counts
    taken: Counts
    covered: Floats
    running: Counts
    corners: NDArray[np.intp] | None = None

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Steps:
        """Some of the sets."""
        return Steps(self.columns, self.counts[rows], self.taken[rows], self.covered[rows], self.running[rows])


def steps_by_size(columns: Sequence[int], share: Floats, size: Counts, most: int) -> Steps:
    """Best sets of 0 to ``most`` pieces, where the pool has one and instances are not counted: an unbounded knapsack.

    Parameters
    ----------
    share, size
        R_k / d and pieces s_k of each column.
    """
    unit = int(np.gcd.reduce(size))
    alone = min(int(s) * int(np.ceil(ENOUGH / r)) for s, r in zip(size, share, strict=True))
    length = min(most, alone) // unit + 1
    best, copies = and_more(np.zeros(length), share, size // unit)
    # The first set that covers more than all smaller ones, and nothing beyond the one that covers all.
    kept = np.flatnonzero(best > np.concatenate([[-1.0], np.maximum.accumulate(best)[:-1]]) + ROUNDING / 100)
    enough = np.flatnonzero(best[kept] >= ENOUGH)
    kept = kept[: enough[0] + 1] if len(enough) else kept
    counts, left_over = np.zeros((len(kept), len(columns)), dtype=np.int64), kept.copy()
    for at in reversed(range(len(columns))):
        counts[:, at] = copies[at][left_over]
        left_over -= counts[:, at] * (size[at] // unit)
    taken, covered = counts @ size[:, None], counts @ share
    return Steps(tuple(columns), counts, taken, covered, counts.sum(axis=1), corners_of(covered, taken[:, 0]))


def and_more(served: Floats, share: Floats, size: Counts) -> tuple[Floats, Counts]:
    """Most that u pieces serve with any number of instances more, and how many of each column; shape (columns, u).

    One column after the other: f(u) = max over j of f(u - j s_k) + j R_k / d is a running maximum along each residue of
    u by s_k once j R_k / d is taken off.
    """
    length, best = len(served), served
    copies = np.zeros((len(size), length), dtype=np.int64)
    for at, (taken, each) in enumerate(zip(size.tolist(), share.tolist(), strict=True)):
        rounds = -(-length // taken)
        padded = np.full(rounds * taken, -np.inf)
        padded[:length] = best
        rising = np.arange(rounds)[:, None]
        left = padded.reshape(rounds, taken) - rising * each
        top = np.maximum.accumulate(left, axis=0)
        came = np.maximum.accumulate(np.where(left >= top, rising, 0), axis=0)
        best = (top + rising * each).ravel()[:length]
        copies[at] = (rising - came).ravel()[:length]
    return best, copies


def corners_of(covered: Floats, taken: Counts) -> NDArray[np.intp]:
    """Rows of the lower convex hull of pieces taken over demand covered, both rising."""
    useful, pieces = np.minimum(covered, 1.0).tolist(), taken.tolist()
    kept: list[int] = []
    for at in range(len(useful)):
        while len(kept) > 1:
            one, two = kept[-2], kept[-1]
            rise = (pieces[two] - pieces[one]) * (useful[at] - useful[one])
            if rise < (pieces[at] - pieces[one]) * (useful[two] - useful[one]):
                break
            kept.pop()
        kept.append(at)
    return np.array(kept, dtype=np.intp)


def steps_of_sets(
    columns: Sequence[int], share: Floats, taken: Counts, most: Sequence[int], need: Need, budget: Budget
) -> Steps:
    """Best sets whatever a pool has of pieces, also where instances are counted; those within a price alone.

    Raises
    ------
    TooMany
        There are more sets than ``budget.most_sets``.
    """
    found = Steps(
        tuple(columns),
        np.zeros((1, len(columns)), dtype=np.int64),
        np.zeros((1, taken.shape[1]), dtype=np.int64),
        np.zeros(1),
        np.zeros(1, dtype=np.int64),
    )
    for at in range(len(columns)):
        grown, last = [found], found
        for _ in range(most[at]):
            open_sets = (last.covered < ENOUGH) | (last.running < need.least)
            last = last.at(open_sets)
            counts = last.counts.copy()
            counts[:, at] += 1
            last = Steps(found.columns, counts, last.taken + taken[at], last.covered + share[at], last.running + 1)
            within = budget.allows(last.taken, last.covered)
            if need.most is not None:
                within &= last.running <= need.most
            last = last.at(within)
            if not len(last.covered):
                break
            grown.append(last)
            if sum(len(each.covered) for each in grown) > budget.most_sets:
                raise TooMany
        found = _best(_joined(grown), need)
    return found


@dataclass(frozen=True, slots=True)
class Budget:
    """What sets of instances may cost: a set that covers c must leave (1 - c) ``least_rate`` of ``limit``.

    ``prices`` are those of the pieces of one pool.
    """

    prices: Floats
    limit: float
    least_rate: float
    most_sets: int

    def allows(self, taken: Counts, covered: Floats) -> NDArray[np.bool_]:
        """Whether sets can be part of one within the limit."""
        left = self.least_rate * np.maximum(0.0, 1.0 - covered)
        return taken @ self.prices + left <= self.limit


def _joined(parts: Sequence[Steps]) -> Steps:
    return Steps(
        parts[0].columns,
        np.concatenate([each.counts for each in parts]),
        np.concatenate([each.taken for each in parts]),
        np.concatenate([each.covered for each in parts]),
        np.concatenate([each.running for each in parts]),
    )


def _best(steps: Steps, need: Need) -> Steps:
    """Sets that no other one replaces: as few pieces, as much covered, as many instances as needed, none too many."""
    criteria = [steps.taken.T.astype(float), -np.minimum(steps.covered, 1.0)[None]]
    if need.least > 1:
        criteria.append(-np.minimum(steps.running, need.least)[None].astype(float))
    if need.most is not None:
        criteria.append(steps.running[None].astype(float))
    return steps.at(least_rows(np.concatenate(criteria).T))


def least_rows(criteria: Floats | Counts) -> NDArray[np.intp]:
    """Rows that no other row is as small as in every criterion; one of equal rows, in order of their first ones.

    Rows are told apart by the ranks of their entries, which share a few numbers: with a bit set above each rank of one
    row, no bit is borrowed where those of another are taken away that are as small.
    """
    left = np.lexsort(criteria.T[::-1])
    if len(left) > _MANY_ROWS:
        return left[_least_of_many(criteria[left])]
    words = _ranks(criteria[left])
    kept = []
    while len(left):
        some = left[:_ROWS_AT_ONCE]
        # Whatever replaces a row comes before it.
        replaced = np.arange(len(left)) > np.arange(len(some))[:, None]
        for word, guard in words:
            replaced &= ((word | guard)[None] - word[: len(some), None]) & guard == guard
        stays = np.asarray(~replaced.any(axis=0))
        kept.append(some[stays[: len(some)]])
        stays[: len(some)] = False
        left, words = left[stays], [(word[stays], guard) for word, guard in words]
    return np.concatenate([np.zeros(0, dtype=np.intp), *kept])


def _least_of_many(rows: Floats | Counts) -> NDArray[np.intp]:
    """The same of many rows in order: what is as small as a row in every criterion is the common part of few sets.

    There is one set for each number that entries of a criterion have: the rows that have at most that, a bit a row.
    """
    left = np.flatnonzero(np.concatenate([[True], (rows[1:] != rows[:-1]).any(axis=1)]))
    ranks = [np.unique(column, return_inverse=True)[1].astype(np.intp) for column in rows.T]
    kept = []
    while len(left):
        some = left[:_IN_A_SET]
        # Whatever replaces a row comes before it.
        sets = [_at_most_each(rank[some], int(rank.max())) for rank in ranks]
        stays = np.ones(len(left), dtype=bool)
        for first in range(0, len(left), _IN_A_SET):
            part = left[first : first + _IN_A_SET]
            common = np.bitwise_and.reduce(
                [each[number[rank[part]]] for (each, number), rank in zip(sets, ranks, strict=True)]
            )
            if not first:
                itself = np.arange(len(some))
                common[itself, itself // _WORD] &= ~(np.uint64(1) << (itself % _WORD).astype(np.uint64))
            stays[first : first + len(part)] = ~common.any(axis=1)
        kept.append(some[stays[: len(some)]])
        stays[: len(some)] = False
        left = left[stays]
    return np.concatenate(kept)


def _at_most_each(rank: NDArray[np.intp], highest: int) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Sets of entries that have at most some rank, the empty one first; of each rank up to a highest the number."""
    found, which = np.unique(rank, return_inverse=True)
    has = np.zeros((len(found) + 1, -(-len(rank) // _WORD) * _WORD), dtype=bool)
    has[which + 1, np.arange(len(rank))] = True
    sets = np.packbits(np.logical_or.accumulate(has, axis=0), axis=1, bitorder="little").view("<u8")
    return sets, np.searchsorted(found, np.arange(highest + 1), side="right")


def _ranks(criteria: Floats | Counts) -> list[tuple[Counts, np.int64]]:
    """Ranks of the entries of each column, in words of 62 bits, and the bit above each rank."""
    words: list[tuple[Counts, np.int64]] = []
    shift = _WORD_BITS
    for column in criteria.T:
        rank = np.unique(column, return_inverse=True)[1].astype(np.int64)
        bits = int(rank.max(initial=0)).bit_length() + 1
        if shift + bits > _WORD_BITS:
            words.append((np.zeros(len(rank), dtype=np.int64), np.int64(0)))
            shift = 0
        word, guard = words[-1]
        words[-1] = word | rank << shift, guard | np.int64(1) << (shift + bits - 1)
        shift += bits
    return words
