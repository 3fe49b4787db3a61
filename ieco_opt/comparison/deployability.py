"""Whether proposals can be launched as they are within a scenario, what they are worth, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ieco_opt.catalog.precision import takes_cache
from ieco_opt.comparison.findings import Finding, missed_limits, not_offered, refused, ruled_out
from ieco_opt.comparison.indicators import Array, Indices, Points
from ieco_opt.comparison.ways import UNKNOWN, Way, exchange_named, ways_of
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.building import TINY_EXPERTS
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import limits_of
from ieco_opt.design_space.setups import NO_CACHE
from ieco_opt.design_space.starting import same_setups
from ieco_opt.heuristics import Proposals
from ieco_opt.heuristics.interface import NO_SERVER
from ieco_opt.heuristics.pricing import offered_families
from ieco_opt.pareto.resident import resident
from ieco_opt.performance import rules
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.results.comparison import Obstacle, Reason
from ieco_opt.scenario import ResolvedScenario

NOT_DIVIDED = "heads, experts or layers do not divide"

MODEL_RULES = "docs/performance-model.md"
"""Where the rules stand that hold whatever the server."""

GROUPS = "attention_data_parallel x pipeline_parallel"

_WHOLE = 1e-9

_NAMES = {
    "stage_ranks": "ranks of a stage",
    "pipeline_parallel": "pipeline stages",
    "expert_parallel": "expert ranks",
    "attention_data_parallel": "attention groups",
}
"""Degrees that decide all others."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What becomes of proposals; shape (proposals,).

    Attributes
    ----------
    findings
        Why a proposal cannot be launched; none where it can.
    latency_s, cost_usd_per_mtok
        What the scenario's performance model gives for what can be launched; NaN elsewhere.
    engine, exchange
        The server that was priced, as a position in the scenario's list, and its exchange of experts, as a number of
        ``EXCHANGES``; ``NO_SERVER`` and ``UNKNOWN`` where the proposal names none and none of them runs it.
    """

    findings: tuple[tuple[Finding, ...], ...]
    latency_s: Array
    cost_usd_per_mtok: Array
    engine: Indices
    exchange: Indices

    @property
    def reasons(self) -> tuple[tuple[Reason, ...], ...]:
        """The same as results hold it."""
        return tuple(tuple(each.reason() for each in findings) for findings in self.findings)

    @property
    def deployable(self) -> Indices:
        """Positions of the proposals that can be launched."""
        return np.array([row for row, findings in enumerate(self.findings) if not findings], dtype=np.intp)

    def points(self) -> Points:
        """Speed and cost of the proposals that can be launched."""
        rows = self.deployable
        return Points(1.0 / self.latency_s[rows], self.cost_usd_per_mtok[rows])


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The same of one proposal."""

    findings: tuple[Finding, ...]
    engine: int
    exchange: int = UNKNOWN
    latency_s: float = np.nan
    cost_usd_per_mtok: float = np.nan


def judge(scenario: ResolvedScenario, proposals: Proposals) -> Verdicts:
    """Check each proposal against whole degrees and groups, the design space, servers, memory, and limits.

    Memory is that of the most loaded GPU. A proposal that names no server is judged by the cheapest way in which a
    server of the scenario runs its degrees.
    """
    judge_one = _Judge(scenario)
    verdicts = [judge_one(proposals, row) for row in range(len(proposals))]
    return Verdicts(
        findings=tuple(each.findings for each in verdicts),
        latency_s=np.array([each.latency_s for each in verdicts], dtype=float),
        cost_usd_per_mtok=np.array([each.cost_usd_per_mtok for each in verdicts], dtype=float),
        engine=np.array([each.engine for each in verdicts], dtype=np.intp),
        exchange=np.array([each.exchange for each in verdicts], dtype=np.intp),
    )


