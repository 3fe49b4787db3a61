"""Servers on the command line: which of them a scenario asks, which card none runs on, and who starts what is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ieco_opt.cli.main import main

Mapping = dict[str, Any]

EXPERTS: Mapping = {
    "version": 2,
    "kind": "deployment",
    "name": "experts",
    "profile": "paper-constants",
    "model": "Mixtral-8x22B",
    "weights": ["int4"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "memory_utilization": 0.85,
    "design_space": {
        "tensor_parallel": [1, 4],
        "attention_data_parallel": [1, 8],
        "stage_ranks": [4, 8],
        "pipeline_parallel": [1],
        "batch": [8],
    },
}
"""Two points, TP1 DP8 and TP4. With eight groups vLLM alone sends tokens to experts in int4; SGLang has one group. At
this share of the memory SGLang has the most room on TP4."""

SHARED: Mapping = EXPERTS | {
    "name": "shared",
    "model": "DeepSeek-V2-Lite",
    "weights": ["bf16"],
    "design_space": {
        "tensor_parallel": [2],
        "attention_data_parallel": [2],
        "pipeline_parallel": [1],
        "expert_parallel": [4],
        "batch": [8],
    },
}
"""Its dense layer and shared experts are on two ranks in vLLM, on four in SGLang, and on each in TensorRT-LLM."""

TPU: Mapping = EXPERTS | {"name": "tpu", "model": "Llama-3.1-8B", "accelerators": ["H100-SXM", "TPU-v6e"]}

FLEET: Mapping = {
    "version": 2,
    "kind": "fleet",
    "name": "tpus",
    "pools": [{"name": "tpu", "accelerator": "TPU-v6e", "gpus": 16, "usd_per_gpu_hour": 2}],
    "workloads": [
        {"name": "chat", "model": "Llama-3.1-8B", "weights": ["bf16"], "requests_per_s": 1, "prompt_tokens": 500}
        | {"output_tokens": 100, "min_speed": 20}
    ],
}


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([*map(str, arguments)])
    return int(exit_.value.code or 0)


def write(folder: Path, scenario: Mapping, **fields: Any) -> Path:
    path = folder / f"{scenario['name']}.yaml"
    path.write_text(yaml.safe_dump(scenario | fields), encoding="utf-8")
    return path


def rows(folder: Path, scenario: Mapping, capsys: pytest.CaptureFixture[str], engine: str = "") -> list[Mapping]:
    """Points of the complete frontier, which is also saved beside its scenario."""
    asked = ("--set", f"engine={engine}") if engine else ()
    path = write(folder, scenario)
    assert run("frontier", path, "--complete", "--format", "json", "--out", folder / "front.json", *asked) == 0
    found: list[Mapping] = json.loads(capsys.readouterr().out)["deployments"]
    return found


@pytest.mark.parametrize(
    ("asked", "engine", "engines", "exchange"),
    [
        ("", "vllm", "vllm", "all_to_all"),
        ("any", "vllm", "vllm", "all_to_all"),
        ("[trtllm, vllm]", "vllm", "vllm", "all_to_all"),
        ("[sglang, trtllm]", "trtllm", "trtllm", "all_gather"),
        ("sglang", "sglang", "sglang", "none"),
        ("none", None, None, "all_to_all"),
    ],
)
def test_solve_names_who_was_priced_and_who_starts_it(
    asked: str,
    engine: str | None,
    engines: str | None,
    exchange: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path, EXPERTS)
    assert run("solve", path, "--format", "json", *(("--set", f"engine={asked}") if asked else ())) == 0
    answer = json.loads(capsys.readouterr().out)
    (found,) = answer["deployments"]
    assert (found["engine"], found["engines"], found["exchange"]) == (engine, engines, exchange)
    assert (engine is None) == (answer["versions"]["engines"] == {})
    assert run("solve", path, *(("--set", f"engine={asked}") if asked else ())) == 0
    text = capsys.readouterr().out
    assert {name for name in ("vllm", "sglang", "trtllm") if name in text} == set((engines or "").split(",")) - {""}


@pytest.mark.parametrize("order", [("vllm", "trtllm"), ("trtllm", "vllm")])
def test_of_servers_that_run_a_point_alike_the_first_is_named(
    order: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(tmp_path, EXPERTS, capsys, f"[{', '.join(order)}]")[-1]
    assert (found["engine"], found["engines"]) == (order[0], "trtllm,vllm")
    assert (
        run("solve", tmp_path / "experts.yaml", "--set", f"engine=[{', '.join(order)}]", "--objective", "cheapest") == 0
    )
    assert f"{order[0]}, also starts in {order[1]}" in capsys.readouterr().out


def test_a_card_that_no_server_runs_on_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, TPU, weights=["bf16"])
    for command in ("solve", "frontier", "explain", "compare"):
        assert run(command, path) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == (
            f"error: {path}:3: accelerators[1]: found 'TPU-v6e', an accelerator of google, expected one of amd or "
            "nvidia for vLLM or SGLang or TensorRT-LLM; engine: none prices the equations alone\n"
        )
    assert run("solve", path, "--set", "engine=trtllm") == 2
    assert "expected one of nvidia for TensorRT-LLM; engine: none prices" in capsys.readouterr().err
    assert run("solve", path, "--set", "engine=none") == 0


def test_a_workload_whose_pools_no_server_runs_on_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, FLEET)
    assert run("fleet", path) == 2
    message = capsys.readouterr().err
    assert "workloads[0].engine: found 'TPU-v6e', an accelerator of google, expected one of amd or nvidia" in message
    assert "engine: none prices the equations alone" in message
    assert run("fleet", path, "--set", "workloads[0].engine=none") == 0


def test_launch_takes_the_server_of_each_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = rows(tmp_path, EXPERTS, capsys)
    assert (first["engine"], second["engine"], second["engines"]) == ("vllm", "sglang", "sglang,trtllm,vllm")
    assert run("launch", tmp_path / "front.json", "--point", "all", "--format", "line") == 0
    one, other = capsys.readouterr().out.splitlines()
    assert "vllm serve " in one
    assert "--all2all-backend deepep_low_latency" in one
    assert "python -m sglang.launch_server " in other


def test_a_server_without_the_exchange_of_a_point_does_not_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows(tmp_path, EXPERTS, capsys)
    assert run("launch", tmp_path / "front.json", "--engine", "trtllm", "--point", "1", "--partial") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    said = "TensorRT-LLM does not start it as it is: the point exchanges tokens by all_to_all, where TensorRT-LLM has"
    assert f"{said} all_gather\n" in captured.err
    for engine in ("vllm", "sglang", "trtllm"):
        assert run("launch", tmp_path / "front.json", "--engine", engine, "--point", "2") == 0


@pytest.mark.parametrize(
    ("priced", "other", "said"),
    [
        ("vllm", "sglang", "it was priced as vLLM runs it, and SGLang spreads dense layers, "),
        ("sglang", "vllm", "it was priced as SGLang runs it, and vLLM spreads dense layers, "),
        ("none", "vllm", "it was priced by the equations alone, and vLLM spreads dense layers, "),
    ],
)
def test_what_another_server_runs_otherwise_is_said(
    priced: str, other: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows(tmp_path, SHARED, capsys, priced)
    assert run("launch", tmp_path / "front.json", "--engine", other, "--point", "1") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.endswith("nothing is printed; --partial prints what can be said\n")
    assert run("launch", tmp_path / "front.json", "--engine", other, "--point", "1", "--partial") == 0
    assert said in capsys.readouterr().err
    if priced != "none":
        assert run("launch", tmp_path / "front.json", "--engine", priced, "--point", "1") == 0
        assert capsys.readouterr().err == ""


def test_points_of_the_equations_alone_need_a_server_to_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {"tensor_parallel": [2], "attention_data_parallel": [1], "pipeline_parallel": [1], "batch": [8]}
    llama = {"model": "Llama-3.1-8B", "weights": ["bf16"], "design_space": space}
    rows(tmp_path, EXPERTS | llama, capsys, "none")
    assert run("launch", tmp_path / "front.json") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: --engine: found nothing, expected the name of a server, since experts was priced by the equations "
        "alone\n"
    )
    for engine in ("vllm", "sglang", "trtllm"):
        assert run("launch", tmp_path / "front.json", "--engine", engine) == 0
