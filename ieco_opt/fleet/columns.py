"""Columns of a fleet's program: one type of instance each, and the candidates of a workload that they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator
from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.setups import Integers
from ieco_opt.engines import Profile
from ieco_opt.fleet.instances import PhaseSetups, Service, stacked
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import OperatingPoint, RequestClass, ResolvedWorkload

MODES: dict[str, tuple[Phase, ...]] = {
    "colocated": (Phase.COLOCATED,),
    "disaggregated": (Phase.PREFILL, Phase.DECODE),
}
"""Phases that instances of each mode of serving have."""


def phases_of(serving: Iterable[str]) -> list[Phase]:
    """Phases that instances have in some modes of serving."""
    return [phase for mode in serving for phase in MODES[mode]]


_ROUNDED = 1.0 + 1e-12
"""A requirement can be the very figure of an instance, which then meets it whatever the last bits say."""


CacheForm = tuple[str | None, str, str]
"""Server, precision and place of a cache that moves from prefill to decode: both sides must have the same.

The place is what accelerators have in common that the server exchanges caches between; empty: all.
"""


def cache_form(engine: Profile | None, kv_cache: str, accelerator: Accelerator) -> CacheForm:
    """Which caches instances of a server on an accelerator send or receive."""
    return (None, kv_cache, "") if engine is None else (engine.name, kv_cache, engine.cache_transfer.place(accelerator))


@dataclass(frozen=True, slots=True)
class SetupTable:
    """Setups of one precision on one accelerator and server in one phase, priced for each request class in turn.

    ``pools`` are those of that accelerator, by position. ``engine`` is ``None`` for the equations alone. ``key``
    numbers the setups alike in every class: ``setups[c]`` row r has the number ``key[c][r]``. ``offered`` are, for each
    class, all setups of every server. Service and capacity hold with ``margin``, 1 + e of the accelerator.
    ``columns`` keeps those of every service that they were read off for, and ``started`` the servers that start setups
    with batches, by row and batch of each class.
    """

    pools: tuple[int, ...]
    phase: Phase
    precision: Precision
    engine: str | None
    setups: tuple[PhaseSetups, ...]
    key: tuple[Rows, ...]
    count: int
    offered: tuple[tuple[Family, ...], ...]
    margin: float = 1.0
    columns: dict[tuple[Service, bool], list[Column]] = field(default_factory=dict, compare=False, repr=False)
    started: dict[tuple[tuple[int, int], ...], tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def cache_form(self) -> CacheForm | None:
        """Which caches its instances send or receive; ``None`` where none moves."""
        if self.phase is Phase.COLOCATED:
            return None
        family = self.setups[0].family
        engine = None if family.server is None else family.server.profile
        return cache_form(engine, self.precision.kv_cache, family.accelerator)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Tables of one phase as one, to read off at once: on short arrays calls, not arithmetic, take the time.

    Attributes
    ----------
    setups
        For each class those of one table after those of another; the family is that of the first.
    row
        For each class the row of every setup in its own table.
    key
        As in the tables; numbers go on from one table to the next.
    table, gpus, size
        Table and GPUs of every number, and a number for both, rising.
    """

    tables: tuple[SetupTable, ...]
    setups: tuple[PhaseSetups, ...]
    row: tuple[Rows, ...]
    key: tuple[Rows, ...]
    table: Rows
    gpus: Integers
    size: Rows

    @classmethod
    def of(cls, tables: Sequence[SetupTable]) -> Shelf:
        """Some tables of one workload and phase."""
        counts = [table.count for table in tables]
        first = np.cumsum([0, *counts[:-1]])
        setups, row, key = [], [], []
        gpus = np.zeros(sum(counts), dtype=np.int64)
        for class_index in range(len(tables[0].setups)):
            keys = [table.key[class_index] for table in tables]
            setups.append(stacked([table.setups[class_index] for table in tables]))
            row.append(np.concatenate([np.arange(len(each)) for each in keys]))
            key.append(np.concatenate([each + begin for each, begin in zip(keys, first, strict=True)]))
            gpus[key[-1]] = setups[-1].degrees.gpus
        table = np.repeat(np.arange(len(tables)), counts)
        _, size = np.unique(table * (gpus.max(initial=0) + 1) + gpus, return_inverse=True)
        return cls(tuple(tables), tuple(setups), tuple(row), tuple(key), table, gpus, size)

    @property
    def count(self) -> int:
        """Setups of all tables, those alike in every class once."""
        return len(self.table)

    @property
    def phase(self) -> Phase:
        """That of the tables."""
        return self.tables[0].phase


