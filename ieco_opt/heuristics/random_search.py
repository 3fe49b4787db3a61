"""`random`: deployments drawn at random, the best of them kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ieco_opt.heuristics.encoding import Encoding
from ieco_opt.heuristics.interface import Proposals
from ieco_opt.heuristics.pricing import Archive, PricedSpace
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Setups drawn evenly among those that hold a batch, batches evenly in their logarithm among those they hold."""

    name: str = "random"

    def propose(self, scenario: ResolvedScenario, budget: Budget) -> Proposals:
        """What no other draw dominates."""
        space = PricedSpace(scenario)
        archive = Archive(space, budget)
        if not len(space.setups()[0]):
            return archive.proposals()
        encoding, rng = Encoding(scenario, space), np.random.default_rng(budget.seed)
        while room := archive.left:
            encoding.score(archive, *encoding.random(rng, min(_AT_ONCE, room)))
        return archive.proposals()
