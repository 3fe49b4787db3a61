"""How fast the instances of a plan run, as a common factor on all least speeds, and how fast they could."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ieco_opt.fleet.columns import Candidates, Column
from ieco_opt.fleet.instances import DecodingSetups
from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.pricing import at_speed
from ieco_opt.fleet.space import FleetSpace

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


def as_fast_as_possible(
    space: FleetSpace, plan: Plan, fastest: float, loaded: Callable[[Plan], Plan | None] | None = None
) -> Plan:
    """Run the instances of a plan as fast as they can while they still serve the demand.

    Bisects on the factor: what the same instances serve falls in steps as their batches shrink, and what a request
    takes rises. Where that matters, ``loaded`` says what they then serve, or that a cap is exceeded.
    """
    slow, fast = plan, fastest
    while fast / slow.speed_factor > 1.0 + STEP / 10.0:
        middle = math.sqrt(fast * slow.speed_factor)
        faster = _at(space, plan, middle)
        if faster is not None and loaded is not None:
            faster = loaded(faster)
        if faster is None:
            fast = middle
        else:
            slow = replace(faster, speed_factor=max(middle, attained_factor(space, faster)))
    return slow


def _factor(candidate: Candidates, column: Column) -> float:
    """Factor that one column attains, with the error of the model, and with a mix in its slowest class.

    It is inf where no speed is asked for or known.
    """
    asked = candidate.workload.workload.min_speed
    if asked is None:
        return math.inf
    if column.origin.table is None:
        speeds = [point.speed_tokens_per_s for point in column.origin.points if point.phase != "prefill"]
        return min((speed / asked for speed in speeds if speed is not None), default=math.inf)
    factors = []
    for setups, row, batch in zip(
        candidate.tables[column.origin.table].setups, column.origin.rows, column.batch, strict=True
    ):
        if batch and isinstance(setups, DecodingSetups):
            alternative = setups.alternatives.take(np.array([row]))
            factors.append(1.0 / float(alternative.latency_s(np.array([float(batch)]))[0]) / column.margin / asked)
    return min(factors, default=math.inf)


def _at(space: FleetSpace, plan: Plan, factor: float) -> Plan | None:
    """The same instances at another factor, if they still serve the demand."""
    columns = list(plan.problem.columns)
    for at, count in enumerate(plan.counts):
        if count:
            candidate = space.candidates[columns[at].workload]
            column = at_speed(candidate, columns[at], factor)
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
