"""Stored figures against the same figures computed again: what differs by more than rounding, by the names of files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import float_info
from typing import Any

EXACT = 1e-9
"""Relative difference up to which two numbers are the same figure, computed in another order or on another machine."""

_DIFFERENCE = 4.0 * float_info.epsilon
"""Absolute difference up to which two values of a / b - 1, of the same a and b near each other, are the same."""

_NEAR_ZERO = frozenset({"gap", "gain", "loss", "excess"})
"""Figures of that form: a relative difference of them would be one of their rounding."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; ``place`` is empty where the values themselves were compared."""

    place: str
    found: object
    expected: object

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}found {shown(self.found)}, expected {shown(self.expected)}"


def differences(found: Any, expected: Any, place: str = "") -> Iterator[Difference]:
    """Fields of plain values (see ``encoding.plain``) that differ, at any depth; of mappings what is expected."""
    # Most of what is compared is equal, and is so at once.
    if type(found) is type(expected) and found == expected:
        return
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in expected:
            yield from differences(found.get(name), expected[name], f"{place}.{name}" if place else str(name))
    elif isinstance(expected, list) and isinstance(found, list):
        if len(found) != len(expected):
            yield Difference(place, f"{len(found)} entries", f"{len(expected)}")
            return
        for at, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{place}[{at}]")
    elif not same(found, expected, near_zero=place.rpartition(".")[2] in _NEAR_ZERO):
        yield Difference(place, found, expected)


def same(found: object, expected: object, *, near_zero: bool = False) -> bool:
    """Whether two values are the same: numbers but for rounding, everything else exactly."""
    if found == expected:
        return True
    if isinstance(found, bool) or isinstance(expected, bool):
        return False
    if not isinstance(found, int | float) or not isinstance(expected, int | float):
        return False
    if isinstance(found, int) and isinstance(expected, int):
        return False
    slack = _DIFFERENCE * (1.0 + abs(expected)) if near_zero else EXACT * abs(expected)
    return math.isfinite(expected) and abs(found - expected) <= slack


def exceeds(found: float, allowed: float) -> bool:
    """Whether a number is above a limit by more than rounding."""
    return found > allowed + EXACT * abs(allowed)


def shown(value: object) -> str:
    """A value in a message, with digits enough to see a difference."""
    if value is None:
        return "null"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
