"""Every command on random files, edits and options: never a traceback, another exit status, or a run past its limit.

The seconds of each group add up to a minute, with the same draws every time. More, and other ones, with

    FUZZ_SECONDS=600 python -m pytest tests/fuzz
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import saved_results
from edits import SCALARS, edited, overrides, scenario_texts, seldom
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, DrawFn, SearchStrategy

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main

Mapping = dict[str, Any]

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
STATUSES = frozenset({0, 1, 2, 3, 4})

LIMIT_S = 3.0
"""Total time limit of the solver configuration that commands are run with."""
LATE_S = 2.0
"""How far past the limit a run may end; counted in CPU seconds, of which a busy machine gives fewer and never more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    output: str
    messages: str
    cpu_s: float


def in_process(arguments: list[str]) -> Ended:
    """Run the command line in this process."""
    output, messages = io.StringIO(), io.StringIO()
    began = time.process_time()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(messages):
        try:
            main(arguments)
        except SystemExit as left:
            status = left.code
    assert isinstance(status, int)
    return Ended(status, output.getvalue(), messages.getvalue(), time.process_time() - began)


def in_a_process_of_its_own(arguments: list[str]) -> Ended:
    """Run the command line as a shell does, in the same folder."""
    command = [sys.executable, "-m", "ieco_opt", *arguments]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "TMPDIR": "."}, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode(), 0.0)


def faults(ended: Ended) -> list[str]:
    """What may never be, whatever the input is."""
    said = ended.output + ended.messages
    found = [word for word in ("Traceback", "internal fault", "Warning:", "np.int64(", "np.float64(") if word in said]
    if ended.status not in STATUSES:
        found.append(f"exit status {ended.status}")
    if ended.cpu_s > LIMIT_S + LATE_S:
        found.append(f"{ended.cpu_s:.1f} s of CPU with a limit of {LIMIT_S} s")
    if ended.status in (ExitStatus.WRONG_INPUT, ExitStatus.INFEASIBLE) and not ended.messages.strip():
        found.append(f"exit status {ended.status} without a word")
    return found


class TimeIsUpError(BaseException):
    """Ends a run of hypothesis, which would count it as a failure of the test if it were an ``Exception``."""


def fuzz(seconds: float, check: Callable[[DataObject], None]) -> int:
    """Run a check on drawn data until the time is up, or until it fails; how often it ran."""
    end, runs = time.monotonic() + seconds, 0

    @settings(
        max_examples=10**6,
        deadline=None,
        database=None,
        derandomize="FUZZ_SECONDS" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.data())
    def run(data: DataObject) -> None:
        nonlocal runs
        check(data)
        runs += 1
        if time.monotonic() > end:
            raise TimeIsUpError

    with contextlib.suppress(TimeIsUpError):
        run()
    return runs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, where the traceback of an internal fault is kept too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "limit.yaml").write_text(f"solver: highs\ntotal_time_limit_s: {LIMIT_S}\n", encoding="utf-8")
    return tmp_path


def write(path: Path, text: str | bytes) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))


def check_one(folder: Path, data: DataObject, arguments: list[str]) -> None:
    """Run a command, one of many as a shell does, and look at how it ended."""
    shell = data.draw(seldom(150)) and "\0" not in "".join(arguments)
    ended = (in_a_process_of_its_own if shell else in_process)(arguments)
    found = faults(ended)
    kept = "\n".join(each.read_text("utf-8") for each in folder.glob("ieco-opt-*.txt"))
    assert not found, f"ieco-opt {' '.join(arguments)}\n{found}\n{ended.messages[-2000:]}\n{kept}"


# --- what is drawn ----------------------------------------------------------------------------------------------------

