"""Ctrl-C during a search: stop the solver, keep what was found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupt:
    """Tells a search that it was asked to stop, and stops the solve that is running."""

    def __init__(self) -> None:
        self.requested = False
        self._running: Any = None

    def request(self) -> None:
        """Ask the search to stop as soon as it can."""
        self.requested = True
        if self._running is not None and self._running._solver_model is not None:
            self._running._solver_model.cancelSolve()

    @contextmanager
    def watching(self, solver: Any) -> Iterator[None]:
        """Let a request cancel what this Pyomo interface to HiGHS is solving."""
        self._running = solver
        try:
            yield
        finally:
            self._running = None


@contextmanager
def caught_interrupts() -> Iterator[Interrupt]:
    """Turn SIGINT and SIGTERM into a request for the length of a search, where Python can (the main thread).

    A second one raises KeyboardInterrupt as usual.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.request()

    for number in before:
        signal.signal(number, handle)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
