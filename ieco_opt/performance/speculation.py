"""What speculation yields: tokens of a round, for each number of tokens that one pass verifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ieco_opt.performance.economics import speculation_factor


@dataclass(frozen=True, slots=True)
class Yield:
    """Mean tokens of a pass that verifies, its own one among them.

    Attributes
    ----------
    max_draft_tokens
        Most tokens that a pass may verify.
    acceptance
        Probability that one proposed token is accepted, where ``accepted_tokens`` is not given.
    accepted_tokens
        Tokens of a pass by the number of proposals, k = gamma - 1, in pairs that rise with k; ``None`` where
        ``acceptance`` says all.
    """

    max_draft_tokens: int
    acceptance: float = 1.0
    accepted_tokens: tuple[tuple[int, float], ...] | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of tokens that a pass may verify, rising."""
        if self.accepted_tokens is None:
            return tuple(range(2, self.max_draft_tokens + 1))
        return tuple(drafts + 1 for drafts, _ in self.accepted_tokens if drafts < self.max_draft_tokens)

    @property
    def said_by(self) -> str:
        """The field of a scenario that says which numbers of tokens there are."""
        return "max_draft_tokens" if self.accepted_tokens is None else "accepted_tokens"

    def passes_per_token(self, draft_tokens: int) -> float:
        """Passes that verify for one token; 1 where ``draft_tokens`` is 0: there is no speculation."""
        if draft_tokens == 0:
            return 1.0
        if self.accepted_tokens is None:
            return float(speculation_factor(np.array(float(draft_tokens)), self.acceptance))
        return 1.0 / dict(self.accepted_tokens)[draft_tokens - 1]


NO_YIELD = Yield(max_draft_tokens=0)
"""Without speculation."""


def yield_of(
    acceptance: float | None, accepted_tokens: Mapping[int, float] | None, max_draft_tokens: int | None
) -> Yield:
    """The yield of what a scenario says; without ``max_draft_tokens`` all of ``accepted_tokens`` may be chosen."""
    if accepted_tokens is None:
        assert acceptance is not None
        assert max_draft_tokens is not None
        return Yield(max_draft_tokens, acceptance)
    pairs = tuple(sorted(accepted_tokens.items()))
    return Yield(max_draft_tokens or pairs[-1][0] + 1, accepted_tokens=pairs)
