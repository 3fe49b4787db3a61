"""From a scenario to what decides its answer."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import get_args

import numpy as np

from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
from ieco_opt.explanation.bounds import bounds_of
from ieco_opt.explanation.infeasible_subset import infeasible_subset_of
from ieco_opt.explanation.pool import Pool, build_pool
from ieco_opt.explanation.search import Goal, Pick, best
from ieco_opt.explanation.sensitivity import Question, binding_together, limit_effects, runner_ups, times_of
from ieco_opt.pareto import run
from ieco_opt.pareto.describe import rows_of
from ieco_opt.results.answer import Question as AskedQuestion
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, Guarantee, GuaranteeKind
from ieco_opt.results.statistics import ExplanationStatistics
from ieco_opt.scenario import Scenario, resolve
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import DEFAULT_CONFIG, SolverConfig
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.versions import versions

AGREEMENT = 1e-6
"""How much better than the solver's optimum another deployment may be, relatively, before one of the two is wrong."""


def explain(
    scenario: Scenario,
    *,
    objective: run.ObjectiveName = "fastest",
    preference: float = run.DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
) -> Explanation:
    """Say what decides the answer to a scenario, or which of its limits no deployment meets together.

    A search of all setups, exact and without a solver, answers the scenario and every change of it. The solver answers
    the scenario too, and the two must agree.

    Raises
    ------
    ScenarioError
        The scenario or an argument is wrong.
    SolverError
        The solver is missing, or the two searches contradict each other.
    """
    start = time.perf_counter()
    _check(objective, preference)
    config = load_solver_config(solver_config) if isinstance(solver_config, str) else solver_config
    resolved = resolve(scenario)
    pool = build_pool(resolved)
    bounds = bounds_of(resolved, max(pool.gpu_counts(), default=0))
    question = Question(pool, bounds, Goal(objective, preference))
    explanation = Explanation(
        question=_asked(objective, preference),
        scenario=resolved.scenario,
        resolved=resolved_names(resolved.scenario),
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
        versions=versions(config.solver),
        notes=scenario.notes(),
    )
    pick = best(pool, bounds, question.goal)
    if pick is None:
        explanation = replace(explanation, infeasible_subset=infeasible_subset_of(question))
    else:
        answer = _answer(scenario, objective, preference, config)
        explanation = _of_optimum(explanation, question, _agreed(question, pick, answer))
        explanation = replace(explanation, confirmed=answer.stopped is None)
    return replace(explanation, statistics=ExplanationStatistics(time.perf_counter() - start))


def _asked(objective: run.ObjectiveName, preference: float) -> AskedQuestion:
    return AskedQuestion("explain", objective, preference if objective == "preferred" else None)


def _check(objective: str, preference: float) -> None:
    if objective not in (known := get_args(run.ObjectiveName)):
        raise ScenarioError.single(f"found '{objective}', expected one of {', '.join(known)}", field="objective")
    if not 0.0 <= preference < float("inf"):
        raise ScenarioError.single(f"found {preference}, expected a number from 0 on", field="preference")


def _answer(scenario: Scenario, objective: run.ObjectiveName, preference: float, config: SolverConfig) -> Frontier:
    """What the solver says of a scenario that is known to be feasible."""
    try:
        return run.answer(scenario, objective=objective, preference=preference, solver_config=config)
    except InfeasibleError as error:
        raise SolverError(
            "the solver calls infeasible what a search of all configurations shows to be feasible"
        ) from error


def _of_optimum(explanation: Explanation, question: Question, pick: Pick) -> Explanation:
    effects = tuple(limit_effects(question, pick))
    alone = any(effect.binds for effect in effects)
    return replace(
        explanation,
        guarantee=Guarantee(GuaranteeKind.SINGLE),
        status=AnswerStatus.OPTIMAL,
        deployments=(question.described(pick),),
        times=times_of(question.pool, pick),
        limits=effects,
        binding_together=() if alone else binding_together(question, pick),
        runner_ups=tuple(runner_ups(question, pick)),
    )


def _agreed(question: Question, pick: Pick, answer: Frontier) -> Pick:
    """The solver's deployment where none is better, so that all commands name the same one of equals.

    A solver that was stopped, or allowed a gap, may have found less; then the exact optimum stands.
    """
    if not len(answer):
        return pick
    solved = pick_of(question.pool, answer[0])
    allowed = AGREEMENT + answer.solver.relative_gap
    if answer.stopped is None and question.goal.advantage(pick, solved) > allowed:
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
        if (family.accelerator.name, family.weights) == (item.accelerator, item.weights)
    ]
    same = np.isin(pool.family, families) & (rows.draft_tokens == item.draft_tokens)
    same &= rows_of(rows.degrees, item.parallelism)
    if item.draft is not None:
        same &= rows_of(rows.draft_degrees, item.draft)
    found = np.flatnonzero(same & (rows.batch_min <= item.batch) & (rows.batch_max >= item.batch))
    if not len(found):
        raise SolverError("the solver's deployment is none of the scenario's configurations")
    return Pick(int(found[0]), item.batch, item.latency_s, item.cost_usd_per_mtok)
