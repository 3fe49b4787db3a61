"""`ieco-opt schema`."""

from __future__ import annotations

import json

import click


@click.command("schema")
@click.option(
    "--kind",
    type=click.Choice(["deployment", "fleet"]),
    default="deployment",
    show_default=True,
    help="Kind of scenario.",
)
def command(kind: str) -> None:
    """Print the JSON Schema of scenario files."""
    from ieco_opt.scenario import json_schema

    click.echo(json.dumps(json_schema(kind), indent=2))
