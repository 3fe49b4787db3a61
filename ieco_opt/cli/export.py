"""`ieco-opt export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ieco_opt.cli.options import quiet_option, scenario_argument, set_option
from ieco_opt.errors import printable

if TYPE_CHECKING:
    from ieco_opt.scenario.source import ScenarioSource


@click.command("export")
@scenario_argument
@set_option
@click.option(
    "--objective",
    type=click.Choice(["fastest", "cheapest", "energy", "carbon"]),
    help="Of a deployment: least time per output token, or step cost - c * batch with c the least cost; or so of "
    "energy or carbon.  [default: fastest]",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .lp or .mps file.")
@quiet_option
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    objective: Literal["fastest", "cheapest", "energy", "carbon"] | None,
    out: Path,
    quiet: bool,
) -> None:
    """Write the program of SCENARIO, with named variables and constraints, for people and other solvers."""
    from ieco_opt import api
    from ieco_opt.cli.output import show_notes

    loaded = api.load_scenario(scenario, overrides)
    show_notes(loaded.notes(), quiet=quiet)
    if objective is not None and loaded.kind == "fleet":
        raise click.UsageError("--objective is for deployments; a fleet says its own")
    written = api.export(loaded, out, objective=objective)
    if not quiet:
        click.echo(
            f"wrote {written.variables} variables and {written.constraints} constraints to {printable(str(out))}",
            err=True,
        )
