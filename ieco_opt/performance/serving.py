"""What an instance does with requests, the time to their first token, and the move of a cache between instances.

Every function is first order, after the sixth correction of the equations (docs/fleet.md): queueing is not modelled.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np

from ieco_opt.catalog.calibration import FirstToken
from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.reserve import Engine, chunk_tokens


class Phase(StrEnum):
    """What an instance does with the requests it gets."""

    COLOCATED = "colocated"
    PREFILL = "prefill"
    DECODE = "decode"


def first_token_of(accelerator: Accelerator) -> FirstToken:
    """Constants of the time to first token on an accelerator: those of its profile, or the usual ones."""
    return FirstToken() if accelerator.calibration is None else accelerator.calibration.first_token


def prompt_chunks(engine: Engine, accelerator: Accelerator, new_tokens: float) -> int:
    """Passes in which a server takes ``new_tokens`` of a prompt, at least 1."""
    return max(1, math.ceil(new_tokens / chunk_tokens(engine, accelerator)))


def colocated_time_to_first_token_s(
    first: FirstToken, prompt_s: Array, in_flight: Array, latency_s: Array, tokens_per_pass: Array | float = 1.0
) -> Array:
    """Seconds to the first token where prompts share the passes of decoding.

    Parameters
    ----------
    prompt_s
        Seconds of the passes that a prompt alone takes.
    in_flight
        Sequences of an attention group and micro-batch: the more, the more prompts of others are in the way.
    latency_s, tokens_per_pass
        Seconds per generated token, and tokens of the pass that generates the first one.
    """
    waiting = 1.0 + first.prompts_in_the_way * in_flight
    return np.asarray(first.seconds + prompt_s * waiting + tokens_per_pass * latency_s)


def transfer_s(architecture: Architecture, accelerator: Accelerator, gpus: Array, prompt_tokens: float) -> Array:
    """Seconds to move the cache of one prompt out of or into an instance: kv_bytes I / (N W_out).

    All GPUs send or receive their share of one copy at once; layers with a window send what they keep.
    """
    moved = architecture.resident_bytes(prompt_tokens)
    return np.asarray(moved / (gpus * accelerator.inter_node_bytes_per_s))
