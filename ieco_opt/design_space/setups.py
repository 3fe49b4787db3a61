"""Every setup of a scenario for one accelerator and precision, with the batches it can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import takes_cache
from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance import memory, rules
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.reserve import ServerMemory
from ieco_opt.performance.rows import distinct, take_rows
from ieco_opt.performance.servers import Server

Integers = NDArray[np.int64]

NO_MEMORY = "no batch of the design space fits in memory"
"""Why most setups that are none are none."""

NOT_WHOLE = "no batch of the design space is a multiple of attention_data_parallel x pipeline_parallel"
"""Why setups are none whose groups would get unequal shares of every batch."""

NO_CACHE = "{} has no 8-bit arithmetic for a cache in fp8"
"""Why an accelerator has no setups with such a cache."""

# Past this every integer is not exactly a float64, and no deployment holds as many sequences.
_BATCH_CEILING = 2**52


@dataclass(frozen=True, slots=True)
class DegreeChoices:
    """The degrees a scenario lists, as sorted tuples.

    ``expert_parallel`` and ``redundant_experts`` are ``None`` for `auto`; ``tensor_parallel`` and ``stage_ranks`` are
    ``None`` where they restrict nothing, and at least one of them does.
    """

    tensor_parallel: tuple[int, ...] | None
    stage_ranks: tuple[int, ...] | None
    pipeline_parallel: tuple[int, ...]
    expert_parallel: tuple[int, ...] | None
    redundant_experts: tuple[int, ...] | None
    attention_data_parallel: tuple[int, ...]
    tensor_layout: tuple[str, ...]
    max_gpus: int


@dataclass(frozen=True, slots=True)
class Setups:
    """Setups that exist and hold at least one batch; every array has shape (setups,).

    ``batch_min`` and ``batch_max`` bound the batches that fit without a draft model beside; they and all between are
    multiples of ``batch_step``.
    ``free_bytes`` is what the server's reserve and the weights leave on the most loaded GPU, ``cache_bytes`` what one
    sequence takes there (``deployable``; both are zero in ``paper``, whose memory rule knows no draft).
    """

    degrees: Degrees
    batch_step: Integers
    batch_min: Integers
    batch_max: Integers
    free_bytes: Array
    cache_bytes: Array

    def __len__(self) -> int:
        return len(self.batch_min)

    @property
    def batches(self) -> tuple[Integers, Integers, Integers]:
        """Least, most and step of the batches of each setup."""
        return self.batch_min, self.batch_max, self.batch_step

    def take(self, rows: NDArray[np.intp]) -> Setups:
        """Keep the given setups, in the given order."""
        return take_rows(self, rows)


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """What bounds the setups of one model on one accelerator.

    ``resident_tokens`` are those that the cache of a sequence holds at most, of all setups or of each. ``batches`` are
    those that the scenario lists, ``None`` for any between; ``server`` is who runs it, ``None`` for the equations
    alone.
    """

    architecture: Architecture
    accelerator: Accelerator
    choices: DegreeChoices
    batch_min: int
    batch_max: int
    resident_tokens: float | Array
    memory: ServerMemory
    kv_cache: str | None = None
    batches: tuple[int, ...] | None = None
    server: Server | None = None

    @property
    def admits_cache(self) -> bool:
        """Whether the accelerator can keep the cache in the precision asked for."""
        return self.kv_cache is None or takes_cache(self.accelerator, self.kv_cache)


def enumerate_setups(request: SetupRequest) -> tuple[Setups, Counter[str]]:
    """List the setups of ``request``, and count by reason those that are none."""
    return enumerate_at(request, [request.resident_tokens])[0]


def enumerate_at(request: SetupRequest, resident_tokens: Sequence[float | Array]) -> list[tuple[Setups, Counter[str]]]:
    """What :func:`enumerate_setups` finds for each length of the cache of a sequence."""
    degrees, reasons = _degrees(request)
    if not request.admits_cache:
        reasons[NO_CACHE.format(request.accelerator.name)] += len(degrees.stage_ranks)
        degrees = degrees.take(np.zeros(0, dtype=np.intp))
    lengths, count = len(resident_tokens), len(degrees.stage_ranks)
    # Lengths one after the other in one array: for each of them alone calls would take the time.
    asked = replace(request, resident_tokens=np.repeat(np.array(resident_tokens), count))
    setups = capacity(asked, degrees.take(np.tile(np.arange(count), lengths)))
    whole = _has_whole_groups(request, setups)
    holds_none = ~_holds_some(request, setups)
    found = []
    for at in range(lengths):
        mine, counted = slice(at * count, (at + 1) * count), reasons.copy()
        for reason, wrong in ((NOT_WHOLE, ~whole[mine]), (NO_MEMORY, (whole & holds_none)[mine])):
            if wrong.any():
                counted[reason] += int(wrong.sum())
        found.append((setups.take(at * count + np.flatnonzero((whole & ~holds_none)[mine])), counted))
    return found


def capacity(request: SetupRequest, degrees: Degrees) -> Setups:
    """The batches that each setup can hold; none where the least is above the most."""
    if rules.is_deployable(request.architecture):
        return _deployable_capacity(request, degrees)
    return _paper_capacity(request, degrees)


def _has_whole_groups(request: SetupRequest, setups: Setups) -> NDArray[np.bool_]:
    """Whether some batch of the scenario is a multiple of each step."""
    if request.batches is not None:
        listed = np.array(request.batches, dtype=np.int64)
        return np.asarray((listed % setups.batch_step[:, None] == 0).any(axis=1))
    return request.batch_max // setups.batch_step * setups.batch_step >= request.batch_min


def _holds_some(request: SetupRequest, setups: Setups) -> NDArray[np.bool_]:
    """Whether some batch of the scenario is among those that each setup can hold."""
    if request.batches is None:
        return np.asarray(setups.batch_min <= setups.batch_max)
    listed = np.array(request.batches, dtype=np.int64)
    least, most, step = (column[:, None] for column in setups.batches)
    return np.asarray(((listed >= least) & (listed <= most) & (listed % step == 0)).any(axis=1))


_MOST_KNOWN = 256
_Found = tuple[Degrees, Counter[str]]


class _Known:
    """Degrees found last, by what they are of: no batch, context or memory has a part in them.

    Precisions and the rules of servers have no hash: they are compared, among those of one key.
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, list[tuple[object, _Found]]] = {}

    def of(self, key: Hashable, compared: object, find: Callable[[], _Found]) -> _Found:
        """What was found for the same, or is now."""
        for other, (degrees, reasons) in self._found.get(key, ()):
            if other == compared:
                return degrees, reasons.copy()
        degrees, reasons = find()
        if sum(map(len, self._found.values())) >= _MOST_KNOWN:
            self._found.clear()
        self._found.setdefault(key, []).append((compared, (degrees, reasons.copy())))
        return degrees, reasons


