"""Segments: an alternative on a range of batches where every part of its latency is affine or bounded by a line.

On a segment each collective runs one protocol, so network time is affine in the batch, and so are arithmetic and the
memory time of dense models. The memory time of experts is concave in the batch; it is bounded from below by its
chord, which is exact at both ends of the range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.dominance import Cells, joined
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure
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

    ``row`` points into ``DesignSpace.alternatives`` and ``alternatives`` repeats its rows, one a segment.
    The remaining columns are the objectives at both ends of the range: latency, and what ``Alternatives.measure`` says
    (the cost, unless energy or carbon is to be least).
    """

    row: Rows
    lo: Integers
    hi: Integers
    alternatives: Alternatives
    latency_lo_s: Array
    latency_hi_s: Array
    cost_lo: Array
    cost_hi: Array

    def __len__(self) -> int:
        return len(self.row)

    def restricted(self, *, latency_cap_s: float = np.inf, cost_cap: float = np.inf) -> Restriction:
        """Batches of each segment that are at most as slow as the caps, and take at most as much of the measure.

        Exact: the ends of each range are integers at which the performance model itself meets the caps.
        """
        alive = np.flatnonzero((self.latency_lo_s <= latency_cap_s) & (self.cost_hi <= cost_cap))
        lo, hi = self.lo[alive].copy(), self.hi[alive].copy()
        late = np.flatnonzero(self.latency_hi_s[alive] > latency_cap_s)
        if len(late):
            part = self.alternatives.take(alive[late])
            step = part.batch_step
            hi[late] = last_true(lambda batch: part.latency_s(batch) <= latency_cap_s, lo[late], hi[late], step)
        dear = np.flatnonzero(self.cost_lo[alive] > cost_cap)
        if len(dear):
            costs = self.alternatives.take(alive[dear])
            lo[dear] = first_true(
                lambda batch: costs.measured(costs.latency_s(batch), batch) <= cost_cap,
                self.lo[alive[dear]],
                self.hi[alive[dear]],
                costs.batch_step,
            )
        left = lo <= hi
        return Restriction(alive[left], lo[left], hi[left], self.alternatives.batch_step[alive[left]])


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


def last_true(
    holds: Callable[[Array], NDArray[np.bool_]], lo: Integers, hi: Integers, step: Integers | int = 1
) -> Integers:
    """Largest of lo, lo + step, ... hi where ``holds``, given that it holds at lo and, once false, stays false."""
    good, bad = np.zeros_like(lo), (hi - lo) // step + 1
    while (bad - good > 1).any():
        middle = (good + bad) // 2
        holding = holds((lo + middle * step).astype(float)) & (middle < bad)
        good, bad = np.where(holding, middle, good), np.where(holding, bad, np.maximum(middle, good + 1))
    return np.asarray(lo + good * step)


_AT_ONCE = 1024
"""Batches that take hardly longer to price together than one of them alone."""


