"""Prices of pieces by column generation, and what they prove of every plan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ieco_opt.fleet.patterns.enumeration import Enumeration, Vectors
from ieco_opt.fleet.patterns.pieces import Counts, Floats, Pieces, is_simple, pieces_of
from ieco_opt.fleet.patterns.priced import Priced, Remembered
from ieco_opt.fleet.patterns.program import Master, build_master_program
from ieco_opt.fleet.patterns.steps import TooMany
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.program.plan import caps_of
from ieco_opt.fleet.space import FleetProblem, PoolData
from ieco_opt.solvers.arrays import arrays_of
from ieco_opt.solvers.outcome import Outcome
from ieco_opt.solvers.run import Run, Stopped

_ROUNDS = 40
"""Column generation ends after so many rounds, if it has not converged."""

_UNCHANGED = 5
"""So does it where so many rounds in a row brought no better vectors."""

_CONVERGED = 1e-7
"""Relative distance of the bound from the linear program of all vectors at which prices are good enough."""

_ALIKE = 1e-5
"""Share of the bound by which it may differ from that of the question before, for the same prices to do."""

_PENALTY = 3.0
"""A workload without a vector costs so many times the least price of its own, ten times more if that is not enough."""

_LARGEST_PENALTY = 1e4
"""Where so many times the least price leaves a workload out, vectors have no plan to offer."""


class Takes(Protocol):
    """What a workload can take of the pools, as :class:`~ieco_opt.fleet.patterns.enumeration.Enumeration` says it."""

    def least(self, prices: Floats) -> tuple[float, Vectors]:
        """What no vector is below, and a vector."""

    def within(self, prices: Floats, limit: float) -> Vectors:
        """All vectors whose price is at most ``limit``."""


def priced_program(
    data: FleetProgramData, speed_factor: float, run: Run, remembered: Remembered, most: float = math.inf
) -> tuple[Pieces, list[Enumeration], Priced] | None:
    """Pieces of a program, vectors of its workloads, and the best prices; ``None`` where these have no bound.

    A bound beyond ``most`` is enough. The question that was asked before is not answered again.

    Raises
    ------
    Stopped
        A limit or an interrupt ended it before there were any prices.
    """
    if (known := remembered.same(data)) is not None:
        return known
    pieces = pieces_of(data.problem)
    workloads = [Enumeration(data.problem, pieces, at) for at in range(len(data.problem.workloads))]
    alike = remembered.prices.setdefault((data.minimise, frozenset(data.epsilons), pieces.pool, pieces.gpus), {})
    nearest = min(alike, key=lambda factor: abs(math.log(factor / speed_factor)), default=None)
    before = None if nearest is None else _where_to_begin(data, *alike[nearest])
    try:
        prices = Pricing(data, pieces, workloads, run).best(before, most)
    except TooMany:
        return None
    if prices is None or not math.isfinite(prices.bound):
        return None
    if prices.bound <= most:
        # Vectors that serve this question need not serve the next one.
        alike[speed_factor] = data.epsilons, replace(prices, known=())
        remembered.last = data, (pieces, workloads, prices)
    return pieces, workloads, prices


def _where_to_begin(data: FleetProgramData, limits: Mapping[Quantity, float], prices: Priced) -> Priced:
    """Prices of another question; where its limits were others, better ones are sought whatever these prove."""
    same = all(abs(limits[each] - limit) <= _ALIKE * max(1.0, abs(limit)) for each, limit in data.epsilons.items())
    return prices if same else replace(prices, bound=-math.inf)


@dataclass(slots=True)
class Pricing:
    """The search for prices at which the bound is greatest.

    Attributes
    ----------
    known
        Vectors of each workload that were the cheapest at some prices, or are known before there are any.
    points
        All prices so far, with the bound of each. The last one that is known from the beginning is where it begins.
    """

    data: FleetProgramData
    pieces: Pieces
    workloads: Sequence[Takes]
    run: Run
    known: Sequence[Known] = ()
    points: list[Priced] = field(default_factory=list)

    def best(self, before: Priced | None = None, most: float = math.inf) -> Priced | None:
        """The best prices, from those ``before`` or those of the GPUs on; ``None`` where vectors serve no workload.

        Where the search ends early they are the best so far; a bound beyond ``most`` ends it.

        Raises
        ------
        Stopped, TooMany
            A limit or an interrupt ended it before there were any; a workload has too many covers.
        """
        best: Priced | None = None
        self.known = self.known or [Known() for _ in self.workloads]
        try:
            for better in self._better_and_better(before):
                best = better
                if best is not None and best.bound > most:
                    break
        except Stopped:
            if best is None:
                raise
        return None if best is None else replace(best, known=tuple(each.vectors() for each in self.known))

    def _better_and_better(self, before: Priced | None) -> Iterator[Priced | None]:
        """Prices whose bound is greater each time; ``None`` at last where vectors serve no workload.

        What the linear program of the vectors so far says is tried next; where pools have several pieces, of which
        there are too many sets far from the best prices, the middle between them.
        """
        start = plain_prices(self.data.problem, self.pieces, self.data.minimise)
        several = len(set(self.pieces.pool)) < len(self.pieces.pool)
        owned = [self.data.problem.pools[pool].owned_gpus > 0 for pool in self.pieces.pool]
        floor = np.where(owned, 1e-6, 1.0) * start
        prices, best = start if before is None else before.prices, None  # type: Floats, Priced | None
        times, value_before, unchanged = _PENALTY, math.inf, 0
        if self.points:
            best = self.points[-1]
            prices = np.maximum(self._linear(times)[1], floor)
            yield best
        for _ in range(_ROUNDS):
            point, taken = self._at(prices)
            if point is None:
                yield None
                return
            if best is None and np.array_equal(prices, start):
                plain = _if_nothing_binds(self.data, self.pieces, prices, point.least, taken)
                if plain is not None:
                    yield plain
                    return
            if best is None or point.bound > best.bound:
                yield (best := point)
            if best is point and before is not None and _is_alike(before, point):
                return
            value, said, left_out = self._linear(times)
            if value - best.bound <= _CONVERGED * max(1.0, abs(value)):
                if not left_out:
                    return
                if times > _LARGEST_PENALTY:
                    yield None
                    return
                times *= 10.0
            unchanged = unchanged + 1 if value >= value_before else 0
            if unchanged == _UNCHANGED and not left_out:
                return
            said = np.maximum(said, floor)
            # Where the last vectors made no difference, the middle has nothing to say.
            prices = 0.5 * (said + best.prices) if several and value < value_before else said
            before, value_before = None, value

    def _at(self, prices: Floats) -> tuple[Priced | None, Counts]:
        """What prices prove, and what the cheapest vectors take together; no bound where some workload has none."""
        self.run.ask("pricing pieces of the pools")
        found = [each.least(prices) for each in self.workloads]
        if not all(math.isfinite(price) for price, _ in found):
            return None, np.zeros(0, dtype=np.int64)
        for mine, (_, vectors) in zip(self.known, found, strict=True):
            mine.add(vectors)
        least = tuple(price for price, _ in found)
        point = Priced(prices, least, math.fsum(least) + pools_bound(self.data, self.pieces, prices, self.run))
        self.points.append(point)
        return point, np.sum([vectors.taken[0] for _, vectors in found], axis=0)

    def _linear(self, times: float) -> tuple[float, Floats, bool]:
        """Value and prices of the linear program of the vectors so far, and whether it leaves a workload out.

        That costs so many times the least price of the workload at the first prices.
        """
        penalty = {at: times * each for at, each in enumerate(self.points[0].least)}
        vectors = {at: each.vectors() for at, each in enumerate(self.known)}
        model = build_master_program(Master(self.data, self.pieces, vectors, penalty=penalty))
        value, said = _linear(model, self.pieces, self.run)
        return value, said, any((variable.value or 0.0) > 1e-9 for variable in model.left_out.values())


def _is_alike(before: Priced, now: Priced) -> bool:
    """Whether prices prove as much as they did before, so that there are hardly better ones."""
    return abs(now.bound - before.bound) <= _ALIKE * max(1.0, abs(now.bound))


def _if_nothing_binds(
    data: FleetProgramData, pieces: Pieces, prices: Floats, least: tuple[float, ...], taken: Counts
) -> Priced | None:
    """The best prices, where those of the GPUs are: the cheapest vectors at them, together, keep to all there is.

    Then the linear program of those vectors comes to what they cost, less what is owned, and no plan has less. ``None``
    also where a pool has several pieces, or nodes that they do not fill.
    """
    problem = data.problem
    if not is_simple(problem, pieces):
        return None
    pools, gpus = [problem.pools[at] for at in pieces.pool], (taken * pieces.gpus).tolist()
    held = all(mine <= pool.capacity_gpus for mine, pool in zip(gpus, pools, strict=True))
    if not held or not _keep_to_caps(data, pools, gpus):
        return None
    if data.minimise is not Quantity.COST:
        return Priced(prices, least, math.fsum(least))
    if any(mine < pool.owned_gpus for mine, pool in zip(gpus, pools, strict=True)):
        return None
    return Priced(prices, least, math.fsum(least) - sum(pool.usd_per_gpu_hour * pool.owned_gpus for pool in pools))


def _keep_to_caps(data: FleetProgramData, pools: Sequence[PoolData], gpus: Sequence[float]) -> bool:
    """Whether so many GPUs in use of each pool keep to all caps."""
    used = list(zip(pools, gpus, strict=True))
    totals = {
        Quantity.COST: sum(pool.usd_per_gpu_hour * max(0.0, mine - pool.owned_gpus) for pool, mine in used),
        Quantity.POWER: sum(pool.kw_per_gpu * mine for pool, mine in used),
        Quantity.GPUS: sum(mine for _, mine in used),
    }
    caps = [(pool.max_power_kw, pool.kw_per_gpu * mine) for pool, mine in used]
    for quantity, limit in (*caps_of(data.problem).items(), *data.epsilons.items()):
        caps.append((limit, totals.get(quantity, math.inf)))
    # What has no limit may be unknown.
    return all(math.isinf(limit) or value <= limit for limit, value in caps)


def _bound_of_pools_apart(data: FleetProgramData, pieces: Pieces, prices: Floats) -> float | None:
    """The linear program of :func:`pools_bound` where no cap binds: what each pool comes to by itself.

    Objective - pi z is convex in the pieces z of a pool, so it is least where there are none, all that is owned, or all
    there are. ``None`` where that breaks a cap, or a pool has several pieces or nodes that they do not fill.
    """
    if not is_simple(data.problem, pieces):
        return None
    pools = [data.problem.pools[at] for at in pieces.pool]
    plain = plain_prices(data.problem, pieces, data.minimise)
    values, used = [], []
    for pool, gpus, price, rate in zip(pools, pieces.gpus, prices.tolist(), plain.tolist(), strict=True):
        most = float(pool.nodes.most(gpus))
        owned = min(pool.owned_gpus / gpus, most) if data.minimise is Quantity.COST else 0.0
        value, least = min((rate * max(0.0, z - owned) - price * z, z) for z in (0.0, owned, most))
        values.append(value)
        used.append(gpus * least)
    return math.fsum(values) if _keep_to_caps(data, pools, used) else None


def pools_bound(data: FleetProgramData, pieces: Pieces, prices: Floats, run: Run) -> float:
    """No plan takes less of the objective than this and its pieces at their prices.

    The least of objective - pi z over the rows of the pools alone, as a linear program; from any multipliers y, by weak
    duality: y b + sum_j min((c_j - y A_j) x_j over the bounds of x_j). So no tolerance of the solver is in it. Where
    pools are told apart, their sum in a closed form.
    """
    if (apart := _bound_of_pools_apart(data, pieces, prices)) is not None:
        return apart
    import pyomo.core as pyo

    model = build_master_program(Master(data, pieces, {}))
    instances = list(model.instances.values())
    model.objective.set_value(
        model.objective.expr - pyo.quicksum(float(price) * z for price, z in zip(prices, instances, strict=True))
    )
    for pool, name in zip(data.problem.pools, model.pools, strict=True):
        model.nodes[name].setub(pool.nodes.whole)
        if name in model.paid:
            model.paid[name].setub(pool.capacity_gpus)
        # No more paths through a node begin than there are nodes.
        for flow in getattr(model.filling[name], "flow", {}).values():
            flow.setub(max(1, pool.nodes.whole))
    model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    arrays = arrays_of(model)
    if not arrays.constraints:
        return 0.0
    solution = run.solve(model)
    if solution.outcome is not Outcome.OPTIMAL:
        return -math.inf
    y = np.array([model.dual[each] for each in arrays.constraints])
    # A multiplier of a side that a row does not have says nothing.
    y = np.where(np.isfinite(arrays.row_lower), y, np.minimum(y, 0.0))
    y = np.where(np.isfinite(arrays.row_upper), y, np.maximum(y, 0.0))
    rhs = np.where(y > 0.0, arrays.row_lower, arrays.row_upper)
    reduced = arrays.cost.copy()
    row = np.repeat(np.arange(len(y)), np.diff(arrays.starts))
    np.subtract.at(reduced, arrays.columns, y[row] * arrays.coefficients)
    ends = np.where(reduced > 0.0, arrays.lower, arrays.upper)
    terms = np.where(reduced == 0.0, 0.0, reduced * np.where(reduced == 0.0, 0.0, ends))
    return math.fsum([*np.where(y == 0.0, 0.0, y * np.where(y == 0.0, 0.0, rhs)), *terms, arrays.offset])


def plain_prices(problem: FleetProblem, pieces: Pieces, minimise: Quantity | Goal) -> Floats:
    """Prices where nothing binds: what the GPUs of a piece add to the objective."""
    of_gpu = {
        Quantity.COST: [pool.usd_per_gpu_hour for pool in problem.pools],
        Quantity.POWER: [pool.kw_per_gpu for pool in problem.pools],
        Quantity.GPUS: [1.0 for _ in problem.pools],
    }[Quantity(minimise)]
    return np.array([of_gpu[pool] * gpus for pool, gpus in zip(pieces.pool, pieces.gpus, strict=True)])


def _linear(model: Any, pieces: Pieces, run: Run) -> tuple[float, Floats]:
    """Value of the linear program of a master, and its prices of the pieces."""
    import pyomo.core as pyo

    model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    solution = run.solve(model)
    if solution.outcome is not Outcome.OPTIMAL or solution.objective is None:
        return math.inf, np.zeros(len(pieces.gpus))
    prices = np.zeros(len(pieces.gpus))
    for at, constraint in model.piece.items():
        # One more piece for nothing takes so much off the objective.
        prices[at] = max(0.0, -model.dual[constraint])
    return solution.objective, prices


class Known:
    """Vectors of one workload so far, each once."""

    def __init__(self, vectors: Vectors | None = None) -> None:
        self._found: dict[tuple[int, ...], Vectors] = {}
        if vectors is not None:
            self.add(vectors)

    def add(self, vectors: Vectors) -> None:
        """Take some more in."""
        for at, taken in enumerate(vectors.taken.tolist()):
            self._found.setdefault(tuple(taken), vectors.at(np.array([at])))

    def vectors(self) -> Vectors:
        """All of them."""
        each = list(self._found.values())
        return Vectors(
            each[0].columns,
            np.concatenate([one.taken for one in each]),
            np.concatenate([one.counts for one in each]),
            np.concatenate([one.disaggregated for one in each]),
        )
