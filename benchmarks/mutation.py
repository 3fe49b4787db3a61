"""Mutation tests: wrong changes made by a machine, one at a time, and whether the tests notice.

Cosmic Ray makes the mutants, in a copy of the working tree. A package is tried with the tests that concern it, quick
ones first, until one fails, so the score is a lower bound of what the whole suite kills. Results are kept in
``--session``, and a run that was cut off goes on. Mutants that no test can tell from the program are listed in
``equivalent_mutants.yaml`` with the reason, and do not count.

    .venv/bin/python benchmarks/mutation.py --sample 40                      # of each package, some hours
    .venv/bin/python benchmarks/mutation.py --package programs --sample 0    # all mutants of one
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shlex
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cosmic_ray.commands import init
from cosmic_ray.modules import find_modules
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkItem, WorkResult

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.yaml")
COPIED = ("ieco_opt", "tests", "scenarios", "solver_configs", "docs", "examples", "benchmarks", ".ci")
LONGEST_S = 900.0
LONGEST_OF_ALL_S = 7200.0
"""Most CPU seconds for the tests that concern a package, and for all others of the default suite."""

WALL_PER_CPU = 8.0
"""So many times as long a mutant may take by the clock: on a busy machine one that ends takes several times its CPU."""

_IN_CPU_SECONDS = (
    "import os, resource, sys; longest = int(sys.argv[1]); "
    "resource.setrlimit(resource.RLIMIT_CPU, (longest, longest + 5)); os.execv(sys.argv[2], sys.argv[2:])"
)

_SWEEP = "tests/exactness/test_frontier_against_oracle.py"
_FLEETS = (
    "tests/exactness/test_fleet_rules.py",
    "tests/exactness/test_fleet_against_oracle.py",
    "tests/exactness/test_fleet_frontier.py",
)

IMPLAUSIBLE = re.compile(
    r"ReplaceBinaryOperator_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(RShift|LShift|BitOr|BitAnd|BitXor|Mod|Pow)"
    r"|ReplaceBinaryOperator_Bit\w+_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow|RShift|LShift)"
    r"|ReplaceUnaryOperator_\w+_Invert|ReplaceComparisonOperator_\w+_Is(Not)?$|ExceptionReplacer|RemoveDecorator"
)
"""Operators of Cosmic Ray that nobody would write by mistake, and that fail wherever the line is reached."""

TESTS: dict[str, tuple[str, ...]] = {
    "performance": (
        *("tests/performance", "tests/oracle_tests/test_calibrated_passes.py", "tests/calibration"),
        *("tests/design_space", "tests/programs", "tests/exactness/test_energy.py", "tests/fleet/test_instances.py"),
        *("tests/engines", "tests/comparison/test_compare.py"),
        *("tests/pareto", _SWEEP, _FLEETS[0]),
    ),
    "design_space": (
        *("tests/design_space", "tests/programs", "tests/performance", "tests/exactness/test_energy.py"),
        *("tests/engines", "tests/pareto", "tests/explanation", _SWEEP, _FLEETS[0]),
    ),
    "programs": ("tests/programs", "tests/pareto", _SWEEP),
    "pareto": (
        *("tests/pareto", "tests/performance", "tests/programs", "tests/api", "tests/cli/test_cli.py"),
        *("tests/verification", _SWEEP),
    ),
    "fleet": (
        *("tests/fleet/test_dominance.py", "tests/fleet/test_packing.py", "tests/fleet/test_why_infeasible.py"),
        "tests/fleet/test_instances.py",
        *("tests/fleet/test_sweeps.py", "tests/programs/test_stored_programs.py", "tests/api/test_prepared.py"),
        *("tests/verification/test_plans.py", "tests/verification/test_plan_sums.py"),
        *("tests/fleet/test_stopped_plans.py", *_FLEETS, "tests/exactness/test_patterns.py"),
        *("tests/exactness/test_fleet_levels.py", "tests/exactness/test_throughput.py", "tests/fleet"),
        *("tests/exactness/test_energy.py", "tests/exactness/test_alternatives.py", "tests/verification"),
    ),
    "verification": (
        *("tests/verification/test_plans.py", "tests/verification/test_consistency.py"),
        *("tests/verification/test_proofs.py", "tests/verification/test_plan_sums.py"),
        *("tests/verification/test_whole_results.py", "tests/verification/test_deployments.py", "tests/verification"),
        *("tests/cli/test_verify.py", "tests/cli/test_cli.py", "tests/results/test_codec.py"),
    ),
}
"""Tests that try each package, in the order in which they run."""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed place of a file, as the difference shows it."""

    file: str
    before: str
    after: str


