"""Which draft setups stand beside which setups of the model in fidelity `paper`, against every pair at every batch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ieco_opt import Scenario
from ieco_opt.design_space.alternatives import Rows
from ieco_opt.design_space.asking import go_on
from ieco_opt.design_space.building import build_families
from ieco_opt.design_space.dominance import Staircase, batch_edges, grid_cells
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.space import _fastest_pairs, _promising_pairs
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.traffic import decode_traffic
from ieco_opt.scenario import resolve

MOST, VERIFIED = 60, 3
LISTED = np.array([1, 3, 6, 8, 21, 26, 55, 59])


@cache
def family() -> Family:
    """A draft so large that it fits beside few setups, and not at every batch."""
    scenario = Scenario(
        fidelity="paper",
        model="Llama 3 70B 8-bit",
        accelerators=["H100"],
        workload={"context_tokens": 30_000},
        speculation={"draft_model": "Mistral Large 2", "acceptance": 0.8, "max_draft_tokens": VERIFIED},
        design_space={
            "stage_ranks": [2, 4, 8],
            "pipeline_parallel": [1, 2, 4],
            "tensor_layout": ["1d"],
            "attention_data_parallel": [1],
            "batch": {"min": 1, "max": MOST},
        },
    )
    resolved = resolve(scenario)
    return build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, None))[0][0]


@cache
def latency_s(setup: int, draft: int, batch: int) -> float:
    """Seconds of a token by the passes themselves."""
    drafts = family().drafts
    assert drafts is not None
    at = np.array([[float(batch)]])
    of_model = family().model_pass(np.array([setup]), VERIFIED).latency_s(at)[0, 0]
    of_draft = drafts.time.take(np.array([draft])).latency_s(at)[0, 0]
    return float(family().factor(VERIFIED) * (of_model + VERIFIED * of_draft))


def fits(setup: int, draft: int, batch: int) -> bool:
    drafts = family().drafts
    assert drafts is not None
    ranges = (family().setups, setup), (drafts.setups, draft)
    return all(of.batch_min[row] <= batch <= of.batch_max[row] for of, row in ranges)


@pytest.mark.parametrize("listed", [False, True])
def test_under_a_cap_on_throughput_a_draft_runs_in_its_fastest_setup(listed: bool) -> None:
    every = LISTED.tolist() if listed else list(range(1, MOST + 1))
    edges = LISTED if listed else batch_edges(1, MOST)
    model, draft = family().setups, family().drafts
    assert draft is not None
    seen = set()
    for setups, drafts in family().same_gpus():
        pairs, cells = _fastest_pairs(family(), VERIFIED, setups, drafts, edges, go_on, listed=listed)
        assert pairs.draft_tokens.tolist() == [VERIFIED] * len(pairs)
        assert cells.step.tolist() == [1] * len(pairs)
        # Among setups of equally many GPUs the stages tell which one it is.
        stages = pairs.degrees.pipeline_parallel[cells.row], pairs.draft_degrees.pipeline_parallel[cells.row]
        found = list(zip(*stages, cells.lo.tolist(), cells.hi.tolist(), strict=True))
        expected: list[tuple[float, float, int, int]] = []
        for setup in setups:
            for batch in every:
                choice = [(latency_s(setup, each, batch), each) for each in drafts if fits(setup, each, batch)]
                seen.add(min(choice)[1] if choice else None)
                if not choice:
                    continue
                pair = model.degrees.pipeline_parallel[setup], draft.setups.degrees.pipeline_parallel[min(choice)[1]]
                if not listed and expected and expected[-1][:2] == pair and expected[-1][3] == batch - 1:
                    expected[-1] = *expected[-1][:3], batch
                else:
                    expected.append((*pair, batch, batch))
        assert found == expected
    # The first draft setup, others, and none.
    assert {0, None} < seen


def figures(setup: int, draft: int, lo: int, hi: int) -> tuple[float, float, float]:
    """Seconds at the smallest batch of a cell, and cost and throughput at the largest."""
    fast, slow = latency_s(setup, draft, lo), latency_s(setup, draft, hi)
    cost = 1e6 * float(family().usd_per_s(np.array([setup]))[0]) * slow / hi
    return fast, cost, hi / slow


def cells_of(setups: Rows) -> tuple[Integers, Integers, Array]:
    least, most, step = (column[setups] for column in family().setups.batches)
    lo, hi, exists = grid_cells(batch_edges(1, MOST), least, most, step, listed=False)
    return lo, hi, exists.astype(float)


NONE = Staircase(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("rule", ["none", "min_speed", "max_cost", "min_throughput", "staircase"])
def test_pairs_stay_whose_best_corner_is_within_the_limits_and_not_beaten(rule: str) -> None:
    outcomes = set()
    for setups, drafts in family().same_gpus():
        lo, hi, exists = cells_of(setups)
        at = [(draft, row, cell) for draft in range(len(drafts)) for row, cell in zip(*np.nonzero(exists), strict=True)]
        if not at:
            continue
        known = {place: figures(setups[place[1]], drafts[place[0]], lo[place[1:]], hi[place[1:]]) for place in at}
        seconds, costs, throughputs = np.array([*known.values()]).T
        limits, staircase = Limits(), NONE
        kept = set(at)
        if rule == "min_speed":
            limit = _middle(seconds)
            limits, kept = Limits(min_speed=1 / limit), {place for place in at if known[place][0] <= limit}
        elif rule == "max_cost":
            limit = _middle(costs)
            limits, kept = Limits(max_cost=limit), {place for place in at if known[place][1] <= limit}
        elif rule == "min_throughput":
            limit = _middle(throughputs)
            limits, kept = Limits(min_throughput=limit), {place for place in at if known[place][2] >= limit}
        elif rule == "staircase":
            late, dear = _middle(seconds), _middle(costs)
            staircase = Staircase.of(np.array([late]), np.array([dear]))
            kept = {place for place in at if not (known[place][0] > late and known[place][1] > dear)}
        rows, beside, cells = _promising_pairs(
            family(), VERIFIED, setups, drafts, lo, hi, exists.astype(bool), staircase, limits
        )
        assert len(cells.step) == len(cells.row)
        assert set(cells.step.tolist()) <= {1}
        found = {
            (int(rows[row]), int(beside[row]), int(low), int(high))
            for row, low, high in zip(cells.row, cells.lo, cells.hi, strict=True)
        }
        assert found == {
            (int(setups[row]), int(drafts[draft]), int(lo[row, cell]), int(hi[row, cell])) for draft, row, cell in kept
        }
        outcomes |= {place in kept for place in at}
    assert outcomes == ({True} if rule == "none" else {True, False})


def _middle(values: Array) -> float:
    """Halfway between two neighbouring values, so that no rounding decides."""
    distinct = np.unique(values)
    return float(distinct[len(distinct) // 2 - 1] + distinct[len(distinct) // 2]) / 2


@pytest.mark.parametrize("prompts_per_token", [0.0, 0.25, 1.0, 2.0])
def test_a_draft_reads_its_share_of_the_prompts_in_each_of_its_passes(prompts_per_token: float) -> None:
    context = replace(family().context, prompt_tokens=500.0, draft_prompts_per_token=prompts_per_token)
    absorbing = replace(family(), context=context)
    rows, at = np.array([0, 1]), np.array([[8.0], [8.0]])
    # Tokens of a round by its passes, of which each of the draft's takes an equal part of the prompts.
    share = prompts_per_token / family().factor(VERIFIED) / VERIFIED
    expected = family().draft_timed(rows, decode_traffic(1.0, 30_000.0).with_prompts(share, 500.0)).latency_s(at)
    assert absorbing.draft_pass(rows, VERIFIED).latency_s(at) == pytest.approx(expected, rel=1e-12)
    assert (expected > family().draft_pass(rows, VERIFIED).latency_s(at)).all() == (prompts_per_token > 0.0)
