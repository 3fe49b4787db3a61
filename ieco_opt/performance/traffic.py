"""What one sequence of the batch brings to one pass: tokens that are generated, and prompts that arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ieco_opt.performance.collectives import Array

Figure = float | Array


@dataclass(frozen=True, slots=True)
class Traffic:
    """What each sequence of the batch brings to a pass; figures are scalars or one for each setup.

    Attributes
    ----------
    tokens
        Tokens that go through the matrices and collectives.
    generated
        Those of them that attend to the cache of the sequence.
    cached_from, cached_to
        Tokens in that cache when the answer starts and when it ends; figures are means over the answer.
    prompts
        Prompts that arrive in a pass for each sequence, of ``prompt_tokens`` each, of which ``prefix_tokens`` were
        found in the prefix cache.
    """

    tokens: Figure
    generated: Figure
    cached_from: Figure
    cached_to: Figure
    prompts: Figure = 0.0
    prompt_tokens: Figure = 0.0
    prefix_tokens: Figure = 0.0

    def with_prompts(self, prompts: Figure, prompt_tokens: Figure, prefix_tokens: Figure = 0.0) -> Traffic:
        """Add prompts; each token of one attends to those before it."""
        arriving = prompts * (prompt_tokens - prefix_tokens)
        return replace(
            self,
            tokens=self.tokens + arriving,
            prompts=prompts,
            prompt_tokens=prompt_tokens,
            prefix_tokens=prefix_tokens,
        )


def repeated(traffics: Sequence[Traffic], counts: Sequence[int]) -> Traffic:
    """Several of scalars as one, each for so many setups, in order."""
    names = (item.name for item in fields(Traffic))
    return Traffic(*(np.repeat([getattr(each, name) for each in traffics], counts) for name in names))


def decode_traffic(tokens: Figure, cached_from: Figure, cached_to: Figure | None = None) -> Traffic:
    """``tokens`` of each sequence, which attend to its cache from the first to the last token of the answer."""
    return Traffic(tokens, tokens, cached_from, cached_from if cached_to is None else cached_to)


def prefill_traffic(prompt_tokens: Figure, prefix_tokens: Figure = 0.0, chunks: Figure = 1) -> Traffic:
    """A prompt, or one of its equal chunks; nothing but what was found of it is cached before."""
    return Traffic(0.0, 0.0, 0.0, 0.0).with_prompts(1.0 / chunks, prompt_tokens, prefix_tokens)
