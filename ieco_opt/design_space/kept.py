"""What is kept of the design space of one scenario between questions that differ in limits and prices.

Dominance under fewer limits serves a least speed and a greatest cost of any value: what dominates a deployment is no
slower and no more expensive, so it meets both where the deployment does. That needs one margin for the error of the
model on all accelerators. Within one accelerator the cost is in proportion to its price, so what is dominated there
is so at any price. Other limits are not of that kind (docs/proof.md), and a space of their own is built for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.from_scenario import design_space_of, limits_of, priced_space_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.ranges import Ranges
from ieco_opt.design_space.segments import (
    Segments,
    build_segments,
    cut_where_protocols_change,
    segments_within,
    within_limits,
)
from ieco_opt.design_space.space import DesignSpace, PricedSpace
from ieco_opt.performance.energy import Measure, usd_per_joule
from ieco_opt.scenario import ResolvedScenario, Scenario, resolve
from ieco_opt.scenario.resolved import Resolved, resolved_names

_NONE = Limits()


@dataclass(frozen=True, slots=True)
class _AtPrices:
    """A space without least speed and greatest cost, and its cells where protocols change.

    Only where they are asked about again does it pay to keep figures of them.
    """

    accelerators: tuple[Accelerator, ...]
    space: DesignSpace
    cells: Cells
    ranges: Ranges | None = None


class KeptSpaces:
    """Gives the design space and the segments of a scenario, whose limits and prices alone change between calls."""

    def __init__(self) -> None:
        self._asked: Scenario | None = None
        self._resolved: ResolvedScenario | None = None
        self._names: Resolved | None = None
        self._others: Limits | None = None
        self._priced: PricedSpace | None = None
        self._one_margin = True
        self._at_prices: _AtPrices | None = None

    def resolved(self, scenario: Scenario) -> ResolvedScenario:
        """What ``resolve`` gives, which looks at neither the least speed nor the greatest cost.

        Raises
        ------
        ScenarioError
            As of ``resolve``.
        """
        before = self._asked
        if self._resolved is None or before is None or _but_for_both(before) != _but_for_both(scenario):
            self._resolved, self._names = resolve(scenario), None
        held = self._resolved.scenario.model_copy(update={"limits": scenario.limits})
        # A copy says which fields were given: limits may be one of them now, or no longer.
        held.model_fields_set.discard("limits")
        held.model_fields_set.update({"limits"} & scenario.model_fields_set)
        self._asked = scenario
        return replace(self._resolved, scenario=held)

    def names(self, resolved: ResolvedScenario) -> Resolved:
        """What ``resolved_names`` gives of the scenario that was resolved last."""
        if self._names is None:
            self._names = resolved_names(resolved.scenario)
        return self._names

    def segmented(self, resolved: ResolvedScenario, measure: Measure, ask: Ask = go_on) -> tuple[DesignSpace, Segments]:
        """The space and the segments that a search without anything kept would build, in which rows are others."""
        limits = limits_of(resolved.scenario)
        if not serves_other_prices(resolved, measure):
            space = design_space_of(resolved, ask=ask, measure=measure)
            return space, build_segments(space, ask)
        others = replace(limits, min_speed=_NONE.min_speed, max_cost=_NONE.max_cost)
        if self._priced is None or others != self._others:
            every = priced_space_of(resolved, others, ask)
            self._priced, self._at_prices, self._others = every.within_each_accelerator(others, ask), None, others
            self._one_margin = len({*self._priced.alternatives.margin.tolist()}) <= 1
        if not self._one_margin:
            space = self._priced.at_prices(resolved.accelerators).cut(limits, ask)
            return space, build_segments(space, ask)
        kept = self._at_prices
        if kept is None or kept.accelerators != resolved.accelerators:
            space = self._priced.at_prices(resolved.accelerators).cut(others, ask)
            cells = cut_where_protocols_change(space.alternatives, space.cells, ask)
            kept = self._at_prices = _AtPrices(resolved.accelerators, space, cells)
        elif kept.ranges is None:
            cells = within_limits(kept.space.alternatives, kept.cells, others)
            ranges = Ranges(kept.space.alternatives, cells) if len(cells) else None
            kept = self._at_prices = replace(kept, ranges=ranges)
        space = replace(kept.space, limits=limits)
        return space, segments_within(space, kept.cells, ask) if kept.ranges is None else kept.ranges.segments(
            limits, ask
        )


def _but_for_both(scenario: Scenario) -> dict[str, Any]:
    """All that a scenario says but for the least speed and the greatest cost."""
    return {**vars(scenario), "limits": {**vars(scenario.limits), "min_speed": None, "max_cost": None}}


def serves_other_prices(resolved: ResolvedScenario, measure: Measure) -> bool:
    """Whether what is dominated on one accelerator is so at any price of a GPU.

    Not so where energy has a price beside it, or is to be least; and in fidelity ``paper`` drafts are chosen by what
    pairs cost before anything else is.
    """
    sited = any(usd_per_joule(each) is not None for each in resolved.accelerators)
    drafted = resolved.scenario.fidelity is Fidelity.PAPER and resolved.draft is not None
    return measure is Measure.COST and not sited and not drafted
