"""Plans of fleets that break one requirement or state one wrong figure: the check names it, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from edited_results import MIX, POOLS

import ieco_opt
from ieco_opt.results.guarantee import Status
from ieco_opt.results.plan import FleetPlan, FleetResult, Relaxation
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]
Change = Callable[[FleetPlan], FleetPlan]

FLEET: Mapping = {
    "kind": "fleet",
    "name": "checked",
    "pools": POOLS,
    "workloads": [
        {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "engine": "trtllm",
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
    "profile": "paper-constants",
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
    assert (report.plans, report.rows, report.nodes) == (1, 6, 3)


def set_in(fleet: Mapping, field: str, value: object) -> Mapping:
    """The same fleet with one field changed."""
    changed = copy.deepcopy(fleet)
    *path, last = [int(part) if part.isdigit() else part for part in field.split(".")]
    place: Any = changed
    for part in path:
        place = place[part]
    place[last] = value
    return changed


def asked(result: FleetResult, field: str, value: object) -> FleetResult:
    """The same plan as the answer to another fleet: what its summaries repeat of the fleet follows."""
    fleet = load_fleet_mapping(set_in(FLEET, field, value))
    plan = result[0]
    gpus = {pool.name: pool.gpus for pool in fleet.pools}
    least = {workload.name: workload.min_speed for workload in fleet.workloads}
    factor = min(
        row.speed_tokens_per_s / (least[row.workload] or row.speed_tokens_per_s / 1e9)
        for row in plan.instances
        if row.speed_tokens_per_s is not None
    )
    pools = tuple(replace(pool, capacity_gpus=gpus[pool.pool]) for pool in plan.pools)
    workloads = []
    for summary, workload in zip(plan.workloads, fleet.workloads, strict=True):
        required = workload.requests_per_s * (1.0 + workload.headroom)
        workloads.append(
            replace(
                summary,
                requests_per_s=workload.requests_per_s,
                required_requests_per_s=required,
                slack_requests_per_s=max(0.0, summary.capacity_requests_per_s - required),
                utilization=workload.requests_per_s / summary.capacity_requests_per_s,
            )
        )
    slack = max(0.0, min(each.capacity_requests_per_s / each.required_requests_per_s for each in workloads) - 1.0)
    values = {"speed_factor": factor, "slack": slack}
    levels = tuple(
        replace(each, value=values[each.criterion], bound=values[each.criterion]) if each.criterion in values else each
        for each in plan.levels
    )
    levels = tuple(replace(each, status=Status.OPTIMAL) for each in levels)
    changed = replace(plan, speed_factor=factor, pools=pools, workloads=tuple(workloads), levels=levels)
    return replace(result, scenario=fleet, plans=(changed,))


ROWS_OF_CHAT = ("decode fp8-tp1", "decode fp8-tp4", "prefill fp8-tp1", "prefill fp8-tp1-pp2")
OTHERS = "fp8 with a cache in bf16, expected bf16 with a cache in bf16"
OF_OTHER_POOLS = [f"workload chat: {row}: runs on h100, which it must not" for row in ROWS_OF_CHAT]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("limits.max_usd_per_hour", 20.9, ["cost: 21 $/h, more than max_usd_per_hour 20.9"]),
        ("limits.max_power_kw", 8, ["power: 8.05 kW, more than max_power_kw 8"]),
        ("limits.max_gpus", 14, ["gpus: 15, more than max_gpus 14"]),
        ("pools.0.max_power_kw", 5.5, ["pool h100: power: 5.6 kW, more than max_power_kw 5.5"]),
        (
            "pools.1.gpus",
            9,
            ["pool l40s: capacity: {4: 1, 3: 1} nodes by size in use, of 2 of 4 GPUs and 1 left over"],
        ),
        (
            "pools.1.gpus",
            3,
            ["pool l40s: capacity: {4: 1, 3: 1} nodes by size in use, of 0 of 4 GPUs and 3 left over"],
        ),
        (
            "workloads.0.requests_per_s",
            61,
            [f"workload chat: {phase}: requests_per_s: serves 60 of 61" for phase in ("decode", "prefill")],
        ),
        (
            "workloads.0.headroom",
            0.36,
            # Of 60 requests/s each row serves its part of the capacity of its phase: 10.78 of 66.08, 23.12 of 69.07.
            [
                "workload chat: decode fp8-tp1: serves 9.78",
                "workload chat: decode fp8-tp4: serves 50.21",
                "workload chat: prefill fp8-tp1: serves 20.08",
                "workload chat: prefill fp8-tp1-pp2: serves 39.91",
            ],
        ),
        (
            "workloads.0.min_instances",
            3,
            [f"workload chat: {phase}: 2 instances, of 3 to any number" for phase in ("decode", "prefill")],
        ),
        (
            "workloads.0.max_instances",
            1,
            [f"workload chat: {phase}: 2 instances, of 1 to 1" for phase in ("decode", "prefill")],
        ),
        (
            "workloads.0.min_speed",
            124.5,
            ["workload chat: decode fp8-tp1: 124.378 tokens/s, below min_speed 124.5"],
        ),
        (
            "workloads.0.max_time_to_first_token_s",
            0.05,
            [
                "workload chat: prefill fp8-tp1: first token after 0.0989833 s, later than 0.05 s",
                "workload chat: prefill fp8-tp1-pp2: first token after 0.099257 s, later than 0.05 s",
            ],
        ),
        ("workloads.0.pools", ["l40s"], OF_OTHER_POOLS),
        (
            "workloads.0.serving",
            ["colocated"],
            ["workload chat: runs decode, prefill, which is no mode of colocated"],
        ),
        (
            "workloads.0.weights",
            ["bf16"],
            [f"workload chat: {row}: weights, kv_cache: found {OTHERS}" for row in ROWS_OF_CHAT],
        ),
        (
            "workloads.0.memory_utilization",
            0.285,
            [
                "workload chat: decode fp8-tp1: batch 26 does not fit in memory, which holds 1 to 22",
                *(
                    f"workload chat: {row}: {words}"
                    for row in ROWS_OF_CHAT[1:]
                    for words in (
                        "memory_limit_gb: found 76.5, the performance model gives 24.225",
                        "cache_tokens: found ",
                        "free_gb: found ",
                    )
                ),
            ],
        ),
        (
            "workloads.0.design_space",
            {"tensor_parallel": [1], "attention_data_parallel": [1]},
            ["workload chat: decode fp8-tp4: tensor_parallel, attention_data_parallel, pipeline_parallel, "],
        ),
        (
            "workloads.0.design_space",
            {"batch": [1, 200]},
            [f"workload chat: decode {row} is not listed" for row in ("fp8-tp1: batch 26", "fp8-tp4: batch 133")],
        ),
        (
            "workloads.1.operating_points.0.throughput_requests_per_s",
            6,
            ["workload listed: colocated large: no operating point of the scenario is like it: "],
        ),
        (
            "workloads.1.operating_points.1.gpus",
            2,
            ["workload listed: colocated small: no operating point of the scenario is like it: colocated on 1 GPUs"],
        ),
        (
            "workloads.1.min_speed",
            40,
            ["workload listed: colocated small: 30 tokens/s, below min_speed 40"],
        ),
        (
            "workloads.1.max_time_to_first_token_s",
            0.45,
            ["workload listed: colocated large: first token after 0.5 s, later than 0.45 s"],
        ),
    ],
)
def test_a_requirement_that_the_plan_does_not_meet_is_all_that_is_named(
    field: str, value: object, expected: list[str], planned: FleetResult
) -> None:
    found = problems(asked(planned, field, value))
    assert len(found) == len(expected), found
    assert all(problem.startswith(words) for problem, words in zip(found, expected, strict=True)), found


@pytest.mark.parametrize("nearest_first", [True, False])
def test_of_several_points_the_one_most_like_the_row_is_told(nearest_first: bool, planned: FleetResult) -> None:
    large, small = FLEET["workloads"][1]["operating_points"]
    alike = [small | {"speed_tokens_per_s": 31}, small | {"speed_tokens_per_s": 70, "throughput_tokens_per_s": 65}]
    points = [large, *(alike if nearest_first else reversed(alike))]
    assert problems(asked(planned, "workloads.1.operating_points", points)) == [
        "workload listed: colocated small: no operating point of the scenario is like it: "
        "speed_tokens_per_s: found 30, expected 31"
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limits.max_usd_per_hour", 21),
        ("limits.max_power_kw", 8.05),
        ("limits.max_gpus", 15),
        ("pools.0.max_power_kw", 5.6),
        ("pools.0.gpus", 8),
        ("pools.1.gpus", 7),
        ("workloads.0.min_instances", 2),
        ("workloads.0.max_instances", 2),
        ("workloads.1.min_speed", 30),
        ("workloads.1.max_time_to_first_token_s", 0.5),
    ],
)
def test_a_plan_exactly_at_a_limit_verifies(field: str, value: object, planned: FleetResult) -> None:
    assert problems(asked(planned, field, value)) == []


def test_a_plan_exactly_as_fast_and_as_loaded_as_asked_verifies(planned: FleetResult) -> None:
    slowest, first = planned[0].workloads[0].speed_tokens_per_s, planned[0].workloads[0].time_to_first_token_s
    decode = planned[0].instances[0]
    headroom = decode.capacity_requests_per_s / decode.requests_per_s - 1.0
    for field, value in (("min_speed", slowest), ("max_time_to_first_token_s", first), ("headroom", headroom)):
        assert problems(asked(planned, f"workloads.0.{field}", value)) == []


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


def counted_from_one(plan: FleetPlan) -> FleetPlan:
    """Say that the nodes of one pool begin with the number 1."""
    rows = (replace(row, node=row.node + 1) if row.pool == "l40s" else row for row in plan.nodes)
    return replace(plan, nodes=tuple(rows))


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
        (row_with("nodes", {"gpus": 7}, pool="h100"), "pool h100: node 0: holds 11 GPUs of 8"),
        (
            row_with("nodes", {"node_gpus": 5, "gpus": 5}, pool="l40s", node=0),
            "pool l40s: capacity: {5: 1, 3: 1} nodes by size in use, of 2 of 4 GPUs and 3 left over",
        ),
        (
            row_with("nodes", {"gpus": 3}, instance_type="large", node=0),
            "pool l40s: listed colocated large: instance 0 lies on nodes as [2, 3], expected 1 x 4 and 1 x 2 GPUs",
        ),
        (
            row_with("nodes", {"node_gpus": 7}, pool="h100"),
            "pool h100: node 0: node_gpus: found 7, 8 for one node",
        ),
        (
            row_with("nodes", {"instance": 1}, instance_type="small"),
            "pool l40s: listed colocated small: instance: found 1, expected to count from 0",
        ),
        (counted_from_one, "pool l40s: node: found 1, 2, expected to count from 0"),
        (without("nodes", instance_type="small"), "pool l40s: listed colocated small: 1 instances, 0 on nodes"),
        (without("instances", phase="prefill"), "workload chat: runs decode, which is no mode of disaggregated"),
        (without("instances", workload="listed"), "workload listed: runs nothing, which is no mode of colocated"),
        (
            row_with("instances", {"requests_per_s": 59.0}, phase="prefill"),
            "workload chat: prefill: requests_per_s: serves 98.9157905 of 60",
        ),
        (
            row_with("instances", {"capacity_requests_per_s": 90.0}, phase="prefill"),
            "workload chat: prefill fp8-tp1: capacity_requests_per_s: serves 90 requests/s, "
            "the performance model says 23.11",
        ),
        (
            row_with("instances", {"capacity_requests_per_s": 60.0}, instance_type="fp8-tp4"),
            "workload chat: decode fp8-tp4: capacity_requests_per_s: serves 60 requests/s, "
            "the performance model says 55.29",
        ),
        (
            row_with("instances", {"batch": 100_000}, instance_type="fp8-tp4"),
            "workload chat: decode fp8-tp4: batch 100000 does not fit in memory, which holds 1 to ",
        ),
        (other_setup, "is no configuration of the workload that fits in memory"),
        (
            row_with("instances", {"weights": "int4"}, phase="prefill"),
            "workload chat: prefill fp8-tp1: weights, kv_cache: found int4 with a cache in bf16, expected fp8 with a ",
        ),
        (
            row_with("instances", {"gpus": 3}, phase="prefill"),
            "workload chat: prefill fp8-tp1: gpus: found 3, its degrees multiply to 1",
        ),
        (
            row_with("instances", {"batch": None}, phase="decode"),
            "workload chat: decode fp8-tp1: batch: found null, expected the sequences in flight",
        ),
        (
            row_with("instances", {"batch": 0}, phase="decode"),
            "workload chat: decode fp8-tp1: batch 0 does not fit in memory, which holds 1 to ",
        ),
        (
            row_with("instances", {"batch": 2}, phase="prefill"),
            "workload chat: prefill fp8-tp1: batch: found 2, expected 1, a prompt for each stage",
        ),
        (
            row_with("instances", {"batch": 1}, instance_type="fp8-tp1-pp2"),
            "workload chat: prefill fp8-tp1-pp2: batch: found 1, expected 2, a prompt for each stage",
        ),
        (
            row_with("instances", {"gpus": 1}, instance_type="fp8-tp1-pp2"),
            "workload chat: prefill fp8-tp1-pp2: gpus: found 1, its degrees multiply to 2",
        ),
        (row_with("instances", {"workload": "x"}, phase="prefill"), "workload x"),
        (row_with("instances", {"pool": "x"}, phase="prefill"), "runs on x, which it must not"),
        (
            row_with("instances", {"capacity_requests_per_s": 5.5}, instance_type="large"),
            "workload listed: colocated large: no operating point of the scenario is like it",
        ),
    ],
)
def test_a_wrong_figure_is_named(change: Change, expected: str, planned: FleetResult) -> None:
    found = problems(replace(planned, plans=(change(planned[0]),)))
    assert any(expected in problem for problem in found), found


def crowded(plan: FleetPlan) -> FleetPlan:
    """Put the small instance beside the large one's four GPUs on a node of four."""
    moved = row_with("nodes", {"node": 0, "node_gpus": 4}, instance_type="small")(plan)
    return replace(moved, nodes=tuple(sorted(moved.nodes, key=lambda row: (row.pool, row.node))))