DEPLOYMENTS: list[Mapping] = [
    {"kind": "deployment", **saved_results.DRAFTED},
    {"kind": "deployment", **saved_results.EXPERTS},
    {
        "version": 2,
        "kind": "deployment",
        "fidelity": "paper",
        "model": "Mixtral 8x7B",
        "accelerators": ["H100"],
        "workload": {"context_tokens": 1000},
        "design_space": {"stage_ranks": [2, 4, 8], "pipeline_parallel": [1, 2], "batch": [1, 8, 64, 256]},
        "limits": {"min_speed": 10, "max_cost": 5},
    },
]
MIXED: Mapping = {
    **saved_results.FLEET,
    "workloads": [
        {
            "name": "mixed",
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "requests_per_s": 5,
            "request_mix": [
                {"name": "short", "share": 3, "prompt_tokens": 200, "output_tokens": 100},
                {"name": "long", "share": 1, "prompt_tokens": 2000, "output_tokens": 300},
            ],
            "slices": 2,
            "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1]},
        }
    ],
    "limits": {"max_usd_per_hour": 100, "max_power_kw": 40, "max_gpus": 40},
}
FLEETS = [{"kind": "fleet", **saved_results.FLEET}, {"kind": "fleet", **MIXED}]
EVERYTHING = DEPLOYMENTS + FLEETS


@st.composite
def option(draw: DrawFn, name: str, sound: list[Any], wrong: list[Any], often: int = 3) -> list[str]:
    """Give an option once in so many draws, seldom with a value that is refused."""
    if often > 1 and not draw(seldom(often)):
        return []
    return [name, str(draw(st.sampled_from(wrong if draw(seldom(20)) else sound)))]


@st.composite
def flag(draw: DrawFn, name: str, often: int = 4) -> list[str]:
    return [name] if draw(seldom(often)) else []


_OUT = option(
    "--out",
    ["out.json", "out.csv", "out.parquet", "out.json"],
    ["out.txt", "nowhere/out.json", ".", "/proc/x.json", ""],
)
_FORMAT = option("--format", ["table", "json", "csv"], ["yaml"])
_PLOT = option("--plot", ["out.svg", "out.html"], ["out.gif"], 12)
_DELTA = option("--delta", [0.3, 0.5, 1], [0, -1, "nan", "x", 1e-9, "inf"])
_COMMON = [_OUT, _FORMAT, _PLOT, flag("--quiet")]
_OBJECTIVES = ["fastest", "cheapest", "preferred"]

_DEPLOYMENT_OPTIONS: dict[str, list[SearchStrategy[list[str]]]] = {
    "solve": [option("--objective", _OBJECTIVES, ["best"]), *_COMMON],
    "frontier": [_DELTA, option("--points", [1, 2, 5], [0, -3, "x", 10**9], 6), flag("--complete", 9), *_COMMON],
    "explain": [option("--objective", _OBJECTIVES, ["best"]), _FORMAT, option("--out", ["out.json"], ["out.csv"])],
    "compare": [
        option("--heuristic", ["rule-of-thumb", "paper-grid", "random"], ["nope"], 1),
        option("--budget", [1, 5, 50], [0, -3, "x"], 1),
        option("--resolution", [2, 8], [1, 0, -1], 1),
        option("--seed", [0, 7], ["x", -1], 6),
        option("--delta", [0.3], [0, "x"]),
        *_COMMON,
    ],
    "alternatives": [
        option("--within", ["2%", "0.5", "1000%"], ["-1%", "x", "nan"]),
        option("--count", [1, 2, 3], [0, -1, "x"], 1),
        option("--differ", ["layout", "engine", "accelerator"], ["pool", "x"]),
        option("--objective", _OBJECTIVES, ["best"]),
        _OUT,
        _FORMAT,
        flag("--quiet"),
    ],
    "export": [
        option("--out", ["out.lp", "out.mps"], ["out.txt"], 1),
        option("--objective", ["fastest", "cheapest"], ["preferred"]),
    ],
}
_PREFERRED = [["--objective", "preferred", "--preference", k] for k in ("0", "1", "3.5", "1e9", "-1", "nan")]
_AXES = ("speed", "power", "gpus", "throughput")
_FLEET_OPTIONS: list[SearchStrategy[list[str]]] = [
    option("--objective", ["cost", "power", "gpus", "throughput", "energy", "carbon"], ["speed"]),
    st.sampled_from([[], [], [], *(["--frontier", each, "--delta", "0.5"] for each in _AXES)]),
    flag("--nodes"),
    *_COMMON,
]


