"""What holds for every command: it opens no socket, and what it writes depends on nothing but what it is asked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from places import DATA
from saved_results import DRAFTED, EXPERTS, FLEET

from ieco_opt.cli.main import cli

OLD = ("verify", str(DATA / "format1" / "frontier.json"))
"""Of another performance model, which `verify` says and ends with 1."""

MAPPED = [
    word
    for column, field in {
        "gpus_per_instance": "gpus",
        "accelerator": "accelerator",
        "time_per_output_token_s": "tpot_s",
        "batch": "throughput",
    }.items()
    for word in ("--map", f"{column}={field}")
]

COMMANDS = (
    ("frontier", "small.yaml", "--delta", "0.3", "--out", "frontier.json", "--plot", "frontier.svg"),
    ("frontier", "small.yaml", "--points", "3", "--out", "frontier.csv"),
    ("frontier", "experts.yaml", "--complete", "--out", "frontier.parquet", "--plot", "frontier.html"),
    ("solve", "small.yaml", "--objective", "preferred", "--out", "solve.json"),
    ("fleet", "fleet.yaml", "--out", "plan.json", "--nodes", "--plot", "plan.png"),
    ("fleet", "fleet.yaml", "--frontier", "gpus", "--delta", "0.5", "--out", "plans.json", "--plot", "plans.svg"),
    ("alternatives", "small.yaml", "--within", "20%", "--count", "2", "--out", "others.json"),
    ("alternatives", "fleet.yaml", "--count", "2", "--out", "others.csv"),
    ("explain", "small.yaml", "--out", "explain.json"),
    ("explain", "small.yaml", "--set", "limits.min_speed=5000"),
    (
        "compare",
        "experts.yaml",
        "--budget",
        "40",
        "--resolution",
        "4",
        "--out",
        "compare.json",
        "--plot",
        "compare.svg",
    ),
    *(("verify", f"{name}.json") for name in ("frontier", "solve", "plan", "plans", "explain", "compare", "others")),
    OLD,
    ("evaluate", str(DATA / "setup_points_sample.csv"), "--fidelity", "paper", "--out", "points.csv"),
    ("calibrate", "measured.csv", "--out", "mine.yaml", "--plot", "mine.svg"),
    ("validate", "measured.csv", "--out", "rows.json", "--plot", "rows.svg"),
    ("export", "small.yaml", "--out", "program.lp"),
    ("export", "fleet.yaml", "--out", "program.mps"),
    ("migrate", "old.yaml"),
    ("schema", "--kind", "deployment"),
    ("schema", "--kind", "fleet"),
    ("schema", "--kind", "result"),
    ("frontier", "whole.yaml", "--delta", "0.5", "--out", "whole.json"),
    ("launch", "whole.json", "--point", "all"),
    *(("launch", "whole.json", "--engine", name, "--point", "all") for name in ("vllm", "sglang", "trtllm")),
    *(
        ("launch", "whole.json", "--engine", "trtllm", "--point", "1", "--format", form, "--out", "commands")
        for form in ("line", "yaml", "k8s", "compose", "json")
    ),
    ("import", "aic", str(DATA / "aiconfigurator"), "--out", "aic.csv"),
    ("import", "aic", str(DATA / "aiconfigurator"), "--gpus", "32xH200"),
    (*("import", "csv", "measured.csv", "--out", "runs.csv"), *MAPPED),
    (
        *("plan", "Llama-3.1-8B", "--gpus", "2xH100", "--isl", "1k", "--osl", "100", "--engine", "vllm"),
        "--save",
        "kept",
    ),
    ("verify", "kept"),
    ("explain", "kept", "--out", "why.json"),
    ("explain", "kept", "--brief"),
    ("verify", "why.json"),
    ("report", "frontier.json", "kept", "plans.json", "explain.json", "compare.json", "--out", "all.html"),
    ("report", "experts.yaml", "fleet.yaml", "--out", "solved.html"),
    *(
        ("sweep", "small.yaml", "--over", "workload.context_tokens=1k,2k", "--out", f"sweep.{ending}")
        for ending in ("csv", "json", "parquet")
    ),
    ("diff", "frontier.json", "frontier.json"),
    ("diff", "kept", "kept", "--format", "json"),
    ("diff", "compare.json", "compare.json"),
    ("diff", "others.json", "others.json"),
    ("launch", "others.json", "--point", "1"),
    ("explain", "others.json", "--out", "explained.json"),
    ("diff", "explain.json", "explain.json", "--format", "csv"),
    ("completion", "bash"),
    ("terms",),
    ("terms", "TTFT"),
    ("catalog", "list"),
    ("catalog", "list", "engines"),
    ("catalog", "show", "vllm"),
    ("catalog", "show", "H100"),
)
"""Every command, with every kind of file that it reads or writes."""

MEASURED = """\
model,weights,accelerator,engine,gpus_per_instance,prompt_tokens,output_tokens,batch,time_per_output_token_s
Llama-3.1-8B,fp8,H100,vllm,1,1000,100,4,0.006
Llama-3.1-8B,fp8,H100,vllm,1,1000,100,64,0.011
"""

REPEATED = ("frontier", "solve", "plan", "plans", "explain", "compare")
"""Results that are asked for twice."""

WHOLE = EXPERTS | {
    "name": "whole",
    "weights": ["bf16"],
    "design_space": {
        "tensor_parallel": [4, 8],
        "attention_data_parallel": [1],
        "pipeline_parallel": [1],
        "expert_parallel": [1],
        "batch": [8],
    },
}
"""A scenario whose every point starts in every engine: no other exchange of experts than none can be chosen."""

SCRIPT = """
import json, sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise AssertionError(event)

