"""Reports: tables, files, plots and progress, on results that are put together by hand."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pytest

from ieco_opt.errors import ScenarioError
from ieco_opt.pareto.points import Box, SearchStatistics
from ieco_opt.reports import files, plot, progress, wording
from ieco_opt.reports.grouping import MOST_GROUPS, groups_of
from ieco_opt.reports.table import MOST_ROWS, render
from ieco_opt.reports.tabular import to_dataframe
from ieco_opt.results.deployment import ALL_COLUMNS, COLUMNS, Deployment
from ieco_opt.results.frontier import Census, Claim, Frontier
from ieco_opt.scenario import Scenario, Speculation, Workload
from ieco_opt.solvers.config import SolverConfig

EVERYTHING = Box(0.0, math.inf, 0.0, math.inf)


def deployment(speed: float, cost: float, **changes: Any) -> Deployment:
    fields: dict[str, Any] = {
        "speed_tokens_per_s": speed,
        "cost_usd_per_mtok": cost,
        "latency_s": 1.0 / speed,
        "throughput_tokens_per_s": 8 * speed,
        "gpus": 8,
        "accelerator": "H100-SXM",
        "weights": "fp8",
        "tensor_parallel": 8,
        "tensor_layout": "1d",
        "pipeline_parallel": 1,
        "expert_parallel": 1,
        "attention_data_parallel": 1,
        "batch": 8,
        "draft_tokens": 0,
        "mfu": 0.0625,
        "power_kw": 5.6,
        "bottleneck": "memory",
        "kernel_s": 0.125 / speed,
        "network_s": 0.25 / speed,
        "memory_s": 0.625 / speed,
        "arithmetic_s": 0.03125 / speed,
        "bound": speed,
        "gap": 0.0,
        "status": "optimal",
        "memory_per_gpu_gb": 18.0,
        "memory_limit_gb": 72.0,
        "draft_tensor_parallel": None,
        "draft_tensor_layout": None,
        "draft_pipeline_parallel": None,
        "draft_expert_parallel": None,
        "draft_attention_data_parallel": None,
        "cost_cap": None,
    }
    return Deployment(**(fields | changes))


SPECULATING = deployment(
    200.0,
    10.0 / 3.0,
    gpus=16,
    tensor_parallel=8,
    pipeline_parallel=2,
    attention_data_parallel=4,
    batch=4,
    draft_tokens=5,
    power_kw=11.2,
    bottleneck="network",
    draft_tensor_parallel=4,
    draft_tensor_layout="2d",
    draft_pipeline_parallel=4,
    draft_expert_parallel=1,
    draft_attention_data_parallel=2,
)
MIDDLE = deployment(80.0, 0.75, batch=1024, cost_cap=0.8, memory_per_gpu_gb=60.0)
CHEAP = deployment(40.0, 0.3, gpus=1, tensor_parallel=1, batch=64, power_kw=0.7, bound=41.0, gap=0.025, status="feasible")


def frontier(*deployments: Deployment, **changes: Any) -> Frontier:
    fields: dict[str, Any] = {
        "scenario": Scenario(
            name="by hand",
            model="Llama-3.3-70B",
            weights=["fp8"],
            accelerators=["H100-SXM"],
            workload=Workload(context_tokens=2000, output_tokens=500),
            speculation=Speculation(draft_model="Llama-3.1-8B", acceptance=0.8, max_draft_tokens=5),
        ),
        "question": "frontier",
        "claim": Claim.COVERED,
        "deployments": deployments,
        "coverage": 0.05,
        "open_regions": (),
        "stopped": None,
        "solver": SolverConfig(options={"presolve_mode": 2, "mip_abs_gap": math.inf, "mip_allow_restart": False}),
        "statistics": SearchStatistics(5, 7, 2, 1.5, 2.25, (0.5, 0.1)),
        "census": Census(400, 1200, 900, {"does not fit": 17}),
        "versions": {"ieco_opt": "0.1.0", "highspy": "1.16.0", "solver": "highs"},
        "notes": ("a note",),
    }
    return Frontier(**(fields | changes))


FRONT = frontier(SPECULATING, MIDDLE, CHEAP)
PARTIAL = frontier(
    SPECULATING,
    replace(CHEAP, bound=math.inf, gap=math.inf),
    claim=Claim.PARTIAL,
    coverage=None,
    stopped="time limit",
    open_regions=(Box(1 / 200, 1 / 40, 0.3, 10.0 / 3.0), EVERYTHING),
)
NOTHING = frontier(claim=Claim.PARTIAL, coverage=None, stopped="interrupted", open_regions=(EVERYTHING,))
SINGLE = frontier(SPECULATING, question="preferred", preference=3.0, claim=Claim.SINGLE, coverage=None)


def many(count: int) -> tuple[Deployment, ...]:
    return tuple(deployment(1000.0 - row, 10.0 - row / count) for row in range(count))


# Tables


def test_the_table_reads_like_this() -> None:
    assert render(FRONT, 80) == """\
by hand: Llama-3.3-70B in fp8 on H100-SXM, 2,000 tokens of context and 500 of
output
3 deployments; for every feasible deployment one of these is at most 5 % dearer
and 5 % slower

   speed    cost  GPUs  layout       batch   draft  throughput  bottleneck   gap
tokens/s  $/Mtok                            tokens    tokens/s
  200.00  3.3333    16  TP8 PP2 DP4      4       5       1,600  network     0
"""


def test_thinning_keeps_both_ends_and_says_what_is_left_out() -> None:
    lines = render(frontier(*many(100)), 80).splitlines()
    rows = [line for line in lines if line.endswith("memory")]
    assert len(rows) == MOST_ROWS
    assert [float(rows[0].split()[0]), float(rows[-1].split()[0])] == [1000.0, 901.0]
    speeds = [float(row.split()[0]) for row in rows]
    assert {round(fast - slow) for fast, slow in zip(speeds, speeds[1:], strict=False)} == {3, 4}
    assert "70 of 100 rows are left out; --out FILE or --format csv has them all" in lines
    assert "left out;" not in render(frontier(*many(MOST_ROWS)), 80)
