"""Pricing what a workload could run on, once and whatever the speed, and the columns at a speed read off from that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.setups import Integers
from ieco_opt.fleet.columns import Candidates, Column, Origin, SetupTable, Shelf, any_conflict, phases_of
from ieco_opt.fleet.dominance import best_of_sizes, hopeful, nondominated, without_pairing
from ieco_opt.fleet.instances import Capacities, PrefillSetups, Service
from ieco_opt.fleet.tables import KnownTables, table_requests
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import OperatingPoint, ResolvedPool, ResolvedWorkload


def build_candidates(
    workload: ResolvedWorkload, pools: Sequence[ResolvedPool], ask: Ask = go_on, known: KnownTables | None = None
) -> Candidates:
    """Price everything that a workload could run on, whatever the speed, but for what is ``known``."""
    known = known or KnownTables()
    tables: list[SetupTable] = []
    rejected: dict[str, dict[Phase, Counter[str]]] = {}
    for request in table_requests(workload, pools):
        found, reasons = known.priced(request, ask)
        tables += found
        for at in request.pools:
            rejected.setdefault(pools[at].name, {}).setdefault(request.phase, Counter()).update(reasons)
    phases = phases_of(workload.workload.serving)
    grouped: dict[tuple[object, ...], list[tuple[OperatingPoint, tuple[int, ...]]]] = {}
    for index, (point, suits) in enumerate(workload.points):
        # Only classes of a mix share a column; other rows are columns of their own, whatever their names.
        name = (index,) if point.request_class is None else (point.kind, point.phase, point.gpus)
        if Phase(point.phase) in phases:
            grouped.setdefault(name, []).append((point, suits))
    return Candidates(workload, tuple(tables), tuple(map(tuple, grouped.values())), rejected, known.shelves)


def columns_at(
    candidate: Candidates,
    index: int,
    pools: Sequence[ResolvedPool],
    speed_factor: float = 1.0,
    ask: Ask = go_on,
    *,
    beyond: bool = False,
    frugal: bool = False,
    kept: Callable[[Column], bool] | None = None,
    apart: Callable[[Column], Hashable] | None = None,
    on: Container[int] | None = None,
) -> list[Column]:
    """Columns of one workload (at position ``index``) that meet its service and that no other column replaces.

    ``beyond``: also keep what serves more than the demand, and what several smaller instances replace. ``frugal``: also
    what takes less energy for a request. ``kept`` says which columns there are; those alike in ``apart`` alone replace
    each other.
    """
    service, phases = candidate.service(speed_factor), candidate.phases
    mine = [pool for pool in candidate.workload.pools if on is None or pool in on]
    tables = [
        (at, table)
        for at, table in enumerate(candidate.tables)
        if table.phase in phases and not set(mine).isdisjoint(table.pools)
    ]
    ask()
    read = columns_of_tables(candidate, index, [at for at, _ in tables], speed_factor, frugal=frugal)
    listed = [(table, columns) for (_, table), columns in zip(tables, read, strict=True)]
    found: list[Column] = []
    for pool in mine:
        ask()
        for table, columns in listed:
            if pool == table.pools[0]:
                found += columns
            elif pool in table.pools:
                found += [replace(column, pool=pool) for column in columns]
    for group in candidate.points:
        ask()
        for pool in mine:
            rows = [point for point, suits in group if pool in suits and Phase(point.phase) in phases]
            column = point_column(candidate, index, rows, pool, service)
            found += [] if column is None else [column]
    found = [column for column in found if kept is None or kept(column)]
    paired = any_conflict(found)
    best = nondominated(found, candidate, pools, ask, beyond=beyond, frugal=frugal, paired=paired, apart=apart)
    return best if paired else without_pairing(best)


def fastest_speed(candidate: Candidates, unknown: float = math.inf) -> float:
    """Bound on the speed of any column, in tokens/s with the error of the model.

    Operating points, which have none, count as ``unknown`` where they do not say their speed.
    """
    speeds = [
        point.speed_tokens_per_s or unknown
        for rows in candidate.points
        for point, _ in rows
        if point.phase != "prefill"
    ]
    for table in candidate.tables:
        speeds += [
            float(1.0 / setups.least_latency_s().min()) / table.margin
            for setups in table.setups
            if not isinstance(setups, PrefillSetups) and len(setups.alternatives)
        ]
    return max(speeds, default=0.0)


def columns_of_tables(
    candidate: Candidates, index: int, positions: Sequence[int], speed_factor: float, *, frugal: bool
) -> list[list[Column]]:
    """Columns of each of some tables on the first of its pools; read off once for questions that differ elsewhere."""
    keys = {at: (_service_of(candidate, at, speed_factor), frugal) for at in positions}
    unread: dict[tuple[Phase, Service], list[int]] = {}
    for at, key in keys.items():
        table = candidate.tables[at]
        if key not in table.columns:
            unread.setdefault((table.phase, key[0]), []).append(at)
    for (_, service), together in unread.items():
        shelf = candidate.shelves.of([candidate.tables[at] for at in together])
        read: list[list[Column]] = [[] for _ in together]
        for on, column in _shelf_columns(shelf, index, together, service, frugal=frugal):
            read[on].append(column)
        for table, at, columns in zip(shelf.tables, together, read, strict=True):
            table.columns[keys[at]] = columns
    return [_in_place(candidate.tables[at].columns[key], index, at) for at, key in keys.items()]


def _service_of(candidate: Candidates, at: int, speed_factor: float) -> Service:
    table = candidate.tables[at]
    service = candidate.service(speed_factor, table.margin)
    # No speed is asked of what generates nothing.
    return replace(service, max_latency_s=math.inf) if table.phase is Phase.PREFILL else service


def _in_place(columns: list[Column], index: int, at: int) -> list[Column]:
    """Columns of a table that stands in several fleets, and not always in the same place."""
    if not columns or (columns[0].workload, columns[0].origin.table) == (index, at):
        return columns
    return [replace(each, workload=index, origin=replace(each.origin, table=at)) for each in columns]


def _shelf_columns(
    shelf: Shelf, index: int, positions: Sequence[int], service: Service, *, frugal: bool
) -> Iterator[tuple[int, Column]]:
    """Columns of tables (at some positions of a workload) on the first of their pools, each with its table.

    They are the best of each table for each number of GPUs by what they serve. ``frugal``: and by the energy that a
    request takes, which is as its busy time where GPUs are as many.
    """
    classes = len(shelf.setups)
    served, room, moved, busy = (np.zeros((shelf.count, classes)) for _ in range(4))
    batch, row = np.zeros((shelf.count, classes), dtype=np.int64), np.full((shelf.count, classes), -1)
    bounds = [setups.bounds(service) for setups in shelf.setups]
    good = hopeful(shelf, bounds, frugal=frugal)
    for class_index, (setups, key) in enumerate(zip(shelf.setups, shelf.key, strict=True)):
        rows = np.flatnonzero((bounds[class_index].most > 0.0) & good[key])
        if len(rows):
            capacities = setups.capacities_of(service, rows)
            own = shelf.row[class_index][rows]
            _put(capacities, key[rows], own, class_index, service, served, room, moved, batch, busy, row)
    serves = np.flatnonzero((served > 0.0).any(axis=1))
    criteria = _criteria(serves, served, room, moved, busy, frugal=frugal)
    kept = serves[best_of_sizes(criteria, shelf.size[serves])]
    margins = np.array([table.margin for table in shelf.tables])[shelf.table[kept]]
    forms = [table.cache_form for table in shelf.tables]
    told = (served[kept] / margins[:, None], room[kept], moved[kept], batch[kept], busy[kept], row[kept])
    sized = zip(shelf.table[kept].tolist(), shelf.gpus[kept].tolist(), strict=True)
    for (on, gpus), *each in zip(sized, *(column.tolist() for column in told), strict=True):
        serves_s, room_s, moved_s, batches, busy_s, taken = map(tuple, each)
        table = shelf.tables[on]
        yield (
            on,
            Column(
                workload=index,
                pool=table.pools[0],
                phase=table.phase,
                gpus=gpus,
                requests_per_s=serves_s,
                room_s=room_s,
                transfer_s=moved_s,
                batch=batches,
                busy_s=busy_s,
                origin=Origin(positions[on], taken),
                cache_form=forms[on],
                margin=table.margin,
            ),
        )


def _criteria(rows: Rows, served: Array, room: Array, moved: Array, busy: Array, *, frugal: bool) -> Array:
    """By what some setups of a size are compared, each the more the better; shape (rows, criteria)."""
    criteria = [served[rows], room[rows], -moved[rows]]
    if frugal:
        criteria.append(-np.where(served[rows] > 0.0, busy[rows], np.inf))
    return np.hstack(criteria)


def _put(
    capacities: Capacities,
    key: Rows,
    own: Rows,
    class_index: int,
    service: Service,
    served: Array,
    room: Array,
    moved: Array,
    batch: Integers,
    busy: Array,
    row: Rows,
) -> None:
    """Enter what some setups of one class (in rows of their ``own`` tables) offer into the tables of a shelf."""
    good = np.flatnonzero(capacities.requests_per_s > 0.0)
    served[key[good], class_index] = capacities.requests_per_s[good]
    batch[key[good], class_index] = capacities.batch[good]
    busy[key[good], class_index] = capacities.busy_s[good]
    row[key[good], class_index] = own[good]
    # Without a limit on the first token any transfer will do, and counting it would only multiply columns.
    if np.isfinite(service.max_time_to_first_token_s):
        room[key[good], class_index] = service.max_time_to_first_token_s - capacities.first_token_s[good]
        moved[key[good], class_index] = np.where(capacities.first_token_s[good] > 0.0, 0.0, capacities.transfer_s[good])


def point_column(
    candidate: Candidates, index: int, rows: Sequence[OperatingPoint], pool: int, service: Service
) -> Column | None:
    """The column that some operating points describe, as far as they are within the service; ``None`` if none is."""
    labels = [each.label for each in candidate.classes]
    served = [0.0] * len(labels)
    good: list[OperatingPoint] = []
    for point in rows:
        class_index = 0 if point.request_class is None else labels.index(point.request_class)
        slow = point.speed_tokens_per_s is not None and 1.0 / point.speed_tokens_per_s > service.max_latency_s
        late = (point.time_to_first_token_s or 0.0) > service.max_time_to_first_token_s
        if not late and (not slow or point.phase == "prefill"):
            tokens = point.throughput_tokens_per_s
            per_request = candidate.classes[class_index].output_tokens
            served[class_index] = (point.throughput_requests_per_s or 0.0) if tokens is None else tokens / per_request
            good.append(point)
    if not any(served):
        return None
    nothing = (0.0,) * len(labels)
    return Column(
        workload=index,
        pool=pool,
        phase=Phase(rows[0].phase),
        gpus=rows[0].gpus,
        requests_per_s=tuple(served),
        room_s=(math.inf,) * len(labels),
        transfer_s=nothing,
        batch=(0,) * len(labels),
        # An instance of which only figures are known is busy while it serves.
        busy_s=tuple(1.0 / each if each else 0.0 for each in served),
        origin=Origin(None, (), tuple(good)),
    )
