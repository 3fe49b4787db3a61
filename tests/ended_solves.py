"""Solves that a limit, an interrupt or a wrong answer ends, at a place that the test chooses."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.run import Stopped
from ieco_opt.solvers.session import SolverSession

Ending = Callable[[Solution], Solution]


def out_of_time(solution: Solution) -> Solution:
    """A limit ended the solve with the incumbent found, if there is one, but its bound still far off."""
    if not solution.has_incumbent:
        return empty_handed(solution)
    far = None if solution.bound is None else solution.bound - 0.5 * abs(solution.bound)
    return replace(solution, outcome=Outcome.FEASIBLE, bound=far)


def empty_handed(solution: Solution) -> Solution:
    """A limit ended the solve before it found anything."""
    return Solution(Outcome.NO_SOLUTION, None, None, solution.seconds)


def interrupted(solution: Solution) -> Solution:
    """Ctrl-C came between two solves."""
    raise Stopped("interrupted")


def end_after(solves: int, ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every solve after the first few, of whatever session, end in some way."""
    honest, done = SolverSession.solve, itertools.count(1)

    def solve(session: SolverSession, model: Any, time_limit_s: float | None = None, **given: Any) -> Solution:
        solution = honest(session, model, time_limit_s, **given)
        return ending(solution) if next(done) > solves else solution

    monkeypatch.setattr(SolverSession, "solve", solve)
