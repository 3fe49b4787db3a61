"""Reports on fleets: tables, files and plots, on results that are put together by hand."""

from __future__ import annotations

import copy
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from promised_columns import INSTANCES

from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.reports import figures
from ieco_opt.reports.figures import style
from ieco_opt.reports.text import render, render_nodes
from ieco_opt.reports.text.table import MOST_ROWS, width_of
from ieco_opt.results.answer import Question, status_of
from ieco_opt.results.encoding import to_json
from ieco_opt.results.guarantee import AnswerStatus, Guarantee, GuaranteeKind, Status
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.parallelism import Parallelism, Row
from ieco_opt.results.plan import FleetPlan, FleetResult, NodeRow, PoolSummary, Relaxation, WorkloadSummary
from ieco_opt.results.reading import from_json, load_result
from ieco_opt.results.statistics import FleetStatistics
from ieco_opt.results.versions import Versions
from ieco_opt.results.writing import check_ending, path_beside, to_csv_text, write
from ieco_opt.scenario import Fleet, load_fleet_mapping
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import SolverConfig


def instances(workload: str, pool: str, count: int, gpus: int, **changes: Any) -> InstanceRow:
    values: dict[str, Any] = {
        "workload": workload,
        "phase": "colocated",
        "pool": pool,
        "instance_type": f"fp8-tp{gpus}",
        "instances": count,
        "nodes": max(1, count * gpus // 8),
        "usd_per_hour": 2.0 * count * gpus,
        "utilization": 0.75,
        "time_to_first_token_s": 0.25,
        "requests_per_s": 30.0,
        "capacity_requests_per_s": 40.0,
        "speed_tokens_per_s": 50.0,
        "cost_usd_per_mtok": 0.4,
        "latency_s": 0.02,
        "throughput_tokens_per_s": 1000.0,
        "gpus": gpus,
        "accelerator": "H100-SXM",
        "weights": "fp8",
        "kv_cache": "bf16",
        "engine": "vllm",
        "engines": "sglang,vllm",
        "parallelism": Parallelism(gpus, 1, 1, 1, "1d"),
        "exchange": None,
        "batch": 128,
        "draft_tokens": 0,
        "draft_mode": None,
        "draft_model": None,
        "mfu": 0.1,
        "power_kw": 0.7 * gpus,
        "bottleneck": "memory",
        "kernel_s": 0.001,
        "network_s": 0.002,
        "memory_s": 0.016,
        "arithmetic_s": 0.001,
        "bound": 100.0,
        "gap": 0.0,
        "status": Status.OPTIMAL,
        "memory_per_gpu_gb": 60.0,
        "memory_limit_gb": 72.0,
        "cache_tokens": 123_456,
        "weights_gb": 40.0,
        "cache_gb": 16.0,
        "draft_gb": 0.0,
        "reserve_gb": 4.0,
        "free_gb": 12.0,
        **dict.fromkeys(("profile", "in_range", "expected_error")),
        "draft": None,
        "energy_kw": 0.5 * count * gpus,
    }
    return InstanceRow(**(values | changes))


_FROM_A_TABLE = dict.fromkeys(
    (
        "time_to_first_token_s",
        "speed_tokens_per_s",
        "latency_s",
        "cost_usd_per_mtok",
        "weights",
        "batch",
        "draft_tokens",
        "mfu",
        "power_kw",
        "bottleneck",
        "kernel_s",
        "network_s",
        "memory_s",
        "arithmetic_s",
        "memory_per_gpu_gb",
        "memory_limit_gb",
        "cache_tokens",
        "weights_gb",
        "cache_gb",
        "draft_gb",
        "reserve_gb",
        "free_gb",
        "profile",
        "in_range",
        "expected_error",
        "kv_cache",
        "engine",
        "engines",
        "parallelism",
        "energy_kw",
    )
)
"""Fields that an operating point may leave open."""


def nodes_of(rows: tuple[InstanceRow, ...], size: int = 8) -> tuple[NodeRow, ...]:
    """Put instances on nodes one after the other: whole nodes, and the rest on the first node with room."""
    placed: list[NodeRow] = []
    free: dict[str, list[int]] = {}
    for row in rows:
        for number in range(row.instances):
            here = free.setdefault(row.pool, [])
            for gpus in [size] * (row.gpus // size) + [row.gpus % size] * bool(row.gpus % size):
                node = next((at for at, left in enumerate(here) if left >= gpus), len(here))
                if node == len(here):
                    here.append(size)
                here[node] -= gpus
                placed.append(
                    NodeRow(
                        pool=row.pool,
                        node=node,
                        node_gpus=size,
                        workload=row.workload,
                        phase=row.phase,
                        instance_type=row.instance_type,
                        instance=number,
                        gpus=gpus,
                    )
                )
    return tuple(placed)


def summary(name: str, rows: tuple[InstanceRow, ...], headroom: float) -> WorkloadSummary:
    mine = [row for row in rows if row.workload == name]
    served, capacity = mine[0].requests_per_s, sum(row.capacity_requests_per_s for row in mine)
    gpus = sum(row.gpus * row.instances for row in mine)
    return WorkloadSummary(
        workload=name,
        serving="colocated" if mine[0].phase == "colocated" else "disaggregated",
        instances=sum(row.instances for row in mine),
        requests_per_s=served,
        required_requests_per_s=served * (1 + headroom),
        capacity_requests_per_s=capacity,
        slack_requests_per_s=capacity - served * (1 + headroom),
        utilization=served / capacity,
        speed_tokens_per_s=50.0,
        time_to_first_token_s=0.25,
        gpus=gpus,
        usd_per_hour=2.0 * gpus,
        power_kw=0.7 * gpus,
    )


def plan(scenario: Fleet, *rows: InstanceRow, headroom: float = 0.2, **changes: Any) -> FleetPlan:
    nodes = nodes_of(rows)
    pools = []
    for pool in scenario.pools:
        used = sum(row.gpus for row in nodes if row.pool == pool.name)
        count = len({row.node for row in nodes if row.pool == pool.name})
        allocated = 8 * count if pool.rented_by == "node" else used
        pools.append(
            PoolSummary(
                pool=pool.name,
                accelerator=str(pool.accelerator),
                rented_by=pool.rented_by,
                capacity_gpus=pool.gpus,
                allocated_gpus=allocated,
                used_gpus=used,
                nodes=count,
                usd_per_hour=2.0 * allocated,
                power_kw=round(0.7 * allocated, 3),
                energy_kw=round(0.5 * used, 3),
                energy_usd_per_hour=None,
                carbon_kg_per_hour=None,
            )
        )
    cost = sum(pool.usd_per_hour for pool in pools)
    values: dict[str, Any] = {
        "speed_factor": 1.0,
        "demand_factor": 1.0,
        "usd_per_hour": cost,
        "power_kw": sum(pool.power_kw or 0.0 for pool in pools),
        "gpus": sum(pool.allocated_gpus for pool in pools),
        "objective": cost,
        "bound": cost,
        "gap": 0.0,
        "status": Status.OPTIMAL,
        "levels": (),
        "instances": rows,
        "nodes": nodes,
        "workloads": tuple(summary(workload.name, rows, headroom) for workload in scenario.workloads),
        "pools": tuple(pools),
        "next_cheaper": (),
        "energy_kw": sum(pool.energy_kw or 0.0 for pool in pools),
        **dict.fromkeys(("energy_usd_per_hour", "carbon_kg_per_hour")),
    }
    return FleetPlan(**(values | changes))


def fleet(workloads: list[str], pools: dict[str, int], name: str = "by hand") -> Fleet:
    mapping: dict[str, Any] = {
        "kind": "fleet",
        "name": name,
        "pools": [{"name": pool, "accelerator": "H100-SXM", "gpus": gpus} for pool, gpus in pools.items()],
        "workloads": [
            {
                "name": workload,
                "requests_per_s": 30,
                "prompt_tokens": 2000,
                "output_tokens": 500,
                "model": "Llama-3.3-70B",
                "weights": ["fp8"],
            }
            for workload in workloads
        ],
    }
    return load_fleet_mapping(mapping)


def result(scenario: Fleet, *plans: FleetPlan, **changes: Any) -> FleetResult:
    guarantee: Guarantee = changes.get("guarantee", Guarantee(GuaranteeKind.SINGLE))
    values: dict[str, Any] = {
        "scenario": scenario,
        "resolved": resolved_names(scenario),
        "question": Question("plan", objective="cost"),
        "guarantee": guarantee,
        "status": status_of(guarantee, [each.status for each in plans]),
        "plans": plans,
        "solver": SolverConfig(name="fleet", options={"presolve_mode": 2, "mip_abs_gap": math.inf}),
        "statistics": FleetStatistics(
            columns=1234,
            columns_in_program=56,
            variables=70,
            constraints=30,
            solves=2,
            solver_seconds=0.5,
            seconds=1.25,
        ),
        "versions": Versions("0.1.0", "6.10.1", "1.16.0", "3.11.9", "highs", 4, {"vllm": ">=0.33,<0.34"}),
        "notes": ("a note",),
    }
    return FleetResult(**(values | changes))


SCENARIO = fleet(["chat", "code", "search"], {"alpha": 128, "beta": 64, "gamma": 16})
ROWS = (
    instances("chat", "alpha", 3, 4, instance_type="fp8-tp4-k5", draft_tokens=5, draft=Parallelism(2, 1, 2, 1, "2d")),
    instances("chat", "beta", 1, 2),
    instances("code", "alpha", 2, 16, phase="decode", parallelism=Parallelism(2, 4, 2, 1, "1d")),
    instances("code", "beta", 1, 8, phase="prefill", latency_s=None, speed_tokens_per_s=None, batch=1),
    instances("search", "beta", 2, 4, instance_type="measured", **_FROM_A_TABLE),
)
GIVES = (
    Relaxation(requirement="limits.max_usd_per_hour", amount=12345.6, unit="$/h", share=None, objective=100.0),
    Relaxation(requirement="capacity of alpha", amount=8.0, unit="GPUs", share=0.0625, objective=120.0),
    Relaxation(requirement="demand of chat", amount=0.5, unit="requests/s", share=0.0125, objective=111.5),
)
PLAN = plan(SCENARIO, *ROWS, next_cheaper=GIVES)
SINGLE = result(SCENARIO, PLAN)
STOPPED = result(
    SCENARIO,
    replace(PLAN, bound=120.0, gap=0.0625, status=Status.FEASIBLE, next_cheaper=()),
    guarantee=Guarantee(GuaranteeKind.PARTIAL, stopped="time limit"),
    status=AnswerStatus.STOPPED,
)
UNBOUNDED = replace(STOPPED, plans=(replace(STOPPED[0], bound=-math.inf, gap=math.inf),))


def at_factor(factor: float, count: int, **changes: Any) -> FleetPlan:
    return plan(SCENARIO, replace(ROWS[0], instances=count), *ROWS[1:], speed_factor=factor, **changes)


FRONT = result(
    SCENARIO,
    at_factor(1.0, 1),
    at_factor(1.5, 5),
    at_factor(2.25, 21, bound=150.0, gap=0.04, status=Status.FEASIBLE),
    question=Question("fleet_frontier", against="speed", delta=0.05),
    guarantee=Guarantee(GuaranteeKind.COVERED, coverage=0.05),
)


def falling(against: Any) -> FleetResult:
    """A frontier on which less power, or fewer GPUs, cost more."""
    plans = tuple(replace(each, speed_factor=1.0, usd_per_hour=200.0 - each.gpus) for each in FRONT)
    return replace(
        FRONT,
        question=Question("fleet_frontier", against=against, delta=0.0),
        plans=plans[::-1],
        guarantee=Guarantee(GuaranteeKind.COMPLETE, coverage=0.0),
    )


POWER, GPUS = falling("power"), falling("gpus")
CUT_SHORT = replace(
    FRONT,
    guarantee=Guarantee(GuaranteeKind.PARTIAL, stopped="Ctrl-C"),
    status=AnswerStatus.STOPPED,
    plans=FRONT.plans[:1],
)

LONG = [f"customer-support-assistant-in-region-{letter}" for letter in "abcdefghijkl"]
MANY_SCENARIO = fleet(LONG, {f"reserved-capacity-{at}": 64 * (at + 1) for at in range(6)}, name="x" * 60)
MANY = result(
    MANY_SCENARIO,
    plan(
        MANY_SCENARIO,
        *(
            instances(name, f"reserved-capacity-{at // 3}", 1 + at, 4 + 2 * (at % 3), **changes)
            for at, name in enumerate(LONG)
            for changes in (
                ({"phase": "decode"}, {"phase": "prefill", "instance_type": "p", "instances": 1})
                if at % 4 == 1
                else ({},)
            )
        ),
    ),
)
ONE_SCENARIO = fleet(["chat"], {"alpha": 8})
ONE = result(ONE_SCENARIO, plan(ONE_SCENARIO, instances("chat", "alpha", 1, 8), headroom=0.0))
EVERY = {
    "single": SINGLE,
    "stopped": STOPPED,
    "unbounded": UNBOUNDED,
    "front": FRONT,
    "power": POWER,
    "gpus": GPUS,
    "cut-short": CUT_SHORT,
    "many": MANY,
    "one": ONE,
}
every_result = pytest.mark.parametrize("found", EVERY.values(), ids=EVERY)


# Tables


def section(text: str, head: str) -> list[str]:
    """Lines of a table without its heading."""
    (found,) = (part for part in text.split("\n\n") if part.startswith(head))
    return found.splitlines()[1:]


def test_a_plan_reads_like_this() -> None:
    assert (
        render(SINGLE, 110)
        == """\
by hand: $144.00/h, 72 GPUs, 50.4 kW
least cost for 3 workloads on 3 pools; proven optimal: no plan is cheaper (bound $144.00/h, gap 0 %)

Instances
workload  phase      pool   instances  engine  layout       weights  batch  tokens/s   TTFT  load   cost
                               x GPUs                                          /user      s     %    $/h
chat      colocated  alpha     3 x 4   vllm    TP4          fp8        128     50.00  0.250  75.0  24.00
          colocated  beta      1 x 2   vllm    TP2          fp8        128     50.00  0.250  75.0   4.00
code      decode     alpha     2 x 16  vllm    TP2 DP4 PP2  fp8        128     50.00  0.250  75.0  64.00
          prefill    beta      1 x 8   vllm    TP8          fp8          1         -  0.250  75.0  16.00
search    colocated  beta      2 x 4   -       measured     -            -         -      -  75.0  16.00
not shown at this width: verify

Workloads (requests/s)
workload  serving        demand  required  capacity  slack  load  tokens/s   TTFT  GPUs  power   cost
                                                               %     /user      s           kW    $/h
chat      colocated        30.0      36.0      80.0   44.0  37.5     50.00  0.250    14    9.8  28.00
code      disaggregated    30.0      36.0      80.0   44.0  37.5     50.00  0.250    40   28.0  80.00
search    colocated        30.0      36.0      40.0    4.0  75.0     50.00  0.250     8    5.6  16.00

Pools
pool   accelerator  billing   capacity  allocated  used  nodes  power   cost
                                  GPUs       GPUs  GPUs            kW    $/h
alpha  H100-SXM     per node       128         48    44      6   33.6  96.00
beta   H100-SXM     per node        64         24    18      3   16.8  48.00
gamma  H100-SXM     per node        16          0     0      0    0.0   0.00

Any cheaper plan that misses just one requirement misses it by at least
requirement                      missed by  relative    then
                                                         $/h
demand of chat              0.5 requests/s    1.25 %  111.50
capacity of alpha             8 GPUs          6.25 %  120.00
limits.max_usd_per_hour  12,346 $/h                -  100.00

layout: TP tensor, DP attention data, PP pipeline parallel degree; degrees left out are 1
tokens/s/user (output), TTFT (time to first token, +-60 %): of a full instance; cost: of the pool, by GPUs
1,234 instance types priced, 56 in the program (70 variables, 30 constraints); 2 solves in 1.2 s with HiGHS
1.16.0"""
    )


@pytest.mark.parametrize("width", [60, 80, 140])
def test_narrow_terminals_lose_columns_but_no_figures_of_the_others(width: int) -> None:
    text = render(SINGLE, width)
    costs = [line.split()[-1] for line in section(text, "Instances")[2:7]]
    assert costs == ["24.00", "4.00", "64.00", "16.00", "16.00"]
    assert all(f" {row.instances} x {row.gpus}" in text for row in ROWS)
    assert [line.split()[-1] for line in section(text, "Workloads")[2:5]] == ["28.00", "80.00", "16.00"]
    assert [line.split()[-1] for line in section(text, "Pools")[2:5]] == ["96.00", "48.00", "0.00"]
    assert ("TP2 DP4 PP2" in text, "fp8" in text, "0.250" in text) == (True, width == 140, width == 140)
    left_out = "".join(section(text, "Instances")[7:8])
    assert ("weights, " in left_out) == (width < 140)
    assert ("engine, " in left_out) == (" vllm " not in text) == (width == 60)
    assert "$144.00/h, 72 GPUs, 50.4 kW" in text
    assert "(bound $144.00/h, gap 0 %)" in " ".join(text.split())


@every_result
@pytest.mark.parametrize("width", [60, 66, 80, 93, 120, 140])
def test_no_line_is_wider_than_the_terminal(found: FleetResult, width: int) -> None:
    for text in (render(found, width), *(render_nodes(each, width) for each in found)):
        assert max(map(width_of, text.splitlines())) <= width


def test_long_names_are_shortened_before_anything_else_is_left_out() -> None:
    lines = section(render(MANY, 80), "Instances")
    assert lines[2].split()[:2] == ["customer..egion-a", "colocated"]
    assert "TP4" in lines[2]
    assert f"{LONG[0]}  colocated" in render(MANY, 160)


def test_names_of_two_columns_a_letter_stay_in_line() -> None:
    name = "\u6a21\u578b" * 3
    scenario = fleet([name], {"alpha": 8})
    rows = plan(scenario, instances(name, "alpha", 1, 4), instances(name, "alpha", 2, 2))
    lines = section(render(result(scenario, rows), 80), "Instances")
    assert len({width_of(line) for line in lines[2:4]}) == 1


def test_what_every_row_has_in_common_stands_in_the_heading() -> None:
    text = render(ONE, 100)
    assert "Instances (phase colocated, pool alpha, engine vllm, weights fp8)\n" in text
    rows = (instances("chat", "alpha", 1, 4), instances("chat", "alpha", 1, 2))
    text = render(result(ONE_SCENARIO, plan(ONE_SCENARIO, *rows)), 100)
    assert "Instances (all: phase colocated, pool alpha, engine vllm, weights fp8)\n" in text


def test_engines_and_exchanges_of_instances_are_columns_where_they_vary() -> None:
    rows = (
        instances(
            "chat", "alpha", 1, 8, engine="sglang", exchange="all_to_all", parallelism=Parallelism(2, 4, 1, 8, "1d")
        ),
        instances("chat", "alpha", 1, 2, draft_tokens=4),
    )
    lines = section(render(result(ONE_SCENARIO, plan(ONE_SCENARIO, *rows)), 100), "Instances")
    assert lines[0].split()[2:7] == ["engine", "layout", "exchange", "batch", "verify"]
    assert [line.split()[4:9] for line in lines[2:3]] == [["sglang", "TP2", "DP4", "EP8", "all-to-all"]]
    assert [line.split()[3:8] for line in lines[3:4]] == [["vllm", "TP2", "-", "128", "4"]]
    none = tuple(replace(row, engine=None, engines=None, exchange=None) for row in rows)
    assert "engine" not in render(result(ONE_SCENARIO, plan(ONE_SCENARIO, *none)), 100)


def test_unknown_power_and_demand_without_headroom_take_no_column() -> None:
    bare = ONE[0]
    pools = tuple(replace(pool, power_kw=None) for pool in bare.pools)
    workloads = tuple(replace(each, power_kw=None) for each in bare.workloads)
    text = render(replace(ONE, plans=(replace(bare, power_kw=None, pools=pools, workloads=workloads),)), 120)
    assert "power" not in text
    assert "kW" not in text
    assert "required" not in text


@pytest.mark.parametrize(
    ("objective", "changes", "expected"),
    [
        (
            "cost",
            {"gap": 0.0625, "bound": 135.0, "status": Status.FEASIBLE},
            "proven to within 6.25 % of the optimum (bound",
        ),
        ("power", {"bound": 50.4}, "least power for 3 workloads on 3 pools; proven optimal: no plan draws less"),
        ("power", {"bound": 12345.0}, "(bound 12,345 kW, gap 0 %)"),
        ("gpus", {"bound": 72.0}, "fewest GPUs for 3 workloads on 3 pools; proven optimal: no plan allocates fewer"),
        ("gpus", {}, "Any plan with fewer GPUs that misses just one requirement"),
    ],
)
def test_proofs_are_told_in_plain_words(objective: Any, changes: dict[str, Any], expected: str) -> None:
    question = Question("plan", objective=objective)
    assert expected in render(replace(SINGLE, question=question, plans=(replace(PLAN, **changes),)), 140)


@pytest.mark.parametrize("found", [STOPPED, UNBOUNDED, CUT_SHORT])
def test_the_first_line_of_a_partial_result_says_so(found: FleetResult) -> None:
    text = render(found, 140)
    assert text.startswith(f"PARTIAL RESULT, NOT PROVEN: the search was stopped ({found.stopped})\n")
    assert "proven optimal:" not in text


def test_a_partial_result_says_where_only_the_choice_among_equals_is_open() -> None:
    found = replace(STOPPED, plans=(replace(PLAN, next_cheaper=()),))
    text, told = render(found, 140), "the least cost is proven, not which of the plans that have it is the best one"
    assert text.startswith(f"PARTIAL RESULT: the search was stopped (time limit); {told}\n")
    assert "least cost for 3 workloads" in text
    assert "NOT PROVEN" not in text
    assert "found so far" not in text
    assert "the objective is proven" in repr(found)


def test_a_missing_bound_is_told() -> None:
    assert "not proven: no bound was found, a better plan may exist" in render(UNBOUNDED, 140)
    assert "a plan better by up to 6.25 % may exist (bound $120.00/h, gap 6.25 %)" in render(STOPPED, 140)


def test_a_frontier_reads_like_this() -> None:
    assert (
        render(FRONT, 100)
        == """\
by hand: least cost against a common factor on all speeds
3 plans, a (1 + 0.05)-approximate Pareto set: for every feasible plan one of these is at most 5 %
more expensive and 5 % slower

Plans, and the instances of each on each pool
 speed    cost  GPUs  power     gap  alpha   beta
factor     $/h           kW          inst.  inst.
 1.000  128.00    64   44.8  proven      3      4
 1.500  160.00    80   56.0  proven      7      4
 2.250  288.00   144  100.8     4 %     23      4

2 of 3 proven optimal, the others within 4 %; 1,234 instance types priced, 56 in the program (70
variables, 30 constraints); 2 solves in 1.2 s with HiGHS 1.16.0"""
    )


@pytest.mark.parametrize(("found", "first"), [(POWER, "power    cost"), (GPUS, "GPUs    cost")], ids=["power", "gpus"])
def test_what_cost_is_traded_against_comes_first(found: FleetResult, first: str) -> None:
    text = render(found, 100)
    complete = "3 plans, the complete nondominated set: every feasible plan is dominated or equalled by one of these"
    assert complete in " ".join(text.split())
    assert section(text, "Plans")[0].startswith(first)
    assert "speed" not in text


def test_long_frontiers_are_thinned_and_say_so() -> None:
    plans = tuple(replace(FRONT[0], speed_factor=1.0 + at) for at in range(100))
    text = render(replace(FRONT, plans=plans), 100)
    assert len(section(text, "Plans")) == MOST_ROWS + 2
    assert "70 of 100 rows are left out" in text


def test_nodes_alike_share_a_line() -> None:
    rows = (
        instances("chat", "alpha", 12, 8, instance_type="tp8"),
        instances("code", "alpha", 4, 4, instance_type="tp4"),
    )
    text = render_nodes(plan(fleet(["chat", "code"], {"alpha": 128, "beta": 8}), *rows), 80)
    assert text.splitlines() == [
        "alpha (H100-SXM): 14 nodes, 112 GPUs",
        "  nodes 0-11: chat colocated tp8 x1",
        "  nodes 12-13: code colocated tp4 x2",
    ]


def test_instances_over_several_nodes_are_numbered_where_they_share_one() -> None:
    rows = (
        instances("code", "alpha", 2, 12, instance_type="tp12"),
        instances("chat", "alpha", 2, 16, instance_type="tp16"),
    )
    text = render_nodes(plan(fleet(["chat", "code"], {"alpha": 128}), *rows), 120)
    assert text.splitlines()[1:] == [
        "  node 0: code colocated tp12 #0 (8 of its 12 GPUs)",
        "  node 1: code colocated tp12 #0 (4 of its 12 GPUs), code colocated tp12 #1 (4 of its 12 GPUs)",
        "  node 2: code colocated tp12 #1 (8 of its 12 GPUs)",
        "  nodes 3-6: chat colocated tp16 x2, each over 2 nodes in turn",
    ]


def test_nodes_lose_no_instance() -> None:
    for found in EVERY.values():
        text = render_nodes(found[0], 1000)
        counts = [int(count) for count in re.findall(r" x(\d+)", text)]
        lines = [line for line in text.splitlines() if line.startswith("  ")]
        listed = sum(
            int(count) * (1 if "each over" in line else nodes)
            for line in lines
            for nodes in [sum(int(b or a) - int(a) + 1 for a, b in re.findall(r"(\d+)(?:-(\d+))?", line.split(":")[0]))]
            for count in re.findall(r" x(\d+)", line)
        )
        assert counts
        assert listed == sum(row.instances for row in found[0].instances)


# Tables of pandas, CSV and Parquet


@pytest.mark.parametrize(
    ("table", "kind", "count"),
    [
        ("instances", InstanceRow, 5),
        ("nodes", NodeRow, len(PLAN.nodes)),
        ("workloads", WorkloadSummary, 3),
        ("pools", PoolSummary, 3),
    ],
)
def test_dataframes_have_typed_columns_whatever_the_rows(table: str, kind: type[Row], count: int) -> None:
    frame = SINGLE.to_dataframe(table)
    assert tuple(frame.columns) == kind.columns()
    assert len(frame) == count
    front = FRONT.to_dataframe(table)
    assert tuple(front.columns) == ("plan", *frame.columns)
    assert set(front["plan"]) == {0, 1, 2}
    empty = replace(SINGLE, plans=()).to_dataframe(table)
    assert empty.dtypes.equals(frame.dtypes)
    assert replace(FRONT, plans=()).to_dataframe(table).dtypes.equals(front.dtypes)


def test_rows_of_instances_have_the_promised_columns() -> None:
    frame = SINGLE.to_dataframe()
    assert tuple(frame.columns) == INSTANCES
    assert frame["tensor_parallel"].tolist() == [4, 2, 2, 8, pd.NA]
    assert frame["stage_ranks"].tolist() == [4, 2, 8, 8, pd.NA]
    assert frame["draft_tensor_parallel"].tolist() == [2, pd.NA, pd.NA, pd.NA, pd.NA]
    assert frame["draft_tensor_layout"].tolist() == ["2d", pd.NA, pd.NA, pd.NA, pd.NA]


def test_missing_figures_keep_the_types_of_their_columns() -> None:
    frame = SINGLE.to_dataframe()
    assert {name: str(frame[name].dtype) for name in ("instances", "gpus", "batch", "tensor_layout", "mfu")} == {
        "instances": "int64",
        "gpus": "int64",
        "batch": "Int64",
        "tensor_layout": "string",
        "mfu": "float64",
    }
    assert frame["batch"].tolist() == [128, 128, 128, 1, pd.NA]
    assert math.isnan(frame["speed_tokens_per_s"][3])


def test_plans_are_a_table_without_the_others() -> None:
    frame = FRONT.to_dataframe("plans")
    assert tuple(frame.columns) == (
        "plan",
        "speed_factor",
        "demand_factor",
        "usd_per_hour",
        "power_kw",
        "gpus",
        "objective",
        "bound",
        "gap",
        "status",
        "energy_kw",
        "energy_usd_per_hour",
        "carbon_kg_per_hour",
    )
    assert frame["speed_factor"].tolist() == [1.0, 1.5, 2.25]
    assert str(frame["plan"].dtype) == str(frame["gpus"].dtype) == "int64"


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(
        ScenarioError,
        match="found 'rows', expected one of instances, nodes, workloads, pools, levels, next_cheaper, plans",
    ):
        SINGLE.to_dataframe("rows")


@pytest.mark.parametrize(("found", "main"), [(SINGLE, "instances"), (FRONT, "plans")], ids=["single", "front"])
def test_tables_are_written_with_the_nodes_beside_them(found: FleetResult, main: str, tmp_path: Path) -> None:
    found.to_csv(tmp_path / "plan.csv")
    found.to_parquet(tmp_path / "plan.v2.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "plan.csv",
        "plan.nodes.csv",
        "plan.v2.nodes.parquet",
        "plan.v2.parquet",
    ]
    for name, table in (("plan", main), ("plan.nodes", "nodes")):
        expected = found.to_dataframe(table)
        text = (tmp_path / f"{name}.csv").read_text()
        assert text.splitlines()[0] == ",".join(expected.columns)
        assert len(text.splitlines()) == len(expected) + 1
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "plan.v2.parquet"), found.to_dataframe(main))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "plan.v2.nodes.parquet"), found.to_dataframe("nodes"))
    assert (tmp_path / "plan.csv").read_text() == to_csv_text(found)


