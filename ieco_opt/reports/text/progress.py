"""Progress of a search on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REFRESHED_S = 0.1
"""Least seconds between two words of what is done; points found are always shown."""


class Shown:
    """Where a search says how far it is; it goes to ``show`` as a line, or nowhere."""

    def __init__(self, show: Callable[[str], None] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._began = clock()
        self._last = -REFRESHED_S

    def found(self, points: int, boxes: int, spread: float) -> None:
        """Say what is found and what is left, the widest gap between neighbours as a factor."""
        if self._show is not None:
            left = f"{boxes} open" if spread <= 1.0 else f"{boxes} open, the widest {100.0 * (spread - 1.0):.3g} % wide"
            self._show(f"{points} deployments found, {left}")

    def doing(self, what: str) -> None:
        """Say what begins."""
        passed = self._clock() - self._began
        if self._show is not None and passed - self._last >= REFRESHED_S:
            self._last = passed
            self._show(f"{what} ... {passed:.0f} s")


@contextmanager
def progress(enabled: bool) -> Iterator[Shown]:
    """Give what a search reports to; it draws only if enabled and standard error is a terminal."""
    if not (enabled and sys.stderr.isatty()):
        yield Shown(None)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # The solver redirects file descriptors while it runs: a thread that refreshes by itself would write into them.
    with Live(
        Text("searching ..."),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        live.refresh()
        yield Shown(lambda line: live.update(Text(line), refresh=True))
