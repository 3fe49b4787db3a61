"""Ctrl-C and SIGTERM outside searches: a line and a status, never a traceback, wherever they come."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPED = 4
"""Exit status of what was interrupted; :class:`ExitStatus` is not imported yet."""

AGAIN_S = 0.2
"""Seconds after which an interrupt that was lost is raised once more."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Leave the process on a signal, without a word of Python's: nothing is lost while the command line is imported."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def leave(_signal: int, _frame: FrameType | None) -> None:
        os.write(2, b"interrupted before anything was found\n")
        os._exit(STOPPED)

    for number in _SIGNALS:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interruption:
    """Whether a signal came; what is raised then may turn into another error on its way."""

    def __init__(self) -> None:
        self.came = False


@contextmanager
def interrupting() -> Iterator[Interruption]:
    """Raise KeyboardInterrupt on a signal, and once more where a library lost it.

    What is raised while modules are imported may end in a place that cannot pass it on. Searches have handlers of
    their own, which a repeated signal reaches as well.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    repeats = hasattr(signal, "setitimer")
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    say_unraisable = sys.unraisablehook

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        interruption.came = True
        if repeats:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        raise KeyboardInterrupt

    def unraisable(lost: UnraisableHookArgs, /) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            say_unraisable(lost)

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    if repeats:
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.unraisablehook = unraisable
    try:
        yield interruption
    finally:
        if repeats:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        sys.unraisablehook = say_unraisable
        # Python notes an interrupt inside an exec (of dataclasses, say) and would kill itself when it ends: forget it.
        exec("")  # noqa: S102
        for number, handler in before.items():
            signal.signal(number, handler)
