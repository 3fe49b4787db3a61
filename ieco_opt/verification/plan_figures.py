"""Every figure of the instances of a plan computed again by the performance model, or found among operating points.

The formulas stand here once more, apart from fleet/describe.py, so that a wrong one there is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.starting import same_setups, starting
from ieco_opt.fleet.columns import Candidates, SetupTable
from ieco_opt.fleet.instances import DecodingSetups, PrefillSetups, Service
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.fleet.tables import price_tables
from ieco_opt.pareto.describe import component_seconds, draft_of, exchange_number, names_of
from ieco_opt.pareto.resident import resident, resident_of
from ieco_opt.pareto.trusted import trusted, trusted_prefill
from ieco_opt.performance.arithmetic import useful_s
from ieco_opt.performance.serving import Phase, first_token_of, prompt_chunks
from ieco_opt.performance.traffic import Traffic, prefill_traffic
from ieco_opt.results.agreement import EXACT, differences, exceeds, shown
from ieco_opt.results.deployment import RESOURCES, bottleneck_of
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import ResolvedFleet, ResolvedWorkload
from ieco_opt.verification.deployments import DEGREES
from ieco_opt.verification.plan_energy import energy_problems
from ieco_opt.verification.plan_points import of_operating_points

_ATTAINED = 1.0 - EXACT
"""Share of the speed factor at which batches are looked up: the one that attains it must not fail by rounding."""


@dataclass(frozen=True, slots=True)
class _Priced:
    """One class of requests on the instances of a row: what one of them serves, and its figures.

    ``busy_s`` are the busy seconds of a request, ``tokens`` those of it that count in throughput.
    """

    requests_per_s: float
    figures: dict[str, Any]
    busy_s: float
    tokens: float


class PlanModel:
    """What the workloads of a fleet could run on, priced once for all rows of all plans, unless that is given."""

    def __init__(self, resolved: ResolvedFleet, candidates: Sequence[Candidates] | None = None) -> None:
        self.resolved = resolved
        self._given = candidates
        self._workloads = {each.workload.name: each for each in resolved.workloads}
        self._pools = {pool.name: at for at, pool in enumerate(resolved.pools)}
        self._positions: dict[int, dict[tuple[int, ...], int]] = {}

    @cached_property
    def candidates(self) -> dict[str, Candidates]:
        """Everything that each workload could run on."""
        if self._given is not None:
            return dict(zip(self._workloads, self._given, strict=True))
        tables, pools = price_tables(self.resolved, ()), self.resolved.pools
        return {name: build_candidates(each, pools, known=tables) for name, each in self._workloads.items()}

    def problems(self, plan: FleetPlan) -> Iterator[str]:
        """Rows of a plan that do not exist, and figures that come out otherwise."""
        for row in plan.instances:
            workload = self._workloads.get(row.workload)
            if workload is not None and row.pool in self._pools:
                name = f"workload {row.workload}: {row.phase} {row.instance_type}"
                yield from (f"{name}: {problem}" for problem in self._wrong(workload, plan, row))

    def _wrong(self, workload: ResolvedWorkload, plan: FleetPlan, row: InstanceRow) -> Iterator[str]:
        candidate = self.candidates[row.workload]
        factor = plan.speed_factor * _ATTAINED
        if row.parallelism is None:
            pool = self.resolved.pools[self._pools[row.pool]]
            yield from of_operating_points(candidate, self._pools[row.pool], row, candidate.service(factor), pool)
            return
        if row.parallelism.gpus != row.gpus:
            yield f"gpus: found {row.gpus}, its degrees multiply to {row.parallelism.gpus}"
        listed = [names_of(each) for each in workload.precisions]
        if (row.weights, row.kv_cache) not in listed:
            known = " or ".join(f"{weights} with a cache in {cache}" for weights, cache in listed)
            yield f"weights, kv_cache: found {row.weights} with a cache in {row.kv_cache}, expected {known}"
            return
        table = self._table(candidate, row)
        if table is None:
            # Of a phase or a pool that the workload must not use the check of the plan says so.
            others = sorted({shown(each.engine) for each in self._tables(candidate, row)})
            if others:
                yield f"engine: found {shown(row.engine)}, expected {' or '.join(others)}"
            return
        positions = [self._position(setups, row) for setups in table.setups]
        if all(at is None for at in positions):
            yield f"{DEGREES}: is no configuration of the workload that fits in memory"
            return
        if row.batch is None:
            yield "batch: found null, expected the sequences in flight"
            return
        mixed = len(table.setups) > 1
        priced: list[_Priced] = []
        engines: list[set[str]] = []
        for index, (setups, at) in enumerate(zip(table.setups, positions, strict=True)):
            if at is None:
                continue
            batch = _batch(setups, at, candidate.service(factor, table.margin)) if mixed else row.batch
            problem = None if mixed else _impossible(setups, at, batch, candidate)
            if problem is not None:
                yield problem
            elif batch:
                engines.append(set(_starting(table, setups, index, at, batch)))
                priced.append(self._priced(setups, at, batch, row, self._received(candidate, plan, row, index, factor)))
        if priced:
            yield from _compared(row, priced)
            yield from energy_problems(
                self.resolved.pools[self._pools[row.pool]], row, [one.busy_s for one in priced], *_of_token(priced)
            )
            expected = ",".join(sorted(set.intersection(*engines))) or None
            if row.engines != expected:
                yield f"engines: found {shown(row.engines)}, expected {shown(expected)}"

    def _table(self, candidate: Candidates, row: InstanceRow) -> SetupTable | None:
        return next((each for each in self._tables(candidate, row) if each.engine == row.engine), None)

    def _tables(self, candidate: Candidates, row: InstanceRow) -> Iterator[SetupTable]:
        """Setups of the phase, precision and pool of a row, of any engine."""
        pool = self._pools[row.pool]
        for table in candidate.tables:
            alike = table.phase.value == row.phase and names_of(table.precision) == (row.weights, row.kv_cache)
            if alike and pool in table.pools:
                yield table

    def _position(self, setups: DecodingSetups | PrefillSetups, row: InstanceRow) -> int | None:
        """Position of the setup that a row names."""
        known = self._positions.get(id(setups))
        if known is None:
            known = {tuple(key): at for at, key in enumerate(setups.keys().tolist())}
            self._positions[id(setups)] = known
        return known.get(_key(row, setups.family))

    def _received(self, candidate: Candidates, plan: FleetPlan, row: InstanceRow, index: int, factor: float) -> float:
        """Longest time that a decode instance of the plan takes to receive the cache of a prompt of one class."""
        longest = 0.0
        for other in plan.instances if row.phase == Phase.PREFILL.value else ():
            if other.workload != row.workload or other.phase != Phase.DECODE.value or other.parallelism is None:
                continue
            table = self._table(candidate, other) if other.pool in self._pools else None
            at = None if table is None else self._position(table.setups[index], other)
            if table is None or at is None:
                continue
            setups = table.setups[index]
            if len(table.setups) == 1 or _batch(setups, at, candidate.service(factor, table.margin)):
                longest = max(longest, float(setups.transfer_s[at]))
        return longest

    def _priced(
        self, setups: DecodingSetups | PrefillSetups, at: int, batch: int, row: InstanceRow, received_s: float
    ) -> _Priced:
        if isinstance(setups, PrefillSetups):
            return _prefilling(setups, at, batch, row, received_s)
        return _decoding(setups, at, batch, row)


def _compared(row: InstanceRow, priced: list[_Priced]) -> Iterator[str]:
    """What a row says against what its classes can serve, and against the figures of the slowest.

    The time to first token is the longest: where tokens are quick, prompts may be long.
    """
    each = row.capacity_requests_per_s / row.instances
    served = [one.requests_per_s for one in priced]
    if exceeds(each, max(served)) or exceeds(min(served), each):
        between = shown(max(served)) if len(served) == 1 else f"{shown(min(served))} to {shown(max(served))}"
        yield f"capacity_requests_per_s: serves {each:.9g} requests/s, the performance model says {between}"
    slowest = _slowest(priced)
    firsts = [one.figures["time_to_first_token_s"] for one in priced]
    expected = slowest.figures | {"time_to_first_token_s": max((s for s in firsts if s is not None), default=None)}
    found = {name: getattr(row, name) for name in expected}
    for wrong in differences(found, expected):
        yield f"{wrong.place}: found {shown(wrong.found)}, the performance model gives {shown(wrong.expected)}"


def _slowest(priced: list[_Priced]) -> _Priced:
    return max(priced, key=lambda one: one.figures["latency_s"] or one.figures["time_to_first_token_s"])


def _of_token(priced: list[_Priced]) -> tuple[float, float]:
    """Busy seconds of a token of the slowest class, and tokens/s."""
    slowest = _slowest(priced)
    return slowest.busy_s / slowest.tokens, slowest.figures["throughput_tokens_per_s"]


def _key(row: InstanceRow, family: Family) -> tuple[int, ...]:
    """The setup of a row in the order of ``PhaseSetups.keys``."""
    exchange = exchange_number(family, row.exchange)

    def degrees(held: Parallelism | None) -> list[int]:
        if held is None:
            return [0] * 7
        degrees = [held.stage_ranks, held.pipeline, held.expert, held.attention_data, held.redundant_experts]
        return [*degrees, exchange, int(held.layout == "2d")]

    return (*degrees(row.parallelism), row.draft_tokens or 0, *degrees(row.draft))


def _starting(
    table: SetupTable, setups: DecodingSetups | PrefillSetups, class_index: int, at: int, batch: int
) -> tuple[str, ...]:
    """Servers that start the setup of a row for one class of requests."""
    rows = np.array([at])
    held = setups.family.alternatives(rows, 0) if isinstance(setups, PrefillSetups) else setups.alternatives.take(rows)
    return starting(table.offered[class_index], held, batch)


def _batch(setups: DecodingSetups | PrefillSetups, at: int, service: Service) -> int:
    """Largest batch of a setup that meets a service; 0 where none does."""
    if isinstance(setups, PrefillSetups):
        return int(setups.capacities(service).batch[at])
    return int(setups.take(np.array([at])).capacities(service).batch[0])


def _impossible(setups: DecodingSetups | PrefillSetups, at: int, batch: int, candidate: Candidates) -> str | None:
    """Why a batch does not exist, if it does not."""
    if isinstance(setups, PrefillSetups):
        prompts = int(setups.prompts[at])
        return None if batch == prompts else f"batch: found {batch}, expected {prompts}, a prompt for each stage"
    low, high = int(setups.alternatives.batch_min[at]), int(setups.alternatives.batch_max[at])
    if not low <= batch <= high:
        return f"batch {batch} does not fit in memory, which holds {low} to {high}"
    step = int(setups.alternatives.batch_step[at])
    if batch % step:
        return f"batch: found {batch}, expected a multiple of {step}: groups and micro-batches are whole"
    listed = candidate.workload.design_space.batches
    return None if listed is None or batch in listed else f"batch {batch} is not listed"


def _decoding(setups: DecodingSetups, at: int, batch: int, row: InstanceRow) -> _Priced:
    alternative, family = setups.alternatives.take(np.array([at])), setups.family
    sequences = np.array([float(batch)])
    latency = alternative.latency_s(sequences)
    throughput, context = float(sequences[0] / latency[0]), family.context
    traffic = context.traffic(1.0, context.prompts_per_token)
    times = component_seconds(alternative, sequences)
    served, first = throughput / setups.output_tokens, None
    if setups.phase is Phase.COLOCATED:
        tokens = float(setups.tokens_per_pass[at])
        first = _first_token_s(family, alternative, batch, tokens * float(latency[0]))
    elif setups.transfer_s[at] > 0.0:
        served = min(served, 1.0 / float(setups.transfer_s[at]))
    figures = {
        "speed_tokens_per_s": 1.0 / float(latency[0]),
        "latency_s": float(latency[0]),
        "time_to_first_token_s": first,
        "throughput_tokens_per_s": throughput,
        "batch": batch,
        "draft_tokens": int(alternative.draft_tokens[0]),
        **draft_of(family, alternative),
        "mfu": _mfu(setups, throughput, traffic, row.gpus),
        **resident_of(family, alternative, batch).columns(),
        **trusted(family, alternative, batch),
        **times,
        "bottleneck": bottleneck_of(times),
    }
    busy_s = setups.output_tokens * float(alternative.busy_s(sequences)[0]) / batch
    return _Priced(served, figures, busy_s, setups.output_tokens)


def _first_token_s(family: Family, alternative: Alternatives, batch: int, round_s: float) -> float:
    """Time to first token of one alternative at a batch, with ``round_s`` seconds of the pass that generates it."""
    prompt, found = family.context.prompt_tokens, family.context.prefix_tokens
    chunks = prompt_chunks(family.memory.engine, family.accelerator, prompt - found)
    traffic, drafting = prefill_traffic(prompt, found, chunks), bool(alternative.draft_tokens[0])
    setup, groups = same_setups(family.setups.degrees, alternative.degrees), alternative.degrees.groups
    chunk_s = family.timed(setup, traffic, drafting=drafting).latency_s(groups)[0]
    if drafting:
        chunk_s += family.draft_timed(family.beside(int(setup[0])), traffic).latency_s(groups)[0]
    first = first_token_of(family.accelerator)
    others = first.prompts_in_the_way * batch / groups[0]
    return float(first.seconds + chunks * chunk_s * (1.0 + others) + round_s)


def _prefilling(setups: PrefillSetups, at: int, batch: int, row: InstanceRow, received_s: float) -> _Priced:
    prompts, time = np.array([float(batch)]), setups.time.take(np.array([at]))
    pass_s, sent_s = float(time.latency_s(prompts)[0]), float(setups.transfer_s[at])
    fixed_s = first_token_of(setups.family.accelerator).seconds
    parts = time.components(prompts)
    times = {name: float(getattr(parts, name)[0]) for name in RESOURCES}
    tokens = setups.family.context.prompt_tokens
    served = batch / pass_s if sent_s == 0.0 else min(batch / pass_s, 1.0 / sent_s)
    traffic = prefill_traffic(tokens, setups.family.context.prefix_tokens)
    figures = {
        "speed_tokens_per_s": None,
        "latency_s": None,
        "time_to_first_token_s": fixed_s + pass_s + max(sent_s, received_s),
        "throughput_tokens_per_s": served * tokens,
        "batch": batch,
        "draft_tokens": 0,
        "draft_mode": None,
        "draft_model": None,
        "mfu": _mfu(setups, served, traffic, row.gpus),
        **resident(setups.family, setups.degrees.take(np.array([at])), batch).columns(),
        **trusted_prefill(setups.family),
        **times,
        "bottleneck": bottleneck_of(times),
    }
    return _Priced(served, figures, float(time.busy_s(prompts)[0]) / batch, tokens)


def _mfu(setups: DecodingSetups | PrefillSetups, per_s: float, traffic: Traffic, gpus: int) -> float:
    """Share of the peak that GPUs compute at where what ``traffic`` says is done ``per_s`` times a second."""
    return per_s * float(useful_s(setups.family.shape, setups.family.accelerator, traffic)) / gpus
