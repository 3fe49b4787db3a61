"""How fast a few fixed questions are, from release to release: measures them and keeps the rows in history.csv.

    python benchmarks/history.py 0.3.0 [--generator PATH/big_fleet.py] [--runs 3]

Each question is asked in processes of its own, as a command or as calls after a first one, and the run with the least
CPU counts: its CPU and wall-clock seconds, and the most memory of the process. Seconds of two machines do not compare,
so `ratio` is the CPU over that of a fixed piece of Python and NumPy (`reference_s`), run just before the question.
No solver is in that piece: a new version of HiGHS shows in the ratios. `load` is the load of the machine when the
question was asked; above the number of its cores the row is no figure to compare.

Rows that the version has already are replaced. Prints each row beside that of the version before it in the file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from big_fleets import drawn

import ieco_opt
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.scenario import resolve_fleet
from ieco_opt.scenario.load import load_fleet_mapping
from ieco_opt.solvers.run import Run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SMALL, LARGE = "llama-3.3-70b-h100", "deepseek-v3-nvl72"
BIG = "big fleet 20x6"
COLUMNS = ("version", "date", "question", "cpu_s", "wall_s", "memory_mb", "reference_s", "ratio", "load")

Row = dict[str, str]

# A process inherits the peak memory of the one that starts it, so a small one does.
LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
took = [used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024]
print(json.dumps(took), file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run took; ``memory_mb`` is the most of its process."""

    cpu_s: float
    wall_s: float
    memory_mb: float


def commands() -> dict[str, list[str]]:
    """Questions that are asked as whole processes, and their words on the command line."""

    def asked(command: str, name: str) -> list[str]:
        return [command, str(ROOT / "scenarios" / f"{name}.yaml"), "--quiet", "--format", "json"]

    return {
        f"frontier {SMALL}, process": asked("frontier", SMALL),
        f"frontier {LARGE}, process": asked("frontier", LARGE),
        f"solve {SMALL}, process": asked("solve", SMALL),
        "fleet fleet-six-models, process": asked("fleet", "fleet-six-models"),
    }


def calls(generator: Path | None) -> dict[str, Callable[[], Callable[[], object]]]:
    """Questions that are asked within a process: what prepares each, and then what is measured."""

    def frontier(name: str) -> Callable[[], object]:
        scenario = ieco_opt.load_scenario(ROOT / "scenarios" / f"{name}.yaml")
        return lambda: ieco_opt.frontier(scenario)

    def big_fleet() -> Callable[[], object]:
        assert generator is not None
        fleet = load_fleet_mapping(drawn(generator, 20, 6, 1, 512), max_setups=10_000_000)
        space = build_fleet_space(resolve_fleet(fleet))
        data = FleetProgramData(space.problem(space.columns()), Quantity.COST)
        return lambda: FleetPlanner(space, Run(ieco_opt.load_solver_config("fleet"))).solve(data, 1.0)

    found: dict[str, Callable[[], Callable[[], object]]] = {
        f"frontier {SMALL}, call": lambda: frontier(SMALL),
        f"frontier {LARGE}, call": lambda: frontier(LARGE),
    }
    return found if generator is None else {**found, f"{BIG}, call": big_fleet}


def reference() -> None:
    """A fixed piece of work, half of it Python's and half NumPy's: some tenths of a second."""
    numbers = np.random.default_rng(1).random(4_000_000)
    np.sort(numbers)
    np.exp(np.outer(numbers[:1_500], numbers[:1_500])).sum(axis=1)
    total: dict[int, int] = {}
    for number in range(2_000_000):
        total[number % 997] = total.get(number % 997, 0) + number


def timed(ask: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall-clock seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    ask()
    return time.process_time() - cpu, time.perf_counter() - wall


def of_process(words: list[str]) -> tuple[Spent, str]:
    """What a process took, and what it printed."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return Spent(*json.loads(done.stderr.splitlines()[-1])), done.stdout


def of_calls(question: str, options: argparse.Namespace) -> Spent:
    """What the quickest of some calls after a first one took, in a process of its own."""
    words = [sys.executable, __file__, options.version, "--call", question, "--runs", str(options.runs)]
    words += [] if options.generator is None else ["--generator", str(options.generator)]
    whole, printed = of_process(words)
    cpu_s, wall_s = min(json.loads(printed))
    return Spent(cpu_s, wall_s, whole.memory_mb)


def measured(options: argparse.Namespace) -> Iterable[Row]:
    """A row for each question."""
    of_commands = {name: [sys.executable, "-m", "ieco_opt", *words] for name, words in commands().items()}
    for question in (*calls(options.generator), *of_commands):
        load = os.getloadavg()[0]
        of_reference = min(timed(reference)[0] for _ in range(options.runs))
        if question in of_commands:
            runs = (of_process(of_commands[question])[0] for _ in range(options.runs))
            spent = min(runs, key=lambda each: each.cpu_s)
        else:
            spent = of_calls(question, options)
        figures = (spent.cpu_s, spent.wall_s, spent.memory_mb, of_reference, spent.cpu_s / of_reference, load)
        texts = (options.version, f"{datetime.now(UTC):%Y-%m-%d}", question, *(f"{each:.4g}" for each in figures))
        yield dict(zip(COLUMNS, texts, strict=True))


def main() -> None:
    """Measure, compare with the version before, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", nargs="?", default=ieco_opt.__version__, help="by default the installed one")
    parser.add_argument("--generator", type=Path, help=f"as of big_fleets.py; without it {BIG} is left out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--file", type=Path, default=HERE / "history.csv")
    parser.add_argument("--call", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call is not None:
        ask = calls(options.generator)[options.call]()
        ask()
        print(json.dumps([timed(ask) for _ in range(options.runs)]))
        return
    kept: list[Row] = []
    if options.file.exists():
        with options.file.open(encoding="utf-8", newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["version"] != options.version]
    before = {row["question"]: row for row in kept}
    print(f"{'question':40} {'CPU s':>8} {'wall s':>8} {'MB':>6} {'ratio':>8} {'load':>6}   ratio before")
    for row in measured(options):
        kept.append(row)
        other = before.get(row["question"])
        said = "" if other is None else f"{other['ratio']:>8} ({other['version']})"
        figures = (
            f"{row['cpu_s']:>8} {row['wall_s']:>8} {row['memory_mb']:>6} {row['ratio']:>8} {row['load']:>6}",
            said,
        )
        print(f"{row['question']:40}", *figures, flush=True)
    with options.file.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


if __name__ == "__main__":
    main()