def bounded(bound: float) -> Change:
    """State another bound, also in the rows, which repeat it."""

    def change(plan: FleetPlan) -> FleetPlan:
        rows = tuple(replace(row, bound=bound) for row in plan.instances)
        return replace(plan, bound=bound, instances=rows)

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (crowded, "pool l40s: node 0: holds 5 GPUs of 4"),
        (bounded(21.1), "bound: found 21.1, above the objective 21"),
        (bounded(20.9), "gap: found 0, bound and objective give 0.0047619"),
        (
            row_with("instances", {"memory_per_gpu_gb": 14.7}, phase="prefill"),
            "workload chat: prefill fp8-tp1: memory_per_gpu_gb: found 14.7, the performance model gives 14.80",
        ),
        (
            row_with("instances", {"reserve_gb": 5.0}, phase="prefill"),
            "workload chat: prefill fp8-tp1: reserve_gb: found 5, the performance model gives 5.30",
        ),
        (
            row_with("instances", {"mfu": 0.5}, phase="prefill"),
            "workload chat: prefill fp8-tp1: mfu: found 0.5, the performance model gives 0.69",
        ),
    ],
)
def test_a_broken_rule_is_all_that_is_named(change: Change, expected: str, planned: FleetResult) -> None:
    (found,) = problems(replace(planned, plans=(change(planned[0]),)))
    assert found.startswith(expected)