# JSON


def no_constants(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


@every_result
def test_json_comes_back_equal(found: FleetResult, tmp_path: Path) -> None:
    text = found.to_json(tmp_path / "plan.json")
    json.loads(text, parse_constant=no_constants)
    assert from_json(text) == found
    assert to_json(from_json(text)) == text
    assert load_result(tmp_path / "plan.json") == found


def test_json_holds_what_was_promised() -> None:
    values = json.loads(to_json(UNBOUNDED))
    assert (values["format"], values["format_version"]) == ("ieco_opt result", 2)
    assert (values["question"]["kind"], values["question"]["objective"]) == ("plan", "cost")
    assert (values["guarantee"]["kind"], values["guarantee"]["stopped"]) == ("partial", "time limit")
    assert values["status"] == "stopped"
    assert values["scenario"] == SCENARIO.to_mapping()
    assert (values["plans"][0]["bound"], values["plans"][0]["gap"]) == (None, None)
    assert tuple(values["plans"][0]["instances"][0]) == INSTANCES
    assert values["solver"]["options"] == {"presolve_mode": 2, "mip_abs_gap": "inf"}
    assert values["statistics"]["solves"] == 2


VALUES = json.loads(to_json(SINGLE))


def faults_of(text: str) -> dict[str, Fault]:
    with pytest.raises(ScenarioError) as error:
        from_json(text, "plan.json")
    assert all(fault.file == "plan.json" for fault in error.value.faults)
    assert all("expected" in fault.message for fault in error.value.faults)
    return {fault.field: fault for fault in error.value.faults}


def set_at(path: tuple[str | int, ...], value: object) -> str:
    values = copy.deepcopy(VALUES)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(values, indent=2)


ROW = ("plans", 0, "instances", 1)
FLEET_FRONTIER = {"kind": "fleet_frontier", "against": "speed"}


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (("format",), "ieco_opt fleet", "format", "found 'ieco_opt fleet', expected 'ieco_opt result'"),
        (("format_version",), 3, "format_version", "found 3, expected 2"),
        (
            ("question", "kind"),
            "fleet",
            "question.kind",
            "found 'fleet', expected one of frontier, solve, plan",
        ),
        (
            ("question", "objective"),
            "fastest",
            "question.objective",
            "found 'fastest', expected one of cost, power, gpus, energy, carbon, throughput with the kind plan",
        ),
        (("question", "objective"), None, "question.objective", "found nothing, expected one of cost, power, gpus"),
        (("question", "against"), "gpus", "question.against", "found 'gpus', expected null with the kind plan"),
        (
            ("question",),
            FLEET_FRONTIER,
            "guarantee.kind",
            "found 'single', expected one of complete, covered, partial for the question 'fleet_frontier'",
        ),
        (("question",), FLEET_FRONTIER | {"against": None}, "question.against", "expected one of speed, power, gpus"),
        (
            ("guarantee", "kind"),
            "sampled",
            "guarantee.kind",
            "found 'sampled', expected one of single, partial for the question 'plan'",
        ),
        (("guarantee", "coverage"), 0.1, "guarantee.coverage", "found 0.1, expected null with the kind single"),
        (("scenario", "kind"), "deployment", "scenario.kind", "found 'deployment', expected 'fleet'"),
        (("scenario", "pools", 0, "gpus"), -1, "scenario.pools[0].gpus", "found -1, expected"),
        (("plans",), [], "plans", "found 0 plans, expected one for the question 'plan'"),
        (("plans",), {}, "plans", "found a mapping, expected a list"),
        (("plans", 0, "nodes"), {}, "plans[0].nodes", "found a mapping, expected a list"),
        (("plans", 0, "gpus"), 0.5, "plans[0].gpus", "found 0.5, expected an integer"),
        (("plans", 0, "objective"), None, "plans[0].objective", "found nothing, expected a number"),
        (("plans", 0, "gap"), -1, "plans[0].gap", "found -1, expected a number from 0 on"),
        ((*ROW, "instances"), 0, "plans[0].instances[1].instances", "found 0, expected a number above 0"),
        ((*ROW, "batch"), True, "plans[0].instances[1].batch", "found true, expected an integer or null"),
        ((*ROW, "phase"), "train", "plans[0].instances[1].phase", "found 'train', expected one of colocated, prefill"),
        ((*ROW, "colour"), "red", "plans[0].instances[1].colour", "unknown field, expected one of workload, phase"),
        ((*ROW, "pool"), "delta", "plans[0].instances[1].pool", "expected the name of a pool of the scenario"),
        (("plans", 0, "nodes", 2, "workload"), "x", "plans[0].nodes[2].workload", "expected the name of a workload"),
        (("plans", 0, "pools", 0, "rented_by"), "rack", "plans[0].pools[0].rented_by", "expected one of node, gpu"),
        (("plans", 0, "next_cheaper", 0, "share"), "1", "plans[0].next_cheaper[0].share", "expected a number or null"),
        (
            (*ROW, "draft_stage_ranks"),
            4,
            "plans[0].instances[1].draft_stage_ranks",
            "found 4, expected null, as the degrees say",
        ),
        (
            (*ROW, "parallelism"),
            {},
            "plans[0].instances[1].parallelism",
            "unknown field, expected perhaps tensor_parallel",
        ),
        (("statistics", "columns"), 1.5, "statistics.columns", "found 1.5, expected an integer"),
        (("surprise",), 1, "surprise", "unknown field"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(
    path: tuple[str | int, ...], value: object, field: str, message: str
) -> None:
    text = set_at(path, value)
    fault = faults_of(text)[field]
    assert message in fault.message
    assert fault.line is not None
    assert text.splitlines()[fault.line - 1].strip().startswith(f'"{field.rpartition(".")[2]}": ')


def test_every_fault_is_collected() -> None:
    values = copy.deepcopy(VALUES)
    del (
        values["notes"],
        values["plans"][0]["workloads"][1]["gpus"],
        values["scenario"]["workloads"][0]["requests_per_s"],
    )
    values["plans"][0]["nodes"][3]["node"] = -1
    values["plans"][0]["instances"][0]["speed_tokens_per_s"] = "fast"
    assert faults_of(json.dumps(values)).keys() == {
        "notes",
        "scenario.workloads[0].requests_per_s",
        "plans[0].workloads[1].gpus",
        "plans[0].nodes[3].node",
        "plans[0].instances[0].speed_tokens_per_s",
    }


def test_every_field_missing_is_named() -> None:
    for name in VALUES.keys() - {"format", "format_version"}:
        assert name in faults_of(json.dumps({key: VALUES[key] for key in VALUES if key != name}))
    for path in (("plans", 0), ROW, ("plans", 0, "nodes", 0), ("plans", 0, "pools", 0), ("plans", 0, "workloads", 0)):
        row: Any = VALUES
        for key in path:
            row = row[key]
        place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")
        for name in row:
            text = set_at(path, {key: entry for key, entry in row.items() if key != name})
            assert faults_of(text).keys() == {f"{place}.{name}"}


def paths_of(values: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = values.items() if isinstance(values, dict) else enumerate(values[:1]) if isinstance(values, list) else ()
    return [found for key, entry in items for found in ((*path, key), *paths_of(entry, (*path, key)))]


@pytest.mark.parametrize("wrong", [None, "x", -1, 0.5, [], {}, True, [[]], "\ud800"], ids=repr)
def test_whatever_stands_in_a_field_is_read_or_refused(wrong: object) -> None:
    for path in paths_of(VALUES):
        try:
            found = from_json(set_at(path, wrong), "plan.json")
        except ScenarioError:
            continue
        from_json(to_json(found))
        render(found, 80)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"kind": "fleet"}', "[" * 100_000, "NaN"], ids=repr)
def test_foreign_text_is_refused(text: str) -> None:
    assert faults_of(text)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "binary.json"):
        with pytest.raises(ScenarioError) as error:
            load_result(path)
        assert error.value.faults[0].file == str(path)


def test_results_of_fleets_are_told_from_other_files(tmp_path: Path) -> None:
    SINGLE.to_json(tmp_path / "plan.json")
    assert type(load_result(tmp_path / "plan.json")) is FleetResult
    values = json.loads((tmp_path / "plan.json").read_text())
    for kind in ("frontier", "solve", "explain", "compare"):
        text = json.dumps(values | {"question": {"kind": kind}}, indent=2)
        fault = faults_of(text)["plans"]
        assert "unknown field, expected one of question, scenario" in fault.message
        assert fault.line is not None
        assert text.splitlines()[fault.line - 1] == '  "plans": ['


# Destinations


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plan.xlsx", "found the ending '.xlsx', expected one of .csv, .json, .parquet"),
        ("plan", "found a name without an ending, expected one of"),
        ("no/such/folder.csv", "does not exist, expected an existing one"),
        ("taken.csv", "found a folder, expected a file name"),
        ("plan.csv", "found a folder, expected a file name"),
    ],
)
def test_files_that_cannot_be_written_are_refused_beforehand(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "taken.csv").mkdir()
    (tmp_path / "plan.nodes.csv").mkdir()
    with pytest.raises(ScenarioError, match=message):
        check_ending(tmp_path / name, "nodes")
    with pytest.raises(ScenarioError):
        write(SINGLE, tmp_path / name)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="found 'xml', expected one of csv, json, parquet"):
        write(SINGLE, tmp_path / "plan.csv", "xml")
    assert list(tmp_path.iterdir()) == []


