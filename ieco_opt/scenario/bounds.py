"""How much work a scenario may ask for: its lists multiply, and what they ask for is counted before it is priced."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ieco_opt.catalog.types import Fidelity
from ieco_opt.defaults import DEFAULT_MAX_SETUPS
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.deployment import ResolvedDesignSpace, Scenario
from ieco_opt.scenario.fleet import FleetWorkload
from ieco_opt.scenario.speculation import Speculation

_BATCHES_AT_ONCE = 256
"""In ``paper``, with speculation and a cap on throughput, every batch is looked at: so many cost as much as a setup."""

_SHOWN = 4

Factors = dict[str, int]
"""Lengths of the lists that multiply, by the name of the field."""


def factors_of(scenario: Scenario, space: ResolvedDesignSpace, engines: int) -> Factors:
    """Lists of a deployment that multiply, with the number of its servers; lists of one entry are among them."""
    factors = _of_space(space)
    factors |= {"weights": max(1, len(scenario.weights)), "accelerators": len(scenario.accelerators)}
    factors |= {"kv_cache": len(scenario.kv_cache), "engine": max(1, engines)}
    factors |= _of_speculation(scenario.speculation)
    capped = scenario.fidelity is Fidelity.PAPER and scenario.limits.max_throughput is not None
    if space.batches is None and scenario.speculation is not None and capped:
        factors["batch"] = math.ceil((space.batch_max - space.batch_min + 1) / _BATCHES_AT_ONCE)
    return factors


def factors_of_workload(workload: FleetWorkload, space: ResolvedDesignSpace, hardware: int, engines: int) -> Factors:
    """Lists of a workload that multiply, with the numbers of different accelerators and of servers that it may use."""
    phases = {"colocated": 1, "disaggregated": 2}
    return _of_space(space) | {
        "weights": max(1, len(workload.weights)),
        "kv_cache": len(workload.kv_cache),
        "accelerators of its pools": hardware,
        "engine": max(1, engines),
        "request_mix": len(workload.classes),
        "phases of serving": sum(phases[mode] for mode in workload.serving),
        **_of_speculation(workload.speculation),
    }


def check(origin: Origin, parts: Iterable[tuple[Location, Factors]]) -> None:
    """Refuse lists that multiply to more configurations than the scenario may ask for.

    Parameters
    ----------
    parts
        What multiplies, by the place of the fields: a scenario, or each workload of a fleet.

    Raises
    ------
    ScenarioError
        One line, at the part that asks for most, with its longest lists.
    """
    most = DEFAULT_MAX_SETUPS if origin.max_setups is None else origin.max_setups
    counted = [(math.prod(factors.values()), location, factors) for location, factors in parts]
    total = sum(count for count, _, _ in counted)
    if total <= most:
        return
    count, location, factors = max(counted, key=lambda each: each[0])
    longest = sorted((name for name in factors if factors[name] > 1), key=lambda name: -factors[name])
    lists = " x ".join(f"{name} {factors[name]:,}" for name in longest[:_SHOWN])
    here = f"{count:,} of the {total:,} configurations" if len(counted) > 1 else f"{total:,} configurations"
    beyond = " x others" if len(longest) > _SHOWN else ""
    narrow = " or ".join(longest[:2]) if longest else "the number of workloads"
    message = (
        f"found lists for {here} to price ({lists}{beyond}), expected at most {most:,}; shorten {narrow}, or raise "
        "max_setups (--max-setups)"
    )
    raise ScenarioError([origin.fault((*location, "design_space"), message)])


def _of_space(space: ResolvedDesignSpace) -> Factors:
    ranks = "tensor_parallel" if space.stage_ranks is None else "stage_ranks"
    lists: dict[str, tuple[object, ...] | None] = {
        ranks: space.tensor_parallel if space.stage_ranks is None else space.stage_ranks,
        "attention_data_parallel": space.attention_data_parallel,
        "pipeline_parallel": space.pipeline_parallel,
        "expert_parallel": space.expert_parallel,
        "redundant_experts": space.redundant_experts,
        "tensor_layout": space.tensor_layout,
        "batch": space.batches,
    }
    return {name: 1 if entries is None else len(entries) for name, entries in lists.items()}


def _of_speculation(speculation: Speculation | None) -> Factors:
    """Numbers of draft tokens, none among them."""
    return {} if speculation is None else {"max_draft_tokens": speculation.choices}
