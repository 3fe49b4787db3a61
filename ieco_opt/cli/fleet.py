"""`ieco-opt fleet`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ieco_opt.cli.options import output_options, scenarios_argument, set_option, upright_option
from ieco_opt.defaults import DEFAULT_DELTA, FLEET_CONFIG, Against, FleetObjective

if TYPE_CHECKING:
    from collections.abc import Callable

    from ieco_opt.cli.output import Delivery
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.scenario import Fleet
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.scenario.source import ScenarioSource
    from ieco_opt.solvers.run import Run


@click.command("fleet")
@scenarios_argument
@set_option
@click.option(
    "--objective", type=click.Choice(get_args(FleetObjective)), help="What is minimised.  [default: the scenario's]"
)
@click.option(
    "--frontier",
    "against",
    type=click.Choice(get_args(Against)),
    help="Also the frontier of cost against a common factor on all speeds, power or GPUs.",
)
@click.option(
    "--delta", type=float, help=f"Coverage of the frontier, an approximate Pareto set.  [default: {DEFAULT_DELTA}]"
)
@click.option("--complete", is_flag=True, help="Instead, the complete nondominated set.")
@click.option("--relaxations", is_flag=True, help="Also what any better plan would have to violate at the least.")
@click.option("--nodes", "show_nodes", is_flag=True, help="Also which instance sits on which node.")
@click.option(
    "--solver-config",
    default=FLEET_CONFIG,
    show_default=True,
    metavar="NAME|FILE",
    help="Solver configuration: fleet, exact, fast, cbc, or a YAML file.",
)
@upright_option()
@output_options
def command(
    scenarios: tuple[ScenarioSource, ...],
    overrides: tuple[str, ...],
    objective: FleetObjective | None,
    against: Against | None,
    delta: float | None,
    complete: bool,
    relaxations: bool,
    show_nodes: bool,
    solver_config: str,
    y: str | None,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
) -> int:
    """Choose which instances of which workload to run on which pool, for each SCENARIO of kind fleet.

    Prints the plan with its proof; with --frontier, or where the scenario asks for one, also the frontier, which is
    then what --out, --format and --plot are about. A frontier is a (1 + delta)-approximate Pareto set: for every
    feasible plan one of the result is at most --delta more expensive and at most --delta slower (or higher in power or
    GPUs), both relative.
    """
    from ieco_opt import load_solver_config
    from ieco_opt.cli.exit_status import ExitStatus
    from ieco_opt.cli.output import Delivery, show_notes
    from ieco_opt.fleet.run import check_delta
    from ieco_opt.scenario.load import load_fleet
    from ieco_opt.solvers.run import running

    if len(scenarios) > 1 and (out is not None or plot is not None):
        raise click.UsageError("--out and --plot go with one scenario")
    if delta is not None and complete:
        raise click.UsageError("--delta does not go with --complete")
    if delta is not None:
        check_delta(delta)
    given = Delivery(out, output_format, quiet, plot, beside=("nodes",), nodes=show_nodes)
    given.check()
    search = partial(_plan, objective=objective, relaxations=relaxations)
    fleets = [load_fleet(scenario, overrides) for scenario in scenarios]
    config = load_solver_config(solver_config)
    status = ExitStatus.DONE
    for number, fleet in enumerate(fleets):
        frontier = against or ("speed" if fleet.objective == "frontier" else None)
        _check(fleet, frontier, y, plot, covers=delta is not None or complete)
        show_notes(fleet.notes(), quiet=quiet)
        if number and output_format in (None, "table"):
            click.echo()
        # Of a plan and the frontier after it, one limit of time bounds both.
        with running(config) as run:
            how = _Search(config, run, quiet)
            if frontier is None:
                found = given.deliver(search(fleet, how))
            else:
                plan = _plan_before(given, search, fleet, how)
                curve = _frontier(fleet, frontier, delta, plan, how, complete=complete)
                found = given.deliver(curve, draw=partial(_draw, curve, y))
        status = max(status, found)
    return status


def _check(fleet: Fleet, frontier: Against | None, y: str | None, plot: Path | None, *, covers: bool) -> None:
    """Refuse what is asked of a frontier where there is none, and an axis that its picture will not have."""
    if frontier is None and covers:
        raise click.UsageError("--delta and --complete go with --frontier")
    if y is not None and (frontier is None or plot is None):
        raise click.UsageError("--y goes with --frontier and --plot")
    if y == "tokens_per_gpu" and len(fleet.workloads) > 1:
        raise click.UsageError(f"--y tokens_per_gpu: found {len(fleet.workloads)} workloads, expected one")


def _draw(result: FleetResult, y: str | None, path: Path) -> object:
    from ieco_opt.reports import figures

    return figures.save(result, path, y or "cost")


def _plan_before(
    given: Delivery, search: Callable[[Fleet, _Search], FleetResult], fleet: Fleet, how: _Search
) -> FleetResult | None:
    """Print the plan before a frontier, where people look."""
    if not given.shows_tables:
        return None
    plan = search(fleet, how)
    given.to_screen().deliver(plan)
    click.echo()
    return plan


@dataclass(frozen=True)
class _Search:
    """How one scenario is searched, and whether people watch."""

    config: SolverConfig
    run: Run
    quiet: bool


def _plan(fleet: Fleet, how: _Search, *, objective: FleetObjective | None, relaxations: bool) -> FleetResult:
    from ieco_opt.cli.fleet_progress import plan_shown

    return plan_shown(fleet, how.config, how.run, objective=objective, relaxations=relaxations, quiet=how.quiet)


def _frontier(
    fleet: Fleet,
    against: Against,
    delta: float | None,
    plan: FleetResult | None,
    how: _Search,
    *,
    complete: bool,
) -> FleetResult:
    from ieco_opt import api
    from ieco_opt.cli.fleet_progress import shown_line

    with shown_line(quiet=how.quiet) as line:
        how.run.doing = None if line is None else line.doing
        if line is not None:
            line.covering(None if complete else DEFAULT_DELTA if delta is None else delta)
        return api.fleet_frontier(
            fleet,
            against=against,
            delta=DEFAULT_DELTA if delta is None else delta,
            complete=complete,
            solver_config=how.config,
            progress=None if line is None else line.points,
            known=plan,
            within=how.run,
        )
