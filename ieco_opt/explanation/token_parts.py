"""Parts of the time of a token, as the performance model puts its passes together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.times import PassTime
from ieco_opt.results.fleet_explanation import Term


@dataclass(frozen=True, slots=True)
class Part:
    """One part; those that are not ``hidden`` behind something longer add up to the time.

    ``working_s`` are seconds of it in which memory or arithmetic work.
    """

    term: Term
    seconds: float
    hidden: bool = False
    working_s: float = 0.0


def parts_of_token(alternative: Alternatives, batch: int) -> Iterator[Part]:
    """Of the pass that generates tokens, for one of them; the draft model's pass is one part.

    ``alternative`` is one row; parts that take nothing are left out.
    """
    held, share = np.array([float(batch)]), float(alternative.model_share[0])
    for part in parts_of_pass(alternative.model, held):
        yield Part(part.term, share * part.seconds, part.hidden, share * part.working_s)
    drafting = float(alternative.draft_share[0])
    if drafting > 0.0:
        latency, busy = alternative.draft.latency_and_busy_s(held)
        yield Part("draft", drafting * float(latency[0]), working_s=drafting * float(busy[0]))


def parts_of_pass(time: PassTime, batch: Array) -> Iterator[Part]:
    """Parts of one pass of one setup at one batch; those that take nothing are left out."""
    held = float(batch[0])
    touched = -np.expm1(time.expert_log_idle[0] * held)
    weights = float(time.memory_fixed_s[0] + (touched * time.expert_fixed_s[0]).sum())
    moved = float(time.memory_slope_s[0] * held + (touched * time.expert_slope_s[0]).sum() * held)
    compute, apart = float(time.arithmetic_slope_s[0]) * held, float(time.attention_slope_s[0]) * held
    behind_compute = compute > weights + moved
    parts = (
        Part("launch overhead", float(time.kernel_s[0])),
        Part("network", float(time.network_s(batch)[0])),
        _working("weights", weights, hidden=behind_compute),
        # A calibrated pass reads the cache behind nothing.
        _working("cache", apart if behind_compute else moved + apart),
        _working("cache", moved if behind_compute else 0.0, hidden=True),
        _working("compute", compute, hidden=not behind_compute),
        _working("prompts", float(time.prompt_slope_s[0]) * held),
    )
    yield from (part for part in parts if part.seconds > 0.0)


def _working(term: Term, seconds: float, *, hidden: bool = False) -> Part:
    return Part(term, seconds, hidden, working_s=seconds)
