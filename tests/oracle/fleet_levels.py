"""Which of the best plans of a small fleet is taken, by listing them all (docs/fleet.md, "Which of the best plans").

All plans that are best in the objective are listed with their figures, and one criterion after the other keeps those
with the best figure. Three arguments keep the list short, and no others:

* Of two kinds of one workload, phase, pool and size, one that is nowhere better can be replaced by the other; no
  figure gets worse, because both run at the speed factor that is asked for.
* A pool is never rented beyond what alone would be worse than the optimum or break a cap.
* Ways to serve a workload with the same footprint, slack and number of instances are one way.

Counts go up to what the stock holds, not only up to what demand needs: an instance more can raise the slack.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from . import serving
from .fleet import (
    PHASES,
    TOLERANCE,
    Case,
    Columns,
    Kind,
    Need,
    OracleAnswer,
    Row,
    Scenario,
    TooLargeError,
    Workload,
    _compositions,
    _filled,
    _late_pairs,
    alike_kinds,
    broken_limits,
    kinds,
    mixed,
    need,
    read,
    rented_gpus,
    same,
    service,
    solve,
    totals,
    undominated,
)

Floats = NDArray[np.float64]
Counted = NDArray[np.int64]

WITHOUT_BOUND = 1e30
"""A speed factor that no instance with a speed meets."""

MOST_WAYS = 60_000
"""Ways to serve a workload, or several, beyond which a fleet is not small."""

MOST_ASSIGNMENTS = 2_000
"""Ways to hand out the slices of a workload beyond which a fleet is not small."""


@dataclass(frozen=True, slots=True)
class BestPlan:
    """What the best plan reaches: its objective, and its figure for each criterion in their order.

    ``speed_factor`` is None where the criterion is left out. ``cost`` and ``gpus`` are given even where they are the
    objective.
    """

    objective: float
    cost: float
    speed_factor: float | None
    slack: float
    gpus: int
    instances: int


@dataclass(frozen=True, slots=True)
class Plans:
    """Figures of plans, one plan a place."""

    objective: Floats
    cost: Floats
    slack: Floats
    gpus: Floats
    instances: Floats

    def where(self, kept: NDArray[np.bool_]) -> Plans:
        """Keep some of the plans."""
        return Plans(*(getattr(self, name)[kept] for name in self.__slots__))

    def least(self, name: str) -> Plans:
        """Keep the plans with the least figure, rounding aside."""
        figures = getattr(self, name)
        return self.where(np.array([same(figure, figures.min()) for figure in figures.tolist()], dtype=bool))

    def greatest_slack(self) -> Plans:
        """Keep the plans with the greatest least slack, rounding aside."""
        return self.where(self.slack >= self.slack.max() - TOLERANCE)

    def differ(self, name: str) -> bool:
        """Whether the plans have different figures, rounding aside."""
        figures = getattr(self, name)
        return not same(figures.min(), figures.max())


def best_plan(mapping: Scenario) -> BestPlan | None:
    """Decide the plan of a small fleet by all criteria; None if nothing meets the requirements."""
    optimum = solve(mapping)
    if optimum is None:
        return None
    factor = greatest_factor(mapping, optimum)
    plans = best_plans(mapping, optimum, 1.0 if factor is None else factor).least("cost")
    plans = plans.greatest_slack().least("gpus").least("instances")
    figures = {name: float(getattr(plans, name)[0]) for name in ("objective", "cost", "slack")}
    return BestPlan(**figures, speed_factor=factor, gpus=round(plans.gpus[0]), instances=round(plans.instances[0]))


def deciding(mapping: Scenario) -> set[str]:
    """Name the criteria in which plans differ that are best by all criteria before."""
    optimum = solve(mapping)
    if optimum is None:
        return set()
    found = set()
    plans = best_plans(mapping, optimum, 1.0)
    if plans.differ("cost"):
        found.add("cost")
    plans = plans.least("cost")
    factor = greatest_factor(mapping, optimum)
    if factor is not None:
        faster = best_plans(mapping, optimum, factor).least("cost")
        # At a greater factor, plans serve less, or are none any more.
        if len(faster.slack) != len(plans.slack) or not same(faster.slack.max(), plans.slack.max()):
            found.add("speed_factor")
        plans = faster
    if plans.differ("slack"):
        found.add("slack")
    plans = plans.greatest_slack()
    if plans.differ("gpus"):
        found.add("gpus")
    if plans.least("gpus").differ("instances"):
        found.add("instances")
    return found


# --- speed factor -----------------------------------------------------------------------------------------------------


def greatest_factor(mapping: Scenario, optimum: OracleAnswer, *, one_by_one: bool = False) -> float | None:
    """Greatest factor on all least speeds at which a plan has the optimal objective and cost; None without a bound.

    A plan that meets a factor meets all smaller ones, so that halving the list of factors finds the greatest. With
    ``one_by_one`` it is looked for from the greatest down, as it is where the argument has a gap: in a mix, a decode
    instance that is too slow for a class no longer has to start that class in time.
    """

    def reached(factor: float) -> bool:
        answer = solve(mapping, factor)
        return (
            answer is not None
            and same(answer.objective, optimum.objective)
            and same(answer.usd_per_hour, optimum.usd_per_hour)
        )

    if reached(WITHOUT_BOUND):
        return None
    case = read(mapping)
    factors = sorted({factor for workload in case.workloads for factor in speed_factors(case, workload)})
    # Rounding may put the factor of an instance that just meets its least speed below 1.
    factors = [factor for factor in factors if factor >= 1 - TOLERANCE]
    if one_by_one or any(_may_start_late(workload) for workload in case.workloads):
        return next(factor for factor in reversed(factors) if reached(factor))
    first, last = 0, len(factors) - 1
    while first < last:
        middle = (first + last + 1) // 2
        first, last = (middle, last) if reached(factors[middle]) else (first, middle - 1)
    return factors[first]


def _may_start_late(workload: Workload) -> bool:
    late = workload.max_time_to_first_token_s is not None
    return mixed(workload) and late and "disaggregated" in workload.modes


def speed_factors(case: Case, workload: Workload) -> Iterator[float]:
    """Speed over least speed of every instance there can be: operating points, and setups at every batch.

    Setups are as fast as they are with the error that is planned with.
    """
    if workload.min_speed is None:
        return
    rows: Sequence[Row] = workload.mapping.get("operating_points") or ()
    for row in rows:
        speed = _filled(row, "speed_tokens_per_s", "speed")
        if speed is not None and _filled(row, "phase") != "prefill":
            yield float(speed) / workload.min_speed
    if workload.mapping.get("model") is None:
        return
    for mode, pool, request in itertools.product(workload.modes, workload.pools, workload.classes.values()):
        wanted = service(case, workload, pool, request)
        for speed in _speeds(wanted, PHASES[mode][-1]):
            yield speed / (1 + wanted.error) / workload.min_speed


def _speeds(wanted: serving.Service, phase: serving.Phase) -> Iterator[float]:
    """Speeds of every setup at every batch at which it exists and fits."""
    for precision in wanted.precisions:
        for setup, batch, exists in serving.phase_setups(wanted, phase, precision):
            for decoding in serving.decodings(wanted, phase, setup):
                usable = exists & serving.fits(wanted, phase, precision, setup, decoding, batch)
                if usable.any():
                    latency = serving.generation_s(wanted, phase, precision, setup, decoding, batch[usable])
                    yield from (1 / latency).tolist()


# --- all plans --------------------------------------------------------------------------------------------------------


def best_plans(mapping: Scenario, optimum: OracleAnswer, factor: float) -> Plans:
    """List the plans with the optimal objective at a speed factor."""
    case = read(mapping, factor)
    per_workload = [undominated(kinds(case, workload)) for workload in case.workloads]
    columns = Columns.of(case, [kind for listed in per_workload for kind in listed])
    stock = [most_rented(case, number, optimum.objective) for number in range(len(case.pools))]
    combined: Ways | None = None
    for workload, listed in zip(case.workloads, per_workload, strict=True):
        ways = workload_ways(case, workload, listed, columns, stock)
        combined = ways if combined is None else combined.beside(ways, case, columns)
    assert combined is not None
    return _figures(case, columns, combined, optimum.objective)


def most_rented(case: Case, number: int, objective: float) -> int:
    """Most GPUs of a pool that can be rented before they alone are worse than the optimum or break a cap."""
    pool = case.pools[number]
    step = pool.node_size if pool.by_node else 1
    most = 0
    for gpus in range(step, (pool.whole_nodes * pool.node_size if pool.by_node else pool.usable_gpus) + 1, step):
        alone = [gpus if other == number else 0 for other in range(len(case.pools))]
        value = totals(case, alone).of(case.objective)
        if broken_limits(case, alone) or (value > objective and not same(value, objective)):
            break
        most = gpus
    return most


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways to serve workloads: footprint, least slack and number of instances of each."""

    footprints: Counted
    slack: Floats
    instances: Counted

    def distinct(self) -> Ways:
        """Keep one of equal ways."""
        table = np.column_stack([self.footprints, self.instances, self.slack])
        _, first = np.unique(table, axis=0, return_index=True)
        return Ways(self.footprints[first], self.slack[first], self.instances[first])

    def beside(self, other: Ways, case: Case, columns: Columns) -> Ways:
        """Every way beside every other, as far as the stock goes."""
        if len(self.slack) * len(other.slack) > MOST_WAYS:
            raise TooLargeError
        rows, others = (index.ravel() for index in np.indices((len(self.slack), len(other.slack))))
        footprints = self.footprints[rows] + other.footprints[others]
        kept = columns.in_stock(case, footprints)
        rows, others = rows[kept], others[kept]
        slack = np.minimum(self.slack[rows], other.slack[others])
        return Ways(footprints[kept], slack, self.instances[rows] + other.instances[others]).distinct()


