"""The ways in which servers of a scenario run the degrees of a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ieco_opt.comparison.findings import Finding, not_offered, refused
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.starting import same_setups
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.heuristics.interface import NO_SERVER
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.rules import is_deployable

UNKNOWN = -1
"""In place of an exchange of experts: the model has none, or it is not known."""


@dataclass(frozen=True, slots=True)
class Way:
    """Degrees of one row on a server, or by the equations alone."""

    family: Family
    degrees: Degrees

    @property
    def engine(self) -> int:
        """Position of the server in the scenario's list."""
        return NO_SERVER if self.family.server is None else self.family.engine_index

    @property
    def exchange(self) -> int:
        """Number of its exchange of experts."""
        return _exchange(self.family, self.degrees)

    @property
    def room(self) -> float:
        """Bytes of the most loaded GPU that a server's reserve and the weights leave; 0 where no batch fits."""
        setups = same_setups(self.family.setups.degrees, self.degrees)
        return float(self.family.setups.free_bytes[setups[0]]) if len(setups) else 0.0


def _exchange(family: Family, degrees: Degrees) -> int:
    has_exchange = family.shape.experts > 1 and is_deployable(family.shape)
    return int(degrees.spread.exchange[0]) if has_exchange else UNKNOWN


def exchange_named(family: Family, degrees: Degrees, *, named: bool) -> int:
    """The exchange of a proposal that cannot be launched: its own, if it names a server or there are none to name."""
    return _exchange(family, degrees) if named or family.server is None else UNKNOWN


def ways_of(families: Sequence[Family], degrees: Degrees, *, named: bool) -> tuple[list[Way], list[Finding]]:
    """Every way in which servers run whole degrees of one row; and of those that do not, the rule that they break.

    Parameters
    ----------
    families
        Of one accelerator and precision, one for each server.
    named
        Whether the degrees say which exchange of experts is meant; ``UNKNOWN`` says that any is.
    """
    found: list[Way] = []
    broken: list[Finding] = []
    for family in families:
        if family.server is None:
            found.append(Way(family, degrees))
            continue
        refusal = family.server.refusal(degrees)
        if refusal is not None:
            broken.append(refused(family.server.words(refusal.rule), refusal))
            continue
        offered = family.server.with_exchanges(degrees)
        exchange = _exchange(family, degrees)
        wanted = (
            offered.spread.exchange == exchange if named and exchange != UNKNOWN else np.ones(len(offered.gpus), bool)
        )
        if not wanted.any():
            words = f"{family.server.profile.title}: no exchange {EXCHANGES[exchange]} in these degrees"
            broken.append(not_offered(words))
        found += [Way(family, offered.take(np.array([row]))) for row in np.flatnonzero(wanted)]
    return found, broken
