"""Figures of what a question without an answer could be instead."""

from __future__ import annotations

import random

import pytest

from ieco_opt.fleet.infeasibility import rounded
from ieco_opt.scenario.quantities import requests_per_s


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [
        (1234.5, "1230", "1240"),
        (0.00012345, "0.000123", "0.000124"),
        (9.999, "9.99", "10"),
        (2e7, "20000000", "20000000"),
    ],
)
def test_three_digits_without_an_exponent(value: float, down: str, up: str) -> None:
    assert (rounded(value, 3, up=False), rounded(value, 3)) == (down, up)


def test_what_is_said_can_be_asked() -> None:
    rng = random.Random(5)  # noqa: S311 - chance, not secrets
    for _ in range(500):
        value = 10 ** rng.uniform(-6, 9)
        low, high = (requests_per_s(rounded(value, 3, up=up), "rate") for up in (False, True))
        assert low <= value * (1 + 1e-12)
        assert high >= value * (1 - 1e-12)
        assert high - low <= 0.0101 * value
