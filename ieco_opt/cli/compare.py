"""`ieco-opt compare`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.main import ExitStatus
from ieco_opt.cli.options import quiet_option, scenario_argument, set_option, solver_config_option

if TYPE_CHECKING:
    from ieco_opt.comparison import Comparison


@click.command("compare")
@scenario_argument
@set_option
@click.option(
    "--heuristic",
    "heuristics",
    multiple=True,
    metavar="NAME",
    help="Heuristic to compare; may be repeated.  [default: all of ieco_opt that are installed]",
)
@click.option("--budget", type=int, metavar="N", help="Evaluations that each search may spend.  [default: 10000]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--resolution", type=int, metavar="N", help="Points a side of the grid searches.  [default: 400]")
@click.option(
    "--delta", type=float, help="Coverage of the exact frontier, a (1 + delta)-approximate Pareto set.  [default: 0.01]"
)
@click.option("--complete", is_flag=True, help="Instead, the complete nondominated set.")
@solver_config_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to .json (everything), .csv or .parquet (the table).",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    help="What to print on standard output.  [default: table]",
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw to .png, .svg or .html.")
@quiet_option
def command(
    scenario: Path,
    overrides: tuple[str, ...],
    heuristics: tuple[str, ...],
    budget: int | None,
    seed: int,
    resolution: int | None,
    delta: float | None,
    complete: bool,
    solver_config: str,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
) -> int:
    """What heuristics miss on SCENARIO: their proposals against the exact frontier."""
    from ieco_opt import load_scenario, load_solver_config
    from ieco_opt.cli.output import shown_progress
    from ieco_opt.comparison import DEFAULT_DELTA, compare
    from ieco_opt.heuristics import Budget
    from ieco_opt.heuristics.interface import DEFAULT_EVALUATIONS
    from ieco_opt.heuristics.registry import chosen

    if delta is not None and complete:
        raise click.UsageError("--delta does not go with --complete")
    _check_endings(out, plot)
    candidates = chosen(heuristics, resolution)
    allowed = Budget(evaluations=DEFAULT_EVALUATIONS if budget is None else budget, seed=seed)
    config, loaded = load_solver_config(solver_config), load_scenario(scenario, overrides)
    with shown_progress(quiet=quiet) as report:
        result = compare(
            loaded,
            candidates,
            budget=allowed,
            delta=DEFAULT_DELTA if delta is None else delta,
            complete=complete,
            solver_config=config,
            progress=report,
        )
    return _deliver(result, out=out, output_format=output_format, plot=plot, quiet=quiet)


def _check_endings(out: Path | None, plot: Path | None) -> None:
    """Refuse file names that nothing can be written to before the work is done, not after."""
    from ieco_opt.reports.figures.style import check_plot_ending
    from ieco_opt.reports.text.comparison import check_file

    if out is not None:
        check_file(out)
    if plot is not None:
        check_plot_ending(plot)


def _deliver(result: Comparison, *, out: Path | None, output_format: str | None, plot: Path | None, quiet: bool) -> int:
    """Save first, so that a closed pipe or a missing plot library loses nothing; then print."""
    from ieco_opt.reports.text.comparison import render, to_csv_text, to_json, write

    texts = {"json": to_json, "csv": to_csv_text}
    if out is not None:
        write(result, out)
    if plot is not None:
        result.plot(plot)
    stopped = result.frontier.stopped
    if stopped is not None and not quiet:
        click.echo(f"stopped early ({stopped}): the exact frontier is unproven, regrets may be understated", err=True)
    if output_format in texts:
        click.echo(texts[output_format](result), nl=output_format == "json")
    elif output_format == "table" or not (quiet and out is not None):
        click.echo(render(result, shutil.get_terminal_size((100, 24)).columns))
    return ExitStatus.DONE if stopped is None else ExitStatus.STOPPED
