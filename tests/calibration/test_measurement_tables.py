"""Tables of measurements: what is refused, with the true line, and what is left out row by row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from places import ROOT

import ieco_opt
from ieco_opt.calibration.measurements import NUMBERS, OPTIONAL, OPTIONAL_WORDS, WORDS, read_measurements
from ieco_opt.calibration.validation import ADDED

HEADER = (
    "model,weights,accelerator,engine,gpus_per_instance,prompt_tokens,output_tokens,batch,time_per_output_token_s,"
    "tensor_parallel,disaggregated"
)
GOOD = "Llama-3.1-8B,fp8,H100,vllm,8,1000,100,4,0.006,4,0"


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD.replace("0.006", "fast"), "time_per_output_token_s: found 'fast', expected a number above 0"),
        (GOOD.replace("fp8", ""), "weights: found an empty cell, expected a name"),
        (GOOD.replace("0.006", ""), "time_per_output_token_s: found an empty cell, expected a number above 0"),
        (GOOD.replace(",4,0.006", ",0,0.006"), "batch: found 0, expected a number above 0"),
        (GOOD.replace("6,4,0", "6,0,0"), "tensor_parallel: found 0, expected a number above 0"),
        (GOOD.replace("6,4,0", "6,4,-0.5"), "disaggregated: found -0.5, expected a number from 0 on"),
    ],
)
def test_faults_name_the_line_of_the_file(line: str, message: str, tmp_path: Path) -> None:
    # An empty line is no row, and one cell holds a line break: rows and lines are not the same.
    path = file_of(tmp_path, HEADER, GOOD, "", GOOD.replace("vllm", '"vllm\nnightly"'), line)
    with pytest.raises(ieco_opt.ScenarioError) as caught:
        read_measurements(path)
    (fault,) = caught.value.faults
    assert str(fault) == f"{path}:6: {message}"


@pytest.mark.parametrize("empty", ["   ", ",,,,,,,,,,", '""'])
def test_lines_that_look_empty_are_refused_or_passed_over(empty: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER, GOOD, empty, GOOD, GOOD.replace("0.006", "fast"))
    with pytest.raises(ieco_opt.ScenarioError) as caught:
        read_measurements(path)
    assert {fault.file for fault in caught.value.faults} == {str(path)}
    assert any("found 'fast'" in fault.message for fault in caught.value.faults)
    assert all(fault.line in (3, 5) for fault in caught.value.faults)


def test_a_file_may_be_larger_than_a_scenario(tmp_path: Path) -> None:
    assert len(read_measurements(file_of(tmp_path, HEADER, *[GOOD] * 20_000)).rows) == 20_000


def number(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tensor_parallel": 3}, "tensor_parallel: found 3, expected a divisor of the GPUs of a stage"),
        ({"pipeline_parallel": 16}, "pipeline_parallel: found 16, expected a divisor of gpus_per_instance"),
        ({"attention_data_parallel": 5}, "attention_data_parallel: found 5, expected a divisor of these GPUs"),
        ({"expert_parallel": 64}, "expert_parallel: found 64, expected at most the GPUs of a stage"),
        ({"gpus_per_instance": 2.5}, "gpus_per_instance: found 2.5, expected a whole number"),
        ({"kv_cache": "fp9"}, "kv_cache: found 'fp9', expected one of bf16, fp8 on H100-SXM"),
        ({"kv_cache": "fp8", "accelerator": "A100"}, "kv_cache: found 'fp8', expected one of bf16 on A100-SXM-80GB"),
    ],
)
def test_rows_that_cannot_be_priced_are_left_out_alone(change: dict[str, Any], reason: str) -> None:
    names, cells = HEADER.split(","), GOOD.split(",")
    row: dict[str, Any] = {name: number(cell) for name, cell in zip(names, cells, strict=True)}
    row |= {"pipeline_parallel": 1, "attention_data_parallel": 1, "expert_parallel": 1}
    found = ieco_opt.validate(pd.DataFrame([row, row | change, row])).table
    assert found["left_out"].tolist() == ["", reason, ""]
    assert found["predicted_time_per_output_token_s"].isna().tolist() == [False, True, False]


def test_the_page_names_every_column() -> None:
    page = (ROOT / "docs" / "calibration.md").read_text("utf-8")
    tables = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(\w+)`", tables))
    assert {*WORDS, *NUMBERS, *OPTIONAL, *OPTIONAL_WORDS, *ADDED} <= named
