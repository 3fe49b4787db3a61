"""Why near-optimal alternatives are worse than the best: what each takes of what the objective counts, by term."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ieco_opt.errors import ScenarioError
from ieco_opt.explanation.explainer import explain_found, pick_of
from ieco_opt.explanation.fleet_explainer import explain_within, fleet_priced
from ieco_opt.explanation.plan_terms import terms_of_plan
from ieco_opt.explanation.pool import Pool
from ieco_opt.explanation.token_parts import parts_of_token
from ieco_opt.pareto.run import question_of_one
from ieco_opt.performance.economics import TOKENS_PER_MTOK
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.answer import status_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explained_alternatives import ExplainedAlternative, ExplainedAlternatives
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.guarantee import Guarantee, GuaranteeKind
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.statistics import ExplanationStatistics
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Run, running

Amounts = Mapping[tuple[str, str], Mapping[str, float]]
"""Of each quantity and its unit what each term takes."""


def explain_alternatives(
    result: Alternatives,
    *,
    solver_config: SolverConfig | str | None = None,
    doing: Doing | None = None,
    binding_only: bool = False,
) -> ExplainedAlternatives:
    """Say what decides the best of some alternatives, and why the others cost more.

    Parameters
    ----------
    result
        Found before or read from a file; its figures are taken as they are.
    solver_config
        By default that of the result.
    doing
        Told in words of what begins.
    binding_only
        Of plans: only which limits bind and what they cost.

    Raises
    ------
    ScenarioError
        The result is of another performance model, or an answer of it does not hold.
    SolverError
        The solver is missing, or what it found contradicts the recomputed figures.
    """
    if result.versions.model != MODEL_VERSION:
        message = (
            f"found {result.versions.model}, this version has the performance model {MODEL_VERSION}; "
            "list alternatives again to explain them"
        )
        raise ScenarioError.single(message, field="versions.model")
    config = solver_config_of(result.solver if solver_config is None else solver_config)
    with running(config, doing) as run:
        best, amounts = _of_plans(result, run, binding_only) if result.of_fleet else _of_deployments(result, run)
        return ExplainedAlternatives(
            best=replace(best, statistics=ExplanationStatistics(run.seconds())),
            alternatives=tuple(
                ExplainedAlternative.of(rank, each, taken, amounts[0])
                for rank, (each, taken) in enumerate(zip(result.found, amounts, strict=True), 1)
            ),
            seconds=run.seconds(),
        )


def _of_deployments(result: Alternatives, run: Run) -> tuple[Explanation, list[Amounts]]:
    scenario, found = result.scenario, [each.deployment for each in result.found if each.deployment is not None]
    assert isinstance(scenario, Scenario)
    asked = question_of_one("explain", result.objective, result.preference or 0.0)
    best, pool = explain_found(scenario, asked, found[0], run)
    return best, [_of_deployment(pool, each, result.objective) for each in found]


def _of_deployment(pool: Pool, deployment: Deployment, objective: str) -> Amounts:
    row = pool.alternatives.take(np.array([pick_of(pool, deployment).row]))
    parts = [part for part in parts_of_token(row, deployment.batch) if not part.hidden]
    amounts: dict[tuple[str, str], dict[str, float]] = {}
    if objective in ("fastest", "preferred"):
        amounts["latency", "s per token"] = {part.term: part.seconds for part in parts}
    if objective != "fastest":
        measure = Measure(objective) if objective in ("energy", "carbon") else Measure.COST
        always, working = (float(rate[0]) for rate in row.rates(measure))
        tokens = (1.0 if measure is Measure.ENERGY else TOKENS_PER_MTOK) / deployment.batch
        amounts[measure.value, measure.unit] = {
            part.term: tokens * (always * part.seconds + working * part.working_s) for part in parts
        }
    return amounts


def _of_plans(result: Alternatives, run: Run, binding_only: bool) -> tuple[FleetExplanation, list[Amounts]]:
    fleet, plans = result.scenario, [each.plan for each in result.found if each.plan is not None]
    assert isinstance(fleet, Fleet)
    with fleet_priced(fleet, result.objective, run) as (near, asked):
        amounts = [terms_of_plan(near.base, each, result.objective) for each in plans]
        best = explain_within(_first_of(result, plans[0]), near, asked, binding_only=binding_only)
    return best, amounts


def _first_of(result: Alternatives, plan: FleetPlan) -> FleetResult:
    """The first plan as the answer of a question of its own."""
    points = result.as_points()
    assert isinstance(points, FleetResult)
    guarantee = result.guarantee if plan.status != "optimal" else Guarantee(GuaranteeKind.SINGLE)
    return replace(points, guarantee=guarantee, status=status_of(guarantee, [plan.status]), plans=(plan,))
