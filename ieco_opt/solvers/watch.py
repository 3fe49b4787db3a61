"""Looking at HiGHS while it runs: reporting incumbent and bound, and stopping it on request or where it is enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.interrupt import Interrupt

Report = Callable[[float, float, float], None]
"""Told the incumbent's objective (inf while there is none), the bound (-inf likewise), and the seconds so far."""


class Watch:
    """Called back by one solve.

    Attributes
    ----------
    accepted
        Whether the solve was stopped because its gap was accepted (see :class:`SolverConfig`).
    """

    def __init__(self, config: SolverConfig, interrupt: Interrupt, report: Report | None) -> None:
        self.accepted = False
        self._interrupt = interrupt
        self._gap = config.accepted_gap
        self._patience_s = config.patience_s or 0.0
        self._report = report
        self._searching = False

    def attach(self, highs: Any) -> None:
        """Subscribe to the callbacks of a solver that is about to run."""
        highs.cbSimplexInterrupt += self._on_step
        highs.cbIpmInterrupt += self._on_step
        highs.cbMipInterrupt += self._on_node
        if self._report is not None:
            highs.cbMipLogging += self._on_progress
            highs.cbMipImprovingSolution += self._on_progress
        if self._gap is not None:
            highs.cbMipInterrupt += self._on_chance_to_stop

    def _on_progress(self, event: Any) -> None:
        assert self._report is not None
        self._report(event.data_out.mip_primal_bound, event.data_out.mip_dual_bound, event.data_out.running_time)

    def _on_step(self, event: Any) -> None:
        # Within the search of an integer program a linear one that is ended is an error, and the incumbent lost.
        if self._interrupt.requested and not self._searching:
            event.interrupt()

    def _on_node(self, event: Any) -> None:
        self._searching = True
        if self._interrupt.requested:
            event.interrupt()

    def _on_chance_to_stop(self, event: Any) -> None:
        assert self._gap is not None
        incumbent, bound = event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
        if event.data_out.running_time < self._patience_s or not math.isfinite(incumbent) or not math.isfinite(bound):
            return
        if incumbent - bound <= self._gap * abs(incumbent):
            self.accepted = True
            event.interrupt()
