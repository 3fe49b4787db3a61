"""Exact against heuristic: run both on one scenario and measure the gap."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ieco_opt.comparison import indicators
from ieco_opt.comparison.deployability import judge
from ieco_opt.comparison.indicators import Array, Points
from ieco_opt.comparison.proposals import proposals_of
from ieco_opt.errors import SearchStoppedError
from ieco_opt.heuristics import BUILT_IN, Heuristic, get
from ieco_opt.pareto import run
from ieco_opt.pareto.sweeps import Progress
from ieco_opt.results.answer import Question
from ieco_opt.results.comparison import Budget, Comparison, HeuristicResult, Regret
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.statistics import ComparisonStatistics
from ieco_opt.scenario import Scenario, resolve
from ieco_opt.scenario.solver_config import DEFAULT_CONFIG, SolverConfig

DEFAULT_DELTA = 0.01
"""Coverage of the exact frontier; finer than elsewhere, since regrets are only as sharp as it is."""


def compare(
    scenario: Scenario,
    heuristics: Sequence[str | Heuristic] = tuple(BUILT_IN),
    *,
    budget: Budget | None = None,
    delta: float = DEFAULT_DELTA,
    complete: bool = False,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
) -> Comparison:
    """Measure what heuristics miss on a scenario, against its exact frontier.

    Parameters
    ----------
    heuristics
        Names of :func:`ieco_opt.heuristics.names`, or heuristics themselves.
    budget
        What each may spend; by default 10,000 evaluations, no limit of time, seed 0.
    delta
        Coverage of the exact frontier. Regrets may be understated, never overstated, by what it leaves out.
    complete
        Instead, every point of the exact frontier: regrets and the share found are then exact.

    Raises
    ------
    ScenarioError
        The scenario, a heuristic or an argument is wrong.
    InfeasibleError
        Proven: no deployment meets the limits.
    SolverError
        The solver is missing or contradicts the performance model.
    """
    chosen = [get(item) if isinstance(item, str) else item for item in heuristics]
    budget = Budget() if budget is None else budget
    exact = run.frontier(scenario, delta=delta, complete=complete, solver_config=solver_config, progress=progress)
    if not len(exact):
        raise SearchStoppedError(
            f"the exact search ended ({exact.stopped}) before it found a deployment to compare with"
        )
    measured = [_measured(heuristic, exact, budget) for heuristic in chosen]
    return Comparison(
        question=Question("compare", delta=0.0 if complete else delta),
        scenario=exact.scenario,
        resolved=exact.resolved,
        guarantee=exact.guarantee,
        status=exact.status,
        deployments=exact.deployments,
        budget=budget,
        heuristics=tuple(result for result, _ in measured),
        solver=exact.solver,
        statistics=ComparisonStatistics(exact.statistics, tuple(seconds for _, seconds in measured)),
        versions=exact.versions,
        notes=exact.notes,
    )


def points_of(deployments: Iterable[Deployment]) -> Points:
    """Speeds and costs of deployments."""
    listed = tuple(deployments)
    return Points(
        np.array([item.speed_tokens_per_s for item in listed], dtype=float),
        np.array([item.cost_usd_per_mtok for item in listed], dtype=float),
    )


def _measured(heuristic: Heuristic, exact: Frontier, budget: Budget) -> tuple[HeuristicResult, float]:
    """Let one heuristic propose, judge its proposals and measure them; also the seconds that it took."""
    resolved = resolve(exact.scenario)
    start = time.perf_counter()
    proposals = heuristic.propose(resolved, budget)
    seconds = time.perf_counter() - start
    verdicts = judge(resolved, proposals)
    deployable = verdicts.points()
    kept = deployable.nondominated()
    result = HeuristicResult(
        name=heuristic.name,
        evaluations=proposals.evaluations,
        proposals=proposals_of(resolved, proposals, verdicts, verdicts.deployable[kept]),
        **measures(deployable.take(kept), points_of(exact), exact.coverage),
    )
    return result, seconds


def measures(points: Points, reference: Points, coverage: float | None) -> dict[str, Any]:
    """Measures of a heuristic's nondominated points against an exact frontier.

    Parameters
    ----------
    coverage
        Delta of the frontier; 0 for a complete one, ``None`` for one that covers nothing for certain.
    """
    # Between points that an incomplete frontier lists, a heuristic's own ones are the best that is known.
    known = reference if coverage == 0.0 else reference.joined(points)
    slack = max(coverage or 0.0, indicators.SAME)
    return {
        "cost_regret": _regret(indicators.cost_regret(points, known), points),
        "speed_regret": _regret(indicators.speed_regret(points, known), points),
        "share_found": indicators.share_found(points, reference),
        "hypervolume_ratio": indicators.hypervolume_ratio(points, reference),
        "additive_epsilon": indicators.additive_epsilon(points, reference) if len(points) else None,
        "igd_plus": indicators.igd_plus(points, reference) if len(points) else None,
        "beats_frontier": len(indicators.beating(points, reference, slack)) if coverage is not None else 0,
    }


def _regret(regrets: Array, points: Points) -> Regret:
    """Summarise the regrets of some points; NaN says that a point has none."""
    known = np.flatnonzero(~np.isnan(regrets))
    if not len(known):
        return Regret(None, None, None, None, None)
    worst = int(known[regrets[known].argmax()])
    return Regret(
        least=float(regrets[known].min()),
        median=float(np.median(regrets[known])),
        worst=float(regrets[worst]),
        worst_speed=float(points.speed[worst]),
        worst_cost=float(points.cost[worst]),
    )
