"""The mixed-integer program of a fleet, in Pyomo.

Integer instances of each column, integer nodes of each pool, one binary for each workload that may be served in either
mode. Demands and caps are scaled to 1, so that the solver's absolute tolerances are relative ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.fleet.columns import MODES
from ieco_opt.fleet.program.data import (
    Family,
    FleetProgramData,
    Goal,
    Quantity,
    column_names,
    plain_name,
    position,
)
from ieco_opt.fleet.program.exclusion import define_exclusion_constraints, define_use_constraints
from ieco_opt.fleet.program.loads import define_load_constraints, define_served_constraints, energy_kw, per_kwh
from ieco_opt.fleet.program.packing import define_packing_constraints
from ieco_opt.fleet.program.pairing import define_cache_form_constraints, define_pairing_constraints
from ieco_opt.fleet.space import FleetProblem, PoolData
from ieco_opt.performance.serving import Phase

if TYPE_CHECKING:
    from pyomo.core.base.PyomoModel import ConcreteModel


def build_fleet_program(data: FleetProgramData) -> ConcreteModel:
    """Assemble the program; every component is named, so that an exported file can be read."""
    import pyomo.core as pyo

    model = pyo.ConcreteModel(name="fleet")
    define_variables(model, data)
    define_demand_constraints(model, data)
    define_mix_constraints(model, data)
    define_load_constraints(model, data, _phases(data.problem))
    define_served_constraints(
        model, data, lambda *of: _active(model, data, *of) - _violation(model, data, Family.DEMAND, of[0])
    )
    define_replica_constraints(model, data)
    define_pairing_constraints(model, data)
    define_cache_form_constraints(model, data)
    define_capacity_constraints(model, data)
    define_packing_constraints(model, data)
    define_payment_constraints(model, data)
    define_power_constraints(model, data)
    define_cap_constraints(model, data)
    if data.problem.excluded:
        define_use_constraints(model, data)
        define_exclusion_constraints(model, data)
    define_objective(model, data)
    return model


def define_variables(model: Any, data: FleetProgramData) -> None:
    """Instances and nodes, the mode of workloads that have a choice, and the violation of a relaxed requirement."""
    import pyomo.core as pyo

    problem = data.problem
    model.columns = pyo.Set(initialize=column_names(problem), ordered=True)
    most = dict(zip(model.columns, problem.most, strict=True))
    model.instances = pyo.Var(model.columns, domain=pyo.NonNegativeIntegers, bounds=lambda _, column: (0, most[column]))
    model.pools = pyo.Set(initialize=[plain_name(pool.name, at) for at, pool in enumerate(problem.pools)], ordered=True)
    model.nodes = pyo.Var(model.pools, domain=pyo.NonNegativeIntegers)
    model.workloads = pyo.Set(
        initialize=[plain_name(workload.name, at) for at, workload in enumerate(problem.workloads)], ordered=True
    )
    either = [name for name, each in zip(model.workloads, problem.workloads, strict=True) if len(each.modes) > 1]
    model.disaggregated = pyo.Var(either, domain=pyo.Binary)
    if data.minimise is Goal.SLACK:
        model.covered = pyo.Var(domain=pyo.NonNegativeReals, bounds=(data.least_covered, most_covered(problem)))
    if data.relaxed is not None:
        whole = data.relaxed.family is Family.CAPACITY
        domain = pyo.NonNegativeIntegers if whole else pyo.NonNegativeReals
        model.violation = pyo.Var(domain=domain, bounds=(0, data.most_violation))


def define_demand_constraints(model: Any, data: FleetProgramData) -> None:
    """Capacity meets demand: sum_k min(R_k / d, 1) x_k >= active, in each phase of a workload with one class.

    Cutting coefficients off at 1 excludes no integer solution. For the greatest slack, capacity beyond the demand
    counts: sum_k R_k / d x_k >= covered.
    """
    import pyomo.core as pyo

    problem = data.problem
    served = {at: [] for at in _phases(problem) if not _is_mix(problem, at[0])}  # type: ignore[var-annotated]
    for instances, column in zip(model.instances.values(), problem.columns, strict=True):
        if (at := (column.workload, column.phase)) in served:
            share = column.requests_per_s[0] / problem.workloads[column.workload].requests_per_s[0]
            served[at].append((share if data.minimise is Goal.SLACK else min(share, 1.0)) * instances)

    def rule(model: Any, workload: int, phase: str) -> Any:
        capacity = pyo.quicksum(served[workload, Phase(phase)])
        return capacity + _violation(model, data, Family.DEMAND, workload) >= _required(model, data, workload, phase)

    model.demand = pyo.Constraint([(at, phase.value) for at, phase in served], rule=rule)


def define_mix_constraints(model: Any, data: FleetProgramData) -> None:
    """Classes share instances: sum_k s_kc = active, and sum_c d_c / R_kc s_kc <= x_k, for workloads with a mix.

    s_kc is the share of class c that column k serves; with slices a whole number of them. For the greatest slack the
    shares of a class come to ``covered`` (without slices: those of a slice cannot).
    """
    import pyomo.core as pyo

    problem = data.problem
    index = [
        (name, c)
        for name, column in zip(model.columns, problem.columns, strict=True)
        if _is_mix(problem, column.workload)
        for c, capacity in enumerate(column.requests_per_s)
        if capacity > 0.0
    ]
    columns = dict(zip(model.columns, problem.columns, strict=True))
    slices = {name: problem.workloads[column.workload].slices for name, column in columns.items()}
    whole = most_covered(problem) if data.minimise is Goal.SLACK else 1.0
    model.share = pyo.Var(index, domain=pyo.NonNegativeReals, bounds=lambda _, name, _c: (0, slices[name] or whole))
    for name, c in index:
        if slices[name]:
            model.share[name, c].domain = pyo.NonNegativeIntegers
    parts: dict[tuple[int, str, int], list[Any]] = {}
    loads: dict[str, list[Any]] = {}
    for name, c in index:
        column, share = columns[name], model.share[name, c] / (slices[name] or 1)
        parts.setdefault((column.workload, column.phase.value, c), []).append(share)
        wanted = problem.workloads[column.workload].requests_per_s[c]
        loads.setdefault(name, []).append(wanted / column.requests_per_s[c] * share)
    mixes = [(at, phase.value, c) for at, phase in _phases(problem) for c in _mix_classes(problem, at)]

    def served(model: Any, workload: int, phase: str, c: int) -> Any:
        shares = pyo.quicksum(parts.get((workload, phase, c), []))
        return shares + _violation(model, data, Family.DEMAND, workload) >= _required(model, data, workload, phase)

    model.mix = pyo.Constraint(mixes, rule=served)
    model.mix_load = pyo.Constraint(
        list(loads), rule=lambda model, name: pyo.quicksum(loads[name]) <= model.instances[name]
    )


def define_replica_constraints(model: Any, data: FleetProgramData) -> None:
    """Replicas: min_instances active <= sum_k x_k <= max_instances active, in each phase."""
    import pyomo.core as pyo

    problem = data.problem
    running: dict[tuple[int, Phase], list[Any]] = {at: [] for at in _phases(problem)}
    for instances, column in zip(model.instances.values(), problem.columns, strict=True):
        if (at := (column.workload, column.phase)) in running:
            running[at].append(instances)
    # One instance is needed anyway, unless demand may be violated.
    least = [at for at in running if problem.workloads[at[0]].min_instances > 1 or data.relaxed is not None]
    most = [at for at in running if problem.workloads[at[0]].max_instances is not None]

    def at_least(model: Any, workload: int, phase: str) -> Any:
        total = pyo.quicksum(running[workload, Phase(phase)])
        return total >= problem.workloads[workload].min_instances * _active(model, data, workload, phase)

    def at_most(model: Any, workload: int, phase: str) -> Any:
        total = pyo.quicksum(running[workload, Phase(phase)])
        limit = problem.workloads[workload].max_instances
        return pyo.inequality(None, total - limit * _active(model, data, workload, phase), 0.0)

    model.min_instances = pyo.Constraint([(at, phase.value) for at, phase in least], rule=at_least)
    model.max_instances = pyo.Constraint([(at, phase.value) for at, phase in most], rule=at_most)


def define_capacity_constraints(model: Any, data: FleetProgramData) -> None:
    """Nodes in use are within the capacity: n_p <= whole nodes of the pool."""
    import pyomo.core as pyo

    def rule(model: Any, pool: str) -> Any:
        at = position(model.pools, pool)
        if _is_relaxed(data, Family.CAPACITY, at):
            assert data.relaxed is not None
            return model.nodes[pool] <= data.relaxed.nodes + model.violation
        return model.nodes[pool] <= data.problem.pools[at].nodes.whole

    model.capacity = pyo.Constraint(model.pools, rule=rule)


def define_payment_constraints(model: Any, data: FleetProgramData) -> None:
    """Owned GPUs cost nothing: paid_p >= allocated_p - owned_p, for pools that own some."""
    import pyomo.core as pyo

    owning = [name for name, pool in zip(model.pools, data.problem.pools, strict=True) if pool.owned_gpus]
    model.paid = pyo.Var(owning, domain=pyo.NonNegativeReals)

    def rule(model: Any, pool: str) -> Any:
        owned = data.problem.pools[position(model.pools, pool)].owned_gpus
        return model.paid[pool] >= allocated_gpus(model, data.problem, pool) - owned

    model.payment = pyo.Constraint(owning, rule=rule)


def define_power_constraints(model: Any, data: FleetProgramData) -> None:
    """Power of a pool: kW of a GPU allocated_p <= max_power_kw, scaled to 1."""
    import pyomo.core as pyo

    capped = [
        name for name, pool in zip(model.pools, data.problem.pools, strict=True) if np.isfinite(pool.max_power_kw)
    ]

    def rule(model: Any, name: str) -> Any:
        at = position(model.pools, name)
        pool = data.problem.pools[at]
        scale = power_scale(pool)
        share = allocated_gpus(model, data.problem, name) * (pool.kw_per_gpu / scale)
        return _relation(share <= pool.max_power_kw / scale + _violation(model, data, Family.POOL_POWER, at))

    model.pool_power = pyo.Constraint(capped, rule=rule)


def define_cap_constraints(model: Any, data: FleetProgramData) -> None:
    """Caps over all pools, of the scenario and of an epsilon-constraint step: quantity / cap <= 1."""
    import pyomo.core as pyo

    limits = {quantity: limit for quantity, limit in caps_of(data.problem).items() if np.isfinite(limit)}

    def capped(quantity: Quantity, limit: float, violation: Any = 0.0) -> Any:
        scale = _cap_scale(data.problem, quantity, limit)
        return _relation(total(model, data.problem, quantity) / scale <= limit / scale + violation)

    def rule(model: Any, name: str) -> Any:
        quantity = Quantity(name)
        return capped(quantity, limits[quantity], _violation(model, data, Family.CAP, quantity))

    def step(_: Any, name: str) -> Any:
        return capped(Quantity(name), data.epsilons[Quantity(name)])

    model.cap = pyo.Constraint([quantity.value for quantity in limits], rule=rule)
    model.epsilon = pyo.Constraint([quantity.value for quantity in data.epsilons], rule=step)


def define_objective(model: Any, data: FleetProgramData) -> None:
    """Least of a quantity, greatest least slack or nothing; or the least violation of the relaxed requirement."""
    import pyomo.core as pyo

    if data.relaxed is not None and data.most_violation is None:
        goal = model.violation
    elif data.minimise is Goal.SLACK:
        goal = -model.covered
    elif data.minimise is Goal.ANY:
        goal = 0.0 * model.nodes[model.pools.first()]
    else:
        goal = total(model, data.problem, data.minimise)
    model.objective = pyo.Objective(expr=goal, sense=pyo.minimize)


def most_covered(problem: FleetProblem) -> float:
    """No plan covers more than this multiple of all demands, workloads with slices aside; 1 at the least."""
    whole = [at for at, workload in enumerate(problem.workloads) if not workload.is_sliced and problem.has_slack(at)]
    return max(1.0, min((_room(problem, at) for at in whole), default=1.0))


def room(problem: FleetProblem) -> float:
    """No plan covers more than this multiple of all demands: each workload in its roomiest mode, on all there is."""
    return min(_room(problem, at) for at in range(len(problem.workloads)))


def _room(problem: FleetProblem, workload: int) -> float:
    modes = problem.workloads[workload].modes
    return max(min(_most_covered(problem, workload, phase) for phase in MODES[mode]) for mode in modes)


def _most_covered(problem: FleetProblem, workload: int, phase: Phase) -> float:
    """Multiple of the demand that all useful instances of one phase serve, for the class that they serve least of."""
    columns = problem.columns_of(workload, phase)
    return min(
        sum(problem.columns[at].requests_per_s[c] * problem.most[at] for at in columns) / wanted
        for c, wanted in enumerate(problem.workloads[workload].requests_per_s)
    )


def caps_of(problem: FleetProblem) -> dict[Quantity, float]:
    """Caps of the scenario by quantity."""
    caps = problem.caps
    return {
        Quantity.COST: caps.max_usd_per_hour,
        Quantity.POWER: caps.max_power_kw,
        Quantity.GPUS: caps.max_gpus,
        Quantity.ENERGY: caps.max_energy_kw,
        Quantity.CARBON: caps.max_carbon_kg_per_hour,
    }


def power_scale(pool: PoolData) -> float:
    """What the power of a pool is divided by: its cap, or one GPU where the cap is less than that takes."""
    return max(pool.max_power_kw, pool.kw_per_gpu)


def _cap_scale(problem: FleetProblem, quantity: Quantity, limit: float) -> float:
    """What a cap is divided by: itself, or the least that counts where it is less; tiny divisors upset the solver."""
    per_gpu = {
        Quantity.COST: [pool.usd_per_gpu_hour for pool in problem.pools],
        Quantity.POWER: [pool.kw_per_gpu for pool in problem.pools],
        Quantity.ENERGY: [pool.idle_kw_per_gpu for pool in problem.pools],
        Quantity.CARBON: [pool.kg_co2_per_kwh * pool.idle_kw_per_gpu for pool in problem.pools],
    }
    return max(limit, min((each for each in per_gpu.get(quantity, []) if each > 0.0), default=0.0)) or 1.0


def allocated_gpus(model: Any, problem: FleetProblem, pool: str) -> Any:
    """GPUs allocated of a pool: node_size n_p, or the GPUs of its instances."""
    import pyomo.core as pyo

    at = position(model.pools, pool)
    data = problem.pools[at]
    if data.by_node:
        return data.nodes.size * model.nodes[pool]
    return pyo.quicksum(
        column.gpus * instances
        for instances, column in zip(model.instances.values(), problem.columns, strict=True)
        if column.pool == at
    )


def total(model: Any, problem: FleetProblem, quantity: Quantity) -> Any:
    """Cost in $/h, power or energy in kW, carbon in kg/h or allocated GPUs, over all pools; or all instances."""
    import pyomo.core as pyo

    if quantity is Quantity.INSTANCES:
        return pyo.quicksum(model.instances.values())

    def of(name: str, at: int) -> Any:
        pool = problem.pools[at]
        if quantity in (Quantity.ENERGY, Quantity.CARBON):
            return per_kwh(problem, at, quantity) * energy_kw(model, problem, at)
        allocated = allocated_gpus(model, problem, name)
        if quantity is Quantity.COST:
            rent = pool.usd_per_gpu_hour * (model.paid[name] if pool.owned_gpus else allocated)
            return rent + pool.usd_per_kwh * energy_kw(model, problem, at) if pool.usd_per_kwh else rent
        return allocated if quantity is Quantity.GPUS else pool.kw_per_gpu * allocated

    return pyo.quicksum(of(name, at) for at, name in enumerate(model.pools))


def _phases(problem: FleetProblem) -> list[tuple[int, Phase]]:
    """Every workload with every phase of its modes."""
    return [
        (at, phase) for at, workload in enumerate(problem.workloads) for mode in workload.modes for phase in MODES[mode]
    ]


def _active(model: Any, data: FleetProgramData, workload: int, phase: str) -> Any:
    """1 where the workload runs in the mode with this phase: a constant, or the binary of the mode."""
    if len(data.problem.workloads[workload].modes) == 1:
        return 1
    chosen = model.disaggregated[model.workloads.at(workload + 1)]
    return 1 - chosen if Phase(phase) is Phase.COLOCATED else chosen


def _required(model: Any, data: FleetProgramData, workload: int, phase: str) -> Any:
    """What shares of the demand must come to: all of it where active, or the multiple that all workloads cover."""
    active = _active(model, data, workload, phase)
    uncounted = data.problem.workloads[workload].is_sliced or not data.problem.has_slack(workload)
    if data.minimise is not Goal.SLACK or uncounted:
        return active
    # Where the phase is not active, nothing is required of it.
    return model.covered if isinstance(active, int) else model.covered - model.covered.ub * (1 - active)


def _relation(relation: Any) -> Any:
    """A constraint; where no variable is left of it, what it comes to."""
    import pyomo.core as pyo

    if isinstance(relation, bool):
        return pyo.Constraint.Feasible if relation else pyo.Constraint.Infeasible
    return relation


def _is_mix(problem: FleetProblem, workload: int) -> bool:
    return len(problem.workloads[workload].requests_per_s) > 1


def _mix_classes(problem: FleetProblem, workload: int) -> range:
    return range(len(problem.workloads[workload].requests_per_s)) if _is_mix(problem, workload) else range(0)


def _is_relaxed(data: FleetProgramData, family: Family, which: object) -> bool:
    return data.relaxed is not None and data.relaxed.family is family and data.relaxed.which == which


def _violation(model: Any, data: FleetProgramData, family: Family, which: int | Quantity) -> Any:
    """The violation where this is the relaxed requirement, otherwise nothing."""
    return model.violation if _is_relaxed(data, family, which) else 0
