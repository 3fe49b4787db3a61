"""Cells of batches that are cut by a least speed and a greatest cost, again and again.

Neither the latency falls with the batch nor the cost rises, so figures at some batches of each cell, kept, show between
which two of them a limit cuts it. Only where other batches lie between these two is the performance model asked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.bisection import Crossings, last_true
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.segments import Segments, cut_experts, numbers_of_alike, once
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.rows import distinct

_MOST_FIGURES = 1 << 15
"""Batches whose latency and cost are kept of one space, but for two of each cell."""

Meets = Callable[[Array, Array], NDArray[np.bool_]]
"""Whether latencies and costs meet a limit."""


class Ranges:
    """Cells, one alternative each, that meet all limits but a least speed and a greatest cost, with their figures.

    Limits hold for the same multiple of the latency and the cost everywhere, and what is to be little is the cost.
    """

    def __init__(self, alternatives: Alternatives, cells: Cells) -> None:
        self._cells = cells
        self._pool = alternatives.take(cells.row)
        self._ones: dict[int, Alternatives] = {}
        self._steps = (cells.hi - cells.lo) // cells.step
        points = min(int(self._steps.max()) + 1, max(2, _MOST_FIGURES // len(cells)))
        # Every number of steps where there are no more than points.
        self._at: Integers = np.arange(points) * self._steps[:, None] // max(1, points - 1)
        batch = (cells.lo[:, None] + self._at * cells.step[:, None]).astype(float)
        self._latency_s = self._pool.latency_s(batch)
        self._cost = self._pool.measured(self._latency_s, batch)
        self._margin = float(self._pool.margin[0])
        alike = numbers_of_alike(self._pool)
        self._alike = alike if len(distinct(alike)) < len(distinct(cells.row)) else None

    def segments(self, limits: Limits, ask: Ask = go_on) -> Segments:
        """What ``segments_within`` gives of the cells under some limits."""
        ask()
        whole, ends = self._within(limits)
        cells = whole if self._alike is None else once(self._alike[whole.row], whole)
        cells = cut_experts(self._pool, cells, limits, ask)
        latency_lo, cost_lo, latency_hi, cost_hi = ends if cells is whole else self._ends(cells)
        return Segments(
            row=self._cells.row[cells.row],
            at=cells.row,
            lo=cells.lo,
            hi=cells.hi,
            step=cells.step,
            pool=self._pool,
            take=self._take,
            latency_lo_s=latency_lo,
            latency_hi_s=latency_hi,
            cost_lo=cost_lo,
            cost_hi=cost_hi,
            slower=Crossings(
                lambda rows: self._pool.priced(rows).latency_s,
                *(self._cells.lo, self._cells.hi, self._cells.step),
                known=self._slower,
            ),
            cheaper=Crossings(
                lambda rows: self._pool.priced(rows).measured,
                *(self._cells.hi, self._cells.lo, -self._cells.step),
                known=self._cheaper,
            ),
        )

    def _take(self, cells: Rows) -> Alternatives:
        """Alternatives of some cells, by their number; most programs are about one, which is kept."""
        if len(cells) != 1:
            return self._pool.take(cells)
        cell = int(cells[0])
        if cell not in self._ones:
            self._ones[cell] = self._pool.take(cells)
        return self._ones[cell]

    def _within(self, limits: Limits) -> tuple[Cells, tuple[Array, Array, Array, Array]]:
        """Cells within the two limits, by their number, with latency and cost at the least batch and the greatest."""

        def quick(latency_s: Array, _cost: Array) -> NDArray[np.bool_]:
            return np.asarray(1.0 / (latency_s * self._margin) >= limits.min_speed)

        def cheap(_latency_s: Array, cost: Array) -> NDArray[np.bool_]:
            return np.asarray(cost * self._margin <= limits.max_cost)

        latency_s, cost = self._latency_s, self._cost
        (rows,) = (quick(latency_s[:, 0], cost) & cheap(latency_s, cost[:, -1])).nonzero()
        first = (self._cells.lo[rows], latency_s[rows, 0], cost[rows, 0])
        last = (self._cells.hi[rows], latency_s[rows, -1], cost[rows, -1])
        (late,) = (~quick(*last[1:])).nonzero()
        if len(late):
            column = quick(latency_s[rows[late]], cost).sum(axis=1) - 1
            _put(last, late, self._cut(rows[late], column, column + 1, quick))
        (dear,) = (~cheap(*first[1:])).nonzero()
        if len(dear):
            column = latency_s.shape[1] - cheap(latency_s, cost[rows[dear]]).sum(axis=1)
            _put(first, dear, self._cut(rows[dear], column, column - 1, cheap))
        left = first[0] <= last[0]
        (lo, *low), (hi, *high) = first, last
        cells = Cells(rows, lo, hi, self._cells.step[rows]).where(left)
        return cells, (low[0][left], low[1][left], high[0][left], high[1][left])

    def _cut(self, rows: Rows, column: Rows, beyond: Rows, meets: Meets) -> tuple[Integers, Array, Array]:
        """As far as cells meet a limit, which they do at one kept batch and not at the next: batch, latency, cost."""
        steps = self._at[rows, beyond] - self._at[rows, column]
        batch = self._cells.lo[rows] + self._at[rows, column] * self._cells.step[rows]
        latency_s, cost = self._latency_s[rows, column], self._cost[rows, column]
        (wide,) = (np.abs(steps) > 1).nonzero()
        if len(wide):
            part, along = self._pool.priced(rows[wide]), np.sign(steps[wide]) * self._cells.step[rows[wide]]

            def holds(tried: Array) -> NDArray[np.bool_]:
                latency_s = part.latency_s(tried)
                return meets(latency_s, part.measured_with(latency_s, tried))

            before = batch[wide] + (np.abs(steps[wide]) - 1) * along
            batch[wide] = last_true(holds, batch[wide], before, along)
            found = batch[wide].astype(float)
            latency_s[wide] = part.latency_s(found)
            cost[wide] = part.measured_with(latency_s[wide], found)
        return batch, latency_s, cost

    def _ends(self, cells: Cells) -> tuple[Array, Array, Array, Array]:
        """Latency and cost at the least batch and the greatest of parts of cells, which are given by their number."""
        part, batch = self._pool.priced(cells.row), np.stack([cells.lo, cells.hi], axis=1).astype(float)
        latency_s = part.latency_s(batch)
        cost = part.measured_with(latency_s, batch)
        return latency_s[:, 0], cost[:, 0], latency_s[:, 1], cost[:, 1]

    def _slower(self, cap_s: float, rows: Rows) -> tuple[Integers, Integers]:
        """Steps from the least batch of cells at which the latency is within a cap, and beyond it."""
        column = (self._latency_s[rows] <= cap_s).sum(axis=1) - 1
        beyond = np.minimum(column + 1, self._at.shape[1] - 1)
        return self._at[rows, column], np.where(beyond > column, self._at[rows, beyond], self._steps[rows] + 1)

    def _cheaper(self, cap: float, rows: Rows) -> tuple[Integers, Integers]:
        """Steps from the greatest batch of cells down at which the cost is within a cap, and beyond it."""
        column = self._at.shape[1] - (self._cost[rows] <= cap).sum(axis=1)
        beyond, steps = np.maximum(column - 1, 0), self._steps[rows]
        return steps - self._at[rows, column], np.where(beyond < column, steps - self._at[rows, beyond], steps + 1)


def _put(into: tuple[Integers, Array, Array], at: Rows, found: tuple[Integers, Array, Array]) -> None:
    for column, values in zip(into, found, strict=True):
        column[at] = values
