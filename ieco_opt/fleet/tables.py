"""Tables of what a workload can run on: asked for one by one, priced, and those that were priced already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator
from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.building import FamilyRequest, build_alike, distinct_in_time
from ieco_opt.design_space.families import DecodeContext, Family
from ieco_opt.design_space.from_scenario import degree_choices, server_memory, speculation_of
from ieco_opt.design_space.setups import Integers
from ieco_opt.fleet.columns import SetupTable, Shelves, phases_of
from ieco_opt.fleet.instances import PhaseSetups
from ieco_opt.fleet.phase_setups import decoding_setups, prefill_setups
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.servers import EngineChoices
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import RequestClass, ResolvedFleet, ResolvedPool, ResolvedWorkload
from ieco_opt.scenario.margin import margin_of

Priced = tuple[Sequence[SetupTable], Counter[str]]
"""A table for each server, and how many setups are none by reason."""


@dataclass(frozen=True, slots=True)
class TableRequest:
    """What tables are priced for.

    Attributes
    ----------
    pools
        Those of the accelerator, by position.
    precision
        With its position in the workload.
    asked
        What is asked for each class of requests.
    lengths
        Tokens of the prompt and the answer of each class; none where the prompt alone matters, which is in ``asked``.
    """

    workload: ResolvedWorkload
    pools: tuple[int, ...]
    accelerator: Accelerator
    precision: tuple[int, Precision]
    phase: Phase
    asked: tuple[FamilyRequest, ...]
    lengths: tuple[tuple[int, int], ...]

    def key(self) -> Hashable:
        """All but lengths that decides the prices and has a hash, which precisions and rules of servers have not.

        The least speed, the demand and the length of the first token's wait change no price.
        """
        return (
            self.asked[0].model.name,
            self.pools,
            self.accelerator,
            self.phase,
            self.phase is Phase.COLOCATED and self.limited,
            self.workload.design_space.batches,
            self.workload.model_error,
        )

    def differs_in_lengths(self, other: TableRequest) -> bool:
        """Whether it differs from one with the same key in nothing else."""
        if self.precision != other.precision or len(self.asked) != len(other.asked):
            return False
        return all(replace(one, context=two.context) == two for one, two in zip(self.asked, other.asked, strict=True))

    @property
    def limited(self) -> bool:
        """Whether the time to the first token has a limit."""
        return self.workload.workload.max_time_to_first_token_s is not None


def table_requests(workload: ResolvedWorkload, pools: Sequence[ResolvedPool]) -> Iterator[TableRequest]:
    """Tables of one workload: for every accelerator, precision and phase."""
    if workload.model is None:
        return
    classes, phases = workload.workload.classes, phases_of(workload.workload.serving)
    asked = {phase: tuple(_family_request(workload, each, phase) for each in classes) for phase in phases}
    lengths = tuple((each.prompt_tokens, each.output_tokens) for each in classes)
    for accelerator, alike in _pools_of_hardware(workload, pools).items():
        for precision in enumerate(workload.precisions):
            for phase, of_phase in asked.items():
                decoded = () if phase is Phase.PREFILL else lengths
                yield TableRequest(workload, alike, accelerator, precision, phase, of_phase, decoded)


@dataclass(frozen=True, slots=True)
class KnownTables:
    """What was priced already: workloads that ask the same of an accelerator share it."""

    shelves: Shelves = field(default_factory=Shelves)
    _found: dict[Hashable, list[tuple[TableRequest, Priced]]] = field(default_factory=dict)

    def find(self, request: TableRequest) -> Priced | None:
        """What was priced for the same; ``None`` where nothing was."""
        for other, priced in self._found.get((request.key(), request.lengths), ()):
            if (other.precision, other.asked) == (request.precision, request.asked):
                return priced
        return None

    def keep(self, request: TableRequest, priced: Priced) -> None:
        """Remember what was priced."""
        self._found.setdefault((request.key(), request.lengths), []).append((request, priced))

    def priced(self, request: TableRequest, ask: Ask = go_on) -> Priced:
        """What is known, or priced now."""
        found = self.find(request)
        if found is None:
            (found,) = price([request], ask)
            self.keep(request, found)
        return found


def alike(requests: Iterable[TableRequest]) -> list[list[TableRequest]]:
    """Requests that differ, those that differ in lengths alone together."""
    known = KnownTables()
    groups: dict[Hashable, list[list[TableRequest]]] = {}
    for request in requests:
        if known.find(request) is not None:
            continue
        known.keep(request, ((), Counter()))
        near = groups.setdefault(request.key(), [])
        group = next((each for each in near if request.differs_in_lengths(each[0])), None)
        if group is None:
            near.append([request])
        else:
            group.append(request)
    return [group for near in groups.values() for group in near]


def price_tables(resolved: ResolvedFleet, known: Container[int], ask: Ask = go_on) -> KnownTables:
    """Tables of all workloads of a fleet but those that are ``known``, by position."""
    tables, workloads = KnownTables(), resolved.workloads
    unknown = {id(workload): at for at, workload in enumerate(workloads) if at not in known}
    requests = (each for at in unknown.values() for each in table_requests(workloads[at], resolved.pools))
    for group in alike(requests):
        ask(f"pricing: workload {unknown[id(group[0].workload)] + 1} of {len(workloads)}")
        for request, priced in zip(group, price(group, ask), strict=True):
            tables.keep(request, priced)
    return tables


def price(requests: Sequence[TableRequest], ask: Ask = go_on) -> list[Priced]:
    """Tables for each request, which differ in lengths alone: one for each server, of all classes of requests.

    Where a cache moves between instances, which server it is matters, so each has all of its setups; elsewhere setups
    that several servers run alike are those of one.
    """
    first = requests[0]
    phase, precision, workload = first.phase, first.precision, first.workload
    reasons: list[Counter[str]] = [Counter() for _ in requests]
    offered: list[list[list[Family]]] = [[] for _ in requests]
    for asked in zip(*(request.asked for request in requests), strict=True):
        ask()
        for at, (families, rejected) in enumerate(build_alike(asked, (0, first.accelerator), precision)):
            offered[at].append(families)
            reasons[at].update(rejected)
    chosen = offered
    if phase is Phase.COLOCATED:
        chosen = [distinct_in_time(families, limited=first.limited) for families in offered]
    margin = margin_of(workload.model_error, first.accelerator)
    tables: list[list[SetupTable]] = [[] for _ in requests]
    of_classes = [_priced(requests, [families[at] for families in chosen], at, ask) for at in range(len(first.asked))]
    for at, of_servers in enumerate(zip(*of_classes, strict=True)):
        for setups in zip(*of_servers, strict=True):
            numbered = _numbered(first.pools, phase, precision[1], setups, offered[at])
            tables[at].append(replace(numbered, margin=margin))
    return list(zip(tables, reasons, strict=True))


def _priced(
    requests: Sequence[TableRequest], offered: Sequence[Sequence[Family]], class_index: int, ask: Ask
) -> list[Sequence[PhaseSetups]]:
    """Setups for one class of each request, of every server, as its families are ``offered``."""
    ask()
    first, servers = requests[0], len(offered[0])
    families = [family for of_servers in offered for family in of_servers]
    setups: Sequence[PhaseSetups]
    if first.phase is Phase.PREFILL:
        setups = prefill_setups(families)
    else:
        output = [request.lengths[class_index][1] for request in requests for _ in range(servers)]
        setups = decoding_setups(families, first.phase, output, first.workload.design_space.batches, ask)
    return [setups[at : at + servers] for at in range(0, len(setups), servers)]


def keeping_setups(table: SetupTable, kept: Callable[[Degrees], NDArray[np.bool_]]) -> SetupTable:
    """A table with some of its setups alone; ``kept`` says which, shape (setups,)."""
    setups = [each.take(np.flatnonzero(kept(each.degrees))) for each in table.setups]
    fewer = _numbered(table.pools, table.phase, table.precision, setups, table.offered)
    return replace(fewer, margin=table.margin)


def _pools_of_hardware(workload: ResolvedWorkload, pools: Sequence[ResolvedPool]) -> dict[Accelerator, tuple[int, ...]]:
    """Pools of each accelerator that a workload may use; no setup depends on the price and power of a pool."""
    found: dict[Accelerator, tuple[int, ...]] = {}
    for at in workload.pools:
        hardware = pools[at].hardware
        found[hardware] = (*found.get(hardware, ()), at)
    return found


def _numbered(
    alike: tuple[int, ...],
    phase: Phase,
    precision: Precision,
    setups: Sequence[PhaseSetups],
    offered: Sequence[Sequence[Family]],
) -> SetupTable:
    """A table in which setups alike in every class have one number."""
    keys = [each.keys() for each in setups]
    number = _numbers(np.vstack(keys))
    parts = np.split(number, np.cumsum([len(key) for key in keys])[:-1])
    count = int(number.max()) + 1 if len(number) else 0
    families = tuple(map(tuple, offered))
    return SetupTable(alike, phase, precision, setups[0].family.engine, tuple(setups), tuple(parts), count, families)


def _numbers(keys: Integers) -> Rows:
    """Number of each row among the different ones in their order; as ``numpy.unique`` does it for rows as bytes."""
    order = np.lexsort(keys.T[::-1])
    rows = keys[order]
    number = np.zeros(len(keys), dtype=np.intp)
    number[order[1:]] = np.cumsum((rows[1:] != rows[:-1]).any(axis=1))
    return number


def _family_request(workload: ResolvedWorkload, request_class: RequestClass, phase: Phase) -> FamilyRequest:
    """The setups of one class in one phase (docs/fleet.md, table of phases)."""
    assert workload.model is not None
    listed, prompt, output = workload.design_space, request_class.prompt_tokens, request_class.output_tokens
    found, memory = workload.workload.prefix_hit * prompt, server_memory(workload.workload)
    choices = degree_choices(listed)
    engines = EngineChoices(
        workload.engines,
        workload.workload.model,
        workload.workload.engine_factors,
        phase=phase,
    )
    if phase is Phase.PREFILL:
        return FamilyRequest(
            model=workload.model,
            choices=replace(choices, attention_data_parallel=tuple({1} & set(listed.attention_data_parallel))),
            batch_min=1,
            batch_max=max(listed.pipeline_parallel),
            context=DecodeContext(0.0, float(prompt), float(prompt), found),
            memory=memory,
            speculation=None,
            engines=engines,
        )
    return FamilyRequest(
        model=workload.model,
        choices=choices,
        batch_min=listed.batch_min,
        batch_max=listed.batch_max,
        context=DecodeContext.of_requests(
            prompt, output, workload.workload.prefix_hit, colocated=phase is Phase.COLOCATED
        ),
        memory=memory,
        speculation=speculation_of(workload.workload.speculation, workload.draft),
        engines=engines,
        batches=listed.batches,
    )
