"""`ieco-opt frontier`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import output_options, scenario_argument, set_option, solver_config_option, upright_option
from ieco_opt.cli.question import model_or_scenario
from ieco_opt.defaults import DEFAULT_DELTA

if TYPE_CHECKING:
    from ieco_opt.reports.text.progress import Shown
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.scenario import Scenario
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.scenario.source import ScenarioSource


@click.command("frontier")
@scenario_argument
@model_or_scenario
@set_option
@click.option("--delta", type=float, help=f"Coverage of the approximate Pareto set.  [default: {DEFAULT_DELTA}]")
@click.option("--points", type=int, help="Instead, a sample: the fastest under this many cost caps.")
@click.option("--complete", is_flag=True, help="Instead, the complete nondominated set.")
@click.option("--band", is_flag=True, help="Also the frontier at the pessimistic end of the model.")
@solver_config_option
@upright_option()
@output_options
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    delta: float | None,
    points: int | None,
    complete: bool,
    band: bool,
    solver_config: str,
    y: str | None,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
) -> int:
    """Pareto frontier of speed against cost per token of SCENARIO, with its proof.

    By default a (1 + delta)-approximate Pareto set: for every feasible deployment one of the result is at most --delta
    more expensive and at most --delta slower, both relative.

    With several accelerators --plot draws the frontier of each alone, which is searched for too.
    """
    from ieco_opt import api, load_solver_config
    from ieco_opt.cli.output import Delivery, show_notes, shown_progress
    from ieco_opt.scenario.load import load_deployment

    if delta is not None and (points is not None or complete):
        raise click.UsageError("--delta does not go with --points or --complete")
    if y is not None and plot is None:
        raise click.UsageError("--y goes with --plot")
    delivery = Delivery(out, output_format, quiet, plot, beside=("pessimistic",) if band else ())
    delivery.check()
    loaded = load_deployment(scenario, overrides)
    config = load_solver_config(solver_config)
    show_notes(loaded.notes(), quiet=quiet)
    how: _How = {"delta": DEFAULT_DELTA if delta is None else delta, "points": points, "complete": complete}
    with shown_progress(quiet=quiet) as shown:
        _announce(shown, config, how)
        result = api.frontier(loaded, band=band, solver_config=config, progress=shown.found, doing=shown.doing, **how)
    drawing = _Drawing(result, loaded, config, how, y or "cost", quiet)
    status = max(delivery.deliver(result, draw=drawing.save), drawing.status)
    end = result.pessimistic_end()
    return ExitStatus.STOPPED if status is ExitStatus.DONE and end is not None and end.stopped else status


class _How(TypedDict):
    delta: float
    points: int | None
    complete: bool


def _announce(shown: Shown, config: SolverConfig, how: _How) -> None:
    """Say what is searched for, so that progress can be told against it."""
    delta = how["delta"] if how["points"] is None and not how["complete"] else None
    shown.asking(points=how["points"], delta=delta, proven=how["complete"] or not config.largest_gap)


@dataclass
class _Drawing:
    """The picture of a frontier: of several accelerators a line for each, which is searched for then.

    Attributes
    ----------
    status
        Whether the search for a line was stopped.
    """

    result: Frontier
    scenario: Scenario
    config: SolverConfig
    how: _How
    y: str
    quiet: bool
    status: ExitStatus = ExitStatus.DONE

    def save(self, path: Path) -> None:
        """Draw to a file."""
        from ieco_opt.cli.output import shown_progress
        from ieco_opt.pareto.each_accelerator import of_each_accelerator
        from ieco_opt.reports import figures

        # A band has two lines of its own; of a search that was stopped people want what there is.
        if len(self.scenario.accelerators) < 2 or self.result.pessimistic is not None or self.result.stopped:
            figures.save(self.result, path, self.y)
            return
        with shown_progress(quiet=self.quiet) as shown:
            _announce(shown, self.config, self.how)
            each = of_each_accelerator(
                self.scenario, solver_config=self.config, progress=shown.found, doing=shown.doing, **self.how
            )
        if each.stopped is not None:
            self.status = ExitStatus.STOPPED
        lines = each.frontiers or [self.result]
        figures.save_overlay(lines, path, self.y, notes=each.missing, tables=[self.result, *each.frontiers])
