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
    deployment is searched for one that beats it. Exit status 2 if anything is wrong.
    """
    from ieco_opt.verification import verify

    report = verify(result)
    for problem in report.problems:
        click.echo(f"error: {result}: {problem}", err=True)
    if report.holds and not quiet:
        click.echo(
            f"verified: {report.deployments} deployments agree with the performance model, are feasible on "
            f"every GPU, and none of {report.neighbours:,} neighbouring deployments beats one of them"
        )
    return ExitStatus.DONE if report.holds else ExitStatus.WRONG_INPUT
