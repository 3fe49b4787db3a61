"""`ieco-opt sweep`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import (
    check_preference,
    config_option_of_both,
    format_option,
    preference_option,
    quiet_option,
    scenario_argument,
    set_option,
)
from ieco_opt.defaults import DEFAULT_PREFERENCE, Objective
from ieco_opt.errors import printable

if TYPE_CHECKING:
    from ieco_opt.cli.fleet_progress import Line
    from ieco_opt.scenario.load import ScenarioTemplate
    from ieco_opt.scenario.source import ScenarioSource
    from ieco_opt.sweeping.answering import Asked
    from ieco_opt.sweeping.points import Point
    from ieco_opt.sweeping.run import Swept


@click.command("sweep")
@scenario_argument
@set_option
@click.option(
    "--over",
    multiple=True,
    metavar="FIELD=V,V",
    help="Values of a field, such as workload.context_tokens=1k,8k or accelerators=[H100],[H200]. Repeated, every "
    "combination is a point.",
)
@click.option(
    "--rows",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Instead, a .csv whose columns are fields: one point a row.",
)
@click.option(
    "--objective",
    type=click.Choice(tuple(dict.fromkeys(get_args(Objective)))),
    help="What is best, as of solve or fleet.  [default: theirs]",
)
@preference_option
@config_option_of_both()
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one a core]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to .csv, .json or .parquet; FILE.journal beside it keeps points that are done.",
)
@click.option("--restart", is_flag=True, help="Forget the points that an earlier run to --out kept.")
@format_option
@quiet_option
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    over: tuple[str, ...],
    rows: Path | None,
    objective: str | None,
    preference: float | None,
    solver_config: str | None,
    processes: int | None,
    out: Path | None,
    restart: bool,
    output_format: str | None,
    quiet: bool,
) -> int:
    """Answer SCENARIO many times with other values of some fields: one table, a row a point.

    SCENARIO is a deployment, answered as by `solve`, or a fleet, of whose plans the table has the totals. The same
    command goes on where a run to --out was ended. A point without an answer is a row that says why.
    """
    from ieco_opt.cli.output import Delivery
    from ieco_opt.reports.text.sweep import render
    from ieco_opt.results.writing import csv_text
    from ieco_opt.scenario.load import ScenarioTemplate
    from ieco_opt.sweeping.run import asked_of

    if bool(over) == (rows is not None):
        raise click.UsageError("expected either --over or --rows")
    check_preference(objective, preference)
    if restart and out is None:
        raise click.UsageError("--restart goes with --out")
    delivery = Delivery(out, output_format, quiet)
    delivery.check()
    points = _points(over, rows)
    template = ScenarioTemplate.read(scenario, overrides)
    asked = asked_of(template, objective, DEFAULT_PREFERENCE if preference is None else preference, solver_config)
    swept = _swept(template, points, asked, _Where(out, processes, restart, quiet))
    status = delivery.deliver_record(
        swept.to_json,
        lambda width: render(swept.table, width, fleet=template.is_fleet),
        as_csv=lambda: csv_text(swept.table),
        save=swept.write,
    )
    return status or _told(swept, out, quiet=quiet)


def _points(over: tuple[str, ...], rows: Path | None) -> list[Point]:
    from ieco_opt.sweeping import points

    return points.from_texts(over) if rows is None else points.from_file(rows)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a sweep goes on, and whether people watch."""

    out: Path | None
    processes: int | None
    restart: bool
    quiet: bool


def _swept(template: ScenarioTemplate, points: list[Point], asked: Asked, where: _Where) -> Swept:
    from ieco_opt.cli.fleet_progress import shown_line
    from ieco_opt.cli.output import show_notes
    from ieco_opt.reports.text.sweep import progress_line
    from ieco_opt.sweeping.keeping import journal_of
    from ieco_opt.sweeping.run import Workplace, run_sweep

    def began(before: int) -> None:
        if before and where.out is not None:
            left = "none is left" if before == len(points) else f"{len(points) - before:,} are left"
            done = f"{before:,} of {len(points):,} points were done before ({journal_of(where.out)}), {left}"
            show_notes([done], quiet=where.quiet)
        if line is not None:
            line.doing(progress_line(before, len(points), {}))

    with shown_line(quiet=where.quiet) as line:
        return run_sweep(
            template,
            points,
            asked,
            out=where.out,
            workplace=Workplace(processes=where.processes),
            restart=where.restart,
            began=began,
            progress=None if line is None else _Watch(line),
        )


class _Watch:
    """Says on a terminal how many points are done, and about how long the others take."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._began = time.monotonic()
        self._before: int | None = None

    def __call__(self, done: int, points: int, statuses: Mapping[str, int]) -> None:
        """Show the line anew."""
        from ieco_opt.reports.text.sweep import progress_line

        if self._before is None:
            self._before = done - 1
        each_s = (time.monotonic() - self._began) / (done - self._before)
        self._line.doing(progress_line(done, points, statuses, (points - done) * each_s))


def _told(swept: Swept, out: Path | None, *, quiet: bool) -> ExitStatus:
    """Say what became of the points, and how the command ends."""
    from ieco_opt.reports.text.sweep import counted
    from ieco_opt.sweeping.answering import PointStatus

    statuses = {PointStatus(name): number for name, number in swept.statuses.items()}
    if not quiet:
        click.echo(printable(f"{len(swept.table):,} points: {counted(swept.statuses)}"), err=True)
        if swept.interrupted:
            kept = "add --out FILE to keep what is done" if out is None else "the same command goes on from here"
            click.echo(f"interrupted: {kept}", err=True)
    if swept.interrupted:
        return ExitStatus.STOPPED
    if statuses.keys() & {PointStatus.FAILED, PointStatus.LOST}:
        return ExitStatus.INTERNAL_ERROR
    if PointStatus.STOPPED in statuses or bool(swept.table["reason"].str.startswith("stopped early").any()):
        return ExitStatus.STOPPED
    if statuses.keys() == {PointStatus.WRONG}:
        return ExitStatus.WRONG_INPUT
    return ExitStatus.INFEASIBLE if statuses.keys() == {PointStatus.INFEASIBLE} else ExitStatus.DONE
