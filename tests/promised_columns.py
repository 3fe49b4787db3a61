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
    "draft_tensor_parallel",
    "draft_attention_data_parallel",
    "draft_pipeline_parallel",
    "draft_expert_parallel",
    "draft_expert_tensor_parallel",
    "draft_redundant_experts",
    "draft_stage_ranks",
    "draft_tensor_layout",
    "cost_cap",
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
    *(name for name in DEPLOYMENT if name != "cost_cap"),
)
"""Of a row of instances: those of a fleet, and those of a deployment."""
