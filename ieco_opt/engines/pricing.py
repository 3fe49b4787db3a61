"""What prices depend on in each server: over how many ranks weights are split, and the exchanges of experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ieco_opt.engines.acceptance import Columns, completed
from ieco_opt.engines.columns import FACTS
from ieco_opt.engines.facts import EngineFacts
from ieco_opt.engines.profile import Exchange, Profile
from ieco_opt.engines.spread import ALL_TO_ALL, EXCHANGES, NONE, Spread
from ieco_opt.errors import ScenarioError


def exchanges(profile: Profile, facts: EngineFacts, columns: Columns) -> NDArray[np.bool_]:
    """Which exchanges of experts a server has for configurations that it accepts; none for a dense model.

    Parameters
    ----------
    columns
        As of :func:`ieco_opt.engines.acceptance.accepts`.

    Returns
    -------
    numpy.ndarray
        The shape that the columns broadcast to, with a last axis over ``EXCHANGES``.
    """
    values, shape = _values(columns, facts.numbers)
    offered = np.zeros((*shape, len(EXCHANGES)), dtype=bool)
    if not facts.routed:
        offered[..., NONE] = True
        return offered
    for each in _exchanges_for(profile, facts):
        offered[..., EXCHANGES.index(each.kind)] |= np.broadcast_to(np.asarray(each.when(values), dtype=bool), shape)
    return offered


def _exchanges_for(profile: Profile, facts: EngineFacts) -> list[Exchange]:
    """Exchanges of a server that are for a model, precision and accelerator."""
    return [
        each
        for each in profile.prices.exchange
        if (not each.vendors or facts.vendor is None or facts.vendor in each.vendors)
        and (not each.precisions or facts.checkpoint.format in each.precisions)
        and (not each.architectures or facts.architecture in each.architectures)
        and facts.architecture not in each.not_architectures
    ]


def usual_exchange(profile: Profile, columns: Columns, experts: int) -> NDArray[np.int64]:
    """What a server does without being asked: the first exchange of its list that it has for all models, else none."""
    values, shape = _values(columns, dict.fromkeys(FACTS, np.nan) | {"experts": experts})
    found = np.full(shape, NONE, dtype=np.int64)
    for each in reversed(profile.prices.exchange if experts > 1 else ()):
        if not each.about:
            found = np.where(np.asarray(each.when(values), dtype=bool), EXCHANGES.index(each.kind), found)
    return found


def spread(profile: Profile, columns: Columns, experts: int, exchange: NDArray[np.int64]) -> Spread:
    """Say how a server lays out configurations that it accepts, with an exchange of experts for each.

    Parameters
    ----------
    columns
        As of :func:`exchanges`.
    experts
        Of the model; 1 for a dense one.
    exchange
        Numbers in ``EXCHANGES``.

    Raises
    ------
    ScenarioError
        The profile gives a share of no ranks, or of more than a stage has.
    """
    values, shape = _values(columns, {"experts": experts})
    values["all_to_all"] = np.asarray(exchange == ALL_TO_ALL, dtype=float)
    prices = profile.prices

    def over(name: str) -> NDArray[np.float64]:
        ranks: Any = np.asarray(getattr(prices, name)(values), dtype=float)
        wrong = ~((ranks >= 1.0) & (ranks <= values["stage_ranks"]))
        if wrong.any():
            _refuse(profile, name, ranks, values, wrong)
        return np.broadcast_to(ranks, shape)

    return Spread(
        dense_ranks=over("dense_over"),
        shared_ranks=over("shared_over"),
        embedding_ranks=over("embedding_over"),
        head_ranks=over("head_over"),
        exchange=np.broadcast_to(exchange, shape),
    )


def _refuse(profile: Profile, name: str, ranks: Any, values: dict[str, Any], wrong: NDArray[np.bool_]) -> NoReturn:
    """Name the first configuration whose share of ranks no server could have."""
    at = int(np.argmax(wrong))
    shown, most = (float(np.broadcast_to(each, wrong.shape).reshape(-1)[at]) for each in (ranks, values["stage_ranks"]))
    message = f"found {shown:g} of {most:g} ranks of a stage, expected 1 to {most:g}"
    raise ScenarioError.single(message, file=profile.file or None, field=f"prices.{name}")


def _values(columns: Columns, facts: Mapping[str, float]) -> tuple[dict[str, Any], tuple[int, ...]]:
    values = completed(columns) | {name: np.asarray(float(value)) for name, value in facts.items()}
    return values, np.broadcast_shapes(*(np.shape(value) for value in values.values()))
