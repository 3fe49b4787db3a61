"""Ctrl-C during a search: keep what was found, and end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether a search was asked to end; loops and running solves look at it."""

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False

    def request(self) -> None:
        """Ask the search to end as soon as it can.

        Raises
        ------
        KeyboardInterrupt
            It was asked before, or what runs now does not look (:meth:`raised_at_once`).
        """
        before, self.requested = self.requested, True
        if before or self._at_once:
            raise KeyboardInterrupt

    @contextmanager
    def raised_at_once(self) -> Iterator[None]:
        """Let a request end code that asks nothing: work of others, which would go on to its own end."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextmanager
def caught_interrupts() -> Iterator[Interrupt]:
    """Turn SIGINT and SIGTERM into a request for the length of a search, where Python can (the main thread).

    A second one raises KeyboardInterrupt as usual.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        interrupt.request()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
