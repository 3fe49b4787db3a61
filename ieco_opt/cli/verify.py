"""`ieco-opt verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import max_setups_option
from ieco_opt.errors import printable

if TYPE_CHECKING:
    from ieco_opt.verification.report import Verification


@click.command("verify")
@click.argument("result", type=click.Path(path_type=Path))
@max_setups_option
@click.option("--quiet", is_flag=True, help="Print problems only.")
def command(result: Path, max_setups: int | None, quiet: bool) -> int:
    """Check RESULT, a saved .json result or the folder of a plan, with the performance model alone.

    Every figure is computed again from its own scenario, and so are memory and limits, or nodes, capacity, demand and
    service. Bounds and coverage of deployments are checked by a search of all configurations. What only a solver could
    check is named. Exit status 1 if anything is wrong.
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
    from ieco_opt.reports.text.wording import counted

    alternatives = (
        f"; {counted(report.alternatives, 'alternative')} in order, within the share, each unlike those before"
    )
    alternatives *= bool(report.alternatives)
    if report.plans:
        return (
            f"verified: {counted(report.plans, 'plan')} with {counted(report.rows, 'instance type')} on "
            f"{counted(report.nodes, 'node')}: every figure agrees with the performance model or the operating "
            "points, and capacity, demand, service, limits, hourly cost and power are kept"
            f"{alternatives}"
        )
    searched = counted(report.configurations, "configuration")
    if not report.deployments:
        return f"verified: the answer lists no deployment, and none of {searched} contradicts it"
    heuristics = f", the measures of {counted(report.heuristics, 'heuristic')} come out alike" * bool(report.heuristics)
    return (
        f"verified: every figure of {counted(report.deployments, 'deployment')} agrees with the performance model"
        f"{heuristics}, and no deployment of {searched} contradicts what is proven{alternatives}"
    )
