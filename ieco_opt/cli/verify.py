"""`ieco-opt verify`."""

from __future__ import annotations

from pathlib import Path

import click

from ieco_opt.cli.main import ExitStatus


@click.command("verify")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="Print problems only.")
def command(result: Path, quiet: bool) -> int:
    """Check RESULT, a saved .json result, against its own scenario with the performance model alone.

    Every figure is computed again, memory and limits are checked, and the neighbourhood of each
    deployment is searched for one that dominates it; of fleets, nodes, capacity, demand, service, hourly
    cost and power are checked. Exit status 2 if anything is wrong.
    """
    problems, holds = _checked(result)
    for problem in problems:
        click.echo(f"error: {result}: {problem}", err=True)
    if not problems and not quiet:
        click.echo(holds)
    return ExitStatus.WRONG_INPUT if problems else ExitStatus.DONE


def _checked(result: Path) -> tuple[list[str], str]:
    """Problems of a result of either kind, and what may be said where there are none."""
    from ieco_opt.results.fleet_files import is_fleet_result

    if is_fleet_result(result):
        from ieco_opt.fleet.verify import verify_fleet

        fleet = verify_fleet(result)
        plans = "1 plan" if fleet.plans == 1 else f"{fleet.plans} plans"
        return fleet.problems, (
            f"verified: {plans} with {fleet.rows} instance types on {fleet.nodes} nodes agree with the performance "
            "model and keep capacity, demand, service, hourly cost and power"
        )
    from ieco_opt.verification.deployments import verify

    report = verify(result)
    return report.problems, (
        f"verified: {report.deployments} deployments agree with the performance model, are feasible on "
        f"every GPU, and none of {report.neighbours:,} neighbouring deployments dominates one of them"
    )
