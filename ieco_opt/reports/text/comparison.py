"""Comparisons as text: rows for tables and files, JSON, and a table for people in a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.comparison.deployability import Obstacle
from ieco_opt.documents.destinations import check_folder, kind_of, replace_file, require_library
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.columns import words
from ieco_opt.reports.text.table import LEAST_WIDTH, Column, fitting, joined, not_shown, wrapped

if TYPE_CHECKING:
    from ieco_opt.comparison.compare import Comparison, HeuristicResult, Regret

FORMAT = "ieco_opt comparison"
FORMAT_VERSION = 1

COLUMNS = (
    "heuristic",
    "proposals",
    "deployable",
    "nondominated",
    "cost_regret_min",
    "cost_regret_median",
    "cost_regret_worst",
    "cost_regret_worst_at_speed_tokens_per_s",
    "cost_regret_worst_at_cost_usd_per_mtok",
    "speed_regret_min",
    "speed_regret_median",
    "speed_regret_worst",
    "speed_regret_worst_at_speed_tokens_per_s",
    "speed_regret_worst_at_cost_usd_per_mtok",
    "share_of_frontier_found",
    "hypervolume_ratio",
    "additive_epsilon",
    "igd_plus",
    "fractional",
    "not_offered",
    "memory_exceeded",
    "limit_missed",
    "memory_excess_worst",
    "beats_frontier",
    "evaluations",
    "seconds",
)
"""Columns of a heuristic; regrets, shares, ratios and the excess of memory are fractions of one."""

_DEGREES = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "attention_data_parallel")

PROPOSAL_COLUMNS = (
    "heuristic",
    "claimed_speed_tokens_per_s",
    "claimed_cost_usd_per_mtok",
    "deployable",
    "speed_tokens_per_s",
    "cost_usd_per_mtok",
    "gpus",
    "accelerator",
    "weights",
    "tensor_parallel",
    "attention_data_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "stage_ranks",
    "tensor_layout",
    "batch",
    "draft_tokens",
    *(f"draft_{name}" for name in _DEGREES),
    "reasons",
)
"""Columns of a proposal; what it claims, what it is worth (empty where it cannot be launched), and why not."""


def summary(result: HeuristicResult) -> dict[str, Any]:
    """Columns of one heuristic."""
    worst = result.worst_memory()
    return {
        "heuristic": result.name,
        "proposals": len(result.proposals),
        "deployable": len(result.verdicts.deployable),
        "nondominated": len(result.points),
        **_regret_columns("cost_regret", result.cost_regret),
        **_regret_columns("speed_regret", result.speed_regret),
        "share_of_frontier_found": result.share_found,
        "hypervolume_ratio": result.hypervolume_ratio,
        "additive_epsilon": result.additive_epsilon,
        "igd_plus": result.igd_plus,
        "fractional": result.count(Obstacle.FRACTIONAL),
        "not_offered": result.count(Obstacle.NOT_OFFERED),
        "memory_exceeded": result.count(Obstacle.MEMORY),
        "limit_missed": result.count(Obstacle.LIMIT),
        "memory_excess_worst": None if worst is None else worst.excess,
        "beats_frontier": result.beats_frontier,
        "evaluations": result.proposals.evaluations,
        "seconds": result.seconds,
    }


def _regret_columns(name: str, regret: Regret) -> dict[str, float | None]:
    return {
        f"{name}_min": regret.least,
        f"{name}_median": regret.median,
        f"{name}_worst": regret.worst,
        f"{name}_worst_at_speed_tokens_per_s": regret.worst_speed,
        f"{name}_worst_at_cost_usd_per_mtok": regret.worst_cost,
    }


def proposal_rows(comparison: Comparison, result: HeuristicResult) -> Iterator[dict[str, Any]]:
    """Columns of every proposal of one heuristic."""
    proposals, verdicts, scenario = result.proposals, result.verdicts, comparison.scenario
    accelerators = [wording.name_of(item) for item in scenario.accelerators]
    for row, reasons in enumerate(verdicts.reasons):
        degrees, draft = proposals.degrees, proposals.draft_degrees
        yield {
            "heuristic": result.name,
            "claimed_speed_tokens_per_s": 1.0 / float(proposals.latency_s[row]),
            "claimed_cost_usd_per_mtok": float(proposals.cost_usd_per_mtok[row]),
            "deployable": not reasons,
            "speed_tokens_per_s": _known(1.0 / verdicts.latency_s[row]),
            "cost_usd_per_mtok": _known(verdicts.cost_usd_per_mtok[row]),
            "gpus": float(degrees.gpus[row]),
            "accelerator": _listed(accelerators, int(proposals.accelerator[row])),
            "weights": _listed(scenario.weights, int(proposals.weights[row])),
            "tensor_layout": "2d" if degrees.two_dimensional[row] else "1d",
            **{name: float(getattr(degrees, name)[row]) for name in (*_DEGREES, "stage_ranks")},
            "batch": float(proposals.batch[row]),
            "draft_tokens": int(proposals.draft_tokens[row]),
            **{f"draft_{name}": _known(getattr(draft, name)[row]) for name in _DEGREES},
            "reasons": "; ".join(reason.text for reason in reasons),
        }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _listed(names: Sequence[str], position: int) -> str | None:
    return names[position] if 0 <= position < len(names) else None


def to_json(comparison: Comparison) -> str:
    """Write everything as strict JSON: no NaN and no infinity."""
    frontier, budget = comparison.frontier, comparison.budget
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "scenario": frontier.scenario.to_mapping(),
        "exact": {
            "claim": str(frontier.guarantee),
            "coverage": frontier.coverage,
            "stopped": frontier.stopped,
            "seconds": frontier.statistics.seconds,
            "deployments": [item.to_dict() for item in frontier],
        },
        "budget": {"evaluations": budget.evaluations, "seconds": budget.seconds, "seed": budget.seed},
        "heuristics": [
            {**summary(result), "points": list(proposal_rows(comparison, result))} for result in comparison.results
        ],
        "versions": frontier.versions,
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    """Replace what JSON cannot hold by null, and numbers of NumPy by those of Python."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_csv_text(comparison: Comparison) -> str:
    """One row a heuristic as CSV."""
    text = comparison.to_dataframe().to_csv(index=False, lineterminator="\n")
    assert isinstance(text, str)
    return text


