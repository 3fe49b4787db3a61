"""`ieco-opt diff`."""

from __future__ import annotations

from pathlib import Path

import click

from ieco_opt.cli.options import format_option, max_setups_option


@click.command("diff")
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@max_setups_option
@format_option
def command(before: Path, after: Path, max_setups: int | None, output_format: str | None) -> None:
    """What changed from result A to result B, and why.

    Both are of one kind (frontiers, deployments, plans, explanations, comparisons or alternatives), each a JSON file
    that ieco-opt wrote or a folder of `plan --save`. First stand the fields of the scenario, prices, versions and
    whatever else differs of what answers depend on, then what changed in the answer.
    """
    from ieco_opt import diff
    from ieco_opt.cli.output import width_of_output
    from ieco_opt.errors import printable
    from ieco_opt.reports.text.difference import render
    from ieco_opt.results.writing import csv_text

    found = diff(before, after, max_setups=max_setups)
    if output_format == "json":
        click.echo(found.to_json(), nl=False)
    elif output_format == "csv":
        click.echo(csv_text(found.to_dataframe()), nl=False)
    else:
        text = render(found, width_of_output(), names=(str(before), str(after)))
        click.echo("\n".join(map(printable, text.split("\n"))))
