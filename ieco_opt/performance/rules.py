"""Which degrees exist by the model alone: the rules of heads, experts and stages, for both fidelities."""

from __future__ import annotations

from collections.abc import Iterator

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
    accepted = np.ones(degrees.stage_ranks.shape, dtype=bool)
    for _, holds in divisions(architecture, degrees):
        accepted &= holds
    return accepted


def divisions(architecture: Architecture, degrees: Degrees) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """What must divide, each in words with where it does."""
    ranks, groups, experts = degrees.stage_ranks, degrees.attention_data_parallel, architecture.experts
    yield "attention groups divide the ranks of a stage", ranks % groups == 0
    routed = f"expert ranks divide the {experts} experts and their copies" if experts > 1 else "a dense model has EP 1"
    yield routed, (experts + degrees.redundant_experts) % degrees.expert_parallel == 0
    yield "expert ranks divide the ranks of a stage", ranks % degrees.expert_parallel == 0
    layers = architecture.layers
    yield f"each pipeline stage has one of the {layers} layers at least", degrees.pipeline_parallel <= layers
    for kind in architecture.attention:
        words = f"tensor ranks divide the {kind.heads} heads"
        yield words, kind.heads % np.maximum(degrees.tensor_parallel, 1.0) == 0


def is_deployable(architecture: Architecture) -> bool:
    """Whether the architecture is read in fidelity ``deployable``."""
    return architecture.fidelity is Fidelity.DEPLOYABLE
