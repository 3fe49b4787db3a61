"""Checking a saved result of any kind without a solver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ieco_opt.errors import ScenarioError
from ieco_opt.pareto.run import measure_of
from ieco_opt.performance.energy import Measure
from ieco_opt.results.agreement import differences
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.answer import Answer, status_of
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, GuaranteeKind
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.reading import load_result
from ieco_opt.scenario import Fleet, ResolvedFleet, ResolvedScenario, Scenario, resolve, resolve_fleet
from ieco_opt.scenario.margin import band_error, errors_of
from ieco_opt.verification import alternatives, comparisons, explanations, fleet_explanations, frontiers, plans
from ieco_opt.verification.consistency import against_each_other, of_each_deployment, of_the_answer, of_the_neighbours
from ieco_opt.verification.deployments import DeploymentModel
from ieco_opt.verification.everything import Everything
from ieco_opt.verification.explanations import ExplanationModel
from ieco_opt.verification.fleet_explanations import FleetExplanationModel
from ieco_opt.verification.frontiers import of_the_guarantee, of_the_proof
from ieco_opt.verification.plan_figures import PlanModel
from ieco_opt.verification.report import Verification
from ieco_opt.verification.versions import (
    fleet_without_engines,
    is_of_this_model,
    of_the_engines,
    of_the_model,
    without_engines,
)


def verify(result: Answer | str | Path) -> Verification:
    """Check a result, or the JSON file of one, against its own scenario, with the facts that it keeps.

    Where the result says another number of the performance model than this version has, that is a problem, and only
    what does not depend on the model is checked.

    Raises
    ------
    ScenarioError
        The file is no result, or its scenario is wrong.
    """
    if not isinstance(result, Answer):
        return verify(load_result(result))
    return check(result, Scene.of(result))


def refuse_what_does_not_hold(result: Answer, file: str | None = None) -> None:
    """Refuse a result of this model whose figures are not those of its scenario, before anything is built on it.

    Raises
    ------
    ScenarioError
        With the first of what is wrong.
    """
    problems = verify(result).problems if is_of_this_model(result) else []
    if problems:
        # Those of alternatives name their place themselves.
        field = "" if isinstance(result, Alternatives) else "plans"
        raise ScenarioError.single(f"{problems[0]}; `ieco-opt verify` says all that is wrong", field=field, file=file)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the scenario of a result is, and could be: looked up and priced once, however often it is asked."""

    resolved: ResolvedScenario | ResolvedFleet
    model: DeploymentModel | PlanModel | None = None
    everything: Everything | None = None
    explained: ExplanationModel | None = None
    pessimistic: Scene | None = None
    explained_plan: FleetExplanationModel | None = None

    @classmethod
    def of(cls, result: Answer) -> Scene:
        """Resolve the scenario of a result with the facts that it keeps, and price it where the model is the same."""
        same_model = is_of_this_model(result)
        if isinstance(result, FleetResult | FleetExplanation):
            if not same_model:
                return cls(resolve_fleet(fleet_without_engines(result.scenario)))
            fleet = resolve_fleet(result.scenario)
            around = FleetExplanationModel(fleet) if isinstance(result, FleetExplanation) else None
            return cls(fleet, PlanModel(fleet), explained_plan=around)
        if isinstance(result, Alternatives) and isinstance(result.scenario, Fleet):
            fleet = resolve_fleet(result.scenario if same_model else fleet_without_engines(result.scenario))
            return cls(fleet, PlanModel(fleet) if same_model else None)
        assert isinstance(result.scenario, Scenario)
        if not same_model:
            return cls(resolve(without_engines(result.scenario)))
        resolved = resolve(result.scenario)
        everything, end = Everything.of(resolved), None
        if isinstance(result, Frontier) and result.pessimistic is not None:
            model = DeploymentModel(resolved, pessimistic=True)
            end = cls(resolved, model, Everything.of(resolved, pessimistic=True))
        return cls(resolved, DeploymentModel(resolved), everything, ExplanationModel(everything), end)


def check(result: Answer, scene: Scene) -> Verification:
    """Check a result against its scenario, which is priced already."""
    report = Verification()
    report.problems += of_the_model(result)
    if is_of_this_model(result):
        report.problems += of_the_engines(result, scene.resolved)
    # A file may hold any number: what overflows is infinite, and then found to be wrong.
    with np.errstate(all="ignore"):
        if isinstance(result, FleetResult):
            _check_plans(result, scene, report)
        elif isinstance(result, FleetExplanation):
            _check_explained_plan(result, scene, report)
        elif isinstance(result, Frontier | Explanation | Comparison):
            _check_deployments(result, scene, report)
            if isinstance(result, Frontier) and result.pessimistic is not None:
                _check_pessimistic(result, scene, report)
        elif isinstance(result, Alternatives):
            _check_alternatives(result, scene, report)
    return report


def _check_plans(result: FleetResult, scene: Scene, report: Verification) -> None:
    assert isinstance(scene.resolved, ResolvedFleet)
    report.plans = len(result.plans)
    report.rows = sum(len(plan.instances) for plan in result.plans)
    report.nodes = sum(len({(row.pool, row.node) for row in plan.nodes}) for plan in result.plans)
    report.problems += of_the_answer(result, result.plans)
    report.problems += plans.of_the_plans(result, scene.resolved)
    if result.is_frontier:
        report.problems += of_the_neighbours(result, plans.objectives(result), report)
    if isinstance(scene.model, PlanModel):
        for at, plan in enumerate(result.plans):
            report.problems += [f"plans[{at}]: {problem}" for problem in scene.model.problems(plan)]
    report.unchecked += plans.unchecked(result)


