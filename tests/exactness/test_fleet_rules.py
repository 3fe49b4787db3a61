"""Fleets in which one rule decides, against the oracle; how often it decides is counted."""

from __future__ import annotations

import json

import pytest
from oracle.fleet import simulate, solve
from ruled_fleets import RULES, ruled_fleet

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.scenario import load_fleet_mapping

SEEDS = [range(20), pytest.param(range(20, 100), marks=pytest.mark.slow)]

# All rules take equal parts of the fleets, and each decides in 5 % of all of them at least.
LEAST_SHARE = 0.05 * len(RULES)


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
@pytest.mark.parametrize("name", RULES)
def test_the_optimum_is_that_of_the_brute_force_where_a_rule_decides(name: str, seeds: range) -> None:
    decided = 0
    for seed in seeds:
        drawn = ruled_fleet(RULES[name], seed)
        decided += drawn.decided
        try:
            found = ieco_opt.plan(load_fleet_mapping(drawn.mapping), next_cheaper=False)
        except InfeasibleError:
            assert drawn.answer is None, seed
            continue
        assert drawn.answer is not None, seed
        assert found[0].objective == pytest.approx(drawn.answer.objective, rel=1e-7, abs=1e-9), seed
        assert found[0].status == "optimal", seed
        assert simulate(json.loads(found.to_json())) == [], seed
    assert decided >= LEAST_SHARE * len(seeds)


def test_frontiers_down_to_a_cost_of_0() -> None:
    free = 0
    for seed in range(40):
        mapping = {**ruled_fleet(RULES["no budget"], seed).mapping, "objective": "cost"}
        del mapping["limits"]
        least = solve(mapping)
        if least is None:
            continue
        found = ieco_opt.fleet_frontier(load_fleet_mapping(mapping), against="gpus", complete=True)
        assert found[0].usd_per_hour == pytest.approx(least.usd_per_hour, rel=1e-9), seed
        free += least.usd_per_hour == 0.0
        for plan in found:
            capped = solve({**mapping, "limits": {"max_gpus": plan.gpus}})
            assert capped is not None, seed
            assert plan.usd_per_hour == pytest.approx(capped.usd_per_hour, rel=1e-9), seed
    assert free >= 4
