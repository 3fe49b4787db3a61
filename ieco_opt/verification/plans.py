"""What a result says of its plans together: their order, and what is guaranteed of the plans that it does not list."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ieco_opt.fleet.speeds import STEP
from ieco_opt.fleet.verify import margin_of_row, objectives_of, plan_problems
from ieco_opt.fleet.verify_summaries import covered, summary_problems
from ieco_opt.results.agreement import EXACT, same, shown
from ieco_opt.results.guarantee import CLOSED, GuaranteeKind, Status
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import ResolvedFleet, ResolvedWorkload

BEFORE_LEVELS = "0.1."
"""Versions whose plans do not say what chose them."""


def unchecked(result: FleetResult) -> Iterator[str]:
    """What only a solver could confirm of the plans of a result."""
    yield "that the bounds of plans are right, which only a solver can say (gaps and status follow from them)"
    if result.is_frontier:
        yield "of plans that are not listed, that none lies where guarantee.between says `proven`"
        yield "that nothing was taken from either end of the list of plans"
    if any(plan.next_cheaper for plan in result.plans):
        yield "what a better plan would violate (next_cheaper)"
    if result.question.against != "speed" and any(map(_lacks_speed_level, result.plans)):
        asked = (each.operating_points for each in result.scenario.workloads if each.min_speed is not None)
        listed = (point for points in asked if isinstance(points, tuple) for point in points)
        if any(point.speed_tokens_per_s is None for point in listed):
            yield "that instances of unknown speed make the speed no criterion (levels)"
    if any(len(workload.classes) > 1 for workload in result.scenario.workloads):
        yield "of a request mix, which instances serve how much of which class, and so what energy that takes"


def of_the_plans(result: FleetResult, resolved: ResolvedFleet) -> Iterator[str]:
    """Every plan but for the figures of the performance model, and the plans against each other."""
    for at, plan in enumerate(result.plans):
        asked = resolved.at_demand(plan.demand_factor)
        problems = [
            *of_the_plan(result, resolved, plan),
            *_next_cheaper(asked, plan),
            *of_the_levels(result, asked, plan),
        ]
        yield from (f"plans[{at}]: {problem}" for problem in problems)
    if result.is_frontier:
        yield from _order(result)
        yield from _coverage(result)


def of_the_plan(result: FleetResult, resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """One plan but for the figures of the performance model and what chose it."""
    asked = resolved.at_demand(plan.demand_factor)
    yield from plan_problems(asked, plan)
    yield from summary_problems(asked, result.question, plan)
    yield from _speed_factor(result, asked, plan)
    yield from _demand_factor(result, asked, plan)


def attained_factor(resolved: ResolvedFleet, plan: FleetPlan) -> float | None:
    """Greatest common factor on all least speeds that the rows of a plan meet, with the error of the model.

    ``None`` where no speeds are known.
    """
    least = {each.workload.name: each.workload.min_speed for each in resolved.workloads}
    factors = [
        row.speed_tokens_per_s / margin_of_row(resolved, row) / asked
        for row in plan.instances
        if row.phase != "prefill"
        and row.speed_tokens_per_s is not None
        and (asked := least.get(row.workload)) is not None
    ]
    return min(factors, default=None)


def _speed_factor(result: FleetResult, resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """The factor is what the instances attain; 1 where no speed is asked for or known."""
    found, attained = plan.speed_factor, attained_factor(resolved, plan)
    sought = result.question.against == "speed" or any(level.criterion == "speed_factor" for level in plan.levels)
    if attained is None:
        if found != 1.0 or sought:
            unknown = "though no speed is asked for or known (question.against, levels)"
            yield f"speed_factor: found {shown(found)}, {unknown}"
    elif abs(found - attained) > EXACT * attained and not _is_old(result, plan):
        yield f"speed_factor: found {shown(found)}, its instances attain {shown(attained)}"


def _demand_factor(result: FleetResult, asked: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """The factor is what the instances serve where throughput is sought; otherwise the demand is what it is."""
    if "throughput" not in (result.question.objective, result.question.against):
        if plan.demand_factor != 1.0:
            yield f"demand_factor: found {shown(plan.demand_factor)}, expected 1 where no throughput is sought"
        return
    beyond = min((covered(asked, each, plan) for each in asked.workloads), default=1.0)
    if abs(beyond - 1.0) > EXACT:
        served = shown(plan.demand_factor * beyond)
        yield f"demand_factor: found {shown(plan.demand_factor)}, its instances serve {served}"


def _is_old(result: FleetResult, plan: FleetPlan) -> bool:
    """Whether a plan is of a version that named a factor up to 1e-7 below what its instances attain, or 1."""
    return result.versions.ieco_opt.startswith(BEFORE_LEVELS) and not plan.levels


def of_the_levels(result: FleetResult, resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """The criteria that chose a plan: their order, what the plan comes to in each, and that bounds fit."""
    if not plan.levels:
        if result.stopped is None and not result.versions.ieco_opt.startswith(BEFORE_LEVELS):
            yield "levels: found none, expected what chose the plan among equally good ones"
        return
    expected = _criteria(result, resolved, plan)
    found = [level.criterion for level in plan.levels]
    if [name for name in found if name != "speed_factor"] != [name for name in expected if name != "speed_factor"]:
        yield f"levels: criterion: found {', '.join(found)}, expected {', '.join(expected)}"
        return
    known = any(map(_has_known_speeds, resolved.workloads))
    if found != [name for name in expected if name in found or (known and name == "speed_factor")]:
        yield f"levels: criterion: found {', '.join(found)}, expected the order {', '.join(expected)}"
    for at, level in enumerate(plan.levels):
        if level.criterion not in expected:
            continue
        where, value = f"levels[{at}]", expected[level.criterion]
        more = level.criterion in ("speed_factor", "slack")
        scale = 1.0 + level.value if level.criterion == "slack" else max(level.value, EXACT)
        # Slack is a share of capacity over demand, and a difference of it from 1.
        if abs(level.value - value) > (1e-12 if level.criterion == "slack" else 0.0) + EXACT * value:
            yield f"{where}: value: found {shown(level.value)}, the plan comes to {shown(value)}"
        if level.bound is not None and (level.bound < level.value if more else level.bound > level.value):
            yield f"{where}: bound: found {shown(level.bound)}, which the value is better than"
        closed = level.bound is not None and abs(level.bound - level.value) <= CLOSED * scale
        if closed != (level.status is Status.OPTIMAL):
            between = f"a value of {shown(level.value)} and a bound of {shown(level.bound)}"
            yield f"{where}: status: found {level.status} with {between}"


def _has_known_speeds(workload: ResolvedWorkload) -> bool:
    """Whether the factor is a criterion: some factor is too great for a workload all whose instances have a speed.

    The model gives every instance that it prices one; operating points may leave it open.
    """
    decoding = (point for point, pools in workload.points if pools and point.phase != "prefill")
    return workload.workload.min_speed is not None and all(point.speed_tokens_per_s is not None for point in decoding)


def _lacks_speed_level(plan: FleetPlan) -> bool:
    return all(level.criterion != "speed_factor" for level in plan.levels)


def _criteria(result: FleetResult, resolved: ResolvedFleet, plan: FleetPlan) -> dict[str, float]:
    """What a plan comes to in each criterion, in their order."""
    other = "speed_factor" if result.question.against == "speed" else result.question.against
    settled: set[str | None] = {result.question.objective or "cost", other}
    if "throughput" in settled:
        # A plan that serves as much as it can has no slack to choose by.
        settled |= {"slack"}
    loaded = resolved.energy_matters(result.question.objective)
    counted = [each for each in resolved.workloads if not loaded or len(each.workload.classes) == 1]
    multiples = [covered(resolved, each, plan) for each in counted]
    values = {
        "cost": plan.usd_per_hour,
        "speed_factor": plan.speed_factor,
        "slack": max(0.0, min(multiples, default=1.0) - 1.0),
        "gpus": float(plan.gpus),
        "instances": float(sum(row.instances for row in plan.instances)),
    }
    # Where energy matters, mixes are spread for it, and their slack is no criterion.
    return {name: value for name, value in values.items() if name not in settled and (counted or name != "slack")}


def _next_cheaper(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[str]:
    """Requirements once each, the least share first, whose amounts are those shares; with each a plan is better."""
    required = _required(resolved)
    names = [each.requirement for each in plan.next_cheaper]
    if len(set(names)) < len(names):
        yield "next_cheaper: a requirement is there twice"
    shares = [(each.amount is None, each.share is None, each.share or 0.0) for each in plan.next_cheaper]
    if shares != sorted(shares):
        yield "next_cheaper: are not in the order of their shares"
    for at, each in enumerate(plan.next_cheaper):
        where = f"next_cheaper[{at}]"
        if each.requirement not in required:
            yield f"{where}: requirement: found '{each.requirement}', which is none of the scenario"
            continue
        whole, unit = required[each.requirement]
        if each.unit != unit:
            yield f"{where}: unit: found {each.unit}, expected {unit}"
        if each.amount is None:
            if each.share is not None or each.objective is not None:
                yield f"{where}: amount: found null beside a share or an objective"
            continue
        share = each.amount / whole if whole else None
        if not same(each.share, share):
            yield f"{where}: share, amount: found {shown(each.share)}, the amount is {shown(share)} of {whole:.9g}"
        if each.objective is None or each.objective >= plan.objective:
            yield f"{where}: objective: found {shown(each.objective)}, not below that of the plan"


def _required(resolved: ResolvedFleet) -> dict[str, tuple[float, str]]:
    """What can be relaxed: how much is required, and its unit."""
    limits = resolved.fleet.limits
    found: dict[str, tuple[float, str]] = {}
    for each in resolved.workloads:
        asked = each.workload
        found[f"demand of {asked.name}"] = (asked.demand * (1.0 + asked.headroom), "requests/s")
    for pool in resolved.pools:
        found[f"capacity of {pool.name}"] = (float(pool.gpus // pool.node_size * pool.node_size), "GPUs")
        if pool.max_power_kw is not None:
            found[f"max_power_kw of {pool.name}"] = (pool.max_power_kw, "kW")
    for name, unit in (("max_usd_per_hour", "$/h"), ("max_power_kw", "kW"), ("max_gpus", "GPUs"), *_OF_ENERGY):
        most = getattr(limits, name)
        if most is not None:
            found[f"limits.{name}"] = (float(most), unit)
    return found


_OF_ENERGY = (("max_energy_kw", "kW"), ("max_carbon_kg_per_hour", "kg/h"))
"""Limits on energy, and their units."""


def objectives(result: FleetResult) -> list[tuple[float, float]]:
    """Both objectives of each plan of a frontier."""
    return [objectives_of(plan, result.question.against or "speed") for plan in result.plans]


def _order(result: FleetResult) -> Iterator[str]:
    """Plans go from cheap to expensive, and each is better than the one before; so none dominates another."""
    for at, (before, after) in enumerate(pairwise(objectives(result)), start=1):
        if after[0] <= before[0]:
            yield f"plans[{at}]: usd_per_hour: is not more expensive than the plan before it"
        if after[1] >= before[1]:
            yield f"plans[{at}]: is not better in {result.question.against} than the plan before it"


def _coverage(result: FleetResult) -> Iterator[str]:
    guarantee, delta = result.guarantee, result.question.delta or 0.0
    if guarantee.kind is GuaranteeKind.PARTIAL:
        return
    kind = GuaranteeKind.COMPLETE if delta == 0.0 else GuaranteeKind.COVERED
    if guarantee.kind is not kind:
        yield f"guarantee.kind: found {guarantee.kind}, expected {kind} as question.delta asks for"
    gap = max((plan.gap for plan in result.plans), default=0.0)
    expected = delta if gap <= STEP else (1.0 + delta) * (1.0 + gap) - 1.0
    if not same(guarantee.coverage, expected):
        because = "as question.delta asks for" + ("" if gap <= STEP else f", with a gap of {gap:.3g}")
        yield f"guarantee.coverage: found {shown(guarantee.coverage)}, expected {expected:.12g} {because}"