MIXED = "workload chat: engine, kv_cache: found {}, expected one of each where caches move"


def test_a_cache_of_another_precision_is_not_of_the_workload_and_goes_with_no_other(planned: FleetResult) -> None:
    change = row_with("instances", {"kv_cache": "fp8"}, phase="prefill")
    both, own = problems(replace(planned, plans=(change(planned[0]),)))
    assert both == MIXED.format("trtllm with a cache in bf16 and trtllm with a cache in fp8")
    assert own.startswith(
        "workload chat: prefill fp8-tp1: weights, kv_cache: found fp8 with a cache in fp8, expected fp8 with a "
    )


def test_a_plan_of_two_servers_is_told() -> None:
    # On one or two ranks of a dense model SGLang runs what vLLM runs: each row is right on its own.
    def answer(engine: str) -> FleetResult:
        return ieco_opt.plan(load_fleet_mapping(set_in(FLEET, "workloads.0.engine", engine)))

    either = answer("any")
    assert problems(either) == []
    (name,) = {row.engine for row in either[0].instances if row.engine is not None}
    other = "vllm" if name == "sglang" else "sglang"
    rows = list(either[0].instances)
    at = entries(either[0], "instances", instance_type="fp8-tp1", phase="prefill")[0]
    (own,) = [row for row in answer(other)[0].instances if (row.instance_type, row.phase) == ("fp8-tp1", "prefill")]
    memory = ("memory_per_gpu_gb", "memory_limit_gb", "reserve_gb", "free_gb", "cache_tokens")
    rows[at] = replace(rows[at], engine=other, **{field: getattr(own, field) for field in memory})
    (found,) = problems(replace(either, plans=(replace(either[0], instances=tuple(rows)),)))
    # SGLang's caches go between accelerators of one generation.
    places = {"sglang": " on hopper", "vllm": " on hopper"}
    names = " and ".join(f"{each} with a cache in bf16{places.get(each, '')}" for each in sorted((name, other)))
    assert found == MIXED.format(names)