def test_beside_a_device_there_are_no_nodes() -> None:
    write(SINGLE, Path(os.devnull), "csv")
    assert not path_beside(Path(os.devnull), "nodes").exists()


@pytest.mark.parametrize(
    ("library", "extra", "name"), [("pyarrow", "parquet", "a.parquet"), ("matplotlib", "plot", "a.svg")]
)
def test_a_missing_library_is_named_with_its_extra(
    library: str, extra: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    writer = SINGLE.to_parquet if extra == "parquet" else SINGLE.plot
    with pytest.raises(ScenarioError, match=re.escape(f"pip install 'ieco_opt[{extra}]'")):
        writer(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# Plots


def axes_of(found: FleetResult) -> Any:
    return figures.figure_of(found).axes[0]


def test_bars_are_as_long_as_the_capacity_and_filled_by_workloads() -> None:
    patches = axes_of(SINGLE).patches
    high = max(bar.get_height() for bar in patches)
    bars = [(bar.get_x(), bar.get_width(), bar.get_hatch()) for bar in patches if bar.get_height() == high]
    assert bars == [
        (0, 128, None),
        (0, 48, None),
        (0, 12, ""),
        (12, 32, "..."),
        (0, 64, None),
        (0, 24, None),
        (0, 2, ""),
        (2, 8, "/////"),
        (10, 8, ""),
        (0, 16, None),
        (0, 0, None),
    ]


def test_labels_say_gpus_and_hourly_cost() -> None:
    texts = [text.get_text() for text in axes_of(SINGLE).texts]
    assert "alpha (H100-SXM): 48 of 128 GPUs allocated, 4 idle, $96.00/h" in texts
    assert "gamma (H100-SXM): none of 16 GPUs allocated" in texts
    assert "code 2 x 16" in texts
    # Too narrow for words, and named below the bar.
    assert {"chat 1 x 2", "code 1 x 8 (prefill)"} <= set(texts)


def test_instances_of_several_sizes_are_added_up() -> None:
    scenario = fleet(["chat"], {"alpha": 24})
    rows = instances("chat", "alpha", 2, 8), instances("chat", "alpha", 3, 1), instances("chat", "alpha", 1, 1)
    axes = axes_of(result(scenario, plan(scenario, *rows)))
    assert "chat 2 x 8 + 4 x 1" in [text.get_text() for text in axes.texts]


def test_gpus_that_are_owned_are_not_called_rented() -> None:
    pools = tuple(pool.model_copy(update={"owned_gpus": 16}) for pool in SCENARIO.pools)
    axes = axes_of(replace(SINGLE, scenario=SCENARIO.model_copy(update={"pools": pools})))
    texts = [text.get_text() for text in axes.texts]
    assert "alpha (H100-SXM): 48 of 128 GPUs allocated, 16 of them owned, 4 idle, $96.00/h" in texts
    assert not [text for text in texts if "rent" in text]


@pytest.mark.parametrize("name", ["single", "many", "one", "stopped"])
def test_every_part_of_a_plan_is_named_inside_the_axes(name: str) -> None:
    """In its bar if that is wide enough, otherwise below it."""
    axes = axes_of(EVERY[name])
    figure = axes.get_figure()
    figure.draw_without_rendering()
    labels = [text for text in axes.texts if re.search(r" \d+ x \d+", text.get_text())]
    rows = EVERY[name][0].instances
    assert len(labels) == len({(row.workload, row.phase, row.pool) for row in rows})
    for label in labels:
        box = label.get_window_extent()
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0
        assert box.y1 <= axes.bbox.y1
    bars = [bar.get_window_extent() for bar in axes.patches]
    for label in labels:
        box = label.get_window_extent()
        if label.get_horizontalalignment() == "center":
            # The bar it names holds all of it.
            assert any(bar.x0 <= box.x0 and box.x1 <= bar.x1 and bar.y0 <= box.y0 and box.y1 <= bar.y1 for bar in bars)


def test_a_frontier_of_one_plan_is_drawn_as_that_plan() -> None:
    for found in (replace(POWER, plans=POWER.plans[-1:]), CUT_SHORT):
        axes = axes_of(found)
        assert axes.lines[:] == []
        texts = "\n".join(text.get_text() for text in axes.texts)
        assert "code 2 x 16" in texts
        assert "; proven optimal" in texts
        assert ("PARTIAL RESULT" in texts) == (found is CUT_SHORT)
        assert texts.replace("\n", " ").count("1 plan") == 1
    unproven = replace(CUT_SHORT, plans=(replace(CUT_SHORT[0], status=Status.FEASIBLE, gap=0.02),))
    assert any("not proven: within 2 % of the best" in text.get_text() for text in axes_of(unproven).texts)


def test_gpus_are_counted_in_whole_numbers() -> None:
    fewer = replace(GPUS, plans=tuple(replace(each, gpus=4 + at) for at, each in enumerate(GPUS)))
    for found in (fewer, replace(GPUS, plans=GPUS.plans[:1]), SINGLE, ONE):
        axes = axes_of(found)
        ticks = [float(tick) for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
        assert len(ticks) > 1
        assert all(tick.is_integer() for tick in ticks)


def test_a_frontier_against_speed_shows_the_speed_of_each_workload() -> None:
    faster = [
        replace(
            each,
            workloads=tuple(
                replace(row, speed_tokens_per_s=row.speed_tokens_per_s and row.speed_tokens_per_s * each.speed_factor)
                for row in each.workloads
            ),
        )
        for each in FRONT
    ]
    costs, speeds = figures.figure_of(replace(FRONT, plans=tuple(faster))).axes
    expected = {
        (each.speed_factor, row.speed_tokens_per_s)
        for each in faster
        for row in each.workloads
        if row.speed_tokens_per_s is not None
    }
    points = [line for line in speeds.lines if line.get_marker() != "None"]
    assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in points} == expected
    assert expected
    assert speeds.get_xlim() == costs.get_xlim()
    assert "tokens/s/user" in speeds.get_ylabel()
    names = [text.get_text() for text in speeds.get_legend().get_texts()]
    assert names == ["chat", "code", "search"]
    # The last plan is not proven.
    hollow = {line.get_xdata()[0] for line in points if line.get_markerfacecolor() == "white"}
    assert hollow == {2.25}
    assert len(figures.figure_of(POWER).axes) == 1


@every_result
def test_logarithmic_axes_say_so_and_their_ticks_keep_their_distance(found: FleetResult) -> None:
    dearer = replace(found, plans=tuple(replace(each, usd_per_hour=10.0**at) for at, each in enumerate(found)))
    for each in (found, dearer):
        figure: Any = figures.figure_of(each)
        figure.draw_without_rendering()
        for axes in figure.axes:
            for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
                assert (scale == "log") == axis.get_label_text().endswith("log scale")
                boxes = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
                assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes))
    assert not found.is_frontier or len(found) < 3 or figure.axes[0].get_yscale() == "log"