def last_true_in_parts(
    holds: Callable[[Array], NDArray[np.bool_]], lo: Integers, hi: Integers, step: Integers
) -> Integers:
    """The same, in fewer steps where ranges are few; ``holds`` takes batches of shape (ranges, parts)."""
    parts = np.arange(1, 1 + max(1, min(7, _AT_ONCE // max(1, len(lo)))))
    good, bad = np.zeros_like(lo), np.maximum((hi - lo) // step + 1, 1)
    every = np.arange(len(lo))
    while (bad - good > 1).any():
        tried = good[:, None] + (bad - good)[:, None] * parts // (len(parts) + 1)
        holding = holds((lo[:, None] + tried * step[:, None]).astype(float)) | (tried == good[:, None])
        count = np.logical_and.accumulate(holding, axis=1).sum(axis=1)
        beyond = np.where(count < len(parts), tried[every, np.minimum(count, len(parts) - 1)], bad)
        good, bad = np.where(count > 0, tried[every, count - 1], good), beyond
    return np.asarray(lo + good * step)


def first_true(
    holds: Callable[[Array], NDArray[np.bool_]], lo: Integers, hi: Integers, step: Integers | int = 1
) -> Integers:
    """Smallest of lo, lo + step, ... hi where ``holds``, given that it holds at hi and, once true, stays true."""
    bad, good = np.full_like(lo, -1), (hi - lo) // step
    while (good - bad > 1).any():
        middle = (good + bad + 1) // 2
        holding = holds((lo + middle * step).astype(float))
        good, bad = np.where(holding, middle, good), np.where(holding, bad, np.minimum(middle, good - 1))
    return np.asarray(lo + good * step)


def build_segments(space: DesignSpace, ask: Ask = go_on) -> Segments:
    """Cut the cells of a design space where a protocol changes, and to what the limits of the scenario admit."""
    ask("cutting the batches into segments")
    cells = cut_where_protocols_change(space.alternatives, space.cells, ask)
    ask()
    cells = _within_limits(space.alternatives, cells, space.limits)
    cells = _cut_experts(space.alternatives, cells, space.limits, ask)
    part = space.alternatives.take(cells.row)
    lo, hi = cells.lo.astype(float), cells.hi.astype(float)
    latency_lo, latency_hi = part.latency_s(lo), part.latency_s(hi)
    return Segments(
        row=cells.row,
        lo=cells.lo,
        hi=cells.hi,
        alternatives=part,
        latency_lo_s=latency_lo,
        latency_hi_s=latency_hi,
        cost_lo=part.measured(latency_lo, lo),
        cost_hi=part.measured(latency_hi, hi),
    )


def _protocol_changes(time: PassTime, row: int) -> Array:
    """Batches at which two protocols of one collective take equally long."""
    latency, slope = time.network_latency_s[row], time.network_slope_s[row]
    changes = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        rise = slope[:, one] - slope[:, other]
        crossing = rise != 0.0
        changes.append((latency[crossing, other] - latency[crossing, one]) / rise[crossing])
    return np.concatenate(changes)


def cut_where_protocols_change(alternatives: Alternatives, cells: Cells, ask: Ask = go_on) -> Cells:
    """Cut each cell so that every collective runs one protocol on each part."""
    rows, lows, highs, steps = [], [], [], []
    for row, lo, hi, step in zip(cells.row, cells.lo, cells.hi, cells.step, strict=True):
        ask()
        changes = _protocol_changes(alternatives.model, row)
        if alternatives.draft_share[row]:
            changes = np.concatenate([changes, _protocol_changes(alternatives.draft, row)])
        inside = changes[(changes > lo) & (changes < hi)]
        starts = np.unique(np.concatenate([[lo], lo + (np.floor((inside - lo) / step).astype(np.int64) + 1) * step]))
        starts = starts[starts <= hi]
        rows.append(np.full(len(starts), row))
        lows.append(starts)
        highs.append(np.concatenate([starts[1:] - step, [hi]]))
        steps.append(np.full(len(starts), step))
    if not rows:
        return cells
    return Cells(np.concatenate(rows), np.concatenate(lows), np.concatenate(highs), np.concatenate(steps))


def _cut_experts(alternatives: Alternatives, cells: Cells, limits: Limits, ask: Ask) -> Cells:
    """Halve the ranges of experts until no chord is more than ``CHORD_ERROR`` below the latency, or what it is worth.

    The gap between a concave function and its chord is concave too, so it is nowhere more than twice the gap in
    the middle.
    """
    done: list[Cells] = []
    while len(cells):
        ask()
        part = alternatives.take(cells.row)
        lo, hi = cells.lo.astype(float), cells.hi.astype(float)
        middle = (lo + hi) / 2.0
        gap = np.zeros(len(cells))
        for time, share in ((part.model, part.model_share), (part.draft, part.draft_share)):
            chord = _chord(time.memory_s, lo, hi)
            gap += 2.0 * share * (time.memory_s(middle) - chord.at(middle))
        wide = (gap > CHORD_ERROR * _least_seconds(part, limits, lo)) & (cells.hi > cells.lo)
        done.append(cells.where(~wide))
        row, low, high, step = (column[wide] for column in (cells.row, cells.lo, cells.hi, cells.step))
        cut = low + (high - low) // step // 2 * step
        cells = Cells(*map(np.concatenate, ([row, row], [low, cut + step], [cut, high], [step, step])))
    return joined(done) if done else cells


def _least_seconds(part: Alternatives, limits: Limits, batch: Array) -> Array:
    """Latency; or where the program counts busy time beside it, as little as the weighted mean of the two.

    An error of the latency is one of the busy time too, and of either as large in seconds.
    """
    latency = part.latency_s(batch)
    seconds = latency
    for measure in counted(part, limits):
        rate, busy_rate = part.rates(measure)
        if busy_rate.any():
            mean = (rate * latency + busy_rate * part.busy_s(batch)) / (rate + busy_rate)
            seconds = np.minimum(seconds, mean)
    return seconds


def counted(alternatives: Alternatives, limits: Limits) -> list[Measure]:
    """What the program counts of a step beside its time: its cost always, energy and carbon where they matter."""
    others = (Measure.ENERGY, Measure.CARBON)
    return [Measure.COST, *(each for each in others if each is alternatives.measure or np.isfinite(limits.on(each)))]


def _within_limits(alternatives: Alternatives, cells: Cells, limits: Limits) -> Cells:
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
    hi = last_true(lambda batch: upto(batch, part), cells.lo, cells.hi, cells.step)
    lo = first_true(lambda batch: since(batch, part), cells.lo, cells.hi, cells.step)
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
        lines = {item.name: getattr(self, item.name) for item in fields(self)}
        return LatencyLines(**{name: Line(line.intercept, line.slope * step) for name, line in lines.items()})


def latency_lines(alternatives: Alternatives, lo: Integers, hi: Integers) -> LatencyLines:
    """Lines of segments whose batches are lo..hi; every argument has one entry a segment."""
    low, high = lo.astype(float), hi.astype(float)
    parts = {}
    for name, time, share in (
        ("model", alternatives.model, alternatives.model_share),
        ("draft", alternatives.draft, alternatives.draft_share),
    ):
        apart = time.attention_slope_s + time.prompt_slope_s
        launch = Line(time.kernel_s, apart) + _chord(time.network_s, low, high)
        parts[name] = tuple(
            line.scaled(share)
            for line in (
                launch,
                _chord(time.memory_s, low, high),
                _chord(time.arithmetic_s, low, high),
                Line(np.zeros_like(apart), apart),
            )
        )
    return LatencyLines(
        launch_and_network=parts["model"][0] + parts["draft"][0],
        apart=parts["model"][3] + parts["draft"][3],
        memory=parts["model"][1],
        arithmetic=parts["model"][2],
        draft_memory=parts["draft"][1],
        draft_arithmetic=parts["draft"][2],
    )


def _chord(value: Callable[[Array], Array], lo: Array, hi: Array) -> Line:
    """The line through both ends: the function itself where it is affine, below it where it is concave."""
    left, right = value(lo), value(hi)
    slope = np.where(hi > lo, (right - left) / np.maximum(hi - lo, 1.0), 0.0)
    return Line(left - slope * lo, slope)
