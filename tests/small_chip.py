"""An accelerator and a model small enough to work with by hand."""

from __future__ import annotations

from ieco_opt.catalog.attention import AttentionBlock, GroupedQueryAttention
from ieco_opt.catalog.types import Accelerator, FeedForward, Model

# 1e6 FLOP/s at 8 bits and 8e4 bytes/s after the caps.
CHIP = Accelerator(
    name="chip",
    flops_16bit=1e6,
    flops_8bit=2e6,
    flops_4bit=None,
    hbm_bytes_per_s=1e5,
    hbm_bytes=1e5,
    intra_node_bytes_per_s=1e6,
    inter_node_bytes_per_s=1e5,
    node_size=2,
    usd_per_gpu_hour=3.6,
    kernel_launch_s=1e-6,
    arithmetic_cap=0.5,
    memory_cap=0.8,
    power_w=100,
)
# Per layer 192 attention weights, 384 feed-forward weights, 16 of norms and 16 bytes of cache a token; 80 weights of
# unembedding.
DENSE = Model(
    name="dense",
    layers=5,
    width=8,
    vocabulary=10,
    tied_embeddings=False,
    blocks=(AttentionBlock(5, GroupedQueryAttention(query_heads=4, kv_heads=2, head_width=2)),),
    feed_forward=(FeedForward(layers=5, width=16),),
)
