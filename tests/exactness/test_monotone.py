"""Whoever may do more never does worse: optima before and after a change that only widens what is allowed.

No oracle takes part, so the laws hold on whatever the seeds draw, also where the optimum is what nobody knows.
"""

from __future__ import annotations

import copy
import functools
import math
import random
from collections.abc import Callable
from typing import Any, Literal

import pytest
from random_fleets import numbered_fleet
from random_scenarios import models, numbered

import ieco_opt
from ieco_opt import Scenario
from ieco_opt.errors import InfeasibleError
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]
Change = Callable[[Mapping, random.Random], bool]
"""Widens a mapping in place; false where the mapping has nothing to widen."""

# As the exactness tests tell deployments and plans apart.
DEPLOYMENTS, FLEETS = 1e-6, 1e-7


def draws(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - test data


# --- deployments ------------------------------------------------------------------------------------------------------

OBJECTIVES: tuple[Literal["fastest", "cheapest", "preferred"], ...] = ("fastest", "cheapest", "preferred")
PREFERENCE = 2.0


def best_deployment(mapping: Mapping, objective: Literal["fastest", "cheapest", "preferred"]) -> float:
    """The objective of the optimum, as something to minimise; inf where nothing is feasible."""
    try:
        found = ieco_opt.solve(Scenario(**mapping), objective=objective, preference=PREFERENCE)
    except InfeasibleError:
        return math.inf
    assert found.status == "optimal"
    return {
        "fastest": found.latency_s,
        "cheapest": found.cost_usd_per_mtok,
        "preferred": found.cost_usd_per_mtok / found.speed_tokens_per_s**PREFERENCE,
    }[objective]


@functools.cache
def best_before(seed: int) -> tuple[float, float, float]:
    """What the drawn deployment reaches for each objective."""
    mapping = numbered(seed)[0].mapping
    fastest, cheapest, preferred = (best_deployment(mapping, objective) for objective in OBJECTIVES)
    return fastest, cheapest, preferred


def _looser(name: str, factor: float) -> Change:
    def loosen(mapping: Mapping, draw: random.Random) -> bool:
        limits = mapping.get("limits", {})
        if name not in limits:
            return False
        mapping["limits"] = {**limits, name: limits[name] * factor}
        return True

    loosen.__name__ = f"looser_{name}"
    return loosen


def _without_limits(mapping: Mapping, draw: random.Random) -> bool:
    return bool(mapping.pop("limits", None))


def _lower_price(mapping: Mapping, draw: random.Random) -> bool:
    by_name = [isinstance(each, str) for each in mapping["accelerators"]]
    if mapping.get("fidelity") == "paper" or not all(by_name):
        return False
    chosen = draw.randrange(len(by_name))
    name = mapping["accelerators"][chosen]
    price = ieco_opt.catalog.accelerator(name).usd_per_gpu_hour
    # A price that is lower only for the catalog's name: the accelerator stays otherwise what it is.
    mapping["accelerators"][chosen] = {"like": name, "name": f"cheaper {name}", "usd_per_gpu_hour": 0.8 * price}
    return True


def _another_accelerator(mapping: Mapping, draw: random.Random) -> bool:
    paper = mapping.get("fidelity") == "paper"
    names = [each if isinstance(each, str) else each["name"] for each in mapping["accelerators"]]
    more = [name for name in (("H100", "V100") if paper else ("H100-SXM", "B200-SXM", "L40S")) if name not in names]
    if paper and "max_power_kw" in mapping.get("limits", {}):
        return False
    mapping["accelerators"].append(draw.choice(more))
    return True


def _more_precisions(mapping: Mapping, draw: random.Random) -> bool:
    if mapping.get("fidelity") == "paper":
        return False
    more = [name for name in ("fp8", "int4", "bf16", "mxfp4") if name not in mapping["weights"]]
    for model in models(mapping):
        more = [name for name in more if not model.published or name in model.published]
    if not more:
        return False
    mapping["weights"].append(draw.choice(more))
    return True


def _both_caches(mapping: Mapping, draw: random.Random) -> bool:
    if mapping.get("fidelity") == "paper" or len(mapping.get("kv_cache", "")) == 2:
        return False
    mapping["kv_cache"] = ["bf16", "fp8"]
    return True


def _no_reserve(mapping: Mapping, draw: random.Random) -> bool:
    if mapping.get("fidelity") == "paper" or mapping.get("memory_reserve_gb") == 0:
        return False
    mapping["memory_reserve_gb"] = 0
    return True


def _more_redundant_experts(mapping: Mapping, draw: random.Random) -> bool:
    listed = mapping["design_space"].get("redundant_experts", "auto")
    if mapping.get("fidelity") == "paper" or listed == "auto":
        return False
    mapping["design_space"]["redundant_experts"] = sorted({*listed, draw.choice((1, 2, 3, 12))})
    return True


def _more_batches(mapping: Mapping, draw: random.Random) -> bool:
    batch = mapping["design_space"]["batch"]
    if isinstance(batch, dict):
        mapping["design_space"]["batch"] = {"min": max(1, batch["min"] - 3), "max": batch["max"] + draw.randint(1, 80)}
    else:
        mapping["design_space"]["batch"] = sorted({*batch, draw.randint(1, 5000)})
    return True


def _more_degrees(mapping: Mapping, draw: random.Random) -> bool:
    space = mapping["design_space"]
    for name in ("tensor_parallel", "stage_ranks", "pipeline_parallel", "attention_data_parallel"):
        if name in space and draw.random() < 0.7:
            space[name] = sorted({*space[name], draw.choice((1, 2, 4, 5, 8))})
    space["tensor_layout"] = ["1d", "2d"]
    return True


def _more_gpus(mapping: Mapping, draw: random.Random) -> bool:
    space = mapping["design_space"]
    if "tensor_parallel" not in space and "stage_ranks" not in space:
        # Stages that are not listed go as far as the GPUs: twice as many are a space beyond any test.
        return False
    space["max_gpus"] *= 2
    return True


def _more_memory(mapping: Mapping, draw: random.Random) -> bool:
    utilization = mapping.get("memory_utilization", 1.0)
    if utilization >= 1.0:
        return False
    mapping["memory_utilization"] = min(1.0, utilization * draw.choice((1.001, 1.05, 1.5)))
    return True


def _longer_drafts(mapping: Mapping, draw: random.Random) -> bool:
    if "speculation" not in mapping:
        return False
    asked = dict(mapping["speculation"])
    if isinstance(asked.get("accepted_tokens"), str):
        # A measured set has no more drafts than were measured.
        return False
    if "accepted_tokens" in asked:
        most = max(asked["accepted_tokens"])
        asked["accepted_tokens"] = {**asked["accepted_tokens"], most + 1: asked["accepted_tokens"][most]}
    if "max_draft_tokens" in asked:
        asked["max_draft_tokens"] += 1
    mapping["speculation"] = asked
    return True


def _speculation(mapping: Mapping, draw: random.Random) -> bool:
    if "speculation" in mapping or mapping.get("fidelity") == "paper":
        return False
    mapping["speculation"] = {"draft_model": "Llama-3.2-1B", "acceptance": 0.8, "max_draft_tokens": 3}
    return True


WIDER_DEPLOYMENTS: dict[Change, int] = {
    _looser("min_speed", 0.5): 8,
    _looser("max_cost", 1.5): 12,
    _looser("min_throughput", 0.1): 12,
    _looser("max_throughput", 2.0): 15,
    _looser("max_power_kw", 4.0): 6,
    _looser("max_energy_j_per_token", 1.5): 6,
    _without_limits: 35,
    _lower_price: 7,
    _another_accelerator: 60,
    _more_precisions: 33,
    _both_caches: 20,
    _no_reserve: 33,
    _more_redundant_experts: 8,
    _more_batches: 70,
    _more_degrees: 70,
    _more_gpus: 55,
    _more_memory: 20,
    _longer_drafts: 22,
    _speculation: 20,
}
"""Changes, and how many deployments of 160 have something to widen at least: half of what is usual."""

SOME_DEPLOYMENTS = [range(5000, 5024), pytest.param(range(5024, 5300), marks=pytest.mark.slow)]


@pytest.mark.parametrize("seeds", SOME_DEPLOYMENTS, ids=str)
@pytest.mark.parametrize("widen", WIDER_DEPLOYMENTS, ids=lambda change: change.__name__)
def test_a_wider_choice_of_deployments_is_never_worse(widen: Change, seeds: range) -> None:
    compared = 0
    for seed in seeds:
        mapping = copy.deepcopy(numbered(seed)[0].mapping)
        if not widen(mapping, draws(seed)):
            continue
        # One objective for each seed, another one for the next.
        which = seed % 3
        before, after = best_before(seed)[which], best_deployment(mapping, OBJECTIVES[which])
        assert after <= before * (1.0 + DEPLOYMENTS), f"seed {seed}, {OBJECTIVES[which]}"
        compared += 1
    assert compared >= WIDER_DEPLOYMENTS[widen] * len(seeds) // 160


# --- fleets -----------------------------------------------------------------------------------------------------------


def best_plan(mapping: Mapping) -> float:
    """The objective of the optimum; inf where there is no plan."""
    try:
        found = ieco_opt.plan(load_fleet_mapping(mapping))
    except InfeasibleError:
        return math.inf
    assert found[0].status == "optimal"
    return found[0].objective


@functools.cache
def plan_before(seed: int) -> float:
    """What the drawn fleet reaches."""
    return best_plan(numbered_fleet(seed))


def _one_of(part: str, name: str) -> Callable[[Mapping, random.Random], Mapping | None]:
    """Give a pool or workload that has a field, if there is one."""

    def find(mapping: Mapping, draw: random.Random) -> Mapping | None:
        found = [each for each in mapping[part] if each.get(name) is not None]
        return draw.choice(found) if found else None

    return find


def _scaled(part: str, name: str, factor: float) -> Change:
    find = _one_of(part, name)

    def scale(mapping: Mapping, draw: random.Random) -> bool:
        found = find(mapping, draw)
        if found is None or found[name] == 0:
            return False
        found[name] *= factor
        return True

    scale.__name__ = f"{name}_times_{factor:g}"
    return scale


def _without(part: str, name: str) -> Change:
    find = _one_of(part, name)

    def leave_out(mapping: Mapping, draw: random.Random) -> bool:
        found = find(mapping, draw)
        if found is None:
            return False
        del found[name]
        return True

    leave_out.__name__ = f"without_{name}"
    return leave_out


def _more_stock(mapping: Mapping, draw: random.Random) -> bool:
    draw.choice(mapping["pools"])["gpus"] += draw.choice((1, 2, 8, 16))
    return True


def _cheaper_pool(mapping: Mapping, draw: random.Random) -> bool:
    # Among plans of equal power or GPUs the cheapest is taken, but then their objective is no price.
    return mapping["objective"] == "cost" and _scaled("pools", "usd_per_gpu_hour", 0.7)(mapping, draw)


def _owned(mapping: Mapping, draw: random.Random) -> bool:
    pool = draw.choice([each for each in mapping["pools"] if each.get("owned_gpus", 0) < each["gpus"]] or [None])
    if mapping["objective"] != "cost" or pool is None:
        return False
    pool["owned_gpus"] = draw.randint(pool.get("owned_gpus", 0) + 1, pool["gpus"])
    return True


def _new_pool(mapping: Mapping, draw: random.Random) -> bool:
    copied = {**draw.choice(mapping["pools"]), "name": "new", "gpus": draw.choice((3, 8, 24)), "owned_gpus": 0}
    copied["usd_per_gpu_hour"] = copied.get("usd_per_gpu_hour", 1.0) * draw.uniform(0.3, 1.2)
    mapping["pools"].append(copied)
    for workload in mapping["workloads"]:
        if "pools" in workload:
            workload["pools"] = [*workload["pools"], "new"]
    return True


def _billed_by_the_gpu(mapping: Mapping, draw: random.Random) -> bool:
    by_node = [pool for pool in mapping["pools"] if pool["rented_by"] == "node"]
    for pool in by_node:
        pool["rented_by"] = "gpu"
    return bool(by_node)


def _higher_caps(mapping: Mapping, draw: random.Random) -> bool:
    limits = mapping.get("limits")
    if not limits:
        return False
    name = draw.choice(sorted(limits))
    mapping["limits"] = {**limits, name: limits[name] * 2}
    return True


def _without_caps(mapping: Mapping, draw: random.Random) -> bool:
    return bool(mapping.pop("limits", None))


def _fewer_replicas(mapping: Mapping, draw: random.Random) -> bool:
    found = _one_of("workloads", "min_instances")(mapping, draw)
    if found is None or found["min_instances"] == 1:
        return False
    found["min_instances"] -= 1
    return True


def _more_replicas(mapping: Mapping, draw: random.Random) -> bool:
    found = _one_of("workloads", "max_instances")(mapping, draw)
    if found is None:
        return False
    found["max_instances"] += 1
    return True


def _precisions(mapping: Mapping, draw: random.Random) -> bool:
    found = _one_of("workloads", "weights")(mapping, draw)
    if found is None:
        return False
    drafts = found.get("speculation", {})
    described = [found["model"], *([drafts["draft_model"]] if drafts and "mode" not in drafts else [])]
    more = [name for name in ("fp8", "int4", "mxfp4") if name not in found["weights"]]
    for reference in described:
        model = ieco_opt.catalog.model(reference) if isinstance(reference, str) else None
        listed = reference.get("published") if isinstance(reference, dict) else model.published
        more = [name for name in more if not listed or name in listed]
    found["weights"] = [*found["weights"], *more]
    return bool(more)


def _more_points(mapping: Mapping, draw: random.Random) -> bool:
    found = _one_of("workloads", "operating_points")(mapping, draw)
    if found is None or "request_mix" in found:
        return False
    row = {**draw.choice(found["operating_points"])}
    name = "throughput_requests_per_s" if "throughput_requests_per_s" in row else "throughput_tokens_per_s"
    found["operating_points"] = [*found["operating_points"], row | {name: row[name] * draw.choice((0.5, 1.3, 2))}]
    return True


WIDER_FLEETS: dict[Change, int] = {
    _more_stock: 45,
    _cheaper_pool: 20,
    _owned: 25,
    _new_pool: 45,
    _billed_by_the_gpu: 30,
    _higher_caps: 15,
    _without_caps: 15,
    _without("pools", "max_power_kw"): 12,
    _scaled("workloads", "requests_per_s", 0.8): 45,
    _scaled("workloads", "headroom", 0.5): 14,
    _scaled("workloads", "min_speed", 0.6): 20,
    _scaled("workloads", "max_time_to_first_token_s", 1.5): 20,
    _without("workloads", "min_speed"): 20,
    _without("workloads", "max_time_to_first_token_s"): 20,
    _without("workloads", "serving"): 20,
    _without("workloads", "pools"): 15,
    _without("workloads", "slices"): 1,
    _fewer_replicas: 5,
    _more_replicas: 15,
    _precisions: 8,
    _more_points: 25,
}
"""Changes, and how many fleets of 160 have something to widen at least: half of what is usual."""

SOME_FLEETS = [
    range(5050, 5070),
    *(pytest.param(range(first, first + 40), marks=pytest.mark.slow) for first in (5010, 5070, 5110, 5150)),
]


@pytest.mark.parametrize("seeds", SOME_FLEETS, ids=str)
@pytest.mark.parametrize("widen", WIDER_FLEETS, ids=lambda change: change.__name__)
def test_a_wider_choice_of_plans_is_never_worse(widen: Change, seeds: range) -> None:
    compared = 0
    for seed in seeds:
        mapping = copy.deepcopy(numbered_fleet(seed))
        if not widen(mapping, draws(seed)):
            continue
        assert best_plan(mapping) <= plan_before(seed) * (1.0 + FLEETS), f"seed {seed}"
        compared += 1
    assert compared >= WIDER_FLEETS[widen] * len(seeds) // 160