_started, _listed = _Known(), _Known()


def _degrees(request: SetupRequest) -> _Found:
    """Combine the listed degrees and keep those that the rules of the fidelity, and those of the server, admit."""
    architecture, choices, server = request.architecture, request.choices, request.server

    def listed() -> _Found:
        return _listed.of(choices, architecture, lambda: _divided_degrees(architecture, choices))

    def started() -> _Found:
        assert server is not None
        degrees, reasons = listed()
        accepted, refused = server.accepted(degrees)
        return server.with_exchanges(degrees.take(np.flatnonzero(accepted))), reasons + refused

    if server is None:
        return listed()
    # Accelerators of which the server asks the same share what it starts.
    key = (choices, architecture.name, server.profile.name)
    return _started.of(key, (architecture, server.decides_degrees), started)


def _divided_degrees(architecture: Architecture, choices: DegreeChoices) -> _Found:
    """Combinations of the lists that the rules of the fidelity admit, whatever the server."""
    reasons = Counter[str]()
    ranks, stages, sigma, two_dimensional = _combinations(choices)
    keep = _counted(reasons, f"more than max_gpus = {choices.max_gpus}", ranks * stages <= choices.max_gpus)
    keep &= _counted(reasons, "attention_data_parallel does not divide stage_ranks", ranks % sigma == 0, keep)
    if choices.tensor_parallel is not None and choices.stage_ranks is not None:
        listed = np.isin(ranks / sigma, choices.tensor_parallel)
        keep &= _counted(reasons, "stage_ranks / attention_data_parallel is no listed tensor_parallel", listed, keep)
    rows = np.flatnonzero(keep)
    different = distinct(ranks[rows]).astype(int).tolist()
    choices_of = {degree: expert_choices(architecture, choices, degree) for degree in different}
    expert = [choices_of[int(degree)] for degree in ranks[rows]]
    repeated = np.repeat(rows, [len(options) for options in expert])
    chosen = np.array([option for options in expert for option in options], dtype=float).reshape(-1, 2)
    degrees = Degrees.plain(
        stage_ranks=ranks[repeated],
        pipeline_parallel=stages[repeated],
        expert_parallel=chosen[:, 0],
        attention_data_parallel=sigma[repeated],
        two_dimensional=two_dimensional[repeated],
        redundant_experts=chosen[:, 1],
    )
    if len(rows) and not len(repeated):
        reasons["no listed expert_parallel divides stage_ranks, and the experts with those redundant"] += len(rows)
    if rules.is_deployable(architecture):
        divide = rules.divide(architecture, degrees)
        _counted(reasons, "heads, experts or layers do not divide", divide)
        degrees = degrees.take(np.flatnonzero(divide))
    return _without_twins(degrees), reasons


