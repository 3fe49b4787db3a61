"""How the cost of a frontier grows with the number of segments: more precisions, accelerators, degrees, step by step.

    python benchmarks/scaling.py

Prints seconds of building the design space and of a 5 % frontier, in one process after a warm-up, and the exponent of a
least-squares line through the logarithms: at most 1 means linear or better.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

import ieco_opt
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.scenario import resolve

RUNS = 3
ACCELERATORS = ("H100-SXM", "H200-SXM", "B200-SXM", "MI300X", "MI355X", "GB200-NVL72", "H20-96GB", "A100-SXM-80GB")


def scenario(accelerators: int, precisions: int) -> ieco_opt.Scenario:
    """DeepSeek V3 on the first few accelerators and precisions."""
    return ieco_opt.Scenario(
        model="DeepSeek-V3",
        weights=["fp8", "fp4", "bf16"][:precisions],
        accelerators=list(ACCELERATORS[:accelerators]),
        workload={"context_tokens": 4000, "output_tokens": 1000},
    )


def main() -> None:
    """Measure and print."""
    ieco_opt.frontier(scenario(1, 1))
    sizes, totals = [], []
    print(" setups  segments  space s  frontier s  points")
    for accelerators, precisions in ((1, 1), (2, 1), (2, 2), (4, 2), (8, 2), (8, 3)):
        case = scenario(accelerators, precisions)
        space, total = [], []
        for _ in range(RUNS):
            start = time.perf_counter()
            design_space_of(resolve(case))
            space.append(time.perf_counter() - start)
            front = ieco_opt.frontier(case)
            total.append(front.statistics.seconds)
        counts = front.statistics.counts
        sizes.append(counts.setups)
        totals.append(statistics.median(total))
        print(
            f"{counts.setups:7}  {counts.segments:7}  {statistics.median(space):7.3f}  "
            f"{totals[-1]:10.3f}  {len(front):6}",
            flush=True,
        )
    exponent = np.polyfit(np.log(sizes), np.log(totals), 1)[0]
    print(f"seconds grow as setups^{exponent:.2f}")


if __name__ == "__main__":
    main()
