"""Examples at the end of every ``--help``; tests run those that are cheap and read all the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Example:
    """A command line, and what it is for.

    Attributes
    ----------
    what
        What it answers, in a few words.
    line
        What is typed.
    cheap
        Whether it runs in seconds on what is shipped.
    after
        What has to run before, since it writes what the line reads.
    """

    what: str
    line: str
    cheap: bool = True
    after: str | None = None


_WIDEST = 70
"""Columns of an example's line: more would be broken by a terminal of 80."""

_FRONT = "ieco-opt frontier scenarios/llama-3.3-70b-h100.yaml --out front.json"
_PLAN = "ieco-opt fleet scenarios/fleet-chat-and-code.yaml --out plan.json"
_BEST = "ieco-opt solve scenarios/gpt-oss-120b.yaml --out best.json"

_QUESTION = "ieco-opt plan Llama-3.1-70B --gpus 32xH200 --isl 4k --osl 1k --tpot 30ms"

EXAMPLES: Mapping[str, tuple[Example, ...]] = {
    "": (
        Example("the most 32 H200 can serve", _QUESTION, cheap=False),
        Example("how fast for what price", _FRONT, cheap=False),
    ),
    "alternatives": (
        Example(
            "cards and layouts that cost 2 % more at most",
            "ieco-opt alternatives scenarios/llama-3.3-70b-accelerators.yaml --within 2%",
        ),
        Example(
            "each server once, for a spreadsheet",
            "ieco-opt alternatives scenarios/gpt-oss-120b.yaml --differ engine --within 50% --format csv",
        ),
    ),
    "calibrate": (
        Example("a profile from a table of runs", "ieco-opt calibrate measured.csv --out mine.yaml", cheap=False),
        Example(
            "from results of vllm bench serve",
            "ieco-opt calibrate bench.json --model Llama-3.3-70B --accelerator H100 --out mine.yaml",
            cheap=False,
        ),
    ),
    "catalog": (
        Example("accelerators with their peaks and prices", "ieco-opt catalog list accelerators"),
        Example("every figure of one, with its source", "ieco-opt catalog show H100"),
    ),
    "catalog list": (
        Example("all models", "ieco-opt catalog list models"),
        Example("accelerators for a spreadsheet", "ieco-opt catalog list accelerators --format csv"),
    ),
    "catalog show": (
        Example("a model with the source of each figure", "ieco-opt catalog show Llama-3.3-70B"),
        Example("what a config.json is read as", "ieco-opt catalog show my-model/config.json", cheap=False),
    ),
    "compare": (
        Example(
            "how much a rule of thumb misses",
            "ieco-opt compare scenarios/gpt-oss-120b.yaml --heuristic rule-of-thumb --delta 0.3",
        ),
        Example(
            "all heuristics, drawn",
            "ieco-opt compare scenarios/llama-3.3-70b-h100.yaml --plot missed.png",
            cheap=False,
        ),
    ),
    "completion": (
        Example("in this shell, if it is bash", 'eval "$(ieco-opt completion bash)"'),
        Example("in every fish", "ieco-opt completion fish > ~/.config/fish/completions/ieco-opt.fish", cheap=False),
    ),
    "diff": (
        Example("two plans", "ieco-opt diff plan/ cheaper/", cheap=False),
        Example("for a script", "ieco-opt diff best.json best.json --format json", after=_BEST),
    ),
    "evaluate": (
        Example("times of configurations of your own", "ieco-opt evaluate points.csv", cheap=False),
        Example(
            "by the paper, to a file", "ieco-opt evaluate points.csv --fidelity paper --out times.csv", cheap=False
        ),
    ),
    "explain": (
        Example("what binds in a plan", "ieco-opt explain plan.json", cheap=False, after=_PLAN),
        Example(
            "why not this one",
            "ieco-opt explain scenarios/mixtral-8x22b-budget.yaml --configuration TP8,DP1,PP1,B64",
        ),
    ),
    "export": (
        Example("the program, to read or to solve", "ieco-opt export scenarios/gpt-oss-120b.yaml --out program.lp"),
        Example("that of a fleet", "ieco-opt export scenarios/fleet-chat-and-code.yaml --out fleet.mps"),
    ),
    "fleet": (
        Example("what runs where", "ieco-opt fleet scenarios/fleet-chat-and-code.yaml --plot plan.png"),
        Example(
            "TPOT and traffic changed, to a file",
            "ieco-opt fleet scenarios/fleet-chat-and-code.yaml --set limits.tpot_ms=30 "
            "--set workloads.chat.requests_per_s=60 --out plan.json",
        ),
    ),
    "frontier": (
        Example("drawn and kept", f"{_FRONT} --plot front.png", cheap=False),
        Example(
            "of two cards, coarser",
            "ieco-opt frontier scenarios/gpt-oss-120b.yaml --set accelerators=H100,H200 --delta 0.2",
        ),
    ),
    "import": (
        Example(
            "plan better over what AIConfigurator found",
            "ieco-opt import aic results/ --gpus 32xH200 | ieco-opt fleet -",
            cheap=False,
        ),
        Example(
            "a table of benchmarks",
            'ieco-opt import csv runs.csv --map tp=gpus --map "tput/gpu=throughput_tokens_per_s_per_gpu" '
            "--with accelerator=H200 --out points.csv",
            cheap=False,
        ),
    ),
    "import aic": (
        Example(
            "its recommendation against a proven plan",
            "ieco-opt import aic results/ --gpus 32xH200 --out aic.yaml",
            cheap=False,
        ),
        Example(
            "another demand, tighter limits",
            "ieco-opt import aic results/ --gpus 64xH200@2.5 --rate 20 --tpot 25ms --out aic.yaml",
            cheap=False,
        ),
    ),
    "import csv": (
        Example(
            "a table with tokens/s of a GPU",
            'ieco-opt import csv runs.csv --map tp=gpus --map "tput/gpu=throughput_tokens_per_s_per_gpu" '
            "--map tpot=tpot_s --with accelerator=H200 --out points.csv",
            cheap=False,
        ),
        Example(
            "rows of one precision, and the fleet over them",
            "ieco-opt import csv runs.csv --map gpu=accelerator --map n=gpus --map tput=throughput "
            "--where precision=fp8 --gpus 32xH200 --isl 1000 --osl 1000 --rate 20 --out fleet.yaml",
            cheap=False,
        ),
    ),
    "launch": (
        Example("the best, on its server", "ieco-opt launch best.json", after=_BEST),
        Example("a plan as Kubernetes manifests", "ieco-opt launch plan.json --format k8s > k8s.yaml", after=_PLAN),
    ),
    "migrate": (
        Example("in place", "ieco-opt migrate my-scenario.yaml", cheap=False),
        Example("to another file", "ieco-opt migrate old.yaml --out new.yaml", cheap=False),
    ),
    "probe": (
        Example("this machine as a card of the catalog", "ieco-opt probe --out card.yaml", cheap=False),
        Example(
            "decode steps of a model, to calibrate by",
            "ieco-opt probe --decode Llama-3.1-8B --out rows.csv",
            cheap=False,
        ),
    ),
    "report": (
        Example("a saved frontier as a page", "ieco-opt report front.json --out report.html", cheap=False),
        Example(
            "beside a scenario, which is solved first",
            "ieco-opt report front.json scenarios/gpt-oss-120b.yaml --out both.html",
            cheap=False,
        ),
    ),
    "schema": (
        Example("for editors that check while you type", "ieco-opt schema --kind fleet > fleet.schema.json"),
        Example("of all saved results", "ieco-opt schema --kind result"),
    ),
    "solve": (
        Example(
            "the fastest below $1 for a million tokens",
            "ieco-opt solve scenarios/mixtral-8x22b-budget.yaml --set limits.max_cost=1",
        ),
        Example(
            "the cheapest with TPOT of 10 ms",
            "ieco-opt solve scenarios/gpt-oss-120b.yaml --objective cheapest --set limits.tpot_ms=10",
        ),
    ),
    "sweep": (
        Example(
            "two cards and two contexts",
            "ieco-opt sweep scenarios/mixtral-8x22b-budget.yaml --over accelerators=[H100],[H200] "
            "--over workload.context_tokens=1k,4k --out sweep.csv",
        ),
        Example(
            "a fleet, one point a row of a table",
            "ieco-opt sweep scenarios/fleet-chat-and-code.yaml --rows demands.csv --out plans.parquet",
            cheap=False,
        ),
    ),
    "terms": (
        Example("a word", "ieco-opt terms TTFT"),
        Example("a server's flag", "ieco-opt terms --max-num-seqs"),
    ),
    "plan": (
        Example("the most these GPUs can serve", _QUESTION),
        Example(
            "the fewest for a rate, and a folder with everything",
            "ieco-opt plan gpt-oss-120b --gpus 64xMI300X@1.4 --isl 2k --osl 500 --rate 600/min --min gpus --save plan",
            cheap=False,
        ),
    ),
    "validate": (
        Example("how far off the model is", "ieco-opt validate measured.csv", cheap=False),
        Example(
            "each row, drawn and kept", "ieco-opt validate measured.csv --plot off.png --out rows.csv", cheap=False
        ),
    ),
    "verify": (
        Example("a saved plan", "ieco-opt verify plan.json", after=_PLAN),
        Example("in scripts, by the exit status", "ieco-opt verify best.json --quiet", after=_BEST),
    ),
}
"""Two of each command; of a group also of its commands, by both names."""


def epilog(name: str) -> str:
    """The examples of a command as the end of its help, each on a line of its own; nothing where it has none."""
    examples = EXAMPLES.get(name, ())
    lines = [line for example in examples for line in (f"# {example.what}", *_broken(example.line))]
    # The mark of click that keeps the lines as they are.
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)]) if lines else ""


def _broken(line: str) -> list[str]:
    """A line as a shell reads it over several, none of them wider than a narrow terminal."""
    lines = [""]
    for part in re.split(r" (?=--|\|)", line):
        if lines[-1] and len(lines[-1]) + len(part) > _WIDEST:
            lines[-1] += " \\"
            lines.append(f"  {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return lines


def with_examples(command: click.Command, name: str) -> click.Command:
    """Put the examples at the end of the help of a command, and of those that it groups."""
    command.epilog = epilog(name)
    for inner, each in command.commands.items() if isinstance(command, click.Group) else ():
        with_examples(each, f"{name} {inner}")
    return command
