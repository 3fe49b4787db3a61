"""What explanations, comparisons and alternatives say, as figures by name: two of one kind differ where these do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.comparison import Comparison, HeuristicResult
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.difference import HeuristicChange
from ieco_opt.results.explanation import Explanation, InfeasibleSubset, Loosened, TimeShare
from ieco_opt.results.fleet_explanation import FleetExplanation, Held, TokenTime

_HELD = ("tpot_share", "first_token_share", "memory_share", "load", "next_batch", "held_by")


def of_explanation(result: Explanation) -> dict[str, Any]:
    """Limits by their fields, times by their parts, runner-ups by their configuration; without the deployment."""
    figures: dict[str, Any] = {"binding_together": list(result.binding_together)}
    for effect in result.limits:
        figures |= {
            f"{effect.limit}.binds": effect.binds,
            f"{effect.limit}.improves_from": effect.improves_from,
            f"{effect.limit}.relaxed_gain": _gain(effect.relaxed),
            f"{effect.limit}.removed_gain": _gain(effect.removed),
        }
    if result.infeasible_subset is not None:
        figures |= _of_subset(result.infeasible_subset)
    if result.margin is not None:
        figures["margin.gain"] = result.margin.gain
    for each in result.runner_ups:
        one, name = each.deployment, _unique(f"runner_ups.{_configuration(each.deployment)}", "loss", figures)
        figures |= {
            f"{name}.loss": each.loss,
            f"{name}.speed_tokens_per_s": one.speed_tokens_per_s,
            f"{name}.cost_usd_per_mtok": one.cost_usd_per_mtok,
            f"{name}.batch": one.batch,
        }
    for time in result.times:
        figures[f"times.{time.part}.{time.resource}.{_seconds(time)}"] = time.seconds
    return figures


def _gain(loosened: Loosened | None) -> float | None:
    return None if loosened is None else loosened.gain


def _of_subset(subset: InfeasibleSubset) -> dict[str, Any]:
    """What each limit of an infeasible scenario would have to be, alone and together with others."""
    figures: dict[str, Any] = {f"{each.limit}.needed": each.needed for each in subset.members}
    figures |= {f"{each.limit}.needed_together": each.needed for each in subset.together}
    return figures | {f"rejected.{reason}": count for reason, count in subset.rejected.items()}


def _configuration(one: Deployment) -> str:
    """What tells a runner-up from others, but for its batch."""
    draft = f"{one.draft_tokens} draft tokens" if one.draft_tokens else None
    cache = None if one.kv_cache in (None, "bf16") else f"cache {one.kv_cache}"
    parts = (one.accelerator, one.weights, cache, one.engine, one.parallelism.short(), draft)
    return ", ".join(part for part in parts if part is not None)


def _unique(name: str, field: str, known: Mapping[str, Any]) -> str:
    """A name that no entry before has: configurations may differ in what their names leave out."""
    number, free = 2, name
    while f"{free}.{field}" in known:
        free, number = f"{name} ({number})", number + 1
    return free


def of_fleet_explanation(result: FleetExplanation) -> dict[str, Any]:
    """Limits by their fields, rows by workload, pool, phase and type, runner-ups by what they do without."""
    figures: dict[str, Any] = {"binding_together": list(result.binding_together)}
    for effect in result.limits:
        figures |= {
            f"{effect.limit}.binds": effect.binds,
            f"{effect.limit}.reached": effect.reached,
            f"{effect.limit}.removed_gain": None if effect.removed is None else effect.removed.gain,
            f"{effect.limit}.least": None if effect.least is None else effect.least.value,
            f"{effect.limit}.least_gain": None if effect.least is None else effect.least.gain,
        }
    for each in result.runner_ups:
        name = f"runner_ups.{each.workload} without {each.choice} {each.without}"
        figures[f"{name}.loss"] = each.loss
        figures[f"{name}.possible"] = each.plan is not None
    for held in result.held:
        figures |= {f"held.{_row(held)}.{name}": getattr(held, name) for name in _HELD}
    for time in result.times:
        figures[f"times.{_row(time)}.{time.term}.{_seconds(time)}"] = time.seconds
    return figures


def _seconds(time: TimeShare | TokenTime) -> str:
    """A time may be told in two, what is seen of it and what is hidden."""
    return "hidden_seconds" if time.hidden else "seconds"


def _row(of: Held | TokenTime) -> str:
    return f"{of.workload}.{of.pool}.{of.phase}.{of.instance_type}"


def of_alternatives(result: Alternatives) -> dict[str, Any]:
    """The optimum and the end of the list, then by what each answer uses by how much it is worse."""
    figures: dict[str, Any] = {
        "objective": result.found[0].objective,
        "alternatives": len(result.found),
        "ended": result.ended,
        "complete": result.complete,
        "next_excess": None if result.next_one is None else result.next_one.excess,
    }
    for each in result.found:
        name = _unique(f"found.{'; '.join(map(str, each.combinations))}", "excess", figures)
        figures |= {f"{name}.excess": each.excess, f"{name}.objective": each.objective}
    return figures


def of_comparison(result: Comparison) -> dict[str, Any]:
    """What is measured of each heuristic, by its name."""
    return {
        f"heuristics.{name}.{column}": value
        for name, each in _heuristics(result).items()
        for column, value in each.summary().items()
        if column != "heuristic"
    }


def _heuristics(result: Comparison) -> dict[str, HeuristicResult]:
    return {each.name: each for each in result.heuristics}


def heuristic_changes(before: Comparison, after: Comparison) -> Iterator[HeuristicChange]:
    """Heuristics that find more or less, or that only one of two comparisons has."""
    sides = [_heuristics(each) for each in (before, after)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        one, other = (side.get(name) for side in sides)
        change = HeuristicChange(
            name=name,
            share_found_before=None if one is None else one.share_found,
            share_found_after=None if other is None else other.share_found,
            cost_regret_before=None if one is None else one.cost_regret.median,
            cost_regret_after=None if other is None else other.cost_regret.median,
            hypervolume_before=None if one is None else one.hypervolume_ratio,
            hypervolume_after=None if other is None else other.hypervolume_ratio,
        )
        if change.moved:
            yield change