def test_a_capacity_that_is_hardly_touched_does_not_squeeze_the_rest() -> None:
    scenario = fleet(["chat"], {"alpha": 4096, "beta": 8})
    axes = axes_of(result(scenario, plan(scenario, instances("chat", "alpha", 1, 8))))
    assert axes.get_xlim() == (0.0, 24.0)
    assert any("capacity 4,096" in text.get_text() for text in axes.texts)


@pytest.mark.parametrize("name", ["single", "many", "one", "stopped"])
def test_texts_of_a_plan_overlap_neither_each_other_nor_the_legend(name: str) -> None:
    axes = axes_of(EVERY[name])
    figure = axes.get_figure()
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts] + [axes.xaxis.label.get_window_extent()]
    (legend,) = figure.legends
    boxes.append(legend.get_window_extent())
    assert not [(one, two) for at, one in enumerate(boxes) for two in boxes[:at] if one.overlaps(two)]


def test_every_workload_has_a_colour_of_its_own() -> None:
    (legend,) = axes_of(MANY).get_figure().legends
    colours = [patch.get_facecolor() for patch in legend.get_patches()[:12]]
    assert len(set(colours)) == 12
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[12:] == [" ", "colocated", "prefill", "decode", " ", "allocated, idle", "not allocated"]


