"""Servers that run a setup alike leave it to one of them, and prompts in as many chunks are part of being alike."""

from __future__ import annotations

import pytest

from ieco_opt.design_space.building import build_families, distinct_in_time
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request
from ieco_opt.scenario import load_scenario_mapping, resolve

RANKS = (1, 2, 4)


def offered(accelerator: str) -> list[Family]:
    """Setups of 1, 2 and 4 ranks with prompts of 9000 tokens on every server."""
    scenario = {
        "version": 2,
        "kind": "deployment",
        "model": "Llama-3.1-8B",
        "weights": ["bf16"],
        "accelerators": [accelerator],
        "workload": {"prompt_tokens": 9000, "output_tokens": 100},
        "design_space": {"stage_ranks": list(RANKS), "attention_data_parallel": [1], "pipeline_parallel": [1]},
    }
    resolved = resolve(load_scenario_mapping(scenario))
    request = family_request(resolved)
    return build_families(request, (0, resolved.accelerators[0]), (0, resolved.precisions[0]))[0]


@pytest.mark.parametrize(
    ("accelerator", "chunks"),
    [
        # All of them take 8192 tokens at once.
        ("H100-SXM", [2, 2, 2]),
        # SGLang takes twice as many on large cards, and 4096 on one of 48 GB where others take 2048.
        ("B200", [2, 1, 2]),
        ("L40S", [5, 3, 5]),
    ],
)
@pytest.mark.parametrize("limited", [True, False])
def test_one_of_the_servers_that_are_alike_has_a_setup(accelerator: str, chunks: list[int], limited: bool) -> None:
    families = offered(accelerator)
    assert [family.chunks for family in families] == chunks
    # The one with most room, and of equal ones the first; where the first token counts, of those with as many chunks.
    expected: list[list[int]] = [[] for _ in families]
    for ranks in RANKS:
        free = {
            at: float(family.setups.free_bytes[family.setups.degrees.stage_ranks == ranks][0])
            for at, family in enumerate(families)
        }
        for alike in set(chunks) if limited else [None]:
            among = [at for at in free if alike in (None, chunks[at])]
            expected[max(among, key=lambda at: (free[at], -at))].append(ranks)
    (found,) = distinct_in_time([families], limited=limited)
    assert [family.setups.degrees.stage_ranks.tolist() for family in found] == expected
