"""Memory that a server keeps for itself on every GPU: activations, captured graphs, buffers of collectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees

GIB = 2.0**30
MIB = 2.0**20

Engine = Literal["none", "vllm", "sglang", "trtllm"]

ENGINES: tuple[Engine, ...] = get_args(Engine)
"""Servers whose reserve is known by name, and `none`: the equations alone."""

_CONTEXT_BYTES = 0.9 * GIB
_SAMPLER_BYTES = 33.0
_COLLECTIVES_BYTES = 1.3 * GIB
_EXPERTS_BYTES = 1.0 * GIB

_LARGE_CHUNK, _SMALL_CHUNK = 8192.0, 2048.0
"""Tokens that vLLM takes at once on large accelerators and on others."""


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """What a server may fill of a GPU's memory.

    ``reserve_bytes`` is what it keeps for itself; ``None``: as ``engine`` does.
    """

    utilization: float
    engine: Engine = "none"
    reserve_bytes: float | None = None

    @property
    def counts_whole_memory(self) -> bool:
        """Whether what the utilisation leaves free is part of the reserve, as SGLang counts."""
        return self.engine == "sglang" and self.reserve_bytes is None

    def usable_bytes(self, accelerator: Accelerator) -> float:
        """Bytes of each GPU that a server may fill."""
        return self.utilization * accelerator.hbm_bytes

    def reserve(self, architecture: Architecture, accelerator: Accelerator, degrees: Degrees) -> Array:
        """Bytes of each GPU that hold neither weights nor cache, shape (setups,)."""
        if self.reserve_bytes is not None:
            return np.full(degrees.stage_ranks.shape, self.reserve_bytes)
        return reserve_bytes(self.engine, architecture, accelerator, degrees, self.utilization)


def reserve_bytes(
    engine: str,
    architecture: Architecture,
    accelerator: Accelerator,
    degrees: Degrees,
    memory_utilization: float | Array,
) -> Array:
    """Bytes of each GPU that hold neither weights nor cache, shape (setups,); 0 for ``none``, the equations alone.

    ``trtllm``, for which no figures are at hand, is taken as ``vllm`` (docs/performance-model.md).
    """
    if engine == "none":
        return np.zeros_like(degrees.stage_ranks)
    if engine == "sglang":
        # SGLang counts from the whole memory: what the utilisation leaves free is part of it.
        left_free = (1.0 - memory_utilization) * accelerator.hbm_bytes
        return np.maximum(0.0, _sglang(accelerator, degrees) - left_free)
    return _vllm(architecture, accelerator, degrees)


def chunk_tokens(engine: Engine, accelerator: Accelerator) -> float:
    """Tokens of prompts that a server takes at once; inf for ``none``, which takes prompts whole (docs/fleet.md)."""
    if engine == "none":
        return np.inf
    if engine == "sglang":
        return _sglang_defaults(accelerator)[0]
    return _LARGE_CHUNK if _is_large(accelerator) else _SMALL_CHUNK


def _vllm(architecture: Architecture, accelerator: Accelerator, degrees: Degrees) -> Array:
    """What vLLM's profiling run leaves over, fitted to the caches that it logged (benchmarks/kv_capacity.py).

    0.9 GiB for the context, graphs and activations, 33 bytes for each word of the vocabulary and sequence that the
    sampler is warmed up with, 1.3 GiB where GPUs talk to each other, and 1 GiB for the workspaces of experts.
    """
    sampler = _SAMPLER_BYTES * (1024 if _is_large(accelerator) else 256) * architecture.vocabulary
    experts = _EXPERTS_BYTES if architecture.experts > 1 else 0.0
    collectives = np.where(degrees.gpus > 1.0, _COLLECTIVES_BYTES, 0.0)
    return np.asarray(_CONTEXT_BYTES + sampler + experts + collectives)


def _is_large(accelerator: Accelerator) -> bool:
    """Whether vLLM takes an accelerator for a large one: get_batch_defaults of vllm/engine/arg_utils.py, 0.33.0.

    An A100 of 80 GB is told by its name.
    """
    memory = accelerator.hbm_bytes
    return memory >= 160.0 * GIB or (memory >= 70.0 * GIB and "a100" not in accelerator.name.casefold())


def _sglang(accelerator: Accelerator, degrees: Degrees) -> Array:
    """What SGLang's own heuristic keeps free of weights and cache (srt/arg_groups/memory_hook.py, 0.5.23).

    512 MiB, 1.5 MiB for each token of a prefill chunk, 128 MiB for each GPU, 2 MiB for each sequence of the largest
    captured graph and with attention groups 3 (above 300 sequences 4.5) MiB more. SGLang counts the last once for
    each group; who runs tens of groups sets the size of the graphs by hand, since 72 groups would ask for 160 GiB.
    Its floor of 10 GiB above 60 GiB never decides, since a chunk takes more there.
    """
    chunk, few, wide = _sglang_defaults(accelerator)
    graph = np.where(degrees.stage_ranks < 4.0, few, wide)
    grouped = np.where(degrees.attention_data_parallel > 1.0, graph * np.where(graph > 300.0, 4.5, 3.0), 0.0)
    mebibytes = 512.0 + 1.5 * chunk + 128.0 * degrees.gpus + 2.0 * graph + grouped
    return np.asarray(mebibytes * MIB)


def _sglang_defaults(accelerator: Accelerator) -> tuple[float, float, float]:
    """Tokens of a chunk, and sequences of SGLang's largest graph below four ranks and from four on."""
    return next(row[1:] for row in _SGLANG_DEFAULTS if accelerator.hbm_bytes / GIB < row[0])


_SGLANG_DEFAULTS = (
    (20.0, 2048.0, 8.0, 8.0),
    (35.0, 4096.0, 48.0, 160.0),
    (60.0, 4096.0, 32.0, 160.0),
    (160.0, 8192.0, 256.0, 512.0),
    (np.inf, 16384.0, 512.0, 512.0),
)
"""Below so many GiB: tokens of a chunk, and sequences of the largest graph below four ranks and from four on."""