sys.addaudithook(refuse)
from ieco_opt.cli.main import cli
for arguments in json.loads(sys.argv[1]):
    assert not cli.main(arguments, standalone_mode=False), arguments
"""

STATISTICS = re.compile(r'^  "statistics": \{\n.*?^  \},\n', re.MULTILINE | re.DOTALL)


def write_scenarios(folder: Path) -> None:
    space = EXPERTS["design_space"]
    before = {"tensor_parallel": space["stage_ranks"]} | {name: space[name] for name in space if name != "stage_ranks"}
    old = {name: value for name, value in EXPERTS.items() if name != "version"} | {"design_space": before}
    files = {
        "small": {"kind": "deployment"} | DRAFTED,
        "experts": {"kind": "deployment"} | EXPERTS,
        "fleet": {"kind": "fleet"} | FLEET,
        "whole": {"kind": "deployment"} | WHOLE,
        "old": {"kind": "deployment"} | old,
    }
    for name, values in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (folder / "measured.csv").write_text(MEASURED, encoding="utf-8")


def test_no_command_opens_a_socket(tmp_path: Path, sockets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write_scenarios(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = len(sockets)
    for arguments in COMMANDS:
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        assert done.exception is None, (arguments, done.exception)
        assert bool(done.return_value) == (arguments == OLD), (arguments, done.output)
        assert sockets[before:] == [], arguments
    # `probe` measures a machine, needs torch and has tests of its own (tests/probing).
    assert {arguments[0] for arguments in COMMANDS} | {"probe"} == {*cli.list_commands(click.Context(cli))}


def test_a_socket_would_be_seen(sockets: list[str]) -> None:
    import socket

    before = len(sockets)
    socket.socket().close()
    assert len(sockets) == before + 1


def answers(folder: Path, seed: str) -> dict[str, str]:
    """JSON of every kind of result, asked for in a process of its own whose hashes start from a seed."""
    folder.mkdir()
    write_scenarios(folder)
    wanted = {f"{name}.json" for name in REPEATED}
    asked = [
        [*arguments, "--quiet"]
        for arguments in COMMANDS
        if "--out" in arguments and arguments[arguments.index("--out") + 1] in wanted
    ]
    command = [sys.executable, "-c", SCRIPT, json.dumps(asked)]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (folder / f"{name}.json").read_bytes().decode() for name in REPEATED}


def test_the_same_command_writes_the_same_bytes_but_for_statistics(tmp_path: Path) -> None:
    first, second = answers(tmp_path / "first", "1"), answers(tmp_path / "second", "2")
    for name in REPEATED:
        for each in (first, second):
            (statistics,) = STATISTICS.findall(each[name])
            assert '"seconds": ' in statistics
        assert STATISTICS.sub("", first[name]) == STATISTICS.sub("", second[name]), name
