"""Small fleets whose energy matters: all counts of instances, and a linear program of their loads.

The rules are those of docs/fleet.md, "Energy". An instance more can lower what a plan takes, so counts go up to what
the stock holds. Beside that of kinds that others replace, one argument keeps the search short: requests take at least
what they take on the instances of a plan that take least, so plans that even then break a cap or are no better than
one already found need no program.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from .fleet import (
    Case,
    Columns,
    Kind,
    OracleAnswer,
    Scenario,
    TooLargeError,
    Workload,
    at_most,
    broken_limits,
    kinds,
    read,
    rented_gpus,
    same,
    totals,
    undominated,
)
from .fleet_levels import MOST_WAYS, Counted, Floats, most_rented, workload_counts

MEASURES = ("cost", "energy", "carbon")
"""What energy costs ($/h), takes (kW) and emits (kg/h)."""

MOST_PROGRAMS = 3_000
"""Programs of loads beyond which a fleet is not small."""

SETTINGS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, slots=True)
class Plans:
    """Plans without their loads: counts of all kinds, and what is rented (rent in $/h, power in kW, GPUs)."""

    counts: Counted
    rent: Floats
    power_kw: Floats
    gpus: Counted

    def where(self, kept: Any) -> Plans:
        """Keep some of the plans."""
        return Plans(*(getattr(self, name)[kept] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Takes:
    """What every kind takes by measure: one instance whatever it serves, and a request a second of each class."""

    idle: dict[str, Floats]
    requests: dict[str, list[tuple[float, ...]]]


def least(mapping: Scenario) -> OracleAnswer | None:
    """Find the optimum of a small fleet whose energy matters; None if nothing meets the requirements."""
    case = read(mapping)
    per_workload = [undominated(kinds(case, workload)) for workload in case.workloads]
    every = [kind for listed in per_workload for kind in listed]
    plans, takes = _plans(case, per_workload), _takes(case, every)
    busy = {name: _least_busy(case, every, plans.counts, takes.requests[name]) for name in MEASURES}
    bounds = {name: plans.counts @ takes.idle[name] + busy[name] for name in MEASURES}
    bounds["cost"] = bounds["cost"] + plans.rent
    kept = np.ones(len(plans.rent), dtype=bool)
    for name, cap in _caps(case).items():
        kept &= np.array([at_most(value, cap) for value in bounds[name].tolist()], dtype=bool)
    bounds = {name: values[kept] for name, values in bounds.items()}
    return _best(case, every, plans.where(kept), takes, bounds)


def _caps(case: Case) -> dict[str, float | None]:
    return {"cost": case.max_usd_per_hour, "energy": case.max_energy_kw, "carbon": case.max_carbon_kg_per_hour}


# --- plans without loads ----------------------------------------------------------------------------------------------


def _plans(case: Case, per_workload: Sequence[Sequence[Kind]]) -> Plans:
    """Every choice of counts that serves all workloads, fits on the nodes and keeps the caps on what is rented."""
    every = [kind for listed in per_workload for kind in listed]
    columns = Columns.of(case, every)
    stock = [most_rented(case, number, math.inf) for number in range(len(case.pools))]
    combined, before = np.zeros((1, 0), dtype=np.int64), 0
    for workload, listed in zip(case.workloads, per_workload, strict=True):
        counts, _ = workload_counts(workload, listed, stock)
        if len(combined) * len(counts) > 4 * MOST_WAYS:
            raise TooLargeError
        rows, others = (index.ravel() for index in np.indices((len(combined), len(counts))))
        combined, before = np.concatenate([combined[rows], counts[others]], axis=1), before + len(listed)
        combined = combined[columns.in_stock(case, columns.footprints(case, every[:before], combined))]
    if len(combined) > MOST_WAYS:
        raise TooLargeError
    footprints, place = np.unique(columns.footprints(case, every, combined), axis=0, return_inverse=True)
    rows = [_rented(case, columns, footprint) for footprint in footprints.tolist()]
    table = np.array(rows, dtype=float).reshape(len(rows), 3)[place.ravel()]
    found = Plans(combined, table[:, 0], table[:, 1], table[:, 2])
    return found.where(np.isfinite(found.rent))


def _rented(case: Case, columns: Columns, footprint: Sequence[int]) -> tuple[float, float, float]:
    """Rent, power and GPUs of a footprint, infinite if it does not fit or breaks a cap."""
    rented = [rented_gpus(pool, *columns.of_pool(footprint, number)) for number, pool in enumerate(case.pools)]
    if None in rented or broken_limits(case, cast(list[int], rented)):
        return math.inf, math.inf, math.inf
    sums = totals(case, cast(list[int], rented))
    return sums.usd_per_hour, math.inf if sums.power_kw is None else sums.power_kw, sums.gpus


# --- energy -----------------------------------------------------------------------------------------------------------


def _takes(case: Case, every: Sequence[Kind]) -> Takes:
    idle: dict[str, list[float]] = {name: [] for name in MEASURES}
    requests: dict[str, list[tuple[float, ...]]] = {name: [] for name in MEASURES}
    for kind in every:
        pool = case.pools[kind.pool]
        for name, factor in _factors(pool.supply).items():
            idle[name].append(factor * pool.idle_kw(kind.gpus))
            requests[name].append(tuple(factor * pool.busy_kw(kind.gpus, busy) for busy in kind.busy_s))
    return Takes({name: np.array(values, dtype=float) for name, values in idle.items()}, requests)


def _factors(supply: Any) -> dict[str, float]:
    """What a kilowatt of the site counts by measure; what is not given counts for nothing."""
    given = {"cost": supply.usd_per_kwh, "energy": 1.0, "carbon": supply.kg_co2_per_kwh}
    return {name: 0.0 if math.isnan(value) else value for name, value in given.items()}


def _phases(case: Case, every: Sequence[Kind]) -> Iterator[tuple[Workload, list[int]]]:
    """Kinds of each workload and phase."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, kind in enumerate(every):
        found[kind.workload, kind.phase].append(index)
    by_name = {workload.name: workload for workload in case.workloads}
    for (name, _), mine in found.items():
        yield by_name[name], mine


