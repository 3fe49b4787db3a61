"""What a search returns: deployments with their certificates, and boxes in which nothing is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What is proven of a point: that nothing beats it, or only that it exists."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a point is on the frontier.

    Attributes
    ----------
    cost_cap
        Epsilon of the step that found the point: the cost that was allowed ($ per million tokens).
    latency_bound_s
        Proven: no deployment at most as dear as ``cost_cap`` is faster than this.
    gap
        (latency - bound) / bound, never negative.
    status
        Whether the gap was closed to what the configuration asks and the tie-break was finished.
    solves, seconds
        Programs solved for this point and the time they took; 0 where bounds alone closed the step.
    """

    cost_cap: float
    latency_bound_s: float
    gap: float
    status: Status
    solves: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Point:
    """A deployment: a row of ``DesignSpace.alternatives`` and a batch, with what the performance model says of it."""

    alternative: int
    batch: int
    latency_s: float
    cost: float
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Box:
    """Any deployment not covered yet: latency in (latency_lo_s, latency_hi_s), cost in (cost_lo, cost_hi)."""

    latency_lo_s: float
    latency_hi_s: float
    cost_lo: float
    cost_hi: float

    @property
    def spread(self) -> float:
        """The smaller of the two ratios: a neighbour is at most this factor worse than anything inside."""
        return min(self.latency_hi_s / self.latency_lo_s, self.cost_hi / self.cost_lo)


@dataclass(frozen=True, slots=True)
class SearchStatistics:
    """What a search cost."""

    steps: int
    solves: int
    closed_by_bounds: int
    solver_seconds: float
    seconds: float
    step_seconds: tuple[float, ...]
