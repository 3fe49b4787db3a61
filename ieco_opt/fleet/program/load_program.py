"""What the instances of a plan serve once they are decided: the loads that take least of what is paid or limited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.program.loads import instances_for, per_kwh, served_kw
from ieco_opt.fleet.space import FleetProblem

if TYPE_CHECKING:
    from pyomo.core.base.PyomoModel import ConcreteModel


def build_load_program(
    problem: FleetProblem,
    counts: Mapping[int, int],
    minimise: Quantity,
    room: Mapping[Quantity, float],
) -> ConcreteModel:
    """Least of a quantity over what given instances serve: sum_k s_kc = 1, sum_c d_c / R_kc s_kc <= x_k, and caps.

    Parameters
    ----------
    counts
        Instances of the columns that run, by position.
    room
        What caps leave for the requests beside the instances, by quantity.
    """
    import pyomo.core as pyo

    model = pyo.ConcreteModel(name="loads")
    columns = {at: problem.columns[at] for at in counts}
    demands = {at: problem.workloads[column.workload] for at, column in columns.items()}
    index = [(at, c) for at, column in columns.items() for c, each in enumerate(column.requests_per_s) if each > 0.0]
    model.share = pyo.Var(index, domain=pyo.NonNegativeReals, bounds=lambda _, at, _c: (0, demands[at].slices or 1))
    parts: dict[tuple[int, str, int], list[Any]] = {}
    for at, c in index:
        if demands[at].is_sliced:
            model.share[at, c].domain = pyo.NonNegativeIntegers
        parts.setdefault((columns[at].workload, columns[at].phase.value, c), []).append(
            model.share[at, c] / (demands[at].slices or 1)
        )
    model.whole = pyo.Constraint(list(parts), rule=lambda _, *key: pyo.quicksum(parts[key]) == 1.0)

    def within(model: Any, at: int) -> Any:
        needed = [
            instances_for(demands[at], columns[at].requests_per_s[c], c)
            / (demands[at].slices or 1)
            * model.share[of, c]
            for of, c in index
            if of == at
        ]
        return pyo.quicksum(needed) <= counts[at]

    def taken(quantity: Quantity) -> Any:
        return pyo.quicksum(
            per_kwh(problem, columns[at].pool, quantity)
            * served_kw(problem, at, c)
            / (demands[at].slices or 1)
            * model.share[at, c]
            for at, c in index
            if quantity is not Quantity.COST or problem.pools[columns[at].pool].usd_per_kwh
        )

    def capped(_: Any, name: str) -> Any:
        scale = max(room[Quantity(name)], 1e-9)
        # Where nothing that runs takes any, it is a relation of a variable all the same.
        return (taken(Quantity(name)) + 0.0 * model.share[index[0]]) / scale <= room[Quantity(name)] / scale

    model.within = pyo.Constraint(list(counts), rule=within)
    model.cap = pyo.Constraint([quantity.value for quantity in room], rule=capped)
    model.objective = pyo.Objective(expr=taken(minimise) + 0.0 * model.share[index[0]], sense=pyo.minimize)
    return model
