"""Printing and saving answers of every kind, and showing the search while it runs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.errors import Fault, ScenarioError, printable

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.reports.text.progress import Shown
    from ieco_opt.results.answer import Answer
    from ieco_opt.results.plan import FleetResult


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where an answer goes.

    Attributes
    ----------
    beside
        Tables in files beside the main one, by what their names end with.
    nodes
        Also print the nodes of a plan.
    """

    out: Path | None
    output_format: str | None
    quiet: bool
    plot: Path | None = None
    beside: tuple[str, ...] = ()
    nodes: bool = False

    @property
    def shows_tables(self) -> bool:
        """Whether people read standard output."""
        return self.output_format == "table" or (
            self.output_format is None and not (self.quiet and self.out is not None)
        )

    def to_screen(self) -> Delivery:
        """The same without files."""
        return replace(self, out=None, plot=None)

    def check(self, *kinds: str) -> None:
        """Refuse file names that nothing can be written to before the work is done, not after.

        Parameters
        ----------
        kinds
            Kinds of files that the command writes; by default all.
        """
        from ieco_opt.documents.destinations import kind_of
        from ieco_opt.results.writing import check_ending

        if self.out is not None:
            kind_of(self.out, kinds or ("csv", "json", "parquet"))
            check_ending(self.out, *self.beside)
        if self.plot is not None:
            from ieco_opt.reports.figures.style import check_plot_ending

            check_plot_ending(self.plot)

    def deliver(
        self,
        answer: Answer,
        text: Callable[[int], str] | None = None,
        *,
        draw: Callable[[Path], object] | None = None,
    ) -> ExitStatus:
        """Save, then print, then draw, so that a closed pipe or a missing plot library loses nothing.

        Parameters
        ----------
        text
            What people read instead of tables, for a terminal of so many columns.
        draw
            Draws to a file another picture than that of the answer alone.
        """
        from ieco_opt.results.encoding import to_json
        from ieco_opt.results.writing import to_csv_text, write
        from ieco_opt.scenario.objective import says_objective

        unwritten = _attempted(lambda out: write(answer, out), self.out)
        shown = answer.scenario.notes()
        told = [note for note in answer.notes if note not in shown and not says_objective(note)]
        show_notes(told, quiet=self.quiet)
        if answer.stopped is not None and not self.quiet:
            click.echo(f"stopped early ({answer.stopped}): what was found is kept and marked", err=True)
        if self.output_format == "json":
            click.echo(to_json(answer), nl=False)
        elif self.output_format == "csv":
            click.echo(to_csv_text(answer), nl=False)  # type: ignore[arg-type]
        elif self.shows_tables or unwritten:
            # What could not be saved must not be lost.
            if text is None:
                self._print(answer)
            else:
                click.echo(text(width_of_output()))
        from ieco_opt.reports import figures

        unwritten += _attempted(draw or (lambda plot: figures.save(answer, plot)), self.plot)
        return _ended(unwritten) if answer.stopped is None or unwritten else ExitStatus.STOPPED

    def deliver_record(
        self,
        as_json: Callable[[], str],
        as_table: Callable[[int], str],
        *,
        as_csv: Callable[[], str] | None = None,
        save: Callable[[Path], object] | None = None,
        draw: Callable[[Path], object] | None = None,
    ) -> ExitStatus:
        """The same of what is no kind of saved file: its JSON, or a text for a terminal of so many columns.

        Parameters
        ----------
        as_csv
            The text of ``--format csv``, where the command has it.
        save
            Writes the file of ``--out``; by default the JSON.
        draw
            Draws to a file, where the command has ``--plot``.
        """
        from ieco_opt.documents.destinations import replace_file

        unwritten = _attempted(save or (lambda out: replace_file(out, as_json().encode())), self.out)
        if self.output_format == "json":
            click.echo(as_json(), nl=False)
        elif self.output_format == "csv" and as_csv is not None:
            click.echo(as_csv(), nl=False)
        elif self.shows_tables or unwritten:
            click.echo(as_table(width_of_output()))
        if draw is not None:
            unwritten += _attempted(draw, self.plot)
        return _ended(unwritten)

    def deliver_rows(
        self,
        rows: pd.DataFrame,
        as_json: Callable[[], str],
        as_table: Callable[[int], str],
        draw: Callable[[Path], object] | None = None,
    ) -> ExitStatus:
        """The same of a table about which there is more to say: .json has everything, .csv and .parquet its rows."""
        from ieco_opt.documents.destinations import replace_file
        from ieco_opt.results.writing import csv_text, write_table

        def write(out: Path) -> None:
            if out.suffix.lower() == ".json":
                replace_file(out, as_json().encode())
            else:
                write_table(rows, out)

        return self.deliver_record(as_json, as_table, as_csv=lambda: csv_text(rows), save=write, draw=draw)

    def _print(self, answer: Answer) -> None:
        from ieco_opt.reports.text import render, render_nodes

        width = width_of_output()
        click.echo(render(answer, width))
        if self.nodes:
            plan: FleetResult = answer  # type: ignore[assignment]
            if not plan.is_frontier:
                click.echo()
                click.echo(render_nodes(plan[0], width))


def width_of_output() -> int:
    """Columns of the terminal; 110 where the output goes elsewhere, unless COLUMNS says otherwise."""
    return shutil.get_terminal_size((110, 24)).columns


def takes_colour(stream: TextIO | None = None) -> bool:
    """Whether a stream (standard output) shows colours: a terminal does, unless it is dumb or NO_COLOR is set.

    See no-color.org.
    """
    return _on_terminal(stream or sys.stdout) and not os.environ.get("NO_COLOR")


def takes_dots() -> bool:
    """Whether standard output shows the letters of Braille, of which curves are drawn."""
    return _on_terminal(sys.stdout) and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _on_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _ended(unwritten: list[Fault]) -> ExitStatus:
    """Say what could not be written."""
    for fault in unwritten:
        click.echo(f"error: {fault}", err=True)
    return ExitStatus.INTERNAL_ERROR if unwritten else ExitStatus.DONE


def _attempted(write: Callable[[Path], object], path: Path | None) -> list[Fault]:
    """Write to a file, if one is wanted; what went wrong, which must not keep the answer from being shown."""
    if path is not None:
        try:
            write(path)
        except ScenarioError as error:
            return list(error.faults)
    return []


def show_notes(notes: Iterable[str], *, quiet: bool) -> None:
    """Show notes on standard error; those of a scenario once it is loaded, since they may be why nothing is found."""
    for note in notes:
        if not quiet:
            click.echo(printable(f"note: {note}"), err=True)


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Shown]:
    """Show progress on standard error, if it is a terminal and nobody asked for quiet."""
    from ieco_opt.reports.text.progress import progress

    with progress(not quiet and sys.stderr.isatty()) as shown:
        yield shown