def _combinations(choices: DegreeChoices) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Ranks of a stage, stages, attention groups and layout of every combination of the lists.

    In the order of ranks, stages and groups, however the ranks are given: of equal deployments the first is named.
    """
    first = choices.tensor_parallel if choices.stage_ranks is None else choices.stage_ranks
    ranks, sigma, stages, two_dimensional = (
        grid.ravel()
        for grid in np.meshgrid(
            np.array(first, dtype=float),
            np.array(choices.attention_data_parallel, dtype=float),
            np.array(choices.pipeline_parallel, dtype=float),
            np.array([layout == "2d" for layout in choices.tensor_layout]),
            indexing="ij",
        )
    )
    if choices.stage_ranks is None:
        ranks = ranks * sigma
    order = np.lexsort((sigma, stages, ranks))
    return ranks[order], stages[order], sigma[order], two_dimensional[order]


def _counted(
    reasons: Counter[str], reason: str, good: NDArray[np.bool_], among: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    rejected = ~good if among is None else ~good & among
    if rejected.any():
        reasons[reason] += int(rejected.sum())
    return good


def expert_choices(architecture: Architecture, choices: DegreeChoices, stage_ranks: int) -> Sequence[tuple[int, int]]:
    """Expert degrees of a stage of so many ranks, with redundant experts; in ``paper`` both degrees of its rule."""
    experts, listed = architecture.experts, choices.expert_parallel
    if experts == 1:
        return ((1, 0),)
    degrees = range(1, min(experts, stage_ranks) + 1) if listed is None else listed
    splitting = [degree for degree in degrees if stage_ranks % degree == 0 and degree <= experts]
    if not rules.is_deployable(architecture):
        ruled = sorted({1, min(stage_ranks, experts)}) if listed is None else splitting
        return [(degree, 0) for degree in ruled]
    copies = choices.redundant_experts
    if copies is None:
        return [(degree, -experts % degree) for degree in splitting]
    return [(degree, each) for degree in splitting for each in copies if (experts + each) % degree == 0]


def _without_twins(degrees: Degrees) -> Degrees:
    """Drop 2-D layouts of one rank each, which are the 1-D setup under another name."""
    twin = degrees.two_dimensional & (degrees.stage_ranks == 1.0)
    has_flat = not degrees.two_dimensional.all()
    return degrees.take(np.flatnonzero(~twin)) if has_flat else degrees


def _deployable_capacity(request: SetupRequest, degrees: Degrees) -> Setups:
    """Largest batch of each setup whose weights and cache fit on the most loaded GPU."""
    step = degrees.groups
    anything = Setups(
        degrees=degrees,
        batch_step=step.astype(np.int64),
        batch_min=(np.ceil(request.batch_min / step) * step).astype(np.int64),
        batch_max=(request.batch_max // step * step).astype(np.int64),
        free_bytes=np.zeros_like(step),
        cache_bytes=memory.cache_bytes_per_sequence(request.architecture, degrees, request.resident_tokens),
    )
    return fitting(anything, request.memory, request.architecture, request.accelerator)


def fitting(setups: Setups, server: ServerMemory, architecture: Architecture, accelerator: Accelerator) -> Setups:
    """Setups with what a server leaves free, and no batch that does not fit there (``deployable``)."""
    step = setups.batch_step
    free = memory.free_bytes(server, architecture, accelerator, setups.degrees)
    stages, cache = setups.degrees.pipeline_parallel, setups.cache_bytes
    most = largest(lambda count: count * stages * cache <= free, free, stages * cache)
    return replace(
        setups, free_bytes=free, batch_max=(np.minimum(most, setups.batch_max // step) * step).astype(np.int64)
    )


def _paper_capacity(request: SetupRequest, degrees: Degrees) -> Setups:
    """Batches that the paper's memory rule and its rule of expert degrees admit."""
    shape, accelerator, stages = request.architecture, request.accelerator, degrees.pipeline_parallel
    most = largest(
        lambda batch: memory.paper_holds(shape, accelerator, degrees, batch, request.resident_tokens),
        degrees.gpus * accelerator.hbm_bytes - shape.weights_bytes(),
        shape.resident_bytes(request.resident_tokens) / stages,
    )
    low = np.maximum(request.batch_min, stages)
    high = np.minimum(most, request.batch_max)
    if request.choices.expert_parallel is None and shape.experts > 1:
        starved = np.ceil(2.0 * max(block.sparsity for block in shape.blocks) * stages)
        wide = np.minimum(degrees.stage_ranks, shape.experts) > 1.0
        narrow = wide & (degrees.expert_parallel == 1.0)
        high = np.where(narrow, np.minimum(high, starved - 1.0), high)
        low = np.where(wide & ~narrow, np.maximum(low, starved), low)
    zeros = np.zeros_like(stages)
    return Setups(
        degrees=degrees,
        batch_step=np.ones(len(stages), dtype=np.int64),
        batch_min=low.astype(np.int64),
        batch_max=high.astype(np.int64),
        free_bytes=zeros,
        cache_bytes=zeros,
    )


def largest(holds: Callable[[Array], NDArray[np.bool_]], room: Array, each: Array) -> Array:
    """Largest count that ``holds``, near room / each; the quotient may round across an integer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        guess = np.where(each > 0.0, np.floor(room / each), np.where(room >= 0.0, np.inf, -1.0))
    guess = np.clip(guess, 0.0, _BATCH_CEILING)
    best = np.zeros_like(guess)
    for candidate in (guess - 1.0, guess, guess + 1.0):
        best = np.where((candidate >= 0.0) & holds(candidate), candidate, best)
    return np.where(room >= 0.0, best, 0.0)
