"""Near-optimal alternatives of a deployment: the best one, without the combinations of those before, again and again.

One program chooses one configuration, so the cut that excludes an earlier combination k, sum_r in k y_r <= 0, fixes
variables: its configurations are left out before anything is priced, and the program is that of any scenario.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_COUNT, DEFAULT_PREFERENCE, DEFAULT_WITHIN, Differ, ObjectiveName
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.errors import InfeasibleError, SearchStoppedError
from ieco_opt.pareto.describe import describe, rows_of_layout, taken_by
from ieco_opt.pareto.infeasibility import why_infeasible
from ieco_opt.pareto.prober import Prober
from ieco_opt.pareto.run import measure_of, question_of_one, search_of_one
from ieco_opt.pareto.sweeps import Sweep
from ieco_opt.pareto.sweeps import preference as score
from ieco_opt.performance.energy import Measure
from ieco_opt.results.alternatives import (
    OF_DEPLOYMENTS,
    Alternative,
    Alternatives,
    Combination,
    Ended,
    check_asked,
)
from ieco_opt.results.answer import Question, status_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.guarantee import GuaranteeKind, Status, achieved
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.statistics import AlternativesStatistics
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import Fleet, ResolvedScenario, Scenario, resolve
from ieco_opt.scenario.objective import usual_objective
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Run, Stopped, running
from ieco_opt.solvers.versions import versions

USUAL: tuple[Differ, ...] = ("accelerator", "layout")
"""What deployments differ in where nobody says: servers that run a layout alike are no alternatives."""

_LARGEST = 700.0
"""Difference of two logarithms beyond which the share between them is written as about 1e304."""


def alternatives(
    scenario: Scenario,
    *,
    within: float = DEFAULT_WITHIN,
    count: int | None = DEFAULT_COUNT,
    differ: Sequence[Differ] | None = None,
    objective: ObjectiveName | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    doing: Doing | None = None,
) -> Alternatives:
    """The best deployments that differ in accelerator, engine or layout, the optimum first.

    Parameters
    ----------
    within
        Share by which the last may be worse than the optimum.
    count
        As many at most; ``None``: all within the share.
    differ
        By default :data:`USUAL`.
    objective, preference
        As of :func:`ieco_opt.pareto.run.solve`.
    doing
        Told in words of what begins.

    Raises
    ------
    ScenarioError
        The scenario or an argument is wrong.
    InfeasibleError
        Proven: no deployment meets the limits.
    SolverError
        The solver is missing, contradicts the performance model, or found nothing before a limit ended it.
    """
    differ = USUAL if differ is None else differ
    check_asked(within, count, differ, OF_DEPLOYMENTS)
    wanted = objective or usual_objective(scenario)[0]
    question = question_of_one("solve", wanted, preference)
    with running(solver_config_of(solver_config), doing) as run:
        resolved = resolve(scenario)
        search = _Search(resolved, wanted, preference, frozenset(differ), measure_of(wanted, resolved), run)
        listed = search.listed(within, count)
        return as_answer(
            listed,
            question=replace(question, kind="alternatives"),
            scenario=resolved.scenario,
            differ=tuple(differ),
            within=within,
            count=count,
            solver=run.config,
            statistics=AlternativesStatistics(search.solves, run.seconds()),
            versions=versions(run.config.solver, resolved),
        )


@dataclass(slots=True)
class Listed:
    """Alternatives so far, and why there are no more."""

    found: list[Alternative]
    next_one: Alternative | None = None
    ended: Ended = "exhausted"
    complete: bool = False
    stopped: str | None = None


def listing(
    next_best: Callable[[list[Alternative]], Alternative | None],
    is_beyond: Callable[[Alternative, Alternative], bool],
    within: float,
    count: int | None,
) -> Listed:
    """Ask for the best that is left until it is too far from the optimum, or nothing is left.

    Parameters
    ----------
    next_best
        The best without what those before use; ``None``: proven that there is none.
    is_beyond
        Whether it is proven that nothing as good as the share asks is left, by the optimum and the best that is left.

    Raises
    ------
    Stopped
        A limit or an interrupt ended the search of the optimum.
    """
    listed = Listed([])
    try:
        while count is None or len(listed.found) < count:
            best = next_best(listed.found)
            if best is None:
                return replace(listed, complete=True)
            if listed.found and best.excess > within:
                return replace(listed, next_one=best, ended="beyond", complete=is_beyond(listed.found[0], best))
            listed.found.append(best)
    except Stopped as stop:
        if not listed.found:
            raise
        return replace(listed, ended="stopped", stopped=stop.reason)
    return replace(listed, ended="count")


class ListAsked(TypedDict):
    """What a list of alternatives was asked to be, and how it was found; see :class:`Alternatives`."""

    question: Question
    differ: tuple[Differ, ...]
    within: float
    count: int | None
    solver: SolverConfig
    statistics: AlternativesStatistics
    versions: Versions


def as_answer(listed: Listed, *, scenario: Scenario | Fleet, **asked: Unpack[ListAsked]) -> Alternatives:
    """What was found as a result: with what is proven of it, and what names stand for."""
    guarantee = achieved(GuaranteeKind.SINGLE, None, listed.stopped)
    return Alternatives(
        scenario=scenario,
        resolved=resolved_names(scenario),
        guarantee=guarantee,
        status=status_of(guarantee, (each.status for each in listed.found)),
        found=tuple(listed.found),
        next_one=listed.next_one,
        ended=listed.ended,
        complete=listed.complete,
        notes=scenario.notes(),
        **asked,
    )


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """A combination whose configurations are left out; ``None`` in what does not count."""

    accelerator: str | None
    engine: str | None
    layout: Parallelism | None

    def holds(self, family: Family) -> NDArray[np.bool_]:
        """Which setups of a family, shape (setups,), are of the combination."""
        other = self.accelerator not in (None, family.accelerator.name) or self.engine not in (None, family.engine)
        if other or self.layout is None:
            return np.full(len(family.setups), not other)
        return rows_of_layout(family.setups.degrees, self.layout)


@dataclass(slots=True)
class _Search:
    """Finds the best deployment of a scenario without some combinations."""

    resolved: ResolvedScenario
    objective: str
    preference: float
    differ: frozenset[str]
    measure: Measure
    run: Run
    solves: int = 0

    def listed(self, within: float, count: int | None) -> Listed:
        """Alternatives, the optimum first.

        Raises
        ------
        InfeasibleError, SearchStoppedError
            There is no deployment, or none was found.
        """

        def is_beyond(_first: Alternative, best: Alternative) -> bool:
            return best.status is Status.OPTIMAL

        try:
            return listing(self._next_best, is_beyond, within, count)
        except Stopped as stop:
            raise SearchStoppedError(f"the search ended ({stop.reason}) before it found a deployment") from stop

    def _next_best(self, before: list[Alternative]) -> Alternative | None:
        left_out = [self._left_out(each.deployment) for each in before if each.deployment is not None]

        def kept(family: Family) -> NDArray[np.bool_]:
            found = np.ones(len(family.setups), dtype=bool)
            for each in left_out:
                found &= ~each.holds(family)
            return found

        self.run.ask(f"looking for alternative {len(before)}" if before else "looking for the optimum")
        space = design_space_of(self.resolved, ask=self.run.ask, measure=self.measure, kept=kept if left_out else None)
        prober = Prober(space, self.run)
        sweep: Sweep = search_of_one(self.objective, self.preference)(prober)
        self.solves = self.run.solves
        if sweep.stopped is not None and (before or not sweep.points):
            raise Stopped(sweep.stopped)
        if not sweep.points and not before:
            raise InfeasibleError(*why_infeasible(self.resolved, space, self.run.ask))
        if not sweep.points:
            return None
        (best,) = describe(space, sweep.answer())
        value = value_of(best, self.objective, self.preference, self.measure)
        excess = excess_of(self.objective, value, before[0].objective) if before else 0.0
        return Alternative(excess, value, best.status, best.gap, (combination_of(best, self.differ),), best, None)

    def _left_out(self, answer: Deployment) -> _LeftOut:
        return _LeftOut(
            accelerator=answer.accelerator if "accelerator" in self.differ else None,
            engine=answer.engine if "engine" in self.differ else None,
            layout=answer.parallelism if "layout" in self.differ else None,
        )


def value_of(answer: Deployment, objective: str, preference: float, measure: Measure) -> float:
    """What a deployment comes to in the objective; see :class:`~ieco_opt.results.alternatives.Alternative`."""
    if objective == "preferred":
        return score(answer.latency_s, answer.cost_usd_per_mtok, preference)
    return answer.latency_s if objective == "fastest" else taken_by(answer, measure)


def excess_of(objective: str, value: float, best: float) -> float:
    """By how much a value of the objective is worse than the optimum, as a share."""
    if objective == "preferred":
        return max(0.0, float(np.expm1(min(best - value, _LARGEST))))
    if objective == "throughput":
        # Of an optimum that serves nothing nothing is worse.
        return max(0.0, 1.0 - value / best) if best else 0.0
    return relative_excess(value, best)


def combination_of(answer: Deployment, differ: Collection[str]) -> Combination:
    """What a deployment has of what answers are to differ in."""
    return Combination(
        accelerator=answer.accelerator if "accelerator" in differ else None,
        engine=answer.engine if "engine" in differ else None,
        layout=replace(answer.parallelism, redundant_experts=0).short() if "layout" in differ else None,
    )


def relative_excess(value: float, least: float) -> float:
    """By how much a value is above the least one, as a share of it; inf where that is 0 and the value is not."""
    if least:
        return max(0.0, value / least - 1.0)
    return math.inf if value else 0.0
