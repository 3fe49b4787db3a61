"""What requests bring to a pass: decoding alone, with the prompts that arrive meanwhile, and prompts alone.

Every function is first order, after the sixth correction of the equations (docs/fleet.md): queueing is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one sequence of the batch brings to one pass.

    ``tokens`` go through the matrices and collectives, ``cached_tokens`` are read, and ``attended_tokens`` counts pairs
    of a token and a position it attends to.
    """

    tokens: float
    cached_tokens: float
    attended_tokens: float

    def with_prompt(self, tokens: float, prompt_tokens: float) -> Traffic:
        """Add ``tokens`` of prompts of ``prompt_tokens`` each, which on average attend to half of theirs."""
        attended = self.attended_tokens + tokens * prompt_tokens / 2.0
        return Traffic(self.tokens + tokens, self.cached_tokens, attended)


def decode_traffic(tokens: float, cached_tokens: float) -> Traffic:
    """Each of ``tokens`` attends to the whole cache."""
    return Traffic(tokens, cached_tokens, tokens * cached_tokens)


def prefill_traffic(prompt_tokens: float) -> Traffic:
    """A whole prompt, which attends to the causal half of itself; nothing is cached before."""
    return Traffic(0.0, 0.0, 0.0).with_prompt(prompt_tokens, prompt_tokens)


def colocated_time_to_first_token_s(
    latency_s: Array, batch: Array, output_tokens: float, tokens_per_pass: Array | float = 1.0
) -> Array:
    """Seconds in which a prompt is absorbed where prefill shares the passes of decoding.

    A prompt takes O / B steps of one token, and one pass (of ``tokens_per_pass`` accepted tokens) at the least.
    """
    return latency_s * np.maximum(tokens_per_pass, output_tokens / batch)


def transfer_s(architecture: Architecture, accelerator: Accelerator, gpus: Array, prompt_tokens: float) -> Array:
    """Seconds to move the cache of one prompt out of or into an instance: kv_bytes I / (N W_out).

    All GPUs send or receive their share of one copy at once.
    """
    moved = architecture.cache_bytes_per_token * prompt_tokens
    return np.asarray(moved / (gpus * accelerator.inter_node_bytes_per_s))
