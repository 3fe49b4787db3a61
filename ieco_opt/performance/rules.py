"""Which degrees exist by the model alone: the rules of heads, experts and stages, for both fidelities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.memory import paper_holds


def paper_expert_parallel(architecture: Architecture, stage_ranks: Array, micro_batch: Array) -> Array:
    """Q = min(T, E), but 1 where the micro-batch is below 2 s and experts would starve."""
    sparsity = max(block.sparsity for block in architecture.blocks)
    return np.where(micro_batch < 2.0 * sparsity, 1.0, np.minimum(stage_ranks, architecture.experts))


def paper_fits(
    architecture: Architecture,
    accelerator: Accelerator,
    degrees: Degrees,
    batch: Array,
    context_tokens: float | Array,
) -> NDArray[np.bool_]:
    """The paper's feasibility: its memory rule, and P <= min(N, B)."""
    return paper_holds(architecture, accelerator, degrees, batch, context_tokens) & (
        degrees.pipeline_parallel <= np.minimum(degrees.gpus, batch)
    )


def divide(architecture: Architecture, degrees: Degrees) -> NDArray[np.bool_]:
    """Whether heads, experts and layers divide as in ``deployable`` they must, whatever the server."""
    ranks = degrees.tensor_parallel
    accepted: NDArray[np.bool_] = (
        (degrees.stage_ranks % degrees.attention_data_parallel == 0)
        & ((architecture.experts + degrees.redundant_experts) % degrees.expert_parallel == 0)
        & (degrees.stage_ranks % degrees.expert_parallel == 0)
        & (degrees.pipeline_parallel <= architecture.layers)
    )
    for kind in architecture.attention:
        accepted &= kind.heads % np.maximum(ranks, 1.0) == 0
    return accepted


def is_deployable(architecture: Architecture) -> bool:
    """Whether the architecture is read in fidelity ``deployable``."""
    return architecture.fidelity is Fidelity.DEPLOYABLE
