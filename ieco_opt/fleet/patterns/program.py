"""The master program of a fleet: one vector a workload, in Pyomo.

What vectors take stands in the rows of the pools as columns do: one column a piece, whose instances are what the chosen
vectors take of it. So packing, payment, power and caps are those of the program of instances
(:mod:`ieco_opt.fleet.program.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.fleet.columns import Column, Origin
from ieco_opt.fleet.patterns.enumeration import Vectors
from ieco_opt.fleet.patterns.pieces import Pieces
from ieco_opt.fleet.program.data import FleetDecision, FleetProgramData, Quantity, read_flows, read_nodes
from ieco_opt.fleet.program.packing import define_packing_constraints
from ieco_opt.fleet.program.plan import (
    define_cap_constraints,
    define_capacity_constraints,
    define_objective,
    define_payment_constraints,
    define_power_constraints,
    define_variables,
)
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.performance.serving import Phase

if TYPE_CHECKING:
    from pyomo.core.base.PyomoModel import ConcreteModel


@dataclass(frozen=True, slots=True)
class Master:
    """What one master program decides over.

    Attributes
    ----------
    data
        The program whose plans are sought.
    vectors
        Of each workload, by position.
    penalty
        What each workload without a vector adds to the objective; ``None``: every workload takes one.
    """

    data: FleetProgramData
    pieces: Pieces
    vectors: Mapping[int, Vectors]
    penalty: Mapping[int, float] | None = None


def build_master_program(master: Master) -> ConcreteModel:
    """Assemble the program."""
    model = _pools_program(replace(master.data, problem=_by_pieces(master)))
    define_vector_constraints(model, master)
    define_piece_constraints(model, master)
    if master.data.minimise is Quantity.INSTANCES:
        define_instances_objective(model, master)
    return model


def _pools_program(data: FleetProgramData) -> ConcreteModel:
    """The rows of the pools and the objective: what is taken, whatever it is for."""
    import pyomo.core as pyo

    model = pyo.ConcreteModel(name="pools")
    define_variables(model, data)
    define_capacity_constraints(model, data)
    define_packing_constraints(model, data)
    define_payment_constraints(model, data)
    define_power_constraints(model, data)
    define_cap_constraints(model, data)
    define_objective(model, data)
    return model


def define_vector_constraints(model: Any, master: Master) -> None:
    """Each workload takes one vector: sum_v y_wv = 1, y binary; with penalties M_w sum_v y_wv + o_w = 1, o_w at M_w."""
    import pyomo.core as pyo

    index = [(at, v) for at, vectors in master.vectors.items() for v in range(len(vectors))]
    model.takes = pyo.Var(index, domain=pyo.Binary)
    model.left_out = pyo.Var(list(master.vectors) if master.penalty is not None else [], domain=pyo.NonNegativeReals)

    def rule(model: Any, at: int) -> Any:
        taken = pyo.quicksum(model.takes[at, v] for v in range(len(master.vectors[at])))
        return taken + (model.left_out[at] if master.penalty is not None else 0.0) == 1

    model.one_vector = pyo.Constraint(list(master.vectors), rule=rule)
    if master.penalty is not None:
        missed = pyo.quicksum(master.penalty[at] * left for at, left in model.left_out.items())
        model.objective.set_value(model.objective.expr + missed)


def define_piece_constraints(model: Any, master: Master) -> None:
    """What vectors take of a piece c: sum_wv u_wvc y_wv <= z_c, with z_c its instances in the rows of the pools."""
    import pyomo.core as pyo

    taken: list[list[Any]] = [[] for _ in master.pieces.gpus]
    for at, vectors in master.vectors.items():
        for v, piece in zip(*np.nonzero(vectors.taken), strict=True):
            taken[piece].append(int(vectors.taken[v, piece]) * model.takes[at, int(v)])
    names = list(model.columns)
    model.piece = pyo.Constraint(
        [at for at, parts in enumerate(taken) if parts],
        rule=lambda model, at: pyo.quicksum(taken[at]) <= model.instances[names[at]],
    )


def define_instances_objective(model: Any, master: Master) -> None:
    """Fewest instances: sum_wv n_wv y_wv, with n_wv those of a vector."""
    import pyomo.core as pyo

    running = {at: vectors.counts.sum(axis=1).tolist() for at, vectors in master.vectors.items()}
    model.objective.set_value(pyo.quicksum(running[at][v] * each for (at, v), each in model.takes.items()))


def read_master_decision(model: Any, master: Master) -> FleetDecision:
    """What a solved master decided, as instances of the columns of the fleet."""
    problem = master.data.problem
    instances = [0] * len(problem.columns)
    disaggregated = [workload.modes == ("disaggregated",) for workload in problem.workloads]
    for (workload, v), variable in model.takes.items():
        if (variable.value or 0.0) > 0.5:
            disaggregated[workload] = bool(master.vectors[workload].disaggregated[v])
            for at, count in master.vectors[workload].instances(v).items():
                instances[at] = count
    return FleetDecision(tuple(instances), read_nodes(model), tuple(disaggregated), {}, read_flows(model), 0.0)


def _by_pieces(master: Master) -> FleetProblem:
    """The problem whose columns are the pieces, of one workload beside those that take vectors."""
    problem, own = master.data.problem, len(master.data.problem.workloads)
    pieces = tuple(
        Column(own, pool, Phase.COLOCATED, gpus, (0.0,), (0.0,), (0.0,), (0,), Origin(None, ()))
        for pool, gpus in zip(master.pieces.pool, master.pieces.gpus, strict=True)
    )
    held = tuple(
        problem.pools[pool].capacity_gpus // gpus
        for pool, gpus in zip(master.pieces.pool, master.pieces.gpus, strict=True)
    )
    everybody = replace(
        problem.workloads[0], name="vectors", requests_per_s=(1.0,), arriving=(1.0,), modes=(), slices=None
    )
    workloads = (*(replace(each, modes=()) for each in problem.workloads), everybody)
    return replace(problem, columns=pieces, most=held, workloads=workloads, late_pairs=())
