"""Parallelism degrees of many setups, and the ranks and layers that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Fidelity
from ieco_opt.engines.spread import Spread
from ieco_opt.performance.architecture import Architecture, Block
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.rows import take_rows

DECIDING = (
    "stage_ranks",
    "pipeline_parallel",
    "expert_parallel",
    "attention_data_parallel",
    "two_dimensional",
    "redundant_experts",
)
"""Columns of ``Degrees`` that decide all others but the layout on a server."""


@dataclass(frozen=True, slots=True)
class Degrees:
    """Parallelism degrees of many setups; every array has shape (setups,), real values allowed.

    ``stage_ranks`` counts the GPUs of one pipeline stage (the paper's T): ``tensor_parallel`` times
    ``attention_data_parallel``, and ``expert_parallel`` times ``expert_tensor_parallel``. ``redundant_experts``
    counts copies of experts in each routed layer. ``spread`` says how the server lays the model over the ranks.
    """

    stage_ranks: Array
    pipeline_parallel: Array
    expert_parallel: Array
    attention_data_parallel: Array
    two_dimensional: NDArray[np.bool_]
    redundant_experts: Array
    spread: Spread

    @classmethod
    def plain(
        cls,
        stage_ranks: Array,
        pipeline_parallel: Array,
        expert_parallel: Array,
        attention_data_parallel: Array,
        two_dimensional: NDArray[np.bool_],
        redundant_experts: Array,
    ) -> Degrees:
        """Degrees as the equations alone price them: one copy of all weights but attention in each stage."""
        return cls(
            stage_ranks,
            pipeline_parallel,
            expert_parallel,
            attention_data_parallel,
            two_dimensional,
            redundant_experts,
            Spread.over_all(stage_ranks),
        )

    @property
    def groups(self) -> Array:
        """Sequences that a server's batch is a multiple of: one in each attention group and micro-batch."""
        return self.attention_data_parallel * self.pipeline_parallel

    @property
    def gpus(self) -> Array:
        """GPUs of each setup."""
        return self.stage_ranks * self.pipeline_parallel

    @property
    def expert_tensor_parallel(self) -> Array:
        """Tensor ranks of one expert."""
        return np.maximum(1.0, self.stage_ranks / self.expert_parallel)

    @property
    def tensor_parallel(self) -> Array:
        """Tensor ranks of one attention group, which is what servers call their tensor-parallel degree."""
        return self.stage_ranks / self.attention_data_parallel

    def take(self, rows: NDArray[np.intp]) -> Degrees:
        """Keep the given rows, in the given order."""
        return take_rows(self, rows)


def pace_of(architecture: Architecture, degrees: Degrees) -> Array:
    """Layers that the slowest stage makes every stage wait for, over the layers there are."""
    if architecture.fidelity is Fidelity.PAPER:
        return np.ones_like(degrees.pipeline_parallel)
    stages = degrees.pipeline_parallel
    return stages * np.ceil(architecture.layers / stages) / architecture.layers


def block_ranks(block: Block, degrees: Degrees) -> Array:
    """Tensor ranks that share one copy of a feed-forward block, or of one of its experts."""
    if block.experts > 1:
        return degrees.expert_tensor_parallel
    return degrees.spread.shared_ranks if block.part == "shared_experts" else degrees.spread.dense_ranks
