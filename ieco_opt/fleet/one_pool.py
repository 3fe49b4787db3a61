"""Programs of one workload on one pool in closed form, where sizes of instances and nodes divide each other.

Let each size divide the next larger one, and the size of a node be one of them. Then

* instances fit on the nodes exactly if their GPUs do (the conditions of :func:`~ieco_opt.fleet.placement.rooms` follow
  from that), so all that a plan takes rises with its GPUs;
* some GPUs serve most in blocks: the best block of a size is one instance or as many of the best smaller blocks as
  fill it, so larger blocks serve no less for each GPU, and small ones that fill a larger one can be put together.

Prefill and decode divide the GPUs between them, which is tried for every division (docs/proof.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ieco_opt.fleet.columns import CacheForm, cache_forms
from ieco_opt.fleet.placement import is_chain
from ieco_opt.fleet.plan import ROUNDING
from ieco_opt.fleet.program.data import FleetDecision, FleetProgramData, Goal, Quantity
from ieco_opt.fleet.program.plan import caps_of
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.serving import Phase

_TAKEN = (Quantity.COST, Quantity.POWER, Quantity.GPUS)
"""What rises with the GPUs of a plan, whatever its instances are."""


def has_closed_form(data: FleetProgramData) -> bool:
    """Whether :func:`decided_in_closed_form` answers a program."""
    problem = data.problem
    if len({column.pool for column in problem.columns}) > 1 or len(problem.workloads) > 1 or data.relaxed is not None:
        return False
    if problem.decides_loads or problem.excluded:
        return False
    workload, node = problem.workloads[0], problem.pools[_pool(problem)].nodes.size
    if len(workload.requests_per_s) > 1 or workload.min_instances > 1 or workload.max_instances is not None:
        return False
    sought = data.minimise is Goal.SLACK or data.minimise in _TAKEN
    return sought and data.epsilons.keys() <= {*_TAKEN} and is_chain({node, *(each.gpus for each in problem.columns)})


def decided_in_closed_form(data: FleetProgramData) -> FleetDecision | None:
    """The optimum of a program that has a closed form, of equals one with the fewest GPUs; ``None``: there is none."""
    problem, most = data.problem, _most_gpus(data)
    best, instances, apart = (math.inf, 0), dict[int, int](), False
    for disaggregated, phases in _choices(problem):
        blocks = [_Blocks.of(problem, columns) for columns in phases]
        served = [each.served(most) for each in blocks]
        divided = _greatest(served) if data.minimise is Goal.SLACK else _fewest(served)
        covered = min(float(each[gpus]) for each, gpus in zip(served, divided, strict=True)) if divided else 0.0
        if sum(divided) > most or covered < (data.least_covered if data.minimise is Goal.SLACK else 1.0 - ROUNDING):
            continue
        rank = (-covered if data.minimise is Goal.SLACK else 0.0, sum(divided))
        if rank < best:
            best, apart = rank, disaggregated
            instances = {}
            for each, gpus in zip(blocks, divided, strict=True):
                instances |= each.instances(gpus)
    if best[0] == math.inf:
        return None
    used, nodes = _pool(problem), [0] * len(problem.pools)
    nodes[used] = -(-best[1] // problem.pools[used].nodes.size)
    return FleetDecision(
        instances=tuple(instances.get(at, 0) for at in range(len(problem.columns))),
        nodes=tuple(nodes),
        disaggregated=(apart,),
        share={},
        flows={},
        violation=0.0,
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Best blocks of GPUs of one phase, the smallest first.

    Attributes
    ----------
    serves
        Share of the demand that a block of each size serves.
    column, copies
        Which instances it consists of: how many of which column.
    """

    sizes: list[int]
    serves: list[float]
    column: list[int]
    copies: list[int]

    @classmethod
    def of(cls, problem: FleetProblem, columns: Sequence[int]) -> _Blocks:
        """Blocks of some columns of the one workload, by position."""
        (demand,) = problem.workloads[0].requests_per_s
        share = {at: problem.columns[at].requests_per_s[0] / demand for at in columns}
        blocks = cls([], [], [], [])
        for at in sorted(columns, key=lambda each: (problem.columns[each].gpus, -share[each])):
            size = problem.columns[at].gpus
            if blocks.sizes and blocks.sizes[-1] == size:
                # One of this size that serves as much is there.
                continue
            serves, column, copies = share[at], at, 1
            if blocks.sizes and (fill := size // blocks.sizes[-1]) * blocks.serves[-1] > serves:
                serves, column, copies = fill * blocks.serves[-1], blocks.column[-1], fill * blocks.copies[-1]
            blocks.sizes.append(size)
            blocks.serves.append(serves)
            blocks.column.append(column)
            blocks.copies.append(copies)
        return blocks

    def served(self, most: int) -> Array:
        """Most that 0, 1, ... ``most`` GPUs serve of the demand."""
        left, served = np.arange(most + 1), np.zeros(most + 1)
        for size, each in zip(reversed(self.sizes), reversed(self.serves), strict=True):
            filled, left = np.divmod(left, size)
            served += filled * each
        return served

    def instances(self, gpus: int) -> dict[int, int]:
        """Instances of each column that serve that."""
        found: dict[int, int] = {}
        for size, column, copies in zip(*map(reversed, (self.sizes, self.column, self.copies)), strict=True):
            filled, gpus = divmod(gpus, size)
            if filled:
                found[column] = found.get(column, 0) + filled * copies
        return found


def _choices(problem: FleetProblem) -> Iterator[tuple[bool, list[list[int]]]]:
    """Columns of each phase that may be used together, and whether that is prefill apart from decode.

    Apart, all exchange caches in one form, and no transfer takes longer than the least room that a prefill column has.
    """
    columns, modes = problem.columns, problem.workloads[0].modes
    if "colocated" in modes:
        yield False, [problem.columns_of(0, Phase.COLOCATED)]
    if "disaggregated" not in modes:
        return
    prefill, decode = problem.columns_of(0, Phase.PREFILL), problem.columns_of(0, Phase.DECODE)
    forms: list[CacheForm | None] = [*cache_forms(columns)] or [None]
    for form in forms:
        senders, receivers = (
            [at for at in phase if columns[at].cache_form in (None, form)] for phase in (prefill, decode)
        )
        for room in {columns[at].room_s for at in senders}:
            yield (
                True,
                [
                    [at for at in senders if columns[at].room_s >= room],
                    [at for at in receivers if columns[at].transfer_s <= room],
                ],
            )


def _greatest(served: Sequence[Array]) -> tuple[int, ...]:
    """GPUs of each phase with which the phase that serves least serves most."""
    if len(served) == 1:
        return (int(served[0].argmax()),)
    first, second = served
    gpus = int(np.minimum(first, second[::-1]).argmax())
    return gpus, len(first) - 1 - gpus


def _fewest(served: Sequence[Array]) -> tuple[int, ...]:
    """Fewest GPUs with which each phase serves the demand; none where one cannot."""
    found = [np.flatnonzero(each >= 1.0 - ROUNDING) for each in served]
    return tuple(int(each[0]) for each in found) if all(map(len, found)) else ()


def _pool(problem: FleetProblem) -> int:
    """The one pool that has columns."""
    return problem.columns[0].pool if problem.columns else 0


def _most_gpus(data: FleetProgramData) -> int:
    """GPUs that a plan can have within the capacity and all limits."""
    pool = data.problem.pools[_pool(data.problem)]
    gpus = np.arange(pool.capacity_gpus + 1)
    allocated = -(-gpus // pool.nodes.size) * pool.nodes.size if pool.by_node else gpus
    taken = {
        Quantity.COST: pool.usd_per_gpu_hour * np.maximum(allocated - pool.owned_gpus, 0),
        Quantity.POWER: pool.kw_per_gpu * allocated,
        Quantity.GPUS: allocated,
    }
    limits = [*caps_of(data.problem).items(), *data.epsilons.items(), (Quantity.POWER, pool.max_power_kw)]
    within = gpus >= 0
    for quantity, limit in limits:
        if limit < math.inf:
            within &= taken[quantity] <= limit * (1.0 + ROUNDING)
    return int(np.flatnonzero(within)[-1])
