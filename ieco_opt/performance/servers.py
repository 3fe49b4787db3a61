"""Servers: which configurations they start, and the layouts in which they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.engines import (
    EngineFacts,
    Profile,
    Spread,
    accepts,
    exchanges,
    facts_of,
    host_size,
    spread,
    usual_exchange,
)
from ieco_opt.engines.acceptance import ACCEPTED
from ieco_opt.performance.degrees import Degrees

FLAT_ONLY = "no server has two-dimensional tensor parallelism"


@dataclass(frozen=True, slots=True)
class Served:
    """The models of a scenario, as its fields name them.

    Attributes
    ----------
    profiles
        Servers that may run it, in order of preference; none: the equations alone.
    reference
        How the scenario names the model, which says which checkpoint is loaded.
    """

    profiles: tuple[Profile, ...] = ()
    reference: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server, with what its rules need to know of one model, precision and accelerator."""

    profile: Profile
    facts: EngineFacts
    accelerator: Accelerator

    def accepted(self, degrees: Degrees) -> tuple[NDArray[np.bool_], Counter[str]]:
        """Which degrees it starts, and how many the first rule that they break refuses."""
        reasons = Counter[str]()
        flat = ~degrees.two_dimensional
        if not flat.all():
            reasons[FLAT_ONLY] += int((~flat).sum())
        found = accepts(self.profile, self.facts, self._columns(degrees))
        for number, count in zip(*np.unique(found.broken[flat], return_counts=True), strict=True):
            if number != ACCEPTED:
                reasons[f"{self.profile.title}: {found.rules[int(number)].says}"] += int(count)
        return found.mask & flat, reasons

    def accepts_draft(self, degrees: Degrees) -> NDArray[np.bool_]:
        """Where it runs the draft model on the ranks of the model."""
        columns = self._columns(degrees) | {
            "draft_tokens": np.asarray(2.0),
            "draft_tensor_parallel": degrees.tensor_parallel,
            "draft_attention_data_parallel": degrees.attention_data_parallel,
            "draft_pipeline_parallel": np.ones_like(degrees.stage_ranks),
        }
        return accepts(self.profile, self.facts, columns).mask

    def with_exchanges(self, degrees: Degrees) -> Degrees:
        """Each setup once for every exchange of experts that the server has for it, laid out as it does."""
        row, exchange = np.nonzero(self.offers(degrees))
        return self.laid_out(degrees.take(row), exchange)

    def offers(self, degrees: Degrees) -> NDArray[np.bool_]:
        """Which exchanges of experts it has for each setup, with a last axis over ``engines.EXCHANGES``."""
        return exchanges(self.profile, self.facts, self._columns(degrees))

    @property
    def experts(self) -> int:
        """Experts of a layer of the model; 1 for a dense one."""
        return int(self.facts.numbers["experts"])

    def usual_exchange(self, degrees: Degrees, experts: int) -> NDArray[np.int64]:
        """What it does for each setup of a model of so many experts without being asked."""
        return usual_exchange(self.profile, self._columns(degrees), experts)

    def laid_out(self, degrees: Degrees, exchange: NDArray[np.int64]) -> Degrees:
        """Setups as it runs them with an exchange of experts each."""
        return replace(degrees, spread=self.spread(degrees, self.experts, exchange))

    def spread(self, degrees: Degrees, experts: int, exchange: NDArray[np.int64]) -> Spread:
        """Layout of a model of so many experts in these degrees."""
        return spread(self.profile, self._columns(degrees), experts, exchange)

    def _columns(self, degrees: Degrees) -> dict[str, Any]:
        return {
            "tensor_parallel": degrees.tensor_parallel,
            "attention_data_parallel": degrees.attention_data_parallel,
            "pipeline_parallel": degrees.pipeline_parallel,
            "expert_parallel": degrees.expert_parallel,
            "redundant_experts": degrees.redundant_experts,
            "batch": degrees.groups,
            "nodes": np.ceil(degrees.gpus / host_size(self.accelerator)),
            "node_size": np.asarray(float(self.accelerator.node_size)),
        }


def server_of(
    profile: Profile, served: Served, model: Model, precision: Precision, accelerator: Accelerator, draft: Model | None
) -> Server:
    """A server for one model, precision and accelerator."""
    facts = facts_of(
        model,
        precision.weights,
        accelerator,
        kv_cache=precision.kv_cache,
        draft=draft,
        reference=served.reference,
    )
    return Server(profile, facts, accelerator)
