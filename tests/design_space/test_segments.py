"""Segments: the lines below the latency, exact cuts to caps, and the refinement where a line is too low."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from oracle import best, enumerate_deployments
from random_scenarios import numbered, oracle_scenario

from ieco_opt import Scenario
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.bisection import Crossings, first_true, last_true
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.segments import (
    CHORD_ERROR,
    LatencyLines,
    Restriction,
    Segments,
    build_segments,
    latency_lines,
)
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.pareto.prober import Prober
from ieco_opt.performance.collectives import Array
from ieco_opt.programs import deployment
from ieco_opt.scenario import resolve
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.run import Run

ROUNDING = 1e-12
SPACE: dict[str, Any] = {
    "stage_ranks": [1, 2, 4, 8, 16],
    "tensor_layout": ["1d", "2d"],
    "pipeline_parallel": [1, 2],
    "expert_parallel": "auto",
    "attention_data_parallel": [1, 2],
    "batch": {"min": 1, "max": 3000},
    "max_gpus": 32,
}
SCENARIO: dict[str, Any] = {
    "accelerators": ["H100-SXM"],
    "weights": ["fp8"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": SPACE,
}
DENSE = SCENARIO | {"model": "Llama-3.1-8B"}
EXPERTS = SCENARIO | {"model": "gpt-oss-20b", "weights": ["mxfp4"]}
DRAFTED = SCENARIO | {
    "model": "Qwen3-30B-A3B",
    "speculation": {"draft_model": "Qwen3-0.6B", "acceptance": 0.8, "max_draft_tokens": 4},
}


def space_of(mapping: dict[str, Any]) -> DesignSpace:
    return design_space_of(resolve(Scenario(**mapping)))


def batches_of(segments: Segments) -> Array:
    """Take up to 25 batches of each segment, both ends among them; shape (segments, 25)."""
    shares, step = np.linspace(0.0, 1.0, 25), segments.alternatives.batch_step[:, None]
    assert (segments.lo % step[:, 0] == 0).all()
    assert (segments.hi % step[:, 0] == 0).all()
    return np.asarray(segments.lo[:, None] + np.floor((segments.hi - segments.lo)[:, None] // step * shares) * step)


def value(lines: LatencyLines, batch: Array) -> Array:
    """What the program takes for the latency (seconds), at batches of shape (segments, ...)."""

    def at(name: str) -> Array:
        line = getattr(lines, name)
        return np.asarray(line.intercept[:, None] + line.slope[:, None] * batch)

    own = np.maximum(at("memory"), at("arithmetic"))
    return at("launch_and_network") + own + np.maximum(at("draft_memory"), at("draft_arithmetic"))


@pytest.mark.parametrize(
    "mapping",
    [DENSE, EXPERTS, DRAFTED, *(numbered(number)[0].mapping for number in range(20))],
    ids=lambda mapping: str(mapping["model"])[:20],
)
def test_lines_are_below_the_latency_and_exact_at_the_ends(mapping: dict[str, Any]) -> None:
    segments = build_segments(space_of(mapping))
    batch = batches_of(segments)
    truth = segments.alternatives.latency_s(batch)
    line = value(latency_lines(segments.alternatives, segments.lo, segments.hi), batch)
    assert (line <= truth * (1.0 + ROUNDING)).all()
    assert (line >= truth * (1.0 - CHORD_ERROR)).all()
    np.testing.assert_allclose(line[:, [0, -1]], truth[:, [0, -1]], rtol=ROUNDING)
    part = segments.alternatives
    dense = ~(part.model.expert_fixed_s.any(axis=1) | part.draft.expert_fixed_s.any(axis=1))
    np.testing.assert_allclose(line[dense], truth[dense], rtol=ROUNDING)


def test_lines_of_experts_are_no_longer_exact_inside() -> None:
    # So that the test above is not about single batches only.
    segments = build_segments(space_of(EXPERTS))
    batch = batches_of(segments)
    line = value(latency_lines(segments.alternatives, segments.lo, segments.hi), batch)
    assert (segments.hi - segments.lo).max() > 100
    assert (line < segments.alternatives.latency_s(batch) * (1.0 - 1e-6)).any()


def test_of_alternatives_that_are_equals_one_is_left_and_no_figure_is_lost() -> None:
    # SGLang sends all tokens to all ranks here: an expert may be shared by any number of them.
    batches = {"design_space": SPACE | {"batch": {"min": 1, "max": 64}}}
    space = space_of(EXPERTS | batches | {"engine": "sglang", "accelerators": ["B200-SXM"]})
    assert len(np.unique(space.alternatives.degrees.expert_parallel)) > 1
    every = space.alternatives.take(space.cells.row)
    batch = space.cells.lo.astype(float)
    cells = list(zip(every.gpus, space.cells.lo, space.cells.hi, every.latency_s(batch), strict=True))
    segments = build_segments(space)
    left = list(zip(segments.alternatives.gpus, segments.lo, segments.hi, segments.latency_lo_s, strict=True))
    assert len(set(cells)) < len(cells)
    assert len(set(left)) == len(left)

    def figures(part: Alternatives, ranges: Cells | Segments) -> set[tuple[float, ...]]:
        found = set()
        for row, (lo, hi) in enumerate(zip(ranges.lo, ranges.hi, strict=True)):
            one = part.take(np.array([row]))
            some = np.arange(lo, hi + 1, int(one.batch_step[0]), dtype=float)[None, :]
            found |= {(float(one.gpus[0]), *pair) for pair in zip(some[0], one.latency_s(some)[0], strict=True)}
        return found

    assert figures(segments.alternatives, segments) == figures(every, space.cells)


def all_batches(segments: Segments, index: int) -> tuple[Array, Array, Array]:
    """Every batch of one segment, with latency and cost."""
    part = segments.alternatives.take(np.array([index]))
    batch = np.arange(segments.lo[index], segments.hi[index] + 1, part.batch_step[0], dtype=float)[None, :]
    latency = part.latency_s(batch)
    return batch[0], latency[0], part.cost_usd_per_mtok(latency, batch)[0]


@pytest.mark.parametrize("mapping", [DENSE, EXPERTS, DRAFTED], ids=["dense", "experts", "drafted"])
@pytest.mark.parametrize(("fast", "cheap"), [(0.3, 0.6), (0.7, 0.2), (0.5, 0.5), (0.9, 0.9), (0.05, 0.05)])
def test_restriction_keeps_exactly_the_batches_within_the_caps(
    mapping: dict[str, Any], fast: float, cheap: float
) -> None:
    segments = build_segments(space_of(mapping))
    latency_cap, cost_cap = np.quantile(segments.latency_hi_s, fast), np.quantile(segments.cost_lo, cheap)
    left = segments.restricted(latency_cap_s=float(latency_cap), cost_cap=float(cost_cap))
    kept = {int(row): (int(lo), int(hi)) for row, lo, hi in zip(left.segment, left.lo, left.hi, strict=True)}
    for index in range(len(segments)):
        batch, latency, cost = all_batches(segments, index)
        within = batch[(latency <= latency_cap) & (cost <= cost_cap)]
        assert kept.get(index) == ((within[0], within[-1]) if len(within) else None)


def test_without_caps_everything_is_left() -> None:
    segments = build_segments(space_of(DENSE))
    left = segments.restricted()
    assert left.segment.tolist() == list(range(len(segments)))
    assert (left.lo == segments.lo).all()
    assert (left.hi == segments.hi).all()
    assert not len(segments.restricted(latency_cap_s=0.5 * float(segments.latency_lo_s.min())))


def test_bisections_find_every_edge() -> None:
    lo, hi = np.full(12, 3), np.full(12, 13)
    edges = np.arange(3, 15, dtype=float)[:, None]
    last = np.minimum(edges, 13)
    np.testing.assert_array_equal(last_true(lambda batch: batch <= edges, lo, hi), last[:, 0])
    np.testing.assert_array_equal(first_true(lambda batch: batch >= last, lo, hi), last[:, 0])


STEPS = np.array([4, 3, 4])


@pytest.mark.parametrize(
    ("batch", "parts"),
    [
        (7, [(5, 6), (7, 7), (8, 9)]),
        (5, [(5, 5), (6, 9)]),
        (9, [(5, 8), (9, 9)]),
    ],
)
def test_split_at(batch: int, parts: list[tuple[int, int]]) -> None:
    restriction = Restriction(np.array([4, 2, 8]), np.array([1, 5, 1]), np.array([3, 9, 1]), np.ones(3, dtype=int))
    cut = restriction.split_at(1, batch)
    ranges = list(zip(cut.segment.tolist(), cut.lo.tolist(), cut.hi.tolist(), strict=True))
    assert ranges == [(4, 1, 3), (8, 1, 1), *((2, lo, hi) for lo, hi in parts)]
    # The same of sequences of a group, where 3 groups have equally many, and 4.
    of_groups = Restriction(restriction.segment, restriction.lo * [4, 3, 4], restriction.hi * [4, 3, 4], STEPS)
    cut = of_groups.split_at(1, 3 * batch)
    ranges = list(zip(cut.segment.tolist(), cut.lo.tolist(), cut.hi.tolist(), cut.step.tolist(), strict=True))
    assert ranges == [(4, 4, 12, 4), (8, 4, 4, 4), *((2, 3 * lo, 3 * hi, 3) for lo, hi in parts)]


def test_single_batches_cannot_be_split_further() -> None:
    for step in (1, 5):
        single = Restriction(np.array([0]), np.array([5]), np.array([5]), np.array([step])).split_at(0, 5)
        assert (single.segment.tolist(), single.lo.tolist(), single.hi.tolist()) == ([0], [5], [5])


WIDE = SCENARIO | {
    "profile": "paper-constants",
    "model": "gpt-oss-20b",
    "weights": ["mxfp4"],
    "design_space": SPACE | {"stage_ranks": [1, 2], "tensor_layout": ["1d"], "batch": {"min": 1, "max": 40}},
}


def wide_prober(monkeypatch: pytest.MonkeyPatch) -> Prober:
    """Prober over every batch of every alternative, with chords across whole ranges of experts."""
    monkeypatch.setattr("ieco_opt.design_space.segments.cut_experts", lambda _alternatives, cells, _limits, _ask: cells)
    space = space_of(WIDE)
    part = space.alternatives
    cells = Cells(np.arange(len(part)), part.batch_min, part.batch_max, part.batch_step)
    return Prober(replace(space, cells=cells), Run(load_solver_config()))


@pytest.mark.parametrize("lowered", [1.0, 0.8])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_refinement_ends_at_the_optimum_however_low_the_lines(
    share: float, lowered: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = deployment.latency_lines

    def low(alternatives: Any, lo: Any, hi: Any) -> LatencyLines:
        lines, factor = honest(alternatives, lo, hi), np.where(hi > lo, lowered, 1.0)
        return LatencyLines(**{item.name: getattr(lines, item.name).scaled(factor) for item in fields(lines)})

    monkeypatch.setattr(deployment, "latency_lines", low)
    prober = wide_prober(monkeypatch)
    table = enumerate_deployments(oracle_scenario(WIDE))
    cost_cap = float(np.quantile(np.unique(table["cost_usd_per_mtok"]), share)) * 1.0001
    affordable = table["cost_usd_per_mtok"] <= cost_cap
    expected = best({name: column[affordable] for name, column in table.items()}, "fastest")
    found = prober.fastest(cost_cap=cost_cap)
    assert expected is not None
    assert found is not None
    assert found.latency_s == pytest.approx(expected["latency_s"], rel=1e-9)
    assert found.cost == pytest.approx(expected["cost_usd_per_mtok"], rel=1e-9)
    assert found.certificate.gap <= 1e-6
    # One solve a step is all that honest lines take: they are exact where the optimum of a step lies, at the ends.
    assert (prober.run.solves > 3) == (lowered < 1.0)


@pytest.mark.parametrize("rows", [1, 40, 300, 2000])
def test_the_last_that_holds_is_found_however_many_are_tried_at_once(rows: int) -> None:
    rng = np.random.default_rng(rows)
    lo, step = rng.integers(1, 9, rows), rng.integers(1, 5, rows)
    hi = lo + step * rng.integers(0, 5000, rows) + rng.integers(0, 2, rows)
    edge = lo + rng.uniform(0.0, 1.2, rows) * (hi - lo)
    found = last_true(lambda batch: batch <= edge[:, None], lo, hi, step)
    last = np.minimum(np.floor((edge - lo) / step), (hi - lo) // step)
    np.testing.assert_array_equal(found, lo + step * last.astype(int))


@pytest.mark.parametrize("falls", [False, True])
def test_crossings_of_one_cap_after_the_other_are_those_of_each_alone(falls: bool) -> None:
    rng, rows = np.random.default_rng(7), 50
    step = rng.integers(1, 5, rows)
    lo = step * rng.integers(1, 9, rows)
    hi, power = lo + step * rng.integers(0, 3000, rows), rng.uniform(0.3, 2.0, rows)[:, None]
    start, end, along = (hi, lo, -step) if falls else (lo, hi, step)
    tried = []

    def figures(some: Any) -> Any:
        def figure(batch: Any) -> Any:
            tried.append(batch.size)
            return (1.0 / batch if falls else batch) ** power[some]

        return figure

    crossings, every = Crossings(figures, start, end, along), figures(np.arange(rows))
    spent = spent_alone = 0
    for cap in rng.permutation(np.geomspace(every(end[:, None]).max(), every(start[:, None]).min(), 100)):
        within = np.flatnonzero(every(start[:, None])[:, 0] <= cap)
        some = rng.permutation(within)[: len(within) // 2 + 1]
        met, first, last, by = figures(some), start[some], end[some], along[some]
        tried.clear()
        found = crossings.last_within(float(cap), some)
        spent += sum(tried)
        tried.clear()
        alone = last_true(lambda batch, cap=cap, met=met: met(batch) <= cap, first, last, by)
        spent_alone += sum(tried)
        np.testing.assert_array_equal(found, alone)
        tried.clear()
        np.testing.assert_array_equal(crossings.last_within(float(cap), some), alone)
        assert tried == []
    assert spent < 0.9 * spent_alone
