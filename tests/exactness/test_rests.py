"""What cuts vectors and labels off says no more than all of them, one by one."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from ieco_opt.fleet.patterns import steps as steps_of
from ieco_opt.fleet.patterns.labels import Place, Step, digits_of
from ieco_opt.fleet.patterns.rests import Rests
from ieco_opt.fleet.patterns.steps import least_rows


@pytest.mark.parametrize("in_a_set", [1, 3, 64, 70])
def test_rows_are_replaced_by_sets_of_rows_as_one_by_one(in_a_set: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(in_a_set)
    for highest in (2, 5, 40):
        rows = rng.integers(0, highest, (150, 4)).astype(float)
        expected = [
            at
            for at, row in enumerate(rows)
            if not ((rows <= row).all(axis=1) & (rows < row).any(axis=1)).any()
            and not (rows[:at] == row).all(axis=1).any()
        ]
        one_by_one = least_rows(rows)
        assert sorted(one_by_one.tolist()) == expected
        with monkeypatch.context() as patched:
            patched.setattr(steps_of, "_MANY_ROWS", 10)
            patched.setattr(steps_of, "_IN_A_SET", in_a_set)
            assert (least_rows(rows) == one_by_one).all()


def drawn_steps(seed: int) -> tuple[list[Place], list[Step], float]:
    """Places with and without a period, steps that take some pieces of both, and a budget."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    places = [Place(np.zeros(30), rng.choice([1, 3, 8])), Place(np.zeros(rng.randrange(4, 20)), 0)]
    steps = [
        Step.of(
            at,
            np.array([[rng.randrange(20), rng.randrange(7)] for _ in range(ways)]),
            np.array([rng.choice([0.0, rng.uniform(0.0, 3.0)]) for _ in range(ways)]),
        )
        for at, ways in enumerate(rng.choices(range(1, 5), k=4))
    ]
    return places, steps, rng.uniform(1.0, 6.0)


@pytest.mark.parametrize("seed", range(30))
def test_rests_are_what_other_steps_cost_at_the_least(seed: int) -> None:
    places, steps, budget = drawn_steps(seed)
    digits = digits_of(places)
    rests = Rests.of(places, steps, budget)
    for taken, last in itertools.product(range(len(steps) + 1), (False, True)):
        others = steps[: len(steps) - taken] if last else steps[taken:]
        choices = list(itertools.product(*(range(len(step.cost)) for step in others)))
        for digit, rest in rests.of_others(taken, digits, last=last):
            at = next(number for number, each in enumerate(digits) if each is digit)
            least = np.full(1 << digit.bits, np.inf)
            for rows in choices:
                pieces = sum(int(step.taken[row, at]) for step, row in zip(others, rows, strict=True))
                before = -pieces % digit.place.period if digit.place.period else digit.place.radix - 1 - pieces
                if before >= 0:
                    cost = sum(float(step.cost[row]) for step, row in zip(others, rows, strict=True))
                    least[before] = min(least[before], cost)
            within = least <= budget
            assert rest[within] == pytest.approx(least[within])
            assert (rest[~within] > budget).all()
