"""Fleets in which one rule decides, against the oracle; how often it decides is counted."""

from __future__ import annotations

import json

import pytest
from oracle.fleet import simulate, solve
from ruled_fleets import RULES, ruled_fleet

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.scenario import load_fleet_mapping

SEEDS = [range(5), pytest.param(range(5, 100), marks=pytest.mark.slow)]

LEAST_SHARE = 0.6
"""Of the fleets that are drawn for a rule, how many it decides at least."""


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
@pytest.mark.parametrize("name", RULES)
def test_the_optimum_is_that_of_the_brute_force_where_a_rule_decides(name: str, seeds: range) -> None:
    decided = 0
    for seed in seeds:
        drawn = ruled_fleet(RULES[name], seed)
        decided += drawn.decided
        try:
            found = ieco_opt.plan(load_fleet_mapping(drawn.mapping))
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


def test_a_transfer_that_ends_at_the_limit_is_in_time() -> None:
    # Fixed time, pass and transfer of the prefill instances are 0.074482847343222676 s together; in binary, what the
    # limit leaves after the pass is a little less than the transfer.
    sizes = {"short": (200, 100), "long": (3000, 50)}
    mix = [
        {"name": name, "share": 1, "prompt_tokens": prompt, "output_tokens": output}
        for name, (prompt, output) in sizes.items()
    ]
    mapping = {
        "kind": "fleet",
        "name": "at the limit",
        "profile": "paper-constants",
        "pools": [
            {"name": "p0", "accelerator": "H200-SXM", "gpus": 16, "node_size": 8, "usd_per_gpu_hour": 1.2},
            {"name": "p1", "accelerator": "H100-SXM", "gpus": 24, "node_size": 4, "usd_per_gpu_hour": 1.22}
            | {"rented_by": "gpu"},
        ],
        "workloads": [
            {
                "name": "w",
                "model": "Llama-3.1-8B",
                "weights": ["fp8"],
                "requests_per_s": 459.99867575690223,
                "request_mix": mix,
                "max_time_to_first_token_s": 0.074482847343222676,
                "serving": ["disaggregated"],
                "design_space": {
                    "tensor_parallel": [1, 2, 4],
                    "pipeline_parallel": [1],
                    "attention_data_parallel": [1],
                    "batch": {"max": 128},
                },
            }
        ],
        "objective": "power",
    }
    plan = ieco_opt.plan(load_fleet_mapping(mapping))[0]
    assert plan.power_kw == pytest.approx(14.0)
    assert max(row.time_to_first_token_s or 0.0 for row in plan.instances) == pytest.approx(0.074482847343222676)
