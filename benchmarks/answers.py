"""The answers of every shipped scenario as numbers: saved before a change, compared with those after it.

`save` runs the command line of a checkout on all of its scenarios and keeps every answer as the JSON that it wrote.
`diff` reads two such folders, brings both formats of result files to the same names, and reports every number that
differs by more than 1e-12 of itself, every word that differs and everything that is gone; it ends with status 1 then.

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
    **{f"fleet-{least}": ("fleet", "--set", f"objective={least}") for least in ("cost", "power", "gpus")},
    **{f"fleet-frontier-{against}": ("fleet", "--frontier", against) for against in ("speed", "power", "gpus")},
}
LEFT_OUT = ("paper-*.complete", "deepseek-v3-nvl72.complete", "gpt-oss-120b.complete")
"""Scenarios and questions that take more than 25 s of CPU each."""

# How both formats come to the same names. A path is the keys that lead to an entry, by their names of format 1,
# without positions in lists: `plans.pools.stock_gpus`. Extend these tables where a format renames what it still says.

RENAMED: dict[str, str] = {
    "segments": "regimes",
    "columns": "kinds",
    "columns_in_program": "kinds_in_program",
    "infeasible_subset": "clash",
    "instance_type": "kind",
    "capacity_gpus": "stock_gpus",
    "allocated_gpus": "rented_gpus",
}
"""Later key, at any depth or with the path to its mapping before it: key of format 1."""

RENAMED_WORDS: dict[str, str] = {"launch overhead": "kernel", "compute": "arithmetic"}
"""Word of a later format: word of format 1, wherever it is a value."""

HOISTED = {"deployment", "census", "statistics"}
"""Keys of mappings whose entries count as those of the mapping they are in."""

COUNTS = {"rejected"}
"""Mappings from a sentence to a number; the wording may change, so that only the sorted numbers are compared."""

MULTISETS: dict[str, tuple[str, ...]] = {"plans.nodes": ("pool", "node_gpus", "workload", "phase", "gpus")}
"""Lists of mappings in any order, compared by how often each combination of these entries occurs."""

IGNORED: dict[str, str] = {
    **dict.fromkeys(("format", "format_version", "versions"), "says what wrote the file, not what the answer is"),
    **dict.fromkeys(("scenario", "resolved", "question"), "was asked, as the command that is run says"),
    **dict.fromkeys(("notes", "heuristics.points.reasons"), "is a sentence, and wording may change"),
    "plans.instances.kind": "embeds the layout in words; the columns of the layout are compared",
    **dict.fromkeys(("seconds", "solver_seconds", "step_seconds", "exact.seconds", "heuristics.seconds"), "timing"),
}
"""Path of what is not compared: why."""


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
        return save(options.folder, os.path.abspath(options.python), options.checkout.resolve())
    return diff(options.before, options.after, brief=options.brief)


# Saving


def save(folder: Path, python: str, checkout: Path) -> int:
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
    for scenario, question, arguments in questions(checkout):
        name = f"{scenario.stem}.{question}.json"
        asked = [arguments[0], f"scenarios/{scenario.name}", *arguments[1:], "--quiet"]
        command = [python, "-m", "ieco_opt", *asked, "--out", str(folder.resolve() / name)]
        status, said, began = None, f"took more than {TIMEOUT_S:.0f} s", time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            run = subprocess.run(command, check=False, timeout=TIMEOUT_S, **how)
            status, said = run.returncode, run.stderr.strip()
        seconds = round(time.perf_counter() - began, 2)
        index[name] = {"command": asked, "exit_status": status, "said": said, "seconds": seconds}
        print(f"{seconds:7.2f} s  status {status}  {name}  {said}", flush=True)
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    failed = [name for name, entry in index.items() if entry["exit_status"] != 0]
    seconds = time.perf_counter() - start
    print(f"{len(index) - len(failed)} of {len(index)} answers saved to {folder} in {seconds:.0f} s; without: {failed}")
    return 1 if failed else 0


def questions(checkout: Path) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Every scenario with every question that goes with its kind."""
    for scenario in sorted((checkout / "scenarios").glob("*.yaml")):
        is_fleet = re.search(r"^kind: *fleet\b", scenario.read_text(encoding="utf-8"), re.MULTILINE)
        for question, arguments in (FLEET_QUESTIONS if is_fleet else DEPLOYMENT_QUESTIONS).items():
            if not any(fnmatch(f"{scenario.stem}.{question}", pattern) for pattern in LEFT_OUT):
                yield scenario, question, arguments


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
    old, new = map(normalised, answers)
    earlier, notes = (answer.get("notes") or [] for answer in answers)
    tally.notes += [f"{name} has a new note: {note}" for note in notes if note not in earlier]
    used = set()
    for key, value in old.items():
        tally.numbers += is_number(value)
        tally.words += isinstance(value, str | bool)
        used.add(key)
        if not same(value, new.get(key)):
            gone = "" if key in new else " (no such name)"
            yield without_positions(key), f"{key}: {value!r} became {new.get(key)!r}{gone}"
    tally.added.update(without_positions(key) for key in new.keys() - used)


