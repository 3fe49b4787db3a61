"""What prices depend on in each server: over how many ranks weights are split, and its usual exchange of experts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import product
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ieco_opt.engines.acceptance import Columns, completed
from ieco_opt.engines.columns import DENSE, FACTS, SHARED
from ieco_opt.engines.expressions import Expression
from ieco_opt.engines.facts import EngineFacts
from ieco_opt.engines.profile import Layout, Profile
from ieco_opt.engines.spread import ALL_TO_ALL, EXCHANGES, NONE, Spread
from ieco_opt.errors import ScenarioError


def usual_exchange(profile: Profile, columns: Columns, experts: int) -> NDArray[np.int64]:
    """What a server does without being asked: the first exchange of its list that it has for all models, else none."""
    values, shape = _values(columns, dict.fromkeys(FACTS, np.nan) | {"experts": experts})
    found = np.full(shape, NONE, dtype=np.int64)
    for each in reversed(profile.prices.exchange if experts > 1 else ()):
        if not each.about:
            found = np.where(np.asarray(each.when(values), dtype=bool), EXCHANGES.index(each.kind), found)
    return found


def spread(
    profile: Profile, columns: Columns, experts: int, exchange: NDArray[np.int64], facts: EngineFacts | None = None
) -> Spread:
    """Say how a server lays out configurations that it accepts, with an exchange of experts for each.

    Parameters
    ----------
    columns
        As of :func:`ieco_opt.engines.acceptance.accepts`.
    experts
        Of the model; 1 for a dense one.
    exchange
        Numbers in ``EXCHANGES``.
    facts
        Of the model that is laid out: of several widths the one over the fewest ranks counts. ``None`` for a draft
        model, whose widths nothing is split less for.

    Raises
    ------
    ScenarioError
        The profile gives a share of no ranks, or of more than a stage has.
    """
    pieces = {name: 0.0 if facts is None else facts.numbers[name] for name in ("block", "tile")}
    values, shape = _values(columns, {"experts": experts} | pieces)
    values["all_to_all"] = np.asarray(exchange == ALL_TO_ALL, dtype=float)
    prices, layout = profile.prices, _layout(profile, facts)
    # A table may ask for less than a rank, such as 8 GPUs in 16 stages: no configuration, and no fault of a profile.
    is_one = (values["tensor_parallel"] >= 1.0) & (values["attention_data_parallel"] >= 1.0)

    def over(name: str) -> NDArray[np.float64]:
        own = None if layout is None else getattr(layout, name, None)
        expression: Expression = own or getattr(prices, name)
        rows = (expression({**values, **of_row}) for of_row in _widths(expression, facts))
        ranks: Any = np.asarray(reduce(np.minimum, rows), dtype=float)
        wrong = is_one & ~((ranks >= 1.0) & (ranks <= values["stage_ranks"]))
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


def _layout(profile: Profile, facts: EngineFacts | None) -> Layout | None:
    """What is split otherwise for the class of a model."""
    listed = () if facts is None else profile.prices.layouts
    return next((each for each in listed if facts is not None and facts.architecture in each.architectures), None)


def _widths(expression: Expression, facts: EngineFacts | None) -> Iterator[dict[str, float]]:
    """Every combination of the widths that an expression names; a width of 0 is no block, and split over any ranks."""
    tables = [table for table in (DENSE, SHARED) if expression.names & set(table)]
    rows = [(() if facts is None else facts.tables.get(table, ())) or ((0.0,),) for table in tables]
    for chosen in product(*rows):
        yield {table[0]: row[0] for table, row in zip(tables, chosen, strict=True)}


def _refuse(profile: Profile, name: str, ranks: Any, values: dict[str, Any], wrong: NDArray[np.bool_]) -> NoReturn:
    """Name the first configuration whose share of ranks no server could have."""
    at = int(np.argmax(wrong))
    shown, most = (float(np.broadcast_to(each, wrong.shape).reshape(-1)[at]) for each in (ranks, values["stage_ranks"]))
    message = f"found {shown:g} of {most:g} ranks of a stage, expected 1 to {most:g}"
    raise ScenarioError.single(message, file=profile.file or None, field=f"prices.{name}")


def _values(columns: Columns, facts: Mapping[str, float]) -> tuple[dict[str, Any], tuple[int, ...]]:
    values = completed(columns) | {name: np.asarray(float(value)) for name, value in facts.items()}
    return values, np.broadcast_shapes(*(np.shape(value) for value in values.values()))
