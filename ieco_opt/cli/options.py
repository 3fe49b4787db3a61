"""Arguments and options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

scenario_argument = click.argument("scenario", type=click.Path(path_type=Path))

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set a field of the scenario, such as workload.context_tokens=8000. May be repeated.",
)

solver_config_option = click.option(
    "--solver-config",
    default="exact",
    show_default=True,
    metavar="NAME|FILE",
    help="Solver configuration: exact, fast, cbc, or a YAML file.",
)

quiet_option = click.option(
    "--quiet", is_flag=True, help="No progress or notes; with --out, nothing on standard output either."
)

_OUTPUT = (
    click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to .csv, .json or .parquet."),
    click.option(
        "--format",
        "output_format",
        type=click.Choice(["table", "json", "csv"]),
        help="What to print on standard output.  [default: table]",
    ),
    click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw to .png, .svg or .html."),
)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --out, --format, --plot and --quiet."""
    for option in (quiet_option, *reversed(_OUTPUT)):
        command = option(command)
    return command
