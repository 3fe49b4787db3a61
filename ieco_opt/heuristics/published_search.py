"""The grid search of arXiv 2506.04645: real-valued GPU counts and batches, the best setup of each pair.

Nothing here is rounded or proven; ``paper_grid`` and ``rounded_grid`` make proposals of what it finds. As in the paper
the search knows the ranks T of a stage and the scale-down sigma of its attention; ``Degrees`` tells TP = T / sigma.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.families import DecodeContext
from ieco_opt.heuristics.interface import without
from ieco_opt.performance import rules
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.economics import cost_usd_per_mtok
from ieco_opt.performance.energy import usd_rates
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.speculation import NO_YIELD, Yield
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import Traffic
from ieco_opt.solvers.run import Stopped

RESOLUTION = 400
"""GPU counts and batches of the published grid."""

_STAGES = 10
_SCALE_DOWNS = 6
_CAPS = 1000
_SLOWEST = 100.0
LARGEST = 2.0**18
"""GPUs of the published grid at their most, and sequences too (times the sparsity of the model)."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search: one model on one kind of accelerator.

    ``context`` says what is in the cache, and which prompts share the passes of the model (a draft is priced without
    them: what is proposed is priced anew); ``resident_tokens`` of each sequence fill memory,
    of which a GPU has ``usable_bytes``. The memory check is an average over all GPUs: of the cache of one micro-batch,
    as published, or of all sequences in flight where ``whole_batch_resident``.
    With ``draft``, where there is one, a pass verifies one of the numbers of ``tokens``, one of which is the model's
    own where it ``verifies_own_token``: the draft is charged a pass less. ``batches`` are the least and the greatest of
    the grid; by default those published. Busy times are looked at only where it ``counts_energy``.
    """

    model: Architecture
    accelerator: Accelerator
    context: DecodeContext
    resident_tokens: float
    usable_bytes: float
    whole_batch_resident: bool = False
    max_throughput: float = np.inf
    draft: Architecture | None = None
    tokens: Yield = NO_YIELD
    verifies_own_token: bool = False
    most_gpus: float = LARGEST
    batches: tuple[float, float] | None = None
    layouts: tuple[str, ...] = ("1d", "2d")
    resolution: int = RESOLUTION
    counts_energy: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Points of the searched frontier, fastest first; every array has shape (points,).

    ``draft_degrees`` are NaN without speculation. ``evaluations`` counts pass times that were computed. ``finished`` is
    false where the search had to end before it had looked everywhere.
    """

    degrees: Degrees
    batch: Array
    draft_tokens: NDArray[np.int64]
    draft_degrees: Degrees
    latency_s: Array
    busy_s: Array
    cost_usd_per_mtok: Array
    evaluations: int
    finished: bool


Searches = dict[SearchRequest, SearchResult]
"""Searches that looked everywhere, with what they found."""


@dataclass(slots=True)
class _Best:
    """The fastest setup found of each pair of GPU count and batch, shape (counts, batches); inf where none fits.

    ``busy_s`` is 0 unless the request counts energy.
    """

    latency_s: Array
    busy_s: Array
    stages: Array
    scale_down: Array
    two_dimensional: NDArray[np.bool_]
    evaluations: int = 0
    finished: bool = True


