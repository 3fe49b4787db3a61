"""What limits leave and exclude, batch by batch, and what dominates what."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from stored_programs import TINY

from ieco_opt import Scenario
from ieco_opt.design_space.dominance import Staircase
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.segments import build_segments
from ieco_opt.scenario import resolve

MOST = 40
EDGE = 302.5
"""Between two batches of one cell, so that a limit met here cuts a cell."""


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_a_range_is_excluded_if_no_batch_of_it_is_admitted(name: str) -> None:
    draw, outcomes = random.Random(1), set[bool]()  # noqa: S311 - test data
    sited = TINY | {"accelerators": [{"like": TINY["accelerators"][0], "power": {"kg_co2_per_kwh": 0.4}}]}
    sited |= {"workload": {"prompt_tokens": 1000, "output_tokens": 50}}
    alternatives = design_space_of(resolve(Scenario(**sited))).alternatives
    batches = np.arange(1.0, MOST + 1.0)
    for row in range(len(alternatives)):
        one = alternatives.take(np.full(MOST, row))
        latency = one.latency_s(batches)
        figures = {
            "min_speed": 1.0 / latency,
            "max_cost": one.cost_usd_per_mtok(latency, batches),
            "max_throughput": batches / latency,
            "min_throughput": batches / latency,
            "max_power_kw": one.power_kw,
            "max_energy_j_per_token": one.energy_j_per_token(latency, batches),
            "max_carbon_kg_per_mtok": one.carbon_kg_per_mtok(latency, batches),
            "max_time_to_first_token_s": one.time_to_first_token_s(latency, batches),
            "max_end_to_end_s": one.end_to_end_s(latency, batches),
        }
        for _ in range(20):
            lo, hi = sorted(draw.sample(range(MOST), 2))
            # A figure that is reached is met exactly; one between two is met by some.
            limit = float(draw.choice(figures[name].tolist())) * draw.choice((0.999, 1.0, 1.001))
            limits = Limits(**{name: limit})
            admitted = limits.admits(one, latency, batches)[lo : hi + 1]
            part = alternatives.take(np.array([row]))
            ends = [np.array([values[at]]) for at in (lo, hi) for values in (batches, latency)]
            excluded = limits.excludes(part, *ends)
            assert excluded.tolist() == [not admitted.any()], (row, lo, hi, limit)
            outcomes.add(bool(excluded[0]))
    assert outcomes == {False, True}


@pytest.mark.parametrize(
    ("latency", "cost", "beaten"),
    [
        (2.0, 3.0, False),  # The point itself, and what differs from it by rounding alone.
        (2.0 * (1 + 1e-13), 3.0 * (1 + 1e-13), False),
        (2.0, 3.0 * (1 + 1e-9), True),
        (2.0 * (1 + 1e-9), 3.0, True),
        (2.0 * (1 - 1e-9), 3.0, False),
        (2.0, 3.0 * (1 - 1e-9), False),
        (1.9, 9.0, False),
        (9.0, 0.9, False),
        (9.0, 1.1, True),
    ],
)
def test_what_a_staircase_beats(latency: float, cost: float, beaten: bool) -> None:
    stairs = Staircase.of(np.array([4.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0]))
    assert stairs.latency_s.tolist() == [2.0, 4.0]
    assert stairs.beats(np.array([latency]), np.array([cost])).tolist() == [beaten]


SPREAD = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "profile": "paper-constants",
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"stage_ranks": [4], "attention_data_parallel": [1], "pipeline_parallel": [1]},
}
"""All-reduces change their protocol between batches of 429 and 430: a cell is cut there, and a part can miss limits."""


@pytest.mark.parametrize(
    ("fields_of", "edge"),
    [(TINY, EDGE), (SPREAD, 428.5), (SPREAD, 430.5)],
    ids=["one part", "before the cut", "after the cut"],
)
@pytest.mark.parametrize("name", ["min_speed", "max_cost", "max_throughput", "min_throughput"])
def test_segments_are_the_batches_of_the_cells_that_meet_every_limit(
    name: str, fields_of: dict[str, Any], edge: float
) -> None:
    wide = fields_of | {"design_space": fields_of["design_space"] | {"batch": {"min": 1, "max": 500}}}
    resolved = resolve(Scenario(**wide))
    free = design_space_of(resolved).alternatives
    middle = free.latency_s(np.full(len(free), edge))
    limit = {
        "min_speed": 1.0 / middle,
        "max_cost": free.cost_usd_per_mtok(middle, np.full(len(free), edge)),
        "max_throughput": edge / middle,
        "min_throughput": edge / middle,
    }[name]
    limits = Limits(**{name: float(limit[-1])})
    space = design_space_of(resolved, limits)
    segments = build_segments(space)
    found = {
        pair for row, lo, hi in zip(segments.row, segments.lo, segments.hi, strict=True) for pair in _pairs(row, lo, hi)
    }
    cells = zip(space.cells.row, space.cells.lo, space.cells.hi, strict=True)
    every = sorted(pair for row, lo, hi in cells for pair in _pairs(row, lo, hi))
    rows, batches = np.array([row for row, _ in every]), np.array([float(batch) for _, batch in every])
    one = space.alternatives.take(rows)
    admitted = limits.admits(one, one.latency_s(batches), batches)
    assert found == {pair for pair, kept in zip(every, admitted, strict=True) if kept}
    assert 0 < len(found) < len(every)


def _pairs(row: int, lo: int, hi: int) -> list[tuple[int, int]]:
    return [(int(row), batch) for batch in range(int(lo), int(hi) + 1)]
