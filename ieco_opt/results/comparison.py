"""Heuristics against the exact frontier of one scenario, as records."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from ieco_opt.documents.types import AboveZero, Count, Flag, FromZero, Number, Record, Text, Whole
from ieco_opt.engines.spread import ExchangeKind
from ieco_opt.errors import ScenarioError
from ieco_opt.results.answer import Answer
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.shown import ShownAnswer
from ieco_opt.results.statistics import ComparisonStatistics
from ieco_opt.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_EVALUATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Budget(Record):
    """What a search may spend.

    Fixed procedures (grids, the rule of thumb) ignore it and say what they spent.

    Attributes
    ----------
    evaluations
        Deployments that may be priced.
    seconds
        Wall time, looked at between steps; ``None`` for no limit.
    seed
        Seed of every random choice: equal seeds, equal proposals (unless time ran out).
    """

    evaluations: Whole = DEFAULT_EVALUATIONS
    seconds: AboveZero | None = None
    seed: Count = 0

    def __post_init__(self) -> None:
        if self.evaluations < 1:
            raise ScenarioError.single(f"found {self.evaluations}, expected at least 1", field="budget.evaluations")
        if self.seconds is not None and not self.seconds > 0.0:
            raise ScenarioError.single(f"found {self.seconds}, expected a number above 0", field="budget.seconds")
        if self.seed < 0:
            raise ScenarioError.single(f"found {self.seed}, expected an integer from 0 on", field="budget.seed")

    def deadline(self) -> float:
        """Reading of ``time.perf_counter`` at which a search that starts now should end."""
        return float("inf") if self.seconds is None else time.perf_counter() + self.seconds


class Obstacle(StrEnum):
    """What kind of thing keeps a proposal from being launched."""

    FRACTIONAL = "fractional"
    NOT_OFFERED = "not offered"
    MEMORY = "memory"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Reason(Record):
    """Why a proposal cannot be launched; ``excess`` is the share by which memory is over, otherwise 0."""

    obstacle: Obstacle
    text: Text
    excess: FromZero = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Record):
    """A deployment that a heuristic proposes; degrees are real numbers where it does not care for whole GPUs.

    Attributes
    ----------
    claimed_speed_tokens_per_s, claimed_cost_usd_per_mtok
        What the heuristic itself says.
    speed_tokens_per_s, cost_usd_per_mtok
        What the scenario's performance model gives; ``None`` where the proposal cannot be launched.
    nondominated
        Whether none of the same heuristic's other proposals that can be launched is better.
    engine, exchange
        The server that was priced, and its exchange of experts, as in rows of deployments: those of the proposal, or of
        the cheapest way in which a server runs it. ``None`` where it names no server and none runs it.
    draft_tensor_parallel, ...
        ``None`` where the heuristic does not say, or where there is no draft model.
    reasons
        Why it cannot be launched; empty where it can.
    """

    claimed_speed_tokens_per_s: Number
    claimed_cost_usd_per_mtok: Number
    speed_tokens_per_s: AboveZero | None
    cost_usd_per_mtok: AboveZero | None
    nondominated: Flag
    gpus: AboveZero
    accelerator: Text | None
    weights: Text | None
    kv_cache: Literal["bf16", "fp8"] | None
    tensor_parallel: AboveZero
    attention_data_parallel: AboveZero
    pipeline_parallel: AboveZero
    expert_parallel: AboveZero
    redundant_experts: FromZero
    stage_ranks: AboveZero
    tensor_layout: Literal["1d", "2d"]
    engine: Text | None
    exchange: ExchangeKind | None
    batch: Number
    draft_tokens: Count
    draft_tensor_parallel: AboveZero | None
    draft_attention_data_parallel: AboveZero | None
    draft_pipeline_parallel: AboveZero | None
    draft_expert_parallel: AboveZero | None
    draft_redundant_experts: FromZero | None
    draft_stage_ranks: AboveZero | None
    reasons: tuple[Reason, ...]

    @property
    def deployable(self) -> bool:
        """Whether it can be launched as it is."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Regret(Record):
    """Regrets of a heuristic's own nondominated points, as shares; ``None`` where it has none that is comparable.

    ``worst_speed`` and ``worst_cost`` say which of its points has the worst (tokens/s, $ per million tokens).
    """

    least: Number | None
    median: Number | None
    worst: Number | None
    worst_speed: AboveZero | None
    worst_cost: AboveZero | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeuristicResult(Record):
    """One heuristic against the exact frontier.

    Attributes
    ----------
    evaluations
        Deployments it priced.
    cost_regret, speed_regret
        At matched speed and at matched cost.
    share_found
        Share of the exact frontier's points that it found.
    hypervolume_ratio, additive_epsilon, igd_plus
        See :mod:`ieco_opt.comparison.indicators`; the last two are ``None`` where nothing is deployable.
    beats_frontier
        Deployable proposals that the exact frontier does not cover as far as it guarantees; 0, or it is wrong.
    stopped
        Why it had to end before it was done; ``None`` where it was not, or ended by its own budget.
    """

    name: Text
    evaluations: Count
    cost_regret: Regret
    speed_regret: Regret
    share_found: FromZero
    hypervolume_ratio: FromZero
    additive_epsilon: Number | None
    igd_plus: Number | None
    beats_frontier: Count
    proposals: tuple[Proposal, ...]
    stopped: Text | None = None

    def points(self) -> list[tuple[float, float]]:
        """Speed and cost of the nondominated proposals that can be launched, fastest first."""
        found = [
            (each.speed_tokens_per_s, each.cost_usd_per_mtok)
            for each in self.proposals
            if each.nondominated and each.speed_tokens_per_s is not None and each.cost_usd_per_mtok is not None
        ]
        return sorted(found, reverse=True)

    def deployable(self) -> list[Proposal]:
        """Proposals that can be launched."""
        return [each for each in self.proposals if each.deployable]

    def count(self, obstacle: Obstacle) -> int:
        """Number of proposals that meet an obstacle of this kind; one proposal may meet several."""
        return sum(any(reason.obstacle is obstacle for reason in each.reasons) for each in self.proposals)

    def worst_memory(self) -> Reason | None:
        """Where memory is over by the largest share, ``None`` where it never is."""
        over = [item for each in self.proposals for item in each.reasons if item.obstacle is Obstacle.MEMORY]
        return max(over, key=lambda item: item.excess, default=None)

    def summary(self) -> dict[str, Any]:
        """Columns of the table of heuristics; regrets, shares, ratios and excesses are fractions of one."""
        worst = self.worst_memory()
        return {
            "heuristic": self.name,
            "proposals": len(self.proposals),
            "deployable": len(self.deployable()),
            "nondominated": len(self.points()),
            **_regret_columns("cost_regret", self.cost_regret),
            **_regret_columns("speed_regret", self.speed_regret),
            "share_of_frontier_found": self.share_found,
            "hypervolume_ratio": self.hypervolume_ratio,
            "additive_epsilon": self.additive_epsilon,
            "igd_plus": self.igd_plus,
            "fractional": self.count(Obstacle.FRACTIONAL),
            "not_offered": self.count(Obstacle.NOT_OFFERED),
            "memory_exceeded": self.count(Obstacle.MEMORY),
            "limit_missed": self.count(Obstacle.LIMIT),
            "memory_excess_worst": None if worst is None else worst.excess,
            "beats_frontier": self.beats_frontier,
            "evaluations": self.evaluations,
            "ended_early": self.stopped is not None,
        }


