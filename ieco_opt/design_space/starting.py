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


Setup = tuple[Family, int]
"""A setup of a server: a row of its family."""


def starting(families: Sequence[Family], alternative: Alternatives, batch: int) -> tuple[str, ...]:
    """Names of the servers, each with all its setups as a family, that start one alternative at a batch, sorted."""
    return engines_at(setups_like(families, alternative)[0], batch, speculates=bool(alternative.draft_tokens[0] > 0))


def setups_like(families: Sequence[Family], alternatives: Alternatives) -> list[list[Setup]]:
    """Setups of servers that are those of each of some alternatives, whatever the batch is."""
    found: list[list[Setup]] = [[] for _ in range(len(alternatives))]
    for family in families:
        if family.engine is None:
            continue
        for row, setup in _pairs(family.setups.degrees, alternatives.degrees):
            found[row].append((family, setup))
    return found


def engines_at(setups: Sequence[Setup], batch: int, *, speculates: bool) -> tuple[str, ...]:
    """Names of the servers of some setups that run a batch there, sorted."""
    taking = (family for family, setup in setups if _takes(family, setup, batch, speculates=speculates))
    return tuple(sorted({family.engine for family in taking if family.engine is not None}))


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
