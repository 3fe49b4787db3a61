"""What `ieco_opt.prepare` saves a loop: CPU of a call that knows nothing over that of one that kept the design space.

Each figure is the median over random changes of one scenario, both calls in one process and in turn, after one question
of each. Answers are compared, but for statistics; a difference ends the run.

    python benchmarks/prepared.py [--changes 20] [NAME ...]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ieco_opt
from ieco_opt.fleet.prepared import PreparedFleet
from ieco_opt.pareto.prepared import PreparedDeployment
from ieco_opt.pareto.run import answer

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("deepseek-v3-nvl72", "llama-3.3-70b-chat", "llama-3.3-70b-accelerators", "mixtral-8x22b-budget")
FLEETS = ("fleet-chat-and-code", "fleet-six-models")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, by the names of their files")
    parser.add_argument("--changes", type=int, default=20)
    given = parser.parse_args()
    print(f"{'scenario':28} {'what changes':28} {'fresh ms':>9} {'kept ms':>9} {'ratio':>7}")
    for name in given.names or (*NAMES, *FLEETS):
        prepared = ieco_opt.prepare(ieco_opt.load_scenario(ROOT / "scenarios" / f"{name}.yaml"))
        rng = random.Random(name)  # noqa: S311 - chance, not secrets
        asked = of_fleet(prepared, rng) if isinstance(prepared, PreparedFleet) else of_deployment(prepared, rng)
        for what, (kept, fresh) in asked.items():
            measure(name, what, kept, fresh, given.changes)


def measure(name: str, what: str, kept: Callable[[], Any], fresh: Callable[[], Any], changes: int) -> None:
    spent: list[tuple[float, float]] = []
    for at in range(changes + 1):
        knowing, seconds = timed(kept)
        unknowing, seconds_fresh = timed(fresh)
        if said(knowing) != said(unknowing):
            raise SystemExit(f"{name}: {what}: the answers differ")
        if at:
            spent.append((seconds_fresh, seconds))
    before, after = (1e3 * statistics.median(column) for column in zip(*spent, strict=True))
    ratio = statistics.median(one / other for one, other in spent)
    print(f"{name:28} {what:28} {before:9.1f} {after:9.1f} {ratio:7.1f}", flush=True)


def of_deployment(prepared: PreparedDeployment, rng: random.Random) -> dict[str, Any]:
    ends = prepared.frontier(delta=1.0)
    slow, fast = ends[-1].speed_tokens_per_s, ends[0].speed_tokens_per_s
    cheap, expensive = ends[-1].cost_usd_per_mtok, ends[0].cost_usd_per_mtok
    names = [each["name"] if isinstance(each, dict) else each for each in prepared.scenario().accelerators]

    def pair(draw: Callable[[], dict[str, Any]], objective: Any) -> Any:
        changes: dict[str, Any] = {}

        def kept() -> Any:
            changes.clear()
            changes.update(draw())
            return prepared.answer(objective=objective, **changes)

        return kept, lambda: answer(prepared.scenario(**changes), objective=objective)

    return {
        "min_speed, cheapest": pair(lambda: {"min_speed": slow * (fast / slow) ** rng.random()}, "cheapest"),
        "max_cost, fastest": pair(lambda: {"max_cost": cheap * (expensive / cheap) ** rng.random()}, "fastest"),
        "prices, cheapest": pair(lambda: {"prices": {each: rng.uniform(1.0, 5.0) for each in names}}, "cheapest"),
    }


def of_fleet(prepared: PreparedFleet, rng: random.Random) -> dict[str, Any]:
    fleet = prepared.fleet()

    def pair(draw: Callable[[], dict[str, Any]]) -> Any:
        changes: dict[str, Any] = {}

        def kept() -> Any:
            changes.clear()
            changes.update(draw())
            return prepared.plan(**changes)

        return kept, lambda: ieco_opt.plan(prepared.fleet(**changes))

    def demand() -> dict[str, float]:
        return {each.name: (each.requests_per_s or 1.0) * rng.uniform(0.5, 1.0) for each in fleet.workloads}

    def prices() -> dict[str, float]:
        return {each.name: rng.uniform(1.0, 4.0) for each in fleet.pools}

    return {
        "requests_per_s": pair(lambda: {"requests_per_s": demand()}),
        "prices": pair(lambda: {"prices": prices()}),
    }


def timed(ask: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    result = ask()
    return result, time.process_time() - began


def said(result: Any) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__dataclass_fields__ if name != "statistics"}


if __name__ == "__main__":
    main()