def _least_busy(case: Case, every: Sequence[Kind], counts: Counted, takes: Sequence[tuple[float, ...]]) -> Floats:
    """What the requests of each plan take at least, each on the instances of the plan that take least of its class."""
    total = np.zeros(len(counts))
    for workload, mine in _phases(case, every):
        for number, rate in enumerate(workload.requests_per_s):
            able = [index for index in mine if every[index].capacity[number] > 0]
            if able:
                each = np.array([takes[index][number] for index in able])
                cheapest = np.where(counts[:, able] > 0, each, np.inf).min(axis=1)
                total += np.where(np.isfinite(cheapest), rate * cheapest, 0.0)
    return total


# --- search -----------------------------------------------------------------------------------------------------------


def _best(
    case: Case, every: Sequence[Kind], plans: Plans, takes: Takes, bounds: dict[str, Floats]
) -> OracleAnswer | None:
    value = {"power": plans.power_kw, "gpus": plans.gpus.astype(float), **bounds}[case.objective]
    best: tuple[float, float, int] | None = None
    for solved, index in enumerate(np.lexsort((bounds["cost"], value)).tolist()):
        if best is not None and value[index] > best[0] and not same(value[index], best[0]):
            break
        if best is not None and same(value[index], best[0]) and bounds["cost"][index] >= best[1]:
            continue
        if solved > MOST_PROGRAMS:
            raise TooLargeError
        found = _loaded(case, every, plans.where([index]), takes)
        if found is not None and (best is None or _better(found, best)):
            best = (*found, index)
    if best is None:
        return None
    chosen = plans.where([best[2]])
    counts: dict[tuple[str, str, str, int, str], int] = defaultdict(int)
    for kind, count in zip(every, chosen.counts[0].tolist(), strict=True):
        if count:
            counts[kind.workload, kind.phase, case.pools[kind.pool].name, kind.gpus, kind.label] += count
    return OracleAnswer(best[0], best[1], float(chosen.power_kw[0]), int(chosen.gpus[0]), dict(counts))


def _better(found: tuple[float, float], best: tuple[float, float, int]) -> bool:
    if same(found[0], best[0]):
        return found[1] < best[1] and not same(found[1], best[1])
    return found[0] < best[0]


