"""`rounded-grid`: the published search, its answers rounded to what can be launched."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.families import Family
from ieco_opt.heuristics.interface import Proposals, joined
from ieco_opt.heuristics.paper_grid import searched
from ieco_opt.heuristics.pricing import Archive, Decisions, Indices, PricedSpace, no_proposals
from ieco_opt.heuristics.published_search import RESOLUTION, Searches, SearchResult
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.solvers.run import Stopped

_ROUNDED = ("stage_ranks", "pipeline_parallel", "attention_data_parallel")


@dataclass(frozen=True, slots=True)
class RoundedGrid:
    """Round every degree and the batch of each point both up and down, price all combinations, keep the best.

    Ranks of a stage, pipeline stages and attention groups go to their neighbours among those that the scenario offers
    and a server starts, on every server with every expert degree and exchange that goes with them, and the batch to
    whole groups; one that does not fit goes down to the largest that does. The grid ends at the scenario's GPUs and
    batches.

    Attributes
    ----------
    resolution
        GPU counts and batches of the grid; 400 as published.
    searches
        What was searched already, shared by heuristics that propose of the same searches; ``None``: search anew.
    """

    resolution: int = RESOLUTION
    name: str = "rounded-grid"
    searches: Searches | None = field(default=None, compare=False, repr=False)

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:  # noqa: ARG002
        """Rounded points that no other rounded point dominates; the budget is ignored."""
        archive = Archive(PricedSpace(scenario, ask), Budget(evaluations=sys.maxsize))
        spent = 0
        with suppress(Stopped):
            grids = searched(scenario, self.resolution, self.searches, ask, published_bounds=False)
            for searched_family, found in grids:
                spent += found.evaluations
                for index, family in enumerate(archive.space.families):
                    if _same_hardware(family, searched_family):
                        for decisions in _rounded(archive.space, index, found):
                            archive.price(decisions)
        return joined([archive.proposals(), no_proposals(spent)])


def _same_hardware(one: Family, other: Family) -> bool:
    """Whether families differ in their server at most."""
    return (one.accelerator_index, one.precision_index) == (other.accelerator_index, other.precision_index)


def _rounded(space: PricedSpace, family: int, found: SearchResult) -> list[Decisions]:
    """Launchable neighbours of the points of one search."""
    setups = space.families[family].setups
    if not len(setups):
        return []
    pairs: list[tuple[Indices, Indices]] = []
    around = [_neighbours(np.unique(getattr(setups.degrees, name)), getattr(found.degrees, name)) for name in _ROUNDED]
    for ranks, stages, sigma in product(*around):
        same = (
            (setups.degrees.stage_ranks == ranks[:, None])
            & (setups.degrees.pipeline_parallel == stages[:, None])
            & (setups.degrees.attention_data_parallel == sigma[:, None])
        )
        point, setup = np.nonzero(same & _same_layout(setups.degrees, found.degrees))
        pairs.append((point, setup))
    point = np.concatenate([pair[0] for pair in pairs])
    setup = np.concatenate([pair[1] for pair in pairs])
    chosen = []
    step = setups.batch_step[setup]
    for to_whole in (np.floor, np.ceil):
        clipped = space.clipped(family, setup, to_whole(found.batch[point] / step) * step)
        chosen.append(np.stack([setup, found.draft_tokens[point], clipped], axis=1))
    once = np.unique(np.concatenate(chosen), axis=0)
    decisions = Decisions(family, once[:, 0], once[:, 1], once[:, 2])
    # Where no draft model fits beside the rounded setup, plain decoding is what is left.
    plain = replace(decisions, draft_tokens=np.zeros_like(decisions.setup))
    return [decisions, plain] if found.draft_tokens.any() else [decisions]


def _neighbours(values: Array, wanted: Array) -> tuple[Array, Array]:
    """Largest listed value that is no larger and smallest that is no smaller, or the nearest end of the list."""
    last = len(values) - 1
    below = np.clip(np.searchsorted(values, wanted * (1.0 + 1e-9), side="right") - 1, 0, last)
    above = np.clip(np.searchsorted(values, wanted * (1.0 - 1e-9), side="left"), 0, last)
    return values[below], values[above]


def _same_layout(setups: Degrees, wanted: Degrees) -> NDArray[np.bool_]:
    # A single rank has no second dimension, and is listed as 1-D.
    same: NDArray[np.bool_] = (setups.two_dimensional == wanted.two_dimensional[:, None]) | (setups.stage_ranks == 1.0)
    return same
