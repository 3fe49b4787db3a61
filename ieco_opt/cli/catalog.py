"""`ieco-opt catalog`."""

from __future__ import annotations

from typing import Literal

import click

_COLLECTION = click.option(
    "--collection",
    type=click.Choice(["real", "paper"]),
    default="real",
    show_default=True,
    help="Published figures, or the constants of arXiv 2506.04645.",
)


@click.group("catalog")
def command() -> None:
    """Models and accelerators known by name."""


@command.command("list")
@click.argument("kind", type=click.Choice(["models", "accelerators"]), required=False)
@_COLLECTION
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="What to print.",
)
def list_command(kind: Literal["models", "accelerators"] | None, collection: str, output_format: str) -> None:
    """List all models, all accelerators, or both."""
    from ieco_opt import catalog

    kinds: tuple[Literal["models", "accelerators"], ...] = ("models", "accelerators") if kind is None else (kind,)
    tables = {each: catalog.to_dataframe(each, catalog.Collection(collection)) for each in kinds}
    if output_format == "json":
        from ieco_opt.documents.json_document import json_text
        from ieco_opt.results.writing import table_rows

        found = {each: table_rows(table) for each, table in tables.items()}
        click.echo(json_text(found if kind is None else found[kind]), nl=False)
        return
    for index, (each, table) in enumerate(tables.items()):
        if output_format == "csv":
            click.echo(table.to_csv(index=False), nl=False)
        else:
            from ieco_opt.reports.text.catalog import render_catalog

            click.echo(("\n" if index else "") + render_catalog(table, each))


@command.command("show")
@click.argument("name")
@_COLLECTION
def show_command(name: str, collection: str) -> None:
    """Show every value of NAME, a model or an accelerator, with its source."""
    from ieco_opt import catalog

    rows = catalog.describe(name, catalog.Collection(collection))
    width = max(len(row.field) for row in rows)
    values = [f"{row.value} {row.unit}".strip() for row in rows]
    value_width = min(max(len(value) for value in values), 40)
    for row, value in zip(rows, values, strict=True):
        click.echo(f"{row.field:<{width}}  {value:<{value_width}}  {row.source}".rstrip())
