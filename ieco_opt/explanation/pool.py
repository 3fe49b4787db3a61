"""Every alternative of a scenario, with no limit applied and nothing dropped for being dominated.

Dominance is right for one frontier only: a deployment that the best one dominates may be the best without it, or the
only one under another limit. Here limits are applied afterwards, so one pool answers every question about a scenario.

For one alternative speed never rises, and throughput and memory never fall, as the batch grows. So under any limits the
batches left are a range, whose ends bisection on the performance model finds exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Fidelity
from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.bisection import first_true, last_true
from ieco_opt.design_space.building import build_families, identity
from ieco_opt.design_space.dominance import Cells, Staircase, joined
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.space import Counts, DesignSpace
from ieco_opt.explanation.bounds import MOST_BATCH, MOST_GPUS, Bounds
from ieco_opt.explanation.residents import Residents, residents_of
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.rows import distinct, stack_rows
from ieco_opt.scenario import ResolvedScenario

Holds = Callable[[Array, Rows], NDArray[np.bool_]]
"""Whether a limit is met at a batch, given rows of the pool."""


@dataclass(frozen=True, slots=True)
class FastestDrafts:
    """Draft setup that is the fastest to fit beside a setup, -1 where none does, from batch ``lo`` on."""

    lo: int
    draft: Rows

    def covers(self, lo: int, hi: int) -> bool:
        """Whether every batch of lo..hi is known."""
        return self.lo <= lo and hi < self.lo + len(self.draft)


@dataclass(frozen=True, slots=True)
class Pool:
    """All alternatives of a scenario on all batches that the machines themselves can hold.

    ``family``, ``setup`` and ``draft`` point into the families, one entry an alternative (draft -1: none).
    ``residents`` is ``None`` in fidelity ``paper``, whose memory rule knows no utilization. ``ask`` comes before each
    look at the alternatives. ``_drafts`` remembers what limits on throughput need again and again.
    """

    resolved: ResolvedScenario
    alternatives: Alternatives
    families: tuple[Family, ...]
    family: Rows
    setup: Rows
    draft: Rows
    residents: Residents | None
    rejected: Counter[str]
    ask: Ask = go_on
    _drafts: dict[tuple[int, int], FastestDrafts] = field(default_factory=dict)

    def ranges(self, bounds: Bounds, rows: Rows | None = None) -> Cells:
        """Batches of each alternative that meet all bounds; alternatives that have none are left out."""
        self.ask()
        cells = self._existing(bounds, rows)
        for holds in self._falling(bounds):
            self.ask()
            cells = _kept_from_below(cells, holds)
        for holds in self._rising(bounds):
            self.ask()
            cells = _kept_from_above(cells, holds)
        if np.isfinite(bounds.max_throughput) and self.residents is None:
            return self._with_fastest_drafts(cells, bounds)
        return cells if bounds.batches is None else _ending_on(np.array(bounds.batches), cells)

    @property
    def measure(self) -> Measure:
        """What is to be little beside the latency."""
        return self.alternatives.measure

    def measuring(self, measure: Measure) -> Pool:
        """The same pool, in which another measure counts."""
        return replace(self, alternatives=replace(self.alternatives, measure=measure))

    def feasible(self, bounds: Bounds) -> bool:
        """Whether any deployment meets all bounds."""
        return len(self.ranges(bounds)) > 0

    def at(self, cells: Cells, batch: Integers) -> tuple[Array, Array]:
        """Latency of one batch of each cell, and what a token takes of the measure."""
        self.ask()
        return self._priced(batch.astype(float), cells.row)

    def at_limits(self, batch: Array, rows: Rows) -> tuple[Array, Array]:
        """Latency and cost at a batch as limits are to hold for them: with the error of the model."""
        latency, cost = self._priced(batch, rows)
        margin = self.alternatives.margin[rows]
        return latency * margin, cost * margin

    def waits_s(self, batch: Array, rows: Rows) -> tuple[Array, Array]:
        """Time to first token and end to end at a batch, as limits are to hold for them."""
        part = self.alternatives.take(rows)
        latency = part.latency_s(batch)
        first, last = part.time_to_first_token_s(latency, batch), part.end_to_end_s(latency, batch)
        return part.at_limits(first), part.at_limits(last)

    def nominal_latency_s(self, batch: Array, rows: Rows) -> Array:
        """Latency at a batch without any error of the model."""
        return self._priced(batch, rows)[0] / self.alternatives.margin_within[rows]

    def without_margin(self) -> Pool:
        """The same alternatives where limits hold for the model as it is."""
        margin = np.ones(len(self.alternatives))
        return replace(self, alternatives=replace(self.alternatives, margin=margin))

    def space(self, bounds: Bounds) -> DesignSpace:
        """The pool in the form that describes deployments under some bounds; its cells are every batch there is."""
        alternatives, families = self.alternatives, self.families
        if self.residents is not None:
            families = tuple(each.at_utilization(bounds.memory_utilization) for each in families)
        return DesignSpace(
            alternatives=alternatives,
            cells=Cells(
                np.arange(len(alternatives)), alternatives.batch_min, alternatives.batch_max, alternatives.batch_step
            ),
            points=Staircase(np.zeros(0), np.zeros(0)),
            accelerators=self.resolved.accelerators,
            precisions=self.resolved.precisions or (None,),
            limits=bounds.scenario_limits,
            listed_batches=False,
            families=families,
            offered=families,
            counts=Counts(sum(len(each.setups) for each in self.families), len(alternatives), self.rejected),
        )

    def gpu_counts(self) -> set[int]:
        """Numbers of GPUs that the degrees of the scenario multiply to, as far as anything fits on them."""
        return set(self.alternatives.gpus.astype(int).tolist())

    def setup_keys(self) -> Rows:
        """A number for each alternative, equal where setup and number of draft tokens are.

        A setup that two servers run alike, with launches as long, is one.
        """
        rows = self.alternatives
        decided = np.stack([rows.accelerator, rows.precision, rows.draft_tokens], axis=1)
        columns = np.hstack([decided, identity(rows.degrees), rows.model.kernel_s[:, None]])
        keys: Rows = np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)
        return keys

    def _priced(self, batch: Array, rows: Rows) -> tuple[Array, Array]:
        part = self.alternatives.take(rows)
        latency = part.latency_s(batch)
        return latency, part.measured(latency, batch)

    def _existing(self, bounds: Bounds, rows: Rows | None) -> Cells:
        rows = np.arange(len(self.alternatives)) if rows is None else rows
        few_enough = self.alternatives.gpus[rows] <= bounds.max_gpus
        if np.isfinite(bounds.max_power_kw):
            few_enough &= self.alternatives.power_kw[rows] <= bounds.max_power_kw
        step = self.alternatives.batch_step[rows]
        lo = np.maximum(self.alternatives.batch_min[rows], -(-bounds.batch_min // step) * step)
        hi = np.minimum(self.alternatives.batch_max[rows], bounds.batch_max // step * step)
        return Cells(rows, lo, hi, step).where(few_enough & (lo <= hi))

    def _falling(self, bounds: Bounds) -> list[Holds]:
        """Limits that a growing batch may break."""
        limits: list[Holds] = []
        residents = self.residents
        if residents is not None and bounds.memory_utilization < 1.0:
            limits.append(lambda batch, rows: residents.fits(batch, rows, bounds.memory_utilization))
        if bounds.min_speed > 0.0:
            limits.append(lambda batch, rows: 1.0 / self.at_limits(batch, rows)[0] >= bounds.min_speed)
        if bounds.least_speed > 0.0:
            limits.append(lambda batch, rows: 1.0 / self._priced(batch, rows)[0] >= bounds.least_speed)
        if np.isfinite(bounds.max_throughput):
            limits.append(lambda batch, rows: batch / self.nominal_latency_s(batch, rows) <= bounds.max_throughput)
        if np.isfinite(bounds.max_time_to_first_token_s):
            first = bounds.max_time_to_first_token_s
            limits.append(lambda batch, rows: self.waits_s(batch, rows)[0] <= first)
        if np.isfinite(bounds.max_end_to_end_s):
            limits.append(lambda batch, rows: self.waits_s(batch, rows)[1] <= bounds.max_end_to_end_s)
        return limits

    def _rising(self, bounds: Bounds) -> list[Holds]:
        """Limits that a growing batch may come to meet."""
        limits = [
            self.measuring(each)._takes_at_most(bounds.most(each)) for each in Measure if np.isfinite(bounds.most(each))
        ]
        if np.isfinite(bounds.most_taken):
            limits.append(lambda batch, rows: self._priced(batch, rows)[1] <= bounds.most_taken)
        if bounds.min_throughput > 0.0:
            limits.append(lambda batch, rows: batch / self.at_limits(batch, rows)[0] >= bounds.min_throughput)
        return limits

    def _takes_at_most(self, most: float) -> Holds:
        return lambda batch, rows: self.at_limits(batch, rows)[1] <= most

    def _with_fastest_drafts(self, cells: Cells, bounds: Bounds) -> Cells:
        """Keep the batches at which the draft runs in its fastest setup that fits (``paper``).

        Without a cap on throughput slower drafts are simply dominated; under one they must not pass for a way to
        stay below it.
        """
        if bounds.batches is not None:
            cells = _ending_on(np.array(bounds.batches), cells)
        speculates = self.draft[cells.row] >= 0
        parts = [cells.where(~speculates)]
        cells = cells.where(speculates)
        owner = np.stack([self.family[cells.row], self.setup[cells.row]], axis=1)
        owners, member = np.unique(owner, axis=0, return_inverse=True)
        for position, (family, setup) in enumerate(owners):
            self.ask()
            own = cells.where(member.reshape(-1) == position)
            batches, fastest = self._fastest_drafts(family, setup, own, bounds)
            for row, lo, hi in zip(own.row, own.lo, own.hi, strict=True):
                inside = (batches >= lo) & (batches <= hi)
                parts.append(_runs(row, batches, inside & (fastest == self.draft[row])))
        return joined(parts)

    def _fastest_drafts(self, family: int, setup: int, cells: Cells, bounds: Bounds) -> tuple[Integers, Rows]:
        """Batches from the first to the last of some cells of one setup, and the fastest draft setup at each."""
        lo, hi = int(cells.lo.min()), int(cells.hi.max())
        if bounds.batches is not None:
            listed = np.array([batch for batch in bounds.batches if lo <= batch <= hi])
            return listed, _fastest_drafts(self.families[family], setup, listed)
        key = (int(family), int(setup))
        known = self._drafts.get(key)
        if known is None or not known.covers(lo, hi):
            batches = np.arange(lo, hi + 1)
            known = FastestDrafts(lo, _fastest_drafts(self.families[family], setup, batches))
            self._drafts[key] = known
        return np.arange(lo, hi + 1), known.draft[lo - known.lo : hi + 1 - known.lo]


def build_pool(
    resolved: ResolvedScenario, ask: Ask = go_on, *, measure: Measure = Measure.COST, pessimistic: bool = False
) -> Pool:
    """Enumerate the setups of a scenario with every limit of it removed.

    ``pessimistic``: as of :func:`family_request`.
    """
    request = replace(family_request(resolved, pessimistic=pessimistic), measure=measure)
    free = replace(
        request,
        choices=replace(request.choices, max_gpus=MOST_GPUS),
        batch_min=1,
        batch_max=MOST_BATCH,
        memory=replace(request.memory, utilization=1.0),
        batches=None,
    )
    families: list[Family] = []
    rejected = Counter[str]()
    for accelerator in enumerate(resolved.accelerators):
        for precision in enumerate(resolved.precisions or (None,)):
            ask(f"enumerating the configurations of {accelerator[1].name}")
            # Which of two servers has more room depends on the utilization, which may be changed: all of them stay.
            found, reasons = build_families(free, accelerator, precision)
            families += found
            rejected.update(reasons)
    parts = [part for index, family in enumerate(families) for part in _parts(index, family, ask)]
    residents = None
    if resolved.scenario.fidelity is Fidelity.DEPLOYABLE:
        residents = stack_rows([residents_of(families[index], setups, drafts) for index, _, setups, drafts in parts])
    return Pool(
        resolved=resolved,
        alternatives=stack_rows([alternatives for _, alternatives, _, _ in parts]),
        families=tuple(families),
        family=np.repeat([index for index, *_ in parts], [len(setups) for _, _, setups, _ in parts]),
        setup=np.concatenate([setups for _, _, setups, _ in parts]),
        draft=np.concatenate([drafts for *_, drafts in parts]),
        residents=residents,
        rejected=rejected,
        ask=ask,
    )


def _parts(index: int, family: Family, ask: Ask) -> list[tuple[int, Alternatives, Rows, Rows]]:
    """Alternatives of one family with its index and their setup and draft rows: plain ones, then every pair."""
    plain = np.arange(len(family.setups))
    wanted = [(plain, 0, np.full(len(plain), -1))]
    for setups, drafts in family.pairs():
        wanted += [(setups, draft_tokens, drafts) for draft_tokens in family.draft_range]
    parts = []
    for setups, draft_tokens, drafts in wanted:
        ask(f"pricing the configurations of {family.accelerator.name}")
        alternatives = family.alternatives(setups, draft_tokens, drafts if draft_tokens else None)
        some = np.flatnonzero(alternatives.batch_min <= alternatives.batch_max)
        parts.append((index, alternatives.take(some), setups[some], drafts[some]))
    return parts


def _kept_from_below(cells: Cells, holds: Holds) -> Cells:
    """Cut each range to its first part, where a limit holds."""
    cells = cells.where(holds(cells.lo.astype(float), cells.row))
    cut = np.flatnonzero(~holds(cells.hi.astype(float), cells.row))
    hi = cells.hi.copy()
    rows = cells.row[cut]
    hi[cut] = last_true(_at_each(holds, rows), cells.lo[cut], cells.hi[cut], cells.step[cut])
    return replace(cells, hi=hi)


def _kept_from_above(cells: Cells, holds: Holds) -> Cells:
    """Cut each range to its last part, where a limit holds."""
    cells = cells.where(holds(cells.hi.astype(float), cells.row))
    cut = np.flatnonzero(~holds(cells.lo.astype(float), cells.row))
    lo = cells.lo.copy()
    rows = cells.row[cut]
    lo[cut] = first_true(_at_each(holds, rows), cells.lo[cut], cells.hi[cut], cells.step[cut])
    return replace(cells, lo=lo)


def _at_each(holds: Holds, rows: Rows) -> Callable[[Array], NDArray[np.bool_]]:
    """The same of batches of shape (rows, tried)."""
    return lambda batch: holds(batch.ravel(), rows.repeat(batch.shape[1])).reshape(batch.shape)


def _ending_on(listed: Integers, cells: Cells) -> Cells:
    """Shrink each range to listed batches at both ends."""
    kept = [cells.where(np.zeros(len(cells), dtype=bool))]
    for step in distinct(cells.step):
        part, whole = cells.where(cells.step == step), listed[listed % step == 0]
        first = np.searchsorted(whole, part.lo)
        last = np.searchsorted(whole, part.hi, side="right") - 1
        some = first <= last
        kept.append(replace(part.where(some), lo=whole[first[some]], hi=whole[last[some]]))
    return joined(kept)


def _fastest_drafts(family: Family, setup: int, batches: Integers) -> Rows:
    """Draft setup that is the fastest to fit beside a setup at each batch, -1 where none does (``paper``)."""
    fastest: Rows = family.fastest_drafts(np.array([setup]), family.beside(setup), batches.astype(float))[0]
    return fastest


def _runs(row: int, batches: Integers, chosen: NDArray[np.bool_]) -> Cells:
    """Ranges of consecutive batches of one alternative on which ``chosen`` holds."""
    edges = np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    ones = np.ones(len(starts), dtype=np.int64)
    return Cells(np.full(len(starts), row), batches[starts], batches[ends], ones)
