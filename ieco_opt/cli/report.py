"""`ieco-opt report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import quiet_option, results_argument
from ieco_opt.defaults import DEFAULT_CONFIG, FLEET_CONFIG
from ieco_opt.errors import Fault, InfeasibleError, ScenarioError, UnwrittenError, printable

if TYPE_CHECKING:
    from ieco_opt.reports.page.not_possible import NotPossible
    from ieco_opt.results.answer import Answer
    from ieco_opt.scenario import Fleet, Scenario
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.scenario.source import ScenarioSource


@click.command("report")
@results_argument
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", required=True, help="Write the page to this .html file."
)
@click.option(
    "--solver-config",
    metavar="NAME|FILE",
    help=f"Solver configuration for scenarios.  [default: {DEFAULT_CONFIG}, of fleets {FLEET_CONFIG}]",
)
@quiet_option
def command(results: tuple[ScenarioSource, ...], out: Path, solver_config: str | None, quiet: bool) -> int:
    """Put results on one page of HTML that needs no network: charts, tables, proofs, commands.

    RESULT is a JSON file that ieco-opt wrote, DIR what `plan --save` wrote. SCENARIO is solved first: of a deployment
    the frontier, of a fleet the plan. Frontiers of several are overlaid.
    """
    from ieco_opt import load_solver_config
    from ieco_opt.cli.output import width_of_output
    from ieco_opt.reports.page import check_page_ending, save
    from ieco_opt.reports.page.not_possible import NotPossible
    from ieco_opt.reports.text import render

    check_page_ending(out)
    config = None if solver_config is None else load_solver_config(solver_config)
    given = _read_all(results)
    answers: list[Answer] = []
    named: list[str | None] = []
    none: list[NotPossible] = []
    status = ExitStatus.DONE
    for each in given:
        found: Answer | NotPossible | None = each.saved
        if found is None:
            found, ended = _solved(each, config, quiet=quiet)
            status = max(status, ended)
        if isinstance(found, NotPossible):
            none.append(found)
        else:
            answers.append(found)
            named.append(None if each.saved is None else each.file)
    try:
        save(answers, out, files=named, not_possible=none)
    except UnwrittenError:
        # What was solved for the page must not be lost with it.
        for answer in answers:
            click.echo(render(answer, width_of_output()))
        raise
    if not quiet:
        click.echo(printable(f"written: {out}"), err=True)
    return ExitStatus.STOPPED if status is ExitStatus.DONE and any(each.stopped for each in answers) else status


@dataclass(frozen=True, slots=True)
class _Given:
    """What was named: a saved result, or a scenario to be solved."""

    file: str
    saved: Answer | None = None
    scenario: Scenario | Fleet | None = None


def _read_all(sources: tuple[ScenarioSource, ...]) -> list[_Given]:
    """Read everything before anything is solved, with the faults of all files together."""
    read: list[_Given] = []
    faults: list[Fault] = []
    for source in sources:
        try:
            read.append(_read(source))
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)
    return read


def _read(source: ScenarioSource) -> _Given:
    """Read a result or a scenario, whichever the file holds."""
    from ieco_opt import api
    from ieco_opt.results.reading import is_result
    from ieco_opt.results.saved_folder import result_in

    path, name = source.path, str(source.file)
    if path is not None:
        file = result_in(path)
        if file != path or is_result(file):
            return _Given(name, saved=api.load_result(file, max_setups=source.max_setups))
    return _Given(name, scenario=api.load_scenario(source))


def _solved(given: _Given, config: SolverConfig | None, *, quiet: bool) -> tuple[Answer | NotPossible, ExitStatus]:
    """The answer to a scenario; where there is none, why not."""
    from ieco_opt import api
    from ieco_opt.cli.not_possible import single_changes
    from ieco_opt.cli.output import show_notes
    from ieco_opt.reports.page.not_possible import NotPossible
    from ieco_opt.scenario import Scenario

    scenario = given.scenario
    assert scenario is not None
    show_notes(scenario.notes(), quiet=quiet)
    try:
        if isinstance(scenario, Scenario):
            return _frontier(scenario, config, quiet=quiet), ExitStatus.DONE
        return _planned(scenario, config, quiet=quiet), ExitStatus.DONE
    except InfeasibleError as error:
        click.echo(printable(f"{given.file}: {error}"), err=True)
        if not isinstance(scenario, Scenario):
            ways = tuple(single_changes(scenario, config or FLEET_CONFIG))
            return NotPossible(scenario, error.reasons, ways), ExitStatus.INFEASIBLE
        return api.explain(scenario, solver_config=config or DEFAULT_CONFIG), ExitStatus.INFEASIBLE


def _frontier(scenario: Scenario, config: SolverConfig | None, *, quiet: bool) -> Answer:
    from ieco_opt import api
    from ieco_opt.cli.output import shown_progress

    with shown_progress(quiet=quiet) as shown:
        return api.frontier(scenario, solver_config=config or DEFAULT_CONFIG, progress=shown.found, doing=shown.doing)


def _planned(fleet: Fleet, config: SolverConfig | None, *, quiet: bool) -> Answer:
    """The plan of a fleet, or its frontier where it asks for one."""
    from ieco_opt import api, load_solver_config
    from ieco_opt.cli.fleet_progress import plan_shown
    from ieco_opt.solvers.run import running

    chosen = config or load_solver_config(FLEET_CONFIG)
    if fleet.objective == "frontier":
        return api.fleet_frontier(fleet, solver_config=chosen)
    with running(chosen) as run:
        return plan_shown(fleet, chosen, run, quiet=quiet)
