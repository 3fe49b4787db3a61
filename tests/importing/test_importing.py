"""Figures of other tools: read as they are meant, refused by file, line and column, and planned over."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from places import DATA, ROOT

import ieco_opt
from ieco_opt.cli.main import main
from ieco_opt.importing import pool_of, read_aic, read_table
from ieco_opt.importing.aiconfigurator import DECODE_SHARE, PREFILL_SHARE
from ieco_opt.scenario import load_fleet_mapping

AIC = DATA / "aiconfigurator"
RECOMMENDED = 12.844
"""Requests/s that its own figures allow on 32 H200 with TTFT 2 s and TPOT 30 ms; see the arithmetic below."""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A copy of what AIConfigurator saved, to be changed."""
    return Path(shutil.copytree(AIC, tmp_path / "saved"))


def change(path: Path, column: str, text: str, row: int = 0) -> None:
    """Write another cell."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    rows[row][header.index(column)] = text
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


def refused(*words: object) -> str:
    with pytest.raises(ieco_opt.ScenarioError) as error:
        read_aic([Path(str(word)) for word in words])
    return str(error.value)


def test_rows_become_operating_points() -> None:
    figures = read_aic([AIC])
    assert (figures.model, figures.isl, figures.osl) == ("meta-llama/Meta-Llama-3.1-70B", 4000, 1000)
    assert (figures.backends, figures.ttft_s, figures.tpot_ms, figures.notes) == (("trtllm",), 2.0, 30.0, ())
    points = {point.kind: point for point in figures.points}
    assert len(points) == len(figures.points) == 72
    colocated, prefill, decode = points["TP4 b48 trtllm"], points["(p)TP1 b1"], points["(d)TP8 b208"]
    assert (colocated.phase, colocated.gpus, colocated.throughput_requests_per_s) == ("colocated", 4, 1.551)
    assert (colocated.speed_tokens_per_s, colocated.time_to_first_token_s) == (33.913, pytest.approx(1.58468))
    assert (prefill.phase, prefill.gpus, prefill.time_to_first_token_s) == ("prefill", 1, pytest.approx(1.578348))
    assert prefill.throughput_requests_per_s == pytest.approx(1.14 * PREFILL_SHARE)
    assert (decode.phase, decode.gpus, decode.speed_tokens_per_s) == ("decode", 8, 33.523)
    assert decode.throughput_requests_per_s == pytest.approx(6.98 * DECODE_SHARE)
    assert {point.accelerator for point in figures.points} == {"H200-SXM"}
    # Of a row that differs only in the tokens of a chunk both are kept.
    assert {"TP4 b56 trtllm", "TP4 b56 trtllm #2"} <= points.keys()


def test_what_it_recommends_is_counted_in_whole_replicas() -> None:
    figures = read_aic([AIC])
    assert figures.recommended_rate(32, "H200-SXM", 2.0, 30.0) == pytest.approx(RECOMMENDED)
    # Of 31 GPUs, three replicas of 8 serve more than one of 16, and seven aggregated ones of 4 more than these.
    assert figures.recommended_rate(31, "H200-SXM", 2.0, 30.0) == pytest.approx(7 * 1.551)
    assert figures.recommended_rate(1, "H200-SXM") is None
    assert figures.recommended_rate(32, "H100-SXM") is None
    assert figures.recommended_rate(32, "H200-SXM", 0.1) is None


def test_its_own_figures_allow_seven_percent_more_than_it_recommends(tmp_path: Path) -> None:
    # 14 prefill workers TP1 give 14 x 1.14 x 0.9 = 14.36; two decode workers TP8 and one TP2 on the 18 other GPUs give
    # (2 x 6.98 + 1.01) x 0.92 = 13.77. 15 and 17 GPUs, or 13 and 19, give less.
    assert call("import", "aic", AIC, "--gpus", "32xH200", "--out", tmp_path / "aic.yaml", "--quiet") == 0
    result = ieco_opt.plan(ieco_opt.load_scenario(tmp_path / "aic.yaml"))
    instances = {row.instance_type: (row.instances, row.gpus) for row in result[0].instances}
    assert instances == {"(p)TP1 b1": (14, 1), "(d)TP8 b208": (2, 8), "(d)TP2 b30": (1, 2)}
    assert result[0].status == "optimal"
    assert result[0].workloads[0].capacity_requests_per_s == pytest.approx((2 * 6.98 + 1.01) * DECODE_SHARE)
    assert result[0].demand_factor == pytest.approx((2 * 6.98 + 1.01) * DECODE_SHARE)
    assert result[0].demand_factor / RECOMMENDED > 1.07


def test_the_scenario_is_the_same_printed_and_saved(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("import", "aic", AIC, "--gpus", "32xH200@2.5")
    assert call(*words) == 0
    printed, said = capfd.readouterr()
    assert said == f"note: of these GPUs AIConfigurator recommends a use that serves {RECOMMENDED:.6g} requests/s\n"
    assert call(*words, "--out", tmp_path / "aic.yaml") == 0
    out, said = capfd.readouterr()
    assert out == ""
    assert f"recommends a use that serves {RECOMMENDED:.6g} requests/s" in said
    assert f"plan over them: ieco-opt fleet {tmp_path / 'aic.yaml'}" in said
    saved = ieco_opt.load_scenario(tmp_path / "aic.yaml")
    shown = load_fleet_mapping(yaml.safe_load(printed))
    assert isinstance(saved, ieco_opt.Fleet)
    assert saved == shown
    (workload,) = saved.workloads
    # As many as possible are served, and what is recommended is said.
    assert (workload.requests_per_s, saved.objective) == (None, "throughput")
    assert (workload.prompt_tokens, workload.output_tokens) == (4000, 1000)
    assert (workload.min_speed, workload.max_time_to_first_token_s) == (pytest.approx(1000 / 30), 2.0)
    assert (saved.pools[0].gpus, saved.pools[0].usd_per_gpu_hour) == (32, 2.5)


def test_limits_and_demand_of_ones_own(tmp_path: Path) -> None:
    words = ("--ttft", "1500ms", "--tpot", "0.04s", "--rate", "3", "--name", "mine", "--gpus", "8xH200")
    assert call("import", "aic", AIC, *words, "--out", tmp_path / "a.yaml", "--quiet") == 0
    fleet = ieco_opt.load_scenario(tmp_path / "a.yaml")
    assert isinstance(fleet, ieco_opt.Fleet)
    (workload,) = fleet.workloads
    assert (workload.name, workload.min_speed, workload.max_time_to_first_token_s) == ("mine", 25.0, 1.5)


def test_a_pipe_plans(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "ieco_opt"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = ["import", "aic", str(AIC), "--gpus", "32xH200"]
    written = subprocess.run([*program, *words], env=environment, capture_output=True, check=True)
    planned = subprocess.run(
        [*program, "fleet", "-", "--format", "csv"],
        input=written.stdout,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert b"(p)TP1 b1" in planned.stdout


def test_points_alone_need_no_gpus(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("import", "aic", AIC / "agg", "--out", tmp_path / "points.csv") == 0
    assert f"wrote {tmp_path / 'points.csv'}: 57 operating points of meta-llama" in capfd.readouterr().err
    assert (tmp_path / "points.csv").read_text().splitlines()[0] == (
        "accelerator,gpus,throughput_requests_per_s,speed_tokens_per_s,time_to_first_token_s,phase,kind"
    )
    assert call("import", "aic", AIC, "--out", tmp_path / "points.yaml") == 2
    assert "--gpus is missing" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("file", "column", "text", "expected"),
    [
        ("agg/pareto.csv", "seq/s", "many", ":2: seq/s: found 'many', expected a number of at least 0"),
        ("agg/pareto.csv", "tp", "1.5", ":2: tp: found '1.5', expected a whole number from 1 on"),
        ("agg/pareto.csv", "ttft", "", ":2: ttft: found nothing, expected a value"),
        ("agg/pareto.csv", "tokens/s/user", "0", ":2: tokens/s/user: found '0', expected a number above 0"),
        ("agg/pareto.csv", "system", "h999_sxm", ":2: system: found 'h999_sxm', expected the name of an accelerator"),
        ("agg/pareto.csv", "isl", "8000", ":2: isl: found '8000' beside '4000'"),
        ("agg/pareto.csv", "model", "other", ":2: model: found 'other' beside 'meta-llama/Meta-Llama-3.1-70B'"),
        (
            "disagg/pareto.csv",
            "num_total_gpus",
            "9",
            ":2: num_total_gpus: found 9, expected 8, the GPUs of all workers",
        ),
        ("disagg/pareto.csv", "(p)backend", "vllm", "--backend: found rows of trtllm, vllm, expected one server"),
    ],
)
def test_faults_name_file_line_and_column(saved: Path, file: str, column: str, text: str, expected: str) -> None:
    change(saved / file, column, text)
    assert expected in refused(saved)


def test_other_files_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "found neither best_config_topn.csv nor pareto.csv in it" in refused(empty)
    assert "found no such file or folder" in refused(tmp_path / "nowhere")
    (empty / "pareto.csv").write_text("a,b\n1,2\n")
    assert "pareto.csv:1: model: found no such column among a, b" in refused(empty)


def test_another_version_with_other_shares_is_noted(saved: Path) -> None:
    change(saved / "disagg" / "pareto.csv", "seq/s", "9.5", row=0)
    (note,) = read_aic([saved]).notes
    assert note.startswith(
        "seq/s of 1 row is not what their workers give with the shares 0.9 and 0.92 of AIConfigurator"
    )


def test_rows_with_workers_for_images_are_left_out(saved: Path) -> None:
    whole = len(read_aic([saved]).points)
    change(saved / "disagg" / "pareto.csv", "(e)workers", "2", row=5)
    figures = read_aic([saved])
    assert figures.notes == ("1 row with workers for images, which no plan counts, left out",)
    assert len(figures.points) < whole


def test_one_server_of_several_is_chosen(saved: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(saved / "disagg", tmp_path / "other"))
    for name in ("pareto.csv", "best_config_topn.csv"):
        text = (other / name).read_text().replace(",trtllm,", ",vllm,")
        (other / name).write_text(text)
    assert "--backend: found rows of trtllm, vllm" in refused(saved, other)
    assert read_aic([saved, other], "vllm").backends == ("vllm",)
    with pytest.raises(ieco_opt.ScenarioError, match="found no rows of sglang"):
        read_aic([saved], "sglang")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--gpus", "H200"), "--gpus: found 'H200', expected a count and an accelerator, such as 32xH200"),
        (("--gpus", "4xH300"), "--gpus: found 'H300', expected the name of an accelerator"),
        (("--gpus", "32xH200", "--rate", "3/week"), "--rate: found '3/week', expected requests, such as 10"),
        (("--gpus", "32xH200", "--tpot", "fast"), "--tpot: found 'fast', expected a time above 0, such as 30ms"),
        (("--gpus", "32xH200", "--out", "a.txt"), "expected one of .csv, .yaml, .yml"),
    ],
)
def test_wrong_options_are_refused(words: tuple[str, ...], expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("import", "aic", AIC, *words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert expected in err


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("32xH200", {"name": "h200", "accelerator": "H200-SXM", "gpus": 32}),
        ("8 x MI300X @ 1.4", {"name": "mi300x", "accelerator": "MI300X", "gpus": 8, "usd_per_gpu_hour": 1.4}),
    ],
)
def test_pools_are_read_from_their_short_form(text: str, pool: dict[str, object]) -> None:
    assert pool_of(text) == pool


RUNS = """\
hw,framework,precision,isl,osl,tp,conc,tput_per_gpu,output_tput_per_gpu,median_tpot,median_ttft
h200,sglang,fp8,1024,1024,4,32,900.5,450.25,0.02,0.5
h200,sglang,fp8,1024,1024,8,64,700,350,0.0125,0.25
h200,sglang,bf16,8192,1024,8,64,600,300,0.025,1.5
"""
MAPPED = {
    "hw": "accelerator",
    "tp": "gpus",
    "output_tput_per_gpu": "throughput_tokens_per_s_per_gpu",
    "median_tpot": "tpot_s",
    "median_ttft": "ttft_s",
    "isl": "isl",
    "osl": "osl",
}


def test_a_table_of_benchmarks_is_read_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(RUNS)
    figures = read_table(path, MAPPED, where={"precision": "fp8"})
    assert (figures.isl, figures.osl) == (1024, 1024)
    first, second = figures.points
    assert (first.accelerator, first.gpus, first.kind) == ("H200-SXM", 4, "4 GPUs, line 2")
    assert (first.throughput_tokens_per_s, first.speed_tokens_per_s) == (1801.0, 50.0)
    assert (second.speed_tokens_per_s, second.time_to_first_token_s) == (80.0, 0.25)
    in_ms = read_table(
        path, {"conc": "gpus", "tput_per_gpu": "throughput", "median_tpot": "tpot_ms"}, {"accelerator": "H100"}
    )
    assert in_ms.points[0].speed_tokens_per_s == 50_000.0
    assert {point.accelerator for point in in_ms.points} == {"H100-SXM"}


@pytest.mark.parametrize(
    ("columns", "constants", "where", "expected"),
    [
        ({"hww": "accelerator"}, {}, {}, "found no column 'hww', expected perhaps hw"),
        ({"hw": "card"}, {}, {}, "--map hw: found 'card', expected one of accelerator"),
        (MAPPED | {"conc": "tpot_ms"}, {}, {}, "--map: found tpot_s and tpot_ms, expected one of them"),
        (MAPPED | {"conc": "gpus"}, {}, {}, "--map: found gpus twice, expected it once"),
        ({"hw": "accelerator"}, {}, {}, "--map: found nothing for gpus, expected a column or --with"),
        (MAPPED, {}, {}, ":4: isl: found 1024, 8192 in the rows, expected one size"),
        (MAPPED, {}, {"precision": "fp4"}, "found no rows with precision=fp4"),
        (
            MAPPED | {"framework": "throughput_requests_per_s"},
            {},
            {},
            "found throughput_tokens_per_s_per_gpu and throughput_",
        ),
        ({name: MAPPED[name] for name in MAPPED if name != "isl"}, {"phase": "both"}, {}, ":2: phase: found 'both'"),
    ],
)
def test_wrong_mappings_are_refused(
    columns: dict[str, str], constants: dict[str, str], where: dict[str, str], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(RUNS)
    with pytest.raises(ieco_opt.ScenarioError) as error:
        read_table(path, columns, constants, where)
    assert expected in str(error.value)


def test_a_table_becomes_a_fleet_that_plans(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs.csv").write_text(RUNS)
    maps = [word for column, name in MAPPED.items() for word in ("--map", f"{column}={name}")]
    words = ["import", "csv", tmp_path / "runs.csv", *maps, "--where", "precision=fp8", "--gpus", "16xH200"]
    assert call(*words, "--out", tmp_path / "most.yaml") == 0
    assert ieco_opt.load_scenario(tmp_path / "most.yaml").objective == "throughput"  # type: ignore[union-attr]
    capfd.readouterr()
    assert call(*words, "--rate", "3", "--tpot", "20ms", "--out", tmp_path / "fleet.yaml") == 0
    result = ieco_opt.plan(ieco_opt.load_scenario(tmp_path / "fleet.yaml"))
    # 450.25 x 4 / 1024 = 1.76 requests/s an instance: two serve three, at the TPOT of 20 ms that is asked.
    assert [(row.instances, row.gpus) for row in result[0].instances] == [(2, 4)]
    assert call("import", "csv", tmp_path / "runs.csv", "--map", "hw") == 2
    assert "--map: found 'hw', expected NAME=VALUE" in capfd.readouterr().err
