"""Columns that users are promised, in their order: written out, so that a changed record is noticed."""

from __future__ import annotations

PROMISED = (
    "speed_tokens_per_s",
    "cost_usd_per_mtok",
    "latency_s",
    "throughput_tokens_per_s",
    "gpus",
    "accelerator",
    "weights",
    "kv_cache",
    "engine",
    "engines",
    "tensor_parallel",
    "attention_data_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "expert_tensor_parallel",
    "redundant_experts",
    "stage_ranks",
    "tensor_layout",
    "exchange",
    "batch",
    "draft_tokens",
    "draft_mode",
    "draft_model",
    "mfu",
    "power_kw",
    "bottleneck",
    "kernel_s",
    "network_s",
    "memory_s",
    "arithmetic_s",
    "bound",
    "gap",
    "status",
)
"""Of a deployment, for ever."""

OF_PROMPTS = (
    *("time_to_first_token_s", "end_to_end_s", "requests_per_s"),
    *("cost_usd_per_mtok_total", "usd_per_request", "usd_per_hour"),
)
"""Columns that only deployments have whose scenario prices prompts, after those of all."""

DEPLOYMENT = (
    *PROMISED,
    "memory_per_gpu_gb",
    "memory_limit_gb",
    "cache_tokens",
    "weights_gb",
    "cache_gb",
    "draft_gb",
    "reserve_gb",
    "free_gb",
    "profile",
    "in_range",
    "expected_error",
    "draft_tensor_parallel",
    "draft_attention_data_parallel",
    "draft_pipeline_parallel",
    "draft_expert_parallel",
    "draft_expert_tensor_parallel",
    "draft_redundant_experts",
    "draft_stage_ranks",
    "draft_tensor_layout",
    "cost_cap",
    "energy_j_per_token",
    "energy_usd_per_mtok",
    "carbon_kg_per_mtok",
)
"""Of a deployment, all."""

INSTANCES = (
    "workload",
    "phase",
    "pool",
    "instance_type",
    "instances",
    "nodes",
    "usd_per_hour",
    "utilization",
    "time_to_first_token_s",
    "requests_per_s",
    "capacity_requests_per_s",
    *DEPLOYMENT[: DEPLOYMENT.index("cost_cap")],
    "energy_kw",
)
"""Of a row of instances: those of a fleet, and those of a deployment."""
