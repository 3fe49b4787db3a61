"""Embed the solver in a planning loop over prices and speeds.

python examples/planning_loop.py
"""

from __future__ import annotations

import ieco_opt


def scenario(price: float, min_speed: float) -> ieco_opt.Scenario:
    """Llama 3.3 70B on H100, or on MI300X at ``price`` $ a GPU-hour."""
    return ieco_opt.Scenario(
        version=2,
        name=f"mi300x-at-{price:g}",
        model="Llama-3.3-70B",
        weights=["fp8"],
        accelerators=["H100-SXM", {"like": "MI300X", "name": "my-MI300X", "usd_per_gpu_hour": price}],
        workload={"context_tokens": 2000, "output_tokens": 500},
        design_space={"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1], "batch": {"max": 512}},
        limits={"min_speed": min_speed},
    )


def main() -> None:
    """Print the cheapest deployment for a few speeds and prices."""
    for min_speed in (30.0, 60.0, 120.0):
        for price in (2.2, 1.8, 1.4, 1.0):
            try:
                best = ieco_opt.solve(scenario(price, min_speed), objective="cheapest")
            except ieco_opt.InfeasibleError as error:
                print(f"{min_speed:5.0f} tokens/s, MI300X at ${price}: {error}")
                continue
            print(
                f"{min_speed:5.0f} tokens/s, MI300X at ${price}: {best.gpus} x {best.accelerator}, batch {best.batch}, "
                f"${best.cost_usd_per_mtok:.3f} per million tokens"
            )


if __name__ == "__main__":
    main()
