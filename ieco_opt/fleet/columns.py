"""Columns of instances: workload, pool, phase and setup with the best batch, and what one instance serves.

Everything that does not depend on the required speed is priced once; columns at a speed are then read off.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.families import DecodeContext, FamilyRequest, Speculation
from ieco_opt.design_space.from_scenario import degree_choices
from ieco_opt.design_space.setups import Integers
from ieco_opt.fleet.instances import (
    Capacities,
    PhaseSetups,
    PrefillSetups,
    Service,
    decoding_setups,
    prefill_setups,
)
from ieco_opt.fleet.packing import copies_within
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import OperatingPoint, RequestClass, ResolvedPool, ResolvedWorkload

MODES: dict[str, tuple[Phase, ...]] = {
    "colocated": (Phase.COLOCATED,),
    "disaggregated": (Phase.PREFILL, Phase.DECODE),
}
"""Phases that instances of each mode of serving have."""


@dataclass(frozen=True, slots=True)
class SetupTable:
    """Setups of one precision on one pool in one phase, priced for each request class in turn.

    ``key`` numbers the setups alike in every class: ``setups[c]`` row r has the number ``key[c][r]``.
    """

    pool: int
    phase: Phase
    weights: str
    setups: tuple[PhaseSetups, ...]
    key: tuple[Rows, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """Columns of instances that one workload can use.

    Attributes
    ----------
    tables
        Those of the performance model.
    points
        Operating points of each column (of all its classes), each with the pools it suits.
    rejected
        Setups that are none, by reason and pool name.
    """

    workload: ResolvedWorkload
    tables: tuple[SetupTable, ...]
    points: tuple[tuple[tuple[OperatingPoint, tuple[int, ...]], ...], ...]
    rejected: dict[str, Counter[str]]

    @property
    def classes(self) -> tuple[RequestClass, ...]:
        """Classes of requests."""
        return self.workload.workload.classes

    def demand(self) -> tuple[float, ...]:
        """Requests per second of each class that must be served, headroom included."""
        workload = self.workload.workload
        total = workload.requests_per_s * (1.0 + workload.headroom)
        shares = [each.share for each in self.classes]
        return tuple(total * share / sum(shares) for share in shares)

    def service(self, speed_factor: float = 1.0) -> Service:
        """What a request must see."""
        workload = self.workload.workload
        slowest = np.inf if workload.min_speed is None else 1.0 / (workload.min_speed * speed_factor)
        first = workload.max_time_to_first_token_s
        return Service(slowest, np.inf if first is None else first)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a column comes from: a table (and a row of it for each class, -1 for none), or operating points."""

    table: int | None
    rows: tuple[int, ...]
    points: tuple[OperatingPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One class_index of the program.

    Attributes
    ----------
    requests_per_s
        Capacity of one instance for each class of requests.
    room_s
        Prefill: the longest transfer on the other side that keeps the first token in time, for each class.
    transfer_s
        Decode: seconds to receive the cache of a prompt, for each class.
    batch
        Sequences in flight for each class; 0 where unknown or not served.
    """

    workload: int
    pool: int
    phase: Phase
    gpus: int
    requests_per_s: tuple[float, ...]
    room_s: tuple[float, ...]
    transfer_s: tuple[float, ...]
    batch: tuple[int, ...]
    origin: Origin


def build_candidates(workload: ResolvedWorkload, pools: Sequence[ResolvedPool]) -> Candidates:
    """Price everything that a workload could run on, whatever the speed."""
    tables: list[SetupTable] = []
    rejected: dict[str, Counter[str]] = {}
    phases = [phase for mode in workload.workload.serving for phase in MODES[mode]]
    if workload.model is not None:
        for at in workload.pools:
            reasons = rejected.setdefault(pools[at].name, Counter())
            for precision in enumerate(workload.workload.weights):
                tables += [_table(workload, at, pools[at], precision, phase, reasons) for phase in phases]
    grouped: dict[tuple[object, ...], list[tuple[OperatingPoint, tuple[int, ...]]]] = {}
    for index, (point, suits) in enumerate(workload.points):
        # Only classes of a mix share a column; other rows are columns of their own, whatever their names.
        name = (index,) if point.request_class is None else (point.kind, point.phase, point.gpus)
        if Phase(point.phase) in phases:
            grouped.setdefault(name, []).append((point, suits))
    return Candidates(workload, tuple(tables), tuple(map(tuple, grouped.values())), rejected)


def columns_at(
    candidate: Candidates, index: int, pools: Sequence[ResolvedPool], speed_factor: float = 1.0
) -> list[Column]:
    """Columns of one workload (at position ``index``) that meet its service and that no other column replaces."""
    service = candidate.service(speed_factor)
    found: list[Column] = []
    for at, table in enumerate(candidate.tables):
        found += _table_columns(candidate, index, at, table, service)
    for group in candidate.points:
        for pool in candidate.workload.pools:
            rows = [point for point, suits in group if pool in suits]
            column = _point_column(candidate, index, rows, pool, service)
            found += [] if column is None else [column]
    found = _without_idle_pairing(found)
    return _nondominated(found, candidate, pools)


def at_service(candidate: Candidates, column: Column, service: Service) -> Column | None:
    """The same setup at the best batches for another service; ``None`` if it serves nothing then."""
    if column.origin.table is None:
        return _point_column(candidate, column.workload, column.origin.points, column.pool, service)
    table = candidate.tables[column.origin.table]
    served, batch = list(column.requests_per_s), list(column.batch)
    for class_index, row in enumerate(column.origin.rows):
        setups = table.setups[class_index]
        if row >= 0 and not isinstance(setups, PrefillSetups):
            capacities = setups.take(np.array([row])).capacities(service)
            served[class_index], batch[class_index] = float(capacities.requests_per_s[0]), int(capacities.batch[0])
    return replace(column, requests_per_s=tuple(served), batch=tuple(batch)) if any(served) else None


def fastest_speed(candidate: Candidates) -> float:
    """Bound on the speed of any column, in tokens/s; inf where an operating point does not say."""
    speeds = [
        point.speed_tokens_per_s or np.inf for rows in candidate.points for point, _ in rows if point.phase != "prefill"
    ]
    for table in candidate.tables:
        speeds += [
            float(1.0 / setups.least_latency_s().min())
            for setups in table.setups
            if not isinstance(setups, PrefillSetups) and len(setups.alternatives)
        ]
    return max(speeds, default=0.0)


def conflicts(columns: Sequence[Column]) -> list[tuple[int, int]]:
    """Pairs of a prefill and a decode column of one workload that miss the time to first token together."""
    prefill = [at for at, column in enumerate(columns) if column.phase is Phase.PREFILL]
    decode = [at for at, column in enumerate(columns) if column.phase is Phase.DECODE]
    return [
        (one, other)
        for one in prefill
        for other in decode
        if columns[one].workload == columns[other].workload and _late(columns[one], columns[other])
    ]


def _late(prefill: Column, decode: Column) -> bool:
    return any(
        served > 0.0 and received > 0.0 and transfer > room
        for served, received, transfer, room in zip(
            prefill.requests_per_s, decode.requests_per_s, decode.transfer_s, prefill.room_s, strict=True
        )
    )


def _table(
    workload: ResolvedWorkload,
    at: int,
    pool: ResolvedPool,
    precision: tuple[int, str],
    phase: Phase,
    reasons: Counter[str],
) -> SetupTable:
    setups: list[PhaseSetups] = []
    for request_class in workload.workload.classes:
        request = _family_request(workload, request_class, phase)
        if phase is Phase.PREFILL:
            priced, rejected = prefill_setups(request, pool.accelerator, precision)
            setups.append(priced)
        else:
            output, batches = float(request_class.output_tokens), workload.design_space.batches
            decoding, rejected = decoding_setups(request, pool.accelerator, precision, phase, output, batches)
            setups.append(decoding)
        reasons.update(rejected)
    keys = [each.keys() for each in setups]
    _, number = np.unique(np.vstack(keys), axis=0, return_inverse=True)
    number = number.reshape(-1)
    parts = np.split(number, np.cumsum([len(key) for key in keys])[:-1])
    count = int(number.max()) + 1 if len(number) else 0
    return SetupTable(at, phase, precision[1], tuple(setups), tuple(parts), count)


def _family_request(workload: ResolvedWorkload, request_class: RequestClass, phase: Phase) -> FamilyRequest:
    """The setups of one class in one phase (docs/fleet.md, table of phases)."""
    assert workload.model is not None
    listed, prompt, output = workload.design_space, request_class.prompt_tokens, request_class.output_tokens
    choices = degree_choices(listed)
    if phase is Phase.PREFILL:
        return FamilyRequest(
            model=workload.model,
            choices=replace(choices, attention_data_parallel=tuple({1} & set(listed.attention_data_parallel))),
            batch_min=1,
            batch_max=max(listed.pipeline_parallel),
            context=DecodeContext(0.0, float(prompt), float(prompt)),
            memory_utilization=workload.workload.memory_utilization,
            speculation=None,
        )
    speculation = workload.workload.speculation
    arriving = prompt / output
    return FamilyRequest(
        model=workload.model,
        choices=choices,
        batch_min=listed.batch_min,
        batch_max=listed.batch_max,
        context=DecodeContext(
            average_tokens=prompt + output / 2.0,
            resident_tokens=float(prompt + output),
            prompt_tokens=float(prompt),
            prompt_tokens_per_token=arriving if phase is Phase.COLOCATED else 0.0,
            draft_prompt_tokens_per_token=arriving,
        ),
        memory_utilization=workload.workload.memory_utilization,
        speculation=None
        if speculation is None or workload.draft is None
        else Speculation(workload.draft, speculation.acceptance, speculation.max_draft_tokens),
    )


def _table_columns(candidate: Candidates, index: int, at: int, table: SetupTable, service: Service) -> Iterator[Column]:
    """Columns of a table, the best for each number of GPUs by what they serve."""
    classes = len(candidate.classes)
    served, room, moved = (np.zeros((table.count, classes)) for _ in range(3))
    batch, row = np.zeros((table.count, classes), dtype=np.int64), np.full((table.count, classes), -1)
    gpus = np.zeros(table.count, dtype=np.int64)
    for class_index, (setups, key) in enumerate(zip(table.setups, table.key, strict=True)):
        capacities = setups.capacities(service)
        _put(capacities, key, class_index, service, served, room, moved, batch, row)
        gpus[key] = setups.degrees.gpus.astype(np.int64)
    serves = np.flatnonzero((served > 0.0).any(axis=1))
    for size in np.unique(gpus[serves]):
        rows = serves[gpus[serves] == size]
        criteria = np.hstack([served[rows], room[rows], -moved[rows]])
        for best in rows[_pareto(criteria)]:
            yield Column(
                workload=index,
                pool=table.pool,
                phase=table.phase,
                gpus=int(size),
                requests_per_s=tuple(served[best].tolist()),
                room_s=tuple(room[best].tolist()),
                transfer_s=tuple(moved[best].tolist()),
                batch=tuple(batch[best].tolist()),
                origin=Origin(at, tuple(row[best].tolist())),
            )


def _put(
    capacities: Capacities,
    key: Rows,
    class_index: int,
    service: Service,
    served: Array,
    room: Array,
    moved: Array,
    batch: Integers,
    row: Rows,
) -> None:
    """Enter what the setups of one class offer into the tables over all setups of a table."""
    good = np.flatnonzero(capacities.requests_per_s > 0.0)
    served[key[good], class_index] = capacities.requests_per_s[good]
    batch[key[good], class_index] = capacities.batch[good]
    row[key[good], class_index] = good
    # Without a limit on the first token any transfer will do, and counting it would only multiply columns.
    if np.isfinite(service.max_time_to_first_token_s):
        room[key[good], class_index] = service.max_time_to_first_token_s - capacities.pass_s[good]
        moved[key[good], class_index] = np.where(capacities.pass_s[good] > 0.0, 0.0, capacities.transfer_s[good])


def _pareto(criteria: Array) -> Rows:
    """Rows that no other row matches or beats in every class_index; one of equal rows."""
    left, kept = np.lexsort(-criteria.T[::-1]), []
    while len(left):
        kept.append(left[0])
        left = left[~(criteria[left] <= criteria[left[0]]).all(axis=1)]
    return np.array(kept, dtype=np.intp)


def _point_column(
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
        origin=Origin(None, (), tuple(good)),
    )


def _without_idle_pairing(columns: Sequence[Column]) -> list[Column]:
    """Forget transfers where every pair is in time, so that they keep no column alive."""
    if conflicts(columns):
        return list(columns)
    nothing = (0.0,) * len(columns[0].requests_per_s) if columns else ()
    return [replace(column, room_s=nothing, transfer_s=nothing) for column in columns]


def _nondominated(columns: Sequence[Column], candidate: Candidates, pools: Sequence[ResolvedPool]) -> list[Column]:
    """Drop columns that fewer or equally many GPUs of another column of their pool and phase can replace.

    A column replaces another one if copies of it always fit where one of the other was and serve as much. One column of
    requests is never served beyond its demand; in a mix, capacity beyond the demand of a class is left for others.
    """
    most = candidate.demand() if len(candidate.classes) == 1 else (np.inf,) * len(candidate.classes)
    lone = candidate.workload.workload.max_instances is not None
    kept: list[Column] = []
    for column in sorted(columns, key=lambda each: (each.gpus, *(-served for served in each.requests_per_s))):
        if not any(_replaces(one, column, most, pools[column.pool].node_size, lone=lone) for one in kept):
            kept.append(column)
    return kept


def _replaces(one: Column, other: Column, most: Sequence[float], node_size: int, *, lone: bool) -> bool:
    if (one.pool, one.phase) != (other.pool, other.phase):
        return False
    copies = 1 if lone else copies_within(one.gpus, other.gpus, node_size)
    enough = all(
        copies * mine >= min(theirs, useful)
        for mine, theirs, useful in zip(one.requests_per_s, other.requests_per_s, most, strict=True)
    )
    roomy = all(mine >= theirs for mine, theirs in zip(one.room_s, other.room_s, strict=True))
    quick = all(mine <= theirs for mine, theirs in zip(one.transfer_s, other.transfer_s, strict=True))
    return enough and roomy and quick
