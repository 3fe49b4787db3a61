"""What changed between two explanations, comparisons or lists of alternatives beside their deployments and plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ieco_opt.reports.text.table import Column, joined, shortened
from ieco_opt.reports.text.table_columns import words
from ieco_opt.results.difference import Change, Difference, HeuristicChange

EXPLAINED = ("explain", "explain_fleet")
"""Kinds of explanations."""

_OF_LIMITS = ("*.binds", "*.needed", "*.needed_together", "*.improves_from", "*.least", "*.removed_gain")
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "explain": (*_OF_LIMITS, "binding_together", "margin.gain", "runner_ups.*.loss"),
    "alternatives": ("found.*.excess",),
    "explain_fleet": (*_OF_LIMITS, "binding_together", "runner_ups.*.loss"),
}
"""Figures that are shown of explanations beside those of the answer, the first patterns first; JSON has them all."""

_SHARES = (".loss", "gain", "excess")
_NAME = 24


def shown_beside(difference: Difference) -> list[Change]:
    """Figures of limits and runner-ups that people look at, in the order of what matters."""
    patterns = _SHOWN.get(difference.kind, ())
    return [
        each
        for pattern in patterns
        for each in difference.answer
        # That a limit does not bind is no news of one which only one of the two has.
        if fnmatchcase(each.name, pattern)
        and any(value is not None and value is not False for value in (each.before, each.after))
    ]


def is_share(name: str) -> bool:
    """Whether a figure is a share that may be far above or below another one without meaning much."""
    return name.endswith(_SHARES)


def as_share(name: str, value: Any) -> str | None:
    """A share in percent; ``None`` for everything else."""
    return f"{100.0 * value:.3g} %" if is_share(name) and isinstance(value, int | float) else None


def said_of_limits(changes: Sequence[Change]) -> list[str]:
    """Which limits have come to bind, and which bind no longer."""
    moved = [each for each in changes if each.name.endswith(".binds")]
    parts = []
    for words_, value in (
        ("binds now", [each for each in moved if each.after is True]),
        ("binds no longer", [each for each in moved if each.before is True]),
    ):
        if value:
            names = ", ".join(each.name.removesuffix(".binds") for each in value)
            parts.append(f"{words_ if len(value) == 1 else words_.replace('binds', 'bind')}: {names}")
    return ["; ".join(parts)] if parts else []


def said_of_alternatives(changes: Sequence[Change]) -> list[str]:
    """How many alternatives only one of two lists has."""
    excesses = [each for each in changes if each.name.endswith(".excess")]
    came, went = (sum(value is None for value in side) for side in _sides(excesses))
    parts = [f"{count} of the alternatives {word}" for count, word in ((came, "came"), (went, "went")) if count]
    return ["; ".join(parts) if parts else "the same alternatives"]


def _sides(changes: Sequence[Change]) -> tuple[list[Any], list[Any]]:
    return [each.before for each in changes], [each.after for each in changes]


def of_heuristics(rows: Sequence[HeuristicChange], width: int) -> list[str]:
    """A table of what each heuristic finds."""
    columns = [words("heuristic", (shortened(row.name, _NAME) for row in rows))]
    pairs = {
        "points found": [(row.share_found_before, row.share_found_after) for row in rows],
        "median cost regret": [(row.cost_regret_before, row.cost_regret_after) for row in rows],
        "hypervolume": [(row.hypervolume_before, row.hypervolume_after) for row in rows],
    }
    for name, values in pairs.items():
        before, after = (tuple(_percent(pair[side]) for pair in values) for side in (0, 1))
        both = [*columns, Column(name, "before", before), Column("", "after", after)]
        if sum(column.width + 2 for column in both) <= width + 2:
            columns = both
    return joined(columns).split("\n")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100.0 * share:.1f} %"
