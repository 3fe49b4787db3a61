"""A program of Pyomo as arrays: walked once, and handed to HiGHS in one piece."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


_NUMBERS = frozenset({int, float})


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

    walk, rows, row_lower, row_upper, constraints = _Walk(), [], [], [], []
    for constraint in model.component_data_objects(Constraint, active=True, descend_into=True):
        least, body, most = constraint.to_bounded_expression(evaluate_bounds=True)
        row, constant = walk.linear(body, constraint)
        constraints.append(constraint)
        rows.append(row)
        row_lower.append(-math.inf if least is None else least - constant)
        row_upper.append(math.inf if most is None else most - constant)
    (objective,) = model.component_data_objects(Objective, active=True, descend_into=True)
    if not objective.is_minimizing():
        raise ValueError(f"{objective.name}: expected an objective that is minimised")
    goal, constant = walk.linear(objective.expr, objective)
    numbering = walk.numbering
    variables = list(numbering.var_map.values())
    cost = np.zeros(len(variables))
    cost[[numbering.column[each] for each in goal]] = list(goal.values())
    lower, upper, integer = _columns(variables)
    entries = np.fromiter((len(row) for row in rows), dtype=np.int32, count=len(rows))
    return ProgramArrays(
        variables=variables,
        cost=cost,
        lower=lower,
        upper=upper,
        integer=integer,
        offset=float(constant),
        row_lower=np.array(row_lower, dtype=np.float64),
        row_upper=np.array(row_upper, dtype=np.float64),
        starts=np.concatenate([[0], np.cumsum(entries)]).astype(np.int32),
        columns=np.array([numbering.column[each] for row in rows for each in row], dtype=np.int32),
        coefficients=np.array([value for row in rows for value in row.values()], dtype=np.float64),
        constraints=constraints,
    )


class _Walk:
    """Reads expressions, and numbers the variables that they name."""

    def __init__(self) -> None:
        from pyomo.core.expr.numeric_expr import LinearExpression, MonomialTermExpression
        from pyomo.core.expr.numvalue import native_numeric_types

        self.numbering = _Numbering()
        self._visitor: Any = None
        self._sums, self._products, self._numbers = LinearExpression, MonomialTermExpression, native_numeric_types

    def linear(self, expression: Any, component: Any) -> tuple[dict[int, float], float]:
        """Coefficients of an expression, by the ids of variables, and its constant, of which fixed variables are part.

        Most are one variable or a sum of products, for which the visitor does more than it takes to read them.
        """
        found = self._sum(expression)
        return self._visited(expression, component) if found is None else (found, 0.0)

    def _sum(self, expression: Any) -> dict[int, float] | None:
        """Those of a variable or a sum of numbers times variables that are not fixed; ``None`` of anything else."""
        factors: Sequence[Any]
        if expression.__class__ is self._sums:
            if type(expression.constant) not in _NUMBERS or expression.constant:
                return None
            factors, variables = expression.linear_coefs, expression.linear_vars
        elif expression.__class__ is self._products:
            factors, variables = [expression.args[0]], [expression.args[1]]
        else:
            factors, variables = [1.0], [expression]
        column, names = self.numbering.column, [*map(id, variables)]
        new = {name: each for name, each in zip(names, variables, strict=True) if name not in column}
        if not _NUMBERS.issuperset(map(type, factors)) or not all(map(self._decided, new.values())):
            return None
        for variable in new.values():
            self.numbering.add(variable)
        row = dict(zip(names, map(float, factors), strict=True))
        if len(row) < len(names):
            row = dict.fromkeys(row, 0.0)
            for name, factor in zip(names, factors, strict=True):
                row[name] += factor
        return row if all(row.values()) else {name: factor for name, factor in row.items() if factor}

    def _decided(self, variable: Any) -> bool:
        """Whether something is a variable that is not fixed."""
        return type(variable) not in self._numbers and variable.is_variable_type() and not variable.fixed

    def _visited(self, expression: Any, component: Any) -> tuple[dict[int, float], float]:
        from pyomo.repn.linear import LinearRepnVisitor

        if self._visitor is None:
            self._visitor = LinearRepnVisitor({}, var_recorder=self.numbering)
        found = self._visitor.walk_expression(expression)
        if found.nonlinear is not None:
            raise ValueError(f"{component.name}: expected a linear expression, found {expression}")
        return found.linear, found.constant


def _columns(variables: list[Any]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Bounds of each variable, and whether it is an integer."""
    bounds = [variable.bounds for variable in variables]
    lower = np.array([-math.inf if least is None else least for least, _ in bounds], dtype=np.float64)
    upper = np.array([math.inf if most is None else most for _, most in bounds], dtype=np.float64)
    integer = np.array([variable.is_integer() or variable.is_binary() for variable in variables], dtype=np.bool_)
    return lower, upper, integer