def drawn_options(data: DataObject, options: list[SearchStrategy[list[str]]]) -> list[str]:
    return [word for each in options for word in data.draw(each)]


def with_config(data: DataObject, folder: Path) -> list[str]:
    """Give the limit of a run, or a configuration of another kind, which is refused or as quick."""
    if not data.draw(seldom(12)):
        return ["--solver-config", "limit.yaml"]
    config = data.draw(
        edited(st.sampled_from([{"solver": "highs", "total_time_limit_s": 2.0, "options": {"presolve": "on"}}]), 2)
    )
    write(folder / "own.yaml", json.dumps(config))
    return [
        "--solver-config",
        data.draw(st.sampled_from(["fast", "nope", "own.yaml", "own.yaml", "nowhere.yaml", "."])),
    ]


# --- groups of commands -----------------------------------------------------------------------------------------------


def deployments(folder: Path, data: DataObject) -> None:
    """Commands that answer a question about one deployment."""
    command = data.draw(st.sampled_from(sorted(_DEPLOYMENT_OPTIONS)))
    mapping = data.draw(st.sampled_from(EVERYTHING if command == "export" else DEPLOYMENTS))
    write(folder / "scenario.yaml", data.draw(scenario_texts([mapping])))
    arguments = [command, "scenario.yaml", *data.draw(overrides(mapping))]
    arguments += drawn_options(data, _DEPLOYMENT_OPTIONS[command])
    if command in ("solve", "explain") and "--objective" not in arguments:
        arguments += data.draw(st.sampled_from([[], *_PREFERRED]))
    check_one(folder, data, arguments + (with_config(data, folder) if command != "export" else []))


def fleets(folder: Path, data: DataObject) -> None:
    """Plans and their frontiers."""
    mapping = data.draw(st.sampled_from(FLEETS))
    write(folder / "fleet.yaml", data.draw(scenario_texts([mapping])))
    arguments = ["fleet", "fleet.yaml", *data.draw(overrides(mapping)), *drawn_options(data, _FLEET_OPTIONS)]
    if data.draw(seldom(5)):
        # With the options of deployments, of which a fleet refuses some.
        arguments = ["alternatives", *arguments[1:2], *drawn_options(data, _DEPLOYMENT_OPTIONS["alternatives"])]
    check_one(folder, data, arguments + with_config(data, folder))


_TIMES = ["20ms", "0.05s", "50", "2s"]
_QUESTION_OPTIONS: list[SearchStrategy[list[str]]] = [
    option("--gpus", ["4xH100", "8xH200@1.5", "1xMI300X", "4xH100,4xH200"], ["H100", "0xH100", "4x", "4xH100@x"], 1),
    option("--isl", ["1k", "1000", "2,000"], ["-1", "x", "1e9"], 1),
    option("--osl", ["200", "0.1k"], ["0", "nan"], 1),
    option("--ttft", _TIMES, ["x", "0s"]),
    option("--tpot", _TIMES, ["1 fortnight", "-3ms"]),
    option("--min-speed", ["5", "30"], ["x"], 9),
    option("--weights", ["fp8", "bf16"], ["fp9"], 2),
    option("--engine", ["vllm", "sglang,trtllm", "any"], ["tgi"], 2),
]
_PLAN_OPTIONS: list[SearchStrategy[list[str]]] = [
    option("--rate", ["1", "60/min", "1e3"], ["x", "1/year"]),
    option("--min", ["cost", "gpus", "power"], ["tears"], 4),
    option("--budget", ["20/h", "5"], ["free"], 5),
    flag("--owned", 5),
    flag("--brief", 2),
    option("--save", ["folder"], ["/proc/x"], 5),
    option("--write", ["question.yaml"], ["nowhere/question.yaml"], 5),
]


def questions(folder: Path, data: DataObject) -> None:
    """A model on some GPUs, without a file."""
    command = data.draw(st.sampled_from(["plan", "plan", "plan", "solve", "frontier"]))
    name = data.draw(st.one_of(st.just("Llama-3.1-8B"), st.sampled_from(["Qwen3-8B", ".", "", "no such", "a.yaml"])))
    options = [*_QUESTION_OPTIONS, *(_PLAN_OPTIONS if command == "plan" else []), *_COMMON]
    check_one(folder, data, [command, name, *drawn_options(data, options), *with_config(data, folder)])


