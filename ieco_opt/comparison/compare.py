"""Exact against heuristic: run both on one scenario and measure the gap."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ieco_opt.comparison import indicators
from ieco_opt.comparison.deployability import Obstacle, Reason, Verdicts, judge
from ieco_opt.comparison.indicators import Array, Points
from ieco_opt.heuristics import BUILT_IN, Budget, Heuristic, Proposals, get
from ieco_opt.pareto import run
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import Scenario, resolve
from ieco_opt.scenario.solver_config import DEFAULT_CONFIG, SolverConfig

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.pareto.sweeps import Progress

DEFAULT_DELTA = 0.01
"""Coverage of the exact frontier; finer than elsewhere, since regrets are only as sharp as it is."""


@dataclass(frozen=True, slots=True)
class Regret:
    """Regrets of a heuristic's own nondominated points, as shares; ``None`` where it has none that is comparable.

    ``worst_speed`` and ``worst_cost`` say which of its points has the worst (tokens/s, $ per million tokens).
    """

    least: float | None
    median: float | None
    worst: float | None
    worst_speed: float | None
    worst_cost: float | None

    @classmethod
    def of(cls, regrets: Array, points: Points) -> Regret:
        """Summarise the regrets of some points; NaN says that a point has none."""
        known = np.flatnonzero(~np.isnan(regrets))
        if not len(known):
            return cls(None, None, None, None, None)
        worst = int(known[regrets[known].argmax()])
        return cls(
            least=float(regrets[known].min()),
            median=float(np.median(regrets[known])),
            worst=float(regrets[worst]),
            worst_speed=float(points.speed[worst]),
            worst_cost=float(points.cost[worst]),
        )


@dataclass(frozen=True, slots=True)
class HeuristicResult:
    """One heuristic against the exact frontier.

    Attributes
    ----------
    points
        Its deployable proposals that none of its others beats, in deployable terms, fastest first.
    cost_regret, speed_regret
        At matched speed and at matched cost.
    share_found
        Share of the exact frontier's points that it found.
    hypervolume_ratio, additive_epsilon, igd_plus
        See :mod:`ieco_opt.comparison.indicators`; the last two are ``None`` where nothing is deployable.
    beats_frontier
        Deployable proposals that the exact frontier does not cover as far as it claims; 0, or the frontier is wrong.
    """

    name: str
    proposals: Proposals
    verdicts: Verdicts
    points: Points
    cost_regret: Regret
    speed_regret: Regret
    share_found: float
    hypervolume_ratio: float
    additive_epsilon: float | None
    igd_plus: float | None
    beats_frontier: int
    seconds: float

    def count(self, obstacle: Obstacle) -> int:
        """Number of proposals that meet an obstacle of this kind; one proposal may meet several."""
        return sum(any(item.obstacle is obstacle for item in reasons) for reasons in self.verdicts.reasons)

    def worst_memory(self) -> Reason | None:
        """Where memory is over by the largest share, ``None`` where it never is."""
        over = [item for reasons in self.verdicts.reasons for item in reasons if item.obstacle is Obstacle.MEMORY]
        return max(over, key=lambda item: item.excess, default=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Heuristics against the exact frontier of one scenario."""

    frontier: Frontier
    results: tuple[HeuristicResult, ...]
    budget: Budget

    @property
    def scenario(self) -> Scenario:
        """The scenario that all of them answer."""
        return self.frontier.scenario

    def exact_points(self) -> Points:
        """Speed and cost of the exact frontier."""
        return _points_of(self.frontier)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a heuristic; regrets, shares and ratios as fractions of one."""
        import pandas as pd

        from ieco_opt.reports.text.comparison import COLUMNS, summary

        return pd.DataFrame([summary(result) for result in self.results], columns=list(COLUMNS))

    def proposals_dataframe(self) -> pd.DataFrame:
        """One row a proposal: its setup, what it claims, what it is worth, and why it cannot be launched."""
        import pandas as pd

        from ieco_opt.reports.text.comparison import PROPOSAL_COLUMNS, proposal_rows

        rows = [row for result in self.results for row in proposal_rows(self, result)]
        return pd.DataFrame(rows, columns=list(PROPOSAL_COLUMNS))

    def to_json(self, path: str | Path | None = None) -> str:
        """Write everything, with the scenario, the exact frontier and all proposals; also returns the text.

        Raises
        ------
        ScenarioError
            The file cannot be written.
        """
        from ieco_opt.documents.destinations import replace_file
        from ieco_opt.reports.text.comparison import to_json

        text = to_json(self)
        if path is not None:
            replace_file(Path(path), text.encode())
        return text

    def plot(self, path: str | Path) -> None:
        """Draw both frontiers with the gap between them to a .png, .svg or .html file (needs the extra ``plot``).

        Raises
        ------
        ScenarioError
            The ending is unknown, matplotlib is missing, or the file cannot be written.
        """
        from ieco_opt.reports.figures import save

        save(self, path)


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
    return Comparison(exact, tuple(_run(heuristic, exact, budget) for heuristic in chosen), budget)


def _points_of(frontier: Frontier) -> Points:
    return Points(
        np.array([item.speed_tokens_per_s for item in frontier]),
        np.array([item.cost_usd_per_mtok for item in frontier]),
    )


def _run(heuristic: Heuristic, exact: Frontier, budget: Budget) -> HeuristicResult:
    """Let one heuristic propose, judge its proposals and measure them."""
    resolved = resolve(exact.scenario)
    start = time.perf_counter()
    proposals = heuristic.propose(resolved, budget)
    seconds = time.perf_counter() - start
    verdicts = judge(resolved, proposals)
    deployable, reference = verdicts.points(), _points_of(exact)
    points = deployable.take(deployable.nondominated())
    # Between points that an incomplete frontier lists, a heuristic's own ones are the best that is known.
    known = reference if exact.coverage == 0.0 else reference.joined(points)
    proven = exact.coverage is not None
    slack = max(exact.coverage or 0.0, indicators.SAME)
    return HeuristicResult(
        name=heuristic.name,
        proposals=proposals,
        verdicts=verdicts,
        points=points,
        cost_regret=Regret.of(indicators.cost_regret(points, known), points),
        speed_regret=Regret.of(indicators.speed_regret(points, known), points),
        share_found=indicators.share_found(points, reference),
        hypervolume_ratio=indicators.hypervolume_ratio(points, reference),
        additive_epsilon=indicators.additive_epsilon(points, reference) if len(points) else None,
        igd_plus=indicators.igd_plus(points, reference) if len(points) else None,
        beats_frontier=len(indicators.beating(points, reference, slack)) if proven else 0,
        seconds=seconds,
    )
