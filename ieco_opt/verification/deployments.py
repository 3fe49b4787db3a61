"""Every figure of saved deployments computed again by the performance model: no program, no solver, no dominance.

Each deployment is rebuilt from its columns, priced, and checked against memory, rules and limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.building import build_families
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request, limits_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.starting import starting
from ieco_opt.pareto.describe import (
    component_seconds,
    draft_of,
    energy_of,
    exchange_number,
    joined_engines,
    names_of,
    requests_of,
    rows_of,
)
from ieco_opt.pareto.resident import resident_of
from ieco_opt.pareto.trusted import trusted
from ieco_opt.performance.arithmetic import useful_s
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.economics import model_flops_utilization
from ieco_opt.results.agreement import differences, exceeds, shown
from ieco_opt.results.deployment import Deployment, bottleneck_of
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.scenario import ResolvedScenario

DEGREES = (
    "tensor_parallel, attention_data_parallel, pipeline_parallel, expert_parallel, redundant_experts or tensor_layout"
)
"""Columns of a configuration."""


class DeploymentModel:
    """The setups of a scenario, and the figures of the deployments that were looked up in them.

    ``pessimistic``: the figures are those at the pessimistic end of a band.
    """

    def __init__(self, resolved: ResolvedScenario, *, pessimistic: bool = False) -> None:
        self._resolved = resolved
        self._families = _families_of(resolved, pessimistic=pessimistic)
        self._known: dict[tuple[object, ...], tuple[dict[str, Any], tuple[str, ...]] | str] = {}

    def problems(self, deployments: Sequence[Deployment]) -> Iterator[str]:
        """Deployments that do not exist, and figures and limits that the performance model does not confirm."""
        for at, deployment in enumerate(deployments):
            yield from (f"deployments[{at}]: {problem}" for problem in self._wrong(deployment))

    def _wrong(self, one: Deployment) -> Iterator[str]:
        key = (
            *(one.accelerator, one.weights, one.kv_cache, one.engine, one.exchange),
            *(one.parallelism, one.draft_tokens, one.draft, one.batch),
        )
        if key not in self._known:
            self._known[key] = self._looked_up(one)
        known = self._known[key]
        if isinstance(known, str):
            yield known
            return
        expected, missed = known
        found = {name: getattr(one, name) for name in expected}
        for each in differences(found, expected):
            yield f"{each.place}: found {shown(each.found)}, the performance model gives {shown(each.expected)}"
        yield from missed

    def _looked_up(self, one: Deployment) -> tuple[dict[str, Any], tuple[str, ...]] | str:
        """Figures of a deployment and what it misses; or why it does not exist."""
        families = self._families.get((one.accelerator, one.weights, one.kv_cache))
        if families is None:
            found = f"{one.accelerator}, {shown(one.weights)} and {shown(one.kv_cache)}"
            return f"accelerator, weights, kv_cache: found {found}, which the scenario does not list together"
        family = families.get(one.engine)
        if family is None:
            expected = " or ".join(shown(each) for each in families)
            return f"engine: found {shown(one.engine)}, expected {expected}"
        row = _row(family, one, self._resolved.design_space.batches)
        if isinstance(row, str):
            return row
        engines = joined_engines(starting(tuple(families.values()), row, one.batch))
        figures = _figures(family, row, one.batch) | {"engines": engines}
        return figures, tuple(_missed(limits_of(self._resolved.scenario), row, one.batch))


def _families_of(
    resolved: ResolvedScenario, *, pessimistic: bool
) -> dict[tuple[str, str | None, str | None], dict[str | None, Family]]:
    """The setups of every accelerator and precision of a scenario by their names, and by server."""
    request, precisions = family_request(resolved, pessimistic=pessimistic), resolved.precisions or (None,)
    return {
        (accelerator[1].name, *names_of(precision[1])): {
            family.engine: family for family in build_families(request, accelerator, precision)[0]
        }
        for accelerator in enumerate(resolved.accelerators)
        for precision in enumerate(precisions)
    }


def _position(degrees: Degrees, held: Parallelism, exchange: int) -> int | None:
    """Row of the setup that a record names, if it is one of the scenario's."""
    rows = np.flatnonzero(rows_of(degrees, held) & (degrees.spread.exchange == exchange))
    return int(rows[0]) if len(rows) else None


