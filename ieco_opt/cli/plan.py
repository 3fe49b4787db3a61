"""`ieco-opt plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import FolderName, max_setups_option, output_options, upright_option
from ieco_opt.cli.question import given, in_options, plan_options, read
from ieco_opt.defaults import FLEET_CONFIG
from ieco_opt.errors import InfeasibleFleetError, ScenarioError, SearchStoppedError, printable

if TYPE_CHECKING:
    from ieco_opt.defaults import UprightAxis
    from ieco_opt.reports.text.terminal_plot import Style
    from ieco_opt.results.launching import Launched
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.results.variations import Variations
    from ieco_opt.scenario import Fleet
    from ieco_opt.scenario.solver_config import SolverConfig


@click.command("plan")
@click.argument("model")
@plan_options
@click.option("--brief", is_flag=True, help="The plan alone: no curve, no changes, no other layouts and GPUs.")
@click.option(
    "--save",
    type=FolderName(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write everything under fixed names.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the scenario that asks the same (.yaml).",
)
@click.option(
    "--solver-config",
    default=FLEET_CONFIG,
    show_default=True,
    metavar="NAME|FILE",
    help="Solver configuration: fleet, exact, fast, cbc, or a YAML file.",
)
@max_setups_option
@upright_option("what is sought: requests/s, $/h or GPUs")
@output_options
def command(
    model: str,
    solver_config: str,
    max_setups: int | None,
    y: UprightAxis | None,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
    save: Path | None,
    write: Path | None,
    brief: bool,
    **asked: Any,
) -> int:
    """Plan how to serve MODEL on some GPUs, without a file.

    MODEL is a name of the catalog or of a repository, a folder with a config.json, or a file. Without --rate the plan
    serves as many requests as these GPUs can, with it that many for the least cost. Both are proven.
    """
    from ieco_opt import load_solver_config
    from ieco_opt.cli.not_possible import not_possible
    from ieco_opt.cli.output import Delivery, show_notes
    from ieco_opt.documents.destinations import check_new_folder
    from ieco_opt.reports import figures
    from ieco_opt.scenario.one_line import fleet_mapping

    if y is not None and ((plot is None and save is None) or brief):
        raise click.UsageError("--y goes with --plot or --save, and not with --brief")
    delivery = Delivery(out, output_format, quiet, plot, beside=("nodes",))
    delivery.check()
    if save is not None:
        check_new_folder(save)
    mapping = read(fleet_mapping, model, given(asked))
    if write is not None:
        _write(mapping, write)
    config = load_solver_config(solver_config)
    with in_options():
        fleet = _fleet(mapping, max_setups)
    show_notes(fleet.notes(), quiet=quiet)
    try:
        with in_options():
            result = _planned(fleet, config, quiet=quiet)
    except InfeasibleFleetError as error:
        return not_possible(fleet, config, error)
    looks = (delivery.shows_tables or save is not None or plot is not None) and not brief and result.stopped is None
    variations = _variations(result, quiet=quiet) if looks else None
    servers = _servers(result, save)
    status = delivery.deliver(
        result,
        lambda width: _screen(result, variations, servers, save, width),
        draw=lambda path: figures.save_plan(result, variations, path, y),
    )
    return status if save is None else max(status, _save(result, mapping, variations, servers, save, y))


def _write(mapping: dict[str, object], path: Path) -> None:
    from ieco_opt.documents.destinations import replace_file
    from ieco_opt.documents.yaml_document import yaml_text

    replace_file(path, yaml_text(mapping).encode())


def _fleet(mapping: dict[str, object], max_setups: int | None) -> Fleet:
    from ieco_opt.scenario import load_fleet_mapping

    return load_fleet_mapping(mapping, max_setups=max_setups)


def _planned(fleet: Fleet, config: SolverConfig, *, quiet: bool) -> FleetResult:
    from ieco_opt.cli.fleet_progress import plan_shown
    from ieco_opt.solvers.run import running

    with running(config) as run:
        return plan_shown(fleet, config, run, quiet=quiet)


def _variations(result: FleetResult, *, quiet: bool) -> Variations | None:
    """What stands beside the plan; the plan is not lost where an interrupt comes before any of it."""
    from ieco_opt.cli.fleet_progress import shown_line
    from ieco_opt.fleet.one_workload import variations

    with shown_line(quiet=quiet) as line:
        if line is not None:
            line.doing("the plan is proven; looking at what one change buys")
        try:
            return variations(result)
        except SearchStoppedError:
            return None


def _servers(result: FleetResult, save: Path | None) -> Launched:
    from ieco_opt.reports.plan_folder import first_servers

    return first_servers(result, save or Path())


def _screen(
    result: FleetResult, variations: Variations | None, servers: Launched, save: Path | None, width: int
) -> str:
    """The answer, and which commands go on from there."""
    from ieco_opt.cli.output import takes_dots
    from ieco_opt.reports.text.screen import next_steps, render_screen
    from ieco_opt.reports.text.wording import command_on

    style = _style()
    how: dict[str, Any] = {"saved": save is not None, "style": style, "joined_points": takes_dots()}
    screen = render_screen(result, variations, servers, width=width, **how)
    steps: tuple[str, ...]
    if save is None:
        steps = ("add --save DIR for a folder with run.sh, k8s.yaml and plan.json", "ieco-opt terms")
    else:
        steps = tuple(command_on(str(save), name) for name in ("explain", "verify", "launch"))
    return "\n".join([screen, *next_steps(steps, width, style)])


def _style() -> Style:
    """Colour where people look at a terminal and have not asked for none."""
    from ieco_opt.cli.output import takes_colour
    from ieco_opt.reports.text.terminal_plot import plain_style

    if not takes_colour():
        return plain_style
    return lambda text, style: click.style(text, **({"bold": True} if style == "bold" else {"fg": style}))


def _save(
    result: FleetResult,
    mapping: dict[str, object],
    variations: Variations | None,
    servers: Launched,
    folder: Path,
    y: UprightAxis | None,
) -> ExitStatus:
    """Write the folder, and say what is in it and what is not."""
    from ieco_opt.reports.plan_folder import in_words, save_folder
    from ieco_opt.reports.text.screen import render_screen

    answer = render_screen(result, variations, servers, saved=True)
    try:
        names, notes = save_folder(result, mapping, variations, answer, folder, y)
    except ScenarioError as error:
        click.echo(f"error: {error}", err=True)
        return ExitStatus.INTERNAL_ERROR
    click.echo(printable(f"saved in {folder}: {in_words(names)}"), err=True)
    for each in notes:
        click.echo(printable(f"note: {each}"), err=True)
    return ExitStatus.DONE
