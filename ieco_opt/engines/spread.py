"""How a server lays a model over the ranks of a stage, besides its degrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

ExchangeKind = Literal["none", "all_gather", "all_to_all"]

EXCHANGES: tuple[ExchangeKind, ...] = get_args(ExchangeKind)
"""Exchanges of experts, by the numbers that stand for them."""

NONE, ALL_GATHER, ALL_TO_ALL = range(3)
"""Every rank has every token; groups gather the tokens of all; tokens go to the ranks of their experts."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Ranks of a stage that share one copy of a kind of weights, and the exchange of experts; shape (setups,).

    The other ranks hold and read copies of their own. ``exchange`` is a number of ``EXCHANGES``. A model without routed
    experts has no exchange, whatever stands there.
    """

    dense_ranks: NDArray[np.float64]
    shared_ranks: NDArray[np.float64]
    embedding_ranks: NDArray[np.float64]
    head_ranks: NDArray[np.float64]
    exchange: NDArray[np.int64]

    @classmethod
    def over_all(cls, stage_ranks: NDArray[np.float64]) -> Spread:
        """One copy a stage and an exchange of each token with the ranks of its experts: the equations alone."""
        ranks: Any = np.asarray(stage_ranks, dtype=float)
        return cls(ranks, ranks, ranks, ranks, np.full(ranks.shape, ALL_TO_ALL, dtype=np.int64))

    def broadcast(self, shape: tuple[int, ...]) -> Spread:
        """The same for every setup of a shape."""
        names = ("dense_ranks", "shared_ranks", "embedding_ranks", "head_ranks")
        ranks: dict[str, Any] = {name: np.broadcast_to(getattr(self, name), shape) for name in names}
        return Spread(**ranks, exchange=np.broadcast_to(self.exchange, shape))