def _row(family: Family, deployment: Deployment, listed: tuple[int, ...] | None) -> Alternatives | str:
    """The alternative that a deployment names if its batch exists and fits; otherwise what is not so."""
    held, draft, tokens, batch = deployment.parallelism, deployment.draft, deployment.draft_tokens, deployment.batch
    exchange = exchange_number(family, deployment.exchange)
    setup = _position(family.setups.degrees, held, exchange)
    if setup is None:
        if rows_of(family.setups.degrees, held).any():
            return f"exchange: found {shown(deployment.exchange)}, which the server does not do in {held.short()}"
        return f"{DEGREES}: found {held.short()}, which is not part of the scenario's design space, or does not fit"
    if tokens == 0 and draft is None:
        row = family.alternatives(np.array([setup]), 0)
    elif family.drafts is None or draft is None or tokens not in family.draft_range:
        beside = "no draft model" if draft is None else "a draft model"
        return f"draft_tokens: found {tokens} with {beside}, which is not part of the scenario's design space"
    else:
        position = _draft_position(family, setup, draft)
        if position is None:
            return f"draft_{DEGREES}: found {draft.short()}, which is not part of the scenario's design space"
        row = family.alternatives(np.array([setup]), tokens, np.array([position]))
    low, high, step = int(row.batch_min[0]), int(row.batch_max[0]), int(row.batch_step[0])
    if not low <= batch <= high:
        return f"batch: found {batch}, expected {low} to {high}, which exist and fit in memory"
    if batch % step:
        return f"batch: found {batch}, expected a multiple of {step}: groups and micro-batches are whole"
    if listed is not None and batch not in listed:
        return f"batch: found {batch}, expected one of {', '.join(map(str, listed))}"
    return row


def _draft_position(family: Family, setup: int, held: Parallelism) -> int | None:
    """Row of the draft setup that a record names, if it can stand beside a setup of the model."""
    assert family.drafts is not None
    beside = family.beside(setup)
    same = rows_of(family.drafts.setups.degrees.take(beside), held)
    return int(beside[same][0]) if same.any() else None


def _figures(family: Family, row: Alternatives, sequences: int) -> dict[str, Any]:
    """What the performance model says of a deployment."""
    batch = np.array([float(sequences)])
    latency = row.latency_s(batch)
    times = component_seconds(row, batch)
    power = float(row.power_kw[0])
    return {
        "latency_s": float(latency[0]),
        **draft_of(family, row),
        "cost_usd_per_mtok": float(row.cost_usd_per_mtok(latency, batch)[0]),
        "gpus": int(row.gpus[0]),
        **energy_of(family, row, latency, batch),
        **requests_of(family, row, latency, batch),
        "mfu": _mfu(family, row, float(latency[0]), batch),
        "power_kw": None if np.isnan(power) else power,
        **resident_of(family, row, sequences).columns(),
        **trusted(family, row, sequences),
        **times,
        "bottleneck": bottleneck_of(times),
    }


def _mfu(family: Family, row: Alternatives, latency_s: float, batch: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    useful = useful_s(family.shape, family.accelerator, family.context.useful)
    return float(model_flops_utilization(batch / latency_s, useful, row.gpus)[0])


def _missed(asked: Limits, row: Alternatives, sequences: int) -> Iterator[str]:
    """Limits that a deployment misses with the error that is planned with; those that it just meets are met."""
    batch = np.array([float(sequences)])
    latency = row.latency_s(batch)
    late, throughput = float(row.at_limits(latency)[0]), float(batch[0] / row.nominal(latency)[0])
    cost, joules, kilograms = (
        float(row.at_limits(taken(latency, batch))[0])
        for taken in (row.cost_usd_per_mtok, row.energy_j_per_token, row.carbon_kg_per_mtok)
    )
    first, last = (
        float(row.at_limits(seconds(latency, batch))[0]) for seconds in (row.time_to_first_token_s, row.end_to_end_s)
    )
    for name, least, most in (
        ("min_speed", asked.min_speed, 1.0 / late),
        ("max_cost", cost, asked.max_cost),
        ("max_throughput", throughput, asked.max_throughput),
        ("min_throughput", asked.min_throughput, float(batch[0]) / late),
        ("max_power_kw", float(row.power_kw[0]), asked.max_power_kw),
        ("max_energy_j_per_token", joules, asked.max_energy_j_per_token),
        ("max_carbon_kg_per_mtok", kilograms, asked.max_carbon_kg_per_mtok),
        ("max_time_to_first_token_s", first, asked.max_time_to_first_token_s),
        ("max_end_to_end_s", last, asked.max_end_to_end_s),
    ):
        # Power and carbon that are unknown are refused where they are limited; NaN is above nothing.
        if np.isfinite(most) and exceeds(least, most):
            found = most if name.startswith("min") else least
            yield f"limits: {found:.9g} misses limits.{name} = {getattr(asked, name):g}"
