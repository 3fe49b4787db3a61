"""What the two fidelities share: matrices split over ranks, collectives and the parts of a pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Topology

Array = NDArray[np.float64]

PROTOCOLS = (
    # per rank of a node, per doubling of nodes, once (seconds); bandwidth factor
    (0.6e-6, 5e-6, 6.8e-6, 0.5),
    (1.25e-6, 8.5e-6, 14e-6, 0.95),
    (28e-6, 28e-6, 0.0, 1.0),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """How the GPUs of one instance share the work; degrees may be fractional in paper fidelity.

    ``stage_ranks`` is T of the equations, all ranks of one pipeline stage, and ``sigma`` the groups that attention
    splits them into. ``redundant`` counts the experts that a layer holds beside its own. ``engine`` is the server that
    runs it (``none``: the equations alone) and ``exchange`` what brings tokens to their experts (empty: a dense model).
    ``dense_whole``: the server is told to hold all dense layers on every rank, where it would split them otherwise.
    """

    stage_ranks: float
    layout: str
    pipeline: float
    expert: float
    sigma: float
    redundant: int = 0
    engine: str = "none"
    exchange: str = "all_to_all"
    dense_whole: bool = False

    @property
    def tensor_parallel(self) -> float:
        """Ranks of one attention group, T / sigma: what servers call the tensor-parallel degree."""
        return self.stage_ranks / self.sigma

    @property
    def expert_tensor_parallel(self) -> float:
        """Ranks of one expert, T / Q."""
        return self.stage_ranks / self.expert

    @property
    def gpus(self) -> float:
        """Number of GPUs of the instance."""
        return self.stage_ranks * self.pipeline


@dataclass(frozen=True, slots=True)
class Components:
    """Seconds of one forward pass of one micro-batch, an array over the batch each."""

    kernel_s: Array
    attention_allreduce_s: Array
    feed_forward_allreduce_s: Array
    expert_all_to_all_s: Array
    pipeline_transfer_s: Array
    memory_s: Array
    arithmetic_s: Array
    attention_s: Array = field(default_factory=lambda: np.zeros(()))
    prompt_s: Array = field(default_factory=lambda: np.zeros(()))

    @property
    def network_s(self) -> Array:
        """Every collective and transfer of the pass (seconds)."""
        return (
            self.attention_allreduce_s
            + self.feed_forward_allreduce_s
            + self.expert_all_to_all_s
            + self.pipeline_transfer_s
        )

    @property
    def busy_s(self) -> Array:
        """The longer of memory and arithmetic, and what overlaps with nothing: all but launches and network."""
        return np.maximum(self.memory_s, self.arithmetic_s) + self.attention_s + self.prompt_s

    @property
    def latency_s(self) -> Array:
        """Kernel launches, network, and what keeps the GPUs busy (seconds)."""
        return self.kernel_s + self.network_s + self.busy_s


def activation_words(m: float, k: float, tokens: Array, ranks: float) -> Array:
    """Activations read and written by an m x k matrix split over ranks in the cheapest rectangle."""
    t1 = min(max(math.sqrt(m * ranks / k), 1.0), ranks)
    t2 = ranks / t1
    return tokens * (t1 * k + t2 * m)


def reduce_layout(accelerator: Accelerator, layout: str, ranks: float) -> tuple[float, float]:
    """Ranks and nodes of one tensor-parallel all-reduce over ``ranks`` ranks."""
    nodes = math.ceil(ranks / accelerator.node_size)
    if layout == "1d":
        return ranks, nodes
    return math.sqrt(ranks), math.sqrt(nodes)


def protocol_lines(
    accelerator: Accelerator, ranks: float, nodes: float, *, all_reduce: bool
) -> list[tuple[float, float]]:
    """Seconds, and seconds for each byte, of every published protocol of a collective among more than one rank."""
    rounds = 2 if all_reduce else 1
    share = 1.0 if all_reduce else 0.5
    if accelerator.topology is Topology.TORUS:
        per_byte = share * (ranks - 1) / (ranks * accelerator.inter_node_bytes_per_s)
        return [(rounds * (ranks - 1) * 1e-6, per_byte)]
    inside = (ranks - nodes) / (ranks * accelerator.intra_node_bytes_per_s)
    between = (nodes - 1) / (ranks * accelerator.inter_node_bytes_per_s)
    slowest = share * max(inside, between)
    hops, doublings = ranks / nodes - 1, math.log2(nodes)
    return [
        (rounds * (per_hop * hops + per_doubling * doublings) + once, slowest / factor)
        for per_hop, per_doubling, once, factor in PROTOCOLS
    ]


def quickest_s(lines: Sequence[tuple[float, float]], size_bytes: Array) -> Array:
    """Seconds of the quickest line for each size."""
    return np.asarray(np.min([start + per_byte * size_bytes for start, per_byte in lines], axis=0))


def collective_s(accelerator: Accelerator, ranks: float, nodes: float, size_bytes: Array, *, all_reduce: bool) -> Array:
    """Seconds of one collective that moves ``size_bytes``."""
    if ranks <= 1:
        return np.zeros_like(size_bytes)
    return quickest_s(protocol_lines(accelerator, ranks, nodes, all_reduce=all_reduce), size_bytes)


@dataclass(frozen=True, slots=True)
class Wires:
    """What collectives take by the published protocols (seconds)."""

    accelerator: Accelerator

    def all_reduce_s(self, ranks: float, nodes: float, size_bytes: Array) -> Array:
        """One all-reduce."""
        return collective_s(self.accelerator, ranks, nodes, size_bytes, all_reduce=True)

    def all_gather_s(self, ranks: float, nodes: float, size_bytes: Array) -> Array:
        """One exchange of experts, where every rank gets the tokens of all groups."""
        return collective_s(self.accelerator, ranks, nodes, size_bytes, all_reduce=False)

    def all_to_all_s(self, ranks: float, nodes: float, size_bytes: Array) -> Array:
        """One exchange of experts, where tokens go to the ranks of theirs."""
        return collective_s(self.accelerator, ranks, nodes, size_bytes, all_reduce=False)

    def transfer_s(self, size_bytes: Array) -> Array:
        """One transfer between two pipeline stages."""
        return point_to_point_s(self.accelerator, size_bytes)


def peak_flops(accelerator: Accelerator, bits: float) -> float:
    """Peak FLOP/s at a weight width, without the cap; the 16-bit rate where the hardware has none."""
    rates = {16: accelerator.flops_16bit, 8: accelerator.flops_8bit, 4: accelerator.flops_4bit}
    return rates[round(bits)] or accelerator.flops_16bit


def point_to_point_s(accelerator: Accelerator, size_bytes: Array) -> Array:
    """Seconds of one transfer between two pipeline stages."""
    return collective_s(accelerator, 2, 2, size_bytes, all_reduce=False)


def all_to_all_s(accelerator: Accelerator, ranks: float, size_bytes: Array) -> Array:
    """Seconds of one all-to-all between the ranks that hold the experts of a token."""
    nodes = math.ceil(ranks / accelerator.node_size)
    return collective_s(accelerator, ranks, nodes, size_bytes, all_reduce=False)
