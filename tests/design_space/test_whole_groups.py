"""Groups and micro-batches have equally many sequences: batches are multiples, wherever ranges are cut."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ieco_opt.design_space.bisection import first_true, last_true
from ieco_opt.design_space.building import build_families
from ieco_opt.design_space.dominance import Cells, batch_edges, grid_cells, merged, split
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import design_space_of, family_request
from ieco_opt.design_space.segments import build_segments, cut_where_protocols_change
from ieco_opt.design_space.setups import NO_MEMORY, NOT_WHOLE
from ieco_opt.scenario import load_scenario_mapping, resolve

Mapping = dict[str, Any]
Ranges = list[tuple[int, int, int]]

LLAMA: Mapping = {
    "version": 2,
    "kind": "deployment",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "engine": "none",
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000},
}
DEGREES: Mapping = {"stage_ranks": [12], "attention_data_parallel": [1, 3], "pipeline_parallel": [1, 2, 4]}


def built(batch: object, **changes: Any) -> tuple[Family, dict[str, int]]:
    """Setups under the equations alone, and why others are none."""
    space = DEGREES | {"batch": batch}
    resolved = resolve(load_scenario_mapping(LLAMA | {"design_space": space} | changes))
    families, reasons = build_families(
        family_request(resolved), (0, resolved.accelerators[0]), (0, resolved.precisions[0])
    )
    return families[0], dict(reasons)


@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 11), (5, 11), (7, 23), (12, 12), (13, 23), (40, 250)])
def test_a_range_keeps_the_multiples_in_it(least: int, most: int) -> None:
    # 32 heads are on 12 / 3 ranks and not on 12: three groups, on one, two and four stages.
    family, reasons = built({"min": least, "max": most})
    steps = [step for step in (3, 6, 12) if any(batch % step == 0 for batch in range(least, most + 1))]
    setups = family.setups
    assert setups.batch_step.tolist() == steps
    assert (setups.degrees.attention_data_parallel * setups.degrees.pipeline_parallel).tolist() == steps
    inside = [[batch for batch in range(least, most + 1) if batch % step == 0] for step in steps]
    assert setups.batch_min.tolist() == [batches[0] for batches in inside]
    assert setups.batch_max.tolist() == [batches[-1] for batches in inside]
    assert reasons.get(NOT_WHOLE, 0) == 3 - len(steps)


def test_memory_ends_at_whole_groups() -> None:
    # The most sequences of a group and micro-batch that fit, times three groups and the micro-batches.
    setups = built({"min": 1, "max": 10**6})[0].setups
    stages = setups.degrees.pipeline_parallel
    of_a_group = np.floor(setups.free_bytes / (stages * setups.cache_bytes))
    assert setups.batch_max.tolist() == (of_a_group * setups.batch_step).astype(int).tolist()
    assert (of_a_group > 100).all()


@pytest.mark.parametrize(
    ("listed", "kept"),
    [
        ([5, 8], []),
        ([3], [3]),
        ([5, 9], [3]),
        ([1, 6], [3, 6]),
        ([4, 36, 37], [3, 6, 12]),
    ],
)
def test_listed_batches_that_are_no_multiples_are_rejected(listed: list[int], kept: list[int]) -> None:
    family, reasons = built(listed)
    assert family.setups.batch_step.tolist() == kept
    assert reasons.get(NOT_WHOLE, 0) == 3 - len(kept)
    assert NO_MEMORY not in reasons
    space = design_space_of(resolve(load_scenario_mapping(LLAMA | {"design_space": DEGREES | {"batch": listed}})))
    assert (space.cells.lo == space.cells.hi).all()
    assert set(space.cells.lo.tolist()) <= {each for each in listed if any(each % step == 0 for step in kept)}
    assert space.counts.rejected[NOT_WHOLE] == 3 - len(kept)
    assert (len(space.alternatives) > 0) == bool(kept)


def test_a_setup_that_no_listed_batch_fits_is_none() -> None:
    # One sequence is not three, and 999,996, a multiple of 12, do not fit: what would fit between them is not listed.
    family, reasons = built([1, 999_996])
    assert len(family.setups) == 0
    assert reasons[NO_MEMORY] == 3
    assert NOT_WHOLE not in reasons
    assert len(built([1, 12, 999_996])[0].setups) == 3


@pytest.mark.parametrize("engine", ["none", "vllm"])
def test_segments_range_over_multiples(engine: str) -> None:
    fields = {"model": "DeepSeek-V2-Lite", "engine": engine}
    degrees = {"stage_ranks": [4, 8], "attention_data_parallel": [1, 2, 4], "pipeline_parallel": [1, 2, 3]}
    mapping = LLAMA | fields | {"design_space": degrees | {"batch": {"min": 5, "max": 700}}}
    segments = build_segments(design_space_of(resolve(load_scenario_mapping(mapping))))
    held = segments.alternatives
    assert len(set(held.batch_step.tolist())) > 2
    for batch in (segments.lo, segments.hi):
        assert (batch % held.batch_step == 0).all()
        assert ((batch >= held.batch_min) & (batch <= held.batch_max)).all()


@pytest.mark.parametrize("step", [1, 3, 8])
@pytest.mark.parametrize(("start", "count"), list(itertools.product((1, 2), (1, 2, 7, 12))))
def test_bisections_find_every_edge_among_multiples(step: int, start: int, count: int) -> None:
    batches = step * (start + np.arange(count))
    lo, hi = np.full(count, batches[0]), np.full(count, batches[-1])
    asked: list[NDArray[np.float64]] = []

    def below(batch: NDArray[np.float64], rest: float = 0.0) -> NDArray[np.bool_]:
        asked.append(batch)
        return np.asarray(batch <= batches[:, None] + rest)

    def above(batch: NDArray[np.float64], rest: float = 0.0) -> NDArray[np.bool_]:
        asked.append(batch)
        return np.asarray(batch >= batches[:, None] - rest)

    for steps in (step, np.full(count, step)):
        # An edge is a multiple, or lies between two.
        for rest in (0.0, 0.5):
            assert last_true(lambda batch, rest=rest: below(batch, rest), lo, hi, steps).tolist() == batches.tolist()
            assert first_true(lambda batch, rest=rest: above(batch, rest), lo, hi, steps).tolist() == batches.tolist()
    assert all((each % step == 0).all() for each in asked)


def batches_of(cells: Cells, row: int) -> list[int]:
    """Every batch of the cells of one row, in order; both ends of a cell are batches."""
    assert (cells.lo % cells.step == 0).all()
    assert (cells.hi % cells.step == 0).all()
    found = [
        np.arange(lo, hi + 1, step).tolist()
        for at, lo, hi, step in zip(cells.row, cells.lo, cells.hi, cells.step, strict=True)
        if at == row
    ]
    return sorted(itertools.chain.from_iterable(found))


def rows(draw: random.Random, count: int) -> Ranges:
    """Least batch, greatest batch and step of some rows."""
    found = []
    for _ in range(count):
        step, first = draw.choice((1, 2, 3, 8, 12)), draw.randint(1, 30)
        found.append((step * first, step * (first + draw.choice((0, 1, 2, 17, 60))), step))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_grid_cells_are_all_batches_once(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - test data
    ranges = rows(draw, 12)
    least, most, step = (np.array(column) for column in zip(*ranges, strict=True))
    listed = np.array(sorted(draw.sample(range(1, 400), 12)))
    edges = batch_edges(int(least.min()), int(most.max()))
    for at_listed, cuts in ((False, edges), (True, listed)):
        lo, hi, exists = grid_cells(cuts, least, most, step, listed=at_listed)
        row, column = np.nonzero(exists)
        cells = Cells(row, lo[row, column], hi[row, column], step[row])
        for at, (low, high, each) in enumerate(ranges):
            inside = [batch for batch in range(low, high + 1) if batch % each == 0]
            expected = [batch for batch in inside if batch in listed] if at_listed else inside
            assert batches_of(cells, at) == expected
        # Where there is no cell, there is still a batch.
        assert (lo[~exists] == np.broadcast_to(least[:, None], lo.shape)[~exists]).all()
        assert (hi[~exists] == np.broadcast_to(least[:, None], lo.shape)[~exists]).all()


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_cells_are_all_their_batches_once(seed: int) -> None:
    ranges = rows(random.Random(seed), 12)  # noqa: S311 - test data
    least, most, step = (np.array(column) for column in zip(*ranges, strict=True))
    whole = Cells(np.arange(len(ranges)), least, most, step)
    cells = whole
    for _ in range(5):
        cells = split(cells)
        for at, (low, high, each) in enumerate(ranges):
            assert batches_of(cells, at) == list(range(low, high + 1, each))
    # Neighbours are one cell again, and a hole of one batch stays.
    together = merged(cells)
    assert [column.tolist() for column in (together.row, together.lo, together.hi, together.step)] == [
        column.tolist() for column in (whole.row, whole.lo, whole.hi, whole.step)
    ]
    hole = Cells(np.zeros(2, dtype=int), np.array([3, 9]), np.array([3, 12]), np.array([3, 3]))
    assert len(merged(hole)) == 2


def test_protocols_change_between_multiples() -> None:
    degrees = {"stage_ranks": [16], "attention_data_parallel": [2], "pipeline_parallel": [3]}
    space = LLAMA | {"design_space": degrees | {"batch": {"min": 1, "max": 12_000}}, "weights": ["bf16"]}
    alternatives = design_space_of(resolve(load_scenario_mapping(space))).alternatives.take(np.array([0]))
    assert alternatives.batch_step.tolist() == [6]
    time = alternatives.model
    whole = Cells(np.zeros(1, dtype=int), alternatives.batch_min, alternatives.batch_max, alternatives.batch_step)
    cells = cut_where_protocols_change(alternatives, whole)
    assert len(cells) > 2
    assert batches_of(cells, 0) == batches_of(whole, 0)

    def protocols(batch: int) -> list[int]:
        lines = time.network_latency_s[0] + time.network_slope_s[0] * batch
        return [int(each.argmin()) for each in lines]

    for lo, hi in zip(cells.lo.tolist(), cells.hi.tolist(), strict=True):
        assert len({tuple(protocols(batch)) for batch in range(lo, hi + 1, 6)}) == 1
