"""Pricing what a fleet can run on by the workers of an executor: other cores, or other machines."""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

from ieco_opt.design_space.asking import Ask
from ieco_opt.fleet.columns import Candidates, SetupTable
from ieco_opt.fleet.pricing import build_candidates, columns_of_tables
from ieco_opt.fleet.tables import KnownTables, Priced, TableRequest, alike, price, table_requests
from ieco_opt.scenario import ResolvedFleet, ResolvedWorkload

_LOOK_S = 0.5
"""Seconds after which it is looked whether the search shall end, even if nothing is priced."""

_AT_ONCE = 16
"""Workloads of a model in one piece: priced together they take far less, and there must be pieces for all workers."""


@dataclass(frozen=True, slots=True)
class OnWorkers:
    """Has tables priced by an executor, which is not shut down: what workloads can run on, by position.

    A piece of work is some workloads of one model on one accelerator. What a lost worker does not price is priced here,
    so that nothing is lost with it; an error of pricing itself is raised here.
    """

    executor: Executor

    def __call__(self, resolved: ResolvedFleet, ask: Ask) -> dict[int, Candidates]:
        """Price every workload of a fleet; tables that several have in common once."""
        known = KnownTables()
        frugal = resolved.energy_matters()
        pieces = _pieces(resolved)
        flying = deque(self._submitted(piece, frugal) for piece in pieces)
        try:
            for number, piece in enumerate(pieces, 1):
                ask(f"pricing: {number} of {len(pieces)} models on an accelerator")
                for request, priced in zip(piece, _awaited(flying[0], piece, frugal, ask), strict=True):
                    known.keep(request, priced)
                flying.popleft()
        finally:
            for future in flying:
                if future is not None:
                    future.cancel()
        return {
            at: build_candidates(workload, resolved.pools, ask, known) for at, workload in enumerate(resolved.workloads)
        }

    def _submitted(self, piece: Sequence[TableRequest], frugal: bool) -> Future[bytes] | None:
        """A piece in the hands of the executor; ``None`` where it takes no more."""
        try:
            # As bytes: Dask looks through all that arguments hold, which takes ten times as long as to price it.
            return self.executor.submit(price_pickled, pickle.dumps((piece, frugal), 5))
        except RuntimeError:
            return None


def price_pickled(pickled: bytes) -> bytes:
    """Price a piece that comes in bytes, in a worker, which says in bytes what it found."""
    return pickle.dumps(price_piece(*pickle.loads(pickled)), 5)  # noqa: S301 - by the process that started the worker


def price_piece(piece: Sequence[TableRequest], frugal: bool) -> list[Priced]:
    """Price tables, and read off the columns of the services of their workloads, which stay with them."""
    known = KnownTables()
    for group in alike(piece):
        for request, priced in zip(group, price(group), strict=True):
            known.keep(request, priced)
    found = [known.priced(request) for request in piece]
    of_workload: dict[int, tuple[ResolvedWorkload, list[SetupTable]]] = {}
    for request, (tables, _) in zip(piece, found, strict=True):
        of_workload.setdefault(id(request.workload), (request.workload, []))[1].extend(tables)
    for workload, tables in of_workload.values():
        candidate = Candidates(workload, tuple(tables), (), {})
        columns_of_tables(candidate, 0, range(len(tables)), 1.0, frugal=frugal)
    return found


def _pieces(resolved: ResolvedFleet) -> list[list[TableRequest]]:
    """Requests that are not the same as others, by accelerator, model, and so many workloads."""
    distinct = KnownTables()
    pieces: dict[Hashable, list[TableRequest]] = {}
    asking: dict[str, dict[int, int]] = {}
    for at, workload in enumerate(resolved.workloads):
        for request in table_requests(workload, resolved.pools):
            if distinct.find(request) is None:
                distinct.keep(request, ((), Counter()))
                model = request.asked[0].model.name
                number = asking.setdefault(model, {}).setdefault(at, len(asking[model]))
                pieces.setdefault((model, number // _AT_ONCE, request.pools), []).append(request)
    return list(pieces.values())


def _awaited(future: Future[bytes] | None, piece: Sequence[TableRequest], frugal: bool, ask: Ask) -> list[Priced]:
    """What a piece was priced at; priced here where its worker was lost."""
    if future is not None:
        # A future that is cancelled is done, which `wait` is told only when a worker would have begun it.
        while not future.done():
            wait([future], timeout=_LOOK_S)
            ask()
        if not future.cancelled() and future.exception() is None:
            found: list[Priced] = pickle.loads(future.result())  # noqa: S301 - by a worker of this process
            return found
    return price_piece(piece, frugal)