@pytest.mark.parametrize(
    ("found", "others"),
    [(FRONT, [1.0, 1.5, 2.25]), (POWER, [44.8, 56.0, 100.8]), (GPUS, [64.0, 80.0, 144.0])],
    ids=["speed", "power", "gpus"],
)
def test_the_staircase_is_the_least_cost_of_what_is_as_good(found: FleetResult, others: list[float]) -> None:
    from matplotlib.collections import LineCollection

    axes = axes_of(found)
    (steps,) = (each for each in axes.collections if isinstance(each, LineCollection))
    points = sorted(
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if len(line.get_xdata()) == 1
    )
    assert [x for x, _ in points] == pytest.approx(others)
    assert "$/h" in axes.get_ylabel()
    (low, high), (least, most) = axes.get_xlim(), axes.get_ylim()
    assert all(low < float(x) < high for x in others)
    assert all(least < each.usd_per_hour < most for each in found)
    pieces = [[(float(x), float(y)) for x, y in corners] for corners in steps.get_segments()]
    if found is FRONT:
        # As fast as a plan is what is slower too: each piece ends at its plan, and comes from the slower one.
        before = [(1.0, points[0][1]), *points[:-1]]
        expected = [[start, (start[0], end[1]), end] for start, end in zip(before, points, strict=True)]
    else:
        # What takes as little takes no more: each piece comes from the plan that takes more.
        before = [*points[1:], (high, points[-1][1])]
        expected = [[start, (start[0], end[1]), end] for start, end in zip(before, points, strict=True)][::-1]
    assert np.array(pieces) == pytest.approx(np.array(expected))


