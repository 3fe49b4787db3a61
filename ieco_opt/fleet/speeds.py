"""How fast the instances of a plan run, as a common factor on all least speeds, and how fast they could."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ieco_opt.fleet.columns import Candidates, Column
from ieco_opt.fleet.instances import DecodingSetups
from ieco_opt.fleet.ladders import Batches
from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.pricing import point_column
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.rows import distinct

STEP = 1e-7
"""Relative distance at which plans count as different in an objective."""


def attained_factor(space: FleetSpace, plan: Plan) -> float:
    """Least of speed over least speed; inf where no instance has both."""
    used = [column for column, count in zip(plan.problem.columns, plan.counts, strict=True) if count]
    return min((_factor(space.candidates[column.workload], column) for column in used), default=math.inf)


def with_attained_factor(space: FleetSpace, plan: Plan) -> Plan:
    """A plan with the factor that its instances attain; 1 where no speed is asked for or known."""
    factor = attained_factor(space, plan)
    return replace(plan, speed_factor=factor if math.isfinite(factor) else 1.0)


def _factor(candidate: Candidates, column: Column) -> float:
    """Factor that one column attains, with the error of the model, and with a mix in its slowest class.

    It is inf where no speed is asked for or known.
    """
    asked = candidate.workload.workload.min_speed
    if asked is None:
        return math.inf
    if column.origin.table is None:
        return min(_OfPoints(column, candidate).attained().tolist(), default=math.inf)
    factors = []
    for setups, row, batch in zip(
        candidate.tables[column.origin.table].setups, column.origin.rows, column.batch, strict=True
    ):
        if batch and isinstance(setups, DecodingSetups):
            latency_s = float(setups.batches_upto(row, batch).latency_s[-1])
            factors.append(1.0 / latency_s / column.margin / asked)
    return min(factors, default=math.inf)


def as_fast_as_possible(
    space: FleetSpace, plan: Plan, fastest: float, loaded: Callable[[Plan], Plan | None] | None = None
) -> Plan:
    """Run the instances of a plan as fast as they can while they still serve the demand.

    Batches change only at the factors that batches attain: of these the greatest is sought at which the same instances
    serve enough, since what they serve falls as their batches shrink, and what a request takes rises. Where that
    matters, ``loaded`` says what they then serve, or that a cap is exceeded.
    """
    speeds = {at: _speeds(space, plan.problem.columns[at]) for at, count in enumerate(plan.counts) if count}
    attained = distinct(np.concatenate([each.attained() for each in speeds.values()] or [np.empty(0)]))
    factors = attained[(attained > plan.speed_factor) & (attained <= fastest * (1.0 + STEP))].tolist()
    if not len(attained) and fastest > plan.speed_factor:
        # No instance has a speed that is asked for and known, so that the same plan is one at any factor.
        factors = [math.inf]
    best, low, high = plan, -1, len(factors)
    while high - low > 1:
        middle = (low + high) // 2
        faster = _at(plan, speeds, factors[middle])
        if faster is not None and loaded is not None:
            faster = loaded(faster)
        if faster is None:
            high = middle
        else:
            low, best = middle, faster
    return best


class _Speeds(Protocol):
    """How fast one column runs, as a factor on the least speed of its workload."""

    def attained(self) -> Array:
        """Every factor from which on it serves less, up to the greatest at which it serves anything."""

    def at(self, factor: float) -> Column | None:
        """The column at a factor; ``None`` if it serves nothing then."""


@dataclass(frozen=True, slots=True)
class _OfSetups:
    """A column of the performance model: the batches of each class, those of which its own is the largest."""

    column: Column
    batches: tuple[Batches | None, ...]
    factors: tuple[Array, ...]

    def attained(self) -> Array:
        return np.concatenate(self.factors)

    def at(self, factor: float) -> Column | None:
        column = self.column
        served, batch, busy = list(column.requests_per_s), list(column.batch), list(column.busy_s)
        for class_index, (batches, factors) in enumerate(zip(self.batches, self.factors, strict=True)):
            if batches is None or not len(factors):
                continue
            # Factors fall with the batch.
            best = int(np.searchsorted(-factors, -factor, side="right")) - 1
            served[class_index] = float(batches.requests_per_s[best]) / column.margin if best >= 0 else 0.0
            batch[class_index] = int(batches.batch[best]) if best >= 0 else 0
            busy[class_index] = float(batches.busy_s[best]) if best >= 0 else 0.0
        faster = replace(column, requests_per_s=tuple(served), batch=tuple(batch), busy_s=tuple(busy))
        return faster if any(served) else None


@dataclass(frozen=True, slots=True)
class _OfPoints:
    """A column of operating points, of which those that are too slow drop out."""

    column: Column
    candidate: Candidates

    def attained(self) -> Array:
        asked = self.candidate.workload.workload.min_speed
        speeds = [each.speed_tokens_per_s for each in self.column.origin.points if each.phase != "prefill"]
        return np.array([each / asked for each in speeds if each is not None and asked is not None])

    def at(self, factor: float) -> Column | None:
        service = self.candidate.service(factor)
        return point_column(self.candidate, self.column.workload, self.column.origin.points, self.column.pool, service)


def _speeds(space: FleetSpace, column: Column) -> _Speeds:
    candidate = space.candidates[column.workload]
    if column.origin.table is None:
        return _OfPoints(column, candidate)
    asked = candidate.workload.workload.min_speed
    batches: list[Batches | None] = []
    factors: list[Array] = []
    for setups, row, most in zip(
        candidate.tables[column.origin.table].setups, column.origin.rows, column.batch, strict=True
    ):
        listed = setups.batches_upto(row, most) if most and isinstance(setups, DecodingSetups) else None
        batches.append(listed)
        speeds = np.empty(0) if listed is None or asked is None else 1.0 / listed.latency_s / column.margin / asked
        factors.append(speeds)
    return _OfSetups(column, tuple(batches), tuple(factors))


def _at(plan: Plan, speeds: Mapping[int, _Speeds], factor: float) -> Plan | None:
    """The same instances at another factor, if they still serve the demand."""
    columns = list(plan.problem.columns)
    for at, each in speeds.items():
        column = each.at(factor)
        if column is None:
            return None
        columns[at] = column
    faster = replace(plan, problem=replace(plan.problem, columns=tuple(columns)), speed_factor=factor)
    return faster if _serves(faster) else None


def _serves(plan: Plan) -> bool:
    return all(
        plan.serves(workload, phase)
        for workload in range(len(plan.problem.workloads))
        for phase in plan.phases(workload)
    )
