"""Decisions as vectors of positions in the scenario's lists, for searches that move along one list at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.heuristics.pricing import Archive, Decisions, Indices, PricedSpace
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.rules import is_deployable
from ieco_opt.scenario import ResolvedScenario

NOWHERE = 1e3
"""Violation of a vector that names no setup, or one that does not fit; more than any limit can be missed by."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Logarithms of latency and cost of some vectors, and a violation that is 0 for what may be launched."""

    log_latency: Array
    log_cost: Array
    violation: Array


class Encoding:
    """Vectors of seven positions and a batch.

    The positions are those of the family (accelerator, precision and server), ranks of a stage, pipeline and
    attention-data-parallel degree, layout, expert-parallel degree with exchange of experts among those that go with the
    others, and number of draft tokens.
    """

    def __init__(self, resolved: ResolvedScenario, space: PricedSpace) -> None:
        listed = resolved.design_space
        self.space = space
        # The paper's rule leaves no choice of expert degrees: the batch decides between two.
        self.experts_follow_batch = listed.expert_parallel is None and not any(
            is_deployable(family.shape) for family in space.families
        )
        self._lists = [
            np.array(values)
            for values in (
                listed.possible_stage_ranks(),
                listed.pipeline_parallel,
                listed.attention_data_parallel,
                [layout == "2d" for layout in listed.tensor_layout],
            )
        ]
        self._tables = [self._table(index) for index in range(len(space.families))]
        widest = max((table.shape[-1] for table in self._tables), default=1)
        self.sizes = np.array(
            [len(space.families), *map(len, self._lists), widest, len(space.draft_range)], dtype=np.intp
        )
        batches = [
            (family.setups.batch_min, family.setups.batch_max) for family in space.families if len(family.setups)
        ]
        self.least_batch = min((int(low.min()) for low, _ in batches), default=1)
        self.most_batch = max((int(high.max()) for _, high in batches), default=1)

    def _table(self, family: int) -> Indices:
        """Rows of setups by position of degrees, the last axis over expert degrees and exchanges; -1 where none is."""
        degrees = self.space.families[family].setups.degrees
        columns = (
            degrees.stage_ranks,
            degrees.pipeline_parallel,
            degrees.attention_data_parallel,
            degrees.two_dimensional,
        )
        found: dict[tuple[int, ...], list[int]] = {}
        order = np.lexsort((degrees.spread.exchange, degrees.expert_parallel))
        positions = [
            np.array([int(np.flatnonzero(values == value)[0]) for value in column], dtype=np.intp)
            for values, column in zip(self._lists, columns, strict=True)
        ]
        for row in order:
            found.setdefault(tuple(int(position[row]) for position in positions), []).append(int(row))
        widest = max(map(len, found.values()), default=1)
        table = np.full((*map(len, self._lists), widest), -1, dtype=np.intp)
        for place, rows in found.items():
            table[place][: len(rows)] = rows
        return table

    def setups_of(self, family: int, positions: Indices, batch: Array) -> Indices:
        """Row of the setup that each vector of one family names, -1 where there is none."""
        if not len(self.space.families[family].setups):
            return np.full(len(positions), -1, dtype=np.intp)
        candidates = self._tables[family][tuple(positions[:, 1:5].T)]
        count = (candidates >= 0).sum(axis=1)
        if self.experts_follow_batch:
            setups = self.space.families[family].setups
            low, high = setups.batch_min[candidates], setups.batch_max[candidates]
            outside = np.maximum(low - batch[:, None], batch[:, None] - high)
            choice = np.where(candidates >= 0, np.maximum(outside, 0.0), np.inf).argmin(axis=1)
        else:
            choice = positions[:, 5] % np.maximum(count, 1)
        return np.asarray(candidates[np.arange(len(candidates)), choice], dtype=np.intp)

    def decode(self, positions: Indices, batch: Array) -> list[tuple[Indices, Decisions]]:
        """Decisions that vectors name, by family and with their rows; a batch too large or small is clipped."""
        found = []
        for family in np.unique(positions[:, 0]):
            rows = np.flatnonzero(positions[:, 0] == family)
            setup = self.setups_of(int(family), positions[rows], batch[rows])
            rows, setup = rows[setup >= 0], setup[setup >= 0]
            tokens = np.array(self.space.draft_range, dtype=np.intp)[positions[rows, 6]]
            clipped = self.space.clipped(int(family), setup, batch[rows])
            found.append((rows, Decisions(int(family), setup, tokens, clipped)))
        return found

    def score(self, archive: Archive, positions: Indices, batch: Array) -> Scores:
        """Price vectors; those that name nothing count as evaluations too."""
        latency = np.zeros(len(positions))
        cost, violation = np.zeros(len(positions)), np.full(len(positions), NOWHERE)
        named = 0
        for rows, decisions in self.decode(positions, batch):
            prices = archive.price(decisions)
            fits = np.isfinite(prices.latency_s)
            latency[rows[fits]] = np.log(prices.latency_s[fits])
            cost[rows[fits]] = np.log(prices.cost_usd_per_mtok[fits])
            violation[rows[fits]] = prices.excess[fits]
            named += len(rows)
        archive.evaluations += len(positions) - named
        return Scores(latency, cost, violation)

    def random(self, rng: np.random.Generator, count: int) -> tuple[Indices, Array]:
        """Positions of setups drawn evenly among those that exist, with batches drawn evenly in their logarithm."""
        family, setup = self.space.setups()
        drawn = rng.integers(len(setup), size=count)
        positions = np.zeros((count, len(self.sizes)), dtype=np.intp)
        positions[:, 0] = family[drawn]
        for row, (one, place) in enumerate(zip(family[drawn], setup[drawn], strict=True)):
            positions[row, 1:6] = self._place(int(one), int(place))
        positions[:, 6] = rng.integers(self.sizes[6], size=count)
        return positions, self.random_batches(rng, family[drawn], setup[drawn])

    def random_batches(self, rng: np.random.Generator, family: Indices, setup: Indices) -> Array:
        """Batches between the least and the greatest that each setup holds."""
        low, high, step = np.zeros(len(setup)), np.zeros(len(setup)), np.zeros(len(setup))
        for one in np.unique(family):
            rows = family == one
            low[rows], high[rows], step[rows] = (
                column[setup[rows]] for column in self.space.families[int(one)].setups.batches
            )
        return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high + step))))

    def _place(self, family: int, setup: int) -> NDArray[np.intp]:
        return np.asarray(np.argwhere(self._tables[family] == setup)[0])
