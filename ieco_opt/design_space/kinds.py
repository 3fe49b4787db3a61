"""Kinds of instances: workload, pool, phase and setup with the best batch, and what one instance serves.

Everything that does not depend on the required speed is priced once; kinds at a speed are then read off.
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
from ieco_opt.design_space.instances import (
    Offers,
    PhaseSetups,
    PrefillSetups,
    Service,
    decoding_setups,
    prefill_setups,
)
from ieco_opt.design_space.packing import copies_within
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import OperatingPoint, RequestClass, ResolvedPool, ResolvedWorkload

MODES: dict[str, tuple[Phase, ...]] = {
    "colocated": (Phase.COLOCATED,),
    "disaggregated": (Phase.PREFILL, Phase.DECODE),
}
"""Phases that instances of each mode of serving have."""


@dataclass(frozen=True, slots=True)
class Shelf:
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
class Menu:
    """Kinds of instances that one workload can use.

    Attributes
    ----------
    shelves
        Those of the performance model.
    points
        Operating points of each kind (of all its classes), each with the pools it suits.
    rejected
        Setups that are none, by reason and pool name.
    """

    workload: ResolvedWorkload
    shelves: tuple[Shelf, ...]
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
    """Where a kind comes from: a shelf (and a row of it for each class, -1 for none), or operating points."""

    shelf: int | None
    rows: tuple[int, ...]
    points: tuple[OperatingPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One column of the program.

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


def build_menu(workload: ResolvedWorkload, pools: Sequence[ResolvedPool]) -> Menu:
    """Price everything that a workload could run on, whatever the speed."""
    shelves: list[Shelf] = []
    rejected: dict[str, Counter[str]] = {}
    phases = [phase for mode in workload.workload.serving for phase in MODES[mode]]
    if workload.model is not None:
        for at in workload.pools:
            reasons = rejected.setdefault(pools[at].name, Counter())
            for precision in enumerate(workload.workload.weights):
                shelves += [_shelf(workload, at, pools[at], precision, phase, reasons) for phase in phases]
    grouped: dict[tuple[object, ...], list[tuple[OperatingPoint, tuple[int, ...]]]] = {}
    for index, (point, suits) in enumerate(workload.points):
        # Only classes of a mix share a kind; other rows are kinds of their own, whatever their names.
        name = (index,) if point.request_class is None else (point.kind, point.phase, point.gpus)
        if Phase(point.phase) in phases:
            grouped.setdefault(name, []).append((point, suits))
    return Menu(workload, tuple(shelves), tuple(map(tuple, grouped.values())), rejected)


def kinds_at(menu: Menu, index: int, pools: Sequence[ResolvedPool], speed_factor: float = 1.0) -> list[Kind]:
    """Kinds of one workload (at position ``index``) that meet its service and that no other kind replaces."""
    service = menu.service(speed_factor)
    found: list[Kind] = []
    for at, shelf in enumerate(menu.shelves):
        found += _shelf_kinds(menu, index, at, shelf, service)
    for group in menu.points:
        for pool in menu.workload.pools:
            rows = [point for point, suits in group if pool in suits]
            kind = _point_kind(menu, index, rows, pool, service)
            found += [] if kind is None else [kind]
    found = _without_idle_pairing(found)
    return _undominated(found, menu, pools)


def at_service(menu: Menu, kind: Kind, service: Service) -> Kind | None:
    """The same setup at the best batches for another service; ``None`` if it serves nothing then."""
    if kind.origin.shelf is None:
        return _point_kind(menu, kind.workload, kind.origin.points, kind.pool, service)
    shelf = menu.shelves[kind.origin.shelf]
    served, batch = list(kind.requests_per_s), list(kind.batch)
    for column, row in enumerate(kind.origin.rows):
        setups = shelf.setups[column]
        if row >= 0 and not isinstance(setups, PrefillSetups):
            offers = setups.take(np.array([row])).offers(service)
            served[column], batch[column] = float(offers.requests_per_s[0]), int(offers.batch[0])
    return replace(kind, requests_per_s=tuple(served), batch=tuple(batch)) if any(served) else None


def fastest_speed(menu: Menu) -> float:
    """Bound on the speed of any kind, in tokens/s; inf where an operating point does not say."""
    speeds = [
        point.speed_tokens_per_s or np.inf for rows in menu.points for point, _ in rows if point.phase != "prefill"
    ]
    for shelf in menu.shelves:
        speeds += [
            float(1.0 / setups.least_latency_s().min())
            for setups in shelf.setups
            if not isinstance(setups, PrefillSetups) and len(setups.alternatives)
        ]
    return max(speeds, default=0.0)


def conflicts(kinds: Sequence[Kind]) -> list[tuple[int, int]]:
    """Pairs of a prefill and a decode kind of one workload that miss the time to first token together."""
    prefill = [at for at, kind in enumerate(kinds) if kind.phase is Phase.PREFILL]
    decode = [at for at, kind in enumerate(kinds) if kind.phase is Phase.DECODE]
    return [
        (one, other)
        for one in prefill
        for other in decode
        if kinds[one].workload == kinds[other].workload and _late(kinds[one], kinds[other])
    ]


def _late(prefill: Kind, decode: Kind) -> bool:
    return any(
        served > 0.0 and received > 0.0 and transfer > room
        for served, received, transfer, room in zip(
            prefill.requests_per_s, decode.requests_per_s, decode.transfer_s, prefill.room_s, strict=True
        )
    )


def _shelf(
    workload: ResolvedWorkload,
    at: int,
    pool: ResolvedPool,
    precision: tuple[int, str],
    phase: Phase,
    reasons: Counter[str],
) -> Shelf:
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
    return Shelf(at, phase, precision[1], tuple(setups), tuple(parts), count)


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


def _shelf_kinds(menu: Menu, index: int, at: int, shelf: Shelf, service: Service) -> Iterator[Kind]:
    """Kinds of a shelf, the best for each number of GPUs by what they serve."""
    classes = len(menu.classes)
    served, room, moved = (np.zeros((shelf.count, classes)) for _ in range(3))
    batch, row = np.zeros((shelf.count, classes), dtype=np.int64), np.full((shelf.count, classes), -1)
    gpus = np.zeros(shelf.count, dtype=np.int64)
    for column, (setups, key) in enumerate(zip(shelf.setups, shelf.key, strict=True)):
        offers = setups.offers(service)
        _put(offers, key, column, service, served, room, moved, batch, row)
        gpus[key] = setups.degrees.gpus.astype(np.int64)
    serves = np.flatnonzero((served > 0.0).any(axis=1))
    for size in np.unique(gpus[serves]):
        rows = serves[gpus[serves] == size]
        criteria = np.hstack([served[rows], room[rows], -moved[rows]])
        for best in rows[_pareto(criteria)]:
            yield Kind(
                workload=index,
                pool=shelf.pool,
                phase=shelf.phase,
                gpus=int(size),
                requests_per_s=tuple(served[best].tolist()),
                room_s=tuple(room[best].tolist()),
                transfer_s=tuple(moved[best].tolist()),
                batch=tuple(batch[best].tolist()),
                origin=Origin(at, tuple(row[best].tolist())),
            )


def _put(
    offers: Offers,
    key: Rows,
    column: int,
    service: Service,
    served: Array,
    room: Array,
    moved: Array,
    batch: Integers,
    row: Rows,
) -> None:
    """Enter what the setups of one class offer into the tables over all setups of a shelf."""
    good = np.flatnonzero(offers.requests_per_s > 0.0)
    served[key[good], column] = offers.requests_per_s[good]
    batch[key[good], column] = offers.batch[good]
    row[key[good], column] = good
    # Without a limit on the first token any transfer will do, and counting it would only multiply kinds.
    if np.isfinite(service.max_time_to_first_token_s):
        room[key[good], column] = service.max_time_to_first_token_s - offers.pass_s[good]
        moved[key[good], column] = np.where(offers.pass_s[good] > 0.0, 0.0, offers.transfer_s[good])


def _pareto(criteria: Array) -> Rows:
    """Rows that no other row matches or beats in every column; one of equal rows."""
    left, kept = np.lexsort(-criteria.T[::-1]), []
    while len(left):
        kept.append(left[0])
        left = left[~(criteria[left] <= criteria[left[0]]).all(axis=1)]
    return np.array(kept, dtype=np.intp)


def _point_kind(menu: Menu, index: int, rows: Sequence[OperatingPoint], pool: int, service: Service) -> Kind | None:
    """The kind that some operating points describe, as far as they are within the service; ``None`` if none is."""
    labels = [each.label for each in menu.classes]
    served = [0.0] * len(labels)
    good: list[OperatingPoint] = []
    for point in rows:
        column = 0 if point.request_class is None else labels.index(point.request_class)
        slow = point.speed_tokens_per_s is not None and 1.0 / point.speed_tokens_per_s > service.max_latency_s
        late = (point.time_to_first_token_s or 0.0) > service.max_time_to_first_token_s
        if not late and (not slow or point.phase == "prefill"):
            tokens = point.throughput_tokens_per_s
            per_request = menu.classes[column].output_tokens
            served[column] = (point.throughput_requests_per_s or 0.0) if tokens is None else tokens / per_request
            good.append(point)
    if not any(served):
        return None
    nothing = (0.0,) * len(labels)
    return Kind(
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


def _without_idle_pairing(kinds: Sequence[Kind]) -> list[Kind]:
    """Forget transfers where every pair is in time, so that they keep no kind alive."""
    if conflicts(kinds):
        return list(kinds)
    nothing = (0.0,) * len(kinds[0].requests_per_s) if kinds else ()
    return [replace(kind, room_s=nothing, transfer_s=nothing) for kind in kinds]


def _undominated(kinds: Sequence[Kind], menu: Menu, pools: Sequence[ResolvedPool]) -> list[Kind]:
    """Drop kinds that fewer or equally many GPUs of another kind of their pool and phase can replace.

    A kind replaces another one if copies of it always fit where one of the other was and serve as much. One kind of
    requests is never served beyond its demand; in a mix, capacity beyond the demand of a class is left for others.
    """
    most = menu.demand() if len(menu.classes) == 1 else (np.inf,) * len(menu.classes)
    lone = menu.workload.workload.max_instances is not None
    kept: list[Kind] = []
    for kind in sorted(kinds, key=lambda each: (each.gpus, *(-served for served in each.requests_per_s))):
        if not any(_replaces(one, kind, most, pools[kind.pool].node_size, lone=lone) for one in kept):
            kept.append(kind)
    return kept


def _replaces(one: Kind, other: Kind, most: Sequence[float], node_size: int, *, lone: bool) -> bool:
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