def _check_explained_plan(result: FleetExplanation, scene: Scene, report: Verification) -> None:
    """The plan as any other, and only where it is right what is said about it."""
    _check_plans(result.as_result(), scene, report)
    expected = status_of(result.guarantee, [result.plan.status])
    if result.status is not expected:
        report.problems.append(f"status: found {result.status}, its plan and its guarantee make it {expected}")
    if scene.explained_plan is not None and not report.problems:
        report.problems += scene.explained_plan.problems(result)
    report.plans += sum(each.plan is not None for each in result.runner_ups)
    report.plans += sum((each.removed is not None) + (each.least is not None) for each in result.limits)
    report.unchecked += fleet_explanations.UNCHECKED
    report.unchecked += [fleet_explanations.NOT_EXAMINED] if result.stopped is not None else []


def _check_alternatives(result: Alternatives, scene: Scene, report: Verification) -> None:
    """Each answer by itself, those of deployments against all that those before leave, and the list as a whole."""
    expected = status_of(result.guarantee, (each.status for each in result.found))
    if result.status is not expected:
        report.problems.append(f"status: found {result.status}, its alternatives and its guarantee make it {expected}")
    report.problems += alternatives.of_the_guarantee(result)
    report.alternatives = len(result.found)
    report.unchecked += alternatives.unchecked(result)
    if isinstance(scene.resolved, ResolvedFleet):
        plans_ = [each.plan for each in result.every if each.plan is not None]
        report.plans = len(plans_)
        report.rows = sum(len(plan.instances) for plan in plans_)
        report.nodes = sum(len({(row.pool, row.node) for row in plan.nodes}) for plan in plans_)
        model = scene.model if isinstance(scene.model, PlanModel) else None
        report.problems += alternatives.of_the_list(result, Measure.COST)
        report.problems += alternatives.of_the_plans(result, scene.resolved, model)
        return
    try:
        measure = measure_of(result.question.objective, scene.resolved)
    except ScenarioError as error:
        report.problems += [f"question.{fault.field}: {fault.message}" for fault in error.faults]
        return
    everything = None if scene.everything is None else scene.everything.measuring(measure)
    report.deployments = len(result.every)
    report.configurations = 0 if everything is None else len(everything)
    report.problems += alternatives.of_the_list(result, measure)
    known = scene.model if isinstance(scene.model, DeploymentModel) else None
    report.problems += alternatives.of_the_deployments(result, scene.resolved, known, everything)


def _check_deployments(result: Frontier | Explanation | Comparison, scene: Scene, report: Verification) -> None:
    assert isinstance(scene.resolved, ResolvedScenario)
    listed = result.deployments
    report.deployments = len(listed)
    report.problems += of_the_answer(result, listed)
    try:
        measure = measure_of(result.question.objective, scene.resolved)
    except ScenarioError as error:
        report.problems += [f"question.{fault.field}: {fault.message}" for fault in error.faults]
        return
    report.problems += of_each_deployment(listed, scene.resolved, measure)
    report.problems += against_each_other(listed)
    if result.question.kind in ("frontier", "compare"):
        points = [(each.latency_s, each.cost_usd_per_mtok) for each in listed]
        report.problems += of_the_neighbours(result, points, report)
    if scene.everything is None or not isinstance(scene.model, DeploymentModel):
        return
    everything = scene.everything.measuring(measure)
    report.configurations = len(everything)
    wrong = list(scene.model.problems(listed))
    report.problems += wrong
    # Of deployments that are not what they say, more than that would be about nothing.
    if not wrong:
        report.problems += of_the_proof(listed, everything)
        report.problems += _of_the_whole(result, scene.resolved, everything, scene.explained)
    if isinstance(result, Explanation):
        report.unchecked.append(explanations.UNCHECKED)
        report.unchecked += [explanations.NOT_EXAMINED] if result.stopped is not None else []
    if isinstance(result, Comparison):
        report.heuristics = len(result.heuristics)
        report.unchecked.append(comparisons.UNCHECKED)
    report.unchecked += frontiers.unchecked(result)


def _check_pessimistic(result: Frontier, scene: Scene, report: Verification) -> None:
    """The other end of a band: a frontier like the nominal one, of figures that have the error in them."""
    assert isinstance(scene.resolved, ResolvedScenario)
    end, part = result.pessimistic_end(), Verification()
    assert end is not None
    assert result.pessimistic is not None
    expected = errors_of(band_error(result.scenario), scene.resolved.accelerators)
    problems = [str(each) for each in differences({"errors": result.pessimistic.errors}, {"errors": expected})]
    other = scene.pessimistic or Scene(scene.resolved)
    if end.guarantee.kind is GuaranteeKind.NONE:
        found = None if other.everything is None else other.everything.fastest()
        problems += [f"guarantee.kind: found none, but {found} meets the limits"] if found is not None else []
        if end.status is not AnswerStatus.INFEASIBLE:
            problems.append(f"status: found {end.status}, expected infeasible")
        problems += ["deployments: found some with the guarantee none"] if end.deployments else []
    else:
        if not end.deployments and end.stopped is None:
            problems.append(f"guarantee.kind: found {end.guarantee.kind} without deployments, expected none")
        _check_deployments(end, other, part)
    report.problems += [f"pessimistic.{problem}" for problem in [*problems, *part.problems]]
    report.deployments += part.deployments
    report.unchecked += [each for each in part.unchecked if each not in report.unchecked]


def _of_the_whole(
    result: Frontier | Explanation | Comparison,
    resolved: ResolvedScenario,
    everything: Everything,
    explained: ExplanationModel | None,
) -> Iterator[str]:
    if isinstance(result, Explanation):
        yield from explained.problems(result) if explained is not None else ()
        return
    yield from of_the_guarantee(result, everything)
    if isinstance(result, Comparison) and result.deployments:
        yield from comparisons.of_the_heuristics(result, resolved)
