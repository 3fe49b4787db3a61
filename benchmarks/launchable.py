"""How many rows of the shipped scenarios start as they are priced, by engine, and what keeps the others from it.

    python benchmarks/launchable.py [--delta 0.05] [--reasons] [--lines FOLDER] [RESULT.json ...]

Without results, the frontier or plan of every shipped scenario of fidelity deployable is computed first, which takes a
minute. Rows of plans are types of instances. A row whose repository is not known counts: it starts once that is said.
The column "own" counts the rows that start in the server that they were priced for, "any" those that start as priced in
at least one, and "none" the others. With --lines the commands are written to one file for each scenario and engine,
each with `# expect` and its point, and read back: a command that says another point than its own ends the benchmark.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import ieco_opt
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.reading import read
from ieco_opt.engines.server import Server
from ieco_opt.engines.store import NAMES, profile
from ieco_opt.results.answer import Answer
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.launching import LaunchOptions, launched, servers_of
from ieco_opt.results.plan import FleetResult

ROOT = Path(__file__).resolve().parent.parent
POINTS = "fleet-operating-points"
"""A fleet of figures of another tool: their degrees are not known."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULT.json")
    parser.add_argument("--delta", type=float, default=0.05)
    parser.add_argument("--lines", type=Path, metavar="FOLDER")
    parser.add_argument("--reasons", action="store_true", help="count the rules that are broken, too")
    given = parser.parse_args()
    answers = [*loaded(given.results)] if given.results else [*computed(given.delta)]
    width = max((len(name) for name, _ in answers), default=0)
    heads = ("own", *NAMES, "any", "none")
    print("  ".join(["scenario".ljust(width), "rows".rjust(5), *(head.rjust(8) for head in heads)]))
    totals: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    for name, answer in answers:
        counts = counted(answer, reasons)
        if given.lines is not None:
            write_lines(name, answer, given.lines)
        totals.update(counts)
        print(line(name, width, counts, heads), flush=True)
    print(line("all", width, totals, heads))
    if given.reasons:
        for (engine, reason), count in sorted(reasons.items(), key=lambda each: (each[0][0], -each[1])):
            print(f"{engine:8}{count:5}  {reason}")
    return 0


def line(name: str, width: int, counts: Counter[str], heads: tuple[str, ...]) -> str:
    return "  ".join([name.ljust(width), str(counts["rows"]).rjust(5), *(str(counts[head]).rjust(8) for head in heads)])


def loaded(paths: list[Path]) -> Iterator[tuple[str, Frontier | FleetResult]]:
    for path in paths:
        yield path.stem, checked(ieco_opt.load_result(path))


def computed(delta: float) -> Iterator[tuple[str, Frontier | FleetResult]]:
    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        scenario = ieco_opt.load_scenario(path)
        if path.stem == POINTS or getattr(scenario, "fidelity", "deployable") != "deployable":
            continue
        print(f"{path.stem} ...", file=sys.stderr)
        if isinstance(scenario, ieco_opt.Scenario):
            yield path.stem, ieco_opt.frontier(scenario, delta=delta)
        else:
            yield path.stem, ieco_opt.plan(scenario)


def checked(answer: Answer) -> Frontier | FleetResult:
    assert isinstance(answer, Frontier | FleetResult), "expected a frontier or a plan"
    return answer


def counted(answer: Frontier | FleetResult, reasons: Counter[tuple[str, str]]) -> Counter[str]:
    """Rows that start as they are: in the server of their row; by engine; in at least one; in none."""
    starting: dict[str, set[str]] = {}
    for engine in NAMES:
        for server in servers_of(answer, profile(engine)):
            engines = starting.setdefault(server.kind, set())
            reason = said(server)
            if not reason:
                engines.add(engine)
            else:
                reasons[engine, reason] += 1
    counts: Counter[str] = Counter(rows=len(starting))
    counts["own"] = len(starting.keys() & {server.kind for server in own(answer) if not said(server)})
    for engines in starting.values():
        counts.update(engines or {"none"})
        counts["any"] += bool(engines)
    return counts


def own(answer: Frontier | FleetResult) -> list[Server]:
    """The servers that rows were priced for; nothing where the equations alone were asked."""
    try:
        return servers_of(answer, None)
    except ieco_opt.ScenarioError:
        return []


def write_lines(name: str, answer: Frontier | FleetResult, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for engine in NAMES:
        result = launched(answer, engine, None, LaunchOptions(folder.absolute(), f"{name}-{engine}"))
        lines = [line for launch in result.launches for server in launch.servers for line in expecting(server)]
        (folder / f"{name}-{engine}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def expecting(server: Server) -> Iterator[str]:
    """Commands of all nodes, each with the point that it is meant to start."""
    command, numbers = server.command(), server.numbers
    for path, text in command.files.items():
        Path(path).write_text(text, encoding="utf-8")
    names = (*POINT, *(DRAFT if numbers["draft_tokens"] else ()))
    point = {name: int(numbers[name]) for name in names}
    short = (
        f"T{int(numbers['stage_ranks'])} P{point['pipeline_parallel']} EP{point['expert_parallel']} "
        f"DP{point['attention_data_parallel']} B{point['batch']}"
    )
    if point["draft_tokens"]:
        # As degrees are said: vLLM counts the ranks of one attention group, the others all those that the draft is on.
        groups = 1 if command.engine == "vllm" else point["draft_attention_data_parallel"]
        short += f" G{point['draft_tokens']} draft T{point['draft_tensor_parallel'] * groups} P1 DP1"
    for words in command.nodes:
        found = read(server.profile, words, command.files, {"experts": numbers["experts"]})
        assert found == point, (words, found, point)
        yield f"{shlex.join(words)} # expect {short}"


def said(server: Server) -> str:
    """Why a row does not start as it was priced, without its figures; empty where it does."""
    return server.broken.partition(" (")[0].partition(" [")[0] or server.otherwise


if __name__ == "__main__":
    sys.exit(main())
