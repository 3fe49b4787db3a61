"""How the classes of a mix are best spread over the instances of a plan: the least load of the fullest column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ieco_opt.fleet.space import FleetProblem

if TYPE_CHECKING:
    from pyomo.core.base.PyomoModel import ConcreteModel


def build_balance_program(problem: FleetProblem, columns: Sequence[int], counts: Sequence[int]) -> ConcreteModel:
    """Least u with sum_k s_kc = 1 for each class and sum_c d_c / R_kc s_kc <= u x_k for each column that runs.

    Parameters
    ----------
    columns, counts
        Positions and instances of the columns of one workload and phase that run.
    """
    import pyomo.core as pyo

    demand = problem.workloads[problem.columns[columns[0]].workload]
    slices = demand.slices or 1
    served = {
        (column, c): capacity
        for column in columns
        for c, capacity in enumerate(problem.columns[column].requests_per_s)
        if capacity > 0.0
    }
    model = pyo.ConcreteModel(name="balance")
    domain = pyo.NonNegativeReals if demand.slices is None else pyo.NonNegativeIntegers
    model.share = pyo.Var(list(served), domain=domain, bounds=(0, slices))
    model.utilization = pyo.Var(domain=pyo.NonNegativeReals)
    classes = range(len(demand.requests_per_s))

    def whole(model: Any, c: int) -> Any:
        return pyo.quicksum(model.share[column, c] for column in columns if (column, c) in served) == slices

    def load(model: Any, column: int) -> Any:
        needed = pyo.quicksum(
            demand.requests_per_s[c] / (served[column, c] * slices) * model.share[column, c]
            for c in classes
            if (column, c) in served
        )
        return needed <= counts[list(columns).index(column)] * model.utilization

    model.whole = pyo.Constraint(classes, rule=whole)
    model.loads = pyo.Constraint(list(columns), rule=load)
    model.objective = pyo.Objective(expr=model.utilization, sense=pyo.minimize)
    return model


def read_shares(model: Any, slices: int | None) -> dict[tuple[int, int], float]:
    """Share of each class that each column serves."""
    if slices is not None:
        return {at: round(variable.value or 0.0) / slices for at, variable in model.share.items()}
    return {at: max(0.0, variable.value or 0.0) for at, variable in model.share.items()}
