"""Expressions of profiles: what they compute, what they refuse, and how they are turned round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ieco_opt.engines.expressions import MOST_LETTERS, ExpressionError, parse, solved

COLUMNS = frozenset({"a", "b", "block", "batch", "groups"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2 - 1", [6, 8, 10]),
        ("a // 2", [0, 1, 1]),
        ("a % 2 == 0", [False, True, False]),
        ("1 < a <= 2", [False, True, False]),
        ("a in (1, 3)", [True, False, True]),
        ("a not in (1, 3)", [False, True, False]),
        ("not a == 2 and b >= 3", [True, False, True]),
        ("a if a > 1 else -b", [-3, 2, 3]),
        ("max(a, 2, 1)", [2, 2, 3]),
        ("min(a, b)", [1, 2, 3]),
        ("ceil(a / 2)", [1, 1, 2]),
        ("floor(a / 2)", [0, 1, 1]),
        ("True", True),
    ],
)
def test_what_is_computed(text: str, expected: object) -> None:
    values = {"a": np.array([1, 2, 3]), "b": np.array([3, 3.5, 4])}
    assert np.array_equal(parse(text, COLUMNS)(values), np.asarray(expected))


def test_a_division_by_zero_is_no_number_and_spoils_no_neighbour() -> None:
    rule = parse("block == 0 or a / 8 % block == 0", COLUMNS)
    got = rule({"a": np.array([1024.0, 1536.0, 1536.0]), "block": np.array([128.0, 128.0, 0.0])})
    assert got.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "a.real",
        "a[0]",
        "a ** 2",
        "a @ b",
        "a << 2",
        "a & b",
        "~a",
        "+a",
        "__import__('os')",
        "'text'",
        "b'text'",
        "1j",
        "None",
        "[a]",
        "{a}",
        "{a: b}",
        "(a, b)",
        "a in b",
        "a is b",
        "lambda: a",
        "[a for a in b]",
        "f'{a}'",
        "a; b",
        "a := 1",
        "abs(a)",
        "max()",
        "ceil(a, b)",
        "max(*a)",
        "max(a, key=b)",
        "a.max()",
        "9999999999999999",
        "1e400",
        "unknown",
        "",
        "a +",
        "max(" * 30 + "a" + ")" * 30,
        "(" * 190 + "a" + ")" * 210,
        "-" * 300 + "a",
        "a" + "+a" * MOST_LETTERS,
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="found"):
        parse(text, COLUMNS)


@pytest.mark.parametrize("value", [None, [], {}, b"a"])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ExpressionError, match="expected an expression"):
        parse(value, COLUMNS)


@given(st.text(alphabet="ab0123456789+-*/%()<>=!,. \nceilmnxorndt_[]'\"", max_size=60))
def test_whatever_is_written_is_parsed_or_refused(text: str) -> None:
    try:
        expression = parse(text, COLUMNS)
    except ExpressionError:
        return
    assert expression.names <= COLUMNS
    expression({name: np.array([1.0, 2.0]) for name in COLUMNS})


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("batch", 7, 7),
        ("ceil(batch / groups)", 5, 20),
        ("batch - 1", 3, 4),
        ("groups - batch", 1, 3),
        ("groups * batch", 12, 3),
        ("groups / batch", 2, 2),
        ("batch + groups", 9, 5),
        ("groups * ceil(batch / groups)", 12, 12),
        ("batch if groups > 1 else 0", 6, 6),
        ("max(batch, groups)", 6, None),
        ("batch + batch", 6, None),
        ("batch > 2", 1, None),
    ],
)
def test_the_unknown_column_is_found(text: str, value: float, expected: float | None) -> None:
    assert solved(parse(text, COLUMNS), value, "batch", {"groups": 4.0}) == expected


def test_names_are_suggested() -> None:
    with pytest.raises(ExpressionError, match="near: tensor_parallel"):
        parse("tensor_paralel == 1", {"tensor_parallel", "batch"})
