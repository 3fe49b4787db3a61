"""Collectives and transfers of a pass: what each takes, and how often it happens."""

from __future__ import annotations

import numpy as np

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array, collective, tensor_layout
from ieco_opt.performance.degrees import Degrees, block_ranks, pace_of

NETWORK_PARTS = (
    "attention_allreduce_s",
    "feed_forward_allreduce_s",
    "expert_all_to_all_s",
    "pipeline_transfer_s",
)


def network(
    architecture: Architecture, accelerator: Accelerator, degrees: Degrees, tokens_per_pass: float | Array
) -> list[tuple[str, Array, Array]]:
    """All collectives of a pass: component, latency and slope, each times how often it happens."""
    pace = pace_of(architecture, degrees)
    words = architecture.activation_bytes * tokens_per_pass / degrees.pipeline_parallel
    square = np.where(degrees.two_dimensional, 1.0, 0.0)
    collectives: list[tuple[str, Array, Array]] = []

    def add(part: str, times: Array, ranks: Array, nodes: Array, words_per_token: Array, *, all_reduce: bool) -> None:
        latency, slope = collective(accelerator, ranks, nodes, words_per_token * words, all_reduce=all_reduce)
        collectives.append((part, times[:, None] * latency, times[:, None] * slope))

    layout = tensor_layout(degrees.tensor_parallel, degrees.two_dimensional, accelerator.node_size)
    groups = 1.0 if architecture.fidelity is Fidelity.PAPER else degrees.attention_data_parallel
    share = layout.parallel * groups
    reduced = [(architecture.attention_layers * pace, architecture.width)]
    reduced += [(square * kind.layers * pace, kind.outputs) for kind in architecture.attention if kind.matrices]
    for times, size in reduced:
        add("attention_allreduce_s", times, layout.ranks, layout.nodes, size / share, all_reduce=True)
    for block in architecture.blocks:
        expert_parallel, ranks = block_ranks(block, degrees)
        layout = tensor_layout(ranks, degrees.two_dimensional, accelerator.node_size)
        side_by_side = degrees.stage_ranks / layout.ranks
        layers = block.layers * pace
        for times, size in (
            (layers, block.active * block.down * architecture.width),
            (square * layers, block.active * block.up * block.width),
        ):
            add(
                "feed_forward_allreduce_s",
                times,
                layout.ranks,
                layout.nodes,
                size / side_by_side,
                all_reduce=True,
            )
        if block.experts > 1:
            ranks = np.minimum(block.active, expert_parallel)
            add(
                "expert_all_to_all_s",
                2 * layers,
                ranks,
                np.ceil(ranks / accelerator.node_size),
                architecture.width * ranks / degrees.stage_ranks,
                all_reduce=False,
            )
    pair = np.full_like(degrees.stage_ranks, 2.0)
    add(
        "pipeline_transfer_s",
        degrees.pipeline_parallel - 1.0,
        pair,
        pair,
        architecture.width / degrees.stage_ranks,
        all_reduce=False,
    )
    return collectives
