"""Random fleets as scenario mappings: small ones for the brute force of the oracle, larger ones to compare solvers.

Seeds choose them. Sizes do not divide nodes, prices tie or are zero, stock is scarce and caps lie close to what the
best plan needs, because that is where programs go wrong.
"""

from __future__ import annotations

import contextlib
import copy
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from oracle import servers
from oracle.fleet import Kind, OracleAnswer, TooLargeError, kinds, read, solve, undominated
from oracle.fleet_answers import answer
from oracle.fleet_levels import best_plan
from random_models import engine_field, memory_fields, own_model, weights
from random_profiles import random_profile

from ieco_opt import catalog
from ieco_opt.catalog.types import Model

Mapping = dict[str, Any]

_ACCELERATORS = ("H100-SXM", "A100-SXM-80GB", "MI300X", "H200-SXM")
_LENGTHS = ((2000, 500), (500, 100), (1000, 1000), (300, 900), (4000, 50), (1, 1), (777, 333))
_MODELS = ("Llama-3.1-8B", "Qwen3-8B", "gpt-oss-20b", "DeepSeek-V2-Lite")
_WITH_MTP_LAYERS: tuple[Any, ...] = (
    *("MiMo-7B", "MiMo-7B", "GLM-4.7-Flash", "Ling-mini-2.0"),
    {"like": "Qwen3-8B", "name": "with layers", "hf_architecture": "MiMoForCausalLM", "mtp_layers": 1},
    {"like": "DeepSeek-V2-Lite", "name": "mixed", "hf_architecture": "DeepseekV3ForCausalLM", "mtp_layers": 1},
)
_PHASES = {"colocated": ("colocated",), "disaggregated": ("prefill", "decode")}


def numbered_fleet(number: int) -> Mapping:
    """Draw the small fleet of one seed."""
    return copy.deepcopy(_numbered_fleet(number))


@lru_cache(maxsize=400)
def _numbered_fleet(number: int) -> Mapping:
    """Draw it once: tests try many changes on the same seeds, and to draw one takes longer than to plan it."""
    return random_fleet(random.Random(number))  # noqa: S311 - chance, not secrets


def numbered_asked_fleet(number: int) -> Mapping:
    """Draw the small fleet of one seed, of which some serve as much as they can, or have energy that matters."""
    rng = random.Random(f"asked {number}")  # noqa: S311 - chance, not secrets
    chance = rng.random()
    if chance < 0.5:
        return numbered_fleet(number)
    return most_fleet(rng) if chance < 0.7 else energy_fleet(rng)


def numbered_larger_fleet(number: int) -> Mapping:
    """Draw the larger fleet of one seed."""
    return larger_fleet(random.Random(number))  # noqa: S311 - chance, not secrets


def numbered_level_fleet(number: int) -> Mapping:
    """Draw the fleet of one seed whose best plans are few enough to list them all; it can be served."""
    return level_fleet(random.Random(number))  # noqa: S311 - chance, not secrets


def random_fleet(rng: random.Random) -> Mapping:
    """Draw a fleet that the oracle solves in well under a second; most that cannot be served are drawn again."""
    drawn, free = _small_fleet(rng)
    while free is None and rng.random() < 0.9:
        drawn, free = _small_fleet(rng)
    return drawn if free is None or rng.random() < 0.3 else _with_caps(rng, drawn, free)


def _small_fleet(rng: random.Random) -> tuple[Mapping, OracleAnswer | None]:
    """Draw a fleet without caps that has few enough plans, and its answer."""
    while True:
        drawn = _fleet(rng)
        with contextlib.suppress(TooLargeError):
            return drawn, solve(drawn)


def _fleet(rng: random.Random) -> Mapping:
    """Draw a fleet without caps."""
    rounded = rng.random() < 0.5
    planned = _planned_with(rng)
    if rng.random() < 0.25:
        pools = [_pool(rng, number, rounded, most=20) for number in range(rng.choice((1, 1, 2)))]
        count = rng.choice((1, 1, 2))
        workloads = [_priced_workload(rng, f"w{number}", pools, count, planned) for number in range(count)]
    else:
        pools = [_pool(rng, number, rounded, most=40) for number in range(rng.choice((1, 2, 2, 3)))]
        count = rng.choice((1, 2, 3, 3))
        workloads = [_listed_workload(rng, f"w{number}", pools, count, rounded) for number in range(count)]
    return {
        "kind": "fleet",
        "name": "random",
        "pools": pools,
        "workloads": workloads,
        "objective": rng.choice(("cost", "cost", "cost", "power", "gpus")),
        **planned,
    }


