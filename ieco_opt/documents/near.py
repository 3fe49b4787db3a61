"""Which field was probably meant by a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from ieco_opt.documents.origin import shortened

_ALIKE = 0.6

_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "price": ("usd_per_gpu_hour",),
    "cost": ("usd_per_gpu_hour", "max_cost", "max_usd_per_hour"),
    "memory": ("hbm_bytes", "memory_utilization"),
    "vram": ("hbm_bytes",),
    "bandwidth": ("hbm_bytes_per_s",),
    "nvlink": ("intra_node_bytes_per_s",),
    "tdp": ("power_w",),
    "watts": ("power_w",),
    "power": ("power_w", "max_power_kw"),
    "gpus_per_node": ("node_size",),
    "count": ("gpus",),
    "gpu": ("accelerator", "accelerators", "gpus"),
    "hardware": ("accelerator", "accelerators"),
    "precision": ("weights",),
    "quantization": ("weights",),
    "dtype": ("weights",),
    "kv_cache_dtype": ("kv_cache",),
    "cache_dtype": ("kv_cache",),
    "gpu_memory_utilization": ("memory_utilization",),
    "mem_fraction_static": ("memory_utilization",),
    "reserve": ("memory_reserve_gb",),
    "server": ("engine",),
    "max_model_len": ("max_context_tokens",),
    "max_position_embeddings": ("max_context_tokens",),
    "sliding_window": ("window",),
    "tp": ("tensor_parallel",),
    "dp": ("attention_data_parallel",),
    "pp": ("pipeline_parallel",),
    "ep": ("expert_parallel",),
    "isl": ("prompt_tokens", "context_tokens"),
    "input_tokens": ("prompt_tokens", "context_tokens"),
    "osl": ("output_tokens",),
    "rate": ("requests_per_s",),
    "rps": ("requests_per_s",),
    "qps": ("requests_per_s",),
    "ttft": ("max_time_to_first_token_s",),
    "ttft_ms": ("max_time_to_first_token_s",),
    "tpot": ("min_speed",),
    "tpot_s": ("min_speed",),
    "itl_ms": ("min_speed",),
    "draft": ("draft_model",),
    "vocab_size": ("vocabulary",),
    "hidden_size": ("width",),
    "num_hidden_layers": ("layers",),
}
"""What people call fields whose names look otherwise."""


def near(unknown: str, known: Collection[str]) -> str | None:
    """The known name that was probably meant: another word for the same, or one spelt alike; ``None`` if none is."""
    plain = unknown.strip().casefold().replace("-", "_").replace(" ", "_")
    for name in _OTHER_WORDS.get(plain, ()):
        if name in known:
            return name
    close = difflib.get_close_matches(plain[:60], known, n=1, cutoff=_ALIKE)
    return close[0] if close else None


def meant(unknown: str, known: Collection[str]) -> str:
    """What a message says is expected in the place of an unknown name: the near one, else the known ones."""
    close = near(unknown, known)
    return f"perhaps {close}" if close else shortened(known)
