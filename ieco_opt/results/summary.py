"""A result in a few lines, for the interpreter and for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ieco_opt.results.answer import Answer

MOST_LINES = 12
_MOST_ROWS = 25

_KINDS = {
    "complete": "complete: every point of the nondominated set",
    "sampled": "sampled: each point is nondominated, others may be missing",
    "single": "single: the one answer that was asked for",
    "none": "none: proven, no answer exists",
}
_SUBJECTS = {"speed": "speed", "power": "power", "gpus": "GPUs", "throughput": "throughput"}
_ASKED = {
    "fastest": "the fastest deployment",
    "cheapest": "the cheapest deployment",
    "preferred": "the deployment with the greatest speed^{:g} / cost",
    "energy": "the deployment of least energy",
    "carbon": "the deployment of least carbon",
    "cost": "least cost",
    "power": "least power",
    "gpus": "fewest GPUs",
    "throughput": "most requests",
}

_OF_PLANS = {"energy": "least energy", "carbon": "least carbon"}
"""Objectives that deployments have, too, as they are of plans."""


def summary(answer: Answer) -> list[str]:
    """At most a dozen lines: what was asked of what, what is proven, and the ends of the answer."""
    name = type(answer).__name__
    lines = [f"{name} of {answer.scenario.name!r}: {_question(answer)}", f"  {_guarantee(answer)}"]
    lines += [f"  {line}" for line in _ends(answer)]
    left = len(lines) - MOST_LINES + 1
    return lines if left <= 1 else [*lines[: MOST_LINES - 1], f"  and {left} more"]


def _question(answer: Any) -> str:
    question = answer.question
    if question.kind == "fleet_frontier":
        return f"least cost against {_SUBJECTS[str(question.against)]}"
    words = {"frontier": "speed against cost", "compare": "heuristics against the exact frontier"}
    if question.kind in words:
        return words[question.kind]
    asked = _ASKED[str(question.objective)].format(question.preference)
    if hasattr(answer, "plans") or getattr(answer, "of_fleet", False):
        asked = _OF_PLANS.get(str(question.objective), asked)
    if question.kind == "alternatives":
        return f"{asked} and near-optimal alternatives"
    return f"what decides {asked}" if question.kind.startswith("explain") else asked


def _guarantee(answer: Any) -> str:
    guarantee = answer.guarantee
    if guarantee.stopped is not None:
        best = answer.question.kind == "plan" and answer.plans[0].status == "optimal"
        rest = "the objective is proven, not which of equal plans is best" if best else "better answers may exist"
        return f"partial: stopped ({guarantee.stopped}), {rest}"
    if guarantee.kind == "covered":
        delta = f"{100.0 * (guarantee.coverage or 0.0):.3g} %"
        return f"covered: for every feasible answer one listed is at most {delta} more expensive and {delta} worse"
    if answer.question.kind == "alternatives":
        return f"each the best of what those before leave; {answer.status}"
    return f"{_KINDS[guarantee.kind]}; {answer.status}"


def _ends(answer: Any) -> Iterator[str]:
    """The first and the last point, or whatever else the answer holds."""
    if answer.question.kind == "alternatives":
        yield from _alternatives(answer)
        return
    points = getattr(answer, "deployments", None)
    if points is None:
        points = answer.plans
    yield f"{len(points)} {'plan' if hasattr(answer, 'plans') else 'deployment'}{'' if len(points) == 1 else 's'}"
    yield from (_line(point) for point in ([points[0], points[-1]] if len(points) > 1 else points))
    for heuristic in getattr(answer, "heuristics", ()):
        yield f"{heuristic.name}: finds {100.0 * heuristic.share_found:.3g} % of the points"
    subset = getattr(answer, "infeasible_subset", None)
    if subset is not None and subset.members:
        limits = [each.limit for each in subset.members]
        yield f"no deployment meets {'together: ' * (len(limits) > 1)}{', '.join(limits)}"


def _alternatives(answer: Any) -> Iterator[str]:
    """Each with the share by which it is worse."""
    proven = "proven to be all" if answer.complete else "there may be more"
    noun = f"{'plan' if answer.of_fleet else 'deployment'}{'' if len(answer) == 1 else 's'}"
    yield f"{len(answer)} {noun} within {100.0 * answer.within:.3g} %, by {', '.join(answer.differ)}; {proven}"
    for each in answer.found:
        yield f"+{100.0 * each.excess:.3g} %: {_line(each.answer)}"


def _line(point: Any) -> str:
    if hasattr(point, "speed_tokens_per_s"):
        engine = "" if point.engine is None else f"{point.engine}, "
        return (
            f"{point.speed_tokens_per_s:.4g} tokens/s at ${point.cost_usd_per_mtok:.4g} per million tokens: "
            f"{point.gpus} x {point.accelerator}, {engine}{point.parallelism.short()}, batch {point.batch:,} "
            f"({point.status})"
        )
    factor = f", speeds x {point.speed_factor:.4g}" if point.speed_factor != 1.0 else ""
    factor += f", demand x {point.demand_factor:.4g}" if point.demand_factor != 1.0 else ""
    return f"${point.usd_per_hour:,.2f}/h, {point.gpus:,} GPUs{factor} ({point.status})"


def html_of(answer: Any) -> str:
    """The summary, and the first rows of the main table."""
    table = answer.main_table()
    shown = table.head(_MOST_ROWS)
    more = f"<p>and {len(table) - len(shown):,} more rows</p>" if len(table) > len(shown) else ""
    lines = "<br>".join(escape(line) for line in summary(answer))
    return f"<p>{lines}</p>{shown.to_html(index=False, escape=True, float_format='{:.4g}'.format, na_rep='')}{more}"
