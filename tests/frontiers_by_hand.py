"""Frontiers of deployments that are put together by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ieco_opt.results.answer import Question, status_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Box, Guarantee, GuaranteeKind, Status
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.statistics import Counts, SearchStatistics
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import Scenario, Speculation, Workload
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import SolverConfig

EVERYTHING = Box(0.0, math.inf, 0.0, math.inf)


def degrees(tensor: int, data: int = 1, pipeline: int = 1, expert: int = 1, layout: Any = "1d") -> Parallelism:
    return Parallelism(tensor, data, pipeline, expert, layout)


def deployment(speed: float, cost: float, **changes: Any) -> Deployment:
    fields: dict[str, Any] = {
        "speed_tokens_per_s": speed,
        "cost_usd_per_mtok": cost,
        "latency_s": 1.0 / speed,
        "throughput_tokens_per_s": 8 * speed,
        "gpus": 8,
        "accelerator": "H100-SXM",
        "weights": "fp8",
        "kv_cache": "bf16",
        "engine": "vllm",
        "engines": "sglang,vllm",
        "parallelism": degrees(8),
        "exchange": None,
        "batch": 8,
        "draft_tokens": 0,
        "draft_mode": None,
        "draft_model": None,
        "mfu": 0.0625,
        "power_kw": 5.6,
        "bottleneck": "memory",
        "kernel_s": 0.125 / speed,
        "network_s": 0.25 / speed,
        "memory_s": 0.625 / speed,
        "arithmetic_s": 0.03125 / speed,
        "bound": speed,
        "gap": 0.0,
        "status": Status.OPTIMAL,
        "memory_per_gpu_gb": 18.0,
        "memory_limit_gb": 72.0,
        "cache_tokens": 123_456,
        "weights_gb": 12.0,
        "cache_gb": 2.0,
        "draft_gb": 0.0,
        "reserve_gb": 4.0,
        "free_gb": 54.0,
        **dict.fromkeys(("profile", "in_range", "expected_error")),
        "draft": None,
        "cost_cap": None,
        "energy_j_per_token": 0.5,
        "energy_usd_per_mtok": None,
        "carbon_kg_per_mtok": None,
    }
    return Deployment(**(fields | changes))


SPECULATING = deployment(
    200.0,
    10.0 / 3.0,
    gpus=16,
    parallelism=degrees(2, data=4, pipeline=2),
    batch=4,
    draft_tokens=5,
    draft_mode="draft_model",
    draft_model="Llama-3.1-8B",
    power_kw=11.2,
    bottleneck="network",
    draft=degrees(2, data=2, pipeline=4, layout="2d"),
)
MIDDLE = deployment(80.0, 0.75, batch=1024, cost_cap=0.8, memory_per_gpu_gb=60.0)
CHEAP = deployment(
    40.0, 0.3, gpus=1, parallelism=degrees(1), batch=64, power_kw=0.7, bound=41.0, gap=0.025, status=Status.FEASIBLE
)

FRONTIER = Question("frontier")
PREFERRED = Question("solve", objective="preferred", preference=3.0)
FASTEST = Question("solve", objective="fastest")
COVERED = Guarantee(GuaranteeKind.COVERED, coverage=0.05)
SINGLE_ANSWER, SAMPLED = Guarantee(GuaranteeKind.SINGLE), Guarantee(GuaranteeKind.SAMPLED)


def partial(stopped: str, *regions: Box) -> Guarantee:
    return Guarantee(GuaranteeKind.PARTIAL, stopped=stopped, open_regions=regions)


SCENARIO = Scenario(
    name="by hand",
    model="Llama-3.3-70B",
    weights=["fp8"],
    accelerators=["H100-SXM"],
    workload=Workload(context_tokens=2000, output_tokens=500),
    speculation=Speculation(draft_model="Llama-3.1-8B", acceptance=0.8, max_draft_tokens=5),
)


def frontier(*deployments: Deployment, **changes: Any) -> Frontier:
    guarantee: Guarantee = changes.get("guarantee", COVERED)
    fields: dict[str, Any] = {
        "scenario": SCENARIO,
        "resolved": resolved_names(SCENARIO),
        "question": FRONTIER,
        "guarantee": guarantee,
        "status": status_of(guarantee, [item.status for item in deployments]),
        "deployments": deployments,
        "solver": SolverConfig(options={"presolve_mode": 2, "mip_abs_gap": math.inf, "mip_allow_restart": False}),
        "statistics": SearchStatistics(
            counts=Counts(400, 1200, 900, {"does not fit": 17}),
            steps=5,
            solves=7,
            closed_by_bounds=2,
            solver_seconds=1.5,
            seconds=2.25,
            step_seconds=(0.5, 0.1),
        ),
        "versions": Versions("0.1.0", "6.10.1", "1.16.0", "3.11.9", "highs", 4, {"vllm": ">=0.33,<0.34"}),
        "notes": ("a note",),
    }
    return Frontier(**(fields | changes))


FRONT = frontier(SPECULATING, MIDDLE, CHEAP)
PARTIAL = frontier(
    SPECULATING,
    replace(CHEAP, bound=math.inf, gap=math.inf),
    guarantee=partial("time limit", Box(1 / 200, 1 / 40, 0.3, 10.0 / 3.0), EVERYTHING),
)
NOTHING = frontier(guarantee=partial("interrupted", EVERYTHING))
SINGLE = frontier(SPECULATING, question=PREFERRED, guarantee=SINGLE_ANSWER)


def many(count: int) -> tuple[Deployment, ...]:
    return tuple(deployment(1000.0 - row, 10.0 - row / count) for row in range(count))
