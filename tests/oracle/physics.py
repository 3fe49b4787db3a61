"""One pass of either fidelity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ieco_opt.catalog.types import Accelerator, Model, PaperModel

from . import deployable, paper
from .common import Components, Setup

__all__ = ["Components", "Setup", "evaluate"]


def evaluate(
    model: Model | PaperModel,
    accelerator: Accelerator,
    setup: Setup,
    *,
    batch: ArrayLike,
    context_tokens: float,
    tokens_per_pass: ArrayLike = 1,
    weights: str = "",
) -> Components:
    """Time one pass of one micro-batch; the kind of model decides the fidelity.

    Parameters
    ----------
    batch
        Sequences in flight over all stages.
    context_tokens
        Tokens in the cache during this pass (in deployable fidelity, of the average step).
    tokens_per_pass
        Tokens per sequence in this pass; broadcast against ``batch``.
    weights
        Precision of the weights; empty for a model of the paper.
    """
    sequences, tokens = np.asarray(batch, dtype=float), np.asarray(tokens_per_pass, dtype=float)
    if isinstance(model, PaperModel):
        return paper.evaluate(model, accelerator, setup, sequences, context_tokens, tokens)
    return deployable.evaluate(model, accelerator, setup, weights, sequences, context_tokens, tokens)