GROUPED: Mapping = {
    "name": "grouped",
    "model": "gpt-oss-20b",
    "weights": ["mxfp4"],
    "engine": ["vllm", "sglang"],
    "requests_per_s": 5,
    "prompt_tokens": 500,
    "output_tokens": 100,
    "serving": ["colocated"],
    "design_space": {
        "tensor_parallel": [1],
        "attention_data_parallel": [2],
        "pipeline_parallel": [1],
        "expert_parallel": [2],
    },
}
SPOKEN: Mapping = {
    "name": "spoken",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "engine": "vllm",
    "requests_per_s": 5,
    "prompt_tokens": 500,
    "output_tokens": 100,
    "min_speed": 180,
    "serving": ["colocated"],
    "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.9, "max_draft_tokens": 4},
    "design_space": {"tensor_parallel": [1], "pipeline_parallel": [1], "attention_data_parallel": [1]},
}


@pytest.fixture(scope="module")
def served() -> FleetResult:
    """Experts over two groups with an exchange, and a draft model beside a dense one."""
    fleet = load_fleet_mapping(FLEET | {"workloads": [GROUPED, SPOKEN]})
    return ieco_opt.plan(fleet)


def test_rows_say_server_exchange_and_draft_model(served: FleetResult) -> None:
    assert problems(served) == []
    grouped, spoken = served[0].instances
    assert grouped.parallelism is not None
    assert (grouped.parallelism.attention_data, grouped.batch is not None and grouped.batch % 2) == (2, 0)
    assert grouped.exchange in {"all_gather", "all_to_all"}
    assert (grouped.draft_mode, grouped.draft_model) == (None, None)
    assert (spoken.engine, spoken.engines, spoken.exchange) == ("vllm", "vllm", None)
    assert (spoken.draft_mode, spoken.draft_model) == ("draft_model", "Llama-3.2-1B")


