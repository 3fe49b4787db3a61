"""Measurements in the files of the servers' own benchmarks, as rows of a table.

`vllm bench serve --save-result`, `sglang.bench_serving --output-file` and `trtllm-bench --report_json --streaming` say
how fast a run was. The sequences in flight follow by Little's law: output tokens a second x mean time per output token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ieco_opt import catalog
from ieco_opt.calibration.setup import Setup, Setups, setup_of
from ieco_opt.documents import json_document
from ieco_opt.documents.origin import Origin, dotted, found
from ieco_opt.errors import Fault, ScenarioError

EXPECTED = "the JSON of `vllm bench serve --save-result`, `sglang.bench_serving` or `trtllm-bench --report_json`"

Run = Mapping[str, object]


class _UnusableError(Exception):
    """A run whose figures are no measurement of decoding; with the reason."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a benchmark measured: mean lengths in tokens, sequences in flight, and seconds per output token."""

    prompt_tokens: float
    output_tokens: float
    batch: float
    time_per_output_token_s: float


@dataclass(frozen=True, slots=True)
class BenchRun:
    """One run in a benchmark's file: what it says of its setup, and its figures or why it has none."""

    line: int | None
    said: Setup
    figures: Figures | None
    unusable: str = ""


def runs_of(text: str, file: str) -> list[BenchRun]:
    """Read the runs of a file: one JSON object, a list of them, or one a line.

    Raises
    ------
    ScenarioError
        The text is no JSON, or an object in it is of none of the three benchmarks.
    """
    runs = []
    for line, value in _objects(text, file):
        kind = _kind(value) if isinstance(value, dict) else None
        if kind is None:
            raise ScenarioError.single(f"found {_named(value)}, expected {EXPECTED}", file=file, line=line)
        run: Run = value  # type: ignore[assignment]
        said = _said(run, kind, file)
        try:
            runs.append(BenchRun(line, said, _FIGURES[kind](run)))
        except _UnusableError as reason:
            runs.append(BenchRun(line, said, None, str(reason)))
    return runs


def row_of(run: BenchRun, given: Setups, file: str, name: str) -> dict[str, object]:
    """The row of a run: its figures, and its setup as it is given or as the file says it.

    Raises
    ------
    ScenarioError
        Something of the setup is said nowhere, or the degrees do not multiply to the GPUs.
    """
    assert run.figures is not None
    setup = given.of(name).over(run.said)
    at = file, run.line
    model = _required(setup.model, "model", "its name, as --model or in --setup", at)
    weights = setup.weights or catalog.checkpoint_of(model)
    figures = run.figures
    return {
        "config": setup.config or "",
        "model": model,
        "weights": _required(weights, "weights", "a precision, as --weights or in --setup", at),
        "accelerator": _required(setup.accelerator, "accelerator", "its name, as --accelerator or in --setup", at),
        "engine": _required(setup.engine, "engine", "the server, as --engine or in --setup", at),
        "kv_cache": setup.kv_cache or "",
        "exchange": setup.exchange or "",
        **_degrees(setup, at),
        "disaggregated": float(setup.disaggregated or 0),
        "prompt_tokens": figures.prompt_tokens,
        "output_tokens": figures.output_tokens,
        "batch": figures.batch,
        "time_per_output_token_s": figures.time_per_output_token_s,
    }


def _required(value: str | None, field: str, expected: str, at: tuple[str, int | None]) -> str:
    if value is None:
        raise ScenarioError([Fault(*at, field, f"found nothing, expected {expected}")])
    return value


