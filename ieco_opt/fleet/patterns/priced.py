"""Prices of pieces: what they prove, and what questions about a fleet leave to the ones after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.fleet.patterns.enumeration import Enumeration, Vectors
    from ieco_opt.fleet.patterns.pieces import Floats, Pieces
    from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity

    Question = tuple[Quantity | Goal, frozenset[Quantity], tuple[int, ...], tuple[int, ...]]
    """What questions have in common: the objective, what has a limit, and pieces of the pools."""


@dataclass(frozen=True, slots=True)
class Priced:
    """Prices of pieces, and what they prove.

    Attributes
    ----------
    prices
        Of one piece each, in the unit of the objective.
    least
        Of each workload the least price of its vectors.
    bound
        No plan has less of the objective. A plan has no less than this bound and what its vectors cost beyond the
        least prices.
    known
        Vectors of each workload that were the cheapest at some prices.
    """

    prices: Floats
    least: tuple[float, ...]
    bound: float
    known: tuple[Vectors, ...] = ()


@dataclass(slots=True)
class Remembered:
    """Prices and what was found with them.

    Attributes
    ----------
    prices
        Limits and prices of the questions so far, by speed factor. The next question begins at those of the nearest
        one: where it differs in what hardly matters, such as a demand that is a millionth greater, they are the same.
    last
        The question before, and what :func:`~ieco_opt.fleet.patterns.prices.priced_program` found: the fewest instances
        are asked for where the fewest GPUs were.
    """

    prices: dict[Question, dict[float, tuple[Mapping[Quantity, float], Priced]]] = field(default_factory=dict)
    last: tuple[FleetProgramData, tuple[Pieces, list[Enumeration], Priced]] | None = None

    def same(self, data: FleetProgramData) -> tuple[Pieces, list[Enumeration], Priced] | None:
        """What came of the question before, if this is that one."""
        if self.last is None:
            return None
        before, asked = self.last
        # Problems are compared by identity: all their columns would have to be compared otherwise.
        same = before.problem is data.problem and before.minimise is data.minimise and before.epsilons == data.epsilons
        return asked if same and before.relaxed is data.relaxed else None
