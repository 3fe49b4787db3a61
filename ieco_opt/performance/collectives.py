"""Time of a collective as affine functions of the batch, one per protocol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Topology

Array = NDArray[np.float64]

PROTOCOLS = ("ll", "ll128", "simple")
_PER_RANK_S = np.array([0.6e-6, 1.25e-6, 28e-6])
_PER_NODE_DOUBLING_S = np.array([5e-6, 8.5e-6, 28e-6])
_BASE_S = np.array([6.8e-6, 14e-6, 0.0])
_BANDWIDTH_SHARE = np.array([0.5, 0.95, 1.0])
_TORUS_HOP_S = 1e-6


@dataclass(frozen=True, slots=True)
class RankLayout:
    """How the tensor ranks of one matrix are arranged, one entry per setup.

    Attributes
    ----------
    ranks, nodes
        Ranks in one collective and the nodes they sit on (real-valued in the 2-D layout).
    parallel
        Collectives that run side by side, ranks / sqrt(ranks) in 2-D and 1 in 1-D.
    """

    ranks: Array
    nodes: Array
    parallel: Array


def tensor_layout(ranks: Array, two_dimensional: NDArray[np.bool_], node_size: int) -> RankLayout:
    """Arrange ``ranks`` tensor ranks in one or two dimensions over nodes of ``node_size``."""
    nodes = np.ceil(ranks / node_size)
    per_collective = np.where(two_dimensional, np.sqrt(ranks), ranks)
    return RankLayout(
        ranks=per_collective,
        nodes=np.where(two_dimensional, np.sqrt(nodes), nodes),
        parallel=ranks / per_collective,
    )


def collective(
    accelerator: Accelerator, ranks: Array, nodes: Array, bytes_per_sequence: Array, *, all_reduce: bool
) -> tuple[Array, Array]:
    """Latency and slope of a collective under each protocol.

    Parameters
    ----------
    ranks, nodes, bytes_per_sequence
        Shape (setups,); a batch of B moves ``B * bytes_per_sequence`` bytes.
    all_reduce
        An all-reduce passes the data twice; any other kind once.

    Returns
    -------
    latency_s, seconds_per_sequence
        Shape (setups, 3): the time is the least over protocols of latency + slope * B, and 0 for one rank.
    """
    passes = 2.0 if all_reduce else 1.0
    alone = ranks <= 1.0
    if accelerator.topology is Topology.TORUS:
        latency = np.repeat((passes * (ranks - 1.0) * _TORUS_HOP_S)[:, None], len(PROTOCOLS), axis=1)
        per_byte = (ranks - 1.0) / (ranks * accelerator.inter_node_bytes_per_s)
        slope = np.repeat((0.5 * passes * per_byte * bytes_per_sequence)[:, None], len(PROTOCOLS), axis=1)
    else:
        others_in_node = (ranks / nodes - 1.0)[:, None]
        doublings = np.log2(nodes)[:, None]
        latency = passes * (_PER_RANK_S * others_in_node + _PER_NODE_DOUBLING_S * doublings) + _BASE_S
        per_byte = np.maximum(
            nodes * (ranks / nodes - 1.0) / (ranks * accelerator.intra_node_bytes_per_s),
            (nodes - 1.0) / (ranks * accelerator.inter_node_bytes_per_s),
        )
        slope = (0.5 * passes * per_byte * bytes_per_sequence)[:, None] / _BANDWIDTH_SHARE
    latency[alone] = 0.0
    slope[alone] = 0.0
    return latency, slope
