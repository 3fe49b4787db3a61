"""The master program of a fleet: one vector a workload, in Pyomo; some workloads by their instances.

What vectors take stands in the rows of the pools as columns do: one column a piece, whose instances are what the chosen
vectors take of it. So packing, payment, power and caps are those of the program of instances
(:mod:`ieco_opt.fleet.program.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.fleet.columns import Column, Origin
from ieco_opt.fleet.patterns.enumeration import Vectors
from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces
from ieco_opt.fleet.program.data import FleetDecision, FleetProgramData, read_fleet_decision
from ieco_opt.fleet.program.plan import build_fleet_program
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
        Of each workload that takes one, by position.
    columns
        Positions of the columns of all other workloads that they may use.
    most
        Instances of each of them.
    least_price
        Of the other workloads, by position, what their instances cost at ``prices`` at the least.
    penalty
        What each workload without a vector adds to the objective; ``None``: every workload takes one.
    """

    data: FleetProgramData
    pieces: Pieces
    vectors: Mapping[int, Vectors]
    columns: Sequence[int] = ()
    most: Sequence[int] = ()
    least_price: Mapping[int, float] | None = None
    prices: Floats | None = None
    penalty: Mapping[int, float] | None = None


def build_master_program(master: Master) -> ConcreteModel:
    """Assemble the program."""
    model = build_fleet_program(replace(master.data, problem=_by_pieces(master)))
    define_vector_constraints(model, master)
    define_piece_constraints(model, master)
    define_price_constraints(model, master)
    return model


def define_vector_constraints(model: Any, master: Master) -> None:
    """Each workload takes one vector: sum_v y_wv = 1, y binary; with penalties M_w sum_v y_wv + o_w = 1, o_w at M_w."""
    import pyomo.core as pyo

    index = [(at, v) for at, vectors in master.vectors.items() for v in range(len(vectors.counts))]
    model.takes = pyo.Var(index, domain=pyo.Binary)
    model.left_out = pyo.Var(list(master.vectors) if master.penalty is not None else [], domain=pyo.NonNegativeReals)

    def rule(model: Any, at: int) -> Any:
        taken = pyo.quicksum(model.takes[at, v] for v in range(len(master.vectors[at].counts)))
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


def define_price_constraints(model: Any, master: Master) -> None:
    """No cover of a workload costs less: sum_k (pi u_k) x_k >= the least price of its covers, at the prices pi."""
    import pyomo.core as pyo

    if master.prices is None or not master.least_price:
        return
    prices, first = master.pieces.of_column @ master.prices, len(master.pieces.gpus)
    parts: dict[int, list[Any]] = {at: [] for at in master.least_price}
    names = list(model.columns)
    for number, at in enumerate(master.columns):
        workload = master.data.problem.columns[at].workload
        if workload in parts:
            parts[workload].append(prices[at] / master.least_price[workload] * model.instances[names[first + number]])
    model.least_price = pyo.Constraint(list(parts), rule=lambda _, at: pyo.quicksum(parts[at]) >= 1.0)


def read_master_decision(model: Any, master: Master) -> FleetDecision:
    """What a solved master decided, as instances of the columns of the fleet."""
    problem, first = master.data.problem, len(master.pieces.gpus)
    decided = read_fleet_decision(model, _by_pieces(master))
    instances = [0] * len(problem.columns)
    disaggregated = list(decided.disaggregated[: len(problem.workloads)])
    for number, at in enumerate(master.columns):
        instances[at] = decided.instances[first + number]
    for (workload, v), variable in model.takes.items():
        if (variable.value or 0.0) > 0.5:
            disaggregated[workload] = master.vectors[workload].disaggregated[v]
            for at, count in master.vectors[workload].counts[v].items():
                instances[at] = count
    share = {(master.columns[at - first], c): part for (at, c), part in decided.share.items()}
    return replace(decided, instances=tuple(instances), disaggregated=tuple(disaggregated), share=share)


def _by_pieces(master: Master) -> FleetProblem:
    """The problem whose columns are the pieces, and those of the workloads that take no vectors."""
    problem, first = master.data.problem, len(master.pieces.gpus)
    own = len(problem.workloads)
    pieces = [
        Column(own, pool, Phase.COLOCATED, gpus, (0.0,), (0.0,), (0.0,), (0,), Origin(None, ()))
        for pool, gpus in zip(master.pieces.pool, master.pieces.gpus, strict=True)
    ]
    held = [
        problem.pools[pool].capacity_gpus // gpus
        for pool, gpus in zip(master.pieces.pool, master.pieces.gpus, strict=True)
    ]
    by_instances = {problem.columns[at].workload for at in master.columns}
    number = {at: first + number for number, at in enumerate(master.columns)}
    everybody = replace(
        problem.workloads[0], name="vectors", requests_per_s=(1.0,), arriving=(1.0,), modes=(), slices=None
    )
    return replace(
        problem,
        columns=(*pieces, *(problem.columns[at] for at in master.columns)),
        most=(*held, *master.most),
        workloads=(
            *(each if at in by_instances else replace(each, modes=()) for at, each in enumerate(problem.workloads)),
            everybody,
        ),
        late_pairs=tuple(
            (number[one], number[other]) for one, other in problem.late_pairs if {one, other} <= number.keys()
        ),
    )


def taken_by(pieces: Pieces, counts: Sequence[int]) -> Counts:
    """Pieces that some instances take in all."""
    return np.asarray(counts, dtype=np.int64) @ pieces.of_column
