"""What a search returns: deployments with their certificates, and boxes in which nothing is known."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.results.guarantee import Status


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a point is on the frontier.

    Attributes
    ----------
    cost_cap
        Epsilon of the step that found the point: the cost that was allowed ($ per million tokens).
    latency_bound_s
        Proven: no deployment at most as expensive as ``cost_cap`` is faster than this.
    gap
        (latency - bound) / bound, never negative.
    status
        Whether the gap was closed to what the configuration asks and the tie-break was finished.
    """

    cost_cap: float
    latency_bound_s: float
    gap: float
    status: Status


@dataclass(frozen=True, slots=True)
class Point:
    """A deployment: a row of ``DesignSpace.alternatives`` and a batch, with what the performance model says of it.

    ``cost``, and ``cost_cap`` of the certificate, are in the measure of the design space.
    """

    alternative: int
    batch: int
    latency_s: float
    cost: float
    certificate: Certificate
