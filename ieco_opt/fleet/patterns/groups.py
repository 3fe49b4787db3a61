"""Columns of a workload that may be used together: of each mode, form of the cache and room for the transfer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ieco_opt.fleet.columns import CacheForm, Column, cache_forms
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.performance.serving import Phase


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of one phase that may be used together, by pool."""

    columns: tuple[int, ...]
    by_pool: tuple[tuple[int, tuple[int, ...]], ...]


def choices_of(problem: FleetProblem, workload: int) -> list[tuple[bool, list[Group]]]:
    """Columns of each phase that may be used together, and whether that is prefill apart from decode.

    Apart, all exchange caches in one form, and no transfer takes longer than the least room that a prefill column has.
    """
    columns, found = problem.columns, []
    modes = problem.workloads[workload].modes
    if "colocated" in modes:
        found.append((False, [_group(problem, problem.columns_of(workload, Phase.COLOCATED))]))
    if "disaggregated" not in modes:
        return found
    prefill, decode = (problem.columns_of(workload, phase) for phase in (Phase.PREFILL, Phase.DECODE))
    forms: list[CacheForm | None] = [*cache_forms(columns[at] for at in (*prefill, *decode))] or [None]
    seen = set()
    for form in forms:
        senders, receivers = ([at for at in phase if _may(columns[at], form)] for phase in (prefill, decode))
        rooms = {columns[at].room_s for at in senders}
        late = rooms and receivers and max(columns[at].transfer_s for at in receivers) > min(rooms)
        allowed: set[tuple[int, ...]] = set()
        for room in sorted(rooms) if late else [(-math.inf,)]:
            sides = (
                tuple(at for at in senders if columns[at].room_s >= room),
                tuple(at for at in receivers if not late or columns[at].transfer_s <= room),
            )
            # With less room as many receive, and more send.
            if all(sides) and sides not in seen and sides[1] not in allowed:
                allowed.add(sides[1])
                seen.add(sides)
                found.append((True, [_group(problem, each) for each in sides]))
    return found


def _may(column: Column, form: CacheForm | None) -> bool:
    return column.cache_form in (None, form)


def _group(problem: FleetProblem, columns: Sequence[int]) -> Group:
    pools = sorted({problem.columns[at].pool for at in columns})
    return Group(
        tuple(columns), tuple((pool, tuple(at for at in columns if problem.columns[at].pool == pool)) for pool in pools)
    )
