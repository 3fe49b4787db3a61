"""`ieco-opt catalog`."""

from __future__ import annotations

from typing import Literal

import click

from ieco_opt.errors import printable

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
    from ieco_opt.results.writing import csv_text, table_rows

    if output_format == "json":
        from ieco_opt.documents.json_document import json_text

        found = {each: table_rows(table) for each, table in tables.items()}
        click.echo(json_text(found if kind is None else found[kind]), nl=False)
        return
    for index, (each, table) in enumerate(tables.items()):
        if output_format == "csv":
            click.echo(csv_text(table), nl=False)
        else:
            from ieco_opt.reports.text.catalog import render_catalog

            click.echo(("\n" if index else "") + render_catalog(table, each))


@command.command("show")
@click.argument("name", metavar="NAME|FILE")
@_COLLECTION
def show_command(name: str, collection: str) -> None:
    """Show every value of NAME, a model or an accelerator, with its source.

    NAME is a name of the catalog or a file that describes a model: a Hugging Face config.json, or a model in YAML or
    JSON.
    """
    from pathlib import Path

    from ieco_opt import catalog

    chosen = catalog.Collection(collection)
    rows = catalog.describe_file(Path(name), chosen) if catalog.is_file_name(name) else catalog.describe(name, chosen)
    width = max(len(row.field) for row in rows)
    values = [f"{row.value} {row.unit}".strip() for row in rows]
    value_width = min(max(len(value) for value in values), 40)
    for row, value in zip(rows, values, strict=True):
        click.echo(printable(f"{row.field:<{width}}  {value:<{value_width}}  {row.source}".rstrip()))
