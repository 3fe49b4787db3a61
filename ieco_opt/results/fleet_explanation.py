"""An explanation of a plan: what binds, what comes next, and where the time of a token goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ieco_opt.documents.origin import found
from ieco_opt.documents.types import Flag, FromZero, Integer, Number, Record, Text, Whole
from ieco_opt.results.answer import Answer, Question, status_of
from ieco_opt.results.guarantee import Guarantee, GuaranteeKind
from ieco_opt.results.instances import InstanceRow, PhaseName
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.shown import ShownAnswer
from ieco_opt.results.statistics import ExplanationStatistics, FleetStatistics
from ieco_opt.scenario import Fleet

if TYPE_CHECKING:
    import pandas as pd

HeldBy = Literal["TPOT", "TTFT", "memory", "design_space.batch"]
"""What one more step of a batch can break."""

Term = Literal[
    "launch overhead", "network", "weights", "cache", "compute", "prompts", "draft", "front end", "cache transfer"
]
"""Parts of the time of a token, or of a first token."""

SourceKind = Literal["measured", "published", "assumed", "from memory", "given"]
"""Where a figure comes from: measurements, a document, an assumption, memory without a document, or the user."""

ChoiceKind = Literal["layout", "serving", "accelerator", "weights", "kv_cache", "engine"]
"""Choices of which the runner-up is the best plan that makes another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Record):
    """How near the instances of one row come to what each request must see and to their memory.

    Attributes
    ----------
    workload, phase, pool, instance_type
        Those of the row.
    tpot_share, first_token_share
        Time per output token and time to first token over the longest ones allowed, with the error of the model;
        ``None`` where there is no limit or no figure.
    memory_share
        Memory taken over memory that may be taken; ``None`` for operating points.
    load
        What they serve with headroom over what they can serve, with the error of the model.
    next_batch
        The next greater batch that the setup could have; ``None`` where the batch is no choice (prefill, operating
        points).
    held_by
        What that batch would break; more requests in flight would serve more.
    """

    workload: Text
    phase: PhaseName
    pool: Text
    instance_type: Text
    tpot_share: FromZero | None
    first_token_share: FromZero | None
    memory_share: FromZero | None
    load: FromZero
    next_batch: Whole | None
    held_by: tuple[HeldBy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTime(Record):
    """One part of the time of an output token, or for prefill of the time to first token.

    Attributes
    ----------
    workload, phase, pool, instance_type
        Those of the row.
    term
        ``weights``: reading them. ``cache``: reading the cache (with a calibration attention over it, without one also
        activations). ``compute``: arithmetic of the tokens generated. ``prompts``: arithmetic and collectives of
        prompts. ``draft``: all of the draft model. ``front end``, ``cache transfer``: of the first token.
    seconds
        For one output token (a first token).
    share
        Of the latency (of the time to first token); what is hidden has a share too, but the total does not contain it.
    hidden
        Whether it goes on behind something longer.
    sources
        Kinds of the sources of the figures behind it, the weakest first.
    """

    workload: Text
    phase: PhaseName
    pool: Text
    instance_type: Text
    term: Term
    seconds: FromZero
    share: FromZero
    hidden: Flag
    sources: tuple[SourceKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSource(Record):
    """Where one figure behind the times comes from.

    Attributes
    ----------
    of
        The accelerator, or the calibration profile that it is priced with.
    figure
        Its field (docs/catalog.md, docs/calibration.md).
    terms
        Parts of the times that it is in.
    kind, source
        What the source is, and the source itself.
    """

    of: Text
    figure: Text
    terms: tuple[Term, ...]
    kind: SourceKind
    source: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed(Record):
    """The best plan under a limit that is looser than the scenario's, found by solving again.

    Attributes
    ----------
    value
        The limit's new value; ``None`` where it is left out.
    plan
        That plan, with its bound.
    gain
        By how much the objective is better, as a share of what it was.
    """

    value: Number | None
    plan: FleetPlan
    gain: FromZero


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLimitEffect(Record):
    """What one limit of a fleet does to the objective.

    Attributes
    ----------
    limit
        Field of the scenario, entries of lists by their names, such as ``workloads.chat.min_speed``.
    value
        What the scenario says; of ``rented_by`` the GPUs of a node, of ``model_error: profile`` ``None``.
    reached
        What the plan comes to; ``None`` where that is no number.
    binds
        Whether a plan without it is better, which is proven either way; ``None``: the solver's gap leaves it open.
    removed
        The best plan without it; ``None`` where it does not bind, or where without it there is no best one (the
        capacity of a pool, where as much as possible is served).
    least
        The least relaxation (to 0.1 %, or one node) with which a plan is better; ``None`` where it does not bind, was
        not looked for or is none.
    """

    limit: Text
    value: Integer | Number | None
    unit: Text
    reached: FromZero | None
    binds: Flag | None
    removed: Relaxed | None
    least: Relaxed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRunnerUp(Record):
    """The best plan in which one workload makes another choice than a plan does.

    Attributes
    ----------
    choice
        What kind of choice.
    without
        The choice that is excluded, such as ``TP8`` or ``disaggregated``.
    others
        What the scenario leaves to choose from; of layouts nothing, since they are too many.
    plan
        ``None``: proven, no plan does without that choice.
    loss
        By how much the objective is worse, as a share of what it was; below zero for an engine that is left alone, if
        its own measured launches are quicker. ``None`` without a plan.
    """

    workload: Text
    choice: ChoiceKind
    without: Text
    others: tuple[Text, ...]
    plan: FleetPlan | None
    loss: Number | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FleetExplanation(ShownAnswer, Answer):
    """What decides the plan of a fleet.

    Attributes
    ----------
    plans
        The one plan that is explained.
    held, times
        Of every row of its instances: what holds it, and where its time goes.
    sources
        Of the figures behind the times.
    limits
        What each limit costs.
    binding_together
        Where no limit binds alone but some do together: some of them, of which none can be left out.
    runner_ups
        The best plans that make other choices.
    """

    scenario: Fleet
    plans: tuple[FleetPlan, ...]
    held: tuple[Held, ...]
    times: tuple[TokenTime, ...]
    sources: tuple[FigureSource, ...]
    limits: tuple[FleetLimitEffect, ...]
    binding_together: tuple[Text, ...]
    runner_ups: tuple[FleetRunnerUp, ...]
    statistics: ExplanationStatistics

    @property
    def plan(self) -> FleetPlan:
        """The plan that is explained."""
        return self.plans[0]

    @property
    def objective(self) -> str:
        """What the plan minimises, or ``throughput``."""
        assert self.question.objective is not None
        return self.question.objective

    @property
    def binding(self) -> tuple[str, ...]:
        """Fields of the limits that bind."""
        return tuple(effect.limit for effect in self.limits if effect.binds)

    def as_result(self) -> FleetResult:
        """The plan as the result of the question that it answers; what the search took is unknown."""
        plan = self.plan
        guarantee = self.guarantee if plan.status != "optimal" else Guarantee(GuaranteeKind.SINGLE)
        return FleetResult(
            question=Question(kind="plan", objective=self.question.objective),
            scenario=self.scenario,
            resolved=self.resolved,
            guarantee=guarantee,
            status=status_of(guarantee, [plan.status]),
            plans=self.plans,
            solver=self.solver,
            statistics=FleetStatistics(0, 0, 0, 0, 0, 0.0, 0.0),
            versions=self.versions,
            notes=self.notes,
        )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        yield from Answer.contradictions(self)
        if len(self.plans) != 1:
            yield "plans", f"found {len(self.plans)} plans, expected the one that is explained"
            return
        yield from self.as_result().contradictions()
        if len(self.held) != len(self.plan.instances):
            count = len(self.plan.instances)
            yield "held", f"found {len(self.held)} entries, expected {count}, one for each row of the plan's instances"
        for at, each in enumerate(self.runner_ups):
            if (each.plan is None) != (each.loss is None):
                wanted = "null without a plan" if each.plan is None else "a number with a plan"
                yield f"runner_ups[{at}].loss", f"found {found(each.loss)}, expected {wanted}"

    def to_dataframe(self) -> pd.DataFrame:
        """One row an instance type of the plan that is explained."""
        from ieco_opt.results.tables import rows_to_dataframe

        return rows_to_dataframe(InstanceRow, self.plan.instances)

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""
        return self.to_dataframe()
