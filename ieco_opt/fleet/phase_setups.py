"""Setups that can serve a class of requests in a phase, priced for several lengths of requests at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.side_by_side import plain_alternatives, timed
from ieco_opt.fleet.instances import DecodingSetups, PrefillSetups
from ieco_opt.performance.rows import stack_rows
from ieco_opt.performance.serving import Phase, first_token_of, transfer_s
from ieco_opt.performance.traffic import prefill_traffic


def decoding_setups(
    families: Sequence[Family],
    phase: Phase,
    output_tokens: Sequence[int],
    batches: tuple[int, ...] | None,
    ask: Ask = go_on,
) -> list[DecodingSetups]:
    """Price the setups of families of one model, plain and with every draft setup."""
    found = []
    for family, tokens, plain in zip(families, output_tokens, plain_alternatives(families), strict=True):
        spaces = [plain]
        for draft_tokens in family.draft_range:
            for setups, drafts in family.pairs():
                ask()
                pairs = family.alternatives(setups, draft_tokens, drafts)
                spaces.append(pairs.take(np.flatnonzero(pairs.batch_min <= pairs.batch_max)))
        alternatives = spaces[0] if len(spaces) == 1 else stack_rows(spaces)
        moved = np.zeros(len(alternatives))
        if phase is not Phase.COLOCATED:
            moved = transfer_s(family.shape, family.accelerator, alternatives.gpus, family.context.prompt_tokens)
        found.append(
            DecodingSetups(
                phase=phase,
                family=family,
                alternatives=alternatives,
                tokens_per_pass=1.0 / alternatives.model_share,
                output_tokens=float(tokens),
                transfer_s=moved,
                batches=batches,
            )
        )
    return found


def prefill_setups(families: Sequence[Family]) -> list[PrefillSetups]:
    """Price the setups of families of one model, which prefill prompts and do nothing else."""
    whole = [_taking_whole_prompts(family) for family in families]
    lengths = [(family.context.prompt_tokens, family.context.prefix_tokens) for family in whole]
    return [
        PrefillSetups(
            family=family,
            time=time,
            front_s=np.full(len(family.setups), first_token_of(family.accelerator).seconds),
            transfer_s=transfer_s(family.shape, family.accelerator, family.setups.degrees.gpus, prompt_tokens),
        )
        for family, (prompt_tokens, _), time in zip(
            whole, lengths, timed(whole, [prefill_traffic(*each) for each in lengths]), strict=True
        )
    ]


def _taking_whole_prompts(family: Family) -> Family:
    """No prompt is split among attention groups, and every stage must hold one."""
    setups = family.setups
    whole = (setups.degrees.attention_data_parallel == 1.0) & (setups.batch_max >= setups.degrees.pipeline_parallel)
    return replace(family, setups=setups.take(np.flatnonzero(whole)))
