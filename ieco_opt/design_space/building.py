"""The families of a scenario: for each accelerator and precision one of every server that may run the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.families import DecodeContext, Drafts, Family, Speculation
from ieco_opt.design_space.setups import DegreeChoices, SetupRequest, Setups, capacity, enumerate_at, enumerate_setups
from ieco_opt.performance import rules
from ieco_opt.performance.architecture import Architecture, architecture
from ieco_opt.performance.degrees import DECIDING, Degrees
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.reserve import ENGINES, ServerMemory
from ieco_opt.performance.servers import EngineChoices, Server
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.validated import Validated, validated
from ieco_opt.scenario.margin import ModelError, margin_of

TINY_EXPERTS = "shards of experts so small that their activations outweigh their weights"
"""Such setups (fewer than about 250 weights a shard) are outside what the proofs cover."""


@dataclass(frozen=True, slots=True)
class FamilyRequest:
    """What the families of one scenario have in common.

    Batches are every integer from ``batch_min`` to ``batch_max``, or those of ``batches``. Limits are to hold with
    ``model_error``; ``pessimistic``: latency and cost are those with the error.
    """

    model: Model | PaperModel
    choices: DegreeChoices
    batch_min: int
    batch_max: int
    context: DecodeContext
    memory: ServerMemory
    speculation: Speculation | None
    engines: EngineChoices
    batches: tuple[int, ...] | None = None
    model_error: ModelError = 0.0
    pessimistic: bool = False
    measure: Measure = Measure.COST

    @property
    def draft(self) -> Model | PaperModel | None:
        """The draft model, where there is one."""
        return None if self.speculation is None else self.speculation.draft


Numbered = tuple[int, Accelerator]
NumberedPrecision = tuple[int, Precision | None]


def build_families(
    request: FamilyRequest, accelerator: Numbered, precision: NumberedPrecision
) -> tuple[list[Family], Counter[str]]:
    """Enumerate the setups of one accelerator and precision, each given with its position in the scenario.

    Returns
    -------
    families, reasons
        One family of each server in the order of ``request.engines``, or the one of the equations alone; and how many
        setups are none, by reason.
    """
    return build_alike([request], accelerator, precision)[0]


def build_alike(
    requests: Sequence[FamilyRequest], accelerator: Numbered, precision: NumberedPrecision
) -> list[tuple[list[Family], Counter[str]]]:
    """What :func:`build_families` makes of each of some requests that differ in their contexts alone."""
    found: list[tuple[list[Family], Counter[str]]] = [([], Counter()) for _ in requests]
    for number, server in enumerate(_servers(requests[0], accelerator[1], precision[1])):
        asked = _asked(requests[0], accelerator[1], precision[1], server)
        known = _validated(requests[0].model, asked.accelerator, precision[1])
        listed = enumerate_at(asked, [request.context.cached_to for request in requests])
        for request, (setups, refused), (families, reasons) in zip(requests, listed, found, strict=True):
            own = replace(asked, resident_tokens=request.context.cached_to)
            family, rejected = _family(request, accelerator, precision, own, setups)
            families.append(replace(family, engine_index=number, validated=known))
            # What no server can help is met by every server, and counted once.
            reasons |= refused + rejected
    return found


def _servers(request: FamilyRequest, accelerator: Accelerator, precision: Precision | None) -> Sequence[Server | None]:
    model, draft = request.model, request.draft
    if not request.engines.profiles or precision is None:
        return (None,)
    assert isinstance(model, Model)
    assert draft is None or isinstance(draft, Model)
    return request.engines.servers(model, precision, accelerator, draft)


def _asked(
    request: FamilyRequest, accelerator: Accelerator, precision: Precision | None, server: Server | None
) -> SetupRequest:
    hardware = accelerator if server is None else server.accelerator
    return SetupRequest(
        architecture=architecture(request.model, precision, hardware),
        accelerator=hardware,
        choices=request.choices,
        batch_min=request.batch_min,
        batch_max=request.batch_max,
        resident_tokens=request.context.cached_to,
        memory=_memory(request.memory, server),
        kv_cache=None if precision is None else precision.kv_cache,
        batches=request.batches,
        server=server,
    )


def _family(
    request: FamilyRequest, accelerator: Numbered, precision: NumberedPrecision, asked: SetupRequest, setups: Setups
) -> tuple[Family, Counter[str]]:
    """The family of some setups without those that are outside what the proofs cover, which are counted."""
    hardware, shape = asked.accelerator, asked.architecture
    reasons = Counter[str]()
    if hardware.calibration is None or not rules.is_deployable(shape):
        # With a calibration the bytes of activations do not count, and the experts of every setup do as assumed.
        setups, _, tiny = _priced(request, asked, setups)
        reasons[TINY_EXPERTS] += tiny
    family = Family(
        accelerator=hardware,
        accelerator_index=accelerator[0],
        precision=precision[1],
        precision_index=precision[0],
        shape=shape,
        setups=setups,
        drafts=_drafts(request, asked, setups, precision[1]),
        context=request.context,
        speculation=request.speculation,
        memory=asked.memory,
        server=asked.server,
        margin=margin_of(request.model_error, accelerator[1]),
        pessimistic=request.pessimistic,
        measure=request.measure,
    )
    return family, reasons


def _validated(model: Model | PaperModel, accelerator: Accelerator, precision: Precision | None) -> Validated | None:
    if precision is None or not isinstance(model, Model):
        return None
    return validated(accelerator, model, precision.label)


def _memory(memory: ServerMemory, server: Server | None) -> ServerMemory:
    """What the server keeps for itself."""
    name = "none" if server is None else server.profile.prices.reserve
    return replace(memory, engine=next(each for each in ENGINES if each == name))


def _priced(request: FamilyRequest, asked: SetupRequest, setups: Setups) -> tuple[Setups, PassTime, int]:
    """Setups whose experts follow the model's assumptions, with their pass times, and how many do not."""
    time = pass_time(asked.architecture, asked.accelerator, setups.degrees, request.context.traffic(1.0, 0.0))
    good = np.flatnonzero(time.experts_are_concave())
    return setups.take(good), time.take(good), len(setups) - len(good)


