"""Plans of fleets that break one requirement or state one wrong figure: the check names it, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

import ieco_opt
from ieco_opt.results.guarantee import Status
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]
Change = Callable[[FleetPlan], FleetPlan]

FLEET: Mapping = {
    "kind": "fleet",
    "name": "checked",
    "pools": [
        {"name": "h100", "accelerator": "H100-SXM", "gpus": 32, "usd_per_gpu_hour": 2, "power_w": 700, "node_size": 8},
        {
            "name": "l40s",
            "accelerator": "L40S",
            "gpus": 11,
            "usd_per_gpu_hour": 1,
            "power_w": 350,
            "node_size": 4,
            "rented_by": "gpu",
            "owned_gpus": 2,
        },
    ],
    "workloads": [
        {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "requests_per_s": 60,
            "prompt_tokens": 3000,
            "output_tokens": 300,
            "min_speed": 40,
            "max_time_to_first_token_s": 2,
            "serving": ["disaggregated"],
            "pools": ["h100"],
            "headroom": 0.1,
        },
        {
            "name": "listed",
            "requests_per_s": 5.5,
            "prompt_tokens": 500,
            "output_tokens": 100,
            "serving": ["colocated"],
            "operating_points": [
                {
                    "pool": "l40s",
                    "gpus": 6,
                    "kind": "large",
                    "throughput_requests_per_s": 5,
                    "speed_tokens_per_s": 50,
                    "time_to_first_token_s": 0.5,
                },
                {
                    "pool": "l40s",
                    "gpus": 1,
                    "kind": "small",
                    "throughput_tokens_per_s": 60,
                    "speed_tokens_per_s": 30,
                    "time_to_first_token_s": 0.4,
                },
            ],
        },
    ],
    "limits": {},
}


@pytest.fixture(scope="module")
def planned() -> FleetResult:
    """One node of H100s for `chat`; 6 + 1 GPUs on a node of 4 and one of 3 L40S for `listed`: $21/h, 8.05 kW."""
    result = ieco_opt.plan(load_fleet_mapping(FLEET))
    assert (result[0].usd_per_hour, result[0].gpus) == (21.0, 15)
    assert result[0].power_kw == pytest.approx(8.05)
    assert [(row.workload, row.phase, row.gpus) for row in result[0].instances if row.workload == "listed"] == [
        ("listed", "colocated", 1),
        ("listed", "colocated", 6),
    ]
    return result


def problems(result: FleetResult) -> list[str]:
    return [problem.removeprefix("plans[0]: ") for problem in ieco_opt.verify(result).problems]


def test_the_plan_itself_holds(planned: FleetResult) -> None:
    report = ieco_opt.verify(planned)
    assert report.holds
    assert (report.plans, report.rows, report.nodes) == (1, 5, 3)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("limits.max_usd_per_hour", 20.9, "cost: 21 $/h, more than max_usd_per_hour 20.9"),
        ("limits.max_power_kw", 8, "power: 8.05 kW, more than max_power_kw 8"),
        ("limits.max_gpus", 14, "gpus: 15, more than max_gpus 14"),
        ("pools.0.max_power_kw", 5.5, "pool h100: power: more than max_power_kw 5.5"),
        ("pools.1.gpus", 9, "pool l40s: capacity: {4: 1, 3: 1} nodes by size in use, of 2 of 4 GPUs and 1 left over"),
        ("pools.1.gpus", 7, "pool l40s: capacity_gpus: found 11, expected 7"),
        ("pools.1.gpus", 3, "pool l40s: capacity: {4: 1, 3: 1} nodes by size in use, of 0 of 4 GPUs and 3 left over"),
        ("workloads.0.requests_per_s", 61, "workload chat: prefill: serves 60 requests/s of 61"),
        ("workloads.0.headroom", 0.36, "workload chat: prefill fp8-tp1: serves 60 of 81.09"),
        ("workloads.0.min_instances", 4, "workload chat: decode: 3 instances, of 4 to any number"),
        ("workloads.0.max_instances", 2, "workload chat: prefill: 3 instances, of 1 to 2"),
        ("workloads.0.min_speed", 40.05, "workload chat: decode fp8-tp1-dp2: 40.023 tokens/s, below min_speed 40.05"),
        (
            "workloads.0.max_time_to_first_token_s",
            0.05,
            "workload chat: prefill fp8-tp1: first token after 0.0527",
        ),
        ("workloads.0.pools", ["l40s"], "workload chat: prefill fp8-tp1: runs on h100, which it must not"),
        ("workloads.0.serving", ["colocated"], "workload chat: runs decode, prefill, which is no mode of colocated"),
        ("workloads.0.weights", ["bf16"], "workload chat: decode fp8-tp1: its weights are fp8, expected one of bf16"),
        ("workloads.1.operating_points.0.throughput_requests_per_s", 6, "listed: colocated large: no operating point"),
        ("workloads.1.operating_points.1.gpus", 2, "workload listed: colocated small: no operating point"),
        ("workloads.1.min_speed", 40, "workload listed: colocated small: 30 tokens/s, below min_speed 40"),
    ],
)
def test_a_requirement_that_the_plan_does_not_meet_is_named(
    field: str, value: object, expected: str, planned: FleetResult
) -> None:
    changed = copy.deepcopy(FLEET)
    *path, last = [int(part) if part.isdigit() else part for part in field.split(".")]
    place: Any = changed
    for part in path:
        place = place[part]
    place[last] = value
    found = problems(replace(planned, scenario=load_fleet_mapping(changed)))
    assert any(expected in problem for problem in found), found


def entries(plan: FleetPlan, table: str, **wanted: object) -> list[int]:
    """Positions of the rows of a table with given fields."""
    rows = getattr(plan, table)
    return [at for at, row in enumerate(rows) if all(getattr(row, name) == value for name, value in wanted.items())]


def row_with(table: str, changes: Mapping, **wanted: object) -> Change:
    """Change fields of the first row with given fields."""

    def change(plan: FleetPlan) -> FleetPlan:
        at, rows = entries(plan, table, **wanted)[0], list(getattr(plan, table))
        rows[at] = replace(rows[at], **changes)
        return replace(plan, **{table: tuple(rows)})

    return change


def without(table: str, **wanted: object) -> Change:
    """Leave rows with given fields out."""

    def change(plan: FleetPlan) -> FleetPlan:
        gone = entries(plan, table, **wanted)
        assert gone
        return replace(plan, **{table: tuple(row for at, row in enumerate(getattr(plan, table)) if at not in gone)})

    return change


def other_setup(plan: FleetPlan) -> FleetPlan:
    """Say that decoding runs on 9 tensor ranks, which divide no heads."""
    at = entries(plan, "instances", workload="chat", phase="decode")[0]
    rows = list(plan.instances)
    assert rows[at].parallelism is not None
    rows[at] = replace(rows[at], parallelism=replace(rows[at].parallelism, tensor=9))
    return replace(plan, instances=tuple(rows))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda plan: replace(plan, usd_per_hour=20.0), "usd_per_hour: found 20, its nodes cost 21"),
        (lambda plan: replace(plan, gpus=14), "gpus: found 14, its nodes hold 15"),
        (lambda plan: replace(plan, power_kw=8.0), "power_kw: found 8, its nodes draw 8.05"),
        (lambda plan: replace(plan, bound=21.1), "bound: found 21.1, above the objective 21"),
        (row_with("nodes", {"gpus": 7}, pool="h100"), "pool h100: node 0: holds 12 GPUs of 8"),
        (
            row_with("nodes", {"node_gpus": 5, "gpus": 5}, pool="l40s", node=0),
            "pool l40s: capacity: {5: 1, 3: 1} nodes by size in use, of 2 of 4 GPUs and 3 left over",
        ),
        (
            row_with("nodes", {"gpus": 3}, instance_type="large", node=0),
            "pool l40s: listed colocated large: instance 0 lies on nodes as [2, 3], expected [2, 4]",
        ),
        (without("nodes", instance_type="small"), "pool l40s: listed colocated small: 1 instances, 0 on nodes"),
        (without("instances", phase="prefill"), "workload chat: runs decode, which is no mode of disaggregated"),
        (without("instances", workload="listed"), "workload listed: runs nothing, which is no mode of colocated"),
        (
            row_with("instances", {"requests_per_s": 59.0}, phase="prefill"),
            "workload chat: prefill: serves 59 requests/s of 60",
        ),
        (
            row_with("instances", {"capacity_requests_per_s": 90.0}, phase="prefill"),
            "workload chat: prefill fp8-tp1: serves 30 requests/s, the performance model says 27.03",
        ),
        (
            row_with("instances", {"capacity_requests_per_s": 40.0}, instance_type="fp8-tp1-dp2"),
            "workload chat: decode fp8-tp1-dp2: serves 40 requests/s, the performance model says 35.48",
        ),
        (
            row_with("instances", {"batch": 100_000}, instance_type="fp8-tp1-dp2"),
            "workload chat: decode fp8-tp1-dp2: batch 100000 does not fit in memory, which holds 1 to ",
        ),
        (other_setup, "is no configuration of the workload that fits in memory"),
        (
            row_with("instances", {"weights": "int4"}, phase="prefill"),
            "workload chat: prefill fp8-tp1: its weights are int4, expected one of fp8",
        ),
        (
            row_with("instances", {"capacity_requests_per_s": 5.5}, instance_type="large"),
            "workload listed: colocated large: no operating point of the scenario is like it",
        ),
    ],
)
def test_a_wrong_figure_is_named(change: Change, expected: str, planned: FleetResult) -> None:
    found = problems(replace(planned, plans=(change(planned[0]),)))
    assert any(expected in problem for problem in found), found


# What only a solver, the performance model or a table of operating points could confirm.
NOT_RECOMPUTED = {
    "plan": {"bound"},
    "instances": {
        "batch", "draft_tokens", "time_to_first_token_s", "throughput_tokens_per_s", "mfu", "memory_per_gpu_gb",
        "memory_limit_gb", "memory_s", "arithmetic_s", "network_s", "kernel_s", "bottleneck",
    },
}  # fmt: skip


def _numbers(record: Any) -> list[str]:
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    return [name for name, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)]


@pytest.mark.parametrize("table", ["plan", "instances", "workloads", "pools"])
@pytest.mark.parametrize("factor", [0.999, 1.001])
def test_every_sum_and_share_is_recomputed(table: str, factor: float, planned: FleetResult) -> None:
    plan, missed, tried = planned[0], [], 0
    rows = (plan,) if table == "plan" else getattr(plan, table)
    for at, row in enumerate(rows):
        for name in _numbers(row):
            value = getattr(row, name)
            edited = value + (1 if factor > 1.0 else -1) if isinstance(value, int) else (value * factor or factor - 1.0)
            changed = replace(row, **{name: edited})
            other = changed if table == "plan" else replace(plan, **{table: (*rows[:at], changed, *rows[at + 1 :])})
            tried += 1
            if name not in NOT_RECOMPUTED.get(table, ()) and not problems(replace(planned, plans=(other,))):
                missed.append((at, name, value, edited))
    assert tried
    assert missed == []


def test_the_status_is_that_of_the_gap(planned: FleetResult) -> None:
    plan = replace(planned[0], status=Status.FEASIBLE)
    assert "plan: status: found feasible, expected optimal" in problems(replace(planned, plans=(plan,)))
    plan = replace(planned[0], bound=planned[0].bound * 0.9)
    assert any("plan: gap: found 0, expected 0.1" in problem for problem in problems(replace(planned, plans=(plan,))))
    for table in ("workloads", "pools"):
        plan = replace(planned[0], **{table: ()})
        assert any(f"{table}: found nothing" in problem for problem in problems(replace(planned, plans=(plan,))))


def test_figures_of_a_mix_are_checked_without_prices() -> None:
    mix = [
        {"name": "short", "share": 1, "prompt_tokens": 100, "output_tokens": 100},
        {"name": "long", "share": 1, "prompt_tokens": 4000, "output_tokens": 100},
    ]
    workload = {
        "name": "mixed",
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "requests_per_s": 40,
        "request_mix": mix,
        "serving": ["colocated"],
    }
    result = ieco_opt.plan(load_fleet_mapping(FLEET | {"workloads": [workload]}))
    assert problems(result) == []
    nodes = without("nodes", workload="mixed")(result[0])
    assert any("on nodes" in problem for problem in problems(replace(result, plans=(nodes,))))


def test_where_power_is_unknown_it_is_not_checked(planned: FleetResult) -> None:
    assert problems(replace(planned, plans=(replace(planned[0], power_kw=None),))) == []
