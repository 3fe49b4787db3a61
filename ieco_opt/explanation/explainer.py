"""From a scenario to what decides its answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_PREFERENCE, ObjectiveName
from ieco_opt.errors import InfeasibleError, SearchStoppedError, SolverError
from ieco_opt.explanation.bounds import bounds_of
from ieco_opt.explanation.infeasible_subset import infeasible_subset_of
from ieco_opt.explanation.pool import Pool, build_pool
from ieco_opt.explanation.search import Goal, Pick, best
from ieco_opt.explanation.sensitivity import (
    Question,
    binding_together,
    limit_effects,
    margin_cost,
    runner_ups,
    times_of,
)
from ieco_opt.pareto import run
from ieco_opt.pareto.describe import exchange_number, names_of, rows_of, taken_by
from ieco_opt.performance.energy import Measure
from ieco_opt.results.answer import Question as AskedQuestion
from ieco_opt.results.answer import status_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation, LimitEffect, RunnerUp
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, Guarantee, GuaranteeKind, Status, achieved
from ieco_opt.results.statistics import ExplanationStatistics
from ieco_opt.scenario import ResolvedScenario, Scenario, resolve
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Run, Stopped, running
from ieco_opt.solvers.versions import versions

AGREEMENT = 1e-6
"""How much better than the solver's optimum another deployment may be, relatively, before one of the two is wrong."""


def explain(
    scenario: Scenario,
    *,
    objective: ObjectiveName = "fastest",
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    doing: Doing | None = None,
) -> Explanation:
    """Say what decides the answer to a scenario, or which of its limits no deployment meets together.

    A search of all setups, exact and without a solver, answers the scenario and every change of it. The solver answers
    the scenario too, and the two must agree.

    Parameters
    ----------
    doing
        Told in words of what begins.

    Raises
    ------
    ScenarioError
        The scenario or an argument is wrong.
    SolverError
        The solver is missing, the two searches contradict each other, or a limit ended them before there was anything.
    """
    asked = run.question_of_one("explain", objective, preference)
    with running(solver_config_of(solver_config), doing) as under_way:
        try:
            resolved = resolve(scenario)
            question = _question(resolved, Goal(objective, preference), under_way, run.measure_of(objective, resolved))
            pick = best(question.pool, question.bounds, question.goal)
        except Stopped as stop:
            raise SearchStoppedError(f"the search ended ({stop.reason}) before it found a deployment") from stop
        explanation = _nothing_yet(question, asked, under_way)
        if pick is None:
            explanation = _of_infeasible(explanation, question)
        else:
            answer = _answer(scenario, objective, preference, under_way)
            explanation = replace(explanation, confirmed=answer.stopped is None)
            solved = answer[0] if len(answer) else None
            agreed = _agreed(question, pick, solved, answer.solver, finished=answer.stopped is None)
            explanation = _of_optimum(explanation, question, agreed, answer.stopped)
        return replace(explanation, statistics=ExplanationStatistics(under_way.seconds()))


def explain_found(
    scenario: Scenario, asked: AskedQuestion, found: Deployment, under_way: Run
) -> tuple[Explanation, Pool]:
    """The same of a deployment that a solver has found before, and the pool of all configurations.

    Raises
    ------
    ScenarioError, SolverError
        As of :func:`explain`.
    """
    assert asked.objective is not None
    goal = Goal(asked.objective, DEFAULT_PREFERENCE if asked.preference is None else asked.preference)
    try:
        resolved = resolve(scenario)
        question = _question(resolved, goal, under_way, run.measure_of(asked.objective, resolved))
        pick = best(question.pool, question.bounds, question.goal)
    except Stopped as stop:
        raise SearchStoppedError(f"the search ended ({stop.reason}) before the configurations were priced") from stop
    if pick is None:
        raise SolverError("a search of all configurations finds nothing where a solver has found a deployment")
    proven = found.status is Status.OPTIMAL
    explanation = replace(_nothing_yet(question, asked, under_way), confirmed=proven)
    agreed = _agreed(question, pick, found, under_way.config, finished=proven)
    return _of_optimum(explanation, question, agreed, None), question.pool


def _question(resolved: ResolvedScenario, goal: Goal, under_way: Run, measure: Measure) -> Question:
    pool = build_pool(resolved, under_way.ask, measure=measure)
    under_way.ask("searching all configurations")
    return Question(pool, bounds_of(resolved, max(pool.gpu_counts(), default=0)), goal)


