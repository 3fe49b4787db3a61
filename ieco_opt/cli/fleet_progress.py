"""Showing the search for a plan while it runs."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.fleet.sweeps import Progress
    from ieco_opt.solvers.watch import Report


@contextmanager
def shown_bounds(*, quiet: bool) -> Iterator[Report | None]:
    """Show incumbent, bound and gap on standard error while the solver runs, if that is a terminal."""
    with _line(quiet=quiet) as show:
        yield None if show is None else lambda incumbent, bound, seconds: show(_bounds(incumbent, bound, seconds))


@contextmanager
def shown_points(*, quiet: bool) -> Iterator[Progress | None]:
    """Show how far a frontier is, likewise."""
    with _line(quiet=quiet) as show:
        yield (
            None
            if show is None
            else lambda points, widest: show(f"{points} plans found, the widest gap a factor of {widest:.3g}")
        )


@contextmanager
def _line(*, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """Give a function that rewrites one line of the terminal.

    While a solver runs, the standard descriptors are redirected; a copy made before still leads to the terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace") as terminal:

        def show(text: str) -> None:
            terminal.write(f"\r\x1b[2K{text}")
            terminal.flush()

        try:
            show("pricing ...")
            yield show
        finally:
            show("")


def _bounds(incumbent: float, bound: float, seconds: float) -> str:
    if not math.isfinite(incumbent):
        return f"{seconds:.0f} s: no plan yet" + (f", bound {bound:,.6g}" if math.isfinite(bound) else "")
    if not math.isfinite(bound):
        return f"{seconds:.0f} s: best {incumbent:,.6g}, no bound yet"
    gap = 100.0 * (incumbent - bound) / abs(incumbent) if incumbent else 0.0
    return f"{seconds:.0f} s: best {incumbent:,.6g}, bound {bound:,.6g}, gap {gap:.2g} %"
