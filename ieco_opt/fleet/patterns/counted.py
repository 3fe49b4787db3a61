"""Best sets of instances of one pool with one piece, where the number of instances counts beside what they serve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.patterns.pieces import Counts, Floats
from ieco_opt.fleet.patterns.steps import ENOUGH, Need, Steps, and_more, corners_of


def steps_of_counted(columns: Sequence[int], share: Floats, size: Counts, most: int, need: Need) -> Steps:
    """Sets of 0 to ``most`` pieces that no other one replaces, told apart by how many instances they are.

    An unbounded knapsack with the number of instances beside: f(n, u) = max_k f(n - 1, u - s_k) + R_k / d, for each n
    up to ``need.most``; where that is ``None``, up to ``need.least``, which stands for all greater numbers too.
    """
    kept = _best_of_each_size(size, share)
    share, size, unit = share[kept], size[kept], int(np.gcd.reduce(size))
    layers = need.least if need.most is None else need.most
    served, added = _layers(share, size // unit, most // unit, layers)
    copies = np.zeros((0, served.shape[1]), dtype=np.int64)
    if need.most is None:
        served[-1], copies = and_more(served[-1], share, size // unit)
    counts = _counts(added, copies, size // unit, *np.nonzero(_useful(served, need)))
    taken, covered = counts @ size[:, None], counts @ share
    used = tuple(columns[at] for at in kept.tolist())
    return Steps(used, counts, taken, covered, counts.sum(axis=1), _corners(covered, taken[:, 0]))


def _best_of_each_size(size: Counts, share: Floats) -> NDArray[np.intp]:
    """Of columns of one size the one that serves most, in order of their sizes."""
    order = np.lexsort((-share, size))
    first: NDArray[np.bool_] = np.concatenate([[True], np.diff(size[order]) > 0])
    return order[first]


def _layers(share: Floats, size: Counts, most: int, layers: int) -> tuple[Floats, NDArray[np.intp]]:
    """Most that 0 to so many instances serve with at most u pieces, and which column came last for each."""
    length = most + 1
    served = np.zeros((layers + 1, length))
    added = np.zeros((layers, length), dtype=np.intp)
    before = np.arange(length) - size[:, None]
    # What is before the first piece is the last entry, of no use.
    before = np.where(before < 0, length, before)
    padded = np.full(length + 1, -np.inf)
    for running in range(layers):
        padded[:length] = served[running]
        grown = padded[before] + share[:, None]
        added[running] = grown.argmax(axis=0)
        served[running + 1] = grown.max(axis=0)
    return served, added


def _useful(served: Floats, need: Need) -> NDArray[np.bool_]:
    """Entries that cover more than those with fewer pieces, and than those with a better number of instances.

    Up to as many as are needed more instances are better; where there is a most, beyond them fewer are.
    """
    covered = np.minimum(served, 1.0)
    high = np.maximum.accumulate(covered, axis=1)
    lower = np.concatenate([np.full((len(served), 1), -np.inf), high[:, :-1]], axis=1)
    useful = (covered > lower) & (lower < ENOUGH)
    if need.most is None:
        better = np.maximum.accumulate(high[:0:-1], axis=0)[::-1]
        useful[:-1] &= covered[:-1] > better
    else:
        least = need.least if need.least > 1 else 0
        better = np.maximum.accumulate(high[least:-1], axis=0)
        useful[least + 1 :] &= covered[least + 1 :] > better
    return useful


def _counts(
    added: NDArray[np.intp], copies: Counts, size: Counts, running: NDArray[np.intp], pieces: NDArray[np.intp]
) -> Counts:
    """Instances of each column in the sets of some entries."""
    counts, left = np.zeros((len(running), len(size)), dtype=np.int64), pieces.copy()
    many = running == len(added)
    for at in reversed(range(len(copies))):
        counts[:, at] = np.where(many, copies[at][left], 0)
        left -= counts[:, at] * size[at]
    for layer in reversed(range(len(added))):
        rows = np.flatnonzero(running > layer)
        last = added[layer, left[rows]]
        counts[rows, last] += 1
        left[rows] -= size[last]
    return counts


def _corners(covered: Floats, taken: Counts) -> NDArray[np.intp]:
    """Rows of the hull, as of :func:`corners_of`, of sets in any order."""
    covered = np.minimum(covered, 1.0)
    order = np.lexsort((covered, taken))
    rising = order[covered[order] > np.concatenate([[-1.0], np.maximum.accumulate(covered[order])[:-1]])]
    return rising[corners_of(covered[rising], taken[rising])]
