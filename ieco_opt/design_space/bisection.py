"""Bisection over whole batches, for many ranges at once: where a statement that is monotone in the batch changes."""

from __future__ import annotations

import bisect
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array

Holds = Callable[[Array], NDArray[np.bool_]]
"""Whether a statement holds at batches of shape (ranges, tried)."""

_AT_ONCE = 1024
"""Batches that take hardly longer to price together than one of them alone."""

_MOST_PARTS = 8


def last_true(holds: Holds, lo: Integers, hi: Integers, step: Integers | int = 1) -> Integers:
    """Largest of lo, lo + step, ... hi where ``holds``, given that it holds at lo and, once false, stays false."""
    steps = np.broadcast_to(step, lo.shape)
    good, _ = _narrowed(holds, lo, steps, np.zeros_like(lo), np.maximum((hi - lo) // steps + 1, 1))
    return np.asarray(lo + good * steps)


def first_true(holds: Holds, lo: Integers, hi: Integers, step: Integers | int = 1) -> Integers:
    """Smallest of lo, lo + step, ... hi where ``holds``, given that it holds at hi and, once true, stays true."""
    return last_true(holds, hi, lo, -np.asarray(step))


def _narrowed(
    holds: Holds, start: Integers, step: Integers, good: Integers, bad: Integers
) -> tuple[Integers, Integers]:
    """Numbers of steps from ``start`` that are neighbours, of which one holds and the next does not.

    Few ranges are cut into several parts at a time, many into two.
    """
    parts = np.arange(1, min(_MOST_PARTS, 1 + max(1, _AT_ONCE // max(1, len(start)))))
    every = np.arange(len(start))
    while (bad - good > 1).any():
        tried = good[:, None] + (bad - good)[:, None] * parts // (len(parts) + 1)
        holding = holds((start[:, None] + tried * step[:, None]).astype(float)) | (tried == good[:, None])
        count = np.logical_and.accumulate(holding, axis=1).sum(axis=1)
        beyond = np.where(count < len(parts), tried[every, np.minimum(count, len(parts) - 1)], bad)
        good, bad = np.where(count > 0, tried[every, count - 1], good), beyond
    return good, bad


class Crossings:
    """Where a figure that rises along each of some ranges passes a cap, for one cap after the other.

    Whatever was found for a cap bounds what there is to find for every other one, so a sweep whose caps come closer
    and closer asks for fewer and fewer figures.

    Parameters
    ----------
    figures
        Gives, for some ranges, the function of batches of shape (ranges, tried) that rises from start to end.
    start, end, step
        Batches start, start + step, ... end of each range; steps are negative where the figure falls with the batch.
    known
        Gives, for a cap and some ranges, steps from the start at which the figure is within the cap, and beyond it.
    """

    def __init__(
        self,
        figures: Callable[[Rows], Callable[[Array], Array]],
        start: Integers,
        end: Integers,
        step: Integers,
        known: Callable[[float, Rows], tuple[Integers, Integers]] | None = None,
    ) -> None:
        self._figures = figures
        self._known = known
        self._start, self._step = start, step
        self._caps: list[float] = []
        self._good: list[Integers] = []
        self._bad: list[Integers] = []
        self._least, self._most = np.zeros_like(start), (end - start) // step + 1

    def last_within(self, cap: float, rows: Rows) -> Integers:
        """Last batch of some ranges whose figure is at most ``cap``, given that it is at their start."""
        good, bad = self._bracket(cap)
        wide = rows[bad[rows] - good[rows] > 1]
        if len(wide) and self._known is not None:
            within, beyond = self._known(cap, wide)
            good[wide], bad[wide] = np.maximum(good[wide], within), np.minimum(bad[wide], beyond)
            wide = wide[bad[wide] - good[wide] > 1]
        if len(wide):
            figure = self._figures(wide)
            found = _narrowed(
                lambda batch: figure(batch) <= cap, self._start[wide], self._step[wide], good[wide], bad[wide]
            )
            good[wide], bad[wide] = found
        return np.asarray(self._start[rows] + good[rows] * self._step[rows])

    def _bracket(self, cap: float) -> tuple[Integers, Integers]:
        """What is known of a cap: as far as the next smaller one is met, and not beyond the next larger one."""
        at = bisect.bisect_left(self._caps, cap)
        if at == len(self._caps) or self._caps[at] != cap:
            good = self._good[at - 1] if at else self._least
            bad = self._bad[at] if at < len(self._caps) else self._most
            self._caps.insert(at, cap)
            self._good.insert(at, good.copy())
            self._bad.insert(at, bad.copy())
        return self._good[at], self._bad[at]
