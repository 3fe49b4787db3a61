"""Rules and values of profiles as small expressions over columns: parsed once, evaluated on NumPy arrays.

An expression is arithmetic (``+ - * / // %``), comparisons and ``in``, ``and``, ``or``, ``not``, ``a if b else c``, and
the functions of ``FUNCTIONS``. Nothing else is parsed: no attribute, no index, no power, no text, no other call. So a
profile from anywhere can name columns and nothing beside them.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from ieco_opt.documents.near import near
from ieco_opt.documents.origin import cut, found

Values = Mapping[str, Any]
"""Numbers or arrays by the name of their column; arrays broadcast against each other."""

MOST_LETTERS = 400
MOST_LEVELS = 20
_MOST_DIGITS = 15


class ExpressionError(ValueError):
    """What is wrong with an expression: what was found and what is expected, without its place."""


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "max": lambda *values: reduce(np.maximum, values),
    "min": lambda *values: reduce(np.minimum, values),
}
"""Functions that an expression may call; ``ceil`` and ``floor`` take one value."""

_ONE_VALUE = frozenset({"ceil", "floor"})
_EXPECTED = "arithmetic, comparisons, and, or, not, in (...), a if b else c, ceil, floor, min or max of columns"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was checked.

    Attributes
    ----------
    text
        As it was written.
    names
        Columns that it takes.
    tree
        Its syntax tree, of the nodes that this module knows.
    """

    text: str
    names: frozenset[str]
    tree: ast.expr = field(compare=False, repr=False)

    def __call__(self, values: Values) -> Any:
        """Evaluate on arrays that broadcast, to what broadcasts to their shape.

        A division by zero is no number, and every comparison with it false.
        """
        with np.errstate(all="ignore"):
            return evaluated(self.tree, values)

    def number(self, values: Values) -> float:
        """Evaluate on plain numbers."""
        return float(np.asarray(self(values), dtype=float))


def parse(text: object, columns: Collection[str]) -> Expression:
    """Parse an expression over columns.

    Parameters
    ----------
    text
        The expression; a number or a truth value stands for itself.
    columns
        Names that it may use.

    Raises
    ------
    ExpressionError
        With what was found and what is expected.
    """
    if isinstance(text, bool | int | float):
        text = str(text)
    if not isinstance(text, str):
        raise ExpressionError(f"found {found(text)}, expected an expression")
    if len(text) > MOST_LETTERS:
        raise ExpressionError(f"found {len(text)} characters, expected at most {MOST_LETTERS}")
    try:
        with warnings.catch_warnings():
            # Python warns of what it would rather not parse, such as `1or 2`: so does this, by refusing it.
            warnings.simplefilter("error")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError, Warning):
        raise ExpressionError(f"found {cut(text)!r}, expected {_EXPECTED}") from None
    names: set[str] = set()
    _check(tree, columns, names, 1)
    return Expression(text.strip(), frozenset(names), tree)


def _check(node: ast.AST, columns: Collection[str], names: set[str], level: int) -> None:
    """Refuse every node that is not known, and collect the columns."""
    if level > MOST_LEVELS:
        raise ExpressionError(f"found more than {MOST_LEVELS} levels, expected fewer")
    match node:
        case ast.Name(id=name):
            _check_column(name, columns)
            names.add(name)
            return
        case ast.Constant(value=value):
            _check_number(value)
            return
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            if not arguments or (name in _ONE_VALUE and len(arguments) > 1):
                wanted = "one value" if name in _ONE_VALUE else "values"
                raise ExpressionError(f"found {name} of {len(arguments)} values, expected {wanted}")
            parts: list[ast.AST] = list(arguments)
        case ast.Compare(ops=[ast.In() | ast.NotIn()], left=left, comparators=[ast.Tuple(elts=entries)]):
            parts = [left, *entries]
        case ast.Compare(ops=operators) if all(type(each) in _COMPARISONS for each in operators):
            parts = [node.left, *node.comparators]
        case ast.BinOp(op=sign) if type(sign) in _BINARY:
            parts = [node.left, node.right]
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            parts = [node.operand]
        case ast.BoolOp(values=values):
            parts = list(values)
        case ast.IfExp():
            parts = [node.test, node.body, node.orelse]
        case _:
            raise ExpressionError(f"found {cut(ast.unparse(node))!r}, expected {_EXPECTED}")
    for part in parts:
        _check(part, columns, names, level + 1)


def _check_column(name: str, columns: Collection[str]) -> None:
    if name in columns:
        return
    close = near(name, columns)
    hint = f" (near: {close})" if close else ""
    raise ExpressionError(f"found {found(name)}, expected the name of a column{hint}")


def _check_number(value: object) -> None:
    number = isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 10**_MOST_DIGITS)
    if not number:
        raise ExpressionError(f"found {found(value)}, expected a number below 1e{_MOST_DIGITS}")


