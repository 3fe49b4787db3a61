"""Frontiers of plans on the page: least cost against speed, power, GPUs or throughput."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ieco_opt.reports.page.charts import Axis, curve_chart
from ieco_opt.reports.page.drawing import Steps
from ieco_opt.reports.page.markup import Markup, Part, tag
from ieco_opt.reports.page.points import Curve, Points, facts_of
from ieco_opt.reports.page.shown import Section, Shown, badge, section
from ieco_opt.reports.page.tables import listed, table
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.fleet_frontier import plans_table
from ieco_opt.reports.text.table_columns import counts
from ieco_opt.results.plan import FleetPlan, FleetResult

_STEPS: Mapping[str, Steps] = {"speed": "after", "throughput": "after", "power": "before", "gpus": "before"}
"""Of two plans, the one that is as fast or serves as much, or takes no more."""

_AXES: Mapping[str, str] = {"speed": "factor on all least speeds", "power": "power of the boards, kW", "gpus": "GPUs"}


def fleet_frontier_section(key: str, one: Shown[FleetResult]) -> Section:
    """Chart and table of the plans, and what is proven of those that are not listed."""
    result = one.answer
    points = _points(f"{key}-points", result)
    titled = plans_table(result, result.plans)
    proof = wording.proof([(plan.status, plan.gap) for plan in result])
    told: list[Part] = [*wording.margin(result.scenario)]
    told += wording.trust([row for plan in result for row in plan.instances])
    told.append(fleet_wording.statistics(result))
    numbered = counts("plan", "", list(range(1, len(result) + 1)))
    return section(
        key,
        f"Plans of {one.name}",
        *(tag("p", each, class_="warning") for each in wording.warning(result)),
        tag("p", fleet_wording.trade(result), " ", badge(result.status), class_="subject"),
        tag("p", f"{fleet_wording.guarantee(result)}; {proof}", class_="proven"),
        listed(told),
        points.block() if len(points) else None,
        curve_chart(
            points,
            _axis(result),
            [Axis("usd", "cost, $/h", steps=_STEPS[fleet_wording.against(result)])],
            caption=f"Every plan: {fleet_wording.trade(result)}",
            about=f"Chart of {fleet_wording.trade(result)}; the table below holds every plan",
        )
        if len(points) > 1
        else None,
        table(titled.heading, [numbered, *titled.columns], points=points.id) if len(points) else None,
        _commands(one),
    )


def _axis(result: FleetResult) -> Axis:
    against = fleet_wording.against(result)
    return Axis("v", _AXES.get(against) or " ".join(fleet_wording.served_heading(result)))


def _points(key: str, result: FleetResult) -> Points:
    against = fleet_wording.against(result)
    values: Mapping[str, Sequence[float | None]] = {
        "speed": [plan.speed_factor for plan in result],
        "power": [plan.power_kw for plan in result],
        "gpus": [float(plan.gpus) for plan in result],
        "throughput": fleet_wording.served_by(result, result.plans),
    }
    columns = {
        "s": [0] * len(result),
        "n": list(range(1, len(result) + 1)),
        "p": [int(plan.status == "optimal") for plan in result],
        "v": values[against],
        "usd": [plan.usd_per_hour for plan in result],
    }
    told = [_told(result, plan) for plan in result]
    return Points(key, [Curve(fleet_wording.trade(result))], columns, facts_of(told))


def _told(result: FleetResult, plan: FleetPlan) -> list[tuple[str, str]]:
    pairs = [("plan", fleet_wording.totals(result, plan))]
    if plan.speed_factor != 1.0:
        pairs.append(("speeds", f"{fleet_wording.plain(plan.speed_factor)} times the least"))
    pairs += [(row.workload, f"{row.instances:,} x {row.layout} on {row.pool} ({row.phase})") for row in plan.instances]
    return [*pairs, ("proof", wording.proof_of_one(plan.status, plan.gap))]


def _commands(one: Shown[FleetResult]) -> Markup:
    command = one.command("launch", "--point", "N")
    return tag("p", "Commands that start plan N: ", tag("code", command)) if command else Markup()
