"""`random`: deployments drawn at random, the best of them kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.heuristics.encoding import Encoding
from ieco_opt.heuristics.interface import Proposals
from ieco_opt.heuristics.pricing import Archive, PricedSpace
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.solvers.run import Stopped

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Setups drawn evenly among those that hold a batch, batches evenly in their logarithm among those they hold."""

    name: str = "random"

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:
        """What no other draw dominates."""
        space = PricedSpace(scenario, ask)
        archive = Archive(space, budget)
        if not len(space.setups()[0]):
            return archive.proposals()
        encoding, rng = Encoding(scenario, space), np.random.default_rng(budget.seed)
        with suppress(Stopped):
            while room := archive.left:
                encoding.score(archive, *encoding.random(rng, min(_AT_ONCE, room)))
        return archive.proposals()
