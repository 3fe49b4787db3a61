"""`ieco-opt explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ieco_opt.cli.options import objective_options, quiet_option, scenario_argument, set_option, solver_config_option

if TYPE_CHECKING:
    from ieco_opt.defaults import ObjectiveName
    from ieco_opt.scenario.source import ScenarioSource


@click.command("explain")
@scenario_argument
@set_option
@objective_options
@solver_config_option
@click.option(
    "--configuration",
    metavar="TEXT",
    help="Say instead why not this one, such as TP8,DP2,PP1,B64, which may also have EP16, R0 (redundant experts) and "
    "K4 (verify width).",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to .json.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    help="What to print on standard output.  [default: table]",
)
@quiet_option
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    objective: ObjectiveName,
    preference: float,
    solver_config: str,
    configuration: str | None,
    out: Path | None,
    output_format: str | None,
    quiet: bool,
) -> int:
    """Say what decides the best deployment of SCENARIO, or why none is feasible.

    If a deployment is feasible: where its time goes, what each limit costs, and which configurations come next. If none
    is: an irreducible infeasible subset of the limits, and the minimal relaxation of each. With --configuration: which
    rule, limit or memory forbids it on each accelerator and server, or by how much it loses. All are answers, so the
    exit status is 0.
    """
    from ieco_opt import api, load_solver_config
    from ieco_opt.cli.output import Delivery, show_notes, shown_progress
    from ieco_opt.reports.text import render_configuration
    from ieco_opt.scenario.load import load_deployment

    delivery = Delivery(out, output_format, quiet)
    delivery.check("json")
    loaded = load_deployment(scenario, overrides)
    config = load_solver_config(solver_config)
    show_notes(loaded.notes(), quiet=quiet)
    asked: dict[str, Any] = {"objective": objective, "preference": preference, "solver_config": config}
    with shown_progress(quiet=quiet) as shown:
        if configuration is None:
            explanation = api.explain(loaded, **asked, doing=shown.doing)
        else:
            found = api.explain_configuration(loaded, configuration, **asked, doing=shown.doing)
    if configuration is None:
        return delivery.deliver(explanation)
    return delivery.deliver_record(found.to_json, lambda width: render_configuration(found, width))