def _drafts(request: FamilyRequest, asked: SetupRequest, setups: Setups, precision: Precision | None) -> Drafts | None:
    if request.speculation is None:
        return None
    shape = architecture(request.speculation.draft, precision, asked.accelerator)
    # The reserve of the server is counted once, beside the model.
    of_draft = replace(asked, architecture=shape, memory=replace(asked.memory, reserve_bytes=0.0), server=None)
    if not rules.is_deployable(shape):
        free, _ = enumerate_setups(of_draft)
        free, time, _ = _priced(request, of_draft, free)
        return Drafts(shape, free, time)
    of_model = request.speculation.mode == "mtp"
    rows, degrees = _on_the_same_ranks(setups.degrees, shape, asked.server, of_model=of_model)
    beside = capacity(of_draft, degrees)
    time = pass_time(shape, asked.accelerator, degrees, request.context.traffic(1.0, 0.0))
    good = np.flatnonzero(time.experts_are_concave() & (beside.batch_min <= beside.batch_max))
    of = np.full(len(setups), -1)
    of[rows[good]] = np.arange(len(good))
    return Drafts(shape, beside.take(good), time.take(good), of)


def _on_the_same_ranks(
    degrees: Degrees, draft: Architecture, server: Server | None, *, of_model: bool
) -> tuple[Rows, Degrees]:
    """Setups that a draft can stand beside, and its degrees there: the same ranks, one stage, and copies or none.

    ``of_model``: it is a layer of the model's own, with copies of experts and widths as the model has them.
    """
    routed = draft.experts > 1
    expert = degrees.expert_parallel if routed else np.ones_like(degrees.expert_parallel)
    copies = degrees.redundant_experts if routed and of_model else np.zeros_like(expert)
    own = replace(degrees, expert_parallel=expert, redundant_experts=copies)
    good = (degrees.pipeline_parallel == 1.0) & (expert <= draft.experts) & rules.divide(draft, own)
    if server is not None:
        good &= server.accepts_draft(degrees)
        # A dense model has no exchange that its draft could share.
        usual = server.experts == 1
        exchange = server.usual_exchange(own, draft.experts) if usual else degrees.spread.exchange
        own = replace(own, spread=server.spread(own, draft.experts, exchange, own=of_model))
    rows = np.flatnonzero(good)
    return rows, own.take(rows)


