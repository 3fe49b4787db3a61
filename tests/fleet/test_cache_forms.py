"""Instances exchange caches only with their like: one server and one precision of the cache where caches move."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import highspy
import pytest

import ieco_opt
from ieco_opt.fleet.columns import (
    CacheForm,
    Column,
    Origin,
    SetupTable,
    cache_forms,
    conflicts,
    possible_modes,
)
from ieco_opt.fleet.dominance import nondominated
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.fleet.program.data import FleetProgramData
from ieco_opt.fleet.program.plan import build_fleet_program
from ieco_opt.fleet.space import FleetProblem, build_fleet_space
from ieco_opt.performance.serving import Phase
from ieco_opt.programs.export import write_program
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet

Mapping = dict[str, Any]

VLLM: CacheForm = ("vllm", "bf16", "hopper")
SGLANG: CacheForm = ("sglang", "bf16", "hopper")
IN_8_BITS: CacheForm = ("vllm", "fp8", "hopper")


def fleet(pools: list[Mapping], workload: Mapping) -> Mapping:
    return {"kind": "fleet", "name": "caches", "pools": pools, "workloads": [workload]}


def problem_of(mapping: Mapping) -> FleetProblem:
    space = build_fleet_space(resolve_fleet(load_fleet_mapping(mapping)))
    return space.problem(space.columns())


def with_forms(problem: FleetProblem, forms: dict[tuple[str, str], CacheForm | None]) -> FleetProblem:
    """The same problem with the forms of its columns said by pool and phase."""
    columns = [
        replace(each, cache_form=forms[problem.pools[each.pool].name, each.phase.value]) for each in problem.columns
    ]
    return replace(problem, columns=tuple(columns), late_pairs=tuple(conflicts(columns)))


def least_cost(problem: FleetProblem, folder: Path) -> float:
    """Optimum of the program, in $/h, by a solver of its own."""
    path = folder / "program.lp"
    write_program(build_fleet_program(FleetProgramData(problem)), path)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(path))
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(solver.getInfo().objective_function_value)


# --- the program ------------------------------------------------------------------------------------------------------


def points_of_two_pools() -> FleetProblem:
    """Prefill and decode on a GPU of p for $1 or of q for $3; an instance serves all."""
    pools = [
        {"name": name, "accelerator": "H100-SXM", "gpus": 8, "usd_per_gpu_hour": price, "rented_by": "gpu"}
        for name, price in (("p", 1), ("q", 3))
    ]
    points = [
        {"pool": pool, "gpus": 1, "phase": phase, "throughput_requests_per_s": 5}
        for pool, phase in product("pq", ("prefill", "decode"))
    ]
    workload = {"name": "w", "requests_per_s": 4, "prompt_tokens": 100, "output_tokens": 100}
    return problem_of(fleet(pools, workload | {"serving": ["disaggregated"], "operating_points": points}))


P_PREFILL, P_DECODE = ("p", "prefill"), ("p", "decode")
Q_PREFILL, Q_DECODE = ("q", "prefill"), ("q", "decode")


@pytest.mark.parametrize(
    ("forms", "cost"),
    [
        # Both of p are of one form: $1 + $1.
        ({P_PREFILL: VLLM, P_DECODE: VLLM, Q_PREFILL: SGLANG, Q_DECODE: SGLANG}, 2.0),
        # Prefill on p is of one server and decode on p of another: one of the two goes to q, $1 + $3.
        ({P_PREFILL: SGLANG, P_DECODE: VLLM, Q_PREFILL: VLLM, Q_DECODE: SGLANG}, 4.0),
        # So it is with two precisions of the cache of one server.
        ({P_PREFILL: VLLM, P_DECODE: IN_8_BITS, Q_PREFILL: IN_8_BITS, Q_DECODE: VLLM}, 4.0),
        # What is measured, or what moves no cache of its own, goes with any.
        ({P_PREFILL: None, P_DECODE: VLLM, Q_PREFILL: SGLANG, Q_DECODE: SGLANG}, 2.0),
        ({P_PREFILL: SGLANG, P_DECODE: None, Q_PREFILL: SGLANG, Q_DECODE: VLLM}, 2.0),
        # Three forms, of which the one that has both phases is on q.
        ({P_PREFILL: SGLANG, P_DECODE: IN_8_BITS, Q_PREFILL: VLLM, Q_DECODE: VLLM}, 6.0),
    ],
)
def test_all_instances_of_a_disaggregated_workload_are_of_one_form(
    forms: dict[tuple[str, str], CacheForm | None], cost: float, tmp_path: Path
) -> None:
    assert least_cost(with_forms(points_of_two_pools(), forms), tmp_path) == pytest.approx(cost)


def test_workloads_choose_their_forms_each_on_its_own(tmp_path: Path) -> None:
    one = points_of_two_pools()
    forms = {P_PREFILL: VLLM, P_DECODE: VLLM, Q_PREFILL: SGLANG, Q_DECODE: SGLANG}
    first = with_forms(one, forms)
    other = {P_PREFILL: SGLANG, P_DECODE: SGLANG, Q_PREFILL: VLLM, Q_DECODE: VLLM}
    second = [replace(each, workload=1) for each in with_forms(one, other).columns]
    both = replace(
        first,
        workloads=(*first.workloads, replace(first.workloads[0], name="v")),
        columns=(*first.columns, *second),
        most=first.most * 2,
    )
    assert least_cost(both, tmp_path) == pytest.approx(4.0)


# --- fleets of models -------------------------------------------------------------------------------------------------

# Two attention groups, which vLLM has for this model and SGLang has not, decode more: 44.2 requests/s on 4 GPUs.
WITH_GROUPS = fleet(
    [{"name": "p", "accelerator": "H100-SXM", "gpus": 640, "usd_per_gpu_hour": 1, "rented_by": "gpu"}],
    {
        "name": "w",
        "model": "Mixtral-8x22B",
        "weights": ["fp8"],
        "engine": ["sglang", "vllm"],
        "requests_per_s": 174,
        "prompt_tokens": 2000,
        "output_tokens": 200,
        "serving": ["disaggregated"],
        "design_space": {
            "stage_ranks": [4],
            "pipeline_parallel": [1],
            "attention_data_parallel": [1, 2],
            "expert_parallel": [2, 4],
            "batch": {"max": 512},
        },
    },
)
# Experts are on 2 ranks: in vLLM on all of a stage, so that nothing but two MI300Xs holds the model; TensorRT-LLM runs
# on NVIDIA alone, where four H100s hold it. The MI300Xs are cheap, but too few for both phases.
OF_TWO_SERVERS = fleet(
    [
        {"name": "h100", "accelerator": "H100-SXM", "gpus": 64, "usd_per_gpu_hour": 2, "rented_by": "gpu"},
        {"name": "mi300x", "accelerator": "MI300X", "gpus": 4, "usd_per_gpu_hour": 1, "rented_by": "gpu"},
    ],
    {
        "name": "w",
        "model": "Mixtral-8x22B",
        "weights": ["fp8"],
        "engine": ["trtllm", "vllm"],
        "memory_utilization": 0.85,
        "requests_per_s": 40,
        "prompt_tokens": 2000,
        "output_tokens": 200,
        "serving": ["disaggregated"],
        "design_space": {
            "stage_ranks": [2, 4],
            "pipeline_parallel": [1],
            "attention_data_parallel": [1],
            "expert_parallel": [2],
            "batch": {"max": 512},
        },
    },
)
# A100s are cheap and few, and have no cache of 8 bits, with which an H100 decodes more.
OF_TWO_CACHES = fleet(
    [
        {"name": "a100", "accelerator": "A100-SXM-80GB", "gpus": 4, "usd_per_gpu_hour": 0.5, "rented_by": "gpu"},
        {"name": "h100", "accelerator": "H100-SXM", "gpus": 64, "usd_per_gpu_hour": 2, "rented_by": "gpu"},
    ],
    {
        "name": "w",
        "model": "Llama-3.1-8B",
        "weights": ["bf16"],
        "kv_cache": ["bf16", "fp8"],
        "engine": "vllm",
        "requests_per_s": 30,
        "prompt_tokens": 2000,
        "output_tokens": 500,
        "serving": ["disaggregated"],
        "design_space": {"tensor_parallel": [1], "pipeline_parallel": [1], "batch": {"max": 512}},
    },
)


def with_only(mapping: Mapping, **fields: Any) -> Mapping:
    return mapping | {"workloads": [mapping["workloads"][0] | fields]}


def cost_with_only(mapping: Mapping, **fields: Any) -> float:
    """$/h of the best plan with other fields of the workload; inf where there is none."""
    try:
        return ieco_opt.plan(load_fleet_mapping(with_only(mapping, **fields)))[0].usd_per_hour
    except ieco_opt.InfeasibleError:
        return math.inf


@pytest.mark.parametrize(
    ("mapping", "alone"),
    [
        # TensorRT-LLM has no server on the pool of MI300Xs.
        (OF_TWO_SERVERS, [{"engine": "vllm"}, {"engine": "trtllm", "pools": ["h100"]}]),
        (OF_TWO_CACHES, [{"kv_cache": ["bf16"]}, {"kv_cache": ["fp8"]}]),
    ],
    ids=["servers", "caches"],
)
def test_a_plan_takes_the_better_of_two_servers_or_caches_and_never_both(
    mapping: Mapping, alone: list[Mapping], tmp_path: Path
) -> None:
    found = ieco_opt.plan(load_fleet_mapping(mapping))
    rows = found[0].instances
    assert len({(row.engine, row.kv_cache) for row in rows}) == 1
    assert {row.phase for row in rows} == {"prefill", "decode"}
    assert found[0].usd_per_hour == pytest.approx(min(cost_with_only(mapping, **fields) for fields in alone))
    # It matters: prefill of one and decoding of the other would cost less.
    problem = problem_of(mapping)
    assert least_cost(problem, tmp_path) == pytest.approx(found[0].usd_per_hour)
    free = replace(problem, columns=tuple(replace(each, cache_form=None) for each in problem.columns))
    assert least_cost(free, tmp_path) < found[0].usd_per_hour - 0.4
    assert ieco_opt.verify(found).problems == []


def test_an_operating_point_goes_with_any_server() -> None:
    # Prefill is measured and cheap; only decoding is priced, by the server that is better at it.
    point = {"pool": "p", "gpus": 1, "phase": "prefill", "throughput_requests_per_s": 1000}
    mapping = with_only(WITH_GROUPS, operating_points=[point]) | {"profile": "paper-constants"}
    (result,) = ieco_opt.plan(load_fleet_mapping(mapping)).plans
    assert {(row.phase, row.engine, row.instances) for row in result.instances} == {
        ("prefill", None, 1),
        ("decode", "vllm", 4),
    }
    assert result.usd_per_hour == pytest.approx(1 + 4 * 4)


@pytest.mark.parametrize(
    ("engine", "decoding", "together"),
    [
        ("vllm", "H200-SXM", True),
        ("vllm", "B200-SXM", False),
        ("sglang", "B200-SXM", False),
        ("trtllm", "B200-SXM", True),
        ("none", "B200-SXM", True),
        ("vllm", {"like": "H100-SXM", "name": "x", "generation": None}, False),
    ],
)
def test_caches_go_between_accelerators_of_one_generation(engine: str, decoding: Any, together: bool) -> None:
    # Each pool holds one instance, so that one prefills and the other decodes.
    pools = [
        {"name": "first", "accelerator": "H100-SXM", "gpus": 1, "usd_per_gpu_hour": 1, "rented_by": "gpu"},
        {"name": "second", "accelerator": decoding, "gpus": 1, "usd_per_gpu_hour": 1, "rented_by": "gpu"},
    ]
    workload = {
        "name": "w",
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "engine": engine,
        "requests_per_s": 0.1,
        "prompt_tokens": 500,
        "output_tokens": 50,
        "serving": ["disaggregated"],
    }
    mapping = fleet(pools, workload)
    if together:
        (plan,) = ieco_opt.plan(load_fleet_mapping(mapping)).plans
        assert {row.pool for row in plan.instances} == {"first", "second"}
    else:
        with pytest.raises(ieco_opt.InfeasibleError, match="capacity of second raised"):
            ieco_opt.plan(load_fleet_mapping(mapping))


def test_tables_of_each_server_have_all_of_its_setups_only_where_caches_move() -> None:
    mapping = with_only(WITH_GROUPS, serving=["colocated", "disaggregated"])
    resolved = resolve_fleet(load_fleet_mapping(mapping))
    tables = build_candidates(resolved.workloads[0], resolved.pools).tables
    forms = {(table.phase.value, table.engine): (table.cache_form, table.count) for table in tables}
    assert {at: form for at, (form, _) in forms.items()} == {
        ("colocated", "sglang"): None,
        ("colocated", "vllm"): None,
        ("prefill", "sglang"): SGLANG,
        ("prefill", "vllm"): VLLM,
        ("decode", "sglang"): SGLANG,
        ("decode", "vllm"): VLLM,
    }
    # Of four ranks with one group and experts on all of them both servers have every rank at all tokens.
    counts = {at: count for at, (_, count) in forms.items()}
    colocated = counts["colocated", "sglang"] + counts["colocated", "vllm"]
    assert colocated == counts["decode", "sglang"] + counts["decode", "vllm"] - 1


# --- columns ----------------------------------------------------------------------------------------------------------


def column(phase: Phase, form: CacheForm | None, *served: float, **changes: Any) -> Column:
    nothing = (0.0,) * len(served)
    base = Column(0, 0, phase, 2, served, nothing, nothing, (1,) * len(served), Origin(None, ()), form)
    return replace(base, **changes)


def left_of(*columns: Column) -> list[Column]:
    resolved = resolve_fleet(load_fleet_mapping(WITH_GROUPS))
    candidate = build_candidates(resolved.workloads[0], resolved.pools)
    return nondominated(columns, candidate, resolved.pools)


def test_a_column_replaces_those_of_its_form_and_what_goes_with_any_replaces_all() -> None:
    for phase in (Phase.PREFILL, Phase.DECODE):
        more, less = column(phase, VLLM, 3.0), column(phase, VLLM, 2.0)
        assert left_of(more, less) == [more]
        for form in (SGLANG, IN_8_BITS, None):
            other = replace(less, cache_form=form)
            assert set(left_of(more, other)) == {more, other}
        of_any = replace(more, cache_form=None)
        assert left_of(of_any, less, replace(less, cache_form=SGLANG)) == [of_any]


BOTH = ("colocated", "disaggregated")


@pytest.mark.parametrize(
    ("prefill", "decode", "possible"),
    [
        ([VLLM], [VLLM], True),
        ([VLLM], [SGLANG], False),
        ([VLLM], [IN_8_BITS], False),
        ([VLLM, SGLANG], [IN_8_BITS, SGLANG], True),
        ([None], [SGLANG], True),
        ([VLLM], [None], True),
        ([None], [None], True),
        ([], [VLLM], False),
    ],
)
def test_a_mode_is_possible_where_one_form_has_every_phase(
    prefill: list[CacheForm | None], decode: list[CacheForm | None], possible: bool
) -> None:
    columns = [column(Phase.PREFILL, form, 1.0) for form in prefill]
    columns += [column(Phase.DECODE, form, 1.0) for form in decode]
    assert possible_modes(BOTH, 1, columns) == (("disaggregated",) if possible else ())
    columns.append(column(Phase.COLOCATED, None, 1.0))
    assert possible_modes(BOTH, 1, columns) == (BOTH if possible else ("colocated",))


def test_a_mode_is_possible_only_where_one_form_serves_every_class() -> None:
    prefill = [column(Phase.PREFILL, form, 1.0, 1.0) for form in (VLLM, SGLANG)]
    short, long = column(Phase.DECODE, VLLM, 1.0, 0.0), column(Phase.DECODE, SGLANG, 0.0, 1.0)
    assert possible_modes(("disaggregated",), 2, [*prefill, short, long]) == ()
    of_any = replace(long, cache_form=None)
    assert possible_modes(("disaggregated",), 2, [*prefill, short, of_any]) == ("disaggregated",)


def test_only_pairs_that_could_be_used_together_can_be_late() -> None:
    early = {"room_s": (1.0,)}
    sender = column(Phase.PREFILL, VLLM, 1.0, **early)
    receivers = [column(Phase.DECODE, form, 1.0, transfer_s=(2.0,)) for form in (VLLM, SGLANG, IN_8_BITS, None)]
    assert conflicts([sender, *receivers]) == [(0, 1), (0, 4)]
    assert cache_forms([sender, *receivers]) == [VLLM, SGLANG, IN_8_BITS]


def test_a_workload_whose_phases_have_no_server_in_common_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if one server had prefill alone and another one decoding alone.
    monkeypatch.setattr(SetupTable, "cache_form", property(lambda table: (table.phase.value, "bf16", "")))
    one_of_each = "one engine, one kv_cache and one generation of accelerators"
    expected = rf"disaggregated \(prefill and decode instances need {one_of_each}\)$"
    with pytest.raises(ieco_opt.InfeasibleError, match=expected):
        ieco_opt.plan(load_fleet_mapping(WITH_GROUPS))