def search(request: SearchRequest, ask: Ask = go_on) -> SearchResult:
    """Search the grid and take the least cost under each latency cap, of what was looked at until it had to end."""
    gpus, batch = _grid(request)
    everywhere = np.ones((len(gpus), len(batch)), dtype=bool)
    passes = {0: _fastest_setups(request, request.model, 1, gpus, batch, everywhere, ask)}
    latency, busy = passes[0].latency_s, passes[0].busy_s
    draft_tokens = np.zeros(latency.shape, dtype=np.int64)
    draft = None
    if request.draft is not None:
        draft = _fastest_setups(request, request.draft, 1, gpus, batch, everywhere, ask)
        verifying = request.model.fusing(request.draft)
        for count in request.tokens.widths:
            factor = request.tokens.passes_per_token(count)
            proposals = count - request.verifies_own_token
            draft_s = proposals * draft.latency_s
            # Verifying several tokens takes no less than decoding one.
            least = factor * (passes[0].latency_s + draft_s)
            wanted = _may_be_chosen(request, gpus, batch, latency, busy, least)
            passes[count] = _fastest_setups(request, verifying, count, gpus, batch, wanted, ask)
            speculative = factor * (passes[count].latency_s + draft_s)
            better = speculative < latency
            latency = np.where(better, speculative, latency)
            busy = np.where(better, factor * (passes[count].busy_s + proposals * draft.busy_s), busy)
            draft_tokens[better] = count
    cost = _cost(request, gpus, batch, latency, busy)
    row, column = np.unravel_index(_under_caps(request, latency, cost, batch), latency.shape)
    used = draft_tokens[row, column]
    searches = [*passes.values(), *([draft] if draft else [])]
    setups = _pick(passes, used, row, column)
    drafts = setups if draft is None else _pick({0: draft}, np.zeros_like(used), row, column)
    return SearchResult(
        degrees=_degrees(request.model, gpus[row], batch[column], setups),
        batch=batch[column],
        draft_tokens=used,
        draft_degrees=without(_degrees(request.draft or request.model, gpus[row], batch[column], drafts), used == 0),
        latency_s=latency[row, column],
        busy_s=busy[row, column],
        cost_usd_per_mtok=cost[row, column],
        evaluations=sum(best.evaluations for best in searches),
        finished=all(best.finished for best in searches),
    )


def _cost(request: SearchRequest, gpus: Array, batch: Array, latency: Array, busy: Array) -> Array:
    rate, busy_rate = (each[:, None] for each in usd_rates(request.accelerator, request.model.fidelity, gpus))
    cost = cost_usd_per_mtok(rate, latency, batch)
    return cost + cost_usd_per_mtok(busy_rate, busy, batch) if request.counts_energy else cost


def _may_be_chosen(
    request: SearchRequest, gpus: Array, batch: Array, latency: Array, busy: Array, least: Array
) -> NDArray[np.bool_]:
    """Pairs that could still be a least cost under some cap if they were as fast as ``least``.

    Under a demand cap being slower may be what admits a pair, so that there a bound excludes nothing.
    """
    wanted = np.isfinite(least) & (least < latency)
    if np.isfinite(request.max_throughput):
        return wanted
    cost = _cost(request, gpus, batch, latency, busy).ravel()
    bound = _cost(request, gpus, batch, least, np.zeros_like(least))
    order = np.argsort(latency, axis=None)
    seconds, cheapest = latency.ravel()[order], np.minimum.accumulate(cost[order])
    faster = np.searchsorted(seconds, least, side="right") - 1
    dominated = (faster >= 0) & (cheapest[np.maximum(faster, 0)] <= bound)
    may_be: NDArray[np.bool_] = wanted & ~dominated & (least <= _SLOWEST * seconds[0])
    return may_be


def _grid(request: SearchRequest) -> tuple[Array, Array]:
    """GPU counts from what holds the weights up, and batches from one up, log-spaced."""
    shape = request.model
    least = shape.weights_bytes() / request.usable_bytes
    batches = (1.0, LARGEST * _sparsity(shape)) if request.batches is None else request.batches
    # A model too large for the most GPUs leaves a grid on which nothing fits.
    return (
        np.geomspace(min(least, request.most_gpus), request.most_gpus, request.resolution),
        np.geomspace(*batches, request.resolution),
    )


def _sparsity(shape: Architecture) -> float:
    return max(block.sparsity for block in shape.blocks)


