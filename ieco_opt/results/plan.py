"""Plans of a fleet as users see them: instances, nodes, summaries, proofs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.results.guarantee import Guarantee
from ieco_opt.results.statistics import FleetStatistics
from ieco_opt.scenario.fleet import Fleet
from ieco_opt.scenario.solver_config import SolverConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """All instances of one type: one workload, phase, pool and setup.

    Figures of a deployment are those of one full instance; with a request mix, those of the slowest class it can serve.
    What the table of an operating point does not give is ``None``.

    Attributes
    ----------
    phase
        ``colocated``, ``prefill`` or ``decode``.
    instance_type
        Short name of the setup, unique within workload, phase and pool.
    instances, nodes
        Instances of the type, and the nodes they touch (which others may share).
    requests_per_s, capacity_requests_per_s
        What all instances of the row serve, and could serve of the same mix.
    utilization
        Served over capacity, 0 to 1.
    usd_per_hour
        Rent of the row: its share of the pool's rent, by GPUs.
    speed_tokens_per_s, latency_s
        ``None`` for prefill.
    time_to_first_token_s
        Of prefill: the pass and the slowest transfer to a decode instance of the plan. ``None`` for decode.
    throughput_tokens_per_s
        Generated tokens of one full instance; for prefill, prompt tokens.
    bound, gap, status
        Of the plan: proven bound on its objective, relative gap, ``optimal`` or ``feasible``.
    memory_per_gpu_gb, memory_limit_gb
        Bytes / 1e9 on the most loaded GPU, and what the server may use there.
    """

    workload: str
    phase: str
    pool: str
    instance_type: str
    instances: int
    nodes: int
    usd_per_hour: float
    utilization: float
    time_to_first_token_s: float | None
    requests_per_s: float
    capacity_requests_per_s: float
    speed_tokens_per_s: float | None
    cost_usd_per_mtok: float | None
    latency_s: float | None
    throughput_tokens_per_s: float
    gpus: int
    accelerator: str
    weights: str | None
    tensor_parallel: int | None
    tensor_layout: str | None
    pipeline_parallel: int | None
    expert_parallel: int | None
    attention_data_parallel: int | None
    batch: int | None
    draft_tokens: int | None
    mfu: float | None
    power_kw: float | None
    bottleneck: str | None
    kernel_s: float | None
    network_s: float | None
    memory_s: float | None
    arithmetic_s: float | None
    bound: float
    gap: float
    status: str
    draft_tensor_parallel: int | None
    draft_tensor_layout: str | None
    draft_pipeline_parallel: int | None
    draft_expert_parallel: int | None
    draft_attention_data_parallel: int | None
    memory_per_gpu_gb: float | None = None
    memory_limit_gb: float | None = None


@dataclass(frozen=True, slots=True)
class NodeRow:
    """What one instance occupies of one node; a node has a row for each instance on it.

    ``node`` counts from 0 within the pool, ``instance`` from 0 within workload, phase, pool and instance type.
    """

    pool: str
    node: int
    node_gpus: int
    workload: str
    phase: str
    instance_type: str
    instance: int
    gpus: int


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
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
        GPUs of its instances, and its shares of the rent and power of the pools by GPUs.
    """

    workload: str
    serving: str
    instances: int
    requests_per_s: float
    required_requests_per_s: float
    capacity_requests_per_s: float
    slack_requests_per_s: float
    utilization: float
    speed_tokens_per_s: float | None
    time_to_first_token_s: float | None
    gpus: int
    usd_per_hour: float
    power_kw: float | None


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """One pool of a plan: GPUs in stock, rented, and at work in instances."""

    pool: str
    accelerator: str
    rented_by: str
    capacity_gpus: int
    allocated_gpus: int
    used_gpus: int
    nodes: int
    usd_per_hour: float
    power_kw: float | None


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The least that would have to be given up for something better, one requirement at a time.

    Attributes
    ----------
    requirement
        Such as ``demand of chat`` or ``stock of h100``.
    amount, unit
        Least violation, in requests/s, GPUs, $/h or kW.
    share
        The same relative to what is required; ``None`` where that is zero.
    objective
        What the plan with that violation would come to, in the objective's unit.
    """

    requirement: str
    amount: float
    unit: str
    share: float | None
    objective: float


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """One plan, with what is proven of it.

    Attributes
    ----------
    speed_factor
        Factor on every workload's least speed that the plan meets; 1 unless a frontier asks for more.
    objective, bound, gap
        What was minimised (see ``FleetResult.question``), the proven bound below it, and their relative distance.
    status
        ``optimal`` where the gap is closed (to 1e-6), otherwise ``feasible``.
    next_cheaper
        What any better plan would violate at the least; empty where it was not asked for.
    """

    speed_factor: float
    usd_per_hour: float
    power_kw: float | None
    gpus: int
    objective: float
    bound: float
    gap: float
    status: str
    instances: tuple[InstanceRow, ...]
    nodes: tuple[NodeRow, ...]
    workloads: tuple[WorkloadSummary, ...]
    pools: tuple[PoolSummary, ...]
    next_cheaper: tuple[Relaxation, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetResult:
    """Plans of one fleet: the best one, or a frontier of them, cheapest first.

    Attributes
    ----------
    question
        ``cost``, ``power`` or ``gpus``: what the one plan minimises. ``speed``, ``cost_power`` or ``cost_gpus``: a
        frontier of least cost against the common speed factor, power or GPUs.
    guarantee
        ``single`` for one plan; ``covered`` or ``complete`` for frontiers; ``partial`` where a search was stopped.
    coverage
        delta of a covered frontier.
    stopped
        Why a search ended early; ``None`` where it did not.
    """

    scenario: Fleet
    question: str
    guarantee: Guarantee
    plans: tuple[FleetPlan, ...]
    coverage: float | None
    stopped: str | None
    solver: SolverConfig
    statistics: FleetStatistics
    versions: dict[str, str]
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.plans)

    def __iter__(self) -> Iterator[FleetPlan]:
        return iter(self.plans)

    def __getitem__(self, index: int) -> FleetPlan:
        return self.plans[index]

    @property
    def is_frontier(self) -> bool:
        """Whether plans trade cost against something else."""
        return self.question not in ("cost", "power", "gpus")

    def to_dataframe(self, table: str = "instances") -> pd.DataFrame:
        """One of the tables ``instances``, ``nodes``, ``workloads``, ``pools`` and, for frontiers, ``plans``.

        Tables of a frontier have a first column ``plan``, which counts from 0.
        """
        from ieco_opt.results.fleet_files import to_dataframe

        return to_dataframe(self, table)

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the result with its scenario, versions and proofs; also returns the text."""
        from ieco_opt.results.fleet_files import to_json, write

        if path is not None:
            write(self, Path(path), "json")
        return to_json(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the table of instances (of plans, for a frontier), and that of nodes beside it (``NAME.nodes.csv``)."""
        from ieco_opt.results.fleet_files import write

        write(self, Path(path), "csv")

    def to_parquet(self, path: str | Path) -> None:
        """Like :meth:`to_csv`, in Parquet (needs the extra ``parquet``)."""
        from ieco_opt.results.fleet_files import write

        write(self, Path(path), "parquet")

    def plot(self, path: str | Path) -> None:
        """Draw pools filled by workload, or the frontier, to a .png, .svg or .html file (needs the extra ``plot``)."""
        from ieco_opt.reports.figures import save

        save(self, path)
