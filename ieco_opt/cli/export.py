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
    default="fastest",
    show_default=True,
    help="Least latency, or rent - c * batch with c the least cost.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .lp or .mps file.")
@quiet_option
def command(
    scenario: Path, overrides: tuple[str, ...], objective: Literal["fastest", "cheapest"], out: Path, quiet: bool
) -> None:
    """Write the program of SCENARIO, with named variables and constraints, for people and other solvers."""
    from ieco_opt import api, load_scenario

    written = api.export(load_scenario(scenario, overrides), out, objective=objective)
    if not quiet:
        click.echo(f"wrote {written.regimes} regimes of {written.setups} setups to {out}", err=True)