def main() -> int:
    """Try mutants of each package, and print the survivors and the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", action="append", choices=sorted(TESTS), help="may be repeated; default: all")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each package; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, help="only so many of a package's tests, the quick ones; default: all")
    parser.add_argument("--rest", action="store_true", help="try survivors with all other tests of the suite as well")
    parser.add_argument("--module", help="only modules whose path holds this")
    parser.add_argument("--session", type=Path, help="folder that keeps the results; default: a temporary one")
    chosen = parser.parse_args()
    session = (chosen.session or Path(tempfile.mkdtemp(prefix="mutation-"))).resolve()
    session.mkdir(parents=True, exist_ok=True)
    equivalent = known_equivalents()
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        copy_tree(Path(folder))
        os.chdir(folder)
        os.environ["PYTHONPATH"] = folder
        for package in chosen.package or TESTS:
            with use_db(str(session / f"{package}.sqlite")) as database:
                if not database.num_work_items:
                    fill(database, package, chosen.sample, chosen.seed, chosen.module)
                first = TESTS[package][: chosen.first]
                run_pending(database, first)
                if chosen.rest:
                    run_rest(database, first, equivalent)
                report(database, package, equivalent)
    print(f"results are in {session}")
    return 0


def copy_tree(folder: Path) -> None:
    """Copy what tests need: mutants are written into the copy, and the working tree stays as it is."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith("."):
            shutil.copy(file, folder / file.name)


def fill(database: WorkDB, package: str, sample: int, seed: int, module: str | None) -> None:
    """Enter the mutants of a package, or a sample of them: places are drawn first, then one mutant of each."""
    modules = [path for path in find_modules([Path("ieco_opt") / package]) if not module or module in str(path)]
    init(modules, database, {})
    unread = {str(path): {*_annotations(path), *_guards(path)} for path in modules}
    places: dict[tuple[str, tuple[int, int]], list[WorkItem]] = defaultdict(list)
    for item in sorted(database.work_items, key=_sort_key):
        mutation = item.mutations[0]
        line, column = mutation.start_pos
        implausible = IMPLAUSIBLE.search(mutation.operator_name)
        if not implausible and (line, column) not in unread[str(mutation.module_path)]:
            places[str(mutation.module_path), mutation.start_pos].append(item)
    draw = random.Random(seed)  # noqa: S311 - a sample, not secrets
    kept = [item for items in places.values() for item in items]
    if sample:
        drawn = draw.sample(sorted(places), min(sample, len(places)))
        kept = [draw.choice(places[place]) for place in drawn]
    print(f"{package}: {len(kept)} of {sum(map(len, places.values()))} mutants", flush=True)
    database.clear()
    database.add_work_items(kept)


def _sort_key(item: WorkItem) -> tuple[object, ...]:
    mutation = item.mutations[0]
    return str(mutation.module_path), mutation.start_pos, mutation.operator_name, mutation.occurrence


