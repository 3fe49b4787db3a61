"""Exact against heuristic: run both on one scenario and measure the gap."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ieco_opt.comparison import indicators
from ieco_opt.comparison.deployability import judge
from ieco_opt.comparison.indicators import Array, Points
from ieco_opt.comparison.proposals import proposals_of
from ieco_opt.defaults import COMPARED_DELTA, DEFAULT_CONFIG
from ieco_opt.errors import SearchStoppedError
from ieco_opt.heuristics import BUILT_IN, Heuristic, Proposals, get
from ieco_opt.heuristics.pricing import no_proposals
from ieco_opt.heuristics.registry import sharing
from ieco_opt.pareto import run
from ieco_opt.pareto.sweeps import Progress
from ieco_opt.results.answer import Question
from ieco_opt.results.comparison import Budget, Comparison, HeuristicResult, Regret
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.statistics import ComparisonStatistics
from ieco_opt.scenario import ResolvedScenario, Scenario, resolve
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import INTERRUPTED, Doing, Run, Stopped, running


def compare(
    scenario: Scenario,
    heuristics: Sequence[str | Heuristic] = tuple(BUILT_IN),
    *,
    budget: Budget | None = None,
    delta: float = COMPARED_DELTA,
    complete: bool = False,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
    doing: Doing | None = None,
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
    progress, doing
        Told of points found, and in words of what begins.

    Raises
    ------
    ScenarioError
        The scenario, a heuristic or an argument is wrong.
    InfeasibleError
        Proven: no deployment meets the limits.
    SolverError
        The solver is missing, contradicts the performance model, or found nothing before a limit ended it.
    """
    chosen = sharing([get(item) if isinstance(item, str) else item for item in heuristics])
    budget = Budget() if budget is None else budget
    config = solver_config_of(solver_config)
    with running(config, doing) as under_way:
        exact = run.frontier(
            scenario, delta=delta, complete=complete, solver_config=config, progress=progress, within=under_way
        )
        against = _against(exact)
        measured = [_measured(heuristic, against, budget, under_way) for heuristic in chosen]
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


@dataclass(frozen=True, slots=True)
class _Exact:
    """What heuristics are measured against: the points of the exact frontier and how far they cover it."""

    resolved: ResolvedScenario
    points: Points
    coverage: float | None


def _against(exact: Frontier) -> _Exact:
    if not len(exact):
        raise SearchStoppedError(
            f"the exact search ended ({exact.stopped}) before it found a deployment to compare with"
        )
    return _Exact(resolve(exact.scenario), points_of(exact), exact.coverage)


def points_of(deployments: Iterable[Deployment]) -> Points:
    """Speeds and costs of deployments."""
    listed = tuple(deployments)
    return Points(
        np.array([item.speed_tokens_per_s for item in listed], dtype=float),
        np.array([item.cost_usd_per_mtok for item in listed], dtype=float),
    )


class _Steps:
    """Passes on what a heuristic asks of a run, and remembers why it was told to end, if it was."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.stopped: str | None = None

    def ask(self, doing: str = "", /) -> None:
        """Let the heuristic go on; raises what the run raises."""
        try:
            self.run.ask(doing)
        except Stopped as stop:
            self.stopped = stop.reason
            raise


def _proposed(
    heuristic: Heuristic, resolved: ResolvedScenario, budget: Budget, under_way: Run
) -> tuple[Proposals, str | None]:
    """What a heuristic proposes, and why it had to end before it was done, if it had to."""
    steps = _Steps(under_way)
    try:
        steps.ask(f"running the heuristic {heuristic.name}")
        if "ask" not in inspect.signature(heuristic.propose).parameters:
            return _proposed_unasked(heuristic, resolved, budget, under_way)
        return heuristic.propose(resolved, budget, steps.ask), steps.stopped  # type: ignore[call-arg]
    except Stopped as stop:
        return no_proposals(), stop.reason


def _proposed_unasked(
    heuristic: Heuristic, resolved: ResolvedScenario, budget: Budget, under_way: Run
) -> tuple[Proposals, str | None]:
    """The same of a heuristic that asks nothing: it has its budget of seconds, and an interrupt ends it at once."""
    limits = [limit for limit in (budget.seconds, under_way.seconds_left()) if limit is not None]
    try:
        with under_way.interrupt.raised_at_once():
            return heuristic.propose(resolved, replace(budget, seconds=min(limits, default=None))), None
    except KeyboardInterrupt:
        return no_proposals(), INTERRUPTED


def _measured(heuristic: Heuristic, exact: _Exact, budget: Budget, under_way: Run) -> tuple[HeuristicResult, float]:
    """Let one heuristic propose, judge its proposals and measure them; also the seconds that it took."""
    start = time.perf_counter()
    proposals, stopped = _proposed(heuristic, exact.resolved, budget, under_way)
    seconds = time.perf_counter() - start
    verdicts = judge(exact.resolved, proposals)
    deployable = verdicts.points()
    kept = deployable.nondominated()
    result = HeuristicResult(
        name=heuristic.name,
        evaluations=proposals.evaluations,
        proposals=proposals_of(exact.resolved, proposals, verdicts, verdicts.deployable[kept]),
        stopped=stopped,
        **measures(deployable.take(kept), exact.points, exact.coverage),
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
