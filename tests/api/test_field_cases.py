"""Questions from the field that planners answered wrongly: what no server starts, and what was measured better."""

from __future__ import annotations

from typing import Any

import pytest

import ieco_opt
from ieco_opt.engines import profile
from ieco_opt.scenario import load_fleet_mapping, load_scenario_mapping

Mapping = dict[str, Any]

REQUESTS = {"context_tokens": 4000, "output_tokens": 1000}
WITHOUT_GROUPS = {"pipeline_parallel": [1], "attention_data_parallel": [1]}

QWEN = {
    "model": "Qwen3-235B-A22B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "design_space": {"max_gpus": 8, "tensor_parallel": [8], "expert_parallel": [1], **WITHOUT_GROUPS},
}
DEEPSEEK = {
    "model": "DeepSeek-R1",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "design_space": {"max_gpus": 32, "tensor_parallel": [32], "expert_parallel": [1], **WITHOUT_GROUPS},
}
PHI = {
    "model": {
        "name": "Phi-4",
        "layers": 40,
        "width": 5120,
        "vocabulary": 100352,
        "tied_embeddings": False,
        "attention": {"kind": "grouped_query", "query_heads": 40, "kv_heads": 10, "head_width": 128},
        "feed_forward": [{"layers": 40, "width": 17920}],
    },
    "weights": ["bf16"],
    "accelerators": ["A10G"],
    "design_space": {"max_gpus": 4, "tensor_parallel": [4], **WITHOUT_GROUPS},
}

BLOCKS_OF_EXPERTS = "a rank holds whole FP8 blocks of an expert"
BLOCKS_OF_LAYERS = "a rank holds whole FP8 blocks of a dense layer"
KV_HEADS = "KV heads divide tensor_parallel or are divided by it"


@pytest.mark.parametrize(
    ("case", "rules"),
    [
        # 1,536 columns of an expert over 8 ranks are 192: no whole blocks of 128.
        (QWEN, {"vllm": BLOCKS_OF_EXPERTS, "sglang": BLOCKS_OF_EXPERTS, "trtllm": BLOCKS_OF_EXPERTS}),
        # 18,432 / 32 = 576 are 4.5 blocks; SGLang keeps dense layers whole, but not shared experts.
        (
            DEEPSEEK,
            {
                "vllm": BLOCKS_OF_LAYERS,
                "sglang": "a rank holds whole FP8 blocks of a shared expert",
                "trtllm": BLOCKS_OF_LAYERS,
            },
        ),
        # 10 KV heads over 4 ranks.
        (PHI, {"vllm": KV_HEADS, "sglang": KV_HEADS, "trtllm": KV_HEADS}),
    ],
    ids=["c03", "c05", "c06"],
)
def test_what_no_server_starts_is_refused_with_the_rule(case: Mapping, rules: dict[str, str]) -> None:
    asked = {"kind": "deployment", "name": "field", "workload": REQUESTS, **case}
    for engine in (*rules, "any"):
        with pytest.raises(ieco_opt.InfeasibleError) as refusal:
            ieco_opt.solve(load_scenario_mapping(asked | {"engine": engine}))
        for name in rules if engine == "any" else (engine,):
            assert f"{profile(name).title}: {rules[name]}" in str(refusal.value), engine


def fleet(**workload: Any) -> Mapping:
    pool = {"name": "h100", "accelerator": "H100-SXM", "gpus": 8, "node_size": 8, "rented_by": "gpu"}
    asked = {"name": "w", "weights": ["fp8"], "prompt_tokens": 3000, "memory_utilization": 0.95, **workload}
    return {"kind": "fleet", "name": "field", "pools": [pool], "workloads": [asked]}


def test_f01_two_instances_of_four_serve_more_than_one_of_eight() -> None:
    """Llama-3-70B in FP8 on 8 H100s: two of TP4 were measured to serve more than one of TP8."""

    def most(tensor_parallel: list[int]) -> tuple[float, list[tuple[int, int]]]:
        asked = fleet(
            model="Llama-3-70B",
            output_tokens=200,
            requests_per_s=1,
            min_speed=20,
            max_time_to_first_token_s=3,
            serving=["colocated"],
            design_space={"tensor_parallel": tensor_parallel, **WITHOUT_GROUPS},
        )
        (plan,) = ieco_opt.plan(load_fleet_mapping(asked | {"objective": "throughput"})).plans
        return plan.objective, [(row.instances, row.gpus) for row in plan.instances]

    both, instances = most([4, 8])
    assert instances == [(2, 4)]
    assert both == most([4])[0] > most([8])[0]


def test_f03_the_published_split_of_prefill_and_decode_is_within_what_is_planned() -> None:
    """Llama-3.3-70B in FP8 on 8 H100s was published with 4 prefill GPUs beside a decode instance of TP4."""
    asked = fleet(
        model="Llama-3.3-70B",
        output_tokens=150,
        requests_per_s=6.8,
        min_speed=50,
        max_time_to_first_token_s=2,
        serving=["disaggregated"],
    )
    (plan,) = ieco_opt.plan(load_fleet_mapping(asked)).plans
    decode = [(row.instances, row.gpus) for row in plan.instances if row.phase == "decode"]
    prefill = sum(row.instances * row.gpus for row in plan.instances if row.phase == "prefill")
    assert decode == [(1, 4)]
    assert prefill <= 4
    assert len({row.engine for row in plan.instances}) == 1