def _guards(path: Path) -> Iterator[tuple[int, int]]:
    """Positions that no answer depends on.

    They are a bare star of arguments, ``strict`` of zip, and ``slots`` and ``frozen`` of records, which only refuse
    what the package never does; and whether something is imported for type checkers alone.
    """
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line == "if TYPE_CHECKING:":
            yield from ((number, column) for column in range(len(line)))
        for found in re.finditer(r"(?<=[(\s])\*(?=,|$)|(?<=strict=)True|(?<=slots=)True|(?<=frozen=)True", line):
            yield number, found.start()


def _annotations(path: Path) -> Iterator[tuple[int, int]]:
    """Positions within annotations, which nothing evaluates: changes there are no mutants."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                yield from _positions(annotation)


def _positions(node: ast.expr) -> Iterator[tuple[int, int]]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    for line in range(node.lineno, node.end_lineno + 1):
        first = node.col_offset if line == node.lineno else 0
        last = node.end_col_offset if line == node.end_lineno else 500
        yield from ((line, column) for column in range(first, last + 1))


def run_pending(database: WorkDB, tests: Sequence[str]) -> None:
    """Try each mutant that has no result yet."""
    for item in database.pending_work_items:
        run_one(database, item, tests, LONGEST_S)


def run_rest(database: WorkDB, tried: Sequence[str], equivalent: set[Change]) -> None:
    """Try survivors with every test of the default suite that they have not been tried with."""
    others = ["tests", *(f"--ignore={test}" for test in tried)]
    for item, result in database.completed_work_items:
        survived = result.test_outcome is TestOutcome.SURVIVED
        if survived and change_of(item, result) not in equivalent:
            run_one(database, item, others, LONGEST_OF_ALL_S)


def run_one(database: WorkDB, item: WorkItem, tests: Sequence[str], longest_s: float) -> None:
    """Try one mutant, keep the result and print it."""
    options = "-x -q -p no:cacheprovider --no-header --tb=line"
    limited = [sys.executable, "-c", _IN_CPU_SECONDS, str(int(longest_s)), sys.executable, "-m", "pytest"]
    command = f"{shlex.join(limited)} {options} {' '.join(tests)}"
    result = mutate_and_test(item.mutations, command, WALL_PER_CPU * longest_s)
    # The output of a whole run of tests is of no use afterwards.
    kept = WorkResult(result.worker_outcome, (result.output or "")[-2000:], result.test_outcome, result.diff)
    database.set_result(item.job_id, kept)
    changed = change_of(item, result)
    # A mutant that never ends is killed.
    late = f" after {WALL_PER_CPU * longest_s:g} s" if result.output == "timeout" else ""
    print(f"{result.test_outcome}{late}: {changed.file}: {changed.before}  ->  {changed.after}", flush=True)


def change_of(item: WorkItem, result: WorkResult) -> Change:
    """The changed line, or lines joined."""
    lines = (result.diff or "").splitlines()
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++"))
    return Change(str(item.mutations[0].module_path), before, after)


def known_equivalents() -> set[Change]:
    """Mutants that are the same program."""
    listed: Sequence[dict[str, str]] = yaml.safe_load(EQUIVALENT.read_text("utf-8")) or []
    for each in listed:
        assert each["reason"], each
    return {Change(each["file"], each["before"], each["after"]) for each in listed}


def report(database: WorkDB, package: str, equivalent: set[Change]) -> None:
    """Print what survived and the score."""
    tried = {item.job_id: (change_of(item, result), result) for item, result in database.completed_work_items}
    counted = [(change, result) for change, result in tried.values() if change not in equivalent]
    survivors = [change for change, result in counted if result.test_outcome is TestOutcome.SURVIVED]
    for change in sorted(survivors, key=lambda each: (each.file, each.before)):
        print(f"survived: {change.file}\n    - {change.before}\n    + {change.after}")
    killed, left_out = len(counted) - len(survivors), len(tried) - len(counted)
    share = 100.0 * killed / max(1, len(counted))
    print(f"{package}: {killed} of {len(counted)} killed ({share:.0f} %), {left_out} equivalent", flush=True)


if __name__ == "__main__":
    sys.exit(main())
