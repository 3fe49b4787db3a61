"""A feasible scenario: where the time goes, what each limit costs, and which setups come next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ieco_opt.design_space.dominance import STRICT
from ieco_opt.explanation.bounds import Bounds, Limit, one_unit
from ieco_opt.explanation.pool import Pool
from ieco_opt.explanation.search import Goal, Pick, best, reach
from ieco_opt.explanation.token_parts import parts_of_pass
from ieco_opt.pareto.describe import describe
from ieco_opt.pareto.points import Certificate, Point
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.times import PassTime
from ieco_opt.results.deployment import RESOURCES, Bottleneck, Deployment
from ieco_opt.results.explanation import LimitEffect, Loosened, MarginCost, RunnerUp, TimeShare
from ieco_opt.results.fleet_explanation import Term
from ieco_opt.results.guarantee import Status

RUNNER_UPS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A pool, the bounds of its scenario, and what is asked of it."""

    pool: Pool
    bounds: Bounds
    goal: Goal

    def best(self, bounds: Bounds) -> Pick:
        """Best deployment under bounds that are known to leave one."""
        pick = best(self.pool, bounds, self.goal)
        assert pick is not None
        return pick

    def described(self, pick: Pick, bounds: Bounds | None = None) -> Deployment:
        """The deployment of a pick under ``bounds``, by default the question's; none of the same cost is faster."""
        certificate = Certificate(cost_cap=np.inf, latency_bound_s=pick.latency_s, gap=0.0, status=Status.OPTIMAL)
        point = Point(pick.row, pick.batch, pick.latency_s, pick.cost, certificate)
        return describe(self.pool.space(bounds or self.bounds), [point])[0]


def times_of(pool: Pool, pick: Pick) -> tuple[TimeShare, ...]:
    """The four times of the model, and apart from them those of the draft model if there is one.

    Of memory and compute the lesser is hidden behind the other. What a calibrated pass adds to the longer of the two,
    attention and prompts, goes on behind nothing: a time of which a part is hidden is told in two.
    """
    row, batch = pool.alternatives.take(np.array([pick.row])), np.array([float(pick.batch)])
    passes: list[tuple[Literal["model", "draft"], PassTime, float]] = [("model", row.model, row.model_share[0])]
    if row.draft_share[0] > 0.0:
        passes.append(("draft", row.draft, row.draft_share[0]))
    return tuple(
        TimeShare(part, name, float(share * seconds), float(share * seconds / pick.latency_s), hidden=hidden)
        for part, time, share in passes
        for name, seconds, hidden in _seen_and_hidden(time, batch)
    )


_RESOURCE_OF: dict[Term, Bottleneck] = {
    "launch overhead": "launch overhead",
    "network": "network",
    "weights": "memory",
    "cache": "memory",
    "compute": "compute",
    "prompts": "compute",
}


def _seen_and_hidden(time: PassTime, batch: Array) -> Iterator[tuple[Bottleneck, float, bool]]:
    """Times of one pass: what of each is seen, and what is hidden."""
    seconds: dict[tuple[Bottleneck, bool], float] = {("launch overhead", False): 0.0, ("network", False): 0.0}
    for part in parts_of_pass(time, batch):
        at = _RESOURCE_OF[part.term], part.hidden
        seconds[at] = seconds.get(at, 0.0) + part.seconds
    for resource in RESOURCES.values():
        for hidden in (False, True):
            if (resource, hidden) in seconds:
                yield resource, seconds[resource, hidden], hidden


def limit_effects(question: Question, winner: Pick) -> Iterator[LimitEffect]:
    """Solve without each limit, and with those that bind relaxed by one unit."""
    for limit in reversed(question.bounds.present()):
        unit = one_unit(question.bounds, limit, question.pool.gpu_counts())
        common: dict[str, Any] = {
            "limit": str(limit),
            "value": question.bounds.value(limit),
            "unit": limit.unit,
            "step": None if unit is None else unit[1],
        }
        free = question.best(question.bounds.without([limit]))
        if not question.goal.beats(free, winner):
            yield LimitEffect(**common, binds=False, relaxed=None, removed=None, improves_from=None)
            continue
        relaxed = None
        if unit is not None:
            looser = question.bounds.given(limit, unit[0])
            relaxed = _loosened(question, winner, unit[0], looser, question.best(looser))
        removed = _loosened(question, winner, None, question.bounds.without([limit]), free)
        start = _improves_from(question, winner, limit)
        yield LimitEffect(**common, binds=True, relaxed=relaxed, removed=removed, improves_from=start)


def margin_cost(question: Question, winner: Pick | None) -> MarginCost | None:
    """Solve with no error of the model; ``None`` where the scenario plans with none."""
    if question.pool.resolved.scenario.model_error == 0.0:
        return None
    pick = best(question.pool.without_margin(), question.bounds, question.goal)
    if pick is None:
        return MarginCost(None, None)
    if winner is None:
        return MarginCost(question.described(pick), None)
    if not question.goal.beats(pick, winner):
        return MarginCost(question.described(winner), 0.0)
    return MarginCost(question.described(pick), max(0.0, question.goal.advantage(pick, winner)))


def _improves_from(question: Question, winner: Pick, limit: Limit) -> float | None:
    """The least change of a limit that lets in anything faster, or cheaper, than the winner."""
    bounds, strictly = question.bounds, 1.0 / STRICT
    if limit is Limit.BATCHES or question.goal.objective == "preferred":
        return None
    if question.goal.objective == "fastest":
        better = replace(bounds, least_speed=strictly / winner.latency_s)
    else:
        better = replace(bounds, most_taken=winner.cost / strictly)
    return reach(question.pool, better, limit)


def _loosened(question: Question, winner: Pick, value: float | None, bounds: Bounds, pick: Pick) -> Loosened:
    if not question.goal.beats(pick, winner):
        return Loosened(value, question.described(winner, bounds), 0.0)
    return Loosened(value, question.described(pick, bounds), max(0.0, question.goal.advantage(pick, winner)))


def binding_together(question: Question, winner: Pick) -> tuple[str, ...]:
    """Fewest limits whose joint removal changes the optimum, given that no limit does alone."""
    present = question.bounds.present()
    if not question.goal.beats(question.best(question.bounds.without(present)), winner):
        return ()
    for count in range(2, len(present)):
        for limits in combinations(reversed(present), count):
            if question.goal.beats(question.best(question.bounds.without(limits)), winner):
                return tuple(map(str, limits))
    return tuple(map(str, reversed(present)))


def runner_ups(question: Question, winner: Pick) -> Iterator[RunnerUp]:
    """Best deployment of the setups that are left, again and again.

    Each one is the optimum of the pool without the setups ranked before it, which nothing has been dropped from.
    """
    keys = question.pool.setup_keys()
    left = keys != keys[winner.row]
    for _ in range(RUNNER_UPS):
        pick = best(question.pool, question.bounds, question.goal, np.flatnonzero(left))
        if pick is None:
            return
        yield RunnerUp(question.described(pick), max(0.0, loss(question.goal, pick, winner)))
        left &= keys != keys[pick.row]


def loss(goal: Goal, pick: Pick, winner: Pick) -> float:
    """How much slower, more expensive or lower in the objective a deployment is than a better one, as a share."""
    if goal.objective == "fastest":
        return 1.0 - winner.latency_s / pick.latency_s
    if goal.takes_least:
        return pick.cost / winner.cost - 1.0
    return -float(np.expm1(goal.score(pick) - goal.score(winner)))
