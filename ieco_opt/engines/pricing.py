"""What prices depend on in each server: over how many ranks weights are split, and the exchange of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ieco_opt.engines.acceptance import Columns, completed
from ieco_opt.engines.profile import ExchangeKind, Profile

EXCHANGES: tuple[ExchangeKind, ...] = get_args(ExchangeKind)
"""Exchanges of experts, by the numbers that stand for them."""


@dataclass(frozen=True, slots=True)
class Priced:
    """How a server runs each of many configurations.

    Attributes
    ----------
    dense_over, shared_over, embedding_over, head_over
        Ranks of a stage that each kind of weights is split over.
    exchange
        Number in ``EXCHANGES`` of what the server does without being asked; 0 (none) without experts.
    """

    dense_over: NDArray[np.float64]
    shared_over: NDArray[np.float64]
    embedding_over: NDArray[np.float64]
    head_over: NDArray[np.float64]
    exchange: NDArray[np.int64]


def priced(profile: Profile, columns: Columns, experts: int) -> Priced:
    """Say how a server runs configurations that it accepts.

    Parameters
    ----------
    columns
        As of :func:`ieco_opt.engines.acceptance.accepts`.
    experts
        Of the model; 1 for a dense one.
    """
    values = completed(columns) | {"experts": np.asarray(float(experts))}
    shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    prices = profile.prices

    def over(name: str) -> NDArray[np.float64]:
        ranks: Any = getattr(prices, name)(values)
        return np.broadcast_to(np.asarray(ranks, dtype=float), shape)

    exchange = np.zeros(shape, dtype=np.int64)
    if experts > 1:
        open_ = np.ones(shape, dtype=bool)
        for each in prices.exchange:
            holds = np.broadcast_to(each.when(values), shape) & open_
            exchange = np.where(holds, EXCHANGES.index(each.kind), exchange)
            open_ &= ~holds
    return Priced(over("dense_over"), over("shared_over"), over("embedding_over"), over("head_over"), exchange)
