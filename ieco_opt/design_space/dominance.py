"""Which batches of which alternatives can be on the frontier at all.

Latency never falls and cost per token never rises with the batch of one alternative. So on the batches lo..hi no
deployment is faster than at lo nor cheaper than at hi; where one deployment that can be had beats that corner, none
of these batches is on the frontier. Cells that survive are split and tested again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.rows import distinct

# Two evaluations of one deployment may differ in their last bits; one must never dominate the other.
STRICT = 1.0 - 1e-12

_FIRST_RATIO = 1.3
_LAST_RATIO = 1.0 + 1.0 / 64.0
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Staircase:
    """Deployments that none of the others beats: latency rises, cost falls; shape (points,)."""

    latency_s: Array
    cost: Array

    @classmethod
    def of(cls, latency_s: Array, cost: Array) -> Staircase:
        """Keep the non-dominated of the given points."""
        order = np.lexsort((cost, latency_s))
        latency, ordered = latency_s[order], cost[order]
        best_before = np.concatenate([[np.inf], np.minimum.accumulate(ordered)[:-1]])
        keep = ordered < best_before
        return cls(latency[keep], ordered[keep])

    def joined(self, latency_s: Array, cost: Array) -> Staircase:
        """Add points."""
        return Staircase.of(np.concatenate([self.latency_s, latency_s]), np.concatenate([self.cost, cost]))

    def beats(self, latency_s: Array, cost: Array) -> NDArray[np.bool_]:
        """Where some point is no worse in both objectives and strictly better in one."""
        with_none = np.concatenate([[np.inf], self.cost])
        no_slower = with_none[np.searchsorted(self.latency_s, latency_s, side="right")]
        faster = with_none[np.searchsorted(self.latency_s, latency_s * STRICT, side="left")]
        return (no_slower < cost * STRICT) | (faster <= cost)


@dataclass(frozen=True, slots=True)
class Cells:
    """Batches lo, lo + step, ... hi of alternative ``row``; shape (cells,)."""

    row: Rows
    lo: Integers
    hi: Integers
    step: Integers

    def __len__(self) -> int:
        return len(self.row)

    def where(self, keep: NDArray[np.bool_]) -> Cells:
        """Keep some cells."""
        return Cells(self.row[keep], self.lo[keep], self.hi[keep], self.step[keep])


def batch_edges(batch_min: int, batch_max: int) -> Integers:
    """Lower ends of the first cells: every small integer, then growing by a constant ratio."""
    count = max(1, int(np.ceil(np.log(batch_max / batch_min) / np.log(_FIRST_RATIO))) + 1)
    edges = np.floor(batch_min * _FIRST_RATIO ** np.arange(count)).astype(np.int64)
    return distinct(edges[edges <= batch_max])


def grid_cells(
    edges: Integers, batch_min: Integers, batch_max: Integers, step: Integers, *, listed: bool
) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Cut the batches of each row, multiples of its step, at ``edges``; if ``listed``, those are all there are.

    Returns
    -------
    lo, hi, exists
        Shape (rows, edges); where a cell does not exist, lo and hi are batches of the row all the same.
    """
    upper = edges if listed else np.concatenate([edges[1:] - 1, [np.iinfo(np.int64).max]])
    each = step[:, None]
    lo = np.maximum(-(-edges // each) * each, batch_min[:, None])
    hi = np.minimum(upper // each * each, batch_max[:, None])
    exists = lo <= hi
    if listed:
        exists &= (lo == edges) & (hi == edges)
    return np.where(exists, lo, batch_min[:, None]), np.where(exists, hi, batch_min[:, None]), exists


def nondominated(
    alternatives: Alternatives, cells: Cells, staircase: Staircase, limits: Limits, ask: Ask = go_on
) -> tuple[Cells, Staircase]:
    """Split cells until each is narrow, dropping those whose best corner is dominated or that the limits exclude.

    Only deployments that meet the limits may dominate. Returns the cells left, not merged, and the staircase
    with what was met on the way.
    """
    done: list[tuple[Cells, Array, Array]] = []
    while len(cells):
        ask()
        part = alternatives.take(cells.row)
        lo, hi = cells.lo.astype(float), cells.hi.astype(float)
        fast, slow = part.latency_s(lo), part.latency_s(hi)
        cheap = part.measured(slow, hi)
        for latency, batch in ((fast, lo), (slow, hi)):
            can = limits.admits(part, latency, batch)
            staircase = staircase.joined(latency[can], part.measured(latency, batch)[can])
        left = ~staircase.beats(fast, cheap) & ~limits.excludes(part, lo, fast, hi, slow)
        wide = left & (cells.hi > np.maximum(cells.lo, (_LAST_RATIO * cells.lo).astype(np.int64)))
        narrow = left & ~wide
        done.append((cells.where(narrow), fast[narrow], cheap[narrow]))
        cells = split(cells.where(wide))
    survivors = [narrow.where(~staircase.beats(fast, cheap)) for narrow, fast, cheap in done]
    return joined(survivors) if survivors else cells, staircase


def joined(parts: Sequence[Cells]) -> Cells:
    """Put cells of the same alternatives together."""
    return Cells(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.lo for part in parts]),
        np.concatenate([part.hi for part in parts]),
        np.concatenate([part.step for part in parts]),
    )


def merged(cells: Cells) -> Cells:
    """Join neighbouring cells of one alternative."""
    order = np.lexsort((cells.lo, cells.row))
    row, lo, hi, step = (column[order] for column in (cells.row, cells.lo, cells.hi, cells.step))
    starts = np.ones(len(row), dtype=bool)
    starts[1:] = (row[1:] != row[:-1]) | (lo[1:] > hi[:-1] + step[:-1])
    ends = np.concatenate([starts[1:], [True]]) if len(row) else starts
    return Cells(row[starts], lo[starts], hi[ends], step[starts])


def split(cells: Cells) -> Cells:
    """Cut each cell into parts of about as many batches."""
    count = (cells.hi - cells.lo) // cells.step + 1
    cuts = cells.lo[:, None] + (count[:, None] * np.arange(_PARTS + 1)) // _PARTS * cells.step[:, None]
    step = np.repeat(cells.step, _PARTS)
    lo, hi = cuts[:, :-1].ravel(), cuts[:, 1:].ravel() - step
    return Cells(np.repeat(cells.row, _PARTS), lo, hi, step).where(lo <= hi)
