"""One run: configuration, deadline, interrupt and session of everything that answers one question."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.interrupt import Interrupt, caught_interrupts
from ieco_opt.solvers.outcome import Solution
from ieco_opt.solvers.session import SolverSession
from ieco_opt.solvers.watch import Report

Doing = Callable[[str], None]
"""Told in words what a run does now."""

INTERRUPTED = "interrupted"
OUT_OF_TIME = "time limit"


class Stopped(Exception):  # noqa: N818 - no error: a limit or Ctrl-C ended the search
    """A limit or an interrupt ended a search: ``reason`` says which, ``incumbent`` is what the step had found."""

    def __init__(self, reason: str, incumbent: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.incumbent = incumbent


class Run:
    """Solves programs until its deadline or an interrupt, and counts what that took.

    Parameters
    ----------
    interrupt
        What tells the run to stop; by default nothing does.
    limit_s
        Seconds until the deadline, as far as the configuration's ``total_time_limit_s`` leaves so many.
    relaxed
        Solve linear relaxations: HiGHS then takes integers for real numbers.
    doing
        Told what the run does, now and then.
    """

    def __init__(
        self,
        config: SolverConfig,
        interrupt: Interrupt | None = None,
        *,
        limit_s: float | None = None,
        relaxed: bool = False,
        doing: Doing | None = None,
    ) -> None:
        self.config = config
        self.interrupt = interrupt or Interrupt()
        self.doing = doing
        self._done_now = ""
        self.began = time.perf_counter()
        self.deadline = self._deadline(config.total_time_limit_s, limit_s)
        self._session = SolverSession(config, self.interrupt, relaxed=relaxed)

    @property
    def solves(self) -> int:
        """Programs solved."""
        return self._session.solves

    @property
    def solver_seconds(self) -> float:
        """Seconds spent in the solver."""
        return self._session.seconds

    def count(self, other: Run) -> None:
        """Count what a run beside this one solved as part of this one."""
        if other is not self:
            self._session.solves += other.solves
            self._session.seconds += other.solver_seconds

    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.began

    def beside(self, config: SolverConfig | None = None, *, limit_s: float | None = None, relaxed: bool = False) -> Run:
        """A run with counts of its own and the same interrupt, which ends no later.

        Parameters
        ----------
        config
            Another configuration; of its limits and those of this run the smallest counts.
        limit_s
            Likewise, seconds from now.
        """
        other = Run(config or self.config, self.interrupt, relaxed=relaxed, doing=self.doing)
        other.began = self.began
        left = None if self.deadline is None else self.deadline - other.began
        total = None if config is None else config.total_time_limit_s
        other.deadline = other._deadline(left, total, None if limit_s is None else other.seconds() + limit_s)
        return other

    def _deadline(self, *limits_s: float | None) -> float | None:
        """End of the shortest of some limits, counted from the beginning."""
        given = [limit for limit in limits_s if limit is not None]
        return self.began + min(given) if given else None

    def ask(self, doing: str = "", /) -> None:
        """Let work go on, and say what begins, or is still done.

        Raises
        ------
        Stopped
            There is no time left, or an interrupt was requested.
        """
        self.seconds_left()
        self._done_now = doing or self._done_now
        if self._done_now and self.doing is not None:
            self.doing(self._done_now)

    def solve(self, model: Any, *, start: Sequence[tuple[Any, float]] = (), report: Report | None = None) -> Solution:
        """Solve a Pyomo model in the time that is left; parameters and errors as of :meth:`SolverSession.solve`.

        Raises
        ------
        Stopped
            Before there is anything: there is no time left, or an interrupt was requested.
        """
        return self._session.solve(model, self.seconds_left(), start=start, report=report)

    def seconds_left(self) -> float | None:
        """Seconds until the deadline, ``None`` where there is none.

        Raises
        ------
        Stopped
            There are none left, or an interrupt was requested.
        """
        if self.interrupt.requested:
            raise Stopped(INTERRUPTED)
        if self.deadline is None:
            return None
        left = self.deadline - time.perf_counter()
        if left <= 0.0:
            raise Stopped(OUT_OF_TIME)
        return left

    def ended(self) -> str | None:
        """Why nothing more can be solved, ``None`` where it can."""
        try:
            self.seconds_left()
        except Stopped as stop:
            return stop.reason
        return None

    def reason(self, limit: str = "") -> str:
        """Why a solve ended early: an interrupt, whatever else it looks like, or ``limit``.

        By default that limit is one of time, unless options of HiGHS count nodes or solutions: then it may be either.
        """
        counts = any(name.startswith("mip_max_") for name in self.config.options)
        limit = limit or f"a {'' if counts else 'time '}limit ended the solver"
        return INTERRUPTED if self.interrupt.requested else limit


@contextmanager
def running(config: SolverConfig, doing: Doing | None = None, *, within: Run | None = None) -> Iterator[Run]:
    """Begin a run with Ctrl-C caught, or one ``within`` another, whose deadline and interrupt it keeps to."""
    if within is not None:
        yield within.beside(config)
        return
    with caught_interrupts() as interrupt:
        yield Run(config, interrupt, doing=doing)
