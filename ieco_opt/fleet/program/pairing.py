"""Which prefill and decode instances may be used together: those in time, and those that exchange caches."""

from __future__ import annotations

from typing import Any

from ieco_opt.fleet.columns import cache_forms
from ieco_opt.fleet.program.data import FleetProgramData


def define_pairing_constraints(model: Any, data: FleetProgramData) -> None:
    """Pairs that miss the time to first token: x_i <= most_i z_i and x_j <= most_j (1 - z_i), z_i binary."""
    import pyomo.core as pyo

    problem, names = data.problem, list(model.columns)
    pairs = [(names[one], names[other]) for one, other in problem.late_pairs]
    model.late = pyo.Var(sorted({one for one, _ in pairs}), domain=pyo.Binary)
    model.late_prefill = pyo.Constraint(
        list(model.late),
        rule=lambda model, one: model.instances[one] <= model.instances[one].ub * model.late[one],
    )
    model.late_decode = pyo.Constraint(
        pairs,
        rule=lambda model, one, other: model.instances[other] <= model.instances[other].ub * (1 - model.late[one]),
    )


def define_cache_form_constraints(model: Any, data: FleetProgramData) -> None:
    """Instances exchange caches only with their like: x_k <= most_k f_wc, sum_c f_wc <= 1, f binary (docs/fleet.md).

    c are the forms of caches (server and precision) of the columns of workload w; where it has one, nothing is said.
    """
    import pyomo.core as pyo

    names, problem = list(model.columns), data.problem
    forms = {
        at: cache_forms(each for each in problem.columns if each.workload == at) for at in range(len(problem.workloads))
    }
    index = [(at, number) for at, found in forms.items() if len(found) > 1 for number in range(len(found))]
    model.cache_form = pyo.Var(index, domain=pyo.Binary)
    several = sorted({at for at, _ in index})
    model.one_cache_form = pyo.Constraint(
        several, rule=lambda model, at: pyo.quicksum(model.cache_form[at, c] for c in range(len(forms[at]))) <= 1
    )
    of_column = {
        name: (column.workload, forms[column.workload].index(column.cache_form))
        for name, column in zip(names, problem.columns, strict=True)
        if column.cache_form is not None and column.workload in several
    }
    model.in_cache_form = pyo.Constraint(
        list(of_column),
        rule=lambda model, name: model.instances[name] <= model.instances[name].ub * model.cache_form[of_column[name]],
    )
