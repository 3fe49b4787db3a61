"""Segments: an alternative on a range of batches where every part of its latency is affine or bounded by a line.

On a segment each collective runs one protocol, so network time is affine in the batch, and so are arithmetic and the
memory time of dense models. The memory time of experts is concave in the batch; it is bounded from below by its
chord, which is exact at both ends of the range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Passes, Priced, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.bisection import Crossings, first_true, last_true
from ieco_opt.design_space.dominance import Cells, joined
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.rows import distinct, row_numbers
from ieco_opt.performance.times import PassTime

CHORD_ERROR = 1e-4
"""Largest relative error of the line below the latency of experts, inside a segment; 0 at its ends."""


@dataclass(frozen=True, slots=True)
class Line:
    """intercept + slope B, each of shape (segments,)."""

    intercept: Array
    slope: Array

    def __add__(self, other: Line) -> Line:
        return Line(self.intercept + other.intercept, self.slope + other.slope)

    def scaled(self, factor: Array | float) -> Line:
        """Multiply by a factor, or by one a segment."""
        return Line(self.intercept * factor, self.slope * factor)

    def at(self, batch: Array) -> Array:
        """Value at a batch of shape (segments,)."""
        return self.intercept + self.slope * batch


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of a design space; every array has shape (segments,).

    ``row`` points into ``DesignSpace.alternatives``, and ``at`` into ``pool``, which has the same alternatives and of
    which ``take`` gives some. The remaining columns are the objectives at both ends of the range: latency, and what
    ``Alternatives.measure`` says (the cost, unless energy or carbon is to be least). ``slower`` and ``cheaper`` know
    where caps cut what is of the pool: the latency rises from the least batch on, and the cost from the greatest down.
    """

    row: Rows
    at: Rows
    lo: Integers
    hi: Integers
    step: Integers
    pool: Alternatives
    take: Callable[[Rows], Alternatives]
    latency_lo_s: Array
    latency_hi_s: Array
    cost_lo: Array
    cost_hi: Array
    slower: Crossings
    cheaper: Crossings

    def __len__(self) -> int:
        return len(self.row)

    @property
    def alternatives(self) -> Alternatives:
        """Alternatives of all segments, one each."""
        return self.pool.take(self.at)

    def taken(self, segments: Rows) -> Alternatives:
        """Alternatives of some segments."""
        return self.take(self.at[segments])

    def priced(self, segments: Rows) -> Priced:
        """Latency and measure of some segments."""
        return self.pool.priced(self.at[segments])

    def restricted(self, *, latency_cap_s: float = np.inf, cost_cap: float = np.inf) -> Restriction:
        """Batches of each segment that are at most as slow as the caps, and take at most as much of the measure.

        Exact: the ends of each range are integers at which the performance model itself meets the caps.
        """
        (alive,) = ((self.latency_lo_s <= latency_cap_s) & (self.cost_hi <= cost_cap)).nonzero()
        lo, hi = self.lo[alive], self.hi[alive]
        (late,) = (self.latency_hi_s[alive] > latency_cap_s).nonzero()
        if len(late):
            hi[late] = self.slower.last_within(latency_cap_s, self.at[alive[late]])
        (expensive,) = (self.cost_lo[alive] > cost_cap).nonzero()
        if len(expensive):
            lo[expensive] = self.cheaper.last_within(cost_cap, self.at[alive[expensive]])
        left = lo <= hi
        return Restriction(alive[left], lo[left], hi[left], self.step[alive[left]])


@dataclass(frozen=True, slots=True)
class Restriction:
    """Segments that are left under some caps, and their batches lo, lo + step, ... hi; arrays of shape (left,)."""

    segment: Rows
    lo: Integers
    hi: Integers
    step: Integers

    def __len__(self) -> int:
        return len(self.segment)

    def split_at(self, position: int, batch: int) -> Restriction:
        """Cut one range into what is below ``batch``, ``batch`` alone and what is above."""
        segment, lo, hi, step = (column[position] for column in (self.segment, self.lo, self.hi, self.step))
        parts = [(lo, batch - step), (batch, batch), (batch + step, hi)]
        parts = [(low, high) for low, high in parts if low <= high]
        others = np.arange(len(self)) != position
        return Restriction(
            np.concatenate([self.segment[others], np.full(len(parts), segment)]),
            np.concatenate([self.lo[others], np.array([low for low, _ in parts])]),
            np.concatenate([self.hi[others], np.array([high for _, high in parts])]),
            np.concatenate([self.step[others], np.full(len(parts), step)]),
        )