def workload_ways(
    case: Case,
    workload: Workload,
    listed: Sequence[Kind],
    columns: Columns,
    stock: Sequence[int],
    least: float = -TOLERANCE,
) -> Ways:
    """All ways to serve a workload with so much slack at least, in either mode."""
    counts, slack = workload_counts(workload, listed, stock, least)
    footprints = columns.footprints(case, listed, counts)
    kept = columns.in_stock(case, footprints)
    return Ways(footprints[kept], slack[kept], counts[kept].sum(axis=1)).distinct()


def workload_counts(
    workload: Workload, listed: Sequence[Kind], stock: Sequence[int], least: float = -TOLERANCE
) -> tuple[Counted, Floats]:
    """Counts of all kinds for each way to serve a workload with so much slack at least, and the slack."""
    tables, slacks = [np.zeros((0, len(listed)), dtype=np.int64)], [np.zeros(0)]
    for mode in PHASES:
        if mode in workload.modes:
            counts, slack = _mode_ways(workload, listed, PHASES[mode], stock, least)
            tables.append(counts)
            slacks.append(slack)
    return np.concatenate(tables), np.concatenate(slacks)


def _mode_ways(
    workload: Workload, listed: Sequence[Kind], phases: tuple[serving.Phase, ...], stock: Sequence[int], least: float
) -> tuple[Counted, Floats]:
    """Counts of all kinds of a workload for each way to serve it in one mode, and the slack."""
    ways = [_ways_alike(workload, listed, phases, stock, least, alike) for alike in alike_kinds(listed, phases)]
    return np.concatenate([counts for counts, _ in ways]), np.concatenate([slack for _, slack in ways])


