"""`ieco-opt frontier`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import output_options, scenario_argument, set_option, solver_config_option
from ieco_opt.cli.question import model_or_scenario
from ieco_opt.defaults import DEFAULT_DELTA

if TYPE_CHECKING:
    from ieco_opt.scenario.source import ScenarioSource


@click.command("frontier")
@scenario_argument
@model_or_scenario
@set_option
@click.option("--delta", type=float, help=f"Coverage of the approximate Pareto set.  [default: {DEFAULT_DELTA}]")
@click.option("--points", type=int, help="Instead, a sample: the fastest under this many cost caps.")
@click.option("--complete", is_flag=True, help="Instead, the complete nondominated set.")
@click.option("--band", is_flag=True, help="Also the frontier at the pessimistic end of the model.")
@solver_config_option
@output_options
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    delta: float | None,
    points: int | None,
    complete: bool,
    band: bool,
    solver_config: str,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
) -> int:
    """Pareto frontier of speed against cost per token of SCENARIO, with its proof.

    By default a (1 + delta)-approximate Pareto set: for every feasible deployment one of the result is at most --delta
    more expensive and at most --delta slower, both relative.
    """
    from ieco_opt import api, load_solver_config
    from ieco_opt.cli.output import Delivery, show_notes, shown_progress
    from ieco_opt.scenario.load import load_deployment

    if delta is not None and (points is not None or complete):
        raise click.UsageError("--delta does not go with --points or --complete")
    delivery = Delivery(out, output_format, quiet, plot, beside=("pessimistic",) if band else ())
    delivery.check()
    loaded = load_deployment(scenario, overrides)
    config = load_solver_config(solver_config)
    show_notes(loaded.notes(), quiet=quiet)
    with shown_progress(quiet=quiet) as shown:
        result = api.frontier(
            loaded,
            delta=DEFAULT_DELTA if delta is None else delta,
            points=points,
            complete=complete,
            band=band,
            solver_config=config,
            progress=shown.found,
            doing=shown.doing,
        )
    status = delivery.deliver(result)
    end = result.pessimistic_end()
    return ExitStatus.STOPPED if status is ExitStatus.DONE and end is not None and end.stopped else status
