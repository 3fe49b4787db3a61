"""Times over sizes as lines: seconds + bytes / bytes_per_s, and all-reduces as the cheapest of a few of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.calibration import MOST_KERNELS, AllReduceKernel, by_ranks
from ieco_opt.probing.rounding import short

_NEAR = 0.02
"""Root mean square of the relative error at which one more line is not looked for."""

_WORTH = 0.7
"""One more line has to bring that error below so much of what it was."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """``seconds + bytes / bytes_per_s``."""

    seconds: float
    bytes_per_s: float

    def at(self, sizes: Array) -> Array:
        """Seconds of messages of these sizes in bytes."""
        times: Array = self.seconds + sizes / self.bytes_per_s
        return times


def fitted_line(sizes: Sequence[float], seconds: Sequence[float]) -> Line:
    """The line of least relative squared error that starts at 0 s or later and rises.

    Times that do not rise are one through the origin and the largest size, which is at most too slow.
    """
    size, time = np.asarray(sizes, dtype=float), np.asarray(seconds, dtype=float)
    through_origin = Line(0.0, 1.0 / float((size / time).sum() / ((size / time) ** 2).sum()))
    if len(np.unique(size)) == 1:
        return through_origin
    scaled = np.stack([1.0 / time, size / size.max() / time], axis=1)
    (start, slope), *_ = np.linalg.lstsq(scaled, np.ones_like(time), rcond=None)
    if slope <= 0.0:
        largest = int(size.argmax())
        return Line(0.0, float(size[largest] / time[largest]))
    return through_origin if start < 0.0 else Line(float(start), float(size.max() / slope))


def cheapest_lines(sizes: Sequence[float], seconds: Sequence[float]) -> list[Line]:
    """At most three lines, of which the quickest at each size comes near its time; few are better than many.

    Libraries choose among kernels by the size of the message, so the time is the least of a line for each. Sizes in
    order are cut into as many ranges as lines, in all ways that leave two sizes or more to each.
    """
    order = np.argsort(np.asarray(sizes, dtype=float), kind="stable")
    size, time = np.asarray(sizes, dtype=float)[order], np.asarray(seconds, dtype=float)[order]
    best, error = _cut(size, time, 1)
    for count in range(2, MOST_KERNELS + 1):
        if error < _NEAR or len(size) < 2 * count:
            break
        lines, smaller = _cut(size, time, count)
        if smaller > _WORTH * error:
            break
        best, error = lines, smaller
    return best


def all_reduce_kernels(measured: Iterable[tuple[int, float, float]]) -> tuple[AllReduceKernel, ...]:
    """Kernels of a profile from times of all-reduces: (ranks, bytes of the message, seconds)."""
    by_count: dict[int, list[tuple[float, float]]] = {}
    for ranks, size, seconds in measured:
        by_count.setdefault(ranks, []).append((size, seconds))
    return never_quicker_with_more_ranks(
        AllReduceKernel(ranks=ranks, seconds=short(line.seconds), bytes_per_s=short(line.bytes_per_s))
        for ranks, times in by_count.items()
        for line in cheapest_lines(*zip(*times, strict=True))
    )


def never_quicker_with_more_ranks(kernels: Iterable[AllReduceKernel]) -> tuple[AllReduceKernel, ...]:
    """The same, with each kernel slowed to one of the next fewer ranks where it is quicker than all of those.

    Measured times scatter; a profile may not say that more ranks are quicker.
    """
    listed: list[AllReduceKernel] = []
    fewer: list[AllReduceKernel] = []
    for alike in by_ranks(kernels).values():
        fewer = list(dict.fromkeys(_slowed(each, fewer) for each in alike))
        listed += fewer
    return tuple(listed)


def _slowed(kernel: AllReduceKernel, fewer: Sequence[AllReduceKernel]) -> AllReduceKernel:
    if not fewer:
        return kernel
    slowed = [
        kernel.model_copy(
            update={
                "seconds": max(kernel.seconds, other.seconds),
                "bytes_per_s": min(kernel.bytes_per_s, other.bytes_per_s),
            }
        )
        for other in fewer
    ]
    return min(slowed, key=lambda each: _change(each, kernel))


def _change(slowed: AllReduceKernel, kernel: AllReduceKernel) -> float:
    # Both parts in the same measure: the factor of each on its own, with a microsecond as what a start is held against.
    start = np.log((slowed.seconds + 1e-6) / (kernel.seconds + 1e-6))
    return float(start + np.log(kernel.bytes_per_s / slowed.bytes_per_s))


def _cut(size: Array, time: Array, count: int) -> tuple[list[Line], float]:
    """The best lines of ``count`` ranges, and their error."""
    best: tuple[list[Line], float] | None = None
    for inner in combinations(range(2, len(size) - 1), count - 1):
        bounds = (0, *inner, len(size))
        ranges = [slice(first, last) for first, last in pairwise(bounds)]
        if count > 1 and any(each.stop - each.start < 2 for each in ranges):
            continue
        lines = [fitted_line(size[each].tolist(), time[each].tolist()) for each in ranges]
        least = np.min([line.at(size) for line in lines], axis=0)
        error = float(np.sqrt(np.mean((least / time - 1.0) ** 2)))
        if best is None or error < best[1]:
            best = (lines, error)
    assert best is not None
    return best
