"""Sweeps over one design space: adaptive, complete, sampled, and the search for one preferred deployment.

The box argument: between two neighbours (fast, expensive) and (slow, cheap) every deployment that is not dominated lies
in the box they span. A step under a cost cap inside the box finds the next point or proves that part of the box empty.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ieco_opt.design_space.dominance import STRICT
from ieco_opt.pareto.points import Point
from ieco_opt.pareto.prober import Prober
from ieco_opt.results.guarantee import Box, Status
from ieco_opt.solvers.run import Stopped

Progress = Callable[[int, int, float], None]
"""Called after each step with points found, boxes open, and the widest spread left."""


@dataclass(slots=True)
class Sweep:
    """Points of a sweep and what it left open.

    ``best`` is the one point that was asked for, where one was; ``stopped`` says why the sweep ended early.
    """

    points: list[Point] = field(default_factory=list)
    best: Point | None = None
    open_boxes: list[Box] = field(default_factory=list)
    stopped: str | None = None

    def add(self, point: Point | None) -> None:
        """Keep a point."""
        if point is not None:
            self.points.append(point)

    def stop(self, stop: Stopped, boxes: list[Box]) -> None:
        """Keep what an interrupted step had found, and what is left to search."""
        self.add(stop.incumbent)
        self.stopped = stop.reason
        self.open_boxes = boxes

    def answer(self) -> list[Point]:
        """The point that was asked for, or every point that no other of the sweep dominates, fastest first."""
        if self.best is not None:
            if self.stopped is None:
                return [self.best]
            certificate = replace(self.best.certificate, status=Status.FEASIBLE)
            return [replace(self.best, certificate=certificate)]
        kept: list[Point] = []
        for point in sorted(self.points, key=lambda item: (item.latency_s, item.cost)):
            if not kept or point.cost < kept[-1].cost * STRICT:
                kept.append(point)
        return kept


EVERYTHING = Box(0.0, float("inf"), 0.0, float("inf"))
"""What is open before the ends of a frontier are known."""


def silent(_points: int, _boxes: int, _spread: float) -> None:
    """Report no progress."""


def adaptive(prober: Prober, delta: float, progress: Progress = silent) -> Sweep:
    """Split the largest box until in each the costs or the latencies are within a factor 1 + delta.

    Then for every feasible deployment there is a point at most 1 + delta more expensive and at most 1 + delta
    slower. With delta = 0 only an empty box is closed, so that every point is found.
    """
    sweep = Sweep()
    boxes: list[tuple[float, int, Box]] = []
    order = itertools.count()

    def push(box: Box) -> None:
        if not closed(prober, box, delta):
            area = np.log(box.latency_hi_s / box.latency_lo_s) * np.log(box.cost_hi / box.cost_lo)
            heapq.heappush(boxes, (-float(area), next(order), box))

    box: Box | None = None
    try:
        box = _ends(prober, sweep)
        if box is not None:
            push(box)
        while boxes:
            box = heapq.heappop(boxes)[2]
            for part in split(prober, box, sweep):
                push(part)
            progress(len(sweep.points), len(boxes), max((item.spread for _, _, item in boxes), default=1.0))
    except Stopped as stop:
        sweep.stop(stop, [box or EVERYTHING, *(item for _, _, item in boxes)])
    return sweep


def sampled(prober: Prober, count: int, progress: Progress = silent) -> Sweep:
    """The fastest deployment under each of ``count`` cost caps, log-spaced between the frontier's ends.

    Every point is on the frontier; points between the caps may be missing. Caps rise, so that each step looks
    only for what is faster than the point before.
    """
    sweep = Sweep()
    box: Box | None = None
    try:
        box = _ends(prober, sweep)
        caps = [] if box is None else np.geomspace(box.cost_lo, box.cost_hi, count)[1:-1].tolist()
        for done, cap in enumerate(caps, start=1):
            assert box is not None
            point = prober.fastest(cost_cap=cap, faster_than_s=box.latency_hi_s)
            if point is not None:
                sweep.add(point)
                box = replace(box, latency_hi_s=point.latency_s, cost_lo=cap)
            progress(len(sweep.points), count - 2 - done, 1.0)
    except Stopped as stop:
        sweep.stop(stop, [box or EVERYTHING])
    return sweep


def fastest(prober: Prober) -> Sweep:
    """The fastest deployment, and the cheapest as fast as that."""
    return _one(prober.fastest)


def cheapest(prober: Prober) -> Sweep:
    """The cheapest deployment, and the fastest as cheap as that."""
    return _one(prober.cheapest)


def _one(step: Callable[[], Point | None]) -> Sweep:
    sweep = Sweep()
    try:
        sweep.add(step())
    except Stopped as stop:
        sweep.stop(stop, [EVERYTHING])
    sweep.best = sweep.points[-1] if sweep.points else None
    return sweep


def preferred(prober: Prober, exponent: float, progress: Progress = silent) -> Sweep:
    """The deployment that maximises speed**exponent / cost.

    Best-first over boxes: no deployment in a box exceeds (1 / least latency)**exponent / least cost. Ends when no
    box can hold a better one.
    """
    sweep = Sweep()
    order = itertools.count()
    boxes: list[tuple[float, int, Box]] = []

    def push(box: Box) -> None:
        least_cost = prober.least_cost_within(box)
        if least_cost is not None:
            tight = Box(box.latency_lo_s, box.latency_hi_s, max(box.cost_lo, least_cost), box.cost_hi)
            bound = preference(tight.latency_lo_s, tight.cost_lo, exponent)
            heapq.heappush(boxes, (-bound, next(order), tight))

    def best() -> float:
        return max(preference(point.latency_s, point.cost, exponent) for point in sweep.points)

    box: Box | None = None
    try:
        box = _ends(prober, sweep)
        if box is not None:
            push(box)
        while boxes and -boxes[0][0] > best():
            box = heapq.heappop(boxes)[2]
            for part in split(prober, box, sweep):
                push(part)
            progress(len(sweep.points), len(boxes), max((item.spread for _, _, item in boxes), default=1.0))
    except Stopped as stop:
        sweep.stop(stop, [box or EVERYTHING, *(item for _, _, item in boxes)])
    sweep.best = max(sweep.points, key=lambda point: preference(point.latency_s, point.cost, exponent), default=None)
    if sweep.best is not None and any(point.certificate.status is Status.FEASIBLE for point in sweep.points):
        # A better one may lie where a step was content with its gap.
        sweep.best = replace(sweep.best, certificate=replace(sweep.best.certificate, status=Status.FEASIBLE))
    return sweep


def preference(latency_s: float, cost: float, exponent: float) -> float:
    """Logarithm of speed**exponent / cost, which cannot overflow."""
    return float(-exponent * np.log(latency_s) - np.log(cost))


def closed(prober: Prober, box: Box, delta: float) -> bool:
    """Whether a box needs no further step: narrow enough, or proven empty."""
    return box.spread <= 1.0 + delta or prober.least_cost_within(box) is None


def split(prober: Prober, box: Box, sweep: Sweep) -> Iterator[Box]:
    """Take one step inside a box; yields the boxes that are left of it."""
    least = prober.least_cost_within(box)
    if least is None:
        return
    cap = max(float(np.sqrt(box.cost_lo * box.cost_hi)), least)
    point = prober.fastest(cost_cap=cap, faster_than_s=box.latency_hi_s)
    if point is None:
        yield Box(box.latency_lo_s, box.latency_hi_s, cap, box.cost_hi)
        return
    sweep.add(point)
    yield Box(box.latency_lo_s, point.latency_s, cap, box.cost_hi)
    yield Box(point.certificate.latency_bound_s, box.latency_hi_s, box.cost_lo, point.cost)


def _ends(prober: Prober, sweep: Sweep) -> Box | None:
    """Both ends of the frontier; the box between them, or ``None`` if there is nothing between."""
    fast = prober.fastest()
    if fast is None:
        return None
    sweep.add(fast)
    cheap = prober.cheapest()
    if cheap is None or (cheap.alternative, cheap.batch) == (fast.alternative, fast.batch):
        return None
    sweep.add(cheap)
    return Box(fast.certificate.latency_bound_s, cheap.latency_s, cheap.cost, fast.cost)
