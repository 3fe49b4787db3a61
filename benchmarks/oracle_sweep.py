"""Thousands of random small scenarios, every answer of the library against the oracle's plain enumeration.

Prints what differs, with a scenario file that reproduces it, and ends with status 1 if anything does.

    python benchmarks/oracle_sweep.py --count 2000 --seed 0
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from exactness.test_frontier_against_oracle import mismatches, random_questions
from random_scenarios import numbered_or_refused

REPORT_EVERY = 50


def main() -> int:
    options = parsed_options()
    start = time.perf_counter()
    wrong: list[int] = []
    for done, number in enumerate(range(options.seed, options.seed + options.count)):
        case, rng = numbered_or_refused(number)
        asked = random_questions(rng)
        try:
            faults = list(mismatches(case, asked))
        except Exception:  # A crash is a finding too, and the sweep goes on.
            faults = [traceback.format_exc()]
        if faults:
            wrong.append(number)
            print(f"seed {number}, {asked}", *faults, case.to_yaml(), sep="\n", flush=True)
        if (done + 1) % REPORT_EVERY == 0:
            seconds = time.perf_counter() - start
            print(f"{done + 1} of {options.count} scenarios, {len(wrong)} wrong, {seconds:.0f} s", flush=True)
    seconds = time.perf_counter() - start
    print(f"{options.count} scenarios from seed {options.seed}: {len(wrong)} wrong {wrong}, {seconds:.0f} s")
    return 1 if wrong else 0


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="scenarios to draw (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first one; the others follow (default: 0)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