@every_result
@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_equal_results_give_equal_pictures(found: FleetResult, ending: str, tmp_path: Path) -> None:
    import matplotlib as mpl

    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    found.plot(one)
    with mpl.rc_context({"font.size": 30.0, "hatch.linewidth": 9.0}):
        found.plot(two)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE html>"}[ending])


def test_a_page_has_the_tables_and_escapes_names(tmp_path: Path) -> None:
    scenario = fleet(["<b>$x_1$"], {"alpha": 8}, name="<script>$x_1$ & \u6a21\u578b")
    result(scenario, plan(scenario, instances("<b>$x_1$", "alpha", 1, 8))).plot(tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text("utf-8")
    assert "<title>&lt;script&gt;$x_1$ &amp; \u6a21\u578b</title>" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "1 x 8" in page


@pytest.mark.parametrize("name", ["plan.pdf", "plan", "no/such/plan.png"])
def test_plots_that_cannot_be_written_are_refused(name: str, tmp_path: Path) -> None:
    checks: tuple[Callable[[Path], None], ...] = (style.check_plot_ending, SINGLE.plot)
    for check in checks:
        with pytest.raises(ScenarioError):
            check(tmp_path / name)


def test_heavy_libraries_are_imported_when_they_are_needed() -> None:
    imports = "; ".join(
        f"import ieco_opt.{name}"
        for name in (
            "results.plan",
            "results.writing",
            "results.reading",
            "reports.figures.fleet_plan",
            "reports.figures.fleet_frontier",
            "reports.text.fleet",
        )
    )
    heavy = "{'pandas', 'pyarrow', 'matplotlib', 'rich', 'pyomo'}"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_line_says_how_far_the_times_of_a_plan_can_be_trusted() -> None:
    trusted: dict[str, Any] = {"profile": "cdna3-2026-07", "in_range": False, "expected_error": 0.407}
    row = instances("chat", "alpha", 1, 8, **trusted)
    point = instances("chat", "alpha", 1, 8)
    expected = "profile cdna3-2026-07 (expected error 41 %); "
    one, two = plan(ONE_SCENARIO, row, headroom=0.0), plan(ONE_SCENARIO, row, point, headroom=0.0)
    for found, where in ((result(ONE_SCENARIO, one), "outside"), (result(ONE_SCENARIO, two), "outside")):
        (line,) = [line for line in render(found, 200).splitlines() if line.startswith("profile ")]
        assert line == f"{expected}{where} the validated range"
