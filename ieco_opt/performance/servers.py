"""Servers: which configurations they start, and the layouts in which they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.engines import (
    ALL_TO_ALL,
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
from ieco_opt.engines.acceptance import ACCEPTED, values_in
from ieco_opt.engines.expressions import parse
from ieco_opt.engines.profile import Rule
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.serving import Phase

FLAT_ONLY = Rule(parse("1 == 0", ()), "no server has two-dimensional tensor parallelism", "docs/engines.md")


@dataclass(frozen=True, slots=True)
class EngineChoices:
    """The servers that a scenario chooses from, and how it names the model that they run.

    Attributes
    ----------
    profiles
        Servers that may run it, in order of preference; none: the equations alone.
    reference
        How the scenario names the model, which says which checkpoint is loaded.
    factors
        Whether several servers are each priced with the launches that their measurements say; a single one always is.
    phase
        What the instances do of requests.
    """

    profiles: tuple[Profile, ...]
    reference: str | Mapping[str, Any] | None
    factors: bool = False
    phase: Phase = Phase.COLOCATED

    def servers(
        self, model: Model, precision: Precision, accelerator: Accelerator, draft: Model | None = None
    ) -> list[Server]:
        """Each server with what its rules need to know of one model, precision and accelerator."""
        facts = facts_of(
            model,
            precision.weights,
            accelerator,
            kv_cache=precision.kv_cache,
            draft=draft,
            reference=self.reference,
            phase=self.phase.value,
        )
        return [Server(profile, facts, self._calibrated(accelerator, profile, model.name)) for profile in self.profiles]

    def _calibrated(self, accelerator: Accelerator, profile: Profile, model: str) -> Accelerator:
        """The accelerator with the constants of a server where these count (docs/performance-model.md, f)."""
        calibration = accelerator.calibration
        if calibration is None or not (self.factors or len(self.profiles) == 1):
            return accelerator
        return replace(accelerator, calibration=calibration.on_server(profile.name, model))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that a configuration breaks, and what the names of its expression stand for there."""

    rule: Rule
    values: Mapping[str, tuple[float, ...]]

    @property
    def here(self) -> str:
        """The values in words."""
        return ", ".join(f"{name} = {' and '.join(map('{:g}'.format, each))}" for name, each in self.values.items())


@dataclass(frozen=True, slots=True)
class Server:
    """A server, with what its rules need to know of one model, precision and accelerator.

    The accelerator's calibration is that of the server, as far as the factors of servers count.
    """

    profile: Profile
    facts: EngineFacts
    accelerator: Accelerator

    @property
    def decides_degrees(self) -> Hashable:
        """All that decides which degrees it starts, and their layouts: of the accelerator no more than this."""
        return self.profile, self.facts, self.accelerator.node_size, host_size(self.accelerator)

    def accepted(
        self, degrees: Degrees, exchange: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.bool_], Counter[str]]:
        """Which degrees it starts, and how many the first rule that they break refuses; in any exchange, or in one."""
        reasons = Counter[str]()
        flat = ~degrees.two_dimensional
        if not flat.all():
            reasons[FLAT_ONLY.says] += int((~flat).sum())
        columns = self._columns(degrees)
        if exchange is not None:
            columns["all_to_all"] = np.asarray(exchange == ALL_TO_ALL, dtype=float)
        found = accepts(self.profile, self.facts, columns)
        for number, count in enumerate(np.bincount(found.broken[flat & (found.broken != ACCEPTED)]).tolist()):
            if count:
                reasons[self.words(found.rules[number])] += count
        return found.mask & flat, reasons

    def refusal(self, degrees: Degrees, draft_tokens: int = 0) -> Refusal | None:
        """The first rule that the degrees of one row break, with a draft model if it is to propose any tokens."""
        if degrees.two_dimensional[0]:
            return Refusal(FLAT_ONLY, {})
        columns = self._columns(degrees)
        if draft_tokens:
            columns = self._drafted(columns, degrees, draft_tokens)
        rule = accepts(self.profile, self.facts, columns).reason()
        return None if rule is None else Refusal(rule, values_in(rule, self.facts, columns))

    def words(self, rule: Rule) -> str:
        """A rule in short words, with whose it is."""
        return rule.says if rule is FLAT_ONLY else f"{self.profile.title}: {rule.says}"

    def accepts_draft(self, degrees: Degrees) -> NDArray[np.bool_]:
        """Where it runs the draft model on the ranks of the model."""
        return accepts(self.profile, self.facts, self._drafted(self._columns(degrees), degrees, 2)).mask

    def _drafted(self, columns: dict[str, Any], degrees: Degrees, draft_tokens: int) -> dict[str, Any]:
        """Columns with those of a draft model on the same ranks."""
        return columns | {
            "draft_tokens": np.asarray(float(draft_tokens)),
            "draft_tensor_parallel": degrees.tensor_parallel,
            "draft_attention_data_parallel": degrees.attention_data_parallel,
            "draft_pipeline_parallel": np.ones_like(degrees.stage_ranks),
        }

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

    def spread(self, degrees: Degrees, experts: int, exchange: NDArray[np.int64], *, own: bool = True) -> Spread:
        """Layout of so many experts in these degrees: of the ``own`` layers of the model, or of a draft model."""
        facts = self.facts if own else None
        return spread(self.profile, self._columns(degrees), experts, exchange, facts)

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
