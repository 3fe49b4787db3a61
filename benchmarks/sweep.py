"""How much faster a sweep is with two processes than with one, and what a kill in its middle costs.

    python benchmarks/sweep.py

Runs a sweep of 500 scenarios three times, each in a command of its own: in one process, in two, and in two with the
whole command killed (SIGKILL) once half of the points are kept, and started again. Prints the wall seconds of each and
their ratio, and compares the tables, which are the same to the byte. The machine should have two idle cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 0.6
"""Ratio of wall seconds, two processes to one, up to which the second is worth having."""

SCENARIO = """\
version: 2
kind: deployment
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
engine: vllm
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {tensor_parallel: [1, 2, 4, 8], pipeline_parallel: [1], batch: [1, 8, 64]}
"""


def command(points: int, processes: int, out: str) -> list[str]:
    """The sweep as it is typed."""
    contexts = ",".join(str(1000 + 10 * number) for number in range(points // 2))
    over = ["--over", f"workload.context_tokens={contexts}", "--over", "accelerators=[H100],[H200]"]
    words = ["sweep", "scenario.yaml", *over, "--processes", str(processes), "--out", out, "--quiet"]
    return [sys.executable, "-m", "ieco_opt", *words]


def timed(words: list[str], folder: Path) -> float:
    """Wall seconds of a command that has to succeed."""
    began = time.perf_counter()
    subprocess.run(words, cwd=folder, env=environment(), check=True)
    return time.perf_counter() - began


def killed_in_the_middle(words: list[str], folder: Path, journal: Path, points: int) -> tuple[float, int]:
    """Kill a command once half of its points are kept: wall seconds until then, and how many were."""
    began = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, env=environment())
    while process.poll() is None and kept(journal) < points // 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.perf_counter() - began, kept(journal)


def kept(journal: Path) -> int:
    """Points that a journal holds."""
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def environment() -> dict[str, str]:
    """That of this process, with this checkout."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def main() -> None:
    """Measure, compare and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--points", type=int, default=500, help="points of the sweep (an even number)")
    points = arguments.parse_args().points
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
        one = timed(command(points, 1, "one.csv"), folder)
        print(f"{points} points in one process: {one:.1f} s ({one / points:.3f} s a point)", flush=True)
        two = timed(command(points, 2, "two.csv"), folder)
        ratio = two / one
        print(f"in two processes: {two:.1f} s, {ratio:.2f} of that (asked: at most {ENOUGH})", flush=True)
        words = command(points, 2, "cut.csv")
        until, done = killed_in_the_middle(words, folder, folder / "cut.csv.journal", points)
        rest = timed(words, folder)
        print(f"killed after {until:.1f} s with {done} points kept; the same command did the rest in {rest:.1f} s")
        tables = {(folder / f"{each}.csv").read_bytes() for each in ("one", "two", "cut")}
        print("the three tables are the same to the byte" if len(tables) == 1 else "THE TABLES DIFFER")
    sys.exit(0 if len(tables) == 1 and ratio <= ENOUGH else 1)


if __name__ == "__main__":
    main()