def _ways_alike(
    workload: Workload,
    listed: Sequence[Kind],
    phases: tuple[serving.Phase, ...],
    stock: Sequence[int],
    least: float,
    alike: Sequence[int],
) -> tuple[Counted, Floats]:
    """Counts of all kinds for each way to serve a workload with some of them, and the slack."""
    tables, slacks = [], []
    for phase in phases:
        mine = [index for index in alike if listed[index].phase == phase]
        found, slack = _phase_ways(workload, [listed[index] for index in mine], stock, least)
        table = np.zeros((len(found), len(listed)), dtype=np.int64)
        table[:, mine] = found
        tables.append(table)
        slacks.append(slack)
    if len(tables) == 1:
        return tables[0], slacks[0]
    prefill, decode = tables
    if len(prefill) * len(decode) > MOST_WAYS:
        raise TooLargeError
    too_late = _late_pairs(listed, workload.max_time_to_first_token_s)
    conflict = (prefill > 0).astype(int) @ too_late @ (decode > 0).astype(int).T
    rows, others = np.nonzero(conflict == 0)
    return prefill[rows] + decode[others], np.minimum(slacks[0][rows], slacks[1][others])


def _phase_ways(
    workload: Workload, listed: Sequence[Kind], stock: Sequence[int], least: float
) -> tuple[Counted, Floats]:
    """Counts of the kinds of one phase that are in stock and have so much slack at least, and the slack."""
    if not listed:
        return np.zeros((0, 0), dtype=np.int64), np.zeros(0)
    counts = all_counts(listed, workload.max_instances, stock)
    counts = counts[counts.sum(axis=1) >= workload.min_instances]
    slack = phase_slack(need(workload, listed), counts)
    kept = slack >= least
    return counts[kept], slack[kept]


