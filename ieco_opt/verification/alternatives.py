"""Near-optimal alternatives checked without a solver: each answer by itself, and all of them against each other.

Of deployments every step is searched again among all configurations, without the combinations of those before. Of plans
what only a solver could confirm is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.pareto.alternatives import combination_of, excess_of, value_of
from ieco_opt.pareto.describe import rows_of_layout
from ieco_opt.performance.energy import Measure
from ieco_opt.results.agreement import differences, exceeds, shown
from ieco_opt.results.alternatives import OF_DEPLOYMENTS, OF_FLEETS, Alternative, Alternatives, Combination
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.encoding import plain
from ieco_opt.results.guarantee import CLOSED, Guarantee, GuaranteeKind, Status
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import Fleet, ResolvedFleet, ResolvedScenario
from ieco_opt.verification.consistency import of_the_gap, own_contradictions
from ieco_opt.verification.deployments import DeploymentModel
from ieco_opt.verification.everything import Everything
from ieco_opt.verification.frontiers import not_the_best, of_the_proof
from ieco_opt.verification.plan_figures import PlanModel
from ieco_opt.verification.plans import of_the_levels, of_the_plan

_FIRST = "deployments[0]: "
_WHOLE = Guarantee(GuaranteeKind.SINGLE)
_NUMBER = re.compile(r" \(\d+\)$")
"""What tells instance types of one name apart."""


def unchecked(result: Alternatives) -> Iterator[str]:
    """What only a solver could confirm."""
    if result.of_fleet:
        yield "that the bounds of plans are right, which only a solver can say (gaps and status follow from them)"
        yield "that no plan is missing from the list: that each is the best which lacks something of each one before it"
        if result.ended == "exhausted":
            yield "that no other plan is feasible (ended)"
    elif any(each.deployment is not None and each.deployment.cost_cap is not None for each in result.every):
        yield "under which cap each step ran (cost_cap), but for what it proves"
    if result.stopped is not None:
        yield "how far the search had come: alternatives that the list lacks, and a status less certain"


def named(result: Alternatives) -> list[tuple[str, Alternative]]:
    """Alternatives with their places in the file."""
    listed = [(f"found[{at}]", each) for at, each in enumerate(result.found)]
    return listed if result.next_one is None else [*listed, ("next_one", result.next_one)]


def of_the_list(result: Alternatives, measure: Measure) -> Iterator[str]:
    """Everything but the answers themselves: objectives, shares, order, combinations, and why the list ends."""
    known = OF_FLEETS if result.of_fleet else OF_DEPLOYMENTS
    wrong = [name for name in result.differ if name not in known]
    if wrong or not result.differ or len(set(result.differ)) < len(result.differ):
        yield f"differ: found {', '.join(result.differ) or 'nothing'}, expected some of {', '.join(known)}, each once"
    every = named(result)
    for at, (name, each) in enumerate(every):
        yield from (f"{name}: {problem}" for problem in _own(result, each, measure))
        # Of an answer that is not proven the best what comes after it may be better.
        if at and each.excess < every[at - 1][1].excess - CLOSED and every[at - 1][1].gap <= CLOSED:
            yield f"{name}: excess: found {shown(each.excess)}, less than that of the one before it"
        for other, before in every[:at]:
            if set(before.combinations) <= set(each.combinations):
                yield f"{name}: combinations: has everything that {other} uses, expected something given up"
    for name, each in every:
        if name != "next_one" and exceeds(each.excess, result.within):
            yield f"{name}: excess: found {shown(each.excess)}, more than within = {shown(result.within)}"
    yield from _ended(result)


def of_the_guarantee(result: Alternatives) -> Iterator[str]:
    """What a list of alternatives has no use for."""
    if result.guarantee.open_regions:
        yield "guarantee.open_regions: found some, expected none of alternatives"
    if result.guarantee.between is not None:
        yield "guarantee.between: found a list, expected null of alternatives"


def _own(result: Alternatives, each: Alternative, measure: Measure) -> Iterator[str]:
    """Figures of one alternative that follow from its answer and the first one."""
    answer = each.answer
    if isinstance(answer, Deployment):
        value = value_of(answer, result.objective, result.preference or 0.0, measure)
        combinations = [combination_of(answer, result.differ)]
    else:
        value = answer.objective
        combinations = _used(result, answer)
    best = result.found[0].objective
    expected = {
        "objective": value,
        "status": answer.status,
        "gap": answer.gap,
        "excess": excess_of(result.objective, each.objective, best) if each is not result.found[0] else 0.0,
        "combinations": plain(combinations),
    }
    found = {name: getattr(each, name) for name in expected} | {"combinations": plain(each.combinations)}
    for wrong in differences(found, expected):
        yield f"{wrong} by differ" if wrong.place.startswith("combinations") else str(wrong)


def _used(result: Alternatives, plan: FleetPlan) -> list[Combination]:
    """Combinations of the rows that serve requests."""
    return sorted({_combination(result, row) for row in plan.instances if row.requests_per_s > 0.0}, key=str)


def _combination(result: Alternatives, row: InstanceRow) -> Combination:
    return Combination(
        workload=row.workload,
        pool=row.pool if "pool" in result.differ else None,
        accelerator=row.accelerator if "accelerator" in result.differ else None,
        engine=row.engine if "engine" in result.differ else None,
        layout=_layout(result, row) if "layout" in result.differ else None,
    )


def _layout(result: Alternatives, row: InstanceRow) -> str:
    if row.parallelism is None:
        assert isinstance(result.scenario, Fleet)
        listed = (each.operating_points for each in result.scenario.workloads)
        kinds = {point.kind for points in listed if isinstance(points, tuple) for point in points}
        return row.instance_type if row.instance_type in kinds else _NUMBER.sub("", row.instance_type)
    if row.phase == "prefill":
        return "prefill"
    short = replace(row.parallelism, redundant_experts=0).short()
    return f"{short} decode" if row.phase == "decode" else short


def _ended(result: Alternatives) -> Iterator[str]:
    """Why the list ends, against what it holds."""
    full = result.count is not None and len(result.found) >= result.count
    if full != (result.ended == "count") or (full and len(result.found) != result.count):
        yield f"ended, count: found {result.ended} with {len(result.found)} of {shown(result.count)} asked for (found)"
    last = result.next_one
    if last is None:
        expected = result.ended == "exhausted"
    else:
        if last.excess <= result.within:
            yield f"next_one: excess: found {shown(last.excess)}, not more than within = {shown(result.within)}"
        if last.plan is None:
            expected = last.status is Status.OPTIMAL
        else:
            expected = excess_of(result.objective, last.plan.bound, result.found[0].objective) > result.within
    if result.complete is not expected:
        yield f"complete: found {shown(result.complete)}, expected {shown(expected)} with {result.ended}"


def of_the_deployments(
    result: Alternatives, resolved: ResolvedScenario, model: DeploymentModel | None, everything: Everything | None
) -> Iterator[str]:
    """Every deployment, and that it is the best of what those before leave."""
    accelerators = {each.name: each for each in resolved.accelerators}
    measure = Measure.COST if everything is None else everything.pool.measure
    wrong = False
    for name, each in named(result):
        one = each.deployment
        assert one is not None
        figures = [] if model is None else [problem.removeprefix(_FIRST) for problem in model.problems([one])]
        wrong |= bool(figures)
        unsure = result.stopped is not None or (result.objective == "preferred" and result.solver.largest_gap > CLOSED)
        problems = (*own_contradictions(one, accelerators, measure), *of_the_gap(one, unsure=unsure), *figures)
        yield from (f"{name}: deployment: {problem}" for problem in problems)
    # Of deployments that are not what they say, more than that would be about nothing.
    if everything is not None and not wrong:
        yield from _of_each_step(result, everything)


def _of_each_step(result: Alternatives, everything: Everything) -> Iterator[str]:
    """Search what those before leave for something better, and after the last one for anything at all."""
    left = everything
    for name, each in named(result):
        one = each.deployment
        assert one is not None
        problems = [*of_the_proof([one], left), *not_the_best(result.question, [one], left)]
        those = "" if one is result.found[0].deployment else ", of what those found before leave"
        yield from (f"{name}: deployment: {problem.removeprefix(_FIRST)}{those}" for problem in problems)
        left = left.where(~_alike(result, one, left))
    if result.ended == "exhausted" and (found := left.fastest()) is not None:
        yield f"ended: found exhausted, but {found} is left"


def _alike(result: Alternatives, one: Deployment, everything: Everything) -> NDArray[np.bool_]:
    """Which parts have the combination of a deployment."""
    pool = everything.pool
    alike = [
        ("accelerator" not in result.differ or family.accelerator.name == one.accelerator)
        and ("engine" not in result.differ or family.engine == one.engine)
        for family in pool.families
    ]
    rows = np.array(alike, dtype=bool)[pool.family]
    if "layout" in result.differ:
        rows &= rows_of_layout(pool.alternatives.degrees, one.parallelism)
    found: NDArray[np.bool_] = rows[everything.parts.row]
    return found


def of_the_plans(result: Alternatives, resolved: ResolvedFleet, model: PlanModel | None) -> Iterator[str]:
    """Every plan as that of a result of its own; only those that serve the most say what chose them."""
    points = result.as_points()
    assert isinstance(points, FleetResult)
    for name, each in named(result):
        plan = each.plan
        assert plan is not None
        problems = [*of_the_plan(points, resolved, plan), *of_the_gap(plan, unsure=result.stopped is not None)]
        problems += [] if model is None else model.problems(plan)
        problems += ["next_cheaper: found some, expected none"] if plan.next_cheaper else []
        if result.objective == "throughput" and (plan.levels or result.stopped is None):
            problems += of_the_levels(replace(points, guarantee=_WHOLE), resolved.at_demand(plan.demand_factor), plan)
        elif plan.levels:
            problems.append(f"levels: found some, expected none with the objective {result.objective}")
        yield from (f"{name}: plan: {problem}" for problem in problems)
