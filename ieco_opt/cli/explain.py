"""`ieco-opt explain`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import (
    check_objective,
    check_preference,
    config_option_of_both,
    preference_option,
    quiet_option,
    scenario_argument,
    set_option,
)
from ieco_opt.cli.question import fleet_of, given, in_options, option_names, plan_options
from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_PREFERENCE, FLEET_CONFIG, FleetObjective, ObjectiveName
from ieco_opt.errors import InfeasibleFleetError, ScenarioError

if TYPE_CHECKING:
    from ieco_opt.cli.output import Delivery
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.fleet_explanation import FleetExplanation
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.scenario import Fleet, Scenario
    from ieco_opt.scenario.source import ScenarioSource

_OBJECTIVES = tuple(dict.fromkeys((*get_args(ObjectiveName), *get_args(FleetObjective))))


@click.command("explain")
@scenario_argument
@set_option
@click.option(
    "--objective",
    type=click.Choice(_OBJECTIVES),
    help="What is best. Of a deployment: fastest (the default), cheapest, preferred, energy or carbon; of a fleet: "
    "cost, power, gpus, energy, carbon or throughput, by default the scenario's.",
)
@preference_option
@config_option_of_both(", of saved plans their own")
@click.option(
    "--configuration",
    metavar="TEXT",
    help="Say instead why not this one, such as TP8,DP2,PP1,B64, which may also have EP16, R0 (redundant experts) and "
    "K4 (verify width).",
)
@click.option("--brief", is_flag=True, help="Of a fleet or plan: what binds, in one line.")
@plan_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to .json.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    help="What to print on standard output.  [default: table]",
)
@quiet_option
def command(
    scenario: ScenarioSource,
    overrides: tuple[str, ...],
    objective: str | None,
    preference: float | None,
    solver_config: str | None,
    configuration: str | None,
    brief: bool,
    out: Path | None,
    output_format: str | None,
    quiet: bool,
    **asked: Any,
) -> int:
    """Say what decides the best deployment or plan of SCENARIO, or why none is feasible.

    SCENARIO is a scenario of either kind, a saved plan (.json), the folder of one, saved alternatives (.json), or with
    --gpus a MODEL, asked about as `ieco-opt plan` does. Of a deployment: where its time goes, what each limit costs,
    and which configurations come next; if none is feasible, an irreducible infeasible subset of the limits. With
    --configuration: what forbids it, or by how much it loses. Of a plan: what binds, every limit left out and every
    choice excluded, each solved again, and where the time of a token goes. Of alternatives: the same of the best, and
    what each other one takes more, by the terms of the time. Exit status 3 where a fleet cannot be served.
    """
    from ieco_opt.cli.output import Delivery

    delivery = Delivery(out, output_format, quiet)
    delivery.check("json")
    options = {
        "--set": overrides,
        "--objective": objective,
        "--preference": preference,
        "--configuration": configuration,
        "--brief": brief,
    }
    how = _How(delivery, solver_config, objective, brief=brief)
    wanted = given(asked)
    if brief and (out is not None or output_format is not None):
        raise click.UsageError("--brief prints one line, and goes with neither --out nor --format")
    if "gpus" in wanted:
        _refuse(options, ("--set", "--objective", "--preference", "--configuration"), "a question with --gpus")
        return how.of_question(scenario, wanted)
    if wanted:
        raise click.UsageError(f"{option_names(wanted)}: expected with --gpus and the name of a model")
    saved, file = _saved(scenario)
    if saved is not None:
        return _of_saved(saved, file, how, options)
    loaded = _loaded(scenario, overrides)
    if loaded.kind == "fleet":
        _refuse(options, ("--preference", "--configuration"), "a fleet")
        return how.of_fleet(loaded)
    _refuse(options, ("--brief",), "a deployment")
    check_preference(objective, preference)
    return how.of_deployment(loaded, DEFAULT_PREFERENCE if preference is None else preference, configuration)


def _refuse(options: Mapping[str, object], names: tuple[str, ...], about: str) -> None:
    """Refuse options that make no sense for what is explained."""
    wrong = [name for name in names if options[name] not in (None, (), False)]
    if wrong:
        raise click.UsageError(f"{', '.join(wrong)}: found with {about}, which has no such option")


def _of_saved(saved: FleetResult | Alternatives, file: str, how: _How, options: Mapping[str, object]) -> int:
    from ieco_opt.results.alternatives import Alternatives

    about_scenario = ("--set", "--objective", "--preference", "--configuration")
    if not isinstance(saved, Alternatives):
        _refuse(options, about_scenario, "a saved plan")
        return how.of_plan(saved, file)
    _refuse(options, about_scenario, "saved alternatives")
    if not saved.of_fleet:
        _refuse(options, ("--brief",), "alternatives of a deployment")
    return how.of_alternatives(saved, file)


def _saved(source: ScenarioSource) -> tuple[FleetResult | Alternatives | None, str]:
    """The saved plan or alternatives that a path means, with the file; ``None`` where it is a scenario."""
    from ieco_opt import load_result
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.results.reading import is_result
    from ieco_opt.results.saved_folder import result_in

    if source.path is None:
        return None, ""
    file = result_in(source.path)
    if file == source.path and not is_result(file):
        return None, ""
    result = load_result(file, max_setups=source.max_setups)
    if not isinstance(result, FleetResult | Alternatives):
        wanted = "the one plan of a fleet, or alternatives"
        message = f"found the result of the question '{result.question.kind}', expected {wanted}"
        raise ScenarioError.single(message, file=str(file), field="question.kind")
    return result, str(file)


def _loaded(source: ScenarioSource, overrides: tuple[str, ...]) -> Scenario | Fleet:
    from ieco_opt.scenario.load import load_scenario

    return load_scenario(source, overrides)


class _How:
    """How explanations are found and delivered."""

    def __init__(self, delivery: Delivery, solver_config: str | None, objective: str | None, *, brief: bool) -> None:
        self._delivery = delivery
        self._config = solver_config
        self._objective = objective
        self._brief = brief

    def of_deployment(self, scenario: Scenario, preference: float, configuration: str | None) -> int:
        """What decides a deployment, or why not a configuration."""
        from ieco_opt import api, load_solver_config
        from ieco_opt.cli.output import show_notes, shown_progress
        from ieco_opt.reports.text import render_configuration

        show_notes(scenario.notes(), quiet=self._delivery.quiet)
        asked: dict[str, Any] = {
            "objective": self._among(get_args(ObjectiveName), "a deployment") or "fastest",
            "preference": preference,
            "solver_config": load_solver_config(self._config or DEFAULT_CONFIG),
        }
        with shown_progress(quiet=self._delivery.quiet) as shown:
            if configuration is None:
                explanation = api.explain(scenario, **asked, doing=shown.doing)
            else:
                found = api.explain_configuration(scenario, configuration, **asked, doing=shown.doing)
        if configuration is None:
            return self._delivery.deliver(explanation)
        return self._delivery.deliver_record(found.to_json, lambda width: render_configuration(found, width))

    def of_fleet(self, fleet: Fleet) -> int:
        """What decides the plan of a fleet."""
        from ieco_opt import load_solver_config
        from ieco_opt.cli.output import show_notes
        from ieco_opt.explanation.fleet_explainer import explain_fleet

        objective: Any = self._among(get_args(FleetObjective), "a fleet")
        config = load_solver_config(self._config or FLEET_CONFIG)
        show_notes(fleet.notes(), quiet=self._delivery.quiet)
        return self._delivered(
            lambda doing: explain_fleet(
                fleet, objective=objective, solver_config=config, doing=doing, binding_only=self._brief
            )
        )

    def of_plan(self, result: FleetResult, file: str) -> int:
        """What decides a plan that was saved."""
        from ieco_opt import load_solver_config
        from ieco_opt.explanation.fleet_explainer import explain_plan
        from ieco_opt.verification.verify import refuse_what_does_not_hold

        refuse_what_does_not_hold(result, file)
        config = None if self._config is None else load_solver_config(self._config)
        return self._delivered(
            lambda doing: explain_plan(result, solver_config=config, doing=doing, binding_only=self._brief)
        )

    def of_alternatives(self, result: Alternatives, file: str) -> int:
        """What decides the best of alternatives that were saved, and what the others take more."""
        from ieco_opt import load_solver_config
        from ieco_opt.cli.output import show_notes, shown_progress
        from ieco_opt.explanation.alternatives import explain_alternatives
        from ieco_opt.reports.text import render_explained_alternatives
        from ieco_opt.reports.text.explanation_fleet import one_line
        from ieco_opt.results.fleet_explanation import FleetExplanation
        from ieco_opt.verification.verify import refuse_what_does_not_hold

        refuse_what_does_not_hold(result, file)
        config = None if self._config is None else load_solver_config(self._config)
        with shown_progress(quiet=self._delivery.quiet) as shown:
            explained = explain_alternatives(result, solver_config=config, doing=shown.doing, binding_only=self._brief)
        best = explained.best
        show_notes([note for note in best.notes if note not in result.notes], quiet=self._delivery.quiet)

        def text(width: int) -> str:
            if self._brief and isinstance(best, FleetExplanation):
                return one_line(best)
            return render_explained_alternatives(explained, width)

        status = self._delivery.deliver_record(explained.to_json, text)
        return status if best.stopped is None or status else ExitStatus.STOPPED

    def of_question(self, model: ScenarioSource, asked: Mapping[str, Any]) -> int:
        """What decides the plan of a question about one model; where there is none, what could be asked instead."""
        from ieco_opt import load_solver_config
        from ieco_opt.cli.not_possible import not_possible

        fleet = fleet_of(model, asked)
        try:
            with in_options():
                return self.of_fleet(fleet)
        except InfeasibleFleetError as error:
            return not_possible(fleet, load_solver_config(self._config or FLEET_CONFIG), error)

    def _among(self, objectives: tuple[str, ...], about: str) -> str | None:
        check_objective(self._objective, objectives, about)
        return self._objective

    def _delivered(self, explain: Any) -> int:
        from ieco_opt.cli.output import shown_progress
        from ieco_opt.reports.text.explanation_fleet import one_line

        with shown_progress(quiet=self._delivery.quiet) as shown:
            explanation: FleetExplanation = explain(shown.doing)
        return self._delivery.deliver(explanation, (lambda _: one_line(explanation)) if self._brief else None)
