"""The answers of every shipped scenario as numbers: saved before a change, compared with those after it.

`save` runs the command line of a checkout on all of its scenarios and keeps every answer as the JSON that it wrote.
`diff` reads two such folders and reports every number that differs by more than 1e-12 of itself, every word that
differs and everything that is gone; it ends with status 1 then. `--only` asks some of the questions.

    python benchmarks/answers.py save /tmp/before --checkout /path/to/clone
    python benchmarks/answers.py save /tmp/after
    python benchmarks/answers.py diff /tmp/before /tmp/after
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeGuard

Value = float | str | bool | None
Mapped = dict[str, Any]

TOLERANCE = 1e-12
"""Numbers may differ by this share of the larger one."""

TIMEOUT_S = 120.0
INDEX = "index.json"  # Beside the answers: the command, exit status and seconds of each.

# What is asked. Names of options are those of `ieco-opt COMMAND --help`.

DEPLOYMENT_QUESTIONS: dict[str, tuple[str, ...]] = {
    "frontier": ("frontier",),
    "sample": ("frontier", "--points", "20"),
    "complete": ("frontier", "--complete"),
    **{f"solve-{best}": ("solve", "--objective", best) for best in ("fastest", "cheapest", "preferred")},
    **{f"explain-{best}": ("explain", "--objective", best) for best in ("fastest", "cheapest")},
    "explain-infeasible": ("explain", "--set", "limits.min_speed=1e6"),
    "compare": ("compare", "--resolution", "20", "--budget", "300"),
}
FLEET_QUESTIONS: dict[str, tuple[str, ...]] = {
    # The objective is set in the scenario, because one that asks for a frontier would be answered by that instead.
    **{f"fleet-{best}": ("fleet", "--set", f"objective={best}") for best in ("cost", "power", "gpus", "throughput")},
    **{
        f"fleet-frontier-{against}": ("fleet", "--frontier", against)
        for against in ("speed", "power", "gpus", "throughput")
    },
}
_LENGTHS = ("--isl", "1k", "--osl", "200", "--brief")
LINES: dict[str, tuple[str, ...]] = {
    "line.most": ("plan", "Llama-3.3-70B", "--gpus", "16xH100", *_LENGTHS, "--tpot", "30ms"),
    "line.least": ("plan", "Llama-3.3-70B", "--gpus", "16xH200", *_LENGTHS, "--rate", "10", "--min", "gpus"),
}
"""Questions that need no scenario."""

LEFT_OUT = ("paper-*.complete", "deepseek-v3-nvl72.complete", "gpt-oss-120b.complete")
"""Scenarios and questions that take more than 25 s of CPU each."""

# What is compared. A path is the keys that lead to an entry, without positions in lists: `plans.pools.usd_per_hour`.

IGNORED: dict[str, str] = {
    **dict.fromkeys(("format", "format_version", "versions"), "says what wrote the file, not what the answer is"),
    **dict.fromkeys(("scenario", "resolved"), "was asked, as the command that is run says"),
    **dict.fromkeys(("notes", "heuristics.proposals.reasons.text"), "is a sentence, and wording may change"),
    **{
        f"statistics.{part}{name}": "timing"
        for part in ("", "exact.")
        for name in ("seconds", "solver_seconds", "step_seconds")
    },
    **dict.fromkeys(("statistics.heuristic_seconds", "heuristics.seconds"), "timing"),
}
"""Path of what is not compared: why."""

COUNTS = {"rejected"}
"""Mappings from a sentence to a number; the wording may change, so that only the sorted numbers are compared."""


@dataclass
class Tally:
    """What a comparison of two folders has seen."""

    answers: int = 0
    numbers: int = 0
    words: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    added: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def main() -> int:
    options = parsed_options()
    if options.command == "save":
        return save(options.folder, os.path.abspath(options.python), options.checkout.resolve(), options.only)
    return diff(options.before, options.after, brief=options.brief)


# Saving


def save(folder: Path, python: str, checkout: Path, only: str) -> int:
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    how: Mapped = {"cwd": checkout, "env": environment, "capture_output": True, "text": True}
    where = [python, "-c", "import ieco_opt; print(ieco_opt.__file__)"]
    package = subprocess.run(where, check=True, **how).stdout
    if not Path(package.strip()).resolve().is_relative_to(checkout):
        sys.exit(f"{python} imports {package.strip()}, which is not of {checkout}")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty")
    index: dict[str, Mapped] = {}
    start = time.perf_counter()
    for question, arguments in questions(checkout):
        if not fnmatch(question, only):
            continue
        name = f"{question}.json"
        asked = [*arguments, "--quiet"]
        command = [python, "-m", "ieco_opt", *asked, "--out", str(folder.resolve() / name)]
        status, said, began = None, f"took more than {TIMEOUT_S:.0f} s", time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            run = subprocess.run(command, check=False, timeout=TIMEOUT_S, **how)
            status, said = run.returncode, run.stderr.strip()
        seconds = round(time.perf_counter() - began, 2)
        index[name] = {"command": asked, "exit_status": status, "said": said, "seconds": seconds}
        print(f"{seconds:7.2f} s  status {status}  {name}  {said}", flush=True)
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    if not index:
        sys.exit(f"no question is like {only}, expected such as 'paper-gpt-4.*'")
    failed = [name for name, entry in index.items() if entry["exit_status"] != 0]
    seconds = time.perf_counter() - start
    print(f"{len(index) - len(failed)} of {len(index)} answers saved to {folder} in {seconds:.0f} s; without: {failed}")
    return 1 if failed else 0


def questions(checkout: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names and commands: every scenario with every question that goes with its kind, and those of a line."""
    for scenario in sorted((checkout / "scenarios").glob("*.yaml")):
        is_fleet = re.search(r"^kind: *fleet\b", scenario.read_text(encoding="utf-8"), re.MULTILINE)
        for question, (command, *options) in (FLEET_QUESTIONS if is_fleet else DEPLOYMENT_QUESTIONS).items():
            name = f"{scenario.stem}.{question}"
            if not any(fnmatch(name, pattern) for pattern in LEFT_OUT):
                yield name, (command, f"scenarios/{scenario.name}", *options)
    yield from LINES.items()


