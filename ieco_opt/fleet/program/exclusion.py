"""Earlier plans that are not to come again: of each, something that it uses must be given up."""

from __future__ import annotations

from typing import Any

from ieco_opt.fleet.program.data import FleetProgramData


def define_use_constraints(model: Any, data: FleetProgramData) -> None:
    """Whether a group of columns is used at all: x_k <= most_k u_g for each column k of group g, u_g binary.

    Only groups that some earlier plan uses have a u_g.
    """
    import pyomo.core as pyo

    groups = _groups(data)
    model.groups = pyo.Set(initialize=range(len(groups)), ordered=True)
    model.used = pyo.Var(model.groups, domain=pyo.Binary)
    index = [(at, column) for group, at in groups.items() for column in group]
    names = list(model.columns)

    def rule(model: Any, group: int, column: int) -> Any:
        return model.instances[names[column]] <= data.problem.most[column] * model.used[group]

    model.use = pyo.Constraint(index, rule=rule)


def define_exclusion_constraints(model: Any, data: FleetProgramData) -> None:
    """Something is given up of each earlier plan p, which used the groups G_p: sum_{g in G_p} u_g <= |G_p| - 1.

    That also excludes plans that use G_p and more: an idle instance beside an earlier plan is no other plan.
    """
    import pyomo.core as pyo

    groups = _groups(data)

    def rule(model: Any, plan: int) -> Any:
        used = data.problem.excluded[plan]
        return pyo.quicksum(model.used[groups[group]] for group in used) <= len(used) - 1

    model.exclusion = pyo.Constraint(range(len(data.problem.excluded)), rule=rule)


def _groups(data: FleetProgramData) -> dict[tuple[int, ...], int]:
    """Positions of the groups that earlier plans use, each once."""
    distinct = dict.fromkeys(group for used in data.problem.excluded for group in used)
    return {group: at for at, group in enumerate(distinct)}
