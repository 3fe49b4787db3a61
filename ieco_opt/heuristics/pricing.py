"""Prices of launchable deployments, for heuristics that search the scenario's own design space."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.building import build_families, distinct_in_time
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request, limits_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.heuristics.interface import NO_SERVER, Proposals, absent_degrees, joined, nondominated, without
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.economics import cost_usd_per_mtok
from ieco_opt.performance.energy import carbon_kg_per_mtok, per_token, usd_rates, watts
from ieco_opt.performance.times import PassTime
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Deployments to be priced, all of one family, and so on one server; every array has shape (decisions,).

    ``setup`` is a row of the family's setups (degrees with an exchange of experts), ``draft_tokens`` 0 without
    speculation.
    """

    family: int
    setup: Indices
    draft_tokens: Indices
    batch: Indices


@dataclass(frozen=True, slots=True)
class Prices:
    """What decisions are worth; inf where they do not fit in memory, or the batch is not offered or no whole groups.

    ``draft`` is a row of the family's draft setups, -1 without one. ``excess`` is 0 where every limit is met, with the
    error that the scenario plans with, and otherwise by how much they are missed, as a sum of logarithms of ratios.
    """

    latency_s: Array
    cost_usd_per_mtok: Array
    draft: Indices
    excess: Array

    @property
    def admitted(self) -> NDArray[np.bool_]:
        """Which decisions fit and meet the limits."""
        admitted: NDArray[np.bool_] = np.isfinite(self.latency_s) & (self.excess == 0.0)
        return admitted


def offered_families(resolved: ResolvedScenario, ask: Ask = go_on) -> Iterator[tuple[Family, ...]]:
    """For every accelerator with every precision of a scenario a family of each server, with all setups that it starts.

    A setup holds at least one batch; one that several servers start is in the family of each.
    """
    request, precisions = family_request(resolved), resolved.precisions or (None,)
    for accelerator in enumerate(resolved.accelerators):
        for precision in enumerate(precisions):
            ask()
            yield tuple(build_families(request, accelerator, precision)[0])


def families_of(resolved: ResolvedScenario, ask: Ask = go_on) -> tuple[Family, ...]:
    """The same families one after the other, each setup with one of the servers that run it alike."""
    limited = limits_of(resolved.scenario).on_prompts
    return tuple(
        family
        for offered in offered_families(resolved, ask)
        for family in distinct_in_time([offered], limited=limited)[0]
    )


def counts_energy(resolved: ResolvedScenario) -> bool:
    """Whether a price or a limit of energy makes prices depend on busy times."""
    return limits_of(resolved.scenario).on_energy or any(each.power is not None for each in resolved.accelerators)


