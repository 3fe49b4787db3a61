"""Printing and saving results."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.main import ExitStatus

if TYPE_CHECKING:
    from ieco_opt.pareto.sweeps import Progress
    from ieco_opt.results.frontier import Frontier


def deliver(result: Frontier, *, out: Path | None, output_format: str | None, plot: Path | None, quiet: bool) -> int:
    """Save and print a result; returns the exit status.

    What was asked to be saved is saved first, so that a closed pipe or a missing plot library loses nothing.
    """
    from ieco_opt.results.files import to_csv_text, to_json, write

    if out is not None:
        write(result, out)
    if not quiet:
        for note in result.notes:
            click.echo(f"note: {note}", err=True)
        if result.stopped is not None:
            click.echo(f"stopped early ({result.stopped}): what was found is marked as unproven", err=True)
    if output_format == "json":
        click.echo(to_json(result))
    elif output_format == "csv":
        click.echo(to_csv_text(result), nl=False)
    elif output_format == "table" or not (quiet and out is not None):
        from ieco_opt.reports.text.frontier import render

        click.echo(render(result, shutil.get_terminal_size((100, 24)).columns))
    if plot is not None:
        from ieco_opt.reports.figures import save

        save(result, plot)
    return ExitStatus.DONE if result.stopped is None else ExitStatus.STOPPED


def check_endings(out: Path | None, plot: Path | None) -> None:
    """Refuse file names that nothing can be written to before the work is done, not after."""
    from ieco_opt.reports.figures.style import check_plot_ending
    from ieco_opt.results.files import check_ending

    if out is not None:
        check_ending(out)
    if plot is not None:
        check_plot_ending(plot)


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """Show progress on standard error, if it is a terminal and nobody asked for quiet."""
    from ieco_opt.reports.text.progress import progress

    with progress(not quiet and sys.stderr.isatty()) as report:
        yield report