# Comparing


def diff(before: Path, after: Path, *, brief: bool) -> int:
    tally = Tally()
    old_index, new_index = (json.loads((folder / INDEX).read_text(encoding="utf-8")) for folder in (before, after))
    for name, entry in old_index.items():
        faults = list(differences(name, entry, before, after, new_index, tally))
        tally.answers += 1
        tally.differences.update(path for path, _ in faults)
        if not brief:
            print(*(f"{name}: {text}" for _, text in faults), sep="\n", end="\n" if faults else "")
    for path, count in tally.differences.most_common():
        print(f"{count} differences of {path}")
    if tally.added:
        print("only in the later answers, and not compared:", ", ".join(sorted(tally.added)))
    # A fleet looks for what a cheaper plan would violate for ten seconds, and a note names what it did not get to.
    print(*tally.notes, sep="\n", end="\n" if tally.notes else "")
    wrong = tally.differences.total()
    print(f"{tally.answers} answers, {tally.numbers} numbers and {tally.words} words compared: {wrong} differences")
    return 1 if wrong or not tally.numbers else 0


def differences(
    name: str, entry: Mapped, before: Path, after: Path, new_index: Mapped, tally: Tally
) -> Iterator[tuple[str, str]]:
    """Path and text of everything in which an answer differs from the earlier one."""
    later = new_index.get(name)
    if later is None or later["exit_status"] != entry["exit_status"]:
        found = "not asked" if later is None else f"status {later['exit_status']}: {later['said']}"
        yield "exit_status", f"was answered with status {entry['exit_status']}, now {found}"
    files = before / name, after / name
    if not all(file.exists() for file in files):
        yield from [("file", "the answer is missing")] if files[0].exists() else []
        return
    answers = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    formats = [answer["format_version"] for answer in answers]
    if len(set(formats)) > 1:
        yield "format_version", f"the format of files was {formats[0]} and is {formats[1]}, which cannot be compared"
        return
    old, new = (dict(values(answer)) for answer in answers)
    earlier, notes = (answer.get("notes") or [] for answer in answers)
    tally.notes += [f"{name} has a new note: {note}" for note in notes if note not in earlier]
    for key, value in old.items():
        tally.numbers += is_number(value)
        tally.words += isinstance(value, str | bool)
        if not same(value, new.get(key)):
            gone = "" if key in new else " (no such name)"
            yield without_positions(key), f"{key}: {value!r} became {new.get(key)!r}{gone}"
    tally.added.update(without_positions(key) for key in new.keys() - old.keys())


def same(old: Value, new: Value) -> bool:
    """Whether two values agree: numbers to the tolerance, everything else exactly."""
    if is_number(old) and is_number(new):
        return old == new or abs(old - new) <= TOLERANCE * max(abs(old), abs(new))
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_positions(name: str) -> str:
    return re.sub(r"\[[^]]*\]", "", name)


def values(value: Any, name: str = "") -> Iterator[tuple[str, Value]]:
    """Names and values of an answer; what is null or an empty list is as good as left out."""
    path = without_positions(name)
    if path in IGNORED:
        return
    if isinstance(value, Mapping):
        if path.rpartition(".")[2] in COUNTS:
            value = sorted(value.values())
        else:
            for key, entry in value.items():
                yield from values(entry, f"{name}.{key}".lstrip("."))
            return
    if isinstance(value, list):
        yield f"{name}.length", len(value) or None
        for position, entry in enumerate(value):
            yield from values(entry, f"{name}[{position}]")
    else:
        yield name, value


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("save", help="run the command line on every scenario")
    saving.add_argument("folder", type=Path, help="where the answers go; must be new or empty")
    saving.add_argument("--python", default=sys.executable, help="interpreter with all dependencies (default: this)")
    here = Path(__file__).resolve().parent.parent
    saving.add_argument("--checkout", type=Path, default=here, help="whose code and scenarios (default: this clone)")
    saving.add_argument("--only", default="*", help="questions that are like this: 'SCENARIO.QUESTION', with * for any")
    comparing = commands.add_parser("diff", help="compare two saved folders")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--brief", action="store_true", help="only count the differences of each name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
