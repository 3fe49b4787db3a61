"""Showing the search for a plan while it runs."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.defaults import FleetObjective
    from ieco_opt.reports.text.progress import Shown
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.scenario import Fleet
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.solvers.run import Run


class Line:
    """One line of a terminal that says how far the search for plans is."""

    def __init__(self, show: Callable[[str], None], shown: Shown) -> None:
        self._show = show
        self.doing = shown.doing

    def bounds(self, incumbent: float, bound: float, seconds: float) -> None:
        """Say incumbent, bound and gap while the solver runs."""
        self._show(_bounds(incumbent, bound, seconds))

    def points(self, plans: int, widest: float) -> None:
        """Say how far a frontier is."""
        self._show(f"{plans} plans found, the widest gap a factor of {widest:.3g}")


@contextmanager
def shown_line(*, quiet: bool) -> Iterator[Line | None]:
    """Give a line on standard error, if that is a terminal.

    While a solver runs, the standard descriptors are redirected; a copy made before still leads to the terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from ieco_opt.reports.text.progress import Shown

    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace") as terminal:

        def show(text: str) -> None:
            terminal.write(f"\r\x1b[2K{text}")
            terminal.flush()

        try:
            yield Line(show, Shown(show))
        finally:
            show("")


def plan_shown(
    fleet: Fleet,
    config: SolverConfig,
    run: Run,
    *,
    objective: FleetObjective | None = None,
    relaxations: bool = False,
    quiet: bool,
) -> FleetResult:
    """Plan a fleet within a run, and say on a terminal how far that is."""
    from ieco_opt import api

    with shown_line(quiet=quiet) as line:
        run.doing = None if line is None else line.doing
        return api.plan(
            fleet,
            objective=objective,
            solver_config=config,
            relaxations=relaxations,
            report=None if line is None else line.bounds,
            within=run,
        )


def _bounds(incumbent: float, bound: float, seconds: float) -> str:
    if not math.isfinite(incumbent):
        return f"{seconds:.0f} s: no plan yet" + (f", bound {bound:,.6g}" if math.isfinite(bound) else "")
    if not math.isfinite(bound):
        return f"{seconds:.0f} s: best {incumbent:,.6g}, no bound yet"
    gap = 100.0 * (incumbent - bound) / abs(incumbent) if incumbent else 0.0
    return f"{seconds:.0f} s: best {incumbent:,.6g}, bound {bound:,.6g}, gap {gap:.2g} %"
