"""Figures of a deployment that are no latency and no price: from the oracle's counts, to the last digits."""

from __future__ import annotations

import pytest
from oracle import paper
from oracle.references import ACCELERATORS, MODELS

import ieco_opt
from ieco_opt import Scenario, catalog

CLOSE = 1e-12


@pytest.mark.parametrize("pipeline", [1, 2])
def test_memory_of_the_paper_is_an_average_of_all_gpus(pipeline: int) -> None:
    space = {"stage_ranks": [8], "pipeline_parallel": [pipeline], "batch": [6]}
    name, accelerator = "Llama 3 70B", "H100"
    found = ieco_opt.solve(
        Scenario(
            fidelity="paper",
            model=name,
            accelerators=[accelerator],
            workload={"context_tokens": 1000},
            design_space=space,
        ),
        objective="fastest",
    )
    model = MODELS[name]
    weights = model.weight_bytes * paper.total_params(model)
    cache = paper.cache_bytes_per_token(model) * 1000 * 6 / pipeline
    assert found.memory_per_gpu_gb == pytest.approx((weights + cache) / (8 * pipeline) / 1e9, rel=CLOSE)
    assert found.memory_limit_gb == pytest.approx(ACCELERATORS[accelerator].hbm_bytes / 1e9, rel=CLOSE)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_memory_that_may_be_used_is_a_share_of_what_there_is(share: float) -> None:
    found = ieco_opt.solve(
        Scenario(
            model="Llama-3.1-8B",
            weights=["fp8"],
            accelerators=["H100-SXM"],
            workload={"context_tokens": 1000},
            design_space={"stage_ranks": [2], "pipeline_parallel": [1], "batch": [6]},
            memory_utilization=share,
        ),
        objective="fastest",
    )
    assert found.memory_limit_gb == pytest.approx(share * catalog.accelerator("H100-SXM").hbm_bytes / 1e9, rel=CLOSE)
