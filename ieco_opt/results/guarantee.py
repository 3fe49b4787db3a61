"""What a result proves: of each point, of what it does not list, and where a stopped search knows nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import model_validator

from ieco_opt.documents.types import AboveZeroOrInfinite, FromZero, Record, Text
from ieco_opt.scenario.fields import refused_at


class Status(StrEnum):
    """What is proven of a point: that nothing dominates it, or only that it exists."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"


class AnswerStatus(StrEnum):
    """What is proven of an answer as a whole."""

    OPTIMAL = "optimal"
    """All its points are."""

    FEASIBLE = "feasible"
    """Some point is not proven optimal, though the search was not stopped: a gap was accepted."""

    INFEASIBLE = "infeasible"
    """Proven: there is no point."""

    STOPPED = "stopped"
    """A limit or an interrupt ended the search first."""


class GuaranteeKind(StrEnum):
    """What a result says of the answers that it does not list."""

    COMPLETE = "complete"
    """Every point of the nondominated set is listed."""

    COVERED = "covered"
    """A (1 + delta)-approximate Pareto set: for every feasible answer one listed is at most 1 + delta more expensive
    and at most 1 + delta slower."""

    SAMPLED = "sampled"
    """Every point listed is nondominated; others may be missing."""

    SINGLE = "single"
    """The one answer that was asked for."""

    PARTIAL = "partial"
    """A limit ended the search: ``open_regions`` may hold better answers."""

    NONE = "none"
    """Proven: no answer exists."""


_WITH_DELTA = (GuaranteeKind.COMPLETE, GuaranteeKind.COVERED)


@dataclass(frozen=True, slots=True)
class Box(Record):
    """Any deployment not covered yet: latency in (latency_lo_s, latency_hi_s), cost in (cost_lo, cost_hi)."""

    latency_lo_s: FromZero
    latency_hi_s: AboveZeroOrInfinite
    cost_lo: FromZero
    cost_hi: AboveZeroOrInfinite

    @property
    def spread(self) -> float:
        """The smaller of the two ratios: a neighbour is at most this factor worse than anything inside."""
        return min(self.latency_hi_s / self.latency_lo_s, self.cost_hi / self.cost_lo)


@dataclass(frozen=True, slots=True)
class Guarantee(Record):
    """What is proven of all feasible answers together.

    Attributes
    ----------
    coverage
        delta of a covered set; 0 for a complete one, otherwise ``None``.
    stopped
        Why a search ended early; ``None`` where it did not.
    open_regions
        Boxes of latency and cost that a stopped search of deployments left open.
    """

    kind: GuaranteeKind
    coverage: FromZero | None = None
    stopped: Text | None = None
    open_regions: tuple[Box, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Guarantee:
        wrong: list[tuple[tuple[str], object, str]] = []
        if (self.coverage is not None) != (self.kind in _WITH_DELTA):
            wanted = "a number from 0 on" if self.kind in _WITH_DELTA else "null"
            wrong.append((("coverage",), self.coverage, f"{wanted} with the kind {self.kind}"))
        if (self.stopped is not None) != (self.kind is GuaranteeKind.PARTIAL):
            wanted = "text" if self.kind is GuaranteeKind.PARTIAL else "null"
            wrong.append((("stopped",), self.stopped, f"{wanted} with the kind {self.kind}"))
        if wrong:
            raise refused_at(wrong)
        return self


def achieved(
    kind: GuaranteeKind, coverage: float | None, stopped: str | None, open_regions: tuple[Box, ...] = ()
) -> Guarantee:
    """Guarantee of a search that aimed at ``kind``, or was stopped on the way."""
    if stopped is not None:
        return Guarantee(GuaranteeKind.PARTIAL, None, stopped, open_regions)
    return Guarantee(kind, coverage)