class _Judge:
    """What is looked up once for all proposals of a scenario."""

    def __init__(self, scenario: ResolvedScenario) -> None:
        self.scenario = scenario
        self.limits = limits_of(scenario.scenario)
        groups = offered_families(scenario)
        self.offered = {(group[0].accelerator_index, group[0].precision_index): group for group in groups}

    def __call__(self, proposals: Proposals, row: int) -> _Verdict:
        """Reasons against one proposal; without any, what it is worth."""
        named = int(proposals.engine[row])
        families = self.offered.get((int(proposals.accelerator[row]), int(proposals.precision[row])), ())
        if not families:
            return _refused(named, "an accelerator or a precision that is not listed")
        if named != NO_SERVER:
            families = tuple(each for each in families if each.server is not None and each.engine_index == named)
        if not families:
            return _refused(named, "a server that is not listed")
        degrees, draft = (_plain(each.take(np.array([row]))) for each in (proposals.degrees, proposals.draft_degrees))
        batch, tokens = float(proposals.batch[row]), int(proposals.draft_tokens[row])
        reasons = list(_fractional(degrees, batch, "")) + list(_fractional(draft, None, " of the draft model"))
        ways: list[Way] = []
        if not reasons:
            degrees, draft, batch = _rounded(degrees), _rounded(draft), float(round(batch))
            ways, broken = self._ways(families, degrees, named=named != NO_SERVER)
            reasons = [*self._not_offered(families[0], degrees, batch, tokens), *broken]
        # What no server runs is asked of the equations alone.
        reasons += _memory(ways or [Way(family, degrees) for family in families], batch, tokens, draft)
        found = None if reasons else self._cheapest(ways, batch, tokens, draft)
        if found is not None:
            return found
        reasons = reasons or list(_nowhere(ways, degrees, batch, tokens))
        return _Verdict(tuple(reasons), named, exchange_named(families[0], degrees, named=named != NO_SERVER))

    def _ways(self, families: Sequence[Family], degrees: Degrees, *, named: bool) -> tuple[list[Way], list[Finding]]:
        """Ways in which servers run whole degrees; without any, why not."""
        shape = families[0].shape
        if rules.is_deployable(shape):
            broken = [words for words, holds in rules.divisions(shape, degrees) if not holds[0]]
            if broken:
                text = f"degrees that the model cannot have ({NOT_DIVIDED})"
                return [], [ruled_out(text, "; ".join(dict.fromkeys(broken)), MODEL_RULES)]
        ways, refusals = ways_of(families, degrees, named=named)
        return ways, [] if ways else list(dict.fromkeys(refusals))

    def _cheapest(self, ways: Sequence[Way], batch: float, tokens: int, draft: Degrees) -> _Verdict | None:
        """Of the ways that fit the fastest that meets the limits, else the fastest; ``None`` where none fits.

        Of servers that run it alike, the one with most room is named, as in rows of deployments.
        """
        found = []
        at = np.array([batch])
        for way in ways:
            alternative = _alternative(way, batch, tokens, draft)
            if alternative is None:
                continue
            latency = alternative.latency_s(at)
            cost = alternative.cost_usd_per_mtok(latency, at)
            missed = tuple(missed_limits(self.limits, alternative, float(latency[0]), float(cost[0]), batch))
            found.append((bool(missed), float(latency[0]), -way.room, float(cost[0]), missed, way))
        if not found:
            return None
        _, latency_s, _, usd, missed, way = min(found, key=lambda each: each[:3])
        worth = (np.nan, np.nan) if missed else (latency_s, usd)
        return _Verdict(missed, way.engine, way.exchange, *worth)

    def _not_offered(self, family: Family, degrees: Degrees, batch: float, tokens: int) -> Iterator[Finding]:
        """What the scenario does not list or allow of whole degrees, batches and draft tokens."""
        yield from self._degrees_not_offered(family, degrees)
        yield from self._batch_not_offered(family, degrees, batch)
        if tokens and tokens not in family.draft_range:
            field = "speculation" if family.speculation is None else f"speculation.{family.speculation.tokens.said_by}"
            yield not_offered(f"{tokens} draft tokens, which are not offered", field)
        cache = None if family.precision is None else family.precision.kv_cache
        if cache is not None and not takes_cache(family.accelerator, cache):
            yield not_offered(NO_CACHE.format(family.accelerator.name), "kv_cache")

    def _degrees_not_offered(self, family: Family, degrees: Degrees) -> Iterator[Finding]:
        space, experts = self.scenario.design_space, family.shape.experts
        for name, label in {**_NAMES, "tensor_parallel": "tensor ranks of an attention group"}.items():
            value, listed = float(getattr(degrees, name)[0]), getattr(space, name)
            ignored = name == "expert_parallel" and experts == 1
            if not ignored and listed is not None and value not in listed:
                yield not_offered(f"{value:.6g} {label}, where {_listing(listed)} are offered", f"design_space.{name}")
        copies = _copies_offered(family, degrees, space.redundant_experts)
        if degrees.redundant_experts[0] not in copies:
            text = f"{degrees.redundant_experts[0]:.6g} redundant experts, where {_listing(copies)} are offered"
            yield not_offered(text, "design_space.redundant_experts")
        if degrees.gpus[0] > space.max_gpus:
            text = f"{degrees.gpus[0]:,.0f} GPUs, where {space.max_gpus:,} are the most"
            yield not_offered(text, "design_space.max_gpus")
        layout = "2d" if degrees.two_dimensional[0] else "1d"
        said_by_servers = layout == "2d" and family.server is not None
        if layout not in space.tensor_layout and degrees.stage_ranks[0] > 1.0 and not said_by_servers:
            yield not_offered(f"the layout {layout}, which is not offered", "design_space.tensor_layout")

    def _batch_not_offered(self, family: Family, degrees: Degrees, batch: float) -> Iterator[Finding]:
        """A batch beyond the bounds, not of the list, or of no whole groups."""
        space = self.scenario.design_space
        whole_groups = rules.is_deployable(family.shape)
        least = space.batch_min if whole_groups else max(space.batch_min, int(degrees.pipeline_parallel[0]))
        if not least <= batch <= space.batch_max:
            end = "min" if batch < least else "max"
            field = "design_space.batch" if space.batches is not None else f"design_space.batch.{end}"
            yield not_offered(f"a batch of {batch:,.0f}, where {least:,} to {space.batch_max:,} exist", field)
        elif space.batches is not None and batch not in space.batches:
            yield not_offered(f"a batch of {batch:,.0f}, which is not listed", "design_space.batch")
        if whole_groups and batch % degrees.groups[0] != 0.0:
            text = f"a batch of {batch:,.0f}, which is no multiple of {GROUPS} = {degrees.groups[0]:,.0f}"
            rule = f"{text}: {' or '.join(map(str, _whole(batch, degrees)))} would be"
            yield ruled_out(text, rule, MODEL_RULES)


