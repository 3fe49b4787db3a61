"""Energy and carbon of deployments: the least of them against the oracle, and what the proofs rest on."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from oracle import enumerate_deployments
from random_profiles import random_profile
from random_scenarios import Case, numbered

import ieco_opt
from ieco_opt import Scenario
from ieco_opt.catalog.profiles import calibration
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.segments import CHORD_ERROR, build_segments, latency_lines
from ieco_opt.errors import InfeasibleError
from ieco_opt.pareto import run
from ieco_opt.performance.energy import Measure
from ieco_opt.programs.deployment import MICRO, _per_step
from ieco_opt.scenario import resolve

Mapping = dict[str, Any]
EXACT = 1e-9
COLUMNS: dict[Literal["energy", "carbon"], str] = {"energy": "energy_j_per_token", "carbon": "carbon_kg_per_mtok"}
LIMITS = {"limits.max_energy_j_per_token": "max_energy_j_per_token", "limits.max_carbon_kg_per_mtok": COLUMNS["carbon"]}
SITE = {"usd_per_kwh": 0.1, "pue": 1.2, "kg_co2_per_kwh": 0.4}
DEAR = SITE | {"usd_per_kwh": 3.0}
BLOCKS = [range(9030, 9045), pytest.param(range(9045, 9215), marks=pytest.mark.slow)]


def drawn(seed: int) -> Case:
    """A scenario whose energy has a price and carbon, half of them with a calibration profile of its own."""
    rng = random.Random(f"energy {seed}")  # noqa: S311 - test data
    more: Mapping = {"profile": random_profile(rng)} if rng.random() < 0.5 else {}
    return numbered(seed, power=SITE, **more)[0]


@pytest.mark.parametrize("objective", COLUMNS)
@pytest.mark.parametrize("seeds", BLOCKS, ids=str)
def test_the_least_is_the_oracles_and_proven(objective: Literal["energy", "carbon"], seeds: range) -> None:
    column, solved, limited, unlike = COLUMNS[objective], 0, 0, 0
    for seed in seeds:
        case = drawn(seed)
        if case.oracle.fidelity == "paper" or case.oracle.refused_field() is not None:
            continue
        table = enumerate_deployments(case.oracle)
        try:
            answer = run.answer(case.scenario(), objective=objective)
        except InfeasibleError:
            assert not table["batch"].size, case.to_yaml()
            continue
        found, least = answer[0], table[column].min()
        assert getattr(found, column) == pytest.approx(least, rel=EXACT), case.to_yaml()
        fastest = table["latency_s"][table[column] <= least * (1.0 + EXACT)].min()
        assert found.latency_s == pytest.approx(fastest, rel=1e-6), case.to_yaml()
        assert found.status == "optimal"
        assert found.gap <= 1e-6
        assert ieco_opt.verify(answer).problems == [], case.to_yaml()
        solved += 1
        limited += "max_energy_j_per_token" in case.mapping["limits"]
        # Else the cheapest deployment would do, and a space of its own would be for nothing.
        unlike += least < table[column][np.argmin(table["cost_usd_per_mtok"])] * (1.0 - EXACT)
    assert solved > len(seeds) // 3
    assert limited
    assert unlike


@pytest.mark.parametrize(
    "seeds",
    [
        range(9332, 9339),
        *(pytest.param(seeds, marks=pytest.mark.slow) for seeds in (range(9310, 9332), range(9339, 9360))),
    ],
    ids=str,
)
def test_explanations_say_what_limits_on_energy_cost(seeds: range) -> None:
    examined = bound = 0
    for seed in seeds:
        case = drawn(seed)
        if case.oracle.fidelity == "paper" or case.oracle.refused_field() is not None:
            continue
        for objective in COLUMNS:
            explanation = ieco_opt.explain(case.scenario(), objective=objective)
            table = enumerate_deployments(case.oracle)
            assert explanation.feasible == bool(table["batch"].size), case.to_yaml()
            if explanation.chosen is None:
                continue
            column = COLUMNS[objective]
            assert getattr(explanation.chosen, column) == pytest.approx(table[column].min(), rel=EXACT)
            assert ieco_opt.verify(explanation).problems == [], case.to_yaml()
        explanation = ieco_opt.explain(case.scenario())
        for effect in explanation.limits:
            if effect.limit not in LIMITS:
                continue
            without = enumerate_deployments(replace(case.oracle, **{effect.limit.removeprefix("limits."): None}))
            reached = effect.removed.deployment if effect.removed else explanation.chosen
            assert reached is not None
            assert reached.latency_s == pytest.approx(without["latency_s"].min(), rel=EXACT), case.to_yaml()
            examined += 1
            bound += effect.binds
    assert examined > 2
    assert bound


@pytest.mark.parametrize("limit", ["max_energy_j_per_token", "max_carbon_kg_per_mtok"])
def test_limits_that_clash_are_loosened_by_as_little_as_helps(limit: str) -> None:
    mapping = EXPERTS | {"limits": {"min_speed": 60.0, limit: 1e-3}}
    explanation = ieco_opt.explain(Scenario(**mapping))
    assert explanation.infeasible_subset is not None
    members = {each.limit: each for each in explanation.infeasible_subset.members}
    needed = members[f"limits.{limit}"].needed
    assert needed is not None
    for factor, feasible in ((1.0 + EXACT, True), (1.0 - 1e-6, False)):
        again = mapping | {"limits": {"min_speed": 60.0, limit: needed * factor}}
        assert ieco_opt.explain(Scenario(**again)).feasible is feasible
    # Alone it is enough to leave nothing, and the message of a search says so.
    with pytest.raises(InfeasibleError, match=rf"limits.{limit} = 0.001 .* alone excludes every deployment"):
        ieco_opt.solve(Scenario(**mapping), objective="fastest")


# --- what the proofs rest on ------------------------------------------------------------------------------------------

EXPERTS: Mapping = {
    "model": "Mixtral-8x7B",
    "weights": ["fp8"],
    "accelerators": [{"like": "H100-SXM", "power": DEAR}],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1], "batch": {"min": 1, "max": 512}},
}


@pytest.mark.parametrize("seeds", [range(9424, 9436), pytest.param(range(9436, 9474), marks=pytest.mark.slow)], ids=str)
def test_what_a_token_takes_never_rises_with_the_batch(seeds: range) -> None:
    tried = 0
    for seed in seeds:
        case = drawn(seed)
        if case.oracle.fidelity == "paper" or case.oracle.refused_field() is not None:
            continue
        alternatives = design_space_of(resolve(case.scenario())).alternatives
        for row in range(min(len(alternatives), 20)):
            one = alternatives.take(np.array([row]))
            step, least = int(one.batch_step[0]), int(one.batch_min[0])
            batches = np.unique(np.geomspace(least, least + 1000 * step, 60).astype(int) // step * step)
            batches = batches[batches >= least][None, :].astype(float)
            latency = one.latency_s(batches)
            assert (one.busy_s(batches) <= latency * (1.0 + 1e-12)).all()
            for measure in Measure:
                taken = replace(one, measure=measure).measured(latency, batches)[0]
                assert (np.diff(taken) <= 1e-12 * taken[1:]).all(), (seed, row, measure)
            tried += 1
    assert tried >= len(seeds)


def test_energy_is_part_of_the_cost_where_it_has_a_price_and_only_there() -> None:
    front = ieco_opt.frontier(Scenario(**EXPERTS), delta=0.5)
    unpriced = EXPERTS | {"accelerators": [{"like": "H100-SXM", "power": {"kg_co2_per_kwh": 0.4}}]}
    plain = ieco_opt.frontier(Scenario(**unpriced), delta=0.5)
    price = ieco_opt.catalog.accelerator("H100-SXM").usd_per_gpu_hour
    assert price is not None
    for point in (*front, *plain):
        rent = 1e6 * point.gpus * price / 3600.0 / point.throughput_tokens_per_s
        assert point.cost_usd_per_mtok == pytest.approx(rent + (point.energy_usd_per_mtok or 0.0), rel=1e-12)
        assert point.energy_j_per_token is not None
        assert point.carbon_kg_per_mtok == pytest.approx(
            point.energy_j_per_token * 0.4 * (1.2 if point in front.deployments else 1.0) / 3.6, rel=1e-12
        )
    assert all(point.energy_usd_per_mtok is None for point in plain)
    assert all((point.energy_usd_per_mtok or 0.0) > 0.2 * point.cost_usd_per_mtok for point in front)


@pytest.mark.parametrize("measure", Measure)
def test_rows_of_a_step_are_below_what_it_takes_by_no_more_than_chords_may_be(measure: Measure) -> None:
    # Slow launches, and next to no power while they last: an error of the latency is a large share of the energy.
    profile = calibration("hopper-2026-07").model_dump(mode="json", exclude_defaults=True)
    profile |= {"layer_s": 0.001, "power": {"idle": 0.001, "busy": 0.9}}
    card = {"like": "H100-SXM", "power": {"usd_per_kwh": 1000.0, "kg_co2_per_kwh": 0.4}}
    mapping = EXPERTS | {"profile": profile, "accelerators": [card], "engine": "none"}
    mapping |= {"limits": {"max_energy_j_per_token": 1e6, "max_carbon_kg_per_mtok": 1e6}}
    space = design_space_of(resolve(Scenario(**mapping)), measure=measure)
    every = space.alternatives
    cells = Cells(np.arange(len(every)), every.batch_min, every.batch_max, every.batch_step)
    segments = build_segments(replace(space, cells=cells))
    lines = latency_lines(segments.alternatives, segments.lo, segments.hi)
    rows, tightest = _per_step(lines, segments.alternatives, measure), np.inf
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        batch = np.round(segments.lo + share * (segments.hi - segments.lo))
        below = np.maximum(rows["memory"].at(batch), rows["arithmetic"].at(batch))
        taken = _step(segments.alternatives, measure, batch)
        assert (below <= taken * (1.0 + 1e-12)).all()
        assert (below >= taken * (1.0 - CHORD_ERROR)).all()
        tightest = min(tightest, float((below / taken).min()))
    # There are experts, and the chords do not touch what they bound.
    assert tightest < 1.0 - CHORD_ERROR / 100.0


def _step(alternatives: Alternatives, measure: Measure, batch: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """What one step takes in the units of the program, by the performance model."""
    rate, busy_rate = alternatives.rates(measure)
    taken = rate * alternatives.latency_s(batch) + busy_rate * alternatives.busy_s(batch)
    return taken * (1.0 if measure is Measure.ENERGY else MICRO)