def build_segments(space: DesignSpace, ask: Ask = go_on) -> Segments:
    """Cut the cells of a design space where a protocol changes, and to what the limits of the scenario admit."""
    ask("cutting the batches into segments")
    return segments_within(space, cut_where_protocols_change(space.alternatives, space.cells, ask), ask)


def segments_within(space: DesignSpace, cells: Cells, ask: Ask = go_on) -> Segments:
    """Segments of what the limits of a design space admit of its cells, which are cut where protocols change."""
    ask()
    cells = within_limits(space.alternatives, cells, space.limits)
    if len(cells):
        cells = once(numbers_of_alike(space.alternatives)[cells.row], cells)
    cells = cut_experts(space.alternatives, cells, space.limits, ask)
    part = space.alternatives.take(cells.row)
    lo, hi = cells.lo.astype(float), cells.hi.astype(float)
    latency_lo, latency_hi = part.latency_s(lo), part.latency_s(hi)
    return Segments(
        row=cells.row,
        at=np.arange(len(cells)),
        lo=cells.lo,
        hi=cells.hi,
        step=cells.step,
        pool=part,
        take=part.take,
        latency_lo_s=latency_lo,
        latency_hi_s=latency_hi,
        cost_lo=part.measured(latency_lo, lo),
        cost_hi=part.measured(latency_hi, hi),
        slower=Crossings(lambda rows: part.priced(rows).latency_s, cells.lo, cells.hi, cells.step),
        cheaper=Crossings(lambda rows: part.priced(rows).measured, cells.hi, cells.lo, -cells.step),
    )


def _protocol_changes(time: PassTime) -> Array:
    """Batches at which two protocols of one collective take equally long, shape (setups, pairs); NaN where never."""
    changes = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        rise = time.network_slope_s[:, :, one] - time.network_slope_s[:, :, other]
        ahead = time.network_latency_s[:, :, other] - time.network_latency_s[:, :, one]
        changes.append(np.divide(ahead, rise, out=np.full_like(rise, np.nan), where=rise != 0.0))
    return np.concatenate(changes, axis=1)


_CUT_TOGETHER = 4096
"""Cells that are cut between two questions whether to go on."""


def cut_where_protocols_change(alternatives: Alternatives, cells: Cells, ask: Ask = go_on) -> Cells:
    """Cut each cell so that every collective runs one protocol on each part."""
    if not len(cells):
        return cells
    drafted = np.where(alternatives.draft_share[:, None] != 0.0, _protocol_changes(alternatives.draft), np.nan)
    changes = np.hstack([_protocol_changes(alternatives.model), drafted])
    done = []
    for first in range(0, len(cells), _CUT_TOGETHER):
        ask()
        some = np.arange(len(cells)) // _CUT_TOGETHER == first // _CUT_TOGETHER
        done.append(_cut_at(cells.where(some), changes))
    return joined(done)


def _cut_at(cells: Cells, changes: Array) -> Cells:
    """Cut cells at changes of their rows, in order."""
    lo, hi = cells.lo[:, None], cells.hi[:, None]
    mine = changes[cells.row]
    at, column = np.nonzero((mine > lo) & (mine < hi))
    after = (
        cells.lo[at]
        + (np.floor((mine[at, column] - cells.lo[at]) / cells.step[at]).astype(np.int64) + 1) * cells.step[at]
    )
    inside = after <= cells.hi[at]
    every = np.arange(len(cells))
    cell, start = distinct(
        np.stack([np.concatenate([every, at[inside]]), np.concatenate([cells.lo, after[inside]])]), axis=1
    )
    ends = cells.hi[cell]
    more = np.flatnonzero(cell[1:] == cell[:-1])
    ends[more] = start[more + 1] - cells.step[cell[more]]
    return Cells(cells.row[cell], start, ends, cells.step[cell])


