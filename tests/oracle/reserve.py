"""What a server needs on each GPU besides weights and cache: activations, captured graphs, buffers of collectives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ieco_opt.catalog.types import Accelerator, Model

from .common import Setup

MIB, GIB = 2**20, 2**30

_SGLANG = (
    # memory below so many GiB: tokens of a chunk, sequences of the largest graph below four ranks and from four on
    (20, 2048, 8, 8),
    (35, 4096, 48, 160),
    (60, 4096, 32, 160),
    (160, 8192, 256, 512),
    (float("inf"), 16384, 512, 512),
)


@dataclass(frozen=True, slots=True)
class Reserve:
    """The fields of a scenario that decide how much of the memory is left; what a server needs is its own figure."""

    memory_utilization: float = 0.9
    memory_reserve_gb: Literal["auto"] | float = "auto"

    def usable_bytes(self, accelerator: Accelerator) -> float:
        """Bytes of a GPU that may be used, the reserve included."""
        return self.memory_utilization * accelerator.hbm_bytes

    def reserve_bytes(self, model: Model, accelerator: Accelerator, setup: Setup) -> float:
        """Bytes of the reserve on each GPU where the setup's engine runs the model."""
        if self.memory_reserve_gb != "auto":
            return 1e9 * self.memory_reserve_gb
        if setup.engine == "none":
            return 0.0
        if setup.engine == "sglang":
            return sglang_bytes(accelerator, setup, self.memory_utilization)
        return vllm_bytes(model, accelerator, setup)


def chunk_tokens(accelerator: Accelerator, engine: str) -> float:
    """Tokens of a prompt that a server takes at once; without one, all of them."""
    if engine == "none":
        return float("inf")
    if engine == "sglang":
        return _sglang_row(accelerator)[1]
    return 8192 if _serves_many(accelerator) else 2048


def chunks(new_tokens: float, accelerator: Accelerator, engine: str) -> int:
    """Passes in which a server takes a prompt of so many tokens that go through the model."""
    return max(1, math.ceil(new_tokens / chunk_tokens(accelerator, engine)))


def _serves_many(accelerator: Accelerator) -> bool:
    """Whether vLLM warms its sampler up with 1,024 sequences, and not with 256."""
    memory = accelerator.hbm_bytes / GIB
    return memory >= 160 or (memory >= 70 and "a100" not in accelerator.name.lower())


def vllm_bytes(model: Model, accelerator: Accelerator, setup: Setup) -> float:
    """Reserve of vLLM, and of TensorRT-LLM, for which there are no figures."""
    needed = 0.9 * GIB + 33 * model.vocabulary * (1024 if _serves_many(accelerator) else 256)
    if setup.gpus > 1:
        needed += 1.3 * GIB
    if any(block.experts > 1 for block in model.feed_forward):
        needed += 1 * GIB
    return needed


def _sglang_row(accelerator: Accelerator) -> tuple[float, int, int, int]:
    return next(row for row in _SGLANG if accelerator.hbm_bytes / GIB < row[0])


def sglang_bytes(accelerator: Accelerator, setup: Setup, memory_utilization: float) -> float:
    """Reserve of SGLang beyond what it leaves free."""
    memory = accelerator.hbm_bytes / GIB
    _, chunk, few, many = _sglang_row(accelerator)
    graph = many if setup.stage_ranks >= 4 else few
    needed = 512 + 1.5 * chunk + 128 * setup.gpus + 2 * graph
    if setup.sigma > 1:
        needed += (4.5 if graph > 300 else 3) * graph
    if memory > 60:
        needed = max(needed, 10_240)
    return max(0.0, needed * MIB - (1 - memory_utilization) * accelerator.hbm_bytes)
