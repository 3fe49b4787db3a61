"""How far the figures of a configuration can be trusted: the columns that say so."""

from __future__ import annotations

from typing import Any

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family


def trusted(family: Family, alternative: Alternatives, batch: float) -> dict[str, Any]:
    """The columns ``profile``, ``in_range`` and ``expected_error`` of a configuration at a batch.

    No measurement ran with a draft, so none is in range that does.
    """
    context = family.context
    mean = (context.cached_from + context.cached_to) / 2.0
    plain = int(alternative.draft_tokens[0]) == 0
    return _columns(family, float(alternative.gpus[0]), batch, mean, measured=plain)


def trusted_prefill(family: Family) -> dict[str, Any]:
    """The same columns of an instance that runs prompts alone, which no measurement did."""
    return _columns(family, 1.0, 1.0, 0.0, measured=False)


def _columns(family: Family, gpus: float, batch: float, context_tokens: float, *, measured: bool) -> dict[str, Any]:
    known = family.validated
    if known is None:
        return {"profile": None, "in_range": None, "expected_error": None}
    inside = known.in_range(np.array([gpus]), np.array([float(batch)]), np.array([context_tokens]))
    return {"profile": known.profile, "in_range": measured and bool(inside[0]), "expected_error": known.expected_error}
