"""The setups behind the rows of a plan, and what holds each: speed, first token, memory or the batches listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ieco_opt.errors import ScenarioError
from ieco_opt.fleet.columns import Candidates, SetupTable
from ieco_opt.fleet.instances import DecodingSetups, PhaseSetups, PrefillSetups
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.fleet.verify import margin_of_row
from ieco_opt.pareto.describe import exchange_number, names_of
from ieco_opt.pareto.resident import resident_of
from ieco_opt.results.fleet_explanation import Held, HeldBy
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.plan import FleetPlan


@dataclass(frozen=True, slots=True)
class Setup:
    """The setup of a row at its batch, for the class of requests that the row is about; ``at`` is its position."""

    row: InstanceRow
    candidate: Candidates
    table: SetupTable
    setups: PhaseSetups
    at: int
    batch: int


def setup_of(space: FleetSpace, row: InstanceRow) -> Setup | None:
    """The setup of a row; ``None`` for an operating point.

    Raises
    ------
    ScenarioError
        The scenario has none such: it, or the row, was changed.
    """
    if row.parallelism is None or row.batch is None:
        return None
    workload = next(at for at, each in enumerate(space.candidates) if each.workload.workload.name == row.workload)
    candidate = space.candidates[workload]
    pool = [each.name for each in space.pools].index(row.pool)
    found: list[Setup] = []
    for table in candidate.tables:
        alike = (table.phase.value, table.engine) == (row.phase, row.engine) and pool in table.pools
        if alike and names_of(table.precision) == (row.weights, row.kv_cache):
            found += _positions(row, candidate, table, row.batch)
    if not found:
        name = f"{row.workload} {row.phase} {row.instance_type}"
        message = f"found {name}, which is no configuration of the scenario that fits in memory"
        raise ScenarioError.single(message, field="plans")
    # Of a request mix the row is about its slowest class.
    return min(found, key=lambda each: abs(_seconds(each) - _said_s(row)))


def _positions(row: InstanceRow, candidate: Candidates, table: SetupTable, batch: int) -> Iterator[Setup]:
    for setups in table.setups:
        same = (setups.keys() == _key(row, setups)).all(axis=1)
        yield from (Setup(row, candidate, table, setups, int(at), batch) for at in np.flatnonzero(same))


def _key(row: InstanceRow, setups: PhaseSetups) -> list[int]:
    """A row in the order of ``PhaseSetups.keys``."""
    exchange = exchange_number(setups.family, row.exchange)

    def degrees(held: Parallelism | None) -> list[int]:
        if held is None:
            return [0] * 7
        split = [held.stage_ranks, held.pipeline, held.expert, held.attention_data, held.redundant_experts]
        return [*split, exchange, int(held.layout == "2d")]

    return [*degrees(row.parallelism), row.draft_tokens or 0, *degrees(row.draft)]


def _seconds(setup: Setup) -> float:
    batch, rows = np.array([float(setup.batch)]), np.array([setup.at])
    if isinstance(setup.setups, PrefillSetups):
        return float(setup.setups.time.take(rows).latency_s(batch)[0])
    return float(setup.setups.alternatives.take(rows).latency_s(batch)[0])


def _said_s(row: InstanceRow) -> float:
    return row.latency_s or row.time_to_first_token_s or 0.0


def held(space: FleetSpace, plan: FleetPlan) -> tuple[Held, ...]:
    """What holds the instances of each row of a plan."""
    return tuple(_held(space, row) for row in plan.instances)


def _held(space: FleetSpace, row: InstanceRow) -> Held:
    asked = next(each.workload for each in space.resolved.workloads if each.workload.name == row.workload)
    margin = margin_of_row(space.resolved, row)
    speed, first, longest = row.speed_tokens_per_s, row.time_to_first_token_s, asked.max_time_to_first_token_s
    memory = row.memory_per_gpu_gb
    after, broken = _next(setup_of(space, row), margin)
    return Held(
        workload=row.workload,
        phase=row.phase,
        pool=row.pool,
        instance_type=row.instance_type,
        tpot_share=None if asked.min_speed is None or speed is None else margin * asked.min_speed / speed,
        first_token_share=None if longest is None or first is None else margin * first / longest,
        memory_share=None if memory is None or not row.memory_limit_gb else memory / row.memory_limit_gb,
        load=margin * (1.0 + asked.headroom) * row.utilization,
        next_batch=after,
        held_by=broken,
    )


def _next(setup: Setup | None, margin: float) -> tuple[int | None, tuple[HeldBy, ...]]:
    """The next greater batch, and what it would break."""
    if setup is None or isinstance(setup.setups, PrefillSetups):
        return None, ()
    alternative = setup.setups.alternatives.take(np.array([setup.at]))
    step = int(alternative.batch_step[0])
    after, listed = _after(setup.batch, step, setup.setups.batches)
    sequences = np.array([float(after)])
    latency = alternative.latency_s(sequences)
    service = setup.candidate.service(1.0, margin)
    broken: list[HeldBy] = ["TPOT"] if latency[0] > service.max_latency_s else []
    if setup.row.phase == "colocated" and np.isfinite(service.max_time_to_first_token_s):
        first = setup.setups.take(np.array([setup.at])).time_to_first_token_s(latency, sequences)
        broken += ["TTFT"] if first[0] > service.max_time_to_first_token_s else []
    taken = resident_of(setup.setups.family, alternative, after)
    if taken.used > taken.usable:
        broken.append("memory")
    if not listed or after > setup.candidate.workload.design_space.batch_max:
        broken.append("design_space.batch")
    return after, tuple(broken)


def _after(batch: int, step: int, listed: Sequence[int] | None) -> tuple[int, bool]:
    """The next batch that is a multiple of its step, and whether it is among those listed."""
    if listed is None:
        return batch + step, True
    found = next((each for each in listed if each > batch and not each % step), None)
    return (batch + step, False) if found is None else (found, True)


def decoding(setup: Setup) -> DecodingSetups:
    """The setups of a row that generates tokens."""
    assert isinstance(setup.setups, DecodingSetups)
    return setup.setups
