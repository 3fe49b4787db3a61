"""`ieco-opt compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.options import quiet_option, scenario_argument, set_option, solver_config_option
from ieco_opt.defaults import COMPARED_DELTA

if TYPE_CHECKING:
    from ieco_opt.scenario.source import ScenarioSource


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
    "--delta",
    type=float,
    help=f"Coverage of the exact frontier, a (1 + delta)-approximate Pareto set.  [default: {COMPARED_DELTA}]",
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
    scenario: ScenarioSource,
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
    from ieco_opt import api, load_solver_config
    from ieco_opt.cli.output import Delivery, show_notes, shown_progress
    from ieco_opt.heuristics import Budget
    from ieco_opt.heuristics.registry import chosen
    from ieco_opt.results.comparison import DEFAULT_EVALUATIONS
    from ieco_opt.scenario.load import load_deployment

    if delta is not None and complete:
        raise click.UsageError("--delta does not go with --complete")
    delivery = Delivery(out, output_format, quiet, plot)
    delivery.check()
    candidates = chosen(heuristics, resolution)
    allowed = Budget(evaluations=DEFAULT_EVALUATIONS if budget is None else budget, seed=seed)
    loaded = load_deployment(scenario, overrides)
    config = load_solver_config(solver_config)
    show_notes(loaded.notes(), quiet=quiet)
    with shown_progress(quiet=quiet) as shown:
        result = api.compare(
            loaded,
            candidates,
            budget=allowed,
            delta=COMPARED_DELTA if delta is None else delta,
            complete=complete,
            solver_config=config,
            progress=shown.found,
            doing=shown.doing,
        )
    return delivery.deliver(result)
