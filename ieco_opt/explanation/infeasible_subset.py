"""An infeasible scenario: which limits contradict each other, and the least change that helps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ieco_opt.design_space.dominance import STRICT
from ieco_opt.explanation.bounds import Bounds, Limit
from ieco_opt.explanation.search import best, reach
from ieco_opt.explanation.sensitivity import Question
from ieco_opt.results.explanation import InfeasibleSubset, LimitRelaxation

SAME_SHARE = 1e-9
"""How closely, relatively, the share is found by which several limits are loosened."""


def infeasible_subset_of(question: Question) -> InfeasibleSubset:
    """Explain why nothing meets the bounds of a question."""
    present = question.bounds.present()
    if not question.pool.feasible(question.bounds.without(present)):
        return InfeasibleSubset(members=(), together=(), rejected=dict(question.pool.rejected))
    members = irreducible(question)
    changes = tuple(_least_change(question, limit) for limit in members)
    if any(change.needed is not None for change in changes):
        return InfeasibleSubset(members=changes, together=(), rejected={})
    return InfeasibleSubset(members=changes, together=_together(question, _fewest(question)), rejected={})


def irreducible(question: Question) -> tuple[Limit, ...]:
    """Limits that no deployment meets together, though without any one of them some would: an irreducible subset."""
    kept = list(question.bounds.present())
    everything = tuple(kept)
    for limit in everything:
        others = [each for each in kept if each is not limit]
        if not question.pool.feasible(_only(question.bounds, others)):
            kept = others
    return tuple(reversed(kept))


def _only(bounds: Bounds, limits: Sequence[Limit]) -> Bounds:
    return bounds.without([limit for limit in bounds.present() if limit not in limits])


def _least_change(question: Question, limit: Limit) -> LimitRelaxation:
    """Least change of one limit that makes the scenario feasible while the others stay."""
    value = reach(question.pool, question.bounds, limit)
    if value is None:
        return _change(question, limit, None, question.bounds)
    needed = _slackened(limit, value)
    return _change(question, limit, needed, _changed(question.bounds, limit, needed))


def _changed(bounds: Bounds, limit: Limit, needed: float) -> Bounds:
    if limit is Limit.BATCHES:
        return bounds.given(limit, tuple(sorted({*bounds.value(limit), int(needed)})))
    return bounds.given(limit, needed)


def _slackened(limit: Limit, value: float) -> float:
    """Loosen a value that a latency or a memory reaches by rounding, which may come out otherwise next time."""
    if limit in (Limit.BATCH_MIN, Limit.BATCH_MAX, Limit.BATCHES, Limit.MAX_GPUS, Limit.MAX_POWER):
        return value
    slackened = value * STRICT if limit.is_least else value / STRICT
    return min(1.0, slackened) if limit is Limit.MEMORY else slackened


def _change(question: Question, limit: Limit, needed: float | None, bounds: Bounds) -> LimitRelaxation:
    pick = None if needed is None else best(question.pool, bounds, question.goal)
    common: dict[str, Any] = {"limit": str(limit), "value": question.bounds.value(limit), "unit": limit.unit}
    best_now = None if pick is None else question.described(pick, bounds)
    return LimitRelaxation(**common, needed=needed, deployment=best_now)


def _fewest(question: Question) -> tuple[Limit, ...]:
    """The fewest limits without which the scenario is feasible."""
    present = tuple(reversed(question.bounds.present()))
    for count in range(1, len(present)):
        for limits in combinations(present, count):
            if question.pool.feasible(question.bounds.without(limits)):
                return limits
    return present


def _together(question: Question, limits: tuple[Limit, ...]) -> tuple[LimitRelaxation, ...]:
    """Loosen some limits by the same share, the least that helps, found by bisection."""
    if Limit.BATCHES in limits:
        # A list cannot be loosened by a share.
        return tuple(_change(question, limit, None, question.bounds) for limit in limits)

    def loosened(share: float) -> Bounds:
        bounds = question.bounds
        for limit in limits:
            bounds = bounds.given(limit, _by_share(limit, bounds.value(limit), share))
        return bounds

    fails, helps = 0.0, 1.0
    while not len(cells := question.pool.ranges(loosened(helps))):
        fails, helps = helps, 2.0 * helps
    while helps - fails > SAME_SHARE * helps:
        middle = (fails + helps) / 2.0
        # What a looser bound excludes, a tighter one does too.
        left = question.pool.ranges(loosened(middle), np.unique(cells.row))
        if len(left):
            helps, cells = middle, left
        else:
            fails = middle
    bounds = loosened(helps)
    return tuple(_change(question, limit, bounds.value(limit), bounds) for limit in limits)


def _by_share(limit: Limit, value: float, share: float) -> float:
    loose = value / (1.0 + share) if limit.is_least else value * (1.0 + share)
    if limit.is_whole:
        return max(1, int(-(-loose // 1))) if limit.is_least else int(loose)
    return min(1.0, loose) if limit is Limit.MEMORY else loose