class PricedSpace:
    """The design space of a scenario as a function from decisions to prices, which asks whether to go on.

    ``families`` are those of :func:`families_of`, or others of the scenario.
    """

    def __init__(
        self, resolved: ResolvedScenario, ask: Ask = go_on, *, families: tuple[Family, ...] | None = None
    ) -> None:
        self.ask = ask
        self.families = families_of(resolved, ask) if families is None else families
        self.limits: Limits = limits_of(resolved.scenario)
        self.counts_energy = counts_energy(resolved)
        listed = resolved.design_space.batches
        self.listed = None if listed is None else np.array(listed)
        self.draft_range = (0, *(self.families[0].draft_range if self.families else ()))
        self._passes: dict[tuple[int, int], PassTime] = {}

    def setups(self) -> tuple[Indices, Indices]:
        """Family and row of every setup."""
        sizes = [len(family.setups) for family in self.families]
        family = np.repeat(np.arange(len(sizes)), sizes)
        return family, np.concatenate([np.arange(size) for size in sizes]) if sizes else family

    def clipped(self, family: int, setup: Indices, batch: Array) -> Indices:
        """Nearest batch of whole groups that is offered and that each setup holds without a draft model."""
        low, high, step = (column[setup] for column in self.families[family].setups.batches)
        nearest = np.clip(np.rint(batch / step) * step, low, high).astype(np.intp)
        if self.listed is None:
            return nearest
        # Of the batches listed the nearest by ratio; one the setup does not hold stays and is priced as such.
        ratios = np.abs(np.log(self.listed[None, :] / np.maximum(nearest, 1)[:, None]))
        held = (self.listed >= low[:, None]) & (self.listed <= high[:, None]) & (self.listed % step[:, None] == 0)
        return np.asarray(self.listed[np.where(held, ratios, np.inf).argmin(axis=1)], dtype=np.intp)

    def price(self, decisions: Decisions) -> Prices:
        """Price some decisions."""
        family = self.families[decisions.family]
        setup, batch = decisions.setup, decisions.batch.astype(float)
        latency, draft = np.full(len(setup), np.inf), np.full(len(setup), -1)
        low, high, step = (column[setup] for column in family.setups.batches)
        held = (batch >= low) & (batch <= high) & (decisions.batch % step == 0)
        if self.listed is not None:
            held &= np.isin(decisions.batch, self.listed)
        for tokens in np.unique(decisions.draft_tokens):
            self.ask()
            rows = np.flatnonzero(held & (decisions.draft_tokens == tokens))
            seconds = self._pass(decisions.family, int(tokens)).take(setup[rows]).latency_s(batch[rows])
            if tokens:
                draft[rows], draft_s = _fastest_drafts(family, setup[rows], int(tokens), batch[rows], self.ask)
                seconds = seconds + family.proposals(int(tokens)) * draft_s
            latency[rows] = family.factor(int(tokens)) * seconds
        gpus = family.setups.degrees.gpus[setup]
        rate, busy_rate = usd_rates(family.accelerator, family.shape.fidelity, gpus)
        cost = cost_usd_per_mtok(rate, latency, batch)
        joules = np.full(len(setup), np.nan)
        if self.counts_energy:
            busy = self._busy_s(decisions, draft, np.isfinite(latency))
            cost = cost + cost_usd_per_mtok(busy_rate, busy, batch)
            joules = per_token(*watts(family.accelerator, family.shape.fidelity, gpus), latency, busy, batch)
        excess = self._excess(family, gpus, latency, cost, joules, batch)
        if self.limits.on_prompts:
            excess = excess + self._lateness(decisions, draft, latency)
        return Prices(latency, cost, draft, excess)

    def _busy_s(self, decisions: Decisions, draft: Indices, fits: NDArray[np.bool_]) -> Array:
        """Seconds per token in which memory or arithmetic work, of decisions that fit with a draft or without."""
        family, batch = self.families[decisions.family], decisions.batch.astype(float)
        busy = np.zeros(len(batch))
        for tokens in np.unique(decisions.draft_tokens):
            self.ask()
            rows = np.flatnonzero(fits & (decisions.draft_tokens == tokens))
            seconds = self._pass(decisions.family, int(tokens)).take(decisions.setup[rows]).busy_s(batch[rows])
            if tokens and family.drafts is not None:
                drafting = family.draft_pass(draft[rows], int(tokens)).busy_s(batch[rows])
                seconds = seconds + family.proposals(int(tokens)) * drafting
            busy[rows] = family.factor(int(tokens)) * seconds
        return busy

    def _pass(self, family: int, tokens: int) -> PassTime:
        key = (family, tokens)
        if key not in self._passes:
            rows = np.arange(len(self.families[family].setups))
            self._passes[key] = self.families[family].model_pass(rows, tokens)
        return self._passes[key]

    def _lateness(self, decisions: Decisions, draft: Indices, latency_s: Array) -> Array:
        """By how much the times to the first and to the last token are over their limits, likewise."""
        family, late = self.families[decisions.family], np.zeros(len(latency_s))
        for tokens in np.unique(decisions.draft_tokens):
            self.ask()
            rows = np.flatnonzero(np.isfinite(latency_s) & (decisions.draft_tokens == tokens))
            drafts = draft[rows] if tokens else None
            times = family.prompt_times(decisions.setup[rows], int(tokens), drafts)
            at = latency_s[rows], decisions.batch[rows].astype(float)
            for most, seconds in (
                (self.limits.max_time_to_first_token_s, times.time_to_first_token_s(*at)),
                (self.limits.max_end_to_end_s, times.end_to_end_s(*at)),
            ):
                late[rows] += np.log(np.maximum(family.margin * seconds / most, 1.0))
        return late

    def _excess(self, family: Family, gpus: Array, latency: Array, cost: Array, joules: Array, batch: Array) -> Array:
        """By how much the limits are missed together; inf for what does not fit."""
        limits, fits = self.limits, np.flatnonzero(np.isfinite(latency))
        speed, throughput = 1.0 / (family.margin * latency[fits]), batch[fits] / latency[fits]
        board_w = np.nan if family.accelerator.power_w is None else family.accelerator.power_w
        most_j, most_kg = limits.max_energy_j_per_token, limits.max_carbon_kg_per_mtok
        kilograms = carbon_kg_per_mtok(family.accelerator, joules[fits])
        shortfalls = [
            (limits.min_speed > 0.0, limits.min_speed / speed),
            (np.isfinite(limits.max_cost), family.margin * cost[fits] / limits.max_cost),
            (np.isfinite(limits.max_throughput), throughput / limits.max_throughput),
            (limits.min_throughput > 0.0, limits.min_throughput / (throughput / family.margin)),
            (np.isfinite(limits.max_power_kw), gpus[fits] * board_w / 1000.0 / limits.max_power_kw),
            (np.isfinite(most_j), family.margin * joules[fits] / most_j),
            (np.isfinite(most_kg), family.margin * kilograms / most_kg),
        ]
        excess = np.full(len(latency), np.inf)
        excess[fits] = sum(
            (np.log(np.maximum(ratio, 1.0)) for limited, ratio in shortfalls if limited), np.zeros(len(fits))
        )
        return excess


