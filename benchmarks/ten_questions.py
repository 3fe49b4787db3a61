"""Ask ten questions of a planner in one line each, here and of AIConfigurator where it is installed.

::

    python benchmarks/ten_questions.py --peer /path/to/aiconfigurator

Prints what each answers, its exit status and its seconds of CPU, as whole processes in one run. Without ``--peer``
only this side is asked. AIConfigurator 0.12 is the version that the commands are written for.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LLAMA = "Llama-3.1-70B"
CHAT = ("--isl", "4000", "--osl", "1000")
PEER_LLAMA = ("--model-path", "meta-llama/Meta-Llama-3.1-70B", "--backend", "trtllm")
MODEL_FILE = """name: mine
layers: 32
width: 4096
vocabulary: 128256
tied_embeddings: false
attention: {kind: grouped_query, query_heads: 32, kv_heads: 8, head_width: 128}
feed_forward: [{layers: 32, width: 14336}]
"""
PYTHON = """import ieco_opt
result = ieco_opt.plan(model="Llama-3.1-70B", gpus="32xH200", isl=4000, osl=1000, ttft="2s", tpot="30ms")
print(f"{result[0].demand_factor:.4g} requests/s, {result[0].status}")
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, our command, and that of AIConfigurator; ``None``: it has none."""

    asked: str
    ours: Sequence[str]
    peer: Sequence[str] | None


QUESTIONS = (
    Question(
        "most on 32 H200, TTFT 2 s, TPOT 30 ms",
        ("plan", LLAMA, "--gpus", "32xH200", *CHAT, "--ttft", "2s", "--tpot", "30ms"),
        (*PEER_LLAMA, "--total-gpus", "32", "--system", "h200_sxm", *CHAT, "--ttft", "2000", "--tpot", "30"),
    ),
    Question("its frontier", ("frontier", LLAMA, "--gpus", "32xH200", *CHAT), None),
    Question(
        "H100, H200 or B200",
        ("plan", "gpt-oss-120b", "--gpus", "8xH100,8xH200,8xB200", *CHAT, "--tpot", "20ms", "--rate", "5"),
        None,
    ),
    Question(
        "DeepSeek-V3's EP and DP on 32",
        ("plan", "DeepSeek-V3", "--gpus", "32xH200", *CHAT, "--tpot", "50ms"),
        (
            *("--model-path", "deepseek-ai/DeepSeek-V3", "--backend", "sglang", "--total-gpus", "32"),
            *("--system", "h200_sxm", *CHAT, "--ttft", "2000", "--tpot", "50"),
        ),
    ),
    Question(
        "fewest GPUs for 10 requests/s",
        ("plan", LLAMA, "--gpus", "64xH200", *CHAT, "--tpot", "30ms", "--rate", "10", "--min", "gpus"),
        (*PEER_LLAMA, "--target-request-rate", "10", "--system", "h200_sxm", *CHAT, "--ttft", "2000", "--tpot", "30"),
    ),
    Question(
        "what binds",
        ("explain", LLAMA, "--gpus", "32xH200", *CHAT, "--ttft", "2s", "--tpot", "30ms"),
        None,
    ),
    Question("launch it", ("launch", "{folder}"), None),
    Question("a model of one's own", ("plan", "{model}", "--gpus", "8xH100", *CHAT), None),
    Question(
        "10 ms on 4 GPUs",
        ("plan", LLAMA, "--gpus", "4xH200", *CHAT, "--tpot", "10ms"),
        (*PEER_LLAMA, "--total-gpus", "4", "--system", "h200_sxm", *CHAT, "--ttft", "2000", "--tpot", "10"),
    ),
    Question("from Python", ("-c", PYTHON), None),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process came to."""

    status: int
    cpu_s: float
    text: str


def main() -> None:
    """Ask, and print a table of answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="the executable of AIConfigurator")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        places = {"folder": f"{scratch}/plan", "model": f"{scratch}/mine.yaml"}
        Path(places["model"]).write_text(MODEL_FILE)
        _run([sys.executable, "-m", "ieco_opt", *QUESTIONS[0].ours, "--brief", "--save", places["folder"]])
        for number, question in enumerate(QUESTIONS, start=1):
            print(f"{number:2}. {question.asked}")
            words = [word.format(**places) if word.startswith("{") else word for word in question.ours]
            ours = [sys.executable, *words] if words[0] == "-c" else [sys.executable, "-m", "ieco_opt", *words]
            _show("ieco-opt", _run(ours), ("requests/s", "bound", "NOT POSSIBLE", "deployments,", "serve", "binds"))
            if options.peer is None:
                continue
            if question.peer is None:
                print("      AIConfigurator: no one command asks this")
                continue
            peer = _run([str(options.peer), "cli", "default", "--no-color", *question.peer])
            _show("AIConfigurator", peer, ("Request Rate", "TPOT:", "TTFT:", "Total GPUs", "No "))


def _run(command: Sequence[str]) -> Answer:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Answer(done.returncode, cpu_s, done.stdout or done.stderr)


def _show(name: str, answer: Answer, words: Sequence[str]) -> None:
    """The status, the time, and the first lines that hold one of some words."""
    print(f"      {name}: exit {answer.status}, {answer.cpu_s:.2f} s of CPU")
    lines = [line.strip() for line in answer.text.splitlines() if any(word in line for word in words)]
    for line in lines[:3]:
        print(f"        {line[:140]}")


if __name__ == "__main__":
    main()
