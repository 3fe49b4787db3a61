"""The design space of a scenario: every alternative that can be on its frontier, cut to the batches that can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator
from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.building import FamilyRequest, build_families, distinct_in_time, taken
from ieco_opt.design_space.dominance import (
    Cells,
    Staircase,
    batch_edges,
    grid_cells,
    joined,
    merged,
    nondominated,
)
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.side_by_side import plain_alternatives
from ieco_opt.design_space.starting import Setup, engines_at, setups_like
from ieco_opt.performance.economics import cost_usd_per_mtok
from ieco_opt.performance.energy import usd_rates
from ieco_opt.performance.rows import stack_rows

Kept = Callable[[Family], NDArray[np.bool_]]
"""Which setups of a family, shape (setups,), a design space has."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What enumeration and dominance counted.

    ``setups`` counts degrees, accelerator and precision; ``alternatives`` also speculation and its draft setup,
    as far as they were told apart.
    """

    setups: int
    alternatives: int
    rejected: Counter[str]


@dataclass(frozen=True, slots=True)
class DesignSpace:
    """Alternatives and the cells of batches that can be on the frontier.

    ``families`` are those that the alternatives come from, ``offered`` all of them: also setups that another server
    runs alike.
    ``points`` are deployments that exist and meet the limits: known incumbents, and the reason why what was
    dropped was dropped.
    """

    alternatives: Alternatives
    cells: Cells
    points: Staircase
    accelerators: tuple[Accelerator, ...]
    precisions: tuple[Precision | None, ...]
    limits: Limits
    listed_batches: bool
    families: tuple[Family, ...]
    offered: tuple[Family, ...]
    counts: Counts

    def family_of(self, alternatives: Alternatives, row: int = 0) -> Family:
        """Where one of some alternatives comes from."""
        return self.families[int(self._first(alternatives)[row] + alternatives.engine[row])]

    def engines_of(self, alternatives: Alternatives, batches: Sequence[int]) -> list[tuple[str, ...]]:
        """Servers that start each of some alternatives at its batch, whatever they make of it."""
        speculating = (alternatives.draft_tokens > 0).tolist()
        return [
            engines_at(setups, batch, speculates=speculates)
            for setups, batch, speculates in zip(self.setups_like(alternatives), batches, speculating, strict=True)
        ]

    def setups_like(self, alternatives: Alternatives) -> list[list[Setup]]:
        """Setups of the servers that are offered which are those of each of some alternatives."""
        found: list[list[Setup]] = [[] for _ in range(len(alternatives))]
        firsts = self._first(alternatives)
        for first in sorted({*firsts.tolist()}):
            rows = np.flatnonzero(firsts == first)
            families = self.offered[first : first + self._engines]
            for row, setups in zip(rows.tolist(), setups_like(families, alternatives.take(rows)), strict=True):
                found[row] = setups
        return found

    @property
    def _engines(self) -> int:
        return len(self.families) // (len(self.accelerators) * len(self.precisions))

    def _first(self, alternatives: Alternatives) -> Rows:
        """Position of the first family of the accelerator and precision of each of some alternatives."""
        at: Rows = (alternatives.accelerator * len(self.precisions) + alternatives.precision) * self._engines
        return at


@dataclass(frozen=True, slots=True)
class PricedSpace:
    """Every alternative with its time and price, and the cells of batches of which dominance has yet to choose.

    ``points`` are deployments that meet the limits, met so far; the other fields are those of :class:`DesignSpace`.
    """

    alternatives: Alternatives
    cells: Cells
    points: Staircase
    accelerators: tuple[Accelerator, ...]
    precisions: tuple[Precision | None, ...]
    listed_batches: bool
    families: tuple[Family, ...]
    offered: tuple[Family, ...]
    rejected: Counter[str]

    def within_each_accelerator(self, limits: Limits, ask: Ask = go_on) -> PricedSpace:
        """The same without what another deployment on the same accelerator dominates, whatever the accelerator costs.

        The cost of a token is in proportion to the price where energy has none, so which of two deployments on one
        accelerator is cheaper does not depend on it.
        """
        of_cells, parts = self.alternatives.accelerator[self.cells.row], []
        for accelerator in range(len(self.accelerators)):
            mine = self.cells.where(of_cells == accelerator)
            parts.append(nondominated(self.alternatives, mine, NO_POINTS, limits, ask)[0])
        alternatives, cells = _with_cells(self.alternatives, joined(parts))
        return replace(self, alternatives=alternatives, cells=cells, points=NO_POINTS)

    def at_prices(self, accelerators: Sequence[Accelerator]) -> PricedSpace:
        """The same where the accelerators are these, which differ from those before in their price alone."""
        usd_per_s, fidelity = self.alternatives.usd_per_s.copy(), self.families[0].shape.fidelity
        for at, accelerator in enumerate(accelerators):
            rows = np.flatnonzero(self.alternatives.accelerator == at)
            usd_per_s[rows] = usd_rates(accelerator, fidelity, self.alternatives.gpus[rows])[0]
        return replace(
            self,
            alternatives=replace(self.alternatives, usd_per_s=usd_per_s),
            points=NO_POINTS,
            accelerators=tuple(accelerators),
        )

    def cut(self, limits: Limits, ask: Ask = go_on) -> DesignSpace:
        """Drop what is provably not on the frontier under some limits."""
        ask("dropping what is dominated")
        cells, staircase = nondominated(self.alternatives, self.cells, self.points, limits, ask)
        if not self.listed_batches:
            cells = merged(cells)
        alternatives, cells = _with_cells(self.alternatives, cells)
        return DesignSpace(
            alternatives=alternatives,
            cells=cells,
            points=staircase,
            accelerators=self.accelerators,
            precisions=self.precisions,
            limits=limits,
            listed_batches=self.listed_batches,
            families=self.families,
            offered=self.offered,
            counts=Counts(
                setups=sum(len(family.setups) for family in self.families),
                alternatives=len(self.alternatives),
                rejected=self.rejected,
            ),
        )


def _with_cells(alternatives: Alternatives, cells: Cells) -> tuple[Alternatives, Cells]:
    """The alternatives that some cell is of, and the cells, numbered anew."""
    used, rows = np.unique(cells.row, return_inverse=True)
    return alternatives.take(used), replace(cells, row=rows)


NO_POINTS = Staircase(np.zeros(0), np.zeros(0))
"""Where no deployment is known yet."""


def build_design_space(
    request: FamilyRequest,
    accelerators: Sequence[Accelerator],
    precisions: Sequence[Precision | None],
    limits: Limits,
    ask: Ask = go_on,
    kept: Kept | None = None,
) -> DesignSpace:
    """Enumerate the alternatives of a scenario and drop what is provably not on its frontier.

    ``kept`` says which setups there are, where not all of them: what is left out makes nothing else dominated.
    """
    return price_design_space(request, accelerators, precisions, limits, ask, kept).cut(limits, ask)


def price_design_space(
    request: FamilyRequest,
    accelerators: Sequence[Accelerator],
    precisions: Sequence[Precision | None],
    limits: Limits,
    ask: Ask = go_on,
    kept: Kept | None = None,
) -> PricedSpace:
    """Enumerate the alternatives of a scenario, as of :func:`build_design_space`, and price them."""
    rejected = Counter[str]()
    families, offered = [], []
    for accelerator in enumerate(accelerators):
        for precision in enumerate(precisions):
            ask(f"enumerating the configurations of {accelerator[1].name}")
            found, reasons = build_families(request, accelerator, precision)
            offered += found
            families += distinct_in_time([_keeping(found, kept)], limited=limits.on_prompts)[0]
            rejected.update(reasons)
    listed = request.batches is not None
    edges = np.array(request.batches, dtype=np.int64) if listed else batch_edges(request.batch_min, request.batch_max)
    ask("pricing the configurations")
    every = plain_alternatives(families)
    plain = [(alternatives, _first_cells(alternatives, edges, listed=listed)) for alternatives in every]
    staircase = NO_POINTS
    for alternatives, cells in plain:
        ask()
        staircase = _seed(alternatives, cells, limits, staircase)
    spaces = list(plain)
    for family in families:
        if family.draft_range and family.drafts is not None and family.drafts.of is not None:
            ask(f"pricing drafts on {family.accelerator.name}")
            pairs, staircase = _drafted(family, edges, staircase, limits, listed=listed)
            spaces += pairs
            continue
        for draft_tokens in family.draft_range:
            ask(f"pricing {draft_tokens} draft tokens on {family.accelerator.name}")
            pairs, staircase = _speculative(family, draft_tokens, edges, staircase, limits, ask, listed=listed)
            spaces += pairs
    alternatives, cells = _together(spaces)
    return PricedSpace(
        alternatives=alternatives,
        cells=cells,
        points=staircase,
        accelerators=tuple(accelerators),
        precisions=tuple(precisions),
        listed_batches=listed,
        families=tuple(families),
        offered=tuple(offered),
        rejected=rejected,
    )


def _keeping(families: Sequence[Family], kept: Kept | None) -> Sequence[Family]:
    """Families with the setups that there are."""
    return families if kept is None else [taken(family, np.flatnonzero(kept(family))) for family in families]


def _first_cells(alternatives: Alternatives, edges: Integers, *, listed: bool) -> Cells:
    step = alternatives.batch_step
    lo, hi, exists = grid_cells(edges, alternatives.batch_min, alternatives.batch_max, step, listed=listed)
    row, column = np.nonzero(exists)
    return Cells(row, lo[row, column], hi[row, column], step[row])


def _seed(alternatives: Alternatives, cells: Cells, limits: Limits, staircase: Staircase) -> Staircase:
    """Add the deployments at the ends of cells, without looking at dominance yet."""
    part = alternatives.take(cells.row)
    for batch in (cells.lo.astype(float), cells.hi.astype(float)):
        latency = part.latency_s(batch)
        can = limits.admits(part, latency, batch)
        staircase = staircase.joined(latency[can], part.measured(latency, batch)[can])
    return staircase


def _together(spaces: Sequence[tuple[Alternatives, Cells]]) -> tuple[Alternatives, Cells]:
    offsets = np.cumsum([0, *(len(alternatives) for alternatives, _ in spaces)])
    cells = [replace(cell, row=cell.row + offset) for (_, cell), offset in zip(spaces, offsets[:-1], strict=True)]
    return stack_rows([alternatives for alternatives, _ in spaces]), joined(cells)


def _drafted(
    family: Family, edges: Integers, staircase: Staircase, limits: Limits, *, listed: bool
) -> tuple[list[tuple[Alternatives, Cells]], Staircase]:
    """Setups with the draft on their own ranks, for every number of tokens, cut into first cells."""
    found = []
    for setups, drafts in family.pairs():
        alternatives = family.speculating(setups, drafts)
        cells = _first_cells(alternatives, edges, listed=listed)
        staircase = _seed(alternatives, cells, limits, staircase)
        found.append((alternatives, cells))
    return found, staircase


def _speculative(
    family: Family, draft_tokens: int, edges: Integers, staircase: Staircase, limits: Limits, ask: Ask, *, listed: bool
) -> tuple[list[tuple[Alternatives, Cells]], Staircase]:
    """Pairs of model and draft setups in ``paper`` that are not dominated already, cut into first cells."""
    found = []
    for setups, drafts in family.same_gpus():
        ask()
        if np.isfinite(limits.max_throughput):
            alternatives, cells = _fastest_pairs(family, draft_tokens, setups, drafts, edges, ask, listed=listed)
            if len(cells):
                staircase = _seed(alternatives, cells, limits, staircase)
                found.append((alternatives, cells))
            continue
        least, most, step = (column[setups] for column in family.setups.batches)
        lo, hi, exists = grid_cells(edges, least, most, step, listed=listed)
        pairs = _promising_pairs(family, draft_tokens, setups, drafts, lo, hi, exists, staircase, limits)
        if len(pairs[0]):
            alternatives = family.alternatives(pairs[0], draft_tokens, pairs[1])
            low = np.maximum(pairs[2].lo, alternatives.batch_min[pairs[2].row])
            high = np.minimum(pairs[2].hi, alternatives.batch_max[pairs[2].row])
            cells = replace(pairs[2], lo=low, hi=high).where(low <= high)
            staircase = _seed(alternatives, cells, limits, staircase)
            found.append((alternatives, cells))
    return found, staircase


def _fastest_pairs(
    family: Family, draft_tokens: int, setups: Rows, drafts: Rows, edges: Integers, ask: Ask, *, listed: bool
) -> tuple[Alternatives, Cells]:
    """Pairs on the batches where no draft setup that fits is faster.

    Elsewhere a slower draft is simply dominated. Under a cap on throughput it is not, since being slower keeps a
    larger batch within the cap; but a draft model always runs in its fastest setup.
    """
    pairs: list[tuple[int, int]] = []
    lows, highs, rows = [], [], []
    for setup in setups:
        ask()
        least, most = int(family.setups.batch_min[setup]), int(family.setups.batch_max[setup])
        batches = edges[(edges >= least) & (edges <= most)] if listed else np.arange(least, most + 1)
        if not len(batches):
            continue
        best = family.fastest_drafts(np.array([setup]), drafts, batches.astype(float))[0]
        changes = np.arange(1, len(best)) if listed else np.flatnonzero(np.diff(best)) + 1
        starts = np.concatenate([[0], changes])
        ends = np.concatenate([changes, [len(best)]]) - 1
        for start, end in zip(starts[best[starts] >= 0], ends[best[starts] >= 0], strict=True):
            rows.append(len(pairs))
            pairs.append((int(setup), int(best[start])))
            lows.append(int(batches[start]))
            highs.append(int(batches[end]))
    chosen = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    alternatives = family.alternatives(chosen[:, 0], draft_tokens, chosen[:, 1])
    lo, hi = np.array(lows, dtype=np.int64), np.array(highs, dtype=np.int64)
    return alternatives, Cells(np.array(rows, dtype=np.intp), lo, hi, np.ones(len(rows), dtype=np.int64))


def _promising_pairs(
    family: Family,
    draft_tokens: int,
    setups: Rows,
    drafts: Rows,
    lo: Integers,
    hi: Integers,
    exists: NDArray[np.bool_],
    staircase: Staircase,
    limits: Limits,
) -> tuple[Rows, Rows, Cells]:
    """Pairs with a cell that no known deployment beats: model rows, draft rows, and cells over the pairs."""
    assert family.drafts is not None
    model = family.model_pass(setups, draft_tokens)
    factor = family.factor(draft_tokens)
    draft_pass = family.drafts.time.take(drafts)
    corner = []
    for batch in (lo.astype(float), hi.astype(float)):
        shape = (len(drafts), *batch.shape)
        draft_s = draft_pass.latency_s(np.broadcast_to(batch.ravel(), (len(drafts), batch.size))).reshape(shape)
        corner.append(factor * (model.latency_s(batch) + draft_tokens * draft_s))
    cheap = cost_usd_per_mtok(family.usd_per_s(setups)[:, None], corner[1], hi.astype(float))
    # Only fidelity `paper` chooses drafts by pairs, and it plans with no error of the model.
    # Generous: these corners are added up in another order than deployments are; last bits must exclude nothing.
    hopeless = (corner[0] * limits.min_speed > 1.0 + 1e-9) | (cheap > limits.max_cost * (1.0 + 1e-9))
    hopeless |= hi * (1.0 + 1e-9) < limits.min_throughput * corner[1]
    draft, model_row, cell = np.nonzero(exists & ~hopeless & ~staircase.beats(corner[0], cheap))
    key, row = np.unique(draft * len(setups) + model_row, return_inverse=True)
    return (
        setups[key % len(setups)],
        drafts[key // len(setups)],
        Cells(row, lo[model_row, cell], hi[model_row, cell], np.ones(len(row), dtype=np.int64)),
    )