@pytest.mark.parametrize(
    ("workload", "name", "wrong", "expected"),
    [
        ("grouped", "engine", None, "engine: found null, expected"),
        ("grouped", "engine", "trtllm", "engine: found trtllm, expected"),
        ("spoken", "engine", "sglang", "engine: found sglang, expected"),
        ("spoken", "engines", "sglang,vllm", "engines: found sglang,vllm, expected vllm"),
        ("grouped", "engines", None, "engines: found null, expected "),
        ("grouped", "exchange", "none", "is no configuration of the workload that fits in memory"),
        ("grouped", "exchange", None, "is no configuration of the workload that fits in memory"),
        ("spoken", "exchange", "none", "is no configuration of the workload that fits in memory"),
        ("spoken", "draft_model", "Llama-3.2-3B", "draft_model: found Llama-3.2-3B, the performance model gives"),
        ("spoken", "draft_mode", None, "draft_mode: found null, the performance model gives draft_model"),
        ("grouped", "batch", 7, "batch: found 7, expected a multiple of 2: groups and micro-batches are whole"),
    ],
)
def test_who_runs_a_row_and_how_is_checked(
    workload: str, name: str, wrong: object, expected: str, served: FleetResult
) -> None:
    change = row_with("instances", {name: wrong}, workload=workload)
    found = problems(replace(served, plans=(change(served[0]),)))
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize(("share", "wrong"), [(8e-10, False), (-8e-10, False), (4e-9, True), (-4e-9, True)])
def test_a_demand_is_served_but_for_rounding(share: float, wrong: bool, planned: FleetResult) -> None:
    rows = list(planned[0].instances)
    for at in entries(planned[0], "instances", workload="listed"):
        rows[at] = replace(rows[at], requests_per_s=rows[at].requests_per_s * (1.0 + share))
    found = problems(replace(planned, plans=(replace(planned[0], instances=tuple(rows)),)))
    assert any("workload listed: colocated: requests_per_s: serves 5." in problem for problem in found) == wrong
    assert wrong or found == []