def _fastest_drafts(family: Family, setup: Indices, tokens: int, batch: Array, ask: Ask) -> tuple[Indices, Array]:
    """Of the draft setups that can stand beside, the fastest to fit, and its pass; -1 and inf where none does."""
    assert family.drafts is not None
    draft, seconds = np.full(len(setup), -1), np.full(len(setup), np.inf)
    for one in np.unique(setup):
        ask()
        rows = np.flatnonzero(setup == one)
        options = family.beside(int(one))
        if len(options):
            draft[rows] = family.fastest_drafts(np.array([one]), options, batch[rows])[0]
    found = np.flatnonzero(draft >= 0)
    seconds[found] = family.draft_pass(draft[found], tokens).latency_s(batch[found])
    return draft, seconds


@dataclass(slots=True)
class Archive:
    """Everything a search priced; what no other dominates becomes its proposals."""

    space: PricedSpace
    budget: Budget
    evaluations: int = 0
    deadline: float = field(init=False)
    _found: list[Proposals] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = self.budget.deadline()

    @property
    def left(self) -> int:
        """Evaluations left; 0 once time is up."""
        if time.perf_counter() >= self.deadline:
            return 0
        return max(0, self.budget.evaluations - self.evaluations)

    def price(self, decisions: Decisions) -> Prices:
        """Price some decisions and remember those that may be launched."""
        prices = self.space.price(decisions)
        self.evaluations += len(decisions.batch)
        good = np.flatnonzero(prices.admitted)
        best = good[nondominated(prices.latency_s[good], prices.cost_usd_per_mtok[good])]
        self._found.append(_proposals(self.space.families[decisions.family], decisions, prices, best))
        if len(self._found) > _MERGE_AFTER:
            self._found = [_best_of(self._found)]
        return prices

    def proposals(self) -> Proposals:
        """What no other decision that was priced dominates, fastest first."""
        best = _best_of(self._found) if self._found else no_proposals()
        return joined([best, no_proposals(self.evaluations)])


_MERGE_AFTER = 200


def _best_of(parts: list[Proposals]) -> Proposals:
    everything = joined(parts)
    return everything.take(nondominated(everything.latency_s, everything.cost_usd_per_mtok))


def no_proposals(evaluations: int = 0) -> Proposals:
    """Nothing, at some cost."""
    none, nowhere = np.zeros(0), np.zeros(0, dtype=np.intp)
    return Proposals(
        accelerator=nowhere,
        precision=nowhere,
        engine=nowhere,
        degrees=absent_degrees(0),
        batch=none,
        draft_tokens=nowhere,
        draft_degrees=absent_degrees(0),
        latency_s=none,
        cost_usd_per_mtok=none,
        evaluations=evaluations,
    )


def _proposals(family: Family, decisions: Decisions, prices: Prices, rows: Indices) -> Proposals:
    drafts, chosen = absent_degrees(len(rows)), prices.draft[rows]
    if family.drafts is not None and len(family.drafts.setups):
        drafts = without(family.drafts.setups.degrees.take(np.maximum(chosen, 0)), chosen < 0)
    return Proposals(
        accelerator=np.full(len(rows), family.accelerator_index),
        precision=np.full(len(rows), family.precision_index),
        engine=np.full(len(rows), NO_SERVER if family.server is None else family.engine_index),
        degrees=family.setups.degrees.take(decisions.setup[rows]),
        batch=decisions.batch[rows].astype(float),
        draft_tokens=decisions.draft_tokens[rows],
        draft_degrees=drafts,
        latency_s=prices.latency_s[rows],
        cost_usd_per_mtok=prices.cost_usd_per_mtok[rows],
        evaluations=0,
    )
