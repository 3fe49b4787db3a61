"""One small result of every kind, as the library gives it, for tests of files, tables and checks."""

from __future__ import annotations

import copy
import functools
from typing import Any

import ieco_opt
from ieco_opt.heuristics.registry import chosen
from ieco_opt.pareto import run
from ieco_opt.results.answer import Answer
from ieco_opt.scenario.solver_config import SolverConfig

DRAFTED: dict[str, Any] = {
    "version": 2,
    "name": "small",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {
        "stage_ranks": [2, 4, 8],
        "attention_data_parallel": [1, 2],
        "pipeline_parallel": [1, 2],
        "batch": {"min": 1, "max": 64},
        "max_gpus": 8,
    },
    "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3},
    "limits": {"min_speed": 60},
}

EXPERTS: dict[str, Any] = {
    "version": 2,
    "name": "small-experts",
    "model": "Mixtral-8x7B",
    "weights": ["fp8"],
    "accelerators": [{"like": "H100-SXM", "usd_per_gpu_hour": 2.5}],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {
        "stage_ranks": [4, 8],
        "attention_data_parallel": [1, 2, 4],
        "expert_parallel": [1, 2, 4],
        "pipeline_parallel": [1],
        "batch": [1, 8, 64],
        "max_gpus": 8,
    },
}

FLEET: dict[str, Any] = {
    "version": 2,
    "name": "small-fleet",
    "profile": "paper-constants",
    "pools": [
        {"name": "h100", "accelerator": "H100", "gpus": 32, "node_size": 8},
        {
            "name": "mi300x",
            "accelerator": "MI300X",
            "gpus": 16,
            "node_size": 8,
            "rented_by": "gpu",
            "usd_per_gpu_hour": 1.9,
        },
    ],
    "workloads": [
        {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "requests_per_s": 30,
            "prompt_tokens": 1000,
            "output_tokens": 200,
            "min_speed": 30,
            "max_time_to_first_token_s": 2,
            "serving": ["colocated", "disaggregated"],
            "design_space": {"stage_ranks": [1, 2, 4], "attention_data_parallel": [1, 2], "pipeline_parallel": [1]},
        },
        {
            "name": "table",
            "requests_per_s": 2,
            "prompt_tokens": 100,
            "output_tokens": 100,
            "operating_points": [
                {"accelerator": "MI300X", "gpus": 2, "throughput_tokens_per_s": 900, "speed_tokens_per_s": 45}
            ],
        },
    ],
}

KINDS = (
    "frontier",
    "preferred",
    "stopped",
    "plan",
    "fleet_frontier",
    "explanation",
    "infeasible",
    "comparison",
    "alternatives",
    "alternative_plans",
)


@functools.cache
def result(kind: str) -> Answer:
    """The result of one of the ``KINDS``."""
    drafted, experts = ieco_opt.Scenario(**DRAFTED), ieco_opt.Scenario(**EXPERTS)
    match kind:
        case "frontier":
            return ieco_opt.frontier(drafted, delta=0.3)
        case "preferred":
            return run.answer(experts, objective="preferred")
        case "stopped":
            # Everything here takes longer than that.
            return run.frontier(drafted, complete=True, solver_config=SolverConfig(total_time_limit_s=1e-9))
        case "plan":
            return ieco_opt.plan(ieco_opt.Fleet(**FLEET))
        case "fleet_frontier":
            return ieco_opt.fleet_frontier(ieco_opt.Fleet(**FLEET), against="gpus", delta=0.5)
        case "explanation":
            return ieco_opt.explain(_limited(max_cost=0.3), objective="cheapest")
        case "infeasible":
            return ieco_opt.explain(_limited(min_speed=900, max_cost=0.1))
        case "comparison":
            return ieco_opt.compare(experts, chosen(("rule-of-thumb", "paper-grid"), 4))
        case "alternatives":
            return ieco_opt.alternatives(drafted, within=2.0, count=3, differ=("layout", "engine"))
        case "alternative_plans":
            return ieco_opt.alternatives(ieco_opt.Fleet(**FLEET), within=1.0, count=2)
    raise KeyError(kind)


def _limited(**limits: float) -> ieco_opt.Scenario:
    values = copy.deepcopy(DRAFTED)
    values["limits"] |= limits
    return ieco_opt.Scenario(**values)
