"""Whether a server runs a point as it was priced for another one, or by the equations alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.engines.acceptance import exchanges
from ieco_opt.engines.facts import EngineFacts
from ieco_opt.engines.pricing import spread
from ieco_opt.engines.profile import Profile
from ieco_opt.engines.spread import EXCHANGES, NONE, Spread
from ieco_opt.engines.store import NAMES, profile

_RANKS = {
    "dense_ranks": "dense layers",
    "shared_ranks": "shared experts",
    "embedding_ranks": "the embedding",
    "head_ranks": "the head",
}


def lacks_exchange(chosen: Profile, row: Mapping[str, Any], facts: EngineFacts, columns: Mapping[str, float]) -> str:
    """Why a server cannot do the exchange of experts of a point; empty where it can, and where none is told."""
    wanted = row.get("exchange")
    if wanted not in EXCHANGES or not facts.routed:
        return ""
    offered = exchanges(chosen, facts, columns)[()]
    if offered[EXCHANGES.index(wanted)]:
        return ""
    has = " or ".join(kind for kind, good in zip(EXCHANGES, offered, strict=True) if good)
    return f"the point exchanges tokens by {wanted}, where {chosen.title} has {has or 'nothing'}"


def dense_ranks(
    chosen: Profile, row: Mapping[str, Any], facts: EngineFacts, columns: Mapping[str, float]
) -> dict[str, float]:
    """Ranks that share the dense layers of a point in a server, for a flag that says them."""
    said = spread(chosen, columns, int(facts.numbers["experts"]), _exchange_number(row), facts)
    return {"dense_ranks": float(said.dense_ranks)}


def priced_otherwise(
    chosen: Profile,
    asked: Sequence[Profile],
    row: Mapping[str, Any],
    facts: EngineFacts,
    columns: Mapping[str, float],
) -> str:
    """What a server does in another way than the point was priced; empty where it does not, or where nobody knows.

    Parameters
    ----------
    asked
        Servers that the point was chosen from, some perhaps with profiles of the scenario's own.
    row
        The point: ``engine`` is the server that it was priced for, ``exchange`` how its experts get their tokens.
    """
    engine, exchange = row.get("engine"), row.get("exchange")
    if facts.routed and exchange is None:
        return ""
    number = _exchange_number(row)
    experts = int(facts.numbers["experts"])
    ours = spread(chosen, columns, experts, number, facts)
    if engine is None:
        theirs, who = Spread.over_all(np.asarray(columns["stage_ranks"])), "by the equations alone"
    elif (priced_for := _profile_of(engine, asked)) is not None:
        theirs, who = spread(priced_for, columns, experts, number, facts), f"as {priced_for.title} runs it"
    else:
        return ""
    parts = {name: part for name, part in _RANKS.items() if _matters(name, facts)}
    wrong = [part for name, part in parts.items() if float(getattr(ours, name)) != float(getattr(theirs, name))]
    if not wrong:
        return ""
    return (
        f"its figures are others: it was priced {who}, and {chosen.title} spreads {', '.join(wrong)} over other ranks"
    )


def _exchange_number(row: Mapping[str, Any]) -> NDArray[np.int64]:
    """The exchange of experts of a point; none where it tells none."""
    told = row.get("exchange")
    return np.asarray(EXCHANGES.index(told) if told in EXCHANGES else NONE)


def _profile_of(engine: object, asked: Sequence[Profile]) -> Profile | None:
    """The profile that a point was priced with; ``None`` where it is not known here."""
    own = next((each for each in asked if each.name == engine), None)
    return profile(str(engine)) if own is None and engine in NAMES else own


def _matters(name: str, facts: EngineFacts) -> bool:
    """Whether a model has weights of a kind."""
    tables = {("dense_width",): "dense_ranks", ("shared_width",): "shared_ranks"}
    absent = {ranks for table, ranks in tables.items() if not facts.tables.get(table)}
    return name not in absent