@functools.cache
def written(kind: str) -> Any:
    """The parsed file of a saved result."""
    return json.loads(saved_results.result(kind).to_json())


def results(folder: Path, data: DataObject) -> None:
    """Saved results with edits, which are read, checked, shown and never trusted."""
    values = data.draw(edited(st.sampled_from(saved_results.KINDS).map(written)))
    text = json.dumps(values)
    if data.draw(seldom(10)):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(["", "{", "\x00", "1e999"]))
    write(folder / "result.json", text)
    report = ["report", "result.json", "--out", "page.html"]
    read = data.draw(st.sampled_from([["verify", "result.json"], report, ["launch", "result.json", "--point", "2"]]))
    check_one(folder, data, [*read, *(data.draw(flag("--quiet")) if read[0] != "launch" else [])])


POINT = {
    "model": "Llama-3.1-8B",
    "accelerator": "H100-SXM",
    "tensor_layout": "1d",
    "gpus": 8,
    "pipeline_parallel": 2,
    "attention_data_parallel": 2,
    "batch": 64,
    "context_tokens": 1000,
    "tokens_per_pass": 1,
    "weights": "fp8",
    "expert_parallel": 1,
    "output_tokens": 100,
    "kv_cache": "bf16",
    "engine": "any",
    "memory_reserve_gb": 3.5,
    "redundant_experts": 0,
}
PAPER_POINT = {**{name: POINT[name] for name in list(POINT)[:9]}, "model": "Mixtral 8x7B", "accelerator": "H100"}


def tables(folder: Path, data: DataObject) -> None:
    """Tables of configurations, with cells and columns that are wrong or missing."""
    rows = [data.draw(edited(st.sampled_from([POINT, PAPER_POINT]), 2)) for _ in range(data.draw(st.integers(0, 3)))]
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(POINT)
    lines = [",".join(map(str, names))] + [",".join(str(row.get(name, "")) for name in names) for row in rows]
    write(folder / "points.csv", "\n".join(lines) + data.draw(st.sampled_from(["", "\n", ",\n", "\n\n", '\n"'])))
    options = [option("--fidelity", ["paper", "deployable"], ["x"], 2), _OUT, _FORMAT, flag("--quiet")]
    check_one(folder, data, ["evaluate", "points.csv", *drawn_options(data, options)])


def small_commands(folder: Path, data: DataObject) -> None:
    """The catalog, schemas, migration, and words that are no commands."""
    mapping = data.draw(st.sampled_from(EVERYTHING))
    write(folder / "scenario.yaml", data.draw(scenario_texts([{**copy.deepcopy(mapping), "version": 1}, mapping])))
    name = data.draw(st.one_of(st.sampled_from(["H100", "Llama-3.1-8B", "scenario.yaml", "-"]), SCALARS.map(str)))
    name = name.replace("\x00", "")
    arguments = data.draw(
        st.sampled_from(
            [
                ["catalog", "list", *drawn_options(data, [_FORMAT])],
                ["catalog", "show", name],
                ["schema", *drawn_options(data, [option("--kind", ["fleet", "result"], ["x"])])],
                ["migrate", "scenario.yaml", *drawn_options(data, [_OUT])],
                [name],
                ["solve", name],
                ["solve", "--help"],
                ["verify", "scenario.yaml"],
                ["evaluate", "scenario.yaml"],
            ]
        )
    )
    check_one(folder, data, arguments)


GROUPS = {deployments: 0.25, fleets: 0.25, results: 0.2, questions: 0.15, tables: 0.075, small_commands: 0.075}
"""Share of the time that each group of commands takes."""


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_nothing_but_answers_and_messages(group: Callable[[Path, DataObject], None], folder: Path) -> None:
    runs = fuzz(SECONDS * GROUPS[group], functools.partial(group, folder))
    assert runs > 1
