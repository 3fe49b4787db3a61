"""`ieco-opt schema`."""

from __future__ import annotations

import json

import click


@click.command("schema")
@click.option(
    "--kind",
    type=click.Choice(["deployment", "fleet", "result"]),
    default="deployment",
    show_default=True,
    help="A kind of scenario, or the JSON results of all commands.",
)
def command(kind: str) -> None:
    """Print the JSON Schema of scenario files or of result files."""
    if kind == "result":
        from ieco_opt.results.json_schema import result_schema

        schema = result_schema()
    else:
        from ieco_opt.scenario import json_schema

        schema = json_schema(kind)
    click.echo(json.dumps(schema, indent=2))
