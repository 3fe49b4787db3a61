"""What the axes of a fleet's frontier show, and what was asked for of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ieco_opt.reports.figures import style
from ieco_opt.reports.figures.upright import TOKENS_PER_GPU
from ieco_opt.reports.figures.wishes import Wish, speed_wish
from ieco_opt.reports.text import fleet_wording
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import Fleet

COST = "hourly cost ($/h)"


@dataclass(frozen=True, slots=True)
class Axis:
    """One quantity of plans.

    Attributes
    ----------
    title
        Name of the axis, with its unit.
    of, said
        The quantity of a plan, and in words.
    more_is_better
        Whether more of it is better.
    wishes
        What was asked for of it.
    first
        Where the axis begins; ``None``: with the plans.
    is_counted, is_speed
        Whether it is whole numbers, or a speed in tokens/s of a user.
    """

    title: str
    of: Callable[[FleetPlan], float]
    said: Callable[[float], str]
    more_is_better: bool
    wishes: list[Wish] = field(default_factory=list)
    first: float | None = None
    is_counted: bool = False
    is_speed: bool = False


def across_of(result: FleetResult) -> Axis:
    """What a frontier trades cost against; power that is unknown lies at zero."""
    match fleet_wording.against(result):
        case "speed":
            return _speed(result.scenario)
        case "throughput":
            return _throughput(result)
        case "gpus":
            wishes = _most(True, result.scenario.limits.max_gpus, "at most {:,.0f} GPUs")
            gpus = "allocated GPUs"
            return Axis(gpus, lambda plan: float(plan.gpus), "{:,.0f} GPUs".format, False, wishes, is_counted=True)
        case _:
            wishes = _most(True, result.scenario.limits.max_power_kw, "at most {:,.4g} kW")
            return Axis("power (kW)", lambda plan: plan.power_kw or 0.0, "{:,.4g} kW".format, False, wishes)


def _speed(fleet: Fleet) -> Axis:
    """Speed of the one workload, or a common factor on those of all."""
    asked = fleet.workloads[0].min_speed
    if len(fleet.workloads) == 1 and asked is not None:
        return Axis(
            f"least {style.SPEED}",
            lambda plan: plan.speed_factor * asked,
            "{:.4g} tokens/s/user".format,
            True,
            [speed_wish(asked)],
            first=asked,
            is_speed=True,
        )
    title = "common factor on the least speed of every workload"
    wishes = [Wish(True, 1.0, True, "the least speeds asked for")]
    return Axis(title, lambda plan: plan.speed_factor, "{:.3g} times the least speeds".format, True, wishes, first=1.0)


def _throughput(result: FleetResult) -> Axis:
    """Requests/s of the one workload, or a common factor on all demands."""
    workloads = result.scenario.workloads
    asked = all(workload.requests_per_s is not None for workload in workloads)
    if len(workloads) > 1:
        wishes = [Wish(True, 1.0, True, "the demands asked for")] if asked else []
        title = "common factor on all demands"
        return Axis(title, lambda plan: plan.demand_factor, "{:.3g} times the demands".format, True, wishes)
    demand = workloads[0].demand
    wishes = [Wish(True, demand, True, f"at least {demand:,.6g} requests/s")] if asked else []
    return Axis("requests/s", lambda plan: plan.demand_factor * demand, "{:,.4g} requests/s".format, True, wishes)


def upright_of(result: FleetResult, y: str) -> Axis:
    """Hourly cost of a plan, or the output tokens of each allocated GPU."""
    if y == "cost":
        wishes = _most(False, result.scenario.limits.max_usd_per_hour, "budget: at most ${:,.6g}/h")
        return Axis(COST, lambda plan: plan.usd_per_hour, "${:,.2f}/h".format, False, wishes)
    said = f"{{:,.4g}} {TOKENS_PER_GPU}".format
    return Axis(TOKENS_PER_GPU, lambda plan: tokens_per_gpu(result.scenario, plan), said, True)


def tokens_per_gpu(fleet: Fleet, plan: FleetPlan) -> float:
    """Output tokens in a second of what a plan for one workload serves, for each allocated GPU."""
    served = plan.demand_factor * fleet.workloads[0].demand
    return served * mean_output_tokens(fleet) / plan.gpus if plan.gpus else 0.0


def mean_output_tokens(fleet: Fleet) -> float:
    """Tokens that a request of the one workload generates, on average over its classes."""
    classes = fleet.workloads[0].classes
    return sum(each.share * each.output_tokens for each in classes) / sum(each.share for each in classes)


def range_of(values: list[float]) -> tuple[float, float]:
    """Range of some values with room around them."""
    low, high = min(values), max(values)
    room = 0.07 * (high - low) or 0.2 * high or 1.0
    return max(low - room, 0.0), high + room


def _most(across: bool, limit: float | None, words: str) -> list[Wish]:
    return [] if limit is None else [Wish(across, float(limit), False, words.format(limit))]
