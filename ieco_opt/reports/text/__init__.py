"""Results as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.comparison.compare import Comparison
    from ieco_opt.results.explanation import Explanation
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult

__all__ = ["render"]


def render(result: Frontier | FleetResult | Explanation | Comparison, width: int = 80) -> str:
    """Put a result of any kind into text for a terminal of ``width`` columns.

    What is not of one of the first three kinds is taken for a comparison.
    """
    from ieco_opt.results.explanation import Explanation
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult

    if isinstance(result, Frontier):
        from ieco_opt.reports.text import frontier

        return frontier.render(result, width)
    if isinstance(result, FleetResult):
        from ieco_opt.reports.text import fleet

        return fleet.render(result, width)
    if isinstance(result, Explanation):
        from ieco_opt.reports.text import explanation

        return explanation.render(result, width)
    from ieco_opt.reports.text import comparison

    return comparison.render(result, width)
