"""What commands say of a fleet that no plan serves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.errors import InfeasibleError, SearchStoppedError, printable

if TYPE_CHECKING:
    from ieco_opt.scenario import Fleet
    from ieco_opt.scenario.solver_config import SolverConfig


def not_possible(fleet: Fleet, config: SolverConfig, error: InfeasibleError) -> ExitStatus:
    """Say what is not possible, and the single changes that would do, in the words of the options."""
    from ieco_opt.cli.output import takes_colour, width_of_output
    from ieco_opt.reports.text.not_possible import VERDICT, not_possible_lines

    lines = not_possible_lines(fleet, single_changes(fleet, config), error.why, width_of_output())
    text = printable(lines[0])
    if takes_colour(sys.stderr):
        text = text.replace(VERDICT, click.style(VERDICT, fg="red"), 1)
    for line in (text, *map(printable, lines[1:])):
        click.echo(line, err=True)
    return ExitStatus.INFEASIBLE


def single_changes(fleet: Fleet, config: SolverConfig | str) -> list[str]:
    """Changes of one question that would do each by itself, as far as there is time to look; of other fleets none."""
    from ieco_opt.fleet.one_workload import ways_out
    from ieco_opt.reports.text.screen import asks_one_question

    if fleet.objective == "frontier" or not asks_one_question(fleet):
        return []
    try:
        return ways_out(fleet, fleet.objective, config)
    except SearchStoppedError:
        return []
