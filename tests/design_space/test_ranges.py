"""Cells whose figures are kept: whatever the limits are, the segments are those of cells that are cut anew."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_scenarios import numbered

from ieco_opt import Scenario
from ieco_opt.design_space import ranges
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.ranges import Ranges
from ieco_opt.design_space.segments import Segments, cut_where_protocols_change, segments_within
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.scenario import resolve

SCENARIO: dict[str, Any] = {
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 3000}},
}
DENSE = SCENARIO | {"model": "Llama-3.1-8B", "weights": ["fp8"], "model_error": 0.1}
# SGLang sends all tokens to all ranks here: alternatives are alike.
EXPERTS = SCENARIO | {"model": "gpt-oss-20b", "weights": ["mxfp4"], "engine": "sglang"}
DRAFTED = SCENARIO | {
    "model": "Qwen3-30B-A3B",
    "weights": ["fp8"],
    "speculation": {"draft_model": "Qwen3-0.6B", "acceptance": 0.8, "max_draft_tokens": 2},
}


def unlimited(mapping: dict[str, Any]) -> DesignSpace:
    """The design space of a scenario without its limits."""
    return design_space_of(resolve(Scenario(**{**mapping, "limits": {}})))


RANDOM = [mapping for number in range(10) if len(unlimited(mapping := numbered(number)[0].mapping).cells)]


def columns(segments: Segments) -> list[list[float]]:
    """All that segments say, but which alternatives they are rows of."""
    names = ("row", "lo", "hi", "step", "latency_lo_s", "latency_hi_s", "cost_lo", "cost_hi")
    return [getattr(segments, name).tolist() for name in names]


@pytest.mark.parametrize("figures", [1, ranges._MOST_FIGURES])
@pytest.mark.parametrize(
    "mapping",
    [DENSE, EXPERTS, DRAFTED, *RANDOM],
    ids=lambda mapping: str(mapping["model"])[:20],
)
def test_segments_are_those_of_cells_cut_anew(
    mapping: dict[str, Any], figures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "_MOST_FIGURES", figures)
    space = unlimited(mapping)
    cells = cut_where_protocols_change(space.alternatives, space.cells)
    kept, rng = Ranges(space.alternatives, cells), random.Random(str(mapping))  # noqa: S311 - chance, not secrets
    every, left = segments_within(space, cells), 0
    margin = float(space.alternatives.margin[0])
    slow, fast = every.latency_hi_s.max() * margin, every.latency_lo_s.min() * margin
    cheap, dear = every.cost_hi.min() * margin, every.cost_lo.max() * margin
    for _ in range(12):
        speed = rng.choice((0.0, 1.0 / slow, 1.0 / fast, rng.uniform(0.9 / slow, 1.1 / fast)))
        cost = rng.choice((np.inf, cheap, dear, cheap * (1.1 * dear / cheap) ** rng.random()))
        limited = replace(space, limits=replace(space.limits, min_speed=speed, max_cost=cost))
        found, expected = kept.segments(limited.limits), segments_within(limited, cells)
        assert columns(found) == columns(expected), (speed, cost)
        left += len(found)
        caps = {"latency_cap_s": slow ** rng.random() * fast ** rng.random(), "cost_cap": rng.uniform(cheap, dear)}
        some, same = found.restricted(**caps), expected.restricted(**caps)
        for name in ("segment", "lo", "hi", "step"):
            assert getattr(some, name).tolist() == getattr(same, name).tolist(), (speed, cost, caps)
    assert left
