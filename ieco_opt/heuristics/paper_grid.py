"""`paper-grid`: the search that arXiv 2506.04645 was published with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ieco_opt.catalog.types import Fidelity
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import limits_of
from ieco_opt.heuristics.interface import NO_SERVER, Proposals, joined, nondominated
from ieco_opt.heuristics.pricing import counts_energy, no_proposals, offered_families
from ieco_opt.heuristics.published_search import (
    RESOLUTION,
    Searches,
    SearchRequest,
    SearchResult,
    search,
)
from ieco_opt.performance.energy import carbon_kg_per_mtok, per_token, watts
from ieco_opt.performance.rules import is_deployable
from ieco_opt.performance.speculation import NO_YIELD
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario


@dataclass(frozen=True, slots=True)
class PaperGrid:
    """Log-spaced, fractional GPU counts and batches, with fractional depths and scale-downs at each pair.

    In fidelity ``paper`` the search is the published one: memory is checked on average over all GPUs for one
    micro-batch, and of the design space it heeds nothing but the layouts. In ``deployable`` it has the benefit of
    more: the grid ends at the scenario's GPUs and batches, and memory is checked for all sequences at their full
    length, still on average.

    Attributes
    ----------
    resolution
        GPU counts and batches of the grid; 400 as published.
    searches
        What was searched already, shared by heuristics that propose of the same searches; ``None``: search anew.
    """

    resolution: int = RESOLUTION
    name: str = "paper-grid"
    searches: Searches | None = field(default=None, compare=False, repr=False)

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:  # noqa: ARG002
        """Points of the searched frontier that meet the limits, fastest first; the budget is ignored."""
        published = scenario.scenario.fidelity is Fidelity.PAPER
        found = searched(scenario, self.resolution, self.searches, ask, published_bounds=published)
        parts = [_within_limits(scenario, family, result) for family, result in found]
        everything = joined([no_proposals(), *parts])
        return everything.take(nondominated(everything.latency_s, everything.cost_usd_per_mtok))


def searched(
    scenario: ResolvedScenario, resolution: int, known: Searches | None, ask: Ask = go_on, *, published_bounds: bool
) -> Iterator[tuple[Family, SearchResult]]:
    """Search every accelerator with every precision, on the published grid or within the scenario's bounds.

    The search knows no servers: of each pair it is given the first family.
    """
    space = scenario.design_space
    for family, *_ in tuple(offered_families(scenario, ask)):
        request = request_of(scenario, family, resolution)
        if not published_bounds:
            bounds = (float(space.batch_min), float(space.batch_max))
            request = replace(request, most_gpus=float(space.max_gpus), batches=bounds)
        yield family, _search_once(request, {} if known is None else known, ask)


def _search_once(request: SearchRequest, known: Searches, ask: Ask) -> SearchResult:
    """A search, or what it found before; one that was ended is not kept."""
    found = known.get(request) or search(request, ask)
    if found.finished:
        known[request] = found
    return found


def request_of(scenario: ResolvedScenario, family: Family, resolution: int) -> SearchRequest:
    """The published search on one accelerator at one precision of a scenario."""
    deployable, speculation = is_deployable(family.shape), family.speculation
    return SearchRequest(
        model=family.shape,
        accelerator=family.accelerator,
        context=family.context,
        resident_tokens=family.context.cached_to,
        usable_bytes=family.usable_bytes if deployable else family.accelerator.hbm_bytes,
        whole_batch_resident=deployable,
        max_throughput=limits_of(scenario.scenario).max_throughput,
        draft=None if family.drafts is None else family.drafts.shape,
        tokens=speculation.tokens if speculation else NO_YIELD,
        verifies_own_token=deployable,
        layouts=scenario.design_space.tensor_layout,
        resolution=resolution,
        counts_energy=counts_energy(scenario),
    )


def _within_limits(scenario: ResolvedScenario, family: Family, found: SearchResult) -> Proposals:
    limits, gpus = limits_of(scenario.scenario), found.degrees.gpus
    throughput, margin = found.batch / found.latency_s, family.margin
    meets = (
        (1.0 / (margin * found.latency_s) >= limits.min_speed)
        & (margin * found.cost_usd_per_mtok <= limits.max_cost)
        & (throughput / margin >= limits.min_throughput)
        & (throughput <= limits.max_throughput)
    )
    if np.isfinite(limits.max_power_kw):
        meets &= gpus * (family.accelerator.power_w or np.nan) / 1000.0 <= limits.max_power_kw
    if limits.on_energy:
        drawn = watts(family.accelerator, family.shape.fidelity, gpus)
        joules = per_token(*drawn, found.latency_s, found.busy_s, found.batch)
        meets &= margin * joules <= limits.max_energy_j_per_token
        if np.isfinite(limits.max_carbon_kg_per_mtok):
            meets &= margin * carbon_kg_per_mtok(family.accelerator, joules) <= limits.max_carbon_kg_per_mtok
    return Proposals(
        accelerator=np.full(len(gpus), family.accelerator_index),
        precision=np.full(len(gpus), family.precision_index),
        engine=np.full(len(gpus), NO_SERVER),
        degrees=found.degrees,
        batch=found.batch,
        draft_tokens=found.draft_tokens,
        draft_degrees=found.draft_degrees,
        latency_s=found.latency_s,
        cost_usd_per_mtok=found.cost_usd_per_mtok,
        evaluations=found.evaluations,
    ).take(np.flatnonzero(meets))