def all_counts(listed: Sequence[Kind], most: int | None, stock: Sequence[int]) -> Counted:
    """All counts of the kinds that are in stock and no more than the most instances there may be."""
    counts = np.zeros((1, 0), dtype=np.int64)
    free = np.array([stock], dtype=np.int64)
    for kind in listed:
        room = free[:, kind.pool] // kind.gpus
        if most is not None:
            room = np.minimum(room, most - counts.sum(axis=1))
        if int((room + 1).sum()) > MOST_WAYS:
            raise TooLargeError
        before = np.repeat(np.arange(len(counts)), room + 1)
        number = np.concatenate([np.arange(each + 1) for each in room.tolist()])
        counts = np.column_stack([counts[before], number])
        free = free[before]
        free[:, kind.pool] -= number * kind.gpus
    return counts


def phase_slack(wanted: Need, counts: Counted) -> Floats:
    """Capacity over demand with headroom, less 1, for all classes alike, at each row of counts."""
    if wanted.slices is None:
        return np.asarray((counts @ wanted.covers.T).min(axis=1) - 1)
    best = np.zeros(len(counts))
    for busy in handed_out(wanted.loads, wanted.slices):
        # All slices grow alike until the instances of a kind are busy.
        used = [kind for kind, instances in enumerate(busy) if instances > 0]
        best = np.maximum(best, np.min([counts[:, kind] / busy[kind] for kind in used], axis=0))
    return best - 1


def handed_out(loads: Sequence[Sequence[float]], slices: int) -> list[tuple[float, ...]]:
    """Instances of each kind that are kept busy, for every way to hand out the slices of all classes."""
    per_class = []
    for row in loads:
        able = [kind for kind, load in enumerate(row) if math.isfinite(load)]
        ways = []
        for share in _compositions(slices, len(able)):
            busy = [0.0] * len(row)
            for kind, given in zip(able, share, strict=True):
                busy[kind] = given * row[kind]
            ways.append(busy)
        per_class.append(ways)
    if math.prod(len(ways) for ways in per_class) > MOST_ASSIGNMENTS:
        raise TooLargeError
    return [tuple(map(sum, zip(*parts, strict=True))) for parts in itertools.product(*per_class)]


def _figures(case: Case, columns: Columns, ways: Ways, objective: float) -> Plans:
    """Cost, GPUs and objective of those ways that keep the caps and have the optimal objective."""
    footprints, place = np.unique(ways.footprints, axis=0, return_inverse=True)
    rows = []
    for footprint in footprints.tolist():
        rented = [rented_gpus(pool, *columns.of_pool(footprint, number)) for number, pool in enumerate(case.pools)]
        if None in rented or broken_limits(case, cast(list[int], rented)):
            rows.append([math.inf, math.inf, math.inf])
            continue
        sums = totals(case, cast(list[int], rented))
        rows.append([sums.of(case.objective), sums.usd_per_hour, sums.gpus])
    table = np.array(rows, dtype=float).reshape(len(rows), 3)[place.ravel()]
    every = Plans(table[:, 0], table[:, 1], ways.slack, table[:, 2], ways.instances.astype(float))
    return every.where(np.array([same(value, objective) for value in table[:, 0].tolist()], dtype=bool))


def levels(mapping: Scenario) -> dict[str, Any] | None:
    """Best figure by criterion, in their order and without those that the objective leaves out; None without a plan."""
    best = best_plan(mapping)
    if best is None:
        return None
    found: Mapping[str, Any] = {
        name: getattr(best, name) for name in ("cost", "speed_factor", "slack", "gpus", "instances")
    }
    objective = mapping.get("objective") or "cost"
    return {name: value for name, value in found.items() if name != objective and value is not None}
