"""`ieco-opt verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import max_setups_option
from ieco_opt.errors import printable

if TYPE_CHECKING:
    from ieco_opt.verification.consistency import Verification


@click.command("verify")
@click.argument("result", type=click.Path(path_type=Path))
@max_setups_option
@click.option("--quiet", is_flag=True, help="Print problems only.")
def command(result: Path, max_setups: int | None, quiet: bool) -> int:
    """Check RESULT, a saved .json result, against its own scenario with the performance model alone.

    Every figure is computed again, memory and limits are checked, and the neighbourhood of each deployment is searched
    for one that dominates it. Of fleets, nodes, capacity, demand, service, hourly cost and power are checked.
    Exit status 1 if anything is wrong.
    """
    from ieco_opt import api

    report = api.verify(api.load_result(result, max_setups=max_setups))
    for problem in report.problems:
        click.echo(printable(f"error: {result}: {problem}"), err=True)
    if not report.problems and not quiet:
        click.echo(_confirmed(report))
        for unchecked in report.unchecked:
            click.echo(printable(f"not checked: {unchecked}"))
    return ExitStatus.DONE if report.holds else ExitStatus.INTERNAL_ERROR


def _confirmed(report: Verification) -> str:
    """What may be said where nothing is wrong."""
    if report.plans:
        plans = "1 plan" if report.plans == 1 else f"{report.plans} plans"
        return (
            f"verified: {plans} with {report.rows} instance types on {report.nodes} nodes agree with the performance "
            "model and keep capacity, demand, service, hourly cost and power"
        )
    deployments = "1 deployment agrees" if report.deployments == 1 else f"{report.deployments} deployments agree"
    return (
        f"verified: {deployments} with the performance model, every GPU holds what it must, and none of "
        f"{report.neighbours:,} neighbouring deployments dominates one of them"
    )
