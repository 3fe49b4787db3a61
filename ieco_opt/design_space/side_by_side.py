"""Families of one model in one precision, priced together: on short arrays calls, not arithmetic, take the time.

They may differ in setups, in the lengths of requests, and in the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ieco_opt.catalog.types import Accelerator
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.rows import split_rows, stack_rows
from ieco_opt.performance.serving import PromptTimes
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import Traffic, repeated


def plain_alternatives(families: Sequence[Family]) -> list[Alternatives]:
    """Every setup of each family without a draft."""
    found: dict[int, Alternatives] = {}
    for alike in _alike(families):
        mine = [families[at] for at in alike]
        together, counts = _together(mine)
        model = _timed(together, [family.context.useful for family in mine], counts)
        priced = together.plain(model, _prompt_times(together, mine, counts))
        priced = replace(
            priced,
            accelerator=np.repeat([family.accelerator_index for family in mine], counts),
            precision=np.repeat([family.precision_index for family in mine], counts),
            engine=np.repeat([family.engine_index for family in mine], counts),
        )
        found |= zip(alike, split_rows(priced, counts), strict=True)
    return [found[at] for at in range(len(families))]


def timed(families: Sequence[Family], traffics: Sequence[Traffic]) -> list[PassTime]:
    """Pass times of every setup of each family under a traffic of scalars of its own."""
    found: dict[int, PassTime] = {}
    for alike in _alike(families):
        together, counts = _together([families[at] for at in alike])
        time = _timed(together, [traffics[at] for at in alike], counts)
        found |= zip(alike, split_rows(time, counts), strict=True)
    return [found[at] for at in range(len(families))]


def _alike(families: Sequence[Family]) -> list[list[int]]:
    """Positions of the families whose passes have the same constants, together."""
    groups: list[list[int]] = []
    for at, family in enumerate(families):
        # They have no hash.
        group = next((each for each in groups if _constants(families[each[0]]) == _constants(family)), None)
        if group is None:
            groups.append([at])
        else:
            group.append(at)
    return groups


def _constants(family: Family) -> tuple[Accelerator, Architecture, float, bool]:
    return family.accelerator, family.shape, family.margin, family.pessimistic


def _together(families: Sequence[Family]) -> tuple[Family, list[int]]:
    """One family of all setups, in order, whose lengths are those of none; and how many setups each has."""
    setups = [family.setups for family in families]
    return replace(families[0], setups=stack_rows(setups)), list(map(len, setups))


def _timed(together: Family, traffics: Sequence[Traffic], counts: Sequence[int]) -> PassTime:
    return pass_time(together.shape, together.accelerator, together.setups.degrees, repeated(traffics, counts))


def _prompt_times(together: Family, families: Sequence[Family], counts: Sequence[int]) -> PromptTimes:
    """What the time to first token of every setup is made of, as :meth:`Family.prompt_times` says it of one family."""
    if not families[0].context.reads_prompts:
        return PromptTimes.none(sum(counts))
    degrees = together.setups.degrees
    chunks = np.repeat([family.chunks for family in families], counts)
    prompt_s = chunks * _timed(together, [family.chunk for family in families], counts).latency_s(degrees.groups)
    output = np.repeat([family.context.output_tokens for family in families], counts)
    return PromptTimes.of(together.accelerator, degrees, prompt_s, 1.0, output)
