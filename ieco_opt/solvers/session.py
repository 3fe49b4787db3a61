"""Solving programs: the only place that runs a solver."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from typing import Any

from ieco_opt.errors import Fault, ScenarioError, SolverError, SolverMissingError
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.arrays import arrays_of
from ieco_opt.solvers.highs import without_contradicting
from ieco_opt.solvers.highs_program import HighsProgram, reset_the_scheduler
from ieco_opt.solvers.interrupt import Interrupt
from ieco_opt.solvers.one_at_a_time import ALONE
from ieco_opt.solvers.outcome import TERMINATIONS, Outcome, Solution
from ieco_opt.solvers.watch import Report, Watch

_MISMATCH = 1e-6
"""Relative difference of an objective and the solution it belongs to that is no rounding."""


class SolverSession:
    """Runs programs under one configuration and counts them.

    Every program gets a solver of its own: options of HiGHS outlive a solve, and small programs cost
    less to pass again than to compare with the one before.
    """

    def __init__(self, config: SolverConfig, interrupt: Interrupt | None = None, *, relaxed: bool = False) -> None:
        if config.solver == "highs":
            _check_options(config)
        self.config = config
        self.relaxed = relaxed
        self.interrupt = interrupt or Interrupt()
        self.solves = 0
        self.seconds = 0.0

    def solve(
        self,
        model: Any,
        time_limit_s: float | None = None,
        *,
        start: Sequence[tuple[Any, float]] = (),
        report: Report | None = None,
    ) -> Solution:
        """Solve a Pyomo model; its variables hold the incumbent afterwards, if there is one.

        Where linear relaxations are solved, a suffix ``dual`` of the model then holds the multipliers of the rows.

        Parameters
        ----------
        start
            Variables with values to start from, used by HiGHS only; it completes them to a solution, if they are one.
        report
            Told of the incumbent and the bound while HiGHS runs.

        Raises
        ------
        SolverError
            The solver is not installed, failed, or ended in a way that proves nothing.
        """
        began = time.perf_counter()
        deadline = began + min(_or_inf(time_limit_s), _or_inf(self.config.time_limit_s))
        with ALONE:
            if self.config.solver == "highs":
                outcome, objective, bound = self._run_highs(model, deadline, start, report)
                if start and objective is not None and _contradicts(model, objective):
                    # HiGHS 1.16.0 loses part of the objective where it is given a start and presolve leaves nothing.
                    outcome, objective, bound = self._run_highs(model, deadline, (), report)
            else:
                outcome, objective, bound = self._run_other(model, deadline)
        _check_bound(objective, bound)
        seconds = time.perf_counter() - began
        self.solves += 1
        self.seconds += seconds
        return Solution(outcome, objective, bound, seconds)

    def _run_highs(
        self, model: Any, deadline: float, start: Sequence[tuple[Any, float]], report: Report | None
    ) -> tuple[Outcome, float | None, float | None]:
        watch = Watch(self.config, self.interrupt, report)
        program = HighsProgram(arrays_of(model), self._options(), logs=report is not None)
        program.start_from(start)
        watch.attach(program.solver)
        # Handing a large model over takes seconds, which are part of the limit too.
        if not self._goes_on(program, deadline):
            return Outcome.NO_SOLUTION, None, None
        said = program.run()
        for change in (reset_the_scheduler, HighsProgram.leave_out_presolve):
            if said.failed and not watch.accepted and self._goes_on(program, deadline):
                change(program)
                said = program.run()
        ended = said.failed and (self.interrupt.requested or watch.accepted or time.perf_counter() >= deadline)
        outcome = _outcome("kInterrupt" if ended else said.status, incumbent=said.objective is not None)
        if outcome in (Outcome.OPTIMAL, Outcome.FEASIBLE):
            program.load_incumbent()
            if self.relaxed and (suffix := model.component("dual")) is not None:
                program.load_duals(suffix)
        return outcome, said.objective, said.bound

    def _options(self) -> dict[str, Any]:
        """What HiGHS is told; one thread, so that answers do not depend on the machine."""
        told = {"mip_rel_gap": self.config.relative_gap, "mip_abs_gap": 0.0, "threads": 1}
        told |= without_contradicting(self.config.options)
        return {**told, "solve_relaxation": True} if self.relaxed else told

    def _goes_on(self, program: HighsProgram, deadline: float) -> bool:
        """Give a program the time that is left, if there is some and nobody wants an end."""
        left = deadline - time.perf_counter()
        if left <= 0.0 or self.interrupt.requested:
            return False
        program.set_options({"time_limit": left})
        return True

    def _run_other(self, model: Any, deadline: float) -> tuple[Outcome, float | None, float | None]:
        import pyomo.environ as pyo
        from pyomo.common.log import LoggingIntercept

        with LoggingIntercept(io.StringIO(), "pyomo"):
            solver = pyo.SolverFactory(self.config.solver)
            available = solver.available(exception_flag=False)
        if not available:
            raise SolverMissingError(
                f"{self.config.name}: solver: found '{self.config.solver}', which is not installed"
            )
        options = dict(self.config.options)
        if self.config.solver == "cbc":
            options.setdefault("ratioGap", self.config.relative_gap)
        left = deadline - time.perf_counter()
        if left <= 0.0:
            return Outcome.NO_SOLUTION, None, None
        limit = left if math.isfinite(left) else None
        results = solver.solve(model, load_solutions=False, tee=False, timelimit=limit, options=options)
        condition = str(results.solver.termination_condition)
        incumbent = bool(len(results.solution))
        outcome = _outcome(condition, incumbent=incumbent)
        if not incumbent or outcome is Outcome.INFEASIBLE:
            return outcome, None, None
        model.solutions.load_from(results)
        objective = float(pyo.value(model.objective))
        exact = outcome is Outcome.OPTIMAL and self.config.relative_gap == 0.0
        bound = objective if exact else _finite(results.problem.lower_bound)
        return outcome, objective, bound


def _check_options(config: SolverConfig) -> None:
    """Refuse options that HiGHS would ignore; configurations built in Python come here unchecked."""
    from ieco_opt.solvers.highs import wrong_options

    faults = [
        Fault(file=config.name, line=None, field=f"options.{name}", message=message)
        for name, message in wrong_options(config.options)
    ]
    if faults:
        raise ScenarioError(faults)


def _contradicts(model: Any, objective: float) -> bool:
    """Whether the solver says another objective than the solution has that the variables hold."""
    from pyomo.core import value

    found = float(value(model.objective))
    return abs(found - objective) > _MISMATCH * max(1.0, abs(found))


def _or_inf(limit_s: float | None) -> float:
    return math.inf if limit_s is None else limit_s


def _check_bound(objective: float | None, bound: float | None) -> None:
    """Refuse a bound that the solver's own solution is below, before anybody takes it for a proof."""
    if objective is not None and bound is not None and bound - objective > _MISMATCH * max(1.0, abs(objective)):
        raise SolverError(
            f"the solver reports the bound {bound:.9g}, but its own solution is {objective:.9g}, which is less; "
            "one of them is wrong, so the result is refused"
        )


def _finite(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) else float("nan")
    return number if abs(number) < float("inf") else None


def _outcome(condition: str, *, incumbent: bool) -> Outcome:
    outcome = TERMINATIONS.get(condition)
    if outcome is None:
        raise SolverError(f"the solver ended with '{condition}', which proves nothing")
    if outcome is Outcome.FEASIBLE and not incumbent:
        return Outcome.NO_SOLUTION
    return outcome
