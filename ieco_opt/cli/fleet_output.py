"""Printing and saving plans of fleets, and showing the search while it runs."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.main import ExitStatus

if TYPE_CHECKING:
    from ieco_opt.fleet.sweeps import Progress
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.solvers.watch import Report


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the result of a fleet goes."""

    out: Path | None
    output_format: str | None
    plot: Path | None
    quiet: bool
    nodes: bool

    @property
    def shows_tables(self) -> bool:
        """Whether people read standard output."""
        return self.output_format == "table" or (
            self.output_format is None and not (self.quiet and self.out is not None)
        )

    def deliver(self, result: FleetResult) -> ExitStatus:
        """Save, then print, then draw, so that a closed pipe or a missing plot library loses nothing."""
        from ieco_opt.results import fleet_files

        if self.out is not None:
            fleet_files.write(result, self.out)
        if not self.quiet:
            for note in result.notes:
                click.echo(f"note: {note}", err=True)
            if result.stopped is not None:
                click.echo(f"stopped early ({result.stopped}): what was found is marked as unproven", err=True)
        if self.output_format == "json":
            click.echo(fleet_files.to_json(result), nl=False)
        elif self.output_format == "csv":
            click.echo(fleet_files.to_csv_text(result), nl=False)
        elif self.shows_tables:
            self._print_tables(result)
        if self.plot is not None:
            from ieco_opt.reports.figures import save

            save(result, self.plot)
        return ExitStatus.DONE if result.stopped is None else ExitStatus.STOPPED

    def _print_tables(self, result: FleetResult) -> None:
        from ieco_opt.reports.text.fleet import render
        from ieco_opt.reports.text.fleet_nodes import render_nodes

        width = shutil.get_terminal_size((110, 24)).columns
        click.echo(render(result, width))
        if self.nodes and not result.is_frontier:
            click.echo()
            click.echo(render_nodes(result[0], width))


def check_fleet_endings(out: Path | None, plot: Path | None) -> None:
    """Refuse file names that nothing can be written to before the work is done, not after."""
    from ieco_opt.reports.figures.style import check_plot_ending
    from ieco_opt.results.fleet_files import check_ending

    if out is not None:
        check_ending(out)
    if plot is not None:
        check_plot_ending(plot)


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