_NAMES_ALONE = frozenset({"degrees", "draft_degrees", "batch_min", "batch_max"})
"""Columns of alternatives from which no figure of a batch follows but the GPUs."""


def numbers_of_alike(alternatives: Alternatives) -> Rows:
    """A number for each alternative, the same for those whose every figure of a batch is the same."""
    alike = np.stack([row_numbers(alternatives, leaving_out=_NAMES_ALONE), alternatives.gpus.astype(np.int64)])
    numbers: Rows = np.unique(alike, axis=1, return_inverse=True)[1].reshape(-1)
    return numbers


def once(alike: Rows, cells: Cells) -> Cells:
    """Leave cells of the same batches to the first of those with the same number: of alternatives that are alike.

    Where a server sends all tokens to all ranks, as many ranks as you like may share an expert: a program would choose
    among what are equals.
    """
    if not len(cells):
        return cells
    first = np.unique(np.stack([alike, cells.lo, cells.hi], axis=1), axis=0, return_index=True)[1]
    return cells.where(np.isin(np.arange(len(cells)), first))


def cut_experts(alternatives: Alternatives, cells: Cells, limits: Limits, ask: Ask) -> Cells:
    """Halve the ranges of experts until no chord is more than ``CHORD_ERROR`` below the latency, or what it is worth.

    The gap between a concave function and its chord is concave too, so it is nowhere more than twice the gap in
    the middle. Without experts the chord is the function.
    """
    if not (alternatives.model.expert_fixed_s.any() or alternatives.draft.expert_fixed_s.any()):
        return cells
    done: list[Cells] = []
    while len(cells):
        ask()
        passes = alternatives.passes(cells.row)
        left, middle, right = passes.memory_s(np.stack([cells.lo, (cells.lo + cells.hi) / 2.0, cells.hi], axis=1)).T
        # A chord is halfway between its ends in the middle.
        gap = 2.0 * (middle - (left + right) / 2.0)
        least = _least_seconds(alternatives, cells.row, passes, limits, cells.lo.astype(float))
        wide = (gap > CHORD_ERROR * least) & (cells.hi > cells.lo)
        done.append(cells.where(~wide))
        row, low, high, step = (column[wide] for column in (cells.row, cells.lo, cells.hi, cells.step))
        cut = low + (high - low) // step // 2 * step
        cells = Cells(*map(np.concatenate, ([row, row], [low, cut + step], [cut, high], [step, step])))
    return joined(done) if done else cells


def _least_seconds(alternatives: Alternatives, rows: Rows, passes: Passes, limits: Limits, batch: Array) -> Array:
    """Latency; or where the program counts busy time beside it, as little as the weighted mean of the two.

    An error of the latency is one of the busy time too, and of either as large in seconds.
    """
    latency = passes.latency_s(batch)
    seconds = latency
    for measure in counted(alternatives, limits):
        rate, busy_rate = (each[rows] for each in alternatives.rates(measure))
        if busy_rate.any():
            mean = (rate * latency + busy_rate * passes.busy_s(batch)) / (rate + busy_rate)
            seconds = np.minimum(seconds, mean)
    return seconds


def counted(alternatives: Alternatives, limits: Limits) -> list[Measure]:
    """What the program counts of a step beside its time: its cost always, energy and carbon where they matter."""
    others = (Measure.ENERGY, Measure.CARBON)
    return [Measure.COST, *(each for each in others if each is alternatives.measure or np.isfinite(limits.on(each)))]


