"""`ieco-opt catalog`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import click

from ieco_opt.errors import printable

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.catalog import CatalogRow

_Kind: TypeAlias = Literal["models", "accelerators", "engines", "profiles", "acceptance"]

_COLLECTION = click.option(
    "--collection",
    type=click.Choice(["real", "paper"]),
    default="real",
    show_default=True,
    help="Published figures, or the constants of arXiv 2506.04645.",
)


@click.group("catalog")
def command() -> None:
    """Models, accelerators and engines known by name."""


@command.command("list", short_help="All models and accelerators, or all of one kind.")
@click.argument("kind", type=click.Choice(get_args(_Kind)), required=False)
@_COLLECTION
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="What to print.",
)
def list_command(kind: _Kind | None, collection: str, output_format: str) -> None:
    """List all models and accelerators, or all of one KIND; acceptance: measured sets of accepted drafts."""
    kinds: tuple[_Kind, ...] = ("models", "accelerators") if kind is None else (kind,)
    tables = {each: _table(each, collection) for each in kinds}
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
            click.echo(("\n" if index else "") + _rendered(table, each))


def _table(kind: _Kind, collection: str) -> pd.DataFrame:
    if kind == "engines":
        from ieco_opt.engines.describe import to_dataframe

        return to_dataframe()
    if kind == "profiles":
        from ieco_opt.catalog import profiles

        return profiles.to_dataframe()
    if kind == "acceptance":
        from ieco_opt.catalog import acceptance

        return acceptance.to_dataframe()
    from ieco_opt import catalog

    return catalog.to_dataframe(kind, catalog.Collection(collection))


def _rendered(table: pd.DataFrame, kind: _Kind) -> str:
    from ieco_opt.cli.output import width_of_output

    # What goes elsewhere than to a terminal is whole: nobody looks whether it fits.
    width = width_of_output() if sys.stdout.isatty() else None
    if kind == "engines":
        from ieco_opt.reports.text.engines import render_engines

        return render_engines(table, width)
    if kind == "profiles":
        from ieco_opt.reports.text.engines import render_calibrations

        return render_calibrations(table, width)
    if kind == "acceptance":
        from ieco_opt.reports.text.engines import render_acceptance

        return render_acceptance(table, width)
    from ieco_opt.reports.text.catalog import render_catalog

    return render_catalog(table, kind, width)


def _names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of the catalog that a word may become; files are not completed, since names are meant more often."""
    from ieco_opt import catalog

    kinds: tuple[Literal["models", "accelerators"], ...] = ("models", "accelerators")
    names = [str(name) for kind in kinds for name in catalog.to_dataframe(kind)["name"]]
    return [name for name in names if name.casefold().startswith(incomplete.casefold())]


@command.command("show", short_help="Every value of one, with its source.")
@click.argument("name", metavar="NAME|FILE", shell_complete=_names)
@_COLLECTION
def show_command(name: str, collection: str) -> None:
    """Show every value of NAME with its source.

    NAME is a model, an accelerator, an engine, a calibration profile or a measured acceptance of the catalog, or a file
    that describes one: a Hugging Face config.json, or a model or an accelerator in YAML or JSON. A file with a field
    `engine` is an engine profile.
    """
    rows = _rows(name, collection)
    width = max(len(row.field) for row in rows)
    values = [f"{row.value} {row.unit}".strip() for row in rows]
    value_width = min(max(len(value) for value in values), 40)
    for row, value in zip(rows, values, strict=True):
        click.echo(printable(f"{row.field:<{width}}  {value:<{value_width}}  {row.source}".rstrip()))


def _rows(name: str, collection: str) -> list[CatalogRow]:
    from pathlib import Path

    from ieco_opt import catalog
    from ieco_opt.catalog import acceptance, profiles
    from ieco_opt.engines.store import NAMES, is_profile_file, profile, says_engine

    chosen = catalog.Collection(collection)
    if name.casefold() in acceptance.acceptance_names():
        return acceptance.describe(name)
    held = next((each for each in profiles.calibrations() if each.name == name.casefold()), None)
    if held is not None:
        return profiles.describe(held)
    if name.casefold() in NAMES or (is_profile_file(name) and says_engine(Path(name))):
        from ieco_opt.engines.describe import describe

        return describe(profile(name))
    return catalog.describe_file(Path(name), chosen) if catalog.is_file_name(name) else catalog.describe(name, chosen)