def test_the_status_is_that_of_the_gap(planned: FleetResult) -> None:
    plan = replace(planned[0], status=Status.FEASIBLE)
    assert "status: found feasible with a gap of 0, expected optimal" in problems(replace(planned, plans=(plan,)))
    plan = replace(planned[0], bound=planned[0].bound * 0.9)
    assert any(
        "gap: found 0, bound and objective give 0.1" in problem for problem in problems(replace(planned, plans=(plan,)))
    )
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


def of_a_mix(pool: str, request_class: str, requests: float, speed: float, first: float) -> Mapping:
    """An operating point for one class of requests."""
    return {
        "pool": pool,
        "gpus": 1,
        "kind": pool,
        "request_class": request_class,
        "throughput_requests_per_s": requests,
        "speed_tokens_per_s": speed,
        "time_to_first_token_s": first,
    }


@pytest.mark.parametrize(
    ("long_on_h100", "short_on_l40s"),
    [((9, 20, 0.2), (9, 90, 9.0)), ((9, 90, 9.0), (9, 20, 0.2)), ((9, 20, 9.0), (9, 20, 9.0))],
)
def test_of_a_mix_the_figures_of_a_row_are_those_of_the_classes_that_are_served_in_time(
    long_on_h100: tuple[float, float, float], short_on_l40s: tuple[float, float, float]
) -> None:
    short, long = MIX
    workload = {
        "name": "mixed",
        "requests_per_s": 6,
        "request_mix": [short, long],
        "serving": ["colocated"],
        "min_speed": 30,
        "max_time_to_first_token_s": 2,
        "operating_points": [
            of_a_mix("h100", "short", 5, 50, 0.1),
            of_a_mix("h100", "long", *long_on_h100),
            of_a_mix("l40s", "short", *short_on_l40s),
            of_a_mix("l40s", "long", 7, 40, 0.4),
        ],
    }
    result = ieco_opt.plan(load_fleet_mapping(FLEET | {"workloads": [workload]}))
    assert problems(result) == []
    figures = {row.pool: (row.speed_tokens_per_s, row.time_to_first_token_s) for row in result[0].instances}
    assert figures == {"h100": (50, 0.1), "l40s": (40, 0.4)}
    for at, row in enumerate(result[0].instances):
        for name in ("speed_tokens_per_s", "time_to_first_token_s", "throughput_tokens_per_s"):
            rows = list(result[0].instances)
            rows[at] = replace(row, **{name: getattr(row, name) * 1.01})
            found = problems(replace(result, plans=(replace(result[0], instances=tuple(rows)),)))
            assert any("no operating point of the scenario is like it: " in problem for problem in found), (name, found)


CAPPED: Mapping = FLEET | {
    "workloads": FLEET["workloads"][1:],
    "pools": [FLEET["pools"][0], FLEET["pools"][1] | {"max_power_kw": 3.0}],
    "limits": {"max_usd_per_hour": 8, "max_power_kw": 3.1, "max_gpus": 9},
}
REQUIRED = {
    "demand of listed": "requests/s",
    "capacity of l40s": "GPUs",
    "max_power_kw of l40s": "kW",
    "limits.max_usd_per_hour": "$/h",
    "limits.max_power_kw": "kW",
    "limits.max_gpus": "GPUs",
}


@pytest.fixture(scope="module")
def relaxed() -> FleetResult:
    return ieco_opt.plan(load_fleet_mapping(CAPPED), relaxations=True)