def distinct_in_time(offered: Sequence[Sequence[Family]], *, limited: bool) -> list[list[Family]]:
    """The same for every class of requests, each with a family of every server.

    Where the time to first token is ``limited``, servers that take the prompts of a class in more or fewer chunks are
    not alike.
    """
    if not limited:
        return [distinct(families) for families in offered]
    chunks = list(zip(*([family.chunks for family in families] for families in offered), strict=True))
    chosen = [list(families) for families in offered]
    for alike in set(chunks):
        servers = [at for at, each in enumerate(chunks) if each == alike]
        for families, mine in zip(offered, chosen, strict=True):
            for at, family in zip(servers, distinct([families[at] for at in servers]), strict=True):
                mine[at] = family
    return chosen


def distinct(families: Sequence[Family]) -> list[Family]:
    """Leave each setup to one of the servers that run it alike: the one with most room for the cache, else the first.

    Two servers run a setup alike if degrees, exchange of experts, the ranks that share weights and the time of launches
    are the same. Every batch that fits beside a larger reserve fits beside a smaller one, so nothing is lost. A setup
    that takes a draft model stays beside one that does not.
    """
    if len(families) < 2:
        return list(families)
    owner = np.repeat(np.arange(len(families)), [len(each.setups) for each in families])
    row = np.concatenate([np.arange(len(each.setups)) for each in families])
    _, key = np.unique(np.vstack([_identity(each) for each in families]), axis=0, return_inverse=True)
    free = np.concatenate([each.setups.free_bytes for each in families])
    drafted = np.concatenate([_takes_draft(each) for each in families])
    kept = _first_of_each(key.reshape(-1), free, owner, np.ones(len(key), dtype=bool))
    # Where the one with most room takes no draft model, the one with most room that does stays too.
    refused = np.isin(key.reshape(-1), key.reshape(-1)[kept & ~drafted]) & drafted
    kept |= _first_of_each(key.reshape(-1), free, owner, refused)
    return [taken(each, row[kept & (owner == at)]) for at, each in enumerate(families)]


def identity(degrees: Degrees) -> NDArray[np.float64]:
    """What decides the time of a pass, one row a setup."""
    columns = [getattr(degrees, name) for name in DECIDING]
    columns += [getattr(degrees.spread, item.name) for item in fields(degrees.spread)]
    return np.stack([np.asarray(column, dtype=float) for column in columns], axis=1)


def _identity(family: Family) -> NDArray[np.float64]:
    """What decides the time of a pass on a server, one row a setup."""
    calibration = family.accelerator.calibration
    launches = np.full((len(family.setups), 1), 0.0 if calibration is None else calibration.layer_s)
    return np.hstack([identity(family.setups.degrees), launches])


def _takes_draft(family: Family) -> NDArray[np.bool_]:
    if family.drafts is None or family.drafts.of is None:
        return np.zeros(len(family.setups), dtype=bool)
    return np.asarray(family.drafts.of >= 0)


def _first_of_each(
    key: NDArray[np.intp], free: NDArray[np.float64], owner: NDArray[np.intp], among: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Of the setups with one key the one with most room, of equal ones that of the first family."""
    order = np.lexsort((owner, -free, key))
    order = order[among[order]]
    first = np.ones(len(order), dtype=bool)
    first[1:] = key[order][1:] != key[order][:-1]
    kept = np.zeros(len(key), dtype=bool)
    kept[order[first]] = True
    return kept


def taken(family: Family, rows: Rows) -> Family:
    """A family with some of its setups alone."""
    drafts = family.drafts
    if drafts is not None and drafts.of is not None:
        drafts = replace(drafts, of=drafts.of[rows])
    return replace(family, setups=family.setups.take(rows), drafts=drafts)
