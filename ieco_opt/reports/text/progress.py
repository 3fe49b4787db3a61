"""Progress of a search in words, on standard error."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CLOSED = 1e-6
_TELLS_NOTHING, _WHOLE_PERCENT = 0.99, 0.1
"""Gaps from which on a least bound tells nothing, and from which on they are told in whole percent."""

REFRESHED_S = 0.1
"""Least seconds between two words of what is done; points found are always shown."""


class Shown:
    """Where a search says how far it is; it goes to ``show`` as a line, or nowhere."""

    def __init__(self, show: Callable[[str], None] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._began = clock()
        self._last = -REFRESHED_S
        self.asking()

    def asking(self, *, points: int | None = None, delta: float | None = None, proven: bool = False) -> None:
        """Say what a search of deployments shall find: so many points or a coverage, and whether it proves each."""
        self._points, self._delta = points, delta
        self._verb = "proven" if proven else "found"

    def found(self, points: int, boxes: int, spread: float) -> None:
        """Say what is found and what is left, the widest gap between neighbours as a factor."""
        if self._show is not None:
            if self._points is not None:
                self._show(f"{self._points - boxes} of {self._points} points {self._verb}")
                return
            gaps = "no gap left" if not boxes else f"{boxes:,} gap{'s' if boxes > 1 else ''} left{self._widest(spread)}"
            self._show(f"{points:,} point{'' if points == 1 else 's'} {self._verb}, {gaps}")

    def _widest(self, spread: float) -> str:
        return "" if spread <= 1.0 else f", the widest {widest(spread, self._delta)}"

    def doing(self, what: str) -> None:
        """Say what begins."""
        passed = self._clock() - self._began
        if self._show is not None and passed - self._last >= REFRESHED_S:
            self._last = passed
            self._show(f"{what} ... {passed:.0f} s")


def widest(factor: float, delta: float | None) -> str:
    """How far neighbours are apart at the most, and how far they may be in the end."""
    enough = "" if not delta else f" ({100.0 * delta:.3g} % will do)"
    return f"{100.0 * (factor - 1.0):.3g} %{enough}" if math.isfinite(factor) else f"still without an end{enough}"


def best_so_far(incumbent: float, bound: float, said: Callable[[float], str], *, most: bool = False) -> str:
    """The best plan that a solver has found, and how far it may be from the best of all.

    Parameters
    ----------
    incumbent, bound
        Of what is sought; not finite while there is none.
    said
        A value in the user's unit.
    most
        Whether the most is sought, otherwise the least.
    """
    if not math.isfinite(incumbent):
        side = "at most" if most else "at least"
        return "no plan yet" + (f", {side} {said(bound)}" if math.isfinite(bound) else "")
    if not math.isfinite(bound):
        return f"best {said(incumbent)}, not known how far from optimal"
    gap = abs(incumbent - bound) / abs(incumbent) if incumbent else 0.0
    if most and gap > 1.0:
        return f"best {said(incumbent)}, at most {said(bound)} possible"
    if not most and gap > _TELLS_NOTHING:
        return f"best {said(incumbent)}, not known how far from optimal"
    if gap <= _CLOSED:
        return f"best {said(incumbent)}, optimal"
    share = f"{100.0 * gap:.0f}" if gap >= _WHOLE_PERCENT else f"{100.0 * gap:.2g}"
    return f"best {said(incumbent)}, within {share} % of optimal"


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