FILE_KINDS = ("csv", "json", "parquet")
"""Kinds of files, which are also their endings: the table of heuristics, or (JSON) everything."""


def check_file(path: Path) -> None:
    """Refuse a file that a comparison could not be written to.

    Raises
    ------
    ScenarioError
        The ending is unknown, a library for it is missing, or there is no such folder.
    """
    if kind_of(path, FILE_KINDS) == "parquet":
        require_library("pyarrow", path)
    check_folder(path)


def write(comparison: Comparison, path: Path) -> None:
    """Write a comparison to a file of the kind that its ending says.

    Raises
    ------
    ScenarioError
        The ending is unknown, a library for it is missing, or the file cannot be written.
    """
    check_file(path)
    kind = kind_of(path, FILE_KINDS)
    if kind == "parquet":
        content = comparison.to_dataframe().to_parquet(index=False)
    else:
        content = (to_json(comparison) if kind == "json" else to_csv_text(comparison)).encode()
    replace_file(path, content)


_LEFT_OUT_FIRST = ("evals", "eps", "IGD+", "time", "at tokens/s", "speed regret %", "HV")
"""Columns that a narrow terminal does without, in this order."""


def render(comparison: Comparison, width: int = 100) -> str:
    """Put a comparison into text for a terminal of ``width`` columns."""
    width = max(width, LEAST_WIDTH)
    frontier = comparison.frontier
    title = [
        f"{frontier.scenario.name}: {wording.subject(frontier)}",
        f"Exact: {wording.guarantee(frontier)} ({frontier.statistics.seconds:.1f} s).",
    ]
    columns = _columns(comparison.results)
    kept = fitting(columns, width, _LEFT_OUT_FIRST)
    notes = [note for result in comparison.results for note in _notes(result)]
    notes = [*not_shown(columns, kept), *notes, _legend(frontier.coverage)]
    return "\n\n".join([wrapped(title, width), joined(kept), wrapped(notes, width, indent="  ")])


def _columns(results: Sequence[HeuristicResult]) -> list[Column]:
    cost, speed = [each.cost_regret for each in results], [each.speed_regret for each in results]
    cells: dict[tuple[str, str], list[str]] = {
        ("launchable", "of all"): [f"{len(each.verdicts.deployable)}/{len(each.proposals)}" for each in results],
        ("cost regret %", "median  worst"): [f"{_percent(each.median):>6}  {_percent(each.worst):>5}" for each in cost],
        ("at tokens/s", "/user"): ["-" if each.worst_speed is None else f"{each.worst_speed:.4g}" for each in cost],
        ("speed regret %", "median   worst"): [
            f"{_percent(each.median):>6}  {_percent(each.worst):>6}" for each in speed
        ],
        ("found", "%"): [_percent(each.share_found) for each in results],
        ("HV", "%"): [_percent(each.hypervolume_ratio) for each in results],
        ("eps", ""): [_decimal(each.additive_epsilon) for each in results],
        ("IGD+", ""): [_decimal(each.igd_plus) for each in results],
        ("evals", ""): [_short(each.proposals.evaluations) for each in results],
        ("time", "s"): [f"{each.seconds:.1f}" for each in results],
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


def _notes(result: HeuristicResult) -> Iterator[str]:
    """Why proposals cannot be launched, each kind with an example."""
    refused = len(result.proposals) - len(result.verdicts.deployable)
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
    of_kind = ([item.text for item in each if item.obstacle is obstacle] for each in result.verdicts.reasons)
    first = [texts[0] for texts in of_kind if texts]
    return f"such as {first[len(first) // 2]}"


def _legend(coverage: float | None) -> str:
    understated = " They may be understated, since the exact frontier is not complete." if coverage != 0.0 else ""
    return (
        "Regret: how much more expensive than the exact frontier at the same speed, how much slower at the same cost, "
        f"for what can be launched.{understated} HV, eps, IGD+: hypervolume, additive epsilon and IGD+ against the "
        "exact frontier."
    )