def _nothing_yet(question: Question, asked: AskedQuestion, under_way: Run) -> Explanation:
    """The answer about an infeasible scenario, before anything is explained."""
    scenario, config = question.pool.resolved.scenario, under_way.config
    return Explanation(
        question=asked,
        scenario=scenario,
        resolved=resolved_names(scenario),
        guarantee=Guarantee(GuaranteeKind.NONE),
        status=AnswerStatus.INFEASIBLE,
        deployments=(),
        times=(),
        limits=(),
        binding_together=(),
        runner_ups=(),
        infeasible_subset=None,
        confirmed=None,
        solver=config,
        statistics=ExplanationStatistics(0.0),
        versions=versions(config.solver, question.pool.resolved),
        notes=scenario.notes(),
    )


def _of_infeasible(explanation: Explanation, question: Question) -> Explanation:
    try:
        subset = infeasible_subset_of(question)
        return replace(explanation, infeasible_subset=subset, margin=margin_cost(question, None))
    except Stopped as stop:
        unknown = f"the search ended ({stop.reason}) before it found which limits contradict each other"
        raise SearchStoppedError(f"proven infeasible: no deployment meets the limits; {unknown}") from stop


def _answer(scenario: Scenario, objective: ObjectiveName, preference: float, under_way: Run) -> Frontier:
    """What the solver says of a scenario that is known to be feasible."""
    try:
        return run.answer(
            scenario, objective=objective, preference=preference, solver_config=under_way.config, within=under_way
        )
    except InfeasibleError as error:
        raise SolverError(
            "the solver calls infeasible what a search of all configurations shows to be feasible"
        ) from error


def _of_optimum(explanation: Explanation, question: Question, pick: Pick, stopped: str | None) -> Explanation:
    """What decides the optimum, as far as it was found out; ``stopped`` is why the solver was, if it was."""
    effects: list[LimitEffect] = []
    others: list[RunnerUp] = []
    together: tuple[str, ...] = ()
    notes, margin = explanation.notes, margin_cost(question, pick)
    try:
        question.pool.ask("finding what each limit costs")
        # Where the search ends on the way, what came before is kept.
        effects.extend(limit_effects(question, pick))
        if not any(effect.binds for effect in effects):
            together = binding_together(question, pick)
        question.pool.ask("finding the runner-up configurations")
        others.extend(runner_ups(question, pick))
    except Stopped as stop:
        stopped = stop.reason
        examined = {effect.limit for effect in effects}
        left = [str(limit) for limit in reversed(question.bounds.present()) if str(limit) not in examined]
        notes = (*notes, f"not examined before the search ended: {', '.join([*left, 'runner-up configurations'])}")
    guarantee, chosen = achieved(GuaranteeKind.SINGLE, None, stopped), question.described(pick)
    return replace(
        explanation,
        guarantee=guarantee,
        status=status_of(guarantee, [chosen.status]),
        deployments=(chosen,),
        times=times_of(question.pool, pick),
        limits=tuple(effects),
        binding_together=together,
        runner_ups=tuple(others),
        margin=margin,
        notes=notes,
    )


def _agreed(question: Question, pick: Pick, found: Deployment | None, config: SolverConfig, *, finished: bool) -> Pick:
    """The solver's deployment where none is better, so that all commands name the same one of equals.

    A solver that was stopped, or allowed a gap, may have found less; then the exact optimum stands.
    """
    if found is None:
        return pick
    solved = pick_of(question.pool, found)
    allowed = AGREEMENT + config.relative_gap
    if finished and question.goal.advantage(pick, solved) > allowed:
        raise SolverError("a search of all configurations finds a better deployment than the solver calls optimal")
    if question.goal.advantage(solved, pick) > AGREEMENT:
        raise SolverError("the solver finds a better deployment than a search of all configurations")
    return pick if question.goal.beats(pick, solved) else solved


def pick_of(pool: Pool, deployment: Deployment) -> Pick:
    """Find a deployment in the pool."""
    rows, item = pool.alternatives, deployment
    families = [
        index
        for index, family in enumerate(pool.families)
        if (family.accelerator.name, *names_of(family.precision), family.engine)
        == (item.accelerator, item.weights, item.kv_cache, item.engine)
    ]
    same = np.isin(pool.family, families) & (rows.draft_tokens == item.draft_tokens)
    same &= rows_of(rows.degrees, item.parallelism)
    if item.draft is not None:
        same &= rows_of(rows.draft_degrees, item.draft)
    same &= rows.degrees.spread.exchange == exchange_number(pool.families[0], item.exchange)
    found = np.flatnonzero(same & (rows.batch_min <= item.batch) & (rows.batch_max >= item.batch))
    if not len(found):
        raise SolverError("the solver's deployment is none of the scenario's configurations")
    return Pick(int(found[0]), item.batch, item.latency_s, taken_by(item, pool.measure))
