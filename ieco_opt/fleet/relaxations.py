"""What a better plan would have to violate, one requirement at a time; of an infeasible fleet, what any plan would."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Family, Quantity, Requirement
from ieco_opt.fleet.program.plan import caps_of
from ieco_opt.fleet.space import Caps, FleetProblem
from ieco_opt.solvers.run import Stopped

_UNITS = {Quantity.COST: "$/h", Quantity.POWER: "kW", Quantity.GPUS: "GPUs"}
_CAPS = {
    Quantity.COST: "limits.max_usd_per_hour",
    Quantity.POWER: "limits.max_power_kw",
    Quantity.GPUS: "limits.max_gpus",
}
_NOTHING = 1e-7

_PLENTY = 1_000_000
"""More nodes than any plan uses."""


@dataclass(frozen=True, slots=True)
class Violation:
    """The least violation of one requirement: ``amount`` in ``unit``, ``share`` of what is required, totals with it."""

    requirement: str
    amount: float
    unit: str
    share: float | None
    totals: Mapping[Quantity, float]


def minimal_relaxations(planner: FleetPlanner, epsilons: Mapping[Quantity, float]) -> tuple[list[Violation], list[str]]:
    """Least violation of each requirement with which a plan meets all others and ``epsilons``.

    Also returns the requirements that a time limit left unexamined. A requirement whose violation alone is never
    enough is in neither.
    """
    found: list[Violation] = []
    left: list[str] = []
    limited = _limits_matter(planner, epsilons)
    for requirement, name, problem in _requirements(planner):
        if requirement.family is not Family.DEMAND and not limited:
            continue
        try:
            answer = planner.least_violation(problem, requirement, epsilons)
        except Stopped:
            left.append(name)
            continue
        if answer is not None and answer[0] > _NOTHING:
            found.append(_violation(problem, requirement, name, answer))
    return sorted(found, key=lambda each: (each.share is None, each.share or 0.0)), left


def _limits_matter(planner: FleetPlanner, epsilons: Mapping[Quantity, float]) -> bool:
    """Whether a plan meets ``epsilons`` if capacity, power and caps are all lifted; if not, no single one helps."""
    space = planner.space
    for at in range(len(space.pools)):
        space = space.with_nodes(at, _PLENTY)
    problem = planner.problem(space=space)
    pools = tuple(replace(pool, max_power_kw=math.inf) for pool in problem.pools)
    lifted = replace(problem, pools=pools, caps=Caps(math.inf, math.inf, math.inf))
    try:
        return planner.exists(lifted, epsilons)
    except Stopped:
        return True


def _requirements(planner: FleetPlanner) -> Iterator[tuple[Requirement, str, FleetProblem]]:
    """Every requirement that can be relaxed by a number, with the problem in which it is."""
    problem = planner.problem()
    for at, workload in enumerate(problem.workloads):
        yield Requirement(Family.DEMAND, at), f"demand of {workload.name}", problem
    for at, pool in enumerate(problem.pools):
        more = planner.problem(space=planner.space.with_nodes(at, _PLENTY))
        if any(column.pool == at for column in more.columns):
            requirement = Requirement(Family.CAPACITY, at, pool.nodes.whole)
            yield requirement, f"capacity of {pool.name}", more
        if math.isfinite(pool.max_power_kw):
            yield Requirement(Family.POOL_POWER, at), f"max_power_kw of {pool.name}", problem
    for quantity, cap in caps_of(problem).items():
        if math.isfinite(cap):
            yield Requirement(Family.CAP, quantity), _CAPS[quantity], problem


def _violation(
    problem: FleetProblem, requirement: Requirement, name: str, answer: tuple[float, dict[Quantity, float]]
) -> Violation:
    violation, totals = answer
    match requirement.family, requirement.which:
        case Family.DEMAND, int(at):
            return Violation(
                name, violation * sum(problem.workloads[at].requests_per_s), "requests/s", violation, totals
            )
        case Family.CAPACITY, int(at):
            size = problem.pools[at].nodes.size
            share = violation / requirement.nodes if requirement.nodes else None
            return Violation(name, violation * size, "GPUs", share, totals)
        case Family.POOL_POWER, int(at):
            return Violation(name, violation * problem.pools[at].max_power_kw, "kW", violation, totals)
        case _, Quantity() as quantity:
            return Violation(name, violation * caps_of(problem)[quantity], _UNITS[quantity], violation, totals)
    raise AssertionError(requirement)
