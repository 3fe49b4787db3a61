"""The design space that a scenario asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ieco_opt.catalog.types import Fidelity, Model, PaperModel
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.building import FamilyRequest
from ieco_opt.design_space.families import DecodeContext, Speculation
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.setups import DegreeChoices
from ieco_opt.design_space.space import DesignSpace, Kept, PricedSpace, build_design_space, price_design_space
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.reserve import ServerMemory
from ieco_opt.performance.servers import EngineChoices
from ieco_opt.performance.speculation import yield_of
from ieco_opt.scenario import FleetWorkload, ResolvedDesignSpace, ResolvedScenario, Scenario
from ieco_opt.scenario import Speculation as AskedSpeculation
from ieco_opt.scenario.margin import band_error


def design_space_of(
    resolved: ResolvedScenario,
    limits: Limits | None = None,
    ask: Ask = go_on,
    *,
    measure: Measure = Measure.COST,
    pessimistic: bool = False,
    kept: Kept | None = None,
) -> DesignSpace:
    """Enumerate and prune the alternatives of a scenario, under its own limits or under others.

    What is dropped is slower than another deployment and takes more of ``measure``, so each has a space of its own.
    ``pessimistic``: every latency, cost and energy is that of the pessimistic end of a band. ``kept`` is that of
    :func:`build_design_space`.
    """
    return build_design_space(
        replace(family_request(resolved, pessimistic=pessimistic), measure=measure),
        resolved.accelerators,
        resolved.precisions or (None,),
        limits_of(resolved.scenario) if limits is None else limits,
        ask,
        kept,
    )


def priced_space_of(resolved: ResolvedScenario, limits: Limits, ask: Ask = go_on) -> PricedSpace:
    """Enumerate and price the alternatives of a scenario whose cost is to be little, under some limits."""
    request, precisions = family_request(resolved), resolved.precisions or (None,)
    return price_design_space(request, resolved.accelerators, precisions, limits, ask)


def family_request(resolved: ResolvedScenario, *, pessimistic: bool = False) -> FamilyRequest:
    """What the setups of a scenario have in common, priced as the model says or at the pessimistic end of a band."""
    scenario, listed = resolved.scenario, resolved.design_space
    return FamilyRequest(
        model=resolved.model,
        choices=degree_choices(listed),
        batch_min=listed.batch_min,
        batch_max=listed.batch_max,
        context=decode_context(resolved),
        memory=server_memory(scenario),
        speculation=speculation_of(scenario.speculation, resolved.draft),
        engines=EngineChoices(resolved.engines, scenario.model, scenario.engine_factors),
        batches=listed.batches,
        model_error=band_error(scenario) if pessimistic else scenario.model_error,
        pessimistic=pessimistic,
    )


def speculation_of(asked: AskedSpeculation | None, draft: Model | PaperModel | None) -> Speculation | None:
    """The draft that a scenario or a workload looked up, and what its proposals yield there; ``None`` without one."""
    if asked is None or draft is None:
        return None
    return Speculation(draft, yield_of(asked.acceptance, asked.measured, asked.max_draft_tokens))


def degree_choices(listed: ResolvedDesignSpace) -> DegreeChoices:
    """The degrees that a design space lists."""
    return DegreeChoices(
        tensor_parallel=listed.tensor_parallel,
        stage_ranks=listed.stage_ranks,
        pipeline_parallel=listed.pipeline_parallel,
        expert_parallel=listed.expert_parallel,
        redundant_experts=listed.redundant_experts,
        attention_data_parallel=listed.attention_data_parallel,
        tensor_layout=listed.tensor_layout,
        max_gpus=listed.max_gpus,
    )


def decode_context(resolved: ResolvedScenario) -> DecodeContext:
    """Tokens in the cache, and prompts; fidelity ``paper`` knows no growth while a request is generated."""
    workload = resolved.scenario.workload
    if workload.prompt_tokens is not None:
        return DecodeContext.of_requests(workload.prompt_tokens, workload.output_tokens, workload.prefix_hit)
    start = float(workload.first_tokens)
    if resolved.scenario.fidelity is Fidelity.PAPER:
        return DecodeContext(start, start)
    return DecodeContext(start, start + workload.output_tokens)


def server_memory(fields: Scenario | FleetWorkload) -> ServerMemory:
    """What a server may fill, and what it keeps for itself where the scenario says so."""
    reserve = fields.memory_reserve_gb
    return ServerMemory(fields.memory_utilization, reserve_bytes=None if reserve == "auto" else reserve * 1e9)


def limits_of(scenario: Scenario) -> Limits:
    """Limits of a scenario, absent ones with values that never bind; requests to be served are a least throughput."""
    limits = scenario.limits
    least_throughput = limits.min_throughput or scenario.workload.least_throughput
    return Limits(
        min_speed=limits.min_speed or 0.0,
        max_cost=_cap(limits.max_cost),
        max_throughput=_cap(limits.max_throughput),
        min_throughput=least_throughput or 0.0,
        max_power_kw=_cap(limits.max_power_kw),
        max_energy_j_per_token=_cap(limits.max_energy_j_per_token),
        max_carbon_kg_per_mtok=_cap(limits.max_carbon_kg_per_mtok),
        max_time_to_first_token_s=_cap(limits.max_time_to_first_token_s),
        max_end_to_end_s=_cap(limits.max_end_to_end_s),
    )


def _cap(limit: float | None) -> float:
    return np.inf if limit is None else limit
