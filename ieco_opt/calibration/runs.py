"""What the names in measurements stand for: the server, its cache, and its exchange of experts.

| name | server | cache on NVIDIA | exchange with several groups |
|---|---|---|---|
| contains `trt` | TensorRT-LLM | fp8 | all-to-all where experts are parallel |
| contains `sglang` | SGLang | 16 bits | all-to-all where experts are parallel |
| contains `vllm` | vLLM | fp8 | all-to-all where experts are parallel |
| any other (`atom`, ...) | the first that starts it, vLLM's layout | fp8 | all-to-all where experts are parallel |

On AMD accelerators every server keeps the cache in 16 bits. Measurements do not say what cache they ran with: with
these the constants of the cache come out alike for all servers of a generation. A row may say it in a column
`kv_cache`, and its exchange in a column `exchange`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.catalog.precision import KvCache
from ieco_opt.catalog.types import Accelerator

_SERVERS = (("sglang", "sglang"), ("vllm", "vllm"), ("trt", "trtllm"))


@dataclass(frozen=True, slots=True)
class Run:
    """How a server is taken to have run."""

    engine: str | None
    kv_cache: KvCache


def run_of(name: str, accelerator: Accelerator) -> Run:
    """What a name of the column ``engine`` stands for on an accelerator; no engine: it is none that is known."""
    spelt = name.lower()
    engine = next((server for part, server in _SERVERS if part in spelt), None)
    in_16_bits = engine == "sglang" or accelerator.vendor == "amd" or accelerator.flops_8bit is None
    return Run(engine, "bf16" if in_16_bits else "fp8")
