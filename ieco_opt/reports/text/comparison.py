"""Comparisons as text for people in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ieco_opt.reports.text import wording
from ieco_opt.reports.text.table import LEAST_WIDTH, Column, fitting, joined, not_shown, wrapped
from ieco_opt.reports.text.table_columns import words
from ieco_opt.results.comparison import Comparison, HeuristicResult, Obstacle

_LEFT_OUT_FIRST = ("evals", "eps", "IGD+", "time", "at tokens/s", "speed regret %", "HV")
"""Columns that a narrow terminal does without, in this order."""


def render(comparison: Comparison, width: int = 100) -> str:
    """Put a comparison into text for a terminal of ``width`` columns."""
    width = max(width, LEAST_WIDTH)
    exact = comparison.statistics.exact
    seconds = "" if exact is None else f" ({exact.seconds:.1f} s)"
    title = [
        f"{comparison.scenario.name}: {wording.subject(comparison)}",
        f"Exact: {wording.guarantee(comparison)}{seconds}.",
        *wording.margin(comparison.scenario),
    ]
    columns = columns_of(comparison)
    kept = fitting(columns, width, _LEFT_OUT_FIRST)
    notes = [note for result in comparison.heuristics for note in notes_of(result)]
    notes = [*not_shown(columns, kept), *notes, legend_of(comparison.coverage), *above_the_exact(comparison)]
    return "\n\n".join([wrapped(title, width), joined(kept), wrapped(notes, width, indent="  ")])


def columns_of(comparison: Comparison) -> list[Column]:
    """One row a heuristic."""
    results = comparison.heuristics
    cost, speed = [each.cost_regret for each in results], [each.speed_regret for each in results]
    cells: dict[tuple[str, str], list[str]] = {
        ("deployable", "of all"): [f"{len(each.deployable())}/{len(each.proposals)}" for each in results],
        ("cost regret %", "median  worst"): [f"{_percent(each.median):>6}  {_percent(each.worst):>5}" for each in cost],
        ("at tokens/s", "/user"): ["-" if each.worst_speed is None else f"{each.worst_speed:.4g}" for each in cost],
        ("speed regret %", "median   worst"): [
            f"{_percent(each.median):>6}  {_percent(each.worst):>6}" for each in speed
        ],
        ("found", "%"): [_percent(each.share_found) for each in results],
        ("HV", "%"): [_percent(each.hypervolume_ratio) for each in results],
        ("eps", ""): [_decimal(each.additive_epsilon) for each in results],
        ("IGD+", ""): [_decimal(each.igd_plus) for each in results],
        ("evals", ""): [_short(each.evaluations) for each in results],
        ("time", "s"): [f"{seconds:.1f}" for seconds in comparison.statistics.heuristic_seconds],
    }
    names = words("heuristic", (each.name for each in results))
    return [names, *(Column(name, unit, tuple(column)) for (name, unit), column in cells.items())]


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    percent = 100.0 * share
    return f"{percent:.1f}" if abs(percent) < 999.95 else f"{percent:.0f}"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _short(count: int) -> str:
    if count >= 1_000_000:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1e3:.0f}k" if count >= 10_000 else f"{count}"


_WORDS = {
    Obstacle.FRACTIONAL: "not whole",
    Obstacle.NOT_OFFERED: "not in the design space",
    Obstacle.MEMORY: "over memory",
    Obstacle.LIMIT: "beyond a limit",
}


def notes_of(result: HeuristicResult) -> Iterator[str]:
    """Whether it ended early, and why proposals cannot be launched, each kind with an example."""
    if result.stopped is not None:
        yield f"{result.name}: ended early ({result.stopped}); what it had found until then counts."
    refused = len(result.proposals) - len(result.deployable())
    if refused:
        kinds = [
            f"{count} {_WORDS[obstacle]} ({_example(result, obstacle)})"
            for obstacle in Obstacle
            if (count := result.count(obstacle))
        ]
        yield f"{result.name}: {refused} of {len(result.proposals)} cannot be launched: {', '.join(kinds)}."
    if result.beats_frontier:
        name, count = result.name, result.beats_frontier
        yield f"WARNING: proposals of {name} dominate the exact frontier ({count} of them): its proof is wrong."


def _example(result: HeuristicResult, obstacle: Obstacle) -> str:
    if obstacle is Obstacle.MEMORY:
        worst = result.worst_memory()
        assert worst is not None
        return f"at most: {worst.text}"
    of_kind = ([item.text for item in each.reasons if item.obstacle is obstacle] for each in result.proposals)
    first = [texts[0] for texts in of_kind if texts]
    return f"such as {first[len(first) // 2]}"


def above_the_exact(comparison: Comparison) -> list[str]:
    """Why a hypervolume is above 100 %, where one is; no line where none is."""
    above = [each for each in comparison.heuristics if round(100.0 * each.hypervolume_ratio, 1) > 100.0]
    if not above or comparison.coverage == 0.0 or any(each.beats_frontier for each in above):
        return []
    names = ", ".join(each.name for each in above)
    listed = "its search was stopped"
    if comparison.coverage:
        listed = f"it lists a point within {wording.percent(comparison.coverage)} of every deployment, not every one"
    return [
        f"A hypervolume above 100 % ({names}) contradicts no proof: the exact frontier is not complete ({listed}), and "
        "proposals may lie between its points."
    ]


def legend_of(coverage: float | None) -> str:
    """What the columns mean, with the coverage of the exact frontier."""
    understated = " They may be understated, since the exact frontier is not complete." if coverage != 0.0 else ""
    return (
        "Regret: how much more expensive than the exact frontier at the same speed, how much slower at the same cost, "
        f"for what can be launched.{understated} HV, eps, IGD+: hypervolume, additive epsilon and IGD+ against the "
        "exact frontier."
    )
