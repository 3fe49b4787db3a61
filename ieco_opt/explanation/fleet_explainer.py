"""From a fleet, or a plan of it, to what decides the plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ieco_opt.defaults import FLEET_CONFIG, FleetObjective
from ieco_opt.errors import ScenarioError, SearchStoppedError
from ieco_opt.explanation.fleet_effects import Effects, stated_effect
from ieco_opt.explanation.fleet_neighbours import Neighbours, Solver
from ieco_opt.explanation.fleet_setups import held
from ieco_opt.explanation.fleet_times import token_times
from ieco_opt.fleet.asked import Asked, running_question
from ieco_opt.fleet.run import plan as best_plan
from ieco_opt.fleet.verify import plan_problems
from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.answer import Question, status_of
from ieco_opt.results.fleet_explanation import FleetExplanation, FleetRunnerUp
from ieco_opt.results.guarantee import GuaranteeKind, achieved
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.statistics import ExplanationStatistics
from ieco_opt.scenario import Fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Run, Stopped, running


def explain_fleet(
    fleet: Fleet,
    *,
    objective: FleetObjective | None = None,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    doing: Doing | None = None,
    binding_only: bool = False,
) -> FleetExplanation:
    """Plan a fleet and say what decides the plan: see :func:`explain_plan`; errors also as of ``fleet.run.plan``."""
    with running(solver_config_of(solver_config), doing) as run:
        result = best_plan(fleet, objective=objective, solver_config=run.config, within=run)
        return explain_plan(result, binding_only=binding_only, within=run)


def explain_plan(
    result: FleetResult,
    *,
    solver_config: SolverConfig | str | None = None,
    doing: Doing | None = None,
    binding_only: bool = False,
    within: Run | None = None,
) -> FleetExplanation:
    """Say what decides a plan: what holds its instances, what each limit costs, who comes next, where time goes.

    Every limit is left out, every choice excluded, one at a time, and the fleet solved again.

    Parameters
    ----------
    result
        One plan, found before or read from a file; its figures are taken as they are.
    solver_config
        By default that of the result.
    doing
        Told in words of what begins.
    binding_only
        Only which limits bind and what they cost.
    within
        A run under way, of which this is a part.

    Raises
    ------
    ScenarioError
        The result is none of one plan, of another performance model, or its plan does not hold.
    SolverError
        The solver is missing, or contradicts the recomputed plan.
    """
    _check(result)
    objective = result.question.objective or "cost"
    config = solver_config_of(result.solver if solver_config is None else solver_config)
    with running(config, doing, within=within) as run:
        with fleet_priced(result.scenario, objective, run, result) as (near, asked):
            explanation = explain_within(result, near, asked, binding_only=binding_only)
        return replace(explanation, statistics=ExplanationStatistics(run.seconds()))


@contextmanager
def fleet_priced(
    fleet: Fleet, objective: str, run: Run, known: FleetResult | None = None
) -> Iterator[tuple[Neighbours, Asked]]:
    """The fleet of plans that are explained, priced unless a result of it that is ``known`` has the prices.

    Raises
    ------
    SearchStoppedError
        A limit or an interrupt came before that was done.
    """
    try:
        with running_question(fleet, objective, run.config, None, run, known) as asked:
            yield Neighbours(asked.space, objective), asked
    except SearchStoppedError as stop:
        reason = stop.__cause__ or stop
        raise SearchStoppedError(f"the search ended ({reason}) before the fleet of the plan was priced") from stop


def explain_within(result: FleetResult, near: Neighbours, asked: Asked, *, binding_only: bool) -> FleetExplanation:
    """The same of a fleet that is priced already; what it took is not in it.

    Raises
    ------
    ScenarioError
        The plan does not hold.
    """
    problems = plan_problems(near.resolved.at_demand(result[0].demand_factor), result[0])
    if problems:
        raise ScenarioError.single(f"{problems[0]}; `ieco-opt verify` says all that is wrong", field="plans[0]")
    return _examined(_nothing_examined(result, near, asked), near, asked, binding_only=binding_only)


def _check(result: FleetResult) -> None:
    """Refuse what is no plan that this version can go on from."""
    if result.is_frontier:
        message = "found a frontier, expected the result of one plan (ieco-opt fleet or plan without --frontier)"
        raise ScenarioError.single(message, field="question.kind")
    if result.versions.model != MODEL_VERSION:
        message = (
            f"found {result.versions.model}, this version has the performance model {MODEL_VERSION}; "
            "plan again to explain the plan"
        )
        raise ScenarioError.single(message, field="versions.model")


def _nothing_examined(result: FleetResult, near: Neighbours, asked: Asked) -> FleetExplanation:
    """All that needs no solver."""
    plan = result[0]
    times, sources = token_times(near.base, plan)
    effects = Effects(Solver(near, asked), plan)
    return FleetExplanation(
        question=Question(kind="explain_fleet", objective=result.question.objective),
        scenario=result.scenario,
        resolved=result.resolved,
        guarantee=result.guarantee,
        status=result.status,
        plans=(plan,),
        held=held(near.base, plan),
        times=times,
        sources=sources,
        limits=tuple(stated_effect(limit, near, plan) for limit in effects.limits),
        binding_together=(),
        runner_ups=(),
        solver=asked.run.config,
        statistics=ExplanationStatistics(0.0),
        versions=result.versions,
        notes=result.notes,
    )


def _examined(explanation: FleetExplanation, near: Neighbours, asked: Asked, *, binding_only: bool) -> FleetExplanation:
    """The same with what was found by solving again, as far as there is time."""
    effects = Effects(Solver(near, asked), explanation.plan)
    limits = list(explanation.limits)
    runner_ups: list[FleetRunnerUp] = []
    together: tuple[str, ...] = ()
    missing, stopped = "whether limits bind", explanation.stopped
    try:
        for at, effect in enumerate(effects.effects()):
            if isinstance(effect, Stopped):
                stopped = effect.reason
            else:
                limits[at] = effect
        missing = "limits that bind together"
        together = effects.together(limits)
        if not binding_only:
            missing = "runner-ups"
            runner_ups.extend(effects.runner_ups())
            missing = "least relaxations"
            for at, limit in enumerate(effects.limits):
                limits[at] = replace(limits[at], least=effects.least(limit, limits[at]))
        missing = ""
    except (Stopped, SearchStoppedError) as stop:
        stopped = stop.reason if isinstance(stop, Stopped) else str(stop)
    guarantee = achieved(GuaranteeKind.SINGLE, None, stopped)
    notes = explanation.notes
    if stopped is not None:
        left = _left(missing) if missing else ", ".join(each.limit for each in limits if each.binds is None)
        notes = (*notes, f"not examined before the search ended: {left or 'nothing'}")
    return replace(
        explanation,
        guarantee=guarantee,
        status=status_of(guarantee, [explanation.plan.status]),
        limits=tuple(limits),
        binding_together=together,
        runner_ups=tuple(runner_ups),
        notes=notes,
    )


_STEPS = ("whether limits bind", "limits that bind together", "runner-ups", "least relaxations")


def _left(missing: str) -> str:
    """What a search that ended at one step has not come to, or not to the end of."""
    first, *others = _STEPS[_STEPS.index(missing) :]
    return ", ".join([f"{first} (in part)", *others])
