"""What a better plan would have to violate, one requirement at a time; of an infeasible fleet, what any plan would."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ieco_opt.fleet.caps import Caps
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Family, Quantity, Requirement
from ieco_opt.fleet.program.plan import caps_of, power_scale
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.results.guarantee import CLOSED
from ieco_opt.solvers.run import Stopped

_UNITS = {
    Quantity.COST: "$/h",
    Quantity.POWER: "kW",
    Quantity.GPUS: "GPUs",
    Quantity.ENERGY: "kW",
    Quantity.CARBON: "kg/h",
}
_CAPS = {
    Quantity.COST: "limits.max_usd_per_hour",
    Quantity.POWER: "limits.max_power_kw",
    Quantity.GPUS: "limits.max_gpus",
    Quantity.ENERGY: "limits.max_energy_kw",
    Quantity.CARBON: "limits.max_carbon_kg_per_hour",
}
_PLENTY = 1_000_000
"""More nodes than any plan uses."""


@dataclass(frozen=True, slots=True)
class Violation:
    """The least violation of one requirement, and the least of what is minimised with it.

    ``required`` is the demand with headroom, the capacity or the cap; ``amount`` is in the same ``unit``. Where a limit
    ended the search for the least, ``amount`` and ``objective`` are ``None``.
    """

    requirement: str
    unit: str
    required: float
    amount: float | None = None
    objective: float | None = None

    @property
    def share(self) -> float | None:
        """The violation as a share of what is required; ``None`` where that is zero, or nothing is known."""
        return None if self.amount is None or not self.required else self.amount / self.required


def minimal_relaxations(
    planner: FleetPlanner, epsilons: Mapping[Quantity, float], minimise: Quantity | None = None
) -> list[Violation]:
    """Least violation of each requirement with which a plan meets all others and ``epsilons``, the least share first.

    Requirements that a time limit left unexamined come last; one whose violation alone is never enough is left out.
    """
    found: list[Violation] = []
    limited = _limits_matter(planner, epsilons)
    for requirement, name, problem in _requirements(planner):
        if requirement.family is not Family.DEMAND and not limited:
            continue
        unknown = _unknown(problem, requirement, name)
        try:
            answer = planner.least_violation(problem, requirement, epsilons)
        except Stopped:
            found.append(unknown)
            continue
        if answer is not None:
            measured = _measured(unknown, problem, requirement, *answer)
            if minimise is not None:
                least = planner.least_with_violation(problem, requirement, epsilons, minimise, answer[0])
                if _is_gradual(problem, requirement, least, epsilons[minimise]):
                    continue
                measured = replace(measured, objective=least)
            found.append(measured)
    return sorted(found, key=lambda each: (each.amount is None, each.share is None, each.share or 0.0))


def _is_gradual(problem: FleetProblem, requirement: Requirement, least: float | None, better: float) -> bool:
    """Whether a plan is better just by serving a little less, as any is whose energy counts: that says nothing."""
    lower = problem.decides_loads and requirement.family is Family.DEMAND
    return lower and least is not None and least >= better * (1.0 - CLOSED)


def _limits_matter(planner: FleetPlanner, epsilons: Mapping[Quantity, float]) -> bool:
    """Whether a plan meets ``epsilons`` if capacity, power and caps are all lifted; if not, no single one helps."""
    space = planner.space
    for at in range(len(space.pools)):
        space = space.with_nodes(at, _PLENTY)
    problem = planner.problem(space=space)
    pools = tuple(replace(pool, max_power_kw=math.inf) for pool in problem.pools)
    lifted = replace(problem, pools=pools, caps=Caps())
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


def _unknown(problem: FleetProblem, requirement: Requirement, name: str) -> Violation:
    match requirement.family, requirement.which:
        case Family.DEMAND, int(at):
            return Violation(name, "requests/s", sum(problem.workloads[at].requests_per_s))
        case Family.CAPACITY, int(at):
            return Violation(name, "GPUs", requirement.nodes * problem.pools[at].nodes.size)
        case Family.POOL_POWER, int(at):
            return Violation(name, "kW", problem.pools[at].max_power_kw)
        case _, Quantity() as quantity:
            return Violation(name, _UNITS[quantity], caps_of(problem)[quantity])
    raise AssertionError(requirement)


def _measured(
    unknown: Violation,
    problem: FleetProblem,
    requirement: Requirement,
    violation: float,
    totals: Mapping[Quantity, float],
) -> Violation:
    """A violation in the unit of what is required; of a cap over all pools exactly what the plan is above it."""
    match requirement.family, requirement.which:
        case Family.CAP, Quantity() as quantity:
            amount = totals[quantity] - unknown.required
        case Family.CAPACITY, int(at):
            amount = violation * problem.pools[at].nodes.size
        case Family.POOL_POWER, int(at):
            amount = violation * power_scale(problem.pools[at])
        case _:
            amount = violation * unknown.required
    return replace(unknown, amount=amount)
