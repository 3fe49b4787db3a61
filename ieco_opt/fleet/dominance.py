"""Columns that another one replaces, and setups that another one matches in everything that counts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from operator import ge, le

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.fleet.columns import CacheForm, Candidates, Column, Shelf
from ieco_opt.fleet.instances import Bounds
from ieco_opt.fleet.placement import copies_within
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import ResolvedPool

_ROUNDED = 1.0 + 1e-9
"""More than what two equal quantities can differ by."""


def pareto_rows(criteria: Array) -> Rows:
    """Rows that no other row matches or exceeds in every criterion; one of equal rows."""
    if len(criteria) == 1:
        return np.zeros(1, dtype=np.intp)
    if len(criteria) and (criteria[:, 1:] == criteria[0, 1:]).all():
        return np.array([criteria[:, 0].argmax()], dtype=np.intp)
    left, kept = np.lexsort(-criteria.T[::-1]), []
    while len(left):
        kept.append(left[0])
        left = left[~(criteria[left] <= criteria[left[0]]).all(axis=1)]
    return np.array(kept, dtype=np.intp)


def best_of_sizes(criteria: Array, size: Rows) -> Rows:
    """Rows that none of their size matches or exceeds in every criterion, one of equal ones, by size."""
    order = np.lexsort((-criteria[:, 0], size))
    begins = np.flatnonzero(np.diff(size[order], prepend=-1))
    first = order[begins]
    counts = np.diff(begins, append=len(order))
    # Where sizes differ in the first criterion alone, which is the rule, the best in it is the best.
    differs = (criteria[order, 1:] != np.repeat(criteria[first, 1:], counts, axis=0)).any(axis=1)
    several = np.logical_or.reduceat(differs, begins) if len(begins) else differs
    kept = [first[~several]]
    for begin, count in zip(begins[several].tolist(), counts[several].tolist(), strict=True):
        rows = np.sort(order[begin : begin + count])
        kept.append(rows[pareto_rows(criteria[rows])])
    best = np.concatenate(kept)
    return best[np.argsort(size[best], kind="stable")]


def hopeful(shelf: Shelf, bounds: Sequence[Bounds], *, frugal: bool) -> NDArray[np.bool_]:
    """Setups that may be the best of their size: none serves, at the least, more than they do at the most.

    Generating instances of a size take a cache as quickly, so that what they serve is all that sets them apart, unless
    it is also energy. The numbers of the shelf, shape (count,).
    """
    every = np.ones(shelf.count, dtype=bool)
    if frugal or shelf.phase is Phase.PREFILL or not shelf.count:
        return every
    least, most = (np.zeros((shelf.count, len(bounds))) for _ in range(2))
    for class_index, key in enumerate(shelf.key):
        least[key, class_index], most[key, class_index] = bounds[class_index].least, bounds[class_index].most
    sizes = int(shelf.size.max()) + 1
    if len(bounds) == 1:
        best = np.zeros(sizes)
        np.maximum.at(best, shelf.size, least[:, 0])
        return np.asarray(most[:, 0] * _ROUNDED >= best[shelf.size])
    for size in range(sizes):
        rows = np.flatnonzero(shelf.size == size)
        for one in least[rows[pareto_rows(least[rows])]]:
            # A class that is not served needs no transfer, so only setups that serve the same classes are compared.
            none = (most[rows] == 0.0) & (one == 0.0)
            less = (most[rows] > 0.0) & (most[rows] * _ROUNDED < one)
            every[rows[(less | none).all(axis=1)]] = False
    return every


def without_pairing(columns: Sequence[Column]) -> list[Column]:
    """Forget transfers, and room for them, where every pair is in time."""
    nothing = (0.0,) * len(columns[0].requests_per_s) if columns else ()
    return [
        column if column.room_s == column.transfer_s == nothing else replace(column, room_s=nothing, transfer_s=nothing)
        for column in columns
    ]


def nondominated(
    columns: Sequence[Column],
    candidate: Candidates,
    pools: Sequence[ResolvedPool],
    ask: Ask = go_on,
    *,
    beyond: bool = False,
    frugal: bool = False,
    paired: bool = True,
    apart: Callable[[Column], Hashable] | None = None,
) -> list[Column]:
    """Drop columns that fewer or equally many GPUs of another column of their pool and phase can replace.

    A column replaces another one if copies of it always fit where one of the other was and serve as much. One column of
    requests is never served beyond its demand; in a mix, capacity beyond the demand of a class is left for others.
    Where capacity beyond the demand counts (``beyond``), and instances do, only a single copy with as much replaces.
    Where energy counts (``frugal``), requests must take as little of it; copies, which have no more GPUs, draw no more
    while idle. Where every prefill column is in time with every decode column (not ``paired``), transfers keep none
    alive. Only columns alike in ``apart`` replace each other.
    """
    served_up_to_demand = len(candidate.classes) == 1 and not beyond
    most = candidate.demand() if served_up_to_demand else (np.inf,) * len(candidate.classes)
    lone = beyond or candidate.workload.workload.max_instances is not None
    sizes = [pool.node_size for pool in pools]
    kept = not_replaced(columns, most, sizes, ask, lone=lone, frugal=frugal, paired=paired, apart=apart)
    return [columns[at] for at in kept]


def not_replaced(
    columns: Sequence[Column],
    most: Sequence[float],
    node_sizes: Sequence[int],
    ask: Ask = go_on,
    *,
    lone: bool,
    frugal: bool = False,
    paired: bool = True,
    apart: Callable[[Column], Hashable] | None = None,
) -> list[int]:
    """Positions of those columns of one workload that no other one replaces, the smallest first.

    Capacity beyond ``most``, for each class, counts as nothing. ``lone``: only single copies replace. The others are as
    in :func:`nondominated`.
    """
    kept: list[int] = []
    alike: dict[tuple[int, Phase, CacheForm | None, Hashable], list[Column]] = {}

    def small_first(at: int) -> tuple[float, ...]:
        column = columns[at]
        return (column.gpus, *(-served for served in column.requests_per_s), *(column.busy_s if frugal else ()))

    for at in sorted(range(len(columns)), key=small_first):
        ask()
        column = columns[at]
        # What goes with any cache replaces what needs one of its form, and not the other way round.
        forms, own = {None, column.cache_form}, None if apart is None else apart(column)
        rivals = [one for form in forms for one in alike.get((column.pool, column.phase, form, own), ())]
        size, needed = node_sizes[column.pool], tuple(map(min, column.requests_per_s, most))
        if not any(
            _serve(one, 1 if lone else copies_within(one.gpus, column.gpus, size), needed)
            and (not paired or _as_timely(one, column))
            and (not frugal or _as_frugal(one, column))
            for one in rivals
        ):
            alike.setdefault((column.pool, column.phase, column.cache_form, own), []).append(column)
            kept.append(at)
    return kept


def _serve(one: Column, copies: int, needed: Sequence[float]) -> bool:
    """Whether so many copies of a column serve as much of every class."""
    served = one.requests_per_s if copies == 1 else [copies * each for each in one.requests_per_s]
    return all(map(ge, served, needed))


def _as_timely(one: Column, other: Column) -> bool:
    """Whether one column leaves as much room for transfers as another, and receives as quickly, for every class."""
    return (one.room_s == other.room_s or all(map(ge, one.room_s, other.room_s))) and (
        one.transfer_s == other.transfer_s or all(map(le, one.transfer_s, other.transfer_s))
    )


def _as_frugal(one: Column, other: Column) -> bool:
    """Whether requests take as little energy on one column of a pool as on another, of the classes that this serves."""
    return all(
        one.gpus * mine <= other.gpus * theirs
        for mine, theirs, served in zip(one.busy_s, other.busy_s, other.requests_per_s, strict=True)
        if served > 0.0
    )
