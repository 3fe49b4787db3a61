"""`coarse-grid`: every setup, but only the batches that benchmarking tools probe."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.heuristics.interface import Proposals
from ieco_opt.heuristics.pricing import Archive, Decisions, Indices, PricedSpace
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.solvers.run import Stopped


@dataclass(frozen=True, slots=True)
class CoarseGrid:
    """All setups and numbers of draft tokens at 1, 2, 4, 8, ... sequences a group; of listed batches, all of them."""

    name: str = "coarse-grid"

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:  # noqa: ARG002
        """What no other point of the grid dominates; the budget is ignored."""
        archive = Archive(PricedSpace(scenario, ask), Budget(evaluations=sys.maxsize))
        with suppress(Stopped):
            for index in range(len(archive.space.families)):
                _price_family(archive, index)
        return archive.proposals()


def _price_family(archive: Archive, index: int) -> None:
    space = archive.space
    batches = []
    for row in range(len(space.families[index].setups)):
        space.ask()
        batches.append(powers_of_two(space, index, row))
    setup = np.repeat(np.arange(len(batches)), list(map(len, batches)))
    if not len(setup):
        return
    batch = np.concatenate(batches)
    for tokens in space.draft_range:
        archive.price(Decisions(index, setup, np.full(len(setup), tokens), batch))


def powers_of_two(space: PricedSpace, family: int, setup: int) -> Indices:
    """Batches that a setup holds, of 1, 2, 4, ... sequences in each attention group and micro-batch.

    Where the scenario lists its batches, those of the list that are whole groups; in fidelity ``paper`` powers of two.
    """
    least, most, step = (int(column[setup]) for column in space.families[family].setups.batches)
    probed = step * 2 ** np.arange((most // step).bit_length()) if space.listed is None else space.listed
    return np.asarray(probed[(probed >= least) & (probed <= most) & (probed % step == 0)], dtype=np.intp)
