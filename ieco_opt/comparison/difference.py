"""What changed between two saved results, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ieco_opt.comparison.differing_frontiers import Point, frontier_difference
from ieco_opt.comparison.differing_kinds import (
    heuristic_changes,
    of_alternatives,
    of_comparison,
    of_explanation,
    of_fleet_explanation,
)
from ieco_opt.comparison.differing_values import changes, flat
from ieco_opt.errors import ScenarioError
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.answer import Answer
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.difference import Cause, Change, Difference, FrontierDifference, InstancesChange
from ieco_opt.results.encoding import plain
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.reading import load_result
from ieco_opt.results.saved_folder import result_in
from ieco_opt.results.totals import FleetTotals
from ieco_opt.scenario import Fleet

_PROOFS = frozenset({"bound", "gap", "cost_cap"})
"""Columns that are no part of the answer itself."""

_AXES = {"speed": "speed_factor", "power": "power_kw", "gpus": "gpus", "throughput": "demand_factor"}
"""Figures of a plan that cost is traded against; of the second and third less is better."""

_CHOICES = ("weights", "kv_cache", "engine")
"""Choices that belong to a layout where they are not the same in all."""

_WORKLOAD = ("serving", "speed_tokens_per_s", "time_to_first_token_s", "utilization", "gpus")
_POOL = ("allocated_gpus", "usd_per_hour")


def diff(before: Answer | str | Path, after: Answer | str | Path, *, max_setups: int | None = None) -> Difference:
    """Say what changed from one result to another of the same kind, whichever that is.

    Parameters
    ----------
    before, after
        Results, their JSON files, or folders of ``plan --save``.
    max_setups
        Most configurations that their scenarios may list; see :func:`ieco_opt.load_result`.

    Raises
    ------
    ScenarioError
        A file is no result, or the two do not answer questions of one kind.
    """
    one, other = _read(before, max_setups), _read(after, max_setups)
    kinds = [(each.question.kind, each.question.against, type(each.scenario)) for each in (one, other)]
    if kinds[0] != kinds[1]:
        message = f"found {_named(other)}, expected {_named(one)}, as the other is"
        raise ScenarioError.single(message, field="after")
    about = Difference(
        kind=one.question.kind,
        names=(one.scenario.name, other.scenario.name),
        causes=_causes(one, other),
        answer=changes({"guarantee": _guarantee(one)}, {"guarantee": _guarantee(other)}),
    )
    match one, other:
        case Frontier(), Frontier():
            return _of_deployments(about, one, other)
        case FleetResult(), FleetResult():
            return _of_plans(about, one, other)
        case Explanation(), Explanation():
            return _of_explanations(about, one, other)
        case FleetExplanation(), FleetExplanation():
            said = _changes_of(of_fleet_explanation(one), of_fleet_explanation(other))
            plans = _of_plans(about, one.as_result(), other.as_result())
            return replace(plans, answer=(*plans.answer, *said))
        case Comparison(), Comparison():
            return _of_comparisons(about, one, other)
        case Alternatives(), Alternatives():
            found = _changes_of(of_alternatives(one), of_alternatives(other))
            return replace(about, answer=(*found, *about.answer))
    raise AssertionError(f"results of the kind {one.question.kind} are not compared")


def _of_deployments(about: Difference, before: Frontier, after: Frontier) -> Difference:
    if about.kind == "frontier":
        ends = _changes_of(_ends(before), _ends(after))
        return replace(about, answer=(*ends, *about.answer), frontier=_frontiers(before, after))
    columns = _columns_of(before.deployments, after.deployments)
    return replace(about, answer=(*columns, *about.answer))


def _columns_of(before: Sequence[Deployment], after: Sequence[Deployment]) -> tuple[Change, ...]:
    """Columns of the one deployment of each that differ; an answer may have none."""
    one, other = (each[0].to_dict() if each else {} for each in (before, after))
    return _changes_of(one, other)


def _of_explanations(about: Difference, before: Explanation, after: Explanation) -> Difference:
    columns = _columns_of(before.deployments, after.deployments)
    said = _changes_of(of_explanation(before), of_explanation(after))
    return replace(about, answer=(*columns, *about.answer, *said))


def _of_comparisons(about: Difference, before: Comparison, after: Comparison) -> Difference:
    """The exact frontiers as any others, and what heuristics miss of each."""
    ends = _changes_of(_ends(before), _ends(after))
    measured = _changes_of(of_comparison(before), of_comparison(after))
    return replace(
        about,
        answer=(*ends, *about.answer, *measured),
        frontier=_frontiers(before, after),
        heuristics=tuple(heuristic_changes(before, after)),
    )


def _of_plans(about: Difference, before: FleetResult, after: FleetResult) -> Difference:
    if before.is_frontier:
        ends = _changes_of(_ends_of_plans(before), _ends_of_plans(after))
        return replace(about, answer=(*ends, *about.answer), frontier=_fleet_frontiers(before, after))
    totals = _changes_of(FleetTotals.of(before).to_dict(), FleetTotals.of(after).to_dict())
    answer = (*totals, *_parts(before[0], after[0]), *about.answer)
    return replace(about, answer=answer, instances=tuple(_instances(before[0], after[0])))


def _read(given: Answer | str | Path, max_setups: int | None) -> Answer:
    if isinstance(given, Answer):
        return given
    return load_result(result_in(Path(given)), max_setups=max_setups)


def _named(answer: Answer) -> str:
    names = {
        "frontier": "a frontier",
        "solve": "a deployment",
        "plan": "a plan",
        "fleet_frontier": f"a fleet's frontier against {answer.question.against}",
        "explain": "an explanation",
        "explain_fleet": "an explanation of a plan",
        "compare": "a comparison",
        "alternatives": f"alternatives of a {'plan' if isinstance(answer.scenario, Fleet) else 'deployment'}",
    }
    return names.get(answer.question.kind, f"a result of {answer.question.kind}")


def _causes(before: Answer, after: Answer) -> dict[Cause, tuple[Change, ...]]:
    """What answers depend on, and differs."""
    scenarios = [flat(each.scenario.to_mapping()) for each in (before, after)]
    fields, profiles = ([_only(each, profile=wanted) for each in scenarios] for wanted in (False, True))
    solvers = [flat(asdict(each.solver)) for each in (before, after)]
    questions = [flat(_asked(each)) for each in (before, after)]
    versions = [flat(plain(each.versions)) for each in (before, after)]
    return {
        "scenario": changes(*fields),
        "profile": changes(*profiles),
        "catalog": changes(*_facts(before, after)),
        "question": changes(*questions),
        "solver": changes(*solvers),
        "versions": changes(*versions),
    }


def _asked(answer: Answer) -> dict[str, Any]:
    """What was asked, with what heuristics may spend and which alternatives are wanted."""
    asked = asdict(answer.question)
    if isinstance(answer, Comparison):
        asked["budget"] = asdict(answer.budget)
    if isinstance(answer, Alternatives):
        asked |= {"within": answer.within, "count": answer.count, "differ": answer.differ}
    return asked


def _only(fields: Mapping[str, Any], *, profile: bool) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name.startswith("profile") == profile}


def _facts(before: Answer, after: Answer) -> Iterator[dict[str, Any]]:
    """Figures of what both name; where one names something else, the scenario differs."""
    known = [each.resolved.known() for each in (before, after)]
    for each, other in zip(known, reversed(known), strict=True):
        yield flat({what: {name: facts for name, facts in each[what].items() if name in other[what]} for what in each})


def _changes_of(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> tuple[Change, ...]:
    """Figures of answers that differ, without what is proven of them."""
    pair = [
        {prefix + name: plain(value) for name, value in each.items() if name not in _PROOFS} for each in (before, after)
    ]
    return changes(*pair)


def _guarantee(answer: Answer) -> str:
    """What an answer guarantees, in a word or two."""
    guarantee = answer.guarantee
    coverage = "" if guarantee.coverage is None else f" {guarantee.coverage:g}"
    return f"{guarantee.kind}{coverage}" + ("" if guarantee.stopped is None else f" ({guarantee.stopped})")


def _ends(frontier: Frontier | Comparison) -> dict[str, Any]:
    every = frontier.deployments
    return {
        "points": len(every),
        "fastest_tokens_per_s": max((each.speed_tokens_per_s for each in every), default=None),
        "least_cost_usd_per_mtok": min((each.cost_usd_per_mtok for each in every), default=None),
    }


def _ends_of_plans(result: FleetResult) -> dict[str, Any]:
    costs = [plan.usd_per_hour for plan in result]
    return {
        "plans": len(result),
        "least_usd_per_hour": min(costs, default=None),
        "greatest_usd_per_hour": max(costs, default=None),
    }


def _frontiers(before: Frontier | Comparison, after: Frontier | Comparison) -> FrontierDifference:
    varying = _varying([*before.deployments, *after.deployments], "accelerator", *_CHOICES, "draft_mode")

    def points(frontier: Frontier | Comparison) -> list[Point]:
        return [
            Point(each.speed_tokens_per_s, each.cost_usd_per_mtok, _layout(each, varying))
            for each in frontier.deployments
        ]

    return frontier_difference("speed", points(before), points(after), _delta(before, after))


def _varying(rows: Sequence[Deployment | InstanceRow], *names: str) -> list[str]:
    """Columns that are not the same in all rows."""
    return [name for name in names if len({getattr(each, name) for each in rows}) > 1]


def _layout(deployment: Deployment, varying: Sequence[str]) -> str:
    """How a deployment is spread, with whatever is not the same in all."""
    parts = [str(getattr(deployment, name)) for name in varying if getattr(deployment, name) is not None]
    return ", ".join([deployment.parallelism.short(), *parts])


def _fleet_frontiers(before: FleetResult, after: FleetResult) -> FrontierDifference:
    axis = str(before.question.against)

    def points(result: FleetResult) -> list[Point]:
        values = [(getattr(plan, _AXES[axis]), plan.usd_per_hour) for plan in result]
        return [Point(value, cost) for value, cost in values if value is not None]

    return frontier_difference(axis, points(before), points(after), _delta(before, after))


def _delta(before: Answer, after: Answer) -> float | None:
    """Coverage of the coarser; ``None`` where one guarantees none."""
    deltas = [each.coverage for each in (before, after)]
    return None if None in deltas else max(delta for delta in deltas if delta is not None)


def _parts(before: FleetPlan, after: FleetPlan) -> Iterator[Change]:
    """Figures of workloads and pools by their names, of those that both have."""
    for rows, name, columns in (("workloads", "workload", _WORKLOAD), ("pools", "pool", _POOL)):
        sides = [{getattr(row, name): row for row in getattr(plan, rows)} for plan in (before, after)]
        for each in sides[0]:
            if each in sides[1]:
                one, other = ({column: getattr(side[each], column) for column in columns} for side in sides)
                yield from _changes_of(one, other, prefix=f"{rows}.{each}.")


def _instances(before: FleetPlan, after: FleetPlan) -> Iterator[InstancesChange]:
    """Instances by workload, phase, pool and layout, of which the plans have different numbers."""
    varying = _varying([*before.instances, *after.instances], *_CHOICES)
    sides = [_counted(plan, varying) for plan in (before, after)]
    for key in sorted({*sides[0], *sides[1]}):
        (instances, gpus), (instances_after, gpus_after) = (side.get(key, (0, 0)) for side in sides)
        if instances != instances_after:
            yield InstancesChange(
                **dict(zip(("workload", "phase", "pool", "layout"), key, strict=True)),
                instances_before=instances,
                instances_after=instances_after,
                gpus_before=gpus,
                gpus_after=gpus_after,
            )


def _counted(plan: FleetPlan, varying: Sequence[str]) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    found: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for row in plan.instances:
        said = [row.layout, *(str(getattr(row, name)) for name in varying if getattr(row, name) is not None)]
        said += [] if row.batch is None else [f"batch {row.batch:,}"]
        key = (row.workload, row.phase, row.pool, ", ".join(said))
        instances, gpus = found.get(key, (0, 0))
        found[key] = (instances + row.instances, gpus + row.instances * row.gpus)
    return found
