"""A plan in one row: its totals."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ieco_opt.documents.types import AboveZero, Count, FromZero, FromZeroOrInfinite, NumberOrMinusInfinite
from ieco_opt.results.guarantee import Status
from ieco_opt.results.parallelism import Row
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario.fleet import FleetWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTotals(Row):
    """Totals of a plan; columns of the same names are those of :class:`~ieco_opt.results.plan.FleetPlan`.

    Attributes
    ----------
    gpus
        Allocated GPUs.
    instances, nodes
        Of all workloads, and the nodes that the plan takes.
    requests_per_s, capacity_requests_per_s
        What all workloads ask for, and what their instances could serve of the same mix.
    throughput_tokens_per_s
        Generated tokens/s at that demand.
    slowest_speed_tokens_per_s, longest_time_to_first_token_s
        Over all workloads; ``None`` where none is known.
    """

    usd_per_hour: FromZero
    gpus: Count
    power_kw: FromZero | None
    requests_per_s: AboveZero
    throughput_tokens_per_s: FromZero
    instances: Count
    nodes: Count
    capacity_requests_per_s: AboveZero
    slowest_speed_tokens_per_s: AboveZero | None
    longest_time_to_first_token_s: AboveZero | None
    speed_factor: AboveZero
    demand_factor: AboveZero
    objective: FromZero
    bound: NumberOrMinusInfinite
    gap: FromZeroOrInfinite
    status: Status
    energy_kw: FromZero | None
    energy_usd_per_hour: FromZero | None
    carbon_kg_per_hour: FromZero | None

    @classmethod
    def of(cls, result: FleetResult) -> FleetTotals:
        """Totals of the one plan of a result."""
        plan = result[0]
        summaries = plan.workloads
        speeds = [each.speed_tokens_per_s for each in summaries if each.speed_tokens_per_s is not None]
        waits = [each.time_to_first_token_s for each in summaries if each.time_to_first_token_s is not None]
        taken = {item.name for item in fields(cls)} & {item.name for item in fields(plan)}
        values = {name: getattr(plan, name) for name in taken}
        return cls(
            **values
            | {
                "instances": sum(each.instances for each in summaries),
                "nodes": sum(pool.nodes for pool in plan.pools),
                "requests_per_s": sum(each.requests_per_s for each in summaries),
                "capacity_requests_per_s": sum(each.capacity_requests_per_s for each in summaries),
                "throughput_tokens_per_s": _tokens_per_s(result),
                "slowest_speed_tokens_per_s": min(speeds, default=None),
                "longest_time_to_first_token_s": max(waits, default=None),
            }
        )


def _tokens_per_s(result: FleetResult) -> float:
    """Generated tokens/s of all workloads at their demand."""
    return sum(
        each.requests_per_s * _tokens_of_request(workload)
        for each, workload in zip(result[0].workloads, result.scenario.workloads, strict=True)
    )


def _tokens_of_request(workload: FleetWorkload) -> float:
    """Mean tokens that a request of a workload generates."""
    classes = workload.classes
    return sum(each.share * each.output_tokens for each in classes) / sum(each.share for each in classes)
