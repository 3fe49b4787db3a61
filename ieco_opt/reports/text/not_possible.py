"""The answer to a question that has none: that this is proven, what would have one, and why."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.reports.text.screen import question
from ieco_opt.reports.text.table import indented
from ieco_opt.scenario import Fleet

VERDICT = "NOT POSSIBLE"
"""How the first line begins."""

_MARGIN = 13


def not_possible_lines(fleet: Fleet, ways: Sequence[str], why: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns; ``ways`` are single changes that would do."""
    told = [(f"{VERDICT}, proven: ", question(fleet))]
    told += [("Change one:".ljust(_MARGIN), "    or ".join(ways))] if ways else []
    told.append(("Why:".ljust(_MARGIN), why))
    return [line for label, text in told for line in indented(f"{label}{text}", width, _MARGIN).split("\n")]
