"""Near-optimal alternatives for people in a terminal: one table, and what is proven of everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ieco_opt.reports.text import wording
from ieco_opt.reports.text.fleet_wording import UNITS, amount, plain
from ieco_opt.reports.text.table import LEAST_WIDTH, MOST_ROWS, Column, wrapped
from ieco_opt.reports.text.table_columns import counts, gaps, hourly_costs, numbers, speaking, speeds, words
from ieco_opt.reports.text.titled_table import TitledTable, fitted
from ieco_opt.results.alternatives import Alternative, Alternatives, Combination, rows_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import Fleet

_LEFT_OUT_FIRST = ("batch", "TTFT", "weights", "proof", "engine")


def render(result: Alternatives, width: int = 100) -> str:
    """Put alternatives into text for a terminal of ``width`` columns."""
    width = max(width, LEAST_WIDTH)
    table = TitledTable(heading(result), speaking(columns_of(result)), _LEFT_OUT_FIRST)
    changes = [wrapped(changes_of(result), width, indent="  ")] if _has_too_many(result) else []
    return "\n\n".join([fitted(table, width), *changes, wrapped(foot(result), width)])


def columns_of(result: Alternatives) -> list[Column]:
    """One row a deployment or type of instance; where those are more than people read, one a plan."""
    if not result.of_fleet:
        return _of_deployments(result)
    return _of_totals(result) if _has_too_many(result) else _of_plans(result)


def _rows(result: Alternatives) -> list[Deployment | InstanceRow]:
    return [row for each in result.found for row in rows_of(each)]


def _has_too_many(result: Alternatives) -> bool:
    return result.of_fleet and len(_rows(result)) > MOST_ROWS


def foot(result: Alternatives) -> list[str]:
    """What is known of everything else, what letters mean, and how far to trust the figures."""
    rows = _rows(result)
    layouts = [row.parallelism.short() for row in rows if row.parallelism is not None]
    return [_rest(result), *wording.letters_in(layouts), *wording.trust(rows), _solver(result)]


def heading(result: Alternatives) -> str:
    """What is listed of what, in a line."""
    count = len(result.found)
    noun = "plan" if result.of_fleet else "deployment"
    others = wording.counted(count - 1, "alternative")
    if count == 1:
        # Where nobody looked to the end, one may be left.
        others = "so far no alternative" if result.ended in ("count", "stopped") else "no alternative"
    what = f"the {_best(result)} {noun} and {others}"
    verb = "differs" if count <= 2 else "differ"
    stopped = f"PARTIAL RESULT: the search was stopped ({result.stopped}); " if result.stopped is not None else ""
    return (
        f"{stopped}{result.scenario.name}: {what} within {_share(result.within)} that {verb} in {_differ(result, 'or')}"
    )


def _best(result: Alternatives) -> str:
    if not result.of_fleet:
        power = "" if result.preference is None else f" (greatest speed^{result.preference:g} / cost)"
        return f"{wording.objective(result.objective)}{power}"
    return {"cost": "cheapest", "throughput": "most-serving"}.get(result.objective, f"least-{result.objective}")


def _differ(result: Alternatives, word: str) -> str:
    *others, last = result.differ
    return f"{', '.join(others)} {word} {last}" if others else last


def _share(share: float) -> str:
    return f"{plain(100.0 * share, 3)} %"


def _rest(result: Alternatives) -> str:
    """What is known of everything that is not listed."""
    noun = "plan" if result.of_fleet else "deployment"
    uses = f"{'uses every' if result.of_fleet else 'has the'} {_differ(result, 'and')} of one of these"
    every = f"every other {noun} within {_share(result.within)} {uses}"
    match result.ended:
        case "exhausted":
            return f"proven: every feasible {noun} {uses}"
        case "beyond":
            assert result.next_one is not None
            proof = f"proven: {every}" if result.complete else f"not proven, since the solver left a gap: {every}"
            return f"{proof}; the next best is {_share(result.next_one.excess)} worse: {_named(result.next_one)}"
        case "count":
            return f"{result.count} were asked for; more may lie within {_share(result.within)} (--count)"
        case _:
            return f"more may lie within {_share(result.within)}: the search was stopped"


def _named(alternative: Alternative) -> str:
    if isinstance(alternative.answer, Deployment):
        return wording.configuration(alternative.answer)
    return "; ".join(map(str, alternative.combinations))


def _solver(result: Alternatives) -> str:
    proof = wording.proof([(each.status, each.gap) for each in result.found])
    solves = wording.counted(result.solves, "solve")
    return f"{proof} among what those before leave; {solves} in {result.seconds:.1f} s with {wording.solver(result)}"


def _excess(each: Alternative, rank: int) -> str:
    return "best" if rank == 1 else "equal" if each.excess < 5e-7 else f"+{100.0 * each.excess:.2f} %"


def _of_deployments(result: Alternatives) -> list[Column]:
    found = result.found
    rows = [each.answer for each in found if isinstance(each.answer, Deployment)]
    return [
        counts("#", "", range(1, len(found) + 1)),
        Column("worse by", "", tuple(_excess(each, rank) for rank, each in enumerate(found, 1))),
        speeds([row.speed_tokens_per_s for row in rows]),
        numbers("cost", "$/Mtok", [row.cost_usd_per_mtok for row in rows]),
        counts("GPUs", "", [row.gpus for row in rows]),
        words("accelerator", (row.accelerator for row in rows)),
        words("engine", (row.engine or "-" for row in rows)),
        words("layout", (row.parallelism.short() for row in rows)),
        words("weights", (row.weights or "-" for row in rows)),
        counts("batch", "", [row.batch for row in rows]),
        *_proofs(found),
    ]


def _proofs(found: Sequence[Alternative]) -> list[Column]:
    return [replace(gaps([(each.status, each.gap) for each in found]), name="proof", words=True)]


def _of_plans(result: Alternatives) -> list[Column]:
    """One row for each type of instance; what is of the plan stands in its first row."""
    assert isinstance(result.scenario, Fleet)
    lines = [
        (rank, each, row, at == 0)
        for rank, each in enumerate(result.found, 1)
        if isinstance(each.answer, FleetPlan)
        for at, row in enumerate(each.answer.instances)
    ]

    def once(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(cell if first else "" for cell, (_, _, _, first) in zip(cells, lines, strict=True))

    costs = hourly_costs([each.answer.usd_per_hour for _, each, _, _ in lines if isinstance(each.answer, FleetPlan)])
    columns = [
        Column("#", "", once([str(rank) for rank, _, _, _ in lines])),
        Column("worse by", "", once([_excess(each, rank) for rank, each, _, _ in lines])),
        *_objectives(result, once, [each for _, each, _, _ in lines]),
        replace(costs, cells=once(costs.cells)),
        words("workload", (row.workload for _, _, row, _ in lines)),
        words("phase", (row.phase for _, _, row, _ in lines)),
        words("pool", (row.pool for _, _, row, _ in lines)),
        Column("instances", "x GPUs", tuple(f"{row.instances} x {row.gpus}" for _, _, row, _ in lines)),
        words("engine", (row.engine or "-" for _, _, row, _ in lines)),
        words("layout", (row.layout for _, _, row, _ in lines)),
        words("weights", (row.weights or "-" for _, _, row, _ in lines)),
        counts("batch", "", [row.batch for _, _, row, _ in lines]),
    ]
    proofs = _proofs([each for _, each, _, _ in lines])
    return [*columns, *(replace(column, cells=once(column.cells)) for column in proofs)]


def _of_totals(result: Alternatives) -> list[Column]:
    """One row a plan, where all their instances are more than people read."""
    found, plans = result.found, [each.answer for each in result.found if isinstance(each.answer, FleetPlan)]
    return [
        counts("#", "", range(1, len(found) + 1)),
        Column("worse by", "", tuple(_excess(each, rank) for rank, each in enumerate(found, 1))),
        *_objectives(result, tuple, found),
        hourly_costs([plan.usd_per_hour for plan in plans]),
        counts("GPUs", "", [plan.gpus for plan in plans]),
        counts("instances", "", [sum(row.instances for row in plan.instances) for plan in plans]),
        *_proofs(found),
    ]


def changes_of(result: Alternatives) -> list[str]:
    """What the best plan uses, and what each other one uses instead."""
    best = set(result.found[0].combinations)
    lines = [f"1 uses {_by_workload(best)}"]
    for rank, each in enumerate(result.found[1:], 2):
        used = set(each.combinations)
        instead = f", and uses {_by_workload(used - best)} instead" if used - best else ""
        lines.append(f"{rank} gives up {_by_workload(best - used)}{instead}")
    return [*lines, "--out FILE or --format csv has the instances of each"]


def _by_workload(combinations: set[Combination]) -> str:
    grouped: dict[str | None, list[str]] = {}
    for each in sorted(combinations, key=str):
        grouped.setdefault(each.workload, []).append(str(replace(each, workload=None)))
    return "; ".join(f"{workload}: {', '.join(texts)}" for workload, texts in grouped.items())


def _objectives(
    result: Alternatives, once: Callable[[Sequence[str]], tuple[str, ...]], found: Sequence[Alternative]
) -> list[Column]:
    """The objective where it is not the hourly cost: requests/s of one workload, or what the objective counts."""
    assert isinstance(result.scenario, Fleet)
    if result.objective == "cost":
        return []
    values = [each.objective for each in found]
    if result.objective != "throughput":
        return [Column(result.objective, "", once([amount(value, UNITS[result.objective]) for value in values]))]
    alone = len(result.scenario.workloads) == 1
    demand = result.scenario.workloads[0].demand if alone else 1.0
    return [Column("requests", "/s" if alone else "x demand", once([plain(value * demand) for value in values]))]
