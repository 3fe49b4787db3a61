"""What a heuristic is given and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.rows import stack_rows, take_rows
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario

NO_SERVER = -1
"""In place of a server's position: the heuristic names none."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """Deployments that a heuristic proposes; every array has shape (proposals,).

    Attributes
    ----------
    accelerator, precision
        Positions in the scenario's list, and among its pairs of weights and cache (0 in fidelity ``paper``).
    engine
        Position among the scenario's servers, whose exchange of experts is part of ``degrees``; ``NO_SERVER`` where the
        heuristic knows none: comparison takes the cheapest way in which a server of the scenario runs the degrees.
    degrees, batch
        Real-valued where the heuristic does not care for whole GPUs.
    draft_tokens
        Tokens that the model verifies in one pass, 0 without speculation.
    draft_degrees
        Setup of the draft model; NaN where it is unknown, or where there is none.
    latency_s, cost_usd_per_mtok
        What the heuristic itself claims: seconds per token, $ per million tokens.
    evaluations
        Deployments it priced.
    """

    accelerator: NDArray[np.intp]
    precision: NDArray[np.intp]
    engine: NDArray[np.intp]
    degrees: Degrees
    batch: Array
    draft_tokens: NDArray[np.int64]
    draft_degrees: Degrees
    latency_s: Array
    cost_usd_per_mtok: Array
    evaluations: int

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, rows: NDArray[np.intp]) -> Proposals:
        """Keep the given proposals, in the given order."""
        return take_rows(self, rows)


def joined(parts: Sequence[Proposals]) -> Proposals:
    """Put proposals together; their evaluations add up."""
    return replace(stack_rows(parts), evaluations=sum(part.evaluations for part in parts))


def nondominated(latency_s: Array, cost: Array) -> NDArray[np.intp]:
    """Positions that no other dominates, fastest first; of equals the first."""
    order = np.lexsort((cost, latency_s))
    ordered = cost[order]
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(ordered)])[:-1]
    return order[ordered < best_before]


def absent_degrees(count: int) -> Degrees:
    """Degrees of setups that are not there."""
    none = np.full(count, np.nan)
    return Degrees.plain(none, none, none, none, np.zeros(count, dtype=bool), none)


def without(degrees: Degrees, absent: NDArray[np.bool_]) -> Degrees:
    """Degrees with NaN where there is no setup (of a draft model, say)."""
    return replace(
        degrees,
        stage_ranks=np.where(absent, np.nan, degrees.stage_ranks),
        pipeline_parallel=np.where(absent, np.nan, degrees.pipeline_parallel),
        expert_parallel=np.where(absent, np.nan, degrees.expert_parallel),
        attention_data_parallel=np.where(absent, np.nan, degrees.attention_data_parallel),
        two_dimensional=degrees.two_dimensional & ~absent,
        redundant_experts=np.where(absent, np.nan, degrees.redundant_experts),
    )


class Heuristic(Protocol):
    """A shortcut with a name: anything with these two members will do.

    A heuristic whose ``propose`` has a third parameter ``ask`` (:class:`~ieco_opt.design_space.asking.Ask`) is given
    what each of its steps should ask. Where the search must end this raises
    :class:`~ieco_opt.solvers.run.Stopped`; a heuristic that lets it pass has found nothing.
    """

    @property
    def name(self) -> str:
        """Name that results carry."""

    def propose(self, scenario: ResolvedScenario, budget: Budget) -> Proposals:
        """Propose deployments of a scenario.

        They need not be part of its design space, fit in memory or meet its limits: comparison checks that.
        """
