"""An explanation: what decides the best deployment, or which limits no deployment meets together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from ieco_opt.documents.origin import found
from ieco_opt.documents.types import Count, Flag, FromZero, Integer, Number, Record, Text, Whole
from ieco_opt.results.answer import Answer
from ieco_opt.results.deployment import Bottleneck, Deployment
from ieco_opt.results.guarantee import GuaranteeKind
from ieco_opt.results.shown import ShownAnswer
from ieco_opt.results.statistics import ExplanationStatistics
from ieco_opt.scenario import Scenario
from ieco_opt.scenario.fields import expecting

if TYPE_CHECKING:
    import pandas as pd

LimitValue = Annotated[Integer | Number | tuple[Whole, ...], expecting("a number or a list of integers above 0")]
"""What a scenario says of a limit: a number, or a list of batches."""

NewValue = Annotated[Integer | Number | None, expecting("a number or null")]
"""What a limit would have to be; ``None`` where no number is meant."""


@dataclass(frozen=True, slots=True)
class TimeShare(Record):
    """One of the four times of the model's pass, or of the draft model's, or what of it is hidden.

    Attention and prompts of a calibrated pass go on behind nothing, so of a memory time may be two: what is hidden
    behind compute, and what is seen. Those that are not hidden add up to the latency.

    Attributes
    ----------
    part
        ``model`` or ``draft``.
    resource
        ``launch overhead``, ``network``, ``memory`` or ``compute``.
    seconds
        Per generated token.
    share
        Of the latency; what is hidden has a share too, but the latency does not contain it.
    hidden
        Whether the time goes on behind a longer one: what overlaps of memory and compute, the lesser of the two.
    """

    part: Literal["model", "draft"]
    resource: Bottleneck
    seconds: FromZero
    share: FromZero
    hidden: Flag


@dataclass(frozen=True, slots=True)
class Loosened(Record):
    """The optimum under a limit that is looser than the scenario's, found by solving again.

    Attributes
    ----------
    value
        The limit's new value; ``None`` where it is removed.
    gain
        How much faster, cheaper or (`preferred`) higher in speed^k / cost the optimum is, as a share.
    """

    value: NewValue
    deployment: Deployment
    gain: FromZero


@dataclass(frozen=True, slots=True)
class LimitEffect(Record):
    """What one limit of the scenario does to the optimum.

    Attributes
    ----------
    limit
        Field of the scenario.
    value
        What the scenario says; for a list of batches the list.
    binds
        Whether the optimum is better without it.
    step
        The unit by which it was relaxed, in words; ``None`` where there is none (a list of batches).
    relaxed, removed
        The optimum with the limit relaxed by one unit, and without it; ``None`` where it does not bind, since then
        neither changes anything.
    improves_from
        The value nearest to the scenario's at which the optimum is faster (or cheaper) than now; ``None`` where the
        limit does not bind, for a list of batches, and for `preferred`.
    """

    limit: Text
    value: LimitValue
    unit: Text
    binds: Flag
    step: Text | None
    relaxed: Loosened | None
    removed: Loosened | None
    improves_from: NewValue


@dataclass(frozen=True, slots=True)
class MarginCost(Record):
    """What it costs that limits hold with an error of the model: the same question with ``model_error`` 0.

    Attributes
    ----------
    deployment
        The optimum then; ``None`` where even then no deployment meets the limits.
    gain
        How much faster, cheaper or (`preferred`) higher in speed^k / cost it is, as a share; ``None`` where no
        deployment meets the limits with the error.
    """

    deployment: Deployment | None
    gain: FromZero | None


@dataclass(frozen=True, slots=True)
class RunnerUp(Record):
    """The best deployment whose setup is that of none before it.

    ``loss`` is how much slower, more expensive or lower in speed^k / cost it is than the winner, as a share of the
    winner's.
    """

    deployment: Deployment
    loss: FromZero


@dataclass(frozen=True, slots=True)
class LimitRelaxation(Record):
    """The minimal relaxation of one limit.

    Attributes
    ----------
    limit
        Field of the scenario.
    value
        What the scenario says; for a list of batches the list.
    needed
        The value nearest to it that makes the scenario feasible (within 1e-12, so that rounding cannot spoil it), for
        a list of batches the one to add; ``None`` where no value of this limit alone does.
    deployment
        The best deployment by the objective once the change is made.
    """

    limit: Text
    value: LimitValue
    unit: Text
    needed: NewValue
    deployment: Deployment | None


@dataclass(frozen=True, slots=True)
class InfeasibleSubset(Record):
    """Why a scenario is infeasible.

    Attributes
    ----------
    members
        Limits that no deployment meets together, though without any one of them some would: each with the least
        change of it alone, the other limits of the scenario unchanged, that makes the scenario feasible.
    together
        Where no single limit helps: the fewest limits that do, loosened by the same share, the least one.
    rejected
        Where nothing exists even with every limit removed, and ``members`` is empty: setups by the reason why not.
    """

    members: tuple[LimitRelaxation, ...]
    together: tuple[LimitRelaxation, ...]
    rejected: dict[Text, Count]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation(ShownAnswer, Answer):
    """What decides the answer to a scenario.

    Attributes
    ----------
    deployments
        The best deployment; none where the scenario is infeasible.
    times, limits, runner_ups
        Of a feasible scenario: where the time goes, what each limit costs and who comes next.
    binding_together
        Where no limit binds alone but some do together: the fewest whose removal changes the optimum.
    infeasible_subset
        Of an infeasible scenario; ``None`` where it is feasible.
    margin
        What planning with the error of the model costs; ``None`` where the scenario plans with none.
    confirmed
        Whether the solver finished and found the same; false where a limit stopped it, ``None`` where the scenario is
        infeasible and nothing is left to solve.
    """

    scenario: Scenario
    deployments: tuple[Deployment, ...]
    times: tuple[TimeShare, ...]
    limits: tuple[LimitEffect, ...]
    binding_together: tuple[Text, ...]
    runner_ups: tuple[RunnerUp, ...]
    infeasible_subset: InfeasibleSubset | None
    confirmed: Flag | None
    statistics: ExplanationStatistics
    margin: MarginCost | None = None

    @property
    def chosen(self) -> Deployment | None:
        """The best deployment; ``None`` where the scenario is infeasible."""
        return self.deployments[0] if self.deployments else None

    @property
    def objective(self) -> str:
        """``fastest``, ``cheapest`` or ``preferred``."""
        assert self.question.objective is not None
        return self.question.objective

    @property
    def preference(self) -> float | None:
        """K of speed**k / cost, with the objective ``preferred``."""
        return self.question.preference

    @property
    def feasible(self) -> bool:
        """Whether any deployment meets the limits."""
        return self.infeasible_subset is None

    @property
    def binding(self) -> tuple[str, ...]:
        """Fields of the limits that bind."""
        return tuple(effect.limit for effect in self.limits if effect.binds)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        yield from Answer.contradictions(self)
        count, subset = len(self.deployments), "without" if self.feasible else "with"
        if count != int(self.feasible):
            yield "deployments", f"found {count} deployments, expected {int(self.feasible)} {subset} infeasible_subset"
        feasible = (GuaranteeKind.SINGLE, GuaranteeKind.PARTIAL)
        kind, expected = self.guarantee.kind, feasible if self.feasible else (GuaranteeKind.NONE,)
        if kind not in expected:
            wanted = " or ".join(f"'{each}'" for each in expected)
            yield "guarantee.kind", f"found '{kind}', expected {wanted} {subset} infeasible_subset"
        if (self.confirmed is not None) != self.feasible:
            wanted = "true or false" if self.feasible else "null"
            yield "confirmed", f"found {found(self.confirmed)}, expected {wanted} {subset} infeasible_subset"

    def to_dataframe(self) -> pd.DataFrame:
        """One row a deployment: the best, then the runner-ups, with what each loses."""
        from ieco_opt.results.tables import rows_to_dataframe

        rows = [*self.deployments, *(each.deployment for each in self.runner_ups)]
        table = rows_to_dataframe(Deployment, rows)
        losses = [0.0] * len(self.deployments) + [each.loss for each in self.runner_ups]
        return table.assign(loss=losses)

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""
        return self.to_dataframe()