def evaluated(node: ast.expr, values: Values) -> Any:
    """Value of a checked node; truth values are arrays of booleans, single ones where that is what all of them are."""
    return _EVALUATED[type(node)](node, values)


def _named(node: ast.Name, values: Values) -> Any:
    return np.asarray(values[node.id])


def _called(node: ast.Call, values: Values) -> Any:
    assert isinstance(node.func, ast.Name)
    return FUNCTIONS[node.func.id](*(evaluated(each, values) for each in node.args))


def _of_two(node: ast.BinOp, values: Values) -> Any:
    return _BINARY[type(node.op)](_number(node.left, values), _number(node.right, values))


def _of_one(node: ast.UnaryOp, values: Values) -> Any:
    if isinstance(node.op, ast.Not):
        return np.logical_not(evaluated(node.operand, values))
    return -_number(node.operand, values)


def _joined(node: ast.BoolOp, values: Values) -> Any:
    """Parts one after the other until a single truth decides, as one about the model does for all configurations."""
    deciding = isinstance(node.op, ast.Or)
    join = np.logical_or if deciding else np.logical_and
    result: Any = np.bool_(not deciding)
    for part in node.values:
        result = join(result, evaluated(part, values))
        if result.ndim == 0 and bool(result) is deciding:
            break
    return result


def _chosen(node: ast.IfExp, values: Values) -> Any:
    return np.where(evaluated(node.test, values), evaluated(node.body, values), evaluated(node.orelse, values))


def _number(node: ast.expr, values: Values) -> Any:
    return np.asarray(evaluated(node, values), dtype=float)


def _compared(node: ast.Compare, values: Values) -> Any:
    left = evaluated(node.left, values)
    if isinstance(node.ops[0], ast.In | ast.NotIn):
        entries = node.comparators[0]
        assert isinstance(entries, ast.Tuple)
        held = reduce(np.logical_or, (left == evaluated(each, values) for each in entries.elts), np.False_)
        return held if isinstance(node.ops[0], ast.In) else np.logical_not(held)
    result: Any = np.True_
    for comparison, comparator in zip(node.ops, node.comparators, strict=True):
        right = evaluated(comparator, values)
        holds = _COMPARISONS[type(comparison)](left, right)
        result = holds if result is np.True_ else np.logical_and(result, holds)
        left = right
    return result


_EVALUATED: dict[type[ast.expr], Callable[[Any, Values], Any]] = {
    ast.Name: _named,
    ast.Constant: lambda node, _: np.asarray(node.value),
    ast.Call: _called,
    ast.Compare: _compared,
    ast.BinOp: _of_two,
    ast.UnaryOp: _of_one,
    ast.BoolOp: _joined,
    ast.IfExp: _chosen,
}
"""By the kind of node, which is quicker than matching one after the other: rules are asked thousands of times."""


def solved(expression: Expression, value: float, unknown: str, known: Values) -> float | None:
    """Find the one column that is not known, from the value of an expression.

    ``ceil`` and ``floor`` count as exact, which they are for whole groups.

    Returns
    -------
    float | None
        ``None`` where the expression cannot be turned round: it holds the column twice, or within a comparison.
    """
    return _solved(expression.tree, value, unknown, known)


_INVERSES: dict[type[ast.operator], tuple[Callable[[float, float], float], Callable[[float, float], float]]] = {
    # The left side from value and right side, and the right side from value and left side.
    ast.Add: (lambda value, right: value - right, lambda value, left: value - left),
    ast.Sub: (lambda value, right: value + right, lambda value, left: left - value),
    ast.Mult: (lambda value, right: value / right, lambda value, left: value / left),
    ast.Div: (lambda value, right: value * right, lambda value, left: left / value),
}


def _solved(node: ast.expr, value: float, unknown: str, known: Values) -> float | None:
    match node:
        case ast.Name():
            return value
        case ast.Call(func=ast.Name(id="ceil" | "floor"), args=[inner]):
            return _solved(inner, value, unknown, known)
        case ast.IfExp(test=test, body=body, orelse=otherwise) if not _holds(test, unknown):
            return _solved(body if bool(evaluated(test, known)) else otherwise, value, unknown, known)
        case ast.BinOp(op=sign, left=left, right=right) if type(sign) in _INVERSES:
            inverse_left, inverse_right = _INVERSES[type(sign)]
            in_left, in_right = _holds(left, unknown), _holds(right, unknown)
            if in_left and not in_right:
                return _solved(left, inverse_left(value, float(_number(right, known))), unknown, known)
            if in_right and not in_left:
                return _solved(right, inverse_right(value, float(_number(left, known))), unknown, known)
    return None


def _holds(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))
