"""What an instance does with requests, the time to their first token, and the move of a cache between instances.

Every function is first order, after the sixth correction of the equations (docs/fleet.md): queueing is not modelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from ieco_opt.catalog.calibration import FirstToken
from ieco_opt.catalog.types import Accelerator
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.reserve import Engine, chunk_tokens
from ieco_opt.performance.times import lift


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


@dataclass(frozen=True, slots=True)
class PromptTimes:
    """What the time to first token is made of where prompts share the passes of decoding.

    Arrays have shape (setups,); all are NaN where no prompts share them.

    Attributes
    ----------
    fixed_s, prompt_s
        Seconds whatever the prompt, and those of the passes that a prompt alone takes.
    in_the_way, groups
        Prompts of others that are in the way, for each sequence of an attention group and micro-batch; and how many of
        these there are.
    tokens_per_pass
        Tokens of the pass that generates the first one.
    output_tokens
        Tokens of an answer.
    """

    fixed_s: Array
    prompt_s: Array
    in_the_way: Array
    groups: Array
    tokens_per_pass: Array
    output_tokens: Array

    @classmethod
    def of(
        cls,
        accelerator: Accelerator,
        degrees: Degrees,
        prompt_s: Array,
        tokens_per_pass: float | Array,
        output_tokens: float | Array,
    ) -> PromptTimes:
        """Those of setups on an accelerator."""
        first, every = first_token_of(accelerator), np.ones_like(prompt_s)
        return cls(
            fixed_s=first.seconds * every,
            prompt_s=prompt_s,
            in_the_way=first.prompts_in_the_way * every,
            groups=degrees.groups,
            tokens_per_pass=tokens_per_pass * every,
            output_tokens=output_tokens * every,
        )

    @classmethod
    def none(cls, setups: int) -> PromptTimes:
        """Those of setups that read no prompts."""
        return cls(*(np.full(setups, np.nan) for _ in range(6)))

    def slower(self, factor: float) -> PromptTimes:
        """The same where every time is a factor longer."""
        return replace(self, fixed_s=factor * self.fixed_s, prompt_s=factor * self.prompt_s)

    def time_to_first_token_s(self, latency_s: Array, batch: Array) -> Array:
        """Seconds to the first token at a batch of shape (setups, ...) whose latency is known; it rises with both."""
        waiting = 1.0 + lift(self.in_the_way, batch) * (batch / lift(self.groups, batch))
        prompts_s = lift(self.fixed_s, batch) + lift(self.prompt_s, batch) * waiting
        return np.asarray(prompts_s + lift(self.tokens_per_pass, batch) * latency_s)

    def end_to_end_s(self, latency_s: Array, batch: Array) -> Array:
        """Seconds to the last token, likewise."""
        rest = lift(self.output_tokens, batch) - 1.0
        return np.asarray(self.time_to_first_token_s(latency_s, batch) + rest * latency_s)


def transfer_s(architecture: Architecture, accelerator: Accelerator, gpus: Array, prompt_tokens: float) -> Array:
    """Seconds to move the cache of one prompt out of or into an instance: kv_bytes I / (N W_out).

    All GPUs send or receive their share of one copy at once; layers with a window send what they keep.
    """
    moved = architecture.resident_bytes(prompt_tokens)
    return np.asarray(moved / (gpus * accelerator.inter_node_bytes_per_s))
