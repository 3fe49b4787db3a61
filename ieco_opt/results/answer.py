"""The envelope of every answer: what was asked of what, what is proven, and what the answer depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ieco_opt.documents.types import FromZero, Integer, Record, Text
from ieco_opt.results.guarantee import AnswerStatus, Box, Guarantee, Status
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.resolved import Resolved
from ieco_opt.scenario.solver_config import SolverConfig

QuestionKind = Literal["frontier", "solve", "plan", "fleet_frontier", "explain", "compare"]


@dataclass(frozen=True, slots=True)
class Question(Record):
    """What was asked: the command, and the arguments that change its answer.

    Attributes
    ----------
    objective
        ``solve``, ``explain``: ``fastest``, ``cheapest`` or ``preferred``. ``plan``: ``cost``, ``power`` or ``gpus``.
    preference
        k of speed**k / cost, with the objective ``preferred``.
    against
        ``fleet_frontier``: what cost is traded against, ``speed``, ``power`` or ``gpus``.
    delta
        Coverage that was asked for; 0 for every point, ``None`` where it was not asked for.
    points
        Points of a sampled frontier.
    """

    kind: QuestionKind
    objective: Literal["fastest", "cheapest", "preferred", "cost", "power", "gpus"] | None = None
    preference: FromZero | None = None
    against: Literal["speed", "power", "gpus"] | None = None
    delta: FromZero | None = None
    points: Annotated[Integer, Field(ge=2)] | None = None


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
    notes: tuple[Text, ...] = ()

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

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        return ()


def status_of(guarantee: Guarantee, points: Iterable[Status]) -> AnswerStatus:
    """Status of an answer by its guarantee and the status of its points."""
    if guarantee.stopped is not None:
        return AnswerStatus.STOPPED
    found = list(points)
    if not found:
        return AnswerStatus.INFEASIBLE
    return AnswerStatus.OPTIMAL if all(each is Status.OPTIMAL for each in found) else AnswerStatus.FEASIBLE