def same(old: Value, new: Value) -> bool:
    """Whether two values agree: numbers to the tolerance, everything else exactly."""
    if is_number(old) and is_number(new):
        return old == new or abs(old - new) <= TOLERANCE * max(abs(old), abs(new))
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_positions(name: str) -> str:
    return re.sub(r"\[[^]]*\]", "", name)


# Both formats by the same names


def normalised(answer: Mapped) -> dict[str, Value]:
    """Names and values of an answer in either format; what is null or empty is as good as left out."""
    version = answer["format_version"]
    return dict(_values(answer if version == 1 else _shaped_as_before(answer), "", version))


def _shaped_as_before(answer: Mapped) -> Mapped:
    """An answer of format 2 with its parts where format 1 had them; names are those of format 2."""
    shaped = {key: value for key, value in answer.items() if key not in ("guarantee", "status", "deployments")}
    guarantee, statistics = dict(answer["guarantee"]), dict(answer["statistics"])
    claimed = {"claim": guarantee.pop("kind"), **guarantee}
    kind = answer["question"]["kind"]
    if kind == "explain":
        binding = [limit["limit"] for limit in answer["limits"] if limit["binds"]]
        chosen = answer["deployments"][0] if answer["deployments"] else None
        asked = {key: answer["question"][key] for key in ("objective", "preference")}
        return shaped | asked | {"chosen": chosen, "binding": binding, "feasible": answer["infeasible_subset"] is None}
    if kind == "compare":
        heuristics = [_heuristic_as_before(each) for each in answer["heuristics"]]
        del shaped["statistics"]
        return shaped | {"exact": claimed | {"deployments": answer["deployments"]}, "heuristics": heuristics}
    shaped |= claimed | {"census": statistics.pop("counts", None), "statistics": statistics}
    points = {} if "plans" in answer else {"deployments": answer["deployments"]}
    return shaped | points | {"preference": answer["question"]["preference"]}


