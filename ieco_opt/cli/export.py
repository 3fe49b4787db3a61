"""`ieco-opt export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ieco_opt.cli.options import quiet_option, scenario_argument, set_option


@click.command("export")
@scenario_argument
@set_option
@click.option(
    "--objective",
    type=click.Choice(["fastest", "cheapest"]),
    help="Of a deployment: least time per output token, or step cost - c * batch with c the least cost.  "
    "[default: fastest]",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .lp or .mps file.")
@quiet_option
def command(
    scenario: Path,
    overrides: tuple[str, ...],
    objective: Literal["fastest", "cheapest"] | None,
    out: Path,
    quiet: bool,
) -> None:
    """Write the program of SCENARIO, with named variables and constraints, for people and other solvers."""
    from ieco_opt.scenario.load import kind_of

    if kind_of(scenario) == "fleet":
        if objective is not None:
            raise click.UsageError("--objective is for deployments; a fleet says its own")
        wrote = _export_fleet(scenario, overrides, out)
    else:
        from ieco_opt import api, load_scenario

        written = api.export(load_scenario(scenario, overrides), out, objective=objective or "fastest")
        wrote = f"{written.segments} segments of {written.setups} configurations"
    if not quiet:
        click.echo(f"wrote {wrote} to {out}", err=True)


def _export_fleet(scenario: Path, overrides: tuple[str, ...], out: Path) -> str:
    from ieco_opt import load_fleet
    from ieco_opt.fleet import run as planning

    variables, constraints = planning.export_fleet(load_fleet(scenario, overrides), out)
    return f"{variables} variables and {constraints} constraints"
