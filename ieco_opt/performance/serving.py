"""What an instance does with requests, the time to their first token, and the move of a cache between instances.

Every function is first order, after the sixth correction of the equations (docs/fleet.md): queueing is not modelled.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array


class Phase(StrEnum):
    """What an instance does with the requests it gets."""

    COLOCATED = "colocated"
    PREFILL = "prefill"
    DECODE = "decode"


def colocated_time_to_first_token_s(
    latency_s: Array, batch: Array, output_tokens: float, tokens_per_pass: Array | float = 1.0
) -> Array:
    """Seconds in which a prompt is absorbed where prefill shares the passes of decoding.

    A prompt takes O / B steps of one token, and one pass (of ``tokens_per_pass`` accepted tokens) at the least.
    """
    return latency_s * np.maximum(tokens_per_pass, output_tokens / batch)


def transfer_s(architecture: Architecture, accelerator: Accelerator, gpus: Array, prompt_tokens: float) -> Array:
    """Seconds to move the cache of one prompt out of or into an instance: kv_bytes I / (N W_out).

    All GPUs send or receive their share of one copy at once; layers with a window send what they keep.
    """
    moved = architecture.resident_bytes(prompt_tokens)
    return np.asarray(moved / (gpus * accelerator.inter_node_bytes_per_s))