@dataclass(frozen=True, slots=True)
class Part:
    """What a kind may serve of a class of a workload and phase: all of it, or so many slices of so many requests/s."""

    kind: int
    served: tuple[str, str, int]
    requests_per_s: float
    slices: int
    margin: float
    capacity: float


@dataclass(frozen=True, slots=True)
class Program:
    """Linear program of the shares of each class that the kinds of one plan serve."""

    takes: dict[str, Floats]
    fixed: dict[str, float]
    equal: NDArray[np.float64]
    loads: NDArray[np.float64]
    instances: NDArray[np.float64]
    slices: list[int]

    def least(self, name: str, caps: dict[str, float | None]) -> float | None:
        """Least of a measure within caps, what is fixed included; None if they cannot all be kept."""
        rows, most = [*self.loads], [*self.instances]
        for capped, cap in caps.items():
            if cap is not None:
                scale = max(abs(cap), 1e-9)
                rows.append(self.takes[capped] / scale)
                most.append((cap - self.fixed[capped]) / scale + 1e-9)
        scale = max(float(np.abs(self.takes[name]).max()), 1e-30)
        whole = any(self.slices)
        # Slices are counted, shares of a class are not.
        answer = linprog(
            self.takes[name] / scale,
            A_ub=np.array(rows),
            b_ub=np.array(most),
            A_eq=self.equal,
            b_eq=np.ones(len(self.equal)),
            bounds=[(0, slices or 1) for slices in self.slices],
            integrality=[int(slices > 0) for slices in self.slices],
            options={"mip_rel_gap": 0.0} if whole else SETTINGS,
        )
        return None if answer.x is None else self.fixed[name] + float(answer.x @ self.takes[name])


def _loaded(case: Case, every: Sequence[Kind], plan: Plans, takes: Takes) -> tuple[float, float] | None:
    """Objective and cost of one plan whose loads take least; None if they cannot keep the caps."""
    program, caps = _program(case, every, plan, takes), _caps(case)
    if case.objective in ("power", "gpus"):
        cost = program.least("cost", caps)
        value = float(plan.power_kw[0] if case.objective == "power" else plan.gpus[0])
        return None if cost is None else (value, cost)
    value = program.least(case.objective, caps)
    if value is None or case.objective == "cost":
        return None if value is None else (value, value)
    held = caps[case.objective]
    cost = program.least("cost", caps | {case.objective: value if held is None else min(held, value)})
    return None if cost is None else (value, cost)


def _program(case: Case, every: Sequence[Kind], plan: Plans, takes: Takes) -> Program:
    counts = plan.counts[0]
    parts = [part for each in _phases(case, every) for part in _parts(every, counts, *each)]
    served = sorted({part.served for part in parts})
    used = sorted({part.kind for part in parts})
    equal, loads = np.zeros((len(served), len(parts))), np.zeros((len(used), len(parts)))
    for column, part in enumerate(parts):
        equal[served.index(part.served), column] = 1 / (part.slices or 1)
        loads[used.index(part.kind), column] = part.requests_per_s * part.margin / part.capacity
    fixed = {name: float(counts @ takes.idle[name]) for name in MEASURES}
    fixed["cost"] += float(plan.rent[0])
    return Program(
        takes={
            name: np.array([part.requests_per_s * takes.requests[name][part.kind][part.served[2]] for part in parts])
            for name in MEASURES
        },
        fixed=fixed,
        equal=equal,
        loads=loads,
        instances=np.array([float(counts[index]) + 1e-9 for index in used]),
        slices=[part.slices for part in parts],
    )


def _parts(every: Sequence[Kind], counts: Any, workload: Workload, mine: Sequence[int]) -> Iterator[Part]:
    """Parts of each class that the instances of one phase may serve; none where it has no instances."""
    for number, rate in enumerate(workload.requests_per_s):
        for index in mine:
            if counts[index] and every[index].capacity[number] > 0:
                served = workload.name, every[index].phase, number
                capacity, slices = every[index].sure_capacity[number], workload.slices or 0
                yield Part(index, served, rate / (slices or 1), slices, 1 + workload.headroom, capacity)
