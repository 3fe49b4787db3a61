"""`ieco-opt solve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.options import output_options, scenario_argument, set_option, solver_config_option

if TYPE_CHECKING:
    from ieco_opt.api import ObjectiveName


@click.command("solve")
@scenario_argument
@set_option
@click.option(
    "--objective",
    type=click.Choice(["fastest", "cheapest", "preferred"]),
    default="fastest",
    show_default=True,
    help="What is best; preferred maximises speed^k / cost.",
)
@click.option("--preference", type=float, metavar="K", help="Exponent k of preferred.  [default: 3]")
@solver_config_option
@output_options
def command(
    scenario: Path,
    overrides: tuple[str, ...],
    objective: ObjectiveName,
    preference: float | None,
    solver_config: str,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
) -> int:
    """Solve SCENARIO for its one best deployment within the limits, with its proof."""
    from ieco_opt import api, load_solver_config
    from ieco_opt.cli.output import Delivery, show_notes, shown_progress
    from ieco_opt.scenario.load import load_deployment

    if preference is not None and objective != "preferred":
        raise click.UsageError("--preference goes with --objective preferred")
    delivery = Delivery(out, output_format, quiet, plot)
    delivery.check()
    loaded = load_deployment(scenario, overrides)
    config = load_solver_config(solver_config)
    show_notes(loaded.notes(), quiet=quiet)
    with shown_progress(quiet=quiet) as shown:
        result = api.answer(
            loaded,
            objective=objective,
            preference=api.DEFAULT_PREFERENCE if preference is None else preference,
            solver_config=config,
            progress=shown.found,
            doing=shown.doing,
        )
    return delivery.deliver(result)
