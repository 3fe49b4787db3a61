"""Explanations of plans for people in a terminal: plain text, at most ``width`` columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ieco_opt.explanation.fleet_choices import unchosen
from ieco_opt.fleet.infeasibility import rounded
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.explanation_times import sources_of, times_of
from ieco_opt.reports.text.fleet_wording import plain
from ieco_opt.reports.text.table import Column, indented, shortened
from ieco_opt.reports.text.table_columns import unrepeated, words
from ieco_opt.reports.text.titled_table import TitledTable, fitted
from ieco_opt.results.fleet_explanation import FleetExplanation, FleetLimitEffect, FleetRunnerUp, Held, Relaxed
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import resolve_fleet

LEAST_WIDTH = 60

_BETTER = {
    "cost": "cheaper",
    "power": "less power",
    "gpus": "fewer GPUs",
    "energy": "less energy",
    "carbon": "less carbon",
    "throughput": "more",
}
_SHORT = ("tokens/s", "s", "GPUs", "kW", "$/h", "kg/h")
"""Units that are worth a place in a table; the others follow from the names of the limits."""

_KINDS = {"kv_cache": "cache"}
_LEAST_CELL = 20
_DIGITS = 5
_FEW = 1e-9


def render(explanation: FleetExplanation, width: int = 100) -> str:
    """Put an explanation into text."""
    width = max(width, LEAST_WIDTH)
    result = explanation.as_result()
    head = [
        *wording.warning(explanation),
        f"{explanation.scenario.name}: what decides the plan",
        f"  {fleet_wording.totals(result, explanation.plan)}; {fleet_wording.verdict(result, explanation.plan)}",
        *(f"  {line}" for line in wording.margin(explanation.scenario)),
    ]
    parts = [
        "\n".join(indented(line, width) for line in (*head, "", one_line(explanation))),
        _limits(explanation, width),
        fitted(held_table(explanation), width),
        times_of(explanation, width),
        _runner_ups(explanation, width),
        "\n".join(indented(line, width) for line in (*sources_of(explanation), _foot(explanation))),
    ]
    return "\n\n".join(part for part in parts if part)


def one_line(explanation: FleetExplanation) -> str:
    """What binds, in one line."""
    if any(effect.binds is None for effect in explanation.limits) and explanation.stopped is not None:
        unknown = ", ".join(effect.limit for effect in explanation.limits if effect.binds is None)
        found = _binding(explanation)
        return f"binds: {found}; not examined: {unknown}" if found else f"not examined: {unknown}"
    found = _binding(explanation)
    left_open = [effect.limit for effect in explanation.limits if effect.binds is None]
    rest = f"; open within the solver's gap: {', '.join(left_open)}" if left_open else ""
    if explanation.binding_together:
        return f"binds: no limit alone, but together {', '.join(explanation.binding_together)}{rest}"
    if not found:
        return f"binds: nothing but the demand; no plan is better without any one limit, nor without all{rest}"
    return f"binds: {found}{rest}"


def _binding(explanation: FleetExplanation) -> str:
    effects = sorted((each for each in explanation.limits if each.binds), key=_strength, reverse=True)
    return ", ".join(f"{effect.limit} ({_without(explanation, effect)})" for effect in effects)


def _strength(effect: FleetLimitEffect) -> float:
    return float("inf") if effect.removed is None else effect.removed.gain


def _without(explanation: FleetExplanation, effect: FleetLimitEffect) -> str:
    if effect.removed is None:
        more = effect.least
        return "no end without it" if more is None else f"{_percent(more.gain)} more at {_outward(effect, more)}"
    better = _BETTER[explanation.objective]
    return f"{worth(explanation, effect.removed.plan)} without it, {_percent(effect.removed.gain)} {better}"


def worth(explanation: FleetExplanation, plan: FleetPlan) -> str:
    """The objective of a plan, with its unit."""
    if explanation.objective == "throughput":
        return fleet_wording.served(explanation.as_result(), plan)
    return fleet_wording.amount(plan.objective, _unit(explanation))


def _unit(explanation: FleetExplanation) -> str:
    if explanation.objective == "throughput" and len(explanation.scenario.workloads) > 1:
        return "x demand"
    return fleet_wording.unit(explanation.as_result())


def _number(explanation: FleetExplanation, plan: FleetPlan) -> str:
    """The objective without its unit."""
    if explanation.objective == "throughput":
        alone = len(explanation.scenario.workloads) == 1
        return plain(plan.objective * (explanation.scenario.workloads[0].demand if alone else 1.0))
    return f"{plan.objective:,.2f}" if explanation.objective == "cost" else plain(plan.objective)


def _percent(share: float) -> str:
    return wording.percent(share)


def limits_table(explanation: FleetExplanation) -> TitledTable:
    """What each limit that binds costs."""
    bound = [effect for effect in explanation.limits if effect.binds]
    columns = [
        words("limit", (effect.limit for effect in bound)),
        Column("stated", "", tuple(_stated(effect) for effect in bound)),
        Column("reached", "", tuple("-" if each.reached is None else plain(each.reached) for each in bound)),
        Column("without it", _unit(explanation), tuple(_then(explanation, effect) for effect in bound)),
        Column(_BETTER[explanation.objective], "", tuple(_gain(effect) for effect in bound)),
        Column("better from", "on", tuple(_from(effect) for effect in bound)),
    ]
    heading = "What each limit costs (left out alone, the fleet solved again)"
    return TitledTable(heading, columns, ("reached", "better from", "without it"))


def idle_limits(explanation: FleetExplanation) -> list[str]:
    """Limits that are proven not to bind, with what the plan takes of them."""
    return [
        f"{effect.limit} = {_stated(effect)}{_used(effect)}" for effect in explanation.limits if effect.binds is False
    ]


def _limits(explanation: FleetExplanation, width: int) -> str:
    """What each limit costs, those that bind in a table."""
    parts = [_table(limits_table(explanation), width)] if explanation.binding else []
    idle = idle_limits(explanation)
    if idle:
        said = f"do not bind, proven (without any one of them no plan is better): {'; '.join(idle)}"
        parts.append(indented(said, width))
    return "\n".join(parts)


def _table(table: TitledTable, width: int) -> str:
    """A table, whose head is one line where no column has a unit."""
    lines = fitted(table, width).split("\n")
    return "\n".join(line for line in lines if line)


def _stated(effect: FleetLimitEffect) -> str:
    if effect.value is None:
        return "profile"
    unit = effect.unit if effect.unit in _SHORT else ""
    return f"{plain(float(effect.value))} {unit}".strip()


def _used(effect: FleetLimitEffect) -> str:
    """How much of a limit is used, where that is a share of it."""
    if effect.reached is None or not effect.value:
        return ""
    return f" ({plain(effect.reached)} reached)"


def _then(explanation: FleetExplanation, effect: FleetLimitEffect) -> str:
    return "no end" if effect.removed is None else _number(explanation, effect.removed.plan)


def _gain(effect: FleetLimitEffect) -> str:
    return "-" if effect.removed is None else _percent(effect.removed.gain)


def _from(effect: FleetLimitEffect) -> str:
    if effect.least is None or effect.least.value is None:
        return "-"
    return f"{_outward(effect, effect.least)} ({_percent(effect.least.gain)})"


def _outward(effect: FleetLimitEffect, relaxed: Relaxed) -> str:
    """A relaxed limit, rounded to the side on which it still helps."""
    value, stated = float(relaxed.value or 0.0), effect.value
    return rounded(value, _DIGITS, up=stated is None or value >= float(stated))


def held_table(explanation: FleetExplanation) -> TitledTable:
    """How near the instances come to their limits, and what the next batch would break."""
    rows = list(zip(explanation.plan.instances, explanation.held, strict=True))
    columns = [
        *row_names([row for row, _ in rows]),
        Column("batch", "", tuple("-" if row.batch is None else f"{row.batch:,}" for row, _ in rows)),
        _share("TPOT", [each.tpot_share for _, each in rows]),
        _share("TTFT", [each.first_token_share for _, each in rows]),
        _share("memory", [each.memory_share for _, each in rows]),
        _share("load", [each.load for _, each in rows]),
        words("next batch breaks", (_breaks(row, each) for row, each in rows)),
    ]
    heading = "What holds the instances (% of the longest times, the memory and the load that are allowed)"
    return TitledTable(heading, columns, ("batch", "pool", "phase"))


def _share(name: str, values: Sequence[float | None]) -> Column:
    return Column(name, "%", tuple("-" if value is None else f"{100.0 * value:.1f}" for value in values))


def _breaks(row: InstanceRow, each: Held) -> str:
    if each.next_batch is None:
        return "-" if row.parallelism is None else "(a prompt a stage)"
    return f"{each.next_batch:,}: {', '.join(each.held_by) or 'no limit'}"


def row_names(rows: Sequence[InstanceRow]) -> list[Column]:
    """What tells the rows of instances apart."""
    names = [
        words("workload", unrepeated(row.workload for row in rows)),
        words("phase", (row.phase for row in rows)),
        words("pool", (row.pool for row in rows)),
        words("instances", (f"{row.instances} x {row.layout}" for row in rows)),
    ]
    many = {row.workload for row in rows}
    return names if len(many) > 1 else names[1:]


def runner_ups_table(explanation: FleetExplanation, width: int | None = None) -> TitledTable:
    """The best plan without each choice; what it runs is cut to what is left of a width."""
    found = explanation.runner_ups
    several = len(explanation.scenario.workloads) > 1
    head = [words("workload", unrepeated(each.workload for each in found))] if several else []
    columns = [
        *head,
        words("without", (_excluded(each) for each in found)),
        Column("then", _unit(explanation), tuple(_objective_of(explanation, each) for each in found)),
        Column("worse", "", tuple(_loss(each) for each in found)),
    ]
    run = [_instead(each) for each in found]
    if width is not None:
        left = max(_LEAST_CELL, width - sum(column.width + 2 for column in columns))
        run = [shortened(each, left) for each in run]
    columns.append(words("with", run))
    return TitledTable("Runner-ups (each the best plan without that choice)", columns, ("then",))


def _runner_ups(explanation: FleetExplanation, width: int) -> str:
    """Runner-ups, and choices that are none."""
    lines = [_table(runner_ups_table(explanation, width), width)] if explanation.runner_ups else []
    single = choices_that_are_none(explanation)
    return "\n".join([*lines, *([indented(single, width)] if single else [])])


def choices_that_are_none(explanation: FleetExplanation) -> str:
    """What the scenario leaves no other choice of, in words; empty where there is nothing."""
    single: dict[str, list[str]] = {}
    for workload, kind, used in _single(explanation):
        single.setdefault(workload, []).append(f"{_KINDS.get(kind, kind)} {used}")
    several = len(explanation.scenario.workloads) > 1
    parts = [f"{workload}: {', '.join(used)}" if several else ", ".join(used) for workload, used in single.items()]
    return f"the scenario lists no other choice than {'; '.join(parts)}" if parts else ""


def _single(explanation: FleetExplanation) -> Iterator[tuple[str, str, str]]:
    if explanation.stopped is None:
        yield from unchosen(resolve_fleet(explanation.scenario), explanation.plan)


def _excluded(each: FleetRunnerUp) -> str:
    return f"{_KINDS.get(each.choice, each.choice)} {each.without}"


def _objective_of(explanation: FleetExplanation, each: FleetRunnerUp) -> str:
    return "not possible" if each.plan is None else _number(explanation, each.plan)


def _loss(each: FleetRunnerUp) -> str:
    if each.loss is None:
        return "-"
    return _percent(each.loss) if each.loss >= -_FEW else f"-{_percent(-each.loss)}"


def _instead(each: FleetRunnerUp) -> str:
    """What the workload runs instead."""
    if each.plan is None:
        return "-"
    rows = [row for row in each.plan.instances if row.workload == each.workload]
    generating = [row for row in rows if row.phase != "prefill"]
    prefill = [row for row in rows if row.phase == "prefill"]
    text = " + ".join(f"{row.instances} x {row.layout}" for row in generating)
    if prefill:
        text += f", prefill {' + '.join(f'{row.instances} x {row.layout}' for row in prefill)}"
    named = _named(each, rows)
    return f"{text} ({named})" if named else text


def _named(each: FleetRunnerUp, rows: Sequence[InstanceRow]) -> str:
    """The choice that is made instead, where the layout does not say it."""
    if each.choice in ("layout", "serving"):
        return ""
    return ", ".join(dict.fromkeys(str(getattr(row, each.choice)) for row in rows))


def _foot(explanation: FleetExplanation) -> str:
    plans = [each.removed.plan for each in explanation.limits if each.removed is not None]
    plans += [each.plan for each in explanation.runner_ups if each.plan is not None]
    open_plans = sum(plan.status != "optimal" for plan in plans)
    proven = f"{open_plans} of {len(plans)} plans are not proven optimal" if open_plans else "each plan proven optimal"
    return f"{proven}; {wording.solver(explanation)}; {explanation.statistics.seconds:.1f} s"
