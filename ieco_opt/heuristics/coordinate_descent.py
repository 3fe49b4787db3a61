"""`coordinate-descent`: one decision at a time is set to its best value, from many starts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.heuristics.encoding import NOWHERE, Encoding, Scores
from ieco_opt.heuristics.interface import Proposals
from ieco_opt.heuristics.pricing import Archive, Indices, PricedSpace
from ieco_opt.performance.collectives import Array
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.solvers.run import Stopped

_STARTS = 8
_BATCHES = 24
_NEARBY = (0.9, 0.95, 0.98, 1.02, 1.05, 1.1)
_SUM_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class CoordinateDescent:
    """Descent with restarts, each for another trade-off between latency and cost.

    A trade-off is a Chebyshev distance, weighted, from the best latency and cost found so far (in logarithms), so that
    points inside dents of the frontier can be found as well. A descent starts from the best of some random deployments
    and from every value that one decision may take moves to the best, until no single decision helps.
    """

    name: str = "coordinate-descent"

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:
        """What no other deployment that was priced on the way dominates."""
        space = PricedSpace(scenario, ask)
        archive = Archive(space, budget)
        if not len(space.setups()[0]):
            return archive.proposals()
        search = _Descent(Encoding(scenario, space), archive, np.random.default_rng(budget.seed))
        restart = 0
        with suppress(Stopped):
            while room := archive.left:
                search.run(_latency_weight(restart), starts=min(_STARTS, room))
                restart += 1
        return archive.proposals()


def _latency_weight(restart: int) -> float:
    """Both ends first, then ever finer halves of what is between (van der Corput's sequence)."""
    if restart < 2:
        return float(restart)
    index, weight, half = restart - 1, 0.0, 0.5
    while index:
        weight += half * (index % 2)
        index, half = index // 2, half / 2.0
    return weight


class _Descent:
    """Descents over one encoding that share an archive."""

    def __init__(self, encoding: Encoding, archive: Archive, rng: np.random.Generator) -> None:
        self.encoding, self.archive, self.rng = encoding, archive, rng
        self.best = np.array([np.inf, np.inf])

    def run(self, latency_weight: float, starts: int) -> None:
        """Descend from the best of some random starts for one trade-off."""
        positions, batch = self.encoding.random(self.rng, starts)
        values = self._values(positions, batch, latency_weight)
        start = int(values.argmin())
        here, at, value = positions[start], float(batch[start]), float(values[start])
        unchanged, coordinates = 0, self.rng.permutation(len(here) + 1)
        step = 0
        while unchanged < len(coordinates) and (room := self.archive.left):
            lines, batches = self._line(here, at, int(coordinates[step % len(coordinates)]))
            step += 1
            found = self._values(lines[:room], batches[:room], latency_weight)
            best = int(found.argmin()) if len(found) else 0
            if len(found) and found[best] < value - 1e-12:
                here, at, value, unchanged = lines[best], float(batches[best]), float(found[best]), 0
            else:
                unchanged += 1

    def _line(self, here: Indices, batch: float, coordinate: int) -> tuple[Indices, Array]:
        """Every other value of one coordinate; the last one is the batch."""
        if coordinate < len(here):
            others = np.delete(np.arange(self.encoding.sizes[coordinate]), here[coordinate])
            lines = np.repeat(here[None, :], len(others), axis=0)
            lines[:, coordinate] = others
            return lines, np.full(len(others), batch)
        spread = np.geomspace(self.encoding.least_batch, self.encoding.most_batch, _BATCHES)
        batches = np.unique(np.rint([*spread, *(batch * np.array(_NEARBY)), batch - 1.0, batch + 1.0]))
        batches = batches[(batches >= self.encoding.least_batch) & (batches <= self.encoding.most_batch)]
        return np.repeat(here[None, :], len(batches), axis=0), batches

    def _values(self, positions: Indices, batch: Array, latency_weight: float) -> Array:
        """Weighted distance from the best latency and cost so far; what may not be launched comes after all else."""
        scores: Scores = self.encoding.score(self.archive, positions, batch)
        feasible = scores.violation == 0.0
        if feasible.any():
            found = np.array([scores.log_latency[feasible].min(), scores.log_cost[feasible].min()])
            self.best = np.minimum(self.best, found)
        best = np.where(np.isfinite(self.best), self.best, 0.0)
        latency = latency_weight * (scores.log_latency - best[0])
        cost = (1.0 - latency_weight) * (scores.log_cost - best[1])
        distance = np.maximum(latency, cost) + _SUM_SHARE * (latency + cost)
        return np.where(feasible, distance, NOWHERE * (1.0 + scores.violation))
