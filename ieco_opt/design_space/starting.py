"""Which servers start a deployment, besides the one that was priced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.families import Family
from ieco_opt.performance.degrees import Degrees


def same_setups(listed: Degrees, wanted: Degrees, row: int = 0) -> Rows:
    """Rows of ``listed`` with the degrees and the exchange of experts of one row of ``wanted``."""
    same = listed.spread.exchange == wanted.spread.exchange[row]
    for name in (
        "stage_ranks",
        "attention_data_parallel",
        "pipeline_parallel",
        "expert_parallel",
        "redundant_experts",
        "two_dimensional",
    ):
        same = same & (getattr(listed, name) == getattr(wanted, name)[row])
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
            row = family.alternatives(np.array([setup]), tokens, drafts[:1] if tokens else None)
            if row.batch_min[0] <= batch <= row.batch_max[0]:
                found.append(family.engine)
    return tuple(sorted(set(found)))
