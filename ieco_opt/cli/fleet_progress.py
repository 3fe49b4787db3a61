"""Showing the search for a plan while it runs."""

from __future__ import annotations

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
        self._show, self._shown = show, shown
        self._priced = ""
        self._said: Callable[[float], str] = "{:,.6g}".format
        self._most = False
        self._delta: float | None = None

    def seeking(self, fleet: Fleet, objective: str) -> None:
        """Say what is sought, so that it is told in its unit."""
        from ieco_opt.reports.text.fleet_wording import UNITS, amount, plain

        self._most = objective == "throughput"
        if not self._most:
            self._said = lambda value: amount(value, UNITS[objective])
        elif len(fleet.workloads) == 1:
            demand = fleet.workloads[0].demand
            self._said = lambda value: f"{plain(value * demand)} requests/s"
        else:
            self._said = lambda value: f"{plain(value)} times the demand"

    def covering(self, delta: float | None) -> None:
        """Say what coverage a frontier shall have."""
        self._delta = delta

    def doing(self, what: str) -> None:
        """Say what begins; what was priced is said from then on."""
        if what.endswith(_PRICED):
            self._priced = f"{what}; "
        self._shown.doing(what)

    def bounds(self, incumbent: float, bound: float, seconds: float) -> None:
        """Say the best plan so far and how far it may be from optimal while the solver runs."""
        from ieco_opt.reports.text.progress import best_so_far

        best = best_so_far(incumbent, bound, self._said, most=self._most)
        self._show(f"{self._priced}{best}, {seconds:.0f} s")

    def points(self, plans: int, widest: float) -> None:
        """Say how far a frontier is."""
        from ieco_opt.reports.text import progress

        found = f"{plans} plan{'' if plans == 1 else 's'} found"
        self._show(f"{self._priced}{found}, the widest gap {progress.widest(widest, self._delta)}")


_PRICED = " priced"


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
        if line is not None:
            line.seeking(fleet, objective or ("cost" if fleet.objective == "frontier" else fleet.objective))
        return api.plan(
            fleet,
            objective=objective,
            solver_config=config,
            relaxations=relaxations,
            report=None if line is None else line.bounds,
            within=run,
        )
