"""What changed between two results, in plain words and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ieco_opt.reports.text.difference_kinds import (
    EXPLAINED,
    as_share,
    is_share,
    of_heuristics,
    said_of_alternatives,
    said_of_limits,
    shown_beside,
)
from ieco_opt.reports.text.table import LEAST_WIDTH, Column, indented, joined, shortened
from ieco_opt.reports.text.table_columns import numbers, words
from ieco_opt.reports.text.wording import counted, letters_in
from ieco_opt.results.difference import Cause, Change, Difference, FrontierDifference, Range, Step

NO_DIFFERENCE = "no difference"

_CAUSES: Mapping[Cause, str] = {
    "scenario": "fields of the scenario",
    "profile": "constants of calibration profiles",
    "catalog": "facts and prices of the catalog",
    "question": "what was asked",
    "solver": "the solver configuration",
    "versions": "versions",
}

_SUBJECTS = {
    "frontier": "two frontiers",
    "solve": "two deployments",
    "plan": "two plans",
    "fleet_frontier": "two frontiers of plans",
    "explain": "two explanations",
    "explain_fleet": "two explanations of plans",
    "compare": "two comparisons",
    "alternatives": "two lists of alternatives",
}

_OF_DEPLOYMENTS = (
    *("speed_tokens_per_s", "cost_usd_per_mtok", "latency_s", "throughput_tokens_per_s", "gpus", "accelerator"),
    *("weights", "kv_cache", "engine", "tensor_parallel", "attention_data_parallel", "pipeline_parallel"),
    *("expert_parallel", "batch", "bottleneck", "time_to_first_token_s", "power_kw", "status", "guarantee"),
)
_OF_PLANS = (
    *("usd_per_hour", "gpus", "power_kw", "requests_per_s", "throughput_tokens_per_s", "instances", "nodes"),
    *("demand_factor", "status", "guarantee"),
)
_FIRST: Mapping[str, tuple[str, ...]] = {
    "solve": _OF_DEPLOYMENTS,
    "explain": _OF_DEPLOYMENTS,
    "plan": _OF_PLANS,
    "explain_fleet": _OF_PLANS,
    "alternatives": ("objective", "alternatives", "ended", "complete", "next_excess", "guarantee"),
    "compare": ("points", "fastest_tokens_per_s", "least_cost_usd_per_mtok", "guarantee"),
}
"""Figures that are shown; JSON has them all."""

_AXES = {"speed": ("tokens/s", "/user"), "power": ("power", "kW"), "gpus": ("GPUs", ""), "throughput": ("demand", "x")}
_MOST_CHANGES, _MOST_LAYOUTS = 12, 5
_NARROW, _LEAST_CELL = 30, 10


def render(difference: Difference, width: int = 100, *, names: tuple[str, str] = ("before", "after")) -> str:
    """Put a difference into text for a terminal of ``width`` columns.

    Parameters
    ----------
    names
        Of the files.
    """
    width = max(width, LEAST_WIDTH)
    of = difference.names[0] if len({*difference.names}) == 1 else " and ".join(difference.names)
    head = f"{names[0]} -> {names[1]}: {_SUBJECTS[difference.kind]} of {of}"
    if difference.same:
        return indented(f"{head}: {NO_DIFFERENCE}", width)
    parts = [[indented(head, width)], *_why(difference, width)]
    if difference.same_answer:
        return "\n\n".join("\n".join(part) for part in [*parts, [indented(f"the answers: {NO_DIFFERENCE}", width)]])
    parts.append([indented(line, width) for line in _sentences(difference)])
    shown = _shown(difference)
    if shown:
        parts.append(_lines_of(shown, width))
    beside = shown_beside(difference)
    if beside:
        parts.append(_cut(beside, width, missing="-"))
    if difference.heuristics:
        parts.append(of_heuristics(difference.heuristics, width))
    if difference.frontier is not None and (difference.frontier_moved or difference.kind != "compare"):
        parts += _frontier(difference.frontier, width)
    if difference.instances:
        parts.append(_instances(difference, width))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _why(difference: Difference, width: int) -> list[list[str]]:
    """What answers depend on, and differs."""
    parts = []
    for cause, changes in difference.causes.items():
        if changes:
            parts.append([f"why: {_CAUSES[cause]}", *_cut(changes, width, missing="not set")])
    if not parts:
        said = "why: nothing that answers depend on differs; a limit of time may have ended one search earlier"
        parts.append([indented(said, width)])
    return parts


def _cut(changes: Sequence[Change], width: int, *, missing: str) -> list[str]:
    """A table of the first of some changes, and how many more there are."""
    more = len(changes) - _MOST_CHANGES
    foot = [f"  and {more} more (--format json has all)"] if more > 0 else []
    return [*_lines_of(changes[:_MOST_CHANGES], width, missing=missing), *foot]


def _sentences(difference: Difference) -> list[str]:
    """What changed, in words."""
    changed = {change.name: change for change in difference.answer}
    limits = said_of_limits(difference.answer) if difference.kind in EXPLAINED else []
    if difference.kind in ("solve", "explain"):
        speed, cost = changed.get("speed_tokens_per_s"), changed.get("cost_usd_per_mtok")
        if speed is not None and None in (speed.before, speed.after):
            one, other = ("none", "one") if speed.before is None else ("one", "none")
            return [f"the first has {one} that meets its limits, the second {other}"]
        said = f"the answer is {_moved(speed, 'faster', 'slower')} and {_moved(cost, 'more expensive', 'cheaper')}"
        return [said, *limits]
    if difference.kind in ("plan", "explain_fleet"):
        cost, gpus = changed.get("usd_per_hour"), changed.get("gpus")
        served = changed.get("requests_per_s")
        parts = [f"the plan is {_moved(cost, 'more expensive', 'cheaper')}"]
        parts.append("with as many GPUs" if gpus is None else f"with {_by(gpus, 'GPUs')}")
        parts += [] if served is None else [f"for {_by(served, 'requests/s')}"]
        return [", ".join(parts), *limits]
    if difference.kind == "alternatives":
        return said_of_alternatives(difference.answer)
    if difference.kind == "compare" and not difference.frontier_moved:
        return [f"the exact frontiers: {NO_DIFFERENCE}"]
    assert difference.frontier is not None
    return _of_frontier(difference.frontier)


def _of_frontier(frontier: FrontierDifference) -> list[str]:
    better = {"speed": ("faster", "slower"), "power": ("more power", "less power"), "gpus": ("more GPUs", "fewer GPUs")}
    more, less = better.get(frontier.axis, ("more", "less"))
    at = "speed" if frontier.axis == "speed" else _AXES[frontier.axis][0]
    lines = []
    for ratios, where, said in (
        (frontier.cost_at_equal_speed, f"at equal {at}", ("more expensive", "cheaper")),
        (frontier.speed_at_equal_cost, "at equal cost", (more, less)),
    ):
        if ratios is None:
            lines.append(f"{where}: there is none that both reach")
        else:
            lines.append(f"{where}: {_ratios(ratios, *said)}")
    if frontier.delta is None:
        lines.append("one of the two guarantees nothing between its points, so these figures are of the points listed")
    elif frontier.delta > 0.0:
        left = f"{100.0 * frontier.delta:.3g} % of cost and of {at}"
        lines.append(f"between their points the two leave open {left}, which the ends of these ranges may be due to")
    return lines


def _ratios(ratios: Range, more: str, less: str) -> str:
    ends = [_ratio(each, more, less) for each in (ratios.least, ratios.greatest)]
    if ends[0] == ends[1]:
        return ends[0]
    return f"{ends[0]} to {ends[1]}, in the middle {_ratio(ratios.median, more, less)}"


def _ratio(ratio: float, more: str, less: str) -> str:
    """How much more or less a ratio is; 2 and above are said as multiples."""
    percent = 100.0 * (ratio - 1.0)
    if abs(percent) < 0.05:
        return "the same"
    if ratio >= 2.0:
        return f"{ratio:.3g} times {'as fast' if more == 'faster' else 'the cost' if less == 'cheaper' else 'as much'}"
    return f"{abs(percent):.{0 if abs(percent) >= 10.0 else 1}f} % {more if percent > 0.0 else less}"


def _moved(change: Change | None, more: str, less: str) -> str:
    """How much more or less a figure is; the same where it did not change."""
    if change is None:
        return f"as {'fast' if more == 'faster' else 'expensive'}"
    if change.ratio is None:
        return f"{_cell(change.before)} -> {_cell(change.after)}"
    return _ratio(change.ratio, more, less)


def _by(change: Change, noun: str) -> str:
    return f"{_cell(change.after)} {noun} instead of {_cell(change.before)}"


def _shown(difference: Difference) -> Sequence[Change]:
    """Figures that people look at, in the order of what matters."""
    first = _FIRST.get(difference.kind)
    if first is None:
        return difference.answer
    by_name = {change.name: change for change in difference.answer}
    speed = by_name.get("speed_tokens_per_s")
    if difference.kind == "explain" and speed is not None and None in (speed.before, speed.after):
        first = ("guarantee",)
    beside = {change.name for change in shown_beside(difference)}
    parts = [
        change
        for change in difference.answer
        # What a limit is reached at stands among the figures of its workload already.
        if change.name.startswith(("workloads.", "pools."))
        and change.name not in beside
        and not change.name.endswith((".reached", "_gain"))
    ]
    return [by_name[name] for name in first if name in by_name] + parts[:_MOST_CHANGES]


def _lines_of(changes: Sequence[Change], width: int, *, missing: str = "-") -> list[str]:
    """A table of values before and after; long names and values are shortened."""
    most = max((width - _NARROW) // 3, _LEAST_CELL)
    before, after = (
        tuple(
            shortened(missing if value is None else as_share(change.name, value) or _cell(value), most)
            for change, value in zip(changes, values, strict=True)
        )
        for values in zip(*((change.before, change.after) for change in changes), strict=True)
    )
    columns = [
        Column("before", "", before),
        Column("after", "", after),
        Column("", "", tuple("" if is_share(change.name) else _percent(change.ratio) for change in changes)),
    ]
    left = width - sum(column.width + 2 for column in columns) - 2
    columns.insert(0, words("", (shortened(change.name, max(left, _LEAST_CELL)) for change in changes)))
    # The head has no units.
    first, _, *others = joined(columns).split("\n")
    return [f"  {line}" for line in (first, *others)]


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{100.0 * (ratio - 1.0):+.1f} %"


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"
        case list():
            return f"[{', '.join(map(_cell, value))}]"
        case _:
            return str(value)


def _frontier(frontier: FrontierDifference, width: int) -> list[list[str]]:
    shown = _evenly(frontier.steps)
    unit = "$/Mtok" if any(step.layout_before or step.layout_after for step in shown) else "$/h"
    head, below = _AXES[frontier.axis]
    columns = [
        numbers(head, below, [step.speed for step in shown]),
        numbers("before", unit, [step.cost_before for step in shown], significant=3),
        numbers("after", unit, [step.cost_after for step in shown], significant=3),
        Column("change", "", tuple(_percent(Change("", step.cost_before, step.cost_after).ratio) for step in shown)),
    ]
    if unit == "$/Mtok":
        taken = sum(column.width + 2 for column in columns)
        most = max((width - taken - 2) // 2, 12)
        columns.append(words("layout before", (shortened(step.layout_before or "-", most) for step in shown)))
        columns.append(words("layout after", (shortened(step.layout_after or "-", most) for step in shown)))
    parts = [joined(columns).split("\n")]
    if len(shown) < len(frontier.steps):
        parts[0].append(indented(f"{len(shown)} of {len(frontier.steps)} speeds; --format json has them all", width))
    for word, layouts in (("came", frontier.came), ("went", frontier.went)):
        if layouts:
            listed = [f"  {name} ({counted(points, 'point')})" for name, points in layouts[:_MOST_LAYOUTS]]
            more = len(layouts) - _MOST_LAYOUTS
            parts.append([f"layouts that {word}:", *listed, *([f"  and {more} more"] if more > 0 else [])])
    letters = letters_in([name for name, _ in (*frontier.came, *frontier.went)])
    return [*parts, [indented(line, width) for line in letters]]


def _evenly(steps: Sequence[Step]) -> list[Step]:
    """Both ends and some steps evenly between them."""
    last, most = len(steps) - 1, _MOST_CHANGES - 1
    return list(steps) if last <= most else [steps[round(at * last / most)] for at in range(_MOST_CHANGES)]


def _instances(difference: Difference, width: int) -> list[str]:
    """Instances of which there are more or fewer."""
    rows = difference.instances
    columns = [
        words("workload", (shortened(row.workload, 16) for row in rows)),
        words("pool", (shortened(row.pool, 16) for row in rows)),
        words("phase", (row.phase for row in rows)),
        Column("instances", "before", tuple(f"{row.instances_before:,}" for row in rows)),
        Column("", "after", tuple(f"{row.instances_after:,}" for row in rows)),
        Column("GPUs", "before", tuple(f"{row.gpus_before:,}" for row in rows)),
        Column("", "after", tuple(f"{row.gpus_after:,}" for row in rows)),
    ]
    left = width - sum(column.width + 2 for column in columns)
    columns.insert(3, words("layout", (shortened(row.layout, max(left, 14)) for row in rows)))
    return joined(columns).split("\n")
