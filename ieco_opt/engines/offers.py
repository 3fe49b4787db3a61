"""Which exchanges of experts a server has for a model, precision and accelerator, rules that name them aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.engines.facts import EngineFacts
from ieco_opt.engines.profile import Exchange, Profile
from ieco_opt.engines.spread import EXCHANGES, NONE


def offered(profile: Profile, facts: EngineFacts, values: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Exchanges that a server has for configurations, with a last axis over ``EXCHANGES``; none for a dense model.

    Parameters
    ----------
    values
        Columns of the configurations, completed.
    """
    shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    found = np.zeros((*shape, len(EXCHANGES)), dtype=bool)
    if not facts.routed:
        found[..., NONE] = True
        return found
    known = {**values, **facts.numbers}
    for each in profile.prices.exchange:
        if _is_for(each, facts):
            found[..., EXCHANGES.index(each.kind)] |= np.broadcast_to(np.asarray(each.when(known), dtype=bool), shape)
    return found


def _is_for(each: Exchange, facts: EngineFacts) -> bool:
    """Whether an exchange is for a model, precision and accelerator."""
    return (
        (not each.vendors or facts.vendor is None or facts.vendor in each.vendors)
        and (not each.precisions or facts.checkpoint.format in each.precisions)
        and (not each.architectures or facts.architecture in each.architectures)
        and facts.architecture not in each.not_architectures
    )
