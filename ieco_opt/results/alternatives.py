"""Near-optimal alternatives: the best answers that differ from each other in what a scenario leaves to choose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from ieco_opt.defaults import Differ, FleetObjective, ObjectiveName
from ieco_opt.documents.origin import found as shown
from ieco_opt.documents.types import Flag, FromZero, FromZeroOrInfinite, Number, Record, Text, Whole
from ieco_opt.errors import ScenarioError
from ieco_opt.results.answer import Answer, Question
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Guarantee, GuaranteeKind, Status
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.shown import ShownAnswer
from ieco_opt.results.statistics import AlternativesStatistics, Counts, FleetStatistics, SearchStatistics
from ieco_opt.scenario import Fleet, Scenario

if TYPE_CHECKING:
    import pandas as pd

Ended = Literal["beyond", "exhausted", "count", "stopped"]
"""Why the list ends: the next is too far, there is no other, as many as were asked for are found, or a limit."""

_FIRST = ("rank", "excess", "objective", "combinations")
"""Columns of tables before those of the answers."""


@dataclass(frozen=True, slots=True, order=True)
class Combination(Record):
    """What answers differ in; ``None`` where that is no matter, or is not known.

    Attributes
    ----------
    workload
        Of fleets.
    layout
        TP, DP, PP, EP and 2d in short, without redundant experts, and ``decode`` where only that is done; of all
        prefill instances ``prefill``; of an operating point its instance type.
    """

    workload: Text | None = None
    pool: Text | None = None
    accelerator: Text | None = None
    engine: Text | None = None
    layout: Text | None = None

    def __str__(self) -> str:
        choices = " ".join(str(value) for item in fields(self)[1:] if (value := getattr(self, item.name)) is not None)
        return choices if self.workload is None else f"{self.workload}: {choices}"


@dataclass(frozen=True, slots=True)
class Alternative(Record):
    """One answer, the best that gives up something of each one before it.

    Attributes
    ----------
    excess
        By how much it is worse than the first one, as a share: slower, more expensive, of a smaller score, or less.
    objective
        What was optimised: $ per million tokens, seconds per token, J or kg; of fleets as in
        :class:`~ieco_opt.results.plan.FleetPlan`. Of ``preferred`` the logarithm of speed**k / cost.
    status, gap
        Of the answer among those that were left: proven the best, or how far it may be from that.
    combinations
        What it uses: of a deployment one, of a plan one for each that serves requests.
    deployment, plan
        The answer; ``None`` the one of both that the scenario does not ask for.
    """

    excess: FromZeroOrInfinite
    objective: Number
    status: Status
    gap: FromZeroOrInfinite
    combinations: tuple[Combination, ...]
    deployment: Deployment | None
    plan: FleetPlan | None

    @property
    def answer(self) -> Deployment | FleetPlan:
        """The deployment or the plan."""
        answer = self.plan if self.deployment is None else self.deployment
        assert answer is not None
        return answer


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Alternatives(ShownAnswer, Answer):
    """Near-optimal alternatives of one scenario, the optimum first, by the objective.

    Attributes
    ----------
    differ
        What each answer differs in from every other.
    within
        Share by which the last may be worse than the first.
    count
        As many were asked for at most; ``None``: all.
    next_one
        Where the list ends with ``beyond``: the best of what is left, which is too far from the optimum.
    ended
        Why the list ends: the next is too far, there is no other, as many as were asked for are found, or a limit.
    complete
        Proven: whatever else lies within the share uses all that some answer of the list uses.
    """

    scenario: Scenario | Fleet
    differ: tuple[Differ, ...]
    within: FromZero
    count: Whole | None
    found: tuple[Alternative, ...]
    next_one: Alternative | None
    ended: Ended
    complete: Flag
    statistics: AlternativesStatistics

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> Alternative:
        return self.found[index]

    @property
    def objective(self) -> str:
        """What is best."""
        assert self.question.objective is not None
        return self.question.objective

    @property
    def preference(self) -> float | None:
        """K of ``preferred``."""
        return self.question.preference

    @property
    def solves(self) -> int:
        """Programs that were solved."""
        return self.statistics.solves

    @property
    def seconds(self) -> float:
        """Wall time of the whole search."""
        return self.statistics.seconds

    @property
    def of_fleet(self) -> bool:
        """Whether the answers are plans."""
        return isinstance(self.scenario, Fleet)

    @property
    def every(self) -> tuple[Alternative, ...]:
        """Those of the list, and the one after it."""
        return self.found if self.next_one is None else (*self.found, self.next_one)

    def as_points(self) -> Frontier | FleetResult:
        """The answers of the list as points or plans that can be started; nothing is proven of them together."""
        guarantee = Guarantee(GuaranteeKind.PARTIAL, stopped="a list of alternatives")
        common: dict[str, Any] = {
            name: getattr(self, name) for name in ("scenario", "resolved", "status", "solver", "versions", "notes")
        }
        common["guarantee"] = guarantee
        if self.of_fleet:
            return FleetResult(
                question=Question(kind="plan", objective=self.question.objective),
                plans=tuple(each.plan for each in self.found if each.plan is not None),
                statistics=FleetStatistics(0, 0, 0, 0, 0, 0.0, 0.0),
                **common,
            )
        return Frontier(
            question=Question(kind="frontier"),
            deployments=tuple(each.deployment for each in self.found if each.deployment is not None),
            statistics=SearchStatistics(Counts(0, 0, 0, {}), 0, 0, 0, 0.0, 0.0, ()),
            **common,
        )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        yield from Answer.contradictions(self)
        objectives = get_args(FleetObjective if self.of_fleet else ObjectiveName)
        if self.question.objective not in objectives:
            expected = f"one of {', '.join(objectives)} of a {'fleet' if self.of_fleet else 'deployment'}"
            yield "question.objective", f"found {shown(self.question.objective)}, expected {expected}"
        if not self.found:
            yield "found", "found none, expected at least the optimum"
        wanted, other = ("plan", "deployment") if self.of_fleet else ("deployment", "plan")
        named = [(f"found[{at}]", each) for at, each in enumerate(self.found)]
        named += [] if self.next_one is None else [("next_one", self.next_one)]
        for name, each in named:
            if getattr(each, wanted) is None:
                yield f"{name}.{wanted}", f"found null, expected the {wanted} that the scenario asks for"
            if getattr(each, other) is not None:
                yield f"{name}.{other}", f"found one, expected null with a scenario that asks for a {wanted}"
        if (self.next_one is not None) != (self.ended == "beyond"):
            expected = "an alternative" if self.ended == "beyond" else "null"
            yield (
                "next_one",
                f"found {'null' if self.next_one is None else 'one'}, expected {expected} with ended {self.ended}",
            )
        if (self.stopped is not None) != (self.ended == "stopped"):
            yield "ended", f"found {self.ended} with guarantee.stopped {shown(self.stopped)}"

    def to_dataframe(self) -> pd.DataFrame:
        """One row a deployment, or one for each type of instance of a plan, with ``rank`` from 1."""
        from ieco_opt.results.tables import rows_to_dataframe

        kind: type[Deployment | InstanceRow] = InstanceRow if self.of_fleet else Deployment
        rows = [(rank, each, row) for rank, each in enumerate(self.found, 1) for row in rows_of(each)]
        table = rows_to_dataframe(kind, [row for _, _, row in rows])
        columns: tuple[list[Any], ...] = (
            [rank for rank, _, _ in rows],
            [each.excess for _, each, _ in rows],
            [each.objective for _, each, _ in rows],
            ["; ".join(map(str, each.combinations)) for _, each, _ in rows],
        )
        for at, (name, values) in enumerate(zip(_FIRST, columns, strict=True)):
            table.insert(at, name, values)
        return table

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""
        return self.to_dataframe()


def rows_of(alternative: Alternative) -> tuple[Deployment | InstanceRow, ...]:
    """Rows of tables of one alternative."""
    answer = alternative.answer
    return (answer,) if isinstance(answer, Deployment) else answer.instances


def check_asked(within: float, count: int | None, differ: Sequence[str], known: Sequence[str]) -> None:
    """Refuse what no list of alternatives can be asked to be.

    Raises
    ------
    ScenarioError
        A share that is negative or not finite, a count below 1, or something that answers cannot differ in.
    """
    if not 0.0 <= within < math.inf:
        raise ScenarioError.single(f"found {within}, expected a number from 0 on", field="within")
    if count is not None and count < 1:
        raise ScenarioError.single(f"found {count}, expected at least 1", field="count")
    wrong = [name for name in differ if name not in known]
    if wrong or not differ:
        found = f"'{wrong[0]}'" if wrong else "nothing"
        about = "of a fleet" if "pool" in known else "of a deployment"
        expected = f"one of {', '.join(known)} {about}"
        raise ScenarioError.single(f"found {found}, expected {expected}", field="differ")


OF_FLEETS: tuple[Differ, ...] = get_args(Differ)
"""What plans can differ in."""

OF_DEPLOYMENTS: tuple[Differ, ...] = tuple(name for name in OF_FLEETS if name != "pool")
"""What deployments can differ in."""
