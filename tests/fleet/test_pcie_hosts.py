"""Hosts of cards on PCIe: tensor parallelism pays for a slow all-reduce, as measured on 8 x L4.

substratus.ai/blog/benchmarking-llama-3.1-70b-on-l4: Llama 3.1 70B in fp8 with vLLM on Google's g2-standard-96, 1,000
prompts of ShareGPT (233 tokens in, 175 out on average): 1.76 requests/s with 4 stages of 2 ranks, 1.50 with 2 of 4.
"""

from __future__ import annotations

import pytest

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.scenario import load_fleet_mapping

MEASURED_REQUESTS_PER_S = {(2, 4): 1.76, (4, 2): 1.50}


def sustains(tensor_parallel: int, pipeline_parallel: int, requests_per_s: float) -> bool:
    """Whether one instance of these degrees on 8 x L4 is said to serve the requests."""
    fleet = {
        "version": 2,
        "kind": "fleet",
        "pools": [{"name": "g2", "accelerator": "L4", "gpus": 8}],
        "workloads": [
            {
                "name": "sharegpt",
                "model": "Llama-3.1-70B",
                "weights": ["fp8"],
                "requests_per_s": requests_per_s,
                "prompt_tokens": 233,
                "output_tokens": 175,
                "design_space": {
                    "tensor_parallel": [tensor_parallel],
                    "pipeline_parallel": [pipeline_parallel],
                    "batch": {"max": 256},
                    "max_gpus": 8,
                },
            }
        ],
    }
    try:
        ieco_opt.plan(load_fleet_mapping(fleet))
    except InfeasibleError:
        return False
    return True


@pytest.mark.parametrize("degrees", MEASURED_REQUESTS_PER_S)
def test_the_measured_rate_is_within_reach_and_three_times_it_is_not(degrees: tuple[int, int]) -> None:
    measured = MEASURED_REQUESTS_PER_S[degrees]
    assert sustains(*degrees, measured)
    assert not sustains(*degrees, 3 * measured)


def test_more_stages_serve_more_than_more_ranks_as_measured() -> None:
    between = 2.8
    assert sustains(2, 4, between)
    assert not sustains(4, 2, between)
