"""What a plan is held to, and how much of each limit it takes."""

from __future__ import annotations

from collections.abc import Iterator

from ieco_opt.reports.page.markup import Markup, cells, tag
from ieco_opt.reports.page.tables import table_of
from ieco_opt.reports.text.fleet_wording import BINDS, plain
from ieco_opt.results.plan import FleetPlan, FleetResult

Held = tuple[str, float, float, float, str]
"""A requirement, what it asks for, what the plan has, the share of the limit that it takes, and the unit."""


def binding_table(result: FleetResult, plan: FleetPlan) -> Markup:
    """Every requirement with what the plan makes of it, those that bind first."""
    held = sorted(
        [*_of_workloads(result, plan), *_of_pools(result, plan), *_of_all(result, plan)], key=lambda each: -each[3]
    )
    rows = [
        cells(
            "td",
            [
                name,
                f"{plain(asked)} {unit}",
                f"{plain(has)} {unit}",
                f"{100.0 * share:.1f} %",
                tag("span", "binds", class_="badge open") if share >= BINDS else "slack",
            ],
        )
        for name, asked, has, share, unit in held
    ]
    heads = ["requirement", "limit", "plan", "taken", "state"]
    return table_of("Requirements and limits, the tightest first", heads, [1, 5], rows) if rows else Markup()


def _of_workloads(result: FleetResult, plan: FleetPlan) -> Iterator[Held]:
    asked = {workload.name: workload for workload in result.scenario.workloads}
    for row in plan.workloads:
        workload = asked[row.workload]
        capacity = row.capacity_requests_per_s
        if result.question.objective != "throughput":
            taken = row.required_requests_per_s / capacity
            yield f"capacity for {row.workload}", row.required_requests_per_s, capacity, taken, "requests/s"
        if workload.min_speed is not None and row.speed_tokens_per_s is not None:
            taken = workload.min_speed / row.speed_tokens_per_s
            yield f"least speed of {row.workload}", workload.min_speed, row.speed_tokens_per_s, taken, "tokens/s/user"
        most = workload.max_time_to_first_token_s
        if most is not None and row.time_to_first_token_s is not None:
            yield f"TTFT of {row.workload}", most, row.time_to_first_token_s, row.time_to_first_token_s / most, "s"


def _of_pools(result: FleetResult, plan: FleetPlan) -> Iterator[Held]:
    limits = {pool.name: pool.max_power_kw for pool in result.scenario.pools}
    for row in plan.pools:
        if row.capacity_gpus:
            taken = row.allocated_gpus / row.capacity_gpus
            yield f"capacity of {row.pool}", row.capacity_gpus, row.allocated_gpus, taken, "GPUs"
        most = limits[row.pool]
        if most and row.power_kw is not None:
            yield f"power of {row.pool}", most, row.power_kw, row.power_kw / most, "kW"


def _of_all(result: FleetResult, plan: FleetPlan) -> Iterator[Held]:
    limits = result.scenario.limits
    for name, most, has, unit in (
        ("hourly cost", limits.max_usd_per_hour, plan.usd_per_hour, "$/h"),
        ("power", limits.max_power_kw, plan.power_kw, "kW"),
        ("GPUs", limits.max_gpus, plan.gpus, "GPUs"),
        ("energy", limits.max_energy_kw, plan.energy_kw, "kW"),
        ("carbon", limits.max_carbon_kg_per_hour, plan.carbon_kg_per_hour, "kg/h"),
    ):
        if most and has is not None:
            yield name, most, has, has / most, unit
