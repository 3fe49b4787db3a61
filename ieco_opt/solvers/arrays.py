"""A program of Pyomo as arrays: walked once, and handed to HiGHS in one piece."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ProgramArrays:
    """A linear program with integers: least ``cost @ x + offset`` where rows and columns keep within their bounds.

    Attributes
    ----------
    variables
        Variables of the model, in the order of the columns: that in which active constraints and the objective name
        them. Fixed variables and those that nothing names are no columns.
    cost, lower, upper, integer
        Of each column.
    offset
        Constant of the objective.
    row_lower, row_upper
        Of each active constraint.
    starts, columns, coefficients
        Entries row by row; those of row ``r`` begin at ``starts[r]``.
    constraints
        Active constraints of the model, in the order of the rows.
    """

    variables: list[Any]
    cost: Floats
    lower: Floats
    upper: Floats
    integer: NDArray[np.bool_]
    offset: float
    row_lower: Floats
    row_upper: Floats
    starts: Indices
    columns: Indices
    coefficients: Floats
    constraints: list[Any]


class _Numbering:
    """Numbers variables as a walk meets them; what :class:`LinearRepnVisitor` calls a recorder."""

    def __init__(self) -> None:
        self.var_map: dict[int, Any] = {}
        self.column: dict[int, int] = {}

    def add(self, variable: Any) -> None:
        """Give the next column to a variable that has none."""
        self.column[id(variable)] = len(self.var_map)
        self.var_map[id(variable)] = variable


def arrays_of(model: Any) -> ProgramArrays:
    """Arrays of a Pyomo model with one objective, which is minimised.

    Raises
    ------
    ValueError
        The model is not linear, or maximises: no program here is or does.
    """
    from pyomo.core import Constraint, Objective
    from pyomo.repn.linear import LinearRepnVisitor

    numbering = _Numbering()
    visitor = LinearRepnVisitor({}, var_recorder=numbering)
    rows, row_lower, row_upper, constraints = [], [], [], []
    for constraint in model.component_data_objects(Constraint, active=True, descend_into=True):
        least, body, most = constraint.to_bounded_expression(evaluate_bounds=True)
        row = _linear(visitor, body, constraint)
        constraints.append(constraint)
        rows.append(row.linear)
        row_lower.append(-math.inf if least is None else least - row.constant)
        row_upper.append(math.inf if most is None else most - row.constant)
    (objective,) = model.component_data_objects(Objective, active=True, descend_into=True)
    if not objective.is_minimizing():
        raise ValueError(f"{objective.name}: expected an objective that is minimised")
    goal = _linear(visitor, objective.expr, objective)
    variables = list(numbering.var_map.values())
    cost = np.zeros(len(variables))
    cost[[numbering.column[each] for each in goal.linear]] = list(goal.linear.values())
    lower, upper, integer = _columns(variables)
    entries = np.fromiter((len(row) for row in rows), dtype=np.int32, count=len(rows))
    return ProgramArrays(
        variables=variables,
        cost=cost,
        lower=lower,
        upper=upper,
        integer=integer,
        offset=float(goal.constant),
        row_lower=np.array(row_lower, dtype=np.float64),
        row_upper=np.array(row_upper, dtype=np.float64),
        starts=np.concatenate([[0], np.cumsum(entries)]).astype(np.int32),
        columns=np.array([numbering.column[each] for row in rows for each in row], dtype=np.int32),
        coefficients=np.array([value for row in rows for value in row.values()], dtype=np.float64),
        constraints=constraints,
    )


def _linear(visitor: Any, expression: Any, component: Any) -> Any:
    """Constant and coefficients of an expression; fixed variables are part of the constant."""
    found = visitor.walk_expression(expression)
    if found.nonlinear is not None:
        raise ValueError(f"{component.name}: expected a linear expression, found {expression}")
    return found


def _columns(variables: list[Any]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Bounds of each variable, and whether it is an integer."""
    bounds = [variable.bounds for variable in variables]
    lower = np.array([-math.inf if least is None else least for least, _ in bounds], dtype=np.float64)
    upper = np.array([math.inf if most is None else most for _, most in bounds], dtype=np.float64)
    integer = np.array([variable.is_integer() or variable.is_binary() for variable in variables], dtype=np.bool_)
    return lower, upper, integer
