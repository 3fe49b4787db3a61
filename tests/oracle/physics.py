"""One pass of either fidelity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ieco_opt.catalog.types import Accelerator, Model, PaperModel

from . import calibrated, paper
from .calibrated import Profile
from .common import Components, Setup
from .deployable import Load
from .precision import Precision

__all__ = ["Components", "Setup", "evaluate"]


def evaluate(
    model: Model | PaperModel,
    accelerator: Accelerator,
    setup: Setup,
    *,
    batch: ArrayLike,
    context_tokens: float,
    output_tokens: float = 0,
    tokens_per_pass: ArrayLike = 1,
    weights: str | Precision = "",
    profile: Profile | None = None,
    launch_factor: float = 1.0,
) -> Components:
    """Time one pass of one micro-batch while an answer is generated; the kind of model decides the fidelity.

    Parameters
    ----------
    batch
        Sequences in flight over all stages.
    context_tokens, output_tokens
        Tokens in the cache when the answer begins, and how many follow; the paper has no answer.
    tokens_per_pass
        Tokens per sequence in this pass; broadcast against ``batch``.
    weights
        Precision of the weights, with one of the cache or in 16 bits; empty for a model of the paper.
    profile
        Calibration profile; None: the constants of the paper, which fidelity ``paper`` has whatever is given.
    launch_factor
        Factor of a server on the launches of a profile.
    """
    sequences, tokens = np.asarray(batch, dtype=float), np.asarray(tokens_per_pass, dtype=float)
    if isinstance(model, PaperModel):
        return paper.evaluate(model, accelerator, setup, sequences, context_tokens, tokens)
    load = Load(tokens, context_tokens, context_tokens + output_tokens, tokens)
    return calibrated.evaluate(model, accelerator, setup, weights, sequences, load, profile, launch_factor)
