"""What a result proves: of each point, of what it does not list, and where a stopped search knows nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What is proven of a point: that nothing dominates it, or only that it exists."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"


class Guarantee(StrEnum):
    """What a result says of the deployments it does not list."""

    COMPLETE = "complete"
    """Every point of the nondominated set is listed."""

    COVERED = "covered"
    """For every feasible deployment one listed is at most 1 + coverage more expensive and 1 + coverage slower."""

    SAMPLED = "sampled"
    """Every point listed is nondominated; others may be missing."""

    SINGLE = "single"
    """The one answer that was asked for."""

    PARTIAL = "partial"
    """A limit ended the search: ``open_regions`` may hold better deployments."""


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