def _heuristic_as_before(heuristic: Mapped) -> Mapped:
    """The summary that format 1 kept of a heuristic, counted again from its proposals."""
    proposals = heuristic["proposals"]
    reasons = [[reason["obstacle"] for reason in each["reasons"]] for each in proposals]
    obstacles = {"fractional": "fractional", "not_offered": "not offered"}
    obstacles |= {"memory_exceeded": "memory", "limit_missed": "limit"}
    excesses = [reason["excess"] for each in proposals for reason in each["reasons"] if reason["obstacle"] == "memory"]
    summary = {key: heuristic[key] for key in heuristic if key not in ("proposals", "name", "share_found")}
    for regret in ("cost_regret", "speed_regret"):
        found = summary.pop(regret)
        summary |= {f"{regret}_min": found["least"]} | {f"{regret}_{each}": found[each] for each in ("median", "worst")}
        summary[f"{regret}_worst_at_speed_tokens_per_s"] = found["worst_speed"]
        summary[f"{regret}_worst_at_cost_usd_per_mtok"] = found["worst_cost"]
    return summary | {
        "heuristic": heuristic["name"],
        "share_of_frontier_found": heuristic["share_found"],
        "proposals": len(proposals),
        "deployable": sum(not each for each in reasons),
        "undominated": sum(each["nondominated"] for each in proposals),
        "memory_excess_worst": max(excesses, default=None),
        **{key: sum(word in each for each in reasons) for key, word in obstacles.items()},
        "points": [
            {key: value for key, value in each.items() if key != "nondominated"}
            | {"deployable": not each["reasons"], "heuristic": heuristic["name"]}
            for each in proposals
        ],
    }


def _values(value: Any, name: str, version: int) -> Iterator[tuple[str, Value]]:
    path = without_positions(name)
    if isinstance(value, Mapping):
        for key, entry in _entries(value, path, version).items():
            yield from _values(entry, f"{name}.{key}".lstrip("."), version)
    elif isinstance(value, list):
        yield f"{name}.length", len(value) or None
        if path in MULTISETS:
            rows = (_entries(row, path, version) for row in value)
            combinations = Counter(", ".join(str(row.get(key)) for key in MULTISETS[path]) for row in rows)
            yield from ((f"{name}[{combination}]", count) for combination, count in combinations.items())
            return
        for position, entry in enumerate(value):
            yield from _values(entry, f"{name}[{position}]", version)
    else:
        yield name, _word(value) if isinstance(value, str) else value


def _word(value: str) -> str:
    """A word as format 1 says it; requirements of pools begin with one, too."""
    return RENAMED_WORDS.get(value, re.sub("^capacity of ", "stock of ", value))


def _entries(values: Mapping[str, Any], path: str, version: int) -> Mapped:
    """Entries of a mapping under the names of format 1, but for the degrees."""
    found: Mapped = {}
    for written, entry in values.items():
        key = RENAMED.get(f"{path}.{written}", RENAMED.get(written, written))
        if written in HOISTED and isinstance(entry, Mapping):
            _add(found, _entries(entry, path, version))
        elif f"{path}.{key}".lstrip(".") not in IGNORED:
            _add(found, {key: sorted(entry.values()) if key in COUNTS and isinstance(entry, Mapping) else entry})
    if version == 1:
        for prefix in ("", "draft_"):
            _tell_ranks_apart(found, prefix)
    return found


def _add(found: Mapped, entries: Mapped) -> None:
    for key, entry in entries.items():
        if key in found and found[key] != entry:
            raise ValueError(f"two entries are called {key!r}; give one of them a name of its own in RENAMED")
        found[key] = entry


def _tell_ranks_apart(row: Mapped, prefix: str) -> None:
    """Name the ranks of a stage as later formats do, where `tensor_parallel` is those of one attention group."""
    stage, tensor, groups = (
        f"{prefix}{name}" for name in ("stage_ranks", "tensor_parallel", "attention_data_parallel")
    )
    if stage not in row and row.get(tensor) is not None and row.get(groups) is not None:
        row[stage], row[tensor] = row[tensor], row[tensor] / row[groups]


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("save", help="run the command line on every scenario")
    saving.add_argument("folder", type=Path, help="where the answers go; must be new or empty")
    saving.add_argument("--python", default=sys.executable, help="interpreter with all dependencies (default: this)")
    here = Path(__file__).resolve().parent.parent
    saving.add_argument("--checkout", type=Path, default=here, help="whose code and scenarios (default: this clone)")
    comparing = commands.add_parser("diff", help="compare two saved folders")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--brief", action="store_true", help="only count the differences of each name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
