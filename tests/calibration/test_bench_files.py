"""Rows from the files of the servers' own benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ieco_opt.calibration.gathering import Gathered, gathered
from ieco_opt.calibration.measurements import NUMBERS, WORDS
from ieco_opt.calibration.setup import Setups, read_setup, setup_of
from ieco_opt.documents.origin import Origin
from ieco_opt.errors import ScenarioError

VLLM: dict[str, Any] = {
    "date": "20260701-120000",
    "endpoint_type": "openai",
    "backend": "openai",
    "model_id": "nvidia/Llama-3.3-70B-Instruct-FP8",
    "request_rate": "inf",
    "max_concurrency": 32,
    "duration": 100.0,
    "completed": 200,
    "failed": 0,
    "total_input_tokens": 200_000,
    "total_output_tokens": 100_000,
    "output_throughput": 1000.0,
    "mean_tpot_ms": 30.0,
}

SGLANG: dict[str, Any] = {
    "tag": None,
    "backend": "sglang-oai",
    "dataset_name": "random",
    "request_rate": float("inf"),
    "max_concurrency": 64,
    "random_range_ratio": 1.0,
    "server_info": {
        "model_path": "deepseek-ai/DeepSeek-R1",
        "tp_size": 8,
        "dp_size": 4,
        "enable_dp_attention": True,
        "ep_size": 8,
        "pp_size": 1,
        "kv_cache_dtype": "fp8_e4m3",
        "speculative_algorithm": None,
        "disaggregation_mode": "null",
    },
    "duration": 50.0,
    "completed": 100,
    "total_input_tokens": 400_000,
    "total_output_tokens": 50_000,
    "output_throughput": 2000.0,
    "mean_tpot_ms": 25.0,
    "accept_length": None,
}

TRTLLM: dict[str, Any] = {
    "engine": {
        "model": "openai/gpt-oss-120b",
        "backend": "Pytorch",
        "dtype": "bfloat16",
        "kv_cache_dtype": "FP8",
        "quantization": None,
    },
    "machine": {"name": "NVIDIA H100 80GB HBM3", "memory.total": 79.6, "clocks.mem": 2.6},
    "world_info": {"tp_size": 4, "pp_size": 2, "ep_size": 4, "world_size": 8, "max_batch_size": 256},
    "request_info": {
        "num_requests": 100,
        "avg_num_concurrent_requests": 40.0,
        "avg_input_length": 1000.0,
        "avg_output_length": 500.0,
    },
    "performance": {"system_output_throughput_tok_s": 3000.0, "request_throughput_req_s": 6.0},
    "streaming_metrics": {"avg_ttft_ms": 80.0, "avg_tpot_ms": 10.0},
    "dataset": {},
}

H200 = {"accelerator": "H200-SXM", "tensor_parallel": 8}


def read(folder: Path, content: object, said: dict[str, object] | None = None, name: str = "run.json") -> Gathered:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return gathered([path], setup_of(said or {}, Origin()))


def row(found: Gathered) -> dict[str, Any]:
    [only] = found.measurements.rows.to_dict("records")
    return {str(name): value for name, value in only.items()}


def test_vllm_says_speed_and_model_and_options_the_rest(tmp_path: Path) -> None:
    found = read(tmp_path, VLLM, H200 | {"attention_data_parallel": 2})
    assert row(found) == {
        "model": "nvidia/Llama-3.3-70B-Instruct-FP8",
        "weights": "fp8",
        "accelerator": "H200-SXM",
        "engine": "vllm",
        "config": "",
        "kv_cache": "",
        "exchange": "",
        "gpus_per_instance": 16.0,
        "tensor_parallel": 8.0,
        "attention_data_parallel": 2.0,
        "expert_parallel": 1.0,
        "pipeline_parallel": 1.0,
        "disaggregated": 0.0,
        "prompt_tokens": 1000.0,
        "output_tokens": 500.0,
        # 1,000 tokens a second, each of which a sequence waits 30 ms for.
        "batch": 30.0,
        "time_per_output_token_s": 0.03,
    }
    assert found.places == (str(tmp_path / "run.json"),)


def test_metadata_of_vllm_counts_and_options_come_first(tmp_path: Path) -> None:
    written = VLLM | {"accelerator": "B200", "tensor_parallel": "4", "engine": "dynamo-vllm"}
    found = row(read(tmp_path, written))
    assert (found["accelerator"], found["tensor_parallel"], found["engine"]) == ("B200", 4.0, "dynamo-vllm")
    found = row(read(tmp_path, written, {"tensor_parallel": 2}))
    assert (found["accelerator"], found["tensor_parallel"], found["gpus_per_instance"]) == ("B200", 2.0, 2.0)


def test_sglang_says_its_degrees_and_counts_groups_in_its_tensor_parallelism(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(each) for each in (SGLANG, SGLANG | {"mean_tpot_ms": 50.0}))
    found = read(tmp_path, lines + "\n", {"accelerator": "B200", "weights": "fp8"}, "run.jsonl")
    table = found.measurements.rows
    assert table["tensor_parallel"].tolist() == [2.0, 2.0]
    assert table["attention_data_parallel"].tolist() == [4.0, 4.0]
    assert table["expert_parallel"].tolist() == [8.0, 8.0]
    assert table["gpus_per_instance"].tolist() == [8.0, 8.0]
    assert table["batch"].tolist() == [50.0, 100.0]
    assert table["engine"].tolist() == ["sglang", "sglang"]
    assert table["kv_cache"].tolist() == ["fp8", "fp8"]
    assert [place.rpartition(":")[2] for place in found.places] == ["1", "2"]


def test_trtllm_says_accelerator_and_degrees(tmp_path: Path) -> None:
    found = row(read(tmp_path, TRTLLM))
    assert (found["accelerator"], found["model"], found["weights"]) == (
        "NVIDIA H100 80GB HBM3",
        "openai/gpt-oss-120b",
        "mxfp4",
    )
    assert (found["tensor_parallel"], found["pipeline_parallel"], found["expert_parallel"]) == (4.0, 2.0, 4.0)
    assert (found["gpus_per_instance"], found["batch"], found["engine"]) == (8.0, 30.0, "trt")
    assert (found["prompt_tokens"], found["output_tokens"], found["kv_cache"]) == (1000.0, 500.0, "fp8")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({**VLLM, "mean_tpot_ms": 0.0}, "found 0.0 in mean_tpot_ms, expected a number above 0"),
        ({**VLLM, "mean_tpot_ms": float("nan")}, "found nan in mean_tpot_ms"),
        ({name: value for name, value in VLLM.items() if name != "mean_tpot_ms"}, "found nothing in mean_tpot_ms"),
        ({**VLLM, "completed": 0}, "found 0 in completed"),
        ({**VLLM, "output_throughput": "many"}, "found 'many' in output_throughput"),
        ({**VLLM, "spec_decode_acceptance_length": 2.4}, "speculative decoding"),
        ({**SGLANG, "accept_length": 2.4}, "speculative decoding"),
        ({**SGLANG, "server_info": {"tp_size": 1, "dp_size": 2}}, "found 2 replicas behind one address"),
        ({**TRTLLM, "decoding_stats": {"mode": "eagle"}}, "speculative decoding"),
        ({**TRTLLM, "streaming_metrics": None}, "expected a run with --streaming"),
    ],
)
def test_runs_without_a_measurement_of_decoding_are_left_out(tmp_path: Path, content: object, reason: str) -> None:
    good = json.dumps(VLLM)
    found = read(tmp_path, f"{good}\n{json.dumps(content)}\n{good}", H200, "runs.jsonl")
    assert len(found.measurements.rows) == 2
    [left] = found.left_out
    assert left.place == f"{tmp_path / 'runs.jsonl'}:2"
    assert reason in left.reason
    with pytest.raises(ScenarioError, match="found no measured rows"):
        read(tmp_path, content, H200)


@pytest.mark.parametrize(
    ("said", "field", "expected"),
    [
        ({"tensor_parallel": 8}, "accelerator", "--accelerator"),
        ({"accelerator": "H200"}, "gpus_per_instance", "--gpus"),
        (H200 | {"gpus_per_instance": 4}, "gpus_per_instance", "found 4, expected 8 (TP 8 x DP 1 x PP 1)"),
        ({"accelerator": "H200", "gpus_per_instance": 6, "pipeline_parallel": 4}, "gpus_per_instance", "expected 4"),
        (H200 | {"model": "meta-llama/Llama-3.1-70B"}, "weights", "--weights"),
    ],
)
def test_a_setup_that_is_said_nowhere_is_an_error(
    tmp_path: Path, said: dict[str, object], field: str, expected: str
) -> None:
    with pytest.raises(ScenarioError) as error:
        read(tmp_path, VLLM, said)
    [fault] = error.value.faults
    assert (fault.file, fault.field) == (str(tmp_path / "run.json"), field)
    assert expected in fault.message


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("{", 1, "no valid JSON"),
        ('{"a": 1}\n{"a" 2}\n', 2, "no valid JSON"),
        ("[]", None, "found an empty list"),
        ("3", None, "found 3"),
        ('{"mean_tpot_ms": 3}', None, "an object without the fields of a benchmark"),
        (json.dumps(VLLM) + "\n{}\n", 2, "an object without the fields of a benchmark"),
    ],
)
def test_files_of_no_benchmark_are_errors(tmp_path: Path, content: str, line: int | None, found: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(tmp_path, content, H200)
    [fault] = error.value.faults
    assert (fault.file, fault.line) == (str(tmp_path / "run.json"), line)
    assert found in fault.message
    assert "expected the JSON of `vllm bench serve --save-result`" in fault.message


def test_wrong_metadata_names_its_field(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        read(tmp_path, VLLM | {"tensor_parallel": "many"}, H200)
    [fault] = error.value.faults
    assert (fault.field, fault.file) == ("tensor_parallel", str(tmp_path / "run.json"))


def test_a_folder_is_read_by_name_and_what_is_no_measurement_in_it_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(VLLM), "utf-8")
    (tmp_path / "a.json").write_text(json.dumps(VLLM | {"mean_tpot_ms": 60.0}), "utf-8")
    (tmp_path / "c.json").write_text("{}", "utf-8")
    (tmp_path / "d.csv").write_text("x,y\n1,2\n", "utf-8")
    (tmp_path / "notes.txt").write_text("no measurement", "utf-8")
    found = gathered([tmp_path], setup_of(H200, Origin()))
    assert found.places == (str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert found.measurements.rows["batch"].tolist() == [60.0, 30.0]
    assert [Path(each.place).name for each in found.left_out] == ["c.json", "d.csv"]
    assert "no column model" in found.left_out[1].reason
    with pytest.raises(ScenarioError, match="accelerator"):
        gathered([tmp_path], Setups())


def test_a_setup_file_says_what_holds_for_all_files_and_for_one(tmp_path: Path) -> None:
    path = tmp_path / "setup.yaml"
    path.write_text("accelerator: H200\ntensor_parallel: 8\nfiles:\n  b.json: {tensor_parallel: 4}\n", "utf-8")
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(VLLM), "utf-8")
    setups = read_setup(path)
    assert gathered([tmp_path], setups).measurements.rows["tensor_parallel"].tolist() == [8.0, 4.0]
    over = setups.under(setup_of({"tensor_parallel": 2}, Origin()))
    assert gathered([tmp_path], over).measurements.rows["tensor_parallel"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("content", "line", "field", "message"),
    [
        ("accelerator: H200\ngpus: 8\n", 2, "gpus", "found an unknown field, expected model, weights"),
        ("tensor_parallel: many\n", 1, "tensor_parallel", "found 'many', expected"),
        ("files:\n  a.json:\n    tensor_parallel: 0\n", 3, "files.'a.json'.tensor_parallel", "found 0, expected"),
        ("- a\n", None, "", "found a list, expected a mapping"),
        ("accelerator: [\n", 2, "", "not valid YAML"),
    ],
)
def test_wrong_setup_files_name_the_field(
    tmp_path: Path, content: str, line: int | None, field: str, message: str
) -> None:
    path = tmp_path / "setup.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(ScenarioError) as error:
        read_setup(path)
    [fault] = error.value.faults
    assert (fault.file, fault.line, fault.field) == (str(path), line, field)
    assert message in fault.message


def test_a_setup_of_a_file_that_is_not_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"setup: found columns of c\.json, expected names of files that are read"):
        read(tmp_path, VLLM, H200 | {"files": {"run.json": {}, "c.json": {}}})


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, message in (("rows.xlsx", "found the ending '.xlsx'"), ("none.csv", "cannot be read")):
        with pytest.raises(ScenarioError, match=message):
            gathered([tmp_path / name], Setups())
    with pytest.raises(ScenarioError, match=r"found no file of \.csv"):
        gathered([tmp_path], Setups())


def test_places_of_rows_are_their_lines_also_after_blank_ones(tmp_path: Path) -> None:
    header = ",".join((*WORDS, *NUMBERS))
    row = "Llama-3.1-8B,fp8,H100,vllm,1,1000,100,4,0.006"
    path = tmp_path / "rows.csv"
    path.write_text(f"{header}\n{row}\n\n\n{row}\n", "utf-8")
    assert gathered([path], Setups()).places == (f"{path}:2", f"{path}:5")
