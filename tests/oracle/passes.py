"""Passes that carry prompts beside generated tokens (docs/fleet.md, docs/performance-model.md, "Prompts")."""

from __future__ import annotations

from typing import NamedTuple


class Pass(NamedTuple):
    """What one pass carries for each sequence: tokens, of which some are generated, and whole prompts."""

    carried: float
    generated: float
    prompts: float = 0.0


def of_model(verified: int, expected: float, new_tokens: float, output_tokens: float) -> Pass:
    """Pass of the model that verifies so many tokens; so many are expected of it, and as many parts of prompts come.

    Of a prompt so many new tokens go through the model, and it is answered with so many output tokens.
    """
    prompts = expected / output_tokens
    return Pass(verified + prompts * new_tokens, verified, prompts)


def of_draft(proposed: int, expected: float, new_tokens: float, output_tokens: float) -> Pass:
    """One of so many passes of the draft, which share what comes of prompts in a round."""
    prompts = expected / (output_tokens * proposed)
    return Pass(1 + prompts * new_tokens, 1, prompts)
