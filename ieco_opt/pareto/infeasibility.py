"""Why no deployment exists: which rule, or which limit, leaves nothing."""

from __future__ import annotations

from dataclasses import replace

from ieco_opt.design_space.asking import Ask
from ieco_opt.design_space.from_scenario import design_space_of, limits_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.segments import build_segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.scenario.margin import limits_hold
from ieco_opt.solvers.run import Stopped

_NO_LIMITS = Limits()


def why_infeasible(resolved: ResolvedScenario, space: DesignSpace, ask: Ask) -> tuple[str, ...]:
    """What is proven of an infeasible scenario, and then why, as far as there is time to find out."""
    if space.counts.setups == 0:
        rejected = [f"{count} x {reason}" for reason, count in space.counts.rejected.most_common()]
        return ("no configuration of the design space exists", *(rejected or ["it lists none"]))
    limits, held = limits_of(resolved.scenario), limits_hold(resolved.scenario)
    try:
        where = _best_by_limit(resolved, limits, ask) or ["each limit can be met alone, but not all of them together"]
    except Stopped as stop:
        where = [f"which of them excludes what was not looked at: {stop.reason}"]
    proven = f"none of {space.counts.setups} configurations meets the limits at any batch"
    return (proven, *where, *([] if held is None else [held]))


def _best_by_limit(resolved: ResolvedScenario, limits: Limits, ask: Ask) -> list[str]:
    """What each limit leaves by itself: a sentence for every limit that already leaves nothing."""
    found, rate = [], resolved.scenario.workload.requests_per_s
    for name, value, unit in (
        ("min_speed", limits.min_speed, "tokens/s"),
        ("max_cost", limits.max_cost, "$ per million tokens"),
        ("max_throughput", limits.max_throughput, "tokens/s"),
        ("min_throughput", limits.min_throughput, "tokens/s"),
        ("max_power_kw", limits.max_power_kw, "kW"),
        ("max_energy_j_per_token", limits.max_energy_j_per_token, "J per token"),
        ("max_carbon_kg_per_mtok", limits.max_carbon_kg_per_mtok, "kg CO2 per million tokens"),
        ("max_time_to_first_token_s", limits.max_time_to_first_token_s, "s"),
        ("max_end_to_end_s", limits.max_end_to_end_s, "s"),
    ):
        if value == getattr(_NO_LIMITS, name):
            continue
        space = design_space_of(resolved, replace(_NO_LIMITS, **{name: value}), ask)
        if not len(build_segments(space, ask)):
            said = f"limits.{name} = {value:g} {unit}"
            if name == "min_throughput" and rate is not None:
                said = f"workload.requests_per_s = {rate:g} requests/s"
            found.append(f"{said} alone excludes every deployment")
    return found