def _planned_with(rng: random.Random) -> Mapping:
    """Draw the calibration of all pools, and the error that is planned with."""
    found: Mapping = {}
    chance = rng.random()
    if chance < 0.3:
        found["profile"] = random_profile(rng)
    elif chance < 0.6:
        found["profile"] = "paper-constants"
    if rng.random() < 0.3:
        found["model_error"] = rng.choice((0.05, 0.4, "profile", "profile"))
    return found


def _pool(rng: random.Random, number: int, rounded: bool, most: int) -> Mapping:
    gpus = rng.randint(most // 5, most)
    pool: Mapping = {
        "name": f"p{number}",
        "accelerator": rng.choice(_ACCELERATORS),
        "gpus": gpus,
        "node_size": rng.choice((8, 8, 8, 8, 8, 4, 2, 3, 6, 1)),
        "rented_by": rng.choice(("node", "gpu")),
    }
    if rng.random() < 0.85:
        price = 0 if rng.random() < 0.1 else rng.choice((1, 1, 2, 3)) if rounded else rng.uniform(0.8, 3)
        pool["usd_per_gpu_hour"] = price
    if rng.random() < 0.3:
        pool["owned_gpus"] = rng.randint(0, gpus)
    if rng.random() < 0.3:
        pool["power_w"] = rng.choice((500, 700, 1000))
    if rng.random() < 0.2:
        # Some share of the stock, often of whole nodes, so that the cap can be met exactly.
        watts = pool.setdefault("power_w", 700)
        pool["max_power_kw"] = watts * rng.randint(max(1, gpus // 2), gpus) / 1000
    return pool


# --- workloads of operating points ------------------------------------------------------------------------------------


def _listed_workload(rng: random.Random, name: str, pools: Sequence[Mapping], beside: int, rounded: bool) -> Mapping:
    workload: Mapping = {"name": name} | _requirements(rng, pools)
    mix = rng.random() < 0.15
    if mix:
        workload["request_mix"] = _mix(rng)
        if rng.random() < 0.4:
            workload["slices"] = rng.randint(1, 3)
    else:
        workload |= dict(zip(("prompt_tokens", "output_tokens"), rng.choice(_LENGTHS), strict=True))
    if rng.random() < 0.4:
        workload["min_speed"] = rng.choice((20, 30, 40))
    if rng.random() < 0.4:
        workload["max_time_to_first_token_s"] = rng.choice((0.5, 1, 2))
    points = [
        row
        for mode in workload.get("serving", _PHASES)
        for phase in _PHASES[mode]
        for number in range(rng.choice((1, 2) if mix else (1, 2, 3, 4)))
        for row in _points(rng, workload, pools, phase, number, rounded)
    ]
    workload["operating_points"] = points
    outputs = _outputs(workload)
    rates = [_requests(row, outputs) for row in points]
    workload["requests_per_s"] = _demand(rng, rng.choice(rates) / max(1, beside - 1), rounded)
    return workload


def _requirements(rng: random.Random, pools: Sequence[Mapping]) -> Mapping:
    found: Mapping = {}
    if rng.random() < 0.5:
        found["serving"] = rng.choice((["colocated"], ["disaggregated"], ["disaggregated", "colocated"]))
    if len(pools) > 1 and rng.random() < 0.3:
        found["pools"] = [pool["name"] for pool in rng.sample(pools, rng.randint(1, len(pools)))]
    if rng.random() < 0.3:
        found["headroom"] = rng.choice((0.1, 0.2, 0.25, 1))
    if rng.random() < 0.25:
        found["min_instances"] = rng.randint(1, 3)
    if rng.random() < 0.25:
        found["max_instances"] = found.get("min_instances", 1) + rng.randint(0, 4)
    return found


def _mix(rng: random.Random) -> list[Mapping]:
    lengths = rng.sample(_LENGTHS, rng.choice((2, 2, 3)))
    return [
        {"name": f"c{number}", "share": rng.choice((1, 2, 3, 0.5)), "prompt_tokens": prompt, "output_tokens": output}
        for number, (prompt, output) in enumerate(lengths)
    ]


def _points(
    rng: random.Random, workload: Mapping, pools: Sequence[Mapping], phase: str, number: int, rounded: bool
) -> list[Mapping]:
    """Draw one kind of instance, a row for each class of requests that it serves."""
    allowed = [pool for pool in pools if pool["name"] in workload.get("pools", [pool["name"]])]
    pool = rng.choice(allowed)
    size = rng.choice([gpus for gpus in (1, 2, 3, 4, 5, 6, 8, 12) if gpus <= pool["gpus"]])
    where = "pool" if rng.random() < 0.6 else "accelerator"
    row = {where: pool["name" if where == "pool" else "accelerator"], "gpus": size}
    if phase != "colocated" or rng.random() < 0.5:
        row["phase"] = phase
    if "request_mix" not in workload:
        return [row | _point_figures(rng, size, phase, workload["output_tokens"], rounded)]
    rows: list[Mapping] = []
    for entry in workload["request_mix"]:
        if rng.random() < 0.85 or not rows:
            named = {"kind": f"{phase}{number}", "request_class": entry["name"]}
            rows.append(row | named | _point_figures(rng, size, phase, entry["output_tokens"], rounded))
    return rows


def _point_figures(rng: random.Random, size: int, phase: str, output_tokens: int, rounded: bool) -> Mapping:
    # A large instance can be worth less or more than its share.
    rate = size ** rng.choice((0.8, 1, 1, 1.1)) * rng.choice((2, 3, 4) if phase == "prefill" else (1, 1, 1.5))
    if rounded:
        rate = max(1.0, float(round(rate)))
    else:
        rate *= rng.uniform(0.8, 1.3)
    figures: Mapping = {"throughput_requests_per_s": rate}
    if phase != "prefill" and rng.random() < 0.5:
        figures = {"throughput_tokens_per_s": rate * output_tokens}
    if phase != "prefill" and rng.random() < 0.7:
        figures["speed_tokens_per_s"] = rng.choice((15, 25, 30, 40, 50, 80))
    if phase != "decode" and rng.random() < 0.7:
        figures["time_to_first_token_s"] = rng.choice((0.2, 0.4, 0.5, 0.9, 1, 1.5, 2.5))
    return figures


def _outputs(workload: Mapping) -> dict[str | None, int]:
    mix = workload.get("request_mix") or [{"name": None, "output_tokens": workload["output_tokens"]}]
    return {entry["name"]: entry["output_tokens"] for entry in mix}


def _requests(row: Mapping, outputs: dict[str | None, int]) -> float:
    """Requests per second of an operating point."""
    if "throughput_requests_per_s" in row:
        return float(row["throughput_requests_per_s"])
    return float(row["throughput_tokens_per_s"] / outputs[row.get("request_class")])


def _demand(rng: random.Random, rate: float, rounded: bool) -> float:
    """Requests per second for a few instances of that rate."""
    wanted = rate * rng.choice((0.3, 1, 2, 3, 4, 5, 7))
    return max(1.0, float(round(wanted))) if rounded else wanted * rng.uniform(0.8, 1.2)


# --- workloads of the performance model -------------------------------------------------------------------------------


def _priced_workload(
    rng: random.Random,
    name: str,
    pools: Sequence[Mapping],
    beside: int,
    planned: Mapping,
    space: Callable[[random.Random], Mapping] | None = None,
) -> Mapping:
    workload: Mapping = {"name": name, **_model(rng)}
    workload |= _requirements(rng, pools) | {"design_space": (space or _design_space)(rng)}
    workload |= _engine(rng, workload, pools)
    if not _has_8_bits(workload, pools):
        workload.pop("kv_cache", None)
    if rng.random() < 0.15:
        workload["request_mix"] = _mix(rng)[:2]
    else:
        workload |= dict(zip(("prompt_tokens", "output_tokens"), rng.choice(_LENGTHS), strict=True))
    if rng.random() < 0.5:
        workload["min_speed"] = rng.choice((20, 50, 100))
    if workload.get("engine") != "none" and rng.random() < 0.3:
        workload["engine_factors"] = rng.random() < 0.9
    if rng.random() < 0.5:
        workload["prefix_hit"] = rng.choice((0, 0.3, 0.5, 0.9))
    if "memory_utilization" not in workload and rng.random() < 0.2:
        workload["memory_utilization"] = rng.choice((0.25, 0.5, 0.95))
    if rng.random() < 0.4:
        workload |= _speculating(rng, workload["model"])
        drafts = [workload["speculation"]["draft_model"]] if "mode" not in workload["speculation"] else []
        workload["weights"] = _weights(rng, [workload["model"], *drafts])
    if rng.random() < 0.5:
        workload |= _capped_first_token(rng, workload, pools, planned)
    workload["requests_per_s"] = _priced_demand(rng, workload, pools, beside, planned)
    if "request_mix" not in workload and rng.random() < 0.25:
        workload["operating_points"] = _points_beside(rng, workload, pools)
    return workload


def _engine(rng: random.Random, workload: Mapping, pools: Sequence[Mapping]) -> Mapping:
    """Draw servers of which some runs on every pool of the workload."""
    names = workload.get("pools", [pool["name"] for pool in pools])
    cards = [catalog.accelerator(pool["accelerator"]) for pool in pools if pool["name"] in names]
    while True:
        found = engine_field(rng)
        every = servers.of_scenario(found.get("engine", "any"))
        if all(any(servers.runs_on(engine, card) for engine in every) for card in cards):
            return found


def _has_8_bits(workload: Mapping, pools: Sequence[Mapping]) -> bool:
    """Whether any pool that the workload may use has the arithmetic that a cache of 8 bits needs."""
    names = workload.get("pools", [pool["name"] for pool in pools])
    return any(catalog.accelerator(pool["accelerator"]).flops_8bit for pool in pools if pool["name"] in names)


def _model(rng: random.Random) -> Mapping:
    """Draw a model, its precisions, and what decides how much memory there is for its cache."""
    chosen: Any = rng.choice(_MODELS)
    found = {name: value for name, value in memory_fields(rng).items() if rng.random() < 0.6}
    if rng.random() < 0.6:
        chosen = own_model(rng, most_layers=24)
        # So little memory that small models meet its end too.
        found["memory_utilization"] = rng.choice((0.06, 0.1, 0.15, 0.9))
    return {"model": chosen, "weights": _weights(rng, [chosen]), **found}


def _weights(rng: random.Random, references: Sequence[str | Mapping]) -> list[str | Mapping]:
    models = [catalog.model(one) if isinstance(one, str) else catalog.model_from_mapping(one) for one in references]
    return weights(rng, [model for model in models if isinstance(model, Model)])[: rng.choice((1, 2))]


def _design_space(rng: random.Random) -> Mapping:
    space: Mapping = _stage_lists(rng) | {
        "pipeline_parallel": rng.choice(([1], [1, 2], [1, 3])),
        "attention_data_parallel": rng.choice(([1], [1, 2])),
        "batch": {"max": rng.choice((64, 128, 256))},
    }
    if rng.random() < 0.2:
        space["batch"] = rng.choice(([1, 2, 4, 8, 16, 32, 64], [5, 50], {"min": 8, "max": 100}))
    if rng.random() < 0.3:
        space["expert_parallel"] = rng.choice(([1], [1, 2], [2, 4]))
    if rng.random() < 0.3:
        space["redundant_experts"] = rng.choice(("auto", [0], [0, 2], [2, 4]))
    listed = "tensor_parallel" in space or "stage_ranks" in space
    if not listed or rng.random() < 0.2:
        # Where nothing is listed, the default goes on to stages larger than any pool.
        space["max_gpus"] = rng.choice((2, 4) if listed else (2, 4, 8))
    return space


def _stage_lists(rng: random.Random) -> Mapping:
    """Draw the ranks of a stage, the tensor-parallel degree, both lists or neither."""
    stages = rng.choice(([1, 2, 4], [1, 2], [2, 4], [1, 3, 6], [4]))
    degrees = rng.choice(([1, 2], [1, 2, 4], [2], [1, 3], [4]))
    return rng.choice(
        (
            {"stage_ranks": stages},
            {"stage_ranks": stages},
            {"tensor_parallel": degrees},
            {"tensor_parallel": degrees},
            {"tensor_parallel": degrees, "stage_ranks": stages},
            {"tensor_parallel": degrees, "stage_ranks": stages},
            {},
        )
    )


def _speculating(rng: random.Random, model: Any) -> Mapping:
    """Draw what drafts, and the model that it drafts for."""
    mode = rng.choice(("draft_model", "draft_model", "mtp", "mtp", "eagle3", "eagle3"))
    accepted = rng.choice(
        (
            {"acceptance": rng.choice((0.6, 0.8, 1)), "max_draft_tokens": rng.choice((2, 3))},
            {"accepted_tokens": {1: 1.7, 3: 2.6}},
            {"accepted_tokens": "deepseek-v3-mtp"},
            {"accepted_tokens": {2: 2.9, 4: 3.1}, "max_draft_tokens": rng.choice((3, 6))},
        )
    )
    if mode == "draft_model":
        model = "Llama-3.1-8B" if rng.random() < 0.7 else model
        return {"model": model, "speculation": {"draft_model": "Llama-3.2-1B", **accepted}}
    if mode == "mtp":
        return {"model": rng.choice(_WITH_MTP_LAYERS), "speculation": {"mode": mode, **accepted}}
    named = rng.choice(({}, {"draft_model": "owner/head"}))
    return {"model": rng.choice(_MODELS), "speculation": {"mode": mode, **named, **accepted}}


def _capped_first_token(rng: random.Random, workload: Mapping, pools: Sequence[Mapping], planned: Mapping) -> Mapping:
    """Draw a cap on the time to first token, most of them a little less than some instance takes without one."""
    found = _priced(workload, pools, planned)
    if not found or rng.random() < 0.1:
        return {"max_time_to_first_token_s": rng.choice((0.05, 0.1, 0.3, 1, 3))}
    kind = rng.choice(found)
    passed, transfer = rng.choice([times for times in zip(kind.pass_s, kind.transfer_s, strict=True) if any(times)])
    return {
        "max_time_to_first_token_s": (1 + kind.error) * (passed + transfer) * rng.choice((0.5, 0.7, 0.85, 0.97, 1.03))
    }


def _priced(workload: Mapping, pools: Sequence[Mapping], planned: Mapping) -> list[Kind]:
    """Kinds of instances that start requests, and those that decode apart."""
    case = read({"pools": pools, "workloads": [workload | {"requests_per_s": 1.0}], **planned})
    return [kind for kind in kinds(case, case.workloads[0]) if max(kind.capacity) > 0]


def _priced_demand(
    rng: random.Random, workload: Mapping, pools: Sequence[Mapping], beside: int, planned: Mapping
) -> float:
    """Requests per second for a few instances; anything where nothing can serve them."""
    found = [kind for kind in _priced(workload, pools, planned) if kind.phase != "prefill"]
    if not found:
        return 1.0
    return (rng.choice(found).capacity[0] or 0.1) * rng.uniform(0.2, 6) / beside


def _points_beside(rng: random.Random, workload: Mapping, pools: Sequence[Mapping]) -> list[Mapping]:
    """Draw a colocated operating point that competes with what the performance model offers."""
    pool = rng.choice(pools)
    return [
        {
            "pool": pool["name"],
            "gpus": rng.choice([gpus for gpus in (1, 2, 3, 4, 6) if gpus <= pool["gpus"]]),
            "throughput_requests_per_s": workload["requests_per_s"] * rng.uniform(0.3, 1.5),
            "speed_tokens_per_s": rng.choice((30, 60, 120)),
            "time_to_first_token_s": rng.choice((0.02, 0.2)),
        }
    ]


# --- caps -------------------------------------------------------------------------------------------------------------


def _with_caps(rng: random.Random, fleet: Mapping, free: OracleAnswer) -> Mapping:
    """Add caps between the least there can be and what the best plan needs; few of them cannot be kept."""
    wanted = {"cost": free.usd_per_hour, "gpus": free.gpus, "power": free.power_kw or 0.0}
    limits: Mapping = {}
    for name, field in (("cost", "max_usd_per_hour"), ("gpus", "max_gpus"), ("power", "max_power_kw")):
        if wanted[name] > 0 and rng.random() < (0.1 if name == fleet["objective"] else 0.5):
            # Earlier caps may have used up all the room there is.
            lowest = solve(fleet | {"limits": limits, "objective": name})
            least = lowest.objective if lowest else wanted[name]
            cap = least + rng.choice((0, 0.3, 0.6, 1)) * (wanted[name] - least)
            cap *= 0.9 if rng.random() < 0.1 else 1
            limits[field] = max(1, round(cap)) if name == "gpus" else max(cap, 1e-3)
    return fleet | {"limits": limits} if limits else fleet


# --- fleets with many best plans --------------------------------------------------------------------------------------


def level_fleet(rng: random.Random) -> Mapping:
    """Draw a fleet on small pools, in which many plans are equally good; half of them have caps."""
    while True:
        drawn = _level_fleet(rng)
        with contextlib.suppress(TooLargeError):
            free = solve(drawn) if _slices_are_few(drawn) else None
            if free is None:
                continue
            capped = drawn if rng.random() < 0.6 else _with_caps(rng, drawn, free)
            if best_plan(capped) is not None:
                return capped


def _slices_are_few(fleet: Mapping) -> bool:
    """Whether the slices of each workload can be handed out in at most a hundred ways."""
    case = read(fleet)
    for workload in case.workloads:
        if workload.slices is not None:
            phases = Counter(kind.phase for kind in undominated(kinds(case, workload)))
            most = max(phases.values(), default=1)
            if math.comb(workload.slices + most - 1, workload.slices) ** len(workload.classes) > 100:
                return False
    return True


def _level_fleet(rng: random.Random) -> Mapping:
    """Draw a fleet without caps: priced workloads beside workloads of operating points."""
    rounded = rng.random() < 0.5
    planned = _planned_with(rng)
    pools = [_level_pool(rng, number, rounded) for number in range(rng.choice((1, 2, 2)))]
    objective = rng.choice(("cost", "cost", "power", "gpus"))
    count = rng.choice((1, 1, 2, 2, 3))
    chance = rng.random()
    if chance < 0.4:
        # Nothing costs anything, so that the criteria after the cost decide alone.
        pools = [pool | {"owned_gpus": pool["gpus"], "rented_by": "gpu"} for pool in pools]
        objective, count = "cost", rng.choice((2, 3))
    elif chance < 0.75:
        # Two pools that differ in price alone: as many GPUs and as much power, wherever an instance is.
        price = pools[0].get("usd_per_gpu_hour", 2)
        pools = [pools[0] | {"usd_per_gpu_hour": price}, pools[0] | {"name": "p1", "usd_per_gpu_hour": price + 1}]
        objective = rng.choice(("power", "gpus"))
    workloads = [
        _level_workload(rng, f"w{number}", pools, count, planned)
        if rng.random() < 0.5
        else _listed_workload(rng, f"w{number}", pools, count, rounded)
        for number in range(count)
    ]
    for workload in workloads:
        if "request_mix" in workload and "disaggregated" in workload.get("serving", _PHASES):
            # No greatest factor is claimed for pairs of instances of which classes of a mix must be in time.
            workload.pop("max_time_to_first_token_s", None)
    if chance < 0.4:
        # The first has the least slack, whatever room the others have; they share GPUs of any number.
        workloads[0]["max_instances"] = workloads[0].get("min_instances", 1) + rng.choice((0, 0, 0, 1))
        for workload in workloads[1:]:
            workload["requests_per_s"] *= 0.3
    given = {"kind": "fleet", "name": "levels", "pools": pools, "workloads": workloads, "objective": objective}
    return given | planned


def _level_pool(rng: random.Random, number: int, rounded: bool) -> Mapping:
    pool = _pool(rng, number, rounded, most=16)
    # Nodes that fit the pool several times; what is left over stays.
    pool["node_size"] = rng.choice((8, 4, 4, 2, 3))
    pool["gpus"] = max(pool["gpus"], pool["node_size"])
    return pool


def _level_workload(rng: random.Random, name: str, pools: Sequence[Mapping], beside: int, planned: Mapping) -> Mapping:
    """Draw a workload of the performance model with few setups and small batches."""
    workload = _priced_workload(rng, name, pools, beside, planned)
    workload["design_space"] = {
        "tensor_parallel": rng.choice(([1], [2], [1, 2])),
        "pipeline_parallel": rng.choice(([1], [1, 2])),
        "attention_data_parallel": rng.choice(([1], [1], [1, 2])),
        "batch": rng.choice(({"max": 32}, {"max": 64}, [1, 2, 4, 8, 16, 32, 64])),
        "max_gpus": rng.choice((2, 4)),
    }
    if "request_mix" in workload:
        # Beside a cap, a mix of which a part is too slow may start any time; see the oracle.
        workload.pop("max_time_to_first_token_s", None)
        if rng.random() < 0.8:
            # Handed out in few ways: one size of instances.
            workload["slices"] = rng.randint(1, 3)
            workload["design_space"] |= {"tensor_parallel": [rng.choice((1, 2))], "pipeline_parallel": [1]}
            workload["weights"] = workload["weights"][:1]
            workload.pop("speculation", None)
    workload["requests_per_s"] = _priced_demand(rng, workload, pools, beside, planned)
    return workload


# --- fleets that serve as much as they can, and fleets whose energy matters -------------------------------------------


def most_fleet(rng: random.Random) -> Mapping:
    """Draw a fleet that is to serve as much as it can; two thirds of them have caps."""
    while True:
        drawn = _few_gpus(rng) | {"objective": "throughput"}
        if len(drawn["workloads"]) == 1 and rng.random() < 0.3:
            # Then the factor is in requests a second.
            drawn["workloads"][0].pop("requests_per_s")
        with contextlib.suppress(TooLargeError):
            free = answer(drawn) if _slices_are_few(drawn) else None
            if free is None:
                if rng.random() < 0.03:
                    return drawn
                continue
            return _with_tight_caps(rng, drawn, free)


def _with_tight_caps(rng: random.Random, fleet: Mapping, free: OracleAnswer) -> Mapping:
    """Add caps below what is needed to serve the most."""
    limits: Mapping = {}
    if free.usd_per_hour > 0 and rng.random() < 0.4:
        limits["max_usd_per_hour"] = free.usd_per_hour * rng.choice((0.4, 0.6, 0.8, 1.0))
    if rng.random() < 0.25:
        limits["max_gpus"] = max(1, round(free.gpus * rng.choice((0.5, 0.8, 1.0))))
    if free.power_kw and rng.random() < 0.25:
        limits["max_power_kw"] = free.power_kw * rng.choice((0.5, 0.8, 1.0))
    return fleet | {"limits": limits} if limits else fleet


def _few_gpus(rng: random.Random) -> Mapping:
    """Draw a fleet on small pools without caps, of which all counts of instances can be listed."""
    rounded, planned = rng.random() < 0.5, _planned_with(rng)
    pools = [_level_pool(rng, number, rounded) for number in range(rng.choice((1, 1, 2)))]
    count = rng.choice((1, 1, 2))
    workloads = [
        _priced_workload(rng, f"w{number}", pools, count, planned, _few_degrees)
        if rng.random() < 0.25
        else _listed_workload(rng, f"w{number}", pools, count, rounded)
        for number in range(count)
    ]
    return {"kind": "fleet", "name": "few GPUs", "pools": pools, "workloads": workloads, **planned}


def _few_degrees(rng: random.Random) -> Mapping:
    return {
        "tensor_parallel": rng.choice(([1], [2], [1, 2], [1, 4])),
        "pipeline_parallel": [1],
        "attention_data_parallel": rng.choice(([1], [1], [1, 2])),
        "batch": rng.choice(({"max": 32}, [1, 2, 4, 8, 16, 32, 64])),
        "max_gpus": 4,
    }


def energy_fleet(rng: random.Random) -> Mapping:
    """Draw a fleet whose energy has a price, a limit, or is what is to be least; most can be served."""
    while True:
        drawn = _few_gpus(rng)
        objective = rng.choice(("cost", "cost", "cost", "energy", "energy", "carbon", "power", "gpus"))
        drawn |= {"pools": _supplied(rng, drawn["pools"]), "objective": objective}
        with contextlib.suppress(TooLargeError):
            free = answer(drawn) if _slices_are_few(drawn) else None
            if free is None:
                if rng.random() < 0.03:
                    return drawn
                continue
            return _with_caps_on_energy(rng, drawn)


def _supplied(rng: random.Random, pools: Sequence[Mapping]) -> list[Mapping]:
    """Say what energy costs and emits at the site of each pool, where some of it costs more than the GPUs."""
    priced, found = rng.random() < 0.7, []
    for pool in pools:
        power = {"kg_co2_per_kwh": rng.choice((0.05, 0.4, 1.0))}
        if priced and rng.random() < 0.85:
            power["usd_per_kwh"] = rng.choice((0.1, 1.0, 4.0, 10.0))
        if rng.random() < 0.6:
            power["pue"] = rng.choice((1.1, 1.5, 3.0))
        if rng.random() < 0.8:
            found.append(pool | {"power": power})
        else:
            own = {"like": pool["accelerator"], "power": power}
            found.append(pool | {"accelerator": own})
    return found


def _with_caps_on_energy(rng: random.Random, fleet: Mapping) -> Mapping:
    """Add caps between the least there can be and what plans of least cost or power take; few cannot be kept."""
    limits: Mapping = {}
    fields = {"energy": "max_energy_kw", "carbon": "max_carbon_kg_per_hour", "cost": "max_usd_per_hour"}
    for name, cap in fields.items():
        if name == fleet["objective"] or rng.random() < 0.55:
            continue
        least = answer(fleet | {"limits": limits, "objective": name})
        if least is not None and least.objective > 0:
            limits[cap] = least.objective * rng.choice((0.97, 1.0001, 1.02, 1.05, 1.1, 1.2, 1.5))
    return fleet | {"limits": limits} if limits else fleet


# --- larger fleets ----------------------------------------------------------------------------------------------------


def larger_fleet(rng: random.Random) -> Mapping:
    """Draw a fleet of operating points with 4 to 8 workloads on 2 to 4 pools, beyond the brute force."""
    count = rng.randint(4, 8)
    pools = [_large_pool(rng, number) for number in range(rng.randint(2, 4))]
    rounded = rng.random() < 0.3
    workloads = [_large_workload(rng, f"w{number}", pools, rounded) for number in range(count)]
    limits: Mapping = {}
    stock = sum(pool["gpus"] for pool in pools)
    if rng.random() < 0.3:
        limits["max_gpus"] = round(stock * rng.uniform(0.5, 0.9))
    if rng.random() < 0.3:
        limits["max_power_kw"] = stock * 0.7 * rng.uniform(0.5, 0.9)
    return {
        "kind": "fleet",
        "name": "larger",
        "pools": pools,
        "workloads": workloads,
        "limits": limits,
        "objective": rng.choice(("cost", "cost", "power", "gpus")),
    }


def _large_pool(rng: random.Random, number: int) -> Mapping:
    gpus = rng.choice((64, 96, 128, 200, 256))
    return _pool(rng, number, rounded=False, most=40) | {
        "accelerator": _ACCELERATORS[number],
        "gpus": gpus,
        "node_size": rng.choice((8, 8, 8, 4, 6)),
        "max_power_kw": gpus * 1.1 * rng.uniform(0.7, 1),
    }


def _large_workload(rng: random.Random, name: str, pools: Sequence[Mapping], rounded: bool) -> Mapping:
    workload = _listed_workload(rng, name, pools, beside=1, rounded=rounded)
    # Replicas are few in small fleets; here they would bind always.
    workload.pop("max_instances", None)
    outputs = _outputs(workload)
    rates = [_requests(row, outputs) / row["gpus"] for row in workload["operating_points"]]
    share = sum(pool["gpus"] for pool in pools) / 8 * rng.uniform(0.1, 0.6)
    workload["requests_per_s"] = max(1.0, round(min(rates) * share, 0 if rounded else 3))
    return workload
