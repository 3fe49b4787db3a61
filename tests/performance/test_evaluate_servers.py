"""Tables of setups on servers: the fastest one that starts a row, all that do, and how experts are reached."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import ieco_opt
from ieco_opt import ScenarioError

Row = dict[str, Any]

DENSE: Row = {
    "model": "Llama-3.1-8B",
    "accelerator": "H100-SXM",
    "weights": "fp8",
    "tensor_layout": "1d",
    "gpus": 2,
    "pipeline_parallel": 1,
    "attention_data_parallel": 1,
    "batch": 16,
    "context_tokens": 1000,
    "tokens_per_pass": 1,
}
# Two groups of two ranks, and an expert whole on a rank.
EXPERTS: Row = DENSE | {
    "model": "DeepSeek-V2-Lite",
    "weights": "bf16",
    "gpus": 4,
    "attention_data_parallel": 2,
    "expert_parallel": 4,
}


def evaluated(*rows: Row) -> pd.DataFrame:
    table = pd.DataFrame([{"engine": "any"} | row for row in rows])
    # Without the factors of servers that are alone, which a profile would have.
    return ieco_opt.evaluate(table, profile="paper-constants", file="points.csv")


def told(*rows: Row) -> list[tuple[str, str, str, bool]]:
    found = evaluated(*rows)
    columns = ("engine", "engines", "exchange", "feasible")
    return list(zip(*(found[name].tolist() for name in columns), strict=True))


def test_servers_that_run_a_row_alike_are_all_told_and_the_first_is_named() -> None:
    assert told(DENSE) == [("vllm", "sglang,trtllm,vllm", "", True)]
    default = ieco_opt.evaluate(pd.DataFrame([DENSE]), profile="paper-constants")
    pd.testing.assert_frame_equal(default, evaluated(DENSE), check_like=True)
    assert told(DENSE | {"engine": "vllm"}) == [("vllm", "vllm", "", True)]
    assert told(DENSE | {"engine": "none"}) == [("none", "", "", True)]
    found = evaluated(DENSE, *(DENSE | {"engine": each} for each in ("vllm", "none")))
    assert found["latency_s"][0] == found["latency_s"][1] == found["latency_s"][2]


def test_the_fastest_server_that_starts_a_row_is_named() -> None:
    each = evaluated(*(EXPERTS | {"engine": name} for name in ("sglang", "vllm", "trtllm")))
    # TensorRT-LLM has one group, or one a rank.
    assert each["feasible"].tolist() == [True, True, False]
    assert each["latency_s"][0] != each["latency_s"][1]
    best = each.loc[each["latency_s"][:2].idxmin()]
    (found,) = evaluated(EXPERTS).to_dict("records")
    assert (found["engine"], found["engines"]) == (best["engine"], "sglang,vllm")
    for name in ("latency_s", "memory_s", "reserve_gb", "weights_gb", "exchange"):
        assert found[name] == best[name], name
    # A faster one whose memory is full does not count: one group's cache, where SGLang or vLLM has the most room.
    rooms = {row["engine"]: int(row["cache_tokens"] // 1000) // 2 * 2 for row in each[:2].to_dict("records")}
    (less, least), (more, most) = sorted(rooms.items(), key=lambda item: item[1])
    assert least < most
    full = told(EXPERTS | {"batch": most}, EXPERTS | {"batch": most, "engine": less}, EXPERTS | {"batch": most + 2})
    assert full[0][:2] == (more, more)
    assert [row[3] for row in full] == [True, False, False]
    # Where it fits nowhere, the first server that accepts it is shown.
    assert full[2][:2] == ("vllm", "")


def test_an_empty_exchange_is_what_the_server_usually_does() -> None:
    one_group = EXPERTS | {"attention_data_parallel": 1}
    assert [row[2] for row in told(EXPERTS, one_group, EXPERTS | {"engine": "none"})] == [
        "all_gather",
        "none",
        "all_to_all",
    ]
    asked = evaluated(*(EXPERTS | {"engine": "vllm", "exchange": each} for each in (None, "all_gather", "all_to_all")))
    assert asked["exchange"].tolist() == ["all_gather", "all_gather", "all_to_all"]
    assert asked["feasible"].tolist() == [True] * 3
    assert asked["latency_s"][0] == asked["latency_s"][1] != asked["latency_s"][2]


@pytest.mark.parametrize(
    ("changes", "engines"),
    [
        ({"exchange": "all_to_all"}, "sglang,vllm"),
        # Tokens stay where they are only with one group.
        ({"exchange": "none"}, ""),
        ({"exchange": "none", "attention_data_parallel": 1}, "sglang,trtllm,vllm"),
        ({"exchange": "all_gather", "attention_data_parallel": 1}, ""),
        # With one group of whole experts only SGLang sends tokens to them.
        ({"exchange": "all_to_all", "attention_data_parallel": 1}, "sglang"),
        # Experts of two ranks each: vLLM has them on one rank or split over all, SGLang gathers.
        ({"exchange": "all_gather", "expert_parallel": 2}, "sglang"),
        ({"exchange": "all_to_all", "expert_parallel": 2}, ""),
        # One a rank.
        ({"exchange": "all_to_all", "expert_parallel": 8, "attention_data_parallel": 16, "gpus": 16}, "trtllm"),
        # It sends a token to its six experts from no fewer ranks.
        ({"exchange": "all_to_all", "expert_parallel": 4, "attention_data_parallel": 8, "gpus": 8}, ""),
    ],
    ids=str,
)
def test_an_exchange_is_had_by_some_servers(changes: Row, engines: str) -> None:
    ((engine, found, exchange, feasible),) = told(EXPERTS | changes)
    assert (found, feasible) == (engines, bool(engines))
    assert engine in (engines.split(",") if engines else ["none"])
    # Where nobody does, the row is priced by the equations alone.
    assert exchange == (changes["exchange"] if engines else "all_to_all")


@pytest.mark.parametrize(
    ("base", "changes", "engine"),
    [
        (DENSE, {"attention_data_parallel": 2}, "vllm"),
        (DENSE, {"tensor_layout": "2d"}, "any"),
        # Experts are on one rank or on all of a stage.
        (EXPERTS, {"attention_data_parallel": 2, "expert_parallel": 2}, "vllm"),
        (EXPERTS, {"redundant_experts": 64, "expert_parallel": 1}, "sglang"),
        (EXPERTS, {"weights": "int8", "attention_data_parallel": 1}, "trtllm"),
    ],
)
def test_what_a_server_does_not_start_is_priced_by_the_equations_alone(base: Row, changes: Row, engine: str) -> None:
    row = base | changes
    (refused, alone) = evaluated(row | {"engine": engine}, row | {"engine": "none"}).to_dict("records")
    assert (refused["engine"], refused["engines"], refused["feasible"]) == ("none", "", False)
    assert alone["feasible"]
    assert refused["latency_s"] == alone["latency_s"]


def test_batches_are_whole_groups_on_every_server() -> None:
    rows = [EXPERTS | {"batch": batch, "engine": each} for batch in (16, 17) for each in ("any", "vllm", "none")]
    assert evaluated(*rows)["feasible"].tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("accelerator", "engine", "message"),
    [
        (
            "TPU-v5e",
            "any",
            "found 'TPU-v5e', an accelerator of google, expected one of amd or nvidia for vLLM or SGLang or "
            "TensorRT-LLM; engine: none prices the equations alone",
        ),
        (
            "MI300X",
            "trtllm",
            "found 'MI300X', an accelerator of amd, expected one of nvidia for TensorRT-LLM; "
            "engine: none prices the equations alone",
        ),
    ],
)
def test_an_accelerator_that_no_server_runs_on_is_refused(accelerator: str, engine: str, message: str) -> None:
    row = DENSE | {"accelerator": accelerator, "weights": "bf16", "gpus": 4}
    with pytest.raises(ScenarioError) as refused:
        evaluated(DENSE, row | {"engine": engine})
    assert [(fault.file, fault.line, fault.field, fault.message) for fault in refused.value.faults] == [
        ("points.csv", 3, "accelerator", message)
    ]
    assert evaluated(row | {"engine": "none"})["feasible"].tolist() == [True]


def test_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"found 'ring', expected one of none, all_gather, all_to_all"):
        evaluated(EXPERTS | {"exchange": "ring"})


def test_a_row_of_the_equations_alone_has_no_engine() -> None:
    # So stand rows in files of results: their column is empty.
    for base in (DENSE, EXPERTS):
        pd.testing.assert_frame_equal(evaluated(base | {"engine": None}), evaluated(base | {"engine": "none"}))
