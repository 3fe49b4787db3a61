"""What shortcuts cost: every heuristic on every shipped scenario, against the exact frontier.

Writes one markdown table over all scenarios and one for each heuristic and scenario to benchmarks/heuristics_study.md.
With --paper-curves it checks instead that `paper-grid` finds the published curves again, one row a curve: how far its
cost is off at equal speed, and which of its points could not be launched.

    python benchmarks/heuristics_study.py [--scenario FILE ...] [--resolution 400] [--budget 10000] [--delta 0.01]
    python benchmarks/heuristics_study.py --paper-curves reference/paper_curves.csv
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ieco_opt import Comparison, Scenario, load_scenario
from ieco_opt.comparison import compare
from ieco_opt.comparison.deployability import Obstacle, judge
from ieco_opt.heuristics import Budget, Proposals
from ieco_opt.heuristics.paper_grid import PaperGrid
from ieco_opt.heuristics.pricing import families_of
from ieco_opt.heuristics.registry import chosen
from ieco_opt.scenario import ResolvedScenario, resolve

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "benchmarks" / "heuristics_study.md"
ACCEPTED_DEVIATION = 0.02

OVERALL_HEAD = (
    "heuristic",
    "deployable",
    "more expensive: median",
    "worst",
    "slower: median",
    "worst",
    "frontier found",
    "hypervolume: median",
    "least",
    "seconds: median",
)
EACH_HEAD = (
    "scenario",
    "heuristic",
    "deployable",
    "more expensive: median",
    "worst",
    "at tokens/s",
    "slower: median",
    "worst",
    "found",
    "hypervolume",
    "epsilon",
    "IGD+",
    "evaluations",
    "seconds",
)


def main() -> int:
    arguments = _arguments()
    if arguments.paper_curves is not None:
        return check_paper_curves(arguments.paper_curves, arguments.resolution)
    files = arguments.scenario or sorted((ROOT / "scenarios").glob("*.yaml"))
    comparisons = list(_comparisons(files, arguments))
    table = pd.concat([item.to_dataframe().assign(scenario=item.scenario.name) for item in comparisons])
    delta, points = arguments.delta, sum(len(item.deployments) for item in comparisons)
    text = "\n".join(
        [
            "# What heuristics miss",
            "",
            f"{len(comparisons)} scenarios, {points:,} points on their exact frontiers (coverage {100 * delta:g} %), "
            f"{arguments.budget:,} evaluations a search, grids of {arguments.resolution} x {arguments.resolution}. "
            "More expensive and slower: regrets of what can be launched, at the same speed and at the same cost.",
            "",
            *_markdown(OVERALL_HEAD, _overall(table)),
            "",
            "## Each scenario",
            "",
            *_markdown(EACH_HEAD, _each(table)),
            "",
        ]
    )
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    return int(table["beats_frontier"].sum() > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", type=Path, nargs="*", help="by default all deployments of scenarios/")
    parser.add_argument("--resolution", type=int, default=400)
    parser.add_argument("--budget", type=int, default=10_000)
    parser.add_argument("--delta", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--paper-curves", type=Path, metavar="CSV")
    return parser.parse_args()


def _comparisons(files: list[Path], arguments: argparse.Namespace) -> Iterator[Comparison]:
    heuristics = chosen((), arguments.resolution)
    budget = Budget(evaluations=arguments.budget, seed=arguments.seed)
    for file in files:
        start, scenario = time.perf_counter(), load_scenario(file)
        if not isinstance(scenario, Scenario):
            # Heuristics are for deployments.
            continue
        comparison = compare(scenario, heuristics, budget=budget, delta=arguments.delta)
        print(f"{file.stem}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        yield comparison


def _overall(table: pd.DataFrame) -> Iterator[list[str]]:
    for name, part in table.groupby("heuristic", sort=False):
        yield [
            str(name),
            f"{part['deployable'].sum():,} of {part['proposals'].sum():,}",
            _percent(part["cost_regret_median"].median()),
            _percent(part["cost_regret_worst"].max()),
            _percent(part["speed_regret_median"].median()),
            _percent(part["speed_regret_worst"].max()),
            _percent(part["share_of_frontier_found"].mean()),
            _percent(part["hypervolume_ratio"].median()),
            _percent(part["hypervolume_ratio"].min()),
            f"{part['seconds'].median():.1f}",
        ]


def _each(table: pd.DataFrame) -> Iterator[list[str]]:
    for row in table.to_dict("records"):
        yield [
            str(row["scenario"]),
            str(row["heuristic"]),
            f"{row['deployable']} of {row['proposals']}",
            _percent(row["cost_regret_median"]),
            _percent(row["cost_regret_worst"]),
            _number(row["cost_regret_worst_at_speed_tokens_per_s"], ".4g"),
            _percent(row["speed_regret_median"]),
            _percent(row["speed_regret_worst"]),
            _percent(row["share_of_frontier_found"]),
            _percent(row["hypervolume_ratio"]),
            _number(row["additive_epsilon"], ".3f"),
            _number(row["igd_plus"], ".4f"),
            f"{row['evaluations']:,}",
            f"{row['seconds']:.1f}",
        ]


def _percent(share: float | None) -> str:
    return "-" if share is None or pd.isna(share) else f"{100.0 * share:,.1f} %"


def _number(value: float | None, style: str) -> str:
    return "-" if value is None or pd.isna(value) else format(value, style)


def _markdown(head: tuple[str, ...], rows: Iterator[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(line) + " |" for line in ([*head], rule, *rows)]


@dataclass(frozen=True)
class Launchability:
    """Of the points that a search of fidelity paper found: shares, and by how much memory is over at most."""

    points: int
    fractional: float
    over_memory: float
    most_over: float


def check_paper_curves(file: Path, resolution: int) -> int:
    """Print one row a curve; the exit status is 1 if a median is off by more than 2 %."""
    print("median and worst deviation of the cost at equal speed; then shares of the points of the search that are not")
    print("whole, and that are short of memory once all sequences in flight are counted, with the greatest excess")
    print(f"{'curve':66} {'median':>9} {'worst':>9} {'points':>6} {'not whole':>9} {'memory':>9} {'most':>9} {'s':>5}")
    accepted = True
    for (comparison, label), rows in pd.read_csv(file).groupby(["comparison", "curve"], sort=False):
        scenario = resolve(scenario_of(rows.iloc[0]))
        start = time.perf_counter()
        found = PaperGrid(resolution).propose(scenario, Budget())
        seconds = time.perf_counter() - start
        speed, cost = (rows[name].to_numpy() for name in ("speed_tokens_per_s", "cost_usd_per_mtok"))
        deviation, share = np.abs(cost_at(found, speed) / cost - 1.0), launchability(scenario, found)
        accepted &= bool(np.median(deviation) <= ACCEPTED_DEVIATION)
        print(
            f"{f'{comparison}: {label}':66} {np.median(deviation):9.1e} {deviation.max():9.1e} {_shares(share)} "
            f"{seconds:5.1f}",
            flush=True,
        )
    long = Scenario(fidelity="paper", model="Llama 3 70B", accelerators=["H100"], workload={"context_tokens": 8000})
    found = PaperGrid(resolution).propose(resolve(long), Budget())
    label = "not in the reference: Llama 3 70B, context of 8,000 tokens"
    print(f"{label:66} {'-':>9} {'-':>9} {_shares(launchability(resolve(long), found))}")
    return 0 if accepted else 1


def _shares(share: Launchability) -> str:
    parts = (share.fractional, share.over_memory, share.most_over)
    return f"{share.points:6d} " + " ".join(f"{100 * part:7.1f} %" for part in parts)


def launchability(scenario: ResolvedScenario, found: Proposals) -> Launchability:
    """Count what is not whole, and what is short of memory for all sequences in flight, on average over all GPUs."""
    reasons = judge(scenario, found).reasons
    family = families_of(scenario)[0]
    cache = family.shape.cache_bytes_per_token * family.context.resident_tokens * found.batch
    resident = cache + family.shape.weight_bytes * family.shape.total_params
    excess = resident / (found.degrees.gpus * family.accelerator.hbm_bytes) - 1.0
    return Launchability(
        points=len(found),
        fractional=float(np.mean([any(item.obstacle is Obstacle.FRACTIONAL for item in each) for each in reasons])),
        over_memory=float((excess > 0.0).mean()),
        most_over=float(max(0.0, excess.max())),
    )


def cost_at(found: Proposals, speed: np.ndarray) -> np.ndarray:
    """Cost of a searched frontier at some speeds, between its points in logarithms."""
    slowest_first = slice(None, None, -1)
    speeds, costs = -np.log(found.latency_s[slowest_first]), np.log(found.cost_usd_per_mtok[slowest_first])
    return np.exp(np.interp(np.log(speed), speeds, costs))


def scenario_of(row: pd.Series) -> Scenario:
    """The scenario that a curve of the reference answers."""
    fields = {
        "fidelity": "paper",
        "model": row["model"],
        "accelerators": [row["accelerator"]],
        "workload": {"context_tokens": int(row["context_tokens"])},
    }
    if isinstance(row["draft_model"], str):
        fields["speculation"] = {
            "draft_model": row["draft_model"],
            "acceptance": float(row["acceptance"]),
            "max_draft_tokens": int(row["max_draft_tokens"]),
        }
    return Scenario(**fields)


if __name__ == "__main__":
    sys.exit(main())