def test_what_a_better_plan_would_violate_is_some_of_what_is_required(relaxed: FleetResult) -> None:
    named = [each.requirement for each in relaxed[0].next_cheaper]
    assert "demand of listed" in named
    assert set(named) <= set(REQUIRED)
    assert all(each.amount is not None and each.amount > 0.0 for each in relaxed[0].next_cheaper)


@pytest.mark.parametrize("requirement", REQUIRED)
def test_what_can_be_relaxed_has_its_unit_and_its_share(requirement: str, relaxed: FleetResult) -> None:
    assert problems(relaxed) == []
    required = {
        "demand of listed": 5.5,
        "capacity of l40s": 8.0,
        "max_power_kw of l40s": 3.0,
        "limits.max_usd_per_hour": 8.0,
        "limits.max_power_kw": 3.1,
        "limits.max_gpus": 9.0,
    }[requirement]
    stated = Relaxation(
        requirement=requirement,
        amount=0.25 * required,
        unit=REQUIRED[requirement],
        share=0.25,
        objective=0.5 * relaxed[0].objective,
    )

    def told(relaxation: Relaxation) -> list[str]:
        return problems(replace(relaxed, plans=(replace(relaxed[0], next_cheaper=(relaxation,)),)))

    assert told(stated) == []
    assert told(replace(stated, unit="x")) == [f"next_cheaper[0]: unit: found x, expected {REQUIRED[requirement]}"]
    (problem,) = told(replace(stated, share=0.26))
    assert problem.startswith("next_cheaper[0]: share, amount: found 0.26, the amount is 0.25 of ")
    (problem,) = told(replace(stated, requirement=f"{requirement}s"))
    assert problem.endswith(f"found '{requirement}s', which is none of the scenario")
    assert told(replace(stated, amount=None, share=None, objective=None)) == []
    for field in ("share", "objective"):
        beside = replace(stated, **{"amount": None, "share": None, "objective": None, field: 0.1})
        assert told(beside) == ["next_cheaper[0]: amount: found null beside a share or an objective"]
    for objective in (None, relaxed[0].objective):
        (problem,) = told(replace(stated, objective=objective))
        assert problem.startswith("next_cheaper[0]: objective: found ")


def test_what_would_be_violated_least_comes_first_and_the_unknown_last(relaxed: FleetResult) -> None:
    free = set_in(dict(CAPPED), "limits.max_usd_per_hour", 0)
    answer = replace(relaxed, scenario=load_fleet_mapping(free))
    amounts: list[tuple[str, float | None, float | None]] = [
        ("limits.max_gpus", 0.0, 0.0),
        ("demand of listed", 0.55, 0.1),
        ("capacity of l40s", 1.6, 0.2),
        ("limits.max_usd_per_hour", 1.0, None),
        ("max_power_kw of l40s", None, None),
    ]
    entries = [
        Relaxation(
            requirement=name, amount=amount, unit=REQUIRED[name], share=share, objective=None if amount is None else 0.1
        )
        for name, amount, share in amounts
    ]
    for order in permutations(range(len(entries))):
        listed = tuple(entries[at] for at in order)
        found = problems(replace(answer, plans=(replace(relaxed[0], next_cheaper=listed),)))
        told = "next_cheaper: are not in the order of their shares" in found
        assert told == (list(order) != sorted(order)), order
        assert not any("next_cheaper[" in problem for problem in found), found


def test_what_was_not_asked_of_a_pool_or_in_all_cannot_be_relaxed(planned: FleetResult) -> None:
    for requirement in ("max_power_kw of l40s", "limits.max_usd_per_hour", "limits.max_power_kw", "limits.max_gpus"):
        stated = Relaxation(requirement=requirement, amount=1.0, unit="kW", share=0.1, objective=1.0)
        (problem,) = problems(replace(planned, plans=(replace(planned[0], next_cheaper=(stated,)),)))
        assert problem.endswith("which is none of the scenario")


def test_power_is_unknown_just_where_a_pool_does_not_say(planned: FleetResult) -> None:
    assert problems(replace(planned, plans=(replace(planned[0], power_kw=None),))) == [
        "power_kw: found null, its nodes draw 8.05"
    ]
