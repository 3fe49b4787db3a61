"""Collectives and transfers of a pass: what each moves, and how often it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.engines.spread import ALL_GATHER, ALL_TO_ALL
from ieco_opt.performance.architecture import Architecture, Block
from ieco_opt.performance.collectives import Array, collective, tensor_layout
from ieco_opt.performance.degrees import Degrees, block_ranks, pace_of

NETWORK_PARTS = (
    "attention_allreduce_s",
    "feed_forward_allreduce_s",
    "expert_all_to_all_s",
    "pipeline_transfer_s",
)

CollectiveKind = Literal["all_reduce", "exchange", "transfer"]


@dataclass(frozen=True, slots=True)
class Collective:
    """One collective of every setup; arrays have shape (setups,).

    Attributes
    ----------
    part
        Component of the time that it belongs to.
    times
        How often it happens in a pass.
    ranks, nodes
        Ranks that take part, and the nodes that they sit on (real-valued in the 2-D layout).
    words_per_token
        What one token of a micro-batch moves.
    activation_bytes, micro_batches
        Bytes of a word, and the micro-batches that a batch is split into.
    """

    part: str
    kind: CollectiveKind
    times: Array
    ranks: Array
    nodes: Array
    words_per_token: Array
    activation_bytes: float
    micro_batches: Array

    def moved_bytes(self, tokens: float | Array) -> Array:
        """Bytes of one micro-batch for each sequence that brings so many ``tokens``."""
        return np.asarray(self.words_per_token * (self.activation_bytes * tokens / self.micro_batches))

    def published(self, accelerator: Accelerator, tokens: float | Array) -> tuple[Array, Array]:
        """Latency and slope under each published protocol, times how often it happens."""
        return self._times(accelerator, self.moved_bytes(tokens))

    def published_per_byte(self, accelerator: Accelerator) -> tuple[Array, Array]:
        """Latency, and seconds of a byte, under each published protocol, times how often it happens."""
        return self._times(accelerator, np.ones_like(self.ranks))

    def _times(self, accelerator: Accelerator, moved: Array) -> tuple[Array, Array]:
        latency, slope = collective(accelerator, self.ranks, self.nodes, moved, all_reduce=self.kind == "all_reduce")
        return self.times[:, None] * latency, self.times[:, None] * slope


@dataclass(slots=True)
class _Collectives:
    """The collectives of a pass, added one by one."""

    node_size: int
    activation_bytes: float
    micro_batches: Array
    found: list[Collective] = field(default_factory=list)

    def add(
        self, part: str, kind: CollectiveKind, times: Array, ranks: Array, nodes: Array, words_per_token: Array
    ) -> None:
        """Add one that happens ``times`` a pass."""
        words = np.asarray(words_per_token)
        found = Collective(part, kind, times, ranks, nodes, words, self.activation_bytes, self.micro_batches)
        self.found.append(found)


def network(architecture: Architecture, accelerator: Accelerator, degrees: Degrees) -> list[Collective]:
    """All collectives of a pass."""
    pace = pace_of(architecture, degrees)
    square = np.where(degrees.two_dimensional, 1.0, 0.0)
    collectives = _Collectives(accelerator.node_size, architecture.activation_bytes, degrees.pipeline_parallel)
    add = collectives.add
    layout = tensor_layout(degrees.tensor_parallel, degrees.two_dimensional, accelerator.node_size)
    groups = 1.0 if architecture.fidelity is Fidelity.PAPER else degrees.attention_data_parallel
    share = layout.parallel * groups
    reduced = [(architecture.attention_layers * pace, architecture.width)]
    reduced += [(square * kind.layers * pace, kind.outputs) for kind in architecture.attention if kind.matrices]
    for times, size in reduced:
        add("attention_allreduce_s", "all_reduce", times, layout.ranks, layout.nodes, size / share)
    for block in architecture.blocks:
        if block.experts > 1:
            _exchange_of_experts(collectives, architecture, degrees, block)
            continue
        layers = block.layers * pace
        if block.part == "shared_experts":
            # Elsewhere their results are added before the routed experts' own are reduced.
            layers = layers * (degrees.spread.exchange == ALL_TO_ALL)
        _block_allreduces(collectives, architecture, degrees, block, layers)
    pair = np.full_like(degrees.stage_ranks, 2.0)
    crossings = degrees.pipeline_parallel - 1.0
    add("pipeline_transfer_s", "transfer", crossings, pair, pair, architecture.width / degrees.stage_ranks)
    return collectives.found


def _block_allreduces(
    collectives: _Collectives, architecture: Architecture, degrees: Degrees, block: Block, times: Array
) -> None:
    """All-reduces among the ranks that share a block or an expert, a second one in the 2-D layout."""
    layout = tensor_layout(block_ranks(block, degrees), degrees.two_dimensional, collectives.node_size)
    side_by_side = degrees.stage_ranks / layout.ranks
    square = np.where(degrees.two_dimensional, times, 0.0)
    for each, size in (
        (times, block.active * block.down * architecture.width),
        (square, block.active * block.up * block.width),
    ):
        words = size / side_by_side
        collectives.add("feed_forward_allreduce_s", "all_reduce", each, layout.ranks, layout.nodes, words)


def _exchange_of_experts(collectives: _Collectives, architecture: Architecture, degrees: Degrees, block: Block) -> None:
    """What brings tokens to their experts and results back, by the exchange of each setup (docs/engines.md).

    =============  ==========================  ===================================  ============================
    exchange       moved twice a layer         words of a token                     reduced
    =============  ==========================  ===================================  ============================
    all_to_all     among min(A, Q) ranks       d min(A, Q) / T                      A d among the shards of one
    all_gather     among the groups            d                                    d among the ranks of a group
    none           nothing                     0                                    d among all ranks of a stage
    =============  ==========================  ===================================  ============================
    """
    layers = block.layers * pace_of(architecture, degrees)
    node_size = collectives.node_size
    exchange, ranks, size = degrees.spread.exchange, degrees.stage_ranks, float(architecture.width)
    to_all, gathers = exchange == ALL_TO_ALL, exchange == ALL_GATHER
    _block_allreduces(collectives, architecture, degrees, block, layers * to_all)
    groups, stage_nodes = degrees.attention_data_parallel, np.ceil(ranks / node_size)
    among = np.where(gathers, degrees.tensor_parallel, ranks)
    nodes = np.ceil(among / node_size)
    collectives.add("feed_forward_allreduce_s", "all_reduce", layers * ~to_all, among, nodes, size * among / ranks)
    reached = np.minimum(block.active, degrees.expert_parallel)
    peers = np.where(gathers, groups, np.where(to_all, reached, 1.0))
    nodes = np.where(gathers, np.minimum(groups, stage_nodes), np.ceil(peers / node_size))
    words = np.where(gathers, size, size * peers / ranks)
    collectives.add("expert_all_to_all_s", "exchange", 2 * layers, peers, nodes, words)
