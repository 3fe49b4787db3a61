"""The accelerators and models of the reference figures, with the constants of arXiv 2506.04645."""

from __future__ import annotations

from dataclasses import replace

from ieco_opt.catalog.types import Accelerator, PaperModel

H100 = Accelerator(
    name="H100",
    flops_16bit=1e15,
    flops_8bit=2e15,
    flops_4bit=2e15,
    hbm_bytes_per_s=3.3e12,
    hbm_bytes=80e9,
    intra_node_bytes_per_s=225e9,
    inter_node_bytes_per_s=25e9,
    node_size=8,
    usd_per_gpu_hour=2.1,
    kernel_launch_s=4e-6,
    arithmetic_cap=0.7,
    memory_cap=0.75,
)
A100 = Accelerator(
    name="A100",
    flops_16bit=312e12,
    flops_8bit=624e12,
    flops_4bit=None,
    hbm_bytes_per_s=2e12,
    hbm_bytes=80e9,
    intra_node_bytes_per_s=150e9,
    inter_node_bytes_per_s=12.5e9,
    node_size=8,
    usd_per_gpu_hour=1.506667,
    kernel_launch_s=4e-6,
    arithmetic_cap=0.8,
    memory_cap=0.75,
)
LLAMA_70B = PaperModel(
    name="Llama 3 70B",
    layers=80,
    width=8192,
    feed_forward_width=28672,
    up=2,
    down=1,
    experts=1,
    active_experts=1,
    query_heads=64,
    query_heads_per_kv_head=8,
    head_width=128,
    vocabulary=128256,
    weight_bytes=2,
    activation_bytes=2,
    mla_kv_width=None,
    mla_query_width=None,
    parallel_attention=False,
)
LLAMA_70B_8BIT = replace(LLAMA_70B, name="Llama 3 70B 8-bit", weight_bytes=1)
LLAMA_70B_4BIT = replace(LLAMA_70B, name="Llama 3 70B 4-bit", weight_bytes=0.5)
LLAMA_8B = replace(
    LLAMA_70B,
    name="Llama 3 8B",
    layers=32,
    width=4096,
    feed_forward_width=14336,
    query_heads=32,
    query_heads_per_kv_head=4,
)
MISTRAL_LARGE = replace(
    LLAMA_70B,
    name="Mistral Large 2",
    layers=88,
    width=12288,
    query_heads=96,
    query_heads_per_kv_head=12,
    vocabulary=32768,
)
GPT_4 = replace(
    LLAMA_70B,
    name="GPT-4",
    layers=120,
    width=12288,
    feed_forward_width=36864,
    up=1,
    experts=16,
    active_experts=2,
    query_heads=96,
    query_heads_per_kv_head=96,
    head_width=192,
    vocabulary=100256,
)
DEEPSEEK_V3 = replace(
    LLAMA_70B,
    name="DeepSeek V3",
    layers=58,
    width=7168,
    feed_forward_width=2048,
    experts=256,
    active_experts=9,
    query_heads=128,
    query_heads_per_kv_head=1,
    vocabulary=129280,
    weight_bytes=1,
    mla_kv_width=512,
    mla_query_width=1536,
)

ACCELERATORS = {accelerator.name: accelerator for accelerator in (H100, A100)}
MODELS = {
    model.name: model
    for model in (
        LLAMA_70B,
        LLAMA_70B_8BIT,
        LLAMA_70B_4BIT,
        LLAMA_8B,
        MISTRAL_LARGE,
        GPT_4,
        DEEPSEEK_V3,
    )
}