def within_limits(alternatives: Alternatives, cells: Cells, limits: Limits) -> Cells:
    """Shrink each range to the batches that meet every limit, by bisection on the performance model."""
    if np.isfinite(limits.max_power_kw):
        cells = cells.where(alternatives.power_kw[cells.row] <= limits.max_power_kw)

    def upto(batch: Array, part: Alternatives) -> NDArray[np.bool_]:
        latency = part.latency_s(batch)
        quick = 1.0 / part.at_limits(latency) >= limits.min_speed
        quick &= batch / part.nominal(latency) <= limits.max_throughput
        return quick & limits.in_time(part, latency, batch) if limits.on_prompts else quick

    def since(batch: Array, part: Alternatives) -> NDArray[np.bool_]:
        latency = part.latency_s(batch)
        cheap = part.at_limits(part.cost_usd_per_mtok(latency, batch)) <= limits.max_cost
        enough = batch / part.at_limits(latency) >= limits.min_throughput
        return cheap & enough & limits.spares(part, latency, batch)

    part = alternatives.take(cells.row)
    possible = upto(cells.lo.astype(float), part) & since(cells.hi.astype(float), part)
    cells, part = cells.where(possible), part.take(np.flatnonzero(possible))
    lo, hi = cells.lo.copy(), cells.hi.copy()
    beyond = np.flatnonzero(~upto(cells.hi.astype(float), part))
    if len(beyond):
        cut, some = part.take(beyond), (cells.lo[beyond], cells.hi[beyond], cells.step[beyond])
        hi[beyond] = last_true(lambda batch: upto(batch, cut), *some)
    short = np.flatnonzero(~since(cells.lo.astype(float), part))
    if len(short):
        late, some = part.take(short), (cells.lo[short], cells.hi[short], cells.step[short])
        lo[short] = first_true(lambda batch: since(batch, late), *some)
    return Cells(cells.row, lo, hi, cells.step).where(lo <= hi)


@dataclass(frozen=True, slots=True)
class LatencyLines:
    """Lines below the parts of the latency of some segments, in seconds per generated token.

    latency >= launch_and_network + max(memory, arithmetic) + max(draft_memory, draft_arithmetic),
    with equality on dense models and at the ends of the batch range. ``launch_and_network`` holds ``apart`` too, in
    which the GPUs are busy: attention and prompts that overlap with nothing.
    """

    launch_and_network: Line
    apart: Line
    memory: Line
    arithmetic: Line
    draft_memory: Line
    draft_arithmetic: Line

    def of_groups(self, step: Integers) -> LatencyLines:
        """The same lines over batch / step, one step a segment."""
        every = (self.launch_and_network, self.apart, self.memory, self.arithmetic)
        draft = (self.draft_memory, self.draft_arithmetic)
        return LatencyLines(*(Line(line.intercept, line.slope * step) for line in (*every, *draft)))


def latency_lines(alternatives: Alternatives, lo: Integers, hi: Integers) -> LatencyLines:
    """Lines of segments whose batches are lo..hi; every argument has one entry a segment."""
    ends = np.stack([lo, hi], axis=1).astype(float)
    model = _lines_of_pass(alternatives.model, alternatives.model_share, ends)
    if not alternatives.draft_share.any():
        none = Line(np.zeros(len(lo)), np.zeros(len(lo)))
        return LatencyLines(*model, draft_memory=none, draft_arithmetic=none)
    launch, apart, *draft = _lines_of_pass(alternatives.draft, alternatives.draft_share, ends)
    return LatencyLines(model[0] + launch, model[1] + apart, *model[2:], *draft)


def _lines_of_pass(time: PassTime, share: Array, ends: Array) -> tuple[Line, Line, Line, Line]:
    """Launch and network, what is apart, memory and arithmetic of one pass, times its share."""
    slope = time.attention_slope_s + time.prompt_slope_s
    launch = Line(time.kernel_s, slope) + _chord(time.network_s, ends)
    return (
        launch.scaled(share),
        Line(np.zeros_like(slope), slope).scaled(share),
        _chord(time.memory_s, ends).scaled(share),
        _chord(time.arithmetic_s, ends).scaled(share),
    )


def _chord(value: Callable[[Array], Array], ends: Array) -> Line:
    """The line through both ends, of shape (segments, 2): the function itself where it is affine, else below it."""
    lo, hi = ends.T
    left, right = value(ends).T
    slope = np.where(hi > lo, (right - left) / np.maximum(hi - lo, 1.0), 0.0)
    return Line(left - slope * lo, slope)
