"""Progress of a search on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.pareto.sweeps import Progress


@contextmanager
def progress(enabled: bool) -> Iterator[Progress]:
    """Give a function that a search reports to; it draws only if enabled and standard error is a terminal."""
    if not (enabled and sys.stderr.isatty()):
        from ieco_opt.pareto.sweeps import silent

        yield silent
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

        def report(points: int, boxes: int, spread: float) -> None:
            live.update(Text(_line(points, boxes, spread)), refresh=True)

        live.refresh()
        yield report


def _line(points: int, boxes: int, spread: float) -> str:
    """Say what is found and what is left, the widest gap between neighbours as a factor."""
    left = f"{boxes} open" if spread <= 1.0 else f"{boxes} open, the widest {100.0 * (spread - 1.0):.3g} % wide"
    return f"{points} deployments found, {left}"
