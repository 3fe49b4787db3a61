"""What is proven of deployments, looked for a contradiction among all deployments of the scenario, without a solver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ieco_opt.design_space.dominance import STRICT
from ieco_opt.explanation.search import Goal, best
from ieco_opt.pareto.describe import taken_by
from ieco_opt.performance.energy import Measure
from ieco_opt.results.agreement import EXACT, same, shown
from ieco_opt.results.answer import Question
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import CLOSED, Box, Guarantee, GuaranteeKind, Status
from ieco_opt.verification.everything import Everything, Found

MOST_CAPS = 100_000
"""Caps of a sampled frontier that are looked at one by one; no search takes so many steps."""

_MORE = 1.0 + EXACT
"""By how much a deployment has to be better before it contradicts anything."""


def unchecked(result: Frontier | Explanation | Comparison) -> Iterator[str]:
    """What of a proof could be otherwise without being wrong."""
    if any(each.cost_cap is not None for each in result.deployments):
        yield "under which cap each step ran (cost_cap), but for what it proves"
    if result.guarantee.kind is GuaranteeKind.PARTIAL:
        yield "how far the search had come: open_regions may be larger than it left them, and a status less certain"


def of_the_proof(deployments: Sequence[Deployment], everything: Everything) -> Iterator[str]:
    """Deployments that contradict what each point claims: its bound, and that nothing dominates it."""
    for at, one in enumerate(deployments):
        cost = taken_by(one, everything.pool.measure)
        cap = max(cost, one.cost_cap or 0.0)
        faster = everything.fastest(speed=one.bound * _MORE, cost=cap) if np.isfinite(one.bound) else None
        if faster is not None:
            yield f"deployments[{at}]: bound: found {one.bound:.12g}, but there is {faster}"
        if one.status is not Status.OPTIMAL:
            continue
        speed = one.speed_tokens_per_s
        for better in (
            everything.fastest(speed=speed * _MORE, cost=cost),
            everything.fastest(speed=speed / _MORE, cost=cost / _MORE**2),
        ):
            if better is not None:
                yield f"deployments[{at}]: is dominated by {better}"
                break


def of_the_guarantee(result: Frontier | Comparison, everything: Everything) -> Iterator[str]:
    """Whether the answer is the best, or its points cover all deployments as far as is guaranteed."""
    question, guarantee, listed = result.question, result.guarantee, result.deployments
    if not listed and guarantee.kind is not GuaranteeKind.PARTIAL:
        return
    if question.kind == "solve":
        if guarantee.kind is GuaranteeKind.SINGLE:
            yield from not_the_best(question, listed, everything)
        return
    if guarantee.kind in (GuaranteeKind.COMPLETE, GuaranteeKind.COVERED):
        expected = max(question.delta or 0.0, result.solver.largest_gap)
        kind = GuaranteeKind.COMPLETE if question.delta == 0.0 else GuaranteeKind.COVERED
        if guarantee.kind is not kind:
            yield f"guarantee.kind: found {guarantee.kind}, expected {kind} as question.delta asks for"
        if not same(guarantee.coverage, expected):
            wanted = f"expected {expected:.12g} as question.delta asks for"
            yield f"guarantee.coverage: found {shown(guarantee.coverage)}, {wanted}"
        for at, one in enumerate(listed):
            if one.gap > max(expected, CLOSED):
                yield f"deployments[{at}]: gap: found {one.gap:.6g}, more than the coverage of {expected:g}"
        yield from _uncovered(listed, guarantee.coverage or 0.0, guarantee, everything)
    elif guarantee.kind is GuaranteeKind.SAMPLED:
        yield from _other_samples(question, listed, everything)
    else:
        coverage = max(question.delta or 0.0, result.solver.largest_gap)
        yield from _uncovered(listed, coverage if question.points is None else None, guarantee, everything)


def not_the_best(question: Question, listed: Sequence[Deployment], everything: Everything) -> Iterator[str]:
    """Deployments that are worse in what was asked than another of those that are searched."""
    goal = Goal(question.objective or "fastest", question.preference or 0.0)
    exact = best(everything.pool, everything.bounds, goal, np.unique(everything.parts.row))
    for one in listed:
        found = (
            None if exact is None else Found(everything.pool, exact.row, exact.batch, 1.0 / exact.latency_s, exact.cost)
        )
        if found is None or _is_better(goal, found, one, everything.pool.measure):
            yield f"question.objective: the deployment is not the one that is {goal.objective}, which is {found}"


def _is_better(goal: Goal, found: Found, one: Deployment, measure: Measure) -> bool:
    if one.status is not Status.OPTIMAL:
        return False
    faster, cheaper = found.speed / one.speed_tokens_per_s, taken_by(one, measure) / found.cost
    if goal.objective == "preferred":
        return bool(goal.exponent * np.log(faster) + np.log(cheaper) > EXACT)
    return (faster if goal.objective == "fastest" else cheaper) > _MORE


def _uncovered(
    listed: Sequence[Deployment], delta: float | None, guarantee: Guarantee, everything: Everything
) -> Iterator[str]:
    """Deployments that no listed one covers, but for those that a stopped search says it left open.

    Points go from fast and expensive to slow and cheap. What none covers is, for some neighbours, faster than the
    slower one by more than 1 + delta, and cheaper than the faster one by more than 1 + delta.
    """
    if delta is None:
        return
    factor = (1.0 + delta) * _MORE
    speeds = [*(one.speed_tokens_per_s * factor for one in listed), 0.0]
    costs = [np.inf, *(one.cost_usd_per_mtok / factor for one in listed)]
    for at, (speed, cost) in enumerate(zip(speeds, costs, strict=True)):
        missing = everything.fastest(speed=speed, cost=cost)
        while missing is not None and (box := _left_open(missing, guarantee.open_regions)) is not None:
            # What is slower than all of the box is slower than the neighbour too; then only what is cheaper is left.
            whole = box.latency_hi_s * _MORE * speed >= 1.0
            missing = everything.fastest(speed=speed, cost=(box.cost_lo if whole else missing.cost) * STRICT)
        if missing is not None:
            between = f"between deployments[{at - 1}] and [{at}]" if 0 < at < len(listed) else "beyond the ends"
            field = "coverage" if guarantee.stopped is None else "open_regions"
            yield f"guarantee.{field}: {missing} is not covered to {delta:g} ({between})"


def _left_open(found: Found, boxes: Sequence[Box]) -> Box | None:
    """The box that holds a deployment; of several, the one that reaches the furthest."""
    latency = 1.0 / found.speed
    around = [
        box
        for box in boxes
        if box.latency_lo_s / _MORE <= latency <= box.latency_hi_s * _MORE
        and box.cost_lo / _MORE <= found.cost <= box.cost_hi * _MORE
    ]
    return max(around, key=lambda box: box.latency_hi_s, default=None)


def _other_samples(question: Question, listed: Sequence[Deployment], everything: Everything) -> Iterator[str]:
    """Points of the sampled frontier that are not listed, and listed ones that are none of its points."""
    if (question.points or 0) > MOST_CAPS:
        yield f"question.points: found {question.points}, expected at most {MOST_CAPS} for a check"
        return
    first, last = everything.fastest(), listed[-1]
    caps = [np.inf]
    if len(listed) > 1 and question.points is not None:
        ends = last.cost_usd_per_mtok, listed[0].cost_usd_per_mtok
        caps += [float(cap) for cap in np.geomspace(*ends, question.points)[1:-1]] + [ends[0] / STRICT]
    expected = [first] + [everything.fastest(cost=cap) for cap in caps[1:]]
    cheaper = everything.fastest(cost=last.cost_usd_per_mtok / _MORE)
    if cheaper is not None:
        yield f"deployments[{len(listed) - 1}]: is not the cheapest, which {cheaper} is"
    speeds = [each.speed for each in expected if each is not None]
    for at, one in enumerate(listed):
        if not any(same(one.speed_tokens_per_s, speed) for speed in speeds):
            yield f"deployments[{at}]: is the fastest under none of the {question.points} caps of question.points"
    for each in expected:
        if each is not None and not any(same(one.speed_tokens_per_s, each.speed) for one in listed):
            yield f"deployments: {each} is missing, the fastest under one of the {question.points} caps"