def _degrees(setup: Setup, at: tuple[str, int | None]) -> dict[str, float]:
    """Degrees of an instance; either its GPUs or its tensor parallelism may be left out."""
    others = (setup.attention_data_parallel or 1) * (setup.pipeline_parallel or 1)
    tensor, gpus = setup.tensor_parallel, setup.gpus_per_instance
    if gpus is None and tensor is None:
        message = "found nothing, expected the GPUs of an instance, as --gpus, --tensor-parallel or in --setup"
        raise ScenarioError([Fault(*at, "gpus_per_instance", message)])
    if gpus is None:
        gpus = (tensor or 1) * others
    if tensor is None:
        tensor = max(1, gpus // others)
    if tensor * others != gpus:
        product = f"TP {tensor} x DP {setup.attention_data_parallel or 1} x PP {setup.pipeline_parallel or 1}"
        message = f"found {gpus}, expected {tensor * others} ({product})"
        raise ScenarioError([Fault(*at, "gpus_per_instance", message)])
    return {
        "gpus_per_instance": float(gpus),
        "tensor_parallel": float(tensor),
        "attention_data_parallel": float(setup.attention_data_parallel or 1),
        "expert_parallel": float(setup.expert_parallel or 1),
        "pipeline_parallel": float(setup.pipeline_parallel or 1),
    }


def _objects(text: str, file: str) -> list[tuple[int | None, object]]:
    """JSON values of a file, with their lines where it holds one a line."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > 1 and all(line.startswith("{") and line.endswith("}") for _, line in lines):
        return [(number, _parsed(line, file, number)) for number, line in lines]
    values = _parsed(text, file, None)
    return [(None, each) for each in values] if isinstance(values, list) and values else [(None, values)]


def _parsed(text: str, file: str, line: int | None) -> object:
    try:
        return json_document.parse(text, file, EXPECTED, constants=True)
    except ScenarioError as error:
        if line is None:
            raise
        raise ScenarioError([Fault(file, line, each.field, each.message) for each in error.faults]) from None


_VLLM, _SGLANG, _TRTLLM = "vllm", "sglang", "trt"


def _kind(run: Run) -> str | None:
    if "world_info" in run and "performance" in run:
        return _TRTLLM
    if "completed" in run and "total_output_tokens" in run:
        return _VLLM if "model_id" in run or "endpoint_type" in run else _SGLANG
    return None


def _named(value: object) -> str:
    if isinstance(value, dict):
        return "an object without the fields of a benchmark"
    return found(value)


# What the files say of the setup


def _said(run: Run, kind: str, file: str) -> Setup:
    """Setup as the file says it; `vllm bench serve --metadata` writes fields of its own, which count too."""
    told = {_VLLM: _said_by_vllm, _SGLANG: _said_by_sglang, _TRTLLM: _said_by_trtllm}[kind](run)
    metadata = {name: run[name] for name in Setup.model_fields if name in run} if kind == _VLLM else {}
    known = {name: value for name, value in (told | metadata).items() if value is not None}
    return setup_of(known, Origin(file)).of("")


def _said_by_vllm(run: Run) -> dict[str, object]:
    return {"model": run.get("model_id"), "engine": _engine(run.get("backend"), _VLLM)}


def _said_by_sglang(run: Run) -> dict[str, object]:
    """What the server said of itself; its tensor parallelism counts the groups of attention too."""
    server = _part(run, "server_info")
    said: dict[str, object] = {"model": server.get("model_path"), "engine": _engine(run.get("backend"), _SGLANG)}
    said["kv_cache"] = _CACHES.get(str(server.get("kv_cache_dtype")).lower())
    ranks, groups, stages = (_count(server.get(name)) for name in ("tp_size", "dp_size", "pp_size"))
    if ranks is not None:
        groups, stages = groups or 1, stages or 1
        said |= {"attention_data_parallel": groups, "pipeline_parallel": stages}
        said |= {"expert_parallel": _count(server.get("ep_size")), "tensor_parallel": max(1, ranks // groups)}
    if server.get("disaggregation_mode") == "decode":
        said["disaggregated"] = True
    return said


def _said_by_trtllm(run: Run) -> dict[str, object]:
    engine, world = _part(run, "engine"), _part(run, "world_info")
    machine = _part(run, "machine").get("name")
    return {
        "model": engine.get("model"),
        "engine": _TRTLLM,
        "accelerator": machine if isinstance(machine, str) else None,
        "weights": _QUANTISATIONS.get(str(engine.get("quantization")).upper()),
        "kv_cache": _CACHES.get(str(engine.get("kv_cache_dtype")).lower()),
        "tensor_parallel": _count(world.get("tp_size")),
        "pipeline_parallel": _count(world.get("pp_size")),
        "expert_parallel": _count(world.get("ep_size")),
    }


_CACHES = {"fp8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "bf16": "bf16", "bfloat16": "bf16"}

_QUANTISATIONS = {
    "FP8": "fp8",
    "FP8_BLOCK_SCALES": "fp8",
    "NVFP4": "nvfp4",
    "W4A16_AWQ": "int4",
    "W4A16_GPTQ": "int4",
}


def _engine(backend: object, own: str) -> str:
    """The server that a benchmark spoke to; where it names only a protocol, the benchmark's own."""
    spelt = str(backend).lower()
    return next((name for name in (_SGLANG, _TRTLLM, _VLLM) if name in spelt), own)


def _part(run: Run, name: str) -> Run:
    part = run.get(name)
    return part if isinstance(part, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


# What the files say of speed


def _number(run: Run, *keys: str) -> float:
    value: object = run
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise _UnusableError(f"found {found(value)} in {dotted(keys)}, expected a number above 0")
    return float(value)


def _of_requests(run: Run) -> Figures:
    """Of vLLM and of SGLang, which name the figures alike."""
    completed = _number(run, "completed")
    time = _number(run, "mean_tpot_ms") / 1e3
    return Figures(
        prompt_tokens=_number(run, "total_input_tokens") / completed,
        output_tokens=_number(run, "total_output_tokens") / completed,
        batch=_number(run, "output_throughput") * time,
        time_per_output_token_s=time,
    )


def _of_vllm(run: Run) -> Figures:
    if run.get("spec_decode_acceptance_length") is not None:
        raise _UnusableError(_DRAFTED)
    return _of_requests(run)


def _of_sglang(run: Run) -> Figures:
    server = _part(run, "server_info")
    if run.get("accept_length") is not None or server.get("speculative_algorithm"):
        raise _UnusableError(_DRAFTED)
    replicas = _count(server.get("dp_size")) or 1
    if replicas > 1 and not server.get("enable_dp_attention"):
        raise _UnusableError(f"found {replicas} replicas behind one address, expected one instance")
    return _of_requests(run)


def _of_trtllm(run: Run) -> Figures:
    if run.get("decoding_stats") is not None:
        raise _UnusableError(_DRAFTED)
    if not _part(run, "streaming_metrics"):
        raise _UnusableError("found no time per output token, expected a run with --streaming")
    time = _number(run, "streaming_metrics", "avg_tpot_ms") / 1e3
    return Figures(
        prompt_tokens=_number(run, "request_info", "avg_input_length"),
        output_tokens=_number(run, "request_info", "avg_output_length"),
        batch=_number(run, "performance", "system_output_throughput_tok_s") * time,
        time_per_output_token_s=time,
    )


_DRAFTED = "it ran with speculative decoding, expected one token a pass"

_FIGURES = {_VLLM: _of_vllm, _SGLANG: _of_sglang, _TRTLLM: _of_trtllm}
