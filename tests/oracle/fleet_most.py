"""The greatest demand that a small fleet serves, by listing all plans (docs/fleet.md, "Most requests").

A plan serves as many times the demand as its scarcest workload has capacity for. Beside the arguments of
``fleet_levels``, of two ways to serve a workload one that is nowhere smaller and serves no more is left out.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from .fleet import (
    MOST_COMPARED,
    TOLERANCE,
    Case,
    Columns,
    OracleAnswer,
    Scenario,
    Totals,
    broken_limits,
    kinds,
    read,
    rented_gpus,
    same,
    totals,
    undominated,
)
from .fleet_levels import Ways, most_rented, workload_ways

NOTHING = -1 + TOLERANCE
"""Slack of plans that serve next to nothing."""


def most(mapping: Scenario, speed_factor: float = 1.0) -> OracleAnswer | None:
    """Find the greatest demand factor, and the least cost of a plan that serves it; None if nothing is served.

    Of a scenario whose energy matters nothing is known: such a question is refused.
    """
    case = read(mapping, speed_factor)
    per_workload = [undominated(kinds(case, workload)) for workload in case.workloads]
    columns = Columns.of(case, [kind for listed in per_workload for kind in listed])
    stock = [most_rented(case, number, math.inf) for number in range(len(case.pools))]
    combined: Ways | None = None
    for workload, listed in zip(case.workloads, per_workload, strict=True):
        ways = _nondominated(workload_ways(case, workload, listed, columns, stock, NOTHING))
        combined = ways if combined is None else _nondominated(combined.beside(ways, case, columns))
    assert combined is not None
    return _best(case, columns, combined)


def _nondominated(ways: Ways) -> Ways:
    """Keep the ways of which no other one is nowhere larger and serves as much."""
    order = np.lexsort((ways.footprints.sum(axis=1), -ways.slack))
    footprints, slack = ways.footprints[order], ways.slack[order]
    if len(order) > MOST_COMPARED:
        return Ways(footprints, slack, ways.instances[order])
    kept: list[int] = []
    table = np.empty_like(footprints)
    for index, footprint in enumerate(footprints):
        # What serves more comes first.
        if not np.any(np.all(table[: len(kept)] <= footprint, axis=1)):
            table[len(kept)] = footprint
            kept.append(index)
    return Ways(footprints[kept], slack[kept], ways.instances[order][kept])


def _best(case: Case, columns: Columns, ways: Ways) -> OracleAnswer | None:
    """Most of what fits, and the least cost of as much."""
    factor, best = 0.0, None
    for index in np.argsort(-ways.slack, kind="stable").tolist():
        served = 1 + float(ways.slack[index])
        if best is not None and not same(served, factor):
            break
        sums = _fitting(case, columns, ways.footprints[index].tolist())
        if sums is not None and (best is None or sums.usd_per_hour < best.usd_per_hour):
            factor, best = max(factor, served), sums
    return None if best is None else OracleAnswer(factor, best.usd_per_hour, best.power_kw, best.gpus, {})


def _fitting(case: Case, columns: Columns, footprint: list[int]) -> Totals | None:
    """Cost, power and GPUs of a footprint that fits on the nodes and keeps the caps."""
    rented = [rented_gpus(pool, *columns.of_pool(footprint, number)) for number, pool in enumerate(case.pools)]
    if None in rented or broken_limits(case, cast(list[int], rented)):
        return None
    return totals(case, cast(list[int], rented))