def _copies_offered(family: Family, degrees: Degrees, listed: tuple[int, ...] | None) -> tuple[int, ...]:
    """Redundant experts that go with an expert degree: those listed, or the least with which experts divide."""
    experts = family.shape.experts
    if experts == 1 or not rules.is_deployable(family.shape):
        return (0,)
    return (-experts % int(degrees.expert_parallel[0]),) if listed is None else listed


def _whole(batch: float, degrees: Degrees) -> tuple[int, ...]:
    """The batches of whole groups next to one that is none."""
    step = int(degrees.groups[0])
    return tuple(each for each in (int(batch) // step * step, (int(batch) // step + 1) * step) if each)


def _nowhere(ways: Sequence[Way], degrees: Degrees, batch: float, tokens: int) -> Iterator[Finding]:
    """Why whole degrees that are offered and fit are no configuration, as far as that can be told."""
    found = False
    for way in ways:
        family = way.family
        refusal = None if not tokens or family.server is None else family.server.refusal(degrees, tokens)
        if refusal is not None and family.server is not None:
            found = True
            yield refused(f"no draft model beside it ({family.server.words(refusal.rule)})", refusal)
        elif not _pass_is_covered(way):
            found = True
            yield ruled_out("no such configuration in the design space", TINY_EXPERTS, "docs/proof.md")
    if ways and not rules.is_deployable(ways[0].family.shape):
        ruled = rules.paper_expert_parallel(
            ways[0].family.shape, degrees.stage_ranks, batch / degrees.pipeline_parallel
        )
        if ruled[0] != degrees.expert_parallel[0] and not tokens:
            found = True
            rule_words = f"at this batch the paper takes {ruled[0]:.0f} expert ranks"
            yield ruled_out("no such configuration in the design space", rule_words, MODEL_RULES)
    if not found:
        yield not_offered(
            "no such configuration in the design space" + (" or no draft model fits beside it" if tokens else "")
        )


def _pass_is_covered(way: Way) -> bool:
    family = way.family
    time = pass_time(family.shape, family.accelerator, way.degrees, family.context.traffic(1.0, 0.0))
    return bool(time.experts_are_concave()[0])


def _refused(engine: int, text: str) -> _Verdict:
    return _Verdict((not_offered(text),), engine)


def _plain(degrees: Degrees) -> Degrees:
    """Degrees as the equations alone lay them out, with the exchange that they name: what a record says of them."""
    columns = {name: getattr(degrees, name) for name in (*_NAMES, "redundant_experts")}
    plain = Degrees.plain(**columns, two_dimensional=degrees.two_dimensional)
    return replace(plain, spread=replace(plain.spread, exchange=degrees.spread.exchange))


def _rounded(degrees: Degrees) -> Degrees:
    """Exact integers in the place of degrees that are whole but for rounding."""
    columns = {name: np.rint(getattr(degrees, name)) for name in (*_NAMES, "redundant_experts")}
    # A single rank has no second dimension.
    return _plain(replace(degrees, **columns, two_dimensional=degrees.two_dimensional & (columns["stage_ranks"] != 1)))


def _listing(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _is_whole(value: float, least: int = 1) -> bool:
    close = bool(np.isfinite(value)) and abs(value - round(value)) <= _WHOLE * max(1.0, abs(value))
    return close and round(value) >= least


def _fractional(degrees: Degrees, batch: float | None, whose: str) -> Iterator[Finding]:
    """Numbers that are not whole; unknown degrees (NaN) are left out."""
    gpus = float(degrees.gpus[0])
    amounts = [(gpus, "GPUs")] if not whose else []
    amounts += [(float(getattr(degrees, name)[0]), f"{label}{whose}") for name, label in _NAMES.items()]
    for value, label in amounts:
        if not np.isnan(value) and not _is_whole(value):
            yield Finding(Obstacle.FRACTIONAL, f"{_digits(value)} {label}")
    copies = float(degrees.redundant_experts[0])
    if not np.isnan(copies) and not _is_whole(copies, least=0):
        yield Finding(Obstacle.FRACTIONAL, f"{_digits(copies)} redundant experts{whose}")
    if batch is not None and not _is_whole(batch):
        yield Finding(Obstacle.FRACTIONAL, f"a batch of {_digits(batch)}")


def _digits(value: float) -> str:
    """Two decimals, or as many as tell a number from a whole one."""
    text = f"{value:,.2f}"
    return text if not text.endswith(".00") else f"{value:,.6g}"


def _memory(ways: Sequence[Way], batch: float, tokens: int, draft: Degrees) -> list[Finding]:
    """Memory that is over wherever it may run, by the least; on the most loaded GPU, or on average (``paper``)."""
    over = []
    for way in ways:
        held = resident(way.family, way.degrees, batch, _draft_beside(way, draft) if tokens else None)
        excess = held.used / held.usable - 1.0
        if not excess > _WHOLE:
            return []
        where = "on the most loaded GPU" if rules.is_deployable(way.family.shape) else "on average"
        text = f"memory over by {(held.used - held.usable) / 1e9:,.1f} GB ({100.0 * excess:.3g} %) {where}"
        over.append(Finding(Obstacle.MEMORY, text, excess, held=held))
    return [min(over, key=lambda reason: reason.excess)]


def _draft_beside(way: Way, draft: Degrees) -> Degrees | None:
    """Degrees of the draft model: those that go with the model's, else those named; ``None`` where neither is known."""
    drafts = way.family.drafts
    if drafts is None:
        return None
    setups = same_setups(way.family.setups.degrees, way.degrees)
    if drafts.of is not None and len(setups):
        beside = way.family.beside(int(setups[0]))
        return drafts.setups.degrees.take(beside) if len(beside) else None
    return None if np.isnan(draft.gpus[0]) else draft


def _alternative(way: Way, batch: float, tokens: int, draft: Degrees) -> Alternatives | None:
    """The alternative of the design space that a whole proposal names, if its batch exists and fits."""
    family = way.family
    for setup in same_setups(family.setups.degrees, way.degrees):
        drafts = None
        if tokens:
            row = _draft_row(family, int(setup), batch, draft)
            if row is None:
                continue
            drafts = np.array([row])
        found = family.alternatives(np.array([setup]), tokens, drafts)
        if found.batch_min[0] <= batch <= found.batch_max[0]:
            return found
    return None


def _draft_row(family: Family, setup: int, batch: float, draft: Degrees) -> int | None:
    """The draft model's setup that a proposal names, or the fastest that fits where it names none."""
    options = family.beside(setup)
    if not len(options):
        return None
    if not np.isnan(draft.gpus[0]):
        assert family.drafts is not None
        rows = same_setups(family.drafts.setups.degrees.take(options), draft, any_exchange=True)
        return int(options[rows[0]]) if len(rows) else None
    best = int(family.fastest_drafts(np.array([setup]), options, np.array([batch]))[0, 0])
    return best if best >= 0 else None
