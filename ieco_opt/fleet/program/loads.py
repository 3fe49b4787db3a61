"""What the columns of a fleet serve, where energy matters, and the energy that it takes.

An instance draws N W idle, and E = N W busy x busy seconds of a request for each request (docs/fleet.md, energy).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import Demand, FleetProblem
from ieco_opt.performance.serving import Phase

PER_KWH = (Quantity.COST, Quantity.ENERGY, Quantity.CARBON)
"""Quantities that energy has a part in."""


def per_kwh(problem: FleetProblem, pool: int, quantity: Quantity) -> float:
    """What a kWh of a pool adds to a quantity."""
    data = problem.pools[pool]
    return {Quantity.COST: data.usd_per_kwh, Quantity.ENERGY: 1.0, Quantity.CARBON: data.kg_co2_per_kwh}[quantity]


def idle_kw(problem: FleetProblem, column: int) -> float:
    """What one instance of a column draws whatever it serves."""
    pool = problem.pools[problem.columns[column].pool]
    return pool.idle_kw_per_gpu * problem.columns[column].gpus


def served_kw(problem: FleetProblem, column: int, request_class: int) -> float:
    """What instances of a column draw beside it if they serve all requests of a class that arrive."""
    mine = problem.columns[column]
    energy = problem.pools[mine.pool].busy_kw_per_gpu * mine.gpus * mine.busy_s[request_class]
    return energy * problem.workloads[mine.workload].arriving[request_class]


def instances_for(demand: Demand, capacity: float, request_class: int) -> float:
    """Instances that serve all requests of a class that arrive, with headroom."""
    return demand.arriving[request_class] * (1.0 + demand.headroom) / capacity


def define_load_constraints(model: Any, data: FleetProgramData, phases: Sequence[tuple[int, Phase]]) -> None:
    """Where energy matters: requests_per_s (1 + headroom) / R_k l_k <= x_k for each column of a workload of one class.

    l_k is the share of the requests that column k serves; :func:`define_served_constraints` adds them up. Classes of a
    mix have such shares anyway.
    """
    import pyomo.core as pyo

    problem = data.problem
    lone = [at for at, each in enumerate(problem.workloads) if len(each.requests_per_s) == 1]
    decided = {
        name: column
        for name, column in zip(model.columns, problem.columns, strict=True)
        if problem.decides_loads and column.workload in lone and (column.workload, column.phase) in phases
    }
    model.served_share = pyo.Var(list(decided), domain=pyo.NonNegativeReals, bounds=(0, 1))

    def within(model: Any, name: str) -> Any:
        column = decided[name]
        needed = instances_for(problem.workloads[column.workload], column.requests_per_s[0], 0)
        return needed * model.served_share[name] <= model.instances[name]

    model.load_capacity = pyo.Constraint(list(decided), rule=within)


def define_served_constraints(model: Any, data: FleetProgramData, required: Callable[[int, str], Any]) -> None:
    """Loads come to the requests: sum_k l_k >= active, in each phase of a workload with one class.

    Only where energy matters; ``required`` says what the shares of a workload and phase must come to.
    """
    import pyomo.core as pyo

    loads: dict[tuple[int, str], list[Any]] = {}
    for name, column in zip(model.columns, data.problem.columns, strict=True):
        if name in model.served_share:
            loads.setdefault((column.workload, column.phase.value), []).append(model.served_share[name])
    model.served = pyo.Constraint(list(loads), rule=lambda _, *of: pyo.quicksum(loads[of]) >= required(*of))


def energy_kw(model: Any, problem: FleetProblem, pool: int) -> Any:
    """Mean power that a pool draws: idle_k x_k + sum of what the shares of the requests take."""
    import pyomo.core as pyo

    slices = {name: problem.workloads[problem.columns[at].workload].slices or 1 for at, name in _named(model, problem)}
    drawn = []
    for at, name in _named(model, problem):
        column = problem.columns[at]
        if column.pool != pool:
            continue
        drawn.append(idle_kw(problem, at) * model.instances[name])
        if name in model.served_share:
            drawn.append(served_kw(problem, at, 0) * model.served_share[name])
        else:
            drawn += [
                served_kw(problem, at, c) / slices[name] * model.share[name, c]
                for c, capacity in enumerate(column.requests_per_s)
                if capacity > 0.0
            ]
    return pyo.quicksum(drawn)


def _named(model: Any, problem: FleetProblem) -> list[tuple[int, str]]:
    return list(zip(range(len(problem.columns)), model.columns, strict=True))
