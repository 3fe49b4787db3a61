"""`ieco-opt alternatives`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ieco_opt.cli.options import (
    check_objective,
    check_preference,
    config_option_of_both,
    format_option,
    out_option,
    preference_option,
    quiet_option,
    scenario_argument,
    set_option,
)
from ieco_opt.cli.question import fleet_of, given, in_options, option_names, plan_options
from ieco_opt.defaults import (
    DEFAULT_CONFIG,
    DEFAULT_COUNT,
    DEFAULT_WITHIN,
    FLEET_CONFIG,
    Differ,
    FleetObjective,
    ObjectiveName,
)
from ieco_opt.documents.origin import found
from ieco_opt.errors import InfeasibleFleetError

if TYPE_CHECKING:
    from ieco_opt.scenario import Fleet, Scenario
    from ieco_opt.scenario.source import ScenarioSource

_OBJECTIVES = tuple(dict.fromkeys((*get_args(ObjectiveName), *get_args(FleetObjective))))


def _share(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    """Read a share: ``2%`` or ``0.02``."""
    try:
        share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        share = math.nan
    if not 0.0 <= share < math.inf:
        raise click.BadParameter(f"found {found(text)}, expected a share such as 2% or 0.02")
    return share


@click.command("alternatives")
@scenario_argument
@set_option
@click.option(
    "--within",
    callback=_share,
    default=f"{100 * DEFAULT_WITHIN:g}%",
    show_default=True,
    metavar="SHARE",
    help="By how much the last may be worse than the optimum.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=DEFAULT_COUNT,
    show_default=True,
    metavar="N",
    help="As many at most.",
)
@click.option(
    "--differ",
    multiple=True,
    type=click.Choice(get_args(Differ)),
    help="What each differs in from every other; pool is for fleets. Repeatable.  [default: accelerator and layout; of "
    "fleets pool, with one workload also layout]",
)
@click.option(
    "--objective",
    type=click.Choice(_OBJECTIVES),
    help="What is best. Of a deployment as for solve, of a fleet as for fleet; by default what those take.",
)
@preference_option
@config_option_of_both()
@plan_options
@out_option
@format_option
@quiet_option
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    solver_config: str | None,
    out: Path | None,
    output_format: str | None,
    quiet: bool,
    within: float,
    count: int,
    differ: tuple[Differ, ...],
    objective: str | None,
    preference: float | None,
    **asked: Any,
) -> int:
    """Near-optimal answers to SCENARIO that differ in accelerator, engine, layout or pool, with their proofs.

    SCENARIO is a scenario of either kind, or with --gpus a MODEL, asked about as `ieco-opt plan` does. The first answer
    is the optimum. Each one after it is the best that gives up something which each one before uses, until the next
    would be more than --within worse, or --count are found. What is said of everything else is proven too.
    """
    from ieco_opt import load_solver_config
    from ieco_opt.cli.output import Delivery, show_notes
    from ieco_opt.scenario.load import load_scenario

    delivery = Delivery(out, output_format, quiet)
    delivery.check()
    wanted = given(asked)
    check_preference(objective, preference)
    if wanted and "gpus" not in wanted:
        raise click.UsageError(f"{option_names(wanted)}: expected with --gpus and the name of a model")
    if wanted and overrides:
        raise click.UsageError("--set: found with a question with --gpus, which has no such option")
    loaded = fleet_of(scenario, wanted) if wanted else load_scenario(scenario, overrides)
    how: dict[str, Any] = {"within": within, "count": count, "differ": differ or None, "objective": objective}
    if preference is not None:
        how["preference"] = preference
    config = load_solver_config(solver_config or (FLEET_CONFIG if loaded.kind == "fleet" else DEFAULT_CONFIG))
    if loaded.kind == "fleet":
        check_objective(objective, get_args(FleetObjective), "a fleet")
    else:
        check_objective(objective, get_args(ObjectiveName), "a deployment")
    show_notes(loaded.notes(), quiet=quiet)
    if not wanted:
        return _delivered(delivery, loaded, {**how, "solver_config": config})
    try:
        with in_options():
            return _delivered(delivery, loaded, {**how, "solver_config": config})
    except InfeasibleFleetError as error:
        from ieco_opt.cli.not_possible import not_possible

        return not_possible(loaded, config, error)  # type: ignore[arg-type]


def _delivered(delivery: Any, loaded: Scenario | Fleet, how: Mapping[str, Any]) -> int:
    import ieco_opt
    from ieco_opt.cli.output import shown_progress

    with shown_progress(quiet=delivery.quiet) as shown:
        result = ieco_opt.alternatives(loaded, **how, doing=shown.doing)
    return int(delivery.deliver(result))