@dataclass(frozen=True, slots=True)
class Shelves:
    """Shelves of the tables that were read off together so far; workloads that share tables share them."""

    _found: dict[tuple[int, ...], Shelf] = field(default_factory=dict)

    def of(self, tables: Sequence[SetupTable]) -> Shelf:
        """The shelf of some tables."""
        # Tables have no hash. In another process, where they have other numbers, what is found is not theirs.
        numbers = tuple(map(id, tables))
        found = self._found.get(numbers)
        if found is None or tuple(map(id, found.tables)) != numbers:
            found = self._found[numbers] = Shelf.of(tables)
        return found


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
    rejected: dict[str, dict[Phase, Counter[str]]]
    shelves: Shelves = field(default_factory=Shelves, compare=False, repr=False)

    @property
    def phases(self) -> list[Phase]:
        """Phases that instances may have."""
        return phases_of(self.workload.workload.serving)

    @property
    def classes(self) -> tuple[RequestClass, ...]:
        """Classes of requests."""
        return self.workload.workload.classes

    def demand(self) -> tuple[float, ...]:
        """Requests per second of each class that must be served, headroom included."""
        workload = self.workload.workload
        total = workload.demand * (1.0 + workload.headroom)
        shares = [each.share for each in self.classes]
        return tuple(total * share / sum(shares) for share in shares)

    def service(self, speed_factor: float = 1.0, margin: float = 1.0) -> Service:
        """What a request must see of instances whose times may be ``margin`` times what the model says."""
        workload = self.workload.workload
        slowest = np.inf if workload.min_speed is None else 1.0 / (workload.min_speed * speed_factor)
        first = workload.max_time_to_first_token_s
        return Service(slowest * _ROUNDED / margin, np.inf if first is None else first * _ROUNDED / margin)


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
        Capacity of one instance for each class of requests that holds with the error of the model.
    room_s
        Prefill: the longest transfer on the other side that keeps the first token in time, for each class, with the
        error of this side.
    transfer_s
        Decode: seconds to receive the cache of a prompt, for each class.
    batch
        Sequences in flight for each class; 0 where unknown or not served.
    cache_form
        Which caches it sends or receives; ``None``: none, or any.
    margin
        1 + e: the capacity that the model says, over ``requests_per_s``; 1 for operating points.
    busy_s
        Seconds of a request of each class in which memory or arithmetic work, at its batch; 0 where it is not served.
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
    cache_form: CacheForm | None = None
    margin: float = 1.0
    busy_s: tuple[float, ...] = ()

    def goes_with(self, other: Column) -> bool:
        """Whether caches can move between instances of two columns."""
        return self.cache_form is None or other.cache_form is None or self.cache_form == other.cache_form


def cache_forms(columns: Iterable[Column]) -> list[CacheForm]:
    """Forms of caches that some columns send or receive, in the order of the columns."""
    return list(dict.fromkeys(column.cache_form for column in columns if column.cache_form is not None))


def possible_modes(modes: Sequence[str], classes: int, columns: Sequence[Column]) -> tuple[str, ...]:
    """Modes in whose every phase some column of one workload, to which all columns belong, serves each class."""
    served = {
        (column.phase, each, column.cache_form)
        for column in columns
        for each, served in enumerate(column.requests_per_s)
        if served > 0.0
    }
    forms = [*cache_forms(columns), None]
    return tuple(
        mode
        for mode in modes
        if any(
            all({(phase, each, form), (phase, each, None)} & served for phase in MODES[mode] for each in range(classes))
            for form in forms
        )
    )


def any_conflict(columns: Sequence[Column]) -> bool:
    """Whether any prefill and decode column of one workload, to which all columns belong, are late together."""
    return any(
        max((transfer for served, transfer in received if served > 0.0), default=-np.inf)
        > min((room for served, room in sent if served > 0.0), default=np.inf)
        for received, sent in zip(
            _by_class(columns, Phase.DECODE, "transfer_s"), _by_class(columns, Phase.PREFILL, "room_s"), strict=True
        )
    )


def _by_class(columns: Sequence[Column], phase: Phase, name: str) -> list[list[tuple[float, float]]]:
    """For each class of requests what every column of a phase serves of it, beside its entry of another field."""
    mine = [column for column in columns if column.phase is phase]
    classes = len(columns[0].requests_per_s) if columns else 0
    return [[(column.requests_per_s[each], getattr(column, name)[each]) for column in mine] for each in range(classes)]


def conflicts(columns: Sequence[Column]) -> list[tuple[int, int]]:
    """Pairs of a prefill and a decode column of one workload that miss the time to first token together."""
    found: list[tuple[int, int]] = []
    sides: dict[int, tuple[list[int], list[int]]] = {}
    for at, column in enumerate(columns):
        if column.phase is not Phase.COLOCATED:
            sides.setdefault(column.workload, ([], []))[column.phase is Phase.DECODE].append(at)
    for prefill, decode in sides.values():
        if prefill and decode:
            found += _conflicts_of_workload(columns, prefill, decode)
    return sorted(found)


def _conflicts_of_workload(
    columns: Sequence[Column], prefill: Sequence[int], decode: Sequence[int]
) -> list[tuple[int, int]]:
    """The pairs of one workload, whose prefill and decode columns are given by position."""
    room, serves = (np.array([getattr(columns[at], name) for at in prefill]) for name in ("room_s", "requests_per_s"))
    moved, served = (
        np.array([getattr(columns[at], name) for at in decode]) for name in ("transfer_s", "requests_per_s")
    )
    both = (serves[:, None, :] > 0.0) & (served[None, :, :] > 0.0)
    late = (both & (moved[None, :, :] > room[:, None, :])).any(axis=2)
    pairs = [(prefill[one], decode[other]) for one, other in np.argwhere(late).tolist()]
    return [(one, other) for one, other in pairs if columns[one].goes_with(columns[other])]
