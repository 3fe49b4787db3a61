"""Embed the solver in a planning loop over prices and speeds.

python examples/planning_loop.py
"""

from __future__ import annotations

import ieco_opt

SCENARIO = ieco_opt.Scenario(
    version=2,
    name="h100-or-mi300x",
    model="Llama-3.3-70B",
    weights=["fp8"],
    accelerators=["H100-SXM", {"like": "MI300X", "name": "my-MI300X"}],
    workload={"context_tokens": 2000, "output_tokens": 500},
    design_space={"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1], "batch": {"max": 512}},
)


def main() -> None:
    """Print the cheapest deployment for a few speeds and prices."""
    prepared = ieco_opt.prepare(SCENARIO)
    for min_speed in (30.0, 60.0, 120.0):
        for price in (2.2, 1.8, 1.4, 1.0):
            try:
                best = prepared.solve(objective="cheapest", min_speed=min_speed, prices={"my-MI300X": price})
            except ieco_opt.InfeasibleError as error:
                print(f"{min_speed:5.0f} tokens/s, MI300X at ${price}: {error}")
                continue
            print(
                f"{min_speed:5.0f} tokens/s, MI300X at ${price}: {best.gpus} x {best.accelerator}, batch {best.batch}, "
                f"${best.cost_usd_per_mtok:.3f} per million tokens"
            )


if __name__ == "__main__":
    main()
