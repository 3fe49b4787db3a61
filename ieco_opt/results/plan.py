"""Plans of a fleet as users see them: instances, nodes, summaries, proofs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ieco_opt.documents.origin import found
from ieco_opt.documents.types import (
    AboveZero,
    Count,
    FromZero,
    FromZeroOrInfinite,
    Number,
    NumberOrMinusInfinite,
    Record,
    Text,
    Whole,
)
from ieco_opt.errors import ScenarioError
from ieco_opt.results.answer import Answer
from ieco_opt.results.guarantee import Status
from ieco_opt.results.instances import InstanceRow, PhaseName
from ieco_opt.results.parallelism import Row
from ieco_opt.results.shown import ShownAnswer, installed_part, launcher_of_results
from ieco_opt.results.statistics import FleetStatistics
from ieco_opt.scenario import Fleet

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.engines.command import LaunchCommand

PLANNERS = "ieco_opt.planners"
"""Entry points that solve; ieco_opt.fleet.run brings the one that is used, named ``fleets``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow(Row):
    """What one instance occupies of one node; a node has a row for each instance on it.

    ``node`` counts from 0 within the pool, ``instance`` from 0 within workload, phase, pool and instance type.
    """

    pool: Text
    node: Count
    node_gpus: Whole
    workload: Text
    phase: PhaseName
    instance_type: Text
    instance: Count
    gpus: Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSummary(Row):
    """One workload of a plan.

    Attributes
    ----------
    serving
        The mode chosen: ``colocated`` or ``disaggregated``.
    requests_per_s, required_requests_per_s, capacity_requests_per_s
        Demand, demand with headroom, and the capacity of its scarcest phase for the same mix.
    slack_requests_per_s
        Capacity beyond what is required.
    gpus, usd_per_hour, power_kw
        GPUs of its instances, and its shares of the hourly cost and power of the pools by GPUs.
    """

    workload: Text
    serving: Literal["colocated", "disaggregated"]
    instances: Count
    requests_per_s: AboveZero
    required_requests_per_s: AboveZero
    capacity_requests_per_s: AboveZero
    slack_requests_per_s: FromZero
    utilization: FromZero
    speed_tokens_per_s: AboveZero | None
    time_to_first_token_s: AboveZero | None
    gpus: Count
    usd_per_hour: FromZero
    power_kw: FromZero | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSummary(Row):
    """One pool of a plan: GPUs that there are, GPUs allocated (owned or rented), and GPUs at work in instances.

    Attributes
    ----------
    usd_per_hour
        Of the allocated GPUs; with the price of energy where it has one.
    energy_kw, energy_usd_per_hour, carbon_kg_per_hour
        Mean power that is drawn at what the instances serve, and its price and carbon; ``None`` where not known.
    """

    pool: Text
    accelerator: Text
    rented_by: Literal["node", "gpu"]
    capacity_gpus: Count
    allocated_gpus: Count
    used_gpus: Count
    nodes: Count
    usd_per_hour: FromZero
    power_kw: FromZero | None
    energy_kw: FromZero | None
    energy_usd_per_hour: FromZero | None
    carbon_kg_per_hour: FromZero | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation(Row):
    """The least that would have to be given up for something better, one requirement at a time.

    Where a limit ended the search for the least, amount, share and objective are ``None``.

    Attributes
    ----------
    requirement
        Such as ``demand of chat`` or ``capacity of h100``.
    amount, unit
        Least violation, in requests/s, GPUs, $/h, kW or kg/h.
    share
        The same relative to what is required; ``None`` where that is zero.
    objective
        What the plan with that violation would come to, in the objective's unit.
    """

    requirement: Text
    amount: FromZero | None
    unit: Text
    share: FromZero | None
    objective: Number | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level(Row):
    """One criterion that chooses among plans that are equally good by the objective and the criteria before.

    Attributes
    ----------
    value
        $/h, a factor on all least speeds, the least slack as a share of what is required, GPUs, or instances.
    bound
        Proven: no plan that is as good by all before has a better value. ``None``: the criterion was not reached.
    status
        ``optimal`` where value and bound agree to 1e-6, otherwise ``feasible``.
    """

    criterion: Literal["cost", "speed_factor", "slack", "gpus", "instances"]
    value: FromZero
    bound: Number | None
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan(Record):
    """One plan, with what is proven of it.

    Attributes
    ----------
    speed_factor
        Greatest common factor on all least speeds that the instances meet; 1 where no speeds are asked for or known.
    demand_factor
        What the demands of the scenario are multiplied by (where it says none, of one request a second): 1, or with
        throughput the greatest factor that the instances serve.
    objective, bound, gap
        What was minimised (see ``FleetResult.question``), the proven bound below it, and their relative distance. Of
        throughput it is the demand factor, and no plan has one above the bound.
    status
        ``optimal`` where the gap is closed (to 1e-6), otherwise ``feasible``.
    levels
        What chose this plan among equally good ones, in this order (docs/fleet.md).
    next_cheaper
        What any better plan would violate at the least; empty where it was not asked for.
    energy_kw, carbon_kg_per_hour
        Of all pools; ``None`` where that of any is not known.
    energy_usd_per_hour
        Of the pools whose energy has a price, which ``usd_per_hour`` includes; ``None`` where none has.
    """

    speed_factor: AboveZero
    demand_factor: AboveZero
    usd_per_hour: FromZero
    power_kw: FromZero | None
    gpus: Count
    objective: FromZero
    bound: NumberOrMinusInfinite
    gap: FromZeroOrInfinite
    status: Status
    levels: tuple[Level, ...]
    instances: tuple[InstanceRow, ...]
    nodes: tuple[NodeRow, ...]
    workloads: tuple[WorkloadSummary, ...]
    pools: tuple[PoolSummary, ...]
    next_cheaper: tuple[Relaxation, ...]
    energy_kw: FromZero | None
    energy_usd_per_hour: FromZero | None
    carbon_kg_per_hour: FromZero | None


