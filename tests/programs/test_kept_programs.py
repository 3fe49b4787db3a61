"""Programs that are given other numbers: they are those that are built anew."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from random_scenarios import numbered

from ieco_opt import Scenario
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.segments import build_segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.performance.energy import Measure
from ieco_opt.programs import kept
from ieco_opt.programs.deployment import Objective, ProgramData, build_program, shape_of
from ieco_opt.programs.kept import KeptPrograms
from ieco_opt.scenario import resolve
from ieco_opt.solvers.arrays import arrays_of

PROMPTS: dict[str, Any] = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"prompt_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1, 2], "batch": {"max": 256}},
}


def numbers(model: Any) -> dict[str, Any]:
    """All that HiGHS is handed of a program, with the names of its rows and columns."""
    arrays = arrays_of(model)
    found = {each.name: getattr(arrays, each.name) for each in fields(arrays)}
    named = {name: [each.name for each in found.pop(name)] for name in ("variables", "constraints")}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()} | named


def unlimited(mapping: dict[str, Any], measure: Measure = Measure.COST) -> DesignSpace:
    """The design space of a scenario without its limits."""
    return design_space_of(resolve(Scenario(**{**mapping, "limits": {}})), measure=measure)


RANDOM = [mapping for number in range(8) if len(unlimited(mapping := numbered(number)[0].mapping).cells)]


@pytest.mark.parametrize(
    ("mapping", "measure"), [(PROMPTS, Measure.ENERGY), *((each, Measure.COST) for each in (PROMPTS, *RANDOM))]
)
def test_a_program_used_again_is_the_one_built_anew(mapping: dict[str, Any], measure: Measure) -> None:
    space = unlimited(mapping, measure)
    segments, rng = build_segments(space), random.Random(7)  # noqa: S311 - chance, not secrets
    programs, shapes, asked = KeptPrograms(), set(), 40
    for _ in range(asked):
        some = np.array(rng.sample(range(len(segments)), min(len(segments), rng.choice((1, 1, 2)))))
        limits = {"min_speed": 3.0, "max_cost": 9.0, "min_throughput": 5.0}
        if mapping is PROMPTS:
            # Where power and prompts are known.
            limits |= {"max_power_kw": 7.0, "max_time_to_first_token_s": 2.0, "max_energy_j_per_token": 4.0}
        given = {name: value * rng.uniform(0.5, 2.0) for name, value in limits.items() if rng.random() < 0.3}
        data = ProgramData(
            alternatives=segments.taken(some),
            lo=segments.lo[some],
            hi=segments.hi[some],
            limits=replace(space.limits, **given),
            objective=rng.choice(list(Objective)),
            cost_cap=rng.choice((np.inf, 5.0)),
            latency_cap_s=rng.choice((np.inf, 0.1)),
            reference_cost=rng.choice((0.0, 2.0)),
        )
        shapes.add(shape_of(data))
        assert numbers(programs.program(data)) == numbers(build_program(data))
    assert len(shapes) < asked
    assert len(programs._models) == min(len(shapes), kept._MOST)


def test_large_programs_are_not_kept() -> None:
    segments = build_segments(space := unlimited(PROMPTS))
    many = np.zeros(kept._SMALL + 1, dtype=int)
    data = ProgramData(segments.taken(many), segments.lo[many], segments.hi[many], space.limits, Objective.LATENCY)
    programs = KeptPrograms()
    assert programs.program(data) is not programs.program(data)
    assert programs._models == {}
