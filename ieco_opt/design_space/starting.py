"""Which servers start a deployment, besides the one that was priced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.families import Family
from ieco_opt.performance.degrees import DECIDING, Degrees

_AT_ONCE = 4_000_000
"""So many pairs of setups are compared at once, a byte each."""


def same_setups(listed: Degrees, wanted: Degrees, *, any_exchange: bool = False) -> Rows:
    """Rows of ``listed`` with the degrees of the one row of ``wanted``, and with its exchange unless any will do."""
    return np.flatnonzero(_alike(listed, wanted, any_exchange=any_exchange)[0])


def starting(families: Sequence[Family], alternative: Alternatives, batch: int) -> tuple[str, ...]:
    """Names of the servers, each with all its setups as a family, that start one alternative at a batch, sorted."""
    return starting_each(families, alternative, [batch])[0]


def starting_each(
    families: Sequence[Family], alternatives: Alternatives, batches: Sequence[int]
) -> list[tuple[str, ...]]:
    """The same of several alternatives, each at a batch of its own."""
    found: list[set[str]] = [set() for _ in batches]
    tokens = alternatives.draft_tokens.tolist()
    for family in families:
        if family.engine is None:
            continue
        for row, setup in _pairs(family.setups.degrees, alternatives.degrees):
            if _takes(family, setup, batches[row], speculates=tokens[row] > 0):
                found[row].add(family.engine)
    return [tuple(sorted(each)) for each in found]


def _takes(family: Family, setup: int, batch: int, *, speculates: bool) -> bool:
    """Whether a setup of a family runs a batch, beside its draft where it speculates."""
    if not family.setups.batch_min[setup] <= batch <= family.setups.batch_max[setup]:
        return False
    if not speculates:
        return True
    drafts = family.beside(setup)[:1]
    return bool(family.pair_fits(np.array([setup]), drafts, np.array([float(batch)])).any()) if len(drafts) else False


def _pairs(listed: Degrees, wanted: Degrees) -> Iterator[tuple[int, int]]:
    """Pairs of a row of ``wanted`` and one of ``listed`` that are the same setup."""
    several = max(1, _AT_ONCE // max(1, len(listed.stage_ranks)))
    for first in range(0, len(wanted.stage_ranks), several):
        rows = np.arange(first, min(first + several, len(wanted.stage_ranks)))
        of_wanted, of_listed = np.nonzero(_alike(listed, wanted.take(rows)))
        yield from zip((first + of_wanted).tolist(), of_listed.tolist(), strict=True)


def _alike(listed: Degrees, wanted: Degrees, *, any_exchange: bool = False) -> NDArray[np.bool_]:
    """Which setups are the same, of shape (rows of ``wanted``, rows of ``listed``)."""
    same = np.ones((len(wanted.stage_ranks), len(listed.stage_ranks)), dtype=bool)
    for name in DECIDING:
        alike = getattr(listed, name) == getattr(wanted, name)[:, None]
        # One rank has no layout.
        same &= alike | (listed.stage_ranks == 1.0) if name == "two_dimensional" else alike
    if not any_exchange:
        same &= listed.spread.exchange == wanted.spread.exchange[:, None]
    return same
