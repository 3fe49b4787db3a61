"""Explanations for people in a terminal: plain text, at most ``width`` columns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from ieco_opt.explanation.bounds import Limit
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.table import indented
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import (
    Explanation,
    InfeasibleSubset,
    LimitEffect,
    LimitRelaxation,
    Loosened,
    TimeShare,
)

LEAST_WIDTH = 60

_DIGITS = 6
_SAME = 1e-9
_BETTER = {
    "fastest": "faster",
    "cheapest": "cheaper",
    "preferred": "higher",
    "energy": "less energy",
    "carbon": "less carbon",
}
_WORSE = {
    "fastest": "slower",
    "cheapest": "more expensive",
    "preferred": "lower",
    "energy": "more energy",
    "carbon": "more carbon",
}


def render(explanation: Explanation, width: int = 80) -> str:
    """Put an explanation into text."""
    width = max(width, LEAST_WIDTH)
    infeasible_subset = explanation.infeasible_subset
    parts = _feasible(explanation) if infeasible_subset is None else _infeasible(explanation, infeasible_subset)
    return "\n\n".join("\n".join(indented(line, width) for line in lines) for lines in parts if lines)


def outward(limit: Limit, value: float) -> str:
    """Write a value of a limit with six digits, rounded to the side on which it still helps."""
    if limit.is_whole or limit is Limit.BATCHES:
        return str(int(value))
    rounding = ROUND_FLOOR if limit.is_least else ROUND_CEILING
    text = f"{Context(prec=_DIGITS, rounding=rounding).create_decimal(Decimal(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _feasible(explanation: Explanation) -> list[list[str]]:
    chosen = explanation.chosen
    assert chosen is not None
    name = explanation.objective
    goal = f"speed^{explanation.preference:g} / cost" if explanation.preference is not None else ""
    title = f"{explanation.scenario.name}: what decides the {name} deployment"
    return [
        [title + (f" (greatest {goal})" if goal else ""), *_margin(explanation)],
        [f"  {wording.worth(chosen)}", f"  {wording.configuration(chosen)}", *_memory(chosen)],
        _times(explanation),
        _limits(explanation),
        _runner_ups(explanation),
        [_footer(explanation)],
    ]


def _margin(explanation: Explanation) -> list[str]:
    """With what error of the model limits hold, also those that are relaxed below, and what that costs."""
    held, cost = wording.margin(explanation.scenario), explanation.margin
    if not held or cost is None:
        return [f"  {line}" for line in held]
    if cost.deployment is None:
        without = "without that margin no deployment meets the limits either"
    elif cost.gain is None:
        without = f"without that margin: {wording.worth(cost.deployment)}"
    elif cost.gain <= _SAME:
        without = "that costs nothing"
    else:
        gain = f"{wording.percent(cost.gain)} {_BETTER[explanation.objective]}"
        without = f"without that margin: {wording.worth(cost.deployment)} ({gain})"
    return [f"  {held[0]}; {without}"]


def _memory(chosen: Deployment) -> list[str]:
    """What the most loaded GPU holds, as far as the result says it."""
    parts = wording.listed_memory(chosen)
    return [f"  memory per GPU, GB: {parts} ({chosen.memory_limit_gb:.4g} in all)"] if parts else []


def _times(explanation: Explanation) -> list[str]:
    assert explanation.chosen is not None
    lines = [f"Where the time per output token goes ({1e3 * explanation.chosen.latency_s:.4g} ms)"]
    largest = max((time for time in explanation.times if not time.hidden), key=lambda time: time.seconds)
    labels = _labels(explanation.times)
    width = max(24, *map(len, labels))
    for time, label in zip(explanation.times, labels, strict=True):
        lines.append(f"  {label:<{width}}{1e3 * time.seconds:10.4f} ms  {_share(time)}".rstrip())
        if time is largest:
            lines[-1] += "  <- the largest"
    return lines


def _labels(times: Sequence[TimeShare]) -> list[str]:
    """What each time is called; what is seen of one that is hidden in part is that of attention, or of prompts."""
    several = any(time.part == "draft" for time in times)
    partly = {(time.part, time.resource) for time in times if time.hidden}
    return [
        (f"{time.part}: " if several else "")
        + time.resource
        + (_APART[time.resource] if not time.hidden and (time.part, time.resource) in partly else "")
        for time in times
    ]


_APART = {"memory": " of attention", "compute": " of prompts"}
"""What is seen of a time of which the rest is hidden."""


def _share(time: TimeShare) -> str:
    if not time.hidden:
        return f"{100.0 * time.share:5.1f} %"
    return f"   -     hidden behind {'compute' if time.resource == 'memory' else 'memory'}"


def _limits(explanation: Explanation) -> list[str]:
    if not explanation.limits:
        return ["What limits cost was not examined."] if explanation.stopped else ["No limit is set."]
    lines = ["What each limit costs (changed alone, the scenario solved again)"]
    for effect in explanation.limits:
        if effect.binds:
            lines += _binding(explanation, effect)
    idle = [f"{effect.limit} = {value_of_limit(effect.value)}" for effect in explanation.limits if not effect.binds]
    if idle:
        lines.append(f"  do not bind (removing any one changes nothing): {'; '.join(idle)}")
    if explanation.binding_together:
        lines.append(f"  bind only together: {', '.join(explanation.binding_together)}")
    return lines


def _binding(explanation: Explanation, effect: LimitEffect) -> list[str]:
    lines = [f"  {effect.limit} = {value_of_limit(effect.value)} {effect.unit} binds"]
    if effect.relaxed is not None and effect.relaxed.value is not None:
        head = f"    relaxed by {effect.step}, to {value_of_limit(effect.relaxed.value)}: "
        lines.append(head + _outcome(explanation, effect.relaxed))
        if effect.relaxed.gain <= _SAME and effect.improves_from is not None:
            value = outward(Limit(effect.limit), effect.improves_from)
            lines.append(f"    {_BETTER[explanation.objective]} only from {value} on")
    if effect.removed is not None:
        lines.append(f"    removed: {_outcome(explanation, effect.removed)}")
    return lines


def _outcome(explanation: Explanation, loosened: Loosened) -> str:
    if loosened.deployment == explanation.chosen:
        return "no change"
    after = loosened.deployment
    worth = f"{after.speed_tokens_per_s:.4g} tokens/s/user at ${after.cost_usd_per_mtok:.4g}"
    gain = f"{wording.percent(loosened.gain)} {_BETTER[explanation.objective]}"
    if loosened.gain <= _SAME:
        gain = "no better in the objective, but in the other"
    return f"{worth} ({gain})"


def value_of_limit(value: float | tuple[int, ...]) -> str:
    """What a scenario says of a limit."""
    if isinstance(value, tuple):
        return f"a list of {len(value)} from {value[0]} to {value[-1]}"
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _runner_ups(explanation: Explanation) -> list[str]:
    if not explanation.runner_ups:
        return [] if explanation.stopped else ["No other configuration meets the limits."]
    word = _WORSE[explanation.objective]
    head = ("tokens/s/user", "$/Mtok", word, "configuration")
    rows = [
        (
            f"{each.deployment.speed_tokens_per_s:.4g}",
            f"{each.deployment.cost_usd_per_mtok:.4g}",
            wording.percent(each.loss),
            wording.configuration(each.deployment),
        )
        for each in explanation.runner_ups
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(3)]
    lines = ["Runner-up configurations (each the best one left without those before it)"]
    for row in (head, *rows):
        numbers = "  ".join(cell.rjust(width) for cell, width in zip(row[:3], widths, strict=True))
        lines.append(f"  {numbers}  {row[3]}")
    return lines


def _footer(explanation: Explanation) -> str:
    checked = "agrees" if explanation.confirmed else "was stopped before it could agree"
    solved = "" if explanation.confirmed is None else f"; {wording.solver(explanation)} {checked}"
    return f"exact: all configurations searched, no tolerances{solved}; {explanation.statistics.seconds:.1f} s"


def _infeasible(explanation: Explanation, infeasible_subset: InfeasibleSubset) -> list[list[str]]:
    title = [f"{explanation.scenario.name}: no deployment meets the limits, and that is proven"]
    title += _margin(explanation)
    if not infeasible_subset.members:
        most_first = sorted(infeasible_subset.rejected.items(), key=lambda each: -each[1])
        reasons = [f"  {count} x {reason}" for reason, count in most_first]
        why = (
            "No limit is to blame: of the degrees, precisions and accelerators listed, no configuration can run at all"
        )
        return [title, [why, *reasons]]
    count = len(infeasible_subset.members)
    heads = {
        1: "This limit alone is an irreducible infeasible subset: no deployment meets it",
        2: "These 2 limits are an irreducible infeasible subset: some deployments meet either one, none meets both",
    }
    more = (
        f"These {count} limits are an irreducible infeasible subset: some deployments meet any {count - 1} of them, "
        "none meets all"
    )
    lines = [heads.get(count, more)]
    for change in infeasible_subset.members:
        lines += _member(change)
    return [title, lines, _helping_together(infeasible_subset), [_closing(explanation, infeasible_subset)]]


def _member(change: LimitRelaxation) -> list[str]:
    lines = [f"  {change.limit} = {value_of_limit(change.value)} {change.unit}"]
    if change.needed is None:
        lines.append("    no relaxation of this limit alone makes a deployment feasible")
        return lines
    assert change.deployment is not None
    limit = Limit(change.limit)
    value = outward(limit, change.needed)
    if limit is Limit.BATCHES:
        lines.append(f"    minimal relaxation, all else unchanged: add {value} to the list")
    else:
        way = "lower" if limit.is_least else "raise"
        away = "" if isinstance(change.value, tuple) else f" ({_apart(change.value, change.needed)})"
        lines.append(f"    minimal relaxation, all else unchanged: {way} it to {value}{away}")
    lines.append(f"    then: {wording.worth(change.deployment)}; {wording.configuration(change.deployment)}")
    return lines


def _apart(value: float, needed: float) -> str:
    percent = 100.0 * (needed / value - 1.0)
    return f"{percent:+,.0f} %" if abs(percent) >= 100.0 else f"{percent:+.3g} %"


def _helping_together(infeasible_subset: InfeasibleSubset) -> list[str]:
    if not infeasible_subset.together:
        return []
    names = ", ".join(change.limit for change in infeasible_subset.together)
    lines = [f"No relaxation of a single limit helps. The fewest that do together: {names}"]
    needed = [(change, change.needed) for change in infeasible_subset.together if change.needed is not None]
    if needed:
        lines[0] += ", for example each by the same share, the least that is enough:"
    lines += [
        f"  {change.limit}: {value_of_limit(change.value)} -> {outward(Limit(change.limit), value)}"
        for change, value in needed
    ]
    return lines


def _closing(explanation: Explanation, infeasible_subset: InfeasibleSubset) -> str:
    changes = [
        change for change in (*infeasible_subset.members, *infeasible_subset.together) if change.needed is not None
    ]
    settable = [change for change in changes if Limit(change.limit) is not Limit.BATCHES]
    if infeasible_subset.together or not settable:
        return _footer(explanation)
    first = settable[0]
    field, needed, workload = first.limit, first.needed or 0.0, explanation.scenario.workload
    if Limit(field) is Limit.MIN_THROUGHPUT and workload.requests_per_s is not None:
        field, needed = "workload.requests_per_s", needed / workload.output_tokens
    return f"Try one: --set {field}={outward(Limit(first.limit), needed)} (all digits: --format json)"
