"""Which servers start a deployment, besides the one that was priced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.families import Family
from ieco_opt.performance.degrees import DECIDING, Degrees


def same_setups(listed: Degrees, wanted: Degrees, *, any_exchange: bool = False) -> Rows:
    """Rows of ``listed`` with the degrees of the one row of ``wanted``, and with its exchange unless any will do."""
    same = np.ones(len(listed.stage_ranks), dtype=bool)
    for name in DECIDING:
        alike = getattr(listed, name) == getattr(wanted, name)
        # One rank has no layout.
        same &= alike | (listed.stage_ranks == 1.0) if name == "two_dimensional" else alike
    if not any_exchange:
        same &= listed.spread.exchange == wanted.spread.exchange
    return np.flatnonzero(same)


def starting(families: Sequence[Family], alternative: Alternatives, batch: int) -> tuple[str, ...]:
    """Names of the servers, each with all its setups as a family, that start one alternative at a batch, sorted."""
    found = []
    for family in families:
        if family.engine is None:
            continue
        for setup in same_setups(family.setups.degrees, alternative.degrees):
            tokens, drafts = int(alternative.draft_tokens[0]), family.beside(int(setup))
            if tokens and not len(drafts):
                continue
            low, high = family.batch_bounds(np.array([setup]), drafts[:1] if tokens else None)
            if low[0] <= batch <= high[0]:
                found.append(family.engine)
    return tuple(sorted(set(found)))