def _regret_columns(name: str, regret: Regret) -> dict[str, float | None]:
    return {
        f"{name}_min": regret.least,
        f"{name}_median": regret.median,
        f"{name}_worst": regret.worst,
        f"{name}_worst_at_speed_tokens_per_s": regret.worst_speed,
        f"{name}_worst_at_cost_usd_per_mtok": regret.worst_cost,
    }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparison(ShownAnswer, Answer):
    """Heuristics against the exact frontier of one scenario; ``deployments`` are those of the frontier."""

    scenario: Scenario
    deployments: tuple[Deployment, ...]
    budget: Budget
    heuristics: tuple[HeuristicResult, ...]
    statistics: ComparisonStatistics

    @property
    def stopped(self) -> str | None:
        """Why the exact search or a heuristic ended early; ``None`` where none did."""
        return next(filter(None, (self.guarantee.stopped, *(each.stopped for each in self.heuristics))), None)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a heuristic; regrets, shares and ratios as fractions of one."""
        import pandas as pd

        timed = zip(self.heuristics, self.statistics.heuristic_seconds, strict=True)
        table = pd.DataFrame([each.summary() | {"seconds": seconds} for each, seconds in timed])
        # A column of nothing but None would be one of objects, and read back as one of numbers.
        return table.where(table.notna()).infer_objects()

    def proposals_dataframe(self) -> pd.DataFrame:
        """One row a proposal: its configuration, what it says, what it is worth, and why it cannot be launched."""
        import pandas as pd

        return pd.DataFrame(list(self._proposal_rows()))

    def _proposal_rows(self) -> Iterator[dict[str, Any]]:
        for heuristic in self.heuristics:
            for proposal in heuristic.proposals:
                reasons = "; ".join(reason.text for reason in proposal.reasons)
                own = asdict(proposal) | {"deployable": proposal.deployable, "reasons": reasons}
                yield {"heuristic": heuristic.name, **own}

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""
        return self.to_dataframe()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        yield from Answer.contradictions(self)
        timed, compared = len(self.statistics.heuristic_seconds), len(self.heuristics)
        if timed != compared:
            message = f"found {timed} entries, expected {compared}, one for each of heuristics"
            yield "statistics.heuristic_seconds", message