TABLES = ("instances", "nodes", "workloads", "pools", "levels", "next_cheaper", "plans")
"""Tables of a result; ``plans`` is that of the plans themselves."""

_ROWS: dict[str, type[Row]] = {
    "instances": InstanceRow,
    "nodes": NodeRow,
    "workloads": WorkloadSummary,
    "pools": PoolSummary,
    "levels": Level,
    "next_cheaper": Relaxation,
}


class _Priced(Answer):
    """An answer that may still know what was priced to find it; neither files nor copies do."""

    __slots__ = ("_planner",)
    _planner: object

    @property
    def planner(self) -> Any:
        """Who planned this in the same process; ``None`` for a copy."""
        return getattr(self, "_planner", None)

    def planned_by(self, planner: object) -> None:
        """Remember who planned this: further questions need no new prices."""
        object.__setattr__(self, "_planner", planner)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FleetResult(ShownAnswer, _Priced):
    """Plans of one fleet: the best one, or a frontier of them, cheapest first."""

    scenario: Fleet
    plans: tuple[FleetPlan, ...]
    statistics: FleetStatistics

    def __len__(self) -> int:
        return len(self.plans)

    def __iter__(self) -> Iterator[FleetPlan]:
        return iter(self.plans)

    def __getitem__(self, index: int) -> FleetPlan:
        return self.plans[index]

    @property
    def is_frontier(self) -> bool:
        """Whether plans trade cost against something else."""
        return self.question.kind == "fleet_frontier"

    def to_dataframe(self, table: str = "instances") -> pd.DataFrame:
        """One of the tables that ``TABLES`` lists; ``plans`` is that of the plans themselves.

        Tables of a frontier have a first column ``plan``, which counts from 0.

        Raises
        ------
        ScenarioError
            There is no such table.
        """
        from ieco_opt.results.tables import rows_to_dataframe, scalars_to_dataframe

        if table not in TABLES:
            raise ScenarioError.single(f"found {found(table)}, expected one of {', '.join(TABLES)}", field="table")
        if table == "plans":
            frame, numbers = scalars_to_dataframe(FleetPlan, self.plans), list(range(len(self.plans)))
        else:
            rows = [(number, row) for number, plan in enumerate(self.plans) for row in getattr(plan, table)]
            frame = rows_to_dataframe(_ROWS[table], [row for _, row in rows])
            numbers = [number for number, _ in rows]
        if self.is_frontier:
            frame.insert(0, "plan", numbers)
            frame = frame.astype({"plan": "int64"})
        return frame

    def relaxations(self) -> FleetResult:
        """Add what any better plan would have to violate at the least (``next_cheaper`` of the plan).

        A result that was found in this process still knows what was priced for it; one from a file is priced again.

        Raises
        ------
        ScenarioError
            The result is a frontier.
        IecoOptError
            Nothing that plans fleets is installed.
        """
        if self.is_frontier:
            raise ScenarioError.single("found a frontier, expected a single plan", field="question.kind")
        found: FleetResult = installed_part(PLANNERS, "fleets", "plans fleets").with_relaxations(self)
        return found

    def launch(
        self, *, engine: str | None = None, plan: int | None = None, folder: str | Path = "."
    ) -> list[LaunchCommand]:
        """The commands that start all instances of a plan (from 1; its only one) and the routers before them.

        Engine, folder and errors are as of :meth:`ieco_opt.results.frontier.Frontier.launch`.
        """
        commands: list[LaunchCommand] = launcher_of_results().all_commands(self, engine, plan, Path(folder))
        return commands

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds: of plans for a frontier, otherwise of instances."""
        return self.to_dataframe("plans" if self.is_frontier else "instances")

    def tables_beside(self) -> dict[str, pd.DataFrame]:
        """Tables in files beside the main one, by what their names end with."""
        return {"nodes": self.to_dataframe("nodes")}

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        yield from Answer.contradictions(self)
        if not self.is_frontier and len(self.plans) != 1:
            yield "plans", f"found {len(self.plans)} plans, expected one for the question 'plan'"
        known = {
            "workload": {workload.name for workload in self.scenario.workloads},
            "pool": {pool.name for pool in self.scenario.pools},
        }
        for number, plan in enumerate(self.plans):
            for place, row in _rows_with_places(plan):
                for field, names in known.items():
                    name = getattr(row, field, None)
                    if name is not None and name not in names:
                        message = f"found {found(name)}, expected the name of a {field} of the scenario"
                        yield f"plans[{number}].{place}.{field}", message


def _rows_with_places(plan: FleetPlan) -> Iterator[tuple[str, object]]:
    """Rows of all tables of a plan, and where each stands."""
    for table in _ROWS:
        for index, row in enumerate(getattr(plan, table)):
            yield f"{table}[{index}]", row
