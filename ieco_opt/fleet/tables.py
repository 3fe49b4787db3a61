"""Tables of what a workload can run on: asked for one by one, priced, and those that were priced already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.building import FamilyRequest, build_families, distinct_in_time
from ieco_opt.design_space.families import DecodeContext, Family
from ieco_opt.design_space.from_scenario import degree_choices, server_memory, speculation_of
from ieco_opt.fleet.columns import SetupTable, phases_of
from ieco_opt.fleet.instances import PhaseSetups, decoding_setups, prefill_setups
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.servers import EngineChoices
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import RequestClass, ResolvedPool, ResolvedWorkload
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
    """

    workload: ResolvedWorkload
    pools: tuple[int, ...]
    accelerator: Accelerator
    precision: tuple[int, Precision]
    phase: Phase
    asked: tuple[FamilyRequest, ...]

    def key(self) -> Hashable:
        """All that decides the prices and has a hash, which precisions and the rules of servers have not.

        The least speed, the demand and the length of the first token's wait change no price.
        """
        classes = self.workload.workload.classes
        decoding = self.phase is not Phase.PREFILL
        lengths = tuple((each.prompt_tokens, each.output_tokens) for each in classes) if decoding else None
        return (
            self.pools,
            self.accelerator,
            self.phase,
            lengths,
            self.phase is Phase.COLOCATED and self.limited,
            self.workload.design_space.batches,
            self.workload.model_error,
        )

    @property
    def limited(self) -> bool:
        """Whether the time to the first token has a limit."""
        return self.workload.workload.max_time_to_first_token_s is not None


def table_requests(workload: ResolvedWorkload, pools: Sequence[ResolvedPool]) -> Iterator[TableRequest]:
    """Tables of one workload: for every accelerator, precision and phase."""
    if workload.model is None:
        return
    for accelerator, alike in _pools_of_hardware(workload, pools).items():
        for precision in enumerate(workload.precisions):
            for phase in phases_of(workload.workload.serving):
                asked = tuple(_family_request(workload, each, phase) for each in workload.workload.classes)
                yield TableRequest(workload, alike, accelerator, precision, phase, asked)


@dataclass(frozen=True, slots=True)
class KnownTables:
    """What was priced already: workloads that ask the same of an accelerator share it."""

    _found: dict[Hashable, list[tuple[TableRequest, Priced]]] = field(default_factory=dict)

    def find(self, request: TableRequest) -> Priced | None:
        """What was priced for the same; ``None`` where nothing was."""
        for other, priced in self._found.get(request.key(), ()):
            if (other.precision, other.asked) == (request.precision, request.asked):
                return priced
        return None

    def keep(self, request: TableRequest, priced: Priced) -> None:
        """Remember what was priced."""
        self._found.setdefault(request.key(), []).append((request, priced))

    def priced(self, request: TableRequest, ask: Ask = go_on) -> Priced:
        """What is known, or priced now."""
        found = self.find(request)
        if found is None:
            found = price(request, ask)
            self.keep(request, found)
        return found


def price(request: TableRequest, ask: Ask = go_on) -> Priced:
    """A table for each server: what it runs for every class of requests.

    Where a cache moves between instances, which server it is matters, so each has all of its setups; elsewhere setups
    that several servers run alike are those of one.
    """
    workload, phase, precision = request.workload, request.phase, request.precision
    reasons: Counter[str] = Counter()
    offered: list[list[Family]] = []
    for each in request.asked:
        ask()
        families, rejected = build_families(each, (0, request.accelerator), precision)
        offered.append(families)
        reasons.update(rejected)
    chosen = distinct_in_time(offered, limited=request.limited) if phase is Phase.COLOCATED else offered
    tables = []
    for server in range(len(offered[0])):
        setups: list[PhaseSetups] = []
        for request_class, families in zip(workload.workload.classes, chosen, strict=True):
            ask()
            if phase is Phase.PREFILL:
                setups.append(prefill_setups(families[server]))
            else:
                output, batches = float(request_class.output_tokens), workload.design_space.batches
                setups.append(decoding_setups(families[server], phase, output, batches, ask))
        numbered = _numbered(request.pools, phase, precision[1], setups, offered)
        tables.append(replace(numbered, margin=margin_of(workload.model_error, request.accelerator)))
    return tables, reasons


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
    _, number = np.unique(np.vstack(keys), axis=0, return_inverse=True)
    number = number.reshape(-1)
    parts = np.split(number, np.cumsum([len(key) for key in keys])[:-1])
    count = int(number.max()) + 1 if len(number) else 0
    families = tuple(map(tuple, offered))
    return SetupTable(alike, phase, precision, setups[0].family.engine, tuple(setups), tuple(parts), count, families)


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
