"""The envelope of every answer: what was asked of what, what is proven, and what the answer depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ieco_opt.defaults import Against, FleetObjective, Objective, ObjectiveName
from ieco_opt.documents.types import FromZero, Integer, Record, Text
from ieco_opt.results.guarantee import AnswerStatus, Box, Guarantee, GuaranteeKind, Status
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.fields import refused_at
from ieco_opt.scenario.resolved import Resolved
from ieco_opt.scenario.solver_config import SolverConfig

QuestionKind = Literal[
    "frontier", "solve", "plan", "fleet_frontier", "explain", "explain_fleet", "compare", "alternatives"
]

_OF_DEPLOYMENTS = get_args(ObjectiveName)
_OBJECTIVES: dict[QuestionKind, tuple[str, ...]] = {
    "solve": _OF_DEPLOYMENTS,
    "explain": _OF_DEPLOYMENTS,
    "plan": get_args(FleetObjective),
    "explain_fleet": get_args(FleetObjective),
    # Of deployments or of fleets, as the scenario is.
    "alternatives": tuple(dict.fromkeys((*_OF_DEPLOYMENTS, *get_args(FleetObjective)))),
}
"""Objectives of the questions that have one."""

_GUARANTEES: dict[QuestionKind, tuple[GuaranteeKind, ...]] = {
    "frontier": (GuaranteeKind.COMPLETE, GuaranteeKind.COVERED, GuaranteeKind.SAMPLED, GuaranteeKind.PARTIAL),
    "solve": (GuaranteeKind.SINGLE, GuaranteeKind.PARTIAL),
    "plan": (GuaranteeKind.SINGLE, GuaranteeKind.PARTIAL),
    "fleet_frontier": (GuaranteeKind.COMPLETE, GuaranteeKind.COVERED, GuaranteeKind.PARTIAL),
    "explain": (GuaranteeKind.SINGLE, GuaranteeKind.PARTIAL, GuaranteeKind.NONE),
    "explain_fleet": (GuaranteeKind.SINGLE, GuaranteeKind.PARTIAL),
    "compare": (GuaranteeKind.COMPLETE, GuaranteeKind.COVERED, GuaranteeKind.PARTIAL),
    "alternatives": (GuaranteeKind.SINGLE, GuaranteeKind.PARTIAL),
}
"""What an answer may guarantee, by what was asked."""


@dataclass(frozen=True, slots=True)
class Question(Record):
    """What was asked: the command, and the arguments that change its answer.

    Attributes
    ----------
    objective
        ``solve``, ``explain``: ``fastest``, ``cheapest``, ``preferred``, ``energy`` or ``carbon``. ``plan``,
        ``explain_fleet``: ``cost``, ``power``, ``gpus``, ``energy``, ``carbon`` or ``throughput``. ``alternatives``: as
        of ``solve`` or of ``plan``.
    preference
        k of speed**k / cost, with the objective ``preferred``.
    against
        ``fleet_frontier``: what cost is traded against, ``speed``, ``power``, ``gpus`` or ``throughput``.
    delta
        Coverage that was asked for; 0 for every point, ``None`` where it was not asked for.
    points
        Points of a sampled frontier.
    """

    kind: QuestionKind
    objective: Objective | None = None
    preference: FromZero | None = None
    against: Against | None = None
    delta: FromZero | None = None
    points: Annotated[Integer, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Question:
        asked = f"with the kind {self.kind}"
        objectives = _OBJECTIVES.get(self.kind, ())
        wrong: list[tuple[tuple[str], object, str]] = []
        if self.objective not in (objectives or (None,)):
            expected = f"one of {', '.join(objectives)}" if objectives else "null"
            wrong.append((("objective",), self.objective, f"{expected} {asked}"))
        if (self.preference is not None) != (self.objective == "preferred"):
            expected = "a number with" if self.objective == "preferred" else "null without"
            wrong.append((("preference",), self.preference, f"{expected} the objective preferred"))
        if (self.against is not None) != (self.kind == "fleet_frontier"):
            expected = f"one of {', '.join(get_args(Against))}" if self.against is None else "null"
            wrong.append((("against",), self.against, f"{expected} {asked}"))
        if wrong:
            raise refused_at(wrong)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Record):
    """What all results have in common.

    Attributes
    ----------
    scenario
        The scenario that is answered, without any file beside it.
    resolved
        Models and accelerators that the scenario names, in full: a changed catalog changes no saved answer.
    guarantee, status
        What is proven; see their classes.
    versions
        Versions that the answer depends on.
    """

    question: Question
    scenario: Scenario | Fleet
    resolved: Resolved
    guarantee: Guarantee
    status: AnswerStatus
    solver: SolverConfig
    versions: Versions
    notes: tuple[Text, ...]

    @property
    def coverage(self) -> float | None:
        """Delta of the guarantee; 0 when complete, ``None`` when sampled, single or partial."""
        return self.guarantee.coverage

    @property
    def stopped(self) -> str | None:
        """Why a search ended early; ``None`` where it did not."""
        return self.guarantee.stopped

    @property
    def open_regions(self) -> tuple[Box, ...]:
        """Boxes of latency and cost that a stopped search left open."""
        return self.guarantee.open_regions

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        kind, possible = self.guarantee.kind, _GUARANTEES[self.question.kind]
        if kind not in possible:
            expected = f"one of {', '.join(possible)} for the question '{self.question.kind}'"
            yield "guarantee.kind", f"found '{kind}', expected {expected}"


def status_of(guarantee: Guarantee, points: Iterable[Status]) -> AnswerStatus:
    """Status of an answer by its guarantee and the status of its points."""
    if guarantee.stopped is not None:
        return AnswerStatus.STOPPED
    found = list(points)
    if not found:
        return AnswerStatus.INFEASIBLE
    return AnswerStatus.OPTIMAL if all(each is Status.OPTIMAL for each in found) else AnswerStatus.FEASIBLE
