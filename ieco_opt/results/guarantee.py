"""What a result proves: of each point, of what it does not list, and where a stopped search knows nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from pydantic import model_validator

from ieco_opt.documents.types import AboveZeroOrInfinite, FromZero, Record, Text
from ieco_opt.scenario.fields import refused_at

CLOSED = 1e-6
"""Relative gap up to which a point counts as optimal."""


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
    """The one answer that was asked for; of alternatives each is that to a question of its own."""

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


class Between(StrEnum):
    """What is known of the answers that may lie between two neighbours of a list."""

    CLOSE = "close"
    """The neighbours are within the coverage of each other in one objective, so that one of them covers whatever is
    between."""

    PROVEN = "proven"
    """They are not, and it is proven that nothing lies between which neither of them covers."""

    OPEN = "open"
    """Nothing is proven."""


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
    between
        Of a frontier, for each two neighbours in the order of the list; ``None`` where a file does not say.
    """

    kind: GuaranteeKind
    coverage: FromZero | None = None
    stopped: Text | None = None
    open_regions: tuple[Box, ...] = ()
    between: tuple[Between, ...] | None = None

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


def neighbours(guarantee: Guarantee, points: Iterable[tuple[float, float]]) -> Guarantee:
    """Say what is known between the neighbours of a frontier.

    Parameters
    ----------
    points
        Both objectives of each point, in the order of the list.
    """
    between = tuple(_between(guarantee.coverage, one, other) for one, other in pairwise(points))
    return replace(guarantee, between=between)


def _between(coverage: float | None, one: tuple[float, float], other: tuple[float, float]) -> Between:
    if coverage is None:
        return Between.OPEN
    apart = min(_ratio(*pair) for pair in zip(one, other, strict=True))
    return Between.CLOSE if apart <= 1.0 + coverage else Between.PROVEN


def _ratio(one: float, other: float) -> float:
    """Greater over smaller."""
    small, great = sorted((one, other))
    return 1.0 if small == great else great / small if small > 0.0 else math.inf
