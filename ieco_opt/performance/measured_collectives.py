"""All-reduces as they were measured, and what links take without a protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ieco_opt.catalog.calibration import AllReduceKernel, by_ranks
from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.collectives import PROTOCOLS, Array, collective


def all_reduce_lines(
    accelerator: Accelerator, kernels: Sequence[AllReduceKernel], ranks: Array, nodes: Array
) -> tuple[Array, Array]:
    """Seconds and seconds per byte of the message of each kernel of an all-reduce; the quickest counts.

    Parameters
    ----------
    kernels
        Those of one node, by their ranks. A number of ranks between two of them takes the larger one. Beyond all of
        them, and over several nodes, the published protocols over whole nodes count, no quicker than the largest
        measured: so the result never falls with the ranks.
    ranks, nodes
        Shape (setups,).

    Returns
    -------
    tuple
        Two arrays of shape (setups, 3), zero for one rank.
    """
    table = by_ranks(kernels)
    sizes = np.array([*table], dtype=float)
    measured = [_three(each) for each in table.values()]
    several = nodes > 1.0
    beyond = (several | (ranks > sizes[-1]))[:, None]
    whole = np.where(several, nodes * accelerator.node_size, ranks)
    seconds, per_byte = collective(accelerator, whole, nodes, np.ones_like(ranks), all_reduce=True)
    place = np.minimum(np.searchsorted(sizes, ranks), len(sizes) - 1)
    least_s, least_per_byte = (np.stack(each)[place] for each in zip(*measured, strict=True))
    seconds = np.where(beyond, np.maximum(seconds, measured[-1][0]), least_s)
    per_byte = np.where(beyond, np.maximum(per_byte, measured[-1][1]), least_per_byte)
    alone = (ranks <= 1.0)[:, None]
    return np.where(alone, 0.0, seconds), np.where(alone, 0.0, per_byte)


def full_rate_s_per_byte(accelerator: Accelerator, ranks: Array, nodes: Array) -> Array:
    """Seconds that links take for a byte of an exchange at their full rate, shape (setups,); 0 for one rank."""
    _, slope = collective(accelerator, ranks, nodes, np.ones_like(ranks), all_reduce=False)
    return np.asarray(slope[:, -1])


def _three(lines: Sequence[AllReduceKernel]) -> tuple[Array, Array]:
    """The kernels of one number of ranks, the one that starts quickest first, as many as there are protocols."""
    padded = [lines[0]] * (len(PROTOCOLS) - len(lines)) + [*lines]
    seconds = np.array([each.seconds for each in padded])
    return seconds, np.array([1.0 / each.bytes_per_s for each in padded])
