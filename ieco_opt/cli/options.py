"""Arguments and options that commands share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ieco_opt.defaults import (
    DEFAULT_CONFIG,
    DEFAULT_MAX_SETUPS,
    DEFAULT_PREFERENCE,
    FLEET_CONFIG,
    ObjectiveName,
    UprightAxis,
)
from ieco_opt.errors import ScenarioError

if TYPE_CHECKING:
    from ieco_opt.scenario.source import ScenarioSource

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_FILES = "ieco_opt.files"
_MAX_SETUPS = "ieco_opt.max_setups"


class FolderName(click.Path):
    """A folder that has a name: an empty one, such as that of a variable that is not set, would be the current one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty name."""
        if value == "":
            self.fail("found an empty name, expected a folder", param, ctx)
        return super().convert(value, param, ctx)


def _kept(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Keep the value of an option for the scenarios that are named beside it."""

    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        context.meta[key] = value

    return keep


def _source(context: click.Context, path: Path) -> ScenarioSource:
    """A scenario that is named on the command line; ``-`` is the standard input."""
    from ieco_opt.scenario.source import STANDARD_INPUT, ScenarioSource

    files, max_setups = context.meta[_FILES], context.meta[_MAX_SETUPS]
    if str(path) != "-":
        return ScenarioSource(path=path, files=files, max_setups=max_setups)
    return ScenarioSource(text=_piped_in, label=STANDARD_INPUT, files=files, max_setups=max_setups)


def _piped_in() -> str:
    from ieco_opt.documents.text_file import MAX_BYTES, decoded
    from ieco_opt.scenario.source import STANDARD_INPUT

    try:
        content = b"" if sys.stdin is None else sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError.single(f"cannot be read ({error.strerror or error})", file=STANDARD_INPUT) from None
    return decoded(content, STANDARD_INPUT)


def _sources(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    if isinstance(value, tuple):
        if value.count(Path("-")) > 1:
            raise click.UsageError("the standard input (-) can be read once only")
        return tuple(_source(context, path) for path in value)
    return _source(context, value)


_MAX_SETUPS_OPTION: dict[str, Any] = {
    "type": click.IntRange(min=1),
    "metavar": "N",
    "help": f"Refuse scenarios that list more configurations.  [default: {DEFAULT_MAX_SETUPS}]",
}

# Eager: they are known before the scenarios that they are about.
_UNTRUSTED = (
    click.option(
        "--no-files",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda context, parameter, value: _kept(_FILES)(context, parameter, not value),
        help="Refuse scenarios that name files.",
    ),
    click.option("--max-setups", is_eager=True, expose_value=False, callback=_kept(_MAX_SETUPS), **_MAX_SETUPS_OPTION),
)


def _about_scenarios(argument: Decorator) -> Decorator:
    """An argument for scenarios, with the options that say what they may ask for."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(_UNTRUSTED):
            command = option(command)
        return argument(command)

    return decorate


scenario_argument = _about_scenarios(click.argument("scenario", type=click.Path(path_type=Path), callback=_sources))
"""SCENARIO, with --no-files and --max-setups."""

scenarios_argument = _about_scenarios(
    click.argument(
        "scenarios",
        metavar="SCENARIO...",
        type=click.Path(path_type=Path),
        nargs=-1,
        required=True,
        callback=_sources,
    )
)
"""Several of them."""

results_argument = _about_scenarios(
    click.argument(
        "results",
        metavar="RESULT|DIR|SCENARIO...",
        type=click.Path(path_type=Path),
        nargs=-1,
        required=True,
        callback=_sources,
    )
)
"""Saved results, folders of plans and scenarios."""

max_setups_option = click.option("--max-setups", **_MAX_SETUPS_OPTION)
"""For what is no scenario but holds one."""

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set a field of the scenario, such as workload.context_tokens=8000 or workloads[0].headroom=0.2. May be "
    "repeated.",
)

preference_option = click.option(
    "--preference", type=float, metavar="K", help=f"Exponent k of preferred.  [default: {DEFAULT_PREFERENCE:g}]"
)


def check_preference(objective: str | None, preference: float | None) -> None:
    """Refuse a preference that nothing asks for.

    Raises
    ------
    click.UsageError
        Another objective than ``preferred``, or none, was given with it.
    """
    if preference is not None and objective != "preferred":
        raise click.UsageError("--preference goes with --objective preferred")


def check_objective(objective: str | None, known: Collection[str], about: str) -> None:
    """Refuse an objective of the other kind of scenario.

    Raises
    ------
    click.UsageError
        The objective is given and none of those.
    """
    if objective is not None and objective not in known:
        raise click.UsageError(f"--objective: found {objective} with {about}, expected {', '.join(known)}")


def _objective_option(default: str | None, shown: str | bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--objective",
        type=click.Choice(get_args(ObjectiveName)),
        default=default,
        show_default=shown,
        help="What is best; preferred maximises speed^k / cost, energy and carbon are the least of a token.",
    )


def objective_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --objective and --preference with its default, and refuse a preference that nothing asks for."""
    return _objective_option("fastest", shown=True)(_with_preference(command))


def usual_objective_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same where the limits say what is best if nobody does."""
    usual = "with limits.min_speed cheapest, with limits.max_cost fastest, else preferred"
    return _objective_option(None, shown=usual)(_with_preference(command))


def _with_preference(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        check_preference(options["objective"], options["preference"])
        if options["preference"] is None:
            options["preference"] = DEFAULT_PREFERENCE
        return command(*arguments, **options)

    return preference_option(checked)


solver_config_option = click.option(
    "--solver-config",
    default=DEFAULT_CONFIG,
    show_default=True,
    metavar="NAME|FILE",
    help="Solver configuration: exact, fast, cbc, or a YAML file.",
)


def config_option_of_both(others: str = "") -> Decorator:
    """Add --solver-config for scenarios of either kind, ``None`` where it was not given; ``others`` have their own."""
    return click.option(
        "--solver-config",
        metavar="NAME|FILE",
        help=f"Solver configuration: fleet, exact, fast, cbc, or a YAML file.  [default: {DEFAULT_CONFIG}; "
        f"of fleets {FLEET_CONFIG}{others}]",
    )


def upright_option(default: str = "cost") -> Decorator:
    """Add --y, as the keyword argument ``y``: ``None`` where it was not given."""
    return click.option(
        "--y",
        type=click.Choice(get_args(UprightAxis)),
        help=f"What the upright axis of --plot shows.  [default: {default}]",
    )


quiet_option = click.option(
    "--quiet",
    is_flag=True,
    help="No progress or notes; with --out and without --format, nothing on standard output either.",
)

out_option = click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to .csv, .json or .parquet."
)

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    help="What to print on standard output.  [default: table]",
)

_OUTPUT = (
    out_option,
    format_option,
    click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw to .png, .svg or .html."),
)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --out, --format, --plot and --quiet."""
    for option in (quiet_option, *reversed(_OUTPUT)):
        command = option(command)
    return command
