"""What a question about one workload that has no answer could be instead: the least change of each thing alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.fleet.throughput import Multiples
from ieco_opt.fleet.variations import lower_weights, priced_with
from ieco_opt.solvers.run import Run, Stopped

_PRECISION = 1.002
_FARTHEST = 1000.0
_MOST_GPUS = 8192


@dataclass(frozen=True, slots=True)
class WaysOut:
    """Looks for single changes with which a plan exists."""

    space: FleetSpace
    run: Run

    def found(self) -> list[str]:
        """Each in words, as far as there is time; the wishes of service first."""
        ways: list[str] = []
        try:
            for way in self._ways():
                ways += [] if way is None else [way]
        except Stopped:
            pass
        return ways

    def _ways(self) -> Iterator[str | None]:
        workload = self.space.resolved.workloads[0].workload
        speed, first = workload.min_speed, workload.max_time_to_first_token_s
        if speed is not None:
            by = self._least(lambda factor: self.space.asking({"min_speed": speed / factor}))
            yield None if by is None else f"TPOT to {_up(1000.0 * by / speed)} ms"
        if first is not None:
            by = self._least(lambda factor: self.space.asking({"max_time_to_first_token_s": first * factor}))
            yield None if by is None else f"TTFT to {_up(first * by)} s"
        if workload.requests_per_s is not None and self.space.resolved.fleet.objective != "throughput":
            yield self._fewer_requests()
        if math.isfinite(self.space.caps.max_usd_per_hour):
            yield self._budget()
        yield self._gpus()
        yield self._weights()

    def _fewer_requests(self) -> str | None:
        most, _ = Multiples(FleetPlanner(self.space, self.run)).greatest()
        if most is None:
            return None
        demand = most.problem.workloads[0]
        served = most.covered() * sum(demand.requests_per_s) / (1.0 + demand.headroom)
        return f"{_down(served)} requests/s"

    def _budget(self) -> str | None:
        free = replace(self.space, caps=replace(self.space.caps, max_usd_per_hour=math.inf))
        plan = FleetPlanner(_of_little(free), self.run).best(Quantity.COST)
        return None if plan is None else f"${_up(plan.totals[Quantity.COST])}/h"

    def _gpus(self) -> str | None:
        """The fewest whole nodes (of the first pool) with which there is a plan."""
        pool = self.space.resolved.pools[0]
        size = pool.node_size
        sizes = [gpus for gpus in _counts(size) if gpus > pool.gpus]
        low, high = -1, next((at for at, gpus in enumerate(sizes) if self._exists(self.space.with_gpus(0, gpus))), None)
        if high is None:
            return None
        below = pool.gpus if high == 0 else sizes[high - 1]
        least, most = below // size, math.ceil(sizes[high] / size)
        while sizes[high] > size and most - least > 1:
            low = (least + most) // 2
            least, most = (least, low) if self._exists(self.space.with_gpus(0, low * size)) else (low, most)
        gpus = most * size if sizes[high] > size else sizes[high]
        return f"{gpus} GPUs" if len(self.space.pools) == 1 else f"{gpus} GPUs of {pool.name}"

    def _weights(self) -> str | None:
        for weights in lower_weights(self.space):
            space = priced_with(self.space, weights, self.run.ask)
            if space is not None and self._exists(space):
                return f"{weights} weights"
        return None

    def _least(self, changed: Callable[[float], FleetSpace]) -> float | None:
        """Least factor at which a plan exists, from above; ``None``: none does, or none is needed."""
        low, high = 1.0, _FARTHEST
        if not self._exists(changed(high)):
            return None
        while high / low > _PRECISION:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if self._exists(changed(middle)) else (middle, high)
        return high

    def _exists(self, space: FleetSpace) -> bool:
        planner = FleetPlanner(_of_little(space), self.run)
        problem = planner.problem()
        return not problem.unserved and planner.solve(FleetProgramData(problem, Goal.ANY), 1.0) is not None


def _of_little(space: FleetSpace) -> FleetSpace:
    """Where as much as possible is served, anything that is served will do."""
    if space.resolved.fleet.objective != "throughput":
        return space
    return space.at_demand(1e-9)


def _counts(node_size: int) -> Iterator[int]:
    """Numbers of GPUs to try: parts of a node, then nodes, twice as many each time."""
    gpus = 1
    while gpus < node_size:
        yield gpus
        gpus *= 2
    gpus = node_size
    while gpus <= _MOST_GPUS:
        yield gpus
        gpus *= 2


def _up(value: float) -> str:
    """Three significant digits, never less than the value."""
    return _rounded(value, math.ceil)


def _down(value: float) -> str:
    """Three significant digits, never more than the value."""
    return _rounded(value, math.floor)


def _rounded(value: float, whole: Callable[[float], int]) -> str:
    """Without an exponent, as options and files take it."""
    digits = 2 - math.floor(math.log10(value))
    # Noise of floating point is no more than the value itself.
    rounded = whole(round(value * 10.0**digits, 9)) / 10.0**digits
    return f"{rounded:.{max(digits, 0)}f}".rstrip("0").rstrip(".") if digits > 0 else f"{rounded:.0f}"
