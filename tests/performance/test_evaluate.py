"""Tables of setups and of closed forms: against the oracle and the frontier, and cells that are refused by line."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle import Setup, deployable, evaluate, paper, servers
from oracle.precision import Precision as OraclePrecision
from oracle.references import ACCELERATORS, MODELS
from oracle.reserve import Reserve

import ieco_opt
from ieco_opt import ScenarioError, catalog
from ieco_opt.catalog.types import Model
from ieco_opt.performance.architecture import architecture
from ieco_opt.performance.network import NETWORK_PARTS

Row = dict[str, Any]

CLOSED_FORMS = {"section_2_2": paper.section_2_2_s, "section_3_5": paper.section_3_5_s}
CLOSED_FORM: Row = {
    "equation": "section_2_2",
    "model": "Llama 3 70B",
    "accelerator": "H100",
    "gpus": 8,
    "batch": 4,
    "context_tokens": 1000,
}
SETUP: Row = {
    "model": "Llama-3.1-8B",
    "accelerator": "H100-SXM",
    "weights": "bf16",
    "tensor_layout": "1d",
    "gpus": 4,
    "pipeline_parallel": 2,
    "attention_data_parallel": 1,
    "batch": 16,
    "context_tokens": 1000,
    "tokens_per_pass": 1,
}


OPTIONAL = SETUP | {"kv_cache": "bf16", "engine": "any", "memory_reserve_gb": 1.0, "redundant_experts": 0}


def evaluated(*rows: Row, fidelity: str = "deployable") -> pd.DataFrame:
    """Rows by the equations, with the published constants."""
    takes_none = fidelity == "paper" or any("equation" in row for row in rows)
    profile = None if takes_none else "paper-constants"
    return ieco_opt.evaluate(pd.DataFrame(list(rows)), fidelity, profile=profile, file="points.csv")


def faults(*rows: Row, fidelity: str = "deployable") -> list[tuple[str | None, int | None, str, str]]:
    with pytest.raises(ScenarioError) as refused:
        evaluated(*rows, fidelity=fidelity)
    return [(fault.file, fault.line, fault.field, fault.message) for fault in refused.value.faults]


@pytest.mark.parametrize("equation", CLOSED_FORMS)
def test_closed_forms_are_the_oracles(equation: str) -> None:
    rows = [
        {
            "equation": equation,
            "model": model,
            "accelerator": accelerator,
            "gpus": gpus,
            "batch": batch,
            "context_tokens": 2000,
        }
        for model in MODELS
        for accelerator in ACCELERATORS
        for gpus in (1, 8, 64, 512)
        for batch in (1, 100)
    ]
    found = evaluated(*rows)["latency_s"].tolist()
    expected = [
        CLOSED_FORMS[equation](
            MODELS[row["model"]], ACCELERATORS[row["accelerator"]], row["gpus"], row["batch"], row["context_tokens"]
        )
        for row in rows
    ]
    assert found == pytest.approx(expected, rel=1e-11)
    assert 0 < sum(map(math.isinf, expected)) < len(expected) / 2


def test_a_deployment_has_the_latency_that_the_frontier_states() -> None:
    scenario = ieco_opt.Scenario(
        model="Mixtral-8x7B",
        weights=["fp8", "bf16"],
        accelerators=["H100-SXM", "MI300X"],
        workload={"context_tokens": 4000, "output_tokens": 500},
        engine="vllm",
        design_space={"pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 300}},
    )
    table = ieco_opt.frontier(scenario, delta=0.2).to_dataframe()
    parts = ["latency_s", "kernel_s", "network_s", "memory_s", "arithmetic_s"]
    setups = table.drop(columns=parts).assign(
        model="Mixtral-8x7B", context_tokens=4000, output_tokens=500, tokens_per_pass=1
    )
    found = ieco_opt.evaluate(setups)
    assert found["feasible"].all()
    found["network_s"] = found[list(NETWORK_PARTS)].sum(axis=1)
    np.testing.assert_allclose(found[parts], table[parts], rtol=1e-9)
    trusted = ["profile", "in_range", "expected_error"]
    assert found[trusted].to_numpy().tolist() == table[trusted].to_numpy().tolist()
    assert set(found["profile"]) <= {"hopper-2026-07", "cdna3-2026-07"}


def test_a_profile_may_be_chosen_and_one_server_takes_its_own_launches() -> None:
    row = SETUP | {"weights": "fp8", "pipeline_parallel": 1}
    table = pd.DataFrame([row | {"engine": each} for each in ("any", "none", "vllm")])
    hopper = catalog.profiles.calibration("hopper-2026-07")
    auto, named, published = (
        ieco_opt.evaluate(table, profile=each) for each in (None, "hopper-2026-07", "paper-constants")
    )
    pd.testing.assert_frame_equal(auto, named)
    assert set(published["profile"]) == {"paper-constants"}
    assert len(set(published["kernel_s"])) == 1
    plain, alone, own = (auto["kernel_s"] - hopper.step_s).tolist()
    assert plain == alone
    assert own == pytest.approx(plain * hopper.engines["vllm"], rel=1e-12)


@pytest.mark.parametrize("row", [CLOSED_FORM, SETUP], ids=["closed form", "paper"])
def test_fidelity_paper_takes_no_profile(row: Row) -> None:
    with pytest.raises(ScenarioError, match="profile: found 'auto', expected nothing in fidelity paper"):
        ieco_opt.evaluate(pd.DataFrame([row]), "paper", profile="auto")


def test_a_row_that_verifies_tokens_of_a_draft_is_out_of_range() -> None:
    row = SETUP | {"model": "Llama-3.1-70B", "weights": "fp8", "gpus": 8, "pipeline_parallel": 1, "output_tokens": 1000}
    found = ieco_opt.evaluate(pd.DataFrame([row, row | {"tokens_per_pass": 2}]))
    assert found["in_range"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"batch": 1.5}, "batches are whole"),
        ({"gpus": 6, "pipeline_parallel": 2}, "8 KV heads do not spread over 3 ranks"),
        ({"gpus": 1, "pipeline_parallel": 1, "batch": 1000}, "1000 x 0.13 GB of cache"),
        ({"gpus": 1, "pipeline_parallel": 1, "batch": 400, "output_tokens": 2000}, "the cache grows with the output"),
        ({"gpus": 1, "pipeline_parallel": 1, "memory_utilization": 0.1}, "16 GB of weights in 8 GB"),
        ({"batch": 1}, "fewer sequences than stages"),
    ],
)
def test_what_no_server_would_run_is_priced_but_not_feasible(changes: Row, why: str) -> None:
    found = evaluated(*(SETUP | {"output_tokens": 0, "memory_utilization": 0.9} | each for each in ({}, changes)))
    assert found["feasible"].tolist() == [True, False], why
    assert np.isfinite(found["latency_s"]).all()


EXPERTS = SETUP | {"model": "Mixtral-8x7B", "weights": "fp8", "pipeline_parallel": 1, "expert_parallel": 1, "gpus": 8}


@pytest.mark.parametrize(
    ("feasible", "not_feasible", "rule"),
    [
        ({"expert_parallel": 8}, {"expert_parallel": 3}, "8 experts do not spread over 3"),
        ({"expert_parallel": 8}, {"expert_parallel": 16, "gpus": 16}, "8 experts do not spread over 16"),
        ({"expert_parallel": 4}, {"expert_parallel": 8, "gpus": 4}, "4 ranks hold no 8 expert ranks"),
        (
            {"gpus": 32, "pipeline_parallel": 32, "batch": 64},
            {"gpus": 33, "pipeline_parallel": 33, "batch": 66},
            "32 layers",
        ),
        ({"gpus": 8, "pipeline_parallel": 8, "batch": 8}, {"gpus": 8, "pipeline_parallel": 8, "batch": 7}, "stages"),
        ({"gpus": 8, "pipeline_parallel": 8}, {"gpus": 8, "pipeline_parallel": 8, "batch": 60}, "whole micro-batches"),
        (
            {"gpus": 8, "attention_data_parallel": 8},
            {"gpus": 8, "attention_data_parallel": 3, "batch": 66},
            "8 ranks in 3 groups",
        ),
        (
            {"gpus": 16, "attention_data_parallel": 4, "pipeline_parallel": 2, "batch": 24},
            {"gpus": 16, "attention_data_parallel": 4, "pipeline_parallel": 2, "batch": 20},
            "as many sequences in 4 groups and 2 micro-batches",
        ),
        ({"gpus": 32}, {"gpus": 24}, "32 heads do not spread over 24 ranks"),
        ({"gpus": 64, "attention_data_parallel": 2}, {"gpus": 64}, "32 heads do not spread over 64 ranks"),
    ],
)
def test_rows_at_the_edge_of_what_divides(feasible: Row, not_feasible: Row, rule: str) -> None:
    roomy = EXPERTS | {"batch": 64, "output_tokens": 0, "memory_utilization": 1.0, "engine": "none"}
    assert evaluated(roomy | feasible, roomy | not_feasible)["feasible"].tolist() == [True, False], rule


@pytest.mark.parametrize("engine", ["none", "any", "vllm", "sglang", "trtllm"])
def test_less_than_a_rank_is_no_configuration_and_no_fault_of_a_server(engine: str) -> None:
    stages, groups = {"pipeline_parallel": 16}, {"attention_data_parallel": 16}
    rows = [SETUP | {"gpus": 8, "pipeline_parallel": 1, "engine": engine} | each for each in ({}, stages, groups)]
    assert evaluated(*rows)["feasible"].tolist() == [True, False, False]


EXTREMES = {
    "deployable": OPTIONAL | {"output_tokens": 200, "memory_utilization": 0.9, "expert_parallel": 1},
    "paper": {name: value for name, value in SETUP.items() if name != "weights"}
    | {"model": "GPT-4", "accelerator": "H100"},
    "closed forms": CLOSED_FORM,
}


@pytest.mark.parametrize("extreme", [1e308, 5e-324])
@pytest.mark.parametrize("kind", EXTREMES)
def test_no_number_of_a_cell_is_worth_a_warning(kind: str, extreme: float) -> None:
    row, told = EXTREMES[kind], 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in (name for name, value in row.items() if not isinstance(value, str)):
            found = evaluated(row | {name: extreme}, fidelity="paper" if kind == "paper" else "deployable")
            told += len(found)
    assert told >= 3


HELD = (
    *((name, "fp8", "bf16") for name in ("Mixtral-8x7B", "Llama-3.1-8B", "DeepSeek-V2-Lite")),
    # A window, an indexer, states, padded experts and a recipe of its own.
    ("gpt-oss-120b", "mxfp4", "bf16"),
    ("DeepSeek-V3.2", "fp8", "fp8"),
    ("Qwen3-Next-80B-A3B", "nvfp4", "fp8"),
    ("Mixtral-8x7B", "experts=mxfp4,head=fp8,rest=bf16", "fp8"),
)


def run_by_hand(row: Row, used_share: float) -> tuple[Setup, bool]:
    """How the oracle says that a row runs: on the fastest of its servers that starts it, and whether one does.

    A row that fits on none is the first server's that accepts it, and the equations' where none does.
    """
    model, accelerator = catalog.model(row["model"]), catalog.accelerator(row["accelerator"])
    assert isinstance(model, Model)
    stages, engine = row["pipeline_parallel"], row.get("engine", "any")
    setup = Setup(
        row["gpus"] // stages,
        "1d",
        stages,
        row["expert_parallel"],
        row["attention_data_parallel"],
        row["redundant_experts"],
    )
    if engine == "none":
        return setup, held_by_hand(row, setup, used_share)["free_gb"] >= 0.0
    precision = OraclePrecision(row["weights"], row["kv_cache"])
    usual: dict[str, Setup] = {}
    # Of equally fast servers the first is named: those with figures of memory come first.
    for name in ("vllm", "sglang", "trtllm") if engine == "any" else (engine,):
        for each in servers.run_as(model, accelerator, precision, setup, name):
            usual.setdefault(each.engine, each)
    fitting = [each for each in usual.values() if held_by_hand(row, each, used_share)["free_gb"] >= 0.0]
    if fitting:
        return min(fitting, key=lambda each: seconds_by_hand(row, each)), True
    return next(iter(usual.values()), setup), False


def seconds_by_hand(row: Row, setup: Setup) -> float:
    """Seconds of one pass, by the oracle."""
    lengths = {name: row[name] for name in ("batch", "context_tokens", "output_tokens")}
    precision = OraclePrecision(row["weights"], row["kv_cache"])
    model, accelerator = catalog.model(row["model"]), catalog.accelerator(row["accelerator"])
    return float(evaluate(model, accelerator, setup, weights=precision, **lengths).latency_s)


def held_by_hand(row: Row, setup: Setup, used_share: float) -> dict[str, float]:
    """What the oracle says that the most loaded GPU of a row holds, in bytes."""
    model, accelerator = catalog.model(row["model"]), catalog.accelerator(row["accelerator"])
    assert isinstance(model, Model)
    precision = OraclePrecision(row["weights"], row["kv_cache"])
    tokens = row["context_tokens"] + row["output_tokens"]
    weights = deployable.held_weights(model, setup, precision, accelerator)
    cache = float(deployable.held_cache(model, setup, precision, np.array(float(row["batch"])), tokens))
    reserve = Reserve(used_share, row.get("memory_reserve_gb", "auto")).reserve_bytes(model, accelerator, setup)
    left = used_share * accelerator.hbm_bytes - weights - reserve
    room = setup.sigma * left / deployable.logged_bytes_per_token(model, setup, precision)
    return {
        "weights_gb": weights / 1e9,
        "cache_gb": cache / 1e9,
        "reserve_gb": reserve / 1e9,
        "free_gb": (left - cache) / 1e9,
        "cache_tokens": max(0.0, math.floor(room)),
    }


def held_row(model: str, weights: str, kv_cache: str, pipeline: int, groups: int, **others: Any) -> Row:
    row = EXPERTS | {"model": model, "weights": weights, "kv_cache": kv_cache, "gpus": 4 * pipeline, "batch": 36}
    row |= {"pipeline_parallel": pipeline, "attention_data_parallel": groups, "output_tokens": 77}
    return row | {"accelerator": "H200-SXM", "engine": "none", "redundant_experts": 0} | others


@pytest.mark.parametrize("column", ["expert_parallel", "output_tokens", "memory_utilization"])
def test_an_optional_column_left_out_is_the_default_that_is_documented(column: str) -> None:
    # The last batch that fits differs by the share of memory that may be used, and latencies by the tokens of output.
    defaults: Row = {"expert_parallel": 1, "output_tokens": 0, "memory_utilization": 0.9}
    stated = [EXPERTS | defaults | {"gpus": 2, "batch": batch} for batch in (*range(1, 64), *range(64, 1000, 8))]
    given = evaluated(*stated)
    left_out = evaluated(*({name: value for name, value in row.items() if name != column} for row in stated))
    assert 0 < given["feasible"].sum() < len(given)
    pd.testing.assert_frame_equal(left_out[given.columns.drop(column, errors="ignore")], given.drop(columns=column))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("pipeline", [1, 3])
@pytest.mark.parametrize(("model", "weights", "kv_cache"), HELD)
def test_memory_may_be_exactly_full(model: str, weights: str, kv_cache: str, pipeline: int, groups: int) -> None:
    row = held_row(model, weights, kv_cache, pipeline, groups)
    held = held_by_hand(row, run_by_hand(row, 1.0)[0], 1.0)
    full = (held["weights_gb"] + held["cache_gb"]) * 1e9 / catalog.accelerator("H200-SXM").hbm_bytes
    tried = [row | {"memory_utilization": full * share} for share in (1.0 + 1e-12, 1.0 - 1e-12)]
    assert evaluated(*tried)["feasible"].tolist() == [True, False]


@pytest.mark.parametrize(
    "others",
    [
        {"engine": "none"},
        {"engine": "any"},
        {"engine": "vllm"},
        {"engine": "trtllm"},
        {"engine": "sglang"},
        {"engine": "sglang", "memory_reserve_gb": 3.5},
        {"memory_reserve_gb": 0.0},
        {"engine": "any", "memory_reserve_gb": 0.0},
        {"engine": "vllm", "accelerator": "L40S"},
        {"engine": "sglang", "accelerator": "L40S"},
    ],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("model", "weights", "kv_cache"), HELD)
def test_what_a_gpu_holds_is_told_by_part(model: str, weights: str, kv_cache: str, groups: int, others: Row) -> None:
    used_share = 0.95
    row = held_row(model, weights, kv_cache, 2, groups, **others) | {"memory_utilization": used_share}
    assert_held(row, used_share)


@pytest.mark.parametrize(("model", "weights", "kv_cache"), [each for each in HELD if each[0] != "Llama-3.1-8B"])
def test_copies_of_experts_take_memory(model: str, weights: str, kv_cache: str) -> None:
    row = held_row(model, weights, kv_cache, 2, 2, expert_parallel=4)
    without = assert_held(row | {"memory_utilization": 0.95}, 0.95)
    copied = assert_held(row | {"memory_utilization": 0.95, "redundant_experts": 4}, 0.95)
    assert copied["weights_gb"] > without["weights_gb"]
    assert copied["cache_gb"] == without["cache_gb"]


def assert_held(row: Row, used_share: float) -> dict[str, float]:
    """What a GPU holds is what the oracle says, and adds up."""
    run, starts = run_by_hand(row, used_share)
    expected = held_by_hand(row, run, used_share)
    found = evaluated(row)
    assert found["engine"].tolist() == [run.engine]
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, rel=1e-12, abs=1e-9), name
    assert found["latency_s"][0] == pytest.approx(seconds_by_hand(row, run), rel=1e-11)
    assert found["feasible"].tolist() == [starts]
    total = found[["weights_gb", "cache_gb", "reserve_gb", "free_gb"]].sum(axis=1)[0]
    assert total == pytest.approx(used_share * catalog.accelerator(row["accelerator"]).hbm_bytes / 1e9)
    return expected


def test_an_empty_reserve_is_that_of_the_engine() -> None:
    row = held_row("Llama-3.1-8B", "fp8", "bf16", 1, 1, engine="vllm")
    found = evaluated(row | {"memory_reserve_gb": None}, row | {"memory_reserve_gb": 2.0}, row)
    assert found["reserve_gb"].tolist() == [found["reserve_gb"][2], 2.0, found["reserve_gb"][2]]
    # 0.9 GiB, 33 bytes for each of 128,256 words and 1,024 sequences, and 1.3 GiB between GPUs.
    assert found["reserve_gb"][2] == pytest.approx((2.2 * 2**30 + 33 * 128_256 * 1024) / 1e9)


def test_a_token_takes_half_in_a_cache_of_8_bits() -> None:
    rows = [held_row("Llama-3.1-8B", "fp8", kv_cache, 1, 1) for kv_cache in ("bf16", "fp8")]
    found = evaluated(*rows)
    # 32 layers, keys and values of two heads of 128 on each rank; 1,077 tokens of 36 sequences.
    assert found["cache_gb"].tolist() == pytest.approx([32 * 2 * 2 * 128 * each * 1077 * 36 / 1e9 for each in (2, 1)])
    assert found["memory_s"][1] < found["memory_s"][0]
    assert found["latency_s"][1] < found["latency_s"][0]
    assert found["attention_allreduce_s"][0] == found["attention_allreduce_s"][1]


@pytest.mark.parametrize(
    ("experts", "copies", "feasible"),
    [(4, 0, True), (4, 4, True), (4, 1, False), (3, 1, True), (3, 0, False), (4, 0.5, False)],
)
def test_experts_spread_with_their_copies(experts: int, copies: float, feasible: bool) -> None:
    # 8 experts; 12 ranks are 4 of attention in each of 3 groups.
    row = EXPERTS | {"gpus": 12, "attention_data_parallel": 3, "expert_parallel": experts, "batch": 66}
    found = evaluated(row | {"redundant_experts": copies, "engine": "none"})
    assert found["feasible"].tolist() == [feasible]


def test_a_recipe_is_priced_like_the_name_that_stands_for_it() -> None:
    written = "experts=fp8,shared_experts=fp8,feed_forward=fp8,attention=fp8,rest=bf16"
    pairs = [
        ("DeepSeek-V2-Lite", "fp8", written),
        ("Mixtral-8x7B", "mxfp4", "experts=mxfp4,rest=bf16"),
        ("Llama-3.1-8B", "bf16", "rest=bf16"),
    ]
    for model, name, recipe in pairs:
        base = EXPERTS | {"model": model}
        found = evaluated(base | {"weights": name}, base | {"weights": recipe})
        assert found["weights"].tolist() == [name, recipe]
        computed = found.drop(columns=["weights"])
        assert (computed.loc[0] == computed.loc[1]).all()


@pytest.mark.parametrize(("gpus", "stages", "batch", "feasible"), [(4, 4, 4, True), (4, 4, 3, False), (2, 4, 8, False)])
def test_the_papers_stages_are_no_more_than_gpus_and_sequences(
    gpus: int, stages: int, batch: int, feasible: bool
) -> None:
    row = {name: value for name, value in SETUP.items() if name != "weights"}
    row |= {"model": "Llama 3 8B", "accelerator": "H100", "gpus": gpus, "pipeline_parallel": stages, "batch": batch}
    assert evaluated(row, fidelity="paper")["feasible"].tolist() == [feasible]


@pytest.mark.parametrize(("batch", "ranks"), [(7, 1.0), (8, 8.0), (9, 8.0)])
def test_the_papers_experts_spread_where_each_has_two_tokens(batch: int, ranks: float) -> None:
    # 2 of 8 experts are active, so that 8 tokens bring 2 to each.
    row = {name: value for name, value in SETUP.items() if name != "weights"}
    row |= {"model": "Mixtral 8x7B", "accelerator": "H100", "gpus": 16, "pipeline_parallel": 1, "batch": batch}
    assert evaluated(row, fidelity="paper")["expert_parallel"].tolist() == [ranks]


def test_the_papers_memory_may_be_exactly_full() -> None:
    # One micro-batch of 1 sequence: 2 bytes for each weight, and the cache of the context.
    model, accelerator = MODELS["Llama 3 70B"], ACCELERATORS["H100"]
    least = paper.resident_bytes(model, np.array(1.0), 1000) / accelerator.hbm_bytes
    row = {name: value for name, value in SETUP.items() if name != "weights"}
    row |= {"model": "Llama 3 70B", "accelerator": "H100", "pipeline_parallel": 1, "batch": 1}
    tried = [row | {"gpus": float(least) * share} for share in (1.0 + 1e-12, 1.0 - 1e-12)]
    assert evaluated(*tried, fidelity="paper")["feasible"].tolist() == [True, False]


def test_the_input_is_passed_through_and_computed_columns_are_replaced() -> None:
    first, second = (
        SETUP | {"note": "mine", "latency_s": -1.0},
        SETUP | {"note": "yours", "latency_s": -1.0, "batch": 32},
    )
    found = evaluated(first, second)
    assert found["note"].tolist() == ["mine", "yours"]
    assert 0.0 < found["latency_s"][0] < found["latency_s"][1]


@pytest.mark.parametrize(
    ("base", "changes", "field", "expected"),
    [
        (SETUP, {"batch": "many"}, "batch", "found 'many', expected a number above 0"),
        (SETUP, {"gpus": 0}, "gpus", "found 0, expected a number above 0"),
        (SETUP, {"context_tokens": -1}, "context_tokens", "found -1, expected a number from 0 on"),
        (SETUP, {"tokens_per_pass": math.inf}, "tokens_per_pass", "expected a number above 0"),
        (SETUP, {"tensor_layout": "3d"}, "tensor_layout", "found '3d', expected one of 1d, 2d"),
        (SETUP, {"weights": "fp7"}, "weights", "found 'fp7', expected one of"),
        (SETUP, {"weights": "attention=fp8"}, "weights", "found no format of experts, shared_experts, feed_forward, "),
        (SETUP, {"weights": "heads=fp8,rest=bf16"}, "weights", "or formats by part as experts=mxfp4,rest=bf16"),
        (SETUP, {"weights": "rest=fp8,rest=bf16"}, "weights", "found 'rest=fp8,rest=bf16', expected one of"),
        (SETUP, {"model": "gpt-oss-120b", "weights": "fp8"}, "weights", "expected mxfp4 (experts=mxfp4,rest=bf16)"),
        (OPTIONAL, {"kv_cache": "int4"}, "kv_cache", "found 'int4', expected one of bf16, fp8"),
        (
            OPTIONAL,
            {"kv_cache": "fp8", "accelerator": "A100-80GB"},
            "kv_cache",
            "found fp8, which needs 8-bit arithmetic, expected bf16 on A100-",
        ),
        (OPTIONAL, {"engine": "tgi"}, "engine", "found 'tgi', expected one of any, none, vllm, sglang, trtllm"),
        (OPTIONAL, {"memory_reserve_gb": -1.0}, "memory_reserve_gb", "found -1.0, expected a number from 0 on"),
        (OPTIONAL, {"memory_reserve_gb": "much"}, "memory_reserve_gb", "found 'much', expected a number from 0 on"),
        (OPTIONAL, {"redundant_experts": -1}, "redundant_experts", "found -1, expected a number from 0 on"),
        (SETUP, {"model": "Llama-3.1-9B"}, "model", "Llama-3.1-8B"),
        (SETUP, {"accelerator": "H100-SXN"}, "accelerator", "H100-SXM"),
        (CLOSED_FORM, {"equation": "section_9"}, "equation", "expected one of section_2_2, section_3_5"),
        (CLOSED_FORM, {"batch": -1}, "batch", "found -1, expected a number above 0"),
    ],
)
def test_a_wrong_cell_is_named_with_its_line(base: Row, changes: Row, field: str, expected: str) -> None:
    (fault,) = faults(base, base | changes, base)
    assert fault[:3] == ("points.csv", 3, field)
    assert expected in fault[3]


def test_every_unknown_name_is_refused_once() -> None:
    found = faults(SETUP | {"model": "A"}, SETUP | {"model": "B"}, SETUP | {"model": "A"})
    assert [line for _, line, _, _ in found] == [2, 3]


@pytest.mark.parametrize(("base", "fidelity"), [(SETUP, "deployable"), (SETUP, "paper"), (CLOSED_FORM, "deployable")])
def test_missing_columns_are_all_named(base: Row, fidelity: str) -> None:
    found = faults({name: value for name, value in base.items() if name not in ("gpus", "batch")}, fidelity=fidelity)
    assert [(line, field) for _, line, field, _ in found] == [(None, "gpus"), (None, "batch")]


def test_an_unknown_fidelity_is_refused() -> None:
    assert [fault[2:] for fault in faults(SETUP, fidelity="exact")] == [
        ("fidelity", "found 'exact', expected one of deployable, paper")
    ]


def test_a_real_model_has_no_architecture_without_a_precision() -> None:
    with pytest.raises(ValueError, match=r"Llama-3\.1-8B: a precision is needed"):
        architecture(catalog.model("Llama-3.1-8B"), None, catalog.accelerator("H100-SXM"))


PROMPTS: Row = {name: value for name, value in SETUP.items() if name != "context_tokens"} | {
    "prompt_tokens": 9000,
    "output_tokens": 300,
    "prefix_hit": 0.25,
}


@pytest.mark.parametrize("engine", ["none", "vllm", "sglang"])
@pytest.mark.parametrize("model", ["Llama-3.1-8B", "Mixtral-8x7B"])
def test_rows_with_prompts_are_those_of_a_deployment(model: str, engine: str) -> None:
    scenario = ieco_opt.Scenario(
        model=model,
        weights=["bf16"],
        accelerators=["H100-SXM"],
        engine=engine,
        workload={"prompt_tokens": 9000, "output_tokens": 300, "prefix_hit": 0.25},
        design_space={
            "tensor_parallel": [4],
            "attention_data_parallel": [1],
            "pipeline_parallel": [1],
            "expert_parallel": [1],
            "batch": [1, 16],
        },
    )
    deployments = ieco_opt.frontier(scenario, complete=True)
    assert len(deployments) == 2
    for each in deployments:
        asked = {"model": model, "engine": engine, "pipeline_parallel": 1, "batch": each.batch}
        row = ieco_opt.evaluate(pd.DataFrame([PROMPTS | asked])).iloc[0]
        for name in ("latency_s", "time_to_first_token_s", "end_to_end_s", "kernel_s", "memory_s", "arithmetic_s"):
            assert row[name] == pytest.approx(getattr(each, name), rel=1e-9), name
        assert row["feasible"]


def test_context_tokens_price_decoding_alone_whatever_else_a_table_has() -> None:
    alone = evaluated(SETUP | {"output_tokens": 300})
    beside = evaluated(SETUP | PROMPTS)
    assert alone["latency_s"].tolist() == beside["latency_s"].tolist()
    assert "time_to_first_token_s" not in beside


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"prompt_tokens": 0}, "prompt_tokens", "found 0, expected a number above 0"),
        ({"output_tokens": 0}, "output_tokens", "found 0, expected at least 1 with prompt_tokens"),
        ({"prefix_hit": 1}, "prefix_hit", "found 1, expected a number from 0 on and below 1"),
        ({"tokens_per_pass": 2}, "tokens_per_pass", "found 2, expected 1 with prompt_tokens"),
    ],
)
def test_wrong_cells_of_prompts_are_refused(changes: Row, field: str, expected: str) -> None:
    ((_, line, name, message),) = faults(PROMPTS | changes)
    assert (line, name) == (2, field)
    assert expected in message
