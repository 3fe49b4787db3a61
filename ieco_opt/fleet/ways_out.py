"""What a question about one workload that has no answer could be instead: the least change of each thing alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ieco_opt.fleet.infeasibility import rounded
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.fleet.throughput import Multiples
from ieco_opt.fleet.variations import lower_weights, priced_with, served
from ieco_opt.solvers.run import Run, Stopped

_DIGITS = 3
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
        return f"{rounded(served(most), _DIGITS, up=False)} requests/s"

    def _budget(self) -> str | None:
        free = replace(self.space, caps=replace(self.space.caps, max_usd_per_hour=math.inf))
        plan = FleetPlanner(_of_little(free), self.run).best(Quantity.COST)
        return None if plan is None else f"${_up(plan.totals[Quantity.COST])}/h"

    def _gpus(self) -> str | None:
        """The fewest whole nodes (of the first pool) with which there is a plan."""
        pool = self.space.resolved.pools[0]
        size, tried = pool.node_size, [gpus for gpus in _counts(pool.node_size) if gpus > pool.gpus]
        at = next((at for at, gpus in enumerate(tried) if self._exists(self.space.with_gpus(0, gpus))), None)
        if at is None:
            return None
        gpus = tried[at]
        # Parts of a node are tried one by one; of nodes twice as many each time, so that what is between is halved.
        least, most = (tried[at - 1] if at else pool.gpus) // size, gpus // size
        while most - least > 1:
            middle = (least + most) // 2
            exists = self._exists(self.space.with_gpus(0, middle * size))
            least, most = (least, middle) if exists else (middle, most)
        found = gpus if gpus < size else most * size
        return f"{found} GPUs" if len(self.space.pools) == 1 else f"{found} GPUs of {pool.name}"

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
    return rounded(value, _DIGITS)
