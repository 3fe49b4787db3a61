"""`ieco-opt solve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.options import (
    output_options,
    scenario_argument,
    set_option,
    solver_config_option,
    usual_objective_options,
)
from ieco_opt.cli.question import model_or_scenario

if TYPE_CHECKING:
    from ieco_opt.defaults import ObjectiveName
    from ieco_opt.scenario.source import ScenarioSource


@click.command("solve")
@scenario_argument
@model_or_scenario
@set_option
@usual_objective_options
@solver_config_option
@output_options
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    objective: ObjectiveName | None,
    preference: float,
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

    delivery = Delivery(out, output_format, quiet, plot)
    delivery.check()
    loaded = load_deployment(scenario, overrides)
    config = load_solver_config(solver_config)
    show_notes(loaded.notes(), quiet=quiet)
    with shown_progress(quiet=quiet) as shown:
        result = api.answer(
            loaded,
            objective=objective,
            preference=preference,
            solver_config=config,
            progress=shown.found,
            doing=shown.doing,
        )
    return delivery.deliver(result)