def _fastest_setups(
    request: SearchRequest,
    model: Architecture,
    tokens: int,
    gpus: Array,
    batch: Array,
    wanted: NDArray[np.bool_],
    ask: Ask,
) -> _Best:
    """Fastest of both layouts, all pipeline depths and all scale-downs, for each pair that is ``wanted``."""
    best = _Best(
        latency_s=np.full(wanted.shape, np.inf),
        busy_s=np.zeros(wanted.shape),
        stages=np.ones(wanted.shape),
        scale_down=np.ones(wanted.shape),
        two_dimensional=np.zeros(wanted.shape, dtype=bool),
    )
    try:
        for columns in _columns_by_stages(model, batch):
            counts = np.flatnonzero(wanted[:, columns].any(axis=1))
            depths = np.unique(np.geomspace(1.0, min(float(batch[columns[0]]), model.layers), _STAGES))
            for layout in request.layouts if len(counts) else ():
                slab = _Slab(request, model, tokens, gpus[counts], depths, layout)
                for column in columns:
                    ask()
                    _keep_faster(best, slab, column, float(batch[column]), counts, wanted)
    except Stopped:
        best.finished = False
    return best


def _keep_faster(
    best: _Best, slab: _Slab, column: int, batch: float, counts: NDArray[np.intp], wanted: NDArray[np.bool_]
) -> None:
    """Keep the setups of a slab that are faster at one batch than all before."""
    rows = np.flatnonzero(wanted[counts, column])
    found, setup, evaluations = slab.fastest(batch, rows)
    best.evaluations += evaluations
    faster = np.flatnonzero(found < best.latency_s[counts[rows], column])
    place = (counts[rows[faster]], column)
    best.latency_s[place] = found[faster]
    if slab.request.counts_energy:
        best.busy_s[place] = slab.busy_s(batch, setup[faster])
    best.two_dimensional[place] = slab.layout[0]
    best.stages[place] = slab.stages[setup[faster]]
    best.scale_down[place] = slab.scale_down[setup[faster]]


def _columns_by_stages(shape: Architecture, batch: Array) -> Iterator[NDArray[np.intp]]:
    """Batches that try the same pipeline depths, and so share coefficients: all of at least as many as layers."""
    for column in np.flatnonzero(batch < shape.layers):
        yield np.array([column])
    full = np.flatnonzero(batch >= shape.layers)
    if len(full):
        yield full


