"""Passes of families that differ in setups and lengths alone, priced together: calls, not arithmetic, take the time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.rows import split_rows, stack_rows
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import Traffic, repeated


def plain_alternatives(families: Sequence[Family]) -> list[Alternatives]:
    """Every setup of each family without a draft.

    The families are those of one model, precision, accelerator and server.
    """
    models = timed(families, [family.context.useful for family in families])
    prompts: Sequence[Array | None] = [None] * len(families)
    if families[0].context.reads_prompts:
        prompts = _prompt_s(families)
    return [family.plain(model, prompt) for family, model, prompt in zip(families, models, prompts, strict=True)]


def timed(families: Sequence[Family], traffics: Sequence[Traffic]) -> list[PassTime]:
    """Pass times of every setup of each family under a traffic of scalars of its own."""
    return split_rows(_timed(families, traffics), [len(family.setups) for family in families])


def _timed(families: Sequence[Family], traffics: Sequence[Traffic]) -> PassTime:
    degrees = stack_rows([family.setups.degrees for family in families])
    traffic = repeated(traffics, [len(family.setups) for family in families])
    return pass_time(families[0].shape, families[0].accelerator, degrees, traffic)


def _prompt_s(families: Sequence[Family]) -> list[Array]:
    """Seconds of the passes that a prompt alone takes: one, or a chunk, for each attention group and stage."""
    counts = [len(family.setups) for family in families]
    groups = np.concatenate([family.setups.degrees.groups for family in families])
    chunks = np.repeat([family.chunks for family in families], counts)
    seconds = chunks * _timed(families, [family.chunk for family in families]).latency_s(groups)
    return np.split(seconds, np.cumsum(counts)[:-1])