class _Slab:
    """Every GPU count, depth and scale-down in one layout: coefficients once, then any batch."""

    def __init__(
        self,
        request: SearchRequest,
        model: Architecture,
        tokens: int,
        gpus: Array,
        stages: Array,
        layout: str,
    ) -> None:
        self.request, self.model, self.tokens = request, model, tokens
        self.setups_per_count = len(stages) * _SCALE_DOWNS
        shares = np.linspace(0.0, 1.0, _SCALE_DOWNS)
        self.gpus, self.stages, share = (grid.ravel() for grid in np.meshgrid(gpus, stages, shares, indexing="ij"))
        self.stage_ranks = self.gpus / self.stages
        self.scale_down = np.maximum(self.stage_ranks, 1.0) ** share
        self.layout = np.full(len(self.gpus), layout == "2d")
        self.free = self.gpus * request.usable_bytes - model.weights_bytes()
        self.priced: dict[bool, PassTime] = {}

    def fastest(self, batch: float, counts: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp], int]:
        """Least latency of some GPU counts at one batch (inf where nothing fits), the row it has, and evaluations."""
        rows = (counts[:, None] * self.setups_per_count + np.arange(self.setups_per_count)).ravel()
        rows = rows[self._fits(batch, rows)]
        latency = np.full(len(self.gpus), np.inf)
        starving = batch / self.stages[rows] < 2.0 * _sparsity(self.model)
        for narrow, some in ((True, rows[starving]), (False, rows[~starving])):
            if len(some):
                part = self._pass(narrow=narrow).take(some)
                latency[some] = part.latency_s(np.full(len(some), batch))
        by_count = latency.reshape(-1, self.setups_per_count)[counts]
        best = counts * self.setups_per_count + by_count.argmin(axis=1)
        return latency[best], best, len(rows)

    def busy_s(self, batch: float, rows: NDArray[np.intp]) -> Array:
        """Seconds of a pass in which memory or arithmetic work, of some rows at one batch."""
        busy = np.zeros(len(rows))
        starving = batch / self.stages[rows] < 2.0 * _sparsity(self.model)
        for narrow, some in ((True, np.flatnonzero(starving)), (False, np.flatnonzero(~starving))):
            if len(some):
                busy[some] = self._pass(narrow=narrow).take(rows[some]).busy_s(np.full(len(some), batch))
        return busy

    def _fits(self, batch: float, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        stages = self.stages[rows]
        held = batch if self.request.whole_batch_resident else batch / stages
        needed = self.model.resident_bytes(self.request.resident_tokens) * held
        fits: NDArray[np.bool_] = (needed <= self.free[rows]) & (stages <= np.minimum(self.gpus[rows], batch))
        return fits

    def _traffic(self) -> Traffic:
        request = self.request
        if self.model is request.draft:
            return request.context.traffic(float(self.tokens), 0.0)
        per_token = request.tokens.passes_per_token(self.tokens if self.tokens > 1 else 0)
        return request.context.traffic(float(self.tokens), request.context.prompts_per_token / per_token)

    def _pass(self, *, narrow: bool) -> PassTime:
        """Pass times with experts apart, or (``narrow``) every expert over all ranks."""
        if narrow not in self.priced:
            experts = self.model.experts
            expert_parallel = np.minimum(self.stage_ranks, 1.0 if narrow else experts)
            self.priced[narrow] = pass_time(
                self.model,
                self.request.accelerator,
                Degrees.plain(
                    self.stage_ranks,
                    self.stages,
                    expert_parallel,
                    self.scale_down,
                    self.layout,
                    np.zeros_like(self.stages),
                ),
                self._traffic(),
            )
        return self.priced[narrow]


def _pick(
    passes: Mapping[int, _Best], used: NDArray[np.int64], row: NDArray[np.intp], column: NDArray[np.intp]
) -> _Best:
    """Setups of some pairs, each from the pass over as many tokens as are ``used`` there."""
    chosen = next(iter(passes.values()))
    columns = {
        name: getattr(chosen, name)[row, column]
        for name in ("latency_s", "busy_s", "stages", "scale_down", "two_dimensional")
    }
    for tokens, best in passes.items():
        here = used == tokens
        for name, values in columns.items():
            values[here] = getattr(best, name)[row[here], column[here]]
    return _Best(**columns)


def _degrees(shape: Architecture, gpus: Array, batch: Array, setups: _Best) -> Degrees:
    stage_ranks = gpus / setups.stages
    expert_parallel = rules.paper_expert_parallel(shape, stage_ranks, batch / setups.stages)
    none = np.zeros_like(stage_ranks)
    return Degrees.plain(stage_ranks, setups.stages, expert_parallel, setups.scale_down, setups.two_dimensional, none)


def _under_caps(request: SearchRequest, latency: Array, cost: Array, batch: Array) -> NDArray[np.intp]:
    """Pairs of least cost under each cap on the latency, as flat positions, fastest first."""
    admitted = np.isfinite(latency) & (batch <= request.max_throughput * latency)
    pairs = np.flatnonzero(admitted.ravel())
    if not len(pairs):
        return pairs
    pairs = pairs[np.argsort(latency.ravel()[pairs], kind="stable")]
    seconds, dollars = latency.ravel()[pairs], cost.ravel()[pairs]
    caps = seconds[0] * np.geomspace(1.0, _SLOWEST, _CAPS)
    # Rounding must not lift the first cap below the least latency itself.
    within = np.maximum(np.searchsorted(seconds, caps, side="right"), 1)
    cheapest_so_far = np.minimum.accumulate(dollars)
    first_as_cheap = np.flatnonzero(np.concatenate([[True], dollars[1:] < cheapest_so_far[:-1]]))
    best = first_as_cheap[np.searchsorted(first_as_cheap, within - 1, side="right") - 1]
    chosen = pairs[np.unique(best)]
    _, once = np.unique(latency.ravel()[chosen], return_index=True)
    distinct: NDArray[np.intp] = chosen[once]
    return distinct
